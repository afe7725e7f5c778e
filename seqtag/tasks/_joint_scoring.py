"""The development score of a joint tagger in training, and what calibrates it afterwards."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqtag import metrics
from seqtag.backends import KerasBackend
from seqtag.computing import run_batches
from seqtag.data.batching import EncodedCorpus
from seqtag.data.encoders import Feature
from seqtag.decoders import ClassDecoder, JointDecoder
from seqtag.tasks._joint import JointData, JointLabels
from seqtag.tasks._scoring import trained_decoder
from seqtag.tasks._tag_calibration import LEAST, tag_temperature


class JointScore:
    """The score of a network as it stands: the share of sequences with all labels and the intent right.

    Ties go to the greater mean of the labels' score (span F1, or accuracy where they write no spans) and the intents'
    accuracy.

    Parameters
    ----------
    model : keras.Model
        The network in training.
    features : tuple of Feature
        The fitted encoders.
    dev : JointData
        Encoded once. The score is taken against its labels as they are.
    labels : JointLabels
        What is told apart, by id.
    allowed : dict
        What the scheme allows, for a softmax head.

    Raises
    ------
    DataError
        If the labels cannot be scored in their scheme.
    """

    def __init__(
        self,
        model: Any,
        features: tuple[Feature, ...],
        dev: JointData,
        labels: JointLabels,
        allowed: dict[str, np.ndarray],
    ) -> None:
        self._model = model
        self._labels = labels
        self._allowed = allowed
        self._dev = dev
        self._gold = [list(sequence.labels or ()) for sequence in dev.sequences]
        self._intents = [str(sequence.label) for sequence in dev.sequences]
        metrics.score(self._gold, self._gold, dev.scheme)  # what cannot be scored is refused before training
        self._encoded = EncodedCorpus(features, dev.sequences)

    def __call__(self) -> tuple[float, float]:
        decoder = self.decoder(np.zeros(len(self._labels.intents)))
        found: list[Any] = [None] * len(self._gold)
        for place, row in run_batches(KerasBackend(self._model), self._encoded, decoder.best):
            found[place] = decoder.value(row)
        right = metrics.sentence_accuracy(list(zip(self._gold, self._intents, strict=True)), found)
        of_labels = metrics.score(self._gold, [labels for labels, _ in found], self._dev.scheme)
        of_intents = np.mean([intent == own for (_, intent), own in zip(found, self._intents, strict=True)])
        return right, (of_labels + float(of_intents)) / 2

    def decoder(self, prior: np.ndarray) -> JointDecoder:
        """Return the decoder of the network as it stands, not calibrated."""
        slots = trained_decoder(self._model.head.slots, self._labels.slots, self._dev.scheme, self._allowed)
        return JointDecoder(slots, ClassDecoder(self._labels.intents, False, 1.0, prior))

    def temperatures(self) -> tuple[float, float]:
        """Return those of labels and of intents that fit the development data best; 1 where there are too few."""
        if len(self._gold) < LEAST:
            return 1.0, 1.0
        decoder = self.decoder(np.zeros(len(self._labels.intents)))
        emissions: list[Any] = [None] * len(self._gold)
        logits = np.zeros((len(self._gold), len(self._labels.intents)), np.float32)

        def parted(outputs: np.ndarray, lengths: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
            of_labels, of_intents = decoder.parted(outputs)
            return [(row[:n].copy(), one) for row, one, n in zip(of_labels, of_intents, lengths, strict=True)]

        for place, (row, one) in run_batches(KerasBackend(self._model), self._encoded, parted):
            emissions[place], logits[place] = row, one
        return tag_temperature(decoder.slots, emissions, self._gold), self._of_intents(logits)

    def _of_intents(self, logits: np.ndarray) -> float:
        ids = {intent: i for i, intent in enumerate(self._labels.intents)}
        targets = np.array([ids.get(intent, -1) for intent in self._intents])
        known = targets >= 0  # an intent that was not trained has no column
        if known.sum() < LEAST:
            return 1.0
        return metrics.fit_temperature(logits[known], targets[known])
