"""Charts of intervals: forest plots, and models that cheat beside an honest one.

Colors and styles are those of `cubelib.views.style`. Taught in notebooks 05, 06 and 07.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cubelib.errors import DataError
from cubelib.metrics import Interval
from cubelib.views.style import GRAY, STYLES, Style, axes_for, label_axes, legend_beside, new_panels, styles


def forest(
    intervals: Mapping[str, Interval] | Iterable[Interval],
    *,
    line: float | None = None,
    line_label: str = "zero",
    xlabel: str = "",
    ax: Axes | None = None,
) -> Axes:
    """A forest plot: intervals as horizontal lines with the mean as a mark, the first on top.

    Intervals that contain `line` are blue with a disc, the others orange with a square.

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
    names = [str(name) for name in intervals] if named else []
    rows = list(intervals.values()) if isinstance(intervals, Mapping) else list(intervals)
    if not rows:
        raise DataError("intervals.forest: there is nothing to draw. Give at least one interval.")
    ax = axes_for(ax, 7.0, max(1.4, 0.4 * len(rows) + 0.9) if named else 4.5)
    size = 6 if named else 4
    for row, interval in enumerate(rows):
        outside = line is not None and not interval.low <= line <= interval.high
        _draw_interval(ax, row, interval, STYLES[1] if outside else STYLES[0], size)
    if line is not None:
        ax.axvline(line, color=GRAY, linestyle="--", linewidth=1, label=line_label)
        legend_beside(ax)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_yticks(range(len(rows)) if named else [], names)
    label_axes(ax, xlabel, grid="x")
    return ax


def forest_panels(panels: Mapping[str, Mapping[str, Interval]], *, label: str, chance: float | None = None) -> Figure:
    """A forest plot for each of several data sets, side by side, each model in its own color.

    Args:
        panels: title → model → interval; the same models in the same order in each.
        label: of the horizontal axis.
        chance: what guessing gives, drawn as a line.

    Raises:
        DataError: no panels, or panels with different models.

    Example:
        >>> figure = forest_panels({"mine": {"cube": Interval(0.5, 0.4, 0.6)}}, label="MRR", chance=0.05)
        >>> [text.get_text() for text in figure.axes[0].get_yticklabels()], figure.axes[0].get_title()
        (['cube'], 'mine')
    """
    models = list(next(iter(panels.values()), {}))
    if not models or any(list(intervals) != models for intervals in panels.values()):
        raise DataError(
            "intervals.forest_panels: every panel takes the same models in the same order, at least one; got "
            f"{'; '.join(', '.join(intervals) or 'none' for intervals in panels.values()) or 'no panels'}."
        )
    looks = styles(models)
    figure, all_axes = new_panels(len(panels), 3.6 * len(panels), 1.5 + 0.4 * len(models))
    for ax, (title, intervals) in zip(all_axes, panels.items(), strict=True):
        for row, (model, interval) in enumerate(intervals.items()):
            _draw_interval(ax, row, interval, looks[model], size=8)
        if chance is not None:
            ax.axvline(chance, color=GRAY, linestyle=":", linewidth=1.5, label=f"chance {chance:.2f}")
        ax.set(title=title, xlim=(-0.03, 1.05), ylim=(len(models) - 0.5, -0.5))
        ax.set_yticks(range(len(models)), models if ax is all_axes[0] else [""] * len(models))
        label_axes(ax, label, grid="x")
    if chance is not None:
        all_axes[0].legend(frameon=False, fontsize=9)
    return figure


def plot_cheats(panels: Mapping[str, Mapping[str, Mapping[str, Interval]]]) -> Figure:
    """A panel for each cheating model: the metric that flatters it beside the one that exposes it.

    Args:
        panels: title → metric → model → its value with interval. The first model of a panel is the cheat (orange
            squares), the second is the honest one (blue discs), a third has gray triangles.

    Example:
        >>> one, high, low = Interval(1.0, 1.0, 1.0), Interval(0.9, 0.8, 1.0), Interval(0.1, 0.0, 0.2)
        >>> figure = plot_cheats({"A": {"on training items": {"A": one, "honest": one},
        ...                             "on held-out items": {"A": low, "honest": high}}})
        >>> [text.get_text() for text in figure.axes[0].get_xticklabels()]
        ['on training items', 'on held-out items']
    """
    looks = ((STYLES[1], -0.14), (STYLES[0], 0.14), (STYLES[5], 0.32))
    figure, all_axes = new_panels(len(panels), 3.4 * len(panels), 4.0, sharey=True)
    for ax, (title, metrics) in zip(all_axes, panels.items(), strict=True):
        for position, models in enumerate(metrics.values()):
            for (model, interval), (style, shift) in zip(models.items(), looks, strict=False):
                x, color = position + shift, style["color"]
                label = model if position == 0 else None
                ax.plot(x, interval.mean, color=color, marker=style["marker"], linestyle="", markersize=8, label=label)
                ax.vlines(x, interval.low, interval.high, color=color, linewidth=2)
                side = "right" if shift < 0 else "left"
                points = -9 if shift < 0 else 9
                ax.annotate(f"{interval.mean:.2f}", (x, interval.mean), xytext=(points, 0), textcoords="offset points",
                            ha=side, va="center", color=color)  # fmt: skip
        ax.set_title(title, fontsize=11)
        ax.set_xticks(range(len(metrics)), list(metrics))
        ax.set(xlim=(-0.6, len(metrics) - 0.4), ylim=(-0.06, 1.08))
        ax.axvline(0.5, color=GRAY, linewidth=0.8, alpha=0.5)
        label_axes(ax, "", grid="y")
        ax.legend(fontsize=9, loc="center", framealpha=1, edgecolor="white")
    all_axes[0].set_ylabel("value of the metric (1 = best)")
    return figure


def _draw_interval(ax: Axes, row: float, interval: Interval, style: Style, size: float) -> None:
    ax.hlines(row, interval.low, interval.high, color=style["color"], linewidth=size / 3)
    ax.plot(interval.mean, row, color=style["color"], marker=style["marker"], markersize=size)
