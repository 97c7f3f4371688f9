"""Editions: the same music is found whatever its spacing; a part of it or a variation is not it."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tempo_invariant.retrieval import editions
from tempo_invariant.retrieval.library import AUDIO, SnippetIndex
from tempo_invariant.retrieval.neighbours import Neighbours
from tempo_invariant.scores.places import SHEET

SIZE = 32


def _index(documents):
    """An index in memory of documents by name."""
    lengths = [len(vectors) for vectors in documents.values()]
    vectors = np.concatenate(list(documents.values()))
    places = np.zeros(len(vectors), SHEET)
    places["document"] = np.repeat(np.arange(len(lengths)), lengths)
    return SnippetIndex(
        path=Path("i"),
        kind="sheets",
        documents=tuple(documents),
        entries=(),
        starts=np.cumsum([0, *lengths[:-1]]),
        lengths=np.array(lengths),
        places=places,
        hubness=np.zeros(len(vectors), np.float32),
        editions=(),
        neighbours=Neighbours(vectors),
        hop_frames=10,
        step_pixels=25,
        model="m",
        probe=np.zeros((1, SIZE), np.float32),
    )


def _music(seed, count=80):
    """A smooth walk over the sphere, neighbours at a cosine of about 0.85: one note a snippet."""
    steps = np.random.default_rng(seed).normal(size=(count + 8, SIZE))
    smooth = np.stack([steps[k : k + 6].sum(axis=0) for k in range(count)])
    return _unit(smooth)


def _edition(music, spacing, seed):
    """The same music with another number of snippets, and the noise of another engraver."""
    count = round(spacing * len(music))
    places = np.linspace(0, len(music) - 1, count)
    between = np.stack([np.interp(places, np.arange(len(music)), column) for column in music.T], 1)
    noise = np.random.default_rng(seed).normal(size=between.shape) * 0.5 / np.sqrt(SIZE)
    return _unit(_unit(between) + noise)


def _unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def documents():
    waltz, rondo = _music(1), _music(2)
    return {
        "waltz": waltz,
        "rondo": rondo,
        "waltz, wide": _edition(waltz, 1.4, 3),
        "waltz, its second half another": np.concatenate([waltz[:40], _music(4, 40)]),
        "waltz and rondo": np.concatenate([_edition(waltz, 1, 5), _edition(rondo, 1, 6)]),
        "other": _music(7),
        "rondo, narrow": _edition(rondo, 0.75, 8),
        "rondo, played twice": np.concatenate([_edition(rondo, 1, 9), _edition(rondo, 1, 10)]),
    }


def test_editions_of_a_work_are_grouped_and_nothing_else(documents):
    assert editions.find_editions(_index(documents)) == [(0, 2), (1, 6, 7)]


def test_what_is_covered_is_the_share_that_is_found(documents):
    waltz, mixed = documents["waltz"], documents["waltz, its second half another"]
    assert editions.coverage(waltz, waltz, 0.7) == 1
    assert editions.coverage(mixed, waltz, 0.7) == pytest.approx(0.5, abs=0.05)
    both = documents["waltz and rondo"]
    assert editions.coverage(waltz, both, 0.7) == 1
    assert editions.coverage(both, waltz, 0.7) == pytest.approx(0.5, abs=0.05)
    assert not editions.same_music(waltz, both, editions.ALIKE["sheets"])


def test_music_backwards_is_other_music(documents):
    waltz = documents["waltz"]
    assert not editions.same_music(waltz, waltz[::-1], editions.ALIKE["sheets"])


def test_a_path_that_leaps_all_the_time_finds_nothing(documents):
    waltz = documents["waltz"]
    parts = np.split(waltz, 8)
    assert editions.coverage(np.concatenate([*parts[4:], *parts[:4]]), waltz, 0.7) > 0.9
    assert editions.coverage(np.concatenate(parts[::-1]), waltz, 0.7) == 0


def test_added_documents_join_the_groups_that_are_known(documents):
    index = _index(documents)
    first = editions.find_editions(index, added=[0, 1, 3, 6])
    assert first == [(0, 2), (1, 6, 7)]  # those that were there are found by those that come
    assert editions.find_editions(index, known=[(1, 6)], added=[5]) == [(1, 6)]
    assert editions.find_editions(index, known=[(1, 6)], added=[2, 7]) == [(0, 2), (1, 6, 7)]


def test_recordings_of_a_work_are_grouped_likewise(documents):
    takes = {**documents, "other, as fast again": documents["other"][::2]}
    index = _index(takes)
    places = np.zeros(len(index.places), AUDIO)
    places["document"] = index.places["document"]
    recordings = dataclasses.replace(index, kind="recordings", places=places)
    assert editions.find_editions(recordings) == [(0, 2), (1, 6, 7), (5, 8)]


def test_recordings_of_one_work_may_be_less_alike_than_two_editions(documents):
    other = documents["other"]
    heard = _unit(other + 0.165 * np.random.default_rng(11).normal(size=other.shape))
    assert not editions.same_music(other, heard, editions.ALIKE["sheets"])
    assert editions.same_music(other, heard, editions.ALIKE["recordings"])
