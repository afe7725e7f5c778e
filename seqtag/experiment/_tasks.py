"""What an experiment does differently for each task: the labels it needs, how answers are scored, what they must beat.

A task that is new to experiments is one more entry in `RULES`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np

from seqtag import metrics
from seqtag.answers import with_probabilities
from seqtag.data.corpus import Corpus, Sequence
from seqtag.data.lookup import UNKNOWN
from seqtag.data.schemes import SCHEMES
from seqtag.data.sequence import called
from seqtag.data.streaming import CorpusStream
from seqtag.data.symbols import END
from seqtag.errors import ConfigError, DataError
from seqtag.language import TASK, LanguagePredictor
from seqtag.metrics.baselines import most_frequent
from seqtag.predictor import Predictor
from seqtag.registry import Registry

Report: TypeAlias = metrics.Report | metrics.ClassReport | metrics.JointReport | metrics.LanguageReport


class Scores(NamedTuple):
    """How a model did on a corpus.

    Parameters
    ----------
    report : Report, ClassReport, JointReport or LanguageReport
        The scores.
    reliability : Reliability, optional
        How far its probabilities can be believed: those of predicted spans, where labels write spans, of labels or
        of classes.
    spans : SpanConfidence, optional
        The predicted spans with their probabilities, where there are spans.
    """

    report: Report
    reliability: metrics.Reliability | None = None
    spans: metrics.SpanConfidence | None = None


class Baseline(NamedTuple):
    """How frequencies alone do on a corpus.

    Parameters
    ----------
    report : Report, ClassReport, JointReport or LanguageReport
        The scores.
    about : str
        What is answered, in a few words.
    """

    report: Report
    about: str


class Rules(Protocol):
    """What an experiment must know of a task."""

    tables: Mapping[str, str]
    """What the labels are called, and under which key `Corpus.describe` counts them."""

    def labels_of(self, sequence: Sequence) -> tuple[str, ...] | None:
        """Return the labels that a sequence has for this task; None if it has none, and is no data for it."""

    def lacks(self, sequence: Sequence) -> str:
        """Word what a sequence without such labels lacks, and what to do."""

    def scores(self, predictor: Predictor, corpus: Corpus, mode: metrics.Mode) -> Scores:
        """Compare a model's answers with a corpus's labels."""

    def baseline(
        self, predictor: Predictor, train: Corpus | CorpusStream, corpus: Corpus, mode: metrics.Mode
    ) -> Baseline:
        """Compare the answers of frequencies in the training data with a corpus's labels."""


class TaggingRules:
    """One label a token or frame; the most frequent label of each word has to be beaten."""

    tables: Mapping[str, str] = {"labels": "labels"}

    def labels_of(self, sequence: Sequence) -> tuple[str, ...] | None:
        """Return the label of each token or frame."""
        return sequence.labels

    def lacks(self, sequence: Sequence) -> str:
        """Word that labels are missing; a label for the whole belongs to another task."""
        unit = "token" if sequence.frames is None else "frame"
        other = "" if sequence.label is None else " It has a label for the whole: that is task: classification."
        return f"every {unit} must have a label; {called(sequence)} has none.{other}"

    def scores(self, predictor: Predictor, corpus: Corpus, mode: metrics.Mode) -> Scores:
        """Count spans and tokens, and compare the probabilities of spans, or of labels, with what is right."""
        found = list(predictor.stream_scored(corpus))
        labels = [list(one.sequence.labels or ()) for one in found]
        report = metrics.report(corpus.labels, labels, predictor.scheme, mode)
        if SCHEMES[predictor.scheme].has_spans:
            spans = metrics.span_confidence(corpus.labels, [one.spans for one in found], predictor.scheme)
            return Scores(report, spans.reliability(), spans)
        right = [
            a == b for gold, own in zip(corpus.labels, labels, strict=True) for a, b in zip(gold, own, strict=True)
        ]
        chances = np.concatenate([np.zeros(0), *(one.probabilities for one in found)])
        return Scores(report, metrics.reliability(chances, np.array(right, bool)))

    def baseline(
        self, predictor: Predictor, train: Corpus | CorpusStream, corpus: Corpus, mode: metrics.Mode
    ) -> Baseline:
        """Give each word the label it has most often in training; all frames count as one word."""
        labels = (sequence.labels or () for sequence in train)
        guesses = metrics.most_frequent_label_baseline(_words(train), labels, _words(corpus))
        about = "each word has the label that it has most often in train"
        if next((sequence.frames is not None for sequence in train if len(sequence)), False):
            about = "every frame has the label that is most frequent in train"
        return Baseline(metrics.report(corpus.labels, guesses, predictor.scheme, mode), about)


class ClassificationRules:
    """One label, or several, for a whole sequence; the most frequent one has to be beaten."""

    tables: Mapping[str, str] = {"classes": "classes"}

    def labels_of(self, sequence: Sequence) -> tuple[str, ...] | None:
        """Return the labels of the whole."""
        return (sequence.label,) if isinstance(sequence.label, str) else sequence.label

    def lacks(self, sequence: Sequence) -> str:
        """Word that the label is missing; labels of tokens belong to another task."""
        other = ""
        if sequence.labels is not None:
            unit = "token" if sequence.frames is None else "frame"
            other = f" It has a label for each {unit}: that is task: tagging."
            if any(len(token.split()) > 1 for token in sequence.tokens):
                other = " Its tokens have spaces in them: if they are texts, let data.text name their column."
        return f"every sequence must have a label; {called(sequence)} has none.{other}"

    def scores(self, predictor: Predictor, corpus: Corpus, mode: metrics.Mode) -> Scores:
        """Count sequences, and compare probabilities with what is right."""
        if mode == "strict":
            raise ConfigError("mode 'strict' says how spans are counted, and a classifier has none; leave it out.")
        gold = _gold(predictor, corpus)
        answers = list(with_probabilities(predictor, corpus))
        report = metrics.class_report(gold, [sequence.label for sequence, _ in answers])
        probabilities = np.array([list(by_class.values()) for _, by_class in answers])  # (N, K)
        return Scores(report, _reliability(predictor, gold, probabilities))

    def baseline(
        self, predictor: Predictor, train: Corpus | CorpusStream, corpus: Corpus, mode: metrics.Mode
    ) -> Baseline:
        """Give every sequence the label that most have in training."""
        if isinstance(train, CorpusStream):  # which has been counted, and is not held
            best = most_frequent(train.describe()["classes"])
            decoder: Any = predictor.decoder
            guesses: list[Any] = [(best,) if decoder.multi_label else best] * len(corpus)
        else:
            guesses = metrics.most_frequent_class_baseline(_gold(predictor, train), len(corpus))
        about = "every sequence has the class that is most frequent in train"
        return Baseline(metrics.class_report(_gold(predictor, corpus), guesses), about)


class JointRules:
    """A label a token and an intent for the whole; what is most frequent of each has to be beaten."""

    tables: Mapping[str, str] = {"labels": "labels", "intents": "classes"}

    def labels_of(self, sequence: Sequence) -> tuple[str, ...] | None:
        """Return the label of each token, and the intent behind them."""
        if sequence.labels is None or not isinstance(sequence.label, str):
            return None
        return (*sequence.labels, sequence.label)

    def lacks(self, sequence: Sequence) -> str:
        """Word what is missing, or that there are several intents."""
        if isinstance(sequence.label, tuple):
            return (
                f"every sequence must have one intent; {called(sequence)} has {sequence.label!r}. Write several as "
                f"one: {'#'.join(sequence.label)!r}."
            )
        lacking = "labels of its tokens" if sequence.labels is None else "intent, a label for the whole"
        other = "classification" if sequence.labels is None else "tagging"
        return (
            f"every sequence must have labels and an intent; {called(sequence)} has no {lacking}. Data that lack them "
            f"are for task: {other}."
        )

    def scores(self, predictor: Predictor, corpus: Corpus, mode: metrics.Mode) -> Scores:
        """Count spans, tokens and intents; where there are spans, compare their probabilities with what is right."""
        found = list(predictor.stream_scored(corpus))
        answers = [(list(one.sequence.labels or ()), str(one.sequence.label)) for one in found]
        report = metrics.joint_report(_pairs(corpus), answers, predictor.scheme, mode)
        if not SCHEMES[predictor.scheme].has_spans:
            return Scores(report)
        spans = metrics.span_confidence(corpus.labels, [one.spans for one in found], predictor.scheme)
        return Scores(report, spans.reliability(), spans)

    def baseline(
        self, predictor: Predictor, train: Corpus | CorpusStream, corpus: Corpus, mode: metrics.Mode
    ) -> Baseline:
        """Give each word the label, and every sequence the intent, that it has most often in training."""
        labels = (sequence.labels or () for sequence in train)
        guesses = metrics.most_frequent_label_baseline(_words(train), labels, _words(corpus))
        intent = most_frequent(train.describe()["classes"])
        about = "each word has the label that it has most often in train, every sequence the most frequent intent"
        pairs = [(list(row), intent) for row in guesses]
        return Baseline(metrics.joint_report(_pairs(corpus), pairs, predictor.scheme, mode), about)


class LanguageRules:
    """Text alone, without labels; the frequencies of single symbols have to be beaten."""

    tables: Mapping[str, str] = {}

    def labels_of(self, sequence: Sequence) -> tuple[str, ...] | None:
        """Return no labels, which text needs none of; None for numbers."""
        return () if sequence.frames is None else None

    def lacks(self, sequence: Sequence) -> str:
        """Word that numbers are no text."""
        return f"a language model reads text; {called(sequence)} holds numbers."

    def scores(self, predictor: Any, corpus: Corpus, mode: metrics.Mode) -> Scores:
        """Compute how probable the texts are."""
        if mode == "strict":
            raise ConfigError("mode 'strict' says how spans are counted, and a language model has none; leave it out.")
        rows = predictor.log_probabilities(corpus)
        unknown = sum(int((ids == UNKNOWN).sum()) for ids in _ids(predictor, corpus))
        return Scores(metrics.language_report(predictor.table.level, rows, unknown))

    def baseline(self, predictor: Any, train: Corpus | CorpusStream, corpus: Corpus, mode: metrics.Mode) -> Baseline:
        """Give each symbol the share that it has of the training texts, which the model's table has counted."""
        log_p = metrics.unigram_log_probabilities(predictor.table.counts)
        ids = list(_ids(predictor, corpus))
        rows = [log_p[[*text, END]] for text in ids]
        unknown = sum(int((text == UNKNOWN).sum()) for text in ids)
        about = f"each {predictor.table.level.removesuffix('s')} is as probable as it is frequent in train"
        return Baseline(metrics.language_report(predictor.table.level, rows, unknown), about)


RULES: Registry[Rules] = Registry("task")
"""The rules by task."""
RULES.add("tagging", TaggingRules())
RULES.add("classification", ClassificationRules())
RULES.add("joint", JointRules())
RULES.add(TASK, LanguageRules())


def _pairs(corpus: Corpus) -> list[tuple[list[str], str]]:
    return [(list(sequence.labels or ()), str(sequence.label)) for sequence in corpus]


def _words(corpus: Iterable[Sequence]) -> Iterator[tuple[str, ...]]:
    return (sequence.tokens if sequence.frames is None else ("",) * len(sequence) for sequence in corpus)


def _ids(predictor: LanguagePredictor, corpus: Corpus) -> Iterator[np.ndarray]:
    return (predictor.table.encode(sequence, i) for i, sequence in enumerate(corpus))


def _gold(predictor: Predictor, corpus: Corpus) -> list[Any]:
    """Return the label of each sequence as the model gives its own: one, or a tuple of them."""
    decoder: Any = predictor.decoder
    if decoder.multi_label:
        return [(sequence.label,) if isinstance(sequence.label, str) else sequence.label for sequence in corpus]
    for sequence in corpus:
        if isinstance(sequence.label, tuple):
            raise DataError(
                f"{corpus.name}: every sequence must have one label, since the model gives one; {called(sequence)} has "
                f"{sequence.label!r}. For several train with model.multi_label: true."
            )
    return [sequence.label for sequence in corpus]


def _reliability(predictor: Predictor, gold: list[Any], probabilities: np.ndarray) -> metrics.Reliability:
    """Compare confidence with what came true; a class that was never learned counts as missed."""
    decoder: Any = predictor.decoder
    names = np.array([str(label) for label in decoder.labels])
    if decoder.multi_label:
        return metrics.reliability(probabilities, [[name in labels for name in names] for labels in gold])
    right = names[probabilities.argmax(axis=1)] == np.array(gold)
    return metrics.reliability(probabilities.max(axis=1), right)
