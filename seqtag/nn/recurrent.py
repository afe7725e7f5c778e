"""One recurrent layer over right-padded sequences: the wrapper that owns direction and lengths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from seqtag.nn.cells import CELLS
from seqtag.registry import Registry

DIRECTIONS: Registry[tuple[str, ...]] = Registry("direction")
DIRECTIONS.add("forward", ("forward",))
DIRECTIONS.add("backward", ("backward",))
DIRECTIONS.add("both", ("forward", "backward"))


@keras.saving.register_keras_serializable("seqtag")
class Recurrent(keras.layers.Layer):
    """Run a cell over each sequence, forward, backward or both ways.

    The hidden state follows s_t = f(U x_t + W s_{t-1}) with s_{-1} = 0 (for the gated cells, with their gates); the
    backward direction starts at each sequence's own last token. Lengths are explicit: what stands beyond a
    length neither changes a result nor comes out (zero).

    Parameters
    ----------
    cell : str
        Name of `CELLS`.
    units : int
        Width H of the hidden state of one direction.
    direction : {"forward", "backward", "both"}
        ``both`` concatenates the two, so that the output is 2 H wide.
    seed : int
        Seeds the initial weights.
    """

    def __init__(self, cell: str, units: int, direction: str = "both", seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cell = cell
        self.units = units
        self.direction = direction
        self.seed = seed
        self.supports_jit = False  # one XLA compilation a shape costs more than it gives (see docs/architecture.md)
        self.ways = {way: self._make(way, seed + i) for i, way in enumerate(DIRECTIONS[direction])}

    def _make(self, way: str, seed: int) -> Any:
        layer = CELLS[self.cell].layer(
            self.units,
            return_sequences=True,
            kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
            recurrent_initializer=keras.initializers.Orthogonal(seed=seed + 1),
            name=way,
        )
        if hasattr(layer, "cell"):
            layer.cell.name = f"{self.cell}_cell"  # Keras would count the cells of a process, and so rename weights
        return layer

    def build(self, inputs_shape: tuple[int | None, ...], lengths_shape: tuple[int | None, ...] | None = None) -> None:
        """Make the weights for inputs of shape (B, T, D)."""
        for layer in self.ways.values():
            layer.build(tuple(inputs_shape))

    def call(self, inputs: Any, lengths: Any) -> Any:
        """Return the hidden states, shape (B, T, H or 2 H), of inputs (B, T, D) with lengths (B,)."""
        kernel = fused_kernel(self.cell)
        if kernel is not None:
            outputs = kernel(inputs, lengths, {way: _weights(layer) for way, layer in self.ways.items()})
        else:
            outputs = [run(layer, way, inputs, lengths) for way, layer in self.ways.items()]
        joined = outputs[0] if len(outputs) == 1 else ops.concatenate(outputs, axis=-1)
        return joined * ops.expand_dims(sequence_mask(lengths, ops.shape(inputs)[1], joined.dtype), -1)

    def compute_output_shape(self, inputs_shape: Any, lengths_shape: Any = None) -> tuple[int | None, ...]:
        """Return the shape of the hidden states."""
        return (*inputs_shape[:2], self.units * len(self.ways))

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        own = {"cell": self.cell, "units": self.units, "direction": self.direction, "seed": self.seed}
        return super().get_config() | own


def run(layer: Any, way: str, inputs: Any, lengths: Any) -> Any:
    """Run one Keras layer one way over right-padded sequences, with Keras operations alone."""
    if way == "forward":
        return layer(inputs)
    return reverse(layer(reverse(inputs, lengths)), lengths)


def reverse(values: Any, lengths: Any) -> Any:
    """Reverse each sequence within its length; what stands beyond stays where it is."""
    steps = ops.arange(ops.shape(values)[1], dtype="int32")
    lengths = ops.expand_dims(ops.cast(lengths, "int32"), -1)
    order = ops.where(steps < lengths, lengths - 1 - steps, steps)
    return ops.take_along_axis(values, ops.expand_dims(order, -1), axis=1)


def sequence_mask(lengths: Any, width: Any, dtype: Any = "bool") -> Any:
    """Return which of ``width`` places lie within each length, shape (B, width)."""
    within = ops.arange(width, dtype="int32") < ops.expand_dims(ops.cast(lengths, "int32"), -1)
    return ops.cast(within, dtype)


def fused_kernel(cell: str) -> Callable[..., list[Any]] | None:
    """Return this backend's fused kernel for a cell, or None where Keras's own layer is used."""
    if keras.backend.backend() != "tensorflow":
        return None
    from seqtag.nn import _tensorflow

    return _tensorflow.KERNELS.get(cell) if not _tensorflow.sees_gpu() else None


def _weights(layer: Any) -> tuple[Any, Any, Any]:
    return layer.cell.kernel, layer.cell.recurrent_kernel, layer.cell.bias
