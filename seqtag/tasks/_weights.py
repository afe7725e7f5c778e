"""Sample and class weights of labelled sequences, as one weight a token."""

from __future__ import annotations

from collections import Counter
from numbers import Real
from typing import Any

import numpy as np

from seqtag.data.corpus import Sequence
from seqtag.errors import DataError, ParameterError, near_name


def token_weights(
    sequences: tuple[Sequence, ...], sample_weight: Any, class_weight: dict[str, float] | str | None
) -> list[np.ndarray] | None:
    """Return the weight of each token, or None where all weigh the same.

    Parameters
    ----------
    sequences : tuple of Sequence
        Labelled.
    sample_weight : array-like, shape (n_sequences,), optional
        Weight of each sequence.
    class_weight : dict, 'balanced' or None
        Weight of each label; labels that are not named weigh 1. ``balanced`` gives n / (K x count), as scikit-learn
        does.

    Raises
    ------
    DataError, ParameterError
    """
    if sample_weight is None and class_weight is None:
        return None
    of_sequence = _sample_weights(sample_weight, len(sequences))
    of_label = _class_weights(Counter(label for s in sequences for label in s.labels or ()), class_weight)
    return [
        (np.array([of_label[label] for label in sequence.labels or ()]) * weight).astype(np.float32)
        for sequence, weight in zip(sequences, of_sequence, strict=True)
    ]


def _sample_weights(sample_weight: Any, n: int) -> np.ndarray:
    if sample_weight is None:
        return np.ones(n)
    expected = f"sample_weight must have one number of at least 0 a sequence, shape ({n},); got"
    try:
        weights = np.asarray(sample_weight, np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{expected} {sample_weight!r:.60} ({error}).") from error
    if weights.shape != (n,):
        raise DataError(f"{expected} the shape {weights.shape}.")
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(wrong):
        raise DataError(f"{expected} {weights[wrong[0]]} for sequence {wrong[0]}.")
    return weights


def _class_weights(counts: Counter[str], class_weight: dict[str, float] | str | None) -> dict[str, float]:
    if class_weight == "balanced":
        total = sum(counts.values())
        return {label: total / (len(counts) * count) for label, count in counts.items()}
    given = class_weight if isinstance(class_weight, dict) else {}
    for label, weight in given.items():
        if label not in counts:
            raise ParameterError(
                f"class_weight must name labels of the training data; got {label!r}.{near_name(str(label), counts)}"
            )
        if not isinstance(weight, Real) or not 0 <= weight < float("inf"):
            raise ParameterError(f"class_weight[{label!r}] must be a number of at least 0; got {weight!r}.")
    return {label: float(given.get(label, 1.0)) for label in counts}
