"""How retrieval suffers from tempo, timing, sound, recording and print: the same pairs in each.

Pieces are played in all ways while the ones before them are embedded. Embeddings are kept piece by
piece, so that a measurement goes on where it was; spectrograms too, which serve every model.
"""

import dataclasses
import hashlib
import itertools
import json
import os
import zipfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from tempo_invariant.config import NO_AUGMENTATION
from tempo_invariant.data.cutting import Source, cut_audio, cut_sheet
from tempo_invariant.data.schema import STRIP_ROWS
from tempo_invariant.errors import UserError, one_line
from tempo_invariant.evaluation import robustness_tables
from tempo_invariant.evaluation.conditions import Condition, Playing, conditions, select
from tempo_invariant.evaluation.retrieval import BATCH_SIZE, ranks_by_direction, retrieval_results
from tempo_invariant.evaluation.robustness_recordings import (
    Piece,
    Recording,
    choose_pairs,
    read_piece,
    record,
)
from tempo_invariant.files import atomic_write
from tempo_invariant.geometry import BANDS, PAPER, REDUCTION
from tempo_invariant.model import pretrained, runs
from tempo_invariant.model.network import multiply_adds, parameters, sheet_encoder


@dataclasses.dataclass(frozen=True)
class Model:
    """What embeds.

    Attributes:
        sheet: model from snippets to embeddings.
        audio: model from excerpts to embeddings.
        frames: of an excerpt.
        key: a name for what is kept of it.
    """

    sheet: keras.Model
    audio: keras.Model
    frames: int
    key: str


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        msmd: MSMD directory whose pieces were built here.
        pieces: names of the pieces.
        soundfonts: .sf2 files; the first is that of all conditions but those of the others.
        candidates: number of pairs, at even spacing; fewer if there are fewer.
        names: conditions or groups of them; all, if empty.
        seed: of what is random in degradations, and of the bootstrap.
        recordings: directory where spectrograms are kept, for any model.
        keep: directory where embeddings are kept.
    """

    msmd: Path
    pieces: Sequence[str]
    soundfonts: Sequence[str]
    candidates: int = 10_000
    names: Sequence[str] = ()
    seed: int = 0
    recordings: Path | None = None
    keep: Path | None = None


def measure(run: str, plan: Plan, weights: str | None = None) -> dict[str, Any]:
    """Measures a trained model under all conditions.

    Args:
        run: the run directory.
        plan: what is measured.
        weights: see `run_directory.weights_path`.

    Returns:
        What was measured and with what, and under `conditions` for each its `name`, its `group`,
        `tempo`, and for both directions `results` (a value with its 95 % interval
        `[value, low, high]` of every metric) and `loss` (of R@1 and MRR, as a share of what they
        are in the clean condition, with its paired interval).

    Raises:
        UserError: run, pieces or a soundfont are missing or damaged.
    """
    # The order of the records, of which every n-th pair is taken.
    names = sorted(set(plan.pieces))
    pieces = [read_piece(Path(plan.msmd) / name) for name in tqdm(names, "scores", unit="piece")]
    pieces = choose_pairs(pieces, plan.candidates)
    inks = list(pieces[0].strips)[1:]
    inks = [ink for ink in inks if all(ink in piece.strips for piece in pieces)]
    wanted = select(conditions(plan.soundfonts, inks, plan.seed), plan.names)
    joint = runs.load_model(run, weights)
    sheet, audio = _embed_all(_model(joint, run, weights), pieces, wanted, plan)
    owners = np.repeat([piece.name for piece in pieces], [len(piece.pairs) for piece in pieces])
    return {
        "run": pretrained.label(run),
        "weights": runs.weights_path(run, weights).name,
        "msmd": str(plan.msmd),
        "soundfont": Path(plan.soundfonts[0]).stem,
        "pairs": len(owners),
        "pieces": len(pieces),
        "seed": plan.seed,
        "parameters": parameters(joint),
        "multiply_adds": multiply_adds(joint),
        "conditions": _results(wanted, sheet, audio, owners, plan.seed),
    }


def _model(joint: keras.Model, run: str, weights: str | None) -> Model:
    projection = joint.get_layer("projection")
    features = joint.get_layer("audio_features").output
    audio = keras.Model(joint.input["audio"], projection(features, view="audio"))
    config = runs.load_experiment(run).model
    digest = hashlib.sha256(json.dumps(config.to_dict(), sort_keys=True).encode())
    digest.update(runs.weights_path(run, weights).read_bytes())
    return Model(sheet_encoder(joint), audio, config.frames, digest.hexdigest()[:16])


def _embed_all(
    model: Model, pieces: Sequence[Piece], wanted: Sequence[Condition], plan: Plan
) -> tuple[dict[str, np.ndarray], dict[Playing, np.ndarray]]:
    """Returns the embeddings of all pairs, [pairs, size], of the sheets by ink and of the audio."""
    playings = list(dict.fromkeys(condition.playing for condition in wanted))
    inks = list(dict.fromkeys(condition.ink for condition in wanted))
    names = {playing: playing.key() for playing in playings}
    parts: dict[Any, list[np.ndarray]] = {key: [] for key in (*inks, *playings)}
    excerpts = len(playings) * sum(len(piece.pairs) for piece in pieces)
    bar = tqdm(total=excerpts, desc="excerpts", unit="excerpt")
    with bar, _Ahead(plan.recordings) as ahead:
        stores = [_Store.open(plan.keep, model, piece) for piece in pieces]
        missing = [[p for p in playings if names[p] not in store.arrays] for store in stores]
        for piece, store, absent, played in zip(
            pieces, stores, missing, ahead.play(pieces, missing), strict=True
        ):
            new = {
                f"ink {ink}": embed_snippets(model.sheet, piece, ink)
                for ink in inks
                if f"ink {ink}" not in store.arrays
            }
            bar.update(len(piece.pairs) * (len(playings) - len(absent)))
            heard = embed_excerpts(model.audio, list(played.values()), model.frames, bar)
            new |= {names[p]: array for p, array in zip(played, heard, strict=True)}
            store.add(new)
            for key in parts:
                name = names[key] if isinstance(key, Playing) else f"ink {key}"
                parts[key].append(store.arrays[name])
    joined = {key: np.concatenate(arrays) for key, arrays in parts.items()}
    return {ink: joined[ink] for ink in inks}, {playing: joined[playing] for playing in playings}


class _Ahead:
    """Plays the next pieces in other threads, as many as there are processor cores.

    Args:
        keep: see `robustness_recordings.record`.
    """

    def __init__(self, keep: Path | None):
        self._keep = keep
        self._workers = os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self._workers)

    def __enter__(self) -> "_Ahead":
        return self

    def __exit__(self, *exception: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def play(
        self, pieces: Sequence[Piece], playings: Sequence[Sequence[Playing]]
    ) -> Iterator[dict[Playing, Recording]]:
        """Yields the recordings of every piece."""
        calls = zip(pieces, playings, strict=True)
        first = itertools.islice(calls, self._workers)
        pending = deque(self._pool.submit(self._play, *call) for call in first)
        while pending:
            result = pending.popleft().result()
            for call in itertools.islice(calls, 1):
                pending.append(self._pool.submit(self._play, *call))
            yield result

    def _play(self, piece: Piece, playings: Sequence[Playing]) -> dict[Playing, Recording]:
        return dict(record(piece, playings, self._keep))


@dataclasses.dataclass
class _Store:
    """The embeddings of one piece by one model: arrays [pairs, size], on disk if `path` is set."""

    path: Path | None
    arrays: dict[str, np.ndarray]

    @classmethod
    def open(cls, keep: Path | None, model: Model, piece: Piece) -> "_Store":
        if not keep:
            return cls(None, {})
        digest = hashlib.sha256(f"{model.key} {piece.key()}".encode())
        for strip in piece.strips.values():
            digest.update(strip.tobytes())
        rows = [(pair.page, pair.head.id, pair.column) for pair in piece.pairs]
        digest.update(np.array(rows).tobytes())
        path = Path(keep) / f"{piece.name}-{digest.hexdigest()[:16]}.npz"
        if not path.exists():
            return cls(path, {})
        try:
            with np.load(path) as arrays:
                return cls(path, dict(arrays))
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            reason = one_line(error)
            raise UserError(f"{path}: damaged; delete it ({reason})") from error

    def add(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.arrays |= arrays
        if self.path and arrays:
            with atomic_write(self.path) as temporary:
                np.savez(temporary, **self.arrays)


def embed_excerpts(
    encoder: keras.Model, recordings: Sequence[Recording], frames: int, bar: Any = None
) -> list[np.ndarray]:
    """Embeds the excerpts of several recordings, cut as for an evaluation, in full batches.

    Args:
        encoder: model from float32 [batch, 92, frames] to [batch, size].
        recordings: spectrograms, and where the pairs are.
        frames: of an excerpt.
        bar: progress, which goes on by the excerpts.

    Returns:
        float32 [pairs, size] of every recording.
    """
    if not recordings:
        return []
    counts = [len(recording.onset_frames) for recording in recordings]
    onsets = np.concatenate([recording.onset_frames for recording in recordings])
    which = np.repeat(np.arange(len(recordings)), counts)
    blank = np.zeros((1, BANDS), np.float16)
    with tf.device("CPU:0"):
        rows = tf.constant(np.concatenate([*(r.spectrogram for r in recordings), blank]))
    lengths = np.array([len(recording.spectrogram) for recording in recordings], np.int32)
    starts = np.cumsum([0, *lengths[:-1]]).astype(np.int32)

    def cut(index: np.ndarray) -> np.ndarray:
        source = Source(rows, tf.constant(starts[which[index]]), tf.constant(lengths[which[index]]))
        onset = tf.constant(onsets[index].astype(np.int32))
        return cut_audio(source, onset, frames, NO_AUGMENTATION, None).numpy()

    result = _predict(encoder, cut, len(onsets), bar)
    return np.split(result, np.cumsum(counts)[:-1])


def embed_snippets(encoder: keras.Model, piece: Piece, ink: str) -> np.ndarray:
    """Embeds the snippets of a piece, cut as for an evaluation.

    Args:
        encoder: model from uint8 [batch, 80, 100] to [batch, size].
        piece: the piece.
        ink: rendering of its pages; empty: the first.

    Returns:
        float32 [pairs, size].
    """
    strip = piece.strips[ink or next(iter(piece.strips))]
    blank = np.full((1, STRIP_ROWS), PAPER, np.uint8)
    with tf.device("CPU:0"):
        rows = tf.constant(np.concatenate([strip, blank]))
    centres = np.floor(piece.columns / REDUCTION + 0.5).astype(np.int32)

    def cut(index: np.ndarray) -> np.ndarray:
        size = len(index)
        source = Source(rows, tf.zeros([size], tf.int32), tf.fill([size], len(strip)))
        return cut_sheet(source, tf.constant(centres[index]), NO_AUGMENTATION, None).numpy()

    return _predict(encoder, cut, len(centres))


def _predict(
    encoder: keras.Model, cut: Callable[[np.ndarray], np.ndarray], count: int, bar: Any = None
) -> np.ndarray:
    """Embeds `count` windows in batches of one size, which leaves a single graph to trace."""
    parts = []
    for first in range(0, count, BATCH_SIZE):
        size = min(BATCH_SIZE, count - first)
        index = np.minimum(np.arange(first, first + BATCH_SIZE), count - 1)
        with tf.device("CPU:0"):
            windows = cut(index)
        parts.append(np.asarray(encoder.predict_on_batch(windows))[:size])
        if bar is not None:
            bar.update(size)
    return np.concatenate(parts)


def _results(
    wanted: Sequence[Condition],
    sheet: Mapping[str, np.ndarray],
    audio: Mapping[Playing, np.ndarray],
    owners: np.ndarray,
    seed: int,
) -> list[dict[str, Any]]:
    """Ranks the pairs under every condition; the first one is the clean one."""
    rows: list[dict[str, Any]] = []
    clean: dict[str, np.ndarray] = {}
    for condition in tqdm(wanted, "ranks", unit="condition"):
        both = np.stack([sheet[condition.ink], audio[condition.playing]], axis=1)
        ranks = ranks_by_direction(both)
        clean = clean or ranks
        row: dict[str, Any] = {"name": condition.name, "group": condition.group}
        row |= {
            "tempo": condition.playing.tempo,
            "results": retrieval_results(ranks, owners, seed),
            "loss": {
                direction: robustness_tables.losses(clean[direction], found, owners, seed)
                for direction, found in ranks.items()
            },
        }
        rows.append(row)
    return rows
