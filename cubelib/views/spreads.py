"""Charts of spreads: histograms of cosines, layouts among random ones, and cubes before and after training.

Colors and styles are those of `cubelib.views.style`. Taught in notebook 02.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from torch import Tensor

from cubelib.errors import DataError
from cubelib.views.labels import SIZE, readable, wrapped
from cubelib.views.style import (
    BLUE,
    FRAME,
    PALE_BLUE,
    PALE_GRAY,
    axes_for,
    label_axes,
    legend_below,
    new_axes,
    styles,
)

Curves = Mapping[str, Sequence[float]]
_LETTERS = 90  # of a legend across the whole figure
_CUBES = ("before training", "after training")


def similarity_histogram(
    before: Tensor,
    after: Tensor,
    *,
    target: float | None = None,
    labels: tuple[str, str] = _CUBES,
    ax: Axes | None = None,
) -> Axes:
    """How the cosines of items with their targets are spread, before training and after it.

    Before is an area and after an outline, so that both are visible where they coincide. They have the blues of the
    untrained and the trained cube, and with labels of your own gray and dark blue.

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
    room = _LETTERS // len(ax.figure.axes)
    old, new = (
        wrapped(f"{label}, mean {values.mean():.3f}", room)
        for label, values in zip(labels, (before, after), strict=True)
    )
    area, outline = (PALE_BLUE, BLUE) if labels == _CUBES else (PALE_GRAY, "#2F4B7C")
    ax.hist(before.numpy(), edges, color=area, alpha=0.6, label=old)
    ax.hist(after.numpy(), edges, color=outline, histtype="step", linewidth=2.2, label=new)
    if target is not None:
        ax.axvline(target, **styles(["target"])["target"] | {"marker": ""}, label=f"target {target:.2f}")
    label_axes(ax, "cosine with the target", "test items", whole_numbers="y")
    legend_below(ax)
    return ax


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
        >>> [text.get_text() for text in ax.texts]
        ['pca 0.940', 'row_major 0.570']
    """
    ax = axes_for(ax)
    counts, _, _ = ax.hist(shuffles.cpu().numpy(), 40, range=limits, color="#D3D6DA", edgecolor=FRAME, linewidth=0.6)
    top = float(max(counts)) or 1.0
    looks = styles(layouts)
    ordered = sorted(layouts.items(), key=lambda layout: layout[1], reverse=True)
    low, high = limits
    for number, (name, value) in enumerate(ordered):  # the higher a mark, the farther to the left: names stay clear
        height = top * (1.15 + 0.17 * number)
        color = looks[name]["color"]
        ax.vlines(value, 0, height, color=color, linewidth=1.4)
        ax.plot(value, height, **looks[name] | {"linestyle": ""}, markersize=8)
        at_the_right = value > low + 0.6 * (high - low)
        ax.annotate(
            f"{name} {value:.3f}", (value, height), xytext=(-9 if at_the_right else 9, 0), textcoords="offset points",
            ha="right" if at_the_right else "left", va="center", color=readable(color), fontsize=SIZE, parse_math=False,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0}, annotation_clip=False,
        )  # fmt: skip
    ax.set(xlim=limits, ylim=(0, top * (1.2 + 0.17 * len(layouts))))
    label_axes(ax, "mean cosine with the input", f"of {len(shuffles)} random layouts", grid="x", whole_numbers="y")
    ax.set_yticks([tick for tick in ax.get_yticks() if tick <= top])  # nothing to count above the bars
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
    rows = len(before)
    ax = new_axes(height=1.7 + 0.55 * rows)
    starts = [value for seeds in before.values() for value in seeds]
    ends = [value for name in before for value in after[name]]
    heights = []
    for row, seeds in enumerate(before.values()):
        heights += [row + 0.18 * (2 * seed - len(seeds) + 1) for seed in range(len(seeds))]
    ax.hlines(heights, starts, ends, color=PALE_GRAY, linewidth=1.2)
    ax.plot(starts, heights, "o", color=BLUE, markerfacecolor="white", markersize=7, label="untrained")
    ax.plot(ends, heights, "o", color=BLUE, markersize=7, label="trained")
    ax.set_yticks(range(rows), list(before))
    ax.set_ylim(rows - 0.35, -0.65)  # the first on top, clear of the frame
    ax.set_xlim(min(0.5, min(starts + ends) - 0.05), 1)
    label_axes(ax, "mean cosine with the input", "layout, a line for each seed", grid="x")
    legend_below(ax, ncols=2)
    return ax
