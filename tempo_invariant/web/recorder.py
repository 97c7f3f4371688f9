"""Keeps what was heard, where the user wants that; else nothing is written anywhere."""

import logging
import time
from pathlib import Path
from typing import Any

import numpy as np

from tempo_invariant.errors import one_line
from tempo_invariant.geometry import SAMPLE_RATE


class Recorder:
    """Writes what is heard into a directory, a FLAC file for every session.

    Args:
        directory: The directory, made if need be; None: nothing is written.
    """

    def __init__(self, directory: Path | None):
        self._directory = directory

    def begin(self, identity: str) -> "Take":
        """Returns where the sound of a session is written to."""
        if self._directory is None:
            return Take(None)
        name = f"{time.strftime('%Y-%m-%d_%H-%M-%S')}_{identity[:6]}.flac"
        return Take(self._directory / name)


class Take:
    """A recording in the making; what is wrong with its file ends it, and is said once.

    Args:
        path: The file, made when the first sound comes; None: nothing is written.
    """

    def __init__(self, path: Path | None):
        self._path = path
        self._file: Any = None

    def write(self, block: np.ndarray) -> None:
        """Adds sound, float32 [samples]."""
        if self._path is None:
            return
        import soundfile

        try:
            if self._file is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = soundfile.SoundFile(self._path, "w", SAMPLE_RATE, 1, "PCM_16")
            self._file.write(np.clip(block, -1.0, 1.0))
        except (OSError, RuntimeError) as error:  # soundfile's own are of the second kind
            logging.warning("%s: not recorded any further (%s)", self._path, one_line(error))
            self.close()

    def close(self) -> None:
        """Ends it."""
        self._path = None
        if self._file is not None:
            file, self._file = self._file, None
            try:
                file.close()  # what is left is written then
            except (OSError, RuntimeError) as error:
                logging.warning("%s: not whole (%s)", file.name, one_line(error))
