"""Keras callbacks that measure: steps for throughput, epochs for a learning curve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from peers.protocol import Curve, Meter


def step_watch(meter: Meter, tokens: Callable[[int], int]) -> Any:
    """Return a callback that counts steps, one or several a call, and ends training when the time is over.

    ``tokens`` gives the real tokens of a step, counted from 0 over all epochs.
    """
    import keras

    class StepWatch(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.steps = 0
            self.batch = -1

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.batch = -1
            meter.skip()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            done, self.batch = batch - self.batch, batch
            over = meter.step(sum(tokens(self.steps + i) for i in range(done)), float(logs["loss"]), done)
            self.steps += done
            self.model.stop_training = self.model.stop_training or over

    return StepWatch()


def epoch_watch(curve: Curve, find: Callable[[Any], dict[str, Any]]) -> Any:
    """Return a callback that stops the clock at an epoch's last step and notes what ``find`` makes of the epoch's logs.

    Other callbacks score at the end of an epoch: the clock must stand before they do.
    """
    import keras

    class EpochWatch(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            curve.resume()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == self.params["steps"] - 1:
                curve.pause()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.model.stop_training = self.model.stop_training or curve.add(**find(logs))

    return EpochWatch()


def labels_of(rows: Sequence[Sequence[int]], labels: Sequence[str]) -> list[list[str]]:
    """Return the labels of rows of ids."""
    return [[labels[i] for i in row] for row in rows]
