"""Tests of the looks of engraved scores: what a seed draws, and what of it is on the page."""

import numpy as np
import pytest

from tempo_invariant.scores.looks import MUSIC_FONTS, draw_look
from tempo_invariant.scores.notation import engrave_notation
from tests import notation_scores


@pytest.fixture
def song(tmp_path):
    path = tmp_path / "song.musicxml"
    path.write_text(notation_scores.MUSICXML)
    return path


def test_a_look_is_that_of_seed_and_name_and_no_other():
    looks = [draw_look(seed, f"piece {n}") for seed in (1, 2) for n in range(100)]
    assert looks == [draw_look(seed, f"piece {n}") for seed in (1, 2) for n in range(100)]
    assert len({tuple(look.items()) for look in looks}) == len(looks)
    assert {look["font"] for look in looks} == set(MUSIC_FONTS)
    assert draw_look(0, "piece 1") == {}


def test_staves_stand_up_to_1_6_times_as_far_apart_as_lilyponds():
    apart = [draw_look(1, str(n))["spacingStaff"] for n in range(2000)]
    # In half spaces, of which a staff has eight; LilyPond's stand ten apart.
    assert 6 <= min(apart) < 7 and 1.5 * (8 + 10) < 8 + max(apart) <= 1.67 * (8 + 10)
    assert 10 < np.median(apart) < 13


def test_a_page_is_drawn_as_its_look_says(song):
    look = {"pageHeight": 2100, "unit": 10.5, "spacingStaff": 16, "spacingBraceGroup": 16}
    engraving = engrave_notation(song, True, look={"font": "Leland", "header": "none", **look})
    [page] = engraving.pages
    assert (page.height, page.width) == (835, 835)
    [box] = page.systems.values()
    half_space = 10.5 * 835 / 2100
    assert box.height == pytest.approx((8 + 16 + 8) * half_space, abs=1.5)
    [image] = [drawing["bold"] for drawing in engraving.draw()]
    for head in page.heads:
        if head.box is not None:
            top, left, bottom, right = map(round, head.box)
            assert head.grace or head.box.height == pytest.approx(2 * half_space, rel=0.2)
            assert (image[top:bottom, left:right] == 0).mean() > 0.3


def test_every_font_draws_the_same_notes_in_its_own_way(song):
    found, images = [], set()
    for font in MUSIC_FONTS:
        engraving = engrave_notation(song, True, look={"font": font})
        found.append([(h.moment, h.pitch, h.bar) for p in engraving.pages for h in p.heads])
        images.add(next(engraving.draw())["thin"].tobytes())
    assert found == [found[0]] * len(MUSIC_FONTS) and len(images) == len(MUSIC_FONTS)
