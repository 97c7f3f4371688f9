"""Damaged inputs by the hundred: how files are damaged, and who sees to it that nothing breaks.

A damaged input may be used, with or without a warning, or refused with a `UserError`. Everything
else is a fault: another exception, a process that ends, more than 60 s or more than 4 GiB.
"""

import multiprocessing
import resource
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

import numpy as np

from tempo_invariant.errors import UserError

COUNT = 500
"""Number of damaged inputs of every kind."""

SECONDS = 60
GIBIBYTES = 4

_EXTREMES = (
    b"\x00" * 4,
    b"\xff" * 4,
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\x80\x00\x00\x00",
)


def damaged(data: bytes, seed: int) -> bytes:
    """Returns content that is damaged in one of many ways, a seed for each."""
    generator = np.random.default_rng(seed)
    kinds = (_flip_bits, _cut, _overwrite, _repeat, _leave_out, _extreme_number, _insert)
    return kinds[seed % len(kinds)](data, generator)


def damaged_each(data: bytes, count: int = COUNT) -> Iterator[bytes]:
    """Yields `count` damaged versions of some content."""
    return (damaged(data, seed) for seed in range(count))


def _place(data: bytes, generator: np.random.Generator) -> int:
    """Chooses a place, every second time near the beginning, where headers are."""
    near = min(len(data), 200) if generator.random() < 0.5 else len(data)
    return int(generator.integers(0, max(1, near)))


def _flip_bits(data: bytes, generator: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for _ in range(int(generator.integers(1, 9))):
        if changed:
            changed[_place(data, generator)] ^= 1 << int(generator.integers(0, 8))
    return bytes(changed)


def _cut(data: bytes, generator: np.random.Generator) -> bytes:
    return data[: _place(data, generator)]


def _overwrite(data: bytes, generator: np.random.Generator) -> bytes:
    start, size = _place(data, generator), int(generator.integers(1, 257))
    return data[:start] + generator.bytes(size) + data[start + size :]


def _repeat(data: bytes, generator: np.random.Generator) -> bytes:
    start, size = _place(data, generator), int(generator.integers(1, 4097))
    return data[: start + size] + data[start:]


def _leave_out(data: bytes, generator: np.random.Generator) -> bytes:
    start, size = _place(data, generator), int(generator.integers(1, 4097))
    return data[:start] + data[start + size :]


def _extreme_number(data: bytes, generator: np.random.Generator) -> bytes:
    start = _place(data, generator)
    return data[:start] + _EXTREMES[int(generator.integers(0, len(_EXTREMES)))] + data[start + 4 :]


def _insert(data: bytes, generator: np.random.Generator) -> bytes:
    start, size = _place(data, generator), int(generator.integers(1, 65))
    return data[:start] + generator.bytes(size) + data[start:]


def check(use: Callable[[Any], Any], inputs: Iterable[Any]) -> None:
    """Uses damaged inputs in a process of their own, and fails with all faults that were found.

    Args:
        use: Function at the top of a module that uses one input, with the imports that it needs.
        inputs: The inputs, which can be pickled.
    """
    faults: list[str] = []
    waiting = enumerate(inputs)
    while True:
        end, fault = _run(use, waiting)
        if fault:
            faults.append(fault)
        if end:
            break
    assert not faults, f"{len(faults)} faults:\n" + "\n".join(faults[:20])


def _run(use: Callable[[Any], Any], inputs: Iterator[tuple[int, Any]]) -> tuple[bool, str | None]:
    """Uses inputs until one is at fault; returns whether there are no more, and the fault."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(use, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        for number, item in inputs:
            fault = _ask(ours, item)
            if fault:
                return False, f"input {number}: {fault}"
        return True, None
    finally:
        ours.close()
        process.kill()
        process.join()


def _ask(pipe: Connection, item: Any) -> str | None:
    try:
        pipe.send(item)
        if not pipe.poll(3 * SECONDS):
            return f"took longer than {3 * SECONDS} s and did not heed the alarm"
        return pipe.recv()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return "ended the process"


def _work(use: Callable[[Any], Any], pipe: Connection) -> None:
    signal.signal(signal.SIGALRM, _too_long)
    while True:
        try:
            item = pipe.recv()
        except EOFError:
            return
        signal.alarm(SECONDS)
        fault = None
        try:
            use(item)
        except UserError as error:
            if "\n" in str(error) or not str(error).isprintable():
                fault = f"the message is not one printable line: {str(error)!r}"
        except BaseException:
            fault = traceback.format_exc(limit=-4)
        signal.alarm(0)
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > GIBIBYTES * 2**20:
            fault = fault or f"took more than {GIBIBYTES} GiB"
        pipe.send(fault)


class _TooLong(BaseException):
    """Raised by the alarm; no `except Exception` of what is tested catches it."""


def _too_long(_number: int, _frame: FrameType | None) -> None:
    raise _TooLong(f"took longer than {SECONDS} s")
