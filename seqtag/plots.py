"""Pictures, as `matplotlib.figure.Figure` made without pyplot: no window, no state that others could see.

A picture is drawn with `new_figure` and `label_axes`, so that all look alike, and written with `save_figure`.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from seqtag.errors import DataError, NotInstalledError, near_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from seqtag.metrics import ClassReport, Reliability

BLUE, ORANGE, GREEN, VERMILION, PURPLE = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7"
"""Colours that people with any colour vision tell apart (Okabe and Ito, 2008), in the order to use them in."""
INK, GREY, PALE = "#222222", "#6b6b6b", "#d9d9d9"
"""Text; what is beside the point, such as axes and a baseline; grid lines."""
SEQUENTIAL, DIVERGING = "Blues", "RdBu_r"
"""Colour maps: of amounts from nothing, light to dark, and of values around 0."""
TITLE_SIZE, TEXT_SIZE, SMALL_SIZE = 12.0, 10.0, 8.5  # points

SUFFIXES = (".png", ".svg", ".pdf")
DPI = 150

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
    names = [_shortened(str(label)) for label in report.labels]
    side, beside = min(max(0.42 * k, 3.2), 11.0), 0.085 * max(map(len, names))  # inches
    figure, (axes,) = new_figure(side + beside + 1.7, side + beside + 0.7)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap=SEQUENTIAL, vmin=0, vmax=1)
    label_axes(axes, "predicted", "gold", f"{title}: accuracy {100 * report.accuracy:.1f} %")
    axes.grid(False)
    step = -(-k // _MOST_NAMES)
    axes.set_xticks(range(0, k, step), names[::step], rotation=90 if beside > 0.3 else 0, parse_math=False)
    axes.set_yticks(range(0, k, step), names[::step], parse_math=False)
    if k <= _MOST_NUMBERS:
        for row, column in np.argwhere(counts):
            colour = "white" if shares[row, column] > _DARK else "black"
            text = f"{counts[row, column]}"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=SMALL_SIZE)
    bar = figure.colorbar(image, ax=axes, shrink=0.8)
    bar.set_label("share of the gold class", fontsize=TEXT_SIZE, color=INK)
    bar.ax.tick_params(labelsize=SMALL_SIZE, colors=GREY, labelcolor=INK)
    bar.outline.set_visible(False)
    return figure


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Write a figure as what the suffix of the path says, the same bytes for the same figure.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : path
        Ends in .png (150 dots an inch), .svg or .pdf.

    Returns
    -------
    Path
        The path.

    Raises
    ------
    DataError
        If the suffix is another one, or the file cannot be written.
    NotInstalledError
        If there is no matplotlib.
    """
    matplotlib = _matplotlib()
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(
            f"a figure's path must end in {', '.join(SUFFIXES)}; got {str(path)!r}." + near_name(suffix, SUFFIXES)
        )
    undated = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}[suffix]
    try:
        with matplotlib.rc_context({"svg.hashsalt": "seqtag"}):  # ids of an SVG are drawn anew without it
            figure.savefig(path, format=suffix[1:], dpi=DPI, metadata=undated)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}. Choose another place.") from error
    return path


def new_figure(width: float, height: float, panels: tuple[float, ...] = (1.0,)) -> tuple[Figure, list[Axes]]:
    """Make an empty figure.

    Parameters
    ----------
    width, height : float
        Inches.
    panels : tuple of float
        Heights, relative to each other, of the axes that stand one below the other and share their horizontal axis.

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : list of matplotlib.axes.Axes
        One a panel, from top to bottom.

    Raises
    ------
    NotInstalledError
        If there is no matplotlib.
    """
    _matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": panels})
    axes = list(grid[:, 0])
    for one in axes:
        one.set_facecolor("white")
        one.spines[["top", "right"]].set_visible(False)
        one.spines[["left", "bottom"]].set_color(GREY)
        one.tick_params(labelsize=SMALL_SIZE, colors=GREY, labelcolor=INK)
        one.grid(True, color=PALE, linewidth=0.6)
        one.set_axisbelow(True)
    return figure, axes


def label_axes(axes: Axes, x: str = "", y: str = "", title: str = "") -> None:
    """Write what the axes show; the text is taken as it is, dollar signs too.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    x, y : str
        What stands at the axes, with its unit in brackets.
    title : str
        What stands above, a sentence without a full stop.
    """
    axes.set_xlabel(x, fontsize=TEXT_SIZE, color=INK, parse_math=False)
    axes.set_ylabel(y, fontsize=TEXT_SIZE, color=INK, parse_math=False)
    axes.set_title(title, fontsize=TITLE_SIZE, color=INK, loc="left", parse_math=False)


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _matplotlib() -> ModuleType:
    try:
        import matplotlib
    except ImportError as error:
        raise NotInstalledError("pictures need matplotlib; run: pip install matplotlib") from error
    return matplotlib
