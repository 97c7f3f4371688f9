"""Scores that are dropped on the page, shown, and dropped from the library again."""

import contextlib
import io
import shutil
import time

import numpy as np
import pytest
import soundfile
from PIL import Image

from tempo_invariant.errors import UserError
from tempo_invariant.geometry import SAMPLE_RATE
from tempo_invariant.retrieval import catalogue, indexing, library
from tempo_invariant.retrieval.index_update import content_of
from tempo_invariant.retrieval.index_writer import IndexBusy, IndexWriter
from tempo_invariant.samples import DIRECTORY
from tempo_invariant.web import librarian
from tempo_invariant.web.desk import check_index, scores_folder
from tempo_invariant.web.holdings import Holdings
from tempo_invariant.web.limits import Limits
from tempo_invariant.worker_processes import map_ahead
from tests import damaged_index, fake_embedder
from tests.drawn_pages import draw_page
from tests.fake_embedder import FakeEmbedder
from tests.web_server import SECONDS, serving, wait_for

MUSETTE = (DIRECTORY / "scores" / "bach_musette.pdf").read_bytes()
MINUET = (DIRECTORY / "scores" / "minuet_g_major.pdf").read_bytes()


def map_here(function, items, _jobs, nice):
    return map_ahead(function, items, 0)


@pytest.fixture(autouse=True)
def no_processes(monkeypatch):
    """Scores are read in this process, which starts no others."""
    monkeypatch.setattr(librarian, "map_ahead", map_here)
    monkeypatch.setattr(librarian, "_QUIET_SECONDS", 0.3)


def test_a_score_is_dropped_shown_and_dropped_again(tmp_path):
    with serving(tmp_path) as client:
        assert client.names() == []
        before = client.get("/api/library")["version"]
        job = client.job(client.drop("scores", "Bach/musette.pdf", MUSETTE))
        assert job["state"] == "done" and job["error"] is None
        assert (tmp_path / "music" / "Bach" / "musette.pdf").read_bytes() == MUSETTE
        wait_for(client.names)
        [score] = client.get("/api/library")["scores"]
        assert (score["name"], score["pages"], score["notes"]) == ("Bach/musette", 1, [])
        assert score["id"] == job["result"]["id"] and client.get("/api/library")["version"] > before
        found = client.get(f"/api/scores/{score['id']}")
        [page] = found["pages"]
        image = Image.open(io.BytesIO(client.get(f"/api/scores/{score['id']}/pages/1")))
        assert image.size == (page["width"], page["height"])
        assert {system["system"] for system in found["systems"]} == {1, 2, 3, 4}
        for system in found["systems"]:
            top, left, bottom, right = system["box"]
            assert 0 <= top < bottom <= page["height"] and 0 <= left < right <= page["width"]
        cover = Image.open(io.BytesIO(client.get(f"/api/scores/{score['id']}/cover")))
        assert cover.width == 300 and abs(cover.height - 300 * image.height / image.width) < 2
        assert client.ask("GET", f"/api/scores/{score['id']}/pages/2")[0] == 404
        # What was read is what the command would read.
        index = indexing.index_scores(FakeEmbedder(), tmp_path / "music", tmp_path / "again").index
        assert np.array_equal(index.vectors, library.load(tmp_path / "music-index").vectors)
        assert client.change("DELETE", f"/api/scores/{score['id']}") == (200, {})
        wait_for(lambda: not client.names())
        wait_for(lambda: not library.is_index(tmp_path / "music-index"))  # once it is closed
        assert not (tmp_path / "music" / "Bach" / "musette.pdf").exists()
        [kept] = (tmp_path / "music" / librarian.REMOVED).rglob("*.pdf")
        assert kept.read_bytes() == MUSETTE
        assert client.change("DELETE", f"/api/scores/{score['id']}")[0] == 404


@pytest.fixture
def slow_reading(monkeypatch):
    """The library takes so long to read as a large one, and is so seldom read."""
    read = Holdings._read

    def read_slowly(holdings):
        time.sleep(0.3)
        return read(holdings)

    monkeypatch.setattr(Holdings, "_read", read_slowly)


def test_what_is_done_can_be_seen_at_once(tmp_path, slow_reading):
    with serving(tmp_path) as client:
        jobs = [client.drop("scores", f"{n}.pdf", MUSETTE + b"%d" % n) for n in range(3)]
        for count, job in enumerate(jobs, 1):
            identity = client.job(job)["result"]["id"]
            assert client.get(f"/api/scores/{identity}")["name"] == str(count - 1)
            assert len(client.names()) >= count
        assert client.change("DELETE", f"/api/scores/{identity}") == (200, {})
        assert client.names() == ["0", "1"]


def test_a_recording_is_looked_up_among_all_scores_before_it(tmp_path, slow_reading):
    sound = io.BytesIO()
    soundfile.write(sound, fake_embedder.melody(np.arange(20, 60), 6), SAMPLE_RATE, format="FLAC")
    with serving(tmp_path) as client:
        client.job(client.drop("scores", "musette.pdf", MUSETTE))
        wait_for(client.names)
        others = [client.drop("scores", f"{name}.pdf", MINUET + name.encode()) for name in "ab"]
        job = client.job(client.drop("recordings", "take.flac", sound.getvalue()))
        assert {client.job(other)["state"] for other in others} == {"done"}
        page = client.ask("GET", job["result"]["page"])[2].decode()
        assert "among 3 scores" in page


def test_the_folder_of_an_index_does_not_hide_the_sample(tmp_path):
    folders = {"music-index": "music", "sample-index": "sample-index-scores", "all": "all-scores"}
    for index, folder in folders.items():
        assert scores_folder(tmp_path / index) == tmp_path / folder


def test_the_index_of_scores_may_be_one_that_was_hardly_begun_or_is_old(tmp_path):
    index = tmp_path / "music-index"
    assert check_index(index) == {}
    index.mkdir()
    for left in ("lock", "vectors-1.bin", ".partial-abcdefgh"):
        (index / left).touch()
        assert check_index(index) == {}
    (index / "letter.txt").touch()
    with pytest.raises(UserError, match="exists already and is no index: choose another"):
        check_index(index)
    shutil.rmtree(index)
    fake_embedder.write_score(tmp_path, "waltz", np.arange(0, 250.0, 10))
    indexing.index_scores(FakeEmbedder(), tmp_path / "msmd", index, 25)
    soundfile.write(tmp_path / "waltz.wav", fake_embedder.melody(np.arange(9), 3), SAMPLE_RATE)
    heard = tmp_path / "heard"
    indexing.index_recordings(FakeEmbedder(), tmp_path / "waltz.wav", heard)
    damaged_index.rewrite_header(index, source={"weights": "mine.h5"})
    for age in (lambda path: path, damaged_index.make_old):
        for path in (index, heard):
            age(path)
        assert check_index(index) == {"weights": "mine.h5"}
        with pytest.raises(UserError, match="heard: an index of recordings"):
            check_index(heard)


def test_a_journal_that_cannot_be_written_or_removed_ends_nothing(tmp_path):
    with serving(tmp_path) as client:
        identity = client.job(client.drop("scores", "musette.pdf", MUSETTE))["result"]["id"]
        wait_for(client.names)
        journal = tmp_path / "music" / librarian.JOURNAL
        wait_for(lambda: not journal.exists())
        journal.mkdir()
        status, answer = client.change("POST", "/api/scores?name=minuet.pdf", MINUET)
        assert status == 400 and "music: cannot be written (" in answer["error"]
        assert [job["name"] for job in client.jobs()] == ["musette.pdf"]
        assert not (tmp_path / "music" / "minuet.pdf").exists()
        assert client.change("DELETE", f"/api/scores/{identity}") == (200, {})
        journal.rmdir()
        assert client.job(client.drop("scores", "minuet.pdf", MINUET))["state"] == "done"


def test_a_library_that_stays_damaged_is_told_once(tmp_path):
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / catalogue.NAME).write_text("{")
    told = []
    held = Holdings(tmp_path / "index", told.append)
    for _ in range(3):
        held.refresh()
        assert catalogue.NAME in held.error
    assert told == [1]
    shutil.rmtree(tmp_path / "index")
    held.refresh()
    assert held.error is None and told == [1, 2]


def test_names_with_breaks_of_lines_are_kept_in_the_journal(tmp_path):
    (tmp_path / "a\u2028b.pdf").write_bytes(MUSETTE)
    (tmp_path / librarian.JOURNAL).write_text("a\u2028b.pdf\ngone.pdf\n", encoding="utf-8")
    held = librarian.Librarian(tmp_path, tmp_path, None, None, None)
    assert held._journal() == [tmp_path / "a\u2028b.pdf"]


def test_files_that_another_score_includes_stay(tmp_path):
    pytest.importorskip("lilypond")
    (tmp_path / "own.ily").write_text("own = 1\n")
    (tmp_path / "common.ily").write_text("common = 1\n")
    for name, more in (("a", '\\include "own.ily"'), ("b", "")):
        music = "\\score { { c'4 } }\n"
        (tmp_path / f"{name}.ly").write_text(f'\\include "common.ily" {more}\n{music}')
    held = librarian.Librarian(tmp_path, tmp_path, None, None, None)
    for name, left in (("a", ["b.ly", "common.ily"]), ("b", [])):
        contents = {found.name: content_of(found.files) for found in held._listed()}
        held._put_away(name, contents[name])
        assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == left
    removed = (tmp_path / librarian.REMOVED).rglob("*.*y")
    assert {path.name for path in removed} == {"a.ly", "own.ily", "b.ly", "common.ily"}


def test_files_that_come_together_go_together(tmp_path):
    """A name is given twice, a file as well, and two are no scores."""
    with serving(tmp_path) as client:
        jobs = {
            name: client.drop("scores", name, content)
            for name, content in [
                ("musette.pdf", MUSETTE),
                ("minuet.pdf", MINUET),
                ("broken.pdf", b"%PDF-1.4 nothing"),
                ("note.xml", b"<a/>"),
            ]
        }
        other = client.drop("scores", "musette.pdf", MINUET)
        same = client.drop("scores", "musette.pdf", MUSETTE)
        found = {name: client.job(job) for name, job in jobs.items()}
        assert [job["state"] for job in found.values()] == ["done", "done", "failed", "failed"]
        assert found["broken.pdf"]["error"].startswith("broken.pdf: is not a readable PDF")
        assert "neither MusicXML nor MEI" in found["note.xml"]["error"]
        assert client.job(other)["result"]["name"] == "musette (2)"
        assert client.job(same)["result"]["id"] == found["musette.pdf"]["result"]["id"]
        wait_for(lambda: client.names() == ["minuet", "musette", "musette (2)"])
        again = client.job(client.drop("scores", "musette.pdf", MUSETTE))
        assert again["result"]["already"] and len(client.names()) == 3


def test_what_is_no_score_is_gone_unless_it_was_there_before(tmp_path):
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "mine.pdf").write_bytes(b"%PDF-1.4 mine")
    contents = {"broken.pdf": b"%PDF-1.4", "note.xml": b"<a/>", "mine.pdf": b"%PDF-1.4 mine"}
    with serving(tmp_path) as client:
        for name, content in contents.items():
            assert client.job(client.drop("scores", name, content))["state"] == "failed"
        wait_for(lambda: [path.name for path in (tmp_path / "music").iterdir()] == ["mine.pdf"])
    with serving(tmp_path) as client:
        assert client.jobs() == []  # nothing is tried again


def test_pages_in_a_folder_are_one_score(tmp_path):
    with serving(tmp_path) as client:
        jobs = []
        for number in (2, 10, 1):
            stream = io.BytesIO()
            Image.fromarray(draw_page([[200, 290], [500, 590]], seed=number)[0]).save(stream, "PNG")
            jobs.append(client.drop("scores", f"album/{number}.png", stream.getvalue()))
        assert {client.job(job)["result"]["name"] for job in jobs} == {"album"}
        [score] = wait_for(lambda: client.get("/api/library")["scores"])
        assert score["pages"] == 3


class OtherWriter(IndexWriter):
    """Stands for another process that writes to an index."""

    def close(self):
        self.__exit__()


def other_writer(path):
    """One that has the lock; None if it is held."""
    with contextlib.suppress(IndexBusy):
        return OtherWriter(path, "sheets", FakeEmbedder(), 10, 25).__enter__()


def test_an_index_that_was_made_elsewhere_is_shown_and_added_to(tmp_path):
    """Its scores keep their names, a dropped one of the same name gets another."""
    fake_embedder.write_score(tmp_path, "waltz", np.arange(0, 250.0, 10))
    fake_embedder.write_score(tmp_path, "march", np.arange(250, 0, -10.0))
    indexing.index_scores(FakeEmbedder(), tmp_path / "msmd", tmp_path / "music-index", 25)
    with serving(tmp_path) as client:
        wait_for(lambda: client.names() == ["march", "waltz"])
        job = client.job(client.drop("scores", "waltz.pdf", MUSETTE))
        assert job["result"]["name"] == "waltz (2)"
        wait_for(lambda: client.names() == ["march", "waltz", "waltz (2)"])
        first = client.get("/api/library")["scores"][0]["id"]
        assert client.change("DELETE", f"/api/scores/{first}") == (200, {})
        assert (tmp_path / "msmd" / "march").is_dir()  # it is not ours
        wait_for(lambda: client.names() == ["waltz", "waltz (2)"])
        # Another process changes it, and is seen to; while it writes, scores wait.
        with contextlib.closing(wait_for(lambda: other_writer(tmp_path / "music-index"))) as writer:
            waiting = client.drop("scores", "minuet.pdf", MINUET)
            text = "another process is writing to the library"
            wait_for(lambda: [job for job in client.jobs() if job["text"] == text])
            writer.drop(["waltz"])
            wait_for(lambda: client.names() == ["waltz (2)"])
        assert client.job(waiting)["state"] == "done"


def test_what_came_before_a_server_was_killed_is_added_by_the_next(tmp_path):
    (tmp_path / "music" / "Bach").mkdir(parents=True)
    (tmp_path / "music" / "Bach" / "musette.pdf").write_bytes(MUSETTE)
    (tmp_path / "music" / "unasked.pdf").write_bytes(MINUET)
    (tmp_path / "secret.pdf").write_bytes(MINUET)
    journal = tmp_path / "music" / librarian.JOURNAL
    journal.write_text("Bach/musette.pdf\ngone.pdf\n../secret.pdf\nBach/musette.pdf\n")
    with serving(tmp_path) as client:
        [job] = client.jobs()
        assert client.job(job["id"])["result"]["name"] == "Bach/musette"
        wait_for(lambda: client.names() == ["Bach/musette"])
        wait_for(lambda: not journal.exists())


def settle(client):
    """Waits until the librarian has nothing in hand; the first drop may still belong to that."""
    for _ in range(2):
        client.desk.librarian.drop("none").result(SECONDS)


def test_what_could_not_be_added_is_added_by_the_next_server(tmp_path):
    def fail():
        raise UserError("no space is left on the disk; the same command goes on when there is some")

    with serving(tmp_path, embedder=fail) as client:
        for name, content in (("musette.pdf", MUSETTE), ("minuet.pdf", MINUET)):
            job = client.job(client.drop("scores", name, content))
            assert job["state"] == "failed" and job["error"].startswith("no space is left")
    for name in ("minuet", "musette"):
        with serving(tmp_path, Limits(waiting=1)) as client:  # one is taken in again at a time
            [job] = client.jobs()
            assert client.job(job["id"])["result"]["name"] == name
            settle(client)
    assert not (tmp_path / "music" / librarian.JOURNAL).exists()


def test_the_journal_is_kept_until_what_was_given_up_is_added(tmp_path, monkeypatch):
    journal = tmp_path / "music" / librarian.JOURNAL
    with serving(tmp_path) as client:
        with monkeypatch.context() as patch:
            patch.setattr(librarian, "list_folder", lambda folder: 1 // 0)
            assert client.job(client.drop("scores", "a.pdf", MUSETTE))["state"] == "failed"
        assert client.job(client.drop("scores", "b.pdf", MINUET))["state"] == "done"
        settle(client)
        assert journal.read_text() == "a.pdf\n"
        assert client.job(client.drop("scores", "a.pdf", MUSETTE))["state"] == "done"
        settle(client)
        assert not journal.exists()


@pytest.mark.parametrize(
    ("name", "status", "message"),
    [
        ("waltz.ly", 415, "LilyPond files are programs"),
        ("waltz.exe", 415, "waltz.exe: no PDF file"),
        ("waltz", 415, "no PDF file"),
        ("../waltz.pdf", 400, "leads out"),
        ("", 400, "needs a name"),
    ],
)
def test_what_is_no_score_is_refused_at_once(tmp_path, name, status, message):
    with serving(tmp_path) as client:
        found, answer = client.change("POST", f"/api/scores?name={name}", MUSETTE)
        assert found == status and message in answer["error"]
        assert client.jobs() == []


def test_what_is_too_much_is_refused(tmp_path):
    limits = Limits(file_bytes=len(MUSETTE), waiting=1)
    with serving(tmp_path, limits) as client:
        status, answer = client.change("POST", "/api/scores?name=a.pdf", MUSETTE + b"x")
        assert status == 413 and "MiB" in answer["error"]
        chunks = iter([MUSETTE, b"x"])  # its size is not announced
        assert client.change("POST", "/api/scores?name=a.pdf", chunks)[0] == 413
        assert client.change("POST", "/api/scores?name=a.pdf", b"")[0] == 400
        job = client.drop("scores", "a.pdf", MUSETTE)
        assert client.change("POST", "/api/scores?name=b.pdf", MUSETTE)[0] == 429
        assert client.job(job)["state"] == "done"
        names = [path.name for path in (tmp_path / "music").iterdir()]
        assert sorted(names) in (["a.pdf"], [librarian.JOURNAL, "a.pdf"])
    with serving(tmp_path, Limits(free_bytes=2**60)) as client:
        status, answer = client.change("POST", "/api/scores?name=c.pdf", MUSETTE)
        free = shutil.disk_usage(tmp_path).free / 2**20
        assert status == 507 and "1,099,511,627,776 MiB are needed" in answer["error"]
        told = float(answer["error"].rpartition(" there are ")[2].split()[0].replace(",", ""))
        assert abs(told - free) < 0.05 * free


def test_a_damaged_index_is_told_and_mended_by_adding(tmp_path):
    fake_embedder.write_score(tmp_path, "waltz", np.arange(0, 250.0, 10))
    indexing.index_scores(FakeEmbedder(), tmp_path / "msmd", tmp_path / "music-index", 25)
    [vectors] = (tmp_path / "music-index").glob("vectors-*.bin")
    vectors.write_bytes(bytes(vectors.stat().st_size))
    with serving(tmp_path) as client:
        error = wait_for(lambda: client.get("/api/library")["error"])
        assert "damaged" in error and client.names() == []
        assert client.job(client.drop("scores", "minuet.pdf", MINUET))["state"] == "done"
        wait_for(lambda: client.names() == ["minuet"])
        assert client.get("/api/library")["error"] is None
