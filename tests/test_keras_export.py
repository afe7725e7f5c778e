"""The .keras file: Keras reads it with nothing but `import seqtag.nn`, and seqtag reads none."""

import ast
import json
import re
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
from parity import JOINT_ROWS, case_of
from test_architecture import TREES

from seqtag.bundle import Bundle
from seqtag.data.batching import EncodedCorpus
from seqtag.errors import BundleError, NotInstalledError
from seqtag.export.formats import export
from seqtag.predictor import Predictor

ROWS = [
    ("lstm", "both", "constrained crf", "words affixes cnn"),
    ("gru", "backward", "softmax", "column lstm"),
    ("simple_rnn_relu", "forward", "several classes", "words vectors"),
    ("lstm", "both", "attention", "frames"),
    *(tuple(row.values()) for row in JOINT_ROWS),
]


def inputs_of(case):
    """All short sequences that are not empty, as one ragged batch."""
    features = Predictor.from_bundle(case.bundle).features
    full = [sequence for sequence in case.sequences if 0 < len(sequence) <= 6]
    return EncodedCorpus(features, full).batch(np.arange(len(full))).inputs


@pytest.mark.parametrize("row", ROWS, ids=" ".join)
def test_the_same_scores(row, tmp_path, eager):
    case = case_of(*row)
    place = export(case.bundle, "keras", tmp_path / "model")
    model = keras.models.load_model(place / "model.keras")
    inputs = inputs_of(case)
    described = json.loads((place / "signature.json").read_text("utf-8"))
    assert {entry["name"]: entry["dtype"] for entry in described["inputs"]} == {
        name: array.dtype.name for name, array in inputs.items()
    }
    assert all(len(entry["shape"]) == inputs[entry["name"]].ndim for entry in described["inputs"])
    expected = Predictor.from_bundle(case.bundle).backend.compute(inputs)
    found = np.array(model(inputs, training=False))
    within = np.arange(found.shape[1]) < inputs["lengths"][:, None] if found.ndim == 3 else np.ones(len(found), bool)
    np.testing.assert_allclose(found[within], expected[within], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("row", ROWS, ids=" ".join)
def test_the_page_runs(row, tmp_path, monkeypatch, capsys, eager):
    case = case_of(*row)
    place = export(case.bundle, "keras", tmp_path / "model")
    code = re.findall(r"^```python\n(.*?)^```", (place / "README.md").read_text("utf-8"), re.S | re.M)
    monkeypatch.chdir(place)
    scope = {}
    exec(compile(code[0], "README.md", "exec"), scope)
    (expected,) = Predictor.from_bundle(case.bundle).predict(scope["sequences"])
    is_several = isinstance(expected, tuple) and case.bundle.manifest["task"] == "classification"
    shown = list(expected) if is_several else expected
    assert capsys.readouterr().out.splitlines()[-1] == f"{shown}"
    before = scope["model"].get_weights()
    exec(compile(code[1], "README.md", "exec"), scope)
    assert any((old != new).any() for old, new in zip(before, scope["model"].get_weights(), strict=True))


FRESH = """
from seqtag import SequenceTagger

SequenceTagger()  # imports names of the network's parts, and nothing of Keras
import sys

assert not [name for name in sys.modules if name.startswith("seqtag.nn") or name == "keras"]
import keras, seqtag.nn
import numpy as np

model = keras.models.load_model("model.keras")
with np.load("batch.npz") as arrays:
    inputs, targets = dict(arrays), arrays["targets"]
del inputs["targets"]
np.save("emissions.npy", keras.ops.convert_to_numpy(model(inputs)))
model.compile("adam", run_eagerly=True)
history = model.fit(((inputs, targets) for _ in range(2)), steps_per_epoch=1, shuffle=False, verbose=0).history
assert np.isfinite(history["loss"][0])
"""


@pytest.mark.slow
def test_a_fresh_process_needs_one_import(tmp_path):
    case = case_of(*ROWS[0])
    place = export(case.bundle, "keras", tmp_path / "model")
    inputs = inputs_of(case)
    targets = np.zeros((len(inputs["lengths"]), inputs["lengths"].max()), np.int32)
    np.savez(place / "batch.npz", targets=targets, **inputs)
    subprocess.run([sys.executable, "-c", FRESH], cwd=place, check=True, capture_output=True, text=True)
    found = np.load(place / "emissions.npy")
    for length, row, expected in zip(
        inputs["lengths"], found, Predictor.from_bundle(case.bundle).backend.compute(inputs), strict=True
    ):
        np.testing.assert_allclose(row[:length], expected[:length], rtol=1e-4, atol=1e-4)


def test_the_file_holds_no_code(tmp_path):
    """Safe mode refuses what a file would have to run: pickled functions."""
    place = export(case_of(*ROWS[0]).bundle, "keras", tmp_path / "model")
    with zipfile.ZipFile(place / "model.keras") as archive:
        config = json.loads(archive.read("config.json"))
    assert config["registered_name"] == "seqtag>SequenceModel"
    assert "__lambda__" not in json.dumps(config)


def test_a_loop_that_was_written_out_reads_any_length(tmp_path, eager):
    bundle = case_of(*ROWS[0]).bundle
    network = bundle.manifest["network"]
    unrolled = network | {"stack": network["stack"] | {"steps": 2}}
    place = export(Bundle(bundle.manifest | {"network": unrolled}, bundle.files), "keras", tmp_path / "model")
    inputs = inputs_of(case_of(*ROWS[0]))
    assert keras.models.load_model(place / "model.keras")(inputs).shape[1] == inputs["lengths"].max() > 2


def test_a_model_without_weights_is_refused(tmp_path):
    bundle = case_of(*ROWS[0]).bundle
    kept = {name: data for name, data in bundle.files.items() if name != "weights.npz"}
    with pytest.raises(BundleError, match="only answers, with int8 weights"):
        export(Bundle(bundle.manifest | {"weights": "int8"}, kept), "keras", tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_without_keras(tmp_path, monkeypatch):
    bundle = case_of(*ROWS[0]).bundle
    monkeypatch.delitem(sys.modules, "seqtag.nn.network")
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(NotInstalledError, match="needs Keras and TensorFlow"):
        export(bundle, "keras", tmp_path / "model")


READERS = {"load_model", "load_weights", "model_from_json", "deserialize_keras_object", "h5py", "TFSMLayer"}


def test_seqtag_reads_no_file_of_keras():
    """Loading one can run what stands in it; a saved model of seqtag's own is JSON and arrays."""
    used = {
        f"seqtag/{module.replace('.', '/')}:{node.lineno} {name}"
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        for name in _names(node)
        if name.split(".")[0] in READERS
    }
    assert not used, "\n".join(sorted(used))


def _names(node):
    if isinstance(node, ast.Attribute):
        return [node.attr]
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or "", *(alias.name for alias in node.names)]
    return []
