"""Fitted encoders: what is learned, what comes out, what is refused."""

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtag.data.batching import EncodedCorpus
from seqtag.data.corpus import Sequence
from seqtag.data.encoders import ENCODERS, Feature, column_of, fit_encoders, parse_choice
from seqtag.data.lookup import FIRST, PADDING, UNKNOWN
from seqtag.errors import ConfigError, DataError

NASTY = st.text(max_size=6) | st.sampled_from(
    ["", "e\u0301", "한국", "\u1112\u1161", "👩\u200d👧", "İ", "3²", " ", "\0"]
)
SENTENCES = ["the Cat saw the cat", "the dog ate 12 or 99 cats", "The dog barks"]
CHOICES = [
    "words",
    "affixes",
    "chars",
    {"chars": "lstm", "jamo": True, "min_count": 1},
    {"ngrams": 2, "min_count": 1},
    {"column": "pos"},
    {"embeddings": str(Path(__file__).parent / "embeddings" / "small.txt"), "tune": "tuned"},
    {"gazetteer": {"pet": ["the dog", "cat"], "number": ["12"]}, "lowercase": True},
    {"words": None, "lowercase": False, "min_count": 2},
]


def make_sequences(sentences=SENTENCES):
    tokens = [tuple(sentence.split()) for sentence in sentences]
    return [Sequence(words, columns={"pos": tuple(word[0] for word in words)}) for words in tokens]


def fit(choice, sentences=SENTENCES):
    (feature,) = fit_encoders([choice], make_sequences(sentences))
    return feature


def ids_of(feature):
    """Each table's entries and the ids they have among all."""
    offset = 0
    for lookup in feature.lookups:
        yield {entry: offset + FIRST + i for i, entry in enumerate(lookup.table)}
        offset += lookup.size


# ---- words -------------------------------------------------------------------------------------------------


def test_words_are_lowered_and_their_digits_folded():
    words = fit("words")
    expected = {"the": 4, "cat": 2, "dog": 2, "00": 2, "saw": 1, "ate": 1, "or": 1, "cats": 1, "barks": 1}
    table = words.lookups[0].table
    assert dict(zip(table, words.counts[FIRST:], strict=True)) == expected
    assert table == tuple(sorted(expected, key=lambda word: (-expected[word], word)))
    np.testing.assert_array_equal(words.encode(["THE", "47", "cow"]), [[FIRST], [FIRST + 1], [UNKNOWN]])
    assert words.spec.size == len(words.counts) == FIRST + len(expected)
    assert words.counts[:FIRST] == (0, 0)


def test_rare_words_are_those_seen_once():
    words = fit("words")
    assert words.counts[words.spec.rare_from] == 1 and words.counts[words.spec.rare_from - 1] == 2
    assert fit("words", ["a b"]).spec.rare_from == FIRST
    assert fit("words", ["a b a b"]).spec.rare_from == FIRST + 2  # beyond the last id


def test_with_a_least_count_what_is_left_out_is_counted_as_unknown():
    words = fit({"words": None, "min_count": 2, "lowercase": False})
    assert set(words.lookups[0].table) == {"the", "dog", "00"}
    assert words.counts == (0, 8, 3, 2, 2)
    assert sum(words.counts) == sum(len(sequence) for sequence in make_sequences())
    assert words.spec.rare_from == words.spec.size


# ---- affixes -----------------------------------------------------------------------------------------------


def test_affixes_are_looked_up_each_in_its_own_range():
    affixes = fit({"affixes": None, "prefixes": 2, "suffixes": 1, "min_count": 1})
    assert [(lookup.part, lookup.length) for lookup in affixes.lookups] == [
        ("prefix", 1),
        ("prefix", 2),
        ("suffix", 1),
        ("shape", 0),
    ]
    one, two, last, shape = ids_of(affixes)
    encoded = affixes.encode(["Cats", "c", "zz"])
    np.testing.assert_array_equal(encoded[0], [one["c"], two["ca"], last["s"], shape["Xxx"]])
    np.testing.assert_array_equal(encoded[1], [one["c"], *(_unknown(affixes, i) for i in (1, 2, 3))])
    assert affixes.spec.width == 4 and affixes.spec.size == sum(lookup.size for lookup in affixes.lookups)


def _unknown(feature, column):
    return sum(lookup.size for lookup in feature.lookups[:column]) + UNKNOWN


@given(st.lists(NASTY, min_size=1, max_size=20), st.lists(NASTY, min_size=1, max_size=20))
def test_the_ranges_of_affixes_never_overlap(seen, asked):
    (affixes,) = fit_encoders([{"affixes": None, "min_count": 1}], [Sequence(tuple(seen))])
    low = 0
    for column, lookup in zip(affixes.encode(asked).T, affixes.lookups, strict=True):
        assert (column > low + PADDING).all() and (column < low + lookup.size).all()
        low += lookup.size
    assert low == affixes.spec.size
    assert not (affixes.encode(seen) == [_unknown(affixes, i) for i in range(affixes.spec.width)]).any()


def test_affixes_need_their_least_count():
    affixes = fit({"affixes": None, "min_count": 3})
    first = affixes.lookups[0].table
    counts = Counter(word[0].lower() for sequence in make_sequences() for word in sequence.tokens)
    assert set(first) == {letter for letter, count in counts.items() if count >= 3}


# ---- characters and columns --------------------------------------------------------------------------------


def test_characters_are_counted_by_token():
    chars = fit({"chars": None, "min_count": 4})
    counts = Counter("".join(SENTENCES).replace(" ", ""))
    assert set(chars.spelling.table) == {char for char, count in counts.items() if count >= 4}
    assert (chars.spec.kind, chars.spec.model, chars.spec.size) == ("chars", "cnn", chars.spelling.size)


def test_characters_of_hangul_may_be_jamo():
    syllables, jamo = (fit({"chars": "lstm", "jamo": on, "min_count": 1}, ["한 국"]) for on in (False, True))
    assert sorted(syllables.spelling.table) == ["국", "한"] and syllables.spec.model == "lstm"
    assert sorted(jamo.spelling.table) == sorted("\u1112\u1161\u11ab\u1100\u116e\u11a8")
    assert jamo.encode(["한", "\u1112\u1161\u11ab", "하"]).shape == (3, 3)
    np.testing.assert_array_equal(*jamo.encode(["한", "\u1112\u1161\u11ab"]))


def test_a_column_is_read_in_place_of_the_token():
    column = fit({"column": "pos", "dim": 5})
    assert (column.column, column.spec.name, column.spec.level, column.spec.dim) == ("pos", "column_pos", "token", 5)
    assert set(column.lookups[0].table) == set("tTCscda1o9b")
    assert column.encode(["t", "?"])[1] == UNKNOWN


def test_any_name_of_a_column_will_do():
    names = ["a/b c", "a.b-c_1", "품사", "급수"]
    sequence = Sequence(("x",), columns=dict.fromkeys(names, ("y",)))
    features = fit_encoders([{"column": name} for name in names], [sequence])
    assert [feature.column for feature in features] == names
    found = [feature.spec.name for feature in features]
    assert found[1] == "column_a.b-c_1" and len(set(found)) == len(names)
    assert all(re.fullmatch("[A-Za-z0-9_.-]+", name) for name in found)  # what TensorFlow admits as a layer's name


def test_a_missing_column_is_named_with_its_line():
    sequence = Sequence(("Ada", "moved"), columns={"pos": ("N", "V")}, lines=(17, 18))
    with pytest.raises(DataError, match=r"'poss'.*'Ada moved' \(line 17\) has pos\. Did you mean 'pos'\?"):
        column_of(sequence, "poss")
    with pytest.raises(DataError, match=r"'Ada' has none\.$"):
        column_of(Sequence(("Ada",)), "pos")
    with pytest.raises(DataError, match="line 17"):
        fit_encoders([{"column": "poss"}], [sequence])


# ---- all of them -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("choice", CHOICES, ids=str)
@given(st.lists(NASTY, min_size=1, max_size=12), st.lists(NASTY, min_size=1, max_size=12))
def test_a_feature_from_json_encodes_alike(choice, seen, asked):
    (feature,) = fit_encoders([choice], [Sequence(tuple(seen), columns={"pos": tuple(seen)})])
    again = Feature.from_dict(json.loads(json.dumps(feature.to_dict())))
    assert again == feature
    encoded = feature.encode(asked)
    np.testing.assert_array_equal(again.encode(asked), encoded)
    assert encoded.dtype == np.int32 and encoded.shape[0] == len(asked)
    assert encoded.max() < feature.spec.size and encoded[:, 0].min() > PADDING
    if feature.spec.kind == "ids":
        assert encoded.shape[1] == feature.spec.width


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_the_order_of_the_data_does_not_matter(choice):
    assert fit(choice) == fit(choice, SENTENCES[::-1])


@pytest.mark.parametrize("choice", CHOICES[:4], ids=str)
def test_equal_in_nfc_is_equal(choice):
    feature = fit(choice, ["café 한 Å"] * 3)
    np.testing.assert_array_equal(
        feature.encode(["café", "한", "Å"]), feature.encode(["cafe\u0301", "\u1112\u1161\u11ab", "\u212b"])
    )


# ---- choices -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choice", "parsed"),
    [
        ("words", ("words", (), {})),
        ({"words": None, "dim": 50}, ("words", (), {"dim": 50})),
        ({"chars": "lstm"}, ("chars", ("lstm",), {})),
        ({"filters": 20, "chars": None}, ("chars", (), {"filters": 20})),
        ({"column": "pos"}, ("column", ("pos",), {})),
    ],
)
def test_choices(choice, parsed):
    assert parse_choice(choice) == parsed


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("wrods", "an encoder must be one of words, affixes, chars, embeddings, .*'wrods'.*Did you mean 'words'"),
        ({"char": "lstm"}, "Did you mean 'chars'"),
        ({"dim": 3, "wrods": None}, "Did you mean 'words'"),
        ({"words": None, "chars": None}, "exactly one of them"),
        ({}, "got {}"),
        (3, "got 3"),
        (None, "got None"),
        (["words"], r"got \['words'\]"),
        ({"words": None, "dims": 3}, "encoder 'words' has the options dim, .*'dims'.*Did you mean 'dim'"),
        ({"words": 50}, "'words' takes no main argument; got 50"),
        ("column", "'column' needs its column"),
        ({"column": None}, "'column' needs its column"),
        ({"words": None, "dim": "wide"}, "encoder 'words': dim must be an int of at least 1; got 'wide'"),
        ({"words": None, "dim": 0}, "dim must be an int of at least 1; got 0"),
        ({"words": None, "drop": 1.5}, "drop must be a number of at least 0 and at most 1; got 1.5"),
        ({"words": None, "lowercase": "no"}, "lowercase must be true or false; got 'no'"),
        ({"affixes": None, "suffixes": -1}, "suffixes must be .*; got -1"),
        ({"column": 3}, "column must be a string; got 3"),
    ],
)
def test_bad_choices(choice, message):
    with pytest.raises(ConfigError, match=message):
        fit_encoders([choice], make_sequences())


@pytest.mark.parametrize("choices", [[], ["words", {"words": None, "dim": 3}]])
def test_at_least_one_and_none_twice(choices):
    with pytest.raises(ConfigError, match="at least one encoder and none twice"):
        fit_encoders(choices, make_sequences())


def test_two_columns_are_two_encoders():
    sequences = [Sequence(("a",), columns={"pos": ("N",), "ner": ("O",)})]
    features = fit_encoders([{"column": "pos"}, {"column": "ner"}], sequences)
    assert [feature.spec.name for feature in features] == ["column_pos", "column_ner"]


def test_every_encoder_is_tried_above():
    elsewhere = {"frames", "vectors", "lm"}  # see test_numeric.py and test_states.py
    assert {parse_choice(choice)[0] for choice in CHOICES} | elsewhere == set(ENCODERS)


def test_ngrams_read_each_token_with_those_that_follow():
    sequences = [Sequence(("a", "b", "A")), Sequence(("a", "b"))]
    (feature,) = fit_encoders([{"ngrams": 2, "min_count": 1}], sequences)
    assert (feature.spec.name, feature.spec.level, feature.ngram) == ("ngrams_2", "token", 2)
    assert feature.lookups[0].table == ("a\x1fb", "a", "b", "b\x1fa")  # the end stands for itself
    ids = feature.encode_places(Sequence(("b", "a", "c")))
    assert ids[:, 0].tolist() == [5, 1, 1]
    assert Feature.from_dict(json.loads(json.dumps(feature.to_dict()))) == feature
    with pytest.raises(DataError, match="every sequence must have tokens"):
        feature.encode_places(Sequence(frames=np.zeros((2, 1))))
    with pytest.raises(ConfigError, match="encoder 'ngrams': n must be an int of at least 2; got 1"):
        fit_encoders([{"ngrams": 1}], sequences)
    with pytest.raises(ConfigError, match="encoder 'ngrams' reads tokens"):
        fit_encoders(["ngrams"], [Sequence(frames=np.zeros((2, 1)))])


def test_ngrams_and_characters_go_through_a_batch():
    sequences = [Sequence(("a", "b", "c")), Sequence(("a",))]
    features = fit_encoders(["words", {"ngrams": 2, "min_count": 1}, {"ngrams": 3, "min_count": 1}], sequences)
    batch = EncodedCorpus(features, sequences).batch(np.arange(2))
    assert batch.inputs["ngrams_2"].shape == batch.inputs["ngrams_3"].shape == (2, 3, 1)
    assert (batch.inputs["ngrams_2"][1, 1:] == 0).all()
