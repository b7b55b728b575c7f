"""The look of every picture: one palette by meaning, and white figures with calm axes.

A color means one thing in the whole course:

======================================  =====================================  =======================================
what                                    color                                  marker, line
======================================  =====================================  =======================================
cube, trained                           blue `BLUE`                            disc, solid
cube, untrained                         pale blue `PALE_BLUE`                  hollow disc, dashed
cube that must fail (shuffled, …)       gray blue                              cross, dotted
cube with another addition to its name  blue or dark blue                      by the name
ridge regression                        vermilion `ORANGE`                     square, dashed
PCA; local PCA                          green `GREEN`; dark green              triangle, dash-dot; diamond, long dash
MLP                                     pink `PINK`                            diamond, long dash
nearest question                        amber                                  pentagon, dash-dot
adapter, low-rank map                   purple                                 hexagon, short dash
Procrustes; whitened questions          brown; olive                           star; octagon
no model, control, mean vector, chance  grays                                  triangle down and others, dotted
target, bound                           black                                  no marker, dashed
training data; held-out data            turquoise; wine                        square, dashed; disc, solid
a cheat; an interval without the truth  red `MISS`                             square
losses: MSE, cosine, contrastive        salmon, lavender, petrol               square, triangle, diamond
layouts of numbers                      row_major, channel_major, spectral: petrol, salmon, lavender; pca as PCA;
                                        random as a control
anything else                           one of six colors that no model has, by the letters of its name
======================================  =====================================  =======================================

Blue, vermilion, green, pink, and black are those of Okabe and Ito (2008), pink a little darker. Models that are drawn
together can be told apart with any common color vision, and curves also differ in marker and line. Magnitudes run
through `SEQUENTIAL`, signed numbers through `DIVERGING` with white at zero.

Nothing here changes matplotlib's own settings.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure, FigureBase
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import ScaledTranslation

from cubelib.errors import DataError

BLUE, ORANGE, GREEN, PINK, BLACK, GRAY = "#0072B2", "#D55E00", "#009E73", "#C46BA2", "#000000", "#5A5A5A"
PALE_BLUE, DARK_BLUE, GRAY_BLUE, PALE_GRAY = "#6CB2DD", "#004063", "#7D93A6", "#A3A3A3"
TRAINING, HELD_OUT, MISS = "#1AA6B7", "#A01850", "#C1121F"
_SALMON, _LAVENDER, _PETROL = "#E88C74", "#9C8BD9", "#004A4F"
SILENT = (0.93, 0.93, 0.93, 1.0)  # a cell that holds exactly zero
INK, FRAME, GRID = "#222222", "#8A9099", "#E4E7EB"  # letters, axes, grid
SEQUENTIAL, DIVERGING = "viridis", "PuOr"
WIDTH, HEIGHT, DPI = 10.2, 4.2, 100  # inches: a cell of JupyterLab is about 1,200 pixels wide
TEXT, SMALL, TITLE = 11.0, 10.0, 12.5  # points
LEGEND: dict[str, Any] = {"frameon": False, "fontsize": 10.5, "labelcolor": INK}

Direction = Literal["both", "x", "y"]
Style = dict[str, Any]  # arguments of Axes.plot: color, marker, linestyle


def _style(color: str, marker: str, linestyle: Any, **more: Any) -> Style:
    return {"color": color, "marker": marker, "linestyle": linestyle} | more


_LONG, _SHORT, _DOTS = (0, (7, 2)), (0, (3, 1.5)), (0, (1, 1.5))
_CUBE = _style(BLUE, "o", "-")
# What a name begins with, as a regular expression → its style in every picture. The first that fits counts.
_MEANINGS: tuple[tuple[str, Style], ...] = (
    (r"untrained|(the )?cube\b.*(untrained|before training)", _style(PALE_BLUE, "o", "--", markerfacecolor="white")),
    (r"fragile|(the )?cube\b.*(control|shuffl|permut|mixed|random|dealt out|wrong)", _style(GRAY_BLUE, "X", _DOTS)),
    (r"hardened|trained$|((the )?cube|trained cube)(, (trained|validation|learned))?$", _CUBE),
    (r"(residual )?ridge", _style(ORANGE, "s", "--")),
    (r"local PCA", _style("#14532D", "d", _LONG)),
    (r"PCA|pca", _style(GREEN, "^", "-.")),
    (r"(residual |deep )?MLP|AutoencoderMLP|autoencoder MLP", _style(PINK, "D", (0, (5, 1)))),
    (r"nearest (question|answer)", _style("#E0A100", "p", (0, (6, 1.5, 1, 1.5)))),
    (r"(.* )?adapter|low-rank", _style("#47187A", "h", _SHORT)),
    (r"orthogonal Procrustes|Procrustes", _style("#6B3E26", "*", (0, (4, 1, 1, 1, 1, 1)))),
    (r"whiten", _style("#8F8B3A", "8", (0, (8, 1.5, 2, 1.5)))),
    (r"no model|doing nothing|the question itself|the teacher alone", _style(GRAY, "v", ":")),
    (r"mean\b|empty\b|floor", _style(PALE_GRAY, "<", ":")),
    (r"chance|guess|luck", _style(PALE_GRAY, ">", "--")),
    (r"(.*\b)?control|random|shuffl|permut|mixed", _style("#7A7A7A", "X", _DOTS)),
    (r"target|bound|ceiling|best possible|perfect", _style(BLACK, "H", "--")),
    (r"([\d,]+ )?train(ing)?\b", _style(TRAINING, "s", "--")),
    (r"([\d,]+ )?(held.out|validation|test\b|new (answers|wordings|questions))", _style(HELD_OUT, "o", "-")),
    (r"teacher", _style("#2F4B7C", "o", "-")),
    (r"MSE|mse|row_major", _style(_SALMON, "s", "-")),
    (r"cosine|spectral", _style(_LAVENDER, "^", "--")),
    (r"contrastive|channel_major", _style(_PETROL, "D", "-.")),
)
_CUBES: tuple[Style, ...] = (
    _style(BLUE, "s", "-."),
    _style(DARK_BLUE, "D", "--"),
    _style(BLUE, "^", _LONG),
    _style(DARK_BLUE, "v", "-"),
    _style(BLUE, "P", _SHORT),
    _style(DARK_BLUE, "h", (0, (6, 1.5, 1, 1.5))),
)
STYLES: tuple[Style, ...] = (
    _style("#2F4B7C", "o", "-"),
    _style("#B24A3A", "s", "--"),
    _style("#6B9E3F", "^", "-."),
    _style("#BC6BBB", "D", (0, (5, 1))),
    _style("#C79A2B", "P", _DOTS),
    _style("#00808A", "v", ":"),
)


def styles(names: Iterable[str]) -> dict[str, Style]:
    """A style for each name: the same one in every picture, whatever it is drawn with.

    Names of models, data, and losses have theirs from the table above; two of one kind in one picture, such as two
    ridge regressions, share the color and differ in marker and line. Any other name has one of six styles by its
    letters; only if two such names would be alike does the later one take the next that is left.

    Args:
        names: in the order in which they are drawn.

    Raises:
        DataError: more names of one kind than there are styles.

    Example:
        >>> {name: style["color"] for name, style in styles(["mine", "cube, trained", "PCA"]).items()}
        {'mine': '#B24A3A', 'cube, trained': '#0072B2', 'PCA': '#009E73'}
    """
    chosen: dict[str, Style] = {}
    for name in dict.fromkeys(names):
        first, *others = _candidates(name)
        left = [style for style in (first, *others) if style not in chosen.values()]
        if not left and others:
            raise DataError(
                f"A picture can show at most {len(others) + 1} curves of one kind that differ in color and line; got "
                f"{len(chosen) + 1}: {', '.join([*chosen, name])}. Leave some out."
            )
        chosen[name] = left[0] if left else _varied(first, list(chosen.values()))
    return chosen


def known_style(name: str) -> Style | None:
    """The style that the table above gives to this name; None if it is not in it."""
    found = next((style for pattern, style in _MEANINGS if re.match(pattern, name)), None)
    return _candidates(name)[0] if found is None and re.match(r"(the )?cube\b", name) else found


def _varied(style: Style, used: list[Style]) -> Style:
    """The same color with another marker and line than those in use."""
    variants = [style | {"marker": other["marker"], "linestyle": other["linestyle"]} for other in STYLES]
    return next((variant for variant in variants if variant not in used), style)


def _candidates(name: str) -> list[Style]:
    """The styles that a name may have, the one it should have first."""
    for pattern, style in _MEANINGS:
        if re.match(pattern, name):
            return [style]
    pool = _CUBES if re.match(r"(the )?cube\b", name) else STYLES
    start = zlib.crc32(name.encode()) % len(pool)
    return [*pool[start:], *pool[:start]]


class HouseAxes(Axes):
    """Axes with a pale frame at the left and below and a bold title at the left; long titles and labels wrap."""

    room: tuple[float, float] | None = None  # width and height for titles and labels, in pixels; None for the axes' own

    def clear(self) -> None:
        """Back to empty axes in this style; matplotlib calls it for new ones too."""
        super().clear()
        self.set_facecolor("white")
        self.spines[["top", "right"]].set_visible(False)
        self.spines[["left", "bottom"]].set_color(FRAME)
        self.tick_params(color=FRAME, labelcolor=INK, labelsize=SMALL, length=3.5)
        self.set_axisbelow(True)
        for label in (self.xaxis.label, self.yaxis.label):
            label.set(fontsize=TEXT, color=INK)
        _wrap(self.xaxis.label, lambda: self._room()[0])
        _wrap(self.yaxis.label, lambda: self._room()[1])

    def set_title(self, label: str, *args: Any, **options: Any) -> Text:
        """As matplotlib's, but at the left and bold unless told otherwise."""
        look: dict[str, Any] = {"fontsize": TITLE, "fontweight": "bold", "color": INK}
        if len(args) < 2:  # the second is the place
            look["loc"] = "left"
        title = super().set_title(label, *args, **look | options)
        _wrap(title, lambda: self._room()[0])
        return title

    def get_title(self, loc: Literal["left", "center", "right"] = "left") -> str:
        """The title at the left unless told otherwise."""
        return super().get_title(loc)

    def _room(self) -> tuple[float, float]:
        return self.room or (self.bbox.width, self.bbox.height)


def _wrap(text: Text, room: Callable[[], float]) -> None:
    """Breaks a text into lines of at most so many pixels. Matplotlib itself breaks at the edge of the figure only."""
    text.set_wrap(True)
    text._get_wrap_line_width = room  # type: ignore[attr-defined]


class _Layout(ConstrainedLayoutEngine):
    """Matplotlib's layout, done twice.

    The size of the axes decides how titles and labels break into lines, and these lines decide the size of the axes.
    So the first time finds how much room there is, and the second keeps to it.
    """

    def execute(self, fig: Figure) -> Any:
        house = [ax for ax in fig.axes if isinstance(ax, HouseAxes)]
        for ax in house:
            ax.room = None
        super().execute(fig)
        for ax in house:
            ax.room = (ax.bbox.width, ax.bbox.height)
        return super().execute(fig)


class HouseFigure(Figure):
    """A figure whose title is at the left and bold, as those of its axes."""

    def suptitle(self, t: str, **options: Any) -> Text:
        """As matplotlib's, but at the left and bold unless told otherwise."""
        look: dict[str, Any] = {"x": 0.012, "ha": "left", "color": INK, "wrap": True}
        if not {"size", "fontsize"} & set(options):
            look["fontsize"] = TITLE + 1
        if not {"weight", "fontweight"} & set(options):
            look["fontweight"] = "bold"
        return super().suptitle(t, **look | options)


def new_figure(width: float = WIDTH, height: float = HEIGHT) -> Figure:
    """An opaque white figure of this size in inches, without touching pyplot's state."""
    layout = _Layout(w_pad=0.08, h_pad=0.08, wspace=0.03, hspace=0.04)
    return HouseFigure(figsize=(width, height), dpi=DPI, facecolor="white", layout=layout)


def add_panels(figure: FigureBase, rows: int, columns: int, **options: Any) -> list[list[Axes]]:
    """Axes in this style in a figure or a part of one, row by row; options as for matplotlib's `subplots`."""
    look = options.pop("subplot_kw", {})
    if "projection" not in look:
        look = {"axes_class": HouseAxes} | look
    return [list(row) for row in figure.subplots(rows, columns, squeeze=False, subplot_kw=look, **options)]


def new_panels(count: int, width: float = WIDTH, height: float = HEIGHT, **options: Any) -> tuple[Figure, list[Axes]]:
    """A figure with `count` axes next to each other; options as for matplotlib's `Figure.subplots`."""
    figure = new_figure(width, height)
    return figure, add_panels(figure, 1, count, **options)[0]


def side_by_side(count: int, width: float = WIDTH, height: float = HEIGHT) -> list[Axes]:
    """`count` axes next to each other in one new figure.

    Example:
        >>> left, right = side_by_side(2)
        >>> left.figure is right.figure
        True
    """
    return new_panels(count, width, height)[1]


def new_axes(width: float = WIDTH, height: float = HEIGHT) -> Axes:
    """One pair of axes in a new figure of this size in inches."""
    return side_by_side(1, width, height)[0]


def axes_for(ax: Axes | None, width: float = WIDTH, height: float = HEIGHT) -> Axes:
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
    ax.grid(axis=grid, color=GRID, linewidth=0.9)
    if whole_numbers:
        ax.locator_params(axis=whole_numbers, integer=True)


def draw_across(ax: Axes, value: float, name: str, style: Style) -> Line2D:
    """A horizontal line across the axes, such as a baseline, without markers."""
    return ax.axhline(value, **style | {"marker": ""}, linewidth=1.4, label=name)


def color_bar(figure: FigureBase, colors: ScalarMappable, axes: Any, label: str, **options: Any) -> Colorbar:
    """A color bar beside axes, without a frame; options as for matplotlib's `Figure.colorbar`."""
    bar = figure.colorbar(colors, ax=axes, **options)
    bar.outline.set_visible(False)  # type: ignore[operator]
    bar.ax.tick_params(color=FRAME, labelcolor=INK, labelsize=SMALL)
    bar.set_label(label, fontsize=TEXT, color=INK)
    _wrap(bar.ax.yaxis.label, lambda: bar.ax.bbox.height)
    return bar


def legend_below(ax: Axes, *, down: float = 0.55, **options: Any) -> Legend:
    """A legend below the label of the horizontal axis.

    Args:
        ax: with labeled artists.
        down: how far below the axes, in inches: clear of the numbers and the label of the axis.
        options: as for matplotlib's `Axes.legend`.

    Example:
        >>> ax = new_axes()
        >>> _ = ax.plot([0, 1], label="a line")
        >>> legend_below(ax, ncols=2) is ax.get_legend()
        True
    """
    moved = ax.transAxes + ScaledTranslation(0, -down, ax.figure.dpi_scale_trans)
    position = {"loc": "upper left", "bbox_to_anchor": (0.0, 0.0), "bbox_transform": moved}
    return ax.legend(**(position | LEGEND | {"borderaxespad": 0.0} | options))


def legend_beside(ax: Axes, **options: Any) -> Legend:
    """A legend to the right of the axes; options as for matplotlib's `Axes.legend`."""
    return ax.legend(**LEGEND | {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)} | options)
