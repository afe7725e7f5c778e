"""Made-up tasks that need a long memory: what matters lies a known number of steps back.

They follow Hochreiter and Schmidhuber (1997), Long Short-Term Memory, Neural Computation 9(8): experiment 2c for
"recall" (the end is told by the start, distractors lie between) and experiment 4 for "adding"; "copy" is the form of
Arjovsky, Shah and Bengio (2016), Unitary Evolution Recurrent Neural Networks, ICML.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np

from seqtag.data.corpus import Corpus, Sequence
from seqtag.data.generated import check_int, draws
from seqtag.registry import Registry

_SYMBOLS = ("a", "b", "c", "d")
_DISTRACTORS = ("u", "v", "w", "x", "y", "z")
_BLANK, _ASK = "-", "?"
_COPIED = 4  # most symbols of a string to copy


def make_memory(
    *, task: str = "recall", lag: int = 20, sequences: int = 1000, random_state: int = 0
) -> dict[str, Corpus]:
    """Make one of the classic tasks of long-range memory.

    Parameters
    ----------
    task : {"recall", "copy", "adding"}
        ``recall``: a symbol, distractors, and "?" exactly ``lag`` steps after the symbol; ``label`` is the symbol.
        ``copy``: a string of up to four symbols, blanks, and a "?" for each symbol, exactly ``lag`` steps after it;
        ``labels`` are the symbols at the "?" and "O" elsewhere. ``adding``: frames of a value in [0, 1] and a mark that
        is 1 at two of them, of which the first stands at least ``lag`` steps before the end; ``label`` is "high" if the
        two values add up to at least 1, else "low".
    lag : int
        Steps to remember.
    sequences : int
        Size of ``train``; ``dev`` and ``test`` have a quarter of it each, at least one.
    random_state : int
        Draws the sequences. The same one always gives the same corpora.

    Returns
    -------
    dict of str to Corpus
        ``train``, ``dev`` and ``test``.
    """
    make = _TASKS[task]
    check_int("lag", lag, low=1)
    check_int("sequences", sequences, low=1)
    check_int("random_state", random_state, low=0)
    return {
        split: Corpus(tuple(make(draw, lag) for _ in range(size)), f"memory {task} {split}")
        for split, size, draw in draws(f"memory {task} {lag}", sequences, random_state)
    }


def _recall(draw: random.Random, lag: int) -> Sequence:
    symbol = draw.choice(_SYMBOLS)
    return Sequence((symbol, *draw.choices(_DISTRACTORS, k=lag - 1), _ASK), label=symbol)


def _copy(draw: random.Random, lag: int) -> Sequence:
    symbols = tuple(draw.choices(_SYMBOLS, k=min(_COPIED, lag)))
    tokens = (*symbols, *(_BLANK,) * (lag - len(symbols)), *(_ASK,) * len(symbols))
    return Sequence(tokens, (*("O",) * lag, *symbols))


def _adding(draw: random.Random, lag: int) -> Sequence:
    length = lag + 1 + draw.randint(0, max(1, lag // 10))
    first = draw.randint(0, length - 1 - lag)
    second = draw.randint(first + 1, length - 1)
    frames = np.zeros((length, 2), np.float32)
    frames[:, 0] = [draw.randint(0, 1024) / 1024 for _ in range(length)]  # float32 adds these without rounding
    frames[[first, second], 1] = 1.0
    return Sequence(label="high" if frames[[first, second], 0].sum() >= 1 else "low", frames=frames)


_TASKS: Registry[Callable[[random.Random, int], Sequence]] = Registry("task")
_TASKS.add("recall", _recall)
_TASKS.add("copy", _copy)
_TASKS.add("adding", _adding)
