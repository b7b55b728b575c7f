"""What a cell does: a small network turns what it sees into a change of its state.

    hidden = relu(gain ⊙ (seen · W) + bias)          (batch, hidden)
    change = hidden · W_out + seen · V               (batch, channels)

    shared   one network for every cell; no gain
    genome   the shared network, with a gain and a bias for each cell (FiLM, Perez et al. 2018): one network, tuned
    local    a network of its own for each cell; no gain

`seen · V` is the linear path. A cell can pass on a mixture of what its neighbors hold without going through the hidden
layer, and a stack of such cells learns much faster (docs/rate_distortion.md).

W_out and V start at zero, so an untrained cell changes nothing. (Without
conduction such cells would stay silent forever: in a chain of zeros no link has a gradient. There W_out starts with
small random numbers.) How the
products are made fast is in `products`; the numbers are those of the formula.

Sources: Mordvintsev et al., Growing Neural Cellular Automata, Distill 2020 (two dense layers,
the last one zero at the start); Cheng et al., Wide & deep learning for recommender systems, 2016, section 3 (a linear
map beside the hidden layer, trained together with it).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from cubelib.lattice import products
from cubelib.lattice.cone import overlap
from cubelib.lattice.perceive import AHEAD, BEHIND, LEVEL, Offset

RULES = ("shared", "genome", "local")


class Rule(nn.Module):
    """The update rule of all cells.

    Args:
        kind: "shared", "genome" or "local".
        lattice_size: (depth, rows, columns).
        channels: numbers in a cell's state.
        hidden: width of the hidden layer.
        neighborhood: the offsets a cell sees behind, level and ahead (`cubelib.lattice.perceive.NEIGHBORHOODS`).
        boundary: what cells on the rim of a plane see outside.
        linear_path: whether a cell also adds a linear map of what it sees.
        init_std: standard deviation of the last layer's first weights.
        generator: draws the first weights; None: torch's own.

    Example:
        >>> from cubelib.lattice.perceive import NEIGHBORHOODS
        >>> rule = Rule("genome", (8, 8, 8), channels=16, hidden=32, neighborhood=NEIGHBORHOODS["von_neumann"])
        >>> len(rule.gain), rule.gain[0].shape  # a plane's parameter: a gain for each of 64 cells and 32 hidden numbers
        (8, torch.Size([64, 32]))
    """

    def __init__(
        self,
        kind: str,
        lattice_size: tuple[int, int, int],
        channels: int,
        hidden: int,
        neighborhood: dict[int, list[Offset]],
        boundary: str = "zero",
        linear_path: bool = True,
        init_std: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        depth, rows, columns = lattice_size
        self.kind, self.neighborhood, self.boundary = kind, neighborhood, boundary
        self.linear_path, self.init_std = linear_path, init_std
        self.face, self.hidden = (rows, columns), hidden
        # W and V see the same numbers and are stored side by side, `[W | V]`, so that one product serves both.
        width = hidden + channels if linear_path else hidden
        # One parameter for each plane, (cells of the plane, …); what all cells share is one parameter with one cell.
        # Planes cut out of a single tensor would get gradients of its full size, tick by tick.
        networks = (depth, rows * columns) if kind == "local" else (1, 1)
        tunings = (1, 1) if kind == "shared" else (depth, rows * columns)
        self.behind = _per_plane(*networks, len(neighborhood[BEHIND]) * channels, width)
        self.level = _per_plane(*networks, len(neighborhood[LEVEL]) * channels, width)
        self.ahead = _per_plane(*networks, len(neighborhood[AHEAD]) * channels, width)
        self.gain = _per_plane(*tunings, hidden) if kind == "genome" else None
        self.bias = _per_plane(*tunings, hidden)
        self.out = _per_plane(*networks, hidden, channels)
        self.reset_parameters(generator)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """He initialization for W (He et al. 2015, eq. 10), zero for V, N(0, init_std²) for W_out."""
        with torch.no_grad():
            for weights in (*self.behind, *self.level, *self.ahead):
                he_std = (2.0 / weights.shape[-2]) ** 0.5
                weights.zero_()[..., : self.hidden].normal_(0.0, he_std, generator=generator)
            for gain in self.gain or ():
                gain.fill_(1.0)
            for bias in self.bias:
                bias.zero_()
            for out in self.out:
                if self.init_std:
                    out.normal_(0.0, self.init_std, generator=generator)
                else:
                    out.zero_()

    def freeze_unused(self, schedule: list[range]) -> None:
        """Excludes from the optimizer what never acts, given the planes that are computed at each tick."""
        acting = {z for planes in schedule[1:] for z in planes}
        used = [(self.gain or (), acting), (self.bias, acting), (self.out, acting)]
        for depth_offset in (BEHIND, LEVEL, AHEAD):
            looking = {z for now, then in pairwise(schedule) for z in overlap(depth_offset, now, then)}
            used.append((self.first_layer(depth_offset), looking))
        for parameters, planes in used:
            for z, parameter in enumerate(parameters):
                shared = len(parameters) == 1
                parameter.requires_grad_(bool(planes) if shared else z in planes)

    def first_layer(self, depth_offset: int) -> nn.ParameterList:
        """`[W | V]` for the neighbors at one depth offset (BEHIND, LEVEL, AHEAD).

        One parameter for each plane, or one for all, of `(cells or 1, offsets · channels, hidden + channels)`; without
        the linear path W alone.
        """
        return {BEHIND: self.behind, LEVEL: self.level, AHEAD: self.ahead}[depth_offset]

    def change(self, seen: dict[int, Tensor], planes: range) -> Tensor:
        """What the cells of some planes add to their states.

        Args:
            seen: depth offset (BEHIND, LEVEL, AHEAD) → the planes that are seen there,
                `(planes, batch, rows, columns, channels)`; where an offset is missing, all is silent.
            planes: the planes of the lattice that the cells are on.

        Returns:
            `(planes, batch, rows, columns, channels)`.
        """
        offsets = [self.neighborhood[depth_offset] for depth_offset in seen]
        layers = [self.first_layer(depth_offset) for depth_offset in seen]
        if self.kind == "local":
            changes = []
            for index, z in enumerate(planes):
                states = [stack[index] for stack in seen.values()]
                weights = [layer[z] for layer in layers]
                changes.append(
                    products.own_networks(states, weights, self.bias[z], self.out[z], offsets, self.boundary)
                )
            return changes[0][None] if len(changes) == 1 else torch.stack(changes)
        weights = [layer[0][0] for layer in layers]
        product = products.shared_network(list(seen.values()), weights, offsets, self.boundary)
        preactivation, linear = product[..., : self.hidden], product[..., self.hidden :]
        bias = self._of_planes(self.bias, planes)
        if self.gain is None:
            hidden = preactivation + bias
        else:
            hidden = torch.addcmul(bias, preactivation, self._of_planes(self.gain, planes))
        change: Tensor = hidden.relu_() @ self.out[0][0]
        if self.linear_path:
            change = change + linear
        return change

    def _of_planes(self, parameters: nn.ParameterList, planes: range) -> Tensor:
        """Gain or bias of the cells of some planes, `(planes, 1, rows, columns, hidden)`, with a 1 for the batch."""
        if self.kind == "shared":
            return parameters[0]  # type: ignore[no-any-return]
        stacked: Tensor = torch.stack([parameters[z] for z in planes]).unflatten(1, (1, *self.face))
        return stacked


def _per_plane(planes: int, *shape: int) -> nn.ParameterList:
    return nn.ParameterList(nn.Parameter(torch.empty(shape)) for _ in range(planes))
