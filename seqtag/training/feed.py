"""Batches on their way to the step: pass after pass, in an order drawn from the seed, prefetched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from seqtag.data.batching import Batch, TrainingBatches
from seqtag.nn.shapes import grid_of
from seqtag.training.settings import Settings


class BatchStream:
    """An endless stream of batches, pass after pass, in an order drawn from the seed.

    The jitter changes the number of batches of a pass a little; an epoch is always ``steps`` of them, so that the
    rate's plan holds.
    """

    def __init__(self, data: TrainingBatches, settings: Settings) -> None:
        self._data = data
        self._settings = settings
        self.steps = data.plan(settings.limits).steps
        self.example = data.example()

    def __iter__(self) -> Iterator[Batch]:
        rng = np.random.default_rng(self._settings.seed)
        more = True
        while more:  # shards that have been closed give no further pass
            more = False
            for batch in self._data.shuffled(self._settings.limits, rng):
                more = True
                yield batch


def as_dataset(model: keras.Model, batches: BatchStream) -> Any:
    """Feed the batches to Keras: on TensorFlow through `tf.data`, prefetched, with every varying axis left open.

    So the step is traced once, whatever the shapes. A backend that compiles the step for each is given padded batches
    of few of them.
    """
    if keras.backend.backend() != "tensorflow":
        grid = grid_of(model)
        return (as_tuple(batch if grid is None else grid.pad(batch)) for batch in batches)
    import tensorflow as tf

    inputs = {name: tf.TensorSpec(tensor.shape, tensor.dtype) for name, tensor in model.input.items()}
    labels = keras.tree.map_structure(
        lambda part: tf.TensorSpec([None] * part.ndim, tf.as_dtype(part.dtype)), as_tuple(batches.example)[1:]
    )
    stream = tf.data.Dataset.from_generator(
        lambda: (as_tuple(batch) for batch in batches), output_signature=(inputs, *labels)
    )
    return stream.prefetch(4)


def as_tuple(batch: Batch) -> tuple[Any, ...]:
    """Return a batch as Keras takes it: inputs, targets (with cuts, where there are any) and maybe weights."""
    targets = batch.targets if batch.cuts is None else {"labels": batch.targets, "cuts": batch.cuts}
    parts = (batch.inputs, targets, batch.weights)
    return tuple(part for part in parts if part is not None)
