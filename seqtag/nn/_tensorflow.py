"""What TensorFlow alone can do fast: a fused LSTM for the CPU and an Adam that touches only the rows in use.

Everything here has a ``keras.ops`` equal elsewhere (`keras.layers.LSTM`, `keras.optimizers.Adam`); tests hold the two
together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf


def sees_gpu() -> bool:
    """Tell whether TensorFlow sees a GPU, where cuDNN is the faster kernel."""
    return bool(tf.config.list_physical_devices("GPU"))


def lstm(
    inputs: Any,
    lengths: Any,
    weights: Mapping[str, tuple[Any, Any, Any]],
    initial: Mapping[str, list[Any]] | None = None,
) -> list[Any]:
    """Run an LSTM over right-padded sequences, each direction a loop of its own.

    The input product of all steps is one matrix product before the loop, the weight gradients are one after
    it; only the recurrent product stands inside (Appleyard, Kocisky and Blunsom, 2016). The loops of the two
    directions share nothing, so that TensorFlow runs them side by side on two threads.

    Parameters
    ----------
    inputs : tensor, shape (B, T, D)
        Right-padded.
    lengths : tensor of int, shape (B,)
        Length of each sequence.
    weights : mapping of {"forward", "backward"} to (kernel (D, 4 H), recurrent kernel (H, 4 H), bias (4 H,))
        As `keras.layers.LSTM` keeps them.
    initial : mapping of {"forward", "backward"} to [h (B, H), c (B, H)], optional
        The state before a direction's first step; zeros where it is not named.

    Returns
    -------
    list of tensor, shape (B, T, H)
        The hidden states of each direction; beyond a length they mean nothing.
    """
    steps = tf.transpose(inputs, [1, 0, 2])
    lengths = tf.cast(lengths, tf.int32)
    outputs = []
    for way, (kernel, recurrent, bias) in weights.items():
        ordered = steps if way == "forward" else tf.reverse_sequence(steps, lengths, seq_axis=0, batch_axis=1)
        zeros = tf.zeros([tf.shape(steps)[1], recurrent.shape[0]], steps.dtype)
        state = (initial or {}).get(way, [zeros, zeros])
        hidden = _lstm_steps(ordered, *map(tf.convert_to_tensor, (kernel, recurrent, bias, *state)))
        if way == "backward":
            hidden = tf.reverse_sequence(hidden, lengths, seq_axis=0, batch_axis=1)
        outputs.append(tf.transpose(hidden, [1, 0, 2]))
    return outputs


KERNELS: dict[str, Callable[..., list[Any]]] = {"lstm": lstm}


@tf.custom_gradient
def _lstm_steps(
    inputs: tf.Tensor, kernel: tf.Tensor, recurrent: tf.Tensor, bias: tf.Tensor, hidden_0: tf.Tensor, cell_0: tf.Tensor
):
    """Hidden states (T, B, H) of time-major inputs (T, B, D), with the gradient written out."""
    time, batch, width = tf.unstack(tf.shape(inputs))
    units = recurrent.shape[0]
    flat = tf.reshape(inputs, [time * batch, width])
    projected = tf.reshape(tf.matmul(flat, kernel) + bias, [time, batch, 4 * units])
    gates, cells, hidden = _forward_loop(projected, recurrent, hidden_0, cell_0)

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
        dz, dhidden_0, dcell_0 = _backward_loop(upstream, gates, _before(cells, cell_0), cells, recurrent)
        flat_dz = tf.reshape(dz, [time * batch, 4 * units])
        before = _before(hidden, hidden_0)
        return (
            tf.reshape(tf.matmul(flat_dz, kernel, transpose_b=True), [time, batch, width]),
            tf.matmul(flat, flat_dz, transpose_a=True),
            tf.matmul(tf.reshape(before, [time * batch, units]), flat_dz, transpose_a=True),
            tf.reduce_sum(flat_dz, 0),
            dhidden_0,
            dcell_0,
        )

    return hidden, gradient


def _before(states: tf.Tensor, initial: tf.Tensor) -> tf.Tensor:
    """States one step earlier (T, B, H)."""
    return tf.concat([initial[None], states[:-1]], 0)


def _forward_loop(
    projected: tf.Tensor, recurrent: tf.Tensor, hidden_0: tf.Tensor, cell_0: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Gates i, f, g, o side by side (T, B, 4 H), cell states and hidden states (T, B, H)."""
    units = recurrent.shape[0]
    # tanh(x) = 2 sigmoid(2 x) - 1: with the candidate's columns doubled, one sigmoid serves all four gates.
    doubled = tf.concat([tf.ones([2 * units]), tf.fill([units], 2.0), tf.ones([units])], 0)
    recurrent = recurrent * doubled
    projected = projected * doubled
    time = tf.shape(projected)[0]

    def step(t, h, c, kept):
        i, f, g, o = tf.split(tf.sigmoid(projected[t] + tf.matmul(h, recurrent)), 4, axis=1)
        g = 2.0 * g - 1.0
        c = f * c + i * g
        h = o * tf.tanh(c)
        values = (tf.concat([i, f, g, o], 1), c, h)
        return t + 1, h, c, tuple(array.write(t, value) for array, value in zip(kept, values, strict=True))

    arrays = tuple(tf.TensorArray(projected.dtype, time, element_shape=[None, n * units]) for n in (4, 1, 1))
    *_, kept = tf.while_loop(lambda t, *_: t < time, step, (0, hidden_0, cell_0, arrays))
    return tuple(array.stack() for array in kept)


def _backward_loop(
    upstream: tf.Tensor, gates: tf.Tensor, cells_before: tf.Tensor, cells: tf.Tensor, recurrent: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Gradient of the pre-activations (T, B, 4 H) and of the initial h and c, given that of the states (T, B, H)."""
    units = recurrent.shape[0]
    time, batch = tf.unstack(tf.shape(upstream)[:2])
    i, f, g, o = tf.split(gates, 4, axis=2)
    tanh_c = tf.tanh(cells)
    # Everything that does not depend on the recurrence is computed for all steps at once.
    slopes = tf.concat(
        [g * i * (1.0 - i), cells_before * f * (1.0 - f), i * (1.0 - g * g), tanh_c * o * (1.0 - o)], axis=2
    )
    through = o * (1.0 - tanh_c * tanh_c)

    def step(t, dh, dc, kept):
        dh = dh + upstream[t]
        dc = dc + dh * through[t]
        dz = tf.concat([dc, dc, dc, dh], 1) * slopes[t]
        return t - 1, tf.matmul(dz, recurrent, transpose_b=True), dc * f[t], kept.write(t, dz)

    zeros = tf.zeros([batch, units], upstream.dtype)
    kept = tf.TensorArray(upstream.dtype, time, element_shape=[None, 4 * units])
    _, dh, dc, kept = tf.while_loop(lambda t, *_: t >= 0, step, (time - 1, zeros, zeros, kept))
    return kept.stack(), dh, dc


@keras.saving.register_keras_serializable("seqtag")
class LazyAdam(keras.optimizers.Adam):
    """Adam (Kingma and Ba, 2015) whose moments decay only for the embedding rows that a batch uses.

    Dense variables are updated as `keras.optimizers.Adam` does. A row that a batch does not use is left as it is,
    so that a step costs the same however large the vocabulary. The global norm is clipped if
    ``global_clipnorm`` is given.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable; only the named rows where the gradient is sparse."""
        if not isinstance(gradient, tf.IndexedSlices):
            super().update_step(gradient, variable, learning_rate)
            return
        rows, values = gradient.indices, gradient.values
        index = self._get_variable_index(variable)
        m, v = (moment[index].value for moment in (self._momentums, self._velocities))
        step = tf.cast(self.iterations + 1, values.dtype)
        rate = tf.cast(learning_rate, values.dtype)
        rate *= tf.sqrt(1.0 - tf.pow(self.beta_2, step)) / (1.0 - tf.pow(self.beta_1, step))
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
