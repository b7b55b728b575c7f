"""EmbeddingReshaper: a vector of numbers ↔ a cube of cells, and nothing lost on the way.

768 = 8 × 8 × 12: one face of an 8×8×8 lattice is 64 cells, and each takes 12 numbers. Which number goes to which cell
is the *layout*. Every layout is a rigid motion (a permutation, or a rotation about the mean), so distances, and who is
near whom, survive it, and `unfold` is its exact inverse. (A rotation about the mean moves the zero: inside the cube the
cosines are those seen from the mean.)

Taught in notebook 02.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from cubelib.data.vectors import VectorFile

Layout = Literal["row_major", "channel_major", "random", "spectral", "pca"]
LAYOUTS: tuple[str, ...] = get_args(Layout)
ROWS = 8192  # vectors in double precision at a time: 50 MB of 768 numbers


def covariance(vectors: Tensor | VectorFile) -> tuple[Tensor, Tensor]:
    """Mean `(dim,)` and covariance `(dim, dim)` of `(n, dim)` vectors, in float64."""
    total = torch.zeros(vectors.shape[1], dtype=torch.float64)
    for block in _doubles(vectors):
        total = total.to(block) + block.sum(0)
    mean = total / len(vectors)
    spread = torch.zeros(len(mean), len(mean)).to(mean)
    for block in _doubles(vectors):
        centered = block - mean
        spread += centered.T @ centered
    return mean, spread / max(len(vectors) - 1, 1)


def _doubles(vectors: Tensor | VectorFile) -> Iterator[Tensor]:
    return (vectors[start : start + ROWS].detach().double() for start in range(0, len(vectors), ROWS))


def principal_axes(vectors: Tensor | VectorFile) -> tuple[Tensor, Tensor]:
    """Mean and principal axes of a set of vectors.

    Args:
        vectors: `(n, dim)`, n at least 1.

    Returns:
        mean `(dim,)` and axes `(dim, dim)` in float64: orthonormal rows, the direction of largest variance first. The
        largest entry of each axis is positive, so that the signs are the same on every machine.

    Source: Pearson 1901; Jolliffe, Principal Component Analysis, 2002, section 2.1.
    """
    mean, spread = covariance(vectors)
    axes = torch.linalg.eigh(spread).eigenvectors.T.flip(0)  # eigh sorts from small to large
    largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))
    return mean, axes * largest.sign()


def spectral_order(vectors: Tensor | VectorFile) -> Tensor:
    """An order of the dimensions in which correlated ones stand next to each other.

    Dimensions are the nodes of a graph whose edges are absolute correlations; sorting by the second eigenvector of its
    normalized Laplacian puts strongly connected nodes side by side.

    Args:
        vectors: `(n, dim)`.

    Returns:
        A permutation of 0 … dim − 1.

    Source: Fiedler 1973; Atkins, Boman, Hendrickson, A spectral algorithm for seriation, 1998, section 3.
    """
    _, spread = covariance(vectors)
    scale = spread.diagonal().clamp_min(1e-12).rsqrt()
    weights = (spread * scale[:, None] * scale[None, :]).abs()
    degree = weights.sum(1).clamp_min(1e-12).rsqrt()  # a number that never varies has no edges
    vectors_of = torch.linalg.eigh(weights * degree[:, None] * degree[None, :]).eigenvectors
    fiedler = vectors_of[:, -min(2, len(degree))] * degree
    order: Tensor = (fiedler * fiedler[fiedler.abs().argmax()].sign()).argsort(stable=True)
    return order


class EmbeddingReshaper(nn.Module):
    """Folds vectors into cubes and unfolds cubes into vectors.

    Args:
        dim: numbers in a vector.
        cube_shape: (rows, columns, channels) with rows · columns · channels ≥ dim; None means 8×8 cells and as many
            channels as it takes. What is left over is padded with zeros and cut off again.
        layout: which number goes to which cell.
            "row_major": a plain reshape; neighbors in the vector share a cell.
            "channel_major": neighbors in the vector share a channel and sit in neighboring cells.
            "random": a shuffle with a fixed seed, the control for every claim about layouts.
            "spectral": correlated numbers next to each other (fitted).
            "pca": rotated to principal axes; the strongest 64 go to channel 0, the next to channel 1, … (fitted).
        scale: factor on the way in, divided out on the way back. With a power of two the round trip stays exact.
        seed: for the random layout.

    A fitted layout behaves as row_major until `fit` has seen training vectors, and its repr says so.

    Raises:
        ValueError: a vector or cube that does not fit; the message says what would.

    Example:
        >>> reshaper = EmbeddingReshaper(768)
        >>> reshaper
        EmbeddingReshaper(768 numbers ↔ 8×8×12, row_major)
        >>> vectors = torch.randn(2, 768)
        >>> cubes = reshaper.fold(vectors)
        >>> cubes.shape, torch.equal(reshaper.unfold(cubes), vectors)
        (torch.Size([2, 8, 8, 12]), True)
    """

    order: Tensor
    mean: Tensor
    axes: Tensor
    fitted: Tensor

    def __init__(
        self,
        dim: int = 768,
        cube_shape: tuple[int, int, int] | None = None,
        *,
        layout: str = "row_major",
        scale: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if dim < 1:
            raise ValueError(f"EmbeddingReshaper: dim is how many numbers a vector has, at least 1; got {dim}.")
        if layout not in LAYOUTS:
            raise ValueError(f"EmbeddingReshaper: layout {layout!r} is not known. Use one of {', '.join(LAYOUTS)}.")
        if not 0 < scale < math.inf:
            raise ValueError(f"EmbeddingReshaper: scale must be above 0 and finite; got {scale}.")
        self.dim, self.layout, self.scale = dim, layout, scale
        self.cube_shape: tuple[int, int, int] = tuple(cube_shape) if cube_shape else (8, 8, math.ceil(dim / 64))  # type: ignore[assignment]
        if len(self.cube_shape) != 3 or min(self.cube_shape) < 1:
            raise ValueError(
                f"EmbeddingReshaper: cube_shape is (rows, columns, channels), each at least 1; got {cube_shape}."
            )
        rows, columns, channels = self.cube_shape
        if self.capacity < dim:
            raise ValueError(
                f"EmbeddingReshaper: cannot lay {dim} numbers on a face of {rows}×{columns} with {channels} channels "
                f"({self.capacity}). Use cube_shape=({rows}, {columns}, {math.ceil(dim / (rows * columns))}) or more "
                f"channels, or EmbeddingReshaper.for_dim({dim})."
            )
        order = torch.arange(dim)
        if layout == "random":
            order = torch.randperm(dim, generator=torch.Generator().manual_seed(seed))
        # Position i of the laid-out vector takes number order[i]; the rotation and mean serve the pca layout only.
        self.register_buffer("order", order)
        self.register_buffer("mean", torch.zeros(dim) if layout == "pca" else None)
        self.register_buffer("axes", torch.eye(dim) if layout == "pca" else None)
        self.register_buffer("fitted", torch.tensor(layout not in ("spectral", "pca")))

    @classmethod
    def for_dim(cls, dim: int, face: tuple[int, int] = (8, 8), **options: Any) -> EmbeddingReshaper:
        """A reshaper for vectors of `dim` numbers on a face of (rows, columns) cells, with as few channels as possible.

        Example:
            >>> EmbeddingReshaper.for_dim(384), EmbeddingReshaper.for_dim(3072, face=(16, 16))
            (EmbeddingReshaper(384 numbers ↔ 8×8×6, row_major), EmbeddingReshaper(3072 numbers ↔ 16×16×12, row_major))
        """
        rows, columns = face
        return cls(dim, (rows, columns, max(1, math.ceil(dim / max(1, rows * columns)))), **options)

    @property
    def capacity(self) -> int:
        """Numbers that fit into a cube, `dim` or more."""
        return math.prod(self.cube_shape)

    def fit(self, vectors: Tensor | VectorFile) -> EmbeddingReshaper:
        """Learns a fitted layout from training vectors `(n, dim)`; other layouts have nothing to learn.

        A VectorFile is read three times, block by block.

        Returns:
            The reshaper itself.

        Raises:
            ValueError: wrong width, no vectors, or numbers that are not finite.
        """
        self._check_vectors(vectors)
        bad = sum(int((~torch.isfinite(block)).sum()) for block in _doubles(vectors))
        if not len(vectors) or bad:
            raise ValueError(
                f"EmbeddingReshaper: the {self.layout} layout is fitted on at least one vector of finite numbers; got "
                f"{len(vectors)} vectors, {bad} numbers in them not finite."
            )
        if self.layout == "pca":
            mean, axes = principal_axes(vectors)
            self.mean.copy_(mean)
            self.axes.copy_(axes)
        elif self.layout == "spectral":
            self.order.copy_(spectral_order(vectors))
        self.fitted.fill_(True)
        return self

    def fold(self, vectors: Tensor) -> Tensor:
        """`(batch, dim)` → `(batch, rows, columns, channels)`."""
        self._check_vectors(vectors)
        rows, columns, channels = self.cube_shape
        if self.layout == "pca" and self.fitted:
            laid = (vectors - self.mean) @ self.axes.T
        else:
            laid = vectors if self.layout in ("row_major", "channel_major", "pca") else vectors[:, self.order]
        laid = nn.functional.pad(laid * self.scale, (0, self.capacity - self.dim))  # (b, capacity)
        if self._channels_first:
            return laid.reshape(-1, channels, rows, columns).permute(0, 2, 3, 1).contiguous()
        return laid.reshape(-1, rows, columns, channels)

    def unfold(self, cubes: Tensor) -> Tensor:
        """`(batch, rows, columns, channels)` → `(batch, dim)`, the inverse of `fold`."""
        if cubes.ndim != 4 or tuple(cubes.shape[1:]) != self.cube_shape:
            raise ValueError(
                f"EmbeddingReshaper: cannot unfold a tensor of shape {tuple(cubes.shape)}. Expected (batch, "
                f"{', '.join(map(str, self.cube_shape))}), as fold returns it."
            )
        laid = cubes.permute(0, 3, 1, 2) if self._channels_first else cubes
        laid = laid.reshape(-1, self.capacity)[:, : self.dim] / self.scale  # (b, dim)
        if self.layout == "pca" and self.fitted:
            return laid @ self.axes + self.mean
        if self.layout in ("row_major", "channel_major", "pca"):
            return laid
        return laid[:, self.order.argsort()]

    def forward(self, vectors: Tensor) -> Tensor:
        """The same as `fold`."""
        return self.fold(vectors)

    def __repr__(self) -> str:
        waiting = "" if self.fitted else " (not fitted yet: row_major until fit)"
        return f"EmbeddingReshaper({self.dim} numbers ↔ {'×'.join(map(str, self.cube_shape))}, {self.layout}{waiting})"

    @property
    def _channels_first(self) -> bool:
        return self.layout == "channel_major" or (self.layout == "pca" and bool(self.fitted))

    def _check_vectors(self, vectors: Tensor | VectorFile) -> None:
        if vectors.ndim != 2 or vectors.shape[1] != self.dim:
            rows, columns, channels = self.cube_shape
            numbers, hint = "an input that is not (batch, dim)", f"Give vectors of shape (batch, {self.dim})."
            if vectors.ndim == 2:
                width = vectors.shape[1]
                numbers = f"{width} numbers"
                fitting = math.ceil(width / (rows * columns))
                hint = f"Use cube_shape=({rows}, {columns}, {fitting}), or EmbeddingReshaper.for_dim({width})."
            raise ValueError(
                f"EmbeddingReshaper: cannot lay {numbers} on a face of {rows}×{columns} with {channels} channels "
                f"({self.dim}). Input shape {tuple(vectors.shape)}, cube_shape {self.cube_shape}. {hint}"
            )
