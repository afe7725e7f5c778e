# ruff: noqa: E501 (a command and its message stand on one line)
"""The command line with classifiers and with numbers: from files to answers, and what is refused."""

import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import seqtag
from seqtag import SequenceClassifier, SequenceTagger, datasets
from seqtag.cli import app

ROOT = Path(seqtag.__file__).parents[1]
FAST = {"units": 8, "epochs": 1, "random_state": 0}
TEXTS = ["mr baba baca ltd", "", "mr 서울 é", "  baba\tltd "]


@pytest.fixture(autouse=True)
def _no_handler_stays():
    yield
    logging.getLogger("seqtag").handlers.clear()


def call(*arguments: object, text: str | None = None):
    """Run a command in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=text)


def start(*arguments: object, **options) -> subprocess.Popen:
    """Run a command in a process of its own, without what this one sets for TensorFlow."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "OMP_"))}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    command = [sys.executable, "-m", "seqtag", *map(str, arguments)]
    return subprocess.Popen(command, **pipes | {"env": bare | {"PYTHONPATH": str(ROOT)}} | options)


def finish(process: subprocess.Popen) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=240)
    return process.returncode, out.decode(), err.decode()


def frames_of(corpus) -> dict[str, np.ndarray]:
    return {
        "frames": np.concatenate(corpus.frames),
        "lengths": np.array([len(sequence) for sequence in corpus]),
        "y": np.array([label for sequence in corpus for label in sequence.labels]),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Files and untrained-like models of each kind, in a folder of their own."""
    folder = tmp_path_factory.mktemp("cli")
    for split, corpus in datasets.make_tagging(sequences=240).items():
        rows = [f"{' '.join(sequence.tokens)},{sequence.label}\n" for sequence in corpus]
        (folder / f"{split}.csv").write_text("text,label\n" + "".join(rows))
        rows = [{"text": " ".join(s.tokens), "label": sorted({tag[2:] for tag in s.labels} - {""})} for s in corpus]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    signals = datasets.make_signals(sequences=12)
    for split, corpus in signals.items():
        np.savez(folder / f"{split}.npz", **frames_of(corpus))
        np.savez(folder / f"{split}_whole.npz", **frames_of(corpus) | {"y": [s.label for s in corpus]})
    (folder / "kinds.yaml").write_text(CONFIG)
    SequenceTagger(**FAST).fit(signals["train"]).save(folder / "runs" / "signals")
    SequenceClassifier(**FAST).fit(signals["train"]).save(folder / "runs" / "movements")
    several = [(["a", "good", "slow", "film"], ("good", "slow")), (["fine"], ())] * 8
    X, y = zip(*several, strict=True)
    SequenceClassifier(**FAST, encoders=["words"]).fit(list(X), list(y)).save(folder / "runs" / "several")
    return folder


CONFIG = """
task: classification
data: {train: train.csv, text: text, dev: dev.csv, test: test.csv}
model: {encoders: [words], units: 16, dropout: 0.1}
training: {epochs: 8, batch_tokens: 100, learning_rate: 0.02, averaging: 0.9, neighbour_weight: 0}
output: runs/kinds
seed: 0
"""


@pytest.fixture(scope="module")
def trained(folder) -> tuple[str, str]:
    """The output of the one training."""
    code, out, err = finish(start("train", "kinds.yaml", cwd=folder))
    assert code == 0, err
    return out, err


@pytest.fixture
def run(folder, trained, monkeypatch) -> Path:
    """The trained classifier, in the current directory."""
    monkeypatch.chdir(folder)
    return Path("runs/kinds")


@pytest.fixture
def here(folder, monkeypatch) -> Path:
    """The current directory, with files and models that know next to nothing."""
    monkeypatch.chdir(folder)
    return folder


# --- a classifier -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_training_a_classifier_shows_its_scores_and_nothing_that_is_not_ours(trained):
    out, err = trained
    head, dev, test, about = out.splitlines()
    assert head.split() == ["accuracy", "baseline", "macro", "F1", "baseline", "calibration", "error", "sequences"]
    assert (dev.split()[0], test.split()[0]) == ("dev", "test")
    assert float(test.split()[1]) > float(test.split()[2]) + 40
    assert about == "baseline: every sequence has the class that is most frequent in train"
    lines = err.splitlines()
    assert lines[-1] == "saved runs/kinds"
    unknown = [line for line in lines if not re.match(r"(train|dev|test) |epoch |saved | +sequences ", line)]
    assert unknown == []


@pytest.mark.slow
def test_check_of_a_classifier_starts_no_tensorflow(here):
    code = (
        "import sys; sys.argv = ['seqtag', 'check', 'kinds.yaml']\n"
        "from seqtag.cli import main\ntry: main()\nexcept SystemExit: pass\n"
        "print([name for name in ('tensorflow', 'keras') if name in sys.modules], file=sys.stderr)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.startswith("task: classification\n")
    assert "classes  from\n" in done.stderr
    assert done.stderr.splitlines()[-1] == "[]"


@pytest.mark.slow
def test_evaluate_repeats_the_scores_of_a_classifier(run, trained):
    result = call("evaluate", run, "--split", "dev")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-2].split() == trained[0].splitlines()[1].split()
    assert "Expected calibration error of its probabilities: " in result.stdout
    record = json.loads(call("evaluate", run, "--data", "test.csv", "--json").stdout)
    assert record["sequences"] == 60
    assert record["calibration"]["expected_calibration_error"] < 0.3
    assert record["baseline"]["score"] < record["score"] <= 1


@pytest.mark.slow
def test_evaluate_reads_other_formats_with_their_options(run):
    Path("other.tsv").write_text("kind\tquestion\nORG\tmr baba ltd\nPER\tmr baba gugu\n")
    options = ["--set", "text=question", "--set", "label=kind"]
    record = json.loads(call("evaluate", run, "--data", "other.tsv", *options, "--json").stdout)
    assert (record["sequences"], record["labels"]) == (2, ["ORG", "PER"])
    Path("other.txt").write_text("ORG mr baba ltd\n")
    record = json.loads(call("evaluate", run, "--data", "other.txt", "--format", "labelled_lines", "--json").stdout)
    assert record["sequences"] == 1
    Path("other.jsonl").write_text('{"text": "mr baba ltd", "label": "ODD"}\n')
    result = call("evaluate", run, "--data", "other.jsonl")
    assert result.exit_code == 0
    assert (
        result.stderr
        == "warning: other.jsonl has classes that the model does not know, they cannot be predicted: ODD (1)\n"
    )


@pytest.mark.slow
def test_predict_writes_class_probability_and_text(run):
    result = call("predict", run, *(f"--text={text}" for text in TEXTS))
    assert (result.exit_code, result.stderr) == (0, "")
    rows = [line.split("\t", 2) for line in result.stdout.splitlines()]
    assert [row[2] for row in rows] == TEXTS
    assert rows[0][0] == "ORG"
    assert all(re.fullmatch(r"[01]\.\d\d", row[1]) for row in rows)


@pytest.mark.slow
def test_predict_writes_the_probability_of_every_class_as_json(run):
    result = call("predict", run, "-", "--format", "jsonl", text="\n".join(TEXTS))
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["text"] for record in records] == TEXTS
    assert [record["tokens"] for record in records] == [text.split() for text in TEXTS]
    for record in records:
        chances = record["probabilities"]
        assert sum(chances.values()) == pytest.approx(1, abs=1e-5)
        assert record["label"] == max(chances, key=chances.get)
    assert set(records[0]["probabilities"]) == {"LOC", "ORG", "PER", "none"}


@pytest.mark.slow
def test_what_predict_writes_evaluate_reads(run, tmp_path):
    out = tmp_path / "answers.jsonl"
    assert (
        call("predict", run, "-", "--format", "jsonl", "--output", out, text="mr baba ltd\nbaba ltd\n").exit_code == 0
    )
    assert json.loads(call("evaluate", run, "--data", out, "--json").stdout)["accuracy"] == 1


@pytest.mark.slow
def test_who_types_sees_each_line_classified(run):
    process = start("predict", run, "-")
    for text in TEXTS:
        process.stdin.write(text.encode() + b"\n")
        process.stdin.flush()
        assert process.stdout.readline().decode().endswith(f"\t{text}\n")
    assert finish(process) == (0, "", "")


@pytest.mark.slow
def test_predicting_classes_needs_neither_keras_nor_scikit_learn(run):
    code = (
        "import sys; sys.argv = ['seqtag', 'predict', 'runs/kinds', '--text', 'mr baba']\n"
        "from seqtag.cli import main\ntry: main()\nexcept SystemExit: pass\n"
        "heavy = ('tensorflow', 'keras', 'sklearn', 'pandas', 'yaml', 'pyarrow', 'rich')\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.endswith("\tmr baba\n")
    assert done.stderr.strip() == "[]"


@pytest.mark.slow
def test_several_labels_have_a_probability_each(here):
    result = call("predict", "runs/several", "--text", "a good film", "--format", "jsonl")
    record = json.loads(result.stdout)
    assert record["label"] == [label for label, chance in record["probabilities"].items() if chance > 0.5]
    names, chances, text = call("predict", "runs/several", "--text", "a good film").stdout.rstrip("\n").split("\t")
    assert text == "a good film"
    assert names == (",".join(sorted(record["label"], key=lambda label: -record["probabilities"][label])) or "-")
    assert chances.count(",") == names.count(",")


@pytest.mark.slow
def test_texts_in_json_lines_are_read_as_such(here):
    records = [json.loads(line) for line in Path("dev.jsonl").read_text().splitlines()]
    result = call("predict", "runs/several", "dev.jsonl")
    assert [line.split("\t")[2] for line in result.stdout.splitlines()] == [record["text"] for record in records]


@pytest.mark.slow
def test_several_labels_are_trained_from_json_lines(here, tmp_path):
    Path("several.yaml").write_text(
        CONFIG.replace(
            "train.csv, text: text, dev: dev.csv, test: test.csv", "train.jsonl, dev: dev.jsonl, test: test.jsonl"
        )
    )
    result = call("train", "several.yaml", "--output", tmp_path / "run", "-q", "--set", "training.epochs=2")
    assert (result.exit_code, result.stderr) == (0, "")
    head, *_ = result.stdout.splitlines()
    assert head.split() == ["micro", "F1", "baseline", "accuracy", "baseline", "calibration", "error", "sequences"]
    assert json.loads(call("evaluate", tmp_path / "run", "--json").stdout)["multi_label"] is True


# --- numbers ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_frames_get_a_label_each(here):
    result = call("predict", "runs/signals", "test.npz")
    lengths = np.load("test.npz")["lengths"].tolist()
    assert [len(line.split(" ")) for line in result.stdout.splitlines()] == lengths
    assert set(result.stdout.split()) <= {"walk", "run", "sway"}
    records = [
        json.loads(line)
        for line in call("predict", "runs/signals", "test.npz", "--format", "jsonl").stdout.splitlines()
    ]
    assert [record["tags"] for record in records] == [line.split(" ") for line in result.stdout.splitlines()]
    assert [record["length"] for record in records] == lengths
    columns = call("predict", "runs/signals", "test.npz", "--format", "conll").stdout
    blocks = [[line.split("\t") for line in block.splitlines()] for block in columns.rstrip("\n").split("\n\n")]
    assert blocks == [[[str(i), tag] for i, tag in enumerate(record["tags"])] for record in records]


@pytest.mark.slow
def test_numbers_come_as_json_lines_too(here):
    archive = np.load("test.npz")
    tables = np.split(archive["frames"], np.cumsum(archive["lengths"])[:-1])
    rows = [json.dumps({"id": i, "frames": table.tolist()}) for i, table in enumerate(tables)]
    Path("test.jsonl").write_text("\n\n".join(rows))
    assert call("predict", "runs/signals", "test.jsonl").stdout == call("predict", "runs/signals", "test.npz").stdout
    first = call("predict", "runs/signals", "-", "--format", "jsonl", text=rows[0] + "\n" + rows[1]).stdout.splitlines()
    assert [json.loads(line)["id"] for line in first] == ["0", "1"]
    assert (
        call("predict", "runs/signals", "-", text='{"frames": [[1, null, 0.5]]}\n{"frames": []}').stdout.count("\n")
        == 2
    )


BROKEN = [
    "[1]",
    "{}",
    '{"frames": 3}',
    '{"frames": [[1], [1, 2]]}',
    '{"frames": [["1"]]}',
    '{"frames": [[true]]}',
    '{"frames": [[]]}',
    '{"frames": [[1e999]]}',
    '{"frames": [[1%s]]}' % ("0" * 400),
    "{",
    "[" * 9999,
]


@pytest.mark.slow
@pytest.mark.parametrize("line", BROKEN)
def test_lines_that_are_no_numbers_are_named(here, line):
    result = call("predict", "runs/signals", "-", text='{"frames": [[1, 2, 3]]}\n' + line)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: -:2: expected a sequence of numbers as")


@pytest.mark.slow
def test_who_measures_sees_each_sequence_answered(here):
    process = start("predict", "runs/signals", "-")
    for length in (1, 3):
        process.stdin.write(json.dumps({"frames": [[0.0, 1.0, 2.0]] * length}).encode() + b"\n")
        process.stdin.flush()
        assert len(process.stdout.readline().split()) == length
    assert finish(process) == (0, "", "")


@pytest.mark.slow
def test_sequences_of_numbers_get_a_class_each(here):
    rows = [line.split("\t") for line in call("predict", "runs/movements", "test_whole.npz").stdout.splitlines()]
    lengths = np.load("test_whole.npz")["lengths"].tolist()
    assert [row[2] for row in rows] == [f"{length} frames" for length in lengths]
    line = call("predict", "runs/movements", "test_whole.npz", "--format", "jsonl").stdout.splitlines()[0]
    assert json.loads(line).keys() == {"length", "label", "probabilities"}


@pytest.mark.slow
def test_numbers_are_trained_from_archives_and_evaluated(here, tmp_path):
    Path("numbers.yaml").write_text(
        "task: tagging\ndata: {train: train.npz, dev: dev.npz, test: test.npz}\nmodel: {units: 8}\ntraining: {epochs: 1}\n"
    )
    result = call("train", "numbers.yaml", "--output", tmp_path / "run")
    assert result.exit_code == 0
    assert result.stderr.splitlines()[0].split() == ["sequences", "frames", "features", "labels", "from"]
    head, *_, about = result.stdout.splitlines()
    assert head.split() == ["accuracy", "baseline", "calibration", "error", "sequences", "frames"]
    assert about == "baseline: every frame has the label that is most frequent in train"
    shown = call("evaluate", tmp_path / "run", "--data", "dev.npz").stdout
    assert shown.splitlines()[-3].split()[-1] == "frames"


# --- what is refused --------------------------------------------------------------------------------------------

WRONG = [
    (["predict", "runs/several", "--text", "a", "--format", "conll"], 2, "error: --format conll writes a label for each token, and this model gives one for each whole sequence; choose text or jsonl or csv or parquet.\n"),
    (["predict", "runs/signals", "--text", "a"], 2, 'error: this model reads numbers: give it an .npz file, or lines as {"frames": [[0.1, 0.2], ...]}; got --text.\n'),
    (["predict", "runs/signals", "-"], 1, "error: -:1: expected a sequence of numbers as {\"frames\": [[0.1, 0.2], ...]}; got 'a b'. This model reads numbers.\n"),
    (["predict", "runs/signals", "train.csv"], 1, "error: train.csv:1: expected a sequence of numbers as"),
    (["predict", "runs/signals", "dev.jsonl"], 1, "error: dev.jsonl:1: expected a sequence of numbers as"),
    (["predict", "runs/several", "test.npz"], 1, "error: test.npz holds frames of numbers, and this model reads text. Give it what it was trained on.\n"),
    (["predict", "runs/signals", "broken.npz"], 1, "error: broken.npz: expected an .npz archive; got one that begins with"),
    (["predict", "runs/signals", "nowhere.npz"], 1, "error: nowhere.npz: there is no such file."),
    (["predict", "runs/signals", "wide.npz"], 1, "error: frames must have 3 features, as those that were learnt from; the one of 4 frames that begins [0, 0] has 2.\n"),
    (["predict", "runs/signals", "infinite.npz"], 1, "error: infinite.npz: X[0][0, 0] must be finite"),
    (["evaluate", "runs/signals", "--data", "broken.npz"], 1, "error: broken.npz: expected an .npz archive; got one that begins with"),
    (["evaluate", "runs/signals", "--data", "test_whole.npz"], 1, "error: test_whole.npz: every frame must have a label; the one of"),
    (["evaluate", "runs/several", "--data", "test.npz"], 1, "error: test.npz: every sequence must have a label; the one of"),
    (["evaluate", "runs/several", "--data", "dev.jsonl", "--mode", "strict"], 2, "error: mode 'strict' says how spans are counted, and a classifier has none; leave it out.\n"),
    (["evaluate", "runs/several"], 2, "error: runs/several does not record its data"),
    (["evaluate", "runs/several", "--data", "dev.csv", "--set", "txt=text"], 2, "error: options of format 'csv' must be among"),
    (["check", "kinds.yaml", "--set", "data.train=gone.csv"], 1, "error: gone.csv: there is no such file."),
    (["check", "kinds.yaml", "--set", "data={train: names.conll}"], 1, "error: names.conll: every sequence must have a label; the one that begins 'Ada' (line 1) has none. It has a label for each token: that is task: tagging.\n"),
    (["check", "kinds.yaml", "--set", "data={train: train.npz}", "--set", "model.encoders=[words]"], 1, "It has a label for each frame: that is task: tagging.\n"),
    (["check", "kinds.yaml", "--set", "data={train: train_whole.npz}"], 2, "error: encoder 'words' reads tokens, and these sequences have frames (numbers). Use 'frames' instead.\n"),
    (["train", "kinds.yaml", "--set", "data={train: train_whole.npz}", "--output", "new"], 2, "error: encoder 'words' reads tokens, and these sequences have frames (numbers)."),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "code", "message"), WRONG, ids=[" ".join(case[0]) for case in WRONG])
def test_what_does_not_fit_is_refused_with_a_line_and_a_status(here, arguments, code, message):
    Path("broken.npz").write_bytes(Path("test.npz").read_bytes()[:200])
    Path("names.conll").write_text("Ada B-PER\n")
    np.savez("wide.npz", X=np.zeros((1, 4, 2)))
    np.savez("infinite.npz", X=np.full((1, 4, 3), np.inf))
    result = call(*arguments, text="a b\n")
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr
    assert "Traceback" not in result.stderr
