"""Runs, exports and servers as one kind of model, known by what it computes."""

import numpy as np
import pytest

from serving.hosting.server import ModelServer, ServerConfig
from tempo_invariant.audio.windows import window_samples
from tempo_invariant.config import Experiment, ModelConfig, TrainingConfig
from tempo_invariant.errors import UserError
from tempo_invariant.geometry import STAVES
from tempo_invariant.model import runs, saved_model
from tempo_invariant.model.network import build_model
from tempo_invariant.retrieval.embedders import embed_neighbours, open_embedder, source_of
from tempo_invariant.retrieval.model_identity import check_same_model, probe
from tempo_invariant.training import loop
from tempo_invariant.variations import Augmentation
from tests import tiny_saved_model

CONFIG = ModelConfig(frames=42, attention=True, filters=(4, 4, 8, 8), embedding_size=8)


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """Two versions of a model that embeds audio as [mean, shift], images as [mean / 255, shift]."""
    base_path = tmp_path_factory.mktemp("exports")
    tiny_saved_model.save(base_path, 1, shift=0.25)
    tiny_saved_model.save(base_path, 2, shift=2.0)
    return base_path


def test_an_export_and_its_server_are_the_same_model(exports):
    export = open_embedder("export", str(exports / "1"))
    assert (export.frames, export.size) == (tiny_saved_model.FRAMES, 2)
    windows = np.linspace(-0.5, 0.5, 40, dtype=np.float32)[:, None]
    windows = windows * np.ones(window_samples(export.frames), np.float32)
    snippets = np.arange(70, dtype=np.uint8)[:, None, None] * np.ones((160, 200), np.uint8)
    server = ModelServer(ServerConfig(str(exports), "tiny", port=0))  # the newest: version 2
    server.start()
    try:
        address = f"localhost:{server.port}"
        served = open_embedder("server", address, model_name="tiny")
        newest = open_embedder("export", str(exports))
        for embedder, shift in ((export, 0.25), (newest, 2.0), (served, 2.0)):
            heard, seen = embedder.embed_audio(windows), embedder.embed_sheet(snippets)
            assert np.allclose(heard.embedding[:, 0], windows[:, 0], atol=1e-5)
            assert np.allclose(heard.embedding[:, 1], shift)
            assert np.allclose(heard.attention, 0.25) and heard.attention.shape == (40, 4)
            assert np.allclose(seen[:, 0], np.arange(70) / 255, atol=1e-5)
            assert embedder.embed_audio(windows[:0]).embedding.shape == (0, 2)
            assert embedder.embed_sheet(snippets[:0]).shape == (0, 2)
        check_same_model(probe(newest), served, "an index")
        with pytest.raises(UserError, match=r"^an index was made.* 'tiny' at .* is another model"):
            check_same_model(probe(export), served, "an index was made with something else")
    finally:
        server.stop()


@pytest.mark.parametrize(("staves", "knows_present"), zip(STAVES, (True, False), strict=True))
def test_an_export_and_its_server_say_what_they_take_and_know(tmp_path, staves, knows_present):
    tiny_saved_model.save(tmp_path, 1, staves=staves, knows_present=knows_present)
    server = ModelServer(ServerConfig(str(tmp_path), "tiny", port=0))
    server.start()
    try:
        served = open_embedder("server", f"localhost:{server.port}", model_name="tiny")
        export = open_embedder("export", str(tmp_path))
        assert served.staves == export.staves == staves
        assert served.knows_present is export.knows_present is knows_present
        heard = served.embed_audio(np.zeros((2, window_samples(served.frames)), np.float32))
        assert heard.embedding.shape == (2, 2)
        assert served.embed_sheet(np.zeros((3, 160, 200), np.uint8)).shape == (3, 2)
    finally:
        server.stop()


def test_what_is_no_model_is_named(tmp_path):
    with pytest.raises(ValueError, match="kind must be run, .* received 'graph'"):
        open_embedder("graph", "a")
    with pytest.raises(UserError, match="no model 'a' ships"):
        open_embedder("pretrained", "a")
    with pytest.raises(UserError, match="neither a SavedModel nor a directory of versions"):
        open_embedder("export", str(tmp_path))
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "saved_model.pb").write_bytes(b"junk")
    with pytest.raises(UserError, match="not an export of this project"):
        open_embedder("export", str(tmp_path))


@pytest.mark.parametrize("weights", [None, "best", "refined", "w/mine.weights.h5"])
def test_a_model_is_opened_again_from_wherever(tmp_path, monkeypatch, weights):
    monkeypatch.chdir(tmp_path)
    source = source_of("run", "runs/x", weights=weights, model_name="tempo_invariant")
    kept = {"w/mine.weights.h5": str(tmp_path / "w/mine.weights.h5")}.get(weights, weights)
    expected = {"kind": "run", "name": str(tmp_path / "runs/x"), "weights": kept}
    assert source == {key: value for key, value in expected.items() if value}


@pytest.mark.slow
def test_a_run_is_the_same_model_as_its_export(tmp_path):
    model = build_model(CONFIG)
    training = TrainingConfig(augmentation=Augmentation(missing_future=0.5))
    run = loop.open_run(tmp_path / "run", Experiment(CONFIG, training))
    runs.save_weights(model, run.best)
    exported, _ = saved_model.export(model, "{}", tmp_path / "exports", knows_present=True)
    embedder = open_embedder("run", str(tmp_path / "run"))
    inputs = saved_model.example_inputs(CONFIG.frames, 3)
    inputs["embed_audio"]["pcm"] = inputs["embed_audio"]["pcm"][:, : window_samples(42)]
    expected = saved_model.expected_outputs(model, inputs)
    heard = embedder.embed_audio(inputs["embed_audio"]["pcm"])
    assert np.allclose(heard.embedding, expected["embed_audio"]["embedding"], atol=1e-5)
    assert np.allclose(heard.attention, expected["embed_audio"]["attention"], atol=1e-5)
    seen = embedder.embed_sheet(inputs["embed_sheet"]["image"])
    assert np.allclose(seen, expected["embed_sheet"]["embedding"], atol=1e-5)
    export = open_embedder("export", str(exported))
    check_same_model(probe(embedder), export, "an index")
    assert embedder.knows_present and export.knows_present


def test_snippets_that_overlap_are_embedded_together_and_come_out_much_as_alone():
    page = np.random.default_rng(0).integers(0, 256, (160, 1000)).astype(np.uint8)
    page[:, 200:] = np.minimum(page[:, 200:], 1) * 255  # paper with some ink
    snippets = np.stack([page[:, left : left + 200] for left in range(0, 801, 24)])
    seen = open_embedder("pretrained", "best")
    alone = seen.embed_sheet(snippets)
    together = embed_neighbours(seen, snippets)
    assert together.shape == alone.shape
    cosines = (together * alone).sum(axis=1)
    assert cosines.min() > 0.9 and cosines.mean() < 0.9999
    apart = embed_neighbours(seen, snippets[::2])
    np.testing.assert_allclose(apart, alone[::2], atol=1e-5)
