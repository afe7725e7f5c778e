"""Made-up sequences of numbers, long memories, and scikit-learn's digits: each is what its description says."""

from collections import Counter
from functools import partial

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from seqtag import datasets

FIRST = {
    "train": ["0", "1", "3", "5", "7"],
    "dev": ["14", "17", "21", "24", "51"],
    "test": ["2", "4", "6", "8", "12"],
}
DIGESTS = {
    "recall": "741ca1d586ac879a783c2c07781ca9a206a46c92bf73556fd5d30748102b8b09",
    "copy": "df6806812f7dca5748d59313a8621451d8304d4d2f9bcc04050b88664fd78642",
    "adding": "b5b5c1a1bec9c7dc55ac05a9b7ea63121b3e900606e62b986f021427e0e4dd7f",
}

# ---- digits ------------------------------------------------------------------------------------------------


def test_every_digit_of_scikit_learn_is_in_one_part():
    corpora, source = datasets.load_digits(), load_digits()
    assert {split: len(corpus) for split, corpus in corpora.items()} == {"train": 1257, "dev": 180, "test": 360}
    images = [sequence for corpus in corpora.values() for sequence in corpus]
    assert sorted(int(image.id) for image in images) == list(range(1797))
    for image in images:
        np.testing.assert_array_equal(image.frames, source.images[int(image.id)])
        assert image.label == str(source.target[int(image.id)])
    assert datasets.load("digits") == corpora


def test_digits_are_shared_out_in_proportion():
    classes = {split: corpus.describe()["classes"] for split, corpus in datasets.load_digits().items()}
    whole = Counter(str(digit) for digit in load_digits().target)
    for split, share in {"train": 0.7, "dev": 0.1, "test": 0.2}.items():
        assert all(abs(classes[split][digit] - share * whole[digit]) <= 1 for digit in whole)


def test_the_parts_of_the_digits_stay_the_same():
    first = {split: [image.id for image in corpus[:5]] for split, corpus in datasets.load_digits().items()}
    assert first == FIRST


# ---- signals -----------------------------------------------------------------------------------------------


def rows_of(corpus, context=0):
    """Frames with the so many before and after, and the label of each; what lacks them is left out."""
    X, y = [], []
    for sequence in corpus:
        for i in range(context, len(sequence) - context):
            X.append(sequence.frames[i - context : i + context + 1].ravel())
            y.append(sequence.labels[i])
    return np.array(X), np.array(y)


def test_no_frame_alone_tells_the_movement_and_its_neighbours_do():
    corpora = datasets.make_signals(sequences=120)
    scores = {}
    for context in (0, 6):
        (X, y), (held_out, right) = (rows_of(corpora[split], context) for split in ("train", "test"))
        mean, scale = X.mean(axis=0), X.std(axis=0)
        neighbours = KNeighborsClassifier(15).fit((X - mean) / scale, y)
        scores[context] = neighbours.score((held_out - mean) / scale, right)
    assert scores[0] < 0.42 and scores[6] > 0.8


def test_signals_are_of_several_lengths_and_labelled_twice():
    corpora = datasets.make_signals(sequences=40, features=5)
    assert {split: len(corpus) for split, corpus in corpora.items()} == {"train": 40, "dev": 10, "test": 10}
    train = corpora["train"]
    assert len({len(sequence) for sequence in train}) > 20
    for sequence in train:
        assert sequence.frames.shape == (len(sequence.labels), 5) and 30 <= len(sequence) <= 120
        counts = Counter(sequence.labels)
        assert set(counts) <= {"sway", "walk", "run"} and counts[sequence.label] == max(counts.values())
    facts = train.describe()
    assert facts["missing"] == 0 and facts["features"] == 5 and len(facts["classes"]) == 3
    means = np.concatenate(train.frames).mean(axis=0)
    np.testing.assert_allclose(means, [0, 100, -1, 0, 100], atol=1)  # units that must be scaled


def test_missing_values_leave_the_others_as_they_are():
    whole, holed = datasets.make_signals(sequences=30), datasets.make_signals(sequences=30, missing=0.2)
    for split in whole:
        assert whole[split].labels == holed[split].labels
        for one, other in zip(whole[split].frames, holed[split].frames, strict=True):
            np.testing.assert_array_equal(np.where(np.isnan(other), one, other), one)
    values = holed["train"].describe()["tokens"] * 3
    assert abs(holed["train"].describe()["missing"] / values - 0.2) < 0.02


@pytest.mark.parametrize(
    "make",
    [datasets.make_signals, *(partial(datasets.make_memory, task=task) for task in DIGESTS)],
    ids=["signals", *DIGESTS],
)
def test_a_seed_fixes_what_is_drawn_and_parts_differ(make):
    once, again, other = (make(sequences=8, random_state=seed) for seed in (3, 3, 4))
    assert once == again and once != other
    assert once["dev"] != once["test"] and len(once["dev"]) == 2
    assert {split: len(corpus) for split, corpus in make(sequences=1).items()} == {"train": 1, "dev": 1, "test": 1}


# ---- memory ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lag", [1, 2, 20])
def test_recall_asks_for_what_stood_at_the_start(lag):
    corpus = datasets.make_memory(lag=lag, sequences=200)["train"]
    assert corpus.name == "memory recall train" and len(corpus) == 200
    symbols = {sequence.label for sequence in corpus}
    assert len(symbols) == 4
    for sequence in corpus:
        assert len(sequence) == lag + 1 and sequence.tokens[0] == sequence.label and sequence.tokens[lag] == "?"
        assert not symbols & set(sequence.tokens[1:])
        assert sequence.labels is None
    assert len({sequence.tokens[1:] for sequence in corpus}) > (1 if lag > 1 else 0)


def test_what_is_recalled_does_not_follow_from_the_distractors():
    corpus = datasets.make_memory(lag=10, sequences=2000)["train"]
    words = sorted({word for sequence in corpus for word in sequence.tokens[1:]})
    X = [[sequence.tokens[1:].count(word) for word in words] for sequence in corpus]
    y = [sequence.label for sequence in corpus]
    assert LogisticRegression().fit(X[:1000], y[:1000]).score(X[1000:], y[1000:]) < 0.32


@pytest.mark.parametrize("lag", [1, 3, 4, 5, 30])
def test_copy_asks_for_each_symbol_at_the_same_distance(lag):
    for sequence in datasets.make_memory(task="copy", lag=lag, sequences=50)["train"]:
        size = min(4, lag)
        assert len(sequence) == len(sequence.labels) == lag + size
        for i, (token, label) in enumerate(zip(sequence.tokens, sequence.labels, strict=True)):
            assert label == (sequence.tokens[i - lag] if token == "?" else "O")
        assert sequence.tokens.count("?") == size and sequence.tokens[size:lag] == ("-",) * (lag - size)


@pytest.mark.parametrize("lag", [1, 2, 15, 200])
def test_adding_marks_two_values_of_which_the_first_is_far_back(lag):
    corpus = datasets.make_memory(task="adding", lag=lag, sequences=300)["train"]
    assert len({len(sequence) for sequence in corpus}) > 1
    for sequence in corpus:
        value, mark = sequence.frames.T
        marked = np.flatnonzero(mark)
        assert set(mark.tolist()) <= {0.0, 1.0} and len(marked) == 2
        assert len(sequence) - 1 - marked[0] >= lag
        assert sequence.label == ("high" if value[marked].astype(float).sum() >= 1 else "low")
        assert ((value >= 0) & (value <= 1)).all()
    counts = corpus.describe()["classes"]
    assert min(counts.values()) > 100


def test_neither_value_alone_tells_whether_the_sum_is_high():
    corpus = datasets.make_memory(task="adding", sequences=2000)["train"]
    for which in (0, 1):
        value = [sequence.frames[np.flatnonzero(sequence.frames[:, 1])[which], 0] for sequence in corpus]
        right = [(v >= 0.5) == (sequence.label == "high") for v, sequence in zip(value, corpus, strict=True)]
        assert 0.7 < np.mean(right) < 0.8  # three quarters; the two together tell all


def test_what_was_drawn_once_is_drawn_again_by_later_versions():
    digests = {task: datasets.corpus_digest(datasets.make_memory(task=task, sequences=20)) for task in DIGESTS}
    assert digests == DIGESTS
