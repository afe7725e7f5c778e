"""The recurrent cells and stacks as equations in NumPy, one step after the other, with every gate to look at.

Nothing here is fast. It is what the layers are tested against, and what shows how a network came to its answer.
Kernels are Keras's: a matrix U of the equations is the transpose of a block of columns of ``kernel``, W of one of
``recurrent_kernel``. Everything is computed in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqtag.errors import DataError
from seqtag.registry import Registry

States = tuple[np.ndarray, ...]
Step = Callable[[np.ndarray, States, np.ndarray, np.ndarray, np.ndarray], tuple[States, dict[str, np.ndarray]]]

NORM_EPSILON = 1e-5
"""What the layer norm adds to a variance."""


@dataclass(frozen=True)
class Equations:
    """One cell.

    Parameters
    ----------
    step : callable
        ``step(x, states, kernel, recurrent_kernel, bias)`` returns the next states, the hidden state before all
        others, and the gates by name.
    gates : tuple of str
        Names of what ``step`` shows.
    states : int
        Arrays of width H that make up the state between two steps.
    """

    step: Step
    gates: tuple[str, ...] = ()
    states: int = 1


@dataclass(frozen=True)
class CellRun:
    """What a cell computed from a sequence.

    Parameters
    ----------
    states : ndarray, shape (T, H)
        The hidden states.
    gates : dict of str to ndarray, shape (T, H)
        The gates, candidates and cell states by name.
    """

    states: np.ndarray
    gates: dict[str, np.ndarray]


@dataclass(frozen=True)
class LayerRun:
    """What one layer of a stack computed from a sequence.

    Parameters
    ----------
    ways : dict of str to CellRun
        ``forward`` and ``backward``, as the layer has them, both in the order of time.
    output : ndarray, shape (T, W)
        What the layer hands on, after merge, residual and norm.
    """

    ways: dict[str, CellRun]
    output: np.ndarray


REFERENCE: Registry[Equations] = Registry("cell")


def simple_rnn(
    x: np.ndarray, states: States, kernel: np.ndarray, recurrent_kernel: np.ndarray, bias: np.ndarray
) -> tuple[States, dict[str, np.ndarray]]:
    """Return s_t = tanh(U x_t + W s_{t-1} + b) (Elman, 1990)."""
    (s,) = states
    return (np.tanh(x @ kernel + s @ recurrent_kernel + bias),), {}


def simple_rnn_relu(
    x: np.ndarray, states: States, kernel: np.ndarray, recurrent_kernel: np.ndarray, bias: np.ndarray
) -> tuple[States, dict[str, np.ndarray]]:
    """Return s_t = max(0, U x_t + W s_{t-1} + b) (Le, Jaitly and Hinton, 2015)."""
    (s,) = states
    return (np.maximum(x @ kernel + s @ recurrent_kernel + bias, 0.0),), {}


def gru(
    x: np.ndarray, states: States, kernel: np.ndarray, recurrent_kernel: np.ndarray, bias: np.ndarray
) -> tuple[States, dict[str, np.ndarray]]:
    """Return the next state of a gated recurrent unit (Cho et al., 2014).

    Update z_t = sigmoid(U_z x_t + W_z s_{t-1} + b_z), reset r_t = sigmoid(U_r x_t + W_r s_{t-1} + b_r), candidate
    c_t = tanh(U_c x_t + b_c + r_t * (W_c s_{t-1} + b'_c)), s_t = z_t * s_{t-1} + (1 - z_t) * c_t. The reset follows
    the product, as in cuDNN; the two rows of the bias stand at x and at s.
    """
    (s,) = states
    from_x, from_s = x @ kernel + bias[0], s @ recurrent_kernel + bias[1]
    x_z, x_r, x_c = np.split(from_x, 3)
    s_z, s_r, s_c = np.split(from_s, 3)
    update, reset = sigmoid(x_z + s_z), sigmoid(x_r + s_r)
    candidate = np.tanh(x_c + reset * s_c)
    s = update * s + (1.0 - update) * candidate
    return (s,), {"update": update, "reset": reset, "candidate": candidate}


def lstm(
    x: np.ndarray, states: States, kernel: np.ndarray, recurrent_kernel: np.ndarray, bias: np.ndarray
) -> tuple[States, dict[str, np.ndarray]]:
    """Return the next states of a long short-term memory (Hochreiter and Schmidhuber, 1997; Gers et al., 2000).

    Gates i_t, f_t, o_t = sigmoid(U x_t + W s_{t-1} + b), candidate g_t = tanh(U x_t + W s_{t-1} + b), each with its own
    U, W and b; cell c_t = f_t * c_{t-1} + i_t * g_t and s_t = o_t * tanh(c_t).
    """
    s, c = states
    i, f, g, o = np.split(x @ kernel + s @ recurrent_kernel + bias, 4)
    i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
    c = f * c + i * g
    s = o * np.tanh(c)
    return (s, c), {"input": i, "forget": f, "candidate": g, "output": o, "cell": c}


REFERENCE.add("simple_rnn", Equations(simple_rnn))
REFERENCE.add("simple_rnn_relu", Equations(simple_rnn_relu))
REFERENCE.add("gru", Equations(gru, ("update", "reset", "candidate")))
REFERENCE.add("lstm", Equations(lstm, ("input", "forget", "candidate", "output", "cell"), states=2))


MERGES: Registry[Callable[[list[np.ndarray]], np.ndarray]] = Registry("merge")
MERGES.add("concat", lambda ways: np.concatenate(ways, axis=-1))
MERGES.add("sum", lambda ways: np.sum(ways, axis=0))
MERGES.add("mean", lambda ways: np.mean(ways, axis=0))


def run_cell(
    cell: str,
    inputs: np.ndarray,
    kernel: np.ndarray,
    recurrent_kernel: np.ndarray,
    bias: np.ndarray,
    initial: np.ndarray | None = None,
) -> CellRun:
    """Run a cell over one sequence, from its first row on.

    Parameters
    ----------
    cell : str
        Name of `REFERENCE`.
    inputs : ndarray, shape (T, D)
        The sequence.
    kernel, recurrent_kernel, bias : ndarray
        The weights as Keras keeps them: (D, n H), (H, n H) and (n H,), for the GRU (2, n H); n is 1, for the GRU 3
        and for the LSTM 4.
    initial : ndarray, shape (states of the cell, H), optional
        The state before the first step; zeros without. For the LSTM, h before c.

    Returns
    -------
    CellRun

    Raises
    ------
    ConfigError
        If there is no such cell, with the near name.
    DataError
        If inputs or initial states do not fit the weights.
    """
    equations = REFERENCE[cell]
    inputs, kernel, recurrent_kernel, bias = (
        np.asarray(array, np.float64) for array in (inputs, kernel, recurrent_kernel, bias)
    )
    units = recurrent_kernel.shape[0]
    start = np.zeros((equations.states, units)) if initial is None else np.asarray(initial, np.float64)
    if inputs.ndim != 2 or inputs.shape[1] != kernel.shape[0]:
        raise DataError(f"inputs must be of the shape (T, {kernel.shape[0]}), as the kernel is; got {inputs.shape}.")
    if start.shape != (equations.states, units):
        raise DataError(f"the initial states of a {cell} must be {(equations.states, units)}; got {start.shape}.")
    states: States = tuple(start)
    hidden, shown = [], []
    for x in inputs:
        states, gates = equations.step(x, states, kernel, recurrent_kernel, bias)
        hidden.append(states[0])
        shown.append(gates)
    shape = len(inputs), units
    by_name = {name: np.reshape([gates[name] for gates in shown], shape) for name in equations.gates}
    return CellRun(np.reshape(hidden, shape), by_name)


def run_stack(
    stack: Mapping[str, Any],
    weights: Mapping[str, np.ndarray],
    inputs: np.ndarray,
    initial: np.ndarray | None = None,
) -> list[LayerRun]:
    """Run a stack over one sequence.

    Parameters
    ----------
    stack : mapping
        The fields of `seqtag.nn.stack.Stack`. Dropout is that of an answer: none.
    weights : mapping of str to ndarray
        By their paths, as `seqtag.nn.network.named_weights` gives them.
    inputs : ndarray, shape (T, D)
        What the first layer reads.
    initial : ndarray, shape (layers, directions, states of the cell, H), optional
        The initial states where they are given.

    Returns
    -------
    list of LayerRun
        One a layer, from the first on.

    Raises
    ------
    ConfigError
        If a name is unknown, with the near name.
    DataError
        If initial states are missing where the stack takes them or given where it does not, or an array does not fit.
    """
    if (initial is not None) != (stack["initial_state"] == "given"):
        raise DataError(
            "initial states must be passed where the stack's initial_state is 'given', and only there; got "
            f"initial_state={stack['initial_state']!r} and {'none' if initial is None else 'some'}."
        )
    runs: list[LayerRun] = []
    states = np.asarray(inputs, np.float64)
    for depth in range(stack["layers"]):
        given = None if initial is None else initial[depth]
        ways = _run_ways(stack, weights, f"recurrent_{depth}", states, given)
        output = MERGES[stack["merge"]]([run.states for run in ways.values()])
        if stack["residual"] and depth:
            output = states + output
        if stack["layer_norm"]:
            output = _normalised(output, weights[f"norm_{depth}/gamma"], weights[f"norm_{depth}/beta"])
        runs.append(LayerRun(ways, output))
        states = output
    return runs


def _run_ways(
    stack: Mapping[str, Any],
    weights: Mapping[str, np.ndarray],
    layer: str,
    inputs: np.ndarray,
    initial: np.ndarray | None,
) -> dict[str, CellRun]:
    """Run a layer's directions; the backward one reads from the end and is turned back."""
    cell, direction = stack["cell"], stack["direction"]
    ways = ("forward", "backward") if direction == "both" else (direction,)
    runs = {}
    for i, way in enumerate(ways):
        start = weights.get(f"{layer}/{way}_initial") if initial is None else initial[i]
        kernel, recurrent_kernel, bias = (
            weights[f"{layer}/{way}/{cell}_cell/{name}"] for name in ("kernel", "recurrent_kernel", "bias")
        )
        step = 1 if way == "forward" else -1
        run = run_cell(cell, inputs[::step], kernel, recurrent_kernel, bias, start)
        runs[way] = CellRun(run.states[::step], {name: gate[::step] for name, gate in run.gates.items()})
    return runs


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-x)), written so that nothing overflows."""
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def _normalised(values: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """Normalise each row to mean 0 and variance 1, then scale and shift it (Ba, Kiros and Hinton, 2016)."""
    deviation = values - values.mean(axis=-1, keepdims=True)
    variance = (deviation**2).mean(axis=-1, keepdims=True)
    return deviation / np.sqrt(variance + NORM_EPSILON) * gamma + beta
