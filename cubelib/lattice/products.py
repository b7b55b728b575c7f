"""The first layer made fast: what cells see times their weights, without moving more memory than needed.

A Moore cell sees nine times as many numbers in a plane as the plane holds. Written out, the copies cost more time than
the arithmetic. Two ways around it, both with the same result as `perceive(...) @ weights`:

- cells that share their weights are a convolution, and the CPU's convolution reads the neighbours where they are;
- cells with weights of their own are taken a few rows at a time, so that what they see stays in the cache; for the
  backward pass it is gathered again instead of being remembered.

Taught in notebook 03.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from cubelib.lattice.perceive import Offset, gather, perceive, widen

# What the cells of a block see at once. Measured best at twice the size of a level-2 cache, and flat around it.
BLOCK_BYTES = 2_400_000


def shared_network(images: Tensor, weights: Tensor, offsets: list[Offset], boundary: str) -> Tensor:
    """One matrix for all cells.

    Args:
        images: states, `(planes, batch, rows, columns, channels)`.
        weights: `(len(offsets) · channels, hidden)`.
        offsets: which neighbours are seen.
        boundary: what lies outside rows and columns.

    Returns:
        `(planes, batch, rows, columns, hidden)`.
    """
    if len(offsets) < 9 or images.device.type != "cpu":
        # On a GPU a convolution may round to TF32 and add up in changing order; the plain product does neither.
        return perceive(images, offsets, boundary, rows_dim=2) @ weights
    # The convolution frames its input with zeros by itself; another frame has to be there already.
    padding, framed = (1, images) if boundary == "zero" else (0, widen(images, boundary, rows_dim=2))
    framed = framed.contiguous().flatten(0, 1).permute(0, 3, 1, 2)  # channels last in memory, as it is fastest
    kernel = weights.unflatten(0, (3, 3, images.shape[-1])).permute(3, 2, 0, 1)  # (hidden, channels, 3, 3)
    return conv2d(framed, kernel, padding=padding).permute(0, 2, 3, 1).unflatten(0, images.shape[:2])


def own_networks(planes: Tensor, weights: Tensor, offsets: list[Offset], boundary: str) -> Tensor:
    """A matrix for each cell.

    Args:
        planes: states, `(planes, rows, columns, batch, channels)`.
        weights: `(planes, rows · columns, len(offsets) · channels, hidden)`.
        offsets: which neighbours are seen.
        boundary: what lies outside rows and columns.

    Returns:
        `(planes, rows, columns, batch, hidden)`.
    """
    weights = weights.unflatten(1, planes.shape[1:3])
    if len(offsets) == 1:  # only the cell straight ahead or behind: nothing to gather
        return torch.bmm(planes.flatten(0, 2), weights.flatten(0, 2)).unflatten(0, planes.shape[:3])
    return _GatherMultiply.apply(widen(planes, boundary), weights, offsets)


class _GatherMultiply(torch.autograd.Function):
    """`gather`, then a product for each cell, block by block."""

    @staticmethod
    def forward(wide: Tensor, weights: Tensor, offsets: list[Offset]) -> Tensor:
        planes, rows, columns, _, hidden = weights.shape
        excitation = wide.new_empty(planes, rows, columns, wide.shape[3], hidden)
        scratch = _scratch(wide, weights)
        for cells, around in _blocks(wide, weights):
            seen = gather(wide[around], offsets, out=scratch[:, : excitation[cells].shape[1]]).flatten(0, 2)
            torch.bmm(seen, weights[cells].flatten(0, 2), out=excitation[cells].flatten(0, 2))
        return excitation

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, list[Offset]], output: Tensor) -> None:
        wide, weights, ctx.offsets = inputs
        ctx.save_for_backward(wide, weights)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        wide, weights = ctx.saved_tensors
        channels = wide.shape[-1]
        to_wide, to_weights = torch.zeros_like(wide), torch.empty_like(weights)
        scratch = _scratch(wide, weights)
        for cells, around in _blocks(wide, weights):
            rows, columns = gradient[cells].shape[1:3]
            arriving, block = gradient[cells].flatten(0, 2), scratch[:, :rows]
            seen = gather(wide[around], ctx.offsets, out=block).flatten(0, 2)
            torch.bmm(seen.mT, arriving, out=to_weights[cells].flatten(0, 2))
            torch.bmm(arriving, weights[cells].flatten(0, 2).mT, out=seen)  # what was seen is not needed any more
            for (row, column), back in zip(ctx.offsets, block.split(channels, -1), strict=True):
                to_wide[around][:, 1 + row : 1 + row + rows, 1 + column : 1 + column + columns] += back
        return to_wide, to_weights, None


def _block_height(wide: Tensor, weights: Tensor) -> int:
    """Rows of cells in a block."""
    _, rows, columns, seen, _ = weights.shape
    row_bytes = max(1, columns * wide.shape[3] * seen * wide.element_size())
    return min(rows, max(1, BLOCK_BYTES // row_bytes))


def _scratch(wide: Tensor, weights: Tensor) -> Tensor:
    """Room for what the cells of one block see. Asked for anew at every block, the system would clear it each time."""
    _, _, columns, seen, _ = weights.shape
    return wide.new_empty(1, _block_height(wide, weights), columns, wide.shape[3], seen)


def _blocks(wide: Tensor, weights: Tensor) -> Iterator[tuple[tuple[slice, slice], tuple[slice, slice]]]:
    """(planes, rows) of the cells of a block, and of all that they see in the framed planes."""
    planes, rows, height = weights.shape[0], weights.shape[1], _block_height(wide, weights)
    for plane in range(planes):
        for row in range(0, rows, height):
            last = min(row + height, rows)
            yield (slice(plane, plane + 1), slice(row, last)), (slice(plane, plane + 1), slice(row, last + 2))
