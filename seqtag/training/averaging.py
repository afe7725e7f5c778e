"""Averaged weights: what is scored, kept and saved is the running mean of the weights, not the last step's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import keras

EVERY = 5  # steps between two updates: the mean hardly changes, and a large embedding is not read at every step


class AveragedWeights:
    """An exponential moving average of a model's trainable weights (Polyak and Juditsky, 1992).

    Early on the mean is short, (1 + n) / (10 + n) after n steps, so that the first weights are soon forgotten.

    Parameters
    ----------
    model : keras.Model
        A built model.
    decay : float
        Weight of the past at each step, below 1; 0 keeps the last weights.
    """

    def __init__(self, model: keras.Model, decay: float) -> None:
        self.model = model
        self.decay = decay
        self.steps = 0
        self._averaged = 0
        # Copies: a keras.Variable made from another one's tensor would be that one.
        self._mean = [keras.Variable(weight.numpy(), trainable=False) for weight in self._weights()]

    def step(self) -> None:
        """Count one step of training; update the mean at every fifth."""
        self.steps += 1
        if self.steps - self._averaged >= EVERY:
            self._update()

    @contextmanager
    def swapped_in(self) -> Iterator[None]:
        """Put the mean into the model, and the trained weights back afterwards."""
        self._update()
        trained = [weight.numpy() for weight in self._weights()]
        for weight, mean in zip(self._weights(), self._mean, strict=True):
            weight.assign(mean.value)
        try:
            yield
        finally:
            for weight, value in zip(self._weights(), trained, strict=True):
                weight.assign(value)

    def _update(self) -> None:
        """Take the weights in, for all steps since the last time."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps)) ** (self.steps - self._averaged)
        self._averaged = self.steps
        for weight, mean in zip(self._weights(), self._mean, strict=True):
            mean.assign(mean.value * decay + weight.value * (1.0 - decay))

    def _weights(self) -> list[keras.Variable]:
        return self.model.trainable_variables
