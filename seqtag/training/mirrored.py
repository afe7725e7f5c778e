"""One network on several devices (data parallelism): `tf.distribute.MirroredStrategy` over parts of each batch.

The arrays of a batch have different first axes (sequences, distinct tokens), so TensorFlow cannot cut it. It is cut
here, by sequences, and the parts are weighted so that the sum of their gradients is that of the whole batch.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from seqtag.data.batching import Batch, TrainingBatches
from seqtag.nn._tensorflow import LazyAdam
from seqtag.training.feed import BatchStream, as_dataset
from seqtag.training.settings import Settings

# === Devices ===


def devices_of(kind: str) -> list[str]:
    """Return the names of the devices of a kind, ``cpu`` or ``gpu``."""
    return [device.name.removeprefix("/device:") for device in tf.config.list_logical_devices(kind.upper())]


@functools.cache
def make_strategy(kind: str, replicas: int) -> Any:
    """Return the strategy that trains a replica on each of the first devices of a kind.

    It is the same one each time: two of them in a process would number their exchanges alike, and TensorFlow would take
    the second one's for the first one's.
    """
    return tf.distribute.MirroredStrategy(devices_of(kind)[:replicas])


def replicas_of(model: keras.Model) -> int:
    """Return how many replicas of a model train side by side, by the strategy it was built under."""
    return int(model.distribute_strategy.num_replicas_in_sync)


# === Batches ===


@dataclass(frozen=True)
class Cut:
    """How the batches of a network are cut into parts.

    Parameters
    ----------
    parts : int
        How many parts.
    by_type : frozenset of str
        The inputs that have a row for each distinct token; all others have one for each sequence.
    per_token : bool
        Whether the loss is a mean over tokens; otherwise over sequences.
    """

    parts: int
    by_type: frozenset[str]
    per_token: bool

    @classmethod
    def of(cls, model: keras.Model, parts: int) -> Cut:
        """Return how a network's batches are cut."""
        features = model.get_config()["features"]
        by_type = frozenset(spec["name"] for spec in features if spec["level"] == "type")
        return cls(parts, by_type, per_token=len(model.output.shape) == 3)

    def __call__(self, batch: Batch) -> list[Batch]:
        """Cut a batch by its sequences, every n-th to a part, so that the parts are alike where it is sorted.

        The losses of the parts, each the mean over its own tokens or sequences, add up to the loss of the batch: each
        part's weights are multiplied by its share. Where there are fewer sequences than parts, the parts left over
        hold one token of weight 0.
        """
        rows = np.arange(len(batch.lengths))
        sizes = self._tokens(batch) if self.per_token else np.ones(len(rows))
        parts = []
        for i in range(self.parts):
            own = rows[i :: self.parts]
            parts.append(self._part(batch, own, sizes[own].sum() / sizes.sum()) if len(own) else self._nothing(batch))
        return parts

    def _part(self, batch: Batch, rows: np.ndarray, share: float) -> Batch:
        inputs = {name: values[rows] for name, values in batch.inputs.items() if name not in self.by_type}
        if self.by_type:
            used, inverse = np.unique(inputs["index"], return_inverse=True)
            inputs["index"] = inverse.reshape(inputs["index"].shape).astype(np.int32)
            inputs |= {name: batch.inputs[name][used] for name in self.by_type}
        cuts, answered = None, rows
        if batch.cuts is not None:
            answered = np.flatnonzero(np.isin(batch.cuts[:, 0], rows))
            cuts = batch.cuts[answered]
            cuts[:, 0] = np.searchsorted(rows, cuts[:, 0])
        if batch.weights is not None:
            weights = batch.weights[answered]
        else:
            weights = np.ones(self._places(batch, len(answered)), np.float32)
        targets = None if batch.targets is None else batch.targets[answered]
        return Batch(inputs, targets, (weights * share).astype(np.float32), cuts)

    def _nothing(self, batch: Batch) -> Batch:
        """Return the first token of a batch with the weight 0: a GPU's recurrent kernel refuses an empty row."""
        part = self._part(batch, np.array([0]), 0.0)
        inputs = part.inputs | {"lengths": np.ones_like(part.lengths)}
        if part.cuts is None:
            return Batch(inputs, part.targets, part.weights)
        targets, weights = (None if values is None else values[:1] for values in (part.targets, part.weights))
        return Batch(inputs, targets, weights, np.array([[0, 0, 1]], part.cuts.dtype))

    def _places(self, batch: Batch, n: int) -> tuple[int, ...]:
        """Shape of the weights of n sequences."""
        longest = batch.lengths if batch.cuts is None else batch.cuts[:, 2]
        return (n, int(longest.max())) if self.per_token else (n,)

    @staticmethod
    def _tokens(batch: Batch) -> np.ndarray:
        """How many tokens of each sequence the loss is a mean over."""
        if batch.cuts is None:
            return batch.lengths
        return np.bincount(batch.cuts[:, 0], weights=batch.cuts[:, 2], minlength=len(batch.lengths))


class PartStream(BatchStream):
    """The stream of batches with each one cut into a part a replica, one part after the other."""

    def __init__(self, data: TrainingBatches, settings: Settings, cut: Cut) -> None:
        super().__init__(data, settings)
        self._cut = cut
        self.example = cut(self.example)[0]

    def __iter__(self) -> Iterator[Batch]:
        for batch in super().__iter__():
            yield from self._cut(batch)


def as_distributed(model: keras.Model, stream: PartStream) -> Any:
    """Feed each replica a part of its own; the parts of a batch are consecutive, and dealt out in turn."""
    return model.distribute_strategy.distribute_datasets_from_function(lambda context: as_dataset(model, stream))


@contextmanager
def built_already(model: keras.Model) -> Iterator[None]:
    """Keep `fit` from building a model of several replicas once more, on the mean of their first parts.

    Keras takes that mean to learn the shapes, and parts whose shapes differ have none. The model is built.
    """
    model._maybe_symbolic_build = lambda **batch: None
    try:
        yield
    finally:
        del model._maybe_symbolic_build


# === Gradients ===


class _Summed:
    """Sums the replicas' gradients first; Keras would clip them replica by replica, and sum what is left."""

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Update the variables."""
        context = tf.distribute.get_replica_context()
        present = [gradient for gradient in grads if gradient is not None]
        summed = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, present))
        grads = [None if gradient is None else next(summed) for gradient in grads]
        super().apply(grads, trainable_variables)  # type: ignore[misc]


class SummedAdam(LazyAdam):
    """Adam for gradients that are summed over the replicas already."""

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        return list(grads_and_vars)


class MirroredAdam(_Summed, SummedAdam):
    """`LazyAdam` over several replicas: what is clipped is the gradient of the whole batch."""


class MirroredLossScale(_Summed, keras.optimizers.LossScaleOptimizer):
    """Keras's loss scaling over several replicas: a step that overflows on one is left out on all."""


def make_mirrored_optimizer(rate: Any, clip_norm: float, scales_loss: bool) -> keras.optimizers.Optimizer:
    """Make the optimiser of several replicas; inside their strategy's scope."""
    options: dict[str, Any] = {"global_clipnorm": clip_norm or None}
    return MirroredLossScale(SummedAdam(rate, **options)) if scales_loss else MirroredAdam(rate, **options)
