"""What the notebooks of the tests begin with: the cubes of `letter_cubes`."""

from __future__ import annotations

from inspect import getsource
from typing import Any

import letter_cubes

# Their source, since the notebooks' kernel finds cubelib and not the tests.
SETUP = (
    getsource(letter_cubes)
    + "\nfrom cubelib import AnswerBank, AutoencoderDataset, CubicCore, widgets\nfrom cubelib.views import view3d\n"
)
SHOW = """
core = CubicCore((4, 4, 4), in_channels=3, state_channels=4)  # untrained: a vector goes through as it is
view = view3d.show(core, torch.arange(1.0, 49.0), title=MARKUP)
"""


def run(*cells: str) -> dict[str, Any]:
    """The names that cells leave behind, run in this process."""
    names: dict[str, Any] = {}
    for cell in cells:
        exec(cell, names)
    return names
