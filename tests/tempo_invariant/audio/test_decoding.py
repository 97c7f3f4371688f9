"""Recordings of every format have their length, begin at their beginning, and keep their place."""

import io
import wave

import numpy as np
import pytest
import soundfile

from tempo_invariant.audio import decoding
from tests.audio_files import encode, lag, sound

FORMATS = [
    # codec, file format, sampling rate, samples of a frame, most samples late, most samples long
    ("libmp3lame", "mp3", 44100, 1152, 0, 0),
    ("libmp3lame", "mp3", 22050, 576, 0, 0),
    ("aac", "ipod", 44100, 1024, 0, 0),
    ("aac", "mp4", 48000, 1024, 0, 0),
    ("aac", "matroska", 44100, 1024, 0, 1024),
    ("aac", "adts", 44100, 1024, 1024, 2048),  # tells of no padding
    ("aac", "mpegts", 44100, 1024, 1024, 2048),  # tells of no padding
    ("libopus", "ogg", 48000, 960, 0, 0),
    ("libopus", "webm", 48000, 960, 0, 0),
    ("libopus", "mp4", 48000, 960, 0, 0),
    ("wmav2", "asf", 44100, 2048, 2048, 2048),  # FFmpeg takes the encoder for Microsoft's
]
LOSSLESS = [
    ("flac", "flac", 44100),
    ("flac", "ogg", 44100),
    ("flac", "matroska", 44100),
    ("alac", "ipod", 44100),
    ("pcm_s16be", "aiff", 44100),
    ("pcm_s16le", "wav", 8000),
    ("pcm_s16le", "wav", 192000),
    ("pcm_s16le", "w64", 44100),
    ("pcm_s16be", "au", 44100),
    ("pcm_s16be", "caf", 44100),
]


def decode(content: bytes, start_seconds: float = 0.0) -> tuple[np.ndarray, list[str]]:
    """Returns the samples and the lines that were reported."""
    lines: list[str] = []
    recording = decoding.Recording(io.BytesIO(content))
    parts = [block for _, block in recording.blocks(lines.append, start_seconds)]
    recording.close()
    return np.concatenate(parts), lines


@pytest.mark.parametrize(("codec", "file_format", "rate", "frame", "late", "longer"), FORMATS)
def test_padding_is_removed(codec, file_format, rate, frame, late, longer):
    pcm = sound(5.3, rate)
    found, lines = decode(encode(pcm, rate, codec, file_format))
    assert not lines
    assert abs(lag(found, pcm.mean(1))) <= late <= frame
    assert abs(len(found) - len(pcm)) <= longer <= 2 * frame


def test_mp3_without_a_header_is_whole():
    pcm = sound(5.3)
    with_header = encode(pcm, 44100, "libmp3lame", "mp3")
    found, lines = decode(encode(pcm, 44100, "libmp3lame", "mp3", {"write_xing": "0"}))
    expected, _ = decode(with_header)
    assert not lines and lag(found, expected) == 1105  # the delay of LAME and of the decoder
    np.testing.assert_allclose(found[1105:][: len(expected)], expected, atol=1e-6)


@pytest.mark.parametrize(("codec", "file_format", "rate"), LOSSLESS)
def test_lossless_formats_give_the_very_samples(codec, file_format, rate):
    pcm = np.round(sound(2.3, rate) * 32767) / 32768
    found, lines = decode(encode(pcm.astype(np.float32), rate, codec, file_format))
    assert not lines
    np.testing.assert_allclose(found, pcm.mean(1), rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("file_format", "subtype"),
    [
        (name, subtype)
        for name in ("WAV", "WAVEX", "RF64", "AIFF", "CAF")
        for subtype in ("PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW")
    ]
    + [("WAV", "PCM_U8"), ("AIFF", "PCM_S8"), ("FLAC", "PCM_24"), ("FLAC", "PCM_S8")],
)
def test_samples_are_those_of_libsndfile(file_format, subtype):
    stream = io.BytesIO()
    soundfile.write(stream, sound(1.1), 44100, subtype, format=file_format)
    found, lines = decode(stream.getvalue())
    stream.seek(0)
    expected, _ = soundfile.read(stream, dtype="float32")
    assert not lines
    np.testing.assert_allclose(found, expected.mean(1, dtype=np.float32), rtol=0, atol=1e-7)


def test_vorbis_is_that_of_libsndfile():
    stream = io.BytesIO()
    soundfile.write(stream, sound(20.0), 44100, "VORBIS", format="OGG")
    found, lines = decode(stream.getvalue())
    stream.seek(0)
    expected, _ = soundfile.read(stream, dtype="float32")
    assert not lines and len(found) == 20 * 44100
    np.testing.assert_allclose(found, expected.mean(1), atol=1e-5)


def test_the_sound_of_a_video_and_all_its_channels():
    pcm = sound(2.0, 48000, 6)
    found, lines = decode(encode(pcm, 48000, "pcm_s16le", "mov", video=True))
    assert not lines
    np.testing.assert_allclose(found, pcm.mean(1), atol=4e-5)


@pytest.mark.parametrize(("codec", "late"), [("flac", 0), ("aac", 1024)])
def test_eight_channels(codec, late):
    pcm = sound(2.0, 48000, 8)
    found, lines = decode(encode(pcm, 48000, codec, "matroska"))
    assert not lines and abs(lag(found, pcm.mean(1))) <= late
    np.testing.assert_allclose(np.std(found), np.std(pcm.mean(1)), rtol=0.1)


def test_the_sampling_rate_may_change():
    first, second = sound(2.0, 44100), sound(2.0, 22050, seed=1)
    content = encode(first, 44100, "aac", "adts") + encode(second, 22050, "aac", "adts")
    recording = decoding.Recording(io.BytesIO(content))
    blocks = list(recording.blocks(pytest.fail))
    for rate, pcm in ((44100, first), (22050, second)):
        found = np.concatenate([block for block_rate, block in blocks if block_rate == rate])
        assert abs(lag(found, pcm.mean(1))) <= 1024 and len(found) >= len(pcm)


@pytest.mark.parametrize(("codec", "file_format"), [("libmp3lame", "mp3"), ("flac", "ogg")])
def test_joined_files_are_read_to_the_end(codec, file_format):
    pcm = sound(5.0)
    found, lines = decode(2 * encode(pcm, 44100, codec, file_format))
    assert not lines and abs(len(found) - 2 * len(pcm)) < 3 * 1152
    assert abs(lag(found[len(pcm) :], pcm.mean(1))) < 2 * 1152


@pytest.mark.parametrize(
    ("codec", "file_format"),
    [("libmp3lame", "mp3"), ("aac", "ipod"), ("flac", "flac"), ("pcm_s16le", "wav")],
)
def test_reading_begins_at_the_sample(codec, file_format):
    content = encode(sound(30.0), 44100, codec, file_format)
    whole, _ = decode(content)
    for start in (0.5, 12.3456, 29.9):
        found, _ = decode(content, start)
        np.testing.assert_array_equal(found, whole[round(start * 44100) :])


def test_tags_are_no_sound():
    content = encode(sound(3.0), 44100, "libmp3lame", "mp3", {"write_xing": "0"})
    whole, _ = decode(content)
    tag = b"APETAGEX" + bytes(range(256)) * 20
    found, lines = decode(content + tag)
    assert not lines
    np.testing.assert_array_equal(found[: len(whole)], whole)
    assert len(found) - len(whole) <= 1152


def test_bounds():
    def wav(rate: int, channels: int) -> bytes:
        stream = io.BytesIO()
        with wave.open(stream, "wb") as file:
            file.setparams((channels, 2, rate, 0, "NONE", ""))
            file.writeframes(bytes(2 * channels * 1000))
        return stream.getvalue()

    for rate, channels in ((1000, 1), (768_000, 2), (44100, 64)):
        assert len(decode(wav(rate, channels))[0]) == 1000
    for rate, channels in ((999, 1), (768_001, 1), (44100, 65), (2**31 - 1, 1)):
        with pytest.raises(ValueError, match="supported are"):
            decode(wav(rate, channels))


def test_playlists_open_nothing(tmp_path):
    (tmp_path / "secret.mp3").write_bytes(encode(sound(1.0), 44100, "libmp3lame", "mp3"))
    for text in (
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nsecret.mp3\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile secret.mp3\n",
    ):
        path = tmp_path / "list.m3u8"
        path.write_text(text)
        with path.open("rb") as file, pytest.raises(ValueError):
            decoding.Recording(file)
