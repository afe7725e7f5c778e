"""scikit-learn's whole list of checks, on the estimator that takes what they feed: a classifier given a matrix.

They cannot feed the array (n_sequences, T, F), so what they hold of a matrix is asked of it below.
"""

from __future__ import annotations

from unittest import SkipTest

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import estimator_checks_generator

from seqtag import Sequence, SequenceClassifier
from seqtag.errors import DataError

# Small, read in one direction and without a search for the best epoch: what costs time here is that TensorFlow traces
# each of about eighty models anew, not what they learn.
CLASSIFIER = SequenceClassifier(
    cell="simple_rnn",
    units=8,
    bidirectional=False,
    pooling="last",
    dropout=0.0,
    epochs=20,
    batch_tokens=4000,
    learning_rate=0.02,
    averaging=0.5,
    clip_norm=0,
    validation_fraction=0,
    random_state=0,
)

FAILING = {
    "check_sample_weight_equivalence_on_dense_data": "a sequence given twice stands in other mini-batches than one of "
    "weight 2, and so do all the others: training is stochastic",
}
SKIPPED = {
    "check_array_api_input": "arrays other than NumPy's are no input",
    "check_classifiers_multilabel_output_format_decision_function": "a network has probabilities",
}


def checks():
    """Yield each check with its name, marked where it is known to fail."""
    for estimator, check in estimator_checks_generator(CLASSIFIER, legacy=True):
        name = check.func.__name__
        marks = [pytest.mark.slow]
        if name in FAILING:
            marks.append(pytest.mark.xfail(reason=FAILING[name], raises=AssertionError, strict=True))
        yield pytest.param(estimator, check, id=name, marks=marks)


CHECKS = list(checks())


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")  # its own, of an infinite y
@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_check_of_scikit_learn(estimator, check):
    name = check.func.__name__
    if name in SKIPPED:
        with pytest.raises(SkipTest):
            check(estimator)
    else:
        try:
            check(estimator)
        except SkipTest as skipped:
            pytest.fail(f"{name} was skipped: {skipped}")


def test_what_is_expected_to_fail_is_among_the_checks():
    names = {check.id for check in CHECKS}
    assert names >= FAILING.keys() | SKIPPED.keys() and len(names) > 50


# ---- arrays of three axes ----------------------------------------------------------------------------------


def make_array(n=40, steps=5, features=3, seed=0):
    """Sequences whose first feature rises or falls, among missing values, and which of both they do."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % 2)
    X = rng.normal(scale=0.3, size=(n, steps, features))
    X[..., 0] += np.outer(2 * y - 1, np.linspace(-1, 1, steps))
    X[rng.random(X.shape) < 0.05] = np.nan
    return X, np.array(["falls", "rises"])[y]


X, Y = make_array()


@pytest.fixture(scope="module")
def fitted():
    return clone(CLASSIFIER).fit(X, Y)


@pytest.mark.slow
def test_an_array_is_learned(fitted):
    assert fitted.n_features_in_ == 3 and not hasattr(fitted, "feature_names_in_")
    assert fitted.classes_.tolist() == ["falls", "rises"]
    assert fitted.score(*make_array(seed=1)) > 0.9
    p = fitted.predict_proba(X)
    assert p.shape == (40, 2) and np.isfinite(p).all()
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    np.testing.assert_array_equal(fitted.predict(X), fitted.classes_[p.argmax(axis=1)])


FORMS = {
    "a list of tables": list,
    "a list of lists": lambda X: X.tolist(),
    "float32": lambda X: X.astype(np.float32),
    "objects": lambda X: X.astype(object),
    "columns first": np.asfortranarray,
    "every second of it": lambda X: np.repeat(X, 2, axis=0)[::2],
    "masked": lambda X: np.ma.masked_invalid(X),
    "mappings": lambda X: [{"frames": frames} for frames in X],
    "sequences": lambda X: [Sequence(frames=frames) for frames in X],
}


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_of_an_array_gives_the_same(fitted, form):
    np.testing.assert_allclose(fitted.predict_proba(form(X)), fitted.predict_proba(X), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int64, bool])
def test_the_type_of_the_numbers_does_not_matter(fitted, dtype):
    whole = (np.nan_to_num(X) > 0).astype(dtype)
    np.testing.assert_array_equal(fitted.predict_proba(whole), fitted.predict_proba(whole.astype(float)))


@pytest.mark.slow
def test_subsets_and_order_do_not_matter(fitted):
    expected = fitted.predict_proba(X)
    order = np.random.default_rng(0).permutation(len(X))
    np.testing.assert_allclose(fitted.predict_proba(X[order]), expected[order], atol=1e-6)
    for size in (1, 7):
        parts = [fitted.predict_proba(X[i : i + size]) for i in range(0, len(X), size)]
        np.testing.assert_allclose(np.vstack(parts), expected, atol=1e-6)


@pytest.mark.slow
def test_fitting_again_gives_the_same_and_leaves_the_array_alone(fitted):
    given = X.copy()
    given.flags.writeable = False
    again = clone(fitted).fit(X[:, :3, :2], Y).fit(given, Y)
    assert again.bundle_.files["weights.npz"] == fitted.bundle_.files["weights.npz"]
    np.testing.assert_array_equal(given, X)


@pytest.mark.slow
def test_missing_values_are_known_as_such(fitted):
    """A classifier that can see nothing but whether a value is missing learns that."""
    holes = np.where(Y == "rises", np.nan, 0.0)[:, None, None] + np.zeros(X.shape)
    holes[:, 1:] = 0.0
    assert clone(CLASSIFIER).set_params(epochs=40).fit(holes, Y).score(holes, Y) == 1.0
    unseen = np.full((1, 5, 3), np.nan)
    assert np.isfinite(fitted.predict_proba(unseen)).all()


@pytest.mark.slow
def test_sequences_of_other_lengths_are_read_too(fitted):
    longer, _ = make_array(steps=9)
    assert fitted.predict(longer).shape == (40,)
    ragged = [longer[0], X[0], X[0, :1]]
    np.testing.assert_allclose(
        fitted.predict_proba(ragged), [fitted.predict_proba([frames])[0] for frames in ragged], atol=1e-6
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (X[..., :2], "frames must have 3 features, as those that were learnt from; .* has 2"),
        (X[:, 0, :1], "X has 1 features, but SequenceClassifier is expecting 3 features"),
        (X[:, :, 0], "X has 5 features, but SequenceClassifier is expecting 3 features"),
        (X[:, :3, 0], "frames must have 3 features"),  # three steps of one feature
        (X[0, 0], "Expected 2D array, got 1D array instead"),
        (X[..., None], "Found array with dim 4, while dim <= 2 is required"),
        (np.where(np.isnan(X), np.inf, X), "contains infinity"),
        (X * 1j, "Complex data not supported"),
        (X[:0], r"Found array with 0 sample\(s\)"),
        ([["a", "word"]], "every sequence must have frames; .* has tokens"),
    ],
)
def test_what_is_not_like_the_array_is_refused(fitted, wrong, message):
    for ask in (fitted.predict, fitted.predict_proba):
        with pytest.raises((DataError, ValueError), match=message):
            ask(wrong)


@pytest.mark.slow
def test_a_matrix_is_sequences_of_one_feature():
    matrix = np.nan_to_num(X[:, :, 0])
    fitted = clone(CLASSIFIER).fit(matrix, Y)
    again = clone(CLASSIFIER).fit(matrix[..., None], Y)
    assert fitted.bundle_.files["weights.npz"] == again.bundle_.files["weights.npz"]
    assert (fitted.n_features_in_, again.n_features_in_) == (5, 1)
    np.testing.assert_array_equal(fitted.predict_proba(matrix), again.predict_proba(matrix[..., None]))


@pytest.mark.slow
def test_a_data_frame_is_held_to_its_columns():
    import pandas as pd

    table = pd.DataFrame(np.nan_to_num(X[:, :, 0]), columns=list("abcde"))
    fitted = clone(CLASSIFIER).fit(table, pd.Series(Y))
    assert fitted.feature_names_in_.tolist() == list("abcde")
    np.testing.assert_array_equal(
        fitted.predict(table), clone(CLASSIFIER).fit(table.to_numpy(), Y).predict(table.to_numpy())
    )
    with pytest.raises(ValueError, match="The feature names should match those that were passed during fit"):
        fitted.predict(table[list("edcba")])
    fitted.fit([["some", "words"], ["a", "word"]], ["x", "y"])
    assert not hasattr(fitted, "feature_names_in_") and not hasattr(fitted, "n_features_in_")
