"""Tokens labelled as they arrive, by a tagger that reads forward alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from seqtag import decoding
from seqtag.backends import Backend, CarryingBackend, carrying
from seqtag.data.batching import EncodedArrays
from seqtag.data.features import Feature
from seqtag.data.sequence import Sequence
from seqtag.decoders import TagDecoder
from seqtag.errors import DataError, SeqtagError


class LabelledToken(NamedTuple):
    """A token with the label that it got before the next one was known.

    Parameters
    ----------
    token : str, ndarray or Sequence
        As it was given.
    label : str
        The most probable one that may follow the label before.
    probability : float
        p(label | sequence up to here).
    """

    token: Any
    label: str
    probability: float


def check_online(
    decoder: Any, backend: Backend, features: Iterable[Feature], network: Mapping[str, Any]
) -> CarryingBackend:
    """Return the backend of a model that can label a token before it knows the next one, and refuse any other.

    Raises
    ------
    SeqtagError
        Saying which model can.
    """
    needed = "stream_tokens needs a tagger that reads forward only"
    if not isinstance(decoder, TagDecoder):
        raise SeqtagError(f"{needed}; this model gives one answer for a whole sequence. Use predict or stream.")
    direction = network.get("stack", {}).get("direction", "forward")
    if direction != "forward":
        reads = {"both": "both ways", "backward": "backward"}[direction]
        raise SeqtagError(
            f"{needed}; this one reads {reads}, and needs the end before it can label the beginning. "
            "Train one with bidirectional=False and go_backwards=False."
        )
    ahead = [f.spec.name for f in features if f.ngram > 1 or f.gazetteer is not None or f.are_states]
    if ahead:
        raise SeqtagError(f"{needed}; this one's {ahead[0]} reads tokens that follow. Train one without this encoder.")
    ready = carrying(backend)
    if ready is None:
        raise SeqtagError(
            "stream_tokens needs a graph with the state as an input, which this model lacks: its cell has no ONNX "
            "operator, its initial states are given, or it was saved by an older version. Train it again."
        )
    return ready


def label_online(
    tokens: Iterable[Any],
    decoder: TagDecoder,
    backend: CarryingBackend,
    encode: Callable[[list[Sequence]], EncodedArrays],
) -> Iterator[LabelledToken]:
    """Label each token as it arrives; what is kept from one to the next does not grow.

    Of the labels that the scheme allows after the one just given, the one with the greatest p(label | tokens so far)
    is taken: the forward variable of the CRF, normalised. Without transitions that is the softmax. A temperature
    divides the scores that the probability is of; which label is taken does not depend on it.

    Parameters
    ----------
    tokens : iterable
        Strings; numbers of shape (F,), of a model that reads frames; or `Sequence` values of one token, with columns
        and vectors.
    decoder : TagDecoder
        The labels and the scores between them.
    backend : CarryingBackend
        Computes the network.
    encode : callable
        Encodes sequences.

    Raises
    ------
    DataError
        If something else comes than a token.
    """
    allowed = decoder.transitions > decoding.FORBIDDEN / 2  # far from both what is forbidden and what is trained
    may_follow = decoder.start > decoding.FORBIDDEN / 2
    own = decoder.calibrated()
    state = known = told = None
    for i, token in enumerate(tokens):
        batch = encode([_one(token, i)]).batch(np.zeros(1, np.int64))
        emissions, state = backend.compute_with_state(batch.inputs, state)
        known = decoding.filter_step(known, emissions[0, 0], decoder.transitions, decoder.start)
        choice = int(np.where(may_follow, known, -np.inf).argmax())
        if decoder.temperature == 1.0:
            told = known
        else:
            tempered = decoding.temper(emissions[0, 0], decoder.temperature)
            told = decoding.filter_step(told, tempered, own.transitions, own.start)
        yield LabelledToken(token, decoder.labels[choice], float(np.exp(told[choice])))
        may_follow = allowed[choice]


def _one(token: Any, index: int) -> Sequence:
    """Make a sequence of one token or frame."""
    if isinstance(token, str):
        return Sequence((token,))
    if isinstance(token, Sequence):
        if len(token) != 1:
            raise DataError(f"token {index} must be a Sequence of one token; got one of {len(token)}.")
        return token
    frame = np.asarray(token)
    if frame.ndim != 1 or frame.dtype.kind not in "iufb":
        raise DataError(
            f"token {index} must be a string, the numbers of one frame or a Sequence of one token; "
            f"got {type(token).__name__} {token!r:.60}."
        )
    return Sequence(frames=frame[None])
