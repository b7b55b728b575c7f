"""The lattice in plotly: cells to turn in three dimensions, a slider and a play button for the ticks.

`show` and `play` make a `View`: an interactive figure with a printed twin. The scripts come with plotly's package:
nothing is loaded from a network, in JupyterLab or in an exported page. Taught in notebook 03.

Depth goes to the right, the front face is on the left, row 0 is on top. A cell that holds something is a shaded cube
whose color tells how much, a silent one a gray point, a dead one a black cube. Orange lines outline the planes of the
light cone and marked cells.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from cubelib.errors import UserError
from cubelib.files import written_aside
from cubelib.lattice import CubicCore
from cubelib.training.cube import Cube
from cubelib.views.style import GRAY, ORANGE
from cubelib.views.view3d.scene import LEVELS, STRENGTH, Scene, trace_states
from cubelib.views.view3d.static import borders, png, static_mime, to_matplotlib

if TYPE_CHECKING:
    import plotly.graph_objects as go

INTERVAL = 700  # milliseconds a tick, when playing
POINTS, CELLS, DEAD, LINES = range(4)  # the traces of a figure

# The corners of a cube around a cell's middle, as (plane, row, column), and its faces as two triangles each.
_CORNERS = 0.78 * (np.indices((2, 2, 2)).reshape(3, 8).T - 0.5)
_FACES = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])
_TRIANGLES = _FACES[:, [[0, 1, 2], [0, 2, 3]]].reshape(12, 3)
_PLACE = "plane %{x:.0f}, row %{z:.0f}, column %{y:.0f}<br>"


class View:
    """An interactive figure, and its printed twin for paper and for GitHub.

    Args:
        figure: of plotly.
        picture: draws the printed twin, a matplotlib figure.
        summary: one line that says what it shows; it is the view's repr.

    All three are attributes of the same names.
    """

    def __init__(self, figure: go.Figure, picture: Callable[[], Figure], summary: str) -> None:
        self.figure, self.picture, self.summary = figure, picture, summary

    def save(self, path: str | Path) -> Path:
        """Writes the view to a file: .html is a page that works without a kernel or a network, .png the printed twin.

        An older file is replaced as a whole.

        Raises:
            UserError: another ending.
            OSError: a place that cannot be written.
        """
        path = Path(path)
        if path.suffix not in (".html", ".png"):
            raise UserError(
                f"View.save: {path.name} ends in {path.suffix or 'nothing'}. Use .html for a page that turns, about "
                "5 MB with all it needs, or .png for the printed twin."
            )
        content = self.html().encode() if path.suffix == ".html" else png(self.picture(), dpi=150)
        with written_aside(path, replace=True) as aside:
            aside.write_bytes(content)
        return path

    def html(self) -> str:
        """A whole page with all the scripts that it needs, to be opened from a disk."""
        page: str = self.figure.to_html(include_plotlyjs=True, full_html=True, auto_play=False, validate=False)
        return page

    def __repr__(self) -> str:
        return f"View of {self.summary}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        from plotly.io import renderers

        # What PLOTLY_RENDERER asks for; plotly's script once for a notebook, not once for each figure in it.
        bundle = {**renderers._build_mime_bundle(self.figure.to_dict()), "text/plain": repr(self)}
        if "notebook" in renderers.default.split("+"):  # an exported page asks no network for MathJax
            bundle["text/html"] = self.figure.to_html(
                full_html=False, include_plotlyjs=False, include_mathjax=False, auto_play=False, validate=False
            )
        return bundle | static_mime(self.picture)


def show(core: CubicCore | Cube, vector: Tensor, *, damage: Tensor | None = None, title: str = "") -> View:
    """A vector on its way through a lattice: cells to turn, a slider and a play button for the ticks.

    Color is the strength of a cell's signal. The planes of the light cone, those worth computing at a tick, are
    outlined in orange; dead cells are black. The mouse over a cell tells its place and value.

    Args:
        core: a Cube or CubeTrainer, which folds the vector with its own reshaper; or a CubicCore, which takes it in the
            row_major layout.
        vector: `(dim,)`, `(1, dim)`, or a cube `(rows, columns, channels)` that is already folded.
        damage: dead cells, bool `(depth, rows, columns)`.
        title: shown above, as it is typed.

    Raises:
        DataError: a vector or mask that does not fit.
        ModuleNotFoundError: plotly is not installed.

    Example:
        >>> from cubelib import CubicCore
        >>> import torch
        >>> show(CubicCore((3, 2, 2), in_channels=4, state_channels=4), torch.ones(16))
        View of strength of a cell's signal: 3×2×2 cells; cells that hold something, tick by tick: 4, 4, 4
    """
    strength = trace_states(core, vector, damage=damage).norm(dim=-1)
    cone = core.core.cone if isinstance(core, Cube) else core.cone
    return play(strength, dead=damage, cone=cone, title=title)


def play(
    values: Tensor,
    *,
    marked: Tensor | None = None,
    dead: Tensor | None = None,
    cone: Sequence[range] | None = None,
    label: str = STRENGTH,
    title: str = "",
) -> View:
    """Any values of cells over time, as `show` draws them.

    Args:
        values: what each cell holds at each tick, `(ticks, planes, rows, columns)`; 0 is silence.
        marked: cells to outline in orange at each tick, bool, the shape of values.
        dead: dead cells, bool `(planes, rows, columns)`.
        cone: planes to outline in orange at each tick.
        label: what the values are.
        title: shown above, as it is typed.

    Raises:
        DataError: values or masks that do not fit together.
        ModuleNotFoundError: plotly is not installed.

    Example:
        >>> import torch
        >>> play(torch.eye(3).reshape(3, 3, 1, 1), label="a walk")
        View of a walk: 3×1×1 cells; cells that hold something, tick by tick: 1, 1, 1
    """
    scene = Scene(values, label, cone, marked, dead, title)
    return View(player(scene), lambda: to_matplotlib(scene), repr(scene))


def require_plotly() -> Any:
    """plotly.graph_objects, imported when it is needed.

    Raises:
        ModuleNotFoundError: plotly is not installed; the message has the command.
    """
    try:
        import plotly.graph_objects as go
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "An interactive view needs plotly: python -m pip install 'plotly>=7'. Printed pictures do not: see the "
            "other functions of cubelib.views.view3d and cubelib.views.maps."
        ) from error
    return go


def plain_text(text: str) -> str:
    """A text for a plotly figure, which reads tags and, between two dollar signs, a formula: shown as it was typed.

    Example:
        >>> plain_text("<b>2 & 3</b> for $5")
        '&lt;b&gt;2 &amp; 3&lt;/b&gt; for &#36;5'
    """
    return html.escape(text, quote=False).replace("$", "&#36;")


def scene_traces(scene: Scene, tick: int) -> list[dict[str, Any]]:
    """A scene at one of its ticks: silent cells, active cells, dead cells and outlines."""
    scale = scene.colors.plotly_scale()
    scale["colorbar"] |= {"title": {"text": plain_text(scene.label), "side": "right"}, "len": 0.75, "thickness": 14}
    shading = {
        "flatshading": True,
        "lighting": {"ambient": 0.8, "diffuse": 0.6, "specular": 0.0, "roughness": 1.0},
        "lightposition": {"x": -2000, "y": -8000, "z": -9000},
    }
    places = _coordinates(np.argwhere(np.ones(scene.values.shape[1:])))
    dead = np.empty((0, 3)) if scene.dead is None else np.argwhere(scene.dead.numpy())
    return [
        {
            "type": "scatter3d",
            **places,
            "mode": "markers",
            "marker": {"size": 2, "color": GRAY, "opacity": 0.25},
            "hovertemplate": f"{_PLACE}0<extra></extra>",
        },
        {
            **_active_cells(scene, tick),
            **scale,
            **shading,
            "cmin": 0,
            "cmax": LEVELS,
            "hovertemplate": f"{_PLACE}%{{customdata:.4g}}<extra></extra>",
        },
        {**_cubes(dead), **shading, "color": "black", "hovertemplate": f"{_PLACE}dead<extra></extra>"},
        {**_outlines(scene, tick), "mode": "lines", "hoverinfo": "skip", "line": {"color": ORANGE, "width": 5}},
    ]


def to_plotly(scene: Scene) -> go.Figure:
    """The figure of a scene at tick 0."""
    planes, rows, columns = scene.values.shape[1:]
    layout = {
        "title": {"text": plain_text(scene.title), "font": {"size": 14}},
        "width": 640,
        "height": 430,
        "margin": {"l": 0, "r": 0, "t": 40 if scene.title else 10, "b": 0},
        "template": "none",  # plotly's own would be a third of what a notebook stores
        "paper_bgcolor": "white",
        "showlegend": False,
        "uirevision": "the same view",  # what is turned stays turned when the data change
        "scene": {
            "xaxis": _axis("plane", planes, [-0.7, planes - 0.3]),
            "yaxis": _axis("column", columns, [-0.7, columns - 0.3]),
            "zaxis": _axis("row", rows, [rows - 0.3, -0.7]),
            "aspectratio": {"x": 1.5, "y": 1, "z": 1},
            "camera": {"eye": {"x": -1.35, "y": -1.85, "z": 0.85}, "center": {"x": 0.0, "y": 0.0, "z": -0.12}},
        },
    }
    return require_plotly().Figure(scene_traces(scene, 0), layout)


def player(scene: Scene) -> go.Figure:
    """The figure of a scene with all its ticks, a slider and a play button."""
    go, figure = require_plotly(), to_plotly(scene)
    ticks = [str(tick) for tick in range(len(scene.values))]
    figure.frames = [
        go.Frame(name=name, data=[_active_cells(scene, tick), _outlines(scene, tick)], traces=[CELLS, LINES])
        for tick, name in enumerate(ticks)
    ]
    at_once = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
    playing = {**at_once, "fromcurrent": True, "frame": {"duration": INTERVAL, "redraw": True}}
    buttons = {
        "type": "buttons",
        "direction": "left",
        "showactive": False,
        "buttons": [
            {"label": "▶ play", "method": "animate", "args": [None, playing]},
            {"label": "❚❚ pause", "method": "animate", "args": [[None], at_once]},
        ],
        "x": 0.0,
        "y": 0.0,
        "xanchor": "left",
        "yanchor": "top",
        "pad": {"t": 22},
    }
    slider = {
        "active": 0,
        "x": 0.3,
        "len": 0.68,
        "pad": {"t": 12, "b": 8},
        "currentvalue": {"prefix": "tick ", "xanchor": "left"},
        "steps": [{"label": name, "method": "animate", "args": [[name], at_once]} for name in ticks],
    }
    return figure.update_layout(height=480, updatemenus=[buttons], sliders=[slider])


def _active_cells(scene: Scene, tick: int) -> dict[str, Any]:
    """The cubes of the cells that hold something and live."""
    values = scene.values[tick].double().numpy()
    active = values != 0
    if scene.dead is not None:
        active &= ~scene.dead.numpy()
    levels = np.maximum(scene.colors.levels(values[active]), 3)  # lower ones are blended with the gray of silence
    corner_levels = np.repeat(levels, len(_CORNERS))
    corner_values = np.repeat(values[active].astype(np.float32), len(_CORNERS))
    return {**_cubes(np.argwhere(active)), "intensity": corner_levels, "customdata": corner_values}


def _outlines(scene: Scene, tick: int) -> dict[str, Any]:
    """Lines around the planes of the light cone and around marked cells."""
    points: list[tuple[float, ...]] = []  # (plane, row, column)
    gap = (np.nan, np.nan, np.nan)
    masks = np.zeros(scene.values.shape[1:], dtype=bool) if scene.marked is None else scene.marked[tick].numpy()
    framed = [] if scene.cone is None else [(plane, np.ones_like(masks[0])) for plane in scene.cone[tick]]
    for plane, mask in [*framed, *enumerate(masks)]:
        for (left, top), (right, bottom) in borders(mask):
            points += [(plane, top, left), (plane, bottom, right), gap]
    return {"type": "scatter3d", **_coordinates(np.array(points).reshape(-1, 3))}


def _cubes(cells: NDArray[Any]) -> dict[str, Any]:
    """Corners and triangles of the cubes at cells `(n, 3)`, eight corners to a cube."""
    corners = (cells[:, None, :] + _CORNERS).reshape(-1, 3)
    triangles = (len(_CORNERS) * np.arange(len(cells))[:, None, None] + _TRIANGLES).reshape(-1, 3)
    i, j, k = triangles.T.astype(np.uint16 if len(corners) < 2**16 else np.uint32)
    return {"type": "mesh3d", **_coordinates(corners), "i": i, "j": j, "k": k}


def _coordinates(points: NDArray[Any]) -> dict[str, Any]:
    plane, row, column = points.T.astype(np.float32)
    return {"x": plane, "y": column, "z": row}


def _axis(title: str, count: int, limits: list[float]) -> dict[str, Any]:
    return {
        "title": {"text": title},
        "dtick": max(1, round(count / 8)),
        "range": limits,
        "showbackground": False,
        "gridcolor": "#dddddd",
        "zeroline": False,
    }
