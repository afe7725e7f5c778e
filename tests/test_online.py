"""Tokens labelled as they arrive: what the forward variable says, with the state carried; and who cannot."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from networks import SENTENCES, UNSEEN, make_network, make_predictor, make_sequences, predictor_of

from seqtag import decoding
from seqtag.data.batching import EncodedCorpus
from seqtag.data.encoders import fit_encoders
from seqtag.data.schemes import problems
from seqtag.data.sequence import Sequence
from seqtag.data.transitions import allowed_transitions
from seqtag.decoders import TagDecoder
from seqtag.errors import DataError, SeqtagError
from seqtag.predictor import Predictor

WORDS = [word for sentence in (*SENTENCES, *UNSEEN) for word in sentence.split()] * 3
TAGS = ("O", "B-x", "I-x", "B-y")


@pytest.fixture(scope="module")
def softmax():
    return make_predictor(head="softmax", direction="forward", cell="gru", encoders="affixes and cnn")


@pytest.fixture(scope="module")
def chain():
    """A tagger with transitions of a scheme and of training."""
    start, transitions, end = map(decoding.constrain, allowed_transitions(TAGS, "iob2"))
    drawn = np.random.default_rng(10).normal(scale=3.0, size=(4, 4))
    features, model = make_network(head="crf", direction="forward", seed=2)
    model.set_weights([3 * weight for weight in model.get_weights()])  # so that the labels differ by the words
    return predictor_of(features, model, TagDecoder(TAGS, "iob2", transitions + drawn, start, end))


def test_a_softmax_head_labels_as_if_it_had_read_all(softmax):
    found = list(softmax.stream_tokens(iter(WORDS)))
    assert [token for token, _, _ in found] == WORDS
    assert [label for _, label, _ in found] == softmax.predict([WORDS])[0]
    p = softmax.predict_proba([WORDS])[0].max(axis=1)
    np.testing.assert_allclose([probability for *_, probability in found], p, atol=1e-5)


def test_a_crf_labels_by_its_forward_variable_within_the_scheme(chain):
    found = list(chain.stream_tokens(WORDS))
    decoder, (emissions, _) = chain.decoder, chain.backend.compute_with_state(inputs_of(chain, WORDS), None)
    alpha = decoder.start + emissions[0, 0]
    allowed = decoder.start > -1e3
    bound = 0
    for t, (_, label, probability) in enumerate(found):
        if t:
            alpha = emissions[0, t] + np.log(np.exp(alpha[:, None] + decoder.transitions).sum(axis=0))
        p = np.exp(alpha - np.log(np.exp(alpha).sum()))
        best = np.where(allowed, p, -1.0).argmax()
        assert label == TAGS[best] and probability == pytest.approx(p[best], abs=1e-5)
        bound += best != p.argmax()
        allowed = decoder.transitions[best] > -1e3
    labels = [label for _, label, _ in found]
    assert not problems(labels, "iob2") and len(set(labels)) > 2
    assert bound  # so the scheme had something to forbid


def test_a_temperature_changes_probabilities_and_no_label(chain):
    tempered = replace(chain.decoder, temperature=2.3)
    other = Predictor(chain.features, tempered, chain.backend, manifest=chain.manifest)
    emissions, _ = chain.backend.compute_with_state(inputs_of(chain, WORDS), None)
    own = tempered.calibrated()
    alpha = None
    pairs = zip(other.stream_tokens(WORDS), chain.stream_tokens(WORDS), strict=True)
    for t, (found, before) in enumerate(pairs):
        scores = decoding.temper(emissions[0, t], 2.3)
        through = own.start if alpha is None else np.log(np.exp(alpha[:, None] + own.transitions).sum(axis=0))
        alpha = scores + through
        p = np.exp(alpha - np.log(np.exp(alpha).sum()))
        assert found.label == before.label
        assert found.probability == pytest.approx(p[TAGS.index(found.label)], abs=1e-5)
        assert found.probability != pytest.approx(before.probability, abs=1e-5)


def inputs_of(predictor, words):
    return EncodedCorpus(predictor.features, [Sequence(tuple(words))]).batch(np.array([0])).inputs


def test_no_token_is_asked_for_before_the_last_one_has_its_label(softmax):
    read = []

    def endless():
        for i in itertools.count():
            read.append(i)
            yield WORDS[i % len(WORDS)]

    stream = softmax.stream_tokens(endless())
    assert read == []
    for i in range(5):
        assert next(stream).token == WORDS[i] and read == list(range(i + 1))


@pytest.mark.parametrize("encoders", ["frames", "column and lstm", "vectors"])
def test_frames_columns_and_vectors_arrive_one_by_one_too(encoders):
    predictor = make_predictor(head="softmax", direction="forward", encoders=encoders)
    sequence = make_sequences(encoders)[0]
    places = range(len(sequence))
    if encoders == "frames":
        steps = list(sequence.frames)
    else:
        pos, glove = sequence.columns["pos"], sequence.vectors["glove"]
        steps = [
            Sequence((sequence.tokens[t],), columns={"pos": pos[t : t + 1]}, vectors={"glove": glove[t : t + 1]})
            for t in places
        ]
    assert [label for _, label, _ in predictor.stream_tokens(steps)] == predictor.predict([sequence])[0]


@pytest.mark.parametrize(
    ("token", "message"),
    [
        (3, "token 1 must be a string, the numbers of one frame or a Sequence of one token; got int 3"),
        (["a"], "token 1 must be a string"),
        (np.zeros((2, 2)), "token 1 must be a string"),
        (Sequence(("a", "b")), "token 1 must be a Sequence of one token; got one of 2"),
    ],
    ids=["a number", "a list", "two frames", "two tokens"],
)
def test_what_is_no_token_is_named(softmax, token, message):
    stream = softmax.stream_tokens(["a", token])
    next(stream)
    with pytest.raises(DataError, match=message):
        next(stream)


def test_a_text_is_no_stream_of_tokens(softmax):
    with pytest.raises(DataError, match="tokens must be an iterable of tokens; got one str"):
        softmax.stream_tokens("Ada moved")


REFUSED = {
    "both ways": ({"head": "crf"}, "this one reads both ways.*bidirectional=False"),
    "backward": ({"head": "crf", "direction": "backward"}, "this one reads backward.*go_backwards=False"),
    "a classifier": ({"head": "mean", "direction": "forward"}, "one answer for a whole sequence"),
}


@pytest.mark.parametrize(("options", "message"), REFUSED.values(), ids=REFUSED)
def test_models_that_need_what_follows_are_refused_at_once(options, message):
    with pytest.raises(SeqtagError, match=message):
        make_predictor(**options).stream_tokens(["a"])


def test_ngrams_and_graphs_without_a_state_are_refused(softmax):
    ngrams = fit_encoders([{"ngrams": 2, "min_count": 1}], make_sequences("words"))
    with pytest.raises(SeqtagError, match="reads tokens that follow"):
        Predictor(ngrams, softmax.decoder, softmax.backend).stream_tokens(["a"])

    class Stateless:
        threads = 1

    with pytest.raises(SeqtagError, match="needs a graph with the state as an input"):
        Predictor(softmax.features, softmax.decoder, Stateless()).stream_tokens(["a"])
