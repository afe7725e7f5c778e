"""Where and in which precision a network is computed: what was asked for, held against what there is."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass

from seqtag.errors import ParameterError
from seqtag.machine import usable_cores

logger = logging.getLogger("seqtag")

DEVICES = ("auto", "cpu", "gpu")
PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")
STRATEGIES = ("none", "mirrored")
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


@dataclass(frozen=True)
class Compute:
    """Where and in which precision a network is computed.

    Parameters
    ----------
    device : {"cpu", "gpu"}
        The kind of device.
    precision : str
        Keras's name of the dtype policy.
    replicas : int
        Copies of the network that train side by side, one a device.
    """

    device: str
    precision: str = "float32"
    replicas: int = 1

    @property
    def is_plain(self) -> bool:
        """Whether the network that trains is as it will be saved: in float32, and one of it."""
        return self.precision == "float32" and self.replicas == 1

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Build networks here as this says; Keras's own settings are as before afterwards."""
        with self.on_device(), dtype_policy(self.precision):
            if self.replicas == 1:
                yield
                return
            from seqtag.training.mirrored import make_strategy

            with make_strategy(self.device, self.replicas).scope():
                yield

    @contextlib.contextmanager
    def on_device(self) -> Iterator[None]:
        """Compute here on the device; TensorFlow chooses by itself among those that `choose` left visible."""
        import keras

        if keras.backend.backend() == "tensorflow":
            yield
            return
        with keras.device(f"{self.device}:0"):
            yield


@contextlib.contextmanager
def dtype_policy(name: str) -> Iterator[None]:
    """Have the layers that are built here compute in a precision."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def choose(device: str = "auto", precision: str = "float32", strategy: str = "none") -> Compute:
    """Settle where a network is computed, and say what is not as one might expect.

    Parameters
    ----------
    device : {"auto", "cpu", "gpu"}
        ``auto`` is a GPU where one is visible. ``cpu`` hides the GPUs from TensorFlow, for the whole process.
    precision : {"float32", "mixed_float16", "mixed_bfloat16"}
        What the layers compute in; weights and losses stay float32.
    strategy : {"none", "mirrored"}
        Whether each device of the kind trains a replica.

    Returns
    -------
    Compute

    Raises
    ------
    ParameterError
        If there is no GPU, the GPUs cannot be hidden any more, or the backend has no such strategy.
    """
    import keras

    backend = keras.backend.backend()
    gpus = visible_gpus(backend)
    if device == "gpu" and not gpus:
        raise ParameterError(
            f"device 'gpu' needs a GPU that Keras's backend {backend} can see; it sees none. Run `seqtag doctor` to "
            "learn why, or set device to 'auto', which takes the CPU where there is no GPU."
        )
    if device == "cpu" and gpus and backend == "tensorflow":
        _hide_gpus(len(gpus))
    kind = "gpu" if gpus and device != "cpu" else "cpu"
    if precision != "float32" and kind == "cpu":
        _say_once(
            f"precision {precision} is slower than float32 on a CPU, which converts at each operation; it is meant for "
            "GPUs."
        )
    return Compute(kind, precision, _replicas(strategy, kind, backend))


def visible_gpus(backend: str) -> list[str]:
    """Return the names of the GPUs that a backend of Keras can use in this process.

    Parameters
    ----------
    backend : str
        ``tensorflow`` or ``jax``; of others nothing is known.
    """
    if backend == "tensorflow":
        import tensorflow as tf

        return [gpu.name.removeprefix("/physical_device:") for gpu in tf.config.get_visible_devices("GPU")]
    if backend == "jax":
        import jax

        return [f"GPU:{gpu.id}" for gpu in jax.devices() if gpu.platform == "gpu"]
    return []


def mention_threads(compute: Compute) -> None:
    """Say, once a process, what TensorFlow's own number of threads costs, where nobody set one.

    They are the process's, and fixed once TensorFlow has started, so that they are not set here; the command line does.
    """
    import keras

    cores = usable_cores()
    if keras.backend.backend() != "tensorflow" or compute.device != "cpu" or cores == 1 or threads_are_set():
        return
    _say_once(
        "TensorFlow's threads are at their defaults: they split each small matrix product among all cores and wait for "
        "one another, instead of reading both directions side by side, so training is slower than it could be. Set "
        f"{THREADS[0]}=1 and {THREADS[1]}={cores} in the environment before the process starts; `seqtag train` does."
    )


def threads_are_set() -> bool:
    """Tell whether somebody chose TensorFlow's threads, by the environment or in the process."""
    import tensorflow as tf

    threading = tf.config.threading
    in_process = threading.get_intra_op_parallelism_threads() or threading.get_inter_op_parallelism_threads()
    return bool(in_process) or any(os.environ.get(name) for name in THREADS)


def _hide_gpus(count: int) -> None:
    import tensorflow as tf

    try:
        tf.config.set_visible_devices([], "GPU")
    except RuntimeError as error:
        raise ParameterError(
            f"device 'cpu' must be chosen before TensorFlow starts to use a GPU; it has started in this process, with "
            f"{count} visible. Train in a new process, or set CUDA_VISIBLE_DEVICES=-1 in its environment."
        ) from error


def _replicas(strategy: str, kind: str, backend: str) -> int:
    """Return how many replicas train."""
    if strategy == "none":
        return 1
    if backend != "tensorflow":
        raise ParameterError(
            f"strategy 'mirrored' needs Keras on TensorFlow; its backend is {backend}. Set strategy to 'none', or "
            "KERAS_BACKEND=tensorflow."
        )
    from seqtag.training.mirrored import devices_of

    found = devices_of(kind)
    if len(found) == 1:
        _say_once(
            f"strategy mirrored finds one device, {found[0]}, and trains there alone, as 'none' does. Run "
            "`seqtag doctor` to see which devices there are."
        )
    return len(found)


@functools.cache
def _say_once(message: str) -> None:
    """Log a warning the first time it is said in this process."""
    logger.warning("%s", message)
