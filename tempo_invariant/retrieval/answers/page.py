"""An answer as one HTML page that needs nothing else: pages of the score, times, and a player."""

import base64
import dataclasses
import hashlib
import html
import io
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import numpy as np
from PIL import Image

from tempo_invariant.errors import printable
from tempo_invariant.retrieval import courses
from tempo_invariant.retrieval.answers.ink import grow_boxes
from tempo_invariant.retrieval.answers.sound import data_url
from tempo_invariant.retrieval.answers.visits import Visit, bar_text
from tempo_invariant.scores.places import Box
from tempo_invariant.wording import counted

System = tuple[int, int]
"""Numbers of a page and of a system on it."""

_HINT = '<p class="quiet hint">A click on the page, or on a time, plays from there.</p>'
_KEYS = (
    '<p class="quiet keys">Space plays and pauses, ← and → go back and forward by 5 seconds, '
    "Home and End to the beginning and the end.</p>"
)

TIMES_SHOWN = 2
"""Times beside a system, at most; there is no room for more on a small screen."""


@dataclasses.dataclass(frozen=True)
class Playing:
    """What the player needs.

    Attributes:
        sound: URL of the recording, which may hold the recording itself.
        duration_seconds: Duration of the recording.
        course: Course of the recording through the score, `courses.COURSE` [windows].
        start_seconds: Time from which it plays at first.
    """

    sound: str
    duration_seconds: float
    course: np.ndarray
    start_seconds: float = 0.0


@dataclasses.dataclass(frozen=True)
class ShownScore:
    """Pages of a score, with the systems that are marked on them.

    Attributes:
        pages: Page images uint8 [rows, columns] by number.
        systems: Boxes of the systems.
        visits: Stretches of time in the systems.
    """

    pages: Mapping[int, np.ndarray]
    systems: Mapping[System, Box]
    visits: Sequence[Visit]


NO_SCORE = ShownScore({}, {}, ())


def document(
    title: str,
    introduction: Sequence[str],
    score: ShownScore,
    playing: Playing | None = None,
    details: str = "",
    loud: bool = False,
) -> str:
    """Returns a whole page.

    Args:
        title: Title as plain text.
        introduction: Paragraphs below it, as plain text.
        score: Pages of the score.
        playing: What the player needs; without it the page has none.
        details: HTML that is folded away at the end.
        loud: Whether the title is a warning, to be seen at once.
    """
    script = _read("player.js") if playing else ""
    grown = _grown(score)
    sheets = "".join(_sheet(number, score, grown, playing is not None) for number in score.pages)
    paragraphs = "".join(f'<p class="quiet">{_escape(text)}</p>' for text in introduction)
    folded = f"<details><summary>Details</summary>{details}</details>" if details else ""
    mark = ' class="loud"' if loud else ""
    header = f"<header><h1{mark}>{_escape(title)}</h1>{paragraphs}</header>"
    if playing:
        body = (
            f"<body data-playable>{header}{_player(playing)}<main>{_HINT}{sheets}</main>"
            f"<footer>{_KEYS}{folded}</footer>{_data(score, grown, playing)}"
            f"<script>{script}</script></body>"
        )
    else:
        body = f"<body>{header}<main>{sheets}</main><footer>{folded}</footer></body>"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(script)}">'
        f"<title>{_escape(title)}</title><style>{_read('player.css')}</style></head>"
        f"{body}</html>\n"
    )


def _read(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _policy(script: str) -> str:
    """Returns what the page may load: what it holds, and the recording if it lies beside it."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        "default-src 'none'; img-src data:; media-src data: 'self' file:; "
        f"style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'; "
        "form-action 'none'"
    )


def _escape(text: str) -> str:
    return html.escape(printable(text))


def _player(playing: Playing) -> str:
    return (
        '<div id="player" role="group" aria-label="Player"><div>'
        f'<audio id="sound" controls preload="auto" src="{html.escape(playing.sound)}"></audio>'
        '<span id="controls" hidden>'
        '<button type="button" id="back" aria-label="Back 5 seconds">−5 s</button> '
        '<button type="button" id="play">Play</button> '
        '<button type="button" id="forward" aria-label="Forward 5 seconds">+5 s</button></span>'
        '<input type="range" id="slider" min="0" value="0" step="0.01" '
        f'max="{playing.duration_seconds:.2f}" aria-label="Time in the recording">'
        '<span id="clock"></span><span id="where">'
        '<span id="place" aria-live="polite"></span><span id="bar"></span></span></div></div>'
    )


def _grown(score: ShownScore) -> dict[System, Box]:
    """Returns the boxes of the systems on the pages that are shown, grown to their ink."""
    grown: dict[System, Box] = {}
    for page, image in score.pages.items():
        mine = {system: box for system, box in score.systems.items() if system[0] == page}
        grown |= zip(mine, grow_boxes(image, list(mine.values())), strict=True)
    return grown


def _sheet(number: int, score: ShownScore, grown: Mapping[System, Box], playable: bool) -> str:
    """Returns a page with its systems marked, and the times beside it."""
    image = score.pages[number]
    rows, columns = image.shape
    by_system: dict[System, list[Visit]] = {}
    for visit in score.visits:
        if visit.page == number:
            by_system.setdefault((number, visit.system), []).append(visit)
    times, marks = [], []
    for system, visits in by_system.items():
        top, left, bottom, right = grown[system]
        place = f"top:{100 * top / rows:.2f}%;height:{100 * (bottom - top) / rows:.2f}%"
        across = f"left:{100 * left / columns:.2f}%;width:{100 * (right - left) / columns:.2f}%"
        marks.append(f'<div class="seen" style="{place};{across}"></div>')
        times.append(f'<div style="{place}">{_times(visits, playable)}</div>')
    picture = data_url("image/png", _png(image))
    moving = '<div class="now" hidden></div><div class="cursor" hidden></div>' if playable else ""
    return (
        f'<div class="sheet"><div class="times">{"".join(times)}</div>'
        f'<div class="paper" id="page-{number}"><img alt="Page {number}" src="{picture}">'
        f"{''.join(marks)}{moving}</div></div>"
    )


def _png(image: np.ndarray) -> bytes:
    """Returns a grey page as a PNG file in few shades."""
    stream = io.BytesIO()
    shades = Image.fromarray(image).convert("RGB").quantize(32)
    shades.save(stream, format="PNG", optimize=True)
    return stream.getvalue()


def _times(visits: Sequence[Visit], playable: bool) -> str:
    """Returns when a system is played: buttons that play from there, or text."""
    shown = visits if len(visits) <= TIMES_SHOWN else visits[: TIMES_SHOWN - 1]
    parts = []
    for visit in shown:
        start = visit.label.partition("–")[0]
        if playable:
            name = f"Play from {start}, {visit.where}"
            parts.append(
                f'<button type="button" class="time" data-seconds="{visit.first:g}" '
                f'aria-label="{name}">{start}</button>'
            )
        else:
            parts.append(f'<span class="time" title="{visit.label}">{start}</span>')
    if len(visits) > len(shown):
        labels = ", ".join(visit.label for visit in visits)
        parts.append(f'<span class="time" title="{labels}">+{len(visits) - len(shown)}</span>')
    return "".join(parts)


def _data(score: ShownScore, grown: Mapping[System, Box], playing: Playing) -> str:
    """Returns what the script reads: pages, boxes and course, as JSON."""
    lists = courses.course_lists(playing.course)
    course: dict[str, Any] = {key: lists[key] for key in ("seconds", "page", "system", "bar", "x")}
    course["leap"] = np.flatnonzero(playing.course["leap"]).tolist()
    data = {
        "duration": round(playing.duration_seconds, 3),
        "start": round(playing.start_seconds, 3),
        "pages": [
            {"page": number, "width": image.shape[1], "height": image.shape[0]}
            for number, image in score.pages.items()
        ],
        "systems": [
            {"page": page, "system": system, "box": [round(float(side), 1) for side in box]}
            for (page, system), box in grown.items()
        ],
        "course": course,
    }
    # "</script>" or "<!--" in it would end the element.
    embedded = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return f'<script type="application/json" id="data">{embedded}</script>'


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a table as HTML; what is below another heading than "name" stands to the right."""
    marks = ["" if heading == "name" else ' class="number"' for heading in headings]
    lines = [
        "".join(
            f"<{tag}{mark}>{_escape(text)}</{tag}>" for mark, text in zip(marks, row, strict=True)
        )
        for tag, row in [("th", headings), *(("td", row) for row in rows)]
    ]
    return f'<div class="wide"><table><tr>{"</tr><tr>".join(lines)}</tr></table></div>'


def visit_table(visits: Sequence[Visit]) -> str:
    """Returns when which system is played, as a table."""
    rows = [
        [
            visit.label,
            f"{visit.page}",
            f"{visit.system}",
            bar_text(visit.bars).rpartition(" ")[2],
            "–".join(f"{column:.0f}" for column in visit.columns),
        ]
        for visit in visits
    ]
    return table(["time", "page", "system", "bars", "x in pixels"], rows)


def stretches(visits: Sequence[Visit]) -> str:
    """Returns the part of the details that says when which system is played."""
    heading = f"{counted(len(visits), 'stretch', 'es')} of the score"
    return section(heading, visit_table(visits))


def figure(png: bytes, caption: str) -> str:
    """Returns a picture with its caption; the picture is in the page itself."""
    text = _escape(caption)
    return (
        f'<figure><img alt="{text}" src="{data_url("image/png", png)}">'
        f"<figcaption>{text}</figcaption></figure>"
    )


def section(heading: str, content: str) -> str:
    """Returns a part of the details: a heading, and HTML below it."""
    return f"<h2>{_escape(heading)}</h2>{content}"
