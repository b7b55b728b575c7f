"""Chromium draws figures and widgets in JupyterLab, and what a learner does there reaches the kernel."""

from browser.pictures import is_blank, picture, pixels_differ, share_of, until

COLOURS = ["#0072B2", "#D55E00", "#009E73"]  # of the three frames: blue, orange, green

CUBE = f"""
import numpy as np
import plotly.graph_objects as go

def cells(colour):
    z, y, x = (axis.ravel() for axis in np.mgrid[:8, :8, :8])
    return go.Scatter3d(x=x, y=y, z=z, mode="markers", marker={{"size": 9, "color": colour, "line": {{"width": 0}}}})

def to(name, duration=0):
    frame = {{"duration": duration, "redraw": True}}
    return [name, {{"mode": "immediate", "frame": frame, "transition": {{"duration": 0}}}}]

colours = {COLOURS}
"""
FIGURE = """
steps = [{"method": "animate", "label": str(tick), "args": to([str(tick)])} for tick in range(3)]
play = {"label": "play", "method": "animate", "args": to(None, 700)}
figure = go.Figure(
    data=[cells(colours[0])],
    frames=[go.Frame(data=[cells(colour)], name=str(tick)) for tick, colour in enumerate(colours)],
    layout={"width": 600, "height": 500, "sliders": [{"steps": steps}],
            "updatemenus": [{"type": "buttons", "buttons": [play]}]},
)
"""


def shown(figure):
    """Which of the frames is seen: the colour that most pixels have; None if no marker is seen."""
    image = picture(figure)
    shares = [share_of(colour, image) for colour in COLOURS]
    return None if max(shares) < 0.02 else shares.index(max(shares))


def test_a_figure_with_frames_is_drawn_and_plays_without_its_kernel(open_notebook, lab):
    notebook = open_notebook([("markdown", "# A cube"), CUBE, FIGURE + "figure"])
    assert notebook.errors() == []
    figure = notebook.output(2).locator(".js-plotly-plot")
    until(lambda: shown(figure) == 0, "the first frame")
    assert figure.locator("canvas").first.evaluate("canvas => Boolean(canvas.getContext('webgl'))")

    slider = figure.locator(".slider-rail-touch-rect").bounding_box()
    lab.end_kernels()
    notebook.page.mouse.click(slider["x"] + 0.95 * slider["width"], slider["y"] + slider["height"] / 2)
    until(lambda: shown(figure) == 2, "the last frame, after a click on the slider's end")

    labels = "() => { window.labels = []; const plot = document.querySelector('.js-plotly-plot');"
    notebook.page.evaluate(labels + "plot.on('plotly_animatingframe', event => window.labels.push(event.name)); }")
    figure.locator(".updatemenu-button").click()
    notebook.wait("() => window.labels.length === 3")
    assert notebook.page.evaluate("() => window.labels") == ["0", "1", "2"]
    until(lambda: shown(figure) == 2, "the last frame, after play")
    assert lab.kernels() == []


def test_a_figure_widget_follows_its_kernel_and_a_click_reaches_it(open_notebook):
    notebook = open_notebook(
        [
            CUBE,
            "import ipywidgets\n"
            "widget = go.FigureWidget([cells(colours[0])], layout={'width': 600, 'height': 500})\n"
            "said = ipywidgets.Label('nothing')\n"
            "def clicked(trace, points, state):\n"
            "    said.value = f'cell {points.point_inds[0]}'\n"
            "widget.data[0].on_click(clicked)\n"
            "widget",
            "said",
            "widget.data[0].marker.color = colours[1]",
        ]
    )
    assert notebook.errors() == []
    figure = notebook.output(1).locator(".js-plotly-plot")
    until(lambda: shown(figure) == 1, "the colour that the last cell gave")

    figure.evaluate("plot => plot.on('plotly_hover', event => { window.under = event.points[0].pointNumber; })")
    place = figure.bounding_box()
    heights = iter(range(0, 200, 3))

    def answered():
        """A click three pixels further up, as the last may have hit the room between two markers."""
        notebook.page.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2 - next(heights))
        notebook.page.wait_for_timeout(300)
        notebook.page.mouse.down()
        notebook.page.wait_for_timeout(500)  # plotly looks at the button when it draws
        notebook.page.mouse.up()
        return notebook.text(2).startswith("cell ")

    until(answered, "the kernel's answer to a click")
    assert notebook.text(2).strip() == f"cell {notebook.page.evaluate('() => window.under')}"


def test_typing_reaches_a_handler_also_while_a_cell_runs_and_html_stays_text(open_notebook):
    notebook = open_notebook(
        [
            "import html\n"
            "import ipywidgets\n"
            "entry, answer = ipywidgets.Text(), ipywidgets.HTML('')\n"
            "def heard(change):\n"
            "    answer.value = '<b>heard</b> ' + html.escape(change['new'])\n"
            "entry.observe(heard, 'value')\n"
            "ipywidgets.VBox([entry, answer])",
            "import time\nwhile 'end' not in entry.value:\n    time.sleep(0.05)\nprint('ended')",
        ],
        run=False,
    )
    notebook.start(0)
    entry = notebook.output(0).locator("input")
    entry.fill("<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>")
    until(lambda: "heard <script>window.hacked = 1</script><img src=x" in notebook.text(0), "the typed text, as text")
    assert notebook.page.evaluate("() => window.hacked === undefined")
    assert notebook.output(0).locator("b").inner_text() == "heard"

    notebook.start(1)
    until(lambda: notebook.busy(1), "the second cell to run")
    entry.fill("meanwhile")
    until(lambda: "heard meanwhile" in notebook.text(0), "an answer while a cell runs")
    assert notebook.busy(1)
    entry.fill("the end")
    until(lambda: "ended" in notebook.text(1), "the end of the second cell")
    assert notebook.errors() == []


def test_a_saved_figure_needs_no_network_and_no_kernel(page, tmp_path):
    names = {}
    exec(CUBE + FIGURE, names)
    names["figure"].write_html(tmp_path / "cube.html", include_plotlyjs=True, auto_play=False)
    page.goto((tmp_path / "cube.html").as_uri())
    figure = page.locator(".js-plotly-plot")
    until(lambda: shown(figure) == 0, "the first frame")
    before = picture(figure)
    assert not is_blank(before)
    slider = figure.locator(".slider-rail-touch-rect").bounding_box()
    page.mouse.click(slider["x"] + slider["width"] / 2, slider["y"] + slider["height"] / 2)
    until(lambda: shown(figure) == 1, "the second frame, after a click on the slider's middle")
    assert pixels_differ(before, picture(figure)) > 0.02
