"""The n best paths of each sequence."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from seqtag.decoding._lattice import Lattice, make_lattice
from seqtag.errors import DataError


def nbest(
    emissions: ArrayLike, lengths: ArrayLike, transitions: ArrayLike, start: ArrayLike, end: ArrayLike, n: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Find the n best paths of each sequence (list Viterbi; Seshadri and Sundberg, 1994).

    Exact: each label at each token keeps the n best ways to it. What is held beside the emissions is one number of one
    to four bytes for each of them.

    Parameters
    ----------
    n : int
        How many; at least 1. The others are those of `viterbi`.

    Returns
    -------
    list of (ndarray of int32, shape (m, length); ndarray of float64, shape (m,))
        Of each sequence the paths, the best first, and their scores; m is below n where there are not as many paths
        that ``-inf`` does not forbid. Of paths that are equally good the one with the smallest last labels comes first.

    Raises
    ------
    DataError
        As `viterbi`, and if n is no whole number from 1 on.
    """
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise DataError(f"n must be a whole number from 1 on; got {n!r}.")
    lattice = make_lattice(emissions, lengths, transitions, start, end)
    _, K, B = lattice.emissions.shape
    scores, back = _ways(lattice, int(n))
    final = (scores + lattice.end[:, None]).reshape(B, K * n)
    order = np.argsort(-final, axis=1, kind="stable")[:, :n]
    found = []
    for b, length in enumerate(lattice.lengths.tolist()):
        if not length:
            found.append((np.zeros((1, 0), np.int32), np.zeros(1)))
            continue
        totals = final[b, order[b]]
        m = int(np.count_nonzero(totals > -np.inf))
        found.append((_trace_back(back[:length, b], order[b, :m], n), totals[:m]))
    return found


def _ways(lattice: Lattice, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Keep the n best ways to each label.

    Returns their scores at each sequence's last token, (B, K, n), and for each way at each token, (T, B, K n), the way
    that it goes on from: label times n plus rank.
    """
    T, K, B = lattice.emissions.shape
    into = np.repeat(lattice.transitions.T, n, axis=1)  # (K to, K from x n)
    back = np.zeros((T, B, K * n), np.min_scalar_type(K * n))
    scores = np.full((B, K, n), -np.inf)
    scores[:, :, 0] = lattice.start + lattice.emissions[0].T if T else 0.0
    for t in range(1, T):
        candidates = scores.reshape(B, 1, K * n) + into
        order = np.argsort(-candidates, axis=2, kind="stable")[:, :, :n]
        best = np.take_along_axis(candidates, order, axis=2) + lattice.emissions[t].T[:, :, None]
        scores = np.where((t < lattice.lengths)[:, None, None], best, scores)
        back[t] = order.reshape(B, K * n)
    return scores, back


def _trace_back(back: np.ndarray, ways: np.ndarray, n: int) -> np.ndarray:
    """Walk back from ways at the last token, shape (m,), to their paths, shape (m, length)."""
    paths = np.empty((len(ways), len(back)), np.int32)
    for t in range(len(back) - 1, -1, -1):
        paths[:, t] = ways // n
        ways = back[t, ways].astype(np.int64)
    return paths
