"""The optimiser."""

from __future__ import annotations

from typing import Any

import keras


def make_optimizer(rate: Any, clip_norm: float) -> keras.optimizers.Optimizer:
    """Make Adam; on TensorFlow the one that touches only the embedding rows in use."""
    options: dict[str, Any] = {"global_clipnorm": clip_norm or None}
    if keras.backend.backend() == "tensorflow":
        from seqtag.nn._tensorflow import LazyAdam

        return LazyAdam(rate, **options)
    return keras.optimizers.Adam(rate, **options)
