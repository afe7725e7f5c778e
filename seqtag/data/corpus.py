"""The one value every reader makes and every task takes: a frozen corpus of sequences."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, overload

from seqtag.errors import DataError

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, slots=True)
class Sequence:
    """One sentence (or other sequence) with what is known of it.

    Parameters
    ----------
    tokens : tuple of str
        The words, length T.
    labels : tuple of str, optional
        One label a token, length T (tagging).
    label : str, optional
        One label for the whole sequence (classification, intents).
    columns : mapping of str to tuple of str
        Extra columns by name, each of length T (part of speech, gazetteer marks).
    text : str, optional
        The raw text that the tokens were cut from.
    offsets : tuple of (int, int), optional
        Start and end of each token in ``text``, in characters, length T.
    lines : tuple of int, optional
        The line of the file on which each token stands, length T, counted from 1.
    group, id : str, optional
        The document it belongs to, and its own name.

    Raises
    ------
    DataError
        If something that is counted by the token has not the length of ``tokens``.
    """

    tokens: tuple[str, ...]
    labels: tuple[str, ...] | None = None
    label: str | None = None
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    text: str | None = None
    offsets: tuple[tuple[int, int], ...] | None = None
    lines: tuple[int, ...] | None = None
    group: str | None = None
    id: str | None = None

    def __post_init__(self) -> None:
        counted = [("labels", self.labels), ("offsets", self.offsets), ("lines", self.lines), *self.columns.items()]
        for name, values in counted:
            if values is not None and len(values) != len(self.tokens):
                raise DataError(
                    f"{name} must have one entry a token; got {len(values)} for the {len(self.tokens)} tokens "
                    f"of {' '.join(self.tokens[:8])!r}."
                )

    def __len__(self) -> int:
        return len(self.tokens)


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
    def n_tokens(self) -> int:
        """Number of tokens in all sequences."""
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
        """Count what is there: sequences, tokens, distinct tokens, longest, empty ones, labels, columns."""
        lengths = [len(sequence) for sequence in self.sequences]
        labels = Counter(label for sequence in self.sequences for label in sequence.labels or ())
        classes = Counter(sequence.label for sequence in self.sequences if sequence.label is not None)
        return {
            "name": self.name,
            "sequences": len(self),
            "tokens": sum(lengths),
            "distinct_tokens": len({token for sequence in self.sequences for token in sequence.tokens}),
            "longest": max(lengths, default=0),
            "empty": lengths.count(0),
            "labels": dict(labels.most_common()),
            "classes": dict(classes.most_common()),
            "columns": sorted({name for sequence in self.sequences for name in sequence.columns}),
        }

    def to_frame(self) -> pandas.DataFrame:
        """Return a data frame with one token a row: ``sequence``, ``token``, ``label`` and the columns.

        Sequences without tokens have no row.

        Raises
        ------
        DataError
            If an extra column has the name of one of these three.
        """
        import pandas

        rows = []
        for number, sequence in enumerate(self.sequences):
            for i, token in enumerate(sequence.tokens):
                row = {"sequence": number, "token": token}
                if sequence.labels is not None:
                    row["label"] = sequence.labels[i]
                if taken := row.keys() & sequence.columns.keys():
                    raise DataError(f"{self.name}: an extra column must not be called {min(taken)!r} in a data frame.")
                row.update({name: values[i] for name, values in sequence.columns.items()})
                rows.append(row)
        return pandas.DataFrame(rows, columns=None if rows else ["sequence", "token"])

    @classmethod
    def from_frame(
        cls,
        frame: pandas.DataFrame,
        *,
        sequence: str = "sequence",
        token: str = "token",
        label: str | None = "label",
        name: str = "frame",
    ) -> Corpus:
        """Make a corpus of a data frame with one token a row.

        Parameters
        ----------
        frame : pandas.DataFrame
            Rows in the order of the text; consecutive rows with the same ``sequence`` belong together.
        sequence, token, label : str
            The columns that number the sequence and hold the token and its label. A missing
            ``label`` column means unlabelled data. Every other column is kept as an extra column.
        name : str
            What messages call it.

        Raises
        ------
        DataError
            If a column is missing or named twice, a cell is empty, or a sequence goes on after another began.
        """
        for column in (sequence, token):
            if column not in frame.columns:
                raise DataError(f"{name}: column {column!r} is missing; the columns are {list(frame.columns)}.")
        if not frame.columns.is_unique:
            raise DataError(f"{name}: each column must have a name of its own; the columns are {list(frame.columns)}.")
        tags = [label] if label is not None and label in frame.columns else []
        extra = [column for column in frame.columns if column not in (sequence, token, label)]
        used: list[Any] = [sequence, token, *tags, *extra]
        missing = frame[used].isna()
        if missing.to_numpy().any():
            row = int(missing.any(axis=1).to_numpy().argmax())
            column = used[int(missing.iloc[row].to_numpy().argmax())]
            raise DataError(f"{name}: row {row} has no value in column {column!r}; fill it or drop the row.")
        keys = frame[sequence].tolist()
        values = {column: [str(cell) for cell in frame[column].tolist()] for column in used}
        sequences: list[Sequence] = []
        for start, end in _runs(keys, name):
            part = {column: tuple(cells[start:end]) for column, cells in values.items()}
            sequences.append(
                Sequence(
                    part[token],
                    part[tags[0]] if tags else None,
                    columns={str(column): part[column] for column in extra},
                    id=str(keys[start]),
                )
            )
        return cls(tuple(sequences), name)


def _runs(keys: list[Any], name: str) -> Iterator[tuple[int, int]]:
    seen = set()
    start = 0
    for i in range(1, len(keys) + 1):
        if i == len(keys) or keys[i] != keys[start]:
            if keys[start] in seen:
                raise DataError(
                    f"{name}: sequence {keys[start]!r} goes on in row {start} after another began; "
                    "sort the rows by sequence."
                )
            seen.add(keys[start])
            yield start, i
            start = i
