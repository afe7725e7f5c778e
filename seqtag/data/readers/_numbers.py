"""Frames as JSON holds them: a list of rows of numbers, null for a missing value."""

from __future__ import annotations

from typing import Any

import numpy as np


def table_of(rows: Any) -> np.ndarray:
    """Return frames (T, F) of float64 for a list of rows, or of numbers (F = 1).

    Raises
    ------
    ValueError
        Saying what stands there instead.
    """
    if not isinstance(rows, list):
        raise ValueError(f"{rows!r:.60}")
    listed = [row if isinstance(row, list) else [row] for row in rows]
    if len({len(row) for row in listed}) > 1 or not all(_is_number(value) for row in listed for value in row):
        raise ValueError("rows of several lengths, or other things than numbers and null")
    try:
        return np.array(listed, np.float64).reshape(len(listed), -1 if listed else 1)
    except OverflowError as error:
        raise ValueError(f"a number that is too large ({error})") from error


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
