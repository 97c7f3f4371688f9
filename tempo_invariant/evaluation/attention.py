"""Attention and the density of the music: entropy against onsets in the window.

The paper says of its Figure 2 that "attention is sharply peaked when the density of notes in the
audio is high, and conversely it is distributed more evenly when there are fewer notes". If so, the
entropy of the attention falls with the number of onsets in the window.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import scipy.special
import scipy.stats

from tempo_invariant.data.corpus import Corpus, load_corpus
from tempo_invariant.data.pipeline import PairTable
from tempo_invariant.errors import UserError
from tempo_invariant.evaluation import metrics
from tempo_invariant.evaluation.retrieval import BATCH_SIZE, Progress, Selection
from tempo_invariant.geometry import FRAMES_PER_SECOND
from tempo_invariant.model import choices, runs

OUTER_QUANTILES = (0.98, 0.02)
"""Quantiles of the densest and of the sparsest example."""

BINS = 8
RULE = (
    "windows that lie whole in their performance; for quantiles of onsets in the window from "
    f"{OUTER_QUANTILES[0]} to {OUTER_QUANTILES[1]} at even spacing the windows whose number of "
    "onsets is nearest, and one of them by chance, every example from another piece"
)


@dataclass(frozen=True)
class Windows:
    """The audio windows of pairs, and the attention of a model to their frames.

    Attributes:
        dataset: Finite batches of the pairs.
        pairs: Table of the pairs.
        attention: Weights that sum to one, float32 `[pairs, frames]`.
        onsets: Number of distinct onset frames in the window, int64 `[pairs]`.
        whole: Whether the window lies whole in its performance, bool `[pairs]`.
    """

    dataset: Any
    pairs: PairTable
    attention: np.ndarray
    onsets: np.ndarray
    whole: np.ndarray

    @property
    def entropy(self) -> np.ndarray:
        """Entropy of the attention in nats, `[pairs]`; ln(frames) where it is uniform."""
        return _entropy(self.attention)


def _entropy(attention: np.ndarray) -> np.ndarray:
    return scipy.special.entr(attention.astype(np.float64)).sum(axis=1)


def listen(run: str | os.PathLike, selection: Selection, weights: str | None = None) -> Windows:
    """Computes the attention of a run's model to the windows of some pairs.

    Args:
        run: Directory of the run.
        selection: Choice of the pairs.
        weights: Weights of the run, see `tempo_invariant.model.runs.weights_path`.

    Raises:
        UserError: The run, its weights or the data are missing or damaged, or the model has no
            attention.
    """
    experiment, data = runs.load_experiment_and_data(run, selection.data)
    choices.check_attention("run", os.fspath(run), weights)
    model = runs.load_model(run, weights)
    corpus = load_corpus(data, selection.split)
    frames = experiment.model.frames
    dataset, table = selection.read(corpus, frames)
    pathway = keras.Model(model.input["audio"], model.get_layer("attention").output)
    attention = pathway.predict(
        dataset.map(lambda batch: batch["audio"]),
        verbose=0,
        callbacks=[Progress(len(table), selection.split)],
    )
    onsets, whole = count_onsets(corpus, table, frames)
    return Windows(dataset, table, attention, onsets, whole)


def count_onsets(corpus: Corpus, table: PairTable, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts the distinct onset frames in the windows of pairs.

    Args:
        corpus: The split.
        table: Table of the pairs.
        frames: Length of a window in frames; frame frames // 2 is the pair's onset.

    Returns:
        Number of onsets in each window, int64 `[pairs]`, and whether it lies whole in the
        performance, bool `[pairs]`.
    """
    onsets, whole = np.zeros(len(table), np.int64), np.zeros(len(table), bool)
    record_of = {name: record for record, name in enumerate(corpus.performances)}
    for name in np.unique(table.performance):
        record = record_of[str(name)]
        sounding = np.unique(corpus.pair_frame[corpus.pair_record == record])
        mine = table.performance == name
        first = table.onset_frame[mine] - frames // 2
        ends = np.searchsorted(sounding, [first, first + frames])
        onsets[mine] = ends[1] - ends[0]
        whole[mine] = (first >= 0) & (first + frames <= corpus.spectrograms.length[record])
    return onsets, whole


def correlations(
    onsets: np.ndarray, entropy: np.ndarray, pieces: Sequence[str] | np.ndarray, seed: int = 0
) -> dict[str, list[float]]:
    """Correlation of onsets with entropy, with 95 % bootstrap intervals over pieces.

    Args:
        onsets: Number of onsets in each window, `[pairs]`.
        entropy: Entropy of the attention in nats, `[pairs]`.
        pieces: Piece of every pair; whole pieces are drawn, because their pairs are alike.
        seed: Seed for the bootstrap resampling.

    Returns:
        `[value, low, high]` under "pearson" and "spearman".

    Raises:
        UserError: One of the two is the same everywhere.
    """
    for name, values in (("onsets in the window", onsets), ("the entropy", entropy)):
        if not len(values) or np.ptp(values) == 0:
            raise UserError(f"no correlation: {name} do not vary over these {len(values)} windows")
    _, piece = np.unique(np.asarray(pieces), return_inverse=True)
    draws = []
    for draw in metrics.piece_draws(piece.max() + 1, seed):
        chosen = np.repeat(np.arange(len(piece)), draw[piece])
        if np.ptp(onsets[chosen]) and np.ptp(entropy[chosen]):
            draws.append(_both(onsets[chosen], entropy[chosen]))
    found = _both(onsets, entropy)
    return {
        name: [value, *metrics.interval(estimates)]
        for name, value, estimates in zip(
            ("pearson", "spearman"), found, np.array(draws).T, strict=True
        )
    }


def heaviest_frame(attention: np.ndarray) -> tuple[int, np.ndarray]:
    """Finds the place in the window that the attention favours, whatever is heard.

    A model may park weight on one frame, to turn the volume of all others down: the denser the
    music the more. That lowers the entropy without any frame being attended to.

    Args:
        attention: Attention weights, `[windows, frames]`.

    Returns:
        The frame with the largest mean weight; and the attention to the others, brought to a sum
        of one, `[windows, frames - 1]`.
    """
    frame = int(attention.mean(axis=0).argmax())
    rest = np.delete(attention.astype(np.float64), frame, axis=1)
    return frame, rest / np.maximum(rest.sum(axis=1, keepdims=True), np.finfo(float).tiny)


def _both(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    ranks = scipy.stats.rankdata(first), scipy.stats.rankdata(second)
    return float(np.corrcoef(first, second)[0, 1]), float(np.corrcoef(*ranks)[0, 1])


def medians(onsets: np.ndarray, entropy: np.ndarray, bins: int = BINS) -> list[dict[str, Any]]:
    """Returns quartiles of the entropy for ranges of onsets that hold about as many windows each.

    Returns:
        For each range its first and last number of onsets `from` and `to`, its median `onsets`,
        the number of `windows`, and the `entropy` quartiles in nats.
    """
    edges = np.unique(np.quantile(onsets, np.linspace(0, 1, bins + 1)[1:-1], method="lower"))
    group = np.searchsorted(edges, onsets, side="left")
    return [
        {
            "from": int(onsets[mine].min()),
            "to": int(onsets[mine].max()),
            "onsets": float(np.median(onsets[mine])),
            "windows": int(mine.sum()),
            "entropy": np.quantile(entropy[mine], [0.25, 0.5, 0.75]).tolist(),
        }
        for mine in (group == index for index in np.unique(group))
    ]


def choose(windows: Windows, count: int, seed: int = 0) -> np.ndarray:
    """Chooses examples from dense to sparse music by `RULE`.

    Args:
        windows: Windows to choose from.
        count: Number of examples.
        seed: Seed for the choice among windows with equally many onsets.

    Returns:
        int64 `[count]`, rows of `windows`, the densest first.

    Raises:
        UserError: There are fewer pieces with whole windows than examples.
    """
    free = windows.whole.copy()
    pieces = len(np.unique(windows.pairs.piece[free]))
    if pieces < count:
        raise UserError(
            f"count={count}: only {pieces} pieces are as long as the window of the model"
        )
    generator = np.random.default_rng(seed)
    targets = np.quantile(windows.onsets[free], np.linspace(*OUTER_QUANTILES, count))
    chosen = []
    for target in targets:
        distance = np.where(free, np.abs(windows.onsets - target), np.inf)
        row = generator.choice(np.flatnonzero(distance == distance.min()))
        chosen.append(row)
        free &= windows.pairs.piece != windows.pairs.piece[row]
    return np.array(sorted(chosen, key=lambda row: -windows.onsets[row]))


def excerpts(windows: Windows, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cuts the pairs of some rows.

    Returns:
        Snippets uint8 `[rows, 80, 100]` and spectrograms float32 `[rows, 92, frames]`.
    """
    sheets, spectrograms = {}, {}
    for number, batch in enumerate(windows.dataset.as_numpy_iterator()):
        first = number * BATCH_SIZE
        for row in rows[(rows >= first) & (rows < first + len(batch["sheet"]))]:
            sheets[row] = batch["sheet"][row - first]
            spectrograms[row] = batch["audio"][row - first]
    return np.stack([sheets[row] for row in rows]), np.stack([spectrograms[row] for row in rows])


def report(
    windows: Windows, rows: np.ndarray, source: dict[str, Any], seed: int = 0
) -> dict[str, Any]:
    """Returns what was found, for JSON.

    Args:
        windows: Windows that were measured.
        rows: Rows of the examples that are drawn.
        source: Origin of the windows, which stands first in the report.
        seed: Seed for the bootstrap resampling; that for the choice of the examples too.
    """
    entropy, onsets, whole = windows.entropy, windows.onsets, windows.whole
    pieces = windows.pairs.piece
    frames = windows.attention.shape[1]
    inside = correlations(onsets[whole], entropy[whole], pieces[whole], seed)
    return {
        **source,
        "pairs": len(pieces),
        "pieces": len(set(pieces)),
        "frames": frames,
        "seconds": frames / FRAMES_PER_SECOND,
        "seed": seed,
        "onsets": [int(x) for x in np.quantile(onsets, [0, 0.5, 1])],
        "entropy_nats": np.quantile(entropy, [0, 0.5, 1]).tolist(),
        "uniform_nats": float(np.log(frames)),
        "correlation": correlations(onsets, entropy, pieces, seed),
        "whole_windows": int(whole.sum()),
        "correlation_of_whole_windows": inside,
        "first_and_last_frame": metrics.share(
            windows.attention[:, [0, -1]].sum(axis=1), pieces, seed
        ),
        "heaviest_frame": _without_heaviest(windows, seed),
        "by_onsets": medians(onsets, entropy),
        "rule": RULE,
        "examples": [_example(windows, row) for row in rows],
    }


def _without_heaviest(windows: Windows, seed: int) -> dict[str, Any]:
    frame, rest = heaviest_frame(windows.attention)
    centre = windows.attention.shape[1] // 2
    found = correlations(windows.onsets, _entropy(rest), windows.pairs.piece, seed)
    return {
        "seconds_from_centre": (frame - centre) / FRAMES_PER_SECOND,
        "mean_weight": float(windows.attention[:, frame].mean()),
        "correlation_without_it": found,
    }


def _example(windows: Windows, row: int) -> dict[str, Any]:
    return {
        "piece": str(windows.pairs.piece[row]),
        "onset_frame": int(windows.pairs.onset_frame[row]),
        "onsets": int(windows.onsets[row]),
        "entropy_nats": float(windows.entropy[row]),
        "largest_weight": float(windows.attention[row].max()),
    }


def summary(found: dict[str, Any]) -> str:
    """Returns the report as lines for the screen."""
    low, middle, high = found["entropy_nats"]
    heaviest = found["heaviest_frame"]
    return "\n".join(
        [
            f"{found['run']}: {found['pairs']:,d} windows of {found['seconds']:g} s, "
            f"{found['pieces']} pieces; entropy {middle:.2f} nats [{low:.2f} to {high:.2f}], "
            f"uniform attention has {found['uniform_nats']:.2f}",
            f"onsets and entropy: {_words(found['correlation'])}",
            f"of the {found['whole_windows']:,d} windows within their performance: "
            f"{_words(found['correlation_of_whole_windows'])}",
            f"the frame at {heaviest['seconds_from_centre']:+.2f} s has "
            f"{100 * heaviest['mean_weight']:.0f} % of the weight on average; without it: "
            f"{_words(heaviest['correlation_without_it'])}",
            f"the first and the last frame have {metrics.percent(found['first_and_last_frame'])} % "
            f"of the weight on average, uniform attention gives them {200 / found['frames']:.1f} %",
        ]
    )


def _words(found: dict[str, list[float]]) -> str:
    return ", ".join(
        f"{kind.capitalize()} {value:.3f} [{low:.3f}, {high:.3f}]"
        for kind, (value, low, high) in found.items()
    )
