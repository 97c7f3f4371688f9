"""Training curves: what is drawn is what the histories hold."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tempo_invariant.errors import UserError
from tempo_invariant.training import curves

ROOT = Path(__file__).parents[3]


def write_history(path: Path, mrr: list[float], loss: float = 0.4) -> Path:
    path.mkdir()
    lines = [
        {
            "epoch": epoch,
            "pairs": 1000 * epoch,
            "loss": loss / epoch,
            "val_mrr": value,
            "val_r@1": value / 2,
            "seconds": 1800.0,
        }
        for epoch, value in enumerate(mrr, start=1)
    ]
    (path / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture
def runs(tmp_path):
    rising = write_history(tmp_path / "rising", [0.1, 0.3, 0.5])
    falling = write_history(tmp_path / "falling", [0.2, 0.6, 0.4, 0.3], loss=4.0)
    return rising, falling


def test_lines_and_dots_are_those_of_the_histories(runs):
    drawing = curves.figure(curves.read(runs))
    expected = {"rising": ([0.1, 0.3, 0.5], 2, 0.4), "falling": ([0.2, 0.6, 0.4, 0.3], 1, 4.0)}
    ranks, recalls, losses = drawing.axes
    for lines, (mrr, peak, loss) in zip(
        zip(*(np.reshape(axes.lines, (2, 2)) for axes in drawing.axes), strict=True),
        expected.values(),
        strict=True,
    ):
        pairs = 1000 * (1 + np.arange(len(mrr)))
        values = [np.array(mrr), 50 * np.array(mrr), loss / (1 + np.arange(len(mrr)))]
        for (curve, dot), wanted in zip(lines, values, strict=True):
            np.testing.assert_allclose(curve.get_xydata(), np.stack([pairs, wanted], axis=1))
            np.testing.assert_allclose(dot.get_xydata(), [[pairs[peak], wanted[peak]]])
            assert curve.get_color() == dot.get_color()
    names = [text.get_text() for text in ranks.get_legend().get_texts()]
    assert names == list(expected)
    assert (ranks.get_yscale(), recalls.get_yscale(), losses.get_yscale()) == (
        "linear",
        "linear",
        "log",
    )


def test_the_summary_names_the_best_epoch(runs):
    rising, falling = curves.summary(curves.read(runs, ["one", "two"])).splitlines()
    assert rising.startswith("one: best MRR 0.500, R@1 25.0 after 3,000 pairs; 3,000 pairs in 3")
    assert falling.startswith("two: best MRR 0.600, R@1 30.0 after 2,000 pairs; 4,000 pairs in 4")
    assert falling.endswith("2.00 h")


def test_labels_of_pairs():
    assert [curves.thousands(x) for x in (0, 20_000, 1_000_000, 1_500_000)] == [
        "0",
        "20k",
        "1M",
        "1.5M",
    ]


def test_runs_without_an_epoch_and_runs_of_one_name_are_refused(runs, tmp_path):
    with pytest.raises(UserError, match="nowhere: no epoch in history.jsonl, or not a run"):
        curves.read([tmp_path / "nowhere"])
    with pytest.raises(UserError, match="two runs are called 'rising'"):
        curves.read([runs[0], runs[0]])


def test_the_command_writes_a_picture(runs, tmp_path):
    def command(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "tempo_invariant.training_curves", *arguments],
            capture_output=True,
            text=True,
            cwd=ROOT,
        )

    picture = tmp_path / "curves.png"
    done = command(f"--runs={runs[0]},{runs[1]}", f"--output={picture}")
    assert done.returncode == 0 and done.stdout.startswith("rising: best MRR 0.500")
    assert picture.read_bytes().startswith(b"\x89PNG")
    done = command(f"--runs={runs[0]},{runs[1]}", "--names=one", f"--output={picture}")
    assert (
        done.returncode == 1
        and done.stderr == "error: --names: must be one for each of 2 runs, received 1\n"
    )
