"""What is done to numbers, as data: centre, scale, and mark what is missing.

As a `seqtag.data.lookup.Lookup`, a `Scaler` holds no code, so that a bundle can store it as JSON.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Scaler:
    """Numbers become ``(x - mean) / scale``, and 0 where they are missing.

    Parameters
    ----------
    mean, scale : tuple of float
        One a feature, F in all.
    missing : tuple of int
        The features that have a further column, which is 1 where the feature is missing: those with missing values in
        training. A value of any other feature that is missing is 0, the mean.
    """

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    missing: tuple[int, ...] = ()

    @property
    def features(self) -> int:
        """Number of features that go in, F."""
        return len(self.mean)

    @property
    def width(self) -> int:
        """Number of columns that come out."""
        return len(self.mean) + len(self.missing)

    def apply(self, table: np.ndarray) -> np.ndarray:
        """Scale a table.

        Parameters
        ----------
        table : ndarray, shape (T, F)
            NaN is a missing value.

        Returns
        -------
        ndarray of float32, shape (T, width)
            Infinite where float32 cannot hold a scaled value.
        """
        known = ~np.isnan(table)
        out = np.empty((len(table), self.width), np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = (table.astype(np.float64) - np.array(self.mean)) / np.array(self.scale)
            out[:, : self.features] = np.where(known, scaled, 0.0)
        out[:, self.features :] = ~known[:, list(self.missing)]
        return out


def learn_scaler(tables: Iterable[np.ndarray], standardize: bool) -> Scaler:
    """Learn mean and standard deviation of each feature over all rows, missing values left out.

    A feature that is constant keeps its scale, and one that is missing everywhere has the mean 0.

    Parameters
    ----------
    tables : iterable of ndarray, shape (T, F)
        At least one; F is the same in all. They are gone through twice and never held.
    standardize : bool
        Without it numbers stay as they are, and only the missing ones are dealt with.
    """
    features = next(iter(tables)).shape[1]
    rows = 0
    count, total = np.zeros(features, np.int64), np.zeros(features)
    low, high = np.full(features, np.inf), np.full(features, -np.inf)
    for table in tables:
        rows += len(table)
        known = ~np.isnan(table)
        count += known.sum(axis=0)
        total += np.where(known, table, 0.0).sum(axis=0, dtype=np.float64)
        low = np.minimum(low, np.where(known, table, np.inf).min(axis=0, initial=np.inf))
        high = np.maximum(high, np.where(known, table, -np.inf).max(axis=0, initial=-np.inf))
    missing = tuple(np.flatnonzero(count < rows).tolist())
    if not standardize:
        return Scaler((0.0,) * features, (1.0,) * features, missing)
    varies = low < high  # exact, where the variance of a constant may be off zero by rounding
    mean = np.where(varies, total / np.maximum(count, 1), np.where(count > 0, low, 0.0))
    squares = np.zeros(features)
    for table in tables:
        known = ~np.isnan(table)
        squares += (np.where(known, table - mean, 0.0) ** 2).sum(axis=0)
    scale = np.where(varies, np.sqrt(squares / np.maximum(count, 1)), 1.0)
    return Scaler(tuple(mean.tolist()), tuple(scale.tolist()), missing)
