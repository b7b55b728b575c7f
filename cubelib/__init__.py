"""cubelib: teach a 3-D lattice of cells, each talking only to its neighbours, to transform sentence embeddings."""

from cubelib.config import TrainingConfig
from cubelib.datasets import AutoencoderDataset, DialogueDataset
from cubelib.encoder import TeacherEncoder
from cubelib.lattice import CubicCore
from cubelib.metrics import EmbeddingMetrics
from cubelib.reshaper import EmbeddingReshaper
from cubelib.trainer import CubeTrainer

__version__ = "0.1.0"

__all__ = [
    "AutoencoderDataset",
    "CubeTrainer",
    "CubicCore",
    "DialogueDataset",
    "EmbeddingMetrics",
    "EmbeddingReshaper",
    "TeacherEncoder",
    "TrainingConfig",
]
