"""How Verovio engraves scores: all alike, or each with a look of its own that a seed draws."""

import random

Look = dict[str, str | float | bool]
"""Options of Verovio that replace the plain ones, see `notation_process.OPTIONS`."""

MUSIC_FONTS = ("Leipzig", "Bravura", "Leland", "Petaluma", "Gootville")

_PAGES = (2700, 2718, 2800, 2970, 2970, 3150)
"""Heights of pages 2,100 wide: quarto, letter, nine inches by twelve, A4 (twice), folio."""

PLAIN: Look = {}

USUAL_SPACES = 9
"""Distance of the middles of a system's staves in staff spaces: LilyPond's, if notes let it."""


def wide_staves(factor: float) -> Look:
    """Returns the look with staves `factor` times as far apart as usual; see `USUAL_SPACES`."""
    spacing = 2 * (factor * USUAL_SPACES - 4)  # between staves, which are four spaces high
    return {"spacingStaff": spacing, "spacingBraceGroup": spacing}


def draw_look(seed: int, piece: str) -> Look:
    """Draws the look of a piece: the same for the same seed and name, whatever else is engraved.

    What is drawn are the music font; the height of the page and its margins; the size of the
    staves, 5.9 to 8.4 pixels a space; how far apart staves, systems and notes stand; the strokes;
    whether the page has a title, bar numbers at every so many bars, systems spread over its height.
    Staves of a system are between three and eleven of their spaces apart: the usual distance of
    LilyPond's is five, and eleven makes their centres 1.6 times as far apart as that.

    Args:
        seed: Seed of the collection; 0 gives all pieces the plain look.
        piece: Name of the piece.
    """
    if seed == 0:
        return PLAIN
    chance = random.Random(f"{seed}/{piece}")

    def between(low: float, high: float) -> float:
        return round(chance.uniform(low, high), 3)

    staves = round(chance.triangular(6, 22, 9), 3)
    side = round(chance.uniform(60, 220))
    return {
        "font": chance.choice(MUSIC_FONTS),
        "pageHeight": chance.choice(_PAGES),
        "pageMarginLeft": side,
        "pageMarginRight": side,
        "pageMarginTop": round(chance.uniform(60, 200)),
        "pageMarginBottom": round(chance.uniform(60, 200)),
        "unit": between(7.4, 10.6),
        "spacingStaff": staves,
        "spacingBraceGroup": staves,
        "spacingSystem": round(chance.triangular(2, 20, 5), 3),
        "justifyVertically": chance.random() < 0.3,
        "spacingLinear": between(0.2, 0.32),
        "spacingNonLinear": between(0.52, 0.64),
        "staffLineWidth": between(0.12, 0.26),
        "stemWidth": between(0.18, 0.34),
        "barLineWidth": between(0.26, 0.5),
        "beamMaxSlope": round(chance.uniform(4, 18)),
        "slurMidpointThickness": between(0.4, 0.8),
        "graceFactor": between(0.6, 0.8),
        "fingeringScale": between(0.6, 0.9),
        "mnumInterval": chance.choice((0, 0, 1, 4, 10, 64)),
        "header": chance.choice(("auto", "none")),
    }
