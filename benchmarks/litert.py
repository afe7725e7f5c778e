"""What a LiteRT model costs: size, milliseconds a sentence, and what it still gets right, by how its weights are kept.

python benchmarks/litert.py RUN TEST.txt [--length 40] [--sentences 200]

RUN is a tagger that ``seqtag train`` wrote, TEST a file with its labels. Times are of one thread of LiteRT's
interpreter on sentences of at most ``--length`` tokens; scores are over all sentences, at the length of the longest.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence as SequenceOf
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from seqtag.bundle import Bundle
from seqtag.data.readers import read
from seqtag.export.formats import export
from seqtag.export.litert_inputs import Encoder
from seqtag.metrics import score
from seqtag.predictor import Predictor

WEIGHTS = ("float32", "float16", "int8")


class Lite:
    """A tagger in LiteRT's interpreter on one thread, decoded in NumPy by the decoder of its bundle."""

    def __init__(self, bundle: Bundle, decoder: Any, length: int, weights: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            place = export(bundle, "litert", Path(folder) / "model", {"length": length, "weights": weights})
            self.encode = Encoder(json.loads((place / "signature.json").read_text("utf-8"))).encode
            blob = (place / "model.tflite").read_bytes()
        self.megabytes = len(blob) / 1e6
        self.decoder = decoder
        self.network = Interpreter(model_content=blob, num_threads=1).get_signature_runner()

    def tags(self, sequence: Any) -> list[str]:
        """Return the labels of a sequence."""
        emissions = self.network(**self.encode([sequence]))["emissions"][:, : len(sequence)]
        return self.decoder.value(self.decoder.best(emissions, np.array([len(sequence)]))[0])

    def milliseconds(self, sequences: SequenceOf[Any]) -> float:
        """Return the median time of the network over sequences, the best of three passes."""
        inputs = [self.encode([sequence]) for sequence in sequences]
        return min(float(np.median([self._time(one) for one in inputs])) for _ in range(3))

    def _time(self, inputs: dict[str, np.ndarray]) -> float:
        start = time.perf_counter()
        self.network(**inputs)
        return 1e3 * (time.perf_counter() - start)


def main() -> None:
    """Print a row for each way of keeping weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("test")
    parser.add_argument("--length", type=int, default=40)
    parser.add_argument("--sentences", type=int, default=200)
    options = parser.parse_args()
    bundle = Bundle.read(options.run)
    predictor = Predictor.from_bundle(bundle)
    sequences = [sequence for sequence in read(options.test) if len(sequence)]
    expected, gold = predictor.predict(sequences), [list(sequence.labels or ()) for sequence in sequences]
    short = [sequence for sequence in sequences if len(sequence) <= options.length][: options.sentences]
    print(f"Predictor: F1 {100 * score(gold, expected, predictor.scheme):.2f}")
    print("| weights | MB | ms | tags that differ | F1 |\n| --- | --- | --- | --- | --- |")
    for weights in WEIGHTS:
        timed = Lite(bundle, predictor.decoder, options.length, weights)
        whole = Lite(bundle, predictor.decoder, max(map(len, sequences)), weights)
        found = [whole.tags(sequence) for sequence in sequences]
        differ = sum(a != b for a, b in zip(chain(*found), chain(*expected), strict=True))
        f1 = 100 * score(gold, found, predictor.scheme)
        print(f"| {weights} | {timed.megabytes:.1f} | {timed.milliseconds(short):.2f} | {differ} | {f1:.2f} |")


if __name__ == "__main__":
    main()
