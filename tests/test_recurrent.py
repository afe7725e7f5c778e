"""The recurrent wrapper against hand-written recurrences, Keras's own layers and single unpadded sequences."""

from functools import cache

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from seqtag.choices.cells import CELLS, DIRECTIONS, INITIAL_STATES
from seqtag.errors import ConfigError
from seqtag.nn import recurrent
from seqtag.nn._tensorflow import KERNELS
from seqtag.nn.recurrent import Recurrent, reverse, sequence_mask

UNITS, WIDTH = 4, 3
LENGTHS = [[5, 1, 3, 5], [1], [1, 1, 1], [7, 2], [4]]
cells = pytest.mark.parametrize("cell", list(CELLS))
directions = pytest.mark.parametrize("direction", list(DIRECTIONS))


def make_layer(cell, direction, seed=0):
    """A layer with random weights everywhere, biases too."""
    layer = Recurrent(cell, UNITS, direction)
    layer.build((None, None, WIDTH), (None,))
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(scale=0.6, size=weight.shape) for weight in layer.weights])
    return layer


def make_inputs(lengths, seed=0, width=None):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(len(lengths), width or max(lengths), WIDTH)).astype(np.float32), np.array(lengths, np.int32)


def call(layer, inputs, lengths):
    return np.array(layer(inputs, lengths))


def within(lengths, width):
    return (np.arange(width) < np.array(lengths)[:, None])[..., None]


# ---- oracles -----------------------------------------------------------------------------------------------


def by_hand(activation, inputs, length, kernel, recurrent_kernel, bias, way):
    """s_t = f(U x_t + W s_{t-1} + b), s_{-1} = 0, from the sequence's first or last token on."""
    states = np.zeros((len(inputs), UNITS))
    state = np.zeros(UNITS)
    for t in range(length) if way == "forward" else reversed(range(length)):
        state = activation(kernel.T @ inputs[t] + recurrent_kernel.T @ state + bias)
        states[t] = state
    return states


@pytest.mark.parametrize(("cell", "f"), [("simple_rnn", np.tanh), ("simple_rnn_relu", lambda z: np.maximum(z, 0))])
@directions
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_simple_rnn_by_hand(cell, f, direction, lengths):
    layer = make_layer(cell, direction)
    inputs, lengths = make_inputs(lengths)
    expected = [
        np.concatenate([by_hand(f, x, n, *one.get_weights(), way) for way, one in layer.ways.items()], -1)
        for x, n in zip(inputs, lengths, strict=True)
    ]
    np.testing.assert_allclose(call(layer, inputs, lengths), expected, atol=1e-6)


def one_by_one(layer, inputs, lengths, initial=None):
    """Keras's layer on each sequence alone, unpadded, turned round by NumPy."""
    outputs = np.zeros((*inputs.shape[:2], UNITS * len(layer.ways)), np.float32)
    for b, n in enumerate(lengths):
        for i, (way, keras_layer) in enumerate(layer.ways.items()):
            step = 1 if way == "forward" else -1
            start = None if initial is None else [state[None] for state in initial[b, i]]
            alone = np.array(keras_layer(inputs[b : b + 1, :n][:, ::step], initial_state=start))[0, ::step]
            outputs[b, :n, i * UNITS : (i + 1) * UNITS] = alone
    return outputs


@cells
@directions
def test_equal_to_keras_on_single_unpadded_sequences(cell, direction):
    layer = make_layer(cell, direction)
    inputs, lengths = make_inputs([5, 1, 3, 5])
    np.testing.assert_allclose(call(layer, inputs, lengths), one_by_one(layer, inputs, lengths), atol=1e-6)


@cells
@directions
def test_without_a_fused_kernel_the_same(cell, direction, monkeypatch):
    layer = make_layer(cell, direction)
    inputs, lengths = make_inputs([5, 1, 3, 5])
    expected = call(layer, inputs, lengths)
    monkeypatch.setattr(recurrent, "fused_kernel", lambda cell: None)
    np.testing.assert_allclose(call(layer, inputs, lengths), expected, atol=1e-6)


@pytest.mark.parametrize(("cell", "fused"), [*((cell, False) for cell in CELLS), *((cell, True) for cell in KERNELS)])
@directions
@pytest.mark.parametrize("unroll", [False, True])
@pytest.mark.parametrize("initial_state", list(INITIAL_STATES))
def test_initial_states_and_unrolling_equal_keras(cell, direction, unroll, initial_state, fused, monkeypatch):
    if not fused:
        monkeypatch.setattr(recurrent, "fused_kernel", lambda cell: None)
    inputs, lengths = make_inputs([5, 1, 3, 5])
    layer = Recurrent(cell, UNITS, direction, initial_state=initial_state, unroll=unroll)
    layer.build((None, 5, WIDTH), (None,))
    rng = np.random.default_rng(2)
    layer.set_weights([rng.normal(scale=0.6, size=weight.shape) for weight in layer.weights])
    initial = None
    if initial_state != "zero":
        initial = rng.normal(size=(4, len(layer.ways), CELLS[cell].states, UNITS)).astype(np.float32)
    if initial_state == "learned":
        initial[:] = [layer.learned[way].numpy() for way in layer.ways]
    found = layer(inputs, lengths, initial) if initial_state == "given" else layer(inputs, lengths)
    np.testing.assert_allclose(found, one_by_one(layer, inputs, lengths, initial), atol=1e-6)


@cells
@settings(max_examples=20)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(0, 99))
def test_backward_is_forward_with_the_same_weights_over_the_reversed(cell, lengths, seed):
    """backward(x) = reverse(forward(reverse(x))), each sequence reversed by NumPy within its own length."""
    inputs, lengths = make_inputs(lengths, seed)
    turned = inputs.copy()
    for row, n in zip(turned, lengths, strict=True):
        row[:n] = row[:n][::-1]
    backward = traced(cell, "backward")(inputs, lengths).numpy()
    forward = traced(cell, "forward")(turned, lengths).numpy()
    for one, other, n in zip(backward, forward, lengths, strict=True):
        np.testing.assert_allclose(one[:n], other[:n][::-1], atol=1e-6)


def test_every_cell_has_a_fused_kernel_on_the_cpu():
    assert {cell: recurrent.fused_kernel(cell) for cell in CELLS} == dict(KERNELS)


# ---- the fused kernel's gradient ---------------------------------------------------------------------------


def masked_sum(outputs, lengths):
    """A loss to which every state within the lengths contributes with a weight of its own."""
    shares = np.random.default_rng(7).normal(size=outputs.shape).astype(np.float32)
    return tf.reduce_sum(outputs * tf.constant(shares * within(lengths, outputs.shape[1])))


def gradients(function, inputs, weights, states, lengths):
    inputs, states = tf.constant(inputs), [tf.constant(state) for state in states]
    with tf.GradientTape() as tape:
        tape.watch([inputs, *states])
        loss = masked_sum(function(inputs, states), lengths)
    return tape.gradient(loss, [inputs, *weights, *states])


@cells
@pytest.mark.parametrize("way", ["forward", "backward"])
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_a_fused_cell_has_the_gradients_of_keras(cell, way, lengths):
    (layer,) = make_layer(cell, way).ways.values()
    weights = [layer.cell.kernel.value, layer.cell.recurrent_kernel.value, layer.cell.bias.value]
    inputs, lengths = make_inputs(lengths)
    states = np.random.default_rng(3).normal(size=(CELLS[cell].states, len(lengths), UNITS)).astype(np.float32)
    fused, own = (
        gradients(function, inputs, weights, states, lengths)
        for function in (
            lambda x, initial: KERNELS[cell](x, lengths, {way: weights}, {way: initial})[0],
            lambda x, initial: recurrent.run(layer, way, x, lengths, initial),
        )
    )
    names = ("inputs", "kernel", "recurrent", "bias", "h", "c")[: 4 + len(states)]
    for name, one, other in zip(names, fused, own, strict=True):
        assert np.abs(other).max() > 0.01
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5, err_msg=name)
    assert not np.array(fused[0])[~within(lengths, inputs.shape[1])[..., 0]].any()


@cells
def test_both_directions_in_one_traced_function(cell):
    layer = make_layer(cell, "both")
    weights = [variable.value for variable in layer.trainable_variables]
    inputs, lengths = make_inputs([6, 2, 5])

    @tf.function(input_signature=[tf.TensorSpec((None, None, WIDTH)), tf.TensorSpec((None,), tf.int32)])
    def traced(inputs, lengths):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, lengths)
            loss = tf.reduce_sum(tf.sin(outputs))
        return outputs, tape.gradient(loss, [inputs, *weights])

    outputs, found = traced(inputs, lengths)
    np.testing.assert_allclose(outputs, one_by_one(layer, inputs, lengths), atol=1e-6)
    inputs = tf.constant(inputs)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        ways = [recurrent.run(one, way, inputs, lengths) for way, one in layer.ways.items()]
        loss = tf.reduce_sum(tf.sin(tf.concat(ways, -1) * within(lengths, 6)))
    for one, other in zip(found, tape.gradient(loss, [inputs, *weights]), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


# ---- padding and company -----------------------------------------------------------------------------------


@cache
def traced(cell, direction="both"):
    """A layer, traced once for all shapes; one direction has the same weights as the other."""
    signature = [tf.TensorSpec((None, None, WIDTH)), tf.TensorSpec((None,), tf.int32)]
    return tf.function(make_layer(cell, direction).__call__, input_signature=signature)


@cells
@settings(max_examples=15)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(0, 3), st.integers(0, 99))
def test_what_stands_beyond_a_length_changes_nothing(cell, lengths, more, seed):
    inputs, lengths = make_inputs(lengths, seed)
    width = inputs.shape[1]
    expected = traced(cell)(inputs, lengths).numpy()
    garbage, _ = make_inputs(lengths, seed + 1, width + more)
    kept = within(lengths, width + more)
    filled = np.where(kept, np.pad(inputs, ((0, 0), (0, more), (0, 0))), 100 * garbage)
    found = traced(cell)(filled, lengths).numpy()
    np.testing.assert_allclose(found[:, :width], expected, atol=1e-6)
    assert not found[~kept[..., 0]].any()  # exactly zero


@cells
@settings(max_examples=15)
@given(st.lists(st.integers(1, 6), min_size=2, max_size=4), st.integers(0, 99))
def test_a_sequence_alone_equals_itself_in_a_batch(cell, lengths, seed):
    inputs, lengths = make_inputs(lengths, seed)
    together = traced(cell)(inputs, lengths).numpy()
    for b, n in enumerate(lengths):
        alone = traced(cell)(inputs[b : b + 1, :n], lengths[b : b + 1]).numpy()
        np.testing.assert_allclose(together[b, :n], alone[0], atol=1e-6)


@cells
def test_directions_read_from_their_own_side(cell):
    layer = make_layer(cell, "both")
    inputs, lengths = make_inputs([6, 4])
    before = call(layer, inputs, lengths)
    inputs[:, 2] += 1.0
    changed = (np.abs(call(layer, inputs, lengths) - before) > 1e-6).any(axis=0)
    forward, backward = changed[:, :UNITS].any(axis=-1), changed[:, UNITS:].any(axis=-1)
    assert forward.tolist() == [False] * 2 + [True] * 4
    assert backward.tolist() == [True] * 3 + [False] * 3


@given(st.lists(st.integers(0, 5), min_size=1, max_size=4))
@settings(max_examples=20)
def test_reversing_stays_within_each_length(lengths):
    values = np.random.default_rng(0).normal(size=(len(lengths), 5, 2)).astype(np.float32)
    turned = np.array(reverse(values, lengths))
    for row, expected, n in zip(turned, values, lengths, strict=True):
        np.testing.assert_array_equal(row, np.concatenate([expected[:n][::-1], expected[n:]]))
    np.testing.assert_array_equal(reverse(turned, lengths), values)


def test_masks():
    np.testing.assert_array_equal(sequence_mask([2, 0, 3], 3), [[1, 1, 0], [0, 0, 0], [1, 1, 1]])
    assert sequence_mask([1], 2, "float32").dtype == "float32"


# ---- the layer as a layer ----------------------------------------------------------------------------------


@cells
@directions
def test_shapes_and_configuration(cell, direction):
    layer = Recurrent(cell, UNITS, direction, seed=3, initial_state="learned", name="states")
    assert layer.compute_output_shape((2, 5, WIDTH)) == (2, 5, UNITS * (2 if direction == "both" else 1))
    again = Recurrent.from_config(layer.get_config())
    for one in (layer, again):
        one.build((None, None, WIDTH), (None,))
    assert again.name == "states" and again.get_config() == layer.get_config()
    for one, other in zip(layer.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@cells
def test_a_seed_fixes_the_initial_weights_and_the_directions_differ(cell):
    kernels = {}
    for seed in (0, 0, 50):
        layer = Recurrent(cell, UNITS, seed=seed)
        layer.build((None, None, WIDTH), (None,))
        kernels.setdefault(seed, []).append(layer.get_weights())
    (one, again), (other,) = kernels.values()
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    identity = cell == "simple_rnn_relu"  # which draws no recurrent weights
    assert not np.array_equal(one[0], other[0]) and np.array_equal(one[1], other[1]) == identity
    half = len(one) // 2
    assert not np.array_equal(one[0], one[half]) and np.array_equal(one[1], one[half + 1]) == identity


def test_the_initial_weights_of_two_directions_are_drawn_independently():
    """Two initialisers with one seed draw the same numbers, and scale them differently."""
    keras_cells = [way.cell for way in Recurrent("lstm", UNITS, seed=5).ways.values()]
    drawn = [one.seed for cell in keras_cells for one in (cell.kernel_initializer, cell.recurrent_initializer)]
    assert drawn == [5, 6, 7, 8]


def test_the_relu_cell_begins_with_the_identity():
    layer = Recurrent("simple_rnn_relu", UNITS, "forward")
    layer.build((None, None, WIDTH))
    np.testing.assert_array_equal(layer.ways["forward"].cell.recurrent_kernel, np.eye(UNITS))


def test_gru_resets_after_the_product_as_cudnn_and_onnx_do():
    assert make_layer("gru", "forward").ways["forward"].reset_after


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("lstn", 3), r"cell must be one of simple_rnn, .*, lstm; got 'lstn'.*Did you mean 'lstm'"),
        (("lstm", 3, "both", 0, "given zero"), r"initial_state must be one of zero, given, learned; got 'given zero'"),
        (("lstm", 3, "forwards"), r"direction must be one of forward, backward, both; got 'forwards'.*'forward'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ConfigError, match=message):
        Recurrent(*arguments)


def test_unrolling_needs_a_known_number_of_steps():
    layer = Recurrent("gru", UNITS, unroll=True)
    with pytest.raises(
        ConfigError, match=r"number of steps must be known; got inputs of shape \(None, None, 3\).*loop"
    ):
        layer.build((None, None, WIDTH))


@pytest.mark.parametrize(("initial_state", "passed"), [("given", False), ("learned", True), ("zero", True)])
def test_initial_states_are_passed_where_they_are_given_alone(initial_state, passed):
    layer = Recurrent("gru", UNITS, "forward", initial_state=initial_state)
    inputs, lengths = make_inputs([2])
    initial = np.zeros((1, 1, 1, UNITS), np.float32) if passed else None
    with pytest.raises(ConfigError, match=f"initial_state='{initial_state}' and {'some' if passed else 'none'}"):
        layer(inputs, lengths, initial)
