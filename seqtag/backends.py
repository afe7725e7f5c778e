"""What computes a trained network for a `Predictor`: two methods, ``compute`` and ``close``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from seqtag.data.batching import Batch
from seqtag.errors import BundleError, NotInstalledError, SeqtagError


class Backend(Protocol):
    """A trained network, ready to answer."""

    def compute(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Return the network's output for a batch's inputs, float32: emissions (B, T, K) or logits (B, K)."""

    def close(self) -> None:
        """Free what is held."""


class OnnxBackend:
    """ONNX Runtime on a graph with native recurrent nodes.

    Parameters
    ----------
    graph : path or bytes
        The ``model.onnx`` of a bundle.
    threads : int
        Threads for one operator; 1 is the fastest for single sentences.

    Raises
    ------
    BundleError
        If ONNX Runtime cannot open the graph.
    NotInstalledError
        If there is no ONNX Runtime.
    """

    def __init__(self, graph: str | Path | bytes, threads: int = 1) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise NotInstalledError("predicting needs ONNX Runtime; run: pip install onnxruntime") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        source = graph if isinstance(graph, bytes) else str(graph)
        try:
            self._session: Any = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions share no other base
            raise BundleError(f"ONNX Runtime {onnxruntime.__version__} cannot open the graph: {error}") from error
        self._names = [node.name for node in self._session.get_inputs()]

    def compute(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Return the network's output for a batch's inputs."""
        return _opened(self._session).run(None, {name: inputs[name] for name in self._names})[0]

    def close(self) -> None:
        """Drop the session."""
        self._session = None


class KerasBackend:
    """A Keras model as it stands: for networks that have no export yet, and for scoring while training.

    Parameters
    ----------
    model : keras.Model
        Built.
    """

    def __init__(self, model: Any) -> None:
        from seqtag.nn.shapes import grid_of

        self._model = model
        self._grid = grid_of(model)

    def compute(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Return the network's output for a batch's inputs."""
        model = _opened(self._model)
        if self._grid is None:
            return np.asarray(model.predict_on_batch(inputs))
        batch = Batch(inputs)
        outputs = np.asarray(model.predict_on_batch(self._grid.pad(batch).inputs))
        sizes = self._grid.sizes(batch)
        return outputs[: sizes.sequences, : sizes.steps] if outputs.ndim == 3 else outputs[: sizes.sequences]

    def close(self) -> None:
        """Drop the model."""
        self._model = None


def _opened(held: Any) -> Any:
    if held is None:
        raise SeqtagError("this model was closed; load it again.")
    return held
