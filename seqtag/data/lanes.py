"""Texts as one long stream, cut into lanes that are read side by side, window after window, with the state carried."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from seqtag.data.batching import Batch, Limits, Plan
from seqtag.data.symbols import END

PAD_TO = 256  # candidates come in few numbers, for backends that compile for each
ABSENT = -1e9


@dataclass(frozen=True)
class Candidates:
    """Among which symbols the next one is sought in training: those of the batch, and some that are drawn.

    With each comes -log p(it is a candidate), by which its score is raised, so that the sum over the candidates
    estimates that over all symbols (Bengio and Senecal, 2008).

    Parameters
    ----------
    share : ndarray of float64, shape (V,)
        How frequent each symbol is.
    drawn : int
        How many draws are made, by the square root of the frequency: some give the same symbol.
    """

    share: np.ndarray
    drawn: int

    def of(self, targets: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return candidates (C,), their corrections (C,), and where among them each target stands, (B, T)."""
        q = np.sqrt(self.share)
        q /= q.sum()
        extra = rng.choice(len(q), self.drawn, p=q)
        ids, places = np.unique(np.concatenate([targets.ravel(), extra]), return_inverse=True)
        # log(1 - (1 - p)^n (1 - q)^m): in none of n places of the batch, and in none of m draws
        absent = targets.size * np.log1p(-np.minimum(self.share[ids], 0.999)) + self.drawn * np.log1p(-q[ids])
        correction = -np.log(-np.expm1(absent) + 1e-12)
        missing = -len(ids) % PAD_TO
        padded = np.concatenate([ids, np.zeros(missing, ids.dtype)]).astype(np.int32)
        corrections = np.concatenate([correction, np.full(missing, ABSENT)]).astype(np.float32)
        return padded, corrections, places[: targets.size].reshape(targets.shape).astype(np.int32)


class LaneBatches:
    """What a language model is trained on: `seqtag.data.batching.TrainingBatches` by truncated back-propagation.

    Each text is followed by an end, and one stands before the first. The stream is cut into lanes of equal length;
    a window of all lanes is a batch, and the next batch goes on where it stopped.

    Parameters
    ----------
    texts : sequence of ndarray of int
        The ids of each text.
    lanes : int
        How many lanes.
    steps : int
        Symbols of a window.
    continuous : bool
        Whether the texts are one text in pieces. If not, each pass puts them in another order.
    candidates : Candidates, optional
        Among which symbols the next one is sought; all of them without.
    """

    def __init__(
        self,
        texts: Sequence[np.ndarray],
        lanes: int,
        steps: int,
        continuous: bool,
        candidates: Candidates | None = None,
    ) -> None:
        self._texts = texts
        self._continuous = continuous
        self._candidates = candidates
        self.n_tokens = sum(map(len, texts)) + len(texts)
        self.steps = steps
        self.lanes = lanes

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def _length(self) -> int:
        return -(-self.n_tokens // self.lanes)

    def plan(self, limits: Limits) -> Plan:
        """Return what a pass costs; the limits of a batch are those of its lanes."""
        return Plan(-(-self._length // self.steps), 1.0 - self.n_tokens / (self.lanes * self._length))

    def shuffled(self, limits: Limits, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield the windows of one pass: texts in an order that is drawn, or one text from a place that is drawn."""
        order = np.arange(len(self._texts)) if self._continuous else rng.permutation(len(self._texts))
        stream = stream_of([self._texts[i] for i in order])
        inputs, targets = stream[:-1], stream[1:]
        if self._continuous:
            begin = -int(rng.integers(min(self.steps, self.n_tokens)))
            inputs, targets = np.roll(inputs, begin), np.roll(targets, begin)
        yield from self._windows(inputs, targets, rng)

    def ordered(self) -> Iterator[Batch]:
        """Yield the windows of one pass in the order of the texts."""
        stream = stream_of(self._texts)
        yield from self._windows(stream[:-1], stream[1:], np.random.default_rng(0))

    def example(self) -> Batch:
        """Return a batch, which shows the types of all."""
        return next(self.ordered())

    def _windows(self, inputs: np.ndarray, targets: np.ndarray, rng: np.random.Generator) -> Iterator[Batch]:
        shape = self.lanes, self._length
        rows, following = (np.zeros(shape, np.int32) for _ in range(2))
        rows.flat[: self.n_tokens], following.flat[: self.n_tokens] = inputs, targets
        weights = np.zeros(shape, np.float32)
        weights.flat[: self.n_tokens] = 1.0
        for start in range(0, self._length, self.steps):
            here = slice(start, min(start + self.steps, self._length))
            taken = {
                "symbols": rows[:, here, None],
                "lengths": np.full(self.lanes, here.stop - start, np.int32),
                "keep": np.full(self.lanes, float(start > 0), np.float32),
            }
            wanted = following[:, here]
            if self._candidates is not None:
                taken["candidates"], taken["correction"], wanted = self._candidates.of(wanted, rng)
            yield Batch(taken, wanted, weights[:, here])


def stream_of(texts: Sequence[np.ndarray]) -> np.ndarray:
    """Return texts one after the other with an end before the first and behind each, int32."""
    end = np.array([END], np.int32)
    return np.concatenate([end, *(part for text in texts for part in (text, end))]).astype(np.int32)
