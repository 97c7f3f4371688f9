"""The index: what it finds, and that it is whole, belongs to its model, or is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from tempo_invariant.audio import reading
from tempo_invariant.errors import UserError
from tempo_invariant.retrieval import (
    catalogue,
    hearing,
    index_rows,
    indexing,
    library,
    old_index,
)
from tempo_invariant.retrieval.catalogue import Change, Search
from tempo_invariant.retrieval.index_writer import IndexWriter
from tempo_invariant.scores.places import SHEET
from tests import damaged_index, fake_embedder
from tests.damaged_index import HUBNESS, PLACES, VECTORS
from tests.fake_embedder import FakeEmbedder, melody


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    directory = tmp_path_factory.mktemp("scores")
    fake_embedder.write_score(directory, "rising", np.arange(0, 100))
    fake_embedder.write_score(directory, "falling", np.arange(250, 110, -1))
    return directory / "msmd"


def test_an_index_comes_back_as_it_was_made(scores, tmp_path):
    embedder = FakeEmbedder()
    done = indexing.index_scores(embedder, scores, tmp_path / "index")
    made, problems = done.index, done.left_out
    assert not problems
    loaded = library.load(tmp_path / "index", "sheets")
    assert loaded.documents == made.documents == ("falling", "rising")
    assert repr(loaded) == f"SnippetIndex('{tmp_path / 'index'}': 2 scores, {embedder.name})"
    assert loaded.lengths.tolist() == [87, 87]  # 3 systems of 700 pixels, every 24
    assert np.array_equal(loaded.places, made.places)
    second = loaded.places[loaded.rows(1)][30]
    assert (second["page"], second["system"]) == (1, 2)
    assert second["x"] == 60 + 12 + 24
    assert second["box"].tolist() == [400, 60, 480, 760]
    assert np.allclose(np.linalg.norm(loaded.vectors, axis=1), 1, atol=1e-6)
    # Greys of the second system run from 34 to 66 over 700 pixels.
    grey = 34 + 32 * 36 / 699
    assert np.allclose(loaded.vectors[87 + 30], embedder._code(np.array([grey]))[0], atol=0.05)
    assert loaded.page_path(1, 1).is_file()
    assert loaded.neighbours.search(loaded.vectors[[50]], 1)[1].tolist() == [[50]]


def test_recordings_are_indexed_with_their_times(tmp_path):
    music = tmp_path / "music" / "deep"
    music.mkdir(parents=True)
    soundfile.write(music / "up.wav", melody(np.arange(50), 6.2), 22050)
    soundfile.write(music / "silence.wav", np.zeros(22050), 22050)
    (music / "broken.flac").write_bytes(b"fLaC is not enough")
    done = indexing.index_recordings(FakeEmbedder(), tmp_path / "music", tmp_path / "index")
    index, problems = done.index, done.left_out
    assert index.documents == ("deep/up",)
    assert len(problems) == 2
    assert "broken.flac" in problems[0] and "silent" in problems[1]
    seconds = index.places["seconds"]
    assert np.abs(seconds - 0.5 * np.arange(13)).max() < 0.26  # on the onsets near these times
    assert np.allclose(20 * seconds, np.round(20 * seconds))
    with pytest.raises(UserError, match="an index of recordings, where one of scores is needed"):
        library.load(tmp_path / "index", "sheets")


def test_recordings_of_all_formats_are_indexed_as_the_reader_alone_reads_them(tmp_path):
    music = tmp_path / "music"
    music.mkdir()
    pcm = melody(np.arange(60), 8.0)
    for rate, name, subtype in (
        (22050, "a.wav", "PCM_16"),
        (48000, "b.wav", "PCM_24"),
        (44100, "c.wav", "FLOAT"),
        (44100, "d.flac", "PCM_16"),
        (32000, "e.ogg", "VORBIS"),
        (44100, "f.mp3", "MPEG_LAYER_III"),
    ):
        resampled = soxr.resample(pcm, 22050, rate)
        soundfile.write(music / name, np.stack([resampled, 0.5 * resampled], 1), rate, subtype)
    done = indexing.index_recordings(FakeEmbedder(), music, tmp_path / "index")
    index, problems = done.index, done.left_out
    assert not problems and index.documents == tuple("abcdef")
    for number, path in enumerate(sorted(music.iterdir())):
        alone = hearing.hear(FakeEmbedder(), reading.read_blocks(path), 10)
        rows = index.rows(number)
        assert np.array_equal(index.places["seconds"][rows], alone.seconds.astype(np.float32))
        assert np.allclose(index.vectors[rows], alone.embedding, atol=1e-4)


def test_another_model_is_refused_in_one_line(scores, tmp_path):
    index = indexing.index_scores(FakeEmbedder(), scores, tmp_path / "index").index
    index.check_model(FakeEmbedder())
    with pytest.raises(UserError, match=r"made with fake model 0, and fake model 1 is another"):
        index.check_model(FakeEmbedder(seed=1))


def test_damaged_indices_are_refused(scores, tmp_path):
    path = tmp_path / "index"
    indexing.index_scores(FakeEmbedder(), scores, path)
    with pytest.raises(UserError, match="is not an index"):
        library.load(tmp_path)
    for name in (VECTORS, PLACES, HUBNESS):
        content = (path / name).read_bytes()
        (path / name).write_bytes(content[: len(content) // 2])
        with pytest.raises(UserError, match=f"{name}: damaged: .* too few for 174 rows"):
            library.load(path)
        (path / name).unlink()
        with pytest.raises(UserError, match=f"{name}: no such file, though"):
            library.load(path)
        (path / name).write_bytes(content)
    content = (path / catalogue.NAME).read_bytes()
    first, _, second, third, *_ = content.splitlines(keepends=True)
    for changed, message in (
        (b"", "holds not one line"),
        (first[:-9], "holds not one line"),
        (first, "holds no document"),
        (first + b"\0\n", "line 2: damaged: its checksum"),
        (first + third + second, "line 3: damaged: document 0 is out of order"),
        (first + second + second, "line 3: damaged: document 0 is out of order"),
        (first + catalogue.line(Change(drops=(7,))), "line 2: damaged: no document 7"),
        (content + catalogue.line(Change(editions=((0, 2),))), "editions of documents that"),
        (content + catalogue.line(Change(search=Search("x", 175, ""))), "rows that are not there"),
        (content + catalogue.line(Change(search=Search("../x", 1, ""))), "'../x' is no file of it"),
    ):
        (path / catalogue.NAME).write_bytes(changed)
        with pytest.raises(UserError, match=message):
            library.load(path)
    for change, message in (
        ({"format": 99}, "format 99"),
        ({"step_pixels": 0}, "hop_frames and step_pixels must be at least 1"),
        ({"probe": [[1.0], [2.0, 3.0]]}, "rows of the same length"),
        ({"kind": "poems"}, "kind must be one of sheets, recordings, received 'poems'"),
        ({"generation": 8}, "vectors-8.bin: no such file"),
    ):
        (path / catalogue.NAME).write_bytes(content)
        damaged_index.rewrite_header(path, **change)
        with pytest.raises(UserError, match=message):
            library.load(path)


def test_what_is_behind_the_last_whole_line_does_not_count(scores, tmp_path):
    path = tmp_path / "index"
    made = indexing.index_scores(FakeEmbedder(), scores, path).index
    whole = (path / catalogue.NAME).read_bytes()
    for name in (VECTORS, PLACES, HUBNESS):
        with (path / name).open("ab") as stream:
            stream.write(b"half of a vector")
    more = catalogue.line(Change(drops=(0,)))
    for length in range(len(more)):
        (path / catalogue.NAME).write_bytes(whole + more[:length])
        assert library.load(path).documents == made.documents
    (path / catalogue.NAME).write_bytes(whole + more)
    assert library.load(path).documents == ("rising",)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """An index with more vectors than are compared one by one."""
    path = tmp_path_factory.mktemp("large") / "index"
    vectors = np.random.default_rng(0).standard_normal((1500, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    with IndexWriter(path, "recordings", FakeEmbedder(), 10, 25, exact_limit=0) as writer:
        writer.add("noise", vectors, np.zeros(1500, library.AUDIO))
        writer.finish()
    return path


@pytest.mark.parametrize(
    "name", [VECTORS, PLACES, HUBNESS, "neighbours-1-1500.faiss", catalogue.NAME]
)
def test_one_flipped_bit_is_noticed(large, tmp_path, name):
    path = shutil.copytree(large, tmp_path / "index")
    assert not library.load(path).neighbours.exact
    content = bytearray((path / name).read_bytes())
    content[-7] ^= 64  # in the last number but one: still a file as it should be, but for its sum
    (path / name).write_bytes(content)
    with pytest.raises(UserError, match=f"^{path / name}: .*damaged: its checksum is another"):
        library.load(path)


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"no search")])
def test_the_file_for_searching_is_made_again(large, tmp_path, spoil):
    path = shutil.copytree(large, tmp_path / "index")
    spoil(next(path.glob("neighbours-*")))
    with pytest.raises(UserError, match="the same index command again mends it"):
        library.load(path)
    with IndexWriter(path, "recordings", FakeEmbedder(), 10, 25, exact_limit=0) as writer:
        assert list(writer.documents) == ["noise"]
        writer.finish()
    before, mended = library.load(large), library.load(path)
    assert not mended.neighbours.exact and mended.documents == ("noise",)
    found = [each.neighbours.search(before.vectors[:9], 1)[1].tolist() for each in (before, mended)]
    assert found[0] == found[1] == [[number] for number in range(9)]


@pytest.mark.parametrize(
    "name, field, value, message",
    [
        (PLACES, "page", 0, "on no page"),
        (PLACES, "x", np.nan, "on no page"),
        (PLACES, "box", [9, 0, 3, 5], "on no page"),
        (PLACES, "box", [0, 0, 9999, 9999], "on no page"),
        (VECTORS, None, np.nan, "not of length 1"),
        (VECTORS, None, 7e35, "not of length 1"),
        (HUBNESS, None, np.nan, "hubness that no vector has"),
    ],
)
def test_wrong_content_is_refused_though_its_checksum_is_right(
    scores, tmp_path, name, field, value, message
):
    path = tmp_path / "index"
    indexing.index_scores(FakeEmbedder(), scores, path)

    def change(array):
        (array[field] if field else array)[3] = value
        return array

    damaged_index.rewrite(path, name, change)
    with pytest.raises(UserError, match=f"^{path}: damaged index: .*{message}"):
        library.load(path)


@pytest.mark.parametrize("version", [1, 2])
def test_indices_of_earlier_versions_are_read(scores, large, tmp_path, version):
    made = indexing.index_scores(FakeEmbedder(), scores, tmp_path / "index").index
    damaged_index.make_old(tmp_path / "index", version)
    old = library.load(tmp_path / "index")
    assert (old.documents, old.neighbours.exact) == (made.documents, True)
    assert old.places.dtype == SHEET and np.array_equal(old.places, made.places)
    assert np.array_equal(old.hubness, made.hubness) and old.rows(1) == made.rows(1)
    assert library.read_page(old.page_path(1, 1)).shape == (900, 835)
    query = made.vectors[[50]]
    for one, other in zip(
        old.neighbours.search(query, 3), made.neighbours.search(query, 3), strict=True
    ):
        assert np.array_equal(one, other)
    compressed = shutil.copytree(large, tmp_path / "large")
    damaged_index.make_old(compressed, version)
    assert library.load(compressed).neighbours.description.startswith("IVF-PQ")


def test_damaged_indices_of_earlier_versions_are_refused(large, tmp_path):
    path = shutil.copytree(large, tmp_path / "index")
    damaged_index.make_old(path, 2)
    info = json.loads((path / "index.json").read_text())
    for name in old_index.FILES:
        content = (path / name).read_bytes()
        changed = bytearray(content)
        changed[-7] ^= 64
        (path / name).write_bytes(changed)
        with pytest.raises(UserError, match=f"^{path / name}: damaged: its checksum is another"):
            library.load(path)
        (path / name).unlink()
        with pytest.raises(UserError, match=f"{name}: no such file"):
            library.load(path)
        (path / name).write_bytes(content)
        fewer = {each: sum for each, sum in info["checksums"].items() if each != name}
        (path / "index.json").write_text(json.dumps(info | {"checksums": fewer}))
        with pytest.raises(UserError, match="checksums are missing"):
            library.load(path)
        (path / "index.json").write_text(json.dumps(info))
    for change, message in (
        ({"format": 4}, "format 4"),
        ({"documents": 7}, "documents: must be a list"),
        ({"documents": ["a", "b"]}, "places do not name every document in order"),
        ({"count": 167}, "1500 places, not 167"),
    ):
        (path / "index.json").write_text(json.dumps(info | change))
        with pytest.raises(UserError, match=message):
            library.load(path)


def test_a_damaged_page_is_named(scores, tmp_path):
    index = indexing.index_scores(FakeEmbedder(), scores, tmp_path / "index").index
    path = index.page_path(0, 1)
    assert library.read_page(path).shape == (900, 835)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"^{path}: not a readable image"):
        library.read_page(path)
    path.unlink()
    with pytest.raises(UserError, match=f"^{path}: no such page image"):
        library.read_page(path)


def test_scores_that_are_not_there_are_named(scores, tmp_path):
    for source, wanted, message in (
        (scores, ["rising", "waltz"], "no score 'waltz'"),
        (tmp_path / "nowhere", [], "cannot be read"),
    ):
        with pytest.raises(UserError, match=message):
            indexing.index_scores(FakeEmbedder(), source, tmp_path / "x", documents=wanted)
    assert not (tmp_path / "x").exists()


def test_files_that_a_writer_replaces_meanwhile_are_read_to_their_end(
    scores, tmp_path, monkeypatch
):
    index = indexing.index_scores(FakeEmbedder(), scores, tmp_path / "index").index
    read = index_rows.mapped

    def mapped(path, found, name):
        rows = read(path, found, name)
        (path / index_rows.data_file(name, found.header.generation)).unlink()
        return rows

    monkeypatch.setattr(index_rows, "mapped", mapped)
    found = library.opened(index.path, catalogue.load(index.path / catalogue.NAME))
    np.testing.assert_array_equal(found.vectors, index.vectors)
