"""Pictures, as `matplotlib.figure.Figure` made without pyplot: no window, no state that others could see."""

from __future__ import annotations

from seqtag.plots.classes import plot_confusion, plot_reliability
from seqtag.plots.spans import SpanPanel, plot_memory_span
from seqtag.plots.style import (
    BLUE,
    DIVERGING,
    DPI,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PALE,
    PURPLE,
    SEQUENTIAL,
    SMALL_SIZE,
    SUFFIXES,
    TEXT_SIZE,
    TITLE_SIZE,
    VERMILION,
    label_axes,
    new_figure,
    save_figure,
)
from seqtag.plots.surprisal import plot_surprisal
from seqtag.plots.sweeps import Scale, SweepPoint, plot_sweep
from seqtag.plots.thresholds import plot_threshold_curve
from seqtag.plots.traces import plot_memory, plot_trace

__all__ = [
    "BLUE",
    "DIVERGING",
    "DPI",
    "GREEN",
    "GREY",
    "INK",
    "ORANGE",
    "PALE",
    "PURPLE",
    "SEQUENTIAL",
    "SMALL_SIZE",
    "SUFFIXES",
    "TEXT_SIZE",
    "TITLE_SIZE",
    "VERMILION",
    "Scale",
    "SpanPanel",
    "SweepPoint",
    "label_axes",
    "new_figure",
    "plot_confusion",
    "plot_memory",
    "plot_memory_span",
    "plot_reliability",
    "plot_surprisal",
    "plot_sweep",
    "plot_threshold_curve",
    "plot_trace",
    "save_figure",
]
