"""The torch twin of `peers.torch_twin` with seqtag's weights, answering under `torch.inference_mode`.

Batches of like length, `nn.LSTM` on packed sequences (a sentence alone, and sentences of one length, need no packing).
Encoders and vocabulary are seqtag's. Viterbi is the twin's own (``viterbi`` is ``torch``) or seqtag's in NumPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from peers.answering import Answering, Job, main
from peers.batched import Batched, Reading
from peers.torch_twin import UNITS, Batch, Tagger, as_tensors

GATES = 4  # input, forget, cell, output: the order of Keras and of torch alike


class Answerer(Tagger):
    """The twin, without packing where all lengths are the same."""

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return the emissions."""
        if not bool(batch["mask"].all()):
            return super().forward(batch)
        tokens = torch.cat([self._vectors(spec, batch[spec["name"]], batch["index"]) for spec in self.specs], -1)
        return self.scores(self.lstm(tokens)[0])


def open_model(job: Job) -> Answering:
    torch.set_num_threads(len(job.cores))
    reading = Reading(job.model)
    tagger = twin_of(reading.network, reading.weights())

    @torch.inference_mode()
    def emissions(inputs: dict[str, np.ndarray]) -> np.ndarray:
        return tagger(as_tensors(inputs)).numpy()

    @torch.inference_mode()
    def compute(inputs: dict[str, np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
        batch = as_tensors(inputs)
        return tagger(batch), batch["mask"]

    @torch.inference_mode()
    def decode(found: tuple[torch.Tensor, torch.Tensor], lengths: np.ndarray) -> list[Any]:
        best = tagger.crf.viterbi(*found).numpy()
        return [row[:length] for row, length in zip(best, lengths, strict=True)]

    if job.options["viterbi"] == "numpy":
        return Batched(reading, emissions).answering()
    return Batched(reading, compute, decode).answering()


def twin_of(network: Any, weights: dict[str, np.ndarray]) -> Answerer:
    """Return the twin of a network of seqtag's, with its weights.

    Raises
    ------
    ValueError
        If the network is another than the twin's.
    """
    stack = network["stack"]
    if (stack["cell"], stack["layers"], stack["units"], stack["direction"]) != ("lstm", 1, UNITS, "both"):
        raise ValueError(f"the twin is a bidirectional LSTM of one layer, {UNITS} units a direction; got {stack}")
    tagger = Answerer(network["features"], network["allowed"], sparse=False, by_place=False)
    tagger.load_state_dict(state_of(network["features"], weights), strict=False)
    return tagger.eval()


def state_of(specs: list[dict[str, Any]], weights: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """Return seqtag's weights by the names that the twin gives them."""
    found: dict[str, Any] = {}
    for spec in specs:
        name = spec["name"]
        found[f"tables.{name}.weight"] = weights[f"{name}_vectors/embeddings"]
        if spec["kind"] == "chars":
            found[f"convolutions.{name}.weight"] = weights[f"{name}_vectors/kernel"].transpose(2, 1, 0)
            found[f"convolutions.{name}.bias"] = weights[f"{name}_vectors/bias"]
    for way, suffix in (("forward", ""), ("backward", "_reverse")):
        cell = f"recurrent_0/{way}/lstm_cell"
        found[f"lstm.weight_ih_l0{suffix}"] = weights[f"{cell}/kernel"].T
        found[f"lstm.weight_hh_l0{suffix}"] = weights[f"{cell}/recurrent_kernel"].T
        found[f"lstm.bias_ih_l0{suffix}"] = weights[f"{cell}/bias"]
        found[f"lstm.bias_hh_l0{suffix}"] = np.zeros(GATES * UNITS, np.float32)  # torch has two, Keras one
    found["scores.weight"], found["scores.bias"] = weights["emissions/kernel"].T, weights["emissions/bias"]
    for part in ("transitions", "start", "end"):
        found[f"crf.{part}"] = weights[f"head/{part}"]
    return {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in found.items()}


if __name__ == "__main__":
    main(open_model)
