"""The n best paths, the probabilities of spans, long sequences in pieces, tokens one by one: against all paths."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqtag import decoding
from seqtag.decoding import _long
from seqtag.errors import DataError


def make_case(seed, B, T, K, scale=2.0, whole=False):
    """Random scores, whole numbers where paths are to be equally good; lengths from 0 to T."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, T + 1, B)
    lengths[0] = T
    scores = [rng.normal(scale=scale, size=shape) for shape in ((B, T, K), (K, K), (K,), (K,))]
    emissions, *rest = (np.round(table) if whole else table for table in scores)
    return emissions, lengths, *rest


def all_paths(emissions, length, transitions, start, end):
    """Every path of one sequence with its score, the best first; of equal ones that with the smallest last labels."""
    found = []
    for path in itertools.product(range(emissions.shape[1]), repeat=int(length)):
        score = sum(emissions[t, tag] for t, tag in enumerate(path))
        score += sum(transitions[a, b] for a, b in itertools.pairwise(path))
        found.append((score + (start[path[0]] + end[path[-1]] if path else 0.0), path))
    return sorted(found, key=lambda item: (-item[0], item[1][::-1]))


cases = st.builds(make_case, st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(0, 4), st.integers(1, 3))
ties = st.builds(
    make_case,
    st.integers(0, 2**32 - 1),
    st.integers(1, 3),
    st.integers(0, 4),
    st.integers(1, 3),
    st.just(1.0),
    st.just(True),
)


@settings(max_examples=60)
@given(st.one_of(cases, ties), st.integers(1, 40))
def test_the_n_best_paths_are_the_first_of_all(case, n):
    emissions, lengths, *scores = case
    for b, (paths, totals) in enumerate(decoding.nbest(*case, n)):
        expected = all_paths(emissions[b], lengths[b], *scores)[:n]
        assert paths.dtype == np.int32 and paths.shape == (len(expected), lengths[b])
        np.testing.assert_allclose(totals, [score for score, _ in expected], atol=1e-9)
        assert [tuple(path) for path in paths.tolist()] == [path for _, path in expected]
        assert paths[0].tolist() == decoding.viterbi(*case)[0][b, : lengths[b]].tolist()


def test_what_minus_infinity_forbids_is_no_path():
    emissions, lengths, transitions, start, end = make_case(3, 2, 4, 3)
    transitions[0, 1] = start[2] = -np.inf
    for b, (paths, totals) in enumerate(decoding.nbest(emissions, lengths, transitions, start, end, 100)):
        possible = [item for item in all_paths(emissions[b], lengths[b], transitions, start, end) if item[0] > -np.inf]
        assert [tuple(path) for path in paths.tolist()] == [path for _, path in possible]
        assert len(totals) == len(possible) and np.isfinite(totals).all()


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "2"])
def test_n_must_be_a_number_of_paths(n):
    with pytest.raises(DataError, match="n must be a whole number from 1 on"):
        decoding.nbest(*make_case(0, 1, 2, 2), n)


@settings(max_examples=60)
@given(cases)
def test_the_probability_of_a_span_is_that_of_all_paths_that_agree_on_it(case):
    emissions, lengths, *scores = case
    tags = np.full(emissions.shape[:2], -9)
    rng = np.random.default_rng(int(lengths.sum()))
    spans = []
    for b, length in enumerate(lengths):
        tags[b, :length] = rng.integers(0, emissions.shape[2], length)
        spans.append([(s, e) for s in range(length) for e in range(s + 1, length + 1)])
    alone, following = decoding.tag_log_probability(emissions, tags, *case[1:])
    found = decoding.span_log_probability(alone, following, lengths, spans)
    for b, own in enumerate(spans):
        paths = all_paths(emissions[b], lengths[b], *scores)
        weights = np.exp([score for score, _ in paths])
        for (start, end), log_p in zip(own, found[b], strict=True):
            agree = [path[start:end] == tuple(tags[b, start:end]) for _, path in paths]
            assert np.exp(log_p) == pytest.approx(weights[agree].sum() / weights.sum(), abs=1e-12)
        for t in range(lengths[b]):
            agree = [path[t] == tags[b, t] for _, path in paths]
            assert np.exp(alone[b, t]) == pytest.approx(weights[agree].sum() / weights.sum(), abs=1e-12)


def test_without_transitions_a_span_is_the_product_of_its_tags():
    emissions = np.random.default_rng(0).normal(size=(1, 5, 3))
    nothing = np.zeros((3, 3)), np.zeros(3), np.zeros(3)
    tags = emissions.argmax(axis=2)
    logs = decoding.tag_log_probability(emissions, tags, [5], *nothing)
    (found,) = decoding.span_log_probability(*logs, [5], [[(1, 4)]])
    chosen = np.take_along_axis(decoding.softmax(emissions), tags[..., None], axis=2)[0, 1:4, 0]
    assert np.exp(found[0]) == pytest.approx(chosen.prod())


@pytest.mark.parametrize("span", [(1, 1), (2, 1), (-1, 2), (0, 4)])
def test_a_span_must_lie_in_its_sequence(span):
    emissions, _, *scores = make_case(0, 1, 3, 2)
    logs = decoding.tag_log_probability(emissions, [[0, 1, 0]], [3], *scores)
    with pytest.raises(DataError, match="a span must hold at least one of the 3 tokens"):
        decoding.span_log_probability(*logs, [3], [[span]])


def test_tags_must_fit_the_emissions():
    emissions, _, *scores = make_case(0, 1, 3, 2)
    with pytest.raises(DataError, match=r"tags must have the shape \(B, T\) = \(1, 3\); got \(1, 2\)"):
        decoding.tag_log_probability(emissions, [[0, 1]], [3], *scores)


# ---- in pieces -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [4, 5, 7, 8, 23])
@pytest.mark.parametrize("whole", [False, True], ids=["different", "ties"])
def test_a_long_sequence_in_pieces_is_decoded_as_in_one(monkeypatch, length, whole):
    emissions, *_ = case = make_case(length, 1, length, 4, whole=whole)
    tags, best = decoding.viterbi(*case)
    logs = decoding.tag_log_probability(emissions, tags, *case[1:])
    p = decoding.marginals(*case)
    assert not _long.is_long(emissions, [length])
    monkeypatch.setattr(_long, "PIECE", 3)
    assert _long.is_long(emissions, [length])
    found, score = decoding.viterbi(*case)
    np.testing.assert_array_equal(found, tags)
    np.testing.assert_array_equal(score, best)
    np.testing.assert_allclose(decoding.marginals(*case), p, atol=1e-12)
    alone, following = decoding.tag_log_probability(emissions, tags, *case[1:])
    np.testing.assert_allclose(alone, logs[0], atol=1e-10)
    np.testing.assert_allclose(following[:, 1:], logs[1][:, 1:], atol=1e-10)


def test_one_sequence_with_forbidden_ways_is_summed_as_in_a_batch():
    """One sequence is summed by products of probabilities, several by logarithms."""
    emissions, _, transitions, start, end = make_case(1, 2, 30, 4, scale=5.0)
    transitions = np.where(np.random.default_rng(0).random((4, 4)) < 0.5, decoding.FORBIDDEN, transitions)
    transitions[:, 2] = decoding.FORBIDDEN  # nothing but forbidden ways leads there
    both = decoding.marginals(emissions, [30, 30], transitions, start, end)
    alone = decoding.marginals(emissions[:1], [30], transitions, start, end)
    np.testing.assert_allclose(alone[0], both[0], atol=1e-12)
    transitions[:, 3] = -np.inf
    both = decoding.marginals(emissions, [30, 30], transitions, start, end)
    np.testing.assert_allclose(decoding.marginals(emissions[:1], [30], transitions, start, end)[0], both[0], atol=1e-12)
    assert not both[:, 1:, 3].any()


# ---- one token after the other -------------------------------------------------------------------------------------


def test_the_filter_gives_the_last_marginal_of_each_beginning():
    emissions, _, transitions, start, _ = make_case(2, 1, 9, 4)
    known = None
    for t in range(9):
        known = decoding.filter_step(known, emissions[0, t], transitions, start)
        so_far = decoding.marginals(emissions[:, : t + 1], [t + 1], transitions, start, np.zeros(4))
        np.testing.assert_allclose(np.exp(known), so_far[0, -1], atol=1e-12)
