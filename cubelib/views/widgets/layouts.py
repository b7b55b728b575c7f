"""LayoutExplorer: which cell of the front face holds which numbers, under all layouts side by side.

Taught in notebook 02.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets
import torch
from torch import Tensor

from cubelib.data.vectors import VectorFile
from cubelib.training.cube import Cube
from cubelib.views.experiments import layouts, touched, vector_of
from cubelib.views.view3d.colors import LEVELS, Colors
from cubelib.views.view3d.pictures import faces
from cubelib.views.view3d.turning import require_plotly
from cubelib.views.widgets.board import WIDE, Board, as_html, changing, live, sentence_box
from cubelib.views.widgets.lattice import Sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CHANGE = 0.01  # of the number that is touched
STRENGTH, CHANNEL, TOUCH = "strength of a cell", "one channel", "who notices one number"


class LayoutExplorer(Board):
    """The front face of a cube with the same vector on it, once for each layout.

    Three things to look at: how strong each cell's numbers are together; one of its channels; and which cells notice
    when one number of the vector is changed by 0.01.

    Args:
        cube: a Cube or CubeTrainer with its components, for its face and its teacher.
        fitted_on: training vectors for the layouts that look at data, `(n, dim)`.
        sentence: to begin with.

    Attributes:
        faces: layout → what is shown, `(rows, columns)`.
        sentence, what, channel, number: the controls, each with a `value`.

    Raises:
        DataError: as in `cubelib.views.experiments.vector_of`, for the first sentence; later ones get a message.
        ModuleNotFoundError: plotly or anywidget is not installed.

    Example:
        >>> from cubelib import TeacherEncoder
        >>> cube = Cube({"embedding_dim": 48, "lattice_size": [4, 4, 4]})
        >>> cube.initialize_components()
        >>> cube.embedding_loader = TeacherEncoder(lambda texts: [[len(text)] + 47 * [1] for text in texts])
        >>> explorer = LayoutExplorer(cube, torch.randn(99, 48), "Hello!")
        >>> explorer.what.value, explorer.number.value = TOUCH, 7
        >>> explorer
        LayoutExplorer(“Hello!”, number 7 noticed by 1, 1, 1, 1 and 16 of 16 cells)
    """

    def __init__(self, cube: Cube, fitted_on: Tensor | VectorFile, sentence: str) -> None:
        self.cube = cube
        self.vector = vector_of(cube, sentence)
        rows, columns, channels = cube.embedding_reshaper.cube_shape
        self.reshapers = layouts(len(self.vector), fitted_on, face=(rows, columns), seed=cube.config.random_seed)
        self.sentence = sentence_box(sentence, self._send)
        self.what = ipywidgets.Dropdown(options=[STRENGTH, CHANNEL, TOUCH], description="show")
        self.channel = ipywidgets.IntSlider(min=0, max=channels - 1, description="channel")
        self.number = ipywidgets.IntSlider(min=0, max=len(self.vector) - 1, description="number")
        self.facts = ipywidgets.HTML()
        self.figure = live(self._figure(self._sheets()))
        for control in (self.what, self.channel, self.number):
            control.observe(lambda _: self._show(), names="value")
        super().__init__(
            self.sentence,
            ipywidgets.HBox([self.what, self.channel, self.number], layout=WIDE),
            self.figure,
            self.facts,
        )
        self._tell()

    def summary(self) -> str:
        return f"“{self.sentence.value}”, {self._says()}"

    def picture(self) -> Figure:
        return faces(self.faces, label=self._label())

    def _send(self) -> None:
        with self.listening("Encoding …"):
            self.vector = vector_of(self.cube, self.sentence.value)
            self._show()

    def _sheets(self) -> list[Sheet]:
        if self.what.value == TOUCH:
            self.faces = touched(self.reshapers, self.vector, self.number.value, CHANGE)
        else:
            cubes = {name: reshaper.fold(self.vector[None])[0] for name, reshaper in self.reshapers.items()}
            one = self.what.value == CHANNEL
            self.faces = {name: c[..., self.channel.value] if one else c.norm(dim=-1) for name, c in cubes.items()}
        # A rotation leaves rounding where a shuffle leaves nothing: what is a millionth of the largest is silence.
        largest = max(float(face.abs().max()) for face in self.faces.values())
        self.faces = {name: torch.where(face.abs() < 1e-6 * largest, 0, face) for name, face in self.faces.items()}
        colors = Colors(list(self.faces.values()))
        return [Sheet(name, face, colors) for name, face in self.faces.items()]

    def _label(self) -> str:
        if self.what.value == TOUCH:
            return "change of a cell"
        return STRENGTH if self.what.value == STRENGTH else f"channel {self.channel.value} of a cell"

    def _says(self) -> str:
        if self.what.value != TOUCH:
            return f"{self._label()}, under {', '.join(self.faces)}"
        *counts, last = (int((face != 0).sum()) for face in self.faces.values())
        cells = next(iter(self.faces.values())).numel()
        return f"number {self.number.value} noticed by {', '.join(map(str, counts))} and {last} of {cells} cells"

    def _show(self) -> None:
        sheets = self._sheets()
        with changing(self.figure):
            for trace, sheet in zip(self.figure.data, sheets, strict=True):
                trace.update(**sheet.trace(), colorscale=sheet.colors.stops)
            self.figure.data[0].colorbar.update(self._bar(sheets[0].colors))
        self._tell()

    def _tell(self) -> None:
        self.facts.value = as_html(self._says())
        self.channel.disabled = self.what.value != CHANNEL
        self.number.disabled = self.what.value != TOUCH

    def _bar(self, colors: Colors) -> dict[str, Any]:
        levels, labels = colors.ticks
        return {"tickvals": levels, "ticktext": labels, "title": {"text": self._label(), "side": "right"}}

    def _figure(self, sheets: list[Sheet]) -> Any:
        go = require_plotly()
        figure, share = go.Figure(), 1 / len(sheets)
        for place, sheet in enumerate(sheets):
            axis = "" if not place else str(place + 1)
            figure.add_trace(
                go.Heatmap(
                    **sheet.trace(),
                    zmin=0,
                    zmax=LEVELS,
                    colorscale=sheet.colors.stops,
                    showscale=not place,
                    colorbar={**self._bar(sheet.colors), "thickness": 12, "x": 1.01},
                    hovertemplate="row %{y}, column %{x}<br>%{customdata:.4g}<extra></extra>",
                    xgap=1,
                    ygap=1,
                    xaxis=f"x{axis}",
                    yaxis=f"y{axis}",
                )
            )
            across = {"domain": [place * share, (place + 0.86) * share], "title": {"text": "column", "standoff": 2}}
            down = {"autorange": "reversed", "anchor": f"x{axis}", "title": {"text": "" if place else "row"}}
            figure.update_layout({f"xaxis{axis}": {**across, "anchor": f"y{axis}"}, f"yaxis{axis}": down})
            figure.add_annotation(
                text=sheet.title, showarrow=False, xref="paper", yref="paper", x=place * share, y=1.12, xanchor="left"
            )
        return figure.update_layout(
            width=860, height=250, margin={"l": 45, "r": 10, "t": 35, "b": 45}, paper_bgcolor="white", showlegend=False
        )
