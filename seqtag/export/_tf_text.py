"""What is done to a token, and how text is cut into tokens, as a TensorFlow graph.

TensorFlow knows nothing of Unicode's properties, so what Python does to each code point is written into tables when a
model is exported: the graph gives what this Python's `str` methods give, whatever the library was built with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from seqtag.data.lookup import FIRST, FOLDS, JOINER, PADDING, PARTS, UNKNOWN, Lookup, Spelling
from seqtag.data.tokenizers import TOKENIZERS
from seqtag.registry import Registry

CODE_POINTS = 0x110000
PAGE = 256
SIGMA, FINAL_SIGMA = 0x3A3, 0x3C2
NO_TEXT = b"\xff"  # in no UTF-8, so that no token is ever this entry


# === Tables over all code points ===


@dataclass(frozen=True)
class Mapped:
    """What a fold makes of each code point by itself.

    Parameters
    ----------
    offsets : ndarray of int32, shape (1114112,)
        What is added to a code point that becomes one.
    several : dict of int to str
        The code points that become none or more than one.
    """

    offsets: np.ndarray
    several: dict[int, str]


@cache
def map_of(name: str) -> Mapped:
    """Apply a fold to every code point by itself."""
    fold = FOLDS[name]
    offsets, several = np.zeros(CODE_POINTS, np.int32), {}
    for first in range(0, CODE_POINTS, PAGE):
        page = "".join(map(chr, range(first, first + PAGE)))
        if fold(page) == page:
            continue
        for point, char in enumerate(page, first):
            folded = fold(char)
            if len(folded) == 1:
                offsets[point] = ord(folded) - point
            else:
                several[point] = folded
    return Mapped(offsets, several)


MARKS = "Xx0"


@cache
def marks_of_shape() -> np.ndarray:
    """Tell which of `MARKS`, counted from 1, a token's shape has for each code point; 0 where the character stays."""
    shape = PARTS["shape"]
    return np.fromiter((MARKS.find(shape(chr(point), 0)) + 1 for point in range(CODE_POINTS)), np.int32, CODE_POINTS)


CASED, IGNORABLE = 1, 2


@cache
def case_of_neighbours() -> np.ndarray:
    """Tell what each code point is to a sigma beside it: cased, ignorable, or 0 for neither.

    `str.lower` writes a capital sigma that ends a word as the final one (Unicode, section 3.13, Final_Sigma): behind a
    cased character and before none, what is ignorable passed over. Python does not give these two properties, yet
    shows them by what it does to a sigma.
    """
    final, sigma = chr(FINAL_SIGMA), chr(SIGMA)
    found = np.zeros(CODE_POINTS, np.int32)
    for point in range(CODE_POINTS):
        char = chr(point)
        if (char + sigma).lower()[-1] == final:
            found[point] = CASED
        elif ("A" + char + sigma).lower()[-1] == final:
            found[point] = IGNORABLE
    return found


class PointTable:
    """A number for each code point, in pages of which equal ones are kept once.

    Parameters
    ----------
    values : ndarray of int, shape (1114112,)
    """

    def __init__(self, values: np.ndarray) -> None:
        pages, which = np.unique(values.reshape(-1, PAGE), axis=0, return_inverse=True)
        self._pages = pages.astype(np.int32).ravel()
        self._which = which.astype(np.int32).ravel()

    def __call__(self, points: Any) -> Any:
        """Return the numbers of code points, int32 of any shape."""
        import tensorflow as tf

        pages = tf.gather(tf.constant(self._which), tf.bitwise.right_shift(points, 8))
        return tf.gather(tf.constant(self._pages), pages * PAGE + tf.bitwise.bitwise_and(points, PAGE - 1))


# === Folds, on ragged rows of code points ===


def as_given(name: str, text: Any) -> Any:
    """Leave the text as it is: that it is NFC is what the graph expects of its input."""
    return text


def mapped(name: str, text: Any) -> Any:
    """Fold each code point by itself."""
    import tensorflow as tf

    table = map_of(name)
    single = text.values + PointTable(table.offsets)(text.values)
    if not table.several:
        return text.with_values(single)
    widths = np.ones(CODE_POINTS, np.int32)
    widths[list(table.several)] = [len(spelled) for spelled in table.several.values()]
    counts = PointTable(widths)(text.values)
    values, splits = tf.cond(
        tf.reduce_any(counts != 1),
        lambda: _spread(table.several, text, single, counts),
        lambda: (single, text.row_splits),
    )
    return tf.RaggedTensor.from_row_splits(values, splits, validate=False)


def _spread(several: Mapping[int, str], text: Any, single: Any, counts: Any) -> tuple[Any, Any]:
    """Put what several code points become in their place; return values and row splits."""
    import tensorflow as tf

    begins = np.full(CODE_POINTS, -1, np.int32)
    sizes = np.array([len(spelled) for spelled in several.values()])
    begins[list(several)] = np.cumsum(sizes) - sizes
    spelled = tf.constant([ord(char) for char in "".join(several.values())], tf.int32)
    ends = tf.cumsum(counts)
    source = tf.repeat(tf.range(tf.size(counts)), counts)
    within = tf.range(tf.size(source)) - tf.gather(ends - counts, source)
    begin = tf.gather(PointTable(begins)(text.values), source)
    values = tf.where(begin < 0, tf.gather(single, source), tf.gather(spelled, tf.maximum(begin, 0) + within))
    return values, _moved(ends, text.row_splits)


def _moved(ends: Any, splits: Any) -> Any:
    """Return where rows begin and end once each of their values became some, of which ``ends`` is the running sum."""
    import tensorflow as tf

    return tf.cast(tf.gather(tf.concat([[0], ends], 0), splits), splits.dtype)


def lowered(name: str, text: Any) -> Any:
    """Write small letters, and a capital sigma as the one of the two that its place wants."""
    import tensorflow as tf

    points = tf.cond(
        tf.reduce_any(text.values == SIGMA),
        lambda: tf.where(_ends_a_word(text), FINAL_SIGMA, text.values),
        lambda: text.values,
    )
    return mapped(name, text.with_values(points))


def _ends_a_word(text: Any) -> Any:
    """Tell which values are a capital sigma that ends a word."""
    import tensorflow as tf

    rows = tf.cast(text.value_rowids(), tf.int32)
    case = PointTable(case_of_neighbours())(text.values)
    counts = case != IGNORABLE
    # What is not ignorable, one after the other, between two sentinels of no row: a sigma's own neighbours stand there.
    cased = tf.pad(tf.boolean_mask(case == CASED, counts), [[1, 1]])
    row = tf.pad(tf.boolean_mask(rows, counts), [[1, 1]], constant_values=-1)
    place = tf.maximum(tf.cumsum(tf.cast(counts, tf.int32)), 1)
    before = tf.gather(cased, place - 1) & (tf.gather(row, place - 1) == rows)
    after = tf.gather(cased, place + 1) & (tf.gather(row, place + 1) == rows)
    return (text.values == SIGMA) & before & ~after


GRAPH_FOLDS: Registry[Callable[[str, Any], Any]] = Registry("fold of a TensorFlow graph")
"""What interprets each of `seqtag.data.lookup.FOLDS`."""
GRAPH_FOLDS.add("nfc", as_given)
GRAPH_FOLDS.add("lower", lowered)
GRAPH_FOLDS.add("digits", mapped)
GRAPH_FOLDS.add("jamo", mapped)


# === Parts, of folded tokens ===


class Folded:
    """Tokens of a graph under any folds, each fold computed once.

    Parameters
    ----------
    tokens : tensor of string, shape (N,)
        In UTF-8 and NFC.
    """

    def __init__(self, tokens: Any) -> None:
        self._strings: dict[tuple[str, ...], Any] = {(): tokens}
        self._points: dict[tuple[str, ...], Any] = {}

    def points(self, folds: tuple[str, ...]) -> Any:
        """Return the folded tokens as ragged code points (N, characters)."""
        import tensorflow as tf

        if folds not in self._points:
            if folds:
                self._points[folds] = GRAPH_FOLDS[folds[-1]](folds[-1], self.points(folds[:-1]))
            else:
                self._points[folds] = tf.strings.unicode_decode(self._strings[()], "UTF-8")
        return self._points[folds]

    def strings(self, folds: tuple[str, ...]) -> Any:
        """Return the folded tokens as strings (N,)."""
        import tensorflow as tf

        folds = () if all(GRAPH_FOLDS[name] is as_given for name in folds) else folds
        if folds not in self._strings:
            self._strings[folds] = tf.strings.unicode_encode(self.points(folds), "UTF-8")
        return self._strings[folds]


def word(folded: Folded, folds: tuple[str, ...], length: int) -> Any:
    """Return the whole token."""
    return folded.strings(folds)


def prefix(folded: Folded, folds: tuple[str, ...], length: int) -> Any:
    """Return the first characters."""
    import tensorflow as tf

    return tf.strings.substr(folded.strings(folds), 0, length, unit="UTF8_CHAR")


def suffix(folded: Folded, folds: tuple[str, ...], length: int) -> Any:
    """Return the last characters."""
    import tensorflow as tf

    strings = folded.strings(folds)
    begin = tf.maximum(tf.strings.length(strings, "UTF8_CHAR") - length, 0)
    return tf.strings.substr(strings, begin, tf.fill(tf.shape(begin), length), unit="UTF8_CHAR")


def shape(folded: Folded, folds: tuple[str, ...], length: int) -> Any:
    """Return what kinds of characters follow each other, runs cut to two."""
    import tensorflow as tf

    text = folded.points(folds)
    kind = PointTable(marks_of_shape())(text.values)
    marks = tf.where(kind > 0, tf.gather(tf.constant([0, *map(ord, MARKS)], tf.int32), kind), text.values)
    rows = text.value_rowids()
    third = (marks[2:] == marks[1:-1]) & (marks[2:] == marks[:-2]) & (rows[2:] == rows[:-2])
    kept = ~tf.concat([tf.zeros_like(marks[:2], tf.bool), third], 0)
    splits = _moved(tf.cumsum(tf.cast(kept, tf.int32)), text.row_splits)
    drawn = tf.RaggedTensor.from_row_splits(tf.boolean_mask(marks, kept), splits, validate=False)
    return tf.strings.unicode_encode(drawn, "UTF-8")


GRAPH_PARTS: Registry[Callable[[Folded, tuple[str, ...], int], Any]] = Registry("part of a TensorFlow graph")
"""What interprets each of `seqtag.data.lookup.PARTS`."""
GRAPH_PARTS.add("word", word)
GRAPH_PARTS.add("prefix", prefix)
GRAPH_PARTS.add("suffix", suffix)
GRAPH_PARTS.add("shape", shape)


# === Tokens to ids ===


def hash_table(entries: Iterable[str], offset: int) -> Any:
    """Make a table of a graph that gives entries their ids, ``offset`` added, and the unknown's to all else."""
    import tensorflow as tf

    # Half a character, which a vocabulary may hold, is in no UTF-8: its entry keeps its id and is never found.
    ids = {entry: i for i, entry in enumerate(entries, FIRST + offset) if _is_text(entry)}
    keys = tf.constant([NO_TEXT, *(entry.encode() for entry in ids)], tf.string)
    values = tf.constant([UNKNOWN + offset, *ids.values()], tf.int64)
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, values), UNKNOWN + offset)


def _is_text(entry: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in entry)


def look_up(lookup: Lookup, table: Any, folded: Folded) -> Any:
    """Interpret a `Lookup` in a graph.

    Parameters
    ----------
    lookup : Lookup
        What to do.
    table : StaticHashTable
        `hash_table` of its entries, made outside of the graph.
    folded : Folded
        N tokens.

    Returns
    -------
    tensor of int32, shape (N,)
    """
    import tensorflow as tf

    return tf.cast(table.lookup(GRAPH_PARTS[lookup.part](folded, lookup.fold, lookup.length)), tf.int32)


def spell(spelling: Spelling, folded: Folded) -> Any:
    """Interpret a `Spelling` in a graph.

    Returns
    -------
    tensor of int32, shape (N, L)
        L is the longest spelling among the tokens, at least 1; right-padded with 0.
    """
    import tensorflow as tf

    ids = np.full(CODE_POINTS, UNKNOWN)
    ids[[ord(entry) for entry in spelling.table]] = np.arange(FIRST, spelling.size)
    text = folded.points(spelling.fold)[:, : spelling.length]
    rows = text.with_values(PointTable(ids)(text.values)).to_tensor(PADDING)
    first = tf.where(text.row_lengths()[:, None] == 0, UNKNOWN, tf.pad(rows, [[0, 0], [0, 1]])[:, :1])
    return tf.concat([first, rows[:, 1:]], 1)


def ngrams(tokens: Any, lengths: Any, n: int) -> Any:
    """Return at each place (B, T) the token with the n - 1 that follow it, as one string; at the end with fewer."""
    import tensorflow as tf

    places = tf.range(tf.shape(tokens)[1])[None]
    joined = tokens
    for k in range(1, n):
        ahead = tf.pad(tokens, [[0, 0], [0, k]], constant_values="")[:, k:]
        follows = places + k < lengths[:, None]
        joined = tf.strings.join([joined, tf.where(follows, tf.strings.join([JOINER, ahead]), "")])
    return joined


# === Text to tokens ===

_CUT = "\x1e"  # white space to every tokenizer, so it is in no token


def tokenize(texts: Any, name: str) -> tuple[Any, Any, Any]:
    """Cut texts into tokens.

    Parameters
    ----------
    texts : tensor of string, shape (B,)
    name : str
        Name of `seqtag.data.tokenizers.TOKENIZERS`.

    Returns
    -------
    tokens, starts, ends : RaggedTensor of string, int32 and int32, shape (B, tokens)
        Starts and ends in characters of the text.
    """
    import tensorflow as tf

    # Each token stands between two cuts, so that every second piece is one, and what lies between is white space.
    marked = tf.strings.regex_replace(texts, _CUT, " ")
    marked = tf.strings.regex_replace(marked, TOKENIZERS[name].pattern, rf"{_CUT}\0{_CUT}")
    pieces = tf.strings.split(marked, _CUT)
    lengths = pieces.with_values(tf.strings.length(pieces.values, "UTF8_CHAR"))
    ends = tf.cumsum(lengths.values)
    before = tf.gather(tf.concat([[0], ends], 0), pieces.row_splits[:-1])  # characters of the texts before
    ends = pieces.with_values(ends - tf.gather(before, pieces.value_rowids()))
    return pieces[:, 1::2], (ends - lengths)[:, 1::2], ends[:, 1::2]
