"""Schemes: the tables against enumeration, seqeval and round trips."""

from __future__ import annotations

import gzip
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOB1, IOB2, IOBES, Entities

from seqtag.data.schemes import (
    SCHEMES,
    Span,
    convert,
    detect,
    problems,
    repair,
    spans,
    split_tag,
    tags,
)
from seqtag.data.transitions import allowed_transitions, complete_labels
from seqtag.errors import ConfigError, DataError

SPAN_SCHEMES = [name for name in SCHEMES if SCHEMES[name].has_spans]
LOSSLESS = [name for name in SPAN_SCHEMES if name != "io"]
TYPES = ("LOC", "creative-work", "B")
SEQEVAL = {"iob1": IOB1, "iob2": IOB2, "bioes": IOBES}


def letters_of(scheme, types=TYPES):
    return ["O", *(f"{prefix}-{type_}" for prefix in SCHEMES[scheme].prefixes for type_ in types)]


def label_lists(labels, max_size=9):
    return st.lists(st.sampled_from(labels), max_size=max_size)


@st.composite
def span_lists(draw, touching=True):
    """Spans in order and the length of their sequence; without `touching`, a token between any two."""
    found, at = [], 0
    for gap, size, label in draw(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4), st.sampled_from(TYPES)))):
        at += gap if touching or not found else gap + 1
        found.append(Span(at, at + size, label))
        at += size
    return found, at + draw(st.integers(0, 2))


# ---- tags and spans ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("O", ("O", "")),
        ("B-LOC", ("B", "LOC")),
        ("B-creative-work", ("B", "creative-work")),
        ("E--", ("E", "-")),
        ("B", ("B", "")),
        ("NNP-LOC", ("", "NNP-LOC")),
        ("-LRB-", ("", "-LRB-")),
        ("B-", ("", "B-")),
        ("O-LOC", ("", "O-LOC")),
        ("", ("", "")),
    ],
)
def test_a_tag_splits_at_its_first_hyphen(label, expected):
    assert split_tag(label) == expected


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ("io", "I-x I-x I-x I-y O I-x"),
        ("iob1", "I-x B-x I-x I-y O I-x"),
        ("iob2", "B-x B-x I-x B-y O B-x"),
        ("bioes", "S-x B-x E-x S-y O S-x"),
    ],
)
def test_tags_are_written_as_the_scheme_writes_them(scheme, expected):
    found = [Span(1, 3, "x"), Span(0, 1, "x"), (3, 4, "y"), Span(5, 6, "x")]
    assert tags(found, 6, scheme) == expected.split()


@pytest.mark.parametrize("scheme", LOSSLESS)
@given(span_lists())
def test_spans_come_back_from_their_tags(scheme, case):
    found, length = case
    written = tags(found, length, scheme)
    assert len(written) == length
    assert problems(written, scheme) == []
    assert spans(written, scheme) == found == spans(written, scheme, strict=True)


@given(span_lists(touching=False))
def test_io_keeps_spans_that_do_not_touch(case):
    found, length = case
    assert spans(tags(found, length, "io"), "io") == found == spans(tags(found, length, "io"), "io", strict=True)


def test_tags_without_types_are_spans_of_the_empty_type():
    assert spans(["B", "I", "O", "B"], "iob2") == [Span(0, 2, ""), Span(3, 4, "")]
    assert tags([Span(0, 2, ""), Span(2, 3, "")], 4, "iob1") == ["I", "I", "B", "O"]
    assert tags([Span(0, 1, "")], 1, "iob1") == ["I"]


@pytest.mark.parametrize(("source", "target"), list(itertools.product(LOSSLESS, LOSSLESS)))
@settings(max_examples=30)
@given(span_lists())
def test_conversion_there_and_back_changes_nothing(source, target, case):
    written = tags(*case, source)
    assert convert(convert(written, source, target), target, source) == written


@given(label_lists(letters_of("bioes"), max_size=12))
def test_broken_tags_are_read_as_conlleval_reads_them(labels):
    expected = sorted((start, end + 1, type_) for type_, start, end in get_entities(labels))
    assert spans(labels, "bioes") == spans(labels, "iob2") == spans(labels, "io") == expected


@pytest.mark.parametrize("scheme", list(SEQEVAL))
@given(st.data())
def test_the_strict_reading_is_seqevals(scheme, data):
    labels = data.draw(label_lists(letters_of(scheme), max_size=12))
    (entities,) = Entities([labels], SEQEVAL[scheme]).entities if labels else ([],)
    assert spans(labels, scheme, strict=True) == [(entity.start, entity.end, entity.tag) for entity in entities]


def test_strictly_a_prefix_of_another_scheme_marks_nothing():
    assert spans(["B-x", "E-x", "S-x", "B-x"], "iob2", strict=True) == [Span(0, 1, "x"), Span(3, 4, "x")]


@pytest.mark.parametrize("scheme", SPAN_SCHEMES)
@given(st.data())
def test_repaired_tags_are_valid_and_valid_tags_need_no_repair(scheme, data):
    labels = data.draw(label_lists(letters_of(scheme)))
    repaired = repair(labels, scheme)
    assert problems(repaired, scheme) == []
    assert spans(repaired, scheme) == spans(labels, scheme)
    assert (repaired == labels) == (problems(labels, scheme) == [])


def test_labels_without_a_scheme_are_never_wrong():
    labels = ["NNP", "-LRB-", "I-x"]
    assert problems(labels, "none") == [] and repair(labels, "none") == labels


# ---- what a scheme allows ----------------------------------------------------------------------------------


def all_span_sets(length, types):
    """Every way to lay spans over a sequence, built from the left."""
    if length == 0:
        return [[]]
    found = list(all_span_sets(length - 1, types))
    for size in range(1, length + 1):
        for rest, type_ in itertools.product(all_span_sets(length - size, types), types):
            found.append([*rest, Span(length - size, length, type_)])
    return found


@pytest.mark.parametrize(("scheme", "length"), [(name, n) for name in SPAN_SCHEMES for n in (1, 2, 3)] + [("iob1", 4)])
def test_valid_sequences_are_exactly_those_that_spans_can_be_written_as(scheme, length):
    written = {tuple(tags(found, length, scheme)) for found in all_span_sets(length, "xy")}
    every = itertools.product(letters_of(scheme, "xy"), repeat=length)
    assert {labels for labels in every if not problems(labels, scheme)} == written


@pytest.mark.parametrize("scheme", list(SCHEMES))
@given(st.data())
def test_the_matrix_accepts_what_has_no_problems(scheme, data):
    labels = ["NN", "-LRB-", "I-x"] if scheme == "none" else letters_of(scheme)
    start, transitions, end = allowed_transitions(labels, scheme)
    path = data.draw(st.lists(st.integers(0, len(labels) - 1), min_size=1, max_size=6))
    accepted = start[path[0]] and end[path[-1]] and all(transitions[a, b] for a, b in itertools.pairwise(path))
    assert accepted == (problems([labels[i] for i in path], scheme) == [])


@pytest.mark.parametrize(("scheme", "labels"), [("io", ["O", "I-x", "I-y"]), ("none", ["NN", "B-x", "-LRB-"])])
def test_io_and_none_forbid_nothing(scheme, labels):
    start, transitions, end = allowed_transitions(labels, scheme)
    assert start.all() and transitions.all() and end.all()
    assert (start.shape, transitions.shape, end.shape) == ((3,), (3, 3), (3,))
    assert {array.dtype for array in (start, transitions, end)} == {np.dtype(bool)}


def lie_on_paths(labels, scheme):
    """Whether every label can be reached from the beginning and can reach the end."""
    start, transitions, end = allowed_transitions(labels, scheme)
    reached, reaching = start, end
    for _ in labels:
        reached = reached | (reached @ transitions)
        reaching = reaching | (transitions @ reaching)
    return bool((reached & reaching).all())


def has_paths_of_every_length(labels, scheme, longest=6):
    at, transitions, end = allowed_transitions(labels, scheme)
    for _ in range(longest):
        if not (at & end).any():
            return False
        at = at @ transitions
    return True


@pytest.mark.parametrize("scheme", SPAN_SCHEMES)
@given(st.data())
def test_completed_labels_are_usable_and_no_more_than_needed(scheme, data):
    known = data.draw(st.lists(st.sampled_from(letters_of(scheme)), unique=True))
    completed = complete_labels(known, scheme)
    added = completed[len(known) :]
    assert completed[: len(known)] == known and len(set(completed)) == len(completed)
    assert lie_on_paths(completed, scheme) and has_paths_of_every_length(completed, scheme)
    for label in added:
        fewer = [other for other in completed if other != label]
        assert not (lie_on_paths(fewer, scheme) and has_paths_of_every_length(fewer, scheme))


@pytest.mark.parametrize(
    ("scheme", "known", "added"),
    [
        ("iob2", ["O", "I-LST"], ["B-LST"]),
        ("iob2", ["B-x"], []),
        ("iob1", ["B-x", "O"], ["I-x"]),
        ("bioes", ["O", "B-x"], ["E-x"]),
        ("bioes", ["I-x", "S-y"], ["B-x", "E-x"]),
        ("bioes", ["B-x", "E-x"], ["O"]),
        ("none", ["NN", "-LRB-"], []),
        ("iob2", [], ["O"]),
    ],
)
def test_what_completion_adds(scheme, known, added):
    assert complete_labels(known, scheme) == known + added


@pytest.mark.parametrize(
    ("scheme", "labels", "expected"),
    [
        ("iob2", "O I-LOC", [(1, "I-LOC after O: iob2 begins a span with B-LOC")]),
        ("iob2", "I-a-b", [(0, "I-a-b at the beginning: iob2 begins a span with B-a-b")]),
        ("iob2", "B-x I-y", [(1, "I-y after B-x: iob2 begins a span with B-y")]),
        ("iob1", "O B-x", [(1, "B-x after O: iob1 begins a span with I-x")]),
        ("bioes", "O I-x E-x", [(1, "I-x after O: bioes begins a span with B-x or S-x")]),
        ("bioes", "B-x O", [(1, "O after B-x: bioes ends a span with E-x")]),
        ("bioes", "S-x B-y I-y", [(2, "I-y at the end: bioes ends a span with E-y")]),
        ("io", "I-x B-x", [(1, "'B-x' is no tag of io, which has O and I-")]),
        ("bioes", "NNP", [(0, "'NNP' is no tag of bioes, which has O, B-, I-, E- and S-")]),
    ],
)
def test_problems_say_where_what_and_what_instead(scheme, labels, expected):
    words = labels.split()
    found = problems(words, scheme)
    assert [(problem.index, problem.message) for problem in found] == expected
    assert all(problem.label == words[problem.index] for problem in found)


# ---- detection ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sequences", "expected"),
    [
        (["O B-LOC I-LOC", "B-PER"], "iob2"),
        (["B-fromloc.city_name"], "iob2"),
        (["O I-LOC B-LOC", "I-PER O"], "iob1"),
        (["I-LOC O I-PER I-LOC"], "io"),
        (["B-x E-x O"], "bioes"),
        (["S-x"], "bioes"),
        (["B I O"], "iob2"),
        (["DT NN VB", "-LRB- NN -RRB-"], "none"),
        (["NNP-LOC B-LOC"], "none"),
        (["B-LOC I-LOC", "NNP"], "none"),
        (["I O E S"], "none"),
        (["B"], "none"),
        (["M-1 L-2"], "none"),
        (["O O O"], "none"),
        ([""], "none"),
        ([], "none"),
        (["O B-x I-x", "I-x O", "B-x B-y"], "iob2"),
        (["O I-x B-x", "B-x O", "I-y I-x"], "iob1"),
        (["B-x O", "I-x O"], "iob2"),
    ],
)
def test_detect(sequences, expected):
    assert detect([sequence.split() for sequence in sequences]) == expected


@pytest.mark.parametrize("labels", ["O B-x L-x", "B-x I-x L-x U-y", "U-x O", "B-x M-x E-x S-y O"])
def test_detect_points_at_bioes_for_its_other_spellings(labels):
    with pytest.raises(ConfigError, match=r"BILOU or BMES\. Write L- as E-"):
        detect([labels.split()])


def test_detect_wants_a_list_of_lists():
    with pytest.raises(DataError, match="wrap them in a list"):
        detect(["B-LOC", "O"])


@pytest.mark.parametrize("scheme", SPAN_SCHEMES)
def test_a_corpus_is_detected_in_every_scheme(scheme, shared_data):
    blocks = (shared_data / "conll2000" / "test.txt").read_text(encoding="ascii").split("\n\n")
    gold = [[line.split()[2] for line in block.splitlines()] for block in blocks if block.strip()]
    converted = [convert(labels, "iob2", scheme) for labels in gold]
    assert detect(gold) == "iob2" and detect(converted) == scheme
    assert not any(problems(labels, scheme) for labels in converted)
    assert sum(len(spans(labels, "iob2")) for labels in gold) == 23852  # as published
    if scheme != "io":
        assert [convert(labels, scheme, "iob2") for labels in converted] == gold


def test_part_of_speech_tags_have_no_scheme(shared_data):
    raw = next((shared_data / "ud-english-ewt").glob("*test*")).read_bytes()
    text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8")
    rows = [line.split("\t") for line in text.splitlines() if line[:1].isdigit()]
    assert "-LRB-" in {row[4] for row in rows}
    assert detect([[row[3] for row in rows]]) == detect([[row[4] for row in rows]]) == "none"


# ---- errors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (
            [Span(1, 3, "y"), Span(0, 2, "x")],
            "must not overlap to be written as iob2 tags; got 'x' over tokens 0 to 1 and, across its end, "
            "'y' over tokens 1 to 2. A token has one label",
        ),
        ([Span(0, 4, "x"), Span(1, 2, "y")], "and, inside it, 'y' over tokens 1 to 1"),
        ([Span(0, 2, "x"), Span(0, 3, "y")], "and, around it, 'y' over tokens 0 to 2"),
        ([Span(0, 2, "x"), Span(0, 2, "x")], "and, over the same stretch, 'x'"),
        ([Span(2, 4, "x")], "one of the 3 tokens"),
        ([Span(-1, 1, "x")], "one of the 3 tokens"),
        ([Span(1, 1, "x")], "one of the 3 tokens"),
    ],
)
def test_spans_that_cannot_be_written(found, message):
    with pytest.raises(DataError, match=message):
        tags(found, 3, "iob2")


def test_labels_that_are_no_tags():
    with pytest.raises(DataError, match=r"got 'NNP'.*scheme 'none'"):
        spans(["B-x", "NNP"], "iob2")
    for function in (complete_labels, allowed_transitions):
        with pytest.raises(DataError, match="'E-x' is no tag of iob2, which has O, B- and I-; name another scheme"):
            function(["O", "E-x"], "iob2")


def test_schemes_without_spans_and_unknown_ones():
    for call in (lambda: spans(["NN"], "none"), lambda: tags([], 1, "none"), lambda: convert(["O"], "iob2", "none")):
        with pytest.raises(ConfigError, match="must be one that marks spans; got 'none'"):
            call()
    with pytest.raises(ConfigError, match=r"scheme must be one of io, iob1.*Did you mean 'bioes'\?"):
        problems([], "bieos")
