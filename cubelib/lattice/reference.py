"""The cubic core in plain loops, one cell at a time: the executable specification.

Slow on purpose. `CubicCore` must give the same numbers (the tests hold it to 1e-10 in float64); read this file to know
what they mean. Taught in notebook 03.
"""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor

from cubelib.lattice.core import CubicCore
from cubelib.lattice.perceive import NEIGHBORHOODS, neighbor_index


def reference_states(core: CubicCore, cube: Tensor, damage: Tensor | None = None) -> Tensor:
    """All states of one input.

    Args:
        core: supplies the sizes and the weights; none of its methods is called.
        cube: one input, `(rows, columns, in_channels)`.
        damage: dead cells, a bool mask `(depth, rows, columns)`, or one a tick, `(steps + 1, depth, rows, columns)`.

    Returns:
        `(steps + 1, depth, rows, columns, state_channels)`; the output is `states[-1, -1, :, :, :in_channels]`, or of a
        persistent core `states[-1, ..., :in_channels].mean(0)`.
    """
    depth, rows, columns = core.lattice_size
    states = torch.zeros(core.steps + 1, depth, rows, columns, core.state_channels, dtype=cube.dtype)
    states[0, : depth if core.persistent else 1, :, :, : core.in_channels] = cube
    global_channels = core.global_channels
    if global_channels is not None:
        code = torch.zeros(global_channels.size, dtype=cube.dtype)
    for t in range(core.steps + 1):
        for z, row, column in product(range(depth), range(rows), range(columns)):
            if t > 0 and (z <= t or core.persistent):  # a cell that no signal can have reached stays silent
                old = states[t - 1]
                states[t, z, row, column] = _carried(core, old, z, row, column) + _update(core, old, z, row, column)
            if global_channels is not None and t == z == depth - 1:  # the signal arrives, and the code with it
                states[t, z, row, column, : core.in_channels] += code @ global_channels.read_weights[row, column]
            if core.bottleneck is not None and z == core.bottleneck_plane:
                states[t, z, row, column, core.bottleneck :] = 0
            if damage is not None and damage.expand(core.steps + 1, *core.lattice_size)[t, z, row, column]:
                states[t, z, row, column] = 0
            if global_channels is not None and t == z == 0:
                front = states[0, 0, row, column, : core.in_channels]
                code = code + front @ global_channels.write_weights[row, column]
    return states


def _carried(core: CubicCore, old: Tensor, z: int, row: int, column: int) -> Tensor:
    if core.persistent or not core.conduction:
        return old[z, row, column]
    arriving = old[z - 1, row, column] if z > 0 else torch.zeros_like(old[z, row, column])
    return old[z, row, column] + arriving if z == core.lattice_size[0] - 1 else arriving


def _update(core: CubicCore, old: Tensor, z: int, row: int, column: int) -> Tensor:
    rule, (depth, rows, columns) = core.rule, core.lattice_size
    own = (z, row * columns + column)  # plane and cell; (0, 0) is where a parameter lies that all cells share
    network, network_cell = own if rule.kind == "local" else (0, 0)
    tuning, tuning_cell = own if rule.kind != "shared" else (0, 0)
    preactivation = torch.zeros(core.hidden, dtype=old.dtype)
    linear = torch.zeros(core.state_channels, dtype=old.dtype)
    for depth_offset, offsets in NEIGHBORHOODS[core.neighborhood].items():
        weights = rule.first_layer(depth_offset)[network][network_cell]  # [W | V]
        for k, (row_shift, column_shift) in enumerate(offsets):
            near_row = neighbor_index(row + row_shift, rows, core.boundary)
            near_column = neighbor_index(column + column_shift, columns, core.boundary)
            if not 0 <= z + depth_offset < depth or near_row is None or near_column is None:
                continue  # nothing there: silence adds nothing
            block = weights[k * core.state_channels : (k + 1) * core.state_channels]
            seen = old[z + depth_offset, near_row, near_column]
            preactivation = preactivation + seen @ block[:, : core.hidden]
            if core.linear_path:
                linear = linear + seen @ block[:, core.hidden :]
    if rule.gain is not None:
        preactivation = preactivation * rule.gain[tuning][tuning_cell]
    hidden = torch.relu(preactivation + rule.bias[tuning][tuning_cell])
    change: Tensor = hidden @ rule.out[network][network_cell] + linear
    return change
