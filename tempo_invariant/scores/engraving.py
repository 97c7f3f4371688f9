"""LilyPond source to pages with note heads in musical time."""

import contextlib
import logging
import os
import re
import resource
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import lilypond

from tempo_invariant.errors import UserError, one_line
from tempo_invariant.files import check_not_empty, why_no_file
from tempo_invariant.scores.drawing import lilypond_fonts
from tempo_invariant.scores.drawn import TIMEOUT_SECONDS, DrawnPage, Engraving, drawn_bars
from tempo_invariant.scores.lilypond_files import included_names, read_source
from tempo_invariant.scores.looks import USUAL_SPACES
from tempo_invariant.scores.svg import parse_page

SETTINGS = Path(__file__).parent / "lilypond" / "tags.ily"
_WAITING = 10
"""Limit of elapsed time in multiples of the processor time: the machine may be busy."""

_ATTEMPTS = 2
"""Now and then LilyPond crashes on a score, but not when it is run again."""

_CONTEXT_OF_SETTING = re.compile(
    r'(\\context\s+\w+\s*=\s*"[^"\n]*"\s*)(\\(?:override|revert|set|unset)\s[^\n{}]*)'
)
"""A context whose only music is a setting, which old versions of LilyPond took without braces."""
_VERSION = re.compile(r'\\version\s+"([\d.]+)"')
_ERROR = re.compile(r"^(.*?):(\d+):(?:\d+:)? (?:fatal )?error: (.*)$", re.MULTILINE)


def engrave(
    source: Path,
    workspace: Path,
    root: Path | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
    staff_distance: float = 1.0,
) -> Engraving:
    """Engraves a LilyPond file.

    The file and what it includes are copied, updated with `convert-ly` and engraved in
    `workspace`; nothing is written beside the source. LilyPond sources can run programs (they
    contain Scheme): engrave only what you trust.

    Args:
        source: Path of the LilyPond file.
        workspace: Empty directory for intermediate files, which `Engraving.midis` lie in.
        root: Top of the tree that included files may come from; by default the source's folder.
        timeout_seconds: Limit of LilyPond's processor time; ten times as long may elapse.
        staff_distance: How many times as far apart as usual the staves of a system are, at least.

    Raises:
        UserError: The source is missing, or yields no page with music; the message holds the first
            error that LilyPond reported.
    """
    if not os.path.isfile(source):
        raise UserError(f"{source}: {why_no_file(source)}")
    check_not_empty(source)
    copy = _copy_with_includes(source, workspace / "source", root or source.parent)
    _convert(workspace / "source", copy, timeout_seconds)
    output = workspace / "output"
    settings = [SETTINGS]
    if staff_distance != 1:
        settings.append(workspace / "distance.ily")
        settings[-1].write_text(_wide_staves(staff_distance))
    log, returncode = _try_lilypond(copy, output, settings, timeout_seconds)
    errors = tuple(_error_lines(log))
    pages, svgs = _read_pages(output)
    if not any(page.systems for page in pages):
        ended = f"LilyPond ended with {returncode} and wrote no music"
        reason = "has no music on its pages" if pages else ended
        raise UserError(errors[0] if errors else f"{source.name}: {reason}")
    midis = tuple(sorted(output.glob("page*.mid*"), key=_natural))
    tempi = tuple(_read_tempi(output / "tempo.tsv"))
    return Engraving(svgs, pages, lilypond_fonts(), drawn_bars(pages), midis, tempi, errors)


def _read_pages(output: Path) -> tuple[tuple[DrawnPage, ...], tuple[str, ...]]:
    """Returns the pages and their SVG in reading order."""
    paths = sorted(output.glob("page*.svg"), key=_natural)
    svgs = [path.read_text(encoding="utf-8", errors="replace") for path in paths]
    pages = [parse_page(svg) for svg in svgs]
    first_scores = [min((head.score for head in page.heads), default=0) for page in pages]
    order = sorted(range(len(pages)), key=lambda index: first_scores[index])
    return tuple(pages[index] for index in order), tuple(svgs[index] for index in order)


def _copy_with_includes(source: Path, target: Path, root: Path) -> Path:
    """Copies `source` and all that it includes from below `root`; returns the copy of `source`."""
    root, source = _real(root), _real(source)
    if not source.is_relative_to(root):
        raise UserError(f"{source}: lies outside {root}")
    waiting, seen = [source], {source}
    while waiting:
        path = waiting.pop()
        copy = target / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        text = read_source(path)
        copy.write_text(text, encoding="utf-8")
        for name in included_names(text):
            for folder in (path.parent, source.parent):
                found = _real(folder / name)
                if os.path.isfile(found) and found.is_relative_to(root) and found not in seen:
                    seen.add(found)
                    waiting.append(found)
    return target / source.relative_to(root)


def _real(path: Path) -> Path:
    """Follows links; unlike `Path.resolve`, it has no objection to a circle of them."""
    return Path(os.path.realpath(path))


def _convert(directory: Path, main: Path, timeout_seconds: float) -> None:
    """Updates old syntax in place; files without a version take that of the main file."""
    version = _VERSION.search(main.read_text(encoding="utf-8"))
    for path in directory.rglob("*"):
        if not path.is_file():
            continue
        own = _VERSION.search(path.read_text(encoding="utf-8"))
        if own is None and version is None:
            continue
        command: list[str | os.PathLike] = [lilypond.executable("convert-ly"), "--edit"]
        if own is None and version is not None:
            command.append(f"--from={version[1]}")
        try:
            done = subprocess.run(
                [*command, path],
                capture_output=True,
                env=_environment(),
                timeout=timeout_seconds * _WAITING,
            )
        except subprocess.TimeoutExpired as error:
            raise UserError(f"{main.name}: convert-ly did not finish") from error
        if done.returncode:
            logging.debug("convert-ly %s: %s", path, done.stderr.decode(errors="replace"))
        path.with_name(path.name + "~").unlink(missing_ok=True)
        text = path.read_text(encoding="utf-8")
        path.write_text(_CONTEXT_OF_SETTING.sub(r"\1{ \2 }", text), encoding="utf-8")


def _wide_staves(factor: float) -> str:
    """Returns LilyPond's settings for staves `factor` times as far apart as usual."""
    apart = factor * USUAL_SPACES
    spacing = f"#'((basic-distance . {apart:g}) (minimum-distance . {apart:g}) (padding . 1))"
    groups = [
        rf"\context {{ \{group} \override StaffGrouper.staff-staff-spacing = {spacing} }}"
        for group in ("PianoStaff", "GrandStaff", "StaffGroup")
    ]
    alone = r"\override VerticalAxisGroup.default-staff-staff-spacing = " + spacing
    return "\n".join([r"\layout {", *groups, rf"\context {{ \Staff {alone} }}", "}", ""])


def _try_lilypond(
    source: Path, output: Path, settings: Sequence[Path], timeout_seconds: float
) -> tuple[str, int]:
    """Engraves into `output`, again if LilyPond crashed; returns its log and exit status."""
    for _ in range(_ATTEMPTS):
        shutil.rmtree(output, ignore_errors=True)
        output.mkdir()
        log, returncode = _run_lilypond(source, output, settings, timeout_seconds)
        if returncode >= 0:  # not ended by a signal
            break
    return log, returncode


def _run_lilypond(
    source: Path, output: Path, settings: Sequence[Path], timeout_seconds: float
) -> tuple[str, int]:
    command = [
        lilypond.executable(),
        "--svg",
        "--loglevel=WARN",
        "-dno-point-and-click",
        "-drelative-includes",
        *(f"-dinclude-settings={path}" for path in settings),
        f"--include={source.parent}",
        f"--output={output / 'page'}",
        source,
    ]
    log = output / "lilypond.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            cwd=output,
            env=_environment(),
        )
        try:
            limit = max(1, round(timeout_seconds))
            if hasattr(resource, "prlimit"):  # Linux
                with contextlib.suppress(ProcessLookupError):
                    resource.prlimit(process.pid, resource.RLIMIT_CPU, (limit, limit + 5))
            returncode = process.wait(timeout=timeout_seconds * _WAITING)
        except subprocess.TimeoutExpired:
            returncode = -signal.SIGXCPU
        finally:
            process.kill()
            process.wait()
    # Some loops outlive the first signal; the second limit kills them.
    if returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        raise UserError(f"{source.name}: LilyPond did not finish in {timeout_seconds:g} s")
    return log.read_text(encoding="utf-8", errors="replace"), returncode


def _environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8", "LANGUAGE": "C"}


def _error_lines(log: str) -> Iterator[str]:
    """Yields `FILE:LINE: message` for every error in LilyPond's log."""
    found = list(_ERROR.finditer(log))
    for index, match in enumerate(found):
        path, line, message = match.groups()
        if message.startswith("Guile signaled"):  # the reason comes after the expression
            end = found[index + 1].start() if index + 1 < len(found) else len(log)
            block = re.split(r"^.*(?:warning|error): ", log[match.end() : end], flags=re.MULTILINE)
            told = [text.strip() for text in block[0].splitlines() if text.strip()]
            message = told[-1] if told else message
        yield f"{os.path.basename(path)}:{line}: {message.strip()}"
    for message in re.findall(r"^(?:fatal )?error: (.*)$", log, re.MULTILINE):
        if not message.startswith("failed files"):
            yield message.strip()


def _natural(path: Path) -> list[int]:
    """Sorts page.svg, page-1.svg, page-2.svg, page-10.svg."""
    return [int(number) for number in re.findall(r"\d+", path.stem)]


def _read_tempi(path: Path) -> Iterator[tuple[int, Fraction, Fraction]]:
    if not path.is_file():
        return
    try:
        for line in path.read_text().splitlines():
            score, moment, tempo = line.split("\t")
            yield int(score), Fraction(moment), Fraction(tempo)
    except (ValueError, ZeroDivisionError) as error:
        raise UserError(f"LilyPond wrote no list of tempi: {one_line(error)}") from error
