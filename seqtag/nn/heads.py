"""What stands on the recurrent stack: scores and their loss. The model asks its head for the loss."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from seqtag.choices.cells import DIRECTIONS
from seqtag.data.lookup import PADDING
from seqtag.nn.crf import CRF
from seqtag.nn.recurrent import sequence_mask
from seqtag.nn.shapes import compiles_by_shape


@keras.saving.register_keras_serializable("seqtag")
class CRFHead(CRF):
    """The linear-chain CRF as a head: loss is the negative log-likelihood a token."""

    def loss(self, emissions: Any, labels: Any, lengths: Any, weights: Any) -> Any:
        """Return the weighted mean loss of a batch; a sequence's weight is the mean weight of its tokens."""
        mask = sequence_mask(lengths, ops.shape(emissions)[1], emissions.dtype)
        counts = ops.sum(mask, axis=1)
        weight = ops.ones_like(counts) if weights is None else ops.sum(weights * mask, axis=1) / counts
        return -ops.sum(self.log_likelihood(emissions, labels, lengths) * weight) / ops.sum(counts)


@keras.saving.register_keras_serializable("seqtag")
class SoftmaxHead(keras.layers.Layer):
    """Each label by itself, o_t = softmax(V s_t): loss is the cross-entropy a token."""

    def call(self, emissions: Any) -> Any:
        """Return the emissions as they are."""
        return emissions

    def compute_output_shape(self, emissions_shape: Any) -> Any:
        """Return the shape of the emissions."""
        return emissions_shape

    def loss(self, emissions: Any, labels: Any, lengths: Any, weights: Any) -> Any:
        """Return the weighted mean loss of a batch."""
        mask = sequence_mask(lengths, ops.shape(emissions)[1], emissions.dtype)
        losses = ops.sparse_categorical_crossentropy(labels, emissions, from_logits=True)
        weighted = losses * mask if weights is None else losses * weights * mask
        return ops.sum(weighted) / ops.sum(mask)


@keras.saving.register_keras_serializable("seqtag")
class ClassHead(keras.layers.Layer):
    """One class a sequence (softmax), or any number of them (a sigmoid each): loss is the cross-entropy a sequence.

    Parameters
    ----------
    multi_label : bool
        Whether each class is decided by itself; targets are then 0 or 1 for each.
    smoothing : float
        Share of a target that is spread over all classes.
    """

    def __init__(self, multi_label: bool = False, smoothing: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.multi_label = multi_label
        self.smoothing = smoothing

    def call(self, logits: Any) -> Any:
        """Return the logits as they are."""
        return logits

    def compute_output_shape(self, logits_shape: Any) -> Any:
        """Return the shape of the logits."""
        return logits_shape

    def loss(self, logits: Any, targets: Any, lengths: Any, weights: Any) -> Any:
        """Return the weighted mean loss of a batch: targets (B,) ids, or (B, K) of 0 and 1; weights (B,)."""
        if self.multi_label:
            smoothed = ops.cast(targets, logits.dtype) * (1.0 - self.smoothing) + 0.5 * self.smoothing
            losses = ops.sum(ops.binary_crossentropy(smoothed, logits, from_logits=True), axis=-1)
        else:
            losses = ops.sparse_categorical_crossentropy(targets, logits, from_logits=True)
            if self.smoothing:
                spread = -ops.mean(ops.log_softmax(logits, axis=-1), axis=-1)
                losses = losses * (1.0 - self.smoothing) + spread * self.smoothing
        return ops.mean(losses if weights is None else losses * weights)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return super().get_config() | {"multi_label": self.multi_label, "smoothing": self.smoothing}


class JointHead(keras.layers.Layer):
    """A label a token and an intent a sequence: loss is the negative log-likelihood of both together, a token.

    Emissions (B, T, K) and logits (B, C) leave it as one array (B, T, K + C), the logits at every token. So what stands
    between a network and its decoder has one array to carry, whatever a network answers.

    Parameters
    ----------
    slots : CRFHead or SoftmaxHead
        The head of the emissions.
    n_labels : int
        Number of labels K.
    intent_weight : float
        How often the logarithm of the intent's likelihood counts beside that of the labels.
    """

    def __init__(self, slots: Any, n_labels: int, intent_weight: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.slots = slots
        self.n_labels = n_labels
        self.intent_weight = intent_weight

    def build(self, emissions_shape: Any, logits_shape: Any) -> None:
        """Build the head of the emissions."""
        self.slots.build(emissions_shape)

    def call(self, emissions: Any, logits: Any) -> Any:
        """Return emissions and logits side by side, (B, T, K + C)."""
        everywhere = ops.expand_dims(logits, 1) + ops.zeros_like(emissions[..., :1])
        return ops.concatenate([self.slots(emissions), everywhere], axis=-1)

    def compute_output_shape(self, emissions_shape: Any, logits_shape: Any) -> Any:
        """Return the shape (B, T, K + C)."""
        return (*emissions_shape[:-1], emissions_shape[-1] + logits_shape[-1])

    def loss(self, outputs: Any, targets: Any, lengths: Any, weights: Any) -> Any:
        """Return the weighted mean loss of a batch.

        Parameters
        ----------
        outputs : tensor, shape (B, T, K + C)
            Of `call`.
        targets : tensor of int, shape (B, T)
            At each token ``intent x K + label``.
        lengths : tensor of int, shape (B,)
        weights : tensor, shape (B, T), or None
            An intent weighs as much as the tokens of its sequence do on average.
        """
        k = self.n_labels
        loss = self.slots.loss(outputs[..., :k], ops.mod(targets, k), lengths, weights)
        mask = sequence_mask(lengths, ops.shape(outputs)[1], outputs.dtype)
        counts = ops.sum(mask, axis=1)
        intents = ops.floor_divide(targets[:, 0], k)
        losses = ops.sparse_categorical_crossentropy(intents, outputs[:, 0, k:], from_logits=True)
        if weights is not None:
            losses = losses * (ops.sum(weights * mask, axis=1) / counts)
        return loss + self.intent_weight * ops.sum(losses) / ops.sum(counts)


@keras.saving.register_keras_serializable("seqtag")
class NeighbourWords(keras.layers.Layer):
    """An auxiliary loss: the forward state predicts the next word, the backward state the previous one (Rei, 2017).

    The candidates are the batch's own distinct words with their input embeddings (tied), each corrected by the log
    probability that a batch holds it, so that the loss estimates that of a softmax over the whole vocabulary
    (Bengio and Senecal, 2008). A word whose id is padding is no candidate, and a row that begins with it is none.
    States pass through unchanged; outside training nothing is computed.

    The loss counts ``strength`` times. It falls by ``fall`` at each step of training, inside the step, since a backend
    that compiles it would not see what a callback assigns.

    Parameters
    ----------
    size : int
        Size of the word vocabulary.
    direction : {"both", "forward", "backward"}
        Whether the states are a forward and a backward half, or one of them alone.
    seed : int
        Seeds the initial weights.
    """

    def __init__(self, size: int, direction: str = "both", seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = size
        self.direction = direction
        self.seed = seed
        self.supports_jit = compiles_by_shape()
        self.fall = 0.0

    def build(self, states_shape: Any, ids_shape: Any, vectors_shape: Any, *others: Any, **named: Any) -> None:
        """Make the projections to the embeddings' width, the words' frequencies and the loss's strength."""
        shares = len(DIRECTIONS[self.direction])
        shape = (shares, states_shape[-1] // shares, vectors_shape[-1])
        glorot = keras.initializers.GlorotUniform(seed=self.seed)
        self.kernel = self.add_weight(shape=shape, initializer=glorot, name="kernel")
        self.bias = self.add_weight(shape=(shares, 1, vectors_shape[-1]), initializer="zeros", name="bias")
        even = keras.initializers.Constant(1.0 / self.size)
        self.frequencies = self.add_weight(shape=(self.size,), initializer=even, trainable=False, name="frequencies")
        # Each replica lowers its own copy: a variable that they share would have Keras mix up whose loss is whose.
        self.strength = self.add_weight(shape=(), initializer="zeros", trainable=False, name="strength")

    def call(self, states: Any, ids: Any, vectors: Any, index: Any, lengths: Any, training: bool | None = None) -> Any:
        """Return the states (B, T, H or 2 H); in training add the loss for words ``ids`` (U, 1) at ``index`` (B, T)."""
        if training:
            self.add_loss(self.strength * self.loss(states, ids[:, 0], vectors, index, lengths))
            self.strength.assign(ops.maximum(self.strength - self.fall, 0.0))
        return states

    def compute_output_shape(self, states_shape: Any, *others: Any, **named: Any) -> Any:
        """Return the shape of the states."""
        return states_shape

    def loss(self, states: Any, ids: Any, vectors: Any, index: Any, lengths: Any) -> Any:
        """Return the mean negative log-likelihood a predicted word."""
        real = ops.cast(ops.take(ids, index[:, 0]) != PADDING, lengths.dtype)
        correction = self.candidate_bias(ids, ops.sum(lengths * real))
        ways = DIRECTIONS[self.direction]
        total = 0.0
        for i, (way, half) in enumerate(zip(ways, ops.split(states, len(ways), axis=-1), strict=True)):
            target, mask = _neighbours(index, lengths, way, states.dtype)
            logits = ops.matmul(ops.matmul(half, self.kernel[i]) + self.bias[i], ops.transpose(vectors))
            losses = ops.sparse_categorical_crossentropy(target, logits + correction, from_logits=True)
            total = total + ops.sum(losses * mask)
        pairs = ops.cast(ops.sum(lengths - 1) * len(ways), states.dtype)
        return total / ops.maximum(pairs, 1.0)

    def candidate_bias(self, ids: Any, n_tokens: Any) -> Any:
        """Return minus log(p(the batch holds the word) x its number among the candidates), shape (U,).

        What is no candidate has a billion less.
        """
        absent = ops.cast(n_tokens, "float32") * ops.log1p(-ops.minimum(ops.take(self.frequencies, ids), 0.999))
        times = ops.sum(ops.cast(ids[:, None] == ids[None, :], "float32"), axis=1)
        none = 1e9 * ops.cast(ids == PADDING, "float32")
        return -ops.log(ops.maximum(-ops.expm1(absent), 1e-9)) - ops.log(times) - none

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return super().get_config() | {"size": self.size, "direction": self.direction, "seed": self.seed}


def _neighbours(index: Any, lengths: Any, way: str, dtype: Any) -> tuple[Any, Any]:
    """Return which word each state (B, T) is to predict, and whether there is one.

    The targets are moved, not the states cut: the gradient of a cut fills the whole array again.
    """
    places = ops.arange(ops.shape(index)[1], dtype="int32")
    ends = ops.expand_dims(ops.cast(lengths, "int32"), -1)
    if way == "forward":
        return ops.roll(index, -1, axis=1), ops.cast(places + 1 < ends, dtype)
    return ops.roll(index, 1, axis=1), ops.cast(ops.logical_and(places > 0, places < ends), dtype)
