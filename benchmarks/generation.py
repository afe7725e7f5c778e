"""How fast a language model writes: what docs/language_models.md shows.

    python benchmarks/generation.py                      a hardly trained network of 10,000 words
    python benchmarks/generation.py --model runs/ptb     a trained one
    python benchmarks/generation.py --places 100 1000    fewer places, a shorter run

One text is written by `LanguagePredictor.stream`, by one thread, a symbol at a time. For each way to choose the table
shows symbols a second over the whole text, and the median time of one symbol around the 100th, 1,000th and 10,000th: it
does not grow, since the state is kept and nothing is read again. Reading the prompt and the first symbols are left out.

Without ``--model`` the network is as large as a trained one, and its weights are what one pass over a list of words
made of the initial ones: what it writes means nothing, the time of a symbol is the same. So that texts become as long
as is asked for, its texts are pieces of one text (``continuous``); those of a trained model may end before, and then
another begins.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

WAYS: dict[str, dict[str, Any]] = {
    "greedy": {"temperature": 0.0},
    "temperature 1": {},
    "top_k=40": {"top_k": 40},
    "top_p=0.9": {"top_p": 0.9},
}
PLACES = (100, 1_000, 10_000)
AROUND = 100  # symbols around a place, whose median is taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", metavar="RUN", help="a trained model, instead of one made for this")
    parser.add_argument("--places", nargs="+", type=int, default=PLACES, help="where the time of a symbol is taken")
    parser.add_argument("--words", type=int, default=10_000, help="vocabulary of the model made for this")
    parser.add_argument("--units", type=int, default=400, help="width of it")
    parser.add_argument("--json", metavar="FILE", help="write what each way gave")
    arguments = parser.parse_args()
    if min(arguments.places) < AROUND:
        parser.error(f"--places must be {AROUND} or more each; got {min(arguments.places)}")
    model = opened(arguments.model, arguments.words, arguments.units)
    results = [measure(model, way, options, sorted(arguments.places)) for way, options in WAYS.items()]
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(f"{described(model)}; {processor()}\n")
    print("\n".join(table(results)))


def opened(path: str | None, words: int, units: int) -> Any:
    """Open a saved model with one thread, or make one of so many words and units."""
    import tempfile

    from seqtag import LanguageModel, LanguagePredictor

    if path:
        return LanguagePredictor.load(path, threads=1)
    texts = [" ".join(f"w{i}" for i in range(words - 2))]
    model = LanguageModel(
        units=units, min_count=1, continuous=True, epochs=1, batch_sequences=64, steps=35, validation_fraction=0.0,
        random_state=0, learning_rate=1e-3,
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="seqtag-generation-") as folder:
        model.fit(texts).save(f"{folder}/model")
        return LanguagePredictor.load(f"{folder}/model", threads=1)


def measure(model: Any, way: str, options: dict[str, Any], places: Sequence[int]) -> dict[str, Any]:
    """Write a text, and return symbols a second and the seconds of a symbol at each place."""
    times = [time.perf_counter()]
    for _ in itertools.islice(symbols(model, options), places[-1] + AROUND // 2 + 1):
        times.append(time.perf_counter())
    taken = [after - before for before, after in itertools.pairwise(times)][1:]
    half = AROUND // 2
    return {
        "way": way,
        "rate": len(taken) / sum(taken),
        "places": {place: statistics.median(taken[place - half : place + half]) for place in places},
    }


def symbols(model: Any, options: dict[str, Any]) -> Iterator[str]:
    """Yield symbols for ever; where a text ends, another begins."""
    from seqtag.language import Sampling

    for seed in itertools.count():
        yield from model.stream("", Sampling(max_symbols=10**9, seed=seed, **options))


def table(results: Sequence[dict[str, Any]]) -> list[str]:
    """Return the results as lines of a Markdown table."""
    places = list(results[0]["places"])
    lines = [
        f"| chosen by | symbols/s | {' | '.join(f'at {place:,}' for place in places)} |",
        f"| --- | ---: |{' ---: |' * len(places)}",
    ]
    for one in results:
        cells = " | ".join(f"{1e6 * seconds:.0f} µs" for seconds in one["places"].values())
        lines.append(f"| {one['way']} | {one['rate']:,.0f} | {cells} |")
    return lines


def described(model: Any) -> str:
    """Return what was measured."""
    params = model.manifest["params"]
    return f"{params['cell']}, {params['layers']} layer(s) of {params['units']} units, {len(model.symbols):,} symbols"


def processor() -> str:
    """Return the machine's processor as it calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return f"{platform.machine()}, {os.cpu_count()} cores"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {len(names) or os.cpu_count()} cores"


if __name__ == "__main__":
    main()
