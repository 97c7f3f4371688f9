"""Pieces as they sound under any condition, and where their pairs are then.

Pairs are chosen once, at the notated tempo, as the records have them; in every other playing a
pair is where the chord of its note head begins.
"""

import dataclasses
import hashlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tempo_invariant.audio.degradation import AS_PLAYED, degrade_recording
from tempo_invariant.errors import UserError
from tempo_invariant.evaluation.conditions import Playing
from tempo_invariant.files import atomic_write
from tempo_invariant.geometry import onset_frame

if TYPE_CHECKING:
    from tempo_invariant.scores.strips import Placement
    from tfrecords_tools.music.notes import Music


@dataclass(frozen=True)
class Piece:
    """A piece with its pairs.

    Attributes:
        name: of the piece.
        music: as notated.
        strips: of each ink, the first one first; uint8 [columns, 100] at half resolution.
        placements: all note heads on the strip.
        pairs: the note head of each pair, by onset at the notated tempo.
    """

    name: str
    music: "Music"
    strips: Mapping[str, np.ndarray]
    placements: tuple["Placement", ...]
    pairs: tuple["Placement", ...]

    @property
    def columns(self) -> np.ndarray:
        """float32 [pairs], centres of the note heads in page pixels of the full strip."""
        return np.array([pair.column for pair in self.pairs], np.float32)

    def at(self, indices: np.ndarray) -> "Piece":
        """The same piece with some of its pairs."""
        return dataclasses.replace(self, pairs=tuple(self.pairs[index] for index in indices))

    def key(self) -> str:
        """A name for what is kept of it; not of its pairs."""
        from tfrecords_tools.music.notes import midi_bytes

        return hashlib.sha256(midi_bytes(self.music)).hexdigest()[:16]


@dataclass(frozen=True)
class Recording:
    """How a piece sounds in a playing.

    Attributes:
        spectrogram: float16 [frames, 92], rounded as in the records.
        onset_frames: int64 [pairs], where each pair is.
    """

    spectrogram: np.ndarray
    onset_frames: np.ndarray


def read_piece(piece_dir: Path) -> Piece:
    """Reads a piece of an MSMD directory, with all its pairs.

    Raises:
        UserError: it is damaged, was not built here, or has no pairs.
    """
    from tempo_invariant.scores import msmd
    from tempo_invariant.scores.strips import Placement, halve, strip
    from tfrecords_tools.music.notes import notes_of_midi

    path = piece_dir / f"{piece_dir.name}.midi"
    if not path.is_file():
        raise UserError(f"{path}: no such file; only pieces that build_msmd built can be played")
    music = notes_of_midi(path.read_bytes())
    score = msmd.read_score(piece_dir)
    strips = {}
    placements: list[Placement] = []
    for ink in score.inks:
        image, placements = strip(score, ink)
        strips[ink] = np.ascontiguousarray(halve(image).T)
    piece = Piece(piece_dir.name, music, strips, tuple(placements), ())
    aligned = _aligned(piece, _note_seconds(piece, Playing("")))
    if not aligned:
        raise UserError(f"{piece_dir}: no note head is aligned with a performance")
    middle = tuple(heads[(len(heads) - 1) // 2] for heads in aligned.values())
    return dataclasses.replace(piece, pairs=middle)


def choose_pairs(pieces: Sequence[Piece], limit: int) -> list[Piece]:
    """Returns the pieces with at most so many pairs in all, at even spacing, as `eval_dataset`."""
    counts = [len(piece.pairs) for piece in pieces]
    total = sum(counts)
    chosen = np.arange(total) if limit >= total else np.arange(limit) * total // limit
    starts = np.cumsum([0, *counts])
    result = []
    for piece, start, end in zip(pieces, starts[:-1], starts[1:], strict=True):
        mine = chosen[(chosen >= start) & (chosen < end)] - start
        if len(mine):
            result.append(piece.at(mine))
    return result


def pair_frames(piece: Piece, playing: Playing) -> np.ndarray:
    """Returns the onset frame of each pair in a playing, int64 [pairs]."""
    aligned = _aligned(piece, _note_seconds(piece, playing))
    frame_of = {
        (head.page, head.head.id): frame for frame, heads in aligned.items() for head in heads
    }
    return np.array([frame_of[pair.page, pair.head.id] for pair in piece.pairs], np.int64)


def record(
    piece: Piece, playings: Sequence[Playing], keep: Path | None = None
) -> Iterator[tuple[Playing, Recording]]:
    """Plays a piece in several ways; what differs in the degradation alone is rendered once.

    Args:
        piece: what to play.
        playings: how.
        keep: directory for spectrograms, which are used again from there.

    Yields:
        Every playing, those of one rendering one after the other, and how it sounds.
    """
    groups: dict[Playing, list[Playing]] = {}
    for playing in playings:
        groups.setdefault(playing.rendering, []).append(playing)
    for rendering, group in groups.items():
        pcm = None
        for playing in group:
            path = keep / piece.name / f"{piece.key()}-{playing.key()}.npy" if keep else None
            spectrogram = _load(path)
            if spectrogram is None:
                pcm = _render(piece, rendering) if pcm is None else pcm
                spectrogram = _spectrogram(piece, playing, pcm)
                if path:
                    with atomic_write(path) as temporary:
                        np.save(temporary, spectrogram)
            yield playing, Recording(spectrogram, pair_frames(piece, playing))


def _load(path: Path | None) -> np.ndarray | None:
    if path is None or not path.exists():
        return None
    try:
        return np.load(path)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path}: damaged; delete it ({' '.join(str(error).split())})") from error


def _render(piece: Piece, playing: Playing) -> np.ndarray:
    from tfrecords_tools.music.performing import render_audio

    seed = _expression(piece, playing)
    return render_audio(piece.music, playing.soundfont, tempo=playing.tempo, seed=seed)


def _spectrogram(piece: Piece, playing: Playing, pcm: np.ndarray) -> np.ndarray:
    """Returns float16 [frames, 92] of a degraded recording [samples]."""
    from tempo_invariant.audio.spectrogram import whole_spectrogram

    if playing.degradation != AS_PLAYED:
        seed = [playing.seed, zlib.crc32(piece.name.encode())]
        pcm = degrade_recording(pcm, playing.degradation, seed)
    return whole_spectrogram(pcm).T.astype(np.float16)


def _expression(piece: Piece, playing: Playing) -> str:
    """Returns the seed of a performance as `build_msmd` plays it."""
    from tfrecords_tools.msmd.layout import performance_name
    from tfrecords_tools.music.performing import soundfont_name

    if not playing.expression:
        return ""
    sound = soundfont_name(playing.soundfont, expression=playing.expression)
    return performance_name(piece.name, playing.tempo, sound)


def _note_seconds(piece: Piece, playing: Playing) -> np.ndarray:
    """Returns when each note is heard, float64 [notes], in the order of `piece.music`."""
    from tfrecords_tools.music.performing import played_music

    played = played_music(piece.music, playing.tempo, _expression(piece, playing))
    ticks = np.array([note.tick for note in played.notes])
    return played.seconds(ticks) * playing.degradation.time_factor


def _aligned(piece: Piece, seconds: np.ndarray) -> dict[int, list["Placement"]]:
    """Returns the note heads by onset frame, as records have them.

    Args:
        piece: the piece.
        seconds: when each note is heard.
    """
    from tempo_invariant.scores import mung
    from tempo_invariant.scores.strips import aligned_placements

    frames = onset_frame(seconds)
    placements = []
    for placement in piece.placements:
        event = next((onset.event for onset in placement.head.onsets.values()), -1)
        onsets = {}
        if event >= 0:
            onsets[piece.name] = mung.Onset(int(frames[event]), float(seconds[event]), event)
        head = dataclasses.replace(placement.head, onsets=onsets)
        placements.append(dataclasses.replace(placement, head=head))
    # A recording goes on after the last note: all frames of onsets are there.
    return aligned_placements(placements, piece.name, int(frames.max(initial=0)) + 1)
