"""How well the predicted classes of whole sequences agree with gold ones: one class each, or any number of labels.

Classes are strings or numbers. Gold and predicted classes come in one of two shapes:

* single-label: a sequence with one class each, ``["spam", "ham"]``;
* multi-label: a sequence with a collection of labels each, ``[("sad", "slow"), ()]``, or a binary indicator array of
  two dimensions whose columns are the labels, 1 where a sequence has the label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from seqtag.errors import DataError, near_name
from seqtag.metrics.counts import Counts, Row, SpanScores, share, table

Classes = Sequence[Any] | np.ndarray


@dataclass(frozen=True, slots=True)
class ClassReport:
    """The scores of predicted classes, as a value.

    Parameters
    ----------
    labels : tuple of str, int, float or bool
        The K classes, in the order of the rows.
    rows : tuple of Row
        One a class; its support is the number of sequences that have it.
    totals : tuple of Row
        ``micro``, ``macro`` and ``weighted`` averages.
    accuracy : float
        Share of the sequences with the right class; multi-label: with exactly the right labels.
    sequences : int
        How many were compared.
    multi_label : bool
        Whether a sequence may have any number of classes.
    pairs : tuple of tuple of int, optional
        Single-label: in row i and column j, how many sequences of class i were predicted to be of class j.
    """

    labels: tuple[Any, ...]
    rows: tuple[Row, ...]
    totals: tuple[Row, ...]
    accuracy: float
    sequences: int
    multi_label: bool = False
    pairs: tuple[tuple[int, ...], ...] | None = None

    @property
    def score(self) -> float:
        """The main score: the accuracy; multi-label: the micro-averaged F1."""
        return self.main_scores[self.score_name]

    @property
    def score_name(self) -> str:
        """What the main score is: ``accuracy``, or ``micro F1`` for multi-label."""
        return next(iter(self.main_scores))

    @property
    def main_scores(self) -> dict[str, float]:
        """The scores to show first, the main one before the others."""
        if self.multi_label:
            return {"micro F1": self.average("micro").f1, "accuracy": self.accuracy}
        return {"accuracy": self.accuracy, "macro F1": self.average("macro").f1}

    @property
    def sizes(self) -> dict[str, int]:
        """What was compared: how many ``sequences``."""
        return {"sequences": self.sequences}

    @property
    def confusion(self) -> np.ndarray | None:
        """Sequences by gold class (row) and predicted class (column), (K, K) of int64; None for multi-label."""
        return None if self.pairs is None else np.array(self.pairs, np.int64).reshape(2 * [len(self.labels)])

    @property
    def note(self) -> str:
        """How the accuracy was counted, in one sentence."""
        if self.multi_label:
            return "A sequence counts as right if it has exactly its gold labels."
        return "Each sequence has one class."

    def average(self, name: str) -> Row:
        """Return one of the ``totals`` by its name: ``micro``, ``macro`` or ``weighted``."""
        return next(row for row in self.totals if row.name == name)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as what JSON can hold, scores between 0 and 1."""
        return {
            "multi_label": self.multi_label,
            "score": self.score,
            "score_name": self.score_name,
            "accuracy": self.accuracy,
            "sequences": self.sequences,
            "note": self.note,
            "labels": list(self.labels),
            "rows": [asdict(row) for row in self.rows],
            "totals": [asdict(row) for row in self.totals],
            "confusion": None if self.pairs is None else [list(row) for row in self.pairs],
        }

    def to_text(self) -> str:
        """Return the report as a plain table, scores in percent with two decimals."""
        accuracy = f"accuracy {100 * self.accuracy:.2f} % of {self.sequences} sequences"
        return "\n".join([*table(self.rows, self.totals), "", accuracy, self.note]) + "\n"


def class_report(gold: Classes, predicted: Classes, labels: Iterable[Any] | None = None) -> ClassReport:
    """Compare predicted classes with gold ones in full.

    Parameters
    ----------
    gold, predicted : sequence
        The class, or the collection of labels, of each sequence, in the same order; or binary indicator arrays,
        shape (N, K). See the module.
    labels : iterable of str, int, float or bool, optional
        The classes to report first, in this order, also those that do not occur; the names of an indicator array's
        columns. By default those that occur, in their own order, and the numbers of the columns.

    Returns
    -------
    ClassReport

    Raises
    ------
    DataError
        If the numbers of sequences differ, one side is multi-label and the other not, a class is neither a string nor
        a number, or strings and numbers are mixed, which are never equal.
    """
    given = None if labels is None else _names(labels, "labels")
    sides = class_sets(gold, "gold", given), class_sets(predicted, "predicted", given)
    _check_pair(*sides)
    order = _order(sides, given)
    pairs = list(zip(sides[0].sets, sides[1].sets, strict=True))
    multi_label = bool(sides[0].multi_label or sides[1].multi_label)
    scores = _counts(pairs, order)
    return ClassReport(
        order,
        scores.rows,
        (scores.micro, scores.macro, scores.weighted),
        share(sum(g == p for g, p in pairs), len(pairs)),
        len(pairs),
        multi_label,
        None if multi_label else _confusion(pairs, order),
    )


def encode_classes(gold: Classes, classes: Iterable[Any]) -> np.ndarray:
    """Return classes as the numbers that `seqtag.metrics.reliability` and its like take for targets.

    Parameters
    ----------
    gold : sequence
        The class, or the collection of labels, of each sequence; or a binary indicator array, shape (N, K).
    classes : iterable of str, int, float or bool
        The K classes by id: an estimator's ``classes_``.

    Returns
    -------
    ndarray
        Ids, int64 of shape (N,); multi-label: 0 and 1, int64 of shape (N, K).

    Raises
    ------
    DataError
        If a class is not one of ``classes``, or `class_report` would not take the data.
    """
    classes = _names(classes, "classes")
    ids = {label: index for index, label in enumerate(classes)}
    side = class_sets(gold, "gold", classes)
    unknown = next((label for found in side.sets for label in found if label not in ids), None)
    if unknown is not None:
        raise DataError(
            f"gold must hold classes that the model knows ({_listed(classes)}); got {unknown!r}."
            + near_name(str(unknown), map(str, classes))
        )
    if not side.multi_label:
        return np.array([ids[label] for (label,) in side.sets], np.int64)
    encoded = np.zeros((len(side.sets), len(classes)), np.int64)
    for row, found in zip(encoded, side.sets, strict=True):
        row[[ids[label] for label in found]] = 1
    return encoded


class ClassSets(NamedTuple):
    """Gold or predicted classes as sets, whatever their shape was; those of single-label data have one element each.

    Parameters
    ----------
    name : str
        What an error calls them.
    sets : list of frozenset
        The classes of each sequence.
    multi_label : bool or None
        Whether a sequence may have any number; None where no sequence tells.
    columns : tuple
        The labels of an indicator array; empty for other shapes.
    """

    name: str
    sets: list[frozenset[Any]]
    multi_label: bool | None
    columns: tuple[Any, ...] = ()


def class_sets(classes: Classes, name: str, labels: tuple[Any, ...] | None = None) -> ClassSets:
    """Read classes of any shape.

    Parameters
    ----------
    classes : sequence
        As `class_report` takes them.
    name : str
        What an error calls them.
    labels : tuple, optional
        The names of an indicator array's columns, by default their numbers.

    Raises
    ------
    DataError
        If `class_report` would not take them.
    """
    if getattr(classes, "ndim", 1) == 2:
        return _from_indicators(np.asarray(classes), name, labels)
    if isinstance(classes, str):
        raise DataError(f"{name} must hold one class a sequence; got a single string, {classes[:20]!r}.")
    values = list(classes)
    multi = [isinstance(value, Collection) and not isinstance(value, str | bytes) for value in values]
    if len(set(multi)) > 1:
        raise DataError(
            f"{name} must hold one class a sequence, or a collection of labels for every one; got "
            f"{values[multi.index(False)]!r} as well as {values[multi.index(True)]!r}."
        )
    multi_label = multi[0] if multi else None
    sets = [frozenset(_plain(label, name) for label in (value if multi_label else (value,))) for value in values]
    return ClassSets(name, sets, multi_label)


def _from_indicators(values: np.ndarray, name: str, labels: tuple[Any, ...] | None) -> ClassSets:
    columns = tuple(range(values.shape[1])) if labels is None else labels
    if len(columns) != values.shape[1]:
        raise DataError(
            f"{name} must have a column for each of the {len(columns)} labels; got an array of shape {values.shape}."
        )
    if not ((values == 0) | (values == 1)).all():
        raise DataError(
            f"{name}, an array of two dimensions, must hold 0 and 1 alone; got {values.dtype} with other values. "
            f"Give one class a sequence as an array of one dimension, and probabilities as (p > 0.5)."
        )
    return ClassSets(name, [frozenset(columns[i] for i in np.flatnonzero(row)) for row in values == 1], True, columns)


def _plain(label: Any, name: str) -> Any:
    """Return a class as Python's own string or number."""
    plain = label.item() if isinstance(label, np.generic) else label
    if isinstance(plain, str | Real) and plain == plain:  # NaN is not
        return plain
    raise DataError(f"{name} must hold classes that are strings or numbers; got {label!r}.")


def _names(labels: Iterable[Any], name: str) -> tuple[Any, ...]:
    names = tuple(_plain(label, name) for label in labels)
    twice = [label for label, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{name} must differ from each other; got {twice[0]!r} more than once.")
    return names


def _check_pair(gold: ClassSets, predicted: ClassSets) -> None:
    if len(gold.sets) != len(predicted.sets):
        raise DataError(
            f"gold and predicted must have as many sequences; got {len(gold.sets)} and {len(predicted.sets)}."
        )
    if {gold.multi_label, predicted.multi_label} == {True, False}:
        one, other = (gold, predicted) if predicted.multi_label else (predicted, gold)
        raise DataError(
            f"gold and predicted must both hold one class a sequence, or both collections of labels; got one class "
            f"in {one.name} and collections in {other.name}."
        )
    if gold.columns and predicted.columns and len(gold.columns) != len(predicted.columns):
        raise DataError(
            f"gold and predicted must have the same columns; got {len(gold.columns)} and {len(predicted.columns)}."
        )


def _order(sides: tuple[ClassSets, ClassSets], labels: tuple[Any, ...] | None) -> tuple[Any, ...]:
    """Return the classes to report: those that were given, then the others that occur, sorted."""
    known = labels if labels is not None else sides[0].columns or sides[1].columns
    found = {label: side.name for side in reversed(sides) for names in side.sets for label in names}
    texts = [label for label in (*known, *found) if isinstance(label, str)]
    numbers = [label for label in (*known, *found) if not isinstance(label, str)]
    if texts and numbers:
        origin = "an array's columns" if labels is None else "labels"
        raise DataError(
            f"classes must be strings throughout, or numbers throughout, since they are never equal; got {texts[0]!r} "
            f"in {found.get(texts[0], origin)} and {numbers[0]!r} in {found.get(numbers[0], origin)}."
        )
    return (*known, *sorted(found.keys() - set(known)))


def _counts(pairs: list[tuple[frozenset[Any], frozenset[Any]]], order: tuple[Any, ...]) -> SpanScores:
    in_gold = Counter(label for g, _ in pairs for label in g)
    in_predicted = Counter(label for _, p in pairs for label in p)
    correct = Counter(label for g, p in pairs for label in g & p)
    return SpanScores({str(label): Counts(correct[label], in_predicted[label], in_gold[label]) for label in order})


def _confusion(
    pairs: list[tuple[frozenset[Any], frozenset[Any]]], order: tuple[Any, ...]
) -> tuple[tuple[int, ...], ...]:
    counts = Counter((*g, *p) for g, p in pairs)
    return tuple(tuple(counts[g, p] for p in order) for g in order)


def _listed(classes: tuple[Any, ...], shown: int = 10) -> str:
    names = ", ".join(str(label) for label in classes[:shown])
    return names if len(classes) <= shown else f"{names} and {len(classes) - shown} more"
