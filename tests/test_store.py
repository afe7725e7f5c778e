"""Shards: every sequence once, each batch what memory would give, few files open, none left."""

import itertools
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqtag.data.batching import EncodedCorpus, Limits, pad_runs
from seqtag.data.corpus import Sequence
from seqtag.data.encoders import fit_encoders
from seqtag.data.encoding import CorpusEncoder
from seqtag.data.store import WINDOW, encoded_on_disk
from seqtag.errors import DataError

WORDS = ["the", "The", "cat", "Ada", "한국", "café", "x" * 30, "", "👍🏽", "7"]
LIMITS = Limits(40, 5)


def make_sequences(n=120, seed=0):
    rng = np.random.default_rng(seed)
    drawn = [tuple(map(str, rng.choice(WORDS, rng.integers(1, 9)))) for _ in range(n)]
    return [
        Sequence(words, columns={"pos": tuple(w[:1] for w in words)}, vectors={"v": rng.normal(size=(len(words), 2))})
        for words in drawn
    ]


SEQUENCES = make_sequences()
FEATURES = fit_encoders(
    ["words", {"affixes": None, "min_count": 1}, {"chars": None, "min_count": 1}, {"column": "pos"}, {"vectors": "v"}],
    SEQUENCES,
)


def numbered(sequences):
    """Targets that tell each place of each sequence from every other, and weights that follow from them."""
    starts = np.cumsum([0, *map(len, sequences)])
    targets = [np.arange(a, b, dtype=np.int32) for a, b in itertools.pairwise(starts)]
    return targets, [row.astype(np.float32) / 7 for row in targets]


def parts(sequences, size=11):
    targets, weights = numbered(sequences)
    for i in range(0, len(sequences), size):
        yield sequences[i : i + size], targets[i : i + size], weights[i : i + size]


def on_disk(sequences=SEQUENCES, seed=0, shard_tokens=60):
    return encoded_on_disk(FEATURES, parts(sequences), seed, shard_tokens=shard_tokens)


def first_places(batch):
    return batch.targets[:, 0].tolist()


def test_arrays_that_are_added_part_by_part_are_those_of_the_whole():
    encoder = CorpusEncoder(FEATURES)
    for part in parts(SEQUENCES):
        encoder.add(*part)
    whole = EncodedCorpus(FEATURES, SEQUENCES, *numbered(SEQUENCES)).arrays
    found = encoder.arrays()
    assert encoder.n_tokens == sum(map(len, SEQUENCES)) and found.by_place == whole.by_place == {"targets", "weights"}
    for name in ("lengths", "rows", "targets", "weights"):
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name))
    for group in ("types", "places"):
        assert getattr(found, group).keys() == getattr(whole, group).keys()
        for name, table in getattr(whole, group).items():
            np.testing.assert_array_equal(getattr(found, group)[name], table)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 99), n=st.integers(1, 120), shard_tokens=st.sampled_from([1, 20, 60, 1 << 16]))
def test_a_pass_gives_every_sequence_once(seed, n, shard_tokens):
    sequences = SEQUENCES[:n]
    starts = np.cumsum([0, *map(len, sequences)])[:-1].tolist()
    with on_disk(sequences, seed, shard_tokens) as corpus:
        assert (len(corpus), corpus.n_tokens) == (n, sum(map(len, sequences)))
        rng = np.random.default_rng(seed)
        for _ in range(2):
            seen = [place for batch in corpus.shuffled(LIMITS, rng) for place in first_places(batch)]
            assert sorted(seen) == starts


def test_batches_are_those_that_memory_gives_of_the_same_sequences():
    whole = EncodedCorpus(FEATURES, SEQUENCES, *numbered(SEQUENCES))
    place = {start: i for i, start in enumerate(np.cumsum([0, *map(len, SEQUENCES)])[:-1].tolist())}
    with on_disk() as corpus:
        batches = 0
        for batch in corpus.shuffled(LIMITS, np.random.default_rng(0)):
            batches += 1
            expected = whole.batch(np.array([place[start] for start in first_places(batch)]))
            assert batch.inputs.keys() == expected.inputs.keys()
            np.testing.assert_array_equal(batch.targets, expected.targets)
            np.testing.assert_array_equal(batch.weights, expected.weights)
            # Distinct tokens have other numbers in a shard of its own, so each place is compared by what stands there.
            for name, table in expected.inputs.items():
                by_type = len(table) != len(batch.lengths) or name in ("words", "affixes", "chars")
                if name == "index":
                    continue
                found = batch.inputs[name]
                if by_type:
                    found, table = found[batch.inputs["index"]], table[expected.inputs["index"]]
                    inside = np.arange(found.shape[1]) < batch.lengths[:, None]
                    found, table = found[inside], table[inside]
                np.testing.assert_array_equal(found, table)
        assert batches > 20
        example = corpus.example()
        assert {name: part.dtype for name, part in example.inputs.items()} == {
            name: part.dtype for name, part in whole.example().inputs.items()
        }


def test_what_belongs_to_whole_sequences_stays_with_them():
    targets = np.arange(120, dtype=np.int32)
    hot = np.eye(120, dtype=np.float32)
    for given_targets in (targets, hot):
        made = [(SEQUENCES[i : i + 7], given_targets[i : i + 7], targets[i : i + 7] / 2) for i in range(0, 120, 7)]
        with encoded_on_disk(FEATURES, made, 0, shard_tokens=60) as corpus:
            for batch in corpus.shuffled(LIMITS, np.random.default_rng(0)):
                rows = batch.targets if batch.targets.ndim == 1 else batch.targets.argmax(axis=1)
                np.testing.assert_array_equal(batch.weights, rows / 2)
                np.testing.assert_array_equal(batch.lengths, [len(SEQUENCES[i]) for i in rows])


def test_numbers_alone_have_no_distinct_tokens():
    frames = [Sequence(frames=np.full((n, 3), n)) for n in (2, 1, 4)]
    features = fit_encoders([{"frames": None, "standardize": False}], frames)
    with encoded_on_disk(features, [(frames, np.arange(3), None)], 0, shard_tokens=2) as corpus:
        assert corpus.n_shards > 1
        for batch in corpus.shuffled(LIMITS, np.random.default_rng(0)):
            expected = [np.full((n, 3), n, np.float32) for n in batch.lengths]
            np.testing.assert_array_equal(batch.inputs["frames"], pad_runs(np.concatenate(expected), batch.lengths))
            assert batch.inputs.keys() == {"frames", "lengths"}


def test_a_plan_counts_what_a_pass_costs():
    with on_disk() as corpus:
        plan = corpus.plan(LIMITS)
        shards = [corpus.shard(i) for i in range(corpus.n_shards)]
        assert plan.steps == sum(shard.plan(LIMITS).steps for shard in shards)
        computed = sum(shard.n_tokens / (1 - shard.plan(LIMITS).padded_share) for shard in shards)
        assert plan.padded_share == pytest.approx(1 - corpus.n_tokens / computed) and 0 < plan.padded_share < 0.2


def test_the_seed_fixes_shards_and_order():
    def passes(seed, order):
        with on_disk(seed=seed) as corpus:
            rng = np.random.default_rng(order)
            return [[tuple(first_places(b)) for b in corpus.shuffled(LIMITS, rng)] for _ in range(2)]

    assert passes(0, 0) == passes(0, 0)
    assert passes(0, 0) != passes(1, 0) != passes(0, 1)
    first, second = passes(0, 0)
    assert Counter(first) != Counter(second)  # other company, not only another order


def test_a_sorted_corpus_gives_mixed_shards_and_mixed_windows():
    topics = [Sequence((word,) * 4) for word in ("a", "b", "c", "d") for _ in range(100)]
    features = fit_encoders(["words"], topics)
    targets = np.repeat(np.arange(4), 100)
    with encoded_on_disk(features, [(topics, targets, None)], 0, shard_tokens=100) as corpus:
        assert corpus.n_shards == WINDOW
        for i in range(corpus.n_shards):
            assert len(set(corpus.shard(i).arrays.targets.tolist())) == 4
    many = [(topics[i : i + 10], targets[i : i + 10], None) for i in range(0, 400, 10)]
    with encoded_on_disk(features, many, 0, shard_tokens=8) as corpus:  # so that a buffer holds no whole topic
        rows = [batch.targets for batch in corpus.shuffled(Limits(8, 2), np.random.default_rng(0))]
        early = np.concatenate(rows[: len(rows) // 4])
        assert set(early.tolist()) == {0, 1, 2, 3}


def open_files():
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts the files under /proc")
def test_no_more_files_are_open_than_a_window_has():
    with on_disk(shard_tokens=5) as corpus:
        assert corpus.n_shards > 4 * WINDOW
        before = open_files()
        most = max(open_files() for _ in corpus.shuffled(LIMITS, np.random.default_rng(0))) - before
        each = len(list(Path(corpus._folder).glob("0.*.npy")))
        assert 0 < most <= each * WINDOW * 2  # the next window opens while the last batch of the one before is in use
        assert open_files() == before
        corpus.plan(LIMITS)
        assert open_files() == before


def test_the_folder_is_there_only_inside_the_context(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with on_disk() as corpus:
        assert len(list(tmp_path.iterdir())) == 1
        waiting = corpus.shuffled(LIMITS, np.random.default_rng(0))
        next(waiting)
    assert list(tmp_path.iterdir()) == []
    assert len(list(waiting)) > 0  # what was open is read to the end of its window
    assert list(corpus.shuffled(LIMITS, np.random.default_rng(0))) == []
    with pytest.raises(ZeroDivisionError), on_disk():
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_encoded_is_named_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    odd = [(SEQUENCES[:3], None, None), ([Sequence(("no", "column"))], None, None)]
    said = "must have the column 'pos'; the one that begins 'no column' has none"
    with pytest.raises(DataError, match=said), encoded_on_disk(FEATURES, odd, 0):
        raise AssertionError("never entered")
    assert list(tmp_path.iterdir()) == []


def test_nothing_gives_no_shards():
    with encoded_on_disk(FEATURES, [], 0) as corpus:
        assert (len(corpus), corpus.n_tokens, corpus.n_shards) == (0, 0, 0)
        assert corpus.plan(LIMITS).steps == 0 and list(corpus.shuffled(LIMITS, np.random.default_rng(0))) == []
