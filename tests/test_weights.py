"""Token weights from sample and class weights, against their definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from seqtag.data.corpus import Sequence
from seqtag.errors import ParameterError
from seqtag.tasks._weights import token_weights

SEQUENCES = (
    Sequence(("a", "b", "c"), ("O", "B-X", "O")),
    Sequence((), ()),
    Sequence(("d",), ("I-X",)),
)


def as_lists(weights):
    return [row.tolist() for row in weights]


@pytest.mark.parametrize(
    ("sample_weight", "class_weight", "expected"),
    [
        ([1, 1, 1], None, [[1, 1, 1], [], [1]]),
        ([2, 7, 0.5], None, [[2, 2, 2], [], [0.5]]),
        (None, {"B-X": np.float32(3)}, [[1, 3, 1], [], [1]]),
        ([2, 1, 0], {"O": 0.5, "I-X": 9}, [[1, 2, 1], [], [0]]),
        (np.array([1, 1, 2], np.float32), {}, [[1, 1, 1], [], [2]]),
        (None, "balanced", [[4 / 6, 4 / 3, 4 / 6], [], [4 / 3]]),
    ],
)
def test_a_tokens_weight_is_its_sequences_times_its_labels(sample_weight, class_weight, expected):
    weights = token_weights(SEQUENCES, sample_weight, class_weight)
    assert [row.dtype for row in weights] == [np.float32] * 3
    for row, values in zip(weights, expected, strict=True):
        np.testing.assert_allclose(row, values, rtol=1e-6)


def test_without_weights_there_are_none():
    assert token_weights(SEQUENCES, None, None) is None


@given(st.lists(st.lists(st.sampled_from(["O", "B-X", "I-X", "B-Y"]), max_size=5), min_size=1).filter(any))
def test_balanced_is_what_scikit_learn_computes_and_keeps_the_sum(labels):
    sequences = tuple(Sequence(tuple(row), tuple(row)) for row in labels)
    flat = [label for row in labels for label in row]
    known = sorted(set(flat))
    expected = dict(zip(known, compute_class_weight("balanced", classes=np.array(known), y=flat), strict=True))
    weights = np.concatenate(token_weights(sequences, None, "balanced"))
    np.testing.assert_allclose(weights, [expected[label] for label in flat], rtol=1e-6)
    np.testing.assert_allclose(weights.sum(), len(flat), rtol=1e-5)


def test_a_label_that_does_not_occur_has_no_weight():
    with pytest.raises(ParameterError, match=r"must name labels of the training data; got 'B-XX'. Did you mean 'B-X'"):
        token_weights(SEQUENCES, None, {"B-XX": 1})
