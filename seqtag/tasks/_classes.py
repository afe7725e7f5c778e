"""Classified sequences ready for training: what y may be, as targets; weights; a part held out."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable
from collections.abc import Sequence as SequenceOf
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_consistent_length

from seqtag.data.batching import EncodedCorpus, TrainingBatches
from seqtag.data.corpus import Sequence
from seqtag.data.encoders import Vocabulary
from seqtag.data.features import Feature
from seqtag.errors import DataError

UNKNOWN = -1  # the target of a class that was not trained


@dataclass(frozen=True)
class Classes:
    """What y says of each sequence, in one of three forms.

    Parameters
    ----------
    values : list
        One class a sequence, as scikit-learn has it; or a tuple of classes a sequence; a row of an indicator matrix
        is the tuple of its columns that are 1.
    multi_label : bool
        Whether they are tuples.
    indicator : int
        Columns of the indicator matrix; 0 if y was none.
    """

    values: list[Any]
    multi_label: bool = False
    indicator: int = 0

    def __len__(self) -> int:
        return len(self.values)

    @property
    def labels(self) -> list[Any]:
        """The classes that occur, in order; of an indicator matrix all columns."""
        if self.indicator:
            return list(range(self.indicator))
        found = {label for value in self.values for label in (value if self.multi_label else (value,))}
        return in_order(found)

    def counts(self) -> Counter[Any]:
        """Count how often each class occurs."""
        return Counter(label for value in self.values for label in (value if self.multi_label else (value,)))

    def targets(self, labels: SequenceOf[Any]) -> np.ndarray:
        """Return ids (N,) of int32, `UNKNOWN` for what is not among the labels; or 0 and 1, (N, K) of float32."""
        ids = {label: i for i, label in enumerate(labels)}
        if not self.multi_label:
            return np.array([ids.get(value, UNKNOWN) for value in self.values], np.int32)
        hot = np.zeros((len(self.values), len(labels)), np.float32)
        for row, value in zip(hot, self.values, strict=True):
            row[[ids[label] for label in value if label in ids]] = 1.0
        return hot

    def select(self, places: Iterable[int]) -> Classes:
        """Return those at these places."""
        return replace(self, values=[self.values[i] for i in places])


@dataclass
class ClassCounts:
    """What there is to know of the classes of many sequences without holding them.

    Parameters
    ----------
    values : Counter
        How many sequences have each class, or each tuple of classes.
    multi_label : bool
        Whether they are tuples.
    """

    values: Counter[Any] = field(default_factory=Counter)
    multi_label: bool = False
    indicator: int = 0  # what stands in files is no indicator matrix

    def __len__(self) -> int:
        return self.values.total()

    @property
    def labels(self) -> list[Any]:
        """The classes that occur, in order."""
        return in_order(self.counts())

    def counts(self) -> Counter[Any]:
        """Count how often each class occurs."""
        if not self.multi_label:
            return self.values
        counts: Counter[Any] = Counter()
        for value, count in self.values.items():
            counts.update(dict.fromkeys(value, count))
        return counts


def prior(classes: Classes | ClassCounts, labels: SequenceOf[Any]) -> np.ndarray:
    """Return the logits of knowing nothing, shape (K,): log frequencies, or log odds, each class seen once more."""
    counts = classes.counts()
    seen = np.array([counts[label] + 1.0 for label in labels])
    return np.log(seen / (len(classes) + 2.0 - seen)) if classes.multi_label else np.log(seen / seen.sum())


def in_order(labels: Iterable[Any]) -> list[Any]:
    """Return classes in their order.

    Raises
    ------
    DataError
        If some are strings and others numbers.
    """
    labels = list(labels)
    try:
        return sorted(labels)
    except TypeError as error:
        raise DataError(f"classes must be all strings or all numbers; got {sorted(map(repr, labels))[:8]}.") from error


def as_classes(y: Any, sequences: SequenceOf[Sequence], multi_label: bool | str) -> Classes:
    """Make classes of what a user passes.

    Parameters
    ----------
    y : array-like, shape (n_sequences,); list of collections of labels; or indicator matrix (n_sequences, n_classes)
        None takes the sequences' own ``label``.
    sequences : sequence of Sequence
        What they belong to.
    multi_label : bool or 'auto'
        Whether there may be several a sequence; ``auto`` sees it in y.

    Raises
    ------
    DataError
        If a sequence has no label, numbers are continuous, or there are several classes where one is asked for.
    ValueError
        What scikit-learn says of a y that cannot be classes.
    """
    if y is None:
        y = [own_label(sequence, i) for i, sequence in enumerate(sequences)]
    is_objects = getattr(y, "dtype", None) == np.dtype(object) and len(y.shape) == 1  # such as `predict` gives
    values = list(y) if is_objects or isinstance(y, (list, tuple)) else y
    if isinstance(values, list) and any(map(_is_collection, values)) and not _is_indicator(values):
        return _label_sets(values, len(sequences), multi_label)
    if isinstance(values, list) and len({isinstance(value, str) for value in values}) > 1:
        odd = next(value for value in values if not isinstance(value, str))  # NumPy would make a string of it
        raise DataError(f"classes must be all strings or all numbers; got strings and {odd!r:.60}.")
    check_consistent_length(sequences, y)
    found = type_of_target(y, input_name="y")
    if found == "multilabel-indicator":
        matrix = np.asarray(y.toarray() if hasattr(y, "toarray") else y)
        if multi_label is False:
            raise DataError(f"y must hold one class a sequence with multi_label=False; got a matrix {matrix.shape}.")
        return Classes([tuple(np.flatnonzero(row).tolist()) for row in matrix], True, matrix.shape[1])
    values = column_or_1d(y, warn=True)
    check_classification_targets(values)
    single = values.tolist()
    return Classes([(value,) for value in single], True) if multi_label is True else Classes(single)


def _is_collection(value: Any) -> bool:
    return isinstance(value, (list, tuple, set, frozenset))


def _is_indicator(values: list[Any]) -> bool:
    """Tell whether lists are the rows of an indicator matrix, as scikit-learn reads them."""
    rows = all(isinstance(value, list) and len(value) == len(values[0]) > 1 for value in values)
    return rows and all(item in (0, 1) and not isinstance(item, str) for value in values for item in value)


def own_label(sequence: Sequence, i: int) -> Any:
    """Return the label of a whole sequence, or say that it has none."""
    if sequence.label is None:
        raise DataError(f"requires y to be passed, but the target y is None: sequence {i} has no label of its own.")
    return sequence.label


def _label_sets(values: list[Any], n: int, multi_label: bool | str) -> Classes:
    """Take one collection of labels a sequence; a lone string stands for itself."""
    if multi_label is False:
        raise DataError("y must hold one class a sequence with multi_label=False; got collections of classes.")
    if len(values) != n:
        raise DataError(f"y must have one entry a sequence; got {len(values)} for {n} sequences.")
    sets = []
    for i, value in enumerate(values):
        labels = value if _is_collection(value) else (value,)
        if not all(isinstance(label, (str, int, np.integer, np.str_)) for label in labels):
            raise DataError(f"y[{i}] must hold strings or integers; got {value!r:.60}.")
        sets.append(label_set(label.item() if isinstance(label, np.generic) else label for label in labels))
    return Classes(sets, True)


def label_set(labels: Iterable[Any]) -> tuple[Any, ...]:
    """Return labels as the value that stands for them together: each once, in order."""
    return tuple(sorted(set(labels)))


@dataclass(frozen=True)
class ClassifiedData:
    """Sequences with their classes and, where they differ, weights."""

    sequences: tuple[Sequence, ...]
    classes: Classes
    weights: np.ndarray | None = None

    @property
    def labels(self) -> list[Any]:
        """The classes, in order."""
        return self.classes.labels

    def targets(self, labels: SequenceOf[Any]) -> np.ndarray:
        """Return targets as `Classes.targets` does."""
        return self.classes.targets(labels)

    def prior(self, labels: SequenceOf[Any]) -> np.ndarray:
        """Return the logits of knowing nothing, shape (K,), see `prior`."""
        return prior(self.classes, labels)

    def vocabulary(self) -> Vocabulary:
        """Count what encoders are fitted on."""
        return Vocabulary.of(self.sequences)

    def encode(
        self, features: tuple[Feature, ...], labels: SequenceOf[Any], seed: int
    ) -> AbstractContextManager[TrainingBatches]:
        """Return the encoded sequences; in memory the seed has nothing to draw."""
        encoded = EncodedCorpus(features, self.sequences, self.targets(labels), self.weights)
        return contextlib.nullcontext(encoded)

    def select(self, places: Iterable[int]) -> ClassifiedData:
        """Return the sequences at these places."""
        places = list(places)
        weights = None if self.weights is None else self.weights[places]
        return ClassifiedData(tuple(self.sequences[i] for i in places), self.classes.select(places), weights)

    def without_empty(self) -> ClassifiedData:
        """Return the sequences that have tokens: nothing can be learnt from the others."""
        full = [i for i, sequence in enumerate(self.sequences) if len(sequence)]
        return self if len(full) == len(self.sequences) else self.select(full)

    def hold_out(self, fraction: float, seed: int) -> tuple[ClassifiedData, ClassifiedData | None]:
        """Hold a share of each class out; a class keeps at least one of its sequences."""
        kept, held = shares_of_each(self.classes.values, fraction, seed)
        return self.select(kept), self.select(held) if held else None


def shares_of_each(values: SequenceOf[Any], fraction: float, seed: int) -> tuple[list[int], list[int]]:
    """Return which places to keep, and which to hold out: a share of each class, of which at least one is kept."""
    order = np.random.default_rng(seed).permutation(len(values))
    by_class: dict[Any, list[int]] = {}
    for i in order:
        by_class.setdefault(values[i], []).append(int(i))
    # Taken from one class after the other at even distances, so that each gives its share of a small part, too.
    ranked = sorted((rank / len(group), i) for group in by_class.values() for rank, i in enumerate(group) if rank)
    size = min(max(1, round(len(order) * fraction)), len(ranked))
    held = sorted(i for _, i in ranked[len(ranked) - size :])
    out = set(held)
    return [i for i in range(len(values)) if i not in out], held


def object_array(values: list[Any]) -> np.ndarray:
    """Return a one-dimensional array of objects."""
    out = np.empty(len(values), object)
    out[:] = values
    return out
