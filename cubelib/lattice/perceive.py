"""What a cell sees: itself and its nearest neighbors, with a rule for the rim of each plane.

The lattice is a stack of planes along depth. A neighborhood therefore falls into three *slabs*: the plane behind the
cell (depth − 1, where the signal comes from), the cell's own plane, and the plane ahead. Each depth_offset is a list of
(row, column) offsets:

    von Neumann  behind [·]   level [+]   ahead [·]      the 6 cells that share a face, and the cell itself
    Moore        behind [#]   level [#]   ahead [#]      the 26 cells that share a face, an edge or a corner, and itself

Taught in notebook 03. Sources: von Neumann, Theory of Self-Reproducing Automata, 1966; Moore, Machine models of
self-reproduction, 1962; Mordvintsev et al., Growing Neural Cellular Automata, Distill 2020 (perceive, then update).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

Offset = tuple[int, int]  # (row, column)

BEHIND, LEVEL, AHEAD = -1, 0, 1
BOUNDARIES = ("zero", "reflect", "periodic")

_DOT: list[Offset] = [(0, 0)]
_PLUS: list[Offset] = [(-1, 0), (0, -1), (0, 0), (0, 1), (1, 0)]
_SQUARE: list[Offset] = [(row, column) for row in (-1, 0, 1) for column in (-1, 0, 1)]

NEIGHBORHOODS: dict[str, dict[int, list[Offset]]] = {
    "von_neumann": {BEHIND: _DOT, LEVEL: _PLUS, AHEAD: _DOT},
    "moore": {BEHIND: _SQUARE, LEVEL: _SQUARE, AHEAD: _SQUARE},
}


def neighbor_index(index: int, size: int, boundary: str) -> int | None:
    """Where a neighbor at `index` of a row of `size` cells really is, or None where there is nothing.

    Args:
        index: position of the neighbor, −1 … size.
        size: cells in the row, at least 1.
        boundary: "zero" (nothing outside), "reflect" (the mirror stands on the outermost cell, so −1 is 1) or
            "periodic" (the row is a ring).

    Returns:
        A position 0 … size − 1, or None (the neighbor is silent: zeros).

    Example:
        >>> [neighbor_index(-1, 8, boundary) for boundary in BOUNDARIES]
        [None, 1, 7]
    """
    if 0 <= index < size:
        return index
    if boundary == "zero":
        return None
    if boundary == "periodic":
        return index % size
    return min(1, size - 1) if index < 0 else max(size - 2, 0)


def widen(planes: Tensor, boundary: str) -> Tensor:
    """Puts a frame one cell wide around each plane, that holds what rim cells see outside.

    Args:
        planes: states, `(…, rows, columns, channels)`.
        boundary: "zero", "reflect" or "periodic".

    Returns:
        `(…, rows + 2, columns + 2, channels)`.
    """
    if boundary == "zero":
        return pad(planes, (0, 0, 1, 1, 1, 1))
    for dim in (-3, -2):
        size = planes.shape[dim]
        before, after = (planes.narrow(dim, neighbor_index(i, size, boundary) or 0, 1) for i in (-1, size))
        planes = torch.cat([before, planes, after], dim)
    return planes


def perceive(planes: Tensor, offsets: list[Offset], boundary: str) -> Tensor:
    """Each cell's neighbors in one plane, side by side.

    Args:
        planes: states, `(…, rows, columns, channels)`.
        offsets: which neighbors, as (row, column) steps of −1, 0 or 1.
        boundary: what lies outside rows and columns: "zero", "reflect" or "periodic".

    Returns:
        `(…, rows, columns, len(offsets) · channels)`; block k holds the neighbor at offsets[k].

    Example:
        >>> row = torch.tensor([1.0, 2.0, 3.0]).reshape(1, 3, 1)
        >>> perceive(row, [(0, -1), (0, 1)], "zero").tolist()
        [[[0.0, 2.0], [1.0, 3.0], [2.0, 0.0]]]
    """
    if offsets == _DOT:
        return planes
    rows, columns = planes.shape[-3:-1]
    wide = widen(planes, boundary)
    return torch.cat([wide.narrow(-3, 1 + row, rows).narrow(-2, 1 + column, columns) for row, column in offsets], -1)
