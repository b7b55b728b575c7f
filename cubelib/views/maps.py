"""Vectors on a flat map of their two strongest principal axes: in print, and with their texts on hover.

A flat map of 768 dimensions leaves nearly everything out, so each axis names its share of the variance. Distances are
to scale and never longer than in the space: neighbors on the map may be far apart. Taught in notebook 01.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor

from cubelib.data.text import shorten
from cubelib.errors import DataError
from cubelib.reshaper import principal_axes
from cubelib.views.frontend import new_content
from cubelib.views.style import axes_for, label_axes, legend_below, styles
from cubelib.views.view3d.interactive import View

Texts = Mapping[str, Sequence[str]]

_FEW = 300  # up to so many points are drawn large
_LINE, _MOST_LINES, _KEY = 60, 12, 70  # letters of a line on hover, lines on hover, letters below the printed map


def project(vectors: Tensor, *, onto: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Vectors on a flat map.

    Args:
        vectors: `(n, dim)`, dim at least 2.
        onto: `(m, dim)`, the vectors whose mean and two strongest axes make the map, so that several sets share one;
            None for these vectors' own.

    Returns:
        Coordinates `(n, 2)`, and the share of the variance of `vectors` along each of the two axes, `(2,)`, 0 … 1;
        0 if all vectors are equal.

    Raises:
        DataError: no vectors, shapes that do not fit, or numbers that are not finite.

    Example:
        >>> square = torch.tensor([[3.0, 1.0, 0.0], [3.0, -1.0, 0.0], [-3.0, 1.0, 0.0], [-3.0, -1.0, 0.0]])
        >>> coordinates, shares = project(square)
        >>> coordinates.tolist(), [round(share, 2) for share in shares.tolist()]
        ([[3.0, 1.0], [3.0, -1.0], [-3.0, 1.0], [-3.0, -1.0]], [0.9, 0.1])
    """
    onto = vectors if onto is None else onto
    for given in (vectors, onto):
        fits = given.ndim == 2 and len(given) and given.shape[1] >= 2 and given.shape[1] == onto.shape[-1]
        if not fits or not torch.isfinite(given).all():
            raise DataError(
                "maps.project: takes finite vectors (n, dim), one at least, and for the axes onto (m, dim) of the same "
                f"width, dim 2 or more; got {tuple(vectors.shape)} onto {tuple(onto.shape)}, of which "
                f"{int((~torch.isfinite(given)).sum())} numbers are not finite."
            )
    mean, axes = principal_axes(onto)
    shifted = vectors.detach().to(mean) - mean
    coordinates = shifted @ axes[:2].T  # (n, 2)
    total = (shifted - shifted.mean(0)).square().sum().clamp_min(1e-30)
    shares = (coordinates - coordinates.mean(0)).square().sum(0) / total  # (2,)
    return coordinates.float(), shares.float()


def embedding_map(
    groups: Mapping[str, Tensor],
    *,
    texts: Texts | None = None,
    labeled: Mapping[str, Sequence[int]] | None = None,
    onto: Tensor | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Sets of vectors on one map.

    Args:
        groups: name → `(n, dim)`, at most six.
        texts: name → the text of each vector; needed for the groups with labels.
        labeled: name → a few rows that get a number on the map and their text below it.
        onto: `(m, dim)`, the vectors whose two strongest axes make the map; None for all that are drawn.
        ax: where to draw; None for a new figure.

    Raises:
        DataError: groups, texts or labels that do not fit; numbers that are not finite.

    Example:
        >>> cross = torch.tensor([[2.0, 0.0, 0.0], [-2.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, -1.0, 0.0]])
        >>> ax = embedding_map({"before": cross, "after": cross / 2})
        >>> [text.get_text() for text in ax.get_legend().get_texts()], ax.get_xlabel()
        (['before (4)', 'after (4)'], 'axis 1: 80.0 % of the variance')
    """
    texts, labeled = texts or {}, labeled or {}
    places, words = _project_groups(groups, onto)
    _check_texts(groups, texts, needed=labeled)
    rows = [(name, row) for name, chosen in labeled.items() for row in chosen]
    for name, row in rows:
        if not 0 <= row < len(groups[name]):
            raise DataError(f"maps: cannot label row {row} of {name!r}: it has {len(groups[name])}.")
    ax = axes_for(ax, 7.0, 5.0 + 0.22 * (len(rows) + (len(groups) > 1)))
    count = sum(map(len, places.values()))
    size = math.sqrt(min(40.0, max(5.0, 6000 / count)))  # in points: thousands must not become one blot
    handles: list[Line2D] = []
    for name, style in styles(groups).items():
        look = {"color": style["color"], "marker": style["marker"], "linestyle": "none", "markeredgewidth": 0}
        ax.plot(*places[name].T.numpy(), **look, markersize=size, alpha=0.85 if count < _FEW else 0.5)
        handles.append(Line2D([], [], **look, markersize=6, label=f"{name} ({len(places[name]):,})"))
    label_axes(ax, words["x"], words["y"])
    ax.set_title(words["title"], fontsize=11)
    ax.set_aspect("equal", adjustable="datalim")
    _number_points(ax, [places[name][row].tolist() for name, row in rows])
    for number, (name, row) in enumerate(rows, 1):
        text = shorten(texts[name][row], _KEY)
        handles.append(Line2D([], [], color="black", marker=f"${number}$", linestyle="none", label=text))
    for entry in legend_below(ax, handles=handles).get_texts():
        entry.set_parse_math(False)  # a price in dollars is no formula
    return ax


def hover_map(groups: Mapping[str, Tensor], texts: Texts, *, onto: Tensor | None = None) -> View:
    """The same map, to zoom and move, with the text of each point when the mouse is over it.

    Texts are shown as they are: HTML and formulas in them are not interpreted.

    Args:
        groups: name → `(n, dim)`, at most six.
        texts: name → the text of each vector.
        onto: as in `embedding_map`.

    Raises:
        DataError: groups or texts that do not fit; numbers that are not finite.

    Example:
        >>> view = hover_map({"pair": torch.eye(2)}, {"pair": ["1 < 2", "so <b>it is</b>"]})
        >>> view
        View of 2 vectors on two of 2 axes, which hold 100.0 % of their variance
        >>> view.content["rows"][0][0]["groups"][0]["texts"]
        ['1 < 2', 'so <b>it is</b>']
    """
    places, words = _project_groups(groups, onto)
    _check_texts(groups, texts, needed=groups)
    size, opacity = (4.5, 0.85) if sum(map(len, places.values())) < _FEW else (3.2, 0.6)
    drawn = [
        {
            "name": f"{name} ({len(places[name]):,})",
            "points": places[name].numpy().astype("<f4").tobytes(),  # (n, 2)
            "texts": [_wrapped(text) for text in texts[name]],
            "color": style["color"],
            "marker": style["marker"],
            "size": size,
            "opacity": opacity,
        }
        for name, style in styles(groups).items()
    ]
    panel = {"kind": "scatter", "groups": drawn, "x": words["x"], "y": words["y"], "summary": words["title"]}
    content = new_content([[panel]], title=words["title"])
    return View(content, lambda: _figure_of(embedding_map(groups, onto=onto)), words["title"])


def _project_groups(groups: Mapping[str, Tensor], onto: Tensor | None) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Group → its coordinates; and the title and the labels of the axes "x" and "y"."""
    if not groups or len({vectors.shape[1:] for vectors in groups.values()}) != 1:
        shapes = ", ".join(f"{name!r} {tuple(vectors.shape)}" for name, vectors in groups.items()) or "none"
        raise DataError(f"maps: takes groups of vectors (n, dim) of one width; got {shapes}.")
    together = torch.cat(list(groups.values()))
    coordinates, shares = project(together, onto=onto)
    first, second = (100 * shares).tolist()
    count, dim = together.shape
    words = {
        "x": f"axis 1: {first:.1f} % of the variance",
        "y": f"axis 2: {second:.1f} % of the variance",
        "title": f"{count:,} vectors on two of {dim} axes, which hold {first + second:.1f} % of their variance",
    }
    return dict(zip(groups, coordinates.split([len(vectors) for vectors in groups.values()]), strict=True)), words


def _check_texts(groups: Mapping[str, Tensor], texts: Texts, needed: Iterable[str]) -> None:
    for name in needed:
        if name not in groups or len(texts.get(name, ())) != len(groups[name]):
            given = "no such group" if name not in groups else f"{len(texts.get(name, ()))} for {len(groups[name])}"
            raise DataError(
                f"maps: each vector of {name!r} needs its text; got {given}. Groups: {', '.join(map(repr, groups))}; "
                f"texts of: {', '.join(map(repr, texts)) or 'none'}."
            )


def _figure_of(ax: Axes) -> Figure:
    assert isinstance(ax.figure, Figure)  # new axes are not in a subfigure
    return ax.figure


def _number_points(ax: Axes, places: Sequence[Any]) -> None:
    """Writes 1, 2, … beside points: of eight sides, the one that is farthest from other numbers, then from points."""
    ax.get_xlim()  # updates the scales
    points = [tuple(ax.transData.transform(place) * 72 / ax.figure.dpi) for place in places]  # in points, as offsets
    written: list[tuple[float, float]] = []
    for number, (place, (x, y)) in enumerate(zip(places, points, strict=True), 1):
        sides = [(11, 11), (-11, 11), (11, -11), (-11, -11), (15, 0), (-15, 0), (0, 15), (0, -15)]

        def room(side: tuple[int, int], x: float = x, y: float = y) -> tuple[float, float]:
            spot = (x + side[0], y + side[1])
            to_numbers = min((math.dist(spot, other) for other in written), default=20.0)
            return min(20.0, to_numbers), min(math.dist(spot, point) for point in points)  # 20 clears two circles

        right, up = max(sides, key=room)
        written.append((x + right, y + up))
        ax.plot(*place, marker="o", markersize=7, markerfacecolor="none", markeredgecolor="black", zorder=3)
        ax.annotate(
            str(number), place, xytext=(right, up), textcoords="offset points", ha="center", va="center",
            weight="bold", fontsize=10, zorder=4, arrowprops={"arrowstyle": "-", "linewidth": 0.8},
            bbox={"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": "black", "linewidth": 0.8},
        )  # fmt: skip


def _wrapped(text: str) -> str:
    """Lines of about sixty letters; a very long text is cut."""
    lines = textwrap.wrap(" ".join(text.split()), _LINE, max_lines=_MOST_LINES, placeholder=" …")
    return "\n".join(lines)
