"""One long sequence in pieces, so that what is held beside its emissions and its answer does not grow with it.

What stands before a piece is summed up in its start scores, and what stands behind it in its end scores; with these a
piece is a sequence of its own, and what is found for it is exact. The start scores of all pieces are computed first,
the pieces are then gone through from the last to the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from seqtag.decoding._best import best_path, best_scores
from seqtag.decoding._lattice import Lattice, make_lattice
from seqtag.decoding._sums import backward, finite, forward, logsumexp, posterior_of

PIECE = 4096  # tokens


class Piece(NamedTuple):
    """Part of a sequence, with all that stands before and behind it in its start and end scores."""

    begin: int
    lattice: Lattice  # of one sequence

    @property
    def place(self) -> slice:
        """Where it stands in the sequence."""
        return slice(self.begin, self.begin + len(self.lattice.emissions))


class SummedPiece(NamedTuple):
    """A piece with what `forward` and `backward` give for it."""

    begin: int
    lattice: Lattice
    alpha: np.ndarray  # (T, K, 1)
    beta: np.ndarray  # (T, K, 1)

    @property
    def place(self) -> slice:
        """Where it stands in the sequence."""
        return slice(self.begin, self.begin + len(self.lattice.emissions))


def is_long(emissions: Any, lengths: Any) -> bool:
    """Tell whether emissions (1, T, K) are of one sequence that is better gone through in pieces."""
    shape = np.shape(emissions)
    return len(shape) == 3 and shape[0] == 1 and shape[1] > PIECE and np.array_equal(lengths, shape[1:2])


def long_best_path(emissions: Any, transitions: Any, start: Any, end: Any) -> tuple[np.ndarray, np.ndarray]:
    """Find the best path as `best_path` does, bit by bit the same."""

    def before(lattice: Lattice) -> np.ndarray:
        return (best_scores(lattice)[-1] + lattice.transitions).max(axis=0)

    tags = np.empty((1, np.shape(emissions)[1]), np.int32)
    score = np.zeros(1)
    after: np.ndarray | None = None
    for piece in _pieces(emissions, transitions, start, end, before):
        lattice = piece.lattice if after is None else piece.lattice._replace(end=after)
        tags[:, piece.place], found = best_path(lattice)
        score = found if after is None else score
        after = lattice.transitions[:, tags[0, piece.begin]]
    return tags, score


def long_posterior(emissions: Any, transitions: Any, start: Any, end: Any) -> np.ndarray:
    """Compute the probability of each label at each token, shape (1, T, K), as `posterior` does."""
    out = np.empty(np.shape(emissions), np.float64)
    for piece in summed_pieces(emissions, transitions, start, end):
        out[:, piece.place] = posterior_of(*piece[1:])
    return out


def summed_pieces(emissions: Any, transitions: Any, start: Any, end: Any) -> Iterator[SummedPiece]:
    """Yield the pieces, the last one first, with the sums over all paths before and behind them."""

    def before(lattice: Lattice) -> np.ndarray:
        scores = logsumexp(forward(lattice)[-1] + lattice.transitions)
        return scores - finite(scores.max())  # the sum grows with the text, and its digits would be lost

    after: np.ndarray | None = None
    for piece in _pieces(emissions, transitions, start, end, before):
        lattice = piece.lattice if after is None else piece.lattice._replace(end=after)
        beta = backward(lattice)
        yield SummedPiece(piece.begin, lattice, forward(lattice), beta)
        behind = lattice.emissions[0] + beta[0]  # (K, 1)
        after = logsumexp(behind + lattice.transitions.T)
        after = after - finite(after.max())


def _pieces(
    emissions: Any, transitions: Any, start: Any, end: Any, before: Callable[[Lattice], np.ndarray]
) -> Iterator[Piece]:
    """Yield the pieces, the last one first, each with the start scores that ``before`` gives of the one before it."""
    emissions = np.asarray(emissions)
    begins = range(0, emissions.shape[1], PIECE)

    def cut(begin: int, start: Any) -> Lattice:
        part = emissions[:, begin : begin + PIECE]
        return make_lattice(part, [part.shape[1]], transitions, start, end)

    starts = [np.asarray(start, np.float64)]
    for begin in begins[:-1]:
        starts.append(before(cut(begin, starts[-1])))
    for begin, scores in zip(reversed(begins), reversed(starts), strict=True):
        yield Piece(begin, cut(begin, scores))
