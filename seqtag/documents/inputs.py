"""The files that a model answers for: found, told apart by their form, read one sequence after the other."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from seqtag.data.context import apart_by_file
from seqtag.data.readers import check_file, detect_format, iterate, settled
from seqtag.data.readers._numbers import table_of
from seqtag.data.readers._text import Watched, lines_of, suffix_of
from seqtag.data.sequence import Sequence, called
from seqtag.data.streaming import matching_files
from seqtag.errors import ConfigError, DataError, at
from seqtag.known import ids_of_own
from seqtag.predictor import Predictor

NUMBERS = '{"frames": [[0.1, 0.2], ...]}'
"""How a line of JSON writes a sequence of numbers."""

_TEXT = ("", ".txt", ".text", ".md", ".log")  # what holds text here; readers of labelled data know .txt as columns
_CUTTING = ("lines", "jsonl", "csv")  # the formats in which there may be text to cut into tokens
_LABELLED = ("conll", "conllu", "csv")  # those in which labels that nobody needs can be left unread


Look: TypeAlias = Callable[[Sequence, str], object]


class Place(NamedTuple):
    """Where a sequence stands: its file, and its number there, counted from 1."""

    file: str
    number: int


@dataclass(frozen=True)
class Documents:
    """Files that a model answers for.

    Parameters
    ----------
    paths : tuple of str
        The files, in the order in which they are read.
    numeric : bool
        Whether the model reads numbers.
    format : str, optional
        Their format, a name in `seqtag.data.readers.READERS`. By default the suffix decides; what it does not tell
        is text with a sentence a line (or, for a model that reads numbers, JSON with a sequence a line).
    options : mapping, optional
        Options of the format's reader.
    tokenizer : str
        What cuts text into tokens.
    look : callable, optional
        Called with each sequence, with the labels that its file has, and what messages call it. Without it labels are
        not read where they can be left unread.
    """

    paths: tuple[str, ...]
    numeric: bool
    format: str | None
    options: Mapping[str, Any]
    tokenizer: str
    look: Look | None = None

    def check(self) -> None:
        """Refuse what can be known to be wrong before anything is read: no such file, format or option.

        Raises
        ------
        ConfigError, DataError
        """
        for path in self.paths:
            if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
                raise DataError(f"{path} is a pipe or a device, which can be read once; let it be the only input.")
            check_file(Path(path))
            name, options = self._form(path)
            if name is not None:
                settled(path, name, options)
            elif options:
                raise ConfigError(f"{path} is read as lines of {NUMBERS}, which takes no options; name its format.")

    def read(self, file: int = 0, tell: Callable[[int, int], None] | None = None) -> Iterator[tuple[int, Sequence]]:
        """Yield each sequence with the number of its file, which is counted from 0.

        Parameters
        ----------
        file : int
            The file to begin with.
        tell : callable, optional
            Called with the number of a file, and how many of its bytes were taken from it so far.

        Raises
        ------
        DataError
            Naming file and line of what cannot be read, or is not of the kind that the model reads.
        """
        for place in range(file, len(self.paths)):
            path = self.paths[place]
            watched = path if tell is None else Watched(path, partial(tell, place))
            read = self._sequences(watched)
            for sequence in read if len(self.paths) == 1 else apart_by_file(path, read):
                if (sequence.frames is not None) != self.numeric:
                    raise _other_kind(path, self.numeric)
                if self.look is not None:
                    self.look(sequence, _name(path, sequence))
                yield place, sequence

    def _sequences(self, path: str | Watched) -> Iterator[Sequence]:
        name, options = self._form(str(path))
        return numbers_of(lines_of(path, "utf-8"), str(path)) if name is None else iterate(path, name, options)

    def _form(self, path: str) -> tuple[str | None, dict[str, Any]]:
        """Return format and options of a file; None stands for numbers as JSON, a sequence a line."""
        name = self.format or _detected(path, self.numeric)
        defaults: dict[str, Any] = {"tokenizer": self.tokenizer} if name in _CUTTING else {}
        if name in _LABELLED and self.look is None:
            defaults["label"] = None
        return name, {**defaults, **self.options}


def find_documents(
    patterns: Iterable[str],
    *,
    numeric: bool,
    format: str | None = None,
    options: Mapping[str, Any] | None = None,
    tokenizer: str = "whitespace",
    look: Look | None = None,
) -> Documents:
    """Find the files that a model is to answer for, and refuse what is wrong before anything is computed.

    Parameters
    ----------
    patterns : iterable of str
        Files, or patterns such as ``corpus/**/*.txt.gz``, whose files are read in the order of their names.
    numeric, format, options, tokenizer, look : as in `Documents`
        What the model reads, and how.

    Raises
    ------
    DataError
        If there is no such file, a pattern matches none, or a file is named twice.
    ConfigError
        If there is no such format or option.
    """
    paths = tuple(str(path) for pattern in patterns for path in matching_files(pattern))
    seen: set[str] = set()
    for path in paths:
        if path in seen:
            raise DataError(f"{path} is named twice; its answers would stand there twice. Name each file once.")
        seen.add(path)
    documents = Documents(paths, numeric, format, dict(options or {}), tokenizer, look)
    documents.check()
    return documents


def look_at_known(predictor: Predictor, mark: str | None) -> Look | None:
    """Return what makes sure that the labels which files have can be known; nothing if none are.

    Raises
    ------
    ConfigError
        If the model is no tagger.
    """
    if mark is None:
        return None
    if predictor.task != "tagging":
        raise ConfigError("known labels need a tagger; this model gives one answer for a whole sequence.")
    return lambda sequence, name: ids_of_own([sequence], predictor.decoder, mark, [name])


def numbers_of(lines: Iterable[str], name: str, first: int = 1) -> Iterator[Sequence]:
    """Yield the sequences of numbers that lines of JSON hold; blank lines are passed over.

    Parameters
    ----------
    lines : iterable of str
        Each a JSON object whose "frames" are rows of numbers, null being a missing value, and maybe an "id".
    name : str
        What messages call their source.
    first : int
        The number of the first line.

    Raises
    ------
    DataError
        Naming a line that is something else.
    """
    for number, line in enumerate(lines, first):
        if line.strip():
            yield _frames(line, at(name, number))


def _frames(line: str, place: str) -> Sequence:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict) or not isinstance(record.get("frames"), list):
        raise _no_numbers(place, f"{line[:60]!r}. This model reads numbers")
    id = record.get("id")
    try:
        return Sequence(frames=table_of(record["frames"]), id=None if id is None else str(id))
    except ValueError as error:
        raise _no_numbers(place, str(error).rstrip(".")) from error


def _no_numbers(place: str, got: str) -> DataError:
    return DataError(f"{place}: expected a sequence of numbers as {NUMBERS}; got {got}.")


def _detected(path: str, numeric: bool) -> str | None:
    suffix = suffix_of(path)
    if numeric:
        return "npz" if suffix == ".npz" else None
    try:
        return "lines" if suffix in _TEXT else detect_format(path)
    except ConfigError:  # a suffix that no reader knows; here that is text
        return "lines"


def _name(path: str, sequence: Sequence) -> str:
    """Return what a sequence of a file is called in messages."""
    if sequence.labels is None and len(sequence):
        raise DataError(
            f"{path} has no labels that could be known. Name where they stand by an option of its format: label."
        )
    return at(path, sequence.lines[0]) if sequence.lines else f"{path}, {called(sequence)}"


def _other_kind(path: str, numeric: bool) -> DataError:
    holds, reads = ("text", "numbers") if numeric else ("frames of numbers", "text")
    return DataError(f"{path} holds {holds}, and this model reads {reads}. Give it what it was trained on.")
