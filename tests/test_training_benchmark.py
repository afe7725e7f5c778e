"""The training benchmark: floors, ratios and tables, what the contestants share, and the torch twin's CRF."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from seqtag import SequenceTagger

FOLDER = Path(__file__).parents[1] / "benchmarks"
OWN = ("peers", "training_contestants", "training_tables", "training")


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
    return bench("training_tables")


@pytest.fixture(scope="module")
def protocol(bench):
    return bench("peers.protocol")


# ---- floors and ratios -------------------------------------------------------------------------------------


def test_flops_are_those_of_the_products(tables):
    """Counted one by one: three products in each direction, of the input and of the state."""
    width, units = 3, 2
    one_way = sum(2 * inner * 4 * units for inner in (width, units))
    assert tables.recurrent_flops(width, units) == 2 * 3 * one_way
    assert tables.recurrent_flops(width, units, directions=1) == 3 * one_way
    assert tables.recurrent_flops(258) == 3 * 2 * 2 * (258 + 200) * 800


def test_the_floor_is_the_median_of_the_faster_library(tables):
    rates = [(1, 90e9, 80e9), (2, 150e9, 160e9), (1, 100e9, 70e9), (1, 10e9, 95e9)]
    floors = [{"cores": cores, "rates": {"large": {"a": a, "b": b}}} for cores, a, b in rates]
    assert tables.floor_rates(floors, "large") == {1: 95e9, 2: 160e9}


def test_a_share_of_one_is_the_floor(tables):
    assert tables.floor_share(1000.0, 258, 1000.0 * tables.recurrent_flops(258)) == 1.0


def test_ratios_are_over_the_fastest_twin_and_say_what_is_missed(tables):
    speed = {"seqtag-same": 18.0, "seqtag": 16.0, "torch-twin": 8.0, "torch-twin-sparse": 10.0, "keras-tutorial": 3.0}
    rows = {line.split(" | ")[0]: line for line in tables.ratio_table(speed)}
    assert "| 1.80 (met) | 1.60 (missed) | 1.8 |" in rows["| over the torch twin"]
    assert "| 6.00 (met) | 5.33 (missed) | 6 |" in rows["| over Keras as tutorials write it, padded to 100"]
    assert "| – | – | 10 |" in rows["| over flair"]


def test_speeds_are_medians_of_what_ran(tables):
    results = {"a": [{"tokens_per_second": v} for v in (3.0, 1.0, 2.0)] + [{"error": "no"}], "b": [{"error": "no"}]}
    assert tables.speeds(results) == {"a": 2.0}


def test_a_bound_from_above_is_kept_below_it(tables):
    assert tables.judged(0.09, 0.1, "{:.0%}", at_most=True) == "9% (met)"
    assert tables.judged(0.11, 0.1, "{:.0%}", at_most=True) == "11% (missed)"


def test_the_absent_and_the_failed_are_named(tables):
    titles = {"a": "runs", "b": "absent", "c": "failed"}
    run = {"tokens_per_second": 1234.0, "first_loss": 2.0, "last_loss": 1.0, "score": 0.5, "tokens": 10}
    lines = tables.throughput_table(titles, {"a": [run], "c": [{"error": "ValueError: x"}]}, {"b": "not installed (b)"})
    assert "| 1,234 |" in lines[2] and "not installed (b)" in lines[3] and "failed: ValueError: x" in lines[4]
    assert len({line.count("|") for line in lines}) == 1


def test_parts_add_up_to_the_step(tables):
    names = ("words, affixes, characters", "the step's graph", "batches made and prefetched", "averaged weights")
    found = {"milliseconds": dict(zip(names, (2.0, 5.0, 1.0, 0.5), strict=True)), "whole": 8.0}
    lines = tables.parts_table(found)
    shown = [float(line.split(" | ")[1]) for line in lines[2:]]
    assert shown[-1] == 8.0 and sum(shown[:-1]) == pytest.approx(8.0)
    assert sorted(shown[:-1]) == [0.5, 1.0, 1.5, 2.0, 3.0]


def test_seconds_to_a_score_are_those_of_the_first_epoch_that_has_it(tables):
    curve = [{"seconds": 10.0 * i, "score": score} for i, score in enumerate((0.5, 0.93, 0.92, 0.95), 1)]
    assert tables.reached(curve, 0.93) == 20.0
    assert tables.reached(curve, 0.96) is None
    assert "not reached" in tables.curve_table({"a": curve}, 0.96)[2]


def test_the_second_core_is_held_against_its_bound(tables):
    speed = {"seqtag-same": 18.0, "seqtag-same-1core": 10.0, "seqtag-replicas": 9.0}
    rows = tables.scaling_table(speed, 0.05, 0.2)
    assert "1.80 (met)" in rows[2] and "| 0.50 |" in rows[3]
    assert "5.0% (met)" in rows[4] and "20.0% (missed)" in rows[5]


def test_shares_are_of_the_cores_used(tables):
    one, two = 100.0 * tables.recurrent_flops(258), 200.0 * tables.recurrent_flops(258)
    floors = [{"cores": n, "rates": {"large": {"a": rate}}} for n, rate in ((1, one), (2, two))]
    rows = tables.floor_table({"seqtag-same": 96.0, "seqtag-same-1core": 54.0, "seqtag": 100.0}, floors, "large", 258)
    assert "| 54.0% (missed) | – | 55% |" in rows[2]
    assert "| 48.0% (met) | 50.0% (met) | 48% |" in rows[3]


# ---- the command -------------------------------------------------------------------------------------------


def parsed(bench, monkeypatch, *arguments):
    monkeypatch.delenv("SEQTAG_DATA", raising=False)
    monkeypatch.setattr(sys, "argv", ["training.py", *arguments])
    return bench("training").parse()


def test_quick_is_two_short_rounds_of_what_is_quick(bench, monkeypatch):
    quick, full = parsed(bench, monkeypatch, "--quick"), parsed(bench, monkeypatch)
    assert (quick.rounds, quick.seconds, full.rounds, full.seconds) == (2, 8.0, 3, 30.0)
    assert set(full.names) - set(quick.names) == {"seqtag-1core", "seqtag-replicas"}
    assert quick.corpus == "python" and quick.time_to_score is None
    assert parsed(bench, monkeypatch, "--time-to-score").time_to_score == 93.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--only", "seqtag,keras"], "got keras"), (["--cores", "0"], "must be between 1 and")],
)
def test_what_cannot_be_run_is_refused(bench, monkeypatch, capsys, arguments, message):
    with pytest.raises(SystemExit):
        parsed(bench, monkeypatch, *arguments)
    assert message in capsys.readouterr().err


def test_an_interpreter_is_that_of_its_name_or_the_one_for_what_is_not_here(bench, monkeypatch):
    contestants = bench("training_contestants")
    monkeypatch.setattr(contestants, "probe", lambda python: {"seqtag": "1"})
    found = contestants.interpreters(["other", "flair=third"], ["seqtag", "spacy", "flair"])
    assert found == {"seqtag": sys.executable, "spacy": "other", "flair": "third"}
    with pytest.raises(SystemExit, match="got flare"):
        contestants.interpreters(["flare=third"], ["flair"])


def test_a_probe_names_what_is_installed(bench):
    found = bench("training_contestants").probe(sys.executable)
    assert found["numpy"] == np.__version__


@pytest.mark.slow
def test_a_run_from_end_to_end(tmp_path):
    """Whether torch is there or not: floors, tables and the file come out."""
    out = tmp_path / "out.json"
    command = [
        sys.executable,
        str(FOLDER / "training.py"),
        "--quick",
        "--rounds",
        "1",
        "--corpus",
        "python",
        "--cores",
        "1",
    ]
    command += [
        "--only",
        "torch-twin",
        "--python",
        f"torch-twin={sys.executable}",
        "--seconds",
        "1",
        "--json",
        str(out),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    assert set(found["absent"]) | set(found["results"]) == {"torch-twin"}
    assert all(rate > 1e8 for floor in found["floors"] for shape in floor["rates"].values() for rate in shape.values())
    assert "| real tokens/s of seqtag |" in done.stdout and "GFLOP/s" in done.stdout


# ---- what the contestants share ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        (["O", "B-x", "I-x", "O"], [(1, 3, "x")]),
        (["B-x", "B-x", "I-x"], [(0, 1, "x"), (1, 3, "x")]),
        (["I-x", "I-y"], [(0, 1, "x"), (1, 2, "y")]),
        (["O"], []),
    ],
)
def test_spans_of_tags(protocol, tags, spans):
    assert protocol.spans_of(tags) == spans
    assert protocol.spans_of(protocol.tags_of(spans, len(tags))) == spans


@pytest.mark.parametrize(
    ("tags", "spans"),
    [([["O", "B-x"]], True), ([["B-x"]], False), ([["O", "NOUN"]], False), ([["PUNCT"], ["NOUN"]], False)],
)
def test_what_writes_spans(protocol, tags, spans):
    assert protocol.writes_spans(tags) == spans


def test_the_clock_starts_after_the_warm_up(protocol, monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(protocol.time, "perf_counter", lambda: float(next(clock)))
    meter = protocol.Meter(warmup_steps=2, seconds=3.0)
    steps = [meter.step(tokens, 1.0 / (i + 1)) for i, tokens in enumerate((1000, 1000, 7, 8, 9))]
    assert steps == [False, False, False, False, True]
    found = meter.result()
    assert (found["tokens"], found["steps"], found["seconds"]) == (24, 3, 3.0)
    assert found["tokens_per_second"] == 8.0 and found["first_loss"] == 1.0 and found["last_loss"] == 0.2


def test_what_stands_between_two_steps_can_be_left_out(protocol, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(protocol.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(protocol.time, "process_time", lambda: now[0] / 2)
    meter = protocol.Meter(warmup_steps=1, seconds=10.0)
    for evaluation in (0.0, 0.0, 50.0):
        now[0] += evaluation
        meter.skip()
        now[0] += 4.0
        assert not meter.step(6, 1.0)
    found = meter.result()
    assert (found["seconds"], found["processor_seconds"], found["tokens_per_second"]) == (8.0, 4.0, 1.5)


def test_a_measurement_without_a_step_is_an_error(protocol):
    meter = protocol.Meter(warmup_steps=2, seconds=1.0)
    meter.step(1, 1.0)
    with pytest.raises(RuntimeError, match="no step was measured"):
        meter.result()


def test_predictions_do_not_count_as_training(protocol, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(protocol.time, "perf_counter", lambda: now[0])
    curve = protocol.Curve(seconds=15.0)
    over = []
    for trained, predicted in ((10.0, 100.0), (10.0, 100.0)):
        curve.resume()
        now[0] += trained
        curve.pause()
        now[0] += predicted
        over.append(curve.add(score=0.5))
    assert over == [False, True]
    assert [point["seconds"] for point in curve.result()["curve"]] == [10.0, 20.0]


def test_a_process_runs_its_job(protocol, monkeypatch, tmp_path):
    out = tmp_path / "out.json"
    core = min(os.sched_getaffinity(0))
    job = {"corpus": "none", "out": str(out), "cores": [core], "options": {"a": 1}}
    pinned = []
    monkeypatch.setattr(protocol.os, "sched_setaffinity", lambda process, cores: pinned.append(cores))
    monkeypatch.setattr(sys, "argv", ["peer", json.dumps(job)])
    protocol.main(lambda job: {"options": job.options})
    assert json.loads(out.read_text())["options"] == {"a": 1} and pinned == [[core]]


# ---- the same batches --------------------------------------------------------------------------------------

WORDS = [["Ada", "moved", "to", "Paris"], ["Paris", "is", "old"], ["No"], ["He", "saw", "Ada", "there", "then"]] * 5
TAGS = [["B-PER", "O", "O", "B-LOC"], ["B-LOC", "O", "O"], ["O"], ["O", "O", "B-PER", "O", "O"]] * 5


def test_batches_are_those_of_the_tagger(bench):
    limits = bench("peers.encoding").LIMITS
    defaults = inspect.signature(SequenceTagger).parameters
    assert limits.tokens == defaults["batch_tokens"].default
    assert limits.sequences == defaults["batch_sequences"].default
    assert defaults["units"].default == bench("training_tables").UNITS


@pytest.mark.parametrize("batch_size", [None, 3])
def test_exported_batches_hold_every_token_once_a_pass(bench, protocol, tmp_path, batch_size):
    encoding = bench("peers.encoding")
    encoded = encoding.encode({"train": (WORDS, TAGS), "dev": (WORDS[:4], TAGS[:4])})
    path = tmp_path / "batches.pickle"
    encoding.export(encoded, path, passes=2, seed=0, batch_size=batch_size)
    found = protocol.Job("", "", [0], batches=str(path)).load_batches()
    assert len(found["passes"]) == 2
    for batches in found["passes"]:
        assert sum(int(inputs["lengths"].sum()) for inputs, _ in batches) == sum(map(len, WORDS))
        assert all(targets.shape == inputs["index"].shape for inputs, targets in batches)
        if batch_size:
            assert [len(inputs["lengths"]) for inputs, _ in batches] == [3] * 6 + [2]
    assert sorted(place for _, places in found["dev"] for place in places) == [0, 1, 2, 3]


def test_every_contestant_has_its_module_and_settings_that_hold(bench):
    contestants = bench("training_contestants")
    for name, contestant in contestants.CONTESTANTS.items():
        assert (FOLDER / "peers" / f"{contestant.module}.py").exists(), name
        if contestant.module == "seqtag_tagger":
            SequenceTagger(**contestant.options)
    named = {over for target in bench("training_tables").TARGETS for over in target.over}
    assert named <= set(contestants.CONTESTANTS)


@pytest.mark.parametrize(("package", "threads"), [("tensorflow", "1"), ("torch", "2")])
def test_threads_suit_the_library(bench, package, threads):
    contestants = bench("training_contestants")
    environment = contestants.environment(contestants.Contestant("m", package, "t"), 2)
    assert environment["OMP_NUM_THREADS"] == threads
    assert (environment["TF_NUM_INTRAOP_THREADS"], environment["TF_NUM_INTEROP_THREADS"]) == ("1", "2")


def test_the_layers_of_keras_can_be_put_in(bench, monkeypatch):
    import keras

    from seqtag.nn import inputs, recurrent

    monkeypatch.setattr(recurrent, "fused_kernel", recurrent.fused_kernel)  # put back afterwards
    monkeypatch.setattr(inputs.Table, "call", inputs.Table.call)
    bench("peers.keras_layers").with_layers_of_keras()
    assert recurrent.fused_kernel("lstm") is None and inputs.Table.call is keras.layers.Embedding.call
    monkeypatch.delattr(recurrent, "fused_kernel")
    with pytest.raises(RuntimeError, match="no fused_kernel to switch off"):
        bench("peers.keras_layers").with_layers_of_keras()


def test_hand_made_features_name_neighbours_and_edges(bench):
    features = bench("peers.crfsuite_tagger").sentence_features(["Ada", "left", "1999"])
    assert features[0]["0:lower"] == "ada" and features[0]["1:suffix2"] == "ft" and features[0]["2:shape"] == "0"
    assert features[0]["-1:edge"] and "2:prefix1" not in features[0]
    assert features[2]["0:digit"] and features[2]["0:shape"] == "0"


# ---- the torch twin ----------------------------------------------------------------------------------------


def crf_case(torch, seed, k=4):
    rng = np.random.default_rng(seed)
    lengths = np.array([5, 1, 3])
    emissions = rng.normal(scale=2.0, size=(3, 5, k)).astype(np.float32)
    labels = rng.integers(0, k, (3, 5))
    scores = [rng.normal(size=size).astype(np.float32) for size in ((k, k), (k,), (k,))]
    mask = torch.arange(5) < torch.from_numpy(lengths)[:, None]
    return emissions, labels, lengths, scores, mask


def enumerated(emissions, scores):
    """All paths of one sentence and their scores."""
    transitions, start, end = (score.astype(np.float64) for score in scores)
    paths = np.stack(np.meshgrid(*[np.arange(len(start))] * len(emissions), indexing="ij"), -1).reshape(
        -1, len(emissions)
    )
    steps = transitions[paths[:, :-1], paths[:, 1:]].sum(1)
    here = emissions.astype(np.float64)[np.arange(len(emissions)), paths].sum(1)
    return paths, start[paths[:, 0]] + here + steps + end[paths[:, -1]]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("forbids", [False, True])
def test_torch_crf_is_that_of_all_paths(bench, seed, forbids):
    torch = pytest.importorskip("torch")
    emissions, labels, lengths, scores, mask = crf_case(torch, seed)
    allowed = {"transitions": np.ones((4, 4), bool), "start": np.ones(4, bool), "end": np.ones(4, bool)}
    if forbids:
        allowed["transitions"][0, 1] = allowed["start"][2] = allowed["end"][3] = False
    crf = bench("peers.torch_crf").CRF({name: table.tolist() for name, table in allowed.items()})
    for name, score in zip(("transitions", "start", "end"), scores, strict=True):
        getattr(crf, name).data = torch.from_numpy(score)
    found = crf.log_likelihood(torch.from_numpy(emissions), torch.from_numpy(labels), mask).detach().numpy()
    best = crf.viterbi(torch.from_numpy(emissions), mask).numpy()
    kept = [np.where(allowed[name], score, -1e4) for name, score in zip(allowed, scores, strict=True)]
    for row, n in enumerate(lengths):
        paths, values = enumerated(emissions[row, :n], kept)
        log_z = np.log(np.exp(values - values.max()).sum()) + values.max()
        gold = values[(paths == labels[row, :n]).all(1)][0]
        assert found[row] == pytest.approx(gold - log_z, rel=1e-4, abs=1e-3 if forbids else 1e-4)
        assert best[row, :n].tolist() == paths[values.argmax()].tolist()


@pytest.mark.parametrize(
    "options", [{}, {"sparse": True}, {"inputs": ["words", "chars"], "by_place": True, "sgd": 0.1}]
)
def test_the_torch_twin_learns_and_ignores_padding(bench, protocol, tmp_path, options):
    torch = pytest.importorskip("torch")
    encoding, twin = bench("peers.encoding"), bench("peers.torch_twin")
    encoded = encoding.encode({"train": (WORDS, TAGS), "dev": (WORDS[:4], TAGS[:4])})
    path = tmp_path / "batches.pickle"
    encoding.export(encoded, path, passes=1, seed=0)
    job = protocol.Job("", "", [0], batches=str(path), mode="score", seconds=60.0, epochs=30, options=options)
    torch.manual_seed(0)
    curve = twin.run(job)["curve"]
    assert curve[-1]["predicted"] == TAGS[:4]

    data = job.load_batches()
    tagger = twin.Tagger(data["specs"], data["allowed"], sparse=False, by_place=False).eval()
    alone = twin.as_tensors(encoded.dev.batch(np.array([2])).inputs)  # the sentence of one word
    among = twin.as_tensors(encoded.dev.batch(np.array([2, 3])).inputs)
    with torch.no_grad():
        assert torch.allclose(tagger(alone)[0, 0], tagger(among)[0, 0], atol=1e-5)
