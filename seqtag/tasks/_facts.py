"""What a saved model tells of how it was made: versions, and parameters as JSON holds them."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import seqtag

LIBRARIES = ("keras", "tensorflow", "jax", "numpy", "onnx", "onnxruntime", "scikit-learn")


def environment() -> dict[str, str]:
    """Return the versions a model was made with."""
    found = {"python": platform.python_version(), "seqtag": seqtag.__version__}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


def plain(value: Any) -> Any:
    """Turn tuples and NumPy's numbers into what JSON holds."""
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return value.item() if hasattr(value, "dtype") else value
