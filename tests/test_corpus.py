import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtag.data.corpus import Corpus, Sequence
from seqtag.errors import DataError

ADA = Sequence(("Ada", "moved"), ("B-PER", "O"), columns={"pos": ("NNP", "VBD")}, lines=(1, 2))
IT = Sequence(("It",), ("O",), columns={"pos": ("PRP",)}, lines=(4,))
EMPTY = Sequence((), (), columns={"pos": ()}, lines=())
CORPUS = Corpus((ADA, IT, EMPTY), "small")

WALK = np.array([[1.0, 2.0], [3.0, np.nan], [5.0, 6.0]], np.float32)


def test_corpus_is_a_frozen_collection():
    assert len(CORPUS) == 3
    assert list(CORPUS) == [ADA, IT, EMPTY]
    assert CORPUS[0] is ADA
    assert CORPUS[1:] == Corpus((IT, EMPTY), "small")
    assert CORPUS.select([2, 0, 0]).sequences == (EMPTY, ADA, ADA)
    with pytest.raises(dataclasses.FrozenInstanceError):
        CORPUS.name = "x"
    with pytest.raises(dataclasses.FrozenInstanceError):
        ADA.tokens = ()


def test_tokens_and_labels_are_lists():
    assert CORPUS.tokens == [["Ada", "moved"], ["It"], []]
    assert CORPUS.labels == [["B-PER", "O"], ["O"], []]
    assert CORPUS.n_tokens == 3
    with pytest.raises(DataError, match=r"^mixed: sequence 1 has no labels; read the file with its label column"):
        _ = Corpus((ADA, Sequence(("x",))), "mixed").labels


@pytest.mark.parametrize("name", ["labels", "offsets", "lines"])
def test_what_is_counted_by_the_token_has_its_length(name):
    with pytest.raises(DataError, match=rf"{name} must have one entry a token; got 1 for the 2 tokens of 'a b'"):
        Sequence(("a", "b"), **{name: ("x",)})


def test_extra_columns_have_the_length_of_the_tokens():
    with pytest.raises(DataError, match=r"pos must have one entry a token; got 0 for the 1 tokens"):
        Sequence(("a",), columns={"pos": ()})
    with pytest.raises(DataError, match=r"labels must have one entry a token"):
        Sequence(("a",), ("O", "O"), columns={"labels": ("x",)})  # a column of this name hides nothing


def test_describe_counts():
    classified = Sequence(("a", "a", "b"), label="good")
    assert Corpus((*CORPUS, classified), "small").describe() == {
        "name": "small",
        "sequences": 4,
        "tokens": 6,
        "distinct_tokens": 5,
        "longest": 3,
        "empty": 1,
        "labels": {"O": 2, "B-PER": 1},
        "classes": {"good": 1},
        "columns": ["pos"],
        "features": 0,
        "missing": 0,
        "vectors": {},
    }
    assert Corpus(()).describe()["longest"] == 0


def test_describe_counts_numbers_and_each_of_several_classes():
    walk = Sequence(frames=WALK, label=("on foot", "outside"), vectors={"sound": np.zeros((3, 5))})
    ride = Sequence(frames=WALK[:1], label="outside")
    rest = Sequence(frames=np.zeros((0, 2)), label=())
    facts = Corpus((walk, ride, rest)).describe()
    assert (facts["tokens"], facts["distinct_tokens"], facts["longest"], facts["empty"]) == (4, 0, 3, 1)
    assert (facts["features"], facts["missing"], facts["vectors"]) == (2, 1, {"sound": 5})
    assert facts["classes"] == {"outside": 2, "on foot": 1}


@given(st.integers(2, 60), st.floats(0.001, 0.999), st.none() | st.integers(0, 9))
def test_split_parts_are_whole_disjoint_and_in_order(size, fraction, seed):
    corpus = Corpus(tuple(Sequence((str(i),)) for i in range(size)))
    kept, held_out = ([int(s.tokens[0]) for s in part] for part in corpus.split(fraction, seed=seed))
    assert kept == sorted(kept)
    assert held_out == sorted(held_out)
    assert sorted(kept + held_out) == list(range(size))
    assert len(held_out) == min(max(1, round(size * fraction)), size - 1)
    if seed is None:
        assert max(kept) < min(held_out)


def test_split_by_seed_is_repeatable_and_random():
    corpus = Corpus(tuple(Sequence((str(i),)) for i in range(100)))
    assert corpus.split(0.5, seed=1) == corpus.split(0.5, seed=1)
    assert corpus.split(0.5, seed=1) != corpus.split(0.5, seed=2)


@pytest.mark.parametrize(("size", "fraction"), [(1, 0.5), (0, 0.5), (9, 0), (9, 1), (9, 2.0), (9, float("nan"))])
def test_split_that_leaves_a_part_empty_is_refused(size, fraction):
    with pytest.raises(DataError, match=r"a split needs at least 2 sequences and a fraction between 0 and 1; got"):
        Corpus((ADA,) * size).split(fraction)


# Data frames


def test_to_frame_has_one_token_a_row():
    frame = CORPUS.to_frame()
    assert list(frame.columns) == ["sequence", "token", "label", "pos"]
    assert frame.to_numpy().tolist() == [[0, "Ada", "B-PER", "NNP"], [0, "moved", "O", "VBD"], [1, "It", "O", "PRP"]]
    assert list(Corpus((EMPTY,)).to_frame().columns) == ["sequence", "token"]


def test_frame_round_trip():
    corpus = Corpus.from_frame(CORPUS.to_frame(), name="small")
    assert corpus.tokens == [["Ada", "moved"], ["It"]]
    assert corpus.labels == [["B-PER", "O"], ["O"]]
    assert [s.columns for s in corpus] == [ADA.columns, IT.columns]
    assert [s.id for s in corpus] == ["0", "1"]


def test_from_frame_with_other_names_and_values():
    frame = pd.DataFrame({"s": ["x", "x", "y"], "word": ["NA", 7, "nan"], 0: ["a", "b", "c"]})
    corpus = Corpus.from_frame(frame, sequence="s", token="word")
    assert list(corpus) == [
        Sequence(("NA", "7"), columns={"0": ("a", "b")}, id="x"),
        Sequence(("nan",), columns={"0": ("c",)}, id="y"),
    ]
    assert len(Corpus.from_frame(frame.iloc[:0], sequence="s", token="word")) == 0


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"sequence": [0], "word": ["a"]}, r"frame: column 'token' is missing; the columns are \['sequence', 'word'\]"),
        ({"token": ["a"]}, r"frame: column 'sequence' is missing"),
        ({"sequence": [0, 0], "token": ["a", None]}, r"frame: row 1 has no value in column 'token'"),
        ({"sequence": [0, 0], "token": ["a", "b"], "label": ["O", None]}, r"row 1 has no value in column 'label'"),
        ({"sequence": [0, None], "token": ["a", "b"]}, r"frame: row 1 has no value in column 'sequence'"),
        ({"sequence": [0], "token": ["a"], "pos": [float("nan")]}, r"frame: row 0 has no value in column 'pos'"),
        ({"sequence": [0, 1, 0], "token": ["a", "b", "c"]}, r"sequence 0 goes on in row 2 after another began; sort"),
    ],
)
def test_frame_that_is_not_whole_is_refused(columns, message):
    with pytest.raises(DataError, match=message):
        Corpus.from_frame(pd.DataFrame(columns))


def test_frame_with_one_name_for_two_columns_is_refused():
    frame = pd.DataFrame([[0, "a", "b"]], columns=["sequence", "token", "token"])
    with pytest.raises(DataError, match="each column must have a name of its own"):
        Corpus.from_frame(frame)


@pytest.mark.parametrize("name", ["label", "token", "sequence"])
def test_extra_column_does_not_overwrite_another_in_a_frame(name):
    with pytest.raises(DataError, match=rf"small: an extra column must not be called '{name}'"):
        Corpus((Sequence(("a",), ("O",), columns={name: ("x",)}),), "small").to_frame()


# Data frames of numbers

TRIPS = Corpus(
    (
        Sequence(frames=WALK, labels=("up", "up", "down"), label="walk", columns={"room": ("a", "a", "b")}, id="0"),
        Sequence(frames=WALK[:1], labels=("up",), label="ride", columns={"room": ("b",)}, id="1"),
    ),
    "trips",
)


def test_to_frame_has_one_frame_a_row():
    frame = TRIPS.to_frame()
    assert list(frame.columns) == ["sequence", "x0", "x1", "label", "room"]
    assert frame[["sequence", "label", "room"]].to_numpy().tolist() == [
        [0, "up", "a"],
        [0, "up", "a"],
        [0, "down", "b"],
        [1, "up", "b"],
    ]
    np.testing.assert_array_equal(frame[["x0", "x1"]].to_numpy(), np.concatenate([WALK, WALK[:1]]))
    assert list(TRIPS.to_frame(values=["ax", "ay"], target="sequence")["label"]) == ["walk"] * 3 + ["ride"]
    assert list(Corpus((Sequence(frames=np.zeros((0, 2))),)).to_frame().columns) == ["sequence", "x0", "x1"]
    assert "label" not in Corpus((Sequence(frames=WALK),)).to_frame()


@pytest.mark.parametrize("target", ["token", "sequence"])
def test_frame_of_numbers_round_trip(target):
    frame = TRIPS.to_frame(target=target, values=["ax", "ay"])
    again = Corpus.from_frame(frame, values=["ax", "ay"], target=target, name="trips")
    gone = {"label": None} if target == "token" else {"labels": None}
    assert again == Corpus(tuple(dataclasses.replace(trip, **gone) for trip in TRIPS), "trips")


def test_one_label_a_sequence_of_tokens():
    reviews = Corpus((Sequence(("so", "good"), label="yes", id="0"), Sequence(("no",), label="no", id="1")), "reviews")
    frame = reviews.to_frame(target="sequence")
    assert frame.to_numpy().tolist() == [[0, "so", "yes"], [0, "good", "yes"], [1, "no", "no"]]
    assert Corpus.from_frame(frame, target="sequence", name="reviews") == reviews


def test_frame_of_numbers_of_all_types():
    frame = pd.DataFrame(
        {
            "trip": ["t", "t", "u"],
            "a": [1, 2, 3],
            "b": [True, False, True],
            "c": pd.array([1, None, 3], "Int64"),
            "d": pd.array([0.5, 1.5, None], "Float64"),
            "token": ["x", "y", "z"],
        }
    )
    corpus = Corpus.from_frame(frame, sequence="trip", values=["a", "b", "c", "d"])
    nan = np.nan
    assert list(corpus) == [
        Sequence(frames=[[1, 1, 1, 0.5], [2, 0, nan, 1.5]], columns={"token": ("x", "y")}, id="t"),
        Sequence(frames=[[3, 1, 3, nan]], columns={"token": ("z",)}, id="u"),
    ]
    assert Corpus.from_frame(frame[["trip", "a"]], sequence="trip", values="a")[1].frames.tolist() == [[3]]
    assert len(Corpus.from_frame(frame.iloc[:0], sequence="trip", values=["a"])) == 0


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({}, {"values": ["axe"]}, r"frame: column 'axe' is missing; the columns are .*\. Did you mean 'ax'"),
        ({}, {"values": []}, "values must name at least one column; got none"),
        ({}, {"values": ["ax", "ax"]}, r"each column is read once; got 'ax' among \['ax', 'ax'\] and elsewhere"),
        ({}, {"values": ["ax", "trip"]}, "each column is read once; got 'trip'"),
        ({}, {"values": ["ax"], "label": "ax"}, "each column is read once; got 'ax'"),
        ({"ax": ["1", "2"]}, {}, r"column 'ax' must hold real numbers; got the type .*pandas\.to_numeric"),
        ({"ax": [1j, 2]}, {}, "column 'ax' must hold real numbers; got the type complex128"),
        (
            {"ax": [1.0, None], "ay": [0.0, np.inf]},
            {"values": ["ax", "ay"]},
            "row 1 must have .* in column 'ay'.*got inf",
        ),
        ({"ax": [1e39, 0]}, {}, "row 0 must have a number within float32 in column 'ax', or none; got 1e\\+39"),
        ({"label": ["a", None]}, {}, "row 1 has no value in column 'label'"),
        ({"label": ["a", "b"]}, {"target": "sequence"}, "sequence 't' must have the same label .*; got 'a' and 'b'"),
        ({}, {"target": "tokens"}, "target must be 'token' or 'sequence'; got 'tokens'. Did you mean 'token'"),
    ],
)
def test_frame_of_numbers_that_is_not_whole_is_refused(columns, options, message):
    frame = pd.DataFrame({"trip": ["t", "t"], "ax": [1.0, 2.0], **columns})
    with pytest.raises(ValueError, match=message):
        Corpus.from_frame(frame, **{"sequence": "trip", "values": ["ax"], **options})


@pytest.mark.parametrize(
    ("sequences", "options", "message"),
    [
        ((Sequence(frames=WALK), Sequence(("a",))), {}, "trips: a data frame holds tokens or frames"),
        ((Sequence(frames=WALK), Sequence(frames=WALK[:, :1])), {}, r"name each feature of the frames, \[1, 2\], once"),
        ((Sequence(frames=WALK),), {"values": ["ax"]}, r"name each feature of the frames, \[2\], once; got \['ax'\]"),
        ((Sequence(frames=WALK),), {"values": ["ax", "ax"]}, "once; got"),
        ((Sequence(frames=WALK, label=("a", "b")),), {"target": "sequence"}, "holds one label; sequence 0 has 2"),
        ((Sequence(frames=WALK, columns={"x1": ("a",) * 3}),), {}, "an extra column must not be called 'x1'"),
        ((ADA,), {"target": "both"}, "target must be 'token' or 'sequence'; got 'both'"),
    ],
)
def test_numbers_that_no_frame_can_hold_are_refused(sequences, options, message):
    with pytest.raises(ValueError, match=message):
        Corpus(sequences, "trips").to_frame(**options)
