"""Sentences cut out of what was read around them, before their loss is taken."""

from __future__ import annotations

from typing import Any

from keras import ops


def at_cuts(emissions: Any, cuts: Any, steps: Any) -> Any:
    """Lay sentences out as rows: (B, T, K) to (S, steps, K).

    Parameters
    ----------
    emissions : tensor, shape (B, T, K)
        Of all that was read.
    cuts : tensor of int32, shape (S, 3)
        Row, first place and length of each sentence, as `seqtag.data.batching.Batch` has them.
    steps : int
        The longest length.

    Returns
    -------
    tensor, shape (S, steps, K)
        What stands beyond a length means nothing.
    """
    size = ops.shape(emissions)[1]
    places = ops.minimum(cuts[:, 1:2] + ops.arange(steps, dtype="int32"), size - 1)
    flat = ops.reshape(emissions, (-1, emissions.shape[-1]))
    return ops.take(flat, cuts[:, 0:1] * size + places, axis=0)
