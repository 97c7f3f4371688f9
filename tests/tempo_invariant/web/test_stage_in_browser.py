"""Listening in a real browser, to a listener that says what it is made to say."""

import time

import numpy as np
import pytest

from tempo_invariant.web import librarian
from tests.app_page import (
    CURSOR,
    FAULTS,
    HEADLINE,
    NOTICE,
    SHOWN,
    STAGE,
    ScriptedListener,
    listen,
    score,
)
from tests.browser import DOWN, ESCAPE, LEFT, RIGHT, needs_browser
from tests.web_server import serving, wait_for

pytestmark = [pytest.mark.slow, needs_browser]

SAMPLED = """
    window.seen = [];
    const look = () => {
      const strip = document.querySelector("#strip"), papers = [...strip.children];
      const middle = innerWidth / 2;
      const shown = papers.findIndex(paper => {
        const box = paper.getBoundingClientRect();
        return box.left <= middle && middle <= box.right;
      });
      const cursor = strip.querySelector(".cursor:not([hidden])");
      if (cursor) {
        const x = Number(cursor.style.transform.match(/[\\d.]+/)[0]);
        const page = papers.indexOf(cursor.parentElement);
        window.seen.push([performance.now() / 1000, page, x, shown]);
      }
      requestAnimationFrame(look);
    };
    look();
"""


def test_the_cursor_glides_and_the_page_is_turned_before_its_end(scripted, browser):
    ScriptedListener.made.clear()
    browser.resize(400, 700, mobile=True)
    browser.open(f"{scripted.origin}/")
    browser.until(f"{SHOWN}.length === 2")
    listen(browser)
    browser.run(SAMPLED)
    browser.until(f"{HEADLINE} === 'Bach invention 1'")
    assert (
        browser.run("return document.querySelector('#stage-state').textContent") == "likely, 83 %"
    )
    assert browser.run("return document.documentElement.scrollWidth") == 400
    browser.until(f"{STAGE}.dataset.state === 'lost'")
    assert "tap where you are" in browser.run(f"return {STAGE}.innerText")
    seen = browser.run("return window.seen")
    first = [(time, x, shown) for time, page, x, shown in seen if page == 0]
    second = [(time, x) for time, page, x, _ in seen if page == 1]
    for run in (first, second):
        steps = np.diff([x for _, x, *_ in run])
        assert len(run) > 20 and np.all(steps >= 0)  # never back
        assert run[-1][1] - run[0][1] > 150
    turned = min(time for time, _, shown in first if shown == 1)
    assert 0.5 < second[0][0] - turned < 2.5
    browser.until(f"{HEADLINE} === 'Not among your 2 scores'")
    assert browser.run("return document.querySelector('#window').hidden")
    # A button for the nearest one chooses it.
    browser.click_on("#perhaps button")
    browser.until(f"{HEADLINE} === 'Bach invention 1'")
    wait_for(lambda: ScriptedListener.made[0].chosen == "bach_invention_1")
    browser.press(ESCAPE)
    browser.until("!document.querySelector('#home').hidden")
    browser.until("window.sockets.at(-1).readyState === WebSocket.CLOSED")


def test_pages_are_leafed_by_keys_and_motion_is_spared(scripted, browser):
    browser.resize(400, 700, mobile=True)
    browser.media(prefers_reduced_motion="reduce")
    browser.open(f"{scripted.origin}/#")
    browser.until(f"{SHOWN}.length === 2")
    listen(browser)
    browser.until(CURSOR)
    browser.run(SAMPLED)
    time.sleep(1.5)
    seen = browser.run("return window.seen")
    browser.media(prefers_reduced_motion="no-preference")
    changes = [
        after[0]
        for before, after in zip(seen, seen[1:], strict=False)
        if before[1] == after[1] and before[2] != after[2]
    ]
    assert changes and np.all(np.diff(changes) > 0.4)  # it goes in steps
    for state in ("lost", "unknown", "following"):
        browser.until(f"{STAGE}.dataset.state === '{state}'")
    browser.until(f"{CURSOR} && window.seen.at(-1)[3] === 1")  # on the second page
    for key, page in ((LEFT, 0), (LEFT, 0), (RIGHT, 1), (RIGHT, 1)):
        browser.press(key)
        browser.until(f"window.seen.at(-1)[3] === {page}")
    browser.press(ESCAPE)
    browser.until("document.querySelector('#stage').hidden")


def test_two_listeners_and_taps_and_keys_correct_their_own(scripted, browser):
    ScriptedListener.made.clear()
    windows = [browser.post("/window/new", type="window")["handle"] for _ in range(2)]
    main = browser.get("/window")
    try:
        for window in windows:
            browser.post("/window", handle=window)
            browser.resize(1200, 800)
            browser.open(f"{scripted.origin}/#")
            browser.until(f"{SHOWN}.length === 2")
            listen(browser)
        browser.until(f"{CURSOR} && !document.querySelector('#strip').getAnimations().length")
        box = browser.run(
            "const b = document.querySelector('#strip .paper').getBoundingClientRect();"
            "return [b.left, b.top, b.width, b.height]"
        )
        [found] = [one for one in scripted.get("/api/library")["scores"] if one["pages"] == 2]
        details = scripted.get(f"/api/scores/{found['id']}")
        [third] = [each for each in details["systems"] if (each["page"], each["system"]) == (1, 3)]
        top, left, bottom, right = third["box"]
        page = details["pages"][0]
        x, y = left + 0.7 * (right - left), (top + bottom) / 2
        browser.click(box[0] + box[2] * x / page["width"], box[1] + box[3] * y / page["height"])
        second = ScriptedListener.made[1]
        wait_for(lambda: second.places)
        document, number, system, column = second.places.pop()
        assert (document, number, system) == ("bach_invention_1", 1, 3)
        assert abs(column - x) < 5
        browser.press(DOWN)
        wait_for(lambda: second.places)
        assert second.places.pop()[1] in (1, 2)
        assert ScriptedListener.made[0].places == []
        for window in windows:
            browser.post("/window", handle=window)
            assert browser.run(f"return {HEADLINE}") == "Bach invention 1"
        assert scripted.get("/api/library")["listening"] == 2
    finally:
        for window in windows:
            browser.post("/window", handle=window)
            browser.delete("/window")
        browser.post("/window", handle=main)


def test_a_broken_connection_goes_on_where_it_was(scripted, browser):
    ScriptedListener.made.clear()
    browser.resize(1200, 800)
    browser.open(f"{scripted.origin}/#")
    browser.until(f"{SHOWN}.length === 2")
    browser.click_on("#grid a")
    browser.until("document.querySelector('#score-pages img')")
    browser.click_on("#score-listen")
    browser.until(CURSOR)
    browser.run("window.sockets.at(-1).close()")
    browser.until(f"{NOTICE}.startsWith('The connection is lost')")
    browser.until(f"{NOTICE} === 'Connected again.'")
    assert "session=" in browser.run("return window.sockets.at(-1).url")
    browser.until(f"{STAGE}.dataset.state === 'lost'")
    assert len(ScriptedListener.made) == 1
    browser.click_on("#stop")
    browser.until("document.querySelector('#stage').hidden")


def test_a_server_that_wants_another_token_ends_the_listening(tmp_path, browser, monkeypatch):
    monkeypatch.setattr(librarian, "processors", lambda: 0)
    with serving(tmp_path) as client:
        client.job(client.drop("scores", "bach_invention_1.pdf", score("bach_invention_1")))
    how = {"make_listener": ScriptedListener, "port": client.port}
    browser.resize(1200, 800)
    with serving(tmp_path, token="first", **how):
        browser.open(f"{client.origin}/?token=first")
        browser.until(f"{SHOWN}.length === 1")
        listen(browser)
        browser.until(CURSOR)
    browser.until("document.querySelector('#stage-state').textContent === 'Not listening'")
    with serving(tmp_path, token="second", **how):
        [fault] = browser.until(f"{FAULTS}.length && {FAULTS}", 60)
        assert fault.startswith("It does not listen any more: the address lacks its token; open")
        assert browser.run(f"return {STAGE}.hidden")
        assert browser.text("#refused").startswith("The address lacks its token; open")
        assert browser.run("return document.querySelector('#connection').hidden")
