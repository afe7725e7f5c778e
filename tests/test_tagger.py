"""The tagger: what it takes and gives, what it learns, and what it says when it cannot."""

import io
import logging
import random
import re
import sys
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

import seqtag
from seqtag import Corpus, Sequence, SequenceTagger, metrics
from seqtag.bundle import Bundle
from seqtag.data import schemes
from seqtag.errors import BundleError, ConfigError, DataError, NotFittedError, ParameterError

X = [["Ada", "moved", "to", "Paris"], ["Paris", "is", "old"], ["It", "rains"]]
Y = [["B-PER", "O", "O", "B-LOC"], ["B-LOC", "O", "O"], ["O", "O"]]
KINDS = ("PER", "LOC", "ORG")


def lists(tagger, X):
    return [list(labels) for labels in tagger.predict(X)]


# --- refused before anything is trained -------------------------------------------------------------------------

WRONG = {
    "encoders": ["words", 3, None, {"words": None}, "Auto"],
    "cell": ["lstmm", None, 1],
    "units": [0, -1, 2.5, "200", None, True],
    "layers": [0, 1.0, "one"],
    "bidirectional": [1, "yes", None],
    "go_backwards": [1, None],
    "merge": ["max", None],
    "residual": [0, "yes"],
    "layer_norm": [1, "batch"],
    "initial_state": ["given", "random", None],
    "unroll": [5, None],
    "decoder": ["viterbi", None],
    "context": [-1, 0.5, "sentence", None, True],
    "dropout": [-0.1, 1, 1.5, float("nan"), "0.5", None],
    "scheme": ["bilou", None],
    "tokenizer": ["spacy", None],
    "epochs": [0, 1.5, "Auto", None],
    "batch_tokens": [0, None],
    "device": ["tpu", None],
    "precision": ["float16", 16],
    "strategy": ["mirror", True],
    "batch_sequences": [0, 1.5],
    "learning_rate": [-1e-3, float("nan"), "fast"],
    "warmup_steps": [-1, 0.5],
    "clip_norm": [-1, None],
    "averaging": [-0.1, 1, 1.0],
    "neighbour_weight": [-0.1, None],
    "patience": [-1, None],
    "validation_fraction": [-0.1, 1, None],
    "class_weight": ["balance", 3, [1, 2]],
    "invalid_tags": ["drop", None],
    "calibrate": [1, None, "yes"],
    "init_from": [3],
    "warm_start": [1, None, "yes"],
    "random_state": [-1, 0.5, "seed"],
    "verbose": [-1, 3, None],
}


def test_every_parameter_has_wrong_values_to_try():
    assert WRONG.keys() == SequenceTagger().get_params().keys()


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_parameter_is_named(name, value):
    with pytest.raises(ParameterError, match=rf"SequenceTagger: {name} must be .*; got {re.escape(repr(value))}"):
        SequenceTagger(**{name: value}).fit(X, Y)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"cell": "ltsm"}, "Did you mean 'lstm'"),
        ({"encoders": ["word"]}, "Did you mean 'words'"),
        ({"encoders": ["words", "words"]}, "none twice"),
        ({"encoders": []}, "at least one encoder"),
        ({"go_backwards": True}, "go_backwards must be False where bidirectional is True"),
        ({"class_weight": {"B-PRE": 2}}, r"class_weight must name labels.*'B-PRE'.* Did you mean 'B-PER'"),
        ({"class_weight": {"O": -1}}, r"class_weight\['O'\] must be a number of at least 0; got -1"),
        ({"class_weight": {"O": float("nan")}}, r"class_weight\['O'\] must be a number"),
        ({"class_weight": {"O": "2"}}, r"class_weight\['O'\] must be a number"),
    ],
)
def test_a_wrong_name_or_weight_is_explained(params, words):
    with pytest.raises(ConfigError, match=words):
        SequenceTagger(**params).fit(X, Y)


def test_a_loop_is_written_out_over_one_length():
    with pytest.raises(
        DataError, match=r"unroll=True needs sequences of one length; these have 2 to 4 tokens\. Set un"
    ):
        SequenceTagger(unroll=True).fit(X, Y)
    with pytest.raises(DataError, match="these have 2 to 3 tokens"):
        SequenceTagger(unroll=True).fit(X[2:] * 2, Y[2:] * 2, validation_data=(X[1:], Y[1:]))


BAD = [
    # X, y, what the message says
    ("a sentence", None, "X must be a list of token lists.*got one str.*pass \\[X\\]"),
    (Sequence(("a",), ("O",)), None, "got one Sequence"),
    (7, None, "got one int"),
    ({"tokens": ["a"]}, None, "got one dict"),
    ([["a"], 7], None, r"X\[1\] must be a list of strings; got int 7"),
    ([["a"], ["b", 7]], None, r"X\[1\]\[1\] must be a string; got int 7"),
    ([["a"], ["b", None]], None, r"X\[1\]\[1\] must be a string; got NoneType"),
    ([["a"], [["b"]]], None, r"X\[1\]\[0\] must be a string; got list"),
    ([b"a"], None, r"X\[0\] must be a list of strings; got bytes"),
    ([{"words": ["a"]}], None, r"X\[0\] must have the key 'tokens' or 'frames', and not both; it has 'words'"),
    ([{"tokens": ["a"], "pos": "N"}], None, r"X\[0\]\['pos'\] must be a list of strings; got str"),
    ([["a"], {"tokens": ["a"], "pos": ["N", "V"]}], None, r"X\[1\]\['pos'\] must have one entry a token; got 2 for 1"),
    (X, Y[:2], "one label list a sequence; got 2 for 3 sequences"),
    (X, [*Y[:2], ["O"]], r"y\[2\] must have one label a token; got 1 for 2"),
    (X, [*Y[:2], "OO"], r"y\[2\] must be a list of strings; got str"),
    (X, [*Y[:2], ["O", 1]], r"y\[2\]\[1\] must be a string; got int"),
    (X, "BIO", "y must be a list of label lists; got one str"),
    (X, 3, "y must be a list of label lists; got one int"),
    (X, None, "every training sequence must have labels; sequence 0 has none. Pass y"),
    ([Sequence(("a",), ("O",)), Sequence(("a",))], None, "sequence 1 has none"),
    ([], [], "at least one token; got 0 sequences"),
    ([[], []], [[], []], "at least one token; got 2 sequences, all empty"),
]


@pytest.mark.parametrize(("bad_X", "bad_y", "words"), BAD)
def test_bad_data_is_named_by_its_index(bad_X, bad_y, words):
    with pytest.raises(DataError, match=words):
        SequenceTagger().fit(bad_X, bad_y)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ([1, 1], r"shape \(3,\); got the shape \(2,\)"),
        ([[1], [1], [1]], r"got the shape \(3, 1\)"),
        ([1, -2, 1], r"got -2.0 for sequence 1"),
        ([1, 1, np.nan], r"got nan for sequence 2"),
        ([1, np.inf, 1], r"got inf for sequence 1"),
        (["a", "b", "c"], r"one number of at least 0 a sequence, shape \(3,\); got \['a'"),
        (2.0, r"got the shape \(\)"),
    ],
)
def test_bad_sample_weights_are_refused(weights, words):
    with pytest.raises(DataError, match=words):
        SequenceTagger().fit(X, Y, sample_weight=weights)


@pytest.mark.parametrize("validation_data", [X, (X,), (X, Y, Y), 3, "dev", (X, None), ([[]], [[]]), Corpus(())])
def test_bad_validation_data_are_refused(validation_data):
    with pytest.raises(DataError, match="validation_data must"):
        SequenceTagger().fit(X, Y, validation_data=validation_data)


@pytest.mark.parametrize(
    ("scheme", "labels", "words"),
    [
        ("iob2", ["NOUN", "O"], "for scheme iob2; got 'NOUN'"),
        ("bioes", ["B-X", "NNP-X"], "for scheme bioes; got 'NNP-X'"),
        ("auto", ["B-X", "L-X"], "BILOU or BMES"),
    ],
)
def test_labels_that_are_no_tags_are_refused(caplog, scheme, labels, words):
    with pytest.raises(seqtag.SeqtagError, match=words):
        SequenceTagger(scheme=scheme).fit([["a", "b"], ["a"]], [labels, ["O"]])
    assert not caplog.records  # nothing was repaired, so nothing says so


UNFITTED = {
    "predict": lambda tagger: tagger.predict(X),
    "predict_proba": lambda tagger: tagger.predict_proba(X),
    "score": lambda tagger: tagger.score(X, Y),
    "save": lambda tagger: tagger.save("nowhere"),
    "predictor_": lambda tagger: tagger.predictor_,
    "model_": lambda tagger: tagger.model_,
    "labels_": lambda tagger: tagger.labels_,
    "scheme_": lambda tagger: tagger.scheme_,
    "history_": lambda tagger: tagger.history_,
    "n_tokens_": lambda tagger: tagger.n_tokens_,
    "check_is_fitted": check_is_fitted,
}


@pytest.mark.parametrize("ask", UNFITTED.values(), ids=UNFITTED)
def test_what_needs_fit_says_so(ask):
    expected = (NotFittedError, __import__("sklearn.exceptions").exceptions.NotFittedError)
    with pytest.raises(expected, match="not fitted yet"):
        ask(SequenceTagger())
    assert not hasattr(SequenceTagger(), "labels_")


def test_a_failed_fit_leaves_nothing_behind():
    tagger = SequenceTagger()
    with pytest.raises(DataError):
        tagger.fit(X, Y[:2])
    assert vars(tagger) == vars(SequenceTagger())


# --- what it gives ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_example_of_the_readme(corpora, learned, saved):
    X_test, y_test = corpora["test"].tokens, corpora["test"].labels
    predicted = learned.predict(X_test)
    assert isinstance(predicted, np.ndarray) and predicted.dtype == object and predicted.shape == (len(X_test),)
    assert all(type(labels) is list and type(labels[0]) is str for labels in predicted)
    assert learned.score(X_test, y_test) == metrics.score(y_test, list(predicted), "iob2") > 0.95
    answer = seqtag.load(saved).predict(X_test)
    assert type(answer) is list and answer == list(predicted)
    assert lists(SequenceTagger.load(saved), X_test) == answer
    check_is_fitted(learned)


@pytest.mark.slow
def test_one_sequence_is_still_an_array_of_lists(learned):
    for X_one in ([["mr", "baba"]], [["mr"], ["mr"]]):  # NumPy would make a table of lists of one length
        for values in (learned.predict(X_one), learned.predict_proba(X_one)):
            assert values.shape == (len(X_one),) and values.dtype == object
    assert learned.predict([]).shape == (0,)


@pytest.mark.slow
def test_probabilities_are_rows_of_one_a_token(corpora, learned):
    X_test = corpora["test"].tokens
    for tokens, labels, p in zip(X_test, learned.predict(X_test), learned.predict_proba(X_test), strict=True):
        assert p.shape == (len(tokens), len(learned.labels_))
        assert (p >= 0).all()
        np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-6)
        assert [learned.labels_[i] for i in p.argmax(axis=1)] == labels  # true of a model that is sure


@pytest.mark.slow
def test_a_softmax_tagger_predicts_its_most_probable_labels(corpora, tiny, eager):
    words = Corpus(tuple(Sequence(s.tokens, tuple(t.upper() for t in s.tokens)) for s in corpora["train"][:30]))
    tagger = tiny(decoder="softmax").fit(words)
    assert tagger.scheme_ == "none"
    X_test = corpora["test"].tokens
    for labels, p in zip(tagger.predict(X_test), tagger.predict_proba(X_test), strict=True):
        assert [tagger.labels_[i] for i in p.argmax(axis=1)] == labels


@pytest.mark.slow
def test_every_form_of_the_data_gives_the_same(corpora, learned):
    test = corpora["test"][:8]
    expected = lists(learned, test.tokens)
    objects = np.empty(len(test), object)
    objects[:] = test.tokens
    forms = {
        "tuples": [tuple(tokens) for tokens in test.tokens],
        "arrays": [np.array(tokens) for tokens in test.tokens],
        "object array": objects,
        "strings": [" ".join(tokens) for tokens in test.tokens],
        "Sequence": list(test),
        "Corpus": test,
        "mappings": [{"tokens": tokens, "pos": ["N"] * len(tokens)} for tokens in test.tokens],
        "generator": (tokens for tokens in test.tokens),
        "mixed": [test[0], " ".join(test[1].tokens), *test.tokens[2:]],
    }
    for name, form in forms.items():
        assert lists(learned, form) == expected, name
    assert learned.score(test) == learned.score(test.tokens, test.labels) == learned.score(test.tokens, test)


@pytest.mark.slow
def test_a_score_needs_labels(learned):
    with pytest.raises(DataError, match="every sequence to score must have labels; sequence 0 has none"):
        learned.score([["mr", "baba"]])


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_neither_batch_nor_order_nor_padding_changes_an_answer(corpora, learned, data):
    words = [*sorted({token for tokens in corpora["train"].tokens for token in tokens}), "unseen", "Ä1"]
    X = data.draw(st.lists(st.lists(st.sampled_from(words), max_size=12), min_size=1, max_size=8))
    order = data.draw(st.permutations(range(len(X))))
    together, p_together = learned.predict(X), learned.predict_proba(X)
    shuffled, p_shuffled = learned.predict([X[i] for i in order]), learned.predict_proba([X[i] for i in order])
    padded = learned.predict([*X, ["baba"] * 90])
    for place, i in enumerate(order):
        assert together[i] == shuffled[place] == padded[i] == learned.predict([X[i]])[0]
        assert len(together[i]) == len(X[i])
        np.testing.assert_allclose(p_together[i], p_shuffled[place], atol=1e-4)


@pytest.mark.slow
def test_empty_sequences_get_no_labels(corpora, learned):
    assert lists(learned, [[], ["mr"], [], ""]) == [[], lists(learned, [["mr"]])[0], [], []]
    assert [p.shape for p in learned.predict_proba([[], ["mr"]])] == [
        (0, len(learned.labels_)),
        (1, len(learned.labels_)),
    ]
    assert lists(learned, [[]]) == [[]]
    assert learned.score([[], *corpora["test"].tokens], [[], *corpora["test"].labels]) == learned.score(corpora["test"])


@pytest.mark.slow
def test_more_sequences_than_a_chunk(learned):
    X_many = [["mr", "baba"], ["baba"], []] * 700
    assert lists(learned, X_many) == lists(learned, X_many[:3]) * 700


# --- what it learns ---------------------------------------------------------------------------------------------


def future_labels(corpus):
    """The places where only what follows tells the label: names after "mr", PER or ORG."""
    return [
        (s, i)
        for s, sequence in enumerate(corpus)
        for i, label in enumerate(sequence.labels)
        if label[2:] in ("PER", "ORG")
    ]


def right_at(places, tagger, corpus):
    predicted = tagger.predict(corpus)
    return np.mean([predicted[s][i] == corpus[s].labels[i] for s, i in places])


@pytest.mark.slow
def test_the_future_needs_a_backward_direction(corpora, learned):
    params = learned.get_params() | {"bidirectional": False, "encoders": ["words"]}
    forward = SequenceTagger(**params).fit(corpora["train"], validation_data=corpora["dev"])
    places = future_labels(corpora["test"])
    assert len(places) > 30
    assert right_at(places, learned, corpora["test"]) > 0.95
    assert right_at(places, forward, corpora["test"]) < 0.75
    assert forward.score(corpora["test"]) < 0.8 < 0.95 < learned.score(corpora["test"])
    first = [["mr", "baba", end] for end in ("ltd", "daba")]
    assert len({labels[1] for labels in learned.predict(first)}) == 2
    emissions = [p[:2] for p in forward.predict_proba([["mr", "baba"] + ["daba"] * n for n in (1, 9)])]
    assert not np.array_equal(*emissions)  # the CRF looks ahead where the network does not


@pytest.mark.slow
def test_the_same_seed_gives_the_same_model(corpora, learned):
    again = clone(learned).fit(corpora["train"], validation_data=corpora["dev"])
    for name in set(again.bundle_.files) - {"metrics.json", "README.md"}:  # these tell how long it took
        assert again.bundle_.files[name] == learned.bundle_.files[name], name
    assert again.bundle_.manifest == learned.bundle_.manifest
    for measure in ("loss", "score", "best_epoch"):
        assert again.history_[measure] == learned.history_[measure]


@pytest.mark.slow
def test_another_seed_gives_another_model(tiny, eager):
    fitted = (tiny(random_state=seed, validation_fraction=0).fit(X, Y) for seed in (3, 4))
    one, other = (tagger.bundle_.arrays("weights.npz") for tagger in fitted)
    assert one.keys() == other.keys()
    for name in ("words_vectors/embeddings", "emissions/kernel", "recurrent_0/forward/lstm_cell/kernel"):
        assert np.isclose(one[name], other[name]).mean() < 0.01, name


@pytest.mark.slow
def test_without_a_seed_each_model_is_its_own_and_its_seed_is_kept(tiny, eager):
    one, other = (tiny(random_state=None, validation_fraction=0).fit(X, Y) for _ in range(2))
    seeds = [tagger.bundle_.json("metrics.json")["seed"] for tagger in (one, other)]
    assert seeds[0] != seeds[1]
    again = tiny(random_state=seeds[0], validation_fraction=0).fit(X, Y)
    assert again.bundle_.files["weights.npz"] == one.bundle_.files["weights.npz"]


@pytest.mark.slow
def test_the_seeds_of_others_have_no_influence(tiny, eager):
    models = []
    for seed in (1, 2):
        random.seed(seed)
        np.random.seed(seed)
        models.append(tiny().fit(X, Y).bundle_.files["weights.npz"])
    assert models[0] == models[1]


@pytest.mark.slow
def test_parameters_reach_the_network_and_the_training(tiny, eager):
    stack = {"cell": "gru", "units": 3, "layers": 2, "merge": "mean", "residual": True, "layer_norm": True,
             "initial_state": "learned", "dropout": 0.25}  # fmt: skip
    network = {"decoder": "softmax", "dropout": 0.25}
    training = {
        "epochs": 2,
        "batch_tokens": 90,
        "batch_sequences": 17,
        "learning_rate": 0.03,
        "warmup_steps": 7,
        "clip_norm": 0.5,
        "averaging": 0.75,
        "neighbour_weight": 0.125,
        "patience": 4,
    }
    tagger = tiny(**network | stack, **training)
    assert asdict(tagger._settings(n_tokens=50, seed=11)) == training | {"seed": 11}
    assert tagger.set_params(epochs="auto")._settings(n_tokens=200_000, seed=0).epochs == 8
    config = tagger.set_params(epochs=1).fit(X, Y).bundle_.manifest["network"]
    assert config == config | network and config["neighbour_words"] is True and config["seed"] == 0
    assert config["stack"] == stack | {"direction": "both", "steps": None, "weight_dropout": 0.0}
    assert [spec["name"] for spec in config["features"]] == ["words"]


@pytest.mark.slow
@pytest.mark.parametrize("decoder", ["crf", "softmax"])
def test_a_loop_that_is_written_out_computes_the_same(corpora, tiny, decoder):
    longer = [s for s in corpora["train"] if len(s) >= 5][:30]
    even = Corpus(tuple(Sequence(s.tokens[:5], s.labels[:5]) for s in longer))
    params = {"decoder": decoder, "epochs": 3, "learning_rate": 0.02, "batch_tokens": 60}
    looped, unrolled = (tiny(**params, unroll=unroll).fit(even) for unroll in (False, True))
    assert unrolled.bundle_.manifest["network"]["stack"]["steps"] == 5
    np.testing.assert_allclose(unrolled.history_["loss"], looped.history_["loss"], rtol=1e-4)
    for one, other in zip(unrolled.predict_proba(corpora["test"]), looped.predict_proba(corpora["test"]), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)  # and of any length


@pytest.mark.slow
@pytest.mark.parametrize("encoders", [["chars", "words"], ["affixes"]], ids=str)
def test_neighbouring_words_are_predicted_wherever_words_are_read(tiny, eager, encoders):
    tagger = tiny(encoders=encoders, neighbour_weight=0.5, validation_fraction=0).fit(X, Y)
    frequencies = tagger.bundle_.arrays("weights.npz").get("neighbour_words/frequencies")
    assert (frequencies is not None) == ("words" in encoders)
    if frequencies is not None:  # "paris" stands twice; seven words stand once
        np.testing.assert_allclose(frequencies, np.array([0, 0, 2, *[1] * 7]) / 9, rtol=1e-6)


# --- schemes ----------------------------------------------------------------------------------------------------


def in_scheme(corpus, scheme):
    def convert(labels):
        return labels if scheme == "iob2" else schemes.convert(labels, "iob2", scheme)

    touching = Sequence(("baba", "caba"), ("B-PER", "B-PER"))  # without which io and iob1 are one
    return Corpus(tuple(Sequence(s.tokens, tuple(convert(s.labels))) for s in (touching, *corpus)))


def random_sentences(corpus, n=60, seed=0):
    draw = random.Random(seed)
    words = [*sorted({token for sequence in corpus for token in sequence.tokens}), "?"]
    return [[draw.choice(words) for _ in range(draw.randint(1, 9))] for _ in range(n)]


@pytest.mark.slow
@pytest.mark.parametrize("decoder", ["crf", "softmax"])
@pytest.mark.parametrize("scheme", ["io", "iob1", "iob2", "bioes"])
def test_predictions_are_valid_in_the_users_scheme(corpora, tiny, eager, scheme, decoder):
    tagger = tiny(decoder=decoder).fit(in_scheme(corpora["train"][:30], scheme))
    assert tagger.scheme_ == scheme
    predicted = lists(tagger, random_sentences(corpora["train"]))
    assert not [found for labels in predicted for found in schemes.problems(labels, scheme)]
    assert len({label for labels in predicted for label in labels}) > 1  # so that there is something to be invalid


@pytest.mark.slow
def test_labels_without_a_scheme_come_back_as_they_are(corpora, tiny, eager):
    odd = Corpus(
        tuple(Sequence(s.tokens, tuple(f"I-{t}" if t == "mr" else t for t in s.tokens)) for s in corpora["train"][:30])
    )
    tagger = tiny(epochs=2).fit(odd)
    assert tagger.scheme_ == "none" and set(tagger.labels_) == {label for s in odd for label in s.labels}
    spans = tiny(scheme="none").fit(in_scheme(corpora["train"][:10], "bioes"))
    assert spans.scheme_ == "none" and np.isclose(
        spans.score(corpora["test"]), metrics.token_accuracy(corpora["test"].labels, lists(spans, corpora["test"]))
    )


@pytest.mark.slow
def test_a_learned_tagger_is_valid_on_nonsense(corpora, learned):
    predicted = lists(learned, random_sentences(corpora["train"], 300))
    assert not [found for labels in predicted for found in schemes.problems(labels, "iob2")]


INVALID = Corpus(
    (
        Sequence(("in", "New", "York"), ("O", "I-LOC", "I-LOC"), lines=(11, 12, 13)),
        Sequence(("Ada",), ("B-PER",), lines=(15,)),
        Sequence(("Ada", "York"), ("B-PER", "I-LOC"), lines=(17, 18)),
        *[Sequence(("in", "Oslo"), ("O", "B-LOC"), lines=(20, 21))] * 3,
    ),
    "towns",
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("invalid_tags", "done"), [("repair", "repaired as conlleval reads them"), ("allow", "allowed")]
)
def test_invalid_gold_tags_are_reported_with_their_lines(tiny, eager, caplog, invalid_tags, done):
    tagger = tiny(scheme="iob2", invalid_tags=invalid_tags, validation_fraction=0).fit(INVALID)
    (record,) = caplog.records
    assert record.name == "seqtag" and record.levelno == logging.WARNING
    message = record.getMessage()
    assert f"2 training labels break the scheme iob2 and were {done}" in message
    assert "line 12: I-LOC after O" in message and "line 18: I-LOC after B-PER" in message
    assert np.isfinite(tagger.history_["loss"]).all() and tagger.history_["loss"][0] < 10
    start, into = (tagger.bundle_.arrays("decoder.npz")[name] for name in ("start", "transitions"))
    o, i, per = (tagger.labels_.index(label) for label in ("O", "I-LOC", "B-PER"))
    assert (into[o, i] > -100) == (into[per, i] > -100) == (invalid_tags == "allow")
    assert start[i] < -100  # never seen there


@pytest.mark.slow
def test_many_invalid_sequences_are_counted_and_few_are_shown(tiny, eager, caplog):
    bad = [Sequence(("a", "b"), ("O", "I-X"))] * 9 + [Sequence(("a",), ("B-X",))]
    tiny(scheme="iob2").fit(bad)
    message = caplog.records[0].getMessage()
    assert "9 training labels break" in message and "sequence 4, token 1: " in message and "sequence 5" not in message
    assert "; and 4 more sequences" in message


@pytest.mark.slow
def test_valid_gold_tags_are_not_reported(tiny, eager, caplog):
    tiny().fit(X, Y)
    assert not caplog.records


# --- training data ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_unknown_labels_in_the_development_data_count_as_wrong(tiny, eager):
    dev = ([["Ada", "sings"], ["It", "rains"]], [["B-NEW", "O"], ["O", "O"]])
    tagger = tiny().fit(X, Y, validation_data=dev)
    assert "B-NEW" not in tagger.labels_ and tagger.score(*dev) == tagger.history_["score"][0] == 0
    words = tiny().fit([["a", "b"]] * 5, [["x", "y"]] * 5, validation_data=([["a"]], [["never"]]))
    assert words.history_["score"] == [0.0]


@pytest.mark.slow
def test_a_part_is_held_out_by_the_seed(corpora, tiny, eager):
    train = corpora["train"][:40]
    fitted = {seed: tiny(validation_fraction=0.25, random_state=seed).fit(train) for seed in (0, 1)}
    sizes = {seed: tagger.n_tokens_ for seed, tagger in fitted.items()}
    assert 0.6 * train.n_tokens < sizes[0] < 0.9 * train.n_tokens and sizes[0] != sizes[1]
    everything = tiny(validation_fraction=0).fit(train)
    assert everything.n_tokens_ == train.n_tokens
    assert "No development data" in everything.bundle_.files["README.md"].decode()
    with_dev = tiny(validation_fraction=0.25).fit(train, validation_data=corpora["dev"])
    assert with_dev.n_tokens_ == train.n_tokens
    assert with_dev.history_["score"] == [with_dev.score(corpora["dev"])]


@pytest.mark.slow
def test_one_sequence_of_one_token_can_be_trained_on(tiny, eager):
    tagger = tiny(epochs=2).fit([["a"]], [["X"]])
    assert tagger.labels_ == ("X",) and lists(tagger, [["b", "a"]]) == [["X", "X"]]


@pytest.mark.slow
@pytest.mark.parametrize("invalid_tags", ["repair", "allow"])
def test_empty_training_sequences_change_nothing(tiny, eager, invalid_tags):
    params = {"validation_fraction": 0, "invalid_tags": invalid_tags, "class_weight": "balanced"}
    without = tiny(**params).fit(X, Y, sample_weight=[1, 2, 3])
    between = tiny(**params).fit([[], X[0], X[1], [], X[2]], [[], *Y[:2], [], Y[2]], sample_weight=[9, 1, 2, 0, 3])
    assert between.bundle_.files["weights.npz"] == without.bundle_.files["weights.npz"]
    held_out = tiny(validation_fraction=0.5).fit([[], [], *X], [[], [], *Y])
    assert held_out.n_tokens_ < sum(map(len, X))


@pytest.mark.slow
def test_columns_are_read_as_features(tiny, eager):
    sentences = [{"tokens": ["a", "a"], "pos": pos} for pos in (["N", "V"], ["V", "N"], ["V", "V"], ["N", "N"])] * 5
    labels = [[tag.lower() for tag in sentence["pos"]] for sentence in sentences]
    learns = {"decoder": "softmax", "epochs": 8, "learning_rate": 0.1, "averaging": 0, "dropout": 0, "patience": 0}
    tagger = tiny(encoders=["words", {"column": "pos"}], **learns)
    tagger.fit(sentences, labels)
    assert tagger.score(sentences, labels) == 1
    with pytest.raises(DataError, match=r"must have the column 'pos'.* has none"):
        tagger.predict([["a"]])


# --- weights ----------------------------------------------------------------------------------------------------

ONE = {"validation_fraction": 0, "averaging": 0, "learning_rate": 0.05, "dropout": 0, "batch_tokens": 40}


@pytest.mark.slow
@pytest.mark.parametrize("decoder", ["crf", "softmax"])
def test_a_sequence_of_no_weight_teaches_nothing(corpora, tiny, eager, decoder):
    """Were its labels of any influence, others would lead to other weights."""
    train = corpora["train"][:10]
    weights = np.arange(10) % 2
    shuffled = [s.labels if weight else s.labels[::-1] for s, weight in zip(train, weights, strict=True)]
    assert shuffled != train.labels
    params = ONE | {"decoder": decoder, "scheme": "none", "epochs": 2}
    true, false = (
        tiny(**params).fit(train.tokens, labels, sample_weight=weights) for labels in (train.labels, shuffled)
    )
    assert true.bundle_.files["weights.npz"] == false.bundle_.files["weights.npz"]
    unweighted = tiny(**params).fit(train)
    assert unweighted.bundle_.files["weights.npz"] != true.bundle_.files["weights.npz"]


@pytest.mark.slow
def test_a_label_of_no_weight_teaches_a_softmax_nothing(tiny, eager):
    y_other = [["B-PER", "O", "O", "B-PER"], *Y[1:]]
    sure = {"decoder": "softmax", "scheme": "none", "class_weight": {"B-LOC": 0, "B-PER": 0}}
    one, other = (tiny(**ONE | sure).fit(X, y) for y in (Y, y_other))
    assert one.bundle_.files["weights.npz"] == other.bundle_.files["weights.npz"]


@pytest.mark.slow
@pytest.mark.parametrize("decoder", ["crf", "softmax"])
@pytest.mark.parametrize("favoured", ["A", "B"])
def test_the_heavier_of_two_opinions_wins(tiny, eager, decoder, favoured):
    X_same, y_both = [["u", "v"]] * 16, [["A", "A"], ["B", "B"]] * 8
    weights = [9.0 if labels[0] == favoured else 1.0 for labels in y_both]
    tagger = tiny(**ONE | {"decoder": decoder, "epochs": 8}).fit(X_same, y_both, sample_weight=weights)
    assert lists(tagger, X_same[:1]) == [[favoured, favoured]]
    p = tagger.predict_proba(X_same[:1])[0][:, tagger.labels_.index(favoured)]
    assert ((p > 0.7) & (p < 0.99)).all()  # nine to one


@pytest.mark.slow
@pytest.mark.parametrize("decoder", ["crf", "softmax"])
@pytest.mark.parametrize("class_weight", [{"rare": 10.0}, "balanced"])
def test_a_heavier_label_becomes_more_probable(tiny, eager, decoder, class_weight):
    X_same, y_mixed = [["u"]] * 20, [["rare"]] * 4 + [["usual"]] * 16
    params = ONE | {"decoder": decoder, "epochs": 5, "learning_rate": 0.08}
    plain, weighted = (tiny(**params, class_weight=weight).fit(X_same, y_mixed) for weight in (None, class_weight))
    p, q = (tagger.predict_proba(X_same[:1])[0][0, tagger.labels_.index("rare")] for tagger in (plain, weighted))
    assert p < 0.4 and q > p + 0.1
    if class_weight != "balanced":
        assert q > 0.5


# --- what is shown ----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_only_what_was_asked_for_is_shown(tiny, eager, capfd, caplog, verbose):
    caplog.set_level(logging.INFO, "seqtag")
    tiny(verbose=verbose, epochs=3, patience=0).fit(X * 5, Y * 5)
    shown = capfd.readouterr()
    assert shown.out == ""
    line = r"epoch {}/3  loss \d+\.\d{{4}}  span F1 \d\.\d{{4}}  +[\d,]+ tokens/s"
    for epoch in (1, 2, 3):
        assert bool(re.search(line.format(epoch), shown.err)) == (verbose == 1)
    logged = [record.getMessage() for record in caplog.records if record.name == "seqtag"]
    assert len(logged) == (3 if verbose == 2 else 0)
    assert all(re.fullmatch(line.format(i), message) for i, message in enumerate(logged, 1))
    if verbose != 1:
        assert "epoch" not in shown.err


@pytest.mark.slow
def test_a_terminal_sees_a_bar(tiny, eager, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    tiny(verbose=1).fit([["a", "b"]] * 5, [["x", "y"]] * 5)
    assert "left" in terminal.getvalue() and "loss" in terminal.getvalue() and "accuracy" in terminal.getvalue()


@pytest.mark.slow
def test_keras_callbacks_are_called(tiny, eager):
    import keras

    seen = []

    class Recorder(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            seen.append(self.model.name)

        def on_epoch_end(self, epoch, logs=None):
            seen.append(dict(logs))
            self.model.stop_training = epoch == 1

    tagger = tiny(epochs=5).fit(X, Y, callbacks=[Recorder()])
    assert len(seen) == 3  # stopped after two epochs
    assert {"loss", "score", "tokens_per_second"} <= seen[1].keys()
    assert [logs["loss"] for logs in seen[1:]] == tagger.history_["loss"]
    assert [logs["score"] for logs in seen[1:]] == tagger.history_["score"]


@pytest.mark.slow
def test_a_loss_that_is_no_number_is_explained(tiny, eager):
    with pytest.raises(seqtag.errors.TrainingError, match=r"became nan in epoch 1. Lower learning_rate \(now 1e\+30"):
        tiny(learning_rate=1e30, clip_norm=0, epochs=2, warmup_steps=0).fit(X * 30, Y * 30)


@pytest.mark.slow
def test_patience_stops_a_stalled_run_and_the_best_is_kept(tiny, eager):
    tagger = tiny(epochs=60, patience=2, learning_rate=0.02, warmup_steps=0).fit(X * 4, Y * 4, validation_data=(X, Y))
    history = tagger.history_
    best = max(history["score"])
    first, last = history["score"].index(best), len(history["score"])
    assert best > 0 and last == first + 3 < 60 and first <= history["best_epoch"] < last
    assert set(history) == {"loss", "score", "seconds", "tokens_per_second", "best_epoch"}


@pytest.mark.slow
def test_a_run_that_has_not_begun_to_learn_is_not_stalled(tiny, eager):
    dev = (X, [["O"] * len(tokens) for tokens in X])  # no spans to find: the score stays at 0
    tagger = tiny(epochs=5, patience=2).fit(X, Y, validation_data=dev)
    assert tagger.history_["score"] == [0.0] * 5 and tagger.history_["best_epoch"] == 4


# --- saved and loaded -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_loaded_tagger_is_the_saved_one(corpora, learned, saved, tmp_path):
    again = SequenceTagger.load(saved)
    assert again.get_params() == learned.get_params() and repr(again) == repr(learned)
    for name in ("labels_", "scheme_", "history_", "n_tokens_"):
        assert getattr(again, name) == getattr(learned, name)
    X_test = corpora["test"].tokens
    for p, q in zip(again.predict_proba(X_test), learned.predict_proba(X_test), strict=True):
        np.testing.assert_array_equal(p, q)
    for weight, restored in zip(learned.model_.weights, again.model_.weights, strict=True):
        assert weight.path == restored.path
        np.testing.assert_array_equal(weight, restored)
    again.save(tmp_path / "again")
    for file in saved.iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


@pytest.mark.slow
def test_fitting_again_forgets_the_first_model(tiny, eager):
    tagger = tiny().fit(X, Y)
    tagger.predict(X)
    tagger.fit([["a", "b"]] * 4, [["x", "y"]] * 4)
    assert tagger.labels_ == ("x", "y") and set(lists(tagger, X)[0]) <= {"x", "y"}


@pytest.mark.slow
def test_the_model_card_tells_what_the_model_is(learned, saved):
    card = (saved / "README.md").read_text("utf-8")
    assert all(label in card for label in learned.labels_)
    assert f"span F1: {learned.history_['score'][learned.history_['best_epoch']]:.4f}" in card
    assert f"{learned.n_tokens_:,} tokens" in card and "seed 0" in card and seqtag.__version__ in card
    assert "bidirectional lstm" in card and "24 units" in card and "decoder crf" in card


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"task": "classification"}, "loads models of the task 'tagging'; this one is of 'classification'"),
        ({"params": {"hidden": 3}}, "parameters are not those of SequenceTagger: .*'hidden'"),
    ],
)
def test_another_estimators_model_is_refused(saved, change, words):
    bundle = Bundle.read(saved)
    with pytest.raises(BundleError, match=words):
        SequenceTagger.from_bundle(Bundle(bundle.manifest | change, bundle.files))
