"""The poolings by name: from the states of a sequence to one vector. A factory imports its layer in its body."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from seqtag.registry import Registry

ATTENTION_UNITS = 100

POOLINGS: Registry[Callable[[str, int], Any]] = Registry("pooling")
"""What makes the layer, from the ends at which a recurrent stack stops reading (`Stack.ends`) and a seed."""


@POOLINGS.register("last")
def last(ends: str, seed: int) -> Any:
    """Take the state in which the reading of each direction ended."""
    from seqtag.nn.pooling_layers import LastPooling

    return LastPooling(ends, name="pooling")


@POOLINGS.register("mean")
def mean(ends: str, seed: int) -> Any:
    """Take the mean of the states."""
    from seqtag.nn.pooling_layers import MeanPooling

    return MeanPooling(name="pooling")


@POOLINGS.register("max")
def greatest(ends: str, seed: int) -> Any:
    """Take the greatest value of each unit."""
    from seqtag.nn.pooling_layers import MaxPooling

    return MaxPooling(name="pooling")


@POOLINGS.register("attention")
def attention(ends: str, seed: int) -> Any:
    """Weigh the states by how much each matters."""
    from seqtag.nn.pooling_layers import AttentionPooling

    return AttentionPooling(ATTENTION_UNITS, seed, name="pooling")
