"""Pictures of answers are drawn where things are."""

import numpy as np

from tempo_invariant.retrieval.answers import pictures
from tempo_invariant.retrieval.certainty import Judgement
from tempo_invariant.retrieval.identification import Matching
from tempo_invariant.retrieval.sequence import ScorePath
from tempo_invariant.scores.places import SHEET


def test_the_path_lies_on_the_similarities_after_a_silence():
    seconds = np.r_[np.arange(0, 20, 0.5), np.arange(80, 90, 0.5)]  # the windows that sound
    similarities = np.eye(60, dtype=np.float32)
    path = ScorePath(np.arange(60), np.arange(60) == 40, 60.0)
    places = np.zeros(60, SHEET)
    answer = Matching([], Judgement("sure"), similarities, path, seconds, places)
    axis = pictures.matrix_figure(answer, "seconds", "snippet").axes[0]
    (image,) = axis.images
    shown = np.ma.filled(image.get_array(), np.nan)
    _, edges = pictures._cells(seconds)
    assert axis.get_xlim() == (-0.25, 89.75)
    assert shown.shape == (60, 61) and np.isnan(shown[:, 40]).all()
    for line in axis.lines:
        for second, row in zip(*line.get_data(), strict=True):
            column = np.searchsorted(edges, second) - 1
            assert shown[int(row), column] == 1
    assert len(axis.lines) == 2


def test_cells_are_around_their_values():
    numbers, edges = pictures._cells(np.array([0.0, 0.5, 1.0, 5.0, 5.5]))
    assert numbers.tolist() == [0, 1, 2, -1, 3, 4]
    assert edges.tolist() == [-0.25, 0.25, 0.75, 1.25, 4.75, 5.25, 5.75]
    numbers, edges = pictures._cells(np.array([3]))
    assert (numbers.tolist(), edges.tolist()) == ([0], [2.5, 3.5])
