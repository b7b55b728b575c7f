"""Pictures of time and depth: what is worth computing, what is silent, and how strong the rest is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from cubelib import lattice
from cubelib.errors import DataError
from cubelib.views import cone_plots, plots


def marks(ax):
    return {tuple(text.get_position()): text.get_text() for text in ax.texts}  # (tick, plane) → sign


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def pulse(planes=4, ticks=4, rows=2, columns=3):
    """A signal of 3 in one cell of plane t at tick t."""
    strength = torch.zeros(ticks, planes, rows, columns)
    for tick in range(ticks):
        strength[tick, min(tick, planes - 1), 0, 0] = 3.0
    return strength


def test_a_light_cone_counts_and_marks_the_planes():
    ax = cone_plots.light_cone(3, 3)
    # Worth computing: plane 0 at ticks 0 and 1, plane 1 at 1 and 2, plane 2 at 2 and 3.
    assert marks(ax) == {(0, 1): "·", (0, 2): "·", (1, 2): "·", (2, 0): "×", (3, 0): "×", (3, 1): "×"}
    assert ax.get_title() == "3 ticks: 5 of 9 planes computed"
    assert legend(ax) == ["worth computing", "· still silent", "× too late to be heard"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time in ticks", "plane (0 front face)")
    assert ax.get_xlim() == (-0.5, 3.5) and ax.get_ylim() == (2.5, -0.5)  # the front face on top
    assert to_hex(ax.figure.get_facecolor()) == "#ffffff"


def test_a_light_cone_has_the_color_of_its_meaning_in_every_square():
    ax = cone_plots.light_cone(8, 11)
    meaning = {patch.get_label(): patch.get_facecolor() for patch in cone_plots.meanings()}
    signs = {name[0]: name for name in meaning}
    assert len(set(meaning.values())) == 3 and len(ax.collections) == 8 * 12
    for square in ax.collections:
        box = square.get_paths()[0].get_extents()
        sign = marks(ax).get((box.x0 + 0.5, box.y0 + 0.5), "w")
        assert tuple(square.get_facecolor()[0]) == meaning[signs[sign]]


def test_one_plane_is_always_worth_computing_and_too_few_ticks_are_refused():
    ax = cone_plots.light_cone(1, 1, legend=False)
    assert not ax.texts and ax.get_title() == "1 tick: 1 of 1 planes computed" and ax.get_legend() is None
    with pytest.raises(ValueError, match="in 6 ticks nothing can cross 8 planes"):
        cone_plots.light_cone(8, 6)


def test_both_are_drawn_where_they_are_told():
    left, right = plots.side_by_side(2)
    assert cone_plots.light_cone(4, 3, ax=right) is right and not left.has_data()
    assert cone_plots.activity(pulse(), ax=left) is left and left.images


def test_silent_planes_are_pale_and_marked_and_the_others_are_not():
    ax = cone_plots.activity(pulse())
    shown = np.asarray(ax.images[0].get_array())  # (planes, ticks, 4)
    pale = (shown == cone_plots.SILENT).all(-1)
    assert (pale == ~np.eye(4, dtype=bool)).all()
    assert marks(ax) == {(t, z): "·" for t in range(4) for z in range(4) if t != z}
    assert legend(ax) == ["· silent"] and ax.get_ylim() == (3.5, -0.5)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time in ticks", "plane (0 front face)")


def test_the_color_is_the_root_mean_square_of_a_plane():
    strength = torch.zeros(1, 3, 1, 4)
    strength[0, 0] = torch.tensor([2.0, 2.0, 2.0, 2.0])
    strength[0, 1] = torch.tensor([4.0, 0.0, 0.0, 0.0])  # another mean, the same root mean square
    strength[0, 2] = torch.tensor([-3.0, 5.0, 3.0, 5.0])  # √17
    ax = cone_plots.activity(strength)
    first, second, third = np.asarray(ax.images[0].get_array())[:, 0]
    assert (first == second).all() and (first != third).any()
    scale = ax.figure.axes[1]
    assert scale.get_ylim() == (pytest.approx(2.0), pytest.approx(17**0.5)) and scale.get_yscale() == "linear"
    assert scale.get_ylabel() == "root mean square\nof a plane's cells"


@pytest.mark.parametrize(("ratio", "kind"), [(29.0, "linear"), (31.0, "log")])
def test_a_wide_range_gets_a_logarithmic_scale(ratio, kind):
    strength = torch.tensor([1.0, ratio]).reshape(1, 2, 1, 1)
    assert cone_plots.activity(strength).figure.axes[1].get_yscale() == kind


def test_a_lattice_without_any_signal_or_without_silence_is_a_picture_too():
    ax = cone_plots.activity(torch.zeros(2, 3, 1, 1))
    assert len(ax.texts) == 6
    ax = cone_plots.activity(torch.ones(2, 3, 1, 1))
    assert not ax.texts and ax.get_legend() is None


def test_the_light_cone_is_outlined():
    ax = cone_plots.activity(pulse(2, 3), cone=lattice.light_cone(2, 2))
    (line,) = ax.collections
    drawn = {tuple(sorted(map(tuple, segment.tolist()))) for segment in line.get_segments()}
    # Plane 0 at ticks 0 and 1, plane 1 at ticks 1 and 2: a step of two squares over two.
    level = {((t - 0.5, z), (t + 0.5, z)) for t, z in [(0, -0.5), (1, -0.5), (0, 0.5), (2, 0.5), (1, 1.5), (2, 1.5)]}
    upright = {((t, z - 0.5), (t, z + 0.5)) for t, z in [(-0.5, 0), (1.5, 0), (0.5, 1), (2.5, 1)]}
    assert drawn == level | upright
    assert legend(ax) == ["· silent", "light cone"]


@pytest.mark.parametrize("strength", [torch.zeros(2, 3), torch.zeros(0, 3, 1, 1), torch.full((2, 2, 1, 1), torch.nan)])
def test_what_is_no_activity_is_named(strength):
    with pytest.raises(DataError, match=r"cone_plots\.activity: takes what each cell holds"):
        cone_plots.activity(strength)


def test_a_cone_of_other_ticks_is_refused():
    with pytest.raises(DataError, match=r"got 8 ranges for 4 states.*light_cone\(depth=4, steps=3\)"):
        cone_plots.activity(pulse(), cone=lattice.light_cone(4, 7))


def test_a_schedule_counts_and_marks_the_planes():
    ax = cone_plots.schedules(4, [3]).axes[0]
    assert ax.get_title() == "3 ticks: 3 of 12 planes computed"
    marks = [text.get_text() for text in ax.texts]
    assert (marks.count("·"), marks.count("×")) == (6, 6)
