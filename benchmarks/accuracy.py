"""Scores on public corpora, from words alone, by seeds: what the README's table comes from.

    python benchmarks/accuracy.py                      every row, three seeds
    python benchmarks/accuracy.py conll2000 --seeds 1  one row, one seed
    python benchmarks/accuracy.py ud_english_ewt --set units=128 --dev-only

Choices are made on dev (``--dev-only`` never reads test); test is read once, at the end. The time is the wall time of
``fit``: encoding, building, tracing, training, dev scoring, export.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from typing import Any

ROWS: dict[str, dict[str, Any]] = {
    "conll2000": {"dataset": "conll2000"},
    "conll2000_quick": {"dataset": "conll2000", "units": 128, "epochs": 5},
    "ud_english_ewt": {"dataset": "ud_english_ewt"},
    "ud_korean_gsd": {"dataset": "ud_korean_gsd"},
    "wnut17": {"dataset": "wnut17"},
    "python_code": {"dataset": "python_code", "tokens": 120_000, "units": 128, "epochs": 4},  # configs/demo.yaml
}
DATASET_OPTIONS = ("tokens",)


def main() -> None:
    arguments = parse()
    if arguments.worker:
        print(json.dumps(run(arguments.rows[0], arguments.seeds, settings(arguments.set), arguments.dev_only)))
        return
    print("row                 dev            test           fit s   tokens/s  epochs  seeds")
    for row in arguments.rows or ROWS:
        results = []
        for seed in range(arguments.seeds):
            results.append(worker(row, seed, arguments))
            print(f"{row} seed {seed}: {json.dumps(results[-1])}", file=sys.stderr, flush=True)
        print(line(row, results), flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"which rows, all if none is named: {', '.join(ROWS)}")
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the tagger")
    parser.add_argument("--dev-only", action="store_true", help="do not read the test set")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    for row in arguments.rows:
        if row not in ROWS:
            parser.error(f"ROW must be one of {', '.join(ROWS)}; got {row!r}")
    return arguments


def settings(pairs: list[str]) -> dict[str, Any]:
    """Read NAME=VALUE pairs, the values as JSON where they are."""
    out = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        try:
            out[name] = json.loads(value)
        except json.JSONDecodeError:
            out[name] = value
    return out


def worker(row: str, seed: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run one seed in a process of its own, so that every run starts alike."""
    command = [sys.executable, __file__, row, "--worker", "--seeds", str(seed)]
    command += [f"--set={pair}" for pair in arguments.set] + ["--dev-only"] * arguments.dev_only
    threads = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": str(len(os.sched_getaffinity(0)))}
    environment = {"TF_CPP_MIN_LOG_LEVEL": "2", **threads, **os.environ}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def run(row: str, seed: int, changes: dict[str, Any], dev_only: bool) -> dict[str, Any]:
    """Train once and score."""
    from seqtag import SequenceTagger, datasets

    choices = ROWS[row] | changes
    options = {name: choices.pop(name) for name in DATASET_OPTIONS if name in choices}
    corpora = datasets.load(choices.pop("dataset"), options)
    train, dev = (corpora["train"], corpora["dev"]) if "dev" in corpora else corpora["train"].split(0.1)
    began = time.perf_counter()
    tagger = SequenceTagger(random_state=seed, **choices).fit(train, validation_data=dev)
    seconds = time.perf_counter() - began
    history = tagger.history_
    return {
        "dev": tagger.score(dev),
        "test": None if dev_only else tagger.score(corpora["test"]),
        "seconds": seconds,
        "speed": statistics.median(history["tokens_per_second"]),
        "epochs": len(history["loss"]),
    }


def line(row: str, results: list[dict[str, Any]]) -> str:
    """Lay one row out: means and standard deviations of the scores, in percent."""
    columns = [spread([r[split] for r in results]) for split in ("dev", "test")]
    seconds = statistics.mean(r["seconds"] for r in results)
    speed = statistics.median(r["speed"] for r in results)
    return (
        f"{row:<18}  {columns[0]:<13}  {columns[1]:<13}  {seconds:>5.0f}  {speed:>9,.0f}"
        f"  {results[0]['epochs']:>6}  {len(results):>5}"
    )


def spread(scores: list[float | None]) -> str:
    known = [100 * score for score in scores if score is not None]
    if not known:
        return "not read"
    return f"{statistics.mean(known):.2f} ± {statistics.stdev(known) if len(known) > 1 else 0:.2f}"


if __name__ == "__main__":
    main()
