"""A trained network as a TensorFlow function for answering: no gradients, no kernel of a GPU, no Keras beside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from seqtag.bundle import Bundle
from seqtag.errors import ConfigError, NotInstalledError


def check_tensorflow(what: str) -> None:
    """Refuse to go on where TensorFlow is absent, or Keras computes with another backend.

    Parameters
    ----------
    what : str
        What needs TensorFlow.

    Raises
    ------
    NotInstalledError
    ConfigError
    """
    try:
        import tensorflow  # noqa: F401
    except ImportError as error:
        raise NotInstalledError(f"{what} needs TensorFlow; run: pip install tensorflow") from error
    import keras

    if (found := keras.backend.backend()) != "tensorflow":
        raise ConfigError(
            f"{what} needs tensorflow as Keras's backend; got {found}. Run it with KERAS_BACKEND=tensorflow: the model "
            "itself may have been trained on any backend."
        )


def network_function(bundle: Bundle) -> tuple[Callable[[Mapping[str, Any]], Any], list[Any]]:
    """Rebuild a bundle's network so that it can be traced into a graph that stands alone.

    Parameters
    ----------
    bundle : Bundle
        Whose ``weights.npz`` is read.

    Returns
    -------
    compute : callable
        Takes the arrays of a batch as tensors and returns emissions (B, T, K) or logits (B, K). To be called in a
        `tf.function`.
    tables : list of tf.Variable
        The embeddings, which the graph reads as variables. All other weights are constants of the graph, so that what
        follows from them alone is computed once, when it is loaded.

    Raises
    ------
    BundleError
        If the bundle has no weights to rebuild it from, or they do not fit.
    """
    import keras
    import tensorflow as tf

    from seqtag.nn.inputs import Table
    from seqtag.nn.network import restore

    network = bundle.manifest["network"]
    looped = {**network, "stack": {**network["stack"], "steps": None}}  # a loop that is written out reads one length
    model = restore(looped, bundle.weights())
    tables = {}
    for layer in _layers(model):
        if isinstance(layer, Table):
            tables[layer.embeddings.path] = tf.Variable(layer.embeddings.numpy(), trainable=False, name="table")
        _prepare(layer)
    arrays = {v.path: v.numpy() for v in model.variables if v.path not in tables}

    def compute(inputs: Mapping[str, Any]) -> Any:
        weights = [(v, tables[v.path] if v.path in tables else tf.constant(arrays[v.path])) for v in model.variables]
        with keras.StatelessScope(state_mapping=weights):
            return model(dict(inputs), training=False)

    return compute, list(tables.values())


def _layers(layer: Any) -> Iterator[Any]:
    """Yield a model's layers and those that they hold."""
    yield from layer._flatten_layers(include_self=False)


def _prepare(layer: Any) -> None:
    """Name a layer as a graph can, and have it compute on any device, and nothing that only training needs."""
    from seqtag.nn._tensorflow import FUSED
    from seqtag.nn.recurrent import Recurrent

    layer.name = re.sub(r"[^A-Za-z0-9_]", "_", layer.name)  # a column's name may hold what no graph admits
    if isinstance(layer, Recurrent):
        cell = _in_blocks if layer.cell == "lstm" else _fused(FUSED[layer.cell]) if layer.cell in FUSED else None
        layer.own_kernel = None if cell is None else forward_only(cell)
    if hasattr(layer, "use_cudnn"):
        layer.use_cudnn = False  # of a cell that is not fused


def forward_only(cell: Callable[..., Any]) -> Callable[..., list[Any]]:
    """Return what computes a layer as `seqtag.nn._tensorflow.run_fused` does, without the gradient's half.

    Parameters
    ----------
    cell : callable
        Takes inputs (T, B, D), kernel, recurrent kernel, bias, and initial states, or none where they are zero; returns
        hidden states (T, B, H).
    """
    import tensorflow as tf

    def run(inputs: Any, lengths: Any, weights: Mapping[str, Any], initial: Mapping[str, list[Any]]) -> list[Any]:
        outputs = []
        for way, tensors in weights.items():
            steps = tf.transpose(_turned(inputs, lengths, way), [1, 0, 2])
            hidden = cell(steps, *map(tf.convert_to_tensor, tensors), initial.get(way))
            outputs.append(_turned(tf.transpose(hidden, [1, 0, 2]), lengths, way))
        return outputs

    return run


def _turned(values: Any, lengths: Any, way: str) -> Any:
    """Turn each sequence within its length for the backward direction."""
    import tensorflow as tf

    return values if way == "forward" else tf.reverse_sequence(values, lengths, seq_axis=1, batch_axis=0)


def _in_blocks(steps: Any, kernel: Any, recurrent: Any, bias: Any, initial: list[Any] | None) -> Any:
    """Compute an LSTM by the one operator that TensorFlow has for it, which is slow in training and fast in this."""
    import tensorflow as tf

    units = recurrent.shape[0]
    h, c = initial or [tf.zeros([tf.shape(steps)[1], units])] * 2
    unused = tf.zeros([units])  # no gate looks at the cell
    return tf.raw_ops.BlockLSTMV2(
        seq_len_max=tf.shape(steps, tf.int64)[0],
        x=steps,
        cs_prev=c,
        h_prev=h,
        w=tf.concat([kernel, recurrent], 0),
        wci=unused,
        wcf=unused,
        wco=unused,
        b=bias,
    ).h


def _fused(cell: Any) -> Callable[..., Any]:
    """Compute a fused cell: the input product of all steps before the loop."""
    import tensorflow as tf

    def run(steps: Any, kernel: Any, recurrent: Any, bias: Any, initial: list[Any] | None) -> Any:
        time, batch = tf.shape(steps)[0], tf.shape(steps)[1]
        states = initial or [tf.zeros([batch, recurrent.shape[0]])] * cell.states
        biases = tf.unstack(bias) if bias.shape.rank == 2 else [bias]
        flat = tf.matmul(tf.reshape(steps, [-1, steps.shape[-1]]), kernel) + biases[0]
        projected = tf.reshape(flat, [time, batch, kernel.shape[-1]])
        return cell.forward(projected, recurrent, biases[1:], tuple(states))[0]

    return run
