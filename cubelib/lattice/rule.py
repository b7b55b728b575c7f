"""What a cell does: a small network turns what it sees into a change of its state.

    hidden = relu(gain ⊙ (seen · W) + bias)          (batch, hidden)
    change = hidden · W_out + seen · V               (batch, channels)

    shared   one network for every cell; no gain
    genome   the shared network, and a gain and a bias of its own for each cell: the same organ, differently tuned
    local    a network of its own for each cell; no gain

`seen · V` is the linear path. A cell can pass on a mixture of what its neighbors hold without going through the hidden
layer, and a stack of such cells learns much faster: after two epochs the autoencoder of notebook 04 is farther than
without the path after five.

W_out and V start at zero, so an untrained cell changes nothing. (Where nothing is carried either, such cells would stay
silent forever: in a chain of zeros no link has a gradient. There W_out starts with small random numbers.) How the
products are made fast is in `products`; the numbers are those of the formula.

Taught in notebook 03. Sources: Mordvintsev et al., Growing Neural Cellular Automata, Distill 2020 (two dense layers,
the last one zero at the start); Cheng et al., Wide & deep learning for recommender systems, 2016, section 3 (a linear
map beside the hidden layer, trained together with it).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cubelib.lattice import products
from cubelib.lattice.perceive import AHEAD, BEHIND, LEVEL, Offset

RULES = ("shared", "genome", "local")


class Rule(nn.Module):
    """The update rule of all cells.

    Args:
        kind: "shared", "genome" or "local".
        lattice_size: (depth, rows, columns).
        channels: numbers in a cell's state.
        hidden: width of the hidden layer.
        slabs: the offsets a cell sees behind, level and ahead (`cubelib.lattice.perceive.NEIGHBORHOODS`).
        boundary: what cells on the rim of a plane see outside.
        linear_path: whether a cell also adds a linear map of what it sees.
        nudge: standard deviation of the last layer's first weights.

    Example:
        >>> from cubelib.lattice.perceive import NEIGHBORHOODS
        >>> rule = Rule("genome", (8, 8, 8), channels=16, hidden=32, slabs=NEIGHBORHOODS["von_neumann"])
        >>> len(rule.gain), rule.gain[0].shape  # a plane's sheet: a gain for each of 64 cells and 32 hidden numbers
        (8, torch.Size([64, 32]))
    """

    def __init__(
        self,
        kind: str,
        lattice_size: tuple[int, int, int],
        channels: int,
        hidden: int,
        slabs: dict[int, list[Offset]],
        boundary: str = "zero",
        linear_path: bool = True,
        nudge: float = 0.0,
    ) -> None:
        super().__init__()
        depth, rows, columns = lattice_size
        self.kind, self.slabs, self.boundary, self.nudge = kind, slabs, boundary, nudge
        self.face, self.hidden = (rows, columns), hidden
        # W and V look at the same numbers and stand side by side, `[W | V]`, so that one product serves both.
        width = hidden + channels if linear_path else hidden
        # A parameter is a list of sheets, one for each plane, of (cells of the plane, …); what all cells share is one
        # sheet with one cell. Planes cut out of a single tensor would get gradients of its full size, tick by tick.
        networks = (depth, rows * columns) if kind == "local" else (1, 1)
        tunings = (1, 1) if kind == "shared" else (depth, rows * columns)
        self.behind, self.level, self.ahead = (
            _sheets(*networks, len(slabs[slab]) * channels, width) for slab in (BEHIND, LEVEL, AHEAD)
        )
        self.gain = _sheets(*tunings, hidden) if kind == "genome" else None
        self.bias = _sheets(*tunings, hidden)
        self.out = _sheets(*networks, hidden, channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """He initialization for W (He et al. 2015, eq. 10), zero for V, zero or the nudge for W_out."""
        with torch.no_grad():
            for sheet in (*self.behind, *self.level, *self.ahead):
                sheet.zero_()[..., : self.hidden].normal_(0.0, (2.0 / sheet.shape[-2]) ** 0.5)
            for sheet in self.gain or ():
                sheet.fill_(1.0)
            for sheet in self.bias:
                sheet.zero_()
            for sheet in self.out:
                sheet.zero_() if self.nudge == 0 else sheet.normal_(0.0, self.nudge)

    def first_layer(self, slab: int) -> nn.ParameterList:
        """What one slab is multiplied with, `[W | V]`: a sheet for each plane, or one for all, of
        `(cells or 1, offsets · channels, hidden + channels)`; without the linear path W alone.
        """
        return {BEHIND: self.behind, LEVEL: self.level, AHEAD: self.ahead}[slab]

    def change(self, seen: dict[int, Tensor], looking: range) -> Tensor:
        """What the cells of some planes add to their states.

        Args:
            seen: slab (BEHIND, LEVEL, AHEAD) → the planes that are seen there,
                `(planes, batch, rows, columns, channels)`; a slab that is not named is silent.
            looking: the planes of the lattice that the cells are on.

        Returns:
            `(planes, batch, rows, columns, channels)`.
        """
        offsets, layers = [self.slabs[slab] for slab in seen], [self.first_layer(slab) for slab in seen]
        if self.kind == "local":
            changes = [
                products.own_networks(
                    planes, [sheets[z] for sheets in layers], self.bias[z], self.out[z], offsets, self.boundary
                )
                for z, *planes in zip(looking, *(planes.unbind() for planes in seen.values()), strict=True)
            ]
            return changes[0][None] if len(changes) == 1 else torch.stack(changes)
        weights = [sheets[0][0] for sheets in layers]
        product = products.shared_network(list(seen.values()), weights, offsets, self.boundary)
        excitation, straight = product[..., : self.hidden], product[..., self.hidden :]
        bias = self._tuning(self.bias, looking)
        if self.gain is None:
            hidden = excitation + bias
        else:
            hidden = torch.addcmul(bias, excitation, self._tuning(self.gain, looking))
        change = hidden.relu_() @ self.out[0][0]
        return change + straight if straight.shape[-1] else change

    def _tuning(self, sheets: nn.ParameterList, looking: range) -> Tensor:
        """Gain or bias of the cells of some planes, `(planes, 1, rows, columns, hidden)`, with a 1 for the batch."""
        if self.kind == "shared":
            return sheets[0]
        return torch.stack([sheets[z] for z in looking]).unflatten(1, (1, *self.face))


def _sheets(planes: int, *shape: int) -> nn.ParameterList:
    return nn.ParameterList(nn.Parameter(torch.empty(shape)) for _ in range(planes))
