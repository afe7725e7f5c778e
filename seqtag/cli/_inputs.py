"""Sequences that are typed, piped or given on the command line: each block is answered before the next is read."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterable, Iterator
from collections.abc import Sequence as SequenceOf

from seqtag.cli._streams import arriving_lines, open_input
from seqtag.data.coerce import as_sequences
from seqtag.data.sequence import Sequence
from seqtag.documents.columns import reads_numbers
from seqtag.documents.inputs import NUMBERS, find_documents, numbers_of
from seqtag.errors import ConfigError
from seqtag.predictor import Predictor


def is_stream(files: SequenceOf[str]) -> bool:
    """Tell whether there is one input, and one that can be read but once: standard input, a pipe, a device."""
    return len(files) == 1 and (files[0] == "-" or (os.path.exists(files[0]) and not _is_stored(files[0])))


def texts_of(predictor: Predictor, texts: Iterable[str], tokenizer: str | None) -> tuple[Sequence, ...]:
    """Return sentences as sequences.

    Raises
    ------
    ConfigError
        If the model reads numbers, or there is no such tokenizer.
    """
    if reads_numbers(predictor):
        raise ConfigError(f"this model reads numbers: give it an .npz file, or lines as {NUMBERS}; got --text.")
    return as_sequences(texts, tokenizer=tokenizer or predictor.tokenizer)


@contextlib.contextmanager
def arriving(predictor: Predictor, stream: str, tokenizer: str | None) -> Iterator[Iterator[Iterable[Sequence]]]:
    """Open what `is_stream`, as blocks of sequences: what there is to read at a time.

    Parameters
    ----------
    predictor : Predictor
        The model, which reads text, or numbers as JSON, a sequence a line.
    stream : str
        Its name; ``-`` is standard input.
    tokenizer : str, optional
        What cuts text into tokens, instead of the model's own.

    Raises
    ------
    DataError, ConfigError
        If it cannot be read, or is not of the kind that the model reads.
    """
    with open_input(stream) as opened:
        blocks = arriving_lines(opened, stream)
        if reads_numbers(predictor):
            yield _numbers(blocks, stream)
        else:
            yield (as_sequences(lines, tokenizer=tokenizer or predictor.tokenizer) for lines in blocks)


@contextlib.contextmanager
def sequences_of(predictor: Predictor, file: str | None, text: str | None) -> Iterator[Iterator[Sequence]]:
    """Open one input of any kind, as its sequences one after the other.

    Parameters
    ----------
    predictor : Predictor
        The model.
    file : str, optional
        A file, or ``-`` for standard input.
    text : str, optional
        A sentence, if there is no file.
    """
    if file is None:
        yield iter(texts_of(predictor, [] if text is None else [text], None))
    elif is_stream([file]):
        with arriving(predictor, file, None) as blocks:
            yield itertools.chain.from_iterable(blocks)
    else:
        found = find_documents([file], numeric=reads_numbers(predictor), tokenizer=predictor.tokenizer)
        yield (sequence for _, sequence in found.read())


def _numbers(blocks: Iterable[list[str]], name: str) -> Iterator[list[Sequence]]:
    number = 1
    for lines in blocks:
        yield list(numbers_of(lines, name, number))
        number += len(lines)


def _is_stored(path: str) -> bool:
    return os.path.isfile(path) or os.path.isdir(path)
