"""A SavedModel with the signatures of an exported model and hardly any arithmetic."""

from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from tempo_invariant.geometry import (
    KNOWS_PRESENT_OUTPUT,
    NEAR,
    PRINTED,
    SYSTEM_HEIGHT,
    SYSTEM_HEIGHT_OUTPUT,
)

FRAMES = 4
BANDS = 92


class TinyModel(tf.Module):
    """Embeds audio as [mean, shift] and an image as [mean / 255, shift]."""

    def __init__(self, shift: float, staves: str, knows_present: bool):
        super().__init__()
        self.shift = tf.Variable(shift)
        self.staves = staves
        self.knows_present = knows_present

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32, name="pcm")])
    def embed_audio(self, pcm):
        finite = tf.reduce_all(tf.math.is_finite(pcm))
        with tf.control_dependencies([tf.debugging.Assert(finite, ["pcm must be finite"])]):
            mean = tf.reduce_mean(pcm, axis=1)
        rows = tf.shape(pcm)[0]
        level = tf.reduce_mean(tf.abs(pcm), axis=1)[:, None, None]
        outputs = {
            "embedding": tf.stack([mean, tf.fill([rows], self.shift)], axis=1),
            "attention": tf.ones([rows, FRAMES]) / FRAMES,
            "spectrogram": tf.ones([rows, BANDS, FRAMES]) * level,
        }
        if self.knows_present:
            outputs[KNOWS_PRESENT_OUTPUT] = tf.fill([rows], True)
        return outputs

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="wav")])
    def embed_audio_file(self, wav):
        def mean(file):
            return tf.reduce_mean(tf.audio.decode_wav(file)[0])[None, None]

        means = tf.map_fn(mean, wav, fn_output_signature=tf.TensorSpec([1, 1]))
        return self.embed_audio(means[:, 0])

    @tf.function(input_signature=[tf.TensorSpec([None, 160, 200], tf.uint8, name="image")])
    def embed_sheet(self, image):
        mean = tf.reduce_mean(tf.cast(image, tf.float32), axis=[1, 2]) / 255.0
        rows = tf.shape(image)[0]
        outputs = {"embedding": tf.stack([mean, tf.fill([rows], self.shift)], axis=1)}
        if self.staves == NEAR:
            outputs[SYSTEM_HEIGHT_OUTPUT] = tf.fill([rows], SYSTEM_HEIGHT)
        return outputs


def save(
    base_path: Path,
    version: int,
    shift: float = 1.0,
    staves: str = PRINTED,
    knows_present: bool = False,
) -> Path:
    """Writes a version that appears all at once; returns its directory."""
    model = TinyModel(shift, staves, knows_present)
    temporary = Path(base_path) / f".partial-{version}"
    names = ("embed_audio", "embed_audio_file", "embed_sheet")
    signatures = {name: getattr(model, name) for name in names}
    tf.saved_model.save(model, str(temporary), signatures=signatures)
    return temporary.rename(Path(base_path) / str(version))


def write_warmup(version_directory: Path, request: predict_pb2.PredictRequest) -> None:
    """Writes one warm-up request beside a saved version."""
    path = version_directory / "assets.extra" / "tf_serving_warmup_requests"
    path.parent.mkdir()
    log = prediction_log_pb2.PredictionLog(
        predict_log=prediction_log_pb2.PredictLog(request=request)
    )
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(log.SerializeToString())
