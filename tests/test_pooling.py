"""From states to one vector, and the loss of a class: against their definitions."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss
from stacks import LENGTHS, make_batch, random_stack

from seqtag.choices.cells import CELLS
from seqtag.choices.pooling import ATTENTION_UNITS, POOLINGS
from seqtag.data.encoders import FeatureSpec
from seqtag.errors import ConfigError
from seqtag.nn.heads import ClassHead
from seqtag.nn.network import build_classifier
from seqtag.nn.stack import Stack

B, T, D = 4, 6, 8
ENDS = ["last", "first", "halves", "both"]
LAYERS = [(name, "last") for name in POOLINGS if name != "last"] + [("last", ends) for ends in ENDS]
layers = pytest.mark.parametrize(("name", "ends"), LAYERS)


def states_of(lengths, width=T, seed=0, beyond=0.0):
    """Random states, and something else beyond the lengths."""
    states = np.random.default_rng(seed).normal(size=(len(lengths), max(width, *lengths), D)).astype(np.float32)
    for row, n in zip(states, lengths, strict=True):
        row[n:] = beyond
    return states


def make(name, ends="last", seed=3):
    layer = POOLINGS[name](ends, seed)
    layer(states_of([1]), np.array([1]))  # so that there are weights
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.weights])
    return layer


def attend(states, layer):
    kernel, bias, query = layer.get_weights()
    scores = np.exp(np.tanh(states @ kernel + bias) @ query)
    return (states * scores / scores.sum()).sum(axis=0)


DEFINITIONS = {
    "mean": lambda states, layer: states.mean(axis=0),
    "max": lambda states, layer: states.max(axis=0),
    "attention": attend,
    "last": lambda states, layer: {
        "last": states[-1],
        "first": states[0],
        "halves": np.concatenate([states[-1, : D // 2], states[0, D // 2 :]]),
        "both": np.concatenate([states[-1], states[0]]),
    }[layer.ends],
}


@layers
def test_a_pooling_is_what_it_is_defined_as(name, ends):
    layer = make(name, ends)
    states = states_of(LENGTHS) - 3.0 * (name == "max")  # all below zero, which padding must not beat
    found = np.array(layer(states, np.array(LENGTHS)))
    expected = [DEFINITIONS[name](row[:n], layer) for row, n in zip(states, LENGTHS, strict=True)]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found.shape == layer.compute_output_shape((B, T, D), (B,))
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    assert type(again) is type(layer) and again.get_config() == layer.get_config()


@layers
@settings(max_examples=20)
@given(st.lists(st.integers(1, T), min_size=1, max_size=4), st.floats(-1e6, 1e6, width=32), st.integers(0, 4))
def test_what_stands_beyond_a_length_does_not_count(name, ends, lengths, beyond, more):
    layer = make(name, ends)
    found = np.array(layer(states_of(lengths), np.array(lengths)))
    padded = np.full((len(lengths), T + more, D), beyond, np.float32)
    padded[:, :T] = states_of(lengths, beyond=beyond)
    np.testing.assert_allclose(layer(padded, np.array(lengths)), found, atol=1e-5)
    for b, n in enumerate(lengths):
        np.testing.assert_allclose(layer(padded[[b], :n], np.array([n]))[0], found[b], atol=1e-5)


def test_attention_weighs_each_place_and_nothing_beyond():
    layer = make("attention")
    weights = np.array(layer.attention(states_of(LENGTHS, beyond=50.0), np.array(LENGTHS)))
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-6)
    for row, n in zip(weights, LENGTHS, strict=True):
        assert (row[:n] > 0).all() and not row[n:].any()
    layer.set_weights([1e3 * weight for weight in layer.get_weights()])
    assert np.isfinite(layer(states_of(LENGTHS), np.array(LENGTHS))).all()  # scores that exp alone could not hold


def test_a_seed_fixes_the_weights_of_attention():
    def drawn(seed):
        layer = POOLINGS["attention"]("last", seed)
        layer(states_of([1]), np.array([1]))
        return layer.get_weights()

    one, again, other = (drawn(seed) for seed in (1, 1, 2))
    assert [weight.shape for weight in one] == [(D, ATTENTION_UNITS), (ATTENTION_UNITS,), (ATTENTION_UNITS, 1)]
    for a, b, c, is_drawn in zip(one, again, other, (True, False, True), strict=True):
        np.testing.assert_array_equal(a, b)
        assert is_drawn != np.array_equal(a, c)


@pytest.mark.parametrize(
    "options", [{}, {"merge": "sum"}, {"direction": "forward"}, {"direction": "backward"}], ids=str
)
@pytest.mark.parametrize("cell", list(CELLS))
def test_the_last_state_is_the_one_that_keras_returns(cell, options):
    built = random_stack({"cell": cell, **options})
    batch = make_batch(built.stack)
    pooled = np.array(POOLINGS["last"](built.stack.ends, 0)(built(batch), batch["lengths"]))
    recurrent = built.model.get_layer("recurrent_0")
    for b, n in enumerate(LENGTHS):
        states = batch["states"][[b], :n]
        ends = {way: np.array(recurrent.ways[way](seen))[0] for way, seen in
                (("forward", states), ("backward", states[:, ::-1])) if way in recurrent.ways}  # fmt: skip
        if options.get("merge") == "sum":  # at either end one direction has read all, the other one place
            expected = [ends["forward"][-1] + ends["backward"][0], ends["forward"][0] + ends["backward"][-1]]
        else:
            expected = [way[-1] for way in ends.values()]
        np.testing.assert_allclose(pooled[b], np.concatenate(expected), atol=1e-6)


def test_an_unknown_pooling_is_named():
    with pytest.raises(ConfigError, match=r"pooling must be one of last, mean, max, attention; got 'mx'.*mean 'max'"):
        build_classifier([FeatureSpec("words", "ids", "type", 9)], 2, stack=Stack(units=2), pooling="mx")


# ---- the loss of a class -----------------------------------------------------------------------------------

LOGITS = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
IDS = np.array([0, 2, 1, 1, 2])
HOT = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0], [0, 0, 1]], np.float32)
WEIGHTS = np.array([1.0, 0.0, 2.5, 0.5, 1.0], np.float32)


def softmax(logits):
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def single(smoothing):
    """Loss of each sequence where it has one class."""
    target = np.eye(3)[IDS] * (1 - smoothing) + smoothing / 3
    return -(target * np.log(softmax(LOGITS))).sum(axis=1)


def several(smoothing):
    """Loss of each sequence where each class is decided by itself."""
    target = HOT * (1 - smoothing) + smoothing / 2
    p = 1 / (1 + np.exp(-LOGITS))
    return -(target * np.log(p) + (1 - target) * np.log(1 - p)).sum(axis=1)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["equal", "weighted"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize(("expected", "targets"), [(single, IDS), (several, HOT)])
def test_the_loss_is_the_cross_entropy_a_sequence(expected, targets, smoothing, weights):
    head = ClassHead(expected is several, smoothing)
    losses = expected(smoothing)
    found = float(head.loss(head(LOGITS), targets, None, weights))
    assert found == pytest.approx(float((losses if weights is None else losses * weights).mean()), rel=1e-5)
    assert ClassHead.from_config(head.get_config()).get_config() == head.get_config()
    assert head.compute_output_shape((5, 3)) == (5, 3)


def test_the_loss_is_that_of_scikit_learn():
    assert float(ClassHead().loss(LOGITS, IDS, None, None)) == pytest.approx(log_loss(IDS, softmax(LOGITS)), rel=1e-5)
