"""From the distribution over what comes next to a choice."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from seqtag.errors import ParameterError


def truncated(
    log_probabilities: ArrayLike, *, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> np.ndarray:
    """Sharpen a distribution and cut its tail off.

    First the logarithms are divided by the temperature; then all but the ``top_k`` most probable choices go (Fan, Lewis
    and Dauphin, 2018); then all but the fewest whose probabilities add up to ``top_p`` (Holtzman et al., 2020).

    Parameters
    ----------
    log_probabilities : array, shape (V,)
        Up to a constant; ``-inf`` forbids.
    temperature : float
        0 leaves the most probable one alone, which is greedy.
    top_k : int, optional
        How many stay, from 1 on; more where several are equally probable.
    top_p : float, optional
        Above 0, at most 1.

    Returns
    -------
    ndarray of float64, shape (V,)
        Sums to 1.

    Raises
    ------
    ParameterError
        If a number is out of its range.
    """
    check_sampling(temperature, top_k, top_p)
    scores = np.asarray(log_probabilities, np.float64)
    if temperature == 0:
        chances = np.zeros(len(scores))
        chances[scores.argmax()] = 1.0
        return chances
    scores = (scores - scores.max()) / temperature
    if top_k is not None and top_k < len(scores):
        least = np.partition(scores, -top_k)[-top_k]
        scores = np.where(scores >= least, scores, -np.inf)
    chances = np.exp(scores)
    chances /= chances.sum()
    if top_p is not None and top_p < 1:
        # Choices below (1 - top_p) / V add up to less than what may be cut off, and need not be sorted.
        likely = np.flatnonzero(chances >= (1 - top_p) / len(chances))
        order = likely[np.argsort(-chances[likely], kind="stable")]
        before = np.cumsum(chances[order]) - chances[order]
        kept = order[before < top_p]
        cut = np.zeros_like(chances)
        cut[kept] = chances[kept] / chances[kept].sum()
        return cut
    return chances


def draw(chances: np.ndarray, rng: np.random.Generator) -> int:
    """Draw a choice, by inverting the distribution function: a choice of no probability is never drawn."""
    heights = np.cumsum(chances)
    return int(np.searchsorted(heights, rng.random() * heights[-1], side="right"))


def check_sampling(temperature: float, top_k: int | None, top_p: float | None) -> None:
    """Refuse numbers out of their ranges, see `truncated`."""
    if not (_is_number(temperature) and 0 <= temperature < np.inf):
        raise ParameterError(f"temperature must be a number from 0 on; got {temperature!r}.")
    if top_k is not None and (isinstance(top_k, bool) or not isinstance(top_k, (int, np.integer)) or top_k < 1):
        raise ParameterError(f"top_k must be a whole number from 1 on, or None; got {top_k!r}.")
    if top_p is not None and not (_is_number(top_p) and 0 < top_p <= 1):
        raise ParameterError(f"top_p must be a number above 0 and at most 1, or None; got {top_p!r}.")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
