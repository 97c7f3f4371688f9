"""Rounds of patience, the history file, and what TensorBoard is given."""

import json

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tempo_invariant.model.runs import read_history
from tempo_invariant.training import loop, tensorboard
from tempo_invariant.training.callbacks import EpochReport, Patience
from tests.tiny_records import tiny_experiment, write_records


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of two epochs."""
    data = write_records(tmp_path_factory.mktemp("data"))
    output = tmp_path_factory.mktemp("runs") / "tiny"
    loop.train(tiny_experiment(data, attention=True, total_pairs=160), output, "default")
    return output


def test_patience_goes_through_the_published_rounds():
    patience = Patience(first=3, later=2, rounds=2)
    values = [0.1, 0.3, 0.2, 0.3, 0.1, 0.2, 0.4, 0.1, 0.1, 0.1, 0.1]
    # Epoch 2 is the best; 3, 4 (a tie) and 5 are not: round 1. Epoch 7 is better; 8 and 9 are
    # not: round 2. 10 and 11 are not, and no round is left.
    expected = ["best", "best", "wait", "wait", "restart", "wait", "best", "wait", "restart"]
    expected += ["wait", "stop"]
    actions = [patience.update(epoch, value) for epoch, value in enumerate(values, start=1)]
    assert actions == expected
    assert (patience.best, patience.best_epoch, patience.round) == (0.4, 7, 2)


def test_patience_resumes_in_the_middle_of_a_round():
    values = [0.1, 0.3, 0.2, 0.3, 0.1, 0.2, 0.4, 0.1, 0.1, 0.1, 0.1]
    whole = Patience(first=3, later=2, rounds=2)
    expected = [whole.update(epoch, value) for epoch, value in enumerate(values, start=1)]
    actions = []
    state = Patience(first=3, later=2, rounds=2).state()
    for epoch, value in enumerate(values, start=1):
        resumed = Patience(first=3, later=2, rounds=2)
        resumed.restore(json.loads(json.dumps(state)))
        actions.append(resumed.update(epoch, value))
        state = resumed.state()
    assert actions == expected


def test_patience_without_a_limit_never_stops():
    patience = Patience(first=None)
    actions = {patience.update(epoch, -epoch) for epoch in range(1, 300)}
    assert actions == {"best", "wait"}


def test_report_drops_repeated_and_broken_lines(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_text('{"epoch": 1}\n{"epoch": 2}\n{"epoch": 3}\n{"epo')
    EpochReport(path, batch_size=1, steps=1, patience=Patience()).restore(2)
    assert path.read_text() == '{"epoch": 1}\n{"epoch": 2}\n'


def test_history_has_what_a_curve_needs(run):
    history = read_history(run / "history.jsonl")
    assert [line["pairs"] for line in history] == [80, 160]
    wanted = {"loss", "val_mrr", "val_r@1", "val_r@5", "val_r@25", "val_mr"}
    wanted |= {"learning_rate", "pairs_per_second", "seconds"}
    assert all(wanted <= set(line) for line in history)


def test_tensorboard_scalars_equal_the_history(run):
    events = EventAccumulator(str(run / "logs"), size_guidance={"tensors": 0}).Reload()
    tags = set(events.Tags()["tensors"])
    for name in ("loss", "learning_rate", "validation/r@1", "canonical_correlations/mean"):
        assert name in tags, name
    history = read_history(run / "history.jsonl")
    found = [(event.step, float(_scalar(event))) for event in events.Tensors("validation/mrr")]
    expected = [(line["pairs"], line["val_mrr"]) for line in history]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    entropy = _scalar(events.Tensors("attention/entropy_bits")[0])
    assert 0 < entropy <= np.log2(24) + 1e-5


def test_tensorboard_pictures_are_drawings_of_attention(run):
    events = EventAccumulator(str(run / "logs"), size_guidance={"tensors": 0}).Reload()
    tags = [tag for tag in events.Tags()["tensors"] if tag.startswith("attention_pictures/")]
    assert len(tags) == tensorboard.PICTURES
    width, height, png = events.Tensors(tags[0])[0].tensor_proto.string_val[:3]
    assert (int(width), int(height)) == (800, 320)
    assert png.startswith(b"\x89PNG")


def test_projector_files_fit_together(run):
    logs = run / "logs"
    points = np.loadtxt(logs / "projector" / "embeddings.tsv")
    rows = (logs / "projector" / "metadata.tsv").read_text().splitlines()
    # 50 validation pairs, each as sheet and as audio; the metadata has a header line.
    assert points.shape == (100, 4)
    assert len(rows) == 101
    assert rows[1].split("\t")[1] == "sheet" and rows[51].split("\t")[1] == "audio"
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, atol=1e-3)
    config = (logs / "projector_config.pbtxt").read_text()
    for name in ("embeddings.tsv", "metadata.tsv", "sprite.png"):
        assert f'"projector/{name}"' in config
    assert list(logs.glob("events.out.tfevents.*"))


def _scalar(event):
    proto = event.tensor_proto
    return (
        np.frombuffer(proto.tensor_content, "<f4")[0]
        if proto.tensor_content
        else (proto.float_val[0])
    )
