"""Damaged archives of scores, unpacked and listed."""

import io
import tarfile
from pathlib import Path

import pytest

from tempo_invariant.scores.folders import list_folder
from tempo_invariant.scores.sources import open_scores, unpacked
from tests import fuzzing

KINDS = ("", "gz", "bz2", "xz")


def unpack(item: tuple[str, bytes]) -> None:
    """Writes an archive and lists what is in it, as a build and as an index do."""
    path, data = item
    Path(path).write_bytes(data)
    with unpacked(Path(path)) as folder:
        list_folder(folder)
    with open_scores(path) as sources:
        assert sources


def archive(kind: str) -> bytes:
    """An archive with a table, long names, a folder and a link."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=f"w:{kind}") as tar:
        for name in ("PIECES.tsv", "waltz.ly", "long/" * 30 + "march.ly", "ü/scan.png"):
            text = b"waltz\twaltz.ly\n" if name == "PIECES.tsv" else name.encode() * 40
            info = tarfile.TarInfo("top/" + name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text))
        link = tarfile.TarInfo("top/link")
        link.type, link.linkname = tarfile.SYMTYPE, "../../etc"
        tar.addfile(link)
    return stream.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_archives(tmp_path, kind):
    path = str(tmp_path / f"scores.tar{kind and '.' + kind}")
    data = archive(kind)
    unpack((path, data))
    each = fuzzing.damaged_each(data, fuzzing.COUNT // len(KINDS))
    fuzzing.check(unpack, ((path, item) for item in each))
