"""Layers by which it matters less how loud a recording is."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from tempo_invariant.geometry import FRAMES_PER_SECOND
from tempo_invariant.model.layers import PACKAGE, Shape, Tensor


@keras.saving.register_keras_serializable(PACKAGE)
class LevelNormalization(keras.layers.Layer):
    """Brings every excerpt to one level, so that a gain changes nothing.

    The level of an excerpt is the mean of its magnitudes weighted by their energy,
    `sum x^3 / sum x^2`: a gain scales it, silence around the music does not change it, and a
    noise floor hardly does (a mean or a percentile would follow both). Levels below `SILENCE`
    count as `SILENCE`, so that near silence stays silent.

    Args:
        level: Level of the output. Performances at velocity 64 have 0.9 to 2.9, in the median 1.5
            (120 of MSMD); there log10(1 + x) is nearly linear for all but the loudest partials.
            A level of 10 puts them into its bend, so that a partial 20 dB below the loudest one
            has 37 % of its value instead of 20 %, and a filter adds more than it multiplies.

    Call arguments:
        inputs: Spectrogram, log10(1 + magnitude), `[batch, bands, frames]`.

    Output shape:
        That of the input.
    """

    SILENCE = 1e-3

    def __init__(self, level: float = 10.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not level > 0:
            raise ValueError(f"level must be > 0, got {level}")
        self.level = level

    def call(self, inputs: Tensor) -> Tensor:
        magnitudes = _magnitudes(inputs)
        squares = ops.square(magnitudes)
        energy = ops.sum(squares, axis=(1, 2), keepdims=True)
        level = ops.sum(squares * magnitudes, axis=(1, 2), keepdims=True)
        level = level / ops.maximum(energy, np.finfo(np.float32).tiny)
        scaled = magnitudes * (self.level / ops.maximum(level, self.SILENCE))
        return ops.log1p(scaled) / math.log(10)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"level": self.level}


@keras.saving.register_keras_serializable(PACKAGE)
class ChannelEnergyNormalization(keras.layers.Layer):
    """Divides every band by its own recent past: PCEN.

    Wang, Getreuer, Hughes, Lyon, Saurous: "Trainable frontend for robust and far-field keyword
    spotting", ICASSP 2017, with the constants of librosa: `(x / (floor + m)^0.98 + 2)^0.5 - 2^0.5`,
    m the exponential average of x over 0.4 s, which begins at the mean of the excerpt.

    Args:
        floor: Magnitude far below which a band is not raised.

    Call arguments:
        inputs: Spectrogram, log10(1 + magnitude), `[batch, bands, frames]`.

    Output shape:
        That of the input.
    """

    GAIN, BIAS, POWER, SECONDS = 0.98, 2.0, 0.5, 0.4

    def __init__(self, floor: float = 0.1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not floor > 0:
            raise ValueError(f"floor must be > 0, got {floor}")
        self.floor = floor

    def call(self, inputs: Tensor) -> Tensor:
        magnitudes = _magnitudes(inputs)
        smoother = ops.convert_to_tensor(self._smoother(inputs.shape[-1]), magnitudes.dtype)
        past = ops.matmul(magnitudes, smoother)
        relative = magnitudes * ops.exp(-self.GAIN * ops.log(self.floor + past))
        return ops.power(relative + self.BIAS, self.POWER) - self.BIAS**self.POWER

    def _smoother(self, frames: int) -> np.ndarray:
        """Returns the average as a matrix `[frames, frames]`, from frames to their past."""
        squared = (self.SECONDS * FRAMES_PER_SECOND) ** 2
        weight = (math.sqrt(1 + 4 * squared) - 1) / (2 * squared)
        age = np.arange(frames)[None, :] - np.arange(frames)[:, None]
        recent = np.where(age >= 0, weight * (1 - weight) ** np.maximum(age, 0), 0)
        return recent + (1 - weight) ** (np.arange(frames) + 1) / frames

    def multiply_adds(self) -> int:
        """Counts the multiply-adds for one excerpt."""
        _, bands, frames = self.output.shape
        return bands * frames**2

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"floor": self.floor}


def _magnitudes(spectrogram: Tensor) -> Tensor:
    return ops.expm1(spectrogram * math.log(10))
