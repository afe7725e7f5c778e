"""A SavedModel gives what `Predictor` gives: string by string, model by model, and in a process without seqtag."""

import itertools
import json
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st
from networks import LABELS, make_network, make_sequences

from seqtag import decoding
from seqtag.bundle import Bundle, dump_arrays, dump_json
from seqtag.data import schemes
from seqtag.data.batching import EncodedCorpus
from seqtag.data.corpus import Sequence
from seqtag.data.encoders import Feature, FeatureSpec, fit_encoders
from seqtag.data.lookup import FOLDS, PARTS, Lookup, Spelling, fold, index_of, look_up, ngrams, spell
from seqtag.data.scaling import Scaler
from seqtag.data.tokenizers import TOKENIZERS
from seqtag.data.transitions import allowed_transitions
from seqtag.decoders import ClassDecoder, JointDecoder, TagDecoder
from seqtag.errors import BundleError, ConfigError, NotInstalledError
from seqtag.export import _tf_network, _tf_text
from seqtag.export._tf_answers import ANSWERS, tag_answers
from seqtag.export._tf_inputs import GraphEncoder, inputs_of, scaled
from seqtag.export.formats import export
from seqtag.export.saved_model import CONTRACT, OUTPUTS, build_module
from seqtag.nn.network import build_tagger, named_weights
from seqtag.nn.stack import Stack
from seqtag.predictor import Predictor

# === Strings ===

ANY = st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=10)
HARD = st.text(
    alphabet="aB1Σσς.'\u00ad:\u0301٣İıßﬁ²ǅⅧ한가\u1112\u1161👍🏽\u200d\U00010400\U000e0100 \u3000\x1e\x1f\n-",
    max_size=14,
)
TOKENS = st.lists(ANY | HARD, min_size=1, max_size=6)
few = settings(max_examples=60)


def test_every_rule_of_a_token_has_a_graph():
    assert set(_tf_text.GRAPH_FOLDS) == set(FOLDS)
    assert set(_tf_text.GRAPH_PARTS) == set(PARTS)
    assert set(ANSWERS) == {TagDecoder, ClassDecoder, JointDecoder}


def _texts(tensor):
    return [text.decode() for text in tensor.numpy()]


@cache
def _graph(*how):
    """Trace what is done to tokens once: a fold, or a part of folded tokens."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def run(tokens):
        folds, part, length = how
        return _tf_text.GRAPH_PARTS[part](_tf_text.Folded(tokens), folds, length)

    return run


EVERY_CHARACTER = [chr(point) for point in range(0x110000) if not 0xD800 <= point < 0xE000]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("folds", "part"), [(("lower",), "word"), (("digits",), "word"), (("jamo",), "word"), ((), "shape")]
)
def test_every_character_there_is(folds, part):
    expected = Lookup(folds, part, 0, ()).keys(EVERY_CHARACTER)
    assert _texts(_graph(folds, part, 0)(EVERY_CHARACTER)) == expected


@given(TOKENS)
@example(["ΑΣ", "Σ", "ΑΣ.", "ΑΣ'Α", "Α\u00adΣ\u00ad", "ΣΣ", ".Σ", "Α Σ", "ΑΣ-Α"])  # the two small sigmas
@example(["İSTANBUL", "", "ǅ"])
@few
def test_folds_and_parts_are_those_of_python(tokens):
    for folds in (("lower",), ("jamo",), ("lower", "digits"), ("nfc", "lower", "digits")):
        given_tokens = fold(tokens, ["nfc"]) if "nfc" in folds else tokens
        assert _texts(_graph(folds, "word", 0)(given_tokens)) == fold(given_tokens, folds)
    for part, length in (("prefix", 1), ("prefix", 3), ("suffix", 1), ("suffix", 4), ("shape", 0)):
        expected = Lookup(("lower",), part, length, ()).keys(tokens)
        assert _texts(_graph(("lower",), part, length)(tokens)) == expected
    assert _texts(_graph((), "shape", 0)(tokens)) == Lookup((), "shape", 0, ()).keys(tokens)


@given(TOKENS, st.lists(ANY | HARD | st.just("\ud800"), max_size=6, unique=True))
@few
def test_tables_are_looked_up_as_in_python(tokens, table):
    lookup = Lookup((), "word", 0, tuple(table))
    found = _tf_text.look_up(lookup, _tf_text.hash_table(lookup.table, 7), _tf_text.Folded(tf.constant(tokens)))
    np.testing.assert_array_equal(found, look_up(lookup, index_of(table), tokens) + 7)


SPELLING = Spelling(("jamo",), 3, ("a", "Σ", "👍", "\u1112", "\ud800"))


@tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
def _spelled(tokens):
    return _tf_text.spell(SPELLING, _tf_text.Folded(tokens))


@given(TOKENS)
@example([""])
@few
def test_spellings_are_those_of_python(tokens):
    np.testing.assert_array_equal(_spelled(tokens), spell(SPELLING, index_of(SPELLING.table), tokens))


@pytest.mark.parametrize("name", list(TOKENIZERS))
@given(texts=st.lists(ANY | HARD, max_size=6))
@example(texts=["Hello, wörld's 3.14\x1e👍🏽x", "", " \n", "한국 \u3000에서"])
@few
def test_texts_are_cut_as_in_python(name, texts):
    tokens, starts, ends = _tf_text.tokenize(tf.constant(texts, tf.string), name)
    expected = [TOKENIZERS[name].tokenize(text) for text in texts]
    assert [tuple(token.decode() for token in row) for row in tokens.to_list()] == [row for row, _ in expected]
    found = [tuple(zip(*pair, strict=True)) for pair in zip(starts.to_list(), ends.to_list(), strict=True)]
    assert found == [offsets for _, offsets in expected]


def test_ngrams_end_where_the_sequence_does():
    rows = [["a", "b", "", "d"], ["x", "", "", ""]]
    found = _tf_text.ngrams(tf.constant(rows), tf.constant([4, 1]), 3).numpy()
    assert [token.decode() for token in found[0]] == ngrams(rows[0], 3)
    assert found[1, 0].decode() == "x"


def test_numbers_are_scaled_as_in_python():
    scaler = Scaler((1.5, -2.0, 0.1), (0.3, 7.0, 1.0), (0, 2))
    table = np.array([[1.0, np.nan, 3e7], [np.nan, 2.0, 0.1]], np.float32)
    np.testing.assert_array_equal(scaled(scaler, tf.constant(table)), scaler.apply(table))


# === Decoders ===

TAGS = {
    "iob1": ("O", "I-X", "B-X", "I-Y"),
    "iob2": ("O", "B-X", "I-X", "B-Y", "I-Y"),
    "bioes": ("O", "B-X", "I-X", "E-X", "S-X", "S-Y"),
    "io": ("I-X-Y", "O", "I-X", "I"),
    "none": ("a", "b", "c"),
}


def _decoder(labels, scheme, *, chain=True, seed=0):
    k = len(labels)
    if not chain:
        return TagDecoder(labels, scheme, np.zeros((k, k)), np.zeros(k), np.zeros(k))
    start, transitions, end = map(decoding.constrain, allowed_transitions(labels, scheme))
    rng = np.random.default_rng(seed)
    return TagDecoder(
        labels, scheme, transitions + rng.normal(size=(k, k)), start + rng.normal(size=k), end + rng.normal(size=k)
    )


@pytest.mark.parametrize("temperature", [1.0, 2.3])
@pytest.mark.parametrize("chain", [True, False], ids=["chain", "each by itself"])
@pytest.mark.parametrize("scheme", list(TAGS))
def test_answers_are_those_of_the_decoder(scheme, chain, temperature):
    decoder = replace(_decoder(TAGS[scheme], scheme, chain=chain), temperature=temperature)
    rng = np.random.default_rng(1)
    lengths = np.array([5, 1, 0, 9, 2], np.int32)
    emissions = rng.normal(scale=2.0, size=(5, 9, len(decoder.labels))).astype(np.float32)
    found = {name: value.numpy() for name, value in tag_answers(decoder)(emissions, lengths).items()}
    assert ("span_label" in found) == (scheme != "none")
    at = 0
    for row, (path, chances) in enumerate(
        zip(decoder.scored(emissions, lengths), decoder.probabilities(emissions, lengths), strict=True)
    ):
        n = lengths[row]
        assert [tag.decode() for tag in found["tags"][row]] == decoder.value(path.ids) + [""] * (9 - n)
        np.testing.assert_allclose(found["probabilities"][row, :n], chances, rtol=1e-6)
        np.testing.assert_allclose(found["tag_probability"][row, :n], path.probabilities, rtol=1e-6)
        assert not found["probabilities"][row, n:].any() and not found["tag_probability"][row, n:].any()
        for span, chance in zip(path.spans, path.span_probabilities, strict=True):
            assert found["span_sequence"][at] == row
            assert (found["span_start"][at], found["span_end"][at]) == (span.start, span.end)
            assert found["span_label"][at].decode() == span.label
            np.testing.assert_allclose(found["span_score"][at], chance, rtol=1e-6)
            at += 1
    assert at == len(found.get("span_label", ()))


def test_a_span_is_as_probable_as_all_paths_that_hold_its_tags():
    decoder = _decoder(TAGS["bioes"], "bioes", seed=3)
    emissions = np.random.default_rng(4).normal(size=(1, 4, 6)).astype(np.float32)
    found = tag_answers(decoder)(emissions, np.array([4], np.int32))
    paths = np.array(list(itertools.product(range(6), repeat=4)))
    everywhere = np.repeat(emissions, len(paths), axis=0)
    scores = decoding.sequence_score(
        everywhere, paths, np.full(len(paths), 4), decoder.transitions, decoder.start, decoder.end
    )
    weights = np.exp(scores - scores.max())
    best = paths[scores.argmax()]
    assert len(found["span_score"])
    for start, end, score in zip(*(found[f"span_{name}"].numpy() for name in ("start", "end", "score")), strict=True):
        holds = (paths[:, start:end] == best[start:end]).all(axis=1)
        np.testing.assert_allclose(score, weights[holds].sum() / weights.sum(), rtol=1e-5)


@given(st.lists(st.sampled_from(TAGS["bioes"]), min_size=1, max_size=8))
@few
def test_tags_that_break_their_scheme_are_read_as_in_python(tags):
    decoder = _decoder(TAGS["bioes"], "bioes", chain=False)
    emissions = np.eye(len(decoder.labels), dtype=np.float32)[[decoder.labels.index(tag) for tag in tags]]
    found = tag_answers(decoder)(emissions[None], np.array([len(tags)], np.int32))
    read = zip(*(found[f"span_{name}"].numpy().tolist() for name in ("start", "end", "label")), strict=True)
    assert [(start, end, label.decode()) for start, end, label in read] == schemes.spans(tags, "bioes")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [((3, 1, 2), tf.int64), ((False, True), tf.bool), ((0.5, 1.5), tf.float64), (("x", "y"), tf.string)],
    ids=["numbers", "truth", "fractions", "strings"],
)
def test_classes_keep_their_type(labels, expected):
    decoder = ClassDecoder(labels, False, 2.0, np.log(np.full(len(labels), 1 / len(labels))))
    logits = np.random.default_rng(0).normal(size=(4, len(labels))).astype(np.float32)
    lengths = np.array([1, 2, 0, 3], np.int32)
    logits_or_prior = np.where(lengths[:, None] > 0, logits, decoder.nothing())
    found = ANSWERS[ClassDecoder](decoder)(logits, lengths)
    assert found["class"].dtype == expected
    best = decoder.best(logits_or_prior, lengths)
    values = [v.decode() if isinstance(v, bytes) else v for v in found["class"].numpy().tolist()]
    assert values == [decoder.value(row) for row in best]
    chances = np.stack(decoder.probabilities(logits_or_prior, lengths))
    np.testing.assert_allclose(found["probabilities"], chances, rtol=1e-6)
    np.testing.assert_allclose(found["probability"], chances.max(axis=1), rtol=1e-6)


# === Whole models ===


def bundle_of(features, model, decoder, tokenizer="whitespace"):
    """Put a network of `networks` into a bundle, as a trained one is."""
    manifest = {"seqtag": "0", "task": "tagging" if isinstance(decoder, TagDecoder) else "classification"}
    manifest |= {"labels": list(decoder.labels), **decoder.facts(), "tokenizer": tokenizer}
    files = {
        "vocabulary.json": dump_json([feature.to_dict() for feature in features]),
        "decoder.npz": dump_arrays(decoder.arrays()),
        "weights.npz": dump_arrays(named_weights(model)),
    }
    return Bundle(manifest | {"network": model.get_config()}, files)


FOUR = {"iob2": ("O", "B-X", "I-X", "B-Y"), "bioes": ("O", "B-X", "E-X", "S-X"), "none": LABELS}
MODELS = {
    "crf bioes, affixes and cnn": ("bioes", True, {"head": "crf", "encoders": "affixes and cnn"}),
    "softmax iob2, jamo by gru": ("iob2", False, {"head": "softmax", "encoders": "gru", "cell": "gru", "layers": 2}),
    "crf none, vectors": (
        "none",
        True,
        {"head": "crf", "encoders": "vectors", "layers": 2, "residual": True, "merge": "mean", "layer_norm": True},
    ),
    "crf iob2, column, learned state": (
        "iob2",
        True,
        {"head": "crf", "encoders": "column", "direction": "backward", "initial_state": "learned"},
    ),
    "softmax bioes, frames": ("bioes", True, {"head": "softmax", "encoders": "frames", "cell": "simple_rnn"}),
    "one class, words": (None, False, {"head": "attention", "direction": "forward"}),
    "one class, frames": (None, False, {"head": "mean", "encoders": "frames"}),
    "several classes, cnn": (None, True, {"head": "last", "encoders": "affixes and cnn"}),
}


def _model(name):
    scheme, flag, network = MODELS[name]
    features, model = make_network(**network)
    if scheme is None:
        decoder = ClassDecoder(LABELS, flag, 1.7, np.log([0.4, 0.3, 0.2, 0.1]))
    else:
        decoder = _decoder(FOUR[scheme], scheme, chain=flag)
    return bundle_of(features, model, decoder), network.get("encoders", "words")


def arrays_of(inputs, sequences):
    """Lay sequences out as the inputs of a signature."""
    steps = max(map(len, sequences), default=0)
    arrays = {}
    for one in inputs:
        if one.name == "lengths":
            arrays["lengths"] = np.array([len(sequence) for sequence in sequences], np.int32)
            continue
        shape = (len(sequences), steps, *one.shape[2:])
        filler = {"string": b"", "int32": 0}.get(one.dtype, np.nan)
        array = np.full(shape, filler, {"string": object}.get(one.dtype, one.dtype))
        for row, sequence in zip(array, sequences, strict=True):
            sources = {"tokens": sequence.tokens, "frames": sequence.frames} | sequence.columns | sequence.vectors
            values = sources[one.source or one.name]
            if one.dtype == "string":
                values = [value.encode() for value in values]
            if len(sequence):
                row[: len(sequence)] = values
        arrays[one.name] = array
    return {name: tf.constant(array) for name, array in arrays.items()}


def answers(signature, inputs, sequences):
    """Return what a signature says of each sequence: its labels or class, and the probabilities of all labels."""
    found = {name: value.numpy() for name, value in signature(**arrays_of(inputs, sequences)).items()}
    if "tags" in found:
        sizes = list(map(len, sequences))
        tags = [[tag.decode() for tag in row[:n]] for row, n in zip(found["tags"], sizes, strict=True)]
        rows = [p[:n] for p, n in zip(found["probabilities"], sizes, strict=True)]
        if "intent" in found:
            tags = list(zip(tags, (intent.decode() for intent in found["intent"]), strict=True))
            rows = list(zip(rows, found["intent_probabilities"], strict=True))
        return list(zip(tags, rows, strict=True))
    if "classes" in found:
        chosen = [tuple(label.decode() for label in row if label) for row in found["classes"]]
    else:
        chosen = [label.decode() for label in found["class"]]
    return list(zip(chosen, found["probabilities"], strict=True))


def check_answers(found, predictor, sequences):
    """Hold what a signature gave against what a `Predictor` gives."""
    found = {name: value.numpy() for name, value in found.items()}
    expected = predictor.predict(sequences)
    for row, chances in zip(found["probabilities"], predictor.predict_proba(sequences), strict=True):
        np.testing.assert_allclose(row[: len(chances)], chances, rtol=1e-4, atol=1e-7)
    if predictor.task != "tagging":
        several = "classes" in found
        rows = found["classes" if several else "class"]
        texts = [tuple(c.decode() for c in row if c) if several else row.decode() for row in rows]
        assert texts == expected
        if several:
            np.testing.assert_array_equal(found["chosen"], found["probabilities"] > 0.5)
        return
    steps = max(map(len, sequences))
    assert [[tag.decode() for tag in row] for row in found["tags"]] == [
        tags + [""] * (steps - len(tags)) for tags in expected
    ]
    spans = [(i, *span) for i, s in enumerate(predictor.annotate(sequences)) for span in predictor.spans(s)]
    if "span_label" in found:
        names = ("sequence", "start", "end", "label")
        read = zip(*(found[f"span_{name}"].tolist() for name in names), strict=True)
        assert [(*places, label.decode()) for *places, label in read] == spans


@pytest.mark.slow
@pytest.mark.parametrize("name", list(MODELS))
def test_a_signature_gives_what_a_predictor_gives(name):
    bundle, encoders = _model(name)
    sequences = make_sequences(encoders)
    empty = Sequence(frames=np.zeros((0, 3))) if encoders == "frames" else Sequence(vectors={"glove": np.zeros((0, 2))})
    if "column" in encoders:
        empty = Sequence(columns={"pos": ()})
    sequences.insert(2, empty)
    module, signatures, facts = build_module(bundle)
    inputs = inputs_of(tuple(map(Feature.from_dict, bundle.json("vocabulary.json"))))
    with Predictor.from_bundle(bundle) as predictor:
        check_answers(signatures["serving_default"](**arrays_of(inputs, sequences)), predictor, sequences)
        check_answers(signatures["serving_default"](**arrays_of(inputs, sequences[:1])), predictor, sequences[:1])
    assert set(signatures["serving_default"].structured_outputs) == set(
        facts["signatures"]["serving_default"]["outputs"]
    )
    assert [one["name"] for one in facts["signatures"]["serving_default"]["inputs"]] == [one.name for one in inputs]
    assert ("text" in signatures) == ([one.name for one in inputs] == ["tokens"])
    assert json.loads(module.about().numpy()) == json.loads(json.dumps(facts))

    for rows, steps in ((0, 4), (2, 0), (0, 0), (2, 3)):  # and nothing but padding
        nothing = {one.name: _padding(one, rows, steps) for one in inputs}
        found = signatures["serving_default"](**nothing)
        assert found["probabilities"].shape[0] == rows
        if predictor.task == "tagging":
            assert found["tags"].shape == (rows, steps) and not any(found["tags"].numpy().ravel())
            assert not len(found.get("span_label", ()))
        else:
            prior = predictor.decoder.probabilities(predictor.decoder.nothing(), np.zeros(1, int))[0]
            np.testing.assert_allclose(found["probabilities"], np.tile(prior, (rows, 1)), rtol=1e-6)


def _padding(one, rows, steps):
    shape = [rows, steps, *one.shape[2:]][: len(one.shape)]
    return tf.fill(shape, "") if one.dtype == "string" else tf.zeros(shape, one.dtype)


@pytest.mark.slow
def test_ngrams_and_raw_text_with_characters_beside():
    texts = ["Ada moved to Paris.", "", "한국에서 👍🏽 x-ray's", "  \n"]
    learnt = [Sequence(tuple(text.split())) for text in ("Ada moved to Paris .", "to Paris", "한국 에서")]
    features = fit_encoders([{"ngrams": 2, "min_count": 1, "dim": 3}, {"words": None, "dim": 3}], learnt)
    model = build_tagger([feature.spec for feature in features], 4, stack=Stack(units=4), decoder="crf")
    bundle = bundle_of(features, model, _decoder(FOUR["bioes"], "bioes"), "words")
    _, signatures, _ = build_module(bundle)
    found = signatures["text"](text=tf.constant(texts))
    with Predictor.from_bundle(bundle) as predictor:
        sequences = predictor.annotate(texts)
        check_answers(found, predictor, [Sequence(sequence.tokens) for sequence in sequences])
    for row, sequence in enumerate(sequences):
        n = len(sequence)
        assert tuple(token.decode() for token in found["tokens"].numpy()[row, :n]) == sequence.tokens
        offsets = zip(found["start"].numpy()[row].tolist(), found["end"].numpy()[row].tolist(), strict=True)
        assert list(offsets) == [*sequence.offsets, *[(-1, -1)] * (found["start"].shape[1] - n)]
    spans = zip(*(found[f"span_{name}"].numpy() for name in ("sequence", "start", "end")), strict=True)
    cut = [(sequences[row].offsets[start][0], sequences[row].offsets[end - 1][1]) for row, start, end in spans]
    assert list(zip(found["span_text_start"].numpy(), found["span_text_end"].numpy(), strict=True)) == cut
    assert signatures["text"](text=tf.zeros([0], tf.string))["tags"].shape == (0, 0)
    assert signatures["text"](text=tf.constant(["", " "]))["tags"].shape == (2, 0)


@pytest.mark.slow
def test_given_initial_states_are_an_input():
    features, model = make_network(head="softmax", initial_state="given", layers=2)
    sequences = make_sequences("words")
    batch = EncodedCorpus(features, sequences).batch(np.arange(len(sequences))).inputs
    stack = model.get_config()["stack"]
    initial = np.random.default_rng(0).normal(size=(len(sequences), stack["layers"], 2, 2, 4)).astype(np.float32)
    emissions = model.predict_on_batch(batch | {"initial": initial})
    decoder = _decoder(LABELS, "none", chain=False)
    _, signatures, _ = build_module(bundle_of(features, model, decoder))
    assert list(signatures) == ["serving_default"]
    tokens = arrays_of(inputs_of(features), sequences)
    found = signatures["serving_default"](**tokens, initial=tf.constant(initial))["probabilities"].numpy()
    for row, chances in zip(found, decoder.probabilities(emissions, batch["lengths"]), strict=True):
        np.testing.assert_allclose(row[: len(chances)], chances, rtol=1e-4)


def test_inputs_have_names_that_tensorflow_admits():
    features = [
        Feature(FeatureSpec(f"column_{i}", "ids", "token", 3), (Lookup((), "word", 0, ("a",)),), column=name)
        for i, name in enumerate(("tokens", "part of/speech", "1st", "품사"))
    ]
    assert [one.name for one in inputs_of(features)] == [
        "tokens",
        "tokens_2",
        "part_of_speech",
        "input_1st",
        "input___",
    ]
    assert [one.source for one in inputs_of(features)] == ["", *(feature.column for feature in features)]
    assert len(GraphEncoder(tuple(features), inputs_of(features)).tables) == 4


@pytest.mark.slow
def test_a_column_may_have_any_name():
    sequences = [Sequence(("a", "b"), columns={"part of speech, 품사": ("X", "Y")})]
    features = fit_encoders([{"column": "part of speech, 품사", "dim": 2}], sequences)
    model = build_tagger([feature.spec for feature in features], 4, stack=Stack(units=4), decoder="softmax")
    bundle = bundle_of(features, model, _decoder(LABELS, "none", chain=False))
    _, signatures, _ = build_module(bundle)
    found = signatures["serving_default"](**arrays_of(inputs_of(features), sequences))["probabilities"]
    batch = EncodedCorpus(features, sequences).batch(np.array([0])).inputs
    np.testing.assert_allclose(found, decoding.softmax(model(batch, training=False)), rtol=1e-4)


# === What is written ===


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A bundle and what was exported of it."""
    bundle, _ = _model("crf bioes, affixes and cnn")
    output = tmp_path_factory.mktemp("served") / "chunks"
    assert export(bundle, "saved_model", output) == output / "1"
    return bundle, output


SENTENCES = [["Ada", "moved", "to", "Paris"], ["한국", "", "", ""]]
ALONE = """
import json, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("seqtag", "onnxruntime"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refuse())
import tensorflow as tf

loaded = tf.saved_model.load(sys.argv[1])
tagged = loaded.signatures["serving_default"](tokens=tf.constant(json.loads(sys.argv[2])))
text = loaded.signatures["text"](text=tf.constant(["Ada moved"]))
try:
    import seqtag
except ModuleNotFoundError:
    assert "seqtag" not in sys.modules
    print(json.dumps({
        "tags": [[tag.decode() for tag in row] for row in tagged["tags"].numpy()],
        "start": text["start"].numpy().tolist(),
        "contract": json.loads(loaded.about().numpy())["contract"],
    }))
"""


@pytest.mark.slow
def test_tensorflow_alone_loads_it(written, tmp_path):
    bundle, output = written
    command = [sys.executable, "-I", "-c", ALONE, str(output / "1"), json.dumps(SENTENCES)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout.splitlines()[-1])
    with Predictor.from_bundle(bundle) as predictor:
        tags = predictor.predict([[token for token in sentence if token] for sentence in SENTENCES])
    assert found == {"tags": [tags[0], tags[1] + [""] * 3], "start": [[0, 4]], "contract": CONTRACT}


@pytest.mark.slow
def test_tensorflows_own_command_shows_and_runs_it(written, tmp_path):
    command = Path(sys.executable).with_name("saved_model_cli")
    if not command.exists():
        pytest.skip("there is no saved_model_cli beside this Python")
    bundle, output = written
    where = ["--dir", str(output / "1"), "--tag_set", "serve", "--signature_def", "serving_default"]
    shown = subprocess.run([command, "show", *where], capture_output=True, text=True, cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "inputs['tokens'] tensor_info:\n      dtype: DT_STRING\n      shape: (-1, -1)" in shown.stdout
    assert all(f"outputs['{name}']" in shown.stdout for name in ("tags", "span_start", "span_score"))
    expression = f"tokens={SENTENCES}"
    kept = ["--outdir", str(tmp_path)]
    run = subprocess.run([command, "run", *where, "--input_exprs", expression, *kept], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    with Predictor.from_bundle(bundle) as predictor:
        tags = predictor.predict(SENTENCES[:1])[0]
    assert [tag.decode() for tag in np.load(tmp_path / "tags.npy", allow_pickle=True)[0]] == tags


def _operations(folder):
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    graph = saved.meta_graphs[0].graph_def
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    return nodes, graph.library


def test_the_graph_is_for_answering_alone(written):
    nodes, library = _operations(written[1] / "1")
    assert {"BlockLSTMV2", "LookupTableFindV2", "StaticRegexReplace"} <= {node.op for node in nodes}
    assert not library.gradient
    assert not any("grad" in function.signature.name.lower() for function in library.function)
    assert not any("Cudnn" in node.op or "PyFunc" in node.op or "_gradient_op_type" in node.attr for node in nodes)
    assert not any("GPU" in node.device for node in nodes)


@pytest.mark.slow
def test_a_gpu_that_is_there_changes_nothing(written, monkeypatch):
    """Where a GPU is seen, Keras's layers would bring cuDNN's kernels into the graph."""
    from seqtag.nn import _tensorflow

    monkeypatch.setattr(_tensorflow, "sees_gpu", lambda: True)
    _, signatures, _ = build_module(written[0])
    tokens = tf.constant(SENTENCES)
    loaded = tf.saved_model.load(str(written[1] / "1"))
    expected = loaded.signatures["serving_default"](tokens=tokens)["probabilities"]
    np.testing.assert_array_equal(signatures["serving_default"](tokens=tokens)["probabilities"], expected)


@pytest.mark.slow
def test_versions_stand_beside_each_other(written):
    bundle, output = written
    before = (output / "1" / "saved_model.pb").read_bytes()
    assert export(bundle, "saved_model", output, {"version": 7}) == output / "7"
    assert sorted(found.name for found in output.iterdir()) == ["1", "7"]
    with pytest.raises(BundleError, match=r"1 stands already, .*--set version=8"):
        export(bundle, "saved_model", output, {"version": 1})
    with pytest.raises(ConfigError, match="version must be an int of at least 1; got 0"):
        export(bundle, "saved_model", output, {"version": 0})
    assert (output / "1" / "saved_model.pb").read_bytes() == before
    facts = json.loads((output / "7" / "assets.extra" / "signature.json").read_text(encoding="utf-8"))
    assert facts["version"] == 7 and facts["contract"] == CONTRACT and "NFC" in CONTRACT
    assert facts["labels"] == list(FOUR["bioes"])
    readme = (output / "7" / "assets.extra" / "README.md").read_text(encoding="utf-8")
    assert CONTRACT in readme
    for name, signature in facts["signatures"].items():
        assert f"Signature `{name}`" in readme
        assert set(signature["outputs"]) <= set(OUTPUTS)


def test_another_backend_is_named(written, monkeypatch, tmp_path):
    import keras

    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ConfigError, match=r"tensorflow as Keras's backend; got jax.*KERAS_BACKEND=tensorflow"):
        export(written[0], "saved_model", tmp_path / "m")
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(NotInstalledError, match="needs TensorFlow; run: pip install tensorflow"):
        export(written[0], "saved_model", tmp_path / "m")
    assert not any((tmp_path / "m").iterdir())


def test_a_bundle_without_its_weights_is_named(written):
    files = {name: data for name, data in written[0].files.items() if name != "weights.npz"}
    with pytest.raises(BundleError, match=r"only answers, with .* weights"):
        build_module(Bundle(written[0].manifest, files))
    with pytest.raises(BundleError, match="do not fit together"):
        build_module(Bundle(written[0].manifest | {"scheme": None, "labels": []}, written[0].files))


def test_a_cell_without_a_fused_kernel_keeps_off_cudnn(monkeypatch):
    from seqtag.nn import _tensorflow

    monkeypatch.setattr(_tensorflow, "FUSED", {})
    _, model = make_network(head="softmax", cell="gru")
    for layer in _tf_network._layers(model):
        _tf_network._prepare(layer)
    layer = model.get_layer("recurrent_0")
    assert layer.own_kernel is None and not any(way.use_cudnn for way in layer.ways.values())
