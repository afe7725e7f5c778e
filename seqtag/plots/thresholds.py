"""Precision and recall over the threshold on a probability."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from seqtag.errors import DataError
from seqtag.plots.style import BLUE, INK, ORANGE, PURPLE, SMALL_SIZE, label_axes, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from seqtag.metrics import ThresholdCurve


def plot_threshold_curve(curve: ThresholdCurve, title: str = "Spans kept by their probability") -> Figure:
    """Draw precision, recall and F1 of the spans that are at least as probable as a threshold.

    Parameters
    ----------
    curve : ThresholdCurve
        From `seqtag.metrics.SpanConfidence.curve`.
    title : str
        Written above.

    Raises
    ------
    DataError
        If the curve has no point, since no span was predicted.
    NotInstalledError
        If there is no matplotlib.
    """
    if not len(curve.thresholds):
        raise DataError("a curve over the threshold needs predicted spans; there are none.")
    figure, (axes,) = new_figure(5.0, 3.8)
    places = np.concatenate([[0.0], curve.thresholds])  # below the least probability all spans are kept
    for values, colour, name in (
        (curve.precision, BLUE, "precision"),
        (curve.recall, ORANGE, "recall"),
        (curve.f1, PURPLE, "F1"),
    ):
        drawn = np.concatenate([values[:1], values])
        axes.plot(places, drawn, color=colour, linewidth=1.6, drawstyle="steps-pre", label=name)
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    label_axes(axes, "threshold", "share", title)
    axes.legend(loc="lower left", fontsize=SMALL_SIZE, frameon=False, labelcolor=INK)
    return figure
