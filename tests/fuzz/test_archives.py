"""Damaged archives of scores, unpacked and listed."""

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from tempo_invariant.scores.archives import unpacked
from tempo_invariant.scores.folders import list_folder
from tempo_invariant.scores.sources import open_scores
from tests import fuzzing

SUFFIXES = {"": ".tar", "gz": ".tar.gz", "bz2": ".tar.bz2", "xz": ".tar.xz", "zip": ".zip"}
NAMES = ("PIECES.tsv", "waltz.ly", "long/" * 30 + "march.ly", "ü/scan.png")


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
    texts = {name: name.encode() * 40 for name in NAMES} | {"PIECES.tsv": b"waltz\twaltz.ly\n"}
    if kind == "zip":
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as opened:
            for name, text in texts.items():
                opened.writestr("top/" + name, text)
            info = zipfile.ZipInfo("top/link")
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            opened.writestr(info, "../../etc")
        return stream.getvalue()
    with tarfile.open(fileobj=stream, mode=f"w:{kind}") as tar:
        for name, text in texts.items():
            member = tarfile.TarInfo("top/" + name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text))
        link = tarfile.TarInfo("top/link")
        link.type, link.linkname = tarfile.SYMTYPE, "../../etc"
        tar.addfile(link)
    return stream.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("kind", SUFFIXES)
def test_damaged_archives(tmp_path, kind):
    path = str(tmp_path / f"scores{SUFFIXES[kind]}")
    data = archive(kind)
    unpack((path, data))
    each = fuzzing.damaged_each(data, fuzzing.COUNT // len(SUFFIXES))
    fuzzing.check(unpack, ((path, item) for item in each))
