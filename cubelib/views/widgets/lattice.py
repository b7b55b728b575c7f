"""Plotly figures that are updated in place: heat maps, and the lattice with heat maps beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from cubelib.views.view3d.colors import LEVELS, Colors
from cubelib.views.view3d.interactive import (
    CELLS,
    DEAD,
    LINES,
    POINTS,
    dead_data,
    plain_text,
    require_plotly,
    scale_data,
    tick_data,
    to_plotly,
)
from cubelib.views.view3d.scene import Scene

if TYPE_CHECKING:
    import plotly.graph_objects as go

Cell = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Heatmap:
    """Numbers as colored squares.

    Args:
        title: shown above.
        values: `(rows, columns)`.
        colors: their scale.
        across: what runs to the right.
        down: what runs down.
        crossed: squares to cross out, bool, the shape of values; None for none.
    """

    title: str
    values: Tensor
    colors: Colors
    across: str = "column"
    down: str = "row"
    crossed: Tensor | None = None

    def add_to(self, figure: go.Figure, row: int, column: int, color_bar: dict[str, Any] | None) -> None:
        """Adds a trace to a figure of `plotly.subplots.make_subplots`."""
        hover = f"{self.across} %{{x}}, {self.down} %{{y}}<br>%{{customdata:.4g}}<extra></extra>"
        look = {"zmin": 0, "zmax": LEVELS, "xgap": 1, "ygap": 1, "texttemplate": "%{text}", "hovertemplate": hover}
        trace = require_plotly().Heatmap(**look, showscale=color_bar is not None).update(self._data())
        trace.colorbar.update(color_bar or {})
        figure.add_trace(trace, row=row, col=column)
        rows, columns = self.values.shape
        across = {"title": {"text": self.across, "standoff": 2}, "dtick": max(1, round(columns / 8)), "zeroline": False}
        down = {
            "title": {"text": self.down},
            "dtick": max(1, round(rows / 8)),
            "autorange": "reversed",
            "zeroline": False,
        }
        figure.update_xaxes(**across, row=row, col=column).update_yaxes(**down, row=row, col=column)

    def update(self, trace: Any) -> None:
        """Shows these numbers in a trace."""
        trace.update(self._data())

    def _data(self) -> dict[str, Any]:
        values = self.values.double().numpy()
        crosses = np.full(values.shape, "")
        if self.crossed is not None:
            crosses[self.crossed.numpy()] = "×"
        return {"z": self.colors.levels(values), "customdata": values, "text": crosses, **self.colors.plotly_scale()}


class LatticePicture:
    """A scene at one of its ticks, to turn and to click, and heat maps beside it.

    Args:
        scene: what is shown first, at tick 0.
        heatmaps: shown beside it, from top to bottom.
        color_bar: whether the heat maps have their own color bar.
        on_cell: called with (plane, row, column) of a cell that is clicked.
        on_square: called with (row, column) of a square of a heat map that is clicked.

    Attributes:
        figure: the plotly widget.
    """

    def __init__(
        self,
        scene: Scene,
        heatmaps: Sequence[Heatmap],
        *,
        color_bar: bool = True,
        on_cell: Callable[[Cell], None] | None = None,
        on_square: Callable[[tuple[int, int]], None] | None = None,
    ) -> None:
        from plotly.subplots import make_subplots

        figure = to_plotly(scene, frames=False)
        lattice_traces = len(figure.data)
        below: list[list[Any]] = [[None, {}] for _ in heatmaps[1:]]
        make_subplots(
            rows=len(heatmaps),
            cols=2,
            figure=figure,
            specs=[[{"type": "scene", "rowspan": len(heatmaps)}, {}], *below],
            subplot_titles=["", *(plain_text(heatmap.title) for heatmap in heatmaps)],
            column_widths=[0.56, 0.44],
            horizontal_spacing=0.2,
            vertical_spacing=0.3,
        )
        eye = figure.layout.scene.camera.eye  # farther away, or the narrower picture would cut off an axis's title
        eye.update({axis: 1.3 * eye[axis] for axis in "xyz"})
        figure.update_layout(width=860, height=430, margin={"t": 40, "r": 10, "b": 45})
        figure.update_annotations(font_size=12)
        figure.data[CELLS].colorbar.x = 0.48
        for row, heatmap in enumerate(heatmaps, start=1):
            bar = {"thickness": 10, "len": 1.0, "x": 1.0} if color_bar and row == 1 else None
            heatmap.add_to(figure, row, 2, bar)
        self.figure = figure_widget(figure)
        self._scene = scene
        self._heatmap_traces = self.figure.data[lattice_traces:]
        if on_cell is not None:
            for number in (POINTS, CELLS, DEAD):
                self.figure.data[number].on_click(
                    lambda trace, points, _: [on_cell(_cell_at(trace, index)) for index in points.point_inds]
                )
        if on_square is not None:
            for trace in self._heatmap_traces:
                trace.on_click(
                    lambda _, points, __: [on_square(square) for square in zip(points.ys, points.xs, strict=True)]
                )

    def draw(self, scene: Scene, tick: int, heatmaps: Sequence[Heatmap] = ()) -> None:
        """Draws the cells again, and the color scale and the dead cells if the scene is a new one.

        Args:
            scene: what is shown.
            tick: one of its ticks.
            heatmaps: new numbers; none if they stay as they are.
        """
        cells, lines = tick_data(scene, tick)
        with updating(self.figure):
            if scene is not self._scene:
                self.figure.data[CELLS].update(scale_data(scene))
                self.figure.data[DEAD].update(dead_data(scene))
            self.figure.data[CELLS].update(cells)
            self.figure.data[LINES].update(lines)
            for number, heatmap in enumerate(heatmaps):
                heatmap.update(self._heatmap_traces[number])
                self.figure.layout.annotations[number].text = plain_text(heatmap.title)
        self._scene = scene


def figure_widget(figure: go.Figure) -> go.FigureWidget:
    """A plotly figure whose data can be changed from Python.

    Raises:
        ModuleNotFoundError: plotly or anywidget is not installed.
    """
    try:
        return require_plotly().FigureWidget(figure)
    except ImportError as error:
        raise ModuleNotFoundError(
            "A widget with an interactive picture needs anywidget: python -m pip install 'anywidget>=0.9'."
        ) from error


@contextmanager
def updating(figure: go.FigureWidget) -> Iterator[None]:
    """Around changes of a plotly widget, which are sent together.

    Plotly sends them to the pictures that are shown already. The state for a picture in another cell, or for the first
    one, it sends only if the figure itself is displayed and not a box around it: hence the last line.
    """
    with figure.batch_update():
        yield
    figure._repr_mimebundle_()


def _cell_at(trace: Any, index: int) -> Cell:
    """The cell of a point: a silent cell's middle, or a corner of a cube."""
    return round(float(trace.x[index])), round(float(trace.z[index])), round(float(trace.y[index]))
