"""What the training input costs and whether it is fair: speed, memory, evenness of sampling."""

import dataclasses
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from tempo_invariant.config import NO_AUGMENTATION, Augmentation
from tempo_invariant.data import corpus as corpora
from tempo_invariant.data.corpus import Corpus, load_corpus
from tempo_invariant.data.cutting import Draw
from tempo_invariant.data.pipeline import pair_chooser, train_dataset, wanted_records
from tempo_invariant.data.shards import StoredRows

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
)
"""All that the pipeline can do to a pair, at full strength."""

_DRAWS_AT_ONCE = 10_000


def measure(
    data: str | Path,
    split: str,
    batch_size: int,
    frames: Sequence[int],
    pairs: int,
    sampled: int,
    memory_mib: float | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Measures the pipeline on a split.

    Args:
        data: Directory of records.
        split: Split of the records.
        batch_size: Number of pairs in a batch.
        frames: Lengths of excerpts in spectrogram frames, each measured without augmentation, with
            the published one and with `EVERYTHING`.
        pairs: Number of pairs measured of each kind, after a warm-up of a tenth as many.
        sampled: Number of draws in the test of uniformity.
        memory_mib: Size in MiB up to which the split is held in memory, see `load_corpus`.
        seed: Seed for the draws.

    Returns:
        What `table` shows; `speed` has a row for each length and augmentation.

    Raises:
        UserError: The records cannot be read.
    """
    limit = corpora.MEMORY_MIB if memory_mib is None else memory_mib
    corpus = load_corpus(data, split, limit)
    kinds = {"none": NO_AUGMENTATION, "published": Augmentation(), "all": EVERYTHING}
    rows = []
    total = len(frames) * len(kinds) * pairs
    with tqdm(total=total, unit="pair", file=sys.stderr) as progress:
        for length in frames:
            for name, augmentation in kinds.items():
                progress.set_description(f"T = {length}, {name}")
                dataset = train_dataset(corpus, batch_size, length, augmentation, seed)
                row = measure_speed(iter(dataset), batch_size, pairs, progress)
                rows.append({"frames": length, "augmentation": name} | row)
    counts, expected = piece_counts(corpus, EVERYTHING, sampled, seed)
    return {
        "data": str(data),
        "split": split,
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


def measure_speed(
    batches: Iterator[Any], batch_size: int, pairs: int, progress: tqdm | None = None
) -> dict[str, float]:
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
    clock, processor = time.perf_counter(), processor_seconds()
    for _ in range(steps):
        next(batches)
        if progress is not None:
            progress.update(batch_size)
    clock, processor = time.perf_counter() - clock, processor_seconds() - processor
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

    Pearson's chi-square test; counts of which none is expected are left out.
    """
    counts, expected = counts[expected > 0], expected[expected > 0]
    statistic = float(((counts - expected) ** 2 / expected).sum())
    half_degrees = (len(counts) - 1) / 2
    if not half_degrees:
        return 1.0
    tail = tf.math.igammac(
        tf.constant(half_degrees, tf.float64), tf.constant(statistic / 2, tf.float64)
    )
    return float(tail)


def processor_seconds() -> float:
    """Processor time of this process, all threads, user and system."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_mib() -> float:
    """Most resident memory that this process has had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def resident_mib() -> float:
    """Resident memory of this process now; the peak where the system does not tell."""
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
