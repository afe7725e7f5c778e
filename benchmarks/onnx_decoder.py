"""What the decoder costs inside an exported ONNX graph, beside NumPy's: what docs/export.md shows.

    python benchmarks/onnx_decoder.py RUN test.txt          a tagger, and sentences in CoNLL columns
    python benchmarks/onnx_decoder.py RUN test.txt --sentences 2012

The network alone, NumPy's Viterbi and marginals on its emissions, and both exports (tags alone, and with probabilities)
take turns on the same sentences, in one process and one thread; what the decoder costs in a graph is the difference to
the network. Tags must be equal.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from seqtag import decoding
from seqtag.bundle import Bundle
from seqtag.data.batching import EncodedCorpus, bucket
from seqtag.data.features import Feature
from seqtag.data.readers import read
from seqtag.decoders import DECODERS
from seqtag.export.formats import export

TURNS = 3
COLUMNS = ("network", "NumPy: tags", "NumPy: probabilities", "graph: tags", "graph: both")


def main() -> None:
    arguments = parse()
    bundle = Bundle.read(arguments.run)
    features = tuple(Feature.from_dict(state) for state in bundle.json("vocabulary.json"))
    sequences = list(read(arguments.corpus, "conll"))[: arguments.sentences]
    encoded = EncodedCorpus(features, sequences)
    opened = open_graphs(bundle)
    decoder: Any = DECODERS[bundle.manifest["task"]](bundle.manifest, bundle.arrays("decoder.npz"))
    print(f"{'':<28}" + "  ".join(COLUMNS))
    alone = [measure(opened, decoder, encoded, [i]) for i in range(len(sequences))]
    show("one sentence, median ms", [1e3 * statistics.median(times) for times in zip(*alone, strict=True)])
    groups = bucket(encoded.lengths, 2048, max_sequences=64)
    together = [measure(opened, decoder, encoded, group) for group in groups]
    show("batches, us a token", [1e6 * sum(times) / encoded.n_tokens for times in zip(*together, strict=True)])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the folder of a tagger")
    parser.add_argument("corpus", type=Path, help="a file in CoNLL columns")
    parser.add_argument("--sentences", type=int, default=300, help="how many of its sentences")
    return parser.parse_args()


def open_graphs(bundle: Bundle) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        graphs = {"network": bundle.files["model.onnx"]}
        for name, both in (("tags", False), ("both", True)):
            place = export(bundle, "onnx", Path(folder) / name, {"probabilities": both})
            graphs[name] = (place / "model.onnx").read_bytes()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return {
        name: onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        for name, graph in graphs.items()
    }


def measure(opened: dict[str, Any], decoder: Any, encoded: EncodedCorpus, group: Any) -> list[float]:
    """Return the seconds that each of `COLUMNS` takes for some sequences, the best of a few turns."""
    inputs = encoded.batch(np.asarray(group)).inputs
    index, lengths = inputs["index"], inputs["lengths"]
    places = {name: array[index] for name, array in inputs.items() if name not in ("index", "lengths")}
    places["lengths"] = lengths
    scores = (decoder.transitions, decoder.start, decoder.end)
    (emissions, *_) = opened["network"].run(None, inputs)
    calls: list[Callable[[], Any]] = [
        lambda: opened["network"].run(None, inputs),
        lambda: decoding.viterbi(emissions, lengths, *scores)[0],
        lambda: decoding.marginals(emissions, lengths, *scores),
        lambda: opened["tags"].run(["tags"], places)[0],
        lambda: opened["both"].run(None, places),
    ]
    inside = np.arange(emissions.shape[1]) < lengths[:, None]
    if not np.array_equal(np.where(inside, calls[1](), -1), calls[3]()):
        raise SystemExit("the graph's tags are not NumPy's")
    turns = [[timed(call) for call in calls] for _ in range(TURNS)]
    return [min(times) for times in zip(*turns, strict=True)]


def timed(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def show(title: str, values: list[float]) -> None:
    print(f"{title:<28}" + "  ".join(f"{value:>{len(name)}.2f}" for name, value in zip(COLUMNS, values, strict=True)))


if __name__ == "__main__":
    main()
