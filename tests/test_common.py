"""What every tagger keeps, whatever its parts: the same answers saved, loaded, padded and through ONNX; valid tags.

The full product of parts is a soak test; `test_network.py` and `test_onnx.py` go through pairs of them each time.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from combinations import pairwise, title

from seqtag import SequenceTagger, load
from seqtag.backends import KerasBackend
from seqtag.data import schemes
from seqtag.data.batching import EncodedCorpus
from seqtag.data.coerce import as_sequences
from seqtag.nn.cells import CELLS

NASTY = [["Ada"], ["naïve", "cafe\u0301", "👩‍🚀"], ["한국어", "x" * 300, "…"] * 30, ["unseen", "Word", "3.14"]]

ENCODERS = {
    "words": ["words"],
    "all": ["words", "affixes", "chars"],
    "affixes and jamo": ["affixes", {"chars": "gru", "filters": 8, "jamo": True}],
}
PARTS = {
    "cell": CELLS.names(),
    "bidirectional": (True, False),
    "layers": (1, 2),
    "decoder": ("crf", "softmax"),
    "encoders": tuple(ENCODERS),
    "scheme": ("iob1", "iob2", "bioes", "none"),
}
PAIRS = list(pairwise(PARTS))
PRODUCT = [dict(zip(PARTS, row, strict=True)) for row in itertools.product(*PARTS.values())]


@pytest.fixture(scope="module")
def data():
    from seqtag.datasets import make_tagging

    corpus = make_tagging(sequences=40)["train"]
    return corpus.tokens, corpus.labels


def check(parts, data, folder):
    """Train one tagger for a moment and hold it to all promises."""
    X, y = data
    scheme = parts["scheme"]
    if scheme != "none":
        y = [schemes.convert(labels, "iob2", scheme) for labels in y]
    parts = parts | {"encoders": ENCODERS[parts["encoders"]]}
    tagger = SequenceTagger(**parts, units=8, epochs=1, dropout=0.2, random_state=0)
    tagger.fit(X, y, validation_data=(X[:5], y[:5]))
    sequences = X[:20] + NASTY
    predicted = list(tagger.predict(sequences))
    assert [len(labels) for labels in predicted] == [len(tokens) for tokens in sequences]
    if scheme != "none":
        assert not any(schemes.problems(labels, scheme) for labels in predicted)

    order = np.random.default_rng(0).permutation(len(sequences))
    assert [predicted[i] for i in order] == list(tagger.predict([sequences[i] for i in order]))
    assert predicted == [tagger.predict([tokens])[0] for tokens in sequences]
    with load(tagger.save(folder)) as predictor:
        assert predictor.predict(sequences) == predicted
        batch = EncodedCorpus(predictor.features, as_sequences(sequences)).batch(np.arange(len(sequences)))
        found = predictor.backend.compute(batch.inputs)
    expected = KerasBackend(SequenceTagger.load(folder).model_).compute(batch.inputs)
    live = np.arange(expected.shape[1]) < batch.lengths[:, None]
    np.testing.assert_allclose(found[live], expected[live], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("parts", PAIRS, ids=title)
def test_pairs(parts, data, tmp_path, eager):
    check(parts, data, tmp_path / "model")


@pytest.mark.soak
@pytest.mark.parametrize("parts", PRODUCT, ids=title)
def test_product(parts, data, tmp_path, eager):
    check(parts, data, tmp_path / "model")
