"""The page of an answer in a real browser, where Chromium and its driver are installed."""

import numpy as np
import pytest

from tempo_invariant.audio.recordings import open_recording
from tempo_invariant.retrieval import following, one_score
from tempo_invariant.retrieval.answers import followed
from tests import fake_embedder
from tests.browser import ENTER, HOME, RIGHT, TAB, needs_browser, running
from tests.fake_embedder import FakeEmbedder, melody

pytestmark = [pytest.mark.slow, needs_browser]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with running(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


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
    browser.open(f"file://{path}")
    browser.until("document.getElementById('sound').readyState > 0")
    return browser


SOUND = "document.getElementById('sound')"


@pytest.mark.parametrize("width", [320, 400, 835, 1400])
def test_nothing_is_wider_than_the_screen(page, width):
    page.resize(width, 800, mobile=True)
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
    page.press(RIGHT)
    page.until(f"{SOUND}.currentTime === 8")
    assert page.run("return document.getElementById('place').textContent") == "page 1, system 2"
    page.press(" ")
    page.until(f"!{SOUND}.paused && {SOUND}.currentTime > 8.2")
    page.press(" ")
    page.until(f"{SOUND}.paused")
    page.press(HOME)
    page.until(f"{SOUND}.currentTime === 0")


def test_a_click_on_the_page_plays_from_there(page):
    page.run(f"{SOUND}.pause(); {SOUND}.currentTime = 0; scrollTo(0, 0)")
    box = page.run(
        "const b = document.querySelector('.paper').getBoundingClientRect();"
        "return [b.left, b.top, b.width / 835]"
    )
    left, top, scale = box
    page.click(left + 410 * scale, top + 440 * scale)  # the middle of system 2
    page.until(f"!{SOUND}.paused && {SOUND}.currentTime > 10 && {SOUND}.currentTime < 13")
    cursor = "document.querySelector('.cursor').getBoundingClientRect()"
    page.until(f"{cursor}.width > 0 && {cursor}.left > {left + 380 * scale}")
    page.run(f"{SOUND}.pause()")


def test_the_focus_goes_from_time_to_time_and_enter_plays(page):
    page.run(f"{SOUND}.pause(); document.querySelectorAll('button.time')[1].focus()")
    page.press(TAB)
    assert page.run("return document.activeElement.textContent") == "0:14"
    assert page.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.press(ENTER)
    page.until(f"!{SOUND}.paused && {SOUND}.currentTime >= 14")
    page.run(f"{SOUND}.pause()")


def test_dark_mode_keeps_the_paper_light(page):
    for scheme, dark in (("dark", True), ("light", False)):
        page.media(prefers_color_scheme=scheme)
        ground = page.run("return getComputedStyle(document.body).backgroundColor")
        assert (int(ground[4:].split(",")[0]) < 80) is dark
        paper = page.run(
            "return getComputedStyle(document.querySelector('.paper')).backgroundColor"
        )
        assert paper == "rgb(255, 255, 255)"
