"""Corpora that are larger than memory: sequences read again, one after the other, each time they are needed."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from seqtag.data.context import apart_by_file
from seqtag.data.corpus import Corpus, Sequence, describe
from seqtag.data.readers import check_file, iterate, settled
from seqtag.errors import DataError

Source: TypeAlias = str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | Callable[[], Iterable[Sequence]]

PART_TOKENS = 1 << 14  # of sequences that are held as objects at a time
_MASK = (1 << 64) - 1


class CorpusStream:
    """Sequences that are read from files, or made, each time they are gone through; ``fit`` takes it as X.

    Parameters
    ----------
    source : path, iterable of paths, or callable
        A file, or a pattern such as ``"shards/*.conll"``, whose files are read in the order of their names; several
        of them; or a function without arguments that returns a new iterator over the same `Sequence` values each
        time.
    format : str, optional
        The files' format, a name in `seqtag.data.readers.READERS`. By default each file's suffix decides.
    options : mapping, optional
        Options of the format's reader, by name.
    name : str, optional
        What messages call it; by default the files' names.

    Raises
    ------
    ConfigError
        If the format is unknown or has no such option.
    DataError
        If a file cannot be opened, a pattern matches none, or ``source`` is something else.

    Examples
    --------
    >>> from seqtag import CorpusStream, Sequence
    >>> stream = CorpusStream(lambda: (Sequence(("a", "b"), ("X", "Y")) for _ in range(1000)))
    >>> stream.describe()["tokens"]
    2000
    """

    def __init__(
        self,
        source: Source,
        format: str | None = None,
        options: Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
    ) -> None:
        self._make: Callable[[], Iterable[Sequence]] | None = source if callable(source) else None
        self._format, self._options = format, dict(options or {})
        self.paths = () if callable(source) else _paths(source)
        for path in self.paths:
            settled(path, format, options)
            check_file(path)
        shown = ", ".join(map(str, self.paths[:2])) + (f" and {len(self.paths) - 2} more" * (len(self.paths) > 2))
        self.name = name or shown or "stream"
        self._described: dict[str, Any] | None = None

    def __iter__(self) -> Iterator[Sequence]:
        if self._make is None:
            for path in self.paths:
                read = iterate(path, self._format, self._options)
                yield from read if len(self.paths) == 1 else apart_by_file(path, read)
            return
        for i, sequence in enumerate(self._make()):
            if not isinstance(sequence, Sequence):
                raise DataError(
                    f"{self.name} must give seqtag.Sequence values, which hold their labels; element {i} is of type "
                    f"{type(sequence).__name__}. Make each with Sequence(tokens, labels)."
                )
            yield sequence

    def __repr__(self) -> str:
        return f"CorpusStream({self.name})"

    def describe(self) -> dict[str, Any]:
        """Count what is there, as `Corpus.describe` does: one pass the first time, remembered from then on."""
        if self._described is None:
            self._described = describe(self, self.name)
        return self._described

    def read(self) -> Corpus:
        """Return all sequences in memory."""
        return Corpus(tuple(self), self.name)


class SteadyPasses:
    """Goes through sequences again and again, and refuses those that are others than in the first whole pass.

    Parameters
    ----------
    stream : CorpusStream
        What is gone through.
    """

    def __init__(self, stream: CorpusStream) -> None:
        self._stream = stream
        self._first: tuple[int, int] | None = None

    def __iter__(self) -> Iterator[Sequence]:
        count = digest = 0
        for sequence in self._stream:
            count += 1
            digest = (31 * digest + _digest(sequence)) & _MASK  # the order counts: what is held out goes by it
            yield sequence
        if self._first is None:
            self._first = count, digest
        elif self._first != (count, digest):
            got = f"{count} sequences after {self._first[0]}" if count != self._first[0] else "others, or another order"
            raise DataError(
                f"{self._stream.name} must give the same sequences in the same order each time it is gone through; "
                f"got {got}. Do not change files during training, seed what is drawn, and let a function return a "
                "new iterator each time."
            )


def parts_of(sequences: Iterable[Sequence], tokens: int = PART_TOKENS) -> Iterator[tuple[Sequence, ...]]:
    """Yield sequences in runs of at least so many tokens, and what is left.

    Parameters
    ----------
    sequences : iterable of Sequence
        Gone through once.
    tokens : int
        When a run ends.
    """
    part: list[Sequence] = []
    size = 0
    for sequence in sequences:
        part.append(sequence)
        size += len(sequence)
        if size >= tokens:
            yield tuple(part)
            part, size = [], 0
    if part:
        yield tuple(part)


def _digest(sequence: Sequence) -> int:
    tables = [table for table in (sequence.frames, *sequence.vectors.values()) if table is not None]
    columns = tuple(sequence.columns.values())
    return hash((sequence.tokens, sequence.labels, sequence.label, columns, *(table.tobytes() for table in tables)))


def _paths(source: Any) -> tuple[Path, ...]:
    if isinstance(source, (str, os.PathLike)):
        source = [source]
    if not isinstance(source, Iterable) or isinstance(source, (bytes, Iterator)):
        raise DataError(
            "a stream must be made of a path, several, or a function that returns an iterator over sequences; got "
            f"{type(source).__name__}. An iterator can be gone through only once: pass the function that makes it."
        )
    listed = list(source)
    if not listed or not all(isinstance(path, (str, os.PathLike)) for path in listed):
        odd = next((path for path in listed if not isinstance(path, (str, os.PathLike))), None)
        raise DataError(
            f"a stream must name at least one file, and each by its path; got "
            f"{'none' if not listed else type(odd).__name__}. For sequences in memory use Corpus."
        )
    return tuple(path for pattern in listed for path in matching_files(str(pattern)))


def matching_files(pattern: str) -> list[Path]:
    """Return the files that a pattern matches, in the order of their names; what is no pattern stands for itself.

    Raises
    ------
    DataError
        If a pattern matches none.
    """
    if not glob.has_magic(pattern) or Path(pattern).exists():
        return [Path(pattern)]
    found = sorted(map(Path, glob.glob(pattern, recursive=True)))
    if not found:
        raise DataError(f"{pattern}: expected a pattern that matches files; it matches none. Check the path.")
    return found
