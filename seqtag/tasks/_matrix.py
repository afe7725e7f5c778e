"""X as scikit-learn knows it: an array or a table of numbers, checked by scikit-learn itself."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from seqtag.data.corpus import Corpus


def is_matrix(X: Any) -> bool:
    """Tell whether X is an array, a table, a sparse matrix, or a list of equally long lists of numbers."""
    if isinstance(X, (list, tuple)):
        return _is_table(X)
    if hasattr(X, "dtype") and len(X.shape) == 1:
        return X.dtype.kind in "biufc"  # else it is an array of sequences
    return any(hasattr(X, name) for name in ("__array__", "toarray", "iloc")) and not isinstance(X, Corpus)


def _is_table(rows: Any) -> bool:
    if not rows or not all(isinstance(row, (list, tuple)) for row in rows) or len({len(row) for row in rows}) != 1:
        return False
    return all(isinstance(value, Real) for row in rows for value in row) and len(rows[0]) > 0


def check_matrix(estimator: Any, X: Any, reset: bool) -> list[np.ndarray]:
    """Check X with scikit-learn and return one array of frames (T, F) a sequence.

    Parameters
    ----------
    estimator : BaseEstimator
        Gets ``n_features_in_`` and ``feature_names_in_``; holds a matrix at predict against them.
    X : array-like, shape (n_sequences, T) or (n_sequences, T, F)
        A matrix is read as sequences of T steps with one feature. Missing values are NaN.
    reset : bool
        Whether this is ``fit``.
    """
    options: dict[str, Any] = {"dtype": np.float64, "ensure_all_finite": "allow-nan"}
    if getattr(X, "ndim", 2) == 3:
        frames = check_array(X, allow_nd=True, estimator=estimator, **options)
        if reset:
            estimator.n_features_in_ = frames.shape[2]
        return list(frames)
    return list(validate_data(estimator, X, reset=reset, **options)[..., None])


def forget_matrix(estimator: Any) -> None:
    """Take off what an earlier ``fit`` on a matrix left."""
    for name in ("n_features_in_", "feature_names_in_"):
        estimator.__dict__.pop(name, None)
