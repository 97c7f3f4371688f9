"""What comes of recordings whose music an index holds, and of those whose music it does not."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tempo_invariant import progress
from tempo_invariant.audio import windows
from tempo_invariant.errors import UserError
from tempo_invariant.evaluation import identification, metrics, odd_sounds
from tempo_invariant.evaluation.query_sets import Query
from tempo_invariant.retrieval.certainty import find_calibration
from tempo_invariant.retrieval.embedders import Embedder
from tempo_invariant.retrieval.identification import recording_limits
from tempo_invariant.retrieval.library import SnippetIndex
from tempo_invariant.retrieval.ranking import Ranker

KNOWN = ("right, named", "right, turned away", "wrong, named", "wrong, turned away")
"""What can come of a recording whose music is in the index; only those "known" are named."""

UNKNOWN = ("named", "unsure", "said to be unknown")
"""What can come of one whose music is not."""

_ODD_SEED = 1000
"""Seed for the odd sounds, others than those that calibrations are fitted to."""


def run(
    embedder: Embedder,
    index: SnippetIndex,
    queries: Sequence[Query],
    left_out: Sequence[str] = (),
    hop_frames: int = windows.HOP_FRAMES,
    keep: str | Path | None = None,
    odd: bool = False,
) -> list[dict[str, Any]]:
    """Identifies recordings and counts verdicts.

    Args:
        embedder: The model.
        index: Index of scores, made with it. What a query plays is unknown if its piece is not in
            the index or is left out.
        queries: Recordings.
        left_out: Names of scores that are passed over, as if the index did not hold them.
        hop_frames: Distance of windows in spectrogram frames.
        keep: Directory for the indices of the recordings, which are used again if they are there.
        odd: Whether the sounds that no score has are asked as well.

    Returns:
        For every condition the numbers of recordings and the shares of `KNOWN` and `UNKNOWN` among
        them, each with its 95 % interval over pieces; last the odd sounds, each of them a piece.

    Raises:
        UserError: The model gives no verdicts, a score that is left out is not in the index, or a
            recording cannot be read.
    """
    index.check_model(embedder)
    if find_calibration(index.probe, index.kind) is None:
        raise UserError(f"{index.path}: made with {index.model}, which gives no verdict")
    numbers = {name: number for number, name in enumerate(index.documents)}
    if missing := sorted(set(left_out) - set(numbers)):
        raise UserError(f"{index.path}: holds no score {missing[0]!r}, which is to be left out")
    passed_over = {numbers[name] for name in left_out}
    editions = {number: group for group in index.editions for number in group}
    limits = recording_limits(hop_frames, index.step_pixels)
    documents = len(numbers) - len(passed_over)

    def ask(piece: str, embeddings: np.ndarray) -> str:
        ranker = Ranker(index, limits=limits, left_out=passed_over)
        ranker.update(embeddings)
        first = ranker.candidates(1)[0].document
        own = numbers.get(piece, -1)
        right = set(editions.get(own, (own,))) - passed_over - {-1}
        return _outcome(bool(right), first in right, ranker.judge(first).verdict)

    reports = []
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(keep or scratch)
        for played, recordings in identification.record_all(embedder, queries, hop_frames, root):
            condition, pieces = played[0].condition, [query.piece for query in played]
            outcomes = [
                ask(piece, np.asarray(recordings.vectors[recordings.rows(place)]))
                for place, piece in enumerate(progress.track(pieces, condition.text))
            ]
            reports.append(condition.report() | _report(pieces, outcomes, documents))
    if odd:
        heard = list(odd_sounds.hear_all(embedder, hop_frames, _ODD_SEED))
        outcomes = [ask("", embeddings) for _, embeddings in progress.track(heard, "odd sounds")]
        names = [name for name, _ in heard]
        reports.append({"text": "odd sounds"} | _report(names, outcomes, documents))
    return reports


def _outcome(known: bool, right: bool, verdict: str) -> str:
    if not known:
        return dict(zip(("known", "unsure", "unknown"), UNKNOWN, strict=True))[verdict]
    return f"{'right' if right else 'wrong'}, {'named' if verdict == 'known' else 'turned away'}"


def _report(pieces: Sequence[str], outcomes: Sequence[str], documents: int) -> dict[str, Any]:
    report: dict[str, Any] = {"documents": documents}
    for name, kinds in (("known", KNOWN), ("unknown", UNKNOWN)):
        mine = [place for place, outcome in enumerate(outcomes) if outcome in kinds]
        played = [pieces[place] for place in mine]
        shares = {}
        for kind in kinds if mine else ():
            hits = np.array([outcomes[place] == kind for place in mine])
            shares[kind] = metrics.share(hits, played)
        report[name] = {"recordings": len(mine), "pieces": len(set(played)), "shares": shares}
    return report


def table(reports: Sequence[dict[str, Any]]) -> str:
    """Returns a table: shares in per cent, their 95 % intervals over pieces in brackets."""
    lines = []
    for report in reports:
        lines.append(f"{report['text']}: {report['documents']} scores")
        for name in ("known", "unknown"):
            found = report[name]
            if found["recordings"]:
                shares = found["shares"].items()
                texts = (f"{kind} {metrics.percent(values)}" for kind, values in shares)
                count = f"{found['recordings']} of {found['pieces']} pieces"
                lines.append(f"  {name:8} {count:20} {'; '.join(texts)}")
    return "\n".join(lines)
