"""Pictures that explain one idea: an interval, principal axes, an order and its inverse, and single values as dots.

Colors are those of `cubelib.views.style`. Taught in notebooks 01 and 02.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from cubelib.errors import DataError
from cubelib.reshaper import principal_axes
from cubelib.views.style import BLUE, GRAY, ORANGE, axes_for, label_axes, new_panels


def resampled(scores: Tensor, *, score: float, xlabel: str, ax: Axes | None = None) -> Axes:
    """A histogram of a score over resamples, with the middle 95 % marked: the interval as a picture.

    Args:
        scores: `(n,)`, the score of each resample.
        score: that of the items as they are, drawn as a line.
        xlabel: what the score is.
        ax: where to draw; None for a new figure.

    Raises:
        DataError: no scores, or another shape.

    Example:
        >>> ax = resampled(torch.linspace(0, 1, 101), score=0.5, xlabel="R@1")
        >>> [text.get_text() for text in ax.texts]
        ['', 'middle 95 %\\n0.025 to 0.975', 'our 0.500']
    """
    if scores.ndim != 1 or not len(scores):
        raise DataError(f"sketches.resampled: takes the score of each resample, (n,); got {tuple(scores.shape)}.")
    low, high = torch.quantile(scores.double(), torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    ax = axes_for(ax, height=3.6)
    counts, edges = np.histogram(scores.cpu().numpy(), _edges(scores.double().cpu().numpy()))
    middles = (edges[:-1] + edges[1:]) / 2
    colors = [BLUE if low <= middle <= high else "#BBBBBB" for middle in middles]
    ax.bar(middles, counts, width=edges[1] - edges[0], color=colors, edgecolor="white")
    top = float(counts.max())
    ax.axvline(score, color=ORANGE, linewidth=2, ymax=1.08 / 1.3)
    ax.annotate("", (low, 1.15 * top), (high, 1.15 * top), arrowprops={"arrowstyle": "<->", "color": BLUE})
    note = f"middle 95 %\n{low:.3f} to {high:.3f}"
    ax.annotate(note, (high, 1.15 * top), (6, 0), textcoords="offset points", color=BLUE, ha="left", va="center")
    ax.text(score, 1.18 * top, f"our {score:.3f}", color=ORANGE, ha="center", va="bottom")
    ax.set_ylim(0, 1.3 * top)
    label_axes(ax, xlabel, "resamples", whole_numbers="y", grid="x")
    return ax


def _edges(scores: NDArray[Any], bins: int = 24) -> NDArray[Any]:
    """Edges of about so many bars. Shares of hits come in steps, and every bar must span as many steps."""
    values = np.unique(scores.round(9))
    step = float(np.diff(values).min()) if len(values) > 1 else 1.0
    width = math.ceil((values[-1] - values[0]) / (bins * step) + 1e-6) * step
    return np.arange(values[0] - step / 2, values[-1] + width, width)


def cloud(points: Tensor, *, labels: tuple[str, str] = ("number 0", "number 1")) -> Figure:
    """A flat cloud twice: with its principal axes, and turned so that they are the axes of the picture.

    Args:
        points: `(n, 2)`.
        labels: of the two numbers.

    Raises:
        DataError: points that are not flat.

    Example:
        >>> figure = cloud(torch.tensor([[2.0, 1.0], [-2.0, -1.0], [0.5, -1.0], [-0.5, 1.0]]))
        >>> [ax.get_xlabel() for ax in figure.axes]
        ['number 0', 'axis 1: 80 % of the variance']
    """
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2:
        raise DataError(f"sketches.cloud: takes points in a plane, (n, 2), n at least 2; got {tuple(points.shape)}.")
    mean, axes = principal_axes(points)
    turned = (points.double() - mean) @ axes.T  # (n, 2)
    spread = turned.std(0)  # (2,)
    shares = (100 * spread.square() / spread.square().sum()).tolist()
    figure, (before, after) = new_panels(2, height=4.4)
    names = [f"axis {number}: {share:.0f} % of the variance" for number, share in enumerate(shares, start=1)]
    panels = ((before, points, "as it comes", labels), (after, turned, "turned", names))
    for ax, dots, title, (xlabel, ylabel) in panels:
        ax.plot(*dots.T.numpy(), "o", color=GRAY, markersize=3, alpha=0.5)
        ax.set_title(title)
        ax.set_aspect("equal", adjustable="datalim")
        label_axes(ax, xlabel, ylabel)
    for number, color in enumerate((BLUE, ORANGE)):
        length = 2 * float(spread[number])
        unit = torch.eye(2, dtype=torch.float64)[number]
        _arrow(before, mean, mean + length * axes[number], color, str(number + 1))
        _arrow(after, torch.zeros(2), length * unit, color, str(number + 1))
    return figure


def _arrow(ax: Axes, start: Tensor, end: Tensor, color: str, name: str) -> None:
    arrow = {"arrowstyle": "-|>", "color": color, "linewidth": 2.5, "mutation_scale": 18}
    tail_x, tail_y = start.tolist()
    head_x, head_y = end.tolist()
    name_x, name_y = (start + 1.18 * (end - start)).tolist()
    ax.annotate("", (head_x, head_y), (tail_x, tail_y), arrowprops=arrow)
    ax.text(name_x, name_y, name, color=color, weight="bold", ha="center", va="center", fontsize=12)


def rearranged(items: Sequence[object], orders: Mapping[str, Sequence[int]]) -> Figure:
    """Items taken in one order after another: a row for each, and an arrow from each item to where it goes.

    Args:
        items: what is laid out, such as letters.
        orders: what is done → the order: position i of the next row takes the item at position `order[i]`.

    Raises:
        DataError: an order that does not name each position once.

    Example:
        >>> figure = rearranged("abc", {"take": [2, 0, 1], "back": [1, 2, 0]})
        >>> [text.get_text() for text in figure.axes[0].texts if text.get_gid() == "item"]
        ['a', 'b', 'c', 'c', 'a', 'b', 'a', 'b', 'c']
    """
    for order in orders.values():
        if sorted(order) != list(range(len(items))):
            raise DataError(f"sketches.rearranged: an order names each of {len(items)} positions once; got {order}.")
    figure, (ax,) = new_panels(1, 1.6 + 1.1 * len(items), 0.5 + 1.1 * len(orders))
    row: list[object] = list(items)
    height = 0.0
    _write_row(ax, row, height)
    for number, (name, order) in enumerate(orders.items()):
        color = (BLUE, ORANGE)[number % 2]
        for position, source in enumerate(order):
            arrow = {"arrowstyle": "-|>", "color": color, "linewidth": 1.8, "shrinkA": 13, "shrinkB": 13}
            ax.annotate("", (position, height - 1), (source, height), arrowprops=arrow)
        ax.text(len(items) - 0.4, height - 0.5, f"{name}\n{list(order)}", color=color, va="center")
        row = [row[source] for source in order]
        height -= 1
        _write_row(ax, row, height)
    ax.set(xlim=(-0.5, len(items) + 1.2), ylim=(height - 0.4, 0.4))
    ax.axis("off")
    return figure


def _write_row(ax: Axes, items: Sequence[object], height: float) -> None:
    box = {"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": GRAY}
    for position, item in enumerate(items):
        ax.text(position, height, str(item), gid="item", ha="center", va="center", fontsize=14, bbox=box)


def dots(groups: Mapping[str, Tensor], *, xlabel: str, title: str = "", ax: Axes | None = None) -> Axes:
    """Every value as a dot, a row for each group, the first on top; a tick with its number marks the mean.

    Args:
        groups: name → values `(n,)`.
        xlabel: what the values are.
        title: of the chart.
        ax: where to draw; None for a new figure.

    Raises:
        DataError: no groups, or one without values.

    Example:
        >>> ax = dots({"typo": torch.tensor([0.8, 0.9]), "negation": torch.tensor([0.7])}, xlabel="cosine")
        >>> [text.get_text() for text in ax.texts]
        ['0.85', '0.70']
    """
    if not groups or any(not len(values) for values in groups.values()):
        raise DataError("sketches.dots: takes one group of values at least, and a value at least in each.")
    ax = axes_for(ax, height=1.1 + 0.6 * len(groups))
    for row, values in enumerate(groups.values()):
        mean = float(values.mean())
        ax.plot(values.cpu().numpy(), [row] * len(values), "o", color=BLUE, alpha=0.45, markersize=7)
        ax.plot(mean, row, "|", color=ORANGE, markersize=22, markeredgewidth=3)
        ax.text(mean, row - 0.34, f"{mean:.2f}", color=ORANGE, ha="center", va="bottom", weight="bold", fontsize=9)
    ax.set_yticks(range(len(groups)), list(groups))
    ax.set_ylim(len(groups) - 0.5, -0.8)
    ax.set_title(title)
    label_axes(ax, xlabel, grid="x")
    return ax
