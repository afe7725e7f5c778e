"""A trained model for LiteRT (TensorFlow Lite), for phones: ids of one fixed length in, emissions or probabilities out.

===============  =============================================================================================
model.tflite     the network in LiteRT's builtin operators
signature.json   inputs and what makes them of a token, outputs, labels, and the scores that a decoder needs
README.md        the same for people, with an example
===============  =============================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from seqtag.bundle import Bundle, dump_json
from seqtag.data.features import Feature
from seqtag.decoders import DECODERS, ClassDecoder, JointDecoder, TagDecoder
from seqtag.errors import ConfigError, NotInstalledError
from seqtag.export._litert_readme import readme
from seqtag.export._onnx_signature import FOLD_WORDS, PART_WORDS, reading
from seqtag.params import Param

MODEL = "model.tflite"
LENGTHS = "lengths"

Weights = Literal["float32", "float16", "int8"]


def write_litert(
    bundle: Bundle,
    folder: Path,
    *,
    length: Annotated[int, Param("export", low=1)] = 64,
    batch: Annotated[int, Param("export", low=1)] = 1,
    weights: Annotated[Weights, Param("export")] = "float32",
) -> None:
    """Write a model as LiteRT reads it.

    Parameters
    ----------
    bundle : Bundle
        The model, as it was trained.
    folder : Path
        An empty folder.
    length : int
        Tokens or frames of each sequence; shorter ones are padded, longer ones have to be cut by the host.
    batch : int
        Sequences a call.
    weights : {"float32", "float16", "int8"}
        How the numbers of the network are kept; with ``int8`` they are also multiplied in whole numbers, what they are
        multiplied with being scaled as it comes.

    Raises
    ------
    ConfigError
        If a part of the network has no form in LiteRT, or the bundle's weights are gone.
    NotInstalledError
        Without TensorFlow, whose converter writes the file.
    """
    check_exportable(bundle)
    features = tuple(Feature.from_dict(state) for state in bundle.json("vocabulary.json"))
    decoder: Any = DECODERS[bundle.manifest["task"]](bundle.manifest, bundle.arrays("decoder.npz"))
    inputs = {_input_name(feature, place): feature for place, feature in enumerate(features)}
    described = {
        "model": MODEL,
        "task": bundle.manifest["task"],
        "length": length,
        "batch": batch,
        "weights": weights,
        "labels": list(decoder.labels),
        **decoder.facts(),
        "tokenizer": bundle.manifest["tokenizer"],
        "inputs": _input_facts(inputs, length, batch),
        "outputs": _output_facts(decoder, length, batch),
        "decoder": {name: array.tolist() for name, array in decoder.arrays().items()},
        "folds": FOLD_WORDS,
        "parts": PART_WORDS,
        "seqtag": bundle.manifest["seqtag"],
    }
    (folder / MODEL).write_bytes(_convert(bundle, decoder, inputs, described))
    (folder / "signature.json").write_bytes(dump_json(described))
    (folder / "README.md").write_bytes(readme(described, features).encode("utf-8", "surrogatepass"))


def check_exportable(bundle: Bundle) -> None:
    """Refuse what has no form in LiteRT, and say what has.

    Raises
    ------
    ConfigError
    """
    bundle.weights()
    network = bundle.manifest["network"]
    if network["network"] not in ("tagger", "classifier", "joint"):
        raise ConfigError(
            f"export to 'litert' must be of a tagger, a classifier or both in one; this network is a "
            f"{network['network']}. Export it as 'onnx'."
        )
    if network["stack"]["initial_state"] == "given":
        raise ConfigError(
            "export to 'litert' must be of a network with initial states of its own; this one is given them with each "
            "sequence. Export it as 'onnx', whose graph takes them as an input."
        )


def _input_name(feature: Feature, place: int) -> str:
    """Return the name of a feature, or a plain one: the converter changes what is no identifier."""
    name = feature.spec.name
    return name if name.isascii() and name.isidentifier() and name != LENGTHS else f"feature_{place}"


def _input_facts(inputs: Mapping[str, Feature], length: int, batch: int) -> list[dict[str, Any]]:
    facts: list[dict[str, Any]] = []
    for name, feature in inputs.items():
        is_numeric = feature.scaler is not None
        width = feature.scaler.features if feature.scaler is not None else feature.row_width
        shape = {"dtype": "float32" if is_numeric else "int32", "shape": [batch, length, width]}
        facts.append({"name": name, "feature": feature.spec.name} | shape | reading(feature, strings=False))
    meaning = f"number of tokens or frames of each sequence, 1 to {length}"
    return [*facts, {"name": LENGTHS, "dtype": "int32", "shape": [batch], "meaning": meaning}]


def _output_facts(decoder: TagDecoder | ClassDecoder | JointDecoder, length: int, batch: int) -> list[dict[str, Any]]:
    k = len(decoder.labels)
    meaning = "score of each label at each token; 0 beyond a length"
    emissions = {"name": "emissions", "dtype": "float32", "shape": [batch, length, k], "meaning": meaning}
    if isinstance(decoder, TagDecoder):
        return [emissions]
    of_what, chances = {"dtype": "float32", "shape": [batch, k]}, "probability of each class"
    if isinstance(decoder, JointDecoder):
        of_what["shape"] = [batch, len(decoder.intents.labels)]
        return [emissions, {"name": "intent_probabilities", **of_what, "meaning": "probability of each intent"}]
    return [{"name": "probabilities", **of_what, "meaning": chances}]


def _convert(
    bundle: Bundle,
    decoder: TagDecoder | ClassDecoder | JointDecoder,
    inputs: Mapping[str, Feature],
    described: Mapping[str, Any],
) -> bytes:
    """Have TensorFlow's converter write the graph; an operation without a builtin operator is an error there."""
    try:
        import tensorflow as tf
    except ImportError as error:
        raise NotInstalledError("export to 'litert' needs TensorFlow; run: pip install tensorflow") from error
    specs = [tf.TensorSpec(fact["shape"], fact["dtype"], name=fact["name"]) for fact in described["inputs"]]
    compute = _function(bundle, decoder, inputs)
    graph = tf.function(compute, input_signature=specs, autograph=False).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([graph], tf.Module())
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if described["weights"] != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16] if described["weights"] == "float16" else []
    return bytes(converter.convert())


def _function(bundle: Bundle, decoder: TagDecoder | ClassDecoder | JointDecoder, inputs: Mapping[str, Feature]) -> Any:
    """Return what computes the output of tensors in the order of the inputs, lengths last."""
    from seqtag.export._litert_network import run_network, scaled

    network, arrays = bundle.manifest["network"], bundle.weights()

    def compute(*tensors: Any) -> dict[str, Any]:
        given = {LENGTHS: tensors[-1]}
        for feature, tensor in zip(inputs.values(), tensors[:-1], strict=True):
            given[feature.spec.name] = tensor if feature.scaler is None else scaled(feature.scaler, tensor)
        scores = run_network(network, arrays, given)
        if isinstance(decoder, TagDecoder):
            return {"emissions": scores}
        if isinstance(decoder, JointDecoder):
            emissions, logits = scores
            return {"emissions": emissions, "intent_probabilities": _chances(decoder.intents, logits)}
        return {"probabilities": _chances(decoder, scores)}

    return compute


def _chances(decoder: ClassDecoder, logits: Any) -> Any:
    import tensorflow as tf

    scaled = logits / np.float32(decoder.temperature)
    return tf.sigmoid(scaled) if decoder.multi_label else tf.nn.softmax(scaled)
