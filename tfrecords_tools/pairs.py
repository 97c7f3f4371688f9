"""From a piece in an MSMD directory to records: strips at half resolution and aligned pairs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tempo_invariant.errors import UserError
from tempo_invariant.geometry import PAPER, REDUCTION
from tempo_invariant.schema import Record
from tfrecords_tools.msmd import (
    Performance,
    Placement,
    performance_names,
    read_performance,
    read_score,
    strip,
)


def halve(image: np.ndarray) -> np.ndarray:
    """Halves uint8 [rows, columns] by the rounded 2 x 2 mean; an odd edge is padded with paper."""
    odd = [(0, -side % REDUCTION) for side in image.shape]
    image = np.pad(image, odd, constant_values=PAPER).astype(np.uint16)
    blocks = image.reshape(image.shape[0] // REDUCTION, REDUCTION, -1, REDUCTION)
    count = REDUCTION * REDUCTION
    return ((blocks.sum(axis=(1, 3)) + count // 2) // count).astype(np.uint8)


def aligned_placements(
    performance: Performance, placements: list[Placement]
) -> dict[int, list[Placement]]:
    """Returns the note heads that start to sound at each onset frame, by ascending frame.

    A chord that is played spread counts from its first note on: heads of one musical time in one
    system belong to the earliest frame of them. Heads that continue a tie and frames outside the
    spectrogram are left out; the heads of a frame are sorted by column.
    """
    sounding = []
    first: dict[tuple, int] = {}
    for placement in sorted(placements, key=lambda p: (p.column, p.row)):
        onset = placement.head.onsets.get(performance.name)
        if onset is None or placement.head.tied:
            continue
        if 0 <= onset.frame < performance.spectrogram.shape[1]:
            moment = placement.head.moment
            chord = (placement.page, placement.system, onset.frame if moment is None else moment)
            first[chord] = min(onset.frame, first.get(chord, onset.frame))
            sounding.append((chord, placement))
    frames: dict[int, list[Placement]] = {}
    for chord, placement in sounding:
        frames.setdefault(first[chord], []).append(placement)
    return dict(sorted(frames.items()))


def piece_records(
    piece_dir: str | Path, wanted: Callable[[str], bool] = lambda name: True
) -> tuple[list[Record], list[str]]:
    """Makes the records of a piece.

    Args:
        piece_dir: directory of the piece.
        wanted: tells by its name whether a performance is wanted.

    Returns:
        One record per wanted performance, by name, and a line for each one that is broken.

    Raises:
        UserError: the score is broken, or no performance is left.
    """
    piece_dir = Path(piece_dir)
    score = read_score(piece_dir)
    names = [name for name in performance_names(piece_dir) if wanted(name)]
    if not names:
        raise UserError(f"{piece_dir}: has no performance of the wanted kind")
    images = []
    for ink in score.inks:
        image, placements = strip(score, ink)
        images.append(halve(image).T)
    if len({image.shape for image in images}) > 1:
        raise UserError(f"{piece_dir}: pages of different size in {', '.join(score.inks)}")
    records, problems = [], []
    for name in names:
        try:
            performance = read_performance(piece_dir, name)
            records.append(_record(piece_dir.name, performance, score.inks, images, placements))
        except UserError as error:
            problems.append(str(error))
    if not records:
        raise UserError(problems[0])
    return records, problems


def _record(
    piece: str,
    performance: Performance,
    inks: tuple[str, ...],
    images: list[np.ndarray],
    placements: list[Placement],
) -> Record:
    aligned = aligned_placements(performance, placements)
    if not aligned:
        raise UserError(f"{performance.name}: no note head is aligned with this performance")
    middle = [heads[(len(heads) - 1) // 2] for heads in aligned.values()]
    spectrogram = performance.spectrogram.T.astype(np.float16)
    if not np.isfinite(spectrogram).all():
        raise UserError(f"{performance.name}: spectrogram holds values that are not finite numbers")
    return Record(
        piece=piece,
        performance=performance.name,
        soundfont=performance.soundfont,
        tempo=performance.tempo,
        inks=inks,
        strips=np.stack(images),
        spectrogram=spectrogram,
        onset_frames=np.array(list(aligned), np.int64),
        columns=np.array([placement.column for placement in middle], np.float32),
        pages=np.array([placement.page for placement in middle], np.int64),
        systems=np.array([placement.system for placement in middle], np.int64),
    )
