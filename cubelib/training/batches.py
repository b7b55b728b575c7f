"""What every batch of an epoch holds, and how much each task counts.

All of it follows from the seed, the number of the epoch and the sizes of the data. So nothing about it has to be saved:
a run that is resumed after an epoch sees the same batches as one that was never interrupted, and every process of a
distributed run can work out the whole batch of which it takes its share.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from cubelib.training.config import TrainingConfig

Batch = dict[str, Tensor]  # task → indices of its items
MOST_ADDED_UP = LEAST_STEPS = 8  # of the batches of a dialogue: in a step, and of steps in an epoch


def derived_seed(seed: int, *path: int) -> int:
    """A seed for one part of a run, unrelated to those of the other parts.

    Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3, 2011 (through NumPy's SeedSequence).

    Example:
        >>> derived_seed(0, 1) == derived_seed(0, 1), derived_seed(0, 1) == derived_seed(0, 2)
        (True, False)
    """
    return int(np.random.SeedSequence(seed, spawn_key=path).generate_state(1, np.uint64)[0] >> 1)


def shuffled(items: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Batches of indices without end: every item once in a random order, then all again in another.

    Args:
        items: how many there are.
        size: indices in a batch; the last batch of each round may have fewer.
        generator: decides the orders.

    Example:
        >>> batches = shuffled(3, 2, torch.Generator())
        >>> [len(next(batches)) for _ in range(5)]
        [2, 1, 2, 1, 2]
    """
    while True:
        yield from torch.randperm(items, generator=generator).split(size)


class BatchSchedule:
    """The batches of every epoch.

    In mixed mode `mixed.plan` says how the tasks share the epochs:

        weighted      both in every batch; the loss is the weighted sum
        alternating   an epoch trains one task; over the epochs the autoencoder gets its weight's share of them
        curriculum    both in every batch; the autoencoder's weight falls evenly from 1 in the first epoch to 0 in the
                      last

    An epoch with both tasks goes once through the longer data; the shorter start again in another order.

    Args:
        config: batch_size, gradient_accumulation, epochs, random_seed and the block `mixed`.
        sizes: task → number of training items.

    Example:
        >>> config = TrainingConfig(mode="mixed", batch_size=4, epochs=10, mixed={"plan": "alternating"})
        >>> plan = BatchSchedule(config, {"autoencoder": 20, "dialogue": 10})
        >>> "".join("a" if "autoencoder" in plan.weights(epoch) else "d" for epoch in range(1, 11))
        'adaaadaada'
        >>> [plan.batch_count(epoch) for epoch in (1, 2)]                       # 20 / 4, and 10 / 4 rounded up
        [5, 3]
    """

    def __init__(self, config: TrainingConfig, sizes: Mapping[str, int]) -> None:
        self._config, self._sizes = config, dict(sizes)

    @property
    def accumulation(self) -> int:
        """Batches per step, with None resolved.

        Answers are told apart from those of the same step: with 256 at a time a cube gets ahead of no model, with 32 it
        does not (docs/dialogue.md).
        """
        if self._config.gradient_accumulation is not None:
            return self._config.gradient_accumulation
        if self._config.mode != "dialogue":
            return 1
        return min(MOST_ADDED_UP, max(1, self.batch_count(1) // LEAST_STEPS))

    def weights(self, epoch: int) -> dict[str, float]:
        """Task → weight of its loss in an epoch, counted from 1; a task that does not count is left out."""
        if len(self._sizes) == 1:
            return dict.fromkeys(self._sizes, 1.0)
        mixed, epochs = self._config.mixed, self._config.epochs
        share = mixed.autoencoder_weight
        if mixed.plan == "alternating":
            share = float(_times(share, epoch) > _times(share, epoch - 1))
        elif mixed.plan == "curriculum":
            share = 1.0 - (epoch - 1) / max(epochs - 1, 1)
        weights = {"autoencoder": share, "dialogue": 1.0 - share}
        return {task: weights[task] for task in self._sizes if weights[task] > 0}

    def batch_count(self, epoch: int) -> int:
        """Batches of an epoch."""
        return max(math.ceil(self._sizes[task] / self._config.batch_size) for task in self.weights(epoch))

    def batches(self, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch, each with the indices of every task that counts."""
        orders = {}
        for task in self.weights(epoch):
            seed = derived_seed(self._config.random_seed, epoch, list(self._sizes).index(task))
            generator = torch.Generator().manual_seed(seed)
            orders[task] = shuffled(self._sizes[task], self._config.batch_size, generator)
        for _ in range(self.batch_count(epoch)):
            yield {task: next(order) for task, order in orders.items()}

    def step_count(self, epoch: int) -> int:
        """Steps of the optimizer in an epoch: one for every `gradient_accumulation` batches."""
        return math.ceil(self.batch_count(epoch) / self.accumulation)

    def steps_before(self, epoch: int) -> int:
        """Steps of the optimizer in all epochs before this one."""
        return sum(self.step_count(earlier) for earlier in range(1, epoch))


def _times(share: float, epochs: int) -> int:
    # With room for rounding: 0.7 · 10 is a hair below 7.
    return math.floor(share * epochs + 0.5 + 1e-9)
