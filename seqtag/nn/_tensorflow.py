"""What TensorFlow alone can do fast: fused recurrent cells for the CPU and an Adam that touches only the rows in use.

Everything here has a ``keras.ops`` equal elsewhere (`keras.layers.LSTM`, `keras.optimizers.Adam`); tests hold the two
together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import tensorflow as tf

Tensors = tuple[tf.Tensor, ...]


def sees_gpu() -> bool:
    """Tell whether TensorFlow may use a GPU, where cuDNN is the faster kernel."""
    return bool(tf.config.get_visible_devices("GPU"))


def rows_of(table: keras.Variable, ids: Any) -> tf.Tensor:
    """Return rows of a variable without reading the others.

    Once rows of a variable have been updated one by one, TensorFlow copies the whole of it whenever it is read as a
    whole, as `keras.ops.take` does.
    """
    return tf.gather(table.value, ids)


# === Fused recurrent cells ===


@dataclass(frozen=True)
class Fused:
    """A cell's two loops over time-major arrays; what does not depend on the recurrence stands outside of them.

    Parameters
    ----------
    forward : callable
        ``forward(projected, recurrent, bias, states)`` gets U x_t + b (T, B, G), W (H, G), what of the bias belongs to
        the recurrent product (G,) or None, and the initial states (B, H). It returns the hidden states (T, B, H) and
        what ``backward`` needs.
    backward : callable
        ``backward(upstream, hidden, recurrent, states, kept)`` gets the gradient of the hidden states. It returns
        that of U x_t (T, B, G), of W s_{t-1} (T, B, G), and of the initial states (B, H) each.
    states : int
        Arrays that make up the state between two steps, the hidden one first.
    last : callable
        ``last(hidden, kept)`` returns the state after the last step, arrays (B, H).
    """

    forward: Callable[..., tuple[tf.Tensor, Tensors]]
    backward: Callable[..., tuple[tf.Tensor, tf.Tensor, Tensors]]
    states: int = 1
    last: Callable[[tf.Tensor, Tensors], Tensors] = lambda hidden, kept: (hidden[-1],)


def run_fused(
    cell: Fused,
    inputs: Any,
    lengths: Any,
    weights: Mapping[str, tuple[Any, Any, Any]],
    initial: Mapping[str, list[Any]] | None = None,
    last: list[Tensors] | None = None,
) -> list[Any]:
    """Run a cell over right-padded sequences, each direction a loop of its own.

    The input product of all steps is one matrix product before the loop, the weight gradients are one after it; only
    the recurrent product stands inside (Appleyard, Kocisky and Blunsom, 2016). The loops of the two directions share
    nothing, so that TensorFlow runs them side by side on two threads. It is computed in float32.

    Parameters
    ----------
    cell : Fused
        Which cell.
    inputs : tensor, shape (B, T, D)
        Right-padded.
    lengths : tensor of int, shape (B,)
        Length of each sequence.
    weights : mapping of {"forward", "backward"} to (kernel (D, G), recurrent kernel (H, G), bias)
        As the cell's Keras layer keeps them, G the width of all its gates; a bias (G,), or (2, G) for input and
        recurrent product.
    initial : mapping of {"forward", "backward"} to list of tensor, shape (B, H), optional
        The states before a direction's first step; zeros where it is not named.
    last : list, optional
        Gets each direction's states after its last step, arrays (B, H), through which no gradient flows. They are
        those of the sequences where all are T long.

    Returns
    -------
    list of tensor, shape (B, T, H)
        The hidden states of each direction; beyond a length they mean nothing.
    """
    wide = tf.cast(inputs, tf.float32)
    outputs = []
    for way, tensors in weights.items():
        kernel, recurrent, bias = (tf.cast(tf.convert_to_tensor(tensor), tf.float32) for tensor in tensors)
        zeros = tf.zeros([tf.shape(inputs)[0], recurrent.shape[0]])
        states = [tf.cast(state, tf.float32) for state in (initial or {}).get(way, [zeros] * cell.states)]
        order = _Order(tf.shape(inputs), tf.cast(lengths, tf.int32), way)
        hidden, *ends = _one_way(cell, order)(wide, kernel, recurrent, bias, *states)
        if last is not None:
            last.append(tuple(tf.stop_gradient(end) for end in ends))
        outputs.append(tf.cast(hidden, inputs.dtype))
    return outputs


class _Order:
    """Which row of (B T, ...) each step of each sequence reads, and the way back: a transposition, reversed or not.

    Rows are gathered in the order of time, the backward direction's from each sequence's own end on; one gather is
    cheaper than `tf.transpose` and `tf.reverse_sequence`, and its gradient is the gather back.
    """

    def __init__(self, shape: tf.Tensor, lengths: tf.Tensor, way: str) -> None:
        self.batch, self.time = shape[0], shape[1]
        steps = tf.range(self.time)[None]
        places = tf.broadcast_to(steps, [self.batch, self.time])
        if way == "backward":
            places = tf.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)
        rows = tf.range(self.batch)[:, None]
        self._there = tf.reshape(tf.transpose(rows * self.time + places), [-1])  # (T, B): row b T + place
        self._back = tf.reshape(places * self.batch + rows, [-1])  # (B, T): row place B + b

    def to_steps(self, values: tf.Tensor) -> tf.Tensor:
        """(B, T, D) to rows (T B, D)."""
        return tf.gather(tf.reshape(values, [-1, values.shape[-1]]), self._there)

    def to_sequences(self, rows: tf.Tensor) -> tf.Tensor:
        """Rows (T B, D) to (B, T, D)."""
        return tf.reshape(tf.gather(rows, self._back), [self.batch, self.time, rows.shape[-1]])

    def by_step(self, rows: tf.Tensor) -> tf.Tensor:
        """Rows (T B, D) as (T, B, D)."""
        return tf.reshape(rows, [self.time, self.batch, rows.shape[-1]])


def _one_way(cell: Fused, order: _Order) -> Callable[..., Tensors]:
    """Return a function of inputs (B, T, D), weights and initial states.

    It gives hidden states (B, T, H), and the states after the last step, to which no gradient comes.
    """

    @tf.custom_gradient
    def run(inputs: tf.Tensor, kernel: tf.Tensor, recurrent: tf.Tensor, bias: tf.Tensor, *states: tf.Tensor):
        rows = order.to_steps(inputs)
        biases = tf.unstack(bias) if bias.shape.rank == 2 else [bias]
        projected = order.by_step(tf.matmul(rows, kernel) + biases[0])
        hidden, kept = cell.forward(projected, recurrent, biases[1:], states)

        def gradient(upstream: tf.Tensor, *_: tf.Tensor) -> Tensors:
            ordered = order.by_step(order.to_steps(upstream))
            d_inputs, d_inner, d_states = cell.backward(ordered, hidden, recurrent, states, kept)
            d_inputs, d_inner = _rows(d_inputs), _rows(d_inner)
            before = _rows(_before(hidden, states[0]))
            d_bias = [tf.reduce_sum(d, 0) for d in (d_inputs, d_inner)[: len(biases)]]
            return (
                order.to_sequences(tf.matmul(d_inputs, kernel, transpose_b=True)),
                tf.matmul(rows, d_inputs, transpose_a=True),
                tf.matmul(before, d_inner, transpose_a=True),
                tf.stack(d_bias) if len(d_bias) == 2 else d_bias[0],
                *d_states,
            )

        return (order.to_sequences(_rows(hidden)), *cell.last(hidden, kept)), gradient

    return run


def _rows(values: tf.Tensor) -> tf.Tensor:
    """(T, B, D) as rows (T B, D)."""
    return tf.reshape(values, [-1, values.shape[-1]])


def _before(states: tf.Tensor, initial: tf.Tensor) -> tf.Tensor:
    """States one step earlier (T, B, H)."""
    return tf.concat([initial[None], states[:-1]], 0)


def _forward_in_time(step: Callable[..., tuple[Tensors, Tensors]], time: Any, states: Tensors, widths: Sequence[int]):
    """Run ``step(t, *states) -> states, kept`` for t = 0, 1, …; return what was kept, each stacked (T, B, width)."""

    def body(t, states, arrays):
        states, kept = step(t, *states)
        return t + 1, states, tuple(array.write(t, value) for array, value in zip(arrays, kept, strict=True))

    arrays = tuple(tf.TensorArray(tf.float32, time, element_shape=[None, width]) for width in widths)
    *_, arrays = tf.while_loop(lambda t, *_: t < time, body, (0, tuple(states), arrays))
    return tuple(array.stack() for array in arrays)


def _backward_in_time(step: Callable[..., tuple[Tensors, tf.Tensor]], time: Any, like: Tensors, width: int):
    """Run ``step(t, *gradients) -> gradients, kept`` for t = T - 1, …, 0; return kept (T, B, width), and gradients."""

    def body(t, gradients, array):
        gradients, kept = step(t, *gradients)
        return t - 1, gradients, array.write(t, kept)

    array = tf.TensorArray(tf.float32, time, element_shape=[None, width])
    begin = (time - 1, tuple(map(tf.zeros_like, like)), array)
    _, gradients, array = tf.while_loop(lambda t, *_: t >= 0, body, begin)
    return array.stack(), gradients


# --- LSTM -----------------------------------------------------------------------------------------------------


def _lstm_forward(projected: tf.Tensor, recurrent: tf.Tensor, _: Any, states: Tensors) -> tuple[tf.Tensor, Tensors]:
    units = recurrent.shape[0]
    # tanh(x) = 2 sigmoid(2 x) - 1: with the candidate's columns doubled, one sigmoid serves all four gates.
    doubled = tf.concat([tf.ones([2 * units]), tf.fill([units], 2.0), tf.ones([units])], 0)
    recurrent = recurrent * doubled
    projected = projected * doubled

    def step(t, h, c):
        gates = tf.sigmoid(projected[t] + tf.matmul(h, recurrent))
        i, f, half_g, o = tf.split(gates, 4, axis=1)
        c = f * c + i * (2.0 * half_g - 1.0)
        h = o * tf.tanh(c)
        return (h, c), (gates, c, h)

    gates, cells, hidden = _forward_in_time(step, tf.shape(projected)[0], states, (4 * units, units, units))
    return hidden, (gates, cells)


def _lstm_backward(upstream: tf.Tensor, hidden: tf.Tensor, recurrent: tf.Tensor, states: Tensors, kept: Tensors):
    gates, cells = kept
    units = recurrent.shape[0]
    i, f, half_g, o = tf.split(gates, 4, axis=2)
    g = 2.0 * half_g - 1.0
    tanh_c = tf.tanh(cells)
    # Everything that does not depend on the recurrence is computed for all steps at once.
    slopes = tf.concat(
        [g * i * (1.0 - i), _before(cells, states[1]) * f * (1.0 - f), i * (1.0 - g * g), tanh_c * o * (1.0 - o)], 2
    )
    through = o * (1.0 - tanh_c * tanh_c)
    transposed = tf.transpose(recurrent)  # once: a product with a transposed matrix takes twice as long

    def step(t, dh, dc):
        dh = dh + upstream[t]
        dc = dc + dh * through[t]
        dz = tf.concat([dc, dc, dc, dh], 1) * slopes[t]
        return (tf.matmul(dz, transposed), dc * f[t]), dz

    dz, d_states = _backward_in_time(step, tf.shape(upstream)[0], states, 4 * units)
    return dz, dz, d_states


# --- GRU, its reset after the product as Keras and cuDNN have it --------------------------------------------------


def _gru_forward(
    projected: tf.Tensor, recurrent: tf.Tensor, bias: Sequence[tf.Tensor], states: Tensors
) -> tuple[tf.Tensor, Tensors]:
    units = recurrent.shape[0]
    gates_in, candidate_in = tf.split(projected, [2 * units, units], axis=2)

    def step(t, h):
        inner_gates, inner = tf.split(tf.matmul(h, recurrent) + bias[0], [2 * units, units], axis=1)
        gates = tf.sigmoid(gates_in[t] + inner_gates)
        z, r = tf.split(gates, 2, axis=1)
        candidate = tf.tanh(candidate_in[t] + r * inner)
        h = candidate + z * (h - candidate)
        return (h,), (gates, inner, candidate, h)

    widths = (2 * units, units, units, units)
    gates, inner, candidates, hidden = _forward_in_time(step, tf.shape(projected)[0], states, widths)
    return hidden, (gates, inner, candidates)


def _gru_backward(upstream: tf.Tensor, hidden: tf.Tensor, recurrent: tf.Tensor, states: Tensors, kept: Tensors):
    gates, inner, candidates = kept
    units = recurrent.shape[0]
    z, r = tf.split(gates, 2, axis=2)
    of_candidate = (1.0 - z) * (1.0 - candidates * candidates)
    of_update = (_before(hidden, states[0]) - candidates) * z * (1.0 - z)
    of_reset = of_candidate * inner * r * (1.0 - r)
    slopes = tf.concat([of_update, of_reset, of_candidate * r], 2)
    transposed = tf.transpose(recurrent)

    def step(t, dh):
        dh = dh + upstream[t]
        inwards = tf.matmul(tf.concat([dh, dh, dh], 1) * slopes[t], transposed)
        return (dh * z[t] + inwards,), dh

    dh, d_states = _backward_in_time(step, tf.shape(upstream)[0], states, units)
    d_inner = tf.concat([dh, dh, dh], 2) * slopes
    d_inputs = tf.concat([d_inner[..., : 2 * units], dh * of_candidate], 2)
    return d_inputs, d_inner, d_states


# --- SimpleRNN ------------------------------------------------------------------------------------------------


def _simple_forward(
    activation: Callable[[tf.Tensor], tf.Tensor], projected: tf.Tensor, recurrent: tf.Tensor, _: Any, states: Tensors
) -> tuple[tf.Tensor, Tensors]:
    def step(t, h):
        h = activation(projected[t] + tf.matmul(h, recurrent))
        return (h,), (h,)

    (hidden,) = _forward_in_time(step, tf.shape(projected)[0], states, (recurrent.shape[0],))
    return hidden, ()


def _simple_backward(
    slope: Callable[[tf.Tensor], tf.Tensor],
    upstream: tf.Tensor,
    hidden: tf.Tensor,
    recurrent: tf.Tensor,
    states: Tensors,
    kept: Tensors,
):
    slopes = slope(hidden)
    transposed = tf.transpose(recurrent)

    def step(t, dh):
        dz = (dh + upstream[t]) * slopes[t]
        return (tf.matmul(dz, transposed),), dz

    dz, d_states = _backward_in_time(step, tf.shape(upstream)[0], states, recurrent.shape[0])
    return dz, dz, d_states


def _simple(activation: Callable[[tf.Tensor], tf.Tensor], slope: Callable[[tf.Tensor], tf.Tensor]) -> Fused:
    return Fused(partial(_simple_forward, activation), partial(_simple_backward, slope))


def _rectify(values: tf.Tensor) -> tf.Tensor:
    return tf.maximum(values, 0.0)  # not tf.nn.relu, which TensorFlow's graph optimiser fails to fuse in a loop


FUSED: dict[str, Fused] = {
    "lstm": Fused(_lstm_forward, _lstm_backward, 2, lambda hidden, kept: (hidden[-1], kept[1][-1])),
    "gru": Fused(_gru_forward, _gru_backward),
    "simple_rnn": _simple(tf.tanh, lambda hidden: 1.0 - hidden * hidden),
    "simple_rnn_relu": _simple(_rectify, lambda hidden: tf.cast(hidden > 0, hidden.dtype)),
}
KERNELS: dict[str, Callable[..., list[Any]]] = {name: partial(run_fused, cell) for name, cell in FUSED.items()}


# === The optimiser ===


@keras.saving.register_keras_serializable("seqtag")
class LazyAdam(keras.optimizers.Adam):
    """Adam (Kingma and Ba, 2015) whose moments decay only for the embedding rows that a batch uses.

    Dense variables are updated as `keras.optimizers.Adam` does. A row that a batch does not use is left as it is,
    so that a step costs the same however large the vocabulary. The global norm is clipped if
    ``global_clipnorm`` is given.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable; only the named rows where the gradient is sparse."""
        index = self._get_variable_index(variable)
        m, v = (moment[index].value for moment in (self._momentums, self._velocities))
        rate = tf.cast(learning_rate, variable.dtype)
        step = tf.cast(self.iterations + 1, variable.dtype)
        powers = tf.pow(self.beta_1, step), tf.pow(self.beta_2, step)
        if not isinstance(gradient, tf.IndexedSlices):
            # One pass over the variable and its moments, where Keras's operations take a pass each.
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=m.handle,
                v=v.handle,
                beta1_power=powers[0],
                beta2_power=powers[1],
                lr=rate,
                beta1=self.beta_1,
                beta2=self.beta_2,
                epsilon=self.epsilon,
                grad=gradient,
            )
            return
        rows, values = gradient.indices, gradient.values
        rate *= tf.sqrt(1.0 - powers[1]) / (1.0 - powers[0])
        new_m = self.beta_1 * tf.gather(m, rows) + (1.0 - self.beta_1) * values
        new_v = self.beta_2 * tf.gather(v, rows) + (1.0 - self.beta_2) * values * values
        m.scatter_update(tf.IndexedSlices(new_m, rows))
        v.scatter_update(tf.IndexedSlices(new_v, rows))
        variable.scatter_sub(tf.IndexedSlices(rate * new_m / (tf.sqrt(new_v) + self.epsilon), rows))

    def _clip_gradients(self, gradients: list[Any]) -> list[Any]:
        gradients = [_one_a_row(gradient) for gradient in gradients]
        # Keras would turn the sparse gradients into dense ones to take their norm.
        if not self.global_clipnorm:
            return super()._clip_gradients(gradients)
        return tf.clip_by_global_norm(gradients, self.global_clipnorm)[0]


def _one_a_row(gradient: Any) -> Any:
    """Sum what a sparse gradient holds more than once for a row; its norm is then that of the dense one."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    rows, places = tf.unique(gradient.indices)
    values = tf.math.unsorted_segment_sum(gradient.values, places, tf.size(rows))
    return tf.IndexedSlices(values, rows, gradient.dense_shape)
