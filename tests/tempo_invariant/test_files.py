"""A full disk: one clear line, nothing half-written counts as whole, the next run goes on."""

import errno
import hashlib
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from tempo_invariant import arrays
from tempo_invariant.errors import UserError
from tempo_invariant.files import (
    DISK_FULL,
    atomic_directory,
    atomic_write,
    check_output_directory,
    check_output_file,
    is_disk_full,
    partial_directory,
    remove_leftovers,
    telling_failures,
    write_json,
)
from tempo_invariant.scores import msmd
from tempo_invariant.scores.sources import PieceSource
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
    with pytest.raises(UserError, match=f"^out: {DISK_FULL}$"), telling_failures("out"):
        raise FULL
    with pytest.raises(ValueError, match="else"), telling_failures("out"):
        raise ValueError("something else")


def test_atomic_write_leaves_the_old_file_and_nothing_half(tmp_path):
    path = tmp_path / "a.npy"
    path.write_bytes(b"old")
    with pytest.raises(UserError, match=f"^{path}: {DISK_FULL}$"), atomic_write(path) as temporary:
        temporary.write_bytes(b"half of the n")
        raise FULL
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.npy"]


OUTPUTS = {
    "file": "is there and is not a directory",
    "file/below/deep": "cannot be made, .*/file is not a directory",
    "n" * 256: "cannot be written .File name too long.",
    "new/" + "n" * 256 + "/x": "cannot be written .File name too long.",
    "\udcff": "a name that is not text in UTF-8",
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_outputs_that_cannot_be_are_refused_before_the_work_and_when_written(tmp_path, name):
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "folder").mkdir()
    path = tmp_path / name
    for refused in (
        lambda: check_output_directory(path),
        lambda: atomic_directory(path).__enter__(),
        lambda: check_output_file(path if name != "file" else tmp_path / "folder"),
        lambda: write_json(path if name != "file" else tmp_path / "folder", {}),
    ):
        with pytest.raises(UserError, match=OUTPUTS[name].replace("a directory", "a")) as caught:
            refused()
        assert str(caught.value).isprintable() and str(tmp_path) in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_outputs_that_can_be_are_left_for_the_work(tmp_path):
    longest = "é" * 125 + ".json"  # 255 bytes
    (tmp_path / "there").mkdir()
    for path in (tmp_path / "there", tmp_path / "a" / "b"):
        check_output_directory(path)
    check_output_file(tmp_path / "a" / longest)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    write_json(tmp_path / "a" / longest, [1])
    assert [path.name for path in (tmp_path / "a").iterdir()] == [longest]
    check_output_file(tmp_path / "a" / longest)
    with pytest.raises(UserError, match="there exists already: choose a new directory"):
        check_output_directory(tmp_path / "there", new=True)
    with pytest.raises(UserError, match="^/dev/null: is there and is not a file$"):
        check_output_file("/dev/null")


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="there is no such file system")
@pytest.mark.parametrize("check", [check_output_directory, check_output_file])
def test_where_nothing_can_be_made_is_told_before_the_work(check):
    with pytest.raises(UserError, match="^/proc/answer: cannot be "):
        check("/proc/answer")


def test_without_permission_nothing_is_begun(tmp_path):
    """In a process of a user who is not root, whom no permission stops."""
    script = f"""
import os
from tempo_invariant import files
if os.getuid() == 0:
    os.setuid(65534)
for check in (files.check_output_file, files.check_output_directory, files.atomic_write):
    try:
        with check("{tmp_path}/closed/deep/x"):
            pass
    except files.UserError as error:
        print(error)
"""
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent.owner() == tmp_path.owner() and "pytest" in str(parent):
            parent.chmod(0o755)
    (tmp_path / "closed").mkdir(mode=0o555)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    reason = f"there is no permission to write to {tmp_path}/closed"
    line = f"{tmp_path}/closed/deep/x: cannot be written, {reason}\n"
    assert done.stdout == 3 * line, done.stderr


def test_what_the_system_says_is_told_without_our_own_names(tmp_path):
    with pytest.raises(UserError, match="^x: cannot be written .Too many levels"):
        with telling_failures("x"):
            raise OSError(errno.ELOOP, "Too many levels", "/a/.partial-abcdefgh/x")
    with pytest.raises(UserError, match="^x: cannot be written .*No such file.*'other'"):
        with telling_failures("x"):
            open("other")  # noqa: SIM115


def test_an_array_tells_a_full_disk_as_np_save_does_not():
    with pytest.raises(OSError, match="No space left"):
        arrays.save("/dev/full", np.zeros(10_000))


def test_only_what_nobody_holds_is_a_leftover(tmp_path):
    for name in (".partial-abcd_123", ".partial-mine", "abcdefgh"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    (tmp_path / ".partial-abcd0123-x.npy").touch()  # once files were written beside their places
    (tmp_path / ".partial-abcdefgh").symlink_to(tmp_path / "abcdefgh")
    with partial_directory(tmp_path) as held:
        remove_leftovers(tmp_path)
        kept = {path.name for path in tmp_path.iterdir()}
        assert kept == {".partial-mine", ".partial-abcdefgh", "abcdefgh", held.name}
    assert (tmp_path / "abcdefgh" / "file").exists() and not held.exists()
    remove_leftovers(tmp_path / "nowhere")


FILL = """
import subprocess, sys
from pathlib import Path
import numpy as np
from tests.fake_embedder import FakeEmbedder
from tempo_invariant import files
from tempo_invariant.retrieval import index_writer, library
from tempo_invariant.scores import images

def index(path):
    vectors = np.zeros((40000, 16), np.float32)
    vectors[:, 0] = 1
    with index_writer.IndexWriter(path, "recordings", FakeEmbedder(), 10, 25) as writer:
        writer.add("a", vectors, np.zeros(len(vectors), library.AUDIO))
        writer.finish()

def pages(path):
    noise = np.random.default_rng(0).integers(0, 256, (1200, 1200)).astype(np.uint8)
    with index_writer.IndexWriter(path, "sheets", FakeEmbedder(), 10, 25) as writer:
        page = images.png_bytes(noise)
        vector = np.eye(1, 16, dtype=np.float32)
        writer.add("a", vector, np.ones(1, library.KINDS["sheets"]), pages={1: page})

def weights(path):
    import keras
    from tempo_invariant.config import ModelConfig
    from tempo_invariant.model import network, runs
    runs.save_weights(network.build_model(ModelConfig()), f"{path}.weights.h5")

def export(path):
    from tempo_invariant.config import ModelConfig
    from tempo_invariant.model import network, saved_model
    saved_model.export(network.build_model(ModelConfig()), "{}", path)

def json(path):
    files.write_json(path, ["x" * 2000000])

try:
    globals()[sys.argv[2]](Path(sys.argv[1]) / "out")
except files.UserError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.parametrize("what", ["index", "pages", "weights", "export", "json"])
def test_a_disk_of_one_mebibyte_fills_in_one_line(tmp_path, what):
    """On a file system of its own where that may be mounted (as root)."""
    script = 'mount -t tmpfs -o size=1m none "$1" && "$2" -c "$3" "$1" "$4"; ls -A "$1"'
    command = ["unshare", "-m", "sh", "-c", script, "sh", tmp_path, sys.executable, FILL, what]
    done = subprocess.run(command, capture_output=True, text=True)
    if "permi" in done.stderr.lower() or shutil.which("unshare") is None:
        pytest.skip("no file system may be mounted here")
    lines = done.stdout.splitlines()
    assert len(lines) in (1, 2), done.stdout + done.stderr  # the error, an empty directory at most
    assert lines[0].startswith(f"{tmp_path}/out") and lines[0].endswith(DISK_FULL)
    assert lines[1:] in ([], ["out"])


def test_a_directory_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "exports" / "1"
    with pytest.raises(UserError, match=DISK_FULL), atomic_directory(target) as temporary:
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
    with pytest.raises(UserError, match=DISK_FULL) as caught:
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
    sources = [PieceSource(f"p{i:02d}", tmp_path / "x.ly", tmp_path) for i in range(30)]
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
    (output / ".partial-killed12").mkdir()  # of a conversion that was killed
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
