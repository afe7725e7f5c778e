"""Which backends compute the networks; whether one compiles for each shape, and what then keeps the shapes few."""

from __future__ import annotations

import keras

from seqtag.data.grid import Grid
from seqtag.errors import ConfigError

BACKENDS = ("tensorflow", "jax")


def check_backend() -> None:
    """Refuse a backend on which the networks are not known to be right.

    Raises
    ------
    ConfigError
    """
    found = keras.backend.backend()
    if found not in BACKENDS:
        raise ConfigError(
            f"Keras's backend must be one of {', '.join(BACKENDS)} for seqtag's networks; got {found}. Set the "
            f"environment variable KERAS_BACKEND, or the entry 'backend' in ~/.keras/keras.json, to one of them."
        )


def compiles_by_shape() -> bool:
    """Tell whether this backend compiles a step, and does so again for each shape.

    JAX does, and is many times slower without. TensorFlow traces its graph once for all shapes; on a CPU its compiler
    XLA would cost more than it gives (docs/architecture.md).
    """
    return keras.backend.backend() == "jax"


def grid_of(model: keras.Model) -> Grid | None:
    """Return what pads the batches of a model to few shapes; None where shapes cost nothing, or are few already."""
    if not compiles_by_shape() or any(tensor.shape[0] is not None for tensor in model.input.values()):
        return None
    return Grid({name: tuple(tensor.shape) for name, tensor in model.input.items()})
