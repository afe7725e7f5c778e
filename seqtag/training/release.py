"""Memory that Keras and TensorFlow keep of a network when it is gone, given back."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import keras


@contextmanager
def released() -> Iterator[None]:
    """Give back what training inside of it leaves behind, so that many trainings need no more memory than one.

    No network that was trained inside may be trained any further; what it has learned stays usable.
    """
    before = set(_custom_gradients())
    try:
        yield
    finally:
        keras.utils.clear_session()
        registered = _custom_gradients()
        for name in registered.keys() - before:
            del registered[name]
        gc.collect()


def ran_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that the machine or its GPU has no memory left."""
    return isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError"


def _custom_gradients() -> dict[str, object]:
    """Return TensorFlow's own table of gradients, where each traced `tf.custom_gradient` stays with its whole graph."""
    if keras.backend.backend() != "tensorflow":
        return {}
    from tensorflow.python.framework import ops

    return ops.gradient_registry._registry
