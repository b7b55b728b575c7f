"""CubeModule: the trained cube as a step of a sentence-transformers model.

Importing this module imports sentence-transformers. A saved model names the class by its path, so the path stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from sentence_transformers.base.modules import Module
from torch import Tensor
from torch.nn.functional import normalize

from cubelib.errors import ConfigError
from cubelib.training.config import TrainingConfig
from cubelib.training.trainer import CubeTrainer

# What of a configuration makes a cube. How it was trained stays behind, and so does where its data lay.
_SHAPING = ("mode", "random_seed", "lattice_size", "embedding_dim", "core")


class CubeModule(Module):
    """Sends features["sentence_embedding"], `(batch, dim)`, through a cube: a direction in, a direction out.

    The vectors are given the length 1 before the cube, as all that it was trained on, and after it: the default losses
    train the direction only, so the length of the cube's output means nothing, and dot products become cosines.

    Args:
        cube_training: the settings of the cube, as under `cube_training:` of a configuration file.

    Raises:
        ConfigError: settings that this version of cubelib does not know.

    Example:
        >>> trainer = CubeTrainer({"embedding_dim": 48, "lattice_size": [4, 4, 4], "mode": "dialogue"})
        >>> trainer.initialize_components()
        >>> module = CubeModule.of(trainer)
        >>> vectors = normalize(torch.randn(2, 48), dim=1)
        >>> same = module({"sentence_embedding": 3 * vectors})["sentence_embedding"]  # untrained: the same direction
        >>> bool((same - vectors).abs().max() < 1e-6)
        True
    """

    config_keys = ["cube_training"]  # noqa: RUF012 (as the base class has it)

    def __init__(self, cube_training: Mapping[str, Any]) -> None:
        super().__init__()
        self.cube_training = dict(cube_training)
        trainer = CubeTrainer(TrainingConfig.from_dict(cube_training, origin="the config.json of a CubeModule"))
        trainer.initialize_components()
        self.core, self.reshaper = trainer.embedding_processor.eval(), trainer.embedding_reshaper

    @classmethod
    def of(cls, trainer: CubeTrainer) -> CubeModule:
        """A copy of a trainer's cube, on the CPU; training goes on without it.

        Raises:
            ConfigError: the cube is another one than its configuration says.
        """
        settings = {name: value for name, value in trainer.config.to_dict().items() if name in _SHAPING}
        settings["core"] = {
            **settings["core"],
            "bottleneck": trainer.config.bottleneck,
        }  # "auto" may come to mean something else
        module = cls(settings)
        module.core.load_state_dict(trainer.embedding_processor.state_dict())
        module.reshaper.load_state_dict(trainer.embedding_reshaper.state_dict())
        vectors = normalize(torch.randn(4, module.reshaper.dim, generator=torch.Generator().manual_seed(0)), dim=1)
        with torch.no_grad():
            made = module({"sentence_embedding": vectors})["sentence_embedding"]
        difference = (made - normalize(trainer.predict(vectors), dim=1)).abs().max().item()
        if not difference <= 1e-5:  # not a number is no agreement either
            raise ConfigError(
                f"Exporting: a cube built from the configuration of the trainer, with its weights, differs from the "
                f"trainer's by {difference:.1e}. Use a trainer that built its cube by itself (initialize_components)."
            )
        return module

    def forward(self, features: dict[str, Tensor | Any]) -> dict[str, Tensor | Any]:
        """Replaces features["sentence_embedding"] by what the cube makes of it."""
        vectors = features["sentence_embedding"].to(next(self.core.parameters()).dtype)
        outputs = self.reshaper.unfold(self.core(self.reshaper.fold(normalize(vectors, dim=-1))))
        features["sentence_embedding"] = normalize(outputs, dim=-1)
        return features

    def get_embedding_dimension(self) -> int:
        """Numbers in a vector."""
        return self.reshaper.dim

    def save(self, output_path: str, *args: Any, **kwargs: Any) -> None:
        """Writes config.json and model.safetensors, whatever else is asked for: no pickle."""
        self.save_config(output_path)
        self.save_torch_weights(output_path, safe_serialization=True)

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", **kwargs: Any) -> CubeModule:
        """Reads what `save` wrote."""
        names = ("token", "cache_folder", "revision", "local_files_only")
        hub = {name: kwargs[name] for name in names if name in kwargs}
        module = cls(**cls.load_config(model_name_or_path, subfolder=subfolder, **hub))
        return cls.load_torch_weights(model_name_or_path, subfolder=subfolder, model=module, **hub)

    def __repr__(self) -> str:
        return f"CubeModule({self.cube_training['mode']}, {self.reshaper!r}, {self.core!r})"
