"""The inputs of an exported LiteRT model, made as its ``signature.json`` says: for hosts in Python, or to be ported."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Sequence as SequenceOf
from typing import Any

import numpy as np

from seqtag.data.coerce import as_sequences
from seqtag.data.features import column_of, frames_of, tokens_of, vectors_of
from seqtag.data.gazetteers import Gazetteer
from seqtag.data.lookup import FIRST, UNKNOWN, Lookup, Spelling, index_of, look_up, ngrams, spell
from seqtag.data.sequence import Sequence, called
from seqtag.errors import DataError


class Encoder:
    """Makes the arrays that a model is given.

    Parameters
    ----------
    signature : mapping
        What ``signature.json`` holds.
    """

    def __init__(self, signature: Mapping[str, Any]) -> None:
        self.signature = signature
        self._entries = [entry for entry in signature["inputs"] if "reads" in entry]
        self._makers = [_maker(entry) for entry in self._entries]

    def encode(self, X: Iterable[Any]) -> dict[str, np.ndarray]:
        """Return the inputs by their names.

        Parameters
        ----------
        X : iterable
            As `seqtag.predictor.Predictor.predict` takes it, at most as many sequences as a call takes; the rows of
            those that are missing are padding of the length 1.

        Raises
        ------
        DataError
            If there are too many sequences, one is empty or too long, or lacks what the model reads.
        """
        sequences = as_sequences(X, tokenizer=self.signature["tokenizer"])
        self._check(sequences)
        lengths = np.ones(self.signature["batch"], np.int32)
        lengths[: len(sequences)] = [len(sequence) for sequence in sequences]
        inputs = {"lengths": lengths}
        for entry, make in zip(self._entries, self._makers, strict=True):
            values = np.full(entry["shape"], entry["padding"], entry["dtype"])
            for row, sequence in zip(values, sequences, strict=False):
                found = make(sequence)
                row[: len(found), : found.shape[1]] = found
            inputs[entry["name"]] = values
        return inputs

    def _check(self, sequences: SequenceOf[Sequence]) -> None:
        batch, length = self.signature["batch"], self.signature["length"]
        if not 1 <= len(sequences) <= batch:
            raise DataError(f"this model takes 1 to {batch} sequences a call; got {len(sequences)}.")
        for sequence in sequences:
            if not 1 <= len(sequence) <= length:
                raise DataError(
                    f"this model takes sequences of 1 to {length} places; {called(sequence)} has {len(sequence)}. "
                    "Cut it, or export the model with a greater length."
                )


def _maker(entry: Mapping[str, Any]) -> Callable[[Sequence], np.ndarray]:
    """Return what makes of a sequence the rows of an input, (T, at most its width); its tables are made once."""
    reads = entry["reads"]
    if reads["from"] in ("frames", "vectors"):
        return lambda sequence: _numbers(entry, sequence)
    rows = _speller(entry["characters"]) if "characters" in entry else _columns(entry["columns"])
    if reads["from"] == "column":
        return lambda sequence: rows(column_of(sequence, reads["name"]))
    if reads["from"] == "gazetteer":
        gazetteer, first = Gazetteer.from_dict(reads), [column["first"] for column in entry["columns"]]
        return lambda sequence: gazetteer.marks(tokens_of(sequence)) + np.array(first, np.int32) + UNKNOWN - FIRST
    if reads["from"] == "ngrams":
        return lambda sequence: rows(ngrams(tokens_of(sequence), reads["n"]))
    return lambda sequence: rows(tokens_of(sequence))


def _numbers(entry: Mapping[str, Any], sequence: Sequence) -> np.ndarray:
    source, width = entry["reads"]["from"], entry["shape"][2]
    rows = frames_of(sequence) if source == "frames" else vectors_of(sequence, entry["reads"]["name"])
    if rows.shape[1] != width:
        raise DataError(f"the model's {source} have {width} features; {called(sequence)} has {rows.shape[1]}.")
    return rows


def _speller(rules: Mapping[str, Any]) -> Callable[[SequenceOf[str]], np.ndarray]:
    spelling, ids = Spelling(tuple(rules["folds"]), rules["length"], ()), index_of(rules["table"])
    return lambda values: spell(spelling, ids, values)


def _columns(columns: SequenceOf[Mapping[str, Any]]) -> Callable[[SequenceOf[str]], np.ndarray]:
    lookups = [
        (Lookup(tuple(rules["folds"]), rules["part"], rules["length"], ()), index_of(rules["table"]), rules["first"])
        for rules in columns
    ]
    return lambda values: np.stack([look_up(one, ids, values) + first - FIRST for one, ids, first in lookups], axis=1)
