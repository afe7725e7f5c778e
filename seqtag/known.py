"""Labels that are known beforehand, checked against what a scheme admits, so that the others are found given them."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as SequenceOf
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from seqtag.data.sequence import Sequence
from seqtag.decoding import FORBIDDEN, FREE
from seqtag.errors import DataError, SeqtagError, near_name

if TYPE_CHECKING:
    from seqtag.decoders import TagDecoder

Known: TypeAlias = Iterable[SequenceOf[str | None] | None]
"""Of each sequence one label or None a token; None for a sequence of which nothing is known."""


def known_ids(
    known: Known, sequences: SequenceOf[Sequence], decoder: Any, names: SequenceOf[str] | None = None
) -> list[np.ndarray]:
    """Return the ids of known labels, after making sure that some path agrees with them.

    Parameters
    ----------
    known : iterable of (sequence of (str or None) or None)
        As many entries as sequences; each with as many as tokens.
    sequences : sequence of Sequence
        What they belong to.
    decoder : TagDecoder or JointDecoder
        The labels, and what may follow what.
    names : sequence of str, optional
        What messages call the sequences; by default by their numbers, counted from 0.

    Returns
    -------
    list of ndarray of int32, shape (T,)
        `seqtag.decoding.FREE` where nothing is known.

    Raises
    ------
    SeqtagError
        If the model is no tagger.
    DataError
        If they do not fit the sequences, name a label that the model has not, or leave no path that the scheme
        allows; it names sequence and token, which is counted from 0.
    """
    decoder = getattr(decoder, "slots", decoder)
    if not hasattr(decoder, "transitions"):
        raise SeqtagError("known labels need a tagger; this model gives one answer for a whole sequence.")
    if isinstance(known, (str, bytes)) or not isinstance(known, Iterable):
        raise DataError(f"known must have one entry a sequence; got {type(known).__name__}.")
    rows = list(known)
    if len(rows) != len(sequences):
        raise DataError(f"known must have one entry a sequence; got {len(rows)} for {len(sequences)}.")
    number = {label: i for i, label in enumerate(decoder.labels)}
    found = []
    for i, (row, sequence) in enumerate(zip(rows, sequences, strict=True)):
        name = f"sequence {i}" if names is None else names[i]
        ids = _ids(row, name, sequence, number)
        if (ids != FREE).any():
            _check_path(ids, name, sequence, decoder)
        found.append(ids)
    return found


def ids_of_own(
    sequences: SequenceOf[Sequence], decoder: Any, mark: str | None, names: SequenceOf[str] | None = None
) -> list[np.ndarray] | None:
    """Return the ids of the labels that sequences have themselves, where these are known.

    Parameters
    ----------
    sequences : sequence of Sequence
        What is known stands in their labels; of those without labels nothing is.
    decoder : TagDecoder
        The labels, and what may follow what.
    mark : str, optional
        Stands in the labels where nothing is known. Without it nothing is known of any.
    names : sequence of str, optional
        As in `known_ids`.

    Raises
    ------
    SeqtagError, DataError
        As `known_ids`, and if the mark is a label of the model.
    """
    if mark is None:
        return None
    if mark in decoder.labels:
        raise DataError(f"the mark for what is not known must be no label of the model; got {mark!r}. Choose another.")
    return known_ids([_unmarked(sequence, mark) for sequence in sequences], sequences, decoder, names)


def _unmarked(sequence: Sequence, mark: str) -> list[str | None] | None:
    return None if sequence.labels is None else [None if label == mark else label for label in sequence.labels]


def _ids(row: Any, name: str, sequence: Sequence, number: dict[str, int]) -> np.ndarray:
    ids = np.full(len(sequence), FREE, np.int32)
    if row is None:
        return ids
    if isinstance(row, (str, bytes)) or not hasattr(row, "__len__") or len(row) != len(sequence):
        got = f"{len(row)}" if hasattr(row, "__len__") and not isinstance(row, (str, bytes)) else repr(row)
        raise DataError(f"known must have one label or None a token; {name} has {len(sequence)}, got {got}.")
    for t, label in enumerate(row):
        if label is None:
            continue
        if label not in number:
            near = near_name(str(label), number)
            raise DataError(f"{name}, {_token(sequence, t)}: {label!r} is no label of this model.{near}")
        ids[t] = number[label]
    return ids


def _check_path(ids: np.ndarray, name: str, sequence: Sequence, decoder: TagDecoder) -> None:
    """Follow which labels can be reached; where none is left, the labels known so far contradict the scheme."""
    start, follows, end = (s > FORBIDDEN / 2 for s in (decoder.start, decoder.transitions, decoder.end))
    reached: np.ndarray = start
    for t, known in enumerate(ids.tolist()):
        if t:
            reached = follows[reached].any(axis=0)
        if known != FREE:
            reached = reached & (np.arange(len(reached)) == known)
        if not reached.any():
            raise DataError(
                f"{name}, {_token(sequence, t)}: {decoder.labels[known]!r} cannot stand there in scheme "
                f"{decoder.scheme}, after the labels known before it. Change one of them, or leave it free (None)."
            )
    if not (reached & end).any():
        last = len(ids) - 1
        raise DataError(
            f"{name}, {_token(sequence, last)}: the known labels leave no label there with which a sequence may "
            f"end in scheme {decoder.scheme}. Change one of them, or leave it free (None)."
        )


def _token(sequence: Sequence, t: int) -> str:
    if sequence.frames is not None:
        return f"frame {t}"
    line = f", line {sequence.lines[t]}" if sequence.lines else ""
    return f"token {t} ({sequence.tokens[t]!r}{line})"
