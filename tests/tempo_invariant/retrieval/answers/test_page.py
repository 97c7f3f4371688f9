"""The page of an answer: what is in it, whatever names hold."""

import base64
import hashlib
import json

import numpy as np

from tempo_invariant.retrieval import courses
from tempo_invariant.retrieval.answers import page
from tempo_invariant.retrieval.answers.visits import Visit
from tempo_invariant.scores.places import Box, Place
from tests.answer_pages import Page

HOSTILE = "</script><!--<b onload=x>\x1b[2J\u202e\udcff\"'&amp;"
BOXES = {(1, 1): Box(100, 60, 180, 760), (1, 2): Box(300, 60, 380, 760)}


def visits(*times):
    return [Visit(1, 1, BOXES[1, 1], time, time + 9, (60, 700), (1, 4)) for time in times]


def made(seen=(), play=True, **changes):
    places = [Place(1, 1, 60.0, BOXES[1, 1]), Place(1, 2, 70.0, BOXES[1, 2]), None]
    course = courses.make_course([0, 0.5, 1], places, [0.5, np.nan, 0], [False, True, False])
    score = page.Score({1: np.full((900, 835), 255, np.uint8)}, BOXES, list(seen))
    arguments = {"title": "minuet", "introduction": ["take.wav"], "score": score}
    if play:
        arguments["playing"] = page.Playing("data:audio/wav;base64,AA", 20.0, course)
    return page.document(**arguments | changes)


def test_the_script_gets_pages_boxes_and_course():
    data = json.loads("".join(Page(made()).texts["data"]))
    assert data["duration"] == 20
    assert data["pages"] == [{"page": 1, "width": 835, "height": 900}]
    assert data["systems"][1] == {"page": 1, "system": 2, "box": [294, 40, 386, 780]}
    assert data["course"] == {
        "seconds": [0, 0.5, 1],
        "page": [1, 1, None],
        "system": [1, 2, None],
        "bar": [None, None, None],
        "x": [60, 70, None],
        "leap": [1],
    }


def test_names_break_neither_page_nor_script():
    html = made(title=HOSTILE, introduction=[HOSTILE])
    assert html.encode("utf-8")
    found = Page(html)
    assert len(found.of("script")) == 2 and not found.of("b")
    shown = "</script><!--<b onload=x>\\x1b[2J\\u202e\\xff\"'&amp;"
    assert "".join(found.texts["h1"]) == "".join(found.texts["title"]) == shown
    table = Page(page.table(["name"], [[HOSTILE]]))
    assert "".join(table.texts["td"]) == shown
    assert Page(page.figure(b"", HOSTILE)).of("img")[0]["alt"] == shown
    sound = page.Playing('"><b>', 1.0, courses.make_course([], [], [], []))
    assert Page(made(playing=sound)).of("audio")[0]["src"] == '"><b>'


def test_only_the_script_of_the_page_may_run():
    html = made()
    policy = next(tag["content"] for tag in Page(html).of("meta") if "http-equiv" in tag)
    script = html.rpartition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy and "default-src 'none'" in policy


def test_times_are_buttons_beside_the_page():
    found = Page(made(visits(0, 20)))
    buttons = [tag for tag in found.of("button") if tag.get("class") == "time"]
    assert [button["data-seconds"] for button in buttons] == ["0", "20"]
    assert buttons[1]["aria-label"] == "Play from 0:20, page 1, system 1, bars 1–4"
    assert len([tag for tag in found.of("div") if tag.get("class") == "seen"]) == 1
    many = Page(made(visits(0, 20, 40, 60)))
    assert len([tag for tag in many.of("button") if tag.get("class") == "time"]) == 1
    more = next(tag for tag in many.of("span") if tag.get("class") == "time")
    assert more["title"] == "0:00–0:09, 0:20–0:29, 0:40–0:49, 1:00–1:09"


def test_every_control_has_a_name_and_the_place_is_announced():
    found = Page(made(visits(0)))
    names = [tag.get("aria-label") for tag in found.of("button") if tag.get("class") != "time"]
    assert (
        names == ["Back 5 seconds", None, "Forward 5 seconds"] and "Play" in found.texts["button"]
    )
    assert found.of("input")[0]["aria-label"] == "Time in the recording"
    assert any(
        tag.get("aria-live") == "polite" and tag["id"] == "place" for tag in found.of("span")
    )
    assert found.of("html")[0]["lang"] == "en"
    assert any(tag.get("name") == "viewport" for tag in found.of("meta"))


def test_without_a_recording_there_is_no_player():
    found = Page(made(visits(0), play=False))
    assert not found.of("audio") and not found.of("button") and not found.of("input")
    assert "0:00" in found.texts["span"] and not found.of("script")
    assert not found.of("details")


def test_details_are_folded():
    found = Page(made(details=page.section("Ranking", page.visit_table(visits(0)))))
    assert found.of("details") == [{}] and found.texts["h2"] == ["Ranking"]
    assert found.texts["td"] == ["0:00–0:09", "1", "1", "1–4", "60–700"]
