"""The conditions under which a model is tried: tempo, timing, sound, recording, print."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

_FORMAT = 1
"""Of what is kept of a recording; goes up when rendering or effects change."""


@dataclass(frozen=True)
class Playing:
    """How a piece is played and recorded: what the sound depends on, apart from the piece.

    Attributes:
        soundfont: an .sf2 file.
        tempo: speed relative to the notated one.
        expression: seed of expressive playing; 0 plays as notated.
        degradation: what happens to the recording.
        seed: of the degradation.
    """

    soundfont: str
    tempo: float = 1.0
    expression: int = 0
    degradation: RecordingDegradation = AS_PLAYED
    seed: int = 0

    @property
    def rendering(self) -> "Playing":
        """The same as it sounds before the degradation."""
        return dataclasses.replace(self, degradation=AS_PLAYED, seed=0)

    def key(self) -> str:
        """A name for what is kept of it: of the soundfont counts its name and size, not its place.

        Raises:
            UserError: there is no such soundfont.
        """
        path = Path(self.soundfont)
        try:
            fields: dict[str, Any] = {"format": _FORMAT, "bytes": path.stat().st_size}
        except OSError as error:
            raise UserError(f"{path}: no such soundfont ({error.strerror})") from error
        fields |= dataclasses.asdict(self) | {"soundfont": path.name}
        if self.degradation == AS_PLAYED:
            del fields["seed"]
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Condition:
    """What is heard and what is seen.

    Attributes:
        name: such as "tempo 0.5".
        group: of its name in tables, such as "tempo".
        playing: what is heard.
        ink: which rendering of the pages is seen; empty: the first.
    """

    name: str
    group: str
    playing: Playing
    ink: str = ""


def conditions(
    soundfonts: Sequence[str], inks: Sequence[str] = ("thin",), seed: int = 0
) -> list[Condition]:
    """Makes all conditions; the first one is the clean one.

    Args:
        soundfonts: .sf2 files; the first is that of all conditions but those of the others.
        inks: renderings of the pages other than the first.
        seed: of what is random in a degradation.
    """
    clean = Playing(soundfonts[0], seed=seed)
    result = [Condition(CLEAN, CLEAN, clean)]

    def add(group: str, detail: str = "", ink: str = "", **changes: Any) -> None:
        playing = dataclasses.replace(clean, **changes)
        result.append(Condition(f"{group} {detail}".strip(), group, playing, ink))

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
    for soundfont in soundfonts[1:]:
        add("soundfont", Path(soundfont).stem, soundfont=soundfont)
    add("phone", degradation=PHONE)
    add("phone", "and expression", degradation=PHONE, expression=1)
    return result


def select(every: Sequence[Condition], names: Sequence[str]) -> list[Condition]:
    """Returns the conditions of these names or groups, and always the clean one.

    Raises:
        UserError: there is none of this name.
    """
    for name in names:
        if not any(name in (condition.name, condition.group) for condition in every):
            known = ", ".join(dict.fromkeys(condition.group for condition in every))
            raise UserError(f"--conditions={name}: no such condition; there are {known}")
    wanted = {CLEAN, *names}
    return [c for c in every if not names or c.name in wanted or c.group in wanted]
