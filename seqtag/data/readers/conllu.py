"""CoNLL-U, the format of Universal Dependencies: ten columns, comments, ranges and empty nodes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from seqtag.data.corpus import Corpus, Sequence
from seqtag.data.readers._build import Row, checked_label, checked_token, from_rows
from seqtag.data.readers._text import BLANK, FilePath, fault, lines_of, quote
from seqtag.errors import ConfigError, near_name

_FIELDS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
_CHOICES = ("upos", "xpos", "feats", "lemma", "deprel")
_ID = re.compile(r"([0-9]{1,9})(?:([-.])([0-9]{1,9}))?")


def read_conllu(
    path: FilePath,
    *,
    label: str | None = "upos",
    columns: list[str] | tuple[str, ...] = (),
    encoding: str = "utf-8",
) -> Corpus:
    """Read a CoNLL-U file, one token for each syntactic word.

    Ranges (ID ``8-9``) and empty nodes (ID ``8.1``) are no words and are left out. ``# newdoc`` gives the
    group of the sentences after it (its id, or its number in the file), ``# sent_id`` the id and
    ``# text`` the raw text, which is kept where the words can be found in it one after the other.

    Parameters
    ----------
    path : str or path
        The file, plain or gzip.
    label : {"upos", "xpos", "feats", "lemma", "deprel"} or str, optional
        The column that holds the label. ``feats:Number`` takes the value of one feature, "_" where a
        word has none. None reads no labels.
    columns : sequence of str
        Further columns to keep, named as for ``label``.
    encoding : str
        The file's encoding.

    Returns
    -------
    Corpus
        Sequences with tokens, labels, columns, lines, and where given groups, ids, text and offsets.

    Raises
    ------
    DataError
        If the file cannot be read, a line has not ten columns, or the IDs are not in order.
    ConfigError
        If a column's name is wrong.
    """
    return Corpus(tuple(iter_conllu(path, label=label, columns=columns, encoding=encoding)), str(path))


def iter_conllu(
    path: FilePath,
    *,
    label: str | None = "upos",
    columns: list[str] | tuple[str, ...] = (),
    encoding: str = "utf-8",
) -> Iterator[Sequence]:
    """Yield the sentences of a CoNLL-U file, each as soon as it is read. Parameters are those of `read_conllu`."""
    for name in (*columns, *(() if label is None else (label,))):
        _check_name(name)
    group, documents = None, 0
    for block in _blocks(lines_of(path, encoding)):
        sentence = _Sentence(path)
        for number, line in block:
            sentence.add(number, line, label, columns)
        sentence.close()
        about = sentence.about
        if "newdoc" in about:
            documents += 1
            group = about["newdoc"] or str(documents)
        if sentence.rows:
            yield from_rows(sentence.rows, columns, text=about.get("text"), group=group, id=about.get("sent_id"))


@dataclass
class _Sentence:
    """One sentence while its lines come in."""

    path: FilePath
    rows: list[Row] = field(default_factory=list)
    about: dict[str, str] = field(default_factory=dict)
    range_end: int = 0
    range_line: int = 0

    def add(self, number: int, line: str, label: str | None, columns: Iterable[str]) -> None:
        if line.startswith("#"):
            self._comment(number, line)
            return
        fields = line.split("\t")
        if len(fields) != len(_FIELDS):
            got = f"{len(fields)} in {quote(line)}"
            raise fault(self.path, number, f"{len(_FIELDS)} columns separated by tabs", got)
        if self._is_word(number, fields[0]):
            cells = dict(zip(_FIELDS, fields, strict=True))
            self.rows.append(
                Row(
                    number,
                    checked_token(cells["form"], self.path, number),
                    None if label is None else checked_label(self._cell(number, cells, label), self.path, number),
                    tuple(self._cell(number, cells, column) for column in columns),
                )
            )

    def close(self) -> None:
        if self.range_end > len(self.rows):
            expected = f"the words of the range up to {self.range_end}"
            raise fault(self.path, self.range_line, expected, f"a sentence of {len(self.rows)} words")

    def _comment(self, number: int, line: str) -> None:
        if self.rows or self.range_end:
            advice = "Is the blank line before it missing?"
            raise fault(self.path, number, "comments before the words of a sentence", quote(line), advice)
        key, _, value = line[1:].partition("=")
        name = key.strip()
        self.about[{"newdoc id": "newdoc"}.get(name, name)] = value.strip(BLANK)

    def _is_word(self, number: int, name: str) -> bool:
        """Check an ID against the words so far, and say whether it is a word's."""
        match = _ID.fullmatch(name)
        last = len(self.rows)
        first, kind, second = (int(match[1]), match[2], int(match[3] or 0)) if match else (0, "", 0)
        if match and kind is None and first == last + 1:
            return True
        if kind == "." and first == last:
            return False
        if kind == "-" and first == last + 1 and second >= first and first > self.range_end:
            self.range_end, self.range_line = second, number
            return False
        expected = f"the ID {last + 1}, a range from {last + 1}, or an empty node {last}.1"
        raise fault(self.path, number, expected, quote(name), "Words are numbered 1, 2, 3 from each blank line.")

    def _cell(self, number: int, cells: dict[str, str], name: str) -> str:
        column, _, feature = name.partition(":")
        value = cells[column]
        if not feature or value == "_":
            return value
        pairs = [pair.partition("=") for pair in value.split("|")]
        if not all(equals for _, equals, _ in pairs):
            raise fault(self.path, number, "features as Name=Value|Name=Value, or _", quote(value))
        return {key: setting for key, _, setting in pairs}.get(feature, "_")


def _blocks(lines: Iterable[str]) -> Iterator[list[tuple[int, str]]]:
    """Yield the numbered lines between blank lines."""
    block: list[tuple[int, str]] = []
    for number, line in enumerate(lines, 1):
        if line.strip(BLANK):
            block.append((number, line))
        elif block:
            yield block
            block = []
    if block:
        yield block


def _check_name(name: str) -> None:
    feature = name.partition(":")[2] if name.startswith("feats:") else ""
    if name not in _CHOICES and not feature:
        raise ConfigError(
            f"a column of CoNLL-U must be one of {', '.join(_CHOICES)} or feats:Name; got {name!r}."
            + near_name(name, _CHOICES)
        )
