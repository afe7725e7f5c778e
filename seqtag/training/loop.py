"""Fit a model that owns its loss, scored on a development set by whatever the task hands in."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from seqtag.data.batching import MAX_SEQUENCES, Batch, EncodedCorpus, bucket
from seqtag.errors import TrainingError
from seqtag.training.averaging import AveragedWeights
from seqtag.training.schedule import WarmupLinear

Score = tuple[float, float]
"""A score, and what decides between equal ones: greater is better."""


@dataclass(frozen=True)
class Settings:
    """How to train.

    Parameters
    ----------
    epochs : int
        Passes over the data; the rate's decay is planned over them.
    batch_tokens : int
        Tokens a batch, padding counted.
    batch_sequences : int
        Sequences a batch, at most.
    learning_rate : float
        Peak rate of Adam.
    warmup_steps : int
        Steps until the peak; at most a tenth of all.
    clip_norm : float
        Greatest global norm of a gradient; 0 does not clip.
    averaging : float
        Decay of the averaged weights.
    patience : int
        Stop after so many epochs without a better score; 0 never stops.
    neighbour_weight : float
        Strength of the neighbouring-words loss at the start; it falls linearly to zero.
    seed : int
        Seeds the order of the batches.
    """

    epochs: int
    batch_tokens: int = 800
    batch_sequences: int = MAX_SEQUENCES
    learning_rate: float = 8e-3
    warmup_steps: int = 100
    clip_norm: float = 5.0
    averaging: float = 0.998
    patience: int = 0
    neighbour_weight: float = 0.0
    seed: int = 0


@dataclass
class History:
    """What happened: one entry an epoch in each list; no scores where there was no development data."""

    loss: list[float] = field(default_factory=list)
    score: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    tokens_per_second: list[float] = field(default_factory=list)
    best_epoch: int = 0


def fit(
    model: keras.Model,
    data: EncodedCorpus,
    settings: Settings,
    *,
    score: Callable[[], Score] | None = None,
    callbacks: SequenceOf[keras.callbacks.Callback] = (),
) -> History:
    """Train a model and leave the best averaged weights in it.

    Parameters
    ----------
    model : keras.Model
        A built model that owns its loss.
    data : EncodedCorpus
        With targets.
    settings : Settings
        How to train.
    score : callable, optional
        Gives the score of the model as it stands and what decides between equal scores, greater is better; asked
        once an epoch with the averaged weights in place. Without it the last averaged weights are kept.
    callbacks : sequence of keras.callbacks.Callback
        Further Keras callbacks; each epoch's logs hold ``loss``, ``score`` and ``tokens_per_second``.

    Returns
    -------
    History

    Raises
    ------
    TrainingError
        If there is nothing to train on, or the loss is no number.
    """
    if not len(data):
        raise TrainingError("training needs at least one sequence that is not empty; got none.")
    batches = BatchStream(data, settings)
    total = batches.steps * settings.epochs
    warmup = min(settings.warmup_steps, max(1, total // 10))
    rate = WarmupLinear(settings.learning_rate, warmup, total)
    optimizer = make_optimizer(rate, settings.clip_norm)
    optimizer.build(model.trainable_variables)  # variables made while tracing would have the step traced twice
    model.compile(optimizer)
    average = AveragedWeights(model, settings.averaging)
    keeper = Keeper(average, data.n_tokens, settings, total, score, math.ceil(warmup / batches.steps))
    dataset = as_dataset(model, batches)
    model.fit(
        dataset,
        epochs=settings.epochs,
        steps_per_epoch=batches.steps,
        callbacks=[keeper, *callbacks],
        verbose=0,
        shuffle=False,
    )
    keeper.restore()
    return keeper.history


class BatchStream:
    """An endless stream of batches, pass after pass, in an order drawn from the seed.

    The jitter changes the number of batches of a pass a little; an epoch is always ``steps`` of them, so that the
    rate's plan holds.
    """

    def __init__(self, data: EncodedCorpus, settings: Settings) -> None:
        self._data = data
        self._settings = settings
        self._limits: dict[str, Any] = {
            "batch_tokens": settings.batch_tokens,
            "max_sequences": settings.batch_sequences,
        }
        self.steps = len(bucket(data.lengths, **self._limits))
        self.example = data.batch(np.array([0]))

    def __iter__(self) -> Iterator[Batch]:
        rng = np.random.default_rng(self._settings.seed)
        while True:
            for group in bucket(self._data.lengths, **self._limits, rng=rng):
                yield self._data.batch(group)


def as_dataset(model: keras.Model, batches: BatchStream) -> Any:
    """Feed the batches to Keras through `tf.data`, prefetched, with every varying axis left open.

    So the step is traced once, whatever the shapes.
    """
    if keras.backend.backend() != "tensorflow":
        return (as_tuple(batch) for batch in batches)
    import tensorflow as tf

    inputs = {name: tf.TensorSpec(tensor.shape, tensor.dtype) for name, tensor in model.input.items()}
    parts = as_tuple(batches.example)[1:]
    labels = [tf.TensorSpec([None] * part.ndim, tf.as_dtype(part.dtype)) for part in parts]
    stream = tf.data.Dataset.from_generator(
        lambda: (as_tuple(batch) for batch in batches), output_signature=(inputs, *labels)
    )
    return stream.prefetch(4)


def as_tuple(batch: Batch) -> tuple[Any, ...]:
    """Return a batch as Keras takes it: inputs, targets and, where there are any, weights."""
    parts = (batch.inputs, batch.targets, batch.weights)
    return tuple(part for part in parts if part is not None)


def make_optimizer(rate: Any, clip_norm: float) -> keras.optimizers.Optimizer:
    """Make Adam; on TensorFlow the one that touches only the embedding rows in use."""
    options: dict[str, Any] = {"global_clipnorm": clip_norm or None}
    if keras.backend.backend() == "tensorflow":
        from seqtag.nn._tensorflow import LazyAdam

        return LazyAdam(rate, **options)
    return keras.optimizers.Adam(rate, **options)


class Keeper(keras.callbacks.Callback):
    """Average the weights, score them after each epoch, keep the best, stop a stalled run."""

    def __init__(
        self,
        average: AveragedWeights,
        n_tokens: int,
        settings: Settings,
        total: int,
        score: Callable[[], Score] | None,
        warmup_epochs: int = 0,
    ) -> None:
        super().__init__()
        self.average = average
        self.history = History()
        self._n_tokens = n_tokens
        self._settings = settings
        self._total = total
        self._score = score
        self._warmup_epochs = warmup_epochs
        self._best: list[np.ndarray] | None = None
        self._scores: list[Score] = []
        self._auxiliary: Any = None
        self._began = 0.0

    def on_train_begin(self, logs: Any = None) -> None:
        """Find the auxiliary loss, if the model has one."""
        self._auxiliary = getattr(self.model, "auxiliary", None)
        self._set_strength()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start the clock."""
        self._began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Average; lower the auxiliary loss."""
        self.average.step()
        self._set_strength()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Score the averaged weights and keep the best."""
        logs = logs if logs is not None else {}
        if not math.isfinite(logs["loss"]):
            raise TrainingError(
                f"the loss must stay a number; it became {logs['loss']} in epoch {epoch + 1}. Lower learning_rate "
                f"(now {self._settings.learning_rate:g}) or clip_norm (now {self._settings.clip_norm:g})."
            )
        seconds = time.perf_counter() - self._began
        with self.average.swapped_in():
            if self._score is not None:
                self._scores.append(self._score())
                logs["score"] = float(self._scores[-1][0])
                self.history.score.append(logs["score"])
            # Of equal scores the later stands: its loss is the lower. Without scores the last epoch stands.
            if self._score is None or self._scores[-1] >= max(self._scores):
                self._best = self.model.get_weights()
                self.history.best_epoch = epoch
        logs["tokens_per_second"] = self._n_tokens / seconds
        self.history.loss.append(float(logs["loss"]))
        self.history.seconds.append(seconds)
        self.history.tokens_per_second.append(logs["tokens_per_second"])
        self.model.stop_training = self.model.stop_training or self._stalled()

    def _stalled(self) -> bool:
        """Tell whether the score has not risen for as long as the patience lasts.

        A score of 0 is a run that has not begun to learn, as small corpora take a while to, and not a stalled one; nor
        is one that is still warming up.
        """
        scores, patience = self._scores, self._settings.patience
        if not patience or len(scores) <= max(patience, self._warmup_epochs + patience - 1) or max(scores)[0] == 0:
            return False
        return max(scores[-patience:]) <= max(scores[:-patience])

    def restore(self) -> None:
        """Put the best averaged weights into the model."""
        if self._best is not None:
            self.model.set_weights(self._best)

    def _set_strength(self) -> None:
        if self._auxiliary is not None:
            left = max(0.0, 1.0 - self.average.steps / self._total)
            self._auxiliary.strength.assign(self._settings.neighbour_weight * left)
