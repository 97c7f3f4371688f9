"""Pairs: cut where they should be, augmented as asked, uniform, resumable, fixed in evaluation."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tempo_invariant.data import pipeline
from tempo_invariant.data.corpus import load_corpus
from tempo_invariant.data.cutting import ONSET_SEEN_FRAMES, Draw
from tempo_invariant.data.shards import StoredRows
from tempo_invariant.errors import UserError
from tempo_invariant.variations import NO_AUGMENTATION, Augmentation
from tests.tempo_invariant.data.test_schema import make_record, write_split

T = 20


def batches(dataset, count):
    return [{k: v.numpy() for k, v in batch.items()} for batch in dataset.take(count)]


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """A corpus of one record, and the record."""
    record = make_record(pairs=9)  # on 329 columns; the last head is near column 292
    folder = tmp_path_factory.mktemp("one")
    write_split(folder, [record])
    return load_corpus(folder, "train"), record


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("several")


@pytest.fixture(scope="module")
def several(folder):
    """Pieces of very different length, each at two tempi with two soundfonts."""
    records = [
        make_record(f"piece{p}", tempo, font, seed=p, pairs=5 + 30 * p, frames=60 + 160 * p)
        for p in range(4)
        for tempo in (0.9, 1.0)
        for font in ("Alto", "Basso")
    ]
    write_split(folder, records)
    return load_corpus(folder, "train"), records


def expected_pair(record, index, ink=0):
    """Snippet and excerpt of a pair, cut pixel by pixel."""
    strip = record.strips[ink]
    centre = int(np.floor(record.columns[index] / 2 + 0.5))
    sheet = np.full((80, 100), 255, np.uint8)
    for x in range(100):
        if 0 <= centre - 50 + x < len(strip):
            sheet[:, x] = strip[centre - 50 + x, 10:90]
    audio = np.zeros((92, T), np.float32)
    for t in range(T):
        frame = record.onset_frames[index] - T // 2 + t
        if 0 <= frame < len(record.spectrogram):
            audio[:, t] = record.spectrogram[frame]
    return sheet, audio


def test_evaluation_cuts_every_pair_and_pads(one):
    corpus, record = one
    dataset, table = pipeline.eval_dataset(corpus, 4, T)
    cut = batches(dataset, -1)
    assert [len(batch["sheet"]) for batch in cut] == [4, 4, 1]
    assert cut[0]["sheet"].dtype == np.uint8 and cut[0]["audio"].dtype == np.float32
    sheets = np.concatenate([batch["sheet"] for batch in cut])
    audios = np.concatenate([batch["audio"] for batch in cut])
    for index in range(9):
        sheet, audio = expected_pair(record, index)
        np.testing.assert_array_equal(sheets[index], sheet)
        np.testing.assert_array_equal(audios[index], audio)
    assert (audios[0, :, : T // 2 - 2] == 0).all()  # first onset is at frame 2
    assert (sheets[8, :, 87:] == 255).all()  # columns 242 to 341 of 329
    assert (sheets[8, :, 86] != 255).any()
    np.testing.assert_array_equal(table.onset_frame, record.onset_frames)
    np.testing.assert_array_equal(table.column, record.columns)
    assert set(table.piece) == {"Bach__x"}


def test_evaluation_cuts_late_and_without_a_future(one):
    corpus, record = one
    later = dataclasses.replace(record, onset_frames=np.array(record.onset_frames) + 2)
    dataset, table = pipeline.eval_dataset(corpus, 9, T, late_frames=2, future=0.3)
    [batch] = batches(dataset, -1)
    for index in range(9):
        sheet, audio = expected_pair(later, index)
        audio[:, T // 2 + 3 :] = 0
        np.testing.assert_array_equal(batch["sheet"][index], sheet)
        np.testing.assert_array_equal(batch["audio"][index], audio)
    np.testing.assert_array_equal(table.onset_frame, record.onset_frames)


def test_training_without_augmentation_cuts_the_same_pairs(one):
    corpus, record = one
    dataset = pipeline.train_dataset(corpus, 32, T, NO_AUGMENTATION, seed=1)
    known = {expected_pair(record, i)[0].tobytes(): expected_pair(record, i)[1] for i in range(9)}
    [batch] = batches(dataset, 1)
    assert batch["sheet"].shape == (32, 80, 100) and batch["audio"].shape == (32, 92, T)
    for sheet, audio in zip(batch["sheet"], batch["audio"], strict=True):
        np.testing.assert_array_equal(known[sheet.tobytes()], audio)


def test_resampling_with_scale_1_and_shift_0_is_the_plain_cut(one):
    corpus, record = one
    tiny = dataclasses.replace(NO_AUGMENTATION, scale=1e-9)
    [batch] = batches(pipeline.train_dataset(corpus, 64, T, tiny, seed=2), 1)
    known = {expected_pair(record, i)[0].tobytes() for i in range(9)}
    assert {sheet.tobytes() for sheet in batch["sheet"]} == known


def flat_corpus(tmp_path, strip, spectrogram, column=300.0, onset=25):
    """A corpus of one pair with the given half-resolution strip [columns, 100]."""
    record = dataclasses.replace(
        make_record(pairs=1),
        strips=np.stack([strip, strip]).astype(np.uint8),
        spectrogram=spectrogram.astype(np.float16),
        onset_frames=np.array([onset]),
        columns=np.array([column], np.float32),
    )
    write_split(tmp_path, [record])
    return load_corpus(tmp_path, "train")


def test_scale_and_shift_move_the_picture_as_asked(tmp_path):
    """Brightness that grows with row or column reveals where each pixel came from."""
    ramp = np.broadcast_to(np.arange(100) * 2.0, (300, 100))
    rows = flat_corpus(tmp_path, ramp, np.zeros((50, 92)))
    shifted = dataclasses.replace(NO_AUGMENTATION, shift_pixels=5)
    [batch] = batches(pipeline.train_dataset(rows, 400, T, shifted, seed=3), 1)
    # Row 0 of the cut is row 10 - shift / 2 of the strip, value 20 - shift.
    shifts = 20 - batch["sheet"][:, 0, 0].astype(int)
    assert set(shifts) == set(range(-5, 6))
    assert (np.diff(batch["sheet"][:, :, 0].astype(int), axis=1) == 2).all()
    columns = np.broadcast_to(np.clip(np.arange(300)[:, None] - 50.0, 0, 255), (300, 100))
    corpus = flat_corpus(tmp_path / "b", columns, np.zeros((50, 92)))
    scaled = dataclasses.replace(NO_AUGMENTATION, scale=0.05)
    [batch] = batches(pipeline.train_dataset(corpus, 400, T, scaled, seed=3), 1)
    # Pixels 0 and 99 are 99 / factor half-resolution columns apart, around column 150 - 0.5.
    row = batch["sheet"][:, 40, :].astype(float)
    factors = 99 / (row[:, 99] - row[:, 0])
    assert 0.94 < factors.min() < 0.96 and 1.04 < factors.max() < 1.06
    np.testing.assert_allclose((row[:, 99] + row[:, 0]) / 2, 99.5, atol=0.51)


@pytest.mark.parametrize("blur", [0, 1e-6])  # with, a share of the snippets is cut in another way
def test_staves_move_apart_and_together(tmp_path, blur):
    """Brightness that grows from row to row reveals where each pixel came from."""
    ramp = np.broadcast_to(np.arange(100) * 2.0, (300, 100))
    rows = flat_corpus(tmp_path, ramp, np.zeros((50, 92)))
    moving = dataclasses.replace(NO_AUGMENTATION, staff_pixels=24, blur=blur)
    [batch] = batches(pipeline.train_dataset(rows, 400, T, moving, seed=3), 1)
    shown = batch["sheet"][:, :, 0].astype(int)
    # Each half moves by up to 12 pixels, 6 rows; unmoved, the cut begins with row 10, value 20.
    apart = shown[:, 0] - 20
    assert apart.min() < -11 and apart.max() > 11 and abs(apart).max() <= 12
    assert (abs(shown[:, 0] + shown[:, 79] - 198) <= 1).all()
    # The halves move as a whole, and meet in the middle, between rows 39 and 40.
    assert (abs(np.diff(shown[:, :33], axis=1) - 2) <= 1).all()
    assert (abs(shown[:, 33] - shown[:, 0] - 66) <= 1).all()
    assert (abs(shown[:, 39:41] - [98, 100]) <= 3).all() and (np.diff(shown, axis=1) >= 0).all()
    assert (abs(shown[apart > 4][:, 38:42] - 99) <= 1).all()  # an empty middle


def test_a_page_that_lies_evenly_is_cut_as_ever(one):
    corpus, _ = one
    augmentation = Augmentation(scale=0.2, skew_degrees=1e-6, worn_share=0.7)
    flat = dataclasses.replace(augmentation, skew_degrees=0)
    plain, worn = (
        batches(pipeline.train_dataset(corpus, 64, T, a, seed=2), 1)[0]
        for a in (flat, augmentation)
    )
    difference = np.abs(plain["sheet"].astype(int) - worn["sheet"])
    assert difference.max() <= 1 and difference.mean() < 0.01


def test_the_worn_share_is_exact_and_anywhere_in_the_batch(one):
    corpus, _ = one
    augmentation = Augmentation(grey_paper=0.5, worn_share=0.25, missing_future=0.5)
    plain = dataclasses.replace(augmentation, worn_share=0, missing_future=0)
    expected, found = (
        batches(pipeline.train_dataset(corpus, 20, T, a, seed=2), 60) for a in (plain, augmentation)
    )
    worn, early = [], []
    for before, after in zip(expected, found, strict=True):
        changed = (before["sheet"] != after["sheet"]).any(axis=(1, 2))
        assert changed.sum() <= 5  # half of five have grey paper, half pale ink
        worn.append(changed)
        early.append((before["audio"] != after["audio"]).any(axis=(1, 2)))
    assert max(one.sum() for one in worn) == 5
    counts = np.sum(worn, axis=0)
    assert counts.min() > 2 and counts.max() < 25  # of 60 x 0.25 x 0.75 = 11
    # What is done to one half of a pair does not tell what is done to the other.
    assert abs(np.corrcoef(np.ravel(worn), np.ravel(early))[0, 1]) < 0.1


def test_onset_stretch_and_level(tmp_path):
    time = np.broadcast_to(np.arange(200)[:, None] / 100.0, (200, 92))
    corpus = flat_corpus(tmp_path, np.zeros((300, 100)), time, onset=100)

    def middle_and_slope(**changes):
        augmentation = dataclasses.replace(NO_AUGMENTATION, **changes)
        [batch] = batches(pipeline.train_dataset(corpus, 300, T, augmentation, seed=4), 1)
        audio = batch["audio"][:, 40]
        return audio[:, T // 2], (audio[:, -1] - audio[:, 0]) / (T - 1), batch["audio"]

    middle, slope, _ = middle_and_slope(onset_frames=1)
    assert set(np.round(middle * 100)) == {99, 100, 101}
    np.testing.assert_allclose(slope, 0.01, atol=1e-4)
    middle, slope, _ = middle_and_slope(stretch=2.0)
    np.testing.assert_allclose(middle, 1 + ONSET_SEEN_FRAMES * (slope - 0.01), atol=1e-3)
    logs = np.log2(0.01 / slope)
    assert logs.min() < -0.95 and logs.max() > 0.95 and abs(logs.mean()) < 0.15
    _, _, audio = middle_and_slope(level_db=12.0)
    gain_db = 20 * np.log10((10.0 ** audio[:, 40, 10] - 1) / (10.0**1.0 - 1))
    assert gain_db.min() < -11 and gain_db.max() > 11 and abs(gain_db.mean()) < 1.5


def test_inks_tempi_and_soundfonts_are_switched(several):
    corpus, records = several

    def seen(**changes):
        augmentation = dataclasses.replace(NO_AUGMENTATION, **changes)
        dataset = pipeline.train_dataset(corpus, 200, T, augmentation, seed=5)
        return batches(dataset, 1)[0]

    allowed = pipeline.wanted_records(corpus, NO_AUGMENTATION)
    chosen = [record.performance for record, a in zip(records, allowed, strict=True) if a]
    assert chosen == [f"piece{p}_tempo-1000_Alto" for p in range(4)]
    both = pipeline.wanted_records(corpus, dataclasses.replace(NO_AUGMENTATION, tempo=True))
    assert {corpus.record_tempo[i] for i in np.flatnonzero(both)} == {np.float32(0.9), 1.0}
    plain, inked = seen(), seen(ink=True)
    inks = (plain["sheet"] == inked["sheet"]).all(axis=(1, 2))
    assert 0.3 < inks.mean() < 0.7


def test_pairs_are_drawn_uniformly(several):
    corpus, _ = several
    dataset = pipeline.train_dataset(
        corpus, 2000, 1, dataclasses.replace(NO_AUGMENTATION, tempo=True, soundfont=True), seed=6
    )
    values = np.concatenate([b["audio"][:, :, 0] for b in batches(dataset, 10)])
    spectrograms = corpus.spectrograms.tensor.numpy().astype(np.float32)
    frames = corpus.spectrograms.start[corpus.pair_record] + corpus.pair_frame
    # Frames with equal content (one seed per piece) are told apart by piece only.
    piece = corpus.record_piece[corpus.pair_record]
    owner = {spectrograms[f].tobytes(): p for f, p in zip(frames, piece, strict=True)}
    counts = np.bincount([owner[value.tobytes()] for value in values], minlength=4)
    expected = np.bincount(piece) / len(piece) * len(values)
    assert stats.chisquare(counts, expected).pvalue > 1e-3


def test_passages_are_of_one_performance_and_every_pair_is_equally_likely(several):
    corpus, _ = several
    tempo = dataclasses.replace(NO_AUGMENTATION, tempo=True)
    choose = pipeline.pair_chooser(corpus, tempo, passage_pairs=4)
    drawn = np.stack([choose(Draw(6, tf.constant(step), 400)).numpy() for step in range(50)])
    passages = drawn.reshape(-1, 4)
    record = corpus.pair_record[passages]
    assert (record == record[:, :1]).all()
    lengths = np.bincount(corpus.pair_record)[record[:, 0]]
    gaps = np.diff(passages, axis=1) % lengths[:, None]
    long = gaps[lengths == lengths.max()]  # of 95 pairs; a gap is from 1 to 99
    assert 0.14 < (long == 1).mean() < 0.18  # log 2 / log 100 = 0.15, and 96 is 1 again
    assert (long > 60).any()
    allowed = [font == "Alto" for font in corpus.soundfonts]
    pairs = np.flatnonzero(np.array(allowed)[corpus.pair_record])
    counts = np.bincount(drawn.ravel(), minlength=corpus.pairs)
    assert counts.sum() == counts[pairs].sum()  # the first soundfont alone
    for place in range(4):
        counts = np.bincount(passages[:, place], minlength=corpus.pairs)[pairs]
        assert stats.chisquare(counts).pvalue > 1e-3


def test_starts_again_at_any_step(several):
    corpus, _ = several
    everything = Augmentation(
        stretch=1.5,
        level_db=6,
        tuning_cents=20,
        reverberation_seconds=0.5,
        equalization_db=6,
        low_cut_hz=300,
        noise_snr_db=10,
        mask_frames=4,
        missing_future=0.3,
        skew_degrees=2,
        handwriting=3,
        grain=8,
    )
    whole = batches(pipeline.train_dataset(corpus, 16, T, everything, seed=7), 6)
    rest = batches(pipeline.train_dataset(corpus, 16, T, everything, seed=7, start_step=4), 2)
    other = batches(pipeline.train_dataset(corpus, 16, T, everything, seed=8), 1)
    for expected, value in zip(whole[4:], rest, strict=True):
        np.testing.assert_array_equal(value["sheet"], expected["sheet"])
        np.testing.assert_array_equal(value["audio"], expected["audio"])
    assert (whole[0]["audio"] != other[0]["audio"]).any()
    assert (whole[0]["audio"] != whole[1]["audio"]).any()


def test_a_split_left_in_its_shards_gives_the_same_batches(several, folder):
    held, _ = several
    stored = load_corpus(folder, "train", memory_mib=0.1)
    assert isinstance(stored.spectrograms, StoredRows) and isinstance(stored.strips, StoredRows)
    for augmentation in (NO_AUGMENTATION, Augmentation(scale=0.3, stretch=1.7, uneven_scale=0.4)):
        expected, values = (
            batches(pipeline.train_dataset(corpus, 50, T, augmentation, seed=9), 3)
            for corpus in (held, stored)
        )
        for a, b in zip(expected, values, strict=True):
            np.testing.assert_array_equal(b["sheet"], a["sheet"])
            np.testing.assert_array_equal(b["audio"], a["audio"])
    expected, values = (batches(pipeline.eval_dataset(c, 30, T)[0], -1) for c in (held, stored))
    assert [len(batch["sheet"]) for batch in values] == [30] * 6 + [20]
    for a, b in zip(expected, values, strict=True):
        np.testing.assert_array_equal(b["sheet"], a["sheet"])
        np.testing.assert_array_equal(b["audio"], a["audio"])


def test_evaluation_is_fixed_and_evenly_spaced(several):
    corpus, records = several
    everything, table = pipeline.eval_dataset(corpus, 50, T, soundfont="Basso")
    assert len(table) == sum(5 + 30 * p for p in range(4))
    assert set(table.performance) == {f"piece{p}_tempo-1000_Basso" for p in range(4)}
    dataset, few = pipeline.eval_dataset(corpus, 50, T, limit=40, soundfont="Basso")
    picked = np.arange(40) * len(table) // 40
    np.testing.assert_array_equal(few.onset_frame, table.onset_frame[picked])
    whole = np.concatenate([b["audio"] for b in batches(everything, -1)])
    [part], [again] = batches(dataset, -1), batches(dataset, -1)
    np.testing.assert_array_equal(part["audio"], whole[picked])
    np.testing.assert_array_equal(part["sheet"], again["sheet"])
    slow = pipeline.eval_dataset(corpus, 50, T, tempo=0.8)[1]
    assert set(slow.performance) == {f"piece{p}_tempo-900_Alto" for p in range(4)}
    with pytest.raises(UserError, match="soundfont must be one of .*; received 'Tenore'"):
        pipeline.eval_dataset(corpus, 50, T, soundfont="Tenore")
    columns = {record.piece: record.strips.shape[1] for record in records}
    assert (
        corpus.strips.tensor.shape[0] == 2 * sum(columns.values()) + 1
    )  # once per piece, and paper


def test_wrong_settings_are_refused():
    for changes in ({"scale": 1.0}, {"stretch": 0.5}, {"shift_pixels": -1}):
        name = next(iter(changes))
        with pytest.raises(UserError, match=name):
            Augmentation(**changes)
