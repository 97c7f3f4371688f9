"""Splits by name and by file, and the published one."""

from pathlib import Path

import tempo_invariant
from tempo_invariant import commands
from tfrecords_tools.records import splits

PUBLISHED = Path(tempo_invariant.__file__).parent / "data" / "splits"


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


def test_the_published_split_and_its_lists_belong_together():
    split = splits.read_split(PUBLISHED / "msmd_all_split.yaml")
    assert [len(split[name]) for name in ("train", "valid", "test")] == [354, 19, 94]
    test_pieces, follow_pieces = (
        commands.read_names([f"@{PUBLISHED / name}"]) for name in ("test_pieces", "follow_pieces")
    )
    assert test_pieces == sorted(split["test"])
    assert follow_pieces == test_pieces[::5]
