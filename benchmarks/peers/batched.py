"""Tagging through any network that reads seqtag's arrays: the encoders before it and Viterbi behind it are seqtag's.

So `keras.Model.predict`, a traced `tf.function` and the torch twin pay for text and decoding what seqtag pays, and
differ in the network alone. It needs NumPy only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from peers.answering import Answering
from peers.protocol import Sentences
from seqtag.bundle import Bundle
from seqtag.data.batching import EncodedCorpus, Limits, bucket
from seqtag.data.coerce import as_sequences
from seqtag.data.encoders import Feature
from seqtag.decoders import TagDecoder

Compute = Callable[[dict[str, np.ndarray]], np.ndarray]
LIMITS = (Limits(1024, 32), Limits(2048, 64), Limits(8192, 256), Limits(32768, 1024))


class Reading:
    """What a bundle of seqtag says beside its graph.

    Parameters
    ----------
    path : str
        The folder.
    """

    def __init__(self, path: str) -> None:
        self._bundle = Bundle.read(path)
        self.manifest: Mapping[str, Any] = self._bundle.manifest
        self.network: Mapping[str, Any] = self.manifest["network"]
        self.features = tuple(Feature.from_dict(state) for state in self._bundle.json("vocabulary.json"))
        self.decoder = TagDecoder.from_bundle(self.manifest, self._bundle.arrays("decoder.npz"))

    def weights(self) -> dict[str, np.ndarray]:
        """Return the Keras weights by their paths."""
        return self._bundle.arrays("weights.npz")


class Batched:
    """Tags sentences in batches of like length.

    Parameters
    ----------
    reading : Reading
        Encoders and labels.
    compute : callable
        Emissions (B, T, K) of a batch's arrays.
    decode : callable, optional
        Label ids of emissions and lengths; seqtag's Viterbi without it.
    candidates : tuple of Limits
        How large a batch may be; the fastest is chosen when it prepares.
    """

    def __init__(
        self,
        reading: Reading,
        compute: Callable[[dict[str, np.ndarray]], Any],
        decode: Callable[[Any, np.ndarray], Any] | None = None,
        candidates: tuple[Limits, ...] = LIMITS,
    ) -> None:
        self._reading = reading
        self._compute = compute
        self._decode = decode or reading.decoder.best
        self._candidates = candidates
        self.limits = candidates[0]

    def many(self, sentences: Sentences) -> Sentences:
        """Return the tags of sentences."""
        encoded = EncodedCorpus(self._reading.features, as_sequences(sentences))
        found: Sentences = [[]] * len(encoded)
        for group in bucket(encoded.lengths, self.limits.tokens, max_sequences=self.limits.sequences):
            batch = encoded.batch(group)
            best = self._decode(self._compute(batch.inputs), batch.lengths)
            for place, row in zip(group, best, strict=True):
                found[place] = self._reading.decoder.value(row)
        return found

    def one(self, sentence: list[str]) -> list[str]:
        """Return the tags of one sentence."""
        return self.many([sentence])[0]

    def prepare(self, sentences: Sentences) -> None:
        """Choose the fastest batches."""
        taken = {}
        for limits in self._candidates:
            self.limits = limits
            self.many(sentences)  # traced, and allocated, where that is done at first sight
            began = time.perf_counter()
            self.many(sentences)
            taken[limits] = time.perf_counter() - began
        self.limits = min(taken, key=taken.__getitem__)

    def answering(self) -> Answering:
        """Return what answers orders."""
        return Answering(self.many, self.one, self.prepare)
