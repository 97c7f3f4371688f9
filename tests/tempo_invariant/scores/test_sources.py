"""Pieces of a build from tables and folders that mean harm: one clear line."""

import contextlib
import zipfile

import pytest

from tempo_invariant.errors import UserError
from tempo_invariant.scores.engraving import engrave
from tempo_invariant.scores.piece_table import is_safe_name
from tempo_invariant.scores.sources import list_sources, open_scores, piece_name, select

TEXT = b"{ c'4 }\n"


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
        assert caplog.messages == [r"left out: a\nb.ly: cannot name a piece, or names another one"]


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
    assert [path.name for path in (tmp_path / "scores").iterdir()] == [f"{name}.ly"]


def test_pieces_of_folders_of_folders_are_single_folders(tmp_path, caplog):
    for name in ("Chopin/op28/04.ly", "Chopin__op28__04.ly", "Bach/.x.ly", "a/b.ly"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(TEXT)
    (tmp_path / "a/scan.pdf").write_bytes(b"")
    (tmp_path / f"{'n' * 200}.ly").write_bytes(TEXT)
    sources = list_sources(tmp_path)
    assert [(source.piece, source.path) for source in sources] == [
        ("Chopin__op28__04", tmp_path / "Chopin/op28/04.ly"),
        ("a__b", tmp_path / "a/b.ly"),
    ]
    assert all(source.root == tmp_path and is_safe_name(source.piece) for source in sources)
    assert piece_name("Chopin/op28/04") == sources[0].piece
    assert caplog.messages == [
        f"left out: Chopin__op28__04.ly, {'n' * 200}.ly: cannot name a piece, or names another one",
        "left out: a/scan.pdf: no notes to build a piece from",
    ]
    assert [source.piece for source in select(sources, ["a__b"], None)] == ["a__b"]


def test_a_zip_archive_or_a_file_is_a_collection_too(tmp_path):
    (tmp_path / "tune.ly").write_bytes(TEXT)
    with zipfile.ZipFile(tmp_path / "scores.zip", "w") as opened:
        opened.write(tmp_path / "tune.ly", "top/folder/tune.ly")
        opened.write(tmp_path / "tune.ly", "top/march.ly")
    with open_scores(str(tmp_path / "scores.zip")) as sources:
        assert [source.piece for source in sources] == ["folder__tune", "march"]
    with open_scores(str(tmp_path / "tune.ly")) as [source]:
        assert source.piece == "tune"
    (tmp_path / "tune.pdf").write_bytes(b"")
    with pytest.raises(UserError, match="tune.wav: neither a directory nor a tar or zip"):
        with open_scores(str(tmp_path / "tune.wav")):
            pass


def test_pages_alone_are_told_to_have_no_notes(tmp_path, caplog):
    for name in ("tune.pdf", "scans/1.png", "scans/2.png"):
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_bytes(b"")
    message = "mine: PDF pages and images have no notes to learn from, and it holds no LilyPond"
    with pytest.raises(UserError, match=message), open_scores(str(tmp_path / "mine")):
        pass
    message = (
        "tune.pdf: PDF pages and images have no notes to learn from; wanted is a LilyPond file"
    )
    with pytest.raises(UserError, match=message):
        with open_scores(str(tmp_path / "mine/tune.pdf")):
            pass
    assert not caplog.messages  # the one line says it
