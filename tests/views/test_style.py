"""One palette: a model looks the same in every picture, and no two curves of a picture look alike."""

from __future__ import annotations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from cubelib.errors import DataError
from cubelib.views.style import legend_below, new_axes, styles


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
    ax = new_axes(4.0, height)
    ax.plot([0, 1], label="a line")
    ax.set_xlabel("a label")
    legend = legend_below(ax)
    renderer = FigureCanvasAgg(ax.figure).get_renderer()
    ax.figure.draw(renderer)
    box, label = legend.get_window_extent(renderer), ax.xaxis.label.get_window_extent(renderer)
    assert box.y0 >= 0 and box.y1 < label.y0
