"""Dynamics: what marks ask for, and how loud that makes each moment, as MIDI velocity.

A mark holds till the next one. Hairpins and words such as "cresc." lead to the next mark; where
none follows they change the level a little, always near the last mark. Accents concern the notes
at their place.
"""

import bisect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

UNMARKED = 64
"""Velocity of notes before the first mark, and of music that has none."""

LEVELS = {"ppp": 16, "pp": 33, "p": 49, "mp": 64, "mf": 80, "f": 96, "ff": 112, "fff": 127}
"""Velocities of the marks, as notation programs have them."""

STEP = 16
"""What a hairpin adds or takes that leads to no mark; the level stays as near to the last one."""

STRESS = 32
"""What sf, fz, rf and the like add to the notes at their place."""

SOFTEST, LOUDEST = 8, 127

_OPEN = Fraction(4)
"""Longest time in whole notes that "cresc." takes where the score does not say."""

_NEAR = Fraction(1)
"""Longest time in whole notes from the end of a hairpin to the mark that it leads to."""

_SAME = Fraction(1, 128)
"""Marks count from that many whole notes before their place, accents till as many after it."""

_WORD = re.compile(r"[^\W\d_]+")
_ACCENT = re.compile(r"(s?f+z?|rf+z?)(p*)")
_NAMES = {"piano": "p", "pianissimo": "pp", "forte": "f", "fortissimo": "ff"}
_BETWEEN_SYLLABLES = re.compile(r"\s*[-_][\s_-]*")
_GROWING = re.compile(r"(?<!de)cres")
_FADING = re.compile(r"\bdim|decres|smorz|morendo|perdendo|mancando|calando")


@dataclass(frozen=True)
class Mark:
    """A mark.

    Attributes:
        moment: When it begins, in whole notes from the start of the music.
        level: Velocity from then on; None where it names none.
        stress: What is added to the notes at its place.
        direction: 1 if the music grows from then on, -1 if it fades, else 0.
        end: When that ends; None if the score does not say.
    """

    moment: Fraction
    level: int | None = None
    stress: int = 0
    direction: int = 0
    end: Fraction | None = None


def parse_mark(text: str) -> tuple[int | None, int, int]:
    """Returns level, stress and direction (see `Mark`) of what is printed, such as "fp dim."."""
    level, stress = None, 0
    for word in _WORD.findall(text.lower().replace("m.", "m")):
        word = _NAMES.get(word, word)
        accent = _ACCENT.fullmatch(word)
        if word in LEVELS or set(word) in ({"p"}, {"f"}):
            level = level or LEVELS[word[:3]]
        elif accent and not stress:
            loud, soft = accent[1][:3], accent[2][:3]
            level = LEVELS[soft] if soft else level
            stress = LEVELS[loud] - LEVELS[soft] if soft and loud in LEVELS else STRESS
    whole = _BETWEEN_SYLLABLES.sub("", text.lower())
    return level, stress, bool(_GROWING.search(whole)) - bool(_FADING.search(whole))


class _Segment(NamedTuple):
    """From `begin` on the level goes from `start` to `goal`, which it reaches at `end`."""

    begin: Fraction
    end: Fraction
    start: float
    goal: float

    def at(self, moment: Fraction) -> float:
        if moment >= self.end:
            return self.goal
        return self.start + float((moment - self.begin) / (self.end - self.begin)) * (
            self.goal - self.start
        )


class Loudness:
    """The velocity of every moment that some marks ask for."""

    def __init__(self, marks: Sequence[Mark]):
        ordered = sorted(marks, key=lambda mark: (mark.moment, mark.level is None))
        first = _Segment(Fraction(-1), Fraction(-1), UNMARKED, UNMARKED)
        self._segments = [first, *_segments(ordered, first)]
        self._begins = [segment.begin for segment in self._segments]
        self._stresses = [mark for mark in ordered if mark.stress]
        self._places = [mark.moment - _SAME for mark in self._stresses]

    def velocity(self, moment: Fraction) -> int:
        """Returns the MIDI velocity of a note that begins at `moment`, in whole notes."""
        index = bisect.bisect_right(self._begins, moment) - 1
        level = self._segments[max(0, index)].at(moment)
        last = bisect.bisect_right(self._places, moment) - 1
        if last >= 0 and moment <= self._stresses[last].moment + _SAME:
            level += self._stresses[last].stress
        return round(min(max(level, SOFTEST), LOUDEST))


def _segments(marks: Sequence[Mark], before: _Segment) -> Iterator[_Segment]:
    """Yields what marks make of the level, in the order of time, one at most for each moment."""
    levels = [(mark.moment, mark.level) for mark in marks if mark.level is not None]
    places = [moment for moment, _ in levels]
    named = UNMARKED
    changes = sorted({mark.moment for mark in marks if mark.level or mark.direction})
    for mark in marks:
        begin = mark.moment - _SAME
        named = named if mark.level is None else mark.level
        level = before.at(begin) if mark.level is None else float(named)
        if mark.direction:
            following = changes[bisect.bisect_right(changes, mark.moment) :][:1]
            latest = min([mark.moment + _OPEN, *following])
            end = latest if mark.end is None else mark.end
            goal = min(max(level + STEP * mark.direction, named - STEP), named + STEP)
            for moment, aim in levels[bisect.bisect_right(places, mark.moment) :][:1]:
                if moment <= end + _NEAR and (aim - level) * mark.direction > 0:
                    goal = aim
            before = _Segment(begin, max(end, begin), level, goal)
        elif mark.level is not None:
            before = _Segment(begin, begin, level, level)
        else:
            continue
        yield before
