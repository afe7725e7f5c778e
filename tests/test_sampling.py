"""What is left of a distribution that is sharpened and cut, against definitions written out."""

import itertools

import numpy as np
import pytest

from seqtag.decoding import draw, truncated

RNG = np.random.default_rng(0)
ROWS = [RNG.normal(scale=scale, size=n) for scale in (0.1, 1.0, 6.0) for n in (1, 2, 7, 300)]


def softmax(scores):
    values = np.exp(scores - scores.max())
    return values / values.sum()


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_temperature_divides_the_logarithms(temperature):
    for row in ROWS:
        np.testing.assert_allclose(truncated(row, temperature=temperature), softmax(row / temperature))


@pytest.mark.parametrize("k", [1, 3, 500])
def test_top_k_keeps_the_most_probable(k):
    for row in ROWS:
        expected = softmax(row)
        expected[np.argsort(-row)[k:]] = 0
        np.testing.assert_allclose(truncated(row, top_k=k), expected / expected.sum())


@pytest.mark.parametrize("p", [1e-9, 0.3, 0.9, 0.999999, 1.0])
def test_top_p_keeps_the_fewest_that_are_together_so_probable(p):
    for row in ROWS:
        chances = softmax(row)
        order = np.argsort(-chances, kind="stable")
        sums = list(itertools.accumulate(chances[order]))
        count = next((i + 1 for i, total in enumerate(sums) if total >= p), len(row))
        expected = np.zeros_like(chances)
        expected[order[:count]] = chances[order[:count]]
        np.testing.assert_allclose(truncated(row, top_p=p), expected / expected.sum(), atol=1e-12)


def test_zero_is_greedy_and_what_is_forbidden_stays_so():
    row = np.array([0.1, 3.0, -np.inf, 2.0])
    np.testing.assert_array_equal(truncated(row, temperature=0), [0, 1, 0, 0])
    assert truncated(row, top_p=0.999999)[2] == truncated(row)[2] == 0


def test_draws_are_as_frequent_as_probable():
    chances = np.array([0.0, 0.5, 0.0, 0.2, 0.3, 0.0])
    rng = np.random.default_rng(1)
    counts = np.bincount([draw(chances, rng) for _ in range(5000)], minlength=6)
    assert counts[[0, 2, 5]].sum() == 0
    np.testing.assert_allclose(counts / 5000, chances, atol=0.03)
