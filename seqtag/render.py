"""Labelled sequences as text: marked for people, as JSON Lines and as columns for programs; plain tables."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable
from collections.abc import Sequence as SequenceOf
from typing import NamedTuple

from seqtag.data.corpus import Sequence
from seqtag.data.schemes import Span

_COLOURS = (39, 208, 70, 170, 220, 44, 203, 141, 148, 81, 215, 175)  # of the 256; legible on dark and on light
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Mark(NamedTuple):
    """A labelled stretch of text: ``text[start:end]``, in characters."""

    start: int
    end: int
    label: str


def marks(sequence: Sequence, spans: Iterable[Span]) -> list[Mark]:
    """Return spans of tokens as stretches of the sequence's text."""
    _, offsets = _layout(sequence)
    return [Mark(offsets[span.start][0], offsets[span.end - 1][1], span.label) for span in spans]


def to_text(sequence: Sequence, spans: Iterable[Span] | None = None, *, color: bool = False) -> str:
    """Mark what a sequence's labels say, to be read by people.

    Parameters
    ----------
    sequence : Sequence
        Labelled; its own text is kept, or its tokens are joined by spaces.
    spans : iterable of Span, optional
        The spans its labels write: ``[Ada PER] moved``. Without it each token has its label: ``Ada/PROPN moved/VERB``.
    color : bool
        Whether to use the colours of a terminal; then control characters are shown as U+FFFD, so that no text can
        command the terminal.

    Returns
    -------
    str
        One line, unless the text itself has several.
    """
    text, offsets = _layout(sequence)
    if spans is None:
        found = [Mark(*place, label) for place, label in zip(offsets, sequence.labels or (), strict=True)]
        mark = _tagged
    else:
        found = sorted(marks(sequence, spans))
        mark = _bracketed
    pieces = []
    end = 0
    for stretch in found:
        pieces += [
            _clean(text[end : stretch.start], color),
            mark(_clean(text[slice(*stretch[:2])], color), stretch.label, color),
        ]
        end = stretch.end
    return "".join([*pieces, _clean(text[end:], color)])


def to_json(sequence: Sequence, spans: Iterable[Span] = ()) -> str:
    """Return a labelled sequence as one line of JSON.

    The keys are ``text``, ``tokens``, ``tags`` and ``spans``, each of these with ``start``, ``end`` (in characters of
    the text), ``label`` and ``text``.
    """
    text, _ = _layout(sequence)
    found = [{**mark._asdict(), "text": text[mark.start : mark.end]} for mark in marks(sequence, spans)]
    record = {"text": text, "tokens": sequence.tokens, "tags": sequence.labels or (), "spans": found}
    return json.dumps(record, ensure_ascii=False)


def to_columns(sequence: Sequence) -> str:
    """Return a labelled sequence as CoNLL columns: token, tab, label; an empty line ends it."""
    pairs = zip(sequence.tokens, sequence.labels or (), strict=True)
    return "".join(f"{token}\t{label}\n" for token, label in pairs)


def table(rows: SequenceOf[SequenceOf[object]], header: SequenceOf[str] = ()) -> str:
    """Align rows in columns, numbers to the right, two spaces apart.

    Parameters
    ----------
    rows : sequence of sequence
        Cells; a float is written with two decimals, an int with separators of thousands, None as "-".
    header : sequence of str
        The columns' names.

    Returns
    -------
    str
        Lines without an end to the last one.
    """
    cells = [[_cell(cell) for cell in row] for row in rows]
    lines = [list(header), *cells] if header else cells
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    right = [any(isinstance(row[i], (int, float)) for row in rows) for i in range(len(widths))]
    return "\n".join(
        "  ".join(
            cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )


def _layout(sequence: Sequence) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Return the text and where each token stands in it."""
    if sequence.text is not None and sequence.offsets is not None:
        return sequence.text, sequence.offsets
    offsets = []
    start = 0
    for token in sequence.tokens:
        offsets.append((start, start + len(token)))
        start += len(token) + 1
    return " ".join(sequence.tokens), tuple(offsets)


def _bracketed(text: str, label: str, color: bool) -> str:
    return f"{_paint(text, label, '1;')} {_paint(label, label)}" if color else f"[{text} {label}]"


def _tagged(text: str, label: str, color: bool) -> str:
    return f"{text}{_paint('/' + label, label)}" if color else f"{text}/{label}"


def _paint(text: str, label: str, style: str = "") -> str:
    """Colour a text; a label always has the same colour, in every line and every run."""
    colour = _COLOURS[zlib.crc32(label.encode()) % len(_COLOURS)]
    return f"\x1b[{style}38;5;{colour}m{text}\x1b[0m"


def _clean(text: str, color: bool) -> str:
    return _CONTROLS.sub("\ufffd", text) if color else text


def _cell(cell: object) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:.2f}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
