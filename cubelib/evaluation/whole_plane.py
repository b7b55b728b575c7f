"""A rival of a lattice that loses cells: stages that see a whole plane at once.

Taught in notebook 04.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import pad


class WholePlane(nn.Module):
    """A lattice in which a network that sees a whole plane takes the place of a rule: state → state + MLP(state).

    Like a cube it carries its state from plane to plane, is the identity at first, and loses dead cells. Unlike a rule,
    its weights belong to places, so it has to learn for each place of a plane what a rule learns once.

    Args:
        face: (rows, columns).
        in_channels: numbers of a cell of the front and the back face.
        state_channels: numbers of a cell in between, at least in_channels.
        hidden: width of a stage's hidden layer.
        stages: 1 for one stage that all ticks share, which fits any depth; otherwise one for each tick.

    Raises:
        ValueError: fewer state_channels than in_channels.

    Shape:
        `(batch, rows, columns, in_channels)` → the same.

    Example:
        >>> rival = WholePlane((2, 2), 3, state_channels=6, hidden=5)
        >>> import torch
        >>> cubes, damage = torch.ones(1, 2, 2, 3), torch.zeros(4, 2, 2, dtype=torch.bool)
        >>> damage[1, 0, 0] = True
        >>> rival(cubes, damage=damage)[..., 0]  # untrained: what is dead is lost, all else is carried
        tensor([[[0., 1.],
                 [1., 1.]]], grad_fn=<SelectBackward0>)
    """

    def __init__(
        self, face: tuple[int, int], in_channels: int, *, state_channels: int, hidden: int, stages: int = 1
    ) -> None:
        super().__init__()
        if state_channels < in_channels:
            raise ValueError(
                f"WholePlane: state_channels must be at least in_channels; got {state_channels} and {in_channels}."
            )
        self.in_channels, self.state_channels = in_channels, state_channels
        width = face[0] * face[1] * state_channels
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width)) for _ in range(stages)
        )
        for stage in self.stages:
            for parameter in stage[2].parameters():  # type: ignore[index]
                nn.init.zeros_(parameter)  # the identity at first, like an untrained lattice

    @property
    def parameter_count(self) -> int:
        """Numbers that are learned."""
        return sum(parameter.numel() for parameter in self.parameters())

    def forward(self, cubes: Tensor, *, damage: Tensor) -> Tensor:
        """Carries cubes through as many planes as the mask has.

        Args:
            cubes: `(batch, rows, columns, in_channels)`.
            damage: dead cells, bool `(depth, rows, columns)`.

        Raises:
            ValueError: a depth for which there are not enough stages.
        """
        ticks = len(damage) - 1
        if len(self.stages) not in (1, ticks):
            raise ValueError(
                f"WholePlane: a depth of {len(damage)} takes {ticks} stages, and this network has {len(self.stages)}. "
                "Train another one, or share one stage: stages=1."
            )
        alive = (~damage)[..., None].to(cubes)  # (depth, rows, columns, 1)
        state = pad(cubes, (0, self.state_channels - self.in_channels)) * alive[0]
        for tick in range(ticks):
            stage = self.stages[tick % len(self.stages)]
            state = (state + stage(state.flatten(1)).view_as(state)) * alive[tick + 1]
        return state[..., : self.in_channels]
