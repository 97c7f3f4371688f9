"""The commands as a user types them: flag files, help, exit codes, one-line errors."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tempo_invariant.model import runs
from tests.tiny_records import tiny_experiment, write_records, write_run

ROOT = Path(__file__).parents[2]
TINY = ["--frames=24", "--filters=4", "--embedding_size=4", "--batch_size=20"]
TINY += ["--epoch_pairs=80", "--total_pairs=80", "--validation_pairs=50", "--noink"]


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return write_records(tmp_path_factory.mktemp("records"))


def command(module, *arguments, **environment):
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("TF_")
    } | environment
    return subprocess.run(
        [sys.executable, "-m", f"tempo_invariant.{module}", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("module", "flag"), [("train", "low_cut_hz"), ("refine", "pairs"), ("evaluate", "pretrained")]
)
def test_help_does_not_wait_for_tensorflow(module, flag, no_tensorflow):
    result = command(module, "--help", **no_tensorflow)
    assert result.returncode == 0
    assert f"tempo-invariant {module}" in result.stdout
    assert f"\n  --{flag}=" in result.stdout


@pytest.mark.parametrize(
    ("name", "frames", "attention"),
    [("bl", 84, False), ("bl_at", 84, True), ("bl_at_lc", 168, True)],
)
def test_flag_files_are_the_papers_experiments(name, frames, attention, tmp_path):
    result = command("train", f"--flagfile={name}.flags", f"--data={tmp_path}")
    # The flags were read.
    assert result.stderr.startswith(f"error: --data: no records in {tmp_path};")
    flags = dict(
        line.removeprefix("--").split("=") if "=" in line else (line.removeprefix("--"), "true")
        for line in (ROOT / f"{name}.flags").read_text().splitlines()
        if line.startswith("--")
    )
    assert flags["frames"] == str(frames)
    assert ("attention" in flags) == attention
    assert flags["output"] == f"runs/{name}"
    published = {"batch_size": "100", "learning_rate": "0.002", "margin": "0.7", "l2": "1e-5"}
    published |= {"epoch_pairs": "10000", "patience": "60", "rounds": "5", "round_patience": "10"}
    assert published.items() <= flags.items()


DEFAULTS = {
    "model": {
        "frames": 84,
        "attention": False,
        "embedding_size": 32,
        "projection": "cca",
        "cca_regularization": 0.001,
        "cca_alpha": 0.1,
        "filters": [24, 48, 96, 96],
        "l2": 1e-5,
        "blocks": "conv",
        "units": 1,
        "activation_before_norm": True,
        "attention_filters": [],
        "attention_rest": False,
        "audio_normalization": "none",
        "audio_level": 10.0,
        "temperature": 0.0,
        "staves": "printed",
    },
    "training": {
        "data": "data/records",
        "data_weights": [],
        "batch_size": 100,
        "passage_pairs": 1,
        "epoch_pairs": 10000,
        "total_pairs": 0,
        "schedule": "published",
        "patience": 60,
        "rounds": 5,
        "round_patience": 10,
        "warmup_pairs": 5000,
        "optimizer": "adam",
        "learning_rate": 0.002,
        "weight_decay": 0.0,
        "clip_norm": 0.0,
        "ema_momentum": 0.0,
        "loss": "ranking",
        "margin": 0.7,
        "symmetric": False,
        "validation_pairs": 1000,
        "mixed_precision": False,
        "initial_run": "",
        "teacher": "",
        "teacher_weight": 4.0,
        "seed": 0,
    },
    "augmentation": {
        "scale": 0.05,
        "shift_pixels": 5,
        "onset_frames": 1,
        "tempo": True,
        "soundfont": True,
        "ink": True,
        "stretch": 1.0,
        "level_db": 0.0,
        "tuning_cents": 0.0,
        "reverberation_seconds": 0.0,
        "equalization_db": 0.0,
        "low_cut_hz": 0.0,
        "high_cut_hz": 0.0,
        "noise_snr_db": 0.0,
        "mask_frames": 0,
        "mask_bands": 0,
        "varied_share": 0.5,
        "missing_future": 0.0,
        "staff_pixels": 0,
        "skew_degrees": 0.0,
        "bend_pixels": 0.0,
        "uneven_scale": 0.0,
        "ink_spread": 0.0,
        "faded_ink": 0.0,
        "note_colour": 0.0,
        "handwriting": 0,
        "bleed_through": 0.0,
        "blur": 0.0,
        "grey_paper": 0.0,
        "shadow": 0.0,
        "grain": 0.0,
        "jpeg": 0.0,
        "worn_share": 0.5,
    },
}
"""What the published experiment BL is; `experiment.json` has the same names in the same order."""

LEARNED = {"projection": "linear", "temperature": 0.05}
COSINE = {
    "batch_size": 200,
    "passage_pairs": 4,
    "epoch_pairs": 50000,
    "schedule": "cosine",
    "warmup_pairs": 20000,
    "optimizer": "muon",
    "loss": "softmax",
    "mixed_precision": True,
}
DAMAGED = {
    "onset_frames": 0,
    "reverberation_seconds": 1.2,
    "equalization_db": 12.0,
    "low_cut_hz": 300.0,
    "high_cut_hz": 3000.0,
    "noise_snr_db": 5.0,
    "mask_bands": 8,
}
OURS = {
    "frames": 168,
    "attention": True,
    "embedding_size": 64,
    "filters": [16, 32, 96, 128],
    "attention_filters": [16, 16, 16, 32],
    "audio_normalization": "excerpt",
    "audio_level": 3.0,
    "staves": "near",
}
SMALL = {"blocks": "residual", "filters": [8, 24, 64, 112], "attention_filters": [8, 8, 16, 32]}
BOTH = {
    "data": "data/records_near,data/records_verovio",
    "data_weights": [1, 3],
    "ema_momentum": 0.9998,
    "total_pairs": 3000000,
}
WORN = {
    "onset_frames": 1,
    "stretch": 2.0,
    "tuning_cents": 40.0,
    "missing_future": 0.5,
    "staff_pixels": 20,
    "skew_degrees": 2.0,
    "bend_pixels": 8.0,
    "uneven_scale": 0.1,
    "ink_spread": 0.7,
    "faded_ink": 0.4,
    "note_colour": 0.8,
    "handwriting": 6,
    "bleed_through": 0.3,
    "blur": 0.7,
    "grey_paper": 0.2,
    "shadow": 0.3,
    "grain": 12.0,
    "jpeg": 6.0,
}


@pytest.mark.parametrize(
    ("arguments", "model", "training", "augmentation"),
    [
        (["--flagfile=bl.flags"], {}, {}, {}),
        (["--flagfile=bl_at.flags"], {"attention": True}, {}, {}),
        (["--flagfile=bl_at_lc.flags"], {"attention": True, "frames": 168}, {}, {}),
        (
            ["--flagfile=bl_at.flags", "--flagfile=cosine.flags"],
            {"attention": True} | LEARNED,
            {"total_pairs": 2000000} | COSINE,
            {"tempo": False, "stretch": 1.33, "level_db": 10.0, "tuning_cents": 20.0} | DAMAGED,
        ),
        (
            ["--flagfile=best.flags"],
            OURS | LEARNED,
            BOTH | COSINE,
            DAMAGED | WORN,
        ),
        (
            ["--flagfile=small.flags", "--data=data/mine", "--data_weights="],
            OURS | LEARNED | SMALL,
            BOTH | COSINE | {"data": "data/mine", "data_weights": [], "teacher": "best"},
            DAMAGED | WORN,
        ),
        (
            [
                "--output=x",
                "--loss=softmax",
                "--noactivation_before_norm",
                "--filters=8",
                "--seed=3",
            ],
            {"filters": [8], "activation_before_norm": False, "temperature": 0.07},
            {"loss": "softmax", "seed": 3},
            {},
        ),
        (["--output=x", "--temperature=0.5"], {}, {}, {}),
    ],
)
def test_flags_are_an_experiment(arguments, model, training, augmentation):
    code = (
        "import sys; from absl import flags; from tempo_invariant import train; "
        "flags.FLAGS(sys.argv); print(train.read_experiment().to_json(), end='')"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    expected = {
        "model": DEFAULTS["model"] | model,
        "training": DEFAULTS["training"]
        | training
        | {"augmentation": DEFAULTS["augmentation"] | augmentation},
    }
    assert result.stdout == json.dumps(expected, indent=2) + "\n"


@pytest.mark.parametrize("name", ["best", "small"])
def test_our_own_flag_files_are_whole_experiments(name, tmp_path):
    """Without data the command ends after it has checked every setting."""
    result = command("train", f"--flagfile={name}.flags", f"--data={tmp_path}")
    assert result.returncode == 1
    assert result.stderr.startswith(f"error: --data: no records in {tmp_path}")
    assert not result.stderr.endswith("--data_weights=\n")


def test_who_has_one_directory_of_two_is_told_how_to_train_on_it(tmp_path):
    data = write_records(tmp_path / "data")
    arguments = ["--flagfile=best.flags", "--staves=printed", f"--output={tmp_path}/run"]
    result = command("train", *arguments, f"--data={data},{tmp_path}/none")
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    assert result.stderr.startswith(f"error: --data: no records in {tmp_path}/none; make them")
    assert result.stderr.endswith("; or train on one alone: --data=DIR --data_weights=\n")
    result = command("train", *arguments, f"--data={data}")
    assert result.returncode == 1
    assert result.stderr == (
        "error: --data_weights: must be none, or one for each directory of data (1), received 2\n"
    )
    tiny = [*TINY, "--total_pairs=20", "--epoch_pairs=20", "--attention_filters="]
    tiny += ["--worn_share=0", "--varied_share=0", "--nomixed_precision"]
    result = command("train", *arguments, f"--data={data}", "--data_weights=", *tiny)
    assert result.returncode == 0, result.stderr
    assert runs.load_experiment(tmp_path / "run").training.data_weights == ()


def test_two_directories_are_trained_on_together(tmp_path):
    data = ",".join(str(write_records(tmp_path / name)) for name in ("one", "two"))
    output = tmp_path / "run"
    result = command("train", f"--data={data}", "--data_weights=2,5", f"--output={output}", *TINY)
    assert result.returncode == 0, result.stderr
    experiment, judged = runs.load_experiment_and_data(output)
    assert (experiment.training.data, experiment.training.data_weights) == (data, (2, 5))
    assert judged == tmp_path / "one"


def test_missing_data_say_how_to_make_them(tmp_path):
    result = command("train", "--flagfile=bl_at.flags", f"--data={tmp_path}/none")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(f"error: --data: no records in {tmp_path}/none; make them")
    assert "tempo-invariant convert" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ([], "output"),
        (["--output=x", "more"], "more"),
        (["--output=x", "--schedule=linear"], "schedule"),
        (["--output=x", "--batch_size=none"], "batch_size"),
        (["--output=x", "--filters=a"], "filters"),
        (["--output=x", "--frames=0"], "frames"),
        (["--output=x", "--varied_share=1.5"], "varied_share"),
        (["--output=x", "--low_cut_hz=-1"], "low_cut_hz"),
        (["--output=x", "--data_weights=1,a"], "data_weights"),
    ],
)
def test_wrong_flags_exit_with_2(arguments, word):
    result = command("train", *arguments)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1 and word in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--teacher=no"], "--teacher=no is not a run, nor a model that ships (there are: best, "),
        (["--initial_run=no"], "--initial_run=no is not a run, nor a model that ships (there are"),
        (["--teacher=best"], "--teacher=best has embedding_size 64, and the model that it is to"),
        (["--data_weights=1,2"], "--data_weights: must be none, or one for each directory of data"),
        (["--data_weights=0"], "--data_weights: must be integers >= 1 and <= 100, received (0,)"),
        (["--clip_norm=1", "--optimizer=muon"], "--clip_norm: must be 0 for muon"),
        (["--ema_momentum=0.9"], "--ema_momentum: must be 0 unless the projection is linear"),
        (["--loss=softmax", "--temperature=0"], "--temperature: must be > 0 for the softmax loss"),
    ],
)
def test_what_a_training_lacks_is_told_with_its_flag_before_tensorflow_loads(
    arguments, message, records, tmp_path, no_tensorflow
):
    arguments = [f"--data={records}", f"--output={tmp_path}/run", *arguments]
    result = command("train", *arguments, **no_tensorflow)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"error: {message}") and result.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--frmes=3", "my.flags, line 2: Unknown command line flag 'frmes'. Did you mean: frames"),
        ("--frames=x", "my.flags, line 2: --frames=x: must be a whole number"),
        ("--filters=1,b", "my.flags, line 2: --filters=1,b: must be whole numbers"),
        ("frames=3", "my.flags, line 2: 'frames=3' is no flag"),
        ("--frames=3", "--output is needed"),
    ],
)
def test_what_is_wrong_in_a_flag_file_is_told_with_its_line(line, message, tmp_path):
    (tmp_path / "my.flags").write_text(f"# Mine.\n{line}\n")
    result = command("train", f"--flagfile={tmp_path}/my.flags")
    assert result.returncode == 2 and result.stderr.count("\n") == 1
    assert result.stderr.removeprefix("error: ").removeprefix(f"{tmp_path}/").startswith(message)


def test_settings_that_contradict_each_other_exit_with_1(tmp_path):
    result = command("train", f"--output={tmp_path}", f"--data={tmp_path}", "--schedule=cosine")
    assert result.returncode == 1
    assert result.stderr == (
        "error: --total_pairs: must be the length of the cosine schedule, received 0\n"
    )


def test_train_command_then_another_experiment(tmp_path):
    data = write_records(tmp_path / "data")
    output = tmp_path / "run"
    arguments = [f"--data={data}", f"--output={output}", *TINY]
    result = command("train", *arguments)
    assert result.returncode == 0, result.stderr
    size, epoch, best, following = result.stdout.splitlines()
    assert size.startswith("model: ") and size.endswith("M multiply-adds a pair")
    assert epoch.startswith("epoch    1") and epoch.endswith("best")
    assert best.startswith(f"{output}: 1 epochs, best MRR 0.")
    assert following == f"next: tempo-invariant refine --run={output}"
    # Nothing but lines of progress, where the machine is so slow that there are some.
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert all(line.startswith("epoch 1, pairs: ") for line in lines)
    assert runs.load_experiment(output).training.augmentation.ink is False
    refused = command("train", *arguments, "--margin=0.5")
    assert refused.returncode == 1
    assert refused.stderr == (
        f"error: --output={output} holds another experiment (margin was 0.7 and is now 0.5): "
        "choose a new output\n"
    )


@pytest.mark.parametrize(
    ("projection", "initial_run", "expected"),
    [("cca", "runs/one", "refine"), ("linear", "runs/one", "average"), ("linear", "", "evaluate")],
)
def test_the_next_command_is_one_that_this_run_can_take(projection, initial_run, expected):
    experiment = tiny_experiment("none", model={"projection": projection}, initial_run=initial_run)
    assert experiment.next_command == expected


def test_refine_then_evaluate(tmp_path):
    data = write_records(tmp_path / "data")
    run = write_run(tmp_path / "run", data)
    refined = command("refine", f"--run={run}", "--pairs=100")
    assert refined.returncode == 0, refined.stderr
    assert "refitted on 100 pairs" in refined.stdout
    evaluated = command("evaluate", f"--run={run}", "--candidates=40")
    assert evaluated.returncode == 0, evaluated.stderr
    assert "refined.weights.h5" in evaluated.stdout
    assert f"written to {run}/evaluation-test-40.json" in evaluated.stdout
