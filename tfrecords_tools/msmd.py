"""The published MSMD directory layout: reader and writer.

One directory a piece:

    PIECE/PIECE.ly, meta.yml
    PIECE/scores/PIECE_ly/img/01.png ...            page images, 8-bit grey
    PIECE/scores/PIECE_ly/coords/notes_01.npy ...   [heads, 2] centres (row, column)
    PIECE/scores/PIECE_ly/coords/systems_01.npy ... [systems, 4, 2] corners (row, column)
    PIECE/scores/PIECE_ly/mung/01.xml ...           note heads, systems and the alignment
    PIECE/performances/NAME/NAME.midi
    PIECE/performances/NAME/features/NAME_{midi,notes,onsets,spec}.npy

NAME is `PIECE_tempo-900_SOUNDFONT`: the speed in thousandths of the notated one, so 900 is slower
(the code that made the published archive scaled beats per minute first and seconds per beat later,
so there only the distance from 1000 is sure). Nothing here depends on it: onsets are stored.

Additions that readers of the published layout don't notice: further inks in `img_INK/` beside
`img/`, and a data item `moment_quarters` on note heads.
"""

import contextlib
import io
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from tempo_invariant.errors import UserError
from tempo_invariant.files import atomic_write
from tempo_invariant.geometry import BANDS, PAPER, STRIP_HEIGHT
from tfrecords_tools.mung import NoteHead as NoteHead
from tfrecords_tools.mung import Onset as Onset
from tfrecords_tools.mung import Page as Page
from tfrecords_tools.mung import System as System
from tfrecords_tools.mung import read_page, write_page

FIRST_INK = "bold"
"""Name of the ink in `img/`: the published pages are bold."""


@dataclass(frozen=True)
class Score:
    """A score as read from a directory; images are read when asked for."""

    directory: Path
    pages: tuple[Page, ...]
    inks: tuple[str, ...]

    def image(self, ink: str, page_number: int) -> np.ndarray:
        """Returns the image uint8 [rows, columns] of a page."""
        return read_image(self._image_path(ink, page_number))

    def size(self, page_number: int) -> tuple[int, int]:
        """Returns height and width of a page in pixels, from the head of its first image."""
        with _open_image(self._image_path(self.inks[0], page_number)) as image:
            return image.height, image.width

    def _image_path(self, ink: str, page_number: int) -> Path:
        folder = "img" if ink == self.inks[0] else f"img_{ink}"
        return self.directory / folder / f"{page_number:02d}.png"


@dataclass(frozen=True)
class Performance:
    """A performance: `tempo` is the speed relative to the notated one.

    Attributes:
        notes: [notes, 5], rows of onset s, pitch, duration s, track, channel.
        onsets: [notes] onset frames.
        spectrogram: float32 [92, frames].
    """

    name: str
    tempo: float
    soundfont: str
    notes: np.ndarray
    onsets: np.ndarray
    spectrogram: np.ndarray


@dataclass(frozen=True)
class Placement:
    """Where a note head lies on the strip; `system` counts from 0 on page `page` (from 1)."""

    head: NoteHead
    page: int
    system: int
    row: float
    column: float


def performance_name(piece: str, tempo: float, soundfont: str) -> str:
    """Returns the published name of a performance, `PIECE_tempo-900_SOUNDFONT`."""
    return f"{piece}_tempo-{round(tempo * 1000)}_{soundfont}"


def parse_performance_name(name: str) -> tuple[float, str]:
    """Returns tempo (1 = as notated) and soundfont of a performance name."""
    match = re.search(r".*tempo-(\d+)_(.+)$", name)  # the last one: the piece may have its own
    return (int(match[1]) / 1000, match[2]) if match else (1.0, "unknown")


def plain_soundfont(soundfont: str) -> str:
    """Returns the soundfont of an expressive performance without the seed: `A` for `A-e1`."""
    return re.sub(r"-e\d+$", "", soundfont)


def list_pieces(msmd_dir: str | Path) -> list[str]:
    """Returns the sorted names of the pieces in an MSMD directory.

    Raises:
        UserError: there is no such directory, or no piece in it.
    """
    msmd_dir = Path(msmd_dir)
    if not msmd_dir.is_dir():
        raise UserError(f"{msmd_dir}: no such directory")
    pieces = sorted(path.parent.name for path in msmd_dir.glob("*/scores"))
    if not pieces:
        raise UserError(
            f"{msmd_dir}: holds no piece (expected PIECE/scores and PIECE/performances)"
        )
    return pieces


def write_score(
    piece_dir: str | Path,
    pages: Sequence[Page],
    images: Mapping[str, Sequence[np.ndarray]],
    source: str | Path,
) -> None:
    """Writes source, page images, coordinates, MuNG and meta.yml of a piece.

    Args:
        piece_dir: the piece's directory, named like the piece.
        pages: what is on the pages, note heads with the onsets of all performances.
        images: for each ink, one uint8 [rows, columns] image a page; the first ink goes to
            `img/`, the others to `img_INK/`.
        source: the LilyPond file, copied to `PIECE.ly`.
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
            [(s.top, s.left), (s.top, s.left + s.width)]
            + [(s.top + s.height, s.left + s.width), (s.top + s.height, s.left)]
            for s in page.systems
        ]
        _save(score_dir / f"coords/notes_{page.number:02d}.npy", np.reshape(centres, (-1, 2)))
        _save(score_dir / f"coords/systems_{page.number:02d}.npy", np.reshape(corners, (-1, 4, 2)))
    write_alignment(piece_dir, pages)
    with atomic_write(piece_dir / f"{piece_dir.name}.ly") as path:
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


def read_score(piece_dir: str | Path) -> Score:
    """Reads what is on the pages of a piece.

    Raises:
        UserError: a file is missing or malformed; the message names it.
    """
    piece_dir = Path(piece_dir)
    directories = sorted(path.parent for path in piece_dir.glob("scores/*/mung"))
    if not directories:
        raise UserError(f"{piece_dir}/scores: no score with a mung folder")
    score_dir = directories[0]
    paths = sorted((score_dir / "mung").glob("*.xml"))
    if not paths:
        raise UserError(f"{score_dir}/mung: holds no page")
    extra = sorted(path.name[4:] for path in score_dir.glob("img_*") if path.is_dir())
    return Score(score_dir, tuple(read_page(path) for path in paths), (FIRST_INK, *extra))


def read_image(path: Path) -> np.ndarray:
    """Reads an image as grey uint8 [rows, columns], without its transparency.

    Raises:
        UserError: the file is missing or no image.
    """
    with _open_image(path) as image:
        return np.asarray(image.convert("L"))


@contextlib.contextmanager
def _open_image(path: Path) -> Iterator[Image.Image]:
    try:
        with Image.open(path) as image:
            yield image
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such page image") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: not a readable image ({_one_line(error)})") from error


def write_performance(
    piece_dir: str | Path,
    name: str,
    midi: Any,
    notes: np.ndarray,
    onsets: np.ndarray,
    spectrogram: np.ndarray,
    matrix: np.ndarray,
) -> None:
    """Writes a performance with its features; the spectrogram comes last.

    Args:
        piece_dir: the piece's directory.
        name: see `performance_name`.
        midi: bytes of a MIDI file, or an object with `write(path)` such as `PrettyMIDI`.
        notes: [notes, 5], see `Performance`.
        onsets: [notes] onset frames.
        spectrogram: [92, frames], stored as float32.
        matrix: [128, frames] of what sounds, stored as uint8.
    """
    directory = Path(piece_dir) / "performances" / name
    with atomic_write(directory / f"{name}.midi") as path:
        if isinstance(midi, bytes):
            path.write_bytes(midi)
        else:
            midi.write(str(path))
    _save(directory / f"features/{name}_midi.npy", np.asarray(matrix, np.uint8))
    _save(directory / f"features/{name}_notes.npy", np.asarray(notes, np.float64))
    _save(directory / f"features/{name}_onsets.npy", np.asarray(onsets, np.float32))
    _save(directory / f"features/{name}_spec.npy", np.asarray(spectrogram, np.float32))


def performance_names(piece_dir: str | Path) -> list[str]:
    """Returns the sorted names of a piece's performances."""
    return sorted(path.parent.name for path in Path(piece_dir).glob("performances/*/features"))


def read_performance(piece_dir: str | Path, name: str) -> Performance:
    """Reads one performance.

    Raises:
        UserError: a feature is missing, malformed or of the wrong shape.
    """
    features = Path(piece_dir) / "performances" / name / "features"
    notes = _load(features, "notes.npy")
    spectrogram = _load(features, "_spec.npy")
    if spectrogram.ndim != 2 or spectrogram.shape[0] != BANDS:
        raise UserError(f"{features}: spectrogram of shape {spectrogram.shape}, not {BANDS} x n")
    if not np.isfinite(spectrogram).all():
        raise UserError(f"{features}: spectrogram holds values that are not finite numbers")
    if notes.ndim != 2 or notes.shape[1] < 3:
        raise UserError(f"{features}: notes of shape {notes.shape}, not n x 5")
    tempo, soundfont = parse_performance_name(name)
    onsets = _load(features, "_onsets.npy").astype(np.int64)
    return Performance(name, tempo, soundfont, notes, onsets, spectrogram.astype(np.float32))


def read_performances(piece_dir: str | Path) -> list[Performance]:
    """Reads all performances of a piece, sorted by name."""
    return [read_performance(piece_dir, name) for name in performance_names(piece_dir)]


def strip(score: Score, ink: str) -> tuple[np.ndarray, list[Placement]]:
    """Joins the systems of a score, left to right in reading order.

    Each system is cut 100 px above and below its vertical centre, over its full width; rows that
    reach past the page are paper.

    Returns:
        The strip, uint8 [200, columns], and where every note head that belongs to a system lies.
    """
    cuts, placements, offset = [], [], 0
    for page in score.pages:
        image = score.image(ink, page.number)
        margin = np.full((STRIP_HEIGHT, image.shape[1]), PAPER, np.uint8)
        padded = np.concatenate([margin, image, margin])
        for index, system in enumerate(page.systems):
            top = int(system.centre_row) - STRIP_HEIGHT // 2
            left = max(0, round(system.left))
            row = min(max(0, top + STRIP_HEIGHT), padded.shape[0] - STRIP_HEIGHT)
            right = min(image.shape[1], round(system.left + system.width))
            cuts.append(padded[row : row + STRIP_HEIGHT, left:right])
            placements += [
                Placement(head, page.number, index, head.row - top, head.column - left + offset)
                for head in page.note_heads
                if head.system == system.id
            ]
            offset += cuts[-1].shape[1]
    if not offset:
        raise UserError(f"{score.directory}: no system on any page")
    return np.concatenate(cuts, axis=1), placements


def _save(path: Path, array: np.ndarray) -> None:
    buffer = io.BytesIO()  # writing to a file, NumPy doesn't say that the disk is full
    np.save(buffer, array)
    with atomic_write(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def _load(directory: Path, ending: str) -> np.ndarray:
    paths = sorted(directory.glob(f"[!.]*{ending}"))
    if not paths:
        raise UserError(f"{directory}: no file *{ending}")
    try:
        return np.load(paths[0], allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise UserError(f"{paths[0]}: not a NumPy array ({_one_line(error)})") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
