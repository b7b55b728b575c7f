"""What every metric does first: see whether it was given vectors, and take them in hand block by block."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from cubelib.data.vectors import VectorFile
from cubelib.errors import DataError

Rows = Tensor | np.ndarray | VectorFile

BLOCK = 1024  # rows worked on at a time
ENTRIES = 2**24  # of a similarity matrix held in memory at a time, 64 MB in float32
TIE = 1e-6  # cosines closer than this are tied: float32 sums in another order differ by nearly as much


def check_rows(name: str, values: Rows) -> Tensor | VectorFile:
    """The vectors as a tensor `(n, dim)` on the CPU, or the VectorFile that they are; nothing is converted yet.

    Raises:
        DataError: not vectors, none, or numbers that are not finite.

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
    bad = joined(len(values), (~torch.isfinite(block).all(1) for block in row_blocks(values)))
    if bad.any():
        raise DataError(
            f"EmbeddingMetrics: {int(bad.sum())} of {len(values)} {name} hold NaN or infinite numbers, the first at "
            f"row {int(bad.nonzero()[0])}. Remove those rows, or find what made them."
        )
    return values


def check_pair(
    output: Rows, target: Rows, names: tuple[str, str] = ("outputs", "targets"), *, same_width: bool = True
) -> tuple[Tensor | VectorFile, Tensor | VectorFile]:
    """Both as `check_rows` gives them; as many rows, and as wide unless told otherwise."""
    output, target = check_rows(names[0], output), check_rows(names[1], target)
    if len(output) != len(target) or (same_width and output.shape[1] != target.shape[1]):
        wanted = "of one shape (n, dim)" if same_width else "of the same n items"
        raise DataError(
            f"EmbeddingMetrics: {names[0]} and {names[1]} must be {wanted}, with n at least 1; got "
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
    """The rows in order, at most `size` (BLOCK) at a time; float64 stays, all else becomes float32."""
    size = size or BLOCK
    return (floating(values[start : start + size]) for start in range(0, len(values), size))


def floating(values: Tensor) -> Tensor:
    """float64 as it is, all else (half precision, whole numbers, truth values) as float32."""
    return values if values.dtype == torch.float64 else values.float()


def common_type(*values: Tensor | VectorFile) -> torch.dtype:
    """float64 where any of them is, else float32."""
    return torch.float64 if any(value.dtype == torch.float64 for value in values) else torch.float32


def unit(values: Tensor) -> Tensor:
    """Rows of length 1; a zero row stays zero. Lengths are taken in float64, where no square overflows."""
    lengths = torch.linalg.vector_norm(values, dim=1, keepdim=True, dtype=torch.float64)
    return (values / lengths.where(lengths > 0, 1.0)).to(values.dtype)


def similarity_rows(queries: Tensor | VectorFile, bank: Tensor | VectorFile) -> Iterator[tuple[int, Tensor]]:
    """Cosines of some queries with the whole bank, `(block, m)`, and which query is the first of the block.

    At most ENTRIES numbers at a time, so a large bank is met by few queries at once.
    """
    size, kind = max(1, min(BLOCK, ENTRIES // len(bank))), common_type(queries, bank)
    for number, block in enumerate(row_blocks(queries, size)):
        block, cosines = unit(block.to(kind)), torch.empty(len(block), len(bank), dtype=kind)
        for start, entries in zip(range(0, len(bank), BLOCK), row_blocks(bank), strict=True):
            torch.mm(block, unit(entries.to(kind)).T, out=cosines[:, start : start + len(entries)])
        yield number * size, cosines


def joined(count: int, parts: Iterable[Tensor]) -> Tensor:
    """The parts one below the other, `(count, …)`, each written at once into the tensor that they make.

    Thousands of small results kept between large blocks that come and go leave holes in memory that nothing fits into:
    gigabytes of them with a million vectors.

    Example:
        >>> joined(3, (torch.full((size,), float(size)) for size in (1, 2)))
        tensor([1., 2., 2.])
    """
    whole, start = torch.empty(0), 0
    for part in parts:
        if start == 0:
            whole = part.new_empty(count, *part.shape[1:])
        whole[start : start + len(part)] = part
        start += len(part)
    return whole


def place_in_row(row: Tensor) -> Tensor:
    """How many earlier elements have the same row number, for sorted row numbers.

    Example:
        >>> place_in_row(torch.tensor([0, 0, 2, 2, 2]))
        tensor([0, 1, 0, 1, 2])
    """
    counts = torch.bincount(row)
    return torch.arange(len(row)) - (counts.cumsum(0) - counts)[row]


def _as_tensor(name: str, values: np.ndarray) -> Tensor:
    try:
        with warnings.catch_warnings():  # an array that may only be read, such as a file mapped into memory, is fine
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            return torch.from_numpy(values.copy() if min(values.strides, default=0) < 0 else values)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"EmbeddingMetrics: {name} cannot be read as numbers ({error}). Convert them, for example with "
            "values.astype(np.float32)."
        ) from None
