"""Query sets of the pieces that build_msmd built, played under any conditions."""

import dataclasses
import functools
import hashlib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import wavfile

from tempo_invariant import json_objects, progress
from tempo_invariant.audio.degradation import AS_PLAYED, tune
from tempo_invariant.errors import UserError
from tempo_invariant.evaluation import query_sets
from tempo_invariant.evaluation.conditions import Condition
from tempo_invariant.evaluation.query_sets import Entry, Strike
from tempo_invariant.files import atomic_write
from tempo_invariant.geometry import SAMPLE_RATE
from tempo_invariant.scores import msmd
from tfrecords_tools.msmd.layout import performance_name
from tfrecords_tools.music.notes import TICKS_PER_QUARTER, Music, midi_bytes, read_midi
from tfrecords_tools.music.performing import Sound, played_music, render_audio
from tfrecords_tools.music.synthesis import check_soundfont, default_soundfont

_FORMAT = 1
"""Version of the sound of what is kept; goes up when rendering changes."""


@dataclass(frozen=True)
class Piece:
    """A piece that build_msmd built: its directory and its music as notated."""

    directory: Path
    music: Music

    @property
    def name(self) -> str:
        """Name of the piece."""
        return self.directory.name


def write(
    msmd_dir: str | Path,
    pieces: Sequence[str],
    conditions: Sequence[Condition],
    output: str | Path,
    seed: int = 0,
    excerpts: int = 1,
) -> int:
    """Plays pieces under conditions and writes a query set.

    What differs in degradation, gain, excerpt or ink alone is rendered once. A rendering that is
    there is not made again; `queries.json` comes last.

    Args:
        msmd_dir: MSMD directory whose pieces build_msmd built.
        pieces: Names of the pieces.
        conditions: Conditions under which each of them is played; one without a soundfont is
            played with TimGM6mb.
        output: Folder to write.
        seed: Seed for the places of excerpts, and for rooms and noise.
        excerpts: Number of excerpts of each piece, fewer where it is not longer than one.

    Returns:
        Number of queries.

    Raises:
        UserError: A piece or a soundfont is missing or cannot be played.
    """
    conditions = [
        dataclasses.replace(condition, soundfont=condition.soundfont or str(default_soundfont()))
        for condition in conditions
    ]
    for soundfont in {condition.soundfont for condition in conditions}:
        check_soundfont(soundfont)
    found = [read_piece(Path(msmd_dir) / name) for name in pieces]
    # The same share of every recording is skipped under all conditions.
    places = np.random.default_rng(seed).random((len(found), excerpts))

    def play(item: tuple[Piece, list[float]]) -> list[Entry]:
        return list(_play(*item, conditions, Path(output), seed))

    played = query_sets.ahead(play, zip(found, places.tolist(), strict=True))
    bar = progress.track(played, "pieces played", len(found))
    entries = [entry for of_piece in bar for entry in of_piece]
    query_sets.write(output, conditions, entries)
    return len(entries)


def read_piece(piece_dir: Path) -> Piece:
    """Reads the music of a piece.

    Raises:
        UserError: The piece is damaged or was not built by build_msmd.
    """
    path = piece_dir / f"{piece_dir.name}.midi"
    if not path.is_file():
        raise UserError(f"{path}: no such file; only pieces that build-msmd built can be played")
    return Piece(piece_dir, read_midi(path))


def strikes(piece: Piece, tempo: float = 1.0, seed: str = "") -> list[Strike]:
    """Returns when the note heads of a piece are struck, in the order of the pages.

    Args:
        piece: Piece that is played.
        tempo: Speed relative to the notated one.
        seed: Seed of expressive playing; empty plays as notated.

    Raises:
        UserError: No note head is aligned with a performance.
    """
    notes = piece.music.notes
    played = played_music(piece.music, tempo, seed)
    seconds = played.seconds([note.tick for note in played.notes])
    found = []
    for page in msmd.read_score(piece.directory).pages:
        numbers = {system.id: number for number, system in enumerate(page.systems, 1)}
        for head in page.note_heads:
            event = next((onset.event for onset in head.onsets.values()), -1)
            if event >= len(notes):
                raise UserError(
                    f"{piece.directory}: a note head names note {event} of {len(notes)}"
                )
            if event >= 0:
                moment = notes[event].tick / TICKS_PER_QUARTER
                place = page.number, numbers.get(head.system, 0), head.column
                found.append(Strike(float(seconds[event]), *place, moment, head.id, head.tied))
    if not found:
        raise UserError(f"{piece.directory}: no note head is aligned with a performance")
    return found


def _play(
    piece: Piece, places: list[float], conditions: Sequence[Condition], output: Path, seed: int
) -> Iterator[Entry]:
    """Renders a piece where that is missing, and yields its queries."""
    render = functools.cache(functools.partial(_render, piece, output))
    for condition in conditions:
        sound = condition.soundfont, condition.preset, condition.tempo, condition.expression
        stem = render(*sound)
        audio, firsts = f"audio/{stem}.wav", [0]
        if condition.seconds:
            samples = _sample_count(output / audio, condition)
            room = max(0, samples - round(condition.seconds * SAMPLE_RATE))
            firsts = list(dict.fromkeys(int(place * room) for place in places))
        random = condition.degradation != AS_PLAYED
        for first in firsts:
            yield Entry(
                piece=piece.name,
                condition=condition.name,
                audio=audio,
                truth=f"truth/{stem}.json",
                start_seconds=first / SAMPLE_RATE,
                seconds=condition.seconds,
                seed=(seed, zlib.crc32(piece.name.encode())) if random else (),
            )


def _render(
    piece: Piece, output: Path, soundfont: str, preset: int, tempo: float, expression: int
) -> str:
    """Writes a rendering and its truth; returns the stem of their names."""
    sound = Sound(soundfont, preset, expression)
    performance = performance_name(piece.name, tempo, sound.name)
    seed = performance if expression else ""
    facts = f"{_FORMAT} {Path(soundfont).stat().st_size} {tempo!r}"
    digest = hashlib.sha256(facts.encode() + midi_bytes(piece.music)).hexdigest()
    stem = f"{performance}-{digest[:8]}"
    audio = output / "audio" / f"{stem}.wav"
    if not audio.exists():
        pcm = render_audio(piece.music, sound, tempo, seed)
        with atomic_write(audio) as temporary:
            wavfile.write(temporary, SAMPLE_RATE, pcm)
    json_objects.save(output / "truth" / f"{stem}.json", strikes(piece, tempo, seed))
    return stem


def _sample_count(audio: Path, condition: Condition) -> int:
    """Returns how many samples a recording has under a condition, before it is cut."""
    _, pcm = wavfile.read(audio, mmap=True)
    cents = condition.degradation.tuning_cents
    return len(tune(np.zeros(len(pcm), np.float32), cents) if cents else pcm)
