"""Figures. Colour-blind-safe, labelled, opaque white; each function takes `ax=` and returns it.

Nothing else in cubelib imports this module except the report.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe, Ito 2008: told apart by people with any common colour vision, and by line style in print.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#666666"
_STYLES = ((ORANGE, "--"), (GREEN, ":"), (GREY, "-."))


def new_axes(width: float = 7.0, height: float = 4.0) -> Axes:
    """A white figure of its own with one pair of axes, without touching pyplot's state."""
    return Figure(figsize=(width, height), facecolor="white", layout="constrained").subplots()


def learning_curve(
    history: Sequence[dict[str, Any]],
    figure: str,
    *,
    label: str = "validation",
    lines: dict[str, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """A validation figure over epochs, epoch 0 being the untrained cube, with baselines as horizontal lines.

    Args:
        history: rows of `CubeTrainer.training_history`.
        figure: the row's key to draw, such as "autoencoder_cosine_similarity".
        label: name of the curve in the legend.
        lines: other models' values of the same figure on the same items, drawn as lines.
        ax: where to draw; None for a new figure.
    """
    ax = ax or new_axes()
    epochs, values = [row["epoch"] for row in history], [row[figure] for row in history]
    best = max(range(len(values)), key=values.__getitem__)
    ax.plot(epochs, values, color=BLUE, marker="o", markersize=3, label=f"cube, {label}")
    ax.plot(epochs[best], values[best], color=BLUE, marker="D", markersize=7, linestyle="none", label="kept")
    for (name, value), (colour, style) in zip((lines or {}).items(), _STYLES):
        ax.axhline(value, color=colour, linestyle=style, label=f"{name} {value:.4f}")
    ax.set_xlabel("epoch (0 = before training)")
    ax.set_ylabel(figure.split("_", 1)[1].replace("_", " "))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.ticklabel_format(axis="y", useOffset=False)
    ax.grid(alpha=0.3)
    ax.legend(frameon=False)
    return ax
