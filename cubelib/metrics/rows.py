"""Input checks and block-wise iteration shared by all metrics."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cubelib.data.vectors import VectorFile
from cubelib.errors import DataError

Embeddings = Tensor | NDArray[Any] | VectorFile

BLOCK = 1024  # rows per block
ENTRIES = 2**24  # of a similarity matrix held in memory at a time, 64 MB in float32


def check_rows(name: str, values: Embeddings) -> Tensor | VectorFile:
    """Returns the vectors as a tensor `(n, dim)` on the CPU, or as the VectorFile that they are; converts nothing.

    Raises:
        DataError: not vectors, no vectors, or NaN or infinite numbers.

    Example:
        >>> check_rows("outputs", np.ones((2, 0)))
        Traceback (most recent call last):
        ...
        cubelib.errors.DataError: EmbeddingMetrics: outputs must be (n, dim) with n and dim at least 1; got (2, 0).
    """
    if isinstance(values, np.ndarray):
        values = _as_tensor(name, values)
    if not isinstance(values, (Tensor, VectorFile)) or values.dtype.is_complex:
        kind = values.dtype if isinstance(values, Tensor) else type(values).__name__
        raise DataError(
            f"EmbeddingMetrics: {name} must be a torch tensor, a NumPy array or a VectorFile of real numbers, "
            f"(n, dim); got {kind}. Convert it, for example with torch.tensor(values)."
        )
    if values.ndim != 2 or 0 in values.shape:
        raise DataError(
            f"EmbeddingMetrics: {name} must be (n, dim) with n and dim at least 1; got {tuple(values.shape)}."
        )
    values = values.detach().cpu() if isinstance(values, Tensor) else values
    bad = concat_blocks(len(values), (~torch.isfinite(block).all(1) for block in row_blocks(values)))
    if bad.any():
        raise DataError(
            f"EmbeddingMetrics: {int(bad.sum())} of {len(values)} {name} hold NaN or infinite numbers, the first at "
            f"row {int(bad.nonzero()[0])}. Remove those rows, or find what made them."
        )
    return values


def check_pair(
    output: Embeddings, target: Embeddings, names: tuple[str, str] = ("outputs", "targets"), *, same_width: bool = True
) -> tuple[Tensor | VectorFile, Tensor | VectorFile]:
    """Checks both with `check_rows`, and that they have as many rows and (by default) the same width."""
    output, target = check_rows(names[0], output), check_rows(names[1], target)
    if len(output) != len(target) or (same_width and output.shape[1] != target.shape[1]):
        expected = "of one shape (n, dim)" if same_width else "of the same n items"
        raise DataError(
            f"EmbeddingMetrics: {names[0]} and {names[1]} must be {expected}, with n at least 1; got "
            f"{tuple(output.shape)} and {tuple(target.shape)}."
        )
    return output, target


def check_widths(output: Tensor | VectorFile, bank: Tensor | VectorFile) -> None:
    """Refuses a bank of another width."""
    if output.shape[1] != bank.shape[1]:
        raise DataError(
            f"EmbeddingMetrics: outputs (n, dim) and bank entries (m, dim) must be equally wide; got "
            f"{tuple(output.shape)} and {tuple(bank.shape)}."
        )


def row_blocks(values: Tensor | VectorFile, size: int | None = None) -> Iterator[Tensor]:
    """Yields the rows in order, at most `size` (BLOCK) at a time, as float64 if they are, else as float32."""
    size = size or BLOCK
    return (floating(values[start : start + size]) for start in range(0, len(values), size))


def floating(values: Tensor) -> Tensor:
    """Leaves float64 as it is; converts everything else to float32."""
    return values if values.dtype == torch.float64 else values.float()


def common_type(*values: Tensor | VectorFile) -> torch.dtype:
    """Returns float64 if any of them is float64, else float32."""
    return torch.float64 if any(value.dtype == torch.float64 for value in values) else torch.float32


def l2_normalize(values: Tensor) -> Tensor:
    """Scales rows to length 1; a zero row stays zero. Lengths are taken in float64, where no square overflows."""
    lengths = torch.linalg.vector_norm(values, dim=1, keepdim=True, dtype=torch.float64)
    directions: Tensor = values / lengths.where(lengths > 0, 1.0)
    return directions.to(values.dtype)


def similarity_rows(queries: Tensor | VectorFile, bank: Tensor | VectorFile) -> Iterator[tuple[int, Tensor]]:
    """Yields the index of the first query of a block and the block's cosines with the whole bank, `(block, m)`.

    A block has at most ENTRIES cosines, so against a large bank it holds few queries.
    """
    size, dtype = max(1, min(BLOCK, ENTRIES // len(bank))), common_type(queries, bank)
    for number, block in enumerate(row_blocks(queries, size)):
        directions = l2_normalize(block.to(dtype))
        cosines = torch.empty(len(block), len(bank), dtype=dtype)
        for start, entries in zip(range(0, len(bank), BLOCK), row_blocks(bank), strict=True):
            torch.mm(directions, l2_normalize(entries.to(dtype)).T, out=cosines[:, start : start + len(entries)])
        yield number * size, cosines


def concat_blocks(count: int, blocks: Iterable[Tensor]) -> Tensor:
    """Concatenates blocks along the first axis, `(count, …)`, copying each one as it comes.

    Unlike `torch.cat` it keeps no list of blocks: thousands of small results between large temporary ones fragment the
    memory, by gigabytes for a million vectors.

    Example:
        >>> concat_blocks(3, (torch.full((size,), float(size)) for size in (1, 2)))
        tensor([1., 2., 2.])
    """
    whole, start = torch.empty(0), 0
    for block in blocks:
        if start == 0:
            whole = block.new_empty(count, *block.shape[1:])
        whole[start : start + len(block)] = block
        start += len(block)
    return whole


def _as_tensor(name: str, values: NDArray[Any]) -> Tensor:
    try:
        with warnings.catch_warnings():  # a read-only array, such as a memory-mapped file, is fine
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            return torch.from_numpy(values.copy() if min(values.strides, default=0) < 0 else values)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"EmbeddingMetrics: {name} cannot be read as numbers ({error}). Convert them, for example with "
            "values.astype(np.float32)."
        ) from None
