"""Data sets by name: ``load_`` what every machine has, ``make_`` what is generated, ``fetch_`` what is downloaded.

All return a dictionary of corpora by split (``train``, ``dev``, ``test``), with the splits that the source has:
where there is no ``dev``, none is invented. A downloaded file is checked by its sha256 and kept in the user's
cache; ``SEQTAG_DATA`` may name a folder that is looked in first. `describe` shows licence and citation.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import platform
import random
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from seqtag.data.catalogue import DATASETS, Dataset
from seqtag.data.corpus import Corpus, Sequence
from seqtag.data.download import files_of
from seqtag.data.embeddings import published
from seqtag.data.generated import make_commands, make_tagging
from seqtag.data.logs import make_logs
from seqtag.data.memory import make_memory
from seqtag.data.python_code import ROLES, standard_library, take
from seqtag.data.python_text import PARTS, take_text
from seqtag.data.readers import read_conll, read_conllu, read_csv, read_labelled_lines, read_lines, read_parallel
from seqtag.data.signals import make_signals
from seqtag.errors import ConfigError, DataError, ParameterError, near_name

__all__ = [
    "DATASETS",
    "ROLES",
    "Dataset",
    "corpus_digest",
    "describe",
    "fetch_atis",
    "fetch_conll2000",
    "fetch_glove",
    "fetch_nsmc",
    "fetch_ptb",
    "fetch_snips",
    "fetch_sst2",
    "fetch_tiny_shakespeare",
    "fetch_trec",
    "fetch_ud_english_ewt",
    "fetch_ud_korean_gsd",
    "fetch_wnut17",
    "load",
    "load_digits",
    "load_python_code",
    "load_python_text",
    "make_commands",
    "make_logs",
    "make_memory",
    "make_signals",
    "make_tagging",
    "python_code_info",
]

Corpora = dict[str, Corpus]

# --- on the machine -------------------------------------------------------------------------------------------


def load_python_code(*, tokens: int | None = 200_000) -> Corpora:
    """Load the source of Python's own standard library, each token labelled with the role it plays.

    The labels are those of `ROLES`. Whole modules go to one split or another, by a hash of their names; the
    labels are made from scratch, in some three seconds for the default size.

    Parameters
    ----------
    tokens : int, optional
        Most tokens of ``train``; ``dev`` and ``test`` have an eighth of it each, at least 4,000. None takes
        the whole library, about a million tokens, in ten to twenty seconds.

    Returns
    -------
    dict of str to Corpus
        ``train``, ``dev`` and ``test``: sequences of at most 150 tokens with labels, lines, and the module
        as group. They are the same for the same release of Python; `python_code_info` tells.

    Raises
    ------
    DataError
        If this Python has been installed without the source of its library.
    """
    if tokens is not None and (not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 1000):
        raise ParameterError(f"tokens must be an int of at least 1000, or None; got {tokens!r}.")
    held_out = None if tokens is None else max(4000, tokens // 8)
    return _of_library(tokens, held_out, take)


def load_python_text(*, characters: int | None = 1_000_000, part: str = "source") -> Corpora:
    """Load the source of Python's own standard library, or its docstrings, as running text for language models.

    Whole modules go to one split or another, by a hash of their names. An empty line is an empty sequence.

    Parameters
    ----------
    characters : int, optional
        Most characters of ``train``, the ends of lines counted; ``dev`` and ``test`` have an eighth of it each. None
        takes the whole library, more than ten million characters.
    part : {"source", "docstrings"}
        What is taken of each module.

    Returns
    -------
    dict of str to Corpus
        ``train``, ``dev`` and ``test``: the lines with ``text``, and the module as group. They are the same for the
        same release of Python.

    Raises
    ------
    ParameterError
        If ``characters`` is too few, or there is no such part.
    DataError
        If this Python has been installed without the source of its library.
    """
    if characters is not None and (
        not isinstance(characters, int) or isinstance(characters, bool) or characters < 10_000
    ):
        raise ParameterError(f"characters must be an int of at least 10000, or None; got {characters!r}.")
    if part not in PARTS.names():
        near = near_name(str(part), PARTS.names())
        raise ParameterError(f"part must be one of {', '.join(PARTS)}; got {part!r}.{near}")
    held_out = None if characters is None else characters // 8
    return _of_library(characters, held_out, lambda modules, split, limit: take_text(modules, split, part, limit))


def _of_library(size: int | None, held_out: int | None, taken: Callable[..., Corpus]) -> Corpora:
    root = Path(sysconfig.get_path("stdlib"))
    modules = standard_library(root)
    limits = {"train": size, "dev": held_out, "test": held_out}
    corpora = {split: taken(modules, split, limit) for split, limit in limits.items()}
    if not all(corpora.values()):
        raise DataError(
            f"{root} must hold the source of the standard library; found {len(modules)} usable modules. "
            "Install Python with its library, or choose another data set."
        )
    return corpora


def load_digits() -> Corpora:
    """Load scikit-learn's handwritten digits, read row by row: images of 8 x 8 pixels as 8 frames of 8 numbers.

    The images of each digit are shared out in the same proportion, drawn once and for all.

    Returns
    -------
    dict of str to Corpus
        ``train``, ``dev`` and ``test``: 1,257 / 180 / 360 images, frames of shape (8, 8) with values from 0 to 16, the
        digit as ``label``, and as ``id`` the place in scikit-learn's set.
    """
    from sklearn import datasets

    found = datasets.load_digits()
    places = list(range(len(found.target)))
    random.Random("digits").shuffle(places)
    places.sort(key=lambda place: found.target[place])
    tens = ["dev", "test", "train", "train", "train", "train", "test", "train", "train", "train"]
    parts: dict[str, list[int]] = {"train": [], "dev": [], "test": []}
    for i, place in enumerate(places):
        parts[tens[i % 10]].append(place)
    return {
        split: Corpus(
            tuple(Sequence(frames=found.images[i], label=str(found.target[i]), id=str(i)) for i in sorted(part)),
            f"digits {split}",
        )
        for split, part in parts.items()
    }


def python_code_info(corpora: Mapping[str, Corpus]) -> dict[str, Any]:
    """Tell which version of the corpus of `load_python_code` this is.

    Returns
    -------
    dict
        ``python`` (version), ``digest`` (`corpus_digest`), and by split ``modules`` and ``tokens``.
    """
    return {
        "python": platform.python_version(),
        "digest": corpus_digest(corpora),
        "modules": {split: len({sequence.group for sequence in corpus}) for split, corpus in corpora.items()},
        "tokens": {split: corpus.n_tokens for split, corpus in corpora.items()},
    }


def corpus_digest(corpora: Mapping[str, Corpus]) -> str:
    """Return the sha256 of what corpora hold, in its order: splits, tokens, labels, columns, texts, groups, numbers."""
    digest = hashlib.sha256()
    for split in sorted(corpora):
        digest.update(f"{split}\n".encode())
        for one in corpora[split]:
            content = [one.tokens, one.labels, one.label, sorted(one.columns.items()), one.text, one.group]
            digest.update(json.dumps(content).encode() + b"\n")
            frames = [] if one.frames is None else [("frames", one.frames)]
            for name, table in (*frames, *((f"vectors {name}", one.vectors[name]) for name in sorted(one.vectors))):
                digest.update(json.dumps([name, table.shape]).encode() + _canonical(table) + b"\n")
    return digest.hexdigest()


def _canonical(table: np.ndarray) -> bytes:
    """Return the bytes of a table, the same for all tables that are equal."""
    return (np.where(np.isnan(table), np.float32(np.nan), table) + np.float32(0)).astype("<f4").tobytes()


# --- downloaded: tagging --------------------------------------------------------------------------------------


def fetch_ud_english_ewt(*, label: str = "upos", columns: list[str] | tuple[str, ...] = ()) -> Corpora:
    """Fetch UD_English-EWT 2.16: English with parts of speech, morphology and lemmas.

    Parameters
    ----------
    label : {"upos", "xpos", "feats", "lemma", "deprel"} or "feats:Name"
        The column that gives the labels.
    columns : sequence of str
        Further columns to keep, named in the same way.

    Returns
    -------
    dict of str to Corpus
        ``train``, ``dev`` and ``test``: 12,544 / 2,001 / 2,077 sentences.
    """
    return _read("ud_english_ewt", lambda path: read_conllu(path, label=label, columns=columns))


def fetch_ud_korean_gsd(*, label: str = "upos", columns: list[str] | tuple[str, ...] = ()) -> Corpora:
    """Fetch UD_Korean-GSD 2.10: Korean with parts of speech and lemmas, a token for each spaced word.

    Parameters
    ----------
    label : {"upos", "xpos", "feats", "lemma", "deprel"} or "feats:Name"
        The column that gives the labels.
    columns : sequence of str
        Further columns to keep, named in the same way.

    Returns
    -------
    dict of str to Corpus
        ``train``, ``dev`` and ``test``: 4,400 / 950 / 989 sentences.
    """
    return _read("ud_korean_gsd", lambda path: read_conllu(path, label=label, columns=columns))


def fetch_conll2000() -> Corpora:
    """Fetch the chunking data of CoNLL-2000.

    Returns
    -------
    dict of str to Corpus
        ``train`` and ``test``: 8,936 / 2,012 sentences, labels in iob2, the part of speech in column "pos".
    """
    return _read("conll2000", lambda path: read_conll(path, columns={"pos": 1}, separator=" "))


def fetch_wnut17() -> Corpora:
    """Fetch WNUT-17: names of six kinds in user-written text, most of them new in the test part.

    Returns
    -------
    dict of str to Corpus
        ``train``, ``dev`` and ``test``: 3,394 / 1,009 / 1,287 sentences, labels in iob2.
    """
    return _read("wnut17", lambda path: read_conll(path, separator="\t"))


def fetch_atis() -> Corpora:
    """Fetch ATIS: requests for flights with slots and an intent.

    Returns
    -------
    dict of str to Corpus
        ``train``, ``dev`` and ``test``: 4,478 / 500 / 893 utterances with ``labels`` (slots, iob2) and
        ``label`` (the intent).
    """
    return _read("atis", read_parallel)


def fetch_snips() -> Corpora:
    """Fetch SNIPS: spoken commands with slots and an intent.

    Returns
    -------
    dict of str to Corpus
        ``train``, ``dev`` and ``test``: 13,084 / 700 / 700 utterances with ``labels`` (slots, iob2) and
        ``label`` (the intent).
    """
    return _read("snips", read_parallel)


# --- downloaded: classification and language models -----------------------------------------------------------


def fetch_trec(*, fine: bool = False) -> Corpora:
    """Fetch TREC: questions by the kind of their answer.

    Parameters
    ----------
    fine : bool
        Whether to tell 50 kinds (``NUM:date``) apart, or 6 (``NUM``).

    Returns
    -------
    dict of str to Corpus
        ``train`` and ``test``: 5,452 / 500 questions with a ``label``.
    """
    if not isinstance(fine, bool):
        raise ParameterError(f"fine must be true or false; got {fine!r}.")
    corpora = _read("trec", lambda path: read_labelled_lines(path, encoding="latin-1"))
    return corpora if fine else {split: _coarse(corpus) for split, corpus in corpora.items()}


def fetch_sst2() -> Corpora:
    """Fetch SST-2: sentences from film reviews, negative ("0") or positive ("1").

    Returns
    -------
    dict of str to Corpus
        ``train``, ``dev`` and ``test``: 6,920 / 872 / 1,821 sentences with a ``label``.
    """
    return _read("sst2", read_labelled_lines)


def fetch_nsmc() -> Corpora:
    """Fetch NSMC: Korean film reviews, negative ("0") or positive ("1").

    Returns
    -------
    dict of str to Corpus
        ``train`` and ``test``: 150,000 / 50,000 reviews with a ``label`` and ``text``; the tokens are what
        white space separates. Eight reviews are empty.
    """
    return _read("nsmc", lambda path: read_csv(path, text="document", label="label", sequence="id", separator="\t"))


def fetch_ptb() -> Corpora:
    """Fetch the language-model text of the Penn Treebank: 10,000 word types, rare words as ``<unk>``.

    Returns
    -------
    dict of str to Corpus
        ``train``, ``dev`` and ``test``: 42,068 / 3,370 / 3,761 lines with ``text``. The end of a line,
        which counts as a word in published perplexities, is no token here.
    """
    return _read("ptb", read_lines)


def fetch_tiny_shakespeare() -> Corpora:
    """Fetch 40,000 lines of Shakespeare's plays, for language models of characters.

    Returns
    -------
    dict of str to Corpus
        ``train`` and ``test``: the lines of the first 90 percent of the characters, and the rest, with
        ``text`` (the line without its end); an empty line is an empty sequence.
    """
    whole = _read("tiny_shakespeare", read_lines)["all"]
    room = 0.9 * sum(len(line.text or "") + 1 for line in whole)
    size = 0
    while (room := room - len(whole[size].text or "") - 1) >= 0:
        size += 1
    parts = {"train": whole[:size], "test": whole[size:]}
    return {split: replace(corpus, name=f"tiny_shakespeare {split}") for split, corpus in parts.items()}


def fetch_glove(*, dim: int = 50) -> Path:
    """Fetch GloVe's vectors of 400,000 words in lower case, of Wikipedia and Gigaword (Pennington et al., 2014).

    The archive of 862 MB is downloaded once, and all four widths are in it. Licence: PDDL 1.0, public domain.

    Parameters
    ----------
    dim : {50, 100, 200, 300}
        Numbers a word.

    Returns
    -------
    Path
        A file for the encoder ``{"embeddings": path}``, which takes the name ``glove.6B.50d`` as well.

    Raises
    ------
    ParameterError
        If there are no vectors of that width.
    DataError
        If they cannot be downloaded, or are not those that were published.
    """
    if dim not in published.GLOVE_DIMS:
        raise ParameterError(f"dim must be one of {', '.join(map(str, published.GLOVE_DIMS))}; got {dim!r}.")
    return published.fetch(f"glove.6B.{dim}d")


def _read(name: str, reader: Callable[..., Corpus]) -> Corpora:
    files = files_of(DATASETS[name])
    return {split: replace(reader(*paths), name=f"{name} {split}") for split, paths in files.items()}


def _coarse(corpus: Corpus) -> Corpus:
    kinds = (one.label.partition(":")[0] for one in corpus if isinstance(one.label, str))
    return replace(corpus, sequences=tuple(replace(one, label=kind) for one, kind in zip(corpus, kinds, strict=True)))


# --- by name --------------------------------------------------------------------------------------------------

_LOADERS: dict[str, Callable[..., Corpora]] = {
    "python_code": load_python_code,
    "python_text": load_python_text,
    "digits": load_digits,
    "tagging": make_tagging,
    "commands": make_commands,
    "logs": make_logs,
    "signals": make_signals,
    "memory": make_memory,
    "ud_english_ewt": fetch_ud_english_ewt,
    "ud_korean_gsd": fetch_ud_korean_gsd,
    "conll2000": fetch_conll2000,
    "wnut17": fetch_wnut17,
    "atis": fetch_atis,
    "snips": fetch_snips,
    "trec": fetch_trec,
    "sst2": fetch_sst2,
    "nsmc": fetch_nsmc,
    "ptb": fetch_ptb,
    "tiny_shakespeare": fetch_tiny_shakespeare,
}


def load(name: str, options: Mapping[str, Any] | None = None) -> Corpora:
    """Load a data set by its name.

    Parameters
    ----------
    name : str
        A name in `DATASETS`.
    options : mapping, optional
        Parameters of the data set's own function, by name.

    Returns
    -------
    dict of str to Corpus
        The corpora by split.

    Raises
    ------
    ConfigError
        If there is no such data set, it has no such option, or an option's value is wrong.
    DataError
        If a file is missing, and cannot be downloaded, or is not what it must be.
    """
    DATASETS[name]  # says which names there are
    given = dict(options or {})
    known = list(inspect.signature(_LOADERS[name]).parameters)
    for option in given:
        if option not in known:
            raise ConfigError(
                f"options of data set {name!r} must be among {', '.join(known) or 'none at all'}; got {option!r}."
                + near_name(str(option), known)
            )
    return _LOADERS[name](**given)


def describe(name: str) -> str:
    """Show what a data set is, in lines of text: task, licence, how to cite it, source, splits and options.

    Raises
    ------
    ConfigError
        If there is no such data set.
    """
    about = DATASETS[name]
    options = inspect.signature(_LOADERS[name]).parameters.values()
    rows = {
        "task": about.task,
        "language": about.language,
        "licence": about.licence,
        "cite": about.citation,
        "source": about.source,
        "revision": about.revision,
        "files": ", ".join(file.path for file in about.files),
        "options": ", ".join(f"{option.name}={option.default!r}" for option in options),
    }
    lines = [f"{about.name}: {about.title}", *(f"  {key:<9} {text}" for key, text in rows.items() if text)]
    return "\n".join(lines)
