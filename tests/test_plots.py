"""Pictures: what they show is read back from the figure; what is written is a file of its kind."""

from __future__ import annotations

import builtins
import subprocess
import sys

import numpy as np
import pytest

from seqtag import plots
from seqtag.errors import DataError, NotInstalledError
from seqtag.metrics import class_report, reliability

matplotlib = pytest.importorskip("matplotlib", reason="pictures need matplotlib")

OVERCONFIDENT = reliability([0.95, 0.97, 0.9, 0.55, 0.5], [1, 0, 0, 0, 0], bins=10)
UNDERCONFIDENT = reliability([0.1, 0.2, 0.3], [1, 1, 1], bins=10)
REPORT = class_report(["spam", "ham", "ham", "eggs"], ["spam", "ham", "spam", "ham"])


def texts(artist):
    from matplotlib.text import Text

    return [found.get_text() for found in artist.findobj(Text) if found.get_text()]


def luminance(colour):
    """Relative luminance of a colour (WCAG 2.1)."""
    from matplotlib.colors import to_rgb

    rgb = np.array(to_rgb(colour))
    return np.where(rgb <= 0.03928, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]


# ---- reliability -------------------------------------------------------------------------------------------


def test_a_reliability_diagram_shows_accuracy_against_confidence_and_counts():
    figure = plots.plot_reliability(OVERCONFIDENT, title="Validation")
    above, below = figure.axes
    diagonal, points = above.get_lines()
    assert diagonal.get_xydata().tolist() == [[0, 0], [1, 1]]
    filled = OVERCONFIDENT.counts > 0
    expected = np.stack([OVERCONFIDENT.confidence[filled], OVERCONFIDENT.accuracy[filled]], axis=1)
    assert points.get_xydata() == pytest.approx(expected)
    assert [bar.get_height() for bar in below.patches] == OVERCONFIDENT.counts.tolist()
    edges = [bar.get_x() + bar.get_width() / 2 for bar in below.patches]
    assert edges == pytest.approx(np.arange(0.05, 1, 0.1))
    error = 100 * OVERCONFIDENT.expected_calibration_error
    assert above.get_title(loc="left") == f"Validation: calibration error {error:.1f} %"
    assert (above.get_ylabel(), below.get_xlabel(), below.get_ylabel()) == ("accuracy", "confidence", "cases")


@pytest.mark.parametrize(
    ("found", "legend"),
    [
        (OVERCONFIDENT, ["perfectly calibrated", "too confident", "accuracy of a bin"]),
        (UNDERCONFIDENT, ["perfectly calibrated", "not confident enough", "accuracy of a bin"]),
        (reliability([], []), ["perfectly calibrated", "accuracy of a bin"]),
    ],
)
def test_a_reliability_diagram_names_the_gaps_there_are(found, legend, tmp_path):
    figure = plots.plot_reliability(found)
    assert texts(figure.axes[0].get_legend()) == legend
    plots.save_figure(figure, tmp_path / "picture.png")


# ---- confusion ---------------------------------------------------------------------------------------------


def test_a_confusion_matrix_shows_shares_as_colours_and_counts_as_numbers():
    figure = plots.plot_confusion(REPORT, title="Test")
    axes = figure.axes[0]
    assert axes.images[0].get_array().tolist() == [[0, 1, 0], [0, 0.5, 0.5], [0, 0, 1]]
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert written == {(1, 0): "1", (1, 1): "1", (2, 1): "1", (2, 2): "1"}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["eggs", "ham", "spam"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["eggs", "ham", "spam"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "gold")
    assert axes.get_title(loc="left") == "Test: accuracy 50.0 %"


def test_numbers_stand_out_from_their_cells():
    gold = np.repeat(np.arange(12), 100)
    predicted = np.where(np.tile(np.arange(100), 12) < 8 * gold + 4, gold, (gold + 1) % 12)
    axes = plots.plot_confusion(class_report(gold, predicted)).axes[0]
    image = axes.images[0]
    for text in axes.texts:
        column, row = text.get_position()
        cell = luminance(image.cmap(image.norm(image.get_array()[row, column])))
        light, dark = sorted([cell, luminance(text.get_color())], reverse=True)
        assert (light + 0.05) / (dark + 0.05) > 4.5


@pytest.mark.parametrize("k", [1, 26, 61, 130])
def test_confusion_matrices_of_many_classes_keep_what_there_is_room_for(k, tmp_path):
    labels = [f"class {i}" for i in range(k)]
    figure = plots.plot_confusion(class_report(labels, labels, labels))
    axes = figure.axes[0]
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert names == labels[:: -(-k // 60)] and len(names) <= 60
    assert len(axes.texts) == (k if k <= 25 else 0)
    assert max(figure.get_size_inches()) < 14
    plots.save_figure(figure, tmp_path / "picture.png")


def test_names_are_written_as_they_are(tmp_path):
    labels = ["$x", "$a_{$", "a\\b", "n" * 200, ""]
    figure = plots.plot_confusion(class_report(labels, labels), title="costs in $ and $")
    plots.save_figure(figure, tmp_path / "picture.svg")
    assert {"$x", "$a_{$", "a\\b", "n" * 23 + "…"} < set(texts(figure))


def test_a_confusion_matrix_needs_one_class_each():
    with pytest.raises(DataError, match="one class each; got a report of several labels a sequence"):
        plots.plot_confusion(class_report([("a",)], [()]))
    with pytest.raises(DataError, match="got a report of no sequences"):
        plots.plot_confusion(class_report([], []))


# ---- files -------------------------------------------------------------------------------------------------

BEGINNINGS = {"png": b"\x89PNG\r\n", "svg": b"<?xml", "pdf": b"%PDF", "PNG": b"\x89PNG\r\n"}


@pytest.mark.parametrize("suffix", BEGINNINGS)
def test_a_figure_is_written_as_the_suffix_says_and_always_alike(suffix, tmp_path):
    written = [
        plots.save_figure(plots.plot_confusion(REPORT), tmp_path / f"{name}.{suffix}").read_bytes() for name in "ab"
    ]
    assert written[0] == written[1] and written[0].startswith(BEGINNINGS[suffix])
    assert plots.save_figure(plots.plot_confusion(REPORT), str(tmp_path / "c.svg")) == tmp_path / "c.svg"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("picture.jpg", r"must end in .png, .svg, .pdf; got '.*picture.jpg'\."),
        ("picture.pgn", r"Did you mean '\.png'"),
        ("picture", "must end in"),
        ("nowhere/picture.png", "cannot be written: No such file or directory"),
    ],
)
def test_figures_that_cannot_be_written(name, message, tmp_path):
    with pytest.raises(DataError, match=message):
        plots.save_figure(plots.plot_reliability(OVERCONFIDENT), tmp_path / name)
    assert not list(tmp_path.iterdir())


# ---- style and state ---------------------------------------------------------------------------------------


def test_panels_share_their_horizontal_axis():
    figure, axes = plots.new_figure(4, 3, panels=(2, 1, 1))
    assert len(axes) == 3 and figure.get_size_inches().tolist() == [4, 3]
    axes[0].set_xlim(2, 5)
    assert axes[2].get_xlim() == (2, 5)
    plots.label_axes(axes[2], x="time (s)")
    assert axes[2].get_xlabel() == "time (s)"


def test_lines_stand_out_from_the_paper_and_from_each_other():
    colours = [plots.BLUE, plots.ORANGE, plots.GREEN, plots.VERMILION, plots.PURPLE]
    assert len({round(float(luminance(colour)), 2) for colour in colours}) == len(colours)
    assert all(1.05 / (luminance(colour) + 0.05) > 7 for colour in [plots.INK])
    assert 1.05 / (luminance(plots.GREY) + 0.05) > 4.5


def test_pictures_leave_no_state(tmp_path):
    code = (
        "import sys; from seqtag import plots; assert 'matplotlib' not in sys.modules\n"
        "import matplotlib; before = matplotlib.rcParams.copy()\n"
        "from seqtag.metrics import class_report\n"
        "plots.save_figure(plots.plot_confusion(class_report(['a'], ['a'])), sys.argv[1])\n"
        "assert matplotlib.rcParams.copy() == before and 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code, str(tmp_path / "picture.svg")], check=True)


def test_what_is_missing_is_named(monkeypatch):
    def without(name, *rest, **options):
        if name.split(".")[0] == "matplotlib":
            raise ImportError(name)
        return imported(name, *rest, **options)

    imported = builtins.__import__
    figure = plots.plot_reliability(OVERCONFIDENT)
    monkeypatch.setattr(builtins, "__import__", without)
    for draw in (lambda: plots.plot_reliability(OVERCONFIDENT), lambda: plots.plot_confusion(REPORT)):
        with pytest.raises(NotInstalledError, match="need matplotlib; run: pip install matplotlib"):
            draw()
    with pytest.raises(NotInstalledError):
        plots.save_figure(figure, "picture.png")
