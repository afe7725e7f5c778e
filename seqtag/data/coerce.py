"""What users pass as X and y, in its many forms, as sequences; what is wrong is named by its index."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from seqtag.data.corpus import Corpus, Sequence
from seqtag.data.tokenizers import tokenize
from seqtag.errors import DataError


def as_sequences(X: Any, y: Any = None, *, tokenizer: str = "whitespace") -> tuple[Sequence, ...]:
    """Make sequences of what a user passes.

    Parameters
    ----------
    X : Corpus or iterable
        Of token lists, raw strings (split by the tokenizer), `Sequence` values, or mappings with ``tokens`` and
        further columns.
    y : iterable of list of str, optional
        Labels of each sequence; without it the sequences' own labels stay.
    tokenizer : str
        Name of `seqtag.data.tokenizers.TOKENIZERS`.

    Returns
    -------
    tuple of Sequence

    Raises
    ------
    DataError
        Naming the index of the first element that cannot be used.
    """
    if isinstance(X, (str, bytes, Mapping, Sequence)) or not isinstance(X, Iterable):
        kind = type(X).__name__
        raise DataError(f"X must be a list of token lists or of strings; got one {kind}. For one sentence pass [X].")
    if hasattr(X, "itertuples"):  # a table iterates over the names of its columns
        raise DataError(
            f"X must be a list of token lists or of strings; got one {type(X).__name__}. For one token a "
            "row use Corpus.from_frame."
        )
    sequences = tuple(_as_sequence(element, i, tokenizer) for i, element in enumerate(X))
    return sequences if y is None else _labelled(sequences, y)


def _as_sequence(element: Any, index: int, tokenizer: str) -> Sequence:
    if isinstance(element, Sequence):
        return element
    if isinstance(element, str):
        tokens, offsets = tokenize(element, tokenizer)
        return Sequence(tokens, text=element, offsets=offsets)
    if isinstance(element, Mapping):
        return _from_mapping(element, index)
    return Sequence(_strings(element, f"X[{index}]"))


def _from_mapping(element: Mapping[str, Any], index: int) -> Sequence:
    if "tokens" not in element:
        raise DataError(f"X[{index}] must have the key 'tokens'; it has {', '.join(map(repr, element)) or 'none'}.")
    columns = {str(name): _strings(values, f"X[{index}][{name!r}]") for name, values in element.items()}
    tokens = columns.pop("tokens")
    for name, values in columns.items():
        if len(values) != len(tokens):
            raise DataError(
                f"X[{index}][{name!r}] must have one entry a token; got {len(values)} for {len(tokens)} tokens."
            )
    return Sequence(tokens, columns=columns)


def _strings(values: Any, place: str) -> tuple[str, ...]:
    if isinstance(values, (str, bytes)) or not isinstance(values, (list, tuple, np.ndarray)):
        raise DataError(f"{place} must be a list of strings; got {type(values).__name__} {values!r:.60}.")
    for position, value in enumerate(values):
        if not isinstance(value, str):
            raise DataError(f"{place}[{position}] must be a string; got {type(value).__name__} {value!r:.60}.")
    return tuple(map(str, values))


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
            raise DataError(f"y[{i}] must have one label a token; got {len(own)} for {len(sequence)} tokens.")
        out.append(replace(sequence, labels=own))
    return tuple(out)
