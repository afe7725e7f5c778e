"""The exported graph: the same emissions as Keras, by native recurrent nodes alone."""

import itertools

import numpy as np
import onnx
import pytest
from combinations import pairwise, title

from seqtag.backends import OnnxBackend
from seqtag.data.batching import EncodedCorpus
from seqtag.data.corpus import Sequence
from seqtag.data.encoders import fit_encoders
from seqtag.export.onnx import OPSET, tagger_graph
from seqtag.nn.cells import CELLS
from seqtag.nn.network import build_tagger

SENTENCES = ["Ada moved to Paris in May", "한국 에서", "x", "extraordinarily !", "to Paris"]
UNSEEN = ["unseen 👍🏽 Ada", "👩\u200d👧", "qqq", "to unseen words and much more of them than before", "cafe\u0301 ١٢"]
ENCODERS = {
    "cnn": [{"words": None, "dim": 5}, {"affixes": None, "min_count": 1, "dim": 2}, {"chars": "cnn", "min_count": 1}],
    "rnn": [{"words": None, "dim": 5}, {"chars": "lstm", "min_count": 1, "filters": 6, "dim": 4}],
    "column": [{"column": "pos", "dim": 3}],
    "words and column": ["words", {"column": "pos"}],
    "two columns": [{"column": "pos"}, {"column": "letter count/한"}],
    "gru over characters": [{"chars": "gru", "filters": 2}],
    "simple_rnn over characters": ["words", {"chars": "simple_rnn", "jamo": True, "min_count": 1, "length": 4}],
}


def make_sequences(sentences):
    """Sentences with two columns."""
    for sentence in sentences:
        tokens = tuple(sentence.split())
        columns = {
            "pos": tuple(token[0] for token in tokens),
            "letter count/한": tuple(str(len(token)) for token in tokens),
        }
        yield Sequence(tokens, columns=columns)


def make_model(encoders, **options):
    """A model with random weights everywhere, biases too, and its features."""
    features = fit_encoders(ENCODERS[encoders], make_sequences(SENTENCES))
    model = build_tagger([feature.spec for feature in features], 5, units=6, neighbour_words=True, **options)
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
    graph = tagger_graph(model)
    backend = OnnxBackend(graph)
    for batch in batches(features):
        expected = np.array(model(batch.inputs, training=False))
        found = backend.emissions(batch.inputs)
        assert found.dtype == np.float32 and found.shape == expected.shape
        assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()
    return graph


FACTORS = {
    "cell": list(CELLS),
    "bidirectional": [True, False],
    "layers": [1, 2],
    "encoders": ["cnn", "rnn", "column"],
}
QUICK = list(pairwise(FACTORS))
EVERY = [dict(zip(FACTORS, row, strict=True)) for row in itertools.product(*FACTORS.values())]
ROWS = [*QUICK, *(pytest.param(row, marks=pytest.mark.slow) for row in EVERY if row not in QUICK)]


@pytest.mark.parametrize("options", ROWS, ids=title)
def test_equal_to_keras(options):
    graph = check(**options)
    also = options["encoders"] == "rnn" and options["cell"] == "lstm"  # the characters' own LSTM
    assert operators(graph).count(CELLS[options["cell"]].onnx) == options["layers"] + also


@pytest.mark.parametrize("encoders", list(ENCODERS)[3:])
def test_further_encoders(encoders):
    check(encoders)


def test_the_graph_is_checked_and_holds_native_nodes_alone():
    features, model = make_model("rnn", layers=2, decoder="softmax")
    graph = onnx.load_from_string(tagger_graph(model))
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
    def directions(bidirectional):
        graph = onnx.load_from_string(tagger_graph(make_model("column", bidirectional=bidirectional)[1]))
        nodes = [node for node in graph.graph.node if node.op_type == "LSTM"]
        return [attribute.s for node in nodes for attribute in node.attribute if attribute.name == "direction"]

    assert directions(True) == [b"bidirectional"] and directions(False) == [b"forward"]


def test_the_same_model_gives_the_same_bytes():
    _, model = make_model("cnn")
    assert tagger_graph(model) == tagger_graph(model)
