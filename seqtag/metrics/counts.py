"""What scores are made of: counts of the right, the predicted and the gold, their averages, and tables of them.

A share of nothing is 0, as conlleval has it: precision without anything predicted, recall without anything gold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """What the scores of one label or type are made of.

    Parameters
    ----------
    correct, predicted, gold : int
        Spans, tokens or sequences that are right, that were predicted, and that are in the gold data.
    """

    correct: int = 0
    predicted: int = 0
    gold: int = 0

    @property
    def precision(self) -> float:
        """Share of the predicted that is right."""
        return share(self.correct, self.predicted)

    @property
    def recall(self) -> float:
        """Share of the gold that was found."""
        return share(self.correct, self.gold)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall (van Rijsbergen, 1979)."""
        return share(2 * self.correct, self.predicted + self.gold)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a report.

    Parameters
    ----------
    name : str
        A label, a type or an average.
    precision, recall, f1 : float
        Its scores, between 0 and 1.
    support : int
        How many spans, tokens or sequences of it the gold data hold.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class SpanScores:
    """Counts by type, and their averages.

    Parameters
    ----------
    types : mapping of str to Counts
        By type, in alphabetical order; for scheme ``none`` by label.
    """

    types: Mapping[str, Counts]

    @property
    def total(self) -> Counts:
        """The sums over all types."""
        values = self.types.values()
        return Counts(sum(c.correct for c in values), sum(c.predicted for c in values), sum(c.gold for c in values))

    @property
    def rows(self) -> tuple[Row, ...]:
        """The scores of each type."""
        return tuple(row_of(name, counts) for name, counts in self.types.items())

    @property
    def micro(self) -> Row:
        """The scores of the sums: what conlleval prints in its second line."""
        return row_of("micro", self.total)

    @property
    def macro(self) -> Row:
        """The mean over the types, each counting alike."""
        return self._mean("macro", [1] * len(self.types))

    @property
    def weighted(self) -> Row:
        """The mean over the types, each counting by its support."""
        return self._mean("weighted", [counts.gold for counts in self.types.values()])

    def _mean(self, name: str, weights: list[int]) -> Row:
        precision, recall, f1 = (
            share(sum(w * getattr(row, part) for w, row in zip(weights, self.rows, strict=True)), sum(weights))
            for part in ("precision", "recall", "f1")
        )
        return Row(name, precision, recall, f1, self.total.gold)


def share(part: float, whole: float) -> float:
    """Divide; a share of nothing is 0.

    Parameters
    ----------
    part, whole : float
        Numerator and denominator.
    """
    return part / whole if whole else 0.0


def row_of(name: str, counts: Counts) -> Row:
    """Return scores as a line of a report.

    Parameters
    ----------
    name : str
        A label, a type or an average.
    counts : Counts
        What the scores are made of.
    """
    return Row(name, counts.precision, counts.recall, counts.f1, counts.gold)


def table(rows: tuple[Row, ...], totals: tuple[Row, ...]) -> list[str]:
    """Write scores as aligned lines, in percent with two decimals as conlleval prints them.

    Parameters
    ----------
    rows : tuple of Row
        What stands above.
    totals : tuple of Row
        What stands below, after an empty line; at least one.

    Returns
    -------
    list of str
        The lines, the first one with the names of the columns.
    """
    width = max(len(row.name) for row in (*rows, *totals))
    head = f"{'':{width}}  precision  recall      F1  support"
    return [head, *(_line(row, width) for row in rows), "", *(_line(row, width) for row in totals)]


def _line(row: Row, width: int) -> str:
    precision, recall, f1 = (f"{100 * value:.2f}" for value in (row.precision, row.recall, row.f1))
    return f"{row.name:{width}}  {precision:>9}  {recall:>6}  {f1:>6}  {row.support:>7}"
