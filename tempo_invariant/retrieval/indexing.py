"""Indexes scores and recordings: what is new comes, what has changed is replaced, nothing twice."""

import contextlib
import logging
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path

import numpy as np

from tempo_invariant import progress
from tempo_invariant.audio import windows
from tempo_invariant.audio.recordings import AUDIO_SUFFIXES
from tempo_invariant.beam_runner import Runner
from tempo_invariant.errors import UserError, printable
from tempo_invariant.json_objects import is_text
from tempo_invariant.retrieval import index_directory, library, neighbours
from tempo_invariant.retrieval.beam_embedding import read_and_embed
from tempo_invariant.retrieval.embedders import Embedder, embed_neighbours
from tempo_invariant.retrieval.identification import hear
from tempo_invariant.retrieval.index_update import Indexed, Update
from tempo_invariant.retrieval.index_writer import IndexWriter
from tempo_invariant.scores.archives import is_archive
from tempo_invariant.scores.collection import ScoreReader, open_collection
from tempo_invariant.scores.documents import STEP_PIXELS
from tempo_invariant.scores.folders import Listing
from tempo_invariant.scores.reading import ReadScore, read_ahead
from tempo_invariant.scores.walking import natural, new_name, walk


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
        UserError: No score can be used, or `prune` would leave none of those in the index, or
            `output` is no index, that of another model or of another step, or is being written by
            another process.
    """
    if runner and is_archive(Path(scores)):
        raise UserError(f"{scores}: an archive, which workers of a runner do not see; unpack it")
    if runner and os.path.exists(scores):
        scores = os.path.abspath(scores)
    if prune and (documents or split):
        raise UserError("to drop what is gone takes all scores, not only some, or those of a split")
    if step is None:
        known = index_directory.header(output)
        step = known.step_pixels if known else STEP_PIXELS
    with (
        open_collection(os.fspath(scores), step, split, documents, embedder.staves) as readers,
        IndexWriter(output, "sheets", embedder, windows.HOP_FRAMES, step, exact_limit) as writer,
    ):
        update = Update(writer, keep_pages=keep_pages)
        needed: Iterable[ScoreReader] = (
            reader for reader in readers if update.is_needed(reader.name, reader.files)
        )
        if isinstance(readers, list):
            needed = list(needed)
        if runner is None:
            results = read_ahead(needed, keep_pages, jobs)
        else:
            results = read_and_embed(list(needed), embedder, keep_pages, writer.path, runner)
        with contextlib.closing(results), contextlib.ExitStack() as stack:
            if _length(needed) != 0:
                writer.check_model()  # while the first scores are read
            stack.enter_context(update.working(_length(needed)))
            # A runner has shown its own progress when it comes to this.
            bar = progress.track(results, "scores", _length(needed), shown=runner is None)
            for reader, future in bar:
                add_score(update, embedder, reader, future)
                bar.set_postfix_str(f"{update.speed():.1f} pages a second", refresh=False)
        return update.finish(prune, is_whole=not (documents or split))


def _length(items: Iterable[ScoreReader]) -> int | None:
    return len(items) if isinstance(items, list) else None


def add_score(update: Update, embedder: Embedder, reader: ScoreReader, future: Future) -> None:
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
        UserError: No recording can be used, or `prune` would leave none of those in the index, or
            `output` is no index, that of another model or of another hop, or is being written by
            another process.
    """
    found = find_recordings(recordings)
    from tempo_invariant.audio.parallel_reading import read_recordings

    with IndexWriter(
        output, "recordings", embedder, hop_frames, STEP_PIXELS, exact_limit
    ) as writer:
        update = Update(writer, f"gain {gain_db:g} dB" if gain_db else "")
        needed = {name: path for name, path in found.items() if update.is_needed(name, [path])}
        if needed:
            writer.check_model()
        blocks_of = read_recordings(list(needed.values()), gain_db, strict) if needed else ()
        read = zip(needed.items(), blocks_of, strict=True)
        with update.working(len(needed)):
            for (name, path), blocks in progress.track(read, "recordings", len(needed)):
                try:
                    heard = hear(embedder, blocks, hop_frames, str(path))
                except Exception as error:  # one bad recording must not end the rest
                    update.leave_out(printable(str(path)), error)
                    continue
                rows = np.zeros(len(heard.seconds), library.AUDIO)
                rows["seconds"] = heard.seconds
                file = os.path.abspath(path)
                update.add(name, heard.embedding, rows, file=file if is_text(file) else "")
        return update.finish(prune)


def find_recordings(recordings: str | os.PathLike) -> dict[str, Path]:
    """Finds audio files by their suffix; a file that is named itself may have any.

    What a folder holds besides is named in warnings, see `walking.walk`.

    Returns:
        Paths by name: that of the file below the directory, without its suffix unless two differ
        in nothing else.

    Raises:
        UserError: There is none, or the folder cannot be read or was made by a command of ours.
    """
    root, listing = Path(recordings), Listing()
    inside = {root.name: root} if os.path.isfile(root) else {}
    for folder in walk(root, listing.leave_out, "recordings") if os.path.isdir(root) else ():
        for name in folder.files:
            if os.path.splitext(name)[1].lower() in AUDIO_SUFFIXES:
                inside[folder.join(name)] = Path(folder.path, name)
            else:
                listing.leave_out("no audio file", folder.join(name))
    for line in listing.left_out_lines():
        logging.warning("left out: %s", line)
    names: dict[str, Path] = {}
    for short in sorted(inside, key=natural):
        names[new_name(os.path.splitext(short)[0], short, names)] = inside[short]
    if not names:
        raise UserError(f"{recordings}: no audio file there")
    return names
