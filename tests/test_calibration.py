"""Calibration: temperatures that are known, errors computed by hand, and scikit-learn's curves and losses."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn import metrics as sklearn_metrics
from sklearn.calibration import calibration_curve

from seqtag.decoding import sigmoid, softmax
from seqtag.errors import DataError
from seqtag.metrics import brier_score, fit_temperature, log_loss, reliability
from seqtag.metrics.calibration import HIGHEST, LOWEST


def drawn(n=20_000, k=5, seed=0):
    """Logits that are calibrated, since the ids are drawn from their softmax."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=2.0, size=(n, k))
    ids = (softmax(logits).cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    return logits, np.minimum(ids, k - 1)


def drawn_labels(n=8_000, k=4, seed=0):
    """Logits that are calibrated, label by label."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=2.0, size=(n, k))
    return logits, (rng.random((n, k)) < sigmoid(logits)).astype(np.int64)


# ---- temperature -------------------------------------------------------------------------------------------

TEMPERATURES = [0.1, 0.5, 1.0, 1.7, 10.0]


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_the_temperature_of_classes_is_recovered(temperature):
    logits, ids = drawn()
    found = fit_temperature(temperature * logits, ids)
    assert found == pytest.approx(temperature, rel=0.02)
    assert found == pytest.approx(temperature * fit_temperature(logits, ids), rel=1e-6)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_the_temperature_of_labels_is_recovered(temperature):
    logits, labels = drawn_labels()
    found = fit_temperature(temperature * logits, labels, multi_label=True)
    assert found == pytest.approx(temperature, rel=0.03)


LOGITS = arrays.arrays(np.float64, st.tuples(st.integers(1, 12), st.integers(1, 4)), elements=st.floats(-9, 9))


@pytest.mark.parametrize("multi_label", [False, True])
@given(data=st.data())
def test_no_other_temperature_is_more_likely(multi_label, data):
    logits = data.draw(LOGITS)
    shape, high = (logits.shape, 1) if multi_label else (logits.shape[:1], logits.shape[1] - 1)
    targets = data.draw(arrays.arrays(np.int64, shape, elements=st.integers(0, high)))
    weights = data.draw(arrays.arrays(np.float64, shape, elements=st.floats(0, 3)))

    def loss(temperature):
        if multi_label:
            signs = 2 * targets - 1
            each = np.logaddexp(0, -signs * logits / temperature)
        else:
            scaled = logits / temperature
            each = np.logaddexp.reduce(scaled, axis=1) - np.take_along_axis(scaled, targets[:, None], axis=1)[:, 0]
        return (weights * each).sum()

    found = fit_temperature(logits, targets, weights, multi_label)
    assert LOWEST <= found <= HIGHEST
    best = np.maximum(logits, 0) if multi_label else logits.max(axis=1)
    truth = logits * targets if multi_label else np.take_along_axis(logits, targets[:, None], axis=1)[:, 0]
    if (weights * (best - truth)).any():
        assert all(loss(found) <= loss(other) + 1e-9 for other in np.geomspace(LOWEST, HIGHEST, 40))
    else:
        assert found == 1.0


@given(LOGITS, st.data())
def test_weights_count_as_copies_do(logits, data):
    ids = data.draw(arrays.arrays(np.int64, len(logits), elements=st.integers(0, logits.shape[1] - 1)))
    copies = data.draw(arrays.arrays(np.int64, len(logits), elements=st.integers(0, 3)))
    repeated = fit_temperature(np.repeat(logits, copies, axis=0), np.repeat(ids, copies))
    assert fit_temperature(logits, ids, copies) == pytest.approx(repeated, rel=1e-6)


def test_one_hot_targets_are_classes_and_a_label_is_a_choice_between_two():
    logits, ids = drawn(500)
    assert fit_temperature(logits, np.eye(5)[ids]) == fit_temperature(logits, ids)
    label = drawn_labels(500, 1)
    beside_nothing = np.concatenate([np.zeros((500, 1)), label[0]], axis=1)
    assert fit_temperature(*label, multi_label=True) == fit_temperature(beside_nothing, label[1][:, 0])
    counted = np.repeat(np.arange(500.0)[:, None], 4, axis=1)
    several = drawn_labels(500)
    one_each = fit_temperature(*several, counted[:, 0], multi_label=True)
    assert one_each == fit_temperature(*several, counted, multi_label=True)


@pytest.mark.parametrize(
    ("logits", "ids", "expected"),
    [
        (np.zeros((0, 3)), [], 1.0),  # no data
        ([[2.0], [5.0]], [0, 0], 1.0),  # one class
        ([[3.0, 1.0], [0.0, 9.0]], [0, 1], 1.0),  # nothing is wrong
        ([[1.0, 1.0, 0.0]], [1], 1.0),  # two are best
        ([[1e6, -1e6], [0.0, 1e-3]], [0, 1], 1.0),
        ([[1.0, 1.0], [2.0, 2.0]], [0, 1], 1.0),  # the logits say nothing
        ([[5.0, 0.0], [0.0, 5.0]], [1, 0], HIGHEST),  # all is wrong
        ([[5.0, 0.0], [0.0, 5.0]], [0, 0], HIGHEST),  # as good as chance
        ([[1e6, -1e6], [1e6, -1e6]], [0, 1], HIGHEST),
        ([[0.5, 0.0]] * 50 + [[0.0, 1e-9]], [0] * 51, LOWEST),  # one is wrong by next to nothing
    ],
)
def test_data_that_cannot_tell_give_a_sensible_temperature(logits, ids, expected):
    assert fit_temperature(logits, ids) == expected


def test_cases_without_weight_do_not_count():
    assert fit_temperature([[5.0, 0.0], [0.0, 5.0]], [0, 0], [1, 0]) == 1.0
    assert fit_temperature([[5.0, 0.0]], [1], [0]) == 1.0


def test_scaling_lowers_the_error_and_changes_no_answer():
    logits, ids = drawn(4_000)
    sharp = 3 * logits
    temperature = fit_temperature(sharp, ids)
    before, after = (reliability(softmax(z), ids) for z in (sharp, sharp / temperature))
    assert before.expected_calibration_error > 0.15 > 0.03 > after.expected_calibration_error
    assert log_loss(softmax(sharp / temperature), ids) < log_loss(softmax(sharp), ids)
    assert before.overconfidence > 0.15 > 0.03 > abs(after.overconfidence)
    assert (sharp.argmax(axis=1) == (sharp / temperature).argmax(axis=1)).all()


# ---- reliability -------------------------------------------------------------------------------------------


def test_calibration_errors_by_hand():
    probabilities = [[0.9, 0.1], [0.2, 0.8], [0.75, 0.25], [0.6, 0.4], [0.45, 0.55]]
    found = reliability(probabilities, [0, 0, 0, 1, 1], bins=4)
    assert found.edges.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert found.counts.tolist() == [0, 0, 3, 2]  # 0.75 stands on an edge: the bin below
    assert found.confidence[2:] == pytest.approx([1.9 / 3, 0.85])
    assert found.accuracy[2:] == pytest.approx([2 / 3, 1 / 2])
    assert np.isnan([found.confidence[:2], found.accuracy[:2]]).all()
    assert found.expected_calibration_error == pytest.approx(3 / 5 * 0.1 / 3 + 2 / 5 * 0.35)
    assert found.maximum_calibration_error == pytest.approx(0.35)
    assert found.overconfidence == pytest.approx((3.6 - 3) / 5)


@given(
    arrays.arrays(np.float64, st.integers(1, 40), elements=st.floats(0, 1) | st.sampled_from([0.2, 0.5, 1.0])),
    st.integers(1, 20),
    st.data(),
)
def test_bins_are_those_of_scikit_learn(probabilities, bins, data):
    happened = data.draw(arrays.arrays(np.int64, len(probabilities), elements=st.integers(0, 1)))
    assume(set(happened) == {0, 1})  # which scikit-learn asks for
    found = reliability(probabilities, happened, bins)
    accuracy, confidence = calibration_curve(happened, probabilities, n_bins=bins)
    filled = found.counts > 0
    assert found.accuracy[filled] == pytest.approx(accuracy) and found.confidence[filled] == pytest.approx(confidence)
    assert found.counts.sum() == len(probabilities) and len(found.counts) == len(found.edges) - 1 == bins
    assert 0 <= found.expected_calibration_error <= found.maximum_calibration_error + 1e-9 <= 1 + 2e-9
    assert abs(found.overconfidence) <= found.expected_calibration_error + 1e-9


def test_classes_are_judged_by_the_most_probable_and_labels_each_by_itself():
    logits, ids = drawn(300)
    probabilities = softmax(logits)
    top = reliability(probabilities, ids)
    events = reliability(probabilities.max(axis=1), probabilities.argmax(axis=1) == ids)
    assert top.to_dict() == events.to_dict() and top.counts.sum() == 300
    logits, labels = drawn_labels(300)
    several = reliability(sigmoid(logits), labels)
    assert several.to_dict() == reliability(sigmoid(logits).ravel(), labels.ravel()).to_dict()
    assert several.counts.sum() == 1200


def test_reliability_as_dict():
    values = json.loads(json.dumps(reliability([0.2, 0.9], [0, 1], bins=2).to_dict(), allow_nan=False))
    assert values["counts"] == [1, 1] and values["edges"] == [0.0, 0.5, 1.0]
    assert values["expected_calibration_error"] == pytest.approx(0.15)
    assert values["maximum_calibration_error"] == pytest.approx(0.2)
    assert json.loads(json.dumps(reliability([0.2], [0], bins=2).to_dict()))["accuracy"] == [0.0, None]


def test_nothing_is_calibrated():
    for nothing in ([], np.zeros((0, 3))):
        found = reliability(nothing, [], bins=3)
        assert found.counts.tolist() == [0, 0, 0] and found.to_dict()["confidence"] == [None] * 3
        assert found.expected_calibration_error == found.maximum_calibration_error == found.overconfidence == 0.0
        assert log_loss(nothing, []) == brier_score(nothing, []) == 0.0


# ---- losses ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_losses_are_those_of_scikit_learn(dtype):
    logits, ids = drawn(400)
    probabilities = softmax(logits).astype(dtype)
    assert log_loss(probabilities, ids) == pytest.approx(sklearn_metrics.log_loss(ids, probabilities), rel=1e-5)
    squares = np.square(probabilities - np.eye(5)[ids]).sum(axis=1).mean()
    assert brier_score(probabilities, ids) == pytest.approx(squares, rel=1e-5)
    logits, labels = drawn_labels(400)
    each = sigmoid(logits).astype(dtype)
    for ours, theirs in ((log_loss, sklearn_metrics.log_loss), (brier_score, sklearn_metrics.brier_score_loss)):
        columns = [theirs(labels[:, k], each[:, k]) for k in range(4)]
        assert ours(each, labels) == pytest.approx(np.mean(columns), rel=1e-5)
        assert ours(each[:, 0], labels[:, 0]) == pytest.approx(columns[0], rel=1e-5)


def test_what_was_held_impossible_costs_no_infinity():
    assert log_loss([[1.0, 0.0]], [1]) == pytest.approx(-math.log(np.finfo(np.float64).eps))
    assert log_loss(np.float32([[1, 0]]), [1]) == pytest.approx(-math.log(np.finfo(np.float32).eps), rel=1e-6)
    assert log_loss([[1, 0]], [1]) == log_loss([[1.0, 0.0]], [1])
    assert 0 <= log_loss([[1.0, 0.0]], [0]) < 1e-15
    assert (brier_score([[1.0, 0.0]], [1]), brier_score([1.0], [0])) == (2.0, 1.0)


# ---- errors ------------------------------------------------------------------------------------------------

HALVES = [[0.5, 0.5]]


@pytest.mark.parametrize("function", [reliability, log_loss, brier_score])
@pytest.mark.parametrize(
    ("probabilities", "targets", "message"),
    [
        ([[2.0, -1.0]], [0], "probabilities must be between 0 and 1; got -1 to 2.*softmax or sigmoid"),
        ([[0.5, 0.9]], [0], r"must have the sum 1; got a row that is 0\.4 off.*need targets of 0 and 1"),
        ([[np.nan, 0.5]], [0], "probabilities must be finite"),
        (HALVES, [2], "targets must be ids from 0 to 1; got others.*encode_classes"),
        (HALVES, [-1], "ids from 0 to 1"),
        (HALVES, ["a"], "ids from 0 to 1"),
        (HALVES, [np.nan], "ids from 0 to 1"),
        (HALVES, [0.5], "ids from 0 to 1"),
        (HALVES, [[0, 2]], "targets must be 0 or 1"),
        ([0.5], [2], "targets must be 0 or 1"),
        (HALVES, [0, 1], r"the shapes \(N, K\) and \(N,\).*got \(1, 2\) and \(2,\)"),
        (HALVES, [[0, 1, 1]], r"got \(1, 2\) and \(1, 3\)"),
        ([HALVES], [[0]], r"got \(1, 1, 2\) and \(1, 1\)"),
        (np.zeros((2, 0)), [0, 0], r"got \(2, 0\) and \(2,\)"),
        (0.5, 1, r"got \(\) and \(\)"),
    ],
)
def test_probabilities_that_cannot_be_judged(function, probabilities, targets, message):
    with pytest.raises(DataError, match=message):
        function(probabilities, targets)


def test_bins_are_needed():
    with pytest.raises(DataError, match="bins must be at least 1; got 0"):
        reliability(HALVES, [0], bins=0)


@pytest.mark.parametrize(
    ("logits", "targets", "options", "message"),
    [
        ([1.0], [1], {}, r"logits must have the shape \(N, K\), and targets \(N,\) or \(N, K\); got \(1,\)"),
        ([[1.0, 2.0]], [1], {"multi_label": True}, r"targets \(N, K\); got \(1, 2\) and \(1,\)"),
        ([[1.0, np.inf]], [1], {}, "logits must be finite"),
        ([[1.0, 2.0]], [2], {}, "ids from 0 to 1"),
        ([[1.0, 2.0]], [[1, 1]], {}, "one 1 in each row.*multi_label=True"),
        ([[1.0, 2.0]], [1], {"weights": [1, 2]}, r"weights must have the shape \(1,\) of the cases; got \(2,\)"),
        ([[1.0, 2.0]], [1], {"weights": [[1, 2]]}, r"got \(1, 2\)"),
        ([[1.0, 2.0]], [1], {"weights": [-1]}, "weights must be finite and not below 0"),
        ([[1.0, 2.0]], [1], {"weights": [np.nan]}, "weights must be finite"),
    ],
)
def test_logits_that_no_temperature_fits(logits, targets, options, message):
    with pytest.raises(DataError, match=message):
        fit_temperature(logits, targets, **options)
