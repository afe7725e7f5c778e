"""What users pass as X and y."""

import numpy as np
import pandas as pd
import pytest

from seqtag.data.coerce import as_sequences
from seqtag.data.corpus import Corpus, Sequence
from seqtag.errors import DataError

ADA = ("Ada", "moved")
OBJECTS = np.empty(2, object)
OBJECTS[:] = [list(ADA), ["to"]]


@pytest.mark.parametrize(
    "X",
    [
        [list(ADA), ["to"]],
        (ADA, ("to",)),
        [np.array(ADA), np.array(["to"])],
        OBJECTS,
        pd.Series([list(ADA), ["to"]]),
        iter([ADA, ["to"]]),
        Corpus((Sequence(ADA), Sequence(("to",)))),
        [{"tokens": list(ADA)}, {"tokens": ["to"]}],
        [Sequence(ADA), {"tokens": ["to"]}],
    ],
    ids=["lists", "tuples", "arrays", "object array", "pandas", "iterator", "corpus", "mappings", "mixed"],
)
def test_forms_of_token_lists(X):
    sequences = as_sequences(X)
    assert sequences == (Sequence(ADA), Sequence(("to",)))
    assert {type(token) for sequence in sequences for token in sequence.tokens} == {str}  # no numpy strings


@pytest.mark.parametrize(
    ("tokenizer", "tokens", "offsets"),
    [
        ("whitespace", ("Ada", "moved."), ((1, 4), (5, 11))),
        ("words", ("Ada", "moved", "."), ((1, 4), (5, 10), (10, 11))),
    ],
)
def test_strings_are_split_and_keep_their_text(tokenizer, tokens, offsets):
    (sequence,) = as_sequences([" Ada moved."], tokenizer=tokenizer)
    assert sequence == Sequence(tokens, text=" Ada moved.", offsets=offsets)


def test_nothing_and_empty_sequences_are_fine():
    assert as_sequences([]) == () and as_sequences([], []) == ()
    assert as_sequences([[], " "], [[], []]) == (
        Sequence((), labels=()),
        Sequence((), text=" ", offsets=(), labels=()),
    )


def test_columns_come_with_a_mapping():
    (sequence,) = as_sequences([{"tokens": ["Ada"], "pos": ["N"], 1: ["x"]}])
    assert sequence.columns == {"pos": ("N",), "1": ("x",)}


@pytest.mark.parametrize(
    "y",
    [
        [["N", "V"], ["P"]],
        np.array([["N", "V"], ["P"]], dtype=object),
        Corpus((Sequence(ADA, labels=("N", "V")), Sequence(("to",), labels=("P",)))),
        iter((("N", "V"), np.array(["P"]))),
    ],
    ids=["lists", "object array", "corpus", "iterator"],
)
def test_labels(y):
    assert [sequence.labels for sequence in as_sequences([ADA, ["to"]], y)] == [("N", "V"), ("P",)]


def test_own_labels_stay_unless_others_are_given():
    own = [Sequence(ADA, labels=("N", "V"), lines=(4, 5))]
    assert as_sequences(own) == tuple(own)
    assert as_sequences(own, [["X", "Y"]]) == (Sequence(ADA, labels=("X", "Y"), lines=(4, 5)),)
    assert own[0].labels == ("N", "V")


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ("Ada moved", r"got one str\. For one sentence pass \[X\]"),
        (b"Ada", "got one bytes"),
        ({"tokens": ["Ada"]}, "got one dict"),
        (Sequence(ADA), "got one Sequence"),
        (3, "got one int"),
        (None, "got one NoneType"),
        ([["Ada"], 3], r"X\[1\] must be a list of strings; got int 3"),
        ([b"Ada"], r"X\[0\] must be a list of strings; got bytes"),
        ([["Ada"], None], r"X\[1\] must be a list of strings; got NoneType"),
        ([["Ada", 3]], r"X\[0\]\[1\] must be a string; got int 3"),
        ([["Ada", None]], r"X\[0\]\[1\] must be a string; got NoneType"),
        ([[["Ada"]]], r"X\[0\]\[0\] must be a string; got list"),
        ([np.array([1.5])], r"X\[0\]\[0\] must be a string; got float64"),
        ([["Ada"], {"words": ["Ada"]}], r"X\[1\] must have the key 'tokens'; it has 'words'"),
        ([{}], r"X\[0\] must have the key 'tokens'; it has none"),
        ([{"tokens": "Ada"}], r"X\[0\]\['tokens'\] must be a list of strings; got str"),
        ([{"tokens": ["Ada"], "pos": [1]}], r"X\[0\]\['pos'\]\[0\] must be a string; got int 1"),
        ([{"tokens": ["Ada"], "pos": []}], r"X\[0\]\['pos'\] must have one entry a token; got 0 for 1 tokens"),
        (pd.DataFrame({"token": ["Ada"]}), "got one DataFrame"),
    ],
)
def test_what_cannot_be_used_is_named(X, message):
    with pytest.raises(DataError, match=message):
        as_sequences(X)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([["N", "V"]], "one label list a sequence; got 1 for 2 sequences"),
        ([["N", "V"], ["P", "X"]], r"y\[1\] must have one label a token; got 2 for 1 tokens"),
        ([["N", "V"], "P"], r"y\[1\] must be a list of strings; got str"),
        ([["N", 1], ["P"]], r"y\[0\]\[1\] must be a string; got int 1"),
        ([["N", "V"], None], r"y\[1\] must be a list of strings; got NoneType"),
        (["N", "V"], r"y\[0\] must be a list of strings; got str 'N'"),
        (5, "y must be a list of label lists; got one int"),
        ("NV", "y must be a list of label lists; got one str"),
        (Corpus((Sequence(ADA), Sequence(("to",)))), "sequence 0 has no labels"),
    ],
)
def test_labels_that_do_not_fit_are_named(y, message):
    with pytest.raises(DataError, match=message):
        as_sequences([ADA, ["to"]], y)
