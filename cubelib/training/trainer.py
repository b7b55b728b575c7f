"""CubeTrainer: teaches a cube a transformation of embeddings and keeps the best weights by validation.

Taught in notebooks 04 and 05.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from cubelib.data.datasets import EmbeddingDataset
from cubelib.data.progress import tqdm
from cubelib.data.vectors import blocks
from cubelib.errors import CheckpointError, ConfigError, DataError
from cubelib.metrics import EmbeddingMetrics
from cubelib.training.checkpoint import (
    BEST,
    Checkpoint,
    load_checkpoint,
    load_tensors,
    newest_state,
    provenance,
    save_checkpoint,
)
from cubelib.training.config import TrainingConfig
from cubelib.training.cube import Cube
from cubelib.training.loop import EpochLog
from cubelib.training.run import Run, progress_metrics
from cubelib.training.whitening import Whitening

Data = EmbeddingDataset | Mapping[str, EmbeddingDataset]  # mixed mode takes one dataset for each task
Hook = Callable[["CubeTrainer", EpochLog], None]


class CubeTrainer(Cube):
    """Builds, trains, judges, saves and loads a cube.

    Args:
        config: a TrainingConfig, a dict of its fields, or the path of a YAML file; None for the defaults.
        mode: overrides the configuration's mode.
        device: overrides the configuration's device.

    Attributes:
        training_history: a log of each epoch; number 0 is the untrained cube.
        stop_reason: why training ended; begins with the setting that ended it.
        seconds: training time.
        trained_on: task → fingerprint of the training items.

    Raises:
        ConfigError: the configuration cannot be used.

    Example:
        >>> import torch
        >>> trainer = CubeTrainer(config=TrainingConfig(mode="dialogue", lattice_size=[8, 8, 8]))
        >>> trainer.initialize_components()
        >>> trainer.get_info()["components_initialized"]
        True
        >>> vectors = torch.nn.functional.normalize(torch.randn(2, 768), dim=1)
        >>> bool((trainer.forward(vectors) - vectors).abs().max() < 1e-6)   # untrained, no bottleneck: the identity
        True
    """

    def __init__(
        self,
        config: TrainingConfig | Mapping[str, Any] | str | Path | None = None,
        *,
        mode: str | None = None,
        device: str | None = None,
    ) -> None:
        super().__init__(config, mode=mode, device=device)
        self.training_history: list[EpochLog] = []
        self.stop_reason: str | None = None
        self.seconds: float | None = None
        self.trained_on: dict[str, str] = {}
        self._run: Run | None = None
        self._resumed: Checkpoint | None = None  # a state that the next run goes on from

    def initialize_components(self) -> None:
        """Builds the encoder, the reshaper and the core; the same seed gives the same core."""
        super().initialize_components()
        self._run = self._resumed = None

    def get_info(self) -> dict[str, Any]:
        """What this trainer is, as plain values."""
        core = self.embedding_processor
        return {
            "mode": self.config.mode,
            "device": str(self.device),
            "lattice_size": list(self.config.lattice_size),
            "embedding_dim": self.config.embedding_dim,
            "current_epoch": self.current_epoch,
            "optimizer": self.config.optimizer,
            "loss_function": {task: self.config.loss_for(task) for task in self.config.tasks},
            "learning_rate": self.config.learning_rate,
            "batch_size": self.config.batch_size,
            "target_similarity": self.config.target_similarity,
            "components_initialized": self.initialized,
            "parameters": core.parameter_count if core else None,
            "latent_dim": core.latent_dim if core else None,
            "core": repr(core) if core else None,
            "reshaper": repr(self.reshaper) if core else None,
            "stop_reason": self.stop_reason,
        }

    def resized(self, *, depth: int | None = None, rows: int | None = None, columns: int | None = None) -> CubeTrainer:
        """The same weights on a lattice of another size, with their history; see `Cube.resized`."""
        trainer = super().resized(depth=depth, rows=rows, columns=columns)
        trainer.training_history, trainer.trained_on = list(self.training_history), dict(self.trained_on)
        trainer.seconds, trainer.stop_reason = self.seconds, self.stop_reason
        return trainer

    @property
    def current_epoch(self) -> int:
        """Epochs trained so far."""
        return self.training_history[-1]["epoch"] if self.training_history else 0

    # --- training ---------------------------------------------------------------------------------------------------

    def fit(
        self,
        train: Data,
        validation: Data,
        *,
        folder: str | Path | None = None,
        progress: bool = True,
        on_batch_end: Hook | Sequence[Hook] = (),
        on_epoch_end: Hook | Sequence[Hook] = (),
    ) -> list[EpochLog]:
        """Trains until there is a reason to stop, and keeps the weights of the best epoch.

        The score of an epoch is the mean over tasks of the validation cosine (autoencoder) and mean reciprocal rank
        (dialogue); with `cell_damage` it is measured with that fraction of the cells dead, over four draws. Training
        stops when all `epochs` are trained; when `early_stopping_patience` epochs have not raised the score by
        `convergence_threshold`; with `stop_at_target`, when the cosine reaches `target_similarity`; or on `stop()`.

        Args:
            train: a dataset, or in mixed mode {"autoencoder": dataset, "dialogue": dataset}.
            validation: likewise; never trained on.
            folder: where the best cube and states to resume from are saved (`CubeTrainer.resume`).
            progress: show a bar with the time left.
            on_batch_end: called with the trainer and a log of each step of the optimizer (epoch, batch, batches,
                learning_rate, loss); or several such functions.
            on_epoch_end: called with the trainer and the epoch's log; or several.

        Returns:
            The history: a log of each epoch; number 0 is the untrained cube.

        Raises:
            DataError: data that do not fit the mode or the vectors' width.
            CheckpointError: the folder cannot be written; or a resumed run is given other data.
            FloatingPointError: the loss is no longer a number; the best weights so far are restored first.
        """
        run = self.prepare(train, validation)
        batch_hooks, epoch_hooks = _as_list(on_batch_end), _as_list(on_epoch_end)
        show_bar = progress and run.engine.is_main
        try:
            if folder is not None:
                run.keep(folder)
            # Short runs show no bar.
            with tqdm(total=run.steps_left, desc="Training", unit="batch", delay=0.5, disable=not show_bar) as bar:

                def on_step(log: EpochLog) -> None:
                    bar.update()
                    for hook in batch_hooks:
                        hook(self, log)

                while run.stop_reason is None:
                    epoch_log = self._next_epoch(run, on_step if run.engine.is_main else None)
                    if epoch_log is None:
                        break
                    bar.set_postfix({"loss": f"{epoch_log['loss']:.4f}", **progress_metrics(epoch_log)})
                    if run.stop_reason is not None or epoch_log["epoch"] % self.config.save_interval == 0:
                        run.save()
                    for hook in epoch_hooks if run.engine.is_main else ():
                        hook(self, epoch_log)
                    if run.engine.processes == 1 and run.loop.stopped and run.stop_reason is None:
                        run.stop_reason = f"stopped after epoch {epoch_log['epoch']}"
                        run.save()
        except KeyboardInterrupt:
            run.stop_reason = f"interrupted in epoch {self.current_epoch + 1}"
            raise
        finally:
            self.finish()
        return self.training_history

    def prepare(self, train: Data, validation: Data) -> Run:
        """Begins training without training anything yet, for a loop of one's own.

        Example:
            >>> import torch
            >>> from cubelib import AutoencoderDataset
            >>> vectors = torch.nn.functional.normalize(torch.randn(60, 24), dim=1)
            >>> trainer = CubeTrainer({"embedding_dim": 24, "lattice_size": [3, 2, 3]})
            >>> trainer.initialize_components()
            >>> _ = trainer.prepare(AutoencoderDataset(vectors[:50]), AutoencoderDataset(vectors[50:]))
            >>> [trainer.train_epoch()["epoch"] for _ in range(3)]
            [1, 2, 3]
            >>> trainer.finish()                                    # the best weights are in place
        """
        if not self.initialized:
            raise ValueError("CubeTrainer.fit: there is no cube yet. Call initialize_components() first.")
        train_data = self._by_task(train, "train")
        validation_data = self._by_task(validation, "validation")
        self.finish()
        self._fit_to_data(next(iter(train_data.values())), next(iter(validation_data.values())))
        resumed, self._resumed = self._resumed, None
        self._run = Run(self, train_data, validation_data, resumed)
        self.training_history, self.trained_on = self._run.history, self._run.trained_on
        self.stop_reason = None
        return self._run

    def _fit_to_data(self, train: EmbeddingDataset, validation: EmbeddingDataset) -> None:
        """Fits what comes before the core; in mixed mode on the autoencoder's data, which are all texts."""
        input = train.input
        if isinstance(self.whitening, Whitening):
            if not self.whitening.fitted:
                targets = validation.target[:]
                self.whitening.fit(
                    input, lambda: EmbeddingMetrics.calculate_mrr(self.predict(validation.input), targets)
                )
            if not self.reshaper.fitted:
                input = torch.cat([self.whitening(block.to(self.device)).cpu() for block in blocks(input)])
        if not self.reshaper.fitted:
            self.reshaper.fit(input)

    def train_epoch(self) -> EpochLog | None:
        """Trains the next epoch of what `prepare` has begun; its log, or None if `stop()` ended it midway.

        Raises:
            ValueError: before `prepare`.
            FloatingPointError: the loss is no longer a number; the best weights so far are restored first.
        """
        if self._run is None:
            raise ValueError(
                "CubeTrainer.train_epoch: there is nothing to train on yet. Call prepare(train, validation)."
            )
        return self._next_epoch(self._run)

    def _next_epoch(self, run: Run, on_step: Callable[[EpochLog], None] | None = None) -> EpochLog | None:
        try:
            return run.epoch(on_step)
        except FloatingPointError as error:
            run.stop_reason = f"broke down in epoch {self.current_epoch + 1}"
            self.finish()
            batch, _, why = str(error).partition(": ")
            saved = "" if run.checkpoints is None else f" They are saved in {run.checkpoints.folder / BEST}."
            raise FloatingPointError(
                f"CubeTrainer.fit: training broke down in epoch {self.current_epoch + 1} at {batch}, with "
                f"learning_rate {self.config.learning_rate:g}. The weights of epoch {run.best['epoch']} are back in "
                f"place.{saved} Lower learning_rate, or set gradient_clipping. What happened: {why}"
            ) from None

    def set_mode(self, mode: str) -> None:
        """Changes what the next `fit` trains. Settings that are "auto" follow; the weights stay.

        Raises:
            ValueError: not autoencoder, dialogue or mixed; or during training.
        """
        if self._run is not None:
            raise ConfigError("CubeTrainer.set_mode: training is going on. Call finish() first.")
        super().set_mode(mode)

    def stop(self) -> None:
        """Asks a running training to stop after its current step; the best weights so far are kept."""
        if self._run is not None:
            self._run.loop.stopped = True

    def finish(self) -> None:
        """Ends what `prepare` has begun and puts the best epoch's weights in place. `fit` calls it."""
        if self._run is None:
            return
        run, self._run = self._run, None
        run.close()
        self.seconds = run.seconds
        best = run.best["epoch"]
        kept = f"the weights of epoch {best}" if best else "the cube as it was before training"
        self.stop_reason = f"{run.stop_reason or f'finished after epoch {self.current_epoch}'}; kept: {kept}"

    # --- saving and loading -----------------------------------------------------------------------------------------

    def save(self, folder: str | Path) -> Path:
        """Writes a checkpoint folder: weights, configuration and history."""
        checkpoint = Checkpoint(
            self.state_dict(),
            self.config.to_dict(),
            self.training_history,
            self.trained_on,
            self.seconds,
            self.stop_reason,
            provenance={**provenance(), "device": str(self.device), "prompts": dict(self.encoder.prompts)},
        )
        save_checkpoint(Path(folder), checkpoint)
        return Path(folder)

    @classmethod
    def load(cls, folder: str | Path, *, device: str | None = None) -> CubeTrainer:
        """A trainer with the configuration, weights and history of a checkpoint.

        Args:
            folder: what `save` wrote, or the folder of a run.
            device: a device other than the one it was trained on.

        Raises:
            CheckpointError: the folder is missing, damaged, or does not fit its own configuration.
        """
        return cls._from_checkpoint(load_checkpoint(folder), folder, {"device": device})

    @classmethod
    def resume(
        cls, folder: str | Path, *, epochs: int | None = None, early_stopping_patience: int | None = None
    ) -> CubeTrainer:
        """A trainer that goes on where a run was interrupted: call `fit` with the same data and folder.

        On one thread the final weights are those of an uninterrupted run, bit for bit. If the newest state is damaged,
        the one before it is used and a warning says so.

        Args:
            folder: of the run, as given to `fit`.
            epochs: train to this epoch instead of the configuration's. With a schedule other than constant the
                remaining epochs get learning rates that they would not have had.
            early_stopping_patience: instead of the configuration's, for a run that it ended.

        Raises:
            CheckpointError: there is no whole state to resume from, or it has more epochs already.
        """
        state = newest_state(folder)
        trained = state.history[-1]["epoch"]
        if epochs is not None and epochs < trained:
            raise CheckpointError(f"Resuming {folder}: it has {trained} epochs already. Give epochs={trained} or more.")
        changes = {"epochs": epochs, "early_stopping_patience": early_stopping_patience}
        trainer = cls._from_checkpoint(state, folder, changes)
        trainer._resumed = state
        return trainer

    @classmethod
    def _from_checkpoint(cls, checkpoint: Checkpoint, origin: str | Path, changes: dict[str, Any]) -> CubeTrainer:
        given = {name: value for name, value in changes.items() if value is not None}
        try:
            config = TrainingConfig.from_dict({**checkpoint.config, **given}, origin=f"the checkpoint {origin}")
        except ConfigError as error:
            raise CheckpointError(str(error)) from None
        trainer = cls(config)
        trainer.initialize_components()
        load_tensors(trainer, checkpoint.tensors, origin)
        trainer.training_history, trainer.trained_on = checkpoint.history, checkpoint.trained_on
        trainer.seconds, trainer.stop_reason = checkpoint.seconds, checkpoint.stop_reason
        return trainer

    def untrained(self) -> CubeTrainer:
        """The same cube before training: same configuration, seed and fitted layout, first weights."""
        twin = CubeTrainer(self.config)
        twin.initialize_components()
        twin.load_fitted(self)
        return twin

    def _by_task(self, data: Data, name: str) -> dict[str, EmbeddingDataset]:
        """Checks the data of `fit` and gives them as task → dataset."""
        by_task: dict[str, EmbeddingDataset] = dict(data) if isinstance(data, Mapping) else {self.config.mode: data}
        for dataset in by_task.values():
            if not isinstance(dataset, EmbeddingDataset):
                raise DataError(
                    f"CubeTrainer.fit: the {name} data are an AutoencoderDataset or a DialogueDataset; got "
                    f"{type(dataset).__name__}. Wrap vectors: AutoencoderDataset(vectors)."
                )
        if set(by_task) != set(self.tasks):
            given = " and ".join(by_task) if isinstance(data, Mapping) else "one dataset"
            raise DataError(
                f"CubeTrainer.fit: mode {self.config.mode} takes {name} data for {' and '.join(self.tasks)}; got "
                f"{given}. Pass a dict with these keys."
            )
        for dataset in by_task.values():
            if not len(dataset):
                raise DataError(f"CubeTrainer.fit: the {name} data are empty. Give at least one item.")
            self.config.check_widths(dataset.dim, dataset.target_dim, f"CubeTrainer.fit, {name} data")
        return {task: by_task[task] for task in self.tasks}

    def __repr__(self) -> str:
        state = repr(self.core) if self.initialized else "not initialized"
        return f"CubeTrainer({self.config.mode}, epoch {self.current_epoch}, {state})"


def _as_list(hooks: Hook | Sequence[Hook]) -> Sequence[Hook]:
    return [hooks] if callable(hooks) else hooks
