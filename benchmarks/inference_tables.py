"""What `benchmarks/inference.py` makes of its measurements: medians, percentiles, ratios, tables in Markdown."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from training_tables import table

FLOAT, INT = "seqtag-float32", "seqtag-int8"
TORCH = ("torch-twin", "torch-twin-numpy")
LENGTHS = ((1, 9), (10, 19), (20, 29), (30, 39), (40, 10**9))
NONE = "–"


@dataclass(frozen=True)
class Target:
    """A ratio that is asked for: how many times as fast seqtag is as the fastest of some contestants."""

    over: tuple[str, ...]
    title: str
    float32: float | None
    int8: float | None

    def asked(self) -> str:
        """Word what is asked for."""
        bounds = (self.float32, self.int8)
        return " / ".join(NONE if bound is None else f"{bound:g}" for bound in bounds)


BULK = (
    Target(("keras-predict",), "`keras.Model.predict` of the same model", 10, 10),
    Target(("keras-layers",), "`keras.Model.predict` of the network from `keras.layers`", 10, 10),
    Target(("keras-padded",), "`keras.Model.predict` as tutorials call it, padded to 100", 10, 10),
    Target(TORCH, "the torch twin", 1.8, 1.8),
    Target(("spacy",), "spaCy", 8, 8),
    Target(("flair",), "flair", 12, 12),
    Target(("crfsuite",), "crfsuite", 3, 3),
    Target(("tf-function",), "a traced `tf.function`", None, None),
)
ALONE = (
    Target(("keras-predict",), "`keras.Model.predict` of the same model", 80, 150),
    Target(("keras-layers",), "`keras.Model.predict` of the network from `keras.layers`", 80, 150),
    Target(("keras-padded",), "`keras.Model.predict` as tutorials call it, padded to 100", 80, 150),
    Target(("crfsuite",), "crfsuite", None, 2),
    Target(TORCH, "the torch twin", None, None),
    Target(("tf-function",), "a traced `tf.function`", None, None),
    Target(("spacy",), "spaCy", None, None),
    Target(("flair",), "flair", None, None),
)
ASKED_ALONE = {FLOAT: 1.1, INT: 0.5}  # ms, median
ASKED_COLD = {"seqtag predict": 0.6, "python: seqtag.load": 0.45}  # s
ASKED_INT8 = {"size": 0.25, "speed": 1.5, "score": -0.1}
ASKED_SLIM, ASKED_MEMORY = 175, 400  # 10^6 bytes


@dataclass
class Measured:
    """What one contestant reached on some cores; a list has one entry a round.

    Parameters
    ----------
    first : float
        Real tokens a second when it tags test for the first time; in the rounds it has seen the words before.
    rates : list of float
        Real tokens a second, many sentences at a time.
    alone : list of list of float
        Milliseconds of each of the first sentences of test, one at a time.
    memory : float
        The most memory its process has held, in 10^6 bytes.
    """

    first: float
    rates: list[float]
    alone: list[list[float]]
    memory: float = math.nan

    @property
    def rate(self) -> float:
        """The median rate."""
        return statistics.median(self.rates)

    def latency(self, sentences: int | None = None) -> float:
        """Return the median over rounds and the first sentences, which are the same for all contestants."""
        return statistics.median([value for row in self.alone for value in row[:sentences]])


Results = Mapping[int, Mapping[str, Measured]]
"""By the number of cores and the contestant's name."""


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which a share of the values lies, interpolated between two neighbours."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def by_length(alone: Sequence[Sequence[float]], lengths: Sequence[int]) -> dict[tuple[int, int], list[float]]:
    """Sort the milliseconds of all rounds by the lengths of the sentences."""
    found: dict[tuple[int, int], list[float]] = {bounds: [] for bounds in LENGTHS}
    for row in alone:
        for taken, length in zip(row, lengths, strict=False):  # some contestants tag the first sentences alone
            found[next(bounds for bounds in LENGTHS if bounds[0] <= length <= bounds[1])].append(taken)
    return {bounds: values for bounds, values in found.items() if values}


def best_rate(results: Results, cores: int, names: Sequence[str]) -> float | None:
    """Return the rate of the fastest of some contestants; None where none ran."""
    return max((results[cores][name].rate for name in names if name in results[cores]), default=None)


def best_latency(results: Results, names: Sequence[str], sentences: int) -> float | None:
    """Return the latency of the soonest of some contestants, each on as many cores as suit it best."""
    found = [on[name].latency(sentences) for on in results.values() for name in names if name in on]
    return min(found, default=None)


def ratio_rows(results: Results, sentences: int) -> list[list[str]]:
    """Return the rows of the ratios."""
    rows = []
    for cores in sorted(results):
        for target in BULK:
            against = best_rate(results, cores, target.over)
            own = [best_rate(results, cores, [name]) for name in (FLOAT, INT)]
            cells = [NONE if not against or value is None else f"{value / against:.2f}" for value in own]
            plural = "s" if cores > 1 else ""
            rows.append([f"tokens/s on {cores} core{plural}, over {target.title}", *cells, target.asked()])
    for target in ALONE:
        against = best_latency(results, target.over, sentences)
        own = [best_latency(results, [name], sentences) for name in (FLOAT, INT)]
        cells = [NONE if not value or against is None else f"{against / value:.2f}" for value in own]
        rows.append([f"one sentence: {target.title} over seqtag", *cells, target.asked()])
    return rows


def ratio_table(results: Results, sentences: int) -> list[str]:
    """Lay out seqtag over the others."""
    rows = [row for row in ratio_rows(results, sentences) if row[1:3] != [NONE, NONE]]
    return table(["ratio", "float32", "int8", "asked: float32 / int8"], rows) if rows else []


def bulk_table(titles: Mapping[str, str], results: Results, absent: Mapping[str, str]) -> list[str]:
    """Lay out how many tokens a second each contestant tags; the absent say why."""
    rows = []
    for name, title in titles.items():
        cells = []
        for cores in sorted(results):
            one = results[cores].get(name)
            spread = NONE if one is None else f"{min(one.rates):,.0f}–{max(one.rates):,.0f}"
            cells += [NONE if one is None else f"{one.rate:,.0f}", spread]
        seen = results[1].get(name)
        cells.append(NONE if seen is None else f"{seen.first:,.0f}")
        if name in absent:
            cells[0] = absent[name]
        rows.append([f"{name}: {title}", *cells])
    head = ["contestant"]
    for cores in sorted(results):
        head += [f"tokens/s, {cores} core{'s' * (cores > 1)}", "lowest–highest"]
    return table([*head, "first pass, 1 core"], rows)


def latency_table(names: Sequence[str], results: Results, sentences: int) -> list[str]:
    """Lay out how long one sentence takes, over the sentences that all contestants tagged alone."""
    rows = []
    for name in names:
        cells = []
        for cores in sorted(results):
            one = results[cores].get(name)
            every = [] if one is None else [value for row in one.alone for value in row[:sentences]]
            cells += [f"{statistics.median(every):.2f}", f"{percentile(every, 0.99):.2f}"] if every else [NONE, NONE]
        rows.append([name, *cells, f"{ASKED_ALONE[name]:g}" if name in ASKED_ALONE else NONE])
    head = ["one sentence, ms"]
    for cores in sorted(results):
        head += [f"median, {cores} core{'s' * (cores > 1)}", "p99"]
    return table([*head, "asked: median"], rows)


def length_table(names: Sequence[str], on: Mapping[str, Measured], lengths: Sequence[int]) -> list[str]:
    """Lay out the latency of those that tag all of test one by one, by the length of the sentence."""
    found = {name: by_length(on[name].alone, lengths) for name in names if name in on}
    rows = []
    for low, high in LENGTHS:
        n = sum(low <= length <= high for length in lengths)
        cells = []
        for groups in found.values():
            taken = groups.get((low, high))
            cells.append(f"{statistics.median(taken):.2f} / {percentile(taken, 0.99):.2f}" if taken else NONE)
        rows.append([f"{low} and more" if high >= 10**9 else f"{low}–{high}", n, *cells])
    return table(["tokens", "sentences", *(f"{name}, ms: median / p99" for name in found)], rows)


def start_table(names: Sequence[str], facts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Lay out cold start, memory, size and score of each contestant."""
    rows = []
    for name in names:
        found = facts.get(name, {})
        cold, memory, size = found.get("cold"), found.get("memory"), found.get("size")
        score, same = found.get("score"), found.get("same")
        rows.append(
            [
                name,
                f"{statistics.median(cold):.2f}" if cold else NONE,
                f"{memory:.0f}" if memory else NONE,
                f"{size:.1f}" if size else NONE,
                f"{100 * score:.2f}" if score is not None else NONE,
                f"{same:.2%}" if same is not None else NONE,
            ]
        )
    head = ["contestant", "cold start, s", "peak memory, MB", "model, MB", "score on test", f"tags as {FLOAT}"]
    return table(head, rows)


def cold_table(found: Mapping[str, Sequence[float]]) -> list[str]:
    """Lay out how long commands take from their start to the first tags."""
    rows = [
        [name, f"{statistics.median(taken):.3f}", f"{min(taken):.3f}–{max(taken):.3f}", asked_cold(name)]
        for name, taken in found.items()
    ]
    return table(["from process start to tags", "median, s", "lowest–highest", "asked: under"], rows)


def asked_cold(name: str) -> str:
    """Return what is asked of a command, whichever weights it reads."""
    return next((f"{bound:g}" for start, bound in ASKED_COLD.items() if name.startswith(start)), NONE)


def weights_table(facts: Mapping[str, Mapping[str, Any]], results: Results, sentences: int) -> list[str]:
    """Lay out size, speed and score of the weights side by side."""
    names = [name for name in (FLOAT, "seqtag-float16", INT) if "score" in facts.get(name, {}) and name in results[1]]
    if not names:
        return []
    rows: list[list[Any]] = []
    sizes = [facts[name]["size"] for name in names]
    rates = [results[1][name].rate for name in names]
    alone = [results[1][name].latency(sentences) for name in names]
    scores = [100 * facts[name]["score"] for name in names]
    rows.append(["files that answering reads, MB", *(f"{size:.2f}" for size in sizes)])
    rows.append(["size over the first's", *(f"{size / sizes[0]:.3f}" for size in sizes)])
    networks = [facts[name]["network"] for name in names]
    rows.append(["of which the network, MB", *(f"{size:.2f}" for size in networks)])
    rows.append(["network over the first's", *(f"{size / networks[0]:.3f}" for size in networks)])
    rows.append(["tokens/s, one core", *(f"{rate:,.0f}" for rate in rates)])
    rows.append(["speed over the first's", *(f"{rate / rates[0]:.2f}" for rate in rates)])
    rows.append(["one sentence, one core, median ms", *(f"{value:.3f}" for value in alone)])
    rows.append(["score on test", *(f"{score:.2f}" for score in scores)])
    rows.append(["score less the first's", *(f"{score - scores[0]:+.2f}" for score in scores)])
    asked = {"size over": f"at most {ASKED_INT8['size']}", "speed over": f"at least {ASKED_INT8['speed']}"}
    asked["score less"] = f"at least {ASKED_INT8['score']}"
    for row in rows:
        row.append(next((bound for start, bound in asked.items() if row[0].startswith(start)), NONE))
    return table(["", *(name.removeprefix("seqtag-") for name in names), "asked of int8"], rows)


def other_table(slim: Mapping[str, Any], file: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lay out the slim install and the memory while a file is tagged; nothing where neither was measured."""
    rows: list[list[str]] = []
    if "error" in slim:
        rows.append(["the slim install", f"failed: {slim['error']}", NONE])
    elif slim:
        rows.append(["the slim install, MB on disk", f"{slim['size']:.0f}", f"under {ASKED_SLIM}"])
        rows.append(["  of which seqtag, MB", f"{slim['seqtag']:.1f}", NONE])
        for name, taken in slim["cold"].items():
            rows.append([f"  {name}, from process start to tags, s", f"{taken:.3f}", asked_cold(name)])
        for name, error in slim["failed"].items():
            rows.append([f"  {name}", f"does not run: {error}", NONE])
    for found in file:
        title = f"peak memory while tagging {found['tokens']:,} tokens from a file, MB"
        rate = found["tokens"] / found["seconds"]
        rows.append([title, f"{found['peak_mb']:.0f} ({rate:,.0f} tokens/s)", f"under {ASKED_MEMORY}"])
    return table(["", "measured", "asked"], rows) if rows else []
