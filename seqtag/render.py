"""Labelled and classified sequences as text: marked for people, JSON Lines and columns for programs; plain tables."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Mapping
from collections.abc import Sequence as SequenceOf
from typing import Any, NamedTuple

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
        Of frames there are the labels alone: ``walk walk run``.
    color : bool
        Whether to use the colours of a terminal; then control characters are shown as U+FFFD, so that no text can
        command the terminal.

    Returns
    -------
    str
        One line, unless the text itself has several.
    """
    if sequence.frames is not None:
        return " ".join(_paint(label, label) if color else label for label in sequence.labels or ())
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


def intent_to_text(sequence: Sequence, *, color: bool = False) -> str:
    """Return the intent of a sequence with a tab behind it, to stand before what `to_text` gives."""
    label = str(sequence.label)
    return f"{_paint(label, label) if color else label}\t"


def to_json(
    sequence: Sequence,
    spans: Iterable[Span] = (),
    *,
    probabilities: Iterable[float] | None = None,
    span_probabilities: Iterable[float] | None = None,
    intents: Mapping[str, float] | None = None,
    about: Mapping[str, Any] | None = None,
) -> str:
    """Return a labelled sequence as one line of JSON.

    The keys are ``text``, ``tokens``, ``tags`` and ``spans``, each of these with ``start``, ``end`` (in characters of
    the text), ``label`` and ``text``. A sequence of frames has its ``length`` for text and tokens, and spans of frames.

    Parameters
    ----------
    sequence : Sequence
        Labelled.
    spans : iterable of Span
        The spans its labels write.
    probabilities, span_probabilities : iterable of float, optional
        Of each tag, for a key ``probabilities``, and of each span, for its key ``probability``; with six decimals.
    intents : mapping of str to float, optional
        Given where the sequence has an intent, for a key ``label``; with the probability of each, as far as they were
        asked for, for a key ``label_probabilities``.
    about : mapping, optional
        Keys to stand before all others, such as the file.
    """
    found: list[dict[str, Any]]
    if sequence.frames is None:
        text, _ = _layout(sequence)
        found = [{**mark._asdict(), "text": text[mark.start : mark.end]} for mark in marks(sequence, spans)]
    else:
        found = [span._asdict() for span in spans]
    if span_probabilities is not None:
        for record, chance in zip(found, span_probabilities, strict=True):
            record["probability"] = round(chance, 6)
    tags: dict[str, Any] = {"tags": sequence.labels or ()}
    if probabilities is not None:
        tags["probabilities"] = [round(chance, 6) for chance in probabilities]
    whole: dict[str, Any] = {} if intents is None else {"label": sequence.label}
    if intents:
        whole["label_probabilities"] = {label: round(chance, 6) for label, chance in intents.items()}
    return _json({**(about or {}), **_content(sequence), **whole, **tags, "spans": found})


def to_columns(sequence: Sequence, *, intent: bool = False) -> str:
    """Return a labelled sequence as CoNLL columns: token (or the number of the frame, from 0), tab, label.

    With ``intent`` a line ``# intent = LABEL`` stands before them, as `seqtag.data.readers.read_conll` reads it.
    """
    places = sequence.tokens if sequence.frames is None else range(len(sequence))
    pairs = zip(places, sequence.labels or (), strict=True)
    head = f"# intent = {sequence.label}\n" if intent else ""
    return head + "".join(f"{place}\t{label}\n" for place, label in pairs)


def class_to_text(sequence: Sequence, probabilities: Mapping[str, float], *, color: bool = False) -> str:
    """Write what class a sequence has, to be read by people: ``LABEL<tab>0.93<tab>the text``.

    Parameters
    ----------
    sequence : Sequence
        With its label; several labels stand side by side, the most probable first, and ``-`` for none.
    probabilities : mapping of str to float
        Of every class.
    color : bool
        As for `to_text`.

    Returns
    -------
    str
        One line, unless the text itself has several. In place of text a sequence of frames has its id, or its length.
    """
    labels = sorted(_classes_of(sequence), key=lambda label: -probabilities[label])
    names = ",".join(_paint(label, label) if color else label for label in labels)
    chances = ",".join(f"{probabilities[label]:.2f}" for label in labels)
    text = _layout(sequence)[0] if sequence.frames is None else sequence.id or f"{len(sequence)} frames"
    return f"{names or '-'}\t{chances or '-'}\t{_clean(text, color)}"


def class_to_json(
    sequence: Sequence, probabilities: Mapping[str, float], *, about: Mapping[str, Any] | None = None
) -> str:
    """Return a classified sequence as one line of JSON.

    The keys are those of ``about``, ``text`` and ``tokens`` (or the ``length`` of a sequence of frames), ``label``,
    which is a list where there may be several, and ``probabilities``, of every class, with six decimals.
    """
    chances = {label: round(chance, 6) for label, chance in probabilities.items()}
    return _json({**(about or {}), **_content(sequence), "label": sequence.label, "probabilities": chances})


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


def _classes_of(sequence: Sequence) -> tuple[str, ...]:
    return (sequence.label,) if isinstance(sequence.label, str) else sequence.label or ()


def _content(sequence: Sequence) -> dict[str, Any]:
    """Return what a record says of a sequence beside what was found."""
    name = {} if sequence.id is None else {"id": sequence.id}
    if sequence.frames is not None:
        return {**name, "length": len(sequence)}
    return {**name, "text": _layout(sequence)[0], "tokens": sequence.tokens}


def _json(record: Mapping[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False)


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
