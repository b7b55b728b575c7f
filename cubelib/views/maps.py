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
from cubelib.views.labels import wrapped
from cubelib.views.style import (
    HEIGHT,
    INK,
    PALE_GRAY,
    SMALL,
    WIDTH,
    Style,
    axes_for,
    label_axes,
    legend_beside,
    styles,
)
from cubelib.views.view3d.interactive import View

Texts = Mapping[str, Sequence[str]]

Marked = Sequence[int] | Mapping[int, str]

_OTHERS = "others"  # the subject of what has none
_FEW = 300  # up to so many points are drawn large
_LINE, _MOST_LINES = 60, 12  # letters of a line on hover, lines on hover
_KEY, _KEY_WIDTH = 70, 36  # letters of a text beside the printed map, and of its lines


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
    labeled: Mapping[str, Marked] | None = None,
    subjects: Mapping[str, Sequence[str]] | None = None,
    onto: Tensor | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Sets of vectors on one map.

    Args:
        groups: name → `(n, dim)`, at most six.
        texts: name → the text of each vector; needed for the groups with labels.
        labeled: name → a few rows that get a mark on the map and their text below it: a list of rows for the marks
            1, 2, …, or row → its mark, such as {627: "A"}.
        subjects: name → the subject of each vector, for groups whose points are colored by subject instead of as one;
            "others" is gray.
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
    marks = _marks(groups, labeled)
    sets = _by_subject(places, subjects or {})
    ax = axes_for(ax, WIDTH, HEIGHT + 1.6)
    count = sum(map(len, places.values()))
    size = math.sqrt(min(45.0, max(9.0, 9000 / count)))  # in points: thousands must not become one blot
    handles: list[Line2D] = []
    for name, style in _looks(sets).items():
        look = {"color": style["color"], "marker": style["marker"], "linestyle": "none", "markeredgewidth": 0}
        grown = 1.5 if subjects and name != _OTHERS else 1.0  # what has a subject stands out
        ax.plot(*sets[name].T.numpy(), **look, markersize=grown * size, alpha=0.85 if count < _FEW else 0.55)
        handles.append(Line2D([], [], **look, markersize=7, label=f"{name} ({len(sets[name]):,})"))
    label_axes(ax, words["x"], words["y"])
    ax.set_title(words["title"])
    ax.set_aspect("equal", adjustable="datalim")
    _mark_points(ax, [(places[name][row].tolist(), mark) for name, row, mark in marks])
    for name, row, mark in marks:
        text = wrapped(shorten(texts[name][row], _KEY), _KEY_WIDTH)
        sign = rf"$\mathbf{{{mark}}}$"
        handles.append(
            Line2D([], [], color=INK, marker=sign, markersize=8, markeredgewidth=0, linestyle="none", label=text)
        )
    for entry in legend_beside(ax, handles=handles, labelspacing=0.8).get_texts():
        entry.set_parse_math(False)  # a price in dollars is no formula
    return ax


def _marks(groups: Mapping[str, Tensor], labeled: Mapping[str, Marked]) -> list[tuple[str, int, str]]:
    """Group, row and mark of every point that gets one; the rows of lists are numbered through."""
    marks: list[tuple[str, int, str]] = []
    for name, chosen in labeled.items():
        for row in chosen:
            if not 0 <= row < len(groups[name]):
                raise DataError(f"maps: cannot label row {row} of {name!r}: it has {len(groups[name])}.")
            mark = chosen[row] if isinstance(chosen, Mapping) else str(len(marks) + 1)
            if not mark.isalnum():
                raise DataError(f"maps: a mark is letters and digits, such as 'A'; got {mark!r} for row {row}.")
            marks.append((name, row, mark))
    return marks


def _by_subject(places: Mapping[str, Tensor], subjects: Mapping[str, Sequence[str]]) -> dict[str, Tensor]:
    """The places of each group, or of each subject in it: others first, so that they are drawn below."""
    sets: dict[str, Tensor] = {}
    for name, points in places.items():
        named = subjects.get(name)
        if named is None:
            sets[name] = points
            continue
        if len(named) != len(points):
            raise DataError(f"maps: each vector of {name!r} needs its subject; got {len(named)} for {len(points)}.")
        for subject in sorted(dict.fromkeys(named), key=lambda subject: subject != _OTHERS):
            chosen = torch.tensor([other == subject for other in named])
            sets[subject] = torch.cat([sets[subject], points[chosen]]) if subject in sets else points[chosen]
    return sets


def _looks(sets: Mapping[str, Tensor]) -> dict[str, Style]:
    looks = styles(name for name in sets if name != _OTHERS)
    return {name: looks.get(name) or {"color": PALE_GRAY, "marker": "o"} for name in sets}


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


def _mark_points(ax: Axes, marks: Sequence[tuple[Any, str]]) -> None:
    """Writes marks beside points: of eight sides, the one that is farthest from other marks, then from points."""
    ax.get_xlim()  # updates the scales
    scale = 72 / ax.figure.dpi
    points = [tuple(ax.transData.transform(place) * scale) for place, _ in marks]  # in points, as offsets
    written: list[tuple[float, float]] = []
    for (place, mark), (x, y) in zip(marks, points, strict=True):
        sides = [(13, 13), (-13, 13), (13, -13), (-13, -13), (18, 0), (-18, 0), (0, 18), (0, -18)]
        sides += [(2 * right, 2 * up) for right, up in sides]  # points at one place need a second ring

        def room(side: tuple[int, int], x: float = x, y: float = y) -> tuple[float, float]:
            spot = (x + side[0], y + side[1])
            to_marks = min((math.dist(spot, other) for other in written), default=22.0)
            return min(22.0, to_marks), min(28.0, *(math.dist(spot, point) for point in points))  # 22: two circles

        right, up = max(sides, key=room)
        written.append((x + right, y + up))
        ax.plot(*place, marker="o", markersize=8, markerfacecolor="none", markeredgecolor=INK, zorder=3)
        ax.annotate(
            mark, place, xytext=(right, up), textcoords="offset points", ha="center", va="center",
            weight="bold", fontsize=SMALL, zorder=4, arrowprops={"arrowstyle": "-", "linewidth": 0.8, "color": INK},
            bbox={"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": INK, "linewidth": 0.8},
        )  # fmt: skip


def _wrapped(text: str) -> str:
    """Lines of about sixty letters; a very long text is cut."""
    lines = textwrap.wrap(" ".join(text.split()), _LINE, max_lines=_MOST_LINES, placeholder=" …")
    return "\n".join(lines)
