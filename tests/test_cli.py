# ruff: noqa: E501 (a command and its message stand on one line)
"""The command line as a user meets it: what goes where, and how it ends."""

import gzip
import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import seqtag
from seqtag import datasets
from seqtag.cli import app
from seqtag.cli._predict import Output
from seqtag.cli._start import set_threads
from seqtag.cli._streams import arriving_lines, open_output, wants_color
from seqtag.config import json_schema, parse_config
from seqtag.data.readers import READERS
from seqtag.documents.writers import FORMATS
from seqtag.errors import DataError

ROOT = Path(seqtag.__file__).parents[1]
COMMANDS = ("train", "tune", "evaluate", "predict", "trace", "generate", "rank", "check", "schema", "data")
SMALL = "task: tagging\ndata: {dataset: tagging, sequences: 12}\n"


@pytest.fixture(autouse=True)
def _no_handler_stays():
    yield
    logging.getLogger("seqtag").handlers.clear()


def call(*arguments: object, text: str | bytes | None = None):
    """Run a command in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=text)


def start(*arguments: object, **options) -> subprocess.Popen:
    """Run a command in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)} | options.pop("env", {})
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    command = [sys.executable, "-m", "seqtag", *map(str, arguments)]
    return subprocess.Popen(command, **pipes | {"env": environment} | options)


def finish(process: subprocess.Popen, data: bytes = b"") -> tuple[int, str, str]:
    out, err = process.communicate(data, timeout=240)
    return process.returncode, out.decode(), err.decode()


# --- help -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["--help"], [], *([name, "--help"] for name in COMMANDS)], ids=" ".join)
def test_help_has_examples_that_exist(arguments):
    result = call(*arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    examples = result.stdout.partition("Examples:\n")[2]
    named = re.findall(r"seqtag (\w+)", examples)
    assert named and set(named) <= set(COMMANDS)
    for config in re.findall(r"configs/\w+\.yaml", examples):
        assert (ROOT / config).is_file()


def test_the_help_of_evaluate_names_every_format_that_has_labels():
    shown = " ".join(call("evaluate", "--help").stdout.split())
    assert f"({', '.join(name for name in READERS if name != 'lines')})" in shown


def test_predict_offers_every_format_that_documents_are_written_in():
    assert [output.value for output in Output] == list(FORMATS)


def test_help_is_quick_since_nothing_heavy_is_imported():
    code = (
        "import sys; sys.argv = ['seqtag', '--help']; from seqtag.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = ('tensorflow', 'keras', 'sklearn', 'pydantic', 'numpy', 'pandas', 'yaml', 'onnxruntime', 'rich')\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "Usage:" in run.stdout
    assert run.stderr.strip() == "[]"


def test_the_version_is_that_of_the_package():
    assert call("--version").stdout == f"seqtag {seqtag.__version__}\n"


# --- data, schema, check ----------------------------------------------------------------------------------------


def test_data_sets_are_listed_and_described():
    listed = call("data").stdout.splitlines()
    assert [line.split()[0] for line in listed[1:]] == list(datasets.DATASETS)
    assert all("  " + datasets.DATASETS[line.split()[0]].licence in line for line in listed[1:])
    assert call("data", "wnut17").stdout == datasets.describe("wnut17") + "\n"
    assert {"licence", "cite"} <= set(call("data", "wnut17").stdout.split())


def test_the_schema_is_json():
    assert json.loads(call("schema").stdout) == json.loads(json.dumps(json_schema()))


def test_check_prints_a_complete_configuration_and_counts(tmp_path):
    (tmp_path / "c.yaml").write_text(SMALL)
    result = call("check", tmp_path / "c.yaml", "--set", "model.units=7")
    assert result.exit_code == 0
    config = parse_config(result.stdout, "c.yaml")
    assert config == parse_config(SMALL + "model: {units: 7}", "c.yaml")
    assert [line.split()[:2] for line in result.stderr.splitlines()[1:4]] == [
        ["train", "12"],
        ["dev", "3"],
        ["test", "3"],
    ]


def test_check_shows_what_training_would_warn_of(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text("task: tagging\ndata: {train: a.conll, test: b.conll}\n")
    Path("a.conll").write_text("a X\n")
    Path("b.conll").write_text("a Y\n")
    result = call("check", "c.yaml")
    assert result.exit_code == 0
    assert "warning: test has labels that train has not, they cannot be predicted: Y (1)\n" in result.stderr
    assert "warning" not in result.stdout


WRONG = [
    (["check", "c.yaml", "--set", "model.unts=3"], 2, "error: --set model.unts=3: model.unts is unknown. Did you mean 'units'?\n"),
    (["check", "broken.yaml"], 2, "error: broken.yaml:4: model.unts is unknown. Did you mean 'units'?\n"),
    (["train", "c.yml"], 2, "error: c.yml: there is no such file. Did you mean 'c.yaml'?\n"),
    (["check", "c.yaml", "--set", "data={train: nowhere.conll}"], 1, "error: nowhere.conll: there is no such file. Check the path.\n"),
    (["train", "c.yaml", "--output", "full"], 1, "error: full holds something that is not a seqtag model; choose another output folder.\n"),
    (["check", "c.yaml", "--set", "output=full"], 1, "error: full holds something that is not a seqtag model; choose another output folder.\n"),
    (["evaluate", "full"], 1, "error: full is not a saved seqtag model: it has no manifest.json."),
    (["predict", "nowhere", "--text", "a"], 1, "error: nowhere is not a saved seqtag model: it does not exist."),
    (["data", "wnut71"], 2, "error: data set must be one of"),
    (["train"], 2, "Missing argument 'CONFIG'"),
    (["train", "c.yaml", "--seed", "-1"], 2, "Invalid value for '--seed'"),
    (["train", "c.yaml", "--units", "3"], 2, "No such option"),
    (["trian", "c.yaml"], 2, "No such command 'trian'"),
    (["evaluate", "full", "--split", "tset"], 2, "'tset' is not one of"),
    (["predict", "full"], 2, "give files, - for standard input, or --text once or more often."),
    (["evaluate", "full", "--format", "csv"], 2, "--format and --set say how to read a file; name it with --data."),
    (["evaluate", "full", "--set", "text=text"], 2, "--format and --set say how to read a file; name it with --data."),
    (["evaluate", "full", "--data", "x", "--set", "text"], 2, "error: --set text: must be written key=value"),
    (["check", "c.yaml", "--set", "task=classify"], 2, "task must be one of tagging, classification, joint, language_modelling; got 'classify'. Did you mean 'classification'?\n"),
    (["check", "c.yaml", "--set", "model.pooling=max"], 2, "model.pooling is unknown. It belongs to task: classification or joint.\n"),
    (["check", "c.yaml", "--set", "model.encoders=[frames]"], 2, "error: encoder 'frames' reads numbers, and these sequences have tokens."),
    (["predict", "full", "a.txt", "--text", "a"], 2, "give files, - for standard input, or --text once or more often."),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "code", "message"), WRONG, ids=[" ".join(case[0]) for case in WRONG])
def test_an_error_is_a_line_and_a_status(tmp_path, monkeypatch, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text(SMALL)
    Path("broken.yaml").write_text(SMALL + "model:\n  unts: 3\n")
    Path("full").mkdir()
    Path("full/notes").write_text("mine")
    result = call(*arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_reader_that_goes_away_is_no_error():
    process = start("data")
    process.stdout.close()
    process.stdin.close()
    assert (process.stderr.read(), process.wait()) == (b"", 1)
    process.stderr.close()


# --- streams ----------------------------------------------------------------------------------------------------


class Blocks(io.RawIOBase):
    """A stream that gives one block a read, as a pipe does."""

    def __init__(self, *blocks: bytes) -> None:
        self._blocks = list(blocks)

    def read1(self, size: int) -> bytes:
        return self._blocks.pop(0) if self._blocks else b""


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        ([b"a\nb\n"], [["a", "b"], []]),
        ([b"a\nb"], [["a"], ["b"]]),
        ([b"a\n", b"b\n"], [["a"], ["b"], []]),
        ([b"a", b"b\nc", b"d"], [[], ["ab"], [], ["cd"]]),
        ([b"\n\n"], [["", ""], []]),
        ([b"a\r", b"\nb\rc\r\n"], [[], ["a", "b", "c"], []]),
        ([b"a\r"], [[], ["a"]]),
        (["é".encode()[:1], "é".encode()[1:] + b"\n"], [[], ["é"], []]),
        ([b"\xef\xbb\xbfa\n"], [["a"], []]),
        (["a\u2028b\u0085c\x0cd\n".encode()], [["a\u2028b\u0085c\x0cd"], []]),
        ([], [[]]),
    ],
)
def test_lines_come_as_their_blocks_arrive(blocks, expected):
    assert list(arriving_lines(Blocks(*blocks), "x")) == expected


@pytest.mark.parametrize(
    ("blocks", "place"),
    [([b"\xff"], "x:1"), ([b"a\nb\n\xff"], "x:3"), ([b"a\nb\n", b"c\nd \xff\n"], "x:4"), ([b"a\n\xc3"], "x:2")],
)
def test_bytes_that_are_no_text_are_named_with_their_line(blocks, place):
    with pytest.raises(DataError, match=rf"^{place}: expected text in UTF-8; got the byte 0x"):
        list(arriving_lines(Blocks(*blocks), "x"))


def test_a_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("old")
    with open_output(path) as out:
        out.write("new\n")
        assert path.read_text() == "old"
    assert path.read_text() == "new\n"
    with pytest.raises(ZeroDivisionError), open_output(path) as out:
        out.write("half")
        _ = 1 / 0
    assert path.read_text() == "new\n"
    assert [file.name for file in tmp_path.iterdir()] == ["out.txt"]
    with pytest.raises(DataError, match="cannot be written: No such file"), open_output(tmp_path / "no" / "x"):
        pass


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colours_are_for_terminals_that_want_them(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert wants_color(Terminal())
    assert not wants_color(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not wants_color(Terminal())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not wants_color(Terminal())


def test_threads_are_set_unless_the_user_did(monkeypatch):
    for name in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "x")
        monkeypatch.delenv(name)
    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", "7")
    set_threads()
    assert os.environ["TF_NUM_INTRAOP_THREADS"] == os.environ["OMP_NUM_THREADS"] == "1"
    assert os.environ["TF_NUM_INTEROP_THREADS"] == "7"


# --- one model, from a file to tags -----------------------------------------------------------------------------

CONFIG = """
task: tagging
data: {train: train.conll, dev: dev.conll, test: test.conll}
model: {encoders: [words], units: 16, dropout: 0.1}
training: {epochs: 12, batch_tokens: 100, learning_rate: 0.02, averaging: 0.9, neighbour_weight: 0}
output: runs/names
seed: 0
"""
TEXTS = ["mr baba baca ltd", "", "mr 서울 é", "  baba\tltd "]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    for split, corpus in datasets.make_tagging(sequences=80).items():
        rows = ("".join(f"{t} {tag}\n" for t, tag in zip(s.tokens, s.labels, strict=True)) for s in corpus)
        (folder / f"{split}.conll").write_text("\n".join(rows), encoding="utf-8")
    (folder / "names.yaml").write_text(CONFIG)
    return folder


@pytest.fixture(scope="module")
def trained(folder) -> tuple[str, str]:
    """The output of the one training."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "OMP_"))}
    process = start("train", "names.yaml", cwd=folder, env={"PYTHONPATH": str(ROOT)} | bare)
    code, out, err = finish(process)
    assert code == 0, err
    return out, err


@pytest.fixture
def run(folder, trained, monkeypatch) -> Path:
    """The trained model, in the current directory."""
    monkeypatch.chdir(folder)
    return Path("runs/names")


@pytest.mark.slow
def test_training_shows_the_scores_and_tells_its_progress(trained):
    out, err = trained
    head, dev, test, about = out.splitlines()
    assert about == "baseline: each word has the label that it has most often in train"
    assert head.split() == [
        "span",
        "F1",
        "baseline",
        "accuracy",
        "baseline",
        "calibration",
        "error",
        "sequences",
        "tokens",
    ]
    assert (dev.split()[0], test.split()[0]) == ("dev", "test")
    assert float(test.split()[1]) > float(test.split()[2]) + 20
    lines = err.splitlines()
    assert lines[-1] == "saved runs/names"
    assert len([line for line in lines if line.startswith("epoch ")]) >= 3
    unknown = [line for line in lines if not re.match(r"(train|dev|test) |epoch |saved | +sequences ", line)]
    assert unknown == [], "nothing is printed that is not ours"


@pytest.mark.slow
def test_evaluate_repeats_the_scores_of_training(run, trained):
    result = call("evaluate", run, "--split", "dev")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-2].split() == trained[0].splitlines()[1].split()
    assert "precision" in result.stdout and "All tags are valid iob2." in result.stdout


@pytest.mark.slow
def test_evaluate_writes_json(run):
    split = json.loads(call("evaluate", run, "--json").stdout)
    file = json.loads(call("evaluate", run, "--json", "--data", "test.conll", "--format", "conll").stdout)
    assert split | {"name": "test.conll"} == file
    assert split["mode"] == "conlleval"
    assert split["baseline"]["score"] < split["score"] <= 1
    assert json.loads(call("evaluate", run, "--json", "--mode", "strict").stdout)["mode"] == "strict"


@pytest.mark.slow
def test_evaluate_refuses_an_unknown_format_with_the_near_name(run):
    result = call("evaluate", run, "--data", "test.conll", "--format", "conl")
    assert result.exit_code == 2
    assert "Did you mean 'conll'?" in result.stderr


@pytest.mark.slow
def test_predict_marks_sentences(run):
    result = call("predict", run, *(f"--text={text}" for text in TEXTS))
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert len(lines) == len(TEXTS)
    assert re.sub(r"\[|( \w{3})?\]", "", result.stdout) == "\n".join(TEXTS) + "\n"
    assert lines[0] == "mr [baba baca ORG] ltd"


@pytest.mark.slow
def test_predict_writes_one_line_of_json_a_line(run):
    result = call("predict", run, "-", "--format", "jsonl", text="\n".join(TEXTS))
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["text"] for record in records] == TEXTS
    assert [record["tokens"] for record in records] == [text.split() for text in TEXTS]
    assert all(len(record["tags"]) == len(record["tokens"]) for record in records)
    assert records[0]["tags"] == ["O", "B-ORG", "I-ORG", "O"]
    for record in records:
        for span in record["spans"]:
            assert record["text"][span["start"] : span["end"]] == span["text"]


@pytest.mark.slow
def test_predict_writes_columns_that_evaluate_reads(run, tmp_path):
    out = tmp_path / "tags.conll"
    result = call("predict", run, "-", "--format", "conll", "--output", out, text="mr baba baca ltd\n\nfoo\n")
    assert (result.exit_code, result.stdout) == (0, "")
    assert out.read_text().startswith("mr\tO\nbaba\tB-ORG\nbaca\tI-ORG\nltd\tO\n\n\nfoo\t")
    again = json.loads(call("evaluate", run, "--data", out, "--json").stdout)
    assert (again["accuracy"], again["sequences"], again["tokens"]) == (1, 2, 5)


@pytest.mark.slow
def test_predict_reads_files_packed_or_not(run, tmp_path):
    (tmp_path / "a.txt").write_text("mr baba baca ltd\r\nx")
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"mr baba baca ltd\r\nx", mtime=0))
    plain, packed = (call("predict", run, tmp_path / name).stdout for name in ("a.txt", "a.txt.gz"))
    assert plain == packed
    assert plain.splitlines()[0] == "mr [baba baca ORG] ltd"


@pytest.mark.slow
def test_predict_can_use_another_tokenizer(run):
    record = json.loads(call("predict", run, "--text", "a, b", "--tokenizer", "words", "--format", "jsonl").stdout)
    assert record["tokens"] == ["a", ",", "b"]
    result = call("predict", run, "--text", "a", "--tokenizer", "wrds")
    assert result.exit_code == 2
    assert "Did you mean 'words'?" in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.txt", None, "gone.txt: there is no such file"),
        ("bad.txt", b"fine\nno \xff\n", "bad.txt:2: expected text in utf-8; got the byte 0xFF"),
        ("cut.gz", gzip.compress(b"x" * 99, mtime=0)[:20], "cut.gz: the gzip archive is cut off or broken"),
        ("odd.gz", b"plain", "odd.gz: expected a gzip archive; got one that begins with"),
    ],
)
def test_predict_refuses_what_it_cannot_read(run, tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    out = tmp_path / "out"
    result = call("predict", run, tmp_path / name, "--output", out)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr
    assert not out.exists(), "nothing half-written"


@pytest.mark.slow
def test_predict_answers_for_many_files(run, tmp_path):
    (tmp_path / "a.txt").write_text("mr baba baca ltd\n\n")
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(b"baba\n"))
    shown = call("predict", run, tmp_path / "a.txt", tmp_path / "b.txt.gz", "--format", "csv", "--no-probabilities")
    assert (shown.exit_code, shown.stderr) == (0, "")
    rows = [line.split(",") for line in shown.stdout.splitlines()]
    assert rows[0] == ["file", "sequence", "position", "token", "label"]
    assert [row[1:4] for row in rows[1:]] == [
        ["1", "1", "mr"],
        ["1", "2", "baba"],
        ["1", "3", "baca"],
        ["1", "4", "ltd"],
        ["1", "1", "baba"],
    ]
    out = tmp_path / "tags.csv"
    done = call("predict", run, tmp_path / "*.txt*", "--out", out, "--no-probabilities", "--jobs", "2")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    assert out.read_text() == shown.stdout
    records = call("predict", run, tmp_path / "*.txt*", "--format", "jsonl", "--probabilities").stdout.splitlines()
    assert [json.loads(record)["sequence"] for record in records] == [1, 2, 1]
    assert json.loads(records[0])["probabilities"][0] > 0.5


@pytest.mark.slow
def test_a_broken_line_is_named_and_what_was_done_is_kept(run, tmp_path, monkeypatch):
    monkeypatch.setattr("seqtag.documents.files.PIECE", 10)
    monkeypatch.setattr("seqtag.flow.CHUNK", 4)
    good = '{"text": "mr baba ltd"}\n' * 8
    (tmp_path / "a.jsonl").write_text(good + "{")
    command = ("predict", run, tmp_path / "a.jsonl", "--output", tmp_path / "tags.txt")
    result = call(*command)
    assert result.exit_code == 1
    assert "8 sequences are kept; the same command with --resume goes on with them.\n" in result.stderr
    assert "a.jsonl:9: expected one JSON object on the line" in result.stderr.splitlines()[-1]
    again = call(*command)
    assert (again.exit_code, "Go on with it by --resume" in again.stderr) == (2, True)
    (tmp_path / "a.jsonl").write_text(good + '{"text": "baba"}')
    done = call(*command, "--resume")
    assert (done.exit_code, done.stderr) == (0, "going on after 8 sequences\n")
    assert len((tmp_path / "tags.txt").read_text().splitlines()) == 9
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "tags.txt"]


@pytest.mark.slow
def test_ctrl_c_ends_predicting_with_what_is_kept(run, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("seqtag.documents.files.PIECE", 10)
    monkeypatch.setattr("seqtag.flow.CHUNK", 4)
    monkeypatch.setattr("seqtag.documents.journal.Journal.finish", interrupted)
    (tmp_path / "a.txt").write_text("mr baba ltd\n" * 8)
    result = call("predict", run, tmp_path / "a.txt", "--output", tmp_path / "tags.txt")
    assert result.exit_code == 130
    assert result.stderr.splitlines() == [
        "8 sequences are kept; the same command with --resume goes on with them.",
        "interrupted",
    ]


@pytest.mark.slow
def test_a_terminal_sees_how_far_it_is(run, tmp_path, monkeypatch):
    from seqtag.cli._progress import shown_progress
    from seqtag.documents import Reached

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    with shown_progress(True) as show:
        assert show is None
    with shown_progress(False) as show:
        show(Reached(10, 100, 0.25))
        show(Reached(20, 200, 0.5))
    assert "50%" in screen.getvalue() and "20 sequences" in screen.getvalue()
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with shown_progress(False) as show:
        assert show is None


STREAMS = [
    (["-", "--resume"], 2, "error: --resume is for files; got a stream such as -"),
    (["--text", "a", "--jobs", "2"], 2, "error: --jobs is for files; got --text.\n"),
    (["-", "train.conll"], 2, "error: standard input (-) must be the only input"),
    (["train.conll", "--resume"], 2, "error: --resume goes on with a file of answers: name it with --output.\n"),
    (["-", "--format", "parquet"], 2, "error: --format parquet is written to a file"),
    (["-", "--format", "text", "--probabilities"], 2, "error: --format text has no place for probabilities"),
    (["train.conll", "--set", "tokn=1"], 2, "Did you mean 'token'?"),
    (["train.conll", "--jobs", "0"], 2, "error: n_jobs must be a whole number from 1 on"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "code", "message"), STREAMS, ids=[" ".join(case[0]) for case in STREAMS])
def test_what_does_not_go_together_is_refused(run, arguments, code, message):
    result = call("predict", run, *arguments, text="a\n")
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr


@pytest.mark.slow
def test_a_stream_is_written_to_a_file_in_any_format(run, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    assert call("predict", run, "-", "--output", tmp_path / "t.parquet", text="mr baba\nltd\n").exit_code == 0
    assert parquet.read_table(tmp_path / "t.parquet")["token"].to_pylist() == ["mr", "baba", "ltd"]
    assert call("predict", run, "--text", "mr", "--text", "ltd", "--output", tmp_path / "t.csv.gz").exit_code == 0
    rows = gzip.decompress((tmp_path / "t.csv.gz").read_bytes()).decode().splitlines()
    assert [row.split(",")[:4] for row in rows[1:]] == [["", "1", "1", "mr"], ["", "2", "1", "ltd"]]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv.gz", "t.parquet"]


@pytest.mark.slow
def test_predict_needs_neither_keras_nor_scikit_learn(run):
    code = (
        "import sys; sys.argv = ['seqtag', 'predict', 'runs/names', '--text', 'mr baba']\n"
        "from seqtag.cli import main\ntry: main()\nexcept SystemExit: pass\n"
        "heavy = ('tensorflow', 'keras', 'sklearn', 'pandas', 'yaml', 'pyarrow', 'rich')\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.startswith("mr")
    assert done.stderr.strip() == "[]"


@pytest.mark.slow
def test_who_types_sees_each_line_answered(run):
    process = start("predict", run, "-", "--format", "jsonl")
    for text in TEXTS:
        process.stdin.write(text.encode() + b"\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["text"] == text
    assert finish(process) == (0, "", "")


@pytest.mark.slow
def test_predict_reads_and_writes_utf_8_whatever_the_locale(run):
    process = start("predict", run, "-", env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"})
    code, out, err = finish(process, "서울 é\n".encode())
    assert (code, err) == (0, "")
    assert "서울" in out and "é" in out


@pytest.mark.slow
def test_ctrl_c_ends_training_with_a_word(run, tmp_path):
    many = ["--set", "training.epochs=100000", "--set", "training.patience=0", "--output", tmp_path / "never"]
    process = start("train", "names.yaml", *many)
    while not process.stderr.readline().startswith(b"epoch "):
        assert process.poll() is None
    code, out, err = interrupt(process)
    assert (code, out) == (130, "")
    assert err.splitlines()[-1] == "interrupted"
    assert list(tmp_path.iterdir()) == []


def interrupt(process: subprocess.Popen) -> tuple[int, str, str]:
    """Press Ctrl-C, again if need be: Python drops an interrupt that falls into a finaliser, of which Keras has many."""
    for _ in range(6):
        process.send_signal(signal.SIGINT)
        try:
            out, err = process.communicate(timeout=20)
            return process.returncode, out.decode(), err.decode()
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    raise AssertionError("training does not end")
