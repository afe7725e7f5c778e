"""What a sweep found: score by trial, and score by the value of each parameter, what mattered most first."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from seqtag.errors import DataError
from seqtag.plots.style import BLUE, GREY, INK, ORANGE, SMALL_SIZE, VERMILION, empty_figure, label_axes, style_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Scale: TypeAlias = Literal["linear", "log", "names"]

_COLUMNS = 3
_WIDTH, _HEIGHT, _TOP = 2.9, 2.1, 2.6  # inches of a parameter's panel, and the height of the panel of trials
_FAR = 3.0  # times that a score may lie as far below the median as the best lies above, to have a place of its own
_LONGEST_NAME = 12  # characters of a value on an axis


@dataclass(frozen=True)
class SweepPoint:
    """What `plot_sweep` shows of one trial.

    Parameters
    ----------
    score : float or None
        From 0 to 1; None of a trial that failed.
    pruned : bool
        Whether it was given up before its end.
    values : mapping of str to object
        What was tried, by parameter.
    """

    score: float | None
    pruned: bool
    values: Mapping[str, Any]


def plot_sweep(
    points: SequenceOf[SweepPoint],
    metric: str = "score",
    importances: Mapping[str, float] | None = None,
    scales: Mapping[str, Scale] | None = None,
    *,
    percent: bool = True,
) -> Figure:
    """Draw the scores of a sweep, above by trial, below by the value of each parameter.

    Scores far below all others stand at the lower edge, as triangles, so that the others can be told apart.

    Parameters
    ----------
    points : sequence of SweepPoint
        The trials in their order; the first had the values from before the sweep.
    metric : str
        What the score is called.
    importances : mapping of str to float, optional
        Share of the variance that each parameter explains; the most important stand first.
    scales : mapping of str to {"linear", "log", "names"}, optional
        How the values of a parameter stand on their axis; by default as numbers if they are, else side by side.
    percent : bool
        Whether scores are shares, which are shown in percent.

    Raises
    ------
    DataError
        If no trial has a score.
    NotInstalledError
        If there is no matplotlib.
    """
    scale, unit = (100, " %") if percent else (1, "")
    scores = np.array([np.nan if point.score is None else scale * point.score for point in points], float)
    if not np.isfinite(scores).any():
        raise DataError(f"a sweep's picture needs a trial with a score; got {len(points)} without.")
    names = sorted(points[0].values, key=lambda name: -(importances or {}).get(name, 0.0))
    rows = -(-len(names) // _COLUMNS)
    figure = empty_figure(_WIDTH * _COLUMNS, _TOP + _HEIGHT * rows)
    grid = figure.add_gridspec(1 + rows, _COLUMNS, height_ratios=[_TOP, *[_HEIGHT] * rows])
    cloud = _Cloud(scores, np.array([point.pruned for point in points], bool))
    top = figure.add_subplot(grid[0, :])
    _draw_trials(top, cloud, metric, unit)
    for i, name in enumerate(names):
        axes = figure.add_subplot(grid[1 + i // _COLUMNS, i % _COLUMNS], sharey=top)
        values = [point.values[name] for point in points]
        _draw_parameter(axes, cloud, values, (scales or {}).get(name) or _scale_of(values))
        share = f"  {100 * importances[name]:.0f} %" if importances and name in importances else ""
        label_axes(axes, y=_with_unit(metric, unit) if i % _COLUMNS == 0 else "")
        axes.set_title(f"{name}{share}", fontsize=SMALL_SIZE + 1.5, color=INK, loc="left", parse_math=False)
    return figure


class _Cloud:
    """The trials' scores, and how each is drawn at whatever place."""

    def __init__(self, scores: np.ndarray, pruned: np.ndarray) -> None:
        self.scores = scores
        self.is_complete = np.isfinite(scores) & ~pruned
        self.is_pruned = np.isfinite(scores) & pruned
        shown = scores[self.is_complete if self.is_complete.any() else np.isfinite(scores)]
        top, middle = float(shown.max()), float(np.median(shown))
        floor = middle - _FAR * max(top - middle, 0.1)
        lowest = float(shown[shown >= floor].min())
        margin = 0.08 * max(top - lowest, 0.5)
        self.limits = lowest - 2 * margin, top + margin
        self.is_below = np.isfinite(scores) & (scores < lowest - margin)
        self.best = int(np.argmax(np.where(self.is_complete, scores, -np.inf)))

    def draw(self, axes: Axes, places: np.ndarray) -> None:
        """Draw each score at its place (N,)."""
        edge = self.limits[0]
        looks: tuple[tuple[np.ndarray, dict[str, Any]], ...] = (
            (self.is_pruned & ~self.is_below, {"facecolor": "white", "edgecolor": GREY, "label": "given up"}),
            (self.is_complete & ~self.is_below, {"color": BLUE, "label": "complete"}),
        )
        for kind, look in looks:
            axes.scatter(places[kind], self.scores[kind], s=20, linewidth=1, zorder=3, **look)
        below = places[self.is_below]
        axes.scatter(
            below, np.full(len(below), edge), s=22, marker="v", color=GREY, zorder=3, clip_on=False, label="far below"
        )
        if self.is_complete.any():
            place = places[self.best : self.best + 1]
            score = self.scores[self.best : self.best + 1]
            axes.scatter(place, score, s=95, facecolor="none", edgecolor=VERMILION, linewidth=1.6, zorder=4)
        axes.set_ylim(*self.limits)


def _with_unit(metric: str, unit: str) -> str:
    return f"{metric} ({unit.strip()})" if unit else metric


def _draw_trials(axes: Axes, cloud: _Cloud, metric: str, unit: str) -> None:
    from matplotlib.ticker import MaxNLocator

    style_axes(axes)
    numbers = np.arange(1, len(cloud.scores) + 1)
    complete = numbers[cloud.is_complete]
    if len(complete):
        best = np.maximum.accumulate(cloud.scores[cloud.is_complete])
        ends = np.append(complete, len(numbers)), np.append(best, best[-1])
        axes.step(*ends, where="post", color=ORANGE, linewidth=1.6, label="best so far", zorder=2)
    cloud.draw(axes, numbers.astype(float))
    failed = numbers[~np.isfinite(cloud.scores)]
    axes.scatter(
        failed, np.full(len(failed), cloud.limits[0]), marker="x", s=22, color=INK, clip_on=False, label="failed"
    )
    axes.set_xlim(0.5, len(numbers) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    score = f", best {cloud.scores[cloud.best]:.2f}{unit} (trial {cloud.best + 1})" if len(complete) else ""
    label_axes(axes, "trial", _with_unit(metric, unit), f"Dev {metric} of {len(numbers)} trials{score}")
    handles, labels = axes.get_legend_handles_labels()
    kept = [(handle, label) for handle, label in zip(handles, labels, strict=True) if _is_drawn(handle)]
    axes.legend(
        *zip(*kept, strict=True),
        loc="lower right",
        fontsize=SMALL_SIZE,
        frameon=True,
        framealpha=0.85,
        edgecolor="none",
    )


def _is_drawn(handle: Any) -> bool:
    """Tell whether a legend's entry has anything to explain."""
    return not hasattr(handle, "get_offsets") or len(handle.get_offsets()) > 0


def _draw_parameter(axes: Axes, cloud: _Cloud, values: list[Any], scale: Scale) -> None:
    style_axes(axes)
    if scale == "names":
        names = _ordered(values)
        places = np.array([names.index(_name(value)) for value in values], float)
        for place in range(len(names)):
            here = cloud.scores[cloud.is_complete & (places == place)]
            if len(here):
                axes.hlines(np.median(here), place - 0.32, place + 0.32, color=ORANGE, linewidth=1.6, zorder=2)
        aside = 0.4 * ((np.arange(len(values)) * 0.618) % 1 - 0.5)  # so that none hides another
        cloud.draw(axes, places + aside)
        axes.set_xticks(range(len(names)), [name[:_LONGEST_NAME] for name in names], parse_math=False)
        axes.set_xlim(-0.5, len(names) - 0.5)
        return
    cloud.draw(axes, np.array(values, float))
    if scale == "log":
        axes.set_xscale("log")
        _name_decades(axes, values)


def _name_decades(axes: Axes, values: list[Any]) -> None:
    """Write plain numbers on an axis of orders of magnitude, few enough to be read."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    low, high = min(values), max(values)
    digits = (1, 2, 5) if high < 100 * low else (1,)
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    ticks = [digit * 10.0**power for power in powers for digit in digits]
    inside = [tick for tick in ticks if 0.9 * low <= tick <= 1.1 * high]
    axes.xaxis.set_major_locator(FixedLocator(inside if len(inside) > 1 else [low, high]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _scale_of(values: list[Any]) -> Scale:
    is_number = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
    return "linear" if is_number else "names"


def _ordered(values: list[Any]) -> list[str]:
    """Return the names of the values: numbers by size, then the others as they come."""
    numbers = sorted({value for value in values if _scale_of([value]) == "linear"})
    return list(dict.fromkeys(map(_name, (*numbers, *values))))


def _name(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
