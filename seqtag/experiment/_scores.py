"""The scores of a model on one corpus, as a value, as JSON and as text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from seqtag import metrics, render
from seqtag.data.corpus import Corpus
from seqtag.data.streaming import CorpusStream
from seqtag.experiment._reading import check_labelled, is_numeric
from seqtag.experiment._tasks import RULES, Baseline, Report
from seqtag.language import LanguagePredictor
from seqtag.predictor import Predictor


@dataclass(frozen=True)
class Evaluation:
    """The scores of a model on one corpus.

    Parameters
    ----------
    name : str
        The corpus: a split, or a file.
    report : Report, ClassReport, JointReport or LanguageReport
        The model's scores.
    baseline : Baseline, optional
        Those of the training data's frequencies; None where the training data could not be read.
    reliability : Reliability, optional
        How far its probabilities can be believed, with the temperature that was fitted: those of a classifier's
        classes, of a tagger's spans, or of its labels where these write no spans.
    unit : str
        What the sequences consist of.
    spans : SpanConfidence, optional
        Of a tagger: the predicted spans with their probabilities.
    """

    name: str
    report: Report
    baseline: Baseline | None = None
    reliability: metrics.Reliability | None = field(default=None, compare=False)
    unit: str = "tokens"
    spans: metrics.SpanConfidence | None = field(default=None, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        baseline = None if self.baseline is None else {"about": self.baseline.about, **self.baseline.report.to_dict()}
        calibration = {} if self.reliability is None else {"calibration": self.reliability.to_dict()}
        return {"name": self.name, **self.report.to_dict(), **calibration, "baseline": baseline}

    def to_text(self) -> str:
        """Return the report, and what is known of the probabilities, as lines of text."""
        if self.reliability is None:
            return self.report.to_text()
        error = 100 * self.reliability.expected_calibration_error
        whose = "its probabilities" if self.spans is None else "the probabilities of its spans"
        return f"{self.report.to_text()}Expected calibration error of {whose}: {error:.2f} %.\n"


def evaluate_corpus(
    predictor: Predictor | LanguagePredictor,
    corpus: Corpus,
    train: Corpus | CorpusStream | None,
    *,
    name: str,
    mode: metrics.Mode = "conlleval",
) -> Evaluation:
    """Compare a model's predictions, and those of the frequencies in training data, with a corpus's labels.

    Parameters
    ----------
    predictor : Predictor or LanguagePredictor
        The model.
    corpus : Corpus
        Labelled, as the model's task asks.
    train : Corpus or CorpusStream, optional
        The training data; without it there is no baseline.
    name : str
        What to call the corpus.
    mode : {"conlleval", "strict"}
        How spans are counted, see `seqtag.metrics`.

    Raises
    ------
    DataError
        If the corpus has not the labels or the kind of sequences that the model knows.
    ConfigError
        If ``mode`` is given for a model that has no spans to count.
    """
    check_labelled(corpus, predictor.task)
    rules: Any = RULES[predictor.task]
    report, reliability, spans = rules.scores(predictor, corpus, mode)
    baseline = None if train is None else rules.baseline(predictor, train, corpus, mode)
    unit = report.level if isinstance(report, metrics.LanguageReport) else "tokens"
    return Evaluation(name, report, baseline, reliability, "frames" if is_numeric(corpus) else unit, spans)


def score_table(evaluations: Iterable[Evaluation]) -> str:
    """Return the main scores, shares in percent, each beside the baseline's, and what the baseline is."""
    evaluations = tuple(evaluations)
    if not evaluations:
        return "no scores: the data has neither dev nor test."
    first = evaluations[0]
    names = [name for score in first.report.main_scores for name in (score, "baseline")]
    names += ["calibration error"] if first.reliability else []
    names += [first.unit if size == "tokens" else size for size in first.report.sizes]
    table = render.table([_row(one) for one in evaluations], ["", *names])
    abouts = dict.fromkeys(one.baseline.about for one in evaluations if one.baseline)
    return "\n".join([table, *(f"baseline: {about}" for about in abouts)])


def _row(one: Evaluation) -> list[Any]:
    row: list[Any] = [one.name]
    scale = scale_of(one.report)
    for name, score in one.report.main_scores.items():
        row += [scale * score, scale * one.baseline.report.main_scores[name] if one.baseline else None]
    row += [100 * one.reliability.expected_calibration_error] if one.reliability else []
    return [*row, *one.report.sizes.values()]


def scale_of(report: Report) -> int:
    """Return what the main scores are multiplied by where people read them: shares are shown in percent."""
    return 1 if isinstance(report, metrics.LanguageReport) else 100
