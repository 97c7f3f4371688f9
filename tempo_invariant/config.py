"""What a model is made of: the one dataclass that tells experiments apart."""

import dataclasses
import json
from typing import Any

PROJECTIONS = ("cca", "linear")
BLOCKS = ("conv", "residual", "separable")
AUDIO_NORMALIZATIONS = ("none", "excerpt", "pcen")


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Architecture of the two encoders and of the projection that joins them.

    Attributes:
        frames: length T of an audio excerpt in spectrogram frames (20 a second).
        attention: whether a soft attention over the frames precedes the audio encoder.
        embedding_size: dimensions of both encoders' outputs and of the shared space.
        projection: "cca" (canonical correlation analysis, as published) or "linear" (learned).
        cca_regularization: r, added to the diagonal of both covariance matrices.
        cca_alpha: weight of the newest batch in the moving statistics; 1.0 uses it alone.
        filters: channels of each block of two convolutions; every block halves both axes.
        l2: weight of the squared-norm penalty on convolution and dense kernels.
        blocks: "conv" (two convolutions and a pooling, as published), "residual" (a convolution
            that strides and residual ones after it) or "separable" (the same, each convolution
            but the first split into depthwise and pointwise).
        units: convolutions of a block after its first.
        activation_before_norm: whether the activation precedes the normalisation, as published.
        attention_filters: channels of the blocks of the attention pathway; empty: as `filters`.
        audio_normalization: "none", "excerpt" (every excerpt is brought to one level) or "pcen"
            (that, then per-channel energy normalisation).
        audio_level: the level that excerpts are brought to, in spectrogram magnitudes.
        temperature: learned temperature of a softmax over similarities at its start; 0: none.

    Raises:
        ValueError: a field has a value that no model can be built with.
    """

    frames: int = 84
    attention: bool = False
    embedding_size: int = 32
    projection: str = "cca"
    cca_regularization: float = 1e-3
    cca_alpha: float = 0.1
    filters: tuple[int, ...] = (24, 48, 96, 96)
    l2: float = 1e-5
    blocks: str = "conv"
    units: int = 1
    activation_before_norm: bool = True
    attention_filters: tuple[int, ...] = ()
    audio_normalization: str = "none"
    audio_level: float = 10.0
    temperature: float = 0.0

    def __post_init__(self):
        for name in ("filters", "attention_filters"):
            channels = tuple(getattr(self, name))
            object.__setattr__(self, name, channels)
            if min(channels, default=1) < 1:
                raise ValueError(f"{name} must be positive channel counts, got {channels}")
        if not self.filters:
            raise ValueError("filters must be positive channel counts, got none")
        smallest = 2 ** max(len(self.filters), len(self.attention_filters))
        if self.frames < smallest:
            raise ValueError(f"frames must be at least {smallest}, got {self.frames}")
        if self.embedding_size < 1:
            raise ValueError(f"embedding_size must be at least 1, got {self.embedding_size}")
        if self.projection not in PROJECTIONS:
            raise ValueError(f"projection must be one of {PROJECTIONS}, got {self.projection!r}")
        if not self.cca_regularization > 0:
            raise ValueError(f"cca_regularization must be > 0, got {self.cca_regularization}")
        if not 0 < self.cca_alpha <= 1:
            raise ValueError(f"cca_alpha must be in (0, 1], got {self.cca_alpha}")
        if not self.l2 >= 0:
            raise ValueError(f"l2 must not be negative, got {self.l2}")
        if self.blocks not in BLOCKS:
            raise ValueError(f"blocks must be one of {BLOCKS}, got {self.blocks!r}")
        if self.units < 1:
            raise ValueError(f"units must be at least 1, got {self.units}")
        if self.audio_normalization not in AUDIO_NORMALIZATIONS:
            raise ValueError(
                f"audio_normalization must be one of {AUDIO_NORMALIZATIONS}, "
                f"got {self.audio_normalization!r}"
            )
        if not self.audio_level > 0:
            raise ValueError(f"audio_level must be > 0, got {self.audio_level}")
        if self.temperature and not 0.01 <= self.temperature <= 1:
            raise ValueError(f"temperature must be 0 or from 0.01 to 1, got {self.temperature}")

    def to_dict(self) -> dict[str, Any]:
        """The fields as a dictionary of JSON types."""
        lists = {name: list(getattr(self, name)) for name in ("filters", "attention_filters")}
        return dataclasses.asdict(self) | lists

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "ModelConfig":
        """Inverse of `to_dict`; missing fields take their defaults.

        Raises:
            ValueError: a field is unknown or has an impossible value.
        """
        unknown = sorted(set(fields) - {field.name for field in dataclasses.fields(cls)})
        if unknown:
            raise ValueError(f"unknown field of ModelConfig: {', '.join(unknown)}")
        return cls(**fields)

    def to_json(self) -> str:
        """The fields as JSON text."""
        return json.dumps(self.to_dict(), indent=2)

    @classmethod
    def from_json(cls, text: str) -> "ModelConfig":
        """Inverse of `to_json`."""
        return cls.from_dict(json.loads(text))
