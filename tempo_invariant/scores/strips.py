"""The strip of a score, its systems joined left to right, and snippets cut out of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tempo_invariant.errors import UserError
from tempo_invariant.geometry import (
    NEAR,
    PAPER,
    PRINTED,
    REDUCTION,
    SNIPPET_HEIGHT,
    SNIPPET_WIDTH,
    STRIP_HEIGHT,
)
from tempo_invariant.scores.msmd import Score
from tempo_invariant.scores.mung import NoteHead
from tempo_invariant.scores.places import Box, Place
from tempo_invariant.scores.staff_distance import Removal, find_removals


@dataclass(frozen=True)
class Placement:
    """The place of a note head on the strip; pages, and systems on a page, count from 1."""

    head: NoteHead
    page: int
    system: int
    row: float
    column: float


def strip(score: Score, ink: str, staves: str = PRINTED) -> tuple[np.ndarray, list[Placement]]:
    """Returns the strip of a score in one ink, and the places of note heads; see `strips`."""
    drawn, placements = strips(score, [ink], staves)
    return drawn[ink], placements


def strips(
    score: Score, inks: Sequence[str], staves: str = PRINTED
) -> tuple[dict[str, np.ndarray], list[Placement]]:
    """Joins the systems of a score, left to right in reading order.

    Each system is cut 100 px above and below its vertical centre, over its full width; rows that
    reach past the page are paper.

    Args:
        score: The score.
        inks: Names of inks.
        staves: Distance of a piano's staves, see `geometry.STAVES`.

    Returns:
        The strip in every ink, uint8 [200, columns], and the places of all note heads that belong
        to a system.

    Raises:
        UserError: A page is missing, or not of one size in all inks, or no page has a system.
    """
    cuts: dict[str, list[np.ndarray]] = {ink: [] for ink in inks}
    placements, offset = [], 0
    for page in score.pages:
        images = {ink: score.image(ink, page.number) for ink in inks}
        image = images[inks[0]]
        if any(other.shape != image.shape for other in images.values()):
            raise UserError(f"{score.directory}: pages of different size in {', '.join(inks)}")
        boxes = [system.box for system in page.systems]
        removals = _removals(image, boxes, staves)
        for number, (system, removal) in enumerate(zip(page.systems, removals, strict=True), 1):
            top = int(system.box.centre_row) - STRIP_HEIGHT // 2
            left = max(0, round(system.box.left))
            for ink in inks:
                cuts[ink].append(_cut(images[ink], system.box, top, STRIP_HEIGHT, removal))
            for head in page.note_heads:
                if head.system == system.id:
                    row = removal.row(head.row, head.column) if removal else head.row
                    at = (row - top, head.column - left + offset)
                    placements.append(Placement(head, page.number, number, *at))
            offset += cuts[inks[0]][-1].shape[1]
    if not offset:
        raise UserError(f"{score.directory}: no system on any page")
    return {ink: np.concatenate(parts, axis=1) for ink, parts in cuts.items()}, placements


def _removals(page: np.ndarray, boxes: Sequence[Box], staves: str) -> list[Removal | None]:
    return find_removals(page, boxes) if staves == NEAR else [None] * len(boxes)


def _cut(page: np.ndarray, box: Box, top: int, height: int, removal: Removal | None) -> np.ndarray:
    """Cuts uint8 [height, columns of the box] out of a page; past its edges lies paper."""
    if removal is not None:
        return removal.cut(page, top, height)
    left, right = max(0, round(box.left)), min(page.shape[1], round(box.right))
    found = np.full((height, max(0, right - left)), PAPER, np.uint8)
    first, end = min(max(0, top), len(page)), min(max(0, top + height), len(page))
    found[first - top : end - top] = page[first:end, left : left + found.shape[1]]
    return found


def halve(image: np.ndarray) -> np.ndarray:
    """Halves uint8 [rows, columns] by the rounded 2 x 2 mean; an odd edge is padded with paper."""
    odd = [(0, -side % REDUCTION) for side in image.shape]
    image = np.pad(image, odd, constant_values=PAPER).astype(np.uint16)
    blocks = image.reshape(image.shape[0] // REDUCTION, REDUCTION, -1, REDUCTION)
    count = REDUCTION * REDUCTION
    return ((blocks.sum(axis=(1, 3)) + count // 2) // count).astype(np.uint8)


def aligned_placements(
    placements: Sequence[Placement], performance: str, frame_count: int
) -> dict[int, list[Placement]]:
    """Returns the note heads that start to sound at each onset frame, by ascending frame.

    A chord that is spread counts from its first note on: heads of one musical time in one
    system belong to their earliest frame. Heads that continue a tie and frames outside the
    spectrogram are left out; the heads of a frame are sorted by column.

    Args:
        placements: Note heads on the strip.
        performance: Name of the performance.
        frame_count: Number of frames of its spectrogram.
    """
    sounding = []
    first: dict[tuple, int] = {}
    for placement in sorted(placements, key=lambda p: (p.column, p.row)):
        onset = placement.head.onsets.get(performance)
        if onset is None or placement.head.tied:
            continue
        if 0 <= onset.frame < frame_count:
            moment = placement.head.moment
            chord = (placement.page, placement.system, onset.frame if moment is None else moment)
            first[chord] = min(onset.frame, first.get(chord, onset.frame))
            sounding.append((chord, placement))
    frames: dict[int, list[Placement]] = {}
    for chord, placement in sounding:
        frames.setdefault(first[chord], []).append(placement)
    return dict(sorted(frames.items()))


def cut_snippet(image: np.ndarray, column: float) -> np.ndarray:
    """Cuts uint8 [160, 200] out of a strip [200, columns], with paper beyond its ends."""
    left = int(np.floor(column + 0.5)) - SNIPPET_WIDTH // 2
    top = (STRIP_HEIGHT - SNIPPET_HEIGHT) // 2
    padded = np.pad(image, [(0, 0), (SNIPPET_WIDTH, SNIPPET_WIDTH)], constant_values=PAPER)
    left = min(max(left + SNIPPET_WIDTH, 0), padded.shape[1] - SNIPPET_WIDTH)
    return padded[top : top + SNIPPET_HEIGHT, left : left + SNIPPET_WIDTH]


def cut_snippets(
    page: np.ndarray, boxes: Sequence[Box], step: int, number: int, staves: str = PRINTED
) -> tuple[np.ndarray, list[Place]]:
    """Cuts overlapping snippets out of the systems of a page, in reading order.

    As in training, the systems are joined left to right first: near the ends of a system a
    snippet also shows a part of its neighbour. Paper lies past the edges of the page.

    Args:
        page: Grey page uint8 [rows, columns].
        boxes: Boxes of its systems.
        step: Distance in columns of the centres of neighbouring snippets.
        number: Number of the page, for the places.
        staves: Distance of a piano's staves, see `geometry.STAVES`.

    Returns:
        uint8 [snippets, 160, 200], and the place of the centre of each.
    """
    if step < 1:
        raise ValueError(f"step = {step}, not positive")
    margin = np.full((SNIPPET_HEIGHT, SNIPPET_WIDTH // 2), PAPER, np.uint8)
    cuts = [margin]
    starts: list[int] = []  # columns of the joined strip
    places: list[Place] = []
    offset = 0
    removals = _removals(page, boxes, staves)
    for system, (box, removal) in enumerate(zip(boxes, removals, strict=True), 1):
        left, right = max(0, round(box.left)), min(page.shape[1], round(box.right))
        if right <= left:  # beside the page
            continue
        top = min(max(int(box.centre_row), 0), page.shape[0] - 1) - SNIPPET_HEIGHT // 2
        cuts.append(_cut(page, box, top, SNIPPET_HEIGHT, removal))
        for centre in range(min(left + step // 2, right - 1), right, step):
            starts.append(offset + centre - left)
            places.append(Place(number, system, float(centre), box))
        offset += right - left
    if not places:
        return np.empty((0, SNIPPET_HEIGHT, SNIPPET_WIDTH), np.uint8), []
    strip = np.concatenate([*cuts, margin], axis=1)
    return np.stack([strip[:, start : start + SNIPPET_WIDTH] for start in starts]), places


def rejoin(snippets: np.ndarray, step: int, most: int) -> Iterator[np.ndarray]:
    """Finds the strips that snippets were cut out of, where neighbours are `step` columns apart.

    Args:
        snippets: uint8 [snippets, 160, 200], in reading order.
        step: Distance of neighbours in columns.
        most: Largest number of snippets of a strip.

    Yields:
        All snippets in their order: strips uint8 [160, columns] of several snippets, whose last one
        ends with the strip, and between them snippets [count, 160, 200] that are by themselves.
    """
    begin, alone = 0, 0
    for end in range(1, len(snippets) + 1):
        if end < len(snippets) and end - begin < most:
            if np.array_equal(snippets[end - 1][:, step:], snippets[end][:, :-step]):
                continue
        if end - begin > 1:
            if begin > alone:
                yield snippets[alone:begin]
            yield np.concatenate([snippets[begin], *snippets[begin + 1 : end, :, -step:]], axis=1)
            alone = end
        begin = end
    if alone < len(snippets):
        yield snippets[alone:]
