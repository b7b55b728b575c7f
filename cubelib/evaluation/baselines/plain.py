"""Baselines that learn next to nothing: the input, the mean answer, the answer of the nearest training question."""

from __future__ import annotations

import torch
from torch import Tensor

from cubelib.data.vectors import blocks
from cubelib.evaluation.baselines.base import Baseline, Score, Vectors
from cubelib.metrics.rows import unit


class Identity(Baseline):
    """No model: the input is the answer.

    Example:
        >>> Identity().fit(torch.eye(2), torch.eye(2)).predict(torch.tensor([[3.0, 4.0]]))
        tensor([[3., 4.]])
    """

    name = "no model (input as output)"
    parameter_count = 0

    def _fit(self, input: Vectors, target: Vectors, validation: object, score: Score) -> None:
        pass

    def _predict(self, input: Tensor) -> Tensor:
        return input


class MeanTarget(Baseline):
    """One vector for everything: the mean of the training targets. What a model scores that ignores its input.

    It is also the simplest cheat: where all targets lie close together its cosine is high. Retrieval shows it, R@k and
    MRR being no better than chance, and so does every figure of structure: all its outputs are one point.

    Example:
        >>> MeanTarget().fit(torch.eye(2), torch.eye(2)).predict(torch.zeros(2, 2))
        tensor([[0.5000, 0.5000],
                [0.5000, 0.5000]])
    """

    name = "mean of the training targets"
    same_width = False

    def _fit(self, input: Vectors, target: Vectors, validation: object, score: Score) -> None:
        self.mean = sum(block.double().sum(0, keepdim=True) for block in blocks(target)) / len(target)

    def _predict(self, input: Tensor) -> Tensor:
        return self.mean.to(input.dtype).expand(len(input), -1)

    @property
    def parameter_count(self) -> int:
        return self.mean.numel()


class NearestAnswer(Baseline):
    """Finds the training question that is nearest by cosine and repeats its answer; of equals, the first.

    All it knows are the training pairs themselves. In retrieval it fails where no held-out answer is a training
    answer: it can only come near to the right one by chance.

    Source: Cover, Hart, Nearest neighbor pattern classification, 1967.

    Example:
        >>> questions, answers = torch.eye(2), torch.tensor([[7.0, 0.0], [0.0, 9.0]])
        >>> NearestAnswer().fit(questions, answers).predict(torch.tensor([[0.9, 0.1]]))
        tensor([[7., 0.]])
    """

    name = "nearest question's answer"
    same_width = False

    def _fit(self, input: Vectors, target: Vectors, validation: object, score: Score) -> None:
        self._questions, self._answers = input, target

    def _predict(self, input: Tensor) -> Tensor:
        directions, start = unit(input.float()), 0
        best, where = torch.full((len(input),), -torch.inf), torch.zeros(len(input), dtype=torch.long)
        for questions in blocks(self._questions):
            cosines, place = (directions @ unit(questions).T).max(1)
            nearer = cosines > best
            best, where = best.where(~nearer, cosines), where.where(~nearer, place + start)
            start += len(questions)
        return self._answers[where].to(input.dtype)

    @property
    def parameter_count(self) -> int:
        return len(self._questions) * (self._questions.shape[1] + self._answers.shape[1])
