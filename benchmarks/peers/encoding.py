"""The corpus as seqtag encodes it: for the same network from Keras's layers, and exported for the torch twin."""

from __future__ import annotations

import pickle
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seqtag.data import schemes
from seqtag.data.batching import EncodedCorpus, Limits, bucket
from seqtag.data.coerce import as_sequences
from seqtag.data.encoders import default_encoders, fit_encoders
from seqtag.data.features import Feature
from seqtag.data.transitions import allowed_transitions, complete_labels

LIMITS = Limits(tokens=800, sequences=32)
"""The defaults of `SequenceTagger`; a test holds the two together."""


@dataclass(frozen=True)
class Encoded:
    """A corpus, encoded as `SequenceTagger` does by default."""

    features: tuple[Feature, ...]
    labels: list[str]
    allowed: dict[str, Any]
    train: EncodedCorpus
    dev: EncodedCorpus


def encode(corpus: dict[str, Any]) -> Encoded:
    """Encode the words and tags of ``train`` and ``dev``."""
    sequences = {split: as_sequences(words, tags) for split, (words, tags) in corpus.items()}
    tags = corpus["train"][1]
    scheme = schemes.detect(tags)
    labels = complete_labels(sorted({tag for row in tags for tag in row}), scheme)
    features = fit_encoders(default_encoders(sequences["train"]), sequences["train"])
    ids = {label: i for i, label in enumerate(labels)}
    targets = [np.array([ids[tag] for tag in schemes.repair(row, scheme)], np.int32) for row in tags]
    names = ("start", "transitions", "end")
    tables = zip(names, allowed_transitions(labels, scheme), strict=True)
    return Encoded(
        features,
        labels,
        {name: table.tolist() for name, table in tables},
        EncodedCorpus(features, sequences["train"], targets),
        EncodedCorpus(features, sequences["dev"]),
    )


def export(encoded: Encoded, path: Path, *, passes: int, seed: int, batch_size: int | None = None) -> None:
    """Write ready-made batches of some passes over train and of dev, so that who reads them pays nothing for them.

    Parameters
    ----------
    encoded : Encoded
        The corpus.
    path : Path
        A pickle, read again in the same run.
    passes : int
        How many passes over train.
    seed : int
        Draws their order.
    batch_size : int, optional
        Sentences a batch, in random order; without it the batches are those that seqtag trains on.
    """
    rng = np.random.default_rng(seed)
    found: dict[str, Any] = {
        "specs": [asdict(feature.spec) for feature in encoded.features],
        "labels": encoded.labels,
        "allowed": encoded.allowed,
        "passes": [list(_one_pass(encoded.train, rng, batch_size)) for _ in range(passes)],
        "dev": [],
    }
    for group in bucket(encoded.dev.lengths, LIMITS.tokens, max_sequences=LIMITS.sequences):
        found["dev"].append((encoded.dev.batch(group).inputs, group.tolist()))
    path.write_bytes(pickle.dumps(found))


def _one_pass(train: EncodedCorpus, rng: np.random.Generator, batch_size: int | None) -> Any:
    if batch_size is None:
        for batch in train.shuffled(LIMITS, rng):
            yield batch.inputs, batch.targets
        return
    order = rng.permutation(len(train))
    for start in range(0, len(order), batch_size):
        batch = train.batch(order[start : start + batch_size])
        yield batch.inputs, batch.targets


def padded_share(passes: list[Any]) -> float:
    """Return which share of the computed places of exported batches is padding."""
    batches = [inputs for batches in passes for inputs, _ in batches]
    computed = sum(inputs["index"].size for inputs in batches)
    return 1.0 - sum(int(inputs["lengths"].sum()) for inputs in batches) / computed
