"""Networks put together from blocks, as functional Keras models that own their loss."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from seqtag.choices.decoders import DECODERS
from seqtag.choices.pooling import POOLINGS
from seqtag.data.encoders import FeatureSpec
from seqtag.errors import BundleError
from seqtag.nn.context import at_cuts
from seqtag.nn.heads import ClassHead, JointHead, NeighbourWords
from seqtag.nn.inputs import BLOCKS, Place
from seqtag.nn.shapes import check_backend, compiles_by_shape
from seqtag.nn.stack import DEFAULT_STACK, Stack, build_stack
from seqtag.registry import Registry


@keras.saving.register_keras_serializable("seqtag")
class SequenceModel(keras.Model):
    """A network over sequences: a dict of arrays in (`seqtag.data.batching.Batch`), scores out.

    It owns its loss, so ``model.compile("adam"); model.fit(batches)`` trains it, where a batch is
    ``(inputs, targets)`` or ``(inputs, targets, weights)``. `build_tagger`, `build_classifier` and `build_joint` make
    it.

    Parameters
    ----------
    inputs : dict of str to KerasTensor
        The batch's arrays.
    outputs : KerasTensor
        Emissions (B, T, K), logits (B, K), or both side by side (`JointHead`), from the head.
    head : keras.layers.Layer
        Asked for the loss: ``head.loss(outputs, targets, lengths, weights)``.
    auxiliary : NeighbourWords or None
        The layer whose loss is added in training.
    network : str
        The name in `BUILDERS` of what built it.
    arguments : dict
        What it was called with.
    """

    def __init__(
        self, inputs: dict[str, Any], outputs: Any, head: Any, auxiliary: Any, network: str, arguments: dict[str, Any]
    ) -> None:
        # A name that Keras gives would count the models of this process, and two equal runs save two manifests.
        super().__init__(inputs=inputs, outputs=outputs, name=network)
        self.head = head
        self.auxiliary = auxiliary
        self.supports_jit = compiles_by_shape()
        # As text: Keras would wrap a dict into one that cannot be pickled.
        self._arguments = json.dumps({"network": network, **arguments})

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Return the head's loss, and in training what auxiliary layers add."""
        lengths = x["lengths"]
        if isinstance(y, dict):  # of sentences among what was read around them
            y_pred = at_cuts(y_pred, y["cuts"], ops.shape(y["labels"])[1])
            y, lengths = y["labels"], y["cuts"][:, 2]
        loss = self.head.loss(y_pred, y, lengths, sample_weight)
        for added in self.losses:
            loss = loss + added
        return loss

    def get_config(self) -> dict[str, Any]:
        """Return the name in `BUILDERS` and its arguments, in JSON's types."""
        return json.loads(self._arguments)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> keras.Model:
        """Build the model that `get_config` described."""
        arguments = dict(config)
        build = BUILDERS[arguments.pop("network")]
        arguments["features"] = [FeatureSpec(**spec) for spec in arguments["features"]]
        return build(**arguments | {"stack": Stack(**arguments["stack"])})


BUILDERS: Registry[Callable[..., keras.Model]] = Registry("network")


@BUILDERS.register("tagger")
def build_tagger(
    features: Sequence[FeatureSpec],
    n_labels: int,
    *,
    stack: Stack = DEFAULT_STACK,
    decoder: str = "crf",
    dropout: float = 0.4,
    neighbour_words: bool = False,
    allowed: dict[str, Any] | None = None,
    seed: int = 0,
) -> keras.Model:
    """Build a tagger: tokens, recurrent stack, a score for each label at each token.

    Parameters
    ----------
    features : sequence of FeatureSpec
        The inputs, as fitted encoders state them.
    n_labels : int
        Number of labels K.
    stack : Stack
        The recurrent layers.
    decoder : str
        Name of `seqtag.choices.decoders.DECODERS`.
    dropout : float
        Rate of the variational dropout (one mask a sequence; Gal and Ghahramani, 2016) before and after the stack.
    neighbour_words : bool
        Whether the first layer's states also predict the neighbouring words in training, where words are an input.
    allowed : dict, optional
        ``start`` (K,), ``transitions`` (K, K) and ``end`` (K,) as nested lists of bool, for the CRF.
    seed : int
        Seeds the initial weights and the dropout.

    Returns
    -------
    keras.Model
        With the output emissions (B, T, K).
    """
    arguments = {
        "features": [asdict(spec) for spec in features],
        "n_labels": n_labels,
        "stack": asdict(stack),
        "decoder": decoder,
        "dropout": dropout,
        "neighbour_words": neighbour_words,
        "allowed": allowed,
        "seed": seed,
    }
    seeds = draw_seeds(seed)
    reading = _read(features, stack, dropout, neighbour_words, seeds)
    states = dropped(reading.states, dropout, next(seeds), "states_dropout")
    emissions = _scores(states, n_labels, next(seeds), "emissions")
    head = DECODERS[decoder](allowed or {})
    return SequenceModel(reading.inputs, head(emissions), head, reading.auxiliary, "tagger", arguments)


@BUILDERS.register("classifier")
def build_classifier(
    features: Sequence[FeatureSpec],
    n_classes: int,
    *,
    stack: Stack = DEFAULT_STACK,
    pooling: str = "max",
    multi_label: bool = False,
    dropout: float = 0.4,
    label_smoothing: float = 0.0,
    neighbour_words: bool = False,
    seed: int = 0,
) -> keras.Model:
    """Build a classifier: tokens, recurrent stack, one vector a sequence, a score for each class.

    Parameters
    ----------
    features : sequence of FeatureSpec
        The inputs, as fitted encoders state them.
    n_classes : int
        Number of classes K.
    stack : Stack
        The recurrent layers.
    pooling : str
        Name of `seqtag.choices.pooling.POOLINGS`.
    multi_label : bool
        Whether each class is decided by itself.
    dropout : float
        Rate of the dropout: variational before the stack, of single units behind the pooling.
    label_smoothing : float
        Share of a target that is spread over all classes (Szegedy et al., 2016).
    neighbour_words : bool
        Whether the first layer's states also predict the neighbouring words in training, where words are an input.
    seed : int
        Seeds the initial weights and the dropout.

    Returns
    -------
    keras.Model
        With the output logits (B, K).
    """
    arguments = {
        "features": [asdict(spec) for spec in features],
        "n_classes": n_classes,
        "stack": asdict(stack),
        "pooling": pooling,
        "multi_label": multi_label,
        "dropout": dropout,
        "label_smoothing": label_smoothing,
        "neighbour_words": neighbour_words,
        "seed": seed,
    }
    seeds = draw_seeds(seed)
    reading = _read(features, stack, dropout, neighbour_words, seeds)
    logits = _pooled_scores(reading, stack, pooling, dropout, n_classes, seeds)
    head = ClassHead(multi_label, label_smoothing, name="head", dtype="float32")
    return SequenceModel(reading.inputs, head(logits), head, reading.auxiliary, "classifier", arguments)


@BUILDERS.register("joint")
def build_joint(
    features: Sequence[FeatureSpec],
    n_labels: int,
    n_intents: int,
    *,
    stack: Stack = DEFAULT_STACK,
    decoder: str = "crf",
    pooling: str = "max",
    dropout: float = 0.4,
    intent_weight: float = 1.0,
    neighbour_words: bool = False,
    allowed: dict[str, Any] | None = None,
    seed: int = 0,
) -> keras.Model:
    """Build a tagger that also classifies: one recurrent stack, a score for each label at each token and each intent.

    Parameters
    ----------
    features : sequence of FeatureSpec
        The inputs, as fitted encoders state them.
    n_labels, n_intents : int
        Number of labels K, and of intents C.
    stack, decoder, neighbour_words, allowed, seed
        As for `build_tagger`.
    pooling : str
        Name of `seqtag.choices.pooling.POOLINGS`: what becomes of the states for the intent.
    dropout : float
        Rate of the variational dropout before and after the stack, and of the dropout behind the pooling.
    intent_weight : float
        How often the logarithm of the intent's likelihood counts in the loss beside that of the labels.

    Returns
    -------
    keras.Model
        With the output (B, T, K + C), see `JointHead`.
    """
    arguments = {
        "features": [asdict(spec) for spec in features],
        "n_labels": n_labels,
        "n_intents": n_intents,
        "stack": asdict(stack),
        "decoder": decoder,
        "pooling": pooling,
        "dropout": dropout,
        "intent_weight": intent_weight,
        "neighbour_words": neighbour_words,
        "allowed": allowed,
        "seed": seed,
    }
    seeds = draw_seeds(seed)
    reading = _read(features, stack, dropout, neighbour_words, seeds)
    states = dropped(reading.states, dropout, next(seeds), "states_dropout")
    emissions = _scores(states, n_labels, next(seeds), "emissions")
    logits = _pooled_scores(reading, stack, pooling, dropout, n_intents, seeds)
    head = JointHead(DECODERS[decoder](allowed or {}), n_labels, intent_weight, name="head", dtype="float32")
    return SequenceModel(reading.inputs, head(emissions, logits), head, reading.auxiliary, "joint", arguments)


@dataclass(frozen=True)
class _Reading:
    """What all networks begin with: the inputs, read by the recurrent stack."""

    inputs: dict[str, Any]
    states: Any
    auxiliary: NeighbourWords | None


def _read(
    features: Sequence[FeatureSpec], stack: Stack, dropout: float, neighbour_words: bool, seeds: Iterator[int]
) -> _Reading:
    check_backend()

    # === Inputs ===
    lengths = keras.Input((), dtype="int32", name="lengths")
    inputs = {spec.name: _input(spec, stack.steps) for spec in features} | {"lengths": lengths}
    if any(spec.level == "type" for spec in features):
        inputs["index"] = keras.Input((stack.steps,), dtype="int32", name="index")
    if stack.initial_state == "given":
        inputs["initial"] = keras.Input(stack.initial_shape, name="initial")

    # === Tokens to vectors: distinct tokens once, then laid out; columns a place ===
    vectors = {spec.name: BLOCKS[spec.kind](spec, inputs[spec.name], next(seeds)) for spec in features}
    by_type = [vectors[spec.name] for spec in features if spec.level == "type"]
    parts = [Place(name="place")(_join(by_type, "types"), inputs["index"], lengths)] if by_type else []
    parts += [vectors[spec.name] for spec in features if spec.level == "token"]
    states = dropped(_join(parts, "tokens"), dropout, next(seeds), "tokens_dropout")

    # === The recurrent stack ===
    auxiliary = None
    words = next((spec for spec in features if spec.name == "words"), None) if neighbour_words else None

    def predict_neighbours(states: Any) -> Any:
        nonlocal auxiliary
        if words is None:
            return states
        auxiliary = NeighbourWords(words.size, stack.direction, next(seeds), name="neighbour_words", dtype="float32")
        # A rare word that was dropped has the unknown's vector here and is still a candidate of its own: merging
        # all of them into one candidate was measured to be worse.
        return auxiliary(states, inputs["words"], vectors["words"], inputs["index"], lengths)

    states = build_stack(stack, states, lengths, seeds, initial=inputs.get("initial"), after_first=predict_neighbours)
    return _Reading(inputs, states, auxiliary)


def _input(spec: FeatureSpec, steps: int | None) -> Any:
    shape: tuple[int | None, ...] = (None,) if spec.kind == "chars" else (spec.width,)
    if spec.level == "token":
        shape = (steps, *shape)
    return keras.Input(shape, dtype="float32" if spec.kind == "vectors" else "int32", name=spec.name)


def _scores(states: Any, n: int, seed: int, name: str) -> Any:
    glorot = keras.initializers.GlorotUniform(seed=seed)
    return keras.layers.Dense(n, kernel_initializer=glorot, name=name, dtype="float32")(states)


def _pooled_scores(reading: _Reading, stack: Stack, pooling: str, dropout: float, n: int, seeds: Iterator[int]) -> Any:
    """Make one vector of a sequence's states, and of it a score for each of n classes."""
    pooled = POOLINGS[pooling](stack.ends, next(seeds))(reading.states, reading.inputs["lengths"])
    if dropout:
        pooled = keras.layers.Dropout(dropout, seed=next(seeds), name="pooled_dropout")(pooled)
    return _scores(pooled, n, next(seeds), "logits")


def _join(parts: list[Any], name: str) -> Any:
    return parts[0] if len(parts) == 1 else keras.layers.Concatenate(name=name)(parts)


def dropped(states: Any, rate: float, seed: int, name: str) -> Any:
    """Put variational dropout on states (B, T, D): in training one mask for all places of a sequence."""
    return keras.layers.SpatialDropout1D(rate, seed=seed, name=name)(states) if rate else states


def draw_seeds(seed: int) -> Iterator[int]:
    """Yield seeds for as many layers as there are."""
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
    model = SequenceModel.from_config(config)
    expected = named_weights(model)
    for name, value in expected.items():
        if name not in weights or weights[name].shape != value.shape:
            found = weights[name].shape if name in weights else "nothing"
            raise BundleError(f"the weight {name} must have the shape {value.shape}; the model holds {found}.")
    model.set_weights([weights[name] for name in expected])
    return model
