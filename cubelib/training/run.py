"""A run: the loop over epochs with everything around it: validation, the best weights, reasons to stop, saved states.

Taught in notebook 04.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from cubelib.data.datasets import EmbeddingDataset
from cubelib.errors import CheckpointError, DataError
from cubelib.lattice import random_damage
from cubelib.training.checkpoint import STATE, Checkpoint, check_shapes, provenance
from cubelib.training.checkpoint_manager import CheckpointManager, states_of
from cubelib.training.early_stopping import EarlyStopping
from cubelib.training.engine import Engine
from cubelib.training.loop import EpochLog, Loop
from cubelib.training.optimizers import load_optimizer_tensors, optimizer_tensors

if TYPE_CHECKING:
    from cubelib.training.trainer import CubeTrainer

PRIMARY_METRICS = {
    "autoencoder": "cosine_similarity",
    "dialogue": "mrr",
}  # the figure that epochs and reports are judged by
LESIONS = 4  # masks of dead cells that a cube with cell_damage is judged with


def shown(row: EpochLog) -> dict[str, str]:
    """The validation figures that decide, for a line of progress.

    Example:
        >>> shown({"epoch": 1, "score": 0.5, "dialogue_cosine_similarity": 0.4, "dialogue_mrr": 0.5})
        {'validation MRR': '0.5000'}
    """
    labels = {"autoencoder": "validation cosine", "dialogue": "validation MRR"}
    return {labels[t]: f"{row[f'{t}_{name}']:.4f}" for t, name in PRIMARY_METRICS.items() if f"{t}_{name}" in row}


class Run:
    """Training of one cube on one set of data, from its first epoch or from a saved state.

    Args:
        trainer: whose core is trained, in place.
        train: task → dataset.
        validation: task → dataset; chooses the best epoch.
        resumed: a state to go on from.

    Raises:
        CheckpointError: the data are not those that the state was trained on.
        DataError: the processes have different data.
    """

    def __init__(
        self,
        trainer: CubeTrainer,
        train: Mapping[str, EmbeddingDataset],
        validation: Mapping[str, EmbeddingDataset],
        resumed: Checkpoint | None = None,
    ) -> None:
        self._trainer, self._validation, config = trainer, validation, trainer.config
        self._core, self._resumed = trainer.embedding_processor, resumed is not None
        self.engine = Engine(trainer.device, config.precision)
        losses = {task: config.make_loss(task) for task in train}
        self.trained_on = {task: dataset.fingerprint() for task, dataset in train.items()}
        if self.engine.sums({"differ": self.engine.agreed(self.trained_on) != self.trained_on})["differ"]:
            raise DataError(
                "CubeTrainer.fit: the processes have different training items. Give all machines the same files."
            )
        if resumed is not None and resumed.trained_on != self.trained_on:
            raise CheckpointError(
                "CubeTrainer.fit: the run to go on with was trained on other items. Put the data back as they were, or "
                "train anew."
            )
        self.loop = Loop(config, self._core, trainer.embedding_reshaper, train, losses, self.engine)
        self.keeper: CheckpointManager | None = None
        self._seconds_before, self._began = 0.0, time.perf_counter()
        if resumed is None:
            self.history = [self._judged(0, self.loop.no_losses)]
            self.best_weights = self._copy()
        else:
            if resumed.history[-1]["epoch"]:  # before the first step it remembers nothing
                load_optimizer_tensors(self.loop.optimizer, self.loop.names, resumed.optimizer or {})
            check_shapes(resumed.best or {}, self._core.state_dict(), "(the best weights)")
            self.history, self.best_weights = list(resumed.history), dict(resumed.best or {})
            self._seconds_before = resumed.seconds or 0.0
        self.stop_reason = self._reason_to_stop()

    @property
    def best(self) -> EpochLog:
        """The row of the best epoch so far, the earliest of equals."""
        return max(self.history, key=lambda row: row["score"])

    @property
    def seconds(self) -> float:
        """Spent on training so far, before an interruption too."""
        return self._seconds_before + time.perf_counter() - self._began

    def epoch(self, after_batch: Callable[[EpochLog], None] | None = None) -> EpochLog | None:
        """Trains and judges the next epoch; its row of the history, or None where it was stopped in the middle."""
        number = self.history[-1]["epoch"] + 1
        losses = self.loop.epoch(number, after_batch)
        if self.loop.stopped:
            self.stop_reason = f"stopped in epoch {number}"
            return None
        row = self._judged(number, losses)
        self.history.append(row)
        if row is self.best:
            self.best_weights = self._copy()
        self.stop_reason = self._reason_to_stop()
        return row

    def epochs_left(self) -> range:
        """The epochs that are still to be trained."""
        return range(self.history[-1]["epoch"] + 1, self._trainer.config.epochs + 1)

    def keep(self, folder: str | Path) -> None:
        """From now on saves states in a folder; the one that there is now at once.

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
        later = [state.name for state in states_of(folder) if not self._resumed or int(state.name) > epoch]
        if later:
            raise CheckpointError(
                f"Saving the run in {folder}: it holds epochs of another run ({', '.join(later)}). Choose a new "
                "folder, or go on with that run (CubeTrainer.resume, or train --resume)."
            )
        tensors = [*self._trainer.tensors().values(), *self.best_weights.values()]
        memory = 2 * sum(parameter.nbytes for parameter in self.loop.parameters)  # Adam's
        size = memory + sum(tensor.nbytes for tensor in tensors)
        self.keeper = CheckpointManager(folder, self._trainer.config.keep_checkpoints, size)
        self.save()

    def save(self) -> None:
        """Saves the state after the latest epoch and the best cube so far, where a folder was given."""
        if self.keeper is not None:
            self.keeper.save_best(self._best_cube())
            self.keeper.save_state(self._state())

    def close(self) -> None:
        """Puts the best weights in place, saves them where a folder was given, and gives the core back."""
        self.loop.close()
        self._core.load_state_dict(self.best_weights)
        if self.keeper is not None:
            self.keeper.save_best(self._best_cube())

    def _state(self) -> Checkpoint:
        optimizer = optimizer_tensors(self.loop.optimizer, self.loop.names)
        return self._checkpoint(self._trainer.tensors(), optimizer=optimizer, best=self.best_weights)

    def _best_cube(self) -> Checkpoint:
        core = {f"core.{name}": tensor for name, tensor in self.best_weights.items()}
        return self._checkpoint({**self._trainer.tensors(), **core})

    def _checkpoint(self, tensors: dict[str, Tensor], **more: Any) -> Checkpoint:
        where = {"device": str(self.engine.device), "processes": self.engine.processes}
        return Checkpoint(
            tensors,
            self._trainer.config.to_dict(),
            self.history,
            self.trained_on,
            self.seconds,
            self.stop_reason,
            provenance={**provenance(), **where},
            **more,
        )

    def _judged(self, epoch: int, losses: EpochLog) -> EpochLog:
        figures = {task: self._trainer.evaluate(dataset) for task, dataset in self._validation.items()}
        named = {f"{task}_{name}": value for task, found in figures.items() for name, value in found.items()}
        scores = [figures[task][PRIMARY_METRICS[task]] for task in figures]
        if self._core.cell_damage:  # who trains for damage wants the epoch that withstands it best
            masks = [
                random_damage(self._core.lattice_size, self._core.cell_damage, seed=seed) for seed in range(LESIONS)
            ]
            scores = [
                self._trainer.evaluate(dataset, damage=mask)[PRIMARY_METRICS[task]]
                for task, dataset in self._validation.items()
                for mask in masks
            ]
        row = {"epoch": epoch, **losses, "score": sum(scores) / len(scores), **named}
        return self.engine.agreed(row)

    def _reason_to_stop(self) -> str | None:
        """Follows from the history alone, so that a resumed run stops where the other would have."""
        config, first, last = self._trainer.config, self.history[0], self.history[-1]
        if config.stop_at_target:
            cosines = [last[f"{task}_cosine_similarity"] for task in self._validation]
            if min(cosines) >= config.target_similarity:
                return f"target_similarity: the validation cosine reached {config.target_similarity:g}"
        convergence = EarlyStopping(config.convergence_threshold, config.patience, first["score"])
        for row in self.history[1:]:
            if convergence.update(row["score"]):
                return convergence.reason
        return f"epochs: all {config.epochs} are trained" if last["epoch"] >= config.epochs else None

    def _copy(self) -> dict[str, Tensor]:
        return {name: tensor.detach().clone() for name, tensor in self._core.state_dict().items()}
