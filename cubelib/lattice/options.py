"""What a lattice can be built from: names, numbers and sizes, and a sentence for those that cannot work."""

from __future__ import annotations

import math

from cubelib.lattice.counts import CubicCore
from cubelib.lattice.perceive import BOUNDARIES, NEIGHBORHOODS
from cubelib.lattice.rule import RULES

# Refused before anything is allocated; far above what trains on one machine.
MOST_CELLS, MOST_STEPS, MOST_WEIGHTS = 10_000_000, 10_000, 4_000_000_000


def check_options(core: CubicCore, rule: str, steps: int | None, global_channels: int) -> None:
    """Refuses options that cannot work, before anything is built from them.

    Raises:
        ValueError: a size, name or number that cannot work; the message says which, and what to use.
    """
    size = core.lattice_size
    if len(size) != 3 or not all(isinstance(side, int) and side >= 1 for side in size):
        raise ValueError(
            f"CubicCore: lattice_size is (depth, rows, columns), three whole numbers of at least 1; got {size}. The "
            "default is (8, 8, 8)."
        )
    if math.prod(size) > MOST_CELLS:
        raise ValueError(
            f"CubicCore: a lattice of {'×'.join(map(str, size))} has {math.prod(size):,} cells, and at most "
            f"{MOST_CELLS:,} are built. Use a smaller lattice_size."
        )
    for name, width in (("in_channels", core.in_channels), ("hidden", core.hidden)):
        if not isinstance(width, int) or width < 1:
            raise ValueError(f"CubicCore: {name} must be a whole number of at least 1; got {width}.")
    if core.state_channels < core.in_channels:
        raise ValueError(
            f"CubicCore: a cell's state must hold its input: state_channels {core.state_channels} is less than "
            f"in_channels {core.in_channels}. Use state_channels={core.in_channels} or more."
        )
    choices = {"rule": RULES, "neighborhood": tuple(NEIGHBORHOODS), "boundary": BOUNDARIES}
    for name, allowed in choices.items():
        choice = rule if name == "rule" else getattr(core, name)
        if choice not in allowed:
            raise ValueError(f"CubicCore: {name}={choice!r} is not known. Use one of {', '.join(allowed)}.")
    if steps is not None and not isinstance(steps, int):
        raise ValueError(
            f"CubicCore: steps is a whole number of ticks, or None for depth − 1 = {size[0] - 1}; got {steps}."
        )
    if steps is not None and steps > MOST_STEPS:
        raise ValueError(f"CubicCore: steps is at most {MOST_STEPS:,} ticks; got {steps:,}. Use fewer.")
    weights = _weights(core, rule)
    if weights > MOST_WEIGHTS:
        raise ValueError(
            f"CubicCore: {weights:,} weights would take {4e-9 * weights:,.0f} GB, and at most {MOST_WEIGHTS:,} are "
            "built. Use a smaller lattice_size, hidden or state_channels, or rule='shared'."
        )
    if core.persistent and (core.bottleneck is not None or global_channels or (steps is not None and steps < 1)):
        raise ValueError(
            "CubicCore: a persistent core holds its input for 1 tick or more, without bottleneck and global channels; "
            f"got steps={steps}, bottleneck={core.bottleneck}, global_channels={global_channels}."
        )
    if core.bottleneck is not None and not 1 <= core.bottleneck <= core.state_channels:
        raise ValueError(
            "CubicCore: bottleneck is the number of channels that the middle plane passes on, 1 to "
            f"{core.state_channels} (state_channels), or None for no bottleneck; got {core.bottleneck}."
        )
    if not isinstance(global_channels, int) or global_channels < 0:
        raise ValueError(f"CubicCore: global_channels is a whole number, 0 for none; got {global_channels}.")
    if global_channels and core.bottleneck is not None:
        raise ValueError(
            f"CubicCore: global channels would bypass the bottleneck; got global_channels={global_channels} and "
            f"bottleneck={core.bottleneck}. Use global_channels=0 or bottleneck=None."
        )
    if global_channels and size[0] == 1:
        raise ValueError("CubicCore: global channels need two faces; this lattice has 1 plane. Use global_channels=0.")
    for name in ("cell_dropout", "cell_damage"):
        if not 0.0 <= getattr(core, name) < 1.0:
            raise ValueError(f"CubicCore: {name} is a probability, 0 or more and below 1; got {getattr(core, name)}.")


def _weights(core: CubicCore, rule: str) -> int:
    """Weights of the cells' networks, the tunings of single cells left out."""
    neighbors = sum(map(len, NEIGHBORHOODS[core.neighborhood].values()))
    width = core.hidden + core.state_channels if core.linear_path else core.hidden
    networks = math.prod(core.lattice_size) if rule == "local" else 1
    return networks * core.state_channels * (neighbors * width + core.hidden)
