"""The files of an index: made anew without holes, taken over from old formats, tidied up."""

import contextlib
import dataclasses
import datetime
import logging
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from tempo_invariant.errors import UserError
from tempo_invariant.retrieval import catalogue, hubness, index_directory, index_rows, old_index
from tempo_invariant.retrieval.catalogue import Catalogue, Change, Document, Header
from tempo_invariant.retrieval.index_rows import DATA, HUBNESS, PLACES, VECTORS
from tempo_invariant.retrieval.library import PAGES, check_page, names, page_file
from tempo_invariant.retrieval.old_index import OldIndex
from tempo_invariant.wording import listed

_PAGE = re.compile(r"(\d{6,})_\d{3,}\.png")

_WithRows = tuple[Document, dict[str, np.ndarray]]
"""A document, and its rows by the kind of file."""


def rewrite(
    path: Path, header: Header, documents: Iterable[_WithRows], more: Sequence[Change] = ()
) -> None:
    """Writes all files, and then the catalogue, with which they take the place of others.

    Args:
        path: The directory of the index.
        header: The header, with the number of the new generation of files.
        documents: The documents; first row and checksums are filled in.
        more: What the catalogue says of them besides.
    """
    changes: list[Change] = []
    first = 0
    with contextlib.ExitStack() as stack:
        names = {key: index_rows.data_file(key, header.generation) for key in DATA}
        streams = {
            key: stack.enter_context((path / name).open("wb")) for key, name in names.items()
        }
        for document, data in documents:
            for key, array in data.items():
                streams[key].write(array.tobytes())
            sums = index_rows.checksums(data)
            changes.append(Change(dataclasses.replace(document, first=first, checksums=sums)))
            first += document.count
        for stream in streams.values():
            catalogue.sync(stream)
    catalogue.save(path / catalogue.NAME, header, [*changes, *more])


def compact(path: Path, found: Catalogue, header: Header, cohort: np.ndarray | None = None) -> None:
    """Makes a new generation of files, without holes.

    Args:
        path: The directory of the index.
        found: Its catalogue.
        header: Its header, possibly with the checksum of another cohort.
        cohort: The vectors of that cohort.

    Raises:
        UserError: The rows of a document are damaged.
    """
    rows_of = {key: index_rows.mapped_part(path, found, key) for key in DATA}

    def documents() -> Iterator[_WithRows]:
        for document in found.documents.values():
            rows = slice(document.first, document.first + document.count)
            data = {key: array[rows] for key, array in rows_of.items()}
            if index_rows.checksums(data) != document.checksums:
                raise UserError(f"{path}: damaged: {document.name} has changed meanwhile")
            if header.cohort != found.header.cohort:
                data[HUBNESS] = hubness.hubness(data[VECTORS], cohort)
            yield document, data

    header = dataclasses.replace(header, generation=header.generation + 1, first_id=found.next_id)
    known = found.compared >= set(found.documents)
    more = [Change(editions=found.editions)] if known else []
    more += [Change(waiting=found.waiting)] if found.waiting else []
    rewrite(path, header, documents(), more)


def mend(path: Path, found: Catalogue) -> Catalogue:
    """Drops the documents of an index that are damaged, so that they can be added again.

    Args:
        path: The directory of the index.
        found: Its catalogue, without the lines that are damaged.

    Returns:
        What is left; the files are made anew if that is less.
    """
    files_of = {key: path / index_rows.data_file(key, found.header.generation) for key in DATA}
    data = {
        key: index_rows.mapped_part(path, found, key) if file.exists() else np.zeros(0)
        for key, file in files_of.items()
    }
    damaged = dict.fromkeys(each.id for each, _ in index_rows.damaged_documents(found, data))
    if not (damaged or found.damage or _lacks_search(path, found)):
        return found
    if found.damage:
        logging.warning("%s; what it told of is indexed again", found.damage)
    if damaged:
        lost = listed([found.documents[number].name for number in damaged])
        logging.warning("%s: damaged, and indexed again: %s", path, lost)
        found.apply(Change(drops=tuple(damaged)))
    if found.documents:
        compact(path, found, found.header)
        found = catalogue.load(path / catalogue.NAME)
    return found


def _lacks_search(path: Path, found: Catalogue) -> bool:
    try:
        return not index_rows.is_search_whole(path, found)
    except OSError:
        return True


def old_header(old: OldIndex, cohort: int) -> Header:
    """Returns the header that an index of an old format gets."""
    info = old.info
    settings = info.kind, info.hop_frames, info.step_pixels, info.model
    return Header(catalogue.FORMAT, 1, *settings, old.probe.tolist(), cohort, info.source, 0)


def take_over(path: Path, old: OldIndex, cohort: np.ndarray | None, cohort_sum: int) -> None:
    """Makes of an index of an old format one of the present.

    Args:
        path: The directory of the index.
        old: What is there.
        cohort: The vectors that hubness is measured with; None if there are none.
        cohort_sum: Their checksum.
    """
    added = utc(os.path.getmtime(path / old_index.INFO_NAME))
    distinct = names(old.info.documents)
    kept = old.info.kind == "sheets" and (path / PAGES).is_dir()

    def documents() -> Iterator[_WithRows]:
        for document, name in zip(old.entries(), distinct, strict=True):
            rows = slice(document.first, document.first + document.count)
            data = {VECTORS: old.vectors[rows], PLACES: old.places[rows]}
            data[HUBNESS] = hubness.hubness(data[VECTORS], cohort)
            images = tuple(np.unique(data[PLACES]["page"]).tolist()) if kept else None
            yield dataclasses.replace(document, name=name, added=added, images=images), data

    rewrite(path, old_header(old, cohort_sum), documents())


def tidy(path: Path, found: Catalogue) -> None:
    """Removes files that have been replaced, or that a killed process has left."""
    kept = {index_rows.data_file(key, found.header.generation) for key in DATA}
    kept |= {found.search.file} if found.search else set()
    for name in os.listdir(path):
        if index_directory.is_data(name) and name not in kept:
            (path / name).unlink(missing_ok=True)


def tidy_pages(path: Path, found: Catalogue) -> None:
    """Removes the page images of documents that are gone.

    That is done when the next writer comes, so that a reader who knows them still may show them.
    """
    folder = path / PAGES
    for name in os.listdir(folder) if folder.is_dir() else ():
        match = _PAGE.fullmatch(name)
        if match and int(match[1]) not in found.documents:
            (folder / name).unlink(missing_ok=True)


def page_problem(path: Path, found: Catalogue, document: Document) -> str | None:
    """Returns which page image of a document is missing or damaged; None if none is.

    Where it is not known which images are kept, there should be one of every page with snippets.
    """
    images: Sequence[int] | None = document.images
    if images is None:
        rows = slice(document.first, document.first + document.count)
        images = np.unique(index_rows.mapped_part(path, found, PLACES)["page"][rows]).tolist()
    try:
        for page in images:
            check_page(path / PAGES / page_file(document.id, page))
    except UserError as error:
        return str(error)
    return None


def holds_others(path: Path) -> bool:
    """Whether there is something in the directory of an index that no writer has made."""
    folder = path / PAGES
    names = {*os.listdir(path)} - {catalogue.NAME, PAGES}
    pages = os.listdir(folder) if folder.is_dir() else ()
    return not all(map(index_directory.is_ours, names)) or not all(map(_PAGE.fullmatch, pages))


def utc(seconds: float) -> str:
    """Returns a time of the system's clock as text."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds")
