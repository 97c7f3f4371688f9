"""Snippets on disk."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from tempo_invariant.errors import UserError
from tempo_invariant.scores import strips
from tests.handmade import PIECE, head_box, make_piece
from tfrecords_tools.records import snippet_files


def test_one_snippet_per_onset_centred_on_the_head(tmp_path):
    make_piece(tmp_path / "msmd")
    count, problems = snippet_files.write_snippets(tmp_path / "msmd", tmp_path / "out")
    # Two pages of two systems; heads 0, 1, 2 and the chord of 4 and 5 sound (3 is tied).
    assert (count, problems) == (16, [])
    names = json.loads((tmp_path / "out/names.json").read_text())
    assert sorted(names) == sorted(p.name for p in (tmp_path / "out").glob("*.png"))
    place = {"piece": PIECE, "page": 2, "system": 2, "x": head_box(1, 1)[1] + 4.5}
    [name] = [name for name, value in names.items() if value == place]
    snippet = np.asarray(Image.open(tmp_path / "out" / name))
    assert snippet.shape == (160, 200) and snippet.dtype == np.uint8
    # The head is 9 x 7; the strip is cut 100 px above row 440, the snippet starts 20 px below.
    top = head_box(1, 1)[0] - 440 + 100 - 20
    rows, columns = np.nonzero(snippet == 10 * 2 + 1)
    assert (rows.min(), rows.max()) == (top, top + 6)
    assert abs((columns.min() + columns.max()) / 2 - 100) <= 1


def test_snippets_past_the_ends_are_paper():
    strip = np.zeros((200, 90), np.uint8)
    snippet = strips.cut_snippet(strip, 10.0)
    assert (snippet[:, :90] == 255).all() and (snippet[:, 90:180] == 0).all()
    assert (snippet[:, 180:] == 255).all()
    assert strips.cut_snippet(strip, 89.6).shape == (160, 200)


def test_every_limit_and_errors(tmp_path):
    make_piece(tmp_path / "msmd", pages=1)
    make_piece(tmp_path / "msmd", "Other__x", pages=1)
    write = snippet_files.write_snippets
    assert write(tmp_path / "msmd", tmp_path / "a", every=3)[0] == 6
    assert write(tmp_path / "msmd", tmp_path / "b", pieces=["Other__x"], limit=5)[0] == 5
    with pytest.raises(UserError, match="holds no piece 'None__x'"):
        write(tmp_path / "msmd", tmp_path / "c", pieces=["None__x"])
    with pytest.raises(UserError, match="no snippet .*not there in ink 'thin'"):
        write(tmp_path / "msmd", tmp_path / "c", ink="thin")
    (tmp_path / "msmd/Other__x/scores/Other__x_ly/mung/01.xml").write_text("<")
    count, [problem] = write(tmp_path / "msmd", tmp_path / "d")
    assert count == 8 and "01.xml" in problem


def test_names_of_pieces_of_any_length_and_bytes(tmp_path):
    make_piece(tmp_path / "msmd", "ä" * 100, pages=1)
    make_piece(tmp_path / "msmd", "x", pages=1).rename(tmp_path / "msmd" / os.fsdecode(b"x\xff\n"))
    count, problems = snippet_files.write_snippets(tmp_path / "msmd", tmp_path / "out")
    names = json.loads((tmp_path / "out/names.json").read_text())
    assert not problems and count == len(names) == 16
    assert {name.partition("_p01")[0] for name in names} == {"ä" * 80, "x__"}


def test_one_bad_piece_does_not_end_the_rest(tmp_path, monkeypatch):
    read = snippet_files.read_score

    def fail(path):
        if path.name == "b":
            raise IndexError("out of\nrange")
        return read(path)

    for name in "abc":
        make_piece(tmp_path / "msmd", name, pages=1)
    monkeypatch.setattr(snippet_files, "read_score", fail)
    count, problems = snippet_files.write_snippets(tmp_path / "msmd", tmp_path / "out")
    assert count == 16 and problems == ["b: IndexError: out of range"]
