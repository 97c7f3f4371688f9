"""A teacher: its part of the loss, who learns and who does not, and what it must be."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tempo_invariant.data import pipeline
from tempo_invariant.data.corpus import load_corpus
from tempo_invariant.errors import UserError
from tempo_invariant.model import pretrained, runs
from tempo_invariant.model.network import build_model
from tempo_invariant.model.runs import read_history
from tempo_invariant.training import loop, model_card, requirements, teaching
from tempo_invariant.training.packaging import random_pairs
from tests.tempo_invariant.training.test_resume import ROOT, TRAIN, assert_same_end
from tests.tiny_records import tiny_experiment, write_records, write_run

STUDENT = {"projection": "linear", "temperature": 0.1}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_records(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def teacher(data, tmp_path_factory):
    """The directory of a run whose model has other filters and a CCA."""
    return write_run(tmp_path_factory.mktemp("runs") / "teacher", data, filters=(6,))


def taught(data, teacher, weight=4.0, **settings):
    settings = {"loss": "softmax", "total_pairs": 80} | settings
    return tiny_experiment(
        data, model=STUDENT, teacher=str(teacher), teacher_weight=weight, **settings
    )


STEP = {"epoch_pairs": 20, "total_pairs": 20}


@pytest.fixture(scope="module")
def step(data, teacher, tmp_path_factory):
    """A run of a single step on one device; its loss is that before any update."""
    output = tmp_path_factory.mktemp("runs") / "step"
    loop.train(taught(data, teacher, **STEP), output, "default")
    return output


def loss_of(output):
    return read_history(output / "history.jsonl")[0]["loss"]


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_imitation_is_the_distance_of_both_angles():
    rng = np.random.default_rng(0)
    shown, found = unit(rng.normal(size=(9, 2, 5))), 3 * rng.normal(size=(9, 2, 5))
    cosines = np.einsum("bvd,bvd->bv", shown, unit(found))
    loss = teaching.ImitationLoss(weight=0.5)(shown, found)
    assert float(loss) == pytest.approx(0.5 * np.mean(2 - cosines[:, 0] - cosines[:, 1]), abs=1e-5)


def test_the_teachers_term_is_added_to_the_ordinary_loss(data, teacher):
    pairs, target = random_pairs(24), np.zeros(8)
    model = loop.first_model(taught(data, teacher, weight=2.5), None)
    alone = loop.first_model(taught(data, ""), None)
    losses, outputs = [], []
    for each in (model, alone):
        outputs.append(each(pairs, training=True))  # scaled by the temperature
        losses.append(float(each.compute_loss(pairs, target, outputs[-1])))
    np.testing.assert_array_equal(*outputs)  # the teacher leaves the student's beginning as it was
    shown = runs.load_model(teacher).predict(pairs, verbose=0)
    cosines = np.sum(unit(shown) * unit(outputs[0].numpy()), axis=-1)
    assert losses[0] - losses[1] == pytest.approx(2.5 * np.mean(2 - cosines.sum(axis=1)), abs=1e-4)


def test_the_student_alone_learns(data, teacher, tmp_path, monkeypatch):
    loaded, load = [], runs.load_model
    monkeypatch.setattr(
        runs, "load_model", lambda *choice: loaded.append(load(*choice)) or loaded[-1]
    )
    experiment = taught(data, teacher, weight=100.0, epoch_pairs=400, total_pairs=1200)
    loop.train(experiment, tmp_path / "run", "default")
    [shown] = loaded
    expected = load(teacher)
    for one, other in zip(shown.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)  # statistics of batches too
    fresh, plain = build_model(experiment.model), loop.first_model(taught(data, ""), None)
    student = load(tmp_path / "run")
    assert [w.shape for w in student.weights] == [w.shape for w in fresh.weights]
    pairs, _ = pipeline.eval_dataset(load_corpus(data, "train"), 80, 24)
    wanted = expected.predict(pairs, verbose=0)
    before, after = (
        np.mean(np.sum(wanted * unit(each.predict(pairs, verbose=0)), axis=-1))
        for each in (plain, student)
    )
    assert after > before + 0.2
    losses = [line["loss"] for line in read_history(tmp_path / "run" / "history.jsonl")]
    assert losses[-1] < 0.7 * losses[0]


def test_its_weights_are_no_part_of_the_student(data, teacher):
    model = loop.first_model(taught(data, teacher, optimizer="muon"), None)
    alone = loop.first_model(taught(data, "", optimizer="muon"), None)
    for kind in ("weights", "trainable_weights", "layers"):
        assert len(getattr(model, kind)) == len(getattr(alone, kind)), kind
    shapes = [[v.shape for v in each.optimizer.variables] for each in (model, alone)]
    assert shapes[0] == shapes[1]


def test_a_taught_run_is_resumed(data, teacher, tmp_path):
    settings = {"schedule": "cosine", "total_pairs": 160}
    loop.train(taught(data, teacher, **settings), tmp_path / "whole", "default")
    commit = loop.Checkpoints._commit

    class Killed(BaseException):
        pass

    def killed(self, epoch):
        commit(self, epoch)
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop.Checkpoints, "_commit", killed)
        with pytest.raises(Killed):
            loop.train(taught(data, teacher, **settings), tmp_path / "run", "default")
    loop.train(taught(data, teacher, **settings), tmp_path / "run", "default")
    assert_same_end(tmp_path / "whole", tmp_path / "run")
    with pytest.raises(UserError, match="teacher_weight was 4.0 and is now 1.0"):
        loop.train(taught(data, teacher, 1.0, **settings), tmp_path / "run", "default")


def test_two_replicas_have_the_loss_of_one(data, teacher, step, tmp_path, monkeypatch):
    two = tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )
    monkeypatch.setattr(loop, "make_strategy", lambda name: two)
    loop.train(taught(data, teacher, **STEP), tmp_path / "two", "mirrored")
    assert loss_of(tmp_path / "two") == pytest.approx(loss_of(step), abs=5e-4)


def test_mixed_precision_has_nearly_the_same_loss(data, teacher, step, tmp_path):
    try:
        experiment = taught(data, teacher, mixed_precision=True, **STEP)
        loop.train(experiment, tmp_path / "mixed", "default")
    finally:
        keras.config.set_dtype_policy("float32")
    assert loss_of(tmp_path / "mixed") == pytest.approx(loss_of(step), rel=0.03)


@pytest.mark.slow
def test_jax_has_the_loss_of_tensorflow(data, teacher, step, tmp_path):
    # From given weights: each backend has random numbers of its own.
    experiment = taught(data, teacher, initial_run=str(step), **STEP)
    (tmp_path / "start.json").write_text(experiment.to_json())
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, str(tmp_path / "start.json"), str(tmp_path / "jax")],
        env=os.environ | {"KERAS_BACKEND": "jax"},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    loop.train(experiment, tmp_path / "tensorflow", "default")
    assert loss_of(tmp_path / "jax") == pytest.approx(loss_of(tmp_path / "tensorflow"), rel=1e-3)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"embedding_size": 8}, "has embedding_size 8, and the model that it is to teach 4"),
        ({"frames": 32}, "has frames 32, and the model that it is to teach 24"),
        ({"staves": "near"}, "has staves near, and the model that it is to teach printed"),
    ],
)
def test_a_teacher_of_another_kind_is_refused(data, tmp_path, model, message):
    other = write_run(tmp_path / "other", data, **model)
    with pytest.raises(UserError, match=f"^{other} {message}"):
        loop.train(taught("nowhere", other), tmp_path / "run", "default")
    assert not (tmp_path / "run").exists()


def test_a_teacher_that_is_not_there_is_said(tmp_path):
    with pytest.raises(UserError, match="nobody is not a run, nor a model that ships"):
        loop.train(taught("nowhere", tmp_path / "nobody"), tmp_path / "run", "default")


def test_teachers_and_initial_weights_may_be_those_that_ship(data, teacher, tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "DIRECTORY", teacher.parent)
    (teacher / "card.json").write_text('{"weights_sha256": "0"}')
    try:
        assert requirements.find_teacher(taught(data, "teacher")) == str(teacher)
        monkeypatch.chdir(tmp_path)
        Path("teacher").mkdir()  # the user's own comes first
        with pytest.raises(UserError, match="^teacher is not a run: it holds no"):
            requirements.find_teacher(taught(data, "teacher"))
    finally:
        (teacher / "card.json").unlink()


def test_what_ships_can_be_taught_again():
    experiment = runs.load_experiment(pretrained.find("small"))
    assert requirements.find_teacher(experiment) == str(pretrained.find("best"))


def test_the_card_names_the_teacher_and_no_path(data, teacher):
    experiment = taught(f"{data},{data}", teacher, data_weights=(1, 3))
    neutral = model_card.neutral(experiment)
    assert neutral.training.teacher == "teacher" and neutral.training.data_weights == (1, 3)
    assert str(teacher.parent) not in neutral.to_json()
    card = {
        "name": "x",
        "training": dict.fromkeys(("pairs", "epochs", "best_epoch", "best_mrr", "end")),
    }
    text = model_card._training(card, neutral)
    assert "It was taught by the model `teacher`: the distance from that one's embeddings" in text
    drawn = "a weight of 1 for those of `data/records`, 3 for those of `data/records_verovio`."
    assert drawn in text
