"""Random vectors on which answers are checked, the same in every run."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize


def random_vectors(rows: int, columns: int, seed: int) -> Tensor:
    """Vectors in random directions, each of another length.

    Args:
        rows: how many.
        columns: numbers of each.
        seed: another one gives other vectors.

    Returns:
        `(rows, columns)`; lengths from 0.5 to 4.5.

    Example:
        >>> random_vectors(20, 768, seed=1).norm(dim=1).std() > 0.5
        tensor(True)
    """
    generator = torch.Generator().manual_seed(seed)
    lengths = 0.5 + 4 * torch.rand(rows, 1, generator=generator)
    return lengths * normalize(torch.randn(rows, columns, generator=generator))


def cosines_of(left: Tensor, right: Tensor) -> Tensor:
    """The cosine of each row of `left` `(n, dim)` with each row of `right` `(m, dim)` → `(n, m)`."""
    return (normalize(left.double()) @ normalize(right.double()).T).float()
