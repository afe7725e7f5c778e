"""What scikit-learn expects of an estimator, checked on sequences.

`sklearn.utils.estimator_checks.check_estimator` is not used: it feeds rows of numbers, and for an estimator whose
tags say that X is no table it runs one check out of more than fifty. Its checks that need no data are called here
one by one; those that do are written anew for sequences.
"""

import pickle

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.validation import check_is_fitted

from seqtag import SequenceTagger, metrics
from seqtag.metrics import METRICS, scorer

X = [["Ada", "moved", "to", "Paris"], ["Paris", "is", "old"], ["It", "rains"], ["Ada", "is", "old"]] * 3
Y = [["B-PER", "O", "O", "B-LOC"], ["B-LOC", "O", "O"], ["O", "O"], ["B-PER", "O", "O"]] * 3

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
]


@pytest.mark.parametrize("check", DATA_FREE)
def test_checks_of_scikit_learn_that_need_no_data(check):
    getattr(estimator_checks, check)("SequenceTagger", SequenceTagger())


def test_tags_say_that_x_holds_sequences():
    tags = get_tags(SequenceTagger())
    assert not tags.input_tags.two_d_array and tags.input_tags.string
    assert tags.target_tags.multi_output and not tags.target_tags.required  # sequences may carry their labels
    assert tags.estimator_type is None and not is_classifier(SequenceTagger())  # else y would be taken for classes
    assert not isinstance(SequenceTagger(), ClassifierMixin) and isinstance(SequenceTagger(), BaseEstimator)


def test_parameters_are_kept_as_given():
    encoders = ["words", {"chars": "lstm"}]
    tagger = SequenceTagger(encoders=encoders, units=np.int64(7))
    assert tagger.get_params()["encoders"] is encoders and tagger.get_params()["units"] == 7
    assert tagger.set_params(units=9, cell="gru") is tagger and (tagger.units, tagger.cell) == (9, "gru")
    with pytest.raises(ValueError, match="Invalid parameter 'unit'"):
        tagger.set_params(unit=1)
    assert clone(tagger).get_params() == tagger.get_params()
    assert repr(SequenceTagger(units=64)) == "SequenceTagger(units=64)"
    with pytest.raises(TypeError):
        SequenceTagger("words")  # keyword-only


def test_an_unfitted_tagger_can_be_pickled():
    again = pickle.loads(pickle.dumps(SequenceTagger(units=5)))
    assert again.units == 5
    with pytest.raises(NotFittedError):
        check_is_fitted(again)


@pytest.mark.slow
def test_a_clone_of_a_fitted_tagger_is_unfitted(learned):
    copy = clone(learned)
    assert copy.get_params() == learned.get_params()
    with pytest.raises(NotFittedError):
        check_is_fitted(copy)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["pickle", "joblib", "twice"])
def test_a_fitted_tagger_can_be_pickled(corpora, learned, tmp_path, way):
    learned.predict([["mr"]])  # so that a session and a model are open
    _ = learned.model_
    if way == "joblib":
        joblib.dump(learned, tmp_path / "tagger.joblib")
        again = joblib.load(tmp_path / "tagger.joblib")
    else:
        again = pickle.loads(pickle.dumps(learned))
        again = pickle.loads(pickle.dumps(again)) if way == "twice" else again
    check_is_fitted(again)
    X_test = corpora["test"].tokens
    assert list(again.predict(X_test)) == list(learned.predict(X_test))
    assert again.history_ == learned.history_ and again.get_params() == learned.get_params()
    assert again.save(tmp_path / "model").is_dir()


@pytest.mark.slow
def test_fit_returns_self_and_changes_neither_parameters_nor_data(tiny, eager):
    import copy

    X_own, y_own = copy.deepcopy(X), copy.deepcopy(Y)
    tagger = tiny(encoders=["words", {"column": "pos"}], class_weight={"O": 0.5})
    sequences = [{"tokens": tokens, "pos": labels} for tokens, labels in zip(X_own, y_own, strict=True)]
    weights = np.ones(len(X))
    params = copy.deepcopy(tagger.get_params())
    given = copy.deepcopy(sequences)
    assert tagger.fit(sequences, y_own, sample_weight=weights) is tagger
    assert tagger.get_params() == params
    assert sequences == given and y_own == Y and (weights == 1).all()
    fitted = [name for name in vars(tagger) if name not in params and not name.startswith("_")]
    assert all(name.endswith("_") for name in fitted)


@pytest.mark.slow
def test_fitting_twice_is_fitting_once(tiny, eager):
    once, twice = tiny().fit(X, Y), tiny().fit(X[:4], Y[:4]).fit(X, Y)
    assert once.bundle_.files["weights.npz"] == twice.bundle_.files["weights.npz"]


@pytest.mark.slow
def test_subsets_and_orders_of_samples_get_the_same(corpora, learned):
    X_test = corpora["test"].tokens
    whole = learned.predict(X_test)
    order = np.random.default_rng(0).permutation(len(X_test))
    assert list(learned.predict([X_test[i] for i in order])) == [whole[i] for i in order]
    assert [labels for i in range(0, len(X_test), 7) for labels in learned.predict(X_test[i : i + 7])] == list(whole)


@pytest.mark.slow
def test_a_grid_search_finds_what_learns(tiny, eager):
    quick = {"decoder": "softmax", "epochs": 5, "averaging": 0, "dropout": 0, "validation_fraction": 0}
    grid = {"learning_rate": np.array([0.0, 0.1]), "units": np.array([6])}  # NumPy's numbers, as searches draw them
    search = GridSearchCV(tiny(**quick), grid, scoring=scorer("span_f1"), cv=2, error_score="raise").fit(X, Y)
    assert search.best_params_ == {"learning_rate": 0.1, "units": 6}
    assert search.cv_results_["mean_test_score"][0] < search.best_score_ <= 1
    assert list(search.predict(X)) == list(search.best_estimator_.predict(X))
    assert search.score(X, Y) == metrics.score(Y, list(search.predict(X)), "iob2")
    assert search.best_estimator_.bundle_.manifest["params"]["units"] == 6


@pytest.mark.slow
def test_cross_validation_on_lists(tiny, eager):
    scores = cross_val_score(tiny(), X, Y, cv=2, error_score="raise")
    assert scores.shape == (2,) and ((scores >= 0) & (scores <= 1)).all()
    folds = KFold(2)
    predicted = cross_val_predict(tiny(), X, Y, cv=folds)
    assert predicted.dtype == object and [len(labels) for labels in predicted] == [len(tokens) for tokens in X]
    for kept, held in folds.split(X):
        tagger = tiny().fit([X[i] for i in kept], [Y[i] for i in kept])
        assert list(predicted[held]) == list(tagger.predict([X[i] for i in held]))
        break


@pytest.mark.slow
@pytest.mark.parametrize("name", METRICS.names())
def test_every_metric_is_a_scorer(corpora, learned, name):
    X_test, y_test = corpora["test"].tokens, corpora["test"].labels
    score = pickle.loads(pickle.dumps(scorer(name)))
    assert score(learned, X_test, y_test) == METRICS[name](y_test, list(learned.predict(X_test)), "iob2")


@pytest.mark.slow
def test_a_pipeline_passes_sequences_and_weights_through(tiny, eager):
    pipeline = make_pipeline(FunctionTransformer(lambda X: [[t.lower() for t in tokens] for tokens in X]), tiny())
    pipeline.fit(X, Y, sequencetagger__sample_weight=np.ones(len(X)))
    tagger = tiny().fit([[t.lower() for t in tokens] for tokens in X], Y, sample_weight=np.ones(len(X)))
    assert list(pipeline.predict(X)) == list(tagger.predict(X))  # word forms are folded in either case
    assert pipeline.score(X, Y) == tagger.score(X, Y)
    assert [p.shape for p in pipeline.predict_proba(X)] == [p.shape for p in tagger.predict_proba(X)]
    plain = Pipeline([("same", FunctionTransformer()), ("tagger", tiny())]).fit(X, Y)
    assert list(plain.predict(X)) == list(tiny().fit(X, Y).predict(X))
    assert plain.set_params(tagger__units=3).named_steps["tagger"].units == 3
