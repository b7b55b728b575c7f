"""What the cube must beat: simple models with the same interface, fitted on the same vectors.

    model.fit(input, target, validation, score) → model      (n, dim) each; validation and score for what is chosen
    model.predict(input)                        → (n, dim)
    model.name, model.parameter_count, model.seconds

Nothing is learned by Identity, next to nothing by MeanTarget and NearestAnswer. PCA, LocalPCA, Procrustes and Ridge are
linear and have closed forms: they read the vectors in blocks and keep sums in float64, so a million pairs fit.
Baselines trained by gradient descent are in `networks`, models that cheat in `mystery_models`.

Taught in notebooks 04, 05 and 06.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from itertools import product

import torch
from torch import Tensor

from cubelib.data.vectors import VectorFile, blocks
from cubelib.errors import ConfigError, DataError
from cubelib.metrics import EmbeddingMetrics
from cubelib.metrics.rows import concat_blocks, l2_normalize
from cubelib.reshaper import EmbeddingReshaper, principal_axes

Vectors = Tensor | VectorFile
Validation = tuple[Tensor, Tensor]
Score = Callable[[Tensor, Tensor], float]  # score(output, target); larger is better

PREDICT_BLOCK = 8192  # rows predicted at a time
STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)


class Baseline(ABC):
    """A named model that is fitted on training pairs and predicts targets.

    Attributes:
        name: for tables.
        latent_dim: numbers that pass its bottleneck, None without one.
        parameter_count: numbers that the fitted model keeps.
        seconds: that `fit` took, None before it.
    """

    name: str
    latent_dim: int | None = None
    parameter_count: int = 0
    seconds: float | None = None
    same_width = True  # whether inputs and targets must have the same width

    def fit(
        self,
        input: Vectors,
        target: Vectors,
        validation: tuple[Vectors, Vectors] | None = None,
        score: Score = EmbeddingMetrics.calculate_cosine_similarity,
    ) -> Baseline:
        """Learns from training pairs, and measures how long it takes.

        Args:
            input: `(n, dim)`, in memory or in a file.
            target: `(n, dim)`.
            validation: other pairs (input, target), for what is chosen rather than learned: a penalty, a learning rate,
                when to stop. They are held in memory.
            score: chooses on the validation pairs, `score(output, target)`: the metric the model will be judged by.

        Returns:
            The baseline itself.

        Raises:
            DataError: shapes that do not fit, no pairs, or numbers that are not finite.
        """
        self._check(input, target, "training")
        if validation is not None:
            self._check(*validation, "validation")
            widths, expected = [side.shape[1] for side in validation], [input.shape[1], target.shape[1]]
            if widths != expected:
                raise DataError(
                    f"{self.name}: validation vectors must have {expected} numbers, as in training; got {widths}."
                )
        began = time.perf_counter()
        self._width = input.shape[1]
        self._fit(input, target, None if validation is None else (validation[0][:], validation[1][:]), score)
        self.seconds = time.perf_counter() - began
        return self

    @torch.no_grad()
    def predict(self, input: Vectors) -> Tensor:
        """Predicts the target of each input, `(n, dim)`.

        Raises:
            DataError: before `fit`, or inputs of another width.
        """
        if not hasattr(self, "_width"):
            raise DataError(f"{self.name}: there is nothing to predict with yet. Call fit(input, target) first.")
        if input.ndim != 2 or input.shape[1] != self._width:
            raise DataError(
                f"{self.name}: fitted on vectors of {self._width} numbers, predict takes (n, {self._width}); got "
                f"{tuple(input.shape)}."
            )
        if len(input) <= PREDICT_BLOCK:
            return self._predict(input[:])
        starts = range(0, len(input), PREDICT_BLOCK)
        return concat_blocks(len(input), (self._predict(input[start : start + PREDICT_BLOCK]) for start in starts))

    @abstractmethod
    def _fit(self, input: Vectors, target: Vectors, validation: Validation | None, score: Score) -> None: ...

    @abstractmethod
    def _predict(self, input: Tensor) -> Tensor: ...

    def _check(self, input: Vectors, target: Vectors, which: str) -> None:
        shapes = f"{tuple(input.shape)} and {tuple(target.shape)}"
        if input.ndim != 2 or target.ndim != 2 or len(input) != len(target) or not len(input):
            raise DataError(
                f"{self.name}: takes {which} inputs (n, dim) and as many targets, n at least 1; got {shapes}."
            )
        if self.same_width and input.shape[1] != target.shape[1]:
            raise DataError(f"{self.name}: {which} inputs and targets must have the same width; got {shapes}.")
        for side, vectors in (("inputs", input), ("targets", target)):
            if not all(bool(torch.isfinite(block).all()) for block in blocks(vectors)):
                raise DataError(f"{self.name}: the {which} {side} hold NaN or infinite numbers. Remove those rows.")

    def __repr__(self) -> str:
        if self.seconds is None:
            return f"{type(self).__name__}({self.name}, not fitted)"
        return f"{type(self).__name__}({self.name}, {self.parameter_count:,} parameters, {self.seconds:.1f} s to fit)"


class Identity(Baseline):
    """No model: the input is the answer.

    Example:
        >>> Identity().fit(torch.eye(2), torch.eye(2)).predict(torch.tensor([[3.0, 4.0]]))
        tensor([[3., 4.]])
    """

    name = "no model (input as output)"

    def _fit(self, input: Vectors, target: Vectors, validation: Validation | None, score: Score) -> None:
        pass

    def _predict(self, input: Tensor) -> Tensor:
        return input


class MeanTarget(Baseline):
    """The mean of the training targets for every input: what a model scores that ignores its input.

    It is also the simplest cheat. If all targets point in similar directions its cosine is high. Retrieval exposes it,
    because R@k and MRR are at chance, and so does every metric of structure, because all its outputs are one point.

    Example:
        >>> MeanTarget().fit(torch.eye(2), torch.eye(2)).predict(torch.zeros(2, 2))
        tensor([[0.5000, 0.5000],
                [0.5000, 0.5000]])
    """

    name = "mean of the training targets"
    same_width = False

    def _fit(self, input: Vectors, target: Vectors, validation: Validation | None, score: Score) -> None:
        sums = (block.double().sum(0) for block in blocks(target))
        self.mean = sum(sums, torch.zeros((), dtype=torch.float64)) / len(target)
        self.parameter_count = self.mean.numel()

    def _predict(self, input: Tensor) -> Tensor:
        return self.mean.to(input.dtype).expand(len(input), -1)


class NearestAnswer(Baseline):
    """Repeats the answer of the nearest training question, by cosine; of equals, the first.

    In retrieval it fails unless a held-out answer is also a training answer.

    Source: Cover, Hart, Nearest neighbor pattern classification, 1967.

    Example:
        >>> questions, answers = torch.eye(2), torch.tensor([[7.0, 0.0], [0.0, 9.0]])
        >>> NearestAnswer().fit(questions, answers).predict(torch.tensor([[0.9, 0.1]]))
        tensor([[7., 0.]])
    """

    name = "nearest question's answer"
    same_width = False

    def _fit(self, input: Vectors, target: Vectors, validation: Validation | None, score: Score) -> None:
        self._questions, self._answers = input, target
        self.parameter_count = len(input) * (input.shape[1] + target.shape[1])

    def _predict(self, input: Tensor) -> Tensor:
        directions, start = l2_normalize(input.float()), 0
        best, nearest = torch.full((len(input),), -torch.inf), torch.zeros(len(input), dtype=torch.long)
        for questions in blocks(self._questions):
            cosines, index = (directions @ l2_normalize(questions).T).max(1)
            nearest = torch.where(cosines > best, index + start, nearest)
            best = torch.maximum(best, cosines)
            start += len(questions)
        return self._answers[nearest].to(input.dtype)


class PCA(Baseline):
    """The best linear code of a given size: the strongest principal components of the training inputs.

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

    def _fit(self, input: Vectors, target: Vectors, validation: Validation | None, score: Score) -> None:
        if self.components > input.shape[1]:
            raise DataError(
                f"{self.name}: vectors of {input.shape[1]} numbers have {input.shape[1]} components. Ask for no more."
            )
        self.mean, axes = principal_axes(input)
        self.axes = axes[: self.components]  # (components, dim)
        self.parameter_count = self.mean.numel() + self.axes.numel()

    def _predict(self, input: Tensor) -> Tensor:
        mean, axes = self.mean.to(input), self.axes.to(input)
        return (input - mean) @ axes.T @ axes + mean


class LocalPCA(Baseline):
    """PCA of one neighborhood of cells at a time: the control that sees as far as a cell hears in a few ticks.

    The face of the folded cube is cut into squares of `block` × `block` cells (smaller at the rim), and each square
    keeps as many principal components as its share of the code. The lead of PCA over this is what a code gains by
    looking at the whole vector at once.

    Args:
        reshaper: folds vectors as the cube does; a layout that has to be fitted must have been.
        per_cell: numbers of the code for each cell of the face.
        block: cells along a square's side.

    Example:
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
        self.reshaper, self.per_cell = reshaper, per_cell
        self.latent_dim = rows * columns * per_cell
        self.name = f"local PCA of {block}×{block} cells, {self.latent_dim} numbers"
        corners = product(range(0, rows, block), range(0, columns, block))
        self._squares = [
            (slice(None), slice(row, row + block), slice(column, column + block)) for row, column in corners
        ]

    def _fit(self, input: Vectors, target: Vectors, validation: Validation | None, score: Score) -> None:
        cubes = concat_blocks(len(input), (self.reshaper.fold(block) for block in blocks(input)))
        self.means: list[Tensor] = []
        self.axes: list[Tensor] = []
        for square in self._squares:
            mean, axes = principal_axes(cubes[square].flatten(1))
            self.means.append(mean)
            self.axes.append(axes[: self.per_cell * len(axes) // self.reshaper.cube_shape[2]])
        self.parameter_count = sum(part.numel() for part in (*self.means, *self.axes))

    def _predict(self, input: Tensor) -> Tensor:
        cubes = self.reshaper.fold(input.float()).clone()  # (n, rows, columns, channels)
        for square, mean, axes in zip(self._squares, self.means, self.axes, strict=True):
            mean, axes = mean.float(), axes.float()
            kept = (cubes[square].flatten(1) - mean) @ axes.T @ axes + mean  # (n, cells · channels)
            cubes[square] = kept.reshape(cubes[square].shape)
        return self.reshaper.unfold(cubes).to(input.dtype)


class Procrustes(Baseline):
    """The rotation (or reflection) that brings inputs closest to their targets: R = UVᵀ, where XᵀY = USVᵀ.

    It keeps lengths and angles among the inputs, so it can align two spaces but cannot shrink toward the mean answer.
    (From longer vectors to shorter ones it also drops directions.) Directions that no training pair holds are rotated
    arbitrarily: it needs more pairs than numbers.

    Source: Schönemann, A generalized solution of the orthogonal Procrustes problem, 1966, eq. 1.7 and following.

    Example:
        >>> turned = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])                             # by 90°
        >>> Procrustes().fit(torch.eye(2), turned).predict(torch.tensor([[1.0, 1.0]])).round()
        tensor([[-1.,  1.]])
    """

    name = "orthogonal Procrustes"
    same_width = False

    def _fit(self, input: Vectors, target: Vectors, validation: Validation | None, score: Score) -> None:
        products = (x.double().T @ y.double() for x, y in zip(blocks(input), blocks(target), strict=True))
        left, _, right = torch.linalg.svd(sum(products, torch.zeros((), dtype=torch.float64)), full_matrices=False)
        self.rotation: Tensor = left @ right
        self.parameter_count = self.rotation.numel()

    def _predict(self, input: Tensor) -> Tensor:
        return input @ self.rotation.to(input)


class Ridge(Baseline):
    """Linear regression with a penalty on its size, the strength chosen on validation items.

    With `residual` it predicts the change from input to target, so that a strong penalty means "no model" instead of
    "the mean answer". Without validation items it takes the middle strength.

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

    def _fit(self, input: Vectors, target: Vectors, validation: Validation | None, score: Score) -> None:
        dim, target_dim = input.shape[1], target.shape[1]
        self._x_mean, self._y_mean = (torch.zeros(size, dtype=torch.float64) for size in (dim, target_dim))
        for x, y in self._pairs(input, target):
            self._x_mean += x.sum(0)
            self._y_mean += y.sum(0)
        self._x_mean /= len(input)
        self._y_mean /= len(input)
        gram, cross = (torch.zeros(dim, size, dtype=torch.float64) for size in (dim, target_dim))
        for x, y in self._pairs(input, target):
            x, y = x - self._x_mean, y - self._y_mean
            gram += x.T @ x
            cross += x.T @ y
        self.parameter_count = (dim + 1) * target_dim
        values, vectors = torch.linalg.eigh(gram)
        rotated = vectors.T @ cross
        unit = values.mean().clamp_min(torch.finfo(values.dtype).tiny)  # is 0 if all inputs are the same

        def solve(strength: float) -> None:
            self.strength = strength
            self._weights: Tensor = vectors @ (rotated / (values.clamp_min(0) + strength * unit)[:, None])

        if validation is None:
            solve(self.strengths[len(self.strengths) // 2])
            return
        scores = []
        for strength in self.strengths:
            solve(strength)
            scores.append(score(self.predict(validation[0]), validation[1]))
        solve(self.strengths[scores.index(max(scores))])

    def _pairs(self, input: Vectors, target: Vectors) -> Iterator[tuple[Tensor, Tensor]]:
        """Blocks of inputs and of what is predicted from them, in float64."""
        for x, y in zip(blocks(input), blocks(target), strict=True):
            yield x.double(), (y - x if self.residual else y).double()

    def _predict(self, input: Tensor) -> Tensor:
        change: Tensor = ((input.double() - self._x_mean) @ self._weights + self._y_mean).to(input)
        return input + change if self.residual else change
