"""A run: epochs, validation, the best weights, reasons to stop, saved states."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from cubelib.data.datasets import EmbeddingDataset
from cubelib.errors import CheckpointError, DataError
from cubelib.lattice import random_damage
from cubelib.training.checkpoint import (
    STATE,
    Checkpoint,
    CheckpointManager,
    check_tensors,
    provenance,
    saved_states,
)
from cubelib.training.cube import Cube
from cubelib.training.early_stopping import EarlyStopping
from cubelib.training.engine import Engine
from cubelib.training.loop import EpochLog, Loop
from cubelib.training.optimizers import load_optimizer_tensors, optimizer_tensors

PRIMARY_METRICS = {"autoencoder": "cosine_similarity", "dialogue": "mrr"}  # epochs and reports are judged by these
PROGRESS_LABELS = {"autoencoder": "validation cosine", "dialogue": "validation MRR"}
LESIONS = 4  # masks of dead cells that a cube with cell_damage is judged with


def progress_metrics(log: Mapping[str, Any]) -> dict[str, str]:
    """The primary validation metrics of an epoch, for a line of progress.

    Example:
        >>> progress_metrics({"epoch": 1, "score": 0.5, "dialogue_cosine_similarity": 0.4, "dialogue_mrr": 0.5})
        {'validation MRR': '0.5000'}
    """
    metrics = {}
    for task, metric in PRIMARY_METRICS.items():
        if f"{task}_{metric}" in log:
            metrics[PROGRESS_LABELS[task]] = f"{log[f'{task}_{metric}']:.4f}"
    return metrics


class Run:
    """Training of one cube on one set of data, from its first epoch or from a saved state.

    Args:
        cube: what is trained, in place.
        train: task → dataset.
        validation: task → dataset; chooses the best epoch.
        resumed: a state to go on from.

    Attributes:
        history: a log of each epoch; number 0 is the untrained cube.
        best_weights: the core's, after the best epoch.
        stop_reason: None while there is something left to train.

    Raises:
        CheckpointError: the state was trained on other data.
        DataError: the processes have different data.
    """

    def __init__(
        self,
        cube: Cube,
        train: Mapping[str, EmbeddingDataset],
        validation: Mapping[str, EmbeddingDataset],
        resumed: Checkpoint | None = None,
    ) -> None:
        self._cube, self._validation, self._resumed = cube, validation, resumed is not None
        self.engine = Engine(cube.device, cube.config.precision)
        self.trained_on = {task: dataset.fingerprint() for task, dataset in train.items()}
        if self.engine.sums({"differ": self.engine.broadcast(self.trained_on) != self.trained_on})["differ"]:
            raise DataError(
                "CubeTrainer.fit: the processes have different training items. Give all machines the same files."
            )
        if resumed is not None and resumed.trained_on != self.trained_on:
            raise CheckpointError(
                "CubeTrainer.fit: the run to resume was trained on other items. Restore the data, or train anew."
            )
        self.loop = Loop(cube, train, self.engine)
        self.checkpoints: CheckpointManager | None = None
        self._seconds_before, self._began = 0.0, time.perf_counter()
        if resumed is None:
            self.history = [self._judged(0, self.loop.no_losses)]
            self.best_weights = self._core_weights()
        else:
            if resumed.history[-1]["epoch"]:  # before the first step an optimizer has no memory
                load_optimizer_tensors(self.loop.optimizer, self.loop.names, resumed.optimizer or {})
            check_tensors(resumed.best or {}, cube.core.state_dict(), "(the best weights)")
            self.history, self.best_weights = list(resumed.history), dict(resumed.best or {})
            self._seconds_before = resumed.seconds or 0.0
        self.stop_reason = self._reason_to_stop()

    @property
    def best(self) -> EpochLog:
        """The log of the best epoch so far; the earliest of several."""
        return max(self.history, key=lambda log: log["score"])

    @property
    def seconds(self) -> float:
        """Training time so far, including the time before an interruption."""
        return self._seconds_before + time.perf_counter() - self._began

    @property
    def steps_left(self) -> int:
        """Steps of the optimizer until all epochs are trained."""
        remaining = range(self.history[-1]["epoch"] + 1, self._cube.config.epochs + 1)
        return sum(self.loop.schedule.step_count(epoch) for epoch in remaining)

    def epoch(self, on_step: Callable[[EpochLog], None] | None = None) -> EpochLog | None:
        """Trains and judges the next epoch; its log, or None if it was stopped midway."""
        number = self.history[-1]["epoch"] + 1
        losses = self.loop.epoch(number, on_step)
        if self.loop.stopped:
            self.stop_reason = f"stopped in epoch {number}"
            return None
        try:
            log = self._judged(number, losses)
        except FloatingPointError as error:
            raise FloatingPointError(f"its last batch: {error}") from None
        self.history.append(log)
        if log is self.best:
            self.best_weights = self._core_weights()
        self.stop_reason = self._reason_to_stop()
        return log

    def keep(self, folder: str | Path) -> None:
        """From now on saves states in a folder, the present one at once.

        Raises:
            CheckpointError: the folder cannot be written, its disk has no room, or it holds another run.
        """
        if not self.engine.is_main:
            return
        if (Path(folder) / STATE).exists():
            raise CheckpointError(
                f"Saving the run in {folder}: that is a checkpoint, not the folder of a run. Choose another folder."
            )
        epoch = self.history[-1]["epoch"]
        foreign = [state.name for state in saved_states(folder) if not self._resumed or int(state.name) > epoch]
        if foreign:
            raise CheckpointError(
                f"Saving the run in {folder}: it holds epochs of another run ({', '.join(foreign)}). Choose a new "
                "folder, or go on with that run (CubeTrainer.resume, or train --resume)."
            )
        tensors = [*self._cube.state_dict().values(), *self.best_weights.values()]
        moments = 2 * sum(parameter.nbytes for parameter in self.loop.parameters)  # Adam's
        self.checkpoints = CheckpointManager(folder, moments + sum(tensor.nbytes for tensor in tensors))
        self.save()

    def save(self) -> None:
        """Saves the state after the latest epoch and the best cube so far, if a folder was given."""
        if self.checkpoints is not None:
            self.checkpoints.save_best(self._best_cube())
            memory = optimizer_tensors(self.loop.optimizer, self.loop.names)
            self.checkpoints.save_state(
                self._checkpoint(self._cube.state_dict(), optimizer=memory, best=self.best_weights)
            )

    def close(self) -> None:
        """Puts the best weights in place, saves them if a folder was given, and gives the core back."""
        self.loop.close()
        self._cube.core.load_state_dict(self.best_weights)
        if self.checkpoints is not None:
            self.checkpoints.save_best(self._best_cube())
            self.checkpoints.close()

    def _best_cube(self) -> Checkpoint:
        core = {f"core.{name}": tensor for name, tensor in self.best_weights.items()}
        return self._checkpoint({**self._cube.state_dict(), **core})

    def _checkpoint(self, tensors: dict[str, Tensor], **state: Any) -> Checkpoint:
        where = {"device": str(self.engine.device), "processes": self.engine.processes}
        prompts = dict(self._cube.encoder.prompts)
        return Checkpoint(
            tensors,
            self._cube.config.to_dict(),
            self.history,
            self.trained_on,
            self.seconds,
            self.stop_reason,
            provenance={**provenance(), **where, "prompts": prompts},
            **state,
        )

    def _judged(self, epoch: int, losses: EpochLog) -> EpochLog:
        """The log of an epoch: its losses, the score that epochs are compared by, and all validation metrics."""
        core = self._cube.core
        log: EpochLog = {"epoch": epoch, **losses, "score": 0.0}
        scores = []
        for task, dataset in self._validation.items():
            metrics = self._cube.evaluate(dataset)
            log.update({f"{task}_{name}": value for name, value in metrics.items()})
            if not core.cell_damage:
                scores.append(metrics[PRIMARY_METRICS[task]])
                continue
            for seed in range(LESIONS):  # who trains for damage wants the epoch that withstands it best
                mask = random_damage(core.lattice_size, core.cell_damage, seed=seed)
                scores.append(self._cube.evaluate(dataset, damage=mask)[PRIMARY_METRICS[task]])
        log["score"] = sum(scores) / len(scores)
        agreed: EpochLog = self.engine.broadcast(log)
        return agreed

    def _reason_to_stop(self) -> str | None:
        """Follows from the history alone, so that a resumed run stops where the other would have."""
        config, last = self._cube.config, self.history[-1]
        if config.stop_at_target:
            cosines = [last[f"{task}_cosine_similarity"] for task in self._validation]
            if min(cosines) >= config.target_similarity:
                return f"target_similarity: the validation cosine reached {config.target_similarity:g}"
        stopping = EarlyStopping(config.convergence_threshold, config.patience, self.history[0]["score"])
        for log in self.history[1:]:
            if stopping.update(log["score"]):
                return stopping.reason
        return f"epochs: all {config.epochs} are trained" if last["epoch"] >= config.epochs else None

    def _core_weights(self) -> dict[str, Tensor]:
        return {name: tensor.detach().clone() for name, tensor in self._cube.core.state_dict().items()}
