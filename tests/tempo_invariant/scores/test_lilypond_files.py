"""What LilyPond files include, and which of them are scores."""

import os
import time

import pytest

from tempo_invariant.errors import UserError
from tempo_invariant.scores import lilypond_files
from tempo_invariant.scores.lilypond_files import (
    LilyPondTree,
    has_music,
    included_names,
    read_source,
)

NOTES = "upper = \\relative c'' { c4 d e f }\n"


@pytest.mark.parametrize(
    "text",
    [
        "{ c'4 d' }",
        '\\version "2.24.0"\n\\header { title = "x" }\n<< { c\' } { e\' } >>',
        NOTES + "\\score { \\new Staff \\upper \\layout { } }",
        NOTES + "\\new Staff \\upper",
        NOTES + "\\upper",
        NOTES + "\\book { \\score { \\upper } }",
        "#(set-global-staff-size 18)\n\\paper { indent = 0\\mm }\n\\relative c' { c( d) }",
        "size = 3\\cm\n{ c' }",
        'name = "a { b"\n{ c\' }',
        "x = { \\once \\override Stem.length = #(lambda (grob) (* 2 3)) c-> }\n{ \\x }",
        'x = \\markup { \\bold "}" } %{ { %}\n\\repeat unfold 2 { c\' }',
        "upper = << { c4->>> } >> \\relative c' { c }",  # as nobody should write it
    ],
)
def test_music_is_found(text):
    assert has_music(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "% \\score { c' }\n%{ { c' } %}",
        NOTES,
        'upper = \\new Voice = "up" \\with { \\remove "X" } { c }\nlower = <<{ c } \\\\ { d }>>',
        "x = \\repeat volta 2 { c } \\alternative { { d } { e } }\ny = \\x\nz = \\fixed c \\x",
        'x = { c } \\addlyrics { la } words = \\lyricmode { la }\n\\include "y.ily"',
        '\\version "2.24.0"\n\\language "english"\n\\header { x = "x" }\n\\paper { }\n\\layout { }',
        '#(define (f x) ";" "}" #\\" #\\( (display "{"))\nsize = #18\n\\pointAndClickOff',
        'music.upper = { c }\n"lower-2" = { d }\nratio = 3/4\nlength = 12.5\\cm\nx = { c }',
        "c4 d \\times 2/3 { e8 f g } | <c e g>1",  # to be included within braces
        "myBreak = #(define-music-function () () #{ \\break { } #})\n",
        '\\markup { "only words" }',
    ],
)
def test_definitions_are_no_music(text):
    assert not has_music(text)


def test_includes_are_found_outside_of_comments():
    text = (
        '\\include "a.ly" \\include "b/c.ily" % \\include "no.ly"\n'
        '%{ \\include "no.ly" %} \\include    "../d.ly"\nx = "100 % \\" %" \\include "e.ly"\n'
    )
    assert included_names(text) == ["a.ly", "b/c.ily", "../d.ly", "e.ly"]


def write(folder, **texts):
    for name, text in texts.items():
        path = folder / (name.replace("__", "/") + ".ly")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return LilyPondTree(folder, files), sorted(files)


def test_a_file_that_is_included_is_no_score(tmp_path):
    tree, files = write(
        tmp_path,
        suite='\\include "parts/one.ly"\n\\include "parts/two.ly"',
        parts__one='\\include "../defs.ly"\n\\include "near.ly"\n{ c\' }',
        parts__two="\\score { { d' } }",
        parts__near="x = { c }",
        defs="y = { c }",
        unused="z = { c }",
        missing='\\include "../../outside.ly"\n\\include "nothing.ly"',
        other='\\include "defs.ly"\n{ \\y }',
    )
    assert tree.scores(files) == {
        "suite.ly": ["parts/one.ly", "parts/two.ly", "defs.ly", "parts/near.ly"],
        "other.ly": ["defs.ly"],
    } or tree.scores(files) == {
        "other.ly": ["defs.ly"],
        "suite.ly": ["parts/one.ly", "parts/two.ly", "defs.ly", "parts/near.ly"],
    }


def test_what_an_included_file_includes_may_lie_beside_the_main_file(tmp_path):
    tree, files = write(
        tmp_path, main='\\include "sub/a.ly"\n{ c\' }', sub__a='\\include "b.ly"', b="{ d' }"
    )
    assert tree.scores(files) == {"main.ly": ["sub/a.ly", "b.ly"]}


def test_of_files_that_include_each_other_the_first_is_the_score(tmp_path):
    tree, files = write(
        tmp_path, a='\\include "b.ly"\n{ c\' }', b='\\include "a.ly"', c='\\include "c.ly"\n{ c\' }'
    )
    assert tree.scores(files) == {"a.ly": ["b.ly"], "c.ly": []}


def test_a_file_that_cannot_be_read_counts_as_a_score_to_be_named_later(tmp_path, monkeypatch):
    tree, files = write(tmp_path, long="x = { c }  % " + "x" * 100, broken="x = { c }")
    monkeypatch.setattr(lilypond_files, "LARGEST_SOURCE", 50)
    assert list(tree.scores(files)) == ["long.ly"]
    with pytest.raises(UserError, match="long.ly: larger than 0 MiB"):
        read_source(tmp_path / "long.ly")
    os.mkfifo(tmp_path / "pipe.ly")
    with pytest.raises(UserError, match="pipe.ly: cannot be read .a pipe or device, and no file"):
        read_source(tmp_path / "pipe.ly")


@pytest.mark.parametrize(
    "text",
    [
        '"' * 200_001,
        '"\\' * 200_001,
        "{" * 200_000 + ">>" * 200_000,
        "#(" * 200_000,
        "#{" * 200_000,
        "%{" * 200_000,
        "x = " * 200_000,
        "x = \\with {} " * 50_000,
        "<<" * 200_000 + "}" * 200_000,
        "\\header " * 100_000,
        '\\include "a" ' * 50_000,
        "#'`,@" * 100_000,
        "-" * 400_000,
    ],
)
def test_malicious_text_takes_no_time(text):
    started = time.process_time()
    has_music(text)
    included_names(text)
    assert time.process_time() - started < 5


def test_a_long_chain_of_files_takes_no_time(tmp_path, monkeypatch):
    monkeypatch.setattr(lilypond_files, "_MOST_STEPS", 1000)
    links = {f"f{n:04d}": f'\\include "f{n + 1:04d}.ly"\n{{ c }}' for n in range(1500)}
    tree, files = write(tmp_path, **links)
    assert len(tree.scores(files)["f0000.ly"]) == 1000
