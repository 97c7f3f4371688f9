"""What networks learn from: the corpora of scores and the sounds, by name, with their licences."""

import re
from collections.abc import Iterable

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
    "salamander": (
        "The Yamaha C5 that was heard is the Salamander Grand Piano by Alexander Holm, under the "
        "Creative Commons Attribution 3.0 licence."
    ),
    "splendid": "The Steinway is the Splendid Grand Piano by AKAI, in the public domain.",
}


def corpus(piece: str) -> str:
    """Returns the name of the corpus that a piece is of, by its own name."""
    return next((name for name, pattern in _NAMES.items() if pattern.search(piece)), MSMD)


def sound_licences(soundfonts: Iterable[str]) -> list[str]:
    """Returns a sentence for each sampled instrument of known licence among sounds of records."""
    return [
        text
        for name, text in _SOUNDS.items()
        if any(sound.split("-")[0] == name for sound in soundfonts)
    ]
