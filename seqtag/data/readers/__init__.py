"""Files to corpora: one function a format, each with file and line (or array) in every error.

A reader returns a whole `Corpus` or raises: nothing is half read, and nothing repaired in silence. What is too large to
be held is read by `iterate`, sequence by sequence, by the same code.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Union, get_args, get_origin, get_type_hints

from seqtag.data.corpus import Corpus, Sequence
from seqtag.data.readers._text import FilePath, check_file, suffix_of
from seqtag.data.readers.conll import iter_conll, read_conll
from seqtag.data.readers.conllu import iter_conllu, read_conllu
from seqtag.data.readers.jsonl import iter_jsonl, read_jsonl
from seqtag.data.readers.npz import read_npz
from seqtag.data.readers.plain import (
    iter_labelled_lines,
    iter_lines,
    iter_parallel_beside,
    lines_from,
    read_labelled_lines,
    read_lines,
    read_parallel,
    read_parallel_beside,
)
from seqtag.data.readers.table import iter_csv, read_csv
from seqtag.errors import ConfigError, near_name
from seqtag.params import Field, Param
from seqtag.registry import Registry

__all__ = [
    "READERS",
    "check_file",
    "detect_format",
    "iterate",
    "lines_from",
    "read",
    "read_conll",
    "read_conllu",
    "read_csv",
    "read_jsonl",
    "read_labelled_lines",
    "read_lines",
    "read_npz",
    "read_parallel",
    "read_parallel_beside",
    "settled",
    "suffix_of",
]

READERS: Registry[Callable[..., Corpus]] = Registry("format")
"""The readers by format: functions of a path and keyword-only options, which are the options of `read`."""
READERS.add("conll", read_conll)
READERS.add("conllu", read_conllu)
READERS.add("jsonl", read_jsonl)
READERS.add("csv", read_csv)
READERS.add("lines", read_lines)
READERS.add("labelled_lines", read_labelled_lines)
READERS.add("npz", read_npz)
READERS.add("parallel", read_parallel_beside)

_PIECEWISE: dict[str, Callable[..., Iterator[Sequence]]] = {
    "conll": iter_conll,
    "conllu": iter_conllu,
    "jsonl": iter_jsonl,
    "csv": iter_csv,
    "lines": iter_lines,
    "labelled_lines": iter_labelled_lines,
    "parallel": iter_parallel_beside,
}
"""The readers of text as generators; they take the options of those in `READERS`."""

_SUFFIXES = {
    ".conllu": "conllu",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".npz": "npz",
    **dict.fromkeys((".conll", ".txt", ".iob", ".bio", ".iob2", ".bioes", ".annotated"), "conll"),
}


def read(path: FilePath, format: str | None = None, options: Mapping[str, Any] | None = None) -> Corpus:
    """Read a file in any of the formats of `READERS`.

    Parameters
    ----------
    path : str or path
        The file, plain or gzip.
    format : str, optional
        A name in `READERS`. By default the suffix decides, see `detect_format`.
    options : mapping, optional
        Options of the format's reader, by name.

    Returns
    -------
    Corpus
        Named as the file.

    Raises
    ------
    ConfigError
        If the format is unknown or cannot be told, or the reader has no such option.
    DataError
        If the file cannot be read or is not what the format asks for.
    """
    name, given = settled(path, format, options)
    return READERS[name](path, **given)


def iterate(path: FilePath, format: str | None = None, options: Mapping[str, Any] | None = None) -> Iterator[Sequence]:
    """Read a file sequence by sequence, so that it never has to be held as a whole.

    Parameters
    ----------
    path, format, options : as in `read`
        What to read, and how. The arrays of ``npz`` are read as a whole, since they are packed as a whole.

    Yields
    ------
    Sequence
        Those of `read`, each as soon as it is complete.

    Raises
    ------
    ConfigError, DataError
        As `read`, when what is wrong is reached.
    """
    name, given = settled(path, format, options)
    return iter(_PIECEWISE.get(name, READERS[name])(path, **given))


def settled(path: FilePath, format: str | None, options: Mapping[str, Any] | None) -> tuple[str, dict[str, Any]]:
    """Return the format and the options with which to read a file, without opening it.

    Parameters
    ----------
    path, format, options : as in `read`
        What to read, and how.

    Raises
    ------
    ConfigError
        As `read`.
    """
    name = detect_format(path) if format is None else format
    given = dict(options or {})
    _check_options(name, READERS[name], given)
    return name, given


def detect_format(path: FilePath) -> str:
    """Tell the format of a file from its suffix, with or without ``.gz`` after it.

    Raises
    ------
    ConfigError
        If the suffix is none that is known.
    """
    suffix = suffix_of(path)
    if suffix not in _SUFFIXES:
        raise ConfigError(
            f"{path}: the format must be named where the suffix does not tell it ({', '.join(_SUFFIXES)}); "
            f"got {suffix!r}. Pass format= one of {', '.join(READERS)}." + near_name(suffix, _SUFFIXES)
        )
    return _SUFFIXES[suffix]


def _check_options(name: str, reader: Callable[..., Corpus], given: Mapping[str, Any]) -> None:
    hints = get_type_hints(reader)
    known = [p.name for p in inspect.signature(reader).parameters.values() if p.kind is p.KEYWORD_ONLY]
    for option, value in given.items():
        if option not in known:
            raise ConfigError(
                f"options of format {name!r} must be among {', '.join(known)}; got {option!r}."
                + near_name(str(option), known)
            )
        if why := _field(option, hints[option]).problem(value):
            raise ConfigError(f"option {option} of format {name!r} {why}")


def _field(option: str, hint: Any) -> Field:
    members = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    kinds = tuple(get_origin(member) or member for member in members)
    return Field(option, "run", None, kinds, (), Param("run"), "")
