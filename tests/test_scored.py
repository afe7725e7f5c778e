"""Answers with probabilities: spans in their text, the n best, and the same from a stream and from processes."""

import itertools

import numpy as np
import pytest
from networks import SENTENCES, make_network, make_predictor, predictor_of

from seqtag import Sequence, decoding
from seqtag.bundle import Bundle, dump_arrays, dump_json
from seqtag.data.transitions import allowed_transitions
from seqtag.decoders import ClassDecoder, TagDecoder
from seqtag.errors import BundleError, DataError, ParameterError, SeqtagError
from seqtag.export.onnx import network_graph
from seqtag.flow import CHUNK, CHUNK_TOKENS, in_chunks
from seqtag.predictor import Predictor

TAGS = ("O", "B-x", "I-x", "B-y")
TEXT = "Ada  moved to\tParis"


@pytest.fixture(scope="module")
def bundle():
    """A tagger with random weights, as it is saved."""
    features, model = make_network(head="crf", encoders="affixes and cnn")
    start, transitions, end = map(decoding.constrain, allowed_transitions(TAGS, "iob2"))
    drawn = np.random.default_rng(0).normal(size=(4, 4))
    decoder = TagDecoder(TAGS, "iob2", transitions + drawn, start, end)
    manifest = {"task": "tagging", "tokenizer": "whitespace", "labels": list(TAGS), "scheme": "iob2"}
    files = {
        "vocabulary.json": dump_json([feature.to_dict() for feature in features]),
        "decoder.npz": dump_arrays(decoder.arrays()),
        "model.onnx": network_graph(model),
    }
    return Bundle(manifest | {"network": model.get_config()}, files)


@pytest.fixture(scope="module")
def tagger(bundle):
    return Predictor.from_bundle(bundle)


@pytest.fixture(scope="module")
def classifier():
    return predictor_of(*make_network(head="mean"), ClassDecoder(("p", "q", "r", "s"), False, 2.0, np.zeros(4)))


def paths_of(tagger, tokens):
    """Every path with its probability, of the emissions that the backend gives."""
    decoder = tagger.decoder
    (emissions,) = tagger.backend.compute(
        tagger._memo.encode([Sequence(tuple(tokens))]).batch(np.array([0])).inputs
    ).astype(float)
    paths = list(itertools.product(range(len(TAGS)), repeat=len(tokens)))
    scores = [
        sum(emissions[t, tag] for t, tag in enumerate(path))
        + sum(decoder.transitions[a, b] for a, b in itertools.pairwise(path))
        + decoder.start[path[0]]
        + decoder.end[path[-1]]
        for path in paths
    ]
    p = np.exp(np.array(scores) - max(scores))
    return sorted(zip(p / p.sum(), paths, strict=True), reverse=True)


def test_spans_have_their_place_and_the_probability_of_their_labels(tagger):
    (found,) = tagger.predict_spans([TEXT])
    labels = tagger.predict([TEXT])[0]
    assert [(s.start, s.end, s.label) for s in found] == tagger.spans(Sequence(tuple(TEXT.split()), tuple(labels)))
    assert found
    for span in found:
        assert TEXT[span.start_char : span.end_char] == span.text
        assert span.text.split() == TEXT.split()[span.start : span.end]
        own = labels[span.start : span.end]
        agree = [
            p for p, path in paths_of(tagger, TEXT.split()) if [TAGS[i] for i in path[span.start : span.end]] == own
        ]
        assert span.probability == pytest.approx(sum(agree), rel=1e-6)
        keys = ["start", "end", "label", "text", "start_char", "end_char", "probability"]
        assert list(span.to_dict()) == keys and span.to_dict()["label"] == span.label


def test_without_text_a_span_has_its_tokens_and_no_place(tagger):
    (with_text,), (without,) = tagger.predict_spans([TEXT]), tagger.predict_spans([TEXT.split()])
    assert [s.text for s in without] == [" ".join(s.text.split()) for s in with_text]
    assert all(s.start_char is s.end_char is None for s in without)
    assert [s.probability for s in without] == [s.probability for s in with_text]
    assert tagger.predict_spans([[], ""]) == [[], []] and tagger.predict_spans([]) == []


def test_labels_that_write_no_spans_have_none():
    assert make_predictor(head="crf").predict_spans([SENTENCES[0]]) == [[]]


def test_a_classifier_has_no_spans(classifier):
    classifier.manifest["task"] = "classification"
    for ask in (classifier.predict_spans, classifier.stream_scored):
        with pytest.raises(SeqtagError, match="spans need a tagger"):
            ask(["x"])


def test_the_n_best_are_the_most_probable_of_all(tagger):
    expected = paths_of(tagger, TEXT.split())
    (found,) = tagger.predict_nbest([TEXT], n=6)
    assert [answer for answer, _ in found] == [[TAGS[i] for i in path] for _, path in expected[:6]]
    np.testing.assert_allclose([p for _, p in found], [p for p, _ in expected[:6]], rtol=1e-5)
    assert found[0].answer == tagger.predict([TEXT])[0]
    (everything,) = tagger.predict_nbest([TEXT], n=10**4)
    assert len(everything) == sum(p > 0 for p, _ in expected) < len(expected)  # the scheme admits no more
    assert sum(p for _, p in everything) == pytest.approx(1.0)
    assert tagger.predict_nbest([[]]) == [[([], 1.0)]]


def test_the_n_best_classes(classifier):
    p = classifier.predict_proba(SENTENCES)
    for row, found in zip(p, classifier.predict_nbest(SENTENCES, n=3), strict=True):
        assert [answer for answer, _ in found] == [classifier.labels[i] for i in np.argsort(-row)[:3]]
        assert [probability for _, probability in found] == sorted(row, reverse=True)[:3]
    assert len(classifier.predict_nbest(["x"], n=9)[0]) == 4


@pytest.mark.parametrize("n", [0, 2.0, True])
def test_n_must_be_a_number(tagger, classifier, n):
    for predictor in (tagger, classifier):
        with pytest.raises(DataError, match="n must be a whole number from 1 on"):
            predictor.predict_nbest(["x"], n=n)


# ---- streams -------------------------------------------------------------------------------------------------------


def test_chunks_are_bounded_by_sequences_and_by_tokens():
    short = [Sequence(("a",))] * (CHUNK + 3)
    assert [len(chunk) for chunk in in_chunks(short)] == [CHUNK, 3]
    long = [Sequence(("a",) * (CHUNK_TOKENS // 2))] * 5
    assert [len(chunk) for chunk in in_chunks(long)] == [2, 2, 1]
    assert list(in_chunks([])) == []


def test_a_stream_takes_what_predict_takes_and_scores_it_too(tagger):
    X = [TEXT, ["Paris", "is"], Sequence(("to",)), [], {"tokens": ["x"]}]
    done = []
    found = list(tagger.stream(iter(X), progress=lambda *counts: done.append(counts)))
    assert [list(sequence.labels) for sequence in found] == tagger.predict(X) and found[0].text == TEXT
    assert done == [(5, 8)]
    for scored, labels, spans, p in zip(
        tagger.stream_scored(X), tagger.predict(X), tagger.predict_spans(X), tagger.predict_proba(X), strict=True
    ):
        assert list(scored.sequence.labels) == labels and list(scored.spans) == spans
        np.testing.assert_allclose(scored.probabilities, [row[TAGS.index(t)] for row, t in zip(p, labels, strict=True)])


def test_what_is_wrong_is_said_at_once_or_at_its_turn(tagger):
    with pytest.raises(DataError, match="got one str"):
        tagger.stream("Ada")
    with pytest.raises(ParameterError, match="n_jobs"):
        tagger.stream([], n_jobs=0)
    stream = tagger.stream(["x", 3])
    with pytest.raises(DataError, match=r"X\[1\]"):
        next(stream)


def test_without_a_source_there_are_no_processes():
    with pytest.raises(SeqtagError, match="n_jobs needs a model that processes can open"):
        make_predictor(head="crf").stream(["x"], n_jobs=2)


@pytest.mark.slow
def test_processes_answer_as_one_does(bundle, tagger, tmp_path):
    X = [SENTENCES[i % len(SENTENCES)] for i in range(2 * CHUNK + 5)]
    done = []
    expected = list(tagger.stream(X))
    assert list(tagger.stream(iter(X), n_jobs=2, progress=lambda *counts: done.append(counts))) == expected
    assert [count for count, _ in done] == [CHUNK, 2 * CHUNK, len(X)]
    assert done[-1][1] == sum(map(len, expected))
    with Predictor.load(bundle.write(tmp_path / "model"), window=2, overlap=1) as loaded:
        short = X[:20]
        (p, q) = ([row for _, row in loaded.stream_proba(short, n_jobs=n)] for n in (1, 2))
        for ours, theirs in zip(p, q, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        with pytest.raises(DataError, match="every sequence must have tokens"):
            list(loaded.stream([np.zeros((2, 3))], n_jobs=2))
        other = Bundle(bundle.manifest | {"scheme": "none"}, bundle.files)
        other.write(tmp_path / "model")
        with pytest.raises(BundleError, match="holds another model than the one that was loaded"):
            loaded.stream(short, n_jobs=2)
