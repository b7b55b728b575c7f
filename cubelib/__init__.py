"""cubelib: teach a 3-D lattice of cells, each talking only to its neighbors, to transform sentence embeddings.

The names below are imported when they are first used, so that `python -m cubelib doctor` works where torch does not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cubelib.data.datasets import AutoencoderDataset, DialogueDataset
    from cubelib.encoders.encoder import TeacherEncoder
    from cubelib.inference.answers import AnswerBank
    from cubelib.lattice import CubicCore
    from cubelib.metrics import EmbeddingMetrics
    from cubelib.reshaper import EmbeddingReshaper
    from cubelib.training.config import TrainingConfig
    from cubelib.training.trainer import CubeTrainer

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
    "AnswerBank": "cubelib.inference.answers",
    "AutoencoderDataset": "cubelib.data.datasets",
    "CubeTrainer": "cubelib.training.trainer",
    "CubicCore": "cubelib.lattice",
    "DialogueDataset": "cubelib.data.datasets",
    "EmbeddingMetrics": "cubelib.metrics",
    "EmbeddingReshaper": "cubelib.reshaper",
    "TeacherEncoder": "cubelib.encoders.encoder",
    "TrainingConfig": "cubelib.training.config",
}
_SHORTCUTS = {  # modules that notebooks use so often that they have a short name
    "check": "cubelib.exercises",
    "corpora": "cubelib.data.corpora",
    "plots": "cubelib.views.plots",
    "widgets": "cubelib.views.widgets",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value = getattr(import_module(_MODULES[name]), name)
    elif name in _SHORTCUTS:
        value = import_module(_SHORTCUTS[name])
    else:
        raise AttributeError(f"module 'cubelib' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_SHORTCUTS})
