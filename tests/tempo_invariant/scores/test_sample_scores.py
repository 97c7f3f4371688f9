"""Tests for the sample scores: what they declare, and what LilyPond makes of them."""

import re
import subprocess
from pathlib import Path

import lilypond
import pretty_midi
import pytest

from tempo_invariant.scores import sources

# LilyPond writes tempo and key into the track of each staff, which pretty_midi remarks on.
pytestmark = pytest.mark.filterwarnings("ignore:Tempo, Key or Time signature:RuntimeWarning")

SCORES = Path(sources.__file__).parent / "sample_scores"

# Bars, quarter notes a bar, and distinct (onset, pitch) pairs. The counts were established against
# transcriptions by other typesetters of the same pieces, not taken from these files.
EXPECTED = {
    "bach_invention_1": (22, 4.0, 457),
    "bach_invention_4": (52, 1.5, 443),
    "bach_invention_8": (34, 3.0, 596),
    "bach_musette": (20, 2.0, 171),
    "bach_prelude_c_major": (35, 4.0, 549),
    "beethoven_fur_elise_theme": (24, 1.5, 158),
    "burgmuller_arabesque": (33, 2.0, 283),
    "chopin_prelude_op28_no7": (16, 3.0, 168),
    "minuet_f_major": (32, 3.0, 259),
    "minuet_g_major": (40, 3.0, 310),
    "mozart_sonata_k331_theme": (18, 3.0, 240),
    "petzold_minuet_g_major": (32, 3.0, 204),
    "petzold_minuet_g_minor": (32, 3.0, 199),
    "satie_gymnopedie_1": (47, 3.0, 282),
    "schumann_happy_farmer": (20, 4.0, 352),
    "schumann_melody": (20, 4.0, 254),
    "schumann_wild_horseman": (24, 3.0, 312),
    "tchaikovsky_march_of_the_wooden_soldiers": (48, 2.0, 318),
    "tchaikovsky_old_french_song": (32, 2.0, 188),
}
QUICK = ("bach_musette", "chopin_prelude_op28_no7", "schumann_happy_farmer")


def _check_engraving(name: str, directory: Path) -> None:
    """Engraves a score and compares its MIDI file with what is expected."""
    command = [
        str(lilypond.executable()),
        "--loglevel=WARNING",
        "--svg",
        "-o",
        str(directory / name),
    ]
    done = subprocess.run([*command, str(SCORES / f"{name}.ly")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == ""
    assert list(directory.glob(f"{name}*.svg"))

    midi = pretty_midi.PrettyMIDI(str(next(directory.glob(f"{name}.mid*"))))
    staves = [instrument.notes for instrument in midi.instruments]
    assert len(staves) == 2 and all(staves), "a right and a left hand"

    bars, quarters_per_bar, pairs = EXPECTED[name]
    assert len({(midi.time_to_tick(n.start), n.pitch) for notes in staves for n in notes}) == pairs
    quarters = midi.time_to_tick(midi.get_end_time()) / midi.resolution
    # An upbeat, or rests at the end, make the music a little longer or shorter than its bars.
    assert bars - 1.0 <= quarters / quarters_per_bar <= bars + 0.5


def test_there_are_enough_scores_and_each_is_known():
    names = {path.stem for path in SCORES.glob("*.ly")}
    assert len(names) >= 12
    assert names == set(EXPECTED)
    assert all(re.fullmatch(r"[a-z0-9_]+", name) for name in names)
    assert min(bars for bars, _, _ in EXPECTED.values()) >= 16


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_source_declares_what_the_chain_needs(name):
    source = (SCORES / f"{name}.ly").read_text(encoding="utf-8")
    assert source.startswith('\\version "2.24.0"')
    for field in ("title", "composer"):
        assert re.search(rf'^  {field} = "\S[^"]*"$', source, re.MULTILINE), field
    assert 'license = "Public Domain (CC0)"' in source
    assert "tagline = ##f" in source
    assert source.count("\\new PianoStaff") == 1
    assert source.count("\\new Staff") == 2
    assert source.count("\\midi") == 1 and source.count("\\layout") == 1
    assert re.search(r'\\tempo ("[^"]+" )?[248]\.? = \d+', source)
    assert "\\unfold" not in source and "\\repeat unfold" not in source
    assert "\\lyric" not in source


def test_readme_lists_every_score_with_its_bars():
    readme = (SCORES / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)\.ly` \|.*\| (\d+) \|$", readme, re.MULTILINE)
    assert {name: int(bars) for name, bars in rows} == {n: e[0] for n, e in EXPECTED.items()}
    assert "CC0 1.0" in readme


@pytest.mark.parametrize("name", QUICK)
def test_score_engraves_without_a_warning(name, tmp_path):
    _check_engraving(name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(EXPECTED) - set(QUICK)))
def test_every_other_score_engraves_without_a_warning(name, tmp_path):
    _check_engraving(name, tmp_path)
