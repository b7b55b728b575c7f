"""Draws docs/neighbours.png from the tables of docs/neighbours.md.

python scripts/draw_neighbors.py
"""

from __future__ import annotations

import re
from itertools import takewhile
from pathlib import Path

from matplotlib.axes import Axes

from cubelib.views.labels import label_ends
from cubelib.views.style import label_axes, new_panels, styles

DOCS = Path(__file__).parents[1] / "docs"
# Row of a table → its name in the picture.
LEARNING = {
    "cube, 12,608 weights": "cube",
    "ridge regression": "ridge regression",
    "MLP, 394,240 weights": "MLP",
    "cube, 12,608 weights, numbers dealt out at random": "cube, numbers dealt out at random",
}
REPAIR = {
    "bound": "bound",
    "rule written by hand": "rule written by hand",
    "trained at depth 8, 15,424 weights": "cube, trained",
    "whole plane, wide, tied, 2,361,600 weights": "network that sees the whole plane",
    "untrained": "untrained cube",
}


def read_table(text: str, corner: str) -> tuple[list[int], dict[str, list[float]]]:
    """The numbers in the head of the table with this first cell, and for each row its values without intervals."""
    lines = takewhile(str.strip, text[text.index(f"| {corner} ") :].splitlines())  # to the next empty line
    head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    numbered = [re.fullmatch(r"depth (\d+)|(\d+) pairs?", cell) for cell in head]
    positions = [int(match[1] or match[2]) for match in numbered if match]
    values = {}
    for name, *cells in rows:
        values[name] = [float(cell.split(" ± ")[0]) for cell in cells[: len(positions)] if cell != "–"]
    return positions, values


def draw(ax: Axes, text: str, corner: str, names: dict[str, str], xlabel: str, ylabel: str) -> None:
    """One curve for each of the names."""
    positions, values = read_table(text, corner)
    looks = styles(names.values())
    for row, name in names.items():
        ax.plot(positions, values[row], **looks[name], markersize=5, linewidth=2, label=name)
    label_axes(ax, xlabel, ylabel)
    ax.set(xscale="log", xticks=positions, xticklabels=map(str, positions), ylim=(0, 1.04))
    ax.minorticks_off()
    label_ends(ax)


def main() -> None:
    """Draws one example and repair side by side."""
    text = (DOCS / "neighbours.md").read_text(encoding="utf-8")
    figure, (left, right) = new_panels(2, height=4.6)
    draw(left, text, "MRR", LEARNING, "training pairs", "MRR among 150")
    left.set_title("A rule from one example")
    draw(right, text, "cosine, 5 % dead", REPAIR, "depth of the lattice", "cosine")
    right.set_title("5 % of all cells dead")
    figure.savefig(DOCS / "neighbours.png", dpi=150)


if __name__ == "__main__":
    main()
