"""The curve of library sizes: counted for every size, and extrapolated by a tail that is known."""

import dataclasses
import itertools

import numpy as np
import pytest

from tempo_invariant.evaluation import drawn_library, library_size, library_size_figure
from tempo_invariant.evaluation.library_size import Scored
from tempo_invariant.retrieval import hubness, indexing
from tests import fake_embedder
from tests.fake_embedder import FakeEmbedder, melody
from tests.query_files import named, query_set, strikes

PIECES = {
    "down": np.arange(130, 20, -1),
    "high": np.arange(140, 250),
    "up": np.arange(20, 130),
    "zigzag": np.concatenate([np.arange(60, 115), np.arange(115, 60, -1)]),
}
SECONDS = 20.0


def _scored(right, others):
    """Scores as `score` returns them, with -inf in the place of the right document."""
    others = np.sort(np.asarray(others, float))[:, ::-1]
    end = np.full((len(others), 1), -np.inf)
    pieces = tuple(f"piece {number}" for number in range(len(right)))
    return Scored(np.asarray(right, float), np.concatenate([others, end], 1), pieces)


def test_the_share_of_libraries_is_that_of_all_choices_of_other_documents():
    right, others = [5.0, 2.5, 0.0, 9.0], [[1, 2, 3, 4]] * 4
    scored = _scored(right, others)
    for size in range(1, 6):
        for query, found in enumerate(library_size.measured(scored, size)):
            choices = list(itertools.combinations(others[query], size - 1))
            first = [all(other < right[query] for other in chosen) for chosen in choices]
            assert found == pytest.approx(np.mean(first))
    with pytest.raises(ValueError, match="from 1 to 5, received 6"):
        library_size.measured(scored, 6)


def test_an_equal_score_counts_against_the_right_document():
    assert library_size.measured(_scored([4.0], [[1, 4, 2]]), 4).tolist() == [0.0]


def test_the_extrapolation_is_right_where_scores_fall_off_exponentially():
    """Scores of scale 0.02: another one is above s with the chance exp(-s / 0.02)."""
    generator = np.random.default_rng(0)
    right = np.linspace(0.05, 0.3, 100)
    scored = _scored(right, generator.exponential(0.02, (100, 1000)))
    for size in (300, 10_000, 100_000):
        expected = np.mean((1 - np.exp(-right / 0.02)) ** (size - 1))
        found = np.mean(library_size.extrapolated(scored, size))
        assert found == pytest.approx(expected, abs=0.03)


def test_the_curve_is_counted_as_far_as_there_are_documents():
    generator = np.random.default_rng(1)
    scored = _scored(generator.normal(3, 1, 50), generator.normal(0, 1, (50, 199)))
    rows = library_size.curve(scored, (100, 466), (10_000,))
    assert [row["scores"] for row in rows] == [100, 200, 10_000]
    assert [row["measured"] is None for row in rows] == [False, False, True]
    for row in rows[:2]:
        value, low, high = row["measured"]
        assert low <= value <= high
        assert value == np.mean(library_size.measured(scored, row["scores"]))
    assert rows[0]["measured"][0] > rows[1]["measured"][0]


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    directory = tmp_path_factory.mktemp("scores")
    for name, numbers in PIECES.items():
        fake_embedder.write_score(directory, name, numbers, seconds=SECONDS)
    made = indexing.index_scores(FakeEmbedder(), directory / "msmd", directory / "index")
    return dataclasses.replace(made.index, editions=())


def test_recordings_are_found_in_libraries_of_all_sizes(index, tmp_path):
    directory = index.path.parent / "msmd"
    played = {"up": "up", "high": "high", "down": "up"}  # the last one is something else
    recordings = [
        (name, named(), melody(PIECES[heard], SECONDS), strikes(directory / name), {})
        for name, heard in played.items()
    ]
    queries = query_set(tmp_path / "queries", recordings)
    (report,) = library_size.run(FakeEmbedder(), index, queries, tmp_path / "kept")
    assert (report["scores"], report["queries"], report["pieces"]) == (4, 3, 3)
    assert list(report["curves"]) == ["similarity"]  # this model has no cohort
    row = report["curves"]["similarity"][0]
    assert row["scores"] == 4 and row["measured"][0] == pytest.approx(2 / 3)
    assert report["shortlist"]["first"][0] == pytest.approx(2 / 3)
    same = dataclasses.replace(index, editions=((0, 2),))
    (report,) = library_size.run(FakeEmbedder(), same, queries, tmp_path / "kept")
    assert report["curves"]["similarity"][0]["measured"][0] == 1
    text = library_size.table([report])
    assert "3 queries of 3 pieces among 4 scores" in text and "R@1 100.0 [100.0, 100.0]" in text
    library_size_figure.draw([report], tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 1000


def test_drawn_documents_have_the_places_and_the_moments_of_theirs(index):
    drawn = list(drawn_library.draw(index, 300, sought=[0], seed=1))
    lengths = {len(index.places[index.rows(number)]) for number in (1, 2, 3)}
    assert {len(vectors) for vectors, _ in drawn} <= lengths
    vectors = np.concatenate([vectors for vectors, _ in drawn])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    real = np.concatenate([index.vectors[index.rows(number)] for number in (1, 2, 3)])
    assert np.abs(vectors.mean(axis=0) - real.mean(axis=0)).max() < 0.1
    near = [np.sum(one[1:] * one[:-1], axis=1).mean() for one, _ in drawn]
    assert np.mean(near) == pytest.approx(np.sum(real[1:] * real[:-1], axis=1).mean(), abs=0.1)


def test_a_library_is_enlarged_by_drawn_documents(index):
    cohort = np.eye(index.vectors.shape[1], dtype=np.float32)
    larger = drawn_library.enlarge(index, 10, cohort)
    assert larger.documents[:5] == (*index.documents, "drawn 00001")
    assert len(larger.documents) == len(larger.lengths) == 10
    assert np.array_equal(larger.vectors[: len(index.vectors)], index.vectors)
    for number in range(10):
        rows = larger.rows(number)
        assert (larger.places["document"][rows] == number).all()
    assert larger.rows(9).stop == len(larger.vectors) == len(larger.hubness)
    added = slice(len(index.vectors), None)
    expected = hubness.hubness(larger.vectors[added], cohort)
    assert np.allclose(larger.hubness[added], expected)
    asked = larger.vectors[larger.rows(7)][:3]
    _, found = larger.neighbours.search(asked, 1)
    nearest = np.argmax(asked @ larger.vectors.T - larger.hubness, axis=1)
    assert found[:, 0].tolist() == nearest.tolist()
