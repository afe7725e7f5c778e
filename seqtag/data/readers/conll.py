"""Columns of text, one token a line: CoNLL-2000, CoNLL-2003, WNUT-17 and their many relatives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from seqtag.data.corpus import Corpus, Sequence
from seqtag.data.readers._build import Row, checked_label, checked_token, from_rows
from seqtag.data.readers._text import BLANK, FilePath, fault, lines_of, quote
from seqtag.errors import ConfigError

_DOCUMENT = "-DOCSTART-"


def read_conll(
    path: FilePath,
    *,
    token: int = 0,
    label: int | None = -1,
    columns: Mapping[str, int] | None = None,
    separator: str | None = None,
    comments: str | None = None,
    intent: str | None = None,
    encoding: str = "utf-8",
) -> Corpus:
    """Read a column file: one token a line, a blank line after each sentence.

    A line of spaces and tabs alone is blank too. A line whose first column is ``-DOCSTART-`` is no
    token: it begins a document, and the sentences after it get its number ("1", "2", ...) as group.

    Parameters
    ----------
    path : str or path
        The file, plain or gzip.
    token, label : int
        Columns of the token and its label, counted from 0, or from the end if negative. ``label=None``
        reads a file without labels.
    columns : mapping of str to int, optional
        Further columns to keep, by name.
    separator : str, optional
        What separates columns. By default tabs on a line that has one, else runs of spaces.
    comments : str, optional
        How a comment line begins. By default there are no comments: a hashtag or a pound sign is a token.
    intent : str, optional
        The name of the comment that holds the label of the whole sentence, before its first token: "intent" reads
        ``# intent = flight``. Lines that begin with "#" and a space are then comments if nothing else is said.
    encoding : str
        The file's encoding.

    Returns
    -------
    Corpus
        Sequences with tokens, labels, columns, lines and groups, and with the label of the whole if it is read.

    Raises
    ------
    DataError
        If the file cannot be read, lines have different numbers of columns, a column is not there, or a
        token or label is empty.
    ConfigError
        If an option is wrong in itself.
    """
    read = iter_conll(
        path,
        token=token,
        label=label,
        columns=columns,
        separator=separator,
        comments=comments,
        intent=intent,
        encoding=encoding,
    )
    return Corpus(tuple(read), str(path))


def iter_conll(
    path: FilePath,
    *,
    token: int = 0,
    label: int | None = -1,
    columns: Mapping[str, int] | None = None,
    separator: str | None = None,
    comments: str | None = None,
    intent: str | None = None,
    encoding: str = "utf-8",
) -> Iterator[Sequence]:
    """Yield the sentences of a column file, each as soon as it is read. Parameters are those of `read_conll`."""
    if separator == "":
        raise ConfigError("separator must have at least one character, or be None; got ''.")
    if intent is not None and comments is None:
        comments = "# "
    wanted = dict(columns or {})
    rows: list[Row] = []
    document, whole = 0, None
    for item in _items(path, lines_of(path, encoding), (token, label, wanted), separator, comments):
        if isinstance(item, Row):
            rows.append(item)
        elif isinstance(item, _Comment):
            whole = _whole(item, intent, path, rows) or whole
        else:
            if rows:
                found = from_rows(rows, wanted, group=str(document) if document else None)
                yield found if whole is None else replace(found, label=whole)
                rows, whole = [], None
            document += item == _DOCUMENT


class _Comment(NamedTuple):
    """A comment, without the mark that it begins with, and its line."""

    text: str
    line: int


def _whole(comment: _Comment, name: str | None, path: FilePath, rows: list[Row]) -> str | None:
    """Return the label of the whole sentence, if that is what a comment holds."""
    key, found, value = comment.text.partition("=")
    if name is None or not found or key.strip(BLANK) != name:
        return None
    if rows:
        raise fault(path, comment.line, f"the comment {name!r} before the first token of its sentence", "it inside one")
    return checked_label(value.strip(BLANK), path, comment.line)


@dataclass(frozen=True)
class _Layout:
    """Where the first line of a file put the columns, which every later line must keep to."""

    path: FilePath
    line: int
    width: int
    token: int
    label: int | None
    extra: tuple[int, ...]

    def row(self, number: int, line: str, fields: list[str]) -> Row:
        if len(fields) != self.width:
            expected = f"{_columns(self.width)}, as on line {self.line}"
            advice = "Pass comments='#' if such lines are comments." if line.startswith("#") else ""
            raise fault(self.path, number, expected, f"{len(fields)} in {quote(line)}", advice)
        return Row(
            number,
            checked_token(fields[self.token], self.path, number),
            None if self.label is None else checked_label(fields[self.label], self.path, number),
            tuple(fields[index] for index in self.extra),
        )


def _items(
    path: FilePath,
    lines: Iterable[str],
    wanted: tuple[int, int | None, dict[str, int]],
    separator: str | None,
    comments: str | None,
) -> Iterator[Row | _Comment | str]:
    """Yield each token's row, each comment, and a string where a sentence ends: `_DOCUMENT`, or empty."""
    layout = None
    for number, line in enumerate(lines, 1):
        if comments and line.startswith(comments):
            yield _Comment(line.removeprefix(comments), number)
            continue
        if not line.strip(BLANK):
            yield ""
            continue
        fields = _fields(line, separator)
        if fields[0] == _DOCUMENT:
            yield _DOCUMENT
            continue
        layout = layout or _layout(path, number, line, len(fields), *wanted)
        yield layout.row(number, line, fields)
    yield ""


def _fields(line: str, separator: str | None) -> list[str]:
    if separator is not None:
        return line.split(separator)
    if "\t" in line:
        return line.split("\t")
    return [field for field in line.split(" ") if field]  # not split(), which would cut at U+00A0 too


def _layout(
    path: FilePath, number: int, line: str, width: int, token: int, label: int | None, columns: dict[str, int]
) -> _Layout:
    def place(name: str, index: int) -> int:
        if not isinstance(index, int):
            raise ConfigError(f"the column of {name} must be an int; got {index!r}.")
        if not -width <= index < width:
            got = f"{_columns(width)} in {quote(line)}"
            raise fault(path, number, f"a column {index} for {name}", got, "Columns are counted from 0.")
        return index % width

    layout = _Layout(
        path,
        number,
        width,
        place("the token", token),
        None if label is None else place("the label", label),
        tuple(place(repr(name), index) for name, index in columns.items()),
    )
    if layout.token == layout.label:
        got = f"{_columns(width)} in {quote(line)}"
        advice = "Pass label=None for a file without labels, or the number of the label's column."
        raise fault(path, number, "the token and its label in two columns", got, advice)
    return layout


def _columns(width: int) -> str:
    return f"{width} column{'' if width == 1 else 's'}"
