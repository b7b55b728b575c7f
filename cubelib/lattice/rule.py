"""What a cell does: a small two-layer network turns what it sees into a change of its state.

    hidden = relu(gain ⊙ (Σ_slab seen_slab · W_slab) + bias)         (batch, hidden)
    change = hidden · W_out                                          (batch, channels)

    shared   one network for every cell; no gain
    genome   the shared network, and a gain and a bias of its own for each cell: the same organ, differently tuned
    local    a network of its own for each cell; no gain

W_out starts at zero, so an untrained cell changes nothing. All three rules are one batched matrix product over cells;
only the number of matrices differs.

Taught in notebook 03. Source: Mordvintsev et al., Growing Neural Cellular Automata, Distill 2020 (two dense layers,
the last one zero at the start).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cubelib.lattice.perceive import AHEAD, BEHIND, LEVEL, Offset

RULES = ("shared", "genome", "local")


def _cells_product(seen: Tensor, weights: Tensor) -> Tensor:
    """(cells, batch, k) times (1 or cells, k, n) → (cells, batch, n)."""
    if weights.shape[0] == 1:
        return seen @ weights[0]
    return torch.bmm(seen, weights)


class Rule(nn.Module):
    """The update rule of all cells.

    Args:
        kind: "shared", "genome" or "local".
        lattice_size: (depth, rows, columns).
        channels: numbers in a cell's state.
        hidden: width of the hidden layer.
        slabs: the offsets a cell sees behind, level and ahead (`cubelib.lattice.perceive.NEIGHBORHOODS`).

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
    ) -> None:
        super().__init__()
        depth, rows, columns = lattice_size
        self.kind = kind
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
        return {BEHIND: self.behind, LEVEL: self.level, AHEAD: self.ahead}[slab]

    def excite(self, seen: Tensor, slab: int, planes: slice) -> Tensor:
        """One slab's share of the hidden layer, before gain, bias and relu.

        Args:
            seen: `(planes, cells, batch, offsets · channels)`.
            slab: BEHIND, LEVEL or AHEAD.
            planes: the planes of the lattice whose cells are looking.

        Returns:
            `(planes, cells, batch, hidden)`.
        """
        return self._product(seen, self.slab_weights(slab), planes)

    def respond(self, excitation: Tensor, planes: slice) -> Tensor:
        """From the summed excitation to the change of state.

        Args:
            excitation: `(planes, cells, batch, hidden)`.
            planes: the planes of the lattice that these cells are on.

        Returns:
            `(planes, cells, batch, channels)`.
        """
        if self.gain is not None:
            excitation = excitation * self._of(self.gain, planes)[:, :, None]
        hidden = torch.relu(excitation + self._of(self.bias, planes)[:, :, None])
        return self._product(hidden, self.out, planes)

    @staticmethod
    def _of(parameter: Tensor, planes: slice) -> Tensor:
        return parameter if parameter.shape[0] == 1 else parameter[planes]

    def _product(self, values: Tensor, weights: Tensor, planes: slice) -> Tensor:
        weights = self._of(weights, planes).flatten(0, 1)  # (1 or planes · cells, in, out)
        product = _cells_product(values.flatten(0, 1), weights)
        return product.unflatten(0, values.shape[:2])
