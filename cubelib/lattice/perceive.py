"""What a cell sees: itself and its nearest neighbours, with a rule for the rim of each plane.

The lattice is a stack of planes along depth. A neighbourhood therefore falls into three *slabs*: the plane behind the
cell (depth − 1, where the signal comes from), the cell's own plane, and the plane ahead. Each slab is a list of
(row, column) offsets:

    von Neumann  behind [·]   level [+]   ahead [·]      the 6 cells that share a face, and the cell itself
    Moore        behind [#]   level [#]   ahead [#]      the 26 cells that share a face, an edge or a corner, and itself

Taught in notebook 03. Sources: von Neumann, Theory of Self-Reproducing Automata, 1966; Moore, Machine models of
self-reproduction, 1962; Mordvintsev et al., Growing Neural Cellular Automata, Distill 2020 (perceive, then update).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

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
    """Where a neighbour at `index` of a row of `size` cells really is, or None where there is nothing.

    Args:
        index: position of the neighbour, −1 … size.
        size: cells in the row, at least 1.
        boundary: "zero" (nothing outside), "reflect" (the mirror stands on the outermost cell, so −1 is 1) or
            "periodic" (the row is a ring).

    Returns:
        A position 0 … size − 1, or None (the neighbour is silent: zeros).

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


def _axis_copies(shift: int, size: int, boundary: str) -> list[tuple[slice, slice]]:
    """(target, source) slices along one axis such that target cell i receives its neighbour i + shift."""
    if shift == 0:
        return [(slice(0, size), slice(0, size))]
    inner = [(slice(1, size), slice(0, size - 1))] if shift < 0 else [(slice(0, size - 1), slice(1, size))]
    rim = 0 if shift < 0 else size - 1
    source = neighbor_index(rim + shift, size, boundary)
    return inner if source is None else [*inner, (slice(rim, rim + 1), slice(source, source + 1))]


class _Gather(torch.autograd.Function):
    """Copies every cell's neighbours side by side; the backward pass adds them back where they came from."""

    @staticmethod
    def forward(planes: Tensor, offsets: list[Offset], boundary: str) -> Tensor:
        rows, columns, channels = planes.shape[1], planes.shape[2], planes.shape[-1]
        seen = planes.new_zeros(*planes.shape[:-1], len(offsets) * channels)
        for block, (row_shift, column_shift) in enumerate(offsets):
            here = slice(block * channels, (block + 1) * channels)
            for row_to, row_from in _axis_copies(row_shift, rows, boundary):
                for column_to, column_from in _axis_copies(column_shift, columns, boundary):
                    seen[:, row_to, column_to, :, here] = planes[:, row_from, column_from]
        return seen

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, list[Offset], str], output: Tensor) -> None:
        planes, ctx.offsets, ctx.boundary = inputs
        ctx.channels = planes.shape[-1]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        rows, columns, channels = gradient.shape[1], gradient.shape[2], ctx.channels
        back = gradient.new_zeros(*gradient.shape[:-1], channels)
        for block, (row_shift, column_shift) in enumerate(ctx.offsets):
            here = slice(block * channels, (block + 1) * channels)
            for row_to, row_from in _axis_copies(row_shift, rows, ctx.boundary):
                for column_to, column_from in _axis_copies(column_shift, columns, ctx.boundary):
                    back[:, row_from, column_from] += gradient[:, row_to, column_to, :, here]
        return back, None, None


def perceive(planes: Tensor, offsets: list[Offset], boundary: str) -> Tensor:
    """Each cell's neighbours in one plane, side by side.

    Args:
        planes: states, `(planes, rows, columns, batch, channels)`.
        offsets: which neighbours, as (row, column) steps of −1, 0 or 1.
        boundary: what lies outside rows and columns: "zero", "reflect" or "periodic".

    Returns:
        `(planes, rows, columns, batch, len(offsets) · channels)`; block k holds the neighbour at offsets[k].

    Example:
        >>> row = torch.tensor([1.0, 2.0, 3.0]).reshape(1, 1, 3, 1, 1)
        >>> perceive(row, [(0, -1), (0, 1)], "zero").reshape(3, 2).tolist()
        [[0.0, 2.0], [1.0, 3.0], [2.0, 0.0]]
    """
    if offsets == _DOT:
        return planes
    return _Gather.apply(planes, offsets, boundary)
