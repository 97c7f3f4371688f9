"""Tests of telling files of notation apart, and of what may be wrong with them."""

import io
import zipfile

import pytest

from tempo_invariant.errors import UserError
from tempo_invariant.scores import notation_files
from tempo_invariant.scores.notation_files import is_notation, read_notation
from tests import notation_scores

TIMEWISE = "<score-timewise version='3.0'/>"
MANY_VOICES = notation_scores.ABC.replace("K:D\n", "K:D\nV:1\n") + "V:2\nD3|D3|D3|\n"

ENTITIES = "".join(f'<!ENTITY e{i + 1} "{f"&e{i};" * 10}">' for i in range(9))
BOMB = (
    f'<!DOCTYPE score-partwise [<!ENTITY e0 "lol">{ENTITIES}]><score-partwise>&e9;</score-partwise>'
)


def archive(**members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return stream.getvalue()


def read(tmp_path, content):
    path = tmp_path / "score"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_notation(path)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (notation_scores.MUSICXML, "musicxml"),
        (notation_scores.packed(), "musicxml"),
        (TIMEWISE, "musicxml"),
        (notation_scores.MEI, "mei"),
        (notation_scores.packed(notation_scores.MEI), "mei"),
        (notation_scores.KERN, "humdrum"),
        ("!! Title\n" + notation_scores.KERN.replace("\n", "\r\n"), "humdrum"),
        ("**dynam\t" + notation_scores.KERN, "humdrum"),
        (notation_scores.ABC, "abc"),
        ("%abc-2.1\n\n" + notation_scores.ABC, "abc"),
    ],
)
def test_the_format_is_told_by_the_content(tmp_path, content, kind):
    assert read(tmp_path, content)[0] == kind
    assert is_notation(tmp_path / "score")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_encodings(tmp_path, encoding):
    title = "<?xml version='1.0' encoding='{}'?>\n<score-partwise>Übung</score-partwise>"
    kind, text = read(tmp_path, title.format(encoding.removesuffix("-sig")).encode(encoding))
    assert (kind, text.strip()) == ("musicxml", "<score-partwise>Übung</score-partwise>")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is an empty file"),
        (b"a", "is neither MusicXML nor MEI, Humdrum [*][*]kern nor ABC"),
        (b"%PDF-1.7", "is neither MusicXML"),
        ("**text\nla\n*-\n", "is neither MusicXML"),
        ("<html/>", "is neither MusicXML nor MEI, but XML that begins with <html>"),
        ("<!-- -->", "is broken XML"),
        ("<score-partwise", "is broken XML"),
        (notation_scores.MUSICXML[:900], "is broken XML"),
        (BOMB, "is broken XML"),
        ("<opus/>", "is a list of scores [(]opus[)]; name the files that it lists"),
        (MANY_VOICES, "ABC with several voices"),
        (notation_scores.packed()[:-30], "not a readable MXL file"),
        (archive(notes="nothing"), "holds no score"),
        (b"PK\x03\x04" + bytes(100), "not a readable MXL file"),
    ],
)
def test_what_is_no_score_is_refused_in_one_line(tmp_path, content, message):
    with pytest.raises(UserError, match=message) as error:
        read(tmp_path, content)
    assert str(error.value).startswith(f"{tmp_path / 'score'}: ") and str(error.value).isprintable()
    assert is_notation(tmp_path / "score") == (content == b"")  # reading tells what is empty


def test_large_files_and_bombs_are_refused_before_they_are_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(notation_files, "MAX_BYTES", 2**20)
    with pytest.raises(UserError, match="larger than 1 MiB"):
        read(tmp_path, bytes(2**20 + 1))
    with pytest.raises(UserError, match="refused, holds a score larger than 1 MiB"):
        read(tmp_path, archive(**{"score.xml": "<!--" + " " * 2**21}))
    with pytest.raises(UserError, match="refused, holds a score larger than 1 MiB"):
        read(tmp_path, archive(**{"META-INF/container.xml": " " * 2**21, "score.xml": "<mei/>"}))
    with pytest.raises(UserError, match="no such file"):
        read_notation(tmp_path / "missing.krn")
    with pytest.raises(UserError, match="a folder, and no file"):
        read_notation(tmp_path)


def test_a_packed_file_reads_no_other_file(tmp_path):
    secret = tmp_path / "secret.xml"
    secret.write_text("<score-partwise>secret</score-partwise>")
    container = f'<c><rootfile full-path="{secret}"/><rootfile full-path="../secret.xml"/></c>'
    members = {"META-INF/container.xml": container, "score.xml": "<mei>own</mei>"}
    assert read(tmp_path, archive(**members)) == ("mei", "<mei>own</mei>")
