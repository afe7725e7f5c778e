"""Smaller weights: the same graph, a quarter or half of the size, answers that hardly move."""

import itertools

import numpy as np
import onnx
import pytest

from seqtag import SequenceTagger, load
from seqtag.bundle import Bundle
from seqtag.data.batching import EncodedCorpus
from seqtag.data.sequence import Sequence
from seqtag.errors import BundleError, ConfigError
from seqtag.export.formats import FORMATS, checked_options, export
from seqtag.export.quantize import LEAST, quantized, quantized_graph, whole_rows

WORDS = [f"word{i}" for i in range(200)]
X = [[WORDS[(7 * i + 3 * j) % len(WORDS)] for j in range(3 + i % 9)] for i in range(60)]
Y = [[f"L{len(set(word[-1:])) * int(word[4:]) % 5}" for word in sentence] for sentence in X]
CELLS = ("lstm", "gru", "simple_rnn")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for cell in CELLS:
        network = {"cell": cell, "units": 40, "layers": 2, "encoders": ["words", "affixes", "chars"]}
        tagger = SequenceTagger(**network, scheme="none", epochs=2, learning_rate=0.02, random_state=0).fit(X, Y)
        tagger.save(folder / cell)
    return folder


def emissions(path, sentences=X):
    predictor = load(path)
    encoded = EncodedCorpus(predictor.features, [Sequence(tuple(tokens)) for tokens in sentences])
    batch = encoded.batch(np.arange(len(sentences)))
    outputs = predictor.backend.compute(batch.inputs)
    return outputs[np.arange(outputs.shape[1]) < batch.lengths[:, None]]


@pytest.mark.slow
@pytest.mark.parametrize(("cell", "weights"), [*itertools.product(CELLS, ("float32", "float16", "int8"))])
def test_emissions_hardly_move(models, tmp_path, cell, weights):
    place = export(models / cell, "bundle", tmp_path / "small", {"weights": weights})
    before, after = emissions(models / cell), emissions(place)
    spread = before.std()
    error = np.abs(after - before).max() / spread
    assert error <= {"float32": 0.0, "float16": 0.02, "int8": 0.25}[weights]
    assert weights == "float32" or error > 0
    answers = zip(load(models / cell).predict(X), load(place).predict(X), strict=True)
    agreement = np.mean([one == two for pair in answers for one, two in zip(*pair, strict=True)])
    assert agreement >= {"float32": 1.0, "float16": 0.98, "int8": 0.9}[weights]


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS)
def test_sizes_are_a_half_and_a_quarter(models, tmp_path, cell):
    graph = Bundle.read(models / cell).files["model.onnx"]
    arrays = [onnx.numpy_helper.to_array(one) for one in onnx.load_from_string(graph).graph.initializer]
    large = sum(a.nbytes for a in arrays if a.dtype == np.float32 and a.ndim > 1 and a.size >= LEAST)
    rows = sum(a.size // a.shape[-1] for a in arrays if a.dtype == np.float32 and a.ndim > 1 and a.size >= LEAST)
    small = len(graph) - large
    node = 400  # bytes of a node or two more for each array
    assert len(quantized_graph(graph, "float16")) <= small + large / 2 + node * len(arrays)
    assert len(quantized_graph(graph, "int8")) <= small + large / 4 + 5 * rows + node * len(arrays)


@pytest.mark.slow
def test_an_lstm_is_computed_in_whole_numbers(models):
    nodes = {
        cell: {node.op_type for node in onnx.load_from_string(quantized_graph(graph, "int8")).graph.node}
        for cell in CELLS
        for graph in [Bundle.read(models / cell).files["model.onnx"]]
    }
    assert "DynamicQuantizeLSTM" in nodes["lstm"] and "LSTM" not in nodes["lstm"]
    assert "GRU" in nodes["gru"] and "RNN" in nodes["simple_rnn"]


@pytest.mark.slow
def test_a_smaller_model_says_what_it_lacks(models, tmp_path):
    place = export(models / "gru", "bundle", tmp_path / "small")
    predictor = load(place)
    assert predictor.manifest["weights"] == "int8" and predictor.predict([["word1"]])
    with pytest.raises(BundleError, match="only answers"):
        predictor.trace([["word1"]])
    with pytest.raises(ConfigError, match="int8 already"):
        quantized(Bundle.read(place), "int8")
    with pytest.raises(BundleError, match="only answers, with int8 weights"):
        _ = SequenceTagger.load(place).model_


@pytest.mark.slow
def test_what_stands_there_is_left_alone(models, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(BundleError, match="must not exist yet"):
        export(models / "gru", "bundle", tmp_path / "mine")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BundleError, match="cannot be written"):
        export(models / "gru", "bundle", tmp_path / "file" / "model")
    assert {path.name for path in tmp_path.iterdir()} == {"mine", "file"}


def test_no_model_no_folder(tmp_path):
    with pytest.raises(BundleError, match="not a saved seqtag model"):
        export(tmp_path / "nothing", "bundle", tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("format", "options", "message"),
    [
        ("onxn", {}, "export format must be one of .* got 'onxn'. Did you mean 'onnx'?"),
        ("bundle", {"weight": "int8"}, "has the options weights; got 'weight'. Did you mean 'weights'?"),
        ("bundle", {"weights": "int4"}, "weights must be .*'int8'; got 'int4'"),
    ],
)
def test_options_are_checked_before_anything_is_read(tmp_path, format, options, message):
    with pytest.raises(ConfigError, match=message):
        export(tmp_path / "nothing", format, tmp_path / "out", options)


def test_every_format_declares_its_options():
    for name in FORMATS:
        assert checked_options(name, {}) == {} and FORMATS[name].title


def test_rows_are_rounded_to_half_a_scale():
    rng = np.random.default_rng(0)
    array = (rng.normal(size=(3, 50, 20)) * rng.lognormal(size=(3, 50, 1))).astype(np.float32)
    array[0, 0] = 0.0
    array[1, 1] = -1e9  # the row that keeps padding from the maximum
    whole, scales = whole_rows(array)
    assert whole.dtype == np.int8 and np.abs(whole.astype(int)).max() == 127
    assert (np.abs(whole * scales - array) <= scales / 2 * 1.0001).all()
    assert (whole[1, 1] * scales[1, 1] == pytest.approx(-1e9)) and not whole[0, 0].any()
