"""A saved model's parts, opened for a `Predictor`: its network, its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from seqtag.backends import Backend, KerasBackend, OnnxBackend
from seqtag.bundle import WEIGHTS, Bundle


def open_backend(bundle: Bundle, threads: int | None) -> Backend:
    """Open what computes a model's network: ONNX Runtime where there is a graph, Keras where there is none.

    Parameters
    ----------
    bundle : Bundle
        The model.
    threads : int, optional
        How many batches may be computed side by side; by default a core each.

    Raises
    ------
    BundleError
        If the graph cannot be opened, or there is neither a graph nor weights.
    """
    if "model.onnx" in bundle.files:
        return OnnxBackend(bundle.files["model.onnx"], threads)
    from seqtag.nn.network import restore

    network = bundle.manifest["network"]
    looped = {**network, "stack": {**network["stack"], "steps": None}}  # a loop that is written out reads one length
    return KerasBackend(restore(looped, bundle.weights()))


def weights_of(bundle: Bundle) -> Callable[[], Mapping[str, np.ndarray]]:
    """Return what unpacks the weights when they are asked for; no other file of the bundle is held on to."""
    return Bundle(bundle.manifest, {name: data for name, data in bundle.files.items() if name == WEIGHTS}).weights
