"""The recurrent stack in TensorFlow operations that LiteRT has as builtins.

A direction is one product of all inputs before a loop over time, which ends at the longest of the lengths. LiteRT's own
LSTM operator is not used: it keeps its state from one call to the next, so that a host who forgets to reset it gets
other answers, it knows no other cell, and it was measured to take twice the time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from seqtag.choices.cells import CELLS, DIRECTIONS, MERGES
from seqtag.errors import ConfigError
from seqtag.reference import NORM_EPSILON
from seqtag.registry import Registry

Weights = Mapping[str, np.ndarray]
Step = Callable[[Any, list[Any], Any, Any], list[Any]]

STEPS: Registry[Step] = Registry("cell")
"""One step of a cell: from what the input gives the gates (B, G H), the states (B, H) with h first, the recurrent
kernel and the bias that stands beside it (0 without) to the next states."""


@STEPS.register("simple_rnn")
def simple_rnn(given: Any, states: list[Any], kernel: Any, bias: Any) -> list[Any]:
    """Return tanh(U x + W s + b)."""
    return [tf.tanh(given + tf.matmul(states[0], kernel))]


@STEPS.register("simple_rnn_relu")
def simple_rnn_relu(given: Any, states: list[Any], kernel: Any, bias: Any) -> list[Any]:
    """Return max(0, U x + W s + b)."""
    return [tf.maximum(given + tf.matmul(states[0], kernel), 0.0)]


@STEPS.register("gru")
def gru(given: Any, states: list[Any], kernel: Any, bias: Any) -> list[Any]:
    """Take the step of a GRU whose reset gate acts behind the recurrent product, as Keras has it (``reset_after``)."""
    (before,) = states
    of_z, of_r, of_h = tf.split(given, 3, axis=-1)
    old_z, old_r, old_h = tf.split(tf.matmul(before, kernel) + bias, 3, axis=-1)
    update, reset = tf.sigmoid(of_z + old_z), tf.sigmoid(of_r + old_r)
    return [update * before + (1.0 - update) * tf.tanh(of_h + reset * old_h)]


@STEPS.register("lstm")
def lstm(given: Any, states: list[Any], kernel: Any, bias: Any) -> list[Any]:
    """Take the step of an LSTM with the gates i, f, c, o in Keras's order."""
    before, memory = states
    into, forget, new, out = tf.split(given + tf.matmul(before, kernel), 4, axis=-1)
    memory = tf.sigmoid(forget) * memory + tf.sigmoid(into) * tf.tanh(new)
    return [tf.sigmoid(out) * tf.tanh(memory), memory]


def check_cell(cell: str) -> None:
    """Refuse a cell that has no step here.

    Raises
    ------
    ConfigError
    """
    if cell not in STEPS:
        raise ConfigError(
            f"the cell {cell!r} has no form in LiteRT; a cell must be one of {', '.join(STEPS)}. Export as 'keras', or "
            "train with one of these."
        )


def run_stack(config: Mapping[str, Any], weights: Weights, states: Any, lengths: Any) -> Any:
    """Run the layers of a stack.

    Parameters
    ----------
    config : mapping
        The fields of `seqtag.nn.stack.Stack`.
    weights : mapping of str to ndarray
        By their paths, as `seqtag.nn.network.named_weights` gives them.
    states : tensor, shape (B, T, D)
        Right-padded; every axis is known.
    lengths : tensor of int32, shape (B,)
        Length of each sequence.

    Returns
    -------
    tensor, shape (B, T, width)
    """
    for depth in range(config["layers"]):
        below = states
        states = run_layer(weights, f"recurrent_{depth}", config["cell"], config["direction"], states, lengths)
        reduce = MERGES[config["merge"]].reduce
        if reduce and len(DIRECTIONS[config["direction"]]) == 2:
            states = getattr(tf, f"reduce_{reduce}")(tf.stack(tf.split(states, 2, axis=-1)), axis=0)
        if config["residual"] and depth:
            states = below + states
        if config["layer_norm"]:
            states = _normalised(states, weights[f"norm_{depth}/gamma"], weights[f"norm_{depth}/beta"])
    return states


def run_layer(weights: Weights, path: str, cell: str, direction: str, inputs: Any, lengths: Any) -> Any:
    """Run one layer; the directions' states stand side by side, zero beyond a length.

    Returns
    -------
    tensor, shape (B, T, H or 2 H)
    """
    outputs = [_run_way(weights, path, cell, way, inputs, lengths) for way in DIRECTIONS[direction]]
    joined = outputs[0] if len(outputs) == 1 else tf.concat(outputs, axis=-1)
    return joined * within(lengths, inputs.shape[1])[:, :, None]


def within(lengths: Any, width: int) -> Any:
    """Return 1 for each of ``width`` places within a length and 0 beyond, shape (B, width)."""
    return tf.cast(tf.range(width) < lengths[:, None], tf.float32)


def _run_way(weights: Weights, path: str, cell: str, way: str, inputs: Any, lengths: Any) -> Any:
    kernel, recurrent, bias = (
        weights[f"{path}/{way}/{cell}_cell/{name}"] for name in ("kernel", "recurrent_kernel", "bias")
    )
    before, beside = bias if bias.ndim == 2 else (bias, np.float32(0.0))  # the GRU has one for each product
    rows, time, width = inputs.shape
    ordered = inputs if way == "forward" else tf.reverse_sequence(inputs, lengths, seq_axis=1)
    given = tf.matmul(tf.reshape(ordered, (rows * time, width)), kernel) + before
    given = tf.transpose(tf.reshape(given, (rows, time, kernel.shape[1])), (1, 0, 2))
    start = weights.get(f"{path}/{way}_initial")
    if start is None:
        start = np.zeros((CELLS[cell].states, len(recurrent)), np.float32)
    states = [tf.constant(np.tile(row, (rows, 1))) for row in start]
    hidden = tf.transpose(_loop(STEPS[cell], given, states, tf.reduce_max(lengths), recurrent, beside), (1, 0, 2))
    return hidden if way == "forward" else tf.reverse_sequence(hidden, lengths, seq_axis=1)


def _loop(step: Step, given: Any, states: list[Any], steps: Any, recurrent: Any, bias: Any) -> Any:
    """Return the hidden states (T, B, H) of so many steps, and zeros."""
    time = given.shape[0]

    def take(t: Any, hidden: Any, *before: Any) -> Any:
        states = step(tf.gather(given, t), list(before), recurrent, bias)
        # A list of tensors would be copied whole at each step, too, and a scatter was measured to take longer.
        here = tf.cast(tf.equal(tf.range(time), t), tf.float32)[:, None, None]
        return t + 1, hidden + here * states[0], *states

    hidden = tf.zeros((time, *states[0].shape))
    return tf.while_loop(lambda t, *_: t < steps, take, (tf.constant(0), hidden, *states))[1]


def _normalised(states: Any, scale: np.ndarray, shift: np.ndarray) -> Any:
    centred = states - tf.reduce_mean(states, axis=-1, keepdims=True)
    variance = tf.reduce_mean(centred * centred, axis=-1, keepdims=True)
    return centred * tf.math.rsqrt(variance + NORM_EPSILON) * scale + shift
