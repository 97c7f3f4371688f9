"""Models that ship: packaged from a tiny run, found by name, used by the commands."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from tempo_invariant import files
from tempo_invariant.config import Experiment
from tempo_invariant.errors import UserError
from tempo_invariant.evaluation import retrieval
from tempo_invariant.files import sha256
from tempo_invariant.model import pretrained, runs, weight_files
from tempo_invariant.model.network import build_model
from tempo_invariant.training import model_card, packaging
from tests.tiny_records import write_records, write_run

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_records(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    """A run with an evaluation of its weights, one of others, and a history of two epochs."""
    path = write_run(tmp_path_factory.mktemp("runs") / "tiny", data, attention=True)
    report = retrieval.evaluate(path, retrieval.Selection(candidates=30))
    files.write_json(retrieval.default_output(report), report)
    stale = report | {"weights_sha256": "0" * 64}
    files.write_json(path / "evaluation-test-7.json", stale)
    lines = [{"epoch": n, "pairs": 80 * n, "val_mrr": 0.5 / n} for n in (1, 2)]
    (path / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture(scope="module")
def shipped(run, data, tmp_path_factory):
    """The directory of models that ship, with the run in it as `tiny`."""
    directory = tmp_path_factory.mktemp("package") / "pretrained"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretrained, "DIRECTORY", directory)
        yield packaging.package(run, "tiny", data=data)


def check_model(directory: Path) -> None:
    """What holds of every model that ships."""
    card = json.loads((directory / pretrained.CARD).read_text())
    weights = runs.weights_path(directory)
    assert card["name"] == directory.name
    assert card["weights_sha256"] == sha256(weights)
    experiment = runs.load_experiment(directory)
    assert experiment == model_card.neutral(experiment)
    weighted = len(experiment.training.data_weights)
    assert weighted in (0, len(experiment.training.data.split(",")))
    text = (directory / pretrained.MARKDOWN).read_text()
    assert text == model_card.markdown(card, runs.load_experiment(directory))
    names = {weights.name, "experiment.json", pretrained.CARD, pretrained.MARKDOWN}
    present = {path.name for path in directory.iterdir()}
    cohorts = {"probe.npy", "cohort_audio.npy", "cohort_sheet.npy"}
    calibrations = {"certainty_sheets.json", "certainty_recordings.json"}
    assert names <= present <= names | {"history.jsonl"} | cohorts | calibrations
    assert not present & cohorts or cohorts < present
    if "history.jsonl" in present:
        last = runs.read_history(directory / "history.jsonl")[-1]
        assert (last["pairs"], last["epoch"]) == (
            card["training"]["pairs"],
            card["training"]["epochs"],
        )


def test_models_in_the_package_are_whole_and_small():
    assert not [path for path in pretrained.DIRECTORY.glob(".partial-*")]
    for name in pretrained.names():
        check_model(pretrained.find(name))
    assert pretrained.total_bytes() <= 20e6


def test_a_packaged_run_is_whole_and_computes_the_same(shipped, run):
    path, card, _ = shipped
    assert pretrained.names() == ["tiny"] and pretrained.find("tiny") == path
    check_model(path)
    history = "history.jsonl"
    assert (path / history).read_text() == (run / history).read_text()
    pairs = packaging.random_pairs(24)
    before, after = (runs.load_model(each)(pairs).numpy() for each in (run, path))
    difference = np.abs(after - before).max()  # the packaged weights have half precision
    assert 0 < difference < 1e-3 and card["largest_difference"] == pytest.approx(difference)
    assert pretrained.total_bytes() == sum(file.stat().st_size for file in path.iterdir())
    assert str(run.parent) not in "".join(
        file.read_text() for file in path.iterdir() if file.suffix in (".json", ".md")
    )


def test_the_card_takes_its_numbers_from_reports_about_these_weights(shipped, run):
    _, card, others = shipped
    report = json.loads((run / "evaluation-test-30.json").read_text())
    assert [found["results"] for found in card["evaluations"]] == [report["results"]]
    assert "piece_results" in report and "piece_results" not in card["evaluations"][0]
    assert others == ["evaluation-test-7.json"]
    text = model_card.markdown(card, runs.load_experiment(run))
    row = next(line for line in text.splitlines() if "audio to sheet" in line)
    value, low, high = report["results"]["audio to sheet"]["mrr"]
    assert f"{value:.3f} [{low:.3f}, {high:.3f}]" in row
    assert row.startswith("| test | Sine | 1 | 30 | 2 MSMD |")
    assert "| train | 4 MSMD | 160 | 0.00 | Sine | as notated | 1 |" in text
    assert "\n- `Sine`: a soundfont.\n" in text
    assert "160 pairs; the best validation MRR, 0.500 among 50 pairs, came in epoch 1 of 2" in text
    assert "cut short" in text  # two epochs of three
    varied = "scale 0.05, shift_pixels 5, onset_frames 1, tempo on, soundfont on"
    assert f"`tempo-invariant train`: {varied}. 160 pairs" in text  # the ink is not
    assert "Not part of its training: other tunings, rooms, other balance" in text


def test_the_card_says_when_other_tempi_were_left_out(shipped, run):
    fields = json.loads((run / "experiment.json").read_text())
    sentence = "Of a piece it heard the performances at the tempo nearest to the notated one."
    assert sentence not in model_card.markdown(shipped[1], Experiment.from_fields(**fields))
    fields["training"]["augmentation"]["tempo"] = False
    assert sentence in model_card.markdown(shipped[1], Experiment.from_fields(**fields))


def test_the_card_says_how_excerpts_were_cut_and_which_pages_were_worn(shipped, run):
    _, card = shipped[:2]
    fields = json.loads((run / "experiment.json").read_text())
    text = model_card.markdown(card, Experiment.from_fields(**fields))
    assert "frames late" not in text and "worn_share" not in text
    fields["training"]["augmentation"] |= {"blur": 0.5}
    late = [report | {"late_frames": 2, "future": 0.0} for report in card["evaluations"]]
    text = model_card.markdown(card | {"evaluations": late}, Experiment.from_fields(**fields))
    assert "| test | Sine, audio 2 frames late, 0 % of the future heard | 1 |" in text
    assert "what follows the note is silent" in text
    assert "blur 0.5, worn_share 0.5" in text


def test_the_card_of_a_model_that_went_on_with_two_corpora(shipped, run):
    card = shipped[1]
    fields = json.loads((run / "experiment.json").read_text())
    fields["model"] |= {"attention_rest": True, "staves": "near"}
    more = {"data": "/x/near,/x/verovio,/x/more", "data_weights": [1, 3, 2]}
    fields["training"] |= more | {"initial_run": "runs/tiny"}
    experiment = model_card.neutral(Experiment.from_fields(**fields))
    text = model_card.markdown(card, experiment)
    assert experiment.training.data == "data/records_near,data/records_verovio,data/records_3"
    assert "with a soft attention over its frames, which never hears the first and the last" in text
    assert "It began with the weights of an earlier version of this model." in text
    assert "1 for those of `data/records_near`, 3 for those of `data/records_verovio`, 2 " in text
    assert "tempo-invariant evaluate --pretrained=tiny --data=data/records_near\n" in text
    text = model_card.markdown(card | {"name": "other"}, experiment)
    assert "It began with the weights of the run `tiny`." in text
    several = {"test": card["data"]["test"] | {"soundfonts": ["A", "B"]}}
    assert "| test | the first by name | 1 |" in model_card.markdown(
        card | {"data": several}, experiment
    )


def test_matrices_get_half_precision_and_vectors_stay(run, tmp_path):
    path = tmp_path / "best.weights.h5"
    shutil.copyfile(run / path.name, path)
    weight_files.halve(path)
    weight_files.check(path)

    def arrays(file):
        found = {}
        with h5py.File(file) as opened:
            opened.visititems(
                lambda name, item: (
                    found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
                )
            )
        return found

    before, after = arrays(run / path.name), arrays(path)
    assert before.keys() == after.keys()
    for name, values in before.items():
        expected = values.astype(np.float16) if values.ndim > 1 else values
        assert after[name].dtype == expected.dtype
        np.testing.assert_array_equal(after[name], expected)
    assert path.stat().st_size < 0.8 * (run / path.name).stat().st_size


def test_optimizer_state_is_left_behind(run, tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "DIRECTORY", tmp_path / "pretrained")
    import keras

    model = runs.load_model(run)
    model.compile(keras.optimizers.Adam(), "mse")
    model.optimizer.build(model.trainable_variables)
    checkpoint = tmp_path / "epoch-00002.weights.h5"
    runs.save_weights(model, checkpoint)
    path, card, others = packaging.package(run, "tiny", weights=str(checkpoint))
    written = path / "best.weights.h5"
    plain = build_model(runs.load_experiment(run).model)
    runs.save_weights(plain, tmp_path / "plain.weights.h5")
    weight_files.halve(tmp_path / "plain.weights.h5")
    assert written.stat().st_size == (tmp_path / "plain.weights.h5").stat().st_size
    assert written.stat().st_size < 0.7 * checkpoint.stat().st_size
    # The evaluations are about best.weights.h5, not about this file.
    assert card["evaluations"] == [] and len(others) == 2
    assert "have not been evaluated" in (path / pretrained.MARKDOWN).read_text()


def test_what_is_written_wrongly_is_not_kept(run, tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "DIRECTORY", tmp_path / "pretrained")

    def damaged(model, path):
        model.get_layer("sheet_features").kernel.assign_add(
            0.1 * np.ones(model.get_layer("sheet_features").kernel.shape)
        )
        model.save_weights(path)
        model.get_layer("sheet_features").kernel.assign_sub(
            0.1 * np.ones(model.get_layer("sheet_features").kernel.shape)
        )

    monkeypatch.setattr(runs, "save_weights", damaged)
    with pytest.raises(UserError, match="embeddings differ by .* after reloading"):
        packaging.package(run, "tiny")
    assert list((tmp_path / "pretrained").iterdir()) == []
    assert pretrained.names() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "tiny"}, "tiny exists already; remove it"),
        ({"name": "../tiny"}, "small letters, digits"),
        ({"name": "new", "weights": "refined"}, "no weights at .*refined"),
        ({"name": "new", "data": "nowhere"}, "no records in nowhere; make them with"),
    ],
)
def test_what_cannot_be_packaged_is_said(shipped, run, arguments, message):
    with pytest.raises(UserError, match=message):
        packaging.package(run, **arguments)
    assert [path.name for path in pretrained.DIRECTORY.iterdir()] == ["tiny"]


def test_records_newer_than_the_weights_are_not_described(run, data, tmp_path):
    later = tmp_path / "later"
    later.mkdir()
    (later / "dataset_info.json").write_bytes((data / "dataset_info.json").read_bytes())
    with pytest.raises(UserError, match="written after .*best.weights.h5"):
        model_card.data_summary(later, run / "best.weights.h5")


def test_a_run_is_packaged_with_the_records_of_several_directories(run, tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "DIRECTORY", tmp_path / "pretrained")
    places = [write_records(tmp_path / name) for name in ("one", "two")]
    for place in places:
        os.utime(place / "dataset_info.json", (0, 0))
    path, card, _ = packaging.package(run, "tiny", data=",".join(map(str, places)))
    alone = model_card.data_summary(places[0], run / "best.weights.h5")
    for split, found in alone.items():
        twice = {name: 2 * found[name] for name in ("pieces", "pairs", "hours")}
        corpora = {name: 2 * count for name, count in found["corpora"].items()}
        assert card["data"][split] == found | twice | {"corpora": corpora}
    assert np.load(path / "cohort_audio.npy").shape == (3000, 4)


def test_unknown_names_are_answered_with_those_there_are(shipped, tmp_path, monkeypatch):
    for name in ("other", "", "../tiny", "."):
        with pytest.raises(
            UserError, match=r"no model '.*' ships with this version \(there are: tiny\)"
        ):
            pretrained.find(name)
    monkeypatch.setattr(pretrained, "DIRECTORY", tmp_path)
    with pytest.raises(
        UserError, match=r"no model 'tiny' ships with this version \(there is none\)"
    ):
        pretrained.find("tiny")


def command(module: str, *arguments: str, directory: Path) -> subprocess.CompletedProcess:
    """Runs a command for which the models in `directory` are those that ship."""
    code = (
        "import pathlib, runpy, sys; from tempo_invariant.model import pretrained; "
        "pretrained.DIRECTORY = pathlib.Path(sys.argv[1]); del sys.argv[1]; "
        f"runpy.run_module('tempo_invariant.{module}', run_name='__main__')"
    )
    return subprocess.run(
        [sys.executable, "-c", code, str(directory), *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )


@pytest.mark.parametrize(
    ("module", "arguments", "code", "message"),
    [
        ("evaluate", [], 1, "no model 'best' ships with this version (there is none)"),
        ("evaluate", ["--run=.", "--pretrained=b"], 1, "give one of --run, --pretrained, not"),
        ("evaluate", ["--pretrained=b"], 1, "no model 'b' ships with this version (there is none)"),
        ("evaluate", ["--pretrained=b", "--weights=best"], 1, "--weights goes with --run"),
        ("export", ["--pretrained=b", "--output=x"], 1, "no model 'b' ships"),
        ("index", ["--scores=.", "--output=y", "--pretrained=b"], 1, "no model"),
        (
            "index",
            ["--scores=.", "--output=y", "--run=.", "--pretrained=b"],
            1,
            "give one of --run",
        ),
        ("package_model", ["--run=a"], 2, "--name"),
    ],
)
def test_wrong_use_is_one_line(module, arguments, code, message, tmp_path):
    done = command(module, *arguments, directory=tmp_path)
    assert done.returncode == code
    assert done.stderr.startswith("error: ") and message in done.stderr
    assert done.stderr.count("\n") == 1 and not done.stdout


@pytest.mark.slow
def test_commands_use_a_model_by_its_name(shipped, run, data, tmp_path):
    directory = shipped[0].parent
    output = tmp_path / "report.json"
    arguments = [f"--data={data}", "--candidates=30", f"--output={output}"]
    done = command("evaluate", "--pretrained=tiny", *arguments, directory=directory)
    assert done.returncode == 0, done.stderr
    report = json.loads(output.read_text())
    assert report["run"] == "pretrained tiny" and done.stdout.startswith("pretrained tiny (best")
    first = json.loads((run / "evaluation-test-30.json").read_text())
    assert report["results"] == first["results"]
    done = command(
        "export", "--pretrained=tiny", f"--output={tmp_path / 'export'}", directory=directory
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "export" / "1" / "saved_model.pb").exists()


def test_one_flipped_bit_of_weights_is_noticed(run, shipped, tmp_path):
    """By the card of a model that ships, by the file itself in a run."""
    packaged = shutil.copytree(shipped[0], tmp_path / "packaged")
    trained = shutil.copytree(run, tmp_path / "trained")
    for directory, message in ((packaged, "its SHA-256 is another"), (trained, "its checksum is")):
        assert runs.load_model(directory)
        path = runs.weights_path(directory)
        with h5py.File(path, "r+") as file:
            kernel = file["layers/conv2d/vars/0"]
            values = kernel[()]
            values.view(np.uint32).flat[5] ^= 1 << 20
            kernel[()] = values
        with pytest.raises(UserError, match=f"^{path}: damaged.*{message}"):
            runs.load_model(directory)


def test_weights_that_are_not_finite_or_too_large_are_refused(run, tmp_path):
    path = tmp_path / "x.weights.h5"
    for value, message in ((np.nan, "not finite"), (np.inf, "not finite")):
        model = runs.load_model(run)
        model.get_layer("sheet_features").kernel.assign_add(
            np.full(model.get_layer("sheet_features").kernel.shape, value)
        )
        runs.save_weights(model, path)
        with pytest.raises(UserError, match=f"^{path}: damaged weights .*{message}"):
            runs.load_model(run, str(path))
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (2**40,), "f4")
    with pytest.raises(UserError, match="its arrays are larger than the file"):
        runs.load_model(run, str(path))


@pytest.mark.parametrize("content", ["", "[]", '{"weights_sha256": 7}', "[" * 99_999, "\0"])
def test_a_damaged_card_is_named(shipped, tmp_path, content):
    packaged = shutil.copytree(shipped[0], tmp_path / "packaged")
    (packaged / pretrained.CARD).write_text(content)
    with pytest.raises(UserError, match=f"^{packaged / pretrained.CARD}: "):
        runs.load_model(packaged)


@pytest.mark.parametrize(
    "name, content",
    [
        ("evaluation-test-7.json", "[]"),
        ("evaluation-test-7.json", '{"split": "poems", "pairs": 1, "pieces": 1, "tempo": 1}'),
        ("averaging.json", '{"kept": 1}'),
        ("history.jsonl", '{"epoch": 1}\n{"epoch": 2}\n'),
        ("history.jsonl", '{"epoch": [}\n{"epoch": 2}\n'),
        ("history.jsonl", "\udcff"),
    ],
)
def test_damaged_reports_of_a_run_are_named(run, tmp_path, monkeypatch, name, content):
    monkeypatch.setattr(pretrained, "DIRECTORY", tmp_path / "pretrained")
    damaged = shutil.copytree(run, tmp_path / "run")
    (damaged / name).write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=f"^{damaged / name}: "):
        packaging.package(damaged, "tiny")
