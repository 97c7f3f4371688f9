"""Checks that a performance has its onsets where its alignment says.

An onset shows as a peak of the spectral flux, the rise of the spectrogram from one frame to
the next (half-wave rectified, as in S. Dixon, "Onset detection revisited", 2006), in the bands
where the struck notes and their first harmonics lie.

Frame k of the spectrogram covers 2,048 samples (93 ms) from k * 1102.5 on, so it sees a note up to
93 ms before its time. The onset frame f of a note at s seconds is ceil(20 s): the note begins in
the 50 ms before f starts, that is in the first half or so of the window of frame f - 1. The middle
of the Hann window, where a sound counts most, passes the onset between the frames f - 2 and f - 1,
so the flux is expected to peak at f - 1, and a soft or sharp attack moves it by a frame.
"""

import functools
from collections.abc import Collection, Mapping
from dataclasses import astuple, dataclass

import numpy as np

from tempo_invariant.audio.bands import band_of_pitch
from tempo_invariant.geometry import BANDS, FLUX_LAG, FMAX_HZ

HARMONICS = 4
"""Number of partials of a note whose bands are examined, with the fundamental."""

TOLERANCE = 1
"""Largest distance in frames of a peak from where `geometry.FLUX_LAG` expects it."""

SPAN = 10
"""A peak is higher than the mean of the flux over this many frames before and after it."""

CONTROL_SHIFT = 5
"""The controls lie this many frames earlier and later, where no peak is expected."""

_QUIET = 2
_HALF = CONTROL_SHIFT + TOLERANCE + SPAN


@dataclass(frozen=True)
class OnsetCounts:
    """Numbers of onset frames, and of those that are heard, with two controls.

    Attributes:
        onsets: Number of onset frames.
        heard: Number of those with a peak of the flux within a frame of the expected one.
        early: Number of those heard whose peak is a frame before the expected one.
        late: Number of those heard whose peak is a frame after the expected one.
        shifted: Number of places 5 frames before or after an onset frame.
        shifted_heard: Number of those with a peak; a regular rhythm is heard there, too.
        quiet: Number of those places with no note struck less than 3 frames away.
        quiet_heard: Number of quiet places with a peak, all of them wrong.
    """

    onsets: int = 0
    heard: int = 0
    early: int = 0
    late: int = 0
    shifted: int = 0
    shifted_heard: int = 0
    quiet: int = 0
    quiet_heard: int = 0

    def __add__(self, other: "OnsetCounts") -> "OnsetCounts":
        pairs = zip(astuple(self), astuple(other), strict=True)
        return OnsetCounts(*(mine + others for mine, others in pairs))

    @property
    def share(self) -> float:
        """Share of the onset frames that are heard."""
        return self.heard / max(1, self.onsets)

    @property
    def shifted_share(self) -> float:
        """Share heard if the alignment were wrong by 5 frames."""
        return self.shifted_heard / max(1, self.shifted)

    @property
    def quiet_share(self) -> float:
        """Share of the places without a note where one is heard."""
        return self.quiet_heard / max(1, self.quiet)


def check_onsets(
    spectrogram: np.ndarray,
    struck: Mapping[int, Collection[int]],
    played: Collection[int] = (),
) -> OnsetCounts:
    """Looks for the onsets of an alignment in a spectrogram.

    Args:
        spectrogram: Spectrogram [92, frames].
        struck: MIDI pitches that the alignment says are struck, by onset frame.
        played: Further frames in which notes are struck, for the control alone.

    Returns:
        The counts; onset frames outside the spectrogram are left out.
    """
    last = spectrogram.shape[1]
    frames = np.array(sorted(frame for frame in struck if 0 <= frame < last), np.int64)
    if not len(frames):
        return OnsetCounts()
    rises = _rises(spectrogram, frames, [struck[frame] for frame in frames])
    heard, lags = _peaks(rises, 0)
    busy = np.unique(np.concatenate([frames, np.array(sorted(played), np.int64)]))
    counts = OnsetCounts(
        onsets=len(frames),
        heard=int(heard.sum()),
        early=int((lags[heard] < 0).sum()),
        late=int((lags[heard] > 0).sum()),
    )
    for shift in (-CONTROL_SHIFT, CONTROL_SHIFT):
        places = frames + shift
        inside = (places >= 0) & (places < last)
        found = _peaks(rises, shift)[0]
        quiet = inside & (_distance(places, busy) > _QUIET)
        counts += OnsetCounts(
            shifted=int(inside.sum()),
            shifted_heard=int(found[inside].sum()),
            quiet=int(quiet.sum()),
            quiet_heard=int(found[quiet].sum()),
        )
    return counts


def _rises(
    spectrogram: np.ndarray, frames: np.ndarray, pitches: list[Collection[int]]
) -> np.ndarray:
    """Returns the flux in the bands of each frame's pitches, [onsets, 33] around where expected."""
    flux = np.maximum(np.diff(spectrogram, axis=1, prepend=0), 0)
    padded = np.pad(flux, [(0, 0), (_HALF - FLUX_LAG, _HALF)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * _HALF + 1, axis=1)[:, frames]
    table = _bands_of_pitches()
    weights = np.stack([table[np.clip(list(group), 0, 127)].any(axis=0) for group in pitches])
    weights = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1)
    return np.einsum("ob,bow->ow", weights, windows)


def _peaks(rises: np.ndarray, shift: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns for each row whether a peak is near the middle, and how far off it is, in frames."""
    middles = _HALF + shift + np.arange(-TOLERANCE, TOLERANCE + 1)
    means = [rises[:, k - SPAN : k + SPAN + 1].mean(axis=1) for k in middles]
    height = rises[:, middles]
    peak = (height >= rises[:, middles - 1]) & (height >= rises[:, middles + 1])
    peak &= height > np.stack(means, axis=1)
    return peak.any(axis=1), np.argmax(np.where(peak, height, -1), axis=1) - TOLERANCE


def _distance(places: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Returns how far each place is from the nearest of the sorted frames."""
    after = np.searchsorted(frames, places)
    before = np.clip(after - 1, 0, len(frames) - 1)
    after = np.clip(after, 0, len(frames) - 1)
    return np.minimum(np.abs(places - frames[before]), np.abs(places - frames[after]))


@functools.lru_cache(maxsize=1)
def _bands_of_pitches() -> np.ndarray:
    """Returns bool [128 pitches, 92 bands], true where a partial of the pitch lies."""
    table = np.zeros((128, BANDS), bool)
    partials = np.arange(1, HARMONICS + 1)
    for pitch in range(128):
        pitches = pitch + 12 * np.log2(partials)
        audible = (partials == 1) | (440.0 * 2.0 ** ((pitches - 69) / 12) <= FMAX_HZ)
        table[pitch, np.round(band_of_pitch(pitches[audible])).astype(int)] = True
    return table
