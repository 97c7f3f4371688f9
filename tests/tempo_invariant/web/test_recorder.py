"""What keeps the sound: a disk that fails ends a recording with a line, and nothing else."""

import numpy as np
import soundfile

from tempo_invariant.web.recorder import Recorder


class FullDisk(soundfile.SoundFile):
    """A file whose last samples find no room."""

    def close(self):
        was_open = not self.closed
        super().close()
        if was_open:
            raise soundfile.LibsndfileError(2)


def test_a_file_that_cannot_be_ended_is_told(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(soundfile, "SoundFile", FullDisk)
    take = Recorder(tmp_path).begin("identity")
    take.write(np.zeros(100, np.float32))
    take.close()
    assert "identi.flac: not whole (" in caplog.text
    take.write(np.zeros(100, np.float32))
    take.close()
    assert len(list(tmp_path.iterdir())) == 1
