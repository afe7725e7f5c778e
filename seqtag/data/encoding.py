"""Sequences to flat arrays: what they hold one after the other, and their distinct tokens encoded once.

Nothing is kept for a sequence but its numbers, so that a corpus of many short sequences costs no more than one of few
long ones, and so that its arrays can be files as well as memory.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass

import numpy as np

from seqtag.data.features import Feature, tokens_of
from seqtag.data.sequence import Sequence


@dataclass(frozen=True)
class Arrays:
    """N sequences of M tokens or frames in all, as arrays.

    Parameters
    ----------
    lengths : ndarray of int32, shape (N,)
        Tokens or frames of each sequence.
    rows : ndarray of int32, shape (M,), optional
        Which distinct token stands at each place.
    types : dict of str to ndarray, shape (U, ...)
        What is computed of each of the U distinct tokens.
    places : dict of str to ndarray, shape (M, width)
        What is computed of each place.
    targets : ndarray, shape (M,), (N,) or (N, K), optional
        Label ids of the places; or what each sequence as a whole is.
    weights : ndarray of float32, shape (M,) or (N,), optional
        Weights of the places, or of the sequences.
    spelled : frozenset of str
        The ``types`` that are padded spellings.
    by_place : frozenset of str
        Which of "targets" and "weights" belong to the places.
    own : ndarray of int8, shape (M,), optional
        Where what is answered for begins and goes on, as `seqtag.data.context.Stretch.marks` has it: a sequence holds
        sentences and what is read around them. Without it each sequence is answered for as a whole.
    """

    lengths: np.ndarray
    rows: np.ndarray | None
    types: dict[str, np.ndarray]
    places: dict[str, np.ndarray]
    targets: np.ndarray | None = None
    weights: np.ndarray | None = None
    spelled: frozenset[str] = frozenset()
    by_place: frozenset[str] = frozenset()
    own: np.ndarray | None = None


class CorpusEncoder:
    """Encodes sequences part by part, and holds nothing but numbers and the distinct tokens.

    Parameters
    ----------
    features : tuple of Feature
        The fitted encoders.
    """

    def __init__(self, features: tuple[Feature, ...]) -> None:
        self._by_type = [feature for feature in features if feature.spec.level == "type"]
        self._by_place = [feature for feature in features if feature.spec.level == "token"]
        self._numbers: defaultdict[str, int] = defaultdict()
        self._numbers.default_factory = self._numbers.__len__  # a token that is new gets the next number
        self._lengths = array("i")
        self._rows = array("i")
        self._blocks: dict[str, list[np.ndarray]] = {feature.spec.name: [] for feature in self._by_place}
        self._values: dict[str, list[np.ndarray]] = {"targets": [], "weights": []}
        self._values_by_place: set[str] = set()
        self._own: list[np.ndarray] = []
        self.n_tokens = 0

    def add(
        self,
        sequences: SequenceOf[Sequence],
        targets: SequenceOf[np.ndarray] | np.ndarray | None = None,
        weights: SequenceOf[np.ndarray] | np.ndarray | None = None,
        own: SequenceOf[np.ndarray] | None = None,
    ) -> None:
        """Encode further sequences.

        Parameters
        ----------
        sequences : sequence of Sequence
            None may be empty.
        targets, weights
            As `seqtag.data.batching.EncodedCorpus` takes them; always of one form, or always None.
        own : sequence of ndarray, optional
            The marks of each sequence, see `Arrays`; always, or never.

        Raises
        ------
        DataError
            If a sequence is not what the encoders were fitted on, naming it.
        """
        lengths = [len(sequence) for sequence in sequences]
        if self._by_type:
            number = self._numbers.__getitem__
            for sequence in sequences:
                self._rows.extend(map(number, tokens_of(sequence)))
        for name, block in place_blocks(self._by_place, sequences, sum(lengths)).items():
            self._blocks[name].append(block)
        for name, values in (("targets", targets), ("weights", weights)):
            if isinstance(values, np.ndarray):
                self._values[name].append(values)
            elif values is not None:
                self._values_by_place.add(name)
                self._values[name].append(np.concatenate(values) if len(values) else np.zeros(0, np.int32))
        if own is not None:
            self._own.append(np.concatenate(own) if len(own) else np.zeros(0, np.int8))
        self._lengths.extend(lengths)
        self.n_tokens += sum(lengths)

    def arrays(self) -> Arrays:
        """Return all that was added."""
        distinct = list(self._numbers)
        return Arrays(
            np.array(self._lengths, np.int32),
            np.array(self._rows, np.int32) if self._by_type else None,
            {feature.spec.name: feature.encode(distinct) for feature in self._by_type},
            {name: _joined(blocks) for name, blocks in self._blocks.items()},
            _joined(self._values["targets"]) if self._values["targets"] else None,
            _joined(self._values["weights"]) if self._values["weights"] else None,
            spelled=frozenset(f.spec.name for f in self._by_type if f.spelling is not None),
            by_place=frozenset(self._values_by_place),
            own=_joined(self._own) if self._own else None,
        )


def place_blocks(features: Iterable[Feature], sequences: SequenceOf[Sequence], size: int) -> dict[str, np.ndarray]:
    """Encode sequences of ``size`` places in all by features of the level ``token``, an array (size, width) each.

    Raises
    ------
    DataError
        If a sequence is not what the encoders were fitted on, naming it.
    """
    return {feature.spec.name: _block(feature, sequences, size) for feature in features}


def _block(feature: Feature, sequences: SequenceOf[Sequence], size: int) -> np.ndarray:
    """Encode sequences place by place into one array, without an array a sequence beside it."""
    dtype = np.float32 if feature.spec.kind == "vectors" else np.int32
    out = np.empty((size, feature.spec.width), dtype)
    start = 0
    for sequence in sequences:
        out[start : start + len(sequence)] = feature.encode_places(sequence)
        start += len(sequence)
    return out


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
