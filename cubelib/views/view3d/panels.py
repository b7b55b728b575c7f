"""Scenes and heat maps as panels of the front end: bytes for the colors and the values of the cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from cubelib.views.frontend import Panel
from cubelib.views.view3d.scene import Colors, Scene


def lattice_panel(scene: Scene, **options: Any) -> Panel:
    """A lattice to turn, with all its ticks.

    Args:
        scene: what it shows.
        options: further properties of the panel: name, title, clickable; sized: a cell is as large as its level;
            least: the level of a solid cell; silent: what the other cells are; tall: the largest height in pixels.

    Example:
        >>> import torch
        >>> panel = lattice_panel(Scene(torch.tensor([[[[0.0, 2.0]]]])))
        >>> panel["shape"], list(panel["levels"])
        ([1, 1, 1, 2], [0, 1])
    """
    values = scene.values.double().numpy()
    return {
        "kind": "lattice",
        "shape": list(values.shape),
        "levels": scene.colors.levels(values).tobytes(),
        "values": values.astype(np.float32).tobytes(),
        "dead": _mask(scene.dead),
        "marked": _mask(scene.marked),
        "cone": None if scene.cone is None else [list(planes) for planes in scene.cone],
        "scale": scene.colors.scale(),
        "label": scene.label,
        "summary": repr(scene),
        **options,
    }


@dataclass(frozen=True, eq=False)
class Heatmap:
    """Numbers as colored squares.

    Args:
        title: shown above.
        values: `(rows, columns)`.
        colors: their scale.
        label: what the values are, for the color bar.
        bar: whether there is one.
        across: what runs to the right.
        down: what runs down.
        crossed: squares of dead cells, bool, the shape of values; None for none.
        name: what a click on it is reported by; "" for a map that is not to be clicked.
    """

    title: str
    values: Tensor
    colors: Colors
    label: str = ""
    bar: bool = True
    across: str = "column"
    down: str = "row"
    crossed: Tensor | None = None
    name: str = ""

    def panel(self) -> Panel:
        """What the front end draws."""
        values = self.values.double().numpy()
        rows, columns = values.shape
        return {
            "kind": "heatmap",
            "name": self.name,
            "title": self.title,
            "shape": [rows, columns],
            "levels": self.colors.levels(values).tobytes(),
            "values": values.astype(np.float32).tobytes(),
            "crossed": _mask(self.crossed),
            "scale": self.colors.scale(),
            "label": self.label,
            "bar": self.bar,
            "across": self.across,
            "down": self.down,
            "clickable": bool(self.name),
            "summary": f"{rows}×{columns} squares, {self.down} by {self.across}",
        }


def _mask(mask: Tensor | None) -> bytes | None:
    return None if mask is None else mask.numpy().astype(np.uint8).tobytes()
