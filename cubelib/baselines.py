"""What the cube must beat: simple models with the same interface, fitted on the same vectors.

    model.fit(input, target) → model          (n, dim) each
    model.predict(input)     → (n, dim)

Taught in notebooks 04 and 05.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from cubelib.metrics import EmbeddingMetrics
from cubelib.reshaper import principal_axes


class Baseline(Protocol):
    """A named model that is fitted on training vectors and predicts targets."""

    name: str

    def fit(self, input: Tensor, target: Tensor) -> Baseline: ...

    def predict(self, input: Tensor) -> Tensor: ...

    @property
    def parameter_count(self) -> int: ...


class Identity:
    """No model: the input is the answer."""

    name = "no model (input as output)"
    parameter_count = 0

    def fit(self, input: Tensor, target: Tensor) -> Identity:
        return self

    def predict(self, input: Tensor) -> Tensor:
        return input


class MeanTarget:
    """One vector for everything: the mean of the training targets. What a model scores that ignores its input."""

    name = "mean of the training targets"

    def fit(self, input: Tensor, target: Tensor) -> MeanTarget:
        self.mean = target.mean(0, keepdim=True)
        return self

    def predict(self, input: Tensor) -> Tensor:
        return self.mean.expand(len(input), -1)

    @property
    def parameter_count(self) -> int:
        return self.mean.numel()


class PCA:
    """The best linear code of a given size: keep the strongest principal components of the training inputs.

    Args:
        components: numbers in the code.

    Example:
        >>> points = torch.tensor([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]])
        >>> bool((PCA(1).fit(points, points).predict(points) - points).abs().max() < 1e-6)
        True

    Source: Eckart, Young 1936: no linear code of this size has a smaller squared error on the training vectors.
    """

    def __init__(self, components: int) -> None:
        self.components = components
        self.name = f"PCA, {components} numbers"

    def fit(self, input: Tensor, target: Tensor) -> PCA:
        mean, axes = principal_axes(input)
        self.mean, self.axes = mean.to(input), axes[: self.components].to(input)
        return self

    def predict(self, input: Tensor) -> Tensor:
        return (input - self.mean) @ self.axes.T @ self.axes + self.mean

    @property
    def parameter_count(self) -> int:
        return self.mean.numel() + self.axes.numel()


STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)


class Ridge:
    """Linear regression with a penalty on its size, the strength chosen on validation items.

    With `residual` it predicts the change from input to target, so that a strong penalty means "no model" instead of
    "the mean answer".

    Args:
        residual: predict target − input and add it to the input.
        strengths: penalties to choose from, in units of the mean variance of an input number times n.

    Source: Hoerl, Kennard 1970, eq. 2.1.
    """

    def __init__(self, residual: bool = False, strengths: tuple[float, ...] = STRENGTHS) -> None:
        self.residual, self.strengths = residual, strengths
        self.name = "residual ridge regression" if residual else "ridge regression"

    def fit(
        self,
        input: Tensor,
        target: Tensor,
        validation: tuple[Tensor, Tensor] | None = None,
        score: Callable[[Tensor, Tensor], float] = EmbeddingMetrics.calculate_cosine_similarity,
    ) -> Ridge:
        """Fits every strength and keeps the one with the best score of (output, target) on `validation`.

        The score should be the one that the model is judged by. Without validation items the middle strength is taken.
        """
        x, y = input.double(), (target - input if self.residual else target).double()
        self._x_mean, self._y_mean = x.mean(0), y.mean(0)
        x, y = x - self._x_mean, y - self._y_mean
        values, vectors = torch.linalg.eigh(x.T @ x)
        rotated = vectors.T @ (x.T @ y)
        unit = values.mean().clamp_min(torch.finfo(values.dtype).tiny)  # 0 where all inputs are the same

        def solve(strength: float) -> None:
            self.strength = strength
            self._weights = vectors @ (rotated / (values.clamp_min(0) + strength * unit)[:, None])

        if validation is None:
            solve(self.strengths[len(self.strengths) // 2])
            return self
        scores = []
        for strength in self.strengths:
            solve(strength)
            scores.append(score(self.predict(validation[0]), validation[1]))
        solve(self.strengths[scores.index(max(scores))])
        return self

    def predict(self, input: Tensor) -> Tensor:
        change = ((input.double() - self._x_mean) @ self._weights + self._y_mean).to(input)
        return input + change if self.residual else change

    @property
    def parameter_count(self) -> int:
        return self._weights.numel() + self._y_mean.numel()
