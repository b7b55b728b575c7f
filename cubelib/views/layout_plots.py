"""Figures of layouts: where the numbers sit, what a change of one number does, and layouts beside shuffles.

Color-blind-safe, labeled, opaque white, as in `cubelib.views.plots`. Taught in notebook 02.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from torch import Tensor

from cubelib.views.plots import BLUE, GRAY, GREEN, ORANGE, check_told_apart, legend_below, place_for

_MARKS = ((BLUE, "o", "-"), (ORANGE, "s", "--"), (GREEN, "^", ":"), ("black", "D", "-."), (GRAY, "v", "-"))


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
    """Matrices of the same size as colored squares on one common scale.

    Args:
        panels: title → `(rows, columns)`.
        label: of the color scale, with its unit.
        axes: what runs to the right, and what runs down.
        stacked: one below the other instead of side by side.
        diverging: zero is white, and the two signs have colors of their own.
        lowest: a logarithmic scale from here on; smaller values look like this one.
        ticks: numbers on both axes; None leaves the choice to matplotlib.

    Raises:
        ValueError: panels that are not matrices of one size.

    Example:
        >>> import torch
        >>> figure = heatmaps({"row_major": torch.eye(3), "random": torch.ones(3, 3)}, label="numbers in the cell")
        >>> [ax.get_title() for ax in figure.axes[:2]]
        ['row_major', 'random']
    """
    shapes = {tuple(panel.shape) for panel in panels.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 2:
        raise ValueError(f"layout_plots.heatmaps: takes matrices of one size, (rows, columns); got {sorted(shapes)}.")
    rows, columns = next(iter(shapes))
    across, down = (1, len(panels)) if stacked else (len(panels), 1)
    width = 7.5 if stacked else 1.0 + 2.1 * across
    height = 0.6 + down * (0.3 + 5.6 * rows / columns) if stacked else 2.6
    figure = Figure(figsize=(width, height), facecolor="white", layout="constrained")
    peak = max(float(panel.abs().max()) for panel in panels.values()) or 1.0
    norm = Normalize(-peak if diverging else 0.0, peak) if lowest is None else LogNorm(lowest, peak)
    all_axes = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    for ax, (title, panel) in zip(all_axes.flat, panels.items(), strict=True):
        values = panel.detach().cpu() if lowest is None else panel.detach().cpu().clamp_min(lowest)
        picture = ax.imshow(values.numpy(), cmap="PuOr" if diverging else "cividis", norm=norm, interpolation="nearest")
        ax.set_title(title, fontsize=10)
        if ticks is not None:
            ax.set_xticks(ticks)
            ax.set_yticks(ticks)
    for ax in all_axes[-1]:
        ax.set_xlabel(axes[0])
    for ax in all_axes[:, 0]:
        ax.set_ylabel(axes[1])
    figure.colorbar(picture, ax=all_axes, label=label, fraction=0.05, pad=0.02)
    return figure


def by_distance(
    panels: Mapping[str, Mapping[str, Sequence[float]]], *, floors: Mapping[str, float] | None = None
) -> Figure:
    """How strongly cells know each other, against how far apart they are; one panel for each kind of data.

    Args:
        panels: title → curve → mean |correlation| of cells 1, 2, … steps apart; at most five curves.
        floors: title → what unrelated numbers reach with as few vectors, drawn as a line.

    Raises:
        ValueError: more curves than can be told apart.

    Example:
        >>> ties = {"row_major": [0.7, 0.4], "random": [0.2, 0.2]}
        >>> figure = by_distance({"pictures": ties}, floors={"pictures": 0.1})
        >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
        ['row_major', 'random', 'unrelated numbers']
    """
    for curves in panels.values():
        check_told_apart("layout_plots.by_distance", curves, len(_MARKS))
    figure = Figure(figsize=(1.0 + 4.2 * len(panels), 3.6), facecolor="white", layout="constrained")
    all_axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for ax, (title, curves) in zip(all_axes, panels.items(), strict=True):
        for (name, values), (color, marker, line) in zip(curves.items(), _MARKS, strict=False):
            steps = range(1, len(values) + 1)
            ax.plot(steps, values, color=color, marker=marker, linestyle=line, markersize=5, label=name)
        if floors and title in floors:
            ax.axhline(floors[title], color=GRAY, linestyle=":", linewidth=1, label="unrelated numbers")
        ax.set_title(title)
        ax.set_xlabel("steps between two cells")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.grid(alpha=0.3)
        ax.legend(frameon=False, fontsize=9)
    all_axes[0].set_ylim(bottom=0)
    all_axes[0].set_ylabel("mean |correlation|")
    return figure


def among_shuffles(
    shuffles: Tensor,
    layouts: Mapping[str, float],
    *,
    limits: tuple[float, float],
    label: str = "mean cosine with the input",
    ax: Axes | None = None,
) -> Axes:
    """Layouts beside the control: a histogram of many random layouts, and a mark for each layout with a name.

    Args:
        shuffles: the figure of each random layout, `(n,)`.
        layouts: name → its figure; at most five.
        limits: ends of the horizontal axis.
        label: what is measured.
        ax: where to draw; None for a new figure.

    Raises:
        ValueError: more layouts than can be told apart.

    Example:
        >>> import torch
        >>> ax = among_shuffles(torch.tensor([0.57, 0.58]), {"row_major": 0.57, "pca": 0.94}, limits=(0, 1))
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['2 random layouts', 'row_major 0.570', 'pca 0.940']
    """
    check_told_apart("layout_plots.among_shuffles", layouts, len(_MARKS))
    ax = place_for(ax)
    width = (limits[1] - limits[0]) / 40
    edges = [limits[0] + width * step for step in range(41)]
    counts, _, _ = ax.hist(
        shuffles.cpu().numpy(), edges, color="#BBBBBB", edgecolor=GRAY, label=f"{len(shuffles)} random layouts"
    )
    top = float(max(counts)) or 1.0
    for place, ((name, value), (color, marker, _)) in enumerate(zip(layouts.items(), _MARKS, strict=False)):
        height = top * (1.12 + 0.12 * place)
        ax.vlines(value, 0, height, color=color, linewidth=1.2)
        ax.plot(value, height, color=color, marker=marker, markersize=7, linestyle="none", label=f"{name} {value:.3f}")
    ax.set_xlim(*limits)
    ax.set_ylim(0, top * (1.15 + 0.12 * len(layouts)))
    ax.yaxis.get_major_locator().set_params(integer=True)
    ax.set_yticks([tick for tick in ax.get_yticks() if tick <= top])  # above the bars there is nothing to count
    ax.set_xlabel(label)
    ax.set_ylabel("random layouts")
    ax.grid(alpha=0.3, axis="x")
    legend_below(ax, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=2)
    return ax


def before_and_after(
    before: Mapping[str, Sequence[float]], after: Mapping[str, Sequence[float]], *, ax: Axes | None = None
) -> Axes:
    """An arrow for each layout and seed, from the untrained cube to the trained one.

    Args:
        before: layout → its cosine for each seed.
        after: the same after training.
        ax: where to draw; None for a new figure.

    Example:
        >>> ax = before_and_after({"random": [0.57, 0.59]}, {"random": [0.65, 0.66]})
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['untrained', 'trained']
    """
    ax = place_for(ax, width=7.0, height=3.4)
    names = list(before)
    for place, name in enumerate(names):
        for seed, (start, end) in enumerate(zip(before[name], after[name], strict=True)):
            height = place + 0.16 * (2 * seed - len(before[name]) + 1)
            first = place == seed == 0
            ax.plot([start, end], [height, height], color=GRAY, linewidth=1)
            ax.plot(start, height, "o", color=GRAY, markerfacecolor="white", label="untrained" if first else None)
            ax.plot(end, height, "D", color=BLUE, markersize=5, label="trained" if first else None)
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.set_xlabel("mean cosine with the input")
    ax.set_ylabel("layout, a line for each seed")
    lowest = min(value for seeds in (*before.values(), *after.values()) for value in seeds)
    ax.set_xlim(min(0.5, lowest - 0.05), 1)
    ax.grid(alpha=0.3, axis="x")
    legend_below(ax, ncols=2)
    return ax
