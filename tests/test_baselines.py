"""What a model has to beat: the most frequent label of each word, the most frequent class."""

from __future__ import annotations

import gzip
from itertools import groupby

import numpy as np
import pytest

from seqtag.errors import DataError
from seqtag.metrics import class_report, most_frequent_class_baseline, most_frequent_label_baseline, span_counts

# ---- labels of words ---------------------------------------------------------------------------------------


def read_columns(path):
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
    rows = [line.split() for line in text.split("\n")]
    return [list(sentence) for full, sentence in groupby(rows, key=bool) if full]


def test_the_published_baseline_of_conll_2000(shared_data):
    """The most frequent chunk tag of each part of speech: 72.58 / 82.14 / 77.07 (Tjong Kim Sang, Buchholz, 2000)."""
    train, test = (read_columns(shared_data / "conll2000" / name) for name in ("train.txt.gz", "test.txt"))
    columns = [[[row[i] for row in rows] for rows in part] for part, i in ((train, 1), (train, 2), (test, 1))]
    gold = [[row[2] for row in rows] for rows in test]
    micro = span_counts(gold, most_frequent_label_baseline(*columns), "iob2").micro
    assert [round(100 * value, 2) for value in (micro.precision, micro.recall, micro.f1)] == [72.58, 82.14, 77.07]


def test_baseline_takes_the_most_frequent_label_of_each_word():
    tokens, labels = [["a", "b", "a"], ["a", "b"], ["c"]], [["X", "Z", "Y"], ["Y", "X"], ["Z"]]
    assert most_frequent_label_baseline(tokens, labels, [["a", "b", "c", "new"], []]) == [["Y", "X", "Z", "X"], []]


def test_baseline_needs_words():
    with pytest.raises(DataError, match="at least one word"):
        most_frequent_label_baseline([[]], [[]], [["a"]])
    with pytest.raises(DataError, match="train_tokens and train_labels must have one entry a token; got 1 and 2"):
        most_frequent_label_baseline([["a"]], [["X", "Y"]], [["a"]])


# ---- classes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (["b", "a", "b"], "b"),
        (["b", "a"], "a"),
        (np.array([3, 1, 3]), 3),
        ([("a", "b"), ("b",), ()], ("b",)),
        ([("b",), ("a",)], ("a",)),
        ([(), ()], ()),
        (np.array([[1, 0, 1], [0, 0, 1]]), (2,)),
    ],
)
def test_the_most_frequent_class(classes, expected):
    assert most_frequent_class_baseline(classes, 3) == [expected] * 3
    assert most_frequent_class_baseline(classes, 0) == []


def test_the_class_baseline_scores_the_share_of_its_class():
    gold = ["a", "b", "a", "c"]
    assert class_report(gold, most_frequent_class_baseline(gold, 4)).accuracy == 0.5


@pytest.mark.parametrize("nothing", [[], np.zeros((0, 3), int)])
def test_the_class_baseline_needs_classes(nothing):
    with pytest.raises(DataError, match="train_classes must hold at least one sequence"):
        most_frequent_class_baseline(nothing, 3)
