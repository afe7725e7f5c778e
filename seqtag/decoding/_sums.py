"""Sums over paths: the forward and the backward pass, in logarithms."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from seqtag.decoding._lattice import Lattice, valid_places


def posterior(lattice: Lattice) -> np.ndarray:
    """Compute the probability of each label at each token, shape (B, T, K); 0 in the padding."""
    return posterior_of(lattice, forward(lattice), backward(lattice))


def posterior_of(lattice: Lattice, alpha: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """Do as `posterior` does, with what `forward` and `backward` give."""
    log_z = finite(log_partition_of(lattice, alpha))
    found = np.exp(alpha + beta - log_z).transpose(2, 0, 1)  # (B, T, K)
    return np.where(valid_places(lattice.lengths, found.shape[1])[:, :, None], found, 0.0)


def forward(lattice: Lattice) -> np.ndarray:
    """Sum over the paths to each label, logarithms, shape (T, K, B)."""
    alpha = lattice.emissions.copy()
    alpha[:1] += lattice.start[:, None]
    if alpha.shape[2] == 1:
        step = _step_of_one(lattice.transitions)
        for before, here in pairwise(alpha[:, :, 0]):
            here += step(before)
        return alpha
    for before, here in pairwise(alpha):
        here += logsumexp(before[:, None] + lattice.transitions[:, :, None])
    return alpha


def backward(lattice: Lattice) -> np.ndarray:
    """Sum over the paths from each label to the end, logarithms, shape (T, K, B)."""
    T = len(lattice.emissions)
    into = lattice.transitions.T[:, :, None]  # (K to, K from, 1)
    beta = np.empty_like(lattice.emissions)
    beta[T - 1 :] = lattice.end[:, None]
    if beta.shape[2] == 1:
        beta[int(lattice.last[0]) :] = lattice.end[:, None]
        step = _step_of_one(lattice.transitions.T)
        for t in range(int(lattice.last[0]) - 1, -1, -1):
            beta[t, :, 0] = step(lattice.emissions[t + 1, :, 0] + beta[t + 1, :, 0])
        return beta
    for t in range(T - 2, -1, -1):
        onward = logsumexp((lattice.emissions[t + 1] + beta[t + 1])[:, None] + into)
        beta[t] = np.where(t < lattice.last, onward, lattice.end[:, None])
    return beta


def _step_of_one(transitions: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return what sums over the ways of one sequence to the next token, scores (K,) to (K,).

    A product of probabilities with a matrix takes a third of the time of `logsumexp`. Where one has no digits left, as
    only what is forbidden leads to a label, the logarithms are summed after all.
    """
    peak = float(finite(transitions.max()))
    powers = np.exp(transitions - peak)
    exp, log = np.exp, np.log

    def step(scores: np.ndarray) -> np.ndarray:
        most = scores.max()
        sums = exp(scores - most) @ powers if most > -np.inf else np.zeros(len(scores))
        if sums.min() < 1e-200:
            return logsumexp(scores[:, None] + transitions)
        return log(sums) + (most + peak)

    return step


def log_partition_of(lattice: Lattice, alpha: np.ndarray) -> np.ndarray:
    """Sum over all paths, logarithms, shape (B,), from what `forward` gives."""
    log_z = logsumexp(lattice.at_last(alpha) + lattice.end[:, None])
    return np.where(lattice.lengths > 0, log_z, 0.0)


def logsumexp(scores: np.ndarray) -> np.ndarray:
    """Take ``log(sum(exp(scores)))`` over the first axis; -inf where all are."""
    peak = finite(np.maximum.reduce(scores, axis=0))
    with np.errstate(divide="ignore"):
        return peak + np.log(np.exp(scores - peak).sum(axis=0))


def finite(values: np.ndarray) -> np.ndarray:
    """Put 0 for -inf, from which nothing finite can be subtracted."""
    return np.where(np.isneginf(values), 0.0, values)
