"""A trained model as one ONNX file for any host: the bundle's graph, with inputs a place and the decoder in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from seqtag.bundle import Bundle, dump_json
from seqtag.data.features import Feature
from seqtag.decoders import DECODERS, ClassDecoder, JointDecoder, TagDecoder
from seqtag.errors import ConfigError
from seqtag.export._onnx_decoders import decode_both, decode_classes, decode_tags
from seqtag.export._onnx_inputs import LOOKUPS, input_type, input_width, numbered, prepared
from seqtag.export._onnx_language import write_language_model
from seqtag.export._onnx_signature import read_me, signature
from seqtag.export.onnx import GraphBuilder
from seqtag.params import Param

LOOKUPS_OPSET = 2  # the first whose dictionaries go from strings to numbers of any type

FACTS = ("task", "labels", "intents", "scheme", "multi_label", "seqtag")
"""What a graph says of itself, as far as its model has it."""

Inputs = Annotated[Literal["ids", "strings"], Param("export")]
Probabilities = Annotated[bool, Param("export")]


def write_onnx(bundle: Bundle, folder: Path, *, inputs: Inputs = "ids", probabilities: Probabilities = True) -> None:
    """Write ``model.onnx`` and what its users need: ``signature.json``, ``README.md`` and an example, ``host.py``.

    Parameters
    ----------
    bundle : Bundle
        The model.
    folder : Path
        An empty folder.
    inputs : {"ids", "strings"}
        What the graph is given for each token: numbers from the tables in the signature, or the pieces of the token
        that are looked up in the graph.
    probabilities : bool
        Whether a tagger gives the probabilities of its labels beside the tags; its decoding takes about half the time
        without.

    A language model's graph takes ids, and has no host of its own: see `seqtag.export._onnx_language`.

    Raises
    ------
    ConfigError
        If a cell of the network has no ONNX operator.
    """
    if bundle.manifest["task"] == "language_modelling":
        write_language_model(bundle, folder, inputs)
        return
    features = tuple(Feature.from_dict(state) for state in bundle.json("vocabulary.json"))
    decoder: Any = DECODERS[bundle.manifest["task"]](bundle.manifest, bundle.arrays("decoder.npz"))
    model = exported(bundle, features, decoder, strings=inputs == "strings", probabilities=probabilities)
    described = signature(bundle.manifest, features, decoder, model)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    (folder / "signature.json").write_bytes(dump_json(described))
    (folder / "README.md").write_bytes(read_me(described).encode("utf-8", "surrogatepass"))
    (folder / "host.py").write_bytes(Path(__file__).with_name("_onnx_host.py").read_bytes())


def exported(
    bundle: Bundle, features: tuple[Feature, ...], decoder: Any, *, strings: bool, probabilities: bool = True
) -> Any:
    """Put inputs a place before a bundle's graph, and the decoder behind it.

    Parameters
    ----------
    bundle : Bundle
        The model.
    features : tuple of Feature
        Its encoders.
    decoder : TagDecoder, ClassDecoder or JointDecoder
        Its decoder.
    strings, probabilities : bool
        As `write_onnx` takes them.

    Returns
    -------
    onnx.ModelProto
        Checked, its shapes inferred strictly.
    """
    import onnx

    if "model.onnx" not in bundle.files:
        raise ConfigError(
            "the model has no graph, since ONNX has no operator for its cell; export it as 'saved_model' instead."
        )
    bare = onnx.load_from_string(bundle.files["model.onnx"])
    network = bare.graph
    before, after = GraphBuilder("input/"), GraphBuilder("decoder/")
    rows = {feature.spec.name: prepared(before, feature, strings) for feature in features}
    if any(feature.spec.level == "type" for feature in features):
        rows["index"] = numbered(before, next(f.spec.name for f in features if f.spec.level == "type"))
    scores = network.output[0].name
    if isinstance(decoder, ClassDecoder):
        rows[scores] = f"network/{scores}"
        decode_classes(after, decoder, rows[scores])
    elif isinstance(decoder, JointDecoder):
        rows["emissions"] = "network/emissions"  # a name that the graph's own output has
        decode_both(after, decoder, scores, probabilities)
    else:
        decode_tags(after, decoder, probabilities)
    nodes = [*before.nodes, *(_renamed(node, rows) for node in network.node), *after.nodes]
    constants = [*before.constants, *network.initializer, *after.constants]
    body = onnx.helper.make_graph(
        nodes, network.name, _inputs(network, features, strings), _outputs(network, decoder, probabilities), constants
    )
    return _finished(body, bare.opset_import, bundle.manifest)


def _renamed(node: Any, names: Mapping[str, str]) -> Any:
    """Return a node of the bundle's graph that reads and writes under other names."""
    for values in (node.input, node.output):
        for i, name in enumerate(values):
            values[i] = names.get(name, name)
    return node


def _inputs(network: Any, features: tuple[Feature, ...], strings: bool) -> list[Any]:
    import onnx

    own = {feature.spec.name for feature in features} | {"index"}
    places = [
        onnx.helper.make_tensor_value_info(
            feature.spec.name, input_type(feature, strings), ["batch", "time", input_width(feature)]
        )
        for feature in features
    ]
    return [*places, *(entry for entry in network.input if entry.name not in own)]


def _outputs(network: Any, decoder: TagDecoder | ClassDecoder | JointDecoder, probabilities: bool) -> list[Any]:
    import onnx

    info, types, k = onnx.helper.make_tensor_value_info, onnx.TensorProto, len(decoder.labels)
    outputs = [network.output[0]]
    if isinstance(decoder, JointDecoder):
        c = len(decoder.intents.labels)
        emissions = info("emissions", types.FLOAT, ["batch", "time", k])
        intents = [info(f"intent_{name}", types.FLOAT, ["batch", c]) for name in ("logits", "probabilities")]
        tags = _tag_outputs(emissions, k, probabilities)
        return [*tags, *intents, info("intent", types.INT32, ["batch"]), *network.output[1:]]
    if isinstance(decoder, TagDecoder):
        outputs = _tag_outputs(network.output[0], k, probabilities)
    else:
        outputs.append(info("probabilities", types.FLOAT, ["batch", k]))
        several = info("classes", types.BOOL, ["batch", k])
        outputs.append(several if decoder.multi_label else info("class", types.INT32, ["batch"]))
    return [*outputs, *network.output[1:]]


def _tag_outputs(emissions: Any, k: int, probabilities: bool) -> list[Any]:
    import onnx

    info, types = onnx.helper.make_tensor_value_info, onnx.TensorProto
    outputs = [emissions, info("tags", types.INT32, ["batch", "time"])]
    if probabilities:
        outputs.append(info("probabilities", types.FLOAT, ["batch", "time"]))
        outputs.append(info("tag_probabilities", types.FLOAT, ["batch", "time", k]))
    return outputs


def _finished(body: Any, opsets: Sequence[Any], manifest: Mapping[str, Any]) -> Any:
    """Make the model of its graph, say what it is, and check it."""
    import onnx

    if any(node.domain == LOOKUPS for node in body.node):
        opsets = [*opsets, onnx.helper.make_opsetid(LOOKUPS, LOOKUPS_OPSET)]
    model = onnx.helper.make_model(body, opset_imports=opsets, producer_name="seqtag")
    model.ir_version = 8  # the oldest that opset 17 admits, so that older runtimes read it
    facts = {name: manifest[name] for name in FACTS if name in manifest}
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in facts.items()}
    onnx.helper.set_model_props(model, texts)
    standard = {entry.domain for entry in opsets} <= {"", LOOKUPS}  # of others, shapes are not known to onnx
    onnx.checker.check_model(model, full_check=standard)
    if standard:
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    return model
