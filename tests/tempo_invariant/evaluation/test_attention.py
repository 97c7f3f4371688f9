"""Attention against onsets: counts, entropy, correlation, and the choice of the examples."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import scipy.stats

from tempo_invariant.data.pipeline import PairTable
from tempo_invariant.errors import UserError
from tempo_invariant.evaluation import attention as attention_measurement
from tempo_invariant.evaluation import attention_figures
from tempo_invariant.evaluation.retrieval import Selection
from tempo_invariant.model import runs
from tests.tiny_records import FRAMES_PER_ONSET, ONSETS, PIECES, write_records, write_run

ROOT = Path(__file__).parents[3]
FRAMES = 24


def table(pieces, performances, onset_frames) -> PairTable:
    count = len(pieces)
    zeros = np.zeros(count)
    return PairTable(
        np.array(pieces), np.array(performances), np.array(onset_frames), zeros, zeros, zeros
    )


def windows_of(onsets, pieces, attention=None, whole=None):
    """Windows that were measured elsewhere."""
    if attention is None:
        generator = np.random.default_rng(0)
        attention = generator.dirichlet(np.full(FRAMES, 0.3), len(onsets))
    whole = np.ones(len(onsets), bool) if whole is None else np.array(whole)
    pairs = table(pieces, pieces, np.arange(len(onsets)))
    return attention_measurement.Windows(None, pairs, attention, np.array(onsets), whole)


def test_onsets_are_counted_once_within_the_window():
    corpus = SimpleNamespace(
        performances=("a_slow", "b"),
        pair_record=np.array([0, 0, 0, 0, 1, 1, 1]),
        pair_frame=np.array([5, 10, 10, 30, 8, 9, 19]),
        spectrograms=SimpleNamespace(length=np.array([40, 20])),
    )
    pairs = table(["a", "a", "b", "b"], ["a_slow", "a_slow", "b", "b"], [10, 30, 9, 19])
    # Windows of 11 frames begin 5 before the onset: [5, 16), [25, 36), [4, 15) and [14, 25).
    onsets, whole = attention_measurement.count_onsets(corpus, pairs, 11)
    assert onsets.tolist() == [2, 1, 2, 1]
    assert whole.tolist() == [True, True, True, False]
    # Of 20 frames [-1, 19) and [9, 29): the first begins before the performance.
    onsets, whole = attention_measurement.count_onsets(corpus, table(["b"], ["b"], [9]), 20)
    assert onsets.tolist() == [2] and whole.tolist() == [False]


def test_entropy_is_that_of_the_weights():
    attention = np.zeros((3, FRAMES))
    attention[0] = 1 / FRAMES
    attention[1, 3] = 1
    attention[2, [4, 9]] = 0.25, 0.75
    windows = windows_of([1, 2, 3], ["a", "b", "c"], attention)
    expected = [np.log(FRAMES), 0, scipy.stats.entropy([0.25, 0.75])]
    np.testing.assert_allclose(windows.entropy, expected)


def test_correlations_equal_scipys_and_intervals_follow_the_pieces():
    generator = np.random.default_rng(1)
    pieces = np.repeat([f"piece {index}" for index in range(30)], 20)
    # Piece and noise both matter: pairs of a piece are alike.
    onsets = np.repeat(generator.integers(5, 40, 30), 20) + generator.integers(0, 3, 600)
    shared = np.repeat(generator.normal(0, 0.3, 30), 20)
    entropy = 4 - 0.02 * onsets + shared + generator.normal(0, 0.1, 600)
    found = attention_measurement.correlations(onsets, entropy, pieces)
    for name, function in (("pearson", scipy.stats.pearsonr), ("spearman", scipy.stats.spearmanr)):
        value, low, high = found[name]
        assert value == pytest.approx(function(onsets, entropy).statistic)
        assert low < value < high
    # As if every pair were a piece of its own: an interval that is much too narrow.
    alone = attention_measurement.correlations(onsets, entropy, np.arange(600))
    widths = [each["pearson"][2] - each["pearson"][1] for each in (found, alone)]
    assert widths[0] > 2 * widths[1]
    assert found == attention_measurement.correlations(onsets, entropy, pieces)


def test_what_does_not_vary_has_no_correlation():
    with pytest.raises(UserError, match="onsets in the window do not vary over these 3"):
        attention_measurement.correlations(np.ones(3), np.arange(3.0), ["a", "b", "c"])


def test_ranges_of_onsets_hold_every_window_once():
    generator = np.random.default_rng(2)
    onsets = generator.poisson(12, 500)
    entropy = generator.normal(size=500)
    parts = attention_measurement.medians(onsets, entropy)
    assert len(parts) == attention_measurement.BINS
    assert sum(part["windows"] for part in parts) == 500
    for part, following in zip(parts, parts[1:], strict=False):
        assert part["from"] <= part["onsets"] <= part["to"] < following["from"]
        mine = (onsets >= part["from"]) & (onsets <= part["to"])
        assert part["entropy"][1] == pytest.approx(np.median(entropy[mine]))


def test_examples_go_from_dense_to_sparse_and_are_of_different_pieces():
    generator = np.random.default_rng(3)
    pieces = np.repeat([f"piece {index}" for index in range(20)], 50)
    onsets = generator.integers(0, 101, 1000)
    whole = generator.random(1000) < 0.8
    windows = windows_of(onsets, pieces, whole=whole)
    rows = attention_measurement.choose(windows, 5, seed=4)
    assert whole[rows].all() and len(set(pieces[rows])) == 5
    expected = np.quantile(onsets[whole], [0.98, 0.74, 0.5, 0.26, 0.02])
    np.testing.assert_allclose(onsets[rows], expected, atol=1)
    assert rows.tolist() == attention_measurement.choose(windows, 5, seed=4).tolist()
    assert rows.tolist() != attention_measurement.choose(windows, 5, seed=5).tolist()
    with pytest.raises(UserError, match="count=21: only 20 pieces"):
        attention_measurement.choose(windows, 21)


def test_pictures_show_the_weights_as_multiples_of_uniform_ones():
    attention = np.full((2, FRAMES), 1 / FRAMES)
    attention[0] = np.eye(FRAMES)[FRAMES // 2]
    figure = attention_figures.excerpts_figure(
        np.full((2, 80, 100), 255, np.uint8),
        np.zeros((2, 92, FRAMES)),
        attention,
        np.array([30, 4]),
        np.array([0.0, np.log(FRAMES)]),
    )
    upper = figure.axes[0::3]
    tops = [axes.collections[0].get_paths()[0].vertices[:, 1].max() for axes in upper]
    assert tops == pytest.approx([FRAMES, 1])
    assert upper[0].get_ylim() == upper[1].get_ylim()
    assert [axes.get_title() for axes in upper] == [
        "30 onsets\nentropy 0.00 nats",
        f"4 onsets\nentropy {np.log(FRAMES):.2f} nats",
    ]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    data = write_records(tmp_path_factory.mktemp("data"))
    return write_run(tmp_path_factory.mktemp("runs") / "tiny", data, attention=True)


def test_a_run_is_listened_to_and_its_excerpts_are_cut(run, monkeypatch):
    monkeypatch.setattr(attention_measurement, "BATCH_SIZE", 7)
    windows = attention_measurement.listen(run, Selection(candidates=1000))
    np.testing.assert_allclose(windows.attention.sum(axis=1), 1, rtol=1e-5)
    # Every onset is 6 frames from the next: 4 in 24 frames, 2 where the piece begins, 3 at its end.
    inner = (windows.pairs.onset_frame > 20) & (windows.pairs.onset_frame < 6 * ONSETS - 12)
    assert set(windows.onsets[inner]) == {FRAMES // FRAMES_PER_ONSET}
    assert set(windows.onsets) == {2, 3, 4} and windows.whole.all()
    rows = np.array([29, 3])
    sheets, spectrograms = attention_measurement.excerpts(windows, rows)
    model = runs.load_model(run)
    attention = keras.Model(model.input["audio"], model.get_layer("attention").output)(spectrograms)
    np.testing.assert_allclose(attention, windows.attention[rows], atol=1e-6)
    assert sheets.shape == (2, 80, 100) and sheets.dtype == np.uint8
    found = attention_measurement.report(windows, rows, {"run": "tiny"})
    assert found["uniform_nats"] == pytest.approx(np.log(windows.attention.shape[1]))
    assert (
        found["pairs"] == PIECES["test"] * ONSETS
        and found["pieces"] == PIECES["test"]
        and found["seconds"] == 1.2
    )
    assert json.loads(json.dumps(found)) == found
    lines = attention_measurement.summary(found).splitlines()
    value, low, high = found["correlation"]["pearson"]
    assert f"Pearson {value:.3f} [{low:.3f}, {high:.3f}]" in lines[1]
    ends, low, high = found["first_and_last_frame"]
    assert ends == pytest.approx((windows.attention[:, 0] + windows.attention[:, -1]).mean())
    assert low <= ends <= high
    assert f"{100 * ends:.1f} [{100 * low:.1f}, {100 * high:.1f}] % of the weight" in lines[-1]


def test_a_model_without_attention_is_refused(run, tmp_path):
    path = write_run(tmp_path / "bl", Path(runs.load_experiment(run).training.data))
    with pytest.raises(UserError, match="bl has no attention"):
        attention_measurement.listen(path, Selection())


def test_wrong_use_of_the_command_is_one_line():
    for arguments, message in (
        (["--run=."], "--output is needed"),
        (["--output=x.png", "--run=.", "--excerpts=0"], "excerpts"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "tempo_invariant.attention_figure", *arguments],
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
        assert done.returncode == 2 and message in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_the_command_draws(run, tmp_path):
    names = {name: tmp_path / name for name in ("a.png", "b.png", "c.json")}
    done = subprocess.run(
        [sys.executable, "-m", "tempo_invariant.attention_figure", f"--run={run}", "--pairs=60"]
        + ["--excerpts=2", f"--output={names['a.png']}", f"--scatter={names['b.png']}"]
        + [f"--report={names['c.json']}"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert all(names[name].read_bytes().startswith(b"\x89PNG") for name in ("a.png", "b.png"))
    found = json.loads(names["c.json"].read_text())
    assert len(found["examples"]) == 2 and found["split"] == "test"
