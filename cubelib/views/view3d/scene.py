"""What a picture of a lattice shows: a number for each cell at each tick, and what is outlined or dead.

core, vector ─trace_states→ every state of every cell ─Scene→ to_plotly, to turn; to_matplotlib, to print
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from cubelib.errors import DataError
from cubelib.lattice import CubicCore
from cubelib.reshaper import EmbeddingReshaper
from cubelib.training.cube import Cube
from cubelib.views.view3d.colors import STRENGTH, Colors


@dataclass(frozen=True, eq=False)
class Scene:
    """The cells of a lattice over time.

    Args:
        values: what each cell holds at each tick, `(ticks, planes, rows, columns)`; 0 is silence.
        label: what the values are.
        cone: the planes to outline at each tick, as from `cubelib.lattice.light_cone`; None for none.
        marked: cells to outline at each tick, bool, the shape of values; None for none.
        dead: dead cells, bool `(planes, rows, columns)`; None for none.
        title: shown above, as it is.

    Raises:
        DataError: values, masks or planes that do not fit together.
    """

    values: Tensor
    label: str = STRENGTH
    cone: Sequence[range] | None = None
    marked: Tensor | None = None
    dead: Tensor | None = None
    title: str = ""

    def __post_init__(self) -> None:
        shape = tuple(self.values.shape)
        if len(shape) != 4 or 0 in shape:
            raise DataError(
                f"A scene takes a value for each cell at each tick, (ticks, planes, rows, columns); got {shape}. From "
                "core(cube, return_states=True)[1] take one item and one number for each cell: states[0].norm(dim=-1)."
            )
        if not bool(torch.isfinite(self.values).all()):
            raise DataError("A scene takes finite values; these hold NaN or infinite numbers.")
        for name, mask, expected in (("marked", self.marked, shape), ("dead", self.dead, shape[1:])):
            if mask is not None and (tuple(mask.shape) != expected or mask.dtype != torch.bool):
                raise DataError(
                    f"A scene of values {shape} takes {name} as a bool mask {expected}; got {mask.dtype}, shape "
                    f"{tuple(mask.shape)}."
                )
        if self.cone is not None and len(self.cone) != shape[0]:
            raise DataError(
                f"A scene of {shape[0]} ticks takes as many ranges of planes as its cone; got {len(self.cone)}. "
                "light_cone(depth, steps) gives steps + 1 of them."
            )

    @property
    def ticks(self) -> int:
        """Number of ticks, the first being tick 0."""
        return self.values.shape[0]

    @property
    def size(self) -> tuple[int, int, int]:
        """(planes, rows, columns)."""
        _, planes, rows, columns = self.values.shape
        return planes, rows, columns

    @cached_property
    def colors(self) -> Colors:
        """One scale for all ticks."""
        return Colors([self.values])

    @property
    def active_counts(self) -> list[int]:
        """How many cells are not silent, tick by tick."""
        return (self.values != 0).flatten(1).sum(1).tolist()

    def __repr__(self) -> str:
        size = "×".join(map(str, self.size))
        dead = "" if self.dead is None else f", {int(self.dead.sum())} dead"
        counts = ", ".join(map(str, self.active_counts))
        return f"{self.label}: {size} cells{dead}; cells that hold something, tick by tick: {counts}"


@torch.no_grad()
def trace_states(
    core: CubicCore | Cube, vector: Tensor, *, damage: Tensor | None = None, reshaper: EmbeddingReshaper | None = None
) -> Tensor:
    """Every state of every cell while a vector crosses the lattice.

    Args:
        core: a CubicCore, or a Cube or CubeTrainer, which has its own reshaper.
        vector: `(dim,)`, `(1, dim)`, or a cube `(rows, columns, channels)` that is already folded.
        damage: dead cells, bool `(depth, rows, columns)`.
        reshaper: folds the vector for a CubicCore; None for a plain one (row_major).

    Returns:
        `(steps + 1, depth, rows, columns, state_channels)`, computed in evaluation mode.

    Raises:
        DataError: several vectors, or an input that does not fit the front face.

    Example:
        >>> core = CubicCore((3, 2, 2), in_channels=4, state_channels=4)
        >>> states = trace_states(core, torch.ones(16))
        >>> states.shape, states.abs().sum((2, 3, 4)).tolist()             # one plane a tick
        (torch.Size([3, 3, 2, 2, 4]), [[16.0, 0.0, 0.0], [0.0, 16.0, 0.0], [0.0, 0.0, 16.0]])
    """
    core, reshaper = _core_and_reshaper(core, reshaper)
    face = (*core.lattice_size[1:], core.in_channels)
    if vector.ndim == 2 and len(vector) == 1:
        vector = vector[0]
    if vector.ndim == 1:
        reshaper = reshaper or EmbeddingReshaper.for_dim(vector.shape[0], face=face[:2])
        cube = reshaper.fold(vector[None].to(reshaper.order.device))  # (1, rows, columns, channels)
    else:
        cube = vector[None]
    if tuple(cube.shape[1:]) != face:
        raise DataError(
            f"To watch a vector cross the lattice its front face {face} must be filled; got a tensor of shape "
            f"{tuple(vector.shape)}. Give one vector (dim,) with dim up to {face[0] * face[1] * face[2]}, or a cube "
            f"{face}; of several vectors take one: vectors[0]."
        )
    was_training = core.training
    core.eval()
    try:
        states: Tensor = core(cube.to(core.rule.out[0]), damage=damage, return_states=True)[1]
    finally:
        core.train(was_training)
    return states[0].cpu()


def _core_and_reshaper(
    core: CubicCore | Cube, reshaper: EmbeddingReshaper | None
) -> tuple[CubicCore, EmbeddingReshaper | None]:
    if not isinstance(core, Cube):
        return core, reshaper
    if core.embedding_processor is None:
        raise DataError("There is no cube to look at yet. Call initialize_components() first.")
    return core.embedding_processor, core.embedding_reshaper


def trace_scene(
    core: CubicCore | Cube,
    vector: Tensor,
    *,
    channel: int | None = None,
    damage: Tensor | None = None,
    reshaper: EmbeddingReshaper | None = None,
    title: str = "",
) -> Scene:
    """A vector's way through a core: the strength of each cell's signal, or one channel of its state.

    Args:
        core: as in `trace_states`.
        vector: as in `trace_states`.
        channel: 0 … state_channels − 1; None for the length of the whole state (its strength).
        damage: dead cells, bool `(depth, rows, columns)`.
        reshaper: as in `trace_states`.
        title: shown above, as it is.

    Raises:
        DataError: as in `trace_states`; or a channel that the cells do not have.

    Example:
        >>> trace_scene(CubicCore((3, 2, 2), in_channels=4, state_channels=4), torch.ones(16))
        strength of a cell's signal: 3×2×2 cells; cells that hold something, tick by tick: 4, 4, 4
    """
    lattice, reshaper = _core_and_reshaper(core, reshaper)
    states = trace_states(lattice, vector, damage=damage, reshaper=reshaper)
    if channel is None:
        return Scene(states.norm(dim=-1), STRENGTH, lattice.cone, None, damage, title)
    if not 0 <= channel < lattice.state_channels:
        raise DataError(
            f"A cell's state has {lattice.state_channels} numbers, channels 0 to {lattice.state_channels - 1}; got "
            f"channel={channel}. channel=None shows the strength of all together."
        )
    return Scene(states[..., channel], f"channel {channel} of a cell's state", lattice.cone, None, damage, title)
