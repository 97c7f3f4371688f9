import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from tempo_invariant import shipped
from tempo_invariant.training import sources


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("msmd_all_split.yaml", {"MSMD": 467}),
        ("verovio_split.yaml", {"OpenScore Lieder": 1429, "Polish Scores": 808}),
    ],
)
def test_every_piece_of_a_split_is_of_its_corpus(split, expected):
    parts = yaml.safe_load(Path(shipped.find(split)).read_text())
    assert Counter(sources.corpus(piece) for part in parts.values() for piece in part) == expected


def test_sampled_pianos_that_were_heard_are_named_once():
    heard = ["FluidR3_GM-p1", "salamander", "salamander-e1", "splendid-e1-r1"]
    found = sources.sound_licences(heard)
    assert len(found) == 2 and re.search(r"Salamander .* Attribution 3\.0", found[0])
    assert "Splendid" in found[1]
    assert not sources.sound_licences(["TimGM6mb", "MuseScore_General_Full"])


def test_sounds_are_told_in_words():
    heard = ["FluidR3_GM-p1-e1", "FluidR3_GM-p40", "my-e-piano", "salamander-e2-i1-r3", "TimGM6mb"]
    found = sources.soundfonts([*heard, "FluidR3_GM"])
    assert found == {
        "FluidR3_GM": [0, 1, 40],
        "TimGM6mb": [0],
        "my-e-piano": [0],
        "salamander": [0],
    }
    ways = ["as notated", "with expression", "with expression out of tune in a room"]
    assert sources.ways_of_playing(heard) == ways
    line = sources.sound_line("FluidR3_GM", found["FluidR3_GM"])
    assert line.endswith("its General MIDI programs 0 (acoustic grand), 1 (bright acoustic), 40.")
    assert sources.sound_line("salamander", [0]).endswith("a Yamaha C5.")
    assert sources.sound_line("my-e-piano", [0]) == "`my-e-piano`: a soundfont."
