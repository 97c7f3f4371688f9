"""Makes indices: of scores, and of recordings."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tempo_invariant import progress
from tempo_invariant.audio import windows
from tempo_invariant.errors import UserError, printable
from tempo_invariant.files import why_left_out
from tempo_invariant.retrieval import library, neighbours
from tempo_invariant.retrieval.embedders import Embedder
from tempo_invariant.retrieval.identification import hear
from tempo_invariant.retrieval.library import IndexWriter, SnippetIndex, names
from tempo_invariant.scores.documents import STEP_PIXELS, find_scores

AUDIO_SUFFIXES = (
    *(".wav", ".w64", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".aif", ".aiff"),
    *(".au", ".caf", ".wma", ".mka", ".mkv", ".webm", ".mp4", ".mov"),
)


def index_scores(
    embedder: Embedder,
    scores: str | os.PathLike,
    output: str | os.PathLike,
    step: int = STEP_PIXELS,
    split: str | None = None,
    documents: Sequence[str] = (),
    keep_pages: bool = True,
    exact_limit: int = neighbours.EXACT_LIMIT,
) -> tuple[SnippetIndex, list[str]]:
    """Makes an index of scores; one that cannot be read is left out.

    Args:
        embedder: The model.
        scores: The scores, as `documents.find_scores` takes them.
        output: The directory to make.
        step: Distance of snippets in page pixels.
        split: The only split that is used, of records; None: all.
        documents: Names of the only scores that are used; all, if empty.
        keep_pages: Whether page images are kept, to be shown with answers.
        exact_limit: The most vectors that are searched exhaustively.

    Returns:
        The index, and a line for every score that was left out.

    Raises:
        UserError: No score can be used, or `output` exists.
    """
    problems: list[str] = []
    sources = find_scores(os.fspath(scores), step, split, documents)
    with IndexWriter(output, "sheets", embedder, windows.HOP_FRAMES, step, exact_limit) as writer:
        for source in progress.track(sources, "scores"):
            try:
                document = source.read()
            except Exception as error:  # one bad score must not end the rest
                reason = why_left_out(error)
                named = reason.startswith(source.name)
                problems.append(reason if named else f"{source.name}: {reason}")
                logging.warning("left out: %s", problems[-1])
                continue
            document.log_notes()
            embeddings = embedder.embed_sheet(document.snippets)
            if keep_pages:
                for page, image in document.pages.items():
                    writer.add_page(page, image)
            writer.add(document.name, embeddings, document.places)
        return writer.finish(), problems


def index_recordings(
    embedder: Embedder,
    recordings: str | os.PathLike,
    output: str | os.PathLike,
    hop_frames: int = windows.HOP_FRAMES,
    gain_db: float = 0.0,
    strict: bool = False,
    exact_limit: int = neighbours.EXACT_LIMIT,
) -> tuple[SnippetIndex, list[str]]:
    """Makes an index of recordings; one that cannot be read or is silent is left out.

    Args:
        embedder: The model.
        recordings: An audio file, or a directory of them and of further directories.
        output: The directory to make.
        hop_frames: Distance of windows in spectrogram frames.
        gain_db: Gain by which recordings are amplified, in dB.
        strict: Whether one that cannot be decoded to its end is left out.
        exact_limit: The most vectors that are searched exhaustively.

    Returns:
        The index, and a line for every recording that was left out.

    Raises:
        UserError: No recording can be used, or `output` exists.
    """
    from tempo_invariant.audio.parallel_reading import read_recordings

    paths = find_recordings(recordings)
    problems: list[str] = []
    with IndexWriter(
        output, "recordings", embedder, hop_frames, STEP_PIXELS, exact_limit
    ) as writer:
        blocks_of = read_recordings(list(paths.values()), gain_db, strict)
        read = zip(paths.items(), blocks_of, strict=True)
        for (name, path), blocks in progress.track(read, "recordings", len(paths)):
            try:
                heard = hear(embedder, blocks, hop_frames, str(path))
            except Exception as error:  # one bad recording must not end the rest
                reason = why_left_out(error)
                named = isinstance(error, UserError)
                problems.append(reason if named else f"{printable(str(path))}: {reason}")
                logging.warning("left out: %s", problems[-1])
                continue
            rows = np.zeros(len(heard.seconds), library.AUDIO)
            rows["seconds"] = heard.seconds
            writer.add(name, heard.embedding, rows)
        return writer.finish(), problems


def find_recordings(recordings: str | os.PathLike) -> dict[str, Path]:
    """Finds audio files by their suffix; a file that is named itself may have any.

    Returns:
        Paths by name, which is that of the file without suffix.

    Raises:
        UserError: There is none.
    """
    root = Path(recordings)
    is_folder = os.path.isdir(root)
    found = [root] if os.path.isfile(root) else sorted(root.rglob("*")) if is_folder else []
    if is_folder:
        found = [path for path in found if path.suffix.lower() in AUDIO_SUFFIXES]
    found = [path for path in found if path.is_file() and not path.name.startswith(".")]
    if not found:
        raise UserError(f"{recordings}: no audio file there")
    return dict(zip(names([printable(path.stem) for path in found]), found, strict=True))
