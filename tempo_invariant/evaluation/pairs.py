"""The pairs of note heads and sound that are ranked, and where they are in any recording.

Pairs are chosen once, at the notated tempo, as the records have them; in every other recording a
pair is where the chord of its note head begins.
"""

import dataclasses
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tempo_invariant.audio.spectrogram import whole_spectrogram
from tempo_invariant.errors import UserError
from tempo_invariant.evaluation.conditions import WORN
from tempo_invariant.evaluation.query_sets import Query
from tempo_invariant.geometry import PAPER, PRINTED, onset_frame
from tempo_invariant.scores import degradation, msmd, mung, page_image
from tempo_invariant.scores.strips import Placement, aligned_placements, halve, strips


@dataclass(frozen=True)
class Piece:
    """A piece with its pairs.

    Attributes:
        name: Name of the piece.
        strips: Strip in each ink, the first one first, and perhaps `WORN`; uint8 [columns, 100] at
            half resolution.
        placements: All note heads on the strip.
        pairs: Note head of each pair, by onset at the notated tempo.
    """

    name: str
    strips: Mapping[str, np.ndarray]
    placements: tuple[Placement, ...]
    pairs: tuple[Placement, ...]

    @property
    def columns(self) -> np.ndarray:
        """Centres of the pairs' note heads in page pixels of the full strip: float32 [pairs]."""
        return np.array([pair.column for pair in self.pairs], np.float32)


@dataclass(frozen=True)
class PlayedPiece:
    """Describes how a piece sounds.

    Attributes:
        spectrogram: Bands of all frames, float16 [frames, 92], rounded as in the records.
        onset_frames: Frame in which each pair is heard first, int64 [pairs].
    """

    spectrogram: np.ndarray
    onset_frames: np.ndarray


@dataclass(frozen=True)
class _WornScore(msmd.Score):
    """A score that is `WORN` too, with pages straight and in even light, as once they are read."""

    def image(self, ink: str, page_number: int) -> np.ndarray:
        if ink != WORN:
            return super().image(ink, page_number)
        generator = np.random.default_rng([zlib.crc32(self.directory.name.encode()), page_number])
        # The places of systems and heads are those on a straight page.
        how = dataclasses.replace(degradation.draw(generator), degrees=0.0)
        page = degradation.degrade(super().image(self.inks[0], page_number), how, generator)
        return np.rint(PAPER * (1 - page_image.ink(page))).astype(np.uint8)


def read_piece(msmd_dir: Path, query: Query, staves: str = PRINTED, worn: bool = False) -> Piece:
    """Reads a piece of an MSMD directory, with all its pairs.

    Args:
        msmd_dir: MSMD directory.
        query: Recording of the piece as it is notated.
        staves: Distance of a piano's staves, see `geometry.STAVES`.
        worn: Whether its pages are wanted `WORN` too.

    Raises:
        UserError: The piece is damaged or has no pairs.
    """
    score = msmd.read_score(msmd_dir / query.piece)
    inks = (*score.inks, WORN) if worn else score.inks
    images, placements = strips(_WornScore(**vars(score)), inks, staves)
    drawn = {ink: np.ascontiguousarray(halve(image).T) for ink, image in images.items()}
    aligned = _aligned(placements, query)
    if not aligned:
        raise UserError(f"{query.truth_path}: names no note head of {query.piece}")
    middle = tuple(heads[(len(heads) - 1) // 2] for heads in aligned.values())
    return Piece(query.piece, drawn, tuple(placements), middle)


def choose_pairs(pieces: Sequence[Piece], limit: int) -> list[Piece]:
    """Keeps at most `limit` pairs of all pieces, at even spacing, as `eval_dataset` does."""
    counts = [len(piece.pairs) for piece in pieces]
    total = sum(counts)
    chosen = np.arange(total) if limit >= total else np.arange(limit) * total // limit
    starts = np.cumsum([0, *counts])
    result = []
    for piece, start, end in zip(pieces, starts[:-1], starts[1:], strict=True):
        mine = chosen[(chosen >= start) & (chosen < end)] - start
        if len(mine):
            pairs = tuple(piece.pairs[index] for index in mine)
            result.append(dataclasses.replace(piece, pairs=pairs))
    return result


def pair_frames(piece: Piece, query: Query) -> np.ndarray:
    """Returns the onset frame of each pair in a recording of the piece, int64 [pairs].

    Raises:
        UserError: The truth of the recording lacks a pair.
    """
    frame_of = {
        (head.page, head.head.id): frame
        for frame, heads in _aligned(piece.placements, query).items()
        for head in heads
    }
    try:
        return np.array([frame_of[pair.page, pair.head.id] for pair in piece.pairs], np.int64)
    except KeyError as error:
        page, head = error.args[0]
        raise UserError(f"{query.truth_path}: lacks note head {head} of page {page}") from error


def listen(piece: Piece, query: Query) -> PlayedPiece:
    """Returns how a recording of a piece sounds."""
    return PlayedPiece(
        whole_spectrogram(query.pcm()).T.astype(np.float16), pair_frames(piece, query)
    )


def _aligned(placements: Sequence[Placement], query: Query) -> dict[int, list[Placement]]:
    """Returns the note heads by onset frame in a recording, as records have them."""
    rows = query.truth()
    frames = onset_frame(rows["seconds"])
    onsets = {
        (page, head): {query.piece: mung.Onset(int(frame), float(seconds), -1)}
        for page, head, frame, seconds in zip(
            rows["page"], rows["head"], frames, rows["seconds"], strict=True
        )
    }
    moved = []
    for placement in placements:
        there = onsets.get((placement.page, placement.head.id), {})
        head = dataclasses.replace(placement.head, onsets=there)
        moved.append(dataclasses.replace(placement, head=head))
    # A recording goes on after the last note: all frames of onsets are there.
    return aligned_placements(moved, query.piece, int(frames.max()) + 1)
