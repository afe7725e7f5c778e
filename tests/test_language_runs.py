"""Language models from files to files: a configuration is trained, scored, made smaller, exported, and writes."""

from __future__ import annotations

import gzip
import json
import logging
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import seqtag
from seqtag import CorpusStream, Sequence, datasets, experiment, metrics
from seqtag.bundle import Bundle
from seqtag.cli import app
from seqtag.config import format_of, load_config, parse_config
from seqtag.data.corpus import Corpus
from seqtag.data.symbols import END, UNKNOWN
from seqtag.errors import ConfigError, DataError
from seqtag.tuning import _report
from seqtag.tuning._training import Trainer

ROOT = Path(seqtag.__file__).parents[1]
LINES = ["the cat sat", "the dog  sat", "", "a bird sang"]
CONFIG = """
task: language_modelling
data: {{train: {folder}/train.txt.gz, dev: {folder}/dev.txt, test: {folder}/dev.txt}}
model: {{level: {level}, continuous: {continuous}, min_count: 1, units: 8, dropout: 0.0}}
training: {{epochs: {epochs}, steps: 10, learning_rate: 0.02, averaging: 0.9}}
output: {folder}/{level}
seed: 0
"""


@pytest.fixture(autouse=True)
def _no_handler_stays():
    yield
    logging.getLogger("seqtag").handlers.clear()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Text files, a model of words of separate texts, and one of characters of a continuous text."""
    folder = tmp_path_factory.mktemp("language")
    (folder / "train.txt.gz").write_bytes(gzip.compress("".join(line + "\n" for line in LINES * 20).encode()))
    (folder / "dev.txt").write_text("the cat sat\n\na zebra sat\n")
    (folder / "reviews.csv").write_text("review,stars\nthe cat sat,1\nsat the cat,2\n")
    for level, continuous, epochs in (("words", "false", 8), ("characters", "true", 2)):
        text = CONFIG.format(folder=folder, level=level, continuous=continuous, epochs=epochs)
        (folder / f"{level}.yaml").write_text(text)
        experiment.run(load_config(folder / f"{level}.yaml"), verbose=0)
    return folder


def call(*arguments: object, text: str | None = None, code: int = 0) -> str:
    """Run a command in this process and return what it wrote: its answer, or its error."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], input=text)
    assert done.exit_code == code, done.output
    return done.stdout if code == 0 else done.stderr


# --- configurations and data ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "task", "format"),
    [
        ("a.txt", "language_modelling", "lines"),
        ("a.txt.gz", "language_modelling", "lines"),
        ("a.log", "language_modelling", "lines"),
        ("a.jsonl.gz", "language_modelling", "jsonl"),
        ("a.csv", "language_modelling", "csv"),
        ("a.conllu", "language_modelling", "conllu"),
        ("a.txt", "tagging", "conll"),
    ],
)
def test_a_text_file_is_text_to_a_language_model(name, task, format):
    assert format_of(name, task) == format
    config = parse_config(f"task: {task}\ndata: {{train: {name}}}\n")
    assert config.data.format == format


def test_blank_lines_count_in_one_text_and_not_among_several():
    corpus = Corpus(tuple(Sequence(tuple(line.split()), text=line) for line in ["a", "", "  ", " b"]))
    for given in (corpus, CorpusStream(lambda: iter(corpus))):
        whole = experiment.as_read(given, {"continuous": True})
        apart = experiment.as_read(given, {"continuous": False})
        assert [one.text for one in whole] == ["a", "", "  ", " b"]
        assert [one.text for one in apart] == ["a", " b"]


def test_characters_are_kept_as_they_stand(folder):
    with seqtag.load(folder / "characters") as predictor:
        table = predictor.table
    met = dict(zip(table.symbols, table.counts, strict=True))
    assert (met[" "], table.counts[END]) == (20 * sum(line.count(" ") for line in LINES), 20 * len(LINES))
    with seqtag.load(folder / "words") as predictor:
        assert predictor.table.counts[END] == 60, "without the blank lines"


def test_numbers_are_no_text():
    corpus = Corpus((Sequence(frames=np.zeros((2, 1))),), "made")
    with pytest.raises(DataError, match="made: a language model reads text; the one of 2 frames"):
        experiment.check_labelled(corpus, "language_modelling")


@pytest.mark.parametrize("part", ["source", "docstrings"])
def test_the_library_is_text_by_modules(part):
    corpora = datasets.load_python_text(characters=12_000, part=part)
    groups = {split: {one.group for one in corpus} for split, corpus in corpora.items()}
    assert not groups["train"] & (groups["dev"] | groups["test"]) and not groups["dev"] & groups["test"]
    assert len(groups["train"]) >= 12
    for split, corpus in corpora.items():
        size = sum(len(one.text) + 1 for one in corpus)
        assert 0.8 * corpus_limit(split) <= size <= corpus_limit(split)
    texts = [one.text for one in corpora["train"]]
    assert "" in texts and any(text.startswith("    ") for text in texts) and all(t == t.rstrip() for t in texts)
    assert any(text.startswith(("def ", "import ")) for text in texts) is (part == "source")
    assert corpora == datasets.load_python_text(characters=12_000, part=part)


def corpus_limit(split: str) -> int:
    return 12_000 if split == "train" else 1_500


def test_a_model_is_trained_on_a_column_or_a_pattern_of_files(folder):
    text = CONFIG.format(folder=folder, level="words", continuous="false", epochs=1)
    files = f"{{train: {folder}/reviews.csv, text: review}}"
    config = parse_config(text.replace(text.splitlines()[2].removeprefix("data: "), files))
    found = experiment.read_corpora(config.data, config.task)
    assert [one.text for one in found["train"]] == ["the cat sat", "sat the cat"]
    stream = f"{{train: '{folder}/*.txt*', stream: true}}"
    config = parse_config(
        text.replace(text.splitlines()[2].removeprefix("data: "), stream), "c.yaml", [f"output={folder}/s"]
    )
    result = experiment.run(config, verbose=0)
    assert result.estimator.bundle_.json("vocabulary.json")["counts"][END] == 56, "of 62 a tenth is held out"


# --- scores -----------------------------------------------------------------------------------------------------


def test_scores_stand_beside_those_of_frequencies(folder):
    kept = json.loads((folder / "words" / "scores.json").read_text())
    found = experiment.evaluate(folder / "words")
    assert found.to_dict() == kept["test"]
    texts = ["the cat sat", "a zebra sat"]
    with seqtag.load(folder / "words") as predictor:
        assert found.report.perplexity == pytest.approx(predictor.perplexity(texts))
        assert found.report.bits_per_symbol == pytest.approx(predictor.bits_per_symbol(texts))
        table = predictor.table
    assert (found.report.texts, found.report.symbols, found.report.unknown) == (2, 8, 1)
    counts = np.array(table.counts) + 1.0
    ids = [*table.encode(texts[0]), END, *table.encode(texts[1]), END]
    assert ids.count(UNKNOWN) == 1
    frequencies = np.log(counts / counts.sum())
    assert found.baseline.report.log_likelihood == pytest.approx(frequencies[ids].mean())
    assert found.report.perplexity < found.baseline.report.perplexity
    header, row, about = experiment.score_table([found]).splitlines()
    assert header.split() == ["perplexity", "baseline", "bits", "a", "word", "baseline", "texts", "words"]
    assert f"{found.report.perplexity:.2f}" in row, "no percentage"
    assert about == "baseline: each word is as probable as it is frequent in train"


def test_evaluate_reads_a_file_of_text(folder):
    shown = call("evaluate", folder / "words", "--data", folder / "dev.txt")
    assert "8 words of 2 texts, their ends counted; 1 unknown (12.50 %)" in shown and "perplexity" in shown
    found = json.loads(call("evaluate", folder / "characters", "--data", folder / "dev.txt", "--json"))
    assert (found["texts"], found["symbols"]) == (3, 25), "the empty line is a line break"
    options = ["--data", folder / "reviews.csv", "--set", "text=review", "--json"]
    assert json.loads(call("evaluate", folder / "words", *options))["texts"] == 2


def test_a_report_of_nothing_is_refused():
    with pytest.raises(DataError, match="at least one text"):
        metrics.language_report("words", [], 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--mode", "strict"), "a language model has none"),
        (("--curve", "curve.csv"), "thresholds are for the spans of a tagger"),
        (("--precision", "0.9"), "thresholds are for the spans of a tagger"),
    ],
)
def test_what_is_for_spans_is_refused(folder, arguments, message):
    assert message in call("evaluate", folder / "words", *arguments, code=2)


# --- writing ----------------------------------------------------------------------------------------------------


def test_generate_shows_the_prompt_and_what_the_model_writes(folder):
    run, options = folder / "words", ["--prompt", "the", "--max-symbols", 4, "--seed", 3, "--top-k", 3]
    with seqtag.load(run) as predictor:
        texts = [predictor.generate("the", max_symbols=4, seed=seed, top_k=3) for seed in (3, 4)]
    assert call("generate", run, *options) == f"the{texts[0]}\n"
    assert call("generate", run, *options, "--samples", 2) == f"the{texts[0]}\n---\nthe{texts[1]}\n"
    rows = [json.loads(line) for line in call("generate", run, *options, "--samples", 2, "--json").splitlines()]
    assert rows == [{"prompt": "the", "text": text, "seed": seed} for text, seed in zip(texts, (3, 4), strict=True)]
    assert call("generate", run, "--prompt", "the", "--beams", 2, "--stop", " sat").startswith("the")


@pytest.mark.parametrize("text", ["a\ncat", "a\ncat\n", "a\r\ncat\r\n"])
def test_a_line_break_of_a_prompt_is_one_of_the_text(folder, text):
    shown = call("generate", folder / "characters", "--prompt", "-", "--max-symbols", 5, "--seed", 0, text=text)
    with seqtag.load(folder / "characters") as predictor:
        assert shown == "a\ncat" + predictor.generate("a\ncat", max_symbols=5, seed=0) + "\n"
        table = predictor.table
        assert predictor._beginning("a\nc").tolist() == [*table.encode("a"), END, *table.encode("c")]
        (row,) = predictor.predict_next(["a\n"])
        log_p = np.concatenate(predictor.log_probabilities(["a", "c"]))
        assert np.log(row[table.encode("c")[0]]) == pytest.approx(log_p[2], abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--samples", 2, "--temperature", 0), "--samples above 1 must draw"),
        (("--top-p", 2), "top_p must be a number above 0 and at most 1"),
        (("--beams", 2, "--top-k", 2), "beams above 1 draw nothing"),
    ],
)
def test_generate_refuses_what_does_not_fit(folder, arguments, message):
    assert message in call("generate", folder / "words", *arguments, code=2)


def test_each_command_says_which_is_for_other_models(folder, tmp_path):
    assert "use seqtag generate, seqtag rank" in call("predict", folder / "words", "--text", "a", code=1)
    bundle = Bundle.read(folder / "words")
    Bundle(bundle.manifest | {"task": "classification"}, bundle.files).write(tmp_path / "kinds")
    for command in (("generate",), ("rank", "--text", "a")):
        message = call(command[0], tmp_path / "kinds", *command[1:], code=1)
        assert "this model's task is 'classification'" in message and "use seqtag predict" in message


# --- ranking ----------------------------------------------------------------------------------------------------


def test_rank_sorts_lines(folder, tmp_path):
    lines = ["sat cat the the", "the cat sat", "a"]
    (tmp_path / "c.txt").write_text("\n".join([*lines, "", ""]))
    with seqtag.load(folder / "words") as predictor:
        expected = [f"{one.log_probability:.4f}\t{one.text}" for one in predictor.rank(lines)]
        after = predictor.rank(["cat sat", "sat cat"], "the")
    assert call("rank", folder / "words", tmp_path / "c.txt").splitlines() == expected
    assert call("rank", folder / "words", "-", text="\n".join(lines)).splitlines() == expected
    assert call("rank", folder / "words", tmp_path / "c.txt", "--least", "--limit", 1).splitlines() == expected[:-2:-1]
    rows = call("rank", folder / "words", "--context", "the", "--text", "sat cat", "--text", "cat sat", "--json")
    for row, one in zip(map(json.loads, rows.splitlines()), after, strict=True):
        assert row["text"] == one.text and row["log_probability"] == pytest.approx(one.log_probability)
        assert row["mean"] == pytest.approx(one.log_probability / 3)
    means = [
        float(line.split("\t")[0]) for line in call("rank", folder / "words", tmp_path / "c.txt", "--mean").splitlines()
    ]
    assert means == sorted(means, reverse=True)
    shown = call("rank", folder / "words", folder / "reviews.csv", "--set", "text=review").splitlines()
    assert [line.split("\t")[1] for line in shown] == ["the cat sat", "sat the cat"]


def test_rank_needs_texts(folder):
    assert "give a file" in call("rank", folder / "words", code=2)
    assert "standard input must hold at least one text" in call("rank", folder / "words", "-", text="\n\n", code=1)


# --- other forms ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", ["int8", "float16"])
def test_a_smaller_model_is_held_against_its_perplexity(folder, tmp_path, weights):
    found = experiment.quantize(folder / "words", tmp_path / "m", weights=weights, max_loss=0.02)
    assert found.loss == pytest.approx(
        found.after.evaluation.report.perplexity / found.before.evaluation.report.perplexity - 1
    )
    assert "words/s on one core" in found.to_text()
    assert list(found.to_dict()["after"])[3:] == ["perplexity", "bits a word"]
    with seqtag.load(tmp_path / "m") as predictor:
        assert predictor.perplexity(["the cat sat"]) > 1
    with pytest.raises(
        ConfigError, match=r"may raise the perplexity by at most -50 % on dev; .* it raises it by -?0\."
    ):
        experiment.quantize(folder / "words", tmp_path / "n", weights=weights, max_loss=-0.5)
    assert not (tmp_path / "n").exists()


@pytest.mark.parametrize("level", ["words", "characters"])
def test_the_graph_alone_reads_and_writes_on(folder, tmp_path, level):
    onnxruntime = pytest.importorskip("onnxruntime")
    call("export", folder / level, "--format", "onnx", "--output", tmp_path / "graph")
    described = json.loads((tmp_path / "graph" / "signature.json").read_text())
    session = onnxruntime.InferenceSession(tmp_path / "graph" / "model.onnx")
    assert {one["name"] for one in described["inputs"]} >= {"symbols", "lengths"}
    assert all(one["meaning"] for one in (*described["inputs"], *described["outputs"]))
    by_symbol = {symbol: i for i, symbol in enumerate(described["symbols"])}
    text = "the cat" if level == "words" else "cat"
    ids = [by_symbol[symbol] for symbol in (text.split() if level == "words" else text)]
    given, state, total = described["end"], {}, 0.0
    for target in [*ids, described["end"]]:  # one at a time, with the state carried
        inputs = {"symbols": np.array([[[given]]], np.int32), "lengths": np.ones(1, np.int32)} | state
        log_p, out = session.run(["log_probabilities", "state_out"], inputs)
        total, given, state = total + log_p[0, -1, target], target, {"state": out}
    with seqtag.load(folder / level) as predictor:
        assert total == pytest.approx(predictor.log_probabilities([text])[0].sum(), abs=1e-4)
    script = (tmp_path / "graph" / "README.md").read_text().split("```python\n")[1].split("```")[0]
    assert "log_probabilities" in script


@pytest.mark.parametrize("format", ["saved_model", "litert", "keras"])
def test_other_formats_are_refused(folder, tmp_path, format):
    message = call("export", folder / "words", "--format", format, "--output", tmp_path / "x", code=2)
    assert "this is a language model, which bundle and onnx hold" in message and not (tmp_path / "x").exists()
    strings = ("--format", "onnx", "--set", "inputs=strings")
    assert "must be 'ids'" in call("export", folder / "words", *strings, "--output", tmp_path / "x", code=2)


# --- tuning -----------------------------------------------------------------------------------------------------


def test_a_trial_is_scored_by_the_log_likelihood(folder):
    config = load_config(folder / "words.yaml", ["training.epochs=1"])
    corpora = experiment.read_corpora(config.data, config.task)
    seen = []
    outcome = Trainer(corpora, 1)(config, lambda *progress: seen.append(progress) or False)
    assert outcome.metric == "log-likelihood a word" and -5 < outcome.score < 0 and len(seen) == 1
    assert _report.scale_of(outcome.metric) == 1 and _report.scale_of("span F1") == 100


def test_the_picture_of_a_sweep_has_no_percentage_of_a_log_likelihood():
    pytest.importorskip("matplotlib")
    from seqtag.plots import SweepPoint, plot_sweep

    points = [SweepPoint(-2.5, False, {"units": 8}), SweepPoint(-2.25, False, {"units": 16})]
    (top, *_) = plot_sweep(points, "log-likelihood a word", percent=False).axes
    assert top.get_ylabel() == "log-likelihood a word"
    low, high = top.get_ylim()
    assert -3 < low < -2.5 and -2.25 < high < -2


@pytest.mark.parametrize("name", ["model.level", "model.min_count", "model.max_vocabulary", "model.continuous"])
def test_what_decides_the_symbols_is_not_tuned(name):
    text = f"task: language_modelling\ndata: {{dataset: ptb}}\ntune: {{space: {{{name}: [1, 2]}}}}\n"
    with pytest.raises(ConfigError, match=r"cannot be tuned\. It decides what is predicted"):
        parse_config(text)
