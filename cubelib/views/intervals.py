"""Charts of intervals: forest plots, and models that cheat beside an honest one.

Colors and styles are those of `cubelib.views.style`. Taught in notebooks 05, 06 and 07.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cubelib.errors import DataError
from cubelib.metrics import Interval
from cubelib.views.labels import readable, wrapped
from cubelib.views.style import (
    GRAY,
    GRAY_BLUE,
    INK,
    MISS,
    SMALL,
    STYLES,
    WIDTH,
    Style,
    axes_for,
    known_style,
    label_axes,
    legend_below,
    new_panels,
    styles,
)

_CHEAT: Style = {"color": MISS, "marker": "s"}
_OTHER: Style = {"color": GRAY_BLUE, "marker": "o"}


def forest(
    intervals: Mapping[str, Interval] | Iterable[Interval],
    *,
    line: float | None = None,
    line_label: str = "zero",
    xlabel: str = "",
    ax: Axes | None = None,
) -> Axes:
    """A forest plot: intervals as horizontal lines with the mean as a mark, the first on top.

    A model has the color that it has everywhere, another name is dark gray. A mark is hollow if its interval contains
    `line`, so that it may be no different. Named intervals have their values at the right. Intervals without names are
    gray blue, and those without the line red.

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
    extra = 0.0 if line is None else max(0.8, 0.07 * len(rows))  # rows for the name of the line
    ax = axes_for(ax, WIDTH, 1.2 + 0.42 * (len(rows) + extra) if named else 5.0)
    hollow = [line is not None and interval.low <= line <= interval.high for interval in rows]
    for row, interval in enumerate(rows):
        if named:
            look = known_style(names[row]) or {"color": INK, "marker": "o"}
            face = "white" if hollow[row] else look["color"]
            _draw_interval(ax, row, interval, look | {"markerfacecolor": face}, size=8)
            _write_value(ax, row, interval)
        else:
            _draw_interval(ax, row, interval, _OTHER if hollow[row] or line is None else _CHEAT, size=5)
    if line is not None:
        note = " (hollow: the interval includes it)" if named and any(hollow) else ""
        _draw_line(ax, line, f"{line_label}{note}", len(rows) - 0.5 + extra / 2)
    ax.set_ylim(len(rows) - 0.4 + extra, -0.7)
    ax.set_yticks(range(len(rows)) if named else [], names)
    label_axes(ax, xlabel, grid="x")
    return ax


def _write_value(ax: Axes, row: int, interval: Interval) -> None:
    """Mean and ends to the right of the axes."""
    text = f"{interval.mean:.3f}  [{interval.low:.3f}, {interval.high:.3f}]".replace("-", "−")
    ax.annotate(text, (1, row), xycoords=ax.get_yaxis_transform(), xytext=(10, 0), textcoords="offset points",
                va="center", fontsize=SMALL, color=GRAY, annotation_clip=False)  # fmt: skip


def _draw_line(ax: Axes, value: float, name: str, row: float) -> None:
    """An upright line with its name in a row of its own, on the side where there is more room."""
    low, high = ax.get_xlim()
    to_the_left = value > (low + high) / 2
    ax.axvline(value, color=GRAY, linestyle="--", linewidth=1.2, zorder=1)
    ax.annotate(name, (value, row), xytext=(-6 if to_the_left else 6, 0), textcoords="offset points", va="center",
                ha="right" if to_the_left else "left", fontsize=SMALL, color=GRAY, parse_math=False)  # fmt: skip


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
    extra = 0.0 if chance is None else 0.8  # a row for the name of the line
    figure, all_axes = new_panels(len(panels), max(WIDTH, 3.4 * len(panels)), 1.6 + 0.42 * (len(models) + extra))
    for ax, (title, intervals) in zip(all_axes, panels.items(), strict=True):
        for row, (model, interval) in enumerate(intervals.items()):
            _draw_interval(ax, row, interval, looks[model], size=8)
        ax.set(title=title, xlim=(-0.03, 1.05), ylim=(len(models) - 0.4 + extra, -0.7))
        if chance is not None:
            _draw_line(ax, chance, f"chance {chance:.2f}", len(models) - 0.5 + extra / 2)
        ax.set_yticks(range(len(models)), models if ax is all_axes[0] else [""] * len(models))
        label_axes(ax, label, grid="x")
    return figure


def plot_cheats(panels: Mapping[str, Mapping[str, Mapping[str, Interval]]]) -> Figure:
    """A panel for each cheating model: the metric that flatters it beside the one that exposes it.

    Args:
        panels: title → metric → model → its value with interval. The first model of a panel is the cheat (red
            squares); the others have their own colors.

    Example:
        >>> one, high, low = Interval(1.0, 1.0, 1.0), Interval(0.9, 0.8, 1.0), Interval(0.1, 0.0, 0.2)
        >>> figure = plot_cheats({"A": {"on training items": {"A": one, "honest": one},
        ...                             "on held-out items": {"A": low, "honest": high}}})
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['1.00', '1.00', '0.10', '0.90']
    """
    figure, all_axes = new_panels(len(panels), max(WIDTH, 3.4 * len(panels)), 4.6, sharey=True)
    for ax, (title, metrics) in zip(all_axes, panels.items(), strict=True):
        models = list(dict.fromkeys(model for values in metrics.values() for model in values))
        looks = {model: known_style(model) or STYLES[0] for model in models} | {models[0]: _CHEAT}
        gap = 0.34 if len(models) > 2 else 0.28
        shifts = {model: gap * (place - (len(models) - 1) / 2) for place, model in enumerate(models)}
        for position, values in enumerate(metrics.values()):
            for model, interval in values.items():
                color, x = looks[model]["color"], position + shifts[model]
                ax.vlines(x, interval.low, interval.high, color=color, linewidth=2.4)
                label = model if position == 0 else None
                marker = looks[model]["marker"]
                ax.plot(x, interval.mean, color=color, marker=marker, linestyle="", markersize=9, label=label)
                ax.annotate(f"{interval.mean:.2f}", (x, max(interval.high, interval.mean)), xytext=(0, 8),
                            textcoords="offset points", ha="center", fontsize=SMALL, color=readable(color))  # fmt: skip
        ax.set_title(title)
        names = [wrapped(metric, 16) for metric in metrics]
        ax.set_xticks(range(len(metrics)), names)
        ax.set(xlim=(-0.6, len(metrics) - 0.4), ylim=(-0.06, 1.16), yticks=[0, 0.2, 0.4, 0.6, 0.8, 1])
        label_axes(ax, "", grid="y")
        legend_below(ax, down=0.2 + 0.18 * max(name.count("\n") + 1 for name in names))
    all_axes[0].set_ylabel("value of the metric (1 = best)")
    return figure


def _draw_interval(ax: Axes, row: float, interval: Interval, style: Style, size: float) -> None:
    ax.hlines(row, interval.low, interval.high, color=style["color"], linewidth=size / 3.5)
    ax.plot(interval.mean, row, **style | {"linestyle": "none"}, markersize=size)
