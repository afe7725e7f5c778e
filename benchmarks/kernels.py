"""A training step of one recurrent layer, fused against `keras.layers`, for each cell: what docs/speed.md shows.

    python benchmarks/kernels.py                       both directions, 24 sequences of 32 tokens, all cores
    python benchmarks/kernels.py --cores 1 --units 128

Forward and backward pass, with the gradients of inputs and weights, in one traced graph each; the two take turns in one
process, and the ratio is that of their medians. The share is that of the processor time in which a large matrix product
of TensorFlow, timed in the same turns, would do as many operations as the layer's products need.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

SQUARE = 1024  # side of the matrices whose product is the floor
CALLS = 3  # a turn


def main() -> None:
    arguments = parse()
    start_tensorflow(arguments.cores)
    print(
        f"{arguments.sequences} x {arguments.tokens} tokens, width {arguments.width}, {arguments.units} units both ways"
    )
    print(f"{'cell':<16} keras.layers ms  fused ms  ratio  share of the floor  tokens/s")
    for cell in arguments.cells:
        print(line(cell, measure(cell, arguments), arguments), flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cells = ("simple_rnn", "simple_rnn_relu", "gru", "lstm")
    parser.add_argument("--cells", nargs="+", choices=cells, default=cells)
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)), help="how many to use")
    parser.add_argument("--sequences", type=int, default=24, help="in a batch")
    parser.add_argument("--tokens", type=int, default=32, help="of each sequence")
    parser.add_argument("--width", type=int, default=258, help="of a token")
    parser.add_argument("--units", type=int, default=200, help="of a direction")
    parser.add_argument("--rounds", type=int, default=15, help="turns")
    return parser.parse_args()


def start_tensorflow(cores: int) -> None:
    """Settle cores and threads, as `seqtag train` does, before TensorFlow starts."""
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:cores]))
    threads = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": str(cores)}
    os.environ.update(threads | {"TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3")})


def measure(cell: str, arguments: argparse.Namespace) -> dict[str, float]:
    """Return the median seconds of a step of Keras's layer and of the fused one, and of a large product."""
    import numpy as np
    import tensorflow as tf

    from seqtag.nn import recurrent

    rng = np.random.default_rng(0)
    shape = (arguments.sequences, arguments.tokens, arguments.width)
    inputs = tf.constant(rng.standard_normal(shape, np.float32))
    lengths = tf.fill([arguments.sequences], arguments.tokens)
    layer = recurrent.Recurrent(cell, arguments.units)
    layer.build(inputs.shape)
    weights = [variable.value for variable in layer.trainable_variables]
    upstream = tf.constant(rng.standard_normal((*shape[:2], 2 * arguments.units), np.float32))

    def own(inputs: Any) -> Any:
        ways = [recurrent.run(one, way, inputs, lengths) for way, one in layer.ways.items()]
        return tf.concat(ways, -1)

    def step(outputs: Callable[[Any], Any]) -> Callable[[], Any]:
        @tf.function
        def traced(inputs: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                loss = tf.reduce_sum(outputs(inputs) * upstream)
            return tape.gradient(loss, [inputs, *weights])

        return lambda: traced(inputs)

    square = tf.constant(rng.standard_normal((SQUARE, SQUARE), np.float32))
    product = tf.function(lambda: [tf.matmul(square, square)])
    turns = {"keras": step(own), "fused": step(lambda inputs: layer(inputs, lengths)), "product": product}
    times: dict[str, list[float]] = {name: [] for name in turns}
    for turn in range(arguments.rounds + 1):
        for name, call in turns.items():
            took = seconds(call)
            if turn:  # the first call traces
                times[name].append(took)
    return {name: statistics.median(found) for name, found in times.items()}


def seconds(call: Callable[[], Any]) -> float:
    """Return the time of one call, out of some."""
    began = time.perf_counter()
    for _ in range(CALLS):
        found = call()
    found[0].numpy()
    return (time.perf_counter() - began) / CALLS


def line(cell: str, times: dict[str, float], arguments: argparse.Namespace) -> str:
    """Lay one row out."""
    from seqtag.choices.cells import CELLS

    tokens = arguments.sequences * arguments.tokens
    gates = len(CELLS[cell].gates)
    # Forward once, backward twice: the gradients of what goes in and of the weights.
    operations = 3 * 2 * 2 * tokens * (arguments.width + arguments.units) * gates * arguments.units
    floor = operations / (2 * SQUARE**3 / times["product"]) / arguments.cores
    keras, fused = times["keras"], times["fused"]
    return (
        f"{cell:<16} {1e3 * keras:>15.1f}  {1e3 * fused:>8.1f}  {keras / fused:>5.2f}"
        f"  {100 * floor / fused:>16.0f} %  {tokens / fused:>8,.0f}"
    )


if __name__ == "__main__":
    main()
