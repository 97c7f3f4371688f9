"""A full disk: one clear line, nothing half-written counts as whole, the next run goes on."""

import errno
import hashlib
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from tempo_invariant.errors import UserError
from tempo_invariant.files import (
    DISK_FULL,
    atomic_directory,
    atomic_write,
    is_disk_full,
    telling_full_disk,
)
from tempo_invariant.scores import msmd
from tempo_invariant.scores.sources import LilyPondSource
from tests.handmade import make_piece
from tfrecords_tools.msmd import batch, layout
from tfrecords_tools.msmd.pieces import BuildOptions, PieceRecord
from tfrecords_tools.music.performing import Features
from tfrecords_tools.records import conversion

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def exhausted(message):
    """Returns TensorFlow's error; builds in other processes import this module without it."""
    import tensorflow as tf

    return tf.errors.ResourceExhaustedError(None, None, message)


def checksums(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def test_what_says_that_a_disk_is_full():
    assert is_disk_full(FULL) and is_disk_full(OSError(errno.EDQUOT, "Disk quota exceeded"))
    assert is_disk_full(exhausted("/x; No space left on device"))
    out_of_memory = exhausted("OOM when allocating tensor")
    for other in (None, out_of_memory, OSError(errno.ENOENT, "x"), UserError("x: no such file")):
        assert not is_disk_full(other)
    with pytest.raises(UserError, match=f"^out: {DISK_FULL}$"), telling_full_disk("out"):
        raise FULL
    with pytest.raises(ValueError, match="else"), telling_full_disk("out"):
        raise ValueError("something else")


def test_atomic_write_leaves_the_old_file_and_nothing_half(tmp_path):
    path = tmp_path / "a.npy"
    path.write_bytes(b"old")
    with pytest.raises(OSError, match="No space"), atomic_write(path) as temporary:
        temporary.write_bytes(b"half of the n")
        raise FULL
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.npy"]


def test_a_directory_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "exports" / "1"
    with pytest.raises(OSError, match="No space left"), atomic_directory(target) as temporary:
        (temporary / "half").touch()
        raise FULL
    assert list(target.parent.iterdir()) == []
    with atomic_directory(target) as temporary:
        (temporary / "whole").touch()
        assert temporary.parent == target.parent and not target.exists()
    assert [path.name for path in target.parent.iterdir()] == ["1"]
    assert [path.name for path in target.iterdir()] == ["whole"]
    assert target.stat().st_mode & 0o777 == 0o755


def test_an_array_that_does_not_fit_is_told_apart(tmp_path, monkeypatch):
    """NumPy's own message, `600 requested and 496 written`, says nothing of the disk."""
    written = []

    def write_bytes(path, data):
        written.append(path)
        if "_spec" in path.name:
            with path.open("wb") as stream:
                stream.write(bytes(data)[:10])
            raise FULL
        path.open("wb").write(data)

    monkeypatch.setattr(msmd.Path, "write_bytes", write_bytes)
    arrays = (np.zeros((3, 5)), np.zeros(3), np.zeros((92, 9)), np.zeros((128, 9)))
    features = Features(b"MThd", *arrays)
    with pytest.raises(OSError, match="No space") as caught:
        layout.write_performance(tmp_path / "P", "P_tempo-1000_F", features)
    assert is_disk_full(caught.value) and len(written) == 5
    folder = tmp_path / "P/performances/P_tempo-1000_F/features"
    endings = sorted(path.name.rpartition("_")[2] for path in folder.iterdir())
    assert endings == ["midi.npy", "notes.npy", "onsets.npy"]
    with pytest.raises(UserError, match="no file"):
        layout.read_performance(tmp_path / "P", "P_tempo-1000_F")


def build_until_full(source, output, options):
    """Stands for `build_piece`: the disk takes two pieces."""
    (output / "asked").open("a").write(source.piece + "\n")
    if sum(path.is_dir() for path in output.iterdir()) >= 2:
        time.sleep(0.1)  # a real one takes longer; the others are to be called off meanwhile
        raise FULL
    (output / source.piece).mkdir()
    return record(source)


def build_that_fits(source, output, options):
    """Stands for `build_piece` when there is room again."""
    (output / source.piece).mkdir(exist_ok=True)
    return record(source)


def record(source):
    return PieceRecord(source.piece, 1, 1, 1, 0, 1, 1, 1, 1, 1.0, 1, 1)


def test_a_build_stops_with_one_line_and_goes_on_later(tmp_path, monkeypatch):
    sources = [LilyPondSource(f"p{i:02d}", tmp_path / "x.ly", tmp_path) for i in range(30)]
    output = tmp_path / "msmd"
    monkeypatch.setattr(batch, "build_piece", build_until_full)
    with pytest.raises(UserError) as caught:
        batch.build(sources, output, BuildOptions(()), jobs=1)
    assert str(caught.value) == f"{output}: {DISK_FULL}"
    asked = (output / "asked").read_text().split()
    assert 3 <= len(asked) < 10  # the others were not tried in vain
    assert not (output / batch.REPORT).exists()
    monkeypatch.setattr(batch, "build_piece", build_that_fits)
    report = batch.build(sources, output, BuildOptions(()), jobs=1)
    assert len(report.built) == 30 and not report.failed


def test_a_conversion_leaves_the_old_records_and_goes_on_later(tmp_path, monkeypatch):
    for number in range(3):
        make_piece(tmp_path / "msmd", f"P__{number}", pages=1)
    output = tmp_path / "records"
    conversion.convert(tmp_path / "msmd", output, workers=1)
    before = checksums(output)

    def full(self, records):
        (self.directory / "train-0").write_bytes(b"half")
        raise exhausted("/x; No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(conversion._ShardWriter, "add", full)
        with pytest.raises(UserError) as caught:
            conversion.convert(tmp_path / "msmd", output, workers=1)
    assert str(caught.value) == f"{output}: {DISK_FULL}"
    assert checksums(output) == before
    (output / ".partial-killed").mkdir()  # of a conversion that was killed
    conversion.convert(tmp_path / "msmd", output, workers=1)
    assert checksums(output) == before


def test_a_command_prints_one_line():
    script = "\n".join(
        [
            "import errno, os",
            "from tempo_invariant import commands",
            "def main():",
            "    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), 'out/a.png')",
            "commands.run(main, 'usage')",
        ]
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, f"error: out/a.png: {DISK_FULL}\n")
