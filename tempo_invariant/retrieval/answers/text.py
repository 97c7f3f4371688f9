"""Answers as text for a terminal."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from tempo_invariant.errors import printable
from tempo_invariant.retrieval.answers.visits import (
    Visit,
    bar_text,
    clock,
    clock_span,
    find_visits,
    played_visits,
)
from tempo_invariant.retrieval.certainty import Judgement
from tempo_invariant.retrieval.courses import TimedPlace
from tempo_invariant.retrieval.following import FollowedScore
from tempo_invariant.retrieval.identification import IdentifiedRecording, IdentifiedScore
from tempo_invariant.retrieval.library import shorten_name
from tempo_invariant.retrieval.listening import LiveAnswer
from tempo_invariant.retrieval.ranking import Candidate
from tempo_invariant.wording import counted

NAME_WIDTH = 60
MOST_LINES = 24
"""Lines that the places of a recording take at most; `verbose` gives every system its own."""


def identified_score(answer: IdentifiedScore, verbose: bool = False) -> str:
    """Returns which score a recording plays, and where it is in it, if it is in any.

    Args:
        answer: Answer to the recording.
        verbose: Whether votes, columns and every system are given, too, also of music that is in
            no score.
    """
    title = f"{printable(answer.query)}, {duration(answer.duration_seconds)}"
    lines = _ranking(answer, title, "score", verbose)
    if verbose or answer.verdict != "unknown":
        lines += ["", *place_lines(answer.places, verbose)]
    return "\n".join(lines)


def identified_recording(answer: IdentifiedRecording, verbose: bool = False) -> str:
    """Returns which recording plays a page, and when each system is played; see above."""
    lines = _ranking(answer, printable(answer.query), "recording", verbose)
    if verbose or answer.verdict != "unknown":
        lines += ["", *_visit_lines(played_visits(answer), verbose)]
    return "\n".join(lines)


def followed_score(answer: FollowedScore, verbose: bool = False) -> str:
    """Returns when which system is played; `verbose` gives columns and every system."""
    title = f"{printable(answer.audio)}, {duration(answer.duration_seconds)}, through "
    title += printable(answer.document.name)
    doubts = [doubt] if (doubt := doubt_text(answer)) else []
    return "\n".join([title, *doubts, *place_lines(answer.places, verbose)])


def doubt_text(answer: FollowedScore) -> str:
    """Returns that a recording does not seem to play the score that it followed; or nothing."""
    judgement = answer.judgement
    if judgement is None or judgement.verdict == "known":
        return ""
    if judgement.verdict == "unknown":
        return "This does not sound like that score."
    if judgement.confidence is None or judgement.confidence >= 0.5:
        return ""
    if judgement.short:
        return "This is too short to be sure that it is that score."
    return f"Perhaps this is not that score ({100 * judgement.confidence:.0f} % that it is)."


def _ranking(
    answer: IdentifiedScore | IdentifiedRecording, title: str, kind: str, verbose: bool
) -> list[str]:
    """Returns the documents with their scores, and how sure the first one is."""
    headline = verdict_text(answer.matching.judgement, answer.documents, kind)
    if verbose:
        count = counted(answer.documents, kind)
        return [f"{title}, among {count}: {headline}", ranking_table(answer.candidates)]
    best, *others = (f"{score_text(one):>4}  {_named(one, kind)}" for one in answer.candidates)
    if answer.verdict == "unknown":
        return [f"{headline}; nearest:", best, *others]
    return [f"{best}  ({headline})", *others]


def absence(documents: int, kind: str) -> str:
    """Returns that music is in none of so many scores or recordings."""
    return f"not among your {counted(documents, kind)}" if documents > 1 else f"not your {kind}"


def verdict_text(judgement: Judgement, documents: int, kind: str) -> str:
    """Returns how sure an answer is, in words.

    Args:
        judgement: How sure it is.
        documents: Number of scores or recordings that were asked.
        kind: "score" or "recording".
    """
    certainty, confidence = judgement.certainty, judgement.confidence
    absent = absence(documents, kind)
    if certainty == "absent":
        return absent
    if certainty == "not told":
        return "this model cannot say whether it is right"
    if judgement.short:
        doubtful = confidence is None or confidence < 0.5
        return "too short to be sure" + f"; perhaps {absent}" * doubtful
    if certainty == "sure":
        return certainty
    text = certainty if confidence is None else f"{certainty}, {100 * confidence:.0f} %"
    return f"{text}; perhaps {absent}" if certainty == "unsure" else text


def ranking_table(candidates: Sequence[Candidate]) -> str:
    """Returns the ranking as a table: rank, score, votes, name."""
    lines = [f"{'#':>3}  {'score':>6}  {'votes':>6}  name"]
    lines += [
        f"{candidate.rank:3d}  {score_text(candidate, 3):>6}  {candidate.votes:6.0f}  "
        f"{printable(candidate.name)}"
        for candidate in candidates
    ]
    return "\n".join(lines)


def place_lines(places: Iterable[TimedPlace], verbose: bool = False) -> list[str]:
    """Returns when a recording is where, in few lines.

    Up to `MOST_LINES` systems have a line each. Of more, those that follow each other on a page
    are joined, then those that go on from page to page; what is still too much is counted.
    """
    return _visit_lines(find_visits(places), verbose)


def _visit_lines(visits: Sequence[Visit], verbose: bool) -> list[str]:
    if verbose:
        return [
            f"{visit.label}  {visit.where}, x {visit.columns[0]:.0f}–{visit.columns[1]:.0f}"
            for visit in visits
        ]
    for across_pages in (None, False, True):
        runs = _runs(visits, across_pages)
        if len(runs) <= MOST_LINES:
            break
    lines = [f"{clock_span(run[0].first, run[-1].last)}  {_where(run)}" for run in runs]
    if len(lines) > MOST_LINES:
        rest = len(lines) - MOST_LINES + 1
        lines[MOST_LINES - 1 :] = [f"… and {rest} more stretches"]
    return lines


def _runs(visits: Sequence[Visit], across_pages: bool | None) -> list[list[Visit]]:
    """Joins visits of systems that follow each other; with None, none."""
    runs = [[visit] for visit in visits[:1]]
    for before, after in pairwise(visits):
        next_system = after.page == before.page and after.system == before.system + 1
        next_page = after.page == before.page + 1 and after.system == 1
        if across_pages is not None and (next_system or (across_pages and next_page)):
            runs[-1].append(after)
        else:
            runs.append([after])
    return runs


def _where(run: Sequence[Visit]) -> str:
    first, last = run[0], run[-1]
    if first is last:
        return first.where
    known = [visit.bars for visit in run if visit.bars is not None]
    bars = (known[0][0], known[-1][1]) if len(known) == len(run) else None
    if first.page == last.page:
        return f"page {first.page}, systems {first.system}–{last.system}{bar_text(bars)}"
    start = f"page {first.page}, system {first.system}"
    return f"{start} – page {last.page}, system {last.system}{bar_text(bars)}"


def live(answer: LiveAnswer, verbose: bool = False) -> str:
    """Returns a line: the time heard, the best score, its page and system, and the others.

    A question mark says that it is unsure; where the music is in no score, the nearest is named.

    Args:
        answer: Answer so far.
        verbose: Whether the column of the page is given, too.
    """
    time = f"{answer.seconds:7.1f} s"
    if not answer.candidates:
        return f"{time}  (nothing heard yet)"
    best, *others = answer.candidates
    judgement = answer.judgement
    if judgement.verdict == "unknown":
        absent = absence(answer.documents, "score")
        return f"{time}  ({absent}; nearest: {_short(best)} {score_text(best)})"
    text = f"{time}  {_short(best)} {score_text(best)}" + " ?" * (judgement.verdict == "unsure")
    if answer.place is not None:
        place, delay = answer.place, answer.delay_seconds
        bars = None if place.bar is None else (place.bar, place.bar)
        text += f"  page {place.page}, system {place.system}{bar_text(bars)}"
        text += f", x {place.x:.0f}" * verbose + f" ({delay:.1f} s ago)"
    if others:
        text += "  then " + ", ".join(map(_short, others[:2]))
    return text


def duration(seconds: float) -> str:
    """Returns a length of time in words."""
    return f"{clock(seconds)} min" if seconds >= 60 else f"{seconds:.1f} s"


def score_text(candidate: Candidate, digits: int = 2) -> str:
    """Returns the score of a candidate, or a dash for one that was not followed."""
    return "–" if candidate.score is None else f"{candidate.score:.{digits}f}"


def _short(candidate: Candidate) -> str:
    return shorten_name(printable(candidate.name), NAME_WIDTH)


def _named(candidate: Candidate, kind: str) -> str:
    """Returns the name of a candidate, and those of others that are the same music."""
    others = ", ".join(map(printable, candidate.also))
    word = "as" if kind == "score" else "in"
    return _short(candidate) + (f"  (also {word} {others})" if others else "")
