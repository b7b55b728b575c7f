"""Pictures of a lattice show what is lit, what is silent and what breaks out of a line."""

import torch
from matplotlib.figure import Figure

from cubelib import view3d

PALE = torch.tensor(view3d.SILENT, dtype=torch.float64)


def lit(*places, shape=(1, 2, 3, 3)):
    picture = torch.zeros(shape)
    for value, place in enumerate(places, start=1):
        picture[place] = value
    return picture


def pixels(ax):
    return torch.as_tensor(ax.images[0].get_array())


def test_silent_cells_are_pale_lit_cells_are_not_and_planes_stand_apart():
    ax = view3d.films({"one": lit((0, 0, 0, 0), (0, 1, 2, 2))}).axes[0]
    shown = pixels(ax)
    assert shown.shape == (3, 7, 4)  # two planes of three columns with a gap of one
    assert (shown[:, 3] == 1).all()  # the gap is white
    pale = (shown == PALE).all(-1)
    assert pale.sum() == 16 and not pale[0, 0] and not pale[2, 6]
    assert not torch.equal(shown[0, 0], shown[2, 6])  # 1 and 2 have different colours


def test_what_is_lit_outside_the_line_is_crossed_and_nothing_else():
    picture = lit((0, 0, 0, 0), (0, 1, 2, 2))
    line = torch.zeros(1, 2, 3, 3, dtype=torch.bool)
    line[0, 0, 0, 0] = True
    ax = view3d.films({"one": picture}, {"one": line}).axes[0]
    borders, crosses = ax.collections
    assert crosses.get_offsets().tolist() == [[6.0, 2.0]]
    corners = {tuple(point) for segment in borders.get_segments() for point in segment.tolist()}
    assert len(borders.get_segments()) == 4 and corners == {(-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5), (0.5, 0.5)}


def test_ticks_go_down_and_planes_to_the_right():
    ax = view3d.films({"one": lit((1, 0, 0, 0), shape=(2, 3, 3, 3))}, first_tick=5).axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["5", "6"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "1", "2"]
    shown = pixels(ax)
    assert shown.shape[:2] == (7, 11) and not torch.equal(shown[4, 0], PALE)


def test_figures_on_one_scale_give_the_same_value_the_same_colour():
    whole = lit((0, 0, 0, 0), (0, 0, 1, 1), (0, 1, 2, 2))
    part = whole[:, :1]
    own, common = (pixels(view3d.films({"": part}, scale=scale).axes[0]) for scale in (None, whole))
    everything = pixels(view3d.films({"": whole}).axes[0])
    assert torch.equal(common, everything[:, :3]) and not torch.equal(own, common)


def test_a_wide_range_gets_a_logarithmic_scale():
    figure = view3d.faces({"wide": torch.tensor([[1e-3, 1.0]])})
    assert figure.axes[-1].get_yscale() == "log"
    figure = view3d.faces({"narrow": torch.tensor([[1.0, 2.0]])}, label="signal")
    assert figure.axes[-1].get_yscale() == "linear" and figure.axes[-1].get_ylabel() == "signal"
    assert figure.get_facecolor() == (1, 1, 1, 1)


def test_a_face_has_rows_down_and_columns_across_and_its_numbers_written():
    ax = view3d.faces({"face": torch.tensor([[7.0, 8.0, 9.0], [10.0, 11.0, 12.0]])}, written=True).axes[0]
    assert {text.get_text(): text.get_position() for text in ax.texts}["10"] == (0, 1)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("column", "row")


def test_a_cube_shows_its_lit_cells_in_their_places():
    picture = torch.zeros(4, 3, 2)  # depth, rows, columns
    picture[1, 0, 0] = 5.0
    ax = view3d.cubes({"cube": picture}).axes[0]
    assert ax.get_title() == "cube" and ax.collections
    solid = [part for part in ax.collections if part.get_facecolor()[0][3] == 1]
    corners = torch.tensor([vertex for part in solid for face in part._vec.T[:, :3].tolist() for vertex in [face]])
    assert corners.amin(0).tolist() == [1, 0, 2] and corners.amax(0).tolist() == [2, 1, 3]  # row 0 is on top


def test_nothing_lit_is_a_picture_too():
    assert view3d.films({"nothing": torch.zeros(2, 2, 3, 3)}).axes[0].images
    assert view3d.cubes({"nothing": torch.zeros(2, 2, 2)}).axes


def test_a_schedule_counts_and_marks_the_planes():
    ax = view3d.schedules(4, [3]).axes[0]
    assert ax.get_title() == "3 ticks: 3 of 12 planes computed"
    marks = [text.get_text() for text in ax.texts]
    assert (marks.count("·"), marks.count("×")) == (6, 6)


def test_a_player_shows_the_frame_of_its_slider():
    player = view3d.player([Figure(figsize=(1, 1)), Figure(figsize=(2, 1))])
    controls, picture = player.children
    play, slider = controls.children
    first = bytes(picture.value)
    slider.value = 1
    second = bytes(picture.value)
    assert second != first and second.startswith(b"\x89PNG") and play.max == slider.max == 1
    slider.value = 0
    assert bytes(picture.value) == first
