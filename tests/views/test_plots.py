"""Charts show the numbers they are given, and draw where they are told."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg

from cubelib.errors import DataError
from cubelib.metrics import Interval
from cubelib.views import intervals, plots
from cubelib.views.style import legend_below, styles

HIGH, LOW = Interval(0.9, 0.8, 1.0), Interval(0.1, 0.0, 0.2)


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_a_learning_curve_shows_what_was_kept_and_the_baselines():
    history = [{"epoch": e, "score": s, "dialogue_mrr": s} for e, s in enumerate([0.2, 0.5, 0.4])]
    ax = plots.learning_curve(history, "dialogue_mrr", lines={"ridge": 0.3}, least_span=1.0)
    curve, kept, line = ax.lines
    assert curve.get_ydata().tolist() == [0.2, 0.5, 0.4] and kept.get_xdata() == [1] and line.get_ydata() == [0.3, 0.3]
    assert np.ptp(ax.get_ylim()) >= 1.0 and legend(ax)[-1] == "ridge 0.3000"


def test_rate_and_damage_curves_show_each_model():
    ax = plots.rate_distortion([1, 2], {"PCA": [0.5, 0.7], "cube": [0.5, 0.6]}, floor=0.2)
    assert [line.get_ydata().tolist() for line in ax.lines[:2]] == [[0.5, 0.7], [0.5, 0.6]]
    assert ax.lines[0].get_linestyle() == "-" and ax.lines[1].get_linestyle() == "None"  # both visible if equal
    models = {name: {"mean": [0.9, mean], "deviation": [0.0, 0.1]} for name, mean in (("cube", 0.5), ("PCA", 0.7))}
    ax = plots.damage_curve({"shares": [0.0, 0.2], "models": models})
    cube, pca = (bars.lines[0] for bars in ax.containers)
    assert cube.get_xdata().tolist() == [0, 20] and pca.get_ydata().tolist() == [0.9, 0.7]


def test_a_histogram_counts_every_item_before_and_after():
    before, after = torch.linspace(-0.2, 0.5, 40), torch.linspace(0.3, 0.9, 40)
    ax = plots.similarity_histogram(before, after)
    *bars, outline = ax.patches
    assert sum(bar.get_height() for bar in bars) == 40 and bars[0].get_x() == pytest.approx(-0.2)
    assert outline.get_xy()[:, 0].max() == pytest.approx(0.9)
    assert legend(ax) == ["before training, mean 0.150", "after training, mean 0.600"]
    assert all(bar.get_width() > 0 for bar in plots.similarity_histogram(*2 * [torch.tensor([0.5])]).patches[:30])
    with pytest.raises(DataError, match="takes a cosine for each of the same items"):
        plots.similarity_histogram(torch.zeros(3), torch.zeros(4))


def test_a_model_looks_the_same_in_every_panel_and_is_once_in_the_legend():
    curves = {"cosine": {"mine": [0.1, 0.2]}, "MRR": {"control": [0.0, 0.0], "mine": [0.3]}}
    figure = plots.panels([0, 1], curves, xlabel="epoch", lines={"cosine": {"none": 0.1}, "MRR": {"none": 0.3}})
    left, right = ({line.get_label(): line for line in ax.lines} for ax in figure.axes)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["mine", "control", "none"]
    assert left["mine"].get_color() == right["mine"].get_color() != right["control"].get_color()
    assert list(right["mine"].get_xdata()) == [0]  # a shorter curve ends earlier
    with pytest.raises(ValueError, match="must have same first dimension"):
        plots.panels([0], curves, xlabel="epoch")


def test_charts_of_layouts_show_each_layout():
    figure = plots.by_distance({"a": {"x": [0.5, 0.2]}, "b": {"x": [0.1, 0.1]}}, floors={"b": 0.04})
    assert figure.axes[0].lines[0].get_ydata().tolist() == [0.5, 0.2]
    assert figure.axes[1].lines[1].get_ydata() == [0.04, 0.04]
    ax = plots.among_shuffles(torch.tensor([0.51, 0.52, 0.71]), {"a": 0.5, "b": 0.9}, limits=(0.0, 1.0))
    assert sum(patch.get_height() for patch in ax.patches) == 3
    assert [line.get_xdata().tolist() for line in ax.lines] == [[0.5], [0.9]] and max(ax.get_yticks()) <= 2
    ax = plots.before_and_after({"a": [0.5, 0.6], "b": [0.2]}, {"a": [0.7, 0.8], "b": [0.9]})
    starts, ends = ax.lines
    assert list(starts.get_xdata()) == [0.5, 0.6, 0.2] and list(ends.get_xdata()) == [0.7, 0.8, 0.9]
    assert len(set(starts.get_ydata())) == 3 and ax.get_xlim()[0] < 0.2


def test_a_forest_marks_the_intervals_that_do_not_contain_the_line():
    ax = intervals.forest({"a": Interval(0.5, 0.4, 0.7), "b": HIGH}, line=0.6, line_label="truth")
    inside, outside = ax.lines[:2]
    assert [bar.get_segments()[0][:, 0].tolist() for bar in ax.collections] == [[0.4, 0.7], [0.8, 1.0]]
    assert (inside.get_color(), inside.get_marker()) == (plots.BLUE, "o")
    assert (outside.get_color(), outside.get_marker()) == (plots.ORANGE, "s")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"] and ax.yaxis_inverted()
    assert len(intervals.forest([LOW] * 3).get_yticks()) == 0
    with pytest.raises(DataError, match="nothing to draw"):
        intervals.forest({})


def test_forests_side_by_side_show_every_interval_and_chance():
    figure = intervals.forest_panels(
        {"one": {"a": HIGH, "b": LOW}, "two": {"a": LOW, "b": LOW}}, label="MRR", chance=0.05
    )
    ax = figure.axes[0]
    assert [mark.get_xydata()[0].tolist() for mark in ax.lines[:2]] == [[0.9, 0], [0.1, 1]]
    assert ax.lines[2].get_xdata()[0] == 0.05 and ax.yaxis_inverted()


@pytest.mark.parametrize("panels", [{}, {"one": {}}, {"one": {"a": LOW}, "two": {}}])
def test_forests_of_different_models_are_refused(panels):
    with pytest.raises(DataError, match="the same models in the same order"):
        intervals.forest_panels(panels, label="share")


def test_a_panel_for_each_cheat_with_the_values_beside_the_marks():
    panels = {"A": {"x": {"A": HIGH, "B": HIGH}, "y": {"A": LOW, "B": HIGH}}, "C": {"x": {"C": LOW}}}
    left, right = intervals.plot_cheats(panels).axes
    assert [text.get_text() for text in left.texts] == ["0.90", "0.90", "0.10", "0.90"]
    assert legend(left) == ["A", "B"] and right.get_title() == "C" and len(right.texts) == 1


def test_charts_are_drawn_where_they_are_told():
    left, right = plots.side_by_side(2)
    assert plots.similarity_histogram(torch.rand(9), torch.rand(9), ax=right) is right and not left.has_data()
    assert intervals.forest([LOW], ax=left) is left and left.has_data()


# --- the palette -----------------------------------------------------------------------------------------------------


def test_the_cube_and_the_baselines_keep_their_styles_whatever_they_are_drawn_with():
    alone, crowded = styles(["cube"]), styles(["a", "b", "PCA", "cube, trained", "local PCA", "cube"])
    assert alone["cube"] == crowded["cube, trained"] != crowded["cube"]
    assert styles(["PCA"])["PCA"] == styles(["ridge", "MLP", "PCA"])["PCA"] == crowded["PCA"]


def test_no_two_curves_share_a_color_a_marker_or_a_line():
    looks = styles("abcdef").values()
    for part in ("color", "marker", "linestyle"):
        assert len({look[part] for look in looks}) == 6
    with pytest.raises(DataError, match=r"at most 6 curves .* got 7: a, b, c, d, e, f, g\. Leave some out"):
        styles("abcdefg")


@pytest.mark.parametrize("height", [1.6, 6.0])
def test_a_legend_below_is_clear_of_the_axis_label_at_any_height(height):
    ax = plots.new_axes(4.0, height)
    ax.plot([0, 1], label="a line")
    ax.set_xlabel("a label")
    legend = legend_below(ax)
    renderer = FigureCanvasAgg(ax.figure).get_renderer()
    ax.figure.draw(renderer)
    box, label = legend.get_window_extent(renderer), ax.xaxis.label.get_window_extent(renderer)
    assert box.y0 >= 0 and box.y1 < label.y0


def test_curves_of_several_runs_are_thin_and_their_mean_is_thick():
    runs = {"cube": [[0.1, 0.5, 0.6], [0.3, 0.7, 0.8]], "PCA": [0.4, 0.4]}
    ax = plots.curves(runs, ylabel="cosine", lines={"no model": 0.3}, title="two runs")
    first, second, mean, single, line = ax.lines
    assert first.get_ydata().tolist() == [0.1, 0.5, 0.6] and second.get_ydata().tolist() == [0.3, 0.7, 0.8]
    assert mean.get_ydata().tolist() == pytest.approx([0.2, 0.6, 0.7])
    assert mean.get_linewidth() > first.get_linewidth() and mean.get_color() == first.get_color() != single.get_color()
    assert list(single.get_xdata()) == [0, 1] and line.get_ydata() == [0.3, 0.3]  # a shorter curve ends earlier
    assert plots.curves({"cube": [0.1, 0.2]}, x=[10, 20], xlabel="steps", ylabel="loss").lines[0].get_xdata()[-1] == 20


@pytest.mark.parametrize("values", [[], [[]], [[0.1, 0.2], [0.3]]])
def test_runs_that_do_not_fit_together_are_refused(values):
    with pytest.raises(DataError, match="'cube' takes its values, or a list of runs that all have as many values"):
        plots.curves({"cube": values}, ylabel="cosine")
