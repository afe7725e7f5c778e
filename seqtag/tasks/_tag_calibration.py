"""The temperature of a tagger: what makes the probabilities of its spans believable on development data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Sequence as SequenceOf
from dataclasses import replace

import numpy as np

from seqtag import metrics
from seqtag.data import schemes
from seqtag.data.batching import bucket
from seqtag.decoders import TagDecoder

LEAST = 50  # development sequences, and answers in them, below which a temperature would be fitted to chance
MOST_TOKENS = 100_000  # of development data; more would take time and change nothing
LOWEST, HIGHEST = 0.25, 8.0  # between what is searched
_CLOSE = 0.01  # of the logarithm of the temperature
_GOLDEN = (5**0.5 - 1) / 2
_BATCH_TOKENS = 4096


def tag_temperature(decoder: TagDecoder, emissions: SequenceOf[np.ndarray], gold: SequenceOf[SequenceOf[str]]) -> float:
    """Find the temperature that makes what becomes of the predicted spans most likely: right or wrong.

    What is minimised is the log loss of the event "this span is right" over all predicted spans; where labels write no
    spans, of "this label is right". The likelihood of whole gold paths, which would be the obvious choice, leaves the
    spans too sure: one temperature has to serve long paths and short spans, and spans are what is asked for. Since the
    spans do not depend on the temperature, it is a search in one dimension (golden section; Kiefer, 1953).

    Parameters
    ----------
    decoder : TagDecoder
        Of the trained network.
    emissions : sequence of ndarray, shape (length, K)
        Of data that the network was not trained on.
    gold : sequence of sequence of str
        Their labels.

    Returns
    -------
    float
        Between 0.25 and 8. 1.0 where the data cannot tell: there are too few sequences or spans, or all of them are
        right, or all wrong.
    """
    if len(gold) < LEAST:
        return 1.0
    batches = list(_batches(*_sample(emissions, gold)))
    _, right = _outcomes(decoder, batches)
    if len(right) < LEAST or right.all() or not right.any():
        return 1.0

    def loss(logarithm: float) -> float:
        return metrics.log_loss(*_outcomes(replace(decoder, temperature=float(np.exp(logarithm))), batches))

    return float(np.exp(_golden_section(loss, np.log(LOWEST), np.log(HIGHEST))))


def _sample(
    emissions: SequenceOf[np.ndarray], gold: SequenceOf[SequenceOf[str]]
) -> tuple[list[np.ndarray], list[SequenceOf[str]]]:
    """Return every n-th sequence, so that there are not too many tokens."""
    step = max(1, -(-sum(map(len, gold)) // MOST_TOKENS))
    step = min(step, max(1, len(gold) // LEAST))
    return list(emissions[::step]), list(gold[::step])


Batch = tuple[np.ndarray, np.ndarray, list[SequenceOf[str]]]


def _batches(emissions: list[np.ndarray], gold: list[SequenceOf[str]]) -> Iterator[Batch]:
    """Yield padded emissions (B, T, K), lengths (B,) and labels."""
    lengths = np.array([len(own) for own in emissions], np.int64)
    for group in bucket(lengths, _BATCH_TOKENS, max_sequences=64):
        padded = np.zeros((len(group), lengths[group].max(), emissions[0].shape[1]))
        for row, i in zip(padded, group, strict=True):
            row[: lengths[i]] = emissions[i]
        yield padded, lengths[group], [gold[i] for i in group]


def _outcomes(decoder: TagDecoder, batches: list[Batch]) -> tuple[np.ndarray, np.ndarray]:
    """Return how sure the decoder is of each span (or label) it finds, and whether it is right."""
    has_spans = schemes.SCHEMES[decoder.scheme].has_spans
    chances: list[np.ndarray] = []
    right: list[bool] = []
    for padded, lengths, gold in batches:
        for path, labels in zip(decoder.scored(padded, lengths), gold, strict=True):
            if has_spans:
                own = set(schemes.spans(labels, decoder.scheme))
                chances.append(path.span_probabilities)
                right += [span in own for span in path.spans]
            else:
                chances.append(path.probabilities)
                right += [found == label for found, label in zip(decoder.value(path.ids), labels, strict=True)]
    return np.concatenate([np.zeros(0), *chances]), np.array(right, bool)


def _golden_section(loss: Callable[[float], float], low: float, high: float) -> float:
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = loss(left), loss(right)
    while high - low > _CLOSE:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = loss(right)
    return (low + high) / 2
