"""Those who play: what is sent, what is told, and what becomes of a connection that breaks."""

import contextlib
import dataclasses
import json
import threading
import time

import numpy as np
import pytest
import soundfile
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tempo_invariant.errors import UserError
from tempo_invariant.geometry import SAMPLE_RATE
from tempo_invariant.retrieval import indexing
from tempo_invariant.web.limits import Limits
from tests import fake_embedder
from tests.fake_embedder import FakeEmbedder
from tests.web_server import SECONDS, serving, wait_for


class State:
    """What a listener says."""

    def __init__(self, **fields):
        self._fields = fields

    def to_dict(self):
        return self._fields


class LoudnessListener:
    """Says how loud every 0.1 s was, and names the score that was chosen."""

    made = []

    def __init__(self, index, ears, document):
        self.index, self.ears, self.document = index, ears, document
        self.rest, self.steps, self.places = np.zeros(0, np.float32), 0, []
        self.may = threading.Event()
        self.may.set()
        self.made.append(self)

    def push(self, block):
        assert self.may.wait(SECONDS)
        self.rest = np.concatenate([self.rest, block])
        states, step = [], SAMPLE_RATE // 10
        while len(self.rest) >= step:
            level, self.rest = float(np.abs(self.rest[:step]).max()), self.rest[step:]
            self.steps += 1
            candidates = [{"name": name, "score": 1.0, "also": []} for name in self.index.documents]
            said = {"document": self.document, "candidates": candidates, "level": level}
            states.append(State(seconds=self.steps / 10, state="listening", **said))
        return states

    def choose(self, document):
        self.document = document

    def correct(self, document, page, system, x):
        if system > 3:
            raise UserError(f"{document}: has no system {system} on page {page}")
        self.places.append((document, page, system, x))


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    directory = tmp_path_factory.mktemp("library")
    fake_embedder.write_score(directory, "waltz", np.arange(0, 250.0, 10))
    fake_embedder.write_score(directory, "march", np.arange(250, 0, -10.0))
    indexing.index_scores(FakeEmbedder(), directory / "msmd", directory / "music-index", 25)
    return directory


@contextlib.contextmanager
def listening(library, limits=None, **more):
    LoudnessListener.made = []
    with serving(library, limits, make_listener=LoudnessListener, **more) as client:
        client.ids = wait_for(
            lambda: {each["name"]: each["id"] for each in client.get("/api/library")["scores"]}
        )
        wait_for(lambda: client.get("/api/library")["loading"] is None)
        yield client


class Player:
    """One who plays, as the page does it."""

    def __init__(self, client, query="", rate=SAMPLE_RATE, **options):
        options.setdefault("origin", client.origin)
        address = f"ws://127.0.0.1:{client.port}/api/listen{query}"
        self.socket = connect(address, open_timeout=SECONDS, compression=None, **options)
        if rate is not None:
            self.say(rate=rate)
            self.begun = self.hear()

    def say(self, **message):
        self.socket.send(json.dumps(message))

    def hear(self):
        return json.loads(self.socket.recv(SECONDS))

    def play(self, seconds, level=0.5, rate=SAMPLE_RATE):
        samples = np.full(round(seconds * rate), level * 32768, "<i2")
        self.socket.send(samples.tobytes())

    def until(self, **wanted):
        """The first message that has some values."""
        while True:
            message = self.hear()
            if wanted.items() <= message.items():
                return message

    def close(self):
        self.socket.close()

    def closed(self):
        """The code with which the server closes, and what it said last."""
        message = None
        with pytest.raises(ConnectionClosed) as caught:
            while True:
                message = self.hear()
        return caught.value.rcvd.code, message


def test_what_is_played_is_heard_and_told(library):
    with listening(library) as client:
        player = Player(client, f"?document={client.ids['waltz']}", rate=44_100)
        assert player.begun["resumed"] is False and player.begun["seconds"] == 0
        for _ in range(5):
            player.play(0.25, 0.5, 44_100)
        state = player.until(seconds=1.0)
        assert state["document"] == {"id": client.ids["waltz"], "name": "waltz"}
        assert state["level"] == pytest.approx(0.5, abs=0.01) and state["state"] == "listening"
        assert {each["name"]: each["id"] for each in state["candidates"]} == client.ids
        assert client.get("/api/library")["listening"] == 1
        player.say(choose=client.ids["march"])
        player.play(0.2, rate=44_100)
        wait_for(lambda: player.hear()["document"]["name"] == "march")
        player.say(correct={"document": client.ids["march"], "page": 1, "system": 2, "x": 300})
        player.say(correct={"document": client.ids["march"], "page": 1, "system": 4, "x": 300})
        assert player.until(refused="march: has no system 4 on page 1")
        [listener] = LoudnessListener.made
        assert listener.places == [("march", 1, 2, 300.0)]
        player.say(stop=True)
        assert player.closed()[0] == 1000
        wait_for(lambda: client.get("/api/library")["listening"] == 0)


def test_another_library_is_listened_for_at_the_same_time(library):
    """A new listener counts from its own start, and states from that of the session."""
    with listening(library) as client:
        player = Player(client)
        player.play(0.5)
        player.until(seconds=0.5)
        [listener] = LoudnessListener.made
        [session] = client.desk.sessions._sessions.values()
        listener.may.clear()
        player.play(0.3)
        wait_for(lambda: session.seconds > 0.79 and not session._waiting)
        player.play(0.2)
        player.say(choose=client.ids["march"])
        wait_for(lambda: session._orders)
        holdings = client.desk.holdings
        holdings.state = dataclasses.replace(holdings.state, version=holdings.state.version + 1)
        listener.may.set()
        assert player.until(seconds=1.0)["document"]["name"] == "march"
        assert [each.steps for each in LoudnessListener.made] == [8, 2]


def test_a_score_that_was_removed_meanwhile_is_told_and_the_listener_goes_on(library):
    with listening(library) as client:
        player = Player(client)
        player.play(0.5)
        player.until(seconds=0.5)
        holdings = client.desk.holdings
        holdings.state = dataclasses.replace(holdings.state, version=holdings.state.version + 1)
        player.say(choose="removed")
        player.until(refused="no such score; the library has changed")
        player.play(0.3)
        assert [player.hear()["seconds"] for _ in range(3)] == [0.6, 0.7, 0.8]
        player.say(choose=client.ids["march"])
        player.play(0.1)
        assert player.until(seconds=0.9)["document"]["name"] == "march"
        assert [each.steps for each in LoudnessListener.made] == [8, 1]


def test_a_connection_that_breaks_is_taken_up_again(library):
    with listening(library) as client:
        first = Player(client)
        first.play(0.5)
        first.until(seconds=0.5)
        first.socket.socket.close()  # without a word
        query = f"?session={first.begun['session']}"
        second = Player(client, query, rate=48_000)
        assert second.begun == {"session": first.begun["session"], "resumed": True, "seconds": 0.5}
        second.play(0.6, rate=48_000)
        assert second.until(seconds=1.0)
        third = Player(client, query)  # it takes the session from the second
        assert third.begun["resumed"]
        second.play(0.1, rate=48_000)
        assert second.closed()[0] == 1000
        third.play(0.5)
        assert third.until(seconds=1.5)
        assert len(LoudnessListener.made) == 1
        assert Player(client, "?session=unknown").begun["resumed"] is False


def test_a_session_is_not_kept_for_ever(library):
    with listening(library, Limits(resume_seconds=0.1)) as client:
        player = Player(client)
        player.close()
        wait_for(lambda: client.get("/api/library")["listening"] == 0)
        again = Player(client, f"?session={player.begun['session']}")
        assert again.begun["resumed"] is False


def test_so_many_may_play_and_one_who_has_left_makes_room(library):
    with listening(library, Limits(listeners=2)) as client:
        first, _second = Player(client), Player(client)
        third = Player(client, rate=None)
        third.say(rate=48_000)
        code, message = third.closed()
        assert code == 1013 and message["error"].startswith("2 are playing already")
        first.close()
        fourth = wait_for(lambda: admitted(client))
        fourth.play(0.2)
        assert fourth.until(seconds=0.2)


def admitted(client):
    """A new player, if there is room."""
    player = Player(client)
    return player if "session" in player.begun else None


def test_a_slow_machine_drops_the_oldest_and_says_so(library):
    with listening(library, Limits(behind_seconds=1.0)) as client:
        player = Player(client)
        player.play(0.1)
        player.until(seconds=0.1)
        [listener] = LoudnessListener.made
        listener.may.clear()
        player.play(0.1)  # this one is being heard, for long
        [session] = client.desk.sessions._sessions.values()
        wait_for(lambda: session.seconds > 0.19 and not session._waiting)
        for number in range(12):
            player.play(0.1, level=number / 20)
        wait_for(lambda: session.seconds > 1.39)
        assert session._waiting <= SAMPLE_RATE
        listener.may.set()
        behind = wait_for(lambda: player.hear().get("behind"))
        assert 0.5 <= behind <= 1.0
        last = player.until(seconds=1.4)
        assert last["level"] == pytest.approx(11 / 20, abs=1e-3)
        assert listener.steps == pytest.approx(14 - 10 * behind)


def test_a_client_that_does_not_read_gets_the_newest(library):
    with listening(library, Limits(stall_seconds=1.0)) as client:
        player = Player(client, max_queue=1)
        deadline = time.monotonic() + SECONDS
        with pytest.raises(ConnectionClosed):
            while time.monotonic() < deadline:
                player.play(2.0)
                time.sleep(0.001)
        [session] = client.desk.sessions._sessions.values()
        assert len(session._messages) <= 20 and session._waiting <= 3 * SAMPLE_RATE
        wait_for(lambda: session.left is not None)


def test_a_long_message_is_heard_piece_by_piece(client):
    player = Player(client, rate=8_000)
    player.play(0.2, 0.1, 8_000)
    player.until(seconds=0.1)
    listener, lengths = LoudnessListener.made[-1], []
    push = listener.push
    listener.push = lambda block: lengths.append(len(block)) or push(block)
    player.play(2.4, 0.1, 8_000)
    player.until(seconds=2.5)
    assert max(lengths) < 2 * SAMPLE_RATE < sum(lengths)


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        ([b"1234"], "the first message must be JSON"),
        (["{}"], "the first message must be JSON"),
        (["[1]"], "a message must be a JSON object"),
        (["{"], "a message is no JSON"),
        (["[" * 100_000], "a message is no JSON"),
        (['{"rate": 1e99}'], "the rate must be"),
        (['{"rate": 48000}', b"123"], "middle of a sample"),
        (['{"rate": 48000}', '{"choose": 3}'], "choose: must be"),
        (['{"rate": 48000}', '{"correct": 3}'], "correct: needs"),
        (['{"rate": 48000}', '{"correct": {"document": "a", "page": 1.5, "system": 1, "x": 1}}'],
         "correct: page and system"),
        (['{"rate": 48000}', '{"correct": {"document": "a", "page": 1, "system": 1, "x": NaN}}'],
         "correct: x is no column"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_ends_the_connection_with_a_line(client, messages, error):
    player = Player(client, rate=None)
    for message in messages:
        player.socket.send(message)
    code, last = player.closed()
    assert code == 1008 and error in last["error"]


@pytest.fixture(scope="module")
def client(library):
    with listening(library) as client:
        yield client


def test_a_score_that_is_not_there_is_told(client):
    player = Player(client, "?document=nonsense")
    code, last = player.closed()
    assert code == 1011 and "no such score" in last["error"]
    player = Player(client)
    player.say(choose="nonsense")
    assert player.until(refused="no such score; the library has changed")


def test_a_message_that_is_too_long_ends_the_connection(client):
    player = Player(client)
    player.socket.send(bytes(2**20))
    assert player.closed()[0] == 1009


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "http://127.0.0.1:1"])
def test_pages_of_others_cannot_listen(client, origin):
    with pytest.raises(InvalidStatus) as caught:
        Player(client, origin=origin)
    assert caught.value.response.status_code == 403


def test_without_a_library_there_is_nothing_to_listen_for(tmp_path):
    with serving(tmp_path, make_listener=LoudnessListener) as client:
        assert Player(client).closed() == (1011, {"error": "the library holds no score yet"})


def test_what_was_heard_is_kept_only_where_that_is_wanted(library, tmp_path):
    record = tmp_path / "heard"
    with listening(library, record=record) as client:
        player = Player(client)
        player.play(0.5, 0.25)
        player.until(seconds=0.5)
        player.say(stop=True)
        player.closed()
    [path] = record.iterdir()
    samples, rate = soundfile.read(path)
    assert rate == SAMPLE_RATE and path.suffix == ".flac"
    np.testing.assert_allclose(samples, np.full(SAMPLE_RATE // 2, 0.25), atol=1e-4)
    before = {path for path in library.rglob("*") if path.is_file()}
    with listening(library) as client:
        player = Player(client)
        player.play(0.5)
        player.until(seconds=0.5)
        assert {path for path in library.rglob("*") if path.is_file()} == before
