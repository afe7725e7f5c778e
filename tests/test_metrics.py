"""Scores of tags: against the rules of conlleval, seqeval and scikit-learn."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from itertools import groupby

import pytest
import seqeval.metrics as seqeval
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.scheme import IOB1, IOB2, IOBES
from sklearn.metrics import precision_recall_fscore_support

from seqtag.data.schemes import convert
from seqtag.errors import ConfigError, DataError
from seqtag.metrics import (
    Counts,
    label_counts,
    report,
    score,
    sequence_accuracy,
    span_counts,
    token_accuracy,
)

PREFIXES = {"io": "I", "iob1": "BI", "iob2": "BI", "bioes": "BIES"}
SEQEVAL = {"iob1": IOB1, "iob2": IOB2, "bioes": IOBES}


def conlleval(gold, predicted):
    """Count chunks as conlleval's rules have it: one walk over all tokens, an O between sentences.

    A chunk is open in both columns, or not, and turns out right when both close it together; the script's rules
    for opening and closing are the two sets of prefix pairs, and a change of type does both.
    """
    closes = {"BB", "BO", "IB", "IO", "EE", "EI", "EO", "EB", "BS", "IS", "ES", "SB", "SI", "SE", "SS", "SO"}
    opens = {"BB", "IB", "OB", "OI", "EE", "EI", "OE", "EB", "BS", "IS", "ES", "OS", "SB", "SI", "SE", "SS"}
    counts = {"correct": Counter(), "predicted": Counter(), "gold": Counter()}
    before, shared = [("O", ""), ("O", "")], False
    for pair in [pair for g, p in zip(gold, predicted, strict=True) for pair in [*zip(g, p, strict=True), ("O", "O")]]:
        here = [tuple((tag + "-").split("-", 1)) for tag in pair]
        here = [(prefix, rest[:-1]) for prefix, rest in here]
        changes = [old[1] != new[1] for old, new in zip(before, here, strict=True)]
        joint = [old[0] + new[0] for old, new in zip(before, here, strict=True)]
        closing = [j in closes or (c and j[0] != "O") for j, c in zip(joint, changes, strict=True)]
        opening = [j in opens or (c and j[1] != "O") for j, c in zip(joint, changes, strict=True)]
        if shared and all(closing) and before[0][1] == before[1][1]:
            counts["correct"][before[0][1]] += 1
        if any(closing) or here[0][1] != here[1][1]:
            shared = False
        if all(opening) and here[0][1] == here[1][1]:
            shared = True
        for column, opened, (_, type_) in zip(("gold", "predicted"), opening, here, strict=True):
            counts[column][type_] += opened
        before = here
    types = sorted(+counts["gold"] | +counts["predicted"])
    return {t: Counts(counts["correct"][t], counts["predicted"][t], counts["gold"][t]) for t in types}


def tagged_pairs(prefixes, max_sequences=5):
    labels = ["O", *(f"{prefix}-{type_}" for prefix in prefixes for type_ in ("LOC", "a-b"))]
    tokens = st.lists(st.tuples(st.sampled_from(labels), st.sampled_from(labels)), min_size=1, max_size=8)
    return st.lists(tokens, min_size=1, max_size=max_sequences).map(
        lambda rows: ([[g for g, _ in row] for row in rows], [[p for _, p in row] for row in rows])
    )


def perturbed(gold, share=0.1, seed=0):
    """Wrong labels in some places, many of which break the scheme."""
    labels, draw = sorted({label for labels in gold for label in labels}), random.Random(seed)
    return [[draw.choice(labels) if draw.random() < share else label for label in sequence] for sequence in gold]


def read_columns(path):
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
    rows = [line.split() for line in text.split("\n")]
    return [list(sentence) for full, sentence in groupby(rows, key=bool) if full]


def last_columns(path, limit):
    return [[row[-1] for row in rows] for rows in read_columns(path)[:limit]]


def slot_labels(path):
    return [line.split() for line in path.read_text(encoding="utf-8").splitlines()]


CORPORA = {
    "conll2000": lambda data: last_columns(data / "conll2000" / "test.txt", 500),
    "wnut17": lambda data: last_columns(data / "wnut17" / "emerging.test.annotated", 1287),
    "atis": lambda data: slot_labels(data / "atis" / "test" / "seq.out"),
    "snips": lambda data: slot_labels(data / "snips" / "test" / "seq.out"),
}


def assert_equals_seqeval(scores, gold, predicted, **how):
    """Compare scores by type and all averages; seqeval cannot average over no types."""
    if not scores.types:
        return
    p, r, f, n = _seqeval(gold, predicted, None, **how)
    expected = list(zip(p, r, f, n, strict=True))
    assert [(c.precision, c.recall, c.f1, c.gold) for c in scores.types.values()] == [
        pytest.approx(e) for e in expected
    ]
    for row in (scores.micro, scores.macro, scores.weighted):
        assert (row.precision, row.recall, row.f1, row.support) == pytest.approx(
            _seqeval(gold, predicted, row.name, **how)
        )


def _seqeval(gold, predicted, average, **how):
    module = seqeval.v1 if how else seqeval.sequence_labeling
    return module.precision_recall_fscore_support(gold, predicted, average=average, zero_division=0, **how)


# ---- spans -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", list(PREFIXES))
@settings(max_examples=50)
@given(st.data())
def test_spans_are_counted_as_conlleval_counts_them(scheme, data):
    gold, predicted = data.draw(tagged_pairs(PREFIXES[scheme]))
    scores = span_counts(gold, predicted, scheme)
    assert dict(scores.types) == conlleval(gold, predicted)
    assert_equals_seqeval(scores, gold, predicted)


@pytest.mark.parametrize("scheme", list(SEQEVAL))
@settings(max_examples=50)
@given(st.data())
def test_strict_spans_are_counted_as_seqeval_counts_them(scheme, data):
    gold, predicted = data.draw(tagged_pairs(PREFIXES[scheme]))
    assert_equals_seqeval(span_counts(gold, predicted, scheme, "strict"), gold, predicted, scheme=SEQEVAL[scheme])


@pytest.mark.parametrize("name", list(CORPORA))
def test_corpora_are_counted_as_conlleval_and_seqeval_count_them(name, shared_data):
    gold = CORPORA[name](shared_data)
    predicted = perturbed(gold)
    scores = span_counts(gold, predicted, "iob2")
    assert dict(scores.types) == conlleval(gold, predicted)
    assert_equals_seqeval(scores, gold, predicted)
    strict = span_counts(gold, predicted, "iob2", "strict")
    assert strict.total != scores.total
    assert_equals_seqeval(strict, gold, predicted, scheme=IOB2)
    assert span_counts(gold, gold, "iob2").micro.f1 == 1.0


@pytest.mark.parametrize("target", ["iob1", "bioes"])
def test_the_scheme_does_not_change_the_score_of_valid_tags(target, shared_data):
    gold = CORPORA["wnut17"](shared_data)
    predicted = [convert(labels, "iob2", "iob2") for labels in perturbed(gold)]
    there = [[convert(labels, "iob2", target) for labels in side] for side in (gold, predicted)]
    for mode in ("conlleval", "strict"):
        assert span_counts(*there, target, mode) == span_counts(gold, predicted, "iob2", mode)


# ---- labels ------------------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(tagged_pairs("BI"))
def test_labels_are_counted_as_scikit_learn_counts_them(pair):
    flat = [[label for labels in side for label in labels] for side in pair]
    scores = label_counts(*pair)
    expected = precision_recall_fscore_support(*flat, labels=list(scores.types), zero_division=0)
    assert [(c.precision, c.recall, c.f1, c.gold) for c in scores.types.values()] == [
        pytest.approx(row) for row in zip(*expected, strict=True)
    ]
    for row in (scores.macro, scores.weighted):
        p, r, f, _ = precision_recall_fscore_support(*flat, average=row.name, zero_division=0)
        assert (row.precision, row.recall, row.f1) == pytest.approx((p, r, f))
    assert token_accuracy(*pair) == pytest.approx(scores.micro.f1)


def test_accuracies():
    gold, predicted = [["A", "B"], ["A"], []], [["A", "C"], ["A"], []]
    assert token_accuracy(gold, predicted) == pytest.approx(2 / 3)
    assert sequence_accuracy(gold, predicted) == pytest.approx(2 / 3)
    assert token_accuracy([(), ()], [(), ()]) == token_accuracy([], []) == sequence_accuracy([], []) == 0.0


def test_a_share_of_nothing_is_zero():
    nothing = span_counts([["O"]], [["O"]], "iob2")
    for row in (nothing.micro, nothing.macro, nothing.weighted):
        assert (row.precision, row.recall, row.f1, row.support) == (0.0, 0.0, 0.0, 0)
    spurious = span_counts([["O"]], [["B-x"]], "iob2")
    assert (spurious.micro.recall, spurious.weighted.precision, spurious.macro.f1) == (0.0, 0.0, 0.0)
    assert span_counts([["B-x"]], [["O"]], "iob2").types == {"x": Counts(0, 0, 1)}


# ---- reports -----------------------------------------------------------------------------------------------

GOLD = [["B-LOC", "O", "B-PER", "I-PER", "O"], ["B-PER", "O"]]
PREDICTED = [["B-LOC", "O", "O", "I-PER", "O"], ["B-PER", "O"]]


def test_report_as_text():
    assert report(GOLD, PREDICTED).to_text().splitlines() == [
        "          precision  recall      F1  support",
        "LOC          100.00  100.00  100.00        1",
        "PER           50.00   50.00   50.00        2",
        "",
        "micro         66.67   66.67   66.67        3",
        "macro         75.00   75.00   75.00        3",
        "weighted      66.67   66.67   66.67        3",
        "",
        "accuracy 85.71 % of 7 tokens in 2 sequences",
        "0 gold and 1 predicted tags break iob2; they were read as conlleval reads them, so that every tag but O "
        "belongs to a span.",
    ]


def test_report_as_dict():
    found = report(GOLD, PREDICTED, mode="strict")
    values = json.loads(json.dumps(found.to_dict()))
    assert values["score"] == found.score == found.totals[0].f1 == pytest.approx(0.8)
    assert values["invalid"] == {"gold": 0, "predicted": 1}
    assert (values["scheme"], values["mode"], values["tokens"], values["sequences"]) == ("iob2", "strict", 7, 2)
    assert values["rows"][1] == {"name": "PER", "precision": 1.0, "recall": 0.5, "f1": 2 / 3, "support": 2}
    assert [row["name"] for row in values["totals"]] == ["micro", "macro", "weighted"]
    assert "were not counted" in values["note"]


def test_report_of_labels_without_spans():
    found = report([["NN", "VB"], ["NN"]], [["NN", "NN"], ["NN"]])
    assert (found.scheme, found.score) == ("none", pytest.approx(2 / 3)) and found.score == found.accuracy
    assert [(row.name, row.support) for row in found.rows] == [("NN", 2), ("VB", 1)]
    assert found.note == "The labels mark no spans: each token was counted by itself."


def test_report_of_valid_tags_and_of_nothing():
    assert report(GOLD, GOLD).note == "All tags are valid iob2."
    assert report([], []).to_text().startswith("          precision")


def test_broken_tags_are_counted_once_each():
    found = report([["O", "O", "I-x"]], [["I-x", "B-y", "E-z"]], "bioes")
    assert found.invalid == {"gold": 1, "predicted": 3}


def test_gold_labels_that_are_all_outside_take_the_predicted_scheme():
    assert report([["O", "O"]], [["B-x", "O"]]).scheme == "iob2"
    assert score([["O", "O"]], [["O", "O"]]) == 1.0
    assert report([["I", "E"]], [["B", "E"]]).scheme == "none"


def test_the_main_score_follows_the_scheme():
    assert score(GOLD, PREDICTED) == score(GOLD, PREDICTED, "iob2") == pytest.approx(2 / 3)
    assert score(GOLD, PREDICTED, "none") == pytest.approx(6 / 7)


# ---- errors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [token_accuracy, sequence_accuracy, label_counts, report, score])
@pytest.mark.parametrize(
    ("gold", "predicted", "message"),
    [
        ([["O"], ["O", "O"]], [["O"], ["O"]], "got 2 and 1 in sequence 1"),
        ([["O"], ["O"]], [["O"]], "got 2 and 1: sequence 1 is missing"),
        ([["O"], "O"], [["O"], ["O"]], "sequence 1 is a string"),
    ],
)
def test_labels_that_do_not_pair_up(function, gold, predicted, message):
    with pytest.raises(DataError, match=message):
        function(gold, predicted)


def test_unknown_names():
    with pytest.raises(
        ConfigError, match=r"mode must be one of conlleval, strict; got 'strikt'\. Did you mean 'strict'"
    ):
        report(GOLD, PREDICTED, mode="strikt")
    with pytest.raises(ConfigError, match="scheme must be one of"):
        score(GOLD, PREDICTED, "bio")
    with pytest.raises(ConfigError, match="must be one that marks spans"):
        span_counts(GOLD, PREDICTED, "none")
