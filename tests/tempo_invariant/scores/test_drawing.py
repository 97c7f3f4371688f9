"""Tests of drawing SVG pages."""

import numpy as np
import pytest

from tempo_invariant.errors import UserError
from tempo_invariant.scores.drawing import rasterise, stix_fonts

# A black square, a line of one and a half pixels, and text; a unit is two pixels.
PAGE = """<svg xmlns="http://www.w3.org/2000/svg" width="5mm" viewBox="0 0 50 20" height="2mm">
<rect x="5" y="5" width="4" height="4" fill="currentColor"/>
<rect x="20" y="0" width="0.75" height="20" fill="black"/>
<text x="30" y="15" font-family="Times, serif" font-size="8">I</text></svg>"""


def test_ink_lies_where_it_is_drawn():
    images = rasterise(PAGE, 100, 40, stix_fonts())
    bold, thin = images["bold"], images["thin"]
    assert bold.shape == thin.shape == (40, 100) and bold.dtype == thin.dtype == np.uint8
    expected = np.full((40, 60), 255)
    expected[10:18, 10:18] = 0
    expected[:, 40] = 0
    np.testing.assert_array_equal(np.delete(thin[:, :60], 41, 1), np.delete(expected, 41, 1))
    np.testing.assert_allclose(thin[:, 41], 128, atol=1)  # half a pixel
    expected[:, 41] = 0
    np.testing.assert_array_equal(bold[:, :60], expected)
    rows, columns = np.nonzero(bold[:, 60:] == 0)
    assert 18 <= rows.min() < rows.max() < 31 and columns.max() < 10  # the letter stands on row 30


def test_what_cannot_be_drawn_is_refused(monkeypatch):
    with pytest.raises(UserError, match="it is no SVG"):
        rasterise("<p/>", 100, 40, stix_fonts())
    with pytest.raises(UserError, match="a page cannot be drawn: "):
        rasterise(PAGE.replace("</svg>", ""), 100, 40, stix_fonts())

    class PanicException(BaseException):
        """As the renderer raises it."""

    def panic(**_):
        raise PanicException("index\nout of bounds")

    monkeypatch.setattr("resvg_py.svg_to_bytes", panic)
    with pytest.raises(UserError, match="a page cannot be drawn: index out of bounds"):
        rasterise(PAGE, 100, 40, stix_fonts())
