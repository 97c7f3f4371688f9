"""What is made of the sample, and of others, has its name and its place."""

from tempo_invariant import samples


def test_what_is_made_of_something_has_its_name_and_what_is_made_of_a_sample_comes_here():
    minuet = samples.DIRECTORY / "scores/minuet_f_major.pdf"
    assert minuet.is_file()
    for source, path in {
        samples.find("sample", samples.SCORES): "sample-answer",
        samples.find("sample", samples.RECORDING): "sample-answer",
        minuet: "minuet_f_major-answer",
        "music/take.flac": "music/take-answer",
        "scores": "scores-answer",
    }.items():
        assert samples.beside(source, "answer") == path
