"""Tests of the dynamics of scores in MEI, MusicXML and kern."""

import xml.etree.ElementTree as ElementTree
from fractions import Fraction

import pytest

from tempo_invariant.scores.notation import engrave_notation
from tempo_invariant.scores.notation_dynamics import velocities
from tests import notation_scores

SCORE = """<mei xmlns="http://www.music-encoding.org/ns/mei"><music><body><mdiv><score>
<scoreDef meter.unit="4"/><section>{}</section></score></mdiv></body></music></mei>"""

BAR = """<measure xml:id="m{bar}">
<staff n="1"><layer><chord xml:id="c{bar}"><note xml:id="a{bar}"/></chord><note xml:id="b{bar}"/>
</layer></staff><staff n="2"><layer><note xml:id="x{bar}"/><note xml:id="y{bar}"/></layer></staff>
{marks}</measure>"""
"""A bar of 4/4 with half notes in two staves: a and b, x and y."""


def velocities_of(*bars, more=""):
    """Velocities of a, b, x and y of each bar, whose marks are given."""
    text = more.join(BAR.format(bar=bar, marks=marks) for bar, marks in enumerate(bars))
    starts = {f"m{bar}": Fraction(bar) for bar in range(len(bars))}
    moments = {
        f"{name}{bar}": bar + Fraction(beat, 2)
        for bar in range(len(bars))
        for name, beat in (("a", 0), ("b", 1), ("x", 0), ("y", 1))
    }
    found = velocities(ElementTree.fromstring(SCORE.format(text)), starts, moments)
    assert set(found) in (set(), set(moments))
    return [[found[f"{name}{bar}"] for name in "abxy"] for bar in range(len(bars)) if found]


def test_a_score_without_marks_has_no_velocities():
    assert velocities_of("", '<dir staff="1" tstamp="1">Allegro, p</dir>') == []


def test_marks_between_the_staves_are_for_both_hands():
    both = '<dynam staff="1" place="below" tstamp="1">p</dynam>'
    left = '<dynam staff="2" tstamp="3">f</dynam>'
    assert velocities_of(both, left) == [[49, 49, 49, 49], [49, 49, 49, 96]]
    above = '<dynam staff="2" place="above" tstamp="1">p</dynam>'
    assert velocities_of(above, left) == [[49, 49, 49, 49], [49, 49, 49, 96]]
    right = '<dynam staff="1" place="above" tstamp="1">p</dynam>'
    assert velocities_of(right, left) == [[49, 49, 64, 64], [49, 49, 64, 96]]


def test_a_hand_without_marks_follows_the_other():
    assert velocities_of('<dynam staff="2" tstamp="3">f</dynam>') == [[64, 96, 64, 96]]


def test_hairpins_reach_over_bars_and_may_name_notes():
    def score(**place):
        ends = " ".join(f'{key}="{value}"' for key, value in place.items())
        hairpin = f'<dynam tstamp="1">p</dynam><hairpin form="cres" {ends}/>'
        return velocities_of(hairpin, "", '<dynam startid="#c2">f</dynam>')

    by_beat = score(tstamp="1", tstamp2="2m+1", staff="1")
    assert [bar[0] for bar in by_beat] == pytest.approx([49, 49 + 47 / 2, 96], abs=1)
    assert by_beat == score(startid="#a0", endid="#c2", staff="1 2")


def test_beats_are_those_of_the_metre():
    eighths = '<scoreDef meter.unit="8"/>'
    mark = '<dynam tstamp="5">f</dynam>'
    assert velocities_of("", mark, more=eighths) == [[64] * 4, [64, 96, 64, 96]]


def test_what_names_no_place_is_passed_over():
    broken = '<dynam tstamp="x">p</dynam><dynam startid="#none">p</dynam><hairpin tstamp="1"/>'
    assert velocities_of(broken) == []
    assert velocities_of('<dynam tstamp="1">p</dynam><hairpin form="dim" tstamp="3"/>') != []


def found_velocities(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content)
    engraving = engrave_notation(path, times=True)
    heads = [head for page in engraving.pages for head in page.heads]
    return sorted((4 * head.moment, head.pitch, head.velocity) for head in heads)


def test_the_piano_of_a_song_has_its_own_dynamics(tmp_path):
    voice, mark = '<part id="P1">\n<measure number="0" implicit="yes">', "<dynamics>{}</dynamics>"
    place = '<note><grace slash="yes"/>'
    direction = '<direction placement="below"><direction-type>{}</direction-type>{}</direction>'
    staff = "<staff>1</staff>"
    content = notation_scores.MUSICXML
    assert voice in content and place in content
    content = content.replace(voice, voice + direction.format(mark.format("<fff/>"), ""))
    content = content.replace(place, direction.format(mark.format("<p/>"), staff) + place)
    found = found_velocities(tmp_path, "song.musicxml", content)
    assert len(found) == 12 and {velocity for _, _, velocity in found} == {49}


def test_kern_with_a_spine_of_dynamics(tmp_path):
    rows = [
        "**kern\t**kern\t**dynam",
        "*staff2\t*staff1\t*staff1",
        "*clefF4\t*clefG2\t*",
        "*M2/4\t*M2/4\t*",
        "=1\t=1\t=1",
        "4C\t4c\tpp",
        "4D\t4d\tsf",
        "=2\t=2\t=2",
        "4C\t4c\tf",
        "4D\t4d\t.",
        "==\t==\t==",
        "*-\t*-\t*-",
    ]
    found = found_velocities(tmp_path, "piano.krn", "\n".join(rows) + "\n")
    levels = [33, 33, 65, 65, 96, 96, 96, 96]
    assert [velocity for _, _, velocity in found] == levels
