"""Charts of curves and spreads. Each takes `ax=` and returns it, or returns a whole figure.

Colors and styles are those of `cubelib.views.style`. Taught in notebooks 01 to 07.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from cubelib.errors import DataError
from cubelib.views.style import (
    BLUE,
    GRAY,
    GREEN,
    ORANGE,
    axes_for,
    label_axes,
    legend_below,
    legend_beside,
    new_axes,
    new_panels,
    side_by_side,
    styles,
)

__all__ = [
    "BLUE", "GRAY", "GREEN", "ORANGE", "among_shuffles", "before_and_after", "by_distance", "curves", "damage_curve",
    "learning_curve", "new_axes", "panels", "rate_distortion", "side_by_side", "similarity_histogram",
]  # fmt: skip

Curves = Mapping[str, Sequence[float]]
Runs = Mapping[str, Sequence[float] | Sequence[Sequence[float]]]


def curves(
    runs: Runs,
    *,
    x: Sequence[float] | None = None,
    xlabel: str = "epoch (0 = before training)",
    ylabel: str,
    lines: Mapping[str, float] | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """A curve for each model; one of several runs is a thin line for each run and a thick one for their mean.

    Args:
        runs: name → its values, or name → a list of runs, one for each seed.
        x: where the values were measured, for all curves; None for 0, 1, … A shorter curve ends earlier.
        xlabel: label of the horizontal axis.
        ylabel: label of the vertical axis.
        lines: name → a constant, drawn as a horizontal line.
        title: of the chart.
        ax: where to draw; None for a new figure.

    Raises:
        DataError: a curve without values, or runs of different lengths.

    Example:
        >>> ax = curves({"cube": [[0.1, 0.5], [0.3, 0.7]], "PCA": [0.2, 0.3]}, ylabel="cosine", lines={"floor": 0.2})
        >>> ax.lines[2].get_ydata().round(2).tolist()
        [0.2, 0.6]
    """
    looks = styles([*runs, *(lines or {})])
    ax = axes_for(ax, 10.0, 4.2)
    for name, values in runs.items():
        seeds = _seeds(name, values)  # (seeds, positions)
        positions = range(seeds.shape[1]) if x is None else x[: seeds.shape[1]]
        if len(seeds) > 1:
            ax.plot(positions, seeds.T, color=looks[name]["color"], linewidth=0.9, alpha=0.45)
        ax.plot(positions, seeds.mean(0), **looks[name], markersize=4, linewidth=2, label=name)
    for name, value in (lines or {}).items():
        ax.axhline(value, **looks[name] | {"marker": "", "linestyle": "--"}, linewidth=1.2, label=name)
    whole = x is None or all(float(value).is_integer() for value in x)
    label_axes(ax, xlabel, ylabel, whole_numbers="x" if whole else None)
    if title:
        ax.set_title(title)
    legend_beside(ax)
    return ax


def _seeds(name: str, values: Sequence[float] | Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """The runs of a curve as a table, a row each."""
    try:
        seeds = np.atleast_2d(np.asarray(values, dtype=float))
    except ValueError:
        seeds = np.empty((0, 0))
    if seeds.ndim != 2 or not seeds.size:
        raise DataError(
            f"plots.curves: {name!r} takes its values, or a list of runs that all have as many values, at least one."
        )
    return seeds


def learning_curve(
    history: Sequence[dict[str, Any]],
    metric: str,
    *,
    label: str = "validation",
    lines: Mapping[str, float] | None = None,
    least_span: float = 0.0,
    ax: Axes | None = None,
) -> Axes:
    """A validation metric over epochs, epoch 0 being the untrained cube, with baselines as horizontal lines.

    Args:
        history: rows of `CubeTrainer.training_history`.
        metric: the key to draw, such as "autoencoder_cosine_similarity".
        label: name of the curve in the legend.
        lines: baseline → its value on the same items; at most five.
        least_span: the vertical axis covers at least this much, so that a tiny change looks tiny.
        ax: where to draw; None for a new figure.
    """
    cube = f"cube, {label}"
    looks = styles([cube, *(lines or {})])
    ax = axes_for(ax)
    epochs, values = [row["epoch"] for row in history], [row[metric] for row in history]
    best = max(range(len(history)), key=lambda epoch: history[epoch]["score"])  # whose weights training kept
    ax.plot(epochs, values, **looks[cube], markersize=3, label=cube)
    ax.plot(epochs[best], values[best], color=BLUE, marker="D", markersize=7, linestyle="none", label="kept")
    for name, value in (lines or {}).items():
        ax.axhline(value, **looks[name] | {"marker": ""}, label=f"{name} {value:.4f}")
    label_axes(ax, "epoch (0 = before training)", metric.split("_", 1)[1].replace("_", " "), whole_numbers="x")
    low, high = ax.get_ylim()
    widen = max(0.0, least_span - (high - low)) / 2
    ax.set_ylim(low - widen, high + widen)
    ax.ticklabel_format(axis="y", useOffset=False)
    ax.legend(framealpha=0.9, edgecolor="white")  # can be read where a line runs through it
    return ax


def rate_distortion(
    sizes: Sequence[int],
    curves: Curves,
    *,
    target: float | None = None,
    floor: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Mean cosine of what comes back through codes of different sizes. Taught in notebook 04.

    Args:
        sizes: numbers in the code, for all curves.
        curves: model → cosine at each size. The first is a plain line and the second has markers only, so that both
            are visible where they coincide.
        target: a cosine to reach, drawn as a line.
        floor: the cosine of a model that ignores its input, drawn as a line.
        ax: where to draw; None for a new figure.

    Example:
        >>> ax = rate_distortion([64, 128], {"PCA": [0.75, 0.85], "control": [0.29, 0.41]}, target=0.9)
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['PCA', 'control', 'target 0.90']
    """
    ax = axes_for(ax, 8.5, 4.2)
    overrides: list[dict[str, Any]] = [{"marker": "", "linestyle": "-"}, {"linestyle": ""}]
    for number, (name, style) in enumerate(styles(curves).items()):
        override = overrides[number] if number < len(overrides) else {}
        ax.plot(sizes, curves[name], **style | override, markersize=6, label=name)
    for value, name, linestyle in ((target, "target", "--"), (floor, "mean vector", ":")):
        if value is not None:
            ax.axhline(value, color=GRAY, linestyle=linestyle, linewidth=1, label=f"{name} {value:.2f}")
    ax.set_xticks(sizes)
    ax.set_ylim(0, 1.02)
    label_axes(ax, "numbers in the code", "mean cosine with the input")
    legend_beside(ax)
    return ax


def damage_curve(damage: Mapping[str, Any], *, floor: float | None = None, ax: Axes | None = None) -> Axes:
    """Mean cosine against the share of a model's parts that is dead; bars span one deviation between draws.

    Args:
        damage: as in `TaskReport.curves["damage"]`: "shares", and "models", name → "mean" and "deviation" at each.
        floor: the cosine of a model that ignores its input, drawn as a line.
        ax: where to draw; None for a new figure.

    Example:
        >>> cube = {"mean": [0.9, 0.5], "deviation": [0.0, 0.1]}
        >>> ax = damage_curve({"shares": [0.0, 0.2], "models": {"cube": cube}}, floor=0.3)
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['mean vector 0.30', 'cube']
    """
    ax = axes_for(ax)
    percent = [100 * share for share in damage["shares"]]
    for name, style in styles(damage["models"]).items():
        model = damage["models"][name]
        spread = model["deviation"] if any(model["deviation"]) else None
        ax.errorbar(percent, model["mean"], yerr=spread, **style, markersize=5, capsize=3, label=name)
    if floor is not None:
        ax.axhline(floor, color=GRAY, linestyle=":", linewidth=1, label=f"mean vector {floor:.2f}")
    ax.set_xticks(percent, [f"{value:g}" for value in percent])
    ax.set_ylim(0, 1.02)
    label_axes(ax, "dead cells or hidden units, %", "mean cosine with the target")
    ax.legend(frameon=False, fontsize=9)
    return ax


def similarity_histogram(
    before: Tensor,
    after: Tensor,
    *,
    target: float | None = None,
    labels: tuple[str, str] = ("before training", "after training"),
    ax: Axes | None = None,
) -> Axes:
    """How the cosines of items with their targets are spread, before training and after it.

    Before is a gray area, after a blue outline, so that both are visible where they coincide.

    Args:
        before: cosine of each item, `(n,)`, −1 … 1.
        after: the same items after training, `(n,)`.
        target: a cosine to reach, drawn as a line.
        labels: names of the two; the legend adds their means.
        ax: where to draw; None for a new figure.

    Raises:
        DataError: not one cosine for each item.

    Example:
        >>> import torch
        >>> ax = similarity_histogram(torch.tensor([0.5, 0.7]), torch.tensor([0.8, 0.9]), target=0.9)
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['before training, mean 0.600', 'after training, mean 0.850', 'target 0.90']
    """
    if before.ndim != 1 or before.shape != after.shape or not len(before):
        raise DataError(
            f"plots.similarity_histogram: takes a cosine for each of the same items, (n,) twice; got "
            f"{tuple(before.shape)} and {tuple(after.shape)}."
        )
    ax = axes_for(ax)
    low, high = min(float(before.min()), float(after.min())), max(float(before.max()), float(after.max()))
    edges = [low + (high - low or 0.01) * step / 30 for step in range(31)]
    old, new = (f"{label}, mean {values.mean():.3f}" for label, values in zip(labels, (before, after), strict=True))
    ax.hist(before.numpy(), edges, color=GRAY, alpha=0.4, label=old)
    ax.hist(after.numpy(), edges, color=BLUE, histtype="step", linewidth=2, label=new)
    if target is not None:
        ax.axvline(target, color=ORANGE, linestyle="--", label=f"target {target:.2f}")
    label_axes(ax, "cosine with the target", "test items", whole_numbers="y")
    ax.legend(frameon=False, fontsize=9)
    return ax


def panels(
    x: Sequence[float],
    metrics: Mapping[str, Curves],
    *,
    xlabel: str,
    lines: Mapping[str, Mapping[str, float]] | None = None,
    width: float = 10.0,
    height: float = 4.2,
) -> Figure:
    """Several metrics of the same models over one axis: a panel for each metric, a curve for each model.

    Args:
        x: where the curves were measured; a shorter curve ends earlier, a longer one is a ValueError.
        metrics: metric → model → values.
        xlabel: label of the horizontal axis.
        lines: metric → name → a constant, drawn as a gray line.
        width: in inches.
        height: in inches.

    Returns:
        The figure, with one legend for all panels below them.

    Example:
        >>> curves = {"cosine": {"cube": [0.3, 0.4]}, "MRR": {"cube": [0.5, 0.4], "control": [0.5, 0.0]}}
        >>> figure = panels([0, 1], curves, xlabel="epoch", lines={"MRR": {"no model": 0.5}})
        >>> [ax.get_ylabel() for ax in figure.axes], [text.get_text() for text in figure.legends[0].get_texts()]
        (['cosine', 'MRR'], ['cube', 'control', 'no model'])
    """
    looks = styles(name for curves in metrics.values() for name in curves)
    constants = list(dict.fromkeys(name for values in (lines or {}).values() for name in values))
    whole = all(float(value).is_integer() for value in x)
    handles = {}
    figure, all_axes = new_panels(len(metrics), width, height)
    for ax, (metric, curves) in zip(all_axes, metrics.items(), strict=True):
        for name, value in (lines or {}).get(metric, {}).items():
            linestyle = "--" if name == constants[0] else ":"
            handles[name] = ax.axhline(value, color=GRAY, linestyle=linestyle, linewidth=1.5)
        for name, values in curves.items():
            (handles[name],) = ax.plot(x[: len(values)], values, **looks[name], markersize=5, label=name)
        label_axes(ax, xlabel, metric, whole_numbers="x" if whole else None)
    order = [name for name in (*looks, *constants) if name in handles]
    figure.legend([handles[name] for name in order], order, loc="outside lower center", ncols=3, frameon=False)
    return figure


def by_distance(panels: Mapping[str, Curves], *, floors: Mapping[str, float] | None = None) -> Figure:
    """How strongly cells correlate against how far apart they are; a panel for each kind of data.

    Args:
        panels: title → curve → mean |correlation| of cells 1, 2, … steps apart.
        floors: title → what unrelated numbers reach with as few vectors, drawn as a line.

    Example:
        >>> correlations = {"row_major": [0.7, 0.4], "random": [0.2, 0.2]}
        >>> figure = by_distance({"pictures": correlations}, floors={"pictures": 0.1})
        >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
        ['row_major', 'random', 'unrelated numbers']
    """
    figure, all_axes = new_panels(len(panels), 1.0 + 4.2 * len(panels), 3.6, sharey=True)
    for ax, (title, curves) in zip(all_axes, panels.items(), strict=True):
        for name, style in styles(curves).items():
            ax.plot(range(1, len(curves[name]) + 1), curves[name], **style, markersize=5, label=name)
        if floors and title in floors:
            ax.axhline(floors[title], color=GRAY, linestyle=":", linewidth=1, label="unrelated numbers")
        ax.set_title(title)
        label_axes(ax, "steps between two cells", whole_numbers="x")
        ax.legend(frameon=False, fontsize=9)
    all_axes[0].set_ylim(bottom=0)
    all_axes[0].set_ylabel("mean |correlation|")
    return figure


def among_shuffles(
    shuffles: Tensor, layouts: Mapping[str, float], *, limits: tuple[float, float], ax: Axes | None = None
) -> Axes:
    """The mean cosine of layouts beside their control: a histogram of random layouts, and a mark for each with a name.

    Args:
        shuffles: the cosine of each random layout, `(n,)`.
        layouts: name → its cosine.
        limits: ends of the horizontal axis.
        ax: where to draw; None for a new figure.

    Example:
        >>> import torch
        >>> ax = among_shuffles(torch.tensor([0.57, 0.58]), {"row_major": 0.57, "pca": 0.94}, limits=(0, 1))
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['2 random layouts', 'row_major 0.570', 'pca 0.940']
    """
    ax = axes_for(ax)
    name = f"{len(shuffles)} random layouts"
    counts, _, _ = ax.hist(shuffles.cpu().numpy(), 40, range=limits, color="#BBBBBB", edgecolor=GRAY, label=name)
    top = float(max(counts)) or 1.0
    for number, (name, style) in enumerate(styles(layouts).items()):
        height = top * (1.12 + 0.12 * number)
        ax.vlines(layouts[name], 0, height, color=style["color"], linewidth=1.2)
        ax.plot(layouts[name], height, **style | {"linestyle": ""}, markersize=7, label=f"{name} {layouts[name]:.3f}")
    ax.set(xlim=limits, ylim=(0, top * (1.15 + 0.12 * len(layouts))))
    label_axes(ax, "mean cosine with the input", "random layouts", grid="x", whole_numbers="y")
    ax.set_yticks([tick for tick in ax.get_yticks() if tick <= top])  # nothing to count above the bars
    legend_below(ax, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=2)
    return ax


def before_and_after(before: Curves, after: Curves) -> Axes:
    """A line for each layout and seed, from the untrained cube to the trained one.

    Args:
        before: layout → its cosine for each seed.
        after: the same after training.

    Example:
        >>> ax = before_and_after({"random": [0.57, 0.59]}, {"random": [0.65, 0.66]})
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['untrained', 'trained']
    """
    ax = new_axes(7.0, 3.4)
    starts = [value for seeds in before.values() for value in seeds]
    ends = [value for name in before for value in after[name]]
    heights = []
    for row, seeds in enumerate(before.values()):
        heights += [row + 0.16 * (2 * seed - len(seeds) + 1) for seed in range(len(seeds))]
    ax.hlines(heights, starts, ends, color=GRAY, linewidth=1)
    ax.plot(starts, heights, "o", color=GRAY, markerfacecolor="white", label="untrained")
    ax.plot(ends, heights, "D", color=BLUE, markersize=5, label="trained")
    ax.set_yticks(range(len(before)), list(before))
    ax.invert_yaxis()
    ax.set_xlim(min(0.5, min(starts + ends) - 0.05), 1)
    label_axes(ax, "mean cosine with the input", "layout, a line for each seed", grid="x")
    legend_below(ax, ncols=2)
    return ax
