"""Alignment of an MSMD directory, as numbers and as pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tempo_invariant.errors import UserError
from tempo_invariant.files import atomic_write
from tempo_invariant.geometry import (
    BANDS,
    FRAMES_PER_SECOND,
    SNIPPET_HEIGHT,
    SNIPPET_WIDTH,
    STRIP_HEIGHT,
)
from tfrecords_tools.cutting import cut_snippet
from tfrecords_tools.msmd import (
    Performance,
    Placement,
    list_pieces,
    performance_names,
    read_performance,
    read_score,
    strip,
)
from tfrecords_tools.pairs import aligned_placements

_NOTE_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")


@dataclass(frozen=True)
class PieceCounts:
    """Counts of one piece; notes and what is aligned are those of its first performance."""

    pages: int
    systems: int
    heads: int
    playable_heads: int
    played_heads: int
    notes: int
    shown_notes: int
    pairs: int
    seconds: float

    @property
    def shown(self) -> float:
        """Share of the notes that a note head shows."""
        return self.shown_notes / max(self.notes, 1)

    @property
    def played(self) -> float:
        """Share of the playable note heads that a note plays."""
        return self.played_heads / max(self.playable_heads, 1)


@dataclass
class Inspection:
    """Counts by piece, and a line for each piece that can't be read."""

    pieces: dict[str, PieceCounts] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def table(self, worst: int = 10) -> str:
        """Returns the totals and the `worst` aligned pieces for the screen."""
        form = "{:<44}{:>6}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}"
        head = ("piece", "pages", "systems", "heads", "played", "notes", "shown", "pairs", "min")
        lines = [form.format(*head)]

        def row(name: str, pieces: Sequence[PieceCounts]) -> str:
            def total(key: str) -> int:
                return sum(getattr(piece, key) for piece in pieces)

            played = total("played_heads") / max(total("playable_heads"), 1)
            shown = total("shown_notes") / max(total("notes"), 1)
            return form.format(
                *(name[-43:], total("pages"), total("systems"), total("heads")),
                *(f"{played:.1%}", total("notes"), f"{shown:.1%}", total("pairs")),
                f"{total('seconds') / 60:.1f}",
            )

        ordered = sorted(self.pieces.items(), key=lambda i: min(i[1].shown, i[1].played))
        lines += [row(name, [counts]) for name, counts in ordered[:worst]]
        lines.append(row(f"all {len(self.pieces)} pieces", list(self.pieces.values())))
        return "\n".join(lines + [f"unusable: {problem}" for problem in self.problems])


def inspect_msmd(msmd_dir: str | Path, pieces: Sequence[str] = ()) -> Inspection:
    """Counts pages, note heads and notes and how many of them are aligned.

    Raises:
        UserError: the directory or one of `pieces` isn't there, or no piece can be read.
    """
    present = list_pieces(msmd_dir)
    unknown = sorted(set(pieces) - set(present))
    if unknown:
        raise UserError(f"{msmd_dir}: holds no piece {unknown[0]!r}")
    report = Inspection()
    for piece in tqdm(sorted(pieces) or present, unit="piece"):
        try:
            report.pieces[piece] = _count(Path(msmd_dir) / piece)
        except UserError as error:
            report.problems.append(str(error))
    if not report.pieces:
        raise UserError(report.problems[0])
    return report


def _count(piece_dir: Path) -> PieceCounts:
    score = read_score(piece_dir)
    names = performance_names(piece_dir)
    if not names:
        raise UserError(f"{piece_dir}: has no performance")
    performance = read_performance(piece_dir, names[0])
    _, placements = strip(score, score.inks[0])
    playable = [placement for placement in placements if not placement.head.tied]
    played = [p.head.onsets[names[0]] for p in playable if names[0] in p.head.onsets]
    return PieceCounts(
        pages=len(score.pages),
        systems=sum(len(page.systems) for page in score.pages),
        heads=sum(len(page.note_heads) for page in score.pages),
        playable_heads=len(playable),
        played_heads=len(played),
        notes=len(performance.notes),
        shown_notes=len({onset.event for onset in played if onset.event >= 0}),
        pairs=len(aligned_placements(performance, placements)),
        seconds=performance.spectrogram.shape[1] / FRAMES_PER_SECOND,
    )


def note_name(pitch: int) -> str:
    """Returns the name of a MIDI pitch, such as C4 for 60."""
    return f"{_NOTE_NAMES[pitch % 12]}{pitch // 12 - 1}"


def draw_pairs(
    msmd_dir: str | Path,
    output: str | Path,
    pieces: Sequence[str],
    count: int = 20,
    seed: int = 0,
    frames: int = 84,
) -> Path:
    """Draws random pairs on one page, `pairs.png`: snippet above, excerpt below.

    Args:
        msmd_dir: directory in the published layout.
        output: directory for the picture.
        pieces: from which to draw; each of the pairs from one of them, chosen at random.
        count: number of pairs.
        seed: of the choice.
        frames: length of the excerpts.

    Returns:
        The path of the picture.
    """
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    random = np.random.RandomState(seed)
    across = min(5, count)
    down = -(-count // across)
    figure, axes = pyplot.subplots(2 * down, across, figsize=(3.2 * across, 5.2 * down))
    axes = np.reshape(axes, (down, 2, across))
    for axis in axes.flat:
        axis.set_axis_off()
    for index in range(count):
        piece_dir = Path(msmd_dir) / pieces[random.randint(len(pieces))]
        row, column = divmod(index, across)
        _draw_pair(axes[row, 0, column], axes[row, 1, column], piece_dir, random, frames)
    figure.tight_layout()
    path = Path(output) / "pairs.png"
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=80)
    pyplot.close(figure)
    return path


def _draw_pair(above, below, piece_dir: Path, random: np.random.RandomState, frames: int) -> None:
    """Draws a random pair of a piece; a piece without any leaves its place blank."""
    names = performance_names(piece_dir)
    performance = read_performance(piece_dir, names[random.randint(len(names))])
    score = read_score(piece_dir)
    ink = score.inks[random.randint(len(score.inks))]
    image, placements = strip(score, ink)
    aligned = aligned_placements(performance, placements)
    if not aligned:
        return
    frame = list(aligned)[random.randint(len(aligned))]
    heads = aligned[frame]
    middle = heads[(len(heads) - 1) // 2]
    _draw_snippet(above, image, heads, middle)
    pitches = sorted({placement.head.pitch for placement in heads})
    _draw_excerpt(below, performance, frame, pitches, frames)
    above.set_title(f"{piece_dir.name[-34:]}\npage {middle.page}, {ink}", fontsize=7)
    named = " ".join(note_name(pitch) for pitch in pitches)
    below.set_title(f"{performance.name.split('_tempo-')[-1]}, frame {frame}: {named}", fontsize=7)


def _draw_snippet(axis, image: np.ndarray, heads: list[Placement], middle: Placement) -> None:
    axis.imshow(cut_snippet(image, middle.column), cmap="gray", vmin=0, vmax=255)
    top = (STRIP_HEIGHT - SNIPPET_HEIGHT) // 2
    left = np.floor(middle.column + 0.5) - SNIPPET_WIDTH // 2
    columns = [placement.column - left for placement in heads]
    rows = [placement.row - top for placement in heads]
    axis.scatter(columns, rows, s=60, facecolors="none", edgecolors="red", linewidths=0.8)
    for ends in ((-0.5, 8), (SNIPPET_HEIGHT - 8, SNIPPET_HEIGHT - 0.5)):
        axis.plot([SNIPPET_WIDTH / 2] * 2, ends, color="red", linewidth=1)
    axis.set_xlim(-0.5, SNIPPET_WIDTH - 0.5)
    axis.set_ylim(SNIPPET_HEIGHT - 0.5, -0.5)


def _draw_excerpt(
    axis, performance: Performance, frame: int, pitches: list[int], frames: int
) -> None:
    from tempo_invariant.audio import band_of_pitch

    padded = np.pad(performance.spectrogram, [(0, 0), (frames, frames)])
    first = frame + frames - frames // 2
    axis.imshow(padded[:, first : first + frames], origin="lower", aspect="auto", cmap="magma")
    for ends in ((-0.5, 4), (BANDS - 5, BANDS - 0.5)):
        axis.plot([frames // 2] * 2, ends, color="white", linewidth=1)
    bands = band_of_pitch(np.array(pitches))
    axis.scatter(np.full(len(bands), frames // 2 - 2), bands, s=16, color="cyan", marker=">")
    axis.set_xlim(-0.5, frames - 0.5)
    axis.set_ylim(-0.5, BANDS - 0.5)
