"""Whole networks to test with: every encoder, every head, random weights; and predictors around them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from collections.abc import Sequence as SequenceOf
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from seqtag.backends import OnnxBackend
from seqtag.choices.cells import CELLS, DIRECTIONS, INITIAL_STATES, MERGES
from seqtag.choices.pooling import POOLINGS
from seqtag.data.corpus import Sequence
from seqtag.data.encoders import fit_encoders
from seqtag.decoders import ClassDecoder, TagDecoder
from seqtag.export.onnx import network_graph
from seqtag.nn.network import build_classifier, build_tagger, named_weights
from seqtag.nn.stack import Stack
from seqtag.predictor import Predictor

LABELS = ("a", "b", "c", "d")
UNITS = 4

SENTENCES = ["Ada moved to Paris in May", "한국 에서", "x", "extraordinarily !", "to Paris"]
UNSEEN = ["unseen 👍🏽 Ada", "qqq", "to unseen words and much more of them than before"]

EMBEDDINGS = Path(__file__).parent / "embeddings" / "small.txt"
ENCODERS: dict[str, list[Any]] = {
    "words": [{"words": None, "dim": 5}],
    "affixes and cnn": [
        {"affixes": None, "min_count": 1, "dim": 2},
        {"words": None, "dim": 3},
        {"chars": "cnn", "filters": 5, "dim": 4, "min_count": 1},
    ],
    "column and lstm": [{"column": "pos", "dim": 3}, {"chars": "lstm", "filters": 6, "dim": 4, "min_count": 1}],
    "gru": [{"chars": "gru", "filters": 4, "dim": 3, "min_count": 1, "jamo": True}],
    "column": [{"column": "pos", "dim": 3}],
    "embeddings": [{"embeddings": str(EMBEDDINGS), "dim": 3}, {"words": None, "dim": 3}],
    "vectors": [{"vectors": "glove", "standardize": True}, {"words": None, "dim": 3}],
    "frames": ["frames"],
}
FACTORS: dict[str, SequenceOf[Any]] = {
    "cell": list(CELLS),
    "direction": list(DIRECTIONS),
    "merge": list(MERGES),
    "residual": [False, True],
    "layer_norm": [False, True],
    "initial_state": list(INITIAL_STATES),
    "layers": [1, 2],
    "head": ["softmax", "crf", *POOLINGS],
    "encoders": list(ENCODERS),
}


def covering(factors: Mapping[str, SequenceOf[Any]]) -> Iterator[dict[str, Any]]:
    """Yield combinations that hold every pair of choices of two factors: each begins with a pair that is missing."""
    draw = random.Random(0)
    choices = [(name, choice) for name, every in factors.items() for choice in every]
    missing = {pair for pair in combinations(choices, 2) if pair[0][0] != pair[1][0]}
    while missing:
        row = dict(min(missing, key=str))
        for name in draw.sample(list(factors), len(factors)):
            if name not in row:
                row[name] = max(factors[name], key=lambda choice: len(missing & _pairs(row | {name: choice}, factors)))
        missing -= _pairs(row, factors)
        yield {name: row[name] for name in factors}


def _pairs(row: Mapping[str, Any], order: Mapping[str, Any]) -> set[Any]:
    return set(combinations([(name, row[name]) for name in order if name in row], 2))


def make_sequences(encoders: str, sentences: SequenceOf[str] = (*SENTENCES, *UNSEEN)) -> list[Sequence]:
    """Make sequences with all that an encoder may read; of frames, some values are missing."""
    rng = np.random.default_rng(len(sentences))
    made = []
    for tokens in (tuple(sentence.split()) for sentence in sentences):
        if encoders == "frames":
            table = rng.normal(3.0, 2.0, size=(len(tokens), 3))
            table[rng.random(len(tokens)) < 0.2, 1] = np.nan
            made.append(Sequence(frames=table))
        else:
            columns = {"pos": tuple(token[0] for token in tokens)}
            made.append(Sequence(tokens, columns=columns, vectors={"glove": rng.normal(size=(len(tokens), 2))}))
    return made


def make_network(*, head: str, encoders: str = "words", seed: int = 0, **stack: Any) -> tuple[Any, Any]:
    """Make fitted encoders, and a network with random weights everywhere."""
    features = _fitted(encoders)
    specs, stack_of = [feature.spec for feature in features], Stack(**{"units": UNITS, **stack})
    if head in POOLINGS:
        model = build_classifier(specs, len(LABELS), stack=stack_of, pooling=head)
    else:
        model = build_tagger(specs, len(LABELS), stack=stack_of, decoder=head)
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(scale=0.5, size=weight.shape) for weight in model.weights])
    return features, model


@cache
def _fitted(encoders: str) -> Any:
    return fit_encoders(ENCODERS[encoders], make_sequences(encoders, SENTENCES))


def predictor_of(features: Any, model: Any, decoder: Any = None) -> Predictor:
    """Open a predictor on a network, through ONNX."""
    config, k = model.get_config(), len(LABELS)
    if decoder is None and config["network"] == "tagger":
        decoder = TagDecoder(LABELS, "none", np.zeros((k, k)), np.zeros(k), np.zeros(k))
    elif decoder is None:
        decoder = ClassDecoder(LABELS, False, 1.0, np.log(np.full(k, 1.0 / k)))
    weights = named_weights(model)
    backend = OnnxBackend(network_graph(model))
    return Predictor(features, decoder, backend, manifest={"network": config}, weights=lambda: weights)


def make_predictor(**options: Any) -> Predictor:
    """Make a network with random weights and open a predictor on it."""
    return predictor_of(*make_network(**options))
