"""Retrieval on a split of the records: ranks in both directions, with intervals over pieces."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tempo_invariant import progress
from tempo_invariant.data import pipeline, schema
from tempo_invariant.data.corpus import Corpus, load_corpus
from tempo_invariant.evaluation import metrics
from tempo_invariant.files import sha256
from tempo_invariant.geometry import FRAMES_PER_SECOND
from tempo_invariant.model import runs
from tempo_invariant.model.network import multiply_adds, parameters, size_line

BATCH_SIZE = 100
DIRECTIONS = {"audio to sheet": (1, 0), "sheet to audio": (0, 1)}
"""Which of the joint output's two embeddings is the query and which the candidate."""

PLACES = ("right", "repetition", "beside", "same system", "same piece", "other piece")
"""Where the first candidate can be: at the query's onset, where its piece sounds the same, at the
onset before or after it (among those that are ranked), elsewhere in its system or in its piece, or
in another piece."""

SAME_SOUND = 0.95
"""Cosine similarity from which on two spectrograms sound the same. Of the places that `best` took
for another in the piece, on the test split, it tells those with the same notes from the others by
a recall of 89 % and a precision of 86 %."""

SAME_SOUND_SECONDS = 1.0
"""To either side of the onsets: about as much as a snippet shows."""

HARDEST = 3
"""Number of pieces of lowest R@1 that are named below the table."""


class Progress(keras.callbacks.Callback):
    """Shows the progress of `predict` in pairs a second.

    Args:
        pairs: Number of pairs.
        label: Text before the progress bar.
    """

    def __init__(self, pairs: int, label: str):
        super().__init__()
        self.pairs = pairs
        self.bar = progress.track(text=label, total=pairs, keep=False)

    def on_predict_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.bar.update(min(BATCH_SIZE, self.pairs - self.bar.n))

    def on_predict_end(self, logs: dict | None = None) -> None:
        self.bar.close()


def validation_metrics(
    model: keras.Model, dataset: Any, pairs: int, label: str
) -> dict[str, float]:
    """Ranks pairs, audio to sheet, by which post-processing of a model is chosen.

    Args:
        model: Model, as `tempo_invariant.model.network.build_model` makes it.
        dataset: Finite batches of pairs.
        pairs: Number of pairs, for the progress bar.
        label: Text before the progress bar.

    Returns:
        As `metrics.retrieval_metrics`.
    """
    embeddings = model.predict(dataset, verbose=0, callbacks=[Progress(pairs, label)])
    return metrics.retrieval_metrics(embeddings[:, 1], embeddings[:, 0])


@dataclass(frozen=True)
class Selection:
    """Choice of the pairs that a model is tried on.

    Attributes:
        data: Directory of records; None stands for those that the run was trained on.
        split: "test", "valid" or "train".
        candidates: Number of pairs, taken at even spacing; fewer if the split has fewer.
        soundfont: Soundfont of the performances; None stands for the first by name.
        tempo: Tempo of the performances relative to the notated one.
        late_frames: Number of frames by which the excerpts are late; negative: early.
        future: Share of the second half of the excerpts that is heard; the rest is silent.
    """

    data: str | os.PathLike | None = None
    split: str = "test"
    candidates: int = 10_000
    soundfont: str | None = None
    tempo: float = 1.0
    late_frames: int = 0
    future: float = 1.0

    def read(self, corpus: Corpus, frames: int) -> tuple[tf.data.Dataset, pipeline.PairTable]:
        """Returns the pairs of a split, with excerpts of some frames, and their table."""
        return pipeline.eval_dataset(
            corpus,
            BATCH_SIZE,
            frames,
            self.candidates,
            self.soundfont,
            self.tempo,
            self.late_frames,
            self.future,
        )

    @property
    def entire(self) -> "Selection":
        """The same pairs, with excerpts that are cut where they should be and wholly heard."""
        return dataclasses.replace(self, late_frames=0, future=1.0)


def evaluate(
    run: str | os.PathLike,
    selection: Selection | None = None,
    weights: str | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Ranks pairs with the model of a run.

    Args:
        run: Directory of the run.
        selection: Choice of the pairs; None stands for 10,000 of the test split.
        weights: Weights of the run, see `tempo_invariant.model.runs.weights_path`.
        seed: Seed for the bootstrap resampling.

    Returns:
        The choice, the model's trainable `parameters` and its `multiply_adds` for a pair, and what
        `retrieval_results`, `first_places` and `piece_results` return.

    Raises:
        UserError: The run, its weights or the data are missing or damaged.
    """
    selection = selection or Selection()
    experiment, data = runs.load_experiment_and_data(run, selection.data)
    chosen, model = runs.weights_path(run, weights), runs.load_model(run, weights)
    corpus = load_corpus(data, selection.split)
    dataset, pairs = selection.read(corpus, experiment.model.frames)
    entire, _ = selection.entire.read(corpus, experiment.model.frames)
    shown = [Progress(len(pairs), selection.split)]
    embeddings = model.predict(dataset, verbose=0, callbacks=shown)
    return {
        "run": str(run),
        "weights": chosen.name,
        "weights_sha256": sha256(chosen),
        "data": str(data),
        "split": selection.split,
        "soundfont": selection.soundfont,
        "tempo": selection.tempo,
        "late_frames": selection.late_frames,
        "future": selection.future,
        "seed": seed,
        "parameters": parameters(model),
        "multiply_adds": multiply_adds(model),
    } | _results(embeddings, pairs, onset_sounds(entire), seed)


def _results(
    embeddings: np.ndarray, pairs: pipeline.PairTable, sounds: np.ndarray, seed: int
) -> dict[str, Any]:
    ranks, pieces = ranks_by_direction(embeddings), list(pairs.piece)
    return {
        "pairs": len(pieces),
        "pieces": len(set(pieces)),
        "results": retrieval_results(ranks, pieces, seed),
        "first": first_places(embeddings, ranks, pairs, sounds),
        "piece_results": piece_results(ranks, pieces),
    }


def ranks_by_direction(embeddings: np.ndarray) -> dict[str, np.ndarray]:
    """Returns ranks int64 `[pairs]` in both directions of embeddings `[pairs, 2, size]`."""
    return {
        direction: metrics.ranks(embeddings[:, query], embeddings[:, candidate])
        for direction, (query, candidate) in DIRECTIONS.items()
    }


def retrieval_results(
    ranks: Mapping[str, np.ndarray], pieces: Sequence[str] | np.ndarray, seed: int = 0
) -> dict[str, dict[str, list[float]]]:
    """Returns the metrics of both directions with their 95 % bootstrap intervals over pieces.

    Args:
        ranks: Ranks, as `ranks_by_direction` gives them.
        pieces: Piece of every pair.
        seed: Seed for the bootstrap resampling.

    Returns:
        `{direction: {metric: [value, low, high]}}`, R@k from 0 to 1.
    """
    results = {}
    for direction, found in ranks.items():
        intervals = metrics.bootstrap_intervals(found, pieces, seed)
        results[direction] = {
            name: [value, *intervals[name]] for name, value in metrics.summary(found).items()
        }
    return results


def piece_results(
    ranks: Mapping[str, np.ndarray], pieces: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Returns `{piece: {"pairs": count, direction: {"r@1", "mrr"}}}`, ranked among all pieces."""
    names = np.array(pieces)
    results = {}
    for piece in dict.fromkeys(pieces):
        mine = names == piece
        results[piece] = {"pairs": int(mine.sum())} | {
            direction: {name: metrics.summary(found[mine])[name] for name in ("r@1", "mrr")}
            for direction, found in ranks.items()
        }
    return results


def onset_sounds(dataset: Any) -> np.ndarray:
    """Returns what is heard around the onsets; the inner product is a similarity from 0 to 1.

    Args:
        dataset: Finite batches of pairs.

    Returns:
        float32 `[pairs, values]` of unit length: spectrograms of `SAME_SOUND_SECONDS` to either
        side, or of whole excerpts if these are shorter.
    """
    sounds = []
    for batch in dataset.as_numpy_iterator():
        audio = batch["audio"]
        onset = audio.shape[-1] // 2
        reach = min(onset, round(SAME_SOUND_SECONDS * FRAMES_PER_SECOND))
        middle = audio[:, :, onset - reach : onset + reach].reshape(len(audio), -1)
        length = np.linalg.norm(middle, axis=1, keepdims=True)
        sounds.append(middle / np.maximum(length, np.finfo(np.float32).tiny))
    return np.concatenate(sounds)


def first_places(
    embeddings: np.ndarray,
    ranks: Mapping[str, np.ndarray],
    pairs: pipeline.PairTable,
    sounds: np.ndarray,
) -> dict[str, dict[str, float]]:
    """Returns where the first candidates are, as shares of the queries.

    Args:
        embeddings: Embeddings of sheet and audio, `[pairs, 2, size]`.
        ranks: Ranks of the pairs, as `ranks_by_direction` gives them.
        pairs: Table of the pairs, those of a piece together and in order.
        sounds: Sounds of the pairs, as `onset_sounds` gives them.

    Returns:
        `{direction: {place: share}}`; the shares of the `PLACES` sum to one.
    """
    index = np.arange(len(pairs))
    found = {}
    for direction, (query, candidate) in DIRECTIONS.items():
        other = metrics.nearest_others(embeddings[:, query], embeddings[:, candidate])
        piece, page, system = (
            of_pair[other] == of_pair for of_pair in (pairs.piece, pairs.page, pairs.system)
        )
        same = np.sum(sounds * sounds[other], axis=1) >= SAME_SOUND
        beside = abs(other - index) == 1
        right = ranks[direction] == 1
        conditions = [right, piece & same, piece & beside, piece & page & system, piece]
        place = np.select(conditions, range(len(conditions)), len(conditions))
        counts = np.bincount(place, minlength=len(PLACES))
        found[direction] = dict(zip(PLACES, (counts / len(index)).tolist(), strict=True))
    return found


def table(report: dict[str, Any]) -> str:
    """Returns the results as a table for the screen, R@k in per cent, intervals in brackets.

    Below it stand for each direction the places of the first candidates, in per cent, and the
    hardest pieces.
    """
    title = (
        f"{report['run']} ({report['weights']}) on {report['data']}, {report['split']}: "
        f"{report['pairs']:,d} pairs of {report['pieces']} pieces, "
        f"soundfont {report['soundfont'] or 'first'}, tempo {report['tempo']:g}{timing(report)}; "
        f"{size_line(report['parameters'], report['multiply_adds'])}"
    )
    rows = [["", *metrics.COLUMNS.values()]]
    for direction, values in report["results"].items():
        rows.append([direction, *(metrics.cell(name, values[name]) for name in metrics.COLUMNS)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    for direction, shares in report["first"].items():
        places = ", ".join(f"{place} {100 * shares[place]:.1f}" for place in PLACES)
        lines.append(f"first {direction}: {places}")
    for direction in report["results"]:
        found = {piece: row[direction]["r@1"] for piece, row in report["piece_results"].items()}
        hardest = sorted(found, key=found.__getitem__)[:HARDEST]
        named = ", ".join(f"{piece} {100 * found[piece]:.1f}" for piece in hardest)
        lines.append(f"hardest {direction}, R@1: {named}")
    return "\n".join([title, *lines])


def timing(report: dict[str, Any]) -> str:
    """Says how excerpts are cut, if not as they should be, as in all older reports."""
    late, future = report.get("late_frames", 0), report.get("future", 1.0)
    late_text = f", audio {abs(late)} frames {'late' if late > 0 else 'early'}" if late else ""
    return late_text + (f", {100 * future:g} % of the future heard" if future < 1 else "")


def default_output(report: dict[str, Any], data: str | None = None) -> Path:
    """Returns where a report is kept in the run directory, under a name of its own.

    Args:
        report: Report, as `evaluate` returns it.
        data: Directories of records, where these are others than the run's own.
    """
    names = [Path(directory).name for directory in schema.directories(data)] if data else []
    parts = ["evaluation", *names, report["split"], report["soundfont"], str(report["pairs"])]
    if report["tempo"] != 1:
        parts.append(f"tempo-{round(1000 * report['tempo'])}")
    if report["late_frames"]:
        parts.append(f"late{report['late_frames']:+d}")
    if report["future"] < 1:
        parts.append(f"future-{round(1000 * report['future'])}")
    return Path(report["run"]) / ("-".join(part for part in parts if part) + ".json")
