"""Splits by name and by file, and the published one."""

import re
from pathlib import Path

import pytest

import tempo_invariant
from tempo_invariant import flag_sets
from tempo_invariant.errors import UserError
from tfrecords_tools.records import splits

PUBLISHED = Path(tempo_invariant.__file__).parent / "data" / "splits"

_SONG_OF_A_SET = re.compile(r"([^_]+(?:_[^_]+)*)__([^_]+(?:_[^_]+)*)__.*__lc\d+$")
_MOVEMENT = re.compile(r"([a-z]+-[a-z]+--.*--\d{3})-\d{3}(?:-pc\d)?_")
"""Composer and set of a song, source and number of a work of several movements."""


def test_hash_split_is_stable_and_leaves_no_split_empty():
    names = [f"piece-{number}" for number in range(2000)]
    split = splits.hash_split(names)
    assert sorted(sum(split.values(), [])) == sorted(names)
    assert abs(len(split["test"]) - 200) < 45 and abs(len(split["valid"]) - 200) < 45
    fewer = splits.hash_split(names[::2])
    assert all(set(fewer[name]) <= set(split[name]) for name in split)
    for count in range(3, 20):
        small = splits.hash_split(names[:count])
        assert all(small.values()) and len(sum(small.values(), [])) == count


def test_names_are_read_as_they_are_written(tmp_path):
    path = tmp_path / "split.yaml"
    path.write_text("train: [1e3, 2020-01-01, no, 'a b']\nvalid:\ntest: []\n")
    expected = {"train": ["1e3", "2020-01-01", "no", "a b"], "valid": [], "test": []}
    assert splits.read_split(path) == expected


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"7", b"- train", b"train: 7", b"train: piece", b"train: {a: b}", b"train: [[a]]"),
        *(b"train: [{a: b}]", b"{[a]: [b]}", b"other: [a]", b"train: [a]\ntrain: [b]"),
        *(b"\xff\xfe\x00", b"train: [a", b"&a [*a]", b"train: &a [*a]", b"train: " + 9999 * b"["),
        b"a: &a [x, x]\nb: &b [*a, *a]\ntrain: [*b, *b]",
    ],
)
def test_a_file_that_is_no_split_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "split.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"^{path}: not (readable|a split file)") as caught:
        splits.read_split(path)
    assert str(caught.value).isprintable()


def test_a_piece_is_in_one_split(tmp_path):
    path = tmp_path / "split.yaml"
    path.write_text("train: [a, b]\ntest: [b]\n")
    with pytest.raises(UserError, match=f"^{path}: lists 'b' twice$"):
        splits.read_split(path)


def test_splits_of_several_collections_are_one(tmp_path):
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text("train: [a, b]\ntest: [c]\n")
    second.write_text("train: [d]\nvalid: [e]\n")
    expected = {"train": ["a", "b", "d"], "valid": ["e"], "test": ["c"]}
    assert splits.read_splits([first, second]) == expected
    second.write_text("train: [d]\nvalid: [c]\n")
    with pytest.raises(UserError, match=f"^{second}: lists 'c', which is in a file before it$"):
        splits.read_splits([first, second])


def test_the_published_split_and_its_lists_belong_together():
    split = splits.read_split(PUBLISHED / "msmd_all_split.yaml")
    assert [len(split[name]) for name in ("train", "valid", "test")] == [354, 19, 94]
    test_pieces, follow_pieces = (
        flag_sets.read_names([f"@{PUBLISHED / name}"]) for name in ("test_pieces", "follow_pieces")
    )
    assert test_pieces == sorted(split["test"])
    assert follow_pieces == test_pieces[::5]
    assert flag_sets.read_names(["@test_pieces"]) == test_pieces  # found by its name


def test_the_split_for_verovio_keeps_sets_of_songs_and_sources_whole():
    published, engraved = (
        splits.read_split(PUBLISHED / f"{name}_split.yaml") for name in ("msmd_all", "verovio")
    )
    assert [len(engraved[name]) for name in ("train", "valid", "test")] == [2030, 113, 94]
    assert not {*sum(published.values(), [])} & {*sum(engraved.values(), [])}
    parts: dict[tuple[str, ...], set[str]] = {}
    for part, pieces in engraved.items():
        for piece in pieces:
            found = _SONG_OF_A_SET.match(piece) or _MOVEMENT.match(piece)
            if found:
                parts.setdefault(found.groups(), set()).add(part)
    assert len(parts) > 200 and all(len(found) == 1 for found in parts.values())
