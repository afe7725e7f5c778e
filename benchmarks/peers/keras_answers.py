"""The network in Keras: `keras.Model.predict`, on a traced `tf.function`, or as one writes it with `keras.layers`.

``predict`` gets each batch as a dataset, since the arrays of one have different first axes. ``function`` is the same
model behind one `tf.function` with every varying axis open. ``layers`` is the network of `peers.keras_network` with the
same weights, everything a place, whose rectangular arrays ``predict`` takes as they are. ``padded`` is that network as
tutorials call it: everything padded to 100 places, in ``predict``'s own batches.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from peers.answering import Answering, Job, main
from peers.batched import LIMITS, Batched, Compute, Reading
from peers.keras_network import by_place
from seqtag.data.batching import Limits

BATCH = 64  # of `predict` over a large array
PADDED = 100  # places, where everything is padded to one length
EVERYTHING = (Limits(10**9, 10**9),)  # one call for all sentences


def open_model(job: Job) -> Answering:
    reading = Reading(job.model)
    candidates = CANDIDATES.get(job.options["by"], LIMITS)
    return Batched(reading, COMPUTES[job.options["by"]](job.model, reading), candidates=candidates).answering()


def through_predict(path: str, reading: Reading) -> Compute:
    """Compute by `keras.Model.predict`."""
    import tensorflow as tf

    model, signature = _model_of(path)

    def compute(inputs: dict[str, Any]) -> Any:
        given = {name: inputs[name] for name in signature}
        batches = tf.data.Dataset.from_generator(lambda: iter([given]), output_signature=signature)
        return model.predict(batches, steps=1, verbose=0)

    return compute


def through_function(path: str, reading: Reading) -> Compute:
    """Compute by a `tf.function` that is traced once."""
    import tensorflow as tf

    model, signature = _model_of(path)
    call = tf.function(lambda inputs: model(inputs, training=False), input_signature=[signature])
    traced = call.get_concrete_function()

    def compute(inputs: dict[str, Any]) -> Any:
        return traced({name: tf.constant(inputs[name]) for name in signature}).numpy()

    return compute


def through_layers(path: str, reading: Reading) -> Compute:
    """Compute by `keras.Model.predict` of the network from `keras.layers`, with the weights of seqtag's."""
    model = _from_layers(reading)

    def compute(inputs: dict[str, Any]) -> Any:
        return model.predict(by_place(inputs), batch_size=BATCH, verbose=0)

    return compute


def through_padding(path: str, reading: Reading) -> Compute:
    """Compute as `through_layers`, with all arrays padded to 100 places (or the longest) and the default batch size."""
    model = _from_layers(reading)

    def compute(inputs: dict[str, Any]) -> Any:
        placed = by_place(inputs)
        time = placed["words"].shape[1]
        more = {name: [(0, 0), (0, max(0, PADDED - time))] for name in placed if name != "lengths"}
        for name, axes in more.items():
            placed[name] = np.pad(placed[name], axes + [(0, 0)] * (placed[name].ndim - 2))
        return model.predict(placed, verbose=0)[:, :time]

    return compute


def _from_layers(reading: Reading) -> Any:
    """Build the network from `keras.layers` with the weights of seqtag's."""
    from peers.keras_network import build

    specs = {feature.spec.name: feature.spec for feature in reading.features}
    if set(specs) != {"words", "affixes", "chars"}:
        raise ValueError(f"keras-layers reads words, affixes and chars; the model reads {', '.join(specs)}")
    labels = SimpleNamespace(labels=reading.decoder.labels, allowed=reading.network["allowed"])
    model = build(specs, labels)
    model.set_weights(weights_for(model, reading.weights()))
    return model


def weights_for(model: Any, own: dict[str, Any]) -> list[Any]:
    """Return seqtag's weights in the order of a network of `keras.layers`; only the words' table holds padding.

    The characters' row of padding is zero, so that it adds nothing to a convolution.
    """
    order = [
        "words_vectors/embeddings",
        "affixes_vectors/embeddings",
        "chars_vectors/embeddings",
        "chars_vectors/kernel",
        "chars_vectors/bias",
        *(f"recurrent_0/{way}/lstm_cell/{part}" for way in ("forward", "backward") for part in LSTM),
        "emissions/kernel",
        "emissions/bias",
        *(f"head/{part}" for part in ("start", "transitions", "end")),
    ]
    found = {name: own[name].copy() for name in order}
    found["chars_vectors/embeddings"][0] = 0
    weights, left = [], dict(found)
    for variable in model.weights:
        near = [name for name, value in left.items() if _fits(variable, name, value)]
        if not near:
            raise ValueError(f"no weight of seqtag's is {variable.path} of the shape {variable.shape}")
        weights.append(left.pop(near[0]))
    return weights


LSTM = ("kernel", "recurrent_kernel", "bias")


def _fits(variable: Any, name: str, value: Any) -> bool:
    if tuple(variable.shape) != value.shape:
        return False
    last = name.rsplit("/", 1)[-1]
    return variable.path.rsplit("/", 1)[-1] == last and ("backward" in variable.path) == ("backward" in name)


def _model_of(path: str) -> tuple[Any, dict[str, Any]]:
    """Return the Keras model, and a signature of its inputs in which every axis that may vary is open."""
    import tensorflow as tf

    from seqtag import SequenceTagger

    model = SequenceTagger.load(path).model_
    signature = {name: tf.TensorSpec(tensor.shape, tensor.dtype) for name, tensor in model.input.items()}
    return model, signature


COMPUTES = {
    "predict": through_predict,
    "function": through_function,
    "layers": through_layers,
    "padded": through_padding,
}
CANDIDATES = {"layers": LIMITS + EVERYTHING, "padded": EVERYTHING}

if __name__ == "__main__":
    main(open_model)
