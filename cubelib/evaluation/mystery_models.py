"""Models that cheat, each by fooling a metric, and what exposes them. For teaching, and for tests of the metrics.

    cheat          fools                          exposed by
    MeanTarget     the cosine                     retrieval, structure: all outputs are one point
    Memorizer      everything on training items   held-out items: there it is no model at all
    NoisyInput     structure, likeness to inputs  a paired test against no model
    Leak           everything on test items       fresh items, and slightly moved inputs
    AvoidsAnswers  retrieval among all answers    retrieval among the answers that nobody was trained on

MeanTarget is a baseline as well and is defined there. Taught in notebook 06.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from cubelib.data.splits import Split
from cubelib.evaluation.baselines import Baseline, MeanTarget, Procrustes, Score, Validation, Vectors
from cubelib.metrics.rows import l2_normalize


class Memorizer(Baseline):
    """Knows every training pair by heart and returns any other input unchanged.

    Its metrics are perfect on training items. On held-out items it is no model, item by item: a paired test finds a
    difference of exactly 0. Only the gap between training and held-out metrics exposes it.

    Example:
        >>> model = Memorizer().fit(torch.eye(2), torch.eye(2).flip(0))
        >>> model.predict(torch.tensor([[1.0, 0.0], [0.9, 0.1]]))
        tensor([[0.0000, 1.0000],
                [0.9000, 0.1000]])
    """

    name = "memorizer of training pairs"

    def _fit(self, input: Vectors, target: Vectors, validation: Validation | None, score: Score) -> None:
        self._answers = self._memorize(target[:].float())
        self.parameter_count = 2 * self._answers.numel()
        self._index: dict[bytes, int] = {}
        for index, vector in enumerate(input[:].float()):
            self._index.setdefault(_key(vector), index)

    def _memorize(self, answers: Tensor) -> Tensor:
        return answers

    def _predict(self, input: Tensor) -> Tensor:
        output = input.clone()
        for row, vector in enumerate(input.float()):
            index = self._index.get(_key(vector))
            if index is not None:
                output[row] = self._answers[index]
        return output


class Leak(Memorizer):
    """Has seen the test items, and adds noise to their answers so that the metrics look earned.

    Fit it on the test items themselves: this is what happens if a split is made after fitting, or if copies are on both
    sides. All metrics of that test set are high, with narrow intervals and small p-values. Two things expose it: fresh
    items, where it is no model, and the same items with inputs moved by a thousandth, which costs an honest model next
    to nothing and this one everything.

    Args:
        noise: length of the noise relative to that of the answer.
        seed: of the noise.
    """

    name = "leak of the test answers"

    def __init__(self, noise: float = 0.5, seed: int = 0) -> None:
        self.noise, self.seed = noise, seed

    def _memorize(self, answers: Tensor) -> Tensor:
        return answers + _noise(answers, self.noise, self.seed)


class NoisyInput(Baseline):
    """Returns its input with a little noise, so that it does not look like a copy.

    Its outputs have a cosine near 1 with its inputs, and the metrics of structure of the input. It has learned nothing:
    a paired test against no model shows it.

    Args:
        noise: length of the noise relative to that of the input.
        seed: of the noise.

    Example:
        >>> output = NoisyInput(noise=0.05).fit(torch.eye(64), torch.eye(64)).predict(torch.eye(64))
        >>> round(torch.nn.functional.cosine_similarity(output, torch.eye(64)).mean().item(), 3)
        0.999
    """

    name = "input with noise"

    def __init__(self, noise: float = 0.05, seed: int = 0) -> None:
        self.noise, self.seed = noise, seed

    def _fit(self, input: Vectors, target: Vectors, validation: Validation | None, score: Score) -> None:
        pass

    def _predict(self, input: Tensor) -> Tensor:
        return input + _noise(input, self.noise, self.seed)


class AvoidsAnswers(Baseline):
    """Moves each question away from the training answers nearest to it.

    A split without leaks has no training answer among the right answers of its test items. A model that has noticed
    can strike training answers off, and ranks the rest better without knowing more of any question. In use, where known
    answers are right as often as others, the gain is gone. The ranks among answers that were not trained on expose it.

    Args:
        strength: how far, 0 (not at all) and up.
        nearest: training answers to move away from.

    Example:
        >>> model = AvoidsAnswers(strength=1.0, nearest=1).fit(torch.eye(2), torch.eye(2))
        >>> model.predict(torch.tensor([[0.8, 0.6]]))
        tensor([[-0.2000,  0.6000]])
    """

    name = "avoids training answers"

    def __init__(self, strength: float = 0.3, nearest: int = 5) -> None:
        self.strength, self.nearest = strength, nearest

    def _fit(self, input: Vectors, target: Vectors, validation: Validation | None, score: Score) -> None:
        self._answers = l2_normalize(target[:].float())
        self.parameter_count = self._answers.numel()

    def _predict(self, input: Tensor) -> Tensor:
        questions = l2_normalize(input.float())
        cosines, answers = (questions @ self._answers.T).topk(min(self.nearest, len(self._answers)))
        weights = (cosines / 0.05).softmax(1)  # (n, nearest), most of it on the nearest
        moved = questions - self.strength * (weights[..., None] * self._answers[answers]).sum(1)
        return moved.to(input.dtype)


def mystery_models(split: Split) -> dict[str, Callable[[Tensor], Tensor]]:
    """Letter → predict of a model fitted on the training items. Which one is honest is for the reader to find out.

    Args:
        split: whose training items are used; inputs and targets equally wide.

    Example:
        >>> from cubelib import DialogueDataset
        >>> from cubelib.data.splits import leak_free_split
        >>> vectors = torch.randn(100, 8, generator=torch.Generator().manual_seed(0))
        >>> suspects = mystery_models(leak_free_split(DialogueDataset(vectors, vectors.flip(1)), 0.2, 0.2, near_copy=1))
        >>> [(letter, tuple(predict(vectors[:3]).shape)) for letter, predict in suspects.items()]
        [('A', (3, 8)), ('B', (3, 8)), ('C', (3, 8)), ('D', (3, 8))]
    """
    models = zip("ABCD", (Memorizer(), Procrustes(), NoisyInput(), MeanTarget()), strict=True)
    return {letter: model.fit(split.train.input, split.train.target).predict for letter, model in models}


def _noise(vectors: Tensor, length: float, seed: int) -> Tensor:
    noise = torch.randn(vectors.shape, generator=torch.Generator().manual_seed(seed))
    lengths: Tensor = length * torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    return lengths * noise / math.sqrt(vectors.shape[1])


def _key(vector: Tensor) -> bytes:
    return (vector + 0.0).contiguous().numpy().tobytes()  # −0.0 becomes 0.0
