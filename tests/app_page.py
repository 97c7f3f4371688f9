"""The page in a browser: what a test does there, what it sees, and the servers behind it."""

import base64
import socket
import subprocess
import sys
import urllib.request
from typing import ClassVar

from tempo_invariant.geometry import SAMPLE_RATE
from tempo_invariant.samples import DIRECTORY

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
