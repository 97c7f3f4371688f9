"""Recordings read side by side are those of the one reader, with tensorflow-io and without."""

import sys

import numpy as np
import pytest
import soundfile

from tempo_invariant.audio import decoding, parallel_reading, reading
from tempo_invariant.errors import UserError
from tests.tempo_invariant.audio.test_reading import FORMATS, write_tone


@pytest.fixture(params=["tensorflow-io", "without"])
def decoder(request, monkeypatch):
    """Decodes with tensorflow-io, or as if it were not installed."""
    if request.param == "without":
        for name in ("tensorflow_io", "tensorflow_io.python.ops"):
            monkeypatch.setitem(sys.modules, name, None)
        assert parallel_reading.tensorflow_io_ops() is None
    return request.param


@pytest.fixture
def collection(tmp_path):
    """A file of each format, three of other rates, and one of each kind of trouble."""
    paths = []
    for number, (name, subtype, _) in enumerate(FORMATS):
        paths.append(tmp_path / f"{number}{name}")
        write_tone(paths[-1], subtype)
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 30000)
    for rate in (8000, 22050, 48000):
        paths.append(tmp_path / f"{rate}.wav")
        soundfile.write(paths[-1], noise, rate)
    return paths


def test_the_samples_are_those_of_the_reader(collection, decoder):
    found = [
        np.concatenate(list(blocks)) for blocks in parallel_reading.read_recordings(collection, 3.0)
    ]
    assert len(found) == len(collection)
    for path, pcm in zip(collection, found, strict=True):
        expected = np.concatenate(list(reading.read_blocks(path, 3.0)))
        assert len(pcm) == len(expected)
        np.testing.assert_allclose(pcm, expected, atol=2e-5, err_msg=path.name)


def test_recordings_of_equal_length_are_not_mixed_up(tmp_path, decoder):
    subtypes = ("PCM_16", "PCM_24", "FLOAT", "PCM_U8")
    paths = [tmp_path / f"{number}.wav" for number in range(60)]
    for number, path in enumerate(paths):
        soundfile.write(path, np.full(4000, (number + 1) / 64), 22050, subtypes[number % 4])
    for number, blocks in enumerate(parallel_reading.read_recordings(paths)):
        np.testing.assert_allclose(np.concatenate(list(blocks)), (number + 1) / 64, atol=2e-5)


def test_a_broken_recording_raises_when_its_turn_comes(collection, decoder, tmp_path):
    broken = tmp_path / "broken.wav"
    broken.write_bytes(collection[0].read_bytes()[:30])
    paths = [collection[0], broken, tmp_path / "missing.wav", collection[1]]
    lengths = []
    for blocks in parallel_reading.read_recordings(paths):
        try:
            lengths.append(sum(map(len, blocks)))
        except UserError as error:
            lengths.append(str(error).partition(":")[0])
    assert lengths[1:3] == [str(broken), str(tmp_path / "missing.wav")]
    assert [lengths[0], lengths[3]] == [22050, 22050]


def test_wav_with_a_wrong_header_is_that_of_the_reader(tmp_path, decoder, caplog):
    path, whole = tmp_path / "a.wav", tmp_path / "whole.wav"
    soundfile.write(whole, np.random.default_rng(0).uniform(-0.5, 0.5, 20000), 22050)
    content = whole.read_bytes()
    for changed, count in (
        (content[:-20000], 10000),  # cut
        (content[:40] + (20000).to_bytes(4, "little") + content[44:], 20000),  # not closed
        (content[:40] + bytes(4) + content[44:], 20000),  # from a pipe
    ):
        path.write_bytes(changed)
        caplog.clear()
        ((*blocks,),) = parallel_reading.read_recordings([path])
        lines = [record.getMessage() for record in caplog.records]
        caplog.clear()
        np.testing.assert_array_equal(
            np.concatenate(blocks), np.concatenate(list(reading.read_blocks(path)))
        )
        assert sum(map(len, blocks)) == count
        assert lines == [record.getMessage() for record in caplog.records]
        if lines:
            with pytest.raises(UserError, match=f"{path}: "):
                list(*parallel_reading.read_recordings([path], strict=True))


def test_a_gain_that_is_no_number_is_refused_at_once(collection):
    with pytest.raises(UserError, match="the gain must be"):
        next(parallel_reading.read_recordings(collection, float("nan")))


def test_a_long_recording_is_read_in_blocks(decoder, monkeypatch, tmp_path):
    monkeypatch.setattr(parallel_reading, "MOST_VALUES", 1000)
    monkeypatch.setattr(decoding, "BLOCK_SECONDS", 4)
    for name in ("a.wav", "a.mp3"):
        soundfile.write(tmp_path / name, np.full(11 * 22050, 0.25), 22050)
        (blocks,) = parallel_reading.read_recordings([tmp_path / name])
        lengths = [len(block) / 22050 for block in blocks]
        assert sum(lengths) == pytest.approx(11) and max(lengths) <= 4


def test_tensorflow_io_decodes_where_it_is_installed(collection, monkeypatch):
    if parallel_reading.tensorflow_io_ops() is None:
        pytest.skip("tensorflow-io has no library for this system")
    decoded = []
    prepare = reading.prepare
    monkeypatch.setattr(
        reading, "prepare", lambda path, *more: decoded.append(path) or prepare(path, *more)
    )
    monkeypatch.setattr(reading, "read_blocks", lambda path, **more: iter(()))
    paths = [
        path
        for path in collection
        if path.name in ("0a.wav", "1a.wav", "3a.wav", "4a.wav", "22050.wav")
    ]
    for blocks, path in zip(parallel_reading.read_recordings(paths), paths, strict=True):
        assert sum(map(len, blocks)) > 22000, path
    assert sorted(decoded) == sorted(map(str, paths))
