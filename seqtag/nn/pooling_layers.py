"""The layers that make one vector of the states of a sequence; `seqtag.choices.pooling` names them."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from seqtag.nn.recurrent import at_places, sequence_mask
from seqtag.nn.shapes import compiles_by_shape

LEAST = -3e4  # float16 ends at -65,504
"""What stands for a score beyond a length, so that no maximum and no softmax sees it."""

BEYOND = 1e9
"""What an ONNX graph, which is float32, takes from a score there to the same end."""


class _Pooling(keras.layers.Layer):
    """States (B, T, D) and lengths (B,) in, one vector a sequence out; what stands beyond a length does not count."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_jit = compiles_by_shape()

    def compute_output_shape(self, states_shape: Any, lengths_shape: Any = None) -> tuple[int | None, ...]:
        """Return the shape of the vectors."""
        return (states_shape[0], states_shape[-1])


@keras.saving.register_keras_serializable("seqtag")
class LastPooling(_Pooling):
    """The state in which the reading ended: of a forward layer at the last token, of a backward one at the first.

    Parameters
    ----------
    ends : str
        ``last``; ``first``; ``halves``: the first half of the state at the last token and its second half at the
        first one, as two concatenated directions end; ``both``: the whole state at the last and at the first token,
        for directions that were added up.
    """

    def __init__(self, ends: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ends = ends

    def call(self, states: Any, lengths: Any) -> Any:
        """Return the vectors (B, D), or (B, 2 D) with ``both``."""
        last = at_places(states, ops.expand_dims(ops.cast(lengths, "int32") - 1, -1))[:, 0]
        first = states[:, 0]
        if self.ends == "halves":
            half = states.shape[-1] // 2
            return ops.concatenate([last[:, :half], first[:, half:]], axis=-1)
        return {"last": last, "first": first}[self.ends] if self.ends != "both" else ops.concatenate([last, first], -1)

    def compute_output_shape(self, states_shape: Any, lengths_shape: Any = None) -> tuple[int | None, ...]:
        """Return the shape of the vectors."""
        return (states_shape[0], states_shape[-1] * (2 if self.ends == "both" else 1))

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return super().get_config() | {"ends": self.ends}


@keras.saving.register_keras_serializable("seqtag")
class MeanPooling(_Pooling):
    """The mean of a sequence's states."""

    def call(self, states: Any, lengths: Any) -> Any:
        """Return the vectors (B, D)."""
        mask = sequence_mask(lengths, ops.shape(states)[1], states.dtype)
        return ops.einsum("btd,bt->bd", states, mask / ops.sum(mask, axis=1, keepdims=True))


@keras.saving.register_keras_serializable("seqtag")
class MaxPooling(_Pooling):
    """The greatest value of each unit over a sequence (Collobert et al., 2011)."""

    def call(self, states: Any, lengths: Any) -> Any:
        """Return the vectors (B, D)."""
        mask = ops.expand_dims(sequence_mask(lengths, ops.shape(states)[1]), -1)
        return ops.max(ops.where(mask, states, LEAST), axis=1)


@keras.saving.register_keras_serializable("seqtag")
class AttentionPooling(_Pooling):
    """A weighted mean of a sequence's states, with weights softmax(v . tanh(W s_t + b)) (Yang et al., 2016).

    Parameters
    ----------
    units : int
        Width of W s_t.
    seed : int
        Seeds the initial weights.
    """

    def __init__(self, units: int, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.seed = seed

    def build(self, states_shape: Any, lengths_shape: Any = None) -> None:
        """Make W, b and v."""
        glorot = keras.initializers.GlorotUniform(seed=self.seed)
        self.kernel = self.add_weight(shape=(states_shape[-1], self.units), initializer=glorot, name="kernel")
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")
        uniform = keras.initializers.GlorotUniform(seed=self.seed + 1)
        self.query = self.add_weight(shape=(self.units, 1), initializer=uniform, name="query")

    def call(self, states: Any, lengths: Any) -> Any:
        """Return the vectors (B, D)."""
        return ops.einsum("btd,bt->bd", states, self.attention(states, lengths))

    def attention(self, states: Any, lengths: Any) -> Any:
        """Return the weight of each state, shape (B, T); they add up to 1 within each length."""
        scores = ops.matmul(ops.tanh(ops.matmul(states, self.kernel) + self.bias), self.query)[..., 0]
        scores = ops.where(sequence_mask(lengths, ops.shape(states)[1]), scores, LEAST)
        weights = ops.exp(scores - ops.max(scores, axis=1, keepdims=True))  # ops.softmax would warn of single places
        return weights / ops.sum(weights, axis=1, keepdims=True)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return super().get_config() | {"units": self.units, "seed": self.seed}
