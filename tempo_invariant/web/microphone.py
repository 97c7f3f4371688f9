"""What a microphone sends: samples at a rate of its own, brought to that of the model."""

import numpy as np

from tempo_invariant.geometry import SAMPLE_RATE
from tempo_invariant.web.refusals import Refusal

LOWEST_RATE, HIGHEST_RATE = 8_000, 192_000


class Microphone:
    """Makes blocks of sound of what comes, without a seam between them.

    Args:
        rate: Sampling rate in Hz, as the client says it.

    Raises:
        Refusal: It is none.
    """

    def __init__(self, rate: object):
        import soxr

        if isinstance(rate, float) and rate.is_integer():
            rate = int(rate)
        if type(rate) is not int or not LOWEST_RATE <= rate <= HIGHEST_RATE:
            raise Refusal(400, f"the rate must be from {LOWEST_RATE:,} to {HIGHEST_RATE:,} Hz")
        self._resampler = None
        if rate != SAMPLE_RATE:
            self._resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1, "float32", quality="HQ")

    def take(self, message: bytes) -> np.ndarray:
        """Returns the sound of a message of signed 16 bits, little endian.

        Returns:
            float32 [samples], 22,050 Hz, full scale ±1; some milliseconds may come with the next.

        Raises:
            Refusal: It ends in the middle of a sample.
        """
        if len(message) % 2:
            raise Refusal(400, "a message ends in the middle of a sample")
        samples = np.frombuffer(message, "<i2").astype(np.float32) / np.float32(32768)
        if self._resampler is None:
            return samples
        return self._resampler.resample_chunk(samples)
