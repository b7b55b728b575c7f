"""A cell's products made fast: what cells see times their weights, without moving more memory than needed.

The first product is with `[W | V]`, the weights of the hidden layer and of the linear path side by side: what the cells
see is looked up once for both.

A Moore cell sees nine times as many numbers in a plane as the plane holds. Written out, the copies cost more time than
the arithmetic. Two ways around it, both with the same result as the formula in `cubelib.lattice.rule`:

- cells that share their weights are a convolution, and the CPU's convolution reads the neighbors where they are;
- cells with weights of their own are taken a few columns at a time, so that all they need stays in the cache. Of their
  nine neighbors only the three of a row are copied side by side; a window of three such rows is a matrix in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from cubelib.lattice.perceive import Offset, perceive, widen

# What the cells of a block see at once: a level-2 cache has buffer for it and for the weights.
BLOCK_BYTES = 600_000


def shared_network(
    seen: Sequence[Tensor], weights: Sequence[Tensor], neighborhoods: Sequence[list[Offset]], boundary: str
) -> Tensor:
    """The first product where all cells have the same weights.

    Args:
        seen: for each depth offset the planes that are looked at, `(planes, batch, rows, columns, channels)`.
        weights: for each depth offset `[W | V]`, `(offsets · channels, width)`.
        neighborhoods: for each depth offset the offsets that are seen.
        boundary: what lies outside rows and columns.

    Returns:
        `(planes, batch, rows, columns, width)`.
    """
    if seen[0].device.type != "cpu" or any(len(offsets) < 9 for offsets in neighborhoods):
        # On a GPU a convolution may round to TF32 and add up in changing order; the plain product does neither.
        around = [perceive(planes, offsets, boundary) for planes, offsets in zip(seen, neighborhoods, strict=True)]
        return _joined(around, -1) @ _joined(weights, 0)
    # The convolution frames its input with zeros by itself; another frame has to be there already.
    planes = _joined(seen, -1)
    padding, framed = (1, planes) if boundary == "zero" else (0, widen(planes, boundary))
    images = framed.contiguous().flatten(0, 1).permute(0, 3, 1, 2)  # channels last in memory, as it is fastest
    squares = [matrix.unflatten(0, (3, 3, -1)) for matrix in weights]  # (3, 3, channels, width)
    kernel = _joined(squares, 2).permute(3, 2, 0, 1)  # (width, neighborhoods · channels, 3, 3)
    product: Tensor = conv2d(images, kernel, padding=padding).permute(0, 2, 3, 1).unflatten(0, planes.shape[:2])
    return product


def own_networks(
    seen: Sequence[Tensor],
    weights: Sequence[Tensor],
    bias: Tensor,
    out: Tensor,
    neighborhoods: Sequence[list[Offset]],
    boundary: str,
) -> Tensor:
    """What the cells of one plane add to their states, where each cell has its own network.

    Args:
        seen: for each depth offset the plane that is looked at, `(batch, rows, columns, channels)`.
        weights: for each depth offset `[W | V]`, `(cells, offsets · channels, hidden + channels)`; without the
            linear path W alone.
        bias: `(cells, hidden)`.
        out: W_out, `(cells, hidden, channels)`.
        neighborhoods: for each depth offset the offsets that are seen.
        boundary: what lies outside rows and columns.

    Returns:
        The change of state, `(batch, rows, columns, channels)`.
    """
    face = seen[0].shape[1:3]
    if (
        torch.compiler.is_compiling()
        or seen[0].device.type != "cpu"
        or any(len(offsets) < 9 for offsets in neighborhoods)
    ):
        around = [perceive(plane, offsets, boundary) for plane, offsets in zip(seen, neighborhoods, strict=True)]
        inputs = _joined(around, -1).permute(1, 2, 0, 3).flatten(0, 1)  # (cells, batch, offsets · channels)
        product = inputs @ _joined(weights, 1)  # (cells, batch, width)
        preactivation, linear = product[..., : bias.shape[1]], product[..., bias.shape[1] :]
        change: Tensor = (preactivation + bias[:, None]).relu_() @ out  # (cells, batch, channels)
        change = change + linear if linear.shape[-1] else change
        change = change.unflatten(0, face).permute(2, 0, 1, 3)
        return change
    wide = [widen(plane, boundary).contiguous() for plane in seen]
    own = [parameter.unflatten(0, face) for parameter in (bias, out, *weights)]
    arguments = (torch.is_grad_enabled(), *own[:2], *wide, *own[2:])
    return _OwnNetworks.apply(*arguments)  # type: ignore[no-untyped-call, no-any-return]


class _OwnNetworks(torch.autograd.Function):
    """The update of cells with weights of their own, a block of columns at a time.

    The cells of a block are ordered row by row.
    """

    @staticmethod
    def forward(ctx: Any, remember: bool, bias: Tensor, out: Tensor, *wide_and_weights: Tensor) -> Tensor:
        wide, weights = _halves(wide_and_weights)
        rows, columns, hidden = bias.shape
        width, batch, channels = weights[0].shape[-1], wide[0].shape[0], wide[0].shape[-1]
        change = wide[0].new_empty(batch, rows, columns, channels)
        buffer = _Block(wide[0])
        # Without a backward pass to come, hidden layers need not be kept longer than for a block.
        product = wide[0].new_empty(rows, columns if remember else buffer.size, batch, width)
        offset = pad(bias, (0, width - hidden))  # the linear path has no bias
        for block in _blocks(columns, buffer.size):
            both = product[:, block if remember else slice(None)].flatten(0, 1)  # (cells, batch, hidden + channels)
            start = offset[:, block].flatten(0, 1)[:, None]
            for framed, matrices in zip(wide, weights, strict=True):
                torch.baddbmm(start, buffer.gather(framed, block), matrices[:, block].flatten(0, 1), out=both)
                start = both
            activations, linear = both[..., :hidden].relu_(), both[..., hidden:]
            networks = out[:, block].flatten(0, 1)
            answer = (
                torch.baddbmm(linear, activations, networks) if width > hidden else torch.bmm(activations, networks)
            )
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
        grad_bias, grad_out = product.new_empty(rows, columns, hidden), torch.empty_like(out)
        asked = ctx.needs_input_grad[3 : 3 + len(wide)]
        grad_wide = [torch.zeros_like(framed) if ask else None for framed, ask in zip(wide, asked, strict=True)]
        grad_weights = [torch.empty_like(matrices) for matrices in weights]
        buffer = _Block(wide[0])
        for block in _blocks(columns, buffer.size):
            activations = product[:, block, :, :hidden].flatten(0, 1)
            grad_change = gradient[:, :, block].permute(1, 2, 0, 3).flatten(0, 1)  # (cells, batch, channels)
            torch.bmm(activations.mT, grad_change, out=grad_out[:, block].flatten(0, 1))
            grad_product = grad_change.new_empty(
                len(grad_change), batch, width
            )  # of hidden layer and linear path, side by side
            grad_activations = torch.bmm(grad_change, out[:, block].flatten(0, 1).mT)  # (cells, batch, hidden)
            grad_product[..., :hidden] = torch.ops.aten.threshold_backward(
                grad_activations, activations, 0.0
            )  # relu's own backward pass
            if width > hidden:
                grad_product[..., hidden:] = grad_change
            grad_bias[:, block] = grad_product[..., :hidden].sum(1).unflatten(0, (rows, -1))
            for framed, matrices, grad_framed, grad_matrices in zip(
                wide, weights, grad_wide, grad_weights, strict=True
            ):
                torch.bmm(buffer.gather(framed, block).mT, grad_product, out=grad_matrices[:, block].flatten(0, 1))
                if grad_framed is None:
                    continue
                buffer.scatter_add(grad_product, matrices[:, block].flatten(0, 1).mT)
                for column, triple in zip(range(columns)[block], buffer.triples, strict=True):
                    grad_framed[:, :, column : column + 3].add_(triple.unflatten(-1, (3, -1)))
        return None, grad_bias, grad_out, *grad_wide, *grad_weights


def _blocks(columns: int, size: int) -> list[slice]:
    return [slice(first, first + size) for first in range(0, columns, size)]


def _halves(tensors: Sequence[Tensor]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    return tensors[: len(tensors) // 2], tensors[len(tensors) // 2 :]


class _Block:
    """Some neighboring columns of cells, one or the whole plane, and buffer for what they see.

    A buffer allocated at every `gather` would be cleared by the system each time.
    """

    def __init__(self, wide: Tensor) -> None:
        batch, rows, columns, channels = wide.shape
        triple_bytes = batch * rows * 3 * channels * wide.element_size()
        self.size = columns - 2 if triple_bytes * (columns - 2) <= BLOCK_BYTES else 1
        self.triples = wide.new_empty(self.size, batch, rows, 3 * channels)  # three neighboring columns side by side
        self.seen = None if self.size == 1 else wide.new_empty(rows - 2, self.size, batch, 9 * channels)

    def gather(self, framed: Tensor, columns: slice) -> Tensor:
        """What the cells of these columns see, `(cells, batch, 9 · channels)`."""
        around = framed[:, :, columns.start : columns.stop + 2].unfold(2, 3, 1)  # (b, rows + 2, columns, channels, 3)
        self.triples.unflatten(-1, (3, -1)).copy_(around.permute(2, 0, 1, 4, 3))
        windows = _windows(self.triples)  # (columns, rows, batch, 9 · channels)
        return windows[0] if self.seen is None else self.seen.copy_(windows.transpose(0, 1)).flatten(0, 1)

    def scatter_add(self, grad_product: Tensor, networks: Tensor) -> None:
        """The backward pass of `gather`: gradients of what the cells saw, added up in the triples."""
        rows = self.triples.shape[2] - 2
        self.triples.zero_()
        if self.seen is None:
            for first in range(min(3, rows)):  # every third window: those have no number in common
                _windows(self.triples)[0, first::3].baddbmm_(grad_product[first::3], networks[first::3])
            return
        torch.bmm(grad_product, networks, out=self.seen.flatten(0, 1))
        for row, gradient in enumerate(self.seen.unflatten(-1, (3, -1)).permute(3, 1, 2, 0, 4)):
            self.triples[:, :, row : row + rows].add_(gradient)  # += would copy the sum onto itself once more


def _windows(triples: Tensor) -> Tensor:
    """Three rows of a triple side by side, `(…, rows, batch, 9 · channels)`.

    They follow each other in memory, so a window on them is a row of a matrix, without a copy.
    """
    return triples.unfold(-2, 3, 1).transpose(-1, -2).flatten(-2).transpose(-2, -3)


def _joined(parts: Sequence[Tensor], dim: int) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), dim)
