"""Texts through a language model, in windows of bounded memory, with the state carried from one to the next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqtag.backends import CarryingBackend
from seqtag.data.batching import bucket
from seqtag.data.symbols import END

VALUES = 1 << 22  # log-probabilities of a window, some 16 MB
TOKENS = 1 << 11
SEQUENCES = 64


@dataclass(frozen=True)
class Window:
    """What a model gave for a piece of some texts.

    Parameters
    ----------
    rows : ndarray of int, shape (B,)
        Which texts.
    start : int
        Where in each of them the piece begins.
    lengths : ndarray of int, shape (B,)
        How long the piece of each is.
    values : ndarray of float32, shape (B, T, V) or (B, T, H)
        log p(next symbol | what came before) behind each place, or the states there.
    state : ndarray of float32
        The state behind each text's piece.
    """

    rows: np.ndarray
    start: int
    lengths: np.ndarray
    values: np.ndarray
    state: np.ndarray


def read_windows(
    backend: CarryingBackend, inputs: Sequence[np.ndarray], size: int, output: str | None = None
) -> Iterator[Window]:
    """Read id sequences, none of them empty, each from the state that texts begin with.

    Parameters
    ----------
    backend : CarryingBackend
        Computes the network.
    inputs : sequence of ndarray of int
        The ids.
    size : int
        Number of symbols V, by which a window is kept within bounds.
    output : str, optional
        Which output of the network, see `CarryingBackend`; by default log-probabilities.

    Yields
    ------
    Window
        Those of a text in order.
    """
    budget = max(1, min(TOKENS, VALUES // size))
    lengths = np.array(list(map(len, inputs)), np.int32)
    for group in bucket(lengths, budget, max_sequences=min(SEQUENCES, budget)):
        group = group[np.argsort(-lengths[group], kind="stable")]
        width = max(1, budget // len(group))
        state: Any = None
        for start in range(0, int(lengths[group].max()), width):
            left = lengths[group] - start
            rows = group[left > 0]  # the longest come first
            here = np.minimum(left[left > 0], width).astype(np.int32)
            symbols = np.full((len(rows), int(here.max()), 1), END, np.int32)
            for line, row, n in zip(symbols, rows, here, strict=True):
                line[:n, 0] = inputs[row][start : start + n]
            carried = None if state is None else np.ascontiguousarray(state[: len(rows)])
            found, state = backend.compute_with_state({"symbols": symbols, "lengths": here}, carried, output)
            yield Window(rows, start, here, found, state)


def log_probabilities(backend: CarryingBackend, texts: Sequence[np.ndarray], size: int) -> list[np.ndarray]:
    """Return log p(symbol | what came before) of each symbol of each text, and of its end.

    Parameters
    ----------
    backend, size : as in `read_windows`
        The network.
    texts : sequence of ndarray of int
        The ids of each text, without its end.

    Returns
    -------
    list of ndarray of float32, shape (length + 1,)
    """
    end = np.array([END], np.int32)
    targets = [np.concatenate([text, end]) for text in texts]
    out = [np.empty(len(wanted), np.float32) for wanted in targets]
    inputs = [np.concatenate([end, text]) for text in texts]
    for window in read_windows(backend, inputs, size):
        for line, row, n in zip(window.values, window.rows, window.lengths, strict=True):
            here = slice(window.start, window.start + n)
            out[row][here] = line[np.arange(n), targets[row][here]]
    return out
