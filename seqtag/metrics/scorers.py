"""Scores by name, and the scorers that scikit-learn takes as ``scoring``: `scorer`, `class_scorer`, `joint_scorer`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqtag.data import schemes
from seqtag.errors import ConfigError, near_name
from seqtag.metrics.calibration import brier_score, log_loss, reliability
from seqtag.metrics.classes import Classes, class_report, encode_classes
from seqtag.metrics.joint import JointReport, Pairs, joint_report
from seqtag.metrics.tagging import Labels, resolve_scheme, sequence_accuracy, span_counts, tag_counts, token_accuracy
from seqtag.registry import Registry

Metric = Callable[[Labels, Labels, str], float]
METRICS: Registry[Metric] = Registry("metric")
"""Functions of gold labels, predicted labels and the scheme (a name, not ``auto``), the higher the better."""

METRICS.add("accuracy", lambda gold, predicted, scheme: token_accuracy(gold, predicted))
METRICS.add("sequence_accuracy", lambda gold, predicted, scheme: sequence_accuracy(gold, predicted))
METRICS.add("span_f1", lambda gold, predicted, scheme: span_counts(gold, predicted, scheme).micro.f1)
METRICS.add("span_precision", lambda gold, predicted, scheme: span_counts(gold, predicted, scheme).micro.precision)
METRICS.add("span_recall", lambda gold, predicted, scheme: span_counts(gold, predicted, scheme).micro.recall)
METRICS.add("span_f1_strict", lambda gold, predicted, scheme: span_counts(gold, predicted, scheme, "strict").micro.f1)
METRICS.add("macro_f1", lambda gold, predicted, scheme: tag_counts(gold, predicted, scheme).macro.f1)
METRICS.add("weighted_f1", lambda gold, predicted, scheme: tag_counts(gold, predicted, scheme).weighted.f1)


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
        return METRICS[self.name](y, predicted, resolve_scheme(self.scheme, y, predicted))


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


ClassMetric = Callable[[Classes, Classes], float]
CLASS_METRICS: Registry[ClassMetric] = Registry("metric")
"""Functions of gold and predicted classes, one a sequence or any number; the higher the better."""

CLASS_METRICS.add("accuracy", lambda gold, predicted: class_report(gold, predicted).accuracy)
CLASS_METRICS.add("macro_f1", lambda gold, predicted: class_report(gold, predicted).average("macro").f1)
CLASS_METRICS.add("micro_f1", lambda gold, predicted: class_report(gold, predicted).average("micro").f1)
CLASS_METRICS.add("weighted_f1", lambda gold, predicted: class_report(gold, predicted).average("weighted").f1)

ProbabilityMetric = Callable[[np.ndarray, np.ndarray], float]
PROBABILITY_METRICS: Registry[ProbabilityMetric] = Registry("metric")
"""Functions of targets and probabilities, see `seqtag.metrics.calibration`; negated, so that higher is better."""

PROBABILITY_METRICS.add("neg_log_loss", lambda targets, probabilities: -log_loss(probabilities, targets))
PROBABILITY_METRICS.add("neg_brier_score", lambda targets, probabilities: -brier_score(probabilities, targets))
PROBABILITY_METRICS.add(
    "neg_calibration_error",
    lambda targets, probabilities: -reliability(probabilities, targets).expected_calibration_error,
)


@dataclass(frozen=True, slots=True)
class ClassScorer:
    """A metric of classifiers as scikit-learn's ``scoring`` takes it, see `Scorer`.

    Parameters
    ----------
    name : str
        A name in `CLASS_METRICS`, or in `PROBABILITY_METRICS`.

    Raises
    ------
    ConfigError
        If the name is unknown.
    """

    name: str

    def __post_init__(self) -> None:
        names = (*CLASS_METRICS, *PROBABILITY_METRICS)
        if self.name not in names:
            raise ConfigError(
                f"metric of classes must be one of {', '.join(names)}; got {self.name!r}."
                + near_name(str(self.name), names)
            )

    def __call__(self, estimator: Any, X: Any, y: Classes) -> float:
        """Predict and score.

        Parameters
        ----------
        estimator : object
            A classifier with ``predict``; for a metric of probabilities with ``predict_proba``, which gives an array
            of shape (N, K), and ``classes_``, its K columns.
        X : sequence
            What the estimator predicts from.
        y : sequence
            The gold classes: one a sequence, a collection of labels each, or a binary indicator array.
        """
        if self.name in CLASS_METRICS:
            return CLASS_METRICS[self.name](y, estimator.predict(X))
        targets = encode_classes(y, estimator.classes_)
        return PROBABILITY_METRICS[self.name](targets, estimator.predict_proba(X))


JointMetric = Callable[[JointReport], float]
JOINT_METRICS: Registry[JointMetric] = Registry("metric")
"""Functions of the report of labels and intents, the higher the better."""

JOINT_METRICS.add("sentence_accuracy", lambda found: found.sentence_accuracy)
JOINT_METRICS.add("slot_f1", lambda found: found.slots.totals[0].f1)
JOINT_METRICS.add("slot_accuracy", lambda found: found.slots.accuracy)
JOINT_METRICS.add("intent_accuracy", lambda found: found.intents.accuracy)
JOINT_METRICS.add("intent_macro_f1", lambda found: found.intents.average("macro").f1)


@dataclass(frozen=True, slots=True)
class JointScorer:
    """A metric of labels and intents as scikit-learn's ``scoring`` takes it, see `Scorer`.

    Parameters
    ----------
    name : str
        A name in `JOINT_METRICS`.
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
        JOINT_METRICS[self.name]
        if self.scheme != "auto":
            schemes.SCHEMES[self.scheme]

    def __call__(self, estimator: Any, X: Any, y: Pairs) -> float:
        """Predict and score.

        Parameters
        ----------
        estimator : object
            Anything with a ``predict`` that gives a pair of labels and intent for each of ``X``.
        X : sequence
            What the estimator predicts from.
        y : sequence of (sequence of str, str)
            The gold labels and intents.
        """
        return JOINT_METRICS[self.name](joint_report(y, estimator.predict(X), self.scheme))


def joint_scorer(name: str, scheme: str = "auto") -> JointScorer:
    """Return the scikit-learn scorer of a metric of joint taggers, to be given as ``scoring``; it can be pickled.

    Parameters
    ----------
    name : str
        ``sentence_accuracy``, ``slot_f1``, ``slot_accuracy``, ``intent_accuracy`` or ``intent_macro_f1``.
    scheme : str
        A name in `seqtag.data.schemes.SCHEMES`, or ``auto`` to find it from the gold labels.

    Returns
    -------
    JointScorer
    """
    return JointScorer(name, scheme)


def class_scorer(name: str) -> ClassScorer:
    """Return the scikit-learn scorer of a metric of classifiers, to be given as ``scoring``; it can be pickled.

    Parameters
    ----------
    name : str
        ``accuracy``, ``macro_f1``, ``micro_f1`` or ``weighted_f1`` of what is predicted; ``neg_log_loss``,
        ``neg_brier_score`` or ``neg_calibration_error`` of the probabilities.

    Returns
    -------
    ClassScorer
    """
    return ClassScorer(name)
