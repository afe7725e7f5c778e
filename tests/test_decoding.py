"""Decoding: every number against the enumeration of all paths."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtag.data.schemes import problems
from seqtag.data.transitions import allowed_transitions, complete_labels
from seqtag.decoding import (
    FORBIDDEN,
    argmax,
    constrain,
    log_partition,
    marginals,
    sequence_score,
    softmax,
    viterbi,
)
from seqtag.errors import DataError


def make_case(seed, B, T, K, scale=2.0, dtype=np.float64):
    """Random scores, and lengths from 0 to T with both among them where B allows."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, T + 1, B)
    lengths[: min(B, 2)] = [T, 0][: min(B, 2)]
    shapes = ((B, T, K), (K, K), (K,), (K,))
    emissions, transitions, start, end = (rng.normal(scale=scale, size=shape).astype(dtype) for shape in shapes)
    return emissions, lengths, transitions, start, end


def enumerate_paths(emissions, length, transitions, start, end):
    """All paths of one sequence and their scores, added up term by term."""
    paths = list(itertools.product(range(emissions.shape[-1]), repeat=length))
    scores = []
    for path in paths:
        terms = [emissions[t, tag] for t, tag in enumerate(path)]
        terms += [transitions[a, b] for a, b in itertools.pairwise(path)]
        scores.append(sum(terms) + (start[path[0]] + end[path[-1]] if path else 0.0))
    return paths, np.array(scores)


def log_sum(scores):
    return scores.max() + np.log(np.exp(scores - scores.max()).sum())


cases = st.builds(
    make_case,
    st.integers(0, 2**32 - 1),
    st.integers(1, 4),
    st.integers(1, 5),
    st.integers(1, 4),
    st.sampled_from([1, 50]),
)


@given(cases)
def test_the_best_path_and_its_score(case):
    emissions, lengths, *scores = case
    tags, best = viterbi(*case)
    assert tags.dtype == np.int32 and best.dtype == np.float64 and tags.shape == emissions.shape[:2]
    for b, length in enumerate(lengths):
        paths, totals = enumerate_paths(emissions[b], length, *scores)
        assert tuple(tags[b, :length]) == paths[totals.argmax()]
        assert best[b] == pytest.approx(totals.max())
        assert not tags[b, length:].any()


@given(cases)
def test_the_partition_function(case):
    emissions, lengths, *scores = case
    expected = [log_sum(enumerate_paths(emissions[b], n, *scores)[1]) for b, n in enumerate(lengths)]
    np.testing.assert_allclose(log_partition(*case), expected, rtol=1e-12, atol=1e-12)


@given(cases)
def test_the_marginals(case):
    emissions, lengths, *scores = case
    expected = np.zeros(emissions.shape)
    for b, length in enumerate(lengths):
        paths, totals = enumerate_paths(emissions[b], length, *scores)
        weights = np.exp(totals - log_sum(totals))
        for path, weight in zip(paths, weights, strict=True):
            expected[b, range(length), path] += weight
    np.testing.assert_allclose(marginals(*case), expected, atol=1e-10)


@given(cases, st.randoms(use_true_random=False))
def test_the_score_of_a_path(case, draw):
    emissions, lengths, *scores = case
    paths, totals = zip(*(enumerate_paths(emissions[b], n, *scores) for b, n in enumerate(lengths)), strict=True)
    chosen = [draw.randrange(len(found)) for found in paths]
    tags = np.full(emissions.shape[:2], -7)
    for b, (length, index) in enumerate(zip(lengths, chosen, strict=True)):
        tags[b, :length] = paths[b][index]
    expected = [found[index] for found, index in zip(totals, chosen, strict=True)]
    np.testing.assert_allclose(sequence_score(emissions, tags, *case[1:]), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_best_path_has_the_score_that_viterbi_gives(dtype):
    case = make_case(0, 8, 30, 12, dtype=dtype)
    tags, scores = viterbi(*case)
    np.testing.assert_allclose(sequence_score(case[0], tags, *case[1:]), scores, rtol=1e-12)
    assert (scores < log_partition(*case) + 1e-9).all()


@pytest.mark.parametrize("function", [lambda *case: viterbi(*case)[0], lambda *case: viterbi(*case)[1], marginals])
def test_padding_and_company_change_nothing(function):
    emissions, lengths, *scores = make_case(1, 6, 9, 5, dtype=np.float32)
    expected = function(emissions, lengths, *scores)
    padded = np.pad(emissions, ((0, 0), (0, 4), (0, 0)))
    padded[np.arange(13) >= lengths[:, None]] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        longer = function(padded, lengths, *scores)
    order = np.random.default_rng(0).permutation(6)
    np.testing.assert_array_equal(longer[:, :9] if longer.ndim > 1 else longer, expected)
    np.testing.assert_array_equal(function(emissions[order], lengths[order], *scores), expected[order])
    for b, length in enumerate(lengths):
        alone = function(emissions[b : b + 1, :length], lengths[b : b + 1], *scores)
        np.testing.assert_allclose(alone[0], expected[b][:length] if expected.ndim > 1 else expected[b], rtol=1e-12)


@pytest.mark.parametrize(("B", "T"), [(0, 5), (0, 0), (1, 0), (3, 0), (1, 4), (3, 4)])
def test_empty_sequences(B, T):
    emissions, lengths, *scores = np.ones((B, T, 3)), np.zeros(B, int), np.ones((3, 3)), np.ones(3), np.ones(3)
    tags, best = viterbi(emissions, lengths, *scores)
    assert tags.shape == (B, T) and not tags.any() and tags.dtype == np.int32
    for values in (best, log_partition(emissions, lengths, *scores), sequence_score(emissions, tags, lengths, *scores)):
        np.testing.assert_array_equal(values, np.zeros(B))
    np.testing.assert_array_equal(marginals(emissions, lengths, *scores), np.zeros((B, T, 3)))
    np.testing.assert_array_equal(argmax(emissions, lengths), np.zeros((B, T)))


def test_equal_paths_are_decided_the_same_way_in_a_batch_and_alone():
    zeros = np.zeros((3, 3)), np.zeros(3), np.zeros(3)
    assert not viterbi(np.zeros((2, 4, 3)), [4, 3], *zeros)[0].any()
    assert not viterbi(np.zeros((1, 4, 3)), [4], *zeros)[0].any()


def test_large_scores_neither_overflow_nor_vanish():
    emissions, lengths, *scores = make_case(3, 3, 6, 4)
    shifted = log_partition(emissions + 1e4, lengths, *scores)
    np.testing.assert_allclose(shifted, log_partition(emissions, lengths, *scores) + 1e4 * lengths, rtol=1e-12)
    np.testing.assert_allclose(marginals(emissions - 1e4, lengths, *scores), marginals(emissions, lengths, *scores))


# ---- constraints -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["iob1", "iob2", "bioes"])
def test_constrained_paths_are_valid(scheme):
    prefixes = {"iob1": "BI", "iob2": "BI", "bioes": "BIES"}[scheme]
    labels = complete_labels(["O", *(f"{prefix}-{type_}" for prefix in prefixes for type_ in "xy")], scheme)
    allowed = allowed_transitions(labels, scheme)
    emissions, lengths, transitions, start, end = make_case(4, 40, 7, len(labels), scale=5.0, dtype=np.float32)
    free, _ = viterbi(emissions, lengths, transitions, start, end)
    bound = [scores + constrain(which) for scores, which in zip((start, transitions, end), allowed, strict=True)]
    tags, _ = viterbi(emissions, lengths, bound[1], bound[0], bound[2])

    def broken(paths):
        return sum(
            bool(problems([labels[i] for i in path[:n]], scheme)) for path, n in zip(paths, lengths, strict=True)
        )

    assert broken(free) > 10 and broken(tags) == 0
    forbidden = marginals(emissions, lengths, bound[1], bound[0], bound[2])[:, 0][:, ~allowed[0]]
    assert forbidden.max(initial=0.0) < 1e-300


def test_what_is_forbidden_scores_low_but_finite():
    scores = constrain([[True, False], [False, True]])
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(scores, [[0, FORBIDDEN], [FORBIDDEN, 0]])


def test_minus_infinity_forbids_altogether():
    emissions, lengths, transitions, start, end = make_case(5, 4, 4, 3)
    transitions[0, 1] = start[2] = -np.inf
    tags, best = viterbi(emissions, lengths, transitions, start, end)
    log_z, found = (
        log_partition(emissions, lengths, transitions, start, end),
        marginals(emissions, lengths, transitions, start, end),
    )
    for b, length in enumerate(lengths):
        paths, totals = enumerate_paths(emissions[b], length, transitions, start, end)
        assert tuple(tags[b, :length]) == paths[totals.argmax()] and best[b] == pytest.approx(totals.max())
        assert log_z[b] == pytest.approx(log_sum(totals))
        np.testing.assert_allclose(found[b, :length].sum(axis=-1), 1.0)
    assert not found[:, 0, 2].any()


def test_no_path_at_all_has_probability_zero():
    case = np.zeros((2, 2, 2)), [2, 2], np.zeros((2, 2)), np.full(2, -np.inf), np.zeros(2)
    assert np.isneginf(log_partition(*case)).all() and np.isneginf(viterbi(*case)[1]).all()
    assert not marginals(*case).any()


# ---- softmax heads -----------------------------------------------------------------------------------------


@given(cases)
def test_softmax_is_what_marginals_are_without_transitions(case):
    emissions, lengths, transitions, start, end = case
    nothing = marginals(emissions, lengths, 0 * transitions, 0 * start, 0 * end)
    valid = (np.arange(emissions.shape[1]) < lengths[:, None])[:, :, None]
    np.testing.assert_allclose(nothing, softmax(emissions) * valid, atol=1e-12)


@given(cases)
def test_argmax_is_what_viterbi_finds_without_transitions(case):
    emissions, lengths, transitions, start, end = case
    tags = argmax(emissions, lengths)
    assert tags.dtype == np.int32
    np.testing.assert_array_equal(tags, viterbi(emissions, lengths, 0 * transitions, 0 * start, 0 * end)[0])


def test_softmax_of_large_scores():
    np.testing.assert_allclose(softmax(np.float32([[1e4, 1e4], [0, -1e4]])), [[0.5, 0.5], [1.0, 0.0]])


# ---- errors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({0: np.zeros((2, 3))}, r"emissions must have the shape \(B, T, K\)"),
        ({0: np.zeros((2, 3, 0))}, "K > 0"),
        ({1: [3]}, r"got \(2, 3, 4\) and \(1,\)"),
        ({1: [3, 4]}, "lengths must be between 0 and T = 3; got 3 to 4"),
        ({1: [-1, 3]}, "got -1 to 3"),
        ({2: np.zeros((4, 3))}, r"transitions must have the shape \(4, 4\) of the 4 labels; got \(4, 3\)"),
        ({3: np.zeros(3)}, r"start must have the shape \(4,\)"),
        ({4: np.zeros((4, 1))}, r"end must have the shape \(4,\)"),
    ],
)
def test_shapes_that_do_not_fit(change, message):
    case = [np.zeros((2, 3, 4)), [3, 2], np.zeros((4, 4)), np.zeros(4), np.zeros(4)]
    for position, value in change.items():
        case[position] = value
    for function in (viterbi, log_partition, marginals):
        with pytest.raises(DataError, match=message):
            function(*case)


@pytest.mark.parametrize(
    ("tags", "message"),
    [([[0, 1]], "tags must have the shape"), ([[0, 4, 0]], "between 0 and K - 1 = 3; got 0 to 4")],
)
def test_tags_that_do_not_fit(tags, message):
    with pytest.raises(DataError, match=message):
        sequence_score(np.zeros((1, 3, 4)), tags, [3], np.zeros((4, 4)), np.zeros(4), np.zeros(4))
