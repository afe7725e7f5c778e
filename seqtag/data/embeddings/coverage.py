"""How many of the words of data have a pretrained vector, as they are written or by a variant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Share:
    """Distinct words, or words in running text, and how many of them have a vector.

    Parameters
    ----------
    total : int
        All of them.
    exact : int
        Those that stand in the file as they are written.
    variant : int
        Those that only stand there in lower case, or with other digits.
    """

    total: int
    exact: int
    variant: int

    @property
    def covered(self) -> float:
        """Share of those that have a vector either way; of nothing 0."""
        return (self.exact + self.variant) / self.total if self.total else 0.0

    def __str__(self) -> str:
        exact = self.exact / self.total if self.total else 0.0
        return f"{100 * self.covered:.1f} % ({100 * exact:.1f} % as written)"


@dataclass(frozen=True)
class Coverage:
    """What a file of word vectors gives to data.

    Parameters
    ----------
    source : str
        The file, as it was named.
    dim : int
        Numbers a word.
    words : int
        Words in the file.
    kept : int
        Words of it whose vectors are kept.
    duplicates : int
        Words, among those kept, that stood in the file again; the first one counts.
    parts : mapping of str to (Share, Share)
        Of ``train`` and ``dev``, as far as there are such data: distinct words, and tokens.
    """

    source: str
    dim: int
    words: int
    kept: int
    duplicates: int
    parts: Mapping[str, tuple[Share, Share]]

    def to_dict(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        parts = {
            name: {"words": asdict(words), "tokens": asdict(tokens)} for name, (words, tokens) in self.parts.items()
        }
        return {**{name: getattr(self, name) for name in _FACTS}, "parts": parts}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Coverage:
        """Rebuild it from `to_dict`."""
        parts = {name: (Share(**part["words"]), Share(**part["tokens"])) for name, part in state["parts"].items()}
        return cls(**{name: state[name] for name in _FACTS}, parts=parts)

    def to_text(self) -> str:
        """Return it in one line."""
        doubled = f", {self.duplicates:,} found again and passed over" if self.duplicates else ""
        shares = [
            f"of {name} {words} of the words, {tokens} of the tokens" for name, (words, tokens) in self.parts.items()
        ]
        return (
            f"vectors of {self.source}: {self.dim} numbers a word, {self.kept:,} of {self.words:,} words kept"
            f"{doubled}; they cover {'; '.join(shares) or 'nothing, since there are no words'}"
        )


_FACTS = ("source", "dim", "words", "kept", "duplicates")


def shares_of(tokens: Counter[str], exact: set[str], known: set[str]) -> tuple[Share, Share]:
    """Count distinct words and tokens.

    Parameters
    ----------
    tokens : Counter of str
        How often each word occurs.
    exact : set of str
        Those that stand in the file as they are written.
    known : set of str
        Those that have a vector.
    """
    variant = known - exact
    sizes = [
        (len(words), sum(map(tokens.__getitem__, words)))
        for words in (tokens, exact & tokens.keys(), variant & tokens.keys())
    ]
    (n, total), (n_exact, t_exact), (n_variant, t_variant) = sizes
    return Share(n, n_exact, n_variant), Share(total, t_exact, t_variant)
