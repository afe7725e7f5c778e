"""What all pictures share: colours, sizes, empty figures, and how a figure is written.

A picture is drawn with `new_figure` and `label_axes`, so that all look alike, and written with `save_figure`.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from seqtag.errors import DataError, NotInstalledError, near_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

BLUE, ORANGE, GREEN, VERMILION, PURPLE = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7"
"""Colours that people with any colour vision tell apart (Okabe and Ito, 2008), in the order to use them in."""
INK, GREY, PALE = "#222222", "#6b6b6b", "#d9d9d9"
"""Text; what is beside the point, such as axes and a baseline; grid lines."""
SEQUENTIAL, DIVERGING = "Blues", "RdBu_r"
"""Colour maps: of amounts from nothing, light to dark, and of values around 0."""
TITLE_SIZE, TEXT_SIZE, SMALL_SIZE = 12.0, 10.0, 8.5  # points

SUFFIXES = (".png", ".svg", ".pdf")
DPI = 150


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
    matplotlib = load_matplotlib()
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
    figure = empty_figure(width, height)
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": panels})
    axes = list(grid[:, 0])
    for one in axes:
        style_axes(one)
    return figure, axes


def empty_figure(width: float, height: float) -> Figure:
    """Make a figure without axes, of so many inches, whose parts make room for each other.

    Parameters
    ----------
    width, height : float
        Inches.

    Raises
    ------
    NotInstalledError
        If there is no matplotlib.
    """
    load_matplotlib()
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def style_axes(axes: Axes, grid: bool = True) -> None:
    """Make axes look like all others.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    grid : bool
        Whether there are grid lines; over an image there are none.
    """
    axes.set_facecolor("white")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(labelsize=SMALL_SIZE, colors=GREY, labelcolor=INK)
    if grid:
        axes.grid(True, color=PALE, linewidth=0.6)
    axes.set_axisbelow(True)


def add_colour_bar(image: AxesImage, beside: Axes, label: str) -> None:
    """Put a colour bar at the right of an image.

    Parameters
    ----------
    image : matplotlib.image.AxesImage
        Whose colours it explains.
    beside : matplotlib.axes.Axes
        The image's own axes, from whose right a strip is taken; or empty axes, which become the bar.
    label : str
        What the colours stand for.
    """
    where = {"ax": beside, "shrink": 0.8} if beside is image.axes else {"cax": beside}
    bar = image.figure.colorbar(image, **where)
    bar.set_label(label, fontsize=TEXT_SIZE, color=INK)
    bar.ax.tick_params(labelsize=SMALL_SIZE, colors=GREY, labelcolor=INK)
    bar.outline.set_visible(False)


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


def load_matplotlib() -> ModuleType:
    """Import matplotlib.

    Raises
    ------
    NotInstalledError
        If there is none.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise NotInstalledError("pictures need matplotlib; run: pip install matplotlib") from error
    return matplotlib
