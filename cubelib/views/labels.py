"""Names written at the right ends of curves, in the curve's color, moved apart until none touches another.

The places depend on the limits of the axes and on the size of the figure, both of which may change after a curve was
drawn. So they are worked out anew whenever the figure is drawn.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.text import Annotation, Text
from matplotlib.transforms import IdentityTransform

SIZE = 10.5  # points
_WIDTH, _NARROW = 26, 18  # letters in a line of a name, and if there are several axes in the figure
_BESIDE, _APART, _SHIFT = 7.0, 2.0, 3.0  # points: from curve to name, between names, moved so far that it needs a line
_CONTRAST = 4.5  # of letters with white paper, as the accessibility guidelines ask


class EndLabel(Annotation):
    """The name of a curve to the right of its end; a thin line joins the two if the name had to move.

    Args:
        ax: where the curve is.
        text: its name; a long one is broken into lines.
        end: the last point of the curve in data coordinates; x None for a line across the whole axes.
        color: of the curve. Letters are darkened until they can be read.
    """

    def __init__(self, ax: Axes, text: str, end: tuple[float | None, float], color: str) -> None:
        x, y = end
        self._across = x is None
        super().__init__(
            wrapped(text, _WIDTH if len(ax.figure.axes) == 1 else _NARROW),
            (1.0 if x is None else x, y),
            xycoords=ax.get_yaxis_transform() if x is None else "data",
            xytext=(0, 0),
            textcoords=IdentityTransform(),  # pixels, set by update_positions
            annotation_clip=True,  # no name for what the limits of the axes leave out
            ha="left",
            va="center",
            fontsize=SIZE,
            color=readable(color),
            parse_math=False,
            arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.8, "alpha": 0.6, "shrinkA": 2, "shrinkB": 0,
                        "relpos": (0.0, 0.5), "patchA": None},
        )  # fmt: skip
        ax.add_artist(self)
        self.set_clip_on(False)

    def end_in_pixels(self) -> tuple[float, float]:
        """Where the curve ends on the picture."""
        axes = self.axes
        assert axes is not None
        transform = axes.get_yaxis_transform() if self._across else axes.transData
        x, y = transform.transform(self.xy)
        return float(x), float(y)

    def update_positions(self, renderer: Any) -> None:
        """Moves this and all other names of the axes apart; called by matplotlib before it measures or draws."""
        axes = self.axes
        assert axes is not None
        labels = [text for text in axes.texts if isinstance(text, EndLabel) and text.get_visible()]
        shown = [label for label in labels if axes.patch.contains_point(label.end_in_pixels(), radius=1.0)] or [self]
        point = renderer.points_to_pixels(1.0)
        ends = [label.end_in_pixels() for label in shown]
        boxes = [Text.get_window_extent(label, renderer) for label in shown]
        column = max(x for x, _ in ends) + _BESIDE * point
        heights = [box.height + _APART * point for box in boxes]
        places = spread([y for _, y in ends], heights, axes.bbox.y0, axes.bbox.y1)
        for label, (x, y), place in zip(shown, ends, places, strict=True):
            label.set_position((column, place))
            moved = max(abs(place - y), column - x - _BESIDE * point) > _SHIFT * point
            if label.arrow_patch is not None:
                label.arrow_patch.set_visible(moved)
        super().update_positions(renderer)


def wrapped(text: str, width: int) -> str:
    """A text in lines of at most so many letters; its own line breaks stay.

    Example:
        >>> wrapped("a name\\nof two lines", 8).split("\\n")
        ['a name', 'of two', 'lines']
    """
    return "\n".join(textwrap.fill(line, width) for line in text.split("\n"))


def spread(centers: Sequence[float], heights: Sequence[float], low: float, high: float) -> list[float]:
    """Moves intervals apart by as little as possible (least squares), in their order, within low and high.

    Args:
        centers: where each should be.
        heights: the room that each takes.
        low: where the room begins.
        high: where it ends. If there is too little room for all, they reach beyond both ends alike.

    Returns:
        The centers, moved.

    Example:
        >>> spread([5.0, 5.0, 9.0], [2.0, 2.0, 2.0], 0.0, 20.0)
        [4.0, 6.0, 9.0]
        >>> spread([0.0, 0.5], [2.0, 2.0], 0.0, 20.0)
        [1.0, 3.0]
    """
    order = sorted(range(len(centers)), key=lambda index: centers[index])
    blocks: list[tuple[float, float, list[int]]] = []  # bottom, height, members: what touches moves as one
    for index in order:
        blocks.append(_block([index], centers, heights, low, high))
        while len(blocks) > 1 and blocks[-2][0] + blocks[-2][1] > blocks[-1][0]:
            _, _, members = blocks.pop()
            blocks[-1] = _block(blocks[-1][2] + members, centers, heights, low, high)
    moved = list(centers)
    for bottom, _, members in blocks:
        for index in members:
            moved[index] = bottom + heights[index] / 2
            bottom += heights[index]
    return moved


def _block(
    members: list[int], centers: Sequence[float], heights: Sequence[float], low: float, high: float
) -> tuple[float, float, list[int]]:
    """Members that touch each other, as near to their centers as they can be."""
    total, bottoms = 0.0, []
    for index in members:
        bottoms.append(centers[index] - heights[index] / 2 - total)
        total += heights[index]
    bottom = sum(bottoms) / len(bottoms)
    if total > high - low:
        return (low + high - total) / 2, total, members
    return min(max(bottom, low), high - total), total, members


def label_ends(ax: Axes) -> list[EndLabel]:
    """Writes the label of each line of the axes at the line's right end, and takes it out of legends.

    Lines without a label, and lines that have been labeled so already, are passed over. Horizontal lines across the
    axes are labeled too.

    Example:
        >>> from cubelib.views.style import new_axes
        >>> ax = new_axes()
        >>> _ = ax.plot([0.1, 0.5], label="cube")
        >>> [label.get_text() for label in label_ends(ax)], ax.get_legend_handles_labels()[1]
        (['cube'], [])
    """
    return [label_end(ax, line) for line in ax.lines if not str(line.get_label()).startswith("_")]


def label_end(ax: Axes, line: Line2D, text: str = "") -> EndLabel:
    """Writes a name at the right end of a line; without a text, the label of the line."""
    name = str(line.get_label())
    line.set_label(f"_{name}")
    x, y = (np.asarray(values, dtype=float) for values in line.get_data())
    across = line.get_transform() == ax.get_yaxis_transform()
    drawn = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    last = int(drawn[-1]) if len(drawn) else -1
    return EndLabel(ax, text or name, (None if across else float(x[last]), float(y[last])), str(line.get_color()))


def readable(color: str) -> str:
    """This color, darkened as far as letters on white need it.

    Example:
        >>> readable("#000000"), readable("#FFFFFF") < "#808080"
        ('#000000', True)
    """
    red, green, blue = to_rgb(color)
    for step in range(20):
        shade = [channel * (1 - step / 20) for channel in (red, green, blue)]
        if 1.05 / (luminance(shade) + 0.05) >= _CONTRAST:
            break
    return "#" + "".join(f"{round(255 * channel):02X}" for channel in shade)


def luminance(rgb: Sequence[float]) -> float:
    """How bright a color looks, 0 … 1 (WCAG 2)."""
    linear = [channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4 for channel in rgb]
    return math.fsum(weight * channel for weight, channel in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
