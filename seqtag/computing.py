"""Every sequence of an encoded corpus through a network and a decoder, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Sequence as SequenceOf
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from seqtag.backends import Backend
from seqtag.data.batching import EncodedArrays, bucket
from seqtag.data.context import DOCUMENT, Context, stretches
from seqtag.data.sequence import Sequence
from seqtag.decoding import restrict
from seqtag.scored import split
from seqtag.windows import Windows, emissions_in_windows

Decode = Callable[[np.ndarray, np.ndarray], list[Any]]

BATCH_TOKENS = 2048
BATCH_SEQUENCES = 64


def run_batches(
    backend: Backend,
    encoded: EncodedArrays,
    decode: Decode,
    windows: Windows | None = None,
    known: SequenceOf[np.ndarray] | None = None,
    n_labels: int | None = None,
) -> Iterator[tuple[int, Any]]:
    """Compute and decode every sequence of an encoded corpus.

    Parameters
    ----------
    backend : Backend
        Computes the network.
    encoded : EncodedArrays
        The sequences; where they hold sentences and what is read around them, those are decoded, each by itself.
    decode : callable
        Called with the outputs and the lengths (B,) of each batch, as the methods of a `Decoder` are; if the backend
        has several threads, in each of them.
    windows : Windows, optional
        How to read a sequence that is longer than one of them; without it each is read whole.
    known : sequence of ndarray, optional
        Of a tagger, the ids of the labels that are known of each sequence, as `seqtag.decoding.restrict` takes them.
    n_labels : int, optional
        How many of the outputs' columns are labels, where there are others behind them.

    Yields
    ------
    (int, ndarray)
        The sequence's place (or the sentence's) and what ``decode`` gave for it. Batches are grouped by length.
    """

    def outputs_of(group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if windows is not None and encoded.lengths[group[0]] > windows.size:
            alone = encoded.select(group)
            outputs, batch = emissions_in_windows(backend, alone, windows), alone.batch(np.arange(1))
        else:
            batch = encoded.batch(group)
            outputs = backend.compute(batch.inputs)
        return (outputs, batch.lengths) if batch.cuts is None else (_cut_out(outputs, batch.cuts), batch.cuts[:, 2])

    def answer(group: np.ndarray) -> list[np.ndarray]:
        outputs, lengths = outputs_of(group)
        given = outputs if known is None else restrict(outputs, [known[i] for i in encoded.answered(group)], n_labels)
        return decode(given, lengths)

    # What is longer than a window stands alone, so that it is read in the same way whatever stands beside it.
    budget = BATCH_TOKENS if windows is None else min(BATCH_TOKENS, windows.size)
    groups = bucket(encoded.lengths, budget, max_sequences=BATCH_SEQUENCES)
    for group, rows in zip(groups, _side_by_side(answer, groups, backend.threads), strict=True):
        yield from zip(encoded.answered(group).tolist(), rows, strict=True)


def _cut_out(outputs: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """Lay out what a tagger's network gives for sentences (S, 3) among what was read around them, as rows."""
    out = np.zeros((len(cuts), int(cuts[:, 2].max()), outputs.shape[-1]), outputs.dtype)
    for place, (row, start, size) in zip(out, cuts.tolist(), strict=True):
        place[:size] = outputs[row, start : start + size]
    return out


def run_documents(
    backend: Backend,
    encode: Callable[..., EncodedArrays],
    sequences: SequenceOf[Sequence],
    context: Context,
    decode: Decode,
    windows: Windows | None = None,
    known: SequenceOf[np.ndarray] | None = None,
    n_labels: int | None = None,
) -> Iterator[tuple[int, Any]]:
    """Compute and decode sequences, with what is read around them where they are sentences of documents.

    Parameters
    ----------
    backend, decode, windows, known, n_labels : as in `run_batches`
        What computes and decodes, and what is known of each sentence.
    encode : callable
        Encodes what is read, given the marks of what is answered for, if these are not the same.
    sequences : sequence of Sequence
        The sentences, document by document; none is empty.
    context : int or "document"
        What is read around each, see `seqtag.data.context`.

    Yields
    ------
    (int, Any)
        The sentence's place and what ``decode`` gave for it; with "document", its part of what ``decode`` gave.
    """
    if not context:
        yield from run_batches(backend, encode(sequences), decode, windows, known, n_labels)
        return
    plan = list(stretches(sequences, context))
    encoded = encode([stretch.sequence for stretch in plan], [stretch.marks() for stretch in plan])
    if context != DOCUMENT:
        yield from run_batches(backend, encoded, decode, windows, known, n_labels)
        return
    firsts = list(accumulate((len(stretch.sizes) for stretch in plan), initial=0))
    together = None if known is None else [np.concatenate(known[a:b]) for a, b in pairwise(firsts)]
    for place, row in run_batches(backend, encoded, decode, windows, together, n_labels):
        yield from enumerate(split(row, plan[place].sizes), firsts[place])


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
