"""The conditions under which a model is tried: tempo, timing, sound, recording, print."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tempo_invariant import json_objects
from tempo_invariant.audio import degradation as effects
from tempo_invariant.audio.degradation import AS_PLAYED, PHONE, RecordingDegradation
from tempo_invariant.errors import UserError

TEMPI = (0.5, 0.66, 0.8, 1.25, 1.5, 2.0)
LEVELS_DB = (-20.0, -12.0, -6.0, 6.0, 12.0, 20.0)
CURVES = {
    "bass-heavy": effects.BASS_HEAVY,
    "treble-heavy": effects.TREBLE_HEAVY,
    "phone band": effects.PHONE_BAND,
}
ROOMS_SECONDS = (0.4, 1.0)
NOISES_DB = (20.0, 10.0)
TUNINGS_CENTS = (-30.0, 30.0)
CLEAN = "clean"
WORN = "worn"
"""Name of an ink: the first one, on pages that are as poor scans and photographs show them."""


@dataclass(frozen=True)
class Condition:
    """Describes what is heard and what is seen.

    Attributes:
        name: A name that no other condition of the same set has, such as "tempo 0.5".
        group: A name that conditions of one kind share, such as "tempo".
        tempo: Speed relative to the notated one.
        soundfont: Soundfont (.sf2) that plays; empty for a real recording.
        expression: Seed of expressive playing; 0 plays as notated.
        seconds: Length of the excerpts in seconds; 0 for whole recordings.
        gain_db: Amplification in dB, after the degradation.
        degradation: What happens to the recording.
        ink: Rendering of the pages that is seen, or `WORN`; empty for the first one.
        preset: General MIDI program that plays, another instrument than the piano; 0 is a piano.
    """

    name: str
    group: str = ""
    tempo: float = 1.0
    soundfont: str = ""
    expression: int = 0
    seconds: float = 0.0
    gain_db: float = 0.0
    degradation: RecordingDegradation = AS_PLAYED
    ink: str = ""
    preset: int = 0

    def __post_init__(self) -> None:
        if not 0.05 <= self.tempo <= 20:
            raise UserError(f"tempo must be from 0.05 to 20, received {self.tempo:g}")
        if not 0 <= self.preset <= 127:
            raise UserError(f"preset must be from 0 to 127, received {self.preset}")
        if self.expression < 0:
            raise UserError(f"expression must not be negative, received {self.expression}")
        if not abs(self.gain_db) <= 200:
            raise UserError(f"gain_db must be from -200 to 200, received {self.gain_db:g}")
        if self.seconds < 0:
            raise UserError(f"seconds must not be negative, received {self.seconds:g}")

    @property
    def text(self) -> str:
        """One line that says how a rendering is played and recorded; else the name."""
        if not self.soundfont:
            return self.name
        parts = [f"{self.seconds:g} s" if self.seconds else "whole recordings"]
        sound = Path(self.soundfont).stem + f" program {self.preset}" * (self.preset > 0)
        parts += [sound, f"tempo {self.tempo:g}", f"{self.gain_db:+g} dB"]
        parts += [f"expression {self.expression}"] if self.expression else []
        if self.degradation != AS_PLAYED:
            parts.append("as a phone records it" if self.degradation == PHONE else "degraded")
        return ", ".join(parts)

    def report(self) -> dict[str, Any]:
        """Returns the fields and the text as JSON can hold them."""
        how = json_objects.plain(self.degradation)
        return dataclasses.asdict(self) | {"degradation": how, "text": self.text}


def conditions(soundfonts: Sequence[str] = ("",), inks: Sequence[str] = ()) -> list[Condition]:
    """Makes all conditions of the measurement of robustness; the first one is the clean one.

    Args:
        soundfonts: Soundfonts (.sf2), of which the first one plays in all conditions but those of
            the others; it may be empty for the soundfont that is always there.
        inks: Renderings of the pages other than the first.
    """
    clean = Condition(CLEAN, CLEAN, soundfont=soundfonts[0])
    result = [clean]

    def add(group: str, detail: str = "", **changes: Any) -> None:
        name = f"{group} {detail}".strip()
        result.append(dataclasses.replace(clean, name=name, group=group, **changes))

    def degrade(group: str, detail: str = "", **changes: Any) -> None:
        add(group, detail, degradation=RecordingDegradation(**changes))

    for tempo in TEMPI:
        add("tempo", f"{tempo:g}", tempo=tempo)
    add("expression", expression=1)
    for level_db in LEVELS_DB:
        degrade("level", f"{level_db:+g} dB", level_db=level_db)
    for name, curve in CURVES.items():
        degrade("equalisation", name, equalization=curve)
    for seconds in ROOMS_SECONDS:
        degrade("room", f"{seconds:g} s", room_seconds=seconds)
    for snr_db in NOISES_DB:
        degrade("noise", f"{snr_db:g} dB", noise_snr_db=snr_db)
    degrade("mp3", "64 kb/s", mp3_kilobits=64)
    for cents in TUNINGS_CENTS:
        degrade("tuning", f"{cents:+g} cents", tuning_cents=cents)
    for ink in inks:
        add("ink", ink, ink=ink)
    add("page", WORN, ink=WORN)
    for soundfont in soundfonts[1:]:
        add("soundfont", Path(soundfont).stem, soundfont=soundfont)
    add("phone", degradation=PHONE)
    add("phone", "and expression", degradation=PHONE, expression=1)
    return result


def select(every: Sequence[Condition], names: Sequence[str]) -> list[Condition]:
    """Returns the conditions of these names or groups, all if there are none, and the clean one.

    Raises:
        UserError: There is no condition of a name.
    """
    for name in names:
        if not any(name in (condition.name, condition.group) for condition in every):
            known = ", ".join(dict.fromkeys(c.group or c.name for c in every))
            raise UserError(f"{name!r}: no such condition; there are {known}")
    wanted = {CLEAN, *names}
    return [c for c in every if not names or c.name in wanted or c.group in wanted]
