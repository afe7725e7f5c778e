"""Every sequence of an encoded corpus through a network and a decoder, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from seqtag.backends import Backend
from seqtag.data.batching import EncodedArrays, bucket
from seqtag.decoding import restrict
from seqtag.windows import Windows, emissions_in_windows

Decode = Callable[[np.ndarray, np.ndarray], list[Any]]

BATCH_TOKENS = 2048
BATCH_SEQUENCES = 64


def run_batches(
    backend: Backend,
    encoded: EncodedArrays,
    decode: Decode,
    windows: Windows | None = None,
    known: Sequence[np.ndarray] | None = None,
) -> Iterator[tuple[int, Any]]:
    """Compute and decode every sequence of an encoded corpus.

    Parameters
    ----------
    backend : Backend
        Computes the network.
    encoded : EncodedArrays
        The sequences.
    decode : callable
        Called with the outputs and the lengths (B,) of each batch, as the methods of a `Decoder` are; if the backend
        has several threads, in each of them.
    windows : Windows, optional
        How to read a sequence that is longer than one of them; without it each is read whole.
    known : sequence of ndarray, optional
        Of a tagger, the ids of the labels that are known of each sequence, as `seqtag.decoding.restrict` takes them.

    Yields
    ------
    (int, ndarray)
        The sequence's place and what ``decode`` gave for it. Batches are grouped by length.
    """

    def given(group: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        return outputs if known is None else restrict(outputs, [known[i] for i in group])

    def answer(group: np.ndarray) -> list[np.ndarray]:
        if windows is not None and encoded.lengths[group[0]] > windows.size:
            alone = encoded.select(group)
            return decode(given(group, emissions_in_windows(backend, alone, windows)), alone.lengths)
        batch = encoded.batch(group)
        return decode(given(group, backend.compute(batch.inputs)), batch.lengths)

    # What is longer than a window stands alone, so that it is read in the same way whatever stands beside it.
    budget = BATCH_TOKENS if windows is None else min(BATCH_TOKENS, windows.size)
    groups = bucket(encoded.lengths, budget, max_sequences=BATCH_SEQUENCES)
    for group, rows in zip(groups, _side_by_side(answer, groups, backend.threads), strict=True):
        yield from zip(group.tolist(), rows, strict=True)


def _side_by_side(
    answer: Callable[[np.ndarray], list[np.ndarray]], groups: list[np.ndarray], threads: int
) -> Iterator[list[np.ndarray]]:
    """Answer batches in order, several at once; ONNX Runtime and NumPy let go of Python's lock while they compute."""
    if threads == 1 or len(groups) <= 1:
        yield from map(answer, groups)
        return
    with ThreadPoolExecutor(min(threads, len(groups))) as pool:
        # The longest first, so that none is begun when the others are done.
        futures = [pool.submit(answer, group) for group in reversed(groups)]
        yield from (future.result() for future in reversed(futures))
