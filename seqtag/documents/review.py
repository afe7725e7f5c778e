"""Answers for people who check them: those that are least likely to be right come first."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from seqtag.documents.answers import Answer
from seqtag.documents.inputs import Place
from seqtag.documents.writers import Answered
from seqtag.errors import ConfigError

FORMATS = ("text", "jsonl", "conll")


def least_certain(answered: Iterable[tuple[Place, Answer]], limit: int | None = None) -> list[Answered]:
    """Return answers by how sure they are, the least sure one first; of equally sure ones in their order.

    Parameters
    ----------
    answered : iterable of (Place, Answer)
        With their ``confidence``; read once.
    limit : int, optional
        How many to return, and so how many are held at a time; by default all of them are.
    """

    def confidence(one: tuple[int, Answered]) -> tuple[float, int]:
        number, (_, answer) = one
        return (1.0 if answer.confidence is None else answer.confidence, number)

    numbered = enumerate(answered)
    found = sorted(numbered, key=confidence) if limit is None else heapq.nsmallest(limit, numbered, key=confidence)
    return [one for _, one in found]


def check_format(name: str) -> None:
    """Refuse a format whose rows could not be told apart when they are sorted.

    Raises
    ------
    ConfigError
    """
    if name not in FORMATS:
        raise ConfigError(f"--review is written as one of {', '.join(FORMATS)}; got {name}.")
