"""The benchmark of answering: what its tables are made of, its processes, and the networks that the others compute."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from seqtag import load

FOLDER = Path(__file__).parents[1] / "benchmarks"
OWN = (
    "peers",
    "inference",
    "inference_commands",
    "inference_contestants",
    "inference_models",
    "inference_tables",
    "training_contestants",
    "training_tables",
)


@pytest.fixture(scope="module")
def bench():
    """Import a module of benchmarks/, which is a folder of scripts and no package."""
    sys.path.insert(0, str(FOLDER))
    yield importlib.import_module
    sys.path.remove(str(FOLDER))
    for name in [name for name in sys.modules if name.split(".")[0] in OWN]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def tables(bench):
    return bench("inference_tables")


@pytest.fixture(scope="module")
def answering(bench):
    return bench("peers.answering")


# ---- tables ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9, 0.99, 1.0])
@pytest.mark.parametrize("n", [1, 2, 7, 100])
def test_percentiles_are_those_of_numpy(tables, n, share):
    values = np.random.default_rng(n).normal(size=n).tolist()
    assert tables.percentile(values, share) == pytest.approx(np.quantile(values, share))


def test_every_length_has_its_place(tables):
    lengths = [1, 9, 10, 39, 40, 500]
    found = tables.by_length([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [10.0, 20.0]], lengths)
    assert found == {
        (1, 9): [1.0, 2.0, 10.0, 20.0],
        (10, 19): [3.0],
        (30, 39): [4.0],
        (40, 10**9): [5.0, 6.0],
    }


def measured(tables, rate, milliseconds):
    return tables.Measured(rate, [rate], [[milliseconds] * 3])


def test_ratios_are_over_the_fastest_and_the_soonest(tables):
    one = {
        tables.FLOAT: measured(tables, 100.0, 1.0),
        tables.INT: measured(tables, 150.0, 0.5),
        "torch-twin": measured(tables, 5.0, 90.0),
        "torch-twin-numpy": measured(tables, 10.0, 120.0),
    }
    two = {tables.FLOAT: measured(tables, 180.0, 2.0), "torch-twin": measured(tables, 20.0, 60.0)}
    rows = {row[0]: row[1:] for row in tables.ratio_rows({1: one, 2: two}, 3)}
    assert rows["tokens/s on 1 core, over the torch twin"] == ["10.00", "15.00", "1.8 / 1.8"]
    assert rows["tokens/s on 2 cores, over the torch twin"] == ["9.00", "–", "1.8 / 1.8"]
    assert rows["one sentence: the torch twin over seqtag"] == ["60.00", "120.00", "– / –"]
    assert rows["one sentence: crfsuite over seqtag"] == ["–", "–", "– / 2"]
    shown = tables.ratio_table({1: one, 2: two}, 3)
    assert len(shown) == 2 + 3 and not any("crfsuite" in line for line in shown)


def test_all_contestants_are_compared_on_the_same_sentences(tables):
    one = tables.Measured(1.0, [1.0], [[1.0, 2.0, 3.0, 100.0, 100.0, 100.0]])
    assert one.latency(3) == 2.0 and one.latency() == 51.5


def test_the_absent_say_why(tables):
    titles = {"a": "runs", "b": "does not"}
    lines = tables.bulk_table(titles, {1: {"a": measured(tables, 1234.0, 1.0)}, 2: {}}, {"b": "not installed (b)"})
    assert "| 1,234 | 1,234–1,234 | – | – | 1,234 |" in lines[2] and "| not installed (b) |" in lines[3]
    assert len({line.count("|") for line in lines}) == 1


def test_weights_stand_side_by_side(tables):
    on = {tables.FLOAT: measured(tables, 100.0, 1.0), tables.INT: measured(tables, 160.0, 0.4)}
    facts = {
        tables.FLOAT: {"size": 8.0, "network": 7.5, "score": 0.9},
        tables.INT: {"size": 2.0, "network": 1.5, "score": 0.8995},
    }
    rows = {line.split(" | ")[0]: line for line in tables.weights_table(facts, {1: on}, 3)}
    assert "| 1.000 | 0.250 | at most 0.25 |" in rows["| size over the first's"]
    assert "| 1.00 | 1.60 | at least 1.5 |" in rows["| speed over the first's"]
    assert "| +0.00 | -0.05 | at least -0.1 |" in rows["| score less the first's"]
    assert tables.weights_table({}, {1: on}, 3) == []


def test_what_is_asked_of_a_cold_start_is_asked_whatever_the_weights(tables):
    lines = tables.cold_table({"seqtag predict, int8": [0.5, 0.3, 0.4], "python: seqtag.load, float32": [0.2]})
    assert "| 0.400 | 0.300–0.500 | 0.6 |" in lines[2] and "| 0.200 | 0.200–0.200 | 0.45 |" in lines[3]


def test_the_slim_install_and_files_are_shown_where_they_were_measured(tables):
    slim = {
        "size": 150.4,
        "seqtag": 1.2,
        "cold": {"python: seqtag.load": 0.3},
        "failed": {"seqtag predict": "no typer"},
    }
    lines = "\n".join(tables.other_table(slim, [{"tokens": 1000, "peak_mb": 123.4, "seconds": 0.2}]))
    assert (
        "| 150 | under 175 |" in lines
        and "does not run: no typer" in lines
        and "| 123 (5,000 tokens/s) | under 400 |" in lines
    )
    assert "failed: no index" in "\n".join(tables.other_table({"error": "no index"}, []))
    assert tables.other_table({}, []) == []


# ---- the command -------------------------------------------------------------------------------------------


def parsed(bench, monkeypatch, *arguments):
    monkeypatch.delenv("SEQTAG_DATA", raising=False)
    monkeypatch.setattr(sys, "argv", ["inference.py", *arguments])
    return bench("inference").parse()


def test_quick_is_less_of_everything(bench, monkeypatch):
    quick, full = parsed(bench, monkeypatch, "--quick"), parsed(bench, monkeypatch)
    for name in ("rounds", "seconds", "alone", "file_tokens"):
        assert getattr(quick, name) < getattr(full, name)
    assert full.names == list(bench("inference_contestants").CONTESTANTS) and full.corpus == "python"
    assert parsed(bench, monkeypatch, "--quick", "--rounds", "7").rounds == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "seqtag-int8,keras"], "got keras"),
        (["--cores", "0"], "must be between 1 and"),
        (["--rounds", "0"], "--rounds must be at least 1"),
        (["--slim", "--only", "torch-twin"], "--slim needs seqtag-float32"),
        (["--model", "nowhere"], "must be the folder of a trained model"),
    ],
)
def test_what_cannot_be_run_is_refused(bench, monkeypatch, capsys, arguments, message):
    with pytest.raises(SystemExit):
        parsed(bench, monkeypatch, *arguments)
    assert message in capsys.readouterr().err


def test_every_contestant_has_its_module_and_is_named_rightly(bench, tables):
    contestants = bench("inference_contestants").CONTESTANTS
    for name, contestant in contestants.items():
        assert (FOLDER / "peers" / f"{contestant.module}.py").exists(), name
        assert contestant.weights in ("", *bench("inference_contestants").WEIGHTS)
    named = {over for target in (*tables.BULK, *tables.ALONE) for over in target.over}
    assert named | {tables.FLOAT, tables.INT} <= set(contestants)


def test_a_contestant_that_fails_is_named_and_the_others_go_on(bench, monkeypatch, capsys, tmp_path):
    arguments = parsed(bench, monkeypatch, "--only", "seqtag-float32,crfsuite")
    models = bench("inference_models").Models(arguments, tmp_path)
    models.places = dict.fromkeys(arguments.names, "")
    with models.noting("crfsuite"):
        raise bench("inference_contestants").GoneError("MemoryError")
    assert models.running() == ["seqtag-float32"] and models.failed == {"crfsuite": "failed: MemoryError"}
    assert "crfsuite: failed: MemoryError" in capsys.readouterr().err
    with pytest.raises(ZeroDivisionError), models.noting("seqtag-float32"):
        _ = 1 / 0


def test_only_what_answering_reads_counts_as_size(bench, tmp_path):
    inference, contestants = bench("inference"), bench("inference_contestants").CONTESTANTS
    for name, size in (("model.onnx", 3000), ("weights.npz", 5000), ("README.md", 70), ("manifest.json", 100)):
        (tmp_path / name).write_bytes(b"0" * size)
    for name in ("vocabulary.json", "decoder.npz"):
        (tmp_path / name).write_bytes(b"0" * 200)
    assert inference.sizes(tmp_path, contestants["seqtag-int8"]) == (0.0035, 0.003)
    assert inference.sizes(tmp_path, contestants["torch-twin"]) == (0.0055, 0.005)
    assert inference.sizes(tmp_path, contestants["flair"]) == (0.00857, None)


def test_a_share_of_same_tags_counts_tokens(bench):
    assert bench("inference").share_of_same([["a", "b"], ["c", "d"]], [["a", "b"], ["c", "x"]]) == 0.75


# ---- orders and processes ----------------------------------------------------------------------------------


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.json"
    words, tags = [["a", "b"], ["c"]], [["x", "y"], ["z"]]
    path.write_text(json.dumps({"train": [words, tags], "test": [words, tags]}))
    return path


def test_a_desk_carries_orders_out_and_counts_real_tokens(answering, corpus, monkeypatch):
    asked = []
    opened = answering.Answering(
        lambda sentences: [[word.upper() for word in sentence] for sentence in sentences],
        lambda sentence: [word * 2 for word in sentence],
        asked.append,
    )
    desk = answering.Desk(answering.Job(str(corpus), "", [0]), opened)
    clock = iter(range(100))
    monkeypatch.setattr(answering.time, "perf_counter", lambda: float(next(clock)))
    orders = [["first", ["a"]], ["warm"], ["tags"], ["many", 3.0], ["one", 1], ["memory"]]
    found = [json.loads(reply) for reply in answering.answers(map(json.dumps, orders), desk)]
    assert found[0] == ["aa"] and asked == [[["a", "b"], ["c"]]]
    assert found[2] == {"tags": [["A", "B"], ["C"]], "rate": 3.0}
    assert found[3] == {"tokens": 9, "seconds": 3.0}
    assert found[4] == [1000.0]
    assert 1 < found[5] < 1e5


def test_peak_memory_grows_with_what_is_held(answering):
    before = answering.peak_memory(os.getpid())
    held = np.ones(int((before + 100) * 1e6) // 8)
    assert answering.peak_memory(os.getpid()) > before and held[-1] == 1


def test_a_process_answers_and_says_why_it_ended(bench, answering, corpus, saved):
    contestants = bench("inference_contestants")
    own = contestants.CONTESTANTS["seqtag-float32"]
    core = [min(os.sched_getaffinity(0))]
    process = contestants.Process(sys.executable, own, answering.Job(str(corpus), str(saved), core))
    try:
        assert process.ask("first", ["a", "b"]) == load(saved).predict([["a", "b"]])[0]
        with pytest.raises(contestants.GoneError, match="no_such_order"):
            process.ask("no_such_order")
    finally:
        process.close()


def test_a_contestant_without_training_says_so(bench, answering, corpus, tmp_path):
    contestants = bench("inference_contestants")
    job = answering.Job(str(corpus), str(tmp_path / "model"), [min(os.sched_getaffinity(0))])
    with pytest.raises(contestants.GoneError, match="reads a model of seqtag"):
        contestants.train(sys.executable, contestants.CONTESTANTS["seqtag-float32"], job)
    assert not (tmp_path / "model").exists()


def test_a_command_is_timed_to_its_first_line(bench, tmp_path):
    commands = bench("inference_commands")
    slow = [sys.executable, "-c", "import time; print(1, flush=True); time.sleep(0.5)"]
    assert 0 < commands.seconds_to_output(slow, os.environ, str(tmp_path)) < 0.5
    with pytest.raises(commands.GoneError, match="no model"):
        commands.seconds_to_output([sys.executable, "-c", "raise SystemExit('no model')"], os.environ, str(tmp_path))


# ---- the same network in other hands -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def sentences(corpora):
    return [list(sentence.tokens) for sentence in corpora["test"]]


@pytest.mark.parametrize("by", ["predict", "function"])
def test_keras_gives_the_tags_of_seqtag(bench, answering, saved, sentences, by):
    job = answering.Job("", str(saved), [0], {"by": by})
    opened = bench("peers.keras_answers").open_model(job)
    assert opened.many(sentences[:20]) == load(saved).predict(sentences[:20])
    assert opened.one(sentences[0]) == load(saved).predict(sentences[:1])[0]


def test_preparing_chooses_the_fastest_batches(bench, saved, sentences, monkeypatch):
    batched = bench("peers.batched")
    reading = batched.Reading(str(saved))
    now = [0.0]

    def compute(inputs):
        now[0] += 1.0  # a second a batch: the fewest batches are the fastest
        return np.zeros((*inputs["index"].shape, len(reading.decoder.labels)))

    monkeypatch.setattr(batched.time, "perf_counter", lambda: now[0])
    many = batched.Batched(reading, compute)
    many.prepare((sentences * 100)[:600])
    assert many.limits == batched.LIMITS[-1]


@pytest.mark.filterwarnings("ignore:Layer 'head'.*destroy the mask:UserWarning")  # a CRF reads lengths, no mask
def test_the_weights_of_seqtag_find_their_place_among_layers_of_keras(bench, saved, sentences):
    answers, batched = bench("peers.keras_answers"), bench("peers.batched")
    network = bench("peers.keras_network")
    network.UNITS, kept = 24, network.UNITS  # of the small tagger
    try:
        opened = answers.open_model(bench("peers.answering").Job("", str(saved), [0], {"by": "layers"}))
    finally:
        network.UNITS = kept
    own = load(saved).predict(sentences)
    same = [
        a == b
        for row, beside in zip(opened.many(sentences), own, strict=True)
        for a, b in zip(row, beside, strict=True)
    ]
    assert np.mean(same) > 0.95  # its convolution sees padding
    assert batched.Reading(str(saved)).network["stack"]["units"] == 24


def test_the_torch_twin_with_seqtags_weights_gives_its_tags(bench, answering, saved, sentences, monkeypatch):
    pytest.importorskip("torch")
    twin, answers = bench("peers.torch_twin"), bench("peers.torch_answers")
    monkeypatch.setattr(twin, "UNITS", 24)
    monkeypatch.setattr(answers, "UNITS", 24)
    for viterbi in ("torch", "numpy"):
        opened = answers.open_model(answering.Job("", str(saved), [0], {"viterbi": viterbi}))
        assert opened.many(sentences) == load(saved).predict(sentences)
        assert opened.one(sentences[0]) == load(saved).predict(sentences[:1])[0]


@pytest.mark.slow
def test_a_run_from_end_to_end(saved, tmp_path):
    """Whether torch is there or not: tables and the file come out."""
    out = tmp_path / "out.json"
    command = [sys.executable, str(FOLDER / "inference.py"), "--quick", "--rounds", "1", "--cores", "1"]
    command += ["--only", "seqtag-float32,torch-twin", "--corpus", "python", "--model", str(saved), "--json", str(out)]
    command += ["--peer-python", f"torch-twin={sys.executable}", "--seconds", "0.1", "--alone", "5"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    # Torch's twin has 200 units and refuses this model.
    assert bool(done.returncode) == ("failed: torch-twin" in done.stderr), done.stderr
    found = json.loads(out.read_text())
    assert set(found["results"]["1"]) == {"seqtag-float32"}
    assert found["results"]["1"]["seqtag-float32"]["rates"][0] > 100
    assert set(found["cold"]) == {"seqtag predict, float32", "python: seqtag.load, float32"}
    assert "| one sentence, ms |" in done.stdout and "torch-twin: " in done.stdout
