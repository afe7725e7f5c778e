"""The decoders of `seqtag.decoders` as ONNX nodes: emissions or logits in, labels and probabilities out, in float32.

Viterbi and forward-backward are two ``Scan`` nodes, one over the sequence and one back. Both keep logarithms, and at
each step subtract the greatest: so they neither underflow nor lose places, however long a sequence is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from seqtag.decoders import ClassDecoder, JointDecoder, TagDecoder

if TYPE_CHECKING:
    from seqtag.export.onnx import GraphBuilder

FLOAT, INT32, INT64, BOOL = 1, 6, 7, 9  # of onnx.TensorProto
NO_TAG = -1
"""What stands beyond a length."""


def decode_tags(graph: GraphBuilder, decoder: TagDecoder, probabilities: bool) -> None:
    """Add ``tags`` (B, T) to ``emissions`` and ``lengths``; with ``probabilities`` those of the labels, too."""
    inside = _inside(graph)
    scores = "emissions"
    if probabilities and decoder.temperature != 1.0:
        scores = graph.add("Div", [scores, graph.constant(decoder.temperature)])
        decoder = decoder.calibrated()
    if decoder.transitions.any() or decoder.start.any() or decoder.end.any():
        tags, marginals = _best_path(graph, decoder, scores, inside, probabilities)
    else:
        tags = graph.add("ArgMax", ["emissions"], axis=2, keepdims=0)
        marginals = graph.add("Softmax", [scores], axis=2) if probabilities else ""
    masked = graph.add("Where", [inside, tags, graph.scalar(NO_TAG)])
    graph.output("tags", "Cast", [masked], to=INT32)
    if probabilities:
        mask = graph.add("Unsqueeze", [inside, graph.ints(2)])
        graph.output("tag_probabilities", "Where", [mask, marginals, graph.constant(0.0)])
        chosen = graph.add("Unsqueeze", [tags, graph.ints(2)])
        chosen = graph.add("GatherElements", ["tag_probabilities", chosen], axis=2)
        graph.output("probabilities", "Squeeze", [chosen, graph.ints(2)])


def decode_both(graph: GraphBuilder, decoder: JointDecoder, scores: str, probabilities: bool) -> None:
    """Part scores (B, T, K + C), and add what `decode_tags` does, with ``intent`` and what it is chosen from."""
    k = graph.ints(len(decoder.labels))
    graph.output("emissions", "Slice", [scores, graph.ints(0), k, graph.ints(2)])
    first = graph.add("Gather", [scores, graph.scalar(0)], axis=1)
    logits = graph.add("Slice", [first, k, graph.ints(2**31), graph.ints(1)])
    decode_tags(graph, decoder.slots, probabilities)
    decode_classes(graph, decoder.intents, logits, ("intent_logits", "intent_probabilities", "intent"))


def decode_classes(
    graph: GraphBuilder,
    decoder: ClassDecoder,
    logits: str,
    names: tuple[str, str, str] = ("logits", "probabilities", "class"),
) -> None:
    """Add ``logits``, ``probabilities`` and ``class`` or ``classes``; a sequence without tokens has the prior's."""
    own, chances, best_class = names
    empty = graph.add("Equal", ["lengths", graph.constant(0, np.int32)])
    empty = graph.add("Unsqueeze", [empty, graph.ints(1)])
    graph.output(own, "Where", [empty, graph.constant(decoder.nothing()), logits])
    scaled = graph.add("Div", [own, graph.constant(decoder.temperature)])
    if decoder.multi_label:
        graph.output(chances, "Sigmoid", [scaled])
        least = np.log(decoder.threshold / (1 - decoder.threshold)) * decoder.temperature
        graph.output("classes", "Greater", [own, graph.constant(least)])
    else:
        graph.output(chances, "Softmax", [scaled], axis=1)
        best = graph.add("ArgMax", [own], axis=1, keepdims=0)
        graph.output(best_class, "Cast", [best], to=INT32)


def _inside(graph: GraphBuilder) -> str:
    """Tell which places (B, T) stand before the end."""
    steps = graph.add("Shape", ["emissions"], start=1, end=2)
    count = graph.add("Squeeze", [steps, graph.ints(0)])
    places = graph.add("Range", [graph.scalar(0), count, graph.scalar(1)])
    ends = graph.add("Unsqueeze", [graph.add("Cast", ["lengths"], to=INT64), graph.ints(1)])
    return graph.add("Less", [places, ends])


def _best_path(
    graph: GraphBuilder, decoder: TagDecoder, scores: str, inside: str, probabilities: bool
) -> tuple[str, str]:
    """Add Viterbi, and with ``probabilities`` forward-backward; return tags (B, T) and marginals (B, T, K)."""
    steps = graph.add("Transpose", [scores], perm=[1, 0, 2])  # (T, B, K)
    first = graph.add("Gather", [steps, graph.scalar(0)], axis=0)
    begin = graph.add("Add", [first, graph.constant(decoder.start)])
    # Each step of the way there puts out what came in, so that a sequence of one token needs no loop of no steps.
    later = graph.add("Slice", [steps, graph.ints(1), graph.ints(2**31), graph.ints(0)])
    later = graph.add("Concat", [later, graph.add("Unsqueeze", [first, graph.ints(0)])], axis=0)
    there = _there(decoder, probabilities)
    kept = 2 if probabilities else 1
    best = graph.add("Scan", [*[begin] * kept, later], outputs=2 * kept, body=there, num_scan_inputs=1)
    best, sums = f"{best}_{kept}", f"{best}_{kept + 1}"

    onward = _onward(graph, inside)
    nobody = graph.add("ArgMax", [first], axis=1, keepdims=0)
    back = graph.add(
        "Scan",
        [nobody, *([first, best, onward, steps] if probabilities else [best, onward])],
        outputs=2 * kept,
        body=_back(decoder, probabilities),
        num_scan_inputs=3 if probabilities else 2,
        scan_input_directions=[1, 1, 1][: kept + 1],
        scan_output_directions=[1, 1][:kept],
    )
    tags = graph.add("Transpose", [f"{back}_{kept}"], perm=[1, 0])
    if not probabilities:
        return tags, ""
    joint = graph.add("Add", [sums, f"{back}_{kept + 1}"])
    return tags, graph.add("Transpose", [graph.add("Softmax", [joint], axis=2)], perm=[1, 0, 2])


def _onward(graph: GraphBuilder, inside: str) -> str:
    """Tell which places (T, B) another token of the sequence follows."""
    next_inside = graph.add("Slice", [inside, graph.ints(1), graph.ints(2**31), graph.ints(1)])
    last = graph.add("Slice", [inside, graph.ints(0), graph.ints(1), graph.ints(1)])
    none = graph.add("And", [last, graph.constant(False, np.bool_)])
    return graph.add("Transpose", [graph.add("Concat", [next_inside, none], axis=1)], perm=[1, 0])


def _there(decoder: TagDecoder, probabilities: bool) -> Any:
    """Make a step from the scores of the paths to each label here to those at the next token."""
    k = len(decoder.labels)
    body = _body("there/")
    into = body.constant(decoder.transitions.T)  # (K to, K from)
    names = ["there/best", "there/sums"][: 2 if probabilities else 1]
    for name in names:
        paths = body.add("Add", [body.add("Unsqueeze", [name, body.ints(1)]), into])  # (B, K to, K from)
        greatest = body.add("ReduceMax", [paths], axes=[2], keepdims=0)
        total = greatest if name == "there/best" else _total(body, paths, greatest)
        reached = body.add("Add", [total, "there/emission"])
        body.output(f"{name}_next", "Sub", [reached, body.add("ReduceMax", [reached], axes=[1])])
    for name in names:
        body.output(f"{name}_here", "Identity", [name])
    inputs = [(name, FLOAT, ["batch", k]) for name in (*names, "there/emission")]
    outputs = [(f"{name}_{end}", FLOAT, ["batch", k]) for end in ("next", "here") for name in names]
    return _graph(body, "there", inputs, outputs)


def _back(decoder: TagDecoder, probabilities: bool) -> Any:
    """Make a step from the next token's tag to this one's, and from what follows each label there to here."""
    k = len(decoder.labels)
    body = _body("back/")
    into = body.constant(np.vstack([decoder.transitions.T, decoder.end]))  # a row a label, and one for the end
    goal = body.add("Gather", [into, body.add("Where", ["back/onward", "back/tag", body.scalar(k)])], axis=0)
    body.output("back/tag_here", "ArgMax", [body.add("Add", ["back/best", goal])], axis=1, keepdims=0)
    body.output("back/tag_out", "Identity", ["back/tag_here"])
    tag, best = ("back/tag", INT64, ["batch"]), ("back/best", FLOAT, ["batch", k])
    onward = ("back/onward", BOOL, ["batch"])
    outputs = [("back/tag_here", INT64, ["batch"]), ("back/tag_out", INT64, ["batch"])]
    if not probabilities:
        return _graph(body, "back", [tag, best, onward], outputs)
    follows = body.add("Unsqueeze", ["back/onward", body.ints(1)])
    body.output("back/rest_out", "Where", [follows, "back/rest", body.constant(decoder.end)])
    ahead = body.add("Unsqueeze", [body.add("Add", ["back/emission", "back/rest_out"]), body.ints(1)])
    paths = body.add("Add", [ahead, body.constant(decoder.transitions)])  # (B, K from, K to)
    reached = _total(body, paths, body.add("ReduceMax", [paths], axes=[2], keepdims=0))
    body.output("back/rest_here", "Sub", [reached, body.add("ReduceMax", [reached], axes=[1])])
    inputs = [tag, ("back/rest", FLOAT, ["batch", k]), best, onward, ("back/emission", FLOAT, ["batch", k])]
    rest = [(name, FLOAT, ["batch", k]) for name in ("back/rest_here", "back/rest_out")]
    return _graph(body, "back", inputs, [outputs[0], rest[0], outputs[1], rest[1]])


def _total(body: GraphBuilder, paths: str, greatest: str) -> str:
    """Add up over the last axis, in logarithms.

    ONNX has one operator for it, ``ReduceLogSumExp``, for which ONNX Runtime takes several times as long.
    """
    shares = body.add("Exp", [body.add("Sub", [paths, body.add("Unsqueeze", [greatest, body.ints(2)])])])
    share = body.add("ReduceSum", [shares, body.ints(2)], keepdims=0)
    return body.add("Add", [greatest, body.add("Log", [share])])


def _body(prefix: str) -> GraphBuilder:
    from seqtag.export.onnx import GraphBuilder

    return GraphBuilder(prefix)


def _graph(
    body: GraphBuilder, name: str, inputs: Sequence[tuple[str, int, Any]], outputs: Sequence[tuple[str, int, Any]]
) -> Any:
    import onnx

    info = onnx.helper.make_tensor_value_info
    return onnx.helper.make_graph(
        body.nodes, name, [info(*entry) for entry in inputs], [info(*entry) for entry in outputs], body.constants
    )
