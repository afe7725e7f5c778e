"""Gazetteers: where phrases are found, how lists are read, and a model that carries them."""

import gzip
import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtag import Sequence, SequenceTagger, load
from seqtag.data.encoders import Feature, fit_encoders
from seqtag.data.gazetteers import MARKS, read_gazetteer
from seqtag.data.lookup import JOINER
from seqtag.errors import ConfigError, DataError, SeqtagError

LISTS = {"city": ["New York", "New York City", "York", "Paris"], "paper": ["New York Times", "the Sun"]}


def drawn(gazetteer, tokens):
    """Write the marks of each type as a string, a letter a token."""
    return {
        name: "".join(("-", *MARKS)[mark] for mark in column)
        for name, column in zip(gazetteer.types, gazetteer.marks(tokens).T, strict=True)
    }


# ---- finding -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "city", "paper"),
    [
        ("in New York City now", "-BIE-", "-----"),
        ("in New York Times Square", "-BE--", "-BIE-"),  # each type by itself
        ("New York York Paris", "BESS", "----"),
        ("new york", "--", "--"),
        ("New", "-", "-"),
        ("the Sun the Sun", "----", "BEBE"),
    ],
)
def test_the_longest_phrase_from_the_left_counts(text, city, paper):
    assert drawn(read_gazetteer(LISTS), text.split()) == {"city": city, "paper": paper}


@pytest.mark.parametrize(
    ("lowercase", "text", "expected"),
    [(True, "NEW york", "BE"), (False, "NEW york", "--"), (True, "PARIS cafe\u0301", "S-"), (False, "Paris é", "S-")],
)
def test_case_is_folded_on_demand(lowercase, text, expected):
    assert drawn(read_gazetteer(LISTS, lowercase=lowercase), text.split())["city"] == expected


def test_both_sides_are_in_normalization_form_c():
    assert drawn(read_gazetteer({"t": ["cafe\u0301"]}), ["caf\u00e9", "cafe\u0301"])["t"] == "SS"


WORDS = st.lists(st.sampled_from("abc"), min_size=1, max_size=4)


def by_trying_all(phrases, tokens):
    """Mark one type's phrases: at each free place try every phrase, and keep the longest."""
    marks, at = ["-"] * len(tokens), 0
    while at < len(tokens):
        fitting = [len(phrase) for phrase in phrases if tokens[at : at + len(phrase)] == phrase]
        size = max(fitting, default=0)
        if size:
            marks[at : at + size] = ["S"] if size == 1 else ["B", *["I"] * (size - 2), "E"]
        at += max(size, 1)
    return "".join(marks)


@given(
    st.lists(WORDS, min_size=1, max_size=6), st.lists(WORDS, min_size=1, max_size=6), st.lists(st.sampled_from("abcd"))
)
def test_marks_are_those_of_trying_all_phrases_everywhere(first, second, tokens):
    gazetteer = read_gazetteer({"x": [" ".join(p) for p in first], "y": [" ".join(p) for p in second]})
    assert drawn(gazetteer, tokens) == {"x": by_trying_all(first, tokens), "y": by_trying_all(second, tokens)}


# ---- reading -----------------------------------------------------------------------------------------------


def test_files_are_lists_of_their_own_names(tmp_path):
    (tmp_path / "city.txt").write_text("New York\n\n  Paris \nParis\n", encoding="utf-8")
    (tmp_path / "river.lst.gz").write_bytes(gzip.compress(b"Seine\r\n"))
    (tmp_path / "more.tsv").write_text("Rome\tcity\nde Volkskrant\tpaper\n", encoding="utf-8")
    gazetteer = read_gazetteer([str(tmp_path / "*.txt"), str(tmp_path / "river.lst.gz"), str(tmp_path / "more.tsv")])
    assert gazetteer.types == ("city", "river", "paper")
    assert gazetteer.phrases == ((f"New{JOINER}York", "Paris", "Rome"), ("Seine",), (f"de{JOINER}Volkskrant",))


def test_files_are_found_in_the_data_folder(tmp_path, monkeypatch):
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "city.txt").write_text("Paris\n", encoding="utf-8")
    monkeypatch.setenv("SEQTAG_DATA", str(tmp_path))
    assert read_gazetteer("lists/*.txt").types == ("city",)


def test_phrases_are_cut_as_the_data_are():
    assert read_gazetteer({"t": ["St. John's"]}, tokenizer="characters").phrases[0][0].count(JOINER) == 8


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "Paris\nRome\tcity\n", "a.txt:2: expected one phrase; got 'Rome\\\\tcity'. .* end in .tsv"),
        ("a.tsv", "Paris\n", "a.tsv:1: expected a phrase and its type with one tab between them; got 'Paris'"),
        ("a.tsv", "Paris\tcity\tbig\n", "a.tsv:1: expected a phrase and its type"),
        ("a.tsv", "\tcity\n", "a.tsv:1: expected a phrase and its type"),
        ("a.txt", "\n \n", "at least one phrase"),
        ("a.txt", "\udcff", "a.txt:1: expected text in utf-8"),
    ],
)
def test_a_wrong_file_is_refused_by_its_line(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match=message):
        read_gazetteer(str(path))


@pytest.mark.parametrize(
    ("lists", "error", "message"),
    [
        ("citys.txt", DataError, "citys.txt: there is no such file of phrases. Did you mean 'city.txt'"),
        ([3], ConfigError, "must be named by their paths; got 3"),
        ({"city": "city.txt"}, ConfigError, "type 'city' must have a list of phrases; got 'city.txt'"),
        ({"city": ["Paris", " "]}, ConfigError, "number 1 of type 'city' is ' '"),
        ({"city": ["Paris", 4]}, ConfigError, "number 1 of type 'city' is 4"),
        ({7: ["Paris"]}, ConfigError, "types must be names; got 7"),
        ({}, DataError, "at least one phrase"),
    ],
)
def test_wrong_lists_are_refused(lists, error, message, tmp_path, monkeypatch):
    (tmp_path / "city.txt").write_text("Paris\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        read_gazetteer(lists)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("gazetteer", "encoder 'gazetteer' needs its lists"),
        ({"gazetteer": 3}, "lists must be a string or a list or a mapping; got 3"),
        ({"gazetteer": LISTS, "lower": True}, "got 'lower'. Did you mean 'lowercase'"),
        ({"gazetteer": LISTS, "tokenizer": "word"}, "Did you mean 'words'"),
    ],
)
def test_a_wrong_choice_is_refused(choice, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        fit_encoders([choice], [Sequence(("a",))])


def test_frames_have_no_phrases():
    with pytest.raises(ConfigError, match="encoder 'gazetteer' reads tokens"):
        fit_encoders([{"gazetteer": LISTS}], [Sequence(frames=np.zeros((2, 1)))])


# ---- as a feature ------------------------------------------------------------------------------------------


def test_each_type_has_ids_of_its_own():
    features = fit_encoders([{"gazetteer": LISTS}, {"gazetteer": LISTS, "lowercase": True, "name": "any case"}], [])
    cased, folded = features
    tokens = Sequence(("the", "new", "Paris"))
    np.testing.assert_array_equal(cased.encode_places(tokens), [[1, 7], [1, 7], [5, 7]])
    assert (cased.spec.size, cased.spec.width, cased.spec.name) == (12, 2, "gazetteer")
    assert folded.spec.name.startswith("gazetteer_any_case")
    assert Feature.from_dict(json.loads(json.dumps(cased.to_dict()))) == cased


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A tagger that can tell places by nothing but a list, its list gone after training."""
    folder = tmp_path_factory.mktemp("lists")
    names = [f"{a}{b}" for a in "bcdfgh" for b in "aeiou"]
    (folder / "LOC.txt").write_text("".join(f"{name} town\n" for name in names[::2]), encoding="utf-8")
    known = set(names[::2])
    X = [["go", "to", name, "town"] for name in names]
    y = [["O", "O", "B-LOC", "I-LOC"] if name in known else ["O"] * 4 for name in names]
    encoders = [{"gazetteer": str(folder / "*.txt"), "dim": 4}]
    options = {"units": 8, "dropout": 0.0, "neighbour_weight": 0.0, "validation_fraction": 0.0, "averaging": 0.9}
    tagger = SequenceTagger(encoders=encoders, epochs=12, learning_rate=0.05, random_state=0, **options).fit(X, y)
    path = tagger.save(folder / "model")
    (folder / "LOC.txt").unlink()
    return path, X, y, tagger


def test_a_saved_model_carries_its_lists(trained):
    path, X, y, tagger = trained
    with load(path) as predictor:
        assert predictor.predict(X) == y
    assert list(tagger.predict(X)) == y
    assert len(SequenceTagger.load(path).predictor_.trace(X[:1])) == 1


def test_it_cannot_label_token_by_token(trained):
    path, X, *_ = trained
    with load(path) as predictor:
        predictor.manifest["network"]["stack"]["direction"] = "forward"
        with pytest.raises(SeqtagError, match="gazetteer reads tokens that follow"):
            predictor.stream_tokens(X[0])


@pytest.mark.parametrize(
    ("lists", "message"), [({"LOC": ["ba town", "new town"]}, None), ({"PER": ["Ada"]}, "needs the same encoders")]
)
def test_a_warm_start_takes_other_phrases_of_the_same_types(trained, lists, message):
    path, X, y, tagger = trained
    options = {**tagger.get_params(), "encoders": [{"gazetteer": lists, "dim": 4}], "init_from": str(path), "epochs": 1}
    if message:
        with pytest.raises(ConfigError, match=message):
            SequenceTagger(**options).fit(X[:2], y[:2])
        return
    warm = SequenceTagger(**options | {"learning_rate": 0.0}).fit(X[:2], y[:2])
    assert list(warm.predict([["go", "to", "new", "town"]])) == [["O", "O", "B-LOC", "I-LOC"]]
