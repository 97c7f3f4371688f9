"""Query sets written by hand: recordings that tests make, with the note heads of a score."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from scipy.io import wavfile

from tempo_invariant import json_objects
from tempo_invariant.evaluation import query_sets
from tempo_invariant.evaluation.conditions import Condition
from tempo_invariant.evaluation.query_sets import Entry, Query, Strike
from tempo_invariant.scores import msmd


def strikes(piece_dir: Path, tempo: float = 1.0) -> list[Strike]:
    """The note heads of a piece when its first performance is played at another tempo."""
    found = []
    for page in msmd.read_score(piece_dir).pages:
        numbers = {system.id: number for number, system in enumerate(page.systems, 1)}
        for head in page.note_heads:
            seconds = next(iter(head.onsets.values())).seconds / tempo
            found.append(Strike(seconds, page.number, numbers[head.system], head.column))
    return found


def query_set(
    directory: Path,
    recordings: Iterable[tuple[str, Condition, np.ndarray, list[Strike], dict]],
) -> list[Query]:
    """Writes a query set and reads it.

    Args:
        directory: Folder to write.
        recordings: For each query its piece, condition, samples, truth and further fields.
    """
    directory.mkdir(parents=True, exist_ok=True)
    entries, conditions = [], {}
    for number, (piece, condition, pcm, truth, more) in enumerate(recordings):
        wavfile.write(directory / f"{number}.wav", 22050, pcm)
        json_objects.save(directory / f"{number}.json", truth)
        names = piece, condition.name, f"{number}.wav", f"{number}.json"
        entries.append(Entry(*names, **more))
        conditions[condition.name] = condition
    query_sets.write(directory, list(conditions.values()), entries)
    return query_sets.read(directory)


def named(**fields) -> Condition:
    """A condition that is named by its text."""
    condition = Condition("", soundfont="TimGM6mb.sf2", **fields)
    return dataclasses.replace(condition, name=condition.text)
