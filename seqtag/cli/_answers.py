"""What `seqtag predict` writes, by the task of the model: tags or classes, for people or for programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

from seqtag import render
from seqtag.answers import with_probabilities
from seqtag.data.corpus import Sequence
from seqtag.data.schemes import SCHEMES
from seqtag.errors import ConfigError
from seqtag.predictor import Predictor

Writer: TypeAlias = Callable[[Predictor, Iterable[Sequence], bool], Iterator[str]]


def writer_of(predictor: Predictor, format: str) -> Writer:
    """Return the function that answers for sequences and yields each answer as text, with colours or without.

    Raises
    ------
    ConfigError
        If the format cannot hold the answers of such a model.
    """
    writers = WRITERS[predictor.task]
    if format not in writers:
        raise ConfigError(
            f"--format {format} writes a label for each token, and this model gives one for each whole sequence; "
            f"choose {' or '.join(writers)}."
        )
    return writers[format]


def _tags(write: Callable[[Predictor, Sequence, bool], str]) -> Writer:
    """Make a writer of a tagger's answers."""
    return lambda predictor, sequences, color: (write(predictor, s, color) for s in predictor.stream(sequences))


def _classes(write: Callable[[Sequence, Mapping[str, float], bool], str]) -> Writer:
    """Make a writer of a classifier's answers."""
    return lambda predictor, sequences, color: (
        write(sequence, probabilities, color) for sequence, probabilities in with_probabilities(predictor, sequences)
    )


def _tagged(predictor: Predictor, sequence: Sequence, color: bool) -> str:
    spans = predictor.spans(sequence) if SCHEMES[predictor.scheme].has_spans else None
    return render.to_text(sequence, spans, color=color) + "\n"


WRITERS: dict[str, dict[str, Writer]] = {
    "tagging": {
        "text": _tags(_tagged),
        "jsonl": _tags(lambda model, sequence, color: render.to_json(sequence, model.spans(sequence)) + "\n"),
        "conll": _tags(lambda model, sequence, color: render.to_columns(sequence) + "\n"),
    },
    "classification": {
        "text": _classes(lambda sequence, found, color: render.class_to_text(sequence, found, color=color) + "\n"),
        "jsonl": _classes(lambda sequence, found, color: render.class_to_json(sequence, found) + "\n"),
    },
}
"""What writes the answers of a model, by its task and the format; each yields one text a sequence."""
