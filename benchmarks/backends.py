"""Time the training step of one padded batch on Keras's backend: the first, which compiles or traces, and those after.

Run once a backend, by turns: ``KERAS_BACKEND=jax python benchmarks/backends.py``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from seqtag.data.batching import EncodedCorpus
from seqtag.data.encoders import default_encoders, fit_encoders
from seqtag.datasets import load_python_code
from seqtag.nn.network import build_tagger
from seqtag.nn.shapes import grid_of
from seqtag.nn.stack import Stack
from seqtag.training.feed import as_tuple
from seqtag.training.optimizer import make_optimizer

LABELS, STEPS, RUNS = 28, 15, 3


def main() -> None:
    """Print the seconds of the first step and the real tokens a second of three runs after it."""
    corpus = load_python_code(tokens=20_000)["train"].sequences
    sequences = [sequence for sequence in corpus if 22 <= len(sequence) <= 30][:32]
    features = fit_encoders(default_encoders(corpus), corpus)
    model = build_tagger([f.spec for f in features], LABELS, stack=Stack(units=128), neighbour_words=True)
    encoded = EncodedCorpus(features, sequences, [np.arange(len(s), dtype=np.int32) % LABELS for s in sequences])
    batch, grid = encoded.batch(np.arange(len(sequences))), grid_of(model)
    fed = as_tuple(batch if grid is None else grid.pad(batch))
    optimizer = make_optimizer(0.01, 5.0)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer)

    def endless() -> Iterator[Any]:
        while True:
            yield fed

    def timed(steps: int) -> float:
        began = time.perf_counter()
        model.fit(endless(), steps_per_epoch=steps, epochs=1, verbose=0)
        return time.perf_counter() - began

    first = timed(1)
    rates = [STEPS * encoded.n_tokens / timed(STEPS) for _ in range(RUNS)]
    shown = ", ".join(f"{rate:,.0f}" for rate in rates)
    print(f"{keras.backend.backend()}: first step {first:.1f} s; then {shown} tokens/s")


if __name__ == "__main__":
    main()
