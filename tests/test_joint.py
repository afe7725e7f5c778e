"""Labels and an intent by one network: the estimator, its loss, its decoder, and what may be y."""

from __future__ import annotations

import itertools
import pickle
from dataclasses import replace

import numpy as np
import pytest
from networks import UNITS, make_sequences
from sklearn.base import clone

from seqtag import Corpus, CorpusStream, JointTagger, Sequence, load, metrics
from seqtag.backends import KerasBackend
from seqtag.computing import run_batches
from seqtag.data import schemes
from seqtag.data.batching import EncodedCorpus
from seqtag.data.encoders import fit_encoders
from seqtag.data.grid import Grid
from seqtag.datasets import make_commands
from seqtag.decoders import ClassDecoder, JointDecoder, TagDecoder
from seqtag.errors import DataError, ParameterError, SeqtagError
from seqtag.nn.network import build_joint
from seqtag.nn.stack import Stack
from seqtag.tasks._joint import JointData, JointLabels, StreamedJoint, as_joint
from seqtag.tasks._joint_scoring import JointScore

QUICK = {
    "encoders": ["words"],
    "cell": "simple_rnn",
    "units": 8,
    "epochs": 12,
    "dropout": 0.0,
    "averaging": 0.5,
    "learning_rate": 0.03,
    "neighbour_weight": 0,
    "random_state": 0,
}


@pytest.fixture(scope="module")
def data():
    return make_commands(sequences=240, vocabulary=12)


@pytest.fixture(scope="module")
def tagger(data):
    return JointTagger(**QUICK).fit(data["train"], validation_data=data["dev"])


def pairs_of(corpus):
    return [(list(s.labels), s.label) for s in corpus]


# --- the estimator ------------------------------------------------------------------------------------------------


def test_labels_and_intents_are_learned_together(tagger, data):
    report = tagger.report(data["test"])
    assert report.intents.accuracy > 0.8 and report.slots.totals[0].f1 > 0.8
    assert tagger.score(data["test"]) == report.sentence_accuracy > 0.6
    found = tagger.predict(data["test"].tokens)
    assert found.shape == (len(data["test"]),)
    right = [
        labels == list(s.labels) and intent == s.label for (labels, intent), s in zip(found, data["test"], strict=True)
    ]
    assert report.sentence_accuracy == pytest.approx(np.mean(right))
    assert not any(schemes.problems(labels, "iob2") for labels, _ in found)
    assert tagger.scheme_ == "iob2" and set(tagger.intents_) == {"play", "weather", "call", "meet", "alarm"}
    assert tagger.score(data["test"].tokens, pairs_of(data["test"]), sample_weight=right) == 1.0


def test_probabilities_are_of_labels_and_of_intents(tagger, data):
    X = data["test"].tokens[:9]
    for (labels, intent), (of_labels, of_intents) in zip(tagger.predict(X), tagger.predict_proba(X), strict=True):
        assert of_labels.shape == (len(labels), len(tagger.labels_)) and of_intents.shape == (5,)
        np.testing.assert_allclose(of_labels.sum(axis=1), 1.0)
        assert of_intents.sum() == pytest.approx(1.0) and tagger.intents_[of_intents.argmax()] == intent


def test_what_is_empty_has_the_most_frequent_intent(tagger, data):
    ((labels, intent),) = tagger.predict([[]])
    counts = data["train"].describe()["classes"]
    assert labels == [] and intent == max(counts, key=counts.get)
    assert tagger.predict_spans([[]]) == [[]]
    (nbest,) = tagger.predict_nbest([[]], 2)
    assert [answer for (answer, _), _ in nbest] == [[], []] and nbest[0].answer[1] == intent


def test_it_is_saved_loaded_and_pickled(tagger, data, tmp_path):
    X = data["test"].tokens[:20]
    expected = list(tagger.predict(X))
    with load(tagger.save(tmp_path / "model")) as predictor:
        assert predictor.predict(X) == expected and predictor.task == "joint"
        assert predictor.labels == tagger.labels_ and predictor.intents == tagger.intents_
        assert [s.label for s in predictor.annotate(X)] == [intent for _, intent in expected]
    again = JointTagger.load(tmp_path / "model")
    assert again.temperature_ == tagger.temperature_ and again.intent_temperature_ == tagger.intent_temperature_
    for other in (again, pickle.loads(pickle.dumps(tagger))):
        assert list(other.predict(X)) == expected and other.get_params() == clone(tagger).get_params()
    batch = EncodedCorpus(predictor.features, again._sequences(X)).batch(np.arange(len(X)))
    found, ours = (backend.compute(batch.inputs) for backend in (KerasBackend(again.model_), tagger.predictor_.backend))
    inside = np.arange(found.shape[1]) < batch.lengths[:, None]
    np.testing.assert_allclose(found[inside], ours[inside], rtol=1e-4, atol=1e-5)
    assert "5 intents: alarm, call" in (tmp_path / "model" / "README.md").read_text()


def test_streams_hold_both(tagger, data):
    X = data["test"].tokens[:12]
    expected = list(tagger.predict(X))
    predictor = tagger.predictor_
    for sequences in (predictor.stream(X), predictor.stream(X, n_jobs=2)):
        assert [(list(s.labels), s.label) for s in sequences] == expected
    spans = tagger.predict_spans(X)
    for scored, own, (of_labels, of_intents) in zip(
        predictor.stream_scored(X), spans, tagger.predict_proba(X), strict=True
    ):
        assert list(scored.spans) == own
        assert list(scored.intents.values()) == pytest.approx(of_intents) and tuple(scored.intents) == tagger.intents_
        assert scored.intents[scored.sequence.label] == max(scored.intents.values())
        assert scored.probabilities == pytest.approx(of_labels.max(axis=1), abs=0.5)
        assert scored.probability <= max(of_intents)


def test_known_labels_leave_the_intent_alone(tagger, data):
    X = data["test"].tokens[:4]
    known = [["O"] + [None] * (len(row) - 1) for row in X]
    given = tagger.predict(X, known=known)
    assert all(labels[0] == "O" for labels, _ in given)
    assert [intent for _, intent in given] == [intent for _, intent in tagger.predict(X)]
    for (of_labels, of_intents), (_, free) in zip(
        tagger.predict_proba(X, known=known), tagger.predict_proba(X), strict=True
    ):
        assert of_labels[0, tagger.labels_.index("O")] == pytest.approx(1.0)
        np.testing.assert_array_equal(of_intents, free)


def test_a_trace_is_of_the_labels(tagger, data):
    X = data["test"].tokens[:1]
    (trace,) = tagger.trace(X)
    assert trace.is_tagger and trace.answer == tagger.predict(X)[0][0] and trace.labels == tagger.labels_
    np.testing.assert_allclose(trace.output, tagger.predict_proba(X)[0][0], atol=1e-6)
    assert trace.influence.shape == (len(X[0]), len(X[0])) and trace.influence.max() > 0
    (nothing,) = tagger.trace([[]])
    assert nothing.answer == []


def test_no_token_is_answered_before_the_last(tagger):
    with pytest.raises(SeqtagError, match="stream_tokens needs a tagger that reads forward only"):
        tagger.predictor_.stream_tokens(["play"])


def test_probabilities_can_be_held_against_what_is_right(tagger, data):
    found = tagger.reliability(data["test"])
    chances = [max(of_intents) for _, of_intents in tagger.predict_proba(data["test"])]
    right = [intent == s.label for (_, intent), s in zip(tagger.predict(data["test"]), data["test"], strict=True)]
    expected = metrics.reliability(np.array(chances), np.array(right)).expected_calibration_error
    assert found.expected_calibration_error == pytest.approx(expected)
    assert len(tagger.span_confidence(data["test"]).curve().to_rows())


# --- what may be y ------------------------------------------------------------------------------------------------


def test_every_form_of_y_is_the_same():
    X, y = [["a", "b"], ["c"]], [(["B-x", "O"], "p"), (["O"], "q")]
    whole = Corpus(tuple(Sequence(tuple(x), tuple(labels), intent) for x, (labels, intent) in zip(X, y, strict=True)))
    predicted = np.empty(2, object)
    predicted[:] = y
    forms = ((X, y), (X, predicted), (X, whole), (whole, None), (whole.sequences, None), (X, [list(p) for p in y]))
    found = [as_joint(*form, "whitespace", "sequence") for form in forms]
    assert found == [whole.sequences] * len(forms)


WRONG = {
    "labels alone": (
        [["O"]],
        "y must be a list of pairs, the labels of a sequence's tokens and its intent, a string; y[0]",
    ),
    "a text": ("O", "y must be a list of pairs, the labels of a sequence's tokens and its intent; got one str."),
    "no intent": ([(["O"], None)], "y[0] is (['O'], None)."),
    "too many": ([(["O"], "x")] * 2, "y must have one label list a sequence; got 2 for 1 sequences."),
    "too few labels": ([([], "x")], "y[0] must have one label a token; got 0 for 1 tokens."),
}


@pytest.mark.parametrize("y, message", WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_y_is_named(y, message):
    with pytest.raises(DataError) as error:
        JointTagger().fit([["a"]], y)
    assert message in str(error.value)


LACKING = {
    "labels": (Sequence(("a",), label="x"), "sequence 0 has no labels of its tokens. Pass y."),
    "intent": (Sequence(("a",), ("O",)), "sequence 0 has no intent, a label of the whole. Pass y."),
    "one intent": (Sequence(("a",), ("O",), ("x", "y")), "has ('x', 'y'). Write several as one: 'x#y'."),
}


@pytest.mark.parametrize("sequence, message", LACKING.values(), ids=LACKING)
@pytest.mark.parametrize("stream", [False, True])
def test_sequences_must_have_labels_and_one_intent(sequence, message, stream):
    with pytest.raises(DataError) as error:
        JointTagger().fit(CorpusStream(lambda: iter([sequence])) if stream else [sequence])
    assert message in str(error.value)


def test_a_class_weight_names_intents(data):
    for X in (data["train"], CorpusStream(lambda: iter(data["train"]))):
        with pytest.raises(ParameterError, match="must name labels of the training data; got 'plya'"):
            JointTagger(class_weight={"plya": 1.0}).fit(X)


# --- training -----------------------------------------------------------------------------------------------------


def test_a_sequence_weighs_by_itself_and_by_its_intent():
    sequences = (Sequence(("a", "b"), ("O", "O"), "x"), Sequence((), (), "x"), Sequence(("c",), ("O",), "y"))
    prepared = JointData.prepare(sequences, "none", "repair", [1.0, 9.0, 0.5], {"x": 3.0})
    assert [weights.tolist() for weights in prepared.weights] == [[3.0, 3.0], [0.5]]
    assert prepared.intents.values == {"x": 1, "y": 1}
    targets = prepared.targets(JointLabels(("B", "O"), ("y", "x")))
    assert [row.tolist() for row in targets] == [[3, 3], [1]]  # intent x 2 + label


def test_every_intent_keeps_a_sequence_when_some_are_held_out(data):
    prepared = JointData.prepare(as_joint(data["train"], None, "whitespace", "sequence"), "iob2", "repair", None, None)
    kept, held = prepared.hold_out(0.2, 0)
    assert len(held.sequences) == 48 and set(kept.intents.labels) == set(prepared.intents.labels)
    assert {id(s) for s in kept.sequences}.isdisjoint(id(s) for s in held.sequences)


def network(head, pooling="attention", **options):
    features = fit_encoders([{"words": None, "dim": 3}], make_sequences("words"))
    model = build_joint(
        [f.spec for f in features],
        3,
        2,
        stack=Stack(units=UNITS),
        decoder=head,
        pooling=pooling,
        dropout=0.0,
        **options,
    )
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(scale=0.5, size=weight.shape) for weight in model.weights])
    return features, model


@pytest.mark.parametrize("weighed", [False, True])
@pytest.mark.parametrize("head", ["crf", "softmax"])
def test_the_loss_is_the_likelihood_of_both(head, weighed):
    """Against all paths of a chain and all intents; an intent weighs as its sequence's tokens on average."""
    features, model = network(head, intent_weight=0.7)
    sequences = [s for s in make_sequences("words") if len(s) <= 4]
    rng = np.random.default_rng(2)
    labels = [rng.integers(3, size=len(s)).astype(np.int32) for s in sequences]
    intents = rng.integers(2, size=len(sequences))
    targets = [row + np.int32(3 * i) for row, i in zip(labels, intents, strict=True)]
    weights = [
        np.full(len(s), w, np.float32) for s, w in zip(sequences, rng.uniform(0.2, 2, len(sequences)), strict=True)
    ]
    encoded = EncodedCorpus(features, sequences, targets, weights if weighed else None)
    batch = encoded.batch(np.arange(len(sequences)))
    outputs = np.asarray(model(batch.inputs), np.float64)

    transitions, start, end = np.zeros((3, 3)), np.zeros(3), np.zeros(3)
    if head == "crf":
        transitions, start, end = (np.asarray(score, np.float64) for score in model.head.slots.scores())

    def path_score(emissions, path):
        score = start[path[0]] + end[path[-1]] + sum(emissions[t, label] for t, label in enumerate(path))
        return score + sum(transitions[pair] for pair in itertools.pairwise(path))

    total = tokens = 0.0
    for row, own, intent, weight in zip(outputs, labels, intents, weights, strict=True):
        emissions, logits, n = row[:, :3], row[0, 3:], len(own)
        every = [path_score(emissions, path) for path in itertools.product(range(3), repeat=n)]
        likelihood = path_score(emissions, tuple(own)) - np.logaddexp.reduce(every)
        likelihood += 0.7 * (logits[intent] - np.logaddexp.reduce(logits))
        total -= likelihood * (weight[0] if weighed else 1.0)
        tokens += n
    found = model.compute_loss(batch.inputs, batch.targets, model(batch.inputs), batch.weights)
    assert float(found) == pytest.approx(total / tokens, rel=1e-4)

    axes = {name: tuple(model.input[name].shape) for name in batch.inputs}
    padded = Grid(axes).pad(batch)
    assert padded.targets.shape > batch.targets.shape
    other = model.compute_loss(padded.inputs, padded.targets, model(padded.inputs), padded.weights)
    assert float(other) == pytest.approx(float(found), rel=1e-4)  # what a backend pads with changes no loss


def test_the_score_counts_whole_sequences_and_breaks_ties_by_their_parts(tagger, data):
    labels = JointLabels(tagger.labels_, tagger.intents_)
    dev = JointData(data["dev"].sequences, "iob2", False)
    allowed = dev.allowed(labels.slots)
    score = JointScore(tagger.model_, tagger.predictor_.features, dev, labels, allowed)
    report = tagger.report(data["dev"])
    parts = (report.slots.totals[0].f1 + report.intents.accuracy) / 2
    assert score() == pytest.approx((report.sentence_accuracy, parts))
    history = tagger.history_
    assert history["score"][history["best_epoch"]] == max(history["score"]) == report.sentence_accuracy


def test_temperatures_fit_development_data_and_change_no_answer(tagger, data):
    decoder, dev = tagger.predictor_.decoder, data["dev"]
    assert len(dev) >= 50 and decoder.intents.temperature == tagger.intent_temperature_ != 1.0
    found = run_batches(tagger.predictor_.backend, EncodedCorpus(tagger.predictor_.features, dev.sequences), _logits)
    logits = np.array([row[len(tagger.labels_) :] for _, row in sorted(found, key=lambda one: one[0])])
    targets = np.array([tagger.intents_.index(s.label) for s in dev])
    assert metrics.fit_temperature(logits, targets) == pytest.approx(tagger.intent_temperature_, rel=1e-3)
    plain = JointDecoder(replace(decoder.slots, temperature=1.0), replace(decoder.intents, temperature=1.0))
    outputs, lengths = np.random.default_rng(0).normal(size=(3, 4, len(plain.labels) + 5)), np.array([4, 1, 2])
    assert list(map(decoder.value, decoder.best(outputs, lengths))) == list(
        map(plain.value, plain.best(outputs, lengths))
    )


def _logits(outputs, lengths):
    return list(outputs[:, 0])


def test_a_stream_trains_as_memory_does(data, eager):
    few = data["train"][:16]
    params = QUICK | {"epochs": 1, "class_weight": "balanced", "invalid_tags": "allow"}
    held = JointTagger(**params).fit(few, validation_data=few)
    streamed = JointTagger(**params).fit(CorpusStream(lambda: iter(few)), validation_data=few)
    assert streamed.labels_ == held.labels_ and streamed.intents_ == held.intents_
    ours, theirs = (one.predictor_.decoder.intents.prior for one in (streamed, held))
    np.testing.assert_allclose(ours, theirs)
    assert [len(labels) for labels, _ in streamed.predict(few)] == list(map(len, few))


def test_what_is_held_out_of_a_stream_has_both(data):
    whole = StreamedJoint.of(CorpusStream(lambda: iter(data["train"])), "auto", "repair", {"play": 2.0})
    kept, held = whole.hold_out(0.1, 0)
    assert isinstance(held, JointData) and len(held.sequences) == 24 and held.weights is None
    assert kept.intents == whole.intents and sum(1 for _ in kept.sequences) == len(data["train"]) - 24
    part = kept.in_memory(data["train"].sequences[:8])
    assert [w[0] for w in part.weights] == [2.0 if s.label == "play" else 1.0 for s in part.sequences]


def test_going_on_adds_labels_and_intents(tagger, data, eager):
    more = [Sequence(("sing", "baba"), ("O", "B-artist"), "sing"), Sequence(("in", "june"), ("O", "B-month"), "date")]
    longer = pickle.loads(pickle.dumps(tagger)).set_params(
        warm_start=True, epochs=1, learning_rate=0.0, averaging=0.0, validation_fraction=0, calibrate=False
    )
    longer.fit([*data["train"].sequences, *more])
    assert longer.intents_ == (*tagger.intents_, "date", "sing")
    assert longer.labels_[: len(tagger.labels_)] == tagger.labels_ and "B-month" in longer.labels_
    old, new = ({v.path: v.numpy() for v in model.weights} for model in (tagger.model_, longer.model_))
    np.testing.assert_array_equal(new["logits/kernel"][:, :5], old["logits/kernel"])
    np.testing.assert_array_equal(new["emissions/bias"][: len(tagger.labels_)], old["emissions/bias"])
    assert longer.temperature_ == longer.intent_temperature_ == 1.0
    crf = next(path for path in old if path.startswith("head/") and old[path].ndim == 2)
    k = len(tagger.labels_)
    np.testing.assert_array_equal(new[crf][:k, :k], old[crf])


# --- the decoder --------------------------------------------------------------------------------------------------


def test_the_best_pairs_are_those_of_all_pairs():
    rng = np.random.default_rng(0)
    slots = TagDecoder(("B-a", "O"), "iob2", rng.normal(size=(2, 2)), rng.normal(size=2), rng.normal(size=2), 1.3)
    decoder = JointDecoder(slots, ClassDecoder(("p", "q", "r"), False, 0.8, np.log([0.2, 0.3, 0.5])))
    outputs, lengths = rng.normal(size=(1, 3, 5)), np.array([3])
    outputs[0, :, 2:] = outputs[0, 0, 2:]
    (found,) = decoder.nbest(outputs, lengths, 24)
    assert len(found) == 24 and sum(p for _, p in found) == pytest.approx(1.0)
    assert len({(tuple(labels), intent) for (labels, intent), _ in found}) == 24
    assert [p for _, p in found] == sorted((p for _, p in found), reverse=True)
    assert decoder.nbest(outputs, lengths, 5)[0] == found[:5]
    (best,) = decoder.best(outputs, lengths)
    assert decoder.value(best) == found[0].answer
    (scored,) = decoder.scored(outputs, lengths)
    assert scored.probability == pytest.approx(found[0].probability) and scored.row.intent == best.intent


def test_a_decoder_is_what_its_bundle_says():
    slots = TagDecoder(("B-a", "O"), "iob2", np.ones((2, 2)), np.zeros(2), np.zeros(2), 1.3)
    decoder = JointDecoder(slots, ClassDecoder(("p", "q"), False, 0.8, np.log([0.4, 0.6])))
    again = JointDecoder.from_bundle({"labels": ["B-a", "O"], **decoder.facts()}, decoder.arrays())
    outputs = np.random.default_rng(0).normal(size=(2, 4, 4))
    for one, other in zip(*(d.probabilities(outputs, np.array([4, 2])) for d in (decoder, again)), strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


# --- scores -------------------------------------------------------------------------------------------------------


def test_the_report_counts_spans_intents_and_whole_sequences():
    gold = [(["B-a", "O"], "x"), (["O"], "y"), (["B-b"], "x#y")]
    found = [(["B-a", "O"], "x"), (["B-a"], "y"), (["B-b"], "x")]
    report = metrics.joint_report(gold, found)
    assert report.main_scores == {
        "sentence accuracy": pytest.approx(1 / 3),
        "slot F1": pytest.approx(0.8),
        "intent accuracy": pytest.approx(2 / 3),
    }
    assert report.to_dict()["slots"]["score"] == pytest.approx(0.8) and report.sizes == {"sequences": 3, "tokens": 4}
    assert "labels and intent right: 33.33 % of 3 sequences" in report.to_text()
    with pytest.raises(DataError, match="the same number of sequences; got 3 and 2"):
        metrics.joint_report(gold, found[:2])


@pytest.mark.parametrize("name", list(metrics.JOINT_METRICS))
def test_scorers_are_metrics_by_name(name, tagger, data):
    X, y = data["test"].tokens, pairs_of(data["test"])
    assert 0.5 < metrics.joint_scorer(name)(tagger, X, y) <= 1.0
