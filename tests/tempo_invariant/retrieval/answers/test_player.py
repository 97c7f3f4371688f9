"""The player's script, run by Node: places, times, keys and clicks."""

import json
import shutil
import subprocess
from importlib import resources
from pathlib import Path

import pytest

from tempo_invariant.retrieval import answers

pytestmark = pytest.mark.skipif(not shutil.which("node"), reason="needs node")

SCRIPT = resources.files(answers).joinpath("player.js").read_text(encoding="utf-8")
BROWSER = Path(__file__).with_name("fake_browser.js").read_text(encoding="utf-8")

SECONDS = [0, 5, 10, 15, 20, 25, 30, 35]
DATA = {
    "duration": 40,
    "pages": [{"page": page, "width": 835, "height": 1000} for page in (1, 2)],
    "systems": [
        {"page": 1, "system": 1, "box": [100, 60, 200, 760]},
        {"page": 1, "system": 2, "box": [300, 60, 400, 760]},
        {"page": 2, "system": 1, "box": [100, 60, 200, 760]},
    ],
    # System 1, system 2, both again, page 2, and nowhere.
    "course": {
        "seconds": SECONDS,
        "page": [1, 1, 1, 1, 1, 1, 2, None],
        "system": [1, 1, 2, 2, 1, 2, 1, None],
        "bar": [1, 2, 3, None, 1, 3, 5, None],
        "x": [100, 700, 100, 700, 100, 100, 100, None],
        "leap": [4],
    },
}


def run(tmp_path, code):
    """What a piece of script returns, run after the player's script."""
    path = tmp_path / "script.js"
    data = f"const data = {json.dumps(DATA)};"
    wrapped = f"console.log(JSON.stringify((() => {{ {code} }})()));"
    path.write_text(f"{SCRIPT}\n{BROWSER}\n{data}\n{wrapped}", encoding="utf-8")
    done = subprocess.run(["node", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_place_moves_within_a_system_and_waits_between_two(tmp_path):
    places = run(
        tmp_path,
        "return [0, 2.5, 7.5, 12.5, 17, 20, 34.9, 36, 99].map(t => placeAt(data.course, t))",
    )
    assert [place and (place["page"], place["system"], place["x"]) for place in places] == [
        (1, 1, 100),
        (1, 1, 400),
        (1, 1, 700),
        (1, 2, 400),
        (1, 2, 700),
        (1, 1, 100),
        (2, 1, 100),
        None,
        None,
    ]
    assert [place and place["bar"] for place in places] == [1, 1, 2, 3, None, 1, 5, None, None]


def test_it_begins_where_the_page_does(tmp_path):
    code = """
        const seen = [];
        for (const from of [0, 30]) {
            start({...data, start: from});
            seen.push([sound.currentTime, element("place").textContent]);
        }
        return seen;
    """
    assert run(tmp_path, code) == [[0, "page 1, system 1"], [30, "page 2, system 1"]]


def test_a_point_of_the_page_is_played_at_the_time_nearest_to_now(tmp_path):
    code = """
        const at = (page, x, y, now) => timeOf(data.course, data.systems, page, x, y, now);
        return [at(1, 110, 150, 0), at(1, 110, 150, 30), at(1, 110, 90, 0), at(1, 690, 390, 0),
                at(2, 400, 900, 0), at(7, 1, 1, 0), clock(83.9), clock(3600)];
    """
    assert run(tmp_path, code) == [0, 20, 0, 15, 30, None, "1:23", "60:00"]


def test_keys_play_and_go_through_the_recording(tmp_path):
    code = """
        start(data);
        const seen = [];
        const note = prevented => seen.push([prevented, sound.paused, sound.currentTime]);
        note(press(" ")); note(press(" "));
        note(press("ArrowRight")); note(press("ArrowRight")); note(press("ArrowLeft"));
        note(press("End")); note(press("ArrowRight"));
        note(press("Home")); note(press("ArrowLeft"));
        note(press("a")); note(press("ArrowDown"));
        note(press("ArrowRight", {ctrlKey: true})); note(press("Home", {shiftKey: true}));
        note(press(" ", {target: element("back")}));  // the button's own key
        note(press("ArrowRight", {target: element("slider")}));
        return seen;
    """
    assert run(tmp_path, code) == [
        [True, False, 0],
        [True, True, 0],
        [True, True, 5],
        [True, True, 10],
        [True, True, 5],
        [True, True, 40],
        [True, True, 40],
        [True, True, 0],
        [True, True, 0],
        [False, True, 0],
        [False, True, 0],
        [False, True, 0],
        [False, True, 0],
        [False, True, 0],
        [True, True, 5],
    ]


def test_clicks_play(tmp_path):
    code = """
        start(data);
        const seen = [];
        const note = () => { seen.push([sound.paused, sound.currentTime]); };
        element("play").fire("click"); note();
        seen.push(element("play").textContent);
        element("play").fire("click"); note();
        seen.push(element("play").textContent);
        element("forward").fire("click"); note();
        element("back").fire("click"); note();
        time.fire("click"); note();
        sound.pause();
        const half = {left: 10, top: 40, width: 417.5};  // the page at half its size
        element("page-1").rectangle = half;
        element("page-1").fire("click", {clientX: 10 + 345, clientY: 40 + 190}); note();
        element("slider").value = "31";
        element("slider").fire("input"); note();
        seen.push(element("play").fire("mousedown").prevented);
        return seen;
    """
    assert run(tmp_path, code) == [
        [False, 0],
        "Pause",
        [True, 0],
        "Play",
        [True, 5],
        [True, 0],
        [False, 20],
        [False, 15],
        [False, 31],
        True,
    ]


def test_a_click_where_nothing_is_played_does_nothing(tmp_path):
    code = """
        data.course.page.fill(null); data.course.system.fill(null);
        start(data);
        element("page-1").fire("click", {clientX: 345, clientY: 190});
        return [sound.paused, sound.currentTime, element("place").textContent];
    """
    assert run(tmp_path, code) == [True, 0, "not in the score"]


def test_the_place_is_shown_and_said_once(tmp_path):
    code = """
        start(data);
        const texts = [];
        const place = element("place");
        let said = 0, value = place.textContent;
        Object.defineProperty(place, "textContent", {
          get: () => value, set: text => { said++; value = text; }});
        const mark = page => element("page-" + page).children.map(child => child.hidden);
        for (const time of [1, 5, 6, 12, 31, 36]) {
          sound.currentTime = time;
          sound.fire("timeupdate");
          texts.push([element("clock").textContent, value + element("bar").textContent, mark(1)[0],
                      mark(2)[0]]);
        }
        const [now, cursor] = element("page-2").children;
        return {texts, said, now: now.style, cursor: cursor.style, scrolled: cursor.scrolled,
                slider: element("slider").attributes["aria-valuetext"],
                controls: [sound.controls, element("controls").hidden]};
    """
    found = run(tmp_path, code)
    assert found["texts"] == [
        ["0:01 / 0:40", "page 1, system 1, bar 1", False, True],
        ["0:05 / 0:40", "page 1, system 1, bar 2", False, True],
        ["0:06 / 0:40", "page 1, system 1, bar 2", False, True],
        ["0:12 / 0:40", "page 1, system 2, bar 3", False, True],
        ["0:31 / 0:40", "page 2, system 1, bar 5", True, False],
        ["0:36 / 0:40", "not in the score", True, True],
    ]
    assert found["said"] == 3  # system 2, page 2, nowhere
    assert found["slider"] == "0:36 of 0:40" and found["controls"] == [False, False]
    share = {side: float(value.rstrip("%")) for side, value in found["now"].items()}
    expected = {"top": 10, "height": 10, "left": 6000 / 835, "width": 70000 / 835}
    assert share == pytest.approx(expected)
    assert float(found["cursor"]["left"].rstrip("%")) == pytest.approx(10000 / 835)


def test_the_page_follows_the_music_out_of_the_window(tmp_path):
    code = """
        start(data);
        const cursor = element("page-2").children[1];
        cursor.rectangle = {top: 900, bottom: 1000};
        sound.currentTime = 31;
        sound.fire("timeupdate"); sound.fire("timeupdate");
        return cursor.scrolled;
    """
    assert run(tmp_path, code) == 1
