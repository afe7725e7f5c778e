# ruff: noqa: E501 (a corpus and its message stand on one line)
"""A configuration carried out: what is read, refused, scored, saved and found again."""

import json
import logging
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seqtag import datasets, experiment, metrics
from seqtag.bundle import Bundle
from seqtag.config import Data, parse_config
from seqtag.data.corpus import Corpus, Sequence
from seqtag.errors import BundleError, ConfigError, DataError
from seqtag.loading import load


def write_conll(path: Path, corpus: Corpus) -> None:
    blocks = ("".join(f"{t} {tag}\n" for t, tag in zip(s.tokens, s.labels, strict=True)) for s in corpus)
    path.write_text("\n".join(blocks), encoding="utf-8")


def corpus(*labels: str, name: str = "made") -> Corpus:
    """One sequence a string of labels."""
    rows = [tuple(row.split()) for row in labels]
    return Corpus(tuple(Sequence(tuple(f"w{i}" for i in range(len(row))), row) for row in rows), name)


def classified(*labels: str | tuple[str, ...] | None, name: str = "made") -> Corpus:
    """One sequence of two words a label."""
    return Corpus(tuple(Sequence((f"w{i}", "x"), label=label) for i, label in enumerate(labels)), name)


def numeric(*labels: str, name: str = "made", width: int = 3) -> Corpus:
    """One sequence of frames a string of labels, the first of which is also that of the whole."""
    rows = [tuple(row.split()) for row in labels]
    frames = [np.arange(len(row) * width, dtype=float).reshape(-1, width) for row in rows]
    return Corpus(tuple(Sequence((), row, row[0], frames=table) for row, table in zip(rows, frames, strict=True)), name)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Three CoNLL files in the current directory."""
    monkeypatch.chdir(tmp_path)
    for split, made in datasets.make_tagging(sequences=40).items():
        write_conll(tmp_path / f"{split}.conll", made)
    return tmp_path


# --- reading ----------------------------------------------------------------------------------------------------


def test_a_data_set_is_read_with_its_options():
    corpora = experiment.read_corpora(Data("tagging", options={"sequences": 8}), "tagging")
    assert {split: len(part) for split, part in corpora.items()} == {"train": 8, "dev": 2, "test": 2}


def test_files_are_read_with_their_options(files):
    data = Data(files={"test": "test.conll", "train": "train.conll"}, format="conll", options={"label": None})
    with pytest.raises(
        DataError, match=r"train\.conll: every token must have a label; the one that begins .* has none\."
    ):
        experiment.read_corpora(data, "tagging")
    corpora = experiment.read_corpora(replace(data, options={"token": 0}), "tagging")
    assert list(corpora) == ["train", "test"]
    assert corpora["test"].name == "test.conll"


def test_a_share_of_train_is_its_end(files):
    data = Data(files={"train": "train.conll"}, format="conll")
    whole = experiment.read_corpora(data, "tagging")["train"]
    parts = experiment.read_corpora(replace(data, dev_share=0.25), "tagging")
    assert list(parts) == ["train", "dev"]
    assert (*parts["train"], *parts["dev"]) == tuple(whole)
    assert len(parts["dev"]) == 10
    assert parts["dev"].name == "the last 0.25 of train.conll"


def test_a_share_is_refused_where_there_is_a_dev_part():
    with pytest.raises(ConfigError, match=r"data\.dev must not be set where the data has a dev part .* got 0\.1"):
        experiment.read_corpora(Data("tagging", dev_share=0.1), "tagging")


def test_data_without_tokens_are_refused(files):
    (files / "train.conll").write_text("\n\n")
    with pytest.raises(DataError, match=r"train\.conll must hold at least one token or frame; it has 0 sequences"):
        experiment.read_corpora(Data(files={"train": "train.conll"}, format="conll"), "tagging")


@pytest.mark.parametrize("dataset", ["tagging", "signals"])
def test_data_sets_with_labels_and_a_label_serve_both_tasks(dataset):
    for task in ("tagging", "classification", "joint"):
        assert experiment.read_corpora(Data(dataset, options={"sequences": 4}), task).keys() == {"train", "dev", "test"}


TEXTS = {
    "reviews.csv": ("csv", {"text": "text"}, 'text,label\n"so, so",bad\n"a ""gem""",good\n'),
    "reviews.tsv": (
        "csv",
        {"text": "document", "sequence": "id"},
        'id\tdocument\tlabel\n1\tso "so\tbad\n2\tgem\tgood\n',
    ),
    "reviews.jsonl": ("jsonl", {}, '{"text": "so so", "label": "bad"}\n{"text": "gem", "label": "good"}\n'),
    "reviews.txt": ("labelled_lines", {}, "bad so so\ngood gem\n"),
    "tokens.jsonl": ("jsonl", {}, '{"tokens": ["so"], "label": "bad"}\n{"tokens": ["gem"], "label": "good"}\n'),
}


@pytest.mark.parametrize("name", TEXTS)
def test_texts_with_a_label_are_read_from_many_formats(tmp_path, name):
    format, options, content = TEXTS[name]
    (tmp_path / name).write_text(content)
    found = experiment.read_corpora(
        Data(files={"train": str(tmp_path / name)}, format=format, options=options), "classification"
    )
    assert [sequence.label for sequence in found["train"]] == ["bad", "good"]


WITHOUT = [
    ("tagging", corpus("A"), None),
    ("classification", classified("A", ("A", "B"), ()), None),
    ("tagging", numeric("A B"), None),
    ("classification", numeric("A B"), None),
    ("tagging", classified("A"), "made: every token must have a label; the one that begins 'w0 x' has none. It has a label for the whole: that is task: classification."),
    ("classification", corpus("A"), "made: every sequence must have a label; the one that begins 'w0' has none. It has a label for each token: that is task: tagging."),
    ("classification", classified("A", None), "made: every sequence must have a label; the one that begins 'w1 x' has none."),
    ("classification", Corpus((Sequence(("so so", "gem"), ("bad", "good")),), "t.csv"), "t.csv: every sequence must have a label; the one that begins 'so so gem' has none. Its tokens have spaces in them: if they are texts, let data.text name their column."),
    ("tagging", Corpus((Sequence(label="A", frames=[[1, 2]]),), "n"), "n: every frame must have a label; the one of 1 frames that begins [1, 2] has none. It has a label for the whole: that is task: classification."),
    ("classification", Corpus((Sequence(labels=("A",), frames=[[1, 2]]),), "n"), "n: every sequence must have a label; the one of 1 frames that begins [1, 2] has none. It has a label for each frame: that is task: tagging."),
]  # fmt: skip


@pytest.mark.parametrize(("task", "data", "message"), WITHOUT)
def test_each_task_needs_labels_of_its_own(task, data, message):
    if message is None:
        experiment.check_labelled(data, task)
        return
    with pytest.raises(DataError) as caught:
        experiment.check_labelled(data, task)
    assert str(caught.value) == message


def test_the_summary_counts():
    text = experiment.summary({"train": corpus("A B", "A"), "dev": corpus("A", name="d.conll")}, "tagging")
    head, train, dev = (line.split() for line in text.splitlines())
    assert head == ["sequences", "tokens", "words", "labels", "from"]
    assert train == ["train", "2", "3", "2", "2", "made"]
    assert dev == ["dev", "1", "1", "1", "1", "d.conll"]


def test_the_summary_counts_what_the_task_and_the_data_have():
    head, train = experiment.summary({"train": classified("A", ("B", "C"))}, "classification").splitlines()
    assert head.split() == ["sequences", "tokens", "words", "classes", "from"]
    assert train.split() == ["train", "2", "4", "3", "3", "made"]
    head, train = experiment.summary({"train": numeric("A B", "B", "A")}, "tagging").splitlines()
    assert head.split() == ["sequences", "frames", "features", "labels", "from"]
    assert train.split() == ["train", "3", "4", "3", "2", "made"]


def test_labels_that_training_never_sees_are_told(caplog):
    parts = {"train": corpus("A B"), "dev": corpus("A C C", "D"), "test": corpus("B")}
    with caplog.at_level(logging.WARNING, "seqtag"):
        experiment.warn_of_unseen(parts, "tagging")
    (record,) = caplog.records
    assert record.getMessage() == "dev has labels that train has not, they cannot be predicted: C (2), D (1)"


def test_classes_that_training_never_sees_are_told(caplog):
    parts = {"train": classified("A", ("B", "A")), "test": classified(("B", "C"), "C", "A", ())}
    experiment.warn_of_unseen(parts, "classification")
    (record,) = caplog.records
    assert record.getMessage() == "test has classes that train has not, they cannot be predicted: C (2)"


def test_a_dev_part_with_one_class_is_told_for_it_cannot_choose(caplog):
    parts = {"train": classified(*"AABB"), "dev": classified(*"BB"), "test": classified("A")}
    experiment.warn_of_unseen(parts, "classification")
    (record,) = caplog.records
    assert record.getMessage() == "dev has no label but B, so it cannot tell which epoch is best; is train sorted?"


def test_many_unseen_labels_are_counted(caplog):
    parts = {"train": corpus("A"), "test": corpus(" ".join(f"L{i}" for i in range(experiment.SHOWN + 3)))}
    experiment.warn_of_unseen(parts, "tagging")
    assert caplog.records[0].getMessage().endswith(" and 3 more")


# --- refused before training ------------------------------------------------------------------------------------


def test_an_output_that_holds_something_else_is_refused(tmp_path):
    (tmp_path / "notes").write_text("mine")
    for path in (tmp_path, tmp_path / "notes"):
        with pytest.raises(BundleError, match="holds something that is not a seqtag model"):
            experiment.check_output(path)


def test_an_output_under_a_file_is_refused(tmp_path):
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(BundleError, match=r"cannot be written: .*notes"):
        experiment.check_output(tmp_path / "notes" / "run")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_in_a_folder_of_others_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(BundleError, match=r"cannot be written: .*Permission denied"):
            experiment.check_output(tmp_path / "deep" / "run")
    finally:
        tmp_path.chmod(0o700)


def test_an_output_that_can_be_written_leaves_no_trace(tmp_path):
    experiment.check_output(tmp_path / "deep" / "run")
    experiment.check_output(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_run_refuses_before_it_reads_or_trains(tmp_path):
    (tmp_path / "notes").write_text("mine")
    config = parse_config("task: tagging\ndata: {train: nowhere.conll}\n")
    with pytest.raises(BundleError):
        experiment.run(replace(config, output=str(tmp_path)))
    with pytest.raises(DataError, match=r"nowhere\.conll: there is no such file"):
        experiment.run(replace(config, output=str(tmp_path / "run")))


def test_columns_that_encoders_name_must_be_there():
    config = parse_config("task: tagging\ndata: {dataset: tagging}\nmodel: {encoders: [words, {column: pos}]}")
    with_pos = Corpus((Sequence(("a",), ("X",), columns={"pos": ("N",)}),))
    experiment.check_encoders(config, {"train": with_pos})
    with pytest.raises(DataError, match="must have the column 'pos'"):
        experiment.check_encoders(config, {"train": with_pos, "dev": corpus("X")})


@pytest.mark.parametrize(
    ("encoders", "data", "error", "message"),
    [
        ("auto", numeric("A"), None, ""),
        ("auto", corpus("A"), None, ""),
        ("[frames]", numeric("A"), None, ""),
        ("[frames]", corpus("A"), ConfigError, "encoder 'frames' reads numbers, and these sequences have tokens"),
        ("[chars]", numeric("A"), ConfigError, "encoder 'chars' reads tokens, and these sequences have frames"),
        ("[{vectors: glove}]", corpus("A"), DataError, "must have the vectors 'glove'"),
    ],
)
@pytest.mark.parametrize("task", ["tagging", "classification", "joint"])
def test_encoders_must_be_able_to_read_the_data(task, encoders, data, error, message):
    config = parse_config(f"task: {task}\ndata: {{dataset: tagging}}\nmodel: {{encoders: {encoders}}}")
    if error is None:
        experiment.check_encoders(config, {"train": data})
        return
    with pytest.raises(error, match=message):
        experiment.check_encoders(config, {"train": data})


def test_parts_of_different_kinds_or_widths_are_refused():
    config = parse_config("task: tagging\ndata: {dataset: tagging}\nmodel: {encoders: [frames]}")
    with pytest.raises(DataError, match="all sequences must have tokens, or all frames"):
        experiment.check_encoders(config, {"train": numeric("A"), "dev": corpus("A")})
    with pytest.raises(DataError, match="frames must have 3 features"):
        experiment.check_encoders(config, {"train": numeric("A"), "dev": numeric("A", width=2)})


# --- scores -----------------------------------------------------------------------------------------------------


def evaluation(gold: list[str], predicted: list[str], guessed: list[str] | None) -> experiment.Evaluation:
    baseline = None if guessed is None else experiment.Baseline(metrics.report([gold], [guessed]), "the same for all")
    return experiment.Evaluation("test", metrics.report([gold], [predicted]), baseline)


def test_the_table_has_the_baseline_beside_each_score():
    spans = evaluation(["B-X", "O", "B-X", "O"], ["B-X", "O", "O", "O"], ["O", "O", "O", "O"])
    head, row, about = experiment.score_table((spans,)).splitlines()
    assert about == "baseline: the same for all"
    assert head.split() == ["span", "F1", "baseline", "accuracy", "baseline", "sequences", "tokens"]
    assert row.split() == ["test", "66.67", "0.00", "75.00", "50.00", "1", "4"]
    plain = evaluation(["A", "B"], ["A", "B"], None)
    head, row = experiment.score_table((plain,)).splitlines()
    assert head.split() == ["accuracy", "baseline", "sequences", "tokens"]
    assert row.split() == ["test", "100.00", "-", "1", "2"]
    assert experiment.score_table(()) == "no scores: the data has neither dev nor test."


def test_the_table_of_a_classifier_tells_how_far_its_probabilities_can_be_believed():
    report = metrics.class_report(["a", "b", "a", "a"], ["a", "b", "b", "a"])
    baseline = experiment.Baseline(metrics.class_report(["a", "b", "a", "a"], ["a"] * 4), "the same for all")
    sure = metrics.reliability([0.9, 0.9, 0.9, 0.9], [1, 1, 0, 1])
    one = experiment.Evaluation("test", report, baseline, sure)
    head, row, _ = experiment.score_table((one,)).splitlines()
    assert head.split() == ["accuracy", "baseline", "macro", "F1", "baseline", "calibration", "error", "sequences"]
    assert row.split() == ["test", "75.00", "75.00", "73.33", "42.86", "15.00", "4"]
    assert "Expected calibration error of its probabilities: 15.00 %.\n" in one.to_text()
    record = json.loads(json.dumps(one.to_dict()))
    assert record["calibration"]["expected_calibration_error"] == pytest.approx(0.15)
    assert record["baseline"]["about"] == "the same for all"


def test_the_table_counts_frames_where_there_are_no_tokens():
    one = experiment.Evaluation("test", metrics.report([["A", "B"]], [["A", "B"]]), unit="frames")
    head, _ = experiment.score_table((one,)).splitlines()
    assert head.split() == ["accuracy", "baseline", "sequences", "frames"]


# --- a run ------------------------------------------------------------------------------------------------------

CONFIG = """
task: tagging
data: {train: train.conll, dev: 0.2, test: test.conll}
model: {encoders: [words], units: 16, dropout: 0.1}
training: {epochs: 12, batch_tokens: 100, learning_rate: 0.02, averaging: 0.9, neighbour_weight: 0}
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A run on files, in a folder of its own that is the current directory."""
    folder = tmp_path_factory.mktemp("experiment")
    for split, made in datasets.make_tagging(sequences=80).items():
        write_conll(folder / f"{split}.conll", made)
    here = Path.cwd()
    os.chdir(folder)
    try:
        said: list[str] = []
        result = experiment.run(parse_config(CONFIG, "small.yaml"), verbose=0, say=said.append)
        yield result, said
    finally:
        os.chdir(here)


@pytest.mark.slow
def test_a_run_says_what_it_read_and_saved(done):
    result, said = done
    assert "train.conll" in said[0] and "the last 0.2 of train.conll" in said[0]
    assert said[-1] == "saved runs/small"
    assert result.path == Path("runs/small")


@pytest.mark.slow
def test_a_run_scores_dev_and_test_beside_the_baseline(done):
    result, _ = done
    assert [one.name for one in result.evaluations] == ["dev", "test"]
    for one in result.evaluations:
        assert one.baseline is not None
        assert one.report.score > one.baseline.report.score + 0.2, "context tells what words alone cannot"
    test = result.evaluations[1]
    read = experiment.read_corpora(result.config.data, "tagging")
    guessed = metrics.most_frequent_label_baseline(read["train"].tokens, read["train"].labels, read["test"].tokens)
    assert test.baseline.report == metrics.report(read["test"].labels, guessed)
    assert test.baseline.about == "each word has the label that it has most often in train"
    assert test.report == metrics.report(read["test"].labels, list(result.estimator.predict(read["test"])))


@pytest.mark.slow
def test_the_folder_holds_what_is_needed_to_do_it_again(done):
    result, _ = done
    bundle = Bundle.read(result.path)
    config = parse_config(bundle.files["config.yaml"].decode(), "small.yaml")
    assert config == result.config
    assert config.seed is not None, "a seed that was drawn is recorded"
    assert bundle.json("metrics.json")["seed"] == config.seed
    scores = bundle.json("scores.json")
    assert scores == json.loads(json.dumps({one.name: one.to_dict() for one in result.evaluations}))
    assert result.estimator.bundle_.files.keys() == bundle.files.keys()


@pytest.mark.slow
def test_the_data_are_found_again(done):
    result, _ = done
    for split, one in zip(("dev", "test"), result.evaluations, strict=True):
        assert experiment.evaluate(result.path, split) == one
    train = experiment.evaluate(result.path, "train")
    assert train.report.tokens == result.estimator.n_tokens_


@pytest.mark.slow
def test_another_file_is_read_as_the_models_own(done):
    result, _ = done
    one = experiment.evaluate(result.path, data="test.conll", mode="strict")
    assert one.name == "test.conll"
    assert one.report.mode == "strict"
    assert one.report.tokens == result.evaluations[1].report.tokens
    assert one.baseline is not None
    Path("odd.dat").write_text("x O\n")
    assert experiment.evaluate(result.path, data="odd.dat").report.tokens == 1, "the format is the model's"
    Path("more.jsonl").write_text('{"tokens": ["x"], "labels": ["O"]}\n')
    assert experiment.evaluate(result.path, data="more.jsonl").report.accuracy == 1, "unless its suffix tells"
    Path("odd.csv").write_text("word,tag\nx,O\n")
    options = {"token": "word", "label": "tag"}
    assert experiment.evaluate(result.path, data="odd.csv", options=options).report.tokens == 1
    assert experiment.evaluate(result.path, data="odd.csv", format="csv", options=options).report.tokens == 1
    with pytest.raises(ConfigError, match="options of format 'csv' must be among"):
        experiment.evaluate(result.path, data="odd.csv", options={"tokens": "word"})


@pytest.mark.slow
def test_labels_that_the_model_does_not_know_are_told(done, caplog):
    result, _ = done
    Path("new.conll").write_text("x B-NEW\ny O\n")
    experiment.evaluate(result.path, data="new.conll")
    assert "new.conll has labels that the model does not know, they cannot be predicted: B-NEW (1)" in caplog.text


@pytest.mark.slow
def test_a_part_or_a_file_that_is_not_there(done):
    result, _ = done
    with pytest.raises(ConfigError, match="split must be one of train, dev, test"):
        experiment.evaluate(result.path, "tset")
    with pytest.raises(DataError, match="there is no such file"):
        experiment.evaluate(result.path, data="nowhere.conll")


@pytest.mark.slow
def test_training_data_that_are_gone_cost_the_baseline_only(done, tmp_path, monkeypatch, caplog):
    result, _ = done
    model, test = result.path.absolute(), Path("test.conll").absolute()
    monkeypatch.chdir(tmp_path)
    one = experiment.evaluate(model, data=test)
    assert one.baseline is None
    assert one.report == result.evaluations[1].report
    assert "no baseline, since the training data cannot be read: train.conll" in caplog.text
    with pytest.raises(DataError, match=r"train\.conll: there is no such file"):
        experiment.evaluate(model)


@pytest.mark.slow
def test_a_model_that_no_run_made_can_be_scored_on_a_file(done, tmp_path):
    result, _ = done
    files = {name: data for name, data in result.estimator.bundle_.files.items() if name != "config.yaml"}
    path = replace(result.estimator.bundle_, files=files).write(tmp_path / "model")
    with pytest.raises(ConfigError, match="does not record its data"):
        experiment.evaluate(path)
    one = experiment.evaluate(path, data="test.conll")
    assert (one.report, one.baseline) == (result.evaluations[1].report, None)


@pytest.mark.slow
def test_the_saved_model_answers(done):
    result, _ = done
    sentences = [["mr", "baba", "baca", "ltd"], []]
    with load(result.path) as predictor:
        assert predictor.predict(sentences) == list(result.estimator.predict(sentences))
