"""Labelled sequences ready for training: a known scheme, labels that keep it, weights, a part held out."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from seqtag.data import schemes
from seqtag.data.corpus import Sequence
from seqtag.data.transitions import allowed_transitions, complete_labels
from seqtag.errors import DataError

logger = logging.getLogger("seqtag")

SHOWN = 5  # places listed in a warning


@dataclass(frozen=True)
class LabelledData:
    """Training sequences in a known scheme, and the weights of their tokens where they differ."""

    sequences: tuple[Sequence, ...]
    scheme: str
    allow_seen: bool
    weights: list[np.ndarray] | None = None

    @property
    def labels(self) -> list[str]:
        """The labels that occur, completed to what the scheme needs, in order."""
        seen = {label for sequence in self.sequences for label in sequence.labels or ()}
        return complete_labels(sorted(seen), self.scheme)

    def allowed(self, labels: SequenceOf[str]) -> dict[str, np.ndarray]:
        """Return what may begin, follow and end; with ``allow_seen`` also what occurs in the data."""
        start, transitions, end = allowed_transitions(labels, self.scheme)
        if self.allow_seen:
            for row in self.targets(labels):
                start[row[0]] = end[row[-1]] = True
                transitions[row[:-1], row[1:]] = True
        return {"start": start, "transitions": transitions, "end": end}

    def targets(self, labels: SequenceOf[str]) -> list[np.ndarray]:
        """Return the label ids of each sequence."""
        ids = {label: i for i, label in enumerate(labels)}
        return [np.array([ids[label] for label in sequence.labels or ()], np.int32) for sequence in self.sequences]

    def select(self, places: Iterable[int]) -> LabelledData:
        """Return the sequences at these places, with their weights."""
        places = list(places)
        weights = None if self.weights is None else [self.weights[i] for i in places]
        return replace(self, sequences=tuple(self.sequences[i] for i in places), weights=weights)

    def without_empty(self) -> LabelledData:
        """Return the sequences that have tokens: nothing can be learnt from the others."""
        return self.select(i for i, sequence in enumerate(self.sequences) if len(sequence))


def prepare(sequences: tuple[Sequence, ...], scheme: str, invalid_tags: str) -> LabelledData:
    """Settle the scheme and deal with labels that break it."""
    check_labelled(sequences, "training sequence")
    gold = [list(sequence.labels or ()) for sequence in sequences]
    if not any(gold):
        raise DataError(f"training needs at least one token; got {len(gold)} sequences, all empty.")
    known = schemes.detect(gold) if scheme == "auto" else scheme
    broken = [(i, found) for i, labels in enumerate(gold) if (found := schemes.problems(labels, known))]
    if invalid_tags == "repair":
        mended = {i: tuple(schemes.repair(gold[i], known)) for i, _ in broken}
        sequences = tuple(replace(s, labels=mended[i]) if i in mended else s for i, s in enumerate(sequences))
    if broken:
        _warn(sequences, broken, known, invalid_tags)
    return LabelledData(sequences, known, invalid_tags == "allow")


def check_labelled(sequences: tuple[Sequence, ...], what: str) -> None:
    """Refuse sequences without labels, naming the first."""
    for i, sequence in enumerate(sequences):
        if sequence.labels is None:
            raise DataError(f"every {what} must have labels; sequence {i} has none. Pass y.")


def _warn(sequences: tuple[Sequence, ...], broken: list[Any], scheme: str, invalid_tags: str) -> None:
    """Log which training labels break the scheme, and where."""
    places = []
    for i, found in broken[:SHOWN]:
        lines = sequences[i].lines
        where = f"line {lines[found[0].index]}" if lines else f"sequence {i}, token {found[0].index}"
        places.append(f"{where}: {found[0].message}")
    total = sum(len(found) for _, found in broken)
    done = "repaired as conlleval reads them" if invalid_tags == "repair" else "allowed"
    more = f"; and {len(broken) - SHOWN} more sequences" if len(broken) > SHOWN else ""
    logger.warning(
        "%d training labels break the scheme %s and were %s (%s%s)", total, scheme, done, "; ".join(places), more
    )


def hold_out(data: LabelledData, fraction: float, seed: int) -> tuple[LabelledData, LabelledData | None]:
    """Hold a part of the training data out; a single sequence cannot be split."""
    order = np.random.default_rng(seed).permutation(len(data.sequences))
    size = min(max(1, round(len(order) * fraction)), len(order) - 1)
    held, kept = sorted(order[:size]), sorted(order[size:])
    return data.select(kept), data.select(held) if held else None
