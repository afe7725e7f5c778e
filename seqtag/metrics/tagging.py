"""How well predicted tags agree with gold ones: token accuracy, span scores, the report of a tagger."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from seqtag.data import schemes
from seqtag.errors import ConfigError, DataError, near_name
from seqtag.metrics.counts import Counts, Row, SpanScores, share, table

Labels = Sequence[Sequence[str]]
Mode = Literal["conlleval", "strict"]
_MODES = ("conlleval", "strict")


@dataclass(frozen=True, slots=True)
class Report:
    """The scores of predicted labels, as a value.

    Parameters
    ----------
    scheme, mode : str
        The scheme of the labels, and how spans were counted.
    rows : tuple of Row
        One a type, or one a label for scheme ``none``, in alphabetical order.
    totals : tuple of Row
        ``micro``, ``macro`` and ``weighted`` averages.
    accuracy : float
        Share of the tokens with the right label.
    sequences, tokens : int
        How many were compared.
    invalid : mapping of str to int
        How many ``gold`` and ``predicted`` tags broke the scheme.
    note : str
        How those were counted, in one sentence.
    """

    scheme: str
    mode: str
    rows: tuple[Row, ...]
    totals: tuple[Row, ...]
    accuracy: float
    sequences: int
    tokens: int
    invalid: Mapping[str, int] = field(default_factory=dict)
    note: str = ""

    @property
    def score(self) -> float:
        """The main score: F1 over all spans, or the accuracy for scheme ``none``."""
        return self.main_scores[self.score_name]

    @property
    def score_name(self) -> str:
        """What the main score is: ``span F1``, or ``accuracy`` for scheme ``none``."""
        return next(iter(self.main_scores))

    @property
    def main_scores(self) -> dict[str, float]:
        """The scores to show first, the main one before the others."""
        spans = {} if self.scheme == "none" else {"span F1": self.totals[0].f1}
        return {**spans, "accuracy": self.accuracy}

    @property
    def sizes(self) -> dict[str, int]:
        """What was compared: how many ``sequences`` and ``tokens``."""
        return {"sequences": self.sequences, "tokens": self.tokens}

    def to_dict(self) -> dict[str, Any]:
        """Return the report as what JSON can hold, scores between 0 and 1."""
        return {
            "scheme": self.scheme,
            "mode": self.mode,
            "score": self.score,
            "score_name": self.score_name,
            "accuracy": self.accuracy,
            "sequences": self.sequences,
            "tokens": self.tokens,
            "invalid": dict(self.invalid),
            "note": self.note,
            "rows": [asdict(row) for row in self.rows],
            "totals": [asdict(row) for row in self.totals],
        }

    def to_text(self) -> str:
        """Return the report as a plain table, scores in percent with two decimals as conlleval prints them."""
        accuracy = f"accuracy {100 * self.accuracy:.2f} % of {self.tokens} tokens in {self.sequences} sequences"
        return "\n".join([*table(self.rows, self.totals), "", accuracy, self.note]) + "\n"


def token_accuracy(gold: Labels, predicted: Labels) -> float:
    """Compute the share of tokens with the right label, 0 without tokens.

    Parameters
    ----------
    gold, predicted : sequence of sequence of str
        The labels of each sequence, in the same order and of the same lengths.

    Raises
    ------
    DataError
        If the number of sequences or the lengths of a pair differ.
    """
    pairs = paired(gold, predicted)
    right = sum(a == b for g, p in pairs for a, b in zip(g, p, strict=True))
    return share(right, sum(len(g) for g, _ in pairs))


def sequence_accuracy(gold: Labels, predicted: Labels) -> float:
    """Compute the share of sequences without a wrong label, 0 without sequences.

    Parameters and errors are those of `token_accuracy`.
    """
    pairs = paired(gold, predicted)
    return share(sum(list(g) == list(p) for g, p in pairs), len(pairs))


def span_counts(gold: Labels, predicted: Labels, scheme: str, mode: Mode = "conlleval") -> SpanScores:
    """Count the spans of each type that are right, predicted and in the gold data.

    Parameters
    ----------
    gold, predicted : sequence of sequence of str
        The tags of each sequence, in the same order and of the same lengths.
    scheme : str
        A name in `seqtag.data.schemes.SCHEMES` that has spans.
    mode : {"conlleval", "strict"}
        How tags are read that break the scheme, see the module.

    Raises
    ------
    DataError
        If the number of sequences or the lengths of a pair differ, or a label is no tag of any scheme.
    ConfigError
        If the scheme or the mode is unknown, or the scheme has no spans.
    """
    _check_mode(mode)
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for g, p in paired(gold, predicted):
        gold_spans = schemes.spans(g, scheme, strict=mode == "strict")
        predicted_spans = schemes.spans(p, scheme, strict=mode == "strict")
        for column, found in enumerate((set(gold_spans) & set(predicted_spans), predicted_spans, gold_spans)):
            for span in found:
                counts[span.label][column] += 1
    return SpanScores({label: Counts(*counts[label]) for label in sorted(counts)})


def label_counts(gold: Labels, predicted: Labels) -> SpanScores:
    """Count the tokens of each label that are right, predicted and in the gold data.

    Parameters and errors are those of `token_accuracy`.
    """
    pairs = paired(gold, predicted)
    in_gold = Counter(label for g, _ in pairs for label in g)
    in_predicted = Counter(label for _, p in pairs for label in p)
    correct = Counter(a for g, p in pairs for a, b in zip(g, p, strict=True) if a == b)
    labels = sorted(in_gold | in_predicted)
    return SpanScores({label: Counts(correct[label], in_predicted[label], in_gold[label]) for label in labels})


def report(gold: Labels, predicted: Labels, scheme: str = "auto", mode: Mode = "conlleval") -> Report:
    """Compare predicted labels with gold ones in full.

    Parameters
    ----------
    gold, predicted : sequence of sequence of str
        The labels of each sequence, in the same order and of the same lengths.
    scheme : str
        A name in `seqtag.data.schemes.SCHEMES`, or ``auto`` to find it from the gold labels (from both, should
        the gold ones be all ``O``).
    mode : {"conlleval", "strict"}
        How tags are counted that break the scheme.

    Returns
    -------
    Report

    Raises
    ------
    DataError
        If the number of sequences or the lengths of a pair differ, or a label is no tag of the scheme.
    ConfigError
        If the scheme or the mode is unknown.
    """
    _check_mode(mode)
    accuracy = token_accuracy(gold, predicted)
    scheme = resolve_scheme(scheme, gold, predicted)
    scores = tag_counts(gold, predicted, scheme, mode)
    invalid = {"gold": _n_invalid(gold, scheme), "predicted": _n_invalid(predicted, scheme)}
    return Report(
        scheme,
        mode,
        scores.rows,
        (scores.micro, scores.macro, scores.weighted),
        accuracy,
        len(gold),
        sum(len(labels) for labels in gold),
        invalid,
        _note(scheme, mode, invalid),
    )


def score(gold: Labels, predicted: Labels, scheme: str = "auto") -> float:
    """Compute the main score: conlleval's F1 for a scheme with spans, the token accuracy for ``none``.

    Parameters and errors are those of `report`.
    """
    scheme = resolve_scheme(scheme, gold, predicted)
    return token_accuracy(gold, predicted) if scheme == "none" else span_counts(gold, predicted, scheme).micro.f1


def paired(
    gold: Labels, predicted: Labels, gold_name: str = "gold", predicted_name: str = "predicted"
) -> list[tuple[Sequence[str], Sequence[str]]]:
    """Put the labels of each sequence side by side, once it is sure that they belong together.

    Parameters
    ----------
    gold, predicted : sequence of sequence
        One entry a token, sequence by sequence.
    gold_name, predicted_name : str
        What an error calls them.

    Raises
    ------
    DataError
        If the number of sequences or the lengths of a pair differ, or a sequence is a string.
    """
    if len(gold) != len(predicted):
        raise DataError(
            f"{gold_name} and {predicted_name} must have as many sequences; got {len(gold)} and {len(predicted)}: "
            f"sequence {min(len(gold), len(predicted))} is missing in one."
        )
    pairs = list(zip(gold, predicted, strict=True))
    for index, (g, p) in enumerate(pairs):
        if isinstance(g, str) or isinstance(p, str):
            raise DataError(
                f"{gold_name} and {predicted_name} must hold one list a sentence; sequence {index} is a string."
            )
        if len(g) != len(p):
            raise DataError(
                f"{gold_name} and {predicted_name} must have one entry a token; got {len(g)} and {len(p)} "
                f"in sequence {index}."
            )
    return pairs


def resolve_scheme(scheme: str, gold: Labels, predicted: Labels) -> str:
    """Return the scheme's name, found from the labels for ``auto``. Parameters and errors are those of `report`."""
    if scheme != "auto":
        return schemes.SCHEMES[scheme].name
    paired(gold, predicted)  # so that what is wrong with them is told in the words of this module
    found = schemes.detect(gold)
    only_outside = all(label == schemes.OUTSIDE for labels in gold for label in labels)
    return schemes.detect([*gold, *predicted]) if found == "none" and only_outside else found


def tag_counts(gold: Labels, predicted: Labels, scheme: str, mode: Mode = "conlleval") -> SpanScores:
    """Count spans, or tokens for scheme ``none``. Parameters and errors are those of `span_counts`."""
    return label_counts(gold, predicted) if scheme == "none" else span_counts(gold, predicted, scheme, mode)


def _check_mode(mode: str) -> None:
    if mode not in _MODES:
        raise ConfigError(f"mode must be one of {', '.join(_MODES)}; got {mode!r}." + near_name(str(mode), _MODES))


def _n_invalid(sequences: Labels, scheme: str) -> int:
    return sum(len({problem.index for problem in schemes.problems(labels, scheme)}) for labels in sequences)


def _note(scheme: str, mode: str, invalid: Mapping[str, int]) -> str:
    if scheme == "none":
        return "The labels mark no spans: each token was counted by itself."
    if not any(invalid.values()):
        return f"All tags are valid {scheme}."
    broken = f"{invalid['gold']} gold and {invalid['predicted']} predicted tags break {scheme}"
    if mode == "strict":
        return f"{broken}; spans that are not written as {scheme} writes them were not counted."
    return f"{broken}; they were read as conlleval reads them, so that every tag but O belongs to a span."
