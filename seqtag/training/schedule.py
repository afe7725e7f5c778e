"""How long to train, and how fast at each step."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


def auto_epochs(n_tokens: int) -> int:
    """Choose the number of passes from the size of the training data.

    Eight passes over 200,000 tokens; otherwise in proportion to the inverse square root, within 3 and 60: a
    small corpus needs more passes, but fewer steps in all.
    """
    return int(min(60, max(3, round(8 * (200_000 / max(n_tokens, 1)) ** 0.5))))


@keras.saving.register_keras_serializable("seqtag")
class WarmupLinear(keras.optimizers.schedules.LearningRateSchedule):
    """Rise linearly to the peak rate, then fall linearly, to reach zero one step after the last.

    Parameters
    ----------
    peak : float
        The greatest rate.
    warmup : int
        Steps until it is reached.
    total : int
        Steps in all.
    """

    def __init__(self, peak: float, warmup: int, total: int) -> None:
        self.peak = peak
        self.warmup = warmup
        self.total = total

    def __call__(self, step: Any) -> Any:
        """Return the rate at a step, counted from 0."""
        step = ops.cast(step, "float32") + 1.0
        rising = step / max(self.warmup, 1)
        falling = (self.total + 1.0 - step) / max(self.total + 1.0 - self.warmup, 1.0)
        return self.peak * ops.maximum(ops.minimum(rising, falling), 0.0)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"peak": self.peak, "warmup": self.warmup, "total": self.total}
