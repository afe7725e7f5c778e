"""What `benchmarks/training.py` makes of its measurements: floors, ratios, tables in Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SAME, AS_IT_COMES = "seqtag-same", "seqtag"
UNITS = 200


@dataclass(frozen=True)
class Target:
    """A ratio to reach: seqtag's real tokens a second over the fastest of some contestants."""

    over: tuple[str, ...]
    title: str
    at_least: float


TARGETS = (
    Target(("keras-tutorial",), "Keras as tutorials write it, padded to 100", 6.0),
    Target(("keras-network",), "the same network from `keras.layers` under `fit`, same buckets", 2.0),
    Target(("keras-layers",), "itself with Keras's LSTM, embeddings and Adam under `fit`", 2.0),
    Target(("torch-twin", "torch-twin-sparse"), "the torch twin", 1.8),
    Target(("flair",), "flair", 10.0),
    Target(("spacy",), "spaCy", 4.0),
    Target(("ncrfpp-like",), "NCRF++-like", 4.0),
)
TWO_CORES_OVER_ONE = 1.7
FLOOR_SHARES = {1: 0.55, 2: 0.48}
MOST_PADDING = 0.10


def recurrent_flops(width: int, units: int = UNITS, directions: int = 2) -> int:
    """Return the floating-point operations a token of a recurrent LSTM layer, forward and backward.

    A product of (1, D + H) with (D + H, 4 H) is 2 (D + H) 4 H of them in each direction; the backward pass has two
    such products, the gradients of inputs and of weights. Gates and biases are not counted.
    """
    return 3 * 2 * directions * (width + units) * 4 * units


def floor_share(tokens_per_second: float, width: int, flops_per_second: float) -> float:
    """Return the share of the floor that real tokens a second stand for."""
    return tokens_per_second * recurrent_flops(width) / flops_per_second


def median(values: Sequence[float]) -> float | None:
    """Return the median, None of nothing."""
    return statistics.median(values) if values else None


def speeds(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, float]:
    """Return the median real tokens a second of each contestant that ran."""
    rates = {
        name: [r["tokens_per_second"] for r in found if "tokens_per_second" in r] for name, found in results.items()
    }
    return {name: statistics.median(found) for name, found in rates.items() if found}


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Lay rows out as Markdown; all columns but the first are aligned to the right."""
    lines = [f"| {' | '.join(head)} |", f"| --- |{' ---: |' * (len(head) - 1)}"]
    return lines + [f"| {' | '.join(map(str, row))} |" for row in rows]


def judged(value: float | None, bound: float, form: str, *, at_most: bool = False) -> str:
    """Word a value and whether it keeps its bound."""
    if value is None:
        return "–"
    kept = value <= bound if at_most else value >= bound
    return f"{form.format(value)} ({'met' if kept else 'missed'})"


def floor_rates(floors: Sequence[Mapping[str, Any]], shape: str) -> dict[int, float]:
    """Return the operations a second of a shape by the number of cores: medians over rounds of the faster library.

    Each entry of ``floors`` has ``cores`` and ``rates``, by shape and library, summed over processes.
    """
    found: dict[int, list[float]] = {}
    for floor in floors:
        found.setdefault(floor["cores"], []).append(max(floor["rates"][shape].values()))
    return {cores: statistics.median(rates) for cores, rates in sorted(found.items())}


def throughput_table(
    titles: Mapping[str, str], results: Mapping[str, Sequence[Mapping[str, Any]]], absent: Mapping[str, str]
) -> list[str]:
    """Lay out what each contestant trained; the absent say why."""
    rows = []
    for name, title in titles.items():
        good = [r for r in results.get(name, ()) if "tokens_per_second" in r]
        if not good:
            failed = next((r["error"] for r in results.get(name, ())), None)
            rows.append([f"{name}: {title}", absent.get(name) or f"failed: {failed}", *["–"] * 5])
            continue
        rates = [r["tokens_per_second"] for r in good]
        spread = f"{min(rates):,.0f}–{max(rates):,.0f}" if len(rates) > 1 else "–"
        last = good[-1]
        padded = f"{last['padded_share']:.1%}" if "padded_share" in last else "–"
        losses = f"{last['first_loss']:.3g} → {last['last_loss']:.3g}"
        rows.append([f"{name}: {title}", f"{statistics.median(rates):,.0f}", spread, len(rates), padded, losses])
        rows[-1].append(f"{100 * last['score']:.1f} after {last['tokens']:,}")
    head = ["contestant", "real tokens/s", "lowest–highest", "rounds", "padded", "loss", "dev score after tokens"]
    return table(head, rows)


def ratio_table(speed: Mapping[str, float]) -> list[str]:
    """Lay out seqtag over the others, for the same computation and as it comes."""
    rows = []
    for target in TARGETS:
        against = max((speed[name] for name in target.over if name in speed), default=None)
        cells = [
            judged(speed[own] / against if against and own in speed else None, target.at_least, "{:.2f}")
            for own in (SAME, AS_IT_COMES)
        ]
        rows.append([f"over {target.title}", *cells, f"{target.at_least:g}"])
    return table(["real tokens/s of seqtag", "without neighbouring words", "as it comes", "at least"], rows)


def floor_table(speed: Mapping[str, float], floors: Sequence[Mapping[str, Any]], shape: str, width: int) -> list[str]:
    """Lay out the floor of one core and of all, and seqtag's share of it."""
    rows = []
    for cores, rate in floor_rates(floors, shape).items():
        one = "-1core" if cores == 1 else ""
        shares = [
            floor_share(speed[name + one], width, rate) if name + one in speed else None for name in (SAME, AS_IT_COMES)
        ]
        bound = FLOOR_SHARES.get(cores, FLOOR_SHARES[2])
        cells = [judged(share, bound, "{:.1%}") for share in shares]
        rows.append([cores, f"{rate / 1e9:.1f}", f"{rate / recurrent_flops(width):,.0f}", *cells, f"{bound:.0%}"])
    head = [
        "cores",
        "GFLOP/s",
        "real tokens/s at the floor",
        "share, without neighbouring words",
        "as it comes",
        "at least",
    ]
    return table(head, rows)


def shapes_table(floors: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lay out the rate of each shape and library, in GFLOP/s."""
    rows = []
    for cores in sorted({floor["cores"] for floor in floors}):
        own = [floor["rates"] for floor in floors if floor["cores"] == cores]
        for shape, libraries in own[0].items():
            rates = [statistics.median(rates[shape][library] for rates in own) / 1e9 for library in libraries]
            rows.append([f"{shape}, {cores} core{'s' * (cores > 1)}", *(f"{rate:.1f}" for rate in rates)])
    return table(["product", *next(iter(floors[0]["rates"].values()))], rows)


def scaling_table(speed: Mapping[str, float], padded: float | None, evaluation: float | None) -> list[str]:
    """Lay out what else is asked of seqtag: the second core, padding, the evaluation."""
    one, two = speed.get(f"{SAME}-1core"), speed.get(SAME)
    more = two / one if one and two else None
    replicas = speed.get("seqtag-replicas")
    over = f"{replicas / two:.2f}" if replicas and two else "–"
    return table(
        ["", "measured", "bound"],
        [
            ["all cores over one", judged(more, TWO_CORES_OVER_ONE, "{:.2f}"), f"at least {TWO_CORES_OVER_ONE}"],
            ["a replica of one thread a core, over one process", over, "–"],
            [
                "padded share of a batch",
                judged(padded, MOST_PADDING, "{:.1%}", at_most=True),
                f"under {MOST_PADDING:.0%}",
            ],
            ["evaluation over an epoch's training", judged(evaluation, 0.1, "{:.1%}", at_most=True), "under 10%"],
        ],
    )


def parts_table(found: Mapping[str, Any]) -> list[str]:
    """Lay out where the time goes, for a thousand real tokens; what the parts leave over is named as such."""
    parts = dict(found["milliseconds"])
    graph, whole = parts.pop("the step's graph"), found["whole"]
    outside = {name: parts.pop(name) for name in ("batches made and prefetched", "averaged weights")}
    rest = graph - sum(parts.values())
    shown = parts | {"the rest of the step's graph": rest} | outside
    shown["Keras's loop and callbacks"] = whole - graph - sum(outside.values())
    rows = [[name, f"{value:.2f}", f"{value / whole:.1%}"] for name, value in shown.items()]
    return table(["part of a step", "ms a 1,000 tokens", "share"], [*rows, ["`fit` in whole", f"{whole:.2f}", "100%"]])


def reached(curve: Sequence[Mapping[str, float]], score: float) -> float | None:
    """Return after how many seconds of training a learning curve reaches a score, None if it does not."""
    return next((point["seconds"] for point in curve if point["score"] >= score), None)


def curve_table(curves: Mapping[str, Sequence[Mapping[str, float]]], score: float) -> list[str]:
    """Lay out seconds to a dev score, and the learning curve epoch by epoch."""
    rows = []
    for name, curve in curves.items():
        seconds = reached(curve, score)
        best = max(point["score"] for point in curve)
        points = ", ".join(f"{point['seconds']:.0f} s {100 * point['score']:.1f}" for point in curve)
        rows.append([name, f"{seconds:.0f}" if seconds is not None else "not reached", f"{100 * best:.2f}", points])
    return table(["contestant", f"seconds to {100 * score:g}", "best", "epoch by epoch"], rows)
