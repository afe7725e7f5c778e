"""Pictures of traces: what they show is read back from the figure, whatever the script of the tokens."""

import numpy as np
import pytest
from networks import LABELS, UNITS, make_predictor
from numpy.testing import assert_allclose, assert_array_equal

from seqtag import plots
from seqtag.errors import DataError
from seqtag.metrics import class_report
from seqtag.plots import lettering as letters
from seqtag.plots.lettering import BOX, lettering
from seqtag.plots.traces import MOST_LABELS, MOST_UNITS, order_units
from seqtag.reference import CellRun, LayerRun
from seqtag.trace import Memory, Trace

matplotlib = pytest.importorskip("matplotlib", reason="pictures need matplotlib")

TOKENS = ["Ada", "moved", "to", "Paris"]


def texts(artist):
    from matplotlib.text import Text

    return [found.get_text() for found in artist.findobj(Text) if found.get_text()]


def panel(figure, title):
    (found,) = [axes for axes in figure.axes if axes.get_title(loc="left").startswith(title)]
    return found


def titles(figure):
    return [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]


def trace_of(*tokens, **options):
    influence = options.pop("influence", True)
    (trace,) = make_predictor(**{"head": "softmax", **options}).trace([list(tokens)], influence=influence)
    return trace


def made_trace(steps, units=3, labels=("a", "b")):
    """A trace of one forward layer without a model."""
    rng = np.random.default_rng(0)
    states = rng.normal(size=(len(steps), units)) * np.arange(1, units + 1)
    layer = LayerRun({"forward": CellRun(states, {})}, states)
    output = rng.dirichlet(np.ones(len(labels)), size=len(steps))
    answer = [labels[i] for i in output.argmax(axis=1)]
    return Trace(tuple(steps), (layer,), labels, output, answer, None, rng.random((len(steps), len(steps))))


# ---- states and gates --------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
@pytest.mark.parametrize("cell", ["lstm", "gru", "simple_rnn_relu"])
def test_states_and_gates_are_those_of_the_trace(cell, direction, tmp_path):
    trace = trace_of(*TOKENS, cell=cell, direction=direction, layers=2)
    figure = trace.plot()
    for depth, layer in enumerate(trace.layers):
        for way, run in layer.ways.items():
            axes = panel(figure, f"Layer {depth + 1}, {way}: hidden states ({UNITS} units)")
            image = axes.images[0].get_array()
            assert_array_equal(np.sort(image, axis=0), np.sort(run.states.T, axis=0))  # all units, in some order
            assert axes.images[0].get_clim() == (-axes.images[0].get_clim()[1], pytest.approx(np.abs(image).max(), 2))
    lines = [axes for axes in figure.axes if axes.get_title(loc="left") == "Gates"]
    assert len(lines) == (0 if cell == "simple_rnn_relu" else 2 * len(trace.layers[0].ways))
    for axes, run in zip(lines, (run for layer in trace.layers for run in layer.ways.values()), strict=False):
        shown = {line.get_label(): line.get_ydata() for line in axes.lines}
        assert list(shown) == {"lstm": ["input", "forget", "output"], "gru": ["update", "reset"]}[cell]
        for name, heights in shown.items():
            assert_allclose(heights, run.gates[name].mean(axis=1))
    if direction == "both":
        plots.save_figure(figure, tmp_path / "picture.png")


def test_a_cell_without_gates_shows_how_far_its_state_moves():
    trace = trace_of(*TOKENS, cell="simple_rnn", direction="forward")
    (line,) = panel(trace.plot(), "Change of the state").lines
    assert_allclose(line.get_ydata(), np.abs(np.diff(trace.layers[0].output, axis=0)).mean(axis=1))


def test_of_many_units_those_that_vary_most_are_drawn():
    figure = made_trace("abcdefgh", units=MOST_UNITS + 9).plot()
    axes = panel(figure, f"Forward: hidden states ({MOST_UNITS} of {MOST_UNITS + 9} units)")
    assert axes.images[0].get_array().shape == (MOST_UNITS, 8)


def test_units_that_go_together_stand_together():
    rng = np.random.default_rng(0)
    kinds = rng.permutation(np.repeat([0, 1, 2], 5))
    courses = rng.normal(size=(3, 40))
    states = courses[kinds].T * rng.uniform(0.2, 3.0, 15) + 0.1 * rng.normal(size=(40, 15)) * 0.5
    order = order_units(states)
    assert sorted(order) == list(range(15))
    assert np.count_nonzero(np.diff(kinds[order])) == 2
    assert_array_equal(order_units(np.array([[3.0, 1.0, 2.0]])), [1, 2, 0])
    assert sorted(order_units(np.ones((5, 3)))) == [0, 1, 2]


# ---- influence and answers ---------------------------------------------------------------------------------


def test_a_tagger_shows_influence_answers_and_memory():
    trace = trace_of(*TOKENS, direction="both")
    figure = trace.plot()
    axes = panel(figure, "Influence of each input on each answer")
    assert_array_equal(axes.images[0].get_array(), trace.influence)
    assert [tick.get_text() for tick in axes.get_xticklabels()] == TOKENS
    rows = [f"{token}  {label}" for token, label in zip(TOKENS, trace.answer, strict=True)]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == rows
    axes = panel(figure, "Answers")
    assert_array_equal(axes.images[0].get_array(), trace.output.T)
    assert [tick.get_text() for tick in axes.get_yticklabels()] == list(LABELS)
    axes = panel(figure, f"Influence by distance (reach {trace.memory().reach:.1f} steps)")
    assert_allclose(axes.lines[0].get_ydata(), trace.memory().influence)


@pytest.mark.parametrize("head", ["attention", "max"])
@pytest.mark.parametrize("influence", [True, False])
def test_a_classifier_shows_a_bar_for_each_step_and_class(head, influence, tmp_path):
    trace = trace_of(*TOKENS, head=head, influence=influence)
    figure = trace.plot()
    shown = {"Influence of each input": trace.influence, "Attention": trace.attention}
    for title, expected in shown.items():
        if expected is None:
            assert not any(found.startswith(title) for found in titles(figure))
        else:
            assert_allclose([bar.get_height() for bar in panel(figure, title).patches], np.ravel(expected))
    axes = panel(figure, "Answer")
    assert_allclose([bar.get_width() for bar in axes.patches], np.sort(trace.output)[::-1])
    names = [tick.get_text() for tick in axes.get_yticklabels()]
    assert names[0] == trace.answer and sorted(names) == list(LABELS)
    plots.save_figure(figure, tmp_path / "picture.png")


def test_without_influence_a_tagger_shows_its_answers():
    found = titles(trace_of(*TOKENS, influence=False).plot())
    assert "Answers" in found and not any("Influence" in title for title in found)


def test_of_many_labels_the_likeliest_are_drawn():
    labels = tuple(f"label {i:02d}" for i in range(MOST_LABELS + 5))
    figure = made_trace("abcdef", labels=labels).plot()
    axes = panel(figure, f"Answers ({MOST_LABELS} likeliest of {MOST_LABELS + 5} labels)")
    names = [tick.get_text() for tick in axes.get_yticklabels()]
    assert len(names) == MOST_LABELS and names == sorted(names)


def test_there_is_no_picture_of_nothing():
    with pytest.raises(DataError, match="at least one step"):
        trace_of().plot()
    with pytest.raises(DataError, match="at least one; got none"):
        plots.plot_memory({})


# ---- text --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 5, 60, 400])
def test_long_sequences_stay_readable(steps, tmp_path):
    figure = made_trace([f"token{i}" for i in range(steps)]).plot()
    axes = panel(figure, "Influence of each input on each answer")
    names = [tick.get_text() for tick in axes.get_xticklabels()]
    assert names[0] == "token0" and len(names) <= 45
    plots.save_figure(figure, tmp_path / "picture.png")
    room = axes.get_window_extent().width / figure.dpi
    assert room / len(names) >= 0.11  # inches for a line of 8.5 points
    assert figure.get_size_inches().max() < 16


def test_frames_have_round_numbers():
    figure = made_trace([str(i) for i in range(90)]).plot()
    assert figure.get_suptitle() == "90 frames"
    names = [tick.get_text() for tick in panel(figure, "Influence of each input on").get_xticklabels()]
    assert names == [str(i) for i in range(0, 90, 10)] or names == [str(i) for i in range(0, 90, 5)]


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_tokens_of_any_script_are_drawn_without_a_warning(suffix, tmp_path):
    steps = [
        "서울",
        "👩\u200d👧",
        "👍🏽",
        "हिन्दी",
        "\ud83d",
        "a\nb",
        "$x_1$",
        "cafe\u0301",
        "",
        "Donaudampfschifffahrt",
        "ق",
    ]
    figure = made_trace(steps, labels=("지명", "$b$")).plot(title="제목 $t$")
    plots.save_figure(figure, tmp_path / f"picture.{suffix}")
    names = [tick.get_text() for tick in panel(figure, "Influence of each input on each answer").get_xticklabels()]
    assert names[4:10] == ["\\ud83d", "a\\nb", "$x_1$", "cafe\u0301", "", "Donaudampfs…"]
    assert not any("\n" in text for text in texts(figure))


def test_what_no_font_has_is_a_box_and_the_picture_says_so(monkeypatch):
    monkeypatch.setattr(letters, "FALLBACKS", ())
    figure = made_trace(["서울", "a"]).plot()
    assert f"{BOX * 2} a" == figure.get_suptitle()
    assert any(text.startswith(f"{BOX} stands for") for text in texts(figure))
    assert not any(BOX in text for text in texts(made_trace(["b", "a"]).plot()))


def test_another_font_is_used_where_it_has_the_character(monkeypatch, tmp_path):
    char = "\ue000"  # private use: of the fonts that come with matplotlib, only STIX has it
    monkeypatch.setattr(letters, "FALLBACKS", ("No Such Font", "STIXNonUnicode"))
    found = lettering(["a", char, "한"])
    assert found.families == ("DejaVu Sans", "STIXNonUnicode") and found.lacking == {"한"}
    assert found.write(f"a{char}한") == f"a{char}{BOX}"
    assert lettering(["a"]).families == ("DejaVu Sans",) == lettering([]).families
    plots.save_figure(made_trace([char, "a"]).plot(), tmp_path / "picture.png")


def test_classes_of_any_script_are_drawn_without_a_warning(tmp_path):
    labels = ["서울", "👍🏽", "$b$"]
    figure = plots.plot_confusion(class_report(labels, labels))
    plots.save_figure(figure, tmp_path / "picture.png")
    names = [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    assert "$b$" in names and len(names) == 3


# ---- memory ------------------------------------------------------------------------------------------------


def test_memories_are_lines_by_distance(tmp_path):
    distances = np.arange(-30, 31)
    memories = {
        f"net$_{i}$": Memory(distances, np.where(np.abs(distances) <= i, 0.1 * (i + 1), 0.0), np.ones(61, int))
        for i in range(7)
    }
    figure = plots.plot_memory(memories, title="Cells")
    (axes,) = figure.axes
    lines = [line for line in axes.lines if line.get_label() in texts(axes.get_legend())]
    assert [line.get_label() for line in lines] == [
        f"{name} (reach {memory.reach:.1f} steps)" for name, memory in memories.items()
    ]
    for line, memory in zip(lines, memories.values(), strict=True):
        assert_array_equal(line.get_xdata(), memory.distances)
        assert_array_equal(line.get_ydata(), memory.influence)
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 7
    assert axes.get_xlim() == (-9, 9) and axes.get_ylim() == (0, pytest.approx(0.735))  # nothing is cut off
    plots.save_figure(figure, tmp_path / "picture.svg")


def test_a_memory_of_nothing_can_be_drawn(tmp_path):
    nothing = Memory(np.zeros(0, int), np.zeros(0), np.zeros(0, int))
    plots.save_figure(plots.plot_memory({"empty": nothing}), tmp_path / "picture.png")
