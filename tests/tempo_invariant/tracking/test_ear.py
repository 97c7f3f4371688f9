"""Windows whose future is silent: what an ear gives its model to embed."""

import numpy as np
import pytest

from tempo_invariant.audio.windows import window_samples
from tempo_invariant.geometry import SAMPLE_RATE, frame_start
from tempo_invariant.retrieval.embedders import AudioEmbeddings
from tempo_invariant.tracking.ear import WAITING, Ear


class Recorder:
    """A model that keeps what it is given; an embedding is its window's middle sample."""

    frames, size = 20, 1

    def __init__(self):
        self.windows = []

    def embed_audio(self, windows):
        self.windows.extend(windows)
        middle = windows[:, int(frame_start(self.frames // 2))]
        return AudioEmbeddings(middle[:, None], np.zeros((len(windows), self.frames)))


@pytest.mark.parametrize("block", [441, 5000, 44100])
def test_windows_end_with_silence_from_now_on(block):
    sound = np.arange(1, 2 * SAMPLE_RATE + 1, dtype=np.float32) / SAMPLE_RATE
    model = Recorder()
    ear = Ear(model)
    parts = [ear.push(sound[first : first + block]) for first in range(0, len(sound), block)]
    assert np.concatenate([part.steps for part in parts]).tolist() == list(range(1, 21))
    seconds = np.concatenate([part.seconds for part in parts])
    embeddings = np.concatenate([part.embeddings for part in parts])
    for lag, found in zip(WAITING.steps, embeddings[:, :, 0].T, strict=True):
        # The sample in the middle tells when it was: just as much earlier as the lag says.
        wanted = np.maximum(seconds - lag / 10, 0)
        assert found == pytest.approx(np.where(seconds * 10 + 0.5 < lag, 0, wanted), abs=1e-4)
    assert all(len(window) == window_samples(model.frames) for window in model.windows)
    last = model.windows[-2]  # at the end of the sound, for the first lag
    heard = round((10 / 20 + WAITING.steps[0] / 10) * SAMPLE_RATE)
    assert last[:heard] == pytest.approx(sound[-heard:])
    assert not last[heard:].any()
    levels = np.concatenate([part.levels for part in parts])
    assert levels == pytest.approx(seconds, abs=1e-4)


def test_silence_is_not_embedded():
    model = Recorder()
    heard = Ear(model).push(np.zeros(3 * SAMPLE_RATE, np.float32))
    assert heard.silent.all() and not heard.embeddings.any() and not model.windows
