"""Pictures of a lattice show what is lit, what is silent, what is dead and what breaks out of a line."""

import base64
import hashlib
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from cubelib import CubeTrainer, CubicCore, EmbeddingReshaper
from cubelib.errors import DataError, UserError
from cubelib.lattice import light_cone
from cubelib.views import view3d
from cubelib.views.frontend import pages
from cubelib.views.style import SILENT
from cubelib.views.view3d.panels import lattice_panel
from cubelib.views.view3d.scene import Colors, Scene, trace_states

PALE = torch.tensor(SILENT, dtype=torch.float64)


def lit(*places, shape=(1, 2, 3, 3)):
    picture = torch.zeros(shape)
    for value, place in enumerate(places, start=1):
        picture[place] = value
    return picture


def pixels(ax):
    return torch.as_tensor(ax.images[0].get_array())


def talking(size=(4, 3, 2), **settings):
    """A core with random weights in its last layers, as if it had been trained."""
    torch.manual_seed(0)
    core = CubicCore(size, in_channels=3, state_channels=4, **settings)
    for sheet in core.rule.out:
        torch.nn.init.normal_(sheet, std=0.1)
    return core


# --- printed ---------------------------------------------------------------------------------------------------------


def test_silent_cells_are_pale_lit_cells_are_not_and_planes_stand_apart():
    ax = view3d.films({"one": lit((0, 0, 0, 0), (0, 1, 2, 2))}).axes[0]
    shown = pixels(ax)
    assert shown.shape == (3, 7, 4)  # two planes of three columns with a gap of one
    assert (shown[:, 3] == 1).all()  # the gap is white
    pale = (shown == PALE).all(-1)
    assert pale.sum() == 16 and not pale[0, 0] and not pale[2, 6]
    assert not torch.equal(shown[0, 0], shown[2, 6])  # 1 and 2 have different colors


def test_what_is_lit_outside_the_line_is_crossed_and_nothing_else():
    picture = lit((0, 0, 0, 0), (0, 1, 2, 2))
    line = torch.zeros(1, 2, 3, 3, dtype=torch.bool)
    line[0, 0, 0, 0] = True
    ax = view3d.films({"one": picture}, {"one": line}).axes[0]
    lines, crosses = ax.collections
    assert crosses.get_offsets().tolist() == [[6.0, 2.0]]
    corners = {tuple(point) for segment in lines.get_segments() for point in segment.tolist()}
    assert len(lines.get_segments()) == 4 and corners == {(-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5), (0.5, 0.5)}


def test_a_face_has_rows_down_and_columns_across_and_its_numbers_written():
    ax = view3d.faces({"face": torch.tensor([[7.0, 8.0, 9.0], [10.0, 11.0, 12.0]])}, written=True).axes[0]
    assert {text.get_text(): text.get_position() for text in ax.texts}["10"] == (0, 1)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("column", "row")


def solids(ax):
    """Corner to corner and color of each face that is drawn of a cell that is not glass."""
    (cells,) = (part for part in ax.collections if len(part.get_facecolor()))
    corners = torch.as_tensor(np.asarray(cells._vec).T[:, :3]).unflatten(0, (-1, 4))
    colors = torch.as_tensor(cells._facecolor3d)  # in the order of the corners
    solid = colors[:, 3] == 1
    assert 0 < colors[~solid, 3].max() < 0.1  # glass
    return corners[solid], colors[solid]


def test_a_cube_shows_its_lit_cells_in_their_places():
    picture = torch.zeros(4, 3, 2)  # depth, rows, columns
    picture[1, 0, 0] = 5.0
    ax = view3d.cubes({"cube": picture}).axes[0]
    corners, _ = solids(ax)
    assert ax.get_title() == "cube" and len(corners) == 3  # the faces that are seen
    assert corners.amin((0, 1)).tolist() == [1, 0, 2]  # row 0 on top
    assert corners.amax((0, 1)).floor().tolist() == [1, 0, 2]  # it does not touch the next
    assert {text.get_text() for text in ax.texts} == {"plane", "row", "column", "0", "1", "2", "3"}


def test_dead_cells_are_black_whatever_they_hold_and_the_cone_has_a_line():
    picture, dead = torch.zeros(4, 3, 2), torch.zeros(4, 3, 2, dtype=torch.bool)
    picture[1, 0, 0], picture[2, 1, 1] = 5.0, 1.0
    dead[3, 2, 1] = dead[2, 1, 1] = True
    ax = view3d.cubes({"cube": picture}, dead=dead, cone={"cube": range(1, 3)}).axes[0]
    _, colors = solids(ax)
    black = (colors[:, :3] == 0).all(1)
    assert len(colors) == 9 and int(black.sum()) == 6
    plain = view3d.cubes({"cube": picture}, dead=dead).axes[0]
    assert len(ax.collections) == len(plain.collections) + 2  # a line around each of two planes


# --- colors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [[0.5, 2.0], [1e-5, 1.0], [-3.0, 2.0], [5e3, 9e4], [0.0]])
def test_the_color_bar_says_the_values_of_its_levels(values):
    colors = Colors([torch.tensor(values)])
    scale = colors.scale()
    assert scale["kind"] == ("signed" if min(values) < 0 else "sequential") and len(scale["ticks"]) >= 2
    for place, label in scale["ticks"]:
        value = np.array([float(label.replace(",", ""))])
        # One level is a 254th of the scale, and labels have three digits.
        assert value == 0 or abs(float(colors.levels(value)[0]) - place) <= 1.5


# --- scenes ----------------------------------------------------------------------------------------------------------


def test_a_vector_travels_as_the_core_says():
    core, vector = talking(), torch.randn(18)
    states = trace_states(core, vector)
    cube = EmbeddingReshaper(18, (3, 2, 3)).fold(vector[None])
    assert torch.equal(states, core(cube, return_states=True)[1][0])
    assert torch.equal(trace_states(core, vector[None]), states) and torch.equal(trace_states(core, cube[0]), states)
    assert trace_states(core, vector[:16]).shape == states.shape  # padded


def test_show_draws_strength_the_planes_worth_computing_and_the_title():
    core, vector = talking(steps=4), torch.randn(18)
    view = view3d.show(core, vector, title="a walk")
    strength = trace_states(core, vector).norm(dim=-1)
    ((panel,),) = view.content["rows"]
    assert panel == lattice_panel(Scene(strength, cone=light_cone(4, 4)))
    assert view.content["title"] == "a walk" and view.content["ticks"] == 5
    assert repr(view).endswith("tick by tick: 6, 12, 18, 24, 24")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"values": torch.zeros(2, 3)}, r"\(ticks, planes, rows, columns\); got \(2, 3\)"),
        ({"values": torch.full((1, 1, 1, 1), torch.nan)}, "finite"),
        ({"values": torch.zeros(2, 2, 2, 2), "dead": torch.zeros(2, 2, 2)}, "dead as a bool mask"),
        ({"values": torch.zeros(2, 2, 2, 2), "marked": torch.zeros(2, 2, dtype=torch.bool)}, "marked as a bool mask"),
        ({"values": torch.zeros(2, 2, 2, 2), "cone": light_cone(2, 4)}, "2 ticks takes as many ranges.*got 5"),
    ],
)
def test_a_scene_that_does_not_fit_together_is_refused(wrong, says):
    with pytest.raises(DataError, match=says):
        Scene(**wrong)


def test_what_cannot_be_shown_gets_a_sentence():
    with pytest.raises(DataError, match=r"got 3. Take one: vectors\[0\]"):
        view3d.show(talking(), torch.randn(3, 18))
    with pytest.raises(ValueError, match="19 numbers on a face"):
        view3d.show(talking(), torch.randn(19))
    with pytest.raises(DataError, match="initialize_components"):
        view3d.show(CubeTrainer(), torch.randn(768))


# --- to turn ---------------------------------------------------------------------------------------------------------


def film():
    dead = torch.zeros(4, 3, 2, dtype=torch.bool)
    dead[2, 1, 0] = True
    core = talking(steps=5)
    strength = trace_states(core, torch.randn(18), damage=dead).norm(dim=-1) + dead  # what dead cells hold is not shown
    return Scene(strength, cone=core.cone, dead=dead)


def test_each_tick_has_the_level_and_the_value_of_each_cell():
    shown = film()
    panel = lattice_panel(shown, name="walk")
    values = np.frombuffer(panel["values"], np.float32).reshape(panel["shape"])
    levels = np.frombuffer(panel["levels"], np.uint8).reshape(panel["shape"])
    assert panel["shape"] == [6, 4, 3, 2] and panel["name"] == "walk"
    np.testing.assert_array_equal(values, shown.values.numpy())
    np.testing.assert_array_equal(levels == 0, shown.values.numpy() == 0)
    order = np.argsort(values, axis=None)
    assert (np.diff(levels.ravel()[order].astype(int)) >= 0).all()  # stronger is never darker
    assert np.frombuffer(panel["dead"], np.uint8).nonzero()[0].tolist() == [2 * 6 + 1 * 2 + 0]
    assert panel["cone"] == [list(planes) for planes in light_cone(4, 5)]


def test_marked_cells_are_sent_and_printed_as_a_film():
    marked = torch.zeros(1, 2, 3, 3, dtype=torch.bool)
    marked[0, 1, 0, 2] = True
    view = view3d.play(torch.zeros(1, 2, 3, 3), marked=marked)
    ((panel,),) = view.content["rows"]
    assert panel["marked"] == marked.numpy().tobytes() and panel["dead"] is None and panel["cone"] is None
    assert view.picture().axes[0].collections


def test_a_scale_of_its_own_ends_where_it_is_told_to():
    colors = Colors([], span=(0.0, 1.0))
    assert colors.levels(np.array([0.0, 1e-9, 0.5, 1.0, 7.0])).tolist() == [0, 1, 128, 255, 255]
    assert colors.scale()["ticks"][-1] == [255.0, "≥ 1"]


def test_a_view_is_for_jupyter_for_paper_and_for_the_reader_of_a_terminal(tmp_path, monkeypatch):
    view = view3d.show(talking(), torch.randn(18), title="a walk")
    alive = view._repr_mimebundle_()
    assert set(alive) == {"application/vnd.jupyter.widget-view+json", "text/plain"}
    monkeypatch.setenv("CUBELIB_PRINTED", "1")
    bundle = view._repr_mimebundle_()
    assert set(bundle) == set(alive) | {"image/png"} and bundle["text/plain"] == repr(view)
    assert view.save(tmp_path / "new" / "view.png").read_bytes().startswith(b"\x89PNG")
    assert [ax.get_title() for ax in view.picture().axes[:4]] == ["tick 0", "tick 1", "tick 2", "tick 3"]


def test_without_anywidget_a_view_is_its_printed_twin(monkeypatch):
    monkeypatch.setitem(sys.modules, "cubelib.views.frontend.live", None)
    bundle = view3d.show(talking(), torch.randn(18))._repr_mimebundle_()
    assert set(bundle) == {"image/png", "text/plain"}


def test_an_exported_notebook_gets_the_program_once_and_asks_no_network(monkeypatch):
    monkeypatch.setenv("CUBELIB_EXPORTED", "1")
    monkeypatch.setattr(pages, "_program_is_out", False)
    first, second = (view3d.show(talking(), torch.randn(18))._repr_mimebundle_()["text/html"] for _ in range(2))
    assert pages.bundle() in first and pages.bundle() not in second and "mountPage()" in second
    assert len(second) < 200_000
    for text in (first, second):
        assert not re.search(r"""(src|href)=["']?http|import\(["']http|from ?["']http""", text)


def page_content(text):
    """What a page tells its program to draw."""
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', text, re.DOTALL)[1])


def test_a_page_holds_all_it_needs_and_is_small(tmp_path):
    core = CubicCore((8, 8, 8), in_channels=12, steps=11)
    path = view3d.show(core, torch.randn(768)).save(tmp_path / "view.html")
    text = path.read_text(encoding="utf-8")
    assert path.stat().st_size < 2_000_000 and pages.bundle() in text and "http-equiv" not in text
    content = page_content(text)
    assert content["rows"][0][0]["shape"] == [12, 8, 8, 8] and content["ticks"] == 12
    assert base64.b64decode(content["twin"]).startswith(b"\x89PNG")  # for a browser without WebGL


def test_the_program_is_small_and_names_the_license_of_what_it_holds():
    text = pages.bundle()
    assert len(text.encode()) < 700_000
    assert "three.js" in text.lower() or "Three.js Authors" in text
    assert "SPDX-License-Identifier: MIT" in text


def test_the_program_was_built_from_the_sources_beside_it():
    folder = Path(pages.__file__).parent
    digest = hashlib.sha256(
        b"".join(path.read_bytes() for path in sorted(folder.glob("*.js")) if ".min." not in path.name)
    )
    assert digest.hexdigest() in pages.bundle()[:300], "in cubelib/views/frontend: npm install && npm run build"


def test_an_older_file_stays_whole_and_wrong_endings_are_refused(tmp_path):
    view = view3d.show(talking(), torch.randn(18))
    with pytest.raises(UserError, match=r"ends in \.gif. Use \.html"):
        view.save(tmp_path / "view.gif")
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OSError, match="file"):
        view.save(tmp_path / "file" / "view.png")
    older = view.save(tmp_path / "view.png").read_bytes()
    assert view.save(tmp_path / "view.png").read_bytes() == older
    assert {path.name for path in tmp_path.iterdir()} == {"file", "view.png"}  # nothing left aside


def test_markup_in_a_title_stays_text():
    title = '</script><script>alert(1)</script> <a href="javascript:alert(2)">&</a>'
    text = view3d.show(talking(), torch.randn(18), title=title).html()
    assert page_content(text)["title"] == title and "<script>alert" not in text
    printed = view3d.show(talking(), torch.randn(18), title="$x^2$ <b>").picture()
    assert printed.get_suptitle() == "$x^2$ <b>" and not printed._suptitle.get_parse_math()
