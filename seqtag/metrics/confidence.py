"""How the spans of a tagger hold up by how sure it is: reliability, precision and recall over a threshold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqtag.data import schemes
from seqtag.errors import DataError, ParameterError
from seqtag.metrics.calibration import Reliability, reliability
from seqtag.metrics.tagging import Labels


@dataclass(frozen=True, eq=False, slots=True)
class ThresholdCurve:
    """Precision and recall of what is at least so probable, for every threshold that makes a difference.

    Parameters
    ----------
    thresholds : ndarray, shape (M,)
        The distinct probabilities of the spans, ascending; a span is kept if it is no less probable.
    precision, recall : ndarray, shape (M,)
        Of the spans kept, how many are right; of the gold spans, how many are among them. A share of nothing is 0.
    kept : ndarray of int, shape (M,)
        How many spans are kept.
    """

    thresholds: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    kept: np.ndarray

    @property
    def f1(self) -> np.ndarray:
        """Harmonic mean of precision and recall, shape (M,)."""
        total = self.precision + self.recall
        return np.divide(2 * self.precision * self.recall, total, out=np.zeros_like(total), where=total > 0)

    def to_rows(self) -> list[dict[str, float]]:
        """Return it as the rows of a table."""
        columns = (self.thresholds, self.precision, self.recall, self.f1, self.kept)
        names = ("threshold", "precision", "recall", "f1", "kept")
        return [dict(zip(names, row, strict=True)) for row in zip(*(c.tolist() for c in columns), strict=True)]


@dataclass(frozen=True, eq=False, slots=True)
class SpanConfidence:
    """Predicted spans with their probabilities, held against gold ones.

    Parameters
    ----------
    labels : tuple of str
        Of the N predicted spans.
    probabilities : ndarray, shape (N,)
        How sure the tagger is of each.
    right : ndarray of bool, shape (N,)
        Whether there is a gold span of that start, end and label.
    gold : mapping of str to int
        How many gold spans of each label there are.
    """

    labels: tuple[str, ...]
    probabilities: np.ndarray
    right: np.ndarray
    gold: Mapping[str, int]

    def reliability(self, bins: int = 15) -> Reliability:
        """Compare the probabilities of the spans with how many are right, in bins, see `seqtag.metrics.reliability`.

        Parameters
        ----------
        bins : int
            Their number.
        """
        return reliability(self.probabilities, self.right, bins)

    def curve(self, label: str | None = None) -> ThresholdCurve:
        """Return precision and recall over the threshold.

        Parameters
        ----------
        label : str, optional
            Of the spans of one label; by default of all.
        """
        own = np.array([label is None or name == label for name in self.labels], bool)
        gold = sum(count for name, count in self.gold.items() if label in (None, name))
        order = np.argsort(-self.probabilities[own], kind="stable")
        probabilities, right = self.probabilities[own][order], np.cumsum(self.right[own][order])
        last = np.append(probabilities[1:] != probabilities[:-1], [True])[: len(order)]  # of those equally probable
        right, kept = right[last][::-1], np.arange(1, len(order) + 1)[last][::-1]
        recall = right / gold if gold else np.zeros(len(right))
        return ThresholdCurve(probabilities[last][::-1], right / kept, recall, kept)

    def thresholds(self, precision: float = 0.95) -> dict[str, float]:
        """Choose for each label the lowest threshold above which the spans are as precise as is wanted.

        Parameters
        ----------
        precision : float
            What is wanted, above 0 and up to 1. It holds for these data; others may differ.

        Returns
        -------
        dict of str to float
            By label, what `Predictor.predict_spans` takes. 0 where all spans may stay, 1 where no threshold is
            enough, so that nearly none does.

        Raises
        ------
        ParameterError
            If the precision is not above 0 and up to 1.
        """
        if isinstance(precision, bool) or not 0 < precision <= 1:
            raise ParameterError(f"precision must be above 0 and up to 1; got {precision!r}.")
        return {name: _lowest(self.curve(name), precision) for name in sorted({*self.labels, *self.gold})}


def _lowest(curve: ThresholdCurve, precision: float) -> float:
    enough = np.flatnonzero(curve.precision >= precision)
    if not len(enough):
        return 1.0
    return 0.0 if enough[0] == 0 else float(curve.thresholds[enough[0]])


def span_confidence(gold: Labels, predicted: Sequence[Iterable[Any]], scheme: str) -> SpanConfidence:
    """Hold scored spans against gold labels.

    Parameters
    ----------
    gold : sequence of sequence of str
        The right labels of each sequence.
    predicted : sequence of iterable of ScoredSpan
        The spans found in each, as `Predictor.predict_spans` gives them: with ``start``, ``end``, ``label`` and
        ``probability``.
    scheme : str
        How the labels write spans; of ``none`` there are none.

    Raises
    ------
    DataError
        If there are not as many sequences in both.
    ConfigError
        If the scheme is unknown or has no spans.
    """
    if len(gold) != len(predicted):
        raise DataError(f"gold and predicted must have as many sequences; got {len(gold)} and {len(predicted)}.")
    counts: Counter[str] = Counter()
    names, probabilities, right = [], [], []
    for labels, spans in zip(gold, predicted, strict=True):
        own = set(schemes.spans(labels, scheme))
        counts.update(span.label for span in own)
        for span in spans:
            names.append(span.label)
            probabilities.append(span.probability)
            right.append((span.start, span.end, span.label) in own)
    return SpanConfidence(tuple(names), np.array(probabilities, float), np.array(right, bool), dict(counts))
