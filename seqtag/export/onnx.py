"""A trained network as an ONNX graph of native recurrent nodes, which ONNX Runtime runs faster than a loop.

The graph takes the arrays of a `seqtag.data.batching.Batch` and gives emissions or logits only: a runtime computes
every node of a graph, asked for or not, so the decoder stays outside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from seqtag.choices.cells import CELLS, MERGES, Cell
from seqtag.data.lookup import UNKNOWN
from seqtag.errors import ConfigError
from seqtag.export._carried import STATE, STATE_OUT, carries_state, initial_state, put_state, state_shape, take_state
from seqtag.export._poolings import POOLED
from seqtag.registry import Registry

OPSET = 17
NEXT = "log_probabilities"


class GraphBuilder:
    """Collects nodes and constants of an ONNX graph, with names that never clash.

    Parameters
    ----------
    prefix : str
        What all names begin with, for a graph that is put beside another.
    """

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._shared: dict[str, str] = {}

    def add(self, op: str, inputs: Sequence[str], outputs: int = 1, **attributes: Any) -> str:
        """Add one node and return the name of its first output."""
        import onnx

        name = f"{self.prefix}{op.lower()}_{len(self.nodes)}"
        names = [name, *(f"{name}_{i}" for i in range(1, outputs))]
        self.nodes.append(onnx.helper.make_node(op, list(inputs), names, name=name, **attributes))
        return name

    def output(self, name: str, op: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Add one node whose output has a name of its own."""
        import onnx

        self.nodes.append(onnx.helper.make_node(op, list(inputs), [name], name=f"{self.prefix}{name}", **attributes))
        return name

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        """Add one constant and return its name."""
        import onnx

        name = f"{self.prefix}constant_{len(self.constants)}"
        array = np.asarray(value, dtype, order="C")
        self.constants.append(onnx.numpy_helper.from_array(array, name))
        return name

    def shared(self, key: str, value: Any) -> str:
        """Add one constant that several nodes read, and return its name."""
        if key not in self._shared:
            self._shared[key] = self.constant(value)
        return self._shared[key]

    def scalar(self, value: int) -> str:
        """Add a constant integer without an axis."""
        return self.constant(value, np.int64)

    def ints(self, *values: int) -> str:
        """Add a constant vector of integers (shapes, axes)."""
        return self.constant(values, np.int64)


def network_graph(model: Any) -> bytes:
    """Write a `seqtag.nn.network.SequenceModel` as ONNX.

    Parameters
    ----------
    model : SequenceModel
        Built and trained.

    Returns
    -------
    bytes
        A checked model of opset 17. Inputs are the batch's arrays, int32 or, of vectors and given initial states,
        float32; the first output, float32, is ``emissions`` (B, T, K) of a tagger, ``logits`` (B, K) of a classifier,
        ``scores`` (B, T, K + C) of a joint tagger, the logits of its C intents at every token, ``log_probabilities``
        (B, T, V) of what comes next of a language model, which gives its top layer's ``states`` (B, T, H), too.

        A network that reads forward alone has a second output, ``state_out``, the state after each sequence's last
        token, (B, layers, 1, states of the cell, H), and an input ``state`` of that shape, from which it goes on. The
        input may be left out: sequences then begin as the network was trained to. Where initial states are given,
        they are the input ``initial``, which cannot be left out, and there is no ``state``.
    """
    graph = GraphBuilder()
    config = model.get_config()
    tokens = graph.add("Transpose", [_tokens(graph, model, config["features"])], perm=[1, 0, 2])
    initial = None
    if carries_state(config["stack"]) and config["stack"]["initial_state"] != "given":
        graph.constants.append(initial_state(model, config["stack"]))
        initial = take_state(graph, config["stack"], "lengths")
    states, last = stack(graph, model, config["stack"], tokens, "lengths", initial)
    if carries_state(config["stack"]):
        put_state(graph, config["stack"], last)
    states = graph.add("Transpose", [states], perm=[1, 0, 2])
    return OUTPUTS[config["network"]](graph, model, config, states)


def states_graph(graph: bytes) -> bytes:
    """Return a language model's graph without what comes behind its states."""
    import onnx
    from onnx.utils import Extractor

    model = onnx.load_from_string(graph)
    cut = Extractor(model).extract_model([node.name for node in model.graph.input], ["states", STATE_OUT])
    onnx.checker.check_model(cut)
    return cut.SerializeToString()


def can_export(config: Mapping[str, Any]) -> bool:
    """Tell whether ONNX has an operator for every cell of a network, those that read characters included."""
    readers = {spec["model"] for spec in config["features"] if spec["kind"] == "chars"} - {"cnn"}
    return all(CELLS[cell].onnx for cell in {config["stack"]["cell"], *readers})


def _tokens(graph: GraphBuilder, model: Any, features: Sequence[Mapping[str, Any]]) -> str:
    """Make the vector of each token, (B, T, D)."""
    by_type: list[str] = []
    by_token: list[str] = []
    for spec in features:
        vectors = FEATURES[spec["kind"]](graph, model, spec)
        (by_type if spec["level"] == "type" else by_token).append(vectors)
    parts = [graph.add("Gather", [_join(graph, by_type), "index"], axis=0)] if by_type else []
    return _join(graph, parts + by_token)


def _emissions(graph: GraphBuilder, model: Any, config: Mapping[str, Any], states: str) -> bytes:
    return _finish(graph, config, _dense(graph, model, states, "emissions"), ["batch", "time", config["n_labels"]])


def _logits(graph: GraphBuilder, model: Any, config: Mapping[str, Any], states: str) -> bytes:
    pooled = POOLED[config["pooling"]](graph, model.get_layer("pooling"), states, "lengths")
    return _finish(graph, config, _dense(graph, model, pooled, "logits"), ["batch", config["n_classes"]])


def _both(graph: GraphBuilder, model: Any, config: Mapping[str, Any], states: str) -> bytes:
    """Put the logits beside the emissions, at every token, as `seqtag.nn.heads.JointHead` does."""
    emissions = _dense(graph, model, states, "emissions")
    pooled = POOLED[config["pooling"]](graph, model.get_layer("pooling"), states, "lengths")
    logits = graph.add("Unsqueeze", [_dense(graph, model, pooled, "logits"), graph.ints(1)])
    sizes = graph.add("Shape", [emissions], start=0, end=2)
    shape = graph.add("Concat", [sizes, graph.ints(config["n_intents"])], axis=0)
    graph.output("scores", "Concat", [emissions, graph.add("Expand", [logits, shape])], axis=2)
    return _finish(graph, config, "scores", ["batch", "time", config["n_labels"] + config["n_intents"]])


def _next_symbol(graph: GraphBuilder, model: Any, config: Mapping[str, Any], states: str) -> bytes:
    """Give log p(next symbol | symbols so far) at each place, and the states of the top layer."""
    graph.output("states", "Identity", [states])
    (spec,) = config["features"]
    layer = model.get_layer("scores")
    if config["tied"] and config["stack"]["units"] != spec["dim"]:
        kernel, bias = model.get_layer("projection").get_weights()
        states = graph.add("Add", [graph.add("MatMul", [states, graph.constant(kernel)]), graph.constant(bias)])
    key = f"{spec['name']}_vectors" if config["tied"] else "rows"
    rows = graph.shared(key, layer.table.embeddings.numpy())
    flat = graph.add("Reshape", [states, graph.ints(-1, layer.dim)])
    bias = graph.constant(layer.biases.embeddings.numpy()[:, 0])
    scores = graph.add("LogSoftmax", [graph.add("Gemm", [flat, rows, bias], transB=1)], axis=-1)
    shape = graph.add("Slice", [graph.add("Shape", [states]), graph.ints(0), graph.ints(2)])
    shape = graph.add("Concat", [shape, graph.ints(layer.size)], axis=0)
    graph.output(NEXT, "Reshape", [scores, shape])
    more = {"states": ["batch", "time", config["stack"]["units"]]}
    return _finish(graph, config, NEXT, ["batch", "time", layer.size], more)


OUTPUTS: Registry[Any] = Registry("network")
OUTPUTS.add("joint", _both)
OUTPUTS.add("tagger", _emissions)
OUTPUTS.add("classifier", _logits)
OUTPUTS.add("language_model", _next_symbol)


def _dense(graph: GraphBuilder, model: Any, states: str, name: str) -> str:
    kernel, bias = model.get_layer(name).get_weights()
    scores = graph.add("MatMul", [states, graph.constant(kernel)])
    return graph.output(name, "Add", [scores, graph.constant(bias)])


def embedded(graph: GraphBuilder, model: Any, spec: Mapping[str, Any]) -> str:
    """Look up the vectors of one or more ids a token, or of the first that is known, and lay them side by side."""
    (table,) = model.get_layer(f"{spec['name']}_vectors").get_weights()
    ids, width = spec["name"], spec["width"]
    if spec["starts"]:
        ids, width = _first_known(graph, ids, spec["starts"]), 1
    vectors = graph.add("Gather", [graph.shared(f"{spec['name']}_vectors", table), ids], axis=0)
    lead = (0,) if spec["level"] == "type" else (0, 0)
    vectors = graph.add("Reshape", [vectors, graph.ints(*lead, width * spec["dim"])])
    if not spec["projected"]:
        return vectors
    kernel, bias = model.get_layer(f"{spec['name']}_projected").get_weights()
    return graph.add("Add", [graph.add("MatMul", [vectors, graph.constant(kernel)]), graph.constant(bias)])


def _first_known(graph: GraphBuilder, ids: str, starts: Sequence[int]) -> str:
    """Of several ids a token, keep that of the first column that knows it, (..., 1); of none, the last one's."""
    ids = graph.add("Cast", [ids], to=7)  # int64 in any case: a graph that reads strings looks such ids up
    columns = [graph.add("Gather", [ids, graph.ints(i)], axis=-1) for i in range(len(starts))]
    found = columns[-1]
    for column, start in reversed(list(zip(columns[:-1], starts, strict=False))):
        unknown = graph.add("Equal", [column, graph.ints(start + UNKNOWN)])
        found = graph.add("Where", [unknown, found, column])
    return found


def given(graph: GraphBuilder, model: Any, spec: Mapping[str, Any]) -> str:
    """Take numbers as they come."""
    return spec["name"]


def spelled(graph: GraphBuilder, model: Any, spec: Mapping[str, Any]) -> str:
    """Read characters as the layer does."""
    layer = model.get_layer(f"{spec['name']}_vectors")
    return _convolved(graph, layer, spec) if spec["model"] == "cnn" else _read(graph, layer, spec)


def _convolved(graph: GraphBuilder, layer: Any, spec: Mapping[str, Any]) -> str:
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


def _read(graph: GraphBuilder, layer: Any, spec: Mapping[str, Any]) -> str:
    """Both last hidden states of the characters' recurrent layer."""
    (table,) = layer.embed.get_weights()
    present = graph.add("Cast", [spec["name"]], to=9)
    present = graph.add("Cast", [present], to=6)
    lengths = graph.add("ReduceSum", [present, graph.ints(1)], keepdims=0)
    vectors = graph.add("Gather", [graph.constant(table), spec["name"]], axis=0)
    steps = graph.add("Transpose", [vectors], perm=[1, 0, 2])
    last = graph.add("Transpose", [_node(graph, layer.read, steps, lengths)[1]], perm=[1, 0, 2])  # of (2, U, H)
    return graph.add("Reshape", [last, graph.ints(0, 2 * layer.read.units)])


FEATURES: Registry[Any] = Registry("feature kind")
FEATURES.add("ids", embedded)
FEATURES.add("chars", spelled)
FEATURES.add("vectors", given)


def stack(
    graph: GraphBuilder,
    model: Any,
    config: Mapping[str, Any],
    states: str,
    lengths: str,
    initial: Sequence[Sequence[str]] | None = None,
) -> tuple[str, list[str]]:
    """Add the layers that `seqtag.nn.stack.build_stack` put into a model.

    Parameters
    ----------
    graph : GraphBuilder
        Where to.
    model : keras.Model
        It holds the layers by their names.
    config : mapping
        The fields of `seqtag.nn.stack.Stack`.
    states, lengths : str
        Names of the inputs, time-major (T, B, D), and of the lengths, int32 (B,).
    initial : sequence of sequence of str, optional
        Names of each layer's initial states, (directions, B, H), in place of the layer's own; where the stack is
        given them, they are read from the input ``initial``.

    Returns
    -------
    states : str
        Name of the output, time-major (T, B, width).
    last : list of str
        Names of the last states (directions, B, H) of each layer: of an LSTM h, then c.
    """
    last: list[str] = []
    for depth in range(config["layers"]):
        below = states
        layer = model.get_layer(f"recurrent_{depth}")
        before = initial[depth] if initial is not None else _initial(graph, layer, depth, lengths)
        states, *ends = _node(graph, layer, states, lengths, before)
        last += ends
        states = graph.add("Transpose", [states], perm=[0, 2, 1, 3])  # (T, B, directions, H)
        states = graph.add("Reshape", [states, graph.ints(0, 0, layer.units * len(layer.ways))])
        merge = MERGES[config["merge"]].onnx
        if merge and len(layer.ways) == 2:
            half = graph.add("Split", [states], outputs=2, axis=-1)
            states = graph.add(merge, [half, f"{half}_1"])
        if config["residual"] and depth:
            states = graph.add("Add", [below, states])
        if config["layer_norm"]:
            norm = model.get_layer(f"norm_{depth}")
            scale_and_shift = [graph.constant(weight) for weight in norm.get_weights()]
            states = graph.add("LayerNormalization", [states, *scale_and_shift], axis=-1, epsilon=norm.epsilon)
    return states, last


def _node(graph: GraphBuilder, layer: Any, steps: str, lengths: str, initial: Sequence[str] = ()) -> list[str]:
    """Add one recurrent layer as a native node over steps (T, B, D).

    Returns the names of its outputs: all hidden states (T, directions, B, H), then the last states, (directions, B, H)
    each, as the initial states are.
    """
    cell = CELLS[layer.cell]
    if cell.onnx is None:
        raise ConfigError(f"cell {layer.cell!r} has no ONNX operator; such a model answers through Keras.")
    kernels, recurrents, biases = zip(
        *(_onnx_weights(cell, way.get_weights()) for way in layer.ways.values()), strict=True
    )
    weights = [graph.constant(np.stack(arrays)) for arrays in (kernels, recurrents, biases)]
    direction = {"both": "bidirectional", "forward": "forward", "backward": "reverse"}[layer.direction]
    options = {"direction": direction, "hidden_size": layer.units, **cell.onnx_attributes}
    if cell.onnx_activations:
        options["activations"] = list(cell.onnx_activations) * len(layer.ways)
    name = graph.add(cell.onnx, [steps, *weights, lengths, *initial], outputs=1 + cell.states, **options)
    return [name, *(f"{name}_{i}" for i in range(1, 1 + cell.states))]


def _initial(graph: GraphBuilder, layer: Any, depth: int, lengths: str) -> list[str]:
    """Add a layer's initial states as ONNX wants them, an array (directions, B, H) a state; none where they are 0."""
    count = CELLS[layer.cell].states
    if layer.initial_state == "given":
        here = graph.add("Gather", ["initial", graph.scalar(depth)], axis=1)  # (B, directions, states, H)
        states = [graph.add("Gather", [here, graph.scalar(k)], axis=2) for k in range(count)]
        return [graph.add("Transpose", [state], perm=[1, 0, 2]) for state in states]
    if layer.initial_state == "learned":
        rows = np.stack([layer.learned[way].numpy() for way in layer.ways])  # (directions, states, H)
        batch = graph.add("Shape", [lengths])
        shape = graph.add("Concat", [graph.ints(1), batch, graph.ints(1)], axis=0)
        return [graph.add("Expand", [graph.constant(rows[:, k, None]), shape]) for k in range(count)]
    return []


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


def _finish(
    graph: GraphBuilder,
    config: Mapping[str, Any],
    output: str,
    shape: list[Any],
    more: Mapping[str, list[Any]] | None = None,
) -> bytes:
    import onnx

    info = onnx.helper.make_tensor_value_info
    int32, float32 = onnx.TensorProto.INT32, onnx.TensorProto.FLOAT
    inputs = [info("lengths", int32, ["batch"])]
    if any(spec["level"] == "type" for spec in config["features"]):
        inputs.append(info("index", int32, ["batch", "time"]))
    for spec in config["features"]:
        lead = ["types"] if spec["level"] == "type" else ["batch", "time"]
        width = "chars" if spec["kind"] == "chars" else spec["width"]
        inputs.append(info(spec["name"], float32 if spec["kind"] == "vectors" else int32, [*lead, width]))
    outputs = [info(name, float32, size) for name, size in {output: shape, **(more or {})}.items()]
    stack = config["stack"]
    if stack["initial_state"] == "given":
        inputs.append(info("initial", float32, state_shape(stack)))
    if carries_state(stack):
        outputs.append(info(STATE_OUT, float32, state_shape(stack)))
        if stack["initial_state"] != "given":
            inputs.append(info(STATE, float32, state_shape(stack, batch="state_batch")))
    body = onnx.helper.make_graph(graph.nodes, f"seqtag_{config['network']}", inputs, outputs, graph.constants)
    model = onnx.helper.make_model(body, opset_imports=[onnx.helper.make_opsetid("", OPSET)], producer_name="seqtag")
    model.ir_version = 8  # the oldest that opset 17 admits, so that older runtimes read it
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()
