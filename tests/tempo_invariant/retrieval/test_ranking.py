"""Ranking the documents of an index: votes, paths, hubness, editions, and how sure it is."""

import dataclasses

import numpy as np
import pytest

from tempo_invariant.errors import UserError
from tempo_invariant.retrieval.certainty import Calibration
from tempo_invariant.retrieval.ranking import Ranker
from tests import fake_embedder, four_scores
from tests.fake_embedder import melody
from tests.four_scores import POSITIONS, RISING, SCORES, identify, listened


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return four_scores.make_index(tmp_path_factory.mktemp("index"))


def test_documents_that_are_left_out_are_as_if_not_there(index):
    heard = listened(melody(RISING, 20)).embedding
    names = {}
    for left_out in ((), (2,), (0, 2, 3)):
        ranker = Ranker(index, left_out=left_out)
        ranker.update(heard)
        names[left_out] = [candidate.name for candidate in ranker.candidates()]
    assert names[()][0] == "rising" and set(names[()]) == set(SCORES)
    assert names[2,] == [name for name in names[()] if name != "rising"]
    assert names[0, 2, 3] == ["other"]
    with pytest.raises(UserError, match="no document is left"):
        Ranker(index, left_out=range(4))


def test_hubness_is_taken_off_before_paths_are_followed(index):
    """As much as one score needs to fall behind; its level over the index is left in the scores."""
    heard = listened(melody(RISING, 20)).embedding
    before = {one.name: one.score for one in _ranked(index, heard)}
    hubness = np.zeros(len(index.vectors), np.float32)
    hubness[index.rows(2)] = 0.8
    near = dataclasses.replace(index, hubness=hubness)
    after = {one.name: one.score for one in _ranked(near, heard)}
    assert list(before)[0] == "rising" and list(after)[-1] == "rising"
    level = hubness.mean()
    for name, score in before.items():
        expected = score - 0.8 * (name == "rising") + level
        assert after[name] == pytest.approx(expected, abs=1e-5)


def _ranked(index, heard):
    ranker = Ranker(index)
    ranker.update(heard)
    return ranker.candidates()


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """The fake model ships with a calibration: half sure at a lead of 3 deviations."""
    weights = (-3.0, 0.0, 1.0, *[0.0] * 8)
    fake_embedder.ship(monkeypatch, tmp_path, Calibration((0.0, 0.0), 0.2, weights, 0.1, 0.6, 0.9))


def test_editions_are_no_rivals(index, shipped):
    heard = listened(melody(RISING[:80], 14)).embedding
    judged = []
    for editions in ((), ((2, 3),)):
        ranker = Ranker(dataclasses.replace(index, editions=editions))
        ranker.update(heard)
        assert ranker.candidates(1)[0].name == "rising"
        judged.append(ranker.judge(2).confidence)
    assert 0 < 1.5 * judged[0] < judged[1] < 1


def test_a_model_without_a_calibration_does_not_say_how_sure_it_is(index):
    answer = identify(index, melody(RISING, 20))
    assert (answer.certainty, answer.verdict, answer.confidence) == ("not told", "none", None)
    assert answer.candidates[0].name == "rising"


def test_paths_are_judged_as_far_as_they_count(index, shipped):
    """What is forgotten is not followed to tell how steady the path is."""
    heard = listened(melody(RISING, 20)).embedding
    ranker = Ranker(index, memory=0.8)
    for block in (listened(melody(SCORES["other"], 20)).embedding, heard):
        ranker.update(block)
    ranker.candidates(1)
    passage = ranker.follow(2, 5)
    expected = heard[-5:] @ index.vectors[index.rows(2)].T
    np.testing.assert_allclose(passage.similarities, expected, atol=1e-6)
    assert ranker.judge(2) == ranker.judge(2, passage)
    assert len(ranker.follow(2).path.positions) == 2 * len(heard)


def test_editions_take_one_place_in_the_ranking(index):
    heard = listened(melody(RISING, 20)).embedding
    before = [one.name for one in _ranked(index, heard)]
    group = tuple(sorted(index.documents.index(before[place]) for place in (0, 2)))
    after = _ranked(dataclasses.replace(index, editions=(group,)), heard)
    assert [(one.rank, one.name, one.also) for one in after] == [
        (1, before[0], (before[2],)),
        (2, before[1], ()),
        (3, before[3], ()),
    ]
    ranker = Ranker(dataclasses.replace(index, editions=(group,)), left_out=[group[0]])
    ranker.update(heard)
    assert all(not one.also for one in ranker.candidates())


def test_paths_go_on_as_the_shortlist_changes(index):
    """What is followed has the score that it has if everything is followed from the start."""
    heard = [listened(melody(SCORES[name], 20)).embedding for name in SCORES]
    ranker, whole = Ranker(index, shortlist_positions=2 * POSITIONS), Ranker(index)
    followed = set()
    for block in np.array_split(np.concatenate(heard), 25):
        ranker.update(block)
        whole.update(block)
        expected = {one.name: (one.score, one.position) for one in whole.candidates()}
        found = [one for one in ranker.candidates() if one.score is not None]
        assert len(found) == 2
        for one in found:
            assert one.score == pytest.approx(expected[one.name][0], abs=1e-5)
            assert one.position == expected[one.name][1]
        followed.add(frozenset(one.name for one in found))
    assert len(followed) > 1


def test_the_lead_counts_even_if_one_score_is_asked_for(index, shipped):
    pcm = melody(SCORES["zigzag"][80:], 7)  # the end of "rising", too
    every, one = identify(index, pcm), identify(index, pcm, top=1)
    assert every.confidence == one.confidence < 0.6


def test_documents_with_few_votes_are_not_followed(index):
    ranker = Ranker(index, shortlist_positions=2 * POSITIONS)
    ranker.update(listened(melody(SCORES["other"], 20)).embedding)
    candidates = ranker.candidates()
    assert candidates[0].name == "other"
    assert [candidate.score is None for candidate in candidates] == [False, False, True, True]
    # Another score comes to be followed later, and is followed from the start.
    late, at_once = listened(melody(RISING, 60)).embedding, Ranker(index)
    ranker.update(late)
    at_once.update(listened(melody(SCORES["other"], 20)).embedding)
    at_once.update(late)
    whole = {candidate.name: candidate for candidate in at_once.candidates()}
    for candidate in ranker.candidates(2):
        assert candidate.score == pytest.approx(whole[candidate.name].score, abs=1e-5)
