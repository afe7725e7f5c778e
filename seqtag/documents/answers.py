"""What a model answers for one sequence, with as much of its certainty as was asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from seqtag.answers import with_probabilities
from seqtag.data.sequence import Sequence
from seqtag.errors import ConfigError
from seqtag.predictor import Predictor
from seqtag.thresholds import Threshold


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
        The probability of every class; of every intent beside labels, if probabilities were asked for.
    confidence : float, optional
        How probable it is that all of the answer is right, if it was asked for.
    """

    sequence: Sequence
    chances: list[float] | None = None
    span_chances: list[float] | None = None
    classes: dict[str, float] = field(default_factory=dict)
    confidence: float | None = None


def answers_of(
    predictor: Predictor,
    sequences: Iterable[Sequence],
    *,
    probabilities: bool = False,
    confidence: bool = False,
    threshold: Threshold | None = None,
    n_jobs: int = 1,
    progress: Callable[[int, int], object] | None = None,
    known: str | None = None,
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
    confidence : bool
        Whether to compute how probable it is that an answer as a whole is right.
    threshold : float or mapping of str to float, optional
        Leave out spans that are less probable, their tags too; see `Predictor.predict_spans`.
    n_jobs, progress, known : as in `Predictor.stream`
        How many processes compute, what is told how far they are, and whether the sequences' own labels are known.
    """
    if predictor.task == "classification":
        if threshold is not None:
            raise ConfigError("a threshold is for the spans of a tagger; this model gives one answer for a sequence.")
        if known is not None:
            raise ConfigError("known labels need a tagger; this model gives one answer for a whole sequence.")
        for sequence, classes in with_probabilities(predictor, sequences, n_jobs=n_jobs, progress=progress):
            yield Answer(sequence, classes=classes, confidence=_whole(predictor, classes) if confidence else None)
        return
    options: dict[str, Any] = {"n_jobs": n_jobs, "progress": progress, "known": known}
    if not probabilities and not confidence and threshold is None:
        for sequence in predictor.stream(sequences, **options):
            yield Answer(sequence)
        return
    for scored in predictor.stream_scored(sequences, threshold=threshold, **options):
        whole = scored.probability if confidence else None
        if probabilities:
            chances = [span.probability for span in scored.spans]
            yield Answer(scored.sequence, scored.probabilities.tolist(), chances, dict(scored.intents), whole)
        else:
            yield Answer(scored.sequence, confidence=whole)


def _whole(predictor: Predictor, classes: dict[str, float]) -> float:
    """Return the probability of a classifier's answer; where there may be several classes, of all being as it says."""
    decoder: Any = predictor.decoder
    if not decoder.multi_label:
        return max(classes.values())
    return math.prod(max(p, 1 - p) for p in classes.values())
