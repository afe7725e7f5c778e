"""Batches in few shapes, for a backend that compiles its step again for each: sizes are rounded up by padding.

What is added changes neither a result nor a loss: rows of one place that weigh nothing, places beyond each length,
distinct tokens that stand in no real place and are no candidates (`seqtag.nn.heads.NeighbourWords`).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from seqtag.data.batching import Batch
from seqtag.data.lookup import PADDING, UNKNOWN

# Sizes from one power of two to the next. What depends on distinct tokens costs
# less, and more of its sizes would mean more shapes.
_FINE, _COARSE = 4, 2
# A compilation is taken to cost as much as computing so many places: an estimate. Until so many were wasted on a larger
# shape that is there, none of a batch's own is opened.
_WORTH = 30_000
_NEAR = 1.2  # and none is opened for a batch that would save little by it
_CHARACTERS = 64  # characters of distinct tokens that are taken to cost as much as a place: an estimate


@dataclass(frozen=True)
class Sizes:
    """The sizes of a batch that vary.

    Parameters
    ----------
    sequences : int
        Rows B.
    steps : int
        Places T of the longest.
    tokens : int
        Distinct tokens U; 0 where nothing depends on a token alone.
    spelling : int
        Characters L of the longest token; 0 where none are read.
    sentences : int
        Sentences S among what is read around them; 0 where the rows are answered for as a whole.
    """

    sequences: int
    steps: int
    tokens: int = 0
    spelling: int = 0
    sentences: int = 0

    @property
    def cost(self) -> float:
        """What computing it costs, in places."""
        return self.sequences * self.steps + self.tokens * max(self.spelling, 1) / _CHARACTERS

    def holds(self, other: Sizes) -> bool:
        """Tell whether a batch of other sizes fits in."""
        return all(getattr(self, name) >= getattr(other, name) for name in self.__dataclass_fields__)

    def rounded(self) -> Sizes:
        """Return the sizes rounded up."""
        return Sizes(
            round_up(self.sequences, 4, _FINE),
            round_up(self.steps, 8, _FINE),
            round_up(self.tokens, 32, _COARSE),
            round_up(self.spelling, 8, _COARSE),
            round_up(self.sentences, 4, _COARSE),
        )


class Grid:
    """Pads batches so that they come in few shapes.

    Each size is rounded up to the next of a geometric row of sizes. A batch that fits into a shape
    which is in use already is given that one, until what this wastes would have paid for a compilation.

    Parameters
    ----------
    axes : mapping of str to tuple of (int or None)
        Shape of each input of the network, None where a size varies: ``lengths`` (B,), ``index`` (B, T); (U, width) or
        (U, L) of distinct tokens, (B, T, width) of places, and arrays of more axes whose rows are sequences.
    """

    def __init__(self, axes: Mapping[str, tuple[int | None, ...]]) -> None:
        self._axes = dict(axes)
        self._by_type = {name for name, shape in self._axes.items() if len(shape) == 2 and name != "index"}
        self._spelled = {name for name in self._by_type if self._axes[name][1] is None}
        self._placed = {name for name, shape in self._axes.items() if len(shape) == 3 or name == "index"}
        self._open_steps = all(self._axes[name][1] is None for name in self._placed)
        self._wasted: defaultdict[Sizes, float] = defaultdict(float)
        self.shapes: list[Sizes] = []

    def pad(self, batch: Batch) -> Batch:
        """Return the batch padded, with weights that leave its loss as it was."""
        sizes = self._shape_for(self.sizes(batch))
        inputs = {name: self._padded(name, array, batch, sizes) for name, array in batch.inputs.items()}
        if batch.targets is None:
            return Batch(inputs, None, None)
        by_place = batch.targets.ndim == 2 and not np.issubdtype(batch.targets.dtype, np.floating)
        rows = sizes.sequences if batch.cuts is None else sizes.sentences
        whole = (rows, sizes.steps) if by_place else (rows,)
        targets = _filled(batch.targets, (*whole, *batch.targets.shape[len(whole) :]))
        cuts = None
        if batch.cuts is not None:
            cuts = _filled(batch.cuts, (rows, 3))
            cuts[len(batch.cuts) :, 2] = 1  # of the first token, which weighs nothing there
        return Batch(inputs, targets, _weights(batch, whole), cuts)

    def sizes(self, batch: Batch) -> Sizes:
        """Return the least sizes that a batch needs."""
        # The rows that are added point to a token of their own, so that no word is counted for them.
        tokens = max((len(batch.inputs[name]) + 1 for name in self._by_type), default=0)
        spelling = max((batch.inputs[name].shape[1] for name in self._spelled), default=0)
        steps = max((batch.inputs[name].shape[1] for name in self._placed), default=1)
        return Sizes(len(batch.lengths), steps, tokens, spelling, 0 if batch.cuts is None else len(batch.cuts))

    def _shape_for(self, needed: Sizes) -> Sizes:
        """Return a shape that holds a batch: the cheapest of those in use, or a new one if that is worth it."""
        own = needed.rounded() if self._open_steps else replace(needed.rounded(), steps=needed.steps)
        fitting = [shape for shape in self.shapes if shape.holds(needed)]
        if fitting:
            cheapest = min(fitting, key=lambda shape: shape.cost)
            self._wasted[cheapest] += cheapest.cost - own.cost
            if self._wasted[cheapest] <= _WORTH or cheapest.cost <= _NEAR * own.cost:
                return cheapest
            self._wasted[cheapest] = 0
        opened = self._roomy(own)
        self.shapes.append(opened)
        return opened

    def _roomy(self, own: Sizes) -> Sizes:
        """Return a new shape, as roomy for tokens and characters as those in use if that costs little."""
        tokens = max(own.tokens, *(shape.tokens for shape in self.shapes), 0)
        roomy = replace(own, tokens=tokens, spelling=max(own.spelling, *(shape.spelling for shape in self.shapes), 0))
        return roomy if roomy.cost <= _NEAR * own.cost else own

    def _padded(self, name: str, array: np.ndarray, batch: Batch, sizes: Sizes) -> np.ndarray:
        if name in self._by_type:
            width = sizes.spelling if name in self._spelled else array.shape[1]
            out = _filled(array, (sizes.tokens, width), PADDING)
            if name in self._spelled:
                out[len(array) :, 0] = UNKNOWN  # no token is empty
            return out
        if name in self._placed:
            out = _filled(array, (sizes.sequences, sizes.steps, *array.shape[2:]))
            if name == "index":
                out[len(array) :] = max(len(batch.inputs[other]) for other in self._by_type)
            return out
        return _filled(array, (sizes.sequences, *array.shape[1:]), 1 if name == "lengths" else 0)


def round_up(size: int, least: int, per_octave: int) -> int:
    """Return the smallest size of a row that is no smaller: ``least``, and so many an octave from there; 0 stays 0.

    Parameters
    ----------
    size : int
        At least 0.
    least : int
        A multiple of ``per_octave``.
    per_octave : int
        Sizes, evenly spaced, from one to its double.
    """
    if size <= least:
        return least if size else 0
    step = least * 2 ** int(math.log2((size - 1) / least)) // per_octave
    return -(-size // step) * step


def _filled(array: np.ndarray, shape: tuple[int, ...], value: float = 0) -> np.ndarray:
    """Return an array enlarged at its ends."""
    out = np.full(shape, value, array.dtype)
    out[tuple(slice(size) for size in array.shape)] = array
    return out


def _weights(batch: Batch, shape: tuple[int, ...]) -> np.ndarray:
    """Return weights that are zero for the rows added, and larger for the others by what a mean over all would lose."""
    lengths = batch.lengths if batch.cuts is None else batch.cuts[:, 2]
    added = shape[0] - len(lengths)
    n = len(lengths) if len(shape) == 1 else int(lengths.sum())
    weights = np.ones(batch.targets.shape[: len(shape)], np.float32) if batch.weights is None else batch.weights  # type: ignore[union-attr]
    return _filled((weights * ((n + added) / n)).astype(np.float32), shape)
