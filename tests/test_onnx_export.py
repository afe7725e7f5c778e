"""The exported ONNX model: inputs a place, the decoder in the graph, and a description that a host can follow."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from parity import LABELS, case_of, host_of, plain

from seqtag import decoding
from seqtag.bundle import Bundle
from seqtag.data.features import Feature, FeatureSpec
from seqtag.data.lookup import FOLDS, PARTS, Lookup, Spelling, spell
from seqtag.data.scaling import Scaler
from seqtag.decoders import ClassDecoder, TagDecoder
from seqtag.errors import ConfigError
from seqtag.export._onnx_decoders import decode_classes, decode_tags
from seqtag.export._onnx_inputs import input_type, input_width, numbered, prepared
from seqtag.export._onnx_signature import FOLD_WORDS, PART_WORDS
from seqtag.export.formats import export
from seqtag.export.onnx import OPSET, GraphBuilder
from seqtag.predictor import Predictor

FLOAT, INT32 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT32
TAGGER = {"cell": "lstm", "direction": "both", "head": "constrained crf", "encoders": "words affixes cnn"}
FORWARD = {**TAGGER, "direction": "forward", "encoders": "column lstm"}
CLASSES = {**TAGGER, "head": "several classes", "encoders": "words vectors"}
FRAMES = {**TAGGER, "cell": "gru", "head": "attention", "encoders": "frames"}


def session_of(graph, inputs, outputs):
    """Open a graph of nothing but what was added to it."""
    info = onnx.helper.make_tensor_value_info
    body = onnx.helper.make_graph(
        graph.nodes, "part", [info(*e) for e in inputs], [info(*e) for e in outputs], graph.constants
    )
    opsets = [onnx.helper.make_opsetid("", OPSET), onnx.helper.make_opsetid("ai.onnx.ml", 2)]
    model = onnx.helper.make_model(body, opset_imports=opsets)
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


# ---- the decoder in the graph --------------------------------------------------------------------------------


def decoded(decoder, emissions, lengths, probabilities=True):
    graph = GraphBuilder()
    decode_tags(graph, decoder, probabilities)
    batch, k = ["batch", "time"], len(decoder.labels)
    outputs = [("tags", INT32, batch)]
    if probabilities:
        outputs += [("probabilities", FLOAT, batch), ("tag_probabilities", FLOAT, [*batch, k])]
    opened = session_of(graph, [("emissions", FLOAT, [*batch, k]), ("lengths", INT32, ["batch"])], outputs)
    given = {"emissions": emissions.astype(np.float32), "lengths": np.array(lengths, np.int32)}
    return dict(zip([name for name, *_ in outputs], opened.run(None, given), strict=True))


def random_decoder(k=5, forbidden=0.0, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    scores = [rng.normal(scale=scale, size=shape).astype(np.float32) for shape in ((k, k), (k,), (k,))]
    scores[0][rng.random((k, k)) < forbidden] += decoding.FORBIDDEN
    return TagDecoder(tuple(map(str, range(k))), "none", *scores)


DECODERS = {
    "crf": random_decoder(),
    "forbidden": random_decoder(forbidden=0.4, seed=1),
    "sharp": random_decoder(scale=30.0, seed=2),
    "start alone": TagDecoder(("a", "b"), "none", np.zeros((2, 2)), np.array([0.0, -3.0]), np.zeros(2)),
    "softmax": TagDecoder(("a", "b", "c"), "none", np.zeros((3, 3)), np.zeros(3), np.zeros(3)),
    "one label": random_decoder(k=1),
    "tempered": replace(random_decoder(forbidden=0.4, seed=5), temperature=2.3),
    "tempered softmax": TagDecoder(("a", "b", "c"), "none", np.zeros((3, 3)), np.zeros(3), np.zeros(3), 0.6),
}


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("lengths", [[7, 1, 0, 3], [1], [2, 2], [0]], ids=str)
def test_the_best_path_and_the_marginals_are_those_of_python(name, lengths):
    decoder = DECODERS[name]
    emissions = np.random.default_rng(3).normal(scale=2, size=(len(lengths), max(1, *lengths), len(decoder.labels)))
    emissions = emissions.astype(np.float32)
    found = decoded(decoder, emissions, lengths)
    scores = (decoder.transitions, decoder.start, decoder.end)
    best, _ = decoding.viterbi(emissions, lengths, *scores)
    inside = np.arange(emissions.shape[1]) < np.array(lengths)[:, None]
    np.testing.assert_array_equal(found["tags"], np.where(inside, best, -1))
    own = decoder.calibrated()
    tempered = decoding.temper(emissions, decoder.temperature)
    expected = decoding.marginals(tempered, lengths, own.transitions, own.start, own.end)
    np.testing.assert_allclose(found["tag_probabilities"], expected, rtol=1e-4, atol=1e-30)
    chosen = np.take_along_axis(expected, best[..., None], axis=2)[..., 0]
    np.testing.assert_allclose(found["probabilities"], np.where(inside, chosen, 0), rtol=1e-4)
    np.testing.assert_array_equal(decoded(decoder, emissions, lengths, False)["tags"], found["tags"])


def test_long_sequences_lose_no_places():
    """Float32 holds a running total of 4,000 tokens to no better than 1e-3: what is kept must stay small."""
    decoder = random_decoder(k=4, scale=2.0)
    emissions = np.random.default_rng(0).normal(20.0, 4.0, size=(1, 4000, 4)).astype(np.float32)
    found = decoded(decoder, emissions, [4000])
    scores = (decoder.transitions, decoder.start, decoder.end)
    np.testing.assert_array_equal(found["tags"], decoding.viterbi(emissions, [4000], *scores)[0])
    expected = decoding.marginals(emissions, [4000], *scores)
    np.testing.assert_allclose(found["tag_probabilities"], expected, rtol=1e-4, atol=1e-30)


@pytest.mark.parametrize("several", [False, True])
def test_classes_are_those_of_python(several):
    decoder = ClassDecoder(("a", "b", "c"), several, 2.5, np.log([0.2, 0.5, 0.3]))
    graph = GraphBuilder()
    decode_classes(graph, decoder, "scores")
    shape = ["batch", 3]
    best = ("classes", onnx.TensorProto.BOOL, shape) if several else ("class", INT32, ["batch"])
    opened = session_of(
        graph,
        [("scores", FLOAT, shape), ("lengths", INT32, ["batch"])],
        [best, ("probabilities", FLOAT, shape), ("logits", FLOAT, shape)],
    )
    scores = np.array([[0.5, -1.0, 2.0], [np.nan, np.nan, np.nan], [100.0, -200.0, 0.0]], np.float32)
    lengths = np.array([3, 0, 1], np.int32)  # what a network makes of no token means nothing
    answers, probabilities, logits = opened.run(None, {"scores": scores, "lengths": lengths})
    scores[1] = decoder.nothing()
    np.testing.assert_allclose(logits, scores, rtol=1e-6)
    np.testing.assert_array_equal(answers, np.array(decoder.best(scores, lengths)))
    np.testing.assert_allclose(probabilities, decoder.probabilities(scores, lengths), rtol=1e-5, atol=1e-30)


# ---- inputs --------------------------------------------------------------------------------------------------


def read(feature, array, strings=False):
    """Return what the network would be given."""
    graph = GraphBuilder()
    rows, index = prepared(graph, feature, strings), numbered(graph, feature.spec.name)
    name, kind = feature.spec.name, input_type(feature, strings)
    vectors = feature.scaler is not None
    axes = ["types", "width"] if feature.spec.level == "type" else ["batch", "time", "width"]
    rows = graph.output("rows", "Identity", [rows])
    opened = session_of(
        graph,
        [(name, kind, ["batch", "time", input_width(feature)])],
        [
            (rows, FLOAT if vectors else onnx.TensorProto.INT64 if strings else INT32, axes),
            (index, onnx.TensorProto.INT64, ["batch", "time"]),
        ],
    )
    return opened.run(None, {name: array})


@pytest.mark.parametrize(
    "scaler",
    [
        Scaler((0.0, 0.0), (1.0, 1.0)),
        Scaler((1.7e9, -0.25), (3.0, 1e-3), (0,)),  # seconds since 1970 lose nothing
        Scaler((2.0, 5.0), (1.0, 7.0), (0, 1)),
    ],
    ids=["as they are", "far from zero", "missing"],
)
def test_numbers_are_scaled_as_in_python(scaler):
    feature = Feature(FeatureSpec("frames", "vectors", "token", 0, width=scaler.width), scaler=scaler)
    table = np.random.default_rng(0).normal(scaler.mean, 50 * np.array(scaler.scale), size=(12, 2)).astype(np.float32)
    table[3, 0] = table[5] = np.nan
    rows, index = read(feature, table.reshape(3, 4, 2))
    np.testing.assert_allclose(rows.reshape(12, -1), scaler.apply(table), rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(index.ravel(), np.arange(12))


def test_strings_are_looked_up_each_in_its_table():
    lookups = (
        Lookup(("nfc",), "word", 0, ("a", "é", "\ud800")),
        Lookup((), "suffix", 1, ()),
        Lookup((), "word", 0, ("a",)),
    )
    feature = Feature(FeatureSpec("words", "ids", "type", 10, width=3), lookups)
    given = np.array([[["a", "a", "a"], ["é", "", "x"], ["", "👩\u200d👧", ""]]], object)
    rows, _ = read(feature, given, strings=True)
    assert rows.tolist() == [[2, 6, 9], [3, 6, 8], [1, 6, 8]]


def test_characters_are_looked_up_with_their_padding():
    spelling = Spelling((), 3, ("a", "한"))
    feature = Feature(FeatureSpec("chars", "chars", "type", 4), spelling=spelling)
    rows, _ = read(feature, np.array([[["a", "한", "b"], ["a", "", ""]]], object), strings=True)
    np.testing.assert_array_equal(rows, spell(spelling, {"a": 2, "한": 3}, ["a한b", "a"]))
    rows, _ = read(feature, np.array([[[3, 2], [0, 0]], [[2, 0], [1, 0]]], np.int32))
    assert rows.tolist() == [[3, 2], [1, 0], [2, 0], [1, 0]]  # a place that is padding has one, as an empty token


# ---- the files -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Exports by name: the case, its options, and the folder."""
    folder = tmp_path_factory.mktemp("exports")
    choices = {
        "ids": (TAGGER, {}),
        "tags alone": (TAGGER, {"probabilities": False}),
        "strings": (FORWARD, {"inputs": "strings"}),
        "classes": (CLASSES, {"inputs": "strings"}),
        "frames": (FRAMES, {}),
    }
    return {
        name: (case_of(**case), export(case_of(**case).bundle, "onnx", folder / name, options))
        for name, (case, options) in choices.items()
    }


EXPORTS = pytest.mark.parametrize("name", ["ids", "tags alone", "strings", "classes", "frames"])


@EXPORTS
def test_the_signature_is_that_of_the_graph(written, name):
    case, folder = written[name]
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "host.py", "model.onnx", "signature.json"]
    signature = json.loads((folder / "signature.json").read_text("utf-8"))
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    kinds = {"int32": "int32", "float32": "float", "string": "string", "bool": "bool"}
    for key, found in (
        ("inputs", [*session.get_inputs(), *session.get_overridable_initializers()]),
        ("outputs", session.get_outputs()),
    ):
        described = {entry["name"]: (f"tensor({kinds[entry['dtype']]})", entry["shape"]) for entry in signature[key]}
        assert described == {node.name: (node.type, node.shape) for node in found}
        assert all(entry["meaning"] for entry in signature[key])
    assert signature["labels"] == list(LABELS) and signature["task"] == case.bundle.manifest["task"]
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["labels"]) == list(LABELS) and about["task"] == signature["task"]
    model = onnx.load(folder / "model.onnx")
    assert {entry.domain or "ai.onnx": entry.version for entry in model.opset_import} == signature["opset"]
    assert signature["opset"] == {"ai.onnx": OPSET} | ({"ai.onnx.ml": 2} if name in ("strings", "classes") else {})
    assert "index" not in {entry["name"] for entry in signature["inputs"]}


@EXPORTS
def test_the_graph_is_checked_and_its_shapes_are_known(written, name):
    model = onnx.load(written[name][1] / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    known = {value.name for value in inferred.graph.value_info if value.type.tensor_type.HasField("shape")}
    assert {output for node in inferred.graph.node for output in node.output if output} <= known | {
        output.name for output in inferred.graph.output
    }


HOST = """
import sys
from host import Model
model = Model(".")
print(model.predict([["to", "Paris"], [], ["café"]]))
assert not {"seqtag", "tensorflow", "keras", "onnx"} & set(sys.modules)
"""


def test_the_host_needs_numpy_and_onnx_runtime_alone(written):
    case, folder = written["ids"]
    run = subprocess.run([sys.executable, "-c", HOST], capture_output=True, text=True, cwd=folder)
    assert run.returncode == 0 and not run.stderr, run.stderr
    assert run.stdout.strip() == str(host_of(folder).predict([["to", "Paris"], [], ["café"]]))
    command = [sys.executable, "host.py", ".", "Ada moved to Paris in May"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=True)
    assert json.loads(run.stdout) == case.expected[0].answer


@EXPORTS
def test_the_page_says_what_there_is_and_its_example_runs(written, name, capsys, monkeypatch):
    _, folder = written[name]
    page = (folder / "README.md").read_text("utf-8")
    signature = json.loads((folder / "signature.json").read_text("utf-8"))
    for entry in (*signature["inputs"], *signature["outputs"]):
        assert f"| `{entry['name']}`" in page
    example = page.split("```python\n")[1].split("```")[0]
    if name in ("strings", "classes"):  # their models read more than tokens
        assert '"columns": ' in example or '"vectors": ' in example
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "host", raising=False)
    exec(example, {})
    assert "probabilities" in capsys.readouterr().out or name == "tags alone"


def test_the_words_for_folds_and_parts_are_complete():
    assert set(FOLD_WORDS) == set(FOLDS) and set(PART_WORDS) == set(PARTS)


def test_without_probabilities_the_tags_are_the_same(written):
    (case, with_them), (_, without) = written["ids"], written["tags alone"]
    asked = [plain(sequence) for sequence in case.sequences]
    assert host_of(without).predict(asked) == host_of(with_them).predict(asked)
    assert set(host_of(without).run(asked)) == {"emissions", "tags"}


def test_the_state_goes_in_and_out(written):
    case, folder = written["strings"]
    model, sequence = host_of(folder), plain(case.sequences[0])
    whole = model.run([sequence])
    parts = [
        {"tokens": sequence["tokens"][cut], "columns": {key: value[cut] for key, value in sequence["columns"].items()}}
        for cut in (slice(0, 2), slice(2, None))
    ]
    first = model.run([parts[0]])
    second = model.run([parts[1]], state=first["state_out"])
    emissions = np.concatenate([first["emissions"], second["emissions"]], axis=1)
    np.testing.assert_allclose(emissions, whole["emissions"], atol=1e-5)
    np.testing.assert_allclose(second["state_out"], whole["state_out"], atol=1e-5)


@pytest.mark.parametrize("weights", ["float16", "int8"])
def test_smaller_weights_go_along(weights, tmp_path):
    case = case_of(**TAGGER, units=40)  # smaller arrays stay as they are
    small = export(case.bundle, "bundle", tmp_path / "small", {"weights": weights})
    model = host_of(export(small, "onnx", tmp_path / "onnx"))
    assert set(model.signature["opset"]) == {"ai.onnx"} | ({"com.microsoft"} if weights == "int8" else set())
    asked = [plain(sequence) for sequence in case.sequences]
    expected = [Predictor.load(small).predict([sequence])[0] for sequence in case.sequences]
    assert [model.predict([sequence])[0] for sequence in asked] == expected
    # what pads a batch takes no places from numbers that share a scale
    together = model.run(asked)["emissions"]
    for row, sequence in zip(together, asked, strict=True):
        if n := len(sequence["tokens"]):
            alone = model.run([sequence])["emissions"][0]
            assert np.abs(row[:n] - alone).mean() < 0.03 * np.abs(alone).max()


def test_what_cannot_be_exported_is_told(tmp_path):
    bundle = case_of(**TAGGER).bundle
    bare = Bundle(bundle.manifest, {name: data for name, data in bundle.files.items() if name != "model.onnx"})
    with pytest.raises(ConfigError, match=r"no operator for its cell.*'saved_model'"):
        export(bare, "onnx", tmp_path / "out")
    with pytest.raises(ConfigError, match="inputs must be 'ids' or 'strings'; got 'text'"):
        export(bundle, "onnx", tmp_path / "out", {"inputs": "text"})
    assert not list(tmp_path.iterdir())
