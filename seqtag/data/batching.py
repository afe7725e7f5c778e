"""Sequences to right-padded batches: buckets by length under a token budget, distinct tokens encoded once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from seqtag.data.context import BEGIN
from seqtag.data.encoding import Arrays, CorpusEncoder
from seqtag.data.features import Feature
from seqtag.data.lookup import PADDING
from seqtag.data.sequence import Sequence

MAX_SEQUENCES = 32
ALONE = 128  # tokens of a sequence that is answered alone without looking for those that are equal


@dataclass(frozen=True)
class Batch:
    """B sequences of at most T tokens (or frames) with U distinct tokens among them.

    Parameters
    ----------
    inputs : dict of str to ndarray
        One entry a feature: int32 (U, ...) or (B, T, ...), float32 (B, T, width) of numbers. ``index`` (B, T), where a
        feature is (U, ...): which distinct token stands where, 0 beyond the end. ``lengths`` (B,): at least 1 each,
        since a GPU's recurrent kernel refuses empty rows.
    targets : ndarray, shape (B, T), (B,) or (B, K), optional
        Label ids, 0 beyond the end; or what each sequence as a whole is.
    weights : ndarray of float32, shape (B, T) or (B,), optional
        Weight of each token in the loss, 0 beyond the end; or of each sequence.
    cuts : ndarray of int32, shape (S, 3), optional
        Where the S sentences that are answered for stand in the sequences: row, first place, length. Targets and
        weights are then theirs, (S, T of the longest).
    """

    inputs: dict[str, np.ndarray]
    targets: np.ndarray | None = None
    weights: np.ndarray | None = None
    cuts: np.ndarray | None = None

    @property
    def lengths(self) -> np.ndarray:
        """Number of tokens or frames of each sequence, shape (B,)."""
        return self.inputs["lengths"]


@dataclass(frozen=True)
class Limits:
    """How large a batch may be.

    Parameters
    ----------
    tokens : int
        Tokens, padding counted; a sequence that is longer stands alone.
    sequences : int
        Sequences.
    """

    tokens: int
    sequences: int = MAX_SEQUENCES


@dataclass(frozen=True)
class Plan:
    """What a pass over the data costs: batches, and the share of computed tokens that is padding."""

    steps: int
    padded_share: float


class TrainingBatches(Protocol):
    """What training draws its batches from, in memory or from disk."""

    @property
    def n_tokens(self) -> int:
        """Number of tokens or frames."""

    def __len__(self) -> int:
        """Return the number of sequences."""

    def plan(self, limits: Limits) -> Plan:
        """Return what a pass costs, without the jitter of a shuffled one."""

    def shuffled(self, limits: Limits, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield the batches of one pass, in an order that is drawn."""

    def example(self) -> Batch:
        """Return a small batch, which shows the types of all."""


class EncodedArrays:
    """Sequences encoded once, in arrays of memory or of files: what training and answering draw batches from.

    Parameters
    ----------
    arrays : Arrays
        The encoded sequences.
    """

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = arrays
        self.lengths = arrays.lengths
        self._starts = np.cumsum(self.lengths, dtype=np.int64) - self.lengths

    def __len__(self) -> int:
        return len(self.lengths) if self.arrays.own is None else int((self.arrays.own == BEGIN).sum())

    @property
    def n_tokens(self) -> int:
        """Number of tokens or frames in all sequences; of those that are read around others, none."""
        return int(self.lengths.sum() if self.arrays.own is None else (self.arrays.own > 0).sum())

    @cached_property
    def _sentences(self) -> np.ndarray:
        """How many sentences are answered for before each sequence, and in all, shape (N + 1,)."""
        assert self.arrays.own is not None
        until = np.concatenate([[0], np.cumsum(self.arrays.own == BEGIN)])
        return until[np.append(self._starts, len(self.arrays.own))]

    def answered(self, indices: np.ndarray) -> np.ndarray:
        """Return the numbers of what is answered for in the given sequences: sentences, or they themselves."""
        if self.arrays.own is None:
            return indices
        firsts, ends = self._sentences[indices], self._sentences[indices + 1]
        return np.concatenate([np.arange(first, end) for first, end in zip(firsts, ends, strict=True)])

    def plan(self, limits: Limits) -> Plan:
        """Return what a pass costs, without the jitter of a shuffled one."""
        groups = bucket(self.lengths, limits.tokens, max_sequences=limits.sequences)
        return Plan(len(groups), padded_share(self.lengths, groups))

    def shuffled(self, limits: Limits, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield the batches of one pass, in an order that is drawn."""
        for group in bucket(self.lengths, limits.tokens, max_sequences=limits.sequences, rng=rng):
            yield self.batch(group)

    def example(self) -> Batch:
        """Return a small batch, which shows the types of all."""
        return self.batch(np.array([0]))

    def batch(self, indices: np.ndarray) -> Batch:
        """Make the batch of the given sequences, in that order."""
        if len(indices) == 1 and self.lengths[indices[0]] <= ALONE and not self._values() and self.arrays.own is None:
            return self._alone(int(indices[0]))
        arrays, lengths = self.arrays, self.lengths[indices]
        flat = self._places_of(indices)
        inputs = {"lengths": lengths}
        if arrays.rows is not None:
            distinct, inverse = np.unique(arrays.rows[flat], return_inverse=True)
            inputs["index"] = pad_runs(inverse.astype(np.int32), lengths)
            for name, rows in arrays.types.items():
                inputs[name] = _trim(rows[distinct]) if name in arrays.spelled else rows[distinct]
        for name, places in arrays.places.items():
            inputs[name] = pad_runs(places[flat], lengths)
        cuts, rows, sizes = None, flat, lengths
        if arrays.own is not None:
            marks = arrays.own[flat]
            cuts, rows = _cuts(marks, lengths), flat[marks > 0]
            sizes = cuts[:, 2]
        laid_out = {
            name: pad_runs(values[rows], sizes) if name in arrays.by_place else values[indices]
            for name, values in self._values().items()
        }
        return Batch(inputs, **laid_out, cuts=cuts)

    def _alone(self, index: int) -> Batch:
        """Make the batch of one short sequence, where looking for tokens that repeat costs more than it saves."""
        arrays, start, length = self.arrays, int(self._starts[index]), int(self.lengths[index])
        here = slice(start, start + length)
        inputs = {"lengths": self.lengths[index : index + 1]}
        if arrays.rows is not None:
            inputs["index"] = np.arange(length, dtype=np.int32)[None]
            for name, table in arrays.types.items():
                rows = table[arrays.rows[here]]
                inputs[name] = _trim(rows) if name in arrays.spelled else rows
        for name, places in arrays.places.items():
            inputs[name] = places[None, here]
        return Batch(inputs)

    def select(self, indices: np.ndarray) -> EncodedArrays:
        """Return the given sequences, in that order, with a table of their own distinct tokens."""
        arrays, flat = self.arrays, self._places_of(indices)
        rows, types = None, {}
        if arrays.rows is not None:
            distinct, inverse = np.unique(arrays.rows[flat], return_inverse=True)
            rows, types = inverse.astype(np.int32), {name: table[distinct] for name, table in arrays.types.items()}
        values = {name: values[flat if name in arrays.by_place else indices] for name, values in self._values().items()}
        places = {name: table[flat] for name, table in arrays.places.items()}
        own = None if arrays.own is None else arrays.own[flat]
        return EncodedArrays(
            replace(arrays, lengths=self.lengths[indices], rows=rows, types=types, places=places, own=own, **values)
        )

    def _values(self) -> dict[str, np.ndarray]:
        named = {"targets": self.arrays.targets, "weights": self.arrays.weights}
        return {name: values for name, values in named.items() if values is not None}

    def _places_of(self, indices: np.ndarray) -> np.ndarray:
        """Return where the tokens of the given sequences stand, one sequence after the other."""
        lengths = self.lengths[indices]
        before = np.cumsum(lengths, dtype=np.int64) - lengths
        return np.repeat(self._starts[indices] - before, lengths) + np.arange(lengths.sum())


class EncodedCorpus(EncodedArrays):
    """A corpus encoded once: distinct tokens as rows of arrays, sequences as row numbers; numbers as they are scaled.

    Parameters
    ----------
    features : tuple of Feature
        The fitted encoders.
    sequences : sequence of Sequence
        The data; none may be empty.
    targets : sequence of ndarray, or ndarray of shape (N,) or (N, K), optional
        Label ids of each sequence, one a token; or one array with a row a sequence.
    weights : sequence of ndarray, or ndarray of shape (N,), optional
        Token weights of each sequence; or the weight of each sequence.
    own : sequence of ndarray, optional
        Where the sentences are in each that are answered for, see `Arrays`.

    Raises
    ------
    DataError
        If a sequence is not what the encoders were fitted on, naming it.
    """

    def __init__(
        self,
        features: tuple[Feature, ...],
        sequences: SequenceOf[Sequence],
        targets: SequenceOf[np.ndarray] | np.ndarray | None = None,
        weights: SequenceOf[np.ndarray] | np.ndarray | None = None,
        own: SequenceOf[np.ndarray] | None = None,
    ) -> None:
        encoder = CorpusEncoder(features)
        encoder.add(sequences, targets, weights, own)
        super().__init__(encoder.arrays())


def _cuts(marks: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return row, first place and length of each sentence, of the marks of sequences one after the other."""
    begins = np.flatnonzero(marks == BEGIN)
    rows = np.repeat(np.arange(len(lengths)), lengths)[begins]
    firsts = begins - (np.cumsum(lengths) - lengths)[rows]
    return np.stack([rows, firsts, np.add.reduceat(marks > 0, begins, dtype=np.int64)], axis=1).astype(np.int32)


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
    if len(lengths) == 1 and rng is None:
        return [np.zeros(1, np.intp)]
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
