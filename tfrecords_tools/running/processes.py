"""Processes that work for this one, and end with it."""

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from tempo_invariant.errors import UserError


@contextlib.contextmanager
def worker_pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Yields a pool of processes, each with one core and no GPU.

    When the block ends with an exception, such as an interruption, calls that run are finished and
    those that wait are dropped.

    Args:
        jobs: Number of processes.

    Raises:
        UserError: A process died, for lack of memory for one.
    """
    context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
    with ProcessPoolExecutor(jobs, context, _start_worker) as pool:
        try:
            yield pool
        except BrokenProcessPool as error:
            raise UserError(
                "a process died while it worked, perhaps for lack of memory: fewer take less"
            ) from error
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _start_worker() -> None:
    """Leaves interruptions to the parent; when that is killed, ends this process at once.

    Otherwise it would finish its piece and then wait for ever.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(
        CUDA_VISIBLE_DEVICES="-1",
        TF_CPP_MIN_LOG_LEVEL="3",
        TF_NUM_INTRAOP_THREADS="1",
        TF_NUM_INTEROP_THREADS="1",
        OMP_NUM_THREADS="1",
    )
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_exit_after, args=(parent.sentinel,), daemon=True).start()


def _exit_after(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)
