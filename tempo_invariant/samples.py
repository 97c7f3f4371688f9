"""The sample that ships: scores as PDF files, and a recording of one of them.

The word "sample" stands for either, where there is no such file. The pages were engraved of the
LilyPond files in `tempo_invariant/scores/sample_scores`; the recording plays
`petzold_minuet_g_major` at 0.8 of its tempo, as a person would play it.
"""

import os
from collections.abc import Mapping
from pathlib import Path

DIRECTORY = Path(__file__).parent / "sample"
SCORES = {"sample": str(DIRECTORY / "scores")}
RECORDING = {"sample": str(DIRECTORY / "recording.ogg")}


def beside(source: str | os.PathLike, ending: str) -> str:
    """Returns where by default is written what is made of something: `NAME-ending` beside `NAME`.

    What is made of a file of the sample comes into the current directory; what the word "sample"
    stands for has that name.
    """
    path = Path(os.path.abspath(source))
    name = "sample" if str(path) in (*SCORES.values(), *RECORDING.values()) else path.stem
    folder = Path() if path.is_relative_to(DIRECTORY) else Path(source).parent
    return str(folder / f"{name}-{ending}")


def find(path: str | os.PathLike, words: Mapping[str, str]) -> str:
    """Returns a path as it is given, or what a word stands for where there is no such file."""
    given = os.fspath(path)
    return given if os.path.exists(given) else words.get(given, given)
