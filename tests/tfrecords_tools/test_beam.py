"""Building and converting on Apache Beam: the same files as with processes."""

import importlib.util

import pytest

from tempo_invariant.beam_runner import Runner
from tempo_invariant.scores.sources import list_sources
from tests.tfrecords_tools.records.test_conversion import checksums, make_collection
from tfrecords_tools.msmd import batch
from tfrecords_tools.msmd.pieces import BuildOptions, Sound
from tfrecords_tools.music.synthesis import default_soundfont
from tfrecords_tools.records import conversion

needs_beam = pytest.mark.skipif(
    importlib.util.find_spec("apache_beam") is None, reason="Apache Beam is an extra"
)
DIRECT = Runner("DirectRunner")
SCORE = r"""\version "2.24.0"
\score { \new PianoStaff << \new Staff { c'4 d' e' f' } \new Staff { \clef bass c1 } >>
  \layout { } \midi { } }
"""


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
