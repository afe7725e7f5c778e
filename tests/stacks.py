"""Stacks to test with: small models around them, random weights, ragged batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from itertools import count
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
from combinations import pairwise, title

from seqtag.choices.cells import CELLS, DIRECTIONS, INITIAL_STATES, MERGES
from seqtag.nn.stack import Stack, build_stack

UNITS, WIDTH, STEPS = 4, 3, 6
LENGTHS = [6, 1, 4, 3]

FACTORS: dict[str, Sequence[Any]] = {
    "cell": list(CELLS),
    "direction": list(DIRECTIONS),
    "merge": list(MERGES),
    "residual": [False, True],
    "layer_norm": [False, True],
    "initial_state": list(INITIAL_STATES),
    "layers": [1, 3],
    "steps": [None, STEPS],
}
ROWS = list(pairwise(FACTORS))
rows = pytest.mark.parametrize("options", ROWS, ids=title)


class Built(NamedTuple):
    """A model around a stack, with random weights everywhere."""

    stack: Stack
    model: keras.Model

    def __call__(self, batch: Mapping[str, np.ndarray], training: bool = False) -> np.ndarray:
        """Return what the stack makes of a batch."""
        return np.array(self.model({spec: batch[spec] for spec in self.model.input}, training=training))

    def weights(self) -> dict[str, np.ndarray]:
        """Return the weights by path."""
        return {variable.path: variable.numpy() for variable in self.model.weights}


def build(**options: Any) -> Built:
    """Build a model around a stack."""
    stack = Stack(**{"units": UNITS, **options})
    inputs = {
        "states": keras.Input((stack.steps, WIDTH), name="states"),
        "lengths": keras.Input((), dtype="int32", name="lengths"),
    }
    if stack.initial_state == "given":
        inputs["initial"] = keras.Input(stack.initial_shape, name="initial")
    outputs = build_stack(stack, inputs["states"], inputs["lengths"], count(0, 10), initial=inputs.get("initial"))
    return Built(stack, keras.Model(inputs, outputs))


def randomise(built: Built, seed: int = 0) -> Built:
    """Give a model random weights everywhere."""
    rng = np.random.default_rng(seed)
    built.model.set_weights([rng.normal(scale=0.5, size=weight.shape) for weight in built.model.weights])
    return built


@cache
def _random(items: tuple[tuple[str, Any], ...]) -> Built:
    return randomise(build(**dict(items)))


def random_stack(options: Mapping[str, Any]) -> Built:
    """Return a model with random weights, made once for each combination of options."""
    return _random(tuple(options.items()))


def make_batch(stack: Stack, lengths: Sequence[int] = LENGTHS, seed: int = 0) -> dict[str, np.ndarray]:
    """Make a ragged batch, right-padded with zeros."""
    rng = np.random.default_rng(seed)
    width = stack.steps or max(lengths)
    states = rng.normal(size=(len(lengths), width, WIDTH)).astype(np.float32)
    initial = rng.normal(size=(len(lengths), *stack.initial_shape)).astype(np.float32)
    lengths = np.array(lengths, np.int32)
    states *= (np.arange(width) < lengths[:, None])[..., None]
    return {"states": states, "lengths": lengths, "initial": initial}


def take(batch: Mapping[str, np.ndarray], rows: Any) -> dict[str, np.ndarray]:
    """Return some sequences of a batch."""
    return {name: array[rows] for name, array in batch.items()}


def fields(stack: Stack) -> dict[str, Any]:
    """Return the fields of a stack."""
    return asdict(stack)
