"""A model made smaller, held against what it was made from before it is kept: size, speed and score side by side."""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass
from typing import Any

from seqtag import render
from seqtag.bundle import Bundle
from seqtag.data.corpus import Corpus
from seqtag.experiment._scores import Evaluation, evaluate_corpus, scale_of
from seqtag.language import LanguagePredictor
from seqtag.loading import opened
from seqtag.metrics import LanguageReport

ROUNDS = 3


@dataclass(frozen=True)
class Candidate:
    """One form of a model, as measured.

    Parameters
    ----------
    weights : str
        How it keeps its weights.
    size : int
        Bytes of all its files.
    speed : float
        Tokens or frames a second, of one core, the median of three rounds.
    evaluation : Evaluation
        Its scores.
    """

    weights: str
    size: int
    speed: float
    evaluation: Evaluation

    @property
    def score(self) -> float:
        """The main score, of which more is better."""
        return self.evaluation.report.score


@dataclass(frozen=True)
class Comparison:
    """A model and a smaller one beside it.

    Parameters
    ----------
    before, after : Candidate
        As it was trained; and smaller.
    """

    before: Candidate
    after: Candidate

    @property
    def loss(self) -> float:
        """How much lower the smaller one scores, from 0 to 1; negative where it scores higher.

        Of language models it is how much greater its perplexity is, as a share.
        """
        lost = self.before.score - self.after.score
        return math.expm1(min(lost, 700.0)) if self.of_language else lost

    @property
    def of_language(self) -> bool:
        """Whether they are language models."""
        return isinstance(self.before.evaluation.report, LanguageReport)

    def to_dict(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        return {
            name: {
                "weights": one.weights,
                "bytes": one.size,
                "tokens_per_second": one.speed,
                **one.evaluation.report.main_scores,
            }
            for name, one in (("before", self.before), ("after", self.after))
        }

    def to_text(self) -> str:
        """Return a table, shares in percent."""
        names = list(self.before.evaluation.report.main_scores)
        unit = self.before.evaluation.unit
        rows = []
        for one in (self.before, self.after):
            report = one.evaluation.report
            scores = [scale_of(report) * report.main_scores[name] for name in names]
            rows.append([one.weights, one.size / 1e6, round(one.speed), *scores])
        title = [f"{self.before.evaluation.name} ({unit})", "MB", f"{unit}/s on one core", *names]
        return render.table(rows, title)


def compare(before: Bundle, after: Bundle, corpus: Corpus, name: str) -> Comparison:
    """Score two forms of a model on labelled data, and time them turn by turn.

    Parameters
    ----------
    before, after : Bundle
        The model, and the smaller one.
    corpus : Corpus
        Labelled.
    name : str
        What to call it.
    """
    bundles = (before, after)
    predictors = [opened(bundle, threads=1) for bundle in bundles]
    evaluations = [evaluate_corpus(predictor, corpus, None, name=name) for predictor in predictors]
    seconds: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        for predictor, taken in zip(predictors, seconds, strict=True):
            start = time.perf_counter()
            _answer(predictor, corpus)
            taken.append(time.perf_counter() - start)
    report = evaluations[0].report
    tokens = report.symbols if isinstance(report, LanguageReport) else sum(map(len, corpus))
    found = [
        Candidate(
            bundle.manifest.get("weights", "float32"),
            sum(map(len, bundle.files.values())),
            tokens / statistics.median(taken),
            evaluation,
        )
        for bundle, taken, evaluation in zip(bundles, seconds, evaluations, strict=True)
    ]
    for predictor in predictors:
        predictor.close()
    return Comparison(*found)


def _answer(predictor: Any, corpus: Corpus) -> None:
    if isinstance(predictor, LanguagePredictor):
        predictor.log_probabilities(corpus)
    else:
        predictor.predict(corpus)
