"""What a model answers for one sequence, with as much of its certainty as was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from seqtag.answers import with_probabilities
from seqtag.data.sequence import Sequence
from seqtag.predictor import Predictor


@dataclass(frozen=True, slots=True)
class Answer:
    """A sequence with what was found.

    Parameters
    ----------
    sequence : Sequence
        With its labels, or its class.
    chances : list of float, optional
        p(label | sequence) of each label, if it was asked for.
    span_chances : list of float, optional
        The probability of each span.
    classes : dict of str to float
        The probability of every class.
    """

    sequence: Sequence
    chances: list[float] | None = None
    span_chances: list[float] | None = None
    classes: dict[str, float] = field(default_factory=dict)


def answers_of(
    predictor: Predictor,
    sequences: Iterable[Sequence],
    *,
    probabilities: bool = False,
    n_jobs: int = 1,
    progress: Callable[[int, int], object] | None = None,
) -> Iterator[Answer]:
    """Answer for sequences in their order.

    Parameters
    ----------
    predictor : Predictor
        The model.
    sequences : iterable of Sequence
        Read as they are needed.
    probabilities : bool
        Whether to compute how probable the labels and spans are; classes always have their probabilities.
    n_jobs, progress : as in `Predictor.stream`
        How many processes compute, and what is told how far they are.
    """
    if predictor.task == "classification":
        for sequence, classes in with_probabilities(predictor, sequences, n_jobs=n_jobs, progress=progress):
            yield Answer(sequence, classes=classes)
        return
    if not probabilities:
        for sequence in predictor.stream(sequences, n_jobs=n_jobs, progress=progress):
            yield Answer(sequence)
        return
    for scored in predictor.stream_scored(sequences, n_jobs=n_jobs, progress=progress):
        chances = [span.probability for span in scored.spans]
        yield Answer(scored.sequence, scored.probabilities.tolist(), chances)
