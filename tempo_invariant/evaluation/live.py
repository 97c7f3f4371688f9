"""How well a listener names a piece and follows it, measured on query sets."""

import functools
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tempo_invariant import progress
from tempo_invariant.errors import UserError
from tempo_invariant.evaluation import alterations, following, live_sessions, metrics
from tempo_invariant.evaluation.alterations import Performance
from tempo_invariant.evaluation.following import Truth
from tempo_invariant.evaluation.live_sessions import Cursor, Session
from tempo_invariant.evaluation.query_sets import Query, by_condition
from tempo_invariant.geometry import SAMPLE_RATE
from tempo_invariant.retrieval.embedders import Embedder
from tempo_invariant.retrieval.following import lay_out
from tempo_invariant.retrieval.library import SnippetIndex
from tempo_invariant.retrieval.score_alignment import Strip
from tempo_invariant.scores.places import NO_BAR, Place
from tempo_invariant.tracking.listener import Listener

LIMITS_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
"""Errors within which shares of the onsets are counted."""

NAMED_WITHIN_SECONDS = 8.0
RECOVERED_WITHIN_SECONDS = 10.0

FEWEST_BARS = 16
"""So many bars must be counted at least, or others are taken."""


@dataclass(frozen=True)
class LiveSettings:
    """Settings of the measurement.

    Attributes:
        given: Whether the listener is told which piece is played.
        block_seconds: Length of the blocks of sound.
        skipped_seconds: What is left out at the start for the second count of errors.
        most_seconds: No more is heard of each query; 0: all.
        altered: Kinds of alterations, see `alterations.KINDS`.
        seed: Seed for the alterations and for the bootstrap resampling.
    """

    given: bool = False
    block_seconds: float = 0.1
    skipped_seconds: float = 10.0
    most_seconds: float = 0.0
    altered: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True)
class _Score:
    """The right score of a query: its number in the index, layout, bars, and names that are right.

    `bars` are the numbers of the bars at the snippets, or `NO_BAR`.
    """

    number: int
    names: frozenset[str]
    systems: tuple[Place, ...]
    strip: Strip
    bars: np.ndarray


@dataclass(frozen=True)
class _Followed:
    """What came of one query; times in seconds of what was heard."""

    piece: str
    onsets: np.ndarray
    late: np.ndarray
    turns: np.ndarray
    turned: np.ndarray
    named: float
    wrongly_named: bool
    session: Session
    heard_seconds: float
    recoveries: dict[str, float]


def run(
    embedder: Embedder,
    index: SnippetIndex,
    queries: Sequence[Query],
    settings: LiveSettings | None = None,
) -> list[dict[str, Any]]:
    """Plays queries to listeners as if they were played just now.

    Args:
        embedder: The model.
        index: Index of scores, made with it, the pieces of the queries among them.
        queries: Recordings.
        settings: Settings of the measurement.

    Returns:
        For every condition its fields and the results, see `_results`.

    Raises:
        UserError: A piece is not in the index, or a recording cannot be read or has no truth.
    """
    settings = settings or LiveSettings()
    index.check_model(embedder)
    scores = functools.cache(functools.partial(_find_score, index))
    reports = []
    for condition, mine in by_condition(queries).items():
        followed = [
            _follow(embedder, index, scores(query.piece), query, settings)
            for query in progress.track(mine, condition.text)
        ]
        how = {"given": settings.given, "scores": len(index.documents)}
        reports.append(condition.report() | how | _results(followed, settings))
    return reports


def _find_score(index: SnippetIndex, piece: str) -> _Score:
    if piece not in index.documents:
        raise UserError(f"{index.path}: holds no score {piece!r}")
    number = index.documents.index(piece)
    same = next((group for group in index.editions if number in group), (number,))
    places = index.places[index.rows(number)]
    names = frozenset(index.documents[each] for each in same)
    return _Score(number, names, *lay_out(places), places["bar"])


def _follow(
    embedder: Embedder, index: SnippetIndex, score: _Score, query: Query, settings: LiveSettings
) -> _Followed:
    pcm = query.pcm()
    truth = following.find_truth(query, score.systems, score.strip)
    document = query.piece if settings.given else None

    def play(performance: Performance) -> tuple[Session, Cursor]:
        listener = Listener(index, embedder, document)
        session = live_sessions.listen(listener, performance.pcm, settings.block_seconds)
        where = score.systems, score.strip, truth, performance
        return session, Cursor(session, query.piece, *where)

    most = round(settings.most_seconds * SAMPLE_RATE) or len(pcm)
    performance = Performance.whole(pcm[:most])
    session, cursor = play(performance)
    onsets = cursor.onsets()
    bars = _bar_onsets(query, truth, score)
    recoveries = {}
    for kind in settings.altered:
        seed = settings.seed, zlib.crc32(query.piece.encode()), zlib.crc32(kind.encode())
        generator = np.random.default_rng(seed)
        altered = alterations.alter(kind, pcm, bars, generator)
        if altered:
            recoveries[kind] = play(altered.performance)[1].recovery(altered.seconds)
    return _Followed(
        query.piece,
        onsets,
        cursor.late(onsets),
        *cursor.turns(),
        *_naming(session, score.names),
        session,
        performance.duration_seconds,
        recoveries,
    )


def _naming(session: Session, right: frozenset[str]) -> tuple[float, bool]:
    """Returns when a right score was first named, or infinity, and whether a wrong one was."""
    named = [
        (state.seconds, state.document in right)
        for state in session.states
        if state.document is not None
    ]
    first = next((seconds for seconds, is_right in named if is_right), np.inf)
    return first, not all(is_right for _, is_right in named)


def _bar_onsets(query: Query, truth: Truth, score: _Score) -> list[float]:
    """Returns when the bars of a recording begin.

    These are the bars whose numbers are known and go on one by one; where there are few of them,
    four quarter notes stand for a bar.
    """
    columns = score.strip.columns
    bars = score.bars[np.searchsorted((columns[1:] + columns[:-1]) / 2, truth.columns)]
    firsts = (bars != NO_BAR) & (np.diff(bars, prepend=bars[0]) == 1)
    rows = query.truth()
    if np.count_nonzero(firsts) > FEWEST_BARS or np.isnan(rows["moment"]).any():
        return truth.seconds[firsts].tolist()
    rows = np.sort(rows, order=["moment", "seconds"])
    _, firsts = np.unique(rows["moment"] // 4, return_index=True)
    return (rows["seconds"][firsts] - query.entry.start_seconds).tolist()


def _results(followed: Sequence[_Followed], settings: LiveSettings) -> dict[str, Any]:
    """Returns what the queries of a condition amount to; shares and times with intervals.

    Returns:
        "onsets" and "onsets_later": shares of the onsets within each of `LIMITS_SECONDS`, from the
        start and after `skipped_seconds`; "named": share of the queries that are named rightly
        within `NAMED_WITHIN_SECONDS` and at all, that are ever named wrongly, and the median time;
        "turns": number of page turns after `skipped_seconds` and the share that is right;
        "recovery": by kind; "speed"; "curve": errors by the second, see `_curve`.
    """
    pieces = [each.piece for each in followed]
    report: dict[str, Any] = {"pieces": len(set(pieces)), "queries": len(pieces)}
    report["seconds_heard"] = sum(each.heard_seconds for each in followed)
    for name, first in (("onsets", -np.inf), ("onsets_later", settings.skipped_seconds)):
        report[name] = _within(followed, first, settings.seed)
    if not settings.given:
        times = np.array([each.named for each in followed])
        hits = {
            "in_time": times <= NAMED_WITHIN_SECONDS,
            "ever": np.isfinite(times),
            "ever_wrongly": np.array([each.wrongly_named for each in followed]),
        }
        report["named"] = {
            name: metrics.share(h, pieces, settings.seed) for name, h in hits.items()
        }
        report["named"]["median_seconds"] = _finite(np.median(times))
    turned = [each.turned[each.turns >= settings.skipped_seconds] for each in followed]
    count = sum(map(len, turned))
    report["turns"] = {"count": count, "right": _share(pieces, turned, settings.seed)}
    report["recovery"] = {kind: _recovery(followed, kind) for kind in settings.altered}
    report["speed"] = _speed(followed)
    report["curve"] = _curve(followed)
    return report


def _within(followed: Sequence[_Followed], first: float, seed: int) -> dict[str, Any]:
    pieces = [each.piece for each in followed]
    late = [np.abs(each.late[each.onsets >= first]) for each in followed]
    shares = {
        f"{limit:g}": _share(pieces, [errors <= limit for errors in late], seed)
        for limit in LIMITS_SECONDS
    }
    return {"count": sum(map(len, late)), "within": shares}


def _share(pieces: Sequence[str], hits: Sequence[np.ndarray], seed: int) -> list[float] | None:
    """Returns the share of hits with its interval, or None where there is nothing to hit."""
    owners = np.repeat(pieces, [len(each) for each in hits])
    return metrics.share(np.concatenate(hits), owners, seed) if len(owners) else None


def _recovery(followed: Sequence[_Followed], kind: str) -> dict[str, Any]:
    times = {each.piece: each.recoveries[kind] for each in followed if kind in each.recoveries}
    if not times:
        return {"count": 0}
    seconds = np.array(list(times.values()))
    return {
        "count": len(times),
        "median_seconds": _finite(np.median(seconds)),
        "in_time": metrics.share(seconds <= RECOVERED_WITHIN_SECONDS, list(times)),
    }


def _speed(followed: Sequence[_Followed]) -> dict[str, float]:
    latencies = np.concatenate([each.session.latencies for each in followed])
    processor = sum(each.session.processor_seconds for each in followed)
    return {
        "processor_seconds_a_second": processor / sum(each.heard_seconds for each in followed),
        "latency_median": float(np.median(latencies)),
        "latency_95%": float(np.quantile(latencies, 0.95)),
    }


def _curve(followed: Sequence[_Followed]) -> list[dict[str, float | None]]:
    """Returns for every second after the start the errors of the onsets in it.

    Returns:
        "seconds": its middle, "onsets": their number, "median" and "90%" of the absolute errors
        (None: no cursor is shown) and the share "near": within `live_sessions.NEAR_SECONDS`.
    """
    onsets = np.concatenate([each.onsets for each in followed])
    errors = np.abs(np.concatenate([each.late for each in followed]))
    rows = []
    for second in range(int(onsets.max(initial=-1)) + 1):
        own = errors[onsets.astype(int) == second]
        if not len(own):
            continue
        median, most = np.quantile(own, [0.5, 0.9], method="higher")
        near = float(np.mean(own <= live_sessions.NEAR_SECONDS))
        rows.append(
            {
                "seconds": second + 0.5,
                "onsets": len(own),
                "near": near,
                "median": _finite(median),
                "90%": _finite(most),
            }
        )
    return rows


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def table(reports: Sequence[dict[str, Any]]) -> str:
    """Returns the results for the screen, 95 % intervals over pieces in brackets."""
    lines = []
    for report in reports:
        start = "the piece given" if report["given"] else f"among {report['scores']} scores"
        lines.append(f"{report['text']}: {report['queries']} recordings, {start}")
        for name, when in (("onsets", "from the start"), ("onsets_later", "later")):
            cells = [
                f"{limit} s {metrics.percent(share)}"
                for limit, share in report[name]["within"].items()
                if share
            ]
            if cells:
                lines.append(f"  {report[name]['count']} onsets {when}: within {'  '.join(cells)}")
        lines += [f"  {line}" for line in _lines(report)]
    return "\n".join(lines)


def _lines(report: dict[str, Any]) -> list[str]:
    lines = []
    if named := report.get("named"):
        shares = {
            name: metrics.percent(named[name]) for name in ("in_time", "ever", "ever_wrongly")
        }
        lines.append(
            f"named within {NAMED_WITHIN_SECONDS:g} s {shares['in_time']}, ever {shares['ever']}, "
            f"ever wrongly {shares['ever_wrongly']}; median {_seconds(named['median_seconds'])}"
        )
    if report["turns"]["count"]:
        right = metrics.percent(report["turns"]["right"])
        lines.append(f"{report['turns']['count']} pages turned: in time {right}")
    for kind, found in report["recovery"].items():
        if found["count"]:
            lines.append(
                f"after a {kind} ({found['count']}): again after "
                f"{_seconds(found['median_seconds'])} (median), within "
                f"{RECOVERED_WITHIN_SECONDS:g} s {metrics.percent(found['in_time'])}"
            )
    speed = report["speed"]
    lines.append(
        f"processor {speed['processor_seconds_a_second']:.2f} s a second; answers after "
        f"{speed['latency_median']:.2f} s (median), {speed['latency_95%']:.2f} s (95 %)"
    )
    return lines


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f} s"
