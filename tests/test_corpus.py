import dataclasses

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
    }
    assert Corpus(()).describe()["longest"] == 0


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
