"""How far probabilities can be believed, and the temperature that makes them believable.

After Guo, Pleiss, Sun and Weinberger (2017), "On Calibration of Modern Neural Networks". All functions take scores of
N cases, (N, K) or (N,), and targets, whose shape says what they are:

* ``(N, K)`` with ids ``(N,)``: one of K classes each. Looked at is the most probable class, and whether it is right.
* ``(N, K)`` with 0 and 1 ``(N, K)``: K labels, each present or not. Looked at is every label's own probability.
* ``(N,)`` with 0 and 1 ``(N,)``: one event each, and its probability.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from seqtag.decoding import softmax
from seqtag.errors import DataError

LOWEST, HIGHEST = 0.05, 20.0
"""Between what `fit_temperature` searches."""

_STEPS = 100  # of Newton's method, which needs about six
_CLOSE = 1e-9  # how exact 1 / T is
_ROUNDING = 1e-3  # by how much the sum of a row of float16 probabilities may be off


@dataclass(frozen=True, eq=False, slots=True)
class Reliability:
    """What was promised and what came true, by confidence: the data of a reliability diagram.

    Parameters
    ----------
    edges : ndarray, shape (M + 1,)
        Of the M bins, from 0 to 1; a bin holds what is above its lower edge and not above its upper one.
    counts : ndarray of int, shape (M,)
        How many confidences are in each bin.
    confidence, accuracy : ndarray, shape (M,)
        Their mean, and the share of them that came true; NaN in an empty bin.
    """

    edges: np.ndarray
    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def expected_calibration_error(self) -> float:
        """The gap between confidence and accuracy, a bin counting by what it holds (Naeini et al., 2015); 0 to 1."""
        return float((self._filled * self._gaps).sum() / max(self._filled.sum(), 1))

    @property
    def maximum_calibration_error(self) -> float:
        """The largest gap of a bin; 0 to 1."""
        return float(self._gaps.max(initial=0.0))

    @property
    def overconfidence(self) -> float:
        """Mean confidence less mean accuracy; -1 to 1, above 0 if the probabilities are too high on the whole."""
        gaps = (self.confidence - self.accuracy)[self.counts > 0]
        return float((self._filled * gaps).sum() / max(self._filled.sum(), 1))

    @property
    def _filled(self) -> np.ndarray:
        return self.counts[self.counts > 0]

    @property
    def _gaps(self) -> np.ndarray:
        return np.abs(self.accuracy - self.confidence)[self.counts > 0]

    def to_dict(self) -> dict[str, Any]:
        """Return it as what JSON can hold; None stands for what an empty bin does not have."""
        means = {
            name: [None if np.isnan(value) else float(value) for value in getattr(self, name)]
            for name in ("confidence", "accuracy")
        }
        return {
            "expected_calibration_error": self.expected_calibration_error,
            "maximum_calibration_error": self.maximum_calibration_error,
            "overconfidence": self.overconfidence,
            "edges": self.edges.tolist(),
            "counts": self.counts.tolist(),
            **means,
        }


def reliability(probabilities: ArrayLike, targets: ArrayLike, bins: int = 15) -> Reliability:
    """Compare probabilities with what came true, in bins of equal width.

    Parameters
    ----------
    probabilities : array, shape (N, K) or (N,)
    targets : array, shape (N,) or (N, K)
        Ids, or 0 and 1; see the module. One-hot targets of shape (N, K) are taken for K labels.
    bins : int
        Their number M, at least 1.

    Returns
    -------
    Reliability

    Raises
    ------
    DataError
        If the shapes do not fit, a target is no id, a number is no probability, or there is no bin.
    """
    if bins < 1:
        raise DataError(f"bins must be at least 1; got {bins}.")
    values, gold = _checked_probabilities(probabilities, targets)
    if gold.ndim < values.ndim:
        confidence, right = values.max(axis=1), values.argmax(axis=1) == gold
    else:
        confidence, right = values.ravel(), gold.ravel() == 1
    edges = np.linspace(0.0, 1.0, bins + 1)
    place = np.searchsorted(edges[1:-1], confidence)  # on an edge: the bin below
    counts = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        means = [np.bincount(place, weights=part, minlength=bins) / counts for part in (confidence, right)]
    return Reliability(edges, counts, *means)


def log_loss(probabilities: ArrayLike, targets: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Compute the mean negative log-likelihood of what came true, in nats; 0 without cases.

    Parameters
    ----------
    probabilities : array, shape (N, K) or (N,)
        Clipped where they are closer to 0 or 1 than their precision can tell.
    targets : array, shape (N,) or (N, K)
        Ids, or 0 and 1; see the module. K labels count as K events.
    weights : array, shape (N,), optional
        How much each case counts.

    Raises
    ------
    DataError
        As `reliability`.
    """
    values, gold = _checked_probabilities(probabilities, targets)
    dtype = np.asarray(probabilities).dtype
    margin = np.finfo(dtype if np.issubdtype(dtype, np.floating) else np.float64).eps
    likelihood = np.clip(_of_truth(values, gold), margin, 1 - margin)
    if not likelihood.size:
        return 0.0
    losses = -np.log(likelihood).reshape(len(likelihood), -1).mean(axis=1)
    return float(np.average(losses, weights=None if weights is None else np.asarray(weights)))


def brier_score(probabilities: ArrayLike, targets: ArrayLike) -> float:
    """Compute the mean squared distance between probabilities and what came true; 0 without cases.

    Over K classes the squares are summed, as Brier (1950) has it: the score lies between 0 and 2. For events, and K
    labels are K events, it lies between 0 and 1.

    Parameters
    ----------
    probabilities : array, shape (N, K) or (N,)
    targets : array, shape (N,) or (N, K)
        Ids, or 0 and 1; see the module.

    Raises
    ------
    DataError
        As `reliability`.
    """
    values, gold = _checked_probabilities(probabilities, targets)
    if not gold.size:
        return 0.0
    if gold.ndim == values.ndim:
        return float(np.square(values - gold).mean())
    truth = np.arange(values.shape[1]) == gold[:, None]  # (N, K)
    return float(np.square(values - truth).sum(axis=1).mean())


def fit_temperature(
    logits: ArrayLike, targets: ArrayLike, weights: ArrayLike | None = None, multi_label: bool = False
) -> float:
    """Find the temperature T that makes ``softmax(logits / T)``, or ``sigmoid(logits / T)``, most likely.

    The negative log-likelihood is convex in 1 / T: Newton's method, kept within an interval that holds the minimum,
    always comes to the same T. It does not change which class is the most probable.

    Parameters
    ----------
    logits : array, shape (N, K)
        Of data that the model was not trained on.
    targets : array, shape (N,) or (N, K)
        Ids, or one-hot 0 and 1; for multi-label 0 and 1.
    weights : array, shape (N,), optional
        How much each case counts, 0 or more; for multi-label also (N, K).
    multi_label : bool
        Whether each of the K labels is present or not by itself.

    Returns
    -------
    float
        Between 0.05 and 20, where the search ends. 1.0 where the data cannot tell: there are none, or every
        case is right already, so that the likelihood grows for ever as T shrinks.

    Raises
    ------
    DataError
        If the shapes do not fit each other, a target is no id, a logit is not finite, or a weight is negative.
    """
    scores, gold, importance = _cases(logits, targets, weights, multi_label)
    scores = scores - scores.max(axis=1, keepdims=True)
    truth = scores[np.arange(len(gold)), gold]
    if not importance @ truth:  # all zero: none is below the best
        return 1.0

    def slope(inverse: float) -> tuple[float, float]:
        """First and second derivative of the loss by 1 / T."""
        p = softmax(inverse * scores)
        mean = (p * scores).sum(axis=1)
        variance = (p * np.square(scores - mean[:, None])).sum(axis=1)
        return float(importance @ (mean - truth)), float(importance @ variance)

    low, high = 1 / HIGHEST, 1 / LOWEST
    if slope(low)[0] >= 0:
        return HIGHEST
    if slope(high)[0] <= 0:
        return LOWEST
    inverse = 1.0
    for _ in range(_STEPS):
        first, second = slope(inverse)
        low, high = (inverse, high) if first < 0 else (low, inverse)
        step = first / second if second > 0 else np.inf
        after = inverse - step if low <= inverse - step <= high else (low * high) ** 0.5
        if abs(after - inverse) <= _CLOSE * inverse:
            break
        inverse = after
    return 1 / inverse


def _cases(
    logits: ArrayLike, targets: ArrayLike, weights: ArrayLike | None, multi_label: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return logits (N, K), ids (N,) and weights (N,); a label is a choice between two, of which one scores 0."""
    scores, gold = _checked(logits, targets, "logits")
    if scores.ndim != 2 or (multi_label and gold.ndim != 2):
        raise DataError(
            f"logits must have the shape (N, K), and targets {'(N, K)' if multi_label else '(N,) or (N, K)'}; "
            f"got {scores.shape} and {gold.shape}."
        )
    importance = np.ones(len(scores)) if weights is None else np.asarray(weights, np.float64)
    if importance.shape != scores.shape[:1] and not (multi_label and importance.shape == scores.shape):
        raise DataError(f"weights must have the shape {scores.shape[:1]} of the cases; got {importance.shape}.")
    if not (np.isfinite(importance) & (importance >= 0)).all():
        raise DataError("weights must be finite and not below 0; got others.")
    if multi_label:
        importance = np.broadcast_to(importance.reshape(len(scores), -1), scores.shape).ravel()
        scores = np.stack([np.zeros(scores.size), scores.ravel()], axis=1)  # (N * K, 2)
        return scores, gold.ravel(), importance
    if gold.ndim == 2:
        if not (gold.sum(axis=1) == 1).all():
            raise DataError("targets must have one 1 in each row; got another number. Several need multi_label=True.")
        gold = gold.argmax(axis=1)
    return scores, gold, importance


def _of_truth(values: np.ndarray, gold: np.ndarray) -> np.ndarray:
    """Return the probability of what came true."""
    if gold.ndim < values.ndim:
        return values[np.arange(len(gold)), gold]
    return np.where(gold == 1, values, 1 - values)


def _checked_probabilities(probabilities: ArrayLike, targets: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    values, gold = _checked(probabilities, targets, "probabilities")
    if values.size and (values.min() < -1e-6 or values.max() > 1 + 1e-6):
        raise DataError(
            f"probabilities must be between 0 and 1; got {values.min():g} to {values.max():g}. "
            f"Scores become probabilities by seqtag.decoding.softmax or sigmoid."
        )
    if gold.ndim < values.ndim and (off := np.abs(values.sum(axis=1) - 1).max(initial=0.0)) > _ROUNDING:
        raise DataError(
            f"the probabilities of one of K classes must have the sum 1; got a row that is {off:g} off. "
            f"Those of K labels need targets of 0 and 1, shape (N, K)."
        )
    return np.clip(values, 0.0, 1.0), gold


def _checked(scores: ArrayLike, targets: ArrayLike, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return scores in float64 and targets in int64, of shapes that fit each other."""
    values, gold = np.asarray(scores, np.float64), np.asarray(targets)
    ids = values.ndim == 2 and gold.ndim == 1
    if values.ndim not in (1, 2) or 0 in values.shape[1:] or gold.shape != (values.shape[:1] if ids else values.shape):
        raise DataError(
            f"{name} and targets must have the shapes (N, K) and (N,), or the same of (N, K) and (N,); "
            f"got {values.shape} and {gold.shape}."
        )
    if not np.isfinite(values).all():
        raise DataError(f"{name} must be finite; got NaN or infinity.")
    highest = values.shape[1] - 1 if ids else 1
    if gold.dtype.kind not in "biuf" or not np.isin(gold, np.arange(highest + 1)).all():
        raise DataError(
            f"targets must be {f'ids from 0 to {highest}' if ids else '0 or 1'}; got others. "
            f"seqtag.metrics.encode_classes makes them of classes."
        )
    return values, gold.astype(np.int64)
