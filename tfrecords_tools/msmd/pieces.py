"""Builds an MSMD directory from scores that say which notes they have, a piece at a time.

A piece is built in a temporary directory beside its place and renamed when it is whole, so an
interrupted build leaves whole pieces only; the next one skips them, or adds the performances that
they lack. Beside the published layout a piece holds `PIECE.midi`, the
music as notated, and `build.json`, the numbers of the report.
"""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from tempo_invariant.errors import UserError
from tempo_invariant.files import write_json
from tempo_invariant.scores import msmd, mung
from tempo_invariant.scores.drawn import TIMEOUT_SECONDS, Engraving
from tempo_invariant.scores.engravers import engraved
from tempo_invariant.scores.folders import NOTATION, kind_of
from tempo_invariant.scores.looks import Look, draw_look
from tempo_invariant.scores.sources import PieceSource
from tfrecords_tools.msmd import layout
from tfrecords_tools.msmd.alignment import Alignment, align
from tfrecords_tools.music.notes import Music, midi_bytes, read_midi
from tfrecords_tools.music.performing import Features, Sound, perform

INKS = ("bold", "thin")
RECORD = "build.json"


@dataclass(frozen=True)
class BuildOptions:
    """Parts to build of every piece: each sound at each tempo, pages in each ink.

    `look_seed` draws how Verovio engraves, see `looks.draw_look`. The staves of a system are
    `staff_distance` times as far apart as usual, or farther where the notes need it.
    """

    sounds: tuple[Sound, ...]
    tempi: tuple[float, ...] = (1.0,)
    inks: tuple[str, ...] = INKS
    timeout_seconds: float = TIMEOUT_SECONDS
    look_seed: int = 0
    staff_distance: float = 1.0

    def performances(self, piece: str) -> dict[str, tuple[Sound, float]]:
        """Returns the performances of a piece by name."""
        return {
            layout.performance_name(piece, tempo, sound.name): (sound, tempo)
            for sound in self.sounds
            for tempo in self.tempi
        }


@dataclass(frozen=True)
class PieceRecord:
    """Numbers of one built piece.

    Attributes:
        piece: Name of the piece.
        pages: Number of pages.
        systems: Number of systems.
        heads: Number of visible note heads.
        tied: Number of heads that continue a tie.
        heads_aligned: Number of heads that don't continue a tie and have a note.
        notes: Number of notes that are played.
        notes_aligned: Number of notes that have a head.
        pairs: Number of onset frames with a head at the tempo nearest to the notated one.
        seconds: Duration at the notated tempo, to the end of the last note.
        scores: Number of `\\score` blocks; 1 for what is no LilyPond file.
        scores_from_midi: Number of scores that play LilyPond's MIDI; the others play their heads.
        build_seconds: Time that engraving and performing took in this run; not stored, so that the
            same input gives the same files.
        warnings: Complaints of LilyPond although it wrote pages, and what of the music is built if
            it is not all for a piano; one line each.
        performances: Names of the performances.
        look: How Verovio engraved it, empty if plainly.
    """

    piece: str
    pages: int
    systems: int
    heads: int
    tied: int
    heads_aligned: int
    notes: int
    notes_aligned: int
    pairs: int
    seconds: float
    scores: int
    scores_from_midi: int
    build_seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    performances: tuple[str, ...] = ()
    look: Look = field(default_factory=dict)

    @property
    def head_share(self) -> float:
        """Share of the heads with a note, of those that don't continue a tie."""
        return self.heads_aligned / max(1, self.heads - self.tied)

    @property
    def note_share(self) -> float:
        """Share of the notes that have a head."""
        return self.notes_aligned / max(1, self.notes)


def build_piece(source: PieceSource, output: Path, options: BuildOptions) -> PieceRecord:
    """Builds a piece, or what an earlier build of it lacks.

    Args:
        source: Name and file of the piece.
        output: MSMD directory; the piece becomes `output/PIECE`.
        options: Sounds, tempi and inks to build.

    Raises:
        UserError: The score cannot be engraved or has no notes, or the piece is there and was
            downloaded, not built here.
    """
    piece_dir = output / source.piece
    if not (piece_dir / RECORD).exists() and layout.performance_names(piece_dir):
        raise UserError(f"{piece_dir}: is there and was not built here; left as it is")
    record = read_record(piece_dir)
    if record is None:
        return _build_new(source, output, options)
    wanted = options.performances(source.piece)
    missing = {name: wanted[name] for name in wanted if name not in record.performances}
    return _add_performances(piece_dir, record, missing) if missing else record


def read_record(piece_dir: Path) -> PieceRecord | None:
    """Returns the numbers of a built piece, None if it was not built here."""
    try:
        fields = json.loads((piece_dir / RECORD).read_text())
        for key in ("warnings", "performances"):
            fields[key] = tuple(fields[key])
        return PieceRecord(**fields)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _write_record(piece_dir: Path, record: PieceRecord) -> None:
    fields = asdict(record)
    del fields["build_seconds"]
    write_json(piece_dir / RECORD, fields)


def _build_new(source: PieceSource, output: Path, options: BuildOptions) -> PieceRecord:
    started = time.monotonic()
    look = draw_look(options.look_seed, source.piece)
    distance = options.staff_distance
    with engraved(source, True, options.timeout_seconds, look, distance) as engraving:
        drawn = [page.heads for page in engraving.pages]
        alignment = align(drawn, engraving.midis, engraving.tempi)
    images: dict[str, list[np.ndarray]] = {ink: [] for ink in options.inks}
    for drawing in engraving.draw():
        for ink in options.inks:
            images[ink].append(drawing[ink])
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=output) as directory:
        piece_dir = Path(directory) / source.piece
        wanted = options.performances(source.piece)
        pages = _pages(engraving, alignment, _perform(piece_dir, alignment.music, wanted))
        layout.write_score(piece_dir, pages, images, source.path)
        (piece_dir / f"{source.piece}.midi").write_bytes(midi_bytes(alignment.music))
        record = _record(source, engraving, alignment, pages, tuple(wanted))
        if kind_of(source.path) == NOTATION:
            record = replace(record, look=look)
        _write_record(piece_dir, record)
        final = output / source.piece
        if final.exists():  # without a record or a performance: half of something else
            shutil.rmtree(final)
        os.rename(piece_dir, final)
    return replace(record, build_seconds=round(time.monotonic() - started, 2))


def _add_performances(
    piece_dir: Path, record: PieceRecord, wanted: dict[str, tuple[Sound, float]]
) -> PieceRecord:
    started = time.monotonic()
    music = read_midi(piece_dir / f"{piece_dir.name}.midi")
    played = _perform(piece_dir, music, wanted)
    pages = []
    for page in msmd.read_score(piece_dir).pages:
        heads = []
        for head in page.note_heads:
            event = next((onset.event for onset in head.onsets.values()), None)
            heads.append(replace(head, onsets={**head.onsets, **_onsets(event, played)}))
        pages.append(replace(page, note_heads=tuple(heads)))
    layout.write_alignment(piece_dir, pages)
    record = replace(record, performances=tuple(sorted({*record.performances, *wanted})))
    _write_record(piece_dir, record)
    return replace(record, build_seconds=round(time.monotonic() - started, 2))


def _perform(
    piece_dir: Path, music: Music, wanted: dict[str, tuple[Sound, float]]
) -> dict[str, Features]:
    """Writes performances and returns their features by name.

    The name of a performance is the seed of what is drawn, so all differ and none changes.
    """
    played = {}
    for name, (sound, tempo) in wanted.items():
        played[name] = perform(music, sound, tempo, seed=name)
        layout.write_performance(piece_dir, name, played[name])
    return played


def _onsets(event: int | None, played: dict[str, Features]) -> dict[str, mung.Onset]:
    """Returns when each performance plays a note of the music; an empty mapping for None."""
    if event is None:
        return {}
    return {
        name: mung.Onset(int(features.onsets[event]), float(features.notes[event, 0]), event)
        for name, features in played.items()
    }


def _pages(
    engraving: Engraving, alignment: Alignment, played: dict[str, Features]
) -> list[mung.Page]:
    """Returns the visible heads and the systems of every page, with the onsets of performances."""
    pages = []
    for number, (page, aligned) in enumerate(zip(engraving.pages, alignment.pages, strict=True), 1):
        visible = [(head, head.drawn.box) for head in aligned if head.drawn.box]
        boxes = sorted(page.systems.items(), key=lambda item: item[1].top)
        system_id = {key: len(visible) + i for i, (key, _) in enumerate(boxes)}
        heads = tuple(
            mung.NoteHead(
                id=identifier,
                box=box,
                pitch=head.drawn.pitch,
                system=system_id.get(head.drawn.system, -1),
                tied=head.drawn.tied,
                moment=head.moment,
                onsets=_onsets(head.event, played),
            )
            for identifier, (head, box) in enumerate(visible)
        )
        bars = engraving.bars
        systems = tuple(mung.System(system_id[key], box, bars[key]) for key, box in boxes)
        pages.append(mung.Page(number, systems, heads))
    return pages


def _record(
    source: PieceSource,
    engraving: Engraving,
    alignment: Alignment,
    pages: Sequence[mung.Page],
    performances: tuple[str, ...],
) -> PieceRecord:
    heads = [head for page in pages for head in page.note_heads]
    music = alignment.music
    nearest = min(performances, key=lambda n: abs(layout.parse_performance_name(n)[0] - 1))
    return PieceRecord(
        piece=source.piece,
        pages=len(pages),
        systems=sum(len(page.systems) for page in pages),
        heads=len(heads),
        tied=sum(head.tied for head in heads),
        heads_aligned=sum(bool(head.onsets) and not head.tied for head in heads),
        notes=len(music.notes),
        notes_aligned=len({head.event for head in alignment.heads} - {None}),
        pairs=len({head.onsets[nearest].frame for head in heads if nearest in head.onsets}),
        seconds=round(float(music.seconds([n.tick + n.length for n in music.notes]).max()), 3),
        scores=alignment.scores,
        scores_from_midi=alignment.from_midi,
        warnings=(*engraving.errors, *engraving.notes),
        performances=performances,
    )
