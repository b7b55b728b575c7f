"""The loop: batch → cube → loss → gradients → step. Everything else in this package serves these lines.

Taught in notebook 04.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cubelib.data.datasets import EmbeddingDataset
from cubelib.lattice import CubicCore
from cubelib.reshaper import EmbeddingReshaper
from cubelib.training.batches import Batch, BatchSchedule, derived_seed
from cubelib.training.config import TrainingConfig
from cubelib.training.engine import Engine
from cubelib.training.losses import Loss
from cubelib.training.optimizers import make_optimizer, normalize_gradients, rate_factor

EpochLog = dict[str, Any]


class Loop:
    """Epoch after epoch over the training data.

    Args:
        config: how to train.
        core: what is trained, in place.
        reshaper: folds vectors into cubes and back.
        train: task → dataset.
        losses: task → loss.
        engine: where it is computed.
    """

    def __init__(
        self,
        config: TrainingConfig,
        core: CubicCore,
        reshaper: EmbeddingReshaper,
        train: Mapping[str, EmbeddingDataset],
        losses: Mapping[str, Loss],
        engine: Engine,
    ) -> None:
        self.config, self.core, self.reshaper, self.train, self.losses = config, core, reshaper, train, losses
        self.engine = engine
        self.plan = BatchSchedule(config, {task: len(dataset) for task, dataset in train.items()})
        self.names, self.parameters = [], []
        for name, parameter in core.named_parameters():
            if parameter.requires_grad:
                self.names.append(name)
                self.parameters.append(parameter)
        self.optimizer = make_optimizer(config, self.parameters)
        self._model, self._optimizer = engine.prepare(core, self.optimizer)
        self.stopped = False  # asked to stop after the batch

    def epoch(self, epoch: int, after_batch: Callable[[EpochLog], None] | None = None) -> EpochLog:
        """Trains one epoch.

        Args:
            epoch: its number, from 1.
            after_batch: called with a row for each batch (each `gradient_accumulation` of them).

        Returns:
            The mean loss over the epoch's steps, in mixed mode also of each task.

        Raises:
            FloatingPointError: the loss or the cube's output is no longer a number; the step is not made.
        """
        weights, count = self.plan.weights(epoch), self.plan.update_count(epoch)
        before, updates = self.plan.updates_before(epoch), self.plan.updates_before(self.config.epochs + 1)
        batches, losses = self.plan.batches(epoch), Counter()
        with _seeded(derived_seed(self.config.random_seed, epoch), self.engine.device), _training(self.core):
            for number in range(1, count + 1):
                rate = self.config.learning_rate * rate_factor(self.config, before + number - 1, updates)
                found = self._update(list(islice(batches, self.config.gradient_accumulation)), weights, rate)
                if not math.isfinite(found["loss"]):
                    raise FloatingPointError(f"the loss became {found['loss']} at batch {number} of {count}.")
                losses.update(found)
                if after_batch is not None:
                    row = {"epoch": epoch, "batch": number, "batches": count, "learning_rate": rate}
                    after_batch({**row, **self._row(found)})
                if losses["stopped"] or (self.stopped and self.engine.processes == 1):
                    self.stopped = True
                    break
        return self._row({name: total / count for name, total in losses.items()})

    def _update(self, window: list[Batch], weights: Mapping[str, float], rate: float) -> dict[str, float]:
        """One step of the optimizer on one or several batches; the losses, and whether a process was asked to stop."""
        found = Counter(stopped=self.stopped)
        together = {task: torch.cat([batch[task] for batch in window]) for task in weights}
        self._optimizer.zero_grad()
        for position, batch in enumerate(window, start=1):
            with nullcontext() if position == len(window) else self.engine.no_exchange(self._model):
                losses = {task: self._loss(task, rows, together[task]) for task, rows in batch.items()}
                loss = sum(weights[task] * loss for task, loss in losses.items())
                self.engine.backward(loss)
            found.update(loss=loss.item(), **{task: loss.item() for task, loss in losses.items()})
        found = self.engine.sums(found)  # the one message between the processes beside the gradients
        if math.isfinite(found["loss"]):
            if self.config.gradient_normalization:
                normalize_gradients(self.parameters)
            if self.config.gradient_clipping is not None:
                self.engine.clip(self.parameters, self.config.gradient_clipping)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self._optimizer.step()
        return found

    def _loss(self, task: str, rows: Tensor, together: Tensor) -> Tensor:
        """This process's part of the loss of some rows; all parts of all rows of a step add up to the step's loss.

        Wrong answers come from the whole step, `together`: they are data, which every process has.
        """
        dataset, share = self.train[task], self.engine.share
        part = len(rows[share]) / len(together)
        if not part:  # with nothing to do it must still take part, with an item that counts for nothing
            share = slice(0, 1)
        items = dataset.__getitems__(rows[share].tolist())
        self.core.share = share, len(rows)
        output = self.reshaper.unfold(self._model(self.reshaper.fold(items["input"].to(self.engine.device))))
        target = items["target"].to(output.device)
        bank = None if len(target) == len(together) else dataset.target[together].to(output.device)
        return part * self.losses[task](output, target, bank=bank)

    def _row(self, losses: Mapping[str, float]) -> EpochLog:
        """The losses under the names of the history; None for a task that was not trained."""
        tasks = {f"{task}_loss": losses.get(task) for task in self.train} if len(self.train) > 1 else {}
        return {"loss": losses.get("loss"), **tasks}

    @property
    def no_losses(self) -> EpochLog:
        """Those of the untrained cube, which nobody has measured."""
        return self._row({})

    def close(self) -> None:
        """Gives the core back as it was, with its new weights."""
        self.engine.release(self._model)


@contextmanager
def _training(core: CubicCore) -> Iterator[None]:
    core.train()
    try:
        yield
    finally:
        core.eval()
        core.share = None


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Every source of chance begins at the seed; afterwards each goes on as if nothing had been."""
    python, array = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(array)
