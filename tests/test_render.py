"""Labelled sequences as text."""

import json
import re

import pytest

from seqtag.data.corpus import Sequence
from seqtag.data.schemes import Span
from seqtag.render import marks, table, to_columns, to_json, to_text

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
