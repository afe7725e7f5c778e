"""Tokens to arrays: words, affixes, characters, columns; each an entry in `ENCODERS`.

An encoder is fitted once on a corpus and is then plain data (a `Feature`). What depends on the token alone is
computed once per distinct token of a batch (``level="type"``), what depends on the place (a column) once per token
(``level="token"``). The network sees `FeatureSpec` only.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Sequence as SequenceOf
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Annotated, Any

import numpy as np

from seqtag.data.corpus import Sequence
from seqtag.data.lookup import FIRST, Lookup, Spelling, from_dict, index_of, learn_table, look_up, spell
from seqtag.errors import ConfigError, DataError, near_name
from seqtag.params import Param, fields
from seqtag.registry import Registry


@dataclass(frozen=True)
class FeatureSpec:
    """What the network must know of one input.

    Parameters
    ----------
    name : str
        Key of the input in a batch.
    kind : {"ids", "chars"}
        ``ids``: ``width`` table rows a token. ``chars``: a right-padded row of character ids a token.
    level : {"type", "token"}
        Given once per distinct token of the batch, shape (U, width or L), or per token, shape (B, T, width).
    size : int
        Number of ids.
    width : int
        Ids a token (``ids`` only).
    dim : int
        Width of one embedded id.
    rare_from : int
        Ids from here on were seen once in training: in training they are replaced by the unknown id now and then.
    drop : float
        How often a rare id is replaced.
    model : {"cnn", "lstm", ...}
        Who reads the characters (``chars`` only): a convolution, or a bidirectional recurrent cell.
    filters : int
        Outputs of that reader.
    """

    name: str
    kind: str
    level: str
    size: int
    width: int = 1
    dim: int = 16
    rare_from: int = 0
    drop: float = 0.0
    model: str = "cnn"
    filters: int = 30


@dataclass(frozen=True)
class Feature:
    """A fitted encoder: its contract to the network and what it does to a token.

    Parameters
    ----------
    spec : FeatureSpec
        What the network sees.
    lookups : tuple of Lookup
        One a column of ids; each has its own range of the ids, in order.
    spelling : Spelling, optional
        For characters.
    column : str, optional
        The corpus column read instead of the token.
    counts : tuple of int
        How often each id of the first table was seen in training.
    """

    spec: FeatureSpec
    lookups: tuple[Lookup, ...] = ()
    spelling: Spelling | None = None
    column: str | None = None
    counts: tuple[int, ...] = field(default=(), repr=False)

    @cached_property
    def _ids(self) -> list[dict[str, int]]:
        tables = [lookup.table for lookup in self.lookups] or [self.spelling.table if self.spelling else ()]
        return [index_of(table) for table in tables]

    def encode(self, values: SequenceOf[str]) -> np.ndarray:
        """Encode N tokens (or column values).

        Returns
        -------
        ndarray of int32, shape (N, width) or (N, L)
        """
        if self.spelling is not None:
            return spell(self.spelling, self._ids[0], values)
        columns = []
        offset = 0
        for lookup, ids in zip(self.lookups, self._ids, strict=True):
            columns.append(look_up(lookup, ids, values) + offset)
            offset += lookup.size
        return np.stack(columns, axis=1)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Feature:
        """Rebuild a feature from its JSON form."""
        return cls(
            spec=FeatureSpec(**state["spec"]),
            lookups=tuple(from_dict(Lookup, lookup) for lookup in state["lookups"]),
            spelling=from_dict(Spelling, state["spelling"]) if state["spelling"] else None,
            column=state["column"],
            counts=tuple(state["counts"]),
        )


@dataclass(frozen=True)
class Vocabulary:
    """What encoders are fitted on: the training tokens, counted, and the sequences for columns."""

    tokens: Counter[str]
    sequences: tuple[Sequence, ...]

    @classmethod
    def of(cls, sequences: Iterable[Sequence]) -> Vocabulary:
        """Count the tokens of the sequences."""
        sequences = tuple(sequences)
        return cls(Counter(token for sequence in sequences for token in sequence.tokens), sequences)


ENCODERS: Registry[Callable[..., Feature]] = Registry("encoder")

_Size = Annotated[int, Param("encoder", low=1)]
_Number = Annotated[int, Param("encoder", low=0)]
_Rate = Annotated[float, Param("encoder", low=0, high=1)]
_Switch = Annotated[bool, Param("encoder")]
_Name = Annotated[str, Param("encoder")]


@ENCODERS.register("words")
def fit_words(
    vocabulary: Vocabulary, *, dim: _Size = 100, min_count: _Size = 1, lowercase: _Switch = True, drop: _Rate = 0.5
) -> Feature:
    """Embed the word itself, NFC, digits folded to 0; words seen once are dropped to the unknown at rate ``drop``."""
    fold = ("nfc", "lower", "digits") if lowercase else ("nfc", "digits")
    counts = _count(Lookup(fold, "word", 0, ()), vocabulary.tokens)
    lookup = Lookup(fold, "word", 0, learn_table(counts, min_count))
    seen = [counts[entry] for entry in lookup.table]
    rare_from = FIRST + sum(count > 1 for count in seen)
    unseen = sum(counts.values()) - sum(seen)
    spec = FeatureSpec("words", "ids", "type", lookup.size, dim=dim, rare_from=rare_from, drop=drop)
    return Feature(spec, (lookup,), counts=(0, unseen, *seen))


@ENCODERS.register("affixes")
def fit_affixes(
    vocabulary: Vocabulary, *, dim: _Size = 16, prefixes: _Number = 3, suffixes: _Number = 4, min_count: _Size = 3
) -> Feature:
    """Embed prefixes of 1 to ``prefixes`` characters, suffixes of 1 to ``suffixes``, and the word's shape."""
    fold = ("nfc", "lower", "digits")
    parts = [("prefix", n) for n in range(1, prefixes + 1)] + [("suffix", n) for n in range(1, suffixes + 1)]
    empty = [Lookup(fold, part, length, ()) for part, length in parts] + [Lookup(("nfc",), "shape", 0, ())]
    lookups = tuple(_learn(lookup, vocabulary.tokens, min_count) for lookup in empty)
    size = sum(lookup.size for lookup in lookups)
    return Feature(FeatureSpec("affixes", "ids", "type", size, width=len(lookups), dim=dim), lookups)


@ENCODERS.register("chars")
def fit_chars(
    vocabulary: Vocabulary,
    model: _Name = "cnn",
    *,
    dim: _Size = 30,
    filters: _Size = 30,
    min_count: _Size = 3,
    length: _Size = 24,
    jamo: _Switch = False,
) -> Feature:
    """Read the word's characters with a CNN of width 3 (or a bidirectional cell); ``jamo`` splits Hangul syllables."""
    fold = ("nfc", "jamo") if jamo else ("nfc",)
    counts: Counter[str] = Counter()
    for key, count in _count(Lookup(fold, "word", 0, ()), vocabulary.tokens).items():
        counts.update({char: count * n for char, n in Counter(key).items()})
    spelling = Spelling(fold, length, learn_table(counts, min_count))
    spec = FeatureSpec("chars", "chars", "type", spelling.size, dim=dim, model=model, filters=filters)
    return Feature(spec, spelling=spelling)


@ENCODERS.register("column")
def fit_column(vocabulary: Vocabulary, column: _Name, *, dim: _Size = 32, min_count: _Size = 1) -> Feature:
    """Embed a column of the corpus as a category."""
    counts = Counter(value for sequence in vocabulary.sequences for value in column_of(sequence, column))
    lookup = _learn(Lookup(("nfc",), "word", 0, ()), counts, min_count)
    name = f"column_{column}".replace("/", "_")  # Keras has no slash in a name
    spec = FeatureSpec(name, "ids", "token", lookup.size, dim=dim)
    return Feature(spec, (lookup,), column=column)


def column_of(sequence: Sequence, column: str) -> tuple[str, ...]:
    """Return one column of a sequence, or say which columns there are."""
    if column not in sequence.columns:
        known = ", ".join(sequence.columns) or "none"
        place = f" (line {sequence.lines[0]})" if sequence.lines else ""
        raise DataError(
            f"every sequence must have the column {column!r}; the one that begins {' '.join(sequence.tokens[:6])!r}"
            f"{place} has {known}.{near_name(column, sequence.columns)}"
        )
    return sequence.columns[column]


def fit_encoders(choices: Iterable[Any], sequences: Iterable[Sequence]) -> tuple[Feature, ...]:
    """Fit encoders as a user names them.

    Parameters
    ----------
    choices : iterable of str or mapping
        ``"words"``, or ``{"chars": "lstm", "dim": 50}``: the encoder's name with its main argument (or null), and its
        options.
    sequences : iterable of Sequence
        The training data.

    Raises
    ------
    ConfigError
        On an unknown encoder or option, with the near name, and on a value that an option cannot have.
    """
    vocabulary = Vocabulary.of(sequences)
    features = []
    for choice in choices:
        name, arguments, options = parse_choice(choice)
        features.append(ENCODERS[name](vocabulary, *arguments, **options))
    names = [feature.spec.name for feature in features]
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"encoders must name at least one encoder and none twice; got {names}.")
    return tuple(features)


def parse_choice(choice: Any) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """Split an encoder's choice into its name, its main argument and its options.

    Raises
    ------
    ConfigError
        If the encoder or an option is unknown, a value is not what it must be, or the main argument is missing.
    """
    options = {choice: None} if isinstance(choice, str) else dict(choice) if isinstance(choice, Mapping) else {}
    named = [key for key in options if key in ENCODERS]
    if len(named) != 1:
        hint = next(filter(None, (near_name(str(key), ENCODERS) for key in options)), "")
        raise ConfigError(
            f"an encoder must be one of {', '.join(ENCODERS)}, or a mapping with exactly one of them as a key; "
            f"got {choice!r}.{hint}"
        )
    name = named[0]
    main = options.pop(name)
    parameters = inspect.signature(ENCODERS[name]).parameters
    known = [key for key, p in parameters.items() if p.kind is p.KEYWORD_ONLY]
    for key in options:
        if key not in known:
            raise ConfigError(
                f"encoder {name!r} has the options {', '.join(known)}; got {key!r}.{near_name(key, known)}"
            )
    positional = [p for p in list(parameters.values())[1:] if p.kind is p.POSITIONAL_OR_KEYWORD]
    if main is None and positional and positional[0].default is inspect.Parameter.empty:
        raise ConfigError(f"encoder {name!r} needs its {positional[0].name}; write it as {{{name}: ...}}.")
    if main is not None and not positional:
        raise ConfigError(f"encoder {name!r} takes no main argument; got {main!r}.")
    given = options if main is None else {positional[0].name: main, **options}
    rules = fields(ENCODERS[name])
    for key, value in given.items():
        if why := rules[key].problem(value):
            raise ConfigError(f"encoder {name!r}: {key} {why}")
    return name, () if main is None else (main,), options


def _count(lookup: Lookup, tokens: Counter[str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for key, count in zip(lookup.keys(tokens), tokens.values(), strict=True):
        counts[key] += count
    return counts


def _learn(lookup: Lookup, tokens: Counter[str], min_count: int) -> Lookup:
    return Lookup(lookup.fold, lookup.part, lookup.length, learn_table(_count(lookup, tokens), min_count))
