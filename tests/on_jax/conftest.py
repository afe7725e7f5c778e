"""What the tests under JAX need: the backend, and a compiler that is told not to try hard."""

from __future__ import annotations

import os

import pytest

# Before JAX starts: code that runs for milliseconds is not worth seconds of optimising.
if os.environ.get("KERAS_BACKEND") == "jax":
    os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is here on another backend."""
    import keras

    here = [item for item in items if "on_jax" in item.path.parts]
    if keras.backend.backend() != "jax":
        for item in here:
            item.add_marker(pytest.mark.skip(reason="runs under KERAS_BACKEND=jax: make jax"))
