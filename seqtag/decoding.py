"""From scores to labels: Viterbi, forward-backward and softmax over padded batches, in NumPy alone.

Every function takes what a tagger's network hands over:

* ``emissions (B, T, K)``: the score of each label at each token, right-padded (what stands in the padding is
  ignored, even if it is not finite);
* ``lengths (B,)``: the true lengths, from 0 to T;
* ``transitions (K, K)``: the score of going from a row's label to a column's;
* ``start (K,)``, ``end (K,)``: the scores of beginning and ending with a label.

The score of a path ``y`` of length n is ``start[y1] + sum(emissions[t, yt]) + sum(transitions[yt, yt+1]) +
end[yn]``; that of a sequence of length 0 is 0. Everything is computed and returned in float64 whatever comes in:
a path's score is a sum over many tokens, and one sentence costs the same in either precision.

A score of ``-inf`` forbids a label or a transition altogether. `FORBIDDEN` does it softly, so that a path is left
when the constraints leave none.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from seqtag.errors import DataError

FORBIDDEN = -1e4
"""The score of what a scheme forbids: far below any trained score, yet finite."""


class _Lattice(NamedTuple):
    """The arguments of all functions, checked, in float64, the batch innermost so that NumPy's loops are long."""

    emissions: np.ndarray  # (T, K, B), 0 in the padding
    lengths: np.ndarray  # (B,)
    transitions: np.ndarray  # (K, K)
    start: np.ndarray  # (K,)
    end: np.ndarray  # (K,)

    @property
    def last(self) -> np.ndarray:
        """The last token of each sequence, 0 for an empty one, shape (B,)."""
        return np.maximum(self.lengths - 1, 0)

    def at_last(self, values: np.ndarray) -> np.ndarray:
        """Pick ``values (T, K, B)`` at each sequence's last token, shape (K, B); 0 if T is 0."""
        if len(values) == 0:
            return np.zeros(values.shape[1:])
        return values[self.last, :, np.arange(len(self.lengths))].T


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
    lattice = _lattice(emissions, lengths, transitions, start, end)
    best = _best_scores(lattice)
    final = lattice.at_last(best) + lattice.end[:, None]  # (K, B)
    back = _backtrace_one if len(lattice.lengths) == 1 else _backtrace
    tags = back(best, lattice, final.argmax(axis=0))
    return tags, np.where(lattice.lengths > 0, final.max(axis=0), 0.0)


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
    lattice = _lattice(emissions, lengths, transitions, start, end)
    return _log_partition(lattice, _forward(lattice))


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
    lattice = _lattice(emissions, lengths, transitions, start, end)
    alpha = _forward(lattice)
    log_z = _finite(_log_partition(lattice, alpha))
    posterior = np.exp(alpha + _backward(lattice) - log_z).transpose(2, 0, 1)  # (B, T, K)
    return np.where(_valid(lattice.lengths, posterior.shape[1])[:, :, None], posterior, 0.0)


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
    lattice = _lattice(emissions, lengths, transitions, start, end)
    T, K, B = lattice.emissions.shape
    tags = np.asarray(tags)
    if tags.shape != (B, T):
        raise DataError(f"tags must have the shape (B, T) = {(B, T)} of the emissions; got {tags.shape}.")
    valid = _valid(lattice.lengths, T)
    path = np.where(valid, tags, 0).T  # (T, B)
    if path.size == 0:
        return np.zeros(B)
    if path.min() < 0 or path.max() >= K:
        raise DataError(f"tags must be between 0 and K - 1 = {K - 1}; got {path.min()} to {path.max()}.")
    score = np.take_along_axis(lattice.emissions, path[:, None, :], axis=1)[:, 0].sum(axis=0)
    score += np.where(valid.T[1:], lattice.transitions[path[:-1], path[1:]], 0.0).sum(axis=0)
    score += lattice.start[path[0]] + lattice.end[path[lattice.last, np.arange(B)]]
    return np.where(lattice.lengths > 0, score, 0.0)


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
    emissions, lengths = _batch(emissions, lengths)
    return np.where(_valid(lengths, emissions.shape[1]), emissions.argmax(axis=2), 0).astype(np.int32)


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


def _lattice(
    emissions: ArrayLike, lengths: ArrayLike, transitions: ArrayLike, start: ArrayLike, end: ArrayLike
) -> _Lattice:
    emissions, lengths = _batch(emissions, lengths)
    _, T, K = emissions.shape
    scores = [np.asarray(values, dtype=np.float64) for values in (transitions, start, end)]
    for name, values, shape in zip(("transitions", "start", "end"), scores, ((K, K), (K,), (K,)), strict=True):
        if values.shape != shape:
            raise DataError(f"{name} must have the shape {shape} of the {K} labels; got {values.shape}.")
    if lengths.size and lengths.min() < T:
        emissions = np.where(_valid(lengths, T)[:, :, None], emissions, 0.0)
    return _Lattice(np.ascontiguousarray(emissions.transpose(1, 2, 0), dtype=np.float64), lengths, *scores)


def _batch(emissions: ArrayLike, lengths: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    emissions, lengths = np.asarray(emissions), np.asarray(lengths)
    if emissions.ndim != 3 or emissions.shape[2] == 0 or lengths.shape != emissions.shape[:1]:
        raise DataError(
            f"emissions must have the shape (B, T, K) with K > 0, and lengths (B,); got {emissions.shape} "
            f"and {lengths.shape}."
        )
    if lengths.size and not 0 <= lengths.min() <= lengths.max() <= emissions.shape[1]:
        raise DataError(
            f"lengths must be between 0 and T = {emissions.shape[1]}; got {lengths.min()} to {lengths.max()}."
        )
    return emissions, lengths


def _valid(lengths: np.ndarray, T: int) -> np.ndarray:
    return np.arange(T) < lengths[:, None]  # (B, T)


def _best_scores(lattice: _Lattice) -> np.ndarray:
    """Score the best path to each label, shape (T, K, B); no mask, as no score depends on a later token."""
    emissions, transitions = lattice.emissions, lattice.transitions[:, :, None]
    best = emissions.copy()
    paths = np.empty((*transitions.shape[:2], emissions.shape[2]))  # (K from, K to, B)
    best[:1] += lattice.start[:, None]
    for before, here, emission in zip(best, best[1:], emissions[1:], strict=False):
        np.add(before[:, None], transitions, out=paths)
        np.maximum.reduce(paths, axis=0, out=here)
        here += emission
    return best


def _backtrace(best: np.ndarray, lattice: _Lattice, final: np.ndarray) -> np.ndarray:
    """Walk back from the final labels, finding each step's best predecessor anew: storing all costs K times more."""
    T, _, B = best.shape
    path = np.zeros((T, B), dtype=np.int32)
    tag = final
    path[T - 1 :] = tag
    for t in range(T - 2, -1, -1):
        tag = np.where(t < lattice.last, (best[t] + lattice.transitions[:, tag]).argmax(axis=0), tag)
        path[t] = tag
    return np.where(_valid(lattice.lengths, T), path.T, 0)


def _backtrace_one(best: np.ndarray, lattice: _Lattice, final: np.ndarray) -> np.ndarray:
    """Walk back through one sentence: a server's case, where `_backtrace` would spend its time on the batch axis."""
    path = np.zeros((1, len(best)), dtype=np.int32)
    into = np.ascontiguousarray(lattice.transitions.T)
    length, tag = int(lattice.lengths[0]), int(final[0])
    path[0, length - 1 : length] = tag
    scores = best[:, :, 0]
    for t in range(length - 2, -1, -1):
        tag = int((scores[t] + into[tag]).argmax())
        path[0, t] = tag
    return path


def _forward(lattice: _Lattice) -> np.ndarray:
    """Sum over the paths to each label, logarithms, shape (T, K, B)."""
    alpha = lattice.emissions.copy()
    alpha[:1] += lattice.start[:, None]
    for before, here in pairwise(alpha):
        here += _logsumexp(before[:, None] + lattice.transitions[:, :, None])
    return alpha


def _backward(lattice: _Lattice) -> np.ndarray:
    """Sum over the paths from each label to the end, logarithms, shape (T, K, B)."""
    T = len(lattice.emissions)
    into = lattice.transitions.T[:, :, None]  # (K to, K from, 1)
    beta = np.empty_like(lattice.emissions)
    beta[T - 1 :] = lattice.end[:, None]
    for t in range(T - 2, -1, -1):
        onward = _logsumexp((lattice.emissions[t + 1] + beta[t + 1])[:, None] + into)
        beta[t] = np.where(t < lattice.last, onward, lattice.end[:, None])
    return beta


def _log_partition(lattice: _Lattice, alpha: np.ndarray) -> np.ndarray:
    log_z = _logsumexp(lattice.at_last(alpha) + lattice.end[:, None])
    return np.where(lattice.lengths > 0, log_z, 0.0)


def _logsumexp(scores: np.ndarray) -> np.ndarray:
    """Take ``log(sum(exp(scores)))`` over the first axis; -inf where all are."""
    peak = _finite(np.maximum.reduce(scores, axis=0))
    with np.errstate(divide="ignore"):
        return peak + np.log(np.exp(scores - peak).sum(axis=0))


def _finite(values: np.ndarray) -> np.ndarray:
    """Put 0 for -inf, from which nothing finite can be subtracted."""
    return np.where(np.isneginf(values), 0.0, values)
