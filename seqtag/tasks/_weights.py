"""Sample and class weights of labelled sequences, as one weight a token."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np

from seqtag.data.corpus import Sequence
from seqtag.errors import DataError, ParameterError, near_name
from seqtag.tasks._classes import ClassCounts, Classes


def token_weights(
    sequences: tuple[Sequence, ...],
    sample_weight: Any,
    class_weight: dict[str, float] | str | None,
    counts: Counter[str] | None = None,
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
    counts : Counter of str, optional
        How often each label occurs, where these sequences are only a part of the training data.

    Raises
    ------
    DataError, ParameterError
    """
    if sample_weight is None and class_weight is None:
        return None
    of_sequence = _sample_weights(sample_weight, len(sequences))
    counts = Counter(label for s in sequences for label in s.labels or ()) if counts is None else counts
    of_label = _class_weights(counts, class_weight)
    return [
        (np.array([of_label[label] for label in sequence.labels or ()]) * weight).astype(np.float32)
        for sequence, weight in zip(sequences, of_sequence, strict=True)
    ]


def sequence_weights(
    classes: Classes, sample_weight: Any, class_weight: Mapping[Any, float] | str | None
) -> np.ndarray | None:
    """Return the weight of each sequence, shape (N,), or None where all weigh the same.

    Parameters
    ----------
    classes : Classes
        What the sequences are; of several labels a sequence has the mean of their weights.
    sample_weight, class_weight
        As for `token_weights`.

    Raises
    ------
    DataError, ParameterError
    """
    if sample_weight is None and class_weight is None:
        return None
    own = class_weights(classes, class_weight)
    return (own * _sample_weights(sample_weight, len(classes))).astype(np.float32)


def class_weights(
    classes: Classes, class_weight: Mapping[Any, float] | str | None, of: Classes | ClassCounts | None = None
) -> np.ndarray:
    """Return the weight that its class gives each sequence, shape (N,).

    Parameters
    ----------
    classes : Classes
        What the sequences are.
    class_weight : dict, 'balanced' or None
        As for `token_weights`.
    of : Classes or ClassCounts, optional
        The training data, whose classes are counted and named, if these are others; a class that is not there
        weighs 1.
    """
    of_class = _class_weights((of or classes).counts(), class_weight)
    own = [
        np.mean([of_class.get(label, 1.0) for label in value]) if value else 1.0
        for value in (classes.values if classes.multi_label else ((value,) for value in classes.values))
    ]
    return np.array(own)


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
    if n and not weights.any():
        raise DataError(f"{expected} weights that are all zero.")
    return weights


def _class_weights(counts: Counter[Any], class_weight: Mapping[Any, float] | str | None) -> dict[Any, float]:
    if class_weight == "balanced":
        total = sum(counts.values())
        return {label: total / (len(counts) * count) for label, count in counts.items()}
    named = {str(label): label for label in counts}  # a saved model's parameters name numbers as text
    given = class_weight if isinstance(class_weight, Mapping) else {}
    given = {label if label in counts else named.get(str(label), label): weight for label, weight in given.items()}
    for label, weight in given.items():
        if label not in counts:
            raise ParameterError(
                f"class_weight must name labels of the training data; got {label!r}.{near_name(str(label), named)}"
            )
        if not isinstance(weight, Real) or not 0 <= weight < float("inf"):
            raise ParameterError(f"class_weight[{label!r}] must be a number of at least 0; got {weight!r}.")
    return {label: float(given.get(label, 1.0)) for label in counts}
