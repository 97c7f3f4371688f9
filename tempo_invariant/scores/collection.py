"""Collections of scores of every kind: MSMD, records, files, folders of folders, archives."""

import contextlib
import dataclasses
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from tempo_invariant.data import schema
from tempo_invariant.errors import UserError, one_line, printable
from tempo_invariant.geometry import PRINTED
from tempo_invariant.scores import msmd
from tempo_invariant.scores.archives import is_archive, unpacked
from tempo_invariant.scores.documents import (
    STEP_PIXELS,
    SheetDocument,
    from_record,
    read_engraved,
    read_pages,
    read_piece,
)
from tempo_invariant.scores.folders import (
    NO_KIND,
    NOTATED,
    FoundScore,
    kind_of,
    list_folder,
)
from tempo_invariant.scores.sources import PieceSource

Cutting = tuple[int, str]
"""Distance of neighbouring snippets, and that of a piano's staves in them."""


@dataclasses.dataclass(frozen=True)
class ScoreReader:
    """A score that can be read.

    Attributes:
        name: Name of the score.
        read: Function that reads it; it can be pickled, so that another process may call it.
        files: Files whose content is the score's: while they are the same, so is the score.
    """

    name: str
    read: Callable[[], SheetDocument]
    files: tuple[Path, ...]


def find_scores(
    scores: str | Path,
    step: int = STEP_PIXELS,
    split: str | None = None,
    documents: Sequence[str] = (),
    staves: str = PRINTED,
) -> Iterator[ScoreReader]:
    """Finds the scores in a file or directory, one after the other; see `open_collection`."""
    with open_collection(scores, step, split, documents, staves) as readers:
        yield from readers


@contextlib.contextmanager
def open_collection(
    scores: str | Path,
    step: int = STEP_PIXELS,
    split: str | None = None,
    documents: Sequence[str] = (),
    staves: str = PRINTED,
) -> Iterator[Iterable[ScoreReader]]:
    """Yields the scores in a file or directory, whose kind is told by its content.

    It may be an MSMD directory; a directory of records (`dataset_info.json`); a file of any kind
    of `folders.KINDS`; a folder of folders of these, see `folders.list_folder`; a tar or zip
    archive of any such directory, which is unpacked for as long as the block lasts. What a folder
    holds besides is named in warnings when the block ends.

    The scores are a list, but for records, which are read one after the other.

    Args:
        scores: Path of the file or directory.
        step: Distance of neighbouring snippets in page pixels.
        split: Name of the only split of records to read; None reads all.
        documents: Names of the only scores to read; if there are none, all are read.
        staves: Distance of a piano's staves in snippets, see `geometry.STAVES`.

    Raises:
        UserError: There is no score, or none of one of the names, or records have the staves at
            another distance.
    """
    if step < 1:
        raise UserError(f"step must be at least one pixel, received {step}")
    with _found(str(scores), (step, staves), split, warn=not documents) as found:
        wanted = set(map(printable, documents))
        chosen = _choose(found, wanted, str(scores))
        yield list(chosen) if isinstance(found, list) else chosen


def _choose(found: Iterable[ScoreReader], wanted: set[str], scores: str) -> Iterator[ScoreReader]:
    """Yields the scores that are wanted, all if none is named."""
    seen = set()
    for source in found:
        if not wanted or source.name in wanted:
            seen.add(source.name)
            yield source
    if wanted - seen or not seen:
        missing = f"no score {min(wanted - seen)!r}" if wanted - seen else f"no score ({NO_KIND})"
        raise UserError(f"{scores}: holds {missing}")


@contextlib.contextmanager
def _found(
    scores: str, cutting: Cutting, split: str | None, warn: bool
) -> Iterator[Iterable[ScoreReader]]:
    """Yields the readers of all scores, by the kind of collection."""
    path = Path(scores)
    try:
        path.stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or one_line(error)
        raise UserError(f"{scores}: cannot be read ({reason})") from error
    with contextlib.ExitStack() as stack:
        if is_archive(path) and path.is_file():
            path = stack.enter_context(unpacked(path))
        if (path / schema.INFO_NAME).is_file():
            yield _records(path, *cutting, split)
        elif path.is_dir() and any(path.glob("*/scores/*/mung")):
            yield list(_msmd(path, cutting))
        elif path.is_dir():
            listing = list_folder(path)
            try:
                yield [reader_of(found, cutting) for found in listing.scores]
            finally:  # at the end, below whatever is said about single scores
                for line in listing.left_out_lines() if warn else ():
                    logging.warning("left out: %s", line)
                for line in listing.notes() if warn else ():
                    logging.warning("%s", line)
        else:
            yield [_file(path, cutting)]


def _msmd(directory: Path, cutting: Cutting) -> Iterator[ScoreReader]:
    for piece in msmd.list_pieces(directory):
        path = directory / piece
        read = partial(read_piece, printable(piece), path, *cutting)
        yield ScoreReader(printable(piece), read, msmd.score_files(path))


def _file(path: Path, cutting: Cutting) -> ScoreReader:
    kind = kind_of(path)
    if kind is None:
        raise UserError(f"{path}: is {NO_KIND}, nor an archive of them")
    return reader_of(FoundScore(printable(path.stem), kind, (path,), path.parent), cutting)


def reader_of(found: FoundScore, cutting: Cutting) -> ScoreReader:
    """Returns the reader of a score that a folder holds: here kinds of files get theirs."""
    path = found.files[0]
    if found.kind in NOTATED:
        source = PieceSource(found.name, path, found.root)
        return ScoreReader(found.name, partial(read_engraved, source, *cutting), found.files)
    read = partial(read_pages, found.name, found.files, *cutting)
    return ScoreReader(found.name, read, found.files)


def _records(directory: Path, step: int, staves: str, split: str | None) -> Iterator[ScoreReader]:
    schema.check_data(directory, staves)
    infos = schema.read_info(directory)
    seen = set()
    for name in [split] if split else [name for name in infos if infos[name].records]:
        shards = schema.shard_paths(directory, name)
        for stored in schema.read_stored(directory, name):
            record = stored.record
            if record.piece not in seen:
                seen.add(record.piece)
                read = partial(from_record, record, step)
                yield ScoreReader(record.piece, read, (shards[stored.shard],))
