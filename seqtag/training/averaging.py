"""Averaged weights: what is scored, kept and saved is the running mean of the weights, not the last step's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras import ops

EVERY = 5  # steps between two updates: the mean hardly changes, and a large embedding is not read at every step


class AveragedWeights:
    """An exponential moving average of a model's trainable weights (Polyak and Juditsky, 1992).

    Where Keras keeps the weights of a running `fit` out of the variables, as under JAX, it is asked to put them back
    whenever the mean is updated.

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
        self._blend = _traced(self._blend_in) if keras.backend.backend() == "tensorflow" else self._blend_in

    def step(self, steps: int = 1) -> None:
        """Count steps of training; update the mean at every fifth."""
        self.steps += steps
        if self.steps - self._averaged >= EVERY:
            self._update()

    @contextmanager
    def swapped_in(self) -> Iterator[None]:
        """Put the mean into the model, and the trained weights back afterwards."""
        self._update()
        trained = [weight.numpy() for weight in self._weights()]
        for weight, mean in zip(self._weights(), self._mean, strict=True):
            weight.assign(ops.copy(mean.value))  # JAX may hand a weight's memory on, and the mean would go with it
        try:
            yield
        finally:
            for weight, value in zip(self._weights(), trained, strict=True):
                weight.assign(value)

    def _update(self) -> None:
        """Take the weights in, for all steps since the last time."""
        synchronise(self.model)
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps)) ** (self.steps - self._averaged)
        self._averaged = self.steps
        self._blend(np.float32(1.0 - decay))

    def _blend_in(self, share: Any) -> None:
        """Move the mean by a share of the way to the weights."""
        for weight, mean in zip(self._weights(), self._mean, strict=True):
            mean.assign(mean.value * (1.0 - share) + weight.value * share)

    def _weights(self) -> list[keras.Variable]:
        return self.model.trainable_variables


def synchronise(model: keras.Model) -> None:
    """Put what a running `fit` has computed so far into the model's variables; only JAX keeps it elsewhere."""
    if keras.backend.backend() == "jax":
        model.jax_state_sync()


def _traced(function: Callable[[Any], None]) -> Callable[[Any], None]:
    """Make one graph of a function of a number: some fifty operations are called one by one otherwise."""
    import tensorflow as tf

    return tf.function(function, input_signature=[tf.TensorSpec((), tf.float32)])
