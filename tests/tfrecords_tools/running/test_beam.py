"""Apache Beam: the same files as with processes, and one line where it cannot run."""

import functools
import importlib.util
import pickle
import sys

import pytest

from tempo_invariant.errors import UserError
from tempo_invariant.scores.sources import list_sources
from tests.tfrecords_tools.records.test_conversion import checksums, make_collection
from tfrecords_tools.msmd import batch
from tfrecords_tools.msmd.pieces import BuildOptions, Sound
from tfrecords_tools.music.performing import default_soundfont
from tfrecords_tools.records import conversion
from tfrecords_tools.running import beam

needs_beam = pytest.mark.skipif(
    importlib.util.find_spec("apache_beam") is None, reason="Apache Beam is an extra"
)
DIRECT = beam.Runner("DirectRunner")
SCORE = r"""\version "2.24.0"
\score { \new PianoStaff << \new Staff { c'4 d' e' f' } \new Staff { \clef bass c1 } >>
  \layout { } \midi { } }
"""


def test_a_worker_leaves_its_result_in_the_folder(tmp_path):
    call = functools.partial(divmod, 17, 5)
    beam.run_call((3, pickle.dumps(call)), str(tmp_path))
    [path] = tmp_path.iterdir()
    assert path.name == "0000003.result" and pickle.loads(path.read_bytes()) == (3, 2)


def test_without_beam_one_line_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(UserError, match=r"runner DirectRunner needs Apache Beam: pip install"):
        list(beam.run_calls([functools.partial(divmod, 1, 1)], tmp_path, DIRECT, "call"))
    assert not list(tmp_path.iterdir())


@needs_beam
@pytest.mark.slow
def test_results_come_in_order_and_errors_in_one_line(tmp_path):
    calls = [functools.partial(divmod, number, 7) for number in range(30)]
    results = list(beam.run_calls(calls, tmp_path, DIRECT, "call"))
    assert results == [divmod(number, 7) for number in range(30)]
    with pytest.raises(UserError, match="runner DirectRunner: .*modulo by zero"):
        list(beam.run_calls([functools.partial(divmod, 1, 0)], tmp_path, DIRECT, "call"))
    with pytest.raises(UserError, match="runner NoRunner: "):
        list(beam.run_calls(calls, tmp_path, beam.Runner("NoRunner"), "call"))
    assert not list(tmp_path.iterdir())


@needs_beam
@pytest.mark.slow
def test_beam_writes_the_same_shards_as_processes(tmp_path):
    msmd = make_collection(tmp_path, 6)
    (msmd / "Composer__piece-1/scores/Composer__piece-1_ly/img/01.png").write_bytes(b"no")
    for output, runner in (("a", None), ("b", DIRECT)):
        conversion.convert(msmd, tmp_path / output, shard_megabytes=0.2, workers=1, runner=runner)
    first = checksums(tmp_path / "a")
    assert first == checksums(tmp_path / "b") and len(first) > 4


@needs_beam
@pytest.mark.slow
def test_beam_builds_the_same_pieces_as_processes(tmp_path):
    scores = tmp_path / "scores"
    scores.mkdir()
    (scores / "tune.ly").write_text(SCORE)
    (scores / "broken.ly").write_text("\\score { { c'4 \\layout { }")
    options = BuildOptions((Sound(str(default_soundfont())),), inks=("thin",))
    files, failures = [], []
    for output, runner in (("a", None), ("b", DIRECT)):
        report = batch.build(list_sources(scores), tmp_path / output, options, 1, runner)
        assert [record.piece for record in report.built] == ["tune"]
        failures.append(report.failed)
        root = tmp_path / output / "tune"
        files.append(
            {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}
        )
    assert files[0] == files[1] and len(files[0]) > 8
    assert failures[0] == failures[1] and set(failures[0]) == {"broken"}
