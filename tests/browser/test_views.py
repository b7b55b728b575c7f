"""Views turn, play and tell their values: in JupyterLab, in a saved page, in a stored notebook, in an exported one."""

import os
import re
import subprocess
import sys

import nbformat
import plotly.io
import pytest
import torch
from browser.cubes import SETUP, SHOW, run
from browser.lab import PROJECT, SECONDS
from browser.notebook import write
from browser.pictures import is_blank, picture, pixels_differ, until
from browser.plot import Plot
from letter_cubes import MARKUP

from cubelib import CubicCore
from cubelib.views import view3d
from cubelib.views.view3d.scene import trace_states


def plays_and_slides(plot, last):
    """The slider goes to any tick, play goes on to the last; what is lit walks from the front face to the back."""
    start, place = plot.picture(), plot.lit()
    assert plot.tick() == "tick 0"
    plot.slide(1)
    until(lambda: plot.tick() == f"tick {last}", "the last tick, after a click on the slider's end")
    plot.changed(start, "another picture at the last tick")
    until(lambda: plot.lit() > place + 0.2, "light at the back face")
    end = plot.picture()
    plot.slide((last - 2) / last)
    until(lambda: plot.tick() == f"tick {last - 2}", "two ticks before the last")
    plot.changed(end, "another picture two ticks before")
    plot.figure.evaluate("plot => { plot.played = []; }")
    plot.press("play")
    until(lambda: plot.tick() == f"tick {last}", "the last tick, after play")
    assert plot.figure.evaluate("plot => plot.played")[-2:] == [str(last - 1), str(last)]
    until(lambda: pixels_differ(end, plot.picture()) < 0.005, "the last picture again, after play")


def turns(plot):
    """Dragging turns the lattice."""
    before, eye = plot.picture(), plot.eye()
    plot.turn()
    plot.changed(before, "another picture after dragging")
    assert max(abs(plot.eye()[axis] - eye[axis]) for axis in "xyz") > 0.1


def test_a_view_in_lab_slides_plays_turns_and_tells_the_value_of_a_cell(open_notebook, lab):
    notebook = open_notebook([("markdown", "# A view"), SETUP + SHOW, "view"])
    assert notebook.errors() == []
    plot = Plot(notebook.page, notebook.output(2).locator(".js-plotly-plot"))
    assert plot.figure.locator(".gtitle").text_content() == MARKUP
    assert notebook.page.evaluate("() => window.hacked === undefined")

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


def test_a_stored_view_shows_its_picture_and_turns_when_the_mouse_is_over_it(open_notebook, tmp_path, monkeypatch):
    names = run(SETUP, SHOW)
    monkeypatch.setenv("CUBELIB_PRINTED", "1")
    monkeypatch.setattr(plotly.io.renderers, "default", "plotly_mimetype")
    output = nbformat.v4.new_output("execute_result", names["view"]._repr_mimebundle_(), execution_count=1)
    write(tmp_path / "stored.ipynb", ["view"])
    stored = nbformat.read(tmp_path / "stored.ipynb", as_version=4)
    stored.cells[0] |= {"execution_count": 1, "outputs": [output]}
    nbformat.write(stored, tmp_path / "stored.ipynb")
    notebook = open_notebook(tmp_path / "stored.ipynb", run=False)
    image = notebook.output(0).locator("img")
    image.wait_for()
    until(lambda: not is_blank(picture(image)), "the stored picture")
    assert notebook.output(0).locator("canvas").count() == 0
    box = image.bounding_box()
    notebook.page.mouse.move(box["x"] + 100, box["y"] + 100)
    plot = Plot(notebook.page, notebook.output(0).locator(".js-plotly-plot"))
    turns(plot)


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
    assert page.evaluate("() => window.hacked === undefined")


def test_an_exported_notebook_needs_no_network_and_no_kernel(page, tmp_path):
    """By the command of docs/views.md."""
    document = (PROJECT / "docs" / "views.md").read_text("utf-8")
    (command,) = [block for block in re.findall(r"```bash\n(.*?)```", document, re.DOTALL) if "nbconvert" in block]
    cells = [
        SETUP + SHOW,
        "view",
        "view3d.play(torch.eye(3).reshape(3, 3, 1, 1))",
        "widgets.WavePlayer(trainer(), 'a')",
    ]
    write(tmp_path / "page.ipynb", cells)
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
    assert page.evaluate("() => window.hacked === undefined")
