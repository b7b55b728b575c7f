"""View: an interactive figure with a printed twin; `show` and `play` make one of a lattice. Taught in notebook 03."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from cubelib.errors import UserError
from cubelib.files import reason, written_aside
from cubelib.views.view3d.colors import STRENGTH
from cubelib.views.view3d.interactive import to_plotly
from cubelib.views.view3d.scene import Scene, trace_scene
from cubelib.views.view3d.static import png, static_mime, to_matplotlib

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.figure import Figure

    from cubelib.lattice import CubicCore
    from cubelib.reshaper import EmbeddingReshaper
    from cubelib.training.cube import Cube


class View:
    """An interactive figure, and its printed twin for paper and for GitHub.

    Args:
        figure: of plotly.
        picture: draws the printed twin, a matplotlib figure.
        summary: one line that says what it shows; it is the view's repr.

    Attributes:
        figure: of plotly.
    """

    def __init__(self, figure: go.Figure, picture: Callable[[], Figure], summary: str) -> None:
        self.figure, self._picture, self._summary = figure, picture, summary

    def picture(self) -> Figure:
        """The printed twin, a matplotlib figure."""
        return self._picture()

    def save(self, path: str | Path) -> Path:
        """Writes the view to a file: .html is a page that works without a kernel or a network, .png the printed twin.

        An older file is replaced as a whole.

        Raises:
            UserError: another ending, or a place that cannot be written.
        """
        path = Path(path)
        if path.suffix not in (".html", ".png"):
            raise UserError(
                f"View.save: {path.name} ends in {path.suffix or 'nothing'}. Use .html for a page that turns, about "
                "5 MB with all it needs, or .png for the printed twin."
            )
        content = self.html().encode() if path.suffix == ".html" else png(self.picture(), dpi=150)
        try:
            with written_aside(path, replace=True) as aside:
                aside.write_bytes(content)
        except OSError as error:
            raise UserError(
                f"View.save: cannot write {path} ({reason(error)}). It takes {len(content) / 1e6:.1f} MB; make room, "
                "or choose another place."
            ) from error
        return path

    def html(self) -> str:
        """A whole page with all the scripts that it needs, to be opened from a disk."""
        page: str = self.figure.to_html(include_plotlyjs=True, full_html=True, auto_play=False, validate=False)
        return page

    def __repr__(self) -> str:
        return f"View of {self._summary}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        from plotly.io import renderers

        # What PLOTLY_RENDERER asks for; plotly's script once for a notebook, not once for each figure in it.
        bundle = {**renderers._build_mime_bundle(self.figure.to_dict()), "text/plain": repr(self)}
        if "notebook" in renderers.default.split("+"):  # an exported page asks no network for MathJax
            bundle["text/html"] = self.figure.to_html(
                full_html=False, include_plotlyjs=False, include_mathjax=False, auto_play=False, validate=False
            )
        return bundle | static_mime(self.picture)


def show(
    core: CubicCore | Cube,
    vector: Tensor,
    *,
    channel: int | None = None,
    damage: Tensor | None = None,
    reshaper: EmbeddingReshaper | None = None,
    title: str = "",
) -> View:
    """A vector on its way through a lattice: cells to turn, a slider and a play button for the ticks.

    Color is the strength of a cell's signal, or one channel of its state. The planes of the light cone, those worth
    computing at a tick, are outlined in orange; dead cells are black. The mouse over a cell tells its place and value.

    Args:
        core: a CubicCore, or a Cube or CubeTrainer, which folds the vector with its own reshaper.
        vector: `(dim,)`, `(1, dim)`, or a cube `(rows, columns, channels)` that is already folded.
        channel: 0 … state_channels − 1; None for the length of the whole state.
        damage: dead cells, bool `(depth, rows, columns)`.
        reshaper: folds the vector for a CubicCore; None for a plain one (row_major).
        title: shown above, as it is typed.

    Raises:
        DataError: a vector, mask or channel that does not fit.
        ModuleNotFoundError: plotly is not installed.

    Example:
        >>> from cubelib import CubicCore
        >>> import torch
        >>> show(CubicCore((3, 2, 2), in_channels=4, state_channels=4), torch.ones(16))
        View of strength of a cell's signal: 3×2×2 cells; cells that hold something, tick by tick: 4, 4, 4
    """
    return _view(trace_scene(core, vector, channel=channel, damage=damage, reshaper=reshaper, title=title))


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
        ModuleNotFoundError: plotly is not installed.

    Example:
        >>> import torch
        >>> play(torch.eye(3).reshape(3, 3, 1, 1), label="a walk")
        View of a walk: 3×1×1 cells; cells that hold something, tick by tick: 1, 1, 1
    """
    return _view(Scene(values, label, cone, marked, dead, title))


def _view(scene: Scene) -> View:
    return View(to_plotly(scene), lambda: to_matplotlib(scene), repr(scene))
