"""Labelled and classified sequences as text."""

import json
import re

import numpy as np
import pytest

from seqtag.data.corpus import Sequence
from seqtag.data.schemes import Span
from seqtag.render import class_to_json, class_to_text, marks, table, to_columns, to_json, to_text

TEXT = "Ada  Lovelace moved to 서울 ."
ADA = Sequence(
    ("Ada", "Lovelace", "moved", "to", "서울", "."),
    ("B-PER", "I-PER", "O", "O", "B-LOC", "O"),
    text=TEXT,
    offsets=((0, 3), (5, 13), (14, 19), (20, 22), (23, 25), (26, 27)),
)
SPANS = [Span(0, 2, "PER"), Span(4, 5, "LOC")]
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def test_spans_stand_in_brackets_in_the_text_as_it_was():
    assert to_text(ADA, SPANS) == "[Ada  Lovelace PER] moved to [서울 LOC] ."
    assert to_text(ADA, reversed(SPANS)) == to_text(ADA, SPANS)
    assert to_text(ADA, []) == TEXT


def test_labels_stand_behind_their_tokens():
    tagged = Sequence(("a", "b"), ("X", "Y"))
    assert to_text(tagged) == "a/X b/Y"
    assert to_text(Sequence((), ())) == ""


def test_tokens_without_text_are_joined():
    assert to_text(Sequence(("a", "b", "c"), ("O",) * 3), [Span(1, 3, "Z")]) == "a [b c Z]"


def test_colours_add_nothing_but_colours():
    coloured = to_text(ADA, SPANS, color=True)
    assert coloured != ANSI.sub("", coloured) == "Ada  Lovelace PER moved to 서울 LOC ."
    assert to_text(ADA, SPANS, color=True) == coloured, "a label has the same colour each time"
    assert ANSI.sub("", to_text(Sequence(("a", "b"), ("X", "Y")), color=True)) == "a/X b/Y"


def test_no_text_commands_the_terminal():
    evil = Sequence(("\x1b[2J", "b\x9b\x07"), ("O", "B-X"))
    assert "\x1b[2J" not in to_text(evil, [Span(1, 2, "X")], color=True)
    assert not set("\x9b\x07") & set(to_text(evil, [Span(1, 2, "X")], color=True))
    assert to_text(evil, []) == "\x1b[2J b\x9b\x07", "what goes to a file stays as it is"


def test_marks_count_characters_of_the_text():
    assert [TEXT[mark.start : mark.end] for mark in marks(ADA, SPANS)] == ["Ada  Lovelace", "서울"]


def test_json_is_one_line_with_offsets_in_characters():
    line = to_json(ADA, SPANS)
    assert "\n" not in line and "서울" in line
    assert json.loads(line) == {
        "text": TEXT,
        "tokens": list(ADA.tokens),
        "tags": list(ADA.labels),
        "spans": [
            {"start": 0, "end": 13, "label": "PER", "text": "Ada  Lovelace"},
            {"start": 23, "end": 25, "label": "LOC", "text": "서울"},
        ],
    }
    assert json.loads(to_json(Sequence((), (), text="", offsets=()))) == {
        "text": "",
        "tokens": [],
        "tags": [],
        "spans": [],
    }


def test_columns_have_a_tab():
    assert to_columns(Sequence(("a", "b"), ("X", "O"))) == "a\tX\nb\tO\n"
    assert to_columns(Sequence((), ())) == ""


# --- frames of numbers ------------------------------------------------------------------------------------------

WALK = Sequence((), ("rest", "walk", "walk"), frames=[[0.0], [1.0], [2.0]], id="monday")


def test_frames_have_their_labels_alone():
    assert to_text(WALK) == "rest walk walk"
    assert to_text(WALK, [Span(1, 3, "walk")]) == "rest walk walk"
    assert ANSI.sub("", to_text(WALK, color=True)) == "rest walk walk" != to_text(WALK, color=True)
    assert to_columns(WALK) == "0\trest\n1\twalk\n2\twalk\n"
    empty = Sequence((), (), frames=np.zeros((0, 1)))
    assert (to_text(empty), to_columns(empty)) == ("", "")


def test_json_of_frames_counts_frames():
    assert json.loads(to_json(WALK, [Span(1, 3, "walk")])) == {
        "id": "monday",
        "length": 3,
        "tags": ["rest", "walk", "walk"],
        "spans": [{"start": 1, "end": 3, "label": "walk"}],
    }


# --- classes ----------------------------------------------------------------------------------------------------

CHANCES = {"bad": 0.7049, "good": 0.93, "slow": 0.1}


@pytest.mark.parametrize(
    ("sequence", "expected"),
    [
        (Sequence(("so", "good"), label="good"), "good\t0.93\tso good"),
        (Sequence(("a",), label="good", text=" a\tb ", offsets=((1, 2),)), "good\t0.93\t a\tb "),
        (Sequence(("a",), label=("bad", "good")), "good,bad\t0.93,0.70\ta"),
        (Sequence(("a",), label=("slow",)), "slow\t0.10\ta"),
        (Sequence(("a",), label=()), "-\t-\ta"),
        (Sequence((), label="bad", text="", offsets=()), "bad\t0.70\t"),
        (Sequence(label="bad", frames=[[1, 2], [3, 4]]), "bad\t0.70\t2 frames"),
        (Sequence(label="bad", frames=[[1, 2]], id="x7"), "bad\t0.70\tx7"),
    ],
)
def test_a_class_stands_before_its_text(sequence, expected):
    assert class_to_text(sequence, CHANCES) == expected
    assert ANSI.sub("", class_to_text(sequence, CHANCES, color=True)) == expected


def test_no_classified_text_commands_the_terminal():
    evil = Sequence(("\x1b[2J",), label="bad")
    assert "\x1b[2J" not in class_to_text(evil, CHANCES, color=True)
    assert class_to_text(evil, CHANCES) == "bad\t0.70\t\x1b[2J"


@pytest.mark.parametrize(
    ("sequence", "expected"),
    [
        (Sequence(("서울",), label="bad"), {"text": "서울", "tokens": ["서울"], "label": "bad"}),
        (Sequence(("a",), label=("bad",), id="7"), {"id": "7", "text": "a", "tokens": ["a"], "label": ["bad"]}),
        (Sequence(("a",), label=()), {"text": "a", "tokens": ["a"], "label": []}),
        (Sequence(label="bad", frames=[[1, 2]]), {"length": 1, "label": "bad"}),
    ],
)  # fmt: skip
def test_json_has_the_probability_of_every_class(sequence, expected):
    line = class_to_json(sequence, {"bad": 1 / 3, "good": 2 / 3})
    assert "\n" not in line
    assert json.loads(line) == expected | {"probabilities": {"bad": 0.333333, "good": 0.666667}}


# --- tables -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "header", "expected"),
    [
        ([["a", 1.0], ["bcd", 22.345]], ["x", "y"], "x        y\na     1.00\nbcd  22.34"),
        ([["a", 1234567], ["b", None]], [], "a  1,234,567\nb          -"),
        ([], ["x", "y"], "x  y"),
        ([], [], ""),
    ],
)
def test_tables_are_aligned(rows, header, expected):
    assert table(rows, header) == expected
