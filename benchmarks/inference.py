"""How fast a trained tagger answers, beside other tools, in one run on this machine: raw tokens in, tags out.

    python benchmarks/inference.py --quick                          some minutes on two cores
    python benchmarks/inference.py --rounds 5 --json out.json       medians of five interleaved rounds
    python benchmarks/inference.py --model runs/conll2000           a model that is there; otherwise one is trained
    python benchmarks/inference.py --peer-python peers/bin/python   an interpreter with torch, flair, spaCy ... in it
    python benchmarks/inference.py --only seqtag-int8,torch-twin    some contestants, and no large file
    python benchmarks/inference.py --slim                           also installs NumPy, ONNX Runtime and seqtag alone

Each contestant (`benchmarks/peers/`) keeps its model open in a process of its own and answers when it is asked, so that
the rounds are interleaved; on one core, pinned, and then on all. Only real tokens count. flair, spaCy and
sklearn-crfsuite are trained once, which `--cache` keeps. What is not installed is named as such
(``pip install -r benchmarks/requirements.txt``). The corpus is CoNLL-2000 where SEQTAG_DATA is set, otherwise the
Python library's source, which every machine has.

docs/latency.md tells what each contestant computes and how the figures are to be read.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import inference_tables as tables
from inference_commands import SENTENCE, seconds_to_output, slim_install, start_commands, tag_files
from inference_contestants import CONTESTANTS, Contestant, Process
from inference_models import Models, tell
from training_contestants import machine

READ = ("manifest.json", "vocabulary.json", "decoder.npz")  # what answering reads of a bundle beside the network
PAUSE = 0.3  # seconds after which no library's threads spin any more, waiting for work


def main() -> None:
    arguments = parse()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory() as folder:
        models = Models(arguments, Path(folder))
        models.prepare()
        bench = Bench(models)
        bench.measure()
        print("\n".join(report(bench)))
        if arguments.json:
            Path(arguments.json).write_text(json.dumps(bench.found(), indent=1), encoding="utf-8")
    if models.failed:
        sys.exit("failed: " + "; ".join(f"{name}: {error}" for name, error in models.failed.items()))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two rounds on a part of test, a smaller file")
    parser.add_argument("--rounds", type=int, help="how many rounds; 5, with --quick 2")
    parser.add_argument("--seconds", type=float, help="tagging together in a round, at least; 2, with --quick 0.5")
    parser.add_argument("--only", metavar="NAMES", help=f"separated by commas, of: {', '.join(CONTESTANTS)}")
    parser.add_argument("--model", metavar="RUN", help="a trained model; otherwise one is trained")
    parser.add_argument("--corpus", choices=["conll2000", "python"], help="what is tagged")
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)), help="how many cores; all")
    parser.add_argument(
        "--peer-python",
        action="append",
        default=[],
        metavar="[NAME=]PATH",
        help="an interpreter, of one contestant or of all that are not installed here",
    )
    parser.add_argument("--cache", metavar="DIR", help="keeps what was trained for a later run")
    parser.add_argument("--train-seconds", type=float, default=60.0, help="training of flair and spaCy; 60")
    parser.add_argument("--alone", type=int, help="sentences that all tag one by one; 200, with --quick 60")
    parser.add_argument("--file-tokens", type=int, help="tokens of the large file; 10,000,000, with --quick 300,000")
    parser.add_argument("--slim", action="store_true", help="also the slim install, from the package index")
    parser.add_argument("--json", metavar="FILE", help="write everything measured")
    arguments = parser.parse_args()
    quick = {"rounds": 2, "seconds": 0.5, "alone": 60, "file_tokens": 300_000}
    full = {"rounds": 5, "seconds": 2.0, "alone": 200, "file_tokens": 10_000_000}
    for name, value in (quick if arguments.quick else full).items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    arguments.corpus = arguments.corpus or ("conll2000" if os.environ.get("SEQTAG_DATA") else "python")
    names = arguments.only.split(",") if arguments.only else list(CONTESTANTS)
    if unknown := [name for name in names if name not in CONTESTANTS]:
        parser.error(f"--only takes names of {', '.join(CONTESTANTS)}; got {', '.join(unknown)}")
    if not 1 <= arguments.cores <= len(os.sched_getaffinity(0)):
        parser.error(f"--cores must be between 1 and {len(os.sched_getaffinity(0))}; got {arguments.cores}")
    for name in ("rounds", "alone"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name} must be at least 1; got {getattr(arguments, name)}")
    if arguments.slim and tables.FLOAT not in names:
        parser.error(f"--slim needs {tables.FLOAT} among --only; got {', '.join(names)}")
    if arguments.model and not (Path(arguments.model) / "manifest.json").is_file():
        parser.error(f"--model must be the folder of a trained model; got {arguments.model}")
    arguments.names = [name for name in CONTESTANTS if name in names]
    return arguments


class Bench:
    """One run: the processes, and what they found.

    Parameters
    ----------
    models : Models
        Prepared.
    """

    def __init__(self, models: Models) -> None:
        self.models = models
        self.arguments = models.arguments
        self.test = models.corpus["test"]
        self.results: dict[int, dict[str, tables.Measured]] = {}
        self.facts: dict[str, dict[str, Any]] = {}
        self.cold: dict[str, list[float]] = {}
        self.file: list[dict[str, float]] = []
        self.slim: dict[str, Any] = {}

    def measure(self) -> None:
        """Run the rounds on one core and on all, then what is run once."""
        for cores in sorted({1, len(self.models.cores)}):
            self.rounds(self.models.cores[:cores])
        self.judge()
        self.starts()
        if not self.arguments.only:
            self.large_file()
        if self.arguments.slim:
            tell("the slim install")
            run = self.models.places.get(tables.INT) or self.models.places[tables.FLOAT]
            self.slim = slim_install(run, self.models.folder, self.arguments.rounds)

    def rounds(self, cores: list[int]) -> None:
        """Keep all contestants open and ask one after the other, round by round."""
        found = self.results[len(cores)] = {}
        with ExitStack() as stack:
            open_ones = {}
            for name in self.models.running():
                process = open_ones[name] = self.process(name, cores)
                stack.callback(process.close)
                with self.models.noting(name):
                    process.ask("warm")
                    seen = process.ask("tags")
                    found[name] = tables.Measured(seen["rate"], [], [])
                    self.facts.setdefault(name, {})["predicted"] = seen["tags"]
            for turn in range(self.arguments.rounds):
                for name in self.models.running():
                    with self.models.noting(name):
                        self.round(open_ones[name], name, found[name])
                tell(f"{len(cores)} of {len(self.models.cores)} cores, round {turn + 1} of {self.arguments.rounds}")
            for name in self.models.running():
                with self.models.noting(name):
                    found[name].memory = open_ones[name].ask("memory")
        for name in set(found) - set(self.models.running()):
            del found[name]

    def process(self, name: str, cores: list[int]) -> Process:
        """Start a contestant's process."""
        return Process(self.models.pythons[name], CONTESTANTS[name], self.models.job(name, cores))

    def round(self, process: Process, name: str, found: tables.Measured) -> None:
        """Take one contestant's turn."""
        together = process.ask("many", self.arguments.seconds)
        found.rates.append(together["tokens"] / together["seconds"])
        n = len(self.test[0]) if CONTESTANTS[name].is_quick else self.arguments.alone
        found.alone.append(process.ask("one", n))
        tell(f"{name}: {found.rates[-1]:,.0f} tokens/s, {found.latency(self.arguments.alone):.2f} ms")
        time.sleep(PAUSE)

    def judge(self) -> None:
        """Score what the contestants tagged, and note memory and size."""
        from seqtag import metrics
        from seqtag.data import schemes

        gold = self.test[1]
        scheme = schemes.detect(self.models.corpus["train"][1])
        own = self.facts.get(tables.FLOAT, {}).get("predicted")
        for name in self.models.running():
            facts = self.facts[name]
            predicted = facts.pop("predicted") if name != tables.FLOAT else facts["predicted"]
            if list(map(len, predicted)) != list(map(len, gold)):
                self.models.fail(name, ValueError("it returned another number of tags than there are tokens"))
                continue
            facts["score"] = metrics.score(gold, predicted, scheme)
            if own is not None:
                facts["same"] = share_of_same(own, predicted)
            facts["memory"] = max(on[name].memory for on in self.results.values() if name in on)
            facts["size"], facts["network"] = sizes(Path(self.models.places[name]), CONTESTANTS[name])
        self.facts.get(tables.FLOAT, {}).pop("predicted", None)

    def starts(self) -> None:
        """Time cold starts, interleaved: the commands, and each contestant until it has tagged a sentence."""
        commands = {
            f"{start}, {CONTESTANTS[name].weights}": command
            for name in self.models.running()
            if CONTESTANTS[name].module == "seqtag_answers"
            for start, command in start_commands(sys.executable, str(Path(self.models.places[name]).resolve())).items()
        }
        for turn in range(self.arguments.rounds + 1):  # the first turn only fills the disk cache
            for name, command in commands.items():
                if name in self.models.failed:
                    continue
                with self.models.noting(name):
                    taken = seconds_to_output(command, os.environ, str(self.models.folder))
                    self.cold.setdefault(name, []).extend([taken] * bool(turn))
            for name in self.models.running():
                with self.models.noting(name):
                    self.facts[name].setdefault("cold", []).extend([self.start(name)] * bool(turn))
            tell(f"cold starts, turn {turn + 1} of {self.arguments.rounds + 1}")

    def start(self, name: str) -> float:
        """Return the seconds from the start of a contestant's process to the tags of a sentence."""
        began = time.perf_counter()
        process = self.process(name, self.models.cores)
        try:
            process.ask("first", SENTENCE.split())
            return time.perf_counter() - began
        finally:
            process.close()

    def large_file(self) -> None:
        """Tag a file, and one ten times as large: the memory should be the same."""
        largest = self.arguments.file_tokens
        tell(f"files of up to {largest:,} tokens")
        with self.models.noting("a large file"):
            run = self.models.places[tables.FLOAT]
            self.file = tag_files(run, [largest // 10, largest], self.models.folder)

    def found(self) -> dict[str, Any]:
        """Return everything measured, for a file."""
        return {
            "machine": machine(len(self.models.cores)),
            "versions": self.models.versions,
            "arguments": vars(self.arguments),
            "lengths": list(map(len, self.test[0])),
            "results": {
                cores: {name: asdict(one) for name, one in found.items()} for cores, found in self.results.items()
            },
            "facts": self.facts,
            "cold": self.cold,
            "file": self.file,
            "slim": self.slim,
            "absent": self.models.absent,
        }


def sizes(path: Path, contestant: Contestant) -> tuple[float, float | None]:
    """Return the size of the files that a contestant answers from, and of seqtag's network alone, in 10^6 bytes."""
    if not contestant.weights:
        return megabytes(*(file for file in path.rglob("*") if file.is_file())), None
    network = path / ("model.onnx" if contestant.module == "seqtag_answers" else "weights.npz")
    return megabytes(*(path / name for name in READ), network), megabytes(network)


def megabytes(*files: Path) -> float:
    """Return the size of files together, in 10^6 bytes."""
    return sum(file.stat().st_size for file in files) / 1e6


def share_of_same(one: list[list[str]], other: list[list[str]]) -> float:
    """Return the share of tokens that two contestants gave the same tag."""
    pairs = [a == b for row, beside in zip(one, other, strict=True) for a, b in zip(row, beside, strict=True)]
    return sum(pairs) / len(pairs)


def report(bench: Bench) -> list[str]:
    """Lay everything out as Markdown."""
    arguments, results, n = bench.arguments, bench.results, bench.arguments.alone
    about = machine(len(bench.models.cores))
    versions: dict[str, str] = {}
    for found in bench.models.versions.values():
        versions = {**found, **versions}
    lengths = list(map(len, bench.test[0]))
    ran = [name for name in arguments.names if name in bench.models.running()]
    quick = [name for name in ran if CONTESTANTS[name].is_quick]
    parts = [
        tables.bulk_table({name: CONTESTANTS[name].title for name in arguments.names}, results, bench.models.absent),
        tables.latency_table(ran, results, n),
        tables.length_table(quick, results[1], lengths),
        tables.start_table(ran, bench.facts),
        tables.cold_table(bench.cold) if bench.cold else [],
        tables.ratio_table(results, n),
        tables.weights_table(bench.facts, results, n),
        tables.other_table(bench.slim, bench.file),
    ]
    head = [
        f"{about['processor']}, {about['used']} of {about['cores']} cores; "
        + ", ".join(f"{name} {version}" for name, version in versions.items()),
        "",
        f"Test part of {arguments.corpus}: {len(lengths):,} sentences, {sum(lengths):,} tokens. Rounds: "
        f"{arguments.rounds}. One by one: {n} sentences.",
    ]
    return head + [line for part in parts if part for line in ("", *part)]


if __name__ == "__main__":
    main()
