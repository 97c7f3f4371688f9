"""Apache Beam: results in order, and one line where it cannot run."""

import functools
import importlib.util
import pickle
import sys

import pytest

from tempo_invariant import beam_runner
from tempo_invariant.errors import UserError

needs_beam = pytest.mark.skipif(
    importlib.util.find_spec("apache_beam") is None, reason="Apache Beam is an extra"
)
DIRECT = beam_runner.Runner("DirectRunner")


def test_a_worker_leaves_its_result_in_the_folder(tmp_path):
    call = functools.partial(divmod, 17, 5)
    beam_runner.run_call((3, pickle.dumps(call)), str(tmp_path))
    [path] = tmp_path.iterdir()
    assert path.name == "0000003.result" and pickle.loads(path.read_bytes()) == (3, 2)


def test_without_beam_one_line_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(UserError, match=r"runner DirectRunner needs Apache Beam: pip install"):
        list(beam_runner.run_calls([functools.partial(divmod, 1, 1)], tmp_path, DIRECT, "call"))
    assert not list(tmp_path.iterdir())


@needs_beam
@pytest.mark.slow
def test_results_come_in_order_and_errors_in_one_line(tmp_path):
    calls = [functools.partial(divmod, number, 7) for number in range(30)]
    results = list(beam_runner.run_calls(calls, tmp_path, DIRECT, "call"))
    assert results == [divmod(number, 7) for number in range(30)]
    with pytest.raises(UserError, match="runner DirectRunner: .*modulo by zero"):
        list(beam_runner.run_calls([functools.partial(divmod, 1, 0)], tmp_path, DIRECT, "call"))
    with pytest.raises(UserError, match="runner NoRunner: "):
        list(beam_runner.run_calls(calls, tmp_path, beam_runner.Runner("NoRunner"), "call"))
    assert not list(tmp_path.iterdir())
