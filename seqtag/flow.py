"""Sequences on their way through a model: in chunks, so that memory stays flat however many there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from seqtag.data.context import documents
from seqtag.data.sequence import Sequence

Progress = Callable[[int, int], object]
"""Called with how many sequences, and how many tokens or frames, have been answered so far."""

CHUNK = 1024  # sequences encoded together; more would only hold more memory
CHUNK_TOKENS = 1 << 16  # where sequences are long, a chunk has fewer


def in_chunks(sequences: Iterable[Sequence], *, by_document: bool = False) -> Iterator[list[Sequence]]:
    """Cut a stream into chunks of at most `CHUNK` sequences; one that reaches `CHUNK_TOKENS` tokens is full, too.

    With ``by_document`` they end where documents end.
    """
    if by_document:
        yield from _whole_documents(sequences)
        return
    chunk: list[Sequence] = []
    tokens = 0
    for sequence in sequences:
        chunk.append(sequence)
        tokens += len(sequence)
        if len(chunk) == CHUNK or tokens >= CHUNK_TOKENS:
            yield chunk
            chunk, tokens = [], 0
    if chunk:
        yield chunk


def _whole_documents(sequences: Iterable[Sequence]) -> Iterator[list[Sequence]]:
    chunk: list[Sequence] = []
    tokens = 0
    for document in documents(sequences):
        chunk += document
        tokens += sum(map(len, document))
        if len(chunk) >= CHUNK or tokens >= CHUNK_TOKENS:
            yield chunk
            chunk, tokens = [], 0
    if chunk:
        yield chunk


def one_by_one(
    answered: Iterable[tuple[list[Sequence], list[Any]]], progress: Progress | None
) -> Iterator[tuple[Sequence, Any]]:
    """Yield each sequence of answered chunks with its answer, and say how far it is before each chunk's first."""
    sequences = tokens = 0
    for chunk, answers in answered:
        if progress is not None:
            sequences += len(chunk)
            tokens += sum(map(len, chunk))
            progress(sequences, tokens)
        yield from zip(chunk, answers, strict=True)


def packed(chunk: Iterable[Sequence]) -> list[tuple[Any, ...]]:
    """Return what a network may read of sequences, to be sent to another process."""
    return [(s.tokens, dict(s.columns), s.frames, dict(s.vectors), s.group) for s in chunk]


def unpacked(parts: Iterable[tuple[Any, ...]]) -> list[Sequence]:
    """Make sequences of what `packed` gives."""
    return [
        Sequence(tokens, columns=columns, frames=frames, vectors=vectors, group=group)
        for tokens, columns, frames, vectors, group in parts
    ]
