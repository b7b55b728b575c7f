"""The loop: batch → cube → loss → gradients → step. Everything else in this room serves these lines."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from cubelib.data.datasets import EmbeddingDataset
from cubelib.lattice import CubicCore
from cubelib.training.batches import Batch, BatchSchedule, derived_seed
from cubelib.training.cube import Cube
from cubelib.training.engine import Engine
from cubelib.training.optimizers import make_optimizer, rate_factor

EpochLog = dict[str, Any]  # what is logged of an epoch, or of a step


class Loop:
    """Trains a cube epoch by epoch, in place.

    Args:
        cube: what is trained; its configuration says how.
        train: task → dataset.
        engine: where it is computed.
    """

    def __init__(self, cube: Cube, train: Mapping[str, EmbeddingDataset], engine: Engine) -> None:
        self.cube, self.config, self.core = cube, cube.config, cube.core
        self.train, self.engine = train, engine
        self.losses = {task: self.config.make_loss(task) for task in train}
        self.schedule = BatchSchedule(self.config, {task: len(dataset) for task, dataset in train.items()})
        trained = {name: weight for name, weight in self.core.named_parameters() if weight.requires_grad}
        self.names, self.parameters = list(trained), list(trained.values())
        self.optimizer = make_optimizer(self.config, self.parameters)
        self._model, self._optimizer = engine.prepare(self.core, self.optimizer)
        self.stopped = False  # asked to stop after the current step

    def epoch(self, epoch: int, on_step: Callable[[EpochLog], None] | None = None) -> EpochLog:
        """Trains one epoch.

        Args:
            epoch: its number, from 1.
            on_step: called with a log of each step of the optimizer.

        Returns:
            The mean loss over the epoch's steps; in mixed mode also each task's.

        Raises:
            FloatingPointError: the loss or the cube's output is no longer a number; the step is not made. The message
                begins with the batch and a colon.
        """
        weights, count = self.schedule.weights(epoch), self.schedule.step_count(epoch)
        first, total_steps = self.schedule.steps_before(epoch), self.schedule.steps_before(self.config.epochs + 1)
        batches, sums = self.schedule.batches(epoch), Counter[str]()
        seed = derived_seed(self.config.random_seed, epoch)
        with _training(self.core, torch.Generator(self.engine.device).manual_seed(seed)):
            for number in range(1, count + 1):
                rate = self.config.learning_rate * rate_factor(self.config, first + number - 1, total_steps)
                try:
                    losses = self._step(list(islice(batches, self.schedule.accumulation)), weights, rate)
                    if not math.isfinite(losses["loss"]):
                        raise FloatingPointError(f"the loss became {losses['loss']}.")
                except FloatingPointError as error:
                    raise FloatingPointError(f"batch {number} of {count}: {error}") from None
                sums.update(losses)
                if on_step is not None:
                    log = {"epoch": epoch, "batch": number, "batches": count, "learning_rate": rate}
                    on_step({**log, **self._logged(losses)})
                if sums["stopped"] or (self.stopped and self.engine.processes == 1):
                    self.stopped = True
                    break
        return self._logged({name: total / count for name, total in sums.items()})

    def _step(self, batches: list[Batch], weights: Mapping[str, float], rate: float) -> dict[str, float]:
        """One step of the optimizer on one or several batches; the losses, and whether a process was asked to stop."""
        sums = Counter[str](stopped=self.stopped)
        step_rows = {task: torch.cat([batch[task] for batch in batches]) for task in weights}
        self._optimizer.zero_grad()
        for number, batch in enumerate(batches, start=1):
            with nullcontext() if number == len(batches) else self.engine.no_sync(self._model):
                losses = {task: self._loss(task, rows, step_rows[task]) for task, rows in batch.items()}
                loss = torch.stack([weights[task] * loss for task, loss in losses.items()]).sum()
                self.engine.backward(loss)
            sums.update(loss=loss.item(), **{task: loss.item() for task, loss in losses.items()})  # type: ignore[arg-type]
        totals = self.engine.sums(sums)  # the one message between the processes besides the gradients
        if math.isfinite(totals["loss"]):
            if self.config.gradient_clipping is not None:
                self.engine.clip(self.parameters, self.config.gradient_clipping)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self._optimizer.step()
        return totals

    def _loss(self, task: str, rows: Tensor, step_rows: Tensor) -> Tensor:
        """This process's part of the loss of a batch; all parts of all batches add up to the loss of the step.

        Args:
            task: autoencoder or dialogue.
            rows: indices of the batch's items.
            step_rows: indices of the whole step's items, whose targets and hard negatives are the negatives of a
                contrastive loss.
        """
        dataset, shard = self.train[task], self.engine.shard
        weight = len(rows[shard]) / len(step_rows)
        if not weight:  # a process without items must still take part, with an item that counts for nothing
            shard = slice(0, 1)
        items = dataset.__getitems__(rows[shard].tolist())
        self.core.batch_shard = shard, len(rows)
        output = self.cube.unfold(self._model(self.cube.fold(items["input"].to(self.engine.device))))
        target = items["target"].to(output.device)
        negatives, bank = dataset.negatives_of(step_rows), None
        if len(target) < len(step_rows) or negatives is not None:
            bank = dataset.target[step_rows].to(output.device)
        if bank is not None and negatives is not None:
            bank = torch.cat([bank, negatives[:].to(output.device)])
        return weight * self.losses[task](output, target, bank=bank)

    def _logged(self, losses: Mapping[str, float]) -> EpochLog:
        """The losses under their names in the history; None for a task that was not trained."""
        log: EpochLog = {"loss": losses.get("loss")}
        if len(self.train) > 1:
            log |= {f"{task}_loss": losses.get(task) for task in self.train}
        return log

    @property
    def no_losses(self) -> EpochLog:
        """Those of the untrained cube, which nobody has measured."""
        return self._logged({})

    def close(self) -> None:
        """Gives the core back as it was, with its new weights."""
        self.engine.release(self._model)


@contextmanager
def _training(core: CubicCore, generator: torch.Generator) -> Iterator[None]:
    """The core in training, drawing from a generator of its own: no other random number in the process changes."""
    core.train()
    core.generator = generator
    try:
        yield
    finally:
        core.eval()
        core.batch_shard = core.generator = None
