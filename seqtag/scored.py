"""Answers with how sure they are: spans, whole label sequences, and each label by itself."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as SequenceOf
from dataclasses import asdict, dataclass, field
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from seqtag.data.schemes import Span
from seqtag.data.sequence import Sequence


class ScoredPath(NamedTuple):
    """A tagger's answer for one sequence of length T, in numbers.

    Parameters
    ----------
    ids : ndarray of int32, shape (T,)
        The labels of the best path.
    probabilities : ndarray of float64, shape (T,)
        p(label | sequence) of each of them.
    spans : tuple of Span
        What they write.
    span_probabilities : ndarray of float64, shape (number of spans,)
        How probable it is that these labels stand on exactly the tokens of a span.
    probability : float
        p(the best path | sequence): that all of it is right.
    chain : (ndarray of float64, ndarray of float64), shape (T,)
        Of the best path log p(label | sequence) and log p(label | label before, sequence), of which `split` makes how
        probable its parts are.
    intents : ndarray of float64, shape (C,), optional
        The probability of each intent, where the sequence as a whole has one, too; ``probability`` counts it in.
    """

    ids: np.ndarray
    probabilities: np.ndarray
    spans: tuple[Span, ...]
    span_probabilities: np.ndarray
    probability: float
    chain: tuple[np.ndarray, np.ndarray]
    intents: np.ndarray | None = None

    @property
    def row(self) -> Any:
        """What a decoder's ``best`` gives for this answer, and its ``annotate`` takes."""
        return self.ids if self.intents is None else JointRow(self.ids, int(self.intents.argmax()))


class JointRow(NamedTuple):
    """The best labels of one sequence and its best intent, as ids.

    Parameters
    ----------
    ids : ndarray of int, shape (T,)
        The labels.
    intent : int
        The intent.
    """

    ids: np.ndarray
    intent: int


@dataclass(frozen=True, slots=True)
class ScoredSpan:
    """A span that was found: ``tokens[start:end]``.

    Parameters
    ----------
    start, end : int
        Its first token, and the one behind its last.
    label : str
        Its type.
    text : str, optional
        Its stretch of the raw text; where there is none, its tokens with spaces between them; of numbers, None.
    start_char, end_char : int, optional
        Where it stands in the raw text, in characters: ``text[start_char:end_char]``; None where there is none.
    probability : float
        How probable it is that the labels it is read from stand on exactly these tokens, given the sequence.
    """

    start: int
    end: int
    label: str
    text: str | None
    start_char: int | None
    end_char: int | None
    probability: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class ScoredSequence:
    """A sequence with its labels and how sure they are.

    Parameters
    ----------
    sequence : Sequence
        With its labels.
    probabilities : ndarray of float64, shape (T,)
        p(label | sequence) of each label.
    spans : tuple of ScoredSpan
        The spans that the labels write; none where they write no spans.
    probability : float
        p(labels | sequence): that all labels are right, those of spans that a threshold dropped included; and the
        intent, where there is one.
    intents : mapping of str to float
        The probability of every intent, where the sequence as a whole has one, too.
    """

    sequence: Sequence
    probabilities: np.ndarray
    spans: tuple[ScoredSpan, ...]
    probability: float
    intents: Mapping[str, float] = field(default_factory=dict)


class Alternative(NamedTuple):
    """One of the best answers for a sequence.

    Parameters
    ----------
    answer : list of str, or a class
        The labels of a tagger, one a token; or one of a classifier's classes.
    probability : float
        p(answer | sequence): of the label list as a whole, or of the class.
    """

    answer: Any
    probability: float


def split(answer: Any, lengths: SequenceOf[int]) -> list[Any]:
    """Return the parts of an answer for a document that belong to its sentences.

    Parameters
    ----------
    answer : ScoredPath, or ndarray of shape (T, ...)
        A tagger's. A span that goes over the end of a sentence is a part in each, as probable as the whole.
    lengths : sequence of int
        Of the sentences, T in all.
    """
    ends = list(accumulate(lengths))
    places = list(zip([0, *ends[:-1]], ends, strict=True))
    if isinstance(answer, ScoredPath):
        return [_part(answer, start, end) for start, end in places]
    return [answer[start:end] for start, end in places]


def _part(path: ScoredPath, start: int, end: int) -> ScoredPath:
    here = [i for i, span in enumerate(path.spans) if span.start < end and span.end > start]
    found = [path.spans[i] for i in here]
    spans = [Span(max(span.start, start) - start, min(span.end, end) - start, span.label) for span in found]
    alone, following = (terms[start:end] for terms in path.chain)
    whole = float(np.exp(np.minimum(alone[:1].sum() + following[1:].sum(), 0.0)))
    chances = path.span_probabilities[here]
    return ScoredPath(
        path.ids[start:end], path.probabilities[start:end], tuple(spans), chances, whole, (alone, following)
    )


def scored(sequence: Sequence, path: ScoredPath, intents: SequenceOf[str]) -> ScoredSequence:
    """Return an answer for users, of a sequence with its labels and the names of the intents, if there are any."""
    chances = [] if path.intents is None else path.intents.tolist()
    of_intents = dict(zip(intents, chances, strict=True))
    return ScoredSequence(sequence, path.probabilities, located(sequence, path), path.probability, of_intents)


def located(sequence: Sequence, path: ScoredPath) -> tuple[ScoredSpan, ...]:
    """Return the spans of an answer with where they stand in the sequence's text."""
    found = zip(path.spans, path.span_probabilities.tolist(), strict=True)
    return tuple(ScoredSpan(*span, *_place(sequence, span), probability) for span, probability in found)


def _place(sequence: Sequence, span: Span) -> tuple[str | None, int | None, int | None]:
    """Return a span's text, and where it begins and ends."""
    if sequence.text is not None and sequence.offsets is not None:
        start, end = sequence.offsets[span.start][0], sequence.offsets[span.end - 1][1]
        return sequence.text[start:end], start, end
    if sequence.frames is not None:
        return None, None, None
    return " ".join(sequence.tokens[span.start : span.end]), None, None
