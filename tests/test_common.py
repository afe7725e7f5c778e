"""What every estimator keeps, whatever its parts: the same answers saved, loaded, padded and through ONNX; valid tags.

The product of parts is a soak test; `test_network.py`, `test_stack.py` and `test_onnx.py` go through pairs, too.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from combinations import pairwise, title

from seqtag import JointTagger, SequenceClassifier, SequenceTagger, load
from seqtag.backends import KerasBackend
from seqtag.choices.cells import CELLS
from seqtag.choices.decoders import DECODERS
from seqtag.choices.pooling import POOLINGS
from seqtag.data import schemes
from seqtag.data.batching import EncodedCorpus

NASTY = [["Ada"], ["naïve", "cafe\u0301", "👩‍🚀"], ["한국어", "x" * 300, "…"] * 30, ["unseen", "Word", "3.14"]]

ENCODERS = {
    "words": ["words"],
    "all": ["words", "affixes", "chars", {"ngrams": 2}],
    "affixes and jamo": ["affixes", {"chars": "gru", "filters": 8, "jamo": True}],
    "vectors": ["words", {"vectors": "glove"}],
    "frames": "auto",
}
DIRECTIONS = {
    "both": {},
    "forward": {"bidirectional": False},
    "backward": {"bidirectional": False, "go_backwards": True},
}
STACKS = {
    "plain": {},
    "deep": {"layers": 2, "residual": True},
    "merged": {"layers": 2, "merge": "mean"},
    "normalised": {"layer_norm": True, "merge": "sum"},
    "learned": {"initial_state": "learned", "layer_norm": True, "layers": 2},
}
SCHEMES = ("iob1", "iob2", "bioes", "none")
FORMS = ("one", "several")
PARTS = {
    "head": (*DECODERS, *POOLINGS, "joint"),
    "encoders": tuple(ENCODERS),
    "stack": tuple(STACKS),
    "cell": CELLS.names(),
    "direction": tuple(DIRECTIONS),
}
PAIRS = list(pairwise(PARTS))
PRODUCT = [
    {**dict(zip(names, row, strict=True)), "stack": list(STACKS)[i % len(STACKS)]}
    for names in [[name for name in PARTS if name != "stack"]]
    for i, row in enumerate(itertools.product(*(PARTS[name] for name in names)))
]


@pytest.fixture(scope="module")
def data():
    from seqtag.datasets import make_tagging

    return make_tagging(sequences=40)["train"]


def inputs(encoders, tokens):
    """Sequences for the encoders: of tokens, with vectors beside them, or of numbers in their place."""

    def numbers(token, width):
        return np.random.default_rng(list(token.encode())).normal(size=width)

    if encoders not in ("vectors", "frames"):
        return tokens
    tables = [np.array([numbers(token, 3) for token in row]) for row in tokens]
    if encoders == "vectors":
        return [{"tokens": row, "glove": table} for row, table in zip(tokens, tables, strict=True)]
    tables[0][0, 0] = np.nan
    return tables


def fitted(parts, data, number):
    """Train an estimator of these parts for a moment; the scheme, or the form of classes, takes turns."""
    X = inputs(parts["encoders"], data.tokens)
    params = {
        "encoders": ENCODERS[parts["encoders"]],
        "cell": parts["cell"],
        **DIRECTIONS[parts["direction"]],
        **STACKS[parts["stack"]],
        "units": 8,
        "epochs": 1,
        "dropout": 0.2,
        "random_state": 0,
    }
    if parts["head"] == "joint":
        y = [(list(sequence.labels), sequence.label) for sequence in data]
        decoder, pooling = DECODERS.names()[number % 2], POOLINGS.names()[number % len(POOLINGS.names())]
        estimator = JointTagger(**params, decoder=decoder, pooling=pooling)
    elif parts["head"] in DECODERS:
        scheme = SCHEMES[number % len(SCHEMES)]
        y = data.labels if scheme == "none" else [schemes.convert(labels, "iob2", scheme) for labels in data.labels]
        estimator = SequenceTagger(**params, decoder=parts["head"], scheme=scheme)
    else:
        form = FORMS[number % len(FORMS)]
        y = [sequence.label if form == "one" else sorted(set(sequence.labels)) for sequence in data]
        estimator = SequenceClassifier(**params, pooling=parts["head"])
    return estimator.fit(X, y, validation_data=(X[:5], y[:5]))


def check(parts, data, number, folder):
    """Hold an estimator to all promises."""
    estimator = fitted(parts, data, number)
    X = inputs(parts["encoders"], data.tokens[:20] + NASTY)
    predicted = list(estimator.predict(X))
    if estimator.task != "classification":
        tags = [labels for labels, _ in predicted] if estimator.task == "joint" else predicted
        assert [len(labels) for labels in tags] == [len(row) for row in data.tokens[:20] + NASTY]
        if estimator.scheme_ != "none":
            assert not any(schemes.problems(labels, estimator.scheme_) for labels in tags)

    order = np.random.default_rng(0).permutation(len(X))
    assert [predicted[i] for i in order] == list(estimator.predict([X[i] for i in order]))
    assert predicted == [estimator.predict([one])[0] for one in X]
    with load(estimator.save(folder)) as predictor:
        assert predictor.predict(X) == predicted
        encoded = EncodedCorpus(predictor.features, estimator._sequences(X))
        batch = encoded.batch(np.arange(len(X)))
        found = predictor.backend.compute(batch.inputs)
        singles = [encoded.batch(np.array([i])).inputs for i in range(len(X))]
        alone = np.vstack([predictor.backend.compute(single)[:, :1] for single in singles])
    again = type(estimator).load(folder)
    assert list(again.predict(X)) == predicted
    expected = KerasBackend(again.model_).compute(batch.inputs)
    live = np.arange(expected.shape[1]) < batch.lengths[:, None] if expected.ndim == 3 else ...
    np.testing.assert_allclose(found[live], expected[live], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(alone, found[:, :1], rtol=1e-4, atol=1e-5)  # neither company nor padding matters


@pytest.mark.slow
@pytest.mark.parametrize(("number", "parts"), list(enumerate(PAIRS)), ids=[title(parts) for parts in PAIRS])
def test_pairs(number, parts, data, tmp_path, eager):
    check(parts, data, number, tmp_path / "model")


@pytest.mark.soak
@pytest.mark.parametrize(("number", "parts"), list(enumerate(PRODUCT)), ids=[title(parts) for parts in PRODUCT])
def test_product(number, parts, data, tmp_path, eager):
    check(parts, data, number, tmp_path / "model")
