"""Sequences to right-padded batches: buckets by length under a token budget, distinct tokens encoded once."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass

import numpy as np

from seqtag.data.corpus import Sequence
from seqtag.data.encoders import Feature, column_of
from seqtag.data.lookup import PADDING

MAX_SEQUENCES = 32


@dataclass(frozen=True)
class Batch:
    """B sequences of at most T tokens with U distinct tokens among them.

    Parameters
    ----------
    inputs : dict of str to ndarray
        ``index`` (B, T): which distinct token stands where, 0 beyond the end. One entry a feature: (U, ...) or
        (B, T, ...). ``lengths`` (B,): at least 1 each, since a GPU's recurrent kernel refuses empty rows.
    targets : ndarray of int32, shape (B, T), optional
        Label ids, 0 beyond the end.
    weights : ndarray of float32, shape (B, T), optional
        Weight of each token in the loss, 0 beyond the end.
    """

    inputs: dict[str, np.ndarray]
    targets: np.ndarray | None = None
    weights: np.ndarray | None = None

    @property
    def lengths(self) -> np.ndarray:
        """Number of tokens of each sequence, shape (B,)."""
        return self.inputs["lengths"]


class EncodedCorpus:
    """A corpus encoded once: distinct tokens as rows of arrays, sequences as row numbers.

    Parameters
    ----------
    features : tuple of Feature
        The fitted encoders.
    sequences : sequence of Sequence
        The data; none may be empty.
    targets : sequence of ndarray, optional
        Label ids of each sequence.
    weights : sequence of ndarray, optional
        Token weights of each sequence.
    """

    def __init__(
        self,
        features: tuple[Feature, ...],
        sequences: SequenceOf[Sequence],
        targets: SequenceOf[np.ndarray] | None = None,
        weights: SequenceOf[np.ndarray] | None = None,
    ) -> None:
        rows: dict[str, int] = {}
        self._rows = [
            np.array([rows.setdefault(token, len(rows)) for token in sequence.tokens], np.int32)
            for sequence in sequences
        ]
        types = list(rows)
        self._types = {f.spec.name: f.encode(types) for f in features if f.column is None}
        self._spelled = {f.spec.name for f in features if f.spelling is not None}
        self._columns = {
            f.spec.name: [f.encode(column_of(sequence, f.column)) for sequence in sequences]
            for f in features
            if f.column is not None
        }
        self.lengths = np.array([len(row) for row in self._rows], np.int32)
        self._targets = targets
        self._weights = weights

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def n_tokens(self) -> int:
        """Number of tokens in all sequences."""
        return int(self.lengths.sum())

    def batch(self, indices: np.ndarray) -> Batch:
        """Make the batch of the given sequences, in that order."""
        lengths = self.lengths[indices]
        distinct, inverse = np.unique(np.concatenate([self._rows[i] for i in indices]), return_inverse=True)
        inputs = {"index": pad_runs(inverse.astype(np.int32), lengths), "lengths": lengths}
        for name, rows in self._types.items():
            inputs[name] = _trim(rows[distinct]) if name in self._spelled else rows[distinct]
        for name, columns in self._columns.items():
            inputs[name] = pad_runs(np.concatenate([columns[i] for i in indices]), lengths)
        return Batch(inputs, self._padded(self._targets, indices), self._padded(self._weights, indices))

    def _padded(self, values: SequenceOf[np.ndarray] | None, indices: np.ndarray) -> np.ndarray | None:
        if values is None:
            return None
        return pad_runs(np.concatenate([values[i] for i in indices]), self.lengths[indices])


def pad_runs(flat: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Lay consecutive runs of a flat array out as right-padded rows.

    Parameters
    ----------
    flat : ndarray, shape (N, ...)
        The runs, one after the other.
    lengths : ndarray of int, shape (B,)
        Length of each run; they add up to N.

    Returns
    -------
    ndarray, shape (B, max(lengths), ...)
        Zero beyond each length.
    """
    width = int(lengths.max()) if len(lengths) else 0
    out = np.zeros((len(lengths), width, *flat.shape[1:]), flat.dtype)
    out[np.arange(width) < lengths[:, None]] = flat
    return out


def bucket(
    lengths: np.ndarray,
    batch_tokens: int,
    *,
    max_sequences: int = MAX_SEQUENCES,
    rng: np.random.Generator | None = None,
    jitter: float = 0.08,
) -> list[np.ndarray]:
    """Group sequences of like length so that little padding is computed.

    Parameters
    ----------
    lengths : ndarray of int, shape (N,)
        Length of each sequence.
    batch_tokens : int
        A batch holds at most this many tokens, padding counted; a longer sequence stands alone.
    max_sequences : int
        A batch holds at most this many sequences.
    rng : numpy.random.Generator, optional
        Draws the order of the batches and jitters the lengths so that batches differ between epochs. Without it
        the order is fixed: the shortest first.
    jitter : float
        Lengths are multiplied by up to ``1 ± jitter`` before sorting.

    Returns
    -------
    list of ndarray
        Indices of each batch.
    """
    noise = 0.0 if rng is None else rng.uniform(-jitter, jitter, len(lengths))
    order = np.argsort(lengths * (1.0 + noise), kind="stable")
    groups: list[np.ndarray] = []
    start = longest = 0
    for position, length in enumerate(lengths[order]):
        longest = max(longest, int(length))
        count = position - start + 1
        if position > start and (count > max_sequences or count * longest > batch_tokens):
            groups.append(order[start:position])
            start, longest = position, int(length)
    if len(order):
        groups.append(order[start:])
    if rng is not None:
        groups = [groups[i] for i in rng.permutation(len(groups))]
    return groups


def padded_share(lengths: np.ndarray, groups: Iterable[np.ndarray]) -> float:
    """Return which share of the computed tokens is padding."""
    groups = list(groups)
    computed = sum(len(group) * int(lengths[group].max()) for group in groups)
    return 1.0 - sum(int(lengths[group].sum()) for group in groups) / computed if computed else 0.0


def _trim(rows: np.ndarray) -> np.ndarray:
    """Drop columns that are padding in every row."""
    return rows[:, : max(1, int((rows != PADDING).any(axis=0).sum()))]
