"""What computes a trained network for a `Predictor`: two methods, ``compute`` and ``close``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np

from seqtag.data.batching import Batch
from seqtag.errors import BundleError, NotInstalledError, ParameterError, SeqtagError
from seqtag.machine import usable_cores


class Backend(Protocol):
    """A trained network, ready to answer."""

    @property
    def threads(self) -> int:
        """How many batches may be computed side by side."""

    def compute(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Return the network's output for a batch's inputs, float32.

        Emissions (B, T, K), logits (B, K), or (B, T, K + C): emissions, and beside them the same logits at every token.
        """

    def close(self) -> None:
        """Free what is held."""


class CarryingBackend(Backend, Protocol):
    """A network that reads forward alone, and goes on where it stopped."""

    def compute_with_state(
        self, inputs: dict[str, np.ndarray], state: np.ndarray | None, output: str | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return an output and the state behind each sequence's last token.

        Parameters
        ----------
        inputs : dict of str to ndarray
            As for `compute`.
        state : ndarray of float32, shape (B, layers, 1, states of the cell, H), or None
            What the last call gave; None where sequences begin.
        output : str, optional
            Which of the network's outputs; by default its first.
        """


def carrying(backend: Backend) -> CarryingBackend | None:
    """Return a backend that carries its state, or None where it cannot."""
    return cast(CarryingBackend, backend) if getattr(backend, "carries_state", False) else None


class OnnxBackend:
    """ONNX Runtime on a graph with native recurrent nodes.

    Parameters
    ----------
    graph : path or bytes
        The ``model.onnx`` of a bundle.
    threads : int, optional
        How many batches may be computed side by side, each on one core; by default as many as there are usable cores.
        An operator never has more than one: batches share nothing, while the steps of a recurrent layer wait for each
        other.

    Raises
    ------
    BundleError
        If ONNX Runtime cannot open the graph.
    NotInstalledError
        If there is no ONNX Runtime.
    ParameterError
        If ``threads`` is no number of threads.
    """

    def __init__(self, graph: str | Path | bytes, threads: int | None = None) -> None:
        if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
            raise ParameterError(f"threads must be a whole number from 1 on, or None for one a core; got {threads!r}.")
        try:
            import onnxruntime
        except ImportError as error:
            raise NotInstalledError("predicting needs ONNX Runtime; run: pip install onnxruntime") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_mem_pattern = False  # a plan for one shape, and no two batches have the same
        options.log_severity_level = 3
        source = graph if isinstance(graph, bytes) else str(graph)
        try:
            self._session: Any = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions share no other base
            raise BundleError(f"ONNX Runtime {onnxruntime.__version__} cannot open the graph: {error}") from error
        self._names = [node.name for node in self._session.get_inputs()]
        # The state has a default, with which sequences begin: ONNX has such an input as an initializer.
        self.carries_state = any(node.name == "state" for node in self._session.get_overridable_initializers())
        self._first = self._session.get_outputs()[0].name
        self.threads = usable_cores() if threads is None else threads

    def compute(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Return the network's output for a batch's inputs."""
        return _opened(self._session).run(None, {name: inputs[name] for name in self._names})[0]

    def compute_with_state(
        self, inputs: dict[str, np.ndarray], state: np.ndarray | None, output: str | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return an output of the network and the state behind each sequence, see `CarryingBackend`."""
        given = {name: inputs[name] for name in self._names}
        if state is not None:
            given["state"] = state
        found, state_out = _opened(self._session).run([output or self._first, "state_out"], given)
        return found, state_out

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

    threads = 1  # its operators have threads of their own

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


class FirstColumns:
    """A backend whose further columns are left out: what a joint tagger's network gives, for its labels alone.

    Parameters
    ----------
    backend : Backend
        Gives scores (B, T, K + C).
    n_columns : int
        How many to keep, K.
    """

    def __init__(self, backend: Backend, n_columns: int) -> None:
        self._backend = backend
        self._n_columns = n_columns
        self.threads = backend.threads

    def compute(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Return the first columns of the network's output, (B, T, K)."""
        return self._backend.compute(inputs)[..., : self._n_columns]

    def close(self) -> None:
        """Free what is held."""
        self._backend.close()


def _opened(held: Any) -> Any:
    if held is None:
        raise SeqtagError("this model was closed; load it again.")
    return held
