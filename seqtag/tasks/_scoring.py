"""What ties a tagger's network to its decoder: scores taken from the head, and the development score."""

from __future__ import annotations

from collections.abc import Sequence as SequenceOf
from typing import Any

import numpy as np

from seqtag import metrics
from seqtag.backends import KerasBackend
from seqtag.computing import run_batches
from seqtag.data.batching import EncodedCorpus
from seqtag.data.context import arranged
from seqtag.data.corpus import Sequence
from seqtag.data.encoders import Feature
from seqtag.decoders import TagDecoder
from seqtag.decoding import constrain
from seqtag.tasks._tag_calibration import LEAST, tag_temperature


class DevelopmentScore:
    """The score of a network as it stands, whenever called: span F1, or accuracy where labels write no spans.

    Parameters
    ----------
    model : keras.Model
        The network in training.
    features : tuple of Feature
        The fitted encoders.
    dev : tuple of Sequence
        Labelled; encoded once. The score is taken against these labels as they are.
    labels : sequence of str
        The labels by id.
    scheme : str
        The tagging scheme.
    allowed : dict
        What the scheme allows, for a softmax head.
    context : int
        How many tokens of its document are read on each side of a sequence.

    Raises
    ------
    DataError
        If the labels cannot be scored in this scheme.
    """

    def __init__(
        self,
        model: Any,
        features: tuple[Feature, ...],
        dev: tuple[Sequence, ...],
        labels: SequenceOf[str],
        scheme: str,
        allowed: dict[str, np.ndarray],
        context: int = 0,
    ) -> None:
        self._model = model
        self._labels = labels
        self._scheme = scheme
        self._allowed = allowed
        self._gold = [list(sequence.labels or ()) for sequence in dev]
        metrics.score(self._gold, self._gold, scheme)  # what cannot be scored is refused before training, not after
        self._encoded = EncodedCorpus(features, *arranged(dev, None, None, context))

    def temperature(self) -> float:
        """Return the temperature that fits the development data best; 1 where there are too few to tell."""
        if len(self._gold) < LEAST:
            return 1.0
        decoder = trained_decoder(self._model.head, self._labels, self._scheme, self._allowed)
        emissions: list[Any] = [None] * len(self._gold)
        for place, row in run_batches(KerasBackend(self._model), self._encoded, _by_sequence):
            emissions[place] = row
        return tag_temperature(decoder, emissions, self._gold)

    def __call__(self) -> tuple[float, float]:
        decoder = trained_decoder(self._model.head, self._labels, self._scheme, self._allowed)
        predicted: list[list[str]] = [[]] * len(self._gold)
        for place, row in run_batches(KerasBackend(self._model), self._encoded, decoder.best):
            predicted[place] = [self._labels[i] for i in row]
        return metrics.score(self._gold, predicted, self._scheme), 0.0


def _by_sequence(outputs: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    return [row[:length].copy() for row, length in zip(outputs, lengths, strict=True)]


def trained_decoder(head: Any, labels: SequenceOf[str], scheme: str, allowed: dict[str, np.ndarray]) -> TagDecoder:
    """Take the decoder's scores from the head; a softmax head has the scheme's constraints alone."""
    if hasattr(head, "scores"):
        from keras import ops

        scores = [ops.convert_to_numpy(score) for score in head.scores()]
    else:
        scores = [constrain(allowed[name]) for name in ("transitions", "start", "end")]
    return TagDecoder(tuple(labels), scheme, *(score.astype(np.float32) for score in scores))
