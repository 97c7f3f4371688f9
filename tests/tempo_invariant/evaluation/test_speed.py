"""The benchmark of the pipeline: its statistics against SciPy, its command on tiny records."""

import dataclasses
import itertools
import json
import subprocess
import sys
import time

import numpy as np
import pytest
from scipy import stats

from tempo_invariant import variations
from tempo_invariant.data.corpus import load_corpus
from tempo_invariant.evaluation import speed
from tests.tempo_invariant.data.test_schema import make_record, write_split


def test_p_value_is_that_of_scipy():
    random = np.random.default_rng(1)
    shares = random.uniform(0.2, 1, 40)
    shares /= shares.sum()
    for skew in (0.0, 0.05, 0.3):
        skewed = shares * (1 + skew * np.sin(np.arange(40)))
        counts = random.multinomial(20_000, skewed / skewed.sum())
        expected = shares * counts.sum()
        p = stats.chisquare(counts, expected).pvalue
        value = speed.chi_square_p_value(counts, expected)
        assert value == pytest.approx(p, rel=1e-6, abs=1e-300)
    padded = speed.chi_square_p_value(np.append(counts, 0), np.append(expected, 0.0))
    assert padded == pytest.approx(p, rel=1e-6, abs=1e-300)


def test_counts_are_those_of_the_training_set(tmp_path):
    records = [
        make_record(f"piece{p}", tempo, seed=p, pairs=4 + 20 * p, frames=150 + 100 * p)
        for p in range(3)
        for tempo in (0.9, 1.0)
    ]
    write_split(tmp_path, records)
    corpus = load_corpus(tmp_path, "train")
    for augmentation, each in (
        (variations.NO_AUGMENTATION, 1),
        (dataclasses.replace(variations.NO_AUGMENTATION, tempo=True), 2),
    ):
        counts, expected = speed.piece_counts(corpus, augmentation, 30_000, seed=3)
        assert counts.sum() == 30_000
        pairs = each * np.array([4, 24, 44])
        np.testing.assert_allclose(expected, pairs / pairs.sum() * 30_000)
        assert speed.chi_square_p_value(counts, expected) > 1e-3
        uneven = np.full(3, 10_000)
        assert speed.chi_square_p_value(uneven, expected) < 1e-9


def test_processor_time_counts_work_and_not_waiting():
    def work():
        deadline = time.process_time() + 0.02
        while time.process_time() < deadline:
            pass

    def wait():
        time.sleep(0.02)

    for act, per_core in ((work, (20, 60)), (wait, (200, 1e9))):
        batches = (act() for _ in itertools.count())
        row = speed.measure_speed(batches, batch_size=1, pairs=20)
        assert row["pairs_per_second"] < 60
        assert per_core[0] < row["pairs_per_core_second"] < per_core[1]
        assert 10 < row["end_mib"] <= speed.peak_mib() + 1


@pytest.mark.slow
def test_command_prints_a_table_and_writes_json(tmp_path):
    write_split(tmp_path / "records", [make_record(f"p{p}", seed=p, pairs=8) for p in range(3)])
    command = [sys.executable, "-m", "tempo_invariant.pipeline_benchmark"]
    flags = [f"--output={tmp_path}/out.json", "--pairs=200", "--sampled=10000", "--memory_mib=0"]
    done = subprocess.run(
        [*command, f"--data={tmp_path}/records", *flags], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "read from its shards" in done.stdout and "chi-square p" in done.stdout
    report = json.loads((tmp_path / "out.json").read_text())
    kinds = [(row["frames"], row["augmentation"]) for row in report["speed"]]
    assert kinds == list(itertools.product((84, 168), ("none", "published", "all")))
    assert all(row["pairs_per_core_second"] > 0 for row in report["speed"])
    assert report["p_value"] > 1e-4 and report["pieces"] == 3
    missing = subprocess.run([*command, "--data=nowhere"], capture_output=True, text=True)
    assert missing.returncode == 1
    assert missing.stderr.splitlines()[-1].startswith(
        "error: --data=nowhere: no such file or directory"
    )
