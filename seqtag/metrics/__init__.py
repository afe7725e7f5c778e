"""How well predictions agree with gold labels: scores, reports, baselines, and how far probabilities can be believed.

Spans are counted in one of two modes:

* ``conlleval`` as the script of that name does (Tjong Kim Sang and Buchholz, 2000): tags that break their scheme
  are read as well as they can be, see `seqtag.data.schemes`. The script knows no S-; here, as in its common
  extensions and in seqeval, S- is a span of its own and E- closes one.
* ``strict`` as seqeval's strict mode does: a span counts only if it is written as its scheme writes it.

In both a predicted span is right if a gold span has its start, end and type. A share of nothing is 0, as
conlleval has it: precision without predicted spans, recall without gold ones, accuracy without tokens.
"""

from seqtag.metrics.baselines import most_frequent_class_baseline, most_frequent_label_baseline
from seqtag.metrics.calibration import Reliability, brier_score, fit_temperature, log_loss, reliability
from seqtag.metrics.classes import Classes, ClassReport, class_report, encode_classes
from seqtag.metrics.confidence import SpanConfidence, ThresholdCurve, span_confidence
from seqtag.metrics.counts import Counts, Row, SpanScores
from seqtag.metrics.joint import JointReport, joint_report, sentence_accuracy
from seqtag.metrics.language import LanguageReport, language_report, unigram_log_probabilities
from seqtag.metrics.scorers import (
    CLASS_METRICS,
    JOINT_METRICS,
    METRICS,
    PROBABILITY_METRICS,
    ClassMetric,
    ClassScorer,
    JointMetric,
    JointScorer,
    Metric,
    ProbabilityMetric,
    Scorer,
    class_scorer,
    joint_scorer,
    scorer,
)
from seqtag.metrics.tagging import (
    Labels,
    Mode,
    Report,
    label_counts,
    report,
    score,
    sequence_accuracy,
    span_counts,
    token_accuracy,
)

__all__ = [
    "CLASS_METRICS",
    "JOINT_METRICS",
    "METRICS",
    "PROBABILITY_METRICS",
    "ClassMetric",
    "ClassReport",
    "ClassScorer",
    "Classes",
    "Counts",
    "JointMetric",
    "JointReport",
    "JointScorer",
    "Labels",
    "LanguageReport",
    "Metric",
    "Mode",
    "ProbabilityMetric",
    "Reliability",
    "Report",
    "Row",
    "Scorer",
    "SpanConfidence",
    "SpanScores",
    "ThresholdCurve",
    "brier_score",
    "class_report",
    "class_scorer",
    "encode_classes",
    "fit_temperature",
    "joint_report",
    "joint_scorer",
    "label_counts",
    "language_report",
    "log_loss",
    "most_frequent_class_baseline",
    "most_frequent_label_baseline",
    "reliability",
    "report",
    "score",
    "scorer",
    "sentence_accuracy",
    "sequence_accuracy",
    "span_confidence",
    "span_counts",
    "token_accuracy",
    "unigram_log_probabilities",
]
