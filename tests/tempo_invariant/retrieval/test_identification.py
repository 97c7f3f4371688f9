"""Identification from end to end, with a model that reads greys and pitches."""

import io
import tracemalloc

import numpy as np
import pytest
import soundfile

from tempo_invariant.audio import reading
from tempo_invariant.audio.recordings import open_recording
from tempo_invariant.audio.windows import cut_windows
from tempo_invariant.errors import UserError
from tempo_invariant.retrieval import (
    courses,
    hearing,
    identification,
    listening,
)
from tempo_invariant.retrieval.answers import text
from tempo_invariant.retrieval.identification import IdentificationSettings
from tests import four_scores
from tests.fake_embedder import FRAMES, FakeEmbedder, melody
from tests.four_scores import RISING, SCORES, identify, listened


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return four_scores.make_index(tmp_path_factory.mktemp("index"))


def _by_second(answer):
    return {place.seconds: place for place in answer.places}


@pytest.mark.parametrize("seconds", [14, 21, 42])
def test_the_score_and_the_place_are_found_at_any_tempo(index, seconds):
    answer = identify(index, melody(RISING, seconds), top=2)
    assert [(one.rank, one.name) for one in answer.candidates][0] == (1, "rising")
    assert len(answer.candidates) == 2
    assert answer.duration_seconds == pytest.approx(seconds) and not answer.course["leap"].any()
    # The middle of the recording is the middle of the second system.
    places = _by_second(answer)
    assert list(places)[:seconds] == list(range(seconds))
    assert len(answer.course) == len(answer.heard.seconds) == 2 * seconds
    for second, place in places.items():
        assert 0.8 < place.similarity <= 1.001
        position = second / seconds * 3
        if min(position % 1, -position % 1) > 0.1:  # clear of the ends of systems
            assert (place.page, place.system) == (1, 1 + int(position))
            assert place.x == pytest.approx(60 + 700 * (position % 1), abs=75)


def test_limits_are_speeds_whatever_the_distances():
    limits = identification.recording_limits(10, 50)
    assert (limits.slowest, limits.fastest, limits.leap_cost) == (13, 3, 3.0)
    fine = identification.recording_limits(2, 10)
    assert (fine.slowest, fine.fastest, fine.leap_cost) == (13, 3, 15.0)
    assert identification.recording_limits(2, 50).slowest == 63  # 6.3 s, as before
    other_way = identification.page_limits(10, 50)
    assert (other_way.slowest, other_way.fastest) == (3, 13)
    # A page of 46 snippets, 2,300 pixels, takes 30 s: recordings up to there are parts of it.
    assert other_way.is_part(46, np.array([20, 60, 61])).tolist() == [True, True, False]
    assert not limits.is_part(1000, 1)


@pytest.mark.parametrize("hop_frames", [3, 20])
def test_other_distances_of_windows_do_as_well(index, hop_frames):
    answer = identify(index, melody(RISING, 25), hop_frames=hop_frames)
    assert answer.candidates[0].name == "rising"
    places = _by_second(answer)
    assert [places[second].system for second in (4, 12, 21)] == [1, 2, 3]


def test_only_the_order_tells_pieces_of_the_same_notes_apart(index):
    for name in ("falling", "zigzag"):
        heard = listened(melody(SCORES[name], 24))
        answer = identification.rank(index, heard.embedding, heard.seconds)
        assert answer.candidates[0].name == name


def test_votes_name_the_piece_with_most_neighbours(index):
    heard = listened(melody(SCORES["other"][10:40], 6))
    answer = identification.rank(index, heard.embedding, heard.seconds, "votes")
    assert answer.candidates[0].name == "other"
    assert [c.votes for c in answer.candidates] == sorted(
        (c.votes for c in answer.candidates), reverse=True
    )
    assert sum(c.votes for c in answer.candidates) == 25 * len(heard.seconds)


def test_a_repeat_is_followed_back(index):
    part, rest = melody(RISING[:80], 14), melody(RISING[80:], 7)
    answer = identify(index, np.concatenate([part, part, rest]))
    assert answer.candidates[0].name == "rising"
    assert answer.to_dict()["leaps"] == 1
    assert courses.leap_seconds(answer.course) == [pytest.approx(14, abs=1)]
    places = _by_second(answer)
    assert [places[second].system for second in (2, 11, 16, 25, 31)] == [1, 2, 1, 2, 3]


def test_silence_at_the_end_is_nowhere(index):
    pcm = np.concatenate([melody(RISING, 20), np.zeros(10 * 22050, np.float32)])
    answer = identify(index, pcm)
    assert answer.duration_seconds == pytest.approx(30)
    assert answer.heard.sound_end_seconds == pytest.approx(20, abs=0.01)
    assert max(_by_second(answer)) in (19, 20)
    pcm = np.concatenate([melody(RISING[:60], 10), np.zeros(22050, np.float32), melody(RISING, 20)])
    assert set(range(30)) <= set(_by_second(identify(index, pcm)))  # a rest within is somewhere


@pytest.mark.parametrize("on_onsets", [False, True])
def test_windows_in_blocks_are_those_of_the_whole(on_onsets):
    pcm = np.random.default_rng(0).standard_normal(100_001).astype(np.float32)
    blocks = np.split(pcm, [1, 5000, 5001, 60_000])
    parts = list(cut_windows(blocks, FRAMES, 7, on_onsets))
    frames = np.concatenate([part.frames for part in parts])
    windows = np.concatenate([part.pcm for part in parts])
    even = np.arange(0, 91, 7)  # 100,001 samples are 91 frames
    if on_onsets:
        at_once = [part.frames for part in cut_windows([pcm], FRAMES, 7)]
        assert np.array_equal(frames, np.concatenate(at_once))
        assert 0 < np.abs(frames - even).max() <= 3
    else:
        assert np.array_equal(frames, even)
    padded = np.pad(pcm, 50_000)
    for frame, window in zip(frames, windows, strict=True):
        first = 50_000 + int(np.floor((frame - FRAMES // 2) * 1102.5))
        assert np.array_equal(window, padded[first : first + len(window)])


def test_windows_go_to_the_onsets_near_them():
    onsets = np.array([4, 12, 19, 33, 41, 52])  # one near each tenth frame
    pcm = np.zeros(60 * 22050 // 20, np.float32)
    for number, frame in enumerate(onsets):
        first = frame * 22050 // 20
        time = np.arange(len(pcm) - first) / 22050
        pcm[first:] += 0.1 * np.sin(2 * np.pi * 220 * 1.2**number * time) * np.exp(-2 * time)
    parts = list(cut_windows(np.array_split(pcm, 7), FRAMES))
    frames = np.concatenate([part.frames for part in parts])
    assert len(frames) == len(onsets)
    assert np.array_equal(frames, onsets)
    close = np.concatenate([part.frames for part in cut_windows([pcm], FRAMES, 1)])
    assert np.array_equal(close, np.arange(60))


def test_recordings_are_read_in_blocks_at_any_rate(tmp_path):
    for rate, suffix in ((22050, "wav"), (44100, "flac"), (16000, "wav")):
        time = np.arange(int(12.5 * rate)) / rate
        stereo = np.stack([np.sin(2 * np.pi * 440 * time), np.zeros_like(time)], axis=1)
        path = tmp_path / f"{rate}.{suffix}"
        soundfile.write(path, stereo, rate)
        blocks = list(reading.read_blocks(path, gain_db=-6.0206))
        assert len(blocks) > 1
        pcm = np.concatenate(blocks)
        expected = 0.25 * np.sin(2 * np.pi * 440 * np.arange(len(pcm)) / 22050)
        assert len(pcm) == pytest.approx(12.5 * 22050, abs=1)
        assert np.abs(pcm - expected)[2000:-2000].max() < 0.002


@pytest.mark.slow
def test_an_hour_is_heard_and_ranked_in_little_memory(index):
    minute = melody(RISING, 60)
    blocks = (block for _ in range(60) for block in np.split(minute, 6))
    tracemalloc.start()
    try:
        heard = hearing.hear(FakeEmbedder(), blocks, 10)
        answer = identification.rank(index, heard.embedding, heard.seconds)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert heard.duration_seconds == 3600 and len(heard.seconds) == 7200
    assert answer.candidates[0].name == "rising"
    assert 50 <= answer.path.leaps.sum() <= 60  # back to the start every minute
    assert peak < 50e6  # the samples alone are 318 MB


def test_recordings_that_cannot_be_used_are_refused_in_one_line(index, tmp_path):
    soundfile.write(tmp_path / "silence.wav", np.zeros(30_000), 22050)
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 22050)
    soundfile.write(tmp_path / "nan.wav", np.full(9000, np.nan), 22050, subtype="FLOAT")
    (tmp_path / "text.mp3").write_text("no music at all")
    for name, message in (
        ("silence.wav", "is silent"),
        ("empty.wav", "no audio samples"),
        ("nan.wav", "not finite"),
        ("text.mp3", "not a readable audio file"),
        ("nowhere.wav", "no such audio file"),
    ):
        with pytest.raises(UserError, match=message) as error:
            recording = open_recording(tmp_path / name)
            identification.identify_recording(index, FakeEmbedder(), recording)
        assert "\n" not in str(error.value)


def test_listening_gives_the_answer_of_the_whole_recording(index):
    pcm = np.round(melody(RISING, 20) * 32767).astype("<i2")
    stream = io.BytesIO(pcm.tobytes() + b"\0")  # a stray byte at the end
    blocks = list(reading.pcm_blocks(stream))
    settings = IdentificationSettings(top=4)
    answers = list(listening.listen(index, FakeEmbedder(), blocks, settings))
    assert [answer.seconds for answer in answers[:20]] == list(range(1, 21))
    # The first third is in the zigzag, too.
    assert all(answer.candidates[0].name == "rising" for answer in answers[7:])
    assert {answer.candidates[0].name for answer in answers[:7]} <= {"rising", "zigzag"}
    for answer in answers[7:20]:
        heard_until = (answer.seconds - FRAMES / 4 / 20) / 20 * 3
        found = answer.place.system - 1 + (answer.place.x - 60) / 700
        assert found == pytest.approx(heard_until, abs=0.2)
    assert all(FRAMES / 4 / 20 <= one.delay_seconds < FRAMES / 4 / 20 + 1 for one in answers[2:20])
    assert answers[-1].delay_seconds < 0.6  # the windows reach past the end
    whole = identify(index, pcm).candidates
    assert answers[-1].candidates[0].score == pytest.approx(whole[0].score, abs=1e-4)
    assert [c.name for c in answers[-1].candidates] == [c.name for c in whole[:4]]


def test_listening_forgets_the_piece_before(index):
    blocks = np.array_split(np.concatenate([melody(RISING, 60), melody(SCORES["other"], 20)]), 160)
    named = {}
    for half_life in (0, 4):
        settings = IdentificationSettings(half_life_seconds=half_life)
        answers = listening.listen(index, FakeEmbedder(), blocks, settings)
        named[half_life] = text.live(list(answers)[-1]).split()[2]
    assert named == {0: "rising", 4: "other"}
    silence = listening.listen(index, FakeEmbedder(), [np.zeros(22050)])
    assert all(text.live(one).endswith("(nothing heard yet)") for one in silence)
