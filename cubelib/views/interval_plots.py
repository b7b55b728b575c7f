"""Figures with intervals: a row for each (a forest plot), and cheating models beside an honest one.

Color-blind safe, told apart by marker as well, opaque white; each function takes `ax=` or returns a whole figure.
Taught in notebooks 05, 06 and 07.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cubelib.errors import DataError
from cubelib.metrics import Interval
from cubelib.views.plots import BLUE, GRAY, GREEN, ORANGE, place_for, side_by_side

_STYLES = ((GRAY, "s"), (ORANGE, "^"), (BLUE, "o"), (GREEN, "D"))


def forest(
    intervals: Mapping[str, Interval] | Iterable[Interval],
    *,
    line: float | None = None,
    line_label: str = "zero",
    xlabel: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Intervals as horizontal lines with the mean as a mark, the first on top: a forest plot.

    Those that hold `line` are blue with a disc, those that do not are orange with a square.

    Args:
        intervals: name → interval, or intervals without names.
        line: a value to compare with, drawn as a vertical line.
        line_label: its name.
        xlabel: what the values are.
        ax: where to draw; None for a new figure.

    Raises:
        DataError: no intervals.

    Example:
        >>> ax = forest({"this": Interval(0.5, 0.4, 0.6), "that": Interval(0.7, 0.65, 0.75)}, line=0.5)
        >>> [label.get_text() for label in ax.get_yticklabels()]
        ['this', 'that']
    """
    named = isinstance(intervals, Mapping)
    names = list(intervals) if named else []
    rows = list(intervals.values() if named else intervals)
    if not rows:
        raise DataError("interval_plots.forest: there is nothing to draw. Give an interval or more.")
    ax = place_for(ax, height=max(1.4, 0.4 * len(rows) + 0.9) if named else 4.5)
    for place, found in enumerate(rows):
        outside = line is not None and not found.low <= line <= found.high
        color, marker = (ORANGE, "s") if outside else (BLUE, "o")
        ax.plot([found.low, found.high], [place, place], color=color, linewidth=2 if named else 1.2)
        ax.plot(found.mean, place, color=color, marker=marker, markersize=6 if named else 4)
    if line is not None:
        ax.axvline(line, color=GRAY, linestyle="--", linewidth=1, label=line_label)
        ax.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_yticks(range(len(rows)) if named else [], names)
    ax.set_xlabel(xlabel)
    ax.grid(alpha=0.3, axis="x")
    return ax


def forest_panels(
    panels: Mapping[str, Mapping[str, Interval]],
    *,
    label: str,
    chance: float | None = None,
    limits: tuple[float, float] = (-0.03, 1.05),
) -> Figure:
    """A forest plot for each of several data sets, side by side: the same models, each in a color of its own.

    Args:
        panels: title → model → interval; the same models in the same order in each.
        label: of the figure on the x axis.
        chance: what guessing gives, drawn as a line.
        limits: ends of the x axis.

    Raises:
        DataError: panels with other models.

    Example:
        >>> figure = forest_panels({"mine": {"cube": Interval(0.5, 0.4, 0.6)}}, label="MRR", chance=0.05)
        >>> [text.get_text() for text in figure.axes[0].get_yticklabels()], figure.axes[0].get_title()
        (['cube'], 'mine')
    """
    models = list(next(iter(panels.values()), {}))
    if not models or any(list(intervals) != models for intervals in panels.values()):
        raise DataError(
            "forest_panels: every panel takes the same models in the same order, at least one; got "
            f"{'; '.join(', '.join(intervals) or 'none' for intervals in panels.values()) or 'no panels'}."
        )
    axes = side_by_side(len(panels), width=3.6 * len(panels), height=1.5 + 0.4 * len(models))
    for ax, (title, intervals) in zip(axes, panels.items(), strict=True):
        for place, interval in enumerate(intervals.values()):
            color, marker = _STYLES[place % len(_STYLES)]
            ax.hlines(place, interval.low, interval.high, color=color, linewidth=2.5)
            ax.plot(interval.mean, place, color=color, marker=marker, markersize=8)
        if chance is not None:
            ax.axvline(chance, color=GRAY, linestyle=":", linewidth=1.5, label=f"chance {chance:.2f}")
        ax.set(title=title, xlabel=label, xlim=limits, ylim=(len(models) - 0.5, -0.5))
        ax.set_yticks(range(len(models)), models if ax is axes[0] else [""] * len(models))
        ax.grid(axis="x", alpha=0.3)
    if chance is not None:
        axes[0].legend(frameon=False, fontsize=9)
    return axes[0].figure


def unmasked(panels: Mapping[str, Mapping[str, Mapping[str, Interval]]]) -> Figure:
    """A panel for each cheating model: the figure that flatters it beside the one that exposes it.

    Args:
        panels: title → figure's name → model → its value with interval; the first model of a panel is the cheat (orange
            squares), the second the honest one (blue discs), a third is gray triangles.

    Example:
        >>> one, high, low = Interval(1.0, 1.0, 1.0), Interval(0.9, 0.8, 1.0), Interval(0.1, 0.0, 0.2)
        >>> figure = unmasked({"A": {"on training items": {"A": one, "honest": one},
        ...                          "on held-out items": {"A": low, "honest": high}}})
        >>> [text.get_text() for text in figure.axes[0].get_xticklabels()]
        ['on training items', 'on held-out items']
    """
    figure = Figure(figsize=(3.4 * len(panels), 4.0), facecolor="white", layout="constrained")
    all_axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for ax, (title, figures) in zip(all_axes, panels.items(), strict=True):
        for place, models in enumerate(figures.values()):
            looks = ((ORANGE, "s", -0.14), (BLUE, "o", 0.14), (GRAY, "^", 0.32))
            for (model, found), (color, marker, aside) in zip(models.items(), looks, strict=False):
                label = model if not place else None
                ax.plot(place + aside, found.mean, color=color, marker=marker, linestyle="", markersize=8, label=label)
                ax.plot([place + aside] * 2, [found.low, found.high], color=color, linewidth=2)
                ax.annotate(
                    f"{found.mean:.2f}",
                    (place + aside, found.mean),
                    xytext=(-9 if aside < 0 else 9, 0),
                    textcoords="offset points",
                    ha="right" if aside < 0 else "left",
                    va="center",
                    color=color,
                )
        ax.set_title(title, fontsize=11)
        ax.set_xticks(range(len(figures)), list(figures))
        ax.set_xlim(-0.6, len(figures) - 0.4)
        ax.set_ylim(-0.06, 1.08)
        ax.axvline(0.5, color=GRAY, linewidth=0.8, alpha=0.5)
        ax.grid(alpha=0.3, axis="y")
        ax.legend(fontsize=9, loc="center", framealpha=1, edgecolor="white")
    all_axes[0].set_ylabel("value of the figure (1 = best)")
    return figure
