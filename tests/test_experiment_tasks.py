"""What experiments do differently for classifiers and for numbers: scores, baselines, calibration, whole runs."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from seqtag import SequenceClassifier, SequenceTagger, datasets, experiment, load, metrics
from seqtag.answers import with_probabilities
from seqtag.bundle import Bundle
from seqtag.config import load_config, parse_config
from seqtag.data.corpus import Corpus, Sequence
from seqtag.errors import ConfigError, DataError
from seqtag.predictor import Predictor

ROOT = Path(__file__).parents[1]
FAST = {"units": 8, "epochs": 1, "random_state": 0}
WORDS = {"encoders": ["words"], "neighbour_weight": 0}


def texts(*pairs: tuple[str, object], name: str = "texts") -> Corpus:
    """Texts with a label each."""
    return Corpus(tuple(Sequence(tuple(text.split()), label=label) for text, label in pairs), name)


ONE = texts(("a good film", "good"), ("a bad film", "bad"), ("so good", "good"), ("bad bad", "bad"), ("good", "good"))
SEVERAL = texts(("a good slow film", ("good", "slow")), ("fine", ()), ("so slow", ("slow",)), ("good", ("good",)))


@pytest.fixture(scope="module")
def single() -> Predictor:
    """A classifier of one class a sequence."""
    return SequenceClassifier(**FAST, **WORDS).fit(Corpus(ONE.sequences * 8)).predictor_


@pytest.fixture(scope="module")
def several() -> Predictor:
    """A classifier of any number of labels a sequence."""
    return SequenceClassifier(**FAST, **WORDS).fit(Corpus(SEVERAL.sequences * 8)).predictor_


def test_answers_are_those_of_predict_with_their_probabilities(single, several):
    for predictor, corpus in ((single, ONE), (several, SEVERAL)):
        corpus = Corpus((*corpus, Sequence(())))
        found = list(with_probabilities(predictor, corpus))
        assert [sequence.label for sequence, _ in found] == predictor.predict(corpus)
        assert [sequence.tokens for sequence, _ in found] == [sequence.tokens for sequence in corpus]
        for (_, by_class), row in zip(found, predictor.predict_proba(corpus), strict=True):
            assert tuple(by_class) == predictor.labels
            np.testing.assert_allclose(list(by_class.values()), row)


def test_a_classifier_is_scored_beside_the_most_frequent_class(single):
    one = experiment.evaluate_corpus(single, ONE, ONE, name="test")
    gold = [sequence.label for sequence in ONE]
    assert one.report == metrics.class_report(gold, single.predict(ONE))
    assert one.baseline.report == metrics.class_report(gold, ["good"] * 5)
    assert one.baseline.about == "every sequence has the class that is most frequent in train"
    assert one.baseline.report.accuracy == 0.6
    targets = metrics.encode_classes(gold, single.labels)
    oracle = metrics.reliability(np.array(single.predict_proba(ONE)), targets)
    assert one.reliability.expected_calibration_error == pytest.approx(oracle.expected_calibration_error)
    assert one.to_dict()["calibration"]["counts"] == oracle.counts.tolist()


def test_several_labels_are_scored_each(several):
    one = experiment.evaluate_corpus(several, SEVERAL, SEVERAL, name="test")
    gold = [sequence.label for sequence in SEVERAL]
    assert one.report == metrics.class_report(gold, several.predict(SEVERAL))
    assert one.report.multi_label
    assert one.baseline.report == metrics.class_report(gold, [("good",)] * 4)
    targets = metrics.encode_classes(gold, several.labels)
    oracle = metrics.reliability(np.array(several.predict_proba(SEVERAL)), targets)
    assert one.reliability.expected_calibration_error == pytest.approx(oracle.expected_calibration_error)
    assert experiment.score_table((one,)).split()[:2] == ["micro", "F1"]


def test_a_class_that_was_never_learned_counts_as_missed(single, several):
    new = texts(("an odd film", "odd"))
    one = experiment.evaluate_corpus(single, new, None, name="test")
    assert (one.report.accuracy, one.baseline) == (0, None)
    assert one.reliability.expected_calibration_error == pytest.approx(np.max(single.predict_proba(new)[0]))
    assert experiment.evaluate_corpus(several, new, None, name="test").report.accuracy == 0, "a string is a label, too"


def test_one_class_and_several_labels_are_not_mixed_up(single):
    with pytest.raises(
        DataError, match=r"texts: every sequence must have one label, since the model gives one; the one"
    ):
        experiment.evaluate_corpus(single, SEVERAL, None, name="test")


def test_spans_of_a_classifier_cannot_be_counted(single):
    with pytest.raises(ConfigError, match="mode 'strict' says how spans are counted, and a classifier has none"):
        experiment.evaluate_corpus(single, ONE, None, name="test", mode="strict")


def test_numbers_for_classes_are_compared_as_files_write_them(tmp_path):
    X, y = [list(sequence.tokens) for sequence in ONE] * 8, [int(sequence.label == "good") for sequence in ONE] * 8
    model = SequenceClassifier(**FAST, **WORDS).fit(X, y)
    path = model.save(tmp_path / "model")
    rows = [json.dumps({"tokens": tokens, "label": str(label)}) for tokens, label in zip(X, y, strict=True)]
    (tmp_path / "more.jsonl").write_text("\n".join(rows))
    one = experiment.evaluate(path, data=tmp_path / "more.jsonl")
    assert one.report.accuracy == model.score(X, y)
    assert one.report.labels == ("0", "1")


def test_a_tagger_of_numbers_is_scored_beside_the_most_frequent_label():
    parts = datasets.make_signals(sequences=8)
    tagger = SequenceTagger(**FAST).fit(parts["train"])
    one = experiment.evaluate_corpus(tagger.predictor_, parts["test"], parts["train"], name="test")
    labels = [label for sequence in parts["train"] for label in sequence.labels]
    most = max(sorted(set(labels)), key=labels.count)
    gold = parts["test"].labels
    assert one.baseline.report == metrics.report(gold, [[most] * len(row) for row in gold])
    assert one.baseline.about == "every frame has the label that is most frequent in train"
    assert one.unit == "frames" and one.reliability.counts.sum() == sum(map(len, gold))


def test_a_model_refuses_sequences_of_the_other_kind(single):
    frames = Corpus((Sequence(label="good", frames=np.zeros((2, 3))),), "numbers")
    with pytest.raises(DataError, match="every sequence must have tokens, which is what was learnt from"):
        experiment.evaluate_corpus(single, frames, None, name="test")


# --- whole runs -------------------------------------------------------------------------------------------------

CONFIG = """
task: classification
data: {train: train.csv, text: text, dev: dev.csv, test: test.csv}
model: {encoders: [words], units: 16, dropout: 0.1}
training: {epochs: 8, batch_tokens: 100, learning_rate: 0.02, averaging: 0.9, neighbour_weight: 0}
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A run on tables with one text a row, in a folder of its own that is the current directory."""
    folder = tmp_path_factory.mktemp("experiment")
    for split, made in datasets.make_tagging(sequences=240).items():
        rows = [f'"{" ".join(sequence.tokens)}",{sequence.label}\n' for sequence in made]
        (folder / f"{split}.csv").write_text("text,label\n" + "".join(rows))
    here = Path.cwd()
    os.chdir(folder)
    try:
        yield experiment.run(parse_config(CONFIG, "kinds.yaml"), verbose=0)
    finally:
        os.chdir(here)


@pytest.mark.slow
def test_a_classifier_is_trained_from_a_table_of_texts(done):
    assert [one.name for one in done.evaluations] == ["dev", "test"]
    for one in done.evaluations:
        assert one.report.score > one.baseline.report.score + 0.4
        assert 0 <= one.reliability.expected_calibration_error < 0.3


@pytest.mark.slow
def test_the_scores_are_kept_with_the_calibration(done):
    bundle = Bundle.read(done.path)
    assert parse_config(bundle.files["config.yaml"].decode(), "kinds.yaml") == done.config
    scores = bundle.json("scores.json")
    assert scores == json.loads(json.dumps({one.name: one.to_dict() for one in done.evaluations}))
    assert scores["test"]["calibration"]["expected_calibration_error"] < 0.3
    assert scores["test"]["score_name"] == "accuracy"


@pytest.mark.slow
def test_a_classifier_finds_its_data_again(done):
    for split, one in zip(("dev", "test"), done.evaluations, strict=True):
        again = experiment.evaluate(done.path, split)
        assert again.to_dict() == one.to_dict()
    assert experiment.evaluate(done.path, data="test.csv").report == done.evaluations[1].report
    assert experiment.evaluate(done.path, "train").report.sequences == 240


ON_THE_MACHINE = ("python_code", "python_text", "digits", "signals", "tagging", "memory", "commands")
SHORT = {
    "python_code": ["data.tokens=2000"],
    "python_text": ["data.characters=10000"],
    "signals": ["data.sequences=12"],
    "commands": ["data.sequences=40"],
}
RUNNABLE = [
    path for path in sorted((ROOT / "configs").glob("*.yaml")) if load_config(path).data.dataset in ON_THE_MACHINE
]


@pytest.mark.slow
@pytest.mark.parametrize("path", RUNNABLE, ids=lambda path: path.stem)
def test_configurations_that_need_no_download_run(path, tmp_path):
    """In a shortened form: one epoch, little data, narrow layers."""
    config = load_config(path)
    output = f"output={tmp_path / 'run'}"
    short = ["training.epochs=1", "model.units=8", output, *SHORT.get(config.data.dataset, ())]
    result = experiment.run(load_config(path, short), verbose=0)
    assert [one.name for one in result.evaluations] == ["dev", "test"]
    with load(result.path) as predictor:
        assert predictor.task == config.task
        assert predictor.manifest["network"]["stack"]["cell"] == config.model["cell"]
    again = experiment.evaluate(result.path)
    assert again.to_dict() == result.evaluations[1].to_dict()


FOR_BOTH = "model: {units: 8, encoders: [words]}\ntraining: {epochs: 1, neighbour_weight: 0}\n"


@pytest.mark.slow
@pytest.mark.parametrize("dataset", ["atis", "snips"])
@pytest.mark.parametrize("task", ["tagging", "classification", "joint"])
def test_intents_and_slots_are_learned_from_the_same_data(task, dataset, shared_data, monkeypatch, tmp_path):
    monkeypatch.setenv("SEQTAG_DATA", str(shared_data))
    config = parse_config(f"task: {task}\ndata: {{dataset: {dataset}}}\n{FOR_BOTH}output: {tmp_path / 'run'}\n")
    corpora = experiment.read_corpora(config.data, task)
    few = {split: corpus[:200] for split, corpus in corpora.items()}
    result = experiment.run(config, corpora=few, verbose=0)
    assert len(result.evaluations) == 2
