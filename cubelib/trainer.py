"""CubeTrainer: teaches the cubic core a transformation of embeddings and keeps the best weights by validation.

    vectors (b, 768) ─fold→ cube (b, 8, 8, 12) ─CubicCore→ cube (b, 8, 8, 12) ─unfold→ vectors (b, 768)

Taught in notebooks 04 and 05.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from cubelib.checkpoint import load_checkpoint, load_tensors, save_checkpoint
from cubelib.config import MODES, TrainingConfig
from cubelib.datasets import EmbeddingDataset, Split
from cubelib.encoder import TeacherEncoder
from cubelib.errors import CheckpointError, ConfigError, DataError
from cubelib.lattice import CubicCore
from cubelib.losses import LOSSES
from cubelib.metrics import EmbeddingMetrics
from cubelib.reshaper import EmbeddingReshaper
from cubelib.runs import find_device
from cubelib.stopping import Convergence
from cubelib.vectors import BLOCK, VectorFile, blocks

PREDICT_BATCH = 256
DECIDING = {"autoencoder": "cosine_similarity", "dialogue": "mrr"}  # the figure that epochs and reports are judged by
OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}

Data = EmbeddingDataset | Mapping[str, EmbeddingDataset]  # mixed mode takes one dataset for each task


class CubeTrainer:
    """Builds, trains, judges, saves and loads a cube.

    Args:
        config: a TrainingConfig, a dict of its fields, or the path of a YAML file; None for the defaults.
        mode: overrides the configuration's mode.
        device: overrides the configuration's device.

    Raises:
        ConfigError: the configuration cannot be used.

    Example:
        >>> trainer = CubeTrainer(config=TrainingConfig(mode="dialogue", lattice_size=[8, 8, 8]))
        >>> trainer.initialize_components()
        >>> trainer.get_info()["components_initialized"]
        True
        >>> vectors = torch.nn.functional.normalize(torch.randn(2, 768), dim=1)
        >>> bool((trainer.forward(vectors) - vectors).abs().max() < 1e-6)      # untrained, no waist: the identity
        True
    """

    def __init__(
        self,
        config: TrainingConfig | Mapping[str, Any] | str | Path | None = None,
        *,
        mode: str | None = None,
        device: str | None = None,
    ) -> None:
        if isinstance(config, (str, Path)):
            config = TrainingConfig.from_yaml(config)
        elif isinstance(config, Mapping):
            config = TrainingConfig.from_dict(config)
        overrides = {name: value for name, value in (("mode", mode), ("device", device)) if value is not None}
        fields = (config or TrainingConfig()).model_dump()
        self.config = TrainingConfig.from_dict({**fields, **overrides}, origin="CubeTrainer's arguments")
        self.device = find_device(self.config.device)
        self.embedding_processor: CubicCore | None = None
        self.embedding_reshaper: EmbeddingReshaper | None = None
        self.embedding_loader: TeacherEncoder | None = None
        self.training_history: list[dict[str, Any]] = []
        self.stop_reason: str | None = None
        self.seconds: float | None = None  # that the last fit took
        self.trained_on: dict[str, str] = {}  # task → fingerprint of the training items
        self._optimizer: torch.optim.Optimizer | None = None

    # --- components -------------------------------------------------------------------------------------------------

    def initialize_components(self) -> None:
        """Builds the teacher encoder, the reshaper and the core; the same seed gives the same core."""
        config = self.config
        depth, rows, columns = config.lattice_size
        self.embedding_loader = TeacherEncoder(config.data.teacher, cache_dir=config.data.cache_dir)
        self.embedding_reshaper = EmbeddingReshaper(
            config.embedding_dim,
            (rows, columns, config.in_channels),
            layout=config.core.layout,
            # Unit vectors have numbers of size 1/√dim; cells work best with size one. A power of two is exact.
            scale=2.0 ** round(math.log2(config.embedding_dim) / 2),
            seed=config.random_seed,
        ).to(self.device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.random_seed)
            self.embedding_processor = CubicCore(
                (depth, rows, columns),
                config.in_channels,
                state_channels=config.state_channels,
                waist=config.waist,
                **config.core.model_dump(exclude={"state_channels", "waist", "layout"}),
            ).to(self.device)
        self._optimizer = None

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
            "loss_function": {task: self._loss_name(task) for task in self.tasks},
            "learning_rate": self.config.learning_rate,
            "batch_size": self.config.batch_size,
            "target_similarity": self.config.target_similarity,
            "components_initialized": core is not None,
            "parameters": core.parameter_count if core else None,
            "code_size": core.code_size if core else None,
            "core": repr(core) if core else None,
            "reshaper": repr(self.embedding_reshaper) if core else None,
            "stop_reason": self.stop_reason,
        }

    @property
    def current_epoch(self) -> int:
        """Epochs trained so far."""
        return self.training_history[-1]["epoch"] if self.training_history else 0

    @property
    def tasks(self) -> tuple[str, ...]:
        """What the mode trains: autoencoder, dialogue or both."""
        return ("autoencoder", "dialogue") if self.config.mode == "mixed" else (self.config.mode,)

    def set_mode(self, mode: str) -> None:
        """Changes what is trained from the next `fit` on; an "auto" waist changes with it, the weights stay.

        Raises:
            ValueError: not autoencoder, dialogue or mixed.
        """
        if mode not in MODES:
            raise ConfigError(f"CubeTrainer.set_mode: mode {mode!r} is not known. Use one of {', '.join(MODES)}.")
        self.config = self.config.model_copy(update={"mode": mode})
        if self.embedding_processor is not None:
            self.embedding_processor.waist = self.config.waist

    # --- using the cube ---------------------------------------------------------------------------------------------

    def forward(self, embedding: Tensor) -> Tensor:
        """Sends vectors through the cube.

        Args:
            embedding: `(batch, dim)`, or one vector `(dim,)`.

        Returns:
            The same shape. Not normalised: only the direction is trained by the default losses.

        Raises:
            ValueError: before `initialize_components`, or vectors of another width.
        """
        core, reshaper = self._components("forward")
        if embedding.ndim == 1:
            return self.forward(embedding[None])[0]
        return reshaper.unfold(core(reshaper.fold(embedding.to(self.device))))

    __call__ = forward

    @torch.no_grad()
    def predict(self, vectors: Tensor | VectorFile) -> Tensor:
        """`forward` in evaluation mode and in batches, for any number of vectors `(n, dim)`; on the CPU."""
        core, _ = self._components("predict")
        was_training = core.training
        core.eval()
        try:
            outputs = [self.forward(batch).cpu() for batch in blocks(vectors, PREDICT_BATCH)]
        finally:
            core.train(was_training)
        return torch.cat(outputs) if outputs else torch.empty(0, self.config.embedding_dim)

    def evaluate(self, dataset: EmbeddingDataset) -> dict[str, float]:
        """Figures of the cube on a dataset. For a table with baselines and intervals see `cubelib.report`.

        Returns:
            cosine_similarity, mse_loss and semantic_preservation; for a DialogueDataset also mrr, the mean reciprocal
            rank of the right answer among all answers of the dataset.
        """
        per_item, outputs = torch.empty(2, len(dataset)), []
        for number, (input, target) in enumerate(zip(blocks(dataset.input), blocks(dataset.target), strict=True)):
            output = self.predict(input)
            measures = (EmbeddingMetrics.cosine_per_item, EmbeddingMetrics.mse_per_item)
            here = slice(number * BLOCK, (number + 1) * BLOCK)
            per_item[:, here] = torch.stack([measure(output, target) for measure in measures])
            outputs += [output] if dataset.target is not dataset.input else []
        cosine, mse = per_item.mean(1).tolist()
        figures = {"cosine_similarity": cosine, "mse_loss": mse, "semantic_preservation": cosine / (1.0 + mse)}
        if outputs:
            figures["mrr"] = EmbeddingMetrics.calculate_mrr(torch.cat(outputs), dataset.target[:])
        return figures

    def report(self, splits: Mapping[str, Split], **options: Any) -> list[Any]:
        """The cube beside its baselines on held-out items: `cubelib.report.build_report` of this cube."""
        from cubelib.report import build_report

        return build_report(self, splits, **options)

    # --- training ---------------------------------------------------------------------------------------------------

    def fit(
        self,
        train: Data,
        validation: Data,
        *,
        progress: bool = True,
        on_epoch_end: Callable[[CubeTrainer, dict[str, Any]], None] | None = None,
    ) -> list[dict[str, Any]]:
        """Trains until the epochs are over or the validation score has converged; the best epoch's weights are kept.

        The score is the mean over tasks of the validation cosine (autoencoder) and mean reciprocal rank (dialogue).
        Training has converged when `early_stopping_patience` epochs have not raised it by `convergence_threshold`.

        Args:
            train: a dataset, or in mixed mode {"autoencoder": dataset, "dialogue": dataset}.
            validation: likewise; never trained on.
            progress: show a bar with the time left.
            on_epoch_end: called after each epoch with the trainer and the epoch's row.

        Returns:
            The history: a row for each epoch, number 0 being the untrained cube.

        Raises:
            DataError: data that do not fit the mode or the vectors' width.
            FloatingPointError: the loss is no longer a number; the best weights so far are restored first.
        """
        core, reshaper = self._components("fit")
        train, validation = self._by_task(train, "train"), self._by_task(validation, "validation")
        began = time.perf_counter()
        if not reshaper.fitted:
            reshaper.fit(next(iter(train.values())).input)  # mixed: the autoencoder's, all texts
        trainable = [parameter for parameter in core.parameters() if parameter.requires_grad]
        self._optimizer = OPTIMIZERS[self.config.optimizer](
            trainable, lr=self.config.learning_rate, weight_decay=self.config.weight_decay
        )
        steps = max(math.ceil(len(dataset) / self.config.batch_size) for dataset in train.values())
        self.training_history, self.stop_reason = [self._row(0, None, validation)], None
        best, best_weights = self.training_history[0], copy.deepcopy(core.state_dict())
        convergence = Convergence(self.config.convergence_threshold, self.config.early_stopping_patience, best["score"])
        self.trained_on = {task: dataset.fingerprint() for task, dataset in train.items()}
        shuffler = torch.Generator().manual_seed(self.config.random_seed)
        bar = tqdm(total=self.config.epochs * steps, desc="Training", unit="batch", delay=0.5, disable=not progress)
        with bar, torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.random_seed)  # for cell dropout
            try:
                for epoch in range(1, self.config.epochs + 1):
                    loss = self.train_epoch(train, steps, shuffler, bar)
                    row = self._row(epoch, loss, validation)
                    self.training_history.append(row)
                    bar.set_postfix(loss=f"{loss:.4f}", validation=f"{row['score']:.4f}")
                    if row["score"] > best["score"]:
                        best, best_weights = row, copy.deepcopy(core.state_dict())
                    if on_epoch_end is not None:
                        on_epoch_end(self, row)
                    if convergence.update(row["score"]):
                        self.stop_reason = f"converged after epoch {epoch}: {convergence.reason}"
                        break
                else:
                    self.stop_reason = f"all {self.config.epochs} epochs trained"
            except KeyboardInterrupt:
                self.stop_reason = f"interrupted in epoch {epoch}; the weights of epoch {best['epoch']} are kept"
                raise
            except FloatingPointError as error:
                raise FloatingPointError(
                    f"CubeTrainer.fit: training broke down in epoch {epoch}. The weights of epoch {best['epoch']} are "
                    f"back in place. Lower learning_rate (now {self.config.learning_rate:g}). {error}"
                ) from None
            finally:
                core.load_state_dict(best_weights)
                self.seconds = time.perf_counter() - began
        self.stop_reason += f"; the weights of epoch {best['epoch']} are kept"
        return self.training_history

    def train_epoch(
        self, train: Mapping[str, EmbeddingDataset], steps: int, shuffler: torch.Generator, bar: tqdm | None = None
    ) -> float:
        """One pass over the longest task's data, shorter ones starting again; returns the mean loss."""
        core, _ = self._components("train_epoch")
        loaders = {task: dataset.batches(self.config.batch_size, shuffler) for task, dataset in train.items()}
        core.train()
        total = 0.0
        try:
            for step in range(steps):
                self._optimizer.zero_grad()
                loss = torch.zeros((), device=self.device)
                for task, batches in loaders.items():
                    batch = next(batches)
                    output = self.forward(batch["input"])
                    error = LOSSES[self._loss_name(task)](output, batch["target"].to(self.device))
                    loss = loss + self._weight(task) * error
                if not torch.isfinite(loss):
                    raise FloatingPointError(f"the loss became {loss.item()} at batch {step + 1} of {steps}.")
                loss.backward()
                self._optimizer.step()
                total += loss.item()
                if bar is not None:
                    bar.update()
        finally:
            core.eval()
        return total / steps

    def _row(self, epoch: int, loss: float | None, validation: Mapping[str, EmbeddingDataset]) -> dict[str, Any]:
        figures = {task: self.evaluate(dataset) for task, dataset in validation.items()}
        named = {f"{task}_{name}": value for task, found in figures.items() for name, value in found.items()}
        scores = [figures[task][DECIDING[task]] for task in figures]
        return {"epoch": epoch, "loss": loss, "score": sum(scores) / len(scores), **named}

    # --- saving and loading -----------------------------------------------------------------------------------------

    def save(self, folder: str | Path) -> Path:
        """Writes a checkpoint folder: weights, configuration and history."""
        core, reshaper = self._components("save")
        modules = nn.ModuleDict({"core": core, "reshaper": reshaper})
        save_checkpoint(
            Path(folder), modules.state_dict(), self.config.to_dict(), self.training_history, self.trained_on
        )
        return Path(folder)

    @classmethod
    def load(cls, folder: str | Path, *, device: str | None = None) -> CubeTrainer:
        """A trainer with the configuration, weights and history of a checkpoint.

        Args:
            folder: what `save` wrote, or the folder of a run of the command line.
            device: another device than the one it was trained on.

        Raises:
            CheckpointError: the folder is missing, damaged, or does not fit its own configuration.
        """
        checkpoint = load_checkpoint(folder)
        try:
            config = TrainingConfig.from_dict(checkpoint.config, origin=f"the checkpoint {folder}")
        except ConfigError as error:
            raise CheckpointError(str(error)) from None
        trainer = cls(config, device=device)
        trainer.initialize_components()
        modules = nn.ModuleDict({"core": trainer.embedding_processor, "reshaper": trainer.embedding_reshaper})
        load_tensors(modules, checkpoint.tensors, folder)
        trainer.training_history, trainer.trained_on = checkpoint.history, checkpoint.trained_on
        return trainer

    def untrained(self) -> CubeTrainer:
        """The same cube before training: same configuration, seed and fitted layout, first weights."""
        _, reshaper = self._components("untrained")
        twin = CubeTrainer(self.config)
        twin.initialize_components()
        twin.embedding_reshaper.load_state_dict(reshaper.state_dict())
        return twin

    # --- small things -----------------------------------------------------------------------------------------------

    def _components(self, caller: str) -> tuple[CubicCore, EmbeddingReshaper]:
        if self.embedding_processor is None or self.embedding_reshaper is None:
            raise ValueError(f"CubeTrainer.{caller}: there is no cube yet. Call initialize_components() first.")
        return self.embedding_processor, self.embedding_reshaper

    def _by_task(self, data: Data, name: str) -> dict[str, EmbeddingDataset]:
        by_task = dict(data) if isinstance(data, Mapping) else {self.config.mode: data}
        if set(by_task) != set(self.tasks):
            raise DataError(
                f"CubeTrainer.fit: mode {self.config.mode} takes {name} data for {' and '.join(self.tasks)}; got "
                f"{' and '.join(by_task)}. Pass a dict with these keys."
            )
        for dataset in by_task.values():
            if dataset.dim != self.config.embedding_dim:
                raise DataError(
                    f"CubeTrainer.fit: the {name} vectors have {dataset.dim} numbers, embedding_dim is "
                    f"{self.config.embedding_dim}. Set embedding_dim={dataset.dim}."
                )
        return by_task

    def _loss_name(self, task: str) -> str:
        auto = "cosine" if task == "autoencoder" else "contrastive_cosine"
        return auto if self.config.loss_function == "auto" else self.config.loss_function

    def _weight(self, task: str) -> float:
        share = self.config.mixed.autoencoder_weight
        return 1.0 if self.config.mode != "mixed" else share if task == "autoencoder" else 1.0 - share

    def __repr__(self) -> str:
        state = repr(self.embedding_processor) if self.embedding_processor else "not initialised"
        return f"CubeTrainer({self.config.mode}, epoch {self.current_epoch}, {state})"
