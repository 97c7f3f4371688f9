"""What comes of recordings whose music an index holds, and of those whose music it does not."""

import tempfile
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tempo_invariant import progress
from tempo_invariant.audio import windows
from tempo_invariant.errors import UserError
from tempo_invariant.evaluation import identification, metrics, odd_sounds, page_queries
from tempo_invariant.evaluation.query_sets import Query
from tempo_invariant.retrieval.certainty import find_calibration
from tempo_invariant.retrieval.embedders import Embedder
from tempo_invariant.retrieval.identification import page_limits, recording_limits
from tempo_invariant.retrieval.library import SnippetIndex
from tempo_invariant.retrieval.ranking import Ranker
from tempo_invariant.retrieval.sequence import PathLimits

KNOWN = ("right, named", "right, turned away", "wrong, named", "wrong, turned away")
"""What can come of a recording whose music is in the index; only those "known" are named."""

UNKNOWN = ("named", "unsure", "said to be unknown")
"""What can come of one whose music is not."""

OTHER_FORM = ("wrong, another form named", "another form named")
"""What can come of either besides, where groups of one music are given."""

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
    same: Sequence[Collection[str]] = (),
) -> list[dict[str, Any]]:
    """Identifies recordings and counts verdicts; they are asked with scores or pages, too.

    Args:
        embedder: The model.
        index: Index of scores, made with it. What a query plays is unknown if its piece is not in
            the index or is left out.
        queries: Recordings.
        left_out: Names of scores that are passed over, as if the index did not hold them. Where
            recordings are asked with pages, it is these recordings that are passed over.
        hop_frames: Distance of windows in spectrogram frames.
        keep: Directory for the indices of the recordings, which are used again if they are there.
        odd: Whether the sounds that no score has are asked as well.
        same: Groups of names of pieces that are one music in several forms, variations of it for
            one. That another form is named is counted apart then.

    Returns:
        For every condition the numbers of recordings and the shares of `KNOWN` and `UNKNOWN` among
        them, each with its 95 % interval over pieces; then the same for the scores, asked of
        them, if the model gives verdicts about that and not all of them are left out: all pages of
        each score, asked of excerpts, or the middle page of each and its first system, asked of
        whole recordings; last the odd sounds, each of them a piece.

    Raises:
        UserError: The model gives no verdicts, a score that is left out is not in the index, or a
            recording cannot be read.
    """
    if find_calibration(index.probe, index.kind) is None:
        raise UserError(f"{index.path}: made with {index.model}, which gives no verdict")
    if missing := sorted(set(left_out) - set(index.documents)):
        raise UserError(f"{index.path}: holds no score {missing[0]!r}, which is to be left out")
    index.check_model(embedder)
    answers_pages = find_calibration(index.probe, "recordings") is not None
    step = index.step_pixels
    scores = _Library(index, recording_limits(hop_frames, step), left_out, same)
    reports = []
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(keep or scratch)
        for played, recordings in identification.record_all(embedder, queries, hop_frames, root):
            condition, pieces = played[0].condition, [query.piece for query in played]
            about, rows = condition.report(), map(recordings.rows, range(len(pieces)))
            heard = [np.array(recordings.vectors[row]) for row in rows]
            reports.append(about | scores.ask(condition.text, zip(pieces, heard, strict=True)))
            if answers_pages and not set(pieces) <= set(left_out):
                library = _Library(recordings, page_limits(hop_frames, step), left_out, same)
                excerpts = condition.seconds > 0
                choose = page_queries.whole_scores if excerpts else page_queries.ask_with
                pages = choose(index, set(pieces))
                text = f"{'scores' if excerpts else 'pages'}, of recordings: {condition.text}"
                reports.append(about | {"text": text} | library.ask(text, pages))
    if odd:
        sounds = odd_sounds.hear_all(embedder, hop_frames, _ODD_SEED)
        reports.append({"text": "odd sounds"} | scores.ask("odd sounds", sounds))
    return reports


class _Library:
    """An index, some documents of which are passed over.

    Args:
        index: The index.
        limits: Limits of the paths.
        left_out: Names of documents that are passed over; those that it lacks are, anyway.
        same: Groups of names that are one music.
    """

    def __init__(
        self,
        index: SnippetIndex,
        limits: PathLimits,
        left_out: Sequence[str],
        same: Sequence[Collection[str]],
    ):
        self._index, self._limits = index, limits
        self._numbers = {name: number for number, name in enumerate(index.documents)}
        self._passed_over = {self._numbers[name] for name in left_out if name in self._numbers}
        self._editions = {number: group for group in index.editions for number in group}
        self._forms = {name: set(group) for group in same for name in group}

    def ask(self, text: str, queries: Iterable[tuple[str, np.ndarray]]) -> dict[str, Any]:
        """Asks it, and counts the verdicts.

        Args:
            text: Text of the progress bar.
            queries: Names of what is played or printed, which are those of the right documents, and
                embeddings, float32 [steps, size].
        """
        names, outcomes = [], []
        for name, embeddings in progress.track(list(queries), text):
            names.append(name)
            outcomes.append(self._outcome(name, embeddings))
        documents = len(self._numbers) - len(self._passed_over)
        return _report(names, outcomes, documents, bool(self._forms))

    def _outcome(self, name: str, embeddings: np.ndarray) -> str:
        """Returns what came of a query, one of `KNOWN`, `UNKNOWN` or `OTHER_FORM`."""
        ranker = Ranker(self._index, limits=self._limits, left_out=self._passed_over)
        ranker.update(embeddings)
        first = ranker.candidates(1)[0]
        verdict = ranker.judge(first.document).verdict
        own = self._numbers.get(name, -1)
        right = set(self._editions.get(own, (own,))) - self._passed_over - {-1}
        if verdict == "known" and first.document not in right:
            if self._forms.get(name, set()) & {first.name, *first.also}:
                return OTHER_FORM[0 if right else 1]
        if not right:
            return UNKNOWN[("known", "unsure", "unknown").index(verdict)]
        found = "right" if first.document in right else "wrong"
        return f"{found}, {'named' if verdict == 'known' else 'turned away'}"


def _report(
    pieces: Sequence[str], outcomes: Sequence[str], documents: int, forms: bool
) -> dict[str, Any]:
    report: dict[str, Any] = {"documents": documents}
    for name, usual, other in zip(("known", "unknown"), (KNOWN, UNKNOWN), OTHER_FORM, strict=True):
        kinds = (*usual, other) if forms else usual
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
        lines.append(f"{report['text']}: {report['documents']} documents")
        for name in ("known", "unknown"):
            found = report[name]
            if found["recordings"]:
                shares = found["shares"].items()
                texts = (f"{kind} {metrics.percent(values)}" for kind, values in shares)
                count = f"{found['recordings']} of {found['pieces']} pieces"
                lines.append(f"  {name:8} {count:20} {'; '.join(texts)}")
    return "\n".join(lines)
