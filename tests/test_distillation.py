"""A student learns its teacher's embeddings, on one device, on two and on JAX."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tempo_invariant import pipeline, run_directory, training
from tempo_invariant.distillation import Student, middle
from tempo_invariant.errors import UserError
from tempo_invariant.losses import SoftmaxLoss
from tempo_invariant.model import build_model
from tests.tiny_records import tiny_experiment, write_records

SOFTMAX = {"projection": "linear", "temperature": 0.1, "embedding_size": 4}
LONGER = 32
PAIRS = 24


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_records(tmp_path_factory.mktemp("data") / "records")


@pytest.fixture(scope="module")
def teacher(data, tmp_path_factory):
    """A run whose excerpts are longer than the student's."""
    output = tmp_path_factory.mktemp("runs") / "teacher"
    experiment = tiny_experiment(
        data, model=SOFTMAX | {"frames": LONGER}, loss="softmax", epoch_pairs=800, total_pairs=1600
    )
    training.train(experiment, output, "default")
    return output


def windows(seed=0):
    """What a teacher hears, `[pairs, 92, LONGER]`, and snippets."""
    generator = np.random.default_rng(seed)
    sheets = np.kron(generator.integers(0, 256, (PAIRS, 4, 5)), np.ones((1, 20, 20)))
    spectrograms = np.kron(generator.random((PAIRS, 4, 8)), np.ones((1, 23, 4)))
    return sheets.astype("uint8"), spectrograms.astype(keras.config.floatx())


def student_and_batch(synchronized=False):
    keras.utils.set_random_seed(3)
    config = tiny_experiment("none", model=SOFTMAX, loss="softmax").model
    teacher = build_model(
        tiny_experiment("none", model=SOFTMAX | {"frames": LONGER}, loss="softmax").model
    )
    model = Student(build_model(config, synchronized=synchronized), teacher, weight=3.0)
    model.compile(keras.optimizers.SGD(0.05), SoftmaxLoss())
    sheet, spectrogram = windows()
    return model, teacher, {"sheet": sheet, "audio": middle(spectrogram, 24)}, spectrogram


def test_loss_is_that_of_the_batch_and_the_distance_from_the_teacher():
    model, teacher, pair, spectrogram = student_and_batch()
    taught = teacher.predict({"sheet": pair["sheet"], "audio": spectrogram}, verbose=0)
    embeddings = np.asarray(model(pair, training=True))
    alone = float(SoftmaxLoss()(np.zeros(PAIRS), embeddings))
    lengths = np.linalg.norm(embeddings, axis=-1)
    distance = np.mean(1 - np.sum(taught * embeddings, axis=-1) / lengths)
    assert distance > 0.1
    found = model.train_on_batch(pair, spectrogram)
    assert float(found) == pytest.approx(alone + 3 * distance, rel=1e-4)


def test_teacher_is_no_part_of_the_student_and_stays_as_it_is():
    model, teacher, pair, spectrogram = student_and_batch()
    before = [weight.numpy() for weight in teacher.weights]
    assert len(model.weights) == len(before)
    for _ in range(3):
        model.train_on_batch(pair, spectrogram)
    for weight, value in zip(teacher.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)


def test_two_replicas_learn_what_one_does():
    strategy = tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )
    model, _, pair, spectrogram = student_and_batch()
    with strategy.scope():
        double = student_and_batch(synchronized=True)[0]
    dataset = tf.data.Dataset.from_tensor_slices((pair, spectrogram)).batch(PAIRS)
    losses = [
        each.fit(dataset, epochs=3, verbose=0, shuffle=False).history["loss"]
        for each in (model, double)
    ]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-3)
    assert losses[0][-1] < losses[0][0]


ON_JAX = """
from tests.test_distillation import keras, student_and_batch
model, _, pair, spectrogram = student_and_batch()
assert keras.backend.backend() == "jax"
print([float(model.train_on_batch(pair, spectrogram)) for _ in range(3)])
"""


def test_student_learns_on_jax():
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", ON_JAX], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    losses = list(map(float, done.stdout.strip("[]\n").split(",")))
    assert losses[2] < losses[0]


def test_run_with_a_teacher_comes_nearer_to_it(data, teacher, tmp_path):
    """Validation pairs, whose embeddings begin without any relation to the teacher's."""
    settings = {"loss": "softmax", "teacher": str(teacher), "learning_rate": 0.01}
    experiment = tiny_experiment(data, model=SOFTMAX, epoch_pairs=800, total_pairs=1600, **settings)
    training.train(experiment, tmp_path / "run", "default")
    corpus = pipeline.load_corpus(data, "valid")
    embeddings = []
    for run in (teacher, tmp_path / "run"):
        model = run_directory.load_model(run)
        pairs, _ = pipeline.eval_dataset(corpus, 20, model.input["audio"].shape[-1])
        embeddings.append(model.predict(pairs, verbose=0))
    cosines = np.sum(embeddings[0] * embeddings[1], axis=-1)
    assert np.mean(cosines) > 0.8


def test_teacher_of_another_size_is_refused(data, teacher, tmp_path):
    experiment = tiny_experiment(
        data, model=SOFTMAX | {"embedding_size": 6}, loss="softmax", teacher=str(teacher)
    )
    with pytest.raises(UserError, match="teacher embeds in 4 dimensions, this model in 6"):
        training.train(experiment, tmp_path / "run", "default")


def test_teacher_has_to_be_there(data, tmp_path):
    experiment = tiny_experiment(data, teacher=str(tmp_path / "none"))
    with pytest.raises(UserError, match="none is not a run"):
        training.train(experiment, tmp_path / "run", "default")


def test_card_names_the_teacher(data, tmp_path):
    from tempo_invariant import model_card

    experiment = tiny_experiment(data, teacher="runs/one/best")
    assert model_card.neutral(experiment)["training"]["teacher"] == "best"
