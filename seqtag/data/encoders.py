"""Sequences to arrays: words, characters, embeddings, columns, gazetteers, frames, vectors and more: see `ENCODERS`.

An encoder is fitted once on a corpus and is then plain data (a `Feature`). What depends on the token alone is
computed once per distinct token of a batch (``level="type"``), what depends on the place (a column, numbers) once per
token or frame (``level="token"``). The network sees `FeatureSpec` only.
"""

from __future__ import annotations

import inspect
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from seqtag.data.embeddings.table import fit_table, starts_of
from seqtag.data.features import Feature, FeatureSpec, check_width, column_of, frames_of, vectors_of
from seqtag.data.gazetteers import MARKS, read_gazetteer
from seqtag.data.lookup import FIRST, Lookup, Spelling, learn_table, ngrams
from seqtag.data.scaling import learn_scaler
from seqtag.data.sequence import Sequence, called
from seqtag.data.tokenizers import TOKENIZERS
from seqtag.errors import ConfigError, DataError, near_name
from seqtag.params import Param, fields
from seqtag.registry import Registry

__all__ = [
    "ENCODERS",
    "Feature",
    "FeatureSpec",
    "Vocabulary",
    "column_of",
    "default_encoders",
    "fit_encoders",
    "parse_choice",
]


@dataclass(frozen=True)
class Vocabulary:
    """What encoders are fitted on: the training tokens, counted, and the sequences for columns and numbers.

    Parameters
    ----------
    tokens : Counter of str
        How often each token occurs.
    sequences : iterable of Sequence
        Can be gone through as often as needed, in memory or from a file.
    is_numeric : bool
        Whether the sequences have frames in place of tokens.
    development : Counter of str
        How often each token of the development data occurs, for which pretrained vectors are kept, too.
    """

    tokens: Counter[str]
    sequences: Iterable[Sequence]
    is_numeric: bool = False
    development: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, sequences: Iterable[Sequence]) -> Vocabulary:
        """Count the tokens of the sequences.

        Raises
        ------
        DataError
            If some have tokens and others have frames.
        """
        if isinstance(sequences, Iterator):
            sequences = tuple(sequences)
        frames = tokens = None
        counts: Counter[str] = Counter()
        for sequence in sequences:
            if sequence.frames is not None:
                frames = sequence if frames is None else frames
            elif sequence.tokens:
                tokens = sequence if tokens is None else tokens
                counts.update(sequence.tokens)
            if frames is not None and tokens is not None:
                raise DataError(
                    "all sequences must have tokens, or all frames; "
                    f"{called(tokens)} has tokens, {called(frames)} frames."
                )
        return cls(counts, sequences, frames is not None)

    def tokens_for(self, encoder: str) -> Counter[str]:
        """Return the tokens, or tell which encoder cannot do without them."""
        if self.is_numeric:
            raise ConfigError(
                f"encoder {encoder!r} reads tokens, and these sequences have frames (numbers). Use 'frames' instead."
            )
        return self.tokens


ENCODERS: Registry[Callable[..., Feature]] = Registry("encoder")

_Size = Annotated[int, Param("encoder", low=1)]
_Several = Annotated[int, Param("encoder", low=2)]
_Number = Annotated[int, Param("encoder", low=0)]
_Rate = Annotated[float, Param("encoder", low=0, high=1)]
_Switch = Annotated[bool, Param("encoder")]
_Name = Annotated[str, Param("encoder")]
_Lists = Annotated[str | list | dict, Param("encoder")]
_Cutter = Annotated[str, Param("encoder", choices=TOKENIZERS.names)]

TUNES = ("frozen", "tuned", "projected")
"""What becomes of pretrained vectors in training: they stay, they are trained on, or a linear layer is learned."""

_Tune = Annotated[str, Param("encoder", choices=lambda: TUNES)]


@ENCODERS.register("words")
def fit_words(
    vocabulary: Vocabulary, *, dim: _Size = 100, min_count: _Size = 1, lowercase: _Switch = True, drop: _Rate = 0.5
) -> Feature:
    """Embed the word itself, NFC, digits folded to 0; words seen once are dropped to the unknown at rate ``drop``."""
    fold = ("nfc", "lower", "digits") if lowercase else ("nfc", "digits")
    counts = _count(Lookup(fold, "word", 0, ()), vocabulary.tokens_for("words"))
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
    lookups = tuple(_learn(lookup, vocabulary.tokens_for("affixes"), min_count) for lookup in empty)
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
    for key, count in _count(Lookup(fold, "word", 0, ()), vocabulary.tokens_for("chars")).items():
        counts.update({char: count * n for char, n in Counter(key).items()})
    spelling = Spelling(fold, length, learn_table(counts, min_count))
    spec = FeatureSpec("chars", "chars", "type", spelling.size, dim=dim, model=model, filters=filters)
    return Feature(spec, spelling=spelling)


@ENCODERS.register("embeddings")
def fit_embeddings(
    vocabulary: Vocabulary,
    source: _Name,
    *,
    tune: _Tune = "projected",
    dim: _Size = 100,
    keep: _Number = 50_000,
    min_count: _Size = 1,
    lowercase: _Switch = True,
    digits: _Switch = True,
    normalize: _Switch = True,
    encoding: _Name = "utf-8",
) -> Feature:
    """Begin with the vectors of a file (GloVe, word2vec, fastText, NumPy); with ``projected``, ``dim`` is the width."""
    parts = {"train": vocabulary.tokens_for("embeddings"), "dev": vocabulary.development}
    lookups, pretrained = fit_table(
        source,
        parts,
        keep=keep,
        min_count=min_count,
        lowercase=lowercase,
        digits=digits,
        normalize=normalize,
        encoding=encoding,
    )
    size, width = pretrained.rows.shape
    spec = FeatureSpec(
        embeddings_name(source),
        "ids",
        "type",
        size,
        width=len(lookups),
        dim=width,
        starts=starts_of(lookups),
        trainable=tune == "tuned",
        projected=dim if tune == "projected" else 0,
    )
    return Feature(spec, lookups, pretrained=pretrained)


def embeddings_name(source: str) -> str:
    """Return what the feature of a file of vectors is called: as the file, without what Keras has no place for."""
    stem = re.sub(r"(\.(txt|vec|bin|npz|npy|gz))+$", "", Path(source).name)
    return f"embeddings_{re.sub(r'[^0-9A-Za-z]+', '_', stem)}"


@ENCODERS.register("column")
def fit_column(vocabulary: Vocabulary, column: _Name, *, dim: _Size = 32, min_count: _Size = 1) -> Feature:
    """Embed a column of the corpus as a category."""
    counts = Counter(value for sequence in vocabulary.sequences for value in column_of(sequence, column))
    lookup = _learn(Lookup(("nfc",), "word", 0, ()), counts, min_count)
    spec = FeatureSpec(_plain(f"column_{column}"), "ids", "token", lookup.size, dim=dim)
    return Feature(spec, (lookup,), column=column)


@ENCODERS.register("ngrams")
def fit_ngrams(
    vocabulary: Vocabulary, n: _Several = 2, *, dim: _Size = 64, min_count: _Size = 3, lowercase: _Switch = True
) -> Feature:
    """Embed each token together with the n - 1 that follow it, as bigrams of characters (Chen et al., 2015)."""
    fold = ("nfc", "lower", "digits") if lowercase else ("nfc", "digits")
    vocabulary.tokens_for("ngrams")
    counts: Counter[str] = Counter()
    for sequence in vocabulary.sequences:
        counts.update(ngrams(sequence.tokens, n))
    lookup = _learn(Lookup(fold, "word", 0, ()), counts, min_count)
    return Feature(FeatureSpec(f"ngrams_{n}", "ids", "token", lookup.size, dim=dim), (lookup,), ngram=n)


@ENCODERS.register("gazetteer")
def fit_gazetteer(
    vocabulary: Vocabulary,
    lists: _Lists,
    *,
    dim: _Size = 8,
    lowercase: _Switch = False,
    tokenizer: _Cutter = "whitespace",
    encoding: _Name = "utf-8",
    name: _Name = "",
) -> Feature:
    """Mark where phrases of lists occur, the longest first: for each type whether a token begins, is in or ends one."""
    vocabulary.tokens_for("gazetteer")
    gazetteer = read_gazetteer(lists, lowercase=lowercase, tokenizer=tokenizer, encoding=encoding)
    lookups = tuple(Lookup((), "word", 0, MARKS) for _ in gazetteer.types)
    size, width = sum(lookup.size for lookup in lookups), len(lookups)
    spec = FeatureSpec(_plain(f"gazetteer_{name}" if name else "gazetteer"), "ids", "token", size, width=width, dim=dim)
    return Feature(spec, lookups, gazetteer=gazetteer)


@ENCODERS.register("frames")
def fit_frames(vocabulary: Vocabulary, *, standardize: _Switch = True) -> Feature:
    """Read each frame's numbers, standardised; a feature that has missing values has a column that marks them."""
    if not vocabulary.is_numeric:
        raise ConfigError(
            "encoder 'frames' reads numbers, and these sequences have tokens. Use 'words', 'affixes', 'chars' instead."
        )
    scaler = learn_scaler(_Tables(vocabulary.sequences), standardize)
    return Feature(FeatureSpec("frames", "vectors", "token", 0, width=scaler.width), scaler=scaler)


@ENCODERS.register("vectors")
def fit_vectors(vocabulary: Vocabulary, name: _Name, *, standardize: _Switch = False) -> Feature:
    """Read vectors that the sequences bring along, by their name."""
    tables = _Tables(vocabulary.sequences, name)
    if next(iter(tables), None) is None:
        raise DataError(f"encoder 'vectors' must see at least one sequence with the vectors {name!r}; got none.")
    scaler = learn_scaler(tables, standardize)
    spec = FeatureSpec(_plain(f"vectors_{name}"), "vectors", "token", 0, width=scaler.width)
    return Feature(spec, scaler=scaler, vectors=name)


@ENCODERS.register("lm")
def fit_lm(vocabulary: Vocabulary, source: _Name, *, standardize: _Switch = False) -> Feature:
    """Read the states of a saved language model at each token (contextual string embeddings), which stays as it is."""
    name = states_name(source)
    scaler = learn_scaler(_Tables(vocabulary.sequences, name), standardize)
    return Feature(
        FeatureSpec(name, "vectors", "token", 0, width=scaler.width), scaler=scaler, vectors=name, are_states=True
    )


def states_name(source: str) -> str:
    """Return what the states of a language model are called: as its folder, without what Keras has no place for."""
    return "lm_" + re.sub(r"[^0-9A-Za-z]+", "_", Path(source).resolve().name)


@dataclass(frozen=True)
class _Tables:
    """The numbers of sequences, a table each, all of one width: read again each time they are gone through."""

    sequences: Iterable[Sequence]
    vectors: str | None = None

    def __iter__(self) -> Iterator[np.ndarray]:
        width = None
        for sequence in self.sequences:
            if self.vectors is None and sequence.frames is None and not len(sequence):
                continue
            table = frames_of(sequence) if self.vectors is None else vectors_of(sequence, self.vectors)
            width = table.shape[1] if width is None else width
            check_width(sequence, table, width, self.vectors)
            yield table


def default_encoders(sequences: Iterable[Sequence] | Vocabulary) -> tuple[str, ...]:
    """Choose what to read sequences with: their frames, or else words, affixes and characters."""
    if isinstance(sequences, Vocabulary):
        is_numeric = sequences.is_numeric
    else:
        is_numeric = any(sequence.frames is not None for sequence in sequences)
    return ("frames",) if is_numeric else ("words", "affixes", "chars")


def fit_encoders(choices: Iterable[Any], sequences: Iterable[Sequence] | Vocabulary) -> tuple[Feature, ...]:
    """Fit encoders as a user names them.

    Parameters
    ----------
    choices : iterable of str or mapping
        ``"words"``, or ``{"chars": "lstm", "dim": 50}``: the encoder's name with its main argument (or null), and its
        options.
    sequences : iterable of Sequence, or Vocabulary
        The training data, counted or not.

    Raises
    ------
    ConfigError
        On an unknown encoder or option, with the near name, and on a value that an option cannot have.
    """
    vocabulary = sequences if isinstance(sequences, Vocabulary) else Vocabulary.of(sequences)
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


def _plain(name: str) -> str:
    """Return a name that TensorFlow admits for a layer; what had to be changed is told apart by a checksum."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", name)
    return plain if plain == name else f"{plain}_{zlib.crc32(name.encode('utf-8', 'surrogatepass')):08x}"


def _count(lookup: Lookup, tokens: Counter[str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for key, count in zip(lookup.keys(tokens), tokens.values(), strict=True):
        counts[key] += count
    return counts


def _learn(lookup: Lookup, tokens: Counter[str], min_count: int) -> Lookup:
    return Lookup(lookup.fold, lookup.part, lookup.length, learn_table(_count(lookup, tokens), min_count))
