"""Sequences as data frames with one token or frame a row, and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Sequence as SequenceOf
from typing import TYPE_CHECKING, Any

import numpy as np

from seqtag.data.sequence import Sequence
from seqtag.errors import DataError, ParameterError, near_name

if TYPE_CHECKING:
    import pandas

TARGETS = ("token", "sequence")


def table_of(
    sequences: SequenceOf[Sequence], *, target: str, values: str | Iterable[str] | None, name: str
) -> pandas.DataFrame:
    """Write sequences as `seqtag.data.corpus.Corpus.to_frame` says."""
    import pandas

    _check_target(target)
    tables = [sequence.frames for sequence in sequences if sequence.frames is not None]
    if tables and any(sequence.tokens for sequence in sequences):
        raise DataError(f"{name}: a data frame holds tokens or frames; write the sequences of each kind by themselves.")
    width = tables[0].shape[1] if tables else 0
    names = _listed(values, [f"x{i}" for i in range(width)]) if tables else ["token"]
    if tables and (len(set(names)) < len(names) or any(table.shape[1] != len(names) for table in tables)):
        widths = sorted({table.shape[1] for table in tables})
        raise DataError(f"{name}: values must name each feature of the frames, {widths}, once; got {names}.")
    rows = [
        row
        for number, sequence in enumerate(sequences)
        for row in _rows(sequence, number, ["sequence", *names], target, name)
    ]
    if not tables:
        return pandas.DataFrame(rows, columns=None if rows else ["sequence", "token"])
    rest = pandas.DataFrame(rows, columns=None if rows else ["sequence"])
    numbers = pandas.DataFrame(np.concatenate(tables), columns=names)
    return pandas.concat([rest[["sequence"]], numbers, rest.drop(columns="sequence")], axis=1)


def _rows(sequence: Sequence, number: int, taken: list[str], target: str, name: str) -> Iterator[dict[str, Any]]:
    """Yield all but the numbers of each row."""
    whole = sequence.label if target == "sequence" else None
    if isinstance(whole, tuple):
        raise DataError(f"{name}: a cell of a data frame holds one label; sequence {number} has {len(whole)}.")
    labels = sequence.labels if target == "token" else None if whole is None else (whole,) * len(sequence)
    if clash := {*taken, *(["label"] if labels is not None else [])} & sequence.columns.keys():
        raise DataError(f"{name}: an extra column must not be called {min(clash)!r} in a data frame.")
    for i in range(len(sequence)):
        row: dict[str, Any] = {"sequence": number}
        if sequence.frames is None:
            row["token"] = sequence.tokens[i]
        if labels is not None:
            row["label"] = labels[i]
        yield row | {column: entries[i] for column, entries in sequence.columns.items()}


def sequences_of(
    frame: pandas.DataFrame,
    *,
    sequence: str,
    token: str,
    values: str | Iterable[str] | None,
    label: str | None,
    target: str,
    name: str,
) -> Iterator[Sequence]:
    """Read sequences as `seqtag.data.corpus.Corpus.from_frame` says."""
    _check_target(target)
    numeric = _listed(values, [])
    if values is not None and not numeric:
        raise DataError(f"{name}: values must name at least one column; got none.")
    read = [token] if values is None else []
    _check_columns(frame, [sequence, *read, *numeric], name)
    tags = [label] if label is not None and label in frame.columns else []
    if clash := {sequence, *tags} & set(numeric) or (set(numeric) if len(set(numeric)) < len(numeric) else set()):
        raise DataError(f"{name}: each column is read once; got {min(clash)!r} among {numeric} and elsewhere.")
    extra = [column for column in frame.columns if column not in (sequence, *read, *numeric, label)]
    _check_filled(frame, [sequence, *read, *tags, *extra], name)
    numbers = _numbers(frame, numeric, name) if numeric else None
    keys = frame[sequence].tolist()
    texts = {column: [str(cell) for cell in frame[column].tolist()] for column in (*read, *tags, *extra)}
    for start, end in _runs(keys, name):
        labels = tuple(texts[tags[0]][start:end]) if tags else None
        yield Sequence(
            () if numeric else tuple(texts[token][start:end]),
            labels if target == "token" else None,
            None if target == "token" or labels is None else _only(labels, keys[start], name),
            columns={str(column): tuple(texts[column][start:end]) for column in extra},
            id=str(keys[start]),
            frames=None if numbers is None else numbers[start:end],
        )


def _check_target(target: str) -> None:
    if target not in TARGETS:
        raise ParameterError(f"target must be 'token' or 'sequence'; got {target!r}.{near_name(str(target), TARGETS)}")


def _listed(values: str | Iterable[str] | None, default: list[str]) -> list[str]:
    return default if values is None else [values] if isinstance(values, str) else list(values)


def _check_columns(frame: pandas.DataFrame, needed: list[str], name: str) -> None:
    for column in needed:
        if column not in frame.columns:
            raise DataError(
                f"{name}: column {column!r} is missing; the columns are {list(frame.columns)}."
                + near_name(str(column), frame.columns)
            )
    if not frame.columns.is_unique:
        raise DataError(f"{name}: each column must have a name of its own; the columns are {list(frame.columns)}.")


def _check_filled(frame: pandas.DataFrame, columns: list[Any], name: str) -> None:
    missing = frame[columns].isna()
    if missing.to_numpy().any():
        row = int(missing.any(axis=1).to_numpy().argmax())
        column = columns[int(missing.iloc[row].to_numpy().argmax())]
        raise DataError(f"{name}: row {row} has no value in column {column!r}; fill it or drop the row.")


def _numbers(frame: pandas.DataFrame, columns: list[str], name: str) -> np.ndarray:
    """Return columns as float32, shape (rows, F), NaN where a cell is empty."""
    from pandas.api.types import is_complex_dtype, is_numeric_dtype

    for column in columns:
        if not is_numeric_dtype(frame[column]) or is_complex_dtype(frame[column]):
            raise DataError(
                f"{name}: column {column!r} must hold real numbers; got the type {frame[column].dtype}. "
                "Convert it, for example with pandas.to_numeric."
            )
    numbers = np.stack([frame[column].to_numpy(np.float64, na_value=np.nan) for column in columns], axis=1)
    with np.errstate(over="ignore"):
        small = numbers.astype(np.float32)
    if np.isinf(small).any():
        row, place = (int(i) for i in np.argwhere(np.isinf(small))[0])
        raise DataError(
            f"{name}: row {row} must have a number within float32 in column {columns[place]!r}, or none; "
            f"got {numbers[row, place]}."
        )
    return small


def _only(labels: tuple[str, ...], key: Any, name: str) -> str:
    other = next((label for label in labels if label != labels[0]), None)
    if other is not None:
        raise DataError(
            f"{name}: sequence {key!r} must have the same label in all its rows; got {labels[0]!r} and {other!r}. "
            "For one label a row pass target='token'."
        )
    return labels[0]


def _runs(keys: list[Any], name: str) -> Iterator[tuple[int, int]]:
    """Yield where each run of equal keys begins and ends."""
    seen = set()
    start = 0
    for i in range(1, len(keys) + 1):
        if i == len(keys) or keys[i] != keys[start]:
            if keys[start] in seen:
                raise DataError(
                    f"{name}: sequence {keys[start]!r} goes on in row {start} after another began; "
                    "sort the rows by sequence."
                )
            seen.add(keys[start])
            yield start, i
            start = i
