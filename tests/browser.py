"""Chromium, driven by chromedriver over WebDriver; for tests of pages in a real browser."""

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

needs_browser = pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("chromedriver")),
    reason="needs chromium and chromium-driver",
)

FLAGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --mute-audio"
FLAGS += " --disable-background-networking --disable-component-update --disable-sync"
FLAGS += " --autoplay-policy=no-user-gesture-required"

ENTER, ESCAPE, TAB, SHIFT = "\ue007", "\ue00c", "\ue004", "\ue008"
LEFT, UP, RIGHT, DOWN, HOME = "\ue012", "\ue013", "\ue014", "\ue015", "\ue011"


class Browser:
    """Speaks WebDriver with chromedriver.

    Args:
        port: Port of chromedriver.
        profile: Directory of the browser's profile.
        flags: Flags of the browser besides the usual ones.
    """

    def __init__(self, port: int, profile: Path, flags: tuple[str, ...] = ()):
        self._url = f"http://127.0.0.1:{port}/session"
        options = {"args": [*FLAGS.split(), *flags, f"--user-data-dir={profile}"]}
        capabilities = {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}
        created = self.post("", capabilities=capabilities)
        self.process = int(created["capabilities"]["goog:processID"])
        self._url += f"/{created['sessionId']}"

    def post(self, path, **content):
        return self._ask("POST", path, json.dumps(content).encode())

    def get(self, path):
        return self._ask("GET", path)

    def delete(self, path):
        return self._ask("DELETE", path)

    def _ask(self, method, path, content=None):
        request = urllib.request.Request(self._url + path, content, method=method)
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)["value"]

    def open(self, url):
        self.post("/url", url=url)

    def run(self, script, *values):
        return self.post("/execute/sync", script=script, args=values)

    def until(self, script, seconds=20):
        """Waits until an expression is true, and returns its value."""
        end = time.monotonic() + seconds
        while not (value := self.run(f"return {script}")):
            assert time.monotonic() < end, script
            time.sleep(0.05)
        return value

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0]).innerText", selector)

    def devtools(self, command, **parameters):
        return self.post("/goog/cdp/execute", cmd=command, params=parameters)

    def resize(self, width, height, mobile=False, scale=1):
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            **{"width": width, "height": height, "deviceScaleFactor": scale, "mobile": mobile},
        )

    def media(self, **features):
        """Sets media features: `prefers_color_scheme="dark"`."""
        listed = [
            {"name": name.replace("_", "-"), "value": value} for name, value in features.items()
        ]
        self.devtools("Emulation.setEmulatedMedia", features=listed)

    def press(self, *keys):
        """Presses keys one after the other."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.post("/actions", actions=[{"type": "key", "id": "keys", "actions": actions}])

    def click(self, x, y):
        moves = [{"type": "pointerMove", "x": round(x), "y": round(y)}]
        moves += [{"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp")]
        self.post("/actions", actions=[{"type": "pointer", "id": "mouse", "actions": moves}])

    def click_on(self, selector):
        """Clicks on the middle of an element, scrolled into view."""
        x, y = self.run(
            "const e = document.querySelector(arguments[0]); e.scrollIntoView({block: 'center'});"
            "const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]",
            selector,
        )
        self.click(x, y)

    def screenshot(self, path):
        shot = self.devtools("Page.captureScreenshot", format="png")
        Path(path).write_bytes(base64.b64decode(shot["data"]))


@contextlib.contextmanager
def running(profile: Path, *flags: str) -> Iterator[Browser]:
    """Starts a browser, and ends it with its driver, even if a page of it hangs."""
    driver = subprocess.Popen(
        ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    browser = None
    try:
        assert driver.stdout is not None
        line = next(line for line in driver.stdout if "started successfully on port" in line)
        browser = Browser(int(line.rstrip(".\n").rpartition(" ")[2]), profile, flags)
        yield browser
    finally:
        if browser is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(browser.process, signal.SIGKILL)
        driver.terminate()
        driver.wait(20)
