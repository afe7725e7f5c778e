"""The memory benchmark: what it computes from results, what it trains, its picture, and a run from end to end."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqtag.errors import DataError

FILE = Path(__file__).parents[1] / "benchmarks" / "memory_span.py"


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("memory_span_benchmark", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def result(network="lstm", test=None, **changes):
    given = {"training": "alone", "task": "recall", "network": network, "seed": 0, "rate": 0.01, "test": test}
    return given | {"dev": test} | changes


# ---- what is made of results -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "floor", "span"),
    [
        ({10: [1.0], 20: [1.0], 40: [1.0]}, 0.25, 40),
        ({40: [0.3], 10: [1.0], 20: [0.7]}, 0.25, 20),
        ({10: [0.3], 20: [1.0]}, 0.25, 0),  # what lies behind a gap may be luck
        ({10: [1.0, 0.25, 0.25], 20: [1.0]}, 0.25, 0),
        ({10: [1.0, 1.0, 0.25], 20: [0.625]}, 0.25, 10),  # halfway is not above
        ({10: [0.9], 20: [0.87]}, 0.75, 10),
        ({}, 0.25, 0),
    ],
)
def test_a_span_ends_where_the_mean_first_falls_to_halfway(bench, line, floor, span):
    assert bench.memory_span(line, floor) == span


@given(st.dictionaries(st.integers(1, 200), st.lists(st.floats(0, 1), min_size=1, max_size=3)), st.floats(0, 0.9))
def test_a_span_never_grows_where_accuracies_fall(bench, line, floor):
    lower = {lag: [value / 2 for value in values] for lag, values in line.items()}
    assert bench.memory_span(lower, floor) <= bench.memory_span(line, floor)


def test_tables_show_means_and_spans_by_task_and_training(bench):
    results = [
        result("simple_rnn", {"10": 1.0, "40": 0.2}),
        result("simple_rnn", {"10": 0.98, "40": 0.3}, seed=1),
        result("lstm", {"10": 1.0, "40": 0.99}),
        result("gru", {"10": 0.7, "40": 0.6}, task="adding", training="mixed"),
    ]
    assert bench.tables(results) == [
        "**recall, trained on this lag alone** (0.25 without memory)",
        "",
        "| network | 10 | 40 | span |",
        "| --- | ---: | ---: | ---: |",
        "| SimpleRNN (tanh) | 0.99 | 0.25 (0.20–0.30) | 10 |",
        "| LSTM | 1.00 | 0.99 | 40 or more |",
        "",
        "**adding, trained on all lags at once** (0.75 without memory)",
        "",
        "| network | 10 | 40 | span |",
        "| --- | ---: | ---: | ---: |",
        "| GRU | 0.70 | 0.60 | under 10 |",
    ]


def test_tuning_shows_the_mean_dev_accuracy_of_each_rate(bench):
    results = [
        result("gru", {"10": 1.0, "40": 0.5}, rate=0.001),
        result("gru", {"10": 1.0, "40": 1.0}, rate=0.01),
        result("gru", {"10": 0.5, "40": 0.5}, task="adding", rate=0.01),
    ]
    assert bench.tuning_table(results)[2:] == ["| alone | GRU | 0.750 | 0.750 |"]


# ---- what is trained ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("inputs", [2, 16])
@pytest.mark.parametrize("cell", ["simple_rnn", "simple_rnn_relu", "gru", "lstm"])
def test_weights_are_counted_as_keras_counts_them(bench, cell, inputs):
    from seqtag.choices.cells import CELLS

    layer = CELLS[cell].layer(7)
    layer.build((None, None, inputs))
    assert bench.weights_of(cell, 7, inputs) == layer.count_params()


@pytest.mark.parametrize("task", ["recall", "adding"])
def test_all_networks_have_about_the_same_weights(bench, task):
    inputs = {"recall": bench.EMBEDDING, "adding": bench.FRAME}[task]
    for name, network in bench.NETWORKS.items():
        units = bench.units_of(bench.Job("alone", task, name, (10,), (0,), 0.01))
        assert 0.93 * bench.PARAMETERS < bench.weights_of(network.cell, units, inputs) <= bench.PARAMETERS


@pytest.mark.parametrize(("cell", "shape", "kept"), [("lstm", (20,), slice(5, 10)), ("gru", (2, 15), slice(0, 5))])
def test_open_gates_keep_their_state_for_up_to_so_many_steps(bench, cell, shape, kept):
    bias = np.zeros(shape, np.float32)
    opened = bench.open_gates(bias, cell, 100, seed=0)
    assert not bias.any() and opened.shape == shape
    flat = opened if cell == "lstm" else opened[0]
    gate = 1 / (1 + np.exp(-flat[kept].astype(float)))
    times = 1 / (1 - gate)  # the mean of a state that is multiplied by the gate at each step
    assert ((times > 2) & (times < 100)).all() and len(set(times)) == 5
    if cell == "lstm":
        np.testing.assert_array_equal(opened[:5], -opened[5:10])
        assert not opened[10:].any()
    else:
        assert not opened[0, 5:].any() and not opened[1].any()


@pytest.mark.slow
def test_gates_are_opened_before_the_first_step(bench):
    """The biases are those of `open_gates` where the rate is too low to move them."""
    size = bench.Size({"alone": 2}, epochs=1, dev=4, test=4)
    for name in ("gru_open", "lstm_open", "lstm"):
        job = bench.Job("alone", "recall", name, (2,), (0,), 1e-9)
        estimator, _ = bench.train(job, 0, (2,), size)
        bias = estimator.model_.get_layer("recurrent_0").ways["forward"].cell.bias.numpy()
        cell = bench.NETWORKS[name].cell
        usual = np.zeros_like(bias)
        if cell == "lstm":
            units = len(bias) // 4
            usual[units : 2 * units] = 1
        expected = bench.open_gates(usual, cell, bench.OPEN_FOR, 0) if bench.NETWORKS[name].opened else usual
        np.testing.assert_allclose(bias, expected, atol=1e-6)


def test_only_what_is_asked_for_counts_in_copying(bench):
    from seqtag.datasets import make_memory

    class Forgetful:
        """Right about each "O", and says "a" wherever it is asked."""

        def predict(self, corpus):
            return [["a" if token == "?" else "O" for token in sequence.tokens] for sequence in corpus]

    corpus = make_memory(task="copy", lag=9, sequences=40)["train"]
    asked = [label for sequence in corpus for label in sequence.labels if label != "O"]
    assert bench.accuracy(Forgetful(), "copy", corpus) == pytest.approx(asked.count("a") / len(asked))
    assert bench.accuracy(None, "adding", corpus) == bench.FLOORS["adding"]  # diverged


def test_who_has_seen_the_later_value_alone_reaches_the_floor_of_adding(bench):
    from seqtag.datasets import make_memory

    corpus = make_memory(task="adding", lag=20, sequences=4000)["train"]
    later = [sequence.frames[np.flatnonzero(sequence.frames[:, 1])[1], 0] for sequence in corpus]
    right = [(value >= 0.5) == (sequence.label == "high") for value, sequence in zip(later, corpus, strict=True)]
    assert np.mean(right) == pytest.approx(bench.FLOORS["adding"], abs=0.02)


@pytest.mark.slow
def test_a_run_that_diverges_counts_as_without_memory(bench):
    size = bench.Size({"alone": 20}, epochs=1, dev=8, test=8)
    job = bench.Job("alone", "recall", "simple_rnn_relu", (30,), (0,), 1e30)
    found = bench.run(job, 0, size)
    assert found["test"] == {30: 0.25} and found["epochs"] == {30: 0}


# ---- the picture -------------------------------------------------------------------------------------------


def test_the_picture_shows_each_line_with_its_name_and_where_spans_end(bench):
    pytest.importorskip("matplotlib")
    results = [
        result("lstm", {"10": 1.0, "40": 0.9}),
        result("lstm", {"10": 0.8, "40": 0.9}, seed=1),
        result("lstm_open", {"10": 1.0, "40": 1.0}),
        result("gru", {"10": 1.0, "40": 1.0}, training="mixed"),
        result("gru", {"10": 0.7, "40": 0.5}, task="adding"),
    ]
    figure = bench.picture(results)
    shown = [axes for axes in figure.axes if axes.get_visible()]
    titles = [axes.get_title(loc="left") for axes in shown]
    assert titles == [
        "Recall, trained on this lag alone",
        "Recall, trained on all lags at once",
        "Adding, trained on this lag alone",
    ]
    first = shown[0]
    floor, halfway, usual, opened = first.get_lines()
    assert (set(floor.get_ydata()), set(halfway.get_ydata())) == ({0.25}, {0.625})
    assert usual.get_ydata() == pytest.approx([0.9, 0.9]) and opened.get_ydata().tolist() == [1.0, 1.0]
    assert usual.get_color() == opened.get_color() and usual.get_linestyle() != opened.get_linestyle()
    assert usual.get_xdata() == pytest.approx([10, 40], rel=0.1)
    assert {"LSTM", "LSTM, gates open", "without memory", "halfway"} == {text.get_text() for text in first.texts}
    assert first.get_xscale() == "log" and [t.get_text() for t in first.get_xticklabels()] == ["10", "40"]
    assert shown[2].get_ylim()[0] < 0.5


@given(st.lists(st.floats(0, 1), max_size=9))
def test_names_stand_apart_and_in_order(values):
    from seqtag.plots.spans import spread

    moved = spread(values, 0.1)
    order = sorted(range(len(values)), key=lambda i: -values[i])
    heights = [moved[i] for i in order]
    assert all(a - b > 0.1 - 1e-9 for a, b in pairwise(heights))
    assert all(-1e-9 <= height <= 1 + 1e-9 for height in heights)


def test_names_that_have_room_stay_where_they_are():
    from seqtag.plots.spans import spread

    assert spread([0.2, 0.9, 0.5], 0.1) == [0.2, 0.9, 0.5]
    assert spread([1.0, 1.0], 0.25) == [1.0, 0.75]


def test_a_picture_of_nothing_is_refused():
    from seqtag.plots import SpanPanel, plot_memory_span

    for panels in ([], [SpanPanel("empty", 0.5, {})], [SpanPanel("empty", 0.5, {"LSTM": {}})]):
        with pytest.raises(DataError, match="need panels with a line each"):
            plot_memory_span(panels)


# ---- from end to end ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_one_command_prints_tables_and_writes_results_and_a_picture(tmp_path):
    pytest.importorskip("matplotlib")
    command = [sys.executable, str(FILE), "--quick", "--lags", "2", "4", "--cells", "lstm", "--tasks", "copy"]
    command += ["--trainings", "mixed", "--json", str(tmp_path / "r.json"), "--output", str(tmp_path / "p.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(
        "**copy, trained on all lags at once** (0.25 without memory)\n\n| network | 2 | 4 | span |"
    )
    command = [sys.executable, str(FILE), "--results", str(tmp_path / "r.json")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == done.stdout
    (found,) = json.loads((tmp_path / "r.json").read_text())
    assert (found["network"], found["seed"], set(found["test"])) == ("lstm", 0, {"2", "4"})
    assert min(found["test"].values()) > 0.5
    picture = (tmp_path / "p.png").read_bytes()
    assert picture.startswith(b"\x89PNG") and len(picture) < 100_000


def test_lags_must_ascend():
    command = [sys.executable, str(FILE), "--lags", "20", "10"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "--lags must ascend; got (20, 10)" in done.stderr
