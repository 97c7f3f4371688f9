"""Makes the cohorts of a model: what tells the hubness of its embeddings, and ships with it."""

from pathlib import Path

import numpy as np

from tempo_invariant import arrays
from tempo_invariant.data import pipeline
from tempo_invariant.data.corpus import load_corpus
from tempo_invariant.evaluation.retrieval import BATCH_SIZE, Progress
from tempo_invariant.model import runs
from tempo_invariant.model.layers import VIEWS
from tempo_invariant.retrieval import embedders, hubness, model_identity

PAIRS = 3000

_SEED = 20_000
"""Seed for the pairs: not that of a training, which is small."""


def write(directory: Path, data: str | Path, pairs: int = PAIRS) -> None:
    """Embeds training pairs, varied as in the training, and writes both cohorts and the probe.

    Args:
        directory: Directory of a model that ships, or of a run.
        data: Directory of records whose training split is used, or several, see
            `schema.directories`.
        pairs: Number of pairs; each gives either cohort a vector.

    Raises:
        UserError: Model or data are missing or damaged.
    """
    experiment = runs.load_experiment(directory)
    corpus = load_corpus(data, "train", weights=experiment.training.data_weights)
    batches = -(-pairs // BATCH_SIZE)
    dataset = pipeline.train_dataset(
        corpus, BATCH_SIZE, experiment.model.frames, experiment.training.augmentation, _SEED
    )
    embedded = runs.load_model(directory).predict(
        dataset.take(batches), verbose=0, callbacks=[Progress(pairs, "cohort")]
    )[:pairs]
    for kind, view in (("sheets", "audio"), ("recordings", "sheet")):
        vectors = embedded[:, VIEWS.index(view)]
        arrays.save(directory / hubness.COHORTS[kind], vectors.astype(np.float16))
    found = model_identity.probe(embedders.open_embedder("run", str(directory)))
    arrays.save(directory / hubness.PROBE, found)
