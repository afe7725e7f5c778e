"""Long sequences in windows: the same as read whole where the state is carried, and near it where it is not."""

from dataclasses import replace

import numpy as np
import pytest
from networks import SENTENCES, UNSEEN, make_predictor, make_sequences

from seqtag.data.sequence import Sequence
from seqtag.errors import ParameterError
from seqtag.predictor import Predictor
from seqtag.windows import Windows

WORDS = [word for sentence in (*SENTENCES, *UNSEEN) for word in sentence.split()]


class Watched:
    """A backend that remembers how long the rows were that it read."""

    def __init__(self, backend):
        self.backend, self.asked = backend, []
        self.threads, self.carries_state = 1, getattr(backend, "carries_state", False)

    def compute(self, inputs):
        self.asked.append(inputs["lengths"].tolist())
        return self.backend.compute(inputs)

    def compute_with_state(self, inputs, state):
        self.asked.append(inputs["lengths"].tolist())
        return self.backend.compute_with_state(inputs, state)

    def close(self):
        self.backend.close()


def windowed(predictor, size, overlap, carried=True):
    backend = Watched(predictor.backend)
    backend.carries_state = backend.carries_state and carried
    return Predictor(
        predictor.features, predictor.decoder, backend, manifest=predictor.manifest, window=size, overlap=overlap
    )


def one(encoders, length):
    """One long sequence, of the sequences that an encoder reads."""
    parts = make_sequences(encoders) * 20
    if encoders == "frames":
        return Sequence(frames=np.concatenate([part.frames for part in parts])[:length])
    tokens = tuple(token for part in parts for token in part.tokens)[:length]
    return Sequence(
        tokens,
        columns={"pos": tuple(token[0] for token in tokens)},
        vectors={"glove": np.concatenate([part.vectors["glove"] for part in parts])[:length]},
    )


@pytest.mark.parametrize(
    ("cell", "encoders"),
    [("lstm", "affixes and cnn"), ("gru", "column and lstm"), ("lstm", "vectors"), ("simple_rnn", "frames")],
)
def test_a_network_that_reads_forward_gives_the_same_in_windows(cell, encoders):
    initial = "learned" if encoders == "frames" else "zero"
    options = {"direction": "forward", "layers": 2, "initial_state": initial}
    predictor = make_predictor(head="softmax", encoders=encoders, cell=cell, **options)
    assert predictor.backend.carries_state
    sequence = one(encoders, 61)
    expected = predictor.predict_proba([sequence])[0]
    cut = windowed(predictor, 7, 0)
    np.testing.assert_allclose(cut.predict_proba([sequence])[0], expected, atol=1e-5)
    assert [len(lengths) for lengths in cut.backend.asked] == [1] * 9
    assert max(length for (length,) in cut.backend.asked) <= 7


@pytest.mark.parametrize("direction", ["both", "forward", "backward"])
def test_other_networks_read_beyond_each_window(direction):
    predictor = make_predictor(head="softmax", direction=direction, encoders="affixes and cnn")
    sequence = one("words", 61)
    expected = predictor.predict_proba([sequence])[0]
    cut = windowed(predictor, 10, 3, carried=False)
    near = [windowed(predictor, 10, overlap, carried=False).predict_proba([sequence])[0] for overlap in (0, 3, 12)]
    apart = [np.abs(p - expected).max() for p in near]
    assert apart[0] > 5 * apart[2] and apart[0] > apart[1] > apart[2]
    assert cut.predict([sequence])[0] == [cut.labels[i] for i in cut.predict_proba([sequence])[0].argmax(axis=1)]
    lengths = [length for lengths in cut.backend.asked[: len(cut.backend.asked) // 2] for length in lengths]
    sides = {"both": (12, 15, 10), "forward": (9, 12, 10), "backward": (12, 12, 7)}[direction]
    assert (lengths[0], lengths[1], lengths[-1]) == sides and len(lengths) == 7
    assert windowed(predictor, 10, 100, False).predict([sequence])[0] == predictor.predict([sequence])[0]


def test_what_is_no_longer_than_a_window_is_read_whole_whatever_stands_beside_it():
    predictor = make_predictor(head="crf")
    X = [WORDS[:n] for n in (3, 10, 11, 10, 15)]
    cut = windowed(predictor, 10, 0)
    together = cut.predict(X)
    assert together == [cut.predict([tokens])[0] for tokens in X]
    for i in (0, 1, 3):
        assert together[i] == predictor.predict([X[i]])[0]
    assert max(map(max, cut.backend.asked)) == 10


def test_a_classifier_reads_its_sequence_whole():
    predictor = make_predictor(head="mean")
    predictor.manifest["task"] = "classification"
    cut = windowed(predictor, 5, 0)
    np.testing.assert_array_equal(cut.predict_proba([WORDS])[0], predictor.predict_proba([WORDS])[0])
    assert cut.backend.asked == [[len(WORDS)]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 0}, "window must be a whole number from 1 on; got 0"),
        ({"size": 2.0}, "window must be a whole number"),
        ({"overlap": -1}, "overlap must be a whole number from 0 on; got -1"),
        ({"overlap": True}, "overlap must be a whole number"),
    ],
)
def test_windows_must_be_numbers_of_tokens(change, message):
    with pytest.raises(ParameterError, match=message):
        replace(Windows(), **change)
