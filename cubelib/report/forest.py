"""A forest plot: figures with their intervals, a row for each model, a panel for each data set.

Taught in notebook 07.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cubelib.plots import BLUE, GREEN, GREY, ORANGE, side_by_side

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cubelib.metrics import Interval

STYLES = ((GREY, "s"), (ORANGE, "^"), (BLUE, "o"), (GREEN, "D"))


def forest(
    panels: Mapping[str, Mapping[str, Interval]],
    *,
    label: str,
    chance: float | None = None,
    limits: tuple[float, float] = (-0.03, 1.05),
) -> Figure:
    """Means with their 95 % intervals, model under model.

    Args:
        panels: title → model → interval; the same models in the same order in each.
        label: of the figure on the x axis.
        chance: what guessing gives, drawn as a line.
        limits: ends of the x axis.

    Raises:
        ValueError: panels with other models.

    Example:
        >>> from cubelib.metrics import Interval
        >>> figure = forest({"mine": {"cube": Interval(0.5, 0.4, 0.6)}}, label="mean reciprocal rank", chance=0.05)
        >>> [text.get_text() for text in figure.axes[0].get_yticklabels()], figure.axes[0].get_title()
        (['cube'], 'mine')
    """
    models = list(next(iter(panels.values()), {}))
    if not models or any(list(intervals) != models for intervals in panels.values()):
        raise ValueError(
            "forest: every panel takes the same models in the same order, at least one; got "
            f"{'; '.join(', '.join(intervals) or 'none' for intervals in panels.values()) or 'no panels'}."
        )
    axes = side_by_side(len(panels), width=3.6 * len(panels), height=1.5 + 0.4 * len(models))
    for ax, (title, intervals) in zip(axes, panels.items(), strict=True):
        for place, interval in enumerate(intervals.values()):
            colour, marker = STYLES[place % len(STYLES)]
            ax.hlines(place, interval.low, interval.high, color=colour, linewidth=2.5)
            ax.plot(interval.mean, place, color=colour, marker=marker, markersize=8)
        if chance is not None:
            ax.axvline(chance, color=GREY, linestyle=":", linewidth=1.5, label=f"chance {chance:.2f}")
        ax.set(title=title, xlabel=label, xlim=limits, ylim=(len(models) - 0.5, -0.5))
        ax.set_yticks(range(len(models)), models if ax is axes[0] else [""] * len(models))
        ax.grid(axis="x", alpha=0.3)
    if chance is not None:
        axes[0].legend(frameon=False, fontsize=9)
    return axes[0].figure
