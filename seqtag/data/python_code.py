"""Python's own source code as a labelled corpus: every token with the role it plays.

The words are Python's (``tokenize``), the truth is Python's (``ast``, and its rules of scope), so no label
is a guess. Most names have no role of their own: ``name`` can be a parameter, a global, an attribute, a
keyword argument or a method, and only what stands before *and after* it tells which.

::

    source -> read_words (tokens) -> name_roles (a walk over the tree) -> _Symbols (the rest) -> pieces -> Sequence
"""

from __future__ import annotations

import ast
import hashlib
import io
import keyword
import logging
import math
import os
import re
import tokenize
import warnings
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate, takewhile
from pathlib import Path

from seqtag.data.corpus import Corpus, Sequence
from seqtag.data.python_names import DOCSTRING, Place, Word, name_roles
from seqtag.errors import DataError, at

ROLES = {
    "keyword": "A reserved word, or match, case, type and _ where they are used as one.",
    "constant": "True, False, None, or ... used as a value.",
    "number": "A number.",
    "string": "A string, a bytes or a formatted string, whole.",
    "operator": "A sign or word that computes or compares: + == and, not, in (but not the in of a loop).",
    "assignment": "A sign that binds or changes what stands before it: = := +=.",
    "unpacking": "* or ** that gathers or spreads values, or the bare * among parameters.",
    "punctuation": "Brackets, commas, dots, colons, arrows, the @ of a decorator, the = of a default or an argument.",
    "function": "The name that a def gives.",
    "class": "The name that a class statement gives.",
    "parameter": "A parameter where it is declared: of a function, a lambda or a generic type.",
    "parameter_use": "A parameter of the function around it, used.",
    "local": "A variable of the function around it.",
    "comprehension": "A variable of the comprehension around it.",
    "free": "A name that an enclosing function owns (a closure), and the class cell of a method.",
    "class_variable": "A name that a class body owns, inside that body.",
    "global": "A name that the module owns, or that nothing in sight defines.",
    "module": "A name that an import statement bound to a module, used.",
    "builtin": "A name that only Python itself defines, used or called.",
    "call": "A plain name that is called, if it is no builtin.",
    "method": "An attribute that is called.",
    "attribute": "An attribute that is read, set or deleted.",
    "keyword_argument": "The name before the = of an argument, of a class statement or of a class pattern.",
    "annotation": "A name inside an annotation or the value of a type statement.",
    "decorator": "The last name of what decorates a function or class.",
    "base": "The last name of a base class.",
    "exception": "The last name of what raise or except names, unless it is a variable of a function.",
    "import_module": "A part of a module's name in an import statement.",
    "import_name": "What an import statement takes out of a module, or calls it.",
}
"""Each role by name, with the sentence that decides it."""

LONGEST_SEQUENCE = 150
LONGEST_STRING = 40

_WORD_OPERATORS = frozenset({"and", "or", "not", "is", "in"})
_CONSTANTS = frozenset({"True", "False", "None"})
_PUNCTUATION = frozenset("()[]{},:;.") | {"->", "..."}
_NO_VALUES = frozenset({"keyword", "operator", "assignment", "unpacking", "punctuation"})
_COMPARISONS = frozenset({"==", "!=", "<=", ">="})
_LEFT_OUT = frozenset({"test", "tests", "idle_test", "__pycache__", "encodings", "pydoc_data"})
_JOINED_STARTS, _JOINED_ENDS = (
    {getattr(tokenize, f"{kind}STRING_{edge}", None) for kind in "FT"} - {None} for edge in ("START", "END")
)


def label_source(source: str, name: str = "<source>") -> list[Sequence]:
    """Cut Python source into sequences of tokens, each token labelled with its role.

    Comments, docstrings and line ends are left out. A sequence is one top-level statement; one of more than
    `LONGEST_SEQUENCE` tokens is cut between logical lines, where the code is indented least, and a logical
    line that is longer itself is cut hard.

    Parameters
    ----------
    source : str
        A whole module, in the syntax of the running Python.
    name : str
        The module's name: the ``group`` of every sequence.

    Returns
    -------
    list of Sequence
        ``tokens``, ``labels`` (keys of `ROLES`) and ``lines``, 1 to 150 tokens each.

    Raises
    ------
    DataError
        If the source does not parse, or holds a name whose role this Python's grammar does not tell.
    """
    source = source.replace("\r\n", "\n").replace("\r", "\n")  # both line ends count for ast, not for tokenize
    tree = _parse(source, name)
    words = list(read_words(source))
    roles = name_roles(tree, words)
    symbols = _Symbols(name)
    told = [symbols.role(word, known) for word, known in zip(words, roles, strict=True)]
    return [_sequence(piece, name) for piece in _pieces(tree, words, told)]


def shorten(text: str) -> str:
    """Write a string literal as one short word, so that columns of text can hold it.

    A run of white space becomes ``␣``; of more than `LONGEST_STRING` characters the first are kept, then ``…``
    and the closing quotes.

    Examples
    --------
    >>> shorten("'two  words'")
    "'two␣words'"
    """
    text = re.sub(r"\s+", "␣", text)
    if len(text) <= LONGEST_STRING:
        return text
    quotes = text[-3:] if text[-3:] in ('"""', "'''") else text[-1:]
    return f"{text[: LONGEST_STRING - len(quotes) - 1]}…{quotes}"


def _parse(source: str, name: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape in somebody's source is no news for the user
            return ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise DataError(f"{name} must be valid source for the running Python; got {error}.") from error


# --- tokens ---------------------------------------------------------------------------------------------------


def read_words(source: str) -> Iterator[Word]:
    """Yield the tokens that carry meaning; a formatted string is one of them, on every version of Python."""
    lines = source.split("\n")
    wide = {number for number, line in enumerate(lines, 1) if not line.isascii()}
    indent, first = 0, True
    for kind, text, start, end in _whole_strings(source, lines):
        if kind in (tokenize.NAME, tokenize.OP, tokenize.NUMBER, tokenize.STRING):
            yield Word(kind, text, _in_bytes(start, lines, wide), _in_bytes(end, lines, wide), first, indent)
            first = False
        elif kind == tokenize.NEWLINE:
            first = True
        elif kind in (tokenize.INDENT, tokenize.DEDENT):
            indent += 1 if kind == tokenize.INDENT else -1


def _whole_strings(source: str, lines: list[str]) -> Iterator[tuple[int, str, Place, Place]]:
    """Join what Python 3.12 and later take a formatted string apart into."""
    depth, opened = 0, (0, 0)
    for kind, text, start, end, _ in tokenize.generate_tokens(io.StringIO(source).readline):
        if kind in _JOINED_STARTS:
            opened = start if depth == 0 else opened
            depth += 1
        elif kind in _JOINED_ENDS:
            depth -= 1
            if depth == 0:
                yield tokenize.STRING, _between(lines, opened, end), opened, end
        elif depth == 0:
            yield kind, text, start, end


def _between(lines: list[str], start: Place, end: Place) -> str:
    if start[0] == end[0]:
        return lines[start[0] - 1][start[1] : end[1]]
    inner = lines[start[0] : end[0] - 1]
    return "\n".join([lines[start[0] - 1][start[1] :], *inner, lines[end[0] - 1][: end[1]]])


def _in_bytes(place: Place, lines: list[str], wide: set[int]) -> Place:
    if place[0] not in wide:
        return place
    return place[0], len(lines[place[0] - 1][: place[1]].encode())


# --- everything that is no name -------------------------------------------------------------------------------


class _Symbols:
    """What a literal, a sign or a reserved word is, told from left to right."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.depth = 0  # open brackets
        self.loops: list[int] = []  # the depth of each ``for`` that waits for its ``in``
        self.lambdas: list[int] = []  # the depth of each ``lambda`` that waits for its colon
        self.before = ""
        self.operand = False  # whether a value ends just before: then a star multiplies

    def role(self, word: Word, known: str | None) -> str:
        """Return the role of the next token; ``known`` is what the tree says of it."""
        tell = {tokenize.NAME: self.word, tokenize.OP: self.sign}.get(word.kind, self.literal)
        role = known or tell(word)
        self.operand = role not in _NO_VALUES or word.text in (")", "]", "}")
        self.before = word.text
        return role

    def literal(self, word: Word) -> str:
        return "number" if word.kind == tokenize.NUMBER else "string"

    def word(self, word: Word) -> str:
        if word.text in _CONSTANTS:
            return "constant"
        if word.text == "for":
            self.loops.append(self.depth)
        elif word.text == "lambda":
            self.lambdas.append(self.depth)
        elif word.text == "in" and self.loops[-1:] == [self.depth]:
            self.loops.pop()
        elif word.text in _WORD_OPERATORS:
            return "operator"
        if not keyword.iskeyword(word.text):
            place = at(self.name, word.start[0])
            raise DataError(f"{place}: the grammar must tell the role of every name; it does not of {word.text!r}.")
        return "keyword"

    def sign(self, word: Word) -> str:
        text = word.text
        self.depth += (text in ("(", "[", "{")) - (text in (")", "]", "}"))
        if text == ":" and self.lambdas[-1:] == [self.depth]:
            self.lambdas.pop()
        if text in _PUNCTUATION or (text == "@" and word.first):
            return "punctuation"
        if text.endswith("=") and text not in _COMPARISONS:
            return "punctuation" if text == "=" and (self.depth or self.lambdas) else "assignment"
        if self.operand or text not in ("*", "**", "/"):
            return "operator"
        return "punctuation" if text == "/" else "keyword" if self.before == "except" else "unpacking"


# --- sequences ------------------------------------------------------------------------------------------------

_Line = list[tuple[Word, str]]


def _pieces(tree: ast.Module, words: list[Word], roles: list[str]) -> Iterator[_Line]:
    """Yield the top-level statements, long ones in pieces."""
    starts = [min(part.lineno for part in (node, *getattr(node, "decorator_list", ()))) for node in tree.body]
    statements: dict[int, list[_Line]] = {}
    for word, role in zip(words, roles, strict=True):
        lines = statements.setdefault(bisect_right(starts, word.start[0]), [])
        if role == DOCSTRING:
            continue
        if word.first or not lines:
            lines.append([])
        lines[-1].append((word, role))
    for lines in statements.values():
        yield from _cut(
            [line[i : i + LONGEST_SEQUENCE] for line in lines for i in range(0, len(line), LONGEST_SEQUENCE)]
        )


def _cut(lines: list[_Line]) -> Iterator[_Line]:
    """Join logical lines into pieces; a piece ends where the code is indented least, so that methods stay whole."""
    while lines:
        sizes = accumulate(len(line) for line in lines)
        fits = sum(1 for _ in takewhile(lambda size: size <= LONGEST_SEQUENCE, sizes))
        if fits < len(lines):
            fits = min(range(1, fits + 1), key=lambda i: (_decorates(lines[i - 1]), lines[i][0][0].indent, -i))
        yield [pair for line in lines[:fits] for pair in line]
        lines = lines[fits:]


def _decorates(line: _Line) -> bool:
    return line[0][0].text == "@"


def _sequence(piece: _Line, name: str) -> Sequence:
    return Sequence(
        tuple(shorten(word.text) if word.kind == tokenize.STRING else word.text for word, _ in piece),
        tuple(role for _, role in piece),
        lines=tuple(word.start[0] for word, _ in piece),
        group=name,
        id=f"{name}:{piece[0][0].start[0]}",
    )


# --- the standard library -------------------------------------------------------------------------------------


def standard_library(root: Path) -> dict[str, Path]:
    """List the modules below a folder by their dotted names, in order.

    Left out are tests, what is installed beside the library, files made for one platform, and two packages that
    are tables and text more than code (``encodings``, ``pydoc_data``).
    """
    modules = {}
    for folder, inner, files in os.walk(root):
        inner[:] = [name for name in inner if name.isidentifier() and name not in _LEFT_OUT]
        for file in files:
            stem, kind = os.path.splitext(file)
            if kind == ".py" and stem.isidentifier() and stem not in _LEFT_OUT:
                path = Path(folder, file)
                modules[".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")] = path
    return dict(sorted(modules.items()))


def split_of(module: str) -> str:
    """Return the part a module belongs to: for ever the same one, whatever else there is."""
    return {0: "dev", 1: "test"}.get(_rank(module) % 10, "train")


def take(modules: Mapping[str, Path], split: str, limit: int | None) -> Corpus:
    """Label the modules of one part until it is full.

    Parameters
    ----------
    modules : mapping of str to Path
        All modules, as `standard_library` lists them.
    split : {"train", "dev", "test"}
        Which part.
    limit : int, optional
        Most tokens. No module makes up more than a twelfth of them: of a longer one every second (third, ...)
        sequence is taken. Without it, all modules are taken whole.

    Returns
    -------
    Corpus
        Sequences by module; a module that this Python cannot label is left out, which is logged.
    """
    sequences: list[Sequence] = []
    room = limit
    for name in by_rank(name for name in modules if split_of(name) == split):
        for sequence in _share(_label_file(modules[name], name), limit):
            if room is not None and len(sequence) > room:
                return Corpus(tuple(sequences), f"python_code {split}")
            room = None if room is None else room - len(sequence)
            sequences.append(sequence)
    return Corpus(tuple(sequences), f"python_code {split}")


def by_rank(modules: Iterable[str]) -> list[str]:
    """Sort modules by a hash of their names, so that the first of them are from all over the library."""
    return sorted(modules, key=_rank)


def _rank(module: str) -> int:
    return int(hashlib.sha256(module.encode()).hexdigest()[:12], 16)


def _share(sequences: list[Sequence], limit: int | None) -> list[Sequence]:
    if limit is None:
        return sequences
    return sequences[:: max(1, math.ceil(12 * sum(map(len, sequences)) / limit))]


def _label_file(path: Path, name: str) -> list[Sequence]:
    try:
        with tokenize.open(path) as file:
            return label_source(file.read(), name)
    except (DataError, SyntaxError, UnicodeDecodeError) as error:
        logging.getLogger("seqtag").info("%s is left out: %s", path, error)
        return []
