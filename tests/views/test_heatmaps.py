"""Heat maps: matrices on one scale, and the planes of a lattice over time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.colors import LogNorm

from cubelib import lattice
from cubelib.errors import DataError
from cubelib.views import heatmaps
from cubelib.views.style import SILENT


def signs(ax):
    return {tuple(text.get_position()): text.get_text() for text in ax.texts}  # (tick, plane) → sign


def pulse(planes=4, ticks=4):
    """A signal of 3 in one cell of plane t at tick t."""
    strength = torch.zeros(ticks, planes, 2, 3)
    for tick in range(ticks):
        strength[tick, min(tick, planes - 1), 0, 0] = 3.0
    return strength


def test_heatmaps_share_one_scale_and_show_each_matrix():
    panels = {"a": torch.tensor([[1.0, 2.0], [3.0, 4.0]]), "b": torch.tensor([[0.0, 8.0], [0.0, 0.0]])}
    first, second, _ = heatmaps.heatmaps(panels, label="variance").axes
    assert first.images[0].get_array().tolist() == panels["a"].tolist()
    shown = second.images[0].get_array()
    assert shown.tolist() == [[None, 8.0], [None, None]]  # zeros are pale
    assert tuple(second.images[0].to_rgba(shown, norm=True)[0, 0]) == pytest.approx(SILENT)
    assert {ax.images[0].get_clim() for ax in (first, second)} == {(0.0, 8.0)}


def test_scales_are_diverging_or_logarithmic_if_asked():
    image = heatmaps.heatmaps({"a": torch.tensor([[-3.0, 1.0]])}, label="share", diverging=True).axes[0].images[0]
    assert image.get_clim() == (-3.0, 3.0)
    figure = heatmaps.heatmaps({"a": torch.tensor([[0.0, 1.0]])}, label="x", lowest=0.01, stacked=True)
    image = figure.axes[0].images[0]
    assert isinstance(image.norm, LogNorm) and image.get_array().tolist() == [[pytest.approx(0.01), 1.0]]


def test_whole_numbers_are_written_into_small_matrices_only():
    def written(panel, **options):
        return [text.get_text() for text in heatmaps.heatmaps({"a": panel}, label="x", **options).axes[0].texts]

    assert written(torch.tensor([[0.0, 12.0], [3.0, 99.0]])) == ["0", "12", "3", "99"]
    unwritten = [torch.tensor([[0.5, 1.0]]), torch.tensor([[100.0]]), torch.tensor([[-1.0]]), torch.ones(11, 2)]
    assert not any(written(panel) for panel in unwritten)
    label = heatmaps.heatmaps({"a": torch.tensor([[0.0, 5.0]])}, label="marks").axes[1].get_ylabel()
    assert label == "marks\n(pale gray: 0)"


@pytest.mark.parametrize("panels", [{"a": torch.ones(3)}, {"a": torch.ones(2, 2), "b": torch.ones(2, 3)}, {}])
def test_panels_that_are_not_matrices_of_one_size_are_refused(panels):
    with pytest.raises(DataError, match="takes matrices of one size"):
        heatmaps.heatmaps(panels, label="x")


def test_the_numbers_of_a_vector_run_down_the_columns():
    image = heatmaps.numbers({"a": torch.arange(6.0)}, width=3).axes[0].images[0]
    assert image.get_array().tolist() == [[0, 2, 4], [1, 3, 5]]
    with pytest.raises(DataError, match="a multiple of 4"):
        heatmaps.numbers({"a": torch.arange(6.0)}, width=4)


def test_a_light_cone_counts_and_marks_the_planes():
    figure = heatmaps.schedules(3, [3])
    (ax,) = figure.axes
    # Worth computing: plane 0 at ticks 0 and 1, plane 1 at 1 and 2, plane 2 at 2 and 3.
    assert signs(ax) == {(0, 1): "·", (0, 2): "·", (1, 2): "·", (2, 0): "×", (3, 0): "×", (3, 1): "×"}
    assert ax.get_title() == "3 ticks: 5 of 9 planes computed" and ax.yaxis_inverted()
    squares = np.asarray(ax.images[0].get_array())
    for plane, tick in np.ndindex(3, 4):
        kinds = {"·": "· still silent", "×": "× too late to be heard"}
        kind = kinds.get(signs(ax).get((tick, plane)), "worth computing")
        (handle,) = (patch for patch in figure.legends[0].get_patches() if patch.get_label() == kind)
        assert tuple(squares[plane, tick]) == handle.get_facecolor()


def test_the_fewest_ticks_and_planes():
    (ax,) = heatmaps.schedules(1, [1]).axes
    assert not ax.texts and ax.get_title() == "1 tick: 1 of 1 planes computed"
    with pytest.raises(ValueError, match="in 6 ticks nothing can cross 8 planes"):
        heatmaps.schedules(8, [6])
    assert [len(ax.texts) for ax in heatmaps.schedules(4, [3, 4]).axes] == [12, 12]


def test_silent_planes_are_pale_and_marked_and_the_others_are_not():
    ax = heatmaps.activity(pulse())
    pale = (np.asarray(ax.images[0].get_array()) == SILENT).all(-1)  # (planes, ticks)
    assert (pale == ~np.eye(4, dtype=bool)).all()
    assert signs(ax) == {(t, z): "·" for t in range(4) for z in range(4) if t != z}
    assert not heatmaps.activity(torch.ones(2, 3, 1, 1)).texts


def test_the_color_is_the_root_mean_square_of_a_plane():
    strength = torch.zeros(1, 3, 1, 4)
    strength[0, 0] = torch.tensor([2.0, 2.0, 2.0, 2.0])
    strength[0, 1] = torch.tensor([4.0, 0.0, 0.0, 0.0])  # another mean, the same root mean square
    strength[0, 2] = torch.tensor([-3.0, 5.0, 3.0, 5.0])  # √17
    ax = heatmaps.activity(strength)
    first, second, third = np.asarray(ax.images[0].get_array())[:, 0]
    assert (first == second).all() and (first != third).any()
    assert ax.figure.axes[1].get_ylim() == (pytest.approx(2.0), pytest.approx(17**0.5))


@pytest.mark.parametrize(("ratio", "kind"), [(29.0, "linear"), (31.0, "log")])
def test_a_wide_range_gets_a_logarithmic_scale(ratio, kind):
    strength = torch.tensor([1.0, ratio]).reshape(1, 2, 1, 1)
    assert heatmaps.activity(strength).figure.axes[1].get_yscale() == kind


def test_the_light_cone_is_outlined():
    (line,) = heatmaps.activity(pulse(2, 3), cone=lattice.light_cone(2, 2)).collections
    drawn = {tuple(sorted(map(tuple, segment.tolist()))) for segment in line.get_segments()}
    # Plane 0 at ticks 0 and 1, plane 1 at ticks 1 and 2: a step of two squares over two.
    level = {((t - 0.5, z), (t + 0.5, z)) for t, z in [(0, -0.5), (1, -0.5), (0, 0.5), (2, 0.5), (1, 1.5), (2, 1.5)]}
    upright = {((t, z - 0.5), (t, z + 0.5)) for t, z in [(-0.5, 0), (1.5, 0), (0.5, 1), (2.5, 1)]}
    assert drawn == level | upright


@pytest.mark.parametrize("strength", [torch.zeros(2, 3), torch.zeros(0, 3, 1, 1), torch.full((2, 2, 1, 1), torch.nan)])
def test_bad_activity_is_refused(strength):
    with pytest.raises(DataError, match="takes a finite value for each cell at each tick"):
        heatmaps.activity(strength)
    with pytest.raises(DataError, match=r"4 ticks takes as many ranges.*got 8"):
        heatmaps.activity(pulse(), cone=lattice.light_cone(4, 7))
