"""Archives of scores that mean harm: nothing is written outside, one clear line."""

import errno
import gzip
import io
import os
import stat
import struct
import tarfile
import zipfile

import pytest

from tempo_invariant.errors import UserError
from tempo_invariant.scores import archives
from tempo_invariant.scores.archives import is_archive, unpacked
from tempo_invariant.scores.folders import NO_KIND
from tempo_invariant.scores.sources import open_scores

TEXT = b"{ c'4 }\n"


def archive(path, *members):
    """Writes an archive of (name, type, link target), with the text in what is a file."""
    with tarfile.open(path, "w:gz") as tar:
        for name, kind, target in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            info.size = len(TEXT) if kind == tarfile.REGTYPE else 0
            tar.addfile(info, io.BytesIO(TEXT) if info.size else None)
    return str(path)


def everything_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def zipped(path, *members):
    """Writes a zip archive of (name, mode, text)."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, mode, text in members:
            info = zipfile.ZipInfo(name)
            info.external_attr, info.compress_type = mode << 16, zipfile.ZIP_DEFLATED
            opened.writestr(info, text)
    return path


GOOD = ("top/tune.ly", tarfile.REGTYPE, "")
FILE = stat.S_IFREG | 0o644


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder in which archives are unpacked, one level down, with a file to be spared."""
    (tmp_path / "unpack").mkdir()
    (tmp_path / "spared.txt").write_text("spared")
    monkeypatch.setattr(archives.tempfile, "tempdir", str(tmp_path / "unpack"))
    return tmp_path


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (("../tune.ly", tarfile.REGTYPE, ""), "'../tune.ly' leads out of it"),
        (("top/../../tune.ly", tarfile.REGTYPE, ""), "leads out of it"),
        (("/tmp/tune.ly", tarfile.REGTYPE, ""), "'/tmp/tune.ly' leads out of it"),
        (("top/..", tarfile.DIRTYPE, ""), "leads out of it"),
        (("../outside", tarfile.SYMTYPE, "x"), "leads out of it"),
        (("top/null", tarfile.CHRTYPE, ""), "'top/null' is a device"),
        (("top/disk", tarfile.BLKTYPE, ""), "is a device"),
        (("top/pipe", tarfile.FIFOTYPE, ""), "is a device"),
        (("top/a\nb\x1b[2J", tarfile.FIFOTYPE, ""), r"'top/a\nb\x1b[2J' is a device"),
    ],
)
def test_members_that_escape_or_are_devices_are_refused(workplace, member, message):
    path = archive(workplace / "scores.tar.gz", GOOD, member)
    with pytest.raises(UserError) as caught, open_scores(path):
        pass
    assert message in str(caught.value) and "refused" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert everything_below(workplace) == ["scores.tar.gz", "spared.txt", "unpack"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_links_are_left_out_and_reported(workplace, caplog, kind):
    spared = workplace / "spared.txt"
    members = [
        GOOD,
        ("top/out", kind, str(spared)),
        ("top/out", tarfile.REGTYPE, ""),  # would be written through the link
        ("top/up", kind, "../.."),
        ("top/up/tune.ly", tarfile.REGTYPE, ""),  # would be written above
        ("top/self", kind, "top/self"),
        ("top/inner.ly", kind, "tune.ly"),
    ]
    with open_scores(archive(workplace / "scores.tar.gz", *members)) as found:
        assert [source.piece for source in found] == ["tune", "up__tune"]
        top = found[0].root
        assert everything_below(top) == ["out", "tune.ly", "up", "up/tune.ly"]
        assert not any(path.is_symlink() for path in top.rglob("*"))
    assert spared.read_text() == "spared"
    assert everything_below(workplace) == ["scores.tar.gz", "spared.txt", "unpack"]
    assert caplog.messages == [
        f"left out: {workplace / 'scores.tar.gz'}: the link top/out and 3 more",
        f"left out: out: {NO_KIND}",
    ]


def test_damaged_archives_get_one_line(workplace):
    path = workplace / "scores.tar.gz"
    archive(path, *[(f"top/{i}.ly", tarfile.REGTYPE, "") for i in range(200)])
    whole = path.read_bytes()
    clash = archive(workplace / "clash.tar", ("a", tarfile.REGTYPE, ""), ("a/b.ly", b"0", ""))
    for name, content in (
        ("cut.tar.gz", whole[: len(whole) // 2]),
        ("bent.tar.gz", whole[:100] + b"\0\xff" * 20 + whole[140:]),
        ("none.tar", b"nothing of the kind"),
        ("none.tar.xz", b"\xfd7zXZ\0garbage"),
        ("clash.tar", None),
    ):
        if content is not None:
            (workplace / name).write_bytes(content)
        with pytest.raises(UserError, match="not a readable tar archive") as caught:
            with open_scores(str(workplace / name)):
                pass
        assert "\n" not in str(caught.value)
    assert clash.endswith("clash.tar") and not list((workplace / "unpack").iterdir())


@pytest.mark.parametrize("name", ["empty.tar", "empty.tar.gz", "empty.zip"])
def test_an_empty_archive_is_called_so(workplace, name):
    (workplace / name).touch()
    with pytest.raises(UserError, match=f"{name}: is an empty file"):
        with unpacked(workplace / name):
            pass


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("a/" * 51 + "b.ly", tarfile.REGTYPE, "")], "nested more than 50 deep"),
        ([(f"{number}", tarfile.DIRTYPE, "") for number in range(6)], "more than 5 files"),
        ([(f"{number}.ly", tarfile.REGTYPE, "") for number in range(5)], "more than .* GiB"),
    ],
)
def test_archives_too_large_or_deep_are_refused(workplace, monkeypatch, members, message):
    monkeypatch.setattr(archives, "MAX_MEMBERS", 5)
    monkeypatch.setattr(archives, "MAX_UNPACKED", 4 * len(TEXT))
    path = archive(workplace / "scores.tar.gz", *members)
    with pytest.raises(UserError, match=message), open_scores(path):
        pass
    assert not list((workplace / "unpack").iterdir())


def test_a_few_bytes_do_not_fill_disk_or_memory(workplace):
    """Gigabytes of zeros, as content and as the name of a member."""
    path = workplace / "zeros.tar.gz"
    huge = 6 * 2**30
    for kind, message in ((tarfile.REGTYPE, "more than 4 GiB"), (tarfile.GNUTYPE_LONGNAME, "name")):
        info = tarfile.TarInfo("zeros.ly")
        info.type, info.size = kind, huge
        path.write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(2**20)))
        with pytest.raises(UserError, match=message), open_scores(str(path)):
            pass
    assert not list((workplace / "unpack").iterdir())


def test_a_full_disk_while_unpacking_is_said(workplace, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = archive(workplace / "scores.tar.gz", GOOD)
    monkeypatch.setattr(archives.shutil, "copyfileobj", full)
    with pytest.raises(UserError, match="no space is left on the disk"), open_scores(path):
        pass
    assert not list((workplace / "unpack").iterdir())


def test_archives_are_told_by_name():
    for name in ("a.tar", "a.tar.gz", "a.TGZ", "a.tar.xz", "a.zip", "My Scores.ZIP"):
        assert is_archive(archives.Path(name))
    for name in ("a.gz", "zip", "a.zip.pdf", "a.mxl"):
        assert not is_archive(archives.Path(name))


def test_a_zip_archive_is_unpacked_as_its_maker_meant(workplace, caplog):
    path = zipped(
        workplace / "Scores.ZIP",
        ("Bach/", stat.S_IFDIR | 0o755, ""),
        ("Bach/air.pdf", FILE, b"air" * 10_000),
        ("Bach\\Suite\\1.png", 0, b"page"),
        ("Bäch/ü.pdf", FILE, b"u"),
        ("__MACOSX/Bach/._air.pdf", FILE, b"fork"),
        ("Bach/out", stat.S_IFLNK | 0o777, str(workplace / "spared.txt")),
        ("Bach/out2", stat.S_IFLNK | 0o777, ".."),
    )
    with unpacked(path) as folder:
        assert everything_below(folder) == sorted(
            [
                *("Bach", "Bach/Suite", "Bach/Suite/1.png", "Bach/air.pdf", "Bäch", "Bäch/ü.pdf"),
                *("__MACOSX", "__MACOSX/Bach", "__MACOSX/Bach/._air.pdf"),
            ]
        )
        assert (folder / "Bach/air.pdf").read_bytes() == b"air" * 10_000
        assert not any(found.is_symlink() for found in folder.rglob("*"))
    assert caplog.messages == [f"left out: {path}: the link Bach/out and 1 more"]
    # A single folder is what the archive stands for, whatever Apple puts beside it.
    path = zipped(
        workplace / "one.zip", ("S/a.ly", FILE, TEXT), (".x", FILE, b""), ("__MACOSX/._S", 0, b"")
    )
    with open_scores(str(path)) as [source]:
        assert source.piece == "a" and source.root.name == "S"
    assert not list((workplace / "unpack").iterdir())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../tune.ly", "'../tune.ly' leads out of it"),
        ("..\\tune.ly", "'../tune.ly' leads out of it"),
        ("top/../../tune.ly", "leads out of it"),
        ("/tmp/tune.ly", "'/tmp/tune.ly' leads out of it"),
        ("top/a\n\x1b[2J/../..", r"'top/a\n\x1b[2J/../..' leads out of it"),
        ("a/" * 51 + "b.ly", "nested more than 50 deep"),
    ],
)
def test_members_of_zip_archives_that_escape_are_refused(workplace, name, message):
    path = zipped(workplace / "scores.zip", ("top/tune.ly", FILE, TEXT), (name, FILE, TEXT))
    with pytest.raises(UserError) as caught, unpacked(path):
        pass
    assert message in str(caught.value) and "refused" in str(caught.value)
    assert str(caught.value).isprintable()
    assert everything_below(workplace) == ["scores.zip", "spared.txt", "unpack"]


def test_damaged_and_odd_zip_archives_get_one_line(workplace):
    whole = zipped(workplace / "whole.zip", *[(f"{i}.ly", FILE, TEXT) for i in range(99)])
    data = whole.read_bytes()
    with zipfile.ZipFile(workplace / "bz.zip", "w", zipfile.ZIP_BZIP2) as opened:
        opened.writestr("a.ly", TEXT)
    secret = bytearray(zipped(workplace / "x.zip", ("a.ly", FILE, TEXT)).read_bytes())
    secret[6] |= 1  # says, here and in the directory, that the file is encrypted
    secret[secret.index(b"PK\1\2") + 8] |= 1
    (workplace / "folder.zip").mkdir()
    for name, content, message in (
        ("cut.zip", data[: len(data) // 2], "not a zip file"),
        ("bent.zip", data[:40] + b"\xff" * 9 + data[49:], ""),
        ("none.zip", b"nothing of the kind", "not a zip file"),
        ("bz.zip", None, "a.ly: compressed otherwise than by deflate"),
        ("secret.zip", bytes(secret), "encrypted"),
        ("clash.zip", None, ""),
    ):
        if name == "clash.zip":
            zipped(workplace / name, ("a", FILE, TEXT), ("a/b.ly", FILE, TEXT))
        elif content is not None:
            (workplace / name).write_bytes(content)
        with pytest.raises(UserError, match=f"not a readable zip archive.*{message}") as caught:
            with unpacked(workplace / name):
                pass
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="folder.zip: not a readable zip archive"):
        with unpacked(workplace / "folder.zip"):
            pass
    assert not list((workplace / "unpack").iterdir())


def test_zip_archives_too_large_are_refused(workplace, monkeypatch):
    """More bytes or files than there is room for, and a directory of gigabytes, said or real."""
    bomb = zipped(workplace / "bomb.zip", *[(f"{n}", FILE, bytes(2**20)) for n in range(64)])
    assert bomb.stat().st_size < 2**18
    monkeypatch.setattr(archives, "MAX_UNPACKED", 2**24)
    with pytest.raises(UserError, match="holds more than 0.0156.* GiB"), unpacked(bomb):
        pass
    monkeypatch.setattr(archives, "MAX_MEMBERS", 5)
    with pytest.raises(UserError, match="holds more than 5 files"), unpacked(bomb):
        pass
    # A file that says that it is small and is not gives what it says, and is damaged then.
    data = bytearray(zipped(workplace / "liar.zip", ("a", FILE, bytes(2**20))).read_bytes())
    struct.pack_into("<L", data, data.index(b"PK\1\2") + 24, 10)
    (workplace / "liar.zip").write_bytes(data)
    with pytest.raises(UserError, match="not a readable zip archive"):
        with unpacked(workplace / "liar.zip"):
            pass
    monkeypatch.setattr(archives, "_LONGEST_DIRECTORY", 100)
    with pytest.raises(UserError, match="a directory of [0-9,]+ bytes"), unpacked(bomb):
        pass
    assert not list((workplace / "unpack").iterdir())
