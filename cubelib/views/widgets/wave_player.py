"""WavePlayer: type a sentence, step through the ticks, see the input, the output and how similar they are."""

from __future__ import annotations

from html import escape

import ipywidgets
from matplotlib.figure import Figure

from cubelib.training.cube import Cube
from cubelib.views.experiments import ForwardTrace, forward_trace
from cubelib.views.frontend import Content, new_content
from cubelib.views.view3d.panels import Heatmap, lattice_panel
from cubelib.views.view3d.scene import STRENGTH, Colors, Scene
from cubelib.views.view3d.static import to_matplotlib
from cubelib.views.widgets.base import FigureWidget, on_change

ALL = "strength"


class WavePlayer(FigureWidget):
    """A sentence on its way through a cube. Taught in notebook 00.

    Args:
        cube: a Cube or CubeTrainer with its components, trained or not.
        sentence: to begin with; the cube's teacher encodes it.

    Attributes:
        trace: what `cubelib.views.experiments.forward_trace` returned for the sentence that is shown.
        sentence: the line to type in; like all controls it has a `value`.
        tick: what is shown, also if it is played or chosen below the picture.
        channel: what the colors show: "strength", or the number of a channel.

    Raises:
        DataError: as in `forward_trace`, for the first sentence; later ones get a message.

    Example:
        >>> import torch
        >>> from cubelib import TeacherEncoder
        >>> cube = Cube({"embedding_dim": 48, "lattice_size": [4, 4, 4], "mode": "dialogue"})
        >>> cube.initialize_components()
        >>> cube.encoder = TeacherEncoder(lambda texts: [[len(text)] + 47 * [1] for text in texts])
        >>> player = WavePlayer(cube, "Hello!")
        >>> player.tick.value = 3
        >>> player
        WavePlayer(“Hello!”, tick 3 of 3: plane 3 holds something; cosine of output and input 1.0000)
    """

    def __init__(self, cube: Cube, sentence: str) -> None:
        self.cube = cube
        self.set_sentence(sentence)
        steps, _, _, _, channels = self.trace.states.shape
        self.tick = ipywidgets.IntSlider(max=steps - 1, description="tick")
        choices = [(ALL, ALL), *((f"channel {channel}", channel) for channel in range(channels))]
        self.channel = ipywidgets.Dropdown(options=choices, description="color", layout={"width": "210px"})
        super().__init__(sentence, [self.channel])
        ipywidgets.link((self.tick, "value"), (self.figure, "tick"))  # the picture has its own slider
        on_change(self._show_facts, self.tick)
        on_change(self.show, self.channel)

    def set_sentence(self, sentence: str) -> None:
        self.trace: ForwardTrace = forward_trace(self.cube, sentence)

    def summary(self) -> str:
        return f"“{self.sentence.value}”, {self._where()}; cosine of output and input {self.trace.cosine:.4f}"

    def picture(self) -> Figure:
        return to_matplotlib(self._scene())

    def facts(self) -> str:
        return escape(f"{self._where()}. Cosine of output and input: {self.trace.cosine:.4f}")

    def content(self) -> Content:
        faces = [heatmap.panel() for heatmap in self._faces()]
        return new_content([[lattice_panel(self._scene(), tall=430)], faces], ticks=self.tick.max + 1)

    def _show_facts(self) -> None:
        self.details.value = self.facts()

    def _faces(self) -> list[Heatmap]:
        """The numbers of each cell of the front face at the start, and of the back face at the end."""
        states = self.trace.states[..., : self.cube.core.in_channels]
        faces = {"in: front face, tick 0": states[0, 0], f"out: back face, tick {self.tick.max}": states[-1, -1]}
        colors = Colors(list(faces.values()))
        return [
            Heatmap(title, face.flatten(0, 1).T, colors, "a cell's numbers", across="cell", down="number")
            for title, face in faces.items()
        ]

    def _scene(self) -> Scene:
        channel = self.channel.value
        values, label = self.trace.strength, STRENGTH
        if channel != ALL:
            values, label = self.trace.states[..., channel], f"channel {channel} of a cell's state"
        return Scene(values, label, self.cube.core.cone)

    def _where(self) -> str:
        planes = [str(plane) for plane in self.trace.active_planes[self.tick.value]]
        if not planes:
            active = "no plane holds"
        elif len(planes) == 1:
            active = f"plane {planes[0]} holds"
        else:
            active = f"planes {', '.join(planes[:-1])} and {planes[-1]} hold"
        return f"tick {self.tick.value} of {self.tick.max}: {active} something"
