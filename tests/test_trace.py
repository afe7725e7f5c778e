"""What a network keeps in mind: states, gates and influence, against brute force and what a network cannot know."""

import json
import subprocess
import sys

import numpy as np
import pytest
from combinations import pairwise, title
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import ENCODERS, LABELS, UNITS, make_network, make_predictor, make_sequences, predictor_of

import seqtag
from seqtag import Predictor, SequenceClassifier, SequenceTagger
from seqtag.choices.cells import CELLS
from seqtag.cli import app
from seqtag.data.corpus import Sequence
from seqtag.decoders import ClassDecoder, TagDecoder
from seqtag.errors import DataError, NotFittedError, SeqtagError
from seqtag.occlusion import BATCH_TOKENS, NOISE
from seqtag.trace import Trace, memory

GATES = {
    "lstm": ["input", "forget", "candidate", "output", "cell"],
    "gru": ["update", "reset", "candidate"],
    "simple_rnn": [],
    "simple_rnn_relu": [],
}
UNKNOWN = "\uf8ff"  # a token of one character that no table has
HEADS = ["softmax", "crf", "max", "attention"]


def without(sequence, j):
    """A sequence with an input that tells nothing, as a user would write it."""
    if sequence.frames is not None:
        frames = np.array(sequence.frames)
        frames[j] = np.nan
        return Sequence(frames=frames)
    tokens, pos, glove = list(sequence.tokens), list(sequence.columns["pos"]), np.array(sequence.vectors["glove"])
    tokens[j] = pos[j] = UNKNOWN
    glove[j] = np.nan
    return Sequence(tuple(tokens), columns={"pos": tuple(pos)}, vectors={"glove": glove})


def differences(predictor, sequence):
    """Changes of the probabilities by each input, one prediction after the other: (T inputs, ..., K)."""
    (before,) = predictor.predict_proba([sequence])
    return np.array([predictor.predict_proba([without(sequence, j)])[0] - before for j in range(len(sequence))])


# ---- what a trace holds ------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", list(CELLS))
@pytest.mark.parametrize("direction", ["forward", "both"])
def test_a_trace_holds_states_and_gates_of_every_layer(cell, direction):
    predictor = make_predictor(head="softmax", cell=cell, direction=direction, layers=2)
    (trace,) = predictor.trace([["Ada", "in", "Paris"]])
    assert trace.steps == ("Ada", "in", "Paris") and len(trace) == 3 and trace.is_tagger
    assert trace.labels == LABELS and trace.attention is None and len(trace.layers) == 2
    for layer in trace.layers:
        assert list(layer.ways) == (["forward", "backward"] if direction == "both" else ["forward"])
        for run in layer.ways.values():
            assert run.states.shape == (3, UNITS) and list(run.gates) == GATES[cell]
            assert all(gate.shape == (3, UNITS) for gate in run.gates.values())
            if cell == "lstm":
                np.testing.assert_allclose(run.gates["output"] * np.tanh(run.gates["cell"]), run.states, atol=1e-12)
    assert trace.influence.shape == (3, 3) and trace.output.shape == (3, 4)


@pytest.mark.parametrize("head", HEADS)
def test_output_and_answer_are_those_of_the_predictor(head):
    predictor = make_predictor(head=head)
    X = make_sequences("words")
    for trace, answer, p in zip(predictor.trace(X), predictor.predict(X), predictor.predict_proba(X), strict=True):
        assert trace.answer == answer
        np.testing.assert_allclose(trace.output, p, atol=1e-6)
        assert (trace.attention is None) == (head != "attention")
        assert trace.influence.shape == ((len(trace), len(trace)) if trace.is_tagger else (1, len(trace)))
        assert trace.influence.min() >= 0 and trace.influence.max() <= 1 + 1e-9


def test_frames_are_steps_by_number():
    predictor = make_predictor(head="max", encoders="frames")
    (trace,) = predictor.trace([np.zeros((3, 3))])
    assert trace.steps == ("0", "1", "2")
    assert trace.influence.shape == (1, 3)


@pytest.mark.parametrize("head", HEADS)
def test_an_empty_sequence_has_a_trace(head):
    predictor = make_predictor(head=head, direction="both", layers=2)
    empty, full = predictor.trace([[], ["Ada"]])
    assert empty.steps == () and empty.answer == predictor.predict([[]])[0]
    np.testing.assert_array_equal(empty.output, predictor.predict_proba([[]])[0])
    assert empty.influence.shape == ((0, 0) if head in ("softmax", "crf") else (1, 0))
    assert [layer.output.shape for layer in empty.layers] == [(0, 2 * UNITS)] * 2
    assert (empty.attention is None) == (full.attention is None)
    assert len(empty.memory().distances) == 0 and empty.memory().reach == 0.0
    json.loads(empty.to_json())


# ---- influence ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", list(pairwise({"encoders": list(ENCODERS), "head": HEADS})), ids=title)
def test_influence_is_that_of_one_prediction_after_the_other(options):
    predictor = make_predictor(**options, direction="both")
    sequences = [s for s in make_sequences(options["encoders"]) if len(s) < 7]
    for sequence, trace in zip(sequences, predictor.trace(sequences), strict=True):
        expected = 0.5 * np.abs(differences(predictor, sequence)).sum(axis=-1)
        expected = expected.T if trace.is_tagger else expected[None]
        np.testing.assert_allclose(trace.influence, expected, atol=2 * NOISE)
    assert max(trace.influence.max() for trace in predictor.trace(sequences)) > 0.01


def test_influence_on_several_labels_is_the_mean_change_of_their_probabilities():
    features, model = make_network(head="mean")
    decoder = ClassDecoder(LABELS, True, 1.5, np.zeros(4))
    predictor = predictor_of(features, model, decoder)
    (sequence,) = make_sequences("words", ["Ada moved to Paris"])
    (trace,) = predictor.trace([sequence])
    expected = np.abs(differences(predictor, sequence)).mean(axis=-1)
    np.testing.assert_allclose(trace.influence, expected[None], atol=2 * NOISE)
    assert isinstance(trace.answer, tuple) and trace.output.shape == (4,)


@pytest.mark.parametrize("cell", list(CELLS))
@pytest.mark.parametrize(("direction", "past", "future"), [("forward", 1, 0), ("backward", 0, 1), ("both", 1, 1)])
def test_a_direction_is_moved_by_what_it_has_read_alone(cell, direction, past, future):
    predictor = make_predictor(head="softmax", cell=cell, direction=direction, layers=2)
    (trace,) = predictor.trace([["Ada", "moved", "to", "Paris", "in", "May", "with", "x", "and", "Ada"]])
    above, below = np.triu(trace.influence, 1), np.tril(trace.influence, -1)
    assert above.any() == bool(future) and below.any() == bool(past)  # exactly none, where there is none


def test_a_scheme_ties_the_answers_of_a_forward_network_together():
    features, model = make_network(head="softmax", direction="forward")
    forbidden = np.zeros((4, 4))
    forbidden[0, 1] = -1e4
    predictor = predictor_of(features, model, TagDecoder(LABELS, "none", forbidden, np.zeros(4), np.zeros(4)))
    (trace,) = predictor.trace([["Ada", "moved", "to", "Paris", "in", "May"]])
    assert np.triu(trace.influence, 1).any()


@pytest.mark.parametrize("cell", list(CELLS))
def test_a_network_without_recurrent_weights_looks_at_one_place(cell):
    features, model = make_network(head="softmax", cell=cell, direction="both")
    for way in model.get_layer("recurrent_0").ways.values():
        kernel, recurrent, bias = way.get_weights()
        if cell == "lstm":
            kernel[:, UNITS : 2 * UNITS], bias[UNITS : 2 * UNITS] = 0.0, -1e3  # the forget gate is shut
        if cell == "gru":
            kernel[:, :UNITS], bias[:, :UNITS] = 0.0, -1e3  # the update gate keeps nothing
        way.set_weights([kernel, np.zeros_like(recurrent), bias])
    (trace,) = predictor_of(features, model).trace([["Ada", "moved", "to", "Paris", "in", "May"]])
    assert trace.influence.diagonal().min() > NOISE
    np.testing.assert_array_equal(trace.influence, np.diag(trace.influence.diagonal()))
    assert trace.memory().reach == 0.0


def test_a_long_sequence_is_read_in_several_batches():
    predictor = make_predictor(head="softmax", direction="forward")
    asked = []
    compute = predictor.backend.compute
    predictor.backend.compute = lambda inputs: asked.append(inputs["index"].shape) or compute(inputs)
    tokens = ["Ada", "to", "Paris"] * 60
    (trace,) = predictor.trace([tokens])
    assert sum(rows for rows, _ in asked) == len(tokens) + 2 and max(b * t for b, t in asked) <= BATCH_TOKENS
    assert trace.influence.shape == (180, 180) and trace.influence.diagonal().all()


def test_influence_can_be_left_out():
    predictor = make_predictor(head="crf")
    (trace,) = predictor.trace([["Ada"]], influence=False)
    assert trace.influence is None and trace.to_dict()["influence"] is None and "influence" not in trace.arrays()
    with pytest.raises(DataError, match="needs traces with influence"):
        trace.memory()


@settings(max_examples=15)
@given(st.lists(st.lists(st.sampled_from(["Ada", "to", "?", "한국"]), max_size=6), max_size=5))
def test_a_sequence_is_traced_as_it_is_alone(X):
    predictor = PREDICTOR
    together = predictor.trace(X)
    assert len(together) == len(X)
    for tokens, trace in zip(X, together, strict=True):
        (alone,) = predictor.trace([tokens])
        assert alone.steps == trace.steps == tuple(tokens)
        for name, array in alone.arrays().items():
            np.testing.assert_array_equal(trace.arrays()[name], array)


PREDICTOR = make_predictor(head="attention", cell="gru", direction="both")


# ---- given initial states ----------------------------------------------------------------------------------


def test_given_initial_states_are_where_a_network_begins():
    predictor = make_predictor(head="softmax", direction="forward", initial_state="given")
    X, initial = [["Ada"], ["Ada"], []], np.random.default_rng(0).normal(size=(3, 1, 1, 2, UNITS))
    one, other, empty = predictor.trace(X, initial=initial)
    assert np.abs(one.layers[0].output - other.layers[0].output).max() > 0.01
    assert np.abs(one.output - other.output).max() > 0.001  # the backend began there, too
    assert len(empty) == 0 and one.influence.shape == (1, 1)
    with pytest.raises(DataError, match="one entry a sequence; got 2 for 3"):
        predictor.trace(X, initial=initial[:2])
    with pytest.raises(DataError, match="initial_state='given' and none"):
        predictor.trace([["Ada"]])
    with pytest.raises(DataError, match="initial_state='zero' and some"):
        make_predictor(head="softmax", direction="forward").trace([["Ada"]], initial=initial[:1])


# ---- memory ------------------------------------------------------------------------------------------------


def made_trace(influence, tagger=True):
    influence = np.asarray(influence, float)
    steps = tuple(map(str, range(influence.shape[1])))
    output = np.ones((len(steps), 1)) if tagger else np.ones(1)
    return Trace(steps, (), ("a",), output, ["a"] * len(steps) if tagger else "a", None, influence)


def test_memory_is_the_mean_influence_at_each_distance():
    found = made_trace([[0.5, 0.0, 0.0], [0.2, 0.7, 0.0], [0.1, 0.4, 0.9]]).memory()
    np.testing.assert_array_equal(found.distances, [-2, -1, 0, 1, 2])
    np.testing.assert_allclose(found.influence, [0.1, 0.3, 0.7, 0.0, 0.0])
    np.testing.assert_array_equal(found.pairs, [1, 2, 3, 2, 1])
    assert found.reach == pytest.approx((2 * 0.1 + 0.3) / 1.1)


def test_memory_takes_traces_together():
    found = memory([made_trace([[1.0]]), made_trace([[0.0, 0.0], [0.6, 0.2]])])
    np.testing.assert_array_equal(found.distances, [-1, 0, 1])
    np.testing.assert_allclose(found.influence, [0.6, 0.4, 0.0])
    assert len(memory([]).distances) == 0


def test_a_classifier_answers_at_the_last_step():
    found = made_trace([[0.1, 0.2, 0.3]], tagger=False).memory()
    np.testing.assert_array_equal(found.distances, [-2, -1, 0])
    np.testing.assert_allclose(found.influence, [0.1, 0.2, 0.3])


# ---- written down ------------------------------------------------------------------------------------------


def test_json_says_what_the_arrays_hold():
    predictor = make_predictor(head="attention", cell="gru", direction="both")
    (trace,) = predictor.trace([["Ada", "\ud83d", "서울"]])
    state = json.loads(trace.to_json())
    assert state["steps"] == ["Ada", "\ud83d", "서울"] and state["labels"] == list(LABELS)
    assert state["answer"] == trace.answer
    arrays = trace.arrays()
    assert list(arrays)[:5] == ["steps", "labels", "output", "attention", "influence"]
    np.testing.assert_allclose(state["influence"], arrays["influence"], atol=1e-6)
    np.testing.assert_allclose(state["attention"], arrays["attention"], atol=1e-6)
    for way in ("forward", "backward"):
        of_way = state["layers"][0][way]
        np.testing.assert_allclose(of_way["states"], arrays[f"layer_0/{way}/states"], atol=1e-6)
        np.testing.assert_allclose(of_way["gates"]["reset"], arrays[f"layer_0/{way}/reset"], atol=1e-6)


def test_files_are_of_their_kind(tmp_path):
    (trace,) = make_predictor(head="softmax").trace([["Ada", "\ud83d", "서울"]])
    path = trace.save(tmp_path / "trace.json")
    assert json.loads(path.read_bytes().decode("utf-8", "surrogatepass")) == json.loads(trace.to_json())
    with np.load(trace.save(str(tmp_path / "trace.NPZ")), allow_pickle=False) as arrays:
        assert {name: arrays[name].tolist() for name in arrays} == {n: a.tolist() for n, a in trace.arrays().items()}
    with pytest.raises(DataError, match=r"must end in one of .json, .npz, .* Did you mean '\.json'"):
        trace.save(tmp_path / "trace.jsno")
    with pytest.raises(DataError, match="cannot be written: No such file"):
        trace.save(tmp_path / "nowhere" / "trace.json")


# ---- models ------------------------------------------------------------------------------------------------


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(array, other[name]) for name, array in one.items())


def test_a_loaded_model_is_traced_as_the_fitted_one(learned, saved, corpora):
    X = corpora["test"][:3]
    fitted = learned.trace(X)
    assert [trace.answer for trace in fitted] == list(learned.predict(X))
    for traces in (SequenceTagger.load(saved).trace(X), seqtag.load(saved).trace(X)):
        assert all(same(a.arrays(), b.arrays()) for a, b in zip(fitted, traces, strict=True))


def test_what_was_learned_can_be_seen(learned):
    """A word after "mr" is a person, and before "ltd" an organisation: both of its neighbours decide."""
    (trace,) = learned.trace([["coba", "mr", "geba", "ltd", "coba"]])
    assert trace.answer == ["O", "O", "B-ORG", "O", "O"]
    assert set(np.argsort(trace.influence[2])[-2:]) == {1, 3}


def test_a_classifier_is_traced_as_it_predicts():
    X = np.random.default_rng(0).normal(size=(12, 4, 2)).astype(np.float32)
    y = [1, 2] * 6
    fast = {"units": 3, "epochs": 1, "validation_fraction": 0, "random_state": 0}
    classifier = SequenceClassifier(pooling="attention", **fast).fit(X, y)
    traces = classifier.trace(X[:2], influence=False)
    np.testing.assert_allclose([trace.output for trace in traces], classifier.predict_proba(X[:2]), atol=1e-6)
    assert [trace.answer for trace in traces] == classifier.predict(X[:2]).tolist()
    assert traces[0].labels == (1, 2) and traces[0].attention.shape == (4,)
    with pytest.raises(NotFittedError):
        SequenceClassifier().trace(X)


def test_a_predictor_without_weights_says_so():
    predictor = make_predictor(head="softmax")
    bare = Predictor(predictor.features, predictor.decoder, predictor.backend)
    with pytest.raises(SeqtagError, match=r"lacks\. Load a saved model"):
        bare.trace([["Ada"]])


def test_tracing_a_saved_model_imports_no_keras(saved):
    code = (
        "import sys, seqtag\n"
        f"(trace,) = seqtag.load({str(saved)!r}).trace([['mr', 'geba', 'ltd']])\n"
        "assert trace.influence.any() and trace.layers[0].ways['backward'].gates['forget'].any()\n"
        "print(*sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"keras", "tensorflow", "sklearn", "onnx", "matplotlib", "pandas"}
    assert not heavy & {name.split(".")[0] for name in run.stdout.split()}


# ---- the command -------------------------------------------------------------------------------------------


@pytest.fixture
def command():
    from typer.testing import CliRunner

    return lambda *arguments, **options: CliRunner().invoke(app, ["trace", *map(str, arguments)], **options)


def test_the_command_prints_json(command, saved):
    run = command(saved, "--text", "mr geba ltd")
    assert run.exit_code == 0
    assert json.loads(run.stdout)["answer"] == ["O", "B-ORG", "O"]
    run = command(saved, "--text", "mr geba", "--no-influence")
    assert json.loads(run.stdout)["influence"] is None


def test_the_command_takes_a_sequence_of_a_file(command, saved, tmp_path):
    (tmp_path / "lines.txt").write_text("mr geba\ncoba coba coba\n")
    run = command(saved, tmp_path / "lines.txt", "--number", 2, "--output", tmp_path / "trace.npz")
    assert run.exit_code == 0 and run.stdout == ""
    with np.load(tmp_path / "trace.npz") as arrays:
        assert arrays["steps"].tolist() == ["coba"] * 3
    run = command(saved, tmp_path / "lines.txt", "--number", 3)
    assert run.exit_code == 1 and "must hold a sequence number 3" in run.stderr


def test_the_command_refuses_what_it_cannot_do(command, saved, tmp_path):
    run = command(saved)
    assert run.exit_code == 2 and "give a file" in run.stderr
    run = command(saved, "--text", "mr", "--output", tmp_path / "trace.jpg")
    assert run.exit_code == 1 and "must end in one of" in run.stderr and not list(tmp_path.iterdir())
