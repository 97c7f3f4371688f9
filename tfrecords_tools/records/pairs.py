"""From a piece in an MSMD directory to records: strips at half resolution and aligned pairs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tempo_invariant.data.schema import Record
from tempo_invariant.errors import UserError
from tempo_invariant.geometry import PRINTED
from tempo_invariant.scores.msmd import read_score
from tempo_invariant.scores.strips import Placement, aligned_placements, halve, strips
from tfrecords_tools.msmd.layout import Performance, performance_names, read_performance


def piece_records(
    piece_dir: str | Path,
    wanted: Callable[[str], bool] = lambda name: True,
    staves: str = PRINTED,
) -> tuple[list[Record], list[str]]:
    """Makes the records of a piece.

    Args:
        piece_dir: Directory of the piece.
        wanted: Function that tells by its name whether a performance is wanted.
        staves: Distance of a piano's staves, see `geometry.STAVES`.

    Returns:
        One record per wanted performance, by name, and a line for each one that is broken.

    Raises:
        UserError: The score is broken, or no performance is left.
    """
    piece_dir = Path(piece_dir)
    score = read_score(piece_dir)
    names = [name for name in performance_names(piece_dir) if wanted(name)]
    if not names:
        raise UserError(f"{piece_dir}: has no performance of the wanted kind")
    drawn, placements = strips(score, score.inks, staves)
    images = [halve(image).T for image in drawn.values()]
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
    aligned = aligned_placements(placements, performance.name, performance.spectrogram.shape[1])
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
        systems=np.array([placement.system - 1 for placement in middle], np.int64),
    )
