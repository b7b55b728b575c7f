"""CubeTrainer: teaches the cubic core a transformation of embeddings and keeps the best weights by validation.

    vectors (b, 768) ─fold→ cube (b, 8, 8, 12) ─CubicCore→ cube (b, 8, 8, 12) ─unfold→ vectors (b, 768)

Taught in notebooks 04 and 05.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn
from tqdm.auto import tqdm

from cubelib.data.datasets import EmbeddingDataset
from cubelib.errors import CheckpointError, ConfigError, DataError
from cubelib.training.checkpoint import Checkpoint, load_checkpoint, load_tensors, provenance, save_checkpoint
from cubelib.training.checkpoint_manager import BEST, states_of
from cubelib.training.config import TrainingConfig
from cubelib.training.cube import Cube
from cubelib.training.loop import EpochLog
from cubelib.training.run import Run, shown

Data = EmbeddingDataset | Mapping[str, EmbeddingDataset]  # mixed mode takes one dataset for each task
Hook = Callable[["CubeTrainer", EpochLog], None]


class CubeTrainer(Cube):
    """Builds, trains, judges, saves and loads a cube.

    Args:
        config: a TrainingConfig, a dict of its fields, or the path of a YAML file; None for the defaults.
        mode: overrides the configuration's mode.
        device: overrides the configuration's device.

    Raises:
        ConfigError: the configuration cannot be used.

    Example:
        >>> import torch
        >>> trainer = CubeTrainer(config=TrainingConfig(mode="dialogue", lattice_size=[8, 8, 8]))
        >>> trainer.initialize_components()
        >>> trainer.get_info()["components_initialized"]
        True
        >>> vectors = torch.nn.functional.normalize(torch.randn(2, 768), dim=1)
        >>> bool((trainer.forward(vectors) - vectors).abs().max() < 1e-6)      # untrained, no bottleneck: the identity
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
        self.seconds: float | None = None  # that training took
        self.trained_on: dict[str, str] = {}  # task → fingerprint of the training items
        self._run: Run | None = None
        self._resumed: Checkpoint | None = None  # a state that the next run goes on from

    def initialize_components(self) -> None:
        """Builds the teacher encoder, the reshaper and the core; the same seed gives the same core."""
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
            "components_initialized": core is not None,
            "parameters": core.parameter_count if core else None,
            "latent_dim": core.latent_dim if core else None,
            "core": repr(core) if core else None,
            "reshaper": repr(self.embedding_reshaper) if core else None,
            "stop_reason": self.stop_reason,
        }

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
        """Trains until there is a reason to stop (`stop_reason`, which begins with the setting that it comes from);
        the best epoch's weights are kept.

        The score of an epoch is the mean over tasks of the validation cosine (autoencoder) and mean reciprocal rank
        (dialogue); with `cell_damage` it is measured with that share of the cells dead, over four draws. The reasons:
        all `epochs` are trained; `early_stopping_patience` epochs have not raised the score, or by less than
        `convergence_threshold`; with `stop_at_target` the cosine has reached `target_similarity`; `stop()` was called.

        Args:
            train: a dataset, or in mixed mode {"autoencoder": dataset, "dialogue": dataset}.
            validation: likewise; never trained on.
            folder: where states to go on from and the best cube are saved while training (`CubeTrainer.resume`).
            progress: show a bar with the time left.
            on_batch_end: called with the trainer and a row for each step of the optimizer (epoch, batch, batches,
                learning_rate, loss); or several such functions.
            on_epoch_end: called with the trainer and the epoch's row of the history; or several.

        Returns:
            The history: a row for each epoch, number 0 being the untrained cube.

        Raises:
            DataError: data that do not fit the mode or the vectors' width.
            CheckpointError: the folder cannot be written; or a resumed run meets other data.
            FloatingPointError: the loss is no longer a number; the best weights so far are restored first.
        """
        run = self.prepare(train, validation)
        try:
            if folder is not None:
                run.keep(folder)
            steps = sum(run.loop.plan.update_count(epoch) for epoch in run.epochs_left())
            # Short runs show no bar.
            with tqdm(
                total=steps, desc="Training", unit="batch", delay=0.5, disable=not (progress and run.engine.is_main)
            ) as bar:
                while run.stop_reason is None:
                    self._fit_epoch(run, bar, several(on_batch_end), several(on_epoch_end))
        except KeyboardInterrupt:
            run.stop_reason = f"interrupted in epoch {self.current_epoch + 1}"
            raise
        finally:
            self.finish()
        return self.training_history

    def _fit_epoch(self, run: Run, bar: tqdm, on_batch_end: Sequence[Hook], on_epoch_end: Sequence[Hook]) -> None:
        def after_batch(row: EpochLog) -> None:
            bar.update()
            for hook in on_batch_end:
                hook(self, row)

        row = self._next_epoch(run, after_batch if run.engine.is_main else None)
        if row is None:
            return
        bar.set_postfix({"loss": f"{row['loss']:.4f}", **shown(row)})
        if run.stop_reason is not None or row["epoch"] % self.config.save_interval == 0:
            run.save()
        if run.engine.is_main:
            for hook in on_epoch_end:
                hook(self, row)
        if run.engine.processes == 1 and run.loop.stopped and run.stop_reason is None:
            run.stop_reason = f"stopped after epoch {row['epoch']}"
            run.save()

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
        _, reshaper = self._components("fit")
        train, validation = self._by_task(train, "train"), self._by_task(validation, "validation")
        if self._run is not None:
            self.finish()
        if not reshaper.fitted:
            reshaper.fit(next(iter(train.values())).input)  # mixed: the autoencoder's, all texts
        resumed, self._resumed = self._resumed, None
        self._run = Run(self, train, validation, resumed)
        self.training_history, self.trained_on = self._run.history, self._run.trained_on
        self.stop_reason = None
        return self._run

    def train_epoch(self) -> EpochLog:
        """Trains the next epoch of what `prepare` has begun; its row of the history.

        Raises:
            ValueError: before `prepare`.
            FloatingPointError: the loss is no longer a number; the best weights so far are restored first.
        """
        if self._run is None:
            raise ValueError(
                "CubeTrainer.train_epoch: there is nothing to train on yet. Call prepare(train, validation)."
            )
        return self._next_epoch(self._run)

    def _next_epoch(self, run: Run, after_batch: Callable[[EpochLog], None] | None = None) -> EpochLog | None:
        try:
            return run.epoch(after_batch)
        except FloatingPointError as error:
            run.stop_reason = f"broke down in epoch {self.current_epoch + 1}"
            self.finish()
            saved = "" if run.keeper is None else f" They are saved in {run.keeper.folder / BEST}."
            raise FloatingPointError(
                f"CubeTrainer.fit: training broke down in epoch {self.current_epoch + 1}. The weights of epoch "
                f"{run.best['epoch']} are back in place.{saved} Lower learning_rate (now "
                f"{self.config.learning_rate:g}), or set gradient_clipping. {error}"
            ) from None

    def set_mode(self, mode: str) -> None:
        """Changes what is trained from the next `fit` on; what is "auto" changes with it, the weights stay.

        Raises:
            ValueError: not autoencoder, dialogue or mixed; or while training goes on.
        """
        if self._run is not None:
            raise ConfigError("CubeTrainer.set_mode: training is going on. Call finish() first.")
        super().set_mode(mode)

    def stop(self) -> None:
        """Asks a training that is going on to stop after its batch; the best weights so far are kept."""
        if self._run is not None:
            self._run.loop.stopped = True

    def finish(self) -> None:
        """Ends what `prepare` has begun: the best epoch's weights are put in place. `fit` does it by itself."""
        if self._run is not None:
            run, self._run = self._run, None
            run.close()
            self.seconds = run.seconds
            best = run.best["epoch"]
            kept = "the cube as it was before training" if best == 0 else f"the weights of epoch {best}"
            self.stop_reason = f"{run.stop_reason or f'finished after epoch {self.current_epoch}'}; kept: {kept}"

    # --- saving and loading -----------------------------------------------------------------------------------------

    def save(self, folder: str | Path) -> Path:
        """Writes a checkpoint folder: weights, configuration and history."""
        checkpoint = Checkpoint(
            self.tensors(),
            self.config.to_dict(),
            self.training_history,
            self.trained_on,
            self.seconds,
            self.stop_reason,
            provenance={**provenance(), "device": str(self.device)},
        )
        save_checkpoint(Path(folder), checkpoint)
        return Path(folder)

    @classmethod
    def load(cls, folder: str | Path, *, device: str | None = None) -> CubeTrainer:
        """A trainer with the configuration, weights and history of a checkpoint.

        Args:
            folder: what `save` wrote, or the folder of a run.
            device: another device than the one it was trained on.

        Raises:
            CheckpointError: the folder is missing, damaged, or does not fit its own configuration.
        """
        return cls._from_checkpoint(load_checkpoint(folder), folder, {"device": device})

    @classmethod
    def resume(
        cls, folder: str | Path, *, epochs: int | None = None, early_stopping_patience: int | None = None
    ) -> CubeTrainer:
        """A trainer that goes on where a run was interrupted: call `fit` with the same data and folder.

        On one thread the weights at the end are those of a run that was never interrupted, bit for bit.

        Args:
            folder: of the run, as given to `fit`.
            epochs: train to this epoch instead of the configuration's. With a schedule other than constant the epochs
                to come have other learning rates than they would have had.
            early_stopping_patience: instead of the configuration's, for a run that stopped by it.

        Raises:
            CheckpointError: there is no state to go on from, it is damaged, or has more epochs already.
        """
        states = states_of(folder)
        if not states:
            raise CheckpointError(
                f"Resuming {folder}: there is no state to go on from (epochs/…). Give the folder of a run that was "
                "trained with fit(…, folder=…) or `python -m cubelib train`."
            )
        try:
            checkpoint = load_checkpoint(states[-1])
        except CheckpointError as error:
            older = f" To go on from epoch {int(states[-2].name)}, remove {states[-1]}." if states[1:] else ""
            raise CheckpointError(f"{error}{older}") from None
        if checkpoint.optimizer is None or checkpoint.best is None:
            raise CheckpointError(f"Resuming {states[-1]}: it holds a cube but no state to go on from.")
        trained = checkpoint.history[-1]["epoch"]
        if epochs is not None and epochs < trained:
            raise CheckpointError(f"Resuming {folder}: it has {trained} epochs already. Give epochs={trained} or more.")
        changes = {"epochs": epochs, "early_stopping_patience": early_stopping_patience}
        trainer = cls._from_checkpoint(checkpoint, folder, changes)
        trainer._resumed = checkpoint
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
        modules = nn.ModuleDict({"core": trainer.embedding_processor, "reshaper": trainer.embedding_reshaper})
        load_tensors(modules, checkpoint.tensors, origin)
        trainer.training_history, trainer.trained_on = checkpoint.history, checkpoint.trained_on
        trainer.seconds, trainer.stop_reason = checkpoint.seconds, checkpoint.stop_reason
        return trainer

    def untrained(self) -> CubeTrainer:
        """The same cube before training: same configuration, seed and fitted layout, first weights."""
        _, reshaper = self._components("untrained")
        twin = CubeTrainer(self.config)
        twin.initialize_components()
        twin.embedding_reshaper.load_state_dict(reshaper.state_dict())
        return twin

    # --- small things -----------------------------------------------------------------------------------------------

    def _by_task(self, data: Data, name: str) -> dict[str, EmbeddingDataset]:
        by_task = dict(data) if isinstance(data, Mapping) else {self.config.mode: data}
        for dataset in by_task.values():
            if not isinstance(dataset, EmbeddingDataset):
                raise DataError(
                    f"CubeTrainer.fit: the {name} data are an AutoencoderDataset or a DialogueDataset; got "
                    f"{type(dataset).__name__}. Wrap vectors: AutoencoderDataset(vectors)."
                )
        if set(by_task) != set(self.tasks):
            raise DataError(
                f"CubeTrainer.fit: mode {self.config.mode} takes {name} data for {' and '.join(self.tasks)}; got "
                f"{' and '.join(by_task) if isinstance(data, Mapping) else 'one dataset'}. Pass a dict with these keys."
            )
        for dataset in by_task.values():
            if not len(dataset):
                needed = "chooses the best epoch" if name == "validation" else "is what the cube learns from"
                raise DataError(f"CubeTrainer.fit: the {name} data are empty. Give at least one item: it {needed}.")
            if dataset.dim != self.config.embedding_dim:
                raise DataError(
                    f"CubeTrainer.fit: the {name} vectors have {dataset.dim} numbers, embedding_dim is "
                    f"{self.config.embedding_dim}. Set embedding_dim={dataset.dim}."
                )
        return {task: by_task[task] for task in self.tasks}

    def __repr__(self) -> str:
        state = repr(self.embedding_processor) if self.embedding_processor else "not initialized"
        return f"CubeTrainer({self.config.mode}, epoch {self.current_epoch}, {state})"


def several(hooks: Hook | Sequence[Hook]) -> Sequence[Hook]:
    """One hook or several, as several."""
    return [hooks] if callable(hooks) else hooks
