"""A build of many pieces: what one of them does must not end the others."""

import os
from pathlib import Path

from tempo_invariant.scores.sources import PieceSource
from tfrecords_tools.msmd import batch
from tfrecords_tools.msmd.pieces import BuildOptions, PieceRecord


def build_or_die(source, output, options):
    """Stands for `build_piece`."""
    if source.piece == "p1":
        os._exit(3)
    if source.piece == "p3":
        raise ValueError("of two\nlines")
    return PieceRecord(source.piece, 1, 1, 1, 0, 1, 1, 1, 1, 1.0, 1, 1)


def test_pieces_that_fail_or_kill_their_process_leave_the_others(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(batch, "build_piece", build_or_die)
    sources = [PieceSource(f"p{i}", Path("x.ly"), Path()) for i in range(5)]
    report = batch.build(sources, tmp_path, BuildOptions(()), jobs=2)
    assert [record.piece for record in report.built] == ["p0", "p2", "p4"]
    assert report.failed == {"p1": "its process died", "p3": "ValueError: of two lines"}
    assert "p1: its process died" in caplog.messages
    assert report.totals()["pieces"] == 3 and (tmp_path / batch.REPORT).is_file()
