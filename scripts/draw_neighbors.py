"""Draws docs/neighbours.png from the tables of docs/neighbours.md.

python scripts/draw_neighbors.py
"""

from __future__ import annotations

import re
from itertools import takewhile
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cubelib.views.style import BLUE, GRAY, GREEN, ORANGE

DOCS = Path(__file__).parents[1] / "docs"
LEARNING = {
    "cube, 12,608 weights": (BLUE, "-", "cube"),
    "ridge regression": (ORANGE, "-", "ridge regression"),
    "MLP, 394,240 weights": (GREEN, "-", "MLP"),
    "cube, 12,608 weights, numbers dealt out at random": (BLUE, ":", "cube, numbers dealt out at random"),
}
REPAIR = {
    "bound": (GRAY, "--", "bound"),
    "rule written by hand": (GRAY, ":", "rule written by hand"),
    "trained at depth 8, 15,424 weights": (BLUE, "-", "cube, trained at depth 8"),
    "whole plane, wide, tied, 2,361,600 weights": (GREEN, "-", "network that sees the whole plane"),
    "untrained": (ORANGE, "-", "untrained cube"),
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


def draw(ax: Axes, text: str, corner: str, styles: dict[str, tuple[str, str, str]]) -> None:
    """One line for each of the styles."""
    positions, values = read_table(text, corner)
    for name, (color, line, label) in styles.items():
        ax.plot(positions, values[name], line, color=color, marker="o", markersize=4, label=label)
    ax.set(xscale="log", xticks=positions, xticklabels=map(str, positions), ylim=(0, 1.04))
    ax.minorticks_off()
    ax.grid(alpha=0.25)
    ax.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.2))


def main() -> None:
    """Draws one example and repair side by side."""
    text = (DOCS / "neighbours.md").read_text(encoding="utf-8")
    figure = Figure(figsize=(9, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    draw(left, text, "MRR", LEARNING)
    left.set(title="A rule from one example", xlabel="training pairs", ylabel="MRR among 150")
    draw(right, text, "cosine, 5 % dead", REPAIR)
    right.set(title="5 % of all cells dead", xlabel="depth of the lattice", ylabel="cosine")
    figure.savefig(DOCS / "neighbours.png", dpi=150)


if __name__ == "__main__":
    main()
