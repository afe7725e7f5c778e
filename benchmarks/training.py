"""How fast seqtag trains, beside other tools, in one run on this machine.

    python benchmarks/training.py --quick                    under 10 minutes on two cores
    python benchmarks/training.py --rounds 5 --json out.json medians of five interleaved rounds
    python benchmarks/training.py --time-to-score            also learning curves, and seconds to a dev F1 of 93
    python benchmarks/training.py --python peers/bin/python  an interpreter with torch, flair, spaCy ... in it
    python benchmarks/training.py --only seqtag-same,torch-twin

Each contestant (`benchmarks/peers/`) runs in a process of its own, pinned to the same cores, one after the other, and
the rounds are interleaved. It gets the same words and tags and trains for so many seconds after a warm-up; only real
tokens count. What is not installed is named as such (``pip install -r benchmarks/requirements.txt``). The corpus is
CoNLL-2000 where SEQTAG_DATA is set, otherwise the Python library's source, which every machine has.

docs/speed.md tells what each contestant computes and how the figures are to be read.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import training_tables as tables
from peers.protocol import Job
from training_contestants import (
    CONTESTANTS,
    FLOOR,
    LEARNERS,
    PARTS,
    Contestant,
    environment,
    interpreters,
    machine,
    probe,
)

CONFIG_FOLDER = Path(__file__).parents[1] / "configs"
CONFIGS = {"conll2000": "conll2000", "ewt": "ewt_pos"}
DEV_SENTENCES = 300  # scored after a measurement, to see that what was timed learns


def main() -> None:
    arguments = parse()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(arguments, Path(folder))
        bench.prepare()
        bench.measure()
        print("\n".join(report(bench)))
        if arguments.json:
            Path(arguments.json).write_text(json.dumps(bench.found(), indent=1), encoding="utf-8")
    if bench.failed():
        sys.exit(f"failed: {', '.join(bench.failed())}; see above")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few steps, most contestants once")
    parser.add_argument("--rounds", type=int, help="how many rounds; 3, with --quick 2")
    parser.add_argument("--seconds", type=float, help="measured seconds of each; 30, with --quick 8")
    parser.add_argument("--only", metavar="NAMES", help=f"separated by commas, of: {', '.join(CONTESTANTS)}")
    parser.add_argument("--corpus", choices=[*CONFIGS, "python"], help="what is trained on")
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)), help="how many cores; all")
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="[NAME=]PATH",
        help="an interpreter, of one contestant or of all that are not installed here",
    )
    parser.add_argument(
        "--time-to-score", type=float, nargs="?", const=93.0, metavar="PERCENT", help="train to a dev score; 93"
    )
    parser.add_argument(
        "--limit", type=float, default=900.0, metavar="SECONDS", help="training time of a learning curve, at most"
    )
    parser.add_argument("--json", metavar="FILE", help="write everything measured")
    arguments = parser.parse_args()
    arguments.rounds = arguments.rounds or (2 if arguments.quick else 3)
    arguments.seconds = arguments.seconds or (8.0 if arguments.quick else 30.0)
    arguments.corpus = arguments.corpus or ("conll2000" if os.environ.get("SEQTAG_DATA") else "python")
    wanted = [name for name, contestant in CONTESTANTS.items() if contestant.in_quick or not arguments.quick]
    names = arguments.only.split(",") if arguments.only else wanted
    if unknown := [name for name in names if name not in CONTESTANTS]:
        parser.error(f"--only takes names of {', '.join(CONTESTANTS)}; got {', '.join(unknown)}")
    if not 1 <= arguments.cores <= len(os.sched_getaffinity(0)):
        parser.error(f"--cores must be between 1 and {len(os.sched_getaffinity(0))}; got {arguments.cores}")
    arguments.names = [name for name in CONTESTANTS if name in names]
    return arguments


class Bench:
    """One run: the corpus, the processes, and what they found."""

    def __init__(self, arguments: argparse.Namespace, folder: Path) -> None:
        self.arguments = arguments
        self.folder = folder
        self.cores = sorted(os.sched_getaffinity(0))[: arguments.cores]
        self.pythons = interpreters(arguments.python, arguments.names)
        self.versions = {path: probe(path) for path in {sys.executable, *self.pythons.values()}}
        self.results: dict[str, list[dict[str, Any]]] = {}
        self.floors: list[dict[str, Any]] = []
        self.parts: dict[str, Any] = {}
        self.curves: dict[str, list[dict[str, float]]] = {}
        self.absent: dict[str, str] = {}
        self.epochs = 8
        self.width = 0

    def prepare(self) -> None:
        """Read the corpus and write it, with the encoded batches, for the contestants."""
        from peers import encoding

        from seqtag.training.schedule import auto_epochs

        self.corpus = read(self.arguments.corpus)
        short = self.corpus | {"dev": tuple(part[:DEV_SENTENCES] for part in self.corpus["dev"])}
        for name, corpus in (("full", self.corpus), ("short", short)):
            (self.folder / f"{name}.json").write_text(json.dumps(corpus), encoding="utf-8")
        self.epochs = auto_epochs(sum(map(len, self.corpus["train"][0])))
        encoded = encoding.encode(short)
        specs = [feature.spec for feature in encoded.features]
        self.width = sum(spec.filters if spec.kind == "chars" else spec.width * spec.dim for spec in specs)
        wanted = {CONTESTANTS[name].batches for name in self.arguments.names}
        if "buckets" in wanted:
            encoding.export(encoded, self.folder / "buckets.pickle", passes=1, seed=0)
        if "tens" in wanted:
            encoding.export(encoded, self.folder / "tens.pickle", passes=1, seed=0, batch_size=10)
        if self.arguments.time_to_score and "torch-twin" in self.arguments.names:
            encoded = encoding.encode(self.corpus)
            encoding.export(encoded, self.folder / "curve.pickle", passes=self.epochs, seed=0)

    def measure(self) -> None:
        """Run the rounds, then what is run once."""
        for turn in range(self.arguments.rounds):
            for cores in sorted({1, len(self.cores)}):
                self.floors.append(self.floor(self.cores[:cores]))
            for name in self.arguments.names:
                contestant = CONTESTANTS[name]
                if turn and self.arguments.quick and not contestant.every_round:
                    continue
                if self.is_installed(name):
                    self.results.setdefault(name, []).append(self.throughput(name, contestant))
        own = {contestant.module for name, contestant in CONTESTANTS.items() if name in self.arguments.names}
        if "seqtag_tagger" in own:
            self.parts = self.run("parts", PARTS, corpus="full")
        if self.arguments.time_to_score:
            for name in LEARNERS:
                if name in self.arguments.names and self.is_installed(name):
                    self.learn(name)

    def is_installed(self, name: str) -> bool:
        """Tell whether a contestant's package is there; note it where it is not."""
        package = CONTESTANTS[name].package
        if package in self.versions[self.pythons[name]]:
            return True
        self.absent[name] = f"not installed ({package})"
        return False

    def floor(self, cores: list[int]) -> dict[str, Any]:
        """Measure the matrix products, one process a core at the same time; the rates are added up."""
        seconds = min(4.0, self.arguments.seconds)
        with ThreadPoolExecutor(len(cores)) as pool:
            found = list(pool.map(lambda core: self.run(f"gemm-{core}", FLOOR, cores=[core], seconds=seconds), cores))
        if errors := [one["error"] for one in found if "error" in one]:
            sys.exit(f"the matrix products could not be measured: {errors[0]}")
        shapes = found[0]["rates"]
        rates = {
            shape: {library: sum(one["rates"][shape][library] for one in found) for library in libraries}
            for shape, libraries in shapes.items()
        }
        return {"cores": len(cores), "rates": rates}

    def throughput(self, name: str, contestant: Contestant) -> dict[str, Any]:
        """Run one contestant once and score what it predicts."""
        batches = self.folder / f"{contestant.batches}.pickle" if contestant.batches else ""
        result = self.run(name, contestant, batches=str(batches))
        if "predicted" in result:
            gold = self.corpus["dev"][1][:DEV_SENTENCES]
            result["score"] = self.score(gold, result.pop("predicted"))
            tell(f"{name}: {result['tokens_per_second']:,.0f} real tokens/s, dev {result['score']:.3f}")
        return result

    def learn(self, name: str) -> None:
        """Take one learning curve."""
        batches = str(self.folder / "curve.pickle") if CONTESTANTS[name].batches else ""
        options = {"mode": "score", "epochs": self.epochs, "seconds": self.arguments.limit}
        result = self.run(name, CONTESTANTS[name], corpus="full", batches=batches, **options)
        if "error" in result:
            self.results.setdefault(name, []).append(result)
            return
        gold = self.corpus["dev"][1]
        self.curves[name] = [
            {
                "seconds": point["seconds"],
                "score": point["score"] if "score" in point else self.score(gold, point["predicted"]),
            }
            for point in result["curve"]
        ]

    def score(self, gold: Any, predicted: Any) -> float:
        """Return span F1 as conlleval counts, or accuracy where tags write no spans."""
        from seqtag import metrics
        from seqtag.data import schemes

        return metrics.score(gold, predicted, schemes.detect(self.corpus["train"][1]))

    def run(self, name: str, contestant: Contestant, *, corpus: str = "short", **changes: Any) -> dict[str, Any]:
        """Run one process; what went wrong is in ``error``."""
        cores = self.cores[:1] if contestant.one_core else self.cores
        out = self.folder / f"{name}.out.json"
        out.unlink(missing_ok=True)
        settings = {"cores": cores, "seconds": self.arguments.seconds, "options": contestant.options} | changes
        job = Job(corpus=str(self.folder / f"{corpus}.json"), out=str(out), **settings)
        python = self.pythons.get(name, sys.executable)
        began = time.perf_counter()
        done = subprocess.run(
            [python, "-m", f"peers.{contestant.module}", json.dumps(asdict(job))],
            env=environment(contestant, len(job.cores)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        tell(f"{name}: {time.perf_counter() - began:.0f} s")
        if done.returncode or not out.exists():
            tell(done.stderr)
            lines = done.stderr.strip().splitlines()
            return {"error": lines[-1] if lines else f"ended with status {done.returncode}"}
        return json.loads(out.read_text(encoding="utf-8"))

    def failed(self) -> list[str]:
        """Return the names of what did not run to its end."""
        found = [name for name, results in self.results.items() if any("error" in result for result in results)]
        return found + ["parts"] * ("error" in self.parts)

    def found(self) -> dict[str, Any]:
        """Return everything measured, for a file."""
        return {
            "machine": machine(len(self.cores)),
            "versions": self.versions,
            "arguments": vars(self.arguments),
            "width": self.width,
            "results": self.results,
            "absent": self.absent,
            "floors": self.floors,
            "parts": self.parts,
            "curves": self.curves,
        }


def read(name: str) -> dict[str, tuple[list[list[str]], list[list[str]]]]:
    """Return words and tags of ``train`` and ``dev``."""
    from seqtag import datasets, experiment
    from seqtag.config import load_config

    if name == "python":
        corpora = datasets.load_python_code()
    else:
        config = load_config(CONFIG_FOLDER / f"{CONFIGS[name]}.yaml", [])
        corpora = experiment.read_corpora(config.data, config.task)
    return {
        split: ([list(s.tokens) for s in corpora[split] if len(s)], [list(s.labels) for s in corpora[split] if len(s)])
        for split in ("train", "dev")
    }


def report(bench: Bench) -> list[str]:
    """Lay everything out as Markdown."""
    from peers.gemm import LARGE

    arguments = bench.arguments
    about = machine(len(bench.cores))
    versions: Mapping[str, str] = {}
    for found in bench.versions.values():
        versions = {**found, **versions}
    speed = tables.speeds(bench.results)
    titles = {name: CONTESTANTS[name].title for name in arguments.names}
    evaluation = padded = None
    if bench.parts and "error" not in bench.parts:
        evaluation = bench.parts["evaluation_seconds"] / bench.parts["epoch_seconds"]
        padded = bench.parts["padded_share"]
    sentences, tokens = len(bench.corpus["train"][0]), sum(map(len, bench.corpus["train"][0]))
    lines = [
        f"{about['processor']}, {about['used']} of {about['cores']} cores; "
        + ", ".join(f"{name} {version}" for name, version in versions.items()),
        "",
        f"Corpus {arguments.corpus}: {sentences:,} sentences, {tokens:,} tokens. Rounds: {arguments.rounds}; "
        f"{arguments.seconds:g} s measured in each.",
        "",
        *tables.throughput_table(titles, bench.results, bench.absent),
        "",
        *tables.ratio_table(speed),
        "",
        f"The floor: products {LARGE}, of the faster library. The recurrent layer reads {bench.width} numbers a token, "
        f"which cost {tables.recurrent_flops(bench.width) / 1e6:.2f} MFLOP.",
        "",
        *tables.floor_table(speed, bench.floors, LARGE, bench.width),
        "",
        *tables.shapes_table(bench.floors),
        "",
        *tables.scaling_table(speed, padded, evaluation),
    ]
    if padded is not None:
        lines += ["", *tables.parts_table(bench.parts)]
    if bench.curves:
        lines += ["", *tables.curve_table(bench.curves, arguments.time_to_score / 100)]
    return lines


def tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
