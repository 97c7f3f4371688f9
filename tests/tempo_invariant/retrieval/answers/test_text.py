"""What a musician reads in the terminal."""

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tempo_invariant.retrieval import courses
from tempo_invariant.retrieval.answers import text
from tempo_invariant.retrieval.answers.visits import find_visits
from tempo_invariant.retrieval.certainty import VERDICTS, Judgement
from tempo_invariant.retrieval.listening import LiveAnswer
from tempo_invariant.retrieval.ranking import Candidate
from tempo_invariant.scores.places import Box, Place

BOX = Box(100, 60, 180, 760)


def timed(second, page, system, x=100.0, bar=None):
    return courses.timed_place(second, Place(page, system, x, BOX, bar), 0.5)


def walk(systems, seconds=10, bars=False):
    """Places of a recording that spends some seconds in each of (page, system)."""
    return [
        timed(number * seconds + second, *where, 100 + 60 * second, number + 1 if bars else None)
        for number, where in enumerate(systems)
        for second in range(seconds)
    ]


@dataclasses.dataclass
class Answer:
    """What `text` needs of an answer."""

    candidates: tuple
    certainty: str
    places: list
    query: str = "take\x1b[2J.wav"
    documents: int = 19
    duration_seconds: float = 61.5
    confidence: float | None = None
    short: bool = False
    played: tuple = ()
    document: Any = dataclasses.field(default_factory=lambda: SimpleNamespace(places=()))

    @property
    def matching(self):
        return SimpleNamespace(judgement=Judgement(self.certainty, self.confidence, self.short))

    @property
    def verdict(self):
        return VERDICTS[self.certainty]


CANDIDATES = (
    Candidate(1, 4, "minuet\x1b]0;evil\x07", 612.0, 0.6621, 7),
    Candidate(2, 5, "x" * 90, 350.0, 0.325, 8),
    Candidate(3, 6, "late", 2.0, None, None),
)


def test_the_answer_comes_first_and_says_how_sure_it_is():
    places = walk([(1, 1), (1, 2)], bars=True)
    lines = text.identified_score(Answer(CANDIDATES, "sure", places)).splitlines()
    assert lines == [
        r"0.66  minuet\x1b]0;evil\x07  (sure)",
        f"0.33  {'x' * 59}…",
        "   –  late",
        "",
        "0:00–0:09  page 1, system 1, bar 1",
        "0:10–0:19  page 1, system 2, bar 2",
    ]
    unsure = text.identified_score(Answer(CANDIDATES[:1], "unsure", places)).splitlines()
    assert unsure[0].endswith("(unsure; perhaps not among your 19 scores)")
    short = Answer(CANDIDATES[:1], "unsure", places, documents=1, confidence=0.004, short=True)
    doubted = "(too short to be sure; perhaps not your score)"
    assert text.identified_score(short).splitlines()[0].endswith(doubted)
    short.confidence = 0.9
    assert text.identified_score(short).splitlines()[0].endswith("(too short to be sure)")
    likely = Answer(CANDIDATES[:1], "likely", places, confidence=0.914)
    assert text.identified_score(likely).splitlines()[0].endswith("(likely, 91 %)")


def test_music_that_is_in_no_score_has_no_places():
    places = walk([(1, 1), (1, 2)])
    absent = Answer(CANDIDATES, "absent", places, confidence=0.004)
    assert text.identified_score(absent).splitlines() == [
        "not among your 19 scores; nearest:",
        r"0.66  minuet\x1b]0;evil\x07",
        f"0.33  {'x' * 59}…",
        "   –  late",
    ]
    assert "among 19 scores: not among your 19 scores" in text.identified_score(absent, True)
    assert "system 2" in text.identified_score(absent, verbose=True)


def test_other_editions_are_named_beside_the_first():
    both = (dataclasses.replace(CANDIDATES[0], also=("minuet (2)", "a\x07")), *CANDIDATES[1:])
    line = text.identified_score(Answer(both, "sure", [])).splitlines()[0]
    assert line.endswith(r"(also as minuet (2), a\x07)  (sure)")
    takes = Answer(both, "sure", [])
    line = text.identified_recording(takes).splitlines()[0]
    assert line.endswith(r"(also in minuet (2), a\x07)  (sure)")


def test_votes_and_columns_are_for_the_verbose():
    answer = Answer(CANDIDATES, "sure", walk([(1, 1)]))
    short, long = text.identified_score(answer), text.identified_score(answer, verbose=True)
    assert "votes" not in short and ", x " not in short
    assert "votes" in long and "   612  " in long and "page 1, system 1, x 100–640" in long
    assert r"take\x1b[2J.wav, 1:01 min, among 19 scores: sure" in long
    assert short.isprintable() is long.isprintable() is False  # line breaks alone
    assert all(line.isprintable() for line in (short + long).splitlines())


def test_few_systems_have_a_line_each_and_many_are_joined():
    few = [(1, system) for system in range(1, text.MOST_LINES + 1)]
    assert len(text.place_lines(walk(few))) == text.MOST_LINES
    # Five pages of six systems, the second and third page repeated.
    pages = [1, 2, 3, 2, 3, 4, 5]
    many = walk([(page, system) for page in pages for system in range(1, 7)], bars=True)
    lines = text.place_lines(many)
    assert len(lines) == 7
    assert lines[0] == "0:00–0:59  page 1, systems 1–6, bars 1–6"
    assert lines[3] == "3:00–3:59  page 2, systems 1–6, bars 19–24"
    assert len(text.place_lines(many, verbose=True)) == 42


def test_more_is_joined_across_pages_and_what_is_left_is_counted():
    pages = [*range(1, 31)]
    lines = text.place_lines(walk([(page, system) for page in pages for system in (1, 2)]))
    assert lines == ["0:00–9:59  page 1, system 1 – page 30, system 2"]
    backwards = walk([(1, system) for system in range(40, 0, -1)])
    lines = text.place_lines(backwards)
    assert len(lines) == text.MOST_LINES and lines[-1] == "… and 17 more stretches"
    assert text.place_lines([]) == []


def test_a_visit_ends_where_the_recording_goes_back_or_is_nowhere():
    back = [timed(0, 1, 1, 500), timed(1, 1, 1, 560), timed(2, 1, 1, 100), timed(3, 1, 1, 130)]
    visits = find_visits([*back, timed(9, 1, 1, 160), timed(10, 1, 1, 150)])
    assert [(visit.label, visit.columns) for visit in visits] == [
        ("0:00–0:01", (500, 560)),
        ("0:02–0:03", (100, 130)),
        ("0:09–0:10", (160, 150)),
    ]


@pytest.mark.parametrize("bars,words", [((3, 3), ", bar 3"), ((0, 2), ", bars 0–2"), (None, "")])
def test_bars_are_named_where_all_are_known(bars, words):
    places = [timed(second, 1, 1, 100 + second, bars and bars[second > 0]) for second in range(3)]
    (visit,) = find_visits(places)
    assert visit.bars == bars and visit.where == f"page 1, system 1{words}"
    assert find_visits([*places, timed(3, 1, 1, 200)])[0].bars is None


def live(certainty, candidates=CANDIDATES, verbose=False):
    place = Place(2, 3, 164.0, BOX, 12) if candidates else None
    answer = LiveAnswer(12.0, 466, list(candidates), Judgement(certainty), place, 2.1)
    line = text.live(answer, verbose)
    assert line.isprintable()
    return line


def test_a_live_answer_is_one_line():
    line = live("sure")
    name = r"   12.0 s  minuet\x1b]0;evil\x07 0.66"
    assert line.startswith(f"{name}  page 2, system 3, bar 12 (2.1 s")
    assert ", x " not in line
    assert ", x 164 (2.1 s ago)" in live("sure", verbose=True)
    assert live("unsure").startswith(f"{name} ?  page 2, system 3")
    nearest = r"nearest: minuet\x1b]0;evil\x07 0.66"
    assert live("absent") == f"   12.0 s  (not among your 466 scores; {nearest})"
    assert live("unsure", ()) == "   12.0 s  (nothing heard yet)"


def test_durations_are_words():
    assert [text.duration(value) for value in (9.96, 61.5, np.float64(3600))] == [
        "10.0 s",
        "1:01 min",
        "60:00 min",
    ]
