"""Fitted encoders as plain data: what the network must know of an input, and what is done to a sequence for it."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as SequenceOf
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from seqtag.data.embeddings.table import Pretrained
from seqtag.data.gazetteers import Gazetteer
from seqtag.data.lookup import UNKNOWN, Lookup, Spelling, from_dict, index_of, look_up, ngrams, spell
from seqtag.data.scaling import Scaler
from seqtag.data.sequence import Sequence, called
from seqtag.errors import DataError, near_name


@dataclass(frozen=True)
class FeatureSpec:
    """What the network must know of one input.

    Parameters
    ----------
    name : str
        Key of the input in a batch.
    kind : {"ids", "chars", "vectors"}
        ``ids``: ``width`` table rows a token. ``chars``: a right-padded row of character ids a token. ``vectors``:
        ``width`` numbers a token or frame, float32, which the network takes as they are.
    level : {"type", "token"}
        Given once per distinct token of the batch, shape (U, width or L), or per token, shape (B, T, width).
    size : int
        Number of ids; 0 for ``vectors``.
    width : int
        Ids or numbers a token.
    dim : int
        Width of one embedded id.
    rare_from : int
        Ids from here on were seen once in training: in training they are replaced by the unknown id now and then.
    drop : float
        How often a rare id is replaced.
    model : {"cnn", "lstm", ...}
        Who reads the characters (``chars`` only): a convolution, or a bidirectional recurrent cell.
    filters : int
        Outputs of that reader.
    starts : tuple of int
        Where each column of ids has a range of its own that begins here, and a token's vector is that of the first
        column that knows it. Empty: the vectors of all columns side by side.
    trainable : bool
        Whether training changes the table (``ids`` only).
    projected : int
        Width of a linear layer behind the table; 0 for none (``ids`` only).
    """

    name: str
    kind: str
    level: str
    size: int
    width: int = 1
    dim: int = 16
    rare_from: int = 0
    drop: float = 0.0
    model: str = "cnn"
    filters: int = 30
    starts: tuple[int, ...] = ()
    trainable: bool = True
    projected: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "starts", tuple(self.starts))  # JSON has no tuples


@dataclass(frozen=True)
class Feature:
    """A fitted encoder: its contract to the network and what it does to a token.

    Parameters
    ----------
    spec : FeatureSpec
        What the network sees.
    lookups : tuple of Lookup
        One a column of ids; each has its own range of the ids, in order.
    spelling : Spelling, optional
        For characters.
    column : str, optional
        The corpus column read instead of the token.
    counts : tuple of int
        How often each id of the first table was seen in training.
    scaler : Scaler, optional
        What is done to numbers, of a feature of the kind ``vectors``.
    vectors : str, optional
        The vectors read in place of the frames.
    are_states : bool
        Whether those vectors are the states of a language model, which the saved model holds by this name.
    ngram : int
        How many tokens, from each place on, are read as one.
    gazetteer : Gazetteer, optional
        Whose marks are read in place of the tokens, each type by its own lookup.
    pretrained : Pretrained, optional
        What the network's table begins with. Training alone has it: it is no part of the JSON form.
    """

    spec: FeatureSpec
    lookups: tuple[Lookup, ...] = ()
    spelling: Spelling | None = None
    column: str | None = None
    counts: tuple[int, ...] = field(default=(), repr=False)
    scaler: Scaler | None = None
    vectors: str | None = None
    are_states: bool = False
    ngram: int = 1
    gazetteer: Gazetteer | None = field(default=None, repr=False)
    pretrained: Pretrained | None = field(default=None, repr=False, compare=False)

    @cached_property
    def _ids(self) -> list[dict[str, int]]:
        tables = [lookup.table for lookup in self.lookups] or [self.spelling.table if self.spelling else ()]
        return [index_of(table) for table in tables]

    @property
    def row_width(self) -> int:
        """The most ids that a token has: of a spelling, its longest."""
        return self.spec.width if self.spelling is None else self.spelling.length

    def encode(self, values: SequenceOf[str]) -> np.ndarray:
        """Encode N tokens (or column values).

        Returns
        -------
        ndarray of int32, shape (N, width) or (N, L)
        """
        if self.spelling is not None:
            return spell(self.spelling, self._ids[0], values)
        columns = []
        offset = 0
        for lookup, ids in zip(self.lookups, self._ids, strict=True):
            columns.append(look_up(lookup, ids, values) + offset)
            offset += lookup.size
        return np.stack(columns, axis=1)

    def encode_places(self, sequence: Sequence) -> np.ndarray:
        """Encode a sequence place by place, of a feature of the level ``token``.

        Returns
        -------
        ndarray of int32 or float32, shape (T, width)

        Raises
        ------
        DataError
            If the sequence has no such column, vectors or frames, they have another width than what was learnt from,
            or a number lies so far from the others that float32 cannot hold its standardised value.
        """
        if self.column is not None:
            return self.encode(column_of(sequence, self.column))
        if self.gazetteer is not None:
            return self.mark_ids(self.gazetteer.marks(tokens_of(sequence)))
        if self.scaler is None:
            return self.encode(ngrams(tokens_of(sequence), self.ngram))
        if self.vectors is None and not len(sequence):
            return np.zeros((0, self.spec.width), np.float32)
        table = frames_of(sequence) if self.vectors is None else vectors_of(sequence, self.vectors)
        check_width(sequence, table, self.scaler.features, self.vectors)
        out = self.scaler.apply(table)
        if np.isinf(out).any():
            row, column = (int(i) for i in np.argwhere(np.isinf(out))[0])
            raise DataError(
                f"{_source(self.vectors)} must be about as large as what was learnt from, whose feature {column} is "
                f"{self.scaler.mean[column]:.4g} on average; {called(sequence)} has {table[row, column]:.4g} there."
            )
        return out

    def mark_ids(self, marks: np.ndarray) -> np.ndarray:
        """Return the ids of a gazetteer's marks, shape (T, width): as its lookups number them, 0 being the unknown."""
        sizes = [lookup.size for lookup in self.lookups]
        return (marks + UNKNOWN + np.cumsum([0, *sizes[:-1]])).astype(np.int32)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        state = asdict(replace(self, pretrained=None))
        del state["pretrained"]
        if self.gazetteer is None:
            del state["gazetteer"]
        if not self.are_states:
            del state["are_states"]
        return state

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Feature:
        """Rebuild a feature from its JSON form."""
        return cls(
            spec=FeatureSpec(**state["spec"]),
            lookups=tuple(from_dict(Lookup, lookup) for lookup in state["lookups"]),
            spelling=from_dict(Spelling, state["spelling"]) if state["spelling"] else None,
            column=state["column"],
            counts=tuple(state["counts"]),
            scaler=from_dict(Scaler, state["scaler"]) if state.get("scaler") else None,  # older models have none
            vectors=state.get("vectors"),
            are_states=state.get("are_states", False),
            ngram=state.get("ngram", 1),
            gazetteer=Gazetteer.from_dict(state["gazetteer"]) if state.get("gazetteer") else None,
        )


def column_of(sequence: Sequence, column: str) -> tuple[str, ...]:
    """Return one column of a sequence, or say which columns there are."""
    if column not in sequence.columns:
        known = ", ".join(sequence.columns) or "none"
        raise DataError(
            f"every sequence must have the column {column!r}; {called(sequence)} has {known}."
            + near_name(column, sequence.columns)
        )
    return sequence.columns[column]


def vectors_of(sequence: Sequence, name: str) -> np.ndarray:
    """Return vectors of a sequence by name, shape (T, D), or say which there are."""
    if name not in sequence.vectors:
        known = ", ".join(sequence.vectors) or "none"
        raise DataError(
            f"every sequence must have the vectors {name!r}; {called(sequence)} has {known}."
            + near_name(name, sequence.vectors)
        )
    return sequence.vectors[name]


def tokens_of(sequence: Sequence) -> tuple[str, ...]:
    """Return the tokens of a sequence, or say that it has frames."""
    if sequence.frames is not None:
        raise DataError(
            f"every sequence must have tokens, which is what was learnt from; {called(sequence)} has frames (numbers). "
            "Give token lists or strings."
        )
    return sequence.tokens


def frames_of(sequence: Sequence) -> np.ndarray:
    """Return the frames of a sequence, shape (T, F), or say that it has tokens."""
    if sequence.frames is None:
        raise DataError(
            f"every sequence must have frames; {called(sequence)} has tokens. "
            "Give each as an array of numbers, of shape (T, F)."
        )
    return sequence.frames


def check_width(sequence: Sequence, table: np.ndarray, expected: int, vectors: str | None = None) -> None:
    """Refuse frames, or vectors of a name, that have not as many features as the others."""
    if table.shape[1] != expected:
        raise DataError(
            f"{_source(vectors)} must have {expected} features, as those that were learnt from; "
            f"{called(sequence)} has {table.shape[1]}."
        )


def _source(vectors: str | None) -> str:
    return "frames" if vectors is None else f"the vectors {vectors!r}"
