"""Labels and intents from files to files: a configuration is trained, scored, quantised, and answers by commands."""

from __future__ import annotations

import csv
import io
import json
import logging
from pathlib import Path

import pytest
from typer.testing import CliRunner

from seqtag import CorpusStream, Sequence, datasets, experiment, load, read
from seqtag.cli import app
from seqtag.config import parse_config
from seqtag.data.corpus import Corpus
from seqtag.errors import ConfigError, DataError
from seqtag.tuning.space import default_domains

CONFIG = """
task: joint
data: {{train: {folder}/train/seq.in, dev: {folder}/dev/seq.in, test: {folder}/test/seq.in, format: parallel}}
model: {{encoders: [words], cell: simple_rnn, units: 8, dropout: 0.0}}
training: {{epochs: 6, averaging: 0.5, learning_rate: 0.03, neighbour_weight: 0}}
output: {folder}/run
seed: 0
"""


@pytest.fixture(autouse=True)
def _no_handler_stays():
    yield
    logging.getLogger("seqtag").handlers.clear()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Files as ATIS comes, a configuration, and what was trained by it."""
    folder = tmp_path_factory.mktemp("joint")
    for split, corpus in datasets.make_commands(sequences=160, vocabulary=12).items():
        part = folder / split
        part.mkdir()
        (part / "seq.in").write_text("".join(" ".join(s.tokens) + "\n" for s in corpus))
        (part / "seq.out").write_text("".join(" ".join(s.labels) + "\n" for s in corpus))
        (part / "label").write_text("".join(f"{s.label}\n" for s in corpus))
    experiment.run(parse_config(CONFIG.format(folder=folder)), verbose=0)
    (folder / "asked.txt").write_text("wake me at ten\n\nplay baba caba\n")
    return folder


def call(*arguments: object) -> str:
    """Run a command in this process and return what it wrote."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_scores_stand_beside_a_baseline(folder):
    kept = json.loads((folder / "run" / "scores.json").read_text())
    found = experiment.evaluate(folder / "run")
    assert found.to_dict() == kept["test"] and found.report.score_name == "sentence accuracy"
    assert found.baseline.report.sentence_accuracy < found.report.sentence_accuracy
    (header, row, about) = experiment.score_table([found]).splitlines()
    for word in ("sentence accuracy", "slot F1", "intent accuracy", "calibration error", "tokens"):
        assert word in header
    assert f"{100 * found.report.intents.accuracy:.2f}" in row and "the most frequent intent" in about
    as_json = json.loads(call("evaluate", folder / "run", "--split", "dev", "--json"))
    assert as_json["intents"]["accuracy"] == kept["dev"]["intents"]["accuracy"]
    assert "labels and intent right" in call("evaluate", folder / "run", "--data", folder / "dev" / "seq.in")


def test_a_baseline_of_frequencies_is_the_same_of_a_stream(folder):
    train, corpus = read(folder / "train" / "seq.in", "parallel"), read(folder / "test" / "seq.in", "parallel")
    with load(folder / "run") as predictor:
        rules = experiment.RULES["joint"]
        whole, stream = (
            rules.baseline(predictor, one, corpus, "conlleval") for one in (train, CorpusStream(lambda: iter(train)))
        )
    assert whole == stream


def test_text_has_the_intent_before_it(folder):
    lines = call("predict", folder / "run", folder / "asked.txt").splitlines()
    with load(folder / "run") as predictor:
        answers = predictor.annotate(["wake me at ten", "", "play baba caba"])
    assert [line.split("\t")[0] for line in lines] == [answer.label for answer in answers]
    assert lines[1].endswith("\t") and "wake" in lines[0]
    sure = call("predict", folder / "run", folder / "asked.txt", "--review").splitlines()
    chances = [float(line.split("\t")[0]) for line in sure]
    assert chances == sorted(chances) and {line.split("\t", 1)[1] for line in sure} == set(lines)


def test_json_and_columns_hold_both_and_are_read_back(folder, tmp_path):
    out = tmp_path / "answers.jsonl"
    call("predict", folder / "run", folder / "asked.txt", "--output", out, "-q", "--probabilities")
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    with load(folder / "run") as predictor:
        expected = predictor.predict(["wake me at ten", "", "play baba caba"])
        chances = predictor.predict_proba(["wake me at ten", "", "play baba caba"])
    assert [(row["tags"], row["label"]) for row in rows] == expected
    for row, (_, of_intents) in zip(rows, chances, strict=True):
        assert list(row["label_probabilities"].values()) == pytest.approx(of_intents, abs=1e-6)
    (row,) = map(json.loads, call("predict", folder / "run", "--text", "play", "--format", "jsonl").splitlines())
    assert row["label"] and "label_probabilities" not in row and "probabilities" not in row

    columns = tmp_path / "answers.conll"
    call("predict", folder / "run", folder / "asked.txt", "--output", columns, "-q")
    found = read(columns, options={"intent": "intent"})
    assert [(list(s.labels), s.label) for s in found] == [pair for pair in expected if pair[0]]


def test_tables_have_the_intent_in_every_row(folder, tmp_path):
    out = tmp_path / "answers.csv"
    call("predict", folder / "run", folder / "asked.txt", "--output", out, "-q")
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    assert [row["token"] for row in rows] == ["wake", "me", "at", "ten", "play", "baba", "caba"]
    with load(folder / "run") as predictor:
        asked = ["wake me at ten", "play baba caba"]
        expected = [
            row
            for one in predictor.annotate(asked)
            for row in zip(one.labels, [one.label] * len(one.tokens), strict=True)
        ]
        sure = [max(of_intents) for _, of_intents in predictor.predict_proba(asked)]
    assert [(row["label"], row["intent"]) for row in rows] == expected
    assert float(rows[0]["intent_probability"]) == pytest.approx(sure[0], abs=1e-6)
    call("predict", folder / "run", folder / "asked.txt", "--output", tmp_path / "bare.csv", "-q", "--no-probabilities")
    assert (tmp_path / "bare.csv").read_text().splitlines()[0] == "file,sequence,position,token,label,intent"


def test_a_threshold_drops_spans_and_keeps_the_intent(folder):
    whole = call("predict", folder / "run", folder / "asked.txt")
    dropped = call("predict", folder / "run", folder / "asked.txt", "--threshold", "1.0")
    assert "[" in whole and "[" not in dropped
    assert [line.split("\t")[0] for line in whole.splitlines()] == [
        line.split("\t")[0] for line in dropped.splitlines()
    ]


@pytest.mark.parametrize("weights", ["int8", "float16"])
def test_a_smaller_model_answers_with_intents(folder, tmp_path, weights):
    place = tmp_path / weights
    found = experiment.quantize(folder / "run", place, weights=weights, max_loss=0.1)
    assert list(found.to_dict()["after"])[3:] == ["sentence accuracy", "slot F1", "intent accuracy"]
    corpus = read(folder / "test" / "seq.in", "parallel")
    with load(place) as smaller, load(folder / "run") as whole:
        pairs = zip(smaller.predict(corpus), whole.predict(corpus), strict=True)
        assert sum(a == b for a, b in pairs) >= 0.9 * len(corpus)


def corpus_of(**parts):
    return Corpus((Sequence(("a",), **parts),), "made")


REFUSED = {
    "no intent": (
        corpus_of(labels=("O",)),
        "made: every sequence must have labels and an intent; the one that begins 'a' has no intent, a label for the "
        "whole. Data that lack them are for task: tagging.",
    ),
    "no labels": (
        corpus_of(label="x"),
        "has no labels of its tokens. Data that lack them are for task: classification.",
    ),
    "several": (corpus_of(labels=("O",), label=("x", "y")), "has ('x', 'y'). Write several as one: 'x#y'."),
}


@pytest.mark.parametrize("corpus, message", REFUSED.values(), ids=REFUSED)
def test_data_that_lack_something_are_refused_before_training(corpus, message):
    with pytest.raises(DataError) as error:
        experiment.check_labelled(corpus, "joint")
    assert message in str(error.value)


def test_what_is_unknown_of_either_is_told(folder, caplog):
    train = read(folder / "train" / "seq.in", "parallel")
    odd = Corpus((Sequence(("a", "b"), ("B-odd", "O"), "strange"),), "odd")
    for known in (train, CorpusStream(lambda: iter(train))):
        caplog.clear()
        experiment.warn_of_unseen({"train": known, "test": odd}, "joint")
        assert "test has labels or intents that train has not" in caplog.text
        assert "B-odd (1)" in caplog.text and "strange (1)" in caplog.text and "O (" not in caplog.text
    assert "intents" in experiment.summary({"train": train}, "joint").splitlines()[0]


def test_what_is_tuned_by_default_has_the_pooling(folder):
    domains = default_domains(parse_config(CONFIG.format(folder=folder)), numeric=False)
    assert {"model.pooling", "training.neighbour_weight"} <= domains.keys()


def test_an_intent_weight_belongs_to_joint_taggers():
    text = "task: tagging\ndata: {dataset: tagging}\ntraining: {intent_weight: 2.0}\n"
    with pytest.raises(ConfigError, match=r"training\.intent_weight is unknown\. It belongs to task: joint\."):
        parse_config(text)
