"""Records of several directories: drawn by their weights, and from where they are."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tempo_invariant.data import pipeline, schema
from tempo_invariant.data.corpus import load_corpus
from tempo_invariant.data.cutting import Draw
from tempo_invariant.data.shards import StoredRows
from tempo_invariant.errors import UserError
from tempo_invariant.variations import NO_AUGMENTATION, Augmentation
from tests.tempo_invariant.data.test_schema import make_record, write_split

EVERYTHING = Augmentation(scale=0, shift_pixels=0, onset_frames=0)


@pytest.fixture(scope="module")
def records():
    """Those of two directories, of which each has a piece of a name that the other has too."""
    first = [make_record(f"piece{p}", seed=p, pairs=20 + 10 * p, frames=250) for p in range(2)]
    second = [make_record(f"piece{p}", seed=p + 9, pairs=15, frames=100) for p in range(1, 3)]
    return first, second


@pytest.fixture(scope="module")
def data(records, tmp_path_factory):
    """Both directories, with a comma between them."""
    folders = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
    for folder, some in zip(folders, records, strict=True):
        write_split(folder, some)
    return ",".join(map(str, folders))


def drawn(corpus, augmentation, passage_pairs, steps=60, size=400):
    choose = pipeline.pair_chooser(corpus, augmentation, passage_pairs)
    return np.stack([choose(Draw(6, tf.constant(n), size)).numpy() for n in range(steps)])


@pytest.mark.parametrize("passage_pairs", [1, 4])
def test_each_pair_is_drawn_as_often_as_its_directory_says(data, passage_pairs):
    corpus = load_corpus(data, "train", weights=(1, 3))
    assert corpus.pairs == 50 + 30 and corpus.pieces == ("piece0", "piece1", "piece1", "piece2")
    expected = np.repeat([1, 3], [50, 30]) / (50 * 1 + 30 * 3)
    found = drawn(corpus, EVERYTHING, passage_pairs).reshape(-1, passage_pairs)
    for place in range(passage_pairs):
        counts = np.bincount(found[:, place], minlength=80)
        assert stats.chisquare(counts, expected * len(found)).pvalue > 1e-3
        share = np.mean(found[:, place] >= 50)
        assert share == pytest.approx(90 / 140, abs=4 * np.sqrt(0.25 / len(found)))


def test_without_weights_all_pairs_are_drawn_equally_often(data):
    counts = np.bincount(drawn(load_corpus(data, "train"), EVERYTHING, 1).ravel(), minlength=80)
    assert stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("weights", [(), (1,)])
def test_one_directory_gives_the_pairs_that_it_always_gave(data, weights):
    """Those that one draw of integers names among all that are wanted."""
    corpus = load_corpus(data.split(",")[0], "train", weights=weights)
    wanted = np.flatnonzero(pipeline.wanted_records(corpus, EVERYTHING)[corpus.pair_record])
    expected = [
        wanted[Draw(6, tf.constant(step), 400).integers(0, len(wanted))] for step in range(3)
    ]
    np.testing.assert_array_equal(drawn(corpus, EVERYTHING, 1, steps=3), expected)


def test_pairs_are_cut_from_the_records_of_their_directory(data, records):
    corpus = load_corpus(data, "train", weights=(2, 1))
    dataset = pipeline.train_dataset(corpus, 300, 1, NO_AUGMENTATION, seed=3)
    [batch] = dataset.take(1)
    choose = pipeline.pair_chooser(corpus, NO_AUGMENTATION)
    chosen = choose(Draw(3, tf.constant(0), 300)).numpy()
    everything = [
        (record, onset, column)
        for record in (*records[0], *records[1])
        for onset, column in zip(record.onset_frames, record.columns, strict=True)
    ]
    for index, sheet, audio in zip(chosen, batch["sheet"].numpy(), batch["audio"], strict=True):
        record, onset, column = everything[index]
        centre = int(np.floor(column / 2 + 0.5))
        np.testing.assert_array_equal(audio[:, 0], record.spectrogram[onset].astype(np.float32))
        np.testing.assert_array_equal(sheet[:, 50], record.strips[0, centre, 10:90])


def test_a_join_left_in_its_shards_gives_the_same_batches_from_any_step(data):
    held, stored = (load_corpus(data, "train", mib, (1, 3)) for mib in (384, 0))
    assert isinstance(stored.strips, StoredRows)
    whole = list(pipeline.train_dataset(held, 50, 4, Augmentation(), 9, passage_pairs=2).take(4))
    rest = pipeline.train_dataset(
        stored, 50, 4, Augmentation(), 9, start_step=2, passage_pairs=2
    ).take(2)
    for expected, batch in zip(whole[2:], rest, strict=True):
        for name in ("sheet", "audio"):
            np.testing.assert_array_equal(batch[name], expected[name])


@pytest.mark.parametrize("weights", [(1,), (1, 3, 2)])
def test_weights_are_one_for_each_directory(data, weights):
    with pytest.raises(UserError, match=rf"data_weights .* data \(2\), received {len(weights)}"):
        load_corpus(data, "train", weights=weights)


def test_every_directory_is_checked(data, tmp_path):
    schema.check_data(data, "printed")
    with pytest.raises(UserError, match=f"^no records in {tmp_path}/none; make them with"):
        schema.check_data(f"{data},{tmp_path}/none")
    schema.write_info(tmp_path, {}, staves="near")
    message = f"^{tmp_path}: records with staves near, and the model needs those with staves print"
    with pytest.raises(UserError, match=message):
        schema.check_data(f"{data},{tmp_path}", "printed")


def test_a_directory_may_have_a_comma_in_its_name(tmp_path):
    write_split(tmp_path / "a,b", [make_record()])
    assert schema.directories(tmp_path / "a,b") == [tmp_path / "a,b"]
    assert load_corpus(tmp_path / "a,b", "train").pairs == 7
