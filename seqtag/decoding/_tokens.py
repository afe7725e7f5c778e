"""Each token by itself: the decoder of a softmax head, and what turns scores into probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from seqtag.decoding._lattice import check_batch, valid_places

FORBIDDEN = -1e4
"""The score of what a scheme forbids: far below any trained score, yet finite."""


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
