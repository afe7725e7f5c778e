"""How well labels and intents agree with gold ones at once: the report of a joint tagger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seqtag.errors import DataError
from seqtag.metrics.classes import ClassReport, class_report
from seqtag.metrics.counts import share
from seqtag.metrics.tagging import Mode, Report, report

Pairs = Sequence[tuple[Sequence[str], str]]
"""Of each sequence its labels, one a token, and its intent."""


@dataclass(frozen=True, slots=True)
class JointReport:
    """The scores of labels and intents, as a value.

    Parameters
    ----------
    slots : Report
        Those of the labels.
    intents : ClassReport
        Those of the intents.
    sentence_accuracy : float
        Share of the sequences with every label and the intent right (Goo et al., 2018).
    """

    slots: Report
    intents: ClassReport
    sentence_accuracy: float

    @property
    def score(self) -> float:
        """The main score: the sentence accuracy."""
        return self.sentence_accuracy

    @property
    def score_name(self) -> str:
        """What the main score is."""
        return "sentence accuracy"

    @property
    def main_scores(self) -> dict[str, float]:
        """The scores to show first, the main one before the others."""
        of_slots = "slot F1" if self.slots.score_name == "span F1" else "slot accuracy"
        return {
            self.score_name: self.score,
            of_slots: self.slots.score,
            "intent accuracy": self.intents.accuracy,
        }

    @property
    def sizes(self) -> dict[str, int]:
        """What was compared: how many ``sequences`` and ``tokens``."""
        return self.slots.sizes

    def to_dict(self) -> dict[str, Any]:
        """Return the report as what JSON can hold, scores between 0 and 1."""
        return {
            "score": self.score,
            "score_name": self.score_name,
            **self.sizes,
            "slots": self.slots.to_dict(),
            "intents": self.intents.to_dict(),
        }

    def to_text(self) -> str:
        """Return both reports as plain tables, and the share of sequences that are right as a whole."""
        whole = f"labels and intent right: {100 * self.sentence_accuracy:.2f} % of {self.slots.sequences} sequences"
        return f"{self.slots.to_text()}\n{self.intents.to_text()}\n{whole}\n"


def joint_report(gold: Pairs, predicted: Pairs, scheme: str = "auto", mode: Mode = "conlleval") -> JointReport:
    """Score predicted labels and intents.

    Parameters
    ----------
    gold, predicted : sequence of (sequence of str, str)
        The labels and the intent of each sequence, in the same order and of the same lengths. Of several intents that
        are written as one, ``a#b``, all must be right: it is an intent of its own.
    scheme : str
        A name in `seqtag.data.schemes.SCHEMES`, or ``auto`` to find it from the gold labels.
    mode : {"conlleval", "strict"}
        How spans are counted, see the package.

    Returns
    -------
    JointReport

    Raises
    ------
    DataError
        If the number of sequences or the lengths of a pair differ, or a label is no tag of any scheme.
    ConfigError
        If the scheme or the mode is unknown.
    """
    right = sentence_accuracy(gold, predicted)
    slots = report([labels for labels, _ in gold], [labels for labels, _ in predicted], scheme, mode)
    return JointReport(slots, class_report([intent for _, intent in gold], [intent for _, intent in predicted]), right)


def sentence_accuracy(gold: Pairs, predicted: Pairs) -> float:
    """Compute the share of sequences with every label and the intent right, 0 without sequences.

    Parameters
    ----------
    gold, predicted : sequence of (sequence of str, str)
        As for `joint_report`.

    Raises
    ------
    DataError
        If the number of sequences differs.
    """
    if len(gold) != len(predicted):
        raise DataError(
            f"gold and predicted must have the same number of sequences; got {len(gold)} and {len(predicted)}."
        )
    pairs = zip(gold, predicted, strict=True)
    right = sum(list(labels) == list(found) and intent == other for (labels, intent), (found, other) in pairs)
    return share(right, len(gold))
