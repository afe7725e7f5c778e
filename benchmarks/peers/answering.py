"""What every contestant of `benchmarks/inference.py` shares: it opens a trained model and answers orders, one a line.

An order is a line of JSON on standard input, its reply a line of JSON on standard output; so the rounds of several
contestants can be interleaved, while each keeps its model open in a process of its own. It stands on the standard
library alone, since a contestant's interpreter need not know seqtag.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from peers.protocol import Sentences

WARM_UP, WARM_UP_ALONE = 300, 30  # sentences of train, none of test: tagged together, and one by one


@dataclass(frozen=True)
class Job:
    """What a contestant is asked to do.

    Parameters
    ----------
    corpus : str
        A JSON file with words and tags of ``train`` and ``test``.
    model : str
        Folder of its trained model: a bundle of seqtag, or what its own `train` wrote.
    cores : list of int
        The cores to run on, with as many threads.
    options : dict
        The contestant's own settings.
    seed : int
        Seeds what is drawn in training.
    """

    corpus: str
    model: str
    cores: list[int]
    options: dict[str, Any] = field(default_factory=dict)
    seed: int = 0

    def load_corpus(self) -> dict[str, tuple[Sentences, Sentences]]:
        """Return words and tags of ``train`` and ``test``."""
        with open(self.corpus, encoding="utf-8") as file:
            return {split: (words, tags) for split, (words, tags) in json.load(file).items()}


@dataclass(frozen=True)
class Answering:
    """An open model.

    Parameters
    ----------
    many : callable
        The tags of many sentences, in the way in which its library is fastest.
    one : callable
        The tags of one sentence, in the way in which its library answers soonest.
    prepare : callable
        Called once with sentences before anything is timed, to trace graphs and choose the fastest batches.
    """

    many: Callable[[Sentences], Sentences]
    one: Callable[[list[str]], list[str]]
    prepare: Callable[[Sentences], None] = lambda sentences: None


class Desk:
    """Carries orders out.

    Parameters
    ----------
    job : Job
        Says which corpus; it is read when an order first needs it, so that a cold start does not pay for it.
    answering : Answering
        The model.
    """

    def __init__(self, job: Job, answering: Answering) -> None:
        self._job = job
        self._answering = answering

    @cached_property
    def _corpus(self) -> dict[str, tuple[Sentences, Sentences]]:
        return self._job.load_corpus()

    def first(self, sentence: list[str]) -> list[str]:
        """Return the tags of one sentence."""
        return self._answering.one(sentence)

    def warm(self) -> bool:
        """Let the contestant prepare itself, and tag some of train both ways."""
        words = self._corpus["train"][0][:WARM_UP]
        self._answering.prepare(words)
        self._answering.many(words)
        for sentence in words[:WARM_UP_ALONE]:
            self._answering.one(sentence)
        return True

    def tags(self) -> dict[str, Any]:
        """Return the tags of test, which the contestant sees for the first time, and real tokens a second."""
        words = self._corpus["test"][0]
        began = time.perf_counter()
        found = self._answering.many(words)
        return {"tags": found, "rate": sum(map(len, words)) / (time.perf_counter() - began)}

    def many(self, seconds: float) -> dict[str, float]:
        """Tag test again and again for so many seconds, at least once; return real tokens and the time they took."""
        words = self._corpus["test"][0]
        tokens, passes, began = sum(map(len, words)), 0, time.perf_counter()
        while True:
            self._answering.many(words)
            passes += 1
            taken = time.perf_counter() - began
            if taken >= seconds:
                return {"tokens": tokens * passes, "seconds": taken}

    def one(self, sentences: int) -> list[float]:
        """Return the milliseconds that each of the first sentences of test takes alone."""
        found = []
        for sentence in self._corpus["test"][0][:sentences]:
            began = time.perf_counter()
            self._answering.one(sentence)
            found.append(1000 * (time.perf_counter() - began))
        return found

    def memory(self) -> float:
        """Return the most memory that the process has held, in 10^6 bytes."""
        return peak_memory(os.getpid())


def peak_memory(process: int) -> float:
    """Return the most memory that a process has held, in 10^6 bytes.

    Linux counts it for each program anew, whereas ``ru_maxrss`` begins with what the process held that started it.
    """
    path = Path(f"/proc/{process}/status")
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    if process != os.getpid():
        return float("nan")
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def answers(orders: Iterator[str], desk: Desk) -> Iterator[str]:
    """Yield the reply to each order: ``[name, argument, ...]`` in, what the desk returns out."""
    for line in orders:
        name, *arguments = json.loads(line)
        yield json.dumps(getattr(desk, name)(*arguments))


def main(open_model: Callable[[Job], Answering], train: Callable[[Job], None] | None = None) -> None:
    """Train, or open a model and answer, pinned to its cores before any library starts its threads."""
    # What libraries print must not come between the replies.
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    action, job = sys.argv[1], Job(**json.loads(sys.argv[2]))
    os.sched_setaffinity(0, job.cores)
    if action == "train":
        if train is None:
            raise ValueError("this contestant is not trained; it reads a model of seqtag")
        train(job)
        return
    desk = Desk(job, open_model(job))
    for reply in answers(iter(sys.stdin.readline, ""), desk):
        replies.write(reply + "\n")
        replies.flush()
