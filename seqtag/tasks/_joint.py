"""Sequences with a label a token and an intent, ready for training: what y may be, targets of both, a part held out."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np

from seqtag.data.coerce import as_sequences
from seqtag.data.corpus import Corpus, Sequence
from seqtag.data.sequence import called
from seqtag.data.streaming import CorpusStream
from seqtag.errors import DataError
from seqtag.tasks._classes import ClassCounts, Classes, prior, shares_of_each
from seqtag.tasks._labelled import LabelledData, prepare
from seqtag.tasks._streamed import StreamedLabels
from seqtag.tasks._weights import class_weights, sequence_weights


class JointLabels(NamedTuple):
    """What is told apart, by id.

    Parameters
    ----------
    slots : tuple of str
        The labels of tokens.
    intents : tuple of str
        The labels of whole sequences.
    """

    slots: tuple[str, ...]
    intents: tuple[str, ...]


def as_joint(X: Any, y: Any, tokenizer: str, what: str) -> tuple[Sequence, ...]:
    """Make sequences with labels and an intent of what a user passes.

    Parameters
    ----------
    X : Corpus or iterable
        As `seqtag.data.coerce.as_sequences` takes it.
    y : iterable of (list of str, str), or Corpus, optional
        Labels, one a token, and intent of each sequence; without it the sequences' own are taken.
    tokenizer : str
        Splits raw strings.
    what : str
        What messages call a sequence.

    Raises
    ------
    DataError
        Naming the first sequence that has not both, or has several intents.
    """
    if y is None:
        sequences = as_sequences(X, tokenizer=tokenizer)
    else:
        pairs = _pairs(y)
        labelled = as_sequences(X, [labels for labels, _ in pairs], tokenizer=tokenizer)
        sequences = tuple(replace(s, label=intent) for s, (_, intent) in zip(labelled, pairs, strict=True))
    for i, sequence in enumerate(sequences):
        check_joint(i, sequence, what)
    return sequences


def check_joint(i: int, sequence: Sequence, what: str) -> None:
    """Refuse a sequence that has not labels and one intent."""
    if sequence.labels is None or sequence.label is None:
        lacks = "labels of its tokens" if sequence.labels is None else "intent, a label of the whole"
        raise DataError(f"every {what} must have labels and an intent; sequence {i} has no {lacks}. Pass y.")
    if not isinstance(sequence.label, str):
        raise DataError(
            f"every {what} must have one intent; sequence {i}, {called(sequence)}, has {sequence.label!r}. Write "
            f"several as one: {'#'.join(sequence.label)!r}."
        )


def _pairs(y: Any) -> list[tuple[Any, Any]]:
    if isinstance(y, Corpus):
        return [(labels, sequence.label) for labels, sequence in zip(y.labels, y, strict=True)]
    expected = "y must be a list of pairs, the labels of a sequence's tokens and its intent"
    if isinstance(y, (str, bytes)) or not isinstance(y, Iterable):
        raise DataError(f"{expected}; got one {type(y).__name__}.")
    pairs = list(y)
    for i, pair in enumerate(pairs):
        if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not isinstance(pair[1], str):
            raise DataError(f"{expected}, a string; y[{i}] is {pair!r:.60}.")
    return pairs


@dataclass(frozen=True)
class JointData(LabelledData):
    """Training sequences with labels in a known scheme and an intent each, and the weights of their tokens."""

    @classmethod
    def prepare(
        cls, sequences: tuple[Sequence, ...], scheme: str, invalid_tags: str, sample_weight: Any, class_weight: Any
    ) -> Self:
        """Settle the scheme, deal with labels that break it, and weigh each sequence by itself and by its intent."""
        found = prepare(sequences, scheme, invalid_tags)
        classes = Classes([sequence.label for sequence in sequences])
        weights = _laid_out(sequences, sequence_weights(classes, sample_weight, class_weight))
        return cls(found.sequences, found.scheme, found.allow_seen, weights).without_empty()

    @cached_property
    def intents(self) -> ClassCounts:
        """How many sequences have each intent."""
        counts = ClassCounts()
        counts.values.update(sequence.label for sequence in self.sequences)
        return counts

    def prior(self, intents: SequenceOf[str]) -> np.ndarray:
        """Return the logits of the intents of a sequence without tokens, shape (C,)."""
        return prior(self.intents, intents)

    def targets(self, labels: Any) -> list[np.ndarray]:
        """Return ``intent x K + label`` at each token of each sequence."""
        k = len(labels.slots)
        ids = {intent: i for i, intent in enumerate(labels.intents)}
        slots = super().targets(labels.slots)
        return [row + np.int32(k * ids[s.label]) for row, s in zip(slots, self.sequences, strict=True)]

    def hold_out(self, fraction: float, seed: int) -> tuple[Self, Self | None]:
        """Hold a share of each intent out; an intent keeps at least one of its sequences."""
        kept, held = shares_of_each([sequence.label for sequence in self.sequences], fraction, seed)
        return self.select(kept), self.select(held) if held else None


@dataclass(frozen=True, kw_only=True)
class StreamedJoint(StreamedLabels):
    """A stream with a label a token and an intent a sequence.

    Parameters
    ----------
    intents : ClassCounts
        How many sequences of the whole stream have each intent.
    class_weight : dict, 'balanced' or None
        Weight of each intent in the loss.
    """

    intents: ClassCounts
    class_weight: Any

    @classmethod
    def of(cls, stream: CorpusStream, scheme: str, invalid_tags: str, class_weight: Any) -> StreamedJoint:
        """Go through a stream twice, once more if labels break the scheme."""
        counts = ClassCounts()
        for i, sequence in enumerate(stream):
            check_joint(i, sequence, "training sequence")
            counts.values[sequence.label] += 1
        class_weights(Classes([]), class_weight, counts)  # refused now rather than while encoding
        found = StreamedLabels.count(stream, scheme, invalid_tags, None)
        own = {part.name: getattr(found, part.name) for part in fields(found)}
        return cls(**own, intents=counts, class_weight=class_weight)

    def prior(self, intents: SequenceOf[str]) -> np.ndarray:
        """Return the logits of the intents of a sequence without tokens, shape (C,)."""
        return prior(self.intents, intents)

    def in_memory(self, sequences: tuple[Sequence, ...], *, weighed: bool = True) -> JointData:
        """Return some of the sequences as what training in memory has."""
        weights = None
        if weighed and self.class_weight is not None:
            classes = Classes([sequence.label for sequence in sequences])
            weights = _laid_out(sequences, class_weights(classes, self.class_weight, self.intents))
        return JointData(sequences, self.scheme, self.allow_seen, weights)


def _laid_out(sequences: Iterable[Sequence], weights: np.ndarray | None) -> list[np.ndarray] | None:
    """Give each token the weight of its sequence."""
    if weights is None:
        return None
    return [np.full(len(s), weight, np.float32) for s, weight in zip(sequences, weights, strict=True)]
