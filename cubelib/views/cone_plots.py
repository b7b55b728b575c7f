"""Pictures of time and depth: which planes are worth computing, and how strong the signal is in each plane.

Ticks run to the right and planes down, the front face on top, in both. Color-blind-safe, labeled, opaque white.

Taught in notebook 03.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from torch import Tensor

from cubelib import lattice
from cubelib.errors import DataError
from cubelib.views.plots import legend_below, place_for
from cubelib.views.view3d.colors import ORANGE, SILENT, Colors
from cubelib.views.view3d.pictures import borders

LATE = (0.75, 0.75, 0.75, 1.0)
_KINDS = {"worth computing": colormaps["viridis"](0.85), "· still silent": SILENT, "× too late to be heard": LATE}


def light_cone(depth: int, steps: int, *, legend: bool = True, ax: Axes | None = None) -> Axes:
    """Which planes are worth computing at each tick: the light cone from both ends.

    Args:
        depth: planes of the lattice.
        steps: ticks, at least depth − 1.
        legend: say below the picture what the colors and signs mean; False where several share one, from `meanings`.
        ax: where to draw; None for a new figure.

    Raises:
        ValueError: no plane at all, or fewer steps than it takes to cross the lattice.

    Example:
        >>> light_cone(8, 11).get_title()
        '11 ticks: 39 of 88 planes computed'
    """
    cone = lattice.light_cone(depth, steps)
    ax = place_for(ax, max(4.0, 1.2 + 0.3 * (steps + 1)), 1.8 + 0.3 * depth)  # wide enough for the title
    kinds = np.array(
        [[_kind(z, t, planes) for t, planes in enumerate(cone)] for z in range(depth)]
    )  # (depth, ticks + 1)
    for z, t in np.ndindex(kinds.shape):
        name = kinds[z, t]
        ax.fill_between([t - 0.5, t + 0.5], z - 0.5, z + 0.5, facecolor=_KINDS[name], edgecolor="white")
        if name != "worth computing":
            ax.text(t, z, name[0], ha="center", va="center", color="#444444")
    computed = sum(map(len, cone[1:]))  # at tick 0 the front face is written, not computed
    ax.set_title(f"{steps} tick{'s' if steps != 1 else ''}: {computed} of {depth * steps} planes computed")
    _frame(ax, depth, steps + 1)
    if legend:
        legend_below(ax, handles=meanings())
    return ax


def schedules(depth: int, steps: Sequence[int]) -> Figure:
    """The light cones of some numbers of ticks side by side.

    Args:
        depth: planes of the lattice.
        steps: numbers of ticks, a panel for each.

    Example:
        >>> figure = schedules(8, [7, 11])
        >>> [ax.get_title() for ax in figure.axes]
        ['7 ticks: 7 of 56 planes computed', '11 ticks: 39 of 88 planes computed']
    """
    figure = Figure(figsize=(4.4 * len(steps), 3.7), facecolor="white", layout="constrained")
    for ax, ticks in zip(figure.subplots(1, len(steps), squeeze=False)[0], steps, strict=True):
        light_cone(depth, ticks, legend=False, ax=ax)
    figure.legend(handles=meanings(), loc="outside lower center", ncols=len(_KINDS), frameon=False)
    return figure


def meanings() -> list[Patch]:
    """What the colors and signs of a light cone mean: handles for a legend.

    Example:
        >>> [patch.get_label() for patch in meanings()]
        ['worth computing', '· still silent', '× too late to be heard']
    """
    return [Patch(facecolor=color, label=name) for name, color in _KINDS.items()]


def activity(strength: Tensor, *, cone: Sequence[range] | None = None, ax: Axes | None = None) -> Axes:
    """How strong the signal is in each plane at each tick, as the root mean square over the plane's cells.

    A plane that is exactly zero is silent: pale gray, marked ·. Where the strengths differ much the colors follow a
    logarithmic scale, so that a whisper is seen beside a shout.

    Args:
        strength: what each cell holds, `(ticks + 1, planes, rows, columns)`.
        cone: the planes to draw a line around at each tick, as from `cubelib.lattice.light_cone`.
        ax: where to draw; None for a new figure.

    Raises:
        DataError: another shape, numbers that are not finite, or a cone of other ticks.

    Example:
        >>> ax = activity(torch.eye(3).reshape(3, 3, 1, 1), cone=lattice.light_cone(3, 2))
        >>> ax.get_xlabel(), ax.get_ylabel(), len(ax.texts)
        ('time in ticks', 'plane (0 front face)', 6)
    """
    if strength.ndim != 4 or not strength.numel() or not torch.isfinite(strength).all():
        raise DataError(
            "cone_plots.activity: takes what each cell holds, finite numbers (ticks + 1, planes, rows, columns); got "
            f"{tuple(strength.shape)}, {int((~torch.isfinite(strength)).sum())} of them not finite."
        )
    ticks, planes = strength.shape[:2]
    if cone is not None and len(cone) != ticks:
        raise DataError(
            f"cone_plots.activity: the cone needs a range of planes for each tick; got {len(cone)} ranges for {ticks} "
            f"states (ticks + 1). Use light_cone(depth={planes}, steps={ticks - 1})."
        )
    level = strength.detach().double().square().mean((2, 3)).sqrt().T.cpu().numpy()  # (planes, ticks + 1)
    colors = Colors([torch.from_numpy(level)])
    ax = place_for(ax, 2.8 + 0.3 * ticks, 1.6 + 0.3 * planes)
    ax.imshow(colors(level), interpolation="nearest", aspect="auto")
    for z, t in np.argwhere(level == 0):
        ax.text(t, z, "·", ha="center", va="center", color="#444444")
    if cone is not None:
        mask = np.array([[z in worth for worth in cone] for z in range(planes)])
        ax.add_collection(LineCollection(borders(mask), colors=ORANGE, linewidths=2, capstyle="projecting"))
    _frame(ax, planes, ticks)
    label = "root mean square\nof a plane's cells"
    ax.figure.colorbar(colors.mappable, ax=ax, label=label, pad=0.02)
    meaning = [Patch(facecolor=SILENT, label="· silent")] if (level == 0).any() else []
    meaning += [Line2D([], [], color=ORANGE, linewidth=2, label="light cone")] if cone is not None else []
    if meaning:
        legend_below(ax, handles=meaning, ncols=2)
    return ax


def _kind(z: int, t: int, worth: range) -> str:
    """Of plane z at tick t: has the signal come, and is there time enough left for it to be heard?"""
    computed, silent, late = _KINDS
    return computed if z in worth else silent if z > t else late


def _frame(ax: Axes, planes: int, ticks: int) -> None:
    ax.set(xlabel="time in ticks", ylabel="plane (0 front face)", yticks=range(planes))
    ax.set(xlim=(-0.5, ticks - 0.5), ylim=(planes - 0.5, -0.5))
    ax.xaxis.get_major_locator().set_params(integer=True)
