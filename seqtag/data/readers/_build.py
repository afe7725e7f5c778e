"""What the readers share in making sequences: rows of a column format, and text that is cut into tokens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from seqtag.data.corpus import Sequence
from seqtag.data.readers._text import FilePath, fault, quote
from seqtag.data.tokenizers import SPACES, tokenize


class Row(NamedTuple):
    """One token of a column format, with the line it stands on."""

    line: int
    token: str
    label: str | None
    extra: tuple[str, ...]


def from_rows(
    rows: Iterable[Row],
    names: Iterable[str] = (),
    *,
    text: str | None = None,
    group: str | None = None,
    id: str | None = None,
) -> Sequence:
    """Make a sequence of its rows; ``names`` are those of the extra columns."""
    lines, tokens, labels, extras = zip(*rows, strict=True)
    offsets = None if text is None else align(tokens, text)
    return Sequence(
        tokens,
        None if labels[0] is None else labels,
        columns=dict(zip(names, zip(*extras, strict=True), strict=True)),
        text=None if offsets is None else text,
        offsets=offsets,
        lines=lines,
        group=group,
        id=id,
    )


def from_text(
    text: str,
    tokenizer: str,
    line: int,
    *,
    label: str | tuple[str, ...] | None = None,
    id: str | None = None,
    group: str | None = None,
) -> Sequence:
    """Make a sequence of raw text that stands on one line."""
    tokens, offsets = tokenize(text, tokenizer)
    return Sequence(tokens, label=label, text=text, offsets=offsets, lines=(line,) * len(tokens), id=id, group=group)


def align(tokens: Iterable[str], text: str) -> tuple[tuple[int, int], ...] | None:
    """Find each token in the text it was cut from.

    Returns
    -------
    tuple of (int, int), or None
        Start and end of each token in characters; None unless the text is the tokens in their order
        with white space between, before and after at will.
    """
    offsets = []
    position = 0
    for token in tokens:
        while not text.startswith(token, position) and position < len(text) and text[position] in SPACES:
            position += 1
        if not text.startswith(token, position):
            return None
        offsets.append((position, position + len(token)))
        position += len(token)
    return None if text[position:].strip(SPACES) else tuple(offsets)


def checked_label(label: object, path: FilePath, line: int) -> str:
    """Return a label, refused if it is empty or begins or ends with white space."""
    if not isinstance(label, str) or not label or label.strip() != label:
        raise fault(path, line, "a label without white space around it", quote(label))
    return label


def checked_token(token: object, path: FilePath, line: int) -> str:
    """Return a token, refused if it is empty."""
    if not isinstance(token, str) or not token:
        raise fault(path, line, "a token of at least one character", quote(token))
    return token
