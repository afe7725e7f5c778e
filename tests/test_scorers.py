"""Scores by name, and scorers in scikit-learn's hands: of taggers, and of classifiers."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer, log_loss
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multiclass import OneVsRestClassifier

from seqtag.errors import ConfigError, DataError
from seqtag.metrics import CLASS_METRICS, METRICS, PROBABILITY_METRICS, class_scorer, scorer

GOLD = [["B-LOC", "O", "B-PER", "I-PER", "O"], ["B-PER", "O"]]
PREDICTED = [["B-LOC", "O", "O", "I-PER", "O"], ["B-PER", "O"]]

# ---- taggers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", 6 / 7),
        ("sequence_accuracy", 1 / 2),
        ("span_f1", 2 / 3),
        ("span_precision", 2 / 3),
        ("span_recall", 2 / 3),
        ("span_f1_strict", 4 / 5),
        ("macro_f1", 3 / 4),
        ("weighted_f1", 2 / 3),
    ],
)
def test_metrics_by_name(name, expected):
    assert METRICS[name](GOLD, PREDICTED, "iob2") == pytest.approx(expected)


def test_every_metric_is_one_for_perfect_labels():
    assert all(METRICS[name](GOLD, GOLD, "iob2") == 1.0 for name in METRICS)


class Echo(BaseEstimator):
    """An estimator that answers with what it is asked."""

    def fit(self, X, y):
        return self

    def predict(self, X):
        return X


def test_a_scorer_serves_scikit_learn():
    found = cross_val_score(Echo(), PREDICTED, GOLD, scoring=scorer("span_f1"), cv=2)
    assert found.tolist() == pytest.approx([0.5, 1.0])


def test_a_scorer_is_a_value():
    made = scorer("macro_f1", scheme="iob2")
    assert repr(made) == "Scorer(name='macro_f1', scheme='iob2')"
    assert pickle.loads(pickle.dumps(made)) == made
    with pytest.raises(ConfigError, match=r"metric must be one of accuracy.*Did you mean 'span_f1'\?"):
        scorer("span_f")
    with pytest.raises(ConfigError, match="scheme must be one of"):
        scorer("span_f1", scheme="bio")


# ---- classifiers -------------------------------------------------------------------------------------------


X, NOISE = np.split(np.random.default_rng(0).normal(size=(150, 6)), 2, axis=1)
Y = np.array(["low", "mid", "top"])[np.digitize(X[:, 0] + NOISE[:, 0], [-0.7, 0.7])]
TAGS = np.stack([X[:, 0] > 0.3, X[:, 1] + X[:, 2] > 0], axis=1).astype(int)

SKLEARN = {
    "accuracy": "accuracy",
    "macro_f1": "f1_macro",
    "micro_f1": "f1_micro",
    "weighted_f1": "f1_weighted",
    "neg_log_loss": "neg_log_loss",
}


@pytest.mark.parametrize(("name", "theirs"), SKLEARN.items())
def test_class_scorers_score_as_those_of_scikit_learn(name, theirs):
    model = LogisticRegression()
    ours = cross_val_score(model, X, Y, scoring=class_scorer(name), cv=3)
    assert ours == pytest.approx(cross_val_score(model, X, Y, scoring=theirs, cv=3))


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "micro_f1", "weighted_f1"])
def test_class_scorers_take_several_labels_a_sequence(name):
    model = OneVsRestClassifier(LogisticRegression()).fit(X, TAGS)
    assert class_scorer(name)(model, X, TAGS) == pytest.approx(get_scorer(SKLEARN[name])(model, X, TAGS))


def test_probability_scorers_take_several_labels_a_sequence():
    model = OneVsRestClassifier(LogisticRegression()).fit(X, TAGS)
    found = model.predict_proba(X)
    expected = np.mean([log_loss(TAGS[:, k], found[:, k]) for k in range(2)])
    assert class_scorer("neg_log_loss")(model, X, TAGS) == pytest.approx(-expected)
    collections = [tuple(np.flatnonzero(row)) for row in TAGS]
    assert class_scorer("neg_log_loss")(model, X, collections) == pytest.approx(-expected)


def test_probability_scorers_prefer_the_calibrated():
    model = LogisticRegression().fit(X, Y)
    sure = LogisticRegression().fit(X, Y)
    sure.coef_, sure.intercept_ = 20 * model.coef_, 20 * model.intercept_
    for name in PROBABILITY_METRICS:
        made = class_scorer(name)
        assert made(sure, X, Y) < made(model, X, Y) <= 0


def test_a_grid_search_takes_a_class_scorer():
    search = GridSearchCV(LogisticRegression(), {"C": [1e-4, 1.0]}, scoring=class_scorer("macro_f1"), cv=3)
    assert search.fit(X, Y).best_params_ == {"C": 1.0}


def test_a_class_scorer_is_a_value():
    for name in (*CLASS_METRICS, *PROBABILITY_METRICS):
        made = class_scorer(name)
        assert pickle.loads(pickle.dumps(made)) == made
        assert repr(made) == f"ClassScorer(name={name!r})"


@pytest.mark.parametrize(
    ("name", "near"), [("f1_macro", "'macro_f1'"), ("log_loss", "'neg_log_loss'"), ("span", ""), (None, "")]
)
def test_unknown_class_metrics(name, near):
    with pytest.raises(ConfigError, match=r"metric of classes must be one of accuracy, .*neg_log_loss") as error:
        class_scorer(name)
    assert str(error.value).endswith(f"Did you mean {near}?" if near else f"got {name!r}.")


def test_metrics_of_classes_have_one_table_each():
    assert not set(CLASS_METRICS) & set(PROBABILITY_METRICS)


def test_a_probability_scorer_refuses_classes_that_the_model_does_not_know():
    model = LogisticRegression().fit(X, Y)
    with pytest.raises(DataError, match=r"classes that the model knows \(low, mid, top\); got 'lov'\. Did you mean 'l"):
        class_scorer("neg_log_loss")(model, X[:1], ["lov"])
