"""A scene as a plotly figure: cells to turn in three dimensions, a slider and a play button for the ticks.

The scripts come with plotly's package: nothing is loaded from a network, in JupyterLab or in an exported page.

Depth goes to the right, the front face is on the left, row 0 is on top. A cell that holds something is a square whose
color tells how much, a silent one a gray point, a dead one a black cross. Orange lines go around planes of the light
cone and around cells that were marked.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import numpy as np

from cubelib.views.view3d.colors import LEVELS, ORANGE
from cubelib.views.view3d.pictures import borders
from cubelib.views.view3d.scene import Scene

if TYPE_CHECKING:
    import plotly.graph_objects as go

PACE = 700  # milliseconds a tick, when playing
SPREAD = 92  # pixels that the squares of a row of cells share
CELLS, LINES, DEAD = range(3)  # the traces of a figure
ARM = 0.35  # of the cross in a dead cell; the next cell is 1 away

Points = list[tuple[float | None, ...]]  # plane, row, column; None is a gap in a line


def require_plotly() -> Any:
    """plotly.graph_objects, imported when it is needed.

    Raises:
        ModuleNotFoundError: plotly is not installed; the message has the command.
    """
    try:
        import plotly.graph_objects as go
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "A view for the mouse needs plotly: python -m pip install 'plotly>=7'. Printed pictures do not: see the "
            "other functions of cubelib.views.view3d and cubelib.views.map_plots."
        ) from error
    return go


def as_shown(text: str) -> str:
    """A text for a plotly figure, which reads tags and, between two dollar signs, a formula: shown as it was typed.

    Example:
        >>> as_shown("<b>2 & 3</b> for $5")
        '&lt;b&gt;2 &amp; 3&lt;/b&gt; for &#36;5'
    """
    return html.escape(text, quote=False).replace("$", "&#36;")


def turning(scene: Scene, *, frames: bool = True) -> go.Figure:
    """The figure of a scene, at tick 0.

    Args:
        scene: what is shown.
        frames: with all ticks, a slider and a play button; without, only the first tick.
    """
    go = require_plotly()
    planes, rows, columns = scene.size
    first = tick_data(scene, 0)
    x, y, z = (axis.astype(np.uint8 if max(scene.size) < 256 else np.int32) for axis in _places(scene.size))
    figure = go.Figure(
        [
            go.Scatter3d(
                x=x,
                y=y,
                z=z,
                mode="markers",
                name="cells",
                customdata=first[CELLS]["customdata"],
                hovertemplate="plane %{x}, row %{z}, column %{y}<br>%{customdata:.4g}<extra></extra>",
                marker={**first[CELLS]["marker"], **scale_data(scene)},
            ),
            _lines(go, first[LINES], name="outlined", line={"color": ORANGE, "width": 5}),
            _lines(go, dead_data(scene), name="dead cells", line={"color": "black", "width": 6}),
        ]
    )
    grid = {"showbackground": False, "gridcolor": "#dddddd", "zeroline": False, "tickmode": "array"}
    figure.update_layout(
        title={"text": as_shown(scene.title), "font": {"size": 14}},
        width=640,
        height=480 if frames else 430,
        margin={"l": 0, "r": 0, "t": 40 if scene.title else 10, "b": 0},
        template="none",  # plotly's own would be a third of what a notebook stores
        paper_bgcolor="white",
        showlegend=False,
        uirevision="the same view",  # what is turned stays turned when the data change
        scene={
            "xaxis": {**grid, **_axis("plane", planes)},
            "yaxis": {**grid, **_axis("column", columns), "autorange": False, "range": [-0.7, columns - 0.3]},
            "zaxis": {**grid, **_axis("row", rows), "autorange": False, "range": [rows - 0.3, -0.7]},
            "aspectmode": "manual",
            "aspectratio": {"x": 1.5, "y": 1, "z": 1},
            "camera": {"eye": {"x": -1.35, "y": -1.85, "z": 0.85}, "center": {"x": 0.0, "y": 0.0, "z": -0.12}},
        },
    )
    if frames:
        _add_player(go, figure, scene)
    return figure


def tick_data(scene: Scene, tick: int) -> list[dict[str, Any]]:
    """What changes with the ticks: the cells, and the lines around some of them."""
    values = scene.values[tick].double().numpy().ravel()
    size = np.where(values == 0, 2, max(3, round(SPREAD / max(scene.size)))).astype(np.uint8)
    if scene.dead is not None:
        size[scene.dead.numpy().ravel()] = 0
    cells = {
        "customdata": values.astype(np.float32),
        "marker": {"color": scene.colors.levels(values), "size": size},
    }
    around: Points = []
    if scene.cone is not None:
        around += [point for plane in scene.cone[tick] for point in _outline(plane, *scene.size[1:])]
    if scene.marked is not None:
        for plane, mask in enumerate(scene.marked[tick].numpy()):
            for (left, top), (right, bottom) in borders(mask):
                around += [(plane, top, left), (plane, bottom, right), (None, None, None)]
    return [cells, _coordinates(around)]


def scale_data(scene: Scene) -> dict[str, Any]:
    """How the cells are drawn, and what their colors mean."""
    levels, labels = scene.colors.ticks
    return {
        "symbol": "square",
        "opacity": 1.0,
        "line": {"width": 0},
        "colorscale": scene.colors.stops,
        "cmin": 0,
        "cmax": LEVELS,
        "colorbar": {
            "title": {"text": as_shown(scene.label), "side": "right"},
            "tickvals": levels,
            "ticktext": labels,
            "len": 0.75,
            "thickness": 14,
        },
    }


def dead_data(scene: Scene) -> dict[str, Any]:
    """A cross in each dead cell."""
    crosses: Points = []
    for plane, row, column in [] if scene.dead is None else np.argwhere(scene.dead.numpy()).tolist():
        for arm in (ARM, -ARM):
            crosses += [(plane, row - ARM, column - arm), (plane, row + ARM, column + arm), (None, None, None)]
    return _coordinates(crosses)


def _places(size: tuple[int, int, int]) -> Any:
    """x (plane), y (column) and z (row) of all cells, in the order of a flattened `(planes, rows, columns)`."""
    plane, row, column = np.indices(size).reshape(3, -1)
    return plane, column, row


def _coordinates(points: Points) -> dict[str, Any]:
    plane, row, column = np.array(points, dtype=np.float32).reshape(-1, 3).T  # a gap becomes NaN
    return {"x": plane, "y": column, "z": row}


def _outline(plane: int, rows: int, columns: int) -> Points:
    """A rectangle around a plane, with a gap after it."""
    top, bottom, left, right = -0.5, rows - 0.5, -0.5, columns - 0.5
    corners = ((top, left), (top, right), (bottom, right), (bottom, left), (top, left))
    return [*((plane, row, column) for row, column in corners), (None, None, None)]


def _lines(go: Any, data: dict[str, Any], **looks: Any) -> Any:
    return go.Scatter3d(**data, mode="lines", hoverinfo="skip", **looks)


def _axis(title: str, count: int) -> dict[str, Any]:
    step = max(1, round(count / 8))
    places = list(range(0, count, step))
    return {"title": {"text": title}, "tickvals": places, "ticktext": [str(place) for place in places]}


def _add_player(go: Any, figure: Any, scene: Scene) -> None:
    for tick in range(scene.ticks):
        data = [{"type": "scatter3d", **part} for part in tick_data(scene, tick)]
        figure.frames += (go.Frame(name=str(tick), data=data, traces=[CELLS, LINES]),)
    at_once = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
    playing = {"fromcurrent": True, "frame": {"duration": PACE, "redraw": True}, "transition": {"duration": 0}}
    buttons = [
        {"label": "▶ play", "method": "animate", "args": [None, {**at_once, **playing}]},
        {"label": "❚❚ pause", "method": "animate", "args": [[None], at_once]},
    ]
    figure.update_layout(
        updatemenus=[
            {
                "type": "buttons",
                "direction": "left",
                "showactive": False,
                "buttons": buttons,
                "x": 0.0,
                "y": 0.0,
                "xanchor": "left",
                "yanchor": "top",
                "pad": {"t": 22},
            }
        ],
        sliders=[
            {
                "active": 0,
                "x": 0.3,
                "len": 0.68,
                "pad": {"t": 12, "b": 8},
                "currentvalue": {"prefix": "tick ", "xanchor": "left"},
                "steps": [
                    {"label": str(tick), "method": "animate", "args": [[str(tick)], at_once]}
                    for tick in range(scene.ticks)
                ],
            }
        ],
    )
