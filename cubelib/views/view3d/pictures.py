"""Printed pictures of a lattice: as a transparent cube, plane by plane, tick by tick.

What is silent, exactly zero, is empty or pale gray. Labeled, opaque white; the colors are those of
`cubelib.views.view3d.colors`.

Taught in notebook 03.
"""

from __future__ import annotations

import base64
import io
import os
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.art3d import Line3DCollection, Poly3DCollection
from numpy.typing import NDArray
from torch import Tensor

from cubelib.views.view3d.colors import ORANGE, STRENGTH, Colors

# With 1 in this variable the printed twin goes into a notebook beside what turns or answers, as it does for
# scripts/store_notebooks.py. Else not: JupyterLab shows a picture that it finds, and lets a view turn only with
# the mouse over it. And drawing takes a second or two, for which nobody would wait who has the widget.
PRINTED = "CUBELIB_PRINTED"

# The faces of a unit cube that are seen from the front, the left and above: corners (depth, columns, rows from below).
_SEEN = np.array(
    [
        [(0, 0, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1)],
        [(0, 0, 0), (1, 0, 0), (1, 0, 1), (0, 0, 1)],
        [(0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)],
    ]
)


def cubes(
    pictures: Mapping[str, Tensor],
    *,
    dead: Tensor | None = None,
    cone: Mapping[str, range] | None = None,
    scale: Tensor | None = None,
    label: str = STRENGTH,
) -> Figure:
    """Transparent cubes next to each other: silent cells are empty, dead ones black.

    The front face is on the left, depth goes to the right, row 0 is on top, column 0 at the far side.

    Args:
        pictures: title → what each cell holds, `(depth, rows, columns)`. Where a number is negative the colors have
            two sides, around zero.
        dead: cells to draw in black, bool `(depth, rows, columns)`.
        cone: title → planes to draw a line around.
        scale: values that the colors must span; None for the pictures' own.
        label: what the colors mean.

    Example:
        >>> import torch
        >>> figure = cubes({"a plane": torch.eye(3)[0].reshape(3, 1, 1).expand(3, 2, 2)})
        >>> figure.axes[0].get_title()
        'a plane'
    """
    colors = Colors(list(pictures.values()) if scale is None else [scale])
    figure = Figure(figsize=(3.1 * len(pictures) + 0.9, 3.2), facecolor="white", layout="constrained")
    axes: Any = figure.subplots(1, len(pictures), subplot_kw={"projection": "3d"}, squeeze=False)[0]
    black = None if dead is None else _upright(dead.numpy())
    for ax, (title, picture) in zip(axes, pictures.items(), strict=True):
        cells = _upright(picture.numpy())
        sides = cells.shape
        ax.add_collection3d(Line3DCollection(_walls(*sides), colors=(0, 0, 0, 0.12), linewidths=0.4, zorder=0))
        painted = colors(cells)
        if black is not None:
            painted[black] = (0, 0, 0, 1)
        shown = cells != 0 if black is None else (cells != 0) | black
        corners = (np.argwhere(shown)[:, None, None, :] + _SEEN).reshape(-1, 4, 3)
        paint = np.repeat(painted[shown], len(_SEEN), axis=0)
        ax.add_collection3d(Poly3DCollection(corners, facecolors=paint, edgecolors="#222222", linewidths=0.3))
        for plane in (cone or {}).get(title, ()):
            _, columns, rows = sides
            around = [(plane, 0, 0), (plane, columns, 0), (plane, columns, rows), (plane, 0, rows), (plane, 0, 0)]
            ax.add_collection3d(Line3DCollection([around], colors=ORANGE, linewidths=1.8, zorder=10))
        ax.set(xlim=(0, sides[0]), ylim=(0, sides[1]), zlim=(0, sides[2]))
        ax.set_title(title, fontsize=11)
        ax.set_box_aspect((1.5, 1, 1), zoom=1.05)
        ax.computed_zorder = False  # walls behind, lines before all cells
        ax.view_init(elev=20, azim=-130)
        ax.set_proj_type("persp", focal_length=0.6)
        ax.set_axis_off()
    _color_bar(figure, colors, list(axes), label)
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
        pictures: title → what each cell of a plane holds, `(rows, columns)`, 0 or more.
        outlined: title → cells to draw a line around, bool, the same shape.
        written: write the numbers into the cells instead of a color bar.
        label: what the colors mean.

    Example:
        >>> import torch
        >>> figure = faces({"corner": torch.tensor([[7.0, 8.0], [8.0, 9.0]])}, written=True)
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['7', '8', '8', '9']
    """
    colors = Colors(list(pictures.values()), linear=written)
    figure = Figure(figsize=(2.5 * len(pictures) + 0.9, 3.0), facecolor="white", layout="constrained")
    axes: list[Axes] = list(figure.subplots(1, len(pictures), squeeze=False)[0])
    for ax, (title, picture) in zip(axes, pictures.items(), strict=True):
        _draw(ax, picture.numpy(), None if outlined is None else outlined[title].numpy(), colors)
        rows, columns = picture.shape
        ax.set_xticks(range(columns))
        ax.set_yticks(range(rows))
        ax.set(title=title, xlabel="column")
        if ax is axes[0]:
            ax.set_ylabel("row")
        for row, line in enumerate(picture.tolist() if written else []):
            for column, value in enumerate(line):
                dark = colors.norm(value) < 0.5
                ax.text(column, row, f"{value:g}", ha="center", va="center", color="white" if dark else "black")
    if not written:
        _color_bar(figure, colors, axes, label)
    return figure


def films(
    pictures: Mapping[str, Tensor],
    outlined: Mapping[str, Tensor] | None = None,
    *,
    across: int = 2,
    first_tick: int = 0,
    scale: Tensor | None = None,
    label: str = STRENGTH,
) -> Figure:
    """What all cells hold, tick by tick downwards and plane by plane from left to right: a block for each title.

    A cell that holds something although it stands outside the line is crossed.

    Args:
        pictures: title → what each cell holds at each tick, `(ticks, planes, rows, columns)`, 0 or more.
        outlined: title → cells to draw a line around, bool, the same shape.
        across: blocks next to each other.
        first_tick: the number of the uppermost tick.
        scale: values that the colors must span, so that several figures can be compared; None for the pictures' own.
        label: what the colors mean.

    Example:
        >>> import torch
        >>> figure = films({"nothing": torch.zeros(2, 3, 4, 4)})
        >>> [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
        ['0', '1', '2']
    """
    colors = Colors(list(pictures.values()) if scale is None else [scale])
    ticks, planes, rows, columns = next(iter(pictures.values())).shape
    down = -(-len(pictures) // across)
    size = (across * (0.11 * planes * columns + 0.6) + 0.9, max(2.8, down * (0.11 * ticks * rows + 0.8)))
    figure = Figure(figsize=size, facecolor="white", layout="constrained")
    axes: list[Axes] = list(figure.subplots(down, across, squeeze=False).flat)
    for ax, (title, picture) in zip(axes, pictures.items(), strict=False):
        around = None if outlined is None else _mounted(outlined[title].numpy(), False)
        _draw(ax, _mounted(picture.numpy().astype(float), np.nan), around, colors)
        ax.set_xticks([(columns + 1) * plane + (columns - 1) / 2 for plane in range(planes)], map(str, range(planes)))
        ax.set_yticks(
            [(rows + 1) * tick + (rows - 1) / 2 for tick in range(ticks)],
            [str(first_tick + tick) for tick in range(ticks)],
        )
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        ax.set(title=title, xlabel="plane, from the front face", ylabel="time in ticks")
    for ax in axes[len(pictures) :]:
        ax.set_axis_off()
    _color_bar(figure, colors, axes, label)
    return figure


def png(figure: Figure, dpi: int = 80) -> bytes:
    """A matplotlib figure as the content of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="white")
    return buffer.getvalue()


def stored(figure: Callable[[], Figure | None]) -> dict[str, str]:
    """What a notebook keeps of a printed twin, where one is asked for: {"image/png": its content in base64}, or {}.

    Args:
        figure: draws the twin; None where there is nothing to draw.
    """
    drawn = figure() if os.environ.get(PRINTED) == "1" else None
    return {} if drawn is None else {"image/png": base64.b64encode(png(drawn)).decode()}


def _upright(cells: NDArray[Any]) -> NDArray[Any]:
    """(depth, rows, columns) → (depth, columns, rows from bottom to top), as the three axes of a picture run."""
    return cells.transpose(0, 2, 1)[:, :, ::-1]


def _walls(depth: int, columns: int, rows: int) -> list[list[tuple[int, int, int]]]:
    """The grid on the three walls behind the cells: right, far and below."""
    right = [[(depth, c, 0), (depth, c, rows)] for c in range(columns + 1)]
    right += [[(depth, 0, r), (depth, columns, r)] for r in range(rows + 1)]
    far = [[(d, columns, 0), (d, columns, rows)] for d in range(depth + 1)]
    far += [[(0, columns, r), (depth, columns, r)] for r in range(rows + 1)]
    below = [[(d, 0, 0), (d, columns, 0)] for d in range(depth + 1)]
    below += [[(0, c, 0), (depth, c, 0)] for c in range(columns + 1)]
    return right + far + below


def _draw(ax: Axes, values: NDArray[Any], outlined: NDArray[Any] | None, colors: Colors) -> None:
    ax.imshow(colors(values), interpolation="nearest")
    if outlined is None:
        return
    ax.add_collection(LineCollection(borders(outlined), colors=ORANGE, linewidths=1.8, capstyle="projecting"))
    outside = np.argwhere((np.nan_to_num(values) != 0) & ~outlined)
    ax.scatter(outside[:, 1], outside[:, 0], marker="x", s=9, color=ORANGE, linewidths=0.8)


def borders(mask: NDArray[Any]) -> list[list[tuple[float, float]]]:
    """Line segments, in (column, row), between cells that are in the mask and cells that are not."""
    framed = np.pad(mask, 1)
    upright = [
        [(c - 0.5, r - 0.5 - 1), (c - 0.5, r + 0.5 - 1)] for r, c in np.argwhere(framed[:, 1:] != framed[:, :-1])
    ]
    level = [[(c - 0.5 - 1, r - 0.5), (c + 0.5 - 1, r - 0.5)] for r, c in np.argwhere(framed[1:] != framed[:-1])]
    return upright + level


def _mounted(values: NDArray[Any], gap: float | bool) -> NDArray[Any]:
    """(ticks, planes, rows, columns) as one sheet, with a gap of one cell between the planes."""
    apart = np.pad(values, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=gap)
    ticks, planes, rows, columns = apart.shape
    return apart.transpose(0, 2, 1, 3).reshape(ticks * rows, planes * columns)[:-1, :-1]


def _color_bar(figure: Figure, colors: Colors, axes: list[Axes], label: str) -> None:
    lines = textwrap.fill(label, int(12 * figure.get_figheight()))  # 12 letters an inch: what is longer would be cut
    figure.colorbar(colors.mappable, ax=axes, shrink=0.75, pad=0.02, label=lines)
