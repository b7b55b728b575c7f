"""Pictures that compare: several figures of the same models over the same axis.

Colors, styles and size as in `cubelib.views.plots`; each name has the same color, marker and line in all panels.

Taught in notebook 05.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from cubelib.errors import DataError
from cubelib.views.plots import BLUE, GRAY, GREEN, ORANGE

Curves = Mapping[str, Sequence[float]]

_STYLES = ((ORANGE, "s", "-"), (BLUE, "o", "-"), (GREEN, "^", "--"), ("#CC79A7", "D", ":"))  # Okabe, Ito 2008
_LINES = ("--", ":")


def panels(
    x: Sequence[float],
    figures: Mapping[str, Curves],
    *,
    xlabel: str,
    lines: Mapping[str, Mapping[str, float]] | None = None,
    width: float = 10.0,
    height: float = 4.2,
) -> Figure:
    """Several figures of the same models over the same axis: a panel for each figure, a curve for each model.

    Args:
        x: where the curves were measured, for all; a shorter curve ends earlier.
        figures: label of the vertical axis → model → values.
        xlabel: label of the horizontal axis.
        lines: label of the vertical axis → name → a value that does not move, drawn as a gray line.
        width: in inches.
        height: in inches.

    Returns:
        The figure, with one legend for all panels below them.

    Raises:
        DataError: no panel, or a curve longer than the axis.

    Example:
        >>> curves = {"cosine": {"cube": [0.3, 0.4]}, "MRR": {"cube": [0.5, 0.4], "control": [0.5, 0.0]}}
        >>> figure = panels([0, 1], curves, xlabel="epoch", lines={"MRR": {"no model": 0.5}})
        >>> [ax.get_ylabel() for ax in figure.axes], [text.get_text() for text in figure.legends[0].get_texts()]
        (['cosine', 'MRR'], ['cube', 'control', 'no model'])
    """
    longest = max((len(values) for curves in figures.values() for values in curves.values()), default=0)
    if not figures or longest > len(x):
        raise DataError(
            f"comparison_plots.panels: takes one figure or more, and curves of at most {len(x)} values, one for each "
            f"place on the axis; got {len(figures)} figures, the longest curve has {longest}."
        )
    picture = Figure(figsize=(width, height), facecolor="white", layout="constrained")
    names = list(dict.fromkeys(name for curves in figures.values() for name in curves))
    fixed = list(dict.fromkeys(name for values in (lines or {}).values() for name in values))
    handles = {}
    for ax, (ylabel, curves) in zip(picture.subplots(1, len(figures), squeeze=False)[0], figures.items(), strict=True):
        for name, value in (lines or {}).get(ylabel, {}).items():
            style = _LINES[fixed.index(name) % len(_LINES)]
            handles[name] = ax.axhline(value, color=GRAY, linestyle=style, linewidth=1.5, label=name)
        for name, values in curves.items():
            color, marker, line = _STYLES[names.index(name) % len(_STYLES)]
            (handles[name],) = ax.plot(
                x[: len(values)], values, color=color, marker=marker, linestyle=line, markersize=5, label=name
            )
        ax.set(xlabel=xlabel, ylabel=ylabel)
        if all(float(place).is_integer() for place in x):
            ax.xaxis.get_major_locator().set_params(integer=True)
        ax.grid(alpha=0.3)
    order = [*names, *(name for name in fixed if name in handles)]
    picture.legend([handles[name] for name in order], order, loc="outside lower center", ncols=3, frameon=False)
    return picture
