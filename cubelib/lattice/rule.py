"""What a cell does: a small two-layer network turns what it sees into a change of its state.

    hidden = relu(gain ⊙ (Σ_slab seen_slab · W_slab) + bias)         (batch, hidden)
    change = hidden · W_out                                          (batch, channels)

    shared   one network for every cell; no gain
    genome   the shared network, and a gain and a bias of its own for each cell: the same organ, differently tuned
    local    a network of its own for each cell; no gain

W_out starts at zero, so an untrained cell changes nothing. How the products are made fast is in `products`; the numbers
are those of the formula.

Taught in notebook 03. Source: Mordvintsev et al., Growing Neural Cellular Automata, Distill 2020 (two dense layers,
the last one zero at the start).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cubelib.lattice import products
from cubelib.lattice.perceive import AHEAD, BEHIND, LEVEL, Offset

RULES = ("shared", "genome", "local")

Sheets = dict[str, tuple[Tensor, ...]]  # parameter name → its planes
_SLAB_NAMES = {BEHIND: "behind", LEVEL: "level", AHEAD: "ahead"}


class Rule(nn.Module):
    """The update rule of all cells.

    Args:
        kind: "shared", "genome" or "local".
        lattice_size: (depth, rows, columns).
        channels: numbers in a cell's state.
        hidden: width of the hidden layer.
        slabs: the offsets a cell sees behind, level and ahead (`cubelib.lattice.perceive.NEIGHBORHOODS`).
        boundary: what cells on the rim of a plane see outside.

    Example:
        >>> from cubelib.lattice.perceive import NEIGHBORHOODS
        >>> rule = Rule("genome", (8, 8, 8), channels=16, hidden=32, slabs=NEIGHBORHOODS["von_neumann"])
        >>> rule.gain.shape
        torch.Size([8, 64, 32])
    """

    def __init__(
        self,
        kind: str,
        lattice_size: tuple[int, int, int],
        channels: int,
        hidden: int,
        slabs: dict[int, list[Offset]],
        boundary: str = "zero",
    ) -> None:
        super().__init__()
        depth, rows, columns = lattice_size
        self.kind, self.slabs, self.boundary = kind, slabs, boundary
        self.face = (rows, columns)
        # Networks are stored as (depth, cells of a plane, in, out); sharing is a size of 1 in the first two places.
        networks = (depth, rows * columns) if kind == "local" else (1, 1)
        cells = (1, 1) if kind == "shared" else (depth, rows * columns)
        self.behind, self.level, self.ahead = (
            nn.Parameter(torch.empty(*networks, len(slabs[slab]) * channels, hidden)) for slab in (BEHIND, LEVEL, AHEAD)
        )
        self.gain = nn.Parameter(torch.ones(*cells, hidden)) if kind == "genome" else None
        self.bias = nn.Parameter(torch.zeros(*cells, hidden))
        self.out = nn.Parameter(torch.zeros(*networks, hidden, channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """He initialisation for the first layer (He et al. 2015, eq. 10), zero for the last: a change of nothing."""
        with torch.no_grad():
            for weights in (self.behind, self.level, self.ahead):
                weights.normal_(0.0, (2.0 / weights.shape[-2]) ** 0.5)
            if self.gain is not None:
                self.gain.fill_(1.0)
            self.bias.zero_()
            self.out.zero_()

    def slab_weights(self, slab: int) -> Tensor:
        """The first layer's weights for one slab, `(1 or depth, 1 or cells, offsets · channels, hidden)`."""
        return self.get_parameter(_SLAB_NAMES[slab])

    def sheets(self) -> Sheets:
        """The parameters cut into planes, to be done once a forward pass and handed to `excite` and `respond`.

        Cutting a plane out at each tick would make the backward pass write a gradient of full size for each of them.
        """
        return {name: parameter.split(1) for name, parameter in self.named_parameters()}

    def excite(self, sheets: Sheets, planes: Tensor, slab: int, looking: range) -> Tensor:
        """One slab's share of the hidden layer, before gain, bias and relu.

        Args:
            sheets: what `sheets` has returned.
            planes: states `(planes, rows, columns, batch, channels)` of the planes that are seen.
            slab: BEHIND, LEVEL or AHEAD.
            looking: the planes of the lattice whose cells are looking.

        Returns:
            `(planes, …, hidden)` in the rule's own order of axes, for `respond`: `(planes, rows, columns, batch, …)` if
            each cell has its own matrices, `(planes, batch, rows, columns, …)` if all share them.
        """
        weights, offsets = _of(sheets[_SLAB_NAMES[slab]], looking), self.slabs[slab]
        if self.kind == "local":
            return products.own_networks(planes, weights, offsets, self.boundary)
        return products.shared_network(planes.permute(0, 3, 1, 2, 4), weights[0, 0], offsets, self.boundary)

    def respond(self, sheets: Sheets, excitation: Tensor, looking: range) -> Tensor:
        """From the summed excitation to the change of state.

        Args:
            sheets: what `sheets` has returned.
            excitation: the sum of what `excite` has returned, `(planes, …, hidden)`.
            looking: the planes of the lattice that these cells are on.

        Returns:
            `(planes, rows, columns, batch, channels)`.
        """
        out = _of(sheets["out"], looking)
        bias = self._tuning(_of(sheets["bias"], looking))
        if self.gain is None:
            hidden = (excitation + bias).relu_()
        else:
            hidden = torch.addcmul(bias, excitation, self._tuning(_of(sheets["gain"], looking))).relu_()
        if self.kind == "local":
            return torch.bmm(hidden.flatten(0, 2), out.flatten(0, 1)).unflatten(0, hidden.shape[:3])
        return (hidden @ out[0, 0]).permute(0, 2, 3, 1, 4)

    def _tuning(self, parameter: Tensor) -> Tensor:
        """Gain or bias, `(planes, 1 or cells, hidden)`, with a 1 where the excitation has its batch."""
        if self.kind == "shared":
            return parameter[:, :, None, None]  # (1, 1, 1, 1, hidden)
        return parameter.unflatten(1, self.face).unsqueeze(3 if self.kind == "local" else 1)


def _of(sheets: tuple[Tensor, ...], looking: range) -> Tensor:
    """The sheets of some planes; the one and only sheet if all planes share it."""
    if len(sheets) == 1 or len(looking) == 1:
        return sheets[0] if len(sheets) == 1 else sheets[looking.start]
    return torch.cat(sheets[looking.start : looking.stop])
