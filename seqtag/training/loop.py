"""Fit a model that owns its loss, scored on a development set by whatever the task hands in."""

from __future__ import annotations

import math
from collections.abc import Callable
from collections.abc import Sequence as SequenceOf

import keras

from seqtag.data.batching import TrainingBatches
from seqtag.errors import TrainingError
from seqtag.training.averaging import AveragedWeights
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
