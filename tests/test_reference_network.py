"""Whole networks in NumPy, against Keras and ONNX: every pair of choices of cells, stacks, heads and encoders."""

import numpy as np
import pytest
from combinations import title
from networks import ENCODERS, FACTORS, covering, make_network, make_sequences

from seqtag.backends import OnnxBackend
from seqtag.choices.pooling import POOLINGS
from seqtag.data.batching import EncodedCorpus
from seqtag.errors import ConfigError, DataError
from seqtag.export.onnx import network_graph
from seqtag.nn.inputs import BLOCKS
from seqtag.nn.network import BUILDERS, named_weights
from seqtag.reference_network import FEATURES, OUTPUTS, run_network
from seqtag.reference_network import POOLINGS as REFERENCE_POOLINGS

ROWS = list(covering(FACTORS))


def make_inputs(features, model, encoders):
    """The inputs of one ragged batch of everything."""
    sequences = make_sequences(encoders)
    inputs = EncodedCorpus(features, sequences).batch(np.arange(len(sequences))).inputs
    if "initial" in model.input:
        shape = model.input["initial"].shape[1:]
        inputs["initial"] = np.random.default_rng(1).normal(size=(len(sequences), *shape)).astype(np.float32)
    return inputs


@pytest.mark.parametrize("options", ROWS, ids=title)
def test_a_network_is_that_of_keras_and_onnx(options):
    features, model = make_network(**options)
    inputs = make_inputs(features, model, options["encoders"])
    runs = run_network(model.get_config(), named_weights(model), inputs)
    found = {"keras": np.array(model(inputs))}
    if "initial" not in inputs:
        found["onnx"] = OnnxBackend(network_graph(model)).compute(inputs)
    for outputs in found.values():
        for run, row, n in zip(runs, outputs, inputs["lengths"], strict=True):
            np.testing.assert_allclose(run.output, row[:n] if row.ndim == 2 else row, atol=1e-4, rtol=1e-4)
            assert run.output.dtype == np.float64


def test_the_rows_hold_every_pair():
    for one in FACTORS:
        for other in FACTORS:
            pairs = {(row[one], row[other]) for row in ROWS}
            assert one == other or len(pairs) == len(FACTORS[one]) * len(FACTORS[other])
    assert len(ROWS) < 60


def test_every_part_of_a_network_has_its_equations():
    built = tuple(name for name in BUILDERS.names() if name != "language_model")  # see test_language_model.by_hand
    assert FEATURES.names() == BLOCKS.names() and OUTPUTS.names() == built
    assert set(REFERENCE_POOLINGS) == set(POOLINGS)


def test_attention_is_that_of_the_layer():
    features, model = make_network(head="attention", layers=2)
    inputs = make_inputs(features, model, "words")
    runs = run_network(model.get_config(), named_weights(model), inputs)
    width = max(len(run.attention) for run in runs)
    states = np.stack([np.pad(run.layers[-1].output, ((0, width - len(run.attention)), (0, 0))) for run in runs])
    expected = np.array(model.get_layer("pooling").attention(states.astype(np.float32), inputs["lengths"]))
    for run, row in zip(runs, expected, strict=True):
        np.testing.assert_allclose(run.attention, row[: len(run.attention)], atol=1e-5)
        assert run.attention.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("encoders", ENCODERS)
def test_a_sequence_runs_as_it_does_alone(encoders):
    features, model = make_network(head="softmax", encoders=encoders)
    encoded = EncodedCorpus(features, make_sequences(encoders))
    config, weights = model.get_config(), named_weights(model)
    together = run_network(config, weights, encoded.batch(np.arange(len(encoded))).inputs)
    for i, run in enumerate(together):
        (alone,) = run_network(config, weights, encoded.batch(np.array([i])).inputs)
        np.testing.assert_allclose(alone.output, run.output, atol=1e-12)


# ---- broken input ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": "taggr"}, "network must be one of tagger, classifier, joint; got 'taggr'. Did you mean 'tagger'"),
        ({"pooling": "maks"}, "pooling must be one of .*; got 'maks'"),
    ],
)
def test_what_has_no_equations_is_named(change, message):
    features, model = make_network(head="max")
    inputs = make_inputs(features, model, "words")
    with pytest.raises(ConfigError, match=message):
        run_network(model.get_config() | change, named_weights(model), inputs)


@pytest.mark.parametrize("initial_state", ["given", "zero"])
def test_initial_states_are_passed_where_they_are_given_alone(initial_state):
    features, model = make_network(head="max", initial_state=initial_state)
    inputs = make_inputs(features, model, "words")
    if inputs.pop("initial", None) is None:
        inputs["initial"] = np.zeros((len(inputs["lengths"]), 1, 2, 2, 4))
    with pytest.raises(DataError, match=f"initial_state='{initial_state}' and (none|some)"):
        run_network(model.get_config(), named_weights(model), inputs)
