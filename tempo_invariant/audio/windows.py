"""Recordings of any length in little memory: blocks at 22,050 Hz, and windows cut from them."""

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np

from tempo_invariant.errors import UserError
from tempo_invariant.geometry import FLUX_LAG, FRAME_SIZE, frame_count, frame_start

HOP_FRAMES = 10
"""Distance of windows in spectrogram frames: half a second."""

SILENCE = 1e-4
"""A window whose samples all lie within this (-80 dB of full scale) is silent."""


@dataclasses.dataclass(frozen=True)
class Windows:
    """Windows of a recording, as `WindowCutter` chooses them.

    Attributes:
        frames: Spectrogram frame of each window's middle, int64 [windows], ascending.
        pcm: Samples, float32 [windows, samples]; what lies outside of the recording is silence.
    """

    frames: np.ndarray
    pcm: np.ndarray

    @property
    def silent(self) -> np.ndarray:
        """Tells in which windows nothing can be heard: bool [windows]."""
        return np.abs(self.pcm).max(axis=1, initial=0) < SILENCE


class WindowCutter:
    """Cuts windows out of blocks as they come.

    There is one for every frame `k * hop_frames` that the recording has: around just that frame, or
    on the strongest onset nearby, since models are trained on windows with an onset in the middle.
    A window is given out when its last sample is there, wherever the onset may be.

    Args:
        frames: Length of a window in spectrogram frames.
        hop_frames: Distance of windows in spectrogram frames; on average, where they go to onsets.
        on_onsets: Whether each goes to that of the `hop_frames` around it (but at most a quarter of
            a window away) that is the onset frame (`geometry.onset_frame`) of the strongest onset,
            which the spectral flux tells.
        ahead_frames: Number of frames after the middle that are waited for; the rest of the window
            is silence then. None: all.
    """

    def __init__(
        self,
        frames: int,
        hop_frames: int = HOP_FRAMES,
        on_onsets: bool = True,
        ahead_frames: int | None = None,
    ):
        if hop_frames < 1:
            raise UserError(f"hop_frames must be at least 1, received {hop_frames}")
        self.hop_frames = hop_frames
        self.samples_seen = 0
        self._frames = frames
        self._length = self._heard = window_samples(frames)
        if ahead_frames is not None:
            self._heard = min(self._length, window_samples(frames // 2 + ahead_frames))
        hop = min(hop_frames, frames // 2) if on_onsets else 1
        self._before, self._after = hop // 2, (hop - 1) // 2  # where an onset may be
        self._next = 0
        # Samples from `_offset` on; those before the recording are silence.
        self._offset = int(frame_start(-(frames // 2)))
        self._kept = np.zeros(-self._offset, np.float32)

    def push(self, block: np.ndarray) -> Windows:
        """Adds samples [count] and returns the windows that they complete."""
        self.samples_seen += len(block)
        self._kept = np.concatenate([self._kept, block])
        return self._cut(self._offset + len(self._kept))

    def finish(self) -> Windows:
        """Returns the windows that reach past the end."""
        last = frame_count(self.samples_seen) - 1
        if last < 0:
            return self._cut(self._offset)
        last -= last % self.hop_frames
        end = self._start(last + self._after) + self._heard
        missing = max(0, end - self._offset - len(self._kept))
        self._kept = np.concatenate([self._kept, np.zeros(missing, np.float32)])
        return self._cut(end)

    def _start(self, frame: int) -> int:
        return int(frame_start(frame - self._frames // 2))

    def _samples(self, first: int, end: int) -> np.ndarray:
        return self._kept[first - self._offset : end - self._offset]

    def _cut(self, end: int) -> Windows:
        frames, windows = [], []
        while self._start(self._next + self._after) + self._heard <= end:
            frame = self._onset(self._next)
            start = self._start(frame)
            window = self._samples(start, start + self._heard)
            windows.append(np.pad(window, (0, self._length - self._heard)))
            frames.append(frame)
            self._next += self.hop_frames
        pcm = np.stack(windows) if windows else np.zeros((0, self._length), np.float32)
        needed = self._start(self._next - self._before) - self._offset
        dropped = max(0, min(needed, len(self._kept)))
        self._kept, self._offset = self._kept[dropped:], self._offset + dropped
        return Windows(np.array(frames, np.int64), pcm)

    def _onset(self, frame: int) -> int:
        """Returns the onset frame of the strongest onset in reach, or this frame in silence."""
        if not self._before:
            return frame
        from tempo_invariant.audio.spectrogram import whole_spectrogram

        # The frame before those where the flux may peak; that a recording begins is no onset.
        first = max(0, frame - self._before + FLUX_LAG - 1)
        last = frame + self._after + FLUX_LAG
        end = int(frame_start(last)) + FRAME_SIZE
        bands = whole_spectrogram(self._samples(int(frame_start(first)), end))
        growth = np.diff(bands[:, : last + 1 - first])
        flux = np.maximum(growth, 0).sum(axis=0)
        return first + 1 + int(np.argmax(flux)) - FLUX_LAG if flux.any() else frame


def cut_windows(
    blocks: Iterable[np.ndarray],
    frames: int,
    hop_frames: int = HOP_FRAMES,
    on_onsets: bool = True,
) -> Iterator[Windows]:
    """Yields the windows of a recording, some at a time; see `WindowCutter`."""
    cutter = WindowCutter(frames, hop_frames, on_onsets)
    for block in blocks:
        yield cutter.push(block)
    yield cutter.finish()


def window_samples(frames: int) -> int:
    """Returns the length of a model's middle window, its last frame whole if that is possible.

    The last frame reaches past the start of the next one, which moves the middle of an odd window.
    """
    if frames % 2:
        return frame_start(frames)
    return frame_start(frames - 1) + FRAME_SIZE
