"""Texts of any length: the network reads them in windows, and what it gives is put together again.

A network that reads forward alone goes on from where it stopped, which is exact. Any other one reads some tokens more
on each side of a window, and what it gives for them is left out: a recurrent network forgets what is far off, so that
it gives nearly what it would give if it read the whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from seqtag.backends import Backend, CarryingBackend, carrying
from seqtag.data.batching import EncodedArrays
from seqtag.errors import ParameterError

WINDOW = 2048  # tokens
OVERLAP = 128
BATCH_WINDOWS = 4  # read side by side where none waits for another


@dataclass(frozen=True)
class Windows:
    """How a long sequence is cut.

    Parameters
    ----------
    size : int
        Tokens or frames of a window; a sequence that is no longer is read whole.
    overlap : int
        How many more are read on each side from which the network reads on beyond the window.
    direction : {"forward", "backward", "both"}
        How the network reads.

    Raises
    ------
    ParameterError
        If the size is below 1, or the overlap below 0.
    """

    size: int = WINDOW
    overlap: int = OVERLAP
    direction: str = "both"

    def __post_init__(self) -> None:
        for name, value, low in (("window", self.size, 1), ("overlap", self.overlap, 0)):
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                raise ParameterError(f"{name} must be a whole number from {low} on; got {value!r}.")


def emissions_in_windows(backend: Backend, encoded: EncodedArrays, windows: Windows) -> np.ndarray:
    """Compute a tagger's emissions for one sequence.

    Parameters
    ----------
    backend : Backend
        Computes the network.
    encoded : EncodedArrays
        The sequence, encoded as a whole: so no character and no n-gram is cut at a window's end.
    windows : Windows
        How it is cut.

    Returns
    -------
    ndarray of float32, shape (1, T, K)
    """
    length = int(encoded.lengths[0])
    ready = carrying(backend)
    if ready is None:
        parts = _side_by_side(backend, encoded, windows)
    else:
        parts = _one_after_the_other(ready, encoded, _even(length, windows.size))
    first = next(parts)
    out = np.empty((1, length, first.shape[-1]), np.float32)
    end = len(first)
    out[0, :end] = first
    for part in parts:
        out[0, end : end + len(part)] = part
        end += len(part)
    return out


def _one_after_the_other(backend: CarryingBackend, encoded: EncodedArrays, size: int) -> Iterator[np.ndarray]:
    """Yield the emissions of each window, the state carried from one to the next."""
    length = int(encoded.lengths[0])
    state = None
    for start in range(0, length, size):
        piece = _cut(encoded, [(start, min(start + size, length))])
        emissions, state = backend.compute_with_state(piece, state)
        yield emissions[0]


def _side_by_side(backend: Backend, encoded: EncodedArrays, windows: Windows) -> Iterator[np.ndarray]:
    """Yield the emissions of each window, several of which are one batch."""
    length, overlap = int(encoded.lengths[0]), windows.overlap
    size = _even(length, windows.size)
    before = overlap if windows.direction != "backward" else 0
    after = overlap if windows.direction != "forward" else 0
    starts = range(0, length, size)
    for group in (starts[i : i + BATCH_WINDOWS] for i in range(0, len(starts), BATCH_WINDOWS)):
        inner = [(start, min(start + size, length)) for start in group]
        outer = [(max(start - before, 0), min(end + after, length)) for start, end in inner]
        emissions = backend.compute(_cut(encoded, outer))
        for row, (start, end), (begin, _) in zip(emissions, inner, outer, strict=True):
            yield row[start - begin : end - begin]


def _even(length: int, size: int) -> int:
    """Return the size of as many windows, or fewer, of which the last is not much shorter than the others."""
    return -(-length // -(-length // size))


def _cut(encoded: EncodedArrays, stretches: list[tuple[int, int]]) -> dict[str, np.ndarray]:
    """Make the inputs of a batch of stretches of the first sequence."""
    arrays = encoded.arrays
    places = np.concatenate([np.arange(start, end) for start, end in stretches])
    lengths = np.array([end - start for start, end in stretches], np.int32)
    rows = None if arrays.rows is None else arrays.rows[places]
    tables = {name: table[places] for name, table in arrays.places.items()}
    cut = replace(arrays, lengths=lengths, rows=rows, places=tables, own=None)
    return EncodedArrays(cut).batch(np.arange(len(stretches))).inputs
