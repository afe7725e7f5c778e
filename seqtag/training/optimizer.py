"""The optimiser."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


def make_optimizer(rate: Any, clip_norm: float) -> keras.optimizers.Optimizer:
    """Make an Adam that leaves the rows of a table which a batch does not use as they are.

    On TensorFlow such rows are not even read; elsewhere gradients are dense, and the rows without one are masked.
    """
    options: dict[str, Any] = {"global_clipnorm": clip_norm or None}
    if keras.backend.backend() == "tensorflow":
        from seqtag.nn._tensorflow import LazyAdam

        return LazyAdam(rate, **options)
    return MaskedAdam(rate, **options)


@keras.saving.register_keras_serializable("seqtag")
class MaskedAdam(keras.optimizers.Adam):
    """Adam (Kingma and Ba, 2015) whose moments decay only for the rows of a table that have a gradient.

    Variables that are called ``embeddings`` are tables; all others are updated as `keras.optimizers.Adam` does.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable; only the rows that have a gradient where it is a table."""
        if variable.name != "embeddings":
            super().update_step(gradient, variable, learning_rate)
            return
        used = ops.any(gradient != 0, axis=-1, keepdims=True)
        index = self._get_variable_index(variable)
        m, v = self._momentums[index], self._velocities[index]
        step = ops.cast(self.iterations + 1, variable.dtype)
        rate = ops.cast(learning_rate, variable.dtype)
        rate = rate * ops.sqrt(1.0 - ops.power(self.beta_2, step)) / (1.0 - ops.power(self.beta_1, step))
        new_m = m + (gradient - m) * (1.0 - self.beta_1)
        new_v = v + (gradient * gradient - v) * (1.0 - self.beta_2)
        change = rate * new_m / (ops.sqrt(new_v) + self.epsilon)
        self.assign(m, ops.where(used, new_m, m.value))
        self.assign(v, ops.where(used, new_v, v.value))
        self.assign_sub(variable, ops.where(used, change, 0.0))
