"""The look of every picture: one palette, one style for each model, and white figures of the right size.

The colors are those of Okabe and Ito (2008), which people with any common color vision can tell apart. Curves differ in
marker and line as well, so color is never the only cue.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.transforms import ScaledTranslation

from cubelib.errors import DataError

BLUE, ORANGE, GREEN, PINK, BLACK, GRAY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#666666"
SILENT = (0.93, 0.93, 0.93, 1.0)  # a cell that holds exactly zero

Direction = Literal["both", "x", "y"]
Style = dict[str, Any]  # arguments of Axes.plot: color, marker, linestyle

STYLES: tuple[Style, ...] = (
    {"color": BLUE, "marker": "o", "linestyle": "-"},
    {"color": ORANGE, "marker": "s", "linestyle": "--"},
    {"color": GREEN, "marker": "^", "linestyle": "-."},
    {"color": PINK, "marker": "D", "linestyle": (0, (5, 1))},
    {"color": BLACK, "marker": "P", "linestyle": (0, (1, 1))},
    {"color": GRAY, "marker": "v", "linestyle": ":"},
)
# How a name begins → its style in every picture; layouts are never drawn together with models.
_RESERVED = {
    "cube": STYLES[0],
    "ridge": STYLES[1],
    "PCA": STYLES[2],
    "MLP": STYLES[3],
    "control": STYLES[5],
    "no model": STYLES[5],
    "row_major": STYLES[0],
    "channel_major": STYLES[1],
    "spectral": STYLES[2],
    "pca": STYLES[4],
    "random": STYLES[5],
}


def styles(names: Iterable[str]) -> dict[str, Style]:
    """A style for each curve: the cube and the usual baselines keep theirs, other names get what is left, in order.

    Args:
        names: at most six.

    Raises:
        DataError: more names than there are styles.

    Example:
        >>> {name: style["color"] for name, style in styles(["mine", "cube, trained", "PCA"]).items()}
        {'mine': '#D55E00', 'cube, trained': '#0072B2', 'PCA': '#009E73'}
    """
    names = list(dict.fromkeys(names))
    if len(names) > len(STYLES):
        raise DataError(
            f"A picture can show at most {len(STYLES)} curves that differ in color and line; got {len(names)}: "
            f"{', '.join(names)}. Leave some out."
        )
    chosen: dict[str, Style] = {}
    for name in names:
        reserved = next((style for start, style in _RESERVED.items() if name.startswith(start)), None)
        if reserved and reserved not in chosen.values():
            chosen[name] = reserved
    unused = iter([style for style in STYLES if style not in chosen.values()])
    return {name: chosen.get(name) or next(unused) for name in names}


def new_figure(width: float, height: float) -> Figure:
    """An opaque white figure of this size in inches, without touching pyplot's state."""
    return Figure(figsize=(width, height), facecolor="white", layout="constrained")


def new_panels(count: int, width: float, height: float, **options: Any) -> tuple[Figure, list[Axes]]:
    """A figure with `count` axes next to each other; options as for matplotlib's `Figure.subplots`."""
    figure = new_figure(width, height)
    return figure, list(figure.subplots(1, count, squeeze=False, **options)[0])


def side_by_side(count: int, width: float = 10.0, height: float = 4.0) -> list[Axes]:
    """`count` axes next to each other in one new figure.

    Example:
        >>> left, right = side_by_side(2)
        >>> left.figure is right.figure
        True
    """
    return new_panels(count, width, height)[1]


def new_axes(width: float = 7.0, height: float = 4.0) -> Axes:
    """One pair of axes in a new figure of this size in inches."""
    return side_by_side(1, width, height)[0]


def axes_for(ax: Axes | None, width: float = 7.0, height: float = 4.0) -> Axes:
    """The given axes, or new ones of this size in inches."""
    return new_axes(width, height) if ax is None else ax


def label_axes(
    ax: Axes, xlabel: str, ylabel: str = "", *, grid: Direction = "both", whole_numbers: Direction | None = None
) -> None:
    """Labels and a pale grid.

    Args:
        ax: what to label.
        xlabel: what runs to the right, with its unit.
        ylabel: what runs up.
        grid: which way its lines are counted.
        whole_numbers: the axis that has no ticks between whole numbers; None for neither.
    """
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.grid(axis=grid, alpha=0.3)
    if whole_numbers:
        ax.locator_params(axis=whole_numbers, integer=True)


def legend_below(ax: Axes, **options: Any) -> Legend:
    """A legend below the label of the horizontal axis; options as for matplotlib's `Axes.legend`.

    Example:
        >>> ax = new_axes()
        >>> _ = ax.plot([0, 1], label="a line")
        >>> legend_below(ax, ncols=2) is ax.get_legend()
        True
    """
    down = ScaledTranslation(0, -0.5, ax.figure.dpi_scale_trans)  # half an inch: tick labels and the axis label
    position = {"loc": "upper left", "bbox_to_anchor": (0.0, 0.0), "bbox_transform": ax.transAxes + down}
    return ax.legend(**(position | {"frameon": False, "fontsize": 9, "borderaxespad": 0.0} | options))


def legend_beside(ax: Axes) -> Legend:
    """A legend to the right of the axes."""
    return ax.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0))
