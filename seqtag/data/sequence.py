"""One sequence of tokens or of numbers, with all that is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from seqtag.data.arrays import frozen_table, same_tables
from seqtag.errors import DataError


@dataclass(frozen=True, slots=True)
class Sequence:
    """One sentence (or other sequence) with what is known of it.

    Parameters
    ----------
    tokens : tuple of str
        The words, length T.
    labels : tuple of str, optional
        One label a token or frame, length T (tagging).
    label : str or tuple of str, optional
        One label for the whole sequence (classification, intents), or several at once.
    columns : mapping of str to tuple of str
        Extra columns by name, each of length T (part of speech, gazetteer marks).
    text : str, optional
        The raw text that the tokens were cut from.
    offsets : tuple of (int, int), optional
        Start and end of each token in ``text``, in characters, length T.
    lines : tuple of int, optional
        The line of the file on which each token stands, length T, counted from 1.
    group, id : str, optional
        The document it belongs to, and its own name.
    frames : ndarray of float32, shape (T, F), optional
        Numbers in place of tokens, a row a step of time; NaN is a missing value. A read-only copy is kept.
    vectors : mapping of str to ndarray of float32, shape (T, D)
        Numbers beside the tokens (or frames) by name, such as precomputed word vectors; kept as read-only copies.

    Raises
    ------
    DataError
        If it has both tokens and frames, something that is counted by the token or frame has not its length, numbers
        have not two axes or are infinite, or ``label`` is neither a string nor a tuple of strings.
    """

    tokens: tuple[str, ...] = ()
    labels: tuple[str, ...] | None = None
    label: str | tuple[str, ...] | None = None
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    text: str | None = None
    offsets: tuple[tuple[int, int], ...] | None = None
    lines: tuple[int, ...] | None = None
    group: str | None = None
    id: str | None = None
    frames: np.ndarray | None = field(default=None, compare=False)
    vectors: Mapping[str, np.ndarray] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if self.frames is not None:
            object.__setattr__(self, "frames", frozen_table(self.frames, "frames"))
            if self.tokens:
                raise DataError(
                    f"a sequence must have tokens or frames, not both; got {len(self.tokens)} tokens and frames of "
                    f"shape {self.frames.shape}. Numbers beside tokens are vectors."
                )
        if self.vectors:
            tables = {name: frozen_table(table, f"vectors[{name!r}]") for name, table in self.vectors.items()}
            object.__setattr__(self, "vectors", tables)
        self._check_lengths()
        if not (self.label is None or isinstance(self.label, str) or _is_strings(self.label)):
            raise DataError(f"label must be a string, or a tuple of strings for several labels; got {self.label!r}.")

    def _check_lengths(self) -> None:
        counted: list[tuple[str, Any]] = [("labels", self.labels), ("offsets", self.offsets), ("lines", self.lines)]
        for name, values in (*counted, *self.columns.items(), *self.vectors.items()):
            if values is not None and len(values) != len(self):
                unit = "token" if self.frames is None else "frame"
                whose = repr(" ".join(self.tokens[:8])) if self.frames is None else called(self)
                raise DataError(
                    f"{name} must have one entry a {unit}; got {len(values)} for the {len(self)} {unit}s of {whose}."
                )

    def __len__(self) -> int:
        return len(self.tokens if self.frames is None else self.frames)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return (
            all(getattr(self, part.name) == getattr(other, part.name) for part in fields(self) if part.compare)
            and same_tables(self.frames, other.frames)
            and self.vectors.keys() == other.vectors.keys()
            and all(same_tables(table, other.vectors[name]) for name, table in self.vectors.items())
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # An unpickled array could be written to; one that the constructor copies cannot.
        return type(self), tuple(getattr(self, part.name) for part in fields(self))


def called(sequence: Sequence) -> str:
    """Word which sequence is meant: by its id, or by what it begins with and the line it stands on."""
    place = f" (line {sequence.lines[0]})" if sequence.lines else ""
    if sequence.id is not None:
        return f"the one with the id {sequence.id!r}{place}"
    if not len(sequence):
        return "one that is empty"
    if sequence.frames is None:
        return f"the one that begins {' '.join(sequence.tokens[:6])!r}{place}"
    first = ", ".join(f"{value:.4g}" for value in sequence.frames[0, :6])
    more = ", ..." if sequence.frames.shape[1] > 6 else ""
    return f"the one of {len(sequence)} frames that begins [{first}{more}]{place}"


def _is_strings(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(item, str) for item in value)
