"""The best path of each sequence."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqtag.decoding._lattice import Lattice, valid_places


def best_path(lattice: Lattice) -> tuple[np.ndarray, np.ndarray]:
    """Find the best path of each sequence and its score, shapes (B, T) and (B,)."""
    if len(lattice.lengths) == 1 and lattice.lengths[0] > 0:
        return _best_path_of_one(lattice)
    best = best_scores(lattice)
    final = lattice.at_last(best) + lattice.end[:, None]  # (K, B)
    tags = _backtrace(best, lattice, final.argmax(axis=0))
    return tags, np.where(lattice.lengths > 0, final.max(axis=0), 0.0)


def best_scores(lattice: Lattice) -> np.ndarray:
    """Score the best path to each label, shape (T, K, B); no mask, as no score depends on a later token."""
    emissions, transitions = lattice.emissions, lattice.transitions[:, :, None]
    best = emissions.copy()
    paths = np.empty((*transitions.shape[:2], emissions.shape[2]))  # (K from, K to, B)
    best[:1] += lattice.start[:, None]
    for before, here, emission in zip(best, best[1:], emissions[1:], strict=False):
        np.add(before[:, None], transitions, out=paths)
        np.maximum.reduce(paths, axis=0, out=here)
        here += emission
    return best


def _backtrace(best: np.ndarray, lattice: Lattice, final: np.ndarray) -> np.ndarray:
    """Walk back from the final labels, finding each step's best predecessor anew: storing all costs K times more."""
    T, _, B = best.shape
    path = np.zeros((T, B), dtype=np.int32)
    tag = final
    path[T - 1 :] = tag
    for t in range(T - 2, -1, -1):
        tag = np.where(t < lattice.last, (best[t] + lattice.transitions[:, tag]).argmax(axis=0), tag)
        path[t] = tag
    return np.where(valid_places(lattice.lengths, T), path.T, 0)


def _best_path_of_one(lattice: Lattice) -> tuple[np.ndarray, np.ndarray]:
    """Find one sentence's best path: a server's case, where most of the time would go to the batch axis."""
    length, transitions = int(lattice.lengths[0]), lattice.transitions
    best = lattice.emissions[:length, :, 0].copy()  # (T, K)
    paths, most = np.empty_like(transitions), np.empty(len(transitions))  # (K from, K to), (K to,)
    add = np.add
    maximum: Any = np.maximum.reduce  # NumPy's types know no `out` by its place
    best[0] += lattice.start
    for before, here in zip(best[:, :, None], best[1:], strict=False):
        add(before, transitions, paths)
        maximum(paths, 0, None, most)
        add(here, most, here)
    final = best[-1] + lattice.end
    tag = int(final.argmax())
    found = [tag]
    into = np.ascontiguousarray(transitions.T)  # (K to, K from)
    for scores in best[-2::-1]:
        tag = int((scores + into[tag]).argmax())
        found.append(tag)
    tags = np.zeros((1, len(lattice.emissions)), np.int32)
    tags[0, :length] = found[::-1]
    return tags, final.max(keepdims=True)
