"""A trained model as a ``.keras`` file, for those who go on in Keras.

It is written and never read: seqtag opens its own folders alone, which hold nothing that could run.

===============  =============================================================================================
model.keras      the network with its weights, whose layers `import seqtag.nn` registers
vocabulary.json  the encoders, as a saved model has them
signature.json   inputs, output and labels
README.md        how to go on
===============  =============================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seqtag.bundle import Bundle, dump_json
from seqtag.data.features import Feature
from seqtag.decoders import DECODERS
from seqtag.errors import NotInstalledError
from seqtag.export._keras_readme import readme

MODEL = "model.keras"


def write_keras(bundle: Bundle, folder: Path) -> None:
    """Write the network for Keras.

    A loop over time that was written out (``unroll``) is a loop again, so that the network reads any length.

    Parameters
    ----------
    bundle : Bundle
        The model, as it was trained.
    folder : Path
        An empty folder.

    Raises
    ------
    BundleError
        If the bundle has no weights for Keras.
    NotInstalledError
        Without Keras or its backend.
    """
    weights = bundle.weights()
    try:
        from seqtag.nn.network import restore
    except ImportError as error:
        raise NotInstalledError("export to 'keras' needs Keras and TensorFlow; run: pip install seqtag") from error
    network = bundle.manifest["network"]
    model = restore({**network, "stack": {**network["stack"], "steps": None}}, weights)
    described = _described(bundle, model)
    features = tuple(map(Feature.from_dict, bundle.json("vocabulary.json")))
    model.save(folder / MODEL)
    (folder / "vocabulary.json").write_bytes(bundle.files["vocabulary.json"])
    (folder / "signature.json").write_bytes(dump_json(described))
    (folder / "README.md").write_bytes(readme(described, features).encode("utf-8", "surrogatepass"))


def _described(bundle: Bundle, model: Any) -> dict[str, Any]:
    """Say what the network takes and gives, and what its labels are, in JSON's types."""
    manifest = bundle.manifest
    decoder: Any = DECODERS[manifest["task"]](manifest, bundle.arrays("decoder.npz"))
    kinds = {spec["name"]: spec for spec in manifest["network"]["features"]}
    names = sorted(model.input, key=lambda name: (name not in kinds, name))
    return {
        "model": MODEL,
        "task": manifest["task"],
        "labels": list(decoder.labels),
        **decoder.facts(),
        "tokenizer": manifest["tokenizer"],
        "inputs": [_input(name, model.input[name], kinds.get(name)) for name in names],
        "outputs": [_output(model.output, manifest["task"])],
        "decoder": manifest["network"].get("decoder"),
        "seqtag": manifest["seqtag"],
    }


def _input(name: str, tensor: Any, spec: Mapping[str, Any] | None) -> dict[str, Any]:
    if spec is None:
        sizes = tensor.shape[1:] if name == "initial" else ("time",) * (tensor.ndim - 1)
        shape = ["batch", *sizes]
        return {"name": name, "dtype": str(tensor.dtype), "shape": shape, "meaning": MEANINGS[name]}
    lead = ["distinct"] if spec["level"] == "type" else ["batch", "time"]
    shape = [*lead, "characters" if spec["kind"] == "chars" else spec["width"]]
    of = "each distinct token of the batch" if spec["level"] == "type" else "each place"
    what = "numbers" if spec["kind"] == "vectors" else "ids"
    return {"name": name, "dtype": str(tensor.dtype), "shape": shape, "meaning": f"{what} of {of}"}


def _output(tensor: Any, task: str) -> dict[str, Any]:
    name, meaning = OUTPUTS[task]
    lead = ["batch", "time"][: tensor.ndim - 1]
    return {"name": name, "dtype": str(tensor.dtype), "shape": [*lead, int(tensor.shape[-1])], "meaning": meaning}


OUTPUTS = {
    "tagging": ("emissions", "score of each label at each token"),
    "classification": ("logits", "score of each class"),
    "joint": ("scores", "score of each label at each token, then of each intent, the same at every token"),
}


MEANINGS = {
    "index": "which of the distinct tokens stands at each place; 0 beyond a length",
    "lengths": "number of tokens or frames of each sequence, at least 1",
    "initial": "the state before the first step of each direction",
}
