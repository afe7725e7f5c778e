"""The scale benchmark: what it makes of results, what it writes, and a run from end to end."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from seqtag import Sequence, read

FILE = Path(__file__).parents[1] / "benchmarks" / "scale.py"


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("scale_benchmark", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def result(way, tokens, peak, cost=30.0):
    return {"way": way, "tokens": tokens, "peak_mb": peak, "prepare_seconds": 2.5, "microseconds_per_token": cost}


RESULTS = [
    result("stream", 10**5, 800.0),
    result("memory", 10**5, 900.0),
    result("stream", 10**7, 1000.0, 33.0),
    result("stream", 10**6, 850.0, None),
]


def test_results_as_a_table(bench):
    assert bench.table(RESULTS) == [
        "| tokens | way | peak memory (MB) | before training (s) | training (µs a token) |",
        "| ---: | --- | ---: | ---: | ---: |",
        "| 100,000 | streamed | 800 | 2.5 | 30.0 |",
        "| 100,000 | in memory | 900 | 2.5 | 30.0 |",
        "| 10,000,000 | streamed | 1,000 | 2.5 | 33.0 |",
        "| 1,000,000 | streamed | 850 | 2.5 | – |",
        "",
        "peak memory, streamed, 10,000,000 over 100,000 tokens: 1.25; time a token: 1.10",
    ]


def test_growth_needs_two_sizes(bench):
    assert bench.growth(RESULTS[:2]) == [] == bench.growth(RESULTS[2:])
    assert bench.growth([RESULTS[0], RESULTS[3]])[1].endswith("1,000,000 over 100,000 tokens: 1.06")


def test_the_picture_has_a_line_a_way_in_each_panel(bench):
    pytest.importorskip("matplotlib")
    memory, cost = bench.picture(RESULTS).axes
    assert [line.get_label() for line in memory.lines] == ["streamed", "in memory"]
    assert memory.lines[0].get_xydata().tolist() == [[10**5, 800], [10**6, 850], [10**7, 1000]]
    assert cost.lines[0].get_xydata().tolist() == [[10**5, 30], [10**7, 33]]
    assert memory.get_xscale() == "log" and memory.get_ylim()[0] == cost.get_ylim()[0] == 0


def test_what_is_written_is_read_back(bench, tmp_path):
    sequence = Sequence(("def", "f", "#"), ("keyword", "function", "operator"))
    path = tmp_path / "a.conll"
    path.write_text(bench.as_conll(sequence) * 2, encoding="utf-8")
    assert [(s.tokens, s.labels) for s in read(path)] == [(sequence.tokens, sequence.labels)] * 2


@pytest.mark.slow
def test_a_run_from_end_to_end(tmp_path):
    paths = tmp_path / "r.json", tmp_path / "r.svg"
    outputs = ["--json", str(paths[0]), "--output", str(paths[1])]
    command = [sys.executable, str(FILE), "--sizes", "2000", "--ways", "stream", *outputs]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (one,) = json.loads(paths[0].read_text("utf-8"))
    assert (one["way"], one["tokens"], one["epochs"]) == ("stream", 2000, 50)
    assert one["peak_mb"] >= one["started_mb"] > 50
    assert one["microseconds_per_token"] > 0 and one["prepare_seconds"] > 0
    assert "| 2,000 | streamed |" in done.stdout and paths[1].stat().st_size > 1000
