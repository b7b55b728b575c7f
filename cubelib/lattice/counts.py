"""What a core costs: parameters, code size and FLOPs, from formulas that the tests check against the real tensors.

All of them follow from two questions about plane z at tick t: how many channels can carry a signal, and how many can
still be heard at the back face?

Taught in notebook 03.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import Protocol

from cubelib.lattice.cone import overlap
from cubelib.lattice.global_channels import GlobalChannels
from cubelib.lattice.perceive import NEIGHBORHOODS, Offset, neighbor_index
from cubelib.lattice.rule import Rule


class CubicCore(Protocol):
    """What is asked of a `cubelib.lattice.CubicCore`, which imports this module for its properties."""

    lattice_size: tuple[int, int, int]
    in_channels: int
    state_channels: int
    hidden: int
    steps: int
    linear_path: bool
    neighborhood: str
    boundary: str
    persistent: bool
    bottleneck: int | None
    cone: list[range]
    rule: Rule
    global_channels: GlobalChannels | None

    @property
    def bottleneck_plane(self) -> int: ...


def carried_channels(core: CubicCore, t: int, z: int) -> int:
    """Channels of plane z that can differ from zero at tick t."""
    if z > t and not core.persistent:
        return 0
    return _through_bottleneck(core, z, core.in_channels if t == 0 else core.state_channels)


def heard_channels(core: CubicCore, t: int, z: int) -> int:
    """Channels of plane z at tick t that can still influence the output."""
    if z not in core.cone[t]:
        return 0
    return _through_bottleneck(core, z, core.in_channels if t == core.steps else core.state_channels)


def parameter_count(core: CubicCore) -> int:
    """Parameters that can influence the output in `steps` ticks.

    Not counted: cells that never update in the light cone, weights that would read a neighbor outside the lattice or
    a channel that never carries anything, and weights that write a channel nobody hears.
    """
    neighborhood = NEIGHBORHOODS[core.neighborhood]
    one_each = core.rule.kind == "local"  # a network for each cell; else the cells share one, and any use counts
    neighbors = {depth_offset: _neighbors(core, offsets, one_each) for depth_offset, offsets in neighborhood.items()}
    writes: dict[int, int] = {}  # plane → channels written there, and heard, at some tick
    # (plane, depth offset) → at each tick (channels read, channels written and heard); shared weights: plane 0 for all
    uses: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for t, (now, then) in enumerate(pairwise(core.cone), start=1):
        for z in then:
            writes[z] = max(writes.get(z, 0), heard_channels(core, t, z))
        for depth_offset in neighborhood:
            for z in overlap(depth_offset, now, then):
                use = (carried_channels(core, t - 1, z + depth_offset), heard_channels(core, t, z))
                uses[z if one_each else 0, depth_offset].append(use)
    if not writes:
        return 0
    face = core.lattice_size[1] * core.lattice_size[2]
    first = sum(neighbors[depth_offset] * max(read for read, _ in pairs) for (_, depth_offset), pairs in uses.items())
    linear = (
        sum(neighbors[depth_offset] * _pairs(pairs) for (_, depth_offset), pairs in uses.items())
        if core.linear_path
        else 0
    )
    if one_each:
        last, tuning = face * sum(writes.values()), face * len(writes)
    else:
        last = max(writes.values())
        tuning = 1 if core.rule.kind == "shared" else 2 * face * len(writes)  # a bias; or a gain and a bias for each
    return core.hidden * (first + last + tuning) + linear + _global_channels(core)


def _pairs(uses: list[tuple[int, int]]) -> int:
    """Weights of a linear map that are used, if each use takes the first so many of its inputs and outputs.

    Example:
        >>> _pairs([(12, 16), (16, 12)])  # 12 · 12 twice, 4 · 12 either way
        240
    """
    outputs = range(max(written for _, written in uses))
    return sum(max(read for read, written in uses if written > output) for output in outputs)


def latent_dim(core: CubicCore) -> int | None:
    """Numbers that pass the bottleneck for one input, or None without a bottleneck.

    With steps beyond depth − 1 the middle plane passes on a code at each tick it is active, and all of them count.
    """
    if core.bottleneck is None:
        return None
    z, face = core.bottleneck_plane, core.lattice_size[1] * core.lattice_size[2]
    return face * sum(min(carried_channels(core, t, z), heard_channels(core, t, z)) for t in range(core.steps + 1))


def flops_per_sample(core: CubicCore, schedule: list[range]) -> int:
    """FLOPs of the matrix products of one forward pass for one input; a multiplication and an addition make two.

    Args:
        core: the core.
        schedule: the planes computed at each tick: `core.cone`, or all planes at every tick for the dense path.
    """
    face = core.lattice_size[1] * core.lattice_size[2]
    width = core.hidden + core.state_channels if core.linear_path else core.hidden
    flops = 2 * _global_channels(core)
    for now, then in pairwise(schedule):
        for depth_offset, offsets in NEIGHBORHOODS[core.neighborhood].items():
            flops += 2 * face * len(overlap(depth_offset, now, then)) * len(offsets) * core.state_channels * width
        flops += 2 * face * len(then) * core.hidden * core.state_channels
    return flops


def _global_channels(core: CubicCore) -> int:
    """Weights of the global channels; each is used once for one input."""
    return (
        0
        if core.global_channels is None
        else core.global_channels.write_weights.numel() + core.global_channels.read_weights.numel()
    )


def _through_bottleneck(core: CubicCore, z: int, channels: int) -> int:
    return min(channels, core.bottleneck) if core.bottleneck is not None and z == core.bottleneck_plane else channels


def _neighbors(core: CubicCore, offsets: list[Offset], one_each: bool) -> int:
    """Pairs of a cell of a plane and a neighbor inside the lattice; or, for shared networks, the distinct offsets."""
    _, rows, columns = core.lattice_size

    def cells(shift: int, size: int) -> int:
        return sum(neighbor_index(cell + shift, size, core.boundary) is not None for cell in range(size))

    pairs = [cells(row_shift, rows) * cells(column_shift, columns) for row_shift, column_shift in offsets]
    return sum(pairs) if one_each else sum(map(bool, pairs))
