"""The stack: what each option does, what changes nothing, and the same in ONNX."""

from itertools import count

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from stacks import LENGTHS, STEPS, UNITS, WIDTH, build, fields, make_batch, random_stack, randomise, rows, take

from seqtag.choices.cells import CELLS, DIRECTIONS
from seqtag.errors import ConfigError
from seqtag.export.onnx import OPSET, GraphBuilder
from seqtag.export.onnx import stack as onnx_stack
from seqtag.nn.recurrent import Merge
from seqtag.nn.stack import Stack, build_stack

cells = pytest.mark.parametrize("cell", list(CELLS))


def assert_same(found, expected, lengths, atol=1e-5):
    """Compare two batches of states within their lengths."""
    for one, other, n in zip(found, expected, lengths, strict=True):
        np.testing.assert_allclose(one[:n], other[:n], atol=atol, rtol=1e-5)


def with_weights_of(built, **options):
    """Another stack with the same weights, as far as it has them."""
    other, weights = build(**fields(built.stack) | options), built.weights()
    other.model.set_weights([weights[variable.path] for variable in other.model.weights])
    return other


# ---- what each option does ---------------------------------------------------------------------------------


@cells
@pytest.mark.parametrize(("merge", "combine"), [("sum", np.add), ("mean", lambda one, other: (one + other) / 2)])
def test_merging(cell, merge, combine):
    side_by_side = random_stack({"cell": cell})
    merged = with_weights_of(side_by_side, merge=merge)
    batch = make_batch(merged.stack)
    forward, backward = np.split(side_by_side(batch), 2, axis=-1)
    np.testing.assert_allclose(merged(batch), combine(forward, backward), atol=1e-6)


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_one_direction_needs_no_merging(direction):
    plain = random_stack({"direction": direction})
    batch = make_batch(plain.stack)
    np.testing.assert_array_equal(with_weights_of(plain, merge="mean")(batch), plain(batch))


@pytest.mark.parametrize("merge", ["concat", "mean"])
def test_residual_connections_go_round_each_layer_from_the_second_on(merge):
    two = random_stack({"layers": 2, "merge": merge, "residual": True})
    one = with_weights_of(two, layers=1)
    plain = with_weights_of(two, residual=False)
    batch = make_batch(two.stack)
    np.testing.assert_allclose(two(batch), plain(batch) + one(batch), atol=1e-6)
    np.testing.assert_array_equal(with_weights_of(one, residual=True)(batch), one(batch))


def test_layer_norm_gives_each_place_mean_0_and_variance_1():
    normed = build(layer_norm=True, layers=2, units=20)
    states = normed(make_batch(normed.stack))
    for row, n in zip(states, LENGTHS, strict=True):
        np.testing.assert_allclose(row[:n].mean(axis=-1), 0.0, atol=1e-5)
        np.testing.assert_allclose(row[:n].var(axis=-1), 1.0, atol=0.02)


def test_dropout_hides_the_same_units_at_every_step_between_layers():
    dropped, batch = randomise(build(layers=2, dropout=0.5, units=30)), make_batch(Stack())
    whole = with_weights_of(dropped, dropout=0.0)
    np.testing.assert_array_equal(dropped(batch), whole(batch))
    assert np.abs(dropped(batch, training=True) - whole(batch)).max() > 0.01
    layer = dropped.model.get_layer("dropout_1")
    hidden = np.array(layer(np.ones((2, 5, 30), np.float32), training=True)) == 0
    assert hidden.any() and (hidden == hidden[:, :1]).all() and (hidden[0] != hidden[1]).any()


def test_dropout_leaves_the_residual_connection_whole():
    built = build(layers=2, dropout=0.9, residual=True, direction="forward")
    (inbound,) = built.model.get_layer("residual_1")._inbound_nodes
    assert [tensor._keras_history.operation.name for tensor in inbound.input_tensors] == ["recurrent_0", "recurrent_1"]


@pytest.mark.parametrize("direction", list(DIRECTIONS))
@pytest.mark.parametrize("initial_state", ["given", "learned"])
@cells
def test_the_initial_state_is_the_one_before_the_first_step_of_each_direction(cell, direction, initial_state):
    """Reading the whole equals reading its end from the state in which its beginning was left."""
    blank = random_stack({"cell": cell, "direction": direction})
    batch = make_batch(blank.stack, [5, 3])
    whole = np.split(blank(batch), len(blank.stack.ways), axis=-1)
    for i, way in enumerate(blank.stack.ways):
        n = 3
        rest = batch["states"][:1, 2:5] if way == "forward" else batch["states"][:1, :3]
        cut = {"states": rest, "lengths": np.array([n], np.int32)}
        cut["initial"] = np.zeros((1, *blank.stack.initial_shape), np.float32)
        cut["initial"][0, 0, i] = state_after(blank, batch["states"][:1], way)
        started = build(**fields(blank.stack) | {"initial_state": initial_state})
        learned = {f"recurrent_0/{name}_initial": cut["initial"][0, 0, k] for k, name in enumerate(blank.stack.ways)}
        known = blank.weights() | learned
        started.model.set_weights([known[variable.path] for variable in started.model.weights])
        found = np.split(started(cut), len(blank.stack.ways), axis=-1)[i]
        expected = whole[i][:1, 2:5] if way == "forward" else whole[i][:1, :3]
        np.testing.assert_allclose(found, expected, atol=1e-6)


def state_after(built, states, way):
    """The cell's own states after two steps from its end, step by step."""
    cell = built.model.get_layer("recurrent_0").ways[way].cell
    held = [np.zeros((1, UNITS), np.float32)] * CELLS[built.stack.cell].states
    for t in (0, 1) if way == "forward" else (4, 3):
        _, held = cell(states[:, t], held)
    return np.concatenate([np.array(state) for state in held])


def test_learned_initial_states_begin_as_zeros_and_are_trained():
    for options in ({"cell": "lstm"}, {"cell": "gru"}, {"cell": "lstm", "steps": STEPS}):
        built = build(initial_state="learned", layers=2, **options)
        batch = make_batch(built.stack)
        zero = with_weights_of(built, initial_state="zero")
        np.testing.assert_allclose(built(batch), zero(batch), atol=1e-6)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.sin(built.model({name: batch[name] for name in ("states", "lengths")})))
        starts = [variable for variable in built.model.trainable_variables if variable.path.endswith("_initial")]
        assert len(starts) == 4 and starts[0].shape == (CELLS[built.stack.cell].states, UNITS)
        for gradient in tape.gradient(loss, [variable.value for variable in starts]):
            assert (np.abs(gradient) > 1e-4).all()


@pytest.mark.parametrize("steps", [None, STEPS])
def test_traced_with_open_axes(steps):
    """Batches come with every axis open, also where the stack knows how long they are."""
    built = random_stack({"cell": "gru", "layers": 2, "initial_state": "learned", "merge": "sum", "steps": steps})
    batch = make_batch(built.stack)
    signature = {"states": tf.TensorSpec((None, None, WIDTH)), "lengths": tf.TensorSpec((None,), tf.int32)}
    traced = tf.function(built.model.__call__, input_signature=[signature])
    np.testing.assert_allclose(traced({name: batch[name] for name in signature}), built(batch), atol=1e-6)


@pytest.mark.parametrize("steps", [None, STEPS])
def test_a_stack_of_everything_is_trained_by_fit(steps):
    built = build(layers=2, merge="sum", residual=True, layer_norm=True, dropout=0.1, initial_state="learned",
                  steps=steps)  # fmt: skip
    before = built.weights()
    built.model.compile("sgd", "mse")
    batch = make_batch(built.stack)
    targets = np.random.default_rng(1).normal(size=(len(LENGTHS), STEPS, UNITS)).astype(np.float32)
    built.model.fit({name: batch[name] for name in ("states", "lengths")}, targets, verbose=0)
    for path, value in built.weights().items():
        assert "seed_generator" in path or not np.array_equal(before[path], value), path


# ---- what changes nothing ----------------------------------------------------------------------------------


@rows
def test_padding_batch_size_and_order_change_nothing(options):
    built = random_stack(options)
    batch = make_batch(built.stack)
    expected = built(batch)
    # what stands beyond a length
    width = STEPS if built.stack.steps else STEPS + 3
    more = {**batch, "states": np.random.default_rng(9).normal(size=(4, width, WIDTH)).astype(np.float32)}
    for b, n in enumerate(LENGTHS):
        more["states"][b, :n] = batch["states"][b, :n]
    assert_same(built(more), expected, LENGTHS)
    # order and company
    order = [2, 0, 3, 1]
    assert_same(built(take(batch, order)), expected[order], np.array(LENGTHS)[order])
    for b, n in enumerate(LENGTHS):
        assert_same(built(take(batch, [b])), expected[[b]], [n])
    if not built.stack.layer_norm:
        assert not np.concatenate([row[n:] for row, n in zip(built(more), LENGTHS, strict=True)]).any()


RICH = {"cell": "gru", "layers": 2, "residual": True, "layer_norm": True, "initial_state": "given", "merge": "mean"}


@given(st.lists(st.integers(1, 7), min_size=1, max_size=4), st.integers(0, 99))
@settings(max_examples=15)
def test_a_sequence_alone_equals_itself_in_any_batch(lengths, seed):
    built = random_stack(RICH)
    batch = make_batch(built.stack, lengths, seed)
    together = built(batch)
    for b, n in enumerate(lengths):
        alone = take(batch, [b]) | {"states": batch["states"][[b], :n]}
        assert_same(built(alone), together[[b]], [n])


@pytest.mark.parametrize("initial_state", ["zero", "given", "learned"])
@pytest.mark.parametrize("direction", list(DIRECTIONS))
@cells
def test_unrolled_equals_looped(cell, direction, initial_state):
    looped = random_stack({"cell": cell, "direction": direction, "initial_state": initial_state, "layers": 2})
    unrolled = with_weights_of(looped, steps=STEPS)
    batch = make_batch(looped.stack)
    np.testing.assert_allclose(unrolled(batch), looped(batch), atol=1e-6)


@rows
def test_a_seed_fixes_the_initial_weights(options):
    one, again = (build(**options) for _ in range(2))
    for path, value in one.weights().items():
        np.testing.assert_array_equal(value, again.weights()[path])
    drawn = [value.ravel()[0] for path, value in one.weights().items() if path.endswith("/kernel")]
    assert len(set(drawn)) == len(drawn)  # no two directions or layers begin alike


# ---- the layers --------------------------------------------------------------------------------------------


def test_the_layers_are_named_and_seeds_drawn_in_order():
    def first(states):
        drawn.append(next(seeds))
        assert states.shape == (None, None, 2 * UNITS)  # both halves, before they are merged
        return keras.layers.Identity(name="auxiliary")(states)

    drawn, seeds = [], count(10)
    stack = Stack(units=UNITS, layers=2, merge="sum", residual=True, layer_norm=True, dropout=0.1)
    inputs = keras.Input((None, WIDTH)), keras.Input((), dtype="int32")
    model = keras.Model(inputs, build_stack(stack, *inputs, seeds, after_first=first))
    names = [layer.name for layer in model.layers if not layer.name.startswith("input_layer")]
    assert names == ["recurrent_0", "auxiliary", "merge_0", "norm_0", "dropout_1", "recurrent_1", "merge_1",
                     "residual_1", "norm_1"]  # fmt: skip
    seeded = [model.get_layer(name).seed for name in ("recurrent_0", "dropout_1", "recurrent_1")]
    assert (seeded, drawn) == ([10, 12, 13], [11])


def test_a_rate_of_0_draws_the_same_seeds():
    layers = [build(layers=2, dropout=rate).model.get_layer("recurrent_1") for rate in (0.0, 0.5)]
    assert layers[0].seed == layers[1].seed


@rows
def test_the_stack_knows_its_width(options):
    built = random_stack(options)
    assert built.model.output.shape == (None, built.stack.steps, built.stack.width)
    assert built(make_batch(built.stack)).shape == (len(LENGTHS), STEPS, built.stack.width)


@rows
def test_layers_come_back_from_their_configuration(options):
    for layer in random_stack(options).model.layers:
        again = keras.layers.deserialize(keras.layers.serialize(layer))
        assert type(again) is type(layer) and again.get_config() == layer.get_config()


@pytest.mark.parametrize("merge", ["concat", "sum"])
def test_the_merging_layer(merge):
    layer = Merge(merge, name="here")
    states = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    assert np.array(layer(states)).shape == layer.compute_output_shape((2, 3, 4))
    assert Merge.from_config(layer.get_config()).get_config() == layer.get_config()


# ---- broken input ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": "lstn"}, "cell must be one of .*; got 'lstn'.*Did you mean 'lstm'"),
        ({"direction": "backwards"}, "direction must be one of .*Did you mean 'backward'"),
        ({"merge": "means"}, "merge must be one of concat, sum, mean; got 'means'. Did you mean 'mean'"),
        ({"initial_state": "learn"}, "initial_state must be one of zero, given, learned; got 'learn'.*'learned'"),
        ({"units": 0}, "units must be a whole number of at least 1; got 0"),
        ({"layers": 1.5}, r"layers must be a whole number of at least 1; got 1\.5"),
        ({"layers": True}, "layers must be a whole number of at least 1; got True"),
        ({"units": None}, "units must be a whole number of at least 1; got None"),
        ({"steps": -1}, "steps must be a whole number of at least 1; got -1"),
        ({"dropout": 1.0}, r"dropout must be at least 0 and below 1; got 1\.0"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ConfigError, match=message):
        Stack(**options)


@pytest.mark.parametrize(
    ("options", "time", "initial", "message"),
    [
        ({"steps": 4}, None, None, r"steps=4 must be given inputs of 4 places; got the shape \(None, None, 3\)"),
        ({"steps": 4}, 5, None, "steps=4 must be given inputs of 4 places"),
        ({"initial_state": "given"}, None, None, r"must be of the shape \(1, 2, 2, 4\).*; got nothing"),
        ({"initial_state": "given"}, None, (2, 4), r"must be of the shape \(1, 2, 2, 4\).*; got \(2, 4\)"),
        ({}, None, (1, 2, 2, 4), "initial_state='zero' takes no initial states"),
    ],
)
def test_inputs_that_do_not_fit(options, time, initial, message):
    inputs = keras.Input((time, WIDTH)), keras.Input((), dtype="int32")
    with pytest.raises(ConfigError, match=message):
        build_stack(Stack(units=UNITS, **options), *inputs, count(), initial=initial and keras.Input(initial))


# ---- ONNX --------------------------------------------------------------------------------------------------


def session(built):
    """Open a graph of nothing but the stack, batch-major on either side."""
    graph = GraphBuilder()
    steps = graph.add("Transpose", ["states"], perm=[1, 0, 2])
    states, _ = onnx_stack(graph, built.model, fields(built.stack), steps, "lengths")
    output = graph.add("Transpose", [states], perm=[1, 0, 2])
    info = onnx.helper.make_tensor_value_info
    int32, float32 = onnx.TensorProto.INT32, onnx.TensorProto.FLOAT
    inputs = [info("states", float32, ["batch", "time", WIDTH]), info("lengths", int32, ["batch"])]
    if built.stack.initial_state == "given":
        inputs.append(info("initial", float32, ["batch", *built.stack.initial_shape]))
    outputs = [info(output, float32, ["batch", "time", built.stack.width])]
    body = onnx.helper.make_graph(graph.nodes, "stack", inputs, outputs, graph.constants)
    model = onnx.helper.make_model(body, opset_imports=[onnx.helper.make_opsetid("", OPSET)])
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


@rows
def test_the_same_in_onnx(options):
    built = random_stack(options)
    opened = session(built)
    names = [node.name for node in opened.get_inputs()]
    for lengths in ([STEPS, 1, 4, 3], [STEPS], [2, STEPS]):
        batch = make_batch(built.stack, lengths, seed=1)
        (found,) = opened.run(None, {name: batch[name] for name in names})
        np.testing.assert_allclose(found, built(batch), atol=1e-5, rtol=1e-4)
