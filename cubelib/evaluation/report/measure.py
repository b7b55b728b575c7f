"""Bench: the items and answers that every model of a report is measured on, block by block.

Of a model's outputs only those for a sample are kept; of the others only their figures. So the memory needed does not
grow with the outputs, and the vectors may stay in files.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from cubelib.data.datasets import Split
from cubelib.errors import DataError
from cubelib.evaluation.report.bank import RelevantAnswers
from cubelib.metrics import EmbeddingMetrics

Predict = Callable[[Tensor], Tensor]

ROWS = 8192  # test items predicted and measured at a time: 25 MB of 768 numbers
SAMPLE = 500  # items that who is near whom, hubs and the training items' figure are measured on
SEED = 0  # for the samples: the same items whatever the seed of the run


class Bench:
    """What the models of one task are measured on.

    Args:
        task: autoencoder or dialogue.
        split: the items.
        target: cosine to reach.

    Attributes:
        sample: which test items outputs are kept of, ascending.
        training: which training items overfitting is looked for on, as many as the sample at most.
        bank: the answers, of a dialogue.
    """

    def __init__(self, task: str, split: Split, target: float) -> None:
        self.split, self.target = split, target
        self.sample = draw(len(split.test), SAMPLE)
        self.training = draw(len(split.train), min(len(split.test), SAMPLE))
        self.bank: RelevantAnswers | None = None
        if task == "dialogue":
            tests = len(split.test)
            self.bank = RelevantAnswers(
                split, np.concatenate([np.arange(tests), tests + len(split.validation) + self.training])
            )

    def outputs(self, name: str, predict: Predict) -> Tensor:
        """A model's outputs for the sample, `(k, dim)`.

        Raises:
            DataError: they do not fit the targets; the message names the model.
        """
        chosen = torch.from_numpy(self.sample)
        output, wanted = predict(self.split.test.input[chosen]), (len(chosen), self.split.test.dim)
        if tuple(output.shape) != wanted:
            raise DataError(f"Measuring {name}: its outputs must be {wanted}; got {tuple(output.shape)}.")
        return output

    def measure(self, name: str, predict: Predict) -> dict[str, Tensor]:
        """A model's figures on the test items, each `(n,)`.

        Args:
            name: of the model.
            predict: `(n, dim)` → `(n, dim)`.

        Raises:
            DataError: the outputs cannot be measured; the message names the model.
        """
        test, parts = self.split.test, []
        try:
            for start in range(0, len(test), ROWS):
                rows = slice(start, start + ROWS)
                parts.append(self._figures(predict(test.input[rows]), test.target[rows], start))
        except DataError as error:
            raise DataError(f"Measuring {name}: {error}") from None
        return {figure: torch.cat([part[figure] for part in parts]) for figure in parts[0]}

    def on_training(self, predict: Predict) -> Tensor:
        """The primary metric on some training items, `(k,)`: what a model shows on what it has seen."""
        train, chosen = self.split.train, torch.from_numpy(self.training)
        figures = self._figures(predict(train.input[chosen]), train.target[chosen], len(self.split.test))
        return figures["cosine_similarity" if self.bank is None else "mrr"]

    def _figures(self, output: Tensor, target: Tensor, start: int) -> dict[str, Tensor]:
        """Of some items, the first of which is number `start` of those that the bank knows the right answers of."""
        cosine = EmbeddingMetrics.cosine_per_item(output, target)
        if self.bank is None:
            return {"cosine_similarity": cosine, "at_target": (cosine >= self.target).double()}
        found = EmbeddingMetrics.retrieval(output, self.bank.vectors, self.bank.right[start : start + len(output)])
        hits = {f"r@{k}": found.hit(k) for k in (1, 5, 10)}
        return {"mrr": found.reciprocal_rank, **hits, "ndcg@10": found.ndcg(10), "cosine_similarity": cosine}


def draw(count: int, most: int) -> np.ndarray:
    """Which of `count` items to look at, ascending: all of them, or `most` drawn at random.

    Example:
        >>> draw(3, 5), len(set(draw(1000, 5).tolist()))
        (array([0, 1, 2]), 5)
    """
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(SEED).choice(count, most, replace=False))


def same(one: Tensor, other: Tensor) -> bool:
    """Whether two models' outputs are equal but for rounding, beside the length of the outputs.

    Example:
        >>> same(torch.eye(2), torch.eye(2) + 1e-7), same(torch.eye(2), 1.001 * torch.eye(2))
        (True, False)
    """
    apart = (one - other).norm(dim=1).max()
    return bool(apart <= 1e-5 * other.norm(dim=1).mean())
