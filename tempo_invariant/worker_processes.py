"""Calls in processes that read ahead for this one, and whose end is not the end of it.

Unlike `multiprocessing` they need nothing of the caller's main module, so a script without a guard
may use them; and when one dies, for lack of memory or by a fault of a library in C, it is known
which call was its last, and another takes its place.
"""

import collections
import contextlib
import itertools
import logging
import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO, Any

from tempo_invariant.errors import UserError, one_line

AHEAD = 2
"""Results, and calls that wait, beside one for every process: so memory is bounded."""

_LENGTH = struct.Struct("<Q")
_START = "import sys; sys.path[:] = {path!r}; from tempo_invariant import worker_processes; "
_START += "worker_processes.serve({nice})"
_GRACE_SECONDS = 3.0


def processors() -> int:
    """Returns the number of processors that this process may use."""
    with contextlib.suppress(AttributeError):  # not every system tells
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def map_ahead(
    function: Callable[[Any], Any], items: Iterable[Any], jobs: int, nice: int = 0
) -> Generator[tuple[Any, Future], None, None]:
    """Calls a function with items in processes, and yields the results in the order of the items.

    The first calls are made at once. It is to be closed (`contextlib.closing`), which ends the
    processes. What they log is logged here.

    Args:
        function: The function; it, the items and the results can be pickled.
        items: The items, which are taken as there is room for them.
        jobs: Number of processes; 0: the calls are made here, when their results are due.
        nice: How far they stand back behind others, where the system has that (19: most).

    Yields:
        An item and its result, whose `result()` raises what the call raised, or `UserError` if the
        process died.
    """
    if jobs < 1:
        return ((item, _called(function, item)) for item in items)
    results = _map_in_processes(function, iter(items), jobs, nice)
    next(results)
    return results


def _map_in_processes(
    function: Callable[[Any], Any], items: Iterator[Any], jobs: int, nice: int
) -> Generator[Any, None, None]:
    """Yields once when the first calls are made, and then an item and its result each."""
    waiting: collections.deque[tuple[Any, Future]] = collections.deque()
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(jobs, "reader"))
        workers = _Workers(nice)
        stack.callback(lambda: pool.shutdown(wait=False, cancel_futures=True))
        stack.callback(workers.close)
        calls = (
            (item, pool.submit(workers.call, pickle.dumps((function, item)))) for item in items
        )
        waiting.extend(itertools.islice(calls, jobs + AHEAD))
        yield None
        while waiting:
            yield waiting.popleft()
            waiting.extend(itertools.islice(calls, 1))


def _called(function: Callable[[Any], Any], item: Any) -> Future:
    future: Future = Future()
    try:
        future.set_result(function(item))
    except Exception as error:
        future.set_exception(error)
    return future


class _Workers:
    """The processes, one for each thread that calls."""

    def __init__(self, nice: int) -> None:
        self._nice = nice
        self._lock = threading.Lock()
        self._processes: dict[int, subprocess.Popen] = {}
        self._closed = False

    def call(self, pickled: bytes) -> Any:
        """Has a call made, and returns or raises what it does."""
        process = self._process()
        try:
            _send(process.stdin, pickled)
            answer = _receive(process.stdout)
        except OSError:  # a broken pipe
            answer = None
        if answer is None:
            raise UserError(self._epitaph(process))
        value, error, messages = pickle.loads(answer)
        for level, message in messages:
            logging.log(level, "%s", message)
        if error is not None:
            raise error
        return value

    def _process(self) -> subprocess.Popen:
        """Returns the living process of this thread."""
        number = threading.get_ident()
        with self._lock:
            known = self._processes.get(number)
            if known is not None and known.poll() is None:
                return known
            if self._closed:
                raise UserError("no process is started any more")
            threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
            self._processes[number] = subprocess.Popen(
                [sys.executable, "-c", _START.format(path=sys.path, nice=self._nice)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=os.environ | threads,
                process_group=0,  # what is typed to interrupt is for this process to see to
            )
            return self._processes[number]

    def _epitaph(self, process: subprocess.Popen) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_SECONDS)
        code = process.returncode
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            return f"the process that read it was ended by {name}, perhaps for lack of memory"
        return f"the process that read it ended ({code})"

    def close(self) -> None:
        """Ends the processes, with those that they have started."""
        with self._lock:
            self._closed = True
            processes = list(self._processes.values())
        for process in processes:
            process.terminate()
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE_SECONDS)
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def serve(nice: int) -> None:
    """Makes calls that come on standard input, and sends what comes of them.

    When that ends, its caller is no more, and this process ends at once, with those it has started.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with contextlib.suppress(AttributeError, OSError):  # Windows has none
        os.nice(nice)
    calls: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(calls,), daemon=True).start()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    try:
        _answer(calls, answers)
    finally:
        os._exit(1)  # as the thread that listens cannot be told to


def _answer(calls: queue.SimpleQueue, answers: IO[bytes]) -> None:
    records = _Records()
    logging.getLogger().addHandler(records)
    while True:
        value, error = None, None
        call = calls.get()
        try:
            function, item = pickle.loads(call)
            value = function(item)
        except Exception as problem:
            error = _portable(problem)
        messages, records.messages = records.messages, []
        _send(answers, pickle.dumps((value, error, messages), pickle.HIGHEST_PROTOCOL))


def _listen(calls: queue.SimpleQueue) -> None:
    while (call := _receive(sys.stdin.buffer)) is not None:
        calls.put(call)
    os.killpg(os.getpid(), signal.SIGKILL)  # it is the first of its group


def _portable(error: Exception) -> Exception:
    """Returns an error that can be sent: itself, or one that says the same."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {one_line(error)}")
    return error


class _Records(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[tuple[int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append((record.levelno, record.getMessage()))


def _send(stream: IO[bytes] | None, content: bytes) -> None:
    assert stream is not None
    stream.write(_LENGTH.pack(len(content)))
    stream.write(content)
    stream.flush()


def _receive(stream: IO[bytes] | None) -> bytes | None:
    """Returns what was sent; None if the stream ended before its end."""
    assert stream is not None
    header = stream.read(_LENGTH.size)
    if len(header) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(header)
    content = stream.read(length)
    return content if len(content) == length else None
