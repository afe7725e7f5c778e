"""Python's own standard library as running text: its source, or its docstrings, line by line."""

from __future__ import annotations

import ast
import logging
import math
import tokenize
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from seqtag.data.corpus import Corpus, Sequence
from seqtag.data.python_code import by_rank, split_of
from seqtag.data.tokenizers import tokenize as cut
from seqtag.registry import Registry

SHARE = 12  # no module makes up more than a twelfth of a part


def source_lines(source: str) -> Iterator[str]:
    """Yield the lines of a module, without white space at their ends."""
    lines = source.replace("\f", "").splitlines()
    return (line.rstrip() for line in lines)


def docstring_lines(source: str) -> Iterator[str]:
    """Yield the lines of the docstrings of a module, its classes and functions, an empty line behind each."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an odd escape in somebody's source is no news for the user
        tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node)
            if text:
                yield from (line.rstrip() for line in text.splitlines())
                yield ""


PARTS: Registry[Callable[[str], Iterator[str]]] = Registry("part")
"""What is taken of a module, by name."""
PARTS.add("source", source_lines)
PARTS.add("docstrings", docstring_lines)


def take_text(modules: Mapping[str, Path], split: str, part: str, limit: int | None) -> Corpus:
    """Read the modules of one part until it is full.

    Parameters
    ----------
    modules : mapping of str to Path
        All modules, as `seqtag.data.python_code.standard_library` lists them.
    split : {"train", "dev", "test"}
        Which part.
    part : str
        A name in `PARTS`.
    limit : int, optional
        Most characters, the ends of lines counted. Of a module that would make up more than a twelfth of them the
        beginning is taken. Without it, all modules are taken whole.

    Returns
    -------
    Corpus
        A line a sequence, with text and module (``group``); a module that cannot be read is left out, which is logged.
    """
    found: list[Sequence] = []
    room = math.inf if limit is None else limit
    most = math.inf if limit is None else -(-limit // SHARE)
    for name in by_rank(name for name in modules if split_of(name) == split):
        lines = _lines(modules[name], part)
        taken = list(_beginning(lines, min(room, most)))
        found += [_sequence(line, number, name) for number, line in enumerate(taken, 1)]
        room -= sum(len(line) + 1 for line in taken)
        if room < most and len(taken) < len(lines):  # it is full
            break
    return Corpus(tuple(found), f"python_text {split}")


def _lines(path: Path, part: str) -> list[str]:
    try:
        with tokenize.open(path) as file:
            return list(PARTS[part](file.read()))
    except (SyntaxError, UnicodeDecodeError, ValueError) as error:
        logging.getLogger("seqtag").info("%s is left out: %s", path, error)
        return []


def _beginning(lines: Iterable[str], limit: float) -> Iterator[str]:
    """Yield lines as long as they fit into so many characters."""
    size = 0
    for line in lines:
        size += len(line) + 1
        if size > limit:
            return
        yield line


def _sequence(line: str, number: int, module: str) -> Sequence:
    tokens, offsets = cut(line, "whitespace")
    return Sequence(tokens, text=line, offsets=offsets, lines=(number,) * len(tokens), group=module)
