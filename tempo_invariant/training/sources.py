"""What networks learn from: the corpora of scores and the sounds, by name, with their licences."""

import re
from collections.abc import Iterable, Sequence

MSMD = "MSMD"

_NAMES = {
    "OpenScore Lieder": re.compile(r"__lc\d+$"),
    "Polish Scores": re.compile(r"^[a-z]+-[a-z]+--"),
}
"""How pieces of other corpora than MSMD are named."""

CORPORA = {
    MSMD: (
        "MSMD (Multimodal Sheet Music Dataset): piano music of the Mutopia Project, engraved by "
        "LilyPond."
    ),
    "OpenScore Lieder": (
        "The piano parts of the OpenScore Lieder Corpus, engraved by Verovio with fonts, sizes and "
        "distances of many looks."
    ),
    "Polish Scores": (
        "The piano pieces of Polish Scores (Fryderyk Chopin Institute, Polish Music Heritage in "
        "Open Access), engraved likewise."
    ),
}

LICENCES = {
    MSMD: (
        "The scores of MSMD are works of the Mutopia Project's contributors, each under a licence "
        "of its own: the public domain, Creative Commons Attribution or Attribution-ShareAlike."
    ),
    "OpenScore Lieder": "Those of the OpenScore Lieder Corpus are in the public domain (CC0).",
    "Polish Scores": (
        "Those of Polish Scores, by the Fryderyk Chopin Institute, are under the Creative Commons "
        "Attribution 4.0 licence."
    ),
}

_SOUNDS = {
    "TimGM6mb": "a small General MIDI soundfont, which comes with the package pretty_midi",
    "FluidR3_GM": "a General MIDI soundfont",
    "MuseScore_General_Full": "a General MIDI soundfont",
    "salamander": "samples of a grand piano, a Yamaha C5",
    "splendid": "samples of a grand piano, a Steinway",
}
"""What the soundfonts are, by the names of their files."""

_SOUND_LICENCES = {
    "salamander": (
        "The Yamaha C5 that was heard is the Salamander Grand Piano by Alexander Holm, under the "
        "Creative Commons Attribution 3.0 licence."
    ),
    "splendid": "The Steinway is the Splendid Grand Piano by AKAI, in the public domain.",
}

_PRESETS = ("acoustic grand", "bright acoustic", "electric grand", "honky-tonk") + (
    "first electric piano",
    "second electric piano",
    "harpsichord",
    "clavinet",
)
"""General MIDI's pianos, from program 0."""

_SOUND = re.compile(r"(?P<font>.+?)(-p(?P<p>\d+))?(-e(?P<e>\d+))?(-i(?P<i>\d+))?(-r(?P<r>\d+))?")
"""The name of a sound: its soundfont, and what is not 0 of the preset and of the seeds of
expression, instrument and room, as `tfrecords_tools.music.performing` writes it."""


def corpus(piece: str) -> str:
    """Returns the name of the corpus that a piece is of, by its own name."""
    return next((name for name, pattern in _NAMES.items() if pattern.search(piece)), MSMD)


def soundfonts(sounds: Iterable[str]) -> dict[str, list[int]]:
    """Returns the soundfonts among sounds of records, with the presets that are played of each."""
    found: dict[str, set[int]] = {}
    for parts in map(_parts, sounds):
        found.setdefault(parts["font"], set()).add(int(parts["p"] or 0))
    return {font: sorted(presets) for font, presets in sorted(found.items())}


def ways_of_playing(sounds: Iterable[str]) -> list[str]:
    """Returns the ways in which sounds of records are played, in words."""
    found = {
        " ".join(
            ["with expression" if parts["e"] else "as notated"]
            + ["out of tune"] * bool(parts["i"])
            + ["in a room"] * bool(parts["r"])
        )
        for parts in map(_parts, sounds)
    }
    return sorted(found, key=lambda way: (len(way), way))


def sound_line(font: str, presets: Sequence[int]) -> str:
    """Says what a soundfont is and what is played of it."""
    text = f"`{font}`: {_SOUNDS.get(font, 'a soundfont')}"
    if set(presets) == {0}:
        return f"{text}."
    named = (
        f"{number} ({_PRESETS[number]})" if number < len(_PRESETS) else str(number)
        for number in presets
    )
    return f"{text}, its General MIDI program{'s' * (len(presets) > 1)} {', '.join(named)}."


def sound_licences(sounds: Iterable[str]) -> list[str]:
    """Returns a sentence for each sampled instrument of known licence among sounds of records."""
    fonts = soundfonts(sounds)
    return [text for name, text in _SOUND_LICENCES.items() if name in fonts]


def _parts(sound: str) -> dict[str, str]:
    match = _SOUND.fullmatch(sound)
    assert match  # a name without an ending is all soundfont
    return match.groupdict()
