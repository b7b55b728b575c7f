"""The cubic core in plain loops, one cell at a time: the executable specification.

    seen   = perceived(core, old, cell)                               what the cells around it hold, side by side
    change = relu(gain ⊙ (seen · W) + bias) · W_out + seen · V        with weights_of(core, cell)
    new    = carried(core, old, cell) + change

Slow on purpose. `CubicCore` must give the same numbers (the tests hold it to 1e-10 in float64); read this file to know
what they mean. Taught in notebook 03.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from cubelib.lattice.core import CubicCore
from cubelib.lattice.perceive import NEIGHBORHOODS, neighbor_index

Cell = tuple[int, int, int]  # (plane, row, column)


class CellWeights(NamedTuple):
    """The weights that one cell uses; which other cells use the same ones depends on the rule."""

    w: Tensor  # (seen numbers, hidden)
    v: Tensor  # (seen numbers, channels), zeros without the linear path
    gain: Tensor  # (hidden,), ones if the rule has no gain
    bias: Tensor  # (hidden,)
    w_out: Tensor  # (hidden, channels)


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
                cell, old = (z, row, column), states[t - 1]
                w, v, gain, bias, w_out = weights_of(core, cell)
                seen = perceived(core, old, cell)
                change = torch.relu(gain * (seen @ w) + bias) @ w_out + seen @ v
                states[t, z, row, column] = carried(core, old, cell) + change
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


def perceived(core: CubicCore, old: Tensor, cell: Cell) -> Tensor:
    """What a cell sees: the numbers of the cells around it and its own, side by side; zeros where nobody is.

    Args:
        core: supplies the sizes, the neighborhood and the boundary.
        old: the states before the tick, `(depth, rows, columns, state_channels)`.
        cell: (plane, row, column).

    Returns:
        `(seen cells · state_channels,)`: the plane behind, the cell's own plane, the plane ahead.

    Example:
        >>> core = CubicCore((3, 2, 2), 1, state_channels=1, neighborhood="von_neumann")
        >>> old = torch.arange(12.0).view(3, 2, 2, 1)            # cell (1, 0, 1), in a corner, holds 5
        >>> perceived(core, old, (1, 0, 1)).tolist()             # behind; above, left, itself, right, below; ahead
        [1.0, 0.0, 4.0, 5.0, 0.0, 7.0, 9.0]
    """
    depth, rows, columns = core.lattice_size
    z, row, column = cell
    seen = []
    for depth_offset, offsets in NEIGHBORHOODS[core.neighborhood].items():
        for row_shift, column_shift in offsets:
            near_row = neighbor_index(row + row_shift, rows, core.boundary)
            near_column = neighbor_index(column + column_shift, columns, core.boundary)
            if not 0 <= z + depth_offset < depth or near_row is None or near_column is None:
                seen.append(torch.zeros_like(old[0, 0, 0]))  # nothing there: silence
            else:
                seen.append(old[z + depth_offset, near_row, near_column])
    return torch.cat(seen)


def weights_of(core: CubicCore, cell: Cell) -> CellWeights:
    """The weights of one cell, in the order in which `perceived` puts what it sees.

    Args:
        core: supplies the weights; none of its methods is called.
        cell: (plane, row, column).

    Returns:
        W, V, gain, bias and W_out. All cells share them, or some of them, or none: see `CubicCore`'s `rule`.

    Example:
        >>> weights = weights_of(CubicCore((8, 8, 8), 12, rule="shared"), (3, 0, 5))
        >>> weights.w.shape, weights.v.shape, weights.w_out.shape                         # 27 cells of 16 numbers
        (torch.Size([432, 32]), torch.Size([432, 16]), torch.Size([32, 16]))
    """
    rule, columns = core.rule, core.lattice_size[2]
    own = (cell[0], cell[1] * columns + cell[2])  # plane and cell; (0, 0) is where a parameter is that all cells share
    network, network_cell = own if rule.kind == "local" else (0, 0)
    tuning, tuning_cell = own if rule.kind != "shared" else (0, 0)
    offsets = NEIGHBORHOODS[core.neighborhood]
    layers = [rule.first_layer(depth_offset)[network][network_cell] for depth_offset in offsets]
    both = torch.cat(layers)  # (seen numbers, hidden + channels): [W | V]
    w = both[:, : core.hidden]
    v = both[:, core.hidden :] if core.linear_path else both.new_zeros(len(both), core.state_channels)
    bias = rule.bias[tuning][tuning_cell]
    gain = torch.ones_like(bias) if rule.gain is None else rule.gain[tuning][tuning_cell]
    return CellWeights(w, v, gain, bias, rule.out[network][network_cell])


def carried(core: CubicCore, old: Tensor, cell: Cell) -> Tensor:
    """What a cell holds after a tick if no cell changes anything.

    Args:
        core: says whether it conducts.
        old: the states before the tick, `(depth, rows, columns, state_channels)`.
        cell: (plane, row, column).

    Returns:
        `(state_channels,)`: the state of the cell behind, on the back face added to the cell's own; without conduction
        the cell's own.

    Example:
        >>> core = CubicCore((3, 1, 1), 1, state_channels=1)
        >>> old = torch.tensor([8.0, 4.0, 2.0]).view(3, 1, 1, 1)
        >>> [carried(core, old, (plane, 0, 0)).item() for plane in range(3)]
        [0.0, 8.0, 6.0]
    """
    z, row, column = cell
    if core.persistent or not core.conduction:
        return old[z, row, column]
    arriving = old[z - 1, row, column] if z > 0 else torch.zeros_like(old[z, row, column])
    return old[z, row, column] + arriving if z == core.lattice_size[0] - 1 else arriving
