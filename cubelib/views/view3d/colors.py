"""The color of a cell's number, the same in printed and in interactive pictures.

Zero is silence, and pale gray. Strengths, 0 or more, run through viridis; if they differ much the scale is logarithmic,
so that weak signals are visible beside strong ones. Signed numbers run through PuOr, with zero in the middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from numpy.typing import NDArray
from torch import Tensor

from cubelib.views.style import SILENT

STRENGTH = "strength of a cell's signal"
LOG_RATIO = 30.0  # of the strongest value to the weakest, from which on the scale is logarithmic
LEVELS = 255  # colors of a scale; level 0 is silence


class Colors:
    """A scale for all values that are shown together.

    Args:
        values: everything that the scale must span, any shapes; silence, 0, is not on it.
        linear: never logarithmic.

    Example:
        >>> import torch
        >>> colors = Colors([torch.tensor([0.0, 1.0, 3.0])])
        >>> colors.levels(np.array([0.0, 1.0, 2.0, 3.0])).tolist()
        [0, 1, 128, 255]
    """

    def __init__(self, values: Sequence[Tensor], *, linear: bool = False) -> None:
        flat = np.concatenate([np.asarray(part.detach().cpu(), dtype=np.float64).ravel() for part in values])
        sizes = np.abs(flat[np.isfinite(flat) & (flat != 0)])
        low, high = (float(sizes.min()), float(sizes.max())) if sizes.size else (0.1, 1.0)
        signed = bool((flat < 0).any())
        self.map = colormaps["PuOr" if signed else "viridis"]
        logarithmic = not (signed or linear or high < LOG_RATIO * low)
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

    def plotly_scale(self) -> dict[str, Any]:
        """The scale for a plotly trace of levels: colors, and a color bar with the values."""
        first = 0.5 / LEVELS  # halfway between silence and the weakest signal
        places = np.linspace(0, 1, 17)
        stops = [(0.0, SILENT), (first, SILENT), *((first + (1 - first) * place, self.map(place)) for place in places)]
        values = self._tick_values()
        return {
            "colorscale": [
                (place, "rgb({},{},{})".format(*(round(255 * c) for c in color[:3]))) for place, color in stops
            ],
            "colorbar": {
                "tickvals": [float(1 + self.norm(value) * (LEVELS - 1)) for value in values],
                "ticktext": [f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}" for value in values],
            },
        }

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
