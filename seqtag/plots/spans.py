"""Accuracy against how far back lies what tells the answer: how long networks remember."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from seqtag.errors import DataError
from seqtag.plots.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    SMALL_SIZE,
    VERMILION,
    empty_figure,
    label_axes,
    style_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, INK)
MARKERS = ("o", "s", "^", "D", "P", "X")
VARIANTS = ("-", "--", ":")
"""Strokes of the lines of one colour."""

_COLUMNS = 2
_WIDTH, _HEIGHT = 4.0, 2.5  # inches of a panel
_GAP = 0.105  # between two names, as a share of a panel's height
_ASIDE = 1.035  # what lags are multiplied by from one line to the next, so that none hides another
_NAMES_FROM = 1.07  # where names begin, as a share of a panel's width


@dataclass(frozen=True)
class SpanPanel:
    """What one panel of `plot_memory_span` shows.

    Parameters
    ----------
    title : str
        Written above.
    floor : float
        The accuracy without memory.
    lines : mapping of str to mapping of int to sequence of float
        By name and lag (in steps) the accuracies of the runs. What follows a comma in a name is a variant of what
        stands before it, and drawn in the same colour.
    """

    title: str
    floor: float
    lines: Mapping[str, Mapping[int, SequenceOf[float]]]


def plot_memory_span(panels: SequenceOf[SpanPanel]) -> Figure:
    """Draw accuracy against lag, a line a network: its mean over the runs, and a band from the least to the greatest.

    A dashed line is the accuracy without memory, a dotted one halfway from there to 1, where a memory span ends. The
    lines of one lag stand a little beside each other.

    Parameters
    ----------
    panels : sequence of SpanPanel
        Two stand side by side.

    Raises
    ------
    DataError
        If there is no panel, or one without lines.
    NotInstalledError
        If there is no matplotlib.
    """
    if not panels or not all(panel.lines and all(panel.lines.values()) for panel in panels):
        raise DataError(f"memory spans need panels with a line each, of at least one lag; got {list(panels)!r}.")
    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    figure = empty_figure(_WIDTH * columns, _HEIGHT * rows)
    grid = figure.subplots(rows, columns, squeeze=False)
    styles = _styles(name for panel in panels for name in panel.lines)
    for i, axes in enumerate(grid.flat):
        if i < len(panels):
            _draw_panel(axes, panels[i], styles)
            is_lowest = i + columns >= len(panels)
            label_axes(axes, "lag (steps)" * is_lowest, "accuracy" * (i % columns == 0))
            axes.set_title(panels[i].title, fontsize=SMALL_SIZE + 1.5, color=INK, loc="left", parse_math=False)
        else:
            axes.set_visible(False)
    return figure


def _styles(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the look of each line: a colour and a marker by what stands before a comma, a stroke by what follows."""
    families: dict[str, list[str]] = {}
    for name in names:
        members = families.setdefault(name.partition(",")[0], [])
        if name not in members:
            members.append(name)
    return {
        name: {
            "color": COLOURS[i % len(COLOURS)],
            "marker": MARKERS[i % len(MARKERS)],
            "linestyle": VARIANTS[k % len(VARIANTS)],
            "markerfacecolor": COLOURS[i % len(COLOURS)] if k == 0 else "white",
        }
        for i, members in enumerate(families.values())
        for k, name in enumerate(members)
    }


def _draw_panel(axes: Axes, panel: SpanPanel, styles: Mapping[str, dict[str, Any]]) -> None:
    from matplotlib.ticker import NullLocator

    style_axes(axes)
    lags = sorted({lag for line in panel.lines.values() for lag in line})
    axes.set_xscale("log", base=2)
    axes.set_xticks(lags, [str(lag) for lag in lags])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(lags[0] / 1.2, lags[-1] * 1.2)
    least = min(value for line in panel.lines.values() for runs in line.values() for value in runs)
    axes.set_ylim(max(0.0, min(panel.floor, least) - 0.08), 1.03)
    for height, stroke, name in ((panel.floor, "--", "without memory"), ((1 + panel.floor) / 2, ":", "halfway")):
        axes.axhline(height, color=GREY, linestyle=stroke, linewidth=1.1, zorder=1)
        place: dict[str, Any] = {"xy": (0.015, height), "xycoords": axes.get_yaxis_transform(), "xytext": (0, 2)}
        axes.annotate(name, **place, textcoords="offset points", fontsize=SMALL_SIZE - 0.5, color=GREY)
    for k, (name, line) in enumerate(panel.lines.items()):
        _draw_line(axes, line, _ASIDE ** (k - (len(panel.lines) - 1) / 2), styles[name])
    _name_lines(axes, panel.lines, styles)


def _draw_line(axes: Axes, line: Mapping[int, SequenceOf[float]], aside: float, style: dict[str, Any]) -> None:
    lags = sorted(line)
    places = [lag * aside for lag in lags]
    runs = [np.asarray(line[lag], float) for lag in lags]
    axes.plot(places, [run.mean() for run in runs], linewidth=1.7, markersize=4.5, **style)
    ends = [run.min() for run in runs], [run.max() for run in runs]
    axes.fill_between(places, *ends, color=style["color"], alpha=0.13, linewidth=0)


def _name_lines(
    axes: Axes, lines: Mapping[str, Mapping[int, SequenceOf[float]]], styles: Mapping[str, dict[str, Any]]
) -> None:
    """Write each name at the right, as near as the others let it to where its line ends."""
    low, high = axes.get_ylim()
    names = list(lines)
    lasts = [max(lines[name]) for name in names]
    ends = [float(np.mean(lines[name][last])) for name, last in zip(names, lasts, strict=True)]
    heights = spread([(end - low) / (high - low) for end in ends], _GAP)
    for name, last, end, height in zip(names, lasts, ends, heights, strict=True):
        axes.annotate(
            name,
            (last, end),
            (_NAMES_FROM, height),
            textcoords="axes fraction",
            va="center",
            fontsize=SMALL_SIZE,
            color=INK,
            parse_math=False,
            arrowprops={
                "arrowstyle": "-",
                "relpos": (0, 0.5),
                "color": styles[name]["color"],
                "linestyle": styles[name]["linestyle"],
                "linewidth": 1.0,
                "shrinkA": 1,
                "shrinkB": 3,
            },
        )


def spread(values: SequenceOf[float], gap: float) -> list[float]:
    """Move values apart until all neighbours are a gap apart, in the same order and within 0 and 1 where they fit.

    Parameters
    ----------
    values : sequence of float
        Between 0 and 1.
    gap : float
        The least distance.

    Returns
    -------
    list of float
        In the order of ``values``; of equal ones the first stands above.
    """
    order = sorted(range(len(values)), key=lambda i: -values[i])
    moved = [0.0] * len(values)
    above = 1.0 + gap
    for i in order:
        moved[i] = above = min(values[i], above - gap)
    below = -gap
    for i in reversed(order):  # what was pushed out below pushes back
        moved[i] = below = max(moved[i], below + gap)
    return moved
