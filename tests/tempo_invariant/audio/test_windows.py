"""Windows that are cut while sound comes in."""

import numpy as np
import pytest

from tempo_invariant.audio.windows import WindowCutter, window_samples
from tempo_invariant.geometry import SAMPLE_RATE, frame_start


@pytest.mark.parametrize("on_onsets", [False, True])
def test_windows_may_not_wait_for_their_future(on_onsets):
    pcm = np.random.default_rng(0).normal(0, 0.1, 4 * SAMPLE_RATE).astype(np.float32)
    whole = WindowCutter(20, 4, on_onsets).push(pcm)
    cutter = WindowCutter(20, 4, on_onsets, ahead_frames=5)
    parts = [cutter.push(block) for block in np.array_split(pcm, 57)]
    frames = np.concatenate([part.frames for part in parts])
    windows = np.concatenate([part.pcm for part in parts])
    heard = window_samples(15)
    assert frames[: len(whole.frames)].tolist() == whole.frames.tolist()
    assert np.array_equal(windows[: len(whole.pcm), :heard], whole.pcm[:, :heard])
    assert not windows[:, heard:].any() and windows.shape[1] == window_samples(20)
    # The last window is the last whose next five frames, and an onset a frame later, are heard.
    numbers = np.arange(0, 80, 4)
    ends = frame_start(numbers - 10 + on_onsets) + heard
    assert len(frames) == np.count_nonzero(ends <= len(pcm)) > len(whole.frames)
