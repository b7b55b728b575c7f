"""WavePlayer: type a sentence, step through the ticks, see what goes in, what comes out and how alike the two are.

Taught in notebook 00.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import ipywidgets
from torch import Tensor

from cubelib.training.cube import Cube
from cubelib.views.experiments import Crossing, crossing
from cubelib.views.view3d.colors import STRENGTH, Colors
from cubelib.views.view3d.scene import Scene
from cubelib.views.view3d.turning import PACE
from cubelib.views.view3d.view import printed
from cubelib.views.widgets.board import WIDE, Board, as_html, sentence_box
from cubelib.views.widgets.lattice import LatticePicture, Sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ALL = "strength"


class WavePlayer(Board):
    """A sentence on its way through a cube.

    Args:
        cube: a Cube or CubeTrainer with its components, trained or not.
        sentence: to begin with; the cube's teacher encodes it.
        damage: dead cells, bool `(depth, rows, columns)`.

    Attributes:
        crossing: what `cubelib.views.experiments.crossing` returned for the sentence that is shown.
        sentence: the line to type in; like all controls it has a `value`.
        tick: the slider.
        channel: what the colors show: "strength", or the number of a channel.

    Raises:
        DataError: as in `crossing`, for the first sentence; later ones get a message.
        ModuleNotFoundError: plotly or anywidget is not installed.

    Example:
        >>> import torch
        >>> from cubelib import TeacherEncoder
        >>> cube = Cube({"embedding_dim": 48, "lattice_size": [4, 4, 4], "mode": "dialogue"})
        >>> cube.initialize_components()
        >>> cube.embedding_loader = TeacherEncoder(lambda texts: [[len(text)] + 47 * [1] for text in texts])
        >>> player = WavePlayer(cube, "Hello!")
        >>> player.tick.value = 3
        >>> player
        WavePlayer(“Hello!”, tick 3 of 3: plane 3 holds something; cosine of output and input 1.0000)
    """

    def __init__(self, cube: Cube, sentence: str, *, damage: Tensor | None = None) -> None:
        self.cube, self.damage = cube, damage
        self.crossing: Crossing = crossing(cube, sentence, damage=damage)
        steps, _, _, _, channels = self.crossing.states.shape
        self.sentence = sentence_box(sentence, self._send)
        self.tick = ipywidgets.IntSlider(min=0, max=steps - 1, description="tick")
        self.play = ipywidgets.Play(min=0, max=steps - 1, interval=PACE)
        ipywidgets.jslink((self.play, "value"), (self.tick, "value"))
        self.channel = ipywidgets.Dropdown(
            options=[(ALL, ALL), *((f"channel {number}", number) for number in range(channels))],
            description="color",
            layout=ipywidgets.Layout(width="210px"),
        )
        self.scene = self._scene()
        self.lattice = LatticePicture(self.scene, sheets=self._sheets())
        self.facts = ipywidgets.HTML()
        self.tick.observe(lambda _: self._show(), names="value")
        self.channel.observe(lambda _: self._paint(), names="value")
        controls = ipywidgets.HBox([self.play, self.tick, self.channel], layout=WIDE)
        super().__init__(self.sentence, controls, self.lattice.figure, self.facts)
        self._caption()

    def summary(self) -> str:
        return f"“{self.sentence.value}”, {self._where()}; cosine of output and input {self.crossing.cosine:.4f}"

    def picture(self) -> Figure:
        return printed(self.scene)

    def _scene(self) -> Scene:
        channel, states = self.channel.value, self.crossing.states
        values = self.crossing.strength if channel == ALL else states[..., channel]
        label = STRENGTH if channel == ALL else f"channel {channel} of a cell's state"
        return Scene(values, label, self.cube.embedding_processor.cone, None, self.damage)

    def _send(self) -> None:
        with self.listening("Encoding …"):
            self.crossing = crossing(self.cube, self.sentence.value, damage=self.damage)
            self._paint(self._sheets())

    def _paint(self, sheets: Sequence[Sheet] = ()) -> None:
        self.scene = self._scene()
        self._show(sheets)

    def _show(self, sheets: Sequence[Sheet] = ()) -> None:
        self.lattice.draw(self.scene, self.tick.value, sheets)
        self._caption()

    def _sheets(self) -> list[Sheet]:
        """The numbers of each cell of the front face at the start, and of the back face at the end."""
        states = self.crossing.states[..., : self.cube.embedding_reshaper.cube_shape[2]]
        ends = {"in: front face, tick 0": states[0, 0], f"out: back face, tick {self.tick.max}": states[-1, -1]}
        colors = Colors(list(ends.values()))
        return [Sheet(title, end.flatten(0, 1).T, colors, "cell", "number") for title, end in ends.items()]

    def _caption(self) -> None:
        self.facts.value = as_html(f"{self._where()}. Cosine of output and input: {self.crossing.cosine:.4f}")

    def _where(self) -> str:
        tick = self.tick.value
        planes = self.crossing.at_tick[tick]
        names = " and ".join(filter(None, [", ".join(map(str, planes[:-1])), *map(str, planes[-1:])]))
        hold = (
            "no plane holds" if not planes else f"plane {names} holds" if len(planes) == 1 else f"planes {names} hold"
        )
        return f"tick {tick} of {self.tick.max}: {hold} something"
