"""What a network reads of a document around the sentences that it labels.

Consecutive sequences with the same ``group`` are a document; a sequence without a group is one by itself. With a number
N a document is read in stretches of whole sentences with N more tokens of it on each side, as Schweter and Akbik (2020,
"FLERT: Document-Level Features for Named Entity Recognition") give each sentence its neighbours' tokens. Sentences that
share a stretch share what is read around them, so that a token is read about one and a half times. What is labelled,
scored and learnt from are the sentences, each by itself. With "document" a document is one sequence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass, replace
from itertools import accumulate, chain
from typing import Literal, TypeAlias

import numpy as np

from seqtag.data.sequence import Sequence, called
from seqtag.errors import DataError

Context: TypeAlias = int | Literal["document"]
"""Tokens of its document that are read around a sentence on each side (0: none); or that documents are sequences."""

DOCUMENT: Literal["document"] = "document"
OWN = 4  # times as many tokens as are read on one side belong to the sentences of a stretch
MOST_TOKENS = 1 << 16  # of a document that are taken as one; a longer one is cut, so that memory stays flat
BEGIN, INSIDE = 1, 2  # what `Stretch.marks` says of a token that is answered for; 0 of one that is only read


@dataclass(frozen=True)
class Stretch:
    """What is read at once.

    Parameters
    ----------
    sequence : Sequence
        All of it.
    start : int
        Where the sentences begin in it that are answered for.
    sizes : tuple of int
        Their lengths, one after the other.
    apart : bool
        Whether each is answered for by itself.
    """

    sequence: Sequence
    start: int
    sizes: tuple[int, ...]
    apart: bool = True

    def marks(self) -> np.ndarray:
        """Return where what is answered for begins (1) and goes on (2), int8, shape (T,)."""
        out = np.zeros(len(self.sequence), np.int8)
        out[self.start : self.start + sum(self.sizes)] = INSIDE
        begins = accumulate(self.sizes[:-1], initial=self.start) if self.apart else (self.start,)
        out[list(begins)] = BEGIN
        return out


def documents(sequences: Iterable[Sequence]) -> Iterator[list[Sequence]]:
    """Yield the documents of sequences in their order, each as soon as it is complete.

    One of more than `MOST_TOKENS` tokens comes in pieces that end with the sentence that reaches them.
    """
    part: list[Sequence] = []
    tokens = 0
    for sequence in sequences:
        if part and (not is_same(part[-1], sequence) or tokens >= MOST_TOKENS):
            yield part
            part, tokens = [], 0
        part.append(sequence)
        tokens += len(sequence)
    if part:
        yield part


def is_same(before: Sequence, after: Sequence) -> bool:
    """Tell whether two neighbours belong to one document."""
    return before.group is not None and before.group == after.group


def stretches(sequences: Iterable[Sequence], context: Context) -> Iterator[Stretch]:
    """Yield what is read at once, in order; of the sequences, none may be empty.

    Parameters
    ----------
    sequences : iterable of Sequence
        Documents one after the other.
    context : int or "document"
        What is read around a sentence.

    Raises
    ------
    DataError
        If the sentences of a document have not the same columns or vectors.
    """
    for document in documents(sequences):
        if context == DOCUMENT:
            yield Stretch(joined(document), 0, tuple(map(len, document)), apart=False)
        else:
            yield from _around(document, context)


def _around(document: list[Sequence], context: int) -> Iterator[Stretch]:
    if len(document) == 1 or not context:
        yield from (Stretch(sequence, 0, (len(sequence),)) for sequence in document)
        return
    whole, end = joined(document), 0
    for sizes in _dealt(map(len, document), OWN * context):
        start, end = end, end + sum(sizes)
        first = max(0, start - context)
        yield Stretch(cut(whole, first, min(len(whole), end + context)), start - first, sizes)


def _dealt(sizes: Iterable[int], most: int) -> Iterator[tuple[int, ...]]:
    """Deal sentences out to stretches of at most so many tokens, but at least one sentence."""
    part: list[int] = []
    for size in sizes:
        if part and sum(part) + size > most:
            yield tuple(part)
            part = []
        part.append(size)
    yield tuple(part)


def lay_out(plan: Iterable[Stretch], values: Iterable[np.ndarray]) -> list[np.ndarray]:
    """Lay out what there is of each token of the sentences in their stretches; 0 where there is none.

    Parameters
    ----------
    plan : iterable of Stretch
        In the order of the sentences.
    values : iterable of ndarray, shape (length,)
        One a sentence.
    """
    rest = iter(values)
    rows = []
    for stretch in plan:
        own = np.concatenate([next(rest) for _ in stretch.sizes])
        row = np.zeros(len(stretch.sequence), own.dtype)
        row[stretch.start : stretch.start + len(own)] = own
        rows.append(row)
    return rows


def joined(sequences: SequenceOf[Sequence]) -> Sequence:
    """Make one sequence of several that follow each other; text, id and the class of the whole are left out.

    Raises
    ------
    DataError
        If they have not the same columns or vectors, or some have labels and others none.
    """
    first = sequences[0]
    if len(sequences) == 1:
        return first
    for sequence in sequences:
        for name in ("columns", "vectors"):
            got, expected = (sorted(getattr(one, name)) for one in (sequence, first))
            if got != expected:
                raise DataError(
                    f"the sentences of a document must have the same {name}; {called(sequence)} has "
                    f"{', '.join(got) or 'none'}, the first one {', '.join(expected) or 'none'}."
                )
    labels = [sequence.labels for sequence in sequences]
    lines = [sequence.lines for sequence in sequences]
    frames = [sequence.frames for sequence in sequences if sequence.frames is not None]
    return Sequence(
        tuple(chain.from_iterable(sequence.tokens for sequence in sequences)),
        None if None in labels else tuple(chain.from_iterable(row or () for row in labels)),
        columns={n: tuple(chain.from_iterable(s.columns[n] for s in sequences)) for n in first.columns},
        lines=None if None in lines else tuple(chain.from_iterable(row or () for row in lines)),
        group=first.group,
        frames=np.concatenate(frames) if frames else None,
        vectors={name: np.concatenate([s.vectors[name] for s in sequences]) for name in first.vectors},
    )


def cut(sequence: Sequence, start: int, end: int) -> Sequence:
    """Return what is read of some places of a sequence: tokens or frames, columns and vectors."""
    return Sequence(
        sequence.tokens[start:end],
        columns={name: values[start:end] for name, values in sequence.columns.items()},
        lines=None if sequence.lines is None else sequence.lines[start:end],
        group=sequence.group,
        frames=None if sequence.frames is None else sequence.frames[start:end],
        vectors={name: table[start:end] for name, table in sequence.vectors.items()},
    )


def joined_documents(sequences: Iterable[Sequence]) -> Iterator[Sequence]:
    """Yield each document as one sequence, without sentences that are empty."""
    return (joined(document) for document in documents(s for s in sequences if len(s)))


def apart_by_file(path: object, sequences: Iterable[Sequence]) -> Iterator[Sequence]:
    """Yield the sequences of a file with groups that no other file has, so that no document goes on in the next."""
    for sequence in sequences:
        yield sequence if sequence.group is None else replace(sequence, group=f"{path}: {sequence.group}")


def arranged(
    sequences: Iterable[Sequence],
    targets: Iterable[np.ndarray] | None,
    weights: Iterable[np.ndarray] | None,
    context: int,
) -> tuple[list[Sequence], list[np.ndarray] | None, list[np.ndarray] | None, list[np.ndarray] | None]:
    """Return sequences, targets, weights and marks as `seqtag.data.batching.EncodedCorpus` takes them.

    Parameters
    ----------
    sequences, targets, weights : iterable
        Of each sentence; none may be empty.
    context : int
        Tokens that are read around a sentence on each side; with 0 all comes back as it is.
    """
    if not context:
        return list(sequences), _listed(targets), _listed(weights), None
    plan = list(stretches(sequences, context))
    read, marks = [stretch.sequence for stretch in plan], [stretch.marks() for stretch in plan]
    first, second = (None if values is None else lay_out(plan, values) for values in (targets, weights))
    return read, first, second, marks


def _listed(values: Iterable[np.ndarray] | None) -> list[np.ndarray] | None:
    return None if values is None else list(values)


def draw_documents(sizes: SequenceOf[int], fraction: float, rng: np.random.Generator, most: int) -> list[int]:
    """Draw whole documents at random, at least one and never all.

    Parameters
    ----------
    sizes : sequence of int
        How many sequences each document has.
    fraction : float
        Share of the sequences to draw, about.
    rng : numpy.random.Generator
        Draws.
    most : int
        About how many sequences to draw, at most.

    Returns
    -------
    list of int
        The numbers of their sequences, ascending.
    """
    ends = list(accumulate(sizes))
    wanted = min(round(sum(sizes) * fraction), most)
    drawn: list[int] = []
    for number in rng.permutation(len(sizes))[:-1].tolist():
        if len(drawn) >= wanted and drawn:
            break
        drawn += range(ends[number] - sizes[number], ends[number])
    return sorted(drawn)


def check_documents(has_documents: bool) -> None:
    """Refuse data in which there is nothing to read around a sentence.

    Raises
    ------
    DataError
        Saying how documents are told.
    """
    if not has_documents:
        raise DataError(
            "context needs documents, which are consecutive sequences with the same group; here no sequence has a "
            "neighbour in its document. Read files that say where documents begin, give Sequence(tokens, group=name) "
            'or {"tokens": ..., "group": name}, or leave context at 0.'
        )
