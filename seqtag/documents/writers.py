"""Answers as text: marked for people, JSON Lines, columns and tables for programs. One entry a format."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Protocol, TypeAlias

from seqtag import render
from seqtag.data.schemes import SCHEMES
from seqtag.documents.answers import Answer
from seqtag.documents.columns import columns_of, rows_of
from seqtag.documents.inputs import Place
from seqtag.errors import ConfigError
from seqtag.predictor import Predictor
from seqtag.registry import Registry

Answered: TypeAlias = tuple[Place, Answer]


@dataclass(frozen=True)
class Wanted:
    """What is to be written.

    Parameters
    ----------
    format : str
        A name in `FORMATS`.
    probabilities : bool
        Whether labels have their probabilities beside them.
    places : bool
        Whether each JSON object says from which file it is.
    color : bool
        Whether text has the colours of a terminal.
    packed : bool
        Whether the file is gzip.
    """

    format: str
    probabilities: bool
    places: bool = False
    color: bool = False
    packed: bool = False


class Writer(Protocol):
    """Turns answers into pieces of a file that are put one behind the other."""

    def head(self) -> bytes:
        """Return what stands before the first piece."""

    def piece(self, answered: Iterable[Answered]) -> bytes:
        """Return some answers as a piece."""

    @property
    def finish(self) -> Callable[[Path, Path], None] | None:
        """What makes the file of the pieces; None if the pieces are the file."""


@dataclass(frozen=True)
class TextWriter:
    """Writes text in UTF-8, each piece a gzip archive of its own if it is packed, as archives may be strung together.

    Parameters
    ----------
    write : callable
        Returns the text of answers.
    title : str
        What stands before all.
    packed : bool
        Whether to pack it.
    """

    write: Callable[[Iterable[Answered]], str]
    title: str = ""
    packed: bool = False

    finish = None

    def head(self) -> bytes:
        """Return the title."""
        return self._bytes(self.title)

    def piece(self, answered: Iterable[Answered]) -> bytes:
        """Return answers as text."""
        return self._bytes(self.write(answered))

    def _bytes(self, text: str) -> bytes:
        data = text.encode("utf-8", "backslashreplace")
        return gzip.compress(data, mtime=0) if self.packed else data


@dataclass(frozen=True)
class Format:
    """A way of writing answers.

    Parameters
    ----------
    writer : callable
        Makes the writer of a model's answers.
    suffixes : tuple of str
        The files that are written so if nothing else is said.
    tasks : tuple of str
        The models whose answers it can hold.
    certain : bool or None
        Whether probabilities stand in it unless they are refused; None where it has no place for them, or where they
        are always there.
    only_file : bool
        Whether it cannot be printed, or packed once more.
    """

    writer: Callable[[Predictor, Wanted], Writer]
    suffixes: tuple[str, ...]
    tasks: tuple[str, ...] = ("tagging", "classification", "joint")
    certain: bool | None = None
    only_file: bool = False


def settle(
    predictor: Predictor,
    output: Path | None,
    format: str | None,
    probabilities: bool | None,
    *,
    places: bool = False,
    color: bool = False,
) -> Wanted:
    """Decide how answers are written.

    Parameters
    ----------
    predictor : Predictor
        The model.
    output : Path, optional
        The file, whose suffix tells the format if nothing else does; ``.gz`` after it packs it.
    format : str, optional
        A name in `FORMATS`.
    probabilities : bool, optional
        Whether labels have their probabilities beside them; by default where there is a column for them.
    places, color : bool
        As in `Wanted`.

    Raises
    ------
    ConfigError
        If the format is unknown, or cannot hold such answers.
    """
    packed = output is not None and output.suffix.lower() == ".gz"
    name = format or _by_suffix(output)
    known = FORMATS[name]
    if predictor.task not in known.tasks:
        others = " or ".join(other for other in FORMATS if predictor.task in FORMATS[other].tasks)
        raise ConfigError(
            f"--format {name} writes a label for each token, and this model gives one for each whole sequence; "
            f"choose {others}."
        )
    if known.only_file and (output is None or packed):
        raise ConfigError(f"--format {name} is written to a file that is not packed again: --output tags.{name}.")
    if probabilities and known.certain is None:
        able = ", ".join(other for other in FORMATS if FORMATS[other].certain is not None)
        raise ConfigError(f"--format {name} has no place for probabilities to ask for; choose one of {able}.")
    chosen = bool(known.certain) if probabilities is None else probabilities
    return Wanted(name, chosen, places, color, packed)


def writer_of(predictor: Predictor, wanted: Wanted) -> Writer:
    """Make the writer of a model's answers."""
    return FORMATS[wanted.format].writer(predictor, wanted)


def _by_suffix(output: Path | None) -> str:
    if output is None:
        return "text"
    suffix = PurePath(output.name.lower().removesuffix(".gz")).suffix
    return next((name for name in FORMATS if suffix in FORMATS[name].suffixes), "text")


def _each(write: Callable[[Place, Answer], str], wanted: Wanted) -> TextWriter:
    return TextWriter(lambda answered: "".join(write(*one) + "\n" for one in answered), packed=wanted.packed)


def _text(predictor: Predictor, wanted: Wanted) -> Writer:
    color = wanted.color
    if predictor.task == "classification":
        return _each(lambda _, one: render.class_to_text(one.sequence, one.classes, color=color), wanted)
    has_spans = SCHEMES[predictor.scheme].has_spans

    def write(place: Place, one: Answer) -> str:
        spans = predictor.spans(one.sequence) if has_spans else None
        intent = render.intent_to_text(one.sequence, color=color) if predictor.intents else ""
        return _sure(one) + intent + render.to_text(one.sequence, spans, color=color)

    return _each(write, wanted)


def _sure(one: Answer) -> str:
    """Write how sure a tagger's answer is, where that was asked for; a classifier's line has it anyway."""
    return "" if one.confidence is None else f"{one.confidence:.2f}\t"


def _jsonl(predictor: Predictor, wanted: Wanted) -> Writer:
    def write(place: Place, one: Answer) -> str:
        about: dict[str, Any] = {"file": place.file, "sequence": place.number} if wanted.places else {}
        if one.confidence is not None:
            about["confidence"] = round(one.confidence, 6)
        if predictor.task == "classification":
            return render.class_to_json(one.sequence, one.classes, about=about)
        spans = predictor.spans(one.sequence)
        return render.to_json(
            one.sequence,
            spans,
            probabilities=one.chances,
            span_probabilities=one.span_chances,
            intents=one.classes if predictor.intents else None,
            about=about,
        )

    return _each(write, wanted)


def _conll(predictor: Predictor, wanted: Wanted) -> Writer:
    return _each(lambda _, one: render.to_columns(one.sequence, intent=bool(predictor.intents)), wanted)


def _csv(predictor: Predictor, wanted: Wanted) -> Writer:
    columns = columns_of(predictor, wanted.probabilities)

    def write(answered: Iterable[Answered]) -> str:
        return _lines(map(_cells, rows_of(columns, answered)))

    return TextWriter(write, _lines([[column.name for column in columns]]), wanted.packed)


def _lines(rows: Iterable[Iterable[Any]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def _cells(row: Iterable[Any]) -> Iterator[Any]:
    """Write numbers with six decimals, and several labels in one cell."""
    for cell in row:
        if isinstance(cell, float):
            yield f"{cell:.6f}"
        else:
            yield "|".join(cell) if isinstance(cell, tuple) else cell


def _parquet(predictor: Predictor, wanted: Wanted) -> Writer:
    from seqtag.documents.parquet import ParquetWriter

    return ParquetWriter(columns_of(predictor, wanted.probabilities))


FORMATS: Registry[Format] = Registry("format")
"""The formats that answers are written in."""
FORMATS.add("text", Format(_text, (".txt",)))
FORMATS.add("jsonl", Format(_jsonl, (".jsonl", ".ndjson"), certain=False))
FORMATS.add("conll", Format(_conll, (".conll", ".iob", ".bio", ".iob2", ".bioes"), ("tagging", "joint")))
FORMATS.add("csv", Format(_csv, (".csv",), certain=True))
FORMATS.add("parquet", Format(_parquet, (".parquet",), certain=True, only_file=True))
