"""What the widgets with an interactive figure share: a line to type in, the lattice, and heat maps beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ipywidgets
import numpy as np
from torch import Tensor

from cubelib.views.view3d.colors import LEVELS, Colors
from cubelib.views.view3d.interactive import CELLS, require_plotly, to_plotly
from cubelib.views.view3d.scene import Scene
from cubelib.views.widgets.base import WIDE, BaseWidget, sentence_box

if TYPE_CHECKING:
    import plotly.graph_objects as go


class FigureWidget(BaseWidget):
    """A line to type in, rows of controls, an interactive figure, and facts about it.

    A subclass says in `send` what a sentence changes, in `traces` what the figure shows now, and in `facts` what is
    written below it. Its controls call `show`.

    Args:
        sentence: to begin with; it has been sent.
        figure: with the traces to begin with.
        rows: of controls.

    Raises:
        ModuleNotFoundError: plotly or anywidget is not installed.
    """

    def __init__(self, sentence: str, figure: go.Figure, *rows: Sequence[ipywidgets.Widget]) -> None:
        self.sentence = sentence_box(sentence, self._respond)
        try:
            self.figure = require_plotly().FigureWidget(figure)
        except ImportError as error:
            raise ModuleNotFoundError(
                "A widget with an interactive picture needs anywidget: python -m pip install 'anywidget>=0.9'."
            ) from error
        self.details = ipywidgets.HTML(self.facts())
        controls = [ipywidgets.HBox(row, layout=WIDE) for row in rows]
        super().__init__(self.sentence, *controls, self.figure, self.details)

    def send(self, sentence: str) -> None:
        """Encodes a sentence and keeps what is to be shown of it."""
        raise NotImplementedError

    def traces(self) -> list[dict[str, Any]]:
        """What the figure shows now: plotly's properties of each trace."""
        raise NotImplementedError

    def facts(self) -> str:
        """What is written below the figure, as HTML."""
        raise NotImplementedError

    def show(self) -> None:
        """Shows the traces and the facts as they are now; what is turned stays turned.

        Plotly sends what changed to the pictures that are shown already. The state for a picture in another cell, or
        for the first one, it sends only if the figure itself is displayed and not a box around it: hence the line
        below the block.
        """
        with self.figure.batch_update():
            for shown, trace in zip(self.figure.data, self.traces(), strict=True):
                shown.update(trace)
        self.figure._repr_mimebundle_()
        self.details.value = self.facts()

    def _respond(self) -> None:
        with self.responding("Encoding …"):
            self.send(self.sentence.value)
            self.show()


@dataclass(frozen=True, eq=False)
class Heatmap:
    """Numbers as colored squares.

    Args:
        title: shown above.
        values: `(rows, columns)`.
        colors: their scale.
        label: what the values are, for a color bar.
        across: what runs to the right.
        down: what runs down.
        crossed: squares to cross out, bool, the shape of values; None for none.
    """

    title: str
    values: Tensor
    colors: Colors
    label: str = ""
    across: str = "column"
    down: str = "row"
    crossed: Tensor | None = None

    def trace(self) -> dict[str, Any]:
        """The properties of a plotly trace."""
        values = self.values.double().numpy()
        crosses = np.full(values.shape, "")
        if self.crossed is not None:
            crosses[self.crossed.numpy()] = "×"
        scale = self.colors.plotly_scale()
        scale["colorbar"] |= {"title": {"text": self.label, "side": "right"}}
        squares = {"z": self.colors.levels(values), "zmin": 0, "zmax": LEVELS, "xgap": 1, "ygap": 1}
        hover = f"{self.across} %{{x}}, {self.down} %{{y}}<br>%{{customdata:.4g}}<extra></extra>"
        texts = {"customdata": values, "text": crosses, "texttemplate": "%{text}", "hovertemplate": hover}
        return {"type": "heatmap", **squares, **texts, **scale}

    def add_to(self, figure: go.Figure, row: int, column: int, color_bar: dict[str, Any] | None) -> None:
        """Adds the trace to a figure of `plotly.subplots.make_subplots`; color_bar None leaves the bar out."""
        figure.add_trace(self.trace(), row=row, col=column)
        figure.data[-1].update(showscale=color_bar is not None, colorbar=color_bar or {})
        rows, columns = self.values.shape
        across = {"title": {"text": self.across, "standoff": 2}, "dtick": max(1, round(columns / 8))}
        down = {"title": {"text": self.down}, "dtick": max(1, round(rows / 8)), "autorange": "reversed"}
        figure.update_xaxes(**across, zeroline=False, row=row, col=column)
        figure.update_yaxes(**down, zeroline=False, row=row, col=column)


def lattice_figure(scene: Scene, heatmaps: Sequence[Heatmap], color_bar: bool = True) -> go.Figure:
    """A scene at tick 0, and heat maps beside it from top to bottom, with a common color bar or none."""
    from plotly.subplots import make_subplots

    figure = to_plotly(scene)
    below: list[list[Any]] = [[None, {}] for _ in heatmaps[1:]]
    make_subplots(
        rows=len(heatmaps),
        cols=2,
        figure=figure,
        specs=[[{"type": "scene", "rowspan": len(heatmaps)}, {}], *below],
        subplot_titles=["", *(heatmap.title for heatmap in heatmaps)],
        column_widths=[0.56, 0.44],
        horizontal_spacing=0.2,
        vertical_spacing=0.3,
    )
    eye = figure.layout.scene.camera.eye  # farther away, or the narrower picture would cut off an axis's title
    eye.update({axis: 1.3 * eye[axis] for axis in "xyz"})
    figure.update_annotations(font_size=12)
    figure.data[CELLS].colorbar.x = 0.48
    for row, heatmap in enumerate(heatmaps, start=1):
        bar = {"thickness": 10, "len": 1.0, "x": 1.0} if color_bar and row == 1 else None
        heatmap.add_to(figure, row, 2, bar)
    return figure.update_layout(width=860, margin={"t": 40, "r": 10, "b": 45})
