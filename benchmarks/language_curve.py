"""Bits per character against the amount of training text: what docs/language_models.md shows.

    python benchmarks/language_curve.py                              the default sizes, some five minutes
    python benchmarks/language_curve.py --sizes 30000 100000         some of them
    python benchmarks/language_curve.py --picture curve.png --json curve.json

The text is the source of Python's standard library, module after module in an order that is drawn once, at most 20,000
characters of each, so that a smaller text is the beginning of a larger one. Development and test modules are others;
`seqtag.data.python_code.split_of` says which. Every line ends in one symbol, which counts as a character.

Two references read the same text. The n-gram model is an interpolated Kneser-Ney (Chen and Goodman, 1999) over the same
symbols, with the order that is best on the development text. The compressor is xz: by how many bits a character the
packed training text grows when 2,000 characters of the test text are appended, the mean of 20 places. It learns from
those 2,000 characters while it packs them; from a longer piece it would learn more, and not from the training text.
"""

from __future__ import annotations

import argparse
import json
import lzma
import math
import random
import sys
import sysconfig
import time
import tokenize
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SIZES = (30_000, 100_000, 300_000, 1_000_000)
HELD_OUT = {"dev": 30_000, "test": 100_000}
LONGEST_MODULE = 20_000
ORDERS = (5, 6, 7, 8, 9)
READ = 2_500_000  # characters that a network reads in training, over all passes; at least three passes
PASSES = (3, 40)
PIECE, PIECES = 2_000, 20  # of the test text, for the compressor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, metavar="CHARACTERS", help="of training text")
    parser.add_argument("--units", type=int, default=192, help="of the LSTM")
    parser.add_argument("--read", type=int, default=READ, help="characters read in training, over all passes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", metavar="FILE", help="write what each size gave")
    parser.add_argument("--picture", metavar="FILE", help="draw the curve")
    arguments = parser.parse_args()
    texts = {split: library(split, HELD_OUT.get(split, max(arguments.sizes))) for split in ("train", "dev", "test")}
    results = []
    for size in sorted(arguments.sizes):
        results.append(measure(cut(texts["train"], size), texts["dev"], texts["test"], arguments))
        print(json.dumps(results[-1]), file=sys.stderr, flush=True)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if arguments.picture:
        draw(results, arguments.picture)
    print("\n".join(table(results)))


# ---- text ------------------------------------------------------------------------------------------------------------


def library(split: str, size: int) -> list[str]:
    """Return lines of the standard library's modules of one part, of so many characters together."""
    from seqtag.data.python_code import split_of, standard_library

    modules = standard_library(Path(sysconfig.get_path("stdlib")))
    names = [name for name in modules if split_of(name) == split]
    random.Random(0).shuffle(names)
    lines: list[str] = []
    for name in names:
        with tokenize.open(modules[name]) as file:
            lines += file.read()[:LONGEST_MODULE].splitlines()
        if sum(len(line) + 1 for line in lines) >= size:
            return cut(lines, size)
    raise SystemExit(f"the standard library has too little text for {size:,} characters of {split}")


def cut(lines: Sequence[str], size: int) -> list[str]:
    """Return the first lines that hold so many characters, ends counted."""
    text = "\n".join(lines)[: size - 1]
    return text.split("\n")


# ---- models ----------------------------------------------------------------------------------------------------------


def measure(train: list[str], dev: list[str], test: list[str], arguments: argparse.Namespace) -> dict[str, Any]:
    """Train on a text and return the bits per character of the test text."""
    from seqtag import LanguageModel

    size = sum(len(line) + 1 for line in train)
    epochs = min(PASSES[1], max(PASSES[0], round(arguments.read / size)))
    model = LanguageModel(
        level="characters",
        continuous=True,
        units=arguments.units,
        embedding=64,
        epochs=epochs,
        steps=50,
        batch_sequences=16,
        learning_rate=5e-3,
        patience=4,
        random_state=arguments.seed,
    )
    began = time.perf_counter()
    model.fit(train, validation_data=dev)
    seconds = time.perf_counter() - began
    streams = {name: stream(model, lines) for name, lines in {"train": train, "dev": dev, "test": test}.items()}
    began = time.perf_counter()
    models = [KneserNey(streams["train"], order, len(model.symbols_)) for order in ORDERS]
    best = min(models, key=lambda one: one.bits(streams["dev"]))
    return {
        "characters": size,
        "passes": len(model.history_["loss"]),
        "lstm": model.bits_per_symbol(test),
        "lstm_seconds": seconds,
        "ngram": best.bits(streams["test"]),
        "ngram_order": best.order,
        "ngram_seconds": time.perf_counter() - began,
        "xz": packed_bits(train, test),
    }


def stream(model: Any, lines: Sequence[str]) -> str:
    """Return lines as the model's symbols, one character an id, an end behind each line."""
    from seqtag.data.symbols import END

    encode = model.predictor_.table.encode
    return "".join("".join(map(chr, encode(line))) + chr(END) for line in lines)


class KneserNey:
    """An n-gram model: discounted counts, and below the highest order counts of distinct left neighbours."""

    def __init__(self, text: str, order: int, symbols: int) -> None:
        self.order = order
        self.symbols = symbols
        grams = Counter(text[i : i + order] for i in range(len(text) - order + 1))
        self.levels = [_Level(grams)]
        for _ in range(order - 1):
            grams = Counter(gram[1:] for gram in grams)  # each distinct left neighbour once
            self.levels.append(_Level(grams))

    def probability(self, context: str, symbol: str) -> float:
        """Return p(symbol | the last characters of the context)."""
        p = 1 / self.symbols
        for below, level in enumerate(reversed(self.levels)):
            p = level.probability(context[len(context) - below :], symbol, p)
        return p

    def bits(self, text: str) -> float:
        """Return the mean bits of a character; the first ones, whose context is too short, are left out."""
        first = self.order - 1
        total = sum(math.log2(self.probability(text[i - first : i], text[i])) for i in range(first, len(text)))
        return -total / (len(text) - first)


class _Level:
    """The counts of n-grams of one length, and of what follows each context."""

    def __init__(self, grams: Counter[str]) -> None:
        self.grams = grams
        self.totals: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        for gram, count in grams.items():
            self.totals[gram[:-1]] += count
            self.kinds[gram[:-1]] += 1
        once, twice = (sum(count == n for count in grams.values()) for n in (1, 2))
        self.discount = once / (once + 2 * twice) if once else 0.5  # Ney, Essen and Kneser, 1994

    def probability(self, context: str, symbol: str, lower: float) -> float:
        """Return the discounted share of a symbol, and the rest by the lower order."""
        total = self.totals.get(context)
        if not total:
            return lower
        seen = max(self.grams.get(context + symbol, 0) - self.discount, 0.0)
        return (seen + self.discount * self.kinds[context] * lower) / total


def packed_bits(train: Sequence[str], test: Sequence[str]) -> float:
    """Return by how many bits a character xz's output grows when pieces of the test text are appended, each alone."""
    before, held = "".join(f"{line}\n" for line in train), "".join(f"{line}\n" for line in test)
    starts = [i * (len(held) - PIECE) // (PIECES - 1) for i in range(PIECES)]
    grown = sum(packed(before + held[start : start + PIECE]) for start in starts) - PIECES * packed(before)
    return 8 * grown / (PIECES * PIECE)


def packed(text: str) -> int:
    """Return the bytes that xz makes of a text."""
    return len(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))


# ---- what is shown ---------------------------------------------------------------------------------------------------


def table(results: Sequence[dict[str, Any]]) -> list[str]:
    """Return the results as lines of a Markdown table."""
    lines = [
        "| characters | LSTM | passes | seconds | n-gram (order) | xz |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for one in results:
        cells = f"{one['characters']:,} | {one['lstm']:.2f} | {one['passes']} | {one['lstm_seconds']:.0f}"
        lines.append(f"| {cells} | {one['ngram']:.2f} ({one['ngram_order']}) | {one['xz']:.2f} |")
    return lines


def draw(results: Sequence[dict[str, Any]], path: str) -> None:
    from seqtag.plots import BLUE, GREY, ORANGE, label_axes, new_figure, save_figure

    figure, (axes,) = new_figure(6.4, 3.8)
    sizes = [one["characters"] for one in results]
    lines = {"lstm": ("LSTM", BLUE), "ngram": ("n-gram, Kneser-Ney", ORANGE), "xz": ("xz", GREY)}
    for key, (name, colour) in lines.items():
        axes.plot(sizes, [one[key] for one in results], color=colour, marker="o", markersize=4, label=name)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    label_axes(axes, "characters of training text", "bits per character", "Source of the standard library")
    save_figure(figure, path)


if __name__ == "__main__":
    main()
