"""Comma- and tab-separated tables with a header: one token a row, or one text a row."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from seqtag.data.corpus import Corpus, Sequence
from seqtag.data.readers._build import Row, checked_label, checked_token, from_rows, from_text
from seqtag.data.readers._text import BLANK, FilePath, fault, lines_of, quote, suffix_of
from seqtag.data.tokenizers import TOKENIZERS
from seqtag.errors import ConfigError, near_name

_GROUPS = ("document", "doc_id")  # where a document's name is looked for


def read_csv(
    path: FilePath,
    *,
    sequence: str | None = None,
    token: str = "token",
    label: str | None = "label",
    text: str | None = None,
    group: str | None = None,
    separator: str | None = None,
    tokenizer: str = "whitespace",
    encoding: str = "utf-8",
) -> Corpus:
    """Read a table with a header: one token a row, or one text a row if ``text`` names its column.

    Consecutive rows with the same value under ``sequence`` are one sequence, which gets that value as id.
    Without that column, blank rows separate sequences. Every other column that has a name is kept as an
    extra column (one token a row only). Values are read as they stand: the words NA, null and 007 stay.

    Parameters
    ----------
    path : str or path
        The file, plain or gzip.
    sequence : str, optional
        The column that numbers the sequences; of one text a row, the id. By default "sequence" if there
        is such a column.
    token : str
        The column of the tokens.
    label : str, optional
        The column of the labels, of tokens or of texts. A table without a column "label" is read without
        labels; any other name must be there. None reads no labels.
    text : str, optional
        The column of the texts.
    group : str, optional
        The column of the document that a sequence belongs to. By default "document" or "doc_id" if there is such a
        column.
    separator : str, optional
        The character between columns: by default a tab in a ``.tsv`` file, else a comma. With a tab,
        quotation marks are plain characters; with any other they quote, as RFC 4180 has it.
    tokenizer : str
        What cuts texts into tokens: a name in `TOKENIZERS`.
    encoding : str
        The file's encoding.

    Returns
    -------
    Corpus
        Sequences with tokens, labels, columns, ids and lines; or with text, offsets, label, ids and lines.

    Raises
    ------
    DataError
        If the file cannot be read, a column is missing or named twice, a row has more or fewer cells than
        the header, a quotation mark is not closed, a token or label is empty, or a sequence goes on after
        another began.
    ConfigError
        If the separator is not one character, or there is no such tokenizer.
    """
    read = iter_csv(
        path,
        sequence=sequence,
        token=token,
        label=label,
        text=text,
        group=group,
        separator=separator,
        tokenizer=tokenizer,
        encoding=encoding,
    )
    return Corpus(tuple(read), str(path))


def iter_csv(
    path: FilePath,
    *,
    sequence: str | None = None,
    token: str = "token",
    label: str | None = "label",
    text: str | None = None,
    group: str | None = None,
    separator: str | None = None,
    tokenizer: str = "whitespace",
    encoding: str = "utf-8",
) -> Iterator[Sequence]:
    """Yield the sequences of a table, each as soon as it is read. Parameters are those of `read_csv`."""
    TOKENIZERS[tokenizer]  # refused before the file is opened
    separator = separator or ("\t" if suffix_of(path) == ".tsv" else ",")
    table = _Table.open(path, separator, lines_of(path, encoding))
    number = table.find(sequence, default="sequence")
    tags = None if label is None else table.find(None if label == "label" else label, default="label")
    named = {sequence, token, label, text}
    known = next((name for name in _GROUPS if name in table.names and name not in named), None)
    document = None if known is None and group is None else table.column(group or known or "")
    if text is None:
        yield from _tokens(table, number, tags, document, table.column(token))
    else:
        yield from _texts(table, number, tags, document, table.column(text), tokenizer)


@dataclass(frozen=True)
class _Table:
    """The header's names, and the rows under it with the line on which each begins."""

    path: FilePath
    names: list[str]
    rows: Iterator[tuple[int, list[str]]]
    separator: str

    @classmethod
    def open(cls, path: FilePath, separator: str, lines: Iterable[str]) -> _Table:
        rows = _rows(path, separator, lines)
        line, names = next(((line, cells) for line, cells in rows if not _is_blank(cells)), (1, []))
        if not names:
            raise fault(path, None, "a header line with the names of the columns", "an empty file")
        for name in names:
            if name and names.count(name) > 1:
                raise fault(path, line, "a name for each column", f"{name!r} twice", "Rename one.")
        return cls(path, names, _of_width(path, len(names), rows), separator)

    def column(self, name: str) -> int:
        """Return the place of a column that must be there."""
        if name in self.names:
            return self.names.index(name)
        advice = near_name(name, self.names)
        if len(self.names) == 1:
            advice += f" Is {self.separator!r} the separator of the file?"
        raise fault(self.path, None, f"a column {name!r}", f"the columns {quote(self.names)}", advice)

    def find(self, name: str | None, default: str) -> int | None:
        """Return the place of a column that may be absent only under its default name."""
        if name is None and default not in self.names:
            return None
        return self.column(name or default)


def _texts(
    table: _Table, number: int | None, label: int | None, document: int | None, text: int, tokenizer: str
) -> Iterator[Sequence]:
    for line, cells in table.rows:
        if cells:
            yield from_text(
                cells[text],
                tokenizer,
                line,
                label=None if label is None else checked_label(cells[label], table.path, line),
                id=None if number is None else cells[number],
                group=_document(table, document, [(line, cells)]),
            )


def _document(table: _Table, document: int | None, rows: list[tuple[int, list[str]]]) -> str | None:
    """Return the document of a sequence's rows, which must all name the same one."""
    if document is None:
        return None
    name = rows[0][1][document]
    for line, cells in rows:
        if not cells[document] or cells[document] != name:
            expected = f"a document under {table.names[document]!r}, the same in all rows of a sequence"
            raise fault(table.path, line, expected, quote(cells[document]))
    return name


def _tokens(
    table: _Table, number: int | None, label: int | None, document: int | None, token: int
) -> Iterator[Sequence]:
    extra = {name: i for i, name in enumerate(table.names) if name and i not in (number, label, document, token)}
    for name, group in _groups(table, number):
        rows = (
            Row(
                line,
                checked_token(cells[token], table.path, line),
                None if label is None else checked_label(cells[label], table.path, line),
                tuple(cells[i] for i in extra.values()),
            )
            for line, cells in group
        )
        yield from_rows(rows, extra, group=_document(table, document, group), id=name)


def _groups(table: _Table, number: int | None) -> Iterator[tuple[str | None, list[tuple[int, list[str]]]]]:
    """Yield the rows of each sequence, with its number if the table has one."""
    if number is None:
        for blank, group in groupby(table.rows, lambda row: _is_blank(row[1])):
            if not blank:
                yield None, list(group)
        return
    began: dict[str, int] = {}
    for name, group in groupby((row for row in table.rows if not _is_blank(row[1])), lambda row: row[1][number]):
        rows = list(group)
        line = rows[0][0]
        if not name or name in began:
            expected = f"a value under {table.names[number]!r}, the same in consecutive rows of a sequence only"
            got = f"{name!r}, which began on line {began[name]} already" if name else "an empty cell"
            raise fault(table.path, line, expected, got, "Fill the column and sort the rows by it.")
        began[name] = line
        yield name, rows


def _rows(path: FilePath, separator: str, lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each row and the line on which it begins; a blank line has no cells."""
    if separator == "\t":
        yield from ((number, line.split("\t") if line.strip(BLANK) else []) for number, line in enumerate(lines, 1))
        return
    if len(separator) != 1 or separator in '\r\n"':
        raise ConfigError(f"separator must be one character that is no quotation mark; got {separator!r}.")
    begun: list[str] = []  # the lines of the row that is being read

    def noted() -> Iterator[str]:
        for line in lines:
            begun.append(line)
            yield line + "\n"

    reader = csv.reader(noted(), delimiter=separator, strict=True)
    while True:
        number = reader.line_num + 1
        begun.clear()
        try:
            yield number, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            expected = f"cells separated by {separator!r}, with each quotation mark closed and those inside doubled"
            raise fault(path, number, expected, f"{quote(begun[0])} ({error})") from error


def _of_width(path: FilePath, width: int, rows: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    for number, cells in rows:
        if len(cells) == width:
            yield number, cells
        elif _is_blank(cells):
            yield number, []
        else:
            raise fault(path, number, f"{width} cells, as in the header", f"{len(cells)}: {quote(cells)}")


def _is_blank(cells: list[str]) -> bool:
    return not any(cell.strip(BLANK) for cell in cells)
