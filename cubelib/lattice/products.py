"""A cell's products made fast: what cells see times their weights, without moving more memory than needed.

The first product is with `[W | V]`, the weights of the hidden layer and of the linear path side by side: what the cells
see is looked up once for both.

A Moore cell sees nine times as many numbers in a plane as the plane holds. Written out, the copies cost more time than
the arithmetic. Two ways around it, both with the same result as the formula in `cubelib.lattice.rule`:

- cells that share their weights are a convolution, and the CPU's convolution reads the neighbors where they are;
- cells with weights of their own are taken a few columns at a time, so that all they need stays in the cache. Of their
  nine neighbors only the three of a row are copied side by side; a window of three such rows is a matrix in place.

Taught in notebook 03.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from cubelib.lattice.perceive import Offset, perceive, widen

# What the cells of a block see at once: a level-2 cache has room for it and for the weights.
BLOCK_BYTES = 600_000


def shared_network(
    seen: Sequence[Tensor], weights: Sequence[Tensor], slabs: Sequence[list[Offset]], boundary: str
) -> Tensor:
    """The first product where all cells have the same weights.

    Args:
        seen: for each slab the planes that are looked at, `(planes, batch, rows, columns, channels)`.
        weights: for each slab `[W | V]`, `(offsets · channels, width)`.
        slabs: for each slab the offsets that are seen.
        boundary: what lies outside rows and columns.

    Returns:
        `(planes, batch, rows, columns, width)`.
    """
    if seen[0].device.type != "cpu" or any(len(offsets) < 9 for offsets in slabs):
        # On a GPU a convolution may round to TF32 and add up in changing order; the plain product does neither.
        around = [perceive(planes, offsets, boundary) for planes, offsets in zip(seen, slabs, strict=True)]
        return _joined(around, -1) @ _joined(weights, 0)
    # The convolution frames its input with zeros by itself; another frame has to be there already.
    planes = _joined(seen, -1)
    padding, framed = (1, planes) if boundary == "zero" else (0, widen(planes, boundary))
    images = framed.contiguous().flatten(0, 1).permute(0, 3, 1, 2)  # channels last in memory, as it is fastest
    squares = [matrix.unflatten(0, (3, 3, -1)) for matrix in weights]  # (3, 3, channels, width)
    kernel = _joined(squares, 2).permute(3, 2, 0, 1)  # (width, slabs · channels, 3, 3)
    return conv2d(images, kernel, padding=padding).permute(0, 2, 3, 1).unflatten(0, planes.shape[:2])


def own_networks(
    seen: Sequence[Tensor],
    weights: Sequence[Tensor],
    bias: Tensor,
    out: Tensor,
    slabs: Sequence[list[Offset]],
    boundary: str,
) -> Tensor:
    """What the cells of one plane add to their states, where each cell has its own network.

    Args:
        seen: for each slab the plane that is looked at, `(batch, rows, columns, channels)`.
        weights: for each slab `[W | V]`, `(cells, offsets · channels, hidden + channels)`; W alone without a linear
            path.
        bias: `(cells, hidden)`.
        out: W_out, `(cells, hidden, channels)`.
        slabs: for each slab the offsets that are seen.
        boundary: what lies outside rows and columns.

    Returns:
        The change of state, `(batch, rows, columns, channels)`.
    """
    face = seen[0].shape[1:3]
    if torch.compiler.is_compiling() or seen[0].device.type != "cpu" or any(len(offsets) < 9 for offsets in slabs):
        around = [perceive(plane, offsets, boundary) for plane, offsets in zip(seen, slabs, strict=True)]
        inputs = _joined(around, -1).permute(1, 2, 0, 3).flatten(0, 1)  # (cells, batch, offsets · channels)
        product = inputs @ _joined(weights, 1)  # (cells, batch, width)
        excitation, straight = product[..., : bias.shape[1]], product[..., bias.shape[1] :]
        change = (excitation + bias[:, None]).relu_() @ out  # (cells, batch, channels)
        change = change + straight if straight.shape[-1] else change
        return change.unflatten(0, face).permute(2, 0, 1, 3)
    wide = [widen(plane, boundary).contiguous() for plane in seen]
    own = [parameter.unflatten(0, face) for parameter in (bias, out, *weights)]
    return _OwnNetworks.apply(torch.is_grad_enabled(), *own[:2], *wide, *own[2:])


class _OwnNetworks(torch.autograd.Function):
    """The update of cells with weights of their own, a block of columns at a time.

    The cells of a block stand row by row.
    """

    @staticmethod
    def forward(ctx: Any, remember: bool, bias: Tensor, out: Tensor, *wide_and_weights: Tensor) -> Tensor:
        wide, weights = _halves(wide_and_weights)
        rows, columns, hidden = bias.shape
        width, batch, channels = weights[0].shape[-1], wide[0].shape[0], wide[0].shape[-1]
        change = wide[0].new_empty(batch, rows, columns, channels)
        room = _Block(wide[0])
        # Without a backward pass to come, what the hidden layers say need not be kept longer than for a block.
        product = wide[0].new_empty(rows, columns if remember else room.size, batch, width)
        offset = pad(bias, (0, width - hidden))  # the linear path has no bias
        for block in _blocks(columns, room.size):
            both = product[:, block if remember else slice(None)].flatten(0, 1)  # (cells, batch, hidden + channels)
            start = offset[:, block].flatten(0, 1)[:, None]
            for framed, matrices in zip(wide, weights, strict=True):
                torch.baddbmm(start, room.look(framed, block), matrices[:, block].flatten(0, 1), out=both)
                start = both
            said, straight = both[..., :hidden].relu_(), both[..., hidden:]
            networks = out[:, block].flatten(0, 1)
            answer = torch.baddbmm(straight, said, networks) if width > hidden else torch.bmm(said, networks)
            change[:, :, block] = answer.unflatten(0, (rows, -1)).permute(2, 0, 1, 3)
        if remember:
            ctx.save_for_backward(product, out, *wide_and_weights)
        return change

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        product, out, *wide_and_weights = ctx.saved_tensors
        wide, weights = _halves(wide_and_weights)
        rows, columns, batch, width = product.shape
        hidden = out.shape[2]
        to_bias, to_out = product.new_empty(rows, columns, hidden), torch.empty_like(out)
        asked = ctx.needs_input_grad[3 : 3 + len(wide)]
        to_wide = [torch.zeros_like(framed) if ask else None for framed, ask in zip(wide, asked, strict=True)]
        to_weights = [torch.empty_like(matrices) for matrices in weights]
        room = _Block(wide[0])
        for block in _blocks(columns, room.size):
            said = product[:, block, :, :hidden].flatten(0, 1)
            arriving = gradient[:, :, block].permute(1, 2, 0, 3).flatten(0, 1)  # (cells, batch, channels)
            torch.bmm(said.mT, arriving, out=to_out[:, block].flatten(0, 1))
            blame = arriving.new_empty(len(arriving), batch, width)  # of hidden layer and linear path, side by side
            excited = torch.bmm(arriving, out[:, block].flatten(0, 1).mT)  # (cells, batch, hidden)
            blame[..., :hidden] = torch.ops.aten.threshold_backward(excited, said, 0.0)  # relu's own backward pass
            if width > hidden:
                blame[..., hidden:] = arriving
            to_bias[:, block] = blame[..., :hidden].sum(1).unflatten(0, (rows, -1))
            for framed, matrices, to_framed, to_matrices in zip(wide, weights, to_wide, to_weights, strict=True):
                torch.bmm(room.look(framed, block).mT, blame, out=to_matrices[:, block].flatten(0, 1))
                if to_framed is None:
                    continue
                room.collect(blame, matrices[:, block].flatten(0, 1).mT)
                for column, triple in zip(range(columns)[block], room.triples, strict=True):
                    to_framed[:, :, column : column + 3].add_(triple.unflatten(-1, (3, -1)))
        return None, to_bias, to_out, *to_wide, *to_weights


def _blocks(columns: int, size: int) -> list[slice]:
    return [slice(first, first + size) for first in range(0, columns, size)]


def _halves(tensors: Sequence[Tensor]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    return tensors[: len(tensors) // 2], tensors[len(tensors) // 2 :]


class _Block:
    """Some neighboring columns of cells, one or the whole plane, and room for what they see.

    Asked for anew at every look, the system would clear the room each time.
    """

    def __init__(self, wide: Tensor) -> None:
        batch, rows, columns, channels = wide.shape
        triple_bytes = batch * rows * 3 * channels * wide.element_size()
        self.size = columns - 2 if triple_bytes * (columns - 2) <= BLOCK_BYTES else 1
        self.triples = wide.new_empty(self.size, batch, rows, 3 * channels)  # three neighboring columns side by side
        self.seen = None if self.size == 1 else wide.new_empty(rows - 2, self.size, batch, 9 * channels)

    def look(self, framed: Tensor, columns: slice) -> Tensor:
        """What the cells of these columns see, `(cells, batch, 9 · channels)`."""
        around = framed[:, :, columns.start : columns.stop + 2].unfold(2, 3, 1)  # (b, rows + 2, columns, channels, 3)
        self.triples.unflatten(-1, (3, -1)).copy_(around.permute(2, 0, 1, 4, 3))
        windows = _windows(self.triples)  # (columns, rows, batch, 9 · channels)
        return windows[0] if self.seen is None else self.seen.copy_(windows.transpose(0, 1)).flatten(0, 1)

    def collect(self, blame: Tensor, networks: Tensor) -> None:
        """The way back of `look`: what the cells blame on what they saw flows into the triples."""
        rows = self.triples.shape[2] - 2
        self.triples.zero_()
        if self.seen is None:
            for first in range(min(3, rows)):  # every third window: those have no number in common
                _windows(self.triples)[0, first::3].baddbmm_(blame[first::3], networks[first::3])
            return
        torch.bmm(blame, networks, out=self.seen.flatten(0, 1))
        for row, flow in enumerate(self.seen.unflatten(-1, (3, -1)).permute(3, 1, 2, 0, 4)):
            self.triples[:, :, row : row + rows].add_(flow)  # += would copy the sum onto itself once more


def _windows(triples: Tensor) -> Tensor:
    """Three rows of a triple side by side, `(…, rows, batch, 9 · channels)`.

    They follow each other in memory, so a window on them is a row of a matrix, without a copy.
    """
    return triples.unfold(-2, 3, 1).transpose(-1, -2).flatten(-2).transpose(-2, -3)


def _joined(parts: Sequence[Tensor], dim: int) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), dim)
