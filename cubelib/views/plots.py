"""Figures. Color-blind-safe, labeled, opaque white; each function takes `ax=` and returns it.

Nothing else in cubelib imports this module except the report.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.transforms import ScaledTranslation
from torch import Tensor

if TYPE_CHECKING:
    from cubelib.evaluation.report import TaskReport

# Okabe, Ito 2008: told apart by people with any common color vision, and by line style in print.
BLUE, ORANGE, GREEN, GRAY = "#0072B2", "#D55E00", "#009E73", "#666666"
_STYLES = ((ORANGE, "--"), (GREEN, ":"), (GRAY, "-."))
_CURVES = ((BLUE, "o", "-"), (ORANGE, "s", "--"), (GREEN, "^", ":"), (GRAY, "D", "-."), ("#CC79A7", "v", (0, (5, 1))))


def new_axes(width: float = 7.0, height: float = 4.0) -> Axes:
    """A white figure of its own with one pair of axes, without touching pyplot's state."""
    return Figure(figsize=(width, height), facecolor="white", layout="constrained").subplots()


def place_for(ax: Axes | None, width: float = 7.0, height: float = 4.0) -> Axes:
    """The axes to draw on: those given, or a figure of its own of this size in inches.

    A given figure without a background gets a white one, else its labels cannot be read on a dark page; a background
    that is opaque stays as it was chosen.

    Example:
        >>> ax = Figure(facecolor="none").subplots()
        >>> place_for(ax) is ax, ax.figure.get_facecolor()
        (True, (1.0, 1.0, 1.0, 1.0))
    """
    if ax is None:
        return new_axes(width, height)
    for part in (ax.figure, ax):
        if to_rgba(part.get_facecolor())[3] < 1:
            part.set_facecolor("white")
    return ax


def check_told_apart(caller: str, names: Iterable[str], most: int) -> None:
    """Refuses more curves than there are looks for, for the rest would be missing from the picture.

    Raises:
        ValueError: more than `most` names.
    """
    if len(given := list(names)) > most:
        raise ValueError(
            f"{caller}: at most {most} can be told apart by color and line in one picture; got {len(given)}: "
            f"{', '.join(given)}. Leave some out."
        )


def learning_curve(
    history: Sequence[dict[str, Any]],
    figure: str,
    *,
    label: str = "validation",
    lines: dict[str, float] | None = None,
    least_span: float = 0.0,
    ax: Axes | None = None,
) -> Axes:
    """A validation figure over epochs, epoch 0 being the untrained cube, with baselines as horizontal lines.

    Args:
        history: rows of `CubeTrainer.training_history`.
        figure: the row's key to draw, such as "autoencoder_cosine_similarity".
        label: name of the curve in the legend.
        lines: other models' values of the same figure on the same items, drawn as lines; at most three.
        least_span: the vertical axis covers at least this much, so that a tiny change looks tiny.
        ax: where to draw; None for a new figure.

    Raises:
        ValueError: more lines than can be told apart.
    """
    check_told_apart("plots.learning_curve", lines or {}, len(_STYLES))
    ax = place_for(ax)
    epochs, values = [row["epoch"] for row in history], [row[figure] for row in history]
    best = max(range(len(history)), key=lambda epoch: history[epoch]["score"])  # what training kept
    ax.plot(epochs, values, color=BLUE, marker="o", markersize=3, label=f"cube, {label}")
    ax.plot(epochs[best], values[best], color=BLUE, marker="D", markersize=7, linestyle="none", label="kept")
    for (name, value), (color, style) in zip((lines or {}).items(), _STYLES, strict=False):
        ax.axhline(value, color=color, linestyle=style, label=f"{name} {value:.4f}")
    ax.set_xlabel("epoch (0 = before training)")
    ax.set_ylabel(figure.split("_", 1)[1].replace("_", " "))
    ax.xaxis.get_major_locator().set_params(integer=True)
    low, high = ax.get_ylim()
    widen = max(0.0, least_span - (high - low)) / 2
    ax.set_ylim(low - widen, high + widen)
    ax.ticklabel_format(axis="y", useOffset=False)
    ax.grid(alpha=0.3)
    ax.legend(framealpha=0.9, edgecolor="white")  # readable where a line runs through it
    return ax


def numbers(vectors: Mapping[str, Tensor], *, width: int = 64) -> Figure:
    """Vectors as strips of colored squares, one strip each, on one common scale.

    The numbers run down the columns, left to right: with 768 numbers and a width of 64 each column is one cell of the
    front face under the row_major layout, its 12 numbers from top to bottom.

    Args:
        vectors: title → `(dim,)`; dim must be a multiple of width.
        width: columns of a strip.

    Raises:
        ValueError: a vector that does not fill its columns.

    Example:
        >>> import torch
        >>> figure = numbers({"in": torch.randn(768), "out": torch.zeros(768)})
        >>> [ax.get_title(loc="left") for ax in figure.axes[:2]]
        ['in', 'out']
    """
    for title, vector in vectors.items():
        if vector.ndim != 1 or len(vector) % width:
            raise ValueError(
                f"plots.numbers: {title!r} has shape {tuple(vector.shape)}; a strip of {width} columns takes a vector "
                f"(dim,) with dim a multiple of {width}. Pass vectors[0] instead of vectors[:1], or another width."
            )
    figure = Figure(figsize=(7.0, 0.35 + 1.45 * len(vectors)), facecolor="white", layout="constrained")
    limit = max(float(vector.abs().max()) for vector in vectors.values()) or 1.0
    all_axes = figure.subplots(len(vectors), squeeze=False, sharex=True)[:, 0]
    for ax, (title, vector) in zip(all_axes, vectors.items(), strict=True):
        strip = vector.detach().cpu().reshape(width, -1).T.numpy()  # (numbers of a cell, cells)
        picture = ax.imshow(strip, cmap="PuOr", vmin=-limit, vmax=limit, interpolation="nearest")
        ax.set_title(title, loc="left", fontsize=10)
        ax.set_ylabel("number\nin the cell")
    all_axes[-1].set_xlabel("cell of the front face")
    figure.colorbar(picture, ax=all_axes, label="value", fraction=0.03, pad=0.02)
    return figure


def rate_distortion(
    sizes: Sequence[int],
    curves: Mapping[str, Sequence[float]],
    *,
    target: float | None = None,
    floor: float | None = None,
    floor_label: str = "mean vector",
    ax: Axes | None = None,
) -> Axes:
    """How much comes back through codes of different sizes. Taught in notebook 04.

    Args:
        sizes: numbers in the code, for all curves.
        curves: model → cosine at each size; the first is drawn as a line, the others as markers, so that a model that
            lies on the line stays visible; at most four.
        target: a cosine to reach, drawn as a line.
        floor: the cosine of a model that ignores its input, drawn as a line.
        floor_label: its name.
        ax: where to draw; None for a new figure.

    Raises:
        ValueError: more curves than can be told apart.

    Example:
        >>> ax = rate_distortion([64, 128], {"PCA": [0.75, 0.85], "control": [0.29, 0.41]}, target=0.9)
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['PCA', 'control', 'target 0.90']
    """
    check_told_apart("plots.rate_distortion", curves, 4)
    ax = place_for(ax, width=8.5, height=4.2)
    styles = ((BLUE, "", "-"), (ORANGE, "o", ""), (GREEN, "^", ":"), (GRAY, "s", "-."))
    for (name, values), (color, marker, line) in zip(curves.items(), styles, strict=False):
        ax.plot(sizes, values, color=color, marker=marker, linestyle=line, markersize=6, label=name)
    for value, name, style in ((target, "target", "--"), (floor, floor_label, ":")):
        if value is not None:
            ax.axhline(value, color=GRAY, linestyle=style, linewidth=1, label=f"{name} {value:.2f}")
    ax.set_xticks(sizes)
    ax.set_ylim(0, 1.02)
    ax.set_xlabel("numbers in the code")
    ax.set_ylabel("mean cosine with the input")
    ax.grid(alpha=0.3)
    ax.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def damage_curve(damage: Mapping[str, Any], *, floor: float | None = None, ax: Axes | None = None) -> Axes:
    """What is left of the cosine when a share of a model's parts is dead, with the spread between draws of the dead.

    Args:
        damage: as in `TaskReport.curves["damage"]`: "shares", and "models", name → "mean" and "deviation" at each; at
            most five models.
        floor: the cosine of a model that ignores its input, drawn as a line.
        ax: where to draw; None for a new figure.

    Raises:
        ValueError: more models than can be told apart.

    Example:
        >>> found = {"mean": [0.9, 0.5], "deviation": [0.0, 0.1]}
        >>> ax = damage_curve({"shares": [0.0, 0.2], "models": {"cube": found}}, floor=0.3)
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['mean vector 0.30', 'cube']
    """
    check_told_apart("plots.damage_curve", damage["models"], len(_CURVES))
    ax = place_for(ax)
    percent = [100 * share for share in damage["shares"]]
    for (name, found), (color, marker, line) in zip(damage["models"].items(), _CURVES, strict=False):
        ax.errorbar(
            percent,
            found["mean"],
            yerr=found["deviation"] if any(found["deviation"]) else None,
            color=color,
            marker=marker,
            linestyle=line,
            markersize=5,
            capsize=3,
            label=name,
        )
    if floor is not None:
        ax.axhline(floor, color=GRAY, linestyle=":", linewidth=1, label=f"mean vector {floor:.2f}")
    ax.set_xticks(percent, [f"{value:g}" for value in percent])
    ax.set_ylim(0, 1.02)
    ax.set_xlabel("dead cells or hidden units, %")
    ax.set_ylabel("mean cosine with the target")
    ax.grid(alpha=0.3)
    ax.legend(frameon=False, fontsize=9)
    return ax


def side_by_side(count: int, width: float = 10.0, height: float = 4.0) -> list[Axes]:
    """`count` pairs of axes next to each other in one white figure.

    Example:
        >>> left, right = side_by_side(2)
        >>> left.figure is right.figure
        True
    """
    figure = Figure(figsize=(width, height), facecolor="white", layout="constrained")
    return list(figure.subplots(1, count, squeeze=False)[0])


def legend_below(ax: Axes, **options: Any) -> Legend:
    """A legend under the label of the horizontal axis, however high the axes are.

    Args:
        ax: with a label on its horizontal axis.
        options: as for matplotlib's `Axes.legend`.

    Example:
        >>> ax = new_axes()
        >>> _ = ax.plot([0, 1], label="a line")
        >>> legend_below(ax, ncols=2) is ax.get_legend()
        True
    """
    down = ScaledTranslation(0, -0.5, ax.figure.dpi_scale_trans)  # half an inch: numbers and label of the axis
    place = {"loc": "upper left", "bbox_to_anchor": (0.0, 0.0), "bbox_transform": ax.transAxes + down}
    return ax.legend(**(place | {"frameon": False, "fontsize": 9, "borderaxespad": 0.0} | options))


def similarity_histogram(
    before: Tensor,
    after: Tensor,
    *,
    target: float | None = None,
    labels: tuple[str, str] = ("before training", "after training"),
    ax: Axes | None = None,
) -> Axes:
    """How the cosines of single items with their targets are spread, before training and after it.

    Before is a filled gray area, after a blue outline over it: where training changed nothing the outline lies on the
    area. Taught in notebook 06.

    Args:
        before: cosine of each item, `(n,)`, −1 … 1.
        after: the same items after training, `(n,)`.
        target: a cosine to reach, drawn as a line.
        labels: names of the two; the legend adds their means.
        ax: where to draw; None for a new figure.

    Raises:
        ValueError: not one cosine for each item.

    Example:
        >>> import torch
        >>> ax = similarity_histogram(torch.tensor([0.5, 0.7]), torch.tensor([0.8, 0.9]), target=0.9)
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['before training, mean 0.600', 'after training, mean 0.850', 'target 0.90']
    """
    if before.ndim != 1 or before.shape != after.shape or not len(before):
        raise ValueError(
            f"plots.similarity_histogram: takes a cosine for each of the same items, (n,) twice; got "
            f"{tuple(before.shape)} and {tuple(after.shape)}."
        )
    ax = place_for(ax)
    low, high = min(float(before.min()), float(after.min())), max(float(before.max()), float(after.max()))
    edges = [low + (high - low or 0.01) * step / 30 for step in range(31)]
    names = [f"{label}, mean {values.mean():.3f}" for label, values in zip(labels, (before, after), strict=True)]
    ax.hist(before.numpy(), edges, color=GRAY, alpha=0.4, label=names[0])
    ax.hist(after.numpy(), edges, color=BLUE, histtype="step", linewidth=2, label=names[1])
    if target is not None:
        ax.axvline(target, color=ORANGE, linestyle="--", label=f"target {target:.2f}")
    ax.set_xlabel("cosine with the target")
    ax.set_ylabel("test items")
    ax.yaxis.get_major_locator().set_params(integer=True)
    ax.grid(alpha=0.3)
    ax.legend(frameon=False, fontsize=9)
    return ax


def report_picture(report: TaskReport, ax: Axes | None = None) -> Axes:
    """The table of a report as a picture for a slide: models as rows, the best of each column in bold.

    Args:
        report: of one task.
        ax: where to draw, or None for a new figure of the right size; `report_size` tells how large that is.

    Example:
        >>> report_picture(report).figure.savefig("report.png")                                # doctest: +SKIP
    """
    head, rows = report.cells()
    ax = place_for(ax, *report_size(report))
    columns = list(zip(head, *([text for text, _ in cells] for cells in rows), strict=True))
    widths = _widths(columns)
    ends = [sum(widths[: place + 1]) for place in range(len(widths))]
    ax.set(xlim=(0, ends[-1]), ylim=(len(rows) + 1.6, -1.6))
    ax.axis("off")
    ax.text(0.5, -1.0, f"{report.task.capitalize()}: {len(report.groups):,} held-out items", fontsize=17, weight="bold")
    for place, cells in enumerate([[(text, False) for text in head], *rows]):
        if place % 2 == 0 and place:
            ax.axhspan(place - 0.5, place + 0.5, color="#F2F2F2", linewidth=0)
        for end, width, (text, best) in zip(ends, widths, cells, strict=True):
            first = end == ends[0]
            ax.text(
                end - width + 0.5 if first else end - 0.5,
                place if place else -0.1,
                text.replace(" [95 % interval]", "\n[95 % interval]"),
                ha="left" if first else "right",
                va="center",
                fontsize=13,
                weight="bold" if best else "normal",
                color=GRAY if not place else BLUE if first and place == 1 else "black",
            )
    ax.axhline(0.5, color=GRAY, linewidth=1)
    if any(best for cells in rows for _, best in cells):
        ax.text(0.5, len(rows) + 1.1, "Bold: the best of a column and all that cannot be told from it.", color=GRAY)
    return ax


def report_size(report: TaskReport) -> tuple[float, float]:
    """Width and height in inches of a report's picture."""
    head, rows = report.cells()
    columns = zip(head, *([text for text, _ in cells] for cells in rows), strict=True)
    return 0.108 * sum(_widths(columns)), 0.38 * (len(rows) + 3.2)


def _widths(columns: Iterable[Sequence[str]]) -> list[float]:
    """In digits; names are mostly small letters, which are narrower."""
    first, *others = (max(map(len, column)) for column in columns)
    return [0.85 * first + 2, *(width + 2.7 for width in others)]
