"""Scores on public corpora, without outside resources, by seeds: what the README's table comes from.

    python benchmarks/accuracy.py                      every row, three seeds
    python benchmarks/accuracy.py conll2000 --seeds 1  one row, one seed
    python benchmarks/accuracy.py ewt_pos --set model.units=128 --dev-only

A row is a configuration of the folder configs/, by its name, so that ``seqtag train`` does the same. Choices are made
on dev (``--dev-only`` never reads test); test is read once, at the end. The time is the wall time of ``fit``: encoding,
building, tracing, training, dev scoring, export.

A row of a joint tagger is its sentence accuracy, every label and the intent right; the lines below it are its parts.
A row of a language model is its perplexity, below it the bits a symbol.

Beside a classifier of texts stands TF-IDF with logistic regression (scikit-learn) on the same parts, in the same run:
word unigrams and bigrams, or of characters one to four within words, with the C of 1, 3, 10, 30 that is best on dev.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

CONFIGS = Path(__file__).parents[1] / "configs"
ROWS = (
    "conll2000",
    "conll2000_quick",
    "ewt_pos",
    "korean_pos",
    "wnut17",
    "wnut17_glove",
    "demo",
    "demo_deep",
    "demo_simple_rnn",
    "signals",
    "trec",
    "sst2",
    "nsmc",
    "digits",
    "atis",
    "snips",
    "commands",
    "ptb",
    "shakespeare",
    "python_text",
)
ANALYZERS = {"trec": "word", "sst2": "word", "nsmc": "char_wb"}  # of the TF-IDF beside it


def main() -> None:
    arguments = parse()
    if arguments.worker:
        print(json.dumps(run(arguments.rows[0], arguments.seeds, arguments.set, arguments.dev_only)))
        return
    print("row                     dev            test           fit s   tokens/s  epochs  seeds  TF-IDF + LR")
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
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as seqtag train takes it")
    parser.add_argument("--dev-only", action="store_true", help="do not read the test set")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    for row in arguments.rows:
        if row not in ROWS:
            parser.error(f"ROW must be one of {', '.join(ROWS)}; got {row!r}")
    return arguments


def worker(row: str, seed: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run one seed in a process of its own, so that every run starts alike."""
    command = [sys.executable, __file__, row, "--worker", "--seeds", str(seed)]
    command += [f"--set={pair}" for pair in arguments.set] + ["--dev-only"] * arguments.dev_only
    threads = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": str(len(os.sched_getaffinity(0)))}
    environment = {"TF_CPP_MIN_LOG_LEVEL": "2", **threads, **os.environ}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def run(row: str, seed: int, overrides: list[str], dev_only: bool) -> dict[str, Any]:
    """Train once and score."""
    from seqtag import experiment
    from seqtag.config import load_config

    config = replace(load_config(CONFIGS / f"{row}.yaml", overrides), seed=seed)
    read = experiment.read_corpora(config.data, config.task)
    corpora = {name: experiment.as_read(corpus, config.model) for name, corpus in read.items()}
    began = time.perf_counter()
    estimator = config.estimator().fit(corpora["train"], validation_data=corpora["dev"])
    seconds = time.perf_counter() - began
    history = estimator.history_
    scored = (corpora["dev"], None if dev_only else corpora["test"])
    result = {
        "dev": estimator.score(corpora["dev"]),
        "test": None if dev_only else estimator.score(corpora["test"]),
        "seconds": seconds,
        "speed": statistics.median(history["tokens_per_second"]),
        "epochs": len(history["loss"]),
    }
    if config.task == "language_modelling":
        result["perplexity"] = [None if one is None else math.exp(-one) for one in (result["dev"], result["test"])]
        bits = [None if one is None else -one / math.log(2) / 100 for one in (result["dev"], result["test"])]
        result["parts"] = {"bits a symbol": bits}
    if config.task == "joint":
        reports = [None if one is None else estimator.report(one).main_scores for one in scored]
        names = [name for name in reports[0] if name != "sentence accuracy"]
        result["parts"] = {name: [one and one[name] for one in reports] for name in names}
    if config.task == "classification" and not dev_only:
        result["calibration_error"] = estimator.reliability(corpora["test"]).expected_calibration_error
    if config.task == "tagging" and not dev_only and estimator.scheme_ != "none":
        found = estimator.span_confidence(corpora["test"]).reliability()
        result["calibration_error"] = found.expected_calibration_error
    if row in ANALYZERS and seed == 0:
        result["baseline"] = tfidf({name: texts(corpus) for name, corpus in corpora.items()}, ANALYZERS[row], dev_only)
    return result


def texts(corpus: Any) -> tuple[list[str], list[str]]:
    """Return raw texts and classes."""
    return [s.text or " ".join(s.tokens) for s in corpus], [s.label for s in corpus]


def tfidf(parts: dict[str, Any], analyzer: str, dev_only: bool) -> dict[str, Any]:
    """Score TF-IDF with logistic regression, C chosen on dev."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    of_words = {"token_pattern": r"\S+", "ngram_range": (1, 2)}
    options = of_words if analyzer == "word" else {"ngram_range": (1, 4)}
    vectorizer = TfidfVectorizer(analyzer=analyzer, sublinear_tf=True, min_df=2, **options)
    began = time.perf_counter()
    train = vectorizer.fit_transform(parts["train"][0])
    dev = vectorizer.transform(parts["dev"][0])
    best, model = max(
        (
            (model.score(dev, parts["dev"][1]), model)
            for model in (LogisticRegression(C=c, max_iter=1000).fit(train, parts["train"][1]) for c in (1, 3, 10, 30))
        ),
        key=lambda scored: scored[0],
    )
    seconds = time.perf_counter() - began
    test = None if dev_only else model.score(vectorizer.transform(parts["test"][0]), parts["test"][1])
    return {"dev": best, "test": test, "C": model.C, "seconds": seconds}


def line(row: str, results: list[dict[str, Any]]) -> str:
    """Lay one row out: means and standard deviations of the scores, in percent."""
    columns = [spread([r[split] for r in results]) for split in ("dev", "test")]
    if "perplexity" in results[0]:
        columns = [spread([r["perplexity"][i] and r["perplexity"][i] / 100 for r in results]) for i in (0, 1)]
    seconds = statistics.mean(r["seconds"] for r in results)
    speed = statistics.median(r["speed"] for r in results)
    known = results[0].get("baseline")
    beside = f"  {spread([known['dev']])}, {spread([known['test']])}" if known else ""
    lines = [
        f"{row:<22}  {columns[0]:<13}  {columns[1]:<13}  {seconds:>5.0f}  {speed:>9,.0f}"
        f"  {results[0]['epochs']:>6}  {len(results):>5}{beside}"
    ]
    for name in results[0].get("parts", ()):
        dev, test = (spread([r["parts"][name][split] for r in results]) for split in (0, 1))
        lines.append(f"  {name:<20}  {dev:<13}  {test}")
    return "\n".join(lines)


def spread(scores: list[float | None]) -> str:
    known = [100 * score for score in scores if score is not None]
    if not known:
        return "not read"
    mean = f"{statistics.mean(known):.2f}"
    return f"{mean} ± {statistics.stdev(known):.2f}" if len(known) > 1 else mean


if __name__ == "__main__":
    main()
