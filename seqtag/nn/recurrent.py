"""One recurrent layer over right-padded sequences: the wrapper that owns direction and lengths."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops

from seqtag.choices.cells import CELLS, DIRECTIONS, INITIAL_STATES, MERGES
from seqtag.errors import ConfigError
from seqtag.nn.shapes import compiles_by_shape


@keras.saving.register_keras_serializable("seqtag")
class Recurrent(keras.layers.Layer):
    """Run a cell over each sequence, forward, backward or both ways.

    The hidden state follows s_t = f(U x_t + W s_{t-1}) (Elman, 1990; for the gated cells, with their gates); the
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
    initial_state : {"zero", "given", "learned"}
        The state before the first step; for the backward direction, that before the sequence's own last token.
        ``given`` is an argument of the call, ``learned`` are weights, which begin as zeros.
    unroll : bool
        Whether the loop over time is written out, for which the time axis must be known when the layer is built.
    weight_dropout : float
        In training, the rate at which weights of W are left out, the same in all steps of a batch (Merity, Keskar and
        Socher, 2018).
    return_state : bool
        Whether the state after the last place is returned, too; of the forward direction alone, and for sequences that
        are all as long as the batch.
    """

    def __init__(
        self,
        cell: str,
        units: int,
        direction: str = "both",
        seed: int = 0,
        initial_state: str = "zero",
        unroll: bool = False,
        weight_dropout: float = 0.0,
        return_state: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        INITIAL_STATES[initial_state]  # raises with the near name
        if return_state and (direction != "forward" or unroll):
            raise ConfigError(
                "return_state needs direction='forward' and a loop that is not written out; got "
                f"direction={direction!r}, unroll={unroll}."
            )
        self.cell = cell
        self.units = units
        self.direction = direction
        self.seed = seed
        self.initial_state = initial_state
        self.unroll = unroll
        self.weight_dropout = weight_dropout
        self.return_state = return_state
        self.draws = keras.random.SeedGenerator(seed) if weight_dropout else None
        self.supports_jit = compiles_by_shape()
        self.ways = {way: self._make(way, seed + 2 * i) for i, way in enumerate(DIRECTIONS[direction])}
        self.learned: dict[str, Any] = {}
        self.own_kernel: Callable[..., list[Any]] | None = None  # computes in the fused one's place, as for an export

    def _make(self, way: str, seed: int) -> Any:
        layer = CELLS[self.cell].layer(
            self.units,
            return_sequences=True,
            **({"return_state": True} if self.return_state else {}),  # a cell of another make may not know it
            kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
            recurrent_initializer=keras.initializers.Orthogonal(seed=seed + 1),
            name=way,
        )
        if hasattr(layer, "cell"):
            layer.cell.name = f"{self.cell}_cell"  # Keras would count the cells of a process, and so rename weights
        return layer

    def build(
        self,
        inputs_shape: tuple[int | None, ...],
        lengths_shape: tuple[int | None, ...] | None = None,
        initial_shape: tuple[int | None, ...] | None = None,
    ) -> None:
        """Make the weights for inputs of shape (B, T, D)."""
        self.steps = inputs_shape[1] if self.unroll else None
        if self.unroll and self.steps is None:
            raise ConfigError(
                "to unroll the loop over time, its number of steps must be known; got inputs of shape "
                f"{tuple(inputs_shape)}. Give the network inputs of a fixed length, or loop (unroll=False)."
            )
        for way, layer in self.ways.items():
            layer.build(tuple(inputs_shape))
            if self.initial_state == "learned":
                shape = (CELLS[self.cell].states, self.units)
                self.learned[way] = self.add_weight(shape=shape, initializer="zeros", name=f"{way}_initial")

    def call(self, inputs: Any, lengths: Any, initial: Any = None, training: bool | None = None) -> Any:
        """Return the hidden states, and where it is asked for the state after the last place.

        Parameters
        ----------
        inputs : tensor, shape (B, T, D)
            Right-padded.
        lengths : tensor of int, shape (B,)
            Length of each sequence.
        initial : tensor, shape (B, directions, states of the cell, H), optional
            The given initial states: forward before backward, the LSTM's h before c.
        training : bool, optional
            Whether weights are left out.

        Returns
        -------
        tensor, shape (B, T, H or 2 H)
            The hidden states.
        tensor, shape (B, 1, states of the cell, H)
            With ``return_state``. No gradient flows through it.
        """
        states = self._states(inputs, initial)
        kernel = None if self.unroll else self.own_kernel or fused_kernel(self.cell)
        read = kernel is not None or self.weight_dropout  # a cell of another make may hold its weights otherwise
        weights = {way: self._weights(layer, training) if read else None for way, layer in self.ways.items()}
        if self.return_state:
            return self._with_state(inputs, lengths, weights, states, kernel)
        if kernel is not None:
            outputs = kernel(inputs, lengths, weights, states)
        else:
            outputs = []
            for way, layer in self.ways.items():
                with _replaced(layer, weights[way]):
                    outputs.append(run(layer, way, inputs, lengths, states.get(way), self.steps))
        joined = outputs[0] if len(outputs) == 1 else ops.concatenate(outputs, axis=-1)
        return joined * ops.expand_dims(sequence_mask(lengths, ops.shape(inputs)[1], joined.dtype), -1)

    def _with_state(self, inputs: Any, lengths: Any, weights: Any, states: Any, kernel: Any) -> tuple[Any, Any]:
        """Return the hidden states of the forward direction, and the state behind them."""
        if kernel is not None:
            last: list[Any] = []
            (hidden,) = kernel(inputs, lengths, weights, states, last)
            ends = list(last[0])
        else:
            layer = self.ways["forward"]
            with _replaced(layer, weights["forward"]):
                hidden, *ends = layer(inputs, initial_state=states.get("forward"))
        return hidden, ops.expand_dims(ops.stop_gradient(ops.stack(ends, axis=1)), 1)

    def _weights(self, layer: Any, training: bool | None) -> tuple[Any, Any, Any]:
        """Return U, W and the bias of a direction; in training some of W left out."""
        cell = layer.cell
        recurrent = cell.recurrent_kernel
        if self.draws is not None and training:
            recurrent = keras.random.dropout(ops.convert_to_tensor(recurrent), self.weight_dropout, seed=self.draws)
        return cell.kernel, recurrent, cell.bias

    def _states(self, inputs: Any, initial: Any) -> dict[str, list[Any]]:
        """Return each direction's initial states, arrays (B, H); none where they are zero."""
        if (initial is not None) != (self.initial_state == "given"):
            raise ConfigError(
                "initial states must be passed where initial_state is 'given', and only there; got "
                f"initial_state={self.initial_state!r} and {'none' if initial is None else 'some'}."
            )
        shape = (ops.shape(inputs)[0], self.units)
        states = {}
        for i, way in enumerate(self.ways):
            if self.initial_state == "given":
                states[way] = [initial[:, i, k] for k in range(CELLS[self.cell].states)]
            elif self.initial_state == "learned":
                rows = self.learned[way]
                states[way] = [ops.broadcast_to(rows[k], shape) for k in range(CELLS[self.cell].states)]
        return states

    def compute_output_shape(self, inputs_shape: Any, lengths_shape: Any = None, initial_shape: Any = None) -> Any:
        """Return the shape of the hidden states, and of the state where it is returned."""
        hidden = (*inputs_shape[:2], self.units * len(self.ways))
        return (hidden, (inputs_shape[0], 1, CELLS[self.cell].states, self.units)) if self.return_state else hidden

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        names = ("cell", "units", "direction", "seed", "initial_state", "unroll", "weight_dropout", "return_state")
        return super().get_config() | {name: getattr(self, name) for name in names}


@keras.saving.register_keras_serializable("seqtag")
class Merge(keras.layers.Layer):
    """Make one vector of the two directions' states that stand side by side.

    Parameters
    ----------
    merge : str
        Name of `seqtag.choices.cells.MERGES`.
    """

    def __init__(self, merge: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.merge = merge
        self.reduce = MERGES[merge].reduce

    def call(self, states: Any) -> Any:
        """Return (B, T, H), or (B, T, 2 H) where they stay side by side, of states (B, T, 2 H)."""
        if self.reduce is None:
            return states
        ways = ops.reshape(states, (*ops.shape(states)[:-1], 2, states.shape[-1] // 2))
        return getattr(ops, self.reduce)(ways, axis=-2)

    def compute_output_shape(self, states_shape: Any) -> tuple[int | None, ...]:
        """Return the shape of the merged states."""
        return (*states_shape[:-1], states_shape[-1] // (1 if self.reduce is None else 2))

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return super().get_config() | {"merge": self.merge}


def run(
    layer: Any, way: str, inputs: Any, lengths: Any, initial: list[Any] | None = None, steps: int | None = None
) -> Any:
    """Run one Keras layer one way over right-padded sequences, with Keras operations alone.

    Parameters
    ----------
    layer : keras.layers.RNN
        Built.
    way : {"forward", "backward"}
        From which end.
    inputs, lengths : tensor
        (B, T, D) and (B,).
    initial : list of tensor, shape (B, H), optional
        The initial states; zeros without.
    steps : int, optional
        Write the loop over so many steps out.

    Returns
    -------
    tensor, shape (B, T, H)
        The hidden states; beyond a length they mean nothing.
    """
    ordered = inputs if way == "forward" else reverse(inputs, lengths)
    outputs = layer(ordered, initial_state=initial) if steps is None else _unrolled(layer, ordered, initial, steps)
    return outputs if way == "forward" else reverse(outputs, lengths)


def _unrolled(layer: Any, inputs: Any, initial: list[Any] | None, steps: int) -> Any:
    states = layer.get_initial_state(ops.shape(inputs)[0]) if initial is None else initial
    outputs = []
    for t in range(steps):
        output, states = layer.cell(inputs[:, t], states)
        outputs.append(output)
    return ops.stack(outputs, axis=1)


def reverse(values: Any, lengths: Any) -> Any:
    """Reverse each sequence within its length; what stands beyond stays where it is."""
    steps = ops.arange(ops.shape(values)[1], dtype="int32")
    lengths = ops.expand_dims(ops.cast(lengths, "int32"), -1)
    order = ops.where(steps < lengths, lengths - 1 - steps, steps)
    return at_places(values, order)


def at_places(values: Any, places: Any) -> Any:
    """Return what stands at places (B, N) of values (B, T, D), shape (B, N, D)."""
    # Not `ops.take_along_axis`, whose 64-bit indices TensorFlow's CPU kernels complain of.
    batch, time = ops.shape(values)[0], ops.shape(values)[1]
    rows = ops.reshape(values, (-1, values.shape[-1]))
    begins = ops.expand_dims(ops.arange(batch, dtype="int32") * time, -1)
    return ops.take(rows, begins + places, axis=0)


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


@contextmanager
def _replaced(layer: Any, weights: tuple[Any, Any, Any] | None) -> Iterator[None]:
    """Let a Keras layer read these weights in place of its own, if there are any."""
    if weights is None:
        yield
        return
    own = (layer.cell.kernel, layer.cell.recurrent_kernel, layer.cell.bias)
    values = [(variable, ops.convert_to_tensor(value)) for variable, value in zip(own, weights, strict=True)]
    with keras.StatelessScope(state_mapping=values):
        yield
