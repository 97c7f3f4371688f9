"""The page of an answer in a real browser, where Chromium and its driver are installed."""

import contextlib
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request

import numpy as np
import pytest

from tempo_invariant.audio.recordings import open_recording
from tempo_invariant.retrieval import following, one_score
from tempo_invariant.retrieval.answers import followed
from tests import fake_embedder
from tests.fake_embedder import FakeEmbedder, melody

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("chromedriver"), reason="needs chromium-driver"),
]

FLAGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --mute-audio"
FLAGS += " --disable-background-networking --disable-component-update --disable-sync"
FLAGS += " --autoplay-policy=no-user-gesture-required"


class Browser:
    """Speaks WebDriver with chromedriver."""

    def __init__(self, port, profile):
        self._url = f"http://127.0.0.1:{port}/session"
        options = {"args": [*FLAGS.split(), f"--user-data-dir={profile}"]}
        capabilities = {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}
        created = self.post("", capabilities=capabilities)
        self._url += f"/{created['sessionId']}"

    def post(self, path, **content):
        request = urllib.request.Request(self._url + path, json.dumps(content).encode())
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)["value"]

    def run(self, script):
        return self.post("/execute/sync", script=script, args=[])

    def until(self, script):
        end = time.monotonic() + 20
        while not self.run(f"return {script}"):
            assert time.monotonic() < end, script
            time.sleep(0.05)

    def devtools(self, command, **parameters):
        self.post("/goog/cdp/execute", cmd=command, params=parameters)

    def press(self, key):
        actions = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        self.post("/actions", actions=[{"type": "key", "id": "keys", "actions": actions}])

    def click(self, x, y):
        moves = [{"type": "pointerMove", "x": x, "y": y}]
        moves += [{"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp")]
        self.post("/actions", actions=[{"type": "pointer", "id": "mouse", "actions": moves}])


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    driver = subprocess.Popen(
        ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        line = next(line for line in driver.stdout if "started successfully on port" in line)
        port = int(line.rstrip(".\n").rpartition(" ")[2])
        opened = Browser(port, tmp_path_factory.mktemp("profile"))
        yield opened
        with contextlib.suppress(urllib.error.URLError):
            opened.post("/goog/cdp/execute", cmd="Browser.close", params={})
    finally:
        driver.terminate()
        driver.wait(20)


@pytest.fixture(scope="module", params=[True, False], ids=["embedded", "beside"])
def page(request, browser, tmp_path_factory):
    """Opens a followed recording of 21 s: three systems of 7 s each."""
    directory = tmp_path_factory.mktemp("score")
    numbers = np.arange(20, 140)
    fake_embedder.write_score(directory, "rising", numbers)
    document = one_score.read_score(directory / "msmd" / "rising")
    recording = open_recording(melody(numbers, 21), 22050, "take")
    answer = following.follow_recording(FakeEmbedder(), document, recording)
    path = followed.write(answer, recording, directory / "out", embed_audio=request.param)
    assert (path.parent / "follow.flac").exists() is not request.param
    browser.post("/url", url=f"file://{path}")
    browser.until("document.getElementById('sound').readyState > 0")
    return browser


SOUND = "document.getElementById('sound')"


@pytest.mark.parametrize("width", [320, 400, 835, 1400])
def test_nothing_is_wider_than_the_screen(page, width):
    page.devtools(
        "Emulation.setDeviceMetricsOverride",
        **{"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": True},
    )
    page.run("for (const d of document.querySelectorAll('details')) d.open = true")
    assert page.run("return document.documentElement.scrollWidth") == width
    narrow = """return [...document.querySelectorAll('button, input, summary')].filter(e => {
      const box = e.getBoundingClientRect(); return box.width < 24 || box.height < 24; }).length"""
    assert page.run(narrow) == 0
    # A time is beside the page, where it hides no notes.
    beside = """return [...document.querySelectorAll('.time')].every(e =>
      e.getBoundingClientRect().right <=
      document.querySelector('.paper').getBoundingClientRect().left)"""
    assert page.run(beside)


def test_keys_play_and_seek(page):
    page.run(f"{SOUND}.pause(); {SOUND}.currentTime = 3")
    page.press("\ue014")  # the right arrow
    page.until(f"{SOUND}.currentTime === 8")
    assert page.run("return document.getElementById('place').textContent") == "page 1, system 2"
    page.press(" ")
    page.until(f"!{SOUND}.paused && {SOUND}.currentTime > 8.2")
    page.press(" ")
    page.until(f"{SOUND}.paused")
    page.press("\ue011")  # Home
    page.until(f"{SOUND}.currentTime === 0")


def test_a_click_on_the_page_plays_from_there(page):
    page.run(f"{SOUND}.pause(); {SOUND}.currentTime = 0; scrollTo(0, 0)")
    box = page.run(
        "const b = document.querySelector('.paper').getBoundingClientRect();"
        "return [b.left, b.top, b.width / 835]"
    )
    left, top, scale = box
    page.click(round(left + 410 * scale), round(top + 440 * scale))  # the middle of system 2
    page.until(f"!{SOUND}.paused && {SOUND}.currentTime > 10 && {SOUND}.currentTime < 13")
    cursor = "document.querySelector('.cursor').getBoundingClientRect()"
    page.until(f"{cursor}.width > 0 && {cursor}.left > {left + 380 * scale}")
    page.run(f"{SOUND}.pause()")


def test_the_focus_goes_from_time_to_time_and_enter_plays(page):
    page.run(f"{SOUND}.pause(); document.querySelectorAll('button.time')[1].focus()")
    page.press("\ue004")  # Tab
    assert page.run("return document.activeElement.textContent") == "0:14"
    assert page.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.press("\ue007")  # Enter
    page.until(f"!{SOUND}.paused && {SOUND}.currentTime >= 14")
    page.run(f"{SOUND}.pause()")


def test_dark_mode_keeps_the_paper_light(page):
    for scheme, dark in (("dark", True), ("light", False)):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        page.devtools("Emulation.setEmulatedMedia", features=features)
        ground = page.run("return getComputedStyle(document.body).backgroundColor")
        assert (int(ground[4:].split(",")[0]) < 80) is dark
        paper = page.run(
            "return getComputedStyle(document.querySelector('.paper')).backgroundColor"
        )
        assert paper == "rgb(255, 255, 255)"
