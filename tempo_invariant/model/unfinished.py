"""Embedding windows whose future is not there yet: what they have in common is computed once."""

import functools
from collections.abc import Callable

import keras
import tensorflow as tf

from tempo_invariant.geometry import BANDS, frame_start
from tempo_invariant.model.network import audio_encoder
from tempo_invariant.model.saved_model import window_spectrogram


class UnfinishedEncoder:
    """Embeds several windows around moments just before the end of a sound.

    The windows overlap, and after the end they are silent: the spectrogram of what was heard is
    computed once for all of them, and nothing of what is silent.

    Args:
        model: Model as `tempo_invariant.model.network.build_model` makes it.
    """

    def __init__(self, model: keras.Model) -> None:
        self._tower = audio_encoder(model)
        self._frames = self._tower.input.shape[-1]
        self._function = functools.cache(self._make)

    def __call__(self, sounds: tf.Tensor, behind: tuple[int, ...]) -> tf.Tensor:
        """Embeds windows.

        Args:
            sounds: Sounds at 22,050 Hz, float32 `[sounds, samples]`, as long as the earliest of the
                windows up to the end: `frame_start(frames // 2 + max(behind))` samples.
            behind: By how many frames the middles of the windows are before the end.

        Returns:
            Embeddings float32 `[sounds, windows, size]`.
        """
        return self._function(behind)(sounds)

    def _make(self, behind: tuple[int, ...]) -> Callable[[tf.Tensor], tf.Tensor]:
        """Makes the function for some windows."""
        heard = self._frames // 2 + max(behind)
        firsts = [max(behind) - frame for frame in behind]
        missing = max(0, max(firsts) + self._frames - heard)

        @tf.function(input_signature=[tf.TensorSpec([None, frame_start(heard)], tf.float32)])
        def embed(sounds: tf.Tensor) -> tf.Tensor:
            bands = tf.pad(window_spectrogram(sounds, heard), [[0, 0], [0, 0], [0, missing]])
            windows = [bands[:, :, first : first + self._frames] for first in firsts]
            shape = [-1, BANDS, self._frames]
            together = tf.reshape(tf.stack(windows, axis=1), shape)
            embedding = self._tower(together, training=False)["embedding"]
            return tf.reshape(embedding, [-1, len(behind), embedding.shape[-1]])

        return embed
