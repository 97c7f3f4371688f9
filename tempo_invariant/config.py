"""An experiment: the architecture of a model and its training.

Every setting is stated once, as a field with its default, its meaning and the values that it takes.
Checks and the flags of training (`tempo_invariant.commands.define_fields`) follow from that.
"""

import dataclasses
import json
import operator
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tempo_invariant import json_objects
from tempo_invariant.errors import UserError
from tempo_invariant.fields import check, setting
from tempo_invariant.geometry import PRINTED, STAVES
from tempo_invariant.variations import Augmentation

MOST_BLOCKS = 6
"""Blocks that halve a snippet of 80 rows and a spectrogram of 92 bands."""

MOST_WEIGHTS = 2**28
"""Weights of the largest model, in its convolutions: a gibibyte."""

WRONG = "not an experiment"

RESUMABLE_FIELDS = ("data",)
"""Training fields that may differ when a run is continued: they change no trajectory."""


@dataclass(frozen=True)
class ModelConfig:
    """Architecture of the two encoders and of the projection that joins them.

    Raises:
        UserError: A field has a value that no model can be built with.
    """

    frames: int = setting(
        84, "Length of an excerpt in spectrogram frames, 20 a second.", lower=1, upper=2_000
    )
    attention: bool = setting(False, "Soft attention over the frames, before the audio encoder.")
    embedding_size: int = setting(32, "Dimensions of the shared space.", lower=1, upper=1_024)
    projection: str = setting(
        "cca",
        "Last layer of both encoders: canonical correlations, as published, or a learned map.",
        choices=("cca", "linear"),
    )
    cca_regularization: float = setting(
        1e-3, "Term r that is added to the diagonals of both covariance matrices.", above=0
    )
    cca_alpha: float = setting(
        0.1, "Weight of the newest batch in the moving statistics; 1: it alone.", above=0, upper=1
    )
    filters: tuple[int, ...] = setting(
        (24, 48, 96, 96), "Channels of the encoders' blocks; each block halves both axes.", lower=1
    )
    l2: float = setting(1e-5, "Weight of the squared-norm penalty on the kernels.", lower=0)
    blocks: str = setting(
        "conv",
        "What a block consists of: convolutions and a pooling, as published; a convolution that "
        "strides and residual ones after it; or the same, split into depthwise and pointwise.",
        choices=("conv", "residual", "separable"),
    )
    units: int = setting(1, "Convolutions of a block after its first.", lower=1, upper=100)
    activation_before_norm: bool = setting(
        True, "Activation before the batch normalisation, as published; else after it."
    )
    attention_filters: tuple[int, ...] = setting(
        (), "Channels of the attention's blocks; none: those of the encoders.", lower=1
    )
    attention_rest: bool = setting(
        False, "The attention to the first and the last frame goes to silence: they are not heard."
    )
    audio_normalization: str = setting(
        "none",
        "What every excerpt is brought to: nothing; one level; or that, then each band to its own.",
        choices=("none", "excerpt", "pcen"),
    )
    audio_level: float = setting(10.0, "Level of the normalised excerpts, in magnitudes.", above=0)
    temperature: float = setting(
        0.0, "Temperature of the softmax loss at its start; learned.", off=True, lower=0.01, upper=1
    )
    staves: str = setting(
        PRINTED,
        "Distance of a piano's two staves in snippets: as printed, or so near that the notes above "
        "and below them are seen.",
        choices=STAVES,
    )

    def __post_init__(self) -> None:
        check(self)
        if not self.filters:
            raise UserError("filters must be one integer or more, received none")
        smallest = 2 ** max(len(self.filters), len(self.attention_filters))
        if self.frames < smallest:
            raise UserError(
                f"frames must be at least {smallest} for these blocks, received {self.frames}"
            )
        for name in ("filters", "attention_filters"):
            channels = getattr(self, name)
            weights = sum(9 * (self.units + 1) * number**2 for number in channels)
            if len(channels) > MOST_BLOCKS or weights > MOST_WEIGHTS:
                raise UserError(
                    f"{name} must be at most {MOST_BLOCKS} integers, of a model of less than a "
                    f"gibibyte, received {reprlib.repr(channels)}"
                )


@dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained; everything but the model that its weights depend on.

    Raises:
        UserError: A field has a value out of its range, or two do not fit each other.
    """

    data: str = setting(
        "data/records",
        "Directory of TFRecord shards, or several with commas, of which the first validates too.",
    )
    data_weights: tuple[int, ...] = setting(
        (),
        "How often a pair of each directory is drawn, relative to those of the others; none: all "
        "pairs equally often.",
        lower=1,
        upper=100,
    )
    batch_size: int = setting(100, "Pairs in a step, over all replicas.", lower=2)
    passage_pairs: int = setting(
        1,
        "Pairs of a batch that are of one performance, near each other; 1: each is drawn by "
        "itself, as published.",
        lower=1,
    )
    epoch_pairs: int = setting(
        10_000, "Random pairs after which the model is validated and saved.", lower=2
    )
    total_pairs: int = setting(
        0, "Pairs after which training ends; 0: when the rounds are used up.", lower=0
    )
    schedule: str = setting(
        "published",
        "Constant rate, then rounds from the best weights with the rate halved; or linear warm-up "
        "and cosine decay.",
        choices=("published", "cosine"),
    )
    patience: int = setting(
        60, "Epochs without a better validation MRR before the first round.", lower=1
    )
    rounds: int = setting(5, "Rounds from the best weights with the rate halved.", lower=0)
    round_patience: int = setting(
        10, "Epochs without a better validation MRR before the next round.", lower=1
    )
    warmup_pairs: int = setting(5_000, "Pairs in the warm-up of the cosine schedule.", lower=0)
    optimizer: str = setting("adam", "Optimizer.", choices=("adam", "adamw", "muon"))
    learning_rate: float = setting(0.002, "Learning rate at its highest.", above=0)
    weight_decay: float = setting(0.0, "Decoupled weight decay of AdamW and Muon.", lower=0)
    clip_norm: float = setting(
        0.0, "Longest gradient, over all weights and replicas; 0: any. Not for Muon.", lower=0
    )
    ema_momentum: float = setting(
        0.0,
        "Share that averages of the weights, which are validated and kept, keep in a step, after "
        "less in the first ones; 0: off.",
        lower=0,
        below=1,
    )
    loss: str = setting(
        "ranking",
        "Pairwise hinge; or cross-entropy of the partner in both directions.",
        choices=("ranking", "softmax"),
    )
    margin: float = setting(0.7, "Margin of the ranking loss.", lower=0)
    symmetric: bool = setting(False, "Rank sheets for a given excerpt too (ranking loss only).")
    validation_pairs: int = setting(
        1_000, "Validation pairs that are ranked after every epoch.", lower=1
    )
    mixed_precision: bool = setting(False, "Compute the convolutions in 16 bits.")
    initial_run: str = setting(
        "",
        "Run directory, or model that ships, whose weights training begins with; none: random "
        "weights.",
    )
    teacher: str = setting(
        "",
        "Run directory, or model that ships, whose embeddings are imitated besides; none: no "
        "teacher.",
    )
    teacher_weight: float = setting(
        4.0, "Weight of the distance to the teacher's embeddings in the loss.", above=0
    )
    seed: int = setting(
        0,
        "Seed for the initial weights, the pairs and their augmentation.",
        lower=0,
        upper=2**32 - 2,
    )
    augmentation: Augmentation = Augmentation()

    def __post_init__(self) -> None:
        check(self)
        if self.batch_size > self.epoch_pairs:
            raise UserError(
                f"batch_size must be at most epoch_pairs ({self.epoch_pairs}), "
                f"received {self.batch_size}"
            )
        if self.batch_size % self.passage_pairs:
            raise UserError(
                f"passage_pairs must divide batch_size ({self.batch_size}), "
                f"received {self.passage_pairs}"
            )
        if self.schedule == "cosine" and not self.total_pairs:
            raise UserError("total_pairs must be the length of the cosine schedule, received 0")
        if self.clip_norm and self.optimizer == "muon":
            raise UserError(
                f"clip_norm must be 0 for muon, whose steps have one size, received "
                f"{self.clip_norm:g}"
            )

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


@dataclass(frozen=True)
class Experiment:
    """A model and its training: what `experiment.json` holds.

    Raises:
        UserError: Model and training do not fit each other.
    """

    model: ModelConfig
    training: TrainingConfig

    def __post_init__(self) -> None:
        temperature = self.model.temperature
        if (self.training.loss == "softmax") != (temperature > 0):
            raise UserError(
                "temperature must be > 0 for the softmax loss, and 0 for every other, received "
                f"{temperature:g} with the {self.training.loss} loss"
            )
        if self.training.ema_momentum and self.model.projection == "cca":
            raise UserError(
                "ema_momentum must be 0 unless the projection is linear: a CCA fits the newest "
                "weights, not their averages"
            )

    @property
    def knows_present(self) -> bool:
        """Whether the model knows the music of the last moment: it met excerpts without future."""
        return self.training.augmentation.missing_future > 0

    @property
    def next_command(self) -> str:
        """The command that makes the most of what was trained."""
        if self.model.projection == "cca":
            return "refine"
        return "average" if self.training.initial_run else "evaluate"

    def to_json(self) -> str:
        """Returns both configurations as indented JSON."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Experiment":
        """Returns the experiment that `to_json` wrote; fields that are missing take their defaults.

        Raises:
            UserError: A field is unknown or out of range, or one of the configurations is missing.
        """
        fields = json_objects.typed(
            dict[str, dict[str, Any]], json_objects.parse(text, WRONG), WRONG
        )
        for name in ("model", "training"):
            if name not in fields:
                raise UserError(f"{WRONG}: {name!r} is missing")
        return cls.from_fields(fields["model"], fields["training"])

    @classmethod
    def from_fields(cls, model: Mapping[str, Any], training: Mapping[str, Any]) -> "Experiment":
        """Makes an experiment of the fields of both configurations, as JSON or flags hold them.

        Raises:
            UserError: A field is unknown or out of range.
        """
        augmentation = _made(Augmentation, training.get("augmentation", {}))
        settings = _made(TrainingConfig, {**training, "augmentation": augmentation})
        return cls(_made(ModelConfig, model), settings)

    def differences(self, other: "Experiment") -> list[str]:
        """Names the fields in which continuing `self` as `other` would change the result."""
        free = {"augmentation", *RESUMABLE_FIELDS}  # that is looked at by itself
        if self.training.schedule == "published":
            free.add("total_pairs")
        found = []
        for part in ("model", "training", "training.augmentation"):
            parts = (operator.attrgetter(part)(one) for one in (self, other))
            before, after = map(dataclasses.asdict, parts)
            found += [
                f"{name} was {_told(before[name])} and is now {_told(after[name])}"
                for name in sorted(set(before) - free)
                if before[name] != after[name]
            ]
        return found


def _told(value: Any) -> str:
    return "none" if value in ("", ()) else str(value)


def _made(kind: type, fields: Mapping[str, Any]) -> Any:
    """Makes an object of one of the classes above, with lists as tuples."""
    if not isinstance(fields, Mapping):
        raise UserError(f"{kind.__name__} must have fields, received {reprlib.repr(fields)}")
    known = {field.name for field in dataclasses.fields(kind)}
    unknown = sorted(set(fields) - known)
    if unknown:
        raise UserError(f"unknown field of {kind.__name__}: {', '.join(unknown)}")
    return kind(**{n: tuple(v) if isinstance(v, list) else v for n, v in fields.items()})
