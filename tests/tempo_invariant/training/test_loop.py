"""Training as a whole: it learns, obeys its schedule, and is the same on one or two devices."""

import dataclasses
import json
import os
import socket
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tempo_invariant.errors import UserError
from tempo_invariant.model import runs
from tempo_invariant.model.network import build_model
from tempo_invariant.model.runs import read_history
from tempo_invariant.training import loop, optimizers
from tempo_invariant.training.callbacks import Checkpoints, evaluation_weights
from tempo_invariant.training.initial_weights import copy_weights
from tests.tiny_records import tiny_experiment, write_records


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_records(tmp_path_factory.mktemp("data") / "records")


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    """A finished run of six epochs and what `train` said about it."""
    output = tmp_path_factory.mktemp("runs") / "tiny"
    experiment = tiny_experiment(data, attention=True, epoch_pairs=240, total_pairs=1440)
    return output, loop.train(experiment, output, "default")


def test_train_learns_and_leaves_a_whole_run_directory(run):
    output, result = run
    history = read_history(output / "history.jsonl")
    values = [line["val_mrr"] for line in history]
    assert [line["epoch"] for line in history] == [1, 2, 3, 4, 5, 6]
    # A random order of 50 candidates has a mean reciprocal rank of H(50) / 50 = 0.09.
    assert max(values) > 0.2
    assert history[-1]["loss"] < history[0]["loss"]
    assert result == {
        "epochs": 6,
        "best_epoch": int(np.argmax(values)) + 1,
        "best_mrr": max(values),
    }
    for name in ("experiment.json", "best.weights.h5", "backup/state.json", "logs"):
        assert (output / name).exists(), name


def test_a_run_begins_with_the_weights_of_another(run, data, tmp_path):
    output, _ = run
    before = runs.load_model(output).get_layer("projection")
    settings = {"initial_run": str(output), "total_pairs": 80}
    settings |= {"loss": "softmax", "learning_rate": 1e-9}
    experiment = tiny_experiment(data, True, {"temperature": 0.1}, **settings)
    loop.train(experiment, tmp_path / "next", "default")
    after = runs.load_model(tmp_path / "next")
    for name in ("sheet_features", "audio_features"):
        for one, other in zip(
            runs.load_model(output).get_layer(name).get_weights(),
            after.get_layer(name).get_weights(),
            strict=True,
        ):
            np.testing.assert_allclose(other, one, atol=1e-6)
    assert float(after.get_layer("projection").updates) == float(before.updates) + 4
    other = tiny_experiment(data, False, **(settings | {"loss": "ranking"}))
    loop.train(other, tmp_path / "fewer", "default")  # those of the attention are not needed
    wider = tiny_experiment(data, True, {"filters": (6,)}, initial_run=str(output))
    with pytest.raises(UserError, match="of another model: layer .* differs"):
        loop.train(wider, tmp_path / "wider", "default")


def test_attention_begins_on_encoders_without(data):
    before = build_model(tiny_experiment(data, False).model)
    after = build_model(tiny_experiment(data, True).model)
    untouched = copy_weights(after, before)
    assert "attention_channels" in untouched
    assert {name.split("_")[0] for name in untouched} == {"attention"}
    for name in ("sheet_features", "audio_conv1_1", "audio_channels", "audio_features"):
        for one, other in zip(
            before.get_layer(name).get_weights(), after.get_layer(name).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(other, one)


@pytest.mark.parametrize("frames", [48, 50])
def test_a_longer_excerpt_begins_as_its_middle(data, frames):
    before = build_model(tiny_experiment(data, True, {"frames": 24}).model)
    after = build_model(tiny_experiment(data, True, {"frames": frames}).model)
    rng = np.random.default_rng(0)
    bias = before.get_layer("attention_channels").bias
    bias.assign(rng.normal(size=24))
    assert copy_weights(after, before) == []
    scores = [
        keras.Model(model.input["audio"], model.get_layer("attention_scores").output)
        for model in (before, after)
    ]
    silence = np.zeros((1, 92, frames), "float32")
    short, long = scores[0](silence[:, :, :24]), scores[1](silence)
    left = (frames - 24) // 2
    np.testing.assert_allclose(long[:, left : left + 24], short, atol=1e-5)
    np.testing.assert_allclose(long[:, :left], np.mean(short), atol=1e-5)
    kernels = [
        model.get_layer("audio_features")
        .kernel.numpy()
        .reshape(*model.get_layer("audio_flat").input.shape[1:], -1)
        for model in (before, after)
    ]
    wider = kernels[1].shape[1] - kernels[0].shape[1]
    for column in range(kernels[1].shape[1]):
        places = [column - wider // 2, column - (wider - wider // 2)]
        expected = sum(kernels[0][:, place] for place in places if 0 <= place < 12) / 2
        np.testing.assert_allclose(kernels[1][:, column], expected, atol=1e-6)


def test_a_linear_projection_begins_as_that_of_the_cca_layer(run):
    output, _ = run
    before = runs.load_model(output)
    config = runs.load_experiment(output).model
    after = build_model(dataclasses.replace(config, projection="linear"))
    copy_weights(after, before)
    rng = np.random.default_rng(0)
    pair = {
        "sheet": rng.integers(0, 256, (5, 80, 100), "uint8"),
        "audio": rng.uniform(0, 1, (5, 92, config.frames)).astype("float32"),
    }
    np.testing.assert_allclose(after(pair), before(pair), atol=1e-5)


def test_best_weights_are_those_of_the_best_epoch(run, data):
    output, result = run
    state = json.loads((output / "backup" / "state.json").read_text())
    experiment = runs.load_experiment(output)
    best = runs.load_model(output, "best")
    checkpoint = build_model(experiment.model)
    runs.load_weights(checkpoint, output / "backup" / state["best"])
    assert state["best"] == f"epoch-{result['best_epoch']:05d}.weights.h5"
    for one, other in zip(best.get_weights(), checkpoint.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_finished_run_is_not_trained_again(run, data):
    output, result = run
    before = (output / "best.weights.h5").read_bytes(), (output / "history.jsonl").read_bytes()
    experiment = runs.load_experiment(output)
    assert loop.train(experiment, output, "default") == result
    after = (output / "best.weights.h5").read_bytes(), (output / "history.jsonl").read_bytes()
    assert before[1] == after[1]
    assert len(before[0]) == len(after[0])


def test_directory_of_another_experiment_is_refused(run, data):
    output, _ = run
    experiment = runs.load_experiment(output)
    other = dataclasses.replace(experiment.training, learning_rate=0.5)
    with pytest.raises(UserError, match="learning_rate was 0.002 and is now 0.5"):
        loop.train(dataclasses.replace(experiment, training=other), output, "default")


def test_two_replicas_have_the_loss_of_one(data, tmp_path, monkeypatch):
    # The loss of a single step, before any update. Sums over a batch of maps in float32 are only
    # good to 1e-4; `test_distribution` compares values and gradients exactly.
    experiment = tiny_experiment(data, epoch_pairs=20, total_pairs=20)
    loop.train(experiment, tmp_path / "one", "default")
    two = tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )
    monkeypatch.setattr(loop, "make_strategy", lambda name: two)
    loop.train(experiment, tmp_path / "two", "mirrored")
    losses = [read_history(tmp_path / name / "history.jsonl")[0]["loss"] for name in ("one", "two")]
    assert losses[1] == pytest.approx(losses[0], abs=5e-4)


def test_cosine_schedule_warms_up_and_decays_to_zero(data):
    experiment = tiny_experiment(
        data, schedule="cosine", total_pairs=1000, warmup_pairs=200, learning_rate=0.01
    )
    # 80 pairs an epoch in 4 steps: 13 epochs, 52 steps, 10 of them warm-up.
    rate = optimizers.make_optimizer(experiment.training)._learning_rate
    values = [float(rate(step)) for step in (0, 5, 10, 31, 52)]
    np.testing.assert_allclose(values, [0, 0.005, 0.01, 0.005, 0], atol=1e-7)


OURS = {
    "attention": True,
    "blocks": "residual",
    "activation_before_norm": False,
    "projection": "linear",
    "embedding_size": 8,
    "filters": (8, 8),
    "audio_normalization": "excerpt",
    "temperature": 0.07,
}
OUR_TRAINING = {"loss": "softmax", "optimizer": "muon", "passage_pairs": 2, "ema_momentum": 0.8}


def our_experiment(data):
    return tiny_experiment(
        data,
        model=OURS,
        epoch_pairs=800,
        total_pairs=3200,
        schedule="cosine",
        warmup_pairs=200,
        learning_rate=0.01,
        **OUR_TRAINING,
    )


@pytest.fixture(scope="module")
def our_run(data, tmp_path_factory):
    """A run with everything that is not published, and what `train` said about it."""
    output = tmp_path_factory.mktemp("runs") / "ours"
    return output, loop.train(our_experiment(data), output, "default")


def test_softmax_with_a_linear_projection_learns_the_tiny_records(our_run):
    output, result = our_run
    history = read_history(output / "history.jsonl")
    assert result["best_mrr"] > 0.5  # chance: 0.09
    # 20 pairs that cannot be told apart cost ln 20 = 3.
    assert history[-1]["loss"] < 1.5 < history[0]["loss"]
    temperatures = [line["temperature"] for line in history]
    assert 0.07 not in temperatures
    assert all(0.01 <= value <= 1 for value in temperatures)


def test_averages_of_the_weights_are_published(our_run, data):
    output, result = our_run
    backup = output / "backup"
    state = json.loads((backup / "state.json").read_text())
    model = build_model(our_experiment(data).model)
    loop.compile_model(model, our_experiment(data).training)
    runs.load_weights(model, backup / state["best"])
    averages, newest = evaluation_weights(model), model.get_weights()
    best = runs.load_model(output, "best").get_weights()
    for one, other in zip(averages, best, strict=True):
        np.testing.assert_array_equal(one, other)
    assert any((one != other).any() for one, other in zip(averages, newest, strict=True))


@pytest.mark.slow
def test_averages_are_resumed(our_run, data, tmp_path, monkeypatch):
    commit = Checkpoints._commit

    class Killed(BaseException):
        pass

    def killed(self, epoch):
        commit(self, epoch)
        if epoch == 2:
            raise Killed

    monkeypatch.setattr(Checkpoints, "_commit", killed)
    with pytest.raises(Killed):
        loop.train(our_experiment(data), tmp_path / "run", "default")
    assert loop.train(our_experiment(data), tmp_path / "run", "default") == pytest.approx(
        our_run[1], abs=1e-3
    )
    one, other = (
        np.concatenate([weight.ravel() for weight in runs.load_model(path).get_weights()])
        for path in (our_run[0], tmp_path / "run")
    )
    np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


def test_average_is_that_of_the_steps():
    experiment = tiny_experiment("none", model=OURS, **OUR_TRAINING)
    model = build_model(experiment.model)
    loop.compile_model(model, experiment.training)
    generator = np.random.default_rng(0)
    average = None
    for step in range(60):
        kept = min(0.8, step / (step + 9))
        gradients = [generator.normal(size=w.shape) for w in model.trainable_weights]
        model.optimizer.apply(list(map(tf.constant, map(np.float32, gradients))))
        values = np.concatenate([w.numpy().ravel() for w in model.trainable_weights])
        average = values if average is None else kept * average + (1 - kept) * values
    trainable = {id(weight) for weight in model.trainable_weights}
    found = [
        value.ravel()
        for weight, value in zip(model.weights, evaluation_weights(model), strict=True)
        if id(weight) in trainable
    ]
    np.testing.assert_allclose(np.concatenate(found), average, atol=1e-6)


def test_clipping_shortens_long_gradients_alone(data):
    experiment = tiny_experiment(data, clip_norm=2.0)
    optimizer = optimizers.make_optimizer(experiment.training)
    applied = []
    optimizer.update_step = lambda gradient, variable, rate: applied.append(gradient.numpy())
    variables = [keras.Variable(np.zeros(shape, "float32")) for shape in ((2,), (1,))]
    optimizer.build(variables)
    optimizer.apply([tf.constant([3.0, 0.0]), tf.constant([4.0])], variables)
    np.testing.assert_allclose(np.concatenate(applied), [1.2, 0, 1.6], rtol=1e-6)
    optimizer.apply([tf.constant([0.3, 0.0]), tf.constant([0.4])], variables)
    np.testing.assert_allclose(np.concatenate(applied[2:]), [0.3, 0, 0.4], rtol=1e-6)


def test_muon_steps_are_orthogonal_and_as_long_as_adams(data):
    settings = tiny_experiment(data, optimizer="muon", learning_rate=0.01, weight_decay=0.5)
    optimizer = optimizers.make_optimizer(settings.training)
    adamw = keras.optimizers.AdamW(0.01, weight_decay=0.5)
    generator = np.random.default_rng(0)
    kernel, bias, last = (
        keras.Variable(generator.normal(size=shape).astype("float32"), name=name)
        for shape, name in (((3, 3, 8, 16), "kernel"), ((16,), "bias"), ((16, 4), "projection"))
    )
    before = kernel.numpy()
    gradient = generator.normal(size=kernel.shape) * np.geomspace(0.01, 1, 16)
    others = [keras.Variable(variable.numpy(), name=variable.name) for variable in (bias, last)]
    small = [generator.normal(size=variable.shape) for variable in others]
    gradients = [tf.constant(g, tf.float32) for g in (gradient, *small)]
    for one, variables, given in (
        (optimizer, [kernel, bias, last], gradients),
        (adamw, others, gradients[1:]),
    ):
        one.exclude_from_weight_decay(var_names=["bias"])
        one.build(variables)
        one.apply(given, variables)
    step = (before * (1 - 0.01 * 0.5) - kernel.numpy()).reshape(72, 16)
    left, _, right = np.linalg.svd(gradient.reshape(72, 16), full_matrices=False)
    turned = left.T @ step @ right.T / (0.01 * 0.2 * np.sqrt(72))
    # Five iterations of Newton-Schulz bring singular values over two decades to 0.6 to 1.3.
    assert (np.diag(turned) > 0.5).all() and (np.diag(turned) < 1.4).all()
    np.testing.assert_allclose(turned - np.diag(np.diag(turned)), 0, atol=1e-3)
    for found, expected in zip((bias, last), others, strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-6)


def test_mixed_precision_computes_in_16_bits_and_saves_32(data, tmp_path):
    experiment = tiny_experiment(data, total_pairs=80, mixed_precision=True)
    try:
        loop.train(experiment, tmp_path / "run", "default")
    finally:
        keras.config.set_dtype_policy("float32")
    model = runs.load_model(tmp_path / "run")
    assert {weight.dtype for weight in model.trainable_variables} == {"float32"}
    assert np.isfinite(read_history(tmp_path / "run" / "history.jsonl")[0]["loss"])


def test_divergence_ends_with_one_line(data, tmp_path):
    experiment = tiny_experiment(data, learning_rate=1e30)
    with pytest.raises(UserError, match="diverged: .*lower learning_rate"):
        loop.train(experiment, tmp_path / "run", "default")
    assert not (tmp_path / "run" / "best.weights.h5").exists()


def test_batch_must_split_evenly(data, tmp_path, monkeypatch):
    two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    monkeypatch.setattr(loop, "make_strategy", lambda name: two)
    with pytest.raises(UserError, match="multiple of the 2 replicas, received 21"):
        loop.train(tiny_experiment(data, batch_size=21), tmp_path / "run")


@pytest.mark.slow
def test_two_workers_have_the_losses_of_one(data, tmp_path):
    ports = []
    for _ in range(2):
        with socket.socket() as listener:
            listener.bind(("localhost", 0))
            ports.append(listener.getsockname()[1])
    arguments = [f"--data={data}", f"--output={tmp_path / 'two'}", "--strategy=multi_worker"]
    arguments += ["--frames=24", "--filters=4", "--embedding_size=4", "--batch_size=20"]
    arguments += ["--epoch_pairs=80", "--total_pairs=160", "--validation_pairs=50"]
    cluster = {"worker": [f"localhost:{port}" for port in ports]}
    workers = []
    for index in range(2):
        config = {"cluster": cluster, "task": {"type": "worker", "index": index}}
        environment = os.environ | {"TF_CONFIG": json.dumps(config)}
        command = [sys.executable, "-m", "tempo_invariant.train", *arguments]
        workers.append(subprocess.Popen(command, env=environment))
    assert [worker.wait(timeout=300) for worker in workers] == [0, 0]
    experiment = tiny_experiment(data, total_pairs=160)
    augmentation = runs.load_experiment(tmp_path / "two").training.augmentation
    same = dataclasses.replace(experiment.training, augmentation=augmentation)
    loop.train(dataclasses.replace(experiment, training=same), tmp_path / "one", "default")
    losses = [
        [line["loss"] for line in read_history(tmp_path / name / "history.jsonl")]
        for name in ("one", "two")
    ]
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.01)
