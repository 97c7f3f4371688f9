"""Writes follow.html, which plays a recording with a cursor on its score, and follow.json."""

import json
from pathlib import Path

from tempo_invariant.audio.recordings import Recording
from tempo_invariant.files import atomic_write
from tempo_invariant.retrieval.answers import page
from tempo_invariant.retrieval.answers.sound import sound_url
from tempo_invariant.retrieval.answers.text import doubt_text, duration
from tempo_invariant.retrieval.answers.visits import find_visits
from tempo_invariant.retrieval.following import FollowedScore


def write(
    answer: FollowedScore, recording: Recording, output: str | Path, embed_audio: bool = True
) -> Path:
    """Writes follow.html and follow.json into a directory.

    Args:
        answer: Answer to the recording.
        recording: Recording.
        output: Directory.
        embed_audio: Whether the page holds the recording, as far as it can; else it is beside it.

    Returns:
        Path of the page.

    Raises:
        UserError: The recording cannot be read.
    """
    path = Path(output) / "follow.html"
    content = render(answer, sound_url(recording, path, embed_audio))
    with atomic_write(path.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(answer.to_dict(), allow_nan=False) + "\n")
    with atomic_write(path) as temporary:
        temporary.write_text(content, encoding="utf-8")
    return path


def render(answer: FollowedScore, sound: str) -> str:
    """Returns the page; `sound` is the URL of the recording, see `sound.sound_url`."""
    visits, doubt = find_visits(answer.places), doubt_text(answer)
    boxes = {(system.page, system.system): system.box for system in answer.systems}
    return page.document(
        answer.document.name + "?" * bool(doubt),
        [
            f"{Path(answer.audio).name}, {duration(answer.duration_seconds)}",
            *([doubt] * bool(doubt)),
        ],
        page.ShownScore(answer.document.pages, boxes, visits),
        page.Playing(sound, answer.duration_seconds, answer.course),
        page.stretches(visits),
        loud=answer.judgement is not None and answer.judgement.verdict == "unknown",
    )
