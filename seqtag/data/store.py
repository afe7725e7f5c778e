"""Encoded sequences on disk: written once, in shards, and mapped into memory a few shards at a time.

What is held in memory is bounded by the window, whatever the size of the corpus.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from collections.abc import Sequence as SequenceOf
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from seqtag.data.batching import Batch, EncodedArrays, Limits, Plan, bucket, padded_share
from seqtag.data.encoding import Arrays, CorpusEncoder
from seqtag.data.features import Feature
from seqtag.data.sequence import Sequence

SHARD_TOKENS = 1 << 16
"""Tokens of a shard; fewer where a place has many numbers."""
WINDOW = 16
"""Shards that are open, and shuffled together, at a time."""
PLACE_NUMBERS = 16  # numbers of a place up to which a shard has its full size

Values: TypeAlias = SequenceOf[np.ndarray] | np.ndarray | None
Part: TypeAlias = (
    tuple[SequenceOf[Sequence], Values, Values] | tuple[SequenceOf[Sequence], Values, Values, SequenceOf[np.ndarray]]
)
"""Some sequences, none of them empty, with targets, weights and maybe marks as `EncodedCorpus` takes them."""


@contextmanager
def encoded_on_disk(
    features: tuple[Feature, ...], parts: Iterable[Part], seed: int, *, shard_tokens: int | None = None
) -> Iterator[ShardedCorpus]:
    """Encode sequences into a temporary folder, which is gone when the context ends.

    Parameters
    ----------
    features : tuple of Feature
        The fitted encoders.
    parts : iterable of Part
        The data, part by part; one part is held at a time.
    seed : int
        Draws which sequences share a shard.
    shard_tokens : int, optional
        Tokens of a shard.

    Yields
    ------
    ShardedCorpus

    Raises
    ------
    DataError
        If a sequence is not what the encoders were fitted on, naming it.
    """
    with tempfile.TemporaryDirectory(prefix="seqtag-", ignore_cleanup_errors=True) as folder:
        corpus = ShardedCorpus(Path(folder), _write(Path(folder), features, parts, seed, shard_tokens))
        try:
            yield corpus
        finally:
            corpus.close()


@dataclass(frozen=True)
class _Shards:
    """What is known of the shards without opening one: how large each is, and what arrays all have."""

    sequences: np.ndarray
    tokens: np.ndarray
    layout: Arrays  # without its arrays
    names: tuple[str, ...]
    empty: frozenset[str]


class ShardedCorpus:
    """Shards of an encoded corpus, as training draws batches from them (`seqtag.data.batching.TrainingBatches`).

    A pass goes through the shards in an order that is drawn, a window of them at a time, with the batches of a window
    interleaved at random. So each window holds shards from all over the corpus.

    Parameters
    ----------
    folder : Path
        Where the shards are.
    shards : _Shards
        What they hold.
    window : int
        Shards open at a time.
    """

    def __init__(self, folder: Path, shards: _Shards, *, window: int = WINDOW) -> None:
        self._folder = folder
        self._shards = shards
        self._window = window
        self._closed = False

    def __len__(self) -> int:
        return int(self._shards.sequences.sum())

    @property
    def n_tokens(self) -> int:
        """Number of tokens or frames in all shards."""
        return int(self._shards.tokens.sum())

    @property
    def n_shards(self) -> int:
        """Number of shards."""
        return len(self._shards.tokens)

    def plan(self, limits: Limits) -> Plan:
        """Return what a pass costs, without the jitter of a shuffled one."""
        steps, computed, tokens = 0, 0.0, 0
        for number in range(self.n_shards):
            shard = self.shard(number)
            groups = bucket(shard.lengths, limits.tokens, max_sequences=limits.sequences)
            steps += len(groups)
            tokens += int(shard.lengths.sum())
            computed += int(shard.lengths.sum()) / (1.0 - padded_share(shard.lengths, groups))
        return Plan(steps, 1.0 - tokens / computed if steps else 0.0)

    def shuffled(self, limits: Limits, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield the batches of one pass, in an order that is drawn."""
        order = rng.permutation(self.n_shards)
        for start in range(0, self.n_shards, self._window):
            try:
                shards = [self.shard(number) for number in order[start : start + self._window]]
            except FileNotFoundError:
                if self._closed:  # training has ended, and what draws batches ahead of it does not know
                    return
                raise
            yield from self._mixed(shards, limits, rng)
            del shards

    def example(self) -> Batch:
        """Return a small batch, which shows the types of all."""
        return self.shard(0).example()

    def shard(self, number: int) -> EncodedArrays:
        """Open one shard; its files are closed when it is no longer referred to."""
        found = {}
        for place, name in enumerate(self._shards.names):
            path = self._folder / f"{number}.{place}.npy"
            if name in self._shards.empty:  # which cannot be mapped
                found[name] = np.load(path)
            else:
                found[name] = np.asarray(np.load(path, mmap_mode="r"))
        return EncodedArrays(_from_names(self._shards.layout, found))

    def close(self) -> None:
        """Say that the folder goes away: a pass that is under way ends at its next window."""
        self._closed = True

    @staticmethod
    def _mixed(shards: list[EncodedArrays], limits: Limits, rng: np.random.Generator) -> Iterator[Batch]:
        groups = [
            (shard, group)
            for shard in shards
            for group in bucket(shard.lengths, limits.tokens, max_sequences=limits.sequences, rng=rng)
        ]
        for i in rng.permutation(len(groups)):
            shard, group = groups[i]
            yield shard.batch(group)


def _write(
    folder: Path, features: tuple[Feature, ...], parts: Iterable[Part], seed: int, shard_tokens: int | None
) -> _Shards:
    """Encode a window of sequences at a time, shuffle it and cut it into shards."""
    rng = np.random.default_rng(seed)
    size = shard_tokens or _shard_tokens(features)
    sizes: list[tuple[int, int]] = []
    layout = Arrays(np.zeros(0, np.int32), None, {}, {})
    names: tuple[str, ...] = ()
    empty: frozenset[str] = frozenset()
    for window in _windows(features, parts, size * WINDOW):
        for indices in _cut(window.lengths, size, rng):
            shard = window.select(indices)
            named = _names(shard.arrays)
            for place, array in enumerate(named.values()):
                np.save(folder / f"{len(sizes)}.{place}.npy", array, allow_pickle=False)
            sizes.append((len(shard), shard.n_tokens))
            names, empty = tuple(named), frozenset(name for name, array in named.items() if not array.size)
            layout = replace(layout, spelled=shard.arrays.spelled, by_place=shard.arrays.by_place)
    counts = np.array(sizes, np.int64).reshape(-1, 2)
    return _Shards(counts[:, 0], counts[:, 1], layout, names, empty)


def _windows(features: tuple[Feature, ...], parts: Iterable[Part], size: int) -> Iterator[EncodedArrays]:
    """Yield encoded sequences of at least ``size`` tokens, and what is left."""
    encoder = CorpusEncoder(features)
    for part in parts:
        encoder.add(*part)
        if encoder.n_tokens >= size:
            yield EncodedArrays(encoder.arrays())
            encoder = CorpusEncoder(features)
    if encoder.n_tokens:
        yield EncodedArrays(encoder.arrays())


def _cut(lengths: np.ndarray, size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Deal sequences out to shards of about equal size, at random."""
    order = rng.permutation(len(lengths))
    total = int(lengths.sum())
    shards = max(1, round(total / size))
    before = np.cumsum(lengths[order], dtype=np.int64) - lengths[order]
    cuts = np.searchsorted(before, [total * k / shards for k in range(1, shards)])
    return [indices for indices in np.split(order, cuts) if len(indices)]


def _shard_tokens(features: tuple[Feature, ...]) -> int:
    width = sum(feature.spec.width for feature in features if feature.spec.level == "token")
    return max(1, SHARD_TOKENS * PLACE_NUMBERS // max(PLACE_NUMBERS, width))


def _names(arrays: Arrays) -> dict[str, np.ndarray]:
    """Return the arrays by names that tell where they belong."""
    single = {"lengths": arrays.lengths, "rows": arrays.rows, "targets": arrays.targets, "weights": arrays.weights}
    single["own"] = arrays.own
    named = {name: array for name, array in single.items() if array is not None}
    types = {f"types/{name}": array for name, array in arrays.types.items()}
    return named | types | {f"places/{name}": array for name, array in arrays.places.items()}


def _from_names(layout: Arrays, named: dict[str, np.ndarray]) -> Arrays:
    def within(group: str) -> dict[str, np.ndarray]:
        start = f"{group}/"
        return {name.removeprefix(start): array for name, array in named.items() if name.startswith(start)}

    return replace(
        layout,
        lengths=named["lengths"],
        rows=named.get("rows"),
        types=within("types"),
        places=within("places"),
        targets=named.get("targets"),
        weights=named.get("weights"),
        own=named.get("own"),
    )
