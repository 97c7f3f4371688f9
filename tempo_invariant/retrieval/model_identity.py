"""Which model made an index: what it computes of a fixed probe, and not the name of a file.

So an index made with a run may be asked through its export or through a server that has it loaded,
and any other model is refused.
"""

import numpy as np

from tempo_invariant.audio.windows import window_samples
from tempo_invariant.errors import UserError
from tempo_invariant.geometry import (
    FRAMES_PER_SECOND,
    PAPER,
    SAMPLE_RATE,
    SNIPPET_HEIGHT,
    SNIPPET_WIDTH,
)
from tempo_invariant.retrieval.embedders import Embedder

SAME_MODEL = 0.999
"""Cosine above which two embeddings of the probe count as the same, up to rounding."""


def probe(embedder: Embedder) -> np.ndarray:
    """Embeds four chords and four drawings that never change.

    Returns:
        float32 [8, size]: its identity.
    """
    samples = window_samples(embedder.frames)
    seconds = np.arange(samples) / SAMPLE_RATE
    beat = seconds % (10 / FRAMES_PER_SECOND)
    chords = []
    for number in range(4):
        hertz = [110.0 * 2 ** ((3 * number + tone) / 12) for tone in (0, 7, 16 - number)]
        chord = sum(np.sin(2 * np.pi * tone * seconds) for tone in hertz)
        chords.append(0.1 * chord * np.exp(-4 * beat))
    drawings = np.full((4, SNIPPET_HEIGHT, SNIPPET_WIDTH), PAPER, np.uint8)
    for number, drawing in enumerate(drawings):
        drawing[30:62:8] = drawing[100:132:8] = 0
        for head in range(4 + 3 * number):
            row, column = 24 + 31 * head % 110, 8 + 53 * head % 184
            drawing[row : row + 7, column : column + 8] = 0
    heard = embedder.embed_audio(np.stack(chords).astype(np.float32)).embedding
    return np.concatenate([heard, embedder.embed_sheet(drawings)]).astype(np.float32)


def same_model(expected: np.ndarray, found: np.ndarray) -> bool:
    """Tells whether two probes, float32 [rows, size], are of one model, up to rounding."""
    if found.shape != expected.shape:
        return False
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    cosines = np.sum(found * expected, axis=1) / np.maximum(lengths, 1e-12)
    return bool(cosines.min() >= SAME_MODEL)


def check_same_model(expected: np.ndarray, embedder: Embedder, made_with: str) -> None:
    """Compares the probe of a model with that of the model that an index was made with.

    Args:
        expected: Embeddings that `probe` gave for the model of the index.
        embedder: The model to be used with it.
        made_with: Start of the message, which says what the index was made with.

    Raises:
        UserError: It is another model.
    """
    if same_model(expected, probe(embedder)):
        return
    if made_with.endswith(embedder.name):
        raise UserError(
            f"{made_with} of another version, whose embeddings differ: remove it and make it anew"
        )
    raise UserError(f"{made_with}, and {embedder.name} is another model: its embeddings differ")
