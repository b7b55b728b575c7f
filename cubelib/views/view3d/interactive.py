"""The lattice to turn: `show` and `play` make a `View`, with a slider and a play button for the ticks.

A `View` is drawn by the front end (`cubelib.views.frontend`), in JupyterLab or in a page, and has a printed twin.
Taught in notebook 03.

Depth goes to the right, the front face is on the left, row 0 is on top. A cell that holds something is a solid cube
whose color tells how much, a silent one is glass, a dead one is black. Orange outlines the planes of the light cone and
marked cells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from torch import Tensor

from cubelib.errors import UserError
from cubelib.files import written_aside
from cubelib.lattice import CubicCore
from cubelib.training.cube import Cube
from cubelib.views.frontend import Content, exported, new_content, page, part_of_page
from cubelib.views.view3d.panels import lattice_panel
from cubelib.views.view3d.scene import STRENGTH, Scene, trace_states
from cubelib.views.view3d.static import png, printed, static_mime, to_matplotlib


class View:
    """A picture to turn or to zoom, and its printed twin for paper and for GitHub.

    Args:
        content: what the front end draws, from `cubelib.views.frontend.new_content`.
        picture: draws the printed twin, a matplotlib figure.
        summary: one line that says what it shows; it is the view's repr.

    All three are attributes of the same names.
    """

    def __init__(self, content: Content, picture: Callable[[], Figure], summary: str) -> None:
        self.content, self.picture, self.summary = content, picture, summary

    def save(self, path: str | Path) -> Path:
        """Writes the view to a file: .html is a page that works without a kernel or a network, .png the printed twin.

        An older file is replaced as a whole.

        Raises:
            UserError: another ending.
            OSError: a place that cannot be written.
        """
        path = Path(path)
        if path.suffix not in (".html", ".png"):
            raise UserError(
                f"View.save: {path.name} ends in {path.suffix or 'nothing'}. Use .html for a page that turns, about "
                "1 MB with all it needs, or .png for the printed twin."
            )
        content = self.html().encode() if path.suffix == ".html" else png(self.picture(), dpi=150)
        with written_aside(path, replace=True) as aside:
            aside.write_bytes(content)
        return path

    def html(self) -> str:
        """A whole page with the program that draws it, to be opened from a disk."""
        return page(self.content, self.summary, png(self.picture()))

    def __repr__(self) -> str:
        return f"View of {self.summary}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        said = {"text/plain": repr(self)}
        if exported():
            said["text/html"] = part_of_page(self.content, self.summary, png(self.picture()))
        try:
            from cubelib.views.frontend.live import LivePicture
        except ModuleNotFoundError:  # without anywidget there is the printed twin
            return said | printed(self.picture)
        shown = LivePicture(self.content, lambda: png(self.picture()))._repr_mimebundle_()
        data = shown[0] if isinstance(shown, tuple) else shown or {}
        return data | said | static_mime(self.picture)


def show(core: CubicCore | Cube, vector: Tensor, *, damage: Tensor | None = None, title: str = "") -> View:
    """A vector on its way through a lattice: cells to turn, a slider and a play button for the ticks.

    Color is the strength of a cell's signal. The planes of the light cone, those worth computing at a tick, are
    outlined in orange; dead cells are black. The mouse over a cell tells its place and value.

    Args:
        core: a Cube or CubeTrainer, which folds the vector with its own reshaper; or a CubicCore, which takes it in the
            row_major layout.
        vector: `(dim,)`, `(1, dim)`, or a cube `(rows, columns, channels)` that is already folded.
        damage: dead cells, bool `(depth, rows, columns)`.
        title: shown above, as it is typed.

    Raises:
        DataError: a vector or mask that does not fit.

    Example:
        >>> from cubelib import CubicCore
        >>> import torch
        >>> show(CubicCore((3, 2, 2), in_channels=4, state_channels=4), torch.ones(16))
        View of strength of a cell's signal: 3×2×2 cells; cells that hold something, tick by tick: 4, 4, 4
    """
    strength = trace_states(core, vector, damage=damage).norm(dim=-1)
    cone = core.core.cone if isinstance(core, Cube) else core.cone
    return play(strength, dead=damage, cone=cone, title=title)


def play(
    values: Tensor,
    *,
    marked: Tensor | None = None,
    dead: Tensor | None = None,
    cone: Sequence[range] | None = None,
    label: str = STRENGTH,
    title: str = "",
) -> View:
    """Any values of cells over time, as `show` draws them.

    Args:
        values: what each cell holds at each tick, `(ticks, planes, rows, columns)`; 0 is silence.
        marked: cells to outline in orange at each tick, bool, the shape of values.
        dead: dead cells, bool `(planes, rows, columns)`.
        cone: planes to outline in orange at each tick.
        label: what the values are.
        title: shown above, as it is typed.

    Raises:
        DataError: values or masks that do not fit together.

    Example:
        >>> import torch
        >>> play(torch.eye(3).reshape(3, 3, 1, 1), label="a walk")
        View of a walk: 3×1×1 cells; cells that hold something, tick by tick: 1, 1, 1
    """
    scene = Scene(values, label, cone, marked, dead, title)
    content = new_content([[lattice_panel(scene)]], title=title, ticks=len(scene.values))
    return View(content, lambda: to_matplotlib(scene), repr(scene))
