"""What every contestant's process shares: the job that comes in, the clock, the result that goes out.

It stands on the standard library alone, since a contestant's interpreter need not know seqtag.
"""

from __future__ import annotations

import json
import os
import pickle
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Result = dict[str, Any]
Sentences = list[list[str]]


@dataclass(frozen=True)
class Job:
    """What a contestant is asked to do.

    Parameters
    ----------
    corpus : str
        Path of the corpus, see `load_corpus`.
    batches : str
        Path of the encoded batches for those that take them, see `peers.encoding.export`; empty for the others.
    out : str
        Where the result goes.
    cores : list of int
        The cores to run on.
    mode : {"throughput", "score"}
        Train for ``seconds`` after a warm-up, or epoch by epoch, with predictions on dev after each.
    seconds : float
        How long to train: measured time of throughput, most time of all epochs of a learning curve.
    warmup_steps : int
        Steps before the clock starts.
    epochs : int
        Passes of a learning curve; the plan of the learning rate follows from it.
    seed : int
        Seeds what is drawn.
    options : dict
        The contestant's own settings.
    """

    corpus: str
    out: str
    cores: list[int]
    batches: str = ""
    mode: str = "throughput"
    seconds: float = 10.0
    warmup_steps: int = 10
    epochs: int = 8
    seed: int = 0
    options: dict[str, Any] = field(default_factory=dict)

    def load_corpus(self) -> dict[str, tuple[Sentences, Sentences]]:
        """Return words and tags of ``train`` and ``dev``."""
        with open(self.corpus, encoding="utf-8") as file:
            return {split: (words, tags) for split, (words, tags) in json.load(file).items()}

    def load_batches(self) -> dict[str, Any]:
        """Return what `peers.encoding.export` wrote in this run."""
        return pickle.loads(Path(self.batches).read_bytes())


class Meter:
    """Counts steps and real tokens; the clock starts when the warm-up is over.

    Parameters
    ----------
    warmup_steps : int
        Steps that are not timed, in which graphs are traced and caches filled.
    seconds : float
        How long to measure.
    """

    def __init__(self, warmup_steps: int, seconds: float) -> None:
        self._warmup = warmup_steps
        self._seconds = seconds
        self._began = self._last = self._busy_before = self._busy = 0.0
        self._seen = self._steps = self._tokens = 0
        self._losses: list[float] = []

    def step(self, tokens: int, loss: float, steps: int = 1) -> bool:
        """Count steps of so many real tokens in all; tell whether the time is over."""
        self._losses.append(loss)
        self._seen += steps
        self._last, self._busy = time.perf_counter(), time.process_time()
        if self._seen <= self._warmup:
            self._began, self._busy_before = self._last, self._busy
            return False
        self._steps += steps
        self._tokens += tokens
        return self._last - self._began >= self._seconds

    def skip(self) -> None:
        """Leave out what has passed since the last step, as an evaluation between two epochs."""
        self._began += time.perf_counter() - self._last
        self._busy_before += time.process_time() - self._busy

    def result(self) -> Result:
        """Return throughput and what it was taken from."""
        if not self._steps:
            raise RuntimeError(f"no step was measured: training ended within {self._warmup} steps of warm-up.")
        seconds = self._last - self._began
        return {
            "tokens_per_second": self._tokens / seconds,
            "tokens": self._tokens,
            "seconds": seconds,
            "processor_seconds": self._busy - self._busy_before,
            "steps": self._steps,
            "first_loss": self._losses[0],
            "last_loss": self._losses[-1],
        }


class Curve:
    """A learning curve: seconds of training (without the predictions in between) and predictions on dev."""

    def __init__(self, seconds: float) -> None:
        self._limit = seconds
        self._trained = 0.0
        self._points: list[Result] = []
        self._resumed = time.perf_counter()

    def resume(self) -> None:
        """Start the clock again."""
        self._resumed = time.perf_counter()

    def pause(self) -> float:
        """Stop the clock; return the seconds trained so far."""
        self._trained += time.perf_counter() - self._resumed
        return self._trained

    def add(self, **found: Any) -> bool:
        """Keep what was found after an epoch (``predicted`` tags or a ``score``); tell whether the time is over."""
        self._points.append({"seconds": self._trained, **found})
        return self._trained >= self._limit

    def result(self) -> Result:
        """Return the points."""
        return {"curve": self._points}


def shuffled(n: int, size: int, rng: random.Random) -> Iterator[list[int]]:
    """Yield batches of places, pass after pass, in an order that is drawn."""
    while True:
        yield from one_pass(n, size, rng)


def one_pass(n: int, size: int, rng: random.Random) -> list[list[int]]:
    """Return the batches of places of one pass."""
    order = list(range(n))
    rng.shuffle(order)
    return [order[i : i + size] for i in range(0, n, size)]


def spans_of(tags: list[str]) -> list[tuple[int, int, str]]:
    """Return the spans of IOB2 tags as (start, end, type), for tools that take spans in place of tags."""
    spans, start, kind = [], -1, ""
    for place, tag in enumerate([*tags, "O"]):
        prefix, _, label = tag.partition("-")
        if start >= 0 and (prefix != "I" or label != kind):
            spans.append((start, place, kind))
            start = -1
        if prefix == "B" or (prefix == "I" and start < 0):
            start, kind = place, label
    return spans


def tags_of(spans: list[tuple[int, int, str]], n: int) -> list[str]:
    """Return the IOB2 tags of spans in a sentence of n tokens."""
    tags = ["O"] * n
    for start, end, kind in spans:
        tags[start:end] = [f"B-{kind}"] + [f"I-{kind}"] * (end - start - 1)
    return tags


def writes_spans(tags: Sentences) -> bool:
    """Tell whether tags are of the form O, B-x and I-x, with O among them."""
    distinct = {tag for row in tags for tag in row}
    return "O" in distinct and all(tag == "O" or tag[:2] in ("B-", "I-") for tag in distinct)


def main(run: Callable[[Job], Result]) -> None:
    """Run the job named on the command line, pinned to its cores before any library starts its threads."""
    job = Job(**json.loads(sys.argv[1]))
    os.sched_setaffinity(0, job.cores)
    began = time.perf_counter()
    result = run(job)
    result["process_seconds"] = time.perf_counter() - began
    Path(job.out).write_text(json.dumps(result), encoding="utf-8")
