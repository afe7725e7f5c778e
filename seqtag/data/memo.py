"""Tokens to rows of arrays that are kept: what a model has seen once it never encodes again."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as SequenceOf
from threading import Lock

import numpy as np

from seqtag.data.batching import EncodedArrays
from seqtag.data.encoding import Arrays, place_blocks
from seqtag.data.features import Feature, tokens_of
from seqtag.data.lookup import PADDING
from seqtag.data.sequence import Sequence

CAPACITY = 1 << 16  # distinct tokens, some 10 MB; most of what is read are tokens that were read before
FIRST_ROWS = 1 << 10


class EncodingMemo:
    """Encodes sequences for answering, and remembers the tokens; threads may share it.

    Parameters
    ----------
    features : tuple of Feature
        The fitted encoders.
    capacity : int
        How many distinct tokens are remembered; beyond it all are forgotten, so that memory stays bounded.
    """

    def __init__(self, features: tuple[Feature, ...], capacity: int = CAPACITY) -> None:
        self._by_type = [feature for feature in features if feature.spec.level == "type"]
        self._by_place = [feature for feature in features if feature.spec.level == "token"]
        self._spelled = frozenset(f.spec.name for f in self._by_type if f.spelling is not None)
        self._capacity = capacity
        self._lock = Lock()
        self._forget()

    def encode(self, sequences: SequenceOf[Sequence], own: SequenceOf[np.ndarray] | None = None) -> EncodedArrays:
        """Encode sequences, of which none may be empty.

        Parameters
        ----------
        sequences : sequence of Sequence
            What is read.
        own : sequence of ndarray, optional
            Where the sentences are in each that are answered for, see `seqtag.data.encoding.Arrays`.

        Raises
        ------
        DataError
            If a sequence is not what the encoders were fitted on, naming it.
        """
        lengths = np.array([len(sequence) for sequence in sequences], np.int32)
        rows, types = self._rows_of(sequences) if self._by_type else (None, {})
        places = place_blocks(self._by_place, sequences, int(lengths.sum())) if self._by_place else {}
        marks = np.concatenate(own) if own else None
        return EncodedArrays(Arrays(lengths, rows, types, places, spelled=self._spelled, own=marks))

    def _rows_of(self, sequences: SequenceOf[Sequence]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return the row of each token, and the arrays in which they stand; later calls leave these rows alone."""
        with self._lock:
            if len(self._rows) > self._capacity:
                self._forget()
            known = self._rows
            tokens = [token for sequence in sequences for token in tokens_of(sequence)]
            try:
                rows = [known[token] for token in tokens]
            except KeyError:
                self._learn(token for token in dict.fromkeys(tokens) if token not in known)
                rows = [known[token] for token in tokens]
            return np.array(rows, np.int32), dict(self._tables)

    def _learn(self, tokens: Iterable[str]) -> None:
        fresh = list(tokens)
        start, end = len(self._rows), len(self._rows) + len(fresh)
        for feature in self._by_type:
            name, found = feature.spec.name, feature.encode(fresh)
            table = self._tables[name]
            if end > len(table):  # a copy: what was handed out keeps its own array
                table = np.resize(table, (max(end, 2 * len(table)), table.shape[1]))
                self._tables[name] = table
            table[start:end, : found.shape[1]] = found
            table[start:end, found.shape[1] :] = PADDING
        self._rows.update(zip(fresh, range(start, end), strict=True))

    def _forget(self) -> None:
        self._rows: dict[str, int] = {}
        self._tables = {
            feature.spec.name: np.zeros((FIRST_ROWS, feature.row_width), np.int32) for feature in self._by_type
        }
