"""The variation of the data of a training, a setting a field; see `tempo_invariant.config`."""

from dataclasses import dataclass

from tempo_invariant.fields import check, setting
from tempo_invariant.geometry import BANDS, FMAX_HZ, FMIN_HZ

CLEAREST_DB = 60.0
"""Signal-to-noise ratios are drawn from `noise_snr_db` to this."""


@dataclass(frozen=True)
class Augmentation:
    """How training pairs are varied; the defaults are the published variations.

    Raises:
        UserError: A field has a value out of its range.
    """

    scale: float = setting(
        0.05, "Scale the score up or down by up to this share; 0: off.", lower=0, below=1
    )
    shift_pixels: int = setting(
        5, "Shift the score up or down by up to this many page pixels; 0: off.", lower=0
    )
    onset_frames: int = setting(1, "Shift the audio by up to this many frames; 0: off.", lower=0)
    tempo: bool = setting(
        True, "Take performances at all tempi, else only at the one nearest to the notated one."
    )
    soundfont: bool = setting(True, "Take all soundfonts, else only the first by name.")
    ink: bool = setting(True, "Take all inks, else only the first.")
    stretch: float = setting(
        1.0, "Stretch or compress the time of the audio by up to this factor; 1: off.", lower=1
    )
    level_db: float = setting(
        0.0, "Raise or lower the level of the audio by up to this many dB; 0: off.", lower=0
    )
    tuning_cents: float = setting(
        0.0, "Detune up or down by up to this many cents; 0: off.", lower=0, upper=60
    )
    reverberation_seconds: float = setting(
        0.0, "Add a room whose sound falls by 60 dB within up to this; 0: off.", lower=0
    )
    equalization_db: float = setting(
        0.0, "Raise or lower the bands by smooth gains of up to this many dB; 0: off.", lower=0
    )
    low_cut_hz: float = setting(
        0.0,
        "Cut what is below a frequency up to this; 0: off.",
        off=True,
        lower=FMIN_HZ,
        upper=FMAX_HZ,
    )
    high_cut_hz: float = setting(
        0.0,
        "Cut what is above a frequency down to this; 0: off.",
        off=True,
        lower=FMIN_HZ,
        upper=FMAX_HZ,
    )
    noise_snr_db: float = setting(
        0.0, "Add noise down to this ratio in dB; 0: off.", lower=0, upper=CLEAREST_DB
    )
    mask_frames: int = setting(0, "Silence up to this many frames in a row; 0: off.", lower=0)
    mask_bands: int = setting(
        0, "Silence up to this many bands in a row; 0: off.", lower=0, upper=BANDS
    )
    varied_share: float = setting(
        0.5, "Share of the excerpts that the eight variations above change.", lower=0, upper=1
    )

    def __post_init__(self) -> None:
        check(self)

    @property
    def varies_spectrograms(self) -> bool:
        """Whether a share of the excerpts is varied."""
        ways = (
            (self.tuning_cents, self.reverberation_seconds, self.equalization_db)
            + (self.low_cut_hz, self.high_cut_hz, self.noise_snr_db)
            + (self.mask_frames, self.mask_bands)
        )
        return any(ways) and self.varied_share > 0


NO_AUGMENTATION = Augmentation(
    scale=0.0, shift_pixels=0, onset_frames=0, tempo=False, soundfont=False, ink=False
)
