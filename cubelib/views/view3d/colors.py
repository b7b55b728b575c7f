"""What a cell's number looks like: one scale of colors for printed pictures and for those that turn.

Zero is silence, and pale gray. Strengths, 0 or more, run through viridis; where they differ much the scale is
logarithmic, so that a whisper is seen beside a shout. Numbers of either sign run through PuOr, with zero in the middle.
Both are told apart by people with any common color vision.
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

STRENGTH = "strength of a cell's signal"
ORANGE, SILENT = "#D55E00", (0.93, 0.93, 0.93, 1.0)
WIDE = 30.0  # from this ratio of the strongest to the weakest on, the scale is logarithmic
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
        loud = np.abs(flat[np.isfinite(flat) & (flat != 0)])
        low, high = (float(loud.min()), float(loud.max())) if loud.size else (0.1, 1.0)
        self.signed = bool((flat < 0).any())
        self.map = colormaps["PuOr" if self.signed else "viridis"]
        if self.signed:
            self.norm: Normalize = Normalize(-high, high)
        else:
            kind = Normalize if linear or high < WIDE * low else LogNorm
            self.norm = kind(low, high if high > low else 2 * low)

    def __call__(self, values: NDArray[Any]) -> NDArray[Any]:
        """Red, green, blue and opacity of each value, `(…, 4)`; NaN is white."""
        flat = np.where(values == 0, self.norm.vmin, values).ravel()
        colors = self.map(self.norm(flat).reshape(values.shape))
        colors[values == 0] = SILENT
        colors[np.isnan(values)] = 1.0
        return colors

    def levels(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """The place of each value on the scale, 1 … 255; 0 for silence."""
        flat = np.where(values == 0, self.norm.vmin, values).ravel()
        places = np.clip(np.asarray(self.norm(flat)), 0.0, 1.0).reshape(values.shape)
        return np.where(values == 0, 0, 1 + np.rint(places * (LEVELS - 1))).astype(np.uint8)

    @property
    def stops(self) -> list[tuple[float, str]]:
        """The scale as plotly wants it, from level 0 to level 255: a sliver of gray, then the colors."""

        def css(color: Sequence[float]) -> str:
            return "rgb({},{},{})".format(*(round(255 * part) for part in color[:3]))

        first = 0.5 / LEVELS  # halfway between silence and the weakest signal
        places = np.linspace(0, 1, 17)
        return [
            (0.0, css(SILENT)),
            (first, css(SILENT)),
            *((first + (1 - first) * place, css(self.map(place))) for place in places),
        ]

    @property
    def ticks(self) -> tuple[list[float], list[str]]:
        """Levels and labels for a color bar of levels."""
        if isinstance(self.norm, LogNorm):
            powers = range(int(np.floor(np.log10(self.norm.vmin))), int(np.ceil(np.log10(self.norm.vmax))) + 1)
            values = [factor * 10.0**power for power in powers for factor in (1, 3)]
        else:
            values = list(np.linspace(self.norm.vmin, self.norm.vmax, 5))
        inside = [value for value in values if self.norm.vmin <= value <= self.norm.vmax]
        labels = [f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}" for value in inside]
        return [float(1 + self.norm(value) * (LEVELS - 1)) for value in inside], labels

    @property
    def mappable(self) -> ScalarMappable:
        """For matplotlib's color bar."""
        return ScalarMappable(self.norm, self.map)
