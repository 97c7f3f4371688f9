"""Following from end to end, with a model that reads greys and pitches, and the player."""

import base64
import html.parser
import io
import json
import shutil
import subprocess

import numpy as np
import pytest
import soundfile
from PIL import Image

from tempo_invariant.audio import reading
from tempo_invariant.errors import UserError
from tempo_invariant.retrieval import following, indexing
from tempo_invariant.retrieval.answers import player
from tempo_invariant.retrieval.answers.followed import FollowingSettings, answer
from tests import fake_embedder
from tests.fake_embedder import FakeEmbedder, melody

RISING = np.arange(20, 140)
LEFT, WIDTH = 60, 700
"""Of the systems that `fake_embedder.write_score` writes."""


@pytest.fixture(scope="module")
def score(tmp_path_factory):
    directory = tmp_path_factory.mktemp("score")
    fake_embedder.write_score(directory, "rising", RISING)
    return directory / "msmd" / "rising"


@pytest.fixture(scope="module")
def followed(score):
    """A recording of 14 s of the score, and then all of it in 21 s."""
    pcm = np.concatenate([melody(RISING[:80], 14), melody(RISING, 21)])
    document = following.read_score(score)
    return document, following.follow(FakeEmbedder(), document, np.array_split(pcm, 5))


@pytest.mark.parametrize("seconds", [16, 24, 36])
def test_every_moment_has_its_place(score, seconds):
    document = following.read_score(score)
    found = following.follow(FakeEmbedder(), document, [melody(RISING, seconds)])
    assert not found.leaps.any()
    assert np.allclose(np.diff(found.seconds[1:]), 0.1) and found.seconds[0] == 0
    inside = (found.seconds > 1) & (found.seconds < seconds - 1)
    # 40 numbers a system, the first at its beginning and the last at its end.
    number = found.seconds[inside] / seconds * (len(RISING) - 1)
    true = WIDTH * (number // 40 + np.minimum(number % 40 / 39, 1))
    off = np.abs(found.columns[inside] - true)
    # The fake model's similarities fall by half within 200 pixels, a real one's within 40.
    assert np.median(off) < 25 and off.max() < 60
    assert found.duration_seconds == pytest.approx(seconds, abs=1e-3)


def test_a_repeat_is_followed_and_reported(followed):
    document, found = followed
    report = following.report(found, document, "take.wav")
    assert report["leaps"] == [pytest.approx(14, abs=0.4)]
    assert [row["seconds"] for row in report["places"]] == list(range(36))
    for row in report["places"]:
        second = row["seconds"]
        true = second / 7 if second < 14 else (second - 14) / 7  # in systems
        if min(true % 1, -true % 1) > 0.1:
            assert (row["page"], row["system"]) == (1, 1 + int(true))
            assert row["x"] == pytest.approx(LEFT + WIDTH * (true % 1), abs=30)
            assert row["y"] == 140 + 300 * int(true)
    course = report["course"]
    assert {len(values) for values in course.values()} == {350}
    assert min(course["similarity"]) < 0.999 and np.mean(course["similarity"]) > 0.9
    assert report["systems"][2] == {"page": 1, "system": 3, "box": [700, 60, 780, 760]}
    assert report["pages"] == [{"page": 1, "width": 835, "height": 900}]
    assert json.loads(json.dumps(report)) == report


def test_between_windows_the_place_moves_on_and_between_systems_it_leaps(followed):
    _, found = followed
    second = 3.03
    near = int(np.searchsorted(found.seconds, second))
    between = np.interp(
        second, found.seconds[near - 1 : near + 1], found.columns[near - 1 : near + 1]
    )
    assert found.at(np.array([second]))[0] == pytest.approx(between)
    (leap,) = np.flatnonzero(found.leaps)
    held = found.at(found.seconds[leap : leap + 1] - 0.01)[0]
    assert held == found.columns[leap - 1]


def test_a_score_comes_from_a_piece_an_index_or_images(score, tmp_path):
    piece = following.read_score(score)
    indexing.index_scores(FakeEmbedder(), score.parent, tmp_path / "index")
    indexed = following.read_score(tmp_path / "index")
    assert indexed.name == piece.name == "rising"
    assert np.array_equal(indexed.snippets, piece.snippets)
    assert np.array_equal(indexed.places, piece.places)
    assert np.array_equal(indexed.pages[1], piece.pages[1])
    assert np.diff(piece.places["x"][:60]).tolist() == [following.STEP_PIXELS] * 59
    indexing.index_scores(FakeEmbedder(), score.parent, tmp_path / "bare", keep_pages=False)
    with pytest.raises(UserError, match="no such page image"):
        following.read_score(tmp_path / "bare")


def test_of_several_scores_one_must_be_named(tmp_path):
    for name in ("one", "two"):
        fake_embedder.write_score(tmp_path, name, RISING)
    indexing.index_scores(FakeEmbedder(), tmp_path / "msmd", tmp_path / "index")
    for path in (tmp_path / "msmd", tmp_path / "index"):
        with pytest.raises(UserError, match="several scores: name one as the document"):
            following.read_score(path)
        assert following.read_score(path, "two").name == "two"
        with pytest.raises(UserError, match="no score 'three'"):
            following.read_score(path, "three")


def test_the_silent_windows_of_a_recording_are_there(score):
    pcm = np.concatenate([melody(RISING[:60], 9), np.zeros(4 * 22050), melody(RISING[60:], 9)])
    found = following.follow(FakeEmbedder(), following.read_score(score), [pcm])
    assert len(found.seconds) == 220 and not found.leaps.any()
    assert (np.diff(found.columns) >= 0).all()
    middle = found.columns[np.searchsorted(found.seconds, [9, 13])]
    assert middle == pytest.approx([1050, 1050], abs=130)
    with pytest.raises(UserError, match="take.wav: is silent"):
        following.follow(
            FakeEmbedder(), following.read_score(score), [np.zeros(99_000)], name="take.wav"
        )


class _Reader(html.parser.HTMLParser):
    """Collects the elements of a page, and checks that they are closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.elements, self.texts = [], [], {}

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open:
            identity = self.elements[-1][1].get("id")
            self.texts.setdefault(identity or self.open[-1], []).append(data)

    def of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def _read(path):
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    assert reader.open == []
    return reader


def _decode(url):
    kind, data = url.split(",", 1)
    return kind, base64.b64decode(data)


def test_the_player_is_one_page_that_needs_nothing_else(score, tmp_path):
    recording = tmp_path / "a<b> & </script>.wav".replace("/", "_")
    soundfile.write(recording, melody(RISING, 21), 22050)
    output = tmp_path / "followed"
    text = answer(FakeEmbedder, score, None, recording, output)
    assert "0:00–0:06  page 1, system 1" in text and text.endswith("follow.html")
    reader = _read(output / "follow.html")
    page = (output / "follow.html").read_text()
    assert "http" not in page.replace(reader.of("audio")[0]["src"], "").split("data:")[0]
    assert not reader.of("link") and all("src" not in script for script in reader.of("script"))
    kind, data = _decode(reader.of("audio")[0]["src"])
    assert kind == "data:audio/wav;base64" and data == recording.read_bytes()
    (picture,) = reader.of("img")
    kind, data = _decode(picture["src"])
    with Image.open(io.BytesIO(data)) as image:
        assert kind == "data:image/png;base64" and image.size == (835, 900)
    report = json.loads((output / "follow.json").read_text())
    shown = json.loads("".join(reader.texts["data"]))
    assert shown["course"]["x"] == report["course"]["x"]
    assert shown["course"]["seconds"] == report["course"]["seconds"]
    assert shown["systems"] == report["systems"] and shown["pages"] == report["pages"]
    assert report["model"] == "fake model 0" and report["audio"] == str(recording)
    assert recording.name in "".join(reader.texts["title"])
    assert sorted(path.name for path in output.iterdir()) == ["follow.html", "follow.json"]


def test_names_cannot_end_the_script(followed):
    document, found = followed
    report = following.report(found, document, "</script><b>.wav") | {"score": "</script>"}
    report["pages"][0]["note"] = "</script>"
    page = player.page(report, document.pages, "</script>.wav")
    reader = _Reader()
    reader.feed(page)
    assert reader.open == [] and len(reader.of("script")) == 2
    assert reader.of("audio")[0]["src"] == "</script>.wav" and not reader.of("b")
    assert json.loads("".join(reader.texts["data"]))["pages"] == report["pages"]


def test_the_recording_can_lie_beside_the_page(score, tmp_path):
    recording = tmp_path / "take 1#.flac"
    soundfile.write(recording, melody(RISING, 12), 44100)
    settings = FollowingSettings(embed_audio=False)
    answer(FakeEmbedder, score, None, recording, tmp_path / "out", settings)
    assert _read(tmp_path / "out" / "follow.html").of("audio")[0]["src"] == "take%201%23.flac"
    assert (tmp_path / "out" / recording.name).read_bytes() == recording.read_bytes()
    answer(FakeEmbedder, score, None, recording, tmp_path, settings)
    assert recording.stat().st_size > 1000  # it was beside the page already


def test_what_browsers_do_not_play_becomes_flac(tmp_path):
    pcm = np.clip(melody(RISING, 4) * 4, -1.2, 1.2)
    soundfile.write(tmp_path / "take.aiff", pcm / 2, 22050, subtype="FLOAT")
    soundfile.write(tmp_path / "take.wav", pcm / 2, 22050, subtype="FLOAT")
    for name, limit in (("take.aiff", 10**9), ("take.wav", 1000)):
        blocks = reading.read_blocks(tmp_path / name, gain_db=6.0206)
        kind, data = _decode(player.sound_url(tmp_path / name, blocks, limit))
        samples, rate = soundfile.read(io.BytesIO(data))
        assert kind == "data:audio/flac;base64" and rate == 22050
        assert np.abs(samples - np.clip(pcm, -1, 1)).max() < 1e-4
    with pytest.raises(UserError, match="cannot be read"):
        player.sound_url(tmp_path / "none.wav", [])


@pytest.mark.skipif(not shutil.which("node"), reason="needs node")
def test_the_script_shows_the_place_and_finds_the_time(followed, tmp_path):
    document, found = followed
    reader = _Reader()
    reader.feed(player.page(following.report(found, document, "a.wav"), document.pages, ""))
    data, script = "".join(reader.texts["data"]), player._SCRIPT
    times = [0.02, 2.5, 5.03, 13.0, 20.2, 34.9, 99.0]
    clicks = [[410, 150, 0], [410, 150, 30], [760, 430, 0], [20, 740, 34]]
    questions = f"""
        const data = {data};
        data.course.visited = data.course.page.map((p, i) => p + "." + data.course.system[i]);
        console.log(JSON.stringify([
          {times}.map(t => placeAt(data.course, t)),
          {clicks}.map(([x, y, now]) => timeOf(data.course, data.systems, 1, x, y, now)),
          timeOf(data.course, data.systems, 7, 1, 1, 0), clock(83.9)]));
    """
    (tmp_path / "questions.js").write_text(script + questions)
    done = subprocess.run(
        ["node", tmp_path / "questions.js"], capture_output=True, text=True, check=True
    )
    places, seconds, nowhere, clock = json.loads(done.stdout)
    expected = following.place_fields(found, np.array(times))
    for key in ("page", "system"):
        assert [place[key] for place in places] == expected[key]
    assert [place["x"] for place in places] == pytest.approx(expected["x"], abs=0.2)
    # Half-way through system 1, the first and the second time; the end of 2; the beginning of 3.
    assert seconds == pytest.approx([3.5, 17.5, 14, 28], abs=0.4)
    assert nowhere is None and clock == "1:23"
