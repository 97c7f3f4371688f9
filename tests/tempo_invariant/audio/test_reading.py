"""The one reader of recordings: formats and rates, and files that cannot be used."""

import io
import logging

import numpy as np
import pytest
import soundfile

from tempo_invariant.audio import decoding, reading
from tempo_invariant.errors import UserError
from tests.audio_files import encode, sound, write

FORMATS = [
    ("a.wav", "PCM_16", 1e-3),
    ("a.wav", "PCM_24", 1e-3),
    ("a.wav", "PCM_32", 1e-3),
    ("a.wav", "PCM_U8", 0.02),
    ("a.wav", "FLOAT", 1e-3),
    ("a.flac", "PCM_16", 1e-3),
    ("a.ogg", "VORBIS", 0.05),
    ("a.mp3", "MPEG_LAYER_III", 0.05),
]
"""File name, libsndfile's name of the encoding, and how far samples may be from the tone."""


def write_tone(path, subtype: str) -> np.ndarray:
    """Writes a second of a tone in stereo at 44,100 Hz; returns what it is at 22,050 Hz, mono."""
    tone = 0.5 * np.sin(2 * np.pi * 441 * np.arange(44100) / 44100)
    soundfile.write(path, np.stack([tone, 0.5 * tone], 1), 44100, subtype=subtype)
    return 0.375 * np.sin(2 * np.pi * 441 * np.arange(22050) / 22050)


@pytest.mark.parametrize(("name", "subtype", "tolerance"), FORMATS)
def test_every_format_becomes_mono_at_22050_hz(tmp_path, name, subtype, tolerance):
    expected = write_tone(tmp_path / name, subtype)
    pcm = np.concatenate(list(reading.read_blocks(tmp_path / name)))
    # FFmpeg takes 128 samples too many from the end of Vorbis that has only one page of sound.
    assert pcm.dtype == np.float32 and abs(len(pcm) - 22050) <= (64 if "ogg" in name else 1)
    np.testing.assert_allclose(pcm[2000:20000], expected[2000:20000], atol=tolerance)


def test_the_gain_is_in_decibels_and_samples_are_clipped(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(22050, 0.25), 22050, "FLOAT")
    (pcm,) = reading.read_blocks(tmp_path / "a.wav", gain_db=6.0)
    np.testing.assert_allclose(pcm, 0.25 * 10**0.3, rtol=1e-6)
    (pcm,) = reading.read_blocks(tmp_path / "a.wav", gain_db=60.0)
    np.testing.assert_array_equal(pcm, np.float32(reading.LOUDEST))


def test_reading_begins_at_a_time(tmp_path):
    samples = np.arange(3 * 22050) / 2**17
    soundfile.write(tmp_path / "a.wav", samples, 22050, "FLOAT")
    pcm = np.concatenate(list(reading.read_blocks(tmp_path / "a.wav", start_seconds=1.5)))
    np.testing.assert_allclose(pcm, samples[33075:], rtol=1e-6)


def test_a_long_recording_comes_in_blocks(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(25 * 22050, 0.25), 22050)
    lengths = [len(block) for block in reading.read_blocks(tmp_path / "a.wav")]
    assert len(lengths) == 3 and sum(lengths) == 25 * 22050
    assert max(lengths) <= decoding.BLOCK_SECONDS * 22050


def test_the_length_is_what_is_there(tmp_path):
    soundfile.write(tmp_path / "a.flac", np.zeros((48000, 2)), 48000)
    info = reading.audio_info(tmp_path / "a.flac")
    assert info == (48000, 2, 48000) and info.seconds == 1.0


def test_unusable_audio_gives_one_line(tmp_path):
    (tmp_path / "bad.wav").write_bytes(b"RIFFxxxxWAVEjunkjunkjunk")
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 22050)
    soundfile.write(tmp_path / "nan.wav", np.full(100, np.nan), 22050, "FLOAT")
    for name, reason in {
        "bad.wav": "not a readable audio file",
        "none.wav": "no audio samples",
        "nan.wav": "not finite numbers",
        "missing.wav": "no such audio file",
    }.items():
        with pytest.raises(UserError, match=f"{name}: .*{reason}") as caught:
            list(reading.read_blocks(tmp_path / name))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ending", ["mp3", "flac", "aac", "wav"])
def test_an_empty_file_is_called_so_and_pyav_says_nothing(tmp_path, capfd, ending):
    path = write(tmp_path, f"empty.{ending}", b"")
    with pytest.raises(UserError) as caught:
        list(reading.read_blocks(path))
    assert str(caught.value) == f"{path}: is an empty file"
    assert capfd.readouterr() == ("", "")


def test_what_is_missing_is_a_warning_or_an_error(tmp_path, caplog, capfd):
    content = encode(sound(6.0, 22050, 1), 22050, "libmp3lame", "mp3")
    path = write(tmp_path, "take.mp3", content[: len(content) // 2])
    pcm = np.concatenate(list(reading.read_blocks(path)))
    (record,) = caplog.records
    line = record.getMessage()
    stop = f"{len(pcm) / 22050:.2f}"
    assert line == f"{path}: cannot be decoded after {stop} s (it should last 6.00 s)"
    assert record.levelno == logging.WARNING and 2.9 < float(stop) < 3.1
    with pytest.raises(UserError) as caught:
        list(reading.read_blocks(path, strict=True))
    assert str(caught.value) == line
    assert reading.audio_info(path).frames == len(pcm)
    assert capfd.readouterr() == ("", "")  # FFmpeg says nothing


def test_a_recording_full_of_damage_gives_few_lines(tmp_path, caplog):
    content = bytearray(encode(sound(20.0), 44100, "flac", "flac"))
    for first in range(20_000, len(content), 60_000):
        content[first : first + 20] = bytes(20)
    path = write(tmp_path, "take.flac", bytes(content))
    assert sum(map(len, reading.read_blocks(path))) == pytest.approx(20 * 22050, abs=2)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 4 and lines[-1].endswith(" more places like these")


def test_the_length_without_a_header_is_right(tmp_path):
    pcm = sound(10.0)
    pcm[44100 * 5 :] *= 0.01
    for codec, name in (("libmp3lame", "mp3"), ("aac", "adts")):
        content = encode(pcm, 44100, codec, name, {"write_xing": "0"} if name == "mp3" else {})
        info = reading.audio_info(write(tmp_path, f"a.{name}", content))
        assert 10 <= info.seconds < 10.05 and info[1:] == (2, 44100)


def test_names_that_are_no_text_are_read(tmp_path):
    path = write(tmp_path, "\udcff\udce9.mp3", encode(sound(1.0), 44100, "libmp3lame", "mp3"))
    assert sum(map(len, reading.read_blocks(path))) == 22050


@pytest.mark.parametrize("gain", [float("nan"), float("inf"), -float("inf"), 1e9])
def test_gains_that_are_no_gains_are_refused(tmp_path, gain):
    soundfile.write(tmp_path / "a.wav", np.full(100, 0.25), 22050)
    for blocks in (
        reading.read_blocks(tmp_path / "a.wav", gain),
        reading.pcm_blocks(io.BytesIO(bytes(100)), gain_db=gain),
    ):
        with pytest.raises(UserError, match="the gain must be from -200 to 200 dB"):
            list(blocks)


@pytest.mark.parametrize("start", [float("nan"), float("inf"), -1.0])
def test_times_that_are_no_times_are_refused(tmp_path, start):
    soundfile.write(tmp_path / "a.wav", np.full(100, 0.25), 22050)
    with pytest.raises(UserError, match="reading cannot begin at"):
        list(reading.read_blocks(tmp_path / "a.wav", start_seconds=start))


def test_raw_samples_come_in_any_pieces(caplog):
    values = np.random.default_rng(0).integers(-(2**15), 2**15, 5000).astype("<i2")

    class Pipe(io.RawIOBase):
        """Gives at most 7 bytes at a time, as a slow pipe without a buffer may."""

        def __init__(self) -> None:
            self.rest = values.tobytes() + b"\1"

        def read(self, size=-1):
            piece, self.rest = self.rest[: min(size, 7)], self.rest[min(size, 7) :]
            return piece

    found = np.concatenate(list(reading.pcm_blocks(Pipe(), 0.01)))
    np.testing.assert_array_equal(found, values / np.float32(32768))
    assert [record.getMessage() for record in caplog.records] == [
        "standard input ends in the middle of a sample of 16 bits"
    ]


def test_closed_standard_input_is_one_line():
    closed = io.BytesIO()
    closed.close()
    for stream in (None, closed):
        with pytest.raises(UserError, match="standard input is closed"):
            list(reading.pcm_blocks(stream))


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"RIFF\x24\x08\x00\x00WAVE", "a WAV file"),
        (b"ID3\x04\x00", "an MP3 file"),
        (b"fLaC\x00", "a FLAC file"),
        (b"OggS\x00", "an Ogg file"),
        (b"\x00\x00\x00\x20ftypM4A ", "an MP4 file"),
        (b"\x1aE\xdf\xa3\x01", "a Matroska file"),
    ],
)
def test_a_file_in_place_of_raw_samples_is_told(start, what):
    stream = io.BytesIO(start + bytes(100_000))
    with pytest.raises(UserError, match=f"standard input holds {what}, not raw samples"):
        list(reading.pcm_blocks(stream))
    # Later in a stream the same bytes are sound like any other.
    blocks = list(reading.pcm_blocks(io.BytesIO(bytes(22050 * 2) + start + bytes(100))))
    assert sum(map(len, blocks)) == 22050 + (len(start) + 100) // 2
