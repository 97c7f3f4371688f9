"""Indexes scores and recordings: what is new comes, what has changed is replaced, nothing twice."""

import contextlib
import dataclasses
import hashlib
import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path

import numpy as np

from tempo_invariant import files, progress
from tempo_invariant.audio import windows
from tempo_invariant.beam_runner import Runner
from tempo_invariant.errors import UserError, printable
from tempo_invariant.files import why_left_out
from tempo_invariant.retrieval import index_files, library, neighbours
from tempo_invariant.retrieval.beam_embedding import read_and_embed
from tempo_invariant.retrieval.catalogue import Document
from tempo_invariant.retrieval.embedders import Embedder, embed_neighbours
from tempo_invariant.retrieval.identification import hear
from tempo_invariant.retrieval.index_writer import IndexWriter
from tempo_invariant.retrieval.library import SnippetIndex
from tempo_invariant.scores.archives import is_archive
from tempo_invariant.scores.collection import ScoreReader, open_collection
from tempo_invariant.scores.documents import STEP_PIXELS
from tempo_invariant.scores.reading import ReadScore, read_ahead
from tempo_invariant.scores.walking import natural, new_name

AUDIO_SUFFIXES = (
    *(".wav", ".w64", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".aif", ".aiff"),
    *(".au", ".caf", ".wma", ".mka", ".mkv", ".webm", ".mp4", ".mov"),
)


@dataclasses.dataclass
class Indexed:
    """What became of an index.

    Attributes:
        index: The index as it is now.
        added: Names of documents that are new.
        replaced: Names of documents that have changed.
        unchanged: Names of documents that are as they were.
        dropped: Names of documents that were there no more.
        left_out: A line for every document that could not be used; if the index has an earlier
            state of it, that stays.
        pages: Number of pages that were read.
        seconds: Time that it took.
    """

    index: SnippetIndex
    added: list[str]
    replaced: list[str]
    unchanged: list[str]
    dropped: list[str]
    left_out: list[str]
    pages: int
    seconds: float

    def summary(self) -> Iterator[str]:
        """Yields printable lines that say it."""
        index, count = self.index, len(self.index.documents)
        kind = {"sheets": "score", "recordings": "recording"}[index.kind]
        kinds = ("added", "replaced", "dropped", "left_out")
        numbers = {name: len(getattr(self, name)) for name in kinds}
        said = [
            f"{number:,d} {name.replace('_', ' ')}" for name, number in numbers.items() if number
        ]
        if not numbers["added"] + numbers["replaced"] + numbers["dropped"]:
            said.insert(0, "nothing new")
        what = ", ".join(said)
        yield printable(f"{index.path}: {count:,d} {kind}{'s' * (count != 1)}: {what}")
        if self.pages:
            speed = self.pages / self.seconds
            yield f"{self.pages:,d} pages in {self.seconds:,.0f} s, {speed:.1f} a second"


class _Update:
    """An index being brought up to date: what is to be done, and what became of it."""

    def __init__(self, writer: IndexWriter, settings: str = ""):
        self.writer = writer
        self.done = {name: list[str]() for name in ("added", "replaced", "unchanged", "left_out")}
        self.pages = 0
        self._settings = settings
        self._begun = time.monotonic()
        self._contents: dict[str, str] = {}

    def is_needed(self, name: str, paths: Sequence[Path]) -> bool:
        """Whether a document has to be read, since it is new or its files have changed."""
        if name in self._contents:
            self.leave_out(name, UserError(f"{name}: another of this name is used"))
            return False
        content = self._contents[name] = _content(paths, self._settings)
        known = self.writer.documents.get(name)
        if known is None or not _is_same(known, content, paths):
            return True
        self.done["unchanged"].append(name)
        return False

    def leave_out(self, name: str, error: Exception) -> None:
        """Notes that a document cannot be used, unless the error will befall all others, too."""
        reason = why_left_out(error)
        named = isinstance(error, UserError) or reason.startswith(name)
        self.done["left_out"].append(reason if named else f"{name}: {reason}")
        logging.warning("left out: %s", self.done["left_out"][-1])

    def add(
        self,
        name: str,
        vectors: np.ndarray,
        rows: np.ndarray,
        pages: Mapping[int, bytes] | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        """Adds a document or replaces it, see `IndexWriter.add`."""
        kind = "replaced" if name in self.writer.documents else "added"
        self.writer.add(name, vectors, rows, self._contents[name], pages, notes)
        self.done[kind].append(name)

    def speed(self) -> float:
        """Pages a second until now."""
        return self.pages / max(time.monotonic() - self._begun, 1e-6)

    def finish(self, prune: bool) -> Indexed:
        """Drops what is gone, if that is wanted, and finishes the index."""
        gone = [name for name in self.writer.documents if name not in self._contents]
        dropped = gone if prune else []
        self.writer.drop(dropped)
        index = self.writer.finish()
        seconds = time.monotonic() - self._begun
        return Indexed(index, dropped=dropped, pages=self.pages, seconds=seconds, **self.done)


def _content(paths: Sequence[Path], settings: str) -> str:
    """Returns the SHA-256 of the contents of files, and of what else their reading depends on."""
    digests = [_file_digest(path) for path in paths]
    return hashlib.sha256("\n".join([*digests, settings]).encode()).hexdigest()


def _file_digest(path: Path) -> str:
    try:
        return files.sha256(path)
    except OSError:
        return ""  # reading it will tell what is wrong


def _is_same(known: Document, content: str, paths: Sequence[Path]) -> bool:
    """Whether a document of an index is still that of some files.

    What a document of an index of an old format was made of is not known: it is the same if its
    files are older than that index.
    """
    if known.content:
        return known.content == content
    times = [path.stat().st_mtime for path in paths if path.exists()]
    return bool(times) and index_files.utc(max(times)) <= known.added


def index_scores(
    embedder: Embedder,
    scores: str | os.PathLike,
    output: str | os.PathLike,
    step: int | None = None,
    split: str | None = None,
    documents: Sequence[str] = (),
    keep_pages: bool = True,
    prune: bool = False,
    jobs: int = 0,
    runner: Runner | None = None,
    exact_limit: int = neighbours.EXACT_LIMIT,
) -> Indexed:
    """Makes an index of scores, or brings one up to date; what cannot be read is left out.

    Scores are known by their names and by the content of their files. Interrupted or killed, it
    has the scores that were done; the same call goes on from there.

    Args:
        embedder: The model.
        scores: The scores, as `collection.open_collection` takes them.
        output: The directory of the index, made if it is not there.
        step: Distance of snippets in page pixels; None: that of the index, or `STEP_PIXELS`.
        split: The only split that is used, of records; None: all.
        documents: Names of the only scores that are used; all, if empty.
        keep_pages: Whether page images are kept, to be shown with answers.
        prune: Whether scores of the index that are not among these are dropped.
        jobs: Number of processes that read scores; 0: they are read in this one.
        runner: Beam runner that reads and embeds, in place of these processes.
        exact_limit: The most vectors that are searched exhaustively.

    Raises:
        UserError: No score can be used, or `output` is no index, that of another model or of
            another step, or is being written by another process.
    """
    if runner and is_archive(Path(scores)):
        raise UserError(f"{scores}: an archive, which workers of a runner do not see; unpack it")
    if runner and os.path.exists(scores):
        scores = os.path.abspath(scores)
    if prune and documents:
        raise UserError("to drop what is gone takes all scores, not only some that are named")
    step = step or library.step_pixels(output) or STEP_PIXELS
    with (
        open_collection(os.fspath(scores), step, split, documents, embedder.staves) as readers,
        IndexWriter(output, "sheets", embedder, windows.HOP_FRAMES, step, exact_limit) as writer,
    ):
        update = _Update(writer)
        needed: Iterable[ScoreReader] = (
            reader for reader in readers if update.is_needed(reader.name, reader.files)
        )
        if isinstance(readers, list):
            needed = list(needed)
        if runner is None:
            results = read_ahead(needed, keep_pages, jobs)
        else:
            results = read_and_embed(list(needed), embedder, keep_pages, writer.path, runner)
        with contextlib.closing(results):
            # A runner has shown its own progress when it comes to this.
            bar = progress.track(results, "scores", _length(needed), shown=runner is None)
            for reader, future in bar:
                _add_score(update, embedder, reader, future)
                bar.set_postfix_str(f"{update.speed():.1f} pages a second", refresh=False)
        return update.finish(prune)


def _length(items: Iterable[ScoreReader]) -> int | None:
    return len(items) if isinstance(items, list) else None


def _add_score(update: _Update, embedder: Embedder, reader: ScoreReader, future: Future) -> None:
    """Embeds a score, if that is not done, and adds it; or notes why it cannot be used."""
    try:
        score: ReadScore = future.result()
    except Exception as error:  # one bad score must not end the rest
        update.leave_out(reader.name, error)
        return
    document, vectors = score.document, score.vectors
    document.log_notes()
    if vectors is None:
        vectors = embed_neighbours(embedder, document.snippets)
    update.add(reader.name, vectors, document.places, score.page_files, document.notes)
    update.pages += score.page_count


def index_recordings(
    embedder: Embedder,
    recordings: str | os.PathLike,
    output: str | os.PathLike,
    hop_frames: int = windows.HOP_FRAMES,
    gain_db: float = 0.0,
    strict: bool = False,
    prune: bool = False,
    exact_limit: int = neighbours.EXACT_LIMIT,
) -> Indexed:
    """Makes an index of recordings, or brings one up to date, as `index_scores` does.

    What cannot be read or is silent is left out.

    Args:
        embedder: The model.
        recordings: An audio file, or a directory of them and of further directories.
        output: The directory of the index, made if it is not there.
        hop_frames: Distance of windows in spectrogram frames.
        gain_db: Gain by which recordings are amplified, in dB.
        strict: Whether one that cannot be decoded to its end is left out.
        prune: Whether recordings of the index that are not among these are dropped.
        exact_limit: The most vectors that are searched exhaustively.

    Raises:
        UserError: No recording can be used, or `output` is no index, that of another model or of
            another hop, or is being written by another process.
    """
    from tempo_invariant.audio.parallel_reading import read_recordings

    found = find_recordings(recordings)
    with IndexWriter(
        output, "recordings", embedder, hop_frames, STEP_PIXELS, exact_limit
    ) as writer:
        update = _Update(writer, f"gain {gain_db:g} dB" if gain_db else "")
        needed = {name: path for name, path in found.items() if update.is_needed(name, [path])}
        blocks_of = read_recordings(list(needed.values()), gain_db, strict) if needed else ()
        read = zip(needed.items(), blocks_of, strict=True)
        for (name, path), blocks in progress.track(read, "recordings", len(needed)):
            try:
                heard = hear(embedder, blocks, hop_frames, str(path))
            except Exception as error:  # one bad recording must not end the rest
                update.leave_out(printable(str(path)), error)
                continue
            rows = np.zeros(len(heard.seconds), library.AUDIO)
            rows["seconds"] = heard.seconds
            update.add(name, heard.embedding, rows)
        return update.finish(prune)


def find_recordings(recordings: str | os.PathLike) -> dict[str, Path]:
    """Finds audio files by their suffix; a file that is named itself may have any.

    Returns:
        Paths by name: that of the file below the directory, without its suffix unless two differ
        in nothing else.

    Raises:
        UserError: There is none.
    """
    root = Path(recordings)
    top, found = root.parent, [root]
    if os.path.isdir(root):
        top = root
        found = [path for path in root.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES]
    inside = {path.relative_to(top).as_posix(): path for path in found if path.is_file()}
    names: dict[str, Path] = {}
    for short in sorted(inside, key=natural):
        if not any(part.startswith(".") for part in short.split("/")):  # hidden
            names[new_name(os.path.splitext(short)[0], short, names)] = inside[short]
    if not names:
        raise UserError(f"{recordings}: no audio file there")
    return names
