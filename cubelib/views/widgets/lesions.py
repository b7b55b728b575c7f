"""LesionLab: kill cells by a click or a share of them, and see what is left of a sentence, in several cubes at once.

Taught in notebook 04.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import ipywidgets
import torch
from torch import Tensor

from cubelib.errors import DataError
from cubelib.inference.answers import AnswerBank
from cubelib.lattice import random_damage
from cubelib.training.cube import Cube
from cubelib.views.experiments import Lesion, lesion, vector_of
from cubelib.views.view3d.colors import STRENGTH, Colors
from cubelib.views.view3d.pictures import cubes as cubes_picture
from cubelib.views.view3d.scene import Scene, travel
from cubelib.views.widgets.board import CELL, WIDE, Board, as_html, sentence_box
from cubelib.views.widgets.lattice import Cell, LatticePicture, Sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 30  # per cent of the cells that the slider kills
LOUDEST = f"{STRENGTH}, at its loudest tick"


class LesionLab(Board):
    """Cubes in which the same cells die.

    A cell is killed, or revived, by a click on it, in the lattice or on the sheet of a single plane beside it; the
    slider kills a share of all cells, drawn at random. Below, for each cube: the cosine of what comes out with the
    sentence's own vector, unharmed and damaged, and the known texts nearest to it.

    Args:
        cubes: name → Cube or CubeTrainer, all of one lattice and one teacher: a plain one beside one that was trained
            to withstand damage, say.
        sentence: to begin with.
        bank: known texts to look for what comes out; None for none.
        k: how many of them are shown.

    Attributes:
        found: what `cubelib.views.experiments.lesion` returned, by name.
        damage: the dead cells, bool `(depth, rows, columns)`.
        sentence, share, draw, plane, shown: the controls, each with a `value`: the line, the dead share in per cent,
            the number of the draw, the plane on the sheet, the name of the cube in the picture.

    Raises:
        DataError: cubes of different lattices, or as in `lesion`; later mistakes get a message.
        ModuleNotFoundError: plotly or anywidget is not installed.

    Example:
        >>> from cubelib import TeacherEncoder
        >>> cube = Cube({"embedding_dim": 48, "lattice_size": [4, 4, 4], "mode": "dialogue"})
        >>> cube.initialize_components()
        >>> cube.embedding_loader = TeacherEncoder(lambda texts: [[len(text)] + 47 * [1] for text in texts])
        >>> lab = LesionLab({"plain": cube}, "Hello!")
        >>> lab.kill((2, row, column) for row in range(2) for column in range(4))
        >>> lab
        LesionLab(“Hello!”, 8 of 64 cells dead; plain: cosine 1.00 → 0.54)
    """

    def __init__(self, cubes: Mapping[str, Cube], sentence: str, *, bank: AnswerBank | None = None, k: int = 5) -> None:
        self.cubes, self.bank, self.k = dict(cubes), bank, k
        sizes = {cube.embedding_processor.lattice_size for cube in self.cubes.values() if cube.embedding_processor}
        if len(sizes) != 1:
            raise DataError(
                f"LesionLab: the same cells die in all cubes, so these are of one lattice; got {len(self.cubes)} cubes "
                f"of {len(sizes)} lattices. Call initialize_components() on each, with one lattice_size."
            )
        (size,) = sizes
        self.damage = torch.zeros(size, dtype=torch.bool)
        self._vector = vector_of(next(iter(self.cubes.values())), sentence)
        self.found: dict[str, Lesion] = lesion(self.cubes, self._vector, self.damage, bank=bank, k=k)
        self.sentence = sentence_box(sentence, self._send)
        self.share = ipywidgets.IntSlider(min=0, max=MOST, description="dead, %", continuous_update=False)
        self.draw = ipywidgets.BoundedIntText(min=0, max=9999, description="draw", layout={"width": "150px"})
        self.plane = ipywidgets.IntSlider(min=0, max=size[0] - 1, value=size[0] // 2, description="plane")
        self.shown = ipywidgets.Dropdown(options=list(self.cubes), description="picture", layout={"width": "240px"})
        self.revive = ipywidgets.Button(description="all alive", layout={"width": "90px"})
        self.table = ipywidgets.HTML()
        self.picture_box = LatticePicture(
            self._scene(), sheets=[self._sheet()], bar=False, on_cell=self.toggle, on_square=self._toggle_on_sheet
        )
        for control in (self.share, self.draw):
            control.observe(lambda _: self._draw_lots(), names="value")
        self.plane.observe(lambda _: self._repaint(), names="value")
        self.shown.observe(lambda _: self._repaint(), names="value")
        self.revive.on_click(lambda _: self.heal())
        rows = ([self.share, self.draw, self.revive], [self.plane, self.shown])
        controls = [ipywidgets.HBox(row, layout=WIDE) for row in rows]
        super().__init__(self.sentence, *controls, self.picture_box.figure, self.table)
        self._tell()

    # --- what a click does, and a cell of a notebook can do too -----------------------------------------------------

    def toggle(self, cell: Cell) -> None:
        """Kills a living cell, (plane, row, column), or revives a dead one."""
        self.damage[cell] = ~self.damage[cell]
        self._look()

    def kill(self, cells: Iterable[Cell] | Tensor) -> None:
        """Kills cells: a list of (plane, row, column), or a bool mask `(depth, rows, columns)`."""
        if isinstance(cells, Tensor):
            self.damage |= cells
        else:
            for cell in cells:
                self.damage[cell] = True
        self._look()

    def heal(self) -> None:
        """All cells live."""
        self.damage = torch.zeros_like(self.damage)
        self._look()

    # --- what is seen -----------------------------------------------------------------------------------------------

    def summary(self) -> str:
        dead, cells = int(self.damage.sum()), self.damage.numel()
        figures = [f"{name}: cosine {f.cosine_before:.2f} → {f.cosine:.2f}" for name, f in self.found.items()]
        return f"“{self.sentence.value}”, {dead} of {cells} cells dead; {'; '.join(figures)}"

    def picture(self) -> Figure:
        loudest = {name: self._loudest(cube) for name, cube in self.cubes.items()}
        return cubes_picture(loudest, dead=self.damage, label=LOUDEST)

    def _loudest(self, cube: Cube) -> Tensor:
        """The strongest signal that each cell ever holds, `(depth, rows, columns)`."""
        return travel(cube, self._vector, damage=self.damage).norm(dim=-1).amax(0)

    def _scene(self) -> Scene:
        self._held = self._loudest(self.cubes[self.shown.value])
        return Scene(self._held[None], LOUDEST, dead=self.damage)

    def _sheet(self) -> Sheet:
        plane = self.plane.value
        title = f"plane {plane}: click to kill or revive"
        return Sheet(title, self._held[plane], Colors([self._held]), crossed=self.damage[plane])

    def _toggle_on_sheet(self, square: tuple[int, int]) -> None:
        row, column = map(int, square)
        self.toggle((self.plane.value, row, column))

    def _draw_lots(self) -> None:
        with self.listening():
            self.damage = random_damage(self.damage.shape, self.share.value / 100, seed=self.draw.value)
            self._look()

    def _send(self) -> None:
        with self.listening("Encoding …"):
            self._vector = vector_of(next(iter(self.cubes.values())), self.sentence.value)
            self._look()

    def _look(self) -> None:
        self.found = lesion(self.cubes, self._vector, self.damage, bank=self.bank, k=self.k)
        self._repaint()
        self._tell()

    def _repaint(self) -> None:
        self.picture_box.draw(self._scene(), 0, [self._sheet()])

    def _tell(self) -> None:
        dead, cells = int(self.damage.sum()), self.damage.numel()
        self.table.value = "".join(
            [f"<p>{dead} of {cells} cells dead ({dead / cells:.1%})</p>", *map(_rows, self.found, self.found.values())]
        )


def _rows(name: str, found: Lesion) -> str:
    """A cube's figures and nearest texts as HTML; texts are escaped."""
    head = f"<b>{as_html(name)}</b>: cosine {found.cosine_before:.3f} unharmed, <b>{found.cosine:.3f}</b> damaged"
    if not found.before:
        return f"<p>{head}</p>"
    living = {answer.index for answer in found.after}
    lines = "".join(
        f"<tr><td {CELL}>{before.score:.3f}</td><td {CELL}>{as_html(before.text)}"
        f"{'' if before.index in living else ' <i>(lost)</i>'}</td>"
        f"<td {CELL}>{after.score:.3f}</td><td {CELL}>{as_html(after.text)}</td></tr>"
        for before, after in zip(found.before, found.after, strict=True)
    )
    return (
        f"<p>{head}; {found.kept} of {len(found.before)} nearest texts kept</p><table><tr><th colspan=2 {CELL}>"
        f"nearest, unharmed</th><th colspan=2 {CELL}>nearest, damaged</th></tr>{lines}</table>"
    )
