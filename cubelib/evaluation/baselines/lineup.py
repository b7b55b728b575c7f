"""Models for sale: four that translate vectors, one honest and three that cheat, under letters. For teaching.

Taught in notebook 06.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from cubelib.data.datasets import Split
from cubelib.evaluation.baselines.base import Baseline, Score, Vectors
from cubelib.evaluation.baselines.cheats import Memorizer
from cubelib.evaluation.baselines.linear import Procrustes
from cubelib.evaluation.baselines.plain import MeanTarget


class NoisyInput(Baseline):
    """Hands its input on with a little noise, so that it does not look like a copy.

    Beside its input its outputs have a cosine near 1, and all figures of structure are those of the input. It has
    learned nothing: a paired test against no model shows it.

    Args:
        noise: length of the noise beside that of the input.
        seed: for the noise.

    Example:
        >>> output = NoisyInput(noise=0.05).fit(torch.eye(64), torch.eye(64)).predict(torch.eye(64))
        >>> round(torch.nn.functional.cosine_similarity(output, torch.eye(64)).mean().item(), 3)
        0.999
    """

    name = "input with noise"
    parameter_count = 0

    def __init__(self, noise: float = 0.05, seed: int = 0) -> None:
        self.noise, self.seed = noise, seed

    def _fit(self, input: Vectors, target: Vectors, validation: object, score: Score) -> None:
        pass

    def _predict(self, input: Tensor) -> Tensor:
        noise = torch.randn(input.shape, generator=torch.Generator().manual_seed(self.seed))
        return input + self.noise * input.norm(dim=1, keepdim=True) * noise / input.shape[1] ** 0.5


def lineup(split: Split) -> dict[str, Callable[[Tensor], Tensor]]:
    """Letter → predict of a model fitted on the training items. Who is who is for the reader to find out.

    Args:
        split: whose training items are used; inputs and targets equally wide.

    Example:
        >>> from cubelib import DialogueDataset
        >>> from cubelib.data.datasets import leak_free_split
        >>> vectors = torch.randn(100, 8, generator=torch.Generator().manual_seed(0))
        >>> suspects = lineup(leak_free_split(DialogueDataset(vectors, vectors.flip(1)), 0.2, 0.2, near_copy=1))
        >>> [(letter, tuple(predict(vectors[:3]).shape)) for letter, predict in suspects.items()]
        [('A', (3, 8)), ('B', (3, 8)), ('C', (3, 8)), ('D', (3, 8))]
    """
    models = zip("ABCD", (Memorizer(), Procrustes(), NoisyInput(), MeanTarget()), strict=True)
    return {letter: model.fit(split.train.input, split.train.target).predict for letter, model in models}
