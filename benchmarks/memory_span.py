"""How far back SimpleRNN, GRU and LSTM carry information: what docs/memory.md shows.

    python benchmarks/memory_span.py                                  everything, three seeds
    python benchmarks/memory_span.py --quick                          a look, one seed
    python benchmarks/memory_span.py --tasks adding --lags 20 40 --cells lstm simple_rnn
    python benchmarks/memory_span.py --tune                           dev scores by learning rate, from another seed

The tasks are those of `seqtag.datasets.make_memory`; only what lies ``lag`` steps back tells the answer. Networks read
forward only, so that nothing but the state carries it. They are trained in two ways: on sequences of one lag alone, a
network a lag; or on sequences of all lags, one network that is tested at each of them.

The memory span is the greatest lag up to which the mean accuracy over the seeds stays above halfway between what a
network without memory reaches and 1.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FLOORS = {"recall": 1 / 4, "adding": 3 / 4, "copy": 1 / 4}
"""What a network without memory reaches: a guess among four symbols; in adding, whoever has seen only the later of the
two values, which may stand near the end, is right three times out of four."""
TRAININGS = ("alone", "mixed")
TITLES = {"alone": "trained on this lag alone", "mixed": "trained on all lags at once"}
LAGS = (10, 20, 40, 80, 160)

PARAMETERS = 5000
"""Of the recurrent layer, at most. Networks have equal weights, not equal units: with equal units a GRU would have
three times and an LSTM four times the weights of a simple RNN, and what they remember could be put down to that."""
EMBEDDING = 16  # width of a symbol's vector
FRAME = 2  # width of a frame of adding

BATCH = 64  # sequences
COLOURS = 128  # of a PNG
OPEN_FOR = 200  # steps


@dataclass(frozen=True)
class Network:
    """One line of a table: a cell, and the peak learning rate by training, chosen on dev (docs/memory.md).

    ``opened`` is whether the gates begin open, see `open_gates`.
    """

    title: str
    cell: str
    rates: Mapping[str, float]
    opened: bool = False


NETWORKS = {
    "simple_rnn": Network("SimpleRNN (tanh)", "simple_rnn", {"alone": 1e-3, "mixed": 3e-3}),
    "simple_rnn_relu": Network("SimpleRNN (ReLU)", "simple_rnn_relu", {"alone": 3e-3, "mixed": 3e-3}),
    "gru": Network("GRU", "gru", {"alone": 1e-2, "mixed": 1e-2}),
    "lstm": Network("LSTM", "lstm", {"alone": 1e-2, "mixed": 1e-2}),
    "gru_open": Network("GRU, gates open", "gru", {"alone": 1e-2, "mixed": 1e-2}, opened=True),
    "lstm_open": Network("LSTM, gates open", "lstm", {"alone": 1e-2, "mixed": 1e-2}, opened=True),
}
RATES = (1e-3, 3e-3, 1e-2)
TUNING_SEED = 1000


@dataclass(frozen=True)
class Size:
    """How long to train, at most: ``steps`` of 64 sequences in ``epochs`` passes, and how much to score on."""

    steps: Mapping[str, int] = field(default_factory=lambda: {"alone": 800, "mixed": 1600})
    epochs: int = 8
    dev: int = 256
    test: int = 500  # of each lag


QUICK = Size({"alone": 300, "mixed": 600}, epochs=3, test=250)


@dataclass(frozen=True)
class Job:
    """What one process does: one network at all lags, seed by seed."""

    training: str
    task: str
    network: str
    lags: tuple[int, ...]
    seeds: tuple[int, ...]
    rate: float


# --- jobs -----------------------------------------------------------------------------------------------------


def main() -> None:
    arguments = parse()
    size = QUICK if arguments.quick else Size()
    if arguments.worker:
        job = Job(**json.loads(arguments.worker))
        print(json.dumps([run(job, seed, size) for seed in job.seeds]))
        return
    results = read(arguments.results) if arguments.results else measure(arguments)
    print(*(tuning_table(results) if arguments.tune else tables(results)), sep="\n")
    if arguments.output:
        write_picture(results, arguments.output)


def measure(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Do all jobs, and write after each of them what there is so far."""
    results = []
    todo = list(jobs(arguments))
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for done, found in enumerate(pool.map(lambda job: worker(job, arguments.quick), todo), 1):
            results += found
            job = found[0]
            print(f"{done}/{len(todo)} {job['training']} {job['task']} {job['network']}", file=sys.stderr, flush=True)
            if arguments.json:
                Path(arguments.json).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return results


def read(paths: Iterable[str]) -> list[dict[str, Any]]:
    """Return the results that ``--json`` wrote."""
    return [result for path in paths for result in json.loads(Path(path).read_text(encoding="utf-8"))]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one seed, three lags, fewer steps")
    parser.add_argument("--trainings", nargs="+", choices=TRAININGS, default=TRAININGS, help="on which lags to train")
    parser.add_argument("--tasks", nargs="+", choices=tuple(FLOORS), help="which tasks")
    parser.add_argument("--lags", nargs="+", type=int, metavar="STEPS", help="how far back; ascending")
    parser.add_argument("--cells", nargs="+", choices=tuple(NETWORKS), default=tuple(NETWORKS), help="which networks")
    parser.add_argument("--seeds", type=int, help="how many seeds")
    parser.add_argument("--tune", action="store_true", help="try the learning rates on dev instead, at one seed")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="processes at a time")
    parser.add_argument("--json", metavar="FILE", help="write what each run gave")
    parser.add_argument("--results", nargs="+", metavar="FILE", help="train nothing; show what --json wrote")
    parser.add_argument("--output", metavar="FILE", help="write the picture, .png, .svg or .pdf")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.lags = tuple(arguments.lags or ((10, 40, 160) if arguments.quick else LAGS))
    arguments.seeds = arguments.seeds or (1 if arguments.quick else 3)
    if list(arguments.lags) != sorted(set(arguments.lags)):
        parser.error(f"--lags must ascend; got {arguments.lags}")
    return arguments


def jobs(arguments: argparse.Namespace) -> Iterable[Job]:
    """Return what is to be run."""
    for training in arguments.trainings:
        for task in arguments.tasks or tasks_of(training):
            for name in arguments.cells:
                seeds = (TUNING_SEED,) if arguments.tune else tuple(range(arguments.seeds))
                for rate in RATES if arguments.tune else (NETWORKS[name].rates[training],):
                    yield Job(training, task, name, arguments.lags, seeds, rate)


def tasks_of(training: str) -> tuple[str, ...]:
    """Return the tasks that say something: copying one long lag alone takes all networks more steps than there are."""
    return tuple(task for task in FLOORS if task != "copy" or training == "mixed")


def worker(job: Job, quick: bool) -> list[dict[str, Any]]:
    """Do a job in a process of its own, so that every job starts alike."""
    command = [sys.executable, __file__, "--worker", json.dumps(asdict(job)), *["--quick"] * quick]
    # A network that reads one way has one loop, which a second thread does not help.
    threads = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    environment = os.environ | threads | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


# --- one job --------------------------------------------------------------------------------------------------


def run(job: Job, seed: int, size: Size) -> dict[str, Any]:
    """Train and score with one seed: accuracies by lag on dev and on test, and the passes over the data by lag."""
    found: dict[str, dict[int, float]] = {"dev": {}, "test": {}, "epochs": {}}
    for lags in [job.lags] if job.training == "mixed" else [(lag,) for lag in job.lags]:
        estimator, corpora = train(job, seed, tuple(lags), size)
        for lag in lags:
            for split in ("dev", "test"):
                found[split][lag] = accuracy(estimator, job.task, corpora[lag][split])
            found["epochs"][lag] = len(estimator.history_["loss"]) if estimator is not None else 0
    names = ("training", "task", "network", "rate")
    return {name: getattr(job, name) for name in names} | {"seed": seed, "units": units_of(job), **found}


def train(job: Job, seed: int, lags: tuple[int, ...], size: Size) -> tuple[Any, dict[int, Any]]:
    """Train one network; return it, or None if it diverged, and the corpora by lag."""
    from seqtag import SequenceClassifier, SequenceTagger
    from seqtag.data.corpus import Corpus
    from seqtag.errors import TrainingError

    each = size.steps[job.training] * BATCH // size.epochs // len(lags)
    corpora = {lag: draw(job.task, lag, seed, each, size) for lag in lags}
    joined = {
        split: Corpus(tuple(s for lag in lags for s in corpora[lag][split]), f"{job.task} {split}")
        for split in ("train", "dev")
    }
    if len(lags) > 1:  # scored after each pass: so many in all
        joined["dev"] = joined["dev"][:: len(lags)]
    longest = max(map(len, joined["train"]))
    options = parameters(job, size.epochs, longest) | {"random_state": seed}
    estimator = SequenceTagger(**options) if job.task == "copy" else SequenceClassifier(**options)
    try:
        estimator.fit(joined["train"], validation_data=joined["dev"], callbacks=callbacks(job, seed))
    except TrainingError:
        return None, corpora
    return estimator, corpora


def draw(task: str, lag: int, seed: int, sequences: int, size: Size) -> dict[str, Any]:
    """Draw the corpora of one lag; dev and test are a quarter of train at most, and no larger than they need to be."""
    from seqtag.datasets import make_memory

    corpora = make_memory(task=task, lag=lag, sequences=sequences, random_state=seed)
    return corpora | {"dev": corpora["dev"][: size.dev], "test": corpora["test"][: size.test]}


def parameters(job: Job, epochs: int, longest: int) -> dict[str, Any]:
    """Return the estimator's parameters."""
    options: dict[str, Any] = {
        # Symbols have no parts that would tell anything: no affixes, no characters.
        "encoders": ["frames"] if job.task == "adding" else [{"words": None, "dim": EMBEDDING}],
        "cell": NETWORKS[job.network].cell,
        "units": units_of(job),
        "bidirectional": False,
        "dropout": 0.0,  # what is dropped would have to be remembered
        "epochs": epochs,
        "batch_tokens": BATCH * longest,
        "batch_sequences": BATCH,
        "learning_rate": job.rate,
        "warmup_steps": 50,
        "clip_norm": 1.0,  # of the estimators' 5, a simple RNN's exploding gradients would be too much
        "averaging": 0.0,  # runs are short, and a mean of weights would lag behind
        "neighbour_weight": 0.0,  # another task, of short memory
        "patience": 0,  # a long plateau comes before the fall
    }
    own = {"decoder": "softmax", "scheme": "none"} if job.task == "copy" else {"pooling": "last", "calibrate": False}
    return options | own


def units_of(job: Job) -> int:
    """Return the most units with which the recurrent layer has no more than `PARAMETERS` weights."""
    inputs = FRAME if job.task == "adding" else EMBEDDING
    cell = NETWORKS[job.network].cell
    return max(units for units in range(1, PARAMETERS) if weights_of(cell, units, inputs) <= PARAMETERS)


def weights_of(cell: str, units: int, inputs: int) -> int:
    """Return the number of weights of a layer of H units over D inputs: U, W and b of each gate.

    Keras's GRU has two biases a gate, one inside the reset.
    """
    from seqtag.choices.cells import CELLS

    biases = 2 if cell == "gru" else 1
    return len(CELLS[cell].gates) * units * (inputs + units + biases)


def accuracy(estimator: Any, task: str, corpus: Any) -> float:
    """Return the share of right answers, of a tagger at the "?" alone; that without memory if training diverged."""
    if estimator is None:
        return FLOORS[task]
    predicted = estimator.predict(corpus)
    if task != "copy":
        return statistics.fmean(found == sequence.label for found, sequence in zip(predicted, corpus, strict=True))
    return statistics.fmean(
        found == label
        for labels, sequence in zip(predicted, corpus, strict=True)
        for token, found, label in zip(sequence.tokens, labels, sequence.labels, strict=True)
        if token == "?"
    )


def callbacks(job: Job, seed: int) -> list[Any]:
    """Return what opens the gates, if they are to be, and what stops a run that has nothing left to learn."""
    import keras

    class Opened(keras.callbacks.Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            bias = self.model.get_layer("recurrent_0").ways["forward"].cell.bias
            bias.assign(open_gates(bias.numpy(), NETWORKS[job.network].cell, OPEN_FOR, seed))

    class Stopped(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.model.stop_training = logs["score"] == 1.0

    return [Stopped(), *[Opened()] * NETWORKS[job.network].opened]


def open_gates(bias: Any, cell: str, steps: int, seed: int) -> Any:
    """Return biases with which units keep their state for 1 to ``steps`` steps (Tallec and Ollivier, 2018).

    With the usual biases an LSTM's forget gate begins at sigmoid(1) = 0.73, and a GRU's update gate at 0.5: what they
    keep of a step, and of its gradient, is 0.73^40 = 3e-6 or 0.5^40 = 1e-12 after 40 steps.

    Parameters
    ----------
    bias : ndarray, shape (4 H,) or (2, 3 H)
        Of Keras's LSTM (i, f, c, o) or GRU (z, r, h).
    cell : {"lstm", "gru"}
    steps : int
        The longest time.
    seed : int
        Draws the times.
    """
    import numpy as np

    bias = bias.copy()
    units = bias.shape[-1] // {"lstm": 4, "gru": 3}[cell]
    kept = np.log(np.random.default_rng(seed).uniform(1, steps - 1, units))  # sigmoid(log t) = t / (1 + t)
    if cell == "lstm":
        bias[:units], bias[units : 2 * units] = -kept, kept
    else:
        bias[0, :units] = kept
    return bias


# --- what comes out -------------------------------------------------------------------------------------------

Curves = dict[str, dict[int, list[float]]]
"""Accuracies of the seeds by network and lag."""


def curves(results: Iterable[dict[str, Any]], split: str = "test") -> dict[tuple[str, str], Curves]:
    """Sort results by training and task."""
    found: dict[tuple[str, str], Curves] = {}
    for result in results:
        lines = found.setdefault((result["training"], result["task"]), {})
        line = lines.setdefault(result["network"], {})
        for lag, value in result[split].items():
            line.setdefault(int(lag), []).append(value)
    return found


def memory_span(line: Mapping[int, list[float]], floor: float) -> int:
    """Return the greatest lag up to which all mean accuracies are above halfway between the floor and 1, or 0."""
    span = 0
    for lag in sorted(line):
        if statistics.fmean(line[lag]) <= (floor + 1) / 2:
            break
        span = lag
    return span


def tables(results: list[dict[str, Any]]) -> list[str]:
    """Lay all results out, as Markdown."""
    rows = []
    for (training, task), lines in curves(results).items():
        lags = sorted({lag for line in lines.values() for lag in line})
        rows += ["", f"**{task}, {TITLES[training]}** ({FLOORS[task]:.2f} without memory)", ""]
        rows += [f"| network | {' | '.join(map(str, lags))} | span |", "| --- |" + " ---: |" * (len(lags) + 1)]
        rows += [row(NETWORKS[name].title, line, FLOORS[task]) for name, line in lines.items()]
    return rows[1:]


def row(title: str, line: Mapping[int, list[float]], floor: float) -> str:
    """Lay one line out: mean accuracies, and their range where the seeds differ by more than 0.05."""
    cells = []
    for lag in sorted(line):
        low, high = min(line[lag]), max(line[lag])
        spread = f" ({low:.2f}–{high:.2f})" if high - low > 0.05 else ""
        cells.append(f"{statistics.fmean(line[lag]):.2f}{spread}")
    return f"| {title} | {' | '.join(cells)} | {span_text(memory_span(line, floor), sorted(line))} |"


def span_text(span: int, lags: list[int]) -> str:
    """Say a span, of which only so much is known as lags were tried."""
    if not span:
        return f"under {lags[0]}"
    return f"{span} or more" if span == lags[-1] else str(span)


def tuning_table(results: list[dict[str, Any]]) -> list[str]:
    """Lay the mean dev accuracy of each learning rate out, over tasks and lags."""
    found: dict[tuple[str, str], dict[float, list[float]]] = {}
    for result in results:
        by_rate = found.setdefault((result["training"], result["network"]), {})
        by_rate.setdefault(result["rate"], []).extend(result["dev"].values())
    rates = sorted({result["rate"] for result in results})
    head = " | ".join(f"{rate:g}" for rate in rates)
    rows = [f"| training | network | {head} |", "| --- | --- |" + " ---: |" * len(rates)]
    for (training, name), by_rate in found.items():
        means = [statistics.fmean(by_rate.get(rate, [math.nan])) for rate in rates]
        rows.append(f"| {training} | {NETWORKS[name].title} | {' | '.join(f'{mean:.3f}' for mean in means)} |")
    return rows


def write_picture(results: list[dict[str, Any]], path: str) -> None:
    """Draw and write; a PNG with a palette, a third of the size, since repositories keep every version."""
    from seqtag.plots import save_figure

    save_figure(picture(results), path)
    if path.lower().endswith(".png"):
        from PIL import Image  # comes with matplotlib

        Image.open(path).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def picture(results: list[dict[str, Any]]) -> Any:
    """Draw accuracy against lag, a panel a task and training."""
    from seqtag.plots import SpanPanel, plot_memory_span

    panels = []
    found = curves(results)
    for task, training in itertools.product(FLOORS, TRAININGS):
        if (training, task) in found:
            lines = {NETWORKS[name].title: line for name, line in found[training, task].items()}
            panels.append(SpanPanel(f"{task.capitalize()}, {TITLES[training]}", FLOORS[task], lines))
    return plot_memory_span(panels)


if __name__ == "__main__":
    main()
