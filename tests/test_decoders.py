"""From what a network gives to answers, and back and forth between a decoder and its bundle."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from seqtag import Sequence, decoding
from seqtag.bundle import Bundle, dump_arrays
from seqtag.data.schemes import Span
from seqtag.data.transitions import allowed_transitions
from seqtag.decoders import DECODERS, ClassDecoder, TagDecoder
from seqtag.errors import ConfigError

LENGTHS = np.array([3, 1])
numbers = arrays.arrays(np.float32, (4, 3), elements=st.floats(-50, 50, width=32))


def tags(scheme="iob2", labels=("O", "B-X", "I-X"), seed=None):
    """A decoder with what the scheme forbids, and random scores on top."""
    start, transitions, end = map(decoding.constrain, allowed_transitions(labels, scheme))
    if seed is not None:
        rng = np.random.default_rng(seed)
        start, transitions, end = (table + rng.normal(size=table.shape) for table in (start, transitions, end))
    return TagDecoder(labels, scheme, transitions, start, end)


def classes(labels=("a", "b", "c"), multi_label=False, temperature=1.0, **options):
    return ClassDecoder(labels, multi_label, temperature, np.log([0.5, 0.3, 0.2]), **options)


# --- tags -------------------------------------------------------------------------------------------------------


def test_the_best_path_and_its_marginals():
    decoder = tags(seed=0)
    emissions = np.random.default_rng(1).normal(size=(2, 3, 3)).astype(np.float32)
    scores = decoder.transitions, decoder.start, decoder.end
    (best, _), p = decoding.viterbi(emissions, LENGTHS, *scores), decoding.marginals(emissions, LENGTHS, *scores)
    for b, n in enumerate(LENGTHS):
        np.testing.assert_array_equal(decoder.best(emissions, LENGTHS)[b], best[b, :n])
        np.testing.assert_allclose(decoder.probabilities(emissions, LENGTHS)[b], p[b, :n])
    assert decoder.value(np.array([0, 1, 2])) == ["O", "B-X", "I-X"] and decoder.value(np.array([], int)) == []


def test_a_sequence_without_tokens_has_no_tags():
    decoder = tags()
    none = np.array([0])
    assert decoder.value(decoder.best(decoder.nothing(), none)[0]) == []
    assert decoder.probabilities(decoder.nothing(), none)[0].shape == (0, 3)


def test_tags_are_written_into_the_sequence_and_their_spans_read():
    annotated = tags().annotate(Sequence(("a", "b", "c"), label="x"), np.array([1, 2, 0]))
    assert annotated == Sequence(("a", "b", "c"), ("B-X", "I-X", "O"), "x")
    assert tags().spans(annotated) == [Span(0, 2, "X")]
    assert tags("none", ("u", "v")).spans(Sequence(("a",), ("u",))) == []


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"transitions": np.zeros((2, 3))}, ValueError, r"the scores of 3 labels have the shapes .*\(2, 3\)"),
        ({"start": np.zeros(2)}, ValueError, "the scores of 3 labels"),
        ({"labels": ("O",)}, ValueError, "the scores of 1 labels"),
        ({"scheme": "iob3"}, ConfigError, "got 'iob3'. Did you mean 'iob"),
    ],
)
def test_what_does_not_fit_is_no_decoder_of_tags(change, error, message):
    fields = {name: getattr(tags(), name) for name in ("labels", "scheme", "transitions", "start", "end")}
    with pytest.raises(error, match=message):
        TagDecoder(**fields | change)


# --- classes ----------------------------------------------------------------------------------------------------


@given(numbers, st.floats(0.05, 20))
def test_one_class_is_the_most_probable(logits, temperature):
    decoder = classes(temperature=temperature)
    p = np.array(decoder.probabilities(logits, None))
    np.testing.assert_allclose(p, decoding.softmax(logits.astype(float) / temperature))
    for row, best in zip(p, decoder.best(logits, None), strict=True):
        assert row[best] == row.max() and decoder.value(best) == "abc"[best]


@given(numbers, st.floats(0.05, 20))
def test_of_several_those_more_probable_than_not(logits, temperature):
    decoder = classes(multi_label=True, temperature=temperature)
    p = np.array(decoder.probabilities(logits, None))
    np.testing.assert_allclose(p, np.exp(-np.logaddexp(0, -logits.astype(float) / temperature)), atol=1e-12)
    for row, best in zip(p, decoder.best(logits, None), strict=True):
        clear = np.abs(row - 0.5) > 1e-9
        np.testing.assert_array_equal(best[clear], (row > decoder.threshold)[clear])
        assert decoder.value(best) == tuple(label for label, is_there in zip("abc", best, strict=True) if is_there)


@pytest.mark.parametrize("temperature", [0.1, 1.0, 7.0])
def test_a_sequence_without_tokens_has_the_prior(temperature):
    for multi_label, expected in ((False, [0.5, 0.3, 0.2]), (True, 1 / (1 + np.exp(-np.log([0.5, 0.3, 0.2]))))):
        decoder = classes(multi_label=multi_label, temperature=temperature)
        np.testing.assert_allclose(decoder.probabilities(decoder.nothing(), np.zeros(1))[0], expected)


def test_classes_are_written_into_the_sequence_as_text():
    given_ = Sequence(("a",), ("O",), text="a", id="i")
    assert classes().annotate(given_, np.int64(1)).label == "b"
    assert classes((10, 20, 30)).annotate(given_, np.int64(1)).label == "20"
    several = classes((10, 20, 30), multi_label=True)
    assert several.annotate(given_, np.array([True, False, True])).label == ("10", "30")
    assert several.annotate(given_, np.zeros(3, bool)).label == ()
    kept = classes().annotate(given_, np.int64(0))
    assert (kept.tokens, kept.labels, kept.text, kept.id) == (("a",), ("O",), "a", "i")
    assert classes().spans(kept) == [] and classes().scheme is None


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_is_above_0(temperature):
    with pytest.raises(ValueError, match=r"a prior of shape \(3,\) and the temperature .* for 3 classes"):
        classes(temperature=temperature)


def test_a_prior_has_a_number_a_class():
    with pytest.raises(ValueError, match=r"a prior of shape \(3,\) .* for 2 classes"):
        classes(("a", "b"))


# --- in a bundle ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "decoder"),
    [
        ("tagging", tags(seed=0)),
        ("tagging", tags("none", ("u", "v"))),
        ("classification", classes(temperature=0.7)),
        ("classification", classes((1, 2, 3), multi_label=True, indicator=True)),
        ("classification", classes((1.5, 2.0, 3.0))),
    ],
)
def test_a_decoder_comes_back_from_a_bundle(task, decoder):
    manifest = json.loads(json.dumps({"labels": list(decoder.labels), **decoder.facts()}))
    kept = Bundle(manifest, {"decoder.npz": dump_arrays(decoder.arrays())}).arrays("decoder.npz")
    again = DECODERS[task](manifest, kept)
    assert type(again) is type(decoder) and again.facts() == decoder.facts() and again.labels == decoder.labels
    assert list(map(type, again.labels)) == list(map(type, decoder.labels))
    for name, table in decoder.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], table)


def test_an_unknown_task_is_named():
    with pytest.raises(ConfigError, match="task must be one of tagging, classification, joint; got 'taging'"):
        DECODERS["taging"]
