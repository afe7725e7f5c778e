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
        ([["Ada", 1.5]], r"X\[0\]\[1\] must be a string; got float"),
        ([["Ada"], {"words": ["Ada"]}], r"X\[1\] must have the key 'tokens' or 'frames', and not both; it has 'w"),
        ([{}], r"X\[0\] must have the key 'tokens' or 'frames', and not both; it has n"),
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


# ---- numbers -----------------------------------------------------------------------------------------------

FRAMES = np.array([[1.0, np.nan], [3.0, 4.0], [5.0, 6.0]])
SHORT = np.array([[7.0, 8.0]])
ONE = np.array([0.5, 1.5])
BOXED = np.empty(2, object)
BOXED[:] = [FRAMES, SHORT]


def numeric(*tables):
    return tuple(Sequence(frames=np.asarray(table)) for table in tables)


@pytest.mark.parametrize(
    ("X", "expected"),
    [
        ([FRAMES, SHORT], numeric(FRAMES, SHORT)),
        ((FRAMES.tolist(), SHORT.tolist()), numeric(FRAMES, SHORT)),
        ([tuple(map(tuple, FRAMES)), [SHORT[0]]], numeric(FRAMES, SHORT)),
        (BOXED, numeric(FRAMES, SHORT)),
        (iter([FRAMES, SHORT]), numeric(FRAMES, SHORT)),
        ([pd.DataFrame(FRAMES), SHORT], numeric(FRAMES, SHORT)),
        ([{"frames": FRAMES}, {"frames": SHORT.tolist()}], numeric(FRAMES, SHORT)),
        ([Sequence(frames=FRAMES), SHORT], numeric(FRAMES, SHORT)),
        (Corpus(numeric(FRAMES, SHORT)), numeric(FRAMES, SHORT)),
        (np.stack([FRAMES, FRAMES]), numeric(FRAMES, FRAMES)),
        (np.stack([ONE, -ONE]), numeric(ONE[:, None], -ONE[:, None])),
        ([ONE, [3]], numeric(ONE[:, None], [[3]])),
        ([{"frames": ONE}, pd.Series([3.0])], numeric(ONE[:, None], [[3]])),
        ([np.array([True, False])], numeric([[1], [0]])),
        ([[True, False]], numeric([[1], [0]])),
        (np.array([[[1], [2]]], np.int8), numeric([[1], [2]])),
        (np.array([[1, 2]], np.uint64), numeric([[1], [2]])),
        ([np.array([[1.5]], np.float16)], numeric([[1.5]])),
        ([np.ma.array([[1, 2], [3, 4]], mask=[[0, 1], [0, 0]])], numeric([[1, np.nan], [3, 4]])),
        ([FRAMES, []], numeric(FRAMES, np.zeros((0, 2)))),
        ([[], np.zeros((0, 9)), FRAMES], numeric(np.zeros((0, 2)), np.zeros((0, 2)), FRAMES)),
        (np.zeros((2, 0, 3)), numeric(np.zeros((0, 3)), np.zeros((0, 3)))),
        (np.zeros((0, 4, 3)), ()),
    ],
)
def test_forms_of_numbers(X, expected):
    sequences = as_sequences(X)
    assert sequences == expected
    assert all(sequence.frames.dtype == np.float32 and not sequence.frames.flags.writeable for sequence in sequences)


def test_tables_of_a_mapping_are_vectors_and_lists_of_strings_are_columns():
    words = {"tokens": ["Ada", "sat"], "pos": ["N", "V"], "glove": SHORT.repeat(2, 0), 7: [[1], [2]]}
    numbers = {"frames": FRAMES, "room": ["a", "b", "b"], "sound": pd.DataFrame(FRAMES)}
    (tokens,), (frames,) = as_sequences([words]), as_sequences([numbers])
    vectors = {"glove": np.array([[7, 8], [7, 8]]), "7": np.array([[1], [2]])}
    assert tokens == Sequence(("Ada", "sat"), columns={"pos": ("N", "V")}, vectors=vectors)
    assert frames == Sequence(frames=FRAMES, columns={"room": ("a", "b", "b")}, vectors={"sound": FRAMES})


@pytest.mark.parametrize(
    "y",
    [
        [["a", "b", "b"], ["c"]],
        (np.array(["a", "b", "b"]), ("c",)),
        Corpus((Sequence(frames=FRAMES, labels=("a", "b", "b")), Sequence(frames=SHORT, labels=("c",)))),
    ],
)
def test_labels_of_frames(y):
    assert [sequence.labels for sequence in as_sequences([FRAMES, SHORT], y)] == [("a", "b", "b"), ("c",)]
    y = np.array([["a", "b"], ["c", "d"]])
    assert [sequence.labels for sequence in as_sequences(np.stack([ONE, ONE]), y)] == [("a", "b"), ("c", "d")]


INFINITE = FRAMES.copy()
INFINITE[2, 1] = -np.inf


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (ONE, r"arrays of numbers; got one array of shape \(2,\)\. For one sequence pass \[X\]"),
        (np.array(3.0), r"got one array of shape \(\)"),
        (np.array("Ada"), r"got one array of shape \(\)"),
        (pd.DataFrame(FRAMES), r"got one DataFrame\. For one token or frame a row use Corpus\.from_frame"),
        ([1.5, 2.5], r"X\[0\] must be a list of strings; got float 1\.5"),
        ([np.zeros((2, 3, 4))], r"X\[0\] must have the shape \(T, F\), with at least one feature; got \(2, 3, 4\)"),
        (np.zeros((2, 3, 4, 5)), r"X\[0\] must have the shape \(T, F\), .*; got \(3, 4, 5\)"),
        (np.zeros((2, 3, 0)), r"X\[0\] must have the shape \(T, F\), with at least one feature; got \(3, 0\)"),
        ([FRAMES, FRAMES * 1j], r"X\[1\] must hold real numbers, NaN where one is missing; got the type complex128"),
        ([FRAMES, FRAMES.astype(object)], r"X\[1\] must hold real numbers, .*; got the type object"),
        ([FRAMES, [[1.0, None]]], r"X\[1\] must hold real numbers, NaN where one is missing; got the type object"),
        ([[None, 1.0]], r"X\[0\] must hold real numbers, NaN where one is missing; got the type object"),
        ([np.array(["2020-01-01"], "M8[D]")], r"X\[0\] must hold real numbers, .*; got the type datetime64"),
        ([[1.0, "Ada"]], r"X\[0\] must hold real numbers, .*; got the type <U32"),
        ([[[1.0, 2.0], [3.0]]], r"X\[0\] must be numbers in rows of one length; got \[\[1\.0, 2\.0\], \[3\.0\]\]"),
        ([[10**400]], r"X\[0\] must hold real numbers, .*; got the type object"),
        ([FRAMES, INFINITE], r"X\[1\]\[2, 1\] must be finite, or NaN where it is missing; got -inf"),
        ([[[0.0, 1e39]]], r"X\[0\]\[0, 1\] must be within float32, which ends at 3\.4e38; got 1e\+39"),
        ([FRAMES, ["Ada"]], r"X must hold tokens or numbers, not both; X\[0\] has frames, X\[1\] has tokens"),
        (["Ada sat", FRAMES], r"not both; X\[1\] has frames, X\[0\] has tokens"),
        ([FRAMES, ONE], r"X\[1\] must have as many features as X\[0\], which is 2; got 1"),
        ([[], FRAMES, FRAMES.T], r"X\[2\] must have as many features as X\[1\], which is 2; got 3"),
        ([{"frames": FRAMES, "tokens": ["a"]}], r"X\[0\] must have the key 'tokens' or 'frames', and not both"),
        ([{"frames": ["a"]}], r"X\[0\]\['frames'\] must be an array of numbers; got list \['a'\]"),
        ([{"frames": None}], r"X\[0\]\['frames'\] must be an array of numbers; got NoneType None"),
        ([{"frames": 3}], r"X\[0\]\['frames'\] must be an array of numbers; got int 3"),
        ([{"tokens": [1, 2]}], r"X\[0\]\['tokens'\]\[0\] must be a string; got int 1"),
        ([{"frames": FRAMES, "pos": 3}], r"X\[0\]\['pos'\] must be a list of strings; got int 3"),
        ([{"frames": FRAMES, "pos": [1, 2, 3]}], r"X\[0\]\['pos'\]\[0\] must be a string; got int 1"),
        ([{"frames": FRAMES, "v": SHORT}], r"X\[0\]\['v'\] must have one entry a frame; got 1 for 3 frames"),
        ([{"frames": FRAMES, "v": INFINITE}], r"X\[0\]\['v'\]\[2, 1\] must be finite"),
        ([{"frames": FRAMES, "v": np.zeros((3, 2, 2))}], r"X\[0\]\['v'\] must have the shape \(T, F\)"),
    ],
)
def test_numbers_that_cannot_be_used_are_named(X, message):
    with pytest.raises(DataError, match=message):
        as_sequences(X)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([["a"]], "one label list a sequence; got 1 for 2 sequences"),
        ([["a", "b"], ["c"]], r"y\[0\] must have one label a frame; got 2 for 3 frames"),
        ([["a", "b", 3], ["c"]], r"y\[0\]\[2\] must be a string; got int 3"),
    ],
)
def test_labels_that_do_not_fit_frames_are_named(y, message):
    with pytest.raises(DataError, match=message):
        as_sequences([FRAMES, SHORT], y)
