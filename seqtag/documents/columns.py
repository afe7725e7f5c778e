"""Answers as a flat table: a row a token of a tagger's, a row a sequence of a classifier's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from seqtag.data.sequence import Sequence
from seqtag.documents.answers import Answer
from seqtag.documents.inputs import Place
from seqtag.predictor import Predictor

Row: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Parameters
    ----------
    name : str
        What it is called.
    kind : {"string", "strings", "integer", "chance"}
        What stands in it.
    of : str
        Where it comes from: the name of the column, or that of a class.
    """

    name: str
    kind: str = "string"
    of: str = ""


def columns_of(predictor: Predictor, probabilities: bool) -> tuple[Column, ...]:
    """Return the columns of a model's answers.

    Parameters
    ----------
    predictor : Predictor
        The model. A tagger's rows are tokens: ``file, sequence, position, token, label, probability``; sequences of a
        file, and tokens of a sequence, are counted from 1. A classifier's rows are sequences: ``file, sequence, text,
        label, probability``, and of every class its probability, ``p_`` before its name. Where it gives several labels
        at once there is no one probability. A joint tagger's rows are tokens, too, each with the ``intent`` of its
        sequence and ``intent_probability``. Frames of numbers have no ``token``, and ``length`` in place of ``text``.
    probabilities : bool
        Whether there are probabilities.
    """
    numeric = reads_numbers(predictor)
    place = (Column("file"), Column("sequence", "integer"))
    if predictor.task != "classification":
        token = () if numeric else (Column("token"),)
        chance = (Column("probability", "chance"),) if probabilities else ()
        label = (Column("position", "integer"), *token, Column("label"), *chance)
        if not predictor.intents:
            return (*place, *label)
        sure = (Column("intent_probability", "chance"),) if probabilities else ()
        return (*place, *label, Column("intent"), *sure)
    several = getattr(predictor.decoder, "multi_label", False)
    content = Column("length", "integer") if numeric else Column("text")
    kind = Column("label", "strings" if several else "string")
    one = (Column("probability", "chance"),) if probabilities and not several else ()
    each = tuple(Column(f"p_{name}", "chance", str(name)) for name in predictor.labels) if probabilities else ()
    return (*place, content, kind, *one, *each)


def rows_of(columns: Iterable[Column], answered: Iterable[tuple[Place, Answer]]) -> Iterator[Row]:
    """Yield the rows of answers.

    Parameters
    ----------
    columns : iterable of Column
        What `columns_of` gave.
    answered : iterable of (Place, Answer)
        The answers.
    """
    names = [column.name for column in columns]
    classes = [column.of for column in columns if column.of]
    for place, answer in answered:
        if "position" in names:
            yield from _token_rows(names, place, answer)
        else:
            yield _class_row(names, classes, place, answer)


def reads_numbers(predictor: Predictor) -> bool:
    """Tell whether a model reads sequences of numbers, in place of tokens."""
    return any(feature.scaler is not None and feature.vectors is None for feature in predictor.features)


def _token_rows(names: list[str], place: Place, answer: Answer) -> Iterator[Row]:
    sequence = answer.sequence
    size = len(sequence)
    cells: list[Iterable[Any]] = [(place.file,) * size, (place.number,) * size, range(1, size + 1)]
    if "token" in names:
        cells.append(sequence.tokens)
    cells.append(sequence.labels or ())
    if answer.chances is not None and "probability" in names:
        cells.append(answer.chances)
    if "intent" in names:
        cells.append((sequence.label,) * size)
    if "intent_probability" in names:
        cells.append((answer.classes[str(sequence.label)],) * size)
    return zip(*cells, strict=True)


def _class_row(names: list[str], classes: list[str], place: Place, answer: Answer) -> Row:
    sequence = answer.sequence
    content = text_of(sequence) if "text" in names else len(sequence)
    label = sequence.label
    one = [answer.classes[str(label)]] if "probability" in names else []
    return (place.file, place.number, content, label, *one, *(answer.classes[name] for name in classes))


def text_of(sequence: Sequence) -> str:
    """Return a sequence's text; without one, its tokens joined by spaces."""
    return " ".join(sequence.tokens) if sequence.text is None else sequence.text
