"""Views turn, play and tell their values: in JupyterLab, in a saved page, in a stored notebook, in an exported one."""

import os
import re
import subprocess
import sys

import nbformat
import plotly.io
import pytest
import torch
from browser.lab import PROJECT
from browser.notebook import SETUP, new_notebook
from browser.pictures import SECONDS, is_blank, picture, pixels_differ, until
from browser.plot import Plot
from letter_cubes import MARKUP

from cubelib import CubicCore
from cubelib.views import view3d
from cubelib.views.view3d.scene import trace_states

SHOW = """
from cubelib.views import view3d
core = CubicCore((4, 4, 4), in_channels=3, state_channels=4)  # untrained: a vector goes through as it is
view3d.show(core, torch.arange(1.0, 49.0), title=MARKUP)
"""


def plays_and_slides(plot, last):
    """The slider goes to any tick, play goes on to the last; what is lit walks from the front face to the back."""
    start, place = plot.picture(), plot.lit()
    plot.slide(1)
    until(lambda: plot.tick() == f"tick {last}", "the last tick, after a click on the slider's end")
    plot.changed(start, "another picture at the last tick")
    until(lambda: plot.lit() > place + 0.2, "light at the back face")
    end = plot.picture()
    plot.slide((last - 2) / last)
    until(lambda: plot.tick() == f"tick {last - 2}", "two ticks before the last")
    plot.changed(end, "another picture two ticks before")
    plot.figure.locator(".updatemenu-button", has_text="play").click()
    until(lambda: plot.tick() == f"tick {last}", "the last tick, after play")
    until(lambda: pixels_differ(end, plot.picture()) < 0.005, "the last picture again, after play")


def turns(plot):
    """Dragging turns the lattice."""
    before, eye = plot.picture(), plot.eye()
    plot.turn()
    plot.changed(before, "another picture after dragging")
    assert max(abs(plot.eye()[axis] - eye[axis]) for axis in "xyz") > 0.1


def test_a_view_in_lab_slides_plays_turns_and_tells_the_value_of_a_cell(open_notebook, lab):
    notebook = open_notebook([SETUP, SHOW])
    plot = notebook.plot(1)
    assert plot.figure.locator(".gtitle").text_content() == MARKUP

    plane, row, column = plot.over_a_cell()
    core = CubicCore((4, 4, 4), in_channels=3, state_channels=4)
    strength = float(trace_states(core, torch.arange(1.0, 49.0))[0, plane, row, column].norm())
    where, value = plot.label()
    assert where == f"plane {plane}, row {row}, column {column}"
    assert float(value) == pytest.approx(strength, rel=1e-3)

    lab.end_kernels()
    plays_and_slides(plot, last=3)
    turns(plot)
    turned = plot.eye()
    plot.slide(0)
    until(lambda: plot.tick() == "tick 0", "the first tick")
    assert plot.eye() == pytest.approx(turned)


def test_a_stored_view_shows_its_picture_and_turns_when_the_mouse_is_over_it(open_notebook, monkeypatch):
    core = CubicCore((4, 4, 4), in_channels=3, state_channels=4)
    monkeypatch.setenv("CUBELIB_PRINTED", "1")
    monkeypatch.setattr(plotly.io.renderers, "default", "plotly_mimetype")
    data = view3d.show(core, torch.arange(1.0, 49.0), title=MARKUP)._repr_mimebundle_()
    stored = new_notebook(["view"])
    stored.cells[0].execution_count = 1
    stored.cells[0].outputs = [nbformat.v4.new_output("execute_result", data, execution_count=1)]
    notebook = open_notebook(stored, run=False)
    image = notebook.output(0).locator("img")
    image.wait_for()
    until(lambda: not is_blank(picture(image)), "the stored picture")
    assert notebook.output(0).locator("canvas").count() == 0
    image.hover(force=True)  # the figure takes its place at once
    turns(notebook.plot(0))


def test_a_saved_page_needs_no_network_and_no_kernel(page, tmp_path):
    values = torch.zeros(12, 8, 8, 8)
    values[torch.arange(12), (torch.arange(12) * 7 / 11).long()] = torch.rand(12, 8, 8) + 0.1
    path = view3d.play(values, title=MARKUP).save(tmp_path / "x.html")
    assert path.stat().st_size < 5.5e6
    page.goto(path.as_uri())
    plot = Plot(page, page.locator(".js-plotly-plot"))
    plays_and_slides(plot, last=11)
    turns(plot)
    assert plot.figure.locator(".gtitle").text_content() == MARKUP


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
    assert (tmp_path / "page.html").stat().st_size < 6.5e6  # two views, one script
    page.goto((tmp_path / "page.html").as_uri())
    plots = page.locator(".js-plotly-plot")
    until(lambda: plots.count() == 2, "two figures")
    plot = Plot(page, plots.first)
    plays_and_slides(plot, last=3)
    turns(plot)
    assert pixels_differ(plot.picture(), Plot(page, plots.last).picture()) > 0.01
    assert not is_blank(picture(page.locator(".jp-OutputArea img").last))  # the widget's printed twin
