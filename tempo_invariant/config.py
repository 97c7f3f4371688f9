"""What a model is made of: the one dataclass that tells experiments apart."""

import dataclasses
import json
from typing import Any

PROJECTIONS = ("cca", "linear")


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

    def __post_init__(self):
        object.__setattr__(self, "filters", tuple(self.filters))
        if not self.filters or min(self.filters) < 1:
            raise ValueError(f"filters must be positive channel counts, got {self.filters}")
        smallest = 2 ** len(self.filters)
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

    def to_dict(self) -> dict[str, Any]:
        """The fields as a dictionary of JSON types."""
        return dataclasses.asdict(self) | {"filters": list(self.filters)}

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
