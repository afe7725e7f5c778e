"""What a language model reads and writes: words, characters or bytes, and the table of those it knows."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from seqtag.data.lookup import UNKNOWN
from seqtag.data.sequence import Sequence as Sentence
from seqtag.errors import DataError
from seqtag.registry import Registry

END = 0
"""The id of what stands between two texts: a language model begins with it, and predicts it where a text ends."""

END_MARK, UNKNOWN_MARK = "<eos>", "<unk>"


@dataclass(frozen=True)
class Level:
    """How a text is cut into symbols, and symbols are put together again.

    Parameters
    ----------
    split : callable
        A text as a list of symbols.
    join : callable
        Symbols as a text.
    alphabet : tuple of str
        All symbols there are; empty where they are learned from texts.
    joiner : str
        What `join` puts between two symbols.
    """

    split: Callable[[str], list[str]]
    join: Callable[[Iterable[str]], str]
    alphabet: tuple[str, ...] = ()
    joiner: str = ""


LEVELS: Registry[Level] = Registry("level")
LEVELS.add("words", Level(lambda text: unicodedata.normalize("NFC", text).split(), " ".join, joiner=" "))
LEVELS.add("characters", Level(lambda text: list(unicodedata.normalize("NFC", text)), "".join))
LEVELS.add(
    "bytes",
    Level(
        lambda text: [chr(byte) for byte in text.encode("utf-8")],
        lambda symbols: "".join(symbols).encode("latin-1", "ignore").decode("utf-8", "replace"),
        tuple(map(chr, range(256))),
    ),
)


@dataclass(frozen=True)
class SymbolTable:
    """The symbols that a language model knows, by id.

    Parameters
    ----------
    level : str
        Name of `LEVELS`.
    symbols : tuple of str
        By id: what ends a text first, then the unknown, then all others, the most frequent first.
    counts : tuple of int
        How often each was met in the texts that it was made from.
    """

    level: str
    symbols: tuple[str, ...]
    counts: tuple[int, ...]
    _ids: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ids", {symbol: i for i, symbol in enumerate(self.symbols) if i != END})

    def __len__(self) -> int:
        return len(self.symbols)

    @classmethod
    def fit(cls, texts: Iterable[Any], level: str, *, min_count: int = 2, max_size: int | None = None) -> SymbolTable:
        """Count the symbols of texts.

        Parameters
        ----------
        texts : iterable
            As for `symbols_of`.
        level : str
            Name of `LEVELS`.
        min_count : int
            What is rarer is unknown.
        max_size : int, optional
            How many symbols are known at most, the end and the unknown among them; the most frequent ones.
        """
        alphabet = LEVELS[level].alphabet
        counter: Counter[str] = Counter()
        n_texts = 0
        for i, text in enumerate(texts):
            counter.update(symbols_of(text, level, i))
            n_texts += 1
        unknown = 0 if alphabet else counter.pop(UNKNOWN_MARK, 0)
        if alphabet:
            known = [(symbol, counter[symbol]) for symbol in alphabet]
        else:
            ordered = sorted(counter.items(), key=lambda item: (-item[1], item[0]))
            known = [item for item in ordered if item[1] >= min_count][: None if max_size is None else max_size - 2]
            unknown += counter.total() - sum(count for _, count in known)
        return cls(
            level,
            (END_MARK, UNKNOWN_MARK, *(symbol for symbol, _ in known)),
            (n_texts, unknown, *(count for _, count in known)),
        )

    def encode(self, text: Any, index: int = 0) -> np.ndarray:
        """Return the ids of a text's symbols, int32; the end is not among them."""
        ids = self._ids
        return np.array([ids.get(symbol, UNKNOWN) for symbol in symbols_of(text, self.level, index)], np.int32)

    def spell(self, ids: Iterable[int], end: str = "") -> str:
        """Return the text of ids; the end of a text is written as told."""
        pieces: list[list[str]] = [[]]
        for i in ids:
            if i == END:
                pieces.append([])
            else:
                pieces[-1].append(self.symbols[i])
        return end.join(LEVELS[self.level].join(piece) for piece in pieces)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON's types."""
        return {"level": self.level, "symbols": list(self.symbols), "counts": list(self.counts)}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> SymbolTable:
        """Make what `to_dict` described."""
        LEVELS[state["level"]]
        return cls(state["level"], tuple(state["symbols"]), tuple(state["counts"]))


def symbols_of(text: Any, level: str, index: int = 0) -> list[str]:
    """Cut a text into symbols.

    Parameters
    ----------
    text : str, Sequence or sequence of str
        A text; one that has been read; or, of a model of words, its words.
    level : str
        Name of `LEVELS`.
    index : int
        Its place among the texts, for the error.

    Raises
    ------
    DataError
        If it is no text, naming its place.
    """
    if isinstance(text, Sentence):
        text = text.tokens if text.text is None or level == "words" else text.text
    if isinstance(text, str):
        return LEVELS[level].split(text)
    if not isinstance(text, Sequence) or not all(isinstance(word, str) for word in text):
        raise DataError(f"texts[{index}] must be a string, or a list of words; got {type(text).__name__} {text!r:.60}.")
    return list(text) if level == "words" else LEVELS[level].split(" ".join(text))


def as_texts(texts: Any) -> list[Any]:
    """Return texts as a list.

    Raises
    ------
    DataError
        If it is one text, or nothing that can be gone through.
    """
    if isinstance(texts, (str, bytes, Mapping)) or not isinstance(texts, Iterable):
        raise DataError(f"texts must be a list of texts; got one {type(texts).__name__}. For one text pass [text].")
    return list(texts)
