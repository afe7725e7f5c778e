"""JSON Lines: one object a line, of tokens with labels or of text with spans or a label."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, TypeGuard

from seqtag.data.corpus import Corpus, Sequence
from seqtag.data.overlaps import ADVICE, first_overlap, relation
from seqtag.data.readers._build import align, checked_label, checked_token, from_text
from seqtag.data.readers._numbers import table_of
from seqtag.data.readers._text import BLANK, FilePath, fault, lines_of, quote
from seqtag.data.tokenizers import SPACES, TOKENIZERS, tokenize
from seqtag.errors import near_name

_GROUPS = ("document", "doc_id")  # where a document's name is looked for


def read_jsonl(
    path: FilePath,
    *,
    tokens: str = "tokens",
    labels: str = "labels",
    text: str = "text",
    spans: str = "spans",
    label: str = "label",
    frames: str = "frames",
    columns: list[str] | tuple[str, ...] | None = None,
    group: str | None = None,
    tokenizer: str = "whitespace",
    encoding: str = "utf-8",
) -> Corpus:
    """Read JSON Lines: one object a line; blank lines are passed over.

    An object holds tokens, with ``labels`` (one a token) and extra columns if it has any; or text, with
    ``spans`` if it has any; or ``frames``, a list of rows of numbers, null for a missing value, with ``labels``
    (one a frame) if it has any. Each may have a ``label`` for the whole, a string or an integer, or a list of
    them for several labels at once (or none). Text is cut into tokens, and its spans become IOB2 labels: a
    token is split where a span begins or ends inside it, so that the labels say exactly what the spans say.
    All objects of a file have the same of these keys.

    Parameters
    ----------
    path : str or path
        The file, plain or gzip.
    tokens, labels, text, spans, label, frames : str
        The keys. Where ``labels`` keeps its default, "tags" is read in its place. A span is
        ``[start, end, label]`` or an object with these three keys; it counts characters (code points)
        from 0, its end is exclusive.
    columns : sequence of str, optional
        The keys of the extra columns. By default every other key that in the first object holds one
        string a token.
    group : str, optional
        The key of the document that a sequence belongs to, a string or an integer. By default "document" or "doc_id",
        if the first object has one of them.
    tokenizer : str
        What cuts text into tokens: a name in `TOKENIZERS`.
    encoding : str
        The file's encoding.

    Returns
    -------
    Corpus
        Sequences with what the objects hold, and lines. Text is kept where the tokens can be found in it.

    Raises
    ------
    DataError
        If the file cannot be read, a line is not a JSON object, a key is missing, repeated or of a wrong
        type, labels are not one a token, or spans overlap, leave the text or begin or end with white space.
    ConfigError
        If there is no such tokenizer.
    """
    read = iter_jsonl(
        path,
        tokens=tokens,
        labels=labels,
        text=text,
        spans=spans,
        label=label,
        frames=frames,
        columns=columns,
        group=group,
        tokenizer=tokenizer,
        encoding=encoding,
    )
    return Corpus(tuple(read), str(path))


def iter_jsonl(
    path: FilePath,
    *,
    tokens: str = "tokens",
    labels: str = "labels",
    text: str = "text",
    spans: str = "spans",
    label: str = "label",
    frames: str = "frames",
    columns: list[str] | tuple[str, ...] | None = None,
    group: str | None = None,
    tokenizer: str = "whitespace",
    encoding: str = "utf-8",
) -> Iterator[Sequence]:
    """Yield the sequences of JSON Lines, each as soon as its line is read. Parameters are those of `read_jsonl`."""
    TOKENIZERS[tokenizer]  # refused before the file is opened
    keys = _Keys(path, tokens, labels, text, spans, label, frames, None if columns is None else tuple(columns), group)
    first: tuple[int, list[str]] | None = None
    for number, line in enumerate(lines_of(path, encoding), 1):
        if not line.strip(BLANK):
            continue
        record = _parse(path, number, line)
        if first is None:
            keys = keys.settled(record)
            first = number, keys.present(record)
        elif keys.present(record) != first[1]:
            raise fault(path, number, f"the keys {first[1]}, as on line {first[0]}", str(keys.present(record)))
        sequence = _sequence(keys, number, record, tokenizer)
        yield sequence if keys.group is None else replace(sequence, group=keys.document(number, record))


@dataclass(frozen=True)
class _Keys:
    """What each key of an object is called, and the file for messages."""

    path: FilePath
    tokens: str
    labels: str
    text: str
    spans: str
    label: str
    frames: str
    columns: tuple[str, ...] | None
    group: str | None = None

    def settled(self, record: dict[str, Any]) -> _Keys:
        """Decide by the first object what the options left open."""
        aliased = self.labels == "labels" and "labels" not in record and "tags" in record
        keys = replace(self, labels="tags") if aliased else self
        named = {keys.tokens, keys.labels, keys.text, keys.spans, keys.label, keys.frames}
        if keys.group is None:
            given = (key for key in _GROUPS if key not in named and type(record.get(key)) in (str, int))
            keys = replace(keys, group=next(given, None))
        if keys.columns is not None:
            return keys
        words = record.get(keys.tokens)
        size = len(words) if isinstance(words, list) else -1
        found = (key for key, value in record.items() if key not in named and _is_strings(value) and len(value) == size)
        return replace(keys, columns=tuple(found))

    def document(self, number: int, record: dict[str, Any]) -> str:
        """Return the document that an object belongs to."""
        value = record.get(self.group or "")
        if not isinstance(value, (str, int)) or isinstance(value, bool) or value == "":
            expected = f"the name or number of a document under {self.group!r}, as in the first object"
            raise fault(self.path, number, expected, quote(value), near_name(str(self.group), record))
        return str(value)

    def present(self, record: dict[str, Any]) -> list[str]:
        known = (self.tokens, self.labels, self.text, self.spans, self.label, self.frames, *(self.columns or ()))
        return [key for key in known if record.get(key) is not None]


def _sequence(keys: _Keys, number: int, record: dict[str, Any], tokenizer: str) -> Sequence:
    present = keys.present(record)
    label = _label(keys, number, record[keys.label]) if keys.label in present else None
    if keys.frames in present:
        return _of_frames(keys, number, record, label)
    if keys.tokens in present:
        if keys.spans in present:
            got = f"{keys.tokens!r} and {keys.spans!r}"
            raise fault(keys.path, number, "spans with text alone, where they count characters", got)
        return _of_tokens(keys, number, record, label)
    if keys.text not in present:
        advice = near_name(keys.tokens, record) or near_name(keys.text, record)
        expected = f"an object with {keys.tokens!r}, {keys.text!r} or {keys.frames!r}"
        raise fault(keys.path, number, expected, f"the keys {quote(list(record))}", advice)
    if keys.labels in present or keys.columns:
        expected = f"{keys.labels!r} and columns only beside {keys.tokens!r}"
        raise fault(keys.path, number, expected, f"the keys {quote(list(record))}")
    return _of_text(keys, number, record, label, tokenizer)


def _label(keys: _Keys, number: int, value: object) -> str | tuple[str, ...]:
    if not isinstance(value, list):
        return checked_label(_named(value), keys.path, number)
    labels = tuple(checked_label(_named(item), keys.path, number) for item in value)
    if len(set(labels)) < len(labels):
        raise fault(keys.path, number, f"each label once under {keys.label!r}", quote(value))
    return labels


def _named(value: object) -> object:
    """Write the number of a class as text; what is neither is left to be refused."""
    return str(value) if type(value) is int else value


def _of_frames(keys: _Keys, number: int, record: dict[str, Any], label: str | tuple[str, ...] | None) -> Sequence:
    others = [key for key in (keys.tokens, keys.text, keys.spans) if record.get(key) is not None]
    if others:
        raise fault(keys.path, number, f"{keys.frames!r} without tokens or text", f"{others[0]!r} beside it")
    try:
        table = table_of(record[keys.frames])
        labels = record.get(keys.labels)
        if labels is not None and not (_is_strings(labels) and len(labels) == len(table)):
            raise ValueError(f"{quote(labels)} under {keys.labels!r} for {len(table)} frames")
        return Sequence(labels=None if labels is None else tuple(labels), label=label, frames=table)
    except ValueError as error:
        expected = "rows of numbers of one length, and one label a frame if any"
        raise fault(keys.path, number, expected, str(error).rstrip(".")) from error


def _of_tokens(keys: _Keys, number: int, record: dict[str, Any], label: str | tuple[str, ...] | None) -> Sequence:
    def strings(key: str) -> tuple[str, ...]:
        value = record.get(key)
        if not _is_strings(value):
            raise fault(keys.path, number, f"a list of strings under {key!r}", quote(value))
        return tuple(value)

    def per_token(key: str) -> tuple[str, ...]:
        values = strings(key)
        if len(values) != len(tokens):
            raise fault(keys.path, number, f"one string a token under {key!r}, {len(tokens)} in all", str(len(values)))
        return values

    tokens = tuple(checked_token(token, keys.path, number) for token in strings(keys.tokens))
    labels = None
    if record.get(keys.labels) is not None:
        labels = tuple(checked_label(value, keys.path, number) for value in per_token(keys.labels))
    text = None if record.get(keys.text) is None else _string(keys, number, record[keys.text])
    offsets = None if text is None else align(tokens, text)
    return Sequence(
        tokens,
        labels,
        label,
        columns={key: per_token(key) for key in keys.columns or ()},
        text=None if offsets is None else text,
        offsets=offsets,
        lines=(number,) * len(tokens),
    )


def _of_text(
    keys: _Keys, number: int, record: dict[str, Any], label: str | tuple[str, ...] | None, tokenizer: str
) -> Sequence:
    text = _string(keys, number, record[keys.text])
    if record.get(keys.spans) is None:
        return from_text(text, tokenizer, number, label=label)
    spans = _spans(keys, number, record[keys.spans], text)
    offsets = _split_at(tokenize(text, tokenizer)[1], {edge for start, end, _ in spans for edge in (start, end)})
    return Sequence(
        tuple(text[start:end] for start, end in offsets),
        _iob2(offsets, spans),
        label,
        text=text,
        offsets=offsets,
        lines=(number,) * len(offsets),
    )


def _spans(keys: _Keys, number: int, value: object, text: str) -> list[tuple[int, int, str]]:
    if not isinstance(value, list):
        raise fault(keys.path, number, f"a list of spans under {keys.spans!r}", quote(value))
    spans = sorted(_span(keys.path, number, item, text) for item in value)
    if pair := first_overlap(spans):
        first, second = (f"{quote(text[start:end], 40)} {[start, end, label]}" for start, end, label in pair)
        got = f"{first} and, {relation(*pair)}, {second}"
        raise fault(keys.path, number, "spans that do not overlap", got, ADVICE)
    return spans


def _span(path: FilePath, number: int, item: object, text: str) -> tuple[int, int, str]:
    values = [item.get(key) for key in ("start", "end", "label")] if isinstance(item, dict) else item
    if not isinstance(values, list) or len(values) != 3 or not all(type(edge) is int for edge in values[:2]):
        expected = "a span as [start, end, label] or an object with these keys, start and end as integers"
        raise fault(path, number, expected, quote(item))
    start, end, label = values
    if not 0 <= start < end <= len(text):
        advice = "Characters are counted from 0, an emoji as its code points; the end is exclusive."
        raise fault(path, number, f"a span inside the {len(text)} characters of the text", quote(item), advice)
    if text[start] in SPACES or text[end - 1] in SPACES:
        expected = "a span that begins and ends with a word"
        raise fault(path, number, expected, f"{quote(item)} over {quote(text[start:end])}", "Move its edge.")
    return start, end, checked_label(label, path, number)


def _split_at(offsets: Iterable[tuple[int, int]], edges: set[int]) -> tuple[tuple[int, int], ...]:
    """Split tokens where an edge of a span lies inside them."""
    pieces: list[tuple[int, int]] = []
    for start, end in offsets:
        pieces += pairwise([start, *(edge for edge in range(start + 1, end) if edge in edges), end])
    return tuple(pieces)


def _iob2(offsets: Iterable[tuple[int, int]], spans: list[tuple[int, int, str]]) -> tuple[str, ...]:
    """Label tokens that no span cuts."""
    beginning = {start: (end, label) for start, end, label in spans}
    labels = []
    until, inside = 0, ""
    for start, _ in offsets:
        if start in beginning:
            until, inside = beginning[start]
            labels.append(f"B-{inside}")
        else:
            labels.append(f"I-{inside}" if start < until else "O")
    return tuple(labels)


def _parse(path: FilePath, number: int, line: str) -> dict[str, Any]:
    try:
        record = json.loads(line, object_pairs_hook=_object, parse_constant=_no_constant)
        if "\\u" in line:  # an escape may stand for half a character, which no file can hold
            json.dumps(record, ensure_ascii=False).encode()
        if isinstance(record, dict):
            return record
        why = f"a {type(record).__name__}"
    except json.JSONDecodeError as error:
        why = f"{error.msg}, column {error.colno}"
    except (ValueError, RecursionError) as error:
        why = str(error)
    advice = "Write each object on a line of its own, not as part of a list." if line.startswith("[") else ""
    raise fault(path, number, "one JSON object on the line", f"{quote(line)} ({why})", advice)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    repeated = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
    if repeated:
        raise ValueError(f"the key {repeated[0]!r} stands there twice")
    return dict(pairs)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _string(keys: _Keys, number: int, value: object) -> str:
    if not isinstance(value, str):
        raise fault(keys.path, number, f"a string under {keys.text!r}", quote(value))
    return value


def _is_strings(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
