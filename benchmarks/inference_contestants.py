"""Who takes part in `benchmarks/inference.py`, and the processes in which they answer."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import training_contestants
from peers.answering import Job

ROOT = Path(__file__).parents[1]
WEIGHTS = ("float32", "float16", "int8")


@dataclass(frozen=True)
class Contestant:
    """One line of the tables.

    Parameters
    ----------
    module : str
        Module of `peers` that answers.
    package : str
        What its interpreter must have installed.
    title : str
        What it computes, in short.
    weights : {"", "float32", "float16", "int8"}
        Which bundle of seqtag's it reads; empty for those that are trained by themselves.
    options : dict
        Handed to it.
    is_quick : bool
        Whether it tags all sentences of test one by one, for latency by length, or so many as ``--alone`` says.
    """

    module: str
    package: str
    title: str
    weights: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    is_quick: bool = False


CONTESTANTS = {
    **{
        f"seqtag-{weights}": Contestant(
            "seqtag_answers", "seqtag", f"`seqtag.load(RUN).predict`, {weights}", weights, is_quick=True
        )
        for weights in WEIGHTS
    },
    "keras-predict": Contestant(
        "keras_answers", "seqtag", "the same model, `keras.Model.predict`", "float32", {"by": "predict"}
    ),
    "keras-layers": Contestant(
        "keras_answers", "seqtag", "the network from `keras.layers`, `predict`", "float32", {"by": "layers"}
    ),
    "keras-padded": Contestant(
        "keras_answers", "seqtag", "the same, padded to 100 as in tutorials, `predict`", "float32", {"by": "padded"}
    ),
    "tf-function": Contestant(
        "keras_answers", "seqtag", "the same model, a traced `tf.function`", "float32", {"by": "function"}, True
    ),
    "torch-twin": Contestant(
        "torch_answers", "torch", "the same network and weights in torch", "float32", {"viterbi": "torch"}, True
    ),
    "torch-twin-numpy": Contestant(
        "torch_answers", "torch", "the same, seqtag's Viterbi in NumPy", "float32", {"viterbi": "numpy"}, True
    ),
    "flair": Contestant("flair_answers", "flair", "words, character BiLSTM, BiLSTM 200, CRF"),
    "spacy": Contestant("spacy_answers", "spacy", "quickstart for the CPU, no vectors"),
    "crfsuite": Contestant("crfsuite_answers", "sklearn-crfsuite", "hand-made features, CRF", is_quick=True),
}


class GoneError(RuntimeError):
    """A contestant's process has ended; the message is the last line that it wrote."""


class Errors:
    """Keeps what a process writes to its standard error, in a file, so that no pipe fills up."""

    def __init__(self) -> None:
        self.file = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - see close

    def last_line(self, status: int) -> str:
        """Return the last line, or with which status the process ended."""
        self.file.seek(0)
        return last_line(self.file.read(), status)

    def close(self) -> None:
        """Remove the file."""
        self.file.close()


class Process:
    """A contestant that answers orders.

    Parameters
    ----------
    python : str
        Its interpreter.
    contestant : Contestant
        Who it is.
    job : Job
        What it opens, on which cores.
    """

    def __init__(self, python: str, contestant: Contestant, job: Job) -> None:
        self._errors = Errors()
        self._process = subprocess.Popen(
            command(python, contestant, "serve", job),
            env=environment(contestant, len(job.cores)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors.file,
            text=True,
            encoding="utf-8",
        )

    def ask(self, order: str, *arguments: Any) -> Any:
        """Give an order of `peers.answering.Desk` and return its reply.

        Raises
        ------
        GoneError
            If the process has ended.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps([order, *arguments]) + "\n")
            self._process.stdin.flush()
            reply = self._process.stdout.readline()
        except BrokenPipeError:
            reply = ""
        if not reply:
            raise GoneError(self._errors.last_line(self._process.wait()))
        return json.loads(reply)

    def close(self) -> None:
        """End the process."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process.terminate()
        self._process.wait()
        self._errors.close()


def command(python: str, contestant: Contestant, action: str, job: Job) -> list[str]:
    """Return what starts a contestant."""
    return [python, "-m", f"peers.{contestant.module}", action, json.dumps(asdict(job))]


def environment(contestant: Contestant, cores: int) -> dict[str, str]:
    """Return a contestant's environment: the threads that suit its library, and where the torch twin finds seqtag."""
    found = training_contestants.environment(contestant, cores)
    if contestant.weights:
        found["PYTHONPATH"] = os.pathsep.join([found["PYTHONPATH"], str(ROOT)])
    return found


def train(python: str, contestant: Contestant, job: Job) -> None:
    """Have a contestant train in the folder of its model, which is there when it is complete.

    Raises
    ------
    GoneError
        If it fails.
    """
    place = Path(job.model)
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as folder:
        fresh = Path(folder) / place.name
        fresh.mkdir()
        inside = Job(job.corpus, str(fresh), job.cores, job.options, job.seed)
        done = subprocess.run(
            command(python, contestant, "train", inside),
            env=environment(contestant, len(job.cores)),
            capture_output=True,
            text=True,
            errors="replace",
        )
        if done.returncode:
            raise GoneError(last_line(done.stderr, done.returncode))
        fresh.replace(place)


def last_line(errors: str, status: int) -> str:
    """Return the last line that a failed process wrote to its standard error."""
    lines = errors.strip().splitlines()
    return lines[-1] if lines else f"ended with status {status}"
