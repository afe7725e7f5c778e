"""The best path, the sum over all paths, and the score of a given one."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from seqtag.decoding._best import best_path
from seqtag.decoding._lattice import make_lattice, valid_places
from seqtag.decoding._long import is_long, long_best_path, long_posterior
from seqtag.decoding._sums import forward, log_partition_of, posterior
from seqtag.errors import DataError


def viterbi(
    emissions: ArrayLike, lengths: ArrayLike, transitions: ArrayLike, start: ArrayLike, end: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Find the best path of each sequence (Viterbi, 1967).

    Parameters
    ----------
    emissions : array, shape (B, T, K)
    lengths : array of int, shape (B,)
    transitions : array, shape (K, K)
    start, end : array, shape (K,)

    Returns
    -------
    tags : ndarray of int32, shape (B, T)
        0 beyond the lengths. Of paths that are equally good the one with the smallest last labels.
    scores : ndarray of float64, shape (B,)

    Raises
    ------
    DataError
        If the shapes do not fit each other or a length is not between 0 and T.
    """
    if is_long(emissions, lengths):
        return long_best_path(emissions, transitions, start, end)
    return best_path(make_lattice(emissions, lengths, transitions, start, end))


def log_partition(
    emissions: ArrayLike, lengths: ArrayLike, transitions: ArrayLike, start: ArrayLike, end: ArrayLike
) -> np.ndarray:
    """Sum over all paths: ``log sum(exp(score))`` (Lafferty, McCallum and Pereira, 2001).

    Parameters and errors are those of `viterbi`.

    Returns
    -------
    ndarray of float64, shape (B,)
        0 for a sequence of length 0.
    """
    lattice = make_lattice(emissions, lengths, transitions, start, end)
    return log_partition_of(lattice, forward(lattice))


def marginals(
    emissions: ArrayLike, lengths: ArrayLike, transitions: ArrayLike, start: ArrayLike, end: ArrayLike
) -> np.ndarray:
    """Compute the probability of each label at each token (forward-backward; Rabiner, 1989).

    Parameters and errors are those of `viterbi`.

    Returns
    -------
    ndarray of float64, shape (B, T, K)
        Sums to 1 over the labels; 0 beyond the lengths, and where ``-inf`` left no path.
    """
    if is_long(emissions, lengths):
        return long_posterior(emissions, transitions, start, end)
    return posterior(make_lattice(emissions, lengths, transitions, start, end))


def sequence_score(
    emissions: ArrayLike,
    tags: ArrayLike,
    lengths: ArrayLike,
    transitions: ArrayLike,
    start: ArrayLike,
    end: ArrayLike,
) -> np.ndarray:
    """Score given paths.

    Parameters
    ----------
    tags : array of int, shape (B, T)
        Label numbers; what stands in the padding is ignored. The others are those of `viterbi`.

    Returns
    -------
    ndarray of float64, shape (B,)

    Raises
    ------
    DataError
        As `viterbi`, and if the tags have another shape or are not between 0 and K - 1.
    """
    lattice = make_lattice(emissions, lengths, transitions, start, end)
    T, K, B = lattice.emissions.shape
    tags = np.asarray(tags)
    if tags.shape != (B, T):
        raise DataError(f"tags must have the shape (B, T) = {(B, T)} of the emissions; got {tags.shape}.")
    valid = valid_places(lattice.lengths, T)
    path = np.where(valid, tags, 0).T  # (T, B)
    if path.size == 0:
        return np.zeros(B)
    if path.min() < 0 or path.max() >= K:
        raise DataError(f"tags must be between 0 and K - 1 = {K - 1}; got {path.min()} to {path.max()}.")
    score = np.take_along_axis(lattice.emissions, path[:, None, :], axis=1)[:, 0].sum(axis=0)
    score += np.where(valid.T[1:], lattice.transitions[path[:-1], path[1:]], 0.0).sum(axis=0)
    score += lattice.start[path[0]] + lattice.end[path[lattice.last, np.arange(B)]]
    return np.where(lattice.lengths > 0, score, 0.0)
