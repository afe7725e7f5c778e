"""Scores of classes: against scikit-learn, one class a sequence and any number of labels."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support
from sklearn.preprocessing import MultiLabelBinarizer

from seqtag.errors import DataError
from seqtag.metrics import CLASS_METRICS, class_report, encode_classes

CLASSES = st.sampled_from(["ham", "spam", "eggs", "ü"])
NUMBERS = st.sampled_from([-1, 0, 3, 7])


def paired(answer):
    """Gold and predicted answers, as many of each."""
    rows = st.lists(st.tuples(answer, answer), min_size=1, max_size=30)
    return rows.map(lambda pairs: ([gold for gold, _ in pairs], [predicted for _, predicted in pairs]))


def assert_scores(report, gold, predicted, **how):
    """Compare rows and averages with scikit-learn's."""
    expected = precision_recall_fscore_support(gold, predicted, zero_division=0, **how)
    found = [(row.precision, row.recall, row.f1, row.support) for row in report.rows]
    assert found == [pytest.approx(row) for row in zip(*expected, strict=True)]
    for row in report.totals:
        theirs = precision_recall_fscore_support(gold, predicted, average=row.name, zero_division=0, **how)[:3]
        assert (row.precision, row.recall, row.f1) == pytest.approx(theirs)
    assert report.accuracy == pytest.approx(accuracy_score(gold, predicted))


# ---- one class a sequence ----------------------------------------------------------------------------------


@given(st.one_of(paired(CLASSES), paired(NUMBERS), paired(st.booleans())))
def test_classes_are_scored_as_scikit_learn_scores_them(pair):
    found = class_report(*pair)
    assert list(found.labels) == sorted({*pair[0], *pair[1]})
    assert_scores(found, *pair, labels=list(found.labels))
    if len(found.labels) > 1:  # scikit-learn warns of one class
        assert found.confusion.tolist() == confusion_matrix(*pair, labels=list(found.labels)).tolist()
    assert (found.sequences, found.sizes) == (len(pair[0]), {"sequences": len(pair[0])})


@given(paired(CLASSES))
def test_what_is_counted_does_not_depend_on_who_holds_the_classes(pair):
    expected = class_report(*pair)
    arrays = [np.array(side) for side in pair]
    assert class_report(*arrays) == class_report(*map(tuple, pair)) == class_report(*map(pd.Series, pair)) == expected
    assert class_report(arrays[0].astype(object), pair[1]) == expected
    assert all(type(label) is str for label in class_report(*arrays).labels)


@given(paired(CLASSES), st.permutations(range(4)))
def test_the_order_of_sequences_and_classes_changes_no_score(pair, order):
    labels = [["ham", "spam", "eggs", "ü"][i] for i in order]
    found, expected = class_report(*pair, labels), class_report(pair[0][::-1], pair[1][::-1])
    assert found.labels == tuple(labels)
    assert {row for row in found.rows if row in expected.rows} == set(expected.rows)
    assert found.main_scores["accuracy"] == expected.main_scores["accuracy"]
    assert found.average("micro") == expected.average("micro")


def test_classes_that_do_not_occur_are_reported_and_unforeseen_ones_after_them():
    found = class_report(["b", "z", "c"], ["b", "c", "c"], labels=["c", "a", "b"])
    assert found.labels == ("c", "a", "b", "z")
    assert [row.support for row in found.rows] == [1, 0, 1, 1]
    assert found.average("macro").recall == pytest.approx(2 / 4)
    assert found.confusion.tolist() == [[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0]]


# ---- any number of labels ----------------------------------------------------------------------------------


@given(paired(st.sets(st.sampled_from(["sad", "slow", "loud"]))))
def test_labels_are_scored_as_scikit_learn_scores_them(pair):
    names = ["loud", "sad", "slow"]
    binarizer = MultiLabelBinarizer(classes=names)
    arrays = [binarizer.fit_transform(side) for side in pair]
    found = class_report(*pair, labels=names)
    assert_scores(found, *arrays)
    assert found == class_report(*arrays, labels=names) == class_report(arrays[0], pair[1], names)
    assert found == class_report(*([tuple(row) for row in side] for side in pair), np.array(names))
    assert found.confusion is None and found.multi_label
    assert found.score == found.average("micro").f1


def test_columns_without_names_have_numbers():
    gold = np.array([[1, 0, 0], [0, 0, 1]])
    found = class_report(gold, gold.astype(bool))
    assert found.labels == (0, 1, 2) and [row.name for row in found.rows] == ["0", "1", "2"]
    assert (found.accuracy, found.average("micro").f1, found.average("macro").f1) == (1.0, 1.0, pytest.approx(2 / 3))
    assert class_report(pd.DataFrame(gold), gold.astype(np.float32)) == found


def test_a_sequence_is_right_with_exactly_its_labels():
    found = class_report([("a", "b"), (), ("a",), ["b", "b"]], [["b", "a"], (), ("a", "b"), {"b"}])
    assert found.accuracy == 3 / 4
    assert found.average("micro").precision == 4 / 5


# ---- reports -----------------------------------------------------------------------------------------------

GOLD, PREDICTED = ["spam", "ham", "ham", "eggs"], ["spam", "ham", "spam", "ham"]
SEVERAL = [("a", "b"), ("b",), ()], [("a",), ("b",), ("a",)]


def test_report_as_text():
    assert class_report(GOLD, PREDICTED).to_text().splitlines() == [
        "          precision  recall      F1  support",
        "eggs           0.00    0.00    0.00        1",
        "ham           50.00   50.00   50.00        2",
        "spam          50.00  100.00   66.67        1",
        "",
        "micro         50.00   50.00   50.00        4",
        "macro         33.33   50.00   38.89        4",
        "weighted      37.50   50.00   41.67        4",
        "",
        "accuracy 50.00 % of 4 sequences",
        "Each sequence has one class.",
    ]
    assert class_report(*SEVERAL).to_text().splitlines()[-2:] == [
        "accuracy 33.33 % of 3 sequences",
        "A sequence counts as right if it has exactly its gold labels.",
    ]


def test_report_as_dict():
    found = class_report(GOLD, PREDICTED)
    values = json.loads(json.dumps(found.to_dict()))
    assert (values["score_name"], values["score"], values["accuracy"]) == ("accuracy", 0.5, 0.5)
    assert values["labels"] == ["eggs", "ham", "spam"]
    assert values["confusion"] == [[0, 1, 0], [0, 1, 1], [0, 0, 1]]
    assert values["rows"][1] == {"name": "ham", "precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2}
    assert [row["name"] for row in values["totals"]] == ["micro", "macro", "weighted"]
    several = json.loads(json.dumps(class_report(*SEVERAL).to_dict()))
    assert (several["score_name"], several["score"], several["confusion"]) == ("micro F1", pytest.approx(2 / 3), None)
    assert several["multi_label"] and not values["multi_label"]


def test_the_main_scores_come_first():
    one, several = class_report(GOLD, PREDICTED), class_report(*SEVERAL)
    assert one.main_scores == {"accuracy": 0.5, "macro F1": pytest.approx(7 / 18)}
    assert list(several.main_scores) == ["micro F1", "accuracy"]
    for report in (one, several):
        assert report.score == report.main_scores[report.score_name] == next(iter(report.main_scores.values()))


def test_reports_are_values():
    assert class_report(GOLD, PREDICTED) == class_report(GOLD, PREDICTED) != class_report(GOLD, GOLD)
    assert hash(class_report(*SEVERAL)) == hash(class_report(*SEVERAL))


@pytest.mark.parametrize("nothing", [[], np.array([]), np.zeros((0, 2))])
def test_a_share_of_no_sequence_is_zero(nothing):
    found = class_report(nothing, nothing)
    assert (found.score, found.accuracy, found.sequences) == (0.0, 0.0, 0)
    assert found.to_text().startswith("          precision")
    assert class_report(nothing, []) == class_report([], nothing) == found


@pytest.mark.parametrize(
    ("name", "expected"), [("accuracy", 1 / 2), ("micro_f1", 1 / 2), ("macro_f1", 7 / 18), ("weighted_f1", 5 / 12)]
)
def test_metrics_by_name(name, expected):
    assert CLASS_METRICS[name](GOLD, PREDICTED) == pytest.approx(expected)
    assert CLASS_METRICS[name](GOLD, GOLD) == CLASS_METRICS[name](SEVERAL[0], SEVERAL[0]) == 1.0


# ---- classes as numbers ------------------------------------------------------------------------------------


def test_classes_are_encoded_by_their_place():
    assert encode_classes(["b", "a", "b"], np.array(["a", "b"])).tolist() == [1, 0, 1]
    assert encode_classes([("b",), (), ("b", "a")], ["a", "b"]).tolist() == [[0, 1], [0, 0], [1, 1]]
    assert encode_classes(np.array([[0.0, 1.0]]), ["a", "b"]).tolist() == [[0, 1]]
    assert encode_classes(np.array([10, 5]), np.array([5, 10])).tolist() == [1, 0]
    assert encode_classes([], ["a"]).shape == (0,)


@pytest.mark.parametrize(
    ("gold", "message"),
    [
        (["loudd"], r"classes that the model knows \(loud, slow\); got 'loudd'\. Did you mean 'loud'"),
        ([("loud", "x")], r"got 'x'\.$"),
        (np.array([[1, 0, 1]]), r"a column for each of the 2 labels; got an array of shape \(1, 3\)"),
    ],
)
def test_classes_that_cannot_be_encoded(gold, message):
    with pytest.raises(DataError, match=message):
        encode_classes(gold, ["loud", "slow"])
    with pytest.raises(DataError, match=r"knows \(0, 1, .*, 9 and 5 more\)"):
        encode_classes([99], range(15))


# ---- errors ------------------------------------------------------------------------------------------------

BINARY = np.array([[0, 1]])


@pytest.mark.parametrize(
    ("gold", "predicted", "message"),
    [
        (["a"], ["a", "b"], "as many sequences; got 1 and 2"),
        (["a"], [("a",)], "one class in gold and collections in predicted"),
        (BINARY, ["a"], "one class in predicted and collections in gold"),
        (["a", ("b",)], ["a", "b"], r"gold must hold one class a sequence, or .* got 'a' as well as \('b',\)"),
        ("ab", ["a", "b"], "gold must hold one class a sequence; got a single string, 'ab'"),
        (["a"], [None], "predicted must hold classes that are strings or numbers; got None"),
        ([float("nan")], [1.0], "gold must hold classes that are strings or numbers; got nan"),
        ([[("a",)]], [["a"]], r"strings or numbers; got \('a',\)"),
        (["1"], [1], "never equal; got '1' in gold and 1 in predicted"),
        (BINARY, [("a",)], "never equal; got 'a' in predicted and 0 in an array's columns"),
        (BINARY, np.array([[0, 1, 0]]), "the same columns; got 2 and 3"),
        (BINARY, np.array([[0.2, 0.8]]), r"predicted, .* must hold 0 and 1 alone; got float64 .* \(p > 0.5\)"),
        (np.array([["a"], ["b"]]), ["a", "b"], "gold, .* must hold 0 and 1 alone"),
    ],
)
def test_classes_that_cannot_be_compared(gold, predicted, message):
    with pytest.raises(DataError, match=message):
        class_report(gold, predicted)


def test_labels_that_cannot_be_used():
    with pytest.raises(DataError, match="labels must differ from each other; got 'a' more than once"):
        class_report(["a"], ["a"], labels=["a", "b", "a"])
    with pytest.raises(DataError, match="column for each of the 3 labels"):
        class_report(BINARY, BINARY, labels=["a", "b", "c"])
    with pytest.raises(DataError, match="got 'a' in gold and 1 in labels"):
        class_report(["a"], ["a"], labels=[1, 2])
    with pytest.raises(DataError, match="labels must hold classes that are strings or numbers; got None"):
        class_report(["a"], ["a"], labels=[None])
