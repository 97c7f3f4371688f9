"""Where the music may be: a cloud of places and speeds that moves with time, and is weighed.

A particle filter with the bar-pointer model (see `retrieval.score_alignment`): every particle is a
place and a speed, moves on by it, and changes it at random. The speed is a tempo, which changes
slowly, times a spacing of the notes, which changes quickly and returns to the usual.
"""

import dataclasses

import numpy as np

STRAY_PIXELS = 80.0
STRAY_TEMPO = 0.3
"""Standard deviations of what is added to places, and to logarithms of tempi."""


@dataclasses.dataclass(frozen=True)
class Motion:
    """How particles move.

    Attributes:
        usual_speed: Median of the speed at the start, in pixels per second.
        speed_spread: Standard deviation of its logarithm.
        tempo_change: Standard deviation of the change of the tempo's logarithm within a second.
        spacing_spread: Standard deviation of the spacing's logarithm.
        spacing_seconds: Time within which the spacing returns to the usual.
        jitter: Standard deviation of what is added to the place within a second, in pixels.
    """

    usual_speed: float = 75.0
    speed_spread: float = 0.6
    tempo_change: float = 0.15
    spacing_spread: float = 0.3
    spacing_seconds: float = 0.3
    jitter: float = 2.0


@dataclasses.dataclass
class Cloud:
    """Particles.

    Attributes:
        places: Columns, float64 [particles].
        tempi: Logarithms of the tempo in pixels per second, float64 [particles].
        spacings: Logarithms of the spacing, float64 [particles].
        weights: Logarithms of the weights, float64 [particles].
    """

    places: np.ndarray
    tempi: np.ndarray
    spacings: np.ndarray
    weights: np.ndarray

    def __len__(self) -> int:
        return len(self.places)

    @classmethod
    def start(cls, places: np.ndarray, motion: Motion, draw: np.random.Generator) -> "Cloud":
        """Returns particles at some places with any speed."""
        count = len(places)
        tempi = np.log(motion.usual_speed) + motion.speed_spread * draw.standard_normal(count)
        spacings = motion.spacing_spread * draw.standard_normal(count)
        return cls(np.array(places, float), tempi, spacings, np.zeros(count))

    @property
    def shares(self) -> np.ndarray:
        """Weights that sum to one."""
        shares = np.exp(self.weights - self.weights.max())
        return shares / shares.sum()

    @property
    def speeds(self) -> np.ndarray:
        """Speeds in pixels per second."""
        return np.exp(self.tempi + self.spacings)

    def copy(self) -> "Cloud":
        """Returns a copy that moves on its own."""
        return Cloud(
            self.places.copy(), self.tempi.copy(), self.spacings.copy(), self.weights.copy()
        )

    def take(self, chosen: np.ndarray) -> "Cloud":
        """Returns some of the particles, all with the same weight."""
        return Cloud(
            self.places[chosen], self.tempi[chosen], self.spacings[chosen], np.zeros(len(chosen))
        )

    def move(self, seconds: float, motion: Motion, draw: np.random.Generator) -> None:
        """Lets time go by."""
        noise = draw.standard_normal((3, len(self)))
        self.places += seconds * self.speeds + motion.jitter * np.sqrt(seconds) * noise[0]
        self.tempi += motion.tempo_change * np.sqrt(seconds) * noise[1]
        kept = np.exp(-seconds / motion.spacing_seconds)
        self.spacings *= kept
        self.spacings += motion.spacing_spread * np.sqrt(1 - kept**2) * noise[2]

    def stray(self, share: float, draw: np.random.Generator) -> None:
        """Lets a share of the particles try other places and tempi nearby."""
        chosen = np.flatnonzero(draw.random(len(self)) < share)
        self.places[chosen] += STRAY_PIXELS * draw.standard_normal(len(chosen))
        self.tempi[chosen] += STRAY_TEMPO * draw.standard_normal(len(chosen))

    def weigh(self, evidence: np.ndarray) -> None:
        """Adds logarithms of likelihoods, float [particles]."""
        self.weights += evidence

    def resampled(self, draw: np.random.Generator, share: float = 0.5) -> "Cloud":
        """Returns particles of equal weight instead, if fewer than a share of them count."""
        shares = self.shares
        if 1 / np.square(shares).sum() > share * len(self):
            return self
        marks = (np.arange(len(self)) + draw.random()) / len(self)
        chosen = np.searchsorted(np.cumsum(shares), marks).clip(max=len(self) - 1)
        return self.take(chosen)

    def median(self) -> float:
        """Returns the weighted median of the places."""
        order = np.argsort(self.places)
        middle = int(np.searchsorted(np.cumsum(self.shares[order]), 0.5))
        return float(self.places[order[min(middle, len(order) - 1)]])
