"""Training data that are read from disk in each pass: counted in one, encoded into shards in another, never held.

What comes of them, labels, scheme, repaired tags, weights, is what `LabelledData` and `ClassifiedData` give for the
same sequences in memory, by the same functions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Sequence as SequenceOf
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from itertools import pairwise, starmap
from typing import Any, Generic, TypeVar

import numpy as np

from seqtag.data import schemes
from seqtag.data.batching import TrainingBatches
from seqtag.data.context import arranged, check_documents, documents, draw_documents, is_same
from seqtag.data.corpus import Sequence
from seqtag.data.encoders import Vocabulary
from seqtag.data.features import Feature
from seqtag.data.store import Part, encoded_on_disk
from seqtag.data.streaming import CorpusStream, SteadyPasses, parts_of
from seqtag.data.tag_counts import TagCounts
from seqtag.data.transitions import complete_labels
from seqtag.errors import DataError
from seqtag.flow import in_chunks
from seqtag.tasks._classes import ClassCounts, Classes, ClassifiedData, label_set, own_label, prior
from seqtag.tasks._labelled import BrokenTags, LabelledData, allowed_by, check_labels, settled_scheme
from seqtag.tasks._weights import class_weights, token_weights

HELD_OUT = 5000
"""Sequences held out of a stream, at most: they are kept in memory, and more would tell little more."""

InMemory = TypeVar("InMemory", LabelledData, ClassifiedData)


def refuse_beside(y: Any, sample_weight: Any) -> None:
    """Refuse what would have to be as long as the stream."""
    if y is not None:
        raise DataError("y must not be passed with a CorpusStream; its sequences carry their labels.")
    if sample_weight is not None:
        raise DataError(
            "sample_weight must not be passed with a CorpusStream, whose sequences are not numbered; class_weight "
            "weighs them by their labels."
        )


@dataclass(frozen=True)
class Passes:
    """The sequences of a stream that are trained on: not the empty ones, not those held out.

    Parameters
    ----------
    stream : iterable of Sequence
        Gone through anew each time.
    settle : callable
        Returns a sequence, with its number in the stream, as it is learnt from.
    held : frozenset of int
        Numbers, among those that are not empty, of the sequences held out.
    """

    stream: Iterable[Sequence]
    settle: Callable[[int, Sequence], Sequence]
    held: frozenset[int] = frozenset()

    def __iter__(self) -> Iterator[Sequence]:
        return (sequence for is_held, sequence in self.told_apart() if not is_held)

    def told_apart(self) -> Iterator[tuple[bool, Sequence]]:
        """Yield all sequences that are not empty, and whether each is held out."""
        number = 0
        for i, sequence in enumerate(self.stream):
            if len(sequence):
                yield number in self.held, self.settle(i, sequence)
                number += 1


@dataclass(frozen=True)
class StreamedData(Generic[InMemory]):
    """What both tasks have in common.

    Parameters
    ----------
    sequences : Passes
        What is trained on.
    tokens : Counter of str
        Its tokens, counted.
    is_numeric : bool
        Whether it has frames in place of tokens.
    size : int
        How many sequences.
    """

    sequences: Passes
    tokens: Counter[str] = field(repr=False)
    is_numeric: bool
    size: int

    def vocabulary(self) -> Vocabulary:
        """Return what encoders are fitted on; the tokens are counted already."""
        return Vocabulary(self.tokens, self.sequences, self.is_numeric)

    def encode(
        self, features: tuple[Feature, ...], labels: SequenceOf[Any], seed: int
    ) -> AbstractContextManager[TrainingBatches]:
        """Encode the sequences into shards in a temporary folder, which is gone when the context ends."""
        return encoded_on_disk(features, self._parts(labels), seed)

    def _parts(self, labels: SequenceOf[Any]) -> Iterator[Part]:
        for sequences in parts_of(self.sequences):
            part = self.in_memory(sequences)
            yield sequences, part.targets(labels), part.weights

    def in_memory(self, sequences: tuple[Sequence, ...], *, weighed: bool = True) -> InMemory:
        """Return some of the sequences as what training in memory has."""
        raise NotImplementedError

    def _drawn(self, fraction: float, seed: int) -> frozenset[int]:
        """Draw the numbers of sequences to hold out; a single sequence cannot be split."""
        size = min(max(1, round(self.size * fraction)), self.size - 1, HELD_OUT)
        drawn = np.random.default_rng(seed).choice(self.size, size, replace=False, shuffle=False)
        return frozenset(drawn.tolist())

    def _collected(self, held: frozenset[int]) -> tuple[Passes, tuple[Sequence, ...], Counter[str]]:
        """Return the passes without what is held out, what is, and the counts of the tokens without it."""
        passes = replace(self.sequences, held=held)
        out = tuple(sequence for is_held, sequence in passes.told_apart() if is_held)
        return passes, out, self.tokens - Counter(token for sequence in out for token in sequence.tokens)


@dataclass(frozen=True)
class StreamedLabels(StreamedData[LabelledData]):
    """A stream with a label a token, in a known scheme.

    Parameters
    ----------
    scheme : str
        The scheme.
    allow_seen : bool
        Whether what breaks it is allowed where it occurs.
    tags : TagCounts
        The labels that are trained on.
    weighed : (dict, Counter)
        ``class_weight``, and the counts of all labels that it is taken from.
    """

    scheme: str
    allow_seen: bool
    tags: TagCounts
    weighed: tuple[Any, Counter[str]]
    context: int = 0

    @classmethod
    def count(
        cls, stream: CorpusStream, scheme: str, invalid_tags: str, class_weight: Any, context: int = 0
    ) -> StreamedLabels:
        """Go through a stream once, twice if labels break the scheme or documents are looked for."""
        if context:
            check_documents(any(starmap(is_same, pairwise(stream))))
        steady, tags, lengths = SteadyPasses(stream), TagCounts(), Counter[bool]()

        def counted() -> Iterator[Sequence]:
            for i, sequence in enumerate(steady):
                check_labels(i, sequence, "training sequence")
                tags.add(sequence.labels or ())
                lengths[len(sequence) > 0] += 1
                if len(sequence):
                    yield sequence

        passes = Passes(steady, lambda i, sequence: sequence)
        vocabulary = Vocabulary.of(_Once(counted()))
        known = settled_scheme(tags, lengths.total(), scheme)
        if schemes.count_problems(tags, known):
            broken = BrokenTags(known, invalid_tags)
            tags = TagCounts.of(broken.settled(i, sequence).labels or () for i, sequence in enumerate(steady))
            broken.warn()
            if invalid_tags == "repair":
                passes = Passes(steady, BrokenTags(known, invalid_tags).settled)
        token_weights((), None, class_weight, tags.labels)  # refused now rather than while encoding
        return cls(
            passes,
            vocabulary.tokens,
            vocabulary.is_numeric,
            lengths[True],
            known,
            invalid_tags == "allow",
            tags,
            (class_weight, tags.labels),
            context,
        )

    @property
    def labels(self) -> list[str]:
        """The labels that occur, completed to what the scheme needs, in order."""
        return complete_labels(sorted(self.tags.labels), self.scheme)

    def allowed(self, labels: SequenceOf[str]) -> dict[str, np.ndarray]:
        """Return what may begin, follow and end; with ``allow_seen`` also what occurs in the data."""
        return allowed_by(labels, self.scheme, self.tags if self.allow_seen else None)

    def in_memory(self, sequences: tuple[Sequence, ...], *, weighed: bool = True) -> LabelledData:
        """Return some of the sequences as what training in memory has."""
        weights = token_weights(sequences, None, *self.weighed) if weighed else None
        return LabelledData(sequences, self.scheme, self.allow_seen, weights, self.context)

    def _parts(self, labels: SequenceOf[str]) -> Iterator[Part]:
        if not self.context:
            yield from super()._parts(labels)
            return
        for sequences in in_chunks(self.sequences, by_document=True):
            part = self.in_memory(tuple(sequences))
            read, targets, weights, marks = arranged(sequences, part.targets(labels), part.weights, self.context)
            yield read, targets, weights, marks or []

    def _drawn(self, fraction: float, seed: int) -> frozenset[int]:
        """Draw whole documents if these are read."""
        if not self.context:
            return super()._drawn(fraction, seed)
        sizes = list(map(len, documents(self.sequences)))
        return frozenset(draw_documents(sizes, fraction, np.random.default_rng(seed), HELD_OUT))

    def hold_out(self, fraction: float, seed: int) -> tuple[StreamedLabels, LabelledData | None]:
        """Hold a part out, drawn by the seed: at most `HELD_OUT` sequences."""
        if self.size < 2:
            return self, None
        passes, out, tokens = self._collected(self._drawn(fraction, seed))
        if not out:
            return self, None
        tags = self.tags.without(TagCounts.of(sequence.labels or () for sequence in out))
        kept = replace(self, sequences=passes, tokens=tokens, size=self.size - len(out), tags=tags)
        return kept, self.in_memory(out, weighed=False)


@dataclass(frozen=True)
class StreamedClasses(StreamedData[ClassifiedData]):
    """A stream with one class, or several, a sequence.

    Parameters
    ----------
    classes : ClassCounts
        The classes that are trained on.
    weighed : (dict, ClassCounts)
        ``class_weight``, and the counts of all classes that it is taken from.
    """

    classes: ClassCounts
    weighed: tuple[Any, ClassCounts]

    @classmethod
    def count(cls, stream: CorpusStream, multi_label: bool | str, class_weight: Any) -> StreamedClasses:
        """Go through a stream once."""
        steady, everything, kept = SteadyPasses(stream), Counter[Any](), Counter[Any]()

        def counted() -> Iterator[Sequence]:
            for i, sequence in enumerate(steady):
                everything[own_label(sequence, i)] += 1
                if len(sequence):
                    kept[sequence.label] += 1
                    yield sequence

        vocabulary = Vocabulary.of(_Once(counted()))
        several = any(isinstance(value, tuple) for value in everything)
        if several and multi_label is False:
            raise DataError("y must hold one class a sequence with multi_label=False; got collections of classes.")
        is_multi = several or multi_label is True
        passes = Passes(steady, lambda i, sequence: sequence)
        counts, of_all = (_counts(values, is_multi) for values in (kept, everything))
        class_weights(Classes([], is_multi), class_weight, of_all)  # refused now rather than while encoding
        return cls(passes, vocabulary.tokens, vocabulary.is_numeric, len(counts), counts, (class_weight, of_all))

    @property
    def labels(self) -> list[Any]:
        """The classes, in order."""
        return self.classes.labels

    def prior(self, labels: SequenceOf[Any]) -> np.ndarray:
        """Return the logits of knowing nothing, shape (K,)."""
        return prior(self.classes, labels)

    def in_memory(self, sequences: tuple[Sequence, ...], *, weighed: bool = True) -> ClassifiedData:
        """Return some of the sequences as what training in memory has."""
        is_multi = self.classes.multi_label
        classes = Classes([_value(sequence.label, is_multi) for sequence in sequences], is_multi)
        class_weight, counts = self.weighed
        weights = None
        if weighed and class_weight is not None:
            weights = class_weights(classes, class_weight, counts).astype(np.float32)
        return ClassifiedData(sequences, classes, weights)

    def hold_out(self, fraction: float, seed: int) -> tuple[StreamedClasses, ClassifiedData | None]:
        """Hold a part out, drawn by the seed: at most `HELD_OUT` sequences, and never the last of its class."""
        if self.size < 2:
            return self, None
        is_multi, left, held = self.classes.multi_label, Counter(self.classes.values), set()
        drawn = self._drawn(fraction, seed)
        for number, (_, sequence) in enumerate(self.sequences.told_apart()):
            value = _value(sequence.label, is_multi)
            if number in drawn and left[value] > 1:
                left[value] -= 1
                held.add(number)
        if not held:
            return self, None
        passes, out, tokens = self._collected(frozenset(held))
        classes = ClassCounts(left, is_multi)
        kept = replace(self, sequences=passes, tokens=tokens, size=self.size - len(out), classes=classes)
        return kept, self.in_memory(out, weighed=False)


@dataclass(frozen=True)
class _Once:
    """An iterator that is gone through where it is given to, and not held."""

    sequences: Iterator[Sequence]

    def __iter__(self) -> Iterator[Sequence]:
        return self.sequences


def _value(label: Any, is_multi: bool) -> Any:
    """Return what a sequence is, as `Classes` holds it; of several labels a lone one stands for itself."""
    return label_set((label,) if isinstance(label, str) else label) if is_multi else label


def _counts(values: Counter[Any], is_multi: bool) -> ClassCounts:
    counts: Counter[Any] = Counter()
    for value, count in values.items():
        counts[_value(value, is_multi)] += count
    return ClassCounts(counts, is_multi)
