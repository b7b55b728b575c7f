"""LayoutExplorer: which cell of the front face holds which numbers, under all layouts side by side."""

from __future__ import annotations

import ipywidgets
import torch
from matplotlib.figure import Figure
from torch import Tensor

from cubelib.data.vectors import VectorFile
from cubelib.training.cube import Cube
from cubelib.views.experiments import encode, layouts, sensitivity
from cubelib.views.frontend import Content, new_content
from cubelib.views.view3d.panels import Heatmap
from cubelib.views.view3d.scene import Colors
from cubelib.views.view3d.static import faces as draw_faces
from cubelib.views.widgets.base import FigureWidget, on_change

STRENGTH, CHANNEL, TOUCH = "strength of a cell", "one channel", "who notices one number"
CHANGE = 0.01  # of the number


class LayoutExplorer(FigureWidget):
    """The front face of a cube with the same vector on it, once for each layout. Taught in notebook 02.

    It shows how strong each cell's numbers are together, or one of its channels, or which cells notice when one number
    of the vector changes by 0.01.

    Args:
        cube: a Cube or CubeTrainer with its components, for its face and its teacher.
        fitted_on: training vectors for the layouts that depend on data, `(n, dim)`.
        sentence: to begin with.

    Attributes:
        faces: layout → what is shown, `(rows, columns)`.
        sentence, what, channel, number: the controls, each with a `value`.

    Raises:
        DataError: as in `cubelib.views.experiments.encode`, for the first sentence; later ones get a message.

    Example:
        >>> from cubelib import TeacherEncoder
        >>> cube = Cube({"embedding_dim": 48, "lattice_size": [4, 4, 4]})
        >>> cube.initialize_components()
        >>> cube.encoder = TeacherEncoder(lambda texts: [[len(text)] + 47 * [1] for text in texts])
        >>> explorer = LayoutExplorer(cube, torch.randn(99, 48), "Hello!")
        >>> explorer.what.value, explorer.number.value = TOUCH, 7
        >>> explorer
        LayoutExplorer(“Hello!”, number 7 noticed by 1, 1, 1, 1 and 16 of 16 cells)
    """

    def __init__(self, cube: Cube, fitted_on: Tensor | VectorFile, sentence: str) -> None:
        self.cube = cube
        self.set_sentence(sentence)
        rows, columns, channels = cube.reshaper.cube_shape
        self.reshapers = layouts(len(self.vector), fitted_on, face=(rows, columns), seed=cube.config.random_seed)
        self.what = ipywidgets.Dropdown(options=[STRENGTH, CHANNEL, TOUCH], description="show")
        self.channel = ipywidgets.IntSlider(max=channels - 1, description="channel", disabled=True)
        self.number = ipywidgets.IntSlider(max=len(self.vector) - 1, description="number", disabled=True)
        on_change(self.show, self.what, self.channel, self.number)
        super().__init__(sentence, [self.what, self.channel, self.number])

    def set_sentence(self, sentence: str) -> None:
        self.vector = encode(self.cube, sentence)

    def summary(self) -> str:
        return f"“{self.sentence.value}”, {self.facts()}"

    def picture(self) -> Figure:
        return draw_faces(self.faces, label=self._label())

    def facts(self) -> str:
        if self.what.value != TOUCH:
            return f"{self._label()}, under {', '.join(self.faces)}"
        *counts, last = (int((face != 0).sum()) for face in self.faces.values())
        cells = next(iter(self.faces.values())).numel()
        return f"number {self.number.value} noticed by {', '.join(map(str, counts))} and {last} of {cells} cells"

    def show(self) -> None:
        super().show()
        self.channel.disabled = self.what.value != CHANNEL
        self.number.disabled = self.what.value != TOUCH

    def content(self) -> Content:
        self.faces = self._faces()
        colors = Colors(list(self.faces.values()))
        last = list(self.faces)[-1]
        heatmaps = [Heatmap(name, face, colors, self._label(), name == last) for name, face in self.faces.items()]
        return new_content([[heatmap.panel() for heatmap in heatmaps]])

    def _faces(self) -> dict[str, Tensor]:
        """What each cell shows under each layout, `(rows, columns)`."""
        if self.what.value == TOUCH:
            faces = sensitivity(self.reshapers, self.vector, self.number.value, CHANGE)
        else:
            cubes = {name: reshaper.fold(self.vector[None])[0] for name, reshaper in self.reshapers.items()}
            channel = self.channel.value if self.what.value == CHANNEL else None
            faces = {name: cube.norm(dim=-1) if channel is None else cube[..., channel] for name, cube in cubes.items()}
        # A rotation leaves rounding errors where a shuffle leaves zeros: a millionth of the largest counts as zero.
        largest = max(float(face.abs().max()) for face in faces.values())
        return {name: torch.where(face.abs() < 1e-6 * largest, 0, face) for name, face in faces.items()}

    def _label(self) -> str:
        labels = {TOUCH: "change of a cell", CHANNEL: f"channel {self.channel.value} of a cell"}
        return labels.get(self.what.value, STRENGTH)
