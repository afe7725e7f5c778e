"""Spans that tags can hold: a token has one label, so no span may lie inside another or across its end."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import TypeAlias

Stretch: TypeAlias = tuple[int, int, str]
"""Start, end (exclusive) and label."""

ADVICE = (
    "A token has one label, so a tagger has one layer of spans: keep one of the two, or put each layer into data of "
    "its own and train a tagger for each."
)


def first_overlap(spans: Iterable[Stretch]) -> tuple[Stretch, Stretch] | None:
    """Return the first two spans that have something in common, in the order of where they begin; or None.

    Two neighbours in that order overlap if any two spans do.
    """
    return next(((before, after) for before, after in pairwise(sorted(spans)) if after[0] < before[1]), None)


def relation(before: Stretch, after: Stretch) -> str:
    """Word how the second of two spans that overlap lies to the first."""
    if after[:2] == before[:2]:
        return "over the same stretch"
    if after[1] <= before[1]:
        return "inside it"
    return "around it" if after[0] == before[0] else "across its end"
