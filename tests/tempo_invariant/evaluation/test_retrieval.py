"""Reports: their numbers against a direct computation, their table, and bad runs."""

import json

import numpy as np
import pytest
import tensorflow as tf

from tempo_invariant import files
from tempo_invariant.data import corpus, pipeline
from tempo_invariant.errors import UserError
from tempo_invariant.evaluation import retrieval
from tempo_invariant.evaluation.retrieval import Selection
from tempo_invariant.model import runs
from tests.tiny_records import ONSETS, PIECES, write_records, write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    data = write_records(tmp_path_factory.mktemp("data"))
    return write_run(tmp_path_factory.mktemp("runs") / "tiny", data)


@pytest.fixture(scope="module")
def report(run):
    return retrieval.evaluate(run, Selection(candidates=30))


def test_report_equals_ranks_counted_by_hand(run, report):
    model = runs.load_model(run)
    data = runs.load_experiment(run).training.data
    dataset, _ = pipeline.eval_dataset(corpus.load_corpus(data, "test"), 7, 24, limit=30)
    embeddings = np.concatenate([model(batch).numpy() for batch in dataset])
    similarity = embeddings[:, 1] @ embeddings[:, 0].T
    for direction, matrix in (("audio to sheet", similarity), ("sheet to audio", similarity.T)):
        ranks = [1 + sum(row > row[index] + 1e-6) for index, row in enumerate(matrix)]
        values = {name: value for name, (value, _, _) in report["results"][direction].items()}
        assert values["mrr"] == pytest.approx(np.mean(1 / np.array(ranks)), abs=0.02)
        assert values["r@5"] == pytest.approx(np.mean(np.array(ranks) <= 5), abs=0.04)
    assert (report["pairs"], report["pieces"], report["weights"]) == (30, 2, "best.weights.h5")


def test_intervals_hold_their_values(report):
    for values in report["results"].values():
        for value, low, high in values.values():
            assert low <= value <= high


def test_fewer_pairs_than_candidates(run):
    report = retrieval.evaluate(run, Selection(candidates=10_000))
    assert report["pairs"] == PIECES["test"] * ONSETS


def test_perfect_embeddings_are_found_first():
    embeddings = np.repeat(np.eye(30)[:, None], 2, axis=1)
    ranks = retrieval.ranks_by_direction(embeddings)
    results = retrieval.retrieval_results(ranks, ["a", "b", "c"] * 10)
    for values in results.values():
        assert values == {name: [1.0, 1.0, 1.0] for name in ("r@1", "r@5", "r@25", "mrr", "mr")}


def test_table_has_a_line_a_direction_in_per_cent(report):
    report = report | {
        "results": {
            "audio to sheet": {
                name: [0.5, 0.25, 0.75] for name in ("r@1", "r@5", "r@25", "mrr", "mr")
            }
        },
        "first": {"audio to sheet": dict.fromkeys(retrieval.PLACES, 0.2)},
        "piece_results": {
            name: {"audio to sheet": {"r@1": value}}
            for name, value in (("a", 0.5), ("b", 0.25), ("c", 1.0), ("d", 0.0))
        },
    }
    header, columns, line, first, hardest = retrieval.table(report).splitlines()
    assert "test: 30 pairs of 2 pieces" in header
    assert header.endswith("multiply-adds a pair") and f"{report['parameters']:,d} par" in header
    assert columns.split() == ["R@1", "R@5", "R@25", "MRR", "MR"]
    assert line.split("  ")[1:3] == ["50.0 [25.0, 75.0]", "50.0 [25.0, 75.0]"]
    assert "0.500 [0.250, 0.750]" in line
    assert first.startswith("first audio to sheet: right 20.0, repetition 20.0, beside 20.0")
    assert hardest == "hardest audio to sheet, R@1: d 0.0, b 25.0, a 50.0"


def test_results_of_pieces_are_parts_of_the_whole(report):
    rows = report["piece_results"].values()
    assert sum(row["pairs"] for row in rows) == report["pairs"]
    for direction, values in report["results"].items():
        for name in ("r@1", "mrr"):
            parts = [row["pairs"] * row[direction][name] for row in rows]
            assert sum(parts) / report["pairs"] == pytest.approx(values[name][0])


def test_first_candidates_are_counted_where_they_are(report):
    for direction, values in report["results"].items():
        assert report["first"][direction]["right"] == values["r@1"][0]
        assert sum(report["first"][direction].values()) == pytest.approx(1)
    # Pieces of four and five onsets, the first on two systems. What each sound finds first:
    finds = [0, 0, 0, 6, 4, 5, 4, 6, 4]
    embeddings = np.zeros((9, 2, 9))
    embeddings[:, 0] = np.eye(9)
    embeddings[:, 1] = 0.5 * np.eye(9) + np.eye(9)[finds]
    zeros = np.zeros(9, int)
    pairs = pipeline.PairTable(
        piece=np.array(["a"] * 4 + ["b"] * 5),
        performance=zeros,
        onset_frame=zeros,
        column=zeros,
        page=zeros,
        system=np.array([0, 0, 1, 1, 0, 0, 0, 0, 0]),
    )
    # 4 and 6 sound the same, and like 3 of the other piece.
    sounds = np.eye(9)
    sounds[[3, 6]] = sounds[4]
    ranks = retrieval.ranks_by_direction(embeddings)
    found = retrieval.first_places(embeddings, ranks, pairs, sounds)["audio to sheet"]
    # 0, 4, 5 right; 6 repeats; 1 and 7 beside; 8 in the system; 2 in the piece; 3 in the other.
    assert list(found.values()) == [3 / 9, 1 / 9, 2 / 9, 1 / 9, 1 / 9, 1 / 9]


def test_what_sounds_the_same_is_heard_a_second_around_the_onset():
    rng = np.random.default_rng(0)
    audio = rng.random((4, 92, 84)).astype(np.float32)
    audio[1] = 2 * audio[0]  # louder
    audio[2, :, 22:62] = audio[0, :, 22:62]  # the same from a second before to a second after
    dataset = tf.data.Dataset.from_tensor_slices({"audio": audio}).batch(3)
    sounds = retrieval.onset_sounds(dataset)
    similarities = sounds @ sounds[0]
    np.testing.assert_allclose(similarities[:3], 1, atol=1e-5)
    assert similarities[3] < retrieval.SAME_SOUND


def test_report_is_kept_beside_the_weights(run, report):
    other = retrieval.default_output(report, "data/records_near,data/records_verovio")
    assert other == run / "evaluation-records_near-records_verovio-test-30.json"
    path = retrieval.default_output(report)
    assert path == run / "evaluation-test-30.json"
    files.write_json(path, report)
    assert json.loads(path.read_text()) == report


def test_excerpts_may_be_late_and_lack_their_future(run, report):
    selection = Selection(candidates=30, late_frames=-1, future=0.5)
    changed = retrieval.evaluate(run, selection)
    assert changed["results"] != report["results"]
    assert changed["first"]["audio to sheet"].keys() == report["first"]["audio to sheet"].keys()
    assert ", audio 1 frames early, 50 % of the future heard; " in retrieval.table(changed)
    path = retrieval.default_output(changed)
    assert path == run / "evaluation-test-30-late-1-future-500.json"
    model = runs.load_model(run)
    whole = corpus.load_corpus(runs.load_experiment(run).training.data, "test")
    [batch] = pipeline.eval_dataset(whole, 30, 24, 30, None, 1.0, -1, 0.5)[0]
    ranks = retrieval.ranks_by_direction(model(batch).numpy())["audio to sheet"]
    assert changed["results"]["audio to sheet"]["r@1"][0] == pytest.approx(np.mean(ranks == 1))


def test_refined_weights_are_preferred(tmp_path, run):
    data = runs.load_experiment(run).training.data
    path = write_run(tmp_path / "run", data)
    (path / "refined.weights.h5").write_bytes((path / "best.weights.h5").read_bytes())
    assert runs.weights_path(path).name == "refined.weights.h5"
    assert runs.weights_path(path, "best").name == "best.weights.h5"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda run: (run / "experiment.json").unlink(), "is not a run"),
        (lambda run: (run / "experiment.json").write_text("{"), "experiment.json: not an exp"),
        (lambda run: (run / "best.weights.h5").unlink(), "no weights at"),
        (lambda run: (run / "best.weights.h5").write_bytes(b"x"), "weights.h5: damaged weights"),
    ],
)
def test_damaged_runs_give_one_line(tmp_path, run, spoil, message):
    path = write_run(tmp_path / "run", runs.load_experiment(run).training.data)
    spoil(path)
    with pytest.raises(UserError, match=message) as caught:
        retrieval.evaluate(path)
    assert "\n" not in str(caught.value)


def test_unknown_soundfont_is_named(run):
    with pytest.raises(UserError, match="Organ"):
        retrieval.evaluate(run, Selection(soundfont="Organ"))
