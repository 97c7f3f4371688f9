"""Sound of any rate becomes that of the model, without a seam."""

import numpy as np
import pytest
import soxr

from tempo_invariant.geometry import SAMPLE_RATE
from tempo_invariant.web.microphone import Microphone
from tempo_invariant.web.refusals import Refusal


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000, 48_000.0])
def test_messages_of_any_length_are_one_sound(rate):
    time = np.arange(int(rate) * 2) / rate
    samples = np.round(12_000 * np.sin(2 * np.pi * 440 * time)).astype("<i2")
    microphone, blocks, first = Microphone(rate), [], 0
    for count in [1, 0, 777, 4096, 2048] * 400:
        blocks.append(microphone.take(samples[first : first + count].tobytes()))
        first += count
    heard = np.concatenate(blocks)
    whole = soxr.resample(samples.astype(np.float32) / 32768, rate, SAMPLE_RATE)
    assert 0 <= len(whole) - len(heard) < 0.1 * SAMPLE_RATE  # the rest comes with what follows
    assert heard.dtype == np.float32
    inner = slice(1000, len(heard) - 2000)
    np.testing.assert_allclose(heard[inner], whole[: len(heard)][inner], atol=2e-3)


@pytest.mark.parametrize(
    "rate", [0, -1, 7_999, 192_001, 1e9, 44_100.5, None, "48000", True, [], {}]
)
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(Refusal, match="the rate must be"):
        Microphone(rate)


def test_half_a_sample_is_refused():
    with pytest.raises(Refusal, match="middle of a sample"):
        Microphone(48_000).take(b"123")
