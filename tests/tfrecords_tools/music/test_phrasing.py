"""Tests of the bars, phrases and voices found in notes."""

import numpy as np

from tfrecords_tools.music.notes import Music, Note
from tfrecords_tools.music.phrasing import bar_length, find_phrases, note_table, outer_voices

QUARTER = 384


def table(*rows):
    return np.array(rows)


def accompaniment(quarters, bars, upbeat=0):
    """A long bass note on each first quarter, chords of two notes on the others."""
    rows = [(0, 72, QUARTER)] if upbeat else []
    for k in range(quarters * bars):
        tick = upbeat + k * QUARTER
        first = k % quarters == 0
        rows += [(tick, 48, 3 * QUARTER)] if first else [(tick, 60, QUARTER), (tick, 64, QUARTER)]
    return table(*rows)


def test_a_waltz_has_three_quarters_and_a_march_four():
    assert bar_length(accompaniment(3, 16)) == 3 * QUARTER
    assert bar_length(accompaniment(4, 16)) == 4 * QUARTER
    assert bar_length(accompaniment(2, 16)) == 4 * QUARTER  # two of its bars
    assert bar_length(table((5, 60, 1))) in (3 * QUARTER, 4 * QUARTER)


def test_phrases_have_four_or_more_bars_without_gaps():
    bar = 4 * QUARTER
    notes = accompaniment(4, 43, upbeat=QUARTER)
    lengths = set()
    for seed in range(8):
        phrases = find_phrases(notes, bar, np.random.RandomState(seed))
        assert phrases[0].start == 0
        assert phrases[-1].end == (notes[:, 0] + notes[:, 2]).max()
        assert [p.end for p in phrases[:-1]] == [p.start for p in phrases[1:]]
        assert {p.downbeat % bar for p in phrases} == {QUARTER}  # after the upbeat
        lengths |= {(p.end - p.start) // bar for p in phrases[:-1]}
        assert 4 * bar <= phrases[-1].end - phrases[-1].start < 12 * bar
    assert lengths == {4, 8}


def test_a_silence_starts_a_phrase():
    first = accompaniment(4, 9)
    second = first + [10 * 4 * QUARTER + 2 * QUARTER, 0, 0]
    for seed in range(4):
        phrases = find_phrases(
            np.concatenate([first, second]), 4 * QUARTER, np.random.RandomState(seed)
        )
        starts = [phrase.start for phrase in phrases]
        assert second[0, 0] in starts
        later = phrases[starts.index(second[0, 0]) :]
        assert {phrase.downbeat for phrase in later} == {2 * QUARTER}


def test_outer_voices_are_those_that_nothing_sounds_beyond():
    music = Music(
        (
            Note(0, 48, 800),  # the bass sounds until 800
            Note(0, 60, 400),
            Note(0, 72, 300),  # the melody until 300
            Note(200, 67, 100),  # under the melody
            Note(400, 67, 100),  # alone above the bass
            Note(900, 64, 100),  # alone: both
        ),
        (),
    )
    highest, lowest = outer_voices(note_table(music))
    assert highest.tolist() == [False, False, True, False, True, True]
    assert lowest.tolist() == [True, False, False, False, False, True]
