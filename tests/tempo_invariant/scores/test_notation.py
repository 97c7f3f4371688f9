"""Tests of engraving with Verovio: scores of four formats to pages, systems, bars, note heads."""

from fractions import Fraction

import numpy as np
import pytest

from tempo_invariant.errors import UserError
from tempo_invariant.scores.notation import engrave_notation
from tests import notation_scores

PIANO_ALONE = "the piano part alone; left out: {}"


def engrave(tmp_path, name, content, times=True):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return engrave_notation(path, times)


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    return engrave(tmp_path_factory.mktemp("song"), "song.musicxml", notation_scores.MUSICXML)


def heads(engraving):
    """Heads as (moment, grace, pitch, length, tied, bar), times in quarter notes."""
    return sorted(
        (4 * h.moment, 4 * h.grace, h.pitch, 4 * h.length, h.tied, h.bar)
        for page in engraving.pages
        for h in page.heads
    )


def test_the_piano_part_of_a_song_carries_its_musical_time_and_pitch(song):
    half, quarter = Fraction(1, 2), Fraction(1, 4)
    assert heads(song) == [
        (1, -half, 74, half, False, 1),
        (1, 0, 48, 2, False, 1),
        (1, 0, 72, 1, False, 1),
        (1, 0, 76, 1, False, 1),
        (2, 0, 78, 1, False, 1),
        (3, 0, 48, 1, False, 2),
        (3, 0, 78, 1, True, 2),
        (4, -half, 69, quarter, False, 2),
        (4, -quarter, 71, quarter, False, 2),
        (4, 0, 60, 1, False, 2),
        (4, 0, 72, 1, False, 2),
        (5, 0, 72, 2, False, 3),
    ]
    assert song.tempi == ((0, 0, Fraction(90, 4)), (0, Fraction(5, 4), Fraction(60, 4)))
    assert song.notes == (PIANO_ALONE.format("Voice"),)


def test_musicxml_by_bars_is_engraved_as_by_parts(tmp_path, song):
    found = engrave(tmp_path, "bars.xml", notation_scores.by_bars())
    assert heads(found) == heads(song) and found.notes == song.notes
    assert found.tempi == song.tempi and found.bars == song.bars


def test_heads_systems_and_bars_lie_on_ink(song):
    [page] = song.pages
    [image] = [drawing["bold"] for drawing in song.draw()]
    assert image.shape == (1181, 835) and (page.height, page.width) == (1181, 835)
    [(number, box)] = page.systems.items()
    rows = np.flatnonzero((image[:, round(box.left) + 60 : round(box.right) - 2] == 0).all(axis=1))
    lines = [row for row in rows if row - 1 not in rows]
    assert len(lines) == 10  # two staves of five lines
    assert abs(lines[0] - box.top) <= 1 and abs(rows[-1] - box.bottom) <= 1
    assert 6.5 < (lines[4] - lines[0]) / 4 < 7.5
    for head in page.heads:
        if head.box is None:
            continue
        top, left, bottom, right = map(round, head.box)
        assert box.left < head.box.left < head.box.right < box.right
        assert 4 < head.box.width < 11 and 4 < head.box.height < 9
        assert (image[top:bottom, left:right] == 0).mean() > 0.3
    starts = song.bars[number]
    assert [start.number for start in starts] == [0, 1, 2, 3]
    assert starts[0].column == pytest.approx(box.left)
    for start, following in zip(starts[1:], [*starts[2:], None], strict=True):
        column = round(start.column)
        bar_line = image[round(box.top) : round(box.bottom), column - 2 : column + 2] == 0
        assert bar_line.any(axis=1).all()  # through both staves
        inside = [
            head.box.centre_column for head in page.heads if head.bar == start.number and head.box
        ]
        end = following.column if following else box.right
        assert inside and all(start.column < column < end for column in inside)


@pytest.mark.parametrize("name", ["song.mxl", "song.xml"])
def test_names_and_packing_do_not_matter(tmp_path, song, name):
    packed = notation_scores.packed() if name.endswith("mxl") else notation_scores.MUSICXML
    found = engrave(tmp_path, name, packed)
    assert heads(found) == heads(song) and found.notes == song.notes


def test_kern(tmp_path):
    found = engrave(tmp_path, "piano.krn", notation_scores.KERN)
    assert heads(found) == [
        (0, 0, 67, 1, False, 0),
        (1, 0, 48, 3, False, 1),
        (1, 0, 60, 1, False, 1),
        (1, 0, 64, 1, False, 1),
        (2, 0, 62, 2, False, 1),
        (4, 0, 48, 2, False, 2),
        (4, 0, 62, 1, True, 2),
        (5, Fraction(-1, 2), 64, Fraction(1, 2), False, 2),
        (5, 0, 65, 1, False, 2),
        (7, 0, 55, 3, False, 3),
        (7, 0, 70, 3, False, 3),
    ]
    assert found.notes == ()
    assert found.tempi == ((0, 0, 30),)
    assert [start.number for start in found.bars[0]] == [0, 1, 2, 3]


def test_staves_of_one_piano_may_have_two_names(tmp_path):
    score = notation_scores.KERN.replace('*I"Piano\t*I"Piano', '*I"Pianoforte\t*I"[Piano]')
    assert "Pianoforte" in score and engrave(tmp_path, "piano.krn", score).notes == ()


def test_mei_without_the_violin(tmp_path):
    found = engrave(tmp_path, "trio.mei", notation_scores.MEI)
    assert heads(found) == [
        (0, 0, 48, 4, False, 7),
        (0, 0, 72, 2, False, 7),
        (2, 0, 74, 2, False, 7),
        (4, 0, 44, 4, False, 8),
    ]
    assert found.notes == (PIANO_ALONE.format("Violine"),)
    assert found.tempi == ((0, 0, 25),)
    [svg] = found.svgs
    assert 'class="slur' in svg and "Andante" in svg
    assert 'class="fermata' not in svg and 'class="dynam' not in svg


def test_abc(tmp_path):
    found = engrave(tmp_path, "tune.abc", notation_scores.ABC)
    assert heads(found) == [
        (0, 0, 66, 1, False, 0),
        (1, 0, 67, 3, False, 1),
        (4, 0, 69, 1, False, 2),
        (5, 0, 71, 2, False, 2),
        (7, 0, 71, 1, True, 3),
        (8, 0, 73, 2, False, 3),
    ]
    assert found.notes == ("not music for one piano, but for 1 part without a name",)


def test_without_times_there_are_no_heads(tmp_path):
    found = engrave(tmp_path, "song.xml", notation_scores.MUSICXML, times=False)
    assert heads(found) == [] and found.tempi == () and len(found.bars) == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.musicxml", "<score-partwise/>", "cannot be engraved"),
        ("empty.mei", '<mei xmlns="http://www.music-encoding.org/ns/mei"/>', "cannot be engraved"),
        ("timewise.xml", "<score-timewise version='3.0'/>", "cannot be engraved"),
        ("empty.krn", "**kern\n*-\n", "cannot be engraved"),
        ("empty.abc", "", "is an empty file"),
    ],
)
def test_what_cannot_be_engraved_is_one_line(tmp_path, name, content, message):
    with pytest.raises(UserError, match=message) as error:
        engrave(tmp_path, name, content)
    assert str(error.value).startswith(f"{tmp_path / name}: ") and str(error.value).isprintable()


def test_verovio_is_stopped_when_it_crashes_or_takes_too_long(tmp_path):
    many = notation_scores.KERN.replace(
        "=3\t=3\n", "=3\t=3\n" + "4c\t4c\n4c\t4c\n4c\t4c\n=\t=\n" * 5000
    )
    (tmp_path / "long.krn").write_text(many)
    with pytest.raises(UserError, match="long.krn: cannot be engraved [(]Verovio takes longer"):
        engrave_notation(tmp_path / "long.krn", timeout_seconds=0.2)


def test_music_with_two_keyboards_is_left_whole(tmp_path):
    piano = '<staffGrp symbol="brace" label="Klavier">'
    two = notation_scores.MEI.replace(piano, piano.replace("Klavier", "Klavier I"))
    violin = two[two.index('<staffDef n="3"') : two.index("</staffGrp></scoreDef>")]
    second = violin.replace(' label="Violine"', "")
    group = (
        f'<staffGrp symbol="brace" label="Klavier II">{second}{second.replace("3", "4")}</staffGrp>'
    )
    found = engrave(tmp_path, "two.mei", two.replace(violin, group))
    assert found.notes == ("not music for one piano, but for Klavier I, Klavier II",)
    assert 76 in {head[2] for head in heads(found)}  # of the third staff
    found = engrave(tmp_path, "harp.mei", two.replace(violin, group.replace("Klavier II", "Harfe")))
    assert found.notes == (PIANO_ALONE.format("Harfe"),)
