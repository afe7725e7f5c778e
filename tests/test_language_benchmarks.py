"""The benchmarks of language models: their baselines against sums over all symbols, and what they choose and show."""

from __future__ import annotations

import importlib.util
import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
TEXT = "the cat sat on the mat\nthe dog sat on the rug\n" * 3


def load(name):
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def curve():
    return load("language_curve")


@pytest.fixture(scope="module")
def logs():
    return load("log_anomalies")


@pytest.fixture(scope="module")
def generation():
    return load("generation")


class TestCurve:
    @pytest.mark.parametrize("context", ["the", " sa", "zzz", "dog"])
    def test_an_ngram_model_is_a_distribution(self, curve, context):
        alphabet = sorted({*TEXT, "z"})
        model = curve.KneserNey(TEXT, 4, len(alphabet))
        assert sum(model.probability(context, char) for char in alphabet) == pytest.approx(1)

    def test_the_lowest_order_counts_left_neighbours(self, curve):
        """Kneser and Ney's example: a word that follows one word alone is improbable elsewhere, however frequent."""
        model = curve.KneserNey("ab" * 50 + "cdedfdgd", 2, 7)
        assert model.levels[1].grams["b"] == 1 and model.levels[1].grams["d"] == 4
        assert model.probability("z", "d") > model.probability("z", "b")

    def test_bits_are_the_mean_over_the_text(self, curve):
        model = curve.KneserNey(TEXT, 3, 20)
        text = "the cat"
        chances = [model.probability(text[i - 2 : i], text[i]) for i in range(2, len(text))]
        assert model.bits(text) == pytest.approx(-np.mean(np.log2(chances)))

    def test_xz_packs_what_it_has_seen(self, curve):
        seen, held = curve.library("train", 30_000), curve.library("test", 8_000)
        assert curve.packed_bits(seen, seen) < 0.2 < 1 < curve.packed_bits(seen, held) < 8

    def test_smaller_texts_are_beginnings_of_larger_ones(self, curve):
        large = curve.library("train", 30_000)
        small = curve.cut(large, 10_000)
        assert sum(len(line) + 1 for line in small) == 10_000
        assert "\n".join(large).startswith("\n".join(small))

    def test_the_table_has_a_line_a_size(self, curve):
        one = {"characters": 30000, "lstm": 3.046, "passes": 5, "lstm_seconds": 9.6, "ngram": 2.9, "ngram_order": 5}
        assert curve.table([one | {"xz": 2.5}])[2] == "| 30,000 | 3.05 | 5 | 10 | 2.90 (5) | 2.50 |"


class TestLogs:
    def test_trigrams_are_a_distribution(self, logs):
        model = logs.Trigrams(["abc", "abd"])
        after = {char: model.bits(f"ab{char}")[2] for char in "abcd?"}
        end = model.bits("ab")[2]
        assert sum(2.0**-bits for bits in after.values()) + 2.0**-end == pytest.approx(1)
        assert after["c"] == after["d"] < after["a"] == after["?"]
        assert len(model.bits("abc")) == 4

    def test_the_statistic_is_chosen_on_the_development_lines(self, logs):
        labels = {
            "dev": np.array(["normal", "cut", "normal", "number"]),
            "test": np.array(["normal", "cut", "number", "normal"]),
        }
        dev = {"worse": np.array([3.0, 2, 1, 0]), "better": np.array([0.0, 2, 1, 3])}
        test = {"worse": np.array([0.0, 2, 3, 1]), "better": np.array([2.0, 3, 1, 0])}
        found = logs.judged(dev, test, labels)
        assert found["statistic"] == "better"
        assert found["roc_auc"] == 0.75 and found["average_precision"] == pytest.approx((1 + 2 / 3) / 2)
        assert found["kinds"] == {"cut": (1, 1), "number": (0, 1)}

    def test_statistics_are_those_of_the_bits(self, logs):
        found = logs.statistics([np.arange(1.0, 8.0), np.array([2.0])])
        values = {name: scores.tolist() for name, scores in found.items()}
        assert values == {"mean": [4, 2], "maximum": [7, 2], "mean of the 5 highest": [5, 2], "sum": [28, 2]}


class Countdown:
    """Writes three symbols a text."""

    def __init__(self):
        self.asked = Counter()

    def stream(self, prompt, sampling):
        self.asked[sampling.seed] += 1
        yield from "abc"


def test_generation_writes_on_where_a_text_ends(generation):
    model = Countdown()
    assert "".join(itertools.islice(generation.symbols(model, {}), 7)) == "abcabca"
    assert model.asked == {0: 1, 1: 1, 2: 1}
    found = generation.measure(model, "greedy", {"temperature": 0.0}, [100, 400])
    assert found["rate"] > 0 and list(found["places"]) == [100, 400]
    assert all(seconds > 0 for seconds in found["places"].values())


def test_generation_is_shown_in_microseconds(generation):
    lines = generation.table([{"way": "greedy", "rate": 2512.4, "places": {100: 4e-4, 1000: 4.1e-4}}])
    assert lines[0] == "| chosen by | symbols/s | at 100 | at 1,000 |"
    assert lines[2] == "| greedy | 2,512 | 400 µs | 410 µs |"
