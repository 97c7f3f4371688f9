"""Damaged pages of LilyPond's, read, drawn and cut into snippets."""

import pytest

from tests import fuzzing

pytest.importorskip("lilypond")

SCORE = r"""\version "2.24.0"
\score { \new PianoStaff << \new Staff { c'4 d' e'8 f' g'4 } \new Staff { \clef bass c1 } >> }
"""


def draw(data: bytes) -> None:
    """Does with a page what an index does with it."""
    from tempo_invariant.scores import documents
    from tempo_invariant.scores.drawing import lilypond_fonts, rasterise
    from tempo_invariant.scores.svg import parse_page

    svg = data.decode(errors="replace")
    page = parse_page(svg)
    image = rasterise(svg, page.width, page.height, lilypond_fonts())["bold"]
    documents.cut_pages("x", [image], [list(page.systems.values())], 25)


@pytest.mark.slow
def test_damaged_drawings(tmp_path):
    from tempo_invariant.scores.engraving import engrave

    source = tmp_path / "score.ly"
    source.write_text(SCORE)
    (tmp_path / "work").mkdir()
    [svg] = engrave(source, tmp_path / "work").svgs
    data = svg.encode()
    draw(data)
    fuzzing.check(draw, fuzzing.damaged_each(data))
