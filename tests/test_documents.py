"""Answers by file: every form in and out, and nothing lost or doubled however often the work is cut off."""

import csv
import gzip
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import seqtag
from seqtag import Sequence, SequenceTagger, datasets, load
from seqtag.cli import app
from seqtag.data.readers import iterate
from seqtag.data.readers._text import CHUNK, Watched
from seqtag.documents import Reached, files, journal, label_files
from seqtag.documents.inputs import find_documents
from seqtag.documents.journal import Position, opened, parts_of
from seqtag.errors import ConfigError, DataError, NotInstalledError

ROOT = Path(seqtag.__file__).parents[1]
FORMATS = ["txt", "jsonl", "conll", "csv", "jsonl.gz", "csv.gz", "parquet"]


@pytest.fixture(scope="module")
def tagger(tiny, corpora, tmp_path_factory) -> Path:
    """A saved tagger that has learned a little."""
    model = tiny(epochs=5, learning_rate=0.05, batch_tokens=100)
    return model.fit(corpora["train"]).save(tmp_path_factory.mktemp("models") / "tagger")


@pytest.fixture(scope="module")
def classifier(small, kinds, tmp_path_factory) -> Path:
    """A saved classifier."""
    return small().fit(kinds["train"].select(range(40))).save(tmp_path_factory.mktemp("models") / "classifier")


@pytest.fixture
def corpus(tmp_path, corpora, monkeypatch) -> Path:
    """A folder with three texts, in small pieces of small chunks."""
    monkeypatch.setattr(files, "PIECE", 100)
    monkeypatch.setattr("seqtag.flow.CHUNK", 8)
    folder = tmp_path / "corpus"
    folder.mkdir()
    lines = [" ".join(sequence.tokens) for sequence in corpora["train"]]
    (folder / "a.txt").write_text("\n".join(lines[:50]) + "\n")
    (folder / "b.txt").write_text("")
    (folder / "c.txt.gz").write_bytes(gzip.compress("\n".join(["", *lines[50:110]]).encode()))
    return folder


def read_table(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else open(path, newline="") as file:
        return list(csv.DictReader(file))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- what is written --------------------------------------------------------------------------------------------


def test_each_format_says_what_the_predictor_says(tagger, corpus, tmp_path):
    pyarrow = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    sources = sorted(map(str, corpus.iterdir()))
    sequences = [sequence for path in sources for sequence in iterate(path, "lines")]
    for suffix in FORMATS:
        done = label_files(tagger, str(corpus / "*"), tmp_path / f"tags.{suffix}", probabilities=None)
        assert (done.sequences, done.tokens) == (len(sequences), sum(map(len, sequences)))
    assert names(tmp_path) == ["corpus", *sorted(f"tags.{suffix}" for suffix in FORMATS)]
    with load(tagger) as model:
        expected = model.annotate(sequences)
        chances = model.predict_proba(sequences)
        labels = model.labels
    records = [json.loads(line) for line in (tmp_path / "tags.jsonl").read_text().splitlines()]
    assert [tuple(record["tags"]) for record in records] == [sequence.labels for sequence in expected]
    assert [(r["file"], r["sequence"]) for r in records[48:52]] == [
        (sources[0], 49), (sources[0], 50), (sources[2], 1), (sources[2], 2)
    ]  # fmt: skip
    assert gzip.decompress((tmp_path / "tags.jsonl.gz").read_bytes()) == (tmp_path / "tags.jsonl").read_bytes()
    assert gzip.decompress((tmp_path / "tags.csv.gz").read_bytes()) == (tmp_path / "tags.csv").read_bytes()
    blocks = (tmp_path / "tags.conll").read_text().removesuffix("\n").split("\n\n")
    assert len((tmp_path / "tags.txt").read_text().splitlines()) == len(sequences)
    assert blocks[0] == "\n".join(f"{t}\t{tag}" for t, tag in zip(expected[0].tokens, expected[0].labels, strict=True))
    rows = read_table(tmp_path / "tags.csv")
    assert [row["label"] for row in rows] == [tag for sequence in expected for tag in sequence.labels]
    assert [row["token"] for row in rows] == [token for sequence in expected for token in sequence.tokens]
    best = [
        p[labels.index(tag)]
        for sequence, table in zip(expected, chances, strict=True)
        for tag, p in zip(sequence.labels, table, strict=True)
    ]
    np.testing.assert_allclose([float(row["probability"]) for row in rows], best, atol=2e-6)
    table = pyarrow.read_table(tmp_path / "tags.parquet")
    assert [str(field.type) for field in table.schema] == ["string", "int64", "int64", "string", "string", "float"]
    columns = table.to_pydict()
    np.testing.assert_allclose(columns.pop("probability"), best, atol=1e-6)
    assert {name: list(map(str, values)) for name, values in columns.items()} == {
        name: [row[name] for row in rows] for name in ("file", "sequence", "position", "token", "label")
    }


def test_json_has_the_probabilities_that_are_asked_for(tagger, corpus, tmp_path):
    label_files(tagger, str(corpus / "a.txt"), tmp_path / "tags.jsonl", probabilities=True)
    records = [json.loads(line) for line in (tmp_path / "tags.jsonl").read_text().splitlines()]
    with load(tagger) as model:
        spans = model.predict_spans([record["text"] for record in records])
    assert sum(map(len, spans)) > 10
    for record, found in zip(records, spans, strict=True):
        assert "file" not in record and len(record["probabilities"]) == len(record["tags"])
        assert [span["probability"] for span in record["spans"]] == pytest.approx(
            [span.probability for span in found], abs=2e-6
        )


def test_tables_leave_probabilities_out_when_told_to(tagger, corpus, tmp_path):
    label_files(tagger, str(corpus / "a.txt"), tmp_path / "tags.csv", probabilities=False)
    assert read_table(tmp_path / "tags.csv")[0].keys() == {"file", "sequence", "position", "token", "label"}


def test_classes_are_a_row_a_sequence(classifier, corpus, tmp_path):
    label_files(classifier, str(corpus / "*"), tmp_path / "kinds.csv")
    rows = read_table(tmp_path / "kinds.csv")
    assert list(rows[0]) == ["file", "sequence", "text", "label", "probability", "p_LOC", "p_ORG", "p_PER", "p_none"]
    assert (len(rows), rows[50]["text"], rows[50]["sequence"]) == (111, "", "1")
    for row in rows:
        assert row["probability"] == row[f"p_{row['label']}"] == max(row[name] for name in row if name[:2] == "p_")


def test_several_classes_stand_in_one_cell(small, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    X, y = zip(*[(["good", "film"], ("good", "short")), (["fine"], ())] * 8, strict=True)
    model = small(epochs=3).fit(list(X), list(y)).save(tmp_path / "model")
    (tmp_path / "a.txt").write_text("good film\nfine\n")
    for name in ("a.csv", "a.parquet"):
        label_files(model, str(tmp_path / "a.txt"), tmp_path / name)
    rows = read_table(tmp_path / "a.csv")
    assert list(rows[0]) == ["file", "sequence", "text", "label", "p_good", "p_short"]
    chosen = [[name for name in ("good", "short") if float(row[f"p_{name}"]) > 0.5] for row in rows]
    assert [row["label"] for row in rows] == ["|".join(names) for names in chosen]
    assert parquet.read_table(tmp_path / "a.parquet")["label"].to_pylist() == chosen


def test_numbers_are_read_and_written(tmp_path):
    signals = datasets.make_signals(sequences=6)["train"]
    model = SequenceTagger(units=4, epochs=1, random_state=0).fit(signals).save(tmp_path / "model")
    lines = [json.dumps({"frames": sequence.frames.tolist()}) for sequence in signals]
    (tmp_path / "a.jsonl").write_text("\n\n".join(lines))
    lengths = [len(sequence) for sequence in signals]
    np.savez(tmp_path / "b.npz", frames=np.concatenate(signals.frames), lengths=lengths)
    label_files(model, [str(tmp_path / "a.jsonl"), str(tmp_path / "b.npz")], tmp_path / "tags.csv")
    rows = read_table(tmp_path / "tags.csv")
    assert list(rows[0]) == ["file", "sequence", "position", "label", "probability"]
    half = len(rows) // 2
    assert half == sum(lengths)
    assert [row["label"] for row in rows[:half]] == [row["label"] for row in rows[half:]]
    (tmp_path / "c.csv").write_text("token\na\n")
    with pytest.raises(DataError, match="holds text, and this model reads numbers"):
        label_files(model, str(tmp_path / "c.csv"), tmp_path / "tags.csv", input_format="csv")


@pytest.mark.parametrize("suffix", ["txt", "csv", "csv.gz", "parquet"])
def test_no_sequence_makes_a_file_without_rows(tagger, tmp_path, suffix):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    (tmp_path / "a.txt").write_text("")
    assert label_files(tagger, str(tmp_path / "a.txt"), tmp_path / f"tags.{suffix}") == Reached(0, 0, 1.0)
    if suffix == "txt":
        assert (tmp_path / "tags.txt").read_bytes() == b""
    elif suffix == "parquet":
        table = parquet.read_table(tmp_path / "tags.parquet")
        assert (table.num_rows, table.num_columns) == (0, 6)
    else:
        assert read_table(tmp_path / f"tags.{suffix}") == []


# --- what is read -----------------------------------------------------------------------------------------------

FORMS = {
    "a.txt": "mr baba ltd\nbaba\n",
    "a.unknown": "mr baba ltd\nbaba\n",
    "a.jsonl": '{"tokens": ["mr", "baba", "ltd"]}\n{"tokens": ["baba"]}\n',
    "b.jsonl": '{"text": "mr baba ltd"}\n{"text": "baba"}\n',
    "a.conll": "mr\nbaba\nltd\n\nbaba\n",
    "b.conll": "mr X O\nbaba X O\nltd X O\n\nbaba X O\n",
    "a.conllu": "".join(f"{i}\t{t}" + "\t_" * 8 + "\n" for i, t in enumerate(["mr", "baba", "ltd"], 1)) + "\n"
    "1\tbaba" + "\t_" * 8 + "\n\n",
    "a.csv": "sequence,token,label\n1,mr,\n1,baba,\n1,ltd,\n2,baba,\n",
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_every_form_of_file_is_read(tagger, tmp_path, name):
    (tmp_path / name).write_text(FORMS[name])
    label_files(tagger, str(tmp_path / name), tmp_path / "out.conll")
    rows = [line.split("\t")[0] for line in (tmp_path / "out.conll").read_text().splitlines()]
    assert rows == ["mr", "baba", "ltd", "", "baba", ""]


def test_options_say_how_to_read(tagger, tmp_path):
    (tmp_path / "a.csv").write_text("id,review\n1,mr baba\n")
    (tmp_path / "b.data").write_text("id,review\n1,mr baba\n")
    sources = [str(tmp_path / name) for name in ("a.csv", "b.data")]
    label_files(tagger, sources, tmp_path / "out.csv", input_format="csv", options={"text": "review"})
    assert [row["token"] for row in read_table(tmp_path / "out.csv")] == ["mr", "baba"] * 2
    label_files(tagger, sources[0], tmp_path / "out.jsonl", options={"text": "review", "tokenizer": "characters"})
    assert json.loads((tmp_path / "out.jsonl").read_text())["tokens"] == ["m", "r", "b", "a", "b", "a"]


def a_pipe(folder: Path) -> str:
    os.mkfifo(folder / "pipe")
    return str(folder / "pipe")


REFUSED: dict[str, tuple[Callable[[Path], dict], type[Exception], str]] = {
    "missing": (lambda f: {"files": [str(f / "a.txt"), str(f / "b.txt")]}, DataError, "b.txt: there is no such file"),
    "pattern": (lambda f: {"files": str(f / "*.gz")}, DataError, "it matches none"),
    "twice": (lambda f: {"files": [str(f / "a.txt"), str(f / "*.txt")]}, DataError, "is named twice"),
    "folder": (lambda f: {"files": str(f)}, DataError, "expected a file; got a folder"),
    "pipe": (lambda f: {"files": [str(f / "a.txt"), a_pipe(f)]}, DataError, "let it be the only input"),
    "output": (lambda f: {"output": f / "no" / "tags.txt"}, DataError, "there is no such folder"),
    "input": (lambda f: {"output": f / "a.txt"}, ConfigError, "is an input, too"),
    "format": (lambda f: {"format": "cvs"}, ConfigError, "Did you mean 'csv'"),
    "sure": (lambda f: {"probabilities": True}, ConfigError, "choose one of jsonl, csv, parquet"),
    "packed": (lambda f: {"output": f / "tags.parquet.gz"}, ConfigError, "not packed again"),
    "reader": (lambda f: {"input_format": "conl"}, ConfigError, "Did you mean 'conll'"),
    "option": (lambda f: {"options": {"tokeniser": "words"}}, ConfigError, "Did you mean 'tokenizer'"),
    "jobs": (lambda f: {"n_jobs": 0}, ConfigError, "n_jobs must be a whole number from 1 on"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_work_is_refused_and_leaves_nothing(tagger, tmp_path, case):
    (tmp_path / "a.txt").write_text("mr baba\n")
    change, error, message = REFUSED[case]
    arguments = {"files": str(tmp_path / "a.txt"), "output": tmp_path / "tags.txt"} | change(tmp_path)
    with pytest.raises(error, match=message):
        label_files(tagger, arguments.pop("files"), arguments.pop("output"), **arguments)
    assert set(names(tmp_path)) <= {"a.txt", "pipe"}
    assert (tmp_path / "a.txt").read_text() == "mr baba\n"


def test_parquet_without_pyarrow_says_what_to_install(tagger, tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("mr baba\n")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(NotInstalledError, match=r"pip install 'seqtag\[parquet\]'"):
        label_files(tagger, str(tmp_path / "a.txt"), tmp_path / "tags.parquet")
    assert names(tmp_path) == ["a.txt"]


def test_readers_tell_how_far_they_are(tmp_path):
    text = "".join(f"{i} baba\n" for i in range(2 * CHUNK // 8))
    (tmp_path / "a.txt").write_text(text)
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("a.txt", "a.txt.gz"):
        path, told = tmp_path / name, []
        count = sum(1 for _ in iterate(Watched(str(path), told.append), "lines"))
        assert count == 2 * CHUNK // 8
        assert told == sorted(told) and len(told) > 2 and told[-1] == path.stat().st_size


def test_progress_counts_to_the_end(tagger, corpus, tmp_path):
    told: list[Reached] = []
    done = label_files(tagger, str(corpus / "*"), tmp_path / "tags.txt", progress=told.append)
    assert [one.sequences for one in told] == [*range(8, 111, 8), 111]
    assert told == sorted(told, key=lambda one: (one.share, one.tokens))
    assert told[-1] == done


# --- interrupted and gone on with -------------------------------------------------------------------------------


class StoppedError(Exception):
    """Stands for whatever ends a process."""


def stop_after(monkeypatch, steps: int) -> None:
    """End the work at a step: before a piece is on the disk, or before it counts."""
    left = [steps]
    flush = journal._flush

    def failing(file) -> None:
        left[0] -= 1
        if left[0] < 0:
            file.write(b"torn")
            raise StoppedError
        flush(file)

    monkeypatch.setattr(journal, "_flush", failing)


@pytest.mark.parametrize("suffix", ["jsonl.gz", "csv", "parquet"])
def test_work_that_is_cut_off_anywhere_ends_as_if_it_were_not(tagger, corpus, tmp_path, monkeypatch, suffix):
    if suffix == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    output, source = tmp_path / f"tags.{suffix}", str(corpus / "*")
    label_files(tagger, source, output)
    expected = output.read_bytes()
    output.unlink()
    resumed = 0
    for step in range(3, 40):
        with monkeypatch.context() as patch:
            stop_after(patch, step)
            try:
                label_files(tagger, source, output, n_jobs=1)
                break
            except StoppedError:
                pass
        assert not output.exists()
        before = journal.kept(output)
        resumed += before > 0
        told: list[Reached] = []
        label_files(tagger, source, output, resume=True, progress=told.append)
        assert output.read_bytes() == expected
        assert all(one.sequences > before for one in told)
        assert names(tmp_path) == ["corpus", output.name]
        output.unlink()
    else:
        raise AssertionError("the work never ends")
    assert resumed > 8


def test_an_output_that_is_in_place_is_not_made_again(tagger, corpus, tmp_path, monkeypatch):
    output = tmp_path / "tags.csv"
    with monkeypatch.context() as patch:
        patch.setattr(journal, "_clear", lambda folder: None)
        label_files(tagger, str(corpus / "*"), output)
    made = output.stat().st_mtime_ns
    told: list[Reached] = []
    label_files(tagger, str(corpus / "*"), output, resume=True, progress=told.append)
    assert (told, output.stat().st_mtime_ns) == ([], made)
    assert names(tmp_path) == ["corpus", "tags.csv"]


@pytest.fixture
def broken(tagger, corpus, tmp_path) -> Path:
    """The output of a run that met a broken line in its third file."""
    with gzip.open(corpus / "c.txt.gz", "ab") as file:
        file.write(b"\nbaba \xff\n")
    output = tmp_path / "tags.csv"
    with pytest.raises(DataError, match=r"c\.txt\.gz:62: expected text in utf-8; got the byte 0xFF"):
        label_files(tagger, str(corpus / "*"), output)
    assert journal.kept(output) >= 48
    return output


def repair(corpus: Path) -> None:
    lines = gzip.decompress((corpus / "c.txt.gz").read_bytes()).replace(b"\xff", b"baca")
    (corpus / "c.txt.gz").write_bytes(gzip.compress(lines))


def test_what_comes_after_can_be_repaired(tagger, corpus, broken, tmp_path):
    kept = journal.kept(broken)
    repair(corpus)
    told: list[Reached] = []
    label_files(tagger, str(corpus / "*"), broken, resume=True, progress=told.append)
    assert told[0].sequences > kept
    label_files(tagger, str(corpus / "*"), tmp_path / "again.csv")
    assert broken.read_bytes() == (tmp_path / "again.csv").read_bytes()


def test_what_was_answered_must_not_change(tagger, corpus, tmp_path, monkeypatch):
    output = tmp_path / "tags.csv"
    with monkeypatch.context() as patch, pytest.raises(StoppedError):
        stop_after(patch, 5)  # in the middle of the first file
        label_files(tagger, str(corpus / "*"), output)
    text = (corpus / "a.txt").read_text()
    (corpus / "a.txt").write_text("odd " + text)
    with pytest.raises(DataError, match=r"a\.txt: the first \d+ sequences were answered by an earlier run"):
        label_files(tagger, str(corpus / "*"), output, resume=True)
    (corpus / "a.txt").write_text(text)
    with monkeypatch.context() as patch, pytest.raises(StoppedError):
        stop_after(patch, 7)  # beyond the first file
        label_files(tagger, str(corpus / "*"), output, resume=True)
    (corpus / "a.txt").write_text("odd " + text)
    with pytest.raises(DataError, match=r"a\.txt must not change before all is done"):
        label_files(tagger, str(corpus / "*"), output, resume=True)


OTHERS: dict[str, tuple[dict, str]] = {
    "not resumed": ({"resume": False}, "stopped after .* Go on with it by --resume"),
    "probabilities": ({"probabilities": False}, "probabilities was true, and is false now"),
    "tokenizer": ({"tokenizer": "words"}, 'tokenizer was "whitespace", and is "words" now'),
    "options": ({"options": {"encoding": "utf-8"}}, "options was {}, and is"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_other_work_is_not_gone_on_with(tagger, corpus, broken, case):
    change, message = OTHERS[case]
    before = {path.name: path.read_bytes() for path in parts_of(broken).iterdir()}
    with pytest.raises(ConfigError, match=message):
        label_files(tagger, str(corpus / "*"), broken, **{"resume": True} | change)
    assert {path.name: path.read_bytes() for path in parts_of(broken).iterdir()} == before


def test_answers_that_were_cut_short_are_not_gone_on_with(tagger, corpus, broken):
    os.truncate(parts_of(broken) / journal.ANSWERS, 10)
    with pytest.raises(DataError, match="is shorter than what was written to it"):
        label_files(tagger, str(corpus / "*"), broken, resume=True)


def test_another_model_or_other_files_are_not_gone_on_with(tiny, corpora, tagger, corpus, broken, tmp_path):
    with pytest.raises(ConfigError, match=r"the same inputs; got 2 files in place of 3"):
        label_files(tagger, [str(corpus / "a.txt"), str(corpus / "b.txt")], broken, resume=True)
    other = tiny(units=4).fit(corpora["train"].select(range(20))).save(tmp_path / "other")
    with pytest.raises(ConfigError, match="model was"):
        label_files(other, str(corpus / "*"), broken, resume=True)


def test_two_processes_do_not_write_one_output(tmp_path):
    pytest.importorskip("fcntl", reason="no locks on this system")
    output = tmp_path / "tags.txt"
    with opened(output, {}, {}, False) as first:
        first.add(b"a\n", Position(0, 1, "", 1, 1))
        with pytest.raises(ConfigError, match="another process is writing"), opened(output, {}, {}, True):
            pass
        first.finish(None)
    assert (output.read_text(), names(tmp_path)) == ("a\n", ["tags.txt"])


def test_pieces_do_not_depend_on_processes(tagger, corpus, tmp_path):
    for name, jobs in (("one.csv", 1), ("two.csv", 2)):
        label_files(tagger, str(corpus / "*"), tmp_path / name, n_jobs=jobs)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


COMMAND = (
    "import seqtag.flow, seqtag.documents.files as files; files.PIECE = 400; seqtag.flow.CHUNK = 32\n"
    "from seqtag.cli import main\nmain()"
)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["csv.gz", "parquet"])
def test_a_killed_process_is_gone_on_with(tagger, corpora, tmp_path, suffix):
    """Killed again and again at random, the command ends with the bytes of a run that nothing interrupted."""
    if suffix == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    lines = [" ".join(sequence.tokens) for sequence in corpora["train"]] * 40
    (tmp_path / "a.txt").write_text("\n".join(lines[:3000]))
    (tmp_path / "b.txt").write_text("\n".join(lines[3000:]))
    output, source = tmp_path / f"tags.{suffix}", str(tmp_path / "?.txt")
    label_files(tagger, source, tmp_path / f"whole.{suffix}")
    command = [sys.executable, "-c", COMMAND, "predict", str(tagger), source, "--output", str(output), "--resume"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    draw, kills, kept = random.Random(0), 0, [0]
    while True:
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
        if kills < 4:
            wait_for_progress(process, output, kept[-1])
            time.sleep(draw.random() * 0.05)
            process.send_signal(signal.SIGKILL)
        err = process.communicate(timeout=120)[1]
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, err
        kills += 1
        kept.append(journal.kept(output))
    assert kept == sorted(kept) and kept[-1] > 0
    assert not parts_of(output).exists()
    assert rows_of(output) == rows_of(tmp_path / f"whole.{suffix}")


def wait_for_progress(process: subprocess.Popen, output: Path, kept: int) -> None:
    """Wait until another piece counts, or the process is through."""
    until = time.monotonic() + 100
    while journal.kept(output) <= kept and not output.exists() and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.002)


def rows_of(path: Path) -> object:
    if path.suffix == ".parquet":
        from pyarrow import parquet

        return parquet.read_table(path)
    return gzip.decompress(path.read_bytes())


def test_places_of_documents_are_those_of_their_files(tmp_path):
    (tmp_path / "a.txt").write_text("a\n\n")
    (tmp_path / "b.txt").write_text("b")
    found = find_documents([str(tmp_path / "*.txt")], numeric=False)
    read = [(file, replace(sequence, text=None, offsets=None, lines=None)) for file, sequence in found.read()]
    assert read == [(0, Sequence(("a",))), (0, Sequence(())), (1, Sequence(("b",)))]
    assert [file for file, _ in found.read(1)] == [1]


# --- labels that are known --------------------------------------------------------------------------------------


@pytest.fixture
def half_done(tagger, tmp_path, corpora) -> tuple[Path, list[list[str | None]]]:
    """A file in which every third token has a label that the model would not give it, and the others a mark."""
    with load(tagger) as model:
        begins = [label for label in model.labels if label.startswith("B-")]
        best = model.predict(corpora["dev"])
    known = [[begins[tag == begins[0]] if t % 3 == 0 else None for t, tag in enumerate(tags)] for tags in best]
    rows = [
        "".join(f"{token}\t{label or '?'}\n" for token, label in zip(tokens, labels, strict=True))
        for tokens, labels in zip(corpora["dev"].tokens, known, strict=True)
    ]
    path = tmp_path / "half_done.conll"
    path.write_text("\n".join(rows), encoding="utf-8")
    return path, known


def test_the_labels_of_a_file_can_be_known(tagger, half_done, tmp_path, corpora):
    path, known = half_done
    with load(tagger) as model:
        expected = model.predict(corpora["dev"], known=known)
        spans = model.predict_spans(corpora["dev"], known=known)
        free = model.predict(corpora["dev"])
        assert [list(s.labels) for s in model.stream(iterate(path), known="?", n_jobs=2)] == expected != free
    label_files(tagger, str(path), tmp_path / "done.jsonl", known="?", probabilities=True)
    records = [json.loads(line) for line in (tmp_path / "done.jsonl").read_text().splitlines()]
    assert [record["tags"] for record in records] == expected
    found = [[span["probability"] for span in record["spans"]] for record in records]
    for row, own in zip(found, spans, strict=True):
        np.testing.assert_allclose(row, [span.probability for span in own], atol=1e-5)
    for options in (["--format", "conll"], ["--output", tmp_path / "done.conll"]):
        run = CliRunner().invoke(app, ["predict", str(tagger), str(path), "--known", "?", *map(str, options)])
        assert run.exit_code == 0, run.output
        text = run.stdout or (tmp_path / "done.conll").read_text()
        assert [line.split("\t")[1] for line in text.splitlines() if line] == [tag for row in expected for tag in row]


def test_a_run_goes_on_with_the_same_labels_only(tagger, half_done, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "PIECE", 10)
    monkeypatch.setattr("seqtag.flow.CHUNK", 4)
    path, known = half_done
    text = path.read_text()
    path.write_text(text + "\nbaba\n")  # a line without a label
    with pytest.raises(DataError):
        label_files(tagger, str(path), tmp_path / "done.csv", known="?")
    path.write_text(text)
    with pytest.raises(ConfigError, match="known"):
        label_files(tagger, str(path), tmp_path / "done.csv", known="!", resume=True)
    done = label_files(tagger, str(path), tmp_path / "done.csv", known="?", resume=True)
    assert done.sequences == len(known)


@pytest.mark.parametrize(
    ("content", "mark", "message"),
    [
        ("baba\tB-X\n", "?", "dev.conll:1, token 0 ('baba', line 1): 'B-X' is no label of this model"),
        ("a\t?\n\nb\tO\nc\tI-{}\n", "?", "dev.conll:3, token 1 ('c', line 4): 'I-{}' cannot stand there"),
        ("baba\tO\n", "O", "must be no label of the model; got 'O'"),
    ],
)
def test_labels_that_cannot_be_known_are_named_with_file_and_line(tagger, tmp_path, content, mark, message):
    with load(tagger) as model:
        type_ = next(label[2:] for label in model.labels if label.startswith("I-"))
    path = tmp_path / "dev.conll"
    path.write_text(content.format(type_), encoding="utf-8")
    with pytest.raises(DataError, match=re.escape(message.format(type_))):
        label_files(tagger, str(path), tmp_path / "out.csv", known=mark)


def test_what_has_no_labels_has_none_that_are_known(tagger, classifier, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("baba\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.txt has no labels that could be known"):
        label_files(tagger, str(path), tmp_path / "out.csv", known="?")
    with pytest.raises(ConfigError, match="known labels need a tagger"):
        label_files(classifier, str(path), tmp_path / "out.csv", known="?")
    for given in (["--text", "baba"], ["--text", "baba", "--review"]):
        run = CliRunner().invoke(app, ["predict", str(tagger), *given, "--known", "?"])
        assert run.exit_code == 2 and "--known is for files" in run.stderr
