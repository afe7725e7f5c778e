"""What scikit-learn expects of an estimator, checked on sequences, of every estimator and kind of data.

`sklearn.utils.estimator_checks.check_estimator` feeds rows of numbers: where an estimator can take them, the whole list
is in `test_estimator_checks.py`. Its checks that need no data are called here one by one; those that do are written
anew for sequences.
"""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    RandomizedSearchCV,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.validation import check_is_fitted

from seqtag import JointTagger, SequenceClassifier, SequenceTagger, errors, metrics
from seqtag.metrics import CLASS_METRICS, METRICS, PROBABILITY_METRICS, class_scorer, joint_scorer, scorer

ESTIMATORS = [SequenceTagger, SequenceClassifier, JointTagger]
estimators = pytest.mark.parametrize("estimator", ESTIMATORS)

QUICK = {
    "cell": "simple_rnn",
    "units": 6,
    "epochs": 2,
    "dropout": 0.0,
    "averaging": 0.0,
    "learning_rate": 0.05,
    "neighbour_weight": 0,
    "validation_fraction": 0,
    "random_state": 0,
}


class Case(NamedTuple):
    """An estimator with data for it, of an even number of sequences, all kinds of them in either half."""

    make: Callable[..., Any]
    X: Any
    y: Any
    scoring: Any


def of(estimator, **defaults):
    return lambda **params: estimator(**QUICK | defaults | params)


TOKENS = [["Ada", "moved", "to", "Paris"], ["Paris", "is", "old"], ["It", "rains"], ["Ada", "is", "old"]] * 3
TAGS = [["B-PER", "O", "O", "B-LOC"], ["B-LOC", "O", "O"], ["O", "O"], ["B-PER", "O", "O"]] * 3
CLASSES = ["person", "place", "none", "person"] * 3
PAIRS = list(zip(TAGS, CLASSES, strict=True))
SETS = [("person", "place"), ("place",), (), ("person",)] * 3
INDICATOR = np.array([[1, 1], [0, 1], [0, 0], [1, 0]] * 3)
DRAW = np.random.default_rng(0)
FRAMES = [DRAW.normal(4 * (i % 2), size=(DRAW.integers(2, 5), 2)).astype(np.float32) for i in range(12)]
FRAMES[3][0, 1] = np.nan
MARKS = [["down", "up"][i % 2 :][:1] * len(table) for i, table in enumerate(FRAMES)]
CUBE = DRAW.normal(size=(12, 4, 2)) + 2 * (np.arange(12) % 2)[:, None, None]

WORDS = {"encoders": ["words"]}
CASES = {
    "tagger": Case(of(SequenceTagger, **WORDS), TOKENS, TAGS, scorer("span_f1")),
    "tagger of frames": Case(of(SequenceTagger, decoder="softmax"), FRAMES, MARKS, scorer("accuracy")),
    "classifier": Case(of(SequenceClassifier, **WORDS), TOKENS, CLASSES, class_scorer("macro_f1")),
    "classifier of frames": Case(of(SequenceClassifier), FRAMES, [0, 1] * 6, "neg_log_loss"),
    "classifier of an array": Case(of(SequenceClassifier), CUBE, np.array([0, 1] * 6), "accuracy"),
    "classifier of a matrix": Case(of(SequenceClassifier), CUBE[:, :, 0], np.array(["a", "b"] * 6), "f1_macro"),
    "several labels": Case(of(SequenceClassifier, **WORDS), TOKENS, SETS, class_scorer("micro_f1")),
    "indicator": Case(of(SequenceClassifier, **WORDS), TOKENS, INDICATOR, class_scorer("micro_f1")),
    "joint tagger": Case(of(JointTagger, **WORDS), TOKENS, PAIRS, joint_scorer("intent_accuracy")),
}


@pytest.fixture(params=CASES.values(), ids=CASES)
def case(request, eager):
    return request.param


def rows(values, places):
    """Some of X or y, whatever they are."""
    return values[places] if isinstance(values, np.ndarray) else [values[i] for i in places]


def listed(values):
    """Something to compare predictions and probabilities by."""
    return [[np.asarray(part).tolist() for part in of_both(value)] for value in values]


def of_both(value):
    """A pair of labels and intent, or of their probabilities, as two values; anything else as one."""
    return value if isinstance(value, tuple) and len(value) == 2 and not isinstance(value[0], str) else (value,)


def weights_of(estimator):
    return estimator.bundle_.files["weights.npz"]


# --- without data -----------------------------------------------------------------------------------------------

DATA_FREE = [
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_get_params_invariance",
    "check_set_params",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_valid_tag_types",
    "check_mixin_order",
    "check_requires_y_none",
]


@pytest.mark.parametrize("check", DATA_FREE)
@estimators
def test_checks_of_scikit_learn_that_need_no_data(estimator, check):
    if check == "check_requires_y_none" and estimator is not SequenceClassifier:
        return  # it feeds rows of numbers as y
    getattr(estimator_checks, check)(estimator.__name__, estimator())


def test_tags_say_what_x_and_y_hold():
    tags = get_tags(SequenceTagger())
    assert not tags.input_tags.two_d_array and tags.input_tags.string
    assert tags.target_tags.multi_output and not tags.target_tags.required  # sequences may carry their labels
    assert tags.estimator_type is None and not is_classifier(SequenceTagger())  # else y would be taken for classes
    assert not isinstance(SequenceTagger(), ClassifierMixin) and isinstance(SequenceTagger(), BaseEstimator)
    tags = get_tags(SequenceClassifier())
    assert tags.input_tags.two_d_array and tags.input_tags.three_d_array and tags.input_tags.string
    assert tags.input_tags.allow_nan and not tags.input_tags.sparse
    assert is_classifier(SequenceClassifier()) and tags.classifier_tags.multi_label


@estimators
def test_parameters_are_kept_as_given(estimator):
    encoders = ["words", {"chars": "lstm"}]
    made = estimator(encoders=encoders, units=np.int64(7))
    assert made.get_params()["encoders"] is encoders and made.get_params()["units"] == 7
    assert made.set_params(units=9, cell="gru") is made and (made.units, made.cell) == (9, "gru")
    with pytest.raises(ValueError, match="Invalid parameter 'unit'"):
        made.set_params(unit=1)
    assert clone(made).get_params() == made.get_params()
    assert repr(estimator(units=64)) == f"{estimator.__name__}(units=64)"
    with pytest.raises(TypeError):
        estimator(["words"])  # keyword-only


@estimators
def test_an_unfitted_estimator_can_be_pickled(estimator):
    again = pickle.loads(pickle.dumps(estimator(units=5)))
    assert again.units == 5
    for error in (NotFittedError, errors.NotFittedError):
        with pytest.raises(error, match="not fitted yet"):
            again.predict(TOKENS)
    with pytest.raises(NotFittedError):
        check_is_fitted(again)


# --- fitting ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_fit_returns_self_and_changes_neither_parameters_nor_data(case):
    estimator = case.make(class_weight="balanced")
    X, y, weights = copy.deepcopy(case.X), copy.deepcopy(case.y), np.ones(len(case.X))
    params = copy.deepcopy(estimator.get_params())
    assert estimator.fit(X, y, sample_weight=weights) is estimator
    check_is_fitted(estimator)
    assert estimator.get_params() == params and (weights == 1).all()
    assert repr(listed(X)) == repr(listed(case.X)) and listed(y) == listed(case.y)  # by repr NaN equals NaN
    learned = [name for name in vars(estimator) if name not in params and not name.startswith("_")]
    assert learned and all(name.endswith("_") for name in learned)


@pytest.mark.slow
def test_fitting_twice_is_fitting_once(case):
    once, twice = case.make(), case.make()
    twice.fit(rows(case.X, range(6)), rows(case.y, range(6)))
    assert weights_of(once.fit(case.X, case.y)) == weights_of(twice.fit(case.X, case.y))


@pytest.mark.slow
def test_subsets_and_orders_of_samples_get_the_same(case):
    estimator = case.make().fit(case.X, case.y)
    whole = listed(estimator.predict(case.X))
    order = np.random.default_rng(0).permutation(len(case.X))
    assert listed(estimator.predict(rows(case.X, order))) == [whole[i] for i in order]
    parts = [estimator.predict(rows(case.X, range(i, i + 4))) for i in range(0, 12, 4)]
    assert [row for part in parts for row in listed(part)] == whole
    p = estimator.predict_proba(case.X)
    for one, other in zip(estimator.predict_proba(rows(case.X, order)), order, strict=True):
        for ours, theirs in zip(of_both(one), of_both(p[other]), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-6)


def dumped(estimator):
    file = io.BytesIO()
    joblib.dump(estimator, file)
    return joblib.load(file)


WAYS = {
    "pickle": lambda estimator: pickle.loads(pickle.dumps(estimator)),
    "pickle, twice": lambda estimator: pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(estimator)))),
    "joblib": dumped,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.slow
def test_a_fitted_estimator_can_be_put_away(case, tmp_path):
    estimator = case.make().fit(case.X, case.y)
    predicted, p = listed(estimator.predict(case.X)), listed(estimator.predict_proba(case.X))  # a session is open now
    assert estimator.model_ is not None  # and a model
    for name, way in WAYS.items():
        again = way(estimator)
        check_is_fitted(again)
        assert (listed(again.predict(case.X)), listed(again.predict_proba(case.X))) == (predicted, p), name
        assert again.history_ == estimator.history_ and again.get_params() == estimator.get_params(), name
        assert getattr(again, "n_features_in_", None) == getattr(estimator, "n_features_in_", None)
        assert again.save(tmp_path / name).is_dir()
    unfitted = clone(again)
    assert unfitted.get_params() == estimator.get_params()
    with pytest.raises(NotFittedError):
        check_is_fitted(unfitted)


@pytest.mark.slow
def test_what_notebooks_show_holds_parameters_and_no_data(eager):
    for make, y in ((of(SequenceTagger, units=31), TAGS), (of(SequenceClassifier, units=31), CLASSES)):
        estimator = make()
        shown = [estimator._repr_html_(), estimator.fit(TOKENS, y)._repr_html_()]
        again = pickle.loads(pickle.dumps(estimator))
        shown += [again._repr_html_(), repr(again)]
        assert again._model is None  # to show an estimator, nobody has to wait for Keras
        for text in shown:
            assert "units" in text and "31" in text
            for word in ("Paris", "paris", "moved", "rains", "\\x"):
                assert word not in text, word


def test_a_models_bytes_are_not_written_out():
    from seqtag.bundle import Bundle

    assert "abc" not in repr(Bundle({}, {"weights.npz": b"abc"}))


# --- model selection --------------------------------------------------------------------------------------------


def folds(case):
    """Two halves; scikit-learn has no type for a list of collections, so that it cannot stratify one."""
    return KFold(2)


@pytest.mark.slow
def test_a_grid_search_finds_what_learns(case):
    grid = {"learning_rate": np.array([0.2, 0.0]), "units": np.array([5])}  # NumPy's numbers, as searches draw them
    quick = case.make(epochs=6)
    search = GridSearchCV(quick, grid, scoring=case.scoring, cv=folds(case), error_score="raise").fit(case.X, case.y)
    assert search.best_params_ == {"learning_rate": 0.2, "units": 5}
    assert listed(search.predict(case.X)) == listed(search.best_estimator_.predict(case.X))
    best = search.best_estimator_
    assert best.bundle_.manifest["params"]["units"] == 5
    assert weights_of(best) == weights_of(quick.set_params(**search.best_params_).fit(case.X, case.y))


@pytest.mark.slow
def test_a_randomized_search_over_one_of_each(eager):
    choices = {"learning_rate": [0.0, 0.1], "cell": ["simple_rnn", "gru"], "dropout": [0.0, 0.1]}
    for name in ("tagger", "classifier"):
        case = CASES[name]
        search = RandomizedSearchCV(
            case.make(), choices, n_iter=3, scoring=case.scoring, cv=2, error_score="raise", random_state=0
        ).fit(case.X, case.y)
        assert set(search.best_params_) == set(choices) and np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.slow
def test_predictions_of_folds_are_put_together(case):
    predicted = cross_val_predict(case.make(), case.X, case.y, cv=folds(case))
    assert len(predicted) == len(case.X)
    for kept, held in folds(case).split(case.X):
        estimator = case.make().fit(rows(case.X, kept), rows(case.y, kept))
        assert listed(predicted[held]) == listed(estimator.predict(rows(case.X, held)))
        break


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("classifier")])
def test_probabilities_of_folds_are_put_together(name, eager):
    case = CASES[name]
    p = cross_val_predict(case.make(), case.X, case.y, cv=3, method="predict_proba")
    assert p.shape == (12, len(set(case.y)))
    np.testing.assert_allclose(p.sum(axis=1), 1.0)


@pytest.mark.slow
def test_scores_of_folds(case):
    scores = cross_val_score(case.make(), case.X, case.y, cv=folds(case), error_score="raise")
    assert scores.shape == (2,) and ((scores >= 0) & (scores <= 1)).all()
    estimator = case.make().fit(rows(case.X, range(6, 12)), rows(case.y, range(6, 12)))
    assert scores[0] == estimator.score(rows(case.X, range(6)), rows(case.y, range(6)))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("classifier")])
def test_folds_of_classes_are_stratified(name, eager):
    case = CASES[name]
    scoring = {"ours": class_scorer("accuracy"), "theirs": "accuracy", "loss": "neg_log_loss"}
    found = cross_validate(case.make(), case.X, case.y, cv=3, scoring=scoring, error_score="raise")
    again = cross_val_score(case.make(), case.X, case.y, cv=StratifiedKFold(3), error_score="raise")
    np.testing.assert_array_equal(found["test_ours"], found["test_theirs"])
    np.testing.assert_array_equal(found["test_ours"], again)
    assert (found["test_loss"] < 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", METRICS.names())
def test_every_metric_of_tags_is_a_scorer(corpora, learned, name):
    X_test, y_test = corpora["test"].tokens, corpora["test"].labels
    score = pickle.loads(pickle.dumps(scorer(name)))
    assert score(learned, X_test, y_test) == METRICS[name](y_test, list(learned.predict(X_test)), "iob2")


@pytest.mark.slow
@pytest.mark.parametrize("name", [*CLASS_METRICS.names(), *PROBABILITY_METRICS.names()])
def test_every_metric_of_classes_is_a_scorer(kinds, classified, name):
    X_test, y_test = kinds["test"].tokens, [sequence.label for sequence in kinds["test"]]
    found = pickle.loads(pickle.dumps(class_scorer(name)))(classified, X_test, y_test)
    theirs = {
        "accuracy": accuracy_score(y_test, classified.predict(X_test)),
        "neg_log_loss": -log_loss(y_test, classified.predict_proba(X_test)),
    }
    assert found == pytest.approx(theirs.get(name, found)) and np.isfinite(found)


# --- put together with others -----------------------------------------------------------------------------------


def lowered(X):
    return [[token.lower() for token in tokens] for tokens in X]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tagger", "classifier", "several labels"])
def test_a_pipeline_rewrites_tokens_and_passes_weights_through(name, eager):
    case = CASES[name]
    weights = np.arange(12) % 3 + 0.5
    step = type(case.make()).__name__.lower()
    pipeline = make_pipeline(FunctionTransformer(lowered), case.make(encoders=[{"words": None, "lowercase": False}]))
    pipeline.fit(case.X, case.y, **{f"{step}__sample_weight": weights})
    alone = clone(pipeline[-1]).fit(lowered(case.X), case.y, sample_weight=weights)
    assert weights_of(pipeline[-1]) == weights_of(alone)
    assert listed(pipeline.predict(case.X)) == listed(alone.predict(lowered(case.X)))
    assert listed(pipeline.predict_proba(case.X)) == listed(alone.predict_proba(lowered(case.X)))
    assert pipeline.score(case.X, case.y) == alone.score(lowered(case.X), case.y)
    table = alone.predictor_.features[0].lookups[0].table
    assert "paris" in table and "Paris" not in table
    named = Pipeline([("same", FunctionTransformer()), ("last", case.make())]).fit(case.X, case.y)
    assert named.set_params(last__units=3).named_steps["last"].units == 3


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tagger", "classifier", "classifier of a matrix"])
def test_sample_weights_are_routed_to_where_they_are_asked_for(name, eager, routing):
    case = CASES[name]
    weights = np.where(np.arange(12) % 4 == 1, 0.0, 1.0)
    asking = case.make().set_fit_request(sample_weight=True)
    if hasattr(asking, "set_score_request"):
        asking.set_score_request(sample_weight=False)
    expected = case.make().fit(case.X, case.y, sample_weight=weights)
    assert weights_of(expected) != weights_of(case.make().fit(case.X, case.y))
    pipeline = Pipeline([("same", FunctionTransformer()), ("last", asking)])
    assert weights_of(pipeline.fit(case.X, case.y, sample_weight=weights)[-1]) == weights_of(expected)
    search = GridSearchCV(pipeline, {"last__units": [6]}, scoring=case.scoring, cv=2, error_score="raise")
    if isinstance(case.scoring, str):  # a scorer of scikit-learn's must be asked, too
        search.scoring = sklearn.metrics.get_scorer(case.scoring).set_score_request(sample_weight=False)
    search.fit(case.X, case.y, sample_weight=weights)
    assert weights_of(search.best_estimator_[-1]) == weights_of(expected)
    silent = Pipeline([("same", FunctionTransformer()), ("last", case.make().set_fit_request(sample_weight=False))])
    assert weights_of(silent.fit(case.X, case.y)[-1]) == weights_of(case.make().fit(case.X, case.y))
    with pytest.raises((ValueError, TypeError), match="sample_weight"):
        silent.fit(case.X, case.y, sample_weight=weights)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["classifier", "classifier of a matrix", "classifier of an array"])
def test_a_classifier_in_scikit_learns_own_calibration(name, eager):
    case = CASES[name]
    around = CalibratedClassifierCV(case.make(), cv=2).fit(case.X, case.y)
    p = around.predict_proba(case.X)
    assert p.shape == (12, len(set(case.y)))
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    assert around.predict(case.X).shape == (12,)


@pytest.mark.slow
def test_a_classifier_votes_with_others(eager):
    case = CASES["classifier of a matrix"]
    others = [("network", case.make()), ("regression", LogisticRegression())]
    voting = VotingClassifier(others, voting="soft").fit(case.X, case.y)
    own = [clone(estimator).fit(case.X, case.y).predict_proba(case.X) for _, estimator in others]
    np.testing.assert_allclose(voting.predict_proba(case.X), np.mean(own, axis=0))
    assert voting.score(case.X, case.y) > 0.8


@pytest.mark.slow
def test_the_score_is_a_metric(case):
    estimator = case.make().fit(case.X, case.y)
    predicted = estimator.predict(case.X)
    if estimator.task == "tagging":
        expected = metrics.score(case.y, list(predicted), estimator.scheme_)
    elif estimator.task == "joint":
        expected = metrics.sentence_accuracy(case.y, list(predicted))
    else:
        expected = np.mean([a == b for a, b in zip(listed(case.y), listed(predicted), strict=True)])
    assert estimator.score(case.X, case.y) == pytest.approx(expected)
