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
        ("verovio_split.yaml", {"OpenScore Lieder": 1458, "Polish Scores": 808}),
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
