"""Numbers as colored squares: vectors, the cells of a face, and the planes of a lattice over time.

Colors are those of `cubelib.views.style` and of color-blind-safe maps. Taught in notebooks 01 to 04.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from torch import Tensor

from cubelib import lattice
from cubelib.data.text import counted
from cubelib.errors import DataError
from cubelib.views.labels import luminance
from cubelib.views.style import (
    DIVERGING,
    LEGEND,
    ORANGE,
    SEQUENTIAL,
    SILENT,
    SMALL,
    WIDTH,
    add_panels,
    axes_for,
    color_bar,
    legend_below,
    new_figure,
    new_panels,
)
from cubelib.views.view3d.scene import Colors, Scene
from cubelib.views.view3d.static import borders

_WRITTEN, _BRIGHT = 10, 0.3  # numbers go into so many rows and columns, in black on colors that look so bright
_COMPUTED, _SILENT, _LATE = "worth computing", "· still silent", "× too late to be heard"
_KINDS = {_COMPUTED: colormaps[SEQUENTIAL](0.85), _SILENT: SILENT, _LATE: (0.75, 0.75, 0.75, 1.0)}


def heatmaps(
    panels: Mapping[str, Tensor],
    *,
    label: str,
    axes: tuple[str, str] = ("column", "row"),
    stacked: bool = False,
    diverging: bool = False,
    lowest: float | None = None,
    ticks: Sequence[int] | None = None,
) -> Figure:
    """Matrices of the same size on one common color scale.

    On a scale of magnitudes a zero is pale gray, as a silent cell is in every picture. Whole numbers below 100 are
    written into the squares of small matrices.

    Args:
        panels: title → `(rows, columns)`.
        label: of the color scale, with its unit.
        axes: what runs to the right, and what runs down.
        stacked: one below the other instead of side by side.
        diverging: zero is white, and the two signs have colors of their own.
        lowest: the scale is logarithmic and begins here; smaller values look like this one.
        ticks: numbers on both axes; None leaves the choice to matplotlib.

    Raises:
        DataError: panels that are not matrices of one size.

    Example:
        >>> import torch
        >>> figure = heatmaps({"row_major": torch.eye(3), "random": torch.ones(3, 3)}, label="numbers in the cell")
        >>> [ax.get_title() for ax in figure.axes[:2]]
        ['row_major', 'random']
    """
    shapes = {tuple(panel.shape) for panel in panels.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 2:
        raise DataError(f"heatmaps: takes matrices of one size, (rows, columns); got {sorted(shapes)}.")
    rows, columns = next(iter(shapes))
    count = len(panels)
    if stacked:
        figure = new_figure(WIDTH, 0.6 + count * (0.42 + 0.8 * WIDTH * rows / columns))
    else:
        figure = new_figure(WIDTH, 1.2 + min(4.2, 0.82 * WIDTH / count * rows / columns))
    grid = add_panels(figure, *((count, 1) if stacked else (1, count)), sharex=True, sharey=True)
    all_axes = [ax for row in grid for ax in row]
    peak = max(float(panel.abs().max()) for panel in panels.values()) or 1.0
    norm = Normalize(-peak if diverging else 0.0, peak) if lowest is None else LogNorm(lowest, peak)
    marks_zero = not diverging and lowest is None
    colors = colormaps[DIVERGING if diverging else SEQUENTIAL].with_extremes(bad=SILENT)
    written = rows <= _WRITTEN and columns <= _WRITTEN and all(map(_counts, panels.values()))
    for ax, (title, panel) in zip(all_axes, panels.items(), strict=True):
        values = panel.detach().cpu() if lowest is None else panel.detach().cpu().clamp_min(lowest)
        shown = torch.where(values == 0, torch.nan, values) if marks_zero else values
        image = ax.imshow(shown.numpy(), cmap=colors, norm=norm, interpolation="nearest")
        if written:
            _write_numbers(ax, image, values)
        _frame(ax)
        ax.set_title(title)
        if ticks is None:
            ax.locator_params(integer=True)
        else:
            ax.set(xticks=ticks, yticks=ticks)
    for ax in grid[-1]:
        ax.set_xlabel(axes[0])
    for ax in [row[0] for row in grid]:
        ax.set_ylabel(axes[1])
    silent = marks_zero and any(bool((panel == 0).any()) for panel in panels.values())
    color_bar(figure, image, all_axes, f"{label}\n(pale gray: 0)" if silent else label, fraction=0.05, pad=0.02)
    return figure


def _counts(panel: Tensor) -> bool:
    """Whether these are whole numbers of at most two digits."""
    return bool(((panel == panel.round()) & (panel >= 0) & (panel < 100)).all())


def _write_numbers(ax: Axes, image: AxesImage, values: Tensor) -> None:
    for (row, column), value in np.ndenumerate(values.numpy()):
        bright = value == 0 or luminance(image.to_rgba(np.array([value]))[0, :3].tolist()) > _BRIGHT
        color = "#555555" if bright else "white"
        ax.text(column, row, f"{value:.0f}", ha="center", va="center", color=color, fontsize=SMALL - 1)


def _frame(ax: Axes) -> None:
    """No axes around squares of color, and no dashes at the numbers."""
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)


def numbers(vectors: Mapping[str, Tensor], *, width: int = 64) -> Figure:
    """Vectors as strips of colored squares, one strip each, on one common scale.

    The numbers run down the columns, left to right: with 768 numbers and a width of 64 each column is one cell of the
    front face under the row_major layout, its 12 numbers from top to bottom.

    Args:
        vectors: title → `(dim,)`; dim must be a multiple of width.
        width: columns of a strip.

    Raises:
        DataError: a vector that does not fill its columns.

    Example:
        >>> import torch
        >>> figure = numbers({"in": torch.randn(768), "out": torch.zeros(768)})
        >>> [ax.get_title() for ax in figure.axes[:2]]
        ['in', 'out']
    """
    for title, vector in vectors.items():
        if vector.ndim != 1 or len(vector) % width:
            raise DataError(
                f"heatmaps.numbers: {title!r} has shape {tuple(vector.shape)}; a strip of {width} columns takes a "
                f"vector (dim,) with dim a multiple of {width}. Pass vectors[0], not vectors[:1], or another width."
            )
    strips = {title: vector.reshape(width, -1).T for title, vector in vectors.items()}  # (numbers of a cell, cells)
    return heatmaps(
        strips, label="value", axes=("cell of the front face", "number\nin the cell"), stacked=True, diverging=True
    )


def schedules(depth: int, steps: Sequence[int]) -> Figure:
    """Which planes are worth computing at each tick, the light cone from both ends, for several numbers of ticks.

    Args:
        depth: planes of the lattice.
        steps: numbers of ticks, each at least depth − 1; a panel for each.

    Raises:
        ValueError: no plane at all, or fewer steps than it takes to cross the lattice.

    Example:
        >>> figure = schedules(8, [7, 11])
        >>> [ax.get_title() for ax in figure.axes]
        ['7 ticks: 7 of 56 planes computed', '11 ticks: 39 of 88 planes computed']
    """
    figure, all_axes = new_panels(len(steps), max(WIDTH, 4.4 * len(steps)), 4.2)
    for ax, ticks in zip(all_axes, steps, strict=True):
        _draw_schedule(ax, depth, ticks)
    handles = [Patch(facecolor=color, label=kind) for kind, color in _KINDS.items()]
    figure.legend(handles=handles, loc="outside lower left", ncols=len(_KINDS), **LEGEND)
    return figure


def _draw_schedule(ax: Axes, depth: int, steps: int) -> None:
    cone = lattice.light_cone(depth, steps)
    colors = np.empty((depth, steps + 1, 4))
    for plane, tick in np.ndindex(depth, steps + 1):
        if plane in cone[tick]:
            kind = _COMPUTED
        else:
            kind = _SILENT if plane > tick else _LATE
            ax.text(tick, plane, kind[0], ha="center", va="center", color="#444444")
        colors[plane, tick] = _KINDS[kind]
    ax.imshow(colors, interpolation="nearest", aspect="auto")
    ax.set_xticks(np.arange(0.5, steps), minor=True)
    ax.set_yticks(np.arange(0.5, depth - 1), minor=True)
    ax.grid(which="minor", color="white")
    ax.tick_params(which="minor", length=0)
    computed = sum(map(len, cone[1:]))  # at tick 0 the front face is written, not computed
    ax.set_title(f"{counted(steps, 'tick')}: {computed} of {depth * steps} planes computed")
    _label_time(ax, depth)


def activity(strength: Tensor, *, cone: Sequence[range] | None = None, ax: Axes | None = None) -> Axes:
    """How strong the signal is in each plane at each tick: the root mean square over the plane's cells.

    A plane that is exactly zero is silent: pale gray, marked ·. The color scale is logarithmic if the strengths differ
    much.

    Args:
        strength: what each cell holds, `(ticks + 1, planes, rows, columns)`.
        cone: the planes to outline at each tick, as from `cubelib.lattice.light_cone`.
        ax: where to draw; None for a new figure.

    Raises:
        DataError: another shape, numbers that are not finite, or a cone of other ticks.

    Example:
        >>> import torch
        >>> ax = activity(torch.eye(3).reshape(3, 3, 1, 1), cone=lattice.light_cone(3, 2))
        >>> ax.get_xlabel(), ax.get_ylabel(), len(ax.texts)
        ('time in ticks', 'plane (0 front face)', 6)
    """
    Scene(strength, cone=cone)  # refuses what does not fit together
    planes = strength.shape[1]
    level = strength.detach().double().square().mean((2, 3)).sqrt().T.cpu()  # (planes, ticks + 1)
    colors = Colors([level])
    ax = axes_for(ax, WIDTH, 1.9 + 0.3 * planes)
    ax.imshow(colors(level.numpy()), interpolation="nearest", aspect="auto")
    for plane, tick in (level == 0).nonzero().tolist():
        ax.text(tick, plane, "·", ha="center", va="center", color="#444444")
    handles: list[Patch | Line2D] = []
    if (level == 0).any():
        handles.append(Patch(facecolor=SILENT, label="· silent"))
    if cone is not None:
        inside = np.array([[plane in range_ for range_ in cone] for plane in range(planes)])
        ax.add_collection(LineCollection(borders(inside), colors=ORANGE, linewidths=2, capstyle="projecting"))
        handles.append(Line2D([], [], color=ORANGE, linewidth=2, label="light cone"))
    _label_time(ax, planes)
    color_bar(ax.figure, colors.mappable, ax, "root mean square of a plane's cells", pad=0.02)
    if handles:
        legend_below(ax, handles=handles, ncols=2)
    return ax


def _label_time(ax: Axes, planes: int) -> None:
    """Ticks run to the right and planes down, the front face on top."""
    _frame(ax)
    ax.set(xlabel="time in ticks", ylabel="plane (0 front face)", yticks=range(planes))
    ax.locator_params(axis="x", integer=True)
