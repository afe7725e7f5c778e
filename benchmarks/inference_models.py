"""The corpus and the trained models of `benchmarks/inference.py`: read, trained once, written with fewer bits."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from inference_contestants import CONTESTANTS, ROOT, WEIGHTS, Contestant, GoneError, last_line, train
from peers.answering import Job
from peers.protocol import writes_spans
from training_contestants import interpreters, probe

CONFIG = ROOT / "configs" / "conll2000.yaml"
QUICK = 400  # sentences of test under --quick


class Models:
    """What takes part: the corpus, and a model of each contestant.

    Parameters
    ----------
    arguments : argparse.Namespace
        Those of the command.
    folder : Path
        For what is written on the way.
    """

    def __init__(self, arguments: argparse.Namespace, folder: Path) -> None:
        self.arguments = arguments
        self.folder = folder
        self.cores = sorted(os.sched_getaffinity(0))[: arguments.cores]
        self.pythons = interpreters(arguments.peer_python, arguments.names, CONTESTANTS, "--peer-python")
        self.versions = {path: probe(path) for path in {sys.executable, *self.pythons.values()}}
        self.places: dict[str, str] = {}
        self.absent: dict[str, str] = {}
        self.failed: dict[str, str] = {}

    def prepare(self) -> None:
        """Read the corpus, train what is not trained yet, write the bundles of fewer bits."""
        limit = QUICK if self.arguments.quick else None
        self.corpus = read(self.arguments.corpus)
        text = json.dumps(self.corpus)
        self.corpus["test"] = tuple(part[:limit] for part in self.corpus["test"])
        self.path = self.folder / "corpus.json"
        self.path.write_text(json.dumps(self.corpus), encoding="utf-8")
        self.cache = Path(self.arguments.cache or self.folder / "cache")
        self.digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        run = self.arguments.model or self.own_model()
        bundles = {"float32": run}
        wanted = {CONTESTANTS[name].weights for name in self.arguments.names}
        for weights in WEIGHTS[1:]:
            if weights in wanted:
                bundles |= self.exported(run, weights)
        for name in self.arguments.names:
            contestant = CONTESTANTS[name]
            if contestant.package not in self.versions[self.pythons[name]]:
                self.absent[name] = f"not installed ({contestant.package})"
            elif contestant.weights in bundles:
                self.places[name] = bundles[contestant.weights]
            elif not contestant.weights:
                self.train(name, contestant)

    def own_model(self) -> str:
        """Train the tagger that the README trains, if the cache has none."""
        place = self.cache / f"seqtag-{self.digest}"
        if not (place / "manifest.json").exists():
            tell("training the model")
            began = time.perf_counter()
            if self.arguments.corpus == "conll2000":
                command = [sys.executable, "-m", "seqtag", "train", str(CONFIG), "--set", f"output={place}"]
                done = subprocess.run(command, capture_output=True, text=True, errors="replace")
                if done.returncode:
                    sys.exit(f"the model could not be trained: {last_line(done.stderr, done.returncode)}")
            else:
                train_on(self.corpus["train"], place)
            tell(f"trained: {time.perf_counter() - began:.0f} s")
        return str(place)

    def exported(self, run: str, weights: str) -> dict[str, str]:
        """Return the folder of a model with fewer bits, by its weights; nothing where it cannot be written."""
        place = self.folder / weights
        command = [sys.executable, "-m", "seqtag", "export", run, "--format", "bundle", "--output", str(place)]
        done = subprocess.run(
            [*command, "--set", f"weights={weights}"], capture_output=True, text=True, errors="replace"
        )
        if done.returncode:
            for name in self.arguments.names:
                if CONTESTANTS[name].weights == weights:
                    self.absent[name] = f"skipped: no bundle of {weights}: {last_line(done.stderr, done.returncode)}"
                    tell(f"{name}: {self.absent[name]}")
            return {}
        return {weights: str(place)}

    def train(self, name: str, contestant: Contestant) -> None:
        """Train a contestant, if the cache has it not."""
        place = self.cache / f"{name}-{self.digest}"
        self.places[name] = str(place)
        if not place.exists():
            tell(f"training {name}")
            began = time.perf_counter()
            try:
                train(self.pythons[name], contestant, self.job(name, self.cores))
            except GoneError as error:
                self.fail(name, error)
            tell(f"{name}: trained, {time.perf_counter() - began:.0f} s")

    def job(self, name: str, cores: list[int]) -> Job:
        """Return what a contestant is asked to do."""
        spans = writes_spans(self.corpus["train"][1])
        options = CONTESTANTS[name].options | {"seconds": self.arguments.train_seconds, "spans": spans}
        return Job(str(self.path), self.places[name], cores, options)

    def running(self) -> list[str]:
        """Return the names of those that take part and have not failed."""
        return [name for name in self.places if name not in self.failed]

    def fail(self, name: str, error: Exception) -> None:
        """Note that a contestant failed; the others go on."""
        self.failed[name] = self.absent[name] = f"failed: {error}"
        tell(f"{name}: failed: {error}")

    @contextmanager
    def noting(self, name: str) -> Iterator[None]:
        """Take note of a contestant that fails within it, so that the others go on."""
        try:
            yield
        except GoneError as error:
            self.fail(name, error)


def read(name: str) -> dict[str, Any]:
    """Return words and tags of ``train`` and ``test``."""
    from seqtag import datasets

    corpora = datasets.load_python_code() if name == "python" else datasets.load(name)
    return {
        split: ([list(s.tokens) for s in corpora[split] if len(s)], [list(s.labels) for s in corpora[split] if len(s)])
        for split in ("train", "test")
    }


def train_on(train: Any, place: Path) -> None:
    """Train seqtag's tagger as it comes and save it."""
    from seqtag import SequenceTagger

    SequenceTagger(random_state=0).fit(*train).save(place)


def tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
