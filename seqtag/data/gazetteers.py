"""Gazetteers: lists of phrases by type, and where they occur in a sequence.

Of each type the phrases are found from left to right, of those that begin at a token the longest, and none overlaps
another of its type. Types do not see each other: a token can stand in a city and in a company at once.
"""

from __future__ import annotations

import glob
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from seqtag.data.download import FOLDER_VARIABLE
from seqtag.data.lookup import JOINER, fold
from seqtag.data.readers._text import fault, lines_of, quote, suffix_of
from seqtag.data.tokenizers import TOKENIZERS, tokenize
from seqtag.errors import ConfigError, DataError, near_name

MARKS = ("B", "I", "E", "S")
"""What a place of a phrase is, numbered from 1 on: its first token, an inner one, its last, its only one."""

_TYPED = ".tsv"  # how a file ends that has a type beside each phrase

Lists: TypeAlias = str | SequenceOf[str] | Mapping[str, SequenceOf[str]]
"""A file, or a pattern; several; or the phrases themselves by type."""


@dataclass(frozen=True)
class Gazetteer:
    """Phrases by type, as plain data.

    Parameters
    ----------
    types : tuple of str
        The N types.
    fold : tuple of str
        Names of `seqtag.data.lookup.FOLDS`, applied to tokens and phrases alike.
    phrases : tuple of tuple of str
        The folded phrases of each type, their tokens joined by `seqtag.data.lookup.JOINER`.
    """

    types: tuple[str, ...]
    fold: tuple[str, ...]
    phrases: tuple[tuple[str, ...], ...]

    @cached_property
    def _types_of(self) -> dict[str, list[int]]:
        """The types of each phrase."""
        found: defaultdict[str, list[int]] = defaultdict(list)
        for number, phrases in enumerate(self.phrases):
            for phrase in phrases:
                found[phrase].append(number)
        return dict(found)

    @cached_property
    def _sizes(self) -> dict[str, tuple[int, ...]]:
        """How many tokens the phrases have that begin with a token, the longest first."""
        sizes: defaultdict[str, set[int]] = defaultdict(set)
        for phrase in self._types_of:
            sizes[phrase.partition(JOINER)[0]].add(phrase.count(JOINER) + 1)
        return {first: tuple(sorted(found, reverse=True)) for first, found in sizes.items()}

    def find(self, tokens: Iterable[str]) -> Iterator[tuple[int, int, int]]:
        """Yield start, end (exclusive) and the number of the type of each phrase that counts.

        A token costs a look into a dictionary, and one more for each length of phrase that begins with it, however
        many phrases there are.
        """
        keys, sizes, types_of = fold(tokens, self.fold), self._sizes, self._types_of
        free = [0] * len(self.types)  # from where on a type may begin
        for start, first in enumerate(keys):
            for size in sizes.get(first, ()):
                if start + size > len(keys):
                    continue
                for number in types_of.get(JOINER.join(keys[start : start + size]), ()):
                    if free[number] <= start:
                        free[number] = start + size
                        yield start, start + size, number

    def marks(self, tokens: SequenceOf[str]) -> np.ndarray:
        """Return what each token is in a phrase of each type.

        Parameters
        ----------
        tokens : sequence of str
            T tokens.

        Returns
        -------
        ndarray of int32, shape (T, N)
            0 outside; from 1 on the places of `MARKS`.
        """
        begins, inner, ends, single = range(1, len(MARKS) + 1)
        out = np.zeros((len(tokens), len(self.types)), np.int32)
        for start, end, number in self.find(tokens):
            out[start:end, number] = inner
            out[end - 1, number] = ends
            out[start, number] = begins if end - start > 1 else single
        return out

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Gazetteer:
        """Rebuild a gazetteer from its JSON form."""
        return cls(tuple(state["types"]), tuple(state["fold"]), tuple(map(tuple, state["phrases"])))


def read_gazetteer(
    lists: Lists, *, lowercase: bool = False, tokenizer: str = "whitespace", encoding: str = "utf-8"
) -> Gazetteer:
    """Read lists of phrases.

    Parameters
    ----------
    lists : str, sequence of str, or mapping of str to sequence of str
        A file or a pattern such as ``lists/*.txt``; several; or the phrases by type. A file has a phrase on each line
        and is called as its type is; one that ends in ``.tsv`` has ``phrase<TAB>type`` on each. Either may be packed
        with gzip. Blank lines are passed over.
    lowercase : bool
        Whether phrases are found in any case.
    tokenizer : str
        What cuts a phrase into tokens, as the data are cut: a name in `TOKENIZERS`.
    encoding : str
        Of the files.

    Raises
    ------
    DataError
        If a file cannot be found or read, a line is not what it must be, or there is no phrase.
    ConfigError
        If ``lists`` is something else, or there is no such tokenizer.
    """
    TOKENIZERS[tokenizer]  # refused before a file is opened
    folds = ("nfc", "lower") if lowercase else ("nfc",)
    found: dict[str, dict[str, None]] = {}
    for name, phrase in _given(lists) if isinstance(lists, Mapping) else _read(lists, encoding):
        tokens = fold(tokenize(phrase, tokenizer)[0], folds)
        found.setdefault(name, {})[JOINER.join(tokens)] = None
    if not found:
        raise DataError(f"a gazetteer must have at least one phrase; got none in {lists!r}.")
    return Gazetteer(tuple(found), folds, tuple(map(tuple, found.values())))


def _given(lists: Mapping[Any, Any]) -> Iterator[tuple[str, str]]:
    """Yield type and phrase of lists that are passed themselves."""
    for name, phrases in lists.items():
        if not isinstance(name, str) or not name:
            raise ConfigError(f"a gazetteer's types must be names; got {name!r}.")
        if isinstance(phrases, (str, bytes)) or not isinstance(phrases, Iterable):
            raise ConfigError(
                f"a gazetteer's type {name!r} must have a list of phrases; got {phrases!r:.60}. A file is named "
                "alone, or in a list; its own name is the type."
            )
        for number, phrase in enumerate(phrases):
            if not isinstance(phrase, str) or not phrase.strip():
                raise ConfigError(
                    f"a gazetteer's phrases must be strings that are not empty; number {number} of type {name!r} is "
                    f"{phrase!r:.60}."
                )
            yield name, phrase


def _read(lists: Any, encoding: str) -> Iterator[tuple[str, str]]:
    """Yield type and phrase of each line of some files."""
    patterns = [lists] if isinstance(lists, (str, os.PathLike)) else list(lists)
    for pattern in patterns:
        if not isinstance(pattern, (str, os.PathLike)):
            raise ConfigError(f"a gazetteer's files must be named by their paths; got {pattern!r:.60}.")
        for path in _files(str(pattern)):
            yield from _lines(path, encoding)


def _lines(path: Path, encoding: str) -> Iterator[tuple[str, str]]:
    is_typed = suffix_of(path) == _TYPED
    stem = path.name.removesuffix(".gz")
    own = stem.removesuffix(Path(stem).suffix)
    for number, line in enumerate(lines_of(path, encoding), 1):
        if not line.strip():
            continue
        phrase, *rest = line.split("\t")
        if is_typed:
            name = rest[0].strip() if len(rest) == 1 else ""
            if not phrase.strip() or not name:
                raise fault(path, number, "a phrase and its type with one tab between them", quote(line))
        elif rest:
            advice = "Let the file's name end in .tsv if a type stands behind each phrase."
            raise fault(path, number, "one phrase", quote(line), advice)
        yield name if is_typed else own, phrase


def _files(pattern: str) -> list[Path]:
    """Return the files of a path or a pattern, looked for as it is, then in the folder that ``SEQTAG_DATA`` names."""
    folder = os.environ.get(FOLDER_VARIABLE)
    for path in (pattern, *([os.path.join(folder, pattern)] if folder else [])):
        if os.path.isfile(path):
            return [Path(path)]
        if found := [Path(one) for one in sorted(glob.glob(path, recursive=True)) if os.path.isfile(one)]:
            return found
    parent = Path(pattern).parent
    neighbours = [entry.name for entry in parent.iterdir()] if parent.is_dir() else []
    advice = near_name(Path(pattern).name, neighbours) or " Check the path."
    raise DataError(f"{pattern}: there is no such file of phrases.{advice}")
