"""Speed and memory of the training input, and whether it draws all pieces evenly."""

import dataclasses
import itertools
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from scipy import stats

from tempo_invariant import progress
from tempo_invariant.data.corpus import Corpus
from tempo_invariant.data.cutting import Draw
from tempo_invariant.data.pipeline import pair_chooser, train_dataset, wanted_records
from tempo_invariant.data.shards import StoredRows
from tempo_invariant.variations import NO_AUGMENTATION, Augmentation

WARM_UP_SHARE = 0.1

EVERYTHING = Augmentation(
    stretch=2.0,
    level_db=12.0,
    tuning_cents=30.0,
    reverberation_seconds=1.0,
    equalization_db=9.0,
    low_cut_hz=300.0,
    high_cut_hz=3400.0,
    noise_snr_db=10.0,
    mask_frames=8,
    mask_bands=8,
    missing_future=0.5,
    skew_degrees=2.0,
    bend_pixels=8.0,
    uneven_scale=0.1,
    ink_spread=0.7,
    faded_ink=0.4,
    note_colour=0.8,
    handwriting=6,
    bleed_through=0.3,
    blur=0.7,
    grey_paper=0.4,
    shadow=0.6,
    grain=12.0,
    jpeg=6.0,
)
"""All that the pipeline can do to a pair, at full strength."""

KINDS = {"none": NO_AUGMENTATION, "published": Augmentation(), "all": EVERYTHING}

_DRAWS_AT_ONCE = 10_000


def measure(
    corpus: Corpus, batch_size: int, frames: Sequence[int], pairs: int, sampled: int, seed: int = 0
) -> dict[str, Any]:
    """Measures the pipeline on a split.

    Args:
        corpus: The split.
        batch_size: Number of pairs in a batch.
        frames: Lengths of excerpts in spectrogram frames, each measured with all `KINDS` of
            augmentation.
        pairs: Number of pairs measured of each kind, after a warm-up of a tenth as many.
        sampled: Number of draws in the test of uniformity.
        seed: Seed for the draws.

    Returns:
        What `table` shows, but for the origin of the split; `speed` has a row for each length and
        augmentation.
    """
    rows = []
    for length, name in progress.track(list(itertools.product(frames, KINDS)), "settings"):
        dataset = train_dataset(corpus, batch_size, length, KINDS[name], seed)
        row = measure_speed(iter(dataset), batch_size, pairs)
        rows.append({"frames": length, "augmentation": name} | row)
    counts, expected = piece_counts(corpus, EVERYTHING, sampled, seed)
    return {
        "pieces": len(corpus.pieces),
        "pairs": corpus.pairs,
        "held_in_memory": not isinstance(corpus.strips, StoredRows),
        "batch_size": batch_size,
        "all": dataclasses.asdict(EVERYTHING),
        "speed": rows,
        "peak_mib": round(peak_mib(), 1),
        "sampled": int(counts.sum()),
        "p_value": chi_square_p_value(counts, expected),
    }


def measure_speed(batches: Iterator[Any], batch_size: int, pairs: int) -> dict[str, float]:
    """Takes batches as fast as they come.

    Processor time is that of all threads of this process: what a core can do stays the same when
    others use the machine too, though it is less where two threads share a core.

    Returns:
        `pairs_per_second`, `pairs_per_core_second`, and the resident memory after the warm-up and
        at the end, `warm_mib` and `end_mib`.
    """
    steps = max(1, pairs // batch_size)
    for _ in range(max(1, round(WARM_UP_SHARE * steps))):
        next(batches)
    warm = resident_mib()
    clock, processor = time.perf_counter(), time.process_time()
    for _ in range(steps):
        next(batches)
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    return {
        "pairs_per_second": round(steps * batch_size / clock, 1),
        "pairs_per_core_second": round(steps * batch_size / max(processor, 1e-6), 1),
        "warm_mib": round(warm, 1),
        "end_mib": round(resident_mib(), 1),
    }


def piece_counts(
    corpus: Corpus, augmentation: Augmentation, draws: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Counts how often training draws each piece.

    Returns:
        Counts [pieces] of at least `draws` draws, and those expected of each pair being as likely
        as any other, 0 for pieces with none.
    """
    choose = pair_chooser(corpus, augmentation)
    piece_of_pair = corpus.record_piece[corpus.pair_record]
    sample = tf.function(lambda step: choose(Draw(seed, step, _DRAWS_AT_ONCE)))
    counts = np.zeros(len(corpus.pieces), np.int64)
    for step in range(-(-draws // _DRAWS_AT_ONCE)):
        drawn = sample(tf.constant(step, tf.int64)).numpy()
        counts += np.bincount(piece_of_pair[drawn], minlength=len(counts))
    allowed = wanted_records(corpus, augmentation)[corpus.pair_record]
    share = np.bincount(piece_of_pair[allowed], minlength=len(counts)) / allowed.sum()
    return counts, share * counts.sum()


def chi_square_p_value(counts: np.ndarray, expected: np.ndarray) -> float:
    """Returns how likely counts at least as uneven are, if each is drawn as often as expected.

    Pearson's chi-square test; where none is expected, counts are left out.
    """
    there = expected > 0
    if there.sum() < 2:
        return 1.0
    return float(stats.chisquare(counts[there], expected[there]).pvalue)


def peak_mib() -> float:
    """Returns the most resident memory that this process has had, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def resident_mib() -> float:
    """Returns the resident memory of this process in MiB; the peak where that is not known."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError):
        return peak_mib()
    return pages * resource.getpagesize() / 2**20


def table(report: dict[str, Any]) -> str:
    """Returns the measurements as text."""
    held = "held in memory" if report["held_in_memory"] else "read from its shards"
    lines = [
        f"{report['data']}, {report['split']}: {report['pieces']:,} pieces, "
        f"{report['pairs']:,} pairs, {held}; batches of {report['batch_size']:,}",
        "",
        f"{'T':>4}  {'augmentation':<14}{'pairs/s':>10}{'per core-s':>12}"
        f"{'MiB warm':>10}{'MiB at end':>12}",
    ]
    lines += [
        f"{row['frames']:>4}  {row['augmentation']:<14}{row['pairs_per_second']:>10,.0f}"
        f"{row['pairs_per_core_second']:>12,.0f}{row['warm_mib']:>10,.0f}{row['end_mib']:>12,.0f}"
        for row in report["speed"]
    ]
    lines += [
        "",
        "all: " + ", ".join(f"{name} {value:g}" for name, value in report["all"].items()),
        f"peak memory          {report['peak_mib']:,.0f} MiB",
        f"sampling of pieces   chi-square p = {report['p_value']:.3f} "
        f"({report['sampled']:,} draws, expected: each pair equally often)",
    ]
    return "\n".join(lines)
