"""The lattice in a widget: a plotly figure that is repainted in place, so that what has been turned stays turned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from cubelib.views.view3d.colors import LEVELS, Colors
from cubelib.views.view3d.scene import Scene
from cubelib.views.view3d.turning import (
    CELLS,
    DEAD,
    LINES,
    as_shown,
    dead_data,
    require_plotly,
    scale_data,
    tick_data,
    turning,
)
from cubelib.views.widgets.board import changing, live

LEFT = 0.6  # share of the width that the lattice takes where sheets stand beside it
Cell = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Sheet:
    """Numbers as colored squares, beside a lattice.

    Args:
        title: shown above.
        values: `(down, across)`.
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

    def trace(self) -> dict[str, Any]:
        """What changes when other numbers are shown."""
        values = self.values.double().numpy()
        marks = np.full(values.shape, "")
        if self.crossed is not None:
            marks[self.crossed.numpy()] = "×"
        return {"z": self.colors.levels(values), "customdata": values, "text": marks}


class LatticePicture:
    """A scene at one of its ticks, to turn and to click, and sheets beside it.

    Args:
        scene: what is shown first, at tick 0.
        sheets: what stands beside it, from top to bottom.
        bar: whether the sheets have a color bar of their own.
        on_cell: called with (plane, row, column) of a cell that is clicked.
        on_square: called with (row, column) of a square of a sheet that is clicked.

    Attributes:
        figure: the plotly widget.
    """

    def __init__(
        self,
        scene: Scene,
        *,
        sheets: Sequence[Sheet] = (),
        bar: bool = True,
        on_cell: Callable[[Cell], None] | None = None,
        on_square: Callable[[tuple[int, int]], None] | None = None,
    ) -> None:
        figure = turning(scene, frames=False).update_layout(width=860 if sheets else 640, height=430)
        self._before_sheets = len(figure.data)
        if sheets:
            _add_sheets(figure, sheets, bar)
        self.figure = live(figure)
        self._scene = scene
        if on_cell is not None:
            self.figure.data[CELLS].on_click(lambda _, points, __: [on_cell(self._cell(i)) for i in points.point_inds])
        if on_square is not None:
            for trace in self.figure.data[self._before_sheets :]:
                trace.on_click(lambda _, points, __: [on_square(p) for p in zip(points.ys, points.xs, strict=True)])

    def draw(self, scene: Scene, tick: int, sheets: Sequence[Sheet] = ()) -> None:
        """Repaints the cells; the scale of colors and the dead cells only where the scene is another one.

        Args:
            scene: what is shown.
            tick: at which of its ticks.
            sheets: other numbers for the sheets; none where they stay as they are.
        """
        cells, lines = tick_data(scene, tick)
        with changing(self.figure):
            if scene is not self._scene:
                scale = scale_data(scene)
                scale["colorbar"]["x"] = self.figure.data[CELLS].marker.colorbar.x
                cells["marker"] |= scale
                self.figure.data[DEAD].update(dead_data(scene))
            self.figure.data[CELLS].update(cells)
            self.figure.data[LINES].update(lines)
            for place, sheet in enumerate(sheets):
                self.figure.data[self._before_sheets + place].update(sheet.trace())
                self.figure.layout.annotations[place].text = as_shown(sheet.title)
                if not place:
                    levels, labels = sheet.colors.ticks
                    self.figure.data[self._before_sheets].update(colorbar={"tickvals": levels, "ticktext": labels})
        self._scene = scene

    def _cell(self, index: int) -> Cell:
        place: Any = np.unravel_index(index, self._scene.size)
        return tuple(map(int, place))


def _add_sheets(figure: Any, sheets: Sequence[Sheet], bar: bool) -> None:
    """One above the other to the right of the lattice; the first has a color bar for all."""
    go = require_plotly()
    height = 1 / len(sheets)
    figure.update_layout(scene_domain={"x": [0, LEFT - 0.03]})
    eye = figure.layout.scene.camera.eye  # from farther away, or the narrower picture would cut an axis's title
    eye.update({axis: 1.2 * eye[axis] for axis in "xyz"})
    figure.data[CELLS].marker.colorbar.x = LEFT
    levels, labels = sheets[0].colors.ticks
    for place, sheet in enumerate(sheets):
        x, y, top = f"x{place + 1}", f"y{place + 1}", 1 - place * height
        figure.add_trace(
            go.Heatmap(
                **sheet.trace(),
                zmin=0,
                zmax=LEVELS,
                colorscale=sheet.colors.stops,
                showscale=bar and not place,
                colorbar={"tickvals": levels, "ticktext": labels, "thickness": 10, "len": 0.9, "x": 1.0},
                hovertemplate=f"{sheet.across} %{{x}}, {sheet.down} %{{y}}<br>%{{customdata:.4g}}<extra></extra>",
                texttemplate="%{text}",
                xgap=1,
                ygap=1,
                xaxis=x,
                yaxis=y,
            )
        )
        left = LEFT + 0.16
        across = {"title": {"text": sheet.across, "standoff": 2}, "domain": [left, 0.985], "anchor": y}
        down = {"title": {"text": sheet.down}, "domain": [top - height + 0.15, top - 0.08], "anchor": x}
        figure.update_layout({f"xaxis{place + 1}": across, f"yaxis{place + 1}": {**down, "autorange": "reversed"}})
        figure.add_annotation(
            text=as_shown(sheet.title),
            showarrow=False,
            xref="paper",
            yref="paper",
            x=left,
            y=top - 0.07,
            xanchor="left",
            yanchor="bottom",
        )
