"""Jumps, stops and wrong repeats: what is heard comes from where the truth says it does."""

import numpy as np
import pytest

from tempo_invariant.evaluation import alterations
from tempo_invariant.evaluation.alterations import Performance, alter
from tempo_invariant.geometry import SAMPLE_RATE

BARS = np.arange(0.5, 90, 2.0)
RAMP = np.arange(90 * SAMPLE_RATE, dtype=np.float32) / SAMPLE_RATE
"""A recording whose samples are their own times."""


def altered(kind, seed=0, bars=BARS):
    return alter(kind, RAMP, bars, np.random.default_rng(seed))


@pytest.mark.parametrize("kind", alterations.KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_what_is_heard_is_where_it_comes_from(kind, seed):
    performance = altered(kind, seed).performance
    times = np.arange(len(performance.pcm)) / SAMPLE_RATE
    origins = performance.origin(times)
    # At the seams 10 ms are mixed; silence has no origin.
    seams = np.abs(times[:, None] - performance.starts[1:]).min(axis=1) < 0.011
    heard = ~seams & ~np.isnan(origins)
    assert np.abs(performance.pcm - origins)[heard].max() < 1e-3
    assert not performance.pcm[~seams & np.isnan(origins)].any()
    assert performance.duration_seconds == pytest.approx(times[-1], abs=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_the_music_goes_on_where_it_should(seed):
    def from_to(kind):
        found = altered(kind, seed)
        before, after = found.performance.origin(found.seconds + np.array([-1e-3, 1e-3]))
        return found, before, after

    _, before, after = from_to("jump")
    assert after - before == pytest.approx(8 * 2.0, abs=0.01)
    found, before, after = from_to("repeat")
    bars = (before - after) / 2
    assert 2 <= round(bars) <= 16 and bars == pytest.approx(round(bars), abs=0.01)
    assert np.abs(after + 0.02 - BARS).min() < 0.01  # at a bar, with the whole of its attack
    found, before, after = from_to("stop")
    start = found.performance.starts
    assert np.isnan(before) and found.seconds - start[1] == pytest.approx(5.0, abs=1e-3)
    assert after == pytest.approx(found.performance.origins[0] + start[1], abs=0.01)
    for kind in alterations.KINDS:
        found = altered(kind, seed)
        assert found.performance.starts[1] >= alterations.LEAST_BEFORE_SECONDS - 0.03
        assert found.performance.duration_seconds - found.seconds == pytest.approx(12, abs=1e-3)


def test_a_seam_does_not_click_and_too_short_a_recording_is_left_out():
    tone = np.sin(2 * np.pi * 220 * RAMP).astype(np.float32)
    found = alter("repeat", tone, BARS, np.random.default_rng(0))
    steps = np.abs(np.diff(found.performance.pcm))
    assert steps.max() < 1.2 * np.abs(np.diff(tone)).max()
    assert altered("jump", bars=BARS[:8]) is None
    assert alter("stop", RAMP[: 20 * SAMPLE_RATE], BARS, np.random.default_rng(0)) is None
    early = alter("repeat", RAMP, [0.0, 5.0, 11.0], np.random.default_rng(0))
    assert early.performance.origins.tolist() == [0.0, 0.0]  # nothing is before the beginning
    whole = Performance.whole(tone)
    assert whole.origin(np.array([0.0, 3.5])).tolist() == [0.0, 3.5]
