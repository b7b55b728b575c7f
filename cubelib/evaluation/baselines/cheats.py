"""Models that cheat, each by fooling a figure, and what shows it. For teaching, and for tests of the metrics.

    cheat                       fools                          shown by
    MeanTarget                  the cosine                     retrieval, structure: all outputs are one point
    Memorizer                   everything on training items   held-out items: there it is no model at all
    Leak                        everything on test items       fresh items, and inputs moved a little

The first is a baseline as well and stands with them. Taught in notebook 06.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cubelib.evaluation.baselines.base import Baseline, Score, Vectors


class Memorizer(Baseline):
    """Knows every training pair by heart and hands anything else on unchanged.

    On training items all figures are perfect. On held-out items they are those of no model, item by item: a paired test
    finds a difference of exactly 0. A gap between training and held-out figures shows it, and nothing else does.

    Example:
        >>> model = Memorizer().fit(torch.eye(2), torch.eye(2).flip(0))
        >>> model.predict(torch.tensor([[1.0, 0.0], [0.9, 0.1]]))
        tensor([[0.0000, 1.0000],
                [0.9000, 0.1000]])
    """

    name = "memorizer of training pairs"

    def _fit(self, input: Vectors, target: Vectors, validation: object, score: Score) -> None:
        self._answers = self._learn(target[:].float())
        self._places = {_key(row): place for place, row in reversed(list(enumerate(input[:].float())))}

    def _learn(self, answers: Tensor) -> Tensor:
        return answers

    def _predict(self, input: Tensor) -> Tensor:
        output = input.clone()
        for row, vector in enumerate(input.float()):
            place = self._places.get(_key(vector))
            if place is not None:
                output[row] = self._answers[place]
        return output

    @property
    def parameter_count(self) -> int:
        return 2 * self._answers.numel()


class Leak(Memorizer):
    """Has seen the test items, and adds noise to their answers so that the figures look earned.

    Fit it on the test items themselves: what happens where a split is made after fitting, or copies stand on both
    sides. All figures of that test set are high, with narrow intervals and small p-values; no metric of outputs and
    targets can tell. Two things can: fresh items, where it falls back to no model, and the same items with their
    inputs moved by a thousandth, which costs an honest model next to nothing and this one everything.

    Args:
        noise: length of the noise beside that of the answer.
        seed: for the noise.
    """

    name = "leak of the test answers"

    def __init__(self, noise: float = 0.5, seed: int = 0) -> None:
        self.noise, self.seed = noise, seed

    def _learn(self, answers: Tensor) -> Tensor:
        noise = torch.randn(answers.shape, generator=torch.Generator().manual_seed(self.seed))
        return answers + self.noise * answers.norm(dim=1, keepdim=True) * noise / answers.shape[1] ** 0.5


def _key(vector: Tensor) -> bytes:
    return (vector + 0.0).contiguous().numpy().tobytes()  # −0.0 becomes 0.0
