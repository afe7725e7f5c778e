"""What `seqtag predict` is given, as sequences: text or numbers, as the model reads them; nothing else passes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePath

from seqtag.cli._streams import arriving_lines, open_input
from seqtag.data.coerce import as_sequences
from seqtag.data.corpus import Sequence
from seqtag.data.readers import read
from seqtag.data.readers._numbers import table_of
from seqtag.errors import ConfigError, DataError, at
from seqtag.predictor import Predictor

WHOLE = {".npz": "npz", ".jsonl": "jsonl", ".ndjson": "jsonl"}
"""The files that a reader reads whole; what else there is arrives line by line, and so do numbers as JSON Lines."""

_FORM = '{"frames": [[0.1, 0.2], ...]}'


@contextlib.contextmanager
def sequences_of(
    predictor: Predictor, file: str | None, texts: Iterable[str], tokenizer: str | None
) -> Iterator[Iterator[Iterable[Sequence]]]:
    """Open what is to be predicted, as blocks of sequences: each is answered before the next one is waited for.

    Parameters
    ----------
    predictor : Predictor
        The model, which reads text or numbers.
    file : str, optional
        A file, or ``-`` for standard input; without it there are ``texts``.
    texts : iterable of str
        Sentences.
    tokenizer : str, optional
        What cuts text into tokens, instead of the model's own.

    Raises
    ------
    DataError, ConfigError
        If the file cannot be read, or is not of the kind that the model reads.
    """
    numeric = any(feature.scaler is not None and feature.vectors is None for feature in predictor.features)
    tokenizer = tokenizer or predictor.tokenizer
    if file is None:
        if numeric:
            raise ConfigError(f"this model reads numbers: give it an .npz file, or lines as {_FORM}; got --text.")
        yield iter([as_sequences(texts, tokenizer=tokenizer)])
        return
    format = WHOLE.get(PurePath(file.lower().removesuffix(".gz")).suffix)
    if format == "npz" or (format and not numeric):
        corpus = read(file, format, {"tokenizer": tokenizer} if format == "jsonl" else None)
        if not numeric and any(sequence.frames is not None for sequence in corpus):
            raise DataError(
                f"{file} holds frames of numbers, and this model reads text. Give it what it was trained on."
            )
        yield iter([corpus])
        return
    with open_input(file) as stream:
        blocks = arriving_lines(stream, file)
        yield _numbers(blocks, file) if numeric else (as_sequences(lines, tokenizer=tokenizer) for lines in blocks)


def _numbers(blocks: Iterable[list[str]], name: str) -> Iterator[list[Sequence]]:
    """Yield the sequences of numbers that lines of JSON hold; blank lines are passed over."""
    number = 0
    for lines in blocks:
        numbered = list(enumerate(lines, number + 1))
        number += len(lines)
        yield [_Line(name, place, line).sequence() for place, line in numbered if line.strip()]


@dataclass(frozen=True)
class _Line:
    """A line of JSON Lines, with its place for messages."""

    name: str
    number: int
    text: str

    def sequence(self) -> Sequence:
        """Return the sequence of frames that the line holds; null is a missing value."""
        try:
            record = json.loads(self.text)
        except (ValueError, RecursionError):
            record = None
        if not isinstance(record, dict) or not isinstance(record.get("frames"), list):
            raise self._fault(f"{self.text[:60]!r}. This model reads numbers")
        id = record.get("id")
        try:
            return Sequence(frames=table_of(record["frames"]), id=None if id is None else str(id))
        except ValueError as error:
            raise self._fault(str(error).rstrip(".")) from error

    def _fault(self, got: str) -> DataError:
        return DataError(f"{at(self.name, self.number)}: expected a sequence of numbers as {_FORM}; got {got}.")
