"""Answers without Keras: the same as Keras gives, in any batch and thread, lazily, and from a folder alone."""

import json
import subprocess
import sys
import threading
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import seqtag
from seqtag import Predictor, Sequence, SequenceTagger, decoding, load
from seqtag.backends import KerasBackend, OnnxBackend
from seqtag.bundle import Bundle, dump_arrays, dump_json
from seqtag.computing import BATCH_TOKENS, run_batches
from seqtag.data.batching import EncodedCorpus
from seqtag.data.encoders import fit_encoders
from seqtag.data.schemes import Span
from seqtag.data.transitions import allowed_transitions
from seqtag.decoders import TagDecoder
from seqtag.errors import BundleError, DataError, ParameterError, SeqtagError
from seqtag.flow import CHUNK

LABELS = ("O", "B-PER", "I-PER", "B-LOC")
WORDS = ["ada", "lovelace", "paris", "in"]
FEATURES = fit_encoders(["words"], [Sequence(tuple(WORDS))])


class TableBackend:
    """Emissions as a table of words and labels, which remembers what it was asked."""

    threads = 2

    def __init__(self):
        self.table = np.random.default_rng(0).normal(size=(len(WORDS) + 2, len(LABELS))).astype(np.float32)
        self.asked = []
        self.closed = False

    def compute(self, inputs):
        self.asked.append(inputs["lengths"].tolist())
        return self.table[inputs["words"][:, 0]][inputs["index"]]

    def close(self):
        self.closed = True


def decoder(scheme="iob2", labels=LABELS, scores=0.0):
    start, transitions, end = allowed_transitions(labels, scheme)
    return TagDecoder(labels, scheme, *(scores + decoding.constrain(table) for table in (transitions, start, end)))


@pytest.fixture
def predictor():
    return Predictor(FEATURES, decoder(), TableBackend(), tokenizer="words", manifest={"task": "tagging"})


# --- what stands between the text and the backend ---------------------------------------------------------------


def test_a_predictor_tells_what_it_is(predictor):
    assert predictor.labels == LABELS and predictor.scheme == "iob2" and predictor.manifest["task"] == "tagging"


@given(st.lists(st.lists(st.sampled_from([*WORDS, "?"]), max_size=6), max_size=12))
def test_answers_are_those_of_each_sequence_alone(X):
    predictor = Predictor(FEATURES, decoder(), TableBackend())
    answers, p = predictor.predict(X), predictor.predict_proba(X)
    assert len(answers) == len(p) == len(X)
    for tokens, labels, rows in zip(X, answers, p, strict=True):
        assert len(labels) == len(tokens) and rows.shape == (len(tokens), len(LABELS))
        if tokens:
            emissions = predictor.backend.table[FEATURES[0].encode(tokens)[:, 0]][None]
            scores = predictor.decoder.transitions, predictor.decoder.start, predictor.decoder.end
            (best,), _ = decoding.viterbi(emissions, [len(tokens)], *scores)
            assert labels == [LABELS[i] for i in best]
            np.testing.assert_allclose(rows, decoding.marginals(emissions, [len(tokens)], *scores)[0], atol=1e-9)
    assert all(0 not in lengths for lengths in predictor.backend.asked)  # a GPU's kernel refuses empty rows


def test_the_backend_gets_batches_of_bounded_size(predictor):
    predictor = Predictor(FEATURES, decoder(), predictor.backend, window=2 * BATCH_TOKENS)
    predictor.predict([["ada"] * (i % 40) for i in range(3000)] + [["paris"] * (BATCH_TOKENS + 1)])
    assert max(len(lengths) * max(lengths) for lengths in predictor.backend.asked) <= BATCH_TOKENS + 1
    assert sum(map(len, predictor.backend.asked)) == 3000 - 75 + 1


def test_nothing_in_nothing_out(predictor):
    assert predictor.predict([]) == [] == predictor.predict_proba([]) == list(predictor.stream([]))
    assert predictor.predict([[], ""]) == [[], []] and predictor.backend.asked == []


def test_a_stream_is_read_a_chunk_at_a_time(predictor):
    pulled = []

    def endless():
        while True:
            pulled.append(len(pulled))
            yield Sequence(("ada",), id=str(pulled[-1]))

    stream = predictor.stream(endless())
    assert pulled == []  # nothing before it is asked for
    for i in range(2 * CHUNK + 1):
        assert next(stream).id == str(i)
        assert len(pulled) == (i // CHUNK + 1) * CHUNK
    stream.close()


def test_probabilities_stream_with_their_sequences(predictor):
    sequences = [Sequence(tuple(WORDS[i % 4] for i in range(n)), id=str(n)) for n in (3, 0, 1)] * 700
    for sequence, (found, p), expected in zip(
        sequences, predictor.stream_proba(iter(sequences)), predictor.predict_proba(sequences), strict=True
    ):
        assert found is sequence
        np.testing.assert_array_equal(p, expected)


def test_annotation_keeps_text_offsets_and_columns(predictor):
    text = "Ada Lovelace (in Paris)!"
    (sequence,) = predictor.annotate([text])
    assert sequence.text == text and sequence.tokens == ("Ada", "Lovelace", "(", "in", "Paris", ")", "!")
    assert [text[start:end] for start, end in sequence.offsets] == list(sequence.tokens)
    given = Sequence(("ada",), ("O",), columns={"pos": ("N",)}, lines=(7,), group="g", id="i", label="x")
    (answer,) = predictor.annotate([given])
    assert answer.labels == tuple(predictor.predict([["ada"]])[0])
    for name in ("tokens", "columns", "lines", "group", "id", "label"):
        assert getattr(answer, name) == getattr(given, name)
    assert given.labels == ("O",)  # what was given is as it was


def test_spans_are_read_in_the_models_scheme(predictor):
    labelled = Sequence(("Ada", "Lovelace", "in", "Paris"), ("B-PER", "I-PER", "O", "B-LOC"))
    assert predictor.spans(labelled) == [Span(0, 2, "PER"), Span(3, 4, "LOC")]
    assert predictor.spans(Sequence(("Ada",))) == [] == predictor.spans(Sequence((), ()))
    plain = Predictor(FEATURES, decoder("none", ("A", "B")), TableBackend())
    assert plain.spans(Sequence(("a",), ("A",))) == []


def test_what_cannot_be_read_is_named(predictor):
    with pytest.raises(DataError, match=r"X must be a list .* got one str"):
        predictor.predict("Ada")
    with pytest.raises(DataError, match=r"X\[1\]\[1\] must be a string; got int"):
        predictor.predict([["ada"], ["ada", 3]])


def test_closing_closes_the_backend(predictor):
    with predictor as same:
        assert same is predictor and not predictor.backend.closed
    assert predictor.backend.closed


def test_threads_do_not_mix_their_answers(predictor):
    X = [[WORDS[(i * 7 + j) % 4] for j in range(i % 9)] for i in range(400)]
    expected = predictor.predict(X)
    parts = [X[i::4] for i in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(predictor.predict, parts * 5))
    assert answers == [expected[i::4] for i in range(4)] * 5


@pytest.mark.parametrize("free", ["io", "none"])
def test_without_scores_between_labels_each_stands_alone(free):
    labels = ("O", "I-A", "I-B")
    emissions = np.random.default_rng(1).normal(size=(2, 5, 3))
    lengths = np.array([5, 2])
    best = decoder(free, labels).best(emissions, lengths)
    np.testing.assert_array_equal(best[0], emissions[0].argmax(axis=1))
    np.testing.assert_array_equal(best[1], emissions[1, :2].argmax(axis=1))
    p = decoder(free, labels).probabilities(emissions, lengths)
    np.testing.assert_allclose(p[0], decoding.softmax(emissions)[0])


@pytest.mark.parametrize(
    "scores", [(np.zeros((3, 4)), np.zeros(4), np.zeros(4)), (np.zeros((4, 4)), np.zeros(5), np.zeros(4))]
)
def test_scores_must_fit_the_labels(scores):
    with pytest.raises(ValueError, match="the scores of 4 labels have the shapes"):
        TagDecoder(LABELS, "iob2", *scores)


# --- from a folder ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_saved_model_answers_as_the_estimator(corpora, learned, saved):
    X = corpora["test"].tokens
    for predictor in (load(saved), load(str(saved), threads=2), Predictor.load(saved)):
        with predictor:
            assert isinstance(predictor.backend, OnnxBackend)
            assert predictor.labels == learned.labels_ and predictor.scheme == learned.scheme_
            assert predictor.predict(X) == list(learned.predict(X))


@pytest.mark.slow
def test_a_closed_model_says_so(saved, learned):
    predictor = load(saved)
    predictor.close()
    with pytest.raises(SeqtagError, match="this model was closed; load it again"):
        predictor.predict([["mr"]])
    keras = KerasBackend(learned.model_)
    keras.close()
    with pytest.raises(SeqtagError, match="was closed"):
        keras.compute({})


BROKEN = {
    "no graph": {"model.onnx": b"no graph"},
    "no vocabulary": {"vocabulary.json": None},
    "another vocabulary": {"vocabulary.json": dump_json({"words": 3})},
    "a strange feature": {"vocabulary.json": dump_json([{"spec": {}}])},
    "no scores": {"decoder.npz": None},
    "scores of other labels": {"decoder.npz": dump_arrays({n: np.zeros(2) for n in ("transitions", "start", "end")})},
    "scores without a name": {"decoder.npz": dump_arrays({"transitions": np.zeros((7, 7))})},
    "text as scores": {"decoder.npz": b"text"},
}


@pytest.mark.slow
@pytest.mark.parametrize("files", BROKEN.values(), ids=BROKEN)
def test_files_that_do_not_fit_are_refused(saved, files):
    bundle = Bundle.read(saved)
    mixed = {name: data for name, data in (bundle.files | files).items() if data is not None}
    with pytest.raises(BundleError):
        Predictor.from_bundle(Bundle(bundle.manifest, mixed))


@pytest.mark.slow
@pytest.mark.parametrize(
    "change", [{"labels": None}, {"labels": ["O"]}, {"scheme": "bilou"}, {"tokenizer": 3}, {}], ids=str
)
def test_a_manifest_that_does_not_fit_is_refused(saved, change):
    bundle = Bundle.read(saved)
    manifest = bundle.manifest | change if change else {}
    with pytest.raises(BundleError, match="do not fit together"):
        Predictor.from_bundle(Bundle(manifest, bundle.files))


@pytest.mark.slow
def test_threads_share_a_session(corpora, saved):
    X = corpora["train"].tokens
    with load(saved) as predictor:
        expected = predictor.predict(X)
        answers = [None] * 4
        barrier = threading.Barrier(4)

        def ask(i):
            barrier.wait()
            answers[i] = [predictor.predict(X[i:] + X[:i]) for _ in range(3)]

        workers = [threading.Thread(target=ask, args=(i,)) for i in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert answers == [[expected[i:] + expected[:i]] * 3 for i in range(4)]


LIGHT = """
import json, sys
before = set(sys.modules)
import seqtag
predictor = seqtag.load(sys.argv[1])
answers = predictor.predict([["mr", "baba", "ltd"], "mr baba", []])
classes = seqtag.load(sys.argv[2]).predict([["mr", "baba", "ltd"], "mr baba", []])
probabilities = predictor.predict_proba([["mr"]])
new = {name.split(".")[0] for name in set(sys.modules) - before}
print(json.dumps({"answers": answers, "classes": classes, "new": sorted(new - set(sys.stdlib_module_names))}))
"""


@pytest.mark.slow
def test_predicting_imports_numpy_and_onnxruntime_alone(learned, saved, classified, tmp_path):
    def run(code, *args):
        command = [sys.executable, "-c", code, *args]
        root = Path(seqtag.__file__).parents[1]
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, cwd=root).stdout)

    answer = run(LIGHT, str(saved), str(classified.save(tmp_path / "classified")))
    X = [["mr", "baba", "ltd"], ["mr", "baba"], []]
    assert answer["answers"] == list(learned.predict(X)) and answer["classes"] == list(classified.predict(X))
    runtime = run(
        "import json, sys; before = set(sys.modules); import onnxruntime; new = set(sys.modules) - before;"
        "print(json.dumps(sorted({n.split('.')[0] for n in new} - set(sys.stdlib_module_names))))"
    )
    assert set(answer["new"]) <= {"seqtag", "numpy", *runtime}
    assert {"numpy", "onnxruntime", "seqtag"} <= set(answer["new"])
    heavy = {"tensorflow", "keras", "sklearn", "pandas", "pydantic", "onnx", "rich", "typer", "yaml", "scipy", "h5py"}
    assert not heavy & set(answer["new"])


# --- equal to Keras ---------------------------------------------------------------------------------------------

NASTY = [
    ["a"],
    ["mr", "😀", "👩‍👩‍👧", "baba", "🇰🇷", "ltd"],
    ["cafe\u0301", unicodedata.normalize("NFC", "cafe\u0301"), "\u0301", "Z\u0351\u036b\u0343"],
    ["한국어", unicodedata.normalize("NFD", "한국어"), "ᄒ", "mr"],
    ["", " ", "\t", "\u200b", "\ufeff", "\0"],
    ["x" * 300, "mr", "ß" * 300, "baba"],
    ["\ud83d", "mr"],
    ["ABCdef123", "١٢٣", "Ⅷ", "ǅ", "İ", "ſ"],
    ["mr", "baba", "ltd", "daba"] * 1250,
]


def emissions_of(backend, features, tokens):
    batch = EncodedCorpus(features, [Sequence(tuple(tokens))]).batch(np.array([0]))
    return backend.compute(batch.inputs)


def path_score(emissions, decoder, labels):
    ids = np.array([[decoder.labels.index(label) for label in labels]])
    scores = decoder.transitions, decoder.start, decoder.end
    return decoding.sequence_score(emissions, ids, np.array([len(labels)]), *scores)[0]


@pytest.mark.slow
def test_onnx_and_keras_agree_on_nasty_input(learned):
    light = learned.predictor_
    heavy = Predictor(light.features, light.decoder, KerasBackend(learned.model_))
    X = [*NASTY, [token for tokens in NASTY[:-1] for token in tokens]]
    for tokens, ours, theirs in zip(X, light.predict(X), heavy.predict(X), strict=True):
        here, there = (emissions_of(p.backend, light.features, tokens) for p in (light, heavy))
        assert here.dtype == np.float32 and here.shape == (1, len(tokens), len(light.labels))
        assert np.abs(here - there).max() <= 1e-4 * np.abs(there).max()
        gap = path_score(there, light.decoder, theirs) - path_score(there, light.decoder, ours)
        assert ours == theirs or gap <= 1e-3, tokens[:9]


# --- without a graph --------------------------------------------------------------------------------------------


@pytest.fixture
def leaky():
    """A cell that ONNX does not know, registered while a test runs: h = (h + tanh(x U + h W)) / 2."""
    import keras

    from seqtag.choices.cells import CELLS, Cell

    class LeakyCell(keras.layers.Layer):
        def __init__(self, units, kernel_initializer=None, recurrent_initializer=None, **options):
            super().__init__(**options)
            self.state_size = self.output_size = units
            self.initializers = kernel_initializer, recurrent_initializer

        def build(self, shape):
            sizes = shape[-1], self.state_size
            self.kernels = [
                self.add_weight(shape=(size, self.state_size), initializer=initializer, name=name)
                for name, size, initializer in zip(("kernel", "recurrent"), sizes, self.initializers, strict=True)
            ]

        def call(self, inputs, states, training=None):
            kernel, recurrent = self.kernels
            tanh = keras.ops.tanh(keras.ops.matmul(inputs, kernel) + keras.ops.matmul(states[0], recurrent))
            hidden = (states[0] + tanh) / 2
            return hidden, [hidden]

    def layer(units, return_sequences, name, **options):
        return keras.layers.RNN(LeakyCell(units, **options), return_sequences=return_sequences, name=name)

    CELLS.add("leaky", Cell(layer))
    yield "leaky"
    del CELLS._entries["leaky"]


@pytest.mark.slow
@pytest.mark.parametrize("place", ["the stack", "the characters"])
def test_a_cell_without_a_graph_answers_through_keras(corpora, tiny, eager, leaky, tmp_path, place):
    params = {"cell": leaky} if place == "the stack" else {"encoders": ["words", {"chars": leaky}]}
    tiny(**params).fit(corpora["train"][:10])  # so that Keras has counted other layers of the kind
    tagger = tiny(**params).fit(corpora["train"][:10])
    assert "model.onnx" not in tagger.bundle_.files
    X = corpora["test"].tokens[:9]
    expected = list(tagger.predict(X))
    path = tagger.save(tmp_path / "leaky")
    with load(path) as predictor:
        assert isinstance(predictor.backend, KerasBackend)
        assert predictor.predict(X) == expected
        rows = list(
            run_batches(
                predictor.backend,
                EncodedCorpus(predictor.features, corpora["test"][:9].sequences),
                predictor.decoder.best,
            )
        )
        assert sorted(place for place, _ in rows) == list(range(9))
    assert list(SequenceTagger.load(path).predict(X)) == expected
    later = tiny(**params, init_from=str(path)).fit(corpora["train"][:10])
    assert later.labels_[: len(tagger.labels_)] == tagger.labels_


@pytest.mark.slow
def test_without_a_graph_a_loop_that_was_written_out_reads_any_length(tiny, eager, leaky):
    tagger = tiny(cell=leaky, unroll=True).fit([["a", "b"], ["b", "a"]] * 5, [["x", "y"], ["y", "x"]] * 5)
    assert tagger.bundle_.manifest["network"]["stack"]["steps"] == 2
    X = [["a"], ["a", "b", "a"], ["b"] * 9]
    assert [len(labels) for labels in tagger.predict(X)] == [1, 3, 9]
    looped = tiny(cell=leaky).fit([["a", "b"], ["b", "a"]] * 5, [["x", "y"], ["y", "x"]] * 5)
    for one, other in zip(tagger.predict_proba(X), looped.predict_proba(X), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.slow
def test_a_model_of_an_unknown_cell_is_refused_by_name(corpora, tiny, eager, leaky, tmp_path):
    path = tiny(cell=leaky).fit(corpora["train"][:5]).save(tmp_path / "leaky")
    from seqtag.choices.cells import CELLS

    entry = CELLS._entries.pop("leaky")
    try:
        with pytest.raises(
            SeqtagError, match="cell must be one of simple_rnn, simple_rnn_relu, gru, lstm; got 'leaky'"
        ):
            load(path)
    finally:
        CELLS.add("leaky", entry)


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "two"])
def test_threads_must_be_a_number_of_them(threads):
    with pytest.raises(ParameterError, match="threads must be a whole number from 1 on"):
        OnnxBackend(b"", threads)
