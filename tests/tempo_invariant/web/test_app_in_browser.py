"""The command with the model that ships, and its page in a real browser."""

import collections
import json
import time

import numpy as np
import pytest

from tests.app_page import CURSOR, HEADLINE, NAME, NOTICE, SHOWN, STAGE, TITLE, listen
from tests.browser import ESCAPE, needs_browser

pytestmark = [pytest.mark.slow, needs_browser]


def test_a_recording_is_named_with_all_parts_of_its_answer(app, browser):
    assert browser.text("#answers .name") == "take.ogg"
    assert browser.text("#answers .found").startswith(TITLE)
    browser.click_on("#answers a")
    browser.until("!document.querySelector('#answer').hidden")
    frame = browser.post("/element", using="css selector", value="#answer-page")
    browser.post("/frame", id=frame)
    try:
        browser.until("document.querySelector('h1')?.textContent")
        assert browser.text("h1") == NAME
        browser.until("document.querySelector('#sound')?.readyState > 0")
        browser.run("document.querySelector('#play').click()")
        browser.until("document.querySelector('#sound').currentTime > 0.5")
        browser.until("document.querySelector('.cursor:not([hidden])')")
    finally:
        browser.post("/frame", id=None)
    browser.press(ESCAPE)  # of the page, or of the frame, which has the focus
    browser.run("location.hash = ''")
    browser.until("!document.querySelector('#home').hidden")


def test_what_is_played_is_followed(app, browser):
    """Where the cursor is, the answer to the same recording, made at leisure, is about then."""
    [job] = [job for job in json.loads(app.get("/api/jobs"))["jobs"] if job["kind"] == "recording"]
    data = app.get(f"/answers/{job['id']}/").partition('id="data">')[2].partition("</script>")[0]
    course = json.loads(data)["course"]
    places = list(zip(*(course[key] for key in ("seconds", "system", "x")), strict=True))
    [page] = json.loads(data)["pages"]
    tops = [100 * each["box"][0] / page["height"] for each in json.loads(data)["systems"]]
    listen(browser)
    browser.until(f"{HEADLINE} === '{TITLE}' && {CURSOR}", 120)
    seen = collections.deque(maxlen=16)
    # On a machine that does much else, sound is left out, and the music found again.
    end = time.monotonic() + 40
    while sum(near for near, *_ in seen) < 14:
        assert time.monotonic() < end, seen
        seconds, top, x, width = browser.run(
            f"const c = {CURSOR}; return [(performance.now() - window.sockets.at(-1).begun) / 1000,"
            "c.style.top, c.style.transform, c.parentElement.clientWidth]"
        )
        column = float(x[11:-3]) * page["width"] / width
        system = 1 + int(np.argmin(np.abs(np.array(tops) - float(top.rstrip("%")))))
        near = any(
            seconds - 2 < when < seconds + 1.5 and there == system and abs(column - at) < 60
            for when, there, at in places
        )
        seen.append((near, system, column))
        time.sleep(0.25)
    assert len(set(seen)) > 10  # it moves


def test_a_server_that_was_killed_is_waited_for(app, browser):
    app.process.kill()
    app.process.wait(20)
    browser.until(f"{NOTICE}.startsWith('The connection is lost')", 60)
    assert browser.text("#stage-state") == "Not listening"
    browser.until("!document.querySelector('#connection').hidden")
    app.start()
    browser.until(f"/^(Connected again|Opening the model)/.test({NOTICE})", 120)
    browser.until("document.querySelector('#connection').hidden")
    browser.until(f"{STAGE}.dataset.state === 'following' && {HEADLINE} === '{TITLE}'", 120)
    browser.press(ESCAPE)
    browser.until("!document.querySelector('#home').hidden")
    browser.until(f"{SHOWN}.length === 3")
