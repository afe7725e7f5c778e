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


def known_ids(known: Known, sequences: SequenceOf[Sequence], decoder: Any) -> list[np.ndarray]:
    """Return the ids of known labels, after making sure that some path agrees with them.

    Parameters
    ----------
    known : iterable of (sequence of (str or None) or None)
        As many entries as sequences; each with as many as tokens.
    sequences : sequence of Sequence
        What they belong to.
    decoder : TagDecoder
        The labels, and what may follow what.

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
        allows; it names sequence and token, both counted from 0.
    """
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
        ids = _ids(row, i, sequence, number)
        if (ids != FREE).any():
            _check_path(ids, i, sequence, decoder)
        found.append(ids)
    return found


def _ids(row: Any, i: int, sequence: Sequence, number: dict[str, int]) -> np.ndarray:
    ids = np.full(len(sequence), FREE, np.int32)
    if row is None:
        return ids
    if isinstance(row, (str, bytes)) or not hasattr(row, "__len__") or len(row) != len(sequence):
        got = f"{len(row)}" if hasattr(row, "__len__") and not isinstance(row, (str, bytes)) else repr(row)
        raise DataError(f"known must have one label or None a token; sequence {i} has {len(sequence)}, got {got}.")
    for t, label in enumerate(row):
        if label is None:
            continue
        if label not in number:
            near = near_name(str(label), number)
            raise DataError(f"sequence {i}, {_token(sequence, t)}: {label!r} is no label of this model.{near}")
        ids[t] = number[label]
    return ids


def _check_path(ids: np.ndarray, i: int, sequence: Sequence, decoder: TagDecoder) -> None:
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
                f"sequence {i}, {_token(sequence, t)}: {decoder.labels[known]!r} cannot stand there in scheme "
                f"{decoder.scheme}, after the labels known before it. Change one of them, or leave it free (None)."
            )
    if not (reached & end).any():
        last = len(ids) - 1
        raise DataError(
            f"sequence {i}, {_token(sequence, last)}: the known labels leave no label there with which a sequence may "
            f"end in scheme {decoder.scheme}. Change one of them, or leave it free (None)."
        )


def _token(sequence: Sequence, t: int) -> str:
    return f"frame {t}" if sequence.frames is not None else f"token {t} ({sequence.tokens[t]!r})"
