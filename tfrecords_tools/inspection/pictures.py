"""Pictures of random pairs, to judge an alignment by eye."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tempo_invariant.audio.bands import band_of_pitch
from tempo_invariant.files import atomic_write
from tempo_invariant.geometry import BANDS, SNIPPET_HEIGHT, SNIPPET_WIDTH, STRIP_HEIGHT
from tempo_invariant.scores.msmd import read_score
from tempo_invariant.scores.strips import Placement, aligned_placements, cut_snippet, strip
from tfrecords_tools.msmd.layout import Performance, performance_names, read_performance

_NOTE_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")


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
        msmd_dir: Directory in the published layout.
        output: Directory for the picture.
        pieces: Names of the pieces; each pair is of one of them, chosen at random.
        count: Number of pairs.
        seed: Seed for the choice of pairs.
        frames: Length of the excerpts in spectrogram frames.

    Returns:
        The path of the picture.
    """
    random = np.random.RandomState(seed)
    across = min(5, count)
    down = -(-count // across)
    figure = Figure(figsize=(3.2 * across, 5.2 * down))
    axes = figure.subplots(2 * down, across, squeeze=False).reshape(down, 2, across)
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
    return path


def _draw_pair(
    above: Axes, below: Axes, piece_dir: Path, random: np.random.RandomState, frames: int
) -> None:
    """Draws a random pair of a piece; a piece without any leaves its place blank."""
    names = performance_names(piece_dir)
    performance = read_performance(piece_dir, names[random.randint(len(names))])
    score = read_score(piece_dir)
    ink = score.inks[random.randint(len(score.inks))]
    image, placements = strip(score, ink)
    aligned = aligned_placements(placements, performance.name, performance.spectrogram.shape[1])
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


def _draw_snippet(axis: Axes, image: np.ndarray, heads: list[Placement], middle: Placement) -> None:
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
    axis: Axes, performance: Performance, frame: int, pitches: list[int], frames: int
) -> None:
    padded = np.pad(performance.spectrogram, [(0, 0), (frames, frames)])
    first = frame + frames - frames // 2
    axis.imshow(padded[:, first : first + frames], origin="lower", aspect="auto", cmap="magma")
    for ends in ((-0.5, 4), (BANDS - 5, BANDS - 0.5)):
        axis.plot([frames // 2] * 2, ends, color="white", linewidth=1)
    bands = band_of_pitch(np.array(pitches))
    axis.scatter(np.full(len(bands), frames // 2 - 2), bands, s=16, color="cyan", marker=">")
    axis.set_xlim(-0.5, frames - 0.5)
    axis.set_ylim(-0.5, BANDS - 0.5)
