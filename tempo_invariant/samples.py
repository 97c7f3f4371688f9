"""The sample that ships: scores as PDF files, and a recording of one of them.

Commands take the word "sample" for either. The pages were engraved of the LilyPond files in
`tempo_invariant/scores/sample_scores`; the recording plays `petzold_minuet_g_major` at 0.8 of its
tempo, as a person would play it.
"""

from pathlib import Path

DIRECTORY = Path(__file__).parent / "sample"
SCORES = {"sample": str(DIRECTORY / "scores")}
RECORDING = {"sample": str(DIRECTORY / "recording.ogg")}
