"""How far a tagger can be trusted: temperature, known labels, thresholds, curves, review; checked by enumeration."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from networks import make_network, predictor_of
from typer.testing import CliRunner

from seqtag import Sequence, decoding, load, metrics
from seqtag.cli import app
from seqtag.data.transitions import allowed_transitions
from seqtag.decoders import TagDecoder
from seqtag.documents import label_files
from seqtag.errors import ConfigError, DataError, ParameterError, SeqtagError
from seqtag.plots import plot_threshold_curve
from seqtag.scored import ScoredSpan
from seqtag.tasks._tag_calibration import tag_temperature

TAGS = ("O", "B-x", "I-x", "B-y")
TOKENS = ["Ada", "moved", "to", "Paris"]


def make_tagger(head="crf", temperature=1.0):
    """A predictor with random weights, bound by iob2; a softmax head has the scheme's constraints alone."""
    start, transitions, end = map(decoding.constrain, allowed_transitions(TAGS, "iob2"))
    if head == "crf":
        transitions = transitions + np.random.default_rng(0).normal(size=(4, 4))
    return predictor_of(*make_network(head=head), TagDecoder(TAGS, "iob2", transitions, start, end, temperature))


def distribution(tagger, tokens, temperature=1.0, known=None):
    """Every path that iob2 admits and that agrees with the known labels, with its probability; the best first."""
    decoder = tagger.decoder
    (emissions,) = tagger.backend.compute(tagger._memo.encode([Sequence(tuple(tokens))]).batch(np.array([0])).inputs)
    found = {}
    for path in itertools.product(range(4), repeat=len(tokens)):
        pairs = itertools.pairwise(path)
        if path[0] == 2 or any(b == 2 and a not in (1, 2) for a, b in pairs):
            continue
        if any(known and k is not None and TAGS[i] != k for i, k in zip(path, known or path, strict=True)):
            continue
        score = sum(float(emissions[t, i]) for t, i in enumerate(path))
        score += sum(decoder.transitions[a, b] for a, b in itertools.pairwise(path))
        found[path] = np.exp(score / temperature)
    total = sum(found.values())
    return {path: p / total for path, p in sorted(found.items(), key=lambda one: -one[1])}


@pytest.mark.parametrize("head", ["crf", "softmax"])
@pytest.mark.parametrize("temperature", [1.0, 2.5])
@pytest.mark.parametrize("known", [None, [None, "B-x", None, None], ["B-x", None, "I-x", "B-y"]])
def test_every_answer_agrees_with_enumeration(head, temperature, known):
    tagger = make_tagger(head, temperature)
    expected = distribution(tagger, TOKENS, temperature, known)
    given = None if known is None else [known]
    labels = [[TAGS[i] for i in path] for path in expected]
    assert tagger.predict([TOKENS], known=given) == labels[:1] == make_tagger(head).predict([TOKENS], known=given)
    (best,) = tagger.predict_nbest([TOKENS], 5, known=given)
    assert [a.answer for a in best] == labels[:5]
    np.testing.assert_allclose([a.probability for a in best], list(expected.values())[:5], rtol=1e-5)
    (marginals,) = tagger.predict_proba([TOKENS], known=given)
    for t, k in itertools.product(range(4), range(4)):
        assert marginals[t, k] == pytest.approx(sum(p for path, p in expected.items() if path[t] == k), abs=1e-6)
    first = next(iter(expected))
    for span in tagger.predict_spans([TOKENS], known=given)[0]:
        inside = slice(span.start, span.end)
        agree = sum(p for path, p in expected.items() if path[inside] == first[inside])
        assert span.probability == pytest.approx(agree, abs=1e-6)


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ([["I-x", None, None, None]], r"sequence 0, token 0 \('Ada'\): 'I-x' cannot stand there in scheme iob2"),
        ([[None, "O", "I-x", None]], r"sequence 0, token 2 \('to'\): 'I-x'"),
        ([[None, "B-z", None, None]], r"token 1 \('moved'\): 'B-z' is no label"),
        ([[None]], "sequence 0 has 4, got 1"),
        (["O"], "sequence 0 has 4, got 'O'"),
        ([], "got 0 for 1"),
    ],
)
def test_what_is_known_must_be_possible(known, message):
    with pytest.raises(DataError, match=message):
        make_tagger().predict([TOKENS], known=known)


def test_known_labels_stay_with_their_sequences_however_batches_are_made():
    tagger = make_tagger()
    X = [TOKENS[: 1 + i % 4] for i in range(150)]
    known = [None if i % 3 else ["B-y", *[None] * (len(x) - 1)] for i, x in enumerate(X)]
    together = tagger.predict(X, known=known)
    assert together == [tagger.predict([x], known=[k])[0] for x, k in zip(X, known, strict=True)]
    assert all(labels[0] == "B-y" for labels in together[::3])


def test_a_temperature_is_kept_and_older_models_have_none():
    decoder = make_tagger(temperature=1.7).decoder
    manifest = {"labels": list(TAGS), "scheme": "iob2"}
    assert TagDecoder.from_bundle(manifest, decoder.arrays()).temperature == 1.7
    assert set(replace(decoder, temperature=1.0).arrays()) == {"transitions", "start", "end"}
    with pytest.raises(ValueError, match="above 0"):
        replace(decoder, temperature=0.0)


def sampled(temperature, n=400):
    """Emissions, and gold labels drawn from what they say at that temperature."""
    rng = np.random.default_rng(0)
    emissions = [rng.normal(scale=4.0, size=(6, 2)) for _ in range(n)]
    chances = [1 / (1 + np.exp((row[:, 0] - row[:, 1]) / temperature)) for row in emissions]
    return emissions, [["B-x" if u < p else "O" for u, p in zip(rng.random(6), row, strict=True)] for row in chances]


@pytest.mark.parametrize("scheme", ["iob2", "none"])
def test_the_temperature_that_made_the_data_is_found(scheme):
    decoder = TagDecoder(("O", "B-x"), scheme, np.zeros((2, 2)), np.zeros(2), np.zeros(2))
    assert tag_temperature(decoder, *sampled(2.0)) == pytest.approx(2.0, rel=0.15)


def test_without_enough_data_the_temperature_is_one():
    decoder = TagDecoder(("O", "B-x"), "iob2", np.zeros((2, 2)), np.zeros(2), np.zeros(2))
    emissions, gold = sampled(2.0)
    assert tag_temperature(decoder, emissions[:49], gold[:49]) == 1.0
    right = [decoder.value(row) for e in emissions for row in decoder.best(e[None], np.array([6]))]
    assert tag_temperature(decoder, emissions, right) == 1.0


def test_a_threshold_drops_spans_and_their_tags():
    tagger = make_tagger()
    (every,) = tagger.predict_spans([TOKENS])
    least = sorted(s.probability for s in every)[-1]
    (kept,) = tagger.predict_spans([TOKENS], threshold=least)
    assert 0 < len(kept) < len(every) and kept == [s for s in every if s.probability >= least]
    (one,) = tagger.stream_scored([TOKENS], threshold=least)
    assert tagger.spans(one.sequence) == [(s.start, s.end, s.label) for s in kept]
    marginals = tagger.predict_proba([TOKENS])[0]
    ids = [TAGS.index(label) for label in one.sequence.labels]
    np.testing.assert_allclose(one.probabilities, marginals[np.arange(4), ids], rtol=1e-6)
    assert one.probability == pytest.approx(next(iter(distribution(tagger, TOKENS).values())), rel=1e-5)
    label = every[0].label
    assert tagger.predict_spans([TOKENS], threshold={label: 1.0})[0] == [s for s in every if s.label != label]


@pytest.mark.parametrize(
    ("threshold", "message"),
    [(1.5, "from 0 to 1; got 1.5"), ({"z": 0.5}, "labels of spans .x, y.; got 'z'"), ({"x": "a"}, "threshold of x")],
)
def test_a_threshold_must_be_a_probability_of_a_label(threshold, message):
    with pytest.raises(ParameterError, match=message):
        make_tagger().predict_spans([TOKENS], threshold=threshold)


def test_without_spans_there_is_no_threshold():
    with pytest.raises(SeqtagError, match="write none"):
        predictor_of(*make_network(head="crf")).predict_spans([TOKENS], threshold=0.5)


def spans_of(*parts):
    return [ScoredSpan(s, s + 1, label, None, None, None, p) for s, label, p in parts]


GOLD = [["B-x", "O", "B-y"], ["B-x", "B-x", "O"]]
FOUND = [spans_of((0, "x", 0.9), (1, "x", 0.6), (2, "y", 0.8)), spans_of((0, "x", 0.6), (2, "y", 0.3))]


def test_a_curve_counts_what_each_threshold_keeps():
    found = metrics.span_confidence(GOLD, FOUND, "iob2")
    curve = found.curve()
    assert curve.thresholds.tolist() == [0.3, 0.6, 0.8, 0.9]
    assert curve.kept.tolist() == [5, 4, 2, 1]
    np.testing.assert_allclose(curve.precision, [3 / 5, 3 / 4, 1, 1])
    np.testing.assert_allclose(curve.recall, [3 / 4, 3 / 4, 2 / 4, 1 / 4])
    assert found.curve("y").recall.tolist() == [1.0, 1.0]
    assert curve.to_rows()[0]["f1"] == pytest.approx(metrics.Counts(3, 5, 4).f1)
    assert found.reliability().counts.sum() == 5
    assert plot_threshold_curve(curve).axes[0].get_xlabel() == "threshold"
    empty = metrics.span_confidence([["O"]], [[]], "iob2")
    assert empty.curve().to_rows() == [] and empty.thresholds() == {}
    with pytest.raises(DataError, match="there are none"):
        plot_threshold_curve(empty.curve())


def test_thresholds_are_the_lowest_that_are_precise_enough():
    found = metrics.span_confidence(GOLD, FOUND, "iob2")
    assert found.thresholds(0.6) == {"x": 0.0, "y": 0.8}
    assert found.thresholds(1.0) == {"x": 0.9, "y": 0.8}
    assert metrics.span_confidence([["O"]], [spans_of((0, "x", 0.9))], "iob2").thresholds() == {"x": 1.0}
    with pytest.raises(ParameterError, match="above 0 and up to 1"):
        found.thresholds(0.0)


def call(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.fixture
def lines(corpora, tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("".join(" ".join(s.tokens) + "\n" for s in corpora["test"].sequences[:12]), encoding="utf-8")
    return path


def test_review_sorts_by_confidence_and_holds_what_is_asked_for(saved, lines):
    rows = [
        json.loads(row)
        for row in call("predict", saved, lines, "--review", "--format", "jsonl").output.split("\n")[:-1]
    ]
    texts = lines.read_text().splitlines()
    assert sorted(row["text"] for row in rows) == sorted(texts)
    confidences = [row["confidence"] for row in rows]
    assert confidences == sorted(confidences)
    with load(saved) as model:
        best = {text: a[0].probability for text, a in zip(texts, model.predict_nbest(texts, 1), strict=True)}
    assert confidences == pytest.approx([best[row["text"]] for row in rows], abs=2e-6)
    three = call("predict", saved, lines, "--review", "--limit", 3).output.splitlines()
    assert [line.split("\t")[0] for line in three] == [f"{c:.2f}" for c in confidences[:3]]
    assert "\t" in call("predict", saved, lines, "--review", "--format", "conll").output
    assert call("predict", saved, lines, "--review", "--format", "csv").exit_code == 2
    assert call("predict", saved, lines, "--limit", "2").exit_code == 2


def test_a_threshold_at_the_command_line(saved, lines, tmp_path):
    every = [json.loads(row) for row in call("predict", saved, lines, "--format", "jsonl").output.splitlines()]
    none = [
        json.loads(row)
        for row in call("predict", saved, lines, "--threshold", "1", "--format", "jsonl").output.splitlines()
    ]
    assert sum(len(row["spans"]) for row in none) < sum(len(row["spans"]) for row in every)
    assert all(set(row["tags"]) == {"O"} for row in none if not row["spans"])
    for wrong in (["--threshold", "2"], ["--threshold", "x"], ["--threshold", ".5", "--threshold", "PER=.5"]):
        assert call("predict", saved, lines, *wrong).exit_code == 2
    label_files(saved, str(lines), tmp_path / "out.jsonl", threshold=1.0)
    assert [json.loads(row) for row in (tmp_path / "out.jsonl").read_text().splitlines()] == none


def test_evaluate_states_calibration_and_writes_curves(saved, corpora, tmp_path):
    data = tmp_path / "test.conll"
    data.write_text(
        "\n".join("".join(f"{t}\t{y}\n" for t, y in zip(s.tokens, s.labels, strict=True)) for s in corpora["test"])
    )
    curve = tmp_path / "curve.csv"
    done = call("evaluate", saved, "--data", data, "--json", "--curve", curve, "--precision", "0.9")
    found = json.loads(done.output)
    assert 0 <= found["calibration"]["expected_calibration_error"] <= 1
    assert set(found["thresholds"]) == {row["name"] for row in found["rows"]}
    assert curve.read_text().startswith("threshold,precision,recall,f1,kept\n")
    text = call("evaluate", saved, "--data", data, "--precision", "0.9", "--curve", tmp_path / "curve.png").output
    assert "error of the probabilities of its spans" in text and "threshold" in text
    assert (tmp_path / "curve.png").stat().st_size > 1000
    assert call("evaluate", saved, "--data", data, "--curve", "x.txt").exit_code == 2
    with pytest.raises(ConfigError, match="has none"):
        from seqtag.experiment import Evaluation, thresholds

        thresholds(Evaluation("x", None), 0.9)
