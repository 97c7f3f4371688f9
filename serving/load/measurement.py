"""What a server does under load and abuse: every answer checked, times and memory measured."""

import concurrent.futures
import dataclasses
import functools
import io
import os
import struct
import time
import wave
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
import tqdm
from tensorflow_serving.apis import predict_pb2

from tempo_invariant import progress
from tempo_invariant.errors import UserError
from tempo_invariant.geometry import FRAMES_PER_SECOND, SAMPLE_RATE, SNIPPET_HEIGHT, SNIPPET_WIDTH
from tempo_invariant.retrieval.client import EmbeddingClient

TOLERANCE = 1e-4
"""By how much an embedding may differ from that of the same input sent alone."""

PERCENTILES = (50, 90, 99)
UNANSWERED = ("UNAVAILABLE", "DEADLINE_EXCEEDED")
"""Codes that a client makes up itself when a server does not answer."""

_MESSAGE = "/tensorflow.serving.PredictionService/Predict"


@dataclasses.dataclass(frozen=True)
class Load:
    """How much is asked of a server.

    Attributes:
        server: HOST:PORT of the server.
        model_name: The model's name there.
        clients: Number of clients that ask at the same time, each over a connection of its own.
        requests: Number of requests of all of them together.
        inputs: Number of different recordings, and of snippets; half of the requests about each.
        bad_requests: Number of malformed requests, sent beside the others.
        seconds: Time after which no further request is sent, in seconds.
        process: Number of the server's process, to read its memory; None: not read.
        seed: Seed for inputs and their order.
    """

    server: str
    model_name: str = "tempo_invariant"
    clients: int = 64
    requests: int = 2_000
    inputs: int = 16
    bad_requests: int = 200
    seconds: float = 300.0
    process: int | None = None
    seed: int = 0


class _Questions:
    """Inputs and the answer to each, got when nobody else asks.

    Args:
        client: A connection.
        load: The load, which says how many of which kind.
    """

    def __init__(self, client: EmbeddingClient, load: Load):
        generator = np.random.default_rng(load.seed)
        samples = client.model.frames * SAMPLE_RATE // FRAMES_PER_SECOND
        self.pcm = generator.normal(0, 0.1, (load.inputs, 1, samples)).astype(np.float32)
        shape = (load.inputs, SNIPPET_HEIGHT, SNIPPET_WIDTH)
        self.images = generator.integers(0, 256, shape, np.uint8)
        self.order = generator.integers(0, 2 * load.inputs, load.requests)
        self.expected = [self.ask(client, number) for number in range(2 * load.inputs)]

    def ask(self, client: EmbeddingClient, number: int) -> np.ndarray:
        """Returns the embedding of an input: recordings first, then snippets."""
        count = len(self.pcm)
        if number < count:
            return client.embed_audio(self.pcm[number])["embedding"][0]
        return next(client.embed_sheets([self.images[number - count]]))


def measure(load: Load) -> dict[str, Any]:
    """Asks from many clients at once, with malformed requests among theirs.

    Returns:
        `answered`, `wrong` (differ from the answer to the same input alone), `lost` (no answer,
        counted by what was said), `unsent` (time was up), `requests_per_second`,
        `milliseconds` by percentile, `bad` (status codes of the malformed ones, counted), and
        `memory_mib` of the server's process at the start and after each quarter.

    Raises:
        UserError: Nobody answers, or the process is not there.
    """
    memory = [_memory_mib(load.process)]
    with EmbeddingClient(load.server, load.model_name) as client:
        questions = _Questions(client, load)
    end = time.monotonic() + load.seconds
    quarters = np.array_split(np.arange(load.requests), 4)
    abuse = np.array_split(np.arange(load.bad_requests), 4)
    results: list[tuple[str, float]] = []
    codes: Counter[str] = Counter()
    begun = time.monotonic()
    with progress.track(text="requests", total=load.requests) as bar:
        for quarter, bad in zip(quarters, abuse, strict=True):
            with concurrent.futures.ThreadPoolExecutor(load.clients + 1) as pool:
                offender = pool.submit(_misbehave, load, bad, end)
                shares = [quarter[first :: load.clients] for first in range(load.clients)]
                asked = [pool.submit(_ask, load, questions, s, end, bar) for s in shares]
                for future in asked:
                    results += future.result()
                codes += offender.result()
            memory.append(_memory_mib(load.process))
    seconds = time.monotonic() - begun
    outcomes = Counter(outcome for outcome, _ in results)
    times = [1000 * duration for outcome, duration in results if outcome == "answered"]
    lost = {key: n for key, n in outcomes.items() if key not in ("answered", "wrong", "unsent")}
    return dataclasses.asdict(load) | {
        "answered": outcomes["answered"],
        "wrong": outcomes["wrong"],
        "unsent": outcomes["unsent"],
        "lost": lost,
        "requests_per_second": round(len(times) / seconds, 1),
        "milliseconds": {
            str(p): round(float(np.percentile(times, p)), 1) for p in PERCENTILES if times
        },
        "bad": dict(codes),
        "memory_mib": [value for value in memory if value is not None],
    }


def _ask(
    load: Load, questions: _Questions, share: np.ndarray, end: float, bar: tqdm.tqdm
) -> list[tuple[str, float]]:
    """One client's requests, one after the other: outcome and seconds of each."""
    results = []
    with EmbeddingClient(load.server, load.model_name, wait_seconds=load.seconds) as client:
        for index in share:
            number = questions.order[index]
            begun = time.monotonic()
            if begun > end:
                results.append(("unsent", 0.0))
                continue
            try:
                found = questions.ask(client, number)
                right = np.abs(found - questions.expected[number]).max() <= TOLERANCE
                outcome = "answered" if right else "wrong"
            except UserError as error:
                outcome = str(error)
            results.append((outcome, time.monotonic() - begun))
            bar.update()
    return results


def _misbehave(load: Load, numbers: np.ndarray, end: float) -> Counter[str]:
    """Sends malformed requests, one after the other, and counts the codes of the answers."""
    codes: Counter[str] = Counter()
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(load.server, options) as channel:
        send = channel.unary_unary(_MESSAGE)
        for number in numbers:
            if time.monotonic() > end:
                break
            generator = np.random.default_rng([load.seed, number])
            try:
                send(bad_message(generator, load.model_name), timeout=60)
                codes["OK"] += 1
            except grpc.RpcError as error:
                codes[error.code().name] += 1
    return codes


def bad_message(generator: np.random.Generator, model_name: str) -> bytes:
    """Makes a message to `Predict` that no client should send; which one is drawn.

    A random tensor or wrong bytes may happen to be valid; the others are not.

    Wrong shapes and types, numbers that are not finite, huge declared sizes, batches beyond any
    limit, sound files that are cut off, empty or bombs of zeros, and messages with wrong bytes.
    """
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model_name
    kind = generator.integers(8)
    if kind == 0:
        shape = generator.integers(0, 5, generator.integers(0, 5))
        dtype = np.dtype(generator.choice(["float32", "float64", "int64", "uint8", "bool"]).item())
        signature = generator.choice(["embed_audio", "embed_sheet", "embed_audio_file", "other"])
        _fill(request, signature, generator.choice(["pcm", "image"]), np.zeros(shape, dtype))
    elif kind == 1:
        value = generator.choice([np.nan, np.inf, -np.inf])
        _fill(request, "embed_audio", "pcm", np.full([1, 1000], value, np.float32))
    elif kind == 2:  # a tensor of a few bytes that declares 10 gigabytes
        _fill(request, "embed_audio", "pcm", np.zeros([1, 1], np.float32))
        for dimension in request.inputs["pcm"].tensor_shape.dim:
            dimension.size = 50_000
    elif kind == 3:
        _fill(request, "embed_audio", "pcm", np.zeros([100_000, 1], np.float32))
    elif kind == 4:
        whole = _wav(generator)
        _fill(request, "embed_audio_file", "wav", [whole[: generator.integers(len(whole) - 1)]])
    elif kind == 5:
        _fill(request, "embed_audio_file", "wav", [generator.bytes(generator.integers(0, 200))])
    elif kind == 6:
        _fill(request, "embed_audio_file", "wav", [_png_bomb()])
    else:
        _fill(request, "embed_audio", "pcm", np.zeros([1, 1000], np.float32))
        message = bytearray(request.SerializeToString())
        for place in generator.integers(0, 60, 8):
            message[place] = generator.integers(256)
        return bytes(message)
    return request.SerializeToString()


def _fill(request: predict_pb2.PredictRequest, signature: str, name: str, value: Any) -> None:
    request.model_spec.signature_name = signature
    request.inputs[name].CopyFrom(tf.make_tensor_proto(value))


def _wav(generator: np.random.Generator) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SAMPLE_RATE)
        sound.writeframes(generator.bytes(2000))
    return file.getvalue()


@functools.cache
def _png_bomb() -> bytes:
    """A picture of 30,000 x 30,000 white pixels in less than a megabyte."""
    side = 30_000

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    packer = zlib.compressobj(9)
    row = b"\0" + b"\xff" * side
    pixels = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels)


def _memory_mib(process: int | None) -> float | None:
    if process is None:
        return None
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, ValueError) as error:
        raise UserError(f"process {process} is not there, or its memory cannot be read") from error
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


def table(report: dict[str, Any]) -> str:
    """Returns the measurements as text."""
    times = ", ".join(f"{p} %: {value:g} ms" for p, value in report["milliseconds"].items())
    bad = ", ".join(f"{code} {count}" for code, count in sorted(report["bad"].items()))
    lines = [
        f"{report['requests']:,} requests of {report['clients']} clients at {report['server']}: "
        f"{report['answered']:,} answered, {report['wrong']} wrong, "
        f"{sum(report['lost'].values())} lost, {report['unsent']} not sent in time",
        f"{report['requests_per_second']:g} requests/s; answered within: {times}",
        f"malformed requests: {bad}",
    ]
    lines += [f"lost: {reason} ({count})" for reason, count in report["lost"].items()]
    if report["memory_mib"]:
        memory = ", ".join(f"{value:,.0f}" for value in report["memory_mib"])
        lines.append(f"memory of the server at the start and after each quarter: {memory} MiB")
    return "\n".join(lines)
