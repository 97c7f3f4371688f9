"""Who follows and who only listens hear and rank alike."""

import dataclasses

import numpy as np
import pytest

from tempo_invariant.geometry import SAMPLE_RATE
from tempo_invariant.retrieval import indexing, listening
from tempo_invariant.retrieval.identification import IdentificationSettings
from tempo_invariant.tracking import naming
from tests import fake_embedder
from tests.fake_embedder import FakeEmbedder, melody

RISING = np.arange(20, 140)


def test_a_namer_says_after_every_window_what_a_live_answer_says(tmp_path):
    for name, numbers in (("falling", RISING[::-1]), ("rising", RISING)):
        fake_embedder.write_score(tmp_path, name, numbers)
    made = indexing.index_scores(FakeEmbedder(), tmp_path / "msmd", tmp_path / "index").index
    index = dataclasses.replace(made, editions=())
    sound = melody(RISING, 12.0)
    blocks = [sound[first : first + 5000] for first in range(0, len(sound), 5000)]
    namer = naming.Namer(index, FakeEmbedder())
    said = [each for block in blocks for each in namer.push(block)]
    assert [each.windows for each in said] == list(range(1, len(said) + 1))
    settings = IdentificationSettings(half_life_seconds=naming.HALF_LIFE_SECONDS)
    for answer in list(listening.listen(index, FakeEmbedder(), blocks, settings))[3:-1]:
        # A window needs a quarter of its length after its middle, which may be 5 frames later.
        heard = int((answer.seconds * 20 - FakeEmbedder().frames // 4 - 5) // 10) + 1
        told, found = said[heard - 1].candidates[0], answer.candidates[0]
        assert (told.name, told.position) == ("rising", found.position)
        assert told.score == pytest.approx(found.score, rel=1e-6)
        assert SAMPLE_RATE * answer.seconds <= len(sound)
