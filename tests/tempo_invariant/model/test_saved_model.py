"""The exported signatures against the model and the front end that they are made of."""

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from serving.hosting.versions import LoadedVersion
from tempo_invariant import config, geometry
from tempo_invariant.audio import spectrogram as audio
from tempo_invariant.config import ModelConfig
from tempo_invariant.errors import UserError
from tempo_invariant.geometry import SAMPLE_RATE
from tempo_invariant.model import saved_model
from tempo_invariant.model.network import audio_encoder, build_model, sheet_encoder
from tempo_invariant.retrieval.embedders import open_embedder

CONFIG = ModelConfig(frames=42, attention=True, filters=(4, 4, 8, 8), embedding_size=8)
WINDOW = 46305  # samples of 42 frames


def make_model():
    """A model in which every variable, moving statistics included, has its own value."""
    model = build_model(CONFIG)
    generator = np.random.default_rng(5)
    for variable in model.variables:
        if np.issubdtype(np.dtype(variable.dtype), np.floating):
            noise = generator.uniform(0.01, 0.2, variable.shape)
            variable.assign(variable + noise.astype(variable.dtype))
    return model


def run_command(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "tempo_invariant.export", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        cwd=Path(__file__).parents[3],
    )


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture(scope="module")
def finished(model, tmp_path_factory) -> subprocess.CompletedProcess:
    """The command, run on a run directory; its first word is the version directory."""
    run = tmp_path_factory.mktemp("run")
    experiment = config.Experiment(CONFIG, config.TrainingConfig())
    (run / "experiment.json").write_text(experiment.to_json())
    model.save_weights(run / "best.weights.h5")
    return run_command(f"--run={run}", f"--output={run / 'exports' / 'tiny'}", "--version=12")


@pytest.fixture(scope="module")
def exported(finished) -> Path:
    assert finished.returncode == 0, finished.stderr
    return Path(finished.stdout.split()[0])


@pytest.fixture(scope="module")
def signatures(exported):
    return tf.saved_model.load(str(exported)).signatures


def make_pcm(samples: int, rows: int = 2) -> np.ndarray:
    return 0.2 * np.random.default_rng(samples).standard_normal([rows, samples]).astype(np.float32)


def wav_bytes(channels: np.ndarray, rate: int = SAMPLE_RATE, subtype: str = "PCM_16") -> bytes:
    """A WAV file of [samples, channels], written by soundfile."""
    file = io.BytesIO()
    soundfile.write(file, channels, rate, subtype, format="WAV")
    return file.getvalue()


def test_every_signature_declares_names_types_and_shapes(exported):
    found = {
        name: {
            tensor: (tf.dtypes.as_dtype(info.dtype).name, [d.size for d in info.tensor_shape.dim])
            for tensor, info in [*definition.inputs.items(), *definition.outputs.items()]
        }
        for name, definition in LoadedVersion(exported).signature_defs.items()
    }
    heard = {
        "embedding": ("float32", [-1, 8]),
        "attention": ("float32", [-1, 42]),
        "spectrogram": ("float32", [-1, 92, 42]),
    }
    assert found == {
        "embed_audio": {"pcm": ("float32", [-1, -1])} | heard,
        "embed_audio_file": {"wav": ("string", [-1])} | heard,
        "embed_sheet": {
            "image": ("uint8", [-1, 160, 200]),
            "embedding": ("float32", [-1, 8]),
        },
    }


@pytest.mark.parametrize("samples", [0, 1, 7000, WINDOW - 1, WINDOW, WINDOW + 1, 99999, 120017])
def test_the_window_is_the_middle_of_the_whole_spectrogram(samples):
    pcm = make_pcm(samples, rows=1)
    whole = audio.whole_spectrogram(pcm[0])
    expected = np.zeros([92, 42], np.float32)
    centre = whole.shape[1] // 2
    for column in range(42):
        frame = centre - 21 + column
        if 0 <= frame < whole.shape[1]:
            expected[:, column] = whole[:, frame]
    found = saved_model.window_spectrogram(tf.constant(pcm), 42).numpy()[0]
    np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize("samples", [3000, 120017])
def test_audio_is_embedded_as_by_the_model(model, signatures, samples):
    pcm = make_pcm(samples, rows=3)
    outputs = signatures["embed_audio"](pcm=tf.constant(pcm))
    spectrogram = saved_model.window_spectrogram(tf.constant(pcm), 42)
    expected = audio_encoder(model)(spectrogram)
    np.testing.assert_allclose(outputs["embedding"], expected["embedding"], atol=1e-5)
    np.testing.assert_allclose(outputs["attention"], expected["attention"], atol=1e-6)
    np.testing.assert_allclose(tf.reduce_sum(outputs["attention"], axis=1), np.ones(3), atol=1e-6)
    np.testing.assert_allclose(outputs["spectrogram"], spectrogram, atol=1e-6)


def test_stereo_and_mono_files_of_any_length_are_embedded_like_their_samples(signatures):
    stereo = make_pcm(50000).T
    mono = make_pcm(2000, rows=1)[0]
    files = [wav_bytes(stereo), wav_bytes(mono)]
    outputs = signatures["embed_audio_file"](wav=tf.constant(files))
    for row, pcm in enumerate([stereo.mean(axis=1), mono]):
        expected = signatures["embed_audio"](pcm=tf.constant(pcm[None]))
        np.testing.assert_allclose(outputs["embedding"][row], expected["embedding"][0], atol=2e-3)
        np.testing.assert_allclose(
            outputs["spectrogram"][row], expected["spectrogram"][0], atol=2e-3
        )


@pytest.mark.parametrize(
    ("wav", "message"),
    [
        (wav_bytes(make_pcm(900)[0], rate=44100), "must be sampled at 22050 Hz.*44100"),
        (wav_bytes(make_pcm(900)[0], subtype="PCM_24"), "16-bit"),
        (wav_bytes(make_pcm(900)[0])[:200], "."),
        (b"", "."),
        (b"RIFF of something else entirely, not audio at all", "."),
    ],
)
def test_files_that_are_not_such_audio_are_invalid_arguments(signatures, wav, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        signatures["embed_audio_file"](wav=tf.constant([wav]))


@pytest.mark.parametrize("value", [np.nan, np.inf, 3000.0])
def test_samples_that_are_not_of_full_scale_one_are_invalid_arguments(signatures, value):
    pcm = make_pcm(500)
    pcm[1, 7] = value
    with pytest.raises(tf.errors.InvalidArgumentError, match="finite and of full scale"):
        signatures["embed_audio"](pcm=tf.constant(pcm))


def test_snippets_are_halved_as_in_the_records(model, signatures):
    images = np.random.default_rng(1).integers(0, 256, [2, 160, 200]).astype(np.uint8)
    blocks = images.reshape(2, 80, 2, 100, 2).astype(float).mean(axis=(2, 4))
    halved = np.floor(blocks + 0.5).astype(np.uint8)
    np.testing.assert_array_equal(saved_model.halve(tf.constant(images)), halved)
    outputs = signatures["embed_sheet"](image=tf.constant(images))
    np.testing.assert_allclose(outputs["embedding"], sheet_encoder(model)(halved), atol=1e-5)


def test_an_empty_batch_is_refused(signatures):
    with pytest.raises(tf.errors.InvalidArgumentError, match="the batch is empty"):
        signatures["embed_sheet"](image=tf.zeros([0, 160, 200], tf.uint8))
    with pytest.raises(tf.errors.InvalidArgumentError, match="the batch is empty"):
        signatures["embed_audio"](pcm=tf.zeros([0, 22050]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="the batch is empty"):
        signatures["embed_audio_file"](wav=tf.zeros([0], tf.string))


def test_the_command_writes_the_version_asked_for_with_its_experiment(finished, exported):
    assert exported.name == "12" and "largest difference after reloading" in finished.stdout
    kept = json.loads((exported / "assets.extra" / "experiment.json").read_text())
    assert kept["model"]["frames"] == 42
    assert [path.name for path in exported.parent.iterdir()] == ["12"]


def test_versions_count_up_and_are_never_overwritten(exported, model):
    assert saved_model.next_version(exported.parent) == 13
    with pytest.raises(UserError, match="exists already"):
        saved_model.export(model, "{}", exported.parent, version=12)


def test_a_graph_that_needs_this_process_is_refused_and_leaves_nothing(
    model, tmp_path, monkeypatch
):
    made = saved_model.make_signatures(model)

    @tf.function(input_signature=[tf.TensorSpec([None, 160, 200], tf.uint8, name="image")])
    def embed_sheet(image):
        function = lambda pixels: np.zeros([len(pixels), 8], np.float32)  # noqa: E731
        return {"embedding": tf.numpy_function(function, [image], tf.float32)}

    monkeypatch.setattr(
        saved_model, "make_signatures", lambda *_: made | {"embed_sheet": embed_sheet}
    )
    with pytest.raises(UserError, match="cannot be loaded without Keras"):
        saved_model.export(model, "{}", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_models_say_which_snippets_they_take(model):
    image = np.full([3, 160, 200], 255, np.uint8)
    found = {
        staves: saved_model.make_signatures(model, staves)["embed_sheet"](image)
        for staves in geometry.STAVES
    }
    assert set(found["printed"]) == {"embedding"}
    assert set(found["near"]) == {"embedding", "system_height"}
    assert found["near"]["system_height"].numpy().tolist() == [geometry.SYSTEM_HEIGHT] * 3


@pytest.mark.parametrize("knows_present", [False, True])
def test_models_say_whether_they_know_the_present(model, knows_present):
    made = saved_model.make_signatures(model, knows_present=knows_present)
    outputs = made["embed_audio"](pcm=np.zeros([2, 4000], np.float32))
    assert set(outputs) == {"embedding", "attention", "spectrogram"} | (
        {"knows_present"} if knows_present else set()
    )
    assert not knows_present or outputs["knows_present"].numpy().tolist() == [True, True]


def test_a_difference_is_refused(model):
    inputs = saved_model.example_inputs(42, 2)
    expected = saved_model.expected_outputs(model, inputs)
    assert saved_model._compare(expected, expected) == 0.0
    found = expected | {"embed_sheet": {"embedding": expected["embed_sheet"]["embedding"] + 1e-4}}
    with pytest.raises(UserError, match="embed_sheet differs from the model in embedding: 0.0001"):
        saved_model._compare(expected, found)
    found["embed_sheet"] = {"embedding": np.full([2, 8], np.nan)}
    with pytest.raises(UserError, match="embed_sheet differs"):
        saved_model._compare(expected, found)


def test_wrong_use_of_the_command_is_one_line(tmp_path):
    flags = (f"--run={tmp_path}", f"--output={tmp_path}")
    finished = run_command(*flags, KERAS_BACKEND="jax")
    assert finished.returncode == 1
    assert finished.stderr.startswith("error: export needs the TensorFlow backend")
    assert finished.stderr.count("\n") == 1
    finished = run_command("--run=x")
    assert finished.returncode == 2 and "output" in finished.stderr


@pytest.mark.parametrize(
    "name", ["saved_model.pb", "variables/variables.data-00000-of-00001", "assets.extra/SHA256SUMS"]
)
def test_a_damaged_or_half_export_is_named(exported, tmp_path, name):
    version = shutil.copytree(exported, tmp_path / "12")
    done = subprocess.run(["sha256sum", "-c", "assets.extra/SHA256SUMS"], cwd=version)
    assert done.returncode == 0
    content = bytearray((version / name).read_bytes())
    content[30] ^= 1
    (version / name).write_bytes(content)
    with pytest.raises(UserError, match=f"^{version}/.*(its checksum is not that in|no such file)"):
        open_embedder("export", str(tmp_path))
    if not name.endswith("SUMS"):
        (version / name).unlink()
        with pytest.raises(UserError, match=f"^{version / name}: no such file, though"):
            open_embedder("export", str(tmp_path))
        (version / "assets.extra/SHA256SUMS").unlink()  # as exports of earlier versions
        with pytest.raises(UserError, match=f"^{version}: not an export of this project"):
            open_embedder("export", str(tmp_path))


def test_what_a_killed_export_leaves_is_removed_by_the_next(model, tmp_path):
    left = tmp_path / "tiny" / ".partial-abcdefgh" / "variables"
    left.mkdir(parents=True)
    version, _ = saved_model.export(model, "{}", tmp_path / "tiny")
    assert [path.name for path in (tmp_path / "tiny").iterdir()] == [version.name] == ["1"]
