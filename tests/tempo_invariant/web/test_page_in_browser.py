"""The page in a real browser: what is dropped, keys, phones, other pages, and listening."""

import base64
import collections
import functools
import http.server
import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from typing import ClassVar

import numpy as np
import pytest
import soundfile

from tempo_invariant.geometry import SAMPLE_RATE
from tempo_invariant.samples import DIRECTORY
from tempo_invariant.web import librarian
from tests.browser import DOWN, ENTER, ESCAPE, LEFT, RIGHT, TAB, needs_browser, running
from tests.web_server import serving, wait_for

pytestmark = [pytest.mark.slow, needs_browser]

SCORES = DIRECTORY / "scores"
NAME = "petzold_minuet_g_major"
TITLE = "Petzold minuet g major"

DROP = """
    const transfer = new DataTransfer();
    for (const [name, content, type] of arguments[0]) {
      const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
      transfer.items.add(new File([bytes], name, {type}));
    }
    for (const type of ["dragenter", "dragover", "drop"]) {
      document.body.dispatchEvent(
        new DragEvent(type, {dataTransfer: transfer, bubbles: true, cancelable: true}));
    }
"""
SHOWN = "[...document.querySelectorAll('#grid li')].filter(card => !card.hidden)"
NAMES = f"{SHOWN}.map(card => card.querySelector('.name').textContent)"
FAULTS = "[...document.querySelectorAll('#faults span')].map(line => line.textContent)"
STAGE = "document.querySelector('#stage')"
HEADLINE = "document.querySelector('#stage-name').textContent"
NOTICE = "document.querySelector('#stage-notice').textContent"
CURSOR = "document.querySelector('.cursor:not([hidden])')"
FOCUS = "document.activeElement"
OPEN_SOCKETS = """
    window.sockets = [];
    window.WebSocket = class extends WebSocket {
      constructor(...all) { super(...all); window.sockets.push(this); }
      send(data) {
        if (typeof data !== "string") this.begun ??= performance.now();
        super.send(data);
      }
    };
"""


def drop(browser, files):
    """Drops files on the page."""
    coded = [[name, base64.b64encode(content).decode(), ""] for name, content in files.items()]
    browser.run(DROP, coded)


def listen(browser):
    """Presses the big button."""
    browser.click_on("#listen")
    browser.until(f"!{STAGE}.hidden")


def score(name):
    """The file of a sample score."""
    return (SCORES / f"{name}.pdf").read_bytes()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A browser whose microphone plays the sample's recording, again with every listener."""
    directory = tmp_path_factory.mktemp("profile")
    samples, rate = soundfile.read(DIRECTORY / "recording.ogg")
    soundfile.write(directory / "played.wav", samples, rate, subtype="PCM_16")
    flags = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    flags.append(f"--use-file-for-fake-audio-capture={directory}/played.wav%noloop")
    with running(directory / "profile", *flags) as opened:
        opened.devtools("Page.enable")
        opened.devtools("Page.addScriptToEvaluateOnNewDocument", source=OPEN_SOCKETS)
        yield opened


# With a model that needs no loading.


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A server in this process, with two scores in its library."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(librarian, "processors", lambda: 0)
        patch.setattr(librarian, "_QUIET_SECONDS", 0.3)
        with serving(tmp_path_factory.mktemp("served")) as client:
            for name in ("bach_musette", "minuet_g_major"):
                client.job(client.drop("scores", f"{name}.pdf", score(name)))
            wait_for(lambda: len(client.names()) == 2)
            yield client


@pytest.fixture
def page(served, browser):
    """The page, on a desk."""
    browser.resize(1200, 800)
    browser.media(prefers_color_scheme="light")
    browser.open("about:blank")
    browser.open(f"{served.origin}/")
    browser.until(f"{SHOWN}.length >= 2")
    return browser


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


# Listening, to a listener that says what it is made to say.


class ScriptedListener:
    """Goes through the last system of the first page, over to the next page, and gets lost."""

    made: ClassVar[list] = []

    def __init__(self, index, ears, document):
        self.steps, self.rest, self.places = 0, 0, []
        document = document or "bach_invention_1"
        row = index.documents.index(document)
        boxes = {
            (int(place["page"]), int(place["system"])): [int(side) for side in place["box"]]
            for place in index.places[index.rows(row)]
        }
        last = max(system for system in boxes if system[0] == 1)
        self.name, self.systems = document, [(last, boxes[last]), ((2, 1), boxes[2, 1])]
        self.made.append(self)

    def push(self, block):
        self.rest += len(block)
        steps, self.rest = divmod(self.rest, SAMPLE_RATE // 10)
        states = []
        for _ in range(steps):
            self.steps += 1
            states.append(Heard(seconds=self.steps / 10, **self.heard(self.steps / 10)))
        return states

    def heard(self, seconds):
        candidates = [{"name": self.name, "score": 1.0, "also": []}]
        if seconds < 1:
            return {"state": "silent"}
        if seconds < 2:
            return {"state": "listening", "candidates": candidates}
        if 10 <= seconds < 12:
            return {"state": "lost", "document": self.name}
        if 12 <= seconds < 14:
            return {"state": "unknown", "document": None, "candidates": candidates}
        (page, system), box = self.systems[seconds >= 6]
        left, right = box[1], box[3]
        speed = (right - left) / 4
        x = min(right, left + speed * (seconds - (2 if seconds < 6 else 6)))
        place = {"page": page, "system": system, "x": x, "bar": None, "box": box}
        turn = max(0, 6 - seconds) if page == 1 else None
        verdict = {"verdict": "known", "certainty": "likely", "confidence": 0.834}
        return {
            **{"state": "following", "document": self.name, "place": place, **verdict},
            **{"turn_in_seconds": turn, "pixels_per_second": speed, "candidates": candidates},
        }

    def choose(self, document):
        self.chosen = document

    def correct(self, document, page, system, x):
        self.places.append((document, page, system, x))


class Heard:
    """What a listener says."""

    def __init__(self, **fields):
        self.fields = fields

    def to_dict(self):
        return self.fields


@pytest.fixture(scope="module")
def scripted(tmp_path_factory):
    """A server whose listeners are scripted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(librarian, "processors", lambda: 0)
        directory = tmp_path_factory.mktemp("scripted")
        with serving(directory, make_listener=ScriptedListener) as client:
            for name in ("bach_invention_1", "bach_musette"):
                client.job(client.drop("scores", f"{name}.pdf", score(name)))
            wait_for(lambda: len(client.names()) == 2)
            yield client


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


# With the model that ships, in a process of its own.


class App:
    """The command, as a user runs it."""

    def __init__(self, index):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.origin = f"http://127.0.0.1:{self.port}"
        self._flags = [f"--index={index}", f"--port={self.port}", "--nobrowser"]
        self.start()

    def start(self):
        command = [sys.executable, "-m", "tempo_invariant.app", *self._flags]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()  # its address: it is there

    def get(self, path):
        with urllib.request.urlopen(self.origin + path, timeout=60) as answer:
            return answer.read().decode()


@pytest.fixture(scope="module")
def app(tmp_path_factory, browser):
    """The app with its page, on which three scores and a recording of one were dropped."""
    running_app = App(tmp_path_factory.mktemp("library") / "music-index")
    try:
        browser.resize(1200, 800)
        browser.open(f"{running_app.origin}/")
        browser.until("!document.querySelector('#welcome').hidden", 120)
        names = [NAME, "petzold_minuet_g_minor", "bach_musette"]
        drop(browser, {f"{name}.pdf": score(name) for name in names})
        browser.until(f"{SHOWN}.length === 3", 120)
        drop(browser, {"take.ogg": (DIRECTORY / "recording.ogg").read_bytes()})
        browser.until("document.querySelector('#answers a .found')", 120)
        yield running_app
        running_app.process.send_signal(signal.SIGINT)
        assert running_app.process.wait(30) == 0
    finally:
        running_app.process.kill()


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
    browser.until("!document.querySelector('#connection').hidden")
    app.start()
    browser.until(f"/^(Connected again|Opening the model)/.test({NOTICE})", 120)
    browser.until("document.querySelector('#connection').hidden")
    browser.until(f"{STAGE}.dataset.state === 'following' && {HEADLINE} === '{TITLE}'", 120)
    browser.press(ESCAPE)
    browser.until("!document.querySelector('#home').hidden")
    browser.until(f"{SHOWN}.length === 3")
