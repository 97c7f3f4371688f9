"""Four scores of 120 notes each, for the model that reads greys and pitches, and their index."""

import dataclasses
from pathlib import Path

import numpy as np

from tempo_invariant.audio.recordings import open_recording
from tempo_invariant.retrieval import hearing, identification, indexing
from tempo_invariant.retrieval.identification import IdentificationSettings, IdentifiedScore
from tempo_invariant.retrieval.library import SnippetIndex
from tests import fake_embedder
from tests.fake_embedder import FakeEmbedder

RISING = np.arange(20, 140)
SCORES = {
    "falling": RISING[::-1],
    "other": np.arange(240, 120, -1),
    "rising": RISING,
    "zigzag": np.concatenate([RISING[40:80], RISING[:40], RISING[80:]]),
}
POSITIONS = 87
"""Snippets of a score: 3 systems of 700 pixels, one every 24."""


def make_index(directory: Path) -> SnippetIndex:
    """Returns their index, in which the same notes in another order do not count as one music."""
    for name, numbers in SCORES.items():
        fake_embedder.write_score(directory, name, numbers)
    made = indexing.index_scores(FakeEmbedder(), directory / "msmd", directory / "index").index
    return dataclasses.replace(made, editions=())


def identify(index: SnippetIndex, pcm: np.ndarray, **settings) -> IdentifiedScore:
    """Asks an index with a recording."""
    recording = open_recording(pcm, 22050)
    return identification.identify_recording(
        index, FakeEmbedder(), recording, IdentificationSettings(**settings)
    )


def listened(pcm: np.ndarray, hop_frames: int = 10) -> hearing.Heard:
    """Returns what is heard of a recording."""
    return hearing.hear(FakeEmbedder(), np.array_split(pcm, 9), hop_frames)
