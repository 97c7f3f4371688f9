"""Identification from end to end, with a model that reads greys and pitches."""

import base64
import html.parser
import io
import json
import tracemalloc

import numpy as np
import pytest
import soundfile
from PIL import Image

from tempo_invariant.audio import reading
from tempo_invariant.audio.windows import cut_windows
from tempo_invariant.errors import UserError
from tempo_invariant.retrieval import hearing, identification, indexing
from tempo_invariant.retrieval.answers import identified
from tempo_invariant.retrieval.answers.identified import IdentificationSettings
from tempo_invariant.retrieval.answers.pictures import attention_by_frame
from tempo_invariant.retrieval.ranking import Ranker
from tempo_invariant.scores import documents
from tests import fake_embedder
from tests.fake_embedder import FRAMES, FakeEmbedder, melody

RISING = np.arange(20, 140)
SCORES = {
    "falling": RISING[::-1],
    "other": np.arange(240, 120, -1),
    "rising": RISING,
    "zigzag": np.concatenate([RISING[40:80], RISING[:40], RISING[80:]]),
}
SETTINGS = IdentificationSettings()
POSITIONS = 84
"""Snippets of a score: 3 systems of 700 pixels, one every 25."""


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    directory = tmp_path_factory.mktemp("index")
    for name, numbers in SCORES.items():
        fake_embedder.write_score(directory, name, numbers)
    return indexing.index_scores(FakeEmbedder(), directory / "msmd", directory / "index")[0]


def _heard(pcm, hop_frames=10):
    return hearing.hear(FakeEmbedder(), np.array_split(pcm, 9), hop_frames)


@pytest.mark.parametrize("seconds", [14, 21, 42])
def test_the_score_and_the_place_are_found_at_any_tempo(index, seconds):
    heard = _heard(melody(RISING, seconds))
    answer = identification.rank(index, heard.embedding, heard.seconds)
    assert answer.candidates[0].name == "rising"
    assert not answer.path.leaps.any()
    # The middle of the recording is the middle of the second system.
    places = dict(identification.place_by_second(answer, heard.duration_seconds))
    assert sorted(places) == list(range(seconds + 1))
    for second, place in places.items():
        position = second / seconds * 3
        if min(position % 1, -position % 1) > 0.1:  # clear of the ends of systems
            assert (place.page, place.system) == (1, 1 + int(position))
            assert place.x == pytest.approx(60 + 700 * (position % 1), abs=75)


def test_limits_are_speeds_whatever_the_distances():
    limits = identification.recording_limits(10, 50)
    assert (limits.slowest, limits.fastest, limits.leap_cost) == (4, 3, 3.0)
    fine = identification.recording_limits(2, 10)
    assert (fine.slowest, fine.fastest, fine.leap_cost) == (4, 3, 15.0)
    assert identification.recording_limits(2, 50).slowest == 20  # 2 s, as before
    other_way = identification.page_limits(10, 50)
    assert (other_way.slowest, other_way.fastest) == (3, 4)


@pytest.mark.parametrize("hop_frames", [3, 20])
def test_other_distances_of_windows_do_as_well(index, hop_frames):
    heard = _heard(melody(RISING, 25), hop_frames)
    limits = identification.recording_limits(hop_frames, index.step_pixels)
    answer = identification.rank(index, heard.embedding, heard.seconds, limits=limits)
    assert answer.candidates[0].name == "rising"
    places = dict(identification.place_by_second(answer, 25))
    assert [places[second].system for second in (4, 12, 21)] == [1, 2, 3]


def test_only_the_order_tells_pieces_of_the_same_notes_apart(index):
    for name in ("falling", "zigzag"):
        heard = _heard(melody(SCORES[name], 24))
        answer = identification.rank(index, heard.embedding, heard.seconds)
        assert answer.candidates[0].name == name


def test_votes_name_the_piece_with_most_neighbours(index):
    heard = _heard(melody(SCORES["other"][10:40], 6))
    answer = identification.rank(index, heard.embedding, heard.seconds, "votes")
    assert answer.candidates[0].name == "other"
    assert [c.votes for c in answer.candidates] == sorted(
        (c.votes for c in answer.candidates), reverse=True
    )
    assert sum(c.votes for c in answer.candidates) == 25 * len(heard.seconds)


def test_a_repeat_is_followed_back(index):
    part, rest = melody(RISING[:80], 14), melody(RISING[80:], 7)
    answer = identification.rank(index, *_steps(_heard(np.concatenate([part, part, rest]))))
    assert answer.candidates[0].name == "rising"
    assert answer.path.leaps.sum() == 1
    places = dict(identification.place_by_second(answer, 35))
    assert [places[second].system for second in (2, 11, 16, 25, 31)] == [1, 2, 1, 2, 3]


def _steps(heard):
    return heard.embedding, heard.seconds


def test_documents_with_few_votes_are_not_followed(index):
    ranker = Ranker(index, shortlist_positions=2 * POSITIONS)
    ranker.update(_heard(melody(SCORES["other"], 20)).embedding)
    candidates = ranker.candidates()
    assert candidates[0].name == "other"
    assert [candidate.score is None for candidate in candidates] == [False, False, True, True]
    # Another score comes to be followed later, and is followed from the start.
    late, at_once = _heard(melody(RISING, 60)).embedding, Ranker(index)
    ranker.update(late)
    at_once.update(_heard(melody(SCORES["other"], 20)).embedding)
    at_once.update(late)
    whole = {candidate.name: candidate for candidate in at_once.candidates()}
    for candidate in ranker.candidates(2):
        assert candidate.score == pytest.approx(whole[candidate.name].score, abs=1e-5)


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
            identified.answer_recording(index, FakeEmbedder(), tmp_path / name, SETTINGS)
        assert "\n" not in str(error.value)


def test_listening_gives_the_answer_of_the_whole_recording(index):
    pcm = np.round(melody(RISING, 20) * 32767).astype("<i2")
    stream = io.BytesIO(pcm.tobytes() + b"\0")  # a stray byte at the end
    blocks = list(reading.pcm_blocks(stream))
    answers = list(
        identification.listen(index, FakeEmbedder(), blocks, 10, lambda: Ranker(index), top=4)
    )
    assert [answer.seconds for answer in answers[:20]] == list(range(1, 21))
    # The first third is in the zigzag, too.
    assert all(answer.candidates[0].name == "rising" for answer in answers[7:])
    assert {answer.candidates[0].name for answer in answers[:7]} <= {"rising", "zigzag"}
    for answer in answers[7:20]:
        heard_until = (answer.seconds - FRAMES / 2 / 20) / 20 * 3
        found = answer.place.system - 1 + (answer.place.x - 60) / 700
        assert found == pytest.approx(heard_until, abs=0.2)
    heard = _heard(pcm.astype(np.float32) / 32768)
    whole = identification.rank(index, *_steps(heard)).candidates
    assert answers[-1].candidates[0].score == pytest.approx(whole[0].score, abs=1e-4)
    assert [c.name for c in answers[-1].candidates] == [c.name for c in whole]


def test_listening_forgets_the_piece_before(index):
    blocks = np.array_split(np.concatenate([melody(RISING, 60), melody(SCORES["other"], 20)]), 160)
    named = {}
    for half_life in (0, 4):
        lines = identified.answer_live(
            index, FakeEmbedder(), blocks, IdentificationSettings(half_life_seconds=half_life)
        )
        named[half_life] = list(lines)[-1].split()[2]
    assert named == {0: "rising", 4: "other"}
    silence = identified.answer_live(index, FakeEmbedder(), [np.zeros(22050)], SETTINGS)
    assert all(line.endswith("(nothing heard yet)") for line in silence)


def test_attention_is_compared_with_what_is_usual():
    profile = np.array([0.1, 0.2, 0.4, 0.3])
    seconds = np.arange(8) / 10  # every two frames
    usual = attention_by_frame(seconds, np.tile(profile, (8, 1)), 20)
    assert np.allclose(usual[:16], 1) and np.allclose(usual[16:], 0)
    attention = np.tile(profile, (8, 1))
    attention[3], attention[4] = (0, 0, 0, 1), (0, 1, 0, 0)  # both look at frame 7
    found = attention_by_frame(seconds, attention, 20)
    assert int(np.argmax(found)) == 7
    mean = attention.mean(axis=0)
    assert found[7] == pytest.approx(2 / (mean[1] + mean[3]))


class _Reader(html.parser.HTMLParser):
    """Collects what a page refers to, and checks that its elements are closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.images, self.links, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag == "img":
            self.images.append(attributes["src"])
        elif tag != "meta":
            self.open.append(tag)
        self.links += [value for key, value in attrs if key in ("src", "href") and tag != "img"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_answer_is_one_page_that_needs_nothing_else(index, tmp_path):
    soundfile.write(tmp_path / "a<b>.wav", melody(RISING, 20), 22050)
    output = tmp_path / "answer"
    text = identified.answer_recording(
        index, FakeEmbedder(), tmp_path / "a<b>.wav", IdentificationSettings(top=2), output
    )
    assert text.splitlines()[2].split() == ["1", *text.splitlines()[2].split()[1:3], "rising"]
    page = (output / "answer.html").read_text()
    reader = _Reader()
    reader.feed(page)
    assert reader.open == [] and reader.links == [] and "http" not in page.split("data:")[0]
    assert "a<b>.wav" in "".join(reader.text) and "rising" in reader.text
    assert len(reader.images) == 3
    pictures = []
    for source in reader.images:
        kind, data = source.split(",", 1)
        assert kind == "data:image/png;base64"
        pictures.append(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))
    marked = np.asarray(pictures[0]).astype(int)
    assert marked.shape == (900, 835, 3)
    # Orange frames around all three systems, whose boxes start at rows 100, 400 and 700.
    orange = (marked[..., 0] > 180) & (marked[..., 2] < 60) & (marked[..., 1] < 140)
    rows = np.flatnonzero(orange.sum(axis=1) > 600)
    assert [int(np.abs(rows - row).min()) for row in (86, 386, 686)] == [0, 0, 0]
    report = json.loads((output / "answer.json").read_text())
    assert [row["name"] for row in report["ranking"]][0] == "rising"
    assert [row["seconds"] for row in report["place"]] == list(range(21))
    assert report["place"][10]["system"] == 2
    assert report["place"][10]["box"] == [400, 60, 480, 760]


def test_the_other_way_a_page_finds_its_recording(tmp_path, monkeypatch):
    music = tmp_path / "music"
    music.mkdir()
    for name in ("rising", "falling", "other"):
        soundfile.write(music / f"{name}.flac", melody(SCORES[name], 25), 22050)
    index, _ = indexing.index_recordings(FakeEmbedder(), music, tmp_path / "index")
    fake_embedder.write_score(tmp_path, "falling", SCORES["falling"])
    document = next(documents.find_scores(tmp_path / "msmd")).read()
    monkeypatch.setattr(documents, "read_pages", lambda *arguments: document)
    identified.answer_sheet(
        index, FakeEmbedder(), tmp_path / "page.png", IdentificationSettings(), tmp_path / "answer"
    )
    report = json.loads((tmp_path / "answer" / "answer.json").read_text())
    assert report["ranking"][0]["name"] == "falling"
    for number, row in enumerate(report["played"]):
        assert row["system"] == number + 1
        assert row["first"] == pytest.approx(25 * number / 3, abs=1.5)
        assert row["last"] == pytest.approx(25 * (number + 1) / 3, abs=1.5)
    reader = _Reader()
    reader.feed((tmp_path / "answer" / "answer.html").read_text())
    assert reader.open == [] and len(reader.images) == 2
