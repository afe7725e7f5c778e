"""Tagging schemes as tables, and the way between tags and spans.

A tag is ``O`` (outside) or a prefix, a hyphen and a type; it splits at the first hyphen, since types hold
hyphens too (``B-creative-work``). A bare ``B`` or ``I`` is a tag whose type is empty. The prefixes are those of
Ramshaw and Marcus (1995) for IOB1, Tjong Kim Sang and Veenstra (1999) for IOB2, and the four-letter set with
E (end) and S (single) for BIOES.

Tags that break their scheme are still read, the way conlleval (Tjong Kim Sang and Buchholz, 2000) reads them:
every tag but ``O`` belongs to a span, and a tag goes on with the span before it if that one has its type, did
not close (E, S), and the tag itself does not open one (B, S). Otherwise it begins a new span.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from seqtag.data.overlaps import ADVICE, first_overlap, relation
from seqtag.data.tag_counts import Pair, TagCounts
from seqtag.errors import ConfigError, DataError
from seqtag.registry import Registry

OUTSIDE = "O"
BEGINNING, END = "<", ">"
_JOINS = "[BI][IE]="  # conlleval's reading, see above; it holds in every scheme
_TAG = re.compile(r"O|([BIES])(?:-(.+))?", re.DOTALL)


class Span(NamedTuple):
    """A typed stretch of tokens: ``tokens[start:end]``."""

    start: int
    end: int
    label: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A tag that breaks its scheme: where, which, and what the scheme wants."""

    index: int
    label: str
    message: str


@dataclass(frozen=True, slots=True)
class Scheme:
    """One tagging scheme as a table.

    The patterns are regular expressions over three characters: the previous prefix, the prefix, and ``=`` or
    ``~`` for the same type or another. ``<`` stands for the beginning of a sequence and ``>`` for its end.

    Parameters
    ----------
    name : str
        The name in `SCHEMES`.
    allowed : str
        The pairs of neighbours that the scheme allows, beginning and end of a sequence included.
    starts, ends : str
        The strict reading: which pairs begin a span at the second tag, and close one behind the first.
    writes : str
        The four prefixes of a span's only, first, inner and last tag; empty if the scheme has no spans.
    touching : str
        The first prefix of a span that touches one of the same type before it, where that differs.
    needs : mapping of str to str
        The prefixes without which a prefix of the same type cannot stand in a valid sequence.
    """

    name: str
    allowed: str
    starts: str = ""
    ends: str = "..."
    writes: str = ""
    touching: str = ""
    needs: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_spans(self) -> bool:
        """Whether the labels mark spans at all."""
        return bool(self.writes)

    @property
    def prefixes(self) -> str:
        """The prefixes of the scheme in the order B, I, E, S."""
        return "".join(prefix for prefix in "BIES" if prefix in self.writes + self.touching)

    @property
    def openers(self) -> str:
        """The prefixes that may begin a span at the beginning of a sequence."""
        return "".join(prefix for prefix in self.prefixes if self.allows(BEGINNING, prefix, False))

    def allows(self, previous: str, prefix: str, same: bool) -> bool:
        """Say whether one prefix may follow another.

        Parameters
        ----------
        previous, prefix : str
            A prefix, ``O``, ``<`` or ``>``.
        same : bool
            Whether both tags have the same type.
        """
        return _fits(self.allowed, previous, prefix, same)


SCHEMES: Registry[Scheme] = Registry("scheme")
for _scheme in (
    Scheme("io", ".[OI>].", starts=".I.", writes="IIII"),
    Scheme("iob1", ".[OI>].|[BI]B=", ".I.|[BI]B=", "I..|B[OI>].|BB=", "IIII", touching="B", needs={"B": "I"}),
    Scheme("iob2", ".[OB>].|[BI]I=", ".B.", writes="BBII", needs={"I": "B"}),
    Scheme("bioes", "[<OES][OBS>].|[BI][IE]=", ".[BS].", "[ES]..", "SBIE", needs={"B": "E", "I": "BE", "E": "B"}),
    Scheme("none", "..."),
):
    SCHEMES.add(_scheme.name, _scheme)


@lru_cache(maxsize=4096)
def _fits(pattern: str, previous: str, prefix: str, same: bool) -> bool:
    return re.fullmatch(pattern, previous + prefix + ("=" if same else "~")) is not None


@lru_cache(maxsize=1 << 16)
def split_tag(label: str) -> tuple[str, str]:
    """Split a tag at its first hyphen.

    Returns
    -------
    (str, str)
        Prefix and type: ``("B", "creative-work")``, ``("O", "")``, and ``("", label)`` for a label that is no
        tag of any scheme (``NNP-LOC``, ``-LRB-``).
    """
    match = _TAG.fullmatch(label)
    if match is None:
        return "", label
    return match[1] or OUTSIDE, match[2] or ""


def join_tag(prefix: str, label: str) -> str:
    """Write a prefix and a type as one tag; a tag of the empty type is its prefix alone."""
    return f"{prefix}-{label}" if label else prefix


@lru_cache(maxsize=1 << 16)
def _pair(pattern: str, previous: str, label: str) -> bool:
    before, before_type = split_tag(previous) if previous != BEGINNING else (BEGINNING, "")
    prefix, type_ = split_tag(label) if label != END else (END, "")
    return _fits(pattern, before or OUTSIDE, prefix or OUTSIDE, before_type == type_)


def detect(label_sequences: Iterable[Sequence[str]]) -> str:
    """Find the scheme that labels are written in.

    ``none`` if some label is no tag; ``bioes`` if E- or S- occurs, ``io`` if only I- does. With both B- and I-,
    each I- that begins a span speaks for ``iob1`` and each B- that parts no two spans of one type for ``iob2``;
    the majority decides, so that a few wrong tags do not.

    Returns
    -------
    str
        A name in `SCHEMES`. Labels that are all ``O``, and no labels at all, are ``none``.

    Raises
    ------
    ConfigError
        If the labels are written in BILOU or BMES, which are BIOES in other letters.
    DataError
        If a sequence is a string instead of a sequence of labels.
    """
    counts = TagCounts()
    for labels in label_sequences:
        if isinstance(labels, str):
            raise DataError(
                "label_sequences must hold one list of labels a sentence; got strings: wrap them in a list."
            )
        counts.add(labels)
    return detect_counted(counts)


def detect_counted(counts: TagCounts) -> str:
    """Find the scheme of labels that have been counted, as `detect` does."""
    labels = set(counts.labels)
    prefixes = {split_tag(label)[0] for label in labels}
    if "" in prefixes or prefixes <= {OUTSIDE} or _are_letters(labels):
        _refuse_other_letters(labels)
        return "none"
    if prefixes & {"E", "S"}:
        return "bioes"
    return "io" if "B" not in prefixes else _iob1_or_iob2(counts.pairs)


def _are_letters(labels: set[str]) -> bool:
    """Say whether one-letter labels are a tag set of their own and not B, I, O without types."""
    return all(len(label) == 1 for label in labels) and ("B" not in labels or len(labels) == 1)


def _refuse_other_letters(labels: set[str]) -> None:
    looks_tagged = OUTSIDE in labels or any(label.startswith("B-") for label in labels)
    if (
        looks_tagged
        and labels - {OUTSIDE}
        and all(re.fullmatch(r"O|[BILUEMS]-.+", label, re.DOTALL) for label in labels)
    ):
        example = min(label for label in labels if label[0] in "LUM")
        raise ConfigError(
            f"labels must be written in io, iob1, iob2 or bioes; got {example!r}, which looks like BILOU or BMES. "
            "Write L- as E-, U- as S- and M- as I-, which makes it bioes."
        )


def _iob1_or_iob2(pairs: Mapping[Pair, int]) -> str:
    iob1 = iob2 = 0
    for (before, label), count in pairs.items():
        if label is not None:
            previous = BEGINNING if before is None else before
            iob1 += count * (label[0] == "I" and not _pair(SCHEMES["iob2"].allowed, previous, label))
            iob2 += count * (label[0] == "B" and not _pair(SCHEMES["iob1"].allowed, previous, label))
    return "iob1" if iob1 > iob2 else "iob2"


def problems(labels: Sequence[str], scheme: str) -> list[Problem]:
    """Find the tags that break a scheme.

    Parameters
    ----------
    labels : sequence of str
        The labels of one sequence, length T.
    scheme : str
        A name in `SCHEMES`.

    Returns
    -------
    list of Problem
        In the order of the labels, at most one for each pair of neighbours; a span that is still open at the
        end is a problem of the last label. Empty for ``none``.
    """
    table = SCHEMES[scheme]
    if not table.has_spans:
        return []
    found = []
    for i, (previous, label) in enumerate(zip((BEGINNING, *labels), (*labels, END), strict=True)):
        if _breaks(previous, label, table):
            foreign = label != END and not _belongs(label, table)
            index = min(i, len(labels) - 1)
            found.append(Problem(index, labels[index], _wording(previous, label, table, foreign)))
    return found


def count_problems(counts: TagCounts, scheme: str) -> int:
    """Count the tags that break a scheme: as many as `problems` finds in all the sequences together."""
    table = SCHEMES[scheme]
    return sum(
        count
        for (before, label), count in counts.pairs.items()
        if table.has_spans and _breaks(BEGINNING if before is None else before, END if label is None else label, table)
    )


def _breaks(previous: str, label: str, table: Scheme) -> bool:
    foreign = label != END and not _belongs(label, table)
    return foreign or not _pair(table.allowed, previous, label)


def _belongs(label: str, table: Scheme) -> bool:
    prefix, _ = split_tag(label)
    return prefix != "" and prefix in OUTSIDE + table.prefixes


def _wording(previous: str, label: str, table: Scheme, foreign: bool) -> str:
    if foreign:
        own = [OUTSIDE, *(f"{prefix}-" for prefix in table.prefixes)]
        return f"{label!r} is no tag of {table.name}, which has {_listed(own, 'and')}"
    prefix, type_ = split_tag(previous)
    place = f"{label} after {previous}" if previous != BEGINNING else f"{label} at the beginning"
    if prefix in table.prefixes and prefix and not table.allows(prefix, END, False):
        place = f"{previous} at the end" if label == END else place
        return f"{place}: {table.name} ends a span with {join_tag(table.writes[3], type_)}"
    openers = [join_tag(opener, split_tag(label)[1]) for opener in table.openers]
    return f"{place}: {table.name} begins a span with {_listed(openers, 'or')}"


def _listed(words: list[str], last: str) -> str:
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else words[0]


def spans(labels: Sequence[str], scheme: str, *, strict: bool = False) -> list[Span]:
    """Read the spans that tags mark.

    Parameters
    ----------
    labels : sequence of str
        The labels of one sequence, length T.
    scheme : str
        A name in `SCHEMES`; it must have spans.
    strict : bool
        Without it, tags that break the scheme are read as conlleval reads them (see the module). With it, a
        span must be written as the scheme writes it and other tags mark nothing: this is the reading that
        seqeval (Nakayama, 2018) calls strict.

    Returns
    -------
    list of Span
        In the order of the tokens, none overlapping another.

    Raises
    ------
    DataError
        If a label is no tag of any scheme.
    ConfigError
        If the scheme is unknown or has no spans.
    """
    table = _with_spans(scheme)
    for label in set(labels):
        if not split_tag(label)[0]:
            raise DataError(
                f"a label must be O or a tag such as B-LOC for scheme {scheme}; got {label!r}. "
                "Labels that mark no spans have scheme 'none'."
            )
    return _strict(labels, table) if strict else _lenient(labels)


def _with_spans(scheme: str) -> Scheme:
    table = SCHEMES[scheme]
    if not table.has_spans:
        raise ConfigError(f"scheme must be one that marks spans; got {scheme!r}, whose labels stand for themselves.")
    return table


def _lenient(labels: Sequence[str]) -> list[Span]:
    found = []
    start, previous = 0, OUTSIDE
    for i, label in enumerate((*labels, OUTSIDE)):
        if previous == label == OUTSIDE or _pair(_JOINS, previous, label):
            previous = label
            continue
        if previous != OUTSIDE:
            found.append(Span(start, i, split_tag(previous)[1]))
        start, previous = i, label
    return found


def _strict(labels: Sequence[str], table: Scheme) -> list[Span]:
    own = [label if _belongs(label, table) else OUTSIDE for label in labels]
    before, after = (BEGINNING, *own), (*own, END)
    found, i = [], 0
    while i < len(own):
        start, i = i, i + 1
        if not _pair(table.starts, before[start], own[start]):
            continue
        while _pair(_JOINS, before[i], after[i]):
            i += 1
        if _pair(table.ends, before[i], after[i]):
            found.append(Span(start, i, split_tag(own[start])[1]))
    return found


def tags(spans: Iterable[Span], length: int, scheme: str) -> list[str]:
    """Write spans as valid tags.

    Parameters
    ----------
    spans : iterable of Span
        In any order; plain (start, end, label) triples will do.
    length : int
        Number of tokens T.
    scheme : str
        A name in `SCHEMES`; it must have spans. ``io`` cannot keep two spans of one type apart that touch each
        other: they are written as one.

    Returns
    -------
    list of str
        Length T.

    Raises
    ------
    DataError
        If a span is empty, leaves the sequence or overlaps another.
    ConfigError
        If the scheme is unknown or has no spans.
    """
    table = _with_spans(scheme)
    written = [OUTSIDE] * length
    previous = Span(0, 0, "")
    listed = sorted(Span(*span) for span in spans)
    if pair := first_overlap(listed):
        first, second = (f"{span[2]!r} over tokens {span[0]} to {span[1] - 1}" for span in pair)
        got = f"{first} and, {relation(*pair)}, {second}"
        raise DataError(f"spans must not overlap to be written as {scheme} tags; got {got}. {ADVICE}")
    for span in listed:
        if not 0 <= span.start < span.end <= length:
            raise DataError(f"a span must hold at least one of the {length} tokens and no other; got {span}.")
        touches = previous.end == span.start and previous.label == span.label and previous.end > 0
        prefixes = _span_prefixes(span.end - span.start, table, touches)
        written[span.start : span.end] = [join_tag(prefix, span.label) for prefix in prefixes]
        previous = span
    return written


def _span_prefixes(size: int, table: Scheme, touches: bool) -> str:
    single, first, inner, last = tuple(table.writes)
    if touches and table.touching:
        single = first = table.touching
    return single if size == 1 else first + inner * (size - 2) + last


def convert(labels: Sequence[str], source: str, target: str) -> list[str]:
    """Write the spans of one scheme's tags in another scheme.

    Parameters
    ----------
    labels : sequence of str
        Tags of the ``source`` scheme, length T; read as conlleval reads them where they break it.
    source, target : str
        Names in `SCHEMES` that have spans. Only ``io`` loses something, see `tags`.

    Returns
    -------
    list of str
        Tags of the ``target`` scheme, length T.

    Raises
    ------
    DataError
        If a label is no tag of any scheme.
    ConfigError
        If a scheme is unknown or has no spans.
    """
    return tags(spans(labels, source), len(labels), target)


def repair(labels: Sequence[str], scheme: str) -> list[str]:
    """Write the conlleval reading of tags that may break their scheme as valid tags.

    Valid tags come back as they are, and so do the labels of ``none``.

    Raises
    ------
    DataError
        If a label is no tag of any scheme.
    """
    return convert(labels, scheme, scheme) if SCHEMES[scheme].has_spans else list(labels)


def own_tag(label: str, table: Scheme) -> tuple[str, str]:
    """Split a tag of a scheme into prefix and type, and refuse one that is not the scheme's."""
    if not _belongs(label, table):
        raise DataError(f"{_wording('', label, table, True)}; name another scheme or mend the labels.")
    return split_tag(label)
