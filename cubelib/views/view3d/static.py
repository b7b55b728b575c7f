"""The lattice in matplotlib: as solid cubes, plane by plane, tick by tick.

Silent cells, which hold exactly zero, are glass in a cube and pale gray in a plane.
"""

from __future__ import annotations

import base64
import io
import os
import textwrap
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.art3d import Line3DCollection, Poly3DCollection
from numpy.typing import NDArray
from torch import Tensor

from cubelib.views.style import ORANGE, new_figure, new_panels
from cubelib.views.view3d.scene import STRENGTH, Colors, Scene

# With 1 in this variable, which scripts/store_notebooks.py sets, a notebook stores a picture beside each interactive
# output. Otherwise not: JupyterLab would show the picture first, and drawing it takes a second or two.
PRINTED = "CUBELIB_PRINTED"
PRINTED_TICKS = 4  # of a scene

# As in the front end (lattice.js): planes stand apart by more than rows and columns, and there is room between cells.
_APART = 1.5
_SIDE = np.array([0.88 / _APART, 0.88, 0.88])
# The visible faces of a cell, front, left and top: corners (depth, columns, rows from below).
_VISIBLE = _SIDE * np.array(
    [
        [(0, 0, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1)],
        [(0, 0, 0), (1, 0, 0), (1, 0, 1), (0, 0, 1)],
        [(0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)],
    ]
)
_SHADES = (0.94, 0.84, 1.0)  # of these faces
_GLASS = (0.5, 0.55, 0.6, 0.035)


def to_matplotlib(scene: Scene) -> Figure:
    """A scene in print: four of its ticks as cubes, or all of them as films if cells are marked."""
    if scene.marked is not None:
        return films({scene.title: scene.values}, {scene.title: scene.marked}, across=1, label=scene.label)
    ticks = np.unique(np.linspace(0, len(scene.values) - 1, PRINTED_TICKS).round().astype(int)).tolist()
    figure = cubes(
        {f"tick {tick}": scene.values[tick] for tick in ticks},
        dead=scene.dead,
        cone=None if scene.cone is None else {f"tick {tick}": scene.cone[tick] for tick in ticks},
        scale=scene.values,
        label=scene.label,
    )
    if scene.title:
        figure.suptitle(scene.title, parse_math=False)
    return figure


def cubes(
    pictures: Mapping[str, Tensor],
    *,
    dead: Tensor | None = None,
    cone: Mapping[str, range] | None = None,
    scale: Tensor | Colors | None = None,
    label: str = STRENGTH,
) -> Figure:
    """Solid cubes next to each other: silent cells are glass, dead ones black.

    The front face is on the left, depth goes to the right, row 0 is on top, column 0 is nearest.

    Args:
        pictures: title → what each cell holds, `(depth, rows, columns)`.
        dead: cells to draw in black, bool `(depth, rows, columns)`.
        cone: title → planes to outline.
        scale: values that the colors must span, or the colors; None for the pictures' own.
        label: what the colors mean.

    Example:
        >>> import torch
        >>> figure = cubes({"a plane": torch.eye(3)[0].reshape(3, 1, 1).expand(3, 2, 2)})
        >>> figure.axes[0].get_title()
        'a plane'
    """
    spanned = [scale] if isinstance(scale, Tensor) else list(pictures.values())
    colors = scale if isinstance(scale, Colors) else Colors(spanned)
    figure, all_axes = new_panels(len(pictures), 3.1 * len(pictures) + 0.9, 3.2, subplot_kw={"projection": "3d"})
    for ax, (title, picture) in zip(all_axes, pictures.items(), strict=True):
        black = torch.zeros(picture.shape, dtype=torch.bool) if dead is None else dead
        _draw_cube(ax, _upright(picture), _upright(black), (cone or {}).get(title, ()), colors)
        ax.set_title(title, fontsize=11)
    _color_bar(figure, colors, all_axes, label)
    return figure


def faces(
    pictures: Mapping[str, Tensor],
    outlined: Mapping[str, Tensor] | None = None,
    *,
    written: bool = False,
    label: str = STRENGTH,
) -> Figure:
    """Single planes next to each other.

    Args:
        pictures: title → what each cell of a plane holds, `(rows, columns)`.
        outlined: title → cells to outline, bool, the same shape.
        written: write the numbers into the cells instead of a color bar.
        label: what the colors mean.

    Example:
        >>> import torch
        >>> figure = faces({"corner": torch.tensor([[7.0, 8.0], [8.0, 9.0]])}, written=True)
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['7', '8', '8', '9']
    """
    colors = Colors(list(pictures.values()))
    figure, all_axes = new_panels(len(pictures), 2.5 * len(pictures) + 0.9, 3.0)
    for ax, (title, picture) in zip(all_axes, pictures.items(), strict=True):
        values = picture.detach().cpu().numpy()
        _draw_cells(ax, values, None if outlined is None else outlined[title].numpy(), colors)
        rows, columns = values.shape
        ax.set(title=title, xlabel="column", xticks=range(columns), yticks=range(rows))
        for (row, column), value in np.ndenumerate(values) if written else ():
            color = "white" if colors.norm(value) < 0.5 and value != 0 else "black"
            ax.text(column, row, f"{value:g}", ha="center", va="center", color=color)
    all_axes[0].set_ylabel("row")
    if not written:
        _color_bar(figure, colors, all_axes, label)
    return figure


def films(
    pictures: Mapping[str, Tensor],
    outlined: Mapping[str, Tensor] | None = None,
    *,
    across: int = 2,
    first_tick: int = 0,
    label: str = STRENGTH,
) -> Figure:
    """All cells, tick by tick downwards and plane by plane from left to right: a block for each title.

    An active cell outside the outline is crossed.

    Args:
        pictures: title → what each cell holds at each tick, `(ticks, planes, rows, columns)`.
        outlined: title → cells to outline, bool, the same shape.
        across: blocks next to each other.
        first_tick: the number of the uppermost tick.
        label: what the colors mean.

    Example:
        >>> import torch
        >>> figure = films({"nothing": torch.zeros(2, 3, 4, 4)})
        >>> [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
        ['0', '1', '2']
    """
    colors = Colors(list(pictures.values()))
    ticks, planes, rows, columns = next(iter(pictures.values())).shape
    down = -(-len(pictures) // across)
    figure = new_figure(across * (0.11 * planes * columns + 0.6) + 0.9, max(2.8, down * (0.11 * ticks * rows + 0.8)))
    all_axes: list[Axes] = list(figure.subplots(down, across, squeeze=False).flat)
    plane_middles = (columns + 1) * np.arange(planes) + (columns - 1) / 2
    tick_middles = (rows + 1) * np.arange(ticks) + (rows - 1) / 2
    for ax, (title, picture) in zip(all_axes, pictures.items(), strict=False):
        outline = None if outlined is None else _tiled(outlined[title].numpy(), False)
        _draw_cells(ax, _tiled(picture.numpy().astype(float), np.nan), outline, colors)
        ax.set_xticks(plane_middles, map(str, range(planes)))
        ax.set_yticks(tick_middles, map(str, range(first_tick, first_tick + ticks)))
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.set(title=title, xlabel="plane, from the front face", ylabel="time in ticks")
    for ax in all_axes[len(pictures) :]:
        ax.set_axis_off()
    _color_bar(figure, colors, all_axes, label)
    return figure


def png(figure: Figure, dpi: int = 80) -> bytes:
    """A matplotlib figure as the content of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="white")
    return buffer.getvalue()


def static_mime(draw: Callable[[], Figure | None]) -> dict[str, str]:
    """What a notebook stores beside an interactive output if CUBELIB_PRINTED is 1: as `printed`, else {}.

    Args:
        draw: draws the picture; None if there is nothing to draw.
    """
    return printed(draw) if os.environ.get(PRINTED) == "1" else {}


def printed(draw: Callable[[], Figure | None]) -> dict[str, str]:
    """A picture for an output of a notebook: {"image/png": its base64}, or {} if there is nothing to draw."""
    figure = draw()
    return {} if figure is None else {"image/png": base64.b64encode(png(figure)).decode()}


def borders(mask: NDArray[Any]) -> list[list[tuple[float, float]]]:
    """Line segments, in (column, row), between cells that are in the mask and cells that are not."""
    framed = np.pad(mask, 1)
    vertical = np.argwhere(framed[:, 1:] != framed[:, :-1])
    horizontal = np.argwhere(framed[1:] != framed[:-1])
    segments = [[(column - 0.5, row - 1.5), (column - 0.5, row - 0.5)] for row, column in vertical]
    return segments + [[(column - 1.5, row - 0.5), (column - 0.5, row - 0.5)] for row, column in horizontal]


def _upright(cells: Tensor) -> NDArray[Any]:
    """(depth, rows, columns) → (depth, columns, rows from bottom to top), as the axes of a 3-D picture run."""
    return cells.numpy().transpose(0, 2, 1)[:, :, ::-1]


def _draw_cube(ax: Any, cells: NDArray[Any], black: NDArray[np.bool_], outlined: Iterable[int], colors: Colors) -> None:
    """Cells `(depth, columns, rows from below)` as solids on three-dimensional axes, and a line around some planes."""
    depth, columns, rows = cells.shape
    paint = colors(cells)
    paint[black] = (0, 0, 0, 1)
    paint[(cells == 0) & ~black] = _GLASS
    corners = (np.indices(cells.shape).reshape(3, -1).T[:, None, None, :] + _VISIBLE).reshape(-1, 4, 3)
    paint = np.repeat(paint.reshape(-1, 4), len(_VISIBLE), axis=0)  # (faces, red green blue opacity)
    paint[:, :3] *= np.tile(_SHADES, len(paint) // len(_SHADES))[:, None]
    edges = np.where(paint[:, 3:] == 1, (0.13, 0.13, 0.13, 1.0), (0.5, 0.55, 0.6, 0.12))
    ax.add_collection3d(Poly3DCollection(corners, facecolors=paint, edgecolors=edges, linewidths=0.3))
    middle = _SIDE[0] / 2
    for plane in outlined:
        across, up = columns - 1 + _SIDE[1] + 0.1, rows - 1 + _SIDE[2] + 0.1
        ends = [(-0.1, -0.1), (across, -0.1), (across, up), (-0.1, up), (-0.1, -0.1)]
        outline = [(plane + middle, column, row) for column, row in ends]
        ax.add_collection3d(Line3DCollection([outline], colors=ORANGE, linewidths=1.8, zorder=10))
    ax.set(xlim=(0, depth), ylim=(0, columns), zlim=(0, rows))
    ax.set_box_aspect((_APART * depth, columns, rows), zoom=0.98)
    ax.computed_zorder = False  # outlines are in front
    ax.view_init(elev=20, azim=-130)
    ax.set_proj_type("persp", focal_length=0.6)
    ax.set_axis_off()
    _name_axes(ax, depth, columns, rows)


def _name_axes(ax: Any, depth: int, columns: int, rows: int) -> None:
    """The axes' names beside the lattice, with the first and the last number."""
    away = 0.16 * max(columns, rows, depth)
    near, left = -0.6 * away, columns + 0.4 * away
    beside, below = -0.5 * away / _APART, -0.1 * away
    look = {"ha": "center", "va": "center", "fontsize": 7}
    ax.text(depth / 2, near - 0.6 * away, -0.3 * away, "plane", **look)
    ax.text(-away / _APART, columns / 2, -0.4 * away, "column", **look)
    ax.text(0, left + 0.8 * away, rows / 2, "row", **look)
    for plane in {0, depth - 1}:
        ax.text(plane + 0.3, near, 0, str(plane), **look)
    for column in {0, columns - 1}:
        ax.text(beside, column + 0.4, below, str(column), **look)
    for row in {0, rows - 1}:
        ax.text(0, left, rows - 0.6 - row, str(row), **look)


def _draw_cells(ax: Axes, values: NDArray[Any], outlined: NDArray[Any] | None, colors: Colors) -> None:
    ax.imshow(colors(values), interpolation="nearest")
    if outlined is not None:
        ax.add_collection(LineCollection(borders(outlined), colors=ORANGE, linewidths=1.8, capstyle="projecting"))
        row, column = np.nonzero((np.nan_to_num(values) != 0) & ~outlined)
        ax.scatter(column, row, marker="x", s=9, color=ORANGE, linewidths=0.8)


def _tiled(values: NDArray[Any], gap: float | bool) -> NDArray[Any]:
    """(ticks, planes, rows, columns) as one matrix, with a gap of one cell between the planes."""
    apart = np.pad(values, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=gap)
    ticks, planes, rows, columns = apart.shape
    return apart.transpose(0, 2, 1, 3).reshape(ticks * rows, planes * columns)[:-1, :-1]


def _color_bar(figure: Figure, colors: Colors, all_axes: list[Any], label: str) -> None:
    lines = textwrap.fill(label, int(12 * figure.get_figheight()))  # 12 letters an inch: a longer line would be cut
    figure.colorbar(colors.mappable, ax=all_axes, shrink=0.75, pad=0.02, label=lines)
