"""Reading one score: a file, or one of those that a collection or an index holds."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tempo_invariant.errors import UserError
from tempo_invariant.geometry import PRINTED
from tempo_invariant.retrieval import library
from tempo_invariant.retrieval.catalogue import MENDED
from tempo_invariant.scores import collection, documents
from tempo_invariant.scores.documents import SheetDocument
from tempo_invariant.scores.places import Box
from tempo_invariant.wording import counted, listed

STEP_PIXELS = 10
"""Distance of snippets in page pixels; similarities between them are interpolated."""


def read_score(
    score: str | Path,
    document: str | None = None,
    step: int = STEP_PIXELS,
    staves: str = PRINTED,
    named_by: str = "document",
) -> SheetDocument:
    """Reads one score.

    Args:
        score: Directory of a piece of MSMD, an index of scores that has kept its pages, or what
            `collection.find_scores` takes.
        document: Name of the score, where there are several.
        step: Distance of neighbouring snippets in page pixels.
        staves: Distance of a piano's staves in snippets, see `geometry.STAVES`.
        named_by: What messages call the argument that names one of several scores.

    Raises:
        UserError: There is no score, or there are several and none is named.
    """
    path = Path(score)
    if library.is_index(path):
        return _from_index(path, document, step, staves, named_by)
    if (path / "scores").is_dir():
        path, document = path.parent, path.name
    named = [document] if document else []
    readers = collection.find_scores(path, step, documents=named, staves=staves)
    reader = next(readers)
    if document is None:
        _check_alone([reader.name, *(other.name for other in readers)], score, named_by)
    return reader.read()


def _check_alone(names: Sequence[str], score: str | Path, named_by: str) -> None:
    if len(names) > 1:
        found = f"{score}: holds {counted(len(names), 'score')}"
        raise UserError(f"{found}: {listed(names)}; name one of them with {named_by}")


def _from_index(
    path: Path, document: str | None, step: int, staves: str, named_by: str
) -> SheetDocument:
    index = library.load(path, "sheets")
    if document is None:
        _check_alone(index.documents, path, named_by)
    name = index.documents[0] if document is None else document
    if name not in index.documents:
        raise UserError(f"{path}: holds no score {name!r}")
    number = index.documents.index(name)
    rows = index.places[index.rows(number)]
    pages, boxes, numbers, notes = [], [], [], []
    for page in range(1, int(rows["page"].max()) + 1):
        on_page = np.unique(rows[rows["page"] == page][["system", "box"]])
        try:
            pages.append(library.read_page(index.page_path(number, page)))
        except UserError as error:
            # One without systems may be missing: it could not be read when the index was made.
            notes += [f"page {page}: left out ({error}; {MENDED})"] if len(on_page) else []
            continue
        boxes.append([Box(*row["box"].tolist()) for row in on_page])
        numbers.append(page)
    if not pages:
        raise UserError(f"{path}: has no page image of {name!r}: give the score itself")
    return documents.cut_pages(name, pages, boxes, step, numbers, notes=notes, staves=staves)
