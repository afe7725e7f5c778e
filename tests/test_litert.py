"""LiteRT: the answers of Keras in its interpreter, by builtin operators alone, from what the signature says."""

import json
import re
import sys
from dataclasses import replace

import numpy as np
import pytest
from parity import FACTORS, JOINT_ROWS, LABELS, case_of, check

from seqtag.bundle import Bundle, dump_arrays
from seqtag.choices.cells import CELLS
from seqtag.data.batching import EncodedCorpus
from seqtag.data.corpus import Sequence
from seqtag.decoders import JointDecoder, TagDecoder
from seqtag.errors import BundleError, ConfigError, DataError, NotInstalledError, SeqtagError
from seqtag.export.formats import export
from seqtag.export.litert_inputs import Encoder
from seqtag.export.onnx import network_graph
from seqtag.nn.network import SequenceModel, named_weights
from seqtag.predictor import Predictor

interpreter = pytest.importorskip("ai_edge_litert.interpreter", reason="needs LiteRT: pip install ai-edge-litert")

CUSTOM, FLEX_PREFIX = 32, b"Flex"  # of LiteRT's schema: an operator that is not built in
LONGEST = 65

# Every cell, direction, head and encoder at least once; a conversion takes about a second.
ROWS = [
    ("lstm", "both", "constrained crf", "words affixes cnn"),
    ("gru", "both", "softmax", "column lstm"),
    ("simple_rnn", "backward", "constrained softmax", "ngrams gru"),
    ("simple_rnn_relu", "forward", "max", "words vectors"),
    ("gru", "backward", "mean", "frames"),
    ("lstm", "both", "attention", "frames"),
    ("lstm", "forward", "several classes", "column lstm"),
    ("gru", "both", "last", "words embeddings"),
    ("lstm", "both", "softmax", "gazetteer cnn"),
    tuple(JOINT_ROWS[0].values()),
]


def encode(signature, sequences):
    return Encoder(signature).encode(sequences)


class Model:
    """An exported model, opened as a host would."""

    def __init__(self, bundle, folder, **options):
        place = export(bundle, "litert", folder, options)
        self.signature = json.loads((place / "signature.json").read_text("utf-8"))
        self.blob = (place / "model.tflite").read_bytes()
        self.network = interpreter.Interpreter(model_content=self.blob).get_signature_runner()

    def outputs(self, sequences):
        """Return the one output, or the pair that a joint tagger has."""
        found = self.network(**encode(self.signature, sequences))
        facts = self.signature["outputs"]
        assert {f["name"]: (f["shape"], f["dtype"]) for f in facts} == {
            name: (list(array.shape), str(array.dtype)) for name, array in found.items()
        }
        outputs = [found[fact["name"]] for fact in facts]
        return outputs[0] if len(outputs) == 1 else outputs


def expected_emissions(bundle, sequences):
    """What the bundle's own graph gives, a list of arrays (T, K)."""
    predictor = Predictor.from_bundle(bundle)
    one_by_one = (EncodedCorpus(predictor.features, [sequence]).batch(np.array([0])) for sequence in sequences)
    return [predictor.backend.compute(batch.inputs)[0] for batch in one_by_one]


@pytest.fixture(scope="module")
def case():
    return case_of("lstm", "both", "constrained crf", "words affixes cnn")


@pytest.fixture(scope="module")
def model(case, tmp_path_factory):
    return Model(case.bundle, tmp_path_factory.mktemp("litert") / "model", length=LONGEST)


def answers(model, sequences):
    """Decode each sequence by itself, as a host would; what is empty is not for the graph."""
    labels, scores = model.signature["labels"], {k: np.array(v) for k, v in model.signature["decoder"].items()}
    for sequence in sequences:
        if model.signature["task"] == "joint":
            yield _both(model.signature, scores, sequence, model.outputs([sequence]) if len(sequence) else None)
            continue
        output = model.outputs([sequence])[0] if len(sequence) else None
        if model.signature["task"] == "tagging":
            decoder = TagDecoder(tuple(labels), model.signature["scheme"], **scores)
            emissions = np.zeros((1, 0, len(labels))) if output is None else output[None, : len(sequence)]
            lengths = np.array([len(sequence)])
            yield decoder.value(decoder.best(emissions, lengths)[0]), decoder.probabilities(emissions, lengths)[0]
        elif model.signature["multi_label"]:
            probabilities = 1 / (1 + np.exp(-scores["prior"])) if output is None else output
            yield tuple(labels[i] for i in np.flatnonzero(probabilities > 0.5)), probabilities
        else:
            powers = np.exp(scores["prior"])
            probabilities = powers / powers.sum() if output is None else output
            yield labels[probabilities.argmax()], probabilities


def _both(signature, scores, sequence, outputs):
    """Labels and intent of emissions (1, T, K) and of the probabilities of intents (1, C), or of the prior."""
    decoder = JointDecoder.from_bundle(signature, scores)
    n = len(sequence)
    emissions = outputs[0][:, :n] if n else np.zeros((1, 0, len(decoder.labels)))
    powers = np.exp(scores["intent_prior"])
    chances = outputs[1][0] if n else powers / powers.sum()
    lengths = np.array([n])
    labels = decoder.slots.value(decoder.slots.best(emissions, lengths)[0])
    answer = labels, signature["intents"][chances.argmax()]
    return answer, (decoder.slots.probabilities(emissions, lengths)[0], chances)


@pytest.mark.parametrize("row", ROWS, ids=" ".join)
def test_answers_as_keras_does(row, tmp_path):
    case = case_of(*row)
    model = Model(case.bundle, tmp_path / "model", length=LONGEST)
    names = {entry["name"]: entry.get("feature") for entry in model.signature["inputs"]}
    assert set(names) == set(model.network.get_input_details())
    assert names.get("feature_0", "column_part of speech") == "column_part of speech"  # the converter would change it
    check(case, list(answers(model, case.sequences)))


def test_the_rows_hold_every_part():
    for place, name in enumerate(FACTORS):
        assert set(FACTORS[name]) == {row[place] for row in ROWS if not row[2].startswith("joint")}, name


def test_a_rich_stack(tmp_path, case):
    """Layers that are merged, added up and normalised, and initial states that were learned."""
    network = case.bundle.manifest["network"]
    stack = network["stack"] | {
        "layers": 3,
        "merge": "mean",
        "residual": True,
        "layer_norm": True,
        "initial_state": "learned",
    }
    keras_model = SequenceModel.from_config(network | {"stack": stack})
    rng = np.random.default_rng(0)
    keras_model.set_weights([rng.normal(scale=0.6, size=weight.shape) for weight in keras_model.weights])
    weights = {"weights.npz": dump_arrays(named_weights(keras_model)), "model.onnx": network_graph(keras_model)}
    bundle = Bundle(case.bundle.manifest | {"network": keras_model.get_config()}, case.bundle.files | weights)
    sequences = [sequence for sequence in case.sequences if 0 < len(sequence) <= 6]
    model = Model(bundle, tmp_path / "model", length=6)
    for sequence, expected in zip(sequences, expected_emissions(bundle, sequences), strict=True):
        np.testing.assert_allclose(model.outputs([sequence])[0, : len(sequence)], expected, rtol=1e-4, atol=1e-4)


def test_builtin_operators_alone(model):
    from ai_edge_litert.schema_py_generated import Model as Schema

    schema = Schema.GetRootAs(model.blob)
    codes = [schema.OperatorCodes(i) for i in range(schema.OperatorCodesLength())]
    assert codes and all(code.BuiltinCode() != CUSTOM and not code.CustomCode() for code in codes)
    assert FLEX_PREFIX not in model.blob
    assert schema.Subgraphs(0).OperatorsLength() < 2 * LONGEST  # loops: written out, each step had several


def test_nothing_is_kept_between_calls(model, case):
    first, second = case.sequences[0], case.sequences[3]
    once = model.outputs([first]).copy()
    model.outputs([second])
    np.testing.assert_array_equal(model.outputs([first]), once)


def test_sequences_of_every_length(case, tmp_path):
    """Length 1, exactly the length, what lies between; and beside each other in a call."""
    tokens = ("to", "Paris", "x", "May")
    sequences = [Sequence(tokens[:n]) for n in (1, 4, 3)]
    model = Model(case.bundle, tmp_path / "model", length=4, batch=3)
    expected = expected_emissions(case.bundle, sequences)
    found = model.outputs(sequences)
    for row, emissions in zip(found, expected, strict=True):
        np.testing.assert_allclose(row[: len(emissions)], emissions, rtol=1e-4, atol=1e-5)
        assert not row[len(emissions) :].any()
    np.testing.assert_allclose(model.outputs(sequences[1:2])[0], expected[1], rtol=1e-4, atol=1e-5)


def test_what_stands_beyond_a_length_does_not_matter(model):
    inputs = encode(model.signature, [Sequence(("to", "Paris"))])
    expected = model.network(**inputs)["emissions"].copy()
    for name in ("words", "affixes", "chars"):
        inputs[name][:, 2:] = 3
    np.testing.assert_array_equal(model.network(**inputs)["emissions"], expected)


@pytest.mark.parametrize(
    ("sequences", "says"),
    [
        ([["x"] * (LONGEST + 1)], f"1 to {LONGEST} places; .* has {LONGEST + 1}. Cut it"),
        ([[]], "has 0"),
        ([["x"], ["y"]], "1 to 1 sequences a call; got 2"),
        ([np.zeros((2, 3))], "must have tokens"),
    ],
)
def test_what_does_not_fit_is_refused(model, sequences, says):
    with pytest.raises(DataError, match=says):
        encode(model.signature, sequences)


def test_frames_of_another_width_are_refused():
    entry = {"name": "frames", "reads": {"from": "frames"}, "dtype": "float32", "shape": [1, 2, 3], "padding": 0.0}
    signature = {"tokenizer": "whitespace", "length": 2, "batch": 1, "inputs": [entry]}
    assert encode(signature, [np.ones((1, 3))])["frames"].tolist() == [[[1, 1, 1], [0, 0, 0]]]
    with pytest.raises(DataError, match=r"have 3 features; .* has 4"):
        encode(signature, [np.zeros((2, 4))])


def test_a_length_above_the_graphs_is_an_error_there(model):
    inputs = encode(model.signature, [["x"]])
    inputs["lengths"][:] = LONGEST + 1
    with pytest.raises((RuntimeError, ValueError)):
        model.network(**inputs)


@pytest.mark.slow
def test_smaller_weights(tmp_path):
    """Of a network that is large enough for its weights to count."""
    case = case_of("lstm", "both", "constrained crf", "words affixes cnn", units=48)
    full = Model(case.bundle, tmp_path / "full", length=6)
    expected = full.outputs(case.sequences[:1])
    for weights, size, tolerance in (("float16", 0.6, 2e-3), ("int8", 0.5, 0.05)):
        model = Model(case.bundle, tmp_path / weights, length=6, weights=weights)
        assert len(model.blob) < size * len(full.blob)
        error = np.abs(model.outputs(case.sequences[:1]) - expected).max() / np.abs(expected).max()
        assert 0 < error < tolerance


@pytest.mark.parametrize("row", [ROWS[0], ROWS[-1]], ids=" ".join)
def test_the_page_runs(row, tmp_path, monkeypatch, capsys):
    case = case_of(*row)
    place = export(case.bundle, "litert", tmp_path / "model", {"length": 3})
    page = (place / "README.md").read_text("utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", page, re.S | re.M)
    monkeypatch.chdir(place)
    exec(compile(code, "README.md", "exec"), {})
    (expected,) = Predictor.from_bundle(case.bundle).predict([("Ada", "in", "Paris")])
    assert capsys.readouterr().out == f"{expected}\n"
    assert ", ".join(LABELS) in page


def without_weights(bundle):
    kept = {name: data for name, data in bundle.files.items() if name != "weights.npz"}
    return Bundle(bundle.manifest | {"weights": "int8"}, kept)


def with_network(bundle, **changes):
    network = bundle.manifest["network"]
    stack = network["stack"] | changes.pop("stack", {})
    return Bundle(bundle.manifest | {"network": network | {"stack": stack} | changes}, bundle.files)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (without_weights, "only answers, with int8 weights"),
        (lambda bundle: with_network(bundle, stack={"initial_state": "given"}), "initial states of its own.*'onnx'"),
        (lambda bundle: with_network(bundle, network="language_model"), "is a language_model.*'onnx'"),
    ],
    ids=["weights", "initial", "network"],
)
def test_what_cannot_go_there_says_what_can(change, says, case, tmp_path):
    with pytest.raises(SeqtagError, match=says):
        export(change(case.bundle), "litert", tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_cell_without_a_form(case, tmp_path, monkeypatch):
    monkeypatch.setitem(CELLS._entries, "slow", replace(CELLS["lstm"]))
    with pytest.raises(ConfigError, match=r"cell 'slow' has no form in LiteRT.*simple_rnn, .*'keras'"):
        export(with_network(case.bundle, stack={"cell": "slow"}), "litert", tmp_path / "model")


@pytest.mark.parametrize(
    ("options", "says"),
    [({"length": 0}, "length must be an int of at least 1"), ({"weights": "int4"}, "weights must be .*'int8'")],
)
def test_options_that_cannot_be(options, says, case, tmp_path):
    with pytest.raises(ConfigError, match=says):
        export(case.bundle, "litert", tmp_path / "model", options)


def test_without_tensorflow(case, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(NotInstalledError, match="pip install tensorflow"):
        export(case.bundle, "litert", tmp_path / "model")


def test_a_folder_that_is_in_use_stays_as_it_is(case, tmp_path):
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(BundleError, match="must not exist yet"):
        export(case.bundle, "litert", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]
