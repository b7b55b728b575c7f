"""LesionLab: kill cells, and see what is left of a sentence in several cubes at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

import ipywidgets
import torch
from matplotlib.figure import Figure
from torch import Tensor

from cubelib.errors import DataError
from cubelib.inference.answers import AnswerBank
from cubelib.lattice import damage_from_tick, make_damage
from cubelib.lattice.damage import SHAPES
from cubelib.training.cube import Cube
from cubelib.views.experiments import Lesion, compare, encode, face_change, forward_trace, spread
from cubelib.views.frontend import Content, Panel, new_content
from cubelib.views.view3d.panels import Heatmap, lattice_panel
from cubelib.views.view3d.scene import Colors, Scene
from cubelib.views.view3d.static import cubes as draw_cubes
from cubelib.views.widgets.base import FigureWidget, answer_table, on_change

Cell = tuple[int, int, int]

MOST_PERCENT = 30  # of the cells that the slider kills
ALL = "side by side"
CHANGE = "change of a cell, as a share of its signal"
SHARES = Colors([], span=(0.0, 1.0))
LEAST_LEVEL = 6  # of SHARES: 2 %
ROUNDING = 1e-4  # of a cell's signal; less is what float32 makes of a sum in another order, and no change


class LesionLab(FigureWidget):
    """Cubes in which the same cells die. Taught in notebook 04.

    A click on a cell kills or revives it, in a lattice or on the single plane below it; the slider kills a share of
    all cells, scattered, as a ball, or as a hole in the chosen plane, from a tick on. Color and size are what the dead
    cells change, damaged against unharmed, on one scale for all cubes: 1 is as much as the cell ever holds. The last
    map shows what changed at the back face at the end. For each cube the table shows the cosine of the output with the
    sentence's own vector, unharmed and damaged, and the nearest known texts.

    Args:
        cubes: name → Cube or CubeTrainer, all of one lattice and one teacher, such as a plain one beside one that was
            trained to withstand damage.
        sentence: to begin with.
        bank: known texts to search with the outputs; None for none.
        k: how many of them are shown.

    Attributes:
        lesions: what `cubelib.views.experiments.lesion` returned, by name.
        spreads: what `cubelib.views.experiments.spread` returned, by name.
        damage: the dead cells, bool `(depth, rows, columns)`.
        sentence, shape, percent, draw, tick, plane, shown: the controls, each with a `value`: the line, the shape of
            the lesion, the percentage of dead cells, the number of the random draw, the tick at which they die, the
            plane below the lattice, the name of the cube in the pictures or "side by side".

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
        names = [ALL, *self.cubes] if len(self.cubes) > 1 else list(self.cubes)
        self.shown = ipywidgets.Dropdown(options=names, description="picture", layout={"width": "240px"})
        self.revive = ipywidgets.Button(description="all alive", layout={"width": "90px"})
        super().__init__(
            sentence, [self.shape, self.percent, self.draw, self.tick], [self.plane, self.shown, self.revive]
        )
        on_change(self._draw_cells, self.shape, self.percent, self.draw)
        on_change(self._update, self.tick)
        on_change(self.show, self.plane, self.shown)
        self.revive.on_click(lambda _: self.heal())

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
        if self.percent.value:
            self.percent.value = 0  # draws none, and shows it
        else:
            self._update()

    def clicked(self, panel: str, cell: tuple[int, ...]) -> None:
        self.toggle(cell if len(cell) == 3 else (self.plane.value, *cell))

    # --- what is shown ----------------------------------------------------------------------------------------------

    def summary(self) -> str:
        cosines = [f"{name}: cosine {one.cosine_before:.2f} → {one.cosine:.2f}" for name, one in self.lesions.items()]
        return f"“{self.sentence.value}”, {self._dead()}; {'; '.join(cosines)}"

    def picture(self) -> Figure:
        return draw_cubes(self.spreads, dead=self.damage, scale=SHARES, label=CHANGE)

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

    def content(self) -> Content:
        names = list(self.cubes) if self.shown.value == ALL else [self.shown.value]
        lattices = [self._lattice(name) for name in names]
        maps = [panel for name in names for panel in self._maps(name)]
        return new_content([lattices, maps])

    def _lattice(self, name: str) -> Panel:
        scene = Scene(_shown(self.spreads[name])[None], CHANGE, dead=self.damage, scale=SHARES)
        looks = {"sized": True, "least": LEAST_LEVEL, "silent": "changed by less than 2 % of its signal", "tall": 380}
        return lattice_panel(scene, name=name, title=name, clickable=True, **looks)

    def _maps(self, name: str) -> list[Panel]:
        plane = self.plane.value
        title = f"{name}: plane {plane}"
        values, dead = _shown(self.spreads[name][plane]), self.damage[plane]
        chosen = Heatmap(title, values, SHARES, bar=False, crossed=dead, name=f"plane of {name}")
        back = Heatmap(f"{name}: change at the back face", _shown(self.changes[name]), SHARES, "1: a cell's strength")
        return [chosen.panel(), back.panel()]

    def set_sentence(self, sentence: str) -> None:
        vector = encode(next(iter(self.cubes.values())), sentence)
        self._whole = {name: forward_trace(cube, vector) for name, cube in self.cubes.items()}
        self._measure()

    def _dead(self) -> str:
        return f"{int(self.damage.sum())} of {self.damage.numel()} cells dead"

    def _draw_cells(self) -> None:
        planes, rows, columns = self.damage.shape
        share, options = self.percent.value / 100, {"plane": self.plane.value, "seed": self.draw.value}
        self.damage = make_damage(self.shape.value, (planes, rows, columns), share, **options)
        self._update()

    def _update(self) -> None:
        self._measure()
        self.show()

    def _measure(self) -> None:
        self.lesions: dict[str, Lesion] = {}
        self.spreads: dict[str, Tensor] = {}  # name → (depth, rows, columns)
        self.changes: dict[str, Tensor] = {}  # name → (rows, columns)
        for name, cube in self.cubes.items():
            mask = damage_from_tick(self.damage, self.tick.value, steps=cube.core.steps)
            whole, damaged = self._whole[name], forward_trace(cube, self._whole[name].input, damage=mask)
            self.lesions[name] = compare(whole, damaged, bank=self.bank, k=self.k)
            self.spreads[name] = spread(whole, damaged)
            channels = cube.core.in_channels
            self.changes[name] = face_change(whole.states[..., :channels], damaged.states[..., :channels])


def _shown(change: Tensor) -> Tensor:
    """A change as it is drawn: without what is only rounding."""
    return torch.where(change < ROUNDING, 0.0, change)
