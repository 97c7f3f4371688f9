"""LilyPond files as text: what they include, and which of many are scores and not parts of them."""

import posixpath
import re
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from tempo_invariant.errors import UserError
from tempo_invariant.files import why_no_file

LARGEST_SOURCE = 16 * 2**20
"""Bytes of a LilyPond file."""

_MOST_STEPS = 1_000_000
_MOST_NAMES = 10_000
"""How many files are followed from including ones to included ones, and names of one file."""

_STRING = r'"(?:[^"\\]++|\\.)*+"?'
_COMMENT = re.compile(rf"({_STRING})|%\{{.*?(?:%\}}|\Z)|%[^\n]*", re.DOTALL)
_INCLUDE = re.compile(r'\\include\s+"([^"\n\0]+)"')
_SCORE = re.compile(r"\\(?:score|book|bookpart)(?![A-Za-z])")
_TOKEN = re.compile(
    rf"""(?P<scheme>[#$][#'`,@]*)
      | (?P<string>{_STRING})
      | (?P<command>\\[A-Za-z][\w-]*)
      | (?P<skipped>\\.|[-^_]>)
      | (?P<open>\{{|<<)
      | (?P<close>\}}|>>)
      | (?P<equals>=)
      | (?P<word>[^\W\d][\w.-]*)
      | (?P<number>\d+)""",
    re.VERBOSE | re.DOTALL,
)
_PARENTHESIS = re.compile(rf'{_STRING}|#\\.[^\s()"]*|;[^\n]*|([()])', re.DOTALL)
_ATOM = re.compile(rf'{_STRING}|[^\s(){{}}"]*', re.DOTALL)

_CODES = {
    **dict.fromkeys((r"\header", r"\paper", r"\layout", r"\midi"), "h"),
    **dict.fromkeys((r"\version", r"\include", r"\language", r"\markup", r"\markuplist"), "t"),
    **dict.fromkeys((r"\sourcefilename", r"\bookOutputName", r"\bookOutputSuffix"), "t"),
    **dict.fromkeys((r"\pointAndClickOn", r"\pointAndClickOff", r"\cm", r"\mm", r"\in"), "a"),
    **dict.fromkeys((r"\alternative", r"\addlyrics", r"\lyricsto"), "g"),
    r"\defineBarLine": "t",
    r"\with": "w",
}
"""Letters of commands that are no music by themselves: before a block, before a text or markup,
alone, between blocks, before a block in the midst of music. All others have the letter "c"."""

_NO_MUSIC = re.compile(
    r"""h[^B]*B                             # \header { }
      | t(?:[SH]|[ctW]*B)                   # \include "x", \markup \bold { }
      | [aH]                                # \pointAndClickOff, #(set-global-staff-size 18)
      | [WS]E(?:[SH]|N+)a?                  # name = "x", size = 3\cm
      | [WS]E(?:wB|[^B])*B(?:g[^B]*B)*      # name = \relative c' { } \alternative { }
    """,
    re.VERBOSE,
)
"""A statement at the top that makes no pages of music, in the letters of `_top_letters`."""


def read_source(path: Path) -> str:
    """Reads a file of LilyPond's, whose encoding is UTF-8 or what came before it.

    Raises:
        UserError: It cannot be read or is too large.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would let us wait
            raise UserError(f"{path}: cannot be read ({why_no_file(path)})")
        if status.st_size > LARGEST_SOURCE:
            raise UserError(f"{path}: larger than {LARGEST_SOURCE >> 20} MiB")
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def without_comments(text: str) -> str:
    """Returns LilyPond text without its comments."""
    return _COMMENT.sub(lambda match: match[1] or "", text)


def included_names(text: str) -> list[str]:
    """Returns the names that a LilyPond text includes, as they are written."""
    return _INCLUDE.findall(without_comments(text))


def has_music(text: str) -> bool:
    """Tells whether LilyPond text by itself makes pages of music, and does not only define some.

    Where this cannot be told for sure, it is taken to make some.
    """
    text = without_comments(text)
    if _SCORE.search(text):
        return True
    letters, position = _top_letters(text), 0
    while position < len(letters):
        statement = _NO_MUSIC.match(letters, position)
        if not statement:
            # Else notes without braces around them, to be included within some.
            return letters[position] in "Bc"
        position = statement.end()
    return False


def _top_letters(text: str) -> str:
    """Returns a letter for everything that stands at the top of a text without comments.

    They are those of `_CODES`, and B for a block with all that is in it, S for a string, H for
    Scheme, W for a word, N for a number and E for an equals sign.
    """
    letters: list[str] = []
    inside: list[str] = []
    counts, position = {"}": 0, ">>": 0}, 0
    while found := _TOKEN.search(text, position):
        kind, token, position = str(found.lastgroup), found[0], found.end()
        if kind == "scheme":
            position = _end_of_scheme(text, position)
        if kind == "open":
            inside.append("}" if token == "{" else ">>")
            counts[inside[-1]] += 1
        elif kind == "close":
            while counts[token]:  # else it only looks like a bracket, and closes nothing
                last = inside.pop()
                counts[last] -= 1
                if last == token:
                    break
            else:
                continue
            letters += [] if inside else ["B"]
        elif not inside and kind == "command":
            letters.append(_CODES.get(token, "c"))
        elif not inside and kind in _LETTERS:
            letters.append(_LETTERS[kind])
    return "".join(letters)


_LETTERS = {"scheme": "H", "string": "S", "word": "W", "number": "N", "equals": "E"}


def _end_of_scheme(text: str, start: int) -> int:
    """Returns where a Scheme expression ends that begins at `start`, after its sign."""
    if not text.startswith("(", start):
        atom = _ATOM.match(text, start)
        return atom.end() if atom else start
    depth = 0
    for found in _PARENTHESIS.finditer(text, start):
        depth += {"(": 1, ")": -1}.get(found[1], 0)
        if depth == 0 and found[1]:
            return found.end()
    return len(text)


@dataclass(frozen=True)
class _Parsed:
    """What matters of a LilyPond file: the names that it includes, and whether it has music."""

    names: tuple[str, ...] = ()
    music: bool = True


class LilyPondTree:
    """The LilyPond files of a folder, as far as they include each other.

    Paths are from the top of the folder, with slashes; a file is read when it is asked for first.

    Args:
        root: The folder.
        files: All files in it, which alone can be included.
    """

    def __init__(self, root: Path, files: Collection[str]) -> None:
        self._root, self._files = root, files
        self._parsed: dict[str, _Parsed] = {}
        self._steps = 0

    def scores(self, paths: Collection[str]) -> dict[str, list[str]]:
        """Returns those of some files that are scores, each with its parts.

        A score is included by no other file, and has music, be it in its parts. Of files that
        include each other the first is the score.
        """
        included = {part for path in paths for part in self._direct(path, path) if part != path}
        parts_of = {path: self.parts(path) for path in paths if path not in included}
        reached = {part for parts in parts_of.values() for part in parts}
        for path in paths:
            if path not in parts_of and path not in reached:  # in a circle that nothing leads to
                parts_of[path] = self.parts(path)
                reached.update(parts_of[path])
        return {
            path: parts
            for path, parts in parts_of.items()
            if path not in reached and any(self._parse(file).music for file in (path, *parts))
        }

    def parts(self, main: str) -> list[str]:
        """Returns the files that a file includes, and those that they include; never itself."""
        found = dict.fromkeys([main])
        waiting = [main]
        while waiting:
            for part in self._direct(waiting.pop(), main):
                if part not in found and self._steps < _MOST_STEPS:
                    self._steps += 1
                    found[part] = None
                    waiting.append(part)
        return list(found)[1:]

    def _direct(self, path: str, main: str) -> Iterator[str]:
        """Yields the files that a file includes when the main one is engraved."""
        folders = dict.fromkeys((posixpath.dirname(path), posixpath.dirname(main)))
        for name in self._parse(path).names:
            for folder in folders:
                part = posixpath.normpath(posixpath.join(folder, name))
                if part in self._files:
                    yield part

    def _parse(self, path: str) -> _Parsed:
        if path not in self._parsed:
            try:
                text = read_source(self._root / path)
            except UserError:  # it is said when the score is read
                self._parsed[path] = _Parsed()
            else:
                names = dict.fromkeys(included_names(text)[:_MOST_NAMES])
                self._parsed[path] = _Parsed(tuple(names), has_music(text))
        return self._parsed[path]
