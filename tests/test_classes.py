"""What y may be, and what is made of it: classes, targets, weights, a part held out. And what a matrix is."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.utils.class_weight import compute_class_weight

from seqtag import Corpus, Sequence
from seqtag.errors import DataError, ParameterError
from seqtag.tasks._classes import UNKNOWN, Classes, ClassifiedData, as_classes, in_order
from seqtag.tasks._matrix import check_matrix, is_matrix
from seqtag.tasks._weights import class_weights, sequence_weights

THREE = (Sequence(("a",)), Sequence(("b", "c")), Sequence(("d",)))


def numbered(n):
    return tuple(Sequence((str(i),)) for i in range(n))


# ---- y -----------------------------------------------------------------------------------------------------

SINGLE = [
    # y, classes of the sequences in Python's own types
    (["x", "y", "x"], ["x", "y", "x"]),
    (("x", "y", "x"), ["x", "y", "x"]),
    (np.array(["x", "y", "x"]), ["x", "y", "x"]),
    (np.array(["x", "y", "x"], object), ["x", "y", "x"]),
    ([np.str_("x"), "y", "x"], ["x", "y", "x"]),
    (pd.Series(["x", "y", "x"], index=[7, 8, 9]), ["x", "y", "x"]),
    (pd.Series(["x", "y", "x"], dtype="category"), ["x", "y", "x"]),
    ([2, 0, 2], [2, 0, 2]),
    (np.array([2, 0, 2], np.int8), [2, 0, 2]),
    (np.array([2.0, 0.0, 2.0]), [2.0, 0.0, 2.0]),
    ([True, False, True], [True, False, True]),
    ([-1, 1, -1], [-1, 1, -1]),
]


@pytest.mark.parametrize(("y", "values"), SINGLE, ids=str)
def test_one_class_a_sequence(y, values):
    for multi_label in ("auto", False):
        classes = as_classes(y, THREE, multi_label)
        assert classes == Classes(values) and list(map(type, classes.values)) == list(map(type, values))
    assert as_classes(y, THREE, True) == Classes([(value,) for value in values], True)
    assert classes.labels == sorted(set(values)) and len(classes) == 3
    assert classes.targets(classes.labels).tolist() == [sorted(set(values)).index(value) for value in values]


SETS = [
    ([["x", "y"], [], ["x"]], [("x", "y"), (), ("x",)]),
    ([("y", "x"), (), ("x", "x")], [("x", "y"), (), ("x",)]),
    ([{"x", "y"}, frozenset(), {"x"}], [("x", "y"), (), ("x",)]),
    ([["x", "y"], [], "x"], [("x", "y"), (), ("x",)]),
    ([["ab"], ["a", "b"], []], [("ab",), ("a", "b"), ()]),
    ([[3, 1], [np.int64(2)], []], [(1, 3), (2,), ()]),
    ([[2, 5], [1, 5], [2, 1]], [(2, 5), (1, 5), (1, 2)]),  # no indicator: other numbers than 0 and 1
    ([(0, 1), (1, 1), (0, 0)], [(0, 1), (1,), (0,)]),  # nor are tuples its rows
    ([[1], [1], [0]], [(1,), (1,), (0,)]),  # nor lists of one
]


@pytest.mark.parametrize(("y", "values"), SETS)
def test_any_number_of_classes_a_sequence(y, values):
    objects = np.empty(3, object)
    objects[:] = y
    for form in (y, tuple(y), objects, pd.Series(y)):
        for multi_label in ("auto", True):
            assert as_classes(form, THREE, multi_label) == Classes(values, True)
    with pytest.raises(DataError, match="y must hold one class a sequence with multi_label=False; got collections"):
        as_classes(y, THREE, False)


INDICATOR = np.array([[0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 0, 0]])


@pytest.mark.parametrize(
    "y",
    [INDICATOR, INDICATOR.astype(float), INDICATOR.astype(bool), INDICATOR.tolist(), scipy.sparse.csr_array(INDICATOR)],
    ids=["int", "float", "bool", "lists", "sparse"],
)
def test_an_indicator_matrix(y):
    classes = as_classes(y, THREE, "auto")
    assert classes == Classes([(1, 3), (), (0, 1)], True, 4)
    assert classes.labels == [0, 1, 2, 3]  # the third, too, which no sequence has
    np.testing.assert_array_equal(classes.targets(classes.labels), INDICATOR)
    with pytest.raises(DataError, match=r"one class a sequence with multi_label=False; got a matrix \(3, 4\)"):
        as_classes(y, THREE, False)


def test_sequences_may_carry_their_labels():
    single = tuple(Sequence((str(i),), label=label) for i, label in enumerate("xyx"))
    assert as_classes(None, single, "auto") == Classes(["x", "y", "x"])
    several = tuple(Sequence(("a",), label=label) for label in (("y", "x"), (), "z"))
    assert as_classes(None, several, "auto") == Classes([("x", "y"), (), ("z",)], True)
    with pytest.raises(DataError, match=r"the target y is None: sequence 1 has no label of its own"):
        as_classes(None, (single[0], THREE[0]), "auto")


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")  # of scikit-learn's, at a NaN
@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        (["x", "y"], ValueError, r"inconsistent numbers of samples: \[3, 2\]"),
        ([["x"], ["y"]], DataError, "y must have one entry a sequence; got 2 for 3 sequences"),
        ([0.5, 1.0, 2.0], ValueError, "Unknown label type: continuous"),
        ([1.0, np.nan, 2.0], ValueError, "contains NaN"),
        (np.arange(6).reshape(3, 2), ValueError, "should be a 1d array"),
        ([["x"], [None], []], DataError, r"y\[1\] must hold strings or integers; got \[None\]"),
        ([["x"], [0.5], []], DataError, r"y\[1\] must hold strings or integers"),
        ([["x"], 0.5, []], DataError, r"y\[1\] must hold strings or integers; got 0\.5"),
        ("xyx", ValueError, "Expected array-like"),
        (["x", None, "y"], DataError, "classes must be all strings or all numbers; got strings and None"),
        (np.array(["x", np.nan, "y"], object), DataError, "got strings and nan"),
        (["x", 1, "y"], DataError, "got strings and 1"),
        ([None, None, None], ValueError, "Unknown label type: unknown"),
    ],
    ids=str,
)
def test_a_y_that_is_no_classes_is_refused(y, error, message):
    with pytest.raises(error, match=message):
        as_classes(y, THREE, "auto").labels  # noqa: B018


def test_a_column_is_taken_with_a_warning():
    with pytest.warns(UserWarning, match="A column-vector y was passed when a 1d array was expected"):
        assert as_classes(np.array([["x"], ["y"], ["x"]]), THREE, "auto") == Classes(["x", "y", "x"])


def test_strings_and_numbers_have_no_order():
    with pytest.raises(DataError, match="classes must be all strings or all numbers; got "):
        in_order(["x", 1])
    assert in_order(np.array([3, 1])) == [1, 3]


def test_classes_that_were_not_trained_have_no_id():
    assert Classes(["x", "z", "y"]).targets(["x", "y"]).tolist() == [0, UNKNOWN, 1]
    assert Classes([("x", "z"), ("z",)], True).targets(["x", "y"]).tolist() == [[1, 0], [0, 0]]


# ---- data --------------------------------------------------------------------------------------------------


def test_the_prior_is_what_the_training_data_say_of_a_sequence_that_says_nothing():
    data = ClassifiedData(numbered(6), Classes(list("aaabbc")))
    np.testing.assert_allclose(np.exp(data.prior(["a", "b", "c", "d"])), np.array([4, 3, 2, 1]) / 10)
    several = ClassifiedData(numbered(4), Classes([("a",), ("a", "b"), ("a",), ()], True))
    odds = np.exp(several.prior(["a", "b", "c"]))
    np.testing.assert_allclose(odds / (1 + odds), np.array([4, 2, 1]) / 6)


def test_what_is_empty_is_left_out_with_its_class_and_weight():
    data = ClassifiedData((Sequence(("a",)), Sequence(), Sequence(("b",))), Classes(list("xyz")), np.arange(3.0))
    kept = data.without_empty()
    assert kept.sequences == (data.sequences[0], data.sequences[2])
    assert kept.classes.values == ["x", "z"] and kept.weights.tolist() == [0.0, 2.0]
    assert kept.without_empty() is kept


@given(
    st.lists(st.sampled_from("aaaabbc") | st.just(("a", "b")), min_size=1, max_size=60),
    st.floats(0.01, 0.9),
    st.integers(0, 9),
)
def test_a_part_of_each_class_is_held_out(values, fraction, seed):
    n = len(values)
    data = ClassifiedData(numbered(n), Classes(values), np.arange(n))
    kept, held = data.hold_out(fraction, seed)
    parts = [kept] if held is None else [kept, held]
    assert sorted(int(s.tokens[0]) for part in parts for s in part.sequences) == list(range(n))
    for part in parts:  # each goes on with its own
        places = [int(sequence.tokens[0]) for sequence in part.sequences]
        assert places == sorted(places) == part.weights.tolist()
        assert part.classes.values == [values[i] for i in places]
    assert set(kept.classes.values) == set(values)
    spare = n - len(set(values))
    assert n - len(kept.sequences) == min(max(1, round(n * fraction)), spare)
    for value in set(values):
        share = (values.count(value) - kept.classes.values.count(value)) / values.count(value)
        assert abs(share - (n - len(kept.sequences)) / n) <= 1.5 / values.count(value) + (spare < n * fraction) + 0.2
    again = data.hold_out(fraction, seed)[0]
    assert again.sequences == kept.sequences


# ---- weights -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sample_weight", "class_weight", "expected"),
    [
        (None, None, None),
        ([1, 2, 0.5], None, [1, 2, 0.5]),
        (None, {"x": 3}, [3, 1, 3]),
        ([1, 2, 0.5], {"x": np.float32(3), "y": 0}, [3, 0, 1.5]),
        (None, "balanced", [3 / 4, 3 / 2, 3 / 4]),
    ],
)
def test_a_sequences_weight_is_its_own_times_its_classes(sample_weight, class_weight, expected):
    found = sequence_weights(Classes(["x", "y", "x"]), sample_weight, class_weight)
    if expected is None:
        assert found is None
    else:
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected)


def test_several_classes_weigh_as_much_as_they_do_on_average():
    classes = Classes([("x", "y"), (), ("y",)], True)
    np.testing.assert_allclose(sequence_weights(classes, None, {"x": 4.0}), [2.5, 1.0, 1.0])
    np.testing.assert_allclose(sequence_weights(classes, None, "balanced"), [(3 / 2 + 3 / 4) / 2, 1.0, 3 / 4])


@pytest.mark.parametrize("values", [list("aab"), [3, 3, 1, 0], [True, False, False]], ids=str)
def test_balanced_is_what_scikit_learn_computes(values):
    expected = compute_class_weight("balanced", classes=np.unique(values), y=np.array(values))
    weights = dict(zip(np.unique(values).tolist(), expected, strict=True))
    np.testing.assert_allclose(class_weights(Classes(values), "balanced"), [weights[value] for value in values])


def test_weights_of_other_data_follow_from_the_training_classes():
    train, dev = Classes(list("xxxy")), Classes(list("yxz"))
    np.testing.assert_allclose(class_weights(dev, "balanced", train), [4 / 2, 4 / 6, 1.0])
    np.testing.assert_allclose(class_weights(dev, {"y": 5}, train), [5, 1, 1])


def test_numbers_may_be_named_as_text_which_is_what_json_has():
    np.testing.assert_allclose(class_weights(Classes([0, 1, 2]), {"0": 5, 1: 2}), [5, 2, 1])


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ({"xx": 1}, r"class_weight must name labels of the training data; got 'xx'. Did you mean 'x'"),
        ({"x": -1}, r"class_weight\['x'\] must be a number of at least 0; got -1"),
        ({"x": float("inf")}, r"class_weight\['x'\] must be a number"),
        ({"x": None}, r"class_weight\['x'\] must be a number"),
    ],
)
def test_weights_of_classes_that_cannot_be(class_weight, message):
    with pytest.raises(ParameterError, match=message):
        class_weights(Classes(["x", "y"]), class_weight)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 1], r"one number of at least 0 a sequence, shape \(3,\); got the shape \(2,\)"),
        ([[1], [1], [1]], r"got the shape \(3, 1\)"),
        ([1, -2, 1], r"got -2\.0 for sequence 1"),
        ([1, 1, np.nan], r"got nan for sequence 2"),
        ([0, 0, 0], "got weights that are all zero"),
        (["a", "b", "c"], r"got \['a', 'b', 'c'\]"),
    ],
)
def test_sample_weights_that_cannot_be(weights, message):
    with pytest.raises(DataError, match=message):
        sequence_weights(Classes(["x", "y", "x"]), weights, None)


# ---- what scikit-learn calls an array ----------------------------------------------------------------------

TABLE = [[1.0, 2.0], [3.0, 4.0]]


class Unlike:
    """Something that only knows how to become an array."""

    def __array__(self, dtype=None, copy=None):
        return np.array(TABLE, dtype)


@pytest.mark.parametrize(
    ("X", "expected"),
    [
        (np.array(TABLE), True),
        (np.zeros((2, 3, 4)), True),
        (np.array(TABLE, object), True),
        (TABLE, True),
        (tuple(map(tuple, TABLE)), True),
        ([[1, True], [np.float32(2), np.int8(3)]], True),
        (pd.DataFrame(TABLE), True),
        (scipy.sparse.csr_array(TABLE), True),
        (Unlike(), True),
        (np.array([1.0, 2.0]), True),  # which scikit-learn refuses in its own words
        ([], False),
        ([[]], False),
        ([[1.0], [2.0, 3.0]], False),  # sequences of two lengths
        ([["a", "b"], ["c", "d"]], False),
        ([["a", 1], ["c", 2]], False),
        ([np.zeros(2), np.zeros(2)], False),
        (["a b", "c d"], False),
        (np.array(["a b", "c d"]), False),
        (np.array([["a"], ["b", "c"]], object), False),
        (Corpus(THREE), False),
        (THREE, False),
        (({"tokens": ["a"]},), False),
        ((text for text in ("a", "b")), False),
        ("a b", False),
        (3, False),
    ],
)
def test_what_is_a_matrix(X, expected):
    assert is_matrix(X) is expected


def test_a_matrix_becomes_one_table_a_sequence():
    estimator = BaseEstimator()
    tables = check_matrix(estimator, TABLE, reset=True)
    assert [table.tolist() for table in tables] == [[[1.0], [2.0]], [[3.0], [4.0]]] and estimator.n_features_in_ == 2
    cube = np.arange(24).reshape(2, 3, 4)
    tables = check_matrix(estimator, cube, reset=True)
    np.testing.assert_array_equal(tables, cube)
    assert tables[0].dtype == np.float64 and estimator.n_features_in_ == 4
