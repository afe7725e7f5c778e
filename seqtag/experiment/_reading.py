"""The data of a configuration: read, refused before anything is spent on it, and summed up for people."""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from seqtag import datasets, render
from seqtag.config import Config, Data
from seqtag.data.corpus import Corpus, Sequence
from seqtag.data.embeddings.coverage import Coverage
from seqtag.data.embeddings.table import check_beginning
from seqtag.data.encoders import Vocabulary, fit_encoders, parse_choice
from seqtag.data.readers import read
from seqtag.data.streaming import CorpusStream
from seqtag.data.tokenizers import tokenize
from seqtag.errors import ConfigError, DataError
from seqtag.experiment._tasks import RULES
from seqtag.language import TokenStates

logger = logging.getLogger("seqtag")

SHOWN = 10  # labels listed in a warning
BEGINNING = 1000  # sequences of a stream that are looked at before it is read as a whole

Corpora = dict[str, Any]
"""A `Corpus` by split; ``train`` may be a `CorpusStream`."""


def read_corpora(data: Data, task: str) -> Corpora:
    """Read the data of a configuration.

    Parameters
    ----------
    data : Data
        Where they come from.
    task : str
        What they are for.

    Returns
    -------
    dict of str to Corpus
        ``train`` and, as far as there are such data, ``dev`` and ``test``; all with the labels that the task needs.
        ``train`` is a `CorpusStream` where the data says so.

    Raises
    ------
    DataError, ConfigError
        If something cannot be found or read, has no labels, or nothing to learn from.
    """
    corpora: Corpora
    if data.dataset is not None:
        corpora = datasets.load(data.dataset, data.options)
    else:
        corpora = {split: _read(data, split, path) for split, path in data.files.items()}
    if data.dev_share is not None:
        corpora = _with_dev(corpora, data.dev_share)
    corpora = {split: corpora[split] for split in ("train", "dev", "test") if split in corpora}
    for corpus in corpora.values():
        check_labelled(corpus, task)
    return corpora


def _read(data: Data, split: str, path: str) -> Corpus | CorpusStream:
    if data.stream and split == "train":
        return CorpusStream(path, data.format, data.options)
    return read(path, data.format, data.options)


def retokenize(corpus: Any, tokenizer: str) -> Any:
    """Split texts as a model splits raw text, where nothing was counted by the tokens of the reader.

    Parameters
    ----------
    corpus : Corpus or CorpusStream
        As a reader made it, which splits texts at white space.
    tokenizer : str
        The model's, a name of `seqtag.data.tokenizers.TOKENIZERS`.
    """
    if tokenizer == "whitespace":
        return corpus
    if isinstance(corpus, CorpusStream):
        return CorpusStream(lambda: (_retokenized(sequence, tokenizer) for sequence in corpus), name=corpus.name)
    return replace(corpus, sequences=tuple(_retokenized(sequence, tokenizer) for sequence in corpus))


def _retokenized(sequence: Sequence, tokenizer: str) -> Sequence:
    if sequence.text is None or sequence.labels is not None or sequence.columns or sequence.vectors:
        return sequence
    tokens, offsets = tokenize(sequence.text, tokenizer)
    line = sequence.lines[:1] if sequence.lines and len(set(sequence.lines)) == 1 else None
    lines = line * len(tokens) if line else None
    return replace(sequence, tokens=tokens, offsets=offsets, lines=lines)


def as_read(corpus: Any, params: Mapping[str, Any]) -> Any:
    """Return a corpus as a model reads it: its texts cut by the model's tokenizer, or texts that hold something.

    Parameters
    ----------
    corpus : Corpus or CorpusStream
        As a reader made it.
    params : mapping
        The model's parameters. A language model of separate texts passes over blank lines; one of a text in pieces
        (``continuous``) reads an empty line as the line break that it is.
    """
    if "continuous" not in params:
        return retokenize(corpus, params["tokenizer"])
    if params["continuous"]:
        return corpus
    if isinstance(corpus, CorpusStream):
        return CorpusStream(lambda: (sequence for sequence in corpus if len(sequence)), name=corpus.name)
    return replace(corpus, sequences=tuple(sequence for sequence in corpus if len(sequence)))


def check_labelled(corpus: Corpus | CorpusStream, task: str) -> None:
    """Refuse a corpus that is empty or lacks the labels of a task, before anything is spent on it.

    Of a stream only the beginning is looked at; the pass that counts it refuses the rest.

    Raises
    ------
    DataError
        Naming the first sequence without.
    """
    rules = RULES[task]
    n_tokens = n_sequences = 0
    for sequence in itertools.islice(corpus, BEGINNING if isinstance(corpus, CorpusStream) else None):
        if n_tokens := n_tokens + len(sequence):
            break
        n_sequences += 1
    if not n_tokens:
        raise DataError(
            f"{corpus.name} must hold at least one token or frame; it has {n_sequences} sequences, all empty."
        )
    for sequence in itertools.islice(corpus, BEGINNING if isinstance(corpus, CorpusStream) else None):
        if rules.labels_of(sequence) is None:
            raise DataError(f"{corpus.name}: {rules.lacks(sequence)}")


def is_numeric(corpus: Iterable[Sequence]) -> bool:
    """Tell whether the sequences of a corpus are frames of numbers, as the first that is not empty tells."""
    return next((sequence.frames is not None for sequence in corpus if len(sequence)), False)


def summary(corpora: Mapping[str, Corpus], task: str) -> str:
    """Word what was read: sequences, tokens and words, or frames and features, and labels of each part."""
    numeric = is_numeric(corpora["train"])
    rows = [[split, *_counts(corpus, task), corpus.name] for split, corpus in corpora.items()]
    units = ["frames", "features"] if numeric else ["tokens", "words"]
    return render.table(rows, ["", "sequences", *units, *RULES[task].tables, "from"])


def warn_of_unseen(corpora: Mapping[str, Corpus], task: str) -> None:
    """Log the labels of ``dev`` and ``test`` that training never sees, and a ``dev`` part that cannot tell anything."""
    known = _label_counts(corpora["train"], task)
    for split, corpus in corpora.items():
        if split != "train":
            warn_of_unknown(corpus, split, "train has not", known, task)
    found = _label_counts(corpora["dev"], task) if "dev" in corpora else known
    if len(found) == 1 < len(known):
        (only,) = found
        logger.warning("dev has no label but %s, so it cannot tell which epoch is best; is train sorted?", only)


def warn_of_unknown(corpus: Corpus, name: str, who: str, known: Collection[str], task: str) -> None:
    """Log the labels of a corpus that are not among those known, which no prediction can have.

    Parameters
    ----------
    corpus : Corpus
        Labelled.
    name, who : str
        What the message calls the corpus, and who does not know the labels.
    known : collection of str
        The labels that can be predicted.
    task : str
        What it is for.
    """
    unseen = Counter({label: n for label, n in _label_counts(corpus, task).items() if label not in known})
    if unseen:
        listed = ", ".join(f"{label} ({count:,})" for label, count in unseen.most_common(SHOWN))
        more = f" and {len(unseen) - SHOWN} more" if len(unseen) > SHOWN else ""
        what = " or ".join(RULES[task].tables)
        logger.warning("%s has %s that %s, they cannot be predicted: %s%s", name, what, who, listed, more)


def check_encoders(config: Config, corpora: Mapping[str, Corpus]) -> None:
    """Refuse a configuration whose encoders cannot read the data: fit them on the first sequence of each part.

    Of pretrained vectors only the beginning of the file is read; `coverage_of` reads all of it.

    Raises
    ------
    DataError, ConfigError
        As training would, naming the column, the vectors or the kind of sequence that is not there.
    """
    choices = config.model.get("encoders", "auto")  # a language model has none
    if choices == "auto":
        return
    firsts = [next(sequence for sequence in corpus if len(sequence)) for corpus in corpora.values()]
    others = []
    for choice in choices:
        name, arguments, options = parse_choice(choice)
        if name == "embeddings":
            check_beginning(arguments[0], options.get("encoding", "utf-8"))
        elif name == "lm":
            TokenStates.load(arguments[0])
        else:
            others.append(choice)
    if others:
        fit_encoders(others, firsts)


def coverage_of(config: Config, corpora: Mapping[str, Corpus]) -> list[Coverage]:
    """Return how many of the words have a pretrained vector, for which the files of vectors are read as a whole.

    Parameters
    ----------
    config : Config
        Names the files among its encoders; there may be none.
    corpora : mapping of str to Corpus
        From `read_corpora`.

    Raises
    ------
    DataError
        If a file cannot be found or read, naming the line.
    """
    choices = config.model.get("encoders", "auto")
    chosen = [] if choices == "auto" else [c for c in choices if parse_choice(c)[0] == "embeddings"]
    if not chosen:
        return []
    read = {
        split: retokenize(corpora[split], config.model["tokenizer"]) for split in ("train", "dev") if split in corpora
    }
    vocabulary = Vocabulary.of(read["train"])
    dev = Counter(token for sequence in read.get("dev", ()) for token in sequence.tokens)
    features = fit_encoders(chosen, replace(vocabulary, development=dev))
    return [feature.pretrained.coverage for feature in features if feature.pretrained is not None]


def _counts(corpus: Corpus | CorpusStream, task: str) -> list[Any]:
    """Return how many sequences, tokens, distinct tokens (or frames, features) and labels a corpus has."""
    about = corpus.describe()
    distinct = about["features"] or about["distinct_tokens"]
    return [about["sequences"], about["tokens"], distinct, *(len(about[key]) for key in RULES[task].tables.values())]


def _label_counts(corpus: Corpus | CorpusStream, task: str) -> Counter[str]:
    if isinstance(corpus, CorpusStream):  # which remembers what it counted
        about = corpus.describe()
        return Counter({label: n for key in RULES[task].tables.values() for label, n in about[key].items()})
    labels_of = RULES[task].labels_of
    return Counter(label for sequence in corpus for label in labels_of(sequence) or ())


def _with_dev(corpora: Corpora, share: float) -> Corpora:
    if "dev" in corpora:
        raise ConfigError(f"data.dev must not be set where the data has a dev part of its own; got {share!r}.")
    train, dev = corpora["train"].split(share)
    return corpora | {"train": train, "dev": replace(dev, name=f"the last {share:g} of {dev.name}")}
