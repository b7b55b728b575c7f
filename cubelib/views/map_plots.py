"""A space as a map: vectors drawn with their two strongest principal axes, in print and with the texts on hover.

A flat map of 768 dimensions leaves nearly everything out, so it says how much it shows: each axis names its share of
the variance. Distances are to scale and never longer than in the space: what lies side by side may be far apart.

Color-blind-safe, told apart by marker as well, opaque white. Taught in notebook 01.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from torch import Tensor

from cubelib.errors import DataError
from cubelib.reshaper import principal_axes
from cubelib.views.plots import BLUE, GRAY, GREEN, ORANGE, legend_below, place_for
from cubelib.views.view3d.turning import as_shown, require_plotly
from cubelib.views.view3d.view import View

Texts = Mapping[str, Sequence[str]]

# Okabe, Ito 2008; color, marker of matplotlib, symbol of plotly.
_STYLES = (
    (BLUE, "o", "circle"),
    (ORANGE, "^", "triangle-up"),
    (GREEN, "s", "square"),
    ("#CC79A7", "D", "diamond"),
    ("#000000", "P", "cross"),
    (GRAY, "v", "triangle-down"),
)
_FEW = 300  # points up to which they are drawn large
_WRAP, _MOST_LINES, _KEY = 60, 12, 70  # characters a line on hover, lines, characters below the printed map


def project(vectors: Tensor, *, onto: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Vectors on a flat map.

    Args:
        vectors: `(n, dim)`, dim at least 2.
        onto: `(m, dim)`, the vectors whose mean and two strongest axes make the map, so that several sets share one;
            None for these vectors' own.

    Returns:
        Coordinates `(n, 2)`, and the share of the variance of `vectors` that each of the two axes holds, `(2,)`, 0 … 1;
        0 where all vectors are equal.

    Raises:
        DataError: no vectors, shapes that do not fit, or numbers that are not finite.

    Example:
        >>> square = torch.tensor([[3.0, 1.0, 0.0], [3.0, -1.0, 0.0], [-3.0, 1.0, 0.0], [-3.0, -1.0, 0.0]])
        >>> coordinates, shares = project(square)
        >>> coordinates.tolist(), [round(share, 2) for share in shares.tolist()]
        ([[3.0, 1.0], [3.0, -1.0], [-3.0, 1.0], [-3.0, -1.0]], [0.9, 0.1])
    """
    onto = vectors if onto is None else onto
    for name, given in (("vectors", vectors), ("onto", onto)):
        if given.ndim != 2 or not len(given) or given.shape[1] < 2 or given.shape[1] != onto.shape[-1]:
            raise DataError(
                f"map_plots.project: a map takes vectors (n, dim) and, for its axes, onto (m, dim) of the same width, "
                f"dim 2 or more, one vector or more each; got {tuple(vectors.shape)} onto {tuple(onto.shape)}."
            )
        if not torch.isfinite(given).all():
            raise DataError(
                f"map_plots.project: {int((~torch.isfinite(given)).any(1).sum())} of {len(given)} rows of {name} hold "
                f"numbers that are not finite. Leave them out."
            )
    mean, axes = principal_axes(onto)
    coordinates = (vectors.detach().to(mean) - mean) @ axes[:2].T  # (n, 2)
    centered = vectors.detach().to(mean) - vectors.detach().to(mean).mean(0)
    spread = (coordinates - coordinates.mean(0)).square().sum(0)  # (2,)
    return coordinates.float(), (spread / centered.square().sum().clamp_min(1e-30)).float()


def embedding_map(
    groups: Mapping[str, Tensor],
    *,
    texts: Texts | None = None,
    labeled: Mapping[str, Sequence[int]] | None = None,
    arrows: bool = False,
    onto: Tensor | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Sets of vectors on one map.

    Args:
        groups: name → `(n, dim)`, at most six.
        texts: name → the text of each vector; needed for the groups with labels.
        labeled: name → the rows that get a number on the map and their text below it; a few.
        arrows: draw one from each vector of a group to the same row of the next group, for before and after.
        onto: `(m, dim)`, the vectors whose two strongest axes make the map; None for all that are drawn.
        ax: where to draw; None for a new figure.

    Raises:
        DataError: groups, texts or labels that do not fit; numbers that are not finite.

    Example:
        >>> cross = torch.tensor([[2.0, 0.0, 0.0], [-2.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, -1.0, 0.0]])
        >>> ax = embedding_map({"before": cross, "after": cross / 2}, arrows=True)
        >>> [text.get_text() for text in ax.get_legend().get_texts()], ax.get_xlabel()
        (['before (4)', 'after (4)'], 'axis 1: 80.0 % of the variance')
    """
    labeled = labeled or {}
    spots, shares = _placed("embedding_map", groups, arrows, onto)
    _check_texts("embedding_map", groups, texts or {}, needed=list(labeled))
    rows = [(name, row) for name, chosen in labeled.items() for row in chosen]
    for name, row in rows:
        if not 0 <= row < len(groups[name]):
            raise DataError(f"map_plots.embedding_map: cannot label row {row} of {name!r}: it has {len(groups[name])}.")
    ax = place_for(ax, 7.0, 5.0 + 0.22 * (len(rows) + (len(groups) > 1)))
    count = sum(map(len, spots.values()))
    size = min(40.0, max(5.0, 6000 / count))  # area in points²: thousands must not become one blot
    handles: list[Any] = []
    for (name, places), (color, marker, _) in zip(spots.items(), _STYLES, strict=False):
        look = {"color": color, "marker": marker, "linestyle": "none", "markeredgewidth": 0}
        ax.plot(*places.T.numpy(), markersize=size**0.5, alpha=0.85 if count < _FEW else 0.5, **look)
        handles.append(Line2D([], [], markersize=6, label=f"{name} ({len(places):,})", **look))
    for start, end in _journeys(spots) if arrows else []:
        # Quiver, since one annotation for each arrow would take minutes; the lengths are those of the map.
        ax.quiver(*start.T.numpy(), *(end - start).T.numpy(), angles="xy", scale_units="xy", scale=1, color=GRAY,
                  alpha=0.6, width=0.002, headwidth=5, headlength=6, zorder=1.5)  # fmt: skip
    for label, text in _axis_labels(shares).items():
        ax.set(**{f"{label}label": text})
    ax.set_title(_title(groups, shares), fontsize=11)
    ax.set_aspect("equal", adjustable="datalim")
    ax.grid(alpha=0.3)
    _number(ax, [spots[name][row] for name, row in rows])
    for number, (name, row) in enumerate(rows, 1):
        said = " ".join(texts[name][row].split())
        said = said if len(said) <= _KEY else said[: _KEY - 2].rstrip() + " …"
        handles.append(Line2D([], [], color="black", marker=f"${number}$", linestyle="none", label=f"“{said}”"))
    for text in legend_below(ax, handles=handles).get_texts():
        text.set_parse_math(False)  # a price in dollars is no formula
    return ax


def hover_map(groups: Mapping[str, Tensor], texts: Texts, *, arrows: bool = False, onto: Tensor | None = None) -> View:
    """The same map, to zoom and move, with the text of each point when the mouse is on it.

    Texts are shown as they are: what looks like HTML or a formula in them is not carried out.

    Args:
        groups: name → `(n, dim)`, at most six.
        texts: name → the text of each vector.
        arrows: draw one from each vector of a group to the same row of the next group, for before and after.
        onto: `(m, dim)`, the vectors whose two strongest axes make the map; None for all that are drawn.

    Raises:
        ModuleNotFoundError: plotly is not installed.
        DataError: groups or texts that do not fit; numbers that are not finite.

    Example:
        >>> view = hover_map({"pair": torch.eye(2)}, {"pair": ["1 < 2", "so <b>it is</b>"]})
        >>> view
        View of 2 vectors on two of 2 axes, which hold 100.0 % of their variance
        >>> view.figure.data[0].hovertext
        ('<b>pair</b><br>1 &lt; 2', '<b>pair</b><br>so &lt;b&gt;it is&lt;/b&gt;')
    """
    go = require_plotly()
    spots, shares = _placed("hover_map", groups, arrows, onto)
    _check_texts("hover_map", groups, texts, needed=list(groups))
    few = sum(map(len, spots.values())) < _FEW
    figure = go.Figure()
    for start, end in _journeys(spots) if arrows else []:
        ends = torch.stack([start, end, torch.full_like(start, torch.nan)], 1).reshape(-1, 2)  # nan ends a line
        figure.add_scatter(
            x=ends[:, 0].numpy(), y=ends[:, 1].numpy(), mode="lines+markers", line={"color": GRAY, "width": 1},
            opacity=0.6, hoverinfo="skip", showlegend=False,
            marker={"symbol": "arrow", "angleref": "previous", "size": [0, 8, 0] * len(start), "color": GRAY},
        )  # fmt: skip
    for (name, places), (color, _, symbol) in zip(spots.items(), _STYLES, strict=False):
        figure.add_scatter(
            x=places[:, 0].numpy(), y=places[:, 1].numpy(), mode="markers", name=as_shown(f"{name} ({len(places):,})"),
            marker={"color": color, "symbol": symbol, "size": 9 if few else 6, "opacity": 0.85 if few else 0.6},
            hovertext=[f"<b>{as_shown(name)}</b><br>{_wrapped(text)}" for text in texts[name]], hoverinfo="text",
        )  # fmt: skip
    line = {"gridcolor": "#DDDDDD", "zeroline": False, "linecolor": "black", "mirror": True, "ticks": "outside"}
    labels = _axis_labels(shares)
    figure.update_layout(
        template="none", paper_bgcolor="white", plot_bgcolor="white", width=760, height=600, hovermode="closest",
        font={"color": "black", "size": 13}, title={"text": _title(groups, shares), "font": {"size": 15}, "x": 0.5},
        xaxis={"title": {"text": labels["x"]}, **line},
        yaxis={"title": {"text": labels["y"]}, "scaleanchor": "x", **line},
        showlegend=True, legend={"orientation": "h", "y": -0.14, "x": 0, "yanchor": "top"},
        modebar={"orientation": "v"},  # beside the map, for on top it covers the title
        hoverlabel={"bgcolor": "white", "align": "left", "font": {"color": "black"}}, margin={"t": 50, "r": 50},
    )  # fmt: skip
    return View(figure, lambda: embedding_map(groups, arrows=arrows, onto=onto).figure, _title(groups, shares))


def _placed(
    caller: str, groups: Mapping[str, Tensor], arrows: bool, onto: Tensor | None
) -> tuple[dict[str, Tensor], Tensor]:
    """Group → its coordinates, and the shares of the variance of all groups together."""
    shapes = {name: tuple(vectors.shape) for name, vectors in groups.items()}
    listed = ", ".join(f"{name!r} {shape}" for name, shape in shapes.items()) or "none"
    if not 0 < len(groups) <= len(_STYLES) or len({shape[1:] for shape in shapes.values()}) != 1:
        raise DataError(
            f"map_plots.{caller}: a map takes one to {len(_STYLES)} groups of vectors (n, dim) of one width, each told "
            f"apart by marker and color; got {listed}."
        )
    if arrows and (len(groups) < 2 or len(set(shapes.values())) != 1):
        raise DataError(
            f"map_plots.{caller}: arrows lead from each vector of a group to the same row of the next: give two groups "
            f"or more with as many rows; got {listed}."
        )
    coordinates, shares = project(torch.cat(list(groups.values())), onto=onto)
    return dict(zip(groups, coordinates.split([shape[0] for shape in shapes.values()]), strict=True)), shares


def _check_texts(caller: str, groups: Mapping[str, Tensor], texts: Texts, needed: Sequence[str]) -> None:
    for name in needed:
        if name not in groups or name not in texts or len(texts[name]) != len(groups[name]):
            given = "no such group" if name not in groups else f"{len(texts.get(name, ()))} for {len(groups[name])}"
            raise DataError(
                f"map_plots.{caller}: each vector of {name!r} needs its text; got {given}. Groups: "
                f"{', '.join(map(repr, groups))}; texts of: {', '.join(map(repr, texts)) or 'none'}."
            )


def _journeys(spots: Mapping[str, Tensor]) -> list[tuple[Tensor, Tensor]]:
    return list(pairwise(spots.values()))


def _axis_labels(shares: Tensor) -> dict[str, str]:
    return {
        axis: f"axis {number}: {100 * share:.1f} % of the variance"
        for axis, number, share in zip("xy", (1, 2), shares.tolist(), strict=True)
    }


def _title(groups: Mapping[str, Tensor], shares: Tensor) -> str:
    count, dim = sum(map(len, groups.values())), next(iter(groups.values())).shape[1]
    return f"{count:,} vectors on two of {dim} axes, which hold {100 * float(shares.sum()):.1f} % of their variance"


def _number(ax: Axes, places: Sequence[Tensor]) -> None:
    """Writes 1, 2, … beside points, each where no other number is, and of such sides the one farthest from points."""
    ax.get_xlim()  # brings the scales up to date
    points = [ax.transData.transform(place.numpy()) * 72 / ax.figure.dpi for place in places]  # in 1/72 inch, as shifts
    written: list[Any] = []
    for number, (place, point) in enumerate(zip(places, points, strict=True), 1):
        sides = [(11, 11), (-11, 11), (11, -11), (-11, -11), (15, 0), (-15, 0), (0, 15), (0, -15)]
        room = [
            (min([20.0, *(math.dist(point + side, spot) for spot in written)]),  # 20 is room enough for two circles
             min(math.dist(point + side, spot) for spot in points))
            for side in sides
        ]  # fmt: skip
        side = sides[room.index(max(room))]
        written.append(point + side)
        ax.plot(*place.numpy(), marker="o", markersize=7, markerfacecolor="none", markeredgecolor="black", zorder=3)
        ax.annotate(
            str(number), place.tolist(), xytext=side, textcoords="offset points", ha="center", va="center",
            weight="bold", fontsize=10, zorder=4, arrowprops={"arrowstyle": "-", "linewidth": 0.8},
            bbox={"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": "black", "linewidth": 0.8},
        )  # fmt: skip


def _wrapped(text: str) -> str:
    """Lines of about sixty characters for plotly; a very long text is cut."""
    lines = textwrap.wrap(" ".join(text.split()), _WRAP, max_lines=_MOST_LINES, placeholder=" …")
    return "<br>".join(map(as_shown, lines))
