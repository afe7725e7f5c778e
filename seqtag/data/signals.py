"""Made-up measurements: several sensors on something that moves, where no single moment tells how."""

from __future__ import annotations

import math
import random
from collections import Counter

import numpy as np

from seqtag.data.corpus import Corpus, Sequence
from seqtag.data.generated import check_int, draws
from seqtag.errors import ParameterError

_PERIODS = {"sway": 24.0, "walk": 12.0, "run": 6.0}  # frames that one swing takes
_UNITS = ((1.0, 0.0), (20.0, 100.0), (0.1, -1.0))  # amplitude and mean of the sensors, in turn
_NOISE = 0.15  # of the amplitude


def make_signals(
    *, sequences: int = 200, features: int = 3, missing: float = 0.0, random_state: int = 0
) -> dict[str, Corpus]:
    """Make measurements of movements that only their course in time tells apart.

    Each sensor swings as a sine; "sway", "walk" and "run" differ in how long a swing takes (24, 12 and 6 frames, give
    or take a tenth) and in nothing else, so that the values of one frame are the same for all of them. A sequence has
    two to four movements of 15 to 30 frames each. The sensors have different units.

    Parameters
    ----------
    sequences : int
        Size of ``train``; ``dev`` and ``test`` have a quarter of it each, at least one.
    features : int
        Number of sensors.
    missing : float
        Share of the values that are missing (NaN), at least 0 and less than 1. What is not missing stays the same.
    random_state : int
        Draws the measurements. The same one always gives the same corpora.

    Returns
    -------
    dict of str to Corpus
        ``train``, ``dev`` and ``test``: frames of shape (T, features), the movement of each frame in ``labels``, and as
        ``label`` the movement that most frames show.
    """
    check_int("sequences", sequences, low=1)
    check_int("features", features, low=1)
    check_int("random_state", random_state, low=0)
    if not isinstance(missing, (int, float)) or isinstance(missing, bool) or not 0 <= missing < 1:
        raise ParameterError(f"missing must be a number of at least 0 and less than 1; got {missing!r}.")
    corpora = {}
    for split, size, draw in draws("signals", sequences, random_state):
        holes = random.Random(f"{split} {random_state} missing")
        made = (_with_holes(_recording(draw, features), missing, holes) for _ in range(size))
        corpora[split] = Corpus(tuple(made), f"signals {split}")
    return corpora


def _recording(draw: random.Random, features: int) -> Sequence:
    phases = [draw.uniform(0, 2 * math.pi) for _ in range(features)]
    movements: list[str] = []
    rows: list[list[float]] = []
    for _ in range(draw.randint(2, 4)):
        movement = draw.choice([name for name in _PERIODS if movements[-1:] != [name]])
        step = 2 * math.pi / (_PERIODS[movement] * draw.uniform(0.9, 1.1))
        for _ in range(draw.randint(15, 30)):
            phases = [phase + step for phase in phases]
            rows.append([_measured(draw, phase, sensor) for sensor, phase in enumerate(phases)])
            movements.append(movement)
    return Sequence(
        labels=tuple(movements), label=Counter(movements).most_common(1)[0][0], frames=np.array(rows, np.float32)
    )


def _measured(draw: random.Random, phase: float, sensor: int) -> float:
    amplitude, mean = _UNITS[sensor % len(_UNITS)]
    return mean + amplitude * (math.sin(phase) + draw.gauss(0, _NOISE))


def _with_holes(sequence: Sequence, missing: float, holes: random.Random) -> Sequence:
    if not missing or sequence.frames is None:
        return sequence
    gone = [[holes.random() < missing for _ in row] for row in sequence.frames]
    frames = np.where(gone, np.float32(np.nan), sequence.frames)
    return Sequence(labels=sequence.labels, label=sequence.label, frames=frames)
