"""Charts of curves and spreads. Each takes `ax=` and returns it, or returns a whole figure.

Colors and styles are those of `cubelib.views.style`. Taught in notebooks 01 to 06.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cubelib.errors import DataError
from cubelib.views.labels import label_end, label_ends
from cubelib.views.spreads import among_shuffles, before_and_after, similarity_histogram
from cubelib.views.style import (
    BLUE,
    GRAY,
    GREEN,
    HEIGHT,
    LEGEND,
    ORANGE,
    WIDTH,
    Style,
    axes_for,
    draw_across,
    label_axes,
    new_axes,
    new_panels,
    side_by_side,
    styles,
)

__all__ = [
    "BLUE", "GRAY", "GREEN", "ORANGE", "among_shuffles", "before_and_after", "by_distance", "curves", "damage_curve",
    "label_ends", "learning_curve", "new_axes", "panels", "rate_distortion", "side_by_side", "similarity_histogram",
]  # fmt: skip

_LETTERS = 120  # of a legend across the whole figure, with its samples
_FLAT = 2.0  # panels whose axes end in a larger ratio say so

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
    ax = axes_for(ax)
    for name, values in runs.items():
        seeds = _seeds(name, values)  # (seeds, positions)
        positions = range(seeds.shape[1]) if x is None else x[: seeds.shape[1]]
        if len(seeds) > 1:
            ax.plot(positions, seeds.T, color=looks[name]["color"], linewidth=0.9, alpha=0.45)
        ax.plot(positions, seeds.mean(0), **_thinned(looks[name], seeds.shape[1]), linewidth=2, label=name)
    for name, value in (lines or {}).items():
        draw_across(ax, value, name, looks[name])
    whole = x is None or all(float(value).is_integer() for value in x)
    label_axes(ax, xlabel, ylabel, whole_numbers="x" if whole else None)
    if title:
        ax.set_title(title)
    label_ends(ax)
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


def _thinned(style: Style, points: int) -> dict[str, Any]:
    """A style with about a dozen markers, however many points a curve has."""
    return style | {"markersize": 5, "markevery": max(1, points // 12)}


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
        label: name of the curve, after "cube".
        lines: baseline → its value on the same items; at most five.
        least_span: the vertical axis covers at least this much, so that a tiny change looks tiny.
        ax: where to draw; None for a new figure.
    """
    cube = f"cube, {label}"
    looks = styles([cube, *(lines or {})])
    ax = axes_for(ax)
    epochs, values = [row["epoch"] for row in history], [row[metric] for row in history]
    best = max(range(len(history)), key=lambda epoch: history[epoch]["score"])  # whose weights training kept
    (curve,) = ax.plot(epochs, values, **_thinned(looks[cube], len(values)), linewidth=2, label=cube)
    ax.plot(epochs[best], values[best], color=curve.get_color(), marker="D", markersize=9, linestyle="none")
    label_end(ax, curve, f"{cube}\n◆ kept: epoch {epochs[best]}")
    for name, value in (lines or {}).items():
        draw_across(ax, value, f"{name} {value:.3f}", looks[name])
    measure = metric.split("_", 1)[1]
    name = {"mrr": "MRR"}.get(measure, measure.replace("_", " "))
    label_axes(ax, "epoch (0 = before training)", name, whole_numbers="x")
    low, high = ax.get_ylim()
    widen = max(0.0, least_span - (high - low)) / 2
    ax.set_ylim(low - widen, high + widen)
    ax.ticklabel_format(axis="y", useOffset=False)
    label_ends(ax)
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
        >>> [text.get_text() for text in ax.texts]
        ['PCA', 'control', 'target 0.90']
    """
    ax = axes_for(ax)
    overrides: list[dict[str, Any]] = [{"marker": "", "linestyle": "-"}, {"linestyle": ""}]
    for number, (name, style) in enumerate(styles(curves).items()):
        override = overrides[number] if number < len(overrides) else {}
        ax.plot(sizes, curves[name], **style | override, markersize=6, linewidth=2, label=name)
    _draw_constants(ax, {"target": target, "mean vector": floor})
    ax.set_xticks(sizes)
    ax.set_ylim(0, 1.02)
    label_axes(ax, "numbers in the code", "mean cosine with the input")
    label_ends(ax)
    return ax


def _draw_constants(ax: Axes, values: Mapping[str, float | None]) -> None:
    for name, value in values.items():
        if value is not None:
            draw_across(ax, value, f"{name} {value:.2f}", styles([name])[name])


def damage_curve(damage: Mapping[str, Any], *, floor: float | None = None, ax: Axes | None = None) -> Axes:
    """Mean cosine against the share of a model's parts that is dead; bars span one deviation between draws.

    Args:
        damage: as in `TaskReport.curves["damage"]`: "shares", and "models", name → "mean" and "deviation" at each.
        floor: the cosine of a model that ignores its input, drawn as a line.
        ax: where to draw; None for a new figure.

    Example:
        >>> cube = {"mean": [0.9, 0.5], "deviation": [0.0, 0.1]}
        >>> ax = damage_curve({"shares": [0.0, 0.2], "models": {"cube": cube}}, floor=0.3)
        >>> [text.get_text() for text in ax.texts]
        ['cube', 'mean vector 0.30']
    """
    ax = axes_for(ax)
    percent = [100 * share for share in damage["shares"]]
    for name, style in styles(damage["models"]).items():
        model = damage["models"][name]
        spread = model["deviation"] if any(model["deviation"]) else None
        bars = ax.errorbar(percent, model["mean"], yerr=spread, **style, markersize=6, linewidth=2, capsize=3)
        bars.lines[0].set_label(name)
    _draw_constants(ax, {"mean vector": floor})
    ax.set_xticks(percent, [f"{value:g}" for value in percent])
    ax.set_ylim(0, 1.02)
    label_axes(ax, "dead cells or hidden units, %", "mean cosine with the target")
    label_ends(ax)
    return ax


def panels(
    x: Sequence[float],
    metrics: Mapping[str, Curves],
    *,
    xlabel: str,
    lines: Mapping[str, Mapping[str, float]] | None = None,
    width: float = WIDTH,
    height: float = HEIGHT,
) -> Figure:
    """Several metrics of the same models over one axis: a panel for each metric, a curve for each model.

    Args:
        x: where the curves were measured; a shorter curve ends earlier, a longer one is a ValueError.
        metrics: metric → model → values.
        xlabel: label of the horizontal axis.
        lines: metric → name → a constant, drawn as a line across the panel.
        width: in inches.
        height: in inches.

    Returns:
        The figure; up to two panels have names at the ends of the curves, more have one legend below them.

    Example:
        >>> curves = {"cosine": {"cube": [0.3, 0.4]}, "MRR": {"cube": [0.5, 0.4], "control": [0.5, 0.0]}}
        >>> figure = panels([0, 1], curves, xlabel="epoch", lines={"MRR": {"no model": 0.5}})
        >>> [ax.get_ylabel() for ax in figure.axes], [text.get_text() for text in figure.axes[1].texts]
        (['cosine', 'MRR'], ['no model', 'cube', 'control'])
    """
    lines = lines or {}
    curve_names = [name for curves in metrics.values() for name in curves]
    looks = styles([*curve_names, *(name for constants in lines.values() for name in constants)])
    whole = all(float(value).is_integer() for value in x)
    handles = {}
    figure, all_axes = new_panels(len(metrics), width, height)
    for ax, (metric, curves) in zip(all_axes, metrics.items(), strict=True):
        for name, value in lines.get(metric, {}).items():
            handles[name] = draw_across(ax, value, name, looks[name])
        for name, values in curves.items():
            (handles[name],) = ax.plot(x[: len(values)], values, **looks[name], markersize=5, linewidth=2, label=name)
        label_axes(ax, xlabel, metric, whole_numbers="x" if whole else None)
        if len(metrics) <= 2:
            label_ends(ax)
    if len(metrics) > 2:
        order = [name for name in looks if name in handles]
        columns = max(1, _LETTERS // (10 + max(map(len, order))))
        figure.legend([handles[name] for name in order], order, loc="outside lower left", ncols=columns, **LEGEND)
    return figure


def by_distance(panels: Mapping[str, Curves], *, floors: Mapping[str, float] | None = None) -> Figure:
    """How strongly cells correlate against how far apart they are; a panel for each kind of data.

    Every panel begins at zero and ends where its own curves do, so that curves far below those of another panel can
    be told apart. If the ends differ much, each panel says where it ends.

    Args:
        panels: title → curve → mean |correlation| of cells 1, 2, … steps apart.
        floors: title → what unrelated numbers reach with as few vectors, drawn as a line.

    Example:
        >>> correlations = {"row_major": [0.7, 0.4], "random": [0.2, 0.2]}
        >>> figure = by_distance({"pictures": correlations}, floors={"pictures": 0.1})
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['row_major', 'random', 'unrelated numbers']
    """
    figure, all_axes = new_panels(len(panels), max(WIDTH, 5.1 * len(panels)))
    tops = [1.08 * max(max(values) for values in curves.values()) for curves in panels.values()]
    for ax, top, (title, curves) in zip(all_axes, tops, panels.items(), strict=True):
        for name, style in styles(curves).items():
            steps = range(1, len(curves[name]) + 1)
            ax.plot(steps, curves[name], **style, markersize=5, linewidth=2, label=name)
        if floors and title in floors:
            draw_across(ax, floors[title], "unrelated numbers", styles(["chance"])["chance"])
        far_apart = max(tops) > _FLAT * min(tops)
        note = f"\n(this axis ends at {top:.2g})" if far_apart else ""
        ax.set(title=title, ylim=(0, top))
        label_axes(ax, "steps between two cells", f"mean |correlation|{note}", whole_numbers="x")
        label_ends(ax)
    return figure
