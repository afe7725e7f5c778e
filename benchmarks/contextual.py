"""What the memory of language models is worth to a tagger that has few labels: CoNLL-2000, a tenth of them.

    python benchmarks/contextual.py                      models of words, five seeds
    python benchmarks/contextual.py --level characters   models of characters
    python benchmarks/contextual.py --dev-only           test is not read

Two language models, one that reads forward and one from the end, learn from the text of train and dev alone. Then the
same tagger is trained on every tenth sentence of train, with their states as one more encoder and without, from the
same seeds. Dev is the last tenth of the training part, as in configs/conll2000.yaml, and chooses the epoch.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

OPTIONS: dict[str, dict[str, Any]] = {
    "words": {"units": 200, "dropout": 0.4, "epochs": 10, "batch_sequences": 16, "sampled": 1000},
    "characters": {
        "units": 256,
        "embedding": 64,
        "tied": False,
        "dropout": 0.1,
        "epochs": 5,
        "steps": 100,
    },
}
"""Of the language models, by what they read."""


def main() -> None:
    from seqtag import datasets

    arguments = parse()
    parts = datasets.fetch_conll2000()
    whole = parts["train"]
    held = len(whole) // 10
    train, dev = whole[:-held], whole[-held:]
    few = [sequence for i, sequence in enumerate(train) if i % 10 == arguments.offset]
    print(f"{len(few)} sentences with labels, {sum(map(len, few)):,} tokens; text of {len(whole)}", flush=True)
    with TemporaryDirectory() as folder:
        models = [
            language_model(whole, dev, Path(arguments.models or folder), way, arguments)
            for way in ("forward", "backward")
        ]
        rows = {"without": [], "with": []}
        for seed in range(arguments.seeds):
            for name, found in rows.items():
                found.append(tagged(few, dev, parts["test"], models if name == "with" else [], seed, arguments))
                print(f"seed {seed} {name}: {found[-1]}", file=sys.stderr, flush=True)
    table(rows)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds of the tagger")
    parser.add_argument("--offset", type=int, default=0, help="which tenth of the sentences has labels")
    parser.add_argument("--models", help="folder to keep the language models in, and to take them from")
    parser.add_argument("--level", choices=sorted(OPTIONS), default="words", help="what the language models read")
    parser.add_argument("--epochs", type=int, default=25, help="passes of a tagger")
    parser.add_argument("--dropout", type=float, default=0.5, help="of the tagger")
    parser.add_argument("--dev-only", action="store_true", help="do not read the test part")
    return parser.parse_args()


def language_model(whole: Any, dev: Any, folder: Path, way: str, arguments: argparse.Namespace) -> Path:
    """Train a character model on text alone, unless it is there."""
    from seqtag import LanguageModel

    path = folder / f"{arguments.level}_{way}"
    if path.exists():
        return path
    options = OPTIONS[arguments.level]
    model = LanguageModel(level=arguments.level, go_backwards=way == "backward", random_state=0, verbose=1, **options)
    began = time.perf_counter()
    texts = [" ".join(sequence.tokens) for sequence in whole]
    model.fit(texts, validation_data=texts[-len(dev) :])
    bits = model.bits_per_symbol(texts[-len(dev) :])
    seconds = time.perf_counter() - began
    print(f"language model, {way}: {bits:.3f} bits a symbol of dev, which it has read; {seconds:.0f} s", flush=True)
    model.save(path)
    return path


def tagged(
    few: Any, dev: Any, test: Any, models: list[Path], seed: int, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Train a tagger and score it."""
    from seqtag import Corpus, SequenceTagger

    encoders = ["words", "affixes", "chars", *({"lm": str(path)} for path in models)]
    tagger = SequenceTagger(
        encoders=encoders, epochs=arguments.epochs, dropout=arguments.dropout, random_state=seed, patience=8
    )
    began = time.perf_counter()
    tagger.fit(Corpus(few), validation_data=dev)
    return {
        "dev": tagger.score(dev),
        "test": None if arguments.dev_only else tagger.score(test),
        "seconds": time.perf_counter() - began,
    }


def table(rows: dict[str, list[dict[str, Any]]]) -> None:
    print("| character language models | dev F1 | test F1 | fit, s |\n| --- | ---: | ---: | ---: |")
    for name, found in rows.items():
        seconds = statistics.median(one["seconds"] for one in found)
        print(f"| {name} | {spread(found, 'dev')} | {spread(found, 'test')} | {seconds:.0f} |")
    for part in ("dev", "test"):
        if rows["with"][0][part] is not None:
            gains = [100 * (a[part] - b[part]) for a, b in zip(rows["with"], rows["without"], strict=True)]
            each = ", ".join(f"{gain:+.2f}" for gain in gains)
            print(f"gain on {part}, seed by seed: {each}; mean {statistics.mean(gains):+.2f}")


def spread(found: list[dict[str, Any]], part: str) -> str:
    """Word mean and standard deviation in points."""
    values = [100 * one[part] for one in found if one[part] is not None]
    if not values:
        return "–"
    return f"{statistics.mean(values):.2f} ± {statistics.stdev(values) if len(values) > 1 else 0.0:.2f}"


if __name__ == "__main__":
    main()
