"""What all baselines share: checked data, measured time, prediction in blocks."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from cubelib.data.vectors import VectorFile, blocks
from cubelib.errors import DataError
from cubelib.metrics import EmbeddingMetrics
from cubelib.metrics.rows import joined

Vectors = Tensor | VectorFile
Score = Callable[[Tensor, Tensor], float]  # of (output, target); larger is better

ROWS = 8192  # predicted at a time


class Baseline(ABC):
    """A named model that is fitted on training vectors and predicts targets.

    Attributes:
        name: for tables.
        latent_dim: numbers that pass its bottleneck, None without one.
        seconds: time that `fit` took, None before it.
    """

    name: str
    latent_dim: int | None = None
    seconds: float | None = None
    same_width = True  # whether inputs and targets must be equally wide

    def fit(
        self,
        input: Vectors,
        target: Vectors,
        validation: tuple[Vectors, Vectors] | None = None,
        score: Score = EmbeddingMetrics.calculate_cosine_similarity,
    ) -> Baseline:
        """Learns from training pairs, and measures how long it takes.

        Args:
            input: `(n, dim)`, in memory or in a file; a file is read in blocks.
            target: `(n, dim)`.
            validation: other pairs (input, target), for what is not learned but chosen: the strength of a penalty, a
                learning rate, when to stop. They are held in memory. Models without such a choice do not look at them.
            score: what is chosen by, of (output, target): the figure that the model will be judged by.

        Returns:
            The baseline itself.

        Raises:
            DataError: shapes that do not fit, no pairs, or numbers that are not finite.
        """
        self._check(input, target, "training")
        if validation is not None:
            self._check(*validation, "validation")
            if (validation[0].shape[1], validation[1].shape[1]) != (input.shape[1], target.shape[1]):
                raise DataError(
                    f"{self.name}: training and validation vectors must be equally wide; got {tuple(input.shape)} → "
                    f"{tuple(target.shape)} and {tuple(validation[0].shape)} → {tuple(validation[1].shape)}."
                )
            validation = validation[0][:], validation[1][:]  # out of a file, if that is where they are
        began = time.perf_counter()
        self._width = input.shape[1]
        self._fit(input, target, validation, score)
        self.seconds = time.perf_counter() - began
        return self

    @torch.no_grad()
    def predict(self, input: Vectors) -> Tensor:
        """An answer to each input, `(n, dim)`.

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
        if len(input) <= ROWS:
            return self._predict(input[:])
        starts = range(0, len(input), ROWS)
        return joined(len(input), (self._predict(input[start : start + ROWS]) for start in starts))

    @property
    @abstractmethod
    def parameter_count(self) -> int:
        """Numbers that the fitted model keeps."""

    @abstractmethod
    def _fit(self, input: Vectors, target: Vectors, validation: tuple[Tensor, Tensor] | None, score: Score) -> None: ...

    @abstractmethod
    def _predict(self, input: Tensor) -> Tensor: ...

    def _check(self, input: Vectors, target: Vectors, which: str) -> None:
        if input.ndim != 2 or target.ndim != 2 or len(input) != len(target) or not len(input):
            raise DataError(
                f"{self.name}: takes {which} inputs (n, dim) and as many targets, n at least 1; got "
                f"{tuple(input.shape)} and {tuple(target.shape)}."
            )
        if self.same_width and input.shape[1] != target.shape[1]:
            raise DataError(
                f"{self.name}: its answers are as wide as its inputs, and the {which} targets are not: "
                f"{tuple(input.shape)} and {tuple(target.shape)}."
            )
        for side, vectors in (("inputs", input), ("targets", target)):
            if not all(bool(torch.isfinite(block).all()) for block in blocks(vectors)):
                raise DataError(
                    f"{self.name}: the {which} {side} hold NaN or infinite numbers. Remove those rows, or find what "
                    "made them."
                )

    def __repr__(self) -> str:
        if self.seconds is None:
            return f"{type(self).__name__}({self.name}, not fitted)"
        return f"{type(self).__name__}({self.name}, {self.parameter_count:,} parameters, {self.seconds:.1f} s to fit)"
