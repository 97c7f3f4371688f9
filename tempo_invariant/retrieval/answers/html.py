"""An answer as one HTML page that needs nothing else, and as JSON."""

import base64
import html
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tempo_invariant.files import atomic_write, write_json
from tempo_invariant.retrieval.answers import pictures
from tempo_invariant.retrieval.answers.visits import Visit, clock
from tempo_invariant.retrieval.ranking import Candidate

MAX_PAGES = 40
"""Pages of the score that are shown, those with the most time on them first."""

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 62em; margin: 2em auto; padding: 0 1em;
       color: #222; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 2em; }
table { border-collapse: collapse; } th, td { text-align: left; padding: .25em .9em .25em 0; }
th { border-bottom: 1px solid #999; } tr.best td { font-weight: 600; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
img { max-width: 100%; border: 1px solid #ddd; } figure { margin: 1em 0; }
figcaption { color: #555; } summary { cursor: pointer; }
"""


def ranking_table(candidates: Sequence[Candidate]) -> str:
    """Returns the ranking as an HTML table."""
    rows = [
        f'<tr class="{"best" if number == 1 else ""}"><td class="number">{number}</td>'
        f"<td>{html.escape(candidate.name)}</td>"
        f'<td class="number">{"–" if candidate.score is None else f"{candidate.score:.3f}"}</td>'
        f'<td class="number">{candidate.votes:.0f}</td></tr>'
        for number, candidate in enumerate(candidates, 1)
    ]
    head = '<tr><th class="number">#</th><th>name</th><th class="number">score</th>'
    return f'<table>{head}<th class="number">votes</th></tr>{"".join(rows)}</table>'


def figure(png: bytes, caption: str) -> str:
    """Returns a picture with its caption; the picture is in the page itself."""
    data = base64.b64encode(png).decode()
    text = html.escape(caption)
    return (
        f'<figure><img alt="{text}" src="data:image/png;base64,{data}">'
        f"<figcaption>{text}</figcaption></figure>"
    )


def page_figures(visits: Sequence[Visit], page_paths: dict[int, Path]) -> Iterable[str]:
    """Yields a picture of every page that was visited and is there, in the order of the score."""
    by_page: dict[int, list[Visit]] = {}
    for visit in visits:
        by_page.setdefault(visit.page, []).append(visit)

    def seconds(page: int) -> int:
        return sum(len(visit.columns) for visit in by_page[page])

    there = [page for page in by_page if page in page_paths and page_paths[page].is_file()]
    for page in sorted(sorted(there, key=seconds, reverse=True)[:MAX_PAGES]):
        png = pictures.page_png(page_paths[page], by_page[page])
        yield figure(png, f"Page {page}: matched systems with their times, a dot for every second")


def visit_table(visits: Sequence[Visit]) -> str:
    """Returns when which system is played, as a table that is folded in."""
    rows = [
        f"<tr><td>{visit.label}</td>"
        f'<td class="number">{visit.page}</td><td class="number">{visit.system}</td>'
        f'<td class="number">{visit.columns[0]:.0f}–{visit.columns[-1]:.0f}</td></tr>'
        for visit in visits
    ]
    head = '<tr><th>time</th><th class="number">page</th><th class="number">system</th>'
    return (
        f"<details><summary>{len(visits)} stretches of the score</summary><table>{head}"
        f'<th class="number">x</th></tr>{"".join(rows)}</table></details>'
    )


def document(title: str, introduction: str, sections: Sequence[tuple[str, str]]) -> str:
    """Returns a whole page.

    Args:
        title: Title as plain text.
        introduction: Plain text below the title.
        sections: Headings as plain text, with what is below them in HTML.
    """
    body = "".join(f"<h2>{html.escape(name)}</h2>{content}" for name, content in sections)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{html.escape(title)}</h1><p>{html.escape(introduction)}</p>{body}</body></html>\n"
    )


def write(directory: str | Path, page: str, report: dict[str, Any]) -> Path:
    """Writes answer.html and answer.json into a directory; returns the path of the former."""
    path = Path(directory) / "answer.html"
    write_json(Path(directory) / "answer.json", report)
    with atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def duration(seconds: float) -> str:
    """Returns a length of time in words."""
    return f"{clock(seconds)} min" if seconds >= 60 else f"{seconds:.1f} s"
