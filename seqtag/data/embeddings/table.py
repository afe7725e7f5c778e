"""From a file of word vectors to a table of rows and what finds a token's row in it.

A token is looked for as it is written, then in lower case, then with its digits folded to 0, then both. Each of these
variants is a `Lookup`, and a word of the file stands in one of them only: the last that leaves it as it is. So the
first lookup that knows a token gives the same row as trying the variants on the file would, and no row is kept twice.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from seqtag.data.embeddings.coverage import Coverage, shares_of
from seqtag.data.embeddings.files import FORMATS, detect
from seqtag.data.embeddings.published import locate
from seqtag.data.lookup import FIRST, Lookup, fold, index_of
from seqtag.data.readers._text import fault

HASHED = re.compile("#{2,}")  # how word2vec's vectors of news write numbers of two digits and more


@dataclass(frozen=True)
class Pretrained:
    """What a network's table begins with.

    Parameters
    ----------
    rows : ndarray of float32, shape (size, D)
        The vectors by id; those of padding and of unknown words are 0.
    coverage : Coverage
        How many words of the data have one.
    """

    rows: np.ndarray
    coverage: Coverage


def variants(lowercase: bool, digits: bool) -> tuple[tuple[str, ...], ...]:
    """Return the folds that are tried, in order."""
    folds = [("nfc",), ("nfc", "lower")] if lowercase else [("nfc",)]
    return (*folds, *((*fold, "digits") for fold in folds)) if digits else tuple(folds)


def starts_of(lookups: Iterable[Lookup]) -> tuple[int, ...]:
    """Return where each lookup's range of the ids begins."""
    return tuple(accumulate((lookup.size for lookup in lookups), initial=0))[:-1]


def fit_table(
    source: str,
    parts: Mapping[str, Counter[str]],
    *,
    keep: int = 50_000,
    min_count: int = 1,
    lowercase: bool = True,
    digits: bool = True,
    normalize: bool = True,
    encoding: str = "utf-8",
) -> tuple[tuple[Lookup, ...], Pretrained]:
    """Read of a file what is needed, in one pass.

    Parameters
    ----------
    source : str
        A path, or a name in `seqtag.data.embeddings.published.VECTORS`.
    parts : mapping of str to Counter of str
        The words of each part of the data, counted.
    keep : int
        So many words of the file, the first, are kept whether or not the data has them.
    min_count : int
        Words that the data has so often are kept wherever they stand.
    lowercase, digits : bool
        Which variants are tried.
    normalize : bool
        Whether all numbers are divided by one, so that their mean square is 1 / D.
    encoding : str
        Of the words.

    Raises
    ------
    DataError
        If the file cannot be found or read, naming the line.
    """
    folds = variants(lowercase, digits)
    frequent = [token for part in parts.values() for token, count in part.items() if count >= min_count]
    path = locate(source)
    taken = _Taken({key for names in folds for key in fold(frequent, names)}, keep)
    for word, row in FORMATS[detect(path)](path, taken.wants, encoding):
        taken.add(word, row)
    if not taken.seen:
        raise fault(path, None, "at least one word with its vector", "none")
    lookups, order = _arranged(taken.words, folds)
    vectors = taken.vectors()
    if normalize:
        vectors /= max(float(np.sqrt(np.square(vectors, dtype=np.float64).sum(1).mean())), 1e-12)
    rows = np.zeros((sum(lookup.size for lookup in lookups), vectors.shape[1]), np.float32)
    for start, places in zip(starts_of(lookups), order, strict=True):
        rows[start + FIRST : start + FIRST + len(places)] = vectors[places]
    shares = {name: shares_of(part, *_found(part, lookups)) for name, part in parts.items() if part}
    coverage = Coverage(source, rows.shape[1], taken.seen, len(taken.words), taken.duplicates, shares)
    return lookups, Pretrained(rows, coverage)


def check_beginning(source: str, encoding: str = "utf-8") -> None:
    """Refuse a file of vectors that is not there, or whose first word cannot be read; no more of it is read.

    Raises
    ------
    DataError
    """
    path = locate(source)
    if next(FORMATS[detect(path)](path, lambda word: True, encoding), None) is None:
        raise fault(path, None, "at least one word with its vector", "none")


class _Taken:
    """The words of a file that are kept, with their vectors, in the file's order."""

    def __init__(self, needed: set[str], keep: int) -> None:
        self._needed = needed
        self._keep = keep
        self._blocks: list[np.ndarray] = []
        self._pending: list[np.ndarray] = []
        self.words: dict[str, int] = {}
        self.seen = 0
        self.duplicates = 0

    def wants(self, word: str) -> bool:
        """Tell whether a word is one of the first, or needed, and new."""
        self.seen += 1
        (word,) = fold([word], ("nfc",))
        if word in self.words:
            self.duplicates += 1
            return False
        return self.seen <= self._keep or word in self._needed or _unhashed(word) in self._needed

    def add(self, word: str, row: np.ndarray) -> None:
        """Keep a word that is wanted."""
        (word,) = fold([word], ("nfc",))
        self.words[word] = len(self.words)
        self._pending.append(row)
        if len(self._pending) == 4096:  # an array a word would cost more than its numbers
            self._blocks.append(np.stack(self._pending))
            self._pending = []

    def vectors(self) -> np.ndarray:
        """Return the vectors of the words, shape (N, D)."""
        rest = [np.stack(self._pending)] if self._pending else []
        return np.concatenate([*self._blocks, *rest]) if self.words else np.zeros((0, 1), np.float32)


def _unhashed(word: str) -> str:
    """Return the word with digits folded to 0 where they are folded to # in it."""
    return HASHED.sub(lambda run: "0" * len(run[0]), word) if "##" in word else word


def _arranged(
    words: Mapping[str, int], folds: tuple[tuple[str, ...], ...]
) -> tuple[tuple[Lookup, ...], list[list[int]]]:
    """Give each word to the last lookup that leaves it as it is; with the number of its vector."""
    entries = dict(words)
    if "digits" in folds[-1]:
        for word, number in words.items():
            entries.setdefault(_unhashed(word), number)
    keys = list(entries)
    column = np.zeros(len(keys), int)
    for i, names in enumerate(folds):
        column[[folded == key for folded, key in zip(fold(keys, names), keys, strict=True)]] = i
    tables = [[key for key, of in zip(keys, column, strict=True) if of == i] for i in range(len(folds))]
    lookups = tuple(Lookup(names, "word", 0, tuple(table)) for names, table in zip(folds, tables, strict=True))
    return lookups, [[entries[key] for key in table] for table in tables]


def _found(tokens: Iterable[str], lookups: tuple[Lookup, ...]) -> tuple[set[str], set[str]]:
    """Return the tokens that are found as they are written, and those that are found at all."""
    given = list(tokens)
    written = fold(given, ("nfc",))
    exact, known = set(), set()
    for lookup in lookups:
        ids = index_of(lookup.table)
        for token, as_is, key in zip(given, written, lookup.keys(given), strict=True):
            if key in ids:
                known.add(token)
                if key == as_is:
                    exact.add(token)
    return exact, known
