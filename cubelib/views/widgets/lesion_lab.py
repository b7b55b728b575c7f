"""LesionLab: kill cells, and see what is left of a sentence in several cubes at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

import ipywidgets
import torch
from matplotlib.figure import Figure
from torch import Tensor

from cubelib.errors import DataError
from cubelib.inference.answers import AnswerBank
from cubelib.lattice import damage_from_tick, make_damage
from cubelib.lattice.damage import SHAPES
from cubelib.training.cube import Cube
from cubelib.views.experiments import Lesion, encode, lesion, lesion_change
from cubelib.views.view3d.interactive import scene_traces
from cubelib.views.view3d.scene import STRENGTH, Colors, Scene, trace_states
from cubelib.views.view3d.static import cubes as draw_cubes
from cubelib.views.widgets.base import FigureWidget, Heatmap, answer_table, lattice_figure, on_change

Cell = tuple[int, int, int]

MOST_PERCENT = 30  # of the cells that the slider kills
LOUDEST = f"{STRENGTH}, at its loudest tick"


class LesionLab(FigureWidget):
    """Cubes in which the same cells die. Taught in notebook 04.

    A click on a cell kills or revives it, in the lattice or on the single plane beside it; the slider kills a share of
    all cells, scattered, as a ball, or as a hole in the chosen plane, from a tick on. The lower map shows what changed
    at the back face against the unharmed cube, on one scale for all cubes. For each cube the table shows the cosine of
    the output with the sentence's own vector, unharmed and damaged, and the nearest known texts.

    Args:
        cubes: name → Cube or CubeTrainer, all of one lattice and one teacher, such as a plain one beside one that was
            trained to withstand damage.
        sentence: to begin with.
        bank: known texts to search with the outputs; None for none.
        k: how many of them are shown.

    Attributes:
        lesions: what `cubelib.views.experiments.lesion` returned, by name.
        damage: the dead cells, bool `(depth, rows, columns)`.
        sentence, shape, percent, draw, tick, plane, shown: the controls, each with a `value`: the line, the shape of
            the lesion, the percentage of dead cells, the number of the random draw, the tick at which they die, the
            plane beside the lattice, the name of the cube in the pictures.

    Raises:
        DataError: cubes of different lattices, or as in `lesion`; later mistakes get a message.

    Example:
        >>> from cubelib import TeacherEncoder
        >>> cube = Cube({"embedding_dim": 48, "lattice_size": [4, 4, 4], "mode": "dialogue"})
        >>> cube.initialize_components()
        >>> cube.encoder = TeacherEncoder(lambda texts: [[len(text)] + 47 * [1] for text in texts])
        >>> lab = LesionLab({"plain": cube}, "Hello!")
        >>> lab.kill((2, row, column) for row in range(2) for column in range(4))
        >>> lab
        LesionLab(“Hello!”, 8 of 64 cells dead; plain: cosine 1.00 → 0.54)
    """

    def __init__(self, cubes: Mapping[str, Cube], sentence: str, *, bank: AnswerBank | None = None, k: int = 5) -> None:
        self.cubes, self.bank, self.k = dict(cubes), bank, k
        sizes = {cube.core.lattice_size for cube in self.cubes.values() if cube.initialized}
        if len(sizes) != 1:
            raise DataError(
                f"LesionLab: the same cells die in all cubes, so they need one lattice; got {len(self.cubes)} cubes of "
                f"{len(sizes)} lattices. Call initialize_components() on each, with one lattice_size."
            )
        (size,) = sizes
        self.damage = torch.zeros(size, dtype=torch.bool)
        steps = min(cube.core.steps for cube in self.cubes.values())
        self.tick = ipywidgets.IntSlider(max=steps, description="from tick", continuous_update=False)
        self.set_sentence(sentence)
        self.shape = ipywidgets.Dropdown(options=SHAPES, description="lesion", layout={"width": "200px"})
        self.percent = ipywidgets.IntSlider(max=MOST_PERCENT, description="dead, %", continuous_update=False)
        self.draw = ipywidgets.BoundedIntText(max=9999, description="draw", layout={"width": "150px"})
        self.plane = ipywidgets.IntSlider(size[0] // 2, max=size[0] - 1, description="plane")
        self.shown = ipywidgets.Dropdown(options=list(self.cubes), description="picture", layout={"width": "240px"})
        self.revive = ipywidgets.Button(description="all alive", layout={"width": "90px"})
        on_change(self._draw_cells, self.shape, self.percent, self.draw)
        on_change(self._update, self.tick)
        on_change(self.show, self.plane, self.shown)
        self.revive.on_click(lambda _: self.heal())
        scene = self._scene()
        figure = lattice_figure(scene, [self._slice(scene), self._change()], color_bar=False)
        rows = [self.shape, self.percent, self.draw], [self.tick, self.plane], [self.shown, self.revive]
        super().__init__(sentence, figure, *rows)
        for trace in self.figure.data[:-1]:  # all but the back face
            trace.on_click(self._click)

    # --- what a click does, and a cell of a notebook can do too -----------------------------------------------------

    def toggle(self, cell: Cell) -> None:
        """Kills a living cell, (plane, row, column), or revives a dead one."""
        self.damage[cell] = ~self.damage[cell]
        self._update()

    def kill(self, cells: Iterable[Cell]) -> None:
        """Kills cells, each (plane, row, column)."""
        for cell in cells:
            self.damage[cell] = True
        self._update()

    def heal(self) -> None:
        """Revives all cells."""
        self.damage = torch.zeros_like(self.damage)
        self._update()

    def _click(self, trace: Any, points: Any, _: Any) -> None:
        if trace.type == "heatmap":
            cells = [
                (self.plane.value, int(row), int(column)) for column, row in zip(points.xs, points.ys, strict=True)
            ]
        else:  # a silent cell's middle, or a corner of a cube
            corners = [(trace.x[index], trace.z[index], trace.y[index]) for index in points.point_inds]
            cells = [(round(float(plane)), round(float(row)), round(float(column))) for plane, row, column in corners]
        for cell in cells:
            self.toggle(cell)

    # --- what is shown ----------------------------------------------------------------------------------------------

    def summary(self) -> str:
        cosines = [f"{name}: cosine {one.cosine_before:.2f} → {one.cosine:.2f}" for name, one in self.lesions.items()]
        return f"“{self.sentence.value}”, {self._dead()}; {'; '.join(cosines)}"

    def picture(self) -> Figure:
        loudest = {name: self._loudest(cube) for name, cube in self.cubes.items()}
        return draw_cubes(loudest, dead=self.damage, label=LOUDEST)

    def facts(self) -> str:
        parts = [f"<p>{self._dead()} ({self.damage.double().mean():.1%})</p>"]
        for name, one in self.lesions.items():
            cosines = f"cosine {one.cosine_before:.3f} unharmed, <b>{one.cosine:.3f}</b> damaged"
            parts.append(f"<p><b>{escape(name)}</b>: {cosines}")
            if one.before:
                lost = {answer.index for answer in one.before} - {answer.index for answer in one.after}
                columns = {"nearest, unharmed": one.before, "nearest, damaged": one.after}
                parts.append(f"; {one.kept} of {len(one.before)} nearest texts kept</p>")
                parts.append(answer_table(columns, dict.fromkeys(lost, "lost")))
        return "".join(parts)

    def traces(self) -> list[dict[str, Any]]:
        scene = self._scene()
        return [*scene_traces(scene, 0), self._slice(scene).trace(), self._change().trace()]

    def _scene(self) -> Scene:
        return Scene(self._loudest(self.cubes[self.shown.value])[None], LOUDEST, dead=self.damage)

    def _slice(self, scene: Scene) -> Heatmap:
        plane = self.plane.value
        title = "the chosen plane: click to kill or revive"
        return Heatmap(title, scene.values[0, plane], scene.colors, crossed=self.damage[plane])

    def _change(self) -> Heatmap:
        colors = Colors([torch.ones(1), *self.changes.values()])
        title = "change at the back face (1: a cell's strength)"
        return Heatmap(title, self.changes[self.shown.value], colors)

    def set_sentence(self, sentence: str) -> None:
        self._vector = encode(next(iter(self.cubes.values())), sentence)
        self._measure()

    def _dead(self) -> str:
        return f"{int(self.damage.sum())} of {self.damage.numel()} cells dead"

    def _loudest(self, cube: Cube) -> Tensor:
        """The strongest signal that each cell ever holds, `(depth, rows, columns)`."""
        strength: Tensor = trace_states(cube, self._vector, damage=self._masks(cube)).norm(dim=-1)
        return strength.amax(0)

    def _masks(self, cube: Cube) -> Tensor:
        """The dead cells tick by tick, `(steps + 1, depth, rows, columns)`."""
        return damage_from_tick(self.damage, self.tick.value, steps=cube.core.steps)

    def _draw_cells(self) -> None:
        planes, rows, columns = self.damage.shape
        share, options = self.percent.value / 100, {"plane": self.plane.value, "seed": self.draw.value}
        self.damage = make_damage(self.shape.value, (planes, rows, columns), share, **options)
        self._update()

    def _update(self) -> None:
        self._measure()
        self.show()

    def _measure(self) -> None:
        options = {"from_tick": self.tick.value, "bank": self.bank, "k": self.k}
        self.lesions: dict[str, Lesion] = lesion(self.cubes, self._vector, self.damage, **options)
        self.changes = {name: lesion_change(cube, self._vector, self._masks(cube)) for name, cube in self.cubes.items()}
