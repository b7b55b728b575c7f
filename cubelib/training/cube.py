"""Cube: a lattice between two foldings.

    vectors (b, 768) ─fold→ cube (b, 8, 8, 12) ─CubicCore→ cube (b, 8, 8, 12) ─unfold→ vectors (b, 768)

`cubelib.training.trainer` teaches it something.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from cubelib.data.datasets import EmbeddingDataset, encode_as
from cubelib.data.vectors import BLOCK, VectorFile, blocks
from cubelib.device import find_device
from cubelib.encoders.encoder import TeacherEncoder
from cubelib.errors import ConfigError
from cubelib.lattice import CubicCore
from cubelib.metrics import EmbeddingMetrics
from cubelib.reshaper import EmbeddingReshaper
from cubelib.training.config import MODES, TrainingConfig
from cubelib.training.sources import make_encoder, resolve_widths
from cubelib.training.whitening import Whitening

PREDICT_BATCH = 256
AnyCube = TypeVar("AnyCube", bound="Cube")


class Cube(nn.Module):
    """The module that a configuration describes; `CubeTrainer` is one that can be trained.

    Args:
        config: a TrainingConfig, a dict of its fields, or the path of a YAML file; None for the defaults.
        mode: overrides the configuration's mode.
        device: overrides the configuration's device.

    Attributes:
        core: the CubicCore, also as `embedding_processor`.
        reshaper: the EmbeddingReshaper, also as `embedding_reshaper`.
        answer_reshaper: unfolds outputs: the reshaper itself, unless answers have another width.
        whitening: what questions go through before they are folded; the identity unless `core.whitening` is set.
        encoder: the TeacherEncoder, also as `embedding_loader`. It is no part of the module's state.

    All exist once `initialize_components` was called; until then the long names are None.

    Raises:
        ConfigError: the configuration cannot be used.
    """

    core: CubicCore
    reshaper: EmbeddingReshaper
    _answer_reshaper: EmbeddingReshaper
    whitening: nn.Module
    encoder: TeacherEncoder

    def __init__(
        self,
        config: TrainingConfig | Mapping[str, Any] | str | Path | None = None,
        *,
        mode: str | None = None,
        device: str | None = None,
    ) -> None:
        super().__init__()
        self.config = TrainingConfig.load(config, mode=mode, device=device)
        self.device = find_device(self.config.device)

    # --- components -------------------------------------------------------------------------------------------------

    def initialize_components(self) -> None:
        """Builds the encoder, the reshaper and the core; the same seed gives the same core."""
        self.encoder = make_encoder(self.config.data)
        self.config = config = resolve_widths(self.config, self.encoder)
        depth, rows, columns = config.lattice_size
        self.reshaper = self._reshaper(config.embedding_dim, config.core.layout)
        if config.target_dim != config.embedding_dim:
            fitted = config.core.layout in ("pca", "spectral")  # on questions
            self._answer_reshaper = self._reshaper(config.target_dim, "row_major" if fitted else config.core.layout)
        generator = torch.Generator().manual_seed(config.random_seed)
        self.core = CubicCore((depth, rows, columns), config.in_channels, **config.core_options, generator=generator)
        self.whitening = Whitening(config.embedding_dim) if config.core.whitening else nn.Identity()
        self.to(self.device)

    def _reshaper(self, dim: int, layout: str) -> EmbeddingReshaper:
        _, rows, columns = self.config.lattice_size
        return EmbeddingReshaper(
            dim,
            (rows, columns, self.config.channels_for(dim)),
            layout=layout,
            # A unit vector's numbers have a size of 1/√dim; cells learn best with size one. A power of two is exact.
            scale=2.0 ** round(math.log2(dim) / 2),
            seed=self.config.random_seed,
        )

    @property
    def answer_reshaper(self) -> EmbeddingReshaper:
        """What unfolds outputs."""
        return self._answer_reshaper if "_answer_reshaper" in self._modules else self.reshaper

    @property
    def initialized(self) -> bool:
        """Whether `initialize_components` was called."""
        return "core" in self._modules

    @property
    def embedding_processor(self) -> CubicCore | None:
        """The core."""
        return self.core if self.initialized else None

    @property
    def embedding_reshaper(self) -> EmbeddingReshaper | None:
        """The reshaper."""
        return self.reshaper if self.initialized else None

    @property
    def embedding_loader(self) -> TeacherEncoder | None:
        """The encoder."""
        return self.encoder if self.initialized else None

    @property
    def tasks(self) -> tuple[str, ...]:
        """What the mode trains: autoencoder, dialogue or both."""
        return self.config.tasks

    def set_mode(self, mode: str) -> None:
        """Changes what the next `fit` trains. Settings that are "auto" follow; the weights stay.

        Raises:
            ValueError: not autoencoder, dialogue or mixed.
        """
        if mode not in MODES:
            raise ConfigError(f"CubeTrainer.set_mode: mode {mode!r} is not known. Use one of {', '.join(MODES)}.")
        self.config = TrainingConfig.load(self.config, mode=mode)
        if self.initialized:
            self.core.bottleneck = self.config.bottleneck
            self.core.cell_dropout = self.config.cell_dropout

    def resized(
        self: AnyCube, *, depth: int | None = None, rows: int | None = None, columns: int | None = None
    ) -> AnyCube:
        """The same weights on a lattice of another size, see `CubicCore.resized`.

        With another face the cube takes vectors of another width: a face of 16×16 cells with 12 numbers each takes
        3,072. With another depth alone it takes the vectors that it took before.

        Args:
            depth, rows, columns: the new size; None keeps the old.

        Returns:
            A new cube with a copy of the weights, in evaluation mode.

        Raises:
            ConfigError: the layout was fitted on vectors of the old width.
            ValueError: before `initialize_components`, a rule that is not shared, or a size that cannot work.

        Example:
            >>> cube = Cube({"core": {"rule": "shared"}, "mode": "dialogue"})
            >>> cube.initialize_components()
            >>> larger = cube.resized(rows=16, columns=16)
            >>> larger.config.lattice_size, larger.config.embedding_dim
            ([8, 16, 16], 3072)
        """
        if not self.initialized:
            raise ValueError("CubeTrainer.resized: there is no cube yet. Call initialize_components() first.")
        core = self.core.resized(depth=depth, rows=rows, columns=columns)
        same_face = core.lattice_size[1:] == self.core.lattice_size[1:]
        fitted = "whitening" if self.config.core.whitening else f"layout {self.reshaper.layout}"
        if fitted in ("whitening", "layout pca", "layout spectral") and not same_face:
            raise ConfigError(
                f"CubeTrainer.resized: the {fitted} was fitted on vectors of "
                f"{self.config.embedding_dim} numbers and cannot be laid on another face. Change the depth alone, or "
                "train with layout row_major."
            )
        settings = self.config.to_dict()
        settings["lattice_size"] = list(core.lattice_size)
        if not same_face:
            cells = math.prod(core.lattice_size[1:])
            settings["embedding_dim"] = cells * self.reshaper.cube_shape[2]
            settings["answer_dim"] = self.config.answer_dim and cells * self.answer_reshaper.cube_shape[2]
        if self.config.core.steps is not None:
            settings["core"]["steps"] = core.steps
        cube = type(self)(settings, device=str(self.device))
        cube.initialize_components()
        cube.core = core
        if same_face:
            cube.load_fitted(self)
        return cube.eval()

    def load_fitted(self, other: Cube) -> None:
        """Takes over what was fitted on training vectors before the core: layout and whitening."""
        self.reshaper.load_state_dict(other.reshaper.state_dict())
        self.whitening.load_state_dict(other.whitening.state_dict())

    # --- using the cube ---------------------------------------------------------------------------------------------

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Vectors of texts as the cube takes them, `(n, dim)`: of questions, or in autoencoder mode of documents."""
        return encode_as(self.encoder, texts, "document" if self.config.mode == "autoencoder" else "query")

    def forward(self, embedding: Tensor, *, damage: Tensor | None = None) -> Tensor:
        """Sends vectors through the cube.

        Args:
            embedding: `(batch, dim)`, or one vector `(dim,)`.
            damage: dead cells, bool `(depth, rows, columns)`; see `cubelib.lattice.random_damage`.

        Returns:
            The same shape, or `(batch, answer_dim)`. Not normalized: the default losses train the direction only.

        Raises:
            ValueError: before `initialize_components`, vectors of another width, or a mask of another lattice.
        """
        if not self.initialized:
            raise ValueError("CubeTrainer.forward: there is no cube yet. Call initialize_components() first.")
        if embedding.ndim == 1:
            return self.forward(embedding[None], damage=damage)[0]
        damage = None if damage is None else damage.to(self.device)
        return self.unfold(self.core(self.fold(embedding.to(self.device)), damage=damage))

    def fold(self, vectors: Tensor) -> Tensor:
        """`(batch, dim)` → what the front face receives, `(batch, rows, columns, channels)`."""
        folded = self.reshaper.fold(self.whitening(vectors))
        # Where answers are longer than questions, the cells' last numbers are empty at first.
        return pad(folded, (0, self.core.in_channels - folded.shape[-1]))

    def unfold(self, cubes: Tensor) -> Tensor:
        """What the back face holds, `(batch, rows, columns, channels)` → `(batch, target_dim)`."""
        return self.answer_reshaper.unfold(cubes[..., : self.answer_reshaper.cube_shape[2]])

    @torch.no_grad()
    def predict(self, vectors: Tensor | VectorFile, *, damage: Tensor | None = None) -> Tensor:
        """`forward` in evaluation mode and in batches, for any number of vectors `(n, dim)`; on the CPU."""
        was_training = self.training
        self.eval()
        try:
            outputs = [self.forward(batch, damage=damage).cpu() for batch in blocks(vectors, PREDICT_BATCH)]
        finally:
            self.train(was_training)
        return torch.cat(outputs) if outputs else torch.empty(0, self.config.target_dim)

    def evaluate(self, dataset: EmbeddingDataset, *, damage: Tensor | None = None) -> dict[str, float]:
        """Metrics of the cube on a dataset. For a table with baselines and intervals see `cubelib.evaluation`.

        Args:
            dataset: what is judged.
            damage: dead cells, bool `(depth, rows, columns)`.

        Returns:
            cosine_similarity, mse_loss and semantic_preservation; for a DialogueDataset also mrr, the mean reciprocal
            rank of each answer among all answers of the dataset.
        """
        cosines, errors = torch.empty(2, len(dataset))
        outputs = []
        for number, (input, target) in enumerate(zip(blocks(dataset.input), blocks(dataset.target), strict=True)):
            output = self.predict(input, damage=damage)
            rows = slice(number * BLOCK, (number + 1) * BLOCK)
            cosines[rows] = EmbeddingMetrics.cosine_per_item(output, target)
            errors[rows] = EmbeddingMetrics.mse_per_item(output, target)
            if dataset.target is not dataset.input:
                outputs.append(output)
        cosine, mse = float(cosines.mean()), float(errors.mean())
        metrics = {"cosine_similarity": cosine, "mse_loss": mse, "semantic_preservation": cosine / (1.0 + mse)}
        if outputs:
            metrics["mrr"] = EmbeddingMetrics.calculate_mrr(torch.cat(outputs), dataset.target[:])
        return metrics
