"""The network of a language model: symbols, a recurrent stack that carries its state on, a score for each next symbol.

It is trained by truncated back-propagation (Williams and Peng, 1990): the lanes of `seqtag.data.lanes.LaneBatches` are
read window after window, each from the state in which the last one ended, and gradients end where a window begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import keras
import numpy as np
from keras import ops

from seqtag.choices.cells import CELLS
from seqtag.data.encoders import FeatureSpec
from seqtag.errors import ConfigError
from seqtag.nn.heads import SoftmaxHead
from seqtag.nn.inputs import Table, embedding
from seqtag.nn.network import BUILDERS, SequenceModel, draw_seeds, dropped
from seqtag.nn.shapes import check_backend
from seqtag.nn.stack import DEFAULT_STACK, Stack, build_stack

SYMBOLS = "symbols"


def symbols_spec(size: int, dim: int) -> FeatureSpec:
    """Return the contract of a language model's one input: an id a place, embedded in ``dim`` numbers."""
    return FeatureSpec(SYMBOLS, "ids", "token", size, dim=dim)


@keras.saving.register_keras_serializable("seqtag")
class CarriedState(keras.layers.Layer):
    """The state in which each lane's last window ended; forgotten where a pass begins.

    Parameters
    ----------
    shape : sequence of int
        (lanes, layers, 1, states of the cell, H).
    """

    def __init__(self, shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shape = tuple(shape)

    def build(self, keep_shape: Any) -> None:
        """Make the variable."""
        self.state = self.add_weight(shape=self.shape, initializer="zeros", trainable=False, name="state")

    def call(self, keep: Any) -> Any:
        """Return the states, times ``keep`` (lanes,): 0 where a lane begins, 1 where it goes on."""
        return self.state * ops.reshape(ops.cast(keep, self.state.dtype), (-1, 1, 1, 1, 1))

    def compute_output_shape(self, keep_shape: Any) -> tuple[int, ...]:
        """Return the shape of the states."""
        return self.shape

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return super().get_config() | {"shape": list(self.shape)}


@keras.saving.register_keras_serializable("seqtag")
class Remember(keras.layers.Layer):
    """Write the state behind a window where `CarriedState` finds it; what is computed from passes through.

    Parameters
    ----------
    carried : CarriedState
        Where to.
    """

    def __init__(self, carried: CarriedState, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.carried = carried

    def call(self, hidden: Any, *last: Any) -> Any:
        """Return ``hidden`` as it is; ``last`` are each layer's states (lanes, 1, states of the cell, H)."""
        self.carried.state.assign(ops.cast(ops.stack(last, axis=1), self.carried.state.dtype))
        return hidden

    def compute_output_shape(self, hidden_shape: Any, *last_shapes: Any) -> Any:
        """Return the shape of what passes through."""
        return hidden_shape


@keras.saving.register_keras_serializable("seqtag")
class NextSymbol(keras.layers.Layer):
    """Score what may come next, o_t = V s_t + b; a softmax over the scores is the distribution.

    Parameters
    ----------
    size, dim : int
        Number of symbols, and width of the states.
    table : Table, optional
        The embeddings of the symbols, which then are V (Press and Wolf, 2017; Inan, Khosravi and Socher, 2017).
    seed : int
        Seeds V where it is of its own.
    """

    def __init__(self, size: int, dim: int, table: Table | None = None, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = size
        self.dim = dim
        self.table = table if table is not None else embedding(size, dim, seed, "rows")
        self.biases = Table(size, 1, embeddings_initializer="zeros", name="biases")

    def build(self, *shapes: Any) -> None:
        """Make the weights."""
        for table in (self.table, self.biases):
            if not table.built:
                table.build(None)

    def call(self, states: Any, candidates: Any = None, correction: Any = None) -> Any:
        """Return scores (B, T, V) of states (B, T, dim); with candidates (C,) theirs, corrected, (B, T, C)."""
        if candidates is None:
            rows, bias = ops.convert_to_tensor(self.table.embeddings), ops.convert_to_tensor(self.biases.embeddings)
            return ops.matmul(states, ops.transpose(rows)) + bias[:, 0]
        bias = self.biases(candidates)[:, 0] + correction
        return ops.matmul(states, ops.transpose(self.table(candidates))) + bias

    def compute_output_shape(
        self, states_shape: Any, candidates_shape: Any = None, correction_shape: Any = None
    ) -> Any:
        """Return the shape of the scores."""
        return (*states_shape[:-1], self.size if candidates_shape is None else candidates_shape[0])


@keras.saving.register_keras_serializable("seqtag")
class LanguageNetwork(SequenceModel):
    """A `SequenceModel` whose loss is the cross-entropy a symbol, over all symbols or estimated from candidates."""

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Return the weighted mean loss of a window.

        A candidate's score was raised by c = -log p(it is a candidate), so that the sum over the candidates estimates
        that over all symbols (Bengio and Senecal, 2008). The target is one for certain: its c is taken back.
        """
        losses = ops.sparse_categorical_crossentropy(y, y_pred, from_logits=True)
        if "correction" in x:
            raised = ops.take(x["correction"], y, axis=0)
            # log(sum - exp(target raised) + exp(target)) - target, of which `losses` is log(sum) - target raised
            losses = losses + raised + ops.log1p(ops.expm1(-raised) * ops.exp(-losses))
        return ops.sum(losses * sample_weight) / ops.sum(sample_weight)


@BUILDERS.register("language_model")
def build_language_model(
    features: Sequence[FeatureSpec],
    *,
    stack: Stack = DEFAULT_STACK,
    lanes: int = 32,
    tied: bool = True,
    dropout: float = 0.4,
    sampled: bool = False,
    seed: int = 0,
) -> keras.Model:
    """Build a language model for training on lanes.

    Parameters
    ----------
    features : sequence of one FeatureSpec
        From `symbols_spec`.
    stack : Stack
        The recurrent layers, forward.
    lanes : int
        How many are read side by side, for each of which a state is carried.
    tied : bool
        Whether the scores' matrix is the table of the embeddings; where the states are not as wide as these, a linear
        layer stands between.
    dropout : float
        Rate of the variational dropout (one mask a lane and window; Gal and Ghahramani, 2016) before and after the
        stack.
    sampled : bool
        Whether each batch names the candidates that the loss is computed over.
    seed : int
        Seeds the initial weights and the dropout.

    Returns
    -------
    keras.Model
        Its inputs are ``symbols`` (lanes, T, 1), ``lengths`` (lanes,), all T, ``keep`` (lanes,), 0 where a lane begins
        and 1 where it goes on, and where ``sampled`` ``candidates`` and ``correction`` (C,). The output are scores
        (lanes, T, V), or (lanes, T, C).

    Raises
    ------
    ConfigError
        If the stack reads from the end, or both ways, or has initial states of its own.
    """
    check_backend()
    if stack.direction != "forward" or stack.initial_state != "zero" or stack.steps is not None:
        raise ConfigError(
            "a language model needs a stack that reads forward in a loop, from states of zero; got "
            f"direction={stack.direction!r}, initial_state={stack.initial_state!r}, steps={stack.steps!r}."
        )
    arguments = {
        "features": [asdict(spec) for spec in features],
        "stack": asdict(stack),
        "lanes": lanes,
        "tied": tied,
        "dropout": dropout,
        "sampled": sampled,
        "seed": seed,
    }
    (spec,) = features
    seeds = draw_seeds(seed)
    inputs = _inputs(lanes, sampled)

    # === Symbols to vectors, and the stack from where the last window ended ===
    table = embedding(spec.size, spec.dim, next(seeds), f"{SYMBOLS}_vectors")
    states = keras.layers.Reshape((-1, spec.dim), name=f"{SYMBOLS}_flat")(table(inputs[SYMBOLS]))
    states = dropped(states, dropout, next(seeds), "symbols_dropout")
    carried = CarriedState((lanes, stack.layers, 1, CELLS[stack.cell].states, stack.units), name="carried")
    last: list[Any] = []
    given = replace(stack, initial_state="given")
    states = build_stack(given, states, inputs["lengths"], seeds, initial=carried(inputs["keep"]), last=last)
    states = Remember(carried, name="remember")(states, *last)

    # === What comes next ===
    states = dropped(states, dropout, next(seeds), "states_dropout")
    if tied and stack.units != spec.dim:
        glorot = keras.initializers.GlorotUniform(seed=next(seeds))
        states = keras.layers.Dense(spec.dim, kernel_initializer=glorot, name="projection")(states)
    width = spec.dim if tied else stack.units
    scores = NextSymbol(spec.size, width, table if tied else None, next(seeds), name="scores", dtype="float32")
    head = SoftmaxHead(name="head", dtype="float32")
    sought = [inputs[name] for name in ("candidates", "correction") if name in inputs]
    return LanguageNetwork(inputs, head(scores(states, *sought)), head, None, "language_model", arguments)


def _inputs(lanes: int, sampled: bool) -> dict[str, Any]:
    shapes: dict[str, tuple[tuple[int | None, ...], str]] = {
        SYMBOLS: ((lanes, None, 1), "int32"),
        "lengths": ((lanes,), "int32"),
        "keep": ((lanes,), "float32"),
    }
    if sampled:
        shapes |= {"candidates": ((None,), "int32"), "correction": ((None,), "float32")}
    return {name: keras.Input(batch_shape=shape, dtype=dtype, name=name) for name, (shape, dtype) in shapes.items()}


def language_weights(model: keras.Model) -> dict[str, np.ndarray]:
    """Return a language model's weights by their paths; the states that lanes ended in are none."""
    return {variable.path: variable.numpy() for variable in model.trainable_variables}


class LaneScorer:
    """Scores a model that is being trained on lanes of other texts: mean log p(symbol | what came before).

    Parameters
    ----------
    model : keras.Model
        From `build_language_model`.
    """

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        self._scores = model.get_layer("scores")
        names = (SYMBOLS, "lengths", "keep")
        below = self._scores._inbound_nodes[0].arguments.args[0]
        self._states = keras.Model({name: model.input[name] for name in names}, below)

    def __call__(self, batches: Any) -> float:
        """Return the mean of the batches' places, by their weights."""
        total = weight = 0.0
        for batch in batches:
            states = self._states.predict_on_batch({name: batch.inputs[name] for name in self._states.input})
            for row in range(0, len(batch.targets), _rows_at_once(self._scores.size, batch.targets.shape[1])):
                here = slice(row, row + _rows_at_once(self._scores.size, batch.targets.shape[1]))
                scores = self._scores(states[here])
                losses = ops.sparse_categorical_crossentropy(batch.targets[here], scores, from_logits=True)
                total -= float(ops.sum(losses * batch.weights[here]))
            weight += float(batch.weights.sum())
        return total / weight


def _rows_at_once(size: int, steps: int) -> int:
    """Return how many lanes' scores fit into some 64 MB."""
    return max(1, (1 << 24) // (size * steps))
