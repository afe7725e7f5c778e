"""A language model that writes on: symbol by symbol with the state kept, so that each costs the same."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from seqtag.data.lookup import UNKNOWN
from seqtag.data.symbols import END, LEVELS, SymbolTable
from seqtag.decoding import check_sampling, draw, truncated
from seqtag.errors import ParameterError


@dataclass(frozen=True)
class Sampling:
    """How the next symbol is chosen.

    Parameters
    ----------
    max_symbols : int
        After how many words, characters or bytes to end at the latest.
    temperature : float
        What log-probabilities are divided by; 0 always takes the most probable symbol.
    top_k : int, optional
        Choose among so many of the most probable symbols.
    top_p : float, optional
        Choose among the fewest symbols that are together so probable.
    beams : int
        Above 1, nothing is drawn: so many of the most probable beginnings are kept, and the best text is returned.
    stop : tuple of str
        Where the text that is written contains one of these, it ends before it.
    unknown : bool
        Whether the mark of unknown words may be written.
    seed : int, optional
        Seeds what is drawn.

    Raises
    ------
    ParameterError
        If something is out of its range.
    """

    max_symbols: int = 100
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    beams: int = 1
    stop: tuple[str, ...] = ()
    unknown: bool = False
    seed: int | None = None

    def __post_init__(self) -> None:
        check_sampling(self.temperature, self.top_k, self.top_p)
        for name in ("max_symbols", "beams"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
                raise ParameterError(f"{name} must be a whole number from 1 on; got {value!r}.")
        stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)
        if not all(isinstance(word, str) and word for word in stop):
            raise ParameterError(f"stop must be a string, or several, none of them empty; got {self.stop!r}.")
        object.__setattr__(self, "stop", stop)
        if self.beams > 1 and (self.temperature != 1.0 or self.top_k is not None or self.top_p is not None):
            raise ParameterError("beams above 1 draw nothing; leave temperature, top_k and top_p out, or beams.")


Advance = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From the last symbols (B,) and the states behind all before, log p of what comes next (B, V) and the new states."""


def sampled(advance: Advance, log_p: np.ndarray, state: np.ndarray, sampling: Sampling, ends: bool) -> Iterator[int]:
    """Yield symbols as they are drawn; the text's end, which is not among them, ends it.

    Parameters
    ----------
    advance : callable
        The model.
    log_p, state : ndarray, shape (V,) and (1, ...)
        What it gave for the prompt.
    sampling : Sampling
        How to choose.
    ends : bool
        Whether the end of a text ends what is written; otherwise it is a symbol like the others.
    """
    rng = np.random.default_rng(sampling.seed)
    choose = partial(truncated, temperature=sampling.temperature, top_k=sampling.top_k, top_p=sampling.top_p)
    for _ in range(sampling.max_symbols):
        chosen = draw(choose(_allowed(log_p, sampling)), rng)
        if chosen == END and ends:
            return
        yield chosen
        found, state = advance(np.array([chosen], np.int32), state)
        log_p = found[0]


def beam_search(
    advance: Advance, log_p: np.ndarray, state: np.ndarray, sampling: Sampling, ends: bool
) -> tuple[list[int], float]:
    """Return the most probable continuation that a beam finds, and its log-probability.

    Continuations of ``max_symbols`` symbols, and those that end before, are compared by their whole probability.
    Parameters and errors are those of `sampled`.
    """
    best: tuple[list[int], float] = ([], -np.inf)
    beams: list[list[int]] = [[]]
    totals = np.zeros(1)
    rows = log_p[None]
    for step in range(sampling.max_symbols):
        scores = totals[:, None] + _allowed(rows, sampling).astype(np.float64)
        if ends:
            finished = int(scores[:, END].argmax())
            if scores[finished, END] > best[1]:
                best = beams[finished], float(scores[finished, END])
            scores[:, END] = -np.inf
        order = np.argsort(-scores, axis=None, kind="stable")[: sampling.beams]
        order = order[np.isfinite(scores.ravel()[order])]
        parents, chosen = np.unravel_index(order, scores.shape)
        beams = [[*beams[p], int(c)] for p, c in zip(parents, chosen, strict=True)]
        totals = scores[parents, chosen]
        if not beams or totals[0] <= best[1]:  # nothing that goes on can become more probable
            return best
        if step + 1 < sampling.max_symbols:
            rows, state = advance(chosen.astype(np.int32), np.ascontiguousarray(state[parents]))
    return (beams[0], float(totals[0])) if totals[0] > best[1] else best


def _allowed(log_p: np.ndarray, sampling: Sampling) -> np.ndarray:
    """Forbid the unknown symbol, unless it may be written."""
    if sampling.unknown:
        return log_p
    log_p = log_p.copy()
    log_p[..., UNKNOWN] = -np.inf
    return log_p


def spelled(ids: Iterable[int], table: SymbolTable, begun: bool, end: str) -> Iterator[str]:
    """Yield the text of symbols as they come, in pieces that can be put side by side.

    Parameters
    ----------
    ids : iterable of int
        The symbols.
    table : SymbolTable
        What they are.
    begun : bool
        Whether there is text before the first, from which a word must be set apart.
    end : str
        How the end of a text is written.
    """
    joiner = LEVELS[table.level].joiner
    decoder = codecs.getincrementaldecoder("utf-8")("replace") if table.level == "bytes" else None
    for i in ids:
        if i == END:
            yield (decoder.decode(b"", final=True) if decoder else "") + end
            begun = False
            continue
        symbol = table.symbols[i]
        piece = decoder.decode(symbol.encode("latin-1", "ignore")) if decoder else symbol
        yield joiner + piece if begun else piece
        begun = True
    if decoder:
        yield decoder.decode(b"", final=True)


def until(pieces: Iterable[str], stop: tuple[str, ...]) -> Iterator[str]:
    """Yield a text's pieces until one of the words to stop at stands in it; that word and what follows are left out.

    Parameters
    ----------
    pieces : iterable of str
        The text.
    stop : tuple of str
        The words.
    """
    held = ""
    for piece in pieces:
        held += piece
        found = [place for place in (held.find(word) for word in stop) if place >= 0]
        if found:
            if min(found):
                yield held[: min(found)]
            return
        keep = _begun(held, stop)
        if len(held) > keep:
            yield held[: len(held) - keep]
            held = held[len(held) - keep :]
    if held:
        yield held


def _begun(text: str, stop: tuple[str, ...]) -> int:
    """Return how much of the end of a text may be the beginning of a word to stop at."""
    longest = max((len(word) - 1 for word in stop), default=0)
    sizes = range(min(longest, len(text)), 0, -1)
    return next((n for n in sizes if any(word.startswith(text[-n:]) for word in stop)), 0)
