"""Batches: nothing lost, nothing twice, nothing over the budget, every token where it was."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtag.data.batching import EncodedCorpus, bucket, pad_runs, padded_share
from seqtag.data.corpus import Sequence
from seqtag.data.encoders import fit_encoders

lengths_of = st.lists(st.integers(1, 60), max_size=80).map(lambda values: np.array(values, np.int32))
seeds = st.none() | st.integers(0, 99)


def make_lengths(n=400, seed=0):
    return np.random.default_rng(seed).integers(1, 60, n).astype(np.int32)


def groups_of(lengths, batch_tokens=100, seed=None, **options):
    rng = None if seed is None else np.random.default_rng(seed)
    return bucket(lengths, batch_tokens, rng=rng, **options)


# ---- buckets -----------------------------------------------------------------------------------------------


@given(lengths_of, st.integers(1, 200), st.integers(1, 9), seeds)
def test_every_sequence_exactly_once_within_the_budget(lengths, batch_tokens, most, seed):
    groups = groups_of(lengths, batch_tokens, seed, max_sequences=most)
    assert sorted(itertools.chain.from_iterable(groups)) == list(range(len(lengths)))
    for group in groups:
        assert 0 < len(group) <= most
        assert len(group) == 1 or len(group) * lengths[group].max() <= batch_tokens


def test_the_budget_counts_the_longest_not_the_last():
    lengths = make_lengths(2000)
    for seed in range(5):
        assert all(len(group) * lengths[group].max() <= 800 for group in groups_of(lengths, 800, seed))


@given(lengths_of, st.integers(1, 200))
def test_no_batch_could_take_the_next_one_too(lengths, batch_tokens):
    groups = groups_of(lengths, batch_tokens)
    longest = [lengths[group].max() for group in groups]
    assert longest == sorted(longest)
    for group, following in itertools.pairwise(groups):
        count = len(group) + 1
        assert count > 32 or count * lengths[following].min() > batch_tokens


def test_a_sequence_over_the_budget_stands_alone():
    groups = groups_of(np.array([3, 500, 4, 5]), 20)
    assert [group.tolist() for group in groups] == [[0, 2, 3], [1]]


def test_little_padding():
    lengths = make_lengths(2000)
    assert padded_share(lengths, groups_of(lengths, 800)) < 0.03
    jittered = padded_share(lengths, groups_of(lengths, 800, seed=0))
    assert 0.03 < jittered < 0.12
    shuffled = np.array_split(np.random.default_rng(0).permutation(2000), 80)
    assert padded_share(lengths, shuffled) > 0.4
    assert padded_share(np.array([2, 4]), [np.array([0, 1])]) == 0.25
    assert padded_share(lengths, []) == 0.0


def test_a_seed_fixes_the_batches_and_epochs_differ():
    lengths = make_lengths()
    once, again, other = ([tuple(group) for group in groups_of(lengths, seed=seed)] for seed in (1, 1, 2))
    assert once == again and once != other
    rng = np.random.default_rng(1)
    first, second = (bucket(lengths, 100, rng=rng) for _ in range(2))
    assert [tuple(group) for group in first] == once
    composed, next_composed = ({frozenset(group.tolist()) for group in groups} for groups in (first, second))
    assert len(composed & next_composed) < len(composed) / 2  # other company, not only another order
    assert [tuple(group) for group in groups_of(lengths)] == [tuple(group) for group in groups_of(lengths)]


def test_batches_come_in_a_drawn_order():
    lengths = make_lengths()
    means = [lengths[group].mean() for group in groups_of(lengths, seed=0)]
    assert abs(np.corrcoef(means, range(len(means)))[0, 1]) < 0.3


@pytest.mark.parametrize("seed", [None, 0])
def test_nothing_gives_no_batches(seed):
    assert groups_of(np.array([], np.int32), seed=seed) == []


# ---- padding -----------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 5), max_size=6), st.sampled_from([(), (2,)]))
def test_runs_are_laid_out_as_rows(lengths, tail):
    flat = np.arange(1, sum(lengths) * (2 if tail else 1) + 1).reshape(-1, *tail)
    rows = pad_runs(flat, np.array(lengths, int))
    assert rows.shape == (len(lengths), max(lengths, default=0), *tail) and rows.dtype == flat.dtype
    starts = np.cumsum([0, *lengths])
    for row, start, length in zip(rows, starts, lengths, strict=False):
        np.testing.assert_array_equal(row[:length], flat[start : start + length])
        assert not row[length:].any()


# ---- encoded corpora ---------------------------------------------------------------------------------------

WORDS = ["the", "The", "cat", "Ada", "한국", "cafe\u0301", "café", "x" * 30, "", "👍🏽", "7", "8"]


def make_sequences(seed=0, n=20):
    rng = np.random.default_rng(seed)
    drawn = [tuple(rng.choice(WORDS, rng.integers(1, 9))) for _ in range(n)]
    return [Sequence(tuple(map(str, words)), columns={"pos": tuple(word[:1] for word in words)}) for words in drawn]


@pytest.fixture(scope="module")
def features():
    choices = ["words", {"affixes": None, "min_count": 1}, {"chars": None, "min_count": 1}, {"column": "pos"}]
    return fit_encoders(choices, make_sequences())


@given(seed=st.integers(0, 99))
def test_each_place_points_at_its_own_token(features, seed):
    sequences = make_sequences(seed)
    encoded = EncodedCorpus(features, sequences)
    indices = np.random.default_rng(seed).permutation(len(sequences))[:7]
    inputs = encoded.batch(indices).inputs
    distinct = {token for i in indices for token in sequences[i].tokens}
    for spec, feature in ((feature.spec, feature) for feature in features):
        assert inputs[spec.name].dtype == np.int32
        assert len(inputs[spec.name]) == (len(distinct) if spec.level == "type" else 7)
        for row, i in enumerate(indices):
            expected = feature.encode(sequences[i].columns["pos"] if feature.column else sequences[i].tokens)
            found = inputs[spec.name][row] if spec.level == "token" else inputs[spec.name][inputs["index"][row]]
            found = found[: len(sequences[i])]
            width = max(found.shape[1], expected.shape[1])
            np.testing.assert_array_equal(*(np.pad(a, ((0, 0), (0, width - a.shape[1]))) for a in (found, expected)))


def test_beyond_the_end_all_is_zero(features):
    sequences = make_sequences()
    targets = [100 * i + np.arange(1, len(sequence) + 1, dtype=np.int32) for i, sequence in enumerate(sequences)]
    weights = [row.astype(np.float32) / 7 for row in targets]
    encoded = EncodedCorpus(features, sequences, targets, weights)
    assert len(encoded) == 20 and encoded.n_tokens == sum(map(len, sequences))
    batch = encoded.batch(np.array([3, 0, 7]))
    np.testing.assert_array_equal(batch.lengths, [len(sequences[i]) for i in (3, 0, 7)])
    within = np.arange(batch.inputs["index"].shape[1]) < batch.lengths[:, None]
    for i, row, weight, n in zip((3, 0, 7), batch.targets, batch.weights, batch.lengths, strict=True):
        np.testing.assert_array_equal(row[:n], targets[i])
        np.testing.assert_array_equal(weight[:n], weights[i])
    assert not batch.targets[~within].any() and not batch.weights[~within].any()
    assert batch.targets.dtype == np.int32 and batch.weights.dtype == np.float32
    assert not batch.inputs["index"][~within].any() and not batch.inputs["column_pos"][~within].any()
    bare = EncodedCorpus(features, sequences).batch(np.array([0]))
    assert bare.targets is None and bare.weights is None


def test_characters_are_trimmed_to_the_longest_token_of_the_batch(features):
    sentences = [("cat", "Ada"), ("", ""), ("x" * 30, "cat")]
    encoded = EncodedCorpus(features, [Sequence(tokens, columns={"pos": tokens}) for tokens in sentences])
    shapes = [encoded.batch(np.array([i])).inputs["chars"].shape for i in range(3)]
    assert shapes == [(2, 3), (2, 1), (2, 24)]  # a short sequence that stands alone keeps tokens that are equal


def test_a_sequence_alone_is_the_row_that_it_is_among_others(features):
    sequences = [
        Sequence(tokens, columns={"pos": tokens[::-1]}) for tokens in (("cat", "T"), ("Ada", "x", "7"), ("A",))
    ]
    encoded = EncodedCorpus(features, sequences)
    together = encoded.batch(np.arange(3)).inputs
    for i, sequence in enumerate(sequences):
        alone = encoded.batch(np.array([i])).inputs
        assert alone["lengths"].tolist() == [len(sequence)]
        for feature in features:
            name, n = feature.spec.name, len(sequence)
            by_type = feature.spec.level == "type"
            one = alone[name][alone["index"]] if by_type else alone[name]
            other = together[name][together["index"]] if by_type else together[name]
            width = one.shape[2]  # characters are trimmed to the longest token of a batch
            np.testing.assert_array_equal(one[0], other[i, :n, :width])
            assert not other[i, :n, width:].any()
