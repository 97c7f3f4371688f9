"""Progress for people who wait: a bar on a terminal, in a file a line now and then.

Nothing is shown until a command calls `show`, so that the Python API makes no noise.
"""

import contextlib
import logging
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tqdm import tqdm

DELAY_SECONDS = 2.0
"""What is done before that shows no progress."""

LINE_SECONDS = 10.0
"""Time between two lines where the output is no terminal."""

_shown = False

_Listener = Callable[[str, int, int | None], None]

_local = threading.local()


def show() -> None:
    """Has progress shown on standard error from now on."""
    global _shown
    _shown = True


def note(text: str) -> None:
    """Says what begins now, where progress is shown."""
    if _shown:
        print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def told(listener: _Listener) -> Iterator[None]:
    """Has a function told, in place of a bar, how far one has got in this thread.

    Args:
        listener: Called with the name of what is done, how much is done, and how much there is to
            do, if that is known.
    """
    before = getattr(_local, "listener", None)
    _local.listener = listener
    try:
        yield
    finally:
        _local.listener = before


def track(
    items: Iterable[Any] | None = None,
    text: str = "",
    total: int | None = None,
    keep: bool = True,
    shown: bool = True,
) -> tqdm:
    """Shows how far one has got, as an iterable or, without items, by its method `update`.

    Args:
        items: The items to go through.
        text: Name of what is done.
        total: Number of items, where they do not tell it themselves.
        keep: Whether a bar stays on the terminal when all is done.
        shown: Whether it is shown at all, where a command has progress shown.
    """
    if listener := getattr(_local, "listener", None):
        return _Told(items, text, total, listener)
    on_terminal = sys.stderr is not None and sys.stderr.isatty()
    # What a generator yields cannot be counted before.
    known = total is not None or hasattr(items, "__len__")
    done = "{n_fmt} of {total_fmt}, {elapsed} gone, {remaining} to go"
    lines = f"{{desc}}: {done if known else '{n_fmt}, {elapsed} gone'}{{postfix}}"
    return tqdm(
        items,
        text,
        total,
        leave=keep,
        file=None if on_terminal else _Lines(),
        unit="",
        disable=not (_shown and shown),
        delay=DELAY_SECONDS,
        mininterval=0.1 if on_terminal else LINE_SECONDS,
        miniters=None if on_terminal else 1,
        dynamic_ncols=on_terminal,
        bar_format=None if on_terminal else lines,
    )


class _Told(tqdm):
    """Tells a function instead of showing a bar."""

    def __init__(self, items: Any, text: str, total: int | None, listener: _Listener):
        super().__init__(items, text, total, disable=True)
        self._known = len(items) if total is None and hasattr(items, "__len__") else total
        self._text, self._listener = text, listener

    def __iter__(self) -> Iterator[Any]:
        for item in self.iterable:
            yield item
            self.update()

    def update(self, n: float | None = 1) -> None:
        self.n += n or 0
        self._listener(self._text, int(self.n), self._known)


class LogHandler(logging.Handler):
    """Writes what is logged on standard error, above the bar if one is there."""

    def emit(self, record: logging.LogRecord) -> None:
        if sys.stderr is not None:
            tqdm.write(self.format(record), file=sys.stderr)


class _Lines:
    """A stream that makes lines of what is written to overwrite itself."""

    def __init__(self):
        self._last = ""

    def write(self, text: str) -> None:
        status = text.replace("\x1b[A", "").strip()  # a bar below another one goes up to it
        if status and status != self._last:
            print(status, file=sys.stderr, flush=True)
            self._last = status

    def flush(self) -> None:
        pass
