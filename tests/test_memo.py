"""What is remembered of tokens gives the batches that encoding them anew would give."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtag.data.batching import EncodedCorpus
from seqtag.data.encoders import fit_encoders
from seqtag.data.memo import FIRST_ROWS, EncodingMemo
from seqtag.data.sequence import Sequence
from seqtag.errors import DataError

TOKENS = ["Ada", "ada", "moved", "to", "", "naïve", "한국", "👩‍🚀", "x" * 40, "1984"]
TRAIN = [Sequence(tuple(TOKENS[i : i + 4]), columns={"pos": tuple("NVPN"[: len(TOKENS[i : i + 4])])}) for i in range(9)]
FEATURES = fit_encoders(["words", "affixes", {"chars": "cnn", "min_count": 1}, {"column": "pos"}, "ngrams"], TRAIN)


def sentence(words):
    return Sequence(tuple(words), columns={"pos": ("N",) * len(words)})


def laid_out(inputs):
    """Arrays by place, however the distinct tokens are numbered, the padding of characters aside."""
    out = {}
    for feature in FEATURES:
        name = feature.spec.name
        values = inputs[name][inputs["index"]] if feature.spec.level == "type" else inputs[name]
        out[name] = [[tuple(v[v != 0]) if name == "chars" else tuple(v) for v in row] for row in values]
    return out


words = st.lists(st.one_of(st.sampled_from(TOKENS), st.text(max_size=5)), min_size=1, max_size=7)


@given(st.lists(st.lists(words, min_size=1, max_size=5), min_size=1, max_size=4), st.sampled_from([0, 3, 1000]))
def test_batches_are_those_of_encoding_anew(calls, capacity):
    memo = EncodingMemo(FEATURES, capacity)
    for call in calls:
        sequences = [sentence(words) for words in call]
        order = np.arange(len(sequences))[::-1]
        found = memo.encode(sequences).batch(order).inputs
        anew = EncodedCorpus(FEATURES, sequences).batch(order).inputs
        assert found["lengths"].tolist() == anew["lengths"].tolist()
        mask = np.arange(found["index"].shape[1]) < found["lengths"][:, None]
        for (name, rows), other in zip(laid_out(found).items(), laid_out(anew).values(), strict=True):
            for row, expected, valid in zip(rows, other, mask, strict=True):
                pairs = zip(row, expected, valid, strict=True)
                assert all(one == two for one, two, is_token in pairs if is_token), name
        assert all(found[name].dtype == anew[name].dtype for name in anew)


def test_what_was_handed_out_stays_when_more_is_learnt():
    memo = EncodingMemo(FEATURES)
    first = memo.encode([sentence(TOKENS)])
    before = {name: array.copy() for name, array in first.batch(np.array([0])).inputs.items()}
    for i in range(3):
        memo.encode([sentence([f"w{i}-{k}" for k in range(FIRST_ROWS)])])
    after = first.batch(np.array([0])).inputs
    assert all((before[name] == after[name]).all() for name in before)


def test_memory_is_bounded():
    memo = EncodingMemo(FEATURES, capacity=100)
    for i in range(50):
        memo.encode([sentence([f"w{i}-{k}" for k in range(90)])])
    assert len(memo._rows) <= 190
    assert all(len(table) <= 2 * FIRST_ROWS for table in memo._tables.values())


def test_threads_may_share_it():
    memo = EncodingMemo(FEATURES, capacity=50)
    wrong = []

    def work(seed):
        rng = np.random.default_rng(seed)
        for _ in range(100):
            sequences = [sentence([f"t{k}" for k in rng.integers(0, 200, rng.integers(1, 9))]) for _ in range(3)]
            found = memo.encode(sequences).batch(np.arange(3)).inputs
            anew = EncodedCorpus(FEATURES, sequences).batch(np.arange(3)).inputs
            same = (found["affixes"][found["index"]] == anew["affixes"][anew["index"]]).all(axis=2)
            if not same[np.arange(same.shape[1]) < found["lengths"][:, None]].all():
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_sequence_of_another_kind_is_named():
    with pytest.raises(DataError, match=r"frames"):
        EncodingMemo(FEATURES).encode([Sequence(frames=np.zeros((2, 3)), columns={"pos": ("N", "N")})])


def test_rows_that_come_after_a_table_grew_hold_nothing_of_others():
    memo = EncodingMemo(FEATURES)
    memo.encode([sentence([f"{'x' * 20}{k}" for k in range(FIRST_ROWS)])])  # spellings as long as they may be
    short = sentence([chr(ord("a") + k) for k in range(26)])
    found = memo.encode([short]).batch(np.array([0])).inputs["chars"]
    assert found.shape[1] == 1 and len(memo._tables["chars"]) > FIRST_ROWS
