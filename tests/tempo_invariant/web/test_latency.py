"""The command with the real model, asked in real time: when it answers, what it takes."""

import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from websockets.sync.client import connect

from tempo_invariant.retrieval import embedders, indexing
from tempo_invariant.samples import DIRECTORY
from tests.tempo_invariant.test_app import started
from tests.web_server import SECONDS, Client, wait_for

RATE = 48_000
BLOCK = RATE // 10
PLAYED_SECONDS = 30


class Player:
    """Sends a recording as a microphone would, and notes when which state has come."""

    def __init__(self, client, sound):
        self.sent, self.delays, self.dropped, self.named = {}, [], 0.0, None
        address = f"ws://127.0.0.1:{client.port}/api/listen"
        self._socket = connect(address, origin=client.origin, compression=None)
        self._socket.send(json.dumps({"rate": RATE}))
        self._sound = sound
        self._threads = [threading.Thread(target=each) for each in (self._play, self._hear)]
        for thread in self._threads:
            thread.start()

    def wait(self):
        for thread in self._threads:
            thread.join()
        self._socket.close()

    def _play(self):
        begun = time.monotonic()
        for number in range(1, 10 * PLAYED_SECONDS + 1):
            time.sleep(max(0.0, begun + number / 10 - time.monotonic()))
            self.sent[number] = time.monotonic()
            self._socket.send(self._sound[BLOCK * (number - 1) : BLOCK * number].tobytes())

    def _hear(self):
        """Notes what comes, until nearly the last block has been answered."""
        seconds = 0.0
        while seconds < PLAYED_SECONDS - 0.3:
            message = json.loads(self._socket.recv(SECONDS))
            assert "error" not in message, message
            self.dropped += message.get("behind", 0.0)
            if "state" in message:
                seconds, name = message["seconds"], (message["document"] or {}).get("name")
                self.delays.append(time.monotonic() - self.sent[int(10 * seconds + 0.01)])
                self.named = self.named or (name and (seconds, name))


def processor_seconds(process):
    """Processor time of a process until now."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def memory_mib(process):
    """The most memory that a process has had."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


@pytest.mark.slow
def test_the_page_is_there_at_once_and_follows_one_or_two_who_play(tmp_path):
    index = tmp_path / "music-index"
    model = embedders.open_embedder("pretrained", "best")
    indexing.index_scores(model, DIRECTORY / "scores", index)
    recording, rate = soundfile.read(DIRECTORY / "recording.ogg", dtype="float32")
    sound = soxr.resample(np.tile(recording, 3), rate, RATE)
    sound = (np.clip(sound, -1, 1) * 32767).astype("<i2")
    begun = time.monotonic()
    with started(tmp_path, "--port=0", f"--index={index}") as (process, address):
        client = Client(int(address.rstrip("/").rpartition(":")[2]), None)
        assert client.get("/").startswith(b"<!DOCTYPE html>")
        print(f"\npage after {time.monotonic() - begun:.1f} s", end=", ")
        wait_for(lambda: client.get("/api/library")["loading"] is None)
        print(f"ready after {time.monotonic() - begun:.1f} s, {memory_mib(process):.0f} MiB")
        for count in (1, 2):
            before = processor_seconds(process)
            players = [Player(client, sound) for _ in range(count)]
            for player in players:
                player.wait()
            used = (processor_seconds(process) - before) / PLAYED_SECONDS / count
            for player in players:
                middle, most = np.percentile(player.delays, [50, 95])
                print(f"{count} playing: {middle:.2f} s from a block to its state", end=", ")
                print(f"95 % within {most:.2f}, {player.dropped:.1f} s dropped", end=", ")
                print(f"named after {player.named[0]:.1f} s, {used:.2f} of a core each")
                # What waits is bounded, on a machine that does much else as well.
                assert player.named[1] == "petzold_minuet_g_major" and middle < 5.0
        print(f"at most {memory_mib(process):.0f} MiB")
        assert memory_mib(process) < 2048
