"""Windows of several listeners are embedded together, and each gets its own."""

import threading

import numpy as np
import pytest

from tempo_invariant.retrieval.embedders import AudioEmbeddings
from tempo_invariant.web.shared_ears import SharedEars
from tests.fake_embedder import FakeEmbedder
from tests.web_server import wait_for


class Slow(FakeEmbedder):
    """Embeds a window as its first sample, and waits until it may."""

    def __init__(self):
        super().__init__()
        self.may, self.batches = threading.Event(), []

    def embed_audio(self, windows):
        self.batches.append(len(windows))
        assert self.may.wait(60)
        if np.isnan(windows).any():
            raise ValueError("not a number")
        return AudioEmbeddings(windows[:, :1], windows[:, 1:2])


def ask_together(asked, slow, groups):
    """Asks from a thread for each group of numbers while the first is being embedded."""
    answers = {}

    def ask(number, group):
        try:
            answers[number] = asked(np.array([[n, -n] for n in group]).reshape(-1, 2))
        except ValueError as error:
            answers[number] = error

    threads = []
    for number, group in enumerate(groups):
        threads.append(threading.Thread(target=ask, args=(number, group)))
        threads[-1].start()
        wait_for(lambda n=number: slow.batches and len(asked.waiting) == n)
    slow.may.set()
    for thread in threads:
        thread.join(60)
    return answers


def test_what_waits_goes_together_and_each_gets_its_own():
    slow = Slow()
    groups = [[1.0, 2.0], [3.0], [], [4.0, 5.0, 6.0]]
    answers = ask_together(SharedEars(slow).embed_audio, slow, groups)
    assert slow.batches == [2, 4]
    for number, group in enumerate(groups):
        expected = np.array(group).reshape(-1, 1)
        assert np.array_equal(answers[number].embedding, expected)
        assert np.array_equal(answers[number].attention, -expected)


def test_windows_whose_future_is_missing_go_together_too():
    slow = Slow()
    slow.embed_unfinished = lambda sounds, behind: slow.embed_audio(sounds).embedding * behind
    ears, behind = SharedEars(slow), (2, 8)
    answers = ask_together(ears._unfinished(behind), slow, [[1.0], [3.0], [4.0, 5.0]])
    assert slow.batches == [1, 3]
    assert np.array_equal(answers[2], [[8.0, 32.0], [10.0, 40.0]])
    assert np.array_equal(ears.embed_unfinished(np.array([[7.0, 0.0]]), behind), [[14.0, 56.0]])


def test_a_fault_is_told_to_all_who_waited_and_is_over_then():
    slow = Slow()
    ears = SharedEars(slow)
    answers = ask_together(ears.embed_audio, slow, [[1.0], [np.nan], [2.0]])
    assert answers[0].embedding == 1.0
    assert all(isinstance(answers[number], ValueError) for number in (1, 2))
    assert ears.embed_audio(np.array([[7.0, -7.0]])).embedding == 7.0


def test_it_is_the_model_otherwise():
    ears, fake = SharedEars(FakeEmbedder()), FakeEmbedder()
    for name in ("frames", "size", "staves", "name", "source"):
        assert getattr(ears, name) == getattr(fake, name)
    snippets = np.full((2, 160, 200), 90, np.uint8)
    assert np.array_equal(ears.embed_sheet(snippets), fake.embed_sheet(snippets))
    with pytest.raises(AttributeError):
        ears.embed_neighbours(snippets)
