"""Each token by itself: the decoder of a softmax head, and what turns scores into probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from seqtag.decoding._lattice import check_batch, valid_places

FORBIDDEN = -1e4
"""The score of what a scheme forbids: far below any trained score, yet finite."""


FREE = -1
"""In place of a label's number: the label is not known."""


def argmax(emissions: ArrayLike, lengths: ArrayLike) -> np.ndarray:
    """Take the best label of each token by itself: the decoder of a softmax head.

    Parameters
    ----------
    emissions : array, shape (B, T, K)
    lengths : array of int, shape (B,)

    Returns
    -------
    ndarray of int32, shape (B, T)
        0 beyond the lengths.

    Raises
    ------
    DataError
        If the emissions are not three-dimensional or the lengths do not fit them.
    """
    emissions, lengths = check_batch(emissions, lengths)
    return np.where(valid_places(lengths, emissions.shape[1]), emissions.argmax(axis=2), 0).astype(np.int32)


def restrict(emissions: ArrayLike, known: Sequence[np.ndarray], n_labels: int | None = None) -> np.ndarray:
    """Forbid all labels but the known ones: every decoder then gives what holds given them.

    Parameters
    ----------
    emissions : array, shape (B, T, K)
    known : sequence of B ndarrays of int, shape (length,)
        Label numbers; `FREE` where the label is not known.
    n_labels : int, optional
        How many of the columns are labels, by default all; those behind them stay as they are.

    Returns
    -------
    ndarray, shape (B, T, K)
        ``-inf`` at what is forbidden.
    """
    out = np.array(emissions)
    for scores, ids in zip(out, known, strict=True):
        places = np.flatnonzero(ids != FREE)
        kept = scores[places, ids[places]]
        scores[places, :n_labels] = -np.inf
        scores[places, ids[places]] = kept
    return out


def softmax(emissions: ArrayLike) -> np.ndarray:
    """Turn scores into probabilities over the last axis.

    Parameters
    ----------
    emissions : array, shape (..., K)

    Returns
    -------
    ndarray of float64, shape (..., K)
    """
    scores = np.asarray(emissions, dtype=np.float64)
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return scores / scores.sum(axis=-1, keepdims=True)


def sigmoid(scores: ArrayLike) -> np.ndarray:
    """Turn each score into a probability of its own, 1 / (1 + exp(-score)), without overflow.

    Parameters
    ----------
    scores : array, any shape

    Returns
    -------
    ndarray of float64, same shape
    """
    return 0.5 * (1.0 + np.tanh(0.5 * np.asarray(scores, dtype=np.float64)))


def temper(scores: ArrayLike, temperature: float) -> np.ndarray:
    """Divide scores by a temperature, which makes all probabilities less sure above 1 and surer below.

    What is forbidden, softly or with ``-inf``, stays so. Applied to emissions, transitions, start and end alike, it
    divides the score of every allowed path, so the order of the paths does not change.

    Parameters
    ----------
    scores : array, any shape
    temperature : float
        Above 0.

    Returns
    -------
    ndarray, same shape
        The scores as they are where the temperature is 1, otherwise float64.
    """
    values = np.asarray(scores)
    if temperature == 1.0:
        return values
    return np.where(values > FORBIDDEN / 2, values / np.float64(temperature), values)


def constrain(allowed: ArrayLike) -> np.ndarray:
    """Turn what a scheme allows into scores to be added to transitions, start or end.

    Parameters
    ----------
    allowed : array of bool, any shape

    Returns
    -------
    ndarray of float32, same shape
        0 where allowed, `FORBIDDEN` elsewhere.
    """
    return np.where(np.asarray(allowed, dtype=bool), 0.0, FORBIDDEN).astype(np.float32)
