"""A cube and data so small that training takes a second."""

import torch
from torch.nn.functional import normalize

DIM = 48
# With a bottleneck such a cube is PCA before training, so that what it gives is known.
START_AS_PCA = {"rule": "genome", "boundary": "zero", "layout": "pca", "cell_dropout": 0.0}


def small(**changes) -> dict:
    """Settings of a cube that trains in a second: 48 numbers on 4×4×4 cells, and a learning rate to match."""
    core = {**START_AS_PCA, "state_channels": 4, "hidden": 8, **changes.pop("core", {})}
    return {
        "embedding_dim": DIM,
        "lattice_size": [4, 4, 4],
        "learning_rate": 0.01,
        "epochs": 4,
        "core": core,
        **changes,
    }


def vectors(count: int, seed: int) -> torch.Tensor:
    """Unit vectors of unequal spread."""
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(count, DIM, generator=generator) * torch.linspace(0.2, 2, DIM), dim=1)
