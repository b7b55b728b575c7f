"""Cube: a core between two foldings, ready to be used.

    vectors (b, 768) ─fold→ cube (b, 8, 8, 12) ─CubicCore→ cube (b, 8, 8, 12) ─unfold→ vectors (b, 768)

Taught in notebooks 02 and 03. `cubelib.training.trainer` teaches it something.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cubelib.data.datasets import EmbeddingDataset
from cubelib.data.vectors import BLOCK, VectorFile, blocks
from cubelib.device import find_device
from cubelib.encoders.encoder import TeacherEncoder
from cubelib.errors import ConfigError
from cubelib.lattice import CubicCore
from cubelib.metrics import EmbeddingMetrics
from cubelib.reshaper import EmbeddingReshaper
from cubelib.training.config import MODES, TrainingConfig

PREDICT_BATCH = 256


class Cube:
    """A cube of a configuration: what `CubeTrainer` is before it trains anything.

    Args:
        config: a TrainingConfig, a dict of its fields, or the path of a YAML file; None for the defaults.
        mode: overrides the configuration's mode.
        device: overrides the configuration's device.

    Raises:
        ConfigError: the configuration cannot be used.
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
                bottleneck=config.bottleneck,
                cell_dropout=config.cell_dropout,
                **config.core.model_dump(exclude={"state_channels", "bottleneck", "cell_dropout", "layout"}),
            ).to(self.device)

    @property
    def tasks(self) -> tuple[str, ...]:
        """What the mode trains: autoencoder, dialogue or both."""
        return self.config.tasks

    def set_mode(self, mode: str) -> None:
        """Changes what is trained from the next `fit` on; what is "auto" changes with it, the weights stay.

        Raises:
            ValueError: not autoencoder, dialogue or mixed.
        """
        if mode not in MODES:
            raise ConfigError(f"CubeTrainer.set_mode: mode {mode!r} is not known. Use one of {', '.join(MODES)}.")
        self.config = self.config.model_copy(update={"mode": mode})
        if self.embedding_processor is not None:
            self.embedding_processor.bottleneck = self.config.bottleneck
            self.embedding_processor.cell_dropout = self.config.cell_dropout

    # --- using the cube ---------------------------------------------------------------------------------------------

    def forward(self, embedding: Tensor, *, damage: Tensor | None = None) -> Tensor:
        """Sends vectors through the cube.

        Args:
            embedding: `(batch, dim)`, or one vector `(dim,)`.
            damage: dead cells, bool `(depth, rows, columns)`; see `cubelib.lattice.random_damage`.

        Returns:
            The same shape. Not normalized: only the direction is trained by the default losses.

        Raises:
            ValueError: before `initialize_components`, vectors of another width, or a mask of another lattice.
        """
        core, reshaper = self._components("forward")
        if embedding.ndim == 1:
            return self.forward(embedding[None], damage=damage)[0]
        damage = None if damage is None else damage.to(self.device)
        return reshaper.unfold(core(reshaper.fold(embedding.to(self.device)), damage=damage))

    __call__ = forward

    @torch.no_grad()
    def predict(self, vectors: Tensor | VectorFile, *, damage: Tensor | None = None) -> Tensor:
        """`forward` in evaluation mode and in batches, for any number of vectors `(n, dim)`; on the CPU."""
        core, _ = self._components("predict")
        was_training = core.training
        core.eval()
        try:
            outputs = [self.forward(batch, damage=damage).cpu() for batch in blocks(vectors, PREDICT_BATCH)]
        finally:
            core.train(was_training)
        return torch.cat(outputs) if outputs else torch.empty(0, self.config.embedding_dim)

    def evaluate(self, dataset: EmbeddingDataset, *, damage: Tensor | None = None) -> dict[str, float]:
        """Figures of the cube on a dataset. For a table with baselines and intervals see `cubelib.evaluation.report`.

        Args:
            dataset: what is judged.
            damage: dead cells, bool `(depth, rows, columns)`.

        Returns:
            cosine_similarity, mse_loss and semantic_preservation; for a DialogueDataset also mrr, the mean reciprocal
            rank of the right answer among all answers of the dataset.
        """
        per_item, outputs = torch.empty(2, len(dataset)), []
        for number, (input, target) in enumerate(zip(blocks(dataset.input), blocks(dataset.target), strict=True)):
            output = self.predict(input, damage=damage)
            measures = (EmbeddingMetrics.cosine_per_item, EmbeddingMetrics.mse_per_item)
            here = slice(number * BLOCK, (number + 1) * BLOCK)
            per_item[:, here] = torch.stack([measure(output, target) for measure in measures])
            outputs += [output] if dataset.target is not dataset.input else []
        cosine, mse = per_item.mean(1).tolist()
        figures = {"cosine_similarity": cosine, "mse_loss": mse, "semantic_preservation": cosine / (1.0 + mse)}
        if outputs:
            figures["mrr"] = EmbeddingMetrics.calculate_mrr(torch.cat(outputs), dataset.target[:])
        return figures

    def tensors(self) -> dict[str, Tensor]:
        """The core's and the reshaper's tensors by name, as a checkpoint holds them."""
        core, reshaper = self._components("tensors")
        return nn.ModuleDict({"core": core, "reshaper": reshaper}).state_dict()

    def _components(self, caller: str) -> tuple[CubicCore, EmbeddingReshaper]:
        if self.embedding_processor is None or self.embedding_reshaper is None:
            raise ValueError(f"CubeTrainer.{caller}: there is no cube yet. Call initialize_components() first.")
        return self.embedding_processor, self.embedding_reshaper
