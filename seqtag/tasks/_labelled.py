"""Labelled sequences ready for training: a known scheme, labels that keep it, weights, a part held out."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable
from collections.abc import Sequence as SequenceOf
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import numpy as np

from seqtag.data import schemes
from seqtag.data.batching import EncodedCorpus, TrainingBatches
from seqtag.data.context import arranged, documents, draw_documents
from seqtag.data.corpus import Sequence
from seqtag.data.encoders import Vocabulary
from seqtag.data.features import Feature
from seqtag.data.tag_counts import TagCounts
from seqtag.data.transitions import allowed_transitions, complete_labels
from seqtag.errors import DataError

logger = logging.getLogger("seqtag")

SHOWN = 5  # places listed in a warning


@dataclass(frozen=True)
class LabelledData:
    """Training sequences in a known scheme, and the weights of their tokens where they differ.

    With a ``context`` each is read with so many tokens of its document on each side.
    """

    sequences: tuple[Sequence, ...]
    scheme: str
    allow_seen: bool
    weights: list[np.ndarray] | None = None
    context: int = 0

    @cached_property
    def tags(self) -> TagCounts:
        """What labels there are, and which stand side by side."""
        return TagCounts.of(sequence.labels or () for sequence in self.sequences)

    @property
    def labels(self) -> list[str]:
        """The labels that occur, completed to what the scheme needs, in order."""
        return complete_labels(sorted(self.tags.labels), self.scheme)

    def allowed(self, labels: SequenceOf[str]) -> dict[str, np.ndarray]:
        """Return what may begin, follow and end; with ``allow_seen`` also what occurs in the data."""
        return allowed_by(labels, self.scheme, self.tags if self.allow_seen else None)

    def vocabulary(self) -> Vocabulary:
        """Count what encoders are fitted on."""
        return Vocabulary.of(self.sequences)

    def encode(
        self, features: tuple[Feature, ...], labels: SequenceOf[str], seed: int
    ) -> AbstractContextManager[TrainingBatches]:
        """Return the encoded sequences; in memory the seed has nothing to draw."""
        parts = arranged(self.sequences, self.targets(labels), self.weights, self.context)
        return contextlib.nullcontext(EncodedCorpus(features, *parts))

    def targets(self, labels: SequenceOf[str]) -> list[np.ndarray]:
        """Return the label ids of each sequence."""
        ids = {label: i for i, label in enumerate(labels)}
        return [np.array([ids[label] for label in sequence.labels or ()], np.int32) for sequence in self.sequences]

    def select(self, places: Iterable[int]) -> Self:
        """Return the sequences at these places, with their weights."""
        places = list(places)
        weights = None if self.weights is None else [self.weights[i] for i in places]
        return replace(self, sequences=tuple(self.sequences[i] for i in places), weights=weights)

    def without_empty(self) -> Self:
        """Return the sequences that have tokens: nothing can be learnt from the others."""
        return self.select(i for i, sequence in enumerate(self.sequences) if len(sequence))

    def hold_out(self, fraction: float, seed: int) -> tuple[Self, Self | None]:
        """Hold a part of the training data out, whole documents if these are read; a single one cannot be split."""
        if self.context:
            sizes = list(map(len, documents(self.sequences)))
            drawn = draw_documents(sizes, fraction, np.random.default_rng(seed), len(self.sequences))
            rest = sorted(set(range(len(self.sequences))).difference(drawn))
            return self.select(rest), self.select(drawn) if drawn else None
        order = np.random.default_rng(seed).permutation(len(self.sequences))
        size = min(max(1, round(len(order) * fraction)), len(order) - 1)
        held, kept = sorted(order[:size]), sorted(order[size:])
        return self.select(kept), self.select(held) if held else None


def allowed_by(labels: SequenceOf[str], scheme: str, seen: TagCounts | None) -> dict[str, np.ndarray]:
    """Return what a scheme lets begin, follow and end, and what was seen to."""
    start, transitions, end = allowed_transitions(labels, scheme)
    ids = {label: i for i, label in enumerate(labels)}
    for before, label in seen.pairs if seen is not None else ():
        if before is None:
            start[ids[label or ""]] = True
        elif label is None:
            end[ids[before]] = True
        else:
            transitions[ids[before], ids[label]] = True
    return {"start": start, "transitions": transitions, "end": end}


def prepare(sequences: tuple[Sequence, ...], scheme: str, invalid_tags: str) -> LabelledData:
    """Settle the scheme and deal with labels that break it."""
    check_labelled(sequences, "training sequence")
    tags = TagCounts.of(sequence.labels or () for sequence in sequences)
    known = settled_scheme(tags, len(sequences), scheme)
    if schemes.count_problems(tags, known):
        broken = BrokenTags(known, invalid_tags)
        sequences = tuple(broken.settled(i, sequence) for i, sequence in enumerate(sequences))
        broken.warn()
    return LabelledData(sequences, known, invalid_tags == "allow")


def settled_scheme(tags: TagCounts, n: int, scheme: str) -> str:
    """Return the scheme of n counted label sequences, or say that there is nothing to learn from."""
    if not tags.labels:
        raise DataError(f"training needs at least one token; got {n} sequences, all empty.")
    return schemes.detect_counted(tags) if scheme == "auto" else scheme


def check_labelled(sequences: Iterable[Sequence], what: str) -> None:
    """Refuse sequences without labels, naming the first."""
    for i, sequence in enumerate(sequences):
        check_labels(i, sequence, what)


def check_labels(i: int, sequence: Sequence, what: str) -> None:
    """Refuse a sequence without labels."""
    if sequence.labels is None:
        raise DataError(f"every {what} must have labels; sequence {i} has none. Pass y.")


@dataclass
class BrokenTags:
    """Deals with labels that break the scheme, and remembers them for a warning.

    Parameters
    ----------
    scheme : str
        The scheme.
    invalid_tags : {"repair", "allow"}
        What becomes of them.
    """

    scheme: str
    invalid_tags: str
    places: list[str] = field(default_factory=list)
    sequences: int = 0
    total: int = 0

    def settled(self, i: int, sequence: Sequence) -> Sequence:
        """Return the sequence as it is learnt from, and note what breaks the scheme in it."""
        found = schemes.problems(sequence.labels or (), self.scheme)
        if not found:
            return sequence
        self.sequences += 1
        self.total += len(found)
        if len(self.places) < SHOWN:
            where = f"sequence {i}, token {found[0].index}"
            where = f"line {sequence.lines[found[0].index]}" if sequence.lines else where
            self.places.append(f"{where}: {found[0].message}")
        if self.invalid_tags != "repair":
            return sequence
        return replace(sequence, labels=tuple(schemes.repair(sequence.labels or (), self.scheme)))

    def warn(self) -> None:
        """Log which training labels break the scheme, and where."""
        done = "repaired as conlleval reads them" if self.invalid_tags == "repair" else "allowed"
        more = f"; and {self.sequences - SHOWN} more sequences" if self.sequences > SHOWN else ""
        logger.warning(
            "%d training labels break the scheme %s and were %s (%s%s)",
            self.total,
            self.scheme,
            done,
            "; ".join(self.places),
            more,
        )
