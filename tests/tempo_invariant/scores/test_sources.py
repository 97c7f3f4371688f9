"""Scores from hostile archives, tables and folders: nothing is written outside, one clear line."""

import contextlib
import errno
import gzip
import io
import os
import tarfile

import pytest

from tempo_invariant.errors import UserError
from tempo_invariant.scores import sources
from tempo_invariant.scores.engraving import engrave
from tempo_invariant.scores.sources import is_safe_name, list_sources, open_scores

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


GOOD = ("top/tune.ly", tarfile.REGTYPE, "")


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder in which archives are unpacked, one level down, with a file to be spared."""
    (tmp_path / "unpack").mkdir()
    (tmp_path / "spared.txt").write_text("spared")
    monkeypatch.setattr(sources.tempfile, "tempdir", str(tmp_path / "unpack"))
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
        assert [source.piece for source in found] == ["tune"]
        top = found[0].root
        assert everything_below(top) == ["out", "tune.ly", "up", "up/tune.ly"]
        assert not any(path.is_symlink() for path in top.rglob("*"))
    assert spared.read_text() == "spared"
    assert everything_below(workplace) == ["scores.tar.gz", "spared.txt", "unpack"]
    assert caplog.messages == [
        f"left out: {workplace / 'scores.tar.gz'}: the link top/out and 3 more"
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
        ("empty.tar", b""),
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


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("a/" * 51 + "b.ly", tarfile.REGTYPE, "")], "nested more than 50 deep"),
        ([(f"{number}", tarfile.DIRTYPE, "") for number in range(6)], "more than 5 files"),
        ([(f"{number}.ly", tarfile.REGTYPE, "") for number in range(5)], "more than .* GiB"),
    ],
)
def test_archives_too_large_or_deep_are_refused(workplace, monkeypatch, members, message):
    monkeypatch.setattr(sources, "MAX_MEMBERS", 5)
    monkeypatch.setattr(sources, "MAX_UNPACKED", 4 * len(TEXT))
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
    monkeypatch.setattr(sources.shutil, "copyfileobj", full)
    with pytest.raises(UserError, match="no space is left on the disk"), open_scores(path):
        pass
    assert not list((workplace / "unpack").iterdir())


@pytest.mark.parametrize(
    "row",
    [
        "../x\ttune.ly",
        "..\ttune.ly",
        ".\ttune.ly",
        "/x\ttune.ly",
        "a\\b\ttune.ly",
        "a\x1b[2J\ttune.ly",
        f"{'long' * 50}\ttune.ly",
        "x\t../spared.ly",
        "x\t/etc/passwd",
        "x\tlink.ly",
        "x\tfolder/../../spared.ly",
        "x\ttune\0.ly",
        f"x\t{'y' * 200_000}",
        "x",
        "x\ta\tb",
    ],
)
def test_tables_that_lead_out_are_refused(tmp_path, row):
    root = tmp_path / "tree"
    root.mkdir()
    (tmp_path / "spared.ly").write_bytes(TEXT)
    (root / "tune.ly").write_bytes(TEXT)
    (root / "link.ly").symlink_to(tmp_path / "spared.ly")
    (root / "PIECES.tsv").write_text(f"good\ttune.ly\n{row}\n")
    with pytest.raises(UserError, match="PIECES.tsv") as caught:
        list_sources(root)
    assert "\n" not in str(caught.value)


def test_names_of_pieces():
    for name in ("BachJS__BWV1__a", "a b", "Ünï", "x..y", "[a]*?", "-rf", "x" * 160):
        assert is_safe_name(name)
    for name in ("", ".", "..", ".x", "a/b", "a\\b", "a\nb", "a\0b", "\udcff", "x" * 161, "é" * 81):
        assert not is_safe_name(name)


def test_files_whose_names_would_replace_the_output_directory_are_no_pieces(tmp_path, caplog):
    (tmp_path / "tune.ly").write_bytes(TEXT)
    for name in ("..ly", "...ly", ".hidden.ly", "._tune.ly"):  # stems ".", "..", ...
        (tmp_path / name).write_bytes(TEXT)
    assert [source.piece for source in list_sources(tmp_path)] == ["tune"]
    with contextlib.suppress(OSError):  # not every file system takes such names
        (tmp_path / "a\nb.ly").write_bytes(TEXT)
        assert [source.piece for source in list_sources(tmp_path)] == ["tune"]
        assert caplog.messages == [rf"left out: {tmp_path}/a\nb.ly: cannot name a piece"]


def test_a_linked_score_outside_its_folder_is_refused(tmp_path):
    root = tmp_path / "scores"
    root.mkdir()
    (tmp_path / "tune.ly").write_bytes(TEXT)
    (root / "tune.ly").symlink_to(tmp_path / "tune.ly")
    [source] = list_sources(root)
    with pytest.raises(UserError, match="tune.ly: lies outside"):
        engrave(source.path, tmp_path / "work", source.root)


def test_a_score_with_an_odd_name_is_engraved(tmp_path):
    score = "\\version \"2.24.0\"\n\\score { { c'4 d' } \\layout { } \\midi { } }\n"
    name = '-a b\'ü[x] 50% "q" $HOME `id` #1'
    (tmp_path / "scores").mkdir()
    (tmp_path / "work").mkdir()
    (tmp_path / "scores" / f"{name}.ly").write_text(score)
    [source] = list_sources(tmp_path / "scores")
    engraving = engrave(source.path, tmp_path / "work", source.root)
    assert source.piece == name and not engraving.errors
    assert [len(page.heads) for page in engraving.pages] == [2] and len(engraving.midis) == 1
    assert everything_below(tmp_path / "scores") == [f"{name}.ly"]
