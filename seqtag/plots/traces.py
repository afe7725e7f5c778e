"""Pictures of what a network keeps in mind: states, gates, attention, influence (`seqtag.trace`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from seqtag.errors import DataError
from seqtag.plots._page import Page, Panel
from seqtag.plots.lettering import lettering
from seqtag.plots.style import (
    BLUE,
    DIVERGING,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    SEQUENTIAL,
    SMALL_SIZE,
    VERMILION,
    label_axes,
    new_figure,
    style_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

    from seqtag.reference import CellRun, LayerRun
    from seqtag.trace import Memory, Trace

COLOURS = (BLUE, ORANGE, GREEN, VERMILION, PURPLE)
MOST_UNITS = 64
"""Units of a direction that are drawn, those that vary most."""
MOST_LABELS = 12
"""Labels or classes whose probabilities are drawn, the likeliest."""
MOST_MARKERS = 60
"""Steps up to which a line marks each."""
PLACE = "place of the input, in steps from the answer"
NO_GATES = ("candidate", "cell")
"""What a cell shows that lies not between 0, closed, and 1, open."""


def plot_trace(trace: Trace, title: str = "") -> Figure:
    """Draw a trace: hidden states and gates over time, then what each input changes and what came out.

    For each layer and direction the states are an image with a row a unit, in an order that puts units together which
    go up and down together (the angle in the plane of the first two principal components, as Friendly, 2002, orders
    correlations), and the gates are lines, each the mean over the units; of a cell without gates, how far its state
    moves. Below stands the influence: of a tagger an image with a row an answer and a column an input, of a
    classifier bars.

    Parameters
    ----------
    trace : Trace
        Of a sequence that is not empty.
    title : str
        Written above, instead of the sequence.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    DataError
        If the sequence is empty.
    NotInstalledError
        If there is no matplotlib.
    """
    if not len(trace):
        raise DataError("a picture needs a sequence with at least one step; got the trace of an empty one.")
    page = Page(trace, lettering([title, *trace.steps, *map(str, trace.labels)]))
    for depth, layer in enumerate(trace.layers):
        _add_layer(page, layer, depth)
    if trace.is_tagger:
        _add_answers(page)
    else:
        _add_answer(page)
    return page.drawn(title)


def plot_memory(memories: Mapping[str, Memory], title: str = "How far a network looks") -> Figure:
    """Draw the mean influence of an input against its distance from the answer, a line a network.

    Parameters
    ----------
    memories : mapping of str to Memory
        From `seqtag.trace.memory`, by the name that the legend shows.
    title : str
        Written above.

    Raises
    ------
    DataError
        If there is none.
    NotInstalledError
        If there is no matplotlib.
    """
    if not memories:
        raise DataError("a picture of memories needs at least one; got none.")
    figure, (axes,) = new_figure(6.4, 3.8)
    for i, (name, memory) in enumerate(memories.items()):
        style = ("-", "--", ":")[i // len(COLOURS) % 3]
        label = f"{name} (reach {memory.reach:.1f} steps)"
        _draw_line(axes, memory, color=COLOURS[i % len(COLOURS)], linestyle=style, label=label)
    _frame_lines(axes, memories.values())
    label_axes(axes, PLACE, "mean influence", title)
    for text in axes.legend(fontsize=SMALL_SIZE, frameon=False, labelcolor=INK).get_texts():
        text.set_parse_math(False)
    return figure


# ---- states and gates --------------------------------------------------------------------------------------


def _add_layer(page: Page, layer: LayerRun, depth: int) -> None:
    """Add two directions side by side, gates below states; or one direction with its gates beside its states."""
    top = max(float(np.abs(run.states).max()) for run in layer.ways.values()) or 1.0
    is_one = len(layer.ways) == 1
    row = page.add_row(1.7, has_names=is_one)
    below = row if is_one else page.add_row(1.0, has_names=True)
    for column, (way, run) in enumerate(layer.ways.items()):
        number = f"layer {depth + 1}, " if len(page.trace.layers) > 1 else ""
        states = partial(_draw_states, page, run, f"{number}{way}".capitalize(), top, is_one)
        changes = partial(_draw_gates if run.gates else _draw_change, page, run)
        is_last = column == len(layer.ways) - 1
        page.panels.append(Panel(states, row, column, bar="state" if is_last else ""))
        page.panels.append(Panel(changes, below, 1 if is_one else column))


def _draw_states(page: Page, run: CellRun, title: str, top: float, has_names: bool, axes: Axes) -> AxesImage:
    units = run.states.shape[1]
    kept = np.sort(np.argsort(-run.states.var(axis=0), kind="stable")[:MOST_UNITS])
    states = run.states[:, kept]
    rows = states[:, order_units(states)].T
    image = _draw_image(axes, rows, cmap=DIVERGING, vmin=-top, vmax=top)
    axes.set_yticks([])
    some = f"{len(kept)} of {units} units" if units > len(kept) else f"{units} units"
    label_axes(axes, y="unit", title=f"{title}: hidden states ({some})")
    page.name_steps(axes, has_names)
    return image


def _draw_gates(page: Page, run: CellRun, axes: Axes) -> None:
    style_axes(axes)
    shown = {name: gate for name, gate in run.gates.items() if name not in NO_GATES}
    for colour, (name, gate) in zip(COLOURS, shown.items(), strict=False):
        marker = "o" if len(page.trace) <= MOST_MARKERS else None
        axes.plot(page.times, gate.mean(axis=1), color=colour, marker=marker, markersize=3, label=name)
    axes.set_ylim(0, 1)
    label_axes(axes, y="mean opening", title="Gates")
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=len(shown),
        fontsize=SMALL_SIZE,
        frameon=False,
        labelcolor=INK,
        borderaxespad=0.1,
    )
    page.name_steps(axes)


def _draw_change(page: Page, run: CellRun, axes: Axes) -> None:
    """Draw, for a cell without gates, how far the state moves between two steps."""
    style_axes(axes)
    moved = np.abs(np.diff(run.states, axis=0)).mean(axis=1)
    marker = "o" if len(page.trace) <= MOST_MARKERS else None
    axes.plot(page.times[:-1] + 0.5, moved, color=BLUE, marker=marker, markersize=3)
    axes.set_ylim(0, (float(moved.max(initial=0.0)) or 1.0) * 1.05)
    label_axes(axes, y="mean change", title="Change of the state from step to step")
    page.name_steps(axes)


def _draw_image(axes: Axes, values: np.ndarray, **colours: Any) -> AxesImage:
    style_axes(axes, grid=False)
    return axes.imshow(values, aspect="auto", interpolation="nearest", **colours)


def order_units(states: np.ndarray) -> np.ndarray:
    """Return an order of units in which those stand together that go up and down together.

    Parameters
    ----------
    states : ndarray, shape (T, H)

    Returns
    -------
    ndarray of int, shape (H,)
    """
    centred = states - states.mean(axis=0)
    centred /= np.maximum(centred.std(axis=0), 1e-12)
    loadings = np.linalg.svd(centred, full_matrices=False)[2][:2]  # (at most 2, H)
    if len(loadings) < 2:
        return np.argsort(states[0], kind="stable")
    angles = np.arctan2(loadings[1], loadings[0])
    order = np.argsort(angles, kind="stable")
    gaps = np.diff(angles[order], append=angles[order[0]] + 2 * np.pi)
    return np.roll(order, -int(gaps.argmax()) - 1)  # the circle is cut where it is emptiest


# ---- influence and answers ---------------------------------------------------------------------------------


def _add_answers(page: Page) -> None:
    """Add what a tagger answers, and the influence, with memory beside it."""
    if page.trace.influence is None:
        row = page.add_row(1.7, has_names=True)
        draw = partial(_draw_labels, page)
        page.panels.append(Panel(draw, row, 0, bar="probability"))
        return
    row = page.add_row(0.5 * page.width - 0.4, has_names=True)
    page.add_row(0.5 * page.width - 0.4, has_names=True)
    page.panels.extend(
        [
            Panel(partial(_draw_influence, page), row, 0, rows=2, bar="change of the answer's distribution"),
            Panel(partial(_draw_labels, page), row, 1, bar="probability"),
            Panel(partial(_draw_memory, page), row + 1, 1),
        ]
    )


def _add_answer(page: Page) -> None:
    """Add what a classifier answers, and beside it influence and attention of each step."""
    trace = page.trace
    bars = {"Influence of each input on the answer": trace.influence, "Attention to each state": trace.attention}
    shown = {title: np.ravel(heights) for title, heights in bars.items() if heights is not None}
    rows = [page.add_row(1.0 if len(shown) > 1 else 1.7, title == list(shown)[-1]) for title in shown]
    if not shown:
        rows = [page.add_row(1.7, has_names=False)]
    for colour, row, (title, heights) in zip(COLOURS, rows, shown.items(), strict=False):
        page.panels.append(Panel(partial(_draw_bars, page, title, heights, colour, row == rows[-1]), row, 0))
    draw = partial(_draw_classes, page)
    page.panels.append(Panel(draw, rows[0], 1 if shown else 0, rows=len(rows)))


def _draw_influence(page: Page, axes: Axes) -> AxesImage:
    moved = page.trace.influence
    assert moved is not None
    image = _draw_image(axes, moved, cmap=SEQUENTIAL, vmin=0, vmax=float(moved.max()) or 1.0)
    page.name_rows(axes, page.ticks, [f"{page.name(i)}  {page.trace.answer[i]}" for i in page.ticks])
    label_axes(axes, x="input taken away", y="answer", title="Influence of each input on each answer")
    page.name_steps(axes)
    return image


def _draw_labels(page: Page, axes: Axes) -> AxesImage:
    output, labels = page.trace.output, page.trace.labels
    kept = np.sort(np.argsort(-output.max(axis=0), kind="stable")[:MOST_LABELS])
    image = _draw_image(axes, output[:, kept].T, cmap=SEQUENTIAL, vmin=0, vmax=1)
    page.name_rows(axes, range(len(kept)), [labels[k] for k in kept])
    some = f" ({len(kept)} likeliest of {len(labels)} labels)" if len(kept) < len(labels) else ""
    label_axes(axes, title=f"Answers{some}")
    page.name_steps(axes)
    return image


def _draw_memory(page: Page, axes: Axes) -> None:
    style_axes(axes)
    memory = page.trace.memory()
    _draw_line(axes, memory, color=BLUE)
    _frame_lines(axes, [memory])
    label_axes(axes, PLACE, "mean influence", f"Influence by distance (reach {memory.reach:.1f} steps)")


def _draw_bars(page: Page, title: str, heights: np.ndarray, colour: str, has_names: bool, axes: Axes) -> None:
    style_axes(axes)
    axes.bar(page.times, heights, color=colour, width=0.8)
    axes.set_ylim(0, (float(heights.max()) or 1.0) * 1.05)
    label_axes(axes, title=title)
    page.name_steps(axes, has_names)


def _draw_classes(page: Page, axes: Axes) -> None:
    trace = page.trace
    style_axes(axes)
    kept = np.argsort(-trace.output, kind="stable")[:MOST_LABELS]
    chosen = trace.answer if isinstance(trace.answer, tuple) else (trace.answer,)
    colours = [BLUE if trace.labels[k] in chosen else GREY for k in kept]
    axes.barh(range(len(kept)), trace.output[kept], color=colours, height=0.7)
    page.name_rows(axes, range(len(kept)), [trace.labels[k] for k in kept])
    axes.set_xlim(0, 1)
    axes.set_ylim(max(len(kept), 6) - 0.5, -0.5)  # the likeliest above; two bars do not fill the panel
    some = f" ({len(kept)} likeliest of {len(trace.labels)} classes)" if len(kept) < len(trace.labels) else ""
    label_axes(axes, x="probability", title=f"Answer{some}")


def _draw_line(axes: Axes, memory: Memory, **style: Any) -> None:
    axes.plot(memory.distances, memory.influence, marker="o", markersize=3, **style)


def _frame_lines(axes: Axes, memories: Iterable[Memory]) -> None:
    """Show the distances at which there is an influence to see, some more at both sides, and 0 in any case."""
    from matplotlib.ticker import MaxNLocator

    memories = list(memories)
    top = max((float(memory.influence.max(initial=0.0)) for memory in memories), default=0.0) or 1.0
    seen = [memory.distances[memory.influence > 0.005 * top] for memory in memories]
    far = np.concatenate([[0], *seen])
    low, high = int(far.min()), int(far.max())
    aside = max(3, (high - low) // 4)
    axes.set_xlim(low - aside, high + aside)
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))
    axes.axvline(0, color=GREY, linewidth=0.8, zorder=1)
    axes.set_ylim(0, 1.05 * top)
