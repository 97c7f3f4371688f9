"""Hubness, and how an export or a server comes to the cohort of its model."""

import numpy as np
import pytest

from tempo_invariant import arrays
from tempo_invariant.errors import UserError
from tempo_invariant.model import pretrained
from tempo_invariant.retrieval import hubness, model_identity
from tempo_invariant.retrieval.hubness import COHORTS, PROBE
from tests.fake_embedder import FakeEmbedder


def unit(generator: np.random.Generator, count: int, size: int) -> np.ndarray:
    """Random directions."""
    vectors = generator.normal(size=(count, size)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_hubness_is_the_mean_of_the_ten_nearest(monkeypatch):
    monkeypatch.setattr(hubness, "_BLOCK_ROWS", 7)
    generator = np.random.default_rng(0)
    vectors, cohort = unit(generator, 20, 8), unit(generator, 300, 8)
    found = hubness.hubness(vectors, cohort)
    expected = [sorted(cohort @ vector)[-10:] for vector in vectors]
    np.testing.assert_allclose(found, np.mean(expected, axis=1), atol=1e-6)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(hubness.hubness(vectors, None), np.zeros(20))


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """Two models that ship: the fake ones of seeds 1 and 2, with cohorts of different lengths."""
    monkeypatch.setattr(pretrained, "DIRECTORY", tmp_path)
    for seed in (1, 2):
        path = tmp_path / f"fake_{seed}"
        path.mkdir()
        (path / pretrained.CARD).write_text("{}")
        model = FakeEmbedder(seed)
        arrays.save(path / PROBE, model_identity.probe(model))
        for number, name in enumerate(COHORTS.values()):
            vectors = unit(np.random.default_rng(seed), 20 * seed + number, model.size)
            arrays.save(path / name, vectors.astype(np.float16))
    return tmp_path


def test_a_model_is_known_by_what_it_computes(shipped):
    for seed in (1, 2):
        model = FakeEmbedder(seed)
        model.name = "some server that has it loaded"
        for number, kind in enumerate(COHORTS):
            cohort = hubness.cohort(model, kind)
            assert cohort.shape == (20 * seed + number, model.size)
            assert cohort.dtype == np.float32
            np.testing.assert_array_equal(
                hubness.find_cohort(model_identity.probe(model), kind), cohort
            )
    assert hubness.cohort(FakeEmbedder(3)) is None


def test_a_model_without_a_cohort_has_none(shipped):
    (shipped / "fake_1" / COHORTS["sheets"]).unlink()
    assert hubness.cohort(FakeEmbedder(1)) is None
    (shipped / "fake_2" / PROBE).unlink()
    assert hubness.cohort(FakeEmbedder(2)) is None


ONES = np.full((20, 16), 0.25, np.float16)


@pytest.mark.parametrize(
    "damaged", [ONES[0], ONES[:, :5], ONES[:9], 2 * ONES, np.nan * ONES, ONES.astype("<f4")]
)
def test_a_damaged_cohort_is_named(shipped, damaged):
    path = shipped / "fake_1" / COHORTS["sheets"]
    arrays.save(path, damaged)
    with pytest.raises(UserError, match=f"^{path}: damaged"):
        hubness.cohort(FakeEmbedder(1))


def test_every_model_that_ships_has_cohorts_of_its_size():
    for name in pretrained.names():
        probe = arrays.load(pretrained.find(name) / PROBE)
        for kind in COHORTS:
            cohort = hubness.find_cohort(probe, kind)
            assert len(cohort) == 3000
            np.testing.assert_allclose(np.linalg.norm(cohort, axis=1), 1, atol=2e-3)
