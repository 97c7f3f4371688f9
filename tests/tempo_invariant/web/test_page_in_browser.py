"""The page in a real browser: what is dropped, keys, phones, the dark, and other pages."""

import functools
import http.server
import threading

import pytest

from tests.app_page import FAULTS, FOCUS, NAMES, SHOWN, drop, score
from tests.browser import ENTER, ESCAPE, TAB, needs_browser

pytestmark = [pytest.mark.slow, needs_browser]


def test_scores_are_dropped_and_what_fails_is_said_in_a_line(page, served):
    files = {"another.pdf": score("minuet_f_major"), "broken.pdf": b"%PDF-1.4 nothing"}
    drop(page, {**files, "note.txt": b"no score"})
    page.until(f"{SHOWN}.length === 3 && {FAULTS}.length === 2")
    assert page.run(f"return {NAMES}") == ["Another", "Bach musette", "Minuet g major"]
    faults = page.run(f"return {FAULTS}")
    assert sorted(fault.partition(":")[0].rpartition("/")[2] for fault in faults) == [
        "broken.pdf",
        "note.txt",
    ]
    assert page.run("return document.querySelector('#standing').textContent") == "3 scores"
    page.until("[...document.querySelectorAll('.cover img')].every(cover => cover.naturalWidth)")
    page.click_on("#faults button")
    page.until(f"{FAULTS}.length === 1")
    page.click_on("#faults button")
    page.until("document.querySelector('#adding').hidden")
    page.open(f"{served.origin}/#again")
    page.until(f"{SHOWN}.length === 3")
    assert page.run(f"return {FAULTS}") == []  # dismissed for good
    [another] = [each for each in served.get("/api/library")["scores"] if each["pages"] == 1][:1]
    assert another["name"] == "another"


def test_the_keyboard_alone_is_enough(page, served):
    focused = "return [document.activeElement.id, document.activeElement.textContent.trim()]"
    page.press(TAB, TAB)
    assert page.run(focused) == ["listen", "Listen"]
    assert page.run(f"return getComputedStyle({FOCUS}).outlineStyle") == "solid"
    page.press("/", *"MUSE")
    page.until(f"{NAMES}.join() === 'Bach musette'")
    page.press(*" liszt")
    page.until("!document.querySelector('#nothing').hidden")
    page.press(ESCAPE)
    page.until(f"{SHOWN}.length >= 2")
    page.press(*"musette", TAB, TAB, TAB, ENTER)
    page.until("!document.querySelector('#score').hidden")
    page.until("document.querySelectorAll('#score-pages img').length === 1")
    assert page.run(focused) == ["score-name", "Bach musette"]
    page.press(TAB, ENTER)  # Remove…
    page.until("document.querySelector('#confirm').open")
    assert page.run(focused)[1] == "Keep it"
    page.press(ESCAPE)
    page.until("!document.querySelector('#confirm').open")
    assert page.run(focused)[0] == "score-remove"
    page.press(ESCAPE)
    page.until("!document.querySelector('#home').hidden")
    assert page.run(focused)[1] == "Bach musette"  # back where one was
    page.press(ENTER)
    page.until(f"{FOCUS}.id === 'score-name' && document.querySelector('#score-pages img')")
    page.press(TAB, ENTER)
    page.until("document.querySelector('#confirm').open")
    page.press(TAB, ENTER)  # Remove it
    page.until("!document.querySelector('#home').hidden")
    page.until(f"{SHOWN}.length === 0")  # of what was searched for
    assert "bach_musette" not in served.names()
    served.job(served.drop("scores", "bach_musette.pdf", score("bach_musette")))
    page.until(f"{NAMES}.join() === 'Bach musette'")


def test_however_many_fail_each_can_be_read(page):
    drop(page, {f"note {number}.txt": b"no score" for number in range(12)})
    page.until(f"{FAULTS}[0] === '12 files could not be read'")
    assert len(page.run(f"return {FAULTS}")) == 1 + 5
    page.click_on("#faults button")  # Show all
    shown = page.run(f"return {FAULTS}")
    assert {f"note {number}.txt" for number in range(12)} == {
        fault.partition(":")[0] for fault in shown[1:]
    }
    assert page.run(f"return {FOCUS}.textContent") == "Show fewer"
    page.press(TAB, ENTER)  # Dismiss all
    page.until("document.querySelector('#adding').hidden")


def test_an_answer_that_is_no_more_leads_back_to_the_library(page, served):
    page.open(f"{served.origin}/#answer=gone")
    [fault] = page.until(f"{FAULTS}.length && {FAULTS}")
    assert fault.startswith("This answer is gone; ") and "drop the recording again" in fault
    assert not page.run("return document.querySelector('#home').hidden")
    page.click_on("#faults button")


@pytest.mark.parametrize("width", [320, 400])
def test_a_phone_has_room_for_all_of_it(page, width):
    page.resize(width, 700, mobile=True)
    small = """return [...document.querySelectorAll('a, button, input, summary')].filter(e => {
      const box = e.getBoundingClientRect();
      return box.width > 0 && (box.width < 24 || box.height < 24 || box.right > innerWidth);
    }).map(e => e.outerHTML)"""
    for view in ("", "score"):
        if view:
            page.click_on("#grid a")
            page.until("document.querySelector('#score-pages img')?.naturalWidth")
        assert page.run("return document.documentElement.scrollWidth") == width
        assert page.run(small) == []


def test_in_the_dark_the_ground_is_dark_and_the_paper_is_not(page):
    page.media(prefers_color_scheme="dark")
    colour = "return getComputedStyle(document.querySelector(arguments[0])).backgroundColor"
    red, green, blue = (int(each) for each in page.run(colour, "body")[4:-1].split(","))
    assert max(red, green, blue) < 80
    assert page.run(colour, ".cover") == "rgb(255, 255, 255)"


def test_without_a_microphone_a_line_says_what_to_do(page):
    page.run(
        "navigator.mediaDevices.getUserMedia = () =>"
        " Promise.reject(new DOMException('no', 'NotAllowedError'))"
    )
    page.click_on("#listen")
    [fault] = page.until(f"{FAULTS}.length === 1 && {FAULTS}")
    assert fault.startswith("The microphone is not allowed")
    assert page.run("return document.querySelector('#stage').hidden")
    page.click_on("#faults button")


def test_a_page_from_elsewhere_can_do_nothing(served, browser, tmp_path):
    (tmp_path / "index.html").write_text("<!DOCTYPE html><title>Elsewhere</title>")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    before = served.names()
    [first, *_] = served.get("/api/library")["scores"]
    script = """
        const [origin, id] = arguments, done = arguments[arguments.length - 1];
        const tried = async (path, options) => {
          try {
            const answer = await fetch(origin + path, options);
            return String(answer.status);
          } catch (error) { return "refused"; }
        };
        const socket = new Promise(said => {
          const opened = new WebSocket(origin.replace("http", "ws") + "/api/listen");
          opened.onopen = () => said("opened");
          opened.onerror = () => said("refused");
        });
        const picture = new Promise(said => {
          const image = new Image();
          image.onload = () => said("seen");
          image.onerror = () => said("refused");
          image.src = `${origin}/api/scores/${id}/cover`;
        });
        Promise.all([
          tried("/api/library"), tried(`/api/scores/${id}`, {method: "DELETE"}),
          tried("/api/scores?name=evil.pdf", {method: "POST", body: "%PDF-1.4"}),
          tried("/api/scores?name=evil.pdf", {method: "POST", body: "%PDF-1.4", mode: "no-cors"}),
          socket, picture,
        ]).then(done);
    """
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as elsewhere:
        threading.Thread(target=elsewhere.serve_forever, daemon=True).start()
        browser.open(f"http://localhost:{elsewhere.server_port}/")
        found = browser.post("/execute/async", script=script, args=[served.origin, first["id"]])
        elsewhere.shutdown()
    assert found == ["refused"] * 6
    assert served.names() == before
    assert not any(job["name"] == "evil.pdf" for job in served.jobs())
