"""Unusual log lines found by their surprisal: what docs/language_models.md shows.

    python benchmarks/log_anomalies.py                       three seeds, under a minute each on two cores
    python benchmarks/log_anomalies.py --seeds 0 --lines 1000

A language model of characters learns normal lines of `seqtag.datasets.make_logs`, which are made anew for each seed.
What makes a line unusual is one of the `STATISTICS` of its symbols' bits, the one with the best average precision on
the development lines; the same lines choose among the baselines, which read the same normal lines:

* ``length``: how far the line's length is from the mean, in standard deviations;
* ``trigrams``: the statistics of -log2 p(character | the two before), each count raised by one.

What is reported is of the test lines: the area under the ROC curve, the average precision, and how many anomalies of
each kind are among the lines of highest score, as many as there are anomalies.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Scores = dict[str, np.ndarray]  # of each line, by statistic

STATISTICS: dict[str, Callable[[np.ndarray], float]] = {
    "mean": lambda bits: float(bits.mean()),
    "maximum": lambda bits: float(bits.max()),
    "mean of the 5 highest": lambda bits: float(np.sort(bits)[-5:].mean()),
    "sum": lambda bits: float(bits.sum()),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=(0, 1, 2))
    parser.add_argument("--lines", type=int, default=2000, help="normal lines to learn from")
    parser.add_argument("--anomalies", type=float, default=0.1, help="share of the lines to be judged")
    parser.add_argument("--epochs", type=int, default=15)
    arguments = parser.parse_args()
    results = []
    for seed in arguments.seeds:
        results += measure(seed, arguments)
        print(json.dumps(results[-1]), file=sys.stderr, flush=True)
    print("\n".join(table(results)))


def measure(seed: int, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return what each way of scoring reaches with lines of one seed."""
    from seqtag import LanguageModel
    from seqtag.datasets import make_logs

    logs = make_logs(sequences=arguments.lines, anomalies=arguments.anomalies, random_state=seed)
    texts = {split: [line.text for line in corpus] for split, corpus in logs.items()}
    labels = {split: np.array([line.label for line in corpus]) for split, corpus in logs.items()}
    model = LanguageModel(level="characters", units=96, embedding=32, epochs=arguments.epochs, random_state=seed)
    began = time.perf_counter()
    model.fit(texts["train"])
    seconds = time.perf_counter() - began
    trigrams = Trigrams(texts["train"])
    ways: dict[str, Callable[[list[str]], Scores]] = {
        "language model": lambda lines: statistics([np.array([s.bits for s in one]) for one in model.surprisal(lines)]),
        "trigrams": lambda lines: statistics([trigrams.bits(line) for line in lines]),
        "length": lambda lines: {"deviation": unusual_length(texts["train"], lines)},
    }
    return [
        {"way": way, "seed": seed, "seconds": seconds} | judged(score(texts["dev"]), score(texts["test"]), labels)
        for way, score in ways.items()
    ]


def judged(dev: Scores, test: Scores, labels: dict[str, np.ndarray]) -> dict[str, Any]:
    """Choose the statistic on the development lines, and judge it on the test lines."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    from seqtag.data.logs import NORMAL

    wanted = {split: labels[split] != NORMAL for split in ("dev", "test")}
    chosen = max(dev, key=lambda name: average_precision_score(wanted["dev"], dev[name]))
    scores = test[chosen]
    highest = set(np.argsort(-scores, kind="stable")[: wanted["test"].sum()].tolist())
    kinds = Counter(labels["test"].tolist())
    found = Counter(labels["test"][i] for i in highest)
    return {
        "statistic": chosen,
        "roc_auc": float(roc_auc_score(wanted["test"], scores)),
        "average_precision": float(average_precision_score(wanted["test"], scores)),
        "kinds": {kind: (found[kind], n) for kind, n in kinds.items() if kind != NORMAL},
    }


def statistics(lines: Sequence[np.ndarray]) -> Scores:
    """Return each statistic of each line's bits."""
    return {name: np.array([of(bits) for bits in lines]) for name, of in STATISTICS.items()}


def unusual_length(train: Sequence[str], lines: Sequence[str]) -> np.ndarray:
    """Return how many standard deviations each line's length is from the mean of normal lines."""
    usual = np.array(list(map(len, train)))
    return np.abs(np.array(list(map(len, lines))) - usual.mean()) / usual.std()


class Trigrams:
    """A model of the next character given the two before it, with counts raised by one."""

    def __init__(self, texts: Sequence[str]) -> None:
        padded = [self._padded(text) for text in texts]
        self._grams = Counter(text[i : i + 3] for text in padded for i in range(len(text) - 2))
        self._contexts: Counter[str] = Counter()
        for gram, count in self._grams.items():
            self._contexts[gram[:2]] += count
        self._size = len({char for text in padded for char in text}) + 1  # one for all others

    def bits(self, text: str) -> np.ndarray:
        """Return -log2 p of each character and of the end, shape (length + 1,)."""
        padded = self._padded(text)
        grams = [padded[i : i + 3] for i in range(len(padded) - 2)]
        p = [(self._grams[gram] + 1) / (self._contexts[gram[:2]] + self._size) for gram in grams]
        return -np.log2(p)

    @staticmethod
    def _padded(text: str) -> str:
        return f"\n\n{text}\n"


def table(results: Sequence[dict[str, Any]]) -> list[str]:
    """Return the results as lines of a Markdown table, means over the seeds."""
    kinds = sorted({kind for one in results for kind in one["kinds"]})
    lines = [
        f"| scored by | statistic | ROC AUC | average precision | {' | '.join(kinds)} |",
        f"| --- | --- | ---: | ---: |{' ---: |' * len(kinds)}",
    ]
    for way in dict.fromkeys(one["way"] for one in results):
        mine = [one for one in results if one["way"] == way]
        statistic = ", ".join(dict.fromkeys(one["statistic"] for one in mine))
        auc, precision = (np.mean([one[key] for one in mine]) for key in ("roc_auc", "average_precision"))
        found = [np.sum([one["kinds"].get(kind, (0, 0)) for one in mine], axis=0) for kind in kinds]
        shares = " | ".join(f"{n} of {total}" for n, total in found)
        lines.append(f"| {way} | {statistic} | {auc:.3f} | {precision:.3f} | {shares} |")
    return lines


if __name__ == "__main__":
    main()
