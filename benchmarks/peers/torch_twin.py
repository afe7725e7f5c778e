"""The network of `SequenceTagger` in PyTorch, on the very batches that seqtag trains on, handed over ready-made.

Words, affixes and characters (once a distinct word), variational dropout, `nn.LSTM` on packed sequences, a batched CRF,
Adam with seqtag's plan of the learning rate and clipping. Neither averaged weights nor the neighbouring-words loss.

Options: ``sparse`` (the word table's gradient is sparse, under `SparseAdam`), and, for a step in the manner of NCRF++
(Yang and Zhang, 2018), ``inputs`` (which features are read), ``by_place`` (characters once a place), ``decode`` (each
training batch is decoded, too) and ``sgd`` (a rate, in place of Adam).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from peers.protocol import Curve, Job, Meter, Result, Sentences, main
from peers.torch_crf import CRF

UNITS, DROPOUT, PEAK, WARMUP, CLIP = 200, 0.4, 8e-3, 100, 5.0
UNKNOWN = 1

Batch = dict[str, torch.Tensor]


class Tagger(nn.Module):
    """Emissions (B, T, K) of a batch, and their CRF."""

    def __init__(self, specs: list[dict[str, Any]], allowed: dict[str, Any], *, sparse: bool, by_place: bool) -> None:
        super().__init__()
        self.specs, self.by_place = specs, by_place
        self.tables = nn.ModuleDict()
        self.convolutions = nn.ModuleDict()
        width = 0
        for spec in specs:
            name, is_chars = spec["name"], spec["kind"] == "chars"
            table = nn.Embedding(spec["size"], spec["dim"], sparse=sparse and name == "words")
            nn.init.uniform_(table.weight, -((3 / spec["dim"]) ** 0.5), (3 / spec["dim"]) ** 0.5)
            self.tables[name] = table
            if is_chars:
                self.convolutions[name] = nn.Conv1d(spec["dim"], spec["filters"], 3, padding=1)
            width += spec["filters"] if is_chars else spec["width"] * spec["dim"]
        self.lstm = nn.LSTM(width, UNITS, batch_first=True, bidirectional=True)
        self.scores = nn.Linear(2 * UNITS, len(allowed["start"]))
        self.crf = CRF(allowed)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return the emissions."""
        index, lengths = batch["index"], batch["lengths"]
        tokens = torch.cat([self._vectors(spec, batch[spec["name"]], index) for spec in self.specs], -1)
        packed = pack_padded_sequence(self._drop(tokens), lengths, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        return self.scores(self._drop(states))

    def _vectors(self, spec: dict[str, Any], ids: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """Return (B, T, width) of the ids (U, ...) of distinct words."""
        name = spec["name"]
        if spec["kind"] != "chars":
            if self.training and spec["drop"]:
                dropped = (ids >= spec["rare_from"]) & (torch.rand(ids.shape) < spec["drop"])
                ids = ids.masked_fill(dropped, UNKNOWN)
            return self.tables[name](ids).flatten(1)[index]
        if self.by_place:
            ids = ids[index.flatten()]
        embedded = self.tables[name](ids).transpose(1, 2) * (ids != 0)[:, None]
        responses = self.convolutions[name](embedded).masked_fill((ids == 0)[:, None], -1e9).amax(2)
        return responses.unflatten(0, index.shape) if self.by_place else responses[index]

    def _drop(self, values: torch.Tensor) -> torch.Tensor:
        """Drop the same units at all places of a sentence (Gal and Ghahramani, 2016)."""
        if not self.training:
            return values
        kept = torch.rand(values.shape[0], 1, values.shape[2]) >= DROPOUT
        return values * kept / (1 - DROPOUT)


def run(job: Job) -> Result:
    torch.set_num_threads(len(job.cores))
    torch.manual_seed(job.seed)
    options, data = job.options, job.load_batches()
    wanted = options.get("inputs")
    specs = [spec for spec in data["specs"] if wanted is None or spec["name"] in wanted]
    tagger = Tagger(
        specs, data["allowed"], sparse=options.get("sparse", False), by_place=options.get("by_place", False)
    )
    passes = [[as_tensors(*batch) for batch in batches] for batches in data["passes"]]
    step = make_step(tagger, job.epochs * len(passes[0]), options)
    if job.mode == "score":
        return learn(job, tagger, step, passes, data)
    meter = Meter(job.warmup_steps, job.seconds)
    for batch in endless(passes, job.seed):
        if meter.step(int(batch["lengths"].sum()), step(batch)):
            break
    predicted = predict(tagger, data)
    return meter.result() | {"predicted": predicted, "padded_share": padded_share(passes)}


def learn(job: Job, tagger: Tagger, step: Any, passes: list[list[Batch]], data: dict[str, Any]) -> Result:
    """Train epoch by epoch and predict after each."""
    curve = Curve(job.seconds)
    for epoch in range(job.epochs):
        curve.resume()
        for batch in passes[epoch % len(passes)]:
            step(batch)
        curve.pause()
        if curve.add(predicted=predict(tagger, data)):
            break
    return curve.result()


def make_step(tagger: Tagger, total: int, options: dict[str, Any]) -> Any:
    """Return what trains on one batch and gives its loss a token."""
    sparse = [table.weight for table in tagger.tables.values() if table.sparse]
    dense = [weight for weight in tagger.parameters() if not any(weight is other for other in sparse)]
    if "sgd" in options:
        optimizers = [torch.optim.SGD(dense, options["sgd"])]
    else:
        optimizers = [torch.optim.Adam(dense, PEAK)]
        if sparse:
            optimizers.append(torch.optim.SparseAdam(sparse, PEAK))
    schedulers = [torch.optim.lr_scheduler.LambdaLR(optimizer, planned(total)) for optimizer in optimizers]

    def step(batch: Batch) -> float:
        tagger.train()
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        emissions = tagger(batch)
        n_tokens = batch["mask"].sum()
        loss = -tagger.crf.log_likelihood(emissions, batch["targets"], batch["mask"]).sum() / n_tokens
        # NCRF++ sums the loss over a batch, on which its rate is set.
        (loss * n_tokens if "sgd" in options else loss).backward()
        if options.get("decode"):
            tagger.crf.viterbi(emissions, batch["mask"])
        nn.utils.clip_grad_norm_(dense, CLIP)
        for optimizer in optimizers:
            optimizer.step()
        for scheduler in schedulers if "sgd" not in options else ():
            scheduler.step()
        return float(loss.detach())

    return step


def planned(total: int) -> Any:
    """Return the rate's share of its peak at each step: a linear rise, then a linear fall to zero."""
    warmup = max(1, min(WARMUP, total // 10))
    return lambda step: max(0.0, min((step + 1) / warmup, (total - step) / max(total + 1 - warmup, 1)))


def endless(passes: list[list[Batch]], seed: int) -> Iterator[Batch]:
    """Yield the batches of the passes again and again, in another order each time."""
    rng = random.Random(seed)
    while True:
        for batches in passes:
            yield from batches
            rng.shuffle(batches)


def as_tensors(inputs: dict[str, np.ndarray], targets: np.ndarray | None = None) -> Batch:
    """Return a batch as tensors, with a mask (B, T) of what is no padding."""
    batch = {name: torch.from_numpy(values).long() for name, values in inputs.items()}
    batch["mask"] = torch.arange(batch["index"].shape[1]) < batch["lengths"][:, None]
    if targets is not None:
        batch["targets"] = torch.from_numpy(targets).long()
    return batch


def padded_share(passes: list[list[Batch]]) -> float:
    """Return which share of the computed places is padding."""
    masks = [batch["mask"] for batches in passes for batch in batches]
    return 1.0 - sum(int(mask.sum()) for mask in masks) / sum(mask.numel() for mask in masks)


@torch.no_grad()
def predict(tagger: Tagger, data: dict[str, Any]) -> Sentences:
    """Return the tags of each sentence of dev."""
    tagger.eval()
    found: dict[int, list[str]] = {}
    for inputs, places in data["dev"]:
        batch = as_tensors(inputs)
        best = tagger.crf.viterbi(tagger(batch), batch["mask"]).tolist()
        for place, row, length in zip(places, best, batch["lengths"].tolist(), strict=True):
            found[place] = [data["labels"][i] for i in row[:length]]
    return [found[place] for place in sorted(found)]


if __name__ == "__main__":
    main(run)
