"""What computes emissions for a `Predictor`: two methods, ``emissions`` and ``close``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from seqtag.errors import NotInstalledError


class Backend(Protocol):
    """A trained network, ready to answer."""

    def emissions(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Return emissions (B, T, K), float32, of a batch's inputs."""

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
        self._session: Any = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        self._names = [node.name for node in self._session.get_inputs()]

    def emissions(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Return emissions (B, T, K) of a batch's inputs."""
        return self._session.run(["emissions"], {name: inputs[name] for name in self._names})[0]

    def close(self) -> None:
        """Drop the session."""
        self._session = None


class KerasBackend:
    """A Keras model as it stands: for networks that have no export yet, and for scoring while training."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def emissions(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Return emissions (B, T, K) of a batch's inputs."""
        return np.asarray(self._model.predict_on_batch(inputs))

    def close(self) -> None:
        """Drop the model."""
        self._model = None
