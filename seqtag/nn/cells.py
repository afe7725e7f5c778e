"""The recurrent cells by name. A factory imports Keras in its body, so that names cost nothing."""

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
    """

    layer: Callable[..., Any]
    onnx: str | None = None
    gates: tuple[str, ...] = ()
    onnx_gates: tuple[str, ...] = ()
    onnx_attributes: dict[str, Any] = field(default_factory=dict)


CELLS: Registry[Cell] = Registry("cell")


def _simple_rnn(units: int, **options: Any) -> Any:
    import keras

    return keras.layers.SimpleRNN(units, **options)


def _gru(units: int, **options: Any) -> Any:
    import keras

    return keras.layers.GRU(units, reset_after=True, **options)


def _lstm(units: int, **options: Any) -> Any:
    import keras

    return keras.layers.LSTM(units, **options)


CELLS.add("simple_rnn", Cell(_simple_rnn, "RNN", ("h",), ("h",), {}))
CELLS.add("gru", Cell(_gru, "GRU", ("z", "r", "h"), ("z", "r", "h"), {"linear_before_reset": 1}))
CELLS.add("lstm", Cell(_lstm, "LSTM", ("i", "f", "c", "o"), ("i", "o", "f", "c"), {}))
