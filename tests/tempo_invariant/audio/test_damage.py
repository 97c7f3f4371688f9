"""Damaged recordings: what can be decoded is decoded, in its place, and what cannot is told."""

import io
import re
import struct
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from tempo_invariant.audio.timeline import Timeline
from tests.audio_files import encode, lag, sound
from tests.tempo_invariant.audio.test_decoding import decode

SECONDS = 20
KINDS = {
    "mp3": ("libmp3lame", "mp3", {}),
    "mp3 without header": ("libmp3lame", "mp3", {"write_xing": "0"}),
    "m4a": ("aac", "ipod", {"movflags": "faststart"}),
    "aac": ("aac", "adts", {}),
    "opus": ("libopus", "ogg", {"page_duration": "500000"}),
    "webm": ("libopus", "webm", {}),
    "flac": ("flac", "flac", {}),
    "flac in ogg": ("flac", "ogg", {}),
}


@pytest.fixture(scope="module", params=KINDS)
def recording(request):
    """The name of a kind, the file, what it is decoded to, and the sampling rate."""
    codec, file_format, options = KINDS[request.param]
    rate = 48000 if codec == "libopus" else 44100
    content = encode(sound(SECONDS, rate), rate, codec, file_format, options)
    whole, lines = decode(content)
    assert not lines
    return request.param, content, whole, rate


def places(lines: list[str]) -> list[tuple[float, float]]:
    """Returns the times, in seconds, between which there should be silence."""
    found = [re.match(r"cannot be decoded from ([\d.]+) s to ([\d.]+) s", line) for line in lines]
    return [(float(match[1]), float(match[2])) for match in found if match]


def test_damage_in_the_middle_becomes_silence(recording):
    kind, content, whole, rate = recording
    half = len(content) // 2
    noise = np.random.default_rng(3).bytes(3000)
    found, lines = decode(content[:half] + noise + content[half + 3000 :])
    silent = places(lines)
    assert silent and len(lines) == len(silent)
    first, last = silent[0][0], silent[-1][1]
    around = 6 if kind == "webm" else 2  # whose clusters of 5 s are lost as a whole
    assert SECONDS / 2 - around < first < last < SECONDS / 2 + around
    gap = found[round((first + 0.005) * rate) : round((silent[0][1] - 0.005) * rate)]
    assert not gap.any()
    # What is before is the same, and what comes after is at its time, to within two frames.
    before = round(first * rate) - 2048
    np.testing.assert_allclose(found[:before], whole[:before], atol=1e-5)
    after = slice(round((last + 0.3) * rate), (SECONDS - 1) * rate)
    late = lag(found[after], whole[after])
    assert abs(late) <= (0 if kind in ("m4a", "opus", "flac", "flac in ogg") else 2 * 1152)
    assert abs(len(found) - len(whole)) <= 2 * 1152
    if "flac" in kind:
        np.testing.assert_array_equal(found[after], whole[after])


def test_what_is_missing_in_the_middle_is_silence_where_time_is_known(recording):
    kind, content, whole, rate = recording
    if kind in ("mp3", "mp3 without header", "aac", "m4a"):
        pytest.skip("neither time stamps nor numbers, or a table of places that are all wrong")
    half = len(content) // 2
    found, lines = decode(content[:half] + content[half + 3000 :])
    assert places(lines) and abs(len(found) - len(whole)) <= 48
    assert abs(lag(found[-5 * rate :], whole[-5 * rate :])) <= 48


def test_a_cut_recording_ends_where_it_was_cut(recording):
    kind, content, whole, rate = recording
    found, lines = decode(content[: len(content) // 2])
    assert abs(len(found) / rate - SECONDS / 2) < 1.5
    end = len(found) - 3 * 1152
    np.testing.assert_allclose(found[:end], whole[:end], atol=1e-5)
    # The last frames are those of the recording, or quieter: nothing is repeated or made up.
    rest = found[end:] - whole[end : len(found)]
    assert np.sqrt(np.mean(rest**2)) <= 1.1 * np.sqrt(np.mean(whole[end : len(found)] ** 2))
    if kind not in ("mp3 without header", "aac"):
        (line,) = lines
        assert line.startswith(f"cannot be decoded after {len(found) / rate:.2f} s (")


def test_flipped_bits_move_nothing(recording):
    kind, content, whole, rate = recording
    generator = np.random.default_rng(5)
    damaged = bytearray(content)
    for place in generator.integers(len(content) // 4, len(content) * 3 // 4, 5):
        damaged[place] ^= 1 << int(generator.integers(8))
    found, lines = decode(bytes(damaged))
    assert abs(len(found) - len(whole)) <= 2 * 1152
    assert abs(lag(found[-4 * rate :], whole[-4 * rate :])) <= 2 * 1152
    if "flac" in kind:  # has checksums
        assert len(places(lines)) == len(lines) > 0
        same = found == whole[: len(found)]
        for first, last in places(lines):
            same[round(first * rate) - 500 : round(last * rate) + 500] = True
        assert same.all()


def wav(pcm: np.ndarray, subtype: str = "PCM_16") -> bytearray:
    """Returns a WAV file of which the samples follow its 44 bytes of header."""
    stream = io.BytesIO()
    soundfile.write(stream, pcm, 44100, subtype, format="WAV")
    return bytearray(stream.getvalue())


def with_size(content: bytearray, size: int) -> bytes:
    """Makes the header of a WAV file claim a number of bytes of samples."""
    return bytes(content[:40]) + struct.pack("<I", size) + bytes(content[44:])


@pytest.fixture(scope="module")
def stereo():
    """Three seconds of a WAV file and what it is decoded to."""
    content = wav(sound(3.0))
    return content, decode(bytes(content))[0]


def test_wav_that_claims_too_much(stereo):
    content, whole = stereo
    found, lines = decode(bytes(content[: 44 + 4 * 44100]))
    np.testing.assert_array_equal(found, whole[:44100])
    assert lines == ["cannot be decoded after 1.00 s (it should last 3.00 s)"]
    found, lines = decode(with_size(content, 4 * 44101 * 3))
    np.testing.assert_array_equal(found, whole)
    assert lines == ["cannot be decoded after 3.00 s (it should last 3.00 s)"]


@pytest.mark.parametrize("size", [0, 2**32 - 1, 2**31 - 1])
def test_wav_from_a_pipe_claims_nothing(stereo, size):
    found, lines = decode(with_size(stereo[0], size))
    assert not lines
    np.testing.assert_array_equal(found, stereo[1])


def test_wav_that_claims_too_little_is_read_to_the_end(stereo):
    content, whole = stereo
    found, lines = decode(with_size(content, 4 * 44100))
    np.testing.assert_array_equal(found, whole)
    assert lines == ["is read beyond the 1.00 s that its header claims"]


def test_other_chunks_and_zeros_after_the_samples_are_no_sound(stereo):
    content, whole = stereo
    text = bytes(range(1, 256)) * 1000
    for rest in (b"LIST" + struct.pack("<I", len(text)) + text, bytes(100_000)):
        found, lines = decode(bytes(content) + rest)
        assert not lines
        np.testing.assert_array_equal(found, whole)


def test_samples_that_are_no_numbers_are_silent():
    pcm = sound(3.0)
    pcm[44100:44200] = [np.nan, np.inf]
    found, lines = decode(bytes(wav(pcm, "DOUBLE")))
    expected = np.where(np.isfinite(pcm), pcm, 0).mean(1)
    np.testing.assert_allclose(found, expected, atol=1e-7)
    assert lines == ["holds samples that are not finite numbers, from 1.00 s on"]
    with pytest.raises(ValueError, match="not finite numbers"):
        decode(bytes(wav(np.full((100, 2), np.nan), "FLOAT")))


def test_leaps_of_time_stamps_cost_nothing():
    lines: list[str] = []
    timeline = Timeline("ogg", "opus", io.BytesIO(), lines.append)

    def place(seconds: float) -> int:
        """Puts a fiftieth of a second where its time stamp says."""
        pts = round(seconds * 48000)
        frame = SimpleNamespace(
            pts=pts, time_base=Fraction(1, 48000), sample_rate=48000, samples=960
        )
        return timeline.place(SimpleNamespace(size=100, pts=pts), [frame])

    assert [place(0.5), place(0.52), place(10**6), place(10**6 + 0.02)] == [0, 0, 0, 0]
    assert lines == ["leaps by 999999 s at 0.04 s; the leap is left out"]
    assert [place(3.0), place(3.02)] == [0, 0]  # back again
    assert timeline.at == pytest.approx(6 * 0.02)
    silent = sum(place(1000 * number) for number in range(1, 50))
    assert 900 * 48000 < silent <= 1800 * 48000
