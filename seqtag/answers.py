"""What a classifier answers together with how sure it is, from one computation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from seqtag.data.corpus import Sequence

if TYPE_CHECKING:
    from seqtag.predictor import Predictor


def with_probabilities(
    predictor: Predictor,
    sequences: Iterable[Sequence],
    *,
    n_jobs: int = 1,
    progress: Callable[[int, int], object] | None = None,
) -> Iterator[tuple[Sequence, dict[str, float]]]:
    """Classify sequences one chunk after the other.

    Parameters
    ----------
    predictor : Predictor
        Of a classifier.
    sequences : iterable of Sequence
        The data.
    n_jobs, progress : as in `Predictor.stream`
        How many processes compute, and what is told how far they are.

    Yields
    ------
    (Sequence, dict of str to float)
        Each sequence with its label, or its tuple of labels, and the probability of every class.
    """
    decoder: Any = predictor.decoder
    names = [str(label) for label in decoder.labels]
    for sequence, row in predictor.stream_proba(sequences, n_jobs=n_jobs, progress=progress):
        best = row > decoder.threshold if decoder.multi_label else row.argmax()
        yield decoder.annotate(sequence, best), dict(zip(names, row.tolist(), strict=True))
