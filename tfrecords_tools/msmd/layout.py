"""Performances in the layout of MSMD, and the writer of the layout."""

import io
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from tempo_invariant.errors import UserError
from tempo_invariant.files import atomic_write
from tempo_invariant.geometry import BANDS
from tempo_invariant.scores.msmd import read_numbers
from tempo_invariant.scores.mung import Page, write_page
from tfrecords_tools.music.performing import Features


@dataclass(frozen=True)
class Performance:
    """A performance with its features.

    Attributes:
        name: Name in the published form, see `performance_name`.
        tempo: Speed relative to the notated one.
        soundfont: Name of the sound.
        notes: Rows of onset s, pitch, duration s, track, channel, [notes, 5].
        onsets: Onset frames of the notes, [notes].
        spectrogram: Spectrogram float32 [92, frames].
    """

    name: str
    tempo: float
    soundfont: str
    notes: np.ndarray
    onsets: np.ndarray
    spectrogram: np.ndarray


def performance_name(piece: str, tempo: float, soundfont: str) -> str:
    """Returns the published name of a performance, `PIECE_tempo-900_SOUNDFONT`."""
    return f"{piece}_tempo-{round(tempo * 1000)}_{soundfont}"


def parse_performance_name(name: str) -> tuple[float, str]:
    """Returns tempo (1 = as notated) and soundfont of a performance name."""
    match = re.search(r".*tempo-(\d+)_(.+)$", name)  # the last one: the piece may have its own
    return (int(match[1]) / 1000, match[2]) if match else (1.0, "unknown")


def plain_soundfont(soundfont: str) -> str:
    """Returns the soundfont of a performance without its seeds: `A` for `A-e1-i1-r1`."""
    return re.sub(r"(-[eir]\d+)+$", "", soundfont)


def write_score(
    piece_dir: str | Path,
    pages: Sequence[Page],
    images: Mapping[str, Sequence[np.ndarray]],
    source: str | Path,
) -> None:
    """Writes source, page images, coordinates, MuNG and meta.yml of a piece.

    Args:
        piece_dir: Directory of the piece, named like it.
        pages: Contents of the pages, note heads with the onsets of all performances.
        images: Images of each ink, one uint8 [rows, columns] a page; the first ink goes to
            `img/`, the others to `img_INK/`.
        source: Path of the file of the score, copied to `PIECE` with its ending, such as `.ly`.
    """
    piece_dir = Path(piece_dir)
    score_dir = piece_dir / "scores" / f"{piece_dir.name}_ly"
    for index, (ink, page_images) in enumerate(images.items()):
        if len(page_images) != len(pages):
            raise ValueError(f"images[{ink!r}] has {len(page_images)} pages, not {len(pages)}")
        folder = score_dir / (f"img_{ink}" if index else "img")
        for page, image in zip(pages, page_images, strict=True):
            with atomic_write(folder / f"{page.number:02d}.png") as path:
                Image.fromarray(np.asarray(image, np.uint8)).save(path, format="PNG")
    for page in pages:
        centres = [(head.row, head.column) for head in page.note_heads]
        corners = [
            [(top, left), (top, right), (bottom, right), (bottom, left)]
            for top, left, bottom, right in (system.box for system in page.systems)
        ]
        _save(score_dir / f"coords/notes_{page.number:02d}.npy", np.reshape(centres, (-1, 2)))
        _save(score_dir / f"coords/systems_{page.number:02d}.npy", np.reshape(corners, (-1, 4, 2)))
    write_alignment(piece_dir, pages)
    with atomic_write(piece_dir / f"{piece_dir.name}{Path(source).suffix}") as path:
        shutil.copyfile(source, path)


def write_alignment(piece_dir: str | Path, pages: Sequence[Page]) -> None:
    """Writes the MuNG files of a piece, with the onsets of all performances, and meta.yml."""
    piece = Path(piece_dir).name
    for page in pages:
        mung = Path(piece_dir) / "scores" / f"{piece}_ly" / "mung" / f"{page.number:02d}.xml"
        with atomic_write(mung) as path:
            write_page(path, page, piece)
    heads = [head for page in pages for head in page.note_heads]
    meta = {
        "n_pages": len(pages),
        "n_scores": 1,
        "n_performances": len({name for head in heads for name in head.onsets}),
        "aln_piece_stats": {
            "n_systems": sum(len(page.systems) for page in pages),
            "n_noteheads": len(heads),
            "n_aligned": sum(bool(head.onsets) for head in heads),
        },
    }
    with atomic_write(Path(piece_dir) / "meta.yml") as path:
        path.write_text(yaml.safe_dump(meta, sort_keys=True))


def write_performance(piece_dir: str | Path, name: str, features: Features) -> None:
    """Writes a performance of a piece with its features; the spectrogram comes last."""
    directory = Path(piece_dir) / "performances" / name
    with atomic_write(directory / f"{name}.midi") as path:
        path.write_bytes(features.midi)
    _save(directory / f"features/{name}_midi.npy", np.asarray(features.matrix, np.uint8))
    _save(directory / f"features/{name}_notes.npy", np.asarray(features.notes, np.float64))
    _save(directory / f"features/{name}_onsets.npy", np.asarray(features.onsets, np.float32))
    _save(directory / f"features/{name}_spec.npy", np.asarray(features.spectrogram, np.float32))


def performance_names(piece_dir: str | Path) -> list[str]:
    """Returns the sorted names of a piece's performances."""
    return sorted(path.parent.name for path in Path(piece_dir).glob("performances/*/features"))


def read_performance(piece_dir: str | Path, name: str) -> Performance:
    """Reads one performance.

    Raises:
        UserError: A feature is missing, malformed, of the wrong shape or not finite.
    """
    features = Path(piece_dir) / "performances" / name / "features"
    notes = _load(features, "notes.npy")
    spectrogram = _load(features, "_spec.npy")
    onsets = _load(features, "_onsets.npy")
    if spectrogram.ndim != 2 or spectrogram.shape[0] != BANDS:
        raise UserError(f"{features}: spectrogram of shape {spectrogram.shape}, not {BANDS} x n")
    if notes.ndim != 2 or notes.shape[1] < 3:
        raise UserError(f"{features}: notes of shape {notes.shape}, not n x 5")
    if onsets.ndim != 1:
        raise UserError(f"{features}: onsets of shape {onsets.shape}, not n")
    tempo, soundfont = parse_performance_name(name)
    frames, heights = onsets.astype(np.int64), spectrogram.astype(np.float32)
    return Performance(name, tempo, soundfont, notes, frames, heights)


def _save(path: Path, array: np.ndarray) -> None:
    buffer = io.BytesIO()  # writing to a file, NumPy doesn't say that the disk is full
    np.save(buffer, array)
    with atomic_write(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def _load(directory: Path, ending: str) -> np.ndarray:
    paths = sorted(directory.glob(f"[!.]*{ending}"))
    if not paths:
        raise UserError(f"{directory}: no file *{ending}")
    return read_numbers(paths[0])
