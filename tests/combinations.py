"""Which combinations of choices the tests go through."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def pairwise(factors: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Yield combinations, chosen greedily, that hold every pair of choices of two factors at least once."""
    every = [tuple(zip(factors, row, strict=True)) for row in itertools.product(*factors.values())]
    pairs = {row: set(itertools.combinations(row, 2)) for row in every}
    missing = set().union(*pairs.values())
    while missing:
        best = max(every, key=lambda row: len(pairs[row] & missing))
        missing -= pairs[best]
        yield dict(best)


def title(options: Mapping[str, Any]) -> str:
    """Word a combination, as the name of a test."""
    return " ".join(map(str, options.values()))
