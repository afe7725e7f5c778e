"""What is done to a token, against what the Unicode standard says of it."""

import unicodedata
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtag.data.lookup import (
    FIRST,
    FOLDS,
    PADDING,
    PARTS,
    UNKNOWN,
    Lookup,
    Spelling,
    fold,
    from_dict,
    index_of,
    learn_table,
    look_up,
    spell,
)
from seqtag.errors import ConfigError

TOKENS = st.text(max_size=8) | st.text(alphabet="aB1\u0660é\u0301한\u1112\u1161👍🏽ßİ²", max_size=8)


@pytest.mark.parametrize(
    ("name", "token", "folded"),
    [
        ("nfc", "cafe\u0301", "café"),
        ("nfc", "\u1112\u1161\u11ab", "한"),
        ("nfc", "\u212b", "\u00c5"),  # the Ångström sign is the letter
        ("nfc", "ﬁ²", "ﬁ²"),  # compatibility characters stay
        ("nfc", "plain", "plain"),
        ("lower", "ÀÉ Straße", "àé straße"),
        ("digits", "3.14 b2b", "0.00 b0b"),
        ("digits", "٣٫١٤ ५ １", "0٫00 0 0"),  # Arabic-Indic, Devanagari, full width
        ("digits", "x² ½ Ⅷ", "x² ½ Ⅷ"),  # no decimal digits
        ("jamo", "한국 a", "\u1112\u1161\u11ab\u1100\u116e\u11a8 a"),
        ("jamo", "é가", "é\u1100\u1161"),  # other letters stay composed
    ],
)
def test_folds(name, token, folded):
    assert FOLDS[name](token) == folded


@given(TOKENS)
def test_folding_twice_is_folding_once(token):
    for name in FOLDS:
        once = FOLDS[name](token)
        assert FOLDS[name](once) == once
    assert unicodedata.is_normalized("NFC", FOLDS["nfc"](token))
    assert unicodedata.normalize("NFC", FOLDS["jamo"](FOLDS["nfc"](token))) == FOLDS["nfc"](token)


def test_folds_are_applied_in_their_order():
    assert fold(["E\u03019"], ("nfc", "lower", "digits")) == ["é0"]
    assert fold(["A\u030a"], ()) == ["A\u030a"]
    with pytest.raises(ConfigError, match=r"fold must be one of .*'lowr'.*'lower'"):
        fold(["a"], ("lowr",))


@pytest.mark.parametrize(
    ("part", "length", "token", "taken"),
    [
        ("word", 0, "Ada", "Ada"),
        ("prefix", 2, "Ada", "Ad"),
        ("prefix", 5, "Ada", "Ada"),  # a short token is its own affix
        ("suffix", 2, "Ada", "da"),
        ("suffix", 4, "Ada", "Ada"),
        ("suffix", 1, "👍🏽", "🏽"),  # characters are code points
        ("prefix", 1, "", ""),
        ("suffix", 3, "", ""),
        ("shape", 0, "", ""),
        ("shape", 0, "Ada", "Xxx"),
        ("shape", 0, "McDonald", "XxXxx"),
        ("shape", 0, "USA", "XX"),
        ("shape", 0, "2024-01-02", "00-00-00"),
        ("shape", 0, "v1.2.3rc", "x0.0.0xx"),
        ("shape", 0, "한국어", "xx"),  # letters without case
        ("shape", 0, "٣٤", "00"),
        ("shape", 0, "....", ".."),
        ("shape", 0, "a👍👍👍", "x👍👍"),
    ],
)
def test_parts(part, length, token, taken):
    assert PARTS[part](token, length) == taken


@given(TOKENS)
def test_no_shape_holds_three_of_a_kind(token):
    shape = PARTS["shape"](token, 0)
    assert not any(shape[i] == shape[i + 1] == shape[i + 2] for i in range(len(shape) - 2))
    assert len(shape) <= len(token) and set(shape) <= set(token) | set("Xx0")


def test_what_is_not_in_the_table_is_unknown():
    lookup = Lookup(("nfc", "lower"), "suffix", 2, ("da", "is", ""))
    ids = look_up(lookup, index_of(lookup.table), ["Ada", "PARIS", "da", "London", ""])
    np.testing.assert_array_equal(ids, [FIRST, FIRST + 1, FIRST, UNKNOWN, FIRST + 2])
    assert ids.dtype == np.int32 and lookup.size == 5
    assert (PADDING, UNKNOWN, FIRST) == (0, 1, 2)
    assert look_up(lookup, {}, []).shape == (0,)


def test_spelling():
    spelling = Spelling(("nfc",), 3, ("a", "é"))
    rows = spell(spelling, index_of(spelling.table), ["", "a", "e\u0301a", "xaaaaaa"])
    np.testing.assert_array_equal(rows, [[1, 0, 0], [2, 0, 0], [3, 2, 0], [1, 2, 2]])
    assert rows.dtype == np.int32 and spelling.size == 4
    assert spell(spelling, {}, []).shape == (0, 1)  # never without a column


@given(st.lists(TOKENS, min_size=1), st.integers(1, 6))
def test_a_spelling_is_as_long_as_its_longest_word(tokens, length):
    spelling = Spelling(("nfc", "jamo"), length, tuple("aé"))
    rows = spell(spelling, index_of(spelling.table), tokens)
    folded = [unicodedata.normalize("NFC", token) for token in tokens]
    sizes = [max(1, min(length, sum(len(_decomposed(char)) for char in token))) for token in folded]
    np.testing.assert_array_equal((rows != PADDING).sum(axis=1), sizes)
    assert rows.shape[1] == max(sizes) and ((rows != PADDING) == (np.arange(max(sizes)) < np.c_[sizes])).all()


def _decomposed(char):
    return unicodedata.normalize("NFD", char) if "가" <= char <= "힣" else char


def test_a_table_is_ordered_by_count_then_by_code_point():
    counts = Counter({"b": 3, "z": 5, "a": 3, "Z": 1, "é": 1})
    assert learn_table(counts) == ("z", "a", "b", "Z", "é")
    assert learn_table(counts, 3) == ("z", "a", "b")
    assert learn_table(counts, 6) == ()
    assert index_of("xy") == {"x": 2, "y": 3}


@pytest.mark.parametrize("part", [Lookup(("nfc",), "prefix", 2, ("a", "b")), Spelling((), 3, ("x",))])
def test_rebuilt_from_what_json_holds(part):
    state = {key: list(value) if isinstance(value, tuple) else value for key, value in vars(part).items()}
    assert from_dict(type(part), state) == part
