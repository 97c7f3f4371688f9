"""Plays music as a person would: local tempo, phrase endings, chord spread, dynamics and pedal.

Beyond its dynamics no score says how it is played, so an interpretation is drawn at random from a
seed, within the limits measured on pianists:

- Tempo rises towards the middle of a phrase and falls at its end (N. Todd, "The dynamics of
  dynamics", JASA 91, 1992); the last one slows down like a stopping runner, at constant power
  (A. Friberg, J. Sundberg, "Does music performance allude to locomotion?", JASA 105, 1999).
- The melody is louder and sounds some 30 ms before the rest of its chord, because a harder blow
  reaches the string earlier (W. Goebl, "Melody lead in piano performance", JASA 110, 2001); some
  players' left hands lead (B. Repp, "Patterns of note onset asynchronies", JASA 100, 1996).
- The pedal is released when the next harmony is struck and pressed again shortly after.

Phrases are four or eight bars, a silence starts a new one; bars are found in the notes. The result
lasts as long as the music that was given.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tempo_invariant.scores.dynamics import LOUDEST, SOFTEST
from tfrecords_tools.music.notes import TICKS_PER_QUARTER, Music, Note, Pedal, TempoMark
from tfrecords_tools.music.phrasing import (
    GRID_TICKS,
    Phrase,
    bar_length,
    chord_ranges,
    find_phrases,
    note_table,
    outer_voices,
)

ARCH = (0.02, 0.06)
"""Range of a phrase's arch: the share by which its middle is faster than its mean; its ends are
slower by twice as much."""

WANDER = 0.07
"""Largest random deviation of the tempo, changing from bar to bar."""

PHRASE_END_TEMPO = (0.75, 0.9)
"""Range of the tempo that the last eighth of a phrase slows down to."""

FINAL_TEMPO = (0.5, 0.7)
"""Range of the tempo that the last quarter of the last phrase slows down to."""

LEAD_SECONDS = 0.0015
"""How much earlier a note of a chord sounds for each unit of velocity above another."""

JITTER_SECONDS = 0.02
"""Largest random delay of a note."""

BASS_LEAD_SECONDS = (-0.02, 0.04)
"""Range of a player's lead of the lowest voice."""

ROLL_SHARE = 0.15
"""Largest share of the chords of four notes and more that a player rolls, from the bottom up."""

ROLL_SECONDS = (0.02, 0.045)
"""Range of the time between the notes of a rolled chord."""

SPREAD_SECONDS = 0.15
SPREAD_SHARE = 0.4
"""A chord is spread over no more than this time, and this share of the time to the next onset."""

MELODY_VELOCITY = 8
INNER_VELOCITY = -8
BAR_VELOCITY = 4
PHRASE_VELOCITY = 4
WANDER_VELOCITY = 6
JITTER_VELOCITY = 4
"""Velocity that is added for the top voice, for inner voices and at bar lines; and at most over a
phrase (with the tempo's arch), from bar to bar, and from note to note."""

PEDAL_SHARE = (0.3, 0.9)
"""Range of the share of phrases that a player pedals."""

PEDAL_UP_SECONDS = (0.0, 0.04)
PEDAL_DOWN_SECONDS = (0.08, 0.15)
"""Ranges of the times after a harmony's start at which the pedal is released and pressed."""

_MILLISECONDS = 1000 * TICKS_PER_QUARTER
"""Microseconds of a quarter in played music: a tick is a millisecond."""


@dataclass(frozen=True)
class Interpretation:
    """How fast each moment of some music is played.

    Attributes:
        phrases: Phrases from the first onset to the end of the last note, without gaps.
        bar_ticks: Length of a bar in ticks.
        ticks: Evenly spaced moments in ticks, [points].
        tempo: Speed at these moments relative to the music's own, [points].
    """

    phrases: tuple[Phrase, ...]
    bar_ticks: int
    ticks: np.ndarray
    tempo: np.ndarray


def express(music: Music, seed: str) -> Music:
    """Returns music as a person plays it.

    Notes that start together may sound up to `SPREAD_SECONDS` apart, but before every later note.

    Args:
        music: Music at the tempo that it is to be played at; times of hands and feet don't scale.
        seed: Any text; the same text and music give the same result.

    Returns:
        The played notes in the order of the notated ones, with velocities about theirs, and the
        pedal. A tick is a millisecond.
    """
    if not music.notes:
        return music
    table = note_table(music)
    ticks, pitches, lengths = table.T
    plan = interpret(music, seed)
    clock = _clock(music, plan.ticks, plan.tempo)
    written = np.array([note.velocity for note in music.notes])
    velocities = written + _accents(table, plan, random_state(seed, "velocity"))
    velocities = np.clip(velocities, SOFTEST, LOUDEST)
    lags = _lags(table, velocities, clock, random_state(seed, "lag"))
    starts = _milliseconds(clock(ticks) + lags)
    ends = _milliseconds(clock(ticks + lengths) + lags)
    pedal = _pedal(plan, clock, random_state(seed, "pedal"))
    notes = _strike(starts, pitches, ends, np.round(velocities).astype(int))
    return Music(notes, (TempoMark(0, _MILLISECONDS),), pedal)


def interpret(music: Music, seed: str) -> Interpretation:
    """Draws phrases and tempo; the duration as a whole stays as it is. See `express`.

    Where phrases don't end, the relative tempo stays between 0.8 and 1.25.
    """
    table = note_table(music)
    bar = bar_length(table)
    random = random_state(seed, "tempo")
    phrases = find_phrases(table, bar, random)
    first, end = phrases[0].start, phrases[-1].end
    grid = np.arange(first, end + GRID_TICKS, GRID_TICKS)
    logarithm = WANDER * _wander(grid, bar, random)
    for phrase in phrases:
        inside = (grid >= phrase.start) & ((grid < phrase.end) | (phrase.end == end))
        place = np.minimum((grid[inside] - phrase.start) / (phrase.end - phrase.start), 1)
        arch = random.uniform(*ARCH) * _arch(place)
        last = phrase.end == end
        slowest = random.uniform(*(FINAL_TEMPO if last else PHRASE_END_TEMPO))
        braking = np.clip((place - 0.75) * 4 if last else (place - 0.875) * 8, 0, 1)
        logarithm[inside] += arch + np.log(ritard(braking, slowest))
    kernel = np.hanning(TICKS_PER_QUARTER // GRID_TICKS + 3)[1:-1]
    padded = np.pad(logarithm, len(kernel) // 2, mode="edge")
    tempo = np.exp(np.convolve(padded, kernel / kernel.sum(), mode="valid"))
    longer = _clock(music, grid, tempo)(np.array([end])) / music.seconds([end])
    return Interpretation(tuple(phrases), bar, grid, tempo * longer)


def ritard(place: np.ndarray, final_tempo: float) -> np.ndarray:
    """Returns the tempo in a final ritard at constant power (Friberg & Sundberg 1999).

    Args:
        place: Position in the score, 0 at the start of the ritard to 1 at its end.
        final_tempo: Tempo at the end; 1 at the start.
    """
    return (1 + (final_tempo**3 - 1) * place) ** (1 / 3)


def random_state(seed: str, aspect: str) -> np.random.RandomState:
    """Returns a generator of its own for each aspect; its numbers never change with NumPy."""
    digest = hashlib.sha256(f"{aspect}\n{seed}".encode()).digest()
    return np.random.RandomState(np.frombuffer(digest, "<u4").astype(np.int64))


def _arch(place: np.ndarray) -> np.ndarray:
    """Returns a parabola over 0 to 1 of mean 0: 1 in the middle and -2 at both ends."""
    return 1 - 3 * (2 * place - 1) ** 2


def _wander(ticks: np.ndarray, bar: int, random: np.random.RandomState) -> np.ndarray:
    """Returns a smooth random curve from -1 to 1 with a turn at most every bar."""
    place = (ticks - ticks.min()) / bar
    knots = random.uniform(-1, 1, int(place.max()) + 2)
    index = place.astype(int)
    weight = (1 - np.cos(np.pi * (place - index))) / 2
    return knots[index] * (1 - weight) + knots[index + 1] * weight


def _clock(
    music: Music, ticks: np.ndarray, tempo: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """Returns the function from ticks to seconds at a relative tempo, given at some ticks."""
    marks = [mark.tick for mark in music.tempo]
    table = note_table(music)
    every = (ticks, table[:, 0], table[:, 0] + table[:, 2], marks, [0])
    nodes = np.unique(np.concatenate(every).astype(np.int64))
    middles = (nodes[1:] + nodes[:-1]) / 2
    durations = np.diff(music.seconds(nodes)) / np.interp(middles, ticks, tempo)
    seconds = np.concatenate([[0.0], np.cumsum(durations)])
    return lambda wanted: np.interp(wanted, nodes, seconds)


def _accents(table: np.ndarray, plan: Interpretation, random: np.random.RandomState) -> np.ndarray:
    """Returns what is added to the velocity of every note, not rounded, of mean 0."""
    ticks = table[:, 0]
    highest, lowest = outer_voices(table)
    wander = WANDER_VELOCITY * _wander(ticks, plan.bar_ticks, random)
    change = wander + JITTER_VELOCITY * random.uniform(-1, 1, len(ticks))
    change += np.where(highest, MELODY_VELOCITY, np.where(lowest, 0, INNER_VELOCITY))
    for phrase in plan.phrases:
        inside = (ticks >= phrase.start) & (ticks < phrase.end)
        place = (ticks[inside] - phrase.start) / (phrase.end - phrase.start)
        change[inside] += PHRASE_VELOCITY * _arch(place)
        change[inside] += BAR_VELOCITY * ((ticks[inside] - phrase.downbeat) % plan.bar_ticks == 0)
    return np.clip(change - change.mean(), -48, 48)


def _lags(
    table: np.ndarray,
    velocities: np.ndarray,
    clock: Callable[[np.ndarray], np.ndarray],
    random: np.random.RandomState,
) -> np.ndarray:
    """Returns by how many seconds each note sounds after its chord's time."""
    ticks = table[:, 0]
    bass_lead = random.uniform(*BASS_LEAD_SECONDS)
    roll_share = random.uniform(0, ROLL_SHARE)
    lags = JITTER_SECONDS * random.uniform(0, 1, len(ticks))
    chords = chord_ranges(ticks)
    onsets = clock(np.array([ticks[chord.start] for chord in chords]))
    gaps = np.append(np.diff(onsets), np.inf)
    for chord, gap in zip(chords, gaps, strict=True):
        size = chord.stop - chord.start
        rolled, step = random.uniform(), random.uniform(*ROLL_SECONDS)
        if size >= 4 and rolled < roll_share:
            lags[chord] += step * np.arange(size)
        else:
            lags[chord] += LEAD_SECONDS * (velocities[chord].max() - velocities[chord])
            lags[chord.start] -= bass_lead * (size > 1)
        lags[chord] -= min(0.0, lags[chord].min())
        allowed = min(SPREAD_SECONDS, SPREAD_SHARE * gap)
        lags[chord] *= min(1.0, allowed / max(lags[chord].max(), 1e-9))
    return lags


def _pedal(
    plan: Interpretation,
    clock: Callable[[np.ndarray], np.ndarray],
    random: np.random.RandomState,
) -> tuple[Pedal, ...]:
    """Returns when the pedal is down: in some phrases, changed every bar or half a bar."""
    share = random.uniform(*PEDAL_SHARE)
    result = []
    for phrase in plan.phrases:
        pedalled, unit = random.uniform() < share, plan.bar_ticks // (1 + random.randint(2))
        first = phrase.start + (phrase.downbeat - phrase.start) % unit
        changes = np.unique([phrase.start, *range(first, phrase.end, unit), phrase.end])
        times = clock(changes)
        down = times[:-1] + random.uniform(*PEDAL_DOWN_SECONDS, len(times) - 1)
        up = times[1:] + random.uniform(*PEDAL_UP_SECONDS, len(times) - 1)
        if pedalled:
            both = zip(_milliseconds(down), _milliseconds(up), strict=True)
            result += [Pedal(int(press), int(release)) for press, release in both]
    return tuple(pedal for pedal in result if pedal.release > pedal.press)


def _milliseconds(seconds: np.ndarray) -> np.ndarray:
    return np.round(1000 * seconds).astype(np.int64)


def _strike(
    starts: np.ndarray, pitches: np.ndarray, ends: np.ndarray, velocities: np.ndarray
) -> tuple[Note, ...]:
    """Returns notes in the given order; none of a pitch starts before the last one's end."""
    ticks = [int(start) for start in starts]
    previous: dict[int, int] = {}
    for i, pitch in enumerate(pitches):
        ticks[i] = previous[pitch] = max(ticks[i], previous.get(pitch, -1) + 1)
    following: dict[int, int] = {}
    lengths = [0] * len(ticks)
    for i in reversed(range(len(ticks))):
        end = min(max(int(ends[i]), ticks[i] + 1), following.get(pitches[i], int(ends[i]) + 2))
        lengths[i] = end - ticks[i]
        following[pitches[i]] = ticks[i]
    rows = zip(ticks, pitches, lengths, velocities, strict=True)
    return tuple(Note(tick, int(pitch), length, int(loud)) for tick, pitch, length, loud in rows)
