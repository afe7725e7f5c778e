"""How well predicted labels agree with gold ones: token accuracy, span scores, reports, a baseline.

Spans are counted in one of two modes:

* ``conlleval`` as the script of that name does (Tjong Kim Sang and Buchholz, 2000): tags that break their scheme
  are read as well as they can be, see `seqtag.data.schemes`. The script knows no S-; here, as in its common
  extensions and in seqeval, S- is a span of its own and E- closes one.
* ``strict`` as seqeval's strict mode does: a span counts only if it is written as its scheme writes it.

In both a predicted span is right if a gold span has its start, end and type. A share of nothing is 0, as
conlleval has it: precision without predicted spans, recall without gold ones, accuracy without tokens.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from seqtag.data import schemes
from seqtag.errors import ConfigError, DataError, near_name
from seqtag.registry import Registry

Labels = Sequence[Sequence[str]]
Mode = Literal["conlleval", "strict"]
_MODES = ("conlleval", "strict")


@dataclass(frozen=True, slots=True)
class Counts:
    """What the scores of one label or type are made of.

    Parameters
    ----------
    correct, predicted, gold : int
        Spans (or tokens) that are right, that were predicted, and that are in the gold data.
    """

    correct: int = 0
    predicted: int = 0
    gold: int = 0

    @property
    def precision(self) -> float:
        """Share of the predicted that is right."""
        return _share(self.correct, self.predicted)

    @property
    def recall(self) -> float:
        """Share of the gold that was found."""
        return _share(self.correct, self.gold)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall (van Rijsbergen, 1979)."""
        return _share(2 * self.correct, self.predicted + self.gold)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a report.

    Parameters
    ----------
    name : str
        A label, a type or an average.
    precision, recall, f1 : float
        Its scores, between 0 and 1.
    support : int
        How many spans (or tokens) of it the gold data hold.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class SpanScores:
    """Counts by type, and their averages.

    Parameters
    ----------
    types : mapping of str to Counts
        By type, in alphabetical order; for scheme ``none`` by label.
    """

    types: Mapping[str, Counts]

    @property
    def total(self) -> Counts:
        """The sums over all types."""
        values = self.types.values()
        return Counts(sum(c.correct for c in values), sum(c.predicted for c in values), sum(c.gold for c in values))

    @property
    def rows(self) -> tuple[Row, ...]:
        """The scores of each type."""
        return tuple(_row(name, counts) for name, counts in self.types.items())

    @property
    def micro(self) -> Row:
        """The scores of the sums: what conlleval prints in its second line."""
        return _row("micro", self.total)

    @property
    def macro(self) -> Row:
        """The mean over the types, each counting alike."""
        return self._mean("macro", [1] * len(self.types))

    @property
    def weighted(self) -> Row:
        """The mean over the types, each counting by its support."""
        return self._mean("weighted", [counts.gold for counts in self.types.values()])

    def _mean(self, name: str, weights: list[int]) -> Row:
        precision, recall, f1 = (
            _share(sum(w * getattr(row, part) for w, row in zip(weights, self.rows, strict=True)), sum(weights))
            for part in ("precision", "recall", "f1")
        )
        return Row(name, precision, recall, f1, self.total.gold)


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
        return self.accuracy if self.scheme == "none" else self.totals[0].f1

    def to_dict(self) -> dict[str, Any]:
        """Return the report as what JSON can hold, scores between 0 and 1."""
        return {
            "scheme": self.scheme,
            "mode": self.mode,
            "score": self.score,
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
        width = max(len(row.name) for row in (*self.rows, *self.totals))
        head = f"{'':{width}}  precision  recall      F1  support"
        lines = [head, *(_line(row, width) for row in self.rows), "", *(_line(row, width) for row in self.totals)]
        accuracy = f"accuracy {100 * self.accuracy:.2f} % of {self.tokens} tokens in {self.sequences} sequences"
        return "\n".join([*lines, "", accuracy, self.note]) + "\n"


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
    pairs = _pairs(gold, predicted)
    right = sum(a == b for g, p in pairs for a, b in zip(g, p, strict=True))
    return _share(right, sum(len(g) for g, _ in pairs))


def sequence_accuracy(gold: Labels, predicted: Labels) -> float:
    """Compute the share of sequences without a wrong label, 0 without sequences.

    Parameters and errors are those of `token_accuracy`.
    """
    pairs = _pairs(gold, predicted)
    return _share(sum(list(g) == list(p) for g, p in pairs), len(pairs))


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
    for g, p in _pairs(gold, predicted):
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
    pairs = _pairs(gold, predicted)
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
    scheme = _resolve(scheme, gold, predicted)
    scores = _scores(gold, predicted, scheme, mode)
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
    scheme = _resolve(scheme, gold, predicted)
    return METRICS["accuracy" if scheme == "none" else "span_f1"](gold, predicted, scheme)


def most_frequent_label_baseline(
    train_tokens: Iterable[Sequence[str]], train_labels: Iterable[Sequence[str]], test_tokens: Iterable[Sequence[str]]
) -> list[list[str]]:
    """Label each word as it was labelled most often: what a model has to beat.

    A word that is not in the training data gets the label that is most frequent there. Between labels that are
    equally frequent the first in the alphabet is taken.

    Parameters
    ----------
    train_tokens, train_labels : iterable of sequence of str
        Words and their labels, sequence by sequence.
    test_tokens : iterable of sequence of str
        The words to label.

    Returns
    -------
    list of list of str
        One label a test word.

    Raises
    ------
    DataError
        If words and labels differ in number, or there are no words to count.
    """
    by_word: dict[str, Counter[str]] = defaultdict(Counter)
    for tokens, labels in _pairs(list(train_tokens), list(train_labels), "train_tokens", "train_labels"):
        for token, label in zip(tokens, labels, strict=True):
            by_word[token][label] += 1
    if not by_word:
        raise DataError("train_tokens must hold at least one word, to know a most frequent label; got none.")
    overall = _most_frequent(sum(by_word.values(), Counter()))
    best = {word: _most_frequent(labels) for word, labels in by_word.items()}
    return [[best.get(token, overall) for token in tokens] for tokens in test_tokens]


def _most_frequent(labels: Counter[str]) -> str:
    return min(labels, key=lambda label: (-labels[label], label))


Metric = Callable[[Labels, Labels, str], float]
METRICS: Registry[Metric] = Registry("metric")
"""Functions of gold labels, predicted labels and the scheme (a name, not ``auto``), the higher the better."""

METRICS.add("accuracy", lambda gold, predicted, scheme: token_accuracy(gold, predicted))
METRICS.add("sequence_accuracy", lambda gold, predicted, scheme: sequence_accuracy(gold, predicted))
METRICS.add("span_f1", lambda gold, predicted, scheme: span_counts(gold, predicted, scheme).micro.f1)
METRICS.add("span_precision", lambda gold, predicted, scheme: span_counts(gold, predicted, scheme).micro.precision)
METRICS.add("span_recall", lambda gold, predicted, scheme: span_counts(gold, predicted, scheme).micro.recall)
METRICS.add("span_f1_strict", lambda gold, predicted, scheme: span_counts(gold, predicted, scheme, "strict").micro.f1)
METRICS.add("macro_f1", lambda gold, predicted, scheme: _scores(gold, predicted, scheme).macro.f1)
METRICS.add("weighted_f1", lambda gold, predicted, scheme: _scores(gold, predicted, scheme).weighted.f1)


@dataclass(frozen=True, slots=True)
class Scorer:
    """A metric as scikit-learn's ``scoring`` takes it: called with an estimator, the data and the gold labels.

    Parameters
    ----------
    name : str
        A name in `METRICS`.
    scheme : str
        A name in `seqtag.data.schemes.SCHEMES`, or ``auto`` to find it from the gold labels.

    Raises
    ------
    ConfigError
        If a name is unknown.
    """

    name: str
    scheme: str = "auto"

    def __post_init__(self) -> None:
        METRICS[self.name]
        if self.scheme != "auto":
            schemes.SCHEMES[self.scheme]

    def __call__(self, estimator: Any, X: Any, y: Labels) -> float:
        """Predict and score.

        Parameters
        ----------
        estimator : object
            Anything with a ``predict`` that gives one sequence of labels for each of ``X``.
        X : sequence
            What the estimator predicts from.
        y : sequence of sequence of str
            The gold labels.
        """
        predicted = estimator.predict(X)
        return METRICS[self.name](y, predicted, _resolve(self.scheme, y, predicted))


def scorer(name: str, scheme: str = "auto") -> Scorer:
    """Return the scikit-learn scorer of a metric, to be given as ``scoring``; it can be pickled.

    Parameters
    ----------
    name : str
        A name in `METRICS`.
    scheme : str
        A name in `seqtag.data.schemes.SCHEMES`, or ``auto`` to find it from the gold labels.

    Returns
    -------
    Scorer
    """
    return Scorer(name, scheme)


def _pairs(
    gold: Labels, predicted: Labels, gold_name: str = "gold", predicted_name: str = "predicted"
) -> list[tuple[Sequence[str], Sequence[str]]]:
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


def _resolve(scheme: str, gold: Labels, predicted: Labels) -> str:
    if scheme != "auto":
        return schemes.SCHEMES[scheme].name
    _pairs(gold, predicted)  # so that what is wrong with them is told in the words of this module
    found = schemes.detect(gold)
    only_outside = all(label == schemes.OUTSIDE for labels in gold for label in labels)
    return schemes.detect([*gold, *predicted]) if found == "none" and only_outside else found


def _scores(gold: Labels, predicted: Labels, scheme: str, mode: Mode = "conlleval") -> SpanScores:
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


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _row(name: str, counts: Counts) -> Row:
    return Row(name, counts.precision, counts.recall, counts.f1, counts.gold)


def _line(row: Row, width: int) -> str:
    precision, recall, f1 = (f"{100 * value:.2f}" for value in (row.precision, row.recall, row.f1))
    return f"{row.name:{width}}  {precision:>9}  {recall:>6}  {f1:>6}  {row.support:>7}"
