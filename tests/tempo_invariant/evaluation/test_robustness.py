"""Robustness: the same pairs everywhere, cut as in the records, ranked as `evaluate` does."""

import dataclasses
import json
import zlib

import numpy as np
import pytest

from tempo_invariant.audio.degradation import PHONE, RecordingDegradation
from tempo_invariant.data import schema
from tempo_invariant.errors import UserError
from tempo_invariant.evaluation import (
    metrics,
    pairs,
    query_sets,
    retrieval,
    robustness,
    robustness_tables,
)
from tempo_invariant.evaluation.conditions import CLEAN, Condition, conditions, select
from tempo_invariant.evaluation.retrieval import Selection
from tempo_invariant.scores import degradation, msmd, mung, page_image
from tempo_invariant.scores.places import Box
from tests.tiny_records import write_run
from tfrecords_tools.msmd import layout
from tfrecords_tools.music.notes import Music, Note, TempoMark, merge, midi_bytes
from tfrecords_tools.music.performing import Sound, perform
from tfrecords_tools.music.synthesis import default_soundfont
from tfrecords_tools.queries import playing
from tfrecords_tools.records.pairs import piece_records

SOUND = str(default_soundfont())
STEM = default_soundfont().stem
INKS = ("bold", "thin")


def _music(seed, chords):
    """Chords of one to three notes at sixteenths, some 20 ms apart, so that two share a frame."""
    random = np.random.default_rng(seed)
    tick, notes = 48, []
    for _ in range(chords):
        for pitch in sorted(random.choice(np.arange(48, 84), random.integers(1, 4), replace=False)):
            notes.append(Note(tick, int(pitch), 90))
        tick += int(random.choice([15, 96, 144, 192]))
    return Music(merge(notes), (TempoMark(0, 600_000),))


def _write_piece(root, name, seed, chords):
    """Writes a piece with a performance of each tempo, heads in two systems, a tie and a rest."""
    random = np.random.default_rng(seed)
    music = _music(seed, chords)
    features = {
        (tempo, seed_text): perform(
            music, Sound(SOUND, expression=bool(seed_text)), tempo, seed_text
        )
        for tempo, seed_text in (
            (1.0, ""),
            (1.25, ""),
            (1.0, layout.performance_name(name, 1.0, f"{STEM}-e1")),
        )
    }
    labels = {key: key[1] or layout.performance_name(name, key[0], STEM) for key in features}
    half = music.notes[len(music.notes) // 2].tick
    image = np.full((700, 835), 255, np.uint8)
    heads = []
    for event, note in enumerate(music.notes):
        system, start = (0, 0) if note.tick < half else (1, half)
        left, top = 80 + 0.2 * (note.tick - start), 100 + 300 * system + 90 - note.pitch
        image[int(top) : int(top) + 8, int(left) : int(left) + 9] = random.integers(0, 120)
        onsets = {
            labels[key]: mung.Onset(int(played.onsets[event]), float(played.notes[event, 0]), event)
            for key, played in features.items()
        }
        heads.append(
            mung.NoteHead(
                id=event,
                box=Box(top, left, top + 8, left + 9),
                pitch=note.pitch,
                system=1000 + system,
                tied=event == 7,
                moment=note.tick / 384,
                onsets={} if event == 11 else onsets,
            )
        )
    systems = tuple(
        mung.System(1000 + i, Box(100 + 300 * i, 40, 180 + 300 * i, 800)) for i in range(2)
    )
    source = root / f"{name}.ly"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text("{ c' }")
    thin = np.where(image < 255, image + 80, 255).astype(np.uint8)
    pages = [mung.Page(1, systems, tuple(heads))]
    layout.write_score(root / "msmd" / name, pages, {"bold": [image], "thin": [thin]}, source)
    for key, played in features.items():
        layout.write_performance(root / "msmd" / name, labels[key], played)
    (root / "msmd" / name / f"{name}.midi").write_bytes(midi_bytes(music))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("robustness")
    for name, seed, chords in (("b_piece", 1, 36), ("a_piece", 2, 30)):
        _write_piece(root, name, seed, chords)
    return root


@pytest.fixture(scope="module")
def records(root):
    """Records of each performance, by piece."""
    return {name: piece_records(root / "msmd" / name)[0] for name in ("a_piece", "b_piece")}


@pytest.fixture(scope="module")
def queries(root):
    """Recordings of the pieces as in their records, and a semitone too high."""
    played = [
        Condition(CLEAN, CLEAN),
        Condition("tempo 1.25", "tempo", tempo=1.25),
        Condition("expression", "expression", expression=1),
        Condition("high", degradation=RecordingDegradation(tuning_cents=100.0)),
    ]
    playing.write(root / "msmd", ["b_piece", "a_piece"], played, root / "queries")
    found = query_sets.by_condition(query_sets.read(root / "queries"))
    return {c.name: {query.piece: query for query in of_c} for c, of_c in found.items()}


@pytest.mark.parametrize("condition", ["clean", "tempo 1.25", "expression"])
def test_pairs_and_sound_are_those_of_the_records(root, records, queries, condition):
    """All performances of a record: another tempo, and expression, move the same note heads."""
    wanted_sound = (1.25 if condition == "tempo 1.25" else 1, STEM)
    if condition == "expression":
        wanted_sound = (1, f"{STEM}-e1")
    for name, made in records.items():
        [plain] = [r for r in made if r.tempo == 1 and r.soundfont == STEM]
        [wanted] = [r for r in made if (r.tempo, r.soundfont) == wanted_sound]
        piece = pairs.read_piece(root / "msmd", queries["clean"][name])
        recording = pairs.listen(piece, queries[condition][name])
        np.testing.assert_array_equal(recording.spectrogram, wanted.spectrogram)
        np.testing.assert_array_equal(piece.columns, plain.columns)
        np.testing.assert_array_equal(piece.strips["thin"], plain.strips[1])
        if wanted is plain:
            np.testing.assert_array_equal(recording.onset_frames, plain.onset_frames)
        else:  # the note heads that are a pair there, too, are where they are there
            there = dict(zip(wanted.columns, wanted.onset_frames, strict=True))
            both = zip(piece.columns, recording.onset_frames, strict=True)
            same = [(frame, there[column]) for column, frame in both if column in there]
            assert len(same) > 0.6 * len(piece.columns)
            assert all(here == frame for here, frame in same)


def test_tuned_onsets_are_heard_where_they_are_expected(root, queries):
    piece = pairs.read_piece(root / "msmd", queries["clean"]["a_piece"])
    plain, tuned = (pairs.listen(piece, queries[name]["a_piece"]) for name in ("clean", "high"))
    factor = 2 ** (-100 / 1200)
    assert len(tuned.spectrogram) == pytest.approx(len(plain.spectrogram) * factor, abs=1)
    moved = tuned.onset_frames - plain.onset_frames * factor
    assert np.abs(moved).max() <= 1 and np.ptp(tuned.onset_frames) < np.ptp(plain.onset_frames)


def test_pairs_are_evenly_spaced_over_the_pieces(root, queries):
    names = "a_piece", "b_piece"
    pieces = [pairs.read_piece(root / "msmd", queries["clean"][name]) for name in names]
    every = [(piece.name, pair.head.id) for piece in pieces for pair in piece.pairs]
    for limit in (1, 7, len(every) - 1, len(every), len(every) + 5):
        few = pairs.choose_pairs(pieces, limit)
        chosen = [(piece.name, pair.head.id) for piece in few for pair in piece.pairs]
        count = min(limit, len(every))
        assert chosen == [every[i * len(every) // count] for i in range(count)]


def test_worn_pages_are_those_of_poor_scans_once_they_are_read(root, queries):
    query = queries[CLEAN]["a_piece"]
    piece = pairs.read_piece(root / "msmd", query, worn=True)
    assert list(piece.strips) == [*INKS, "worn"]
    plain = pairs.read_piece(root / "msmd", query)
    assert list(plain.strips) == list(INKS) and plain.placements == piece.placements
    score = msmd.read_score(root / "msmd" / "a_piece")
    generator = np.random.default_rng([zlib.crc32(b"a_piece_ly"), 1])
    how = dataclasses.replace(degradation.draw(generator), degrees=0)
    page = degradation.degrade(score.image("bold", 1), how, generator)
    seen = np.rint(255 * (1 - page_image.ink(page))).astype(int)
    # Two systems, cut 100 rows above and below their middle, halved.
    for number, system in enumerate(score.pages[0].systems):
        top, left, right = round(system.box.centre_row) - 100, 40, 800
        cut = seen[top : top + 200, left:right].reshape(100, 2, 380, 2).mean(axis=(1, 3))
        found = piece.strips["worn"][380 * number : 380 * (number + 1)].T
        np.testing.assert_allclose(found, cut, atol=0.51)
    assert np.abs(piece.strips["worn"].astype(int) - piece.strips["bold"]).max() > 20


def test_a_truth_without_a_pair_and_an_unknown_ink_are_refused(root, queries):
    clean = queries["clean"]["a_piece"]
    piece = pairs.read_piece(root / "msmd", clean)
    lost = piece.pairs[3].head.id
    fewer = dataclasses.replace(clean, strikes=clean.strikes[clean.strikes["head"] != lost])
    with pytest.raises(UserError, match=f"lacks note head {lost} of page 1"):
        pairs.pair_frames(piece, fewer)
    unnamed = clean.strikes.copy()
    unnamed["head"] = -1
    nobody = dataclasses.replace(clean, strikes=unnamed)
    with pytest.raises(UserError, match="names no note head of a_piece"):
        pairs.read_piece(root / "msmd", nobody)
    with pytest.raises(UserError, match="a_piece: is not drawn in the ink 'gold'"):
        robustness.embed_snippets(None, piece, "gold")


def test_clean_gives_the_numbers_of_evaluate(root, records, tmp_path):
    import tensorflow as tf

    shard = tmp_path / "records" / schema.shard_name("test", 0, 1)
    shard.parent.mkdir()
    with tf.io.TFRecordWriter(str(shard)) as writer:
        for name in sorted(records):
            for record in records[name]:
                writer.write(schema.serialize(record))
    listed = schema.Shard(shard.name, shard.stat().st_size, 6)
    counts = sum(len(r.onset_frames) for made in records.values() for r in made)
    info = schema.SplitInfo(2, 6, counts, 0, 0.0, [listed])
    schema.write_info(shard.parent, {"test": info})
    run = write_run(tmp_path / "run", shard.parent, attention=True)
    expected = retrieval.evaluate(run, Selection(candidates=47, soundfont=STEM))
    pieces = ["b_piece", "a_piece"]
    inks = robustness.shared_inks(root / "msmd", pieces)
    asked = select(
        conditions([SOUND], inks), ["tempo 1.25", "ink", "page", "level -20 dB", "phone"]
    )
    playing.write(root / "msmd", pieces, asked, tmp_path / "queries")
    queries = query_sets.read(tmp_path / "queries")
    settings = {"candidates": 47, "keep": tmp_path / "keep"}
    report = robustness.measure(str(run), root / "msmd", queries, **settings)
    assert (report["pairs"], report["pieces"], report["soundfont"]) == (47, 2, STEM)
    clean, *others = report["conditions"]
    assert clean["name"] == CLEAN
    assert clean["results"] == expected["results"]
    for direction in retrieval.DIRECTIONS:
        assert clean["loss"][direction] == {"r@1": [0, 0, 0], "mrr": [0, 0, 0]}
        for row in others:
            seen, before = (r["results"][direction]["mrr"][0] for r in (row, clean))
            assert row["loss"][direction]["mrr"][0] == pytest.approx(1 - seen / before)
            assert row["results"][direction] != clean["results"][direction]
    names = ["tempo 1.25", "level -20 dB", "ink thin", "page worn", "phone", "phone and expression"]
    assert [row["name"] for row in others] == names
    assert "| level -20 dB |" in robustness_tables.table(report)

    def broken(*arguments):
        raise AssertionError("all of it is kept")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(robustness, "_predict", broken)
        patch.setattr(robustness, "listen", broken)
        assert robustness.measure(str(run), root / "msmd", queries, **settings) == report
    [path] = (tmp_path / "keep").glob("a_piece*")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=f"{path.name}: damaged"):
        robustness.measure(str(run), root / "msmd", queries, **settings)


def test_what_cannot_be_compared_is_refused(queries):
    clean, fast = (list(queries[name].values()) for name in ("clean", "tempo 1.25"))
    with pytest.raises(UserError, match="no condition 'clean'"):
        robustness.measure("nowhere", "nowhere", fast)
    with pytest.raises(UserError, match="tempo 1.25: must have one recording of every piece"):
        robustness.measure("nowhere", "nowhere", [*clean, fast[0]])
    entry = dataclasses.replace(fast[1].entry, seconds=3.0)
    part = dataclasses.replace(fast[1], entry=entry)
    with pytest.raises(UserError, match="tempo 1.25: must have whole recordings"):
        robustness.measure("nowhere", "nowhere", [*clean, fast[0], part])


def test_conditions_and_their_names():
    every = conditions(["a/One.sf2", "Two.sf2"], ["thin"])
    names = [condition.name for condition in every]
    assert len(set(names)) == len(names) and names[0] == CLEAN
    by_name = {condition.name: condition for condition in every}
    sound = "a/One.sf2"
    assert by_name["tempo 0.66"] == Condition("tempo 0.66", "tempo", 0.66, sound)
    assert by_name["tuning -30 cents"].degradation.tuning_cents == -30
    assert by_name["ink thin"] == Condition("ink thin", "ink", soundfont=sound, ink="thin")
    assert by_name["page worn"] == Condition("page worn", "page", soundfont=sound, ink="worn")
    assert by_name["phone"] == Condition("phone", "phone", soundfont=sound, degradation=PHONE)
    assert by_name["soundfont Two"] == Condition("soundfont Two", "soundfont", soundfont="Two.sf2")
    chosen = [condition.name for condition in select(every, ["tempo 2", "room"])]
    assert chosen == [CLEAN, "tempo 2", "room 0.4 s", "room 1 s"]
    assert select(every, []) == every
    with pytest.raises(UserError, match="'snow': no such condition; there are clean, tempo"):
        select(every, ["snow"])


def test_losses_are_paired():
    random = np.random.default_rng(3)
    pieces = np.repeat(list("abcdefgh"), 50)
    ease = np.repeat(random.uniform(0.1, 0.9, 8), 50)
    clean = np.where(random.uniform(size=400) < ease, 1, 7)
    worse = np.where((clean == 1) & (random.uniform(size=400) < 0.8), 1, 9)
    lost = robustness_tables.losses(clean, worse, pieces, seed=4)
    before, after = (metrics.summary(ranks) for ranks in (clean, worse))
    for name in ("r@1", "mrr"):
        assert lost[name][0] == pytest.approx(1 - after[name] / before[name])
        assert lost[name][1] < lost[name][0] < lost[name][2]
    # Draw by draw, with pieces taken one by one.
    draws = np.random.default_rng(4).multinomial(8, np.full(8, 1 / 8), size=1000)
    values = []
    for draw in draws:
        index = np.concatenate([np.arange(50 * i, 50 * i + 50) for i in np.repeat(range(8), draw)])
        values.append(1 - np.mean(worse[index] == 1) / np.mean(clean[index] == 1))
    np.testing.assert_allclose(lost["r@1"][1:], np.quantile(values, [0.025, 0.975]))
    # R@1 itself, which is a smaller number, varies more from draw to draw than what is lost.
    spread = metrics.bootstrap_intervals(worse, pieces)["r@1"]
    assert lost["r@1"][2] - lost["r@1"][1] < 0.7 * (spread[1] - spread[0])
    with pytest.raises(ValueError, match="got 3, 2 and 2"):
        robustness_tables.losses(clean[:2], worse[:2], pieces[:3])


def _report(run, shift):
    def row(name, group, tempo):
        value = [0.8 - shift * abs(np.log(tempo)), 0.5, 0.9]
        values = {"r@1": value, "mrr": value}
        both = dict.fromkeys(retrieval.DIRECTIONS, values)
        return {"name": name, "group": group, "tempo": tempo, "results": both, "loss": both}

    rows = [
        row("clean", "clean", 1.0),
        row("tempo 2", "tempo", 2.0),
        row("tempo 0.5", "tempo", 0.5),
    ]
    head = {"run": run, "weights": "best", "pairs": 9, "pieces": 2, "soundfont": "Sine"}
    return head | {"conditions": [*rows, row("expression", "expression", 1.0)]}


def test_figure_and_reading(tmp_path):
    reports = [_report("runs/one", 0.1), _report("runs/two", 0.2)]
    paths = [tmp_path / "one.json", tmp_path / "two.json"]
    for path, report in zip(paths, reports, strict=True):
        path.write_text(json.dumps(report))
    figure = robustness_tables.tempo_figure(robustness_tables.read_reports(paths), ["a", "b"])
    curve = figure.axes[0]
    assert curve.get_xscale() == "log"
    assert [text.get_text() for text in curve.get_legend().get_texts()] == ["a", "b"]
    np.testing.assert_allclose(curve.lines[1].get_xdata(), [0.5, 1, 2])
    fallen = 0.8 - 0.2 * np.log(2)
    np.testing.assert_allclose(curve.lines[1].get_ydata(), [fallen, 0.8, fallen])
    reports[1]["conditions"].pop(1)
    lines = robustness_tables.comparison(reports, ["a", "b"]).splitlines()
    assert lines[2] == "| condition | a | b |"
    assert lines[4] == "| clean (R@1) | 80.0 [50.0, 90.0] | 80.0 [50.0, 90.0] |"
    slower = "| tempo 0.5 | 73.1 [50.0, 90.0] | 66.1 [50.0, 90.0] |"
    assert lines[5:] == [slower, "| expression | 80.0 [50.0, 90.0] | 80.0 [50.0, 90.0] |"]
    with pytest.raises(UserError, match="no conditions of tempo"):
        robustness_tables.tempo_figure(
            [reports[0] | {"conditions": reports[0]["conditions"][:1]}], ["a"]
        )
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(UserError, match="no report of robustness"):
        robustness_tables.read_reports([tmp_path / "other.json"])
