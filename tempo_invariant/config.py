"""What a model is made of: the one dataclass that tells experiments apart."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tempo_invariant.errors import UserError
from tempo_invariant.geometry import BANDS, FMAX_HZ, FMIN_HZ

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


SCHEDULES = ("published", "cosine")


OPTIMIZERS = ("adam", "adamw", "muon")


LOSSES = ("ranking", "softmax")


RESUMABLE_FIELDS = ("data",)
"""Training fields that may differ when a run is continued: they change no trajectory."""


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained; everything but the model that its weights depend on.

    Attributes:
        data: directory of TFRecord shards.
        batch_size: pairs a step, over all replicas.
        passage_pairs: so many pairs of a batch are of one performance, near each other; see
            `tempo_invariant.data.pipeline.pair_chooser`. 1: each is drawn by itself, as published.
        epoch_pairs: random pairs after which the model is validated and saved.
        total_pairs: pairs after which training ends; 0: when the rounds are used up.
        schedule: "published" (constant rate, then rounds from the best weights with the rate
            halved) or "cosine" (linear warm-up, then cosine decay over `total_pairs`).
        patience: epochs without a better validation MRR before the first round.
        rounds: number of rounds.
        round_patience: epochs without a better validation MRR before the next round.
        warmup_pairs: length of the warm-up of the cosine schedule.
        optimizer: "adam", "adamw" or "muon" (see `tempo_invariant.training.optimizers`).
        learning_rate: rate at the start, or at the top of the cosine.
        weight_decay: decoupled decay of AdamW and Muon.
        clip_norm: longest gradient, over all weights and replicas; 0: any. Not for Muon, whose
            steps have the same size whatever the gradient's.
        ema_momentum: share that the average of the weights keeps each step; the averages are what
            is validated and published; 0: no averages.
        loss: "ranking" (pairwise hinge) or "softmax" (cross-entropy of the partner in both
            directions, at a learned temperature).
        margin: gamma of the ranking loss.
        symmetric: whether the ranking loss also ranks sheets for a given audio excerpt.
        validation_pairs: pairs of the validation split that are ranked after every epoch.
        mixed_precision: whether the convolutions compute in 16 bits.
        initial_run: run directory with whose weights training begins; empty: with random ones.
        seed: of the initial weights, the pairs and their augmentation.
        augmentation: fields of `tempo_invariant.config.Augmentation`.
    """

    data: str = "data/records"
    batch_size: int = 100
    passage_pairs: int = 1
    epoch_pairs: int = 10_000
    total_pairs: int = 0
    schedule: str = "published"
    patience: int = 60
    rounds: int = 5
    round_patience: int = 10
    warmup_pairs: int = 5_000
    optimizer: str = "adam"
    learning_rate: float = 0.002
    weight_decay: float = 0.0
    clip_norm: float = 0.0
    ema_momentum: float = 0.0
    loss: str = "ranking"
    margin: float = 0.7
    symmetric: bool = False
    validation_pairs: int = 1_000
    mixed_precision: bool = False
    initial_run: str = ""
    seed: int = 0
    augmentation: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        if not 2 <= self.batch_size <= self.epoch_pairs:
            raise UserError(
                f"batch_size must be between 2 and epoch_pairs ({self.epoch_pairs}), "
                f"received {self.batch_size}"
            )
        if self.passage_pairs < 1 or self.batch_size % self.passage_pairs:
            raise UserError(
                f"passage_pairs must divide batch_size ({self.batch_size}), "
                f"received {self.passage_pairs}"
            )
        if self.schedule not in SCHEDULES:
            raise UserError(f"schedule must be one of {SCHEDULES}, received {self.schedule!r}")
        if self.optimizer not in OPTIMIZERS:
            raise UserError(f"optimizer must be one of {OPTIMIZERS}, received {self.optimizer!r}")
        if self.schedule == "cosine" and self.total_pairs <= 0:
            raise UserError("the cosine schedule needs total_pairs, its length")
        if self.learning_rate <= 0:
            raise UserError(f"learning_rate must be positive, received {self.learning_rate}")
        if self.clip_norm < 0:
            raise UserError(f"clip_norm must not be negative, received {self.clip_norm}")
        if self.clip_norm and self.optimizer == "muon":
            raise UserError("clip_norm is not for muon, whose steps have one size")
        if not 0 <= self.ema_momentum < 1:
            raise UserError(f"ema_momentum must be in [0, 1), received {self.ema_momentum}")
        if self.loss not in LOSSES:
            raise UserError(f"loss must be one of {LOSSES}, received {self.loss!r}")

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in an epoch."""
        return self.epoch_pairs // self.batch_size

    @property
    def epochs(self) -> int:
        """Epochs that make up `total_pairs`, rounded up; a million without a limit."""
        if not self.total_pairs:
            return 1_000_000
        return -(-self.total_pairs // (self.steps_per_epoch * self.batch_size))


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A model and its training: what `experiment.json` holds."""

    model: ModelConfig
    training: TrainingConfig

    def __post_init__(self):
        temperature = self.model.temperature
        if (self.training.loss == "softmax") != (temperature > 0):
            raise UserError(
                "the softmax loss, and no other, needs a model with a temperature > 0; received "
                f"loss {self.training.loss} and temperature {temperature:g}"
            )
        if self.training.ema_momentum and self.model.projection == "cca":
            raise UserError(
                "averaged weights (ema_momentum) need the linear projection: a CCA fits the newest "
                "weights, not their averages"
            )

    @property
    def next_command(self) -> str:
        """The command that makes the most of what was trained."""
        if self.model.projection == "cca":
            return "refine"
        return "average" if self.training.initial_run else "evaluate"

    def to_json(self) -> str:
        """Both configurations as indented JSON."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Experiment":
        """The inverse of `to_json`.

        Raises:
            UserError: when a field is unknown, missing or out of range.
        """
        try:
            fields = json.loads(text)
            return cls.from_fields(fields["model"], fields["training"])
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"not an experiment: {error}") from error

    @classmethod
    def from_fields(cls, model: Mapping[str, Any], training: Mapping[str, Any]) -> "Experiment":
        """Makes an experiment of the fields of both configurations.

        Raises:
            UserError: when a field is unknown, missing or out of range.
        """
        try:
            return cls(ModelConfig.from_dict(dict(model)), TrainingConfig(**training))
        except (ValueError, TypeError) as error:
            raise UserError(str(error)) from error

    def differences(self, other: "Experiment") -> list[str]:
        """Names the fields in which continuing `self` as `other` would change the result."""
        free = set(RESUMABLE_FIELDS)
        if self.training.schedule == "published":
            free.add("total_pairs")
        found = []
        for part in ("model", "training"):
            before = json.loads(self.to_json())[part]
            after = json.loads(other.to_json())[part]
            for name in sorted(set(before) | set(after)):
                if name not in free and before.get(name) != after.get(name):
                    found.append(f"{name} was {before.get(name)} and is now {after.get(name)}")
        return found


CLEAREST_DB = 60.0
"""Signal-to-noise ratios are drawn from `noise_snr_db` to this."""


@dataclass(frozen=True)
class SpectrogramAugmentation:
    """How far spectrograms are varied; the defaults leave them alone.

    Attributes:
        tuning_cents: the pitch moves by up to this, up or down; at most 60.
        reverberation_seconds: a room's tail falls by 60 dB within up to this.
        equalization_db: smooth gains over the bands, from minus this to this.
        low_cut_hz: what is below a frequency between 30 Hz and this is cut; 0: none.
        high_cut_hz: what is above a frequency between this and 6,000 Hz is cut; 0: none.
        noise_snr_db: a noise floor, white to brown, at a ratio between this and 60 dB; 0: none.
        mask_frames: up to so many frames in a row are silent.
        mask_bands: up to so many bands in a row are silent.
        varied_share: share of the excerpts that all this is done to; the others stay as they are.

    Raises:
        UserError: a value is out of range.
    """

    tuning_cents: float = 0.0
    reverberation_seconds: float = 0.0
    equalization_db: float = 0.0
    low_cut_hz: float = 0.0
    high_cut_hz: float = 0.0
    noise_snr_db: float = 0.0
    mask_frames: int = 0
    mask_bands: int = 0
    varied_share: float = 0.5

    def __post_init__(self):
        for field in dataclasses.fields(SpectrogramAugmentation):
            value = getattr(self, field.name)
            if value < 0:
                raise UserError(f"{field.name} must not be negative, not {value}")
        if self.tuning_cents > 60:
            raise UserError(f"tuning_cents must be at most 60, not {self.tuning_cents}")
        for name in ("low_cut_hz", "high_cut_hz"):
            hertz = getattr(self, name)
            if hertz and not FMIN_HZ <= hertz <= FMAX_HZ:
                raise UserError(f"{name} must be 0 or from {FMIN_HZ:g} to {FMAX_HZ:g}, not {hertz}")
        if self.noise_snr_db > CLEAREST_DB:
            raise UserError(
                f"noise_snr_db must be at most {CLEAREST_DB:g}, not {self.noise_snr_db}"
            )
        if self.mask_bands > BANDS:
            raise UserError(f"mask_bands must be at most {BANDS}, not {self.mask_bands}")
        if self.varied_share > 1:
            raise UserError(f"varied_share must be at most 1, not {self.varied_share}")

    @property
    def varies_spectrograms(self) -> bool:
        """Whether there is anything for `vary` to do."""
        names = {field.name for field in dataclasses.fields(SpectrogramAugmentation)}
        ways = any(getattr(self, name) for name in names - {"varied_share"})
        return ways and self.varied_share > 0


@dataclass(frozen=True)
class Augmentation(SpectrogramAugmentation):
    """How training pairs are varied; the defaults are the published variations.

    Attributes:
        tuning_cents: see `SpectrogramAugmentation` for this one and the others not listed here.
        scale: the strip is scaled by a factor drawn uniformly from 1 - scale to 1 + scale.
        shift_pixels: the snippet moves up or down by at most this many page pixels.
        onset_frames: the excerpt moves by at most this many frames.
        tempo: pairs from performances at every tempo; otherwise at the one nearest to 1.
        soundfont: pairs from every soundfont; otherwise from the first by name.
        ink: snippets in every ink; otherwise in the first.
        stretch: the spectrogram is stretched in time by a factor whose logarithm is uniform
            between those of 1 / stretch and stretch; 1 switches it off.
        level_db: the magnitudes are scaled by a level drawn uniformly from -level_db to level_db.
    """

    scale: float = 0.05
    shift_pixels: int = 5
    onset_frames: int = 1
    tempo: bool = True
    soundfont: bool = True
    ink: bool = True
    stretch: float = 1.0
    level_db: float = 0.0

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.scale < 1:
            raise UserError(f"scale must be at least 0 and below 1, not {self.scale}")
        if self.stretch < 1:
            raise UserError(f"stretch must be at least 1, not {self.stretch}")
        for name in ("shift_pixels", "onset_frames", "level_db"):
            if getattr(self, name) < 0:
                raise UserError(f"{name} must not be negative, not {getattr(self, name)}")


NO_AUGMENTATION = Augmentation(
    scale=0.0, shift_pixels=0, onset_frames=0, tempo=False, soundfont=False, ink=False
)
