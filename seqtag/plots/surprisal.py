"""How unexpected each symbol of a text was, as bars above the text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from seqtag.data.surprisal import Surprisal, as_written, visible
from seqtag.data.symbols import END_MARK, LEVELS
from seqtag.errors import DataError, ParameterError
from seqtag.plots.lettering import BOX, Lettering, lettering
from seqtag.plots.style import BLUE, GREY, INK, SMALL_SIZE, TITLE_SIZE, VERMILION, empty_figure, label_axes, style_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 600
"""Symbols that a picture shows at most; its height grows with them."""
COLUMNS = {"words": 30, "characters": 60, "bytes": 60}
_LONGEST_SYMBOL = 14
_WIDTH, _HEIGHT = 9.0, 1.25  # inches of a row without its symbols


def plot_surprisal(
    found: Sequence[Surprisal], *, level: str = "words", title: str = "", columns: int | None = None
) -> Figure:
    """Draw the bits of each symbol of a text, row below row, the symbols written below their bars.

    Symbols that the model does not know are drawn in another colour: their bits are those of "something unknown". A
    space is written ␣, a line break ↵. Bytes are put together to characters, whose bits are the sum. Symbols stand from
    left to right in the order of the list, those of scripts that are written from right to left, too.

    Parameters
    ----------
    found : sequence of Surprisal
        Of one text, see `LanguagePredictor.surprisal`; at least one symbol and at most 600.
    level : str
        What a symbol is: ``words``, ``characters`` or ``bytes``.
    title : str
        Written above, instead of the mean.
    columns : int, optional
        Symbols of a row; by default 30 words or 60 characters.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    DataError
        If there are no symbols, or too many.
    ParameterError
        If there is no such level, or ``columns`` is below 1.
    NotInstalledError
        If there is no matplotlib.
    """
    LEVELS[level]
    columns = COLUMNS.get(level, COLUMNS["characters"]) if columns is None else columns
    if columns < 1:
        raise ParameterError(f"columns must be a whole number from 1 on; got {columns!r}.")
    symbols = as_written(found, level)
    if not 0 < len(symbols) <= MOST:
        raise DataError(f"a picture of surprisal must have 1 to {MOST} symbols; got {len(symbols)}. Pass a part of it.")
    letters = lettering([title, *(visible(one.symbol) for one in symbols)])
    columns = min(columns, len(symbols))
    rows = [symbols[i : i + columns] for i in range(0, len(symbols), columns)]
    names = [[letters.write(visible(one.symbol), _LONGEST_SYMBOL) for one in row] for row in rows]
    is_upright = level == "words"
    room = 0.25 + (0.085 * max(len(name) for row in names for name in row) if is_upright else 0.1)
    figure = empty_figure(max(4.0, _WIDTH * min(1.0, columns / 25)), 0.5 + len(rows) * (_HEIGHT + room))
    top = max(one.bits for one in symbols) * 1.08 or 1.0
    for axes, row, written in zip(figure.subplots(len(rows), 1, squeeze=False).flat, rows, names, strict=True):
        _draw_row(axes, row, written, letters, is_upright)
        axes.set(xlim=(-0.6, columns - 0.4), ylim=(0, top))
    _write_around(figure, symbols, letters, title)
    return figure


def _draw_row(axes: Axes, row: list[Surprisal], names: list[str], letters: Lettering, is_upright: bool) -> None:
    style_axes(axes)
    axes.grid(False, axis="x")
    colours = [BLUE if one.known else VERMILION for one in row]
    hatches = ["" if one.known else "///" for one in row]
    axes.bar(range(len(row)), [one.bits for one in row], 0.8, color=colours, hatch=hatches, edgecolor="white")
    axes.set_xticks(range(len(row)), names, parse_math=False, rotation=90 if is_upright else 0)
    axes.tick_params(axis="x", length=0)
    for label, one in zip(axes.get_xticklabels(), row, strict=True):
        label.set_fontfamily(letters.families)
        label.set_color(INK if one.known else VERMILION)
        if one.symbol == END_MARK:
            label.set(color=GREY, rotation=90)
    label_axes(axes, y="bits")


def _write_around(figure: Figure, symbols: list[Surprisal], letters: Lettering, title: str) -> None:
    mean = sum(one.bits for one in symbols) / len(symbols)
    text = letters.write(title) if title else f"Surprisal: {mean:.2f} bits a symbol"
    above = figure.suptitle(text, x=0.01, ha="left", fontsize=TITLE_SIZE, color=INK, fontweight="bold")
    above.set(parse_math=False, fontfamily=letters.families)
    notes = [] if all(one.known for one in symbols) else ["hatched: unknown to the model"]
    notes += [f"{BOX} stands for a character that no installed font has"] if letters.lacking else []
    if notes:
        figure.supxlabel("; ".join(notes), x=0.01, ha="left", fontsize=SMALL_SIZE, color=GREY)
