"""One token after the other, before the next one is known."""

from __future__ import annotations

import numpy as np

from seqtag.decoding._sums import finite, logsumexp


def filter_step(
    before: np.ndarray | None, emission: np.ndarray, transitions: np.ndarray, start: np.ndarray
) -> np.ndarray:
    """Compute log p(label | sequence so far) of the next token: a step of the forward algorithm (Rabiner, 1989).

    Parameters
    ----------
    before : ndarray, shape (K,), or None
        What this function gave for the token before; None for the first one.
    emission : ndarray, shape (K,)
        The token's scores.
    transitions, start : ndarray, shape (K, K), (K,)

    Returns
    -------
    ndarray of float64, shape (K,)
    """
    scores = np.asarray(emission, np.float64)
    scores = scores + (start if before is None else logsumexp(before[:, None] + transitions))
    return scores - finite(logsumexp(scores[:, None]))
