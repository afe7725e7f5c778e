"""The floor: how fast these cores multiply float32 matrices, each core by a process of its own.

The best sustained rate of a large square product, through TensorFlow or NumPy, is the floor. The shapes of a recurrent
step (the input product of a batch, the recurrent product of one time step) are timed beside it.
"""

from __future__ import annotations

import time
from typing import Any

from peers.protocol import Job, Result, main

LARGE = "1024 x 1024 x 1024"
SHAPES = {
    LARGE: (1024, 1024, 1024),
    "input, 800 x 258 x 800": (800, 258, 800),
    "step, 32 x 200 x 800": (32, 200, 800),
}


def run(job: Job) -> Result:
    import numpy as np
    import tensorflow as tf

    rng = np.random.default_rng(job.seed)
    multiply = tf.function(repeated)
    rates: dict[str, dict[str, float]] = {}
    for name, (rows, inner, columns) in SHAPES.items():
        a = rng.normal(size=(rows, inner)).astype(np.float32)
        b = rng.normal(size=(inner, columns)).astype(np.float32)
        flops = 2.0 * rows * inner * columns
        times = max(1, int(2e9 / flops))  # of a call about 2 GFLOP, so that the calls themselves cost nothing
        tensors = tf.constant(a), tf.constant(b), tf.constant(times)
        out = np.empty((rows, columns), np.float32)
        share = job.seconds / len(SHAPES) / 2
        rates[name] = {
            "TensorFlow": flops * times / median_seconds(lambda tensors=tensors: multiply(*tensors).numpy(), share),
            "NumPy": flops / median_seconds(lambda a=a, b=b, out=out: np.matmul(a, b, out=out), share),
        }
    return {"rates": rates}


def repeated(a: Any, b: Any, times: Any) -> Any:
    """Return the last of many products; each waits for the one before."""
    import tensorflow as tf

    def step(i: Any, last: Any) -> Any:
        return i + 1, tf.matmul(a + 0.0 * last[:1, :1], b)

    zeros = tf.zeros([tf.shape(a)[0], tf.shape(b)[1]])
    return tf.while_loop(lambda i, _: i < times, step, (0, zeros), parallel_iterations=1)[1][0, 0]


def median_seconds(call: Any, seconds: float) -> float:
    """Return the median time of a call over some seconds, the first call left out."""
    call()
    taken = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(taken) < 3:
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return sorted(taken)[len(taken) // 2]


if __name__ == "__main__":
    main(run)
