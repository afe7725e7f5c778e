"""The arguments of all decoders, checked."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from seqtag.errors import DataError


class Lattice(NamedTuple):
    """The arguments of all functions, checked, in float64, the batch innermost so that NumPy's loops are long."""

    emissions: np.ndarray  # (T, K, B), 0 in the padding
    lengths: np.ndarray  # (B,)
    transitions: np.ndarray  # (K, K)
    start: np.ndarray  # (K,)
    end: np.ndarray  # (K,)

    @property
    def last(self) -> np.ndarray:
        """The last token of each sequence, 0 for an empty one, shape (B,)."""
        return np.maximum(self.lengths - 1, 0)

    def at_last(self, values: np.ndarray) -> np.ndarray:
        """Pick ``values (T, K, B)`` at each sequence's last token, shape (K, B); 0 if T is 0."""
        if len(values) == 0:
            return np.zeros(values.shape[1:])
        return values[self.last, :, np.arange(len(self.lengths))].T


def make_lattice(
    emissions: ArrayLike, lengths: ArrayLike, transitions: ArrayLike, start: ArrayLike, end: ArrayLike
) -> Lattice:
    """Check the arguments of a decoder.

    Raises
    ------
    DataError
        If the shapes do not fit each other or a length is not between 0 and T.
    """
    emissions, lengths = check_batch(emissions, lengths)
    _, T, K = emissions.shape
    scores = [np.asarray(values, dtype=np.float64) for values in (transitions, start, end)]
    for name, values, shape in zip(("transitions", "start", "end"), scores, ((K, K), (K,), (K,)), strict=True):
        if values.shape != shape:
            raise DataError(f"{name} must have the shape {shape} of the {K} labels; got {values.shape}.")
    if _extremes(lengths, T)[0] < T:
        emissions = np.where(valid_places(lengths, T)[:, :, None], emissions, 0.0)
    return Lattice(np.ascontiguousarray(emissions.transpose(1, 2, 0), dtype=np.float64), lengths, *scores)


def check_batch(emissions: ArrayLike, lengths: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Check emissions and lengths against each other."""
    emissions, lengths = np.asarray(emissions), np.asarray(lengths)
    if emissions.ndim != 3 or emissions.shape[2] == 0 or lengths.shape != emissions.shape[:1]:
        raise DataError(
            f"emissions must have the shape (B, T, K) with K > 0, and lengths (B,); got {emissions.shape} "
            f"and {lengths.shape}."
        )
    low, high = _extremes(lengths, emissions.shape[1])
    if not 0 <= low <= high <= emissions.shape[1]:
        raise DataError(f"lengths must be between 0 and T = {emissions.shape[1]}; got {low} to {high}.")
    return emissions, lengths


def _extremes(lengths: np.ndarray, T: int) -> tuple[int, int]:
    """Return the shortest and the longest length; T where there is none."""
    if lengths.size == 1:  # a server's case: NumPy's reductions would cost a tenth of the decoding
        return int(lengths[0]), int(lengths[0])
    return (lengths.min(), lengths.max()) if lengths.size else (T, T)


def valid_places(lengths: np.ndarray, T: int) -> np.ndarray:
    """Tell which places are no padding, shape (B, T)."""
    return np.arange(T) < lengths[:, None]
