"""A browser, and servers of the page with and without a model that needs loading."""

import signal

import pytest
import soundfile

from tempo_invariant.samples import DIRECTORY
from tempo_invariant.web import librarian
from tests.app_page import NAME, OPEN_SOCKETS, SHOWN, App, ScriptedListener, drop, score
from tests.browser import running
from tests.web_server import serving, wait_for


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
