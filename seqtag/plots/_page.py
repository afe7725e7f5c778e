"""A picture with a panel for each thing that happened step by step: how panels stand, and what is written at steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from seqtag.plots.lettering import BOX, Lettering
from seqtag.plots.style import GREY, INK, SMALL_SIZE, TITLE_SIZE, add_colour_bar, empty_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from matplotlib.text import Text

    from seqtag.trace import Trace

_LONGEST_STEP, _LONGEST_TITLE = 12, 90  # characters of a token on an axis, of a sequence above the picture
_STEP_WIDTH, _TICK_WIDTH = 0.24, 0.15  # inches that a step should have, and that its name must have
_COLUMNS = (1.0, 0.025, 1.0, 0.025)  # relative widths: two panels, each with room for a colour bar


@dataclass(frozen=True)
class Panel:
    """What is drawn where: ``draw`` fills axes and returns the image, if any, whose colours ``bar`` explains."""

    draw: Callable[[Axes], AxesImage | None]
    row: int
    column: int
    rows: int = 1
    bar: str = ""


@dataclass(frozen=True)
class Page:
    """A picture while it is put together: rows of one or two panels, all in one grid, so that steps stand aligned."""

    trace: Trace
    letters: Lettering
    heights: list[float] = field(default_factory=list)  # inches
    panels: list[Panel] = field(default_factory=list)

    def add_row(self, height: float, has_names: bool) -> int:
        """Add a row and return its number; the names of the steps below it need room, too."""
        self.heights.append(height + (self._names_height() if has_names else 0.25))
        return len(self.heights) - 1

    def drawn(self, title: str) -> Figure:
        """Return the figure."""
        figure = empty_figure(2 * self.width + 2.2, 0.6 + sum(self.heights))
        grid = figure.add_gridspec(len(self.heights), 4, height_ratios=self.heights, width_ratios=_COLUMNS)
        for panel in self.panels:
            rows, first = slice(panel.row, panel.row + panel.rows), 2 * panel.column
            image = panel.draw(figure.add_subplot(grid[rows, first]))
            if panel.bar and image is not None:
                add_colour_bar(image, figure.add_subplot(grid[rows, first + 1]), panel.bar)
        self._write_around(figure, title)
        return figure

    @property
    def width(self) -> float:
        """Width of a panel, inches."""
        return float(np.clip(_STEP_WIDTH * len(self.trace), 4.0, 6.6))

    @property
    def times(self) -> np.ndarray:
        """The steps by number."""
        return np.arange(len(self.trace))

    @property
    def has_numbers(self) -> bool:
        """Whether the steps are frames, whose names are their numbers."""
        return self.trace.steps == tuple(map(str, self.times))

    @property
    def ticks(self) -> np.ndarray:
        """The steps whose names there is room for."""
        room = self.width / (_TICK_WIDTH * (2.5 if self.has_numbers else 1))
        needed = max(1, int(np.ceil(len(self.trace) / room)))
        if self.has_numbers:
            rounds = [digit * 10**power for power in range(8) for digit in (1, 2, 5)]
            needed = next(step for step in rounds if step >= needed)
        return self.times[::needed]

    def name(self, step: int) -> str:
        """Return what is written for a step."""
        return self.letters.write(self.trace.steps[step], _LONGEST_STEP)

    def name_steps(self, axes: Axes, has_names: bool = True) -> None:
        """Write the steps below axes, or leave the marks without names where the axes below have them."""
        names = [self.name(i) if has_names else "" for i in self.ticks]
        axes.set_xticks(self.ticks, names, parse_math=False, rotation=0 if self.has_numbers else 90)
        axes.set_xlim(-0.5, len(self.trace) - 0.5)
        self._letter(axes.get_xticklabels())

    def name_rows(self, axes: Axes, places: Iterable[int], names: Iterable[Any]) -> None:
        """Write labels at the left of axes."""
        written = [self.letters.write(str(name), 2 * _LONGEST_STEP) for name in names]
        axes.set_yticks(list(places), written, parse_math=False)
        self._letter(axes.get_yticklabels())

    def _letter(self, texts: Iterable[Text]) -> None:
        for text in texts:
            text.set_fontfamily(self.letters.families)

    def _names_height(self) -> float:
        longest = 1 if self.has_numbers else max(len(self.name(i)) for i in self.ticks)
        return 0.09 * longest + 0.35

    def _write_around(self, figure: Figure, title: str) -> None:
        steps = f"{len(self.trace)} frames" if self.has_numbers else " ".join(self.trace.steps)
        text = self.letters.write(title or steps, _LONGEST_TITLE)
        above = figure.suptitle(text, x=0.01, ha="left", fontsize=TITLE_SIZE, color=INK, fontweight="bold")
        above.set(parse_math=False, fontfamily=self.letters.families)
        if self.letters.lacking:
            note = f"{BOX} stands for a character that no installed font has; fonts such as Noto Sans CJK have many"
            figure.supxlabel(note, x=0.01, ha="left", fontsize=SMALL_SIZE, color=GREY)
