"""The state of a network that reads forward alone, as an input and an output of its ONNX graph.

With it a text is read in pieces, and a stream as it arrives. The input has a default, an initializer of its own name
(as ONNX has it from IR version 4 on), so that who reads whole sequences need not know of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from seqtag.choices.cells import CELLS, DIRECTIONS

if TYPE_CHECKING:
    from seqtag.export.onnx import GraphBuilder

STATE, STATE_OUT = "state", "state_out"


def carries_state(stack: Mapping[str, Any]) -> bool:
    """Tell whether a stack (the fields of `seqtag.nn.stack.Stack`) needs nothing of what comes later."""
    return stack["direction"] == "forward"


def state_shape(stack: Mapping[str, Any], batch: int | str = "batch") -> list[Any]:
    """Return the shape of the states of a batch: (B, layers, directions, states of the cell, H)."""
    ways = len(DIRECTIONS[stack["direction"]])
    return [batch, stack["layers"], ways, CELLS[stack["cell"]].states, stack["units"]]


def initial_state(model: Any, stack: Mapping[str, Any]) -> Any:
    """Return the state that sequences begin with, as an initializer for a batch of one."""
    import onnx

    rows = np.zeros(state_shape(stack, batch=1), np.float32)
    if stack["initial_state"] == "learned":
        for depth in range(stack["layers"]):
            rows[0, depth, 0] = model.get_layer(f"recurrent_{depth}").learned["forward"].numpy()
    return onnx.numpy_helper.from_array(rows, STATE)


def take_state(graph: GraphBuilder, stack: Mapping[str, Any], lengths: str) -> list[list[str]]:
    """Add what makes each layer's initial states (1, B, H) of the input, which may stand for one sequence or all."""
    count = CELLS[stack["cell"]].states
    rows = graph.add("Reshape", [STATE, graph.ints(-1, stack["layers"] * count, stack["units"])])
    rows = graph.add("Transpose", [rows], perm=[1, 0, 2])
    shape = graph.add("Concat", [graph.ints(1), graph.add("Shape", [lengths]), graph.ints(1)], axis=0)
    rows = graph.add("Expand", [rows, shape])
    if stack["layers"] * count == 1:
        return [[rows]]
    first = graph.add("Split", [rows], outputs=stack["layers"] * count, axis=0)
    names = [first, *(f"{first}_{i}" for i in range(1, stack["layers"] * count))]
    return [names[depth * count : (depth + 1) * count] for depth in range(stack["layers"])]


def put_state(graph: GraphBuilder, stack: Mapping[str, Any], last: Sequence[str]) -> None:
    """Add the output, of the layers' last states (1, B, H)."""
    rows = last[0] if len(last) == 1 else graph.add("Concat", list(last), axis=0)
    rows = graph.add("Transpose", [rows], perm=[1, 0, 2])
    shape = graph.ints(*[0 if size == "batch" else size for size in state_shape(stack)])
    graph.output(STATE_OUT, "Reshape", [rows, shape])
