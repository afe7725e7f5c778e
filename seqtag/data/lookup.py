"""What is done to a token, as data: a fold, a part, a table.

A `Lookup` or a `Spelling` holds no code, so that a bundle can store it as JSON and so that Python (here), a
TensorFlow graph and ONNX can each interpret it by one function.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqtag.registry import Registry

PADDING = 0
UNKNOWN = 1
FIRST = 2  # the id of a table's first entry
JOINER = "\x1f"  # the unit separator stands between the tokens of an n-gram, since it is in no token

_HANGUL = re.compile("[\uac00-\ud7a3]+")
_DIGIT = re.compile(r"\d")

FOLDS: Registry[Callable[[str], str]] = Registry("fold")
FOLDS.add("nfc", lambda token: token if token.isascii() else unicodedata.normalize("NFC", token))
FOLDS.add("lower", str.lower)
FOLDS.add("digits", lambda token: _DIGIT.sub("0", token))
FOLDS.add("jamo", lambda token: _HANGUL.sub(lambda run: unicodedata.normalize("NFD", run[0]), token))


def _shape(token: str) -> str:
    """Draw a token's shape: X upper, x lower, 0 digit, other marks as they are; runs cut to two."""
    drawn: list[str] = []
    for char in token:
        mark = "X" if char.isupper() else "x" if char.isalpha() else "0" if char.isdigit() else char
        if drawn[-2:] != [mark, mark]:
            drawn.append(mark)
    return "".join(drawn)


PARTS: Registry[Callable[[str, int], str]] = Registry("part")
PARTS.add("word", lambda token, length: token)
PARTS.add("prefix", lambda token, length: token[:length])
PARTS.add("suffix", lambda token, length: token[-length:])
PARTS.add("shape", lambda token, length: _shape(token))


@dataclass(frozen=True)
class Lookup:
    """A token becomes one id: fold it, take a part, find it in a table.

    Parameters
    ----------
    fold : tuple of str
        Names of `FOLDS`, applied in order.
    part : str
        Name of `PARTS`.
    length : int
        How many characters a prefix or a suffix has (0 for the other parts).
    table : tuple of str
        Entry ``i`` has id ``i + 2``; 0 is padding, 1 is whatever is not in the table.
    """

    fold: tuple[str, ...]
    part: str
    length: int
    table: tuple[str, ...]

    @property
    def size(self) -> int:
        """Number of ids, padding and unknown included."""
        return len(self.table) + FIRST

    def keys(self, tokens: Iterable[str]) -> list[str]:
        """Return what is looked up for each token."""
        take = PARTS[self.part]
        return [take(token, self.length) for token in fold(tokens, self.fold)]


@dataclass(frozen=True)
class Spelling:
    """A token becomes the ids of its characters, at most ``length`` of them.

    Parameters
    ----------
    fold : tuple of str
        Names of `FOLDS`, applied in order.
    length : int
        Characters beyond it are dropped.
    table : tuple of str
        Entry ``i`` has id ``i + 2``; 0 is padding, 1 is any other character.
    """

    fold: tuple[str, ...]
    length: int
    table: tuple[str, ...]

    @property
    def size(self) -> int:
        """Number of ids, padding and unknown included."""
        return len(self.table) + FIRST


def fold(tokens: Iterable[str], names: Iterable[str]) -> list[str]:
    """Apply folds to each token, in order."""
    folded = list(tokens)
    for name in names:
        step = FOLDS[name]
        folded = [step(token) for token in folded]
    return folded


def look_up(lookup: Lookup, ids: Mapping[str, int], tokens: Iterable[str]) -> np.ndarray:
    """Interpret a `Lookup` in Python.

    Parameters
    ----------
    lookup : Lookup
        What to do.
    ids : mapping of str to int
        `index_of` its table, made once.
    tokens : iterable of str
        N tokens.

    Returns
    -------
    ndarray of int32, shape (N,)
    """
    return np.array([ids.get(key, UNKNOWN) for key in lookup.keys(tokens)], np.int32)


def spell(spelling: Spelling, ids: Mapping[str, int], tokens: Iterable[str]) -> np.ndarray:
    """Interpret a `Spelling` in Python.

    Returns
    -------
    ndarray of int32, shape (N, L)
        L is the longest spelling among the tokens, at least 1; right-padded with 0.
    """
    rows = [
        [ids.get(char, UNKNOWN) for char in token[: spelling.length]] or [UNKNOWN]
        for token in fold(tokens, spelling.fold)
    ]
    out = np.zeros((len(rows), max(map(len, rows), default=1)), np.int32)
    for row, chars in zip(out, rows, strict=True):
        row[: len(chars)] = chars
    return out


def ngrams(tokens: Sequence[str], n: int) -> list[str]:
    """Return at each place the token with the n - 1 that follow it, as one string; there are fewer at the end."""
    return [JOINER.join(tokens[i : i + n]) for i in range(len(tokens))]


def index_of(table: Iterable[str]) -> dict[str, int]:
    """Return the id of each entry of a table."""
    return {entry: i + FIRST for i, entry in enumerate(table)}


def learn_table(counts: Counter[str], min_count: int = 1) -> tuple[str, ...]:
    """Make a table of what occurs often enough: most frequent first, ties in code-point order."""
    kept = [(-count, key) for key, count in counts.items() if count >= min_count]
    return tuple(key for _, key in sorted(kept))


def from_dict(cls: type, state: Mapping[str, Any]) -> Any:
    """Rebuild a `Lookup` or a `Spelling` from its JSON form."""
    return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in state.items()})
