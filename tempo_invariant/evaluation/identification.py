"""Shares of a query set whose right piece is found, and the right system."""

import hashlib
import itertools
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tempo_invariant import files, progress
from tempo_invariant.audio import windows
from tempo_invariant.audio.degradation import AS_PLAYED
from tempo_invariant.evaluation import metrics
from tempo_invariant.evaluation.conditions import Condition
from tempo_invariant.evaluation.query_sets import Query, by_condition
from tempo_invariant.retrieval import hearing, identification, indexing, library
from tempo_invariant.retrieval.embedders import Embedder
from tempo_invariant.retrieval.index_writer import IndexWriter
from tempo_invariant.retrieval.library import SnippetIndex
from tempo_invariant.retrieval.ranking import RANKINGS, Ranker
from tempo_invariant.retrieval.sequence import PathLimits, best_path
from tempo_invariant.scores.documents import STEP_PIXELS


def run(
    embedder: Embedder,
    scores: str | Path,
    queries: Sequence[Query],
    all_scores: bool = False,
    hop_frames: int = windows.HOP_FRAMES,
    keep: str | Path | None = None,
) -> list[dict[str, Any]]:
    """Identifies recordings of pieces among scores, and scores among recordings.

    Whole recordings are asked with the middle page of each score, too. A score that cannot be read,
    and a page on which nothing can be, are never found and find nothing.

    Args:
        embedder: The model.
        scores: Scores of the pieces, see `collection.find_scores`.
        queries: Recordings; those of a condition are in one index.
        all_scores: Whether all scores are in the index of scores, not only those of the queries.
        hop_frames: Distance of windows in spectrogram frames.
        keep: Directory for the indices, which are used again if they are there.

    Returns:
        For every condition what was asked, which scores could not be read, and results by direction
        and ranking.

    Raises:
        UserError: A score is missing, none can be read, or a recording cannot be read or is silent.
    """
    pieces = list(dict.fromkeys(query.piece for query in queries))
    wanted = [] if all_scores else pieces
    make = partial(indexing.index_scores, embedder, scores, keep_pages=False)
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(keep or scratch)
        path = root / "scores"
        index = _once(path, embedder, "sheets", lambda path: make(path, documents=wanted).index)
        if missing := sorted(set(pieces) - set(index.documents)):
            # Not asked for before, or not to be read; one that is not there is refused.
            index = make(path, documents=missing).index
        played_of = record_all(embedder, queries, hop_frames, root)
        return [_measure(index, recordings, played) for played, recordings in played_of]


def record_all(
    embedder: Embedder, queries: Sequence[Query], hop_frames: int, root: Path
) -> Iterator[tuple[list[Query], SnippetIndex]]:
    """Yields the queries of each condition with the index of them in `root`, made if missing."""
    for condition, played in by_condition(queries).items():
        path = root / _index_name(condition, played, hop_frames)
        make = partial(record, embedder, played, hop_frames)
        yield played, _once(path, embedder, "recordings", make)


def _once(
    path: Path, embedder: Embedder, kind: str, make: Callable[[Path], SnippetIndex]
) -> SnippetIndex:
    if not path.exists():
        with files.atomic_directory(path) as partial:
            make(partial)
    index = library.load(path, kind)
    index.check_model(embedder)
    return index


def _index_name(condition: Condition, queries: Sequence[Query], hop_frames: int) -> str:
    """Returns the name of an index of recordings, which no other index has."""
    keys = " ".join([str(hop_frames), *(query.key() for query in queries)])
    name = re.sub(r"[^\w.+-]+", "-", condition.name)
    return f"{name}-{hashlib.sha256(keys.encode()).hexdigest()[:8]}"


def record(
    embedder: Embedder, queries: Sequence[Query], hop_frames: int, output: Path
) -> SnippetIndex:
    """Makes an index of recordings; a place's seconds count from the start of the whole one."""
    names = library.names([query.piece for query in queries])
    step, text = STEP_PIXELS, queries[0].condition.text
    with IndexWriter(output, "recordings", embedder, hop_frames, step) as writer:
        both = zip(names, queries, strict=True)
        for name, query in progress.track(both, text, len(names)):
            heard = hearing.hear(embedder, [query.pcm()], hop_frames, str(query.audio))
            rows = np.zeros(len(heard.seconds), library.AUDIO)
            rows["seconds"] = heard.seconds + query.entry.start_seconds
            writer.add(name, heard.embedding, rows)
        return writer.finish()


def _measure(
    scores: SnippetIndex, recordings: SnippetIndex, queries: Sequence[Query]
) -> dict[str, Any]:
    condition = queries[0].condition
    pieces = [query.piece for query in queries]
    report: dict[str, Any] = condition.report() | {
        "degraded": condition.degradation != AS_PLAYED,
        "hop_frames": recordings.hop_frames,
        "pieces": len(pieces),
        "scores": len(scores.documents),
        "unread": sorted(set(pieces) - set(scores.documents)),
        "results": {},
    }
    read = _rows(scores, pieces)
    questions = _questions(scores, recordings, queries, read)
    for ranking, (direction, question) in itertools.product(RANKINGS, questions.items()):
        ranks, seconds = _rank(ranking, *question)
        intervals = metrics.bootstrap_intervals(ranks, pieces)
        report["results"][f"{direction}, {ranking}"] = {
            name: [value, *intervals[name]] for name, value in metrics.summary(ranks).items()
        } | {"seconds": float(np.median(seconds))}
    report["place"] = _places(scores, recordings, read, queries)
    return report


def _rows(scores: SnippetIndex, names: Sequence[str]) -> list[np.ndarray]:
    """Returns the rows of each score in the index; none of one that could not be read."""
    numbers = {name: number for number, name in enumerate(scores.documents)}
    slices = [scores.rows(numbers[name]) if name in numbers else slice(0, 0) for name in names]
    return [np.arange(each.start, each.stop) for each in slices]


_Question = tuple[SnippetIndex, list[np.ndarray], Sequence[str], PathLimits]
"""An index, embeddings [steps, size] it is asked with, the documents wanted, limits of the paths"""


def _questions(
    scores: SnippetIndex,
    recordings: SnippetIndex,
    queries: Sequence[Query],
    read: Sequence[np.ndarray],
) -> dict[str, _Question]:
    """Returns what is asked in each direction.

    Args:
        scores: Index of scores.
        recordings: Index of the queries.
        queries: The queries, of one condition.
        read: Rows of the score of each.
    """
    settings = recordings.hop_frames, scores.step_pixels
    forwards = identification.recording_limits(*settings)
    backwards = identification.page_limits(*settings)
    heard = [np.asarray(recordings.vectors[recordings.rows(n)]) for n in range(len(queries))]
    sheets = [scores.vectors[rows] for rows in read]
    names = recordings.documents
    questions: dict[str, _Question] = {
        "audio to sheet": (scores, heard, [query.piece for query in queries], forwards),
        "sheet to audio": (recordings, sheets, names, backwards),
    }
    if not queries[0].condition.seconds:
        both = zip(read, queries, strict=True)
        pages = [scores.vectors[_of_middle_page(scores, rows, query)] for rows, query in both]
        questions["page to audio"] = (recordings, pages, names, backwards)
    return questions


def _of_middle_page(scores: SnippetIndex, rows: np.ndarray, query: Query) -> np.ndarray:
    """Returns those rows that are of the middle one of the pages whose notes are played."""
    pages = np.unique(query.truth()["page"])
    return rows[scores.places["page"][rows] == pages[(len(pages) - 1) // 2]]


def _rank(
    ranking: str,
    index: SnippetIndex,
    queries: Sequence[np.ndarray],
    wanted: Sequence[str],
    limits: PathLimits,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns ranks of the wanted documents, and seconds taken.

    One that the index does not hold, or that is sought with nothing, comes after all and is at no
    cutoff.
    """
    last = max(len(index.documents), *metrics.CUTOFFS) + 1
    ranks, seconds = [], []
    for vectors, name in zip(queries, wanted, strict=True):
        started = time.perf_counter()
        ranker = Ranker(index, ranking, limits)
        ranker.update(np.asarray(vectors))
        candidates = ranker.candidates() if len(vectors) else []
        seconds.append(time.perf_counter() - started)
        found = (each.rank for each in candidates if name in (each.name, *each.also))
        ranks.append(next(found, last))
    return np.array(ranks), np.array(seconds)


def _places(
    scores: SnippetIndex,
    recordings: SnippetIndex,
    read: Sequence[np.ndarray],
    queries: Sequence[Query],
) -> dict[str, float]:
    """Returns how well the path through the right score keeps to it, over all windows.

    Returns:
        Share of windows in the right system, and of those the median distance in page pixels.
    """
    limits = identification.recording_limits(recordings.hop_frames, scores.step_pixels)
    right, distances = [], [np.zeros(0)]
    for number, (score, query) in enumerate(zip(read, queries, strict=True)):
        rows = recordings.rows(number)
        seconds = recordings.places["seconds"][rows]
        if not len(score):
            right.append(np.zeros(len(seconds), bool))
            continue
        similarities = np.asarray(recordings.vectors[rows]) @ np.asarray(scores.vectors[score]).T
        path = best_path(similarities, limits)
        found = scores.places[score][path.positions]
        true = sounding(query.truth(), seconds)
        same = (found["page"] == true["page"]) & (found["system"] == true["system"])
        right.append(same)
        distances.append(np.abs(found["x"] - true["x"])[same])
    return {
        "right_system": float(np.mean(np.concatenate(right))),
        "median_pixels": float(np.median(np.concatenate(distances))),
    }


def sounding(truth: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Returns which note head was struck last at some times.

    Args:
        truth: Rows of `query_sets.TRUTH`.
        seconds: Times in the same recording, [times].

    Returns:
        Rows of the truth, [times].
    """
    order = np.argsort(truth, order=["seconds", "page", "system", "x"])
    last = np.searchsorted(truth["seconds"][order], seconds + 1e-6, side="right") - 1
    return truth[order[np.maximum(last, 0)]]


def table(reports: Sequence[dict[str, Any]]) -> str:
    """Returns a table for the screen: R@k in per cent, 95 % intervals over pieces in brackets."""
    lines = []
    for report in reports:
        unread = f", {len(report['unread'])} not read" if report["unread"] else ""
        counts = f"{report['pieces']} pieces, {report['scores']} scores{unread}"
        lines.append(f"{report['text']}: {counts}")
        for name, values in report["results"].items():
            cells = [
                f"R@1 {metrics.percent(values['r@1'])}",
                f"R@5 {metrics.percent(values['r@5'])}",
            ]
            cells += [f"MRR {values['mrr'][0]:.3f}", f"{1000 * values['seconds']:.0f} ms"]
            lines.append(f"  {name:26}{'  '.join(cells)}")
        place = report["place"]
        lines.append(
            f"  place in the right score  right system {100 * place['right_system']:.1f} % of the "
            f"time, there {place['median_pixels']:.0f} pixels off (median)"
        )
    return "\n".join(lines)
