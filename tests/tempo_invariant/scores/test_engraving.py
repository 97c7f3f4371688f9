"""Tests of engraving: LilyPond source to pages, note heads and systems."""

import signal
from fractions import Fraction

import numpy as np
import pytest

from tempo_invariant.errors import UserError
from tempo_invariant.scores import engraving as engraver
from tempo_invariant.scores.engraving import engrave
from tempo_invariant.scores.places import Box
from tempo_invariant.scores.svg import parse_page, path_box
from tfrecords_tools.music.notes import notes_of_midi

# Two systems of two staves: a chord, a tie, a grace note, a hidden head, a triplet.
SCORE = r"""\version "2.22.0"
\include "notes/right.ily"
\score {
  \new PianoStaff <<
    \new Staff { \tempo 4 = 90 \right }
    \new Staff { \clef bass c2 c | \hideNotes g,1 \unHideNotes \break | c1 }
  >>
  \layout { }
  \midi { }
}
"""
RIGHT = r"right = { <c' e'>4 d' \tuplet 3/2 { e'8 f' g' } a'4~ | a'2 \grace b'8 c''2 | c'1 }"


@pytest.fixture(scope="module")
def engraving(tmp_path_factory):
    directory = tmp_path_factory.mktemp("score")
    (directory / "notes").mkdir()
    (directory / "score.ly").write_text(SCORE)
    (directory / "notes" / "right.ily").write_text(RIGHT)
    return engrave(directory / "score.ly", tmp_path_factory.mktemp("workspace"))


def fail(tmp_path, text, **arguments):
    (tmp_path / "bad.ly").write_text(text)
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    with pytest.raises(UserError) as caught:
        engrave(tmp_path / "bad.ly", workspace, **arguments)
    return str(caught.value)


def test_every_head_carries_its_musical_time_and_pitch(engraving):
    [page] = engraving.pages
    found = sorted((h.moment, h.grace, h.pitch, h.length, h.tied) for h in page.heads)
    f = Fraction
    expected = [
        (f(0), f(0), 48, f(1, 2), False),
        (f(0), f(0), 60, f(1, 4), False),
        (f(0), f(0), 64, f(1, 4), False),
        (f(1, 4), f(0), 62, f(1, 4), False),
        (f(1, 2), f(0), 48, f(1, 2), False),
        (f(1, 2), f(0), 64, f(1, 12), False),
        (f(7, 12), f(0), 65, f(1, 12), False),
        (f(2, 3), f(0), 67, f(1, 12), False),
        (f(3, 4), f(0), 69, f(1, 4), False),
        (f(1), f(0), 43, f(1), False),
        (f(1), f(0), 69, f(1, 2), True),
        (f(3, 2), f(-1, 8), 71, f(1, 8), False),
        (f(3, 2), f(0), 72, f(1, 2), False),
        (f(2), f(0), 48, f(1), False),
        (f(2), f(0), 60, f(1), False),
    ]
    assert found == expected
    assert [head.pitch for head in page.heads if head.box is None] == [43]
    assert engraving.tempi == ((0, f(0), f(90, 4)),)
    [midi] = engraving.midis
    assert len(notes_of_midi(midi.read_bytes()).notes) == 14  # all heads but the tied one


def test_heads_lie_in_their_systems_and_on_ink(engraving):
    [page] = engraving.pages
    images = next(engraving.draw())
    assert page.width == 835 and page.height == 1181
    assert len(page.systems) == 2
    first, second = sorted(page.systems.values(), key=lambda box: box.top)
    assert first.bottom < second.top
    for head in page.heads:
        system = page.systems[head.system]
        assert system == (second if head.moment >= 2 else first)
        if head.box is None:
            continue
        top, left, bottom, right = head.box
        assert system.left < left < right < system.right
        assert 5 < head.box.width < 15 and 4 < head.box.height < 10
        inside = images["bold"][round(top) : round(bottom), round(left) : round(right)]
        assert (inside < 128).mean() > 0.4


def test_staves_are_engraved_as_far_apart_as_is_asked(engraving, tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "score.ly").write_text(SCORE)
    (tmp_path / "notes" / "right.ily").write_text(RIGHT)
    (tmp_path / "workspace").mkdir()
    wide = engrave(tmp_path / "score.ly", tmp_path / "workspace", staff_distance=2)
    usual, doubled = (
        [box.height - 4 * 6.99 for box in each.pages[0].systems.values()]
        for each in (engraving, wide)
    )
    # Staves are 7.03 mm high, and 835 pixels are 210 mm: a space is 6.99 pixels.
    np.testing.assert_allclose(usual, 9 * 6.99, atol=1)
    np.testing.assert_allclose(doubled, 18 * 6.99, atol=1)


def test_two_inks_differ_in_transparency_alone(engraving):
    images = next(engraving.draw())
    bold, thin = images["bold"], images["thin"]
    assert bold.shape == thin.shape == (1181, 835)
    assert bold.dtype == thin.dtype == np.uint8
    assert set(np.unique(bold)) == {0, 255}
    assert len(np.unique(thin)) > 20
    assert ((thin < 255) <= (bold == 0)).all()  # no ink where bold has none
    assert (bold < 255).mean() > 1.2 * (thin < 128).mean()


def test_box_of_a_path_is_that_of_its_points():
    generator = np.random.default_rng(0)
    for _ in range(20):
        p = np.round(generator.uniform(-50, 50, (7, 2)), 3)
        d = f"M{p[0, 0]} {p[0, 1]}C" + " ".join(f"{x} {y}" for x, y in p[1:4])
        relative = p[4:] - p[3]
        d += "c" + " ".join(f"{x:.3f},{y:.3f}" for x, y in relative) + "z"
        t = np.linspace(0, 1, 5001)[:, None]
        bernstein = [(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3]
        curves = [sum(b * q for b, q in zip(bernstein, p[i : i + 4], strict=True)) for i in (0, 3)]
        points = np.concatenate(curves)
        expected = (*points.min(axis=0)[::-1], *points.max(axis=0)[::-1])
        np.testing.assert_allclose(path_box(d), expected, atol=1e-3)
    assert path_box("M1 2h3v-5H0z") == Box(top=-3.0, left=0.0, bottom=2.0, right=4.0)


def test_transforms_nest():
    page = parse_page(
        '<svg viewBox="0 0 100 200"><g transform="translate(10, 20)">'
        '<g data-kind="staff" data-system="3"><g transform="translate(5,1) scale(2, -3)">'
        '<line x1="0" y1="0" x2="10" y2="1"/></g></g></g></svg>'
    )
    np.testing.assert_allclose(page.systems[3], np.array([18, 15, 21, 35]) * 8.35)
    assert (page.width, page.height) == (835, 1670)
    with pytest.raises(UserError, match="not an SVG page"):
        parse_page("<svg>")


def test_errors_name_file_and_line(tmp_path):
    message = fail(tmp_path, "\\version \"2.24.0\"\n{ c'4 d'4\n")
    assert message.startswith("bad.ly:") and "syntax error" in message
    assert "\n" not in message


def test_a_score_without_music_is_refused(tmp_path):
    assert fail(tmp_path, '\\version "2.24.0"\n\\markup "words"\n') == (
        "bad.ly: has no music on its pages"
    )


def test_a_missing_include_is_named(tmp_path):
    message = fail(tmp_path, '\\version "2.24.0"\n\\include "nowhere.ily"\n\\score { \\right }\n')
    assert message.startswith("bad.ly:2:") and "nowhere.ily" in message


def test_a_crash_of_lilypond_is_tried_again_once(tmp_path, monkeypatch):
    (tmp_path / "score.ly").write_text('\\version "2.24.0"\n{ c\'1 }\n')
    run, crashes = engraver._run_lilypond, 1

    def crashing(source, output, settings, timeout_seconds):
        nonlocal crashes
        if crashes:
            crashes -= 1
            (output / "page.svg").write_text("half a page")
            return "", -signal.SIGSEGV
        return run(source, output, settings, timeout_seconds)

    monkeypatch.setattr(engraver, "_run_lilypond", crashing)
    (tmp_path / "workspace").mkdir()
    assert len(engrave(tmp_path / "score.ly", tmp_path / "workspace").pages) == 1
    monkeypatch.setattr(engraver, "_run_lilypond", lambda *_: ("", -signal.SIGSEGV))
    (tmp_path / "other").mkdir()
    with pytest.raises(UserError, match="LilyPond ended with -11"):
        engrave(tmp_path / "score.ly", tmp_path / "other")


def test_a_score_that_takes_too_long_is_stopped(tmp_path):
    text = '\\version "2.24.0"\n#(let loop () (loop))\n{ c\'4 }\n'
    assert fail(tmp_path, text, timeout_seconds=1) == "bad.ly: LilyPond did not finish in 1 s"


def test_old_syntax_and_latin_letters_are_brought_up_to_date(tmp_path):
    text = '\\version "2.10.0"\n\\header { title = "Étude" }\n'
    text += "\\score { { \\times 2/3 { c'8 d' e' } \\set Staff.autoBeaming = ##f } }\n"
    (tmp_path / "old.ly").write_bytes(text.encode("latin-1"))
    (tmp_path / "workspace").mkdir()
    result = engrave(tmp_path / "old.ly", tmp_path / "workspace")
    assert len(result.pages[0].heads) == 3 and "Étude" in result.svgs[0]
    assert (tmp_path / "old.ly").read_bytes() == text.encode("latin-1")  # left as it was


def test_a_setting_as_the_music_of_a_context_and_unfolding_without_kinds(tmp_path):
    text = '\\version "2.10.0"\n'
    text += "right = \\context Staff \\relative c' {\n"
    text += '  \\context Voice = "right"\n  \\override Script #\'font-size = #3\n  c4 d }\n'
    text += "\\score { { \\applyMusic #unfold-repeats { \\repeat volta 2 { e'4 } } \\right } }\n"
    (tmp_path / "old.ly").write_text(text)
    (tmp_path / "workspace").mkdir()
    result = engrave(tmp_path / "old.ly", tmp_path / "workspace")
    heads = [head for page in result.pages for head in page.heads]
    assert sorted(head.pitch for head in heads) == [60, 62, 64, 64]


PAGE = """<svg xmlns="http://www.w3.org/2000/svg" width="10mm" height="14mm"
 viewBox="0 0 100 140">
<g data-kind="staff" data-system="1"><rect x="10" y="20" width="80" height="8"/></g>
<g data-kind="head" data-moment="1/4" data-pitch="60"><path d="M 20 22 L 22 24"/></g></svg>"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"0 0 100 140"', '"0 0 0 140"', "a page of 0 x 140"),
        ('"0 0 100 140"', '"0 0 nan 140"', "a page of nan"),
        ('"0 0 100 140"', '"0 0 1 1e9"', "a page of 1 x 1e"),
        ('"0 0 100 140"', '"0 0 100"', "not enough values"),
        ('"1/4"', '"1/0"', "not an SVG page"),
        ('"1/4"', '"1e999999999"', "moment 1e999999999"),
        ('"60"', '"sixty"', "not an SVG page"),
        ('x="10"', 'x="1e300"', "far from the page"),
        ('x="10"', 'x="inf"', "far from the page"),
        ("M 20 22 L 22 24", "M 20 22 C 1 2 3 4 5 1" + "0" * 400, "not an SVG page"),
        ("<svg", "<g>" * 3000 + "<svg", "not an SVG page"),
        ('<g data-kind="staff"', "<g>" * 3000 + "<g/" + ">" + "</g>" * 3000 + "<g ", "too deeply"),
        ("</svg>", "", "not an SVG page"),
    ],
)
def test_odd_drawings_are_refused(old, new, message):
    assert len(parse_page(PAGE).heads) == 1 and old in PAGE
    with pytest.raises(UserError, match=message) as error:
        parse_page(PAGE.replace(old, new))
    assert str(error.value).isprintable() and len(str(error.value)) < 300


def test_hostile_includes_are_passed_over(tmp_path):
    (tmp_path / "loop.ily").symlink_to(tmp_path / "loop.ily")
    names = ["x" * 300, "loop.ily", "a\0b", "../../../etc/passwd", "."]
    text = "".join(f'\\include "{name}"\n' for name in names) + "{ c' }"
    (tmp_path / "score.ly").write_text(text)
    copied = engraver._copy_with_includes(tmp_path / "score.ly", tmp_path / "work", tmp_path)
    assert copied.read_text() == text and list((tmp_path / "work").iterdir()) == [copied]
    with (tmp_path / "huge.ly").open("wb") as stream:
        stream.truncate(2**30)
    with pytest.raises(UserError, match="huge.ly: larger than 16 MiB"):
        engrave(tmp_path / "huge.ly", tmp_path)
