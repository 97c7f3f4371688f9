"""Scores that are read elsewhere, and how far that has got."""

import numpy as np

from tempo_invariant.samples import DIRECTORY
from tempo_invariant.scores import reading
from tempo_invariant.scores.collection import find_scores


def test_the_pages_that_are_read_are_told(tmp_path):
    [reader] = find_scores(DIRECTORY / "scores" / "bach_invention_1.pdf")
    assert reading.told_pages(tmp_path, reader.name) == (0, 0)
    score = reading.read_telling(tmp_path, True, reader)
    assert reading.told_pages(tmp_path, reader.name) == (2, 2)
    assert reading.told_pages(tmp_path, "another") == (0, 0)
    other = reading.read(True, reader)
    assert score.page_files == other.page_files and set(score.page_files) == {1, 2}
    assert np.array_equal(score.document.snippets, other.document.snippets)
