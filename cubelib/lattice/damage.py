"""Lesions: which cells of a lattice are dead.

Taught in notebook 04.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def random_damage(lattice_size: tuple[int, int, int], share: float, *, seed: int = 0) -> Tensor:
    """A mask of dead cells for `CubicCore.forward`, drawn among all cells of a lattice.

    With the same seed a larger share kills the same cells and more, so a curve over shares follows one lesion as it
    grows.

    Args:
        lattice_size: (depth, rows, columns).
        share: of the cells that are dead, 0 … 1; rounded to whole cells.
        seed: of the draw.

    Returns:
        bool, `(depth, rows, columns)`; True where a cell is dead.

    Raises:
        ValueError: a share that is none.

    Example:
        >>> damage = random_damage((8, 8, 8), 0.05)
        >>> damage.shape, int(damage.sum())  # 5 % of 512 cells
        (torch.Size([8, 8, 8]), 26)
        >>> bool((damage <= random_damage((8, 8, 8), 0.1)).all())  # all of them are dead at 10 %, too
        True
    """
    if not 0 <= share <= 1:
        raise ValueError(f"random_damage: share is the part of the cells that is dead, 0 … 1; got {share}.")
    cells = math.prod(lattice_size)
    dead = torch.randperm(cells, generator=torch.Generator().manual_seed(seed))[: round(share * cells)]
    damage = torch.zeros(cells, dtype=torch.bool)
    damage[dead] = True
    return damage.reshape(lattice_size)
