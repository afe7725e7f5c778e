"""Training that somebody else may end: told each epoch's score, asked whether to go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras


class StopWhen(keras.callbacks.Callback):
    """End training after the epoch in which a decision says so.

    Parameters
    ----------
    decide : callable
        Gets the epoch, counted from 0, the planned number of epochs, and the development score of the averaged
        weights; True ends training. It is not asked where nothing was scored.
    """

    def __init__(self, decide: Callable[[int, int, float], bool]) -> None:
        super().__init__()
        self._decide = decide

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Ask."""
        if "score" in (logs or {}) and self._decide(epoch, self.params["epochs"], logs["score"]):
            self.model.stop_training = True
