"""How probable the tags of a path are, alone and in stretches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from seqtag.decoding._lattice import Lattice, make_lattice
from seqtag.decoding._long import is_long, summed_pieces
from seqtag.decoding._sums import backward, finite, forward, log_partition_of, logsumexp
from seqtag.errors import DataError


def tag_log_probability(
    emissions: ArrayLike,
    tags: ArrayLike,
    lengths: ArrayLike,
    transitions: ArrayLike,
    start: ArrayLike,
    end: ArrayLike,
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the probabilities of a path's tags.

    Parameters
    ----------
    tags : array of int, shape (B, T)
        Label numbers; what stands in the padding is ignored. The others are those of `viterbi`.

    Returns
    -------
    alone : ndarray of float64, shape (B, T)
        log p(y_t | sequence): the marginal of each tag. What stands in the padding means nothing.
    following : ndarray of float64, shape (B, T)
        log p(y_t | y_t-1, sequence), likewise; what stands at a sequence's first token means nothing either.

    Raises
    ------
    DataError
        As `viterbi`, and if the tags have another shape.
    """
    lengths, tags = np.asarray(lengths), np.asarray(tags)
    if tags.shape != np.shape(emissions)[:2]:
        raise DataError(f"tags must have the shape (B, T) = {np.shape(emissions)[:2]}; got {tags.shape}.")
    if is_long(emissions, lengths):
        return _long_terms(emissions, tags, transitions, start, end)
    lattice = make_lattice(emissions, lengths, transitions, start, end)
    return _terms(lattice, forward(lattice), backward(lattice), tags)


def span_log_probability(
    alone: np.ndarray, following: np.ndarray, lengths: ArrayLike, spans: Sequence[Iterable[Sequence[Any]]]
) -> list[np.ndarray]:
    """Compute the probability that a path's tags stand on exactly the tokens of a span.

    It is the sum over all paths that agree with the given one on the span, whatever stands around it:
    ``alpha[s, y_s] + path(s + 1 .. e) + beta[e, y_e] - log Z`` (Culotta and McCallum, 2004), which is
    ``alone[s] + following[s + 1] + ... + following[e]``. Without transitions it is the product of the tags'
    probabilities.

    Parameters
    ----------
    alone, following : ndarray, shape (B, T)
        What `tag_log_probability` gives.
    lengths : array of int, shape (B,)
    spans : sequence of iterable of (start, end)
        Of each sequence the spans, ``tags[start:end]``; what else an entry holds is ignored.

    Returns
    -------
    list of ndarray of float64
        Of each sequence the logarithms, one a span.

    Raises
    ------
    DataError
        If a span is empty or leaves its sequence.
    """
    sizes = np.asarray(lengths).tolist()
    return [
        np.array([_span_sum(alone[b], following[b], span[0], span[1], sizes[b]) for span in own], np.float64)
        for b, own in enumerate(spans)
    ]


def _span_sum(alone: np.ndarray, following: np.ndarray, start: int, end: int, length: int) -> float:
    if not 0 <= start < end <= length:
        raise DataError(f"a span must hold at least one of the {length} tokens and no other; got {start} to {end}.")
    return float(alone[start] + following[start + 1 : end].sum())


def _terms(lattice: Lattice, alpha: np.ndarray, beta: np.ndarray, tags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return log p(y_t | sequence) and log p(y_t | y_t-1, sequence), both (B, T); the first token has no second."""
    T, K, B = lattice.emissions.shape
    path = np.clip(tags, 0, K - 1).T  # (T, B); the padding may hold anything
    with np.errstate(invalid="ignore"):  # -inf less -inf, of a path that cannot be
        marginal = _at(alpha + beta, path) - finite(log_partition_of(lattice, alpha))
        following = np.full((T, B), -np.inf)
        following[1:] = lattice.transitions[path[:-1], path[1:]] + _at(lattice.emissions + beta, path)[1:]
        following[1:] -= _at(beta, path)[:-1]
    return marginal.T, np.where(np.isnan(following), -np.inf, following).T


def _at(values: np.ndarray, path: np.ndarray) -> np.ndarray:
    """Pick ``values (T, K, B)`` along a path, shape (T, B)."""
    return np.take_along_axis(values, path[:, None, :], axis=1)[:, 0]


def _long_terms(
    emissions: ArrayLike, tags: np.ndarray, transitions: ArrayLike, start: ArrayLike, end: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Return what `_terms` does of one long sequence, piece by piece."""
    first, following = np.empty(tags.shape), np.empty(tags.shape)
    behind: np.ndarray | None = None  # (K,): the emissions of the piece behind at its first token, and all that follows
    for piece in summed_pieces(emissions, transitions, start, end):
        stop = piece.place.stop
        _, lattice, alpha, beta = piece
        first[:, piece.place], following[:, piece.place] = _terms(lattice, alpha, beta, tags[:, piece.place])
        if behind is not None:
            ways = lattice.transitions[tags[0, stop - 1]] + behind
            following[0, stop] = ways[tags[0, stop]] - finite(logsumexp(ways[:, None]))[0]
        behind = lattice.emissions[0, :, 0] + beta[0, :, 0]
    return first, following
