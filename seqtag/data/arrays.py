"""Numbers as a sequence keeps them: float32, one row a place, NaN where a value is missing, never changed."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqtag.errors import DataError

_REAL = "fiub"  # the kinds of NumPy's types that are real numbers


def frozen_table(values: Any, place: str) -> np.ndarray:
    """Copy a table of numbers, so that nobody can change it; one that was made here is returned as it is.

    Parameters
    ----------
    values : array-like, shape (T, F)
        Real numbers; NaN is a missing value.
    place : str
        What messages call it.

    Returns
    -------
    ndarray of float32, shape (T, F)
        Read-only.

    Raises
    ------
    DataError
        If it has not two axes with at least one feature, or a value is no real number, infinite or beyond float32.
    """
    table = real_array(values, place)
    if table.ndim != 2 or not table.shape[1]:
        raise DataError(f"{place} must have the shape (T, F), with at least one feature; got {table.shape}.")
    with np.errstate(over="ignore"):
        small = table.astype(np.float32, copy=False)
    _check_finite(table, small, place)
    if small is values and isinstance(small.base, bytes):
        return small
    return np.ndarray(small.shape, np.float32, small.tobytes())  # bytes cannot be made writable again


def real_array(values: Any, place: str) -> np.ndarray:
    """Return real numbers as an array of any shape; masked values become NaN.

    Raises
    ------
    DataError
        If they are no real numbers, or rows differ in length.
    """
    if isinstance(values, np.ma.MaskedArray) and values.dtype.kind in _REAL:
        values = np.ma.filled(values.astype(np.float64), np.nan)
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{place} must be numbers in rows of one length; got {values!r:.60} ({error}).") from error
    if array.dtype.kind not in _REAL:
        raise DataError(f"{place} must hold real numbers, NaN where one is missing; got the type {array.dtype}.")
    return array


def same_tables(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    """Tell whether two tables hold the same; NaN equals NaN, and nothing equals nothing."""
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other, equal_nan=True)


def _check_finite(table: np.ndarray, small: np.ndarray, place: str) -> None:
    wrong = np.isinf(small)
    if wrong.any():
        row, column = (int(i) for i in np.argwhere(wrong)[0])
        value = table[row, column]
        expected = "finite, or NaN where it is missing" if np.isinf(value) else "within float32, which ends at 3.4e38"
        raise DataError(f"{place}[{row}, {column}] must be {expected}; got {value}.")
