"""Views turn, play and tell their values: in JupyterLab, in a saved page, in a stored notebook, in an exported one."""

import os
import re
import subprocess
import sys

import nbformat
import numpy as np
import pytest
import torch
from browser.drawing import Drawing
from browser.lab import PROJECT
from browser.notebook import SETUP, new_notebook
from browser.pictures import SECONDS, is_blank, picture, pixels_differ, until
from letter_cubes import MARKUP

from cubelib import CubicCore
from cubelib.views import view3d
from cubelib.views.maps import hover_map
from cubelib.views.view3d.scene import trace_states

SHOW = """
from cubelib.views import view3d
core = CubicCore((4, 4, 4), in_channels=3, state_channels=4)  # untrained: a vector goes through as it is
view3d.show(core, torch.arange(1.0, 49.0), title=MARKUP)
"""
NO_WEBGL = """
for (const {prototype} of [HTMLCanvasElement, OffscreenCanvas]) {
    const get = prototype.getContext;
    prototype.getContext = function (kind, ...rest) {
        return kind.startsWith('webgl') ? null : get.call(this, kind, ...rest);
    };
}
"""


def plays_and_slides(drawing, last):
    """The slider goes to any tick, play goes on to the last; what is lit walks from the front face to the back."""
    start, place = drawing.picture(), drawing.lit()
    drawing.slide(last)
    assert drawing.tick() == f"tick {last} of {last}"
    drawing.changed(start, "another picture at the last tick")
    until(lambda: drawing.lit() > place + 0.1, "light at the back face")
    end = drawing.picture()
    drawing.slide(last - 2)
    drawing.changed(end, "another picture two ticks before")
    drawing.root.locator("button", has_text="play").click()
    until(lambda: drawing.tick().startswith(f"tick {last} "), "the last tick, after play")
    until(lambda: pixels_differ(end, drawing.picture()) < 0.005, "the last picture again, after play")


def turns(drawing):
    """Dragging turns the lattice, and nothing of it is cut off."""
    before, pose = drawing.picture(), drawing.pose()
    drawing.turn()
    after = drawing.changed(before, "another picture after dragging")
    assert abs(drawing.pose()["turn"] - pose["turn"]) > 10
    rim = np.concatenate([after[2], after[-3], after[:, 2]])
    assert np.abs(rim.astype(int) - after[2, 2]).max() < 20, "something is drawn on the rim"


def film(planes=8, ticks=12):
    """A plane of light that walks from the front face to the back."""
    values = torch.zeros(ticks, planes, 8, 8)
    values[torch.arange(ticks), (torch.arange(ticks) * (planes - 1) / (ticks - 1)).long()] = (
        torch.rand(ticks, 8, 8) + 0.1
    )
    return values


def test_a_view_in_lab_slides_plays_turns_and_tells_the_value_of_a_cell(open_notebook, lab):
    notebook = open_notebook([SETUP, SHOW])
    drawing = notebook.drawing(1)
    assert drawing.root.locator(".cubelib-title").first.inner_text() == MARKUP
    box = drawing.root.bounding_box()
    assert box["width"] > 0.95 * notebook.output(1).bounding_box()["width"] - 70  # all of it but the prompt

    plane, row, column = drawing.over_a_cell()
    core = CubicCore((4, 4, 4), in_channels=3, state_channels=4)
    strength = float(trace_states(core, torch.arange(1.0, 49.0))[0, plane, row, column].norm())
    assert float(drawing.says().splitlines()[1]) == pytest.approx(strength, rel=1e-3)

    lab.end_kernels()
    plays_and_slides(drawing, last=3)
    turns(drawing)
    turned = drawing.pose()
    drawing.slide(0)
    assert drawing.pose() == turned
    notebook.page.evaluate("window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
    until(lambda: drawing.picture().mean() < 80, "a dark picture in a dark theme")
    notebook.page.set_viewport_size({"width": 800, "height": 900})
    until(lambda: drawing.canvas().bounding_box()["width"] < box["width"] - 300, "a narrower picture")


def test_the_keys_do_what_the_mouse_does(page, tmp_path):
    page.goto(view3d.play(film()).save(tmp_path / "x.html").as_uri())
    drawing = Drawing(page, page.locator(".cubelib"))
    assert "12×8×8" not in (said := drawing.canvas().get_attribute("aria-label")) and "8×8×8 cells" in said
    page.keyboard.press("Tab")
    assert drawing.canvas().evaluate("canvas => canvas === document.activeElement")
    pose = drawing.pose()
    for key in ("ArrowRight", "ArrowUp", "+"):
        page.keyboard.press(key)
    assert all(drawing.pose()[what] > pose[what] for what in pose)
    page.keyboard.press("Home")
    assert drawing.pose() == pose
    page.keyboard.press(".")
    assert drawing.tick() == "tick 1 of 11"
    page.keyboard.press("Space")
    until(lambda: drawing.tick() == "tick 3 of 11", "two ticks more, after the space bar")
    page.keyboard.press("Space")
    paused = drawing.tick()
    page.wait_for_timeout(900)
    assert drawing.tick() == paused
    for _ in range(2):
        page.keyboard.press("Shift+ArrowRight")
    assert drawing.says().startswith("plane 1, row 0, column 0")
    assert page.locator(".cubelib-heard").text_content() == drawing.says()


def test_colors_and_theme_are_chosen_for_all_views_of_a_page(page, tmp_path):
    page.goto(view3d.play(film()).save(tmp_path / "x.html").as_uri())
    drawing = Drawing(page, page.locator(".cubelib"))
    before = drawing.picture()
    drawing.root.get_by_label("colors").select_option("cividis")
    before = drawing.changed(before, "the colors of cividis")
    drawing.root.get_by_label("theme").select_option("dark")
    after = drawing.changed(before, "the dark theme", share=0.5)
    assert after.mean() < 80
    assert "black" not in drawing.root.locator(".cubelib-legend").inner_text()  # nothing is dead here


def test_a_stored_view_shows_its_picture(open_notebook, monkeypatch):
    core = CubicCore((4, 4, 4), in_channels=3, state_channels=4)
    monkeypatch.setenv("CUBELIB_PRINTED", "1")
    data = view3d.show(core, torch.arange(1.0, 49.0), title=MARKUP)._repr_mimebundle_()
    del data["application/vnd.jupyter.widget-view+json"]  # as scripts/store_notebooks.py does
    stored = new_notebook(["view"])
    stored.cells[0].execution_count = 1
    stored.cells[0].outputs = [nbformat.v4.new_output("execute_result", data, execution_count=1)]
    notebook = open_notebook(stored, run=False)
    image = notebook.output(0).locator("img")
    image.wait_for()
    until(lambda: not is_blank(picture(image)), "the stored picture")


def test_a_saved_page_needs_no_network_and_no_kernel(page, tmp_path):
    path = view3d.play(film(), title=MARKUP).save(tmp_path / "x.html")
    assert path.stat().st_size < 2e6
    page.goto(path.as_uri())
    drawing = Drawing(page, page.locator(".cubelib"))
    plays_and_slides(drawing, last=11)
    turns(drawing)
    assert drawing.root.locator(".cubelib-title").first.inner_text() == MARKUP


def test_without_webgl_the_printed_picture_is_there_and_one_sentence(page, tmp_path):
    page.add_init_script(NO_WEBGL)
    page.goto(view3d.play(film()).save(tmp_path / "x.html").as_uri())
    twin = page.locator(".cubelib-twin")
    until(lambda: twin.count() and not is_blank(picture(twin.locator("img"))), "the printed picture")
    assert "no WebGL" in twin.inner_text() and page.locator("canvas").count() == 0


def test_a_map_tells_the_text_of_a_point(page, tmp_path):
    points = torch.tensor([[0.0, 0.0], [2.0, 1.0], [-2.0, -1.0]])
    page.goto(hover_map({"three": points}, {"three": ["zero", "one", MARKUP]}).save(tmp_path / "x.html").as_uri())
    drawing = Drawing(page, page.locator(".cubelib"))
    for number, text in enumerate(["zero", "one", MARKUP]):
        x, y = drawing.root.evaluate("(root, number) => root.view.panels[0].where([0, number])", number)
        box = drawing.canvas().bounding_box()
        page.mouse.move(box["x"] + x + 2, box["y"] + y + 2)
        until(
            lambda text=text: drawing.says().replace("\n", " ").startswith(f"three (3) {text[:40]}"), f"the text {text}"
        )


def test_an_exported_notebook_needs_no_network_and_no_kernel(page, tmp_path):
    """By the command of docs/views.md."""
    document = (PROJECT / "docs" / "views.md").read_text("utf-8")
    (command,) = [block for block in re.findall(r"```bash\n(.*?)```", document, re.DOTALL) if "nbconvert" in block]
    views = [SHOW, "view3d.play(torch.eye(3).reshape(3, 3, 1, 1))", "widgets.WavePlayer(trainer(), 'a')"]
    nbformat.write(new_notebook([SETUP, *views]), tmp_path / "page.ipynb")
    subprocess.run(
        command.replace(" python ", f" {sys.executable} ").replace("notebooks/03_lattice.ipynb", "page.ipynb"),
        shell=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
        timeout=SECONDS,
    )
    assert (tmp_path / "page.html").stat().st_size < 2.5e6  # three pictures, one program
    page.goto((tmp_path / "page.html").as_uri())
    roots = page.locator(".cubelib")
    until(lambda: roots.count() == 3, "two views and a widget")
    drawing = Drawing(page, roots.first)
    plays_and_slides(drawing, last=3)
    turns(drawing)
    player = Drawing(page, roots.last)
    before = player.picture()
    player.slide(3)
    player.changed(before, "the widget at its last tick")
