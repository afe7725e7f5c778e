"""Fit a model that owns its loss, scored on a development set by whatever the task hands in."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from collections.abc import Sequence as SequenceOf
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import keras

from seqtag.data.batching import TrainingBatches
from seqtag.errors import TrainingError
from seqtag.training.averaging import EVERY, AveragedWeights
from seqtag.training.feed import BatchStream, as_dataset
from seqtag.training.keeper import History, Keeper, Score
from seqtag.training.optimizer import make_optimizer
from seqtag.training.schedule import WarmupLinear
from seqtag.training.settings import Settings

__all__ = ["History", "Settings", "fit"]


def fit(
    model: keras.Model,
    data: TrainingBatches,
    settings: Settings,
    *,
    score: Callable[[], Score] | None = None,
    callbacks: SequenceOf[keras.callbacks.Callback] = (),
) -> History:
    """Train a model and leave the best averaged weights in it.

    A model that was built under a `tf.distribute.MirroredStrategy` trains a replica on each of its devices, all of them
    together the same batches and to the same effect as one.

    Parameters
    ----------
    model : keras.Model
        A built model that owns its loss.
    data : TrainingBatches
        With targets.
    settings : Settings
        How to train.
    score : callable, optional
        Gives the score of the model as it stands and what decides between equal scores, greater is better; asked
        once an epoch with the averaged weights in place. Without it the last averaged weights are kept.
    callbacks : sequence of keras.callbacks.Callback
        Further Keras callbacks; each epoch's logs hold ``loss``, ``score`` and ``tokens_per_second``. On TensorFlow
        their methods for batches are called at every fifth step where an epoch has 50 or more.

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
    replicas = _replicas(model)
    batches = BatchStream(data, settings)
    together = _together(batches.steps, replicas)
    steps = round(batches.steps / together) * together
    total = steps * settings.epochs
    warmup = min(settings.warmup_steps, max(1, total // 10))
    rate = WarmupLinear(settings.learning_rate, warmup, total)
    with model.distribute_strategy.scope() if replicas > 1 else nullcontext():
        optimizer = _optimizer(model, rate, settings.clip_norm, replicas)
        optimizer.build(model.trainable_variables)  # variables made while tracing would have the step traced twice
        model.compile(optimizer, auto_scale_loss=False, steps_per_execution=together)
    average = AveragedWeights(model, settings.averaging)
    # Every replica adds an auxiliary loss of its own, and they are summed.
    shared = replace(settings, neighbour_weight=settings.neighbour_weight / replicas)
    tokens = data.n_tokens * steps / batches.steps  # an epoch
    keeper = Keeper(average, tokens, shared, total, score, math.ceil(warmup / steps))
    with _fed(model, data, settings, batches, replicas) as dataset:
        model.fit(
            dataset,
            epochs=settings.epochs,
            steps_per_epoch=steps,
            callbacks=[keeper, *callbacks],
            verbose=0,
            shuffle=False,
        )
    keeper.restore()
    return keeper.history


def _together(steps: int, replicas: int) -> int:
    """Return how many steps Keras takes between two calls of its callbacks.

    Some 2 ms pass there in Python. A short epoch is left as it is, since it must be a whole number of such calls.
    """
    graph = keras.backend.backend() == "tensorflow" and replicas == 1
    return EVERY if graph and steps >= 10 * EVERY else 1


def _replicas(model: keras.Model) -> int:
    """Return how many replicas of the model train side by side."""
    if keras.backend.backend() != "tensorflow":
        return 1
    from seqtag.training.mirrored import replicas_of

    return replicas_of(model)


def _optimizer(model: keras.Model, rate: Any, clip_norm: float, replicas: int) -> keras.optimizers.Optimizer:
    """Make the optimiser; for layers in float16 one that scales the loss, so that no gradient vanishes."""
    scales_loss = model.dtype_policy.name == "mixed_float16"
    if replicas > 1:
        from seqtag.training.mirrored import make_mirrored_optimizer

        return make_mirrored_optimizer(rate, clip_norm, scales_loss)
    optimizer = make_optimizer(rate, clip_norm)
    return keras.optimizers.LossScaleOptimizer(optimizer) if scales_loss else optimizer


@contextmanager
def _fed(
    model: keras.Model, data: TrainingBatches, settings: Settings, batches: BatchStream, replicas: int
) -> Iterator[Any]:
    """Give the batches as `fit` takes them, cut into parts where replicas share them."""
    if replicas == 1:
        yield as_dataset(model, batches)
        return
    from seqtag.training.mirrored import Cut, PartStream, as_distributed, built_already

    with built_already(model):
        yield as_distributed(model, PartStream(data, settings, Cut.of(model, replicas)))
