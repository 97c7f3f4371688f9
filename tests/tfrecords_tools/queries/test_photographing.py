"""Photographs of pages: what is in them, that they are the same again, and that they are scores."""

import numpy as np
import pytest
from PIL import Image

from tempo_invariant.errors import UserError
from tempo_invariant.evaluation import system_detection
from tempo_invariant.evaluation.altered_pages import Alterations
from tempo_invariant.scores.collection import find_scores
from tests.drawn_pages import write_msmd
from tfrecords_tools.queries.photographing import photograph

PIECES = {"a__b__c": [3, 2], "d__e__f": [4]}


@pytest.fixture
def msmd_dir(tmp_path):
    return write_msmd(tmp_path / "msmd", PIECES)


def _pictures(folder):
    paths = sorted(folder.glob("*/*.png"))
    return {path.relative_to(folder).as_posix(): np.asarray(Image.open(path)) for path in paths}


def test_photographs_are_those_whose_systems_are_measured(msmd_dir, tmp_path):
    assert photograph(msmd_dir, tmp_path / "out", seed=1) == 3
    pictures = _pictures(tmp_path / "out")
    assert list(pictures) == ["a__b__c/01.png", "a__b__c/02.png", "d__e__f/01.png"]
    (printed,) = msmd_dir.glob("d__e__f/scores/*/img/01.png")
    assert pictures["d__e__f/01.png"].shape != np.asarray(Image.open(printed)).shape
    # The same again for one piece alone, and otherwise with another seed.
    photograph(msmd_dir, tmp_path / "one", ["d__e__f"], seed=1)
    ((name, picture),) = _pictures(tmp_path / "one").items()
    assert np.array_equal(picture, pictures[name])
    photograph(msmd_dir, tmp_path / "other", ["d__e__f"], seed=2)
    assert not np.array_equal(_pictures(tmp_path / "other")[name], picture)
    # The benchmark of systems reads these very pictures.
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        read_page = system_detection.read_page
        patch.setattr(system_detection, "read_page", lambda p: seen.append(p) or read_page(p))
        system_detection.measure(msmd_dir, 9, Alterations(True, True), 1, pieces=["d__e__f"])
    assert len(seen) == 1 and np.array_equal(seen[0], picture)


def test_photographs_are_scores(msmd_dir, tmp_path):
    photograph(msmd_dir, tmp_path / "out", alterations=Alterations(degraded=True))
    read = [reader.read() for reader in find_scores(tmp_path / "out")]
    assert [score.name for score in read] == list(PIECES)
    for score in read:
        systems = {(place["page"], place["system"]) for place in score.places}
        assert len(systems) == sum(PIECES[score.name])


def test_without_alterations_pages_are_as_they_are_printed(msmd_dir, tmp_path):
    photograph(msmd_dir, tmp_path / "out", alterations=Alterations())
    for name, picture in _pictures(tmp_path / "out").items():
        piece, page = name.split("/")
        (printed,) = (msmd_dir / piece).glob(f"scores/*/img/{page}")
        assert np.array_equal(picture, np.asarray(Image.open(printed)))


def test_what_cannot_be_photographed_leaves_nothing(msmd_dir, tmp_path):
    with pytest.raises(UserError, match="holds no piece 'x'"):
        photograph(msmd_dir, tmp_path / "out", ["x"])
    with pytest.raises(UserError, match="msmd exists already"):
        photograph(msmd_dir, msmd_dir)
    (msmd_dir / "empty" / "scores").mkdir(parents=True)
    with pytest.raises(UserError, match="msmd: no page of 'empty'"):
        photograph(msmd_dir, tmp_path / "out")
    next(msmd_dir.glob("d__e__f/scores/*/img/01.png")).write_bytes(b"no picture")
    with pytest.raises(UserError, match="01.png: not a readable image"):
        photograph(msmd_dir, tmp_path / "out", list(PIECES))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["msmd"]
