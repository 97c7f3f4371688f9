"""The exported model: a SavedModel that takes recordings and page images as they come.

Signatures; every output is a dictionary and every batch size is free:

| signature | input | outputs |
| --- | --- | --- |
| `embed_audio` | `pcm` float32 [batch, samples]: mono, 22,050 Hz, full scale +-1 | `embedding` float32 [batch, size], `attention` float32 [batch, frames], `spectrogram` float32 [batch, 92, frames]; of models that know the present also `knows_present` bool [batch] |
| `embed_audio_file` | `wav` string [batch]: WAV files of 16-bit samples at 22,050 Hz, mono or stereo | the same |
| `embed_sheet` | `image` uint8 [batch, 160, 200]: grey snippets at page resolution, 255 is paper | `embedding` float32 [batch, size]; of models for near staves also `system_height` int32 [batch] |

`system_height` is the largest height of a piano's system in the snippets, in pixels; higher ones are
brought to it, see `tempo_invariant.scores.staff_distance`. `knows_present` is true: the model was
trained with excerpts whose future is missing, so that it knows the music of the last moment.

Embeddings have unit length: the inner product is the similarity. Of audio longer than the model's
window the middle counts: the window of T frames around frame n // 2 of n. Shorter audio is padded
with silence. Attention weights are not negative and sum to one. Audio that is not finite, out of
scale or in another format is refused with INVALID_ARGUMENT, and so is an empty batch.
"""  # noqa: E501

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from tempo_invariant import geometry
from tempo_invariant.audio.spectrogram import frames_to_bands, whole_spectrogram
from tempo_invariant.errors import UserError
from tempo_invariant.files import CHECKSUMS, atomic_directory, write_checksums
from tempo_invariant.model import isolated_check
from tempo_invariant.model.network import audio_encoder, sheet_encoder
from tempo_invariant.model.versions import find_versions

LOUDEST = 100.0
"""Samples beyond this are not audio of full scale +-1: integers that were never scaled, say."""

TOLERANCE = 1e-5
"""The most by which an output may differ after reloading."""

_WARMUP_BATCHES = (1, 8)
_CHECK_ROWS = 3

Arrays = dict[str, np.ndarray]
Signature = Callable[..., dict[str, tf.Tensor]]


def window_spectrogram(pcm: tf.Tensor, frames: int) -> tf.Tensor:
    """Computes the middle of a spectrogram, `frames` frames around frame n // 2 of n.

    Equals `whole_spectrogram`, cut or padded with zeros, and computes no more than is returned.

    Args:
        pcm: Audio at 22,050 Hz, float32 `[batch, samples]`.
        frames: Number of frames of the window.

    Returns:
        Spectrograms, float32 `[batch, 92, frames]`.
    """
    samples = tf.shape(pcm, tf.int64)[1]
    available = geometry.frame_count(samples)
    indices = available // 2 - frames // 2 + tf.range(frames, dtype=tf.int64)
    starts = geometry.frame_start(indices)
    first, last = starts[0], starts[-1] + geometry.FRAME_SIZE
    middle = pcm[:, tf.maximum(first, 0) : tf.minimum(last, samples)]
    middle = tf.pad(middle, [[0, 0], [tf.maximum(-first, 0), tf.maximum(last - samples, 0)]])
    positions = (starts - first)[:, None] + tf.range(geometry.FRAME_SIZE, dtype=tf.int64)
    bands = frames_to_bands(tf.gather(middle, positions, axis=1))
    inside = tf.cast((indices >= 0) & (indices < available), tf.float32)
    return tf.ensure_shape(bands * inside, [None, geometry.BANDS, frames])


def decode_wav(wav: tf.Tensor) -> tf.Tensor:
    """Decodes one WAV file and mixes it down.

    Args:
        wav: Bytes of a file, a scalar string.

    Returns:
        Audio of full scale +-1, float32 `[samples]`.

    Raises:
        tf.errors.InvalidArgumentError: It is not a WAV file of 16-bit samples at 22,050 Hz.
    """
    channels, rate = tf.audio.decode_wav(wav)
    message = f"wav must be sampled at {geometry.SAMPLE_RATE} Hz, its rate is"
    right_rate = tf.debugging.Assert(rate == geometry.SAMPLE_RATE, [message, rate])
    with tf.control_dependencies([right_rate]):
        return tf.reduce_mean(channels, axis=1)


def halve(image: tf.Tensor) -> tf.Tensor:
    """Halves both sides of uint8 `[batch, rows, columns]`: means of 2 x 2 pixels, rounded."""
    pixels = tf.cast(image, tf.float32)[..., None]
    means = tf.nn.avg_pool2d(pixels, geometry.REDUCTION, geometry.REDUCTION, "VALID")[..., 0]
    return tf.cast(tf.floor(means + 0.5), tf.uint8)


def _not_empty(batch: tf.Tensor) -> tf.Tensor:
    """Returns the batch; refuses one without rows, on which oneDNN's kernels fail obscurely."""
    has_rows = tf.debugging.Assert(tf.shape(batch)[0] > 0, ["the batch is empty"])
    with tf.control_dependencies([has_rows]):
        return tf.identity(batch)


def make_signatures(
    model: keras.Model, staves: str = geometry.PRINTED, knows_present: bool = False
) -> dict[str, Signature]:
    """Makes the functions that are exported, in core TensorFlow ops.

    Args:
        model: Model as `tempo_invariant.model.network.build_model` makes it.
        staves: Distance of a piano's staves in the snippets that it takes, see `geometry.STAVES`.
        knows_present: Whether it was trained with excerpts whose future is missing.

    Returns:
        Functions of tensors by the name of their signature, as the module's docstring says.
    """
    embed_audio, embed_audio_file = _audio_signatures(audio_encoder(model), knows_present)
    sheet_tower = sheet_encoder(model)
    image_shape = [None, geometry.SNIPPET_HEIGHT, geometry.SNIPPET_WIDTH]

    @tf.function(input_signature=[tf.TensorSpec(image_shape, tf.uint8, name="image")])
    def embed_sheet(image: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = {"embedding": sheet_tower(halve(_not_empty(image)), training=False)}
        if staves == geometry.NEAR:
            height = tf.fill(tf.shape(image)[:1], geometry.SYSTEM_HEIGHT)
            outputs[geometry.SYSTEM_HEIGHT_OUTPUT] = height
        return outputs

    return {
        "embed_audio": embed_audio,
        "embed_audio_file": embed_audio_file,
        "embed_sheet": embed_sheet,
    }


def _audio_signatures(audio_tower: keras.Model, knows_present: bool) -> tuple[Signature, Signature]:
    """Makes the functions that embed samples and files."""
    frames = audio_tower.input.shape[-1]

    def embed_spectrogram(spectrogram: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = audio_tower(_not_empty(spectrogram), training=False)
        found = {
            "embedding": outputs["embedding"],
            "attention": tf.ensure_shape(outputs["attention"], [None, frames]),
            "spectrogram": spectrogram,
        }
        if knows_present:
            found[geometry.KNOWS_PRESENT_OUTPUT] = tf.fill(tf.shape(spectrogram)[:1], True)
        return found

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32, name="pcm")])
    def embed_audio(pcm: tf.Tensor) -> dict[str, tf.Tensor]:
        in_scale = tf.reduce_all(tf.abs(pcm) <= LOUDEST)
        message = "pcm must be finite and of full scale +-1"
        with tf.control_dependencies([tf.debugging.Assert(in_scale, [message])]):
            return embed_spectrogram(window_spectrogram(pcm, frames))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="wav")])
    def embed_audio_file(wav: tf.Tensor) -> dict[str, tf.Tensor]:
        spectrogram = tf.map_fn(
            lambda item: window_spectrogram(decode_wav(item)[None], frames)[0],
            wav,
            fn_output_signature=tf.TensorSpec([geometry.BANDS, frames], tf.float32),
        )
        return embed_spectrogram(spectrogram)

    return embed_audio, embed_audio_file


def export(
    model: keras.Model,
    experiment_json: str,
    output: str | Path,
    version: int | None = None,
    staves: str = geometry.PRINTED,
    knows_present: bool = False,
) -> tuple[Path, float]:
    """Writes a version of a model, checks it in another process, and only then gives it its name.

    Args:
        model: Model as `tempo_invariant.model.network.build_model` makes it, with trained weights.
        experiment_json: Text to be kept in `assets.extra/experiment.json`.
        output: Directory of the versions; its name is that under which they will be served.
        version: Number of the version, from 1; None is the next one.
        staves: Distance of a piano's staves in the snippets that it takes, see `geometry.STAVES`.
        knows_present: Whether it was trained with excerpts whose future is missing.

    Returns:
        The directory of the version, and the largest difference of its outputs from the model's.

    Raises:
        UserError: The version exists, or the reloaded model is not the same.
    """
    output = Path(output)
    target = output / str(next_version(output) if version is None else version)
    if target.exists():
        raise UserError(f"version {target.name} exists already: {target}")
    with atomic_directory(target) as temporary:
        _save(model, temporary, make_signatures(model, staves, knows_present))
        _write_extras(temporary, experiment_json, output.resolve().name, _frames(model))
        write_checksums(temporary, CHECKSUMS)
        difference = check(temporary, model)
    return target, difference


def _frames(model: keras.Model) -> int:
    return model.input["audio"].shape[-1]


def _save(model: keras.Model, directory: Path, signatures: dict[str, Signature]) -> None:
    # Only the variables are tracked: the graph must load where there is no Keras.
    module = tf.Module(name="tempo_invariant")
    module.weights = [variable.value for variable in model.variables]
    tf.saved_model.save(module, str(directory), signatures=signatures)


def next_version(output: Path) -> int:
    """Returns the number after the highest version in a directory, 1 if there is none."""
    return 1 + max(find_versions(output), default=0)


def check(directory: Path, model: keras.Model) -> float:
    """Compares a SavedModel with its model, in a process that can import neither Keras nor this.

    Args:
        directory: Directory of the SavedModel.
        model: Model that it was made from.

    Returns:
        The largest difference of any output.

    Raises:
        UserError: It cannot be loaded there, or an output differs by more than `TOLERANCE`.
    """
    inputs = example_inputs(_frames(model), _CHECK_ROWS)
    with tempfile.TemporaryDirectory() as scratch:
        request, answer = Path(scratch) / "inputs.npz", Path(scratch) / "outputs.npz"
        isolated_check.write_inputs(request, inputs)
        command = [sys.executable, "-I", isolated_check.__file__]
        finished = subprocess.run(
            [*command, str(directory), str(request), str(answer)], capture_output=True, text=True
        )
        if finished.returncode:
            reason = (finished.stderr.strip().splitlines() or ["no message"])[-1]
            raise UserError(f"the export cannot be loaded without Keras and this package: {reason}")
        found = isolated_check.read_arrays(answer)
    return _compare(expected_outputs(model, inputs), found)


def _compare(expected: Mapping[str, Arrays], found: Mapping[str, Arrays]) -> float:
    """Returns the largest difference of two sets of outputs by signature."""
    largest = 0.0
    for signature, outputs in expected.items():
        for name, value in outputs.items():
            other = found.get(signature, {}).get(name)
            if other is None or other.shape != value.shape:
                raise UserError(f"the export's {signature} does not give {name} {value.shape}")
            difference = float(np.max(np.abs(other - value)))
            if not difference <= TOLERANCE:
                raise UserError(
                    f"the export's {signature} differs from the model in {name}: {difference:.2g}"
                )
            largest = max(largest, difference)
    return largest


def example_inputs(frames: int, rows: int) -> dict[str, Arrays]:
    """Returns inputs for every signature: noise a little longer than a window, random pixels.

    Args:
        frames: Number of frames of the model's window.
        rows: Batch size.

    Returns:
        Arrays by signature and input name; a file is an object array of bytes.
    """
    generator = np.random.default_rng(0)
    samples = geometry.frame_start(frames) + geometry.FRAME_SIZE
    pcm = (0.1 * generator.standard_normal([rows, samples])).astype(np.float32)
    wav = [tf.audio.encode_wav(row[:, None], geometry.SAMPLE_RATE).numpy() for row in pcm]
    shape = [rows, geometry.SNIPPET_HEIGHT, geometry.SNIPPET_WIDTH]
    image = generator.integers(0, 256, shape).astype(np.uint8)
    return {
        "embed_audio": {"pcm": pcm},
        "embed_audio_file": {"wav": np.array(wav, object)},
        "embed_sheet": {"image": image},
    }


def expected_outputs(model: keras.Model, inputs: Mapping[str, Arrays]) -> dict[str, Arrays]:
    """Computes what the signatures must give, from the Keras model and the whole spectrogram."""
    tower, frames = audio_encoder(model), _frames(model)

    def embed(recordings: Iterable[np.ndarray]) -> Arrays:
        spectrogram = np.stack([_middle(whole_spectrogram(pcm), frames) for pcm in recordings])
        outputs = {name: value.numpy() for name, value in tower(spectrogram).items()}
        return outputs | {"spectrogram": spectrogram}

    files = inputs["embed_audio_file"]["wav"]
    corners = inputs["embed_sheet"]["image"].astype(np.uint16)
    corners = corners.reshape(len(corners), geometry.SHEET_HEIGHT, 2, geometry.SHEET_WIDTH, 2)
    snippets = ((corners.sum(axis=(2, 4)) + 2) // 4).astype(np.uint8)
    return {
        "embed_audio": embed(inputs["embed_audio"]["pcm"]),
        "embed_audio_file": embed([tf.audio.decode_wav(wav)[0][:, 0].numpy() for wav in files]),
        "embed_sheet": {"embedding": sheet_encoder(model)(snippets).numpy()},
    }


def _middle(spectrogram: np.ndarray, frames: int) -> np.ndarray:
    padded = np.pad(spectrogram, [(0, 0), (frames, frames)])
    first = frames + spectrogram.shape[1] // 2 - frames // 2
    return padded[:, first : first + frames]


def _write_extras(directory: Path, experiment_json: str, model_name: str, frames: int) -> None:
    """Writes `assets.extra`: the experiment, and requests that TensorFlow Serving warms up with."""
    extras = directory / "assets.extra"
    extras.mkdir()
    (extras / "experiment.json").write_text(experiment_json, encoding="utf-8")
    with tf.io.TFRecordWriter(str(extras / "tf_serving_warmup_requests")) as writer:
        for rows in _WARMUP_BATCHES:
            for signature, inputs in example_inputs(frames, rows).items():
                request = predict_pb2.PredictRequest()
                request.model_spec.name = model_name
                request.model_spec.signature_name = signature
                for name, value in inputs.items():
                    request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
                log = prediction_log_pb2.PredictionLog()
                log.predict_log.request.CopyFrom(request)
                writer.write(log.SerializeToString())
