"""A model that needs no training: grey values and pitches of the same number look alike to it."""

from pathlib import Path

import numpy as np

from tempo_invariant import arrays, json_objects
from tempo_invariant.audio.windows import window_samples
from tempo_invariant.geometry import PAPER, PRINTED, SAMPLE_RATE
from tempo_invariant.model import pretrained
from tempo_invariant.retrieval import certainty, hubness, model_identity
from tempo_invariant.retrieval.certainty import Calibration
from tempo_invariant.retrieval.embedders import AudioEmbeddings
from tempo_invariant.scores import mung
from tempo_invariant.scores.places import Box
from tfrecords_tools.msmd import layout

FRAMES = 20
SIZE = 16
_LOWEST_HZ = 300.0
_STEP_HZ = 10.0


class FakeEmbedder:
    """Reads a number from 0 to 250 in the middle of its input and makes a smooth code of it.

    Args:
        seed: two models of different seeds are different models.
    """

    def __init__(self, seed: int = 0):
        self.name = f"fake model {seed}"
        self.source = None
        self.frames = FRAMES
        self.size = SIZE
        self.staves = PRINTED
        generator = np.random.default_rng(seed)
        self._speeds = generator.normal(0, 1 / 12, SIZE // 2)

    def embed_audio(self, windows: np.ndarray) -> AudioEmbeddings:
        """The pitch of the middle 0.2 s, by its zero crossings."""
        assert windows.shape[1] == window_samples(FRAMES)
        middle, half = FRAMES // 2 * SAMPLE_RATE // 20, SAMPLE_RATE // 10
        heard = windows[:, middle - half : middle + half]
        crossings = np.count_nonzero(np.diff(np.signbit(heard), axis=1), axis=1)
        hertz = crossings / 2 / (2 * half / SAMPLE_RATE)
        attention = np.full((len(windows), FRAMES), 1 / FRAMES, np.float32)
        return AudioEmbeddings(self._code((hertz - _LOWEST_HZ) / _STEP_HZ), attention)

    def embed_sheet(self, snippets: np.ndarray) -> np.ndarray:
        """The grey value in the middle."""
        return self._code(snippets[:, 78:82, 98:102].mean(axis=(1, 2)))

    def _code(self, numbers: np.ndarray) -> np.ndarray:
        angles = np.asarray(numbers)[:, None] * self._speeds
        code = np.concatenate([np.cos(angles), np.sin(angles)], axis=1) / np.sqrt(SIZE / 2)
        return code.astype(np.float32)


def ship(monkeypatch, root: Path, calibration: Calibration) -> Path:
    """Lets the fake model ship below `root`, with a calibration and without a cohort."""
    monkeypatch.setattr(pretrained, "DIRECTORY", root)
    directory = root / "fake"
    directory.mkdir(parents=True)
    (directory / pretrained.CARD).write_text("{}")
    arrays.save(directory / hubness.PROBE, model_identity.probe(FakeEmbedder()))
    json_objects.save(directory / certainty.FILES["sheets"], calibration)
    return directory


def melody(numbers: np.ndarray, seconds: float) -> np.ndarray:
    """A glide through the pitches of numbers, evenly in time: float32 [samples]."""
    count = round(seconds * SAMPLE_RATE)
    values = np.interp(np.linspace(0, len(numbers) - 1, count), np.arange(len(numbers)), numbers)
    phase = np.cumsum(2 * np.pi * (_LOWEST_HZ + _STEP_HZ * values) / SAMPLE_RATE)
    return (0.3 * np.sin(phase)).astype(np.float32)


def write_score(
    directory, name: str, numbers: np.ndarray, systems: int = 3, seconds: float = 0.0
) -> None:
    """Writes a piece in MSMD's layout: one page, the numbers as grey values along its systems.

    Args:
        directory: the piece becomes `directory/msmd/name`.
        name: of the piece.
        numbers: from 0 to 250.
        systems: how many.
        seconds: duration of a performance that the note heads (every 35 pixels) are aligned with;
            0: no note heads.
    """
    page = np.full((300 * systems, 835), PAPER, np.uint8)
    found, heads = [], []
    left, width = 60, 700
    for index, part in enumerate(np.array_split(numbers, systems)):
        top = 100 + 300 * index
        greys = np.interp(np.linspace(0, len(part) - 1, width), np.arange(len(part)), part)
        page[top - 50 : top + 130, left : left + width] = np.round(greys)
        found.append(mung.System(index, Box(top, left, top + 80, left + width)))
        for column in range(0, width, 35) if seconds else ():
            time = seconds * (index + column / width) / systems
            onset = mung.Onset(round(20 * time), time, len(heads))
            heads.append(
                mung.NoteHead(
                    id=100 + len(heads),
                    box=Box(top, left + column - 4, top + 6, left + column + 4),
                    pitch=60,
                    system=index,
                    onsets={layout.performance_name(name, 1.0, "sine"): onset},
                )
            )
    source = directory / f"{name}.ly"
    source.write_text("{ c' }")
    pages = [mung.Page(1, tuple(found), tuple(heads))]
    layout.write_score(directory / "msmd" / name, pages, {"bold": [page]}, source)
    source.unlink()
