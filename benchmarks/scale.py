"""Peak memory and cost per token from 10^4 to 10^7 tokens, streamed and in memory: what docs/scale.md shows.

    python benchmarks/scale.py --json scale.json --output docs/images/scale.png       everything
    python benchmarks/scale.py --quick                                                10^4 and 10^5 tokens
    python benchmarks/scale.py --results scale.json --output docs/images/scale.png    draw again what was measured
    python benchmarks/scale.py --prepare-only --sizes 1000000                         count and encode, train nothing

The corpus is `seqtag.datasets.load_python_code`'s, of which sentences are drawn with a seed until there are as many
tokens as wanted, written as a CoNLL file. A tagger of 64 units reads words and affixes for one pass over it. Each run
is a process of its own. Peak memory is what `getrusage` says of it, TensorFlow and the model included; cost per token
is that of the training steps alone, without the first of each pass, which also traces the graph.

The target is that the peak at 10^7 tokens is under 1.3 times that at 10^5.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SIZES = (10**4, 10**5, 10**6, 10**7)
QUICK_SIZES = (10**4, 10**5)
IN_MEMORY_UP_TO = 10**6
WAYS = {"stream": "streamed", "memory": "in memory"}
DEV = 200  # sequences; the same for all sizes
LEAST = 10**5  # tokens to train on in all, so that few are not timed by a handful of steps
COLOURS = 64  # of a PNG
PARAMETERS: dict[str, Any] = {
    "encoders": ["words", "affixes"],
    "units": 64,
    "random_state": 0,
}


@dataclass(frozen=True)
class Job:
    """What one process does: write a corpus, or train on it in one way."""

    what: str
    tokens: int
    folder: str
    prepare_only: bool = False

    @property
    def train(self) -> Path:
        """The training file."""
        return Path(self.folder, f"{self.tokens}.conll")

    @property
    def dev(self) -> Path:
        """The development file."""
        return Path(self.folder, "dev.conll")


# --- jobs -----------------------------------------------------------------------------------------------------


def main() -> None:
    arguments = parse()
    if arguments.worker:
        job = Job(**json.loads(arguments.worker))
        print(json.dumps(write(job) if job.what == "write" else train(job)))
        return
    results = json.loads(Path(arguments.results).read_text("utf-8")) if arguments.results else measure(arguments)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print("\n".join(table(results)))
    if arguments.output:
        write_picture(results, arguments.output)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="10^4 and 10^5 tokens alone")
    parser.add_argument("--sizes", nargs="+", type=int, metavar="TOKENS", help="other sizes")
    parser.add_argument("--ways", nargs="+", choices=tuple(WAYS), default=tuple(WAYS), help="streamed, in memory")
    parser.add_argument("--prepare-only", action="store_true", help="stop where training would begin")
    parser.add_argument("--json", metavar="FILE", help="write what each run gave")
    parser.add_argument("--results", metavar="FILE", help="run nothing; show what --json wrote")
    parser.add_argument("--output", metavar="FILE", help="write the picture, .png, .svg or .pdf")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.sizes = arguments.sizes or (QUICK_SIZES if arguments.quick else SIZES)
    return arguments


def measure(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Run everything, one process after the other."""
    results = []
    with tempfile.TemporaryDirectory(prefix="seqtag-scale-") as folder:
        for tokens in arguments.sizes:
            worker(Job("write", tokens, folder))
            for way in arguments.ways:
                if way == "stream" or tokens <= IN_MEMORY_UP_TO:
                    results.append(worker(Job(way, tokens, folder, arguments.prepare_only)))
                    print(json.dumps(results[-1]), file=sys.stderr, flush=True)
            Job("write", tokens, folder).train.unlink()
    return results


def worker(job: Job) -> dict[str, Any]:
    """Do a job in a process of its own, whose memory is then its own, too.

    This process must stay small: the peak of a child is at least what its parent held when it was started.
    """
    threads = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "2"}
    environment = threads | os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, __file__, "--worker", json.dumps(asdict(job))]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


# --- one job --------------------------------------------------------------------------------------------------


def write(job: Job) -> dict[str, Any]:
    """Draw sentences until there are as many tokens as wanted, and write them."""
    import numpy as np

    from seqtag.datasets import load_python_code

    corpora = load_python_code()
    rng = np.random.default_rng(0)
    drawn = 0
    with job.train.open("w", encoding="utf-8") as file:
        while drawn < job.tokens:
            sequence = corpora["train"][int(rng.integers(len(corpora["train"])))]
            file.write(as_conll(sequence))
            drawn += len(sequence)
    job.dev.write_text("".join(map(as_conll, corpora["dev"][:DEV])), encoding="utf-8")
    return {"tokens": drawn}


def as_conll(sequence: Any) -> str:
    """Return a sentence as lines of token and label, a tab between them and a blank line at the end."""
    rows = zip(sequence.tokens, sequence.labels, strict=True)
    return "".join(f"{token}\t{label}\n" for token, label in rows) + "\n"


class PreparedError(Exception):
    """Ends a run where training would begin."""


def train(job: Job) -> dict[str, Any]:
    """Train on a file in one way, and say what it cost."""
    from seqtag import CorpusStream, SequenceTagger, read
    from seqtag.training import loop  # noqa: F401  so that starting TensorFlow is not counted as preparation

    dev = read(job.dev)
    started = peak()
    clock = make_clock(job.prepare_only)
    epochs = max(1, LEAST // job.tokens)
    tagger = SequenceTagger(epochs=epochs, **PARAMETERS)
    began = time.perf_counter()
    data = CorpusStream(job.train) if job.what == "stream" else read(job.train)
    try:
        tagger.fit(data, validation_data=dev, callbacks=[clock])
    except PreparedError:
        epochs = 0
    steps = max(1, clock.steps)
    timed = job.tokens * epochs * (steps - clock.untimed) / steps
    return {
        "way": job.what,
        "tokens": job.tokens,
        "peak_mb": peak(),
        "started_mb": started,
        "prepare_seconds": clock.began - began,
        "microseconds_per_token": 1e6 * clock.seconds / timed if timed else None,
        "epochs": epochs,
    }


def peak() -> float:
    """Return the most memory this process has held so far, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage counts bytes there and KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def make_clock(prepare_only: bool) -> Any:
    """Return a Keras callback that adds up the time of all steps but those until its first call in each pass."""
    import keras

    class Clock(keras.callbacks.Callback):
        began = seconds = last = 0.0
        steps = untimed = 0
        batch = -1

        def on_train_begin(self, logs: Any = None) -> None:
            self.began = time.perf_counter()
            if prepare_only:
                raise PreparedError

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.batch = -1

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            now, done = time.perf_counter(), batch - self.batch
            if self.batch < 0:
                self.untimed += done
            else:
                self.seconds += now - self.last
            self.last, self.batch = now, batch
            self.steps += done

    return Clock()


# --- what comes out -------------------------------------------------------------------------------------------


def table(results: Iterable[dict[str, Any]]) -> list[str]:
    """Lay the results out, as Markdown, and what the peak of streamed training grows by."""
    results = list(results)
    rows = ["| tokens | way | peak memory (MB) | before training (s) | training (µs a token) |"]
    rows += ["| ---: | --- | ---: | ---: | ---: |"]
    for one in results:
        cost = "–" if one["microseconds_per_token"] is None else f"{one['microseconds_per_token']:.1f}"
        memory = f"{one['peak_mb']:,.0f} | {one['prepare_seconds']:.1f}"
        rows.append(f"| {one['tokens']:,} | {WAYS[one['way']]} | {memory} | {cost} |")
    return [*rows, *growth(results)]


def growth(results: Iterable[dict[str, Any]]) -> list[str]:
    """Say how much more memory, and time a token, the largest streamed run took than that of 10^5 tokens."""
    runs = {one["tokens"]: one for one in results if one["way"] == "stream"}
    if LEAST not in runs or max(runs) == LEAST:
        return []
    large, small = runs[max(runs)], runs[LEAST]
    said = f"peak memory, streamed, {max(runs):,} over {LEAST:,} tokens: {large['peak_mb'] / small['peak_mb']:.2f}"
    if large["microseconds_per_token"] and small["microseconds_per_token"]:
        said += f"; time a token: {large['microseconds_per_token'] / small['microseconds_per_token']:.2f}"
    return ["", said]


def write_picture(results: list[dict[str, Any]], path: str) -> None:
    """Draw and write; a PNG with a palette, a third of the size, since repositories keep every version."""
    from seqtag.plots import save_figure

    save_figure(picture(results), path)
    if path.lower().endswith(".png"):
        from PIL import Image  # comes with matplotlib

        Image.open(path).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def picture(results: list[dict[str, Any]]) -> Any:
    """Draw peak memory above and time a token below, against the number of tokens."""
    from seqtag.plots import BLUE, INK, ORANGE, SMALL_SIZE, label_axes, new_figure

    figure, (memory, cost) = new_figure(6.4, 5.0, (1.0, 1.0))
    for way, colour, marker in (("stream", BLUE, "o"), ("memory", ORANGE, "s")):
        runs = sorted((one for one in results if one["way"] == way), key=lambda one: one["tokens"])
        for axes, name in ((memory, "peak_mb"), (cost, "microseconds_per_token")):
            points = [(one["tokens"], one[name]) for one in runs if one[name] is not None]
            if points:
                axes.plot(*zip(*points, strict=True), color=colour, marker=marker, linewidth=1.7, label=WAYS[way])
    for axes in (memory, cost):
        axes.set_xscale("log")
        heights = [height for line in axes.lines for height in line.get_ydata()]
        axes.set_ylim(0, 1.12 * max(heights, default=1.0))
        if heights:
            axes.legend(frameon=False, fontsize=SMALL_SIZE, labelcolor=INK, loc="lower right")
    label_axes(memory, "", "peak memory (MB)", "Training, one pass: what it holds and what a token costs")
    label_axes(cost, "tokens in the corpus", "time (µs a token)")
    return figure


if __name__ == "__main__":
    main()
