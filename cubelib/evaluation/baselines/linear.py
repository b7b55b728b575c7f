"""Linear baselines in closed form: PCA of the whole and of its parts, orthogonal Procrustes, ridge regression.

They read the training vectors in blocks and keep sums of squares in float64, so that a million pairs fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import torch
from torch import Tensor

from cubelib.data.vectors import blocks
from cubelib.errors import ConfigError, DataError
from cubelib.evaluation.baselines.base import Baseline, Score, Vectors
from cubelib.reshaper import EmbeddingReshaper, principal_axes


class PCA(Baseline):
    """The best linear code of a given size: keep the strongest principal components of the training inputs.

    Args:
        components: numbers in the code, at most as many as a vector has.

    Example:
        >>> points = torch.tensor([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]])
        >>> bool((PCA(1).fit(points, points).predict(points) - points).abs().max() < 1e-6)
        True

    Source: Eckart, Young 1936: no linear code of this size has a smaller squared error on the training vectors.
    """

    same_width = False

    def __init__(self, components: int) -> None:
        if components < 1:
            raise ConfigError(f"PCA: components is how many numbers the code has, at least 1; got {components}.")
        self.components = self.latent_dim = components
        self.name = f"PCA, {components} numbers"

    def _fit(self, input: Vectors, target: Vectors, validation: object, score: Score) -> None:
        if self.components > input.shape[1]:
            raise DataError(
                f"{self.name}: vectors of {input.shape[1]} numbers have {input.shape[1]} components. Ask for no more."
            )
        mean, axes = principal_axes(input)
        self.mean, self.axes = mean, axes[: self.components]

    def _predict(self, input: Tensor) -> Tensor:
        mean, axes = self.mean.to(input), self.axes.to(input)
        return (input - mean) @ axes.T @ axes + mean

    @property
    def parameter_count(self) -> int:
        return self.mean.numel() + self.axes.numel()


class LocalPCA(Baseline):
    """PCA for one neighborhood of cells at a time: the control that sees as far as a cell hears in a few ticks.

    The face of the folded cube is cut into squares of `block` × `block` cells (smaller at the rim if they do not fit),
    and each square keeps as many principal components of its own as its cells have room for. What a code gains by
    looking at the whole vector at once is the lead of PCA over this.

    Args:
        reshaper: folds vectors as the cube does; a fitted layout must have been fitted.
        per_cell: numbers of the code for each cell of the face.
        block: cells along a square's side.

    Example:
        >>> from cubelib import EmbeddingReshaper
        >>> x = torch.randn(40, 768, generator=torch.Generator().manual_seed(0))
        >>> LocalPCA(EmbeddingReshaper(768), per_cell=12).fit(x, x).predict(x[:1]).allclose(x[:1], atol=1e-5)
        True
    """

    def __init__(self, reshaper: EmbeddingReshaper, per_cell: int, block: int = 4) -> None:
        rows, columns, channels = reshaper.cube_shape
        if not 1 <= per_cell <= channels or block < 1:
            raise ConfigError(
                f"LocalPCA: per_cell is 1 to {channels} numbers of a cell, block at least 1 cell; got {per_cell} and "
                f"{block}."
            )
        self.reshaper, self.per_cell, self.block = reshaper, per_cell, block
        self.latent_dim = rows * columns * per_cell
        self.name = f"local PCA of {block}×{block} cells, {self.latent_dim} numbers"

    def _fit(self, input: Vectors, target: Vectors, validation: object, score: Score) -> None:
        self.means, self.axes = [], []
        for square in self._squares():
            mean, axes = principal_axes(torch.cat([self._cut(block, square) for block in blocks(input)]))
            self.means.append(mean)
            self.axes.append(axes[: self.per_cell * len(axes) // self.reshaper.cube_shape[2]])

    def _predict(self, input: Tensor) -> Tensor:
        cubes = torch.zeros(len(input), *self.reshaper.cube_shape)
        for square, mean, axes in zip(self._squares(), self.means, self.axes, strict=True):
            mean, axes = mean.float(), axes.float()
            kept = (self._cut(input, square) - mean) @ axes.T @ axes + mean  # (n, cells · channels)
            cubes[:, square[0], square[1]] = kept.reshape(cubes[:, square[0], square[1]].shape)
        return self.reshaper.unfold(cubes).to(input.dtype)

    def _squares(self) -> list[tuple[slice, slice]]:
        rows, columns, _ = self.reshaper.cube_shape
        starts = product(range(0, rows, self.block), range(0, columns, self.block))
        return [(slice(row, row + self.block), slice(column, column + self.block)) for row, column in starts]

    def _cut(self, vectors: Tensor, square: tuple[slice, slice]) -> Tensor:
        return self.reshaper.fold(vectors.float())[:, square[0], square[1]].flatten(1)

    @property
    def parameter_count(self) -> int:
        return sum(part.numel() for part in (*self.means, *self.axes))


class Procrustes(Baseline):
    """The rotation (or reflection) that brings inputs closest to their targets: R = UVᵀ, where XᵀY = USVᵀ.

    Lengths and angles among the inputs stay as they are, so it can align two spaces and cannot shrink toward the
    mean answer. Directions that no training pair holds are rotated arbitrarily: it needs more pairs than numbers.

    Source: Schönemann, A generalized solution of the orthogonal Procrustes problem, 1966, eq. 1.7 and following.

    Example:
        >>> turned = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])                             # by 90°
        >>> Procrustes().fit(torch.eye(2), turned).predict(torch.tensor([[1.0, 1.0]])).round()
        tensor([[-1.,  1.]])
    """

    name = "orthogonal Procrustes"

    def _fit(self, input: Vectors, target: Vectors, validation: object, score: Score) -> None:
        cross = sum(x.double().T @ y.double() for x, y in zip(blocks(input), blocks(target), strict=True))
        left, _, right = torch.linalg.svd(cross)
        self.rotation = left @ right

    def _predict(self, input: Tensor) -> Tensor:
        return input @ self.rotation.to(input)

    @property
    def parameter_count(self) -> int:
        return self.rotation.numel()


STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)


class Ridge(Baseline):
    """Linear regression with a penalty on its size, the strength chosen on validation items.

    With `residual` it predicts the change from input to target, so that a strong penalty means "no model" instead of
    "the mean answer".

    Without validation items the middle strength is taken.

    Args:
        residual: predict target − input and add it to the input.
        strengths: penalties to choose from, in units of the mean variance of an input number times n.

    Source: Hoerl, Kennard 1970, eq. 2.1.

    Example:
        >>> x = torch.tensor([[-1.0], [1.0]])
        >>> Ridge(strengths=(1.0,)).fit(x, 3 * x).predict(torch.tensor([[1.0]]))      # Σxy / (Σx² + 1·Σx²)
        tensor([[1.5000]])
    """

    def __init__(self, residual: bool = False, strengths: tuple[float, ...] = STRENGTHS) -> None:
        if not strengths or min(strengths) <= 0:
            raise ConfigError(f"Ridge: strengths are penalties above 0, at least one; got {strengths}.")
        self.residual = self.same_width = residual
        self.strengths = strengths
        self.name = "residual ridge regression" if residual else "ridge regression"

    def _fit(self, input: Vectors, target: Vectors, validation: tuple[Tensor, Tensor] | None, score: Score) -> None:
        x_sum, y_sum, own, cross = 0.0, 0.0, 0.0, 0.0
        for x, y in self._pairs(input, target):
            x_sum, y_sum = x_sum + x.sum(0), y_sum + y.sum(0)
        self._x_mean, self._y_mean = x_sum / len(input), y_sum / len(input)
        for x, y in self._pairs(input, target):
            x, y = x - self._x_mean, y - self._y_mean
            own, cross = own + x.T @ x, cross + x.T @ y
        values, vectors = torch.linalg.eigh(own)
        rotated = vectors.T @ cross
        unit = values.mean().clamp_min(torch.finfo(values.dtype).tiny)  # 0 where all inputs are the same

        def solve(strength: float) -> None:
            self.strength = strength
            self._weights = vectors @ (rotated / (values.clamp_min(0) + strength * unit)[:, None])

        if validation is None:
            solve(self.strengths[len(self.strengths) // 2])
            return
        scores = []
        for strength in self.strengths:
            solve(strength)
            scores.append(score(self.predict(validation[0]), validation[1]))
        solve(self.strengths[scores.index(max(scores))])

    def _pairs(self, input: Vectors, target: Vectors) -> Iterator[tuple[Tensor, Tensor]]:
        """Blocks of inputs and of what is to be predicted from them, in float64."""
        for x, y in zip(blocks(input), blocks(target), strict=True):
            yield x.double(), (y - x if self.residual else y).double()

    def _predict(self, input: Tensor) -> Tensor:
        change = ((input.double() - self._x_mean) @ self._weights + self._y_mean).to(input)
        return input + change if self.residual else change

    @property
    def parameter_count(self) -> int:
        return self._weights.numel() + self._y_mean.numel()
