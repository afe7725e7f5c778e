"""A trained network as an ONNX graph of native recurrent nodes, which ONNX Runtime runs faster than a loop.

The graph takes the arrays of a `seqtag.data.batching.Batch` and gives emissions only: a runtime computes every node
of a graph, asked for or not, so the decoder stays outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from seqtag.errors import ConfigError
from seqtag.nn.cells import CELLS, Cell
from seqtag.registry import Registry

OPSET = 17


class GraphBuilder:
    """Collects nodes and constants of an ONNX graph, with names that never clash."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, op: str, inputs: Sequence[str], outputs: int = 1, **attributes: Any) -> str:
        """Add one node and return the name of its first output."""
        import onnx

        name = f"{op.lower()}_{len(self.nodes)}"
        names = [name, *(f"{name}_{i}" for i in range(1, outputs))]
        self.nodes.append(onnx.helper.make_node(op, list(inputs), names, name=name, **attributes))
        return name

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        """Add one constant and return its name."""
        import onnx

        name = f"constant_{len(self.constants)}"
        array = np.ascontiguousarray(np.asarray(value, dtype))
        self.constants.append(onnx.numpy_helper.from_array(array, name))
        return name

    def ints(self, *values: int) -> str:
        """Add a constant vector of integers (shapes, axes)."""
        return self.constant(values, np.int64)


def tagger_graph(model: Any) -> bytes:
    """Write a `seqtag.nn.network.TaggerModel` as ONNX.

    Parameters
    ----------
    model : TaggerModel
        Built and trained.

    Returns
    -------
    bytes
        A checked model of opset 17. Inputs are the batch's arrays, int32; the output is ``emissions``, float32,
        (B, T, K).
    """
    graph = GraphBuilder()
    config = model.get_config()
    by_type: list[str] = []
    by_token: list[str] = []
    for spec in config["features"]:
        vectors = FEATURES[spec["kind"]](graph, model.get_layer(f"{spec['name']}_vectors"), spec)
        (by_type if spec["level"] == "type" else by_token).append(vectors)
    parts = [graph.add("Gather", [_join(graph, by_type), "index"], axis=0)] if by_type else []
    states = graph.add("Transpose", [_join(graph, parts + by_token)], perm=[1, 0, 2])
    for depth in range(config["layers"]):
        states = recurrent(graph, model.get_layer(f"recurrent_{depth}"), states, "lengths")
    kernel, bias = model.get_layer("emissions").get_weights()
    states = graph.add("Transpose", [states], perm=[1, 0, 2])
    scores = graph.add("MatMul", [states, graph.constant(kernel)])
    graph.nodes.append(_named("Add", [scores, graph.constant(bias)], "emissions"))
    return _finish(graph, config)


def embedded(graph: GraphBuilder, layer: Any, spec: dict[str, Any]) -> str:
    """Look up the vectors of one or more ids a token and lay them side by side."""
    (table,) = layer.get_weights()
    vectors = graph.add("Gather", [graph.constant(table), spec["name"]], axis=0)
    lead = (0,) if spec["level"] == "type" else (0, 0)
    return graph.add("Reshape", [vectors, graph.ints(*lead, spec["width"] * spec["dim"])])


def spelled(graph: GraphBuilder, layer: Any, spec: dict[str, Any]) -> str:
    """Read characters as the layer does."""
    return _convolved(graph, layer, spec) if spec["model"] == "cnn" else _read(graph, layer, spec)


def _convolved(graph: GraphBuilder, layer: Any, spec: dict[str, Any]) -> str:
    """Convolve embeddings as a sum of three table rows; padding's middle row keeps it from the maximum."""
    embeddings, kernel, bias = layer.get_weights()
    tables = np.einsum("cd,tdf->tcf", embeddings, kernel)
    tables[:, 0] = 0.0
    tables[1, 0] = -1e9
    padded = graph.add("Pad", [spec["name"], graph.ints(0, 1, 0, 1)])
    total = ""
    for tap, end in enumerate((-2, -1, 2**31)):
        ids = graph.add("Slice", [padded, graph.ints(tap), graph.ints(end), graph.ints(1)])
        rows = graph.add("Gather", [graph.constant(tables[tap]), ids], axis=0)
        total = graph.add("Add", [total, rows]) if total else rows
    best = graph.add("ReduceMax", [total], axes=[1], keepdims=0)
    return graph.add("Add", [best, graph.constant(bias)])


def _read(graph: GraphBuilder, layer: Any, spec: dict[str, Any]) -> str:
    """Both last hidden states of the characters' recurrent layer."""
    (table,) = layer.embed.get_weights()
    present = graph.add("Cast", [spec["name"]], to=9)
    present = graph.add("Cast", [present], to=6)
    lengths = graph.add("ReduceSum", [present, graph.ints(1)], keepdims=0)
    vectors = graph.add("Gather", [graph.constant(table), spec["name"]], axis=0)
    steps = graph.add("Transpose", [vectors], perm=[1, 0, 2])
    last = recurrent(graph, layer.read, steps, lengths, last=True)  # (2, U, H)
    last = graph.add("Transpose", [last], perm=[1, 0, 2])
    return graph.add("Reshape", [last, graph.ints(0, 2 * layer.read.units)])


FEATURES: Registry[Any] = Registry("feature kind")
FEATURES.add("ids", embedded)
FEATURES.add("chars", spelled)


def recurrent(graph: GraphBuilder, layer: Any, steps: str, lengths: str, last: bool = False) -> str:
    """Add one recurrent layer as a native node, time-major (T, B, D) to (T, B, H or 2 H).

    With ``last``, the last hidden states (directions, B, H) instead.
    """
    cell = CELLS[layer.cell]
    if cell.onnx is None:
        raise ConfigError(f"cell {layer.cell!r} has no ONNX operator; such a model answers through Keras.")
    kernels, recurrents, biases = zip(
        *(_onnx_weights(cell, way.get_weights()) for way in layer.ways.values()), strict=True
    )
    weights = [graph.constant(np.stack(arrays)) for arrays in (kernels, recurrents, biases)]
    direction = {"both": "bidirectional", "forward": "forward", "backward": "reverse"}[layer.direction]
    inputs = [steps, *weights, lengths]
    options = {"direction": direction, "hidden_size": layer.units, **cell.onnx_attributes}
    states = graph.add(cell.onnx, inputs, outputs=2, **options)
    if last:
        return f"{states}_1"
    states = graph.add("Transpose", [states], perm=[0, 2, 1, 3])  # (T, B, directions, H)
    return graph.add("Reshape", [states, graph.ints(0, 0, layer.units * len(layer.ways))])


def _onnx_weights(cell: Cell, weights: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keras weights as ONNX keeps them: transposed, gates reordered, input and recurrent bias side by side."""
    kernel, recurrent_kernel, bias = weights
    order = [cell.gates.index(gate) for gate in cell.onnx_gates]

    def reordered(columns: np.ndarray) -> np.ndarray:
        blocks = np.split(columns, len(cell.gates), axis=-1)
        return np.concatenate([blocks[i] for i in order], axis=-1)

    both = reordered(bias if bias.ndim == 2 else np.stack([bias, np.zeros_like(bias)]))
    return reordered(kernel).T, reordered(recurrent_kernel).T, both.reshape(-1)


def _join(graph: GraphBuilder, parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else graph.add("Concat", parts, axis=-1)


def _named(op: str, inputs: list[str], output: str) -> Any:
    import onnx

    return onnx.helper.make_node(op, inputs, [output], name=output)


def _finish(graph: GraphBuilder, config: dict[str, Any]) -> bytes:
    import onnx

    info = onnx.helper.make_tensor_value_info
    int32, float32 = onnx.TensorProto.INT32, onnx.TensorProto.FLOAT
    inputs = [info("index", int32, ["batch", "time"]), info("lengths", int32, ["batch"])]
    for spec in config["features"]:
        lead = ["types"] if spec["level"] == "type" else ["batch", "time"]
        inputs.append(info(spec["name"], int32, [*lead, "chars" if spec["kind"] == "chars" else spec["width"]]))
    outputs = [info("emissions", float32, ["batch", "time", config["n_labels"]])]
    body = onnx.helper.make_graph(graph.nodes, "seqtag_tagger", inputs, outputs, graph.constants)
    model = onnx.helper.make_model(body, opset_imports=[onnx.helper.make_opsetid("", OPSET)], producer_name="seqtag")
    model.ir_version = 8  # the oldest that opset 17 admits, so that older runtimes read it
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()
