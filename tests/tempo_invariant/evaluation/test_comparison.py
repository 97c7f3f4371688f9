"""Differences of reports: counted by hand, paired over pieces; what is no report."""

import json

import pytest

from tempo_invariant.errors import UserError
from tempo_invariant.evaluation import comparison

DIRECTIONS = ("audio to sheet", "sheet to audio")


def report(**found):
    """A report of two pieces of 10 and 30 pairs; `found` has R@1 of each, MRR is a tenth above."""
    pairs = {"a": 10, "b": 30}
    piece_results = {
        name: {"pairs": count}
        | dict.fromkeys(DIRECTIONS, {"r@1": found[name], "mrr": found[name] + 0.1})
        for name, count in pairs.items()
    }
    mean = sum(pairs[name] * found[name] for name in pairs) / sum(pairs.values())
    values = {"r@1": [mean, 0.0, 1.0], "mrr": [mean + 0.1, 0.0, 1.0]}
    return {"piece_results": piece_results, "results": dict.fromkeys(DIRECTIONS, values)}


def test_a_difference_is_that_of_the_pairs_and_its_interval_that_of_paired_pieces():
    # Each piece gains a fifth, though one is twice as hard as the other: nothing is left to chance.
    found = comparison.differences(report(a=0.6, b=0.8), report(a=0.4, b=0.6))
    for values in found.values():
        assert values["r@1"] == pytest.approx([0.2, 0.2, 0.2])
        assert values["mrr"] == pytest.approx([0.2, 0.2, 0.2])
    # One gains, the other loses: by pairs 0.25 * 0.4 - 0.75 * 0.2, by one of them alone the ends.
    found = comparison.differences(report(a=0.8, b=0.5), report(a=0.4, b=0.7))
    assert list(found) == list(DIRECTIONS)
    for values in found.values():
        assert values["r@1"] == values["mrr"] == pytest.approx([-0.05, -0.2, 0.4])


def test_the_table_has_a_row_a_report_and_differences_to_the_first():
    reports = [report(a=0.4, b=0.6), report(a=0.6, b=0.8)]
    header, _, first, second = comparison.table(reports, ["with", "without"]).splitlines()
    columns = [f"{way}: {name} | difference" for way in DIRECTIONS for name in ("R@1", "MRR")]
    assert header == f"|  | {' | '.join(columns)} |"
    there = "55.0 [0.0, 100.0] |  | 0.650 [0.000, 1.000] | "
    assert first == f"| with | {there} | {there} |"
    there = "75.0 [0.0, 100.0] | 20.0 [20.0, 20.0] | 0.850 [0.000, 1.000] | 0.200 [0.200, 0.200]"
    assert second == f"| without | {there} | {there} |"


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[1]",
        '{"piece_results": 1}',
        '{"conditions": []}',
        '{"piece_results": {"a": {"pairs": 1}}}',
        json.dumps(report(a=0.1, b=0.2) | {"piece_results": {}}),
        json.dumps(report(a=0.1, b=0.2) | {"results": {DIRECTIONS[0]: {"r@1": [0.1, 0, 1]}}}),
        json.dumps(report(a=0.1, b=0.2) | {"results": dict.fromkeys(DIRECTIONS, {"r@1": [0.1]})}),
    ],
)
def test_what_is_no_report_is_named(tmp_path, text):
    (tmp_path / "first.json").write_text(json.dumps(report(a=0.1, b=0.2)))
    paths = [tmp_path / "first.json", tmp_path / "other.json"]
    paths[1].write_text(text)
    with pytest.raises(UserError, match="other.json: no report of evaluate"):
        comparison.read_reports(paths)


def test_reports_of_other_pairs_are_not_compared(tmp_path):
    one, other = report(a=0.1, b=0.2), report(a=0.1, b=0.2)
    other["piece_results"]["b"]["pairs"] = 29
    paths = [tmp_path / "one.json", tmp_path / "other.json"]
    for path, content in zip(paths, (one, other), strict=True):
        path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"other.json: has other pieces or pairs than .*one.json"):
        comparison.read_reports(paths)
    paths[1].write_text(json.dumps(one))
    assert comparison.read_reports(paths) == [one, one]
