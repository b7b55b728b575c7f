"""What a picture of a lattice shows: a number for each cell at each tick, its color, and what is outlined or dead.

core, vector ─trace_states→ every state of every cell ─Scene→ lattice_panel, to turn; to_matplotlib, to print

Colors are the same in printed and in interactive pictures. Zero is silence, and pale gray. Strengths, 0 or more, run
through viridis; if they differ much the scale is logarithmic, so that weak signals are visible beside strong ones.
Signed numbers run through PuOr, with zero in the middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from numpy.typing import NDArray
from torch import Tensor

from cubelib.errors import DataError
from cubelib.lattice import CubicCore
from cubelib.reshaper import EmbeddingReshaper
from cubelib.training.cube import Cube
from cubelib.views.style import SILENT

STRENGTH = "strength of a cell's signal"
LOG_RATIO = 30.0  # of the strongest value to the weakest, from which on the scale is logarithmic
LEVELS = 255  # colors of a scale; level 0 is silence


class Colors:
    """A scale for all values that are shown together.

    Args:
        values: everything that the scale must span, any shapes; silence, 0, is not on it.
        span: (lowest, highest) for an even scale of its own; values above it get the last color.

    Example:
        >>> import torch
        >>> colors = Colors([torch.tensor([0.0, 1.0, 3.0])])
        >>> colors.levels(np.array([0.0, 1.0, 2.0, 3.0])).tolist()
        [0, 1, 128, 255]
    """

    def __init__(self, values: Sequence[Tensor], span: tuple[float, float] | None = None) -> None:
        self._span = span
        if span is not None:
            self._low, self._high = span
            self.map, self.norm = colormaps["viridis"], Normalize(*span)
            return
        flat = np.concatenate([np.asarray(part.detach().cpu(), dtype=np.float64).ravel() for part in values])
        sizes = np.abs(flat[np.isfinite(flat) & (flat != 0)])
        low, high = (float(sizes.min()), float(sizes.max())) if sizes.size else (0.1, 1.0)
        signed = bool((flat < 0).any())
        self.map = colormaps["PuOr" if signed else "viridis"]
        logarithmic = not (signed or high < LOG_RATIO * low)
        self._low, self._high = (-high, high) if signed else (low, high if high > low else 2 * low)
        self.norm = LogNorm(self._low, self._high) if logarithmic else Normalize(self._low, self._high)

    def _positions(self, values: NDArray[Any]) -> NDArray[Any]:
        """Where values are on the scale, 0 … 1; silence is at the lower end."""
        flat = np.where(values == 0, self._low, values).ravel()
        return np.clip(np.asarray(self.norm(flat)), 0.0, 1.0).reshape(values.shape)

    def __call__(self, values: NDArray[Any]) -> NDArray[Any]:
        """Red, green, blue and opacity of each value, `(…, 4)`; NaN is white."""
        colors: NDArray[Any] = self.map(self._positions(values))
        colors[values == 0] = SILENT
        colors[np.isnan(values)] = 1.0
        return colors

    def levels(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """The place of each value on the scale, 1 … 255; 0 for silence."""
        return np.where(values == 0, 0, 1 + np.rint(self._positions(values) * (LEVELS - 1))).astype(np.uint8)

    def scale(self) -> dict[str, Any]:
        """The scale for the front end: which palettes it may be drawn in, and a color bar's [level, value]."""
        ticks = []
        for value in self._tick_values():
            text = f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
            ticks.append([float(1 + self.norm(value) * (LEVELS - 1)), text])
        if self._span is not None:
            ticks[-1][1] = f"≥ {ticks[-1][1]}"
        return {"kind": "signed" if self._low < 0 else "sequential", "ticks": ticks}

    def _tick_values(self) -> list[float]:
        low, high = self._low, self._high
        if not isinstance(self.norm, LogNorm):
            return list(np.linspace(low, high, 5))
        powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
        return [value for power in powers for value in (10.0**power, 3 * 10.0**power) if low <= value <= high]

    @property
    def mappable(self) -> ScalarMappable:
        """For matplotlib's color bar."""
        return ScalarMappable(self.norm, self.map)


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
        scale: of the colors; None for one that spans all ticks.

    Raises:
        DataError: values, masks or planes that do not fit together.
    """

    values: Tensor
    label: str = STRENGTH
    cone: Sequence[range] | None = None
    marked: Tensor | None = None
    dead: Tensor | None = None
    title: str = ""
    scale: Colors | None = None

    def __post_init__(self) -> None:
        shape = tuple(self.values.shape)
        if len(shape) != 4 or 0 in shape or not bool(torch.isfinite(self.values).all()):
            raise DataError(
                "A scene takes a finite value for each cell at each tick, (ticks, planes, rows, columns); got "
                f"{shape}, {int((~torch.isfinite(self.values)).sum())} not finite. From "
                "core(cube, return_states=True)[1] take one item and one number for each cell: states[0].norm(dim=-1)."
            )
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

    @cached_property
    def colors(self) -> Colors:
        """One scale for all ticks."""
        return self.scale or Colors([self.values])

    def __repr__(self) -> str:
        size = "×".join(map(str, self.values.shape[1:]))
        dead = "" if self.dead is None else f", {int(self.dead.sum())} dead"
        counts = ", ".join(map(str, (self.values != 0).flatten(1).sum(1).tolist()))
        return f"{self.label}: {size} cells{dead}; cells that hold something, tick by tick: {counts}"


@torch.no_grad()
def trace_states(core: CubicCore | Cube, vector: Tensor, *, damage: Tensor | None = None) -> Tensor:
    """Every state of every cell while a vector crosses the lattice.

    Args:
        core: a Cube or CubeTrainer, which folds the vector with its own reshaper; or a CubicCore, which takes it in the
            row_major layout.
        vector: `(dim,)`, `(1, dim)`, or a cube `(rows, columns, channels)` that is already folded.
        damage: dead cells, bool `(depth, rows, columns)`.

    Returns:
        `(steps + 1, depth, rows, columns, state_channels)`, computed in evaluation mode.

    Raises:
        DataError: several vectors, or a cube that has not been built.
        ValueError: an input that does not fit the front face.

    Example:
        >>> core = CubicCore((3, 2, 2), in_channels=4, state_channels=4)
        >>> states = trace_states(core, torch.ones(16))
        >>> states.shape, states.abs().sum((2, 3, 4)).tolist()             # one plane a tick
        (torch.Size([3, 3, 2, 2, 4]), [[16.0, 0.0, 0.0], [0.0, 16.0, 0.0], [0.0, 0.0, 16.0]])
    """
    lattice, cube = _folded(core, vector)
    if len(cube) != 1:
        raise DataError(f"One vector at a time crosses the lattice; got {len(cube)}. Take one: vectors[0].")
    was_training = lattice.training
    lattice.eval()
    try:
        states: Tensor = lattice(cube.to(lattice.rule.out[0]), damage=damage, return_states=True)[1]
    finally:
        lattice.train(was_training)
    return states[0].cpu()


def _folded(core: CubicCore | Cube, vector: Tensor) -> tuple[CubicCore, Tensor]:
    """The lattice, and the vector as its front face takes it, `(1, rows, columns, channels)`."""
    lattice = core if isinstance(core, CubicCore) else core.embedding_processor
    if lattice is None:
        raise DataError("There is no cube to look at yet. Call initialize_components() first.")
    if vector.ndim == 3:
        return lattice, vector[None]
    vectors = vector.reshape(-1, vector.shape[-1])  # (batch, dim)
    if not isinstance(core, CubicCore):
        return lattice, core.fold(vectors.to(core.device))
    face = (*lattice.lattice_size[1:], lattice.in_channels)
    return lattice, EmbeddingReshaper(vectors.shape[-1], face).fold(vectors)
