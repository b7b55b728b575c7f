"""cubelib: teach a 3-D lattice of cells, each talking only to its neighbours, to transform sentence embeddings.

The names below are imported when they are first used, so that `python -m cubelib doctor` works where torch does not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cubelib.answers import AnswerBank
    from cubelib.config import TrainingConfig
    from cubelib.datasets import AutoencoderDataset, DialogueDataset
    from cubelib.encoder import TeacherEncoder
    from cubelib.lattice import CubicCore
    from cubelib.metrics import EmbeddingMetrics
    from cubelib.reshaper import EmbeddingReshaper
    from cubelib.trainer import CubeTrainer

__version__ = "0.1.0"

__all__ = [
    "AnswerBank",
    "AutoencoderDataset",
    "CubeTrainer",
    "CubicCore",
    "DialogueDataset",
    "EmbeddingMetrics",
    "EmbeddingReshaper",
    "TeacherEncoder",
    "TrainingConfig",
]

_MODULES = {
    "AnswerBank": "answers",
    "AutoencoderDataset": "datasets",
    "CubeTrainer": "trainer",
    "CubicCore": "lattice",
    "DialogueDataset": "datasets",
    "EmbeddingMetrics": "metrics",
    "EmbeddingReshaper": "reshaper",
    "TeacherEncoder": "encoder",
    "TrainingConfig": "config",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'cubelib' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"cubelib.{_MODULES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
