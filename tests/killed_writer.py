"""Kills a process that writes an index at line after line, and looks at what it leaves.

    python -m tests.killed_writer INDEX SCRATCH STRIDE TARGET

INDEX is an index, of any format, or an empty directory. TARGET says what it is to become, as JSON:
versions of documents by name. The process is killed at every line, of those STRIDE apart, that it
runs of the modules that write. Prints how many lines those are, and how many states it left.
"""

import json
import os
import shutil
import signal
import sys
from pathlib import Path

from tempo_invariant.errors import UserError
from tempo_invariant.retrieval import hubness, library
from tests import growing

MODULES = ("index_writer.py", "index_files.py", "catalogue.py", "files.py")


def update(path: Path, target: dict[str, int], killed_at: int = 0) -> int:
    """Updates an index and returns the number of lines run, unless it is killed at one."""
    count = 0

    def trace(frame, event, _):
        nonlocal count
        if not frame.f_code.co_filename.endswith(MODULES):
            return None
        count += event == "line"
        if event == "line" and count == killed_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    growing.update(path, target)
    sys.settrace(None)
    return count


def state(path: Path) -> dict[str, int]:
    """Versions of the documents of an index after a look at all that it holds."""
    if not library.is_index(path):
        return {}
    try:
        return growing.check(library.load(path), pages=False)
    except UserError as error:
        assert "holds no document" in str(error)
        return {}


def main(base: Path, scratch: Path, stride: int, target: dict[str, int]) -> None:
    """Kills, looks, and lets the next writer finish."""
    before = state(base)
    whole, path = scratch / "whole", scratch / "killed"
    shutil.copytree(base, whole)
    lines = update(whole, target)
    states = set()
    for line in range(1, lines, stride):
        shutil.copytree(base, path)
        child = os.fork()
        if not child:
            update(path, target, line)
            os._exit(0)
        assert os.WIFSIGNALED(os.waitpid(child, 0)[1]), line
        left = state(path)
        for name, version in left.items():  # as it was or is to be, and nothing else
            assert version in (before.get(name), target.get(name)), (line, left)
        assert set(before) & set(target) <= set(left), (line, left)
        states.add(json.dumps(left, sort_keys=True))
        assert growing.check(growing.update(path, target)) == target, line
        assert len(os.listdir(path)) == len(os.listdir(whole)), os.listdir(path)
        shutil.rmtree(path)
    print(lines, len(states))


if __name__ == "__main__":
    hubness.find_cohort = growing.random_cohort
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4]))
