"""A saved model with smaller weights: eight bits or sixteen for each number, in the same graph.

``int8`` keeps every row of a matrix as whole numbers from -127 to 127 and one scale. Embedding rows are multiplied by
theirs after they are looked up. An LSTM is computed by ONNX Runtime in whole numbers, its inputs scaled to eight bits
as they come (``DynamicQuantizeLSTM``); other cells get their numbers back when the model is opened, and so do all with
``float16``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from seqtag.bundle import WEIGHTS, Bundle
from seqtag.errors import ConfigError, NotInstalledError
from seqtag.params import Param

MICROSOFT = "com.microsoft"  # the domain of ONNX Runtime's own operators
LEAST = 4096  # numbers; a smaller array is left as it is

Weights = Literal["float32", "float16", "int8"]


def write_bundle(bundle: Bundle, folder: Path, *, weights: Annotated[Weights, Param("export")] = "int8") -> None:
    """Write a model that only answers: the graph, its weights as asked for, and no second copy of them for Keras.

    Parameters
    ----------
    bundle : Bundle
        The model.
    folder : Path
        An empty folder.
    weights : {"int8", "float16", "float32"}
        How the numbers are kept.

    Raises
    ------
    ConfigError
        If the model has no graph, or is such a one already.
    """
    quantized(bundle, weights).write(folder)


def quantized(bundle: Bundle, weights: Weights) -> Bundle:
    """Return a model that only answers, with its weights as asked for; parameters and errors as `write_bundle`."""
    if "model.onnx" not in bundle.files:
        cell = bundle.manifest["network"]["stack"]["cell"]
        raise ConfigError(f"a model must have an ONNX graph to be made smaller; this one's cell {cell!r} has none.")
    if WEIGHTS not in bundle.files:
        raise ConfigError(
            f"a model must be as it was trained to be made smaller; this one's weights are "
            f"{bundle.manifest.get('weights')} already. Give the folder that `seqtag train` wrote."
        )
    kept = {name: data for name, data in bundle.files.items() if name != WEIGHTS}
    kept["model.onnx"] = quantized_graph(bundle.files["model.onnx"], weights)
    return Bundle(bundle.manifest | {"weights": weights}, kept)


def quantized_graph(graph: bytes, weights: Weights) -> bytes:
    """Return an ONNX model with its large weights in another form.

    Parameters
    ----------
    graph : bytes
        The model.
    weights : {"int8", "float16", "float32"}
        How to keep arrays of at least 4,096 float32 numbers.

    Returns
    -------
    bytes
        A checked model with the same inputs and outputs.

    Raises
    ------
    NotInstalledError
        Without the package onnx.
    """
    try:
        import onnx
    except ImportError as error:
        raise NotInstalledError("making a model smaller needs onnx; run: pip install onnx") from error
    if weights == "float32":
        return graph
    model = onnx.load_from_string(graph)
    _Weights(model).replace(weights)
    onnx.checker.check_model(model)
    return model.SerializeToString()


class _Weights:
    """The float32 constants of a model, and what reads them."""

    def __init__(self, model: Any) -> None:
        import onnx

        self._model = model
        self._arrays = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
        self._nodes: list[Any] = []

    def replace(self, weights: Weights) -> None:
        """Write the large constants in another form, and the nodes that read them."""
        import onnx

        for node in list(self._model.graph.node):
            if weights == "int8" and node.op_type == "LSTM" and self._is_large(node.input[1]):
                self._integer_lstm(node)
            elif weights == "int8" and node.op_type == "Gather" and self._is_large(node.input[0]):
                self._integer_rows(node)
            else:
                for place, name in enumerate(node.input):
                    if self._is_large(name):
                        node.input[place] = self._half(name) if weights == "float16" else self._rows_back(name)
                self._nodes.append(node)
        read = {name for node in self._nodes for name in node.input}
        kept = [onnx.numpy_helper.from_array(array, name) for name, array in self._arrays.items() if name in read]
        for field, values in ((self._model.graph.node, self._nodes), (self._model.graph.initializer, kept)):
            del field[:]
            field.extend(values)

    def _is_large(self, name: str) -> bool:
        array = self._arrays.get(name)
        return array is not None and array.dtype == np.float32 and array.ndim > 1 and array.size >= LEAST

    def _half(self, name: str) -> str:
        """Keep an array as float16; the runtime widens it once, when it opens the model."""
        most = float(np.finfo(np.float16).max)
        half = self._arrays[name].clip(-most, most).astype(np.float16)
        return self._node("Cast", [self._array(f"{name}_half", half)])

    def _rows_back(self, name: str) -> str:
        """Keep an array as whole numbers; the runtime turns it back once, when it opens the model."""
        whole, scales = whole_rows(self._arrays[name])
        wide = self._node("Cast", [self._array(f"{name}_int8", whole)])
        return self._node("Mul", [wide, self._array(f"{name}_scale", scales)])

    def _integer_rows(self, node: Any) -> None:
        """Look up rows of whole numbers and their scales."""
        import onnx

        whole, scales = whole_rows(self._arrays[node.input[0]])
        name, ids = node.input
        rows = self._node("Gather", [self._array(f"{name}_int8", whole), ids], axis=0)
        scale = self._node("Gather", [self._array(f"{name}_scale", scales), ids], axis=0)
        wide = self._node("Cast", [rows])
        self._nodes.append(onnx.helper.make_node("Mul", [wide, scale], list(node.output), name=node.name))

    def _integer_lstm(self, node: Any) -> None:
        """Compute an LSTM in whole numbers, with a scale for each gate of each unit."""
        import onnx

        inputs = [*node.input, *[""] * (8 - len(node.input))]  # eight of an LSTM, then scales and zero points
        for place in (1, 2):
            name = node.input[place]
            whole, scales = whole_rows(self._arrays[name])  # (directions, 4 H, width)
            inputs[place] = self._array(f"{name}_int8", np.ascontiguousarray(whole.transpose(0, 2, 1)))
            zeros = np.zeros(scales.shape[:2], np.int8)
            inputs += [self._array(f"{name}_scale", scales[..., 0]), self._array(f"{name}_zero", zeros)]
        attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        self._nodes.append(
            onnx.helper.make_node(
                "DynamicQuantizeLSTM", inputs, list(node.output), name=node.name, domain=MICROSOFT, **attributes
            )
        )
        if all(one.domain != MICROSOFT for one in self._model.opset_import):
            self._model.opset_import.append(onnx.helper.make_opsetid(MICROSOFT, 1))

    def _array(self, name: str, values: np.ndarray) -> str:
        self._arrays[name] = values
        return name

    def _node(self, op: str, inputs: list[str], **attributes: Any) -> str:
        import onnx

        output = f"{inputs[0]}_{op.lower()}_{len(self._nodes)}"
        if op == "Cast":
            attributes = {"to": onnx.TensorProto.FLOAT}
        self._nodes.append(onnx.helper.make_node(op, inputs, [output], name=output, **attributes))
        return output


def whole_rows(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Round each row to whole numbers of its own scale.

    Parameters
    ----------
    array : ndarray of float32, shape (..., D)

    Returns
    -------
    whole : ndarray of int8, shape (..., D)
        From -127 to 127.
    scales : ndarray of float32, shape (..., 1)
        ``whole * scales`` is the array, to half a scale.
    """
    most = np.abs(array).max(axis=-1, keepdims=True)
    scales = np.where(most > 0, most / 127, 1.0).astype(np.float32)
    return np.rint(array / scales).astype(np.int8), scales
