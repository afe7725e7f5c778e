"""The exported graph: the same emissions as Keras, by native recurrent nodes alone."""

import itertools
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from combinations import pairwise, title

from seqtag.backends import OnnxBackend
from seqtag.choices.cells import CELLS, DIRECTIONS
from seqtag.choices.pooling import POOLINGS
from seqtag.data.batching import EncodedCorpus
from seqtag.data.corpus import Sequence
from seqtag.data.encoders import fit_encoders
from seqtag.export.onnx import OPSET, can_export, network_graph
from seqtag.nn.network import build_classifier, build_tagger
from seqtag.nn.stack import Stack

SENTENCES = ["Ada moved to Paris in May", "한국 에서", "x", "extraordinarily !", "to Paris"]
UNSEEN = ["unseen 👍🏽 Ada", "👩\u200d👧", "qqq", "to unseen words and much more of them than before", "cafe\u0301 ١٢"]
ENCODERS = {
    "cnn": [{"words": None, "dim": 5}, {"affixes": None, "min_count": 1, "dim": 2}, {"chars": "cnn", "min_count": 1}],
    "rnn": [{"words": None, "dim": 5}, {"chars": "lstm", "min_count": 1, "filters": 6, "dim": 4}],
    "column": [{"column": "pos", "dim": 3}],
    "vectors": [{"words": None, "dim": 5}, {"vectors": "a/b"}],
    "words and column": ["words", {"column": "pos"}],
    "two columns": [{"column": "pos"}, {"column": "letter count/한"}],
    "gru over characters": [{"chars": "gru", "filters": 2}],
    "simple_rnn over characters": ["words", {"chars": "simple_rnn", "jamo": True, "min_count": 1, "length": 4}],
}


def make_sequences(sentences):
    """Sentences with two columns and vectors."""
    rng = np.random.default_rng(0)
    for sentence in sentences:
        tokens = tuple(sentence.split())
        columns = {
            "pos": tuple(token[0] for token in tokens),
            "letter count/한": tuple(str(len(token)) for token in tokens),
        }
        yield Sequence(tokens, columns=columns, vectors={"a/b": rng.normal(size=(len(tokens), 3))})


def make_model(encoders, head="tagger", **stack):
    """A model with random weights everywhere, biases too, and its features; a pooling's name makes a classifier."""
    features = fit_encoders(ENCODERS[encoders], make_sequences(SENTENCES))
    specs, stack = [feature.spec for feature in features], Stack(**{"units": 6} | stack)
    if head == "tagger":
        model = build_tagger(specs, 5, stack=stack, decoder="softmax", neighbour_words=True)
    else:
        model = build_classifier(specs, 5, stack=stack, pooling=head, neighbour_words=True)
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(scale=0.6, size=weight.shape) for weight in model.weights])
    return features, model


def batches(features):
    """One ragged batch of everything, and each sentence alone."""
    encoded = EncodedCorpus(features, list(make_sequences(SENTENCES + UNSEEN)))
    return [encoded.batch(np.array(group)) for group in (range(10), [2], [6], [8, 1])]


def operators(graph):
    return [node.op_type for node in onnx.load_from_string(graph).graph.node]


def check(encoders, **options):
    """Compare Keras and ONNX Runtime; return the graph."""
    features, model = make_model(encoders, **options)
    graph = network_graph(model)
    backend = OnnxBackend(graph)
    for batch in batches(features):
        expected = np.array(model(batch.inputs, training=False))
        found = backend.compute(batch.inputs)
        assert found.dtype == np.float32 and found.shape == expected.shape
        assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()
    return graph


FACTORS = {
    "head": ["tagger", *POOLINGS],
    "cell": list(CELLS),
    "encoders": ["cnn", "rnn", "column", "vectors"],
    "direction": list(DIRECTIONS),
    "stack": ["plain", "deep"],
}
STACKS = {"plain": {"layers": 1}, "deep": {"layers": 2, "merge": "sum"}}
PAIRS = list(pairwise(FACTORS))
EVERY = [dict(zip(FACTORS, row, strict=True)) for row in itertools.product(*FACTORS.values())]
ROWS = [*PAIRS, *(pytest.param(row, marks=pytest.mark.soak) for row in EVERY if row not in PAIRS)]


@pytest.mark.parametrize("options", ROWS, ids=title)
def test_equal_to_keras(options):
    stack = STACKS[options["stack"]]
    graph = check(**{name: value for name, value in options.items() if name != "stack"}, **stack)
    also = options["encoders"] == "rnn" and options["cell"] == "lstm"  # the characters' own LSTM
    assert operators(graph).count(CELLS[options["cell"]].onnx) == stack["layers"] + also


RICH = {"residual": True, "layer_norm": True, "initial_state": "learned", "layers": 3}


@pytest.mark.parametrize("head", FACTORS["head"])
def test_normalised_layers_mean_nothing_beyond_a_length(head):
    """What stands there is not zero, and neither a maximum nor a mean may see it."""
    check("column", head=head, **RICH)


# ---- states ------------------------------------------------------------------------------------------------

cells = pytest.mark.parametrize("cell", list(CELLS))


def states_of(layers, cell, batch, ways=1):
    """Random states of a batch."""
    shape = (batch, layers, ways, CELLS[cell].states, 6)
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("direction", list(DIRECTIONS))
@cells
def test_given_initial_states_are_an_input(cell, direction):
    features, model = make_model("column", cell=cell, direction=direction, initial_state="given", layers=2)
    backend = OnnxBackend(network_graph(model))
    for batch in batches(features):
        states = states_of(2, cell, len(batch.lengths), len(DIRECTIONS[direction]))
        inputs = batch.inputs | {"initial": states}
        np.testing.assert_allclose(backend.compute(inputs), model(inputs, training=False), atol=1e-5)
        moved = backend.compute(inputs | {"initial": states + 1})
        assert np.abs(moved - backend.compute(inputs)).max() > 1e-3


def opened(model):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it says that an input has a default
    return onnxruntime.InferenceSession(network_graph(model), options, providers=["CPUExecutionProvider"])


def cut(batch, start, stop):
    """The batch's places from start to stop, of which every sequence has at least one."""
    lengths = np.minimum(batch.lengths, stop) - start
    inputs = {name: array[:, start:stop] if array.ndim > 1 else array for name, array in batch.inputs.items()}
    return inputs | {"lengths": lengths.astype(np.int32)}


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("initial_state", ["zero", "learned"])
@cells
def test_a_forward_network_goes_on_where_it_stopped(cell, initial_state, layers):
    features, model = make_model(
        "column", cell=cell, direction="forward", initial_state=initial_state, layers=layers, residual=layers > 1
    )
    session = opened(model)
    assert "state" not in {node.name for node in session.get_inputs()}  # it may be left out
    assert [node.name for node in session.get_outputs()] == ["emissions", "state_out"]
    batch = EncodedCorpus(features, list(make_sequences(["a b c d", "e f c"]))).batch(np.arange(2))
    whole, end = session.run(None, batch.inputs)
    np.testing.assert_allclose(whole, model(batch.inputs, training=False), atol=1e-5)
    assert end.shape == states_of(layers, cell, 2).shape

    first, state = session.run(None, cut(batch, 0, 2))
    second, last = session.run(None, cut(batch, 2, 4) | {"state": state})
    for row, (n, start) in enumerate(zip(batch.lengths, (first, first), strict=True)):
        pieces = np.concatenate([start[row], second[row]])[:n]
        np.testing.assert_allclose(pieces, whole[row, :n], atol=1e-5)
    np.testing.assert_allclose(last, end, atol=1e-5)

    one = states_of(layers, cell, 1)  # stands for all sequences
    both = session.run(None, batch.inputs | {"state": np.repeat(one, 2, axis=0)})
    for found, expected in zip(session.run(None, batch.inputs | {"state": one}), both, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert np.abs(both[0] - whole).max() > 1e-3


@pytest.mark.parametrize("direction", ["backward", "both"])
def test_what_reads_backward_has_no_state(direction):
    session = opened(make_model("column", direction=direction)[1])
    assert [node.name for node in session.get_outputs()] == ["emissions"]
    assert not session.get_overridable_initializers()


# ---- what is in the graph ----------------------------------------------------------------------------------


def test_the_frames_of_a_sequence():
    sequences = [Sequence(frames=np.random.default_rng(n).normal(size=(n, 2))) for n in (5, 1, 3)]
    features = fit_encoders(["frames"], sequences)
    model = build_classifier([feature.spec for feature in features], 4, stack=Stack(units=3), pooling="last")
    inputs = EncodedCorpus(features, sequences).batch(np.arange(3)).inputs
    assert "index" not in inputs
    found = OnnxBackend(network_graph(model)).compute(inputs)
    np.testing.assert_allclose(found, model(inputs), atol=1e-5)


def test_what_onnx_has_no_operator_for_is_told_before(monkeypatch):
    config = make_model("rnn")[1].get_config()
    assert can_export(config)
    monkeypatch.setitem(CELLS._entries, "lstm", replace(CELLS["lstm"], onnx=None))
    assert not can_export(config)  # the characters' cell, too
    assert can_export(make_model("column", cell="gru")[1].get_config())
    assert not can_export(make_model("rnn", cell="gru")[1].get_config())


@pytest.mark.parametrize("encoders", list(ENCODERS)[4:])
def test_further_encoders(encoders):
    check(encoders)


def test_the_graph_is_checked_and_holds_native_nodes_alone():
    features, model = make_model("rnn", layers=2)
    graph = onnx.load_from_string(network_graph(model))
    onnx.checker.check_model(graph, full_check=True)
    assert [(entry.domain, entry.version) for entry in graph.opset_import] == [("", OPSET)]
    assert not {"Loop", "Scan", "If", "SequenceMap"} & {node.op_type for node in graph.graph.node}
    assert graph.producer_name == "seqtag"
    names = {entry.name for entry in graph.graph.input}
    assert names == {"index", "lengths", *(feature.spec.name for feature in features)}
    assert [entry.name for entry in graph.graph.output] == ["emissions"]
    # nothing is computed that emissions do not need: a runtime would compute it all the same
    needed = {"emissions"}
    for node in reversed(graph.graph.node):
        assert needed & set(node.output), node.name
        needed |= set(node.input)
    assert {constant.name for constant in graph.graph.initializer} <= needed
    assert len({node.name for node in graph.graph.node}) == len(graph.graph.node)


def test_directions_declare_themselves():
    def directions(direction):
        graph = onnx.load_from_string(network_graph(make_model("column", direction=direction)[1]))
        nodes = [node for node in graph.graph.node if node.op_type == "LSTM"]
        return [attribute.s for node in nodes for attribute in node.attribute if attribute.name == "direction"]

    assert {name: directions(name) for name in DIRECTIONS} == {
        "both": [b"bidirectional"],
        "forward": [b"forward"],
        "backward": [b"reverse"],
    }


def test_the_same_model_gives_the_same_bytes():
    _, model = make_model("cnn")
    assert network_graph(model) == network_graph(model)
