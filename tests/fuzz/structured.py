"""JSON that is still JSON: one value in it is another, is missing, or is there twice."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from tests import fuzzing

STRANGE = (
    *(None, True, -1, 0, 1, 7, 2**31 - 1, 2**31, -(2**63), 10**30, 1e308, 0.5, -0.5),
    *("", "x", "../..", "\ud800", "\0\n\x1b[31m", "x" * 300, [], {}, [[]], [None], {"x": {}}),
    *(float("nan"), float("inf"), [1] * 100, {"x": [1]}),
)


def changed(text: str, seed: int) -> bytes:
    """Returns a JSON text in which one value has been exchanged or left out, a seed for each."""
    generator = np.random.default_rng(seed)
    value = copy.deepcopy(json.loads(text))
    places = list(_places(value))
    owner, key = places[int(generator.integers(len(places)))]
    kind = int(generator.integers(8))
    if kind == 0:
        del owner[key]
    elif kind == 1 and isinstance(owner, dict):
        owner["surprise"] = owner[key]
    elif kind == 2 and isinstance(owner, list):
        owner.append(owner[key])
    else:
        owner[key] = STRANGE[int(generator.integers(len(STRANGE)))]
    return json.dumps(value).encode()


def damaged_json(text: str, count: int = fuzzing.COUNT) -> Iterator[bytes]:
    """Yields damaged texts: half of them are JSON still."""
    for seed in range(count):
        yield changed(text, seed) if seed % 2 else fuzzing.damaged(text.encode(), seed // 2)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yields every object or list in a value with each of its names or numbers."""
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])
