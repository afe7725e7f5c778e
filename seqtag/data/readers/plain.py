"""Text with one sequence a line: raw, with a class label on the line, or in parallel files."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from seqtag.data.corpus import Corpus, Sequence
from seqtag.data.readers._build import checked_label, from_text
from seqtag.data.readers._text import BLANK, FilePath, fault, lines_of, quote, read_lines_of
from seqtag.data.tokenizers import TOKENIZERS
from seqtag.errors import ConfigError, DataError, at

_PART = re.compile(r"[^ \t]+")


def read_lines(path: FilePath, *, tokenizer: str = "whitespace", encoding: str = "utf-8") -> Corpus:
    """Read plain text, a sequence a line.

    An empty line is an empty sequence, so that what is predicted stands beside what was read.

    Parameters
    ----------
    path : str or path
        The file, plain or gzip.
    tokenizer : str
        What cuts a line into tokens: a name in `TOKENIZERS`.
    encoding : str
        The file's encoding.

    Returns
    -------
    Corpus
        Sequences with text, offsets and lines, without labels.

    Raises
    ------
    DataError
        If the file cannot be read.
    ConfigError
        If there is no such tokenizer.
    """
    return Corpus(tuple(iter_lines(path, tokenizer=tokenizer, encoding=encoding)), str(path))


def iter_lines(path: FilePath, *, tokenizer: str = "whitespace", encoding: str = "utf-8") -> Iterator[Sequence]:
    """Yield the lines of a text file, each as soon as it is read. Parameters are those of `read_lines`."""
    TOKENIZERS[tokenizer]  # refused before the file is opened
    for number, line in enumerate(lines_of(path, encoding), 1):
        yield from_text(line, tokenizer, number)


def lines_from(
    stream: Iterable[str], *, tokenizer: str = "whitespace", name: str = "standard input"
) -> Iterator[Sequence]:
    """Read a text stream, a sequence a line, each as soon as its line is there.

    Parameters
    ----------
    stream : iterable of str
        Lines with or without their ends, such as ``sys.stdin``.
    tokenizer : str
        What cuts a line into tokens: a name in `TOKENIZERS`.
    name : str
        What messages call the stream.

    Yields
    ------
    Sequence
        With text, offsets and lines.

    Raises
    ------
    DataError
        If the stream holds bytes that are not text in its encoding.
    ConfigError
        If there is no such tokenizer.
    """
    lines = iter(stream)
    number = 0
    while True:
        number += 1
        try:
            line = next(lines)
        except StopIteration:
            return
        except UnicodeDecodeError as error:
            got = f"bytes that are not, on line {number} or later ({error.reason})"
            raise fault(name, None, f"text in {error.encoding}", got, "Convert it first.") from error
        line = line.removeprefix("\ufeff") if number == 1 else line
        yield from_text(line.removesuffix("\n").removesuffix("\r"), tokenizer, number)


def read_labelled_lines(
    path: FilePath, *, separator: str = " ", label_first: bool = True, encoding: str = "utf-8"
) -> Corpus:
    """Read classified sentences, each on a line with its label: ``LABEL the words of the sentence``.

    Tokens are what spaces and tabs separate; U+00A0 is part of a token. Blank lines are passed over.

    Parameters
    ----------
    path : str or path
        The file, plain or gzip.
    separator : str
        What stands between label and sentence. The first one counts, or the last if the label comes last.
    label_first : bool
        Whether the label comes before the sentence.
    encoding : str
        The file's encoding.

    Returns
    -------
    Corpus
        Sequences with one label each, text, offsets and lines.

    Raises
    ------
    DataError
        If the file cannot be read, or a line has no separator or no label.
    ConfigError
        If the separator is empty.
    """
    read = iter_labelled_lines(path, separator=separator, label_first=label_first, encoding=encoding)
    return Corpus(tuple(read), str(path))


def iter_labelled_lines(
    path: FilePath, *, separator: str = " ", label_first: bool = True, encoding: str = "utf-8"
) -> Iterator[Sequence]:
    """Yield classified sentences, each as soon as it is read. Parameters are those of `read_labelled_lines`."""
    if not separator:
        raise ConfigError("separator must have at least one character; got ''.")
    for number, line in enumerate(lines_of(path, encoding), 1):
        if line.strip(BLANK):
            first, found, second = line.partition(separator) if label_first else line.rpartition(separator)
            label, text = (first, second) if label_first else (second, first)
            if not found or "\t" in label:
                order = "label, separator, sentence" if label_first else "sentence, separator, label"
                expected = f"{order} with the separator {separator!r}"
                raise fault(path, number, expected, quote(line), "Is it another separator?")
            yield _parts(text, number, checked_label(label, path, number))


def read_parallel(
    tokens_path: FilePath, labels_path: FilePath, label_path: FilePath | None = None, *, encoding: str = "utf-8"
) -> Corpus:
    """Read parallel files, a sequence on the same line of each, as ATIS and SNIPS come.

    Tokens and labels are what runs of spaces and tabs separate, at either end of a line too.

    Parameters
    ----------
    tokens_path, labels_path : str or path
        The files of the tokens and of their labels (``seq.in`` and ``seq.out``).
    label_path : str or path, optional
        The file of one label for each whole sequence (``label``).
    encoding : str
        The encoding of all of them.

    Returns
    -------
    Corpus
        Sequences with tokens, labels, the label of the whole, and lines. It is named as the tokens' file.

    Raises
    ------
    DataError
        If a file cannot be read, or the files do not agree in their lines, or two lines in their tokens.
    """
    paths = [tokens_path, labels_path, *(() if label_path is None else (label_path,))]
    files = [read_lines_of(path, encoding) for path in paths]
    _check_sizes(paths, list(map(len, files)))
    rows = enumerate(zip(*files, strict=True), 1)
    return Corpus(tuple(_side_by_side(paths, number, row) for number, row in rows), str(tokens_path))


def _check_sizes(paths: list[FilePath], sizes: list[int]) -> None:
    for path, size in zip(paths[1:], sizes[1:], strict=True):
        if size != sizes[0]:
            raise fault(path, None, f"the {sizes[0]} lines of {paths[0]}", str(size))


def _side_by_side(paths: list[FilePath], number: int, row: tuple[str, ...]) -> Sequence:
    """Make a sequence of what stands on one line of each file: tokens, labels, and perhaps the label of the whole."""
    words, tags, *whole = row
    tokens = tuple(_PART.findall(words))
    labels = tuple(checked_label(tag, paths[1], number) for tag in _PART.findall(tags))
    if len(tokens) != len(labels):
        raise DataError(
            f"{at(paths[1], number)}: expected one label for each of the {len(tokens)} tokens of "
            f"{at(paths[0], number)}; got {len(labels)} in {quote(tags)}."
        )
    label = checked_label(whole[0].strip(" \t"), paths[2], number) if whole else None
    return Sequence(tokens, labels, label, lines=(number,) * len(tokens))


def read_parallel_beside(
    path: FilePath, *, labels: str = "seq.out", label: str | None = "label", encoding: str = "utf-8"
) -> Corpus:
    """Read parallel files that lie in one folder, as `read_parallel` does.

    Parameters
    ----------
    path : str or path
        The file of the tokens (``atis/train/seq.in``), or the folder, if that file is called ``seq.in`` there.
    labels, label : str
        What the files of the labels, and of one label for each whole sequence, are called; ``label=None`` reads none.
    encoding : str
        The encoding of all of them.

    Returns
    -------
    Corpus
        As `read_parallel` gives it.

    Raises
    ------
    DataError
        As `read_parallel`.
    """
    return read_parallel(*_beside(path, labels, label), encoding=encoding)


def iter_parallel_beside(
    path: FilePath, *, labels: str = "seq.out", label: str | None = "label", encoding: str = "utf-8"
) -> Iterator[Sequence]:
    """Yield the sequences of parallel files, each as soon as its lines are read, see `read_parallel_beside`."""
    paths = _beside(path, labels, label)
    files = [lines_of(one, encoding) for one in paths]
    for number, row in enumerate(itertools.zip_longest(*files), 1):
        if None in row:
            sizes = [number - (line is None) + sum(1 for _ in rest) for line, rest in zip(row, files, strict=True)]
            _check_sizes(paths, sizes)
        yield _side_by_side(paths, number, row)


def _beside(path: FilePath, labels: str, label: str | None) -> list[FilePath]:
    tokens = Path(path)
    tokens = tokens / "seq.in" if tokens.is_dir() else tokens
    return [tokens, *(tokens.with_name(name) for name in (labels, label) if name is not None)]


def _parts(text: str, line: int, label: str) -> Sequence:
    matches = list(_PART.finditer(text))
    return Sequence(
        tuple(match.group() for match in matches),
        label=label,
        text=text,
        offsets=tuple(match.span() for match in matches),
        lines=(line,) * len(matches),
    )
