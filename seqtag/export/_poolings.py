"""The poolings of `seqtag.choices.pooling` as ONNX nodes: states (B, T, D) and lengths (B,) in, vectors (B, D) out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seqtag.registry import Registry

if TYPE_CHECKING:
    from seqtag.export.onnx import GraphBuilder

INT64, FLOAT = 7, 1  # of onnx.TensorProto

POOLED: Registry[Any] = Registry("pooling")
"""What adds the nodes, by the pooling's name."""


@POOLED.register("last")
def last(graph: GraphBuilder, layer: Any, states: str, lengths: str) -> str:
    """Pick the states at the ends where the reading stopped."""
    wide = graph.add("Cast", [lengths], to=INT64)
    place = graph.add("Sub", [graph.add("Unsqueeze", [wide, graph.ints(1)]), graph.ints(1)])
    here = graph.add("Cast", [graph.add("Equal", [_steps(graph, states), place])], to=FLOAT)
    at_last = _weighted(graph, here, states)
    at_first = graph.add("Gather", [states, graph.scalar(0)], axis=1)
    if layer.ends == "halves":
        half = layer.output.shape[-1] // 2
        left = graph.add("Slice", [at_last, graph.ints(0), graph.ints(half), graph.ints(1)])
        right = graph.add("Slice", [at_first, graph.ints(half), graph.ints(2 * half), graph.ints(1)])
        return graph.add("Concat", [left, right], axis=-1)
    if layer.ends == "both":
        return graph.add("Concat", [at_last, at_first], axis=-1)
    return at_last if layer.ends == "last" else at_first


@POOLED.register("mean")
def mean(graph: GraphBuilder, layer: Any, states: str, lengths: str) -> str:
    """Take the mean of the states within the length."""
    mask = _mask(graph, states, lengths)
    return _weighted(graph, graph.add("Div", [mask, graph.add("ReduceSum", [mask, graph.ints(1)], keepdims=1)]), states)


@POOLED.register("max")
def greatest(graph: GraphBuilder, layer: Any, states: str, lengths: str) -> str:
    """Take the greatest value of each unit within the length."""
    beyond = graph.add("Unsqueeze", [_beyond(graph, states, lengths), graph.ints(2)])
    return graph.add("ReduceMax", [graph.add("Add", [states, beyond])], axes=[1], keepdims=0)


@POOLED.register("attention")
def attention(graph: GraphBuilder, layer: Any, states: str, lengths: str) -> str:
    """Weigh the states by a softmax of v . tanh(W s_t + b)."""
    kernel, bias, query = (graph.constant(weight) for weight in layer.get_weights())
    hidden = graph.add("Tanh", [graph.add("Add", [graph.add("MatMul", [states, kernel]), bias])])
    scores = graph.add("Squeeze", [graph.add("MatMul", [hidden, query]), graph.ints(2)])
    scores = graph.add("Add", [scores, _beyond(graph, states, lengths)])
    return _weighted(graph, graph.add("Softmax", [scores], axis=-1), states)


def _steps(graph: GraphBuilder, states: str) -> str:
    """Count the places, 0 to T - 1, shape (1, T)."""
    time = graph.add("Gather", [graph.add("Shape", [states]), graph.scalar(1)])
    steps = graph.add("Range", [graph.scalar(0), time, graph.scalar(1)])
    return graph.add("Unsqueeze", [steps, graph.ints(0)])


def _mask(graph: GraphBuilder, states: str, lengths: str) -> str:
    """1 within a length and 0 beyond, shape (B, T)."""
    wide = graph.add("Unsqueeze", [graph.add("Cast", [lengths], to=INT64), graph.ints(1)])
    return graph.add("Cast", [graph.add("Less", [_steps(graph, states), wide])], to=FLOAT)


def _beyond(graph: GraphBuilder, states: str, lengths: str) -> str:
    """0 within a length and far below any score beyond, shape (B, T)."""
    from seqtag.nn.pooling_layers import BEYOND

    less = graph.add("Sub", [_mask(graph, states, lengths), graph.constant(1.0)])
    return graph.add("Mul", [less, graph.constant(BEYOND)])


def _weighted(graph: GraphBuilder, weights: str, states: str) -> str:
    """Sum of states (B, T, D) times weights (B, T)."""
    row = graph.add("Unsqueeze", [weights, graph.ints(1)])
    return graph.add("Squeeze", [graph.add("MatMul", [row, states]), graph.ints(1)])
