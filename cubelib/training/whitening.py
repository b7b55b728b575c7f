"""Whitening of questions: what all questions have in common tells no answer from another, and is taken away.

    whitened = (x − mean) · W,   W = A diag((variance + shrinkage)^−power) Aᵀ

A holds the principal axes of the training questions, variance is that along each axis, and shrinkage a tenth of its
mean. Power 0 only centers; with power ½ and no shrinkage all axes would have the same variance. No answer is used.

Source: Kessy, Lewin, Strimmer, Optimal whitening and decorrelation, 2018, table 1 (ZCA); Ledoit, Wolf 2004 (shrinkage);
Su et al., Whitening sentence representations for better semantics and faster retrieval, 2021.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from cubelib.data.vectors import VectorFile
from cubelib.reshaper import covariance

POWERS = (0.0, 0.1, 0.2, 0.3, 0.4)
SHRINKAGE = 0.1  # of the mean variance


class Whitening(nn.Module):
    """Centers vectors and evens out their variances in part. The identity until `fit`.

    Args:
        dim: numbers in a vector.

    Attributes:
        power: how far the variances were evened out; None before `fit` and after loading.

    Shape:
        `(batch, dim)` → the same.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> vectors = torch.randn(200, 3, generator=generator) * torch.tensor([3.0, 1.0, 0.3]) + 5
        >>> whitening = Whitening(3)
        >>> whitening.fit(vectors, lambda: -(whitening(vectors).var(0).log().var().item()))   # as even as possible
        >>> whitening.power, whitening(vectors).mean(0).abs().max() < 1e-4
        (0.4, tensor(True))
    """

    mean: Tensor
    matrix: Tensor
    fitted: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("matrix", torch.eye(dim))
        self.register_buffer("fitted", torch.tensor(False))
        self.power: float | None = None

    def fit(self, vectors: Tensor | VectorFile, score: Callable[[], float]) -> None:
        """Learns mean and axes, and keeps the power with the highest score; of equal ones the smallest.

        Args:
            vectors: training questions, `(n, dim)`.
            score: of validation questions, with the whitening as it is when it is called.
        """
        mean, spread = covariance(vectors)
        variances, axes = torch.linalg.eigh(spread)  # columns of `axes` are the principal axes
        shrunk = variances.clamp_min(0) + SHRINKAGE * variances.mean()
        shrunk = shrunk.clamp_min(torch.finfo(shrunk.dtype).tiny)  # 0 if all questions are the same
        self.mean.copy_(mean)
        best = -float("inf")
        for power in POWERS:
            matrix = (axes * shrunk**-power) @ axes.T
            # The size of a vector stays what it is on average: a lattice learns best with numbers of size one.
            matrix = matrix * (spread.trace() / (matrix @ spread @ matrix).trace().clamp_min(1e-300)).sqrt()
            kept = self.matrix.clone()
            self.matrix.copy_(matrix)
            value = score()
            if value > best:
                best, self.power = value, power
            else:
                self.matrix.copy_(kept)
        self.fitted.fill_(True)

    def forward(self, vectors: Tensor) -> Tensor:
        """Whitened vectors."""
        return (vectors - self.mean) @ self.matrix
