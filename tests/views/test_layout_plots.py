"""Figures of layouts: they show the numbers they are given."""

from __future__ import annotations

import pytest
import torch
from matplotlib.colors import LogNorm

from cubelib.views import layout_plots, plots


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_heatmaps_share_one_scale_and_show_each_matrix():
    panels = {"a": torch.tensor([[1.0, 2.0], [3.0, 4.0]]), "b": torch.tensor([[0.0, 8.0], [0.0, 0.0]])}
    figure = layout_plots.heatmaps(panels, label="variance", axes=("cell", "channel"))
    first, second, scale = figure.axes
    assert first.images[0].get_array().tolist() == panels["a"].tolist()
    assert second.images[0].get_array().tolist() == panels["b"].tolist()
    assert {ax.images[0].get_clim() for ax in (first, second)} == {(0.0, 8.0)}
    assert (first.get_xlabel(), first.get_ylabel(), scale.get_ylabel()) == ("cell", "channel", "variance")


def test_a_diverging_scale_is_the_same_on_both_sides_of_zero():
    figure = layout_plots.heatmaps({"a": torch.tensor([[-3.0, 1.0]])}, label="share", diverging=True, ticks=[0])
    image = figure.axes[0].images[0]
    assert image.get_clim() == (-3.0, 3.0) and image.get_cmap().name == "PuOr"
    assert figure.axes[0].get_xticks().tolist() == [0]


def test_a_logarithmic_scale_lifts_what_is_too_small_to_its_lower_end():
    figure = layout_plots.heatmaps({"a": torch.tensor([[0.0, 1.0]])}, label="x", lowest=0.01, stacked=True)
    image = figure.axes[0].images[0]
    assert isinstance(image.norm, LogNorm) and image.get_array().tolist() == [[pytest.approx(0.01), 1.0]]


@pytest.mark.parametrize("panels", [{"a": torch.ones(3)}, {"a": torch.ones(2, 2), "b": torch.ones(2, 3)}, {}])
def test_panels_that_are_not_matrices_of_one_size_are_refused(panels):
    with pytest.raises(ValueError, match="takes matrices of one size"):
        layout_plots.heatmaps(panels, label="x")


def test_by_distance_draws_each_curve_and_its_own_floor():
    figure = layout_plots.by_distance({"a": {"x": [0.5, 0.2]}, "b": {"x": [0.1, 0.1]}}, floors={"b": 0.04})
    first, second = figure.axes
    assert first.lines[0].get_xdata().tolist() == [1, 2] and first.lines[0].get_ydata().tolist() == [0.5, 0.2]
    assert legend(first) == ["x"] and legend(second) == ["x", "unrelated numbers"]
    assert second.lines[1].get_ydata() == [0.04, 0.04]


def test_among_shuffles_counts_the_shuffles_and_marks_the_layouts():
    ax = layout_plots.among_shuffles(torch.tensor([0.51, 0.52, 0.71]), {"a": 0.5, "b": 0.9}, limits=(0.0, 1.0))
    assert sum(patch.get_height() for patch in ax.patches) == 3
    assert [line.get_xdata().tolist() for line in ax.lines] == [[0.5], [0.9]]
    assert ax.lines[0].get_marker() != ax.lines[1].get_marker()  # never color alone
    assert max(ax.get_yticks()) <= 2 and ax.get_xlim() == (0.0, 1.0)


def test_before_and_after_has_a_line_for_each_seed():
    ax = layout_plots.before_and_after({"a": [0.5, 0.6], "b": [0.9, 0.9]}, {"a": [0.7, 0.8], "b": [0.9, 0.9]})
    assert [list(line.get_xdata()) for line in ax.lines[:3]] == [[0.5, 0.7], [0.5], [0.7]]
    assert len(ax.lines) == 12 and len({line.get_ydata()[0] for line in ax.lines}) == 4
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a", "b"]


def test_a_cosine_below_a_half_is_on_the_picture():
    ax = layout_plots.before_and_after({"a": [0.2]}, {"a": [0.3]})
    assert ax.get_xlim()[0] < 0.2 and ax.get_xlim()[1] == 1


def test_more_layouts_than_can_be_told_apart_are_refused():
    names = "abcdef"
    with pytest.raises(ValueError, match="among_shuffles: at most 5"):
        layout_plots.among_shuffles(torch.tensor([0.5]), dict.fromkeys(names, 0.5), limits=(0.0, 1.0))
    with pytest.raises(ValueError, match="by_distance: at most 5"):
        layout_plots.by_distance({"texts": {name: [0.5] for name in names}})


def test_figures_are_drawn_where_they_are_told():
    left, right = plots.side_by_side(2)
    assert layout_plots.among_shuffles(torch.tensor([0.5]), {"a": 0.5}, limits=(0.0, 1.0), ax=left) is left
    assert layout_plots.before_and_after({"a": [0.5]}, {"a": [0.7]}, ax=right) is right
