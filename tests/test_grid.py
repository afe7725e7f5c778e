"""Batches in few shapes: sizes rounded up, padding that changes nothing, shapes that are opened when worth it."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import LABELS, UNITS, make_sequences

from seqtag.data import grid as grids
from seqtag.data.batching import EncodedCorpus, Limits
from seqtag.data.encoders import fit_encoders
from seqtag.data.grid import Grid, Sizes, round_up
from seqtag.data.lookup import PADDING, UNKNOWN
from seqtag.errors import ConfigError
from seqtag.nn.network import build_classifier, build_tagger
from seqtag.nn.stack import Stack

SENTENCES = ["Ada moved to Paris in May", "x", "extraordinarily !", "to Paris", "Ada moved Ada to May", "May May May"]
SEQUENCES = make_sequences("words", SENTENCES)
FEATURES = fit_encoders(
    [{"words": None, "dim": 3}, {"chars": "cnn", "filters": 4, "dim": 3, "min_count": 1}, {"column": "pos", "dim": 2}],
    SEQUENCES,
)
SPECS = [replace(feature.spec, drop=0.0) for feature in FEATURES]
COLUMN = SPECS[2].name
OPEN = {"lengths": (None,), "index": (None, None), "words": (None, 1), "chars": (None, None), COLUMN: (None, None, 1)}


# ---- sizes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("least", "per_octave", "row"),
    [(4, 4, [4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40]), (32, 2, [32, 48, 64, 96, 128, 192, 256])],
)
def test_sizes_are_rounded_up_to_a_geometric_row(least, per_octave, row):
    for size in range(1, row[-1] + 1):
        assert round_up(size, least, per_octave) == min(entry for entry in row if entry >= size)
    assert round_up(0, least, per_octave) == 0


def test_a_shape_holds_what_is_no_larger_on_any_axis():
    shape = Sizes(8, 10, 32, 8)
    assert shape.holds(Sizes(8, 10, 32, 8)) and shape.holds(Sizes(1, 2, 3, 0))
    for larger in (Sizes(9, 1), Sizes(1, 11), Sizes(1, 1, 33), Sizes(1, 1, 1, 9)):
        assert not shape.holds(larger)


# ---- what padding adds -------------------------------------------------------------------------------------


def test_what_is_added_is_rows_of_one_place_and_tokens_of_one_unknown_character():
    encoded = EncodedCorpus(FEATURES, SEQUENCES, [np.full(len(s), 2, np.int32) for s in SEQUENCES])
    batch = encoded.batch(np.array([0, 2, 3]))
    padded = Grid(OPEN).pad(batch)
    u = len(batch.inputs["words"])
    assert {name: array.shape for name, array in padded.inputs.items()} == {
        "lengths": (4,), "index": (4, 8), "words": (32, 1), "chars": (32, 16), COLUMN: (4, 8, 1)
    }  # fmt: skip
    assert {name: array.dtype for name, array in padded.inputs.items()} == {
        name: array.dtype for name, array in batch.inputs.items()
    }
    for name, array in batch.inputs.items():
        np.testing.assert_array_equal(padded.inputs[name][tuple(slice(size) for size in array.shape)], array)
    assert padded.lengths[3] == 1
    assert (padded.inputs["index"][3] == u).all() and (padded.inputs["words"][u:] == PADDING).all()
    assert (padded.inputs["chars"][u:, 0] == UNKNOWN).all() and not padded.inputs["chars"][u:, 1:].any()
    np.testing.assert_array_equal(padded.targets[:3, :6], batch.targets)
    # 10 tokens become 11 in the mean: those that were there weigh so much more, the one added nothing.
    np.testing.assert_allclose(padded.weights[:3, :6], 1.1)
    assert not padded.weights[3].any()


def test_a_time_axis_that_is_fixed_stays():
    sequences = make_sequences("frames", ["a b c d e"] * 3)
    features = fit_encoders(["frames"], sequences)
    width = features[0].spec.width
    fixed = {"lengths": (None,), "frames": (None, 5, width)}
    padded = Grid(fixed).pad(EncodedCorpus(features, sequences).batch(np.arange(3)))
    assert padded.inputs["frames"].shape == (4, 5, width) and padded.targets is None and padded.weights is None


# ---- which shapes are opened -------------------------------------------------------------------------------


def corpus(lengths):
    features = fit_encoders(["words"], make_sequences("words"))
    words = ["Ada", "moved", "to", "Paris", "in", "May"]
    sequences = make_sequences("words", [" ".join(words[i % 6] for i in range(n)) for n in lengths])
    return EncodedCorpus(features, sequences)


def test_ragged_data_comes_in_few_shapes():
    lengths = np.random.default_rng(0).integers(1, 60, 400)
    encoded, grid = corpus(lengths), Grid({"lengths": (None,), "index": (None, None), "words": (None, 1)})
    rng, exact, shapes, count = np.random.default_rng(1), set(), set(), []
    for _ in range(6):
        for batch in encoded.shuffled(Limits(300, 32), rng):
            exact.add(grid.sizes(batch))
            shapes.add(tuple(array.shape for array in grid.pad(batch).inputs.values()))
        count.append(len(shapes))
    assert len(shapes) == len(grid.shapes) == len(set(grid.shapes))
    assert len(shapes) <= 16 and len(exact) > 3 * len(shapes)
    assert count[-1] <= count[0] + 2  # the first pass opens nearly all of them


def test_a_shape_of_its_own_is_opened_when_the_waste_would_have_paid_for_it(monkeypatch):
    monkeypatch.setattr(grids, "_WORTH", 250)
    encoded, grid = corpus([16] * 16 + [8] * 8), Grid({"lengths": (None,), "index": (None, None), "words": (None, 1)})
    large, small = encoded.batch(np.arange(16)), encoded.batch(np.arange(16, 24))
    rows = [len(grid.pad(batch).lengths) for batch in (large, small, large, small, small)]
    assert rows == [16, 16, 16, 8, 8]  # each small batch wastes 16 x 16 - 8 x 8 = 192 places, and the second one opens
    assert grid.shapes == [Sizes(16, 16, 32), Sizes(8, 8, 32)]


# ---- padding changes nothing -------------------------------------------------------------------------------


def make(kind):
    stack = Stack(units=UNITS)
    if kind in ("crf", "softmax"):
        model = build_tagger(SPECS, len(LABELS), stack=stack, decoder=kind, dropout=0.0, neighbour_words=True)
    else:
        model = build_classifier(
            SPECS, len(LABELS), stack=stack, pooling="attention", multi_label=kind == "several", dropout=0.0,
            label_smoothing=0.1, neighbour_words=True,
        )  # fmt: skip
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.05, 0.6, weight.shape) for weight in model.weights])
    return model


def targets_of(kind, rng):
    n = len(SEQUENCES)
    if kind in ("crf", "softmax"):
        return [rng.integers(len(LABELS), size=len(s)).astype(np.int32) for s in SEQUENCES]
    if kind == "one":
        return rng.integers(len(LABELS), size=n).astype(np.int32)
    return rng.integers(2, size=(n, len(LABELS))).astype(np.float32)


def weights_of(kind, rng):
    if kind in ("crf", "softmax"):
        return [rng.uniform(0, 2, len(s)).astype(np.float32) for s in SEQUENCES]
    return rng.uniform(0, 2, len(SEQUENCES)).astype(np.float32)


def loss_and_gradients(model, batch):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        outputs = model(batch.inputs, training=True)
        loss = model.compute_loss(batch.inputs, batch.targets, outputs, batch.weights)
    gradients = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
    return float(loss), [np.asarray(tf.convert_to_tensor(gradient)) for gradient in gradients], np.asarray(outputs)


MODELS = {}


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tests/on_jax asks the same of JAX")
@pytest.mark.parametrize("kind", ["crf", "softmax", "one", "several"])
@settings(max_examples=4)
@given(
    rows=st.lists(st.integers(0, len(SENTENCES) - 1), min_size=1, max_size=7),
    weighted=st.booleans(),
    seed=st.integers(0, 99),
)
def test_a_padded_batch_has_the_loss_the_gradients_and_the_results_of_the_batch(kind, rows, weighted, seed):
    model = MODELS.setdefault(kind, make(kind))
    rng = np.random.default_rng(seed)
    targets, weights = targets_of(kind, rng), weights_of(kind, rng) if weighted else None
    batch = EncodedCorpus(FEATURES, SEQUENCES, targets, weights).batch(np.array(rows))
    found = []
    for given_batch in (batch, Grid(OPEN).pad(batch)):
        model.auxiliary.strength.assign(0.7)
        found.append(loss_and_gradients(model, given_batch))
    (loss, gradients, outputs), (padded_loss, padded_gradients, padded_outputs) = found
    assert padded_loss == pytest.approx(loss, rel=1e-5)
    for variable, one, other in zip(model.trainable_variables, gradients, padded_gradients, strict=True):
        np.testing.assert_allclose(other, one, atol=1e-5, err_msg=variable.path)
    cut = padded_outputs[tuple(slice(size) for size in outputs.shape)]
    for row, length in enumerate(batch.lengths if outputs.ndim == 3 else ()):
        np.testing.assert_allclose(cut[row, :length], outputs[row, :length], atol=1e-5)
    if outputs.ndim == 2:
        np.testing.assert_allclose(cut, outputs, atol=1e-5)


# ---- which backends compute a network ----------------------------------------------------------------------


def test_another_backend_is_refused_and_those_that_will_do_are_named(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(ConfigError, match="one of tensorflow, jax for seqtag's networks; got torch"):
        build_tagger(SPECS, len(LABELS))
