"""The one value every reader makes and every task takes: a frozen corpus of sequences."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from seqtag.data.sequence import Sequence
from seqtag.data.tables import sequences_of, table_of
from seqtag.errors import DataError

if TYPE_CHECKING:
    import pandas

__all__ = ["Corpus", "Sequence"]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Sequences in their order, never changed after they are made.

    Parameters
    ----------
    sequences : tuple of Sequence
        The data.
    name : str
        Where it comes from, as messages should call it (a file's path, a data set's name).
    """

    sequences: tuple[Sequence, ...]
    name: str = "corpus"

    def __len__(self) -> int:
        return len(self.sequences)

    def __iter__(self) -> Iterator[Sequence]:
        return iter(self.sequences)

    @overload
    def __getitem__(self, index: int) -> Sequence: ...
    @overload
    def __getitem__(self, index: slice) -> Corpus: ...
    def __getitem__(self, index):
        if isinstance(index, slice):
            return replace(self, sequences=self.sequences[index])
        return self.sequences[index]

    @property
    def tokens(self) -> list[list[str]]:
        """The tokens of each sequence."""
        return [list(sequence.tokens) for sequence in self.sequences]

    @property
    def labels(self) -> list[list[str]]:
        """The labels of each sequence, one a token.

        Raises
        ------
        DataError
            If a sequence has none.
        """
        for number, sequence in enumerate(self.sequences):
            if sequence.labels is None:
                raise DataError(f"{self.name}: sequence {number} has no labels; read the file with its label column.")
        return [list(sequence.labels or ()) for sequence in self.sequences]

    @property
    def frames(self) -> list[np.ndarray]:
        """The frames of each sequence, float32, shape (T, F).

        Raises
        ------
        DataError
            If a sequence has none.
        """
        tables = [sequence.frames for sequence in self.sequences if sequence.frames is not None]
        if len(tables) < len(self):
            number = next(i for i, sequence in enumerate(self.sequences) if sequence.frames is None)
            raise DataError(f"{self.name}: sequence {number} has no frames; its data are tokens, see Corpus.tokens.")
        return tables

    @property
    def n_tokens(self) -> int:
        """Number of tokens or frames in all sequences."""
        return sum(len(sequence) for sequence in self.sequences)

    def select(self, indices: Iterable[int]) -> Corpus:
        """Return the corpus of the given sequences, in the given order."""
        return replace(self, sequences=tuple(self.sequences[i] for i in indices))

    def split(self, fraction: float, *, seed: int | None = None) -> tuple[Corpus, Corpus]:
        """Split in two, keeping the order within each part.

        Parameters
        ----------
        fraction : float
            Share of the sequences that the second part gets, between 0 and 1; at least one sequence
            goes to each part.
        seed : int, optional
            Draws the second part at random. Without it the second part is the end of the corpus.

        Returns
        -------
        (Corpus, Corpus)
            What remains, and what was split off.
        """
        if len(self) < 2 or not 0 < fraction < 1:
            raise DataError(
                f"{self.name}: a split needs at least 2 sequences and a fraction between 0 and 1; "
                f"got {len(self)} sequences and {fraction!r}."
            )
        size = min(max(1, round(len(self) * fraction)), len(self) - 1)
        order = range(len(self)) if seed is None else random.Random(seed).sample(range(len(self)), len(self))
        held_out = set(list(order)[len(self) - size :])
        kept = [i for i in range(len(self)) if i not in held_out]
        return self.select(kept), self.select(sorted(held_out))

    def describe(self) -> dict[str, Any]:
        """Count what is there: sequences, tokens, distinct tokens, longest, empty ones, labels, classes, columns.

        ``tokens`` counts frames too; ``features`` is their width, 0 for tokens, and ``missing`` counts their values
        that are NaN. ``vectors`` holds the width of each. A sequence with several classes counts for each of them.
        """
        return describe(self.sequences, self.name)

    def to_frame(self, *, target: str = "token", values: str | Iterable[str] | None = None) -> pandas.DataFrame:
        """Return a data frame with one token or frame a row.

        Its columns are ``sequence``, ``token`` or the numbers, ``label`` and the extra columns. Empty sequences have
        no row, and vectors are left out.

        Parameters
        ----------
        target : {"token", "sequence"}
            Whether ``label`` is that of the token (or frame), or that of the whole sequence in all its rows.
        values : sequence of str, optional
            What the features of frames are called; by default "x0", "x1", ...

        Raises
        ------
        DataError
            If an extra column has the name of one of these, a sequence has several labels for the whole, ``values``
            does not name each feature, or some sequences have tokens and others frames.
        """
        return table_of(self.sequences, target=target, values=values, name=self.name)

    @classmethod
    def from_frame(
        cls,
        frame: pandas.DataFrame,
        *,
        sequence: str = "sequence",
        token: str = "token",
        values: str | Iterable[str] | None = None,
        label: str | None = "label",
        target: str = "token",
        name: str = "frame",
    ) -> Corpus:
        """Make a corpus of a data frame with one token or frame a row.

        Parameters
        ----------
        frame : pandas.DataFrame
            Rows in the order of the text or of time; consecutive rows with the same ``sequence`` belong together.
        sequence, token : str
            The columns that number the sequence and hold the token.
        values : str or sequence of str, optional
            Columns of numbers, which are read as frames in place of tokens; an empty cell is a missing value.
        label : str, optional
            The column of the labels; where it is missing the data are unlabelled. Every column that is not named is
            kept as an extra column.
        target : {"token", "sequence"}
            Whether ``label`` is that of the token (or frame), or that of the whole sequence and the same in all its
            rows.
        name : str
            What messages call it.

        Raises
        ------
        DataError
            If a column is missing or named twice, a cell is empty, a column of ``values`` holds no numbers, a sequence
            has two labels where it must have one, or goes on after another began.
        """
        read = sequences_of(frame, sequence=sequence, token=token, values=values, label=label, target=target, name=name)
        return cls(tuple(read), name)


def describe(sequences: Iterable[Sequence], name: str) -> dict[str, Any]:
    """Count sequences as `Corpus.describe` does, in one pass.

    Parameters
    ----------
    sequences : iterable of Sequence
        Gone through once.
    name : str
        What they are called.
    """
    counts = {"sequences": 0, "tokens": 0, "longest": 0, "empty": 0, "features": 0, "missing": 0}
    distinct: set[str] = set()
    labels: Counter[str] = Counter()
    classes: Counter[str] = Counter()
    columns: set[str] = set()
    vectors: dict[str, int] = {}
    for sequence in sequences:
        counts["sequences"] += 1
        counts["tokens"] += len(sequence)
        counts["longest"] = max(counts["longest"], len(sequence))
        counts["empty"] += not len(sequence)
        distinct.update(sequence.tokens)
        labels.update(sequence.labels or ())
        classes.update(_classes(sequence))
        columns.update(sequence.columns)
        vectors |= {key: table.shape[1] for key, table in sequence.vectors.items()}
        if sequence.frames is not None:
            counts["features"] = max(counts["features"], sequence.frames.shape[1])
            counts["missing"] += int(np.isnan(sequence.frames).sum())
    return {
        "name": name,
        "sequences": counts["sequences"],
        "tokens": counts["tokens"],
        "distinct_tokens": len(distinct),
        "longest": counts["longest"],
        "empty": counts["empty"],
        "labels": dict(labels.most_common()),
        "classes": dict(classes.most_common()),
        "columns": sorted(columns),
        "features": counts["features"],
        "missing": counts["missing"],
        "vectors": vectors,
    }


def _classes(sequence: Sequence) -> tuple[str, ...]:
    if sequence.label is None:
        return ()
    return (sequence.label,) if isinstance(sequence.label, str) else sequence.label
