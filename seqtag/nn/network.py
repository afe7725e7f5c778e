"""Networks put together from blocks, as functional Keras models that own their loss."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import keras
import numpy as np

from seqtag.data.encoders import FeatureSpec
from seqtag.errors import BundleError
from seqtag.nn.decoders import DECODERS
from seqtag.nn.heads import NeighbourWords
from seqtag.nn.inputs import BLOCKS, Place
from seqtag.nn.recurrent import Recurrent


@keras.saving.register_keras_serializable("seqtag")
class TaggerModel(keras.Model):
    """A tagger: a dict of arrays in (`seqtag.data.batching.Batch`), emissions (B, T, K) out.

    It owns its loss, so ``model.compile("adam"); model.fit(batches)`` trains it, where a batch is
    ``(inputs, labels)`` or ``(inputs, labels, weights)``. `build_tagger` makes it.

    Parameters
    ----------
    inputs : dict of str to KerasTensor
        The batch's arrays.
    outputs : KerasTensor
        Emissions, from the head.
    head : keras.layers.Layer
        Made by an entry of `seqtag.nn.decoders.DECODERS`; asked for the loss.
    auxiliary : NeighbourWords or None
        The layer whose loss is added in training.
    arguments : dict
        What `build_tagger` was called with.
    """

    def __init__(
        self, inputs: dict[str, Any], outputs: Any, head: Any, auxiliary: Any, arguments: dict[str, Any]
    ) -> None:
        # A name that Keras gives would count the models of this process, and two equal runs save two manifests.
        super().__init__(inputs=inputs, outputs=outputs, name="tagger")
        self.head = head
        self.auxiliary = auxiliary
        self.supports_jit = False
        self._arguments = json.dumps(arguments)  # as text: Keras would wrap a dict into one that cannot be pickled

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Return the head's loss, and in training what auxiliary layers add."""
        loss = self.head.loss(y_pred, y, x["lengths"], sample_weight)
        for added in self.losses:
            loss = loss + added
        return loss

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of `build_tagger`, in JSON's types."""
        return json.loads(self._arguments)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> keras.Model:
        """Build the model that `get_config` described."""
        features = [FeatureSpec(**spec) for spec in config["features"]]
        return build_tagger(**config | {"features": features})


def build_tagger(
    features: Sequence[FeatureSpec],
    n_labels: int,
    *,
    cell: str = "lstm",
    units: int = 200,
    layers: int = 1,
    bidirectional: bool = True,
    decoder: str = "crf",
    dropout: float = 0.4,
    neighbour_words: bool = False,
    allowed: dict[str, Any] | None = None,
    seed: int = 0,
) -> keras.Model:
    """Build a tagger.

    Parameters
    ----------
    features : sequence of FeatureSpec
        The inputs, as fitted encoders state them.
    n_labels : int
        Number of labels K.
    cell : str
        Name of `seqtag.nn.cells.CELLS`.
    units : int
        Width of the hidden state of one direction.
    layers : int
        Depth of the stack.
    bidirectional : bool
        Whether each layer also sees the future.
    decoder : str
        Name of `seqtag.nn.decoders.DECODERS`.
    dropout : float
        Rate of the variational dropout (one mask a sequence; Gal and Ghahramani, 2016) before, between and after the
        layers.
    neighbour_words : bool
        Whether the first layer's states also predict the neighbouring words in training, where words are an input.
    allowed : dict, optional
        ``start`` (K,), ``transitions`` (K, K) and ``end`` (K,) as nested lists of bool, for the CRF.
    seed : int
        Seeds the initial weights and the dropout.

    Returns
    -------
    keras.Model
    """
    arguments = locals() | {"features": [asdict(spec) for spec in features]}  # before any other local is there
    seeds = _seeds(seed)

    # === Inputs ===
    index = keras.Input((None,), dtype="int32", name="index")
    lengths = keras.Input((), dtype="int32", name="lengths")
    inputs = {spec.name: _input(spec) for spec in features} | {"index": index, "lengths": lengths}

    # === Tokens to vectors: distinct tokens once, then laid out; columns a place ===
    vectors = {spec.name: BLOCKS[spec.kind](spec, inputs[spec.name], next(seeds)) for spec in features}
    by_type = [vectors[spec.name] for spec in features if spec.level == "type"]
    parts = [Place(name="place")(_join(by_type, "types"), index, lengths)] if by_type else []
    parts += [vectors[spec.name] for spec in features if spec.level == "token"]
    states = _drop(_join(parts, "tokens"), dropout, next(seeds), "tokens_dropout")

    # === The recurrent stack ===
    direction = "both" if bidirectional else "forward"
    words = next((spec for spec in features if spec.name == "words"), None)
    auxiliary = None
    for depth in range(layers):
        if depth:
            states = _drop(states, dropout, next(seeds), f"dropout_{depth}")
        states = Recurrent(cell, units, direction, next(seeds), name=f"recurrent_{depth}")(states, lengths)
        if depth == 0 and neighbour_words and words is not None:
            auxiliary = NeighbourWords(words.size, bidirectional, next(seeds), name="neighbour_words")
            # A rare word that was dropped has the unknown's vector here and is still a candidate of its own: merging
            # all of them into one candidate was measured to be worse.
            states = auxiliary(states, inputs["words"], vectors["words"], index, lengths)

    # === The head ===
    states = _drop(states, dropout, next(seeds), "states_dropout")
    glorot = keras.initializers.GlorotUniform(seed=next(seeds))
    emissions = keras.layers.Dense(n_labels, kernel_initializer=glorot, name="emissions")(states)
    head = DECODERS[decoder](allowed or {})
    return TaggerModel(inputs, head(emissions), head, auxiliary, arguments)


def _input(spec: FeatureSpec) -> Any:
    shape: tuple[int | None, ...] = (None,) if spec.kind == "chars" else (spec.width,)
    if spec.level == "token":
        shape = (None, *shape)
    return keras.Input(shape, dtype="int32", name=spec.name)


def _join(parts: list[Any], name: str) -> Any:
    return parts[0] if len(parts) == 1 else keras.layers.Concatenate(name=name)(parts)


def _drop(states: Any, rate: float, seed: int, name: str) -> Any:
    return keras.layers.SpatialDropout1D(rate, seed=seed, name=name)(states) if rate else states


def _seeds(seed: int):
    rng = np.random.default_rng(seed)
    while True:
        yield int(rng.integers(2**31 - 8))


def named_weights(model: keras.Model) -> dict[str, np.ndarray]:
    """Return a model's weights by their paths."""
    return {variable.path: variable.numpy() for variable in model.weights}


def restore(config: dict[str, Any], weights: dict[str, np.ndarray]) -> keras.Model:
    """Rebuild a model from `get_config` and `named_weights`.

    Raises
    ------
    BundleError
        If a weight is missing or has another shape.
    """
    model = TaggerModel.from_config(config)
    expected = named_weights(model)
    for name, value in expected.items():
        if name not in weights or weights[name].shape != value.shape:
            found = weights[name].shape if name in weights else "nothing"
            raise BundleError(f"the weight {name} must have the shape {value.shape}; the model holds {found}.")
    model.set_weights([weights[name] for name in expected])
    return model
