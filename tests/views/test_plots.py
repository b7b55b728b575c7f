"""Charts show the numbers they are given, and draw where they are told."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib import rcParams
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb

from cubelib.errors import DataError
from cubelib.metrics import Interval
from cubelib.views import intervals, plots
from cubelib.views.labels import spread
from cubelib.views.style import DARK_BLUE, INK, MISS, PALE_BLUE, known_style, legend_below, styles

HIGH, LOW = Interval(0.9, 0.8, 1.0), Interval(0.1, 0.0, 0.2)


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def names(ax):
    return [text.get_text() for text in ax.texts]


def test_a_learning_curve_shows_what_was_kept_and_the_baselines():
    history = [{"epoch": e, "score": s, "dialogue_mrr": s} for e, s in enumerate([0.2, 0.5, 0.4])]
    ax = plots.learning_curve(history, "dialogue_mrr", lines={"ridge": 0.3}, least_span=1.0)
    curve, kept, line = ax.lines
    assert curve.get_ydata().tolist() == [0.2, 0.5, 0.4] and kept.get_xdata() == [1] and line.get_ydata() == [0.3, 0.3]
    assert np.ptp(ax.get_ylim()) >= 1.0 and names(ax) == ["cube, validation\n◆ kept: epoch 1", "ridge 0.300"]


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


def test_a_model_looks_the_same_in_every_panel():
    curves = {"cosine": {"mine": [0.1, 0.2]}, "MRR": {"control": [0.0, 0.0], "mine": [0.3]}}
    figure = plots.panels([0, 1], curves, xlabel="epoch", lines={"cosine": {"none": 0.1}, "MRR": {"none": 0.3}})
    assert [names(ax) for ax in figure.axes] == [["none", "mine"], ["none", "control", "mine"]] and not figure.legends
    left, right = ({line.get_label()[1:]: line for line in ax.lines} for ax in figure.axes)
    assert left["mine"].get_color() == right["mine"].get_color() != right["control"].get_color()
    assert list(right["mine"].get_xdata()) == [0]  # a shorter curve ends earlier
    with pytest.raises(ValueError, match="must have same first dimension"):
        plots.panels([0], curves, xlabel="epoch")


def test_many_panels_have_one_legend_below_with_each_name_once():
    curves = {metric: {"mine": [0.1, 0.2], "PCA": [0.1, 0.1]} for metric in ("cosine", "MRR", "overlap")}
    figure = plots.panels([0, 1], curves, xlabel="epoch", lines={"cosine": {"none": 0.1}, "MRR": {"none": 0.3}})
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["mine", "PCA", "none"]
    assert not any(ax.texts for ax in figure.axes)


def test_charts_of_layouts_show_each_layout():
    figure = plots.by_distance({"a": {"x": [0.5, 0.2]}, "b": {"x": [0.1, 0.1]}}, floors={"b": 0.04})
    assert figure.axes[0].lines[0].get_ydata().tolist() == [0.5, 0.2]
    assert figure.axes[1].lines[1].get_ydata() == [0.04, 0.04]
    assert [ax.get_ylim() for ax in figure.axes] == [(0, pytest.approx(0.54)), (0, pytest.approx(0.108))]
    assert [ax.get_ylabel().split("\n")[1:] for ax in figure.axes] == [
        ["(this axis ends at 0.54)"],
        ["(this axis ends at 0.11)"],
    ]
    alike = plots.by_distance({"a": {"x": [0.5, 0.2]}, "b": {"x": [0.4, 0.1]}})
    assert [ax.get_ylabel() for ax in alike.axes] == 2 * ["mean |correlation|"]
    ax = plots.among_shuffles(torch.tensor([0.51, 0.52, 0.71]), {"a": 0.5, "b": 0.9}, limits=(0.0, 1.0))
    assert sum(patch.get_height() for patch in ax.patches) == 3
    assert [line.get_xdata().tolist() for line in ax.lines] == [[0.9], [0.5]] and max(ax.get_yticks()) <= 2
    ax = plots.before_and_after({"a": [0.5, 0.6], "b": [0.2]}, {"a": [0.7, 0.8], "b": [0.9]})
    starts, ends = ax.lines
    assert list(starts.get_xdata()) == [0.5, 0.6, 0.2] and list(ends.get_xdata()) == [0.7, 0.8, 0.9]
    assert len(set(starts.get_ydata())) == 3 and ax.get_xlim()[0] < 0.2
    assert min(starts.get_ydata()) - ax.get_ylim()[1] > 0.4  # the first row is clear of the frame


def test_a_forest_marks_the_intervals_that_do_not_contain_the_line():
    ax = intervals.forest({"a": Interval(0.5, 0.4, 0.7), "b": HIGH}, line=0.6, line_label="truth")
    inside, outside = ax.lines[:2]
    assert [bar.get_segments()[0][:, 0].tolist() for bar in ax.collections] == [[0.4, 0.7], [0.8, 1.0]]
    assert (inside.get_color(), inside.get_markerfacecolor()) == (INK, "white")
    assert (outside.get_color(), outside.get_markerfacecolor()) == (INK, INK)
    assert names(ax) == [
        "0.500  [0.400, 0.700]",
        "0.900  [0.800, 1.000]",
        "truth (hollow: the interval includes it)",
    ]
    unnamed = intervals.forest([Interval(0.5, 0.4, 0.7), HIGH], line=0.6)
    assert unnamed.lines[0].get_color() != unnamed.lines[1].get_color() == MISS
    models = intervals.forest({"cube": LOW, "PCA": HIGH}).lines
    assert [line.get_color() for line in models] == [plots.BLUE, plots.GREEN]
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
    assert left.lines[0].get_color() == right.lines[0].get_color() == MISS != left.lines[1].get_color()
    assert legend(left) == ["A", "B"] and right.get_title() == "C" and len(right.texts) == 1


def test_charts_are_drawn_where_they_are_told():
    left, right = plots.side_by_side(2)
    assert plots.similarity_histogram(torch.rand(9), torch.rand(9), ax=right) is right and not left.has_data()
    assert intervals.forest([LOW], ax=left) is left and left.has_data()


# --- the palette -----------------------------------------------------------------------------------------------------


MODELS = [
    "cube",
    "untrained",
    "ridge regression",
    "PCA",
    "local PCA",
    "MLP",
    "nearest question",
    "no model",
    "mean vector",
]
MODELS += ["low-rank residual adapter", "control"]
OTHERS = ["training", "held-out", "MSE", "cosine loss", "contrastive loss", "teacher", "mine"]
# How a color looks without one kind of cones (Machado, Oliveira, and Fernandes 2009), for linear RGB.
CONES = {
    "all": np.eye(3),
    "no long": [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]],
    "no middle": [[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]],
}


def lab(color, cones):
    """CIE L*a*b* of a color as it is seen."""
    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = (np.array(CONES[cones]) @ linear).clip(0, 1)
    x, y, z = np.array([[0.4339, 0.3762, 0.1899], [0.2126, 0.7152, 0.0722], [0.0177, 0.1095, 0.8729]]) @ linear
    x, y, z = (value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116 for value in (x, y, z))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("name", [*MODELS, *OTHERS, "cube, its bottleneck cut", "target 0.90"])
def test_a_name_has_one_style_whatever_it_is_drawn_with(name):
    alone = styles([name])[name]
    company = [other for other in MODELS + OTHERS if other != name]
    assert styles([*company, name])[name] == styles([name, *company])[name] == alone


def test_layouts_differ_from_each_other_and_from_the_cube():
    colors = {look["color"] for look in styles(["row_major", "channel_major", "random", "spectral", "pca"]).values()}
    assert len(colors) == 5 and plots.BLUE not in colors


def test_the_names_of_the_cube_are_blue():
    blues = {plots.BLUE, DARK_BLUE}
    trained = ["cube", "cube, trained", "cube, validation", "hardened: cells died in training"]
    assert all(styles([name])[name] == styles(["cube"])["cube"] for name in trained)
    assert all(known_style(f"cube, {more}")["color"] in blues for more in ("local rule", "cosine loss", "seed 3", "x"))
    for name in ("untrained", "cube, untrained", "cube, pca layout, untrained"):
        assert known_style(name)["color"] == PALE_BLUE and known_style(name)["linestyle"] == "--"
    assert known_style("cube, shuffled answers")["color"] not in blues and known_style("mine") is None
    assert known_style("cubes of sugar") is None


def test_losses_and_data_have_colors_that_no_model_has():
    models = {known_style(name)["color"] for name in MODELS}
    assert len(models) == len(MODELS) and models.isdisjoint({styles([name])[name]["color"] for name in OTHERS})
    assert len({known_style(name)["color"] for name in OTHERS[:5]}) == 5
    assert known_style("250 training questions") == known_style("training")
    assert known_style("1,250 held-out sentences") == known_style("validation") == known_style("held-out")


@pytest.mark.parametrize("cones", CONES)
@pytest.mark.parametrize(
    "names", [MODELS, "abcdef", OTHERS[:2], OTHERS[2:5]], ids=["models", "others", "data", "losses"]
)
def test_colors_that_are_drawn_together_look_different(names, cones):
    colors = [look["color"] for look in styles(names).values()]
    seen = [lab(color, cones) for color in colors]
    apart = {
        (one, other): np.linalg.norm(seen[one] - seen[other]) for other in range(len(seen)) for one in range(other)
    }
    assert min(apart.values()) >= 10, min(apart, key=apart.get)  # 2 can be told apart side by side


def test_no_two_curves_share_a_color_a_marker_or_a_line():
    looks = styles("abcdef").values()
    for part in ("color", "marker", "linestyle"):
        assert len({look[part] for look in looks}) == 6
    with pytest.raises(DataError, match=r"at most 6 curves .* got 7: a, b, c, d, e, f, g\. Leave some out"):
        styles("abcdefg")
    same = styles(["ridge", "residual ridge", "ridge, chosen by cosine"]).values()
    assert len({look["color"] for look in same}) == 1
    assert len({look["marker"] for look in same}) == len({look["linestyle"] for look in same}) == 3


def test_markers_and_lines_of_models_differ_too():
    looks = [known_style(name) for name in MODELS if name not in ("cube", "untrained")]
    assert len({look["marker"] for look in looks}) == len(looks)


def test_drawing_leaves_the_settings_of_matplotlib_alone():
    before = dict(rcParams)
    ax = plots.curves({"cube": [0.1, 0.2]}, ylabel="cosine", title="a title")
    ax.figure.draw(FigureCanvasAgg(ax.figure).get_renderer())
    assert dict(rcParams) == before
    assert to_rgb(ax.figure.get_facecolor()) == to_rgb(ax.get_facecolor()) == (1, 1, 1)


# --- names at the ends of curves -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("centers", "heights", "expected"),
    [
        ([], [], []),
        ([5.0], [2.0], [5.0]),
        ([3.0, 7.0], [2.0, 2.0], [3.0, 7.0]),  # nothing to move
        ([7.0, 3.0, 3.0], [2.0, 2.0, 2.0], [7.0, 2.0, 4.0]),  # in the order given where they are equal
        ([5.0, 5.0], [2.0, 4.0], [3.5, 6.5]),
        ([10.0, 10.0], [2.0, 2.0], [7.0, 9.0]),  # below the upper end
        ([1.0, 5.0, 5.5], [4.0, 4.0, 4.0], [1.0, 5.0, 9.0]),  # 12 into 10: the same beyond both ends
    ],
)
def test_names_move_no_farther_than_they_must(centers, heights, expected):
    assert spread(centers, heights, 0.0, 10.0) == pytest.approx(expected)


def test_names_follow_the_limits_of_the_axes_and_those_outside_are_left_out():
    ax = plots.curves({"cube": [0.1, 0.9], "PCA": [0.2, 0.2]}, ylabel="cosine", lines={"mean vector": 0.25})
    ax.set_ylim(0.5, 1)
    renderer = FigureCanvasAgg(ax.figure).get_renderer()
    ax.figure.draw(renderer)
    shown = [text for text in ax.texts if text.get_tightbbox(renderer).width > 0]
    assert [text.get_text() for text in shown] == ["cube"]
    middle = shown[0].get_position()[1]
    assert middle == pytest.approx(ax.transData.transform((1, 0.9))[1])
    ax.plot([0, 1], [0.6, 0.7], label="mine")
    assert [text.get_text() for text in plots.label_ends(ax)] == ["mine"] and not plots.label_ends(ax)


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
