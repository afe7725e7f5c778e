"""How probable a language model finds texts: the report of a language model, and what frequencies alone reach."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqtag.errors import DataError
from seqtag.metrics.counts import share


@dataclass(frozen=True, slots=True)
class LanguageReport:
    """How probable texts are to a language model, as a value.

    Parameters
    ----------
    level : str
        What a symbol is: ``words``, ``characters`` or ``bytes``.
    texts, symbols : int
        How many texts, and how many symbols with their ends, each of which counts as one.
    unknown : int
        How many of the symbols are unknown to the model. Their probability is that of "something unknown", so that
        perplexities of models can be compared only where they know the same symbols.
    log_likelihood : float
        Mean natural logarithm of a symbol's probability.
    """

    level: str
    texts: int
    symbols: int
    unknown: int
    log_likelihood: float

    @property
    def score(self) -> float:
        """The main score, of which more is better: the mean log-likelihood of a symbol."""
        return self.log_likelihood

    @property
    def score_name(self) -> str:
        """What the main score is."""
        return f"log-likelihood a {self._unit}"

    @property
    def perplexity(self) -> float:
        """The exponential of the negative log-likelihood (Jelinek et al., 1977); infinite where that is too large."""
        return math.exp(-self.log_likelihood) if self.log_likelihood > -700 else math.inf

    @property
    def bits_per_symbol(self) -> float:
        """The negative log-likelihood in bits."""
        return -self.log_likelihood / math.log(2)

    @property
    def unknown_share(self) -> float:
        """Share of the symbols that are unknown."""
        return share(self.unknown, self.symbols)

    @property
    def main_scores(self) -> dict[str, float]:
        """The scores to show first; of both less is better."""
        return {"perplexity": self.perplexity, f"bits a {self._unit}": self.bits_per_symbol}

    @property
    def sizes(self) -> dict[str, int]:
        """What was read: how many ``texts``, and how many symbols with their ends."""
        return {"texts": self.texts, self.level: self.symbols}

    @property
    def _unit(self) -> str:
        return self.level.removesuffix("s")

    def to_dict(self) -> dict[str, Any]:
        """Return the report as what JSON can hold."""
        return {
            "score": self.score,
            "score_name": self.score_name,
            "level": self.level,
            "texts": self.texts,
            "symbols": self.symbols,
            "unknown": self.unknown,
            "unknown_share": self.unknown_share,
            "perplexity": self.perplexity,
            "bits_per_symbol": self.bits_per_symbol,
        }

    def to_text(self) -> str:
        """Return the report as lines of text."""
        return (
            f"{self.symbols:,} {self.level} of {self.texts:,} texts, their ends counted; "
            f"{self.unknown:,} unknown ({100 * self.unknown_share:.2f} %)\n"
            f"{self.score_name}: {self.log_likelihood:.4f} (natural), perplexity {self.perplexity:.2f}, "
            f"{self.bits_per_symbol:.3f} bits\n"
        )


def language_report(level: str, log_probabilities: Sequence[np.ndarray], unknown: int) -> LanguageReport:
    """Sum up the probabilities of texts.

    Parameters
    ----------
    level : str
        What a symbol is.
    log_probabilities : sequence of ndarray
        Natural logarithms, one a symbol of each text and one for its end.
    unknown : int
        How many of the symbols the model does not know.

    Returns
    -------
    LanguageReport

    Raises
    ------
    DataError
        If there is no text.
    """
    symbols = sum(map(len, log_probabilities))
    if not symbols:
        raise DataError("texts must hold at least one text; got none.")
    total = sum(float(row.sum(dtype=np.float64)) for row in log_probabilities)
    return LanguageReport(level, len(log_probabilities), symbols, unknown, total / symbols)


def unigram_log_probabilities(counts: Sequence[int]) -> np.ndarray:
    """Return the log-probability of each symbol by its frequency alone.

    Parameters
    ----------
    counts : sequence of int, length V
        How often each symbol was met; one more of each is counted, so that none is impossible (Laplace).

    Returns
    -------
    ndarray of float64, shape (V,)
    """
    raised = np.asarray(counts, np.float64) + 1
    return np.log(raised / raised.sum())
