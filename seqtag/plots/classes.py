"""Pictures of how good a classifier is: reliability and confusion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from seqtag.errors import DataError
from seqtag.plots.lettering import lettering
from seqtag.plots.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    SEQUENTIAL,
    SMALL_SIZE,
    add_colour_bar,
    label_axes,
    new_figure,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from seqtag.metrics import ClassReport, Reliability

_LONGEST_NAME = 24  # characters of a class that are written on an axis
_MOST_NUMBERS = 25  # classes up to which the cells of a confusion matrix have room for numbers
_DARK = 0.71  # share of the gold class from which on white stands out better than black
_MOST_NAMES = 60  # classes up to which an axis has room for all their names


def plot_reliability(reliability: Reliability, title: str = "Reliability") -> Figure:
    """Draw a reliability diagram: accuracy against confidence, and how many cases each bin holds.

    A point below the diagonal means that these probabilities are too high, one above that they are too low.

    Parameters
    ----------
    reliability : Reliability
        From `seqtag.metrics.reliability`.
    title : str
        Written above, followed by the expected calibration error.

    Raises
    ------
    NotInstalledError
        If there is no matplotlib.
    """
    figure, (above, below) = new_figure(5.0, 5.6, panels=(4.0, 1.0))
    filled = reliability.counts > 0
    confidence, accuracy = reliability.confidence[filled], reliability.accuracy[filled]
    above.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1.2, label="perfectly calibrated")
    for far, colour, name in (
        (confidence > accuracy, ORANGE, "too confident"),
        (confidence < accuracy, GREEN, "not confident enough"),
    ):
        if far.any():
            ends = confidence[far], accuracy[far]
            above.vlines(confidence[far], *ends, colors=colour, linewidth=7, alpha=0.6, label=name)
    above.plot(confidence, accuracy, color=BLUE, marker="o", markersize=5, label="accuracy of a bin", clip_on=False)
    above.set(xlim=(0, 1), ylim=(0, 1.02))
    error = 100 * reliability.expected_calibration_error
    label_axes(above, y="accuracy", title=f"{title}: calibration error {error:.1f} %")
    above.legend(  # where no point is
        loc="lower right" if reliability.overconfidence < 0 else "upper left",
        fontsize=SMALL_SIZE,
        frameon=False,
        labelcolor=INK,
    )
    left, width = reliability.edges[:-1], np.diff(reliability.edges)
    below.bar(left + width / 2, reliability.counts, width=0.92 * width, color=GREY)
    label_axes(below, x="confidence", y="cases")
    return figure


def plot_confusion(report: ClassReport, title: str = "Confusion matrix") -> Figure:
    """Draw a confusion matrix: how often each gold class (row) was predicted to be each class (column).

    Colours are shares of the gold class, so that rare classes can be seen; numbers are sequences, written for up to
    25 classes.

    Parameters
    ----------
    report : ClassReport
        Of single-label data, from `seqtag.metrics.class_report`.
    title : str
        Written above, followed by the accuracy.

    Raises
    ------
    DataError
        If the report has no confusion matrix, since its data are multi-label, or no class.
    NotInstalledError
        If there is no matplotlib.
    """
    counts = report.confusion
    if counts is None or not counts.size:
        raise DataError(
            f"a confusion matrix needs sequences with one class each; got a report of "
            f"{'several labels a sequence' if report.multi_label else 'no sequences'}."
        )
    k = len(counts)
    letters = lettering(map(str, report.labels))
    names = [letters.write(str(label), _LONGEST_NAME) for label in report.labels]
    side, beside = min(max(0.42 * k, 3.2), 11.0), 0.085 * max(map(len, names))  # inches
    figure, (axes,) = new_figure(side + beside + 1.7, side + beside + 0.7)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap=SEQUENTIAL, vmin=0, vmax=1)
    label_axes(axes, "predicted", "gold", f"{title}: accuracy {100 * report.accuracy:.1f} %")
    axes.grid(False)
    step = -(-k // _MOST_NAMES)
    axes.set_xticks(range(0, k, step), names[::step], rotation=90 if beside > 0.3 else 0, parse_math=False)
    axes.set_yticks(range(0, k, step), names[::step], parse_math=False)
    for name in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        name.set_fontfamily(letters.families)
    if k <= _MOST_NUMBERS:
        for row, column in np.argwhere(counts):
            colour = "white" if shares[row, column] > _DARK else "black"
            text = f"{counts[row, column]}"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=SMALL_SIZE)
    add_colour_bar(image, axes, "share of the gold class")
    return figure
