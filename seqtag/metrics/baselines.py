"""What a model has to beat: answers that look at the training data's frequencies alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from itertools import islice
from typing import Any

from seqtag.errors import DataError
from seqtag.metrics.classes import Classes, class_sets
from seqtag.metrics.tagging import paired


def most_frequent_label_baseline(
    train_tokens: Iterable[Sequence[str]], train_labels: Iterable[Sequence[str]], test_tokens: Iterable[Sequence[str]]
) -> list[list[str]]:
    """Label each word as it was labelled most often: what a model has to beat.

    A word that is not in the training data gets the label that is most frequent there. Between labels that are
    equally frequent the first in the alphabet is taken.

    Parameters
    ----------
    train_tokens, train_labels : iterable of sequence of str
        Words and their labels, sequence by sequence; what is an iterator is never held.
    test_tokens : iterable of sequence of str
        The words to label.

    Returns
    -------
    list of list of str
        One label a test word.

    Raises
    ------
    DataError
        If words and labels differ in number, or there are no words to count.
    """
    by_word: dict[str, Counter[str]] = defaultdict(Counter)
    for tokens, labels in _pairs(train_tokens, train_labels):
        for token, label in zip(tokens, labels, strict=True):
            by_word[token][label] += 1
    if not by_word:
        raise DataError("train_tokens must hold at least one word, to know a most frequent label; got none.")
    overall = most_frequent(sum(by_word.values(), Counter()))
    best = {word: most_frequent(labels) for word, labels in by_word.items()}
    return [[best.get(token, overall) for token in tokens] for tokens in test_tokens]


def most_frequent_class_baseline(train_classes: Classes, n: int) -> list[Any]:
    """Give every sequence the class that most have: what a classifier has to beat.

    Between classes that are equally frequent the first in their own order is taken.

    Parameters
    ----------
    train_classes : sequence
        The class, or the collection of labels, of each training sequence; or a binary indicator array, whose labels
        are the numbers of its columns.
    n : int
        How many sequences there are to answer.

    Returns
    -------
    list
        n times the same class; for multi-label n times a tuple with the one most frequent label, an empty one if no
        sequence has any.

    Raises
    ------
    DataError
        If there are no sequences to count, or `seqtag.metrics.class_report` would not take the classes.
    """
    found = class_sets(train_classes, "train_classes")
    if not found.sets:
        raise DataError("train_classes must hold at least one sequence, to know a most frequent class; got none.")
    counts = Counter(label for labels in found.sets for label in labels)
    if not found.multi_label:
        return [most_frequent(counts)] * n
    return [(most_frequent(counts),) if counts else ()] * n


def _pairs(
    tokens: Iterable[Sequence[str]], labels: Iterable[Sequence[str]]
) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    """Put words and labels side by side, a thousand sequences at a time where they are not in memory anyway."""
    names = "train_tokens", "train_labels"
    if isinstance(tokens, Sized) and isinstance(labels, Sized):
        yield from paired(list(tokens), list(labels), *names)
        return
    words, tags, start = iter(tokens), iter(labels), 0
    while True:
        some, theirs = list(islice(words, 1000)), list(islice(tags, 1000))
        if len(some) != len(theirs):
            missing = start + min(len(some), len(theirs))
            raise DataError(f"{' and '.join(names)} must have as many sequences; sequence {missing} is missing in one.")
        if not some:
            return
        yield from paired(some, theirs, *names)
        start += len(some)


def most_frequent(labels: Mapping[Any, int]) -> Any:
    """Return the label that is counted most often; of those that are equally frequent, the first in their order."""
    return min(labels, key=lambda label: (-labels[label], label))
