"""Cores with every weight drawn at random, so that nothing is hidden behind the zeros an untrained core starts with."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from cubelib.lattice import CubicCore


@pytest.fixture
def random_core() -> Callable[..., CubicCore]:
    """A function (lattice_size, in_channels, dtype, seed, options of CubicCore) → a core with random weights."""

    def build(
        lattice_size: tuple[int, int, int] = (4, 3, 2),
        in_channels: int = 2,
        *,
        dtype: torch.dtype = torch.float64,
        seed: int = 0,
        **options: object,
    ) -> CubicCore:
        core = CubicCore(lattice_size, in_channels, **{"state_channels": 3, "hidden": 4, **options}).to(dtype)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in core.parameters():
                # Drawn in float64 whatever the dtype: the same seed means the same weights. Small, so that the states
                # of a few more ticks stay near 1.
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
            for sheet in (*core.rule.behind, *core.rule.level, *core.rule.ahead):
                sheet[..., core.hidden :] *= 0.1  # V, smaller still: no relu holds it back
        return core

    return build
