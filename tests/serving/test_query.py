"""Queries against a real gRPC server around a tiny model whose similarities are known."""

import dataclasses
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from serving.hosting.server import ModelServer, ServerConfig
from serving.querying import picture, search
from tempo_invariant.errors import UserError
from tempo_invariant.geometry import SAMPLE_RATE, frame_start
from tempo_invariant.retrieval.client import EmbeddingClient
from tests import tiny_saved_model

NAME = "tiny"
LEVEL = 0.5


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Embeds audio as [mean, 0.25] and a snippet as [mean / 255, 0.25]."""
    base_path = tmp_path_factory.mktemp("model")
    tiny_saved_model.save(base_path, 1, shift=0.25)
    server = ModelServer(ServerConfig(str(base_path), NAME, port=0))
    server.start()
    yield f"localhost:{server.port}"
    server.stop()


@pytest.fixture
def recording(tmp_path) -> Path:
    """Two seconds of a constant, so that its mean is known everywhere."""
    path = tmp_path / "constant.wav"
    soundfile.write(path, np.full(2 * SAMPLE_RATE, LEVEL), SAMPLE_RATE, "FLOAT")
    return path


@pytest.fixture
def sheets(tmp_path) -> Path:
    directory = tmp_path / "sheets"
    directory.mkdir()
    greys = {
        "Minuet_in_G_p1_s2_x345": 102,
        "Prelude_p2_s1_x80": 255,
        "loose": 51,
    }
    for name, grey in greys.items():
        Image.new("L", (200, 160), grey).save(directory / f"{name}.png")
    return directory


def ask(server: str, recording: Path, sheets: Path, name: str = NAME) -> search.QueryAnswer:
    with EmbeddingClient(server, name) as client:
        return search.query(client, recording, sheets)


def run_command(*arguments: str) -> subprocess.CompletedProcess:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TF_")}
    return subprocess.run(
        [sys.executable, "-m", "serving.query", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        cwd=Path(__file__).parents[2],
    )


def test_a_client_waits_for_a_server_that_is_starting(server, tmp_path):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    tiny_saved_model.save(tmp_path, 3)
    late = ModelServer(ServerConfig(str(tmp_path), NAME, port=port))
    starting = threading.Timer(1.0, late.start)
    starting.start()
    try:
        with EmbeddingClient(f"localhost:{port}", NAME, wait_seconds=60) as client:
            assert client.model.version == 3
    finally:
        starting.join()
        late.stop()


def test_snippets_are_ranked_by_similarity_and_placed_by_their_names(server, recording, sheets):
    answer = ask(server, recording, sheets)
    similarities = [match.similarity for match in answer.matches]
    # 0.5 * grey / 255 + 0.25 ** 2
    np.testing.assert_allclose(similarities, [0.5625, 0.2625, 0.1625], atol=1e-5)
    assert [match.place for match in answer.matches] == [
        ("Prelude", "2", "1", "80"),
        ("Minuet_in_G", "1", "2", "345"),
        ("loose", "-", "-", "-"),
    ]
    assert answer.excerpt.centre_seconds == 1.0 and answer.version == 1
    assert answer.heading("a\n.wav").startswith(r"a\n.wav around ")
    one = dataclasses.replace(answer, matches=answer.matches[:1])
    assert ", 1 snippet, model version " in one.heading("a.wav")
    lines = search.table(answer.matches[:2]).splitlines()
    assert lines[1].split() == ["1", "0.562", "Prelude", "2", "1", "80"]
    assert lines[2].split() == ["2", "0.263", "Minuet_in_G", "1", "2", "345"]


def test_more_snippets_than_a_request_holds_keep_their_order(server):
    images = [np.full([160, 200], grey, np.uint8) for grey in range(150)]
    with EmbeddingClient(server, NAME) as client:
        embeddings = np.stack(list(client.embed_sheets(images)))
    np.testing.assert_allclose(embeddings[:, 0], np.arange(150) / 255, atol=1e-6)


@pytest.mark.parametrize(("rate", "at"), [(22050, None), (44100, 0.1), (48000, 3.9), (8000, 2.0)])
def test_the_excerpt_has_its_time_in_the_middle_frame(tmp_path, rate, at):
    # One click at the time asked for: it must come where the middle frame, 21 of 42, begins.
    centre = 2.0 if at is None else at
    pcm = np.zeros([4 * rate, 2])
    pcm[round(centre * rate)] = 0.9
    path = tmp_path / "click.flac"
    soundfile.write(path, pcm, rate)
    excerpt = search.read_excerpt(path, 42, at)
    assert excerpt.pcm.shape == (frame_start(41) + 2048,)
    assert abs(int(np.argmax(np.abs(excerpt.pcm))) - frame_start(21)) <= 3
    assert excerpt.centre_seconds == centre


def test_a_recording_shorter_than_the_window_is_padded(tmp_path):
    path = tmp_path / "short.wav"
    soundfile.write(path, np.full(4410, LEVEL), SAMPLE_RATE, "FLOAT")  # 4 frames
    excerpt = search.read_excerpt(path, 84)
    sounding = np.flatnonzero(excerpt.pcm)
    # Frame 2 of 4 is in the middle, so that the recording begins 40 frames into the window.
    assert sounding[0] == frame_start(40) and len(sounding) == 4410


def write_bad_recordings(directory: Path) -> dict[str, Path]:
    paths = {name: directory / f"{name}.wav" for name in ("empty", "noise", "silent", "header")}
    paths["empty"].write_bytes(b"")
    paths["noise"].write_bytes(np.random.default_rng(0).bytes(5000))
    soundfile.write(paths["silent"], np.zeros(SAMPLE_RATE), SAMPLE_RATE)
    soundfile.write(paths["header"], np.zeros(0), SAMPLE_RATE)
    return paths | {"missing": directory / "missing.wav"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("empty", "is an empty file"),
        ("noise", "not a readable audio file"),
        ("silent", "nothing but silence around 0.50 s"),
        ("header", "holds no audio samples"),
        ("missing", "no such audio file"),
    ],
)
def test_recordings_that_cannot_be_used_are_named(tmp_path, name, message):
    path = write_bad_recordings(tmp_path)[name]
    with pytest.raises(UserError, match=message) as raised:
        search.read_excerpt(path, 42)
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)


def test_a_time_outside_of_the_recording_is_refused(recording):
    for at in (-0.5, 2.5, float("nan")):
        with pytest.raises(UserError, match="which lasts 2.0 s"):
            search.read_excerpt(recording, 42, at)


def test_images_that_cannot_be_used_are_reported_and_the_rest_is_ranked(
    server, recording, sheets, caplog
):
    (sheets / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n but not really")
    whole = (sheets / "loose.png").read_bytes()
    (sheets / "cut.png").write_bytes(whole[: len(whole) // 2])
    Image.new("L", (100, 80)).save(sheets / "small.png")
    answer = ask(server, recording, sheets)
    assert len(answer.matches) == 3
    skipped = [record.getMessage() for record in caplog.records]
    assert len(skipped) == 3
    assert any("broken.png: not a readable image" in line for line in skipped)
    assert any("cut.png: not a readable image" in line for line in skipped)
    assert any("small.png: is (100, 80) pixels" in line for line in skipped)


def test_what_is_no_file_is_skipped_without_waiting_for_it(server, recording, sheets, caplog):
    os.mkfifo(sheets / "pipe.png")
    (sheets / "folder.png").mkdir()
    (sheets / "lost.png").symlink_to("nowhere")
    assert len(ask(server, recording, sheets).matches) == 3
    assert sum("not a file" in record.getMessage() for record in caplog.records) == 3


def test_images_of_other_formats_are_not_opened(tmp_path):
    path = tmp_path / "page.png"  # Pillow would hand PostScript to Ghostscript
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 200 160\nshowpage\n")
    with pytest.raises(UserError, match="page.png: not a readable image"):
        search.read_snippet(path)


def test_names_that_are_not_text_are_printed_as_escapes():
    path = Path(os.fsdecode(b"a\xff\x1b_p1_s2_x3.png"))
    (_, line) = search.table([search.Match(path, 0.5)]).splitlines()
    assert line.isprintable() and line.split()[2:] == [r"a\xff\x1b", "1", "2", "3"]


def test_without_one_usable_image_there_is_no_answer(server, recording, tmp_path):
    directory = tmp_path / "bad"
    directory.mkdir()
    with pytest.raises(UserError, match="no PNG files"):
        ask(server, recording, directory)
    (directory / "a.png").write_bytes(b"no image")
    with pytest.raises(UserError, match="none of 1 images in .*bad can be used"):
        ask(server, recording, directory)
    with pytest.raises(UserError, match="no such directory"):
        ask(server, recording, tmp_path / "nowhere")


def test_a_wrong_model_and_a_wrong_server_are_told_apart(server, recording, sheets):
    with pytest.raises(UserError, match="has no model 'other'"):
        ask(server, recording, sheets, "other")
    with pytest.raises(UserError, match="no server answers at localhost:1 "):
        ask("localhost:1", recording, sheets)
    for address, name in (("\udcff", NAME), (server, "\udcff")):
        with pytest.raises(UserError, match="names must be text in UTF-8"):
            ask(address, recording, sheets, name)


def test_a_model_of_another_kind_is_refused(tmp_path):
    import tensorflow as tf

    module = tf.Module()
    function = tf.function(lambda pcm: {"out": pcm}, [tf.TensorSpec([None], name="pcm")])
    tf.saved_model.save(module, str(tmp_path / "1"), signatures={"embed_audio": function})
    server = ModelServer(ServerConfig(str(tmp_path), NAME, port=0))
    server.start()
    with pytest.raises(UserError, match="not an export of this project: it has no signature"):
        EmbeddingClient(f"localhost:{server.port}", NAME)
    server.stop()


def test_a_version_that_is_replaced_meanwhile_is_not_mixed_with_the_new_one(tmp_path):
    directory = tiny_saved_model.save(tmp_path, 1)
    server = ModelServer(ServerConfig(str(tmp_path), NAME, port=0, poll_seconds=60))
    server.start()
    with EmbeddingClient(f"localhost:{server.port}", NAME) as client:
        tiny_saved_model.save(tmp_path, 2)
        server.store.refresh()
        with pytest.raises(UserError, match="has replaced version 1 of 'tiny'"):
            client.embed_audio(np.zeros([1, 100]))
    assert directory.exists()
    server.stop()


def test_the_picture_shows_the_snippets_it_is_given(server, recording, sheets, tmp_path):
    answer = ask(server, recording, sheets)
    path = tmp_path / "pictures" / "answer.png"
    picture.draw(answer, answer.matches[:1], path)
    white = np.asarray(Image.open(path).convert("L"))
    picture.draw(answer, answer.matches[1:2], path)  # a snippet that is grey all over
    grey = np.asarray(Image.open(path).convert("L"))
    assert np.sum(grey == 102) > np.sum(white == 102) + 10_000


def test_the_command_prints_and_draws_the_ranking(server, recording, sheets, tmp_path):
    flags = [f"--server={server}", f"--model_name={NAME}", f"--sheets={sheets}", "--top=2"]
    finished = run_command(*flags, f"--audio={recording}", f"--picture={tmp_path / 'a.png'}")
    assert finished.returncode == 0, finished.stderr
    lines = finished.stdout.splitlines()
    assert lines[0] == f"{recording} around 1.00 s, 3 snippets, model version 1"
    assert lines[2].split()[2] == "Prelude" and lines[3].split()[2] == "Minuet_in_G"
    assert len(lines) == 5 and Image.open(tmp_path / "a.png").size[0] == 900


def test_errors_of_the_command_are_one_line(recording, sheets):
    finished = run_command("--server=localhost:1", f"--audio={recording}", f"--sheets={sheets}")
    assert finished.returncode == 1 and not finished.stdout
    assert finished.stderr.startswith("error: no server answers at localhost:1")
    assert finished.stderr.count("\n") == 1
    finished = run_command(
        "--server=localhost:1", f"--audio={recording}", f"--sheets={sheets}", "--picture=a.wav"
    )
    assert finished.returncode == 1 and finished.stderr.startswith(
        "error: --picture=a.wav: a picture's name"
    )
    assert finished.stderr.count("\n") == 1
    finished = run_command(f"--sheets={sheets}")
    assert finished.returncode == 2 and "audio" in finished.stderr
