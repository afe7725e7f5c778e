"""What users pass as X and y, in its many forms, as sequences; what is wrong is named by its index."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from numbers import Number
from typing import Any

import numpy as np

from seqtag.data.arrays import frozen_table, real_array
from seqtag.data.corpus import Corpus, Sequence
from seqtag.data.tokenizers import tokenize
from seqtag.errors import DataError

_TEXT = "OUST"  # the kinds of NumPy's types that may hold strings


def as_sequences(X: Any, y: Any = None, *, tokenizer: str = "whitespace") -> tuple[Sequence, ...]:
    """Make sequences of what a user passes.

    Parameters
    ----------
    X : Corpus, array or iterable
        Of token lists, raw strings (split by the tokenizer), numbers of shape (T, F), or (T,) for one feature,
        `Sequence` values, or mappings with ``tokens`` or ``frames``. What else a mapping holds is a column where it is
        a list of strings, and vectors where it is a table of numbers; a string under ``group`` is the document that it
        belongs to. So an array (N, T, F) is N sequences of T
        frames, and (N, T) is N sequences of T frames with one feature. NaN is a missing value.
    y : iterable of list of str, optional
        Labels of each sequence, one a token or frame; without it the sequences' own labels stay.
    tokenizer : str
        Name of `seqtag.data.tokenizers.TOKENIZERS`.

    Returns
    -------
    tuple of Sequence
        All with tokens, or all with frames of one width.

    Raises
    ------
    DataError
        Naming the index of the first element that cannot be used.
    """
    sequences = _alike(list(each_sequence(X, tokenizer=tokenizer)))
    return sequences if y is None else _labelled(sequences, y)


def each_sequence(X: Any, *, tokenizer: str = "whitespace") -> Iterator[Sequence]:
    """Make a sequence of each element as it is asked for; X may have no end.

    Parameters
    ----------
    X : iterable
        As for `as_sequences`.
    tokenizer : str
        Name of `seqtag.data.tokenizers.TOKENIZERS`.

    Raises
    ------
    DataError
        At once, if X is not many; at its turn, naming its index, if an element cannot be used. Whether all are of one
        kind is left to who reads them.
    """
    expected = "X must be a list of token lists, of strings or of arrays of numbers"
    if isinstance(X, (str, bytes, Mapping, Sequence)) or not isinstance(X, Iterable):
        raise DataError(f"{expected}; got one {type(X).__name__}. For one sentence pass [X].")
    if isinstance(X, np.ndarray) and (X.ndim == 0 or (X.ndim == 1 and X.dtype.kind not in _TEXT)):
        raise DataError(f"{expected}; got one array of shape {X.shape}. For one sequence pass [X].")
    if hasattr(X, "itertuples"):  # a table iterates over the names of its columns
        raise DataError(f"{expected}; got one {type(X).__name__}. For one token or frame a row use Corpus.from_frame.")
    return (_as_sequence(element, i, tokenizer) for i, element in enumerate(X))


def _as_sequence(element: Any, index: int, tokenizer: str) -> Sequence:
    if isinstance(element, Sequence):
        return element
    if isinstance(element, str):
        tokens, offsets = tokenize(element, tokenizer)
        return Sequence(tokens, text=element, offsets=offsets)
    if isinstance(element, Mapping):
        return _from_mapping(element, index)
    element = _unpacked(element)
    if _is_listed(element) and _is_numeric(element):
        return Sequence(frames=_frames(element, f"X[{index}]"))
    return Sequence(_strings(element, f"X[{index}]"))


def _from_mapping(element: Mapping[str, Any], index: int) -> Sequence:
    if ("tokens" in element) == ("frames" in element):
        known = ", ".join(map(repr, element)) or "none"
        raise DataError(f"X[{index}] must have the key 'tokens' or 'frames', and not both; it has {known}.")
    tokens: tuple[str, ...] = ()
    frames = group = None
    columns, vectors = {}, {}
    for name, values in element.items():
        place = f"X[{index}][{name!r}]"
        values = _unpacked(values)
        if name == "frames":
            frames = _frames(values, place)
        elif name == "tokens":
            tokens = _strings(values, place)
        elif name == "group" and isinstance(values, (str, int)):
            group = str(values)
        elif _is_table(values):
            vectors[str(name)] = frozen_table(values, place)
        else:
            columns[str(name)] = _strings(values, place)
    size, unit = (len(tokens), "token") if frames is None else (len(frames), "frame")
    for name, values in (columns | vectors).items():
        if len(values) != size:
            raise DataError(f"X[{index}][{name!r}] must have one entry a {unit}; got {len(values)} for {size} {unit}s.")
    return Sequence(tokens, columns=columns, group=group, frames=frames, vectors=vectors)


def _unpacked(values: Any) -> Any:
    """Return what a data frame, a tensor or the like holds as an array."""
    is_other = hasattr(values, "__array__") and not isinstance(values, (np.ndarray, np.generic))
    return np.asarray(values) if is_other else values


def _is_listed(values: Any) -> bool:
    return isinstance(values, (list, tuple)) or (isinstance(values, np.ndarray) and values.ndim > 0)


def _is_numeric(values: Any) -> bool:
    """Tell whether something is meant as numbers: by its type, or by the first thing in it."""
    if isinstance(values, np.ndarray) and values.dtype.kind not in _TEXT:
        return True
    if _is_listed(values):
        return _is_numeric(next((value for value in values if value is not None), None))
    return isinstance(values, (Number, np.bool_))


def _is_table(values: Any) -> bool:
    """Tell whether something is meant as numbers in rows."""
    if not (_is_listed(values) and _is_numeric(values)):
        return False
    return values.ndim > 1 if isinstance(values, np.ndarray) else not any(isinstance(v, Number) for v in values)


def _frames(values: Any, place: str) -> np.ndarray:
    if not _is_listed(values) or (len(values) and not _is_numeric(values)):
        raise DataError(f"{place} must be an array of numbers; got {type(values).__name__} {values!r:.60}.")
    array = real_array(values, place)
    return frozen_table(array[:, None] if array.ndim == 1 else array, place)


def _strings(values: Any, place: str) -> tuple[str, ...]:
    if not _is_listed(values):
        raise DataError(f"{place} must be a list of strings; got {type(values).__name__} {values!r:.60}.")
    if set(map(type, values)) == {str}:
        return tuple(values)
    for position, value in enumerate(values):
        if not isinstance(value, str):
            raise DataError(f"{place}[{position}] must be a string; got {type(value).__name__} {value!r:.60}.")
    return tuple(map(str, values))


def _alike(sequences: list[Sequence]) -> tuple[Sequence, ...]:
    """Refuse tokens beside frames, and frames of several widths; empty sequences go with either."""
    tables = {i: sequence.frames for i, sequence in enumerate(sequences) if sequence.frames is not None}
    if not tables:
        return tuple(sequences)
    first = next((i for i, table in tables.items() if len(table)), next(iter(tables)))
    width = tables[first].shape[1]
    for i, sequence in enumerate(sequences):
        if not len(sequence):
            sequences[i] = replace(sequence, frames=np.zeros((0, width), np.float32))
        elif i not in tables:
            raise DataError(f"X must hold tokens or numbers, not both; X[{first}] has frames, X[{i}] has tokens.")
        elif tables[i].shape[1] != width:
            got = tables[i].shape[1]
            raise DataError(f"X[{i}] must have as many features as X[{first}], which is {width}; got {got}.")
    return tuple(sequences)


def _labelled(sequences: tuple[Sequence, ...], y: Any) -> tuple[Sequence, ...]:
    if isinstance(y, (str, bytes, Mapping)) or not isinstance(y, Iterable):
        raise DataError(f"y must be a list of label lists; got one {type(y).__name__}.")
    labels = list(y.labels if isinstance(y, Corpus) else y)
    if len(labels) != len(sequences):
        raise DataError(f"y must have one label list a sequence; got {len(labels)} for {len(sequences)} sequences.")
    out = []
    for i, (sequence, own) in enumerate(zip(sequences, labels, strict=True)):
        own = _strings(own, f"y[{i}]")
        if len(own) != len(sequence):
            unit = "token" if sequence.frames is None else "frame"
            raise DataError(f"y[{i}] must have one label a {unit}; got {len(own)} for {len(sequence)} {unit}s.")
        out.append(replace(sequence, labels=own))
    return tuple(out)
