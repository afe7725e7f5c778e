"""The development score of a classifier in training, and what calibrates it afterwards."""

from __future__ import annotations

from collections.abc import Sequence as SequenceOf
from typing import Any

import numpy as np

from seqtag import metrics
from seqtag.backends import KerasBackend
from seqtag.computing import run_batches
from seqtag.data.batching import EncodedCorpus
from seqtag.data.encoders import Feature
from seqtag.decoders import ClassDecoder
from seqtag.tasks._classes import UNKNOWN, ClassifiedData

LEAST = 50  # development sequences below which a temperature would be fitted to chance


class ClassScore:
    """The score of a network as it stands: accuracy, or micro F1 of several labels; ties go to the lower log loss.

    Where classes have weights in the loss, the accuracy counts each sequence by its weight.

    Parameters
    ----------
    model : keras.Model
        The network in training.
    features : tuple of Feature
        The fitted encoders.
    dev : ClassifiedData
        Encoded once; its weights are those of its classes, if any.
    labels : sequence
        The classes by id.
    """

    def __init__(self, model: Any, features: tuple[Feature, ...], dev: ClassifiedData, labels: SequenceOf[Any]) -> None:
        self._model = model
        self._encoded = EncodedCorpus(features, dev.sequences)
        self._gold = dev.classes.values
        self._targets = dev.targets(labels)
        self._weights = dev.weights
        self._decoder = ClassDecoder(tuple(labels), dev.classes.multi_label, 1.0, np.zeros(len(labels)))

    def __call__(self) -> tuple[float, float]:
        logits = self.logits()
        lengths = self._encoded.lengths
        predicted = [self._decoder.value(row) for row in self._decoder.best(logits, lengths)]
        if self._decoder.multi_label:
            score = metrics.class_report(self._gold, predicted).score
        else:
            right = [gold == found for gold, found in zip(self._gold, predicted, strict=True)]
            score = float(np.average(right, weights=self._weights))
        return score, -self._log_loss(logits)

    def _log_loss(self, logits: np.ndarray) -> float:
        known = self._known()
        probabilities = np.array(self._decoder.probabilities(logits[known], self._encoded.lengths[known]))
        weights = None if self._weights is None else self._weights[known]
        return metrics.log_loss(probabilities, self._targets[known], weights) if known.any() else 0.0

    def logits(self) -> np.ndarray:
        """Return the logits of the development data, shape (N, K)."""
        out = np.zeros((len(self._encoded), len(self._decoder.labels)), np.float32)
        for place, row in run_batches(KerasBackend(self._model), self._encoded, lambda outputs, lengths: list(outputs)):
            out[place] = row
        return out

    def temperature(self) -> float:
        """Return the temperature that fits the development data best; 1 where there are too few to tell."""
        known = self._known()
        if known.sum() < LEAST:
            return 1.0
        return metrics.fit_temperature(
            self.logits()[known], self._targets[known], multi_label=self._decoder.multi_label
        )

    def _known(self) -> np.ndarray:
        """Tell which sequences have a class that was trained."""
        if self._decoder.multi_label:
            return np.ones(len(self._gold), bool)
        return self._targets != UNKNOWN
