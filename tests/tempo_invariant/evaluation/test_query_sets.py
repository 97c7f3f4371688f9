"""Query sets: what is read is what is said, and what is wrong is said in one line."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

from tempo_invariant import json_objects
from tempo_invariant.audio.degradation import PHONE, RecordingDegradation, degrade_recording
from tempo_invariant.errors import UserError
from tempo_invariant.evaluation import query_sets
from tempo_invariant.evaluation.conditions import Condition
from tempo_invariant.evaluation.query_sets import Strike
from tests.query_files import query_set

RATE = 22050
NOISE = np.random.default_rng(0).normal(0, 0.1, 3 * RATE).astype(np.float32)
STRIKES = [Strike(0.1, 1, 2, 30.5, 0.25, 7, True), Strike(1 / 3, 2, 1, 40.0)]
BENT = RecordingDegradation(tuning_cents=100.0, equalization=((60.0, 3.0), (4000.0, -3.0)))


def test_a_query_is_degraded_amplified_and_cut(tmp_path):
    condition = Condition("loud", "level", degradation=PHONE, gain_db=6.0, seconds=1.0)
    more = {"seed": (3, 4), "start_seconds": 0.5, "seconds": 1.0}
    plain = Condition("plain")
    loud, whole = query_set(
        tmp_path,
        [("piece", condition, NOISE, STRIKES, more), ("piece", plain, NOISE, STRIKES, {})],
    )
    np.testing.assert_array_equal(whole.pcm(), NOISE)
    expected = degrade_recording(NOISE, PHONE, [3, 4]) * np.float32(10**0.3)
    np.testing.assert_array_equal(loud.pcm(), expected[RATE // 2 : RATE // 2 + RATE])
    rows = whole.truth()
    assert rows["seconds"].tolist() == [0.1, 1 / 3]
    assert rows[["page", "system", "x"]].tolist() == [(1, 2, 30.5), (2, 1, 40.0)]
    assert rows["head"].tolist() == [7, -1] and rows["tied"].tolist() == [True, False]
    assert rows["moment"][0] == 0.25 and np.isnan(rows["moment"][1])
    # 20 cents too high: faster by 2 ^ (20 / 1200).
    assert loud.truth()["seconds"] == pytest.approx(rows["seconds"] * 2 ** (-1 / 60))


def test_an_excerpt_that_begins_after_the_end_is_named(tmp_path):
    late = {"start_seconds": 500.0, "seconds": 1.0}
    (query,) = query_set(tmp_path, [("piece", Condition("plain"), NOISE, STRIKES, late)])
    with pytest.raises(UserError, match="lasts 3.0 s, and the query of piece begins at 500 s"):
        query.pcm()


def test_conditions_are_read_as_they_were_written(tmp_path):
    conditions = [
        Condition("a", "tempo", 0.66, "Piano.sf2", 2, 10.0, -3.0, BENT, "thin"),
        Condition("b", degradation=RecordingDegradation(noise_snr_db=10.0, mp3_kilobits=64)),
    ]
    json_objects.save(tmp_path / "conditions.json", conditions)
    assert json_objects.load(list[Condition], tmp_path / "conditions.json") == conditions
    queries = query_set(tmp_path, [("p", c, NOISE[:100], STRIKES, {}) for c in conditions])
    assert [query.condition for query in queries] == conditions
    assert list(query_sets.by_condition(queries)) == conditions


def test_a_set_may_be_written_by_hand(tmp_path):
    """The example of the module, with a recording of another rate and two channels."""
    text = query_sets.__doc__.split("`queries.json`:\n\n")[1].split("\n\n")[0]
    (tmp_path / "queries.json").write_text(text)
    rows = query_sets.__doc__.split("in any order:\n\n")[1].split("\n\n")[0]
    (tmp_path / "waltz.json").write_text(rows)
    seconds = np.arange(50 * 44100) / 44100
    both = np.stack([np.sin(900 * seconds), np.sin(900 * seconds)], axis=1) / 4
    soundfile.write(tmp_path / "waltz.mp3", both, 44100, format="MP3")
    whole, part = query_sets.read(tmp_path)
    assert len(whole.pcm()) == pytest.approx(50 * RATE, abs=RATE // 4)
    assert len(part.pcm()) == 10 * RATE and part.entry.start_seconds == 31.5
    levels = [np.std(query.pcm()[RATE:-RATE]) for query in (whole, part)]
    assert 20 * np.log10(levels[1] / levels[0]) == pytest.approx(-6, abs=0.1)
    assert whole.condition.text == "concert"
    assert part.truth()["x"].tolist() == [132.5, 161.0]


@pytest.mark.parametrize(
    "name,change,message",
    [
        ("queries.json", lambda c: c | {"format": 2}, "not a query set of format 1"),
        ("queries.json", lambda c: c | {"queries": []}, "holds no query"),
        ("queries.json", lambda c: c | {"queries": {}}, "queries: must be a list"),
        ("queries.json", lambda c: c | {"conditions": 2 * c["conditions"]}, "have one name"),
        ("queries.json", ("queries", {"condition": "b"}), "piece: unknown condition 'b'"),
        ("queries.json", ("queries", {"audio": "no.wav"}), "no.wav: no such audio file"),
        ("queries.json", ("queries", {"truth": "no.json"}), "no.json: no such file"),
        (
            "queries.json",
            ("queries", {"seconds": "3"}),
            "queries[0]: seconds: must be a number",
        ),
        (
            "queries.json",
            ("queries", {"seed": [0.5]}),
            "queries[0]: seed[0]: must be a whole number",
        ),
        ("queries.json", ("conditions", {"sound": "x"}), "conditions[0]: unknown field 'sound'"),
        ("queries.json", ("conditions", {"tempo": 0}), "conditions[0]: tempo must be from 0.05"),
        ("queries.json", ("conditions", {"expression": -1}), "expression must not"),
        ("queries.json", ("conditions", {"gain_db": 1e308}), "gain_db must be from -200"),
        ("queries.json", ("queries", {"start_seconds": -1}), "must not be negative"),
        ("queries.json", ("queries", {"start_seconds": 1e308}), "must be at most 1,000,000"),
        ("queries.json", ("queries", {"seed": [-1]}), "must not be negative"),
        ("queries.json", ("queries", {"seed": [10**30]}), "seed[0]: must be a whole number"),
        ("queries.json", ("queries", {"audio": "\ud800"}), "audio: must be a text"),
        (
            "queries.json",
            ("conditions", {"degradation": {"tuning_cents": 1e9}}),
            "tuning_cents must be at most 1200",
        ),
        (
            "queries.json",
            ("conditions", {"degradation": {"equalization": [[1.0]]}}),
            "degradation: equalization[0]: must be a list of 2",
        ),
        ("0.json", lambda c: [], "no note head is aligned"),
        (
            "0.json",
            lambda c: c + [{"page": 1, "system": 1, "x": 2.0}],
            "0.json[2]: field 'seconds' is",
        ),
        ("0.json", lambda c: [c[0] | {"page": True}], "0.json[0]: page: must be a whole number"),
        (
            "0.json",
            lambda c: [c[0] | {"seconds": float("inf")}],
            "0.json[0]: seconds: must be a number",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path, name, change, message):
    query_set(tmp_path, [("piece", Condition("a"), NOISE, STRIKES, {})])
    content = json.loads((tmp_path / name).read_text())
    if isinstance(change, tuple):
        content[change[0]][0] |= change[1]
    else:
        content = change(content)
    (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(UserError) as caught:
        query_sets.read(tmp_path)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_damaged_files_and_missing_pieces_are_refused(tmp_path):
    query_set(tmp_path, [("piece", Condition("a"), NOISE, STRIKES, {})])
    assert len(query_sets.read(tmp_path, ["piece"])) == 1
    with pytest.raises(UserError, match="holds no query of 'other'"):
        query_sets.read(tmp_path, ["piece", "other"])
    (tmp_path / "queries.json").write_text("{")
    with pytest.raises(UserError, match="queries.json: not a JSON file"):
        query_sets.read(tmp_path)
    with pytest.raises(UserError, match="no query set: it holds no queries.json"):
        query_sets.read(tmp_path / "nowhere")


def test_a_key_names_what_is_heard_wherever_it_lies(tmp_path):
    noisy = RecordingDegradation(noise_snr_db=3.0)
    recordings = [
        ("p", Condition("a"), NOISE, STRIKES, {}),
        ("p", Condition("b", "ink", ink="thin"), NOISE, STRIKES, {}),
        ("p", Condition("c", gain_db=1.0), NOISE, STRIKES, {}),
        ("p", Condition("d", degradation=noisy), NOISE, STRIKES, {"seed": (1,)}),
        ("p", Condition("e", degradation=noisy), NOISE, STRIKES, {"seed": (2,)}),
        ("p", Condition("f"), NOISE[:-1], STRIKES, {}),
        ("p", Condition("g"), NOISE, STRIKES[:1], {}),
    ]
    keys = [query.key() for query in query_set(tmp_path / "one", recordings)]
    assert keys[0] == keys[1] and len(set(keys)) == len(keys) - 1
    assert keys == [query.key() for query in query_set(tmp_path / "two", recordings)]


def test_ahead_keeps_the_order_and_passes_errors_on():
    def slow(number):
        time.sleep(0.02 * (number % 3 == 0))
        return number**2

    assert list(query_sets.ahead(slow, range(20))) == [number**2 for number in range(20)]
    with pytest.raises(ZeroDivisionError):
        list(query_sets.ahead(lambda number: 1 / number, [1, 0, 2]))
    started = []
    next(query_sets.ahead(started.append, range(1000)))
    assert len(started) <= 2 * (os.cpu_count() or 1) + 1


def test_the_error_of_the_command_that_plays_is_told_once(tmp_path, capfd):
    with pytest.raises(UserError, match="^--msmd=nowhere: no such file or directory$"):
        with query_sets.opened(None, arguments=["--msmd=nowhere"], keep=tmp_path):
            pass
    assert capfd.readouterr().err == ""


def test_reading_needs_no_tensorflow():
    check = "import sys; import tempo_invariant.evaluation.query_sets; "
    check += "sys.exit('tensorflow' in sys.modules or 'tfrecords_tools' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0
