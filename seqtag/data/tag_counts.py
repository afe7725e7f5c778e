"""What is counted of label sequences: enough to know their scheme and what breaks it, without holding them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

Pair = tuple[str | None, str | None]


@dataclass
class TagCounts:
    """Labels and pairs of neighbours, counted.

    Parameters
    ----------
    labels : Counter of str
        How often each label occurs.
    pairs : Counter of (str or None, str or None)
        How often each label follows each; None stands for the beginning and the end of a sequence.
    """

    labels: Counter[str] = field(default_factory=Counter)
    pairs: Counter[Pair] = field(default_factory=Counter)

    @classmethod
    def of(cls, label_sequences: Iterable[Sequence[str]]) -> TagCounts:
        """Count several sequences."""
        counts = cls()
        for labels in label_sequences:
            counts.add(labels)
        return counts

    def add(self, labels: Sequence[str]) -> None:
        """Count one more sequence; an empty one has no pairs."""
        if labels:
            self.labels.update(labels)
            self.pairs.update(zip((None, *labels), (*labels, None), strict=True))

    def without(self, other: TagCounts) -> TagCounts:
        """Return what is left of the counts when others are taken off."""
        return TagCounts(self.labels - other.labels, self.pairs - other.pairs)
