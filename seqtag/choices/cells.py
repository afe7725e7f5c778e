"""What a recurrent stack is chosen from, by name: cells, directions, merges and initial states.

A factory imports Keras in its body, so that names cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from seqtag.registry import Registry


@dataclass(frozen=True)
class Cell:
    """One kind of recurrent cell.

    Parameters
    ----------
    layer : callable
        Makes the Keras layer: ``layer(units, **keras_options)``.
    onnx : str, optional
        The ONNX operator that computes it. Without one, a model is saved without a graph and answers through Keras,
        and what follows has no meaning.
    gates : tuple of str
        Blocks of columns in the Keras kernel, in order.
    onnx_gates : tuple of str
        The same blocks in the order of the ONNX operator.
    onnx_attributes : dict
        Attributes that make the operator compute what Keras does.
    onnx_activations : tuple of str
        Activations of one direction, where they are not the operator's own.
    states : int
        Arrays of width H that make up the state between two steps: s, or for the LSTM h and c.
    """

    layer: Callable[..., Any]
    onnx: str | None = None
    gates: tuple[str, ...] = ()
    onnx_gates: tuple[str, ...] = ()
    onnx_attributes: dict[str, Any] = field(default_factory=dict)
    onnx_activations: tuple[str, ...] = ()
    states: int = 1


CELLS: Registry[Cell] = Registry("cell")


def _simple_rnn(units: int, **options: Any) -> Any:
    import keras

    return keras.layers.SimpleRNN(units, **options)


def _simple_rnn_relu(units: int, **options: Any) -> Any:
    import keras

    # From the identity an error travels back through time undiminished (Le, Jaitly and Hinton, 2015).
    options["recurrent_initializer"] = keras.initializers.Identity()

    def rectify(x: Any) -> Any:
        # Not "relu": TensorFlow's graph optimiser fails on a Relu that it fuses inside this loop, and says so.
        return keras.ops.maximum(x, 0.0)

    return keras.layers.SimpleRNN(units, activation=rectify, **options)


def _gru(units: int, **options: Any) -> Any:
    import keras

    return keras.layers.GRU(units, reset_after=True, **options)


def _lstm(units: int, **options: Any) -> Any:
    import keras

    return keras.layers.LSTM(units, **options)


CELLS.add("simple_rnn", Cell(_simple_rnn, "RNN", ("h",), ("h",)))
CELLS.add("simple_rnn_relu", Cell(_simple_rnn_relu, "RNN", ("h",), ("h",), onnx_activations=("Relu",)))
CELLS.add("gru", Cell(_gru, "GRU", ("z", "r", "h"), ("z", "r", "h"), {"linear_before_reset": 1}))
CELLS.add("lstm", Cell(_lstm, "LSTM", ("i", "f", "c", "o"), ("i", "o", "f", "c"), states=2))

DIRECTIONS: Registry[tuple[str, ...]] = Registry("direction")
DIRECTIONS.add("forward", ("forward",))
DIRECTIONS.add("backward", ("backward",))
DIRECTIONS.add("both", ("forward", "backward"))


@dataclass(frozen=True)
class Merging:
    """How the states of two directions become one vector a place.

    Parameters
    ----------
    reduce : str, optional
        The operation of `keras.ops` over the directions. Without one they stay side by side.
    onnx : str, optional
        The ONNX operator that does it to two arrays.
    """

    reduce: str | None = None
    onnx: str | None = None


MERGES: Registry[Merging] = Registry("merge")
MERGES.add("concat", Merging())
MERGES.add("sum", Merging("sum", "Sum"))
MERGES.add("mean", Merging("mean", "Mean"))

INITIAL_STATES: Registry[str] = Registry("initial_state")
INITIAL_STATES.add("zero", "zeros")
INITIAL_STATES.add("given", "an input of the network, one for each sequence")
INITIAL_STATES.add("learned", "weights, the same for each sequence")
