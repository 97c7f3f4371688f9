"""Retrieval of the same pairs at other tempi, in other sound, recordings and print.

Recordings are read and degraded while the ones before them are embedded. Embeddings are kept piece
by piece, so that a measurement goes on where it was.
"""

import dataclasses
import hashlib
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tempo_invariant import progress
from tempo_invariant.data.cutting import RowSource, cut_audio, cut_sheet
from tempo_invariant.data.schema import STRIP_ROWS
from tempo_invariant.errors import UserError, one_line
from tempo_invariant.evaluation import robustness_tables
from tempo_invariant.evaluation.conditions import CLEAN, WORN, Condition
from tempo_invariant.evaluation.pairs import Piece, PlayedPiece, choose_pairs, listen, read_piece
from tempo_invariant.evaluation.query_sets import Query, ahead, by_condition
from tempo_invariant.evaluation.retrieval import BATCH_SIZE, ranks_by_direction, retrieval_results
from tempo_invariant.files import atomic_write
from tempo_invariant.geometry import BANDS, PAPER, REDUCTION
from tempo_invariant.model import pretrained, runs
from tempo_invariant.model.network import multiply_adds, parameters, sheet_encoder
from tempo_invariant.scores import msmd
from tempo_invariant.variations import NO_AUGMENTATION


@dataclasses.dataclass(frozen=True)
class Model:
    """The two halves of a trained model.

    Attributes:
        sheet: Model from snippets to embeddings.
        audio: Model from excerpts to embeddings.
        frames: Length of an excerpt in frames.
        key: Name for what is kept of it.
    """

    sheet: keras.Model
    audio: keras.Model
    frames: int
    key: str


def shared_inks(msmd_dir: str | Path, pieces: Iterable[str]) -> list[str]:
    """Returns the inks that all pieces of an MSMD directory are drawn in, but for the first."""
    inks = [msmd.read_score(Path(msmd_dir) / name).inks[1:] for name in sorted(set(pieces))]
    return [ink for ink in inks[0] if all(ink in others for others in inks)]


def measure(
    run: str,
    msmd_dir: str | Path,
    queries: Iterable[Query],
    weights: str | None = None,
    candidates: int = 10_000,
    seed: int = 0,
    keep: str | Path | None = None,
) -> dict[str, Any]:
    """Measures a trained model under all conditions.

    Args:
        run: Directory of the run.
        msmd_dir: MSMD directory with the scores of the pieces.
        queries: Whole recordings of every piece under every condition, the clean one among them.
        weights: Weights, see `runs.weights_path`.
        candidates: Number of pairs, at even spacing; fewer if there are fewer.
        seed: Seed for the bootstrap resampling.
        keep: Directory where embeddings are kept, to go on from.

    Returns:
        Model, pieces and settings, and for each of the `conditions` its `name`, `group`, `tempo`,
        `results` and `loss`, see `retrieval_results` and `robustness_tables.losses`.

    Raises:
        UserError: The run, pieces or recordings are missing or damaged.
    """
    wanted, recordings = _arrange(queries)
    staves = runs.load_experiment(run).model.staves
    worn = any(condition.ink == WORN for condition in wanted)
    read = _read_pieces(Path(msmd_dir), recordings[0], staves, worn)
    pieces = choose_pairs(read, candidates)
    joint, model = _load(run, weights)
    sheet, audio = _embed_all(model, pieces, wanted, recordings, Path(keep) if keep else None)
    return {
        "run": pretrained.label(run),
        "weights": runs.weights_path(run, weights).name,
        "msmd": str(msmd_dir),
        "soundfont": Path(wanted[0].soundfont).stem,
        "seed": seed,
        "parameters": parameters(joint),
        "multiply_adds": multiply_adds(joint),
    } | _results(wanted, sheet, audio, pieces, seed)


def _read_pieces(
    msmd_dir: Path, clean: Mapping[str, Query], staves: str, worn: bool
) -> list[Piece]:
    """Reads pieces in the order of the records, of which every n-th pair is taken."""
    named = progress.track(sorted(clean.items()), "scores")
    return [read_piece(msmd_dir, query, staves, worn) for _, query in named]


def _arrange(queries: Iterable[Query]) -> tuple[list[Condition], list[dict[str, Query]]]:
    """Returns the conditions, the clean one first, and for each its recordings by piece."""
    found = by_condition(queries)
    wanted = sorted(found, key=lambda condition: condition.name != CLEAN)
    if wanted[0].name != CLEAN:
        raise UserError(f"the query set has no condition {CLEAN!r}, which others are compared with")
    recordings = [{query.piece: query for query in found[condition]} for condition in wanted]
    for condition, of_pieces in zip(wanted, recordings, strict=True):
        if len(found[condition]) != len(of_pieces) or of_pieces.keys() != recordings[0].keys():
            raise UserError(f"{condition.name}: must have one recording of every piece")
        if any(query.entry.start_seconds or query.entry.seconds for query in of_pieces.values()):
            raise UserError(f"{condition.name}: must have whole recordings")
    return wanted, recordings


def _load(run: str, weights: str | None) -> tuple[keras.Model, Model]:
    """Returns the model of a run, whole and in halves."""
    joint = runs.load_model(run, weights)
    projection = joint.get_layer("projection")
    features = joint.get_layer("audio_features").output
    audio = keras.Model(joint.input["audio"], projection(features, view="audio"))
    config = runs.load_experiment(run).model
    digest = hashlib.sha256(json.dumps(dataclasses.asdict(config), sort_keys=True).encode())
    digest.update(runs.weights_path(run, weights).read_bytes())
    halves = Model(sheet_encoder(joint), audio, config.frames, digest.hexdigest()[:16])
    return joint, halves


def _embed_all(
    model: Model,
    pieces: Sequence[Piece],
    wanted: Sequence[Condition],
    recordings: Sequence[Mapping[str, Query]],
    keep: Path | None,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Returns the embeddings of all pairs under each condition, [pairs, size], sheet and audio."""
    parts: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in wanted]
    bar = progress.track(text="pairs", total=sum(len(piece.pairs) for piece in pieces))

    def prepare(piece: Piece) -> tuple[_Store, list[str], dict[str, PlayedPiece]]:
        """Reads what is kept of a piece, and listens to what is not."""
        store = _Store.open(keep, model, piece)
        queries = [of_pieces[piece.name] for of_pieces in recordings]
        keys = [query.key() for query in queries]
        missing = {k: q for k, q in zip(keys, queries, strict=True) if k not in store.arrays}
        return store, keys, {key: listen(piece, query) for key, query in missing.items()}

    with bar:
        for piece, (store, keys, heard) in zip(pieces, ahead(prepare, pieces), strict=True):
            new = {
                f"ink {ink}": embed_snippets(model.sheet, piece, ink)
                for ink in dict.fromkeys(condition.ink for condition in wanted)
                if f"ink {ink}" not in store.arrays
            }
            made = embed_excerpts(model.audio, list(heard.values()), model.frames)
            new |= dict(zip(heard, made, strict=True))
            store.add(new)
            for part, condition, key in zip(parts, wanted, keys, strict=True):
                part.append((store.arrays[f"ink {condition.ink}"], store.arrays[key]))
            bar.update(len(piece.pairs))
    both = [[np.concatenate(arrays) for arrays in zip(*part, strict=True)] for part in parts]
    return [sheet for sheet, _ in both], [audio for _, audio in both]


@dataclasses.dataclass
class _Store:
    """The embeddings of one piece by one model: arrays [pairs, size], on disk if `path` is set."""

    path: Path | None
    arrays: dict[str, np.ndarray]

    @classmethod
    def open(cls, keep: Path | None, model: Model, piece: Piece) -> "_Store":
        if not keep:
            return cls(None, {})
        digest = hashlib.sha256(f"{model.key} {piece.name}".encode())
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
            raise UserError(f"{path}: damaged; delete it ({one_line(error)})") from error

    def add(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.arrays |= arrays
        if self.path and arrays:
            with atomic_write(self.path) as temporary:
                np.savez(temporary, **self.arrays)


def embed_excerpts(
    encoder: keras.Model, recordings: Sequence[PlayedPiece], frames: int
) -> list[np.ndarray]:
    """Embeds the excerpts of several recordings, cut as for an evaluation, in full batches.

    Args:
        encoder: Model from float32 [batch, 92, frames] to [batch, size].
        recordings: Spectrograms, and where the pairs are.
        frames: Length of an excerpt in frames.

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
        source = RowSource(
            rows, tf.constant(starts[which[index]]), tf.constant(lengths[which[index]])
        )
        onset = tf.constant(onsets[index].astype(np.int32))
        return cut_audio(source, onset, frames, NO_AUGMENTATION, None).numpy()

    result = _predict(encoder, cut, len(onsets))
    return np.split(result, np.cumsum(counts)[:-1])


def embed_snippets(encoder: keras.Model, piece: Piece, ink: str) -> np.ndarray:
    """Embeds the snippets of a piece, cut as for an evaluation.

    Args:
        encoder: Model from uint8 [batch, 80, 100] to [batch, size].
        piece: The piece.
        ink: Rendering of its pages; empty for the first one.

    Returns:
        float32 [pairs, size].

    Raises:
        UserError: The piece is not drawn in this ink.
    """
    if ink and ink not in piece.strips:
        raise UserError(f"{piece.name}: is not drawn in the ink {ink!r}")
    strip = piece.strips[ink or next(iter(piece.strips))]
    blank = np.full((1, STRIP_ROWS), PAPER, np.uint8)
    with tf.device("CPU:0"):
        rows = tf.constant(np.concatenate([strip, blank]))
    centres = np.floor(piece.columns / REDUCTION + 0.5).astype(np.int32)

    def cut(index: np.ndarray) -> np.ndarray:
        size = len(index)
        source = RowSource(rows, tf.zeros([size], tf.int32), tf.fill([size], len(strip)))
        return cut_sheet(source, tf.constant(centres[index]), NO_AUGMENTATION, None).numpy()

    return _predict(encoder, cut, len(centres))


def _predict(
    encoder: keras.Model, cut: Callable[[np.ndarray], np.ndarray], count: int
) -> np.ndarray:
    """Embeds `count` windows in batches of one size, which leaves a single graph to trace."""
    parts = []
    for first in range(0, count, BATCH_SIZE):
        size = min(BATCH_SIZE, count - first)
        index = np.minimum(np.arange(first, first + BATCH_SIZE), count - 1)
        with tf.device("CPU:0"):
            windows = cut(index)
        parts.append(np.asarray(encoder.predict_on_batch(windows))[:size])
    return np.concatenate(parts)


def _results(
    wanted: Sequence[Condition],
    sheet: Sequence[np.ndarray],
    audio: Sequence[np.ndarray],
    pieces: Sequence[Piece],
    seed: int,
) -> dict[str, Any]:
    """Ranks the pairs under every condition; the first one is the clean one."""
    owners = np.repeat([piece.name for piece in pieces], [len(piece.pairs) for piece in pieces])
    rows: list[dict[str, Any]] = []
    clean: dict[str, np.ndarray] = {}
    embeddings = zip(wanted, sheet, audio, strict=True)
    for condition, seen, heard in progress.track(embeddings, "conditions ranked", len(wanted)):
        ranks = ranks_by_direction(np.stack([seen, heard], axis=1))
        clean = clean or ranks
        lost = {
            direction: robustness_tables.losses(clean[direction], found, owners, seed)
            for direction, found in ranks.items()
        }
        row = {"name": condition.name, "group": condition.group, "tempo": condition.tempo}
        rows.append(row | {"results": retrieval_results(ranks, owners, seed), "loss": lost})
    return {"pairs": len(owners), "pieces": len(pieces), "conditions": rows}
