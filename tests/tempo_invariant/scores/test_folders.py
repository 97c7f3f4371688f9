"""Folders of folders, as people and projects have them, and as nobody should."""

import os
import time

import pytest

from tempo_invariant.errors import UserError
from tempo_invariant.scores import folders, walking
from tempo_invariant.scores.folders import list_folder
from tempo_invariant.scores.walking import natural


def make(root, *names, text="nothing"):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def found(root):
    """Names with the names of their files."""
    return {s.name: [path.name for path in s.files] for s in list_folder(root).scores}


def left_out(root):
    """What is left out, with paths from the top."""
    listing = list_folder(root)
    assert all(line.isprintable() for line in listing.left_out_lines())
    return listing.left_out


def test_scores_lie_in_folders_of_folders_and_have_names_by_path(tmp_path):
    make(
        tmp_path,
        *("prelude.png", "fugue.PDF", "Chopin/op28/04.pdf", "Chopin/op28/15.pdf"),
        *("Chopin/op9/2/p10.jpg", "Chopin/op9/2/p9.jpg", "Chopin/op9/2/p1.tif"),
        *("Chopin/mixed/a.pdf", "Chopin/mixed/b.png", "Haydn/sonata/i/1.png"),
    )
    (tmp_path / "Haydn/empty/folders").mkdir(parents=True)
    assert found(tmp_path) == {
        "Chopin/mixed/a": ["a.pdf"],
        "Chopin/mixed/b": ["b.png"],
        "Chopin/op9/2": ["p1.tif", "p9.jpg", "p10.jpg"],
        "Chopin/op28/04": ["04.pdf"],
        "Chopin/op28/15": ["15.pdf"],
        "Haydn/sonata/i": ["1.png"],
        "fugue": ["fugue.PDF"],
        "prelude": ["prelude.png"],
    }
    assert list(found(tmp_path))[2:4] == ["Chopin/op9/2", "Chopin/op28/04"]
    assert not left_out(tmp_path)


def test_images_that_lie_loose_are_remarked_on(tmp_path):
    make(tmp_path, "1.png", "2.png", "cover.jpg", "song/1.png", "song/2.png", "mixed/a.pdf")
    make(tmp_path, "mixed/b.png")  # is alone, so it can be no page of another
    (note,) = list_folder(tmp_path).notes()
    assert note.startswith("1.png, 2.png, cover.jpg: each image is a score of its own; ")
    (tmp_path / "1.png").unlink()
    (tmp_path / "2.png").unlink()
    assert not list(list_folder(tmp_path).notes())


def test_people_count_in_natural_order():
    names = ["page 10", "page 2", "page 01", "page 1", "Page 3", "page", "2", "10", "²", "page 1b"]
    assert sorted(names, key=natural) == [
        *("2", "10", "Page 3", "page", "page 01", "page 1", "page 1b", "page 2", "page 10", "²"),
    ]


def test_of_files_of_one_name_the_best_is_used(tmp_path, monkeypatch):
    make(tmp_path, "a/waltz.ly", "a/piece-a4.ly", "a/piece-let.ly", text="{ c' }")
    make(tmp_path, "a/waltz.pdf", "a/waltz.png", "a/piece-a4.pdf", "a/piece-preview.png")
    make(tmp_path, "b/scan-let.pdf", "b/scan-a4.pdf", "b/scan.png", "b/for-letter-x.pdf", "b/x.pdf")
    make(tmp_path, "b/let.pdf", "b/preview.pdf", "b/other/waltz.pdf")
    make(tmp_path, "c/song.mxl", "c/song.mei", "c/song.pdf", "c/list.xml", "c/list.pdf", "c/x.abc")
    assert found(tmp_path) == {
        "a/piece-a4": ["piece-a4.ly"],
        "a/waltz": ["waltz.ly"],
        "b/let": ["let.pdf"],
        "b/other/waltz": ["waltz.pdf"],
        "b/preview": ["preview.pdf"],
        "b/scan": ["scan.png"],
        "b/x": ["x.pdf"],
        "c/list": ["list.pdf"],
        "c/song": ["song.mxl"],
        "c/x": ["x.abc"],
    }
    same = "the LilyPond file of the same name comes first"
    paper = "the same for another size of paper is used"
    assert left_out(tmp_path) == {
        same: ["a/piece-a4.pdf", "a/piece-preview.png", "a/waltz.pdf", "a/waltz.png"],
        f"the {folders.NOTATION} of the same name comes first": ["c/song.mei", "c/song.pdf"],
        "XML that is neither MusicXML nor MEI": ["c/list.xml"],
        paper: ["a/piece-let.ly", "b/for-letter-x.pdf", "b/scan-a4.pdf", "b/scan-let.pdf"],
    }
    # Where LilyPond is missing, other files of the same name stand in.
    monkeypatch.setattr(folders.importlib.util, "find_spec", lambda name: None)
    names = found(tmp_path)
    assert names["a/waltz"] == ["waltz.pdf"] and names["a/waltz.png"] == ["waltz.png"]
    assert names["a/piece-a4"] == ["piece-a4.pdf"]
    reason = 'needs LilyPond: pip install "tempo-invariant[lilypond]"'
    assert left_out(tmp_path)[reason] == ["a/piece-a4.ly", "a/piece-let.ly", "a/waltz.ly"]


def test_names_stay_apart(tmp_path):
    make(tmp_path, "b.png", "b.pdf", "b/1.png", "c.pdf", "c.jpg", "d.tif/1.png", "d.tif/x/2.png")
    make(tmp_path, "d.pdf")
    assert found(tmp_path) == {
        "b": ["1.png"],
        "b.pdf": ["b.pdf"],
        "b.png": ["b.png"],
        "c": ["c.pdf"],
        "c.jpg": ["c.jpg"],
        "d": ["d.pdf"],
        "d.tif": ["1.png"],
        "d.tif/x": ["2.png"],
    }


def test_a_checkout_of_mutopia(tmp_path):
    """Folders, include files, fragments, variants and by-products as there are in it."""
    ftp = tmp_path / "ftp"
    piece = '\\version "2.18.2"\n\\score { { c\'4 } \\layout { } \\midi { } }\n'
    definitions = '\\version "2.18.2"\nupper = \\relative c\' { c4 }\n'
    make(tmp_path, "README.md", "Makefile", ".git/objects/ab/12.png", ".travis.yml")
    make(ftp, "ChopinFF/O28/Chop-28-1/Chop-28-1.ly", text=piece)
    make(ftp, "ChopinFF/O28/Chop-28-1/Chop-28-1.mid", "ChopinFF/O28/Chop-28-1/Chop-28-1.rdf")
    rondo = ftp / "BeethovenLv/O129/rondo/rondo-lys"
    make(rondo, "rondo.ly", text='\\include "defs.ly"\n\\include "pA.ly"\n' + piece)
    make(rondo, "defs.ly", "pA.ly", "unused.ly", text=definitions)
    moonlight = ftp / "BeethovenLv/O27/moonlight/moonlight-lys"
    for number in (1, 2):
        common = f'\\include "moonlight{number}.ly"\n\\paper {{ }}\n'
        make(moonlight, f"moonlight{number}-a4.ly", f"moonlight{number}-let.ly", text=common)
        make(moonlight, f"moonlight{number}.ly", text=piece)
    suite = ftp / "BachJS/BWV814/suite/suite-lys"
    include = '\\include "../header.ily"\n' + piece
    make(suite, "parts/gavotte.ly", "parts/menuet.ly", text=include)
    make(suite, "header.ily", "notes.lyi", text='\\header { title = "x" }')
    partita = ftp / "BachJS/BWV825/1-Partita/1-Partita-lys"
    make(partita, "10title-hub.ly", text='\\header { }\n\\include "10hub.ly"\n')
    make(partita, "10hub.ly", text='\\include "11hub.ly"\n\\include "12hub.ly"\n')
    make(partita, "11hub.ly", "12hub.ly", text=piece)
    make(partita, "11title-hub.ly", text='\\header { }\n\\include "11hub.ly"\n')
    # What lacks a score by itself and is included by another one only in a comment.
    make(ftp, "MozartWA/x/x.ly", text='% \\include "../y/y.ly"\n' + piece)
    make(ftp, "MozartWA/y/y.ly", text="{ c'4 d' }\n")

    listing = list_folder(tmp_path)
    assert [score.name for score in listing.scores] == [
        "ftp/BachJS/BWV814/suite/suite-lys/parts/gavotte",
        "ftp/BachJS/BWV814/suite/suite-lys/parts/menuet",
        "ftp/BachJS/BWV825/1-Partita/1-Partita-lys/10title-hub",
        "ftp/BachJS/BWV825/1-Partita/1-Partita-lys/11title-hub",
        "ftp/BeethovenLv/O27/moonlight/moonlight-lys/moonlight1-a4",
        "ftp/BeethovenLv/O27/moonlight/moonlight-lys/moonlight2-a4",
        "ftp/BeethovenLv/O129/rondo/rondo-lys/rondo",
        "ftp/ChopinFF/O28/Chop-28-1/Chop-28-1",
        "ftp/MozartWA/x/x",
        "ftp/MozartWA/y/y",
    ]
    by_name = {score.name.rpartition("/")[2]: score for score in listing.scores}
    assert [path.name for path in by_name["rondo"].files] == ["rondo.ly", "defs.ly", "pA.ly"]
    assert by_name["menuet"].files[1] == suite / "header.ily"
    assert {score.root for score in listing.scores} == {tmp_path}
    assert list(listing.left_out_lines()) == [
        "Makefile, README.md, ftp/ChopinFF/O28/Chop-28-1/Chop-28-1.mid "
        f"and 1 more: {folders.NO_KIND}",
        # header, notes; 10hub, 11hub, 12hub; moonlight1 and 2; defs, pA, unused
        "10 files: parts of other LilyPond files, or without music of their own",
        "ftp/BeethovenLv/O27/moonlight/moonlight-lys/moonlight1-let.ly, "
        "ftp/BeethovenLv/O27/moonlight/moonlight-lys/moonlight2-let.ly: "
        "the same for another size of paper is used",
    ]


def test_what_commands_of_ours_have_made_is_no_score(tmp_path):
    make(tmp_path, "waltz.pdf", "old-index/index.json", "old-index/vectors.npy", "old-index/1.png")
    make(tmp_path / "waltz-index", "catalogue.txt", "vectors-000001.bin", "pages/000000_001.png")
    make(tmp_path / "takes/take-answer", "answer.json", "answer.html", "page.png")
    make(tmp_path / "takes/take-followed", "follow.json", "follow.html", "page.png")
    make(tmp_path / "run", "experiment.json", "best.weights.h5", "curves.png")
    make(tmp_path, "export/1/saved_model.pb", "mine/index.json", "mine/catalogue.txt", "mine/a.pdf")
    make(tmp_path, "records/dataset_info.json", "queries/queries.json")
    make(tmp_path, "msmd/P/P.ly", "msmd/P/scores/P_ly/mung/01.xml", "msmd/P/scores/P_ly/img/01.png")
    make(tmp_path, "my/scores/1.png")
    assert list(found(tmp_path)) == ["mine/a", "my/scores", "waltz"]
    assert left_out(tmp_path) == {
        folders.NO_KIND: ["mine/catalogue.txt", "mine/index.json"],
        "an exported model": ["export/1"],
        "a piece of an MSMD directory, which is given by itself": ["msmd/P"],
        "a query set": ["queries"],
        "records": ["records"],
        "a training run": ["run"],
        "an answer": ["takes/take-answer"],
        "a recording with its score": ["takes/take-followed"],
        "an index": ["old-index", "waltz-index"],
    }
    with pytest.raises(UserError, match="waltz-index: is an index, and no folder of scores"):
        list_folder(tmp_path / "waltz-index")


def test_what_is_hidden_linked_or_odd_does_no_harm(tmp_path):
    make(tmp_path, "b/1.pdf", "__MACOSX/b/._1.pdf", ".git/2.pdf", "b/.3.pdf", "deep/4.pdf")
    (tmp_path / "b/up").symlink_to("..")
    (tmp_path / "a").symlink_to("b")  # is listed as b, though it comes before
    (tmp_path / "self.pdf").symlink_to("self.pdf")
    (tmp_path / "lost.pdf").symlink_to("nowhere")
    (tmp_path / "d.pdf").symlink_to("b/1.pdf")
    os.mkfifo(tmp_path / "pipe.ly")
    outside = make(tmp_path.parent / f"{tmp_path.name}-outside", "6.pdf")
    (tmp_path / "linked").symlink_to(outside)
    assert list(found(tmp_path)) == ["b/1", "d", "deep/4", "linked/6"]
    assert left_out(tmp_path) == {
        "a link that leads nowhere": ["lost.pdf", "self.pdf"],
        "a pipe or device, and no file": ["pipe.ly"],
        "a link to a folder that is there already": ["b/up", "a"],
    }


def test_folders_that_cannot_be_read_or_are_too_deep_are_named(tmp_path, monkeypatch):
    make(tmp_path, "a/1.pdf", "locked/2.pdf", "/".join("x" * 52) + "/3.pdf", "x/4.pdf")
    scandir = os.scandir

    def refuse(path):  # permissions do not keep the superuser out, who may run the tests
        if os.fspath(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(walking.os, "scandir", refuse)
    assert list(found(tmp_path)) == ["a/1", "x/4"]
    assert left_out(tmp_path) == {
        "cannot be read (Permission denied)": ["locked"],
        "nested more than 50 folders deep": ["/".join("x" * 51)],
    }
    with pytest.raises(UserError, match=r"locked: cannot be read \(Permission denied\)"):
        list_folder(tmp_path / "locked")
    monkeypatch.setattr(walking, "MAX_FILES", 4)
    with pytest.raises(UserError, match="holds more than 4 files"):
        list_folder(tmp_path)


def test_odd_names_are_printable_and_stay_apart(tmp_path):
    names = (b"a\nb.pdf", b"\xe9\x1b[2J/1.png", b"\xe2\x80\xaegnp.exe/x.pdf", "שלום.pdf".encode())
    names += (b"a\\nb.pdf", b"-rf.pdf", b"<b>&.pdf", b"%s{0}.pdf", b"n" * 250 + b".pdf")
    for name in names:
        path = os.path.join(os.fsencode(tmp_path), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb"):
            pass
    listing = list_folder(tmp_path)
    assert {score.name for score in listing.scores} == {
        *("a\\nb", "a\\nb.pdf", "\\xe9\\x1b[2J", "\\u202egnp.exe/x", "שלום"),
        *("-rf", "<b>&", "%s{0}", "n" * 250),
    }
    assert all(path.is_file() for score in listing.scores for path in score.files)


def test_ten_thousand_files_take_no_time(tmp_path):
    for folder in range(100):
        (tmp_path / f"{folder}").mkdir()
        for number in range(100):
            (tmp_path / f"{folder}/{number}.pdf").touch()
    started = time.process_time()
    listing = list_folder(tmp_path)
    assert time.process_time() - started < 3
    assert [score.name for score in listing.scores][98:103] == ["0/98", "0/99", "1/0", "1/1", "1/2"]
    assert len(listing.scores) == 10_000 and not listing.left_out
