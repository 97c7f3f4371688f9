"""The variation of the data of a training, a setting a field; see `tempo_invariant.config`."""

from dataclasses import dataclass

from tempo_invariant.fields import check, setting
from tempo_invariant.geometry import BANDS, FMAX_HZ, FMIN_HZ, SYSTEM_HEIGHT

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
        0.5,
        "Share of the excerpts that the settings from tuning_cents to mask_bands change.",
        lower=0,
        upper=1,
    )

    missing_future: float = setting(
        0.0,
        "Share of the excerpts that end early, at the onset or up to the end: the rest is silent.",
        lower=0,
        upper=1,
    )
    staff_pixels: int = setting(
        0,
        "Move the staves of a system apart or together by up to this many page pixels; 0: off.",
        lower=0,
        upper=SYSTEM_HEIGHT,
    )
    skew_degrees: float = setting(
        0.0, "Turn the score by up to this many degrees; 0: off.", lower=0, upper=20
    )
    bend_pixels: float = setting(
        0.0, "Bend the staves by up to this many page pixels; 0: off.", lower=0, upper=40
    )
    uneven_scale: float = setting(
        0.0, "Let the scale change along the staves by up to this share; 0: off.", lower=0, below=1
    )
    ink_spread: float = setting(
        0.0, "Let ink spread or wear off by up to this many pixels; 0: off.", lower=0, upper=1
    )
    faded_ink: float = setting(
        0.0, "Fade the ink in patches, by about this share; 0: off.", lower=0, upper=2
    )
    note_colour: float = setting(
        0.0, "Print note heads in colours up to this pale; 0: off.", lower=0, upper=1
    )
    handwriting: int = setting(
        0, "Write up to this many strokes on the score; 0: off.", lower=0, upper=32
    )
    bleed_through: float = setting(
        0.0, "Let up to this share of the ink on the back shine through; 0: off.", lower=0, upper=1
    )
    blur: float = setting(
        0.0, "Coarsen and blur by up to this share of two pixels; 0: off.", lower=0, upper=1
    )
    grey_paper: float = setting(
        0.0, "Darken paper and brighten ink by up to this share; 0: off.", lower=0, below=1
    )
    shadow: float = setting(
        0.0, "Cast shadows that take up to this share of the light; 0: off.", lower=0, upper=1
    )
    grain: float = setting(
        0.0, "Add noise of up to this many grey levels of 255; 0: off.", lower=0, upper=255
    )
    jpeg: float = setting(
        0.0, "Round blocks as JPEG does, in steps of up to this; 0: off.", lower=0, upper=255
    )
    worn_share: float = setting(
        0.5,
        "Share of the snippets that the settings from skew_degrees to jpeg change.",
        lower=0,
        upper=1,
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

    @property
    def varies_snippets(self) -> bool:
        """Whether the snippets are varied."""
        everywhere = self.scale, self.shift_pixels, self.staff_pixels
        return any(everywhere) or self.wears_snippets

    @property
    def wears_snippets(self) -> bool:
        """Whether a share of the snippets is varied."""
        ways = (
            (self.skew_degrees, self.bend_pixels, self.uneven_scale)
            + (self.ink_spread, self.faded_ink, self.note_colour, self.handwriting)
            + (self.bleed_through, self.blur, self.grey_paper, self.shadow, self.grain, self.jpeg)
        )
        return any(ways) and self.worn_share > 0


NO_AUGMENTATION = Augmentation(
    scale=0.0, shift_pixels=0, onset_frames=0, tempo=False, soundfont=False, ink=False
)
