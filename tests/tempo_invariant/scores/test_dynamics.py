"""Tests of dynamics: what marks say, and the velocity of every moment."""

from fractions import Fraction

import pytest

from tempo_invariant.scores.dynamics import Loudness, Mark, parse_mark


@pytest.mark.parametrize(
    ("text", "level", "stress", "direction"),
    [
        ("p", 49, 0, 0),
        ("pppp", 16, 0, 0),
        ("più f, poco a poco dim.", 96, 0, -1),
        ("m.f.", 80, 0, 0),
        ("Fortissimo", 112, 0, 0),
        ("sfz", None, 32, 0),
        ("poco rf.", None, 32, 0),
        ("fp", 49, 96 - 49, 0),
        ("sfpp", 33, 32, 0),
        ("cre - - scen _ do", None, 0, 1),
        ("decresc.", None, 0, -1),
        ("dolce, espress.", None, 0, 0),
        ("Pf. dumm", None, 0, 0),
        ("", None, 0, 0),
    ],
)
def test_what_is_printed_tells_level_stress_and_direction(text, level, stress, direction):
    assert parse_mark(text) == (level, stress, direction)


def velocities(marks, *moments):
    loudness = Loudness(marks)
    return [loudness.velocity(Fraction(moment)) for moment in moments]


def test_a_level_holds_from_its_mark_to_the_next():
    marks = [Mark(Fraction(2), 33), Mark(Fraction(1), 96)]
    assert velocities(marks, 0, "15/16", 1, "3/2", 2, 9) == [64, 64, 96, 96, 33, 33]
    assert velocities([], 0, 5) == [64, 64]


def test_a_hairpin_leads_to_the_mark_after_it():
    marks = [Mark(Fraction(1), 32), Mark(Fraction(1), None, 0, 1, Fraction(3))]
    late = Mark(Fraction(7, 2), 96)  # within a whole note after its end
    found = velocities([*marks, late], 1, 2, 3, 4)
    assert found == pytest.approx([32, 64, 96, 96], abs=1)  # marks count from a moment before


def test_a_hairpin_to_nowhere_changes_the_level_by_one_and_comes_back():
    def hairpin(begin, direction):
        return Mark(Fraction(begin), None, 0, direction, Fraction(begin + 1))

    marks = [Mark(Fraction(0), 49), hairpin(1, 1), hairpin(2, -1), hairpin(3, -1), hairpin(4, -1)]
    assert velocities(marks, 1, 2, 3, 4, 5, 9) == pytest.approx([49, 65, 49, 33, 33, 33], abs=1)
    # A softer mark is not where growing music leads to.
    found = velocities([*marks[:2], Mark(Fraction(2), 33)], "31/16", 2)
    assert found == pytest.approx([64, 33], abs=1)


def test_growing_without_an_end_lasts_to_the_next_mark_or_four_bars():
    grow = Mark(Fraction(0), 49, 0, 1)
    assert velocities([grow, Mark(Fraction(2), 81)], 1, 2) == [65, 81]
    assert velocities([grow], 2, 4, 8) == [57, 65, 65]


def test_accents_concern_the_notes_at_their_place():
    marks = [Mark(Fraction(1), None, 32), Mark(Fraction(2), 49, 47), Mark(Fraction(3), 112, 32)]
    found = velocities(marks, "7/8", 1, "9/8", 2, "17/8", 3)
    assert found == [64, 96, 64, 96, 49, 127]
