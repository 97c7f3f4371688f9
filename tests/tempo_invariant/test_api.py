"""The Python API, with the model and the sample that ship."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tempo_invariant
from tempo_invariant import samples
from tempo_invariant.audio import reading
from tempo_invariant.errors import UserError
from tempo_invariant.scores import pages

ROOT = Path(__file__).parents[2]
SCORES = Path(samples.SCORES["sample"])
PIECE = "petzold_minuet_g_major"
OTHERS = ("petzold_minuet_g_minor", "satie_gymnopedie_1")


@pytest.fixture(scope="module")
def model():
    return tempo_invariant.load("best")


@pytest.fixture(scope="module")
def index(model, tmp_path_factory):
    """An index of three of the sample's scores."""
    folder = tmp_path_factory.mktemp("library")
    (folder / "scores").mkdir()
    for name in (PIECE, *OTHERS):
        shutil.copy(SCORES / f"{name}.pdf", folder / "scores")
    return model.index(folder / "scores", folder / "index")


@pytest.fixture(scope="module")
def sound():
    """The sample recording: float32 [samples] at 22,050 Hz."""
    return np.concatenate(list(reading.read_blocks(samples.RECORDING["sample"])))


def cosines(heard, seen):
    return heard.embedding @ seen.embedding.T


def test_sound_and_score_that_belong_together_are_near(model):
    heard = model.embed_audio("sample")
    own, other = (model.embed_sheet(SCORES / f"{name}.pdf") for name in (PIECE, OTHERS[1]))
    assert heard.embedding.shape == (len(heard.seconds), model.size) == (len(heard.seconds), 64)
    assert heard.attention.shape[1] == model.window_seconds * 20
    np.testing.assert_allclose(np.linalg.norm(heard.embedding, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(heard.attention.sum(axis=1), 1, atol=1e-5)
    best = [cosines(heard, seen).max(axis=1).mean() for seen in (own, other)]
    assert best[0] > 0.55 > 0.4 > best[1]
    assert own.snippets.shape == (len(own.places), 160, 200) and own.places[0].system == 1


def test_arrays_are_embedded_as_files_are(model, sound):
    from_file, from_array = model.embed_audio("sample"), model.embed_audio(sound, 22050)
    np.testing.assert_allclose(from_array.embedding, from_file.embedding, atol=1e-4)
    integers = np.stack([np.round(sound * 32767).astype(np.int16)] * 2, axis=1)
    from_integers = model.embed_audio(integers, 22050)
    assert (from_integers.embedding * from_file.embedding).sum(axis=1).min() > 0.99
    path = SCORES / f"{PIECE}.pdf"
    page = next(pages.read(path))
    np.testing.assert_allclose(
        model.embed_sheet(page).embedding, model.embed_sheet(path).embedding, atol=1e-4
    )


def test_one_window_and_one_snippet(model, sound):
    middle = model.embed_audio(sound[: 10 * 22050], 22050, hop_seconds=None)
    assert middle.embedding.shape == (1, 64) and middle.seconds == [5.0]
    short = model.embed_audio(sound[22050 : 2 * 22050], 22050, hop_seconds=None)
    assert short.embedding.shape == (1, 64) and short.duration_seconds == 1.0
    seen = model.embed_sheet(SCORES / f"{PIECE}.pdf")
    one = model.embed_sheet(seen.snippets[7])
    np.testing.assert_allclose(one.embedding, seen.embedding[7:8], atol=1e-5)
    assert one.places == ()


def test_a_recording_is_identified_and_followed(model, index, sound):
    answer = model.identify("sample", index)
    assert [one.name for one in answer.candidates][0] == PIECE and answer.verdict == "known"
    assert (answer.places[0].page, answer.places[0].system) == (1, 1)
    assert answer.places[-5].system > 3
    again = model.identify(sound, index.path, rate=22050, top=1)
    assert [one.name for one in again.candidates] == [PIECE]
    followed = model.follow(SCORES / f"{PIECE}.pdf", "sample")
    systems = [place.system for place in followed.places]
    assert systems[0] == 1 and max(systems) == len(followed.systems)
    for found in (answer, followed, model.embed_audio("sample")):
        assert json.loads(json.dumps(found.to_dict())) == found.to_dict()


def test_a_page_names_its_recording(model, tmp_path):
    index = model.index_recordings("sample", tmp_path / "index")
    answer = model.identify_sheet(SCORES / f"{PIECE}.pdf", index)
    assert len(answer.candidates) == 1 and answer.verdict == "known"
    first, *_, last = answer.played
    assert (first.page, first.system, first.bars) == (1, 1, (1, 6)) and first.first < 1
    assert last.system == len(answer.played) and last.bars[1] == 32
    assert json.loads(json.dumps(answer.to_dict())) == answer.to_dict()
    asked_again = model.identify_sheet(SCORES / f"{PIECE}.pdf", index.path, top=1)
    assert asked_again.played == answer.played


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda model: tempo_invariant.load("bst"), "no model 'bst': neither one that ships (best"),
        (lambda model: model.embed_audio("gone.wav"), "gone.wav: no such audio file"),
        (lambda model: model.embed_audio(np.zeros(9, "f4")), "samples need their sampling rate"),
        (lambda model: model.embed_audio(np.zeros(30000, "f4"), 22050), "is silent"),
        (lambda model: model.embed_audio("sample", hop_seconds=0.01), "hop_seconds must be at"),
        (lambda model: model.embed_sheet(np.zeros((160, 200))), "images must be uint8"),
        (lambda model: model.embed_sheet(np.full((900, 700), 255, "u1")), "no system on any page"),
        (lambda model: model.index_recordings("gone"), "gone: no audio file there"),
        (lambda model: model.identify("sample", "nowhere"), "nowhere is not an index"),
        (lambda model: model.identify("sample", "nowhere", top=0), "top must be at least 1"),
        (lambda model: model.identify_sheet("x.pdf", "nowhere", top=-1), "top must be at"),
        (lambda model: model.embed_audio(np.ones((2, 9000), "f4"), 22050), "transpose it"),
        (lambda model: model.embed_audio(np.ones(9000, "f4"), "22050"), "received rate='22050'"),
        (lambda model: model.embed_audio([0.0] * 9000, 22050), "not a list"),
        (lambda model: model.embed_sheet(np.zeros((900, 700, 3), "u1")), "a page must be grey"),
        (lambda model: model.embed_sheet(np.zeros((0, 0), "u1")), "images must have pixels"),
        (lambda model: tempo_invariant.load(None), "not a NoneType"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(model, ask, message):
    with pytest.raises(UserError) as caught:
        ask(model)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_an_index_lies_beside_the_scores_if_nothing_else_is_said(model, tmp_path):
    scores = tmp_path / "my scores"
    scores.mkdir()
    shutil.copy(SCORES / f"{PIECE}.pdf", scores)
    assert model.index(scores).path == tmp_path / "my scores-index"
    assert [path.name for path in scores.iterdir()] == [f"{PIECE}.pdf"]


def test_nothing_is_printed(tmp_path):
    script = """
import tempo_invariant
model = tempo_invariant.load("best")
model.embed_audio("sample")
"""
    environment = {name: text for name, text in os.environ.items() if not name.startswith("TF_")}
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        check=True,
    )
    assert done.stdout == done.stderr == ""
