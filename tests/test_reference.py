"""The equations in NumPy against Keras's own layers, against the stack, and against what is written out here."""

import keras
import numpy as np
import pytest
from stacks import LENGTHS, UNITS, WIDTH, fields, make_batch, random_stack, rows

from seqtag.choices.cells import CELLS, MERGES
from seqtag.errors import ConfigError, DataError
from seqtag.nn.recurrent import Recurrent
from seqtag.nn.stack import Stack
from seqtag.reference import MERGES as REFERENCE_MERGES
from seqtag.reference import REFERENCE, run_cell, run_stack, sigmoid

cells = pytest.mark.parametrize("cell", list(CELLS))


def normal(*shape, seed=0, scale=1.0):
    return np.random.default_rng(seed).normal(scale=scale, size=shape)


def weights_of(cell, seed=0):
    """Random weights in the shapes of Keras."""
    blocks = len(CELLS[cell].gates)
    bias = (2, UNITS * blocks) if cell == "gru" else (UNITS * blocks,)
    shapes = (WIDTH, UNITS * blocks), (UNITS, UNITS * blocks), bias
    return [normal(*shape, seed=seed + i, scale=0.6) for i, shape in enumerate(shapes)]


# ---- by hand -----------------------------------------------------------------------------------------------


def test_an_rnn_and_its_softmax_written_out():
    """s_t = tanh(U x_t + W s_{t-1}), o_t = softmax(V s_t), for two units, two inputs and three labels."""
    U = np.array([[0.5, -1.0], [0.25, 2.0]])
    W = np.array([[0.0, 1.0], [-0.5, 0.5]])
    V = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    x = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    s = [np.tanh([0.5, 0.25])]
    s.append(np.tanh([-1.0 + s[0][1], 2.0 - 0.5 * s[0][0] + 0.5 * s[0][1]]))
    s.append(np.tanh([0.5 - 1.0 + s[1][1], 0.25 + 2.0 - 0.5 * s[1][0] + 0.5 * s[1][1]]))
    run = run_cell("simple_rnn", x, U.T, W.T, np.zeros(2))
    np.testing.assert_allclose(run.states, s, atol=1e-15)
    assert run.gates == {}

    head = keras.layers.Dense(3, activation="softmax", use_bias=False)
    layer = Recurrent("simple_rnn", 2, "forward")
    for one, arrays in ((head, [V.T]), (layer, [U.T, W.T, np.zeros(2)])):
        one.build((None, None, 2))
        one.set_weights(arrays)
    o = []
    for state in s:
        powers = [np.exp(state[0]), np.exp(state[1]), np.exp(state[0] + state[1])]
        o.append(np.array(powers) / sum(powers))
    found = head(layer(x[None].astype(np.float32), np.array([3], np.int32)))
    np.testing.assert_allclose(np.array(found)[0], o, atol=1e-6)


def test_one_step_of_each_gated_cell_written_out():
    x, s, c = 0.7, 0.2, -0.4
    kernel, recurrent, bias = np.array([[0.1, 0.2, 0.3, 0.4]]), np.array([[-0.4, 0.3, -0.2, 0.1]]), np.zeros(4)
    i, f, g, o = (0.7 * u + 0.2 * w for u, w in zip(kernel[0], recurrent[0], strict=True))
    i, f, g, o = 1 / (1 + np.exp(-i)), 1 / (1 + np.exp(-f)), np.tanh(g), 1 / (1 + np.exp(-o))
    run = run_cell("lstm", [[x]], kernel, recurrent, bias, np.array([[s], [c]]))
    assert {name: float(gate[0, 0]) for name, gate in run.gates.items()} == pytest.approx(
        {"input": i, "forget": f, "candidate": g, "output": o, "cell": f * c + i * g}
    )
    assert run.states[0, 0] == pytest.approx(o * np.tanh(f * c + i * g))

    bias = np.array([[0.0, 0.1, 0.2], [0.3, 0.0, 0.5]])
    run = run_cell("gru", [[x]], kernel[:, :3], recurrent[:, :3], bias, np.array([[s]]))
    z = 1 / (1 + np.exp(-(0.1 * x - 0.4 * s + 0.3)))
    r = 1 / (1 + np.exp(-(0.2 * x + 0.3 * s + 0.1)))
    h = np.tanh(0.3 * x + 0.2 + r * (-0.2 * s + 0.5))
    assert {name: float(gate[0, 0]) for name, gate in run.gates.items()} == pytest.approx(
        {"update": z, "reset": r, "candidate": h}
    )
    assert run.states[0, 0] == pytest.approx(z * s + (1 - z) * h)


def test_the_sigmoid_never_overflows():
    np.testing.assert_allclose(sigmoid(np.array([-1e4, 0.0, 1e4])), [0.0, 0.5, 1.0])
    np.testing.assert_allclose(sigmoid(np.array([-2.0, 3.0])), 1 / (1 + np.exp([2.0, -3.0])))


# ---- against Keras -----------------------------------------------------------------------------------------


def keras_layer(cell):
    kinds = {"simple_rnn": "SimpleRNN", "simple_rnn_relu": "SimpleRNN", "gru": "GRU", "lstm": "LSTM"}
    options = {"activation": "relu"} if cell == "simple_rnn_relu" else {}
    layer = getattr(keras.layers, kinds[cell])(UNITS, return_sequences=True, **options)
    layer.build((None, None, WIDTH))
    return layer


@cells
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("length", [1, 9])
def test_a_cell_is_that_of_keras(cell, given, length):
    arrays, inputs = weights_of(cell), normal(length, WIDTH, seed=5)
    layer = keras_layer(cell)
    layer.set_weights(arrays)
    initial = normal(CELLS[cell].states, UNITS, seed=6) if given else None
    passed = [row[None].astype(np.float32) for row in initial] if given else None
    expected = np.array(layer(inputs[None].astype(np.float32), initial_state=passed))[0]
    run = run_cell(cell, inputs, *arrays, initial)
    np.testing.assert_allclose(run.states, expected, atol=1e-5)
    assert run.states.dtype == np.float64
    assert all(gate.shape == (length, UNITS) for gate in run.gates.values())


def test_every_cell_and_merge_has_its_equations():
    assert REFERENCE.names() == CELLS.names() and REFERENCE_MERGES.names() == MERGES.names()
    for name in CELLS:
        assert REFERENCE[name].states == CELLS[name].states
        assert len(REFERENCE[name].gates) == len(CELLS[name].gates) + (name == "lstm") - (len(CELLS[name].gates) == 1)


# ---- against the stack -------------------------------------------------------------------------------------


@rows
def test_a_stack_is_that_of_the_network(options):
    built = random_stack(options)
    batch = make_batch(built.stack)
    found = built(batch)
    for b, n in enumerate(LENGTHS):
        initial = batch["initial"][b] if built.stack.initial_state == "given" else None
        runs = run_stack(fields(built.stack), built.weights(), batch["states"][b, :n], initial)
        assert len(runs) == built.stack.layers and runs[-1].output.shape == (n, built.stack.width)
        np.testing.assert_allclose(found[b, :n], runs[-1].output, atol=1e-5, rtol=1e-5)


@cells
def test_the_ways_are_in_the_order_of_time(cell):
    built = random_stack({"cell": cell, "direction": "both", "merge": "sum"})
    batch = make_batch(built.stack, [5])
    (run,) = run_stack(fields(built.stack), built.weights(), batch["states"][0])
    assert list(run.ways) == ["forward", "backward"]
    np.testing.assert_array_equal(run.output, run.ways["forward"].states + run.ways["backward"].states)
    batch["states"][0, 2] += 1.0
    (other,) = run_stack(fields(built.stack), built.weights(), batch["states"][0])
    for way, expected in (("forward", [0, 0, 1, 1, 1]), ("backward", [1, 1, 1, 0, 0])):
        one, two = run.ways[way], other.ways[way]
        for before, after in zip((one.states, *one.gates.values()), (two.states, *two.gates.values()), strict=True):
            np.testing.assert_array_equal((before != after).any(axis=1), expected)


# ---- broken input ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "inputs", "initial", "error", "message"),
    [
        ("lstn", (4, WIDTH), None, ConfigError, "cell must be one of .*; got 'lstn'.*Did you mean 'lstm'"),
        ("gru", (4, WIDTH + 1), None, DataError, r"must be of the shape \(T, 3\), as the kernel is; got \(4, 4\)"),
        ("gru", (WIDTH,), None, DataError, r"got \(3,\)"),
        ("lstm", (4, WIDTH), (1, UNITS), DataError, r"initial states of a lstm must be \(2, 4\); got \(1, 4\)"),
    ],
)
def test_bad_arguments(cell, inputs, initial, error, message):
    arrays = weights_of(cell if cell in CELLS else "lstm")
    with pytest.raises(error, match=message):
        run_cell(cell, np.zeros(inputs), *arrays, None if initial is None else np.zeros(initial))


@pytest.mark.parametrize("initial_state", ["given", "zero"])
def test_initial_states_are_passed_where_they_are_given_alone(initial_state):
    stack = Stack(units=UNITS, initial_state=initial_state)
    initial = np.zeros(stack.initial_shape) if initial_state == "zero" else None
    with pytest.raises(DataError, match=f"initial_state='{initial_state}' and (none|some)"):
        run_stack(fields(stack), {}, np.zeros((2, WIDTH)), initial)


def test_no_step_at_all():
    run = run_cell("gru", np.zeros((0, WIDTH)), *weights_of("gru"))
    assert run.states.shape == run.gates["reset"].shape == (0, UNITS)
