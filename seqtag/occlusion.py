"""How much each input of a sequence moves the answer: take one away after the other and look (NumPy only).

An input is taken away by showing the network what it would see of an unknown one (Zeiler and Fergus, 2014, for parts of
images; Li, Monroe and Jurafsky, "Understanding neural networks through representation erasure", 2016, for words).
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as SequenceOf

import numpy as np

from seqtag.backends import Backend
from seqtag.data.features import Feature
from seqtag.data.lookup import UNKNOWN
from seqtag.decoders import ClassDecoder, Decoder

BATCH_TOKENS = 4096

NOISE = 1e-5
"""A change of probability below which a network in float32 cannot tell one from none."""


def influence(
    features: SequenceOf[Feature], decoder: Decoder, backend: Backend, inputs: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Return how much each input of a sequence moves each of its answers.

    Parameters
    ----------
    features : sequence of Feature
        The fitted encoders.
    decoder : Decoder
        From what the network gives to probabilities.
    backend : Backend
        Computes the network.
    inputs : mapping of str to ndarray
        Of a batch with this one sequence, of length T.

    Returns
    -------
    ndarray, shape (T, T) or (1, T)
        At [i, j] the total variation distance, half the sum of absolute differences, between the answer's
        distribution at i with and without input j. A classifier has one answer; where it decides each class by
        itself, the mean absolute difference of its probabilities. From 0 to 1; what is below `NOISE` is 0.

    Notes
    -----
    The distribution is the decoder's. Where a CRF or a scheme ties labels together, an answer of a network that reads
    forward alone may so be moved by what comes later; of a softmax without a scheme it never is.
    """
    length = int(inputs["lengths"][0])
    (before,) = _probabilities(decoder, backend, inputs)
    share = 1.0 / len(decoder.labels) if isinstance(decoder, ClassDecoder) and decoder.multi_label else 0.5
    columns = []
    at_once = max(1, BATCH_TOKENS // max(length, 1))
    for start in range(0, length, at_once):
        places = np.arange(start, min(start + at_once, length))
        for after in _probabilities(decoder, backend, occlude(features, inputs, places)):
            columns.append(share * np.abs(after - before).sum(axis=-1))
    answers = length if before.ndim == 2 else 1
    moved = np.reshape(columns, (length, answers)).T
    return np.where(moved < NOISE, 0.0, moved)


def occlude(
    features: SequenceOf[Feature], inputs: Mapping[str, np.ndarray], places: np.ndarray
) -> dict[str, np.ndarray]:
    """Make one copy of a sequence for each place, without its input there.

    Parameters
    ----------
    features : sequence of Feature
        The fitted encoders.
    inputs : mapping of str to ndarray
        Of a batch with one sequence.
    places : ndarray of int, shape (N,)
        Whose input each copy lacks.

    Returns
    -------
    dict of str to ndarray
        The inputs of a batch of N sequences.
    """
    rows = np.arange(len(places))
    copies = {name: np.repeat(inputs[name], len(places), axis=0) for name in ("lengths", "initial") if name in inputs}
    if "index" in inputs:
        copies["index"] = np.repeat(inputs["index"], len(places), axis=0)
    for feature in features:
        name, values = feature.spec.name, inputs[feature.spec.name]
        if feature.spec.level == "type":
            copies[name] = np.concatenate([values, unknown(feature, values.shape[1])[None]])
            copies["index"][rows, places] = len(values)
        else:
            copies[name] = np.repeat(values, len(places), axis=0)
            copies[name][rows, places] = unknown(feature, values.shape[2])
    return copies


def unknown(feature: Feature, width: int) -> np.ndarray:
    """Return what an encoder makes of a token or frame that tells it nothing.

    Of tokens and columns the ids of what was never seen, and one unknown character; of numbers what stands for a
    missing value.

    Parameters
    ----------
    feature : Feature
        The fitted encoder.
    width : int
        How wide its rows are in this batch; characters are padded to it.

    Returns
    -------
    ndarray of int32 or float32, shape (width,)
    """
    if feature.scaler is not None:
        return feature.scaler.apply(np.full((1, feature.scaler.features), np.nan))[0]
    if feature.spelling is not None:
        return np.pad(np.array([UNKNOWN], np.int32), (0, width - 1))
    sizes = [lookup.size for lookup in feature.lookups]
    return (UNKNOWN + np.cumsum([0, *sizes[:-1]])).astype(np.int32)


def _probabilities(decoder: Decoder, backend: Backend, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    return decoder.probabilities(backend.compute(dict(inputs)), inputs["lengths"])
