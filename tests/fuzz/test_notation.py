"""Damaged scores in MusicXML, MXL, MEI, kern and ABC, engraved, drawn and cut into snippets."""

from pathlib import Path

import pytest

from tests import fuzzing, notation_scores

CONTENTS = {
    "song.musicxml": notation_scores.MUSICXML.encode(),
    "bars.musicxml": notation_scores.by_bars(),
    "song.mxl": notation_scores.packed(),
    "trio.mei": notation_scores.MEI.encode(),
    "piano.krn": notation_scores.KERN.encode(),
    "tune.abc": notation_scores.ABC.encode(),
}


def engrave(item: tuple[str, bytes]) -> None:
    """Does with a file what an index and a build do with it."""
    from tempo_invariant.scores import collection
    from tempo_invariant.scores.notation import engrave_notation

    path, data = item
    Path(path).write_bytes(data)
    [found] = collection.find_scores(path)
    found.read()
    engrave_notation(Path(path), times=True, timeout_seconds=20)


@pytest.mark.slow
@pytest.mark.parametrize("name", CONTENTS)
def test_damaged_notation(tmp_path, name):
    path, data = str(tmp_path / name), CONTENTS[name]
    engrave((path, data))
    each = fuzzing.damaged_each(data, fuzzing.COUNT // 10)
    fuzzing.check(engrave, ((path, item) for item in each))
