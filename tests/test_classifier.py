"""The classifier: what it takes and gives, what it learns, and what it says when it cannot."""

import json
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import log_loss
from sklearn.utils.validation import check_is_fitted

from seqtag import Corpus, Sequence, SequenceClassifier, SequenceTagger, errors, load, metrics
from seqtag.bundle import Bundle
from seqtag.choices.pooling import POOLINGS
from seqtag.data.batching import EncodedCorpus
from seqtag.errors import BundleError, ConfigError, DataError, ParameterError
from seqtag.tasks._class_scoring import LEAST

X = [["what", "a", "joy"], ["how", "dull"], ["a", "joy", "to", "see"], ["dull", "and", "long"]] * 3
Y = ["good", "bad", "good", "bad"] * 3
LEARNS = {"epochs": 12, "learning_rate": 0.1, "averaging": 0.0, "dropout": 0.0, "warmup_steps": 0}


def logits(estimator, X):
    """What the exported network gives."""
    predictor = estimator.predictor_
    sequences = estimator._sequences(X)
    return predictor.backend.compute(EncodedCorpus(predictor.features, sequences).batch(np.arange(len(X))).inputs)


# --- refused before anything is trained -------------------------------------------------------------------------

WRONG = {
    "pooling": ["maximum", None, 1],
    "multi_label": ["several", None, 1],
    "label_smoothing": [-0.1, 1, None],
    "calibrate": [1, None, "yes"],
    "merge": ["max"],
    "initial_state": ["given"],
    "unroll": [8],
    "warm_start": ["yes"],
    "device": ["tpu", None],
    "precision": ["float16", 16],
    "strategy": ["mirror", True],
    "batch_sequences": [0],
}


def test_the_parameters_that_both_estimators_have_are_declared_alike():
    from seqtag.params import schema

    ours, theirs = schema(SequenceClassifier), schema(SequenceTagger)
    assert ours.keys() - theirs.keys() == {"pooling", "multi_label", "label_smoothing"}
    assert theirs.keys() - ours.keys() == {"decoder", "context", "scheme", "invalid_tags"}
    for name in ours.keys() & theirs.keys():
        assert (ours[name].param, ours[name].types, ours[name].literals) == (
            theirs[name].param,
            theirs[name].types,
            theirs[name].literals,
        )
        assert ours[name].doc


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_parameter_is_named(name, value):
    with pytest.raises(ParameterError, match=rf"SequenceClassifier: {name} must be .*; got {re.escape(repr(value))}"):
        SequenceClassifier(**{name: value}).fit(X, Y)


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"pooling": "atention"}, ConfigError, "pooling must be 'last' or .*Did you mean 'attention'"),
        ({"encoders": ["frames"]}, ConfigError, "encoder 'frames' reads numbers, and these sequences have tokens"),
        ({"go_backwards": True}, ParameterError, "go_backwards must be False where bidirectional is True"),
        ({"unroll": True}, DataError, "unroll=True needs sequences of one length; these have 2 to 4 tokens"),
        ({"class_weight": {"god": 1}}, ParameterError, r"must name labels of the training data; got 'god'.*'good'"),
    ],
)
def test_a_wrong_choice_is_explained(params, error, message):
    with pytest.raises(error, match=message):
        SequenceClassifier(**params).fit(X, Y)


@pytest.mark.parametrize(
    ("bad_X", "bad_y", "options", "message"),
    [
        ("a joy", None, {}, r"X must be a list of token lists.*got one str.*pass \[X\]"),
        (X, None, {}, "requires y to be passed, but the target y is None. Pass y, or sequences with a label"),
        (X, Y[:3], {}, r"inconsistent numbers of samples: \[12, 3\]"),
        (X[:2], [["good"], None], {}, r"y\[1\] must hold strings or integers; got None"),
        (X[:2], [["good"], ["bad"]], {"multi_label": False}, "one class a sequence with multi_label=False"),
        (X[:2], ["good", 1], {}, "classes must be all strings or all numbers; got strings and 1"),
        ([["a"], 7], ["x", "y"], {}, r"X\[1\] must be a list of strings; got int 7"),
        ([["a"], np.zeros((2, 1))], ["x", "y"], {}, r"X must hold tokens or numbers, not both"),
        ([np.zeros((2, 1)), np.zeros((2, 2))], ["x", "y"], {}, r"X\[1\] must have as many features as X\[0\]"),
        ([], [], {}, "at least one sequence that is not empty and one class; got 0 sequences"),
        ([[], ""], ["x", "y"], {}, "at least one sequence that is not empty"),
        (X[:2], [[], []], {}, "and one class; got 2 sequences of 0 classes"),
    ],
)
def test_bad_data_are_explained(bad_X, bad_y, options, message):
    with pytest.raises((DataError, ValueError), match=message):
        SequenceClassifier(**options).fit(bad_X, bad_y)


@pytest.mark.parametrize(
    ("validation_data", "message"),
    [
        (X, r"validation_data must be a pair \(X, y\) or a Corpus; got list"),
        (3, "validation_data must be a pair"),
        ((X, None), "requires y to be passed"),
        (Corpus((Sequence(("a",)),)), "requires y to be passed"),
        (([[]], ["good"]), "validation_data must hold sequences that are not empty"),
        (([["a"]], [["good", "bad"]]), "one class a sequence"),
    ],
)
def test_bad_validation_data_are_refused(validation_data, message):
    with pytest.raises((DataError, ValueError), match=message):
        SequenceClassifier().fit(X, Y, validation_data=validation_data)


UNFITTED = {
    "predict": lambda it: it.predict(X),
    "predict_proba": lambda it: it.predict_proba(X),
    "score": lambda it: it.score(X, Y),
    "reliability": lambda it: it.reliability(X, Y),
    "trace": lambda it: it.trace(X),
    "save": lambda it: it.save("nowhere"),
    **{
        name: lambda it, name=name: getattr(it, name)
        for name in ("predictor_", "model_", "classes_", "temperature_", "history_", "n_tokens_")
    },
}


@pytest.mark.parametrize("ask", UNFITTED.values(), ids=UNFITTED)
@pytest.mark.parametrize("error", [NotFittedError, errors.NotFittedError], ids=["theirs", "ours"])
def test_what_needs_fit_says_so(ask, error):
    with pytest.raises(error, match="not fitted yet"):
        ask(SequenceClassifier())
    with pytest.raises(NotFittedError):
        check_is_fitted(SequenceClassifier())
    assert not hasattr(SequenceClassifier(), "classes_")


# --- what it gives ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_it_learns_what_only_the_order_of_words_tells(kinds, classified):
    X_test, y_test = kinds["test"].tokens, [sequence.label for sequence in kinds["test"]]
    predicted = classified.predict(X_test)
    assert predicted.shape == (len(X_test),) and predicted.dtype.kind == "U"
    assert classified.score(X_test, y_test) == np.mean(predicted == y_test) > 0.9
    assert classified.classes_.tolist() == ["LOC", "ORG", "PER", "none"]
    p = classified.predict_proba(X_test)
    assert p.shape == (len(X_test), 4) and (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    np.testing.assert_array_equal(predicted, classified.classes_[p.argmax(axis=1)])
    backwards = [tokens[::-1] for tokens in X_test]
    assert classified.score(backwards, y_test) < 0.75


@pytest.mark.slow
def test_every_form_of_the_data_gives_the_same(kinds, classified):
    test = kinds["test"][:8]
    expected = classified.predict_proba(test.tokens)
    objects = np.empty(len(test), object)
    objects[:] = test.tokens
    forms = {
        "tuples": [tuple(tokens) for tokens in test.tokens],
        "object array": objects,
        "strings": [" ".join(tokens) for tokens in test.tokens],
        "array of strings": np.array([" ".join(tokens) for tokens in test.tokens]),
        "Sequence": list(test),
        "Corpus": test,
        "mappings": [{"tokens": tokens} for tokens in test.tokens],
        "generator": (tokens for tokens in test.tokens),
    }
    for name, form in forms.items():
        np.testing.assert_array_equal(classified.predict_proba(form), expected, err_msg=name)
    labels = [sequence.label for sequence in test]
    assert classified.score(test) == classified.score(test.tokens, labels) == classified.score(test, np.array(labels))
    assert classified.predict([]).shape == (0,) and classified.predict_proba([]).shape == (0, 4)


@pytest.mark.slow
def test_strings_are_split_by_the_tokenizer(small, eager):
    texts = ["A joy!", "Dull, dull."] * 4
    fitted = small(tokenizer="words").fit(texts, ["good", "bad"] * 4)
    assert "!" in fitted.predictor_.features[0].lookups[0].table
    np.testing.assert_array_equal(
        fitted.predict_proba(texts[:2]), fitted.predict_proba([["A", "joy", "!"], ["Dull", ",", "dull", "."]])
    )


@pytest.mark.slow
@settings(max_examples=25)
@given(data=st.data())
def test_neither_batch_nor_order_nor_padding_changes_an_answer(kinds, classified, data):
    words = [*sorted({token for tokens in kinds["train"].tokens for token in tokens}), "unseen", "Ä1"]
    X = data.draw(st.lists(st.lists(st.sampled_from(words), max_size=12), min_size=1, max_size=8))
    order = data.draw(st.permutations(range(len(X))))
    together = classified.predict_proba(X)
    np.testing.assert_allclose(classified.predict_proba([X[i] for i in order]), together[order], atol=1e-5)
    np.testing.assert_allclose(classified.predict_proba([*X, ["baba"] * 90])[:-1], together, atol=1e-5)
    for tokens, p in zip(X, together, strict=True):
        np.testing.assert_allclose(classified.predict_proba([tokens])[0], p, atol=1e-5)


@pytest.mark.slow
def test_a_sequence_without_tokens_has_the_classes_of_the_training_data(kinds, classified):
    labels = [sequence.label for sequence in kinds["train"]]
    counts = np.array([labels.count(label) for label in classified.classes_]) + 1
    for p in classified.predict_proba([[], ""]):
        np.testing.assert_allclose(p, counts / counts.sum())
    assert classified.predict([[]])[0] == classified.classes_[counts.argmax()]
    mixed = classified.predict_proba([[], ["mr"], []])
    np.testing.assert_array_equal(mixed[1], classified.predict_proba([["mr"]])[0])


@pytest.mark.slow
def test_a_frequency_is_the_prior_whatever_the_temperature(small, eager, kinds):
    fitted = small(label_smoothing=0.2).fit(kinds["train"], validation_data=kinds["dev"])
    assert fitted.temperature_ != 1.0
    labels = [sequence.label for sequence in kinds["train"]]
    expected = np.array([labels.count(label) + 1 for label in fitted.classes_])
    np.testing.assert_allclose(fitted.predict_proba([[]])[0], expected / expected.sum(), rtol=1e-6)


@pytest.mark.slow
def test_unknown_words_are_all_alike(classified):
    one, other = classified.predict_proba([["xyzzy", "plugh"], ["frob", "nicate"]])
    np.testing.assert_array_equal(one, other)
    assert np.isfinite(one).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    "y",
    [["b", "a", "c"], [3, 1, 2], [-1, 0, 5], [1.0, 0.0, 2.0], [True, False, True], np.array([7, 8, 9], np.uint8)],
    ids=str,
)
def test_classes_come_back_as_they_were(small, eager, tmp_path, y):
    X = [["one"], ["two"], ["three"]] * 5
    given = np.array(list(y) * 5)
    fitted = small(**LEARNS).fit(X, given)
    again = SequenceClassifier.load(fitted.save(tmp_path / "model"))
    for classifier in (fitted, again):
        assert classifier.classes_.tolist() == sorted(set(given.tolist()))
        assert classifier.classes_.dtype.kind == given.dtype.kind.replace("u", "i")
        assert classifier.predict(X[:3]).tolist() == given[:3].tolist()
    assert json.loads(json.dumps(load(tmp_path / "model").predict(X[:3]))) == given[:3].tolist()


# --- one vector a sequence --------------------------------------------------------------------------------------

SEVERAL = [("joy",), (), ("joy", "sight"), ("dull",)] * 3
MATRIX = np.array([[0, 1, 0, 0], [0, 0, 0, 0], [0, 1, 1, 0], [1, 0, 0, 0]] * 3)  # of the last none
TARGETS = {"one": Y, "several": SEVERAL, "matrix": MATRIX}


POOLED = [(name, form) for i, name in enumerate(POOLINGS) for form in ("one", list(TARGETS)[1 + i % 2])]


@pytest.mark.slow
@pytest.mark.parametrize(("pooling", "form"), POOLED)
def test_every_pooling_learns_one_class_and_several(small, eager, tmp_path, pooling, form):
    y = TARGETS[form]
    fitted = small(pooling=pooling, **LEARNS).fit(X, y)
    loaded = SequenceClassifier.load(fitted.save(tmp_path / "model"))
    for classifier in (fitted, loaded):
        assert classifier.score(X, y) == 1.0
        predicted = classifier.predict(X)
        assert predicted.tolist() == (y.tolist() if form == "matrix" else list(y))
        assert type(predicted) is np.ndarray and len(predicted) == len(X)
        p = classifier.predict_proba(X)
        assert p.shape == (len(X), {"one": 2, "several": 3, "matrix": 4}[form])
        if form == "one":
            np.testing.assert_allclose(p.sum(axis=1), 1.0)
        else:
            hot = np.array([[label in row for label in ("dull", "joy", "sight")] for row in SEVERAL])
            np.testing.assert_array_equal(p[:, :3] > 0.5, hot)
            assert (p[:, 3:] < 0.1).all()
    network = fitted.bundle_.manifest["network"]
    assert network["pooling"] == pooling and network["multi_label"] == (form != "one")
    np.testing.assert_allclose(fitted.model_(batch_of(fitted, X)), logits(fitted, X), atol=1e-5)


def batch_of(fitted, X):
    predictor = fitted.predictor_
    return EncodedCorpus(predictor.features, fitted._sequences(X)).batch(np.arange(len(X))).inputs


@pytest.mark.slow
def test_several_labels_without_tokens_have_the_frequency_of_each(small, eager):
    fitted = small().fit(X, SEVERAL)
    np.testing.assert_allclose(fitted.predict_proba([[]])[0], np.array([4, 7, 4]) / 14)
    assert fitted.predict([[]]).tolist() == [()]


@pytest.mark.slow
def test_one_label_a_sequence_may_be_learned_as_several(small, eager):
    fitted = small(multi_label=True, **LEARNS).fit(X, Y)
    assert fitted.predict(X).tolist() == [(label,) for label in Y]
    assert fitted.score(X, Y) == fitted.score(X, [[label] for label in Y]) == 1.0
    assert fitted.score(X, fitted.predict(X)) == 1.0  # what it gives is what it takes
    with pytest.raises(DataError, match=r"y must hold collections of classes, .*; got an indicator matrix"):
        fitted.score(X, MATRIX)


@pytest.mark.slow
def test_sequences_may_carry_several_labels(small, eager):
    corpus = Corpus(tuple(Sequence(tuple(x), label=y) for x, y in zip(X, SEVERAL, strict=True)))
    fitted = small(**LEARNS).fit(corpus, validation_data=corpus)
    assert fitted.score(corpus) == 1.0 and fitted.history_["score"][-1] == 1.0
    annotated = fitted.predictor_.annotate(X)
    assert [sequence.label for sequence in annotated] == SEVERAL
    assert "micro F1: 1.0000" in fitted.bundle_.files["README.md"].decode()


@pytest.mark.slow
@pytest.mark.parametrize("form", TARGETS)
def test_parameters_reach_the_network_and_the_training(small, eager, form):
    stack = {"cell": "gru", "units": 3, "layers": 2, "merge": "mean", "residual": True, "layer_norm": True,
             "initial_state": "learned", "dropout": 0.25}  # fmt: skip
    network = {"pooling": "attention", "label_smoothing": 0.125, "dropout": 0.25}
    fitted = small(**network | stack, neighbour_weight=0.5, random_state=5).fit(X, TARGETS[form])
    config = fitted.bundle_.manifest["network"]
    assert config == config | network and config["neighbour_words"] is True and config["seed"] == 5
    assert config["stack"] == stack | {"direction": "both", "steps": None, "weight_dropout": 0.0}
    card = fitted.bundle_.files["README.md"].decode()
    assert "# A seqtag model: classification\n\n2 bidirectional gru layer(s) of 3 units, pooling attention." in card
    backward = small(bidirectional=False, go_backwards=True).fit(X, TARGETS[form])
    assert backward.bundle_.manifest["network"]["stack"]["direction"] == "backward"


@pytest.mark.slow
@pytest.mark.parametrize("go_backwards", [False, True])
def test_one_direction_has_read_all_at_its_end(small, eager, go_backwards):
    """The last state of the reading is what is pooled: it has seen the first word, and the last."""
    params = {"bidirectional": False, "pooling": "last", "go_backwards": go_backwards}
    firsts = [[first, "x", "x", last] for first in "ab" for last in "cd"] * 4
    for place in (0, -1):
        y = [tokens[place] for tokens in firsts]
        assert small(**params | LEARNS).fit(firsts, y).score(firsts, y) == 1.0


# --- written out ------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["lstm", "gru", "simple_rnn"])
def test_a_loop_that_is_written_out_computes_the_same(small, cell):
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(30, 6, 2))
    y = (frames[:, :3].sum(axis=(1, 2)) > 0).astype(int)
    params = {
        "encoders": "auto",
        "cell": cell,
        "epochs": 3,
        "dropout": 0.2,
        "learning_rate": 0.02,
        "averaging": 0.5,
        "pooling": "mean",
    }
    looped, unrolled = (small(**params, unroll=unroll).fit(frames, y) for unroll in (False, True))
    assert unrolled.bundle_.manifest["network"]["stack"]["steps"] == 6
    assert looped.bundle_.manifest["network"]["stack"]["steps"] is None
    np.testing.assert_allclose(unrolled.history_["loss"], looped.history_["loss"], atol=1e-5)
    np.testing.assert_allclose(unrolled.predict_proba(frames), looped.predict_proba(frames), atol=1e-5)
    model = looped.bundle_.manifest["network"] | {"stack": unrolled.bundle_.manifest["network"]["stack"]}
    from seqtag.nn.network import restore

    same = restore(model, looped.bundle_.arrays("weights.npz"))
    batch = batch_of(looped, frames)
    np.testing.assert_allclose(same(batch), looped.model_(batch), atol=1e-6)
    assert unrolled.predict(rng.normal(size=(3, 9, 2))).shape == (3,)  # the graph has no fixed length


# --- weights ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("form", ["one", "several"])
def test_a_sequence_of_no_weight_teaches_nothing(small, eager, form):
    y = TARGETS[form]
    weights = np.arange(12) >= 3
    wrong = [row if weight else y[3] for row, weight in zip(y, weights, strict=True)]
    params = LEARNS | {"epochs": 2}
    true, false = (small(**params).fit(X, labels, sample_weight=weights) for labels in (y, wrong))
    assert true.bundle_.files["weights.npz"] == false.bundle_.files["weights.npz"]
    unweighted = small(**params).fit(X, y)
    assert unweighted.bundle_.files["weights.npz"] != true.bundle_.files["weights.npz"]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["sample_weight", "class_weight"])
def test_a_class_of_no_weight_is_never_learned(small, eager, how):
    y = [*Y[:-1], "odd"]
    if how == "sample_weight":
        fitted = small(**LEARNS).fit(X, y, sample_weight=[label != "odd" for label in y])
    else:
        fitted = small(**LEARNS, class_weight={"odd": 0}).fit(X, y)
    assert fitted.classes_.tolist() == ["bad", "good", "odd"]
    assert "odd" not in fitted.predict(X) and fitted.predict_proba(X)[:, 2].max() < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("favoured", ["good", "bad"])
def test_the_heavier_of_two_opinions_wins(small, eager, favoured):
    same, y = [["u", "v"]] * 16, ["good", "bad"] * 8
    weights = [9.0 if label == favoured else 1.0 for label in y]
    fitted = small(**LEARNS).fit(same, y, sample_weight=weights)
    p = fitted.predict_proba(same[:1])[0, fitted.classes_.tolist().index(favoured)]
    assert 0.8 < p < 0.97  # nine to one


@pytest.mark.slow
@pytest.mark.parametrize("class_weight", [{"rare": 10.0}, "balanced"])
def test_a_heavier_class_becomes_more_probable(small, eager, class_weight):
    same, y = [["u"]] * 20, ["rare"] * 4 + ["usual"] * 16
    params = LEARNS | {"epochs": 12}
    plain, weighted = (small(**params, class_weight=w).fit(same, y).predict_proba(same[:1])[0, 0] for w in
                       (None, class_weight))  # fmt: skip
    assert plain < 0.35 and weighted > plain + 0.1


@pytest.mark.slow
def test_weights_of_classes_count_in_the_development_score(small, eager):
    dev = (X[:4], ["good", "good", "good", "bad"])
    fitted = small(class_weight={"bad": 3.0}, **LEARNS).fit(X, Y, validation_data=dev)
    right = np.array([True, False, True, True])
    assert fitted.predict(X[:4]).tolist() == Y[:4]
    assert fitted.history_["score"][-1] == pytest.approx(np.average(right, weights=[1, 1, 1, 3]))
    assert fitted.score(*dev) == 0.75  # the score for users is what scikit-learn's is
    assert fitted.score(*dev, sample_weight=[1, 1, 1, 3]) == pytest.approx(5 / 6)


@pytest.mark.slow
def test_smoothed_targets_make_less_sure(small, eager):
    sure, less = (small(**LEARNS, label_smoothing=share).fit(X, Y).predict_proba(X).max() for share in (0.0, 0.3))
    assert sure > 0.95 and less < 0.92


# --- development data -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_development_data_may_be_a_pair_or_a_corpus(small, eager):
    corpus = Corpus(tuple(Sequence(tuple(x), label=y) for x, y in zip(X, Y, strict=True)))
    weights = {
        small().fit(X, Y, validation_data=dev).bundle_.files["weights.npz"]
        for dev in (corpus, (X, Y), [corpus, None], (corpus, np.array(Y)), ([*X, []], [*Y, "good"]))
    }
    assert len(weights) == 1


@pytest.mark.slow
def test_the_best_epoch_is_kept_and_what_it_scored(small, eager):
    params = LEARNS | {"epochs": 30, "learning_rate": 0.05, "warmup_steps": 0, "patience": 3}
    y_dev = ["good", "good", "good", "bad"]  # what helps here cannot last
    fitted = small(**params).fit(X, Y, validation_data=(X[:4], y_dev))
    history = fitted.history_
    best = history["best_epoch"]
    assert history["score"][best] == max(history["score"]) == fitted.score(X[:4], y_dev)
    assert len(history["score"]) < 30 and set(history) == {
        "loss",
        "score",
        "seconds",
        "tokens_per_second",
        "best_epoch",
    }
    assert f"accuracy: {max(history['score']):.4f} (epoch {best + 1})" in fitted.bundle_.files["README.md"].decode()


@pytest.mark.slow
def test_of_equal_scores_the_one_of_lower_log_loss_is_kept(small, eager):
    """On a class that is always right only the probabilities can become better."""
    fitted = small(epochs=6, learning_rate=0.05, averaging=0).fit(X, Y, validation_data=([["dull"]], ["bad"]))
    best = fitted.history_["best_epoch"]
    assert fitted.history_["score"][-3:] == [1.0] * 3 and best == 5


@pytest.mark.slow
def test_classes_that_were_not_trained_count_as_wrong(small, eager):
    dev = ([["a", "joy"], ["how", "new"]], ["good", "new"])
    fitted = small(**LEARNS).fit(X, Y, validation_data=dev)
    assert fitted.classes_.tolist() == ["bad", "good"]
    assert fitted.score(*dev) == max(fitted.history_["score"]) == 0.5
    with pytest.raises(DataError, match="y must hold classes that the classifier was trained on; got 'new'"):
        fitted.reliability(*dev)
    several = small().fit(X, SEVERAL, validation_data=(X[:1], [["new", "joy"]]))
    assert several.score(X[:1], [["new", "joy"]]) == 0.0
    none = small().fit(X, Y, validation_data=([["a"]], ["new"]))
    assert none.history_["score"] == [0.0]


@pytest.mark.slow
def test_a_part_of_each_class_is_held_out_by_the_seed(small, eager):
    y = ["common"] * 10 + ["rare"] * 2
    fitted = small(validation_fraction=0.2).fit(X, y)
    facts = fitted.bundle_.json("metrics.json")
    assert (facts["train_sequences"], facts["development_sequences"]) == (10, 2)
    assert fitted.classes_.tolist() == ["common", "rare"] and len(fitted.history_["score"]) == 1
    one_each = small(validation_fraction=0.5).fit(X[:2], ["x", "y"])
    assert one_each.bundle_.json("metrics.json")["development_sequences"] == 0
    assert one_each.history_["score"] == []


@pytest.mark.slow
def test_empty_training_sequences_change_nothing(small, eager):
    without = small().fit(X[:4], Y[:4], sample_weight=[1, 2, 3, 4])
    between = small().fit([[], *X[:4], ""], ["odd", *Y[:4], "bad"], sample_weight=[9, 1, 2, 3, 4, 5])
    assert between.bundle_.files["weights.npz"] == without.bundle_.files["weights.npz"]
    assert between.classes_.tolist() == ["bad", "good"]


# --- calibration ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_temperature_makes_probabilities_better_and_changes_no_class(kinds, classified):
    dev = kinds["dev"]
    y = [sequence.label for sequence in dev]
    assert classified.temperature_ != 1.0 and len(y) >= LEAST
    as_is, scaled = logits(classified, dev), logits(classified, dev) / classified.temperature_
    softmax = [np.exp(rows) / np.exp(rows).sum(axis=1, keepdims=True) for rows in (as_is, scaled)]
    np.testing.assert_allclose(classified.predict_proba(dev), softmax[1], atol=1e-6)
    before, after = (log_loss(y, p, labels=classified.classes_) for p in softmax)
    assert after < before
    for nudge in (0.9, 1.1):
        p = np.exp(scaled * nudge) / np.exp(scaled * nudge).sum(axis=1, keepdims=True)
        assert log_loss(y, p, labels=classified.classes_) > after
    np.testing.assert_array_equal(classified.classes_[as_is.argmax(axis=1)], classified.predict(dev))
    reliability = classified.reliability(dev)
    np.testing.assert_allclose(
        reliability.expected_calibration_error,
        metrics.reliability(softmax[1], dev_ids(classified, y), 15).expected_calibration_error,
        atol=1e-6,
    )


def dev_ids(classifier, y):
    return np.array([classifier.classes_.tolist().index(label) for label in y])


@pytest.mark.slow
@pytest.mark.parametrize("form", ["one", "several"])
def test_calibration_needs_to_be_wanted_and_enough_data(small, eager, form):
    X_dev, y_dev = X * 5, [TARGETS[form][0], *TARGETS[form][1:]] * 5
    y_dev = [*y_dev[:-9], *y_dev[:9]]  # some wrong, or there is nothing to fit
    params = LEARNS | {"epochs": 4}
    fitted = small(**params).fit(X, TARGETS[form], validation_data=(X_dev, y_dev))
    assert fitted.temperature_ != 1.0
    few = small(**params).fit(X, TARGETS[form], validation_data=(X_dev[: LEAST - 1], y_dev[: LEAST - 1]))
    unwanted = small(**params, calibrate=False).fit(X, TARGETS[form], validation_data=(X_dev, y_dev))
    assert few.temperature_ == unwanted.temperature_ == 1.0
    assert unwanted.bundle_.files["weights.npz"] == fitted.bundle_.files["weights.npz"]
    assert fitted.predict(X).tolist() == unwanted.predict(X).tolist()
    assert not np.allclose(fitted.predict_proba(X), unwanted.predict_proba(X))
    unknown = [y if i % 2 else "new" for i, y in enumerate(y_dev)]  # half of 60 is known
    if form == "one":
        assert small(**params).fit(X, Y, validation_data=(X_dev, unknown)).temperature_ == 1.0


# --- numbers ----------------------------------------------------------------------------------------------------


def recordings(n=40, seed=0, missing=0.1):
    """Ragged sequences of two numbers, with holes; the class is the sign of the first feature's mean."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % 2)
    frames = [np.array([100, -3]) + rng.normal(size=(rng.integers(2, 9), 2)) + [[2 * k - 1, 0]] for k in y]
    for table in frames:
        table[rng.random(table.shape) < missing] = np.nan
    return frames, np.array(["down", "up"])[y]


@pytest.mark.slow
def test_sequences_of_numbers_with_missing_values(small, eager, tmp_path):
    frames, y = recordings()
    fitted = small(encoders="auto", **LEARNS, pooling="mean").fit(frames, y)
    assert fitted.score(*recordings(seed=1)) > 0.9 and not hasattr(fitted, "n_features_in_")
    (spec,) = fitted.bundle_.manifest["network"]["features"]
    assert spec["kind"] == "vectors" and spec["width"] == 4  # two of them tell what is missing
    lone = [np.full((3, 2), np.nan), frames[0][:1]]
    assert np.isfinite(fitted.predict_proba(lone)).all()
    assert "predict([numpy.zeros((8, width), 'float32')])" in fitted.bundle_.files["README.md"].decode()
    with load(fitted.save(tmp_path / "model")) as predictor:
        assert predictor.predict(frames) == fitted.predict(frames).tolist()
    assert SequenceClassifier.load(tmp_path / "model").predict(frames).tolist() == fitted.predict(frames).tolist()
    for wrong, message in (([np.zeros((2, 3))], "must have 2 features"), (X, "every sequence must have frames")):
        with pytest.raises(DataError, match=message):
            fitted.predict(wrong)


@pytest.mark.slow
def test_vectors_beside_words(small, eager):
    """The words say nothing, the vectors all."""
    rng = np.random.default_rng(0)
    y = ["down", "up"] * 10
    sequences = [
        {"tokens": ["a", "word"], "glove": rng.normal(size=(2, 3)) + (2 if label == "up" else -2)} for label in y
    ]
    fitted = small(encoders=["words", {"vectors": "glove"}], **LEARNS).fit(sequences, y)
    assert fitted.score(sequences, y) == 1.0
    with pytest.raises(DataError, match=r"must have the vectors 'glove'; .* has none"):
        fitted.predict([["a", "word"]])


# --- saved and loaded -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_loaded_classifier_is_the_saved_one(kinds, classified, tmp_path):
    path = classified.save(tmp_path / "model")
    again = SequenceClassifier.load(path)
    assert again.get_params() == classified.get_params() and repr(again) == repr(classified)
    for name in ("history_", "n_tokens_", "temperature_"):
        assert getattr(again, name) == getattr(classified, name)
    X_test = kinds["test"].tokens
    np.testing.assert_array_equal(again.predict_proba(X_test), classified.predict_proba(X_test))
    with load(path) as predictor:
        assert predictor.task == "classification" and predictor.scheme is None
        assert predictor.labels == tuple(classified.classes_)
        assert predictor.predict(X_test) == classified.predict(X_test).tolist()
        np.testing.assert_array_equal(predictor.predict_proba(X_test), classified.predict_proba(X_test))
        (annotated,) = predictor.annotate(["mr baba"])
        assert annotated.label == classified.predict([["mr", "baba"]])[0] and annotated.text == "mr baba"
        assert predictor.spans(annotated) == []
    again.save(tmp_path / "again")
    for file in path.iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()
    with pytest.raises(BundleError, match="SequenceTagger loads models of the task 'tagging'; this one is of"):
        SequenceTagger.load(path)
    bundle = Bundle.read(path)
    with pytest.raises(BundleError, match=r"parameters are not those of SequenceClassifier: .*'decoder'"):
        SequenceClassifier.from_bundle(Bundle(bundle.manifest | {"params": {"decoder": "crf"}}, bundle.files))


@pytest.mark.slow
def test_class_weights_of_numbers_survive_saving(small, eager, tmp_path):
    params = {"class_weight": {0: 2.0, 1: 0.5}}
    y = [int(label == "good") for label in Y]
    fitted = small(**params).fit(X, y)
    again = SequenceClassifier.load(fitted.save(tmp_path / "model"))
    assert again.fit(X, y).bundle_.files["weights.npz"] == fitted.bundle_.files["weights.npz"]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_model(kinds, classified):
    again = clone(classified).fit(kinds["train"], validation_data=kinds["dev"])
    for name in set(again.bundle_.files) - {"metrics.json", "README.md"}:  # these tell how long it took
        assert again.bundle_.files[name] == classified.bundle_.files[name], name
    for measure in ("loss", "score", "best_epoch"):
        assert again.history_[measure] == classified.history_[measure]


# --- what it learns of others' data -----------------------------------------------------------------------------


@pytest.mark.slow
def test_handwritten_digits_read_row_by_row():
    from seqtag.datasets import load_digits

    corpora = load_digits()
    fitted = SequenceClassifier(units=32, pooling="last", epochs=10, averaging=0.98, random_state=0)
    fitted.fit(corpora["train"], validation_data=corpora["dev"])
    assert fitted.score(corpora["test"]) > 0.93
    assert fitted.reliability(corpora["test"]).expected_calibration_error < 0.05


@pytest.mark.slow
def test_movements_that_only_their_course_in_time_tells_apart():
    from seqtag.datasets import make_signals

    corpora = make_signals(missing=0.05)
    params = {"units": 24, "epochs": 15, "learning_rate": 0.02, "averaging": 0.95, "dropout": 0.1, "random_state": 0}
    dev = {"validation_data": corpora["dev"]}
    tagger = SequenceTagger(**params).fit(corpora["train"], **dev)
    assert tagger.scheme_ == "none" and tagger.score(corpora["test"]) > 0.9
    classifier = SequenceClassifier(**params, pooling="mean").fit(corpora["train"], **dev)
    usual = Counter(sequence.label for sequence in corpora["test"]).most_common(1)[0][1] / len(corpora["test"])
    assert classifier.score(corpora["test"]) > usual + 0.15
    assert classifier.classes_.tolist() == ["run", "sway", "walk"] == list(tagger.labels_)
